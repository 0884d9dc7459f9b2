/**
 * What is learned, of what: each feature names the entity whose habit it is, the events in which it shows, how its value is read
 * and which model judges it. A new habit is a new line here.
 */
import type { EventName } from '../../events/catalogue.ts'
import type { EventDocument } from '../../events/fields.ts'
import {
  CallsHome,
  LongAbsence,
  type Model,
  SlowDrift,
  Travel,
  UsualHours,
  UsualQuantity,
  UsualRate,
  UsualValues,
} from './models.ts'

export type EntityKind = 'user' | 'client' | 'gateway' | 'tunnel' | 'esp' | 'conversation'

export interface Feature {
  readonly entity: EntityKind
  readonly events: readonly EventName[]
  /** The value; undefined where an event has none. */
  readonly text?: (document: EventDocument) => string | undefined
  readonly number?: (document: EventDocument) => number | undefined
  /** A model, empty or with what `save` gave. */
  readonly model: (saved?: never) => Model
  /** The sentence of the event, after the entity. */
  readonly says: string
}

const MEGABYTE = 1_000_000
const TUNNEL_OPENED = [
  'l2tp.tunnel.opened',
  'pptp.connection.opened',
  'ike.exchange.established',
] as const satisfies readonly EventName[]
const LOGIN = ['ppp.authentication.succeeded'] as const satisfies readonly EventName[]
const FAILURES = ['ppp.authentication.failed', 'ike.exchange.failed'] as const satisfies readonly EventName[]

const one = () => 1
const seconds = (document: EventDocument) =>
  document['event.duration'] === undefined ? undefined : document['event.duration'] / 1e9
const values = (saved?: never) => new UsualValues(saved)

