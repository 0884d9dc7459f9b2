import { expect, test } from 'vitest'
import { loadConfig } from '../src/config.ts'
import type { Upcoming } from '../src/base/upcoming.ts'
import { emptyPacket } from '../src/capture/packet.ts'
import { Lookahead } from '../src/lookahead.ts'
import { Sensor } from '../src/sensor.ts'
import { LINKTYPE } from '../src/wire/link.ts'
import { allocatedBy, Tape } from './support/allocation.ts'
import * as craft from './support/craft.ts'
import { V3_MESSAGE, v3Data, v3Message } from './support/craft-l2tpv3.ts'

const TUNNELS = 20
const SESSIONS = 10
const DISTINCT = 50_000
const MEASURED = 1_000_000
const PORTIONS = 20
/** In a portion: enough that what a portion takes by itself does not count. */
const AHEAD_MEASURED = 200_000
const START_US = 1_700_000_000_000_000
const LNS = '198.51.100.1'

function lacOf(tunnel: number): string {
  return `192.0.2.${tunnel + 1}`
}

function up(tunnel: number, payload: Uint8Array, id: number): Uint8Array {
  return craft.datagram(payload, { source: lacOf(tunnel), target: LNS, ip: { id } })
}

function down(tunnel: number, payload: Uint8Array, id: number): Uint8Array {
  return craft.datagram(payload, { source: LNS, target: lacOf(tunnel), ip: { id } })
}

/** The control messages that open every tunnel and session. */
function setUps(): Uint8Array[] {
  const frames: Uint8Array[] = []
  for (let t = 0; t < TUNNELS; t++) {
    const [lacId, lnsId] = [100 + t, 500 + t]
    frames.push(up(t, craft.sccrq({ assignedTunnelId: lacId }), 1))
    frames.push(down(t, craft.sccrp({ tunnelId: lacId, assignedTunnelId: lnsId, ns: 0, nr: 1 }), 1))
    frames.push(up(t, craft.scccn({ tunnelId: lnsId, ns: 1, nr: 1 }), 2))
    for (let s = 0; s < SESSIONS; s++) {
      const [lacSession, lnsSession] = [1000 + s, 2000 + s]
      frames.push(
        up(t, craft.icrq({ tunnelId: lnsId, assignedSessionId: lacSession, ns: 2 + s * 2, nr: 1 + s }), 3 + s * 2),
      )
      frames.push(
        down(
          t,
          craft.icrp({
            tunnelId: lacId,
            sessionId: lacSession,
            assignedSessionId: lnsSession,
            ns: 1 + s,
            nr: 3 + s * 2,
          }),
          2 + s,
        ),
      )
      frames.push(up(t, craft.iccn({ tunnelId: lnsId, sessionId: lnsSession, ns: 3 + s * 2, nr: 2 + s }), 4 + s * 2))
    }
  }
  return frames
}

/** A packet of one of some thousand inner flows: TCP and UDP over IPv4 and IPv6, with and without Length and Ns. */
function data(i: number): Uint8Array {
  const tunnel = i % TUNNELS
  const session = Math.floor(i / TUNNELS) % SESSIONS
  const flow = Math.floor(i / (TUNNELS * SESSIONS)) % 12
  const isUp = i % 3 !== 0
  const client = 49_152 + flow
  const ports = isUp ? { sourcePort: client, targetPort: 443 } : { sourcePort: 443, targetPort: client }
  const body = craft.fromHex('0102030405060708')
  const v4 = isUp
    ? { source: `10.0.${tunnel}.${session}`, target: '203.0.113.9' }
    : { source: '203.0.113.9', target: `10.0.${tunnel}.${session}` }
  const v6 = isUp
    ? { source: `fd00::${tunnel}:${session}`, target: '2001:db8::9' }
    : { source: '2001:db8::9', target: `fd00::${tunnel}:${session}` }
  const inner =
    flow % 3 === 0
      ? craft.concat(
          craft.fromHex('ff03 0021'),
          craft.ipv4(craft.tcp(body, { ...v4, ...ports }), { ...v4, protocol: 6 }),
        )
      : flow % 3 === 1
        ? craft.concat(craft.fromHex('21'), craft.ipv4(craft.udp(body, { ...v4, ...ports }), v4))
        : craft.concat(craft.fromHex('0057'), craft.ipv6(craft.udp(body, { ...v6, ...ports }), v6))
  const ids = isUp
    ? { tunnelId: 500 + tunnel, sessionId: 2000 + session }
    : { tunnelId: 100 + tunnel, sessionId: 1000 + session }
  const message = craft.l2tpData(inner, { ...ids, length: flow % 2 === 0 })
  return isUp ? up(tunnel, message, 0) : down(tunnel, message, 0)
}

