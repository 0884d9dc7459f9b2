import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import {
  L2TP_MESSAGES,
  L2tpView,
  l2tpVersion,
  messageName,
  ODD_RESERVED_BITS,
  ODD_SNAPPED,
  ODD_TRAILING_BYTES,
  oddityNames,
} from '../../src/wire/l2tp.ts'
import { be16, fromHex, l2tpControl } from '../support/craft.ts'

const HELLO = fromHex('c802 0014 8f40 0000 0007 0009 8008 0000 0000 0006')
const ZLB = fromHex('c802 000c 8f40 e123 0002 0004')
const DATA = fromHex('0002 8f40 e123 ff03 c021 0101 0004')
const DATA_WITH_LENGTH = fromHex('4002 0010 8f40 e123 ff03 c021 0101 0004')
const DATA_WITH_ALL = fromHex('4b02 0016 8f40 e123 0005 0006 0003 aabbcc ff03 c021 09')

const view = new L2tpView()

function decode(bytes: Uint8Array, wireEnd = bytes.length): string | null {
  return view.decode(bytes, 0, bytes.length, wireEnd)
}

function payload(): string {
  return Buffer.from(view.bytes.subarray(view.payloadStart, view.payloadEnd)).toString('hex')
}

describe('L2tpView', () => {
  test('reads a control message', () => {
    expect(decode(HELLO)).toBeNull()
    expect(view).toMatchObject({
      isControl: true,
      hasLength: true,
      hasSequence: true,
      hasOffset: false,
      isPriority: false,
      isAddressed: true,
      flags: 0xc802,
      length: 20,
      tunnelId: 0x8f40,
      sessionId: 0,
      ns: 7,
      nr: 9,
      oddities: 0,
    })
    expect(payload()).toBe('8008000000000006')
    expect(view.isAcknowledgement).toBe(false)
  })

  test('knows a message without AVPs as an acknowledgement', () => {
    expect(decode(ZLB)).toBeNull()
    expect(view.isAcknowledgement).toBe(true)
    expect(decode(DATA.subarray(0, 6))).toBeNull()
    expect(view.isAcknowledgement).toBe(false)
  })

  test('reads a data message in its shortest form', () => {
    expect(decode(DATA)).toBeNull()
    expect(view).toMatchObject({ isControl: false, length: 0, tunnelId: 0x8f40, sessionId: 0xe123, ns: 0, nr: 0 })
    expect(payload()).toBe('ff03c02101010004')
  })

  test('reads a data message with every optional field', () => {
    expect(decode(DATA_WITH_ALL)).toBeNull()
    expect(view).toMatchObject({ length: 22, ns: 5, nr: 6, offsetSize: 3, isPriority: true, hasOffset: true })
    expect(payload()).toBe('ff03c02109')
  })

  test('reads every combination of the optional fields of data messages', () => {
    for (let form = 0; form < 16; form++) {
      const [hasLength, hasSequence, hasOffset, isPriority] = [form & 1, form & 2, form & 4, form & 8]
      const flags =
        2 | (hasLength ? 0x4000 : 0) | (hasSequence ? 0x800 : 0) | (hasOffset ? 0x200 : 0) | (isPriority ? 0x100 : 0)
      const tail = [0, 21, 0, 22, ...(hasSequence ? [0, 23, 0, 24] : []), ...(hasOffset ? [0, 2, 9, 9] : []), 0x77]
      const bytes = Uint8Array.from([...be16(flags), ...(hasLength ? be16(tail.length + 4) : []), ...tail])
      expect(decode(bytes)).toBeNull()
      expect(view).toMatchObject({
        hasLength: hasLength !== 0,
        hasSequence: hasSequence !== 0,
        hasOffset: hasOffset !== 0,
        isPriority: isPriority !== 0,
        tunnelId: 21,
        sessionId: 22,
        ns: hasSequence ? 23 : 0,
        nr: hasSequence ? 24 : 0,
        offsetSize: hasOffset ? 2 : 0,
      })
      expect(payload()).toBe('77')
    }
  })

  test('an offset of zero leaves the payload where the header ends', () => {
    expect(decode(fromHex('0202 0001 0002 0000 ff'))).toBeNull()
    expect(payload()).toBe('ff')
  })

  test('reads a message in the middle of a buffer', () => {
    const bytes = Uint8Array.from([1, 2, 3, ...HELLO, 4, 5])
    expect(view.decode(bytes, 3, 3 + HELLO.length)).toBeNull()
    expect(view).toMatchObject({ payloadStart: 15, payloadEnd: 23, messageEnd: 23, tunnelId: 0x8f40 })
  })

  test('every truncation of a message that states its length is a flaw', () => {
    for (const message of [HELLO, ZLB, DATA_WITH_LENGTH, DATA_WITH_ALL]) {
      for (let length = 0; length < message.length; length++) {
        expect(decode(message.subarray(0, length)), `${length} octets`).toMatch(/^l2tp\.(truncated|length)$/)
        expect(payload()).toBe('')
      }
    }
  })

  test('every truncation of a message without a length is a flaw, or has the shorter payload', () => {
    for (let length = 0; length < DATA.length; length++) {
      expect(decode(DATA.subarray(0, length))).toBe(length < 6 ? 'l2tp.truncated' : null)
      expect(view.payloadEnd).toBe(length)
    }
  })

  test('refuses other versions', () => {
    expect(decode(fromHex('c803 000c 0000 0000 0000 0000'))).toBe('l2tp.version')
    expect(view.flags).toBe(0xc803)
    expect(view.isAddressed).toBe(false)
  })

  test('refuses a length beyond the datagram and keeps the addressing for the finding', () => {
    const bytes = HELLO.slice()
    bytes[3] = 21
    expect(decode(bytes)).toBe('l2tp.length')
    expect(view).toMatchObject({ isControl: true, isAddressed: true, length: 21, tunnelId: 0x8f40, ns: 7 })
    expect(view.payloadStart).toBe(view.payloadEnd)
  })

  test('refuses a length shorter than the header', () => {
    const bytes = HELLO.slice()
    bytes[3] = 11
    expect(decode(bytes)).toBe('l2tp.length')
    bytes[3] = 0
    expect(decode(bytes)).toBe('l2tp.length')
  })

  test('refuses control messages without length or sequence, with offset or priority', () => {
    for (const flags of [0x8802, 0xc002, 0x8002, 0xca02, 0xc902]) {
      const bytes = Uint8Array.from([...be16(flags), 0, 20, 0, 1, 0, 2, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0])
      expect(decode(bytes)).toBe('l2tp.control_flags')
      expect(view.flags).toBe(flags)
      expect(view.isAddressed).toBe(true)
    }
  })

  test('keeps what a refused message in the middle of a buffer states, and nothing of what lies around it', () => {
    const short = fromHex('ffff ffff 4b02 000d 0015 0016 0005 0006 0003 000000 ffff')
    expect(view.decode(short, 4, short.length - 2)).toBe('l2tp.length')
    expect(view).toMatchObject({ length: 13, tunnelId: 0x15, sessionId: 0x16, ns: 5, nr: 6, offsetSize: 3 })
    expect(view.decode(short, 4, 12)).toBe('l2tp.truncated')
    expect(view).toMatchObject({ length: 13, isAddressed: true, tunnelId: 0x15, sessionId: 0x16, ns: 0, nr: 0 })
    expect(view.decode(short, 4, 11)).toBe('l2tp.truncated')
    expect(view).toMatchObject({ length: 13, isAddressed: false, tunnelId: 0, sessionId: 0 })
    expect(view.decode(short, 4, 7)).toBe('l2tp.truncated')
    expect(view).toMatchObject({ flags: 0x4b02, hasLength: true, length: 0, offsetSize: 0 })
    expect(view.decode(short, 4, 5)).toBe('l2tp.truncated')
    expect(view).toMatchObject({ flags: 0, hasLength: false })
  })

  test('refuses an offset that leads past the message', () => {
    expect(decode(fromHex('0202 0001 0002 0004 000000'))).toBe('l2tp.offset')
    expect(view).toMatchObject({ isAddressed: true, tunnelId: 1, sessionId: 2 })
    expect(decode(fromHex('0202 0001 0002 ffff 00'))).toBe('l2tp.offset')
  })

  test('notes octets after the stated length and leaves them out of the payload', () => {
    expect(decode(Uint8Array.from([...ZLB, 0, 0, 0]))).toBeNull()
    expect(view.oddities).toBe(ODD_TRAILING_BYTES)
    expect(view.isAcknowledgement).toBe(true)
  })

  test('notes reserved bits', () => {
    expect(decode(fromHex('0012 0001 0002 ff'))).toBeNull()
    expect(view.oddities).toBe(ODD_RESERVED_BITS)
  })

  test('tells a capture cut short from a length that lies', () => {
    const cut = HELLO.subarray(0, 15)
    expect(decode(cut, HELLO.length)).toBeNull()
    expect(view).toMatchObject({ oddities: ODD_SNAPPED, payloadEnd: 15, messageEnd: 20 })
    expect(decode(cut, HELLO.length - 1)).toBe('l2tp.length')
    expect(decode(HELLO.subarray(0, 12), HELLO.length)).toBeNull()
    expect(view.isAcknowledgement).toBe(false)
    expect(decode(DATA.subarray(0, 8), DATA.length)).toBeNull()
    expect(view).toMatchObject({ oddities: ODD_SNAPPED, payloadEnd: 8, messageEnd: 14 })
  })

  test('a header cut by the capture is truncated and says who cut it', () => {
    expect(decode(HELLO.subarray(0, 8), HELLO.length)).toBe('l2tp.truncated')
    expect(view).toMatchObject({ oddities: ODD_SNAPPED, isAddressed: true, tunnelId: 0x8f40 })
  })

  test('an offset that leads past the capture leaves an empty payload', () => {
    expect(decode(DATA_WITH_ALL.subarray(0, 15), DATA_WITH_ALL.length)).toBeNull()
    expect(view.payloadStart).toBe(15)
    expect(view.payloadEnd).toBe(15)
  })

  test('whatever the octets, the windows stay inside them', () => {
    const anyMessage = fc.oneof(
      fc.uint8Array({ maxLength: 64 }),
      fc
        .tuple(fc.constantFrom(0xc8, 0x48, 0x4b, 0x02, 0x00, 0x4a), fc.uint8Array({ maxLength: 40 }))
        .map(([flags, rest]) => Uint8Array.from([flags, 2, 0, ...rest])),
    )
    fc.assert(
      fc.property(anyMessage, fc.nat(8), fc.nat(8), (bytes, start, cut) => {
        const from = Math.min(start, bytes.length)
        const flaw = view.decode(bytes, from, bytes.length, bytes.length + cut)
        expect(view.payloadStart).toBeGreaterThanOrEqual(from)
        expect(view.payloadStart).toBeLessThanOrEqual(view.payloadEnd)
        expect(view.payloadEnd).toBeLessThanOrEqual(bytes.length)
        expect(view.payloadEnd).toBeLessThanOrEqual(view.messageEnd)
        if (flaw !== null) expect(view.payloadStart).toBe(view.payloadEnd)
      }),
      { seed: 1701, numRuns: 2000 },
    )
  })
})

