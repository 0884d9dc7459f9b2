/**
 * Events as a sensor at the edge of a network raises them, as many as one likes: sessions with their log-ins and the flows
 * inside, refused log-ins, now and then an alert. They are spread over 48 hours that end at `EVENTS_END`, in the order of
 * time; a few sources talk most. The same seed gives the same events.
 */
import { isoMicroseconds } from '../../src/base/time.ts'
import { eventId } from '../../src/events/event-id.ts'
import type { EventDocument } from '../../src/events/fields.ts'
import { Random } from '../support/random.ts'

/** 2026-03-03T00:00:00Z. */
const END_US = Date.UTC(2026, 2, 3) * 1000
const SPAN_US = 48 * 3_600_000_000
export const EVENTS_END = isoMicroseconds(END_US)
/** A day before the end: what the usual questions look back to. */
export const EVENTS_DAY = isoMicroseconds(END_US - SPAN_US / 2)

const USERS = 5000
const SERVERS = 4
const PROTOCOLS = ['http', 'tls', 'dns', 'ssh', 'smb', 'rdp', undefined] as const
const PORTS = [80, 443, 53, 22, 445, 3389, 8080] as const
const RULES = [
  ['Password guessing against one VPN account', 'medium', 47],
  ['L2TP without IPsec', 'low', 21],
  ['Port scan from inside a tunnel', 'high', 73],
  ['Ping sweep from inside a tunnel', 'medium', 47],
] as const

/** One event in so many. */
const SESSION_EVERY = 16
const REFUSAL_EVERY = 37
const ALERT_EVERY = 211

/** The fields that all events of one kind share. */
function shared(dataset: string, category: readonly string[], type: readonly string[]) {
  return {
    'ecs.version': '9.4.0',
    'event.kind': 'event',
    'event.category': category,
    'event.type': type,
    'event.dataset': `borescope.${dataset}`,
    'event.module': 'borescope',
    'observer.name': 'sensor-1',
    'observer.product': 'Borescope',
    'observer.type': 'ids',
    'observer.version': '0.1.0',
  }
}

const FLOW = shared('flow', ['network'], ['connection', 'end'])
const LOGIN = shared('ppp', ['authentication', 'network'], ['start'])
const ALERT = { ...shared('alerts', ['intrusion_detection'], ['info']), 'event.kind': 'alert' }

/** Yields `count` events. */
export function* generateEvents(count: number, seed = 1): Generator<EventDocument> {
  const random = new Random(seed)
  const stepUs = SPAN_US / count
  for (let i = 0; i < count; i++) {
    const timeUs = Math.floor(END_US - SPAN_US + i * stepUs + random.below(Math.max(1, Math.floor(stepUs))))
    // The square favours the first users: a tenth of them has a third of the events.
    const user = Math.floor((random.next() / 2 ** 32) ** 2 * USERS)
    const life = { id: eventId(timeUs, `${seed} ${i}`), timeUs, user, number: i }
    if (i % ALERT_EVERY === 0) yield alert(life, random)
    else if (i % REFUSAL_EVERY === 0) yield login(life, 'failed', random)
    else if (i % SESSION_EVERY === 0) yield login(life, 'succeeded', random)
    else yield flow(life, random)
  }
}

interface Life {
  readonly id: string
  readonly timeUs: number
  readonly user: number
  readonly number: number
}

function around({ id, timeUs, user, number }: Life) {
  const session = `${hex(user)}${hex(number >> 14)}`
  const outer = `198.51.${(user >> 8) & 255}.${user & 255}`
  return {
    name: `user${user}@example.net`,
    inner: `10.64.${user >> 8}.${user & 255}`,
    outer,
    server: `203.0.113.${1 + (user % SERVERS)}`,
    uids: {
      'l2tp.tunnel.uid': `t-${session.slice(0, 12)}`,
      'l2tp.session.uid': `s-${session.slice(-12)}`,
    },
    base: {
      '@timestamp': isoMicroseconds(timeUs),
      'event.id': id,
      'borescope.capture': 'bench.pcap',
      'borescope.frame.number': number + 1,
      'borescope.frame.offset': number * 140,
    },
  }
}

