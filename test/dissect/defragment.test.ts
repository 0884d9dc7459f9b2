import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import * as craft from '../support/craft.ts'
import { TestSensor } from '../support/sensor.ts'
import { Bench } from './support.ts'

const PAYLOAD = craft.udp(
  Uint8Array.from({ length: 88 }, (_, i) => i),
  { sourcePort: 500, targetPort: 500 },
)
const SECOND = 1_000_000

/** One fragment; `more` unless it is said to be the last. */
function piece(start: number, end: number, fields: craft.Ipv4Fields & { bytes?: Uint8Array } = {}): Uint8Array {
  const { bytes = PAYLOAD, ...rest } = fields
  return craft.ipv4(bytes.subarray(start, end), { fragmentOffset: start, moreFragments: end < bytes.length, ...rest })
}

function piece6(
  start: number,
  end: number,
  fields: { bytes?: Uint8Array; id?: number; protocol?: number; more?: boolean } = {},
): Uint8Array {
  const { bytes = PAYLOAD, id = 1, protocol = 17, more = end < bytes.length } = fields
  return craft.ipv6(bytes.subarray(start, end), {
    protocol,
    extensions: [craft.ipv6FragmentHeader({ offset: start, more, id })],
  })
}

function permutations<T>(items: readonly T[]): T[][] {
  if (items.length < 2) return [[...items]]
  return items.flatMap((item, i) =>
    permutations([...items.slice(0, i), ...items.slice(i + 1)]).map((rest) => [item, ...rest]),
  )
}

function wrong(bytes: Uint8Array): Uint8Array {
  return bytes.map((byte) => byte ^ 0xff)
}

