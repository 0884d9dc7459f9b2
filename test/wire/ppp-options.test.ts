import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { PPP } from '../../src/wire/ppp.ts'
import {
  CONTROL_DATA_BYTES_MAX,
  describePppControl,
  PPP_CODE,
  PppControlView,
  pppCodeName,
  type PppControlRecord,
} from '../../src/wire/ppp-control.ts'
import {
  CCP,
  chapAlgorithmName,
  ECP,
  IPCP,
  IPV6CP,
  LCP,
  MPPE,
  PppOptionCursor,
  type PppOption,
} from '../../src/wire/ppp-options.ts'
import { be16, fromHex } from '../support/craft.ts'

const control = new PppControlView()
const cursor = new PppOptionCursor()

/** Configure-Request of a Windows client that asks for MS-CHAPv2 and offers CBCP and multilink. */
const LCP_REQUEST = fromHex(`01 07 0033
  01 04 0578  02 06 00000000  03 05 c223 81  05 06 6f023e93  07 02  08 02  0d 03 06
  11 04 064e  12 02  13 0d 01 43afb3ddf1d34ff2a0f0`)

function packet(code: number, data: string): Uint8Array {
  const octets = fromHex(data)
  return Uint8Array.from([code, 1, ...be16(4 + octets.length), ...octets])
}

function read(protocol: number, bytes: Uint8Array): PppControlRecord {
  expect(control.decode(bytes, 0, bytes.length)).toBeNull()
  return describePppControl(protocol, control, cursor)
}

/** What is told of one option besides its type, name and length. */
function value(protocol: number, option: string): Partial<PppOption> {
  const { options, flaw } = read(protocol, packet(PPP_CODE.CONFIGURE_REQUEST, option))
  expect(flaw).toBeUndefined()
  expect(options).toHaveLength(1)
  const { type, name, length, ...rest } = options![0]
  expect(name).not.toBe('unknown')
  expect(type).toBe(fromHex(option)[0])
  expect(length).toBe(fromHex(option).length)
  return rest
}

describe('PppControlView', () => {
  test('reads the header and leaves the padding out of the data', () => {
    const bytes = fromHex('ffff 09 2a 0008 00000000 eeee')
    expect(control.decode(bytes, 2, bytes.length)).toBeNull()
    expect(control).toMatchObject({
      code: PPP_CODE.ECHO_REQUEST,
      identifier: 42,
      length: 8,
      dataStart: 6,
      dataEnd: 10,
      paddingLength: 2,
    })
  })

  test('names every truncation', () => {
    for (let length = 0; length < LCP_REQUEST.length; length++) {
      const flaw = length < 4 ? 'ppp.control_truncated' : 'ppp.control_length'
      expect(control.decode(LCP_REQUEST, 0, length)).toBe(flaw)
    }
  })

  test('names a length shorter than the header', () => {
    for (const length of [0, 3]) expect(control.decode(Uint8Array.of(1, 1, 0, length), 0, 4)).toBe('ppp.control_length')
  })
})