describe('oddityNames', () => {
  test('names each bit', () => {
    expect(oddityNames(0)).toEqual([])
    expect(oddityNames(ODD_RESERVED_BITS | ODD_TRAILING_BYTES | ODD_SNAPPED)).toEqual([
      'l2tp.reserved_bits',
      'l2tp.trailing_bytes',
      'l2tp.snapped',
    ])
  })
})

describe('l2tpVersion', () => {
  test('tells L2F, L2TPv2 and L2TPv3 apart', () => {
    expect(l2tpVersion(HELLO, 0, HELLO.length)).toBe(2)
    expect(l2tpVersion(DATA, 0, DATA.length)).toBe(2)
    expect(l2tpVersion(fromHex('c803'), 0, 2)).toBe(3)
    expect(l2tpVersion(fromHex('0003'), 0, 2)).toBe(3)
    expect(l2tpVersion(fromHex('d001'), 0, 2)).toBe(1)
    expect(l2tpVersion(fromHex('d009'), 0, 2)).toBe(1)
  })

  test('takes nothing else for any of them', () => {
    expect(l2tpVersion(fromHex('d019'), 0, 2)).toBe(0)
    expect(l2tpVersion(fromHex('0000'), 0, 2)).toBe(0)
    expect(l2tpVersion(HELLO, 0, 1)).toBe(0)
  })
})

describe('messageName', () => {
  test('names every assigned type and no other', () => {
    expect(messageName(1)).toBe('SCCRQ')
    expect(messageName(29)).toBe('CSURQ')
    for (const type of [0, 5, 13, 30, 65535]) expect(messageName(type)).toBe('unknown')
    expect(Object.keys(L2TP_MESSAGES)).toHaveLength(27)
  })

  test('a crafted message is read back', () => {
    expect(decode(l2tpControl([], { tunnelId: 1, sessionId: 2, ns: 3, nr: 4 }))).toBeNull()
    expect(view).toMatchObject({ tunnelId: 1, sessionId: 2, ns: 3, nr: 4, isAcknowledgement: true })
  })
})
