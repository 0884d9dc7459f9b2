import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { describeL2tpV3, L2tpV3View } from '../../src/wire/l2tpv3.ts'
import { concat, fromHex } from '../support/craft.ts'

/** An SCCRQ's header with its Message Type; a HELLO; a data message, with a reserved word and a session. */
const SCCRQ = fromHex('c803 0014 00000000 0000 0000 8008 0000 0000 0001')
const HELLO = fromHex('c803 0014 11223344 0007 0009 8008 0000 0000 0006')
const ZLB = fromHex('c803 000c 11223344 0002 0004')
const DATA = fromHex('0003 0000 000007d1 deadbeef 0102')
const ZERO_SESSION = fromHex('00000000')
const IP_DATA = fromHex('000003eb 0102030405060708 aa')

const view = new L2tpV3View()

function udp(bytes: Uint8Array, wireEnd = bytes.length): string | null {
  return view.decodeUdp(bytes, 0, bytes.length, wireEnd)
}

function ip(bytes: Uint8Array, wireEnd = bytes.length): string | null {
  return view.decodeIp(bytes, 0, bytes.length, wireEnd)
}

function payload(): string {
  return Buffer.from(view.bytes.subarray(view.payloadStart, view.payloadEnd)).toString('hex')
}

describe('L2tpV3View over UDP', () => {
  test('reads a control message', () => {
    expect(udp(HELLO)).toBeNull()
    expect(view).toMatchObject({
      isControl: true,
      isOverIp: false,
      length: 20,
      controlConnectionId: 0x11223344,
      sessionId: 0,
      ns: 7,
      nr: 9,
      messageStart: 0,
      oddities: 0,
      isAcknowledgement: false,
    })
    expect(payload()).toBe('8008000000000006')
  })

  test('reads a data message up to its session', () => {
    expect(udp(DATA)).toBeNull()
    expect(view).toMatchObject({ isControl: false, sessionId: 2001, reserved: 0, oddities: 0, controlConnectionId: 0 })
    expect(payload()).toBe('deadbeef0102')
  })

  test('knows a message without AVPs as an acknowledgement', () => {
    expect(udp(ZLB)).toBeNull()
    expect(view.isAcknowledgement).toBe(true)
  })

  test('every truncation of a control message is a flaw with an empty window', () => {
    for (const message of [SCCRQ, HELLO, ZLB]) {
      for (let length = 0; length < message.length; length++) {
        expect(udp(message.subarray(0, length)), `${length} octets`).toMatch(/^l2tpv3\.(truncated|length)$/)
        expect(payload()).toBe('')
      }
    }
  })

  test('every truncation of a data message is a flaw, or has the shorter payload', () => {
    for (let length = 0; length < DATA.length; length++) {
      expect(udp(DATA.subarray(0, length))).toBe(length < 8 ? 'l2tpv3.truncated' : null)
      expect(view.payloadEnd).toBe(length)
    }
  })

  test('refuses other versions, and control messages without length or sequence', () => {
    expect(udp(fromHex('c802 000c 0000 0000 0000 0000'))).toBe('l2tpv3.version')
    expect(view.flags).toBe(0xc802)
    for (const head of ['8803', 'c003', '8003']) {
      expect(udp(fromHex(`${head} 000c 00000000 0000 0000`))).toBe('l2tpv3.control_flags')
    }
  })

  test('refuses a length beyond the datagram or shorter than the header, and keeps what it read', () => {
    for (const length of [11, 0, 21, 0xffff]) {
      const bytes = HELLO.slice()
      bytes[2] = length >> 8
      bytes[3] = length
      expect(udp(bytes)).toBe('l2tpv3.length')
      expect(view).toMatchObject({ controlConnectionId: 0x11223344, ns: 7, nr: 9, length })
    }
  })

  test('notes reserved bits, trailing octets and a session of zero', () => {
    expect(udp(concat(ZLB, fromHex('00')))).toBeNull()
    expect(describeL2tpV3(view)['findings']).toEqual(['l2tpv3.trailing_bytes'])
    expect(udp(fromHex('0013 0000 00000001'))).toBeNull()
    expect(describeL2tpV3(view)['findings']).toEqual(['l2tpv3.reserved_bits'])
    expect(udp(fromHex('0003 0001 00000001'))).toBeNull()
    expect(describeL2tpV3(view)['findings']).toEqual(['l2tpv3.reserved_bits'])
    expect(udp(fromHex('0003 0000 00000000'))).toBeNull()
    expect(describeL2tpV3(view)['findings']).toEqual(['l2tpv3.session_zero'])
    expect(udp(fromHex('cb03 000c 00000000 0000 0000'))).toBeNull()
    expect(describeL2tpV3(view)['findings']).toEqual(['l2tpv3.reserved_bits'])
  })

  test('tells a capture cut short from a length that lies', () => {
    expect(udp(HELLO.subarray(0, 15), HELLO.length)).toBeNull()
    expect(view).toMatchObject({ payloadEnd: 15, messageEnd: 20 })
    expect(describeL2tpV3(view)['findings']).toEqual(['l2tpv3.snapped'])
    expect(udp(HELLO.subarray(0, 15), HELLO.length - 1)).toBe('l2tpv3.length')
    expect(udp(HELLO.subarray(0, 8), HELLO.length)).toBe('l2tpv3.truncated')
  })
})