function flow(life: Life, random: Random): EventDocument {
  const { base, uids, name, inner, outer, server } = around(life)
  const service = random.below(PORTS.length)
  const protocol = PROTOCOLS[service]
  const destination = `${random.chance(0.3) ? '10.1' : '192.0'}.${random.below(4)}.${random.below(250)}`
  const sent = 40 + (random.next() >>> (8 + random.below(16)))
  const received = 40 + (random.next() >>> (6 + random.below(16)))
  const [up, down] = [1 + Math.floor(sent / 700), 1 + Math.floor(received / 1200)]
  const durationUs = random.next() >>> (4 + random.below(20))
  const port = 1024 + random.below(60_000)
  const uid = `f-${life.id.slice(-12)}`
  return {
    ...FLOW,
    ...base,
    ...uids,
    'event.action': 'flow.closed',
    'event.start': isoMicroseconds(life.timeUs - durationUs),
    'event.end': base['@timestamp'],
    'event.duration': durationUs * 1000,
    'event.reason': 'finished',
    message: `tcp ${inner}:${port} → ${destination}:${PORTS[service]}, finished`,
    'source.ip': inner,
    'source.port': port,
    'source.bytes': sent,
    'source.packets': up,
    'destination.ip': destination,
    'destination.port': PORTS[service],
    'destination.bytes': received,
    'destination.packets': down,
    'network.bytes': sent + received,
    'network.packets': up + down,
    'network.transport': 'tcp',
    'network.type': 'ipv4',
    ...(protocol === undefined ? {} : { 'network.protocol': protocol }),
    'network.community_id': `1:${Buffer.from(random.bytes(20)).toString('base64')}`,
    'outer.source.ip': outer,
    'outer.destination.ip': server,
    'user.name': name,
    'flow.uid': uid,
    'flow.tcp.state': 'closed',
    'flow.carrier': uids['l2tp.session.uid'],
    'related.ip': [inner, destination, outer, server],
    'related.user': [name],
    'borescope.lineage': [uids['l2tp.tunnel.uid'], uids['l2tp.session.uid'], uid],
  }
}

function login(life: Life, outcome: 'succeeded' | 'failed', random: Random): EventDocument {
  const { base, uids, name, outer, server } = around(life)
  const failed = outcome === 'failed'
  return {
    ...LOGIN,
    ...base,
    ...uids,
    'event.action': `ppp.authentication.${outcome}`,
    'event.outcome': failed ? 'failure' : 'success',
    message: failed ? `${name} at ${outer} was refused: wrong password` : `${name} at ${outer} logged in by MS-CHAPv2`,
    'source.ip': outer,
    'source.port': 1701,
    'destination.ip': server,
    'destination.port': 1701,
    'network.protocol': 'ppp',
    'network.transport': 'udp',
    'network.type': 'ipv4',
    'user.name': name,
    'ppp.authentication.method': 'MS-CHAPv2',
    'ppp.authentication.attempts': 1 + random.below(3),
    'l2tp.tunnel.initiator_id': random.below(65_536),
    'l2tp.session.initiator_id': random.below(65_536),
    'related.ip': [outer, server],
    'related.user': [name],
    'borescope.lineage': [uids['l2tp.tunnel.uid'], uids['l2tp.session.uid']],
  }
}

function alert(life: Life, random: Random): EventDocument {
  const { base, uids, name, outer, server } = around(life)
  const [rule, level, severity] = random.pick(RULES)
  return {
    ...ALERT,
    ...base,
    'event.action': 'alert.raised',
    'event.severity': severity,
    'event.risk_score': severity,
    message: `${rule}: ${outer}, ${server} (10 events)`,
    'rule.name': rule,
    'rule.level': level,
    'rule.category': 'login',
    'alert.entity': `${outer}, ${server}`,
    'alert.events': 10,
    'source.ip': outer,
    'destination.ip': server,
    'user.name': name,
    'related.ip': [outer, server],
    'related.user': [name],
    'l2tp.tunnel.uid': uids['l2tp.tunnel.uid'],
    'borescope.lineage': [uids['l2tp.tunnel.uid']],
  }
}

function hex(value: number): string {
  return value.toString(16).padStart(8, '0')
}
