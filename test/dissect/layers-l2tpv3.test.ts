import { describe, expect, test } from 'vitest'
import type { Layer } from '../../src/dissect/layer.ts'
import { Describer } from '../../src/dissect/layers.ts'
import { LINKTYPE } from '../../src/wire/link.ts'
import {
  avp,
  be16,
  be32,
  concat,
  datagram,
  ethernet,
  fromHex,
  icmp,
  ipv4,
  ipv4Fragments,
  lcp,
  udp,
  utf8,
} from '../support/craft.ts'
import { V3_MESSAGE, v3Data, type V3DataFields, v3HiddenAvp, v3Message, v3Signed } from '../support/craft-l2tpv3.ts'

const PE1 = '192.0.2.1'
const PE2 = '192.0.2.2'
const SECRET = 'shared'
const INNER = ipv4(udp(fromHex('0102030405'), { sourcePort: 4000, targetPort: 4001 }), {
  source: '10.0.0.1',
  target: '10.0.0.2',
})

class Reader {
  readonly #describer: Describer
  #number = 0

  constructor(secrets: readonly string[] = [], linksMax = 64) {
    this.#describer = new Describer({
      l2tpPorts: [1701],
      secrets: secrets.map(utf8),
      fragments: { datagramsMax: 16, piecesMax: 16, timeoutSeconds: 30 },
      linksMax,
    })
  }

  read(bytes: Uint8Array, end = bytes.length): readonly Layer[] {
    this.#number++
    return this.#describer.describe({
      bytes,
      start: 0,
      end,
      timeUs: this.#number,
      originalLength: bytes.length,
      linkType: LINKTYPE.ETHERNET,
      interfaceId: 0,
      number: this.#number,
    }).layers
  }

  names(bytes: Uint8Array): string {
    return this.read(bytes)
      .map(({ layer }) => layer)
      .join(' ')
  }

  v3(bytes: Uint8Array, end = bytes.length): Layer | undefined {
    return this.read(bytes, end).find(({ layer }) => layer === 'l2tpv3')
  }
}

function overIp(message: Uint8Array, isBack = false): Uint8Array {
  const ends = isBack ? { source: PE2, target: PE1 } : { source: PE1, target: PE2 }
  return ethernet(ipv4(message, { ...ends, protocol: 115 }))
}

function data(payload: Uint8Array, fields: V3DataFields = {}): Uint8Array {
  return overIp(v3Data(payload, { overIp: true, ...fields }))
}

/** PE2 asks for a cookie and a sublayer for its session 7, PE1 for nothing. */
function setUp(pseudowireType: number, sublayer = 1): Uint8Array[] {
  return [
    overIp(
      v3Message(V3_MESSAGE.icrq, [avp(63, be32(3)), avp(64, be32(0)), avp(68, be16(pseudowireType))], { overIp: true }),
    ),
    overIp(
      v3Message(
        V3_MESSAGE.icrp,
        [avp(63, be32(7)), avp(64, be32(3)), avp(65, fromHex('01020304')), avp(69, be16(sublayer))],
        { overIp: true },
      ),
      true,
    ),
  ]
}

