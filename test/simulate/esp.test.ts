/** Gateways that protect what they send, on bad networks, against the truth that they know. */
import { describe, expect, test } from 'vitest'
import type { EspKeyEntry } from '../../src/dissect/esp-keyring.ts'
import type { EventDocument } from '../../src/events/fields.ts'
import { type EspKeyMaterial, EspKeys } from '../../src/wire/esp-algorithms.ts'
import { datagram, ethernet, icmp, ipv4, udp } from '../support/craft.ts'
import { material, seal } from '../support/esp.ts'
import { Network, type Packet } from '../support/network.ts'
import { Random } from '../support/random.ts'
import { DEFAULTS, type SimulationOptions } from '../support/scenario.ts'
import { countsOf, eventsOf, named } from '../support/sensor.ts'

const GATEWAY = '192.0.2.1'

interface Options extends SimulationOptions {
  /** The clients are behind one address, in UDP. */
  readonly isNatted?: boolean
  readonly keys?: EspKeyMaterial
  readonly rekeys?: number
  readonly packetsPerSpi?: number
}

/** One SPI: what its sender sent, and what came by the tap, in its order. */
interface Stream {
  readonly spi: number
  readonly client: number
  readonly sent: number[]
  readonly seen: number[]
}

interface Run {
  readonly packets: readonly Packet[]
  readonly streams: readonly Stream[]
  readonly events: readonly EventDocument[]
}

function run(options: Options): Run {
  const { isNatted = false, keys = material('AES-GCM'), rekeys = 2, packetsPerSpi = 60 } = options
  const settings = { ...DEFAULTS, clients: 8, ...options }
  const random = new Random(settings.seed)
  const network = new Network(settings, random)
  const streams: Stream[] = []
  for (let client = 0; client < settings.clients; client++) {
    const startUs = random.below(settings.spreadUs)
    for (let generation = 0; generation <= rekeys; generation++) {
      for (const isUp of [true, false]) {
        const stream = { spi: 0xc000_0000 + random.below(0x1000_0000), client, sent: [], seen: [] }
        streams.push(stream)
        for (let i = 1; i <= packetsPerSpi; i++) {
          const atUs = startUs + (generation * packetsPerSpi + i) * 200_000 + random.below(100_000)
          network.after(atUs, () => send(network, stream, i, isUp, isNatted, keys))
        }
      }
    }
  }
  network.run()
  const espKeys: EspKeyEntry[] = [{ source: null, destination: null, spi: 0, spiMask: 0, keys: new EspKeys(keys) }]
  const isKeyed = options.keys !== undefined
  const events = eventsOf(network.packets, {
    capture: { duplicateWindowMs: 0 },
    ...(isKeyed ? { espKeys } : {}),
  })
  for (const { bytes } of network.packets) note(bytes, isNatted, streams)
  return { packets: network.packets, streams, events }
}

function send(
  network: Network,
  stream: Stream,
  sequence: number,
  isUp: boolean,
  isNatted: boolean,
  keys: EspKeyMaterial,
): void {
  const client = isNatted ? '203.0.113.254' : `198.18.0.${stream.client + 1}`
  const [source, target] = isUp ? [client, GATEWAY] : [GATEWAY, client]
  const content = udp(new Uint8Array(20), { source, target, sourcePort: 7, targetPort: 9 })
  const packet = seal(content, keys, { spi: stream.spi, sequence })
  stream.sent.push(sequence)
  const ports = isUp
    ? { sourcePort: 20_000 + stream.client, targetPort: 4500 }
    : { sourcePort: 4500, targetPort: 20_000 + stream.client }
  const frame = isNatted
    ? datagram(packet, { source, target, ...ports })
    : ethernet(ipv4(packet, { source, target, protocol: 50 }))
  network.send(frame, [], () => {})
}

/** By a reader of its own. */
function note(bytes: Uint8Array, isNatted: boolean, streams: readonly Stream[]): void {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength)
  const at = isNatted ? 42 : 34
  streams.find(({ spi }) => spi === view.getUint32(at))?.seen.push(view.getUint32(at + 4))
}