describe('PppOptionCursor', () => {
  test('gives every option its window', () => {
    expect(control.decode(LCP_REQUEST, 0, LCP_REQUEST.length)).toBeNull()
    const seen: number[][] = []
    cursor.over(control.bytes, control.dataStart, control.dataEnd)
    while (cursor.next()) seen.push([cursor.type, cursor.length, cursor.valueStart, cursor.valueEnd])
    expect(cursor.flaw).toBeNull()
    expect(seen.slice(0, 3)).toEqual([
      [LCP.MRU, 4, 6, 8],
      [LCP.ACCM, 6, 10, 14],
      [LCP.AUTHENTICATION_PROTOCOL, 5, 16, 19],
    ])
    expect(seen.map(([type]) => type)).toEqual([1, 2, 3, 5, 7, 8, 13, 17, 18, 19])
  })

  test('stops at an option that has no length, one below two, or one past the end', () => {
    for (const [digits, flaw] of [
      ['0702 05', 'ppp.option_truncated'],
      ['0702 0500', 'ppp.option_length'],
      ['0702 0501', 'ppp.option_length'],
      ['0702 0503', 'ppp.option_length'],
    ]) {
      const bytes = fromHex(digits)
      cursor.over(bytes, 0, bytes.length)
      expect(cursor.next()).toBe(true)
      expect(cursor.next()).toBe(false)
      expect(cursor.flaw).toBe(flaw)
      expect(cursor.next()).toBe(false)
    }
  })

  test('keeps its windows in range and ends, for any octets', () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 64 }), (bytes) => {
        cursor.over(bytes, 0, bytes.length)
        let at = 0
        while (cursor.next()) {
          expect(cursor.valueStart).toBe(at + 2)
          expect(cursor.valueEnd).toBe(at + cursor.length)
          expect(cursor.valueEnd).toBeLessThanOrEqual(bytes.length)
          at = cursor.valueEnd
        }
        expect(cursor.flaw === null).toBe(at === bytes.length)
      }),
    )
  })
})

describe('a Configure packet of LCP', () => {
  test('is described option by option', () => {
    expect(read(PPP.LCP, LCP_REQUEST)).toEqual({
      code: 1,
      codeName: 'Configure-Request',
      identifier: 7,
      length: 51,
      options: [
        { type: 1, name: 'Maximum-Receive-Unit', length: 4, value: 1400 },
        { type: 2, name: 'Async-Control-Character-Map', length: 6, value: '0x00000000' },
        {
          type: 3,
          name: 'Authentication-Protocol',
          length: 5,
          protocol: 0xc223,
          protocolName: 'CHAP',
          algorithm: 0x81,
          algorithmName: 'MS-CHAP-V2',
        },
        { type: 5, name: 'Magic-Number', length: 6, value: '0x6f023e93' },
        { type: 7, name: 'Protocol-Field-Compression', length: 2 },
        { type: 8, name: 'Address-and-Control-Field-Compression', length: 2 },
        { type: 13, name: 'Callback', length: 3, operation: 6, operationName: 'CBCP' },
        { type: 17, name: 'Multilink-MRRU', length: 4, value: 1614 },
        { type: 18, name: 'Multilink-Short-Sequence-Number-Header-Format', length: 2 },
        {
          type: 19,
          name: 'Multilink-Endpoint-Discriminator',
          length: 13,
          classNumber: 1,
          className: 'Locally Assigned Address',
          value: '43afb3ddf1d34ff2a0f0',
        },
      ],
    })
  })

  test('keeps the options before a flaw and names the flaw', () => {
    const record = read(PPP.LCP, packet(1, '0104 05dc 0506 1234'))
    expect(record.options).toEqual([{ type: 1, name: 'Maximum-Receive-Unit', length: 4, value: 1500 }])
    expect(record.flaw).toBe('ppp.option_length')
  })

  test('names a value whose length its kind does not allow, and goes on', () => {
    const record = read(PPP.LCP, packet(1, '0103 05 0702'))
    expect(record.options).toEqual([
      { type: 1, name: 'Maximum-Receive-Unit', length: 3, data: '05', flaw: 'ppp.option_value' },
      { type: 7, name: 'Protocol-Field-Compression', length: 2 },
    ])
    expect(record.flaw).toBe('ppp.option_value')
  })

  test('shows an unknown option in hex digits', () => {
    const record = read(PPP.LCP, packet(1, 'c805 010203'))
    expect(record.options).toEqual([{ type: 200, name: 'unknown', length: 5, value: '010203' }])
    expect(record.flaw).toBeUndefined()
  })

  test('may have no options', () => {
    expect(read(PPP.LCP, packet(1, ''))).toMatchObject({ codeName: 'Configure-Request', options: [] })
  })

  test('types each kind of value', () => {
    const lcp = (option: string) => value(PPP.LCP, option)
    expect(lcp('0008 00001a 03 beef')).toEqual({ oui: '00001a', kind: 3, data: 'beef' })
    expect(lcp('0304 c023')).toEqual({ protocol: 0xc023, protocolName: 'PAP' })
    expect(lcp('0304 c227')).toEqual({ protocol: 0xc227, protocolName: 'EAP' })
    expect(lcp('0305 c223 05')).toMatchObject({ algorithm: 5, algorithmName: 'MD5' })
    expect(lcp('0408 c025 000003e8')).toEqual({
      protocol: 0xc025,
      protocolName: 'LQR',
      reportingPeriodCentiseconds: 1000,
    })
    expect(lcp('0405 c027 01')).toEqual({ protocol: 0xc027, protocolName: 'SPAP', data: '01' })
    expect(lcp('0903 06')).toEqual({ value: 6, meaning: 'CCITT 16-bit FCS, CCITT 32-bit FCS' })
    expect(lcp('0a03 08')).toEqual({ value: 8 })
    expect(lcp('0b04 07 ff')).toEqual({ window: 7, data: 'ff' })
    expect(lcp('0d08 03 3535353132')).toEqual({ operation: 3, operationName: 'E.164 number', value: '55512' })
    expect(lcp('1303 00')).toEqual({ classNumber: 0, className: 'Null' })
    expect(lcp('1307 02 0a000001')).toMatchObject({ className: 'IP Address', value: '10.0.0.1' })
    expect(lcp('1309 03 0022446688aa')).toMatchObject({ value: '00:22:44:66:88:aa' })
    expect(lcp('1306 01 6c6163')).toMatchObject({ value: 'lac' })
    expect(lcp('1704 0102')).toEqual({ value: 258 })
    expect(lcp('1a05 01 02 aa')).toEqual({ classNumber: 1, data: '02aa' })
    expect(lcp('1b04 06 04')).toEqual({ value: 6, meaning: 'short sequence number with classes', classes: 4 })
    expect(lcp('1c08 0000006a 656e')).toEqual({ mibEnum: 106, language: 'en' })
  })

  test('wants an algorithm with CHAP', () => {
    expect(read(PPP.LCP, packet(1, '0304 c223')).flaw).toBe('ppp.option_value')
  })
})

