import { describe, expect, test } from 'vitest'
import { EspKeyring } from '../../src/dissect/esp-keyring.ts'
import type { Layer } from '../../src/dissect/layer.ts'
import { Describer } from '../../src/dissect/layers.ts'
import { EspKeys } from '../../src/wire/esp-algorithms.ts'
import { LINKTYPE } from '../../src/wire/link.ts'
import {
  be32,
  concat,
  datagram,
  ethernet,
  fromHex,
  hello,
  icmp,
  ipv4,
  ipv4Fragments,
  ipv6,
  l2tpData,
  lcp,
  papRequest,
  sccrq,
  tcp,
  udp,
} from '../support/craft.ts'
import { material, seal } from '../support/esp.ts'
import { Random } from '../support/random.ts'

const KEYS = material('AES-CBC', 'HMAC-SHA1-96')
const NULL_KEYS = material('NULL', 'HMAC-SHA1-96')
const SPI = 0xc0ffee01

class Reader {
  readonly #describer: Describer
  #number = 0

  constructor(keys: ReturnType<typeof material> | null = null, associationsMax = 16) {
    const entry = { source: null, destination: null, spi: SPI, spiMask: 0xffff_ffff }
    this.#describer = new Describer({
      l2tpPorts: [1701],
      secrets: [],
      fragments: { datagramsMax: 16, piecesMax: 16, timeoutSeconds: 30 },
      linksMax: 64,
      esp: {
        keyring: new EspKeyring(keys === null ? [] : [{ ...entry, keys: new EspKeys(keys) }]),
        nullPacketsMin: 2,
        associationsMax,
      },
    })
  }

  read(bytes: Uint8Array, originalLength = bytes.length): readonly Layer[] {
    this.#number++
    const { layers } = this.#describer.describe({
      bytes,
      start: 0,
      end: bytes.length,
      timeUs: 1e6 * this.#number,
      originalLength,
      linkType: LINKTYPE.ETHERNET,
      interfaceId: 0,
      number: this.#number,
    })
    return layers
  }
}

function names(layers: readonly Layer[]): string[] {
  return layers.map(({ layer }) => layer)
}

function native(packet: Uint8Array): Uint8Array {
  return ethernet(ipv4(packet, { protocol: 50 }))
}

function espOf(layers: readonly Layer[]): Layer | undefined {
  return layers.find(({ layer }) => layer === 'esp')
}

const SEALED = seal(udp(sccrq()), KEYS)

