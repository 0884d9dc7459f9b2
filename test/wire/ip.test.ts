import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { describeIp, IpView } from '../../src/wire/ip.ts'
import { fromHex, ipv4, ipv6, ipv6Extension, ipv6FragmentHeader } from '../support/craft.ts'
import { inWindow } from '../support/window.ts'

/** 192.0.2.1 → 198.51.100.2, UDP, don't fragment, 4 bytes of payload. */
const FOUR = fromHex('45b8 0018 1234 4000 4011 beef c0000201 c6336402 01020304')
/** The same with a router alert option. */
const OPTIONS = fromHex('46c0 001c 1234 0000 0111 beef c0000201 c6336402 94040000 01020304')
/** The third fragment: 16 bytes in, more to come. */
const FRAGMENT = fromHex('4500 001c 00ff 2002 4011 beef c0000201 c6336402 0102030405060708')
/** 2001:db8::1 → 2001:db8::2, UDP, 4 bytes of payload. */
const SIX = fromHex('6b812345 0004 11 40 20010db8000000000000000000000001 20010db8000000000000000000000002 01020304')

const view = new IpView()

function decoded(bytes: Uint8Array, end: number = bytes.length): string | null {
  return view.decode(bytes, 0, end)
}

function fieldsOf(ip: IpView, start: number): Record<string, unknown> {
  return {
    version: ip.version,
    protocol: ip.protocol,
    ttl: ip.ttl,
    id: ip.id,
    isFragment: ip.isFragment,
    moreFragments: ip.moreFragments,
    fragmentOffset: ip.fragmentOffset,
    addressLength: ip.addressLength,
    sourceAt: ip.sourceAt - start,
    payloadStart: ip.payloadStart - start,
    payloadEnd: ip.payloadEnd - start,
    wireEnd: ip.wireEnd - start,
  }
}

describe('IPv4', () => {
  test('a header without options', () => {
    expect(decoded(FOUR)).toBeNull()
    expect(fieldsOf(view, 0)).toEqual({
      version: 4,
      protocol: 17,
      ttl: 64,
      id: 0x1234,
      isFragment: false,
      moreFragments: false,
      fragmentOffset: 0,
      addressLength: 4,
      sourceAt: 12,
      payloadStart: 20,
      payloadEnd: 24,
      wireEnd: 24,
    })
    expect(describeIp(view)).toEqual({
      layer: 'ipv4',
      headerLength: 20,
      tos: 0xb8,
      totalLength: 24,
      id: 0x1234,
      dontFragment: true,
      ttl: 64,
      protocol: 17,
      protocolName: 'udp',
      checksum: 0xbeef,
      source: '192.0.2.1',
      destination: '198.51.100.2',
    })
  })

  test('options belong to the header', () => {
    expect(decoded(OPTIONS)).toBeNull()
    expect(view).toMatchObject({ payloadStart: 24, payloadEnd: 28, ttl: 1 })
    expect(describeIp(view)).toMatchObject({ headerLength: 24, options: '94040000' })
    const longest = ipv4(fromHex('ff'), { options: new Uint8Array(40).fill(1) })
    expect(decoded(longest)).toBeNull()
    expect(view).toMatchObject({ payloadStart: 60, payloadEnd: 61 })
  })

  test('a fragment has an offset in bytes', () => {
    expect(decoded(FRAGMENT)).toBeNull()
    expect(view).toMatchObject({ isFragment: true, moreFragments: true, fragmentOffset: 16, id: 255 })
    expect(describeIp(view)).toMatchObject({ fragmentOffset: 16, moreFragments: true, dontFragment: false })
  })

  test('the last fragment has an offset and no more after it; the first the reverse', () => {
    expect(decoded(ipv4(FOUR, { fragmentOffset: 0x1fff * 8 }))).toBeNull()
    expect(view).toMatchObject({ isFragment: true, moreFragments: false, fragmentOffset: 65_528 })
    expect(decoded(ipv4(FOUR, { moreFragments: true }))).toBeNull()
    expect(view).toMatchObject({ isFragment: true, moreFragments: true, fragmentOffset: 0 })
    expect(decoded(ipv4(FOUR, { reservedFlag: true, dontFragment: true }))).toBeNull()
    expect(view.isFragment).toBe(false)
  })

  test('what follows the total length is padding of the frame', () => {
    const padded = new Uint8Array(60)
    padded.set(FOUR)
    expect(decoded(padded)).toBeNull()
    expect(view).toMatchObject({ payloadEnd: 24, wireEnd: 24, isSnapped: false })
  })

  test('a total length of zero means the rest of the frame', () => {
    expect(decoded(ipv4(fromHex('0102'), { totalLength: 0 }))).toBeNull()
    expect(view).toMatchObject({ payloadStart: 20, payloadEnd: 22, wireEnd: 22 })
  })

  test('a payload may be empty', () => {
    expect(decoded(ipv4(new Uint8Array(0)))).toBeNull()
    expect(view).toMatchObject({ payloadStart: 20, payloadEnd: 20 })
  })

  test('lengths that contradict each other are flaws', () => {
    expect(decoded(ipv4(FOUR, { headerLength: 4 }))).toBe('ip.header_length')
    expect(decoded(ipv4(FOUR, { headerLength: 0 }))).toBe('ip.header_length')
    expect(decoded(ipv4(FOUR, { totalLength: 19 }))).toBe('ip.total_length')
    expect(decoded(ipv4(FOUR, { options: new Uint8Array(4), totalLength: 20 }))).toBe('ip.total_length')
    expect(decoded(ipv4(new Uint8Array(0), { headerLength: 15 }))).toBe('ip.truncated')
  })
})

