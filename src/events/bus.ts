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
 * The fields are spread first: V8 clones them in one step, where copying them one by one costs ten times as much.
 */
export function documentOf(
  event: RaisedEvent,
  origin: Origin | null,
  observer: Observer,
  sequence?: number,
): EventDocument {
  const { dataset, kind, category, type } = CATALOGUE[event.name]
  const fields = event.fields as Partial<EventDocument>
  const document: Record<string, unknown> = {
    ...fields,
    '@timestamp': isoMicroseconds(event.timeUs),
    'event.id': event.id ?? idOf(event, fields),
    'event.kind': kind,
    'event.category': category,
    'event.type': type,
    'event.action': event.name,
    'event.dataset': `borescope.${dataset}`,
    'event.module': 'borescope',
    message: event.message,
    'observer.name': observer.name,
    'observer.product': 'Borescope',
    'observer.type': 'ids',
    'observer.version': observer.version,
    'ecs.version': ECS_VERSION,
  }
  if (sequence !== undefined) document['event.sequence'] = sequence
  relate(document, CARRIED[event.name])
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
  'incident.addresses',
]
const HOSTS = [
  'l2tp.initiator.host_name',
  'l2tp.responder.host_name',
  'ppp.authentication.server_name',
  'dns.question.name',
  'tls.client.server_name',
  'url.domain',
]

const USERS = ['user.name', 'incident.users']

/** Of these fields, those that events of a name may carry: most carry few, and to ask for the others costs a third of `complete`. */
const CARRIED: Readonly<Record<string, Carried>> = Object.fromEntries(
  Object.entries(CATALOGUE).map(([name, { always, may }]) => {
    const carried = new Set<string>([...always, ...may])
    const isCarried = (field: string) => carried.has(field)
    const carries = (fields: readonly string[]) => fields.filter(isCarried)
    return [name, { addresses: carries(ADDRESSES), hosts: carries(HOSTS), users: carries(USERS) }]
  }),
)

interface Carried {
  readonly addresses: readonly string[]
  readonly hosts: readonly string[]
  readonly users: readonly string[]
}

function relate(document: Record<string, unknown>, carried: Carried): void {
  const addresses = valuesOf(document, carried.addresses)
  const hosts = valuesOf(document, carried.hosts)
  if (addresses !== null) document['related.ip'] = addresses
  if (hosts !== null) document['related.hosts'] = hosts
  const users = valuesOf(document, carried.users)
  if (users !== null) document['related.user'] = users
}

function valuesOf(document: Record<string, unknown>, names: readonly string[]): unknown[] | null {
  let values: unknown[] | null = null
  for (const name of names) {
    const value = document[name]
    if (value === undefined || value === '') continue
    if (Array.isArray(value)) values = [...new Set([...(values ?? []), ...value])]
    else if (values === null) values = [value]
    else if (!values.includes(value)) values.push(value)
  }
  return values
}
