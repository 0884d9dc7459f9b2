/** Looks for the values of events on lists, and says on the event what was found. */
import type { EventDocument } from '../../events/fields.ts'
import type { Enricher } from '../enrichers.ts'
import { holds } from './condition.ts'
import type { Hit, IndicatorTable } from './index-table.ts'
import { type IndicatorType, normal, valuesOf } from './indicator.ts'

/** One value of one event that is on a list. */
export interface Match {
  readonly type: IndicatorType
  readonly field: string
  readonly value: string
  readonly hit: Hit
}

export interface IntelCounters {
  looked: number
  matched: number
  /** Matches that an allow list took back. */
  allowed: number
  /** Matches of indicators that are no longer valid. */
  expired: number
}

/** ECS names confidence by words (the "None, Low, Medium, High" scale of STIX 2.1, appendix A). */
function confidenceWord(confidence: number): string {
  if (confidence <= 0) return 'None'
  if (confidence < 30) return 'Low'
  return confidence < 70 ? 'Medium' : 'High'
}

export class Intel {
  #table: IndicatorTable
  #allowed: IndicatorTable
  readonly #counters: IntelCounters = { looked: 0, matched: 0, allowed: 0, expired: 0 }

  constructor(table: IndicatorTable, allowed: IndicatorTable) {
    this.#table = table
    this.#allowed = allowed
  }

  /** Other lists from now on; whoever is in the middle of an event ends it with the old ones. */
  swap(table: IndicatorTable, allowed: IndicatorTable): void {
    this.#table = table
    this.#allowed = allowed
  }

  get size(): number {
    return this.#table.size
  }

  get counters(): Readonly<IntelCounters> {
    return this.#counters
  }

  /** The first match, most confident first. */
  readonly enrich: Enricher = (document) => {
    const match = this.match(document)
    if (match === null) return
    const { type, field, value, hit } = match
    document['threat.indicator.type'] = type === 'ip' ? (value.includes(':') ? 'ipv6-addr' : 'ipv4-addr') : type
    document['threat.indicator.name'] = value
    document['threat.indicator.field'] = field
    document['threat.indicator.provider'] = hit.feed
    if (hit.description !== undefined) document['threat.indicator.description'] = hit.description
    if (hit.confidence !== undefined) document['threat.indicator.confidence'] = confidenceWord(hit.confidence)
    if (hit.tlp !== undefined) document['threat.indicator.marking.tlp'] = hit.tlp
    if (hit.lastSeenMs !== undefined) document['threat.indicator.last_seen'] = new Date(hit.lastSeenMs).toISOString()
  }

  match(document: EventDocument): Match | null {
    if (this.#table.size === 0) return null
    this.#counters.looked++
    const nowMs = Date.parse(document['@timestamp'])
    let best: Match | null = null
    for (const type of this.#table.types) {
      for (const [field, value] of valuesOf(document, type)) {
        const hit = this.#find(type, value, document, nowMs)
        if (hit !== null && (best === null || (hit.confidence ?? 50) > (best.hit.confidence ?? 50))) {
          best = { type, field, value, hit }
        }
      }
    }
    if (best !== null) this.#counters.matched++
    return best
  }

  #find(type: IndicatorType, value: string, document: EventDocument, nowMs: number): Hit | null {
    const name = normal(type, value)
    for (const hit of this.#table.find(type, name)) {
      if (hit.validUntilMs < nowMs) {
        this.#counters.expired++
        continue
      }
      if (hit.condition !== undefined && !holds(hit.condition, document)) continue
      if (this.#allowed.find(type, name).next().done === true) return hit
      this.#counters.allowed++
      return null
    }
    return null
  }
}