describe('ESP', () => {
  test('without keys is its header', () => {
    expect(new Reader().read(native(SEALED)).slice(2)).toEqual([
      { layer: 'esp', spi: '0xc0ffee01', sequence: 1, length: SEALED.length },
    ])
  })

  test('with keys goes on as if it were clear, in transport mode', () => {
    const reader = new Reader(KEYS)
    const layers = reader.read(native(SEALED))
    expect(names(layers)).toEqual(['ethernet', 'ipv4', 'esp', 'udp', 'l2tp'])
    expect(espOf(layers)).toMatchObject({
      verdict: 'opened',
      suite: 'AES-CBC-128/HMAC-SHA1-96',
      isAuthenticated: true,
      nextHeader: 17,
      nextHeaderName: 'udp',
    })
    expect(layers.at(-1)).toMatchObject({ messageName: 'SCCRQ' })
    const login = seal(udp(l2tpData(papRequest(1, 'alice', 'secret'))), KEYS, { sequence: 2 })
    expect(names(reader.read(native(login)))).toEqual(['ethernet', 'ipv4', 'esp', 'udp', 'l2tp', 'ppp', 'pap'])
  })

  test('with keys goes on in tunnel mode, of either family', () => {
    const reader = new Reader(KEYS)
    const four = seal(ipv4(tcp(fromHex('01')), { protocol: 6 }), KEYS, { nextHeader: 4 })
    expect(names(reader.read(native(four)))).toEqual(['ethernet', 'ipv4', 'esp', 'ipv4', 'tcp', 'data'])
    const six = seal(ipv6(udp(hello(), { source: '2001:db8::1', target: '2001:db8::2' })), KEYS, { nextHeader: 41 })
    expect(names(reader.read(native(six)))).toEqual(['ethernet', 'ipv4', 'esp', 'ipv6', 'udp', 'l2tp'])
  })

  test('is read in UDP on port 4500, and on port 500 behind the eight zeros of the first drafts', () => {
    const reader = new Reader(KEYS)
    const onNatt = datagram(SEALED, { sourcePort: 4500, targetPort: 1029 })
    expect(names(reader.read(onNatt))).toEqual(['ethernet', 'ipv4', 'udp', 'esp', 'udp', 'l2tp'])
    const old = datagram(concat(be32(0), be32(0), SEALED), { sourcePort: 500, targetPort: 500 })
    expect(names(reader.read(old))).toEqual(['ethernet', 'ipv4', 'udp', 'esp', 'udp', 'l2tp'])
  })

  test('that is not encrypted is recognised and read without keys', () => {
    const reader = new Reader()
    const layers = reader.read(native(seal(udp(sccrq()), NULL_KEYS)))
    expect(names(layers)).toEqual(['ethernet', 'ipv4', 'esp', 'udp', 'l2tp'])
    expect(espOf(layers)).toMatchObject({ verdict: 'not_encrypted', nextHeader: 17 })
    expect(espOf(layers)?.['confidence']).toBeGreaterThan(0.99)
    const data = seal(udp(l2tpData(lcp(9, 1))), NULL_KEYS, { sequence: 2 })
    expect(names(reader.read(native(data))).at(-1)).toBe('lcp')
  })

  test('says that the keys are wrong, or the packet damaged', () => {
    const reader = new Reader(KEYS)
    const damaged = SEALED.map((octet, at) => (at === 30 ? octet ^ 1 : octet))
    expect(espOf(reader.read(native(damaged)))?.['verdict']).toBe('wrong_key')
    expect(espOf(reader.read(native(SEALED)))?.['verdict']).toBe('opened')
    expect(espOf(reader.read(native(damaged)))?.['verdict']).toBe('corrupt')
  })

  test('that the capture cut is not opened', () => {
    const frame = native(SEALED)
    expect(espOf(new Reader(KEYS).read(frame.subarray(0, 60), frame.length))).toMatchObject({
      isSnapped: true,
      verdict: 'snapped',
      length: SEALED.length,
    })
    expect(espOf(new Reader(KEYS).read(frame.subarray(0, 38), frame.length))).toEqual({
      layer: 'esp',
      length: SEALED.length,
      isSnapped: true,
    })
  })

  test('with a dummy carries nothing, and odd padding is found', () => {
    const reader = new Reader(KEYS)
    const dummy = reader.read(native(seal(new Uint8Array(62), KEYS, { nextHeader: 59 })))
    expect(names(dummy)).toEqual(['ethernet', 'ipv4', 'esp'])
    expect(espOf(dummy)?.['nextHeaderName']).toBe('dummy')
    const odd = seal(new Uint8Array(12), KEYS, { nextHeader: 59, padding: fromHex('0909') })
    expect(espOf(reader.read(native(odd)))?.findings).toEqual(['esp.padding'])
  })

  test('that nests forever ends', () => {
    let packet = seal(udp(hello()), KEYS)
    for (let i = 0; i < 100; i++) packet = seal(packet, KEYS, { nextHeader: 50 })
    const layers = new Reader(KEYS).read(native(packet))
    expect(layers.length).toBeLessThan(64)
    expect(layers.at(-1)?.flaw).toBe('layers.too_deep')
  })

  test('in fragments is opened when it is whole', () => {
    const reader = new Reader(KEYS)
    const content = udp(l2tpData(lcp(9, 1)))
    const packet = seal(content, KEYS, { padding: new Uint8Array(208 + ((30 - (content.length % 16)) % 16)) })
    const fragments = ipv4Fragments(packet, 160, { protocol: 50 })
    const seen = fragments.map((fragment) => reader.read(ethernet(fragment)))
    expect(names(seen[0])).toEqual(['ethernet', 'ipv4', 'fragment'])
    expect(names(seen.at(-1) ?? [])).toEqual(['ethernet', 'ipv4', 'reassembled', 'esp', 'udp', 'l2tp', 'ppp', 'lcp'])
  })

  test('that an ICMP error quotes is a header, and teaches nothing about keys', () => {
    const reader = new Reader(KEYS)
    const quoted = ethernet(ipv4(icmp(ipv4(SEALED, { protocol: 50 }), { type: 3, code: 2 }), { protocol: 1 }))
    const layers = reader.read(quoted)
    expect(espOf(layers)).toEqual({ layer: 'esp', spi: '0xc0ffee01', sequence: 1, length: SEALED.length, quoted: true })
  })

  test('too short for a header is flawed', () => {
    const layers = new Reader().read(datagram(fromHex('c0ffee01 00'), { sourcePort: 4500, targetPort: 4500 }))
    expect(layers.at(-1)).toEqual({ layer: 'esp', length: 5, flaw: 'esp.truncated' })
  })

  test('remembers a bounded number of associations', () => {
    const reader = new Reader(null, 2)
    const opening = (spi: number) => native(seal(icmp(new Uint8Array(4)), NULL_KEYS, { spi, nextHeader: 1 }))
    for (let round = 0; round < 6; round++)
      for (let spi = 1000; spi < 1004; spi++) expect(names(reader.read(opening(spi)))).not.toContain('icmp')
    for (let round = 0; round < 6; round++) reader.read(opening(1000))
    expect(names(reader.read(opening(1000)))).toContain('icmp')
  })
})