describe('the other codes of LCP', () => {
  test('Echo and Discard tell the magic number and the data', () => {
    expect(read(PPP.LCP, packet(9, '0a0b0c0d'))).toEqual({
      code: 9,
      codeName: 'Echo-Request',
      identifier: 1,
      length: 8,
      magicNumber: '0x0a0b0c0d',
      dataLength: 0,
    })
    expect(read(PPP.LCP, packet(11, '00000001 ccdd'))).toMatchObject({ codeName: 'Discard-Request', data: 'ccdd' })
  })

  test('data without a meaning are cut, their length is not', () => {
    const record = read(PPP.LCP, packet(10, '00000001'.concat('ab'.repeat(1000))))
    expect(record.dataLength).toBe(1000)
    expect(record.data).toBe('ab'.repeat(CONTROL_DATA_BYTES_MAX))
  })

  test('Terminate-Request tells its words, its octets, or the error number of Windows', () => {
    expect(read(PPP.LCP, packet(5, '557365722072657175657374')).message).toBe('User request')
    expect(read(PPP.LCP, packet(5, '01ff'))).toMatchObject({ dataLength: 2, data: '01ff' })
    expect(read(PPP.LCP, packet(5, '6f023e93 003ccd74 000002dc'))).toMatchObject({
      magicNumber: '0x6f023e93',
      rasError: 732,
    })
    expect(Object.keys(read(PPP.LCP, packet(6, '')))).toEqual(['code', 'codeName', 'identifier', 'length'])
  })

  test('Code-Reject tells the code and identifier that were rejected', () => {
    expect(read(PPP.LCP, packet(7, '0c 05 0008 00000000'))).toMatchObject({
      rejectedCode: 12,
      rejectedCodeName: 'Identification',
      rejectedIdentifier: 5,
      dataLength: 8,
    })
  })

  test('Protocol-Reject names the protocol and keeps what was rejected to itself', () => {
    const record = read(PPP.LCP, packet(8, 'c023 0101000d 03626f62 0473336372'))
    expect(record).toEqual({
      code: 8,
      codeName: 'Protocol-Reject',
      identifier: 1,
      length: 19,
      rejectedProtocol: 0xc023,
      rejectedProtocolName: 'PAP',
      dataLength: 13,
    })
  })

  test('Identification tells its words and what Windows means by them', () => {
    const identification = (words: string | Uint8Array) =>
      read(PPP.LCP, packet(12, `00000001${Buffer.from(words).toString('hex')}`))
    expect(identification('pppd 2.5').message).toBe('pppd 2.5')
    expect(identification('MSRASV5.20').rasVersion).toBe('5.20')
    expect(identification('MSRAS-0-WS-042').computerName).toBe('WS-042')
    expect(identification(Uint8Array.of(0x70, 0x8d, 0x52, 0x13))).toMatchObject({ dataLength: 4, data: '708d5213' })
    expect(identification('').message).toBe('')
  })

  test('Time-Remaining tells the seconds', () => {
    expect(read(PPP.LCP, packet(13, '00000001 00000e10 627965'))).toMatchObject({
      magicNumber: '0x00000001',
      secondsRemaining: 3600,
      message: 'bye',
    })
  })

  test('a vendor packet tells its vendor', () => {
    expect(read(PPP.LCP, packet(0, '0000000a 00001a 02 ff'))).toMatchObject({
      codeName: 'Vendor-Specific',
      magicNumber: '0x0000000a',
      oui: '00001a',
      kind: 2,
      data: 'ff',
    })
  })

  test('an unknown code keeps its data', () => {
    expect(read(PPP.LCP, packet(99, 'abcd'))).toMatchObject({ codeName: 'unknown', dataLength: 2, data: 'abcd' })
  })

  test('data too short for the code are named', () => {
    for (const [code, data] of [
      [0, '0000000a00001a'],
      [7, ''],
      [8, 'c0'],
      [9, '000000'],
      [10, ''],
      [11, '0000'],
      [12, '000000'],
      [13, '00000001000000'],
    ] as const) {
      expect(read(PPP.LCP, packet(code, data)).flaw).toBe('ppp.control_data')
    }
  })
})