describe('IPv6', () => {
  test('a header without extensions', () => {
    expect(decoded(SIX)).toBeNull()
    expect(view).toMatchObject({ version: 6, protocol: 17, ttl: 64, id: 0, isFragment: false, addressLength: 16 })
    expect(view).toMatchObject({ sourceAt: 8, destinationAt: 24, payloadStart: 40, payloadEnd: 44, wireEnd: 44 })
    expect(describeIp(view)).toEqual({
      layer: 'ipv6',
      trafficClass: 0xb8,
      flowLabel: 0x12345,
      payloadLength: 4,
      hopLimit: 64,
      source: '2001:db8::1',
      destination: '2001:db8::2',
      protocol: 17,
      protocolName: 'udp',
    })
  })

  test('extension headers are passed to the upper layer', () => {
    const extensions = [0, 43, 60, 135, 139, 140].map((type) =>
      ipv6Extension(type, new Uint8Array(type === 43 ? 14 : 6)),
    )
    expect(decoded(ipv6(fromHex('0102'), { extensions }))).toBeNull()
    expect(view).toMatchObject({ protocol: 17, payloadStart: 40 + 5 * 8 + 16, payloadEnd: 40 + 5 * 8 + 18 })
    expect(describeIp(view)).toMatchObject({
      extensions: ['hopopt', 'ipv6-route', 'ipv6-opts', 'mobility', '139', '140'],
    })
  })

  test('no next header, ESP and AH end the chain', () => {
    for (const protocol of [59, 50, 51, 115, 255]) {
      expect(decoded(ipv6(fromHex('00'), { protocol, extensions: [ipv6Extension(60)] }))).toBeNull()
      expect(view).toMatchObject({ protocol, payloadStart: 48 })
    }
  })

  test('a fragment ends the chain, because offsets count from behind its header', () => {
    const extensions = [
      ipv6Extension(0),
      ipv6FragmentHeader({ offset: 0, more: true, id: 0xdeadbeef }),
      ipv6Extension(60),
    ]
    expect(decoded(ipv6(fromHex('0102'), { extensions }))).toBeNull()
    expect(view).toMatchObject({ isFragment: true, moreFragments: true, fragmentOffset: 0, id: 0xdeadbeef })
    expect(view).toMatchObject({ protocol: 60, fragmentHeaderAt: 48, payloadStart: 56 })
    expect(describeIp(view)).toMatchObject({ id: 0xdeadbeef, moreFragments: true, extensions: ['hopopt', 'ipv6-frag'] })
  })

  test('the middle of a packet is not read as headers', () => {
    const extensions = [ipv6FragmentHeader({ offset: 1232, more: false, id: 5 })]
    expect(decoded(ipv6(fromHex('ffffffffffffffff'), { extensions, protocol: 60 }))).toBeNull()
    expect(view).toMatchObject({
      isFragment: true,
      moreFragments: false,
      fragmentOffset: 1232,
      protocol: 60,
      payloadStart: 48,
    })
  })

  test('an atomic fragment is a whole packet', () => {
    const extensions = [ipv6FragmentHeader({ id: 5 }), ipv6Extension(60)]
    expect(decoded(ipv6(fromHex('0102'), { extensions }))).toBeNull()
    expect(view).toMatchObject({ isFragment: false, protocol: 17, payloadStart: 56, id: 5 })
  })

  test('a payload length of zero means the rest of the frame, as in a jumbogram', () => {
    const jumbo = ipv6Extension(0, fromHex('c20400010000'))
    expect(decoded(ipv6(fromHex('0102'), { extensions: [jumbo], payloadLength: 0 }))).toBeNull()
    expect(view).toMatchObject({ payloadStart: 48, payloadEnd: 50, wireEnd: 50 })
  })

  test('an extension header longer than the packet is a flaw', () => {
    expect(decoded(ipv6(new Uint8Array(0), { extensions: [{ type: 60, rest: fromHex('01 000000000000') }] }))).toBe(
      'ip.extension_length',
    )
    expect(decoded(ipv6(new Uint8Array(0), { extensions: [{ type: 60, rest: fromHex('ff 000000000000') }] }))).toBe(
      'ip.extension_length',
    )
  })

  test('a chain without end is a flaw', () => {
    const extensions = Array.from({ length: 12 }, () => ipv6Extension(60))
    expect(decoded(ipv6(new Uint8Array(0), { extensions }))).toBe('ip.extension_chain')
    expect(decoded(ipv6(fromHex('01'), { extensions: extensions.slice(0, 10) }))).toBeNull()
  })
})