describe('data whose agreement was seen', () => {
  test('is read as its receiver asked for it, and goes on with what the pseudowire carries', () => {
    const reader = new Reader()
    for (const packet of setUp(5)) reader.read(packet)
    const there = data(ethernet(INNER), { sessionId: 7, cookie: fromHex('01020304'), sublayer: 9 })
    expect(reader.v3(there)).toEqual({
      layer: 'l2tpv3',
      type: 'data',
      transport: 'ip',
      sessionId: 7,
      cookieLength: 4,
      sublayer: 1,
      sublayerName: 'default',
      pseudowireType: 5,
      pseudowireName: 'Ethernet',
      layout: 'negotiated',
      cookie: '01020304',
      sublayerFlags: 0x40,
      hasSequence: true,
      sequence: 9,
    })
    expect(reader.names(there)).toBe('ethernet ipv4 l2tpv3 ethernet ipv4 udp data')
    expect(reader.names(overIp(v3Data(ethernet(INNER), { sessionId: 3, overIp: true }), true))).toBe(
      'ethernet ipv4 l2tpv3 ethernet ipv4 udp data',
    )
  })

  test('with another cookie is found out', () => {
    const reader = new Reader()
    for (const packet of setUp(5)) reader.read(packet)
    const forged = data(ethernet(INNER), { sessionId: 7, cookie: fromHex('01020305'), sublayer: true })
    expect(reader.v3(forged)?.findings).toEqual(['l2tpv3.cookie_mismatch'])
  })

  test('that ends inside its cookie has a flaw, unless the capture cut it', () => {
    const reader = new Reader()
    for (const packet of setUp(5)) reader.read(packet)
    expect(reader.v3(data(fromHex('0102'), { sessionId: 7 }))?.flaw).toBe('l2tpv3.data_truncated')
    const whole = data(ethernet(INNER), { sessionId: 7, cookie: fromHex('01020304'), sublayer: 9 })
    expect(reader.v3(whole, 14 + 20 + 6)).toMatchObject({ isSnapped: true })
  })

  for (const [words, pseudowireType, payload, inside] of [
    ['Ethernet VLAN', 4, ethernet(INNER, { vlans: [{ id: 5 }] }), 'ethernet vlan ipv4 udp data'],
    ['PPP', 7, lcp(1, 1), 'ppp lcp'],
    ['IP', 11, INNER, 'ipv4 udp data'],
    ['Cisco HDLC', 6, concat(fromHex('0f000800'), INNER), 'chdlc ipv4 udp data'],
    ['PPP in HDLC', 6, lcp(1, 1), 'ppp lcp'],
    ['Frame Relay', 1, concat(fromHex('184103cc'), INNER), 'frame-relay ipv4 udp data'],
    ['Frame Relay that says nothing of its payload', 1, fromHex('18410308 01'), 'frame-relay data'],
    ['Frame Relay without an end of its address', 1, fromHex('18404040 03cc'), 'frame-relay'],
    ['ATM cells', 9, new Uint8Array(52), 'atm-cell'],
    ['something else', 12, new Uint8Array(188), 'data'],
  ] as const) {
    test(`carries ${words}`, () => {
      const reader = new Reader()
      for (const packet of setUp(pseudowireType)) reader.read(packet)
      const message = data(payload, { sessionId: 7, cookie: fromHex('01020304'), sublayer: true })
      expect(reader.names(message)).toBe(`ethernet ipv4 l2tpv3 ${inside}`)
    })
  }

  test('of an AAL5 circuit is LLC, or cells where the sublayer says so', () => {
    const reader = new Reader()
    for (const packet of setUp(2, 2)) reader.read(packet)
    const cookie = fromHex('01020304')
    const frame = concat(fromHex('00000000 aaaa03000000 0800'), INNER)
    expect(reader.names(data(frame, { sessionId: 7, cookie }))).toBe('ethernet ipv4 l2tpv3 llc snap ipv4 udp data')
    const cell = concat(fromHex('08000000'), new Uint8Array(52))
    expect(reader.names(data(cell, { sessionId: 7, cookie }))).toBe('ethernet ipv4 l2tpv3 atm-cell')
  })

  test('with the V bit is a message of connectivity verification', () => {
    const reader = new Reader()
    for (const packet of setUp(5)) reader.read(packet)
    const message = data(concat(fromHex('80000000'), INNER), { sessionId: 7, cookie: fromHex('01020304') })
    expect(reader.names(message)).toBe('ethernet ipv4 l2tpv3 vccv')
  })

  test('with the bits of a fragment is a piece of a frame', () => {
    const reader = new Reader()
    for (const packet of setUp(5)) reader.read(packet)
    const message = data(concat(fromHex('60000001'), INNER), { sessionId: 7, cookie: fromHex('01020304') })
    expect(reader.names(message)).toBe('ethernet ipv4 l2tpv3 fragment')
  })
})