const SEEDS = [1, 2, 3, 4]
const NETWORKS: Record<string, Options> = {
  'a perfect network': {},
  'a network that loses packets': { loss: 0.2 },
  'a network that reorders packets': { reorder: 0.4 },
  'a network that doubles packets': { duplicate: 0.3 },
  'a bad network': { loss: 0.1, duplicate: 0.05, reorder: 0.15 },
  'clients behind one NAT address': { loss: 0.1, reorder: 0.15, isNatted: true },
  'a tap that misses packets': { tapLoss: 0.1 },
  'a gateway with keys at the sensor': {
    loss: 0.1,
    reorder: 0.15,
    duplicate: 0.05,
    keys: material('AES-CBC', 'HMAC-SHA1-96'),
  },
  'a gateway that encrypts nothing': { loss: 0.1, reorder: 0.15, keys: material('NULL', 'HMAC-SHA2-256-128') },
}

describe.each(Object.entries(NETWORKS))('%s', (_, options) => {
  test.each(SEEDS)('every pair opens, is rekeyed and closes once, every packet is counted (seed %i)', (seed) => {
    const { events, streams } = run({ ...options, seed })
    const counts = countsOf(events)
    expect(counts['esp.tunnel.opened']).toBe(8)
    expect(counts['esp.tunnel.closed']).toBe(8)
    expect(named(events, 'esp.tunnel.closed').every((event) => event['esp.rekeys'] === 2)).toBe(true)
    expect(counts['esp.association.seen']).toBe(streams.length)
    for (const { spi, seen } of streams) {
      const [closed, ...more] = named(events, 'esp.association.closed').filter(
        (event) => event['esp.spi'] === `0x${spi.toString(16)}`,
      )
      expect(more).toEqual([])
      const distinct = new Set(seen)
      const above = [...distinct].filter((number) => number >= seen[0])
      expect({
        packets: closed['source.packets'],
        highest: closed['esp.sequence.highest'],
        lost: closed['esp.packets.lost'],
        repeated: closed['esp.packets.repeated'],
        forged: closed['esp.packets.forged'],
        outside: closed['esp.packets.outside_window'],
      }).toEqual({
        packets: seen.length,
        highest: Math.max(...seen),
        lost: Math.max(...seen) - seen[0] + 1 - above.length,
        repeated: seen.length - distinct.size,
        forged: 0,
        outside: 0,
      })
    }
    for (const name of [
      'esp.sequence.forged',
      'esp.spi.scanned',
      'esp.spi.collided',
      'esp.tunnel.moved',
      'protocol.anomaly',
    ])
      expect(counts[name], name).toBeUndefined()
    expect(new Set(events.map((event) => event['event.id'])).size).toBe(events.length)
  })
})

test.each(SEEDS)(
  'packets that are replayed seconds later are told, and bring nothing inside again (seed %i)',
  (seed) => {
    const keys = material('NULL', 'HMAC-SHA1-96')
    const { events, streams } = run({ seed, replay: 0.1, keys })
    const replayed = streams.reduce((sum, { seen }) => sum + seen.length - new Set(seen).size, 0)
    const told = named(events, 'esp.association.closed').reduce(
      (sum, event) => sum + (event['esp.packets.repeated'] ?? 0) + (event['esp.packets.outside_window'] ?? 0),
      0,
    )
    expect(replayed).toBeGreaterThan(50)
    expect(told).toBe(replayed)
    const inside = named(events, 'flow.closed').reduce((sum, event) => sum + (event['source.packets'] ?? 0), 0)
    expect(inside).toBe(streams.reduce((sum, { seen }) => sum + new Set(seen).size, 0))
    expect(countsOf(events)['esp.tunnel.opened']).toBe(8)
  },
)