describe('reassembly', () => {
  const cuts = [
    [0, 32],
    [32, 48],
    [48, 88],
    [88, 96],
  ] as const

  test.each([
    ['IPv4', piece],
    ['IPv6', piece6],
  ])('%s fragments in every order', (_, fragmentOf) => {
    for (const order of permutations(cuts)) {
      const bench = new Bench()
      const verdicts = order.map(([start, end]) => bench.seeIp(fragmentOf(start, end)))
      expect(verdicts).toEqual(['fragment', 'fragment', 'fragment', 'ike'])
      expect(bench.payload).toEqual(PAYLOAD)
      expect(bench.frame.ip.isFragment).toBe(false)
      expect(bench.findings).toEqual([])
      expect(bench.defragmenter.size).toBe(0)
    }
  })

  test('what pads the frame of a fragment is no part of it', () => {
    const padding = new Uint8Array(46).fill(0xee)
    for (const order of permutations(cuts)) {
      const bench = new Bench()
      for (const [start, end] of order) bench.seeIp(craft.concat(piece(start, end), padding))
      expect(bench.payload).toEqual(PAYLOAD)
      expect(bench.findings).toEqual([])
    }
  })

  test('each fragment twice, as retransmissions are', () => {
    for (const order of permutations(cuts)) {
      const bench = new Bench()
      const twice = order.flatMap((cut) => [cut, cut])
      const verdicts = twice.map(([start, end]) => bench.seeIp(piece(start, end)))
      expect(verdicts.filter((verdict) => verdict === 'ike')).toHaveLength(1)
      expect(bench.findings).toEqual([])
    }
  })

  test('a copy that comes just after its datagram was completed waits for nothing', () => {
    const bench = new Bench()
    bench.seeIp(piece(0, 48), 0)
    expect(bench.seeIp(piece(48, 96), 100)).toBe('ike')
    expect(bench.seeIp(piece(48, 96), 150)).toBe('fragment')
    expect(bench.defragmenter.size).toBe(0)
    expect(bench.seeIp(piece(48, 96), 60 * SECOND)).toBe('fragment')
    expect(bench.findings).toEqual([])
  })

  test('an identification may be used again soon after', () => {
    const bench = new Bench()
    bench.seeIp(piece(0, 48), 0)
    bench.seeIp(piece(48, 96), 0)
    expect(bench.seeIp(piece(0, 48), 20_000)).toBe('fragment')
    expect(bench.seeIp(piece(48, 96), 20_000)).toBe('ike')
  })

  test('the header of the whole says so: its length, no fragment, the options and TTL of the first', () => {
    const bench = new Bench()
    bench.seeIp(piece(48, 96, { ttl: 9 }))
    expect(bench.seeIp(piece(0, 48, { ttl: 7, options: craft.fromHex('94040000') }))).toBe('ike')
    const { ip } = bench.frame
    expect(ip).toMatchObject({ ttl: 7, isFragment: false, fragmentOffset: 0, id: 1, protocol: 17 })
    expect(ip.payloadStart - ip.headerStart).toBe(24)
    expect(ip.wireEnd).toBe(ip.payloadEnd)
  })

  test('the largest datagram', () => {
    const large = craft.udp(new Uint8Array(65_535 - 20 - 8), { sourcePort: 500, targetPort: 500 })
    const bench = new Bench({ piecesMax: 8192 })
    const verdicts = craft.ipv4Fragments(large, 1480).map((fragment) => bench.seeIp(fragment))
    expect(verdicts.at(-1)).toBe('ike')
    expect(bench.payload.length).toBe(large.length)
    expect(bench.findings).toEqual([])
  })

  test('IPv6 extension headers behind the fragment header belong to what is put together', () => {
    const inner = craft.concat(craft.fromHex('11 00 010400000000'), PAYLOAD)
    const bench = new Bench()
    const [first, ...rest] = craft.ipv6Fragments(inner, 40, { protocol: 60 })
    expect(bench.seeIp(first)).toBe('fragment')
    expect(rest.map((fragment) => bench.seeIp(fragment)).at(-1)).toBe('ike')
    expect(bench.payload).toEqual(PAYLOAD)
    expect(bench.findings).toEqual([])
  })

  test('IPv6 takes the protocol from the first fragment', () => {
    const bench = new Bench()
    expect(bench.seeIp(piece6(48, 96, { protocol: 50 }))).toBe('fragment')
    expect(bench.seeIp(piece6(0, 48, { protocol: 17 }))).toBe('ike')
  })

  test('datagrams with one identification but another protocol, VLAN, or pair of hosts do not meet', () => {
    const bench = new Bench()
    const half = piece(0, 48)
    const tag = (id: number, packet: Uint8Array) => craft.ethernet(packet, { vlans: [{ id }] })
    expect(bench.seeIp(half)).toBe('fragment')
    expect(bench.seeIp(piece(48, 96, { protocol: 50 }))).toBe('fragment')
    expect(bench.seeIp(piece(48, 96, { source: '192.0.2.200' }))).toBe('fragment')
    expect(bench.seeIp(piece(48, 96, { id: 2 }))).toBe('fragment')
    expect(bench.see(tag(5, piece(48, 96)))).toBe('fragment')
    expect(bench.see(tag(6, half))).toBe('fragment')
    expect(bench.defragmenter.size).toBe(6)
    expect(bench.seeIp(piece(48, 96))).toBe('ike')
  })

  test('random cuts in random order, with copies, give back the bytes', () => {
    const scenario = fc.record({
      payload: fc.uint8Array({ minLength: 40, maxLength: 600 }),
      cuts: fc.array(fc.integer({ min: 1, max: 74 }), { maxLength: 12 }),
      order: fc.array(fc.nat(), { minLength: 30, maxLength: 30 }),
      copies: fc.array(fc.boolean(), { minLength: 14, maxLength: 14 }),
      isIpv6: fc.boolean(),
    })
    fc.assert(
      fc.property(scenario, ({ payload, cuts, order, copies, isIpv6 }) => {
        const bytes = craft.udp(payload, { sourcePort: 4500, targetPort: 4500 })
        const inside = [...new Set(cuts.map((cut) => cut * 8))]
          .filter((cut) => cut < bytes.length)
          .sort((a, b) => a - b)
        const edges = [0, ...inside, bytes.length]
        const pieces = edges.slice(1).map((end, i) => [edges[i], end] as const)
        if (pieces.length < 2) return
        const shuffled = pieces
          .flatMap((part, i) => (copies[i] ? [part, part] : [part]))
          .map((part, i) => ({ part, rank: order[i] }))
          .sort((a, b) => a.rank - b.rank)
        const bench = new Bench()
        const verdicts = shuffled.map(({ part: [start, end] }) => {
          const verdict = bench.seeIp(isIpv6 ? piece6(start, end, { bytes }) : piece(start, end, { bytes }))
          if (verdict === 'natt') expect(bench.payload).toEqual(bytes)
          return verdict
        })
        expect(verdicts.filter((verdict) => verdict === 'natt')).toHaveLength(1)
        expect(bench.names.filter((name) => name !== 'ip.fragment_tiny')).toEqual([])
      }),
    )
  })
})