describe('L2tpV3View over IP', () => {
  test('reads a control message behind session zero, and counts from behind it', () => {
    expect(ip(concat(ZERO_SESSION, HELLO))).toBeNull()
    expect(view).toMatchObject({
      isControl: true,
      isOverIp: true,
      controlConnectionId: 0x11223344,
      messageStart: 4,
      payloadStart: 16,
      messageEnd: 24,
      oddities: 0,
    })
  })

  test('reads a data message: no flags, no version, the session first', () => {
    expect(ip(IP_DATA)).toBeNull()
    expect(view).toMatchObject({ isControl: false, sessionId: 1003, flags: 0 })
    expect(payload()).toBe('0102030405060708aa')
    expect(describeL2tpV3(view)).toEqual({ layer: 'l2tpv3', type: 'data', transport: 'ip', sessionId: 1003 })
  })

  test('every truncation is a flaw, or a data message with the shorter payload', () => {
    const control = concat(ZERO_SESSION, SCCRQ)
    for (let length = 0; length < control.length; length++) {
      expect(ip(control.subarray(0, length)), `${length} octets`).toMatch(/^l2tpv3\.(truncated|length)$/)
      expect(payload()).toBe('')
    }
    for (let length = 0; length < IP_DATA.length; length++) {
      expect(ip(IP_DATA.subarray(0, length))).toBe(length < 4 ? 'l2tpv3.truncated' : null)
    }
  })

  test('refuses another version behind session zero', () => {
    expect(ip(fromHex('00000000 c802 000c 00000000 0000 0000'))).toBe('l2tpv3.version')
    expect(ip(fromHex('00000000 0003 000c 00000000 0000 0000'))).toBe('l2tpv3.control_flags')
  })
})

test('whatever the octets, the windows stay inside them', () => {
  const anyMessage = fc.oneof(
    fc.uint8Array({ maxLength: 64 }),
    fc
      .tuple(fc.constantFrom(0xc8, 0x00, 0x80, 0xcb), fc.uint8Array({ maxLength: 40 }))
      .map(([flags, rest]) => Uint8Array.from([flags, 3, 0, ...rest])),
  )
  fc.assert(
    fc.property(anyMessage, fc.nat(8), fc.nat(8), fc.boolean(), (bytes, start, cut, isIp) => {
      const from = Math.min(start, bytes.length)
      const wireEnd = bytes.length + cut
      const flaw = isIp
        ? view.decodeIp(bytes, from, bytes.length, wireEnd)
        : view.decodeUdp(bytes, from, bytes.length, wireEnd)
      expect(view.payloadStart).toBeGreaterThanOrEqual(from)
      expect(view.payloadStart).toBeLessThanOrEqual(view.payloadEnd)
      expect(view.payloadEnd).toBeLessThanOrEqual(bytes.length)
      expect(view.payloadEnd).toBeLessThanOrEqual(view.messageEnd)
      if (flaw !== null) expect(view.payloadStart).toBe(view.payloadEnd)
    }),
    { seed: 3931, numRuns: 2000 },
  )
})
