import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { PPP } from '../../src/wire/ppp.ts'
import {
  CONTROL_DATA_BYTES_MAX,
  describePppControl,
  PPP_CODE,
  PppControlView,
  type PppControlRecord,
} from '../../src/wire/ppp-control.ts'
import { PppOptionCursor } from '../../src/wire/ppp-options.ts'
import { be16, fromHex } from '../support/craft.ts'
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
})