describe('the options of the network control protocols', () => {
  test('IPCP', () => {
    const ipcp = (option: string) => value(PPP.IPCP, option)
    expect(ipcp('010a c0a80001 c0a80002')).toEqual({
      sourceAddress: '192.168.0.1',
      destinationAddress: '192.168.0.2',
    })
    expect(ipcp('0206 002d 0f 01')).toEqual({
      protocol: 0x2d,
      protocolName: 'VJ Compressed TCP/IP',
      maxSlotId: 15,
      compressSlotId: true,
    })
    expect(ipcp('0210 0061 0010 0020 0100 0005 00a8 0102')).toEqual({
      protocol: 0x61,
      protocolName: 'RTP IPHC Full Header',
      tcpSpace: 16,
      nonTcpSpace: 32,
      fMaxPeriod: 256,
      fMaxTime: 5,
      maxHeader: 168,
      suboptions: [1],
    })
    expect(ipcp('0210 0003 000f 0000 00a8 0106 0001 0002')).toEqual({
      protocol: 3,
      protocolName: 'ROHC small-CID',
      maxCid: 15,
      mrru: 0,
      maxHeader: 168,
      suboptions: [1],
      profiles: [1, 2],
    })
    expect(ipcp('0204 0037')).toEqual({ protocol: 0x37, protocolName: 'unknown' })
    expect(ipcp('0306 0a0a0001')).toEqual({ value: '10.10.0.1' })
    expect(ipcp('0406 0a0a0002')).toEqual({ value: '10.10.0.2' })
    for (const type of [IPCP.PRIMARY_DNS, IPCP.PRIMARY_NBNS, IPCP.SECONDARY_DNS, IPCP.SECONDARY_NBNS]) {
      expect(ipcp(`${type.toString(16)}06 08080404`)).toEqual({ value: '8.8.4.4' })
    }
  })

  test('IPV6CP', () => {
    expect(value(PPP.IPV6CP, '010a a8dd1f39a69e4fe0')).toEqual({ value: 'a8dd:1f39:a69e:4fe0' })
    expect(value(PPP.IPV6CP, '0204 004f')).toEqual({ protocol: 0x4f, protocolName: 'IPv6 Header Compression' })
    expect(IPV6CP.INTERFACE_IDENTIFIER).toBe(1)
  })

  test('CCP', () => {
    const ccp = (option: string) => value(PPP.CCP, option)
    const bits = MPPE.STATELESS | MPPE.KEY_128_BITS | MPPE.KEY_40_BITS | MPPE.MPPC
    expect(ccp(`1206 ${bits.toString(16).padStart(8, '0')}`)).toEqual({
      value: '0x01000061',
      stateless: true,
      keyLengthsBits: [40, 128],
      mppc: true,
    })
    expect(ccp('1206 00000080')).toMatchObject({ stateless: false, keyLengthsBits: [56], mppc: false })
    expect(ccp('0006 00001a 01')).toEqual({ oui: '00001a', kind: 1 })
    expect(ccp('0102')).toEqual({})
    expect(ccp('1105 0001 03')).toEqual({ historyCount: 1, checkMode: 3 })
    expect(ccp('1304 05 01')).toEqual({ historyCount: 5, version: '01' })
    expect(ccp('1503 2f')).toEqual({ version: 1, dictionaryBits: 15 })
    expect(ccp('1706 0001 03 00')).toEqual({ historyCount: 1, checkMode: 3, processMode: 0 })
    expect(ccp('1804 78 00')).toEqual({ features: 1, packetByPacket: true, historyCount: 24, contexts: 0 })
    expect(ccp('1903 02')).toEqual({ value: 2 })
    expect(ccp('1a04 78 00')).toEqual({ windowBits: 15, method: 8, check: 0 })
    expect(ccp('1b08 0001 0400 2000')).toEqual({ mode: 1, dictionarySize: 1024, historyLength: 8192 })
    expect(CCP.MPPE).toBe(18)
  })

  test('ECP, BCP, IPXCP, OSINLCP and BACP', () => {
    expect(value(PPP.ECP, '030a 0011223344556677')).toEqual({ value: '0011223344556677' })
    expect(ECP.DESE_BIS).toBe(3)
    expect(value(PPP.BCP, '0104 1234')).toEqual({ lanNumber: 0x123, bridgeNumber: 4 })
    expect(value(PPP.BCP, '0608 0022446688aa')).toEqual({ value: '00:22:44:66:88:aa' })
    expect(value(PPP.BCP, '0902')).toEqual({})
    expect(value(PPP.IPXCP, '0507 4841515f31')).toEqual({ value: 'HAQ_1' })
    expect(value(PPP.OSINLCP, '0103 01')).toEqual({ value: 1 })
    expect(value(PPP.BACP, '0106 0000000a')).toEqual({ value: '0x0000000a' })
  })

  test('a network without a table still has its options shown', () => {
    expect(read(0x8281, packet(1, '0103 07')).options).toEqual([{ type: 1, name: 'unknown', length: 3, value: '07' }])
  })

  test('VSNCP has a vendor before its options', () => {
    expect(read(PPP.VSNCP, packet(1, '00cf02 0103 05'))).toMatchObject({
      oui: '00cf02',
      options: [{ type: 1, value: '05' }],
    })
    expect(read(PPP.VSNCP, packet(1, '00cf')).flaw).toBe('ppp.control_data')
  })

  test('CCP and ECP have Reset codes of their own', () => {
    expect(read(PPP.CCP, packet(14, '0007'))).toMatchObject({ codeName: 'Reset-Request', data: '0007' })
    expect(pppCodeName(PPP.ECP, 15)).toBe('Reset-Ack')
    expect(pppCodeName(PPP.IPCP, 14)).toBe('unknown')
    expect(pppCodeName(PPP.IPCP, 9)).toBe('unknown')
  })
})