describe('overlaps', () => {
  const overlaps: readonly (readonly [string, number, number])[] = [
    ['at the front', 24, 40],
    ['at the end', 56, 72],
    ['inside', 40, 48],
    ['around', 24, 72],
    ['exactly', 32, 64],
  ]

  test.each(overlaps)('%s, with other bytes: IPv4 keeps what came first, and tells it', (_, start, end) => {
    const bench = new Bench()
    bench.seeIp(piece(32, 64))
    bench.seeIp(piece(start, end, { bytes: wrong(PAYLOAD), moreFragments: true }))
    expect(bench.names).toEqual(['ip.fragment_overlap'])
    bench.seeIp(piece(0, 32))
    expect(bench.seeIp(piece(64, 96))).toBe('ike')
    expect(bench.payload.subarray(32, 64)).toEqual(PAYLOAD.subarray(32, 64))
  })

  test.each(overlaps)(
    '%s, with other bytes: IPv6 gives the datagram up (RFC 5722), whatever comes',
    (_, start, end) => {
      const bench = new Bench()
      bench.seeIp(piece6(32, 64))
      bench.seeIp(piece6(start, end, { bytes: wrong(PAYLOAD), more: true }))
      const verdicts = [piece6(0, 32), piece6(64, 96), piece6(32, 64)].map((fragment) => bench.seeIp(fragment))
      expect(verdicts).toEqual(['fragment', 'fragment', 'fragment'])
      expect(bench.names).toEqual(['ip.fragment_overlap'])
    },
  )

  test('a retransmitted part of what came already is no finding', () => {
    const bench = new Bench()
    bench.seeIp(piece(0, 64))
    bench.seeIp(piece(32, 64))
    expect(bench.seeIp(piece(64, 96))).toBe('ike')
    expect(bench.findings).toEqual([])
  })

  test('two ends that differ spoil the datagram', () => {
    const bench = new Bench()
    bench.seeIp(piece(48, 96))
    bench.seeIp(piece(48, 88, { moreFragments: false }))
    expect(bench.seeIp(piece(0, 48))).toBe('fragment')
    expect(bench.names).toEqual(['ip.fragment_overlap'])
  })

  test('bytes beyond the last fragment spoil the datagram, whichever came first', () => {
    for (const order of [
      [piece(32, 64, { moreFragments: false }), piece(64, 96, { moreFragments: true })],
      [piece(64, 96, { moreFragments: true }), piece(32, 64, { moreFragments: false })],
    ]) {
      const bench = new Bench()
      for (const fragment of order) bench.seeIp(fragment)
      expect(bench.seeIp(piece(0, 32))).toBe('fragment')
      expect(bench.names).toEqual(['ip.fragment_overlap'])
    }
  })
})

