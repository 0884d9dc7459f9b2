import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { type InferredLayout, inferLayout, isL2tpV3, SAMPLES_MAX } from '../../src/wire/l2tpv3-inference.ts'
import { arp, be16, be32, concat, ethernet, fromHex, ipv4, ipv6, lcp, ppp, udp } from '../support/craft.ts'
import { V3_MESSAGE, v3Data, v3Message } from '../support/craft-l2tpv3.ts'
import { inWindow } from '../support/window.ts'

const COOKIE_4 = fromHex('deadbeef')
const COOKIE_8 = fromHex('1122334455667788')

function frames(count: number): Uint8Array[] {
  return Array.from({ length: count }, (_, index) => ipv4(udp(fromHex('0102'), { sourcePort: 1000 + index })))
}

const ETHERNET = frames(3).map((packet) => ethernet(packet))
const VLAN = frames(3).map((packet) => ethernet(packet, { vlans: [{ id: 42 }] }))
const PPP_FRAMES = [lcp(1, 1), ...frames(2).map((packet) => ppp(0x0021, packet))]
const HDLC = [
  fromHex('8f00 8035 0000000200000001000000000000ffff'),
  ...frames(2).map((packet) => concat(fromHex('0f000800'), packet)),
]
const FRAME_RELAY = frames(3).map((packet) => concat(fromHex('1841 03cc'), packet))
const CISCO_FRAME_RELAY = frames(3).map((packet) => concat(fromHex('1841 0800'), packet))
const AAL5 = frames(3).map((packet) => concat(fromHex('aaaa03000000 0800'), packet))
const SPANNING_TREE = concat(fromHex('0180c2000000 020000000001 0026 424203'), new Uint8Array(35), new Uint8Array(8))

function infer(payloads: readonly Uint8Array[], prefix: (index: number) => Uint8Array): InferredLayout | null {
  return inferLayout(
    payloads.map((payload, index) => {
      const bytes = concat(prefix(index), payload)
      return { bytes, start: 0, end: bytes.length, wireEnd: bytes.length }
    }),
  )
}

const NONE = new Uint8Array(0)
const PREFIXES: readonly (readonly [
  words: string,
  prefix: (index: number) => Uint8Array,
  cookie: number,
  sublayer: number,
])[] = [
  ['nothing', () => NONE, 0, 0],
  ['a cookie of 4', () => COOKIE_4, 4, 0],
  ['a cookie of 8', () => COOKIE_8, 8, 0],
  ['a sublayer without numbers', () => be32(0), 0, 1],
  ['a sublayer with numbers', (index) => be32(0x40000000 + index), 0, 1],
  ['a cookie of 4 and a sublayer', (index) => concat(COOKIE_4, be32(0x40000100 + index)), 4, 1],
  ['a cookie of 4 and a sublayer without numbers', () => concat(COOKIE_4, be32(0)), 4, 1],
  ['a cookie of 8 and a sublayer', (index) => concat(COOKIE_8, be32(0x40fffffe + index)), 8, 1],
]
const PAYLOADS: readonly (readonly [words: string, payloads: readonly Uint8Array[], pseudowireType: number])[] = [
  ['Ethernet', ETHERNET, 5],
  ['Ethernet with tags', VLAN, 5],
  ['PPP', PPP_FRAMES, 7],
  ['IP', frames(3), 11],
  ['Cisco HDLC', HDLC, 6],
  ['frame relay of RFC 2427', FRAME_RELAY, 1],
  ['frame relay of Cisco', CISCO_FRAME_RELAY, 1],
  ['AAL5', AAL5, 2],
]

