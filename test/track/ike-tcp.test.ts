import { describe, expect, test } from 'vitest'
import { Defragmenter } from '../../src/dissect/defragment.ts'
import { Dissector } from '../../src/dissect/dissector.ts'
import { Frame } from '../../src/dissect/frame.ts'
import type { RaisedEvent } from '../../src/events/catalogue.ts'
import { Anomalies } from '../../src/track/anomalies.ts'
import { IkeStreams } from '../../src/track/ike-tcp.ts'
import { IkeTracker } from '../../src/track/ike-tracker.ts'
import { LINKTYPE } from '../../src/wire/link.ts'
import { be16, be32, concat, ethernet, ipv4, tcp, TCP_FLAG, utf8 } from '../support/craft.ts'
import { COOKIE_R, message, protectedMessage, sa2 } from '../support/ike.ts'
import { TestSensor } from '../support/sensor.ts'

const CLIENT = '192.0.2.11'
const SERVER = '198.51.100.1'
const SECOND = 1e6
const PREFIX = utf8('IKETCP')
const INIT: [number, Uint8Array][] = [
  [
    33,
    sa2([
      [1, 20, 256],
      [2, 6],
      [4, 31],
    ]),
  ],
  [34, concat(be16(31), be16(0), new Uint8Array(32).fill(3))],
  [40, new Uint8Array(32).fill(4)],
]
const PAIR = { version: 0x20, responder: COOKIE_R }

function ike(bytes: Uint8Array): Uint8Array {
  return concat(be16(bytes.length + 6), be32(0), bytes)
}

function esp(sequence: number): Uint8Array {
  return concat(be16(26), be32(0xc0ffee01), be32(sequence), new Uint8Array(16))
}

class Tap {
  readonly events: RaisedEvent[] = []
  readonly esp: string[] = []
  readonly streams: IkeStreams
  readonly tracker: IkeTracker
  readonly #frame = new Frame()
  readonly #dissector = new Dissector(
    new Defragmenter({ datagramsMax: 4, piecesMax: 4, timeoutSeconds: 1 }, () => undefined),
  )
  nowUs = 1_760_000_000_000_000

  constructor(ikeStreamsMax = 8) {
    const emit = (event: RaisedEvent) => this.events.push(event)
    const anomalies = new Anomalies(emit, { reportsPerMinute: 100, sourcesMax: 100 })
    this.tracker = new IkeTracker(emit, anomalies, {
      ikeExchangesMax: 16,
      ikePosturesMax: 16,
      setupTimeoutUs: 30 * SECOND,
      ikeIdleUs: 3600 * SECOND,
      requestsPerMinute: 100,
    })
    this.streams = new IkeStreams(this.tracker, emit, anomalies, { ikeStreamsMax })
    this.streams.attach((frame, bytes, start) => {
      this.esp.push(`${frame.sourcePort} ${bytes[start + 7]}`)
      // Whoever opens it reads the packet inside with the same views.
      const inner = ipv4(new Uint8Array(8), { source: '10.0.0.1', target: '10.0.0.2' })
      this.#dissector.inside(frame, inner, 0, inner.length)
    })
    this.wait(0)
  }

  wait(seconds: number): void {
    this.nowUs += seconds * SECOND
    for (const _ of this.streams.expire(this.nowUs));
    for (const _ of this.tracker.expire(this.nowUs));
  }

  send(
    payload: Uint8Array,
    sequence: number,
    { isUp = true, port = 4500, client = 40_000, flags = TCP_FLAG.ack as number } = {},
  ): boolean {
    const [source, target] = isUp ? [CLIENT, SERVER] : [SERVER, CLIENT]
    const [sourcePort, targetPort] = isUp ? [client, port] : [port, client]
    const segment = tcp(payload, { source, target, sourcePort, targetPort, sequence, flags })
    const bytes = ipv4(segment, { source, target, protocol: 6 })
    Object.assign(this.#frame, {
      bytes,
      start: 0,
      end: bytes.length,
      timeUs: this.nowUs,
      linkType: LINKTYPE.RAW,
      originalLength: bytes.length,
    })
    return this.#dissector.dissect(this.#frame) === 'ike_tcp' && this.streams.observe(this.#frame)
  }

  get names(): string[] {
    return this.events.map(({ name }) => name)
  }
}