describe('data whose agreement was not seen', () => {
  test('is read with what its messages have in common', () => {
    const reader = new Reader()
    const message = (number: number): Uint8Array =>
      data(ethernet(INNER), { sessionId: 99, cookie: fromHex('deadbeef'), sublayer: number })
    reader.read(message(1))
    expect(reader.v3(message(2))).toMatchObject({
      cookieLength: 4,
      sublayer: 1,
      pseudowireType: 5,
      layout: 'inferred',
      confidence: 'certain',
      sequence: 2,
    })
  })

  test('an injected message among them changes nothing, an injected first one not for long', () => {
    const reader = new Reader()
    const genuine = data(ethernet(INNER), { sessionId: 99, cookie: fromHex('deadbeef') })
    const injected = data(ethernet(INNER), { sessionId: 99 })
    reader.read(genuine)
    reader.read(injected)
    expect(reader.v3(genuine)).toMatchObject({ cookieLength: 4 })
    const other = new Reader()
    other.read(injected)
    other.read(genuine)
    expect(other.v3(genuine)).toMatchObject({ cookieLength: 4 })
  })

  test('that nobody can read is named and measured', () => {
    expect(new Reader().names(data(fromHex('00112233445566778899aabbccdd')))).toBe('ethernet ipv4 l2tpv3 data')
    expect(new Reader().names(data(new Uint8Array(0)))).toBe('ethernet ipv4 l2tpv3')
  })

  test('of a message that an error quotes nothing is learned', () => {
    const reader = new Reader()
    const quoted = ipv4(v3Data(ethernet(INNER), { sessionId: 5, overIp: true, cookie: fromHex('deadbeef') }), {
      protocol: 115,
    })
    const error = ethernet(ipv4(icmp(quoted, { type: 3, code: 2 }), { protocol: 1 }))
    expect(reader.read(error).find(({ layer }) => layer === 'l2tpv3')).toMatchObject({ quoted: true, sessionId: 5 })
  })
})

describe('ports', () => {
  const ends = { sourcePort: 5000, targetPort: 5000 }

  test('of a tunnel that is set up by hand are learned from data that reads as a whole', () => {
    const reader = new Reader()
    const opaque = datagram(v3Data(fromHex('00112233445566778899aabbccdd')), ends)
    expect(reader.names(opaque)).toBe('ethernet ipv4 udp data')
    expect(reader.names(datagram(v3Data(ethernet(INNER), { sublayer: true }), ends))).toBe(
      'ethernet ipv4 udp l2tpv3 ethernet ipv4 udp data',
    )
    expect(reader.names(opaque)).toContain('l2tpv3')
    expect(reader.names(datagram(fromHex('0013 0000 00000001 0102'), ends))).toBe('ethernet ipv4 udp data')
  })

  test('of a control connection are learned from its request', () => {
    const reader = new Reader()
    expect(reader.names(datagram(v3Message(V3_MESSAGE.hello), ends))).toBe('ethernet ipv4 udp data')
    expect(reader.names(datagram(v3Message(V3_MESSAGE.sccrq), ends))).toBe('ethernet ipv4 udp l2tpv3')
    expect(reader.names(datagram(v3Message(V3_MESSAGE.hello), ends))).toBe('ethernet ipv4 udp l2tpv3')
  })
})