test('any other version is a flaw', () => {
  for (const version of [0, 1, 2, 3, 5, 7, 15]) {
    expect(decoded(ipv4(FOUR, { version }))).toBe('ip.version')
    expect(view.version).toBe(version)
  }
})

describe('a cut capture', () => {
  const extended = ipv6(fromHex('0102030405060708'), {
    extensions: [ipv6Extension(0, new Uint8Array(12)), ipv6FragmentHeader({ id: 9 })],
  })

  test.each([
    ['IPv4', FOUR, 20],
    ['IPv4 with options', OPTIONS, 24],
    ['an IPv4 fragment', FRAGMENT, 20],
    ['IPv6', SIX, 40],
    ['IPv6 with extensions', extended, 64],
  ])(
    '%s: inside the headers a flaw, behind them a payload that says where it would have ended',
    (_, packet, headers) => {
      for (let end = 0; end < packet.length; end++) {
        const flaw = decoded(packet.slice().fill(0xff, end), end)
        if (end < headers) {
          expect(flaw).toBe('ip.truncated')
          expect(view).toMatchObject({ addressLength: 0, isFragment: false })
          expect(view.payloadStart).toBe(view.payloadEnd)
        } else {
          expect(flaw).toBeNull()
          expect(view).toMatchObject({
            payloadStart: headers,
            payloadEnd: end,
            wireEnd: packet.length,
            isSnapped: true,
          })
        }
      }
      expect(decoded(packet)).toBeNull()
      expect(view.isSnapped).toBe(false)
    },
  )
})

test('a flaw leaves nothing of the packet before', () => {
  decoded(FRAGMENT)
  expect(decoded(ipv4(FOUR, { headerLength: 1 }))).toBe('ip.header_length')
  expect(fieldsOf(view, 0)).toMatchObject({
    protocol: 0,
    id: 0,
    isFragment: false,
    addressLength: 0,
    payloadStart: 0,
    payloadEnd: 0,
    wireEnd: 0,
  })
})

const random = fc.uint8Array({ maxLength: 120 })
const plausible = fc
  .tuple(
    fc.constantFrom(FOUR, OPTIONS, SIX, ipv6(SIX, { extensions: [ipv6Extension(0), ipv6Extension(60)] })),
    random,
    fc.nat(200),
  )
  .map(([packet, noise, cut]) => {
    const bytes = Uint8Array.from(packet)
    noise.forEach((byte, i) => {
      if (i % 3 === 0) bytes[(byte * 7 + i) % bytes.length] ^= noise[i + 1] ?? 0
    })
    return bytes.subarray(0, cut)
  })
/** Noise, and packets with some of it in them, cut anywhere. */
const anyPacket = fc.oneof(random, plausible)

test('whatever the bytes, nothing outside the window is read and the payload lies inside', () => {
  fc.assert(
    fc.property(anyPacket, (bytes) => {
      const { among, elsewhere } = inWindow(bytes, (buffer, start, end) => {
        const ip = new IpView()
        const flaw = ip.decode(buffer, start, end)
        if (flaw === null) {
          expect(ip.payloadStart).toBeLessThanOrEqual(Math.max(ip.payloadEnd, ip.payloadStart))
          expect(ip.payloadEnd).toBeLessThanOrEqual(end)
          expect(ip.payloadStart).toBeLessThanOrEqual(ip.payloadEnd)
          expect(ip.payloadEnd).toBeLessThanOrEqual(ip.wireEnd)
        }
        return { flaw, ...fieldsOf(ip, start), described: flaw === null ? describeIp(ip) : null }
      })
      expect(among).toEqual(elsewhere)
    }),
    { numRuns: 2000 },
  )
})

test('read by words, all is the same', () => {
  const withWords = new IpView()
  let ofVersion4 = 0
  fc.assert(
    fc.property(anyPacket, fc.constantFrom(FRAGMENT, SIX), (bytes, before) => {
      for (const ip of [view, withWords]) ip.decode(before, 0, before.length)
      const flaw = view.decode(bytes, 0, bytes.length)
      const words = new DataView(bytes.buffer, bytes.byteOffset, bytes.length)
      expect(withWords.decodeWords(bytes, words, 0, bytes.length)).toBe(flaw)
      expect(withWords).toEqual(view)
      if (flaw === null && view.version === 4) ofVersion4++
    }),
    { numRuns: 2000 },
  )
  expect(ofVersion4).toBeGreaterThan(100)
})