describe('a connection', () => {
  test('carries an SA from its beginning, and ESP beside it', () => {
    const tap = new Tap()
    const request = ike(message({ version: 0x20, exchange: 34, flags: 8 }, INIT))
    const response = ike(message({ ...PAIR, exchange: 34, flags: 0x20 }, INIT))
    const auth = ike(protectedMessage({ ...PAIR, exchange: 35, flags: 8, messageId: 1 }, 200))
    const accepted = ike(protectedMessage({ ...PAIR, exchange: 35, flags: 0x20, messageId: 1 }, 200))
    expect(tap.send(concat(PREFIX, request), 1)).toBe(true)
    expect(tap.send(response, 1, { isUp: false })).toBe(true)
    const rest = concat(auth, esp(1), esp(2))
    // In two segments, the second of which comes first.
    const at = 1 + PREFIX.length + request.length
    expect(tap.send(rest.subarray(100), at + 100)).toBe(true)
    expect(tap.send(rest.subarray(0, 100), at)).toBe(true)
    tap.send(concat(esp(1), accepted, esp(2)), 1 + response.length, { isUp: false })
    tap.wait(10)
    expect(tap.names.slice(0, 2)).toEqual(['ike.exchange.started', 'ike.exchange.established'])
    expect(tap.events[0].fields).toMatchObject({
      'source.ip': CLIENT,
      'source.port': 40_000,
      'destination.port': 4500,
      'network.transport': 'tcp',
    })
    expect(tap.events[1].fields).toMatchObject({ 'source.ip': CLIENT, 'ike.nat.floated': undefined })
    expect(tap.esp).toEqual(['40000 1', '40000 2', '4500 1', '4500 2'])
  })

  test('of another protocol on the port is none', () => {
    const tap = new Tap()
    expect(tap.send(utf8('SSH-2.0-OpenSSH_9.6\r\n'), 1)).toBe(false)
    expect(tap.send(new Uint8Array(0), 1, { flags: TCP_FLAG.syn })).toBe(false)
    expect(tap.streams.size).toBe(0)
  })

  test('ends with FIN, with RST, or when it is silent', () => {
    const tap = new Tap()
    for (const client of [1, 2, 3]) tap.send(concat(PREFIX, esp(1)), 1, { client })
    expect(tap.streams.size).toBe(3)
    tap.send(new Uint8Array(0), 33, { client: 1, flags: TCP_FLAG.fin | TCP_FLAG.ack })
    tap.send(new Uint8Array(0), 33, { client: 2, flags: TCP_FLAG.rst })
    expect(tap.streams.size).toBe(1)
    tap.wait(700)
    tap.wait(1)
    expect(tap.streams.size).toBe(0)
  })

  test('that goes on with the same ports begins anew', () => {
    const tap = new Tap()
    tap.send(concat(PREFIX, esp(1)), 1)
    tap.send(new Uint8Array(0), 5000, { flags: TCP_FLAG.syn })
    tap.send(concat(PREFIX, esp(2)), 5001)
    expect(tap.esp).toEqual(['40000 1', '40000 2'])
  })

  test('with a length that cannot be is an anomaly of its sender', () => {
    const tap = new Tap()
    tap.send(concat(PREFIX, esp(1)), 1)
    tap.send(concat(be16(1), new Uint8Array(20)), 33)
    expect(tap.events).toMatchObject([
      { name: 'protocol.anomaly', fields: { 'anomaly.name': 'iketcp.length', 'network.transport': 'tcp' } },
    ])
  })
})

test('the table stays as large as it may be, and says so once', () => {
  const tap = new Tap(2)
  for (let client = 1; client < 20; client++) tap.send(concat(PREFIX, esp(1)), 1, { client })
  expect(tap.streams.size).toBe(2)
  expect(tap.names).toEqual(['sensor.table.filled'])
})

describe('through the whole sensor', () => {
  test('ESP of both directions is a pair, joined to the IKE SA of its connection', () => {
    const sensor = new TestSensor()
    let timeUs = 1_760_000_000_000_000
    const next = { up: 1, down: 1 }
    const send = (isUp: boolean, payload: Uint8Array) => {
      const [source, target] = isUp ? [CLIENT, SERVER] : [SERVER, CLIENT]
      const [sourcePort, targetPort] = isUp ? [40_000, 4500] : [4500, 40_000]
      const sequence = isUp ? next.up : next.down
      if (isUp) next.up += payload.length
      else next.down += payload.length
      timeUs += 20_000
      const segment = tcp(payload, { source, target, sourcePort, targetPort, sequence, flags: TCP_FLAG.ack })
      sensor.see(ethernet(ipv4(segment, { source, target, protocol: 6 })), timeUs)
    }
    const espOf = (spi: number, sequence: number) =>
      concat(be16(106), be32(spi), be32(sequence), new Uint8Array(96).fill(sequence * 7))
    send(true, concat(PREFIX, ike(message({ version: 0x20, exchange: 34, flags: 8 }, INIT))))
    send(false, ike(message({ ...PAIR, exchange: 34, flags: 0x20 }, INIT)))
    send(true, ike(protectedMessage({ ...PAIR, exchange: 35, flags: 8, messageId: 1 }, 250)))
    send(false, ike(protectedMessage({ ...PAIR, exchange: 35, flags: 0x20, messageId: 1 }, 220)))
    for (let sequence = 1; sequence <= 20; sequence++) {
      // Two packets in one segment upwards.
      send(true, concat(espOf(0xc0ffee01, sequence * 2 - 1), espOf(0xc0ffee01, sequence * 2)))
      send(false, espOf(0xc0ffee02, sequence))
    }
    sensor.sensor.finish()
    const [established] = sensor.events.filter((event) => event['event.action'] === 'ike.exchange.established')
    const [opened] = sensor.events.filter((event) => event['event.action'] === 'esp.tunnel.opened')
    expect(opened).toMatchObject({
      'ike.uid': established['ike.uid'],
      'esp.encapsulation': 'tcp',
      'network.transport': 'tcp',
    })
    const [closed] = sensor.events.filter((event) => event['event.action'] === 'esp.tunnel.closed')
    expect([closed['source.packets'], closed['destination.packets']].toSorted()).toEqual([20, 40])
    const told = sensor.events.filter((event) => event['event.action'] === 'protocol.recognised')
    expect(told.map((event) => event['network.protocol'])).toEqual(['ipsec-tcp'])
  })
})
