/**
 * The list of fuzzers. Each gets a seeded source of chance and a corpus of real packets, does one round, and throws when
 * something does not hold. A seed reproduces a failure.
 */
import { writeFileSync } from 'node:fs'
import { mergeByTime } from '../../src/capture/merge.ts'
import { CaptureError, openCapture } from '../../src/capture/sources.ts'
import { loadConfig } from '../../src/config.ts'
import { readRules } from '../../src/detect/rules.ts'
import { Describer } from '../../src/dissect/layers.ts'
import type { EventDocument } from '../../src/events/fields.ts'
import { Sensor } from '../../src/sensor.ts'
import { parseQuery } from '../../src/store/kql.ts'
import { QueryError } from '../../src/store/query-error.ts'
import { LINKTYPE } from '../../src/wire/link.ts'
import * as craft from '../support/craft.ts'
import type { Random } from '../support/random.ts'
import { Peers } from '../track/support.ts'
import { espFuzzer } from './esp.ts'

/** A packet as a capture holds it. */
export interface Seed {
  readonly bytes: Uint8Array
  readonly linkType: number
}

export interface Workshop {
  readonly corpus: readonly Seed[]
  /** A file that a fuzzer may overwrite. */
  readonly file: string
}

export type Fuzzer = (random: Random, workshop: Workshop) => Promise<void> | void

const PACKETS = 200

/** Whatever is sent, the sensor goes on: no exception, every packet counted, every event whole, tables within their bounds. */
const sensor: Fuzzer = (random, { corpus }) => {
  const { config } = loadConfig(undefined, {})
  Object.assign(config.track, { tunnelsMax: 8, sessionsMax: 16, flowsMax: 32, neighboursMax: 8, anomalySourcesMax: 8 })
  config.capture.fragmentsMax = 8
  config.secrets.l2tp.push('fuzz')
  config.secrets.ppp.push({ user: 'alice', password: 'secret' })
  Object.assign(config.track, { pptpConnectionsMax: 4, pptpCallsMax: 4, pppoeSessionsMax: 4, espAssociationsMax: 4 })
  // What is full at once, and what is believed at once.
  if (random.chance(0.3)) Object.assign(config.track, { sessionsMax: 1, tunnelsMax: 2, adoptAfterPackets: 2 })
  const subject = new Sensor(config, 'fuzz')
  let events = 0
  subject.bus.subscribe((event) => {
    checkEvent(event)
    events++
  })
  let timeUs = 1_700_000_000_000_000
  const start = random.below(corpus.length)
  for (let i = 0; i < PACKETS; i++) {
    // Runs of neighbouring packets, so that conversations come about, with strangers among them.
    const seed = random.chance(0.9) ? corpus[(start + i) % corpus.length] : random.pick(corpus)
    const bytes = random.chance(0.5) ? seed.bytes : mutated(seed.bytes, random)
    const { frame } = subject
    // Inside a larger buffer: a read outside the window would see other bytes, not the end of an array.
    const room = random.bytes(8)
    const buffer = new Uint8Array(bytes.length + 16)
    buffer.set(room)
    buffer.set(bytes, 8)
    timeUs += random.chance(0.01) ? random.below(1_000_000_000) : random.below(50_000)
    Object.assign(frame, {
      bytes: buffer,
      start: 8,
      end: 8 + bytes.length,
      timeUs,
      timeNs: 0,
      originalLength: bytes.length,
      linkType: seed.linkType,
      number: i + 1,
      offset: 0,
    })
    subject.observe()
  }
  subject.finish()
  require(subject.counts.packets === PACKETS, 'a packet was not counted')
  require(events > 0, 'not even the end of the capture was told')
  require(subject.trackers.tunnels.size === 0, 'a tunnel outlived the capture')
  require(subject.trackers.sessions.size === 0, 'a session outlived the capture')
  require(subject.trackers.pptpConnections.size === 0, 'a PPTP control connection outlived the capture')
  require(subject.trackers.pptpCalls.size === 0, 'a PPTP call outlived the capture')
  require(subject.trackers.pppoe.size === 0, 'a PPPoE session outlived the capture')
  require(subject.trackers.esp.size === 0, 'an association outlived the capture')
  require(subject.trackers.flows.size === 0, 'a flow outlived the capture')
}

