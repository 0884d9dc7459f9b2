/** Alerts gathered for one notification, and the document that they become. */
import { textBytes } from '../base/memory.ts'
import { documentBytes } from '../events/document-bytes.ts'
import { eventId } from '../events/event-id.ts'
import type { EventDocument } from '../events/fields.ts'

/** What of many alerts is kept for the one notification. */
const EXAMPLES_MAX = 5
const IDS_MAX = 50
const EVIDENCE_MAX = 50
/** Rules and entities are told apart up to so many. */
const DISTINCT_MAX = 100
/** What is gathered takes so much in memory beside its texts; and the id of an event so much, with its place. */
const GATHERED_BYTES = 1500
const ID_BYTES = 70

/** As plain values. */
export interface SavedGathered {
  readonly foremost: EventDocument
  readonly counts: readonly [alerts: number, heldBack: number, events: number]
  readonly first: string
  readonly last: string
  readonly examples: readonly string[]
  readonly ids: readonly string[]
  readonly evidence: readonly string[]
  readonly rules: readonly string[]
  readonly entities: readonly string[]
}

export class Gathered {
  /** The most severe alert, the first among equals: it gives the notification its fields. */
  #foremost: EventDocument
  #alerts = 0
  #heldBack = 0
  #events = 0
  #first: string
  #last: string
  readonly #examples: string[] = []
  readonly #ids: string[] = []
  readonly #evidence = new Set<string>()
  readonly #rules = new Set<string>()
  readonly #entities = new Set<string>()

  constructor(alert: EventDocument) {
    this.#foremost = alert
    this.#first = startOf(alert)
    this.#last = endOf(alert)
  }

  save(): SavedGathered {
    return {
      foremost: this.#foremost,
      counts: [this.#alerts, this.#heldBack, this.#events],
      first: this.#first,
      last: this.#last,
      examples: this.#examples,
      ids: this.#ids,
      evidence: [...this.#evidence],
      rules: [...this.#rules],
      entities: [...this.#entities],
    }
  }

  /** Goes on from what `save` gave. */
  static restore(saved: SavedGathered): Gathered {
    const gathered = new Gathered(saved.foremost)
    ;[gathered.#alerts, gathered.#heldBack, gathered.#events] = saved.counts
    gathered.#first = saved.first
    gathered.#last = saved.last
    gathered.#examples.push(...saved.examples)
    gathered.#ids.push(...saved.ids)
    for (const id of saved.evidence) gathered.#evidence.add(id)
    for (const rule of saved.rules) gathered.#rules.add(rule)
    for (const entity of saved.entities) gathered.#entities.add(entity)
    return gathered
  }

  /** What it takes in memory, by an estimate that follows from what it holds. */
  get bytes(): number {
    let bytes = GATHERED_BYTES + documentBytes(this.#foremost) + ID_BYTES * (this.#ids.length + this.#evidence.size)
    for (const text of this.#examples) bytes += textBytes(text)
    for (const texts of [this.#rules, this.#entities]) for (const text of texts) bytes += ID_BYTES + textBytes(text)
    return bytes
  }

  add(alert: EventDocument, isHeldBack: boolean): void {
    this.#alerts++
    if (isHeldBack) this.#heldBack++
    this.#events += alert['alert.events'] ?? 1
    if ((alert['event.severity'] ?? 0) > (this.#foremost['event.severity'] ?? 0)) this.#foremost = alert
    if (startOf(alert) < this.#first) this.#first = startOf(alert)
    if (endOf(alert) > this.#last) this.#last = endOf(alert)
    if (this.#examples.length < EXAMPLES_MAX) this.#examples.push(alert.message ?? '')
    if (this.#ids.length < IDS_MAX) this.#ids.push(alert['event.id'])
    for (const id of alert['alert.evidence'] ?? []) if (this.#evidence.size < EVIDENCE_MAX) this.#evidence.add(id)
    if (this.#rules.size < DISTINCT_MAX) this.#rules.add(alert['rule.id'] ?? '')
    if (this.#entities.size < DISTINCT_MAX) this.#entities.add(alert['alert.entity'] ?? '')
  }

  /**
   * The document. Its id is a hash of what it tells, so that the same alerts give the same notification.
   *
   * @param group the id of the first notification of the group; null if this is it
   * @param seed what tells this group from others that may hold the same alerts
   */
  document(
    kind: 'first' | 'repeat' | 'summary',
    timestamp: string,
    group: string | null,
    duplicates: number,
    seed: string,
  ): EventDocument {
    const id = eventId(Date.parse(timestamp) * 1000, `alert.notified\n${seed}\n${this.#alerts}\n${this.#ids.join(' ')}`)
    const { '@timestamp': _time, 'event.duration': _duration, ...fields } = this.#foremost
    const entity = others(this.#foremost['alert.entity'] ?? '', this.#entities.size)
    return {
      '@timestamp': timestamp,
      ...fields,
      message: this.#sentence(entity, duplicates),
      'event.id': id,
      'event.action': 'alert.notified',
      'event.start': this.#first,
      'event.end': this.#last,
      'alert.entity': entity,
      'alert.events': this.#events,
      'alert.evidence': [...this.#evidence],
      'alert.notification.kind': kind,
      'alert.notification.group': group ?? id,
      'alert.notification.alerts': this.#alerts,
      'alert.notification.held_back': this.#heldBack,
      'alert.notification.duplicates': duplicates,
      'alert.notification.ids': this.#ids,
      ...(this.#alerts === 1 ? {} : { 'alert.notification.examples': this.#examples }),
    }
  }

  #sentence(entity: string, duplicates: number): string {
    const left = `${this.#when()}${duplicates === 0 ? '' : `; ${counted(duplicates, 'duplicate')} left out`}`
    const held = this.#heldBack === 0 ? '' : `; ${this.#heldBack} of them held back until now`
    if (this.#alerts === 1) {
      return `${this.#foremost.message}${this.#heldBack === 0 ? '' : '; held back until now'}${left}`
    }
    const rule = others(this.#foremost['rule.name'] ?? '', this.#rules.size)
    const counts = `${counted(this.#alerts, 'alert')}, ${counted(this.#events, 'event')}`
    return `${rule}: ${entity} (${counts}${held}${left})`
  }

  /** Of what was found in retrospect: nobody is to think that it happens now. */
  #when(): string {
    if (this.#foremost['alert.retrospective'] !== true) return ''
    const [first, last] = [this.#first, this.#last].map((time) => `${time.slice(0, 19)}Z`)
    return first === last ? `; found in retrospect, of ${first}` : `; found in retrospect, of ${first} to ${last}`
  }
}

function startOf(alert: EventDocument): string {
  return alert['event.start'] ?? alert['@timestamp']
}

function endOf(alert: EventDocument): string {
  return alert['event.end'] ?? alert['@timestamp']
}

/** `alice and 2 others`: the count includes the one that is named. */
function others(name: string, count: number): string {
  if (count <= 1) return name
  const rest = count >= DISTINCT_MAX ? `at least ${count - 1}` : String(count - 1)
  return `${name} and ${rest} ${count === 2 ? 'other' : 'others'}`
}

function counted(value: number, singular: string): string {
  return `${value} ${singular}${value === 1 ? '' : 's'}`
}