class Load {
  readonly sensor: Sensor
  readonly #tape = new Tape()
  readonly edges: Int32Array
  #packets = 0

  constructor() {
    this.sensor = new Sensor(loadConfig(undefined, {}).config, 'test')
    for (let i = 0; i < DISTINCT; i++) this.#tape.add(data(i))
    this.edges = this.#tape.edges
    for (const frame of setUps()) this.#put(frame, 0, frame.length)
  }

  get bytes(): Uint8Array {
    return this.#tape.bytes
  }

  /**
   * `count` data packets, each 1 µs after the one before and with an identification of its own: a second, at which time passes and
   * timers are looked at, comes once in a million packets.
   */
  run(count: number): void {
    const { bytes } = this.#tape
    const { edges } = this
    for (let i = 0; i < count; i++) {
      const at = i % DISTINCT
      const start = edges[at]
      bytes[start + 18] = this.#packets >> 8
      bytes[start + 19] = this.#packets
      this.#put(bytes, start, edges[at + 1])
    }
  }

  #put(bytes: Uint8Array, start: number, end: number): void {
    const { frame } = this.sensor
    frame.bytes = bytes
    frame.start = start
    frame.end = end
    frame.originalLength = end - start
    frame.linkType = LINKTYPE.ETHERNET
    frame.number = ++this.#packets
    frame.offset = start
    frame.timeUs = START_US + this.#packets
    this.sensor.observe()
  }
}

/** The compiler works beside us and allocates now and then; what a packet costs is there in every portion. */
function median(values: readonly number[]): number {
  return values.toSorted((a, b) => a - b)[values.length >> 1]
}

test.each([
  ['the packet path allocates nothing', null],
  ['nor does it where every packet is dissected layer by layer', { record() {} }],
])('%s', (_, recorder) => {
  const load = new Load()
  load.sensor.recorder = recorder
  load.run(200_000)
  const { counts } = load.sensor
  const seen = counts.l2tp
  // In portions too small to fill the young generation: a collection within one would hide what was allocated.
  const portions = Array.from({ length: PORTIONS }, () => allocatedBy(() => load.run(MEASURED / PORTIONS)))
  const nothing = Array.from({ length: PORTIONS }, () => allocatedBy(() => load.run(0)))
  expect(counts.l2tp - seen).toBe(MEASURED)
  expect(counts.duplicates + counts.flawed + counts.foreign).toBe(0)
  expect(load.sensor.trackers.sessions.size).toBe(TUNNELS * SESSIONS)
  expect(load.sensor.trackers.flows.size).toBe(TUNNELS * SESSIONS * 12)
  expect((median(portions) - median(nothing)) / (MEASURED / PORTIONS)).toBeLessThan(0.5)
})

test('nor does a look ahead at what comes', () => {
  const load = new Load()
  load.run(DISTINCT)
  const ahead = new Lookahead(load.sensor.trackers, 0)
  const { bytes, edges } = load
  const source = {
    at: 0,
    next(): boolean {
      this.at = (this.at + 1) % DISTINCT
      return true
    },
    preview(upcoming: Upcoming): void {
      upcoming.over(bytes, LINKTYPE.ETHERNET)
      for (let i = this.at; i < DISTINCT && !upcoming.isFull; i++) upcoming.add(edges[i], edges[i + 1])
    },
  }
  const packet = emptyPacket()
  const run = (count: number) => {
    for (let i = 0; i < count; i++) ahead.next(source, packet)
  }
  run(AHEAD_MEASURED)
  const portions = Array.from({ length: PORTIONS }, () => allocatedBy(() => run(AHEAD_MEASURED)))
  const nothing = Array.from({ length: PORTIONS }, () => allocatedBy(() => run(0)))
  expect((median(portions) - median(nothing)) / AHEAD_MEASURED).toBeLessThan(0.5)
})