export const FEATURES = {
  'user.network': {
    entity: 'user',
    events: LOGIN,
    text: (document) => networkOf(document['outer.source.ip'] ?? document['source.ip']),
    model: values,
    says: 'logged in from a network that is new',
  },
  'user.country': {
    entity: 'user',
    events: LOGIN,
    text: (document) => document['outer.source.geo.country_iso_code'] ?? document['source.geo.country_iso_code'],
    model: values,
    says: 'logged in from a country that is new',
  },
  'user.as': {
    entity: 'user',
    events: LOGIN,
    text: (document) => document['source.as.number']?.toString(),
    model: values,
    says: 'logged in from an autonomous system that is new',
  },
  'user.travel': {
    entity: 'user',
    events: LOGIN,
    text: placeOf,
    model: (saved) => new Travel(saved),
    says: 'cannot have travelled so fast',
  },
  'user.gateway': {
    entity: 'user',
    events: LOGIN,
    text: (document) => document['destination.ip'],
    model: values,
    says: 'logged in at a gateway that is new',
  },
  'user.method': {
    entity: 'user',
    events: LOGIN,
    text: (document) => document['ppp.authentication.method'],
    model: values,
    says: 'logged in by another method',
  },
  'user.hour': {
    entity: 'user',
    events: LOGIN,
    number: one,
    model: (saved) => new UsualHours(saved),
    says: 'logged in at an unusual hour',
  },
  'user.absence': {
    entity: 'user',
    events: LOGIN,
    number: one,
    model: (saved) => new LongAbsence(saved),
    says: 'logged in for the first time in a long while',
  },
  'user.duration': {
    entity: 'user',
    events: ['ppp.link.closed'],
    number: seconds,
    model: (saved) => new UsualQuantity(12 * 3600, 'seconds', saved),
    says: 'stayed connected for unusually long',
  },
  'user.sent': {
    entity: 'user',
    events: ['ppp.link.closed'],
    number: (document) => document['source.bytes'],
    model: (saved) => new UsualQuantity(200 * MEGABYTE, 'bytes', saved),
    says: 'sent unusually much in one session',
  },
  'user.received': {
    entity: 'user',
    events: ['ppp.link.closed'],
    number: (document) => document['destination.bytes'],
    model: (saved) => new UsualQuantity(500 * MEGABYTE, 'bytes', saved),
    says: 'received unusually much in one session',
  },
  'user.sent.daily': {
    entity: 'user',
    events: ['ppp.link.closed'],
    number: (document) => document['source.bytes'],
    model: (saved) => new SlowDrift('bytes', saved),
    says: 'has sent more than usual for days',
  },
  'user.received.daily': {
    entity: 'user',
    events: ['ppp.link.closed'],
    number: (document) => document['destination.bytes'],
    model: (saved) => new SlowDrift('bytes', saved),
    says: 'has received more than usual for days',
  },
  'client.gateway': {
    entity: 'client',
    events: TUNNEL_OPENED,
    text: (document) => document['destination.ip'],
    model: values,
    says: 'connected to a gateway that is new',
  },
  'client.stack': {
    entity: 'client',
    events: ['l2tp.tunnel.opened'],
    text: (document) => stackOf(document),
    model: values,
    says: 'shows another L2TP implementation',
  },
  'client.proposal': {
    entity: 'client',
    events: ['ike.exchange.established'],
    text: (document) => document['ike.proposal.hash'],
    model: values,
    says: 'offers other IKE suites',
  },
  'gateway.name': {
    entity: 'gateway',
    events: ['l2tp.tunnel.opened'],
    text: (document) => document['l2tp.responder.host_name'],
    model: values,
    says: 'answers under another host name',
  },
  'gateway.vendors': {
    entity: 'gateway',
    events: ['ike.exchange.established'],
    text: (document) => document['ike.responder.vendors']?.join(', '),
    model: values,
    says: 'shows other vendor ids',
  },
  'gateway.suite': {
    entity: 'gateway',
    events: ['ike.exchange.established'],
    text: (document) => document['ike.proposal.chosen'],
    model: values,
    says: 'agreed on an IKE suite that is new for it',
  },
  'gateway.certificate': {
    entity: 'gateway',
    events: ['ike.exchange.established'],
    text: (document) => document['ike.responder.certificate_sha256'],
    model: values,
    says: 'shows another certificate',
  },
  'gateway.authenticator': {
    entity: 'gateway',
    events: LOGIN,
    text: (document) => document['ppp.authentication.server_name'],
    model: values,
    says: 'names itself otherwise in its challenges',
  },
  'gateway.dns': {
    entity: 'gateway',
    events: ['ppp.link.opened'],
    text: (document) => document['ppp.dns']?.join(', '),
    model: values,
    says: 'gave its clients other DNS servers',
  },
  'gateway.client_network': {
    entity: 'gateway',
    events: LOGIN,
    text: (document) => networkOf(document['source.ip']),
    model: values,
    says: 'let somebody in from a network that is new',
  },
  'gateway.client_vendor': {
    entity: 'gateway',
    events: ['l2tp.tunnel.opened'],
    text: (document) => document['l2tp.initiator.vendor_name'],
    model: values,
    says: 'has a client with an L2TP implementation that is new',
  },
  'gateway.tunnels': {
    entity: 'gateway',
    events: TUNNEL_OPENED,
    number: one,
    model: (saved) => new UsualRate('tunnels', false, saved),
    says: 'had an unusual number of new tunnels for hours',
  },
  'gateway.failures': {
    entity: 'gateway',
    events: FAILURES,
    number: one,
    model: (saved) => new UsualRate('failures', false, saved),
    says: 'refused unusually many for hours',
  },
  'gateway.failures.daily': {
    entity: 'gateway',
    events: FAILURES,
    number: one,
    model: (saved) => new SlowDrift('failures', saved),
    says: 'has refused more than usual for days',
  },
  'gateway.users': {
    entity: 'gateway',
    events: LOGIN,
    text: (document) => document['user.name'],
    model: (saved) => new UsualRate('users', true, saved),
    says: 'had an unusual number of users for hours',
  },
  'tunnel.duration': {
    entity: 'tunnel',
    events: ['l2tp.tunnel.closed', 'esp.tunnel.closed'],
    number: seconds,
    model: (saved) => new UsualQuantity(24 * 3600, 'seconds', saved),
    says: 'stayed open for unusually long',
  },
  'tunnel.sent': {
    entity: 'tunnel',
    events: ['l2tp.tunnel.closed'],
    number: (document) => document['source.bytes'],
    model: (saved) => new UsualQuantity(500 * MEGABYTE, 'bytes', saved),
    says: 'carried unusually much towards the gateway',
  },
  'esp.sent': {
    entity: 'esp',
    events: ['esp.tunnel.closed'],
    number: (document) => document['source.bytes'],
    model: (saved) => new UsualQuantity(200 * MEGABYTE, 'bytes of ESP', saved),
    says: 'carried unusually much towards the gateway',
  },
  'esp.received': {
    entity: 'esp',
    events: ['esp.tunnel.closed'],
    number: (document) => document['destination.bytes'],
    model: (saved) => new UsualQuantity(500 * MEGABYTE, 'bytes of ESP', saved),
    says: 'carried unusually much towards the client',
  },
  'esp.sent.daily': {
    entity: 'esp',
    events: ['esp.tunnel.closed'],
    number: (document) => document['source.bytes'],
    model: (saved) => new SlowDrift('bytes of ESP', saved),
    says: 'has carried more than usual towards the gateway for days',
  },
  'esp.received.daily': {
    entity: 'esp',
    events: ['esp.tunnel.closed'],
    number: (document) => document['destination.bytes'],
    model: (saved) => new SlowDrift('bytes of ESP', saved),
    says: 'has carried more than usual towards the client for days',
  },
  'esp.use': {
    entity: 'esp',
    events: ['esp.traffic.classified'],
    text: (document) => document['esp.traffic.class'],
    model: values,
    says: 'is used in another way than before',
  },
  'conversation.beacon': {
    entity: 'conversation',
    events: ['flow.closed'],
    number: (document) => document['source.bytes'],
    model: (saved) => new CallsHome(saved),
    says: 'calls home like a clock',
  },
} as const satisfies Readonly<Record<string, Feature>>