describe('fragments that come after their datagram is whole', () => {
  const WRONG = wrong(PAYLOAD)
  const late: readonly (readonly [string, number, number, craft.Ipv4Fields])[] = [
    ['of a piece, with other bytes', 32, 64, {}],
    ['across two pieces, with other bytes', 40, 72, {}],
    ['of the header', 0, 32, {}],
    ['of the end, with other bytes', 64, 96, {}],
  ]

  function whole(bench: Bench, timeUs = 0, fragmentOf: typeof piece | typeof piece6 = piece): void {
    bench.seeIp(fragmentOf(0, 32), timeUs)
    bench.seeIp(fragmentOf(32, 64), timeUs)
    expect(bench.seeIp(fragmentOf(64, 96), timeUs)).toBe('ike')
  }

  test.each(late)('IPv4, %s: named at once', (_, start, end, fields) => {
    const bench = new Bench()
    whole(bench)
    expect(bench.seeIp(piece(start, end, { ...fields, bytes: WRONG }), 5000)).toBe('fragment')
    expect(bench.findings).toEqual([
      { name: 'ip.fragment_overlap', detail: `bytes ${start} to ${end} differ from a datagram that is whole` },
    ])
  })

  test.each(late)('IPv6, %s: named at once, however late (RFC 5722)', (_, start, end) => {
    const bench = new Bench()
    whole(bench, 0, piece6)
    expect(bench.seeIp(piece6(start, end, { bytes: WRONG }), 29 * SECOND)).toBe('fragment')
    expect(bench.names).toEqual(['ip.fragment_overlap'])
    expect(bench.defragmenter.size).toBe(0)
  })

  test.each([
    ['another end within', piece(56, 64, { moreFragments: false })],
    ['bytes beyond the end', piece(64, 104, { bytes: craft.concat(PAYLOAD, new Uint8Array(8)), moreFragments: true })],
    ['an end that goes on', piece(64, 96, { moreFragments: true })],
  ])('%s: named, although its bytes are the same', (_, fragment) => {
    const bench = new Bench()
    whole(bench)
    bench.seeIp(fragment, 5000)
    expect(bench.names).toEqual(['ip.fragment_overlap'])
  })

  test.each([
    ['IPv4', piece],
    ['IPv6', piece6],
  ])('%s copies, cut as they were or otherwise, are none', (_, fragmentOf) => {
    const bench = new Bench()
    whole(bench, 0, fragmentOf)
    for (const [start, end] of [
      [0, 32],
      [32, 64],
      [64, 96],
      [0, 48],
      [48, 96],
    ]) {
      expect(bench.seeIp(fragmentOf(start, end), 9000)).toBe('fragment')
    }
    expect(bench.findings).toEqual([])
    expect(bench.defragmenter.size).toBe(0)
  })

  test('what differs and comes much later may be the next datagram of this identification: whole, it is no finding', () => {
    const bench = new Bench({ timeoutSeconds: 30 })
    whole(bench)
    const next = craft.udp(new Uint8Array(88).fill(7), { sourcePort: 500, targetPort: 500 })
    bench.seeIp(piece(0, 48, { bytes: next }), SECOND)
    expect(bench.seeIp(piece(48, 96, { bytes: next }), SECOND)).toBe('ike')
    expect(bench.payload).toEqual(next)
    bench.seeIp(piece(0, 48, { id: 9 }), 40 * SECOND)
    expect(bench.findings).toEqual([])
  })

  test('what differs and never becomes a datagram of its own is told when its time is over, with its hosts', () => {
    const bench = new Bench({ timeoutSeconds: 30 })
    whole(bench)
    bench.seeIp(piece(32, 64, { bytes: WRONG }), SECOND)
    expect(bench.findings).toEqual([])
    bench.seeIp(piece(0, 48, { id: 9, source: '192.0.2.200' }), 32 * SECOND)
    expect(bench.findings).toEqual([
      {
        name: 'ip.fragment_overlap',
        detail: '192.0.2.1 to 198.51.100.1: parts of another datagram than the whole one before, and no more for 30 s',
      },
    ])
  })

  test('as an event it has the hosts of its datagram, not those of the packet that came when its time was over', () => {
    const sensor = new TestSensor()
    const see = (packet: Uint8Array, timeUs: number) => sensor.see(craft.ethernet(packet), timeUs)
    see(piece(0, 48), SECOND)
    see(piece(48, 96), SECOND)
    see(piece(48, 96, { bytes: WRONG }), 2 * SECOND)
    see(piece(0, 48, { source: '192.0.2.200', target: '198.51.100.200' }), 40 * SECOND)
    const overlaps = sensor.events.filter((event) => event['anomaly.name'] === 'ip.fragment_overlap')
    expect(overlaps).toMatchObject([
      { 'source.ip': '192.0.2.1', 'destination.ip': '198.51.100.1', 'network.type': 'ipv4' },
    ])
  })

  test('identification 0 is set by senders that set none: its next datagram is read, and no finding', () => {
    const bench = new Bench()
    const next = craft.udp(new Uint8Array(88).fill(7), { sourcePort: 500, targetPort: 500 })
    bench.seeIp(piece(0, 48, { id: 0 }), 0)
    expect(bench.seeIp(piece(48, 96, { id: 0 }), 0)).toBe('ike')
    bench.seeIp(piece(0, 48, { id: 0, bytes: next }), 100)
    expect(bench.seeIp(piece(48, 96, { id: 0, bytes: next }), 100)).toBe('ike')
    expect(bench.payload).toEqual(next)
    expect(bench.findings).toEqual([])
  })

  test('a datagram is forgotten after its time, and when as many others were whole since', () => {
    const aged = new Bench({ timeoutSeconds: 30 })
    whole(aged, 0, piece6)
    expect(aged.defragmenter.remembered).toBe(1)
    aged.seeIp(piece6(32, 64, { bytes: WRONG }), 31 * SECOND)
    expect(aged.findings).toEqual([])
    expect(aged.defragmenter.remembered).toBe(0)

    const crowded = new Bench({ datagramsMax: 4 })
    for (let id = 1; id <= 5; id++) {
      crowded.seeIp(piece(0, 48, { id }), id)
      expect(crowded.seeIp(piece(48, 96, { id }), id)).toBe('ike')
    }
    expect(crowded.defragmenter.remembered).toBe(4)
    crowded.seeIp(piece(0, 48, { id: 1, bytes: WRONG }), 9)
    expect(crowded.findings).toEqual([])
    crowded.seeIp(piece(0, 48, { id: 2, bytes: WRONG }), 9)
    expect(crowded.names).toEqual(['ip.fragment_overlap'])
  })
})

