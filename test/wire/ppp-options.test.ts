import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { PPP } from '../../src/wire/ppp.ts'
import {
  describePppControl,
  PPP_CODE,
  PppControlView,
  type PppControlRecord,
  pppCodeName,
} from '../../src/wire/ppp-control.ts'
import {
  CCP,
  chapAlgorithmName,
  ECP,
  IPCP,
  IPV6CP,
  LCP,
  MPPE,
  type PppOption,
  PppOptionCursor,
} from '../../src/wire/ppp-options.ts'
import { fromHex } from '../support/craft.ts'
import { controlPacket, LCP_REQUEST } from '../support/ppp-control.ts'

const control = new PppControlView()
const cursor = new PppOptionCursor()

function packet(code: number, data: string): Uint8Array {
  return controlPacket(code, 1, data)
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
    expect(lcp('0306 c223 05 aa')).toMatchObject({ algorithm: 5, data: 'aa' })
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
    expect(ccp('1b06 0001 0400')).toEqual({ mode: 1, dictionarySize: 1024 })
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

describe('chapAlgorithmName', () => {
  test('names the CHAP algorithms', () => {
    expect(chapAlgorithmName(8)).toBe('SHA3-256')
    expect(chapAlgorithmName(0)).toBe('unknown')
  })
})