export type FeatureName = keyof typeof FEATURES

/** Takes the name of an entity, piece by piece, so that none has to be made for every event. */
export interface IdWriter {
  write(text: string): void
}

/** Writes whose habit an event shows; false where it does not say. */
export const ENTITIES: Readonly<Record<EntityKind, (document: EventDocument, id: IdWriter) => boolean>> = {
  user: (document, id) => writeName(document['user.name'], id),
  client: (document, id) => writeName(document['source.ip'], id),
  gateway: (document, id) => writeName(document['destination.ip'], id),
  tunnel: writePair,
  esp: writePair,
  conversation(document, id) {
    const { 'source.ip': source, 'destination.ip': destination, 'destination.port': port } = document
    if (source === undefined || destination === undefined || port === undefined) return false
    // Two clients with one inner address in two sessions are two hosts.
    id.write(document['user.name'] ?? document['flow.carrier'] ?? '')
    id.write(' ')
    writePair(document, id)
    id.write(':')
    id.write(String(port))
    return true
  },
}

/**
 * Kinds of which very many are seen a few times and never again, and their one feature that may wait: its first samples are
 * kept as numbers, and its model is made of them when there are more. That changes nothing, because the model says nothing of so
 * few, and looks at no more of a sample than its time and its number.
 */
export const EARLY = {
  conversation: { feature: 'conversation.beacon', samplesOf: CallsHome.samplesOf },
} as const satisfies Partial<Record<EntityKind, unknown>>

function writeName(name: string | undefined, id: IdWriter): boolean {
  if (name === undefined || name === '') return false
  id.write(name)
  return true
}

function writePair(document: EventDocument, id: IdWriter): boolean {
  const { 'source.ip': source, 'destination.ip': destination } = document
  if (source === undefined || destination === undefined) return false
  id.write(source)
  id.write(' > ')
  id.write(destination)
  return true
}

/** Degrees north and east, where a database of places says so. */
function placeOf(document: EventDocument): string | undefined {
  const { 'source.latitude': latitude, 'source.longitude': longitude } = document
  return latitude === undefined || longitude === undefined ? undefined : `${latitude},${longitude}`
}

/** The /24 of an IPv4 address, the /48 of an IPv6 address. */
function networkOf(address: string | undefined): string | undefined {
  if (address === undefined) return undefined
  if (!address.includes(':')) return `${address.slice(0, address.lastIndexOf('.'))}.0/24`
  const [head] = address.split('::')
  const groups = head === '' ? [] : head.split(':')
  return `${[0, 1, 2].map((i) => groups[i] ?? '0').join(':')}::/48`
}

function stackOf(document: EventDocument): string | undefined {
  const { 'l2tp.initiator.vendor_name': vendor, 'l2tp.initiator.firmware': firmware } = document
  const window = document['l2tp.initiator.receive_window']
  if (vendor === undefined && firmware === undefined && window === undefined) return undefined
  return `${vendor ?? 'no vendor'}, firmware ${firmware ?? 'untold'}, window ${window ?? 'untold'}`
}