test('with keys every packet that a peer sent is opened, whatever the network did to its order', () => {
  const keys = material('AES-GCM')
  const { events, streams } = run({ seed: 9, loss: 0.1, duplicate: 0.1, reorder: 0.3, keys })
  const opened = named(events, 'esp.association.closed').reduce(
    (sum, event) => sum + (event['esp.packets.opened'] ?? 0),
    0,
  )
  expect(opened).toBe(streams.reduce((sum, { seen }) => sum + seen.length, 0))
  expect(named(events, 'esp.association.read')).toHaveLength(streams.length)
})

test('forgeries among genuine packets change nothing but their counts', () => {
  const { packets, streams } = run({ seed: 5, rekeys: 0 })
  const random = new Random(77)
  const forged = packets.flatMap((packet, index) => {
    if (index % 5 !== 0) return [packet]
    const bytes = packet.bytes.slice()
    const view = new DataView(bytes.buffer)
    // The SPI of a stream that runs, and a number that has nothing to do with it.
    view.setUint32(38, 0x4000_0000 + random.below(0x1000_0000))
    return [packet, { timeUs: packet.timeUs + 10, bytes }]
  })
  const events = eventsOf(forged, { capture: { duplicateWindowMs: 0 } })
  const closed = named(events, 'esp.association.closed')
  expect(closed).toHaveLength(streams.length)
  for (const event of closed) {
    const stream = streams.find(({ spi }) => event['esp.spi'] === `0x${spi.toString(16)}`)
    expect(event['esp.sequence.highest']).toBe(Math.max(...(stream?.seen ?? [])))
    expect(event['esp.packets.lost']).toBe(0)
    expect(event['esp.packets.forged']).toBeGreaterThan(2)
  }
})

test('the same seed gives the same events, byte for byte', () => {
  const options = { seed: 11, loss: 0.1, reorder: 0.2, replay: 0.05 }
  expect(JSON.stringify(run(options).events)).toBe(JSON.stringify(run(options).events))
})

test('a capture that is cut anywhere is told to its end, and every thing that it tells of ends once', () => {
  const { packets } = run({ seed: 6, clients: 3, loss: 0.1, reorder: 0.2 })
  const step = Math.ceil(packets.length / 40)
  for (let cut = 0; cut < packets.length; cut += step) {
    for (const part of [packets.slice(cut), packets.slice(0, cut)]) {
      const counts = countsOf(eventsOf(part, { capture: { duplicateWindowMs: 0 } }))
      expect(counts['esp.association.closed']).toBe(counts['esp.association.seen'])
      expect(counts['esp.tunnel.closed']).toBe(counts['esp.tunnel.opened'])
    }
  }
})

test('a small table is full, says so once, and goes on', () => {
  const { packets } = run({ seed: 2, clients: 40, rekeys: 0, packetsPerSpi: 10, spreadUs: 1000 })
  const events = eventsOf(packets, { capture: { duplicateWindowMs: 0 }, track: { espAssociationsMax: 20 } })
  expect(named(events, 'sensor.table.filled')).toHaveLength(1)
  const counts = countsOf(events)
  expect(counts['esp.association.seen']).toBe(20)
  expect(counts['esp.association.closed']).toBe(20)
})

test('pings inside are flows of their pair, even with one inner address everywhere', () => {
  const keys = material('NULL', 'HMAC-SHA1-96')
  const content = ipv4(icmp(new Uint8Array(8)), { source: '192.168.1.10', target: '192.168.1.1', protocol: 1 })
  const packets: Packet[] = []
  for (let client = 1; client <= 5; client++) {
    for (let sequence = 1; sequence <= 4; sequence++) {
      const packet = seal(content, keys, { spi: 0x1000 + client, sequence, nextHeader: 4 })
      const bytes = ethernet(ipv4(packet, { source: `198.18.0.${client}`, target: GATEWAY, protocol: 50 }))
      packets.push({ timeUs: DEFAULTS.startUs + packets.length * 1000, bytes })
    }
  }
  const flows = named(eventsOf(packets), 'flow.closed')
  expect(flows.map((event) => [event['outer.source.ip'], event['source.packets']]).sort()).toEqual(
    [1, 2, 3, 4, 5].map((client) => [`198.18.0.${client}`, 4]),
  )
})