describe('callback and bandwidth', () => {
  test('CBCP tells the delay and the numbers', () => {
    expect(read(PPP.CBCP, packet(1, '0102 020a 3c 01 3535353132 00 0403 0a'))).toMatchObject({
      codeName: 'Callback-Request',
      options: [
        { type: 1, name: 'No-Callback', length: 2 },
        { type: 2, name: 'Callback-User-Specified', length: 10, delaySeconds: 60, phoneNumbers: ['55512'] },
        { type: 4, name: 'Callback-List', length: 3, delaySeconds: 10 },
      ],
    })
    expect(read(PPP.CBCP, packet(2, '0205 00 01 37')).options).toMatchObject([{ phoneNumbers: ['7'] }])
  })

  test('BAP tells the response and its options', () => {
    expect(read(PPP.BAP, packet(1, '0105 0040 01 0209 0103 04 0204 3132'))).toMatchObject({
      codeName: 'Call-Request',
      options: [
        { name: 'Link-Type', linkSpeedKbps: 64, kind: 1 },
        { name: 'Phone-Delta', uniqueDigits: 4, phoneNumbers: ['12'] },
      ],
    })
    expect(read(PPP.BAP, packet(2, '01 0404 6e6f'))).toMatchObject({
      responseCode: 1,
      responseCodeName: 'Request-Nak',
      options: [{ name: 'Reason', value: 'no' }],
    })
    expect(read(PPP.BAP, packet(7, '0604 11 01')).options).toMatchObject([{ status: 17, action: 1 }])
    expect(read(PPP.BAP, packet(8, '')).flaw).toBe('ppp.control_data')
    expect(read(PPP.BAP, packet(1, '0204 0109')).flaw).toBe('ppp.option_value')
  })
})