describe('hostile fragments', () => {
  test('a tiny first fragment is told, and used', () => {
    const bench = new Bench()
    bench.seeIp(piece(0, 8))
    expect(bench.names).toEqual(['ip.fragment_tiny'])
    expect(bench.seeIp(piece(8, 96))).toBe('ike')
  })

  test('a fragment that ends beyond 65,535 (the ping of death) is refused', () => {
    const bench = new Bench()
    expect(bench.seeIp(craft.ipv4(new Uint8Array(16), { fragmentOffset: 65_528 }))).toBe('fragment')
    expect(bench.names).toEqual(['ip.fragment_oversize'])
    expect(bench.defragmenter.size).toBe(0)
  })

  test('a datagram that fits without its header, but not with it, is refused', () => {
    const bench = new Bench({ piecesMax: 8192 })
    const fragments = craft.ipv4Fragments(new Uint8Array(65_530), 1480)
    expect(fragments.map((fragment) => bench.seeIp(fragment)).every((verdict) => verdict === 'fragment')).toBe(true)
    expect(bench.names).toEqual(['ip.fragment_oversize'])
  })

  test('a length that is not a multiple of 8 is refused before the end, and so is an empty fragment', () => {
    const bench = new Bench()
    bench.seeIp(piece(0, 33))
    bench.seeIp(piece(0, 0))
    bench.seeIp(piece(96, 96))
    expect(bench.names).toEqual(['ip.fragment_length', 'ip.fragment_length', 'ip.fragment_length'])
    expect(bench.defragmenter.size).toBe(0)
  })

  test('a fragment that the capture cut is left out without a finding', () => {
    const bench = new Bench()
    expect(bench.seeIp(piece(0, 48).subarray(0, 40))).toBe('fragment')
    expect(bench.findings).toEqual([])
    expect(bench.defragmenter.size).toBe(0)
  })

  test('a fragment within a datagram of fragments is refused', () => {
    const nested = craft.concat(craft.fromHex('11 00 0001 00000009'), PAYLOAD)
    const bench = new Bench()
    const verdicts = craft.ipv6Fragments(nested, 40, { protocol: 44 }).map((fragment) => bench.seeIp(fragment))
    expect(new Set(verdicts)).toEqual(new Set(['fragment']))
    expect(bench.names).toEqual(['ip.fragment_nested'])
  })

  test('a flaw in the headers of the whole is told', () => {
    const endless = craft.concat(...Array.from({ length: 12 }, () => craft.fromHex('3c00 010400000000')))
    const bench = new Bench()
    for (const fragment of craft.ipv6Fragments(endless, 48, { protocol: 60 })) bench.seeIp(fragment)
    expect(bench.names).toEqual(['ip.extension_chain'])
  })

  test('a flood ends with the oldest given up, and the bound holds', () => {
    const bench = new Bench({ datagramsMax: 4 })
    for (let id = 1; id <= 6; id++) {
      bench.seeIp(piece(0, 48, { id }), id)
      expect(bench.defragmenter.size).toBeLessThanOrEqual(4)
    }
    expect(bench.names).toEqual(['ip.fragment_flood', 'ip.fragment_flood'])
    expect(bench.seeIp(piece(48, 96, { id: 1 }), 9)).toBe('fragment')
    expect(bench.seeIp(piece(48, 96, { id: 6 }), 9)).toBe('ike')
  })

  test('a datagram of too many pieces is given up', () => {
    const bench = new Bench({ piecesMax: 4 })
    for (let i = 0; i < 6; i++) bench.seeIp(piece(i * 16, i * 16 + 8, { moreFragments: true }))
    expect(bench.names.filter((name) => name !== 'ip.fragment_tiny')).toEqual(['ip.fragment_flood'])
  })

  test('what stays incomplete is told with its hosts when its time is over, spoiled or not only once', () => {
    const bench = new Bench({ timeoutSeconds: 30 })
    bench.seeIp(piece(0, 48, { id: 1, source: '192.0.2.77' }), 0)
    bench.seeIp(piece(48, 96, { id: 2 }), 0)
    bench.seeIp(piece(48, 88, { id: 2, moreFragments: false }), 0)
    expect(bench.names).toEqual(['ip.fragment_overlap'])
    bench.seeIp(piece(0, 48, { id: 3 }), 29 * SECOND)
    expect(bench.defragmenter.size).toBe(3)
    bench.seeIp(piece(0, 48, { id: 4 }), 31 * SECOND)
    expect(bench.defragmenter.size).toBe(2)
    expect(bench.findings.slice(1)).toEqual([
      { name: 'ip.fragment_incomplete', detail: '192.0.2.77 to 198.51.100.1: fragments missing after 30 s' },
    ])
  })

  test('whatever the fragments, memory is bounded and nothing is thrown', () => {
    const fragment = fc.record({
      start: fc.integer({ min: 0, max: 8191 }),
      length: fc.integer({ min: 0, max: 64 }),
      more: fc.boolean(),
      id: fc.integer({ min: 0, max: 9 }),
      isIpv6: fc.boolean(),
      timeUs: fc.integer({ min: 0, max: 100 * SECOND }),
    })
    fc.assert(
      fc.property(fc.array(fragment, { maxLength: 60 }), (fragments) => {
        const bench = new Bench({ datagramsMax: 4, piecesMax: 4 })
        for (const { start, length, more, id, isIpv6, timeUs } of fragments) {
          const bytes = new Uint8Array(length)
          const offset = start * 8
          const packet = isIpv6
            ? craft.ipv6(bytes, { extensions: [craft.ipv6FragmentHeader({ offset, more, id })] })
            : craft.ipv4(bytes, { fragmentOffset: offset, moreFragments: more, id })
          bench.seeIp(packet, timeUs)
          expect(bench.defragmenter.size).toBeLessThanOrEqual(4)
          expect(bench.defragmenter.remembered).toBeLessThanOrEqual(4)
        }
      }),
    )
  })
})