const PE = '192.0.2.99'
const V3_SESSIONS = 64
/** In a portion: enough that what the loop itself costs before it is compiled, some 10 KB, does not count. */
const V3_MEASURED = 100_000

/** One control connection, whose sessions each want a cookie and the default sublayer before their Ethernet frames. */
function v3SetUps(): Uint8Array[] {
  const messages: [isUp: boolean, Uint8Array][] = [
    [true, v3Message(V3_MESSAGE.sccrq, [craft.avp(61, craft.be32(1))])],
    [false, v3Message(V3_MESSAGE.sccrp, [craft.avp(61, craft.be32(2))], { controlConnectionId: 1, nr: 1 })],
    [true, v3Message(V3_MESSAGE.scccn, [], { controlConnectionId: 2, ns: 1, nr: 1 })],
  ]
  for (let s = 0; s < V3_SESSIONS; s++) {
    const ids = (mine: number, yours: number) => [craft.avp(63, craft.be32(mine)), craft.avp(64, craft.be32(yours))]
    const wanted = [craft.avp(65, craft.be32(s)), craft.avp(69, craft.be16(1))]
    const ask = [...ids(1000 + s, 0), craft.avp(68, craft.be16(5)), ...wanted]
    const up = { controlConnectionId: 2, ns: 2 + s * 2, nr: 1 + s }
    messages.push(
      [true, v3Message(V3_MESSAGE.icrq, ask, up)],
      [
        false,
        v3Message(V3_MESSAGE.icrp, [...ids(2000 + s, 1000 + s), ...wanted], {
          controlConnectionId: 1,
          ns: 1 + s,
          nr: 3 + s * 2,
        }),
      ],
      [true, v3Message(V3_MESSAGE.iccn, ids(1000 + s, 2000 + s), { ...up, ns: 3 + s * 2, nr: 2 + s })],
    )
  }
  return messages.map(([isUp, message], id) => v3Frame(message, isUp, id))
}

function v3Frame(message: Uint8Array, isUp: boolean, id: number): Uint8Array {
  return craft.datagram(message, { source: isUp ? PE : LNS, target: isUp ? LNS : PE, ip: { id } })
}

test('nor does it for the data of L2TPv3', () => {
  const sensor = new Sensor(loadConfig(undefined, {}).config, 'test')
  let packets = 0
  const put = (bytes: Uint8Array, start: number, end: number): void => {
    packets++
    sensor.frame.bytes = bytes
    sensor.frame.start = start
    sensor.frame.end = end
    sensor.frame.originalLength = end - start
    sensor.frame.linkType = LINKTYPE.ETHERNET
    sensor.frame.number = packets
    sensor.frame.timeUs = START_US + packets * 10
    sensor.observe()
  }
  for (const frame of v3SetUps()) put(frame, 0, frame.length)
  const tape = new Tape()
  for (let i = 0; i < V3_SESSIONS * 8; i++) {
    const inner = craft.ipv4(
      craft.udp(craft.fromHex('0102'), { sourcePort: 4000 + Math.floor(i / V3_SESSIONS), targetPort: 53 }),
    )
    const fields = { sessionId: 2000 + (i % V3_SESSIONS), cookie: craft.be32(i % V3_SESSIONS), sublayer: 1 }
    tape.add(v3Frame(v3Data(craft.ethernet(inner), fields), true, i))
  }
  const { bytes, edges } = tape
  const run = (count: number): void => {
    for (let i = 0; i < count; i++) {
      const at = i % (V3_SESSIONS * 8)
      const start = edges[at]
      bytes[start + 18] = packets >> 8
      bytes[start + 19] = packets
      put(bytes, start, edges[at + 1])
    }
  }
  run(200_000)
  const portions = Array.from({ length: PORTIONS }, () => allocatedBy(() => run(V3_MEASURED)))
  const nothing = Array.from({ length: PORTIONS }, () => allocatedBy(() => run(0)))
  expect(sensor.counts.l2tp).toBe(packets)
  expect(sensor.trackers.flows.size).toBe(V3_SESSIONS * 8)
  expect((median(portions) - median(nothing)) / V3_MEASURED).toBeLessThan(0.5)
})