describe('describePppControl', () => {
  test('tells only the header of authentication packets', () => {
    for (const protocol of [PPP.PAP, PPP.CHAP, PPP.EAP, PPP.SPAP]) {
      expect(read(protocol, packet(1, '03626f62 0473336372'))).toEqual({
        code: 1,
        codeName: 'Configure-Request',
        identifier: 1,
        length: 13,
      })
    }
  })

  test('any truncation of the options is a flaw, or ends at an option', () => {
    const ends = new Set<number>()
    cursor.over(LCP_REQUEST, 4, LCP_REQUEST.length)
    while (cursor.next()) ends.add(cursor.valueEnd)
    for (let length = 5; length < LCP_REQUEST.length; length++) {
      const cut = LCP_REQUEST.slice(0, length)
      cut[2] = 0
      cut[3] = length
      expect(read(PPP.LCP, cut).flaw === undefined).toBe(ends.has(length))
    }
  })

  test('never throws and copies nothing from beyond the packet, for any octets', () => {
    const protocols = Object.values(PPP).filter((protocol) => protocol >= 0x8000)
    fc.assert(
      fc.property(
        fc.constantFrom(...protocols),
        fc.nat(16),
        fc.uint8Array({ maxLength: 60 }),
        (protocol, code, data) => {
          const bytes = Uint8Array.from([code, 1, ...be16(4 + data.length), ...data])
          const alone = read(protocol, bytes)
          const followed = Uint8Array.from([...bytes, ...new Uint8Array(40).fill(0x41)])
          expect(read(protocol, followed)).toEqual(alone)
        },
      ),
      { numRuns: 2000 },
    )
  })

  test('names the CHAP algorithms', () => {
    expect(chapAlgorithmName(8)).toBe('SHA3-256')
    expect(chapAlgorithmName(0)).toBe('unknown')
  })
})