describe('control messages', () => {
  const nonceA = fromHex('000102030405060708090a0b0c0d0e0f')
  const nonceB = fromHex('f0e0d0c0b0a090807060504030201000')
  const request = v3Signed(V3_MESSAGE.sccrq, [avp(73, nonceA), avp(61, be32(1))], { secret: SECRET }, { overIp: true })
  const reply = v3Signed(
    V3_MESSAGE.sccrp,
    [avp(73, nonceB), avp(61, be32(2))],
    { secret: SECRET, hash: 'sha1', nonces: [nonceB, nonceA] },
    { overIp: true, controlConnectionId: 1 },
  )
  const hello = v3Signed(
    V3_MESSAGE.hello,
    [],
    { secret: SECRET, nonces: [nonceA, nonceB] },
    { overIp: true, controlConnectionId: 2 },
  )

  test('have their digests verified with the nonces of both ends', () => {
    const reader = new Reader(['wrong', SECRET])
    expect(reader.v3(overIp(request))?.['digest']).toEqual({
      verdict: 'verified',
      secretIndex: 1,
      algorithm: 'HMAC-MD5',
    })
    expect(reader.v3(overIp(reply, true))?.['digest']).toEqual({
      verdict: 'verified',
      secretIndex: 1,
      algorithm: 'HMAC-SHA-1',
    })
    expect(reader.v3(overIp(hello))?.['digest']).toMatchObject({ verdict: 'verified' })
  })

  test('say why a digest cannot be verified', () => {
    expect(new Reader([SECRET]).v3(overIp(hello))?.['digest']).toMatchObject({ verdict: 'no_nonce' })
    expect(new Reader().v3(overIp(hello))?.['digest']).toMatchObject({ verdict: 'no_secret' })
    expect(new Reader(['x']).v3(overIp(request))?.['digest']).toMatchObject({ verdict: 'wrong_secret' })
  })

  test('have their hidden attributes recovered, and the agreement in them is used', () => {
    const reader = new Reader([SECRET])
    const randomVector = fromHex('8899aabbccddeeff')
    const hidden = { secret: SECRET, randomVector }
    const setup = v3Message(
      V3_MESSAGE.icrq,
      [
        avp(36, randomVector),
        v3HiddenAvp(63, be32(3), hidden),
        avp(64, be32(0)),
        v3HiddenAvp(65, fromHex('0a0b0c0d'), hidden),
        v3HiddenAvp(68, be16(11), hidden),
      ],
      { overIp: true },
    )
    expect(reader.v3(overIp(setup))).toMatchObject({ messageName: 'ICRQ' })
    const message = overIp(v3Data(INNER, { sessionId: 3, cookie: fromHex('0a0b0c0d'), overIp: true }), true)
    expect(reader.v3(message)).toMatchObject({ layout: 'negotiated', pseudowireType: 11, cookieLength: 4 })
  })

  test('without AVPs are acknowledgements', () => {
    expect(new Reader().v3(overIp(fromHex('00000000 c803000c 00000001 0000 0001')))?.['messageName']).toBe('ZLB')
  })

  test('no truncation makes the description throw', () => {
    for (const packet of [overIp(request), overIp(reply, true), ...setUp(5), datagram(request.subarray(4))]) {
      for (let length = 0; length <= packet.length; length++) {
        expect(new Reader([SECRET]).read(packet.subarray(0, length)).length).toBeGreaterThan(0)
        expect(new Reader([SECRET]).read(packet, length).length).toBeGreaterThan(0)
      }
    }
  })

  test('never show a secret', () => {
    const reader = new Reader([SECRET])
    expect(JSON.stringify([reader.v3(overIp(request)), reader.v3(overIp(reply, true))])).not.toContain(SECRET)
  })
})

describe('memory', () => {
  test('holds so many sessions and no more: the oldest is forgotten', () => {
    const reader = new Reader([], 4)
    const [ask, answer] = setUp(5)
    reader.read(ask)
    reader.read(answer)
    for (let id = 100; id < 110; id++) reader.read(data(ethernet(INNER), { sessionId: id }))
    const message = data(ethernet(INNER), { sessionId: 7, cookie: fromHex('01020304'), sublayer: 1 })
    expect(reader.v3(message)).toMatchObject({ layout: 'inferred' })
  })

  test('keeps the fragments of two sessions with the same addresses apart', () => {
    const reader = new Reader()
    const pieces = ipv4Fragments(udp(new Uint8Array(64), { sourcePort: 4000, targetPort: 4001 }), 40, {
      source: '10.0.0.1',
      target: '10.0.0.2',
    })
    const [first, second] = pieces.map((piece) => ethernet(piece))
    reader.read(data(first, { sessionId: 1 }))
    expect(reader.names(data(second, { sessionId: 2 }))).not.toContain('reassembled')
    expect(reader.names(data(second, { sessionId: 1 }))).toContain('reassembled')
  })
})