describe('AH', () => {
  const AH = fromHex('11 04 0000 0000010a 00000003 0102030405060708090a0b0c')

  function behindAh(header: Uint8Array, payload: Uint8Array): Uint8Array {
    return ethernet(ipv4(concat(header, payload), { protocol: 51 }))
  }

  test('is read through', () => {
    const layers = new Reader().read(behindAh(AH, udp(hello())))
    expect(names(layers)).toEqual(['ethernet', 'ipv4', 'ah', 'udp', 'l2tp'])
    expect(layers[2]).toMatchObject({ nextHeader: 17, spi: '0x0000010a', sequence: 3, icvLength: 12 })
  })

  test('is read through to ESP and to IP', () => {
    const esp = concat(fromHex('32 04 0000 0000010a 00000003'), new Uint8Array(12))
    expect(names(new Reader(KEYS).read(behindAh(esp, SEALED)))).toEqual([
      'ethernet',
      'ipv4',
      'ah',
      'esp',
      'udp',
      'l2tp',
    ])
    const ip = concat(fromHex('04 04 0000 0000010a 00000003'), new Uint8Array(12))
    expect(names(new Reader().read(behindAh(ip, ipv4(udp(hello())))))).toEqual([
      'ethernet',
      'ipv4',
      'ah',
      'ipv4',
      'udp',
      'l2tp',
    ])
  })

  test('of length zero ends the packet', () => {
    const zero = fromHex('33 00 0000 0000010a 00000003 33000000')
    const layers = new Reader().read(behindAh(zero, udp(hello())))
    expect(layers.at(-1)).toMatchObject({ layer: 'ah', flaw: 'ah.length', payloadLength: 0 })
  })

  test('in AH in AH ends', () => {
    const again = fromHex('33 01 0000 0000010a 00000003')
    const layers = new Reader().read(behindAh(concat(...new Array<Uint8Array>(100).fill(again)), AH))
    expect(layers.length).toBeLessThan(64)
    expect(layers.at(-1)?.flaw).toBe('layers.too_deep')
  })

  test('that was cut has a snapped header, not a flaw', () => {
    const frame = behindAh(AH, udp(hello()))
    expect(new Reader().read(frame.subarray(0, 50), frame.length).at(-1)).toMatchObject({
      layer: 'ah',
      isSnapped: true,
    })
    expect(new Reader().read(frame.subarray(0, 40), frame.length).at(-1)).toEqual({
      layer: 'ah',
      length: frame.length - 34,
      isSnapped: true,
    })
  })
})

test('a port on which L2TP was learned hides neither IKE nor ESP', () => {
  const reader = new Reader(KEYS)
  reader.read(datagram(sccrq(), { sourcePort: 4444, targetPort: 1701 }))
  expect(names(reader.read(datagram(SEALED, { sourcePort: 4444, targetPort: 4500 })))).toContain('esp')
})

test('every truncation and every damage is described without an exception', () => {
  const random = new Random(4303)
  const frames = [
    native(SEALED),
    native(seal(udp(sccrq()), NULL_KEYS)),
    datagram(SEALED, { sourcePort: 4500, targetPort: 4500 }),
    ethernet(ipv4(concat(fromHex('32 04 0000 0000010a 00000003'), new Uint8Array(12), SEALED), { protocol: 51 })),
  ]
  const reader = new Reader(KEYS)
  for (const frame of frames) {
    for (let length = 0; length <= frame.length; length++) {
      expect(reader.read(frame.subarray(0, length)).length).toBeGreaterThan(0)
      expect(reader.read(frame.subarray(0, length), frame.length).length).toBeGreaterThan(0)
    }
    for (let i = 0; i < 300; i++) {
      const damaged = frame.map((octet) => (random.chance(0.02) ? random.below(256) : octet))
      expect(reader.read(damaged).length).toBeLessThan(64)
    }
  }
})