describe('inferLayout', () => {
  for (const [payloadWords, payloads, pseudowireType] of PAYLOADS) {
    test(`finds ${payloadWords} behind every prefix`, () => {
      for (const [words, prefix, cookieLength, sublayer] of PREFIXES) {
        expect(infer(payloads, prefix), `${payloadWords} behind ${words}`).toMatchObject({
          cookieLength,
          sublayer: pseudowireType === 2 && sublayer === 1 ? 2 : sublayer,
          pseudowireType,
          confidence: 'certain',
        })
      }
    })
  }

  test('reads ARP, IPv6, spanning tree and PPPoE inside Ethernet', () => {
    expect(infer([ethernet(arp(), { type: 0x0806 })], () => NONE)).toMatchObject({ pseudowireType: 5, cookieLength: 0 })
    expect(infer([ethernet(ipv6(udp(NONE)))], () => COOKIE_4)).toMatchObject({ pseudowireType: 5, cookieLength: 4 })
    expect(infer([SPANNING_TREE, SPANNING_TREE], () => COOKIE_8)).toMatchObject({ pseudowireType: 5, cookieLength: 8 })
    const session = concat(fromHex('1100 0007'), be16(4), fromHex('c0210101'))
    expect(infer([ethernet(session, { type: 0x8864 })], () => NONE)).toMatchObject({ pseudowireType: 5 })
  })

  test('weighs a length that fits exactly above one that leaves room, and takes none that lies', () => {
    const payload = ipv6(udp(fromHex('0102')))
    const bits = (packet: Uint8Array) => infer([packet], () => NONE)?.evidenceBits ?? 0
    const exact = bits(ethernet(payload))
    expect(bits(ethernet(concat(payload, fromHex('0000'))))).toBe(exact - 8)
    expect(bits(ethernet(payload.subarray(0, -1)))).toBe(0)
    // The padded length alone would explain too little.
    const unnamed = SPANNING_TREE.slice()
    unnamed.set(fromHex('4243'), 14)
    expect(bits(SPANNING_TREE)).toBe(1 + 6 + 14)
    expect(bits(unnamed)).toBe(0)
  })

  test('one sample cannot tell a cookie from a number for certain', () => {
    expect(infer(ETHERNET.slice(0, 1), () => be32(0x40000001))).toMatchObject({ sublayer: 1, confidence: 'likely' })
    expect(infer(ETHERNET.slice(0, 1), () => COOKIE_4)).toMatchObject({ cookieLength: 4, confidence: 'likely' })
    expect(infer(ETHERNET.slice(0, 1), () => be32(0))).toMatchObject({ sublayer: 1, confidence: 'certain' })
  })

  test('a cookie that begins like a sublayer is known by staying as it is', () => {
    expect(infer(ETHERNET, () => fromHex('40123456'))).toMatchObject({ cookieLength: 4, sublayer: 0 })
  })

  test('samples that have nothing in common give no layout', () => {
    expect(infer([ETHERNET[0], concat(COOKIE_4, ETHERNET[1])], () => NONE)).toBeNull()
    expect(infer([ETHERNET[0], ETHERNET[1]], (index) => be32(0x11223344 + index))).toBeNull()
    expect(inferLayout([])).toBeNull()
  })

  test('random octets give no layout, or none that is certain', () => {
    fc.assert(
      fc.property(fc.array(fc.uint8Array({ maxLength: 120 }), { minLength: 1, maxLength: 4 }), (messages) => {
        expect(infer(messages, () => NONE)?.confidence ?? 'none').not.toBe('certain')
      }),
      { seed: 115, numRuns: 3000 },
    )
  })

  test('more samples than it looks at change nothing', () => {
    const many = frames(SAMPLES_MAX + 4).map((packet) => ethernet(packet))
    expect(infer(many, () => COOKIE_4)).toEqual(infer(many.slice(0, SAMPLES_MAX), () => COOKIE_4))
  })

  test('a sample that the capture cut is read as far as it goes', () => {
    const samples = ETHERNET.map((frame) => {
      const bytes = concat(COOKIE_4, frame)
      return { bytes, start: 0, end: 42, wireEnd: bytes.length + 100 }
    })
    expect(inferLayout(samples)).toMatchObject({ cookieLength: 4, pseudowireType: 5 })
  })

  test('no truncation makes it throw or look outside', () => {
    for (const payloads of PAYLOADS.map(([, all]) => all)) {
      const whole = concat(COOKIE_4, payloads[0])
      for (let length = 0; length <= whole.length; length++) {
        const { among, elsewhere } = inWindow(whole.subarray(0, length), (bytes, start, end) =>
          inferLayout([{ bytes, start, end, wireEnd: end }]),
        )
        expect(among).toEqual(elsewhere)
      }
    }
  })
})

describe('isL2tpV3', () => {
  function recognized(bytes: Uint8Array): boolean {
    const { among, elsewhere } = inWindow(bytes, (buffer, start, end) => isL2tpV3(buffer, start, end, end))
    expect(among).toBe(elsewhere)
    return among
  }

  test('knows the request that opens a control connection', () => {
    const request = v3Message(V3_MESSAGE.sccrq)
    expect(recognized(request)).toBe(true)
    expect(recognized(v3Message(V3_MESSAGE.hello))).toBe(false)
    expect(recognized(v3Message(V3_MESSAGE.sccrq, [], { controlConnectionId: 1 }))).toBe(false)
    expect(recognized(concat(request, NONE, Uint8Array.of(0)))).toBe(false)
    for (let length = 0; length < request.length; length++) expect(recognized(request.subarray(0, length))).toBe(false)
  })

  test('knows data whose payload reads as a whole', () => {
    expect(recognized(v3Data(ETHERNET[0], { cookie: COOKIE_8, sublayer: 3 }))).toBe(true)
    expect(recognized(v3Data(PPP_FRAMES[0]))).toBe(true)
  })

  test('takes nothing else for it', () => {
    expect(recognized(v3Data(ETHERNET[0], { sessionId: 0 }))).toBe(false)
    expect(recognized(v3Data(ETHERNET[0], { reserved: 1 }))).toBe(false)
    expect(recognized(v3Data(fromHex('00112233445566778899')))).toBe(false)
    // A DNS query with the identifier 3 and no flags.
    const query = fromHex('0003 0000 0001 0000 0000 0000 03777777 076578616d706c65 03636f6d 00 0001 0001')
    expect(recognized(query)).toBe(false)
  })
})