const DESCRIBER = {
  l2tpPorts: [1701],
  secrets: [],
  linksMax: 16,
  fragments: { datagramsMax: 8, piecesMax: 16, timeoutSeconds: 30 },
}

/** Every packet gives a description, and reads nothing outside its window: other surroundings change nothing. */
const describer: Fuzzer = (random, { corpus }) => {
  const first = new Describer(DESCRIBER)
  const second = new Describer(DESCRIBER)
  for (let i = 0; i < 50; i++) {
    const seed = random.pick(corpus)
    const bytes = random.chance(0.2) ? seed.bytes : mutated(seed.bytes, random)
    const texts = [0xaa, 0x55].map((filler, which) => {
      const buffer = new Uint8Array(bytes.length + 64).fill(filler)
      buffer.set(bytes, 32)
      const packet = {
        bytes: buffer,
        start: 32,
        end: 32 + bytes.length,
        timeUs: 1e15 + i,
        timeNs: 0,
        originalLength: bytes.length,
        linkType: seed.linkType,
        number: i + 1,
        offset: 0,
      }
      return JSON.stringify((which === 0 ? first : second).describe({ ...packet, interfaceId: 0 }))
    })
    require(texts[0] === texts[1], 'the description depends on bytes outside the packet')
    require(texts[0].length > 2, 'no description')
  }
}

/** A damaged file is read up to its fault, which lies in the file. */
const captureFile: Fuzzer = async (random, { corpus, file }) => {
  const packets = Array.from({ length: 20 }, () => random.pick(corpus).bytes)
  const whole = pcap(packets)
  writeFileSync(file, random.chance(0.2) ? whole : mutated(whole, random))
  try {
    const source = mergeByTime([await openCapture(file)])
    const subject = new Sensor(loadConfig(undefined, {}).config, 'fuzz')
    try {
      await subject.run(source, () => {})
    } finally {
      await source.close()
    }
    for (const { fault } of source.faults) require(fault.offset >= 0, 'a fault before the file')
  } catch (error) {
    if (!(error instanceof CaptureError)) throw error
  }
}

const WORDS = [
  'user.name',
  'source.ip',
  ':',
  '(',
  ')',
  'and',
  'or',
  'not',
  '*',
  '"',
  '>=',
  '<',
  '10.0.0.0/8',
  'fe80::1',
  '{',
  '}',
  '\\',
  'now-1d',
  'alice',
  '5',
  '@timestamp',
  'l2tp.*',
  '\u0000',
]

/** A query is understood or refused, with a place inside it. */
const query: Fuzzer = (random) => {
  for (let i = 0; i < 50; i++) {
    const text = Array.from({ length: random.below(12) }, () => random.pick(WORDS)).join(random.chance(0.5) ? ' ' : '')
    try {
      parseQuery(text, 1e15)
    } catch (error) {
      if (!(error instanceof QueryError)) throw error
    }
  }
}

const RULE = `title: T
id: 6a1f2f0c-5c1c-4c8e-9f0b-0a1b2c3d4e5f
logsource:
  product: borescope
  service: l2tp
detection:
  selection:
    event.action|startswith: 'l2tp.'
    source.ip|cidr: 10.0.0.0/8
    l2tp.message.ns|gte: 5
    message|re: '^a.*b$'
  condition: selection
level: low
---
title: C
id: 7a1f2f0c-5c1c-4c8e-9f0b-0a1b2c3d4e5f
correlation:
  type: value_count
  rules: [6a1f2f0c-5c1c-4c8e-9f0b-0a1b2c3d4e5f]
  group-by: [source.ip]
  timespan: 10m
  condition: {gte: 5, field: destination.ip}
level: high
`

/** A rule is taken or refused with its line; nothing is thrown. */
const rule: Fuzzer = (random) => {
  const text = new TextDecoder().decode(mutated(new TextEncoder().encode(RULE), random))
  const { problems } = readRules([{ file: 'fuzz.yml', text }])
  for (const problem of problems) require(problem.line >= 1 && problem.message !== '', 'a problem without a place')
}

/** Fails always: whoever runs the fuzzers can see that a failure is seen. */
const canary: Fuzzer = () => {
  throw new Error('the canary fell over, as it must')
}

