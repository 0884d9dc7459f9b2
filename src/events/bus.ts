/**
 * The waist: events come in as they were raised, become complete documents, and go to everyone on the right.
 */
import { hash } from 'node:crypto'
import { isoMicroseconds } from '../base/time.ts'
import { CATALOGUE, type EventName, type RaisedEvent } from './catalogue.ts'
import type { EventDocument } from './fields.ts'

/** The ECS release whose names the catalogue uses. */
export const ECS_VERSION = '9.4.0'

/** Where in a capture the sensor stands. The sensor's frame has these fields. */
export interface Origin {
  readonly capture: string
  readonly number: number
  readonly offset: number
}

export interface Observer {
  readonly name: string
  readonly version: string
}

export type Subscriber = (document: EventDocument) => void

/** Adds fields to an event before anybody sees it. */
export type Completion = (document: { -readonly [F in keyof EventDocument]: EventDocument[F] }) => void

export class EventBus {
  /** The packet that is being looked at; null while time alone makes things happen (expiry, end of capture). */
  origin: Origin | null = null
  readonly #observer: Observer
  readonly #subscribers: Subscriber[] = []
  readonly #completions: Completion[] = []
  readonly #counts = new Map<EventName, number>()
  /** Raised while another event is on its way: they follow it, so that everyone sees a cause before its effect. */
  readonly #waiting: EventDocument[] = []
  #isDelivering = false
  #sequence = 0

  constructor(observer: Observer) {
    this.#observer = observer
  }

  /** Subscribers are called within `emit`, in the order in which they came. */
  subscribe(subscriber: Subscriber): void {
    this.#subscribers.push(subscriber)
  }

  /** What is known beside the packets: called for every event, in the order in which they came, before the subscribers. */
  enrich(completion: Completion): void {
    this.#completions.push(completion)
  }

  readonly emit = (event: RaisedEvent): void => {
    this.#counts.set(event.name, (this.#counts.get(event.name) ?? 0) + 1)
    const document = documentOf(event, this.origin, this.#observer, ++this.#sequence)
    for (const completion of this.#completions) completion(document)
    if (this.#isDelivering) {
      this.#waiting.push(document)
      return
    }
    this.#isDelivering = true
    try {
      this.#deliver(document)
      while (this.#waiting.length > 0) this.#deliver(this.#waiting.shift() as EventDocument)
    } finally {
      this.#isDelivering = false
    }
  }

  #deliver(document: EventDocument): void {
    for (const subscriber of this.#subscribers) subscriber(document)
  }

  /** How many events of each name were raised. */
  get counts(): ReadonlyMap<EventName, number> {
    return this.#counts
  }
}

/**
 * The whole document of a raised event. Its id is a hash of what happened and when, never of the file in which it was
 * found: the same traffic gives the same ids on any machine, so storing it twice stores it once. Name, time, sentence, hosts
 * and lineage tell any two events apart; hashing all fields would take as long as everything else here.
 *
 * The raised event's own fields become the document: whoever raises one gives them up. A copy would take longer than all the
 * rest here.
 */
export function documentOf(
  event: RaisedEvent,
  origin: Origin | null,
  observer: Observer,
  sequence?: number,
): EventDocument {
  const { dataset, kind, category, type, addresses, hosts } = SHARED[event.name]
  const document = event.fields as Record<string, unknown>
  document['@timestamp'] = isoMicroseconds(event.timeUs)
  document['event.id'] = event.id ?? idOf(event, document as Partial<EventDocument>)
  document['event.kind'] = kind
  document['event.category'] = category
  document['event.type'] = type
  document['event.action'] = event.name
  document['event.dataset'] = dataset
  document['event.module'] = 'borescope'
  document['message'] = event.message
  document['observer.name'] = observer.name
  document['observer.product'] = 'Borescope'
  document['observer.type'] = 'ids'
  document['observer.version'] = observer.version
  document['ecs.version'] = ECS_VERSION
  if (sequence !== undefined) document['event.sequence'] = sequence
  relate(document, addresses, hosts)
  if (origin !== null) {
    document['borescope.capture'] = origin.capture
    document['borescope.frame.number'] = origin.number
    document['borescope.frame.offset'] = origin.offset
  }
  return document as EventDocument
}

function idOf({ name, timeUs, message }: RaisedEvent, fields: Partial<EventDocument>): string {
  const hosts = `${fields['source.ip']} ${fields['source.port']} ${fields['destination.ip']} ${fields['destination.port']}`
  const lineage = fields['borescope.lineage']?.join(' ')
  return hash('sha1', `${name}\n${timeUs}\n${message}\n${hosts}\n${lineage}`).slice(0, 20)
}

const ADDRESSES = [
  'source.ip',
  'destination.ip',
  'outer.source.ip',
  'outer.destination.ip',
  'ppp.client.ip',
  'ppp.server.ip',
]
const HOSTS = [
  'l2tp.initiator.host_name',
  'l2tp.responder.host_name',
  'ppp.authentication.server_name',
  'dns.question.name',
  'tls.client.server_name',
  'url.domain',
]

/** What all events of a name have in common; and of the related fields those that they may carry: to ask for all of them takes longer than the rest. */
interface Shared {
  readonly dataset: string
  readonly kind: string
  readonly category: readonly string[]
  readonly type: readonly string[]
  readonly addresses: readonly string[]
  readonly hosts: readonly string[]
}

const SHARED: Readonly<Record<string, Shared>> = Object.fromEntries(
  Object.entries(CATALOGUE).map(([name, { dataset, kind, category, type, always, may }]) => {
    const carried = new Set<string>([...always, ...may])
    const isCarried = (field: string) => carried.has(field)
    return [
      name,
      {
        dataset: `borescope.${dataset}`,
        kind,
        category,
        type,
        addresses: ADDRESSES.filter(isCarried),
        hosts: HOSTS.filter(isCarried),
      },
    ]
  }),
)

function relate(
  document: Record<string, unknown>,
  addressFields: readonly string[],
  hostFields: readonly string[],
): void {
  const addresses = valuesOf(document, addressFields)
  const hosts = valuesOf(document, hostFields)
  if (addresses !== null) document['related.ip'] = addresses
  if (hosts !== null) document['related.hosts'] = hosts
  if (document['user.name']) document['related.user'] = [document['user.name']]
}

/** The different values of some fields, in their order. Gathered here first: an array that grows takes four times the room. */
const gathered: unknown[] = []

function valuesOf(document: Record<string, unknown>, names: readonly string[]): unknown[] | null {
  let count = 0
  for (const name of names) {
    const value = document[name]
    if (value === undefined || value === '' || isGathered(value, count)) continue
    gathered[count++] = value
  }
  return count === 0 ? null : gathered.slice(0, count)
}

function isGathered(value: unknown, count: number): boolean {
  for (let i = 0; i < count; i++) if (gathered[i] === value) return true
  return false
}