/** IPv4 packets that the corpus holds bare, sent through an L2TP session: what reads applications holds against them too. */
const application: Fuzzer = (random, { corpus }) => {
  const peers = new Peers({ track: { conversationsMax: 16, applicationEventsPerMinute: 100_000 } }).open().call()
  const start = random.below(corpus.length)
  for (let i = 0; i < PACKETS; i++) {
    const { bytes, linkType } = corpus[(start + i) % corpus.length]
    const isIpv4 = linkType === LINKTYPE.ETHERNET && bytes.length > 40 && bytes[12] === 8 && bytes[13] === 0
    if (!isIpv4 || random.chance(0.05)) continue
    const packet = random.chance(0.5)
      ? bytes.slice(14)
      : Uint8Array.of(...bytes.slice(14, 34), ...mutated(bytes.slice(34), random))
    // Which end speaks, by the lower address, so that both directions of a flow come from their ends.
    const isLow = Buffer.compare(packet.subarray(12, 16), packet.subarray(16, 20)) > 0
    peers.data(isLow ? 'client' : 'server', craft.ppp(craft.PPP.ipv4, packet))
  }
  for (const event of peers.finish()) checkEvent(event)
  require(peers.run.sensor.trackers.flows.size === 0, 'a flow outlived the capture')
}

export const FUZZERS = {
  sensor,
  describer,
  captureFile,
  query,
  rule,
  application,
  esp: espFuzzer,
} as const satisfies Record<string, Fuzzer>
export const CANARY = { canary } as const satisfies Record<string, Fuzzer>

function checkEvent(event: EventDocument): void {
  require(/^[0-9a-f]{20}$/.test(event['event.id']), `an event id ${event['event.id']}`)
  require(/^-?\+?\d{4,6}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{6}Z$/.test(event['@timestamp']), `a time ${event['@timestamp']}`)
  for (const [name, value] of Object.entries(event)) {
    if (typeof value === 'number')
      require(Number.isFinite(value) && value >= 0, `${name} is ${value} in ${event['event.action']}`)
    else
      require(value === undefined ||
        typeof value === 'string' ||
        typeof value === 'boolean' ||
        Array.isArray(value), `${name} is ${String(value)}`)
  }
}

/** Some changes to a copy: bits, bytes, lengths, cuts, repetitions. */
function mutated(bytes: Uint8Array, random: Random): Uint8Array {
  let copy = bytes.slice()
  for (let i = 1 + random.below(4); i > 0 && copy.length > 0; i--) {
    const at = random.below(copy.length)
    switch (random.below(7)) {
      case 0:
        copy[at] ^= 1 << random.below(8)
        break
      case 1:
        copy[at] = random.pick([0, 1, 0x7f, 0x80, 0xff])
        break
      case 2:
        copy = copy.slice(0, at)
        break
      case 3:
        copy.copyWithin(at, random.below(copy.length))
        break
      case 4:
        copy = Uint8Array.of(...copy.subarray(0, at), ...random.bytes(random.below(8)), ...copy.subarray(at))
        break
      case 5:
        copy.set(random.bytes(Math.min(4, copy.length - at)), at)
        break
      case 6:
        // Fields that name nothing, or everything: addresses, ports, numbers.
        copy.fill(random.pick([0, 0, 0xff]), at & ~1, (at & ~1) + 2 + 2 * random.below(6))
        break
    }
  }
  return copy
}

function pcap(packets: readonly Uint8Array[]): Uint8Array {
  const size = packets.reduce((sum, packet) => sum + 16 + packet.length, 24)
  const file = new Uint8Array(size)
  const view = new DataView(file.buffer)
  view.setUint32(0, 0xa1b2c3d4, true)
  view.setUint16(4, 2, true)
  view.setUint16(6, 4, true)
  view.setUint32(16, 262_144, true)
  view.setUint32(20, 1, true)
  let at = 24
  for (const [index, packet] of packets.entries()) {
    view.setUint32(at, 1_700_000_000 + index, true)
    view.setUint32(at + 8, packet.length, true)
    view.setUint32(at + 12, packet.length, true)
    file.set(packet, at + 16)
    at += 16 + packet.length
  }
  return file
}

function require(holds: boolean, what: string): void {
  if (!holds) throw new Error(what)
}
