/** Tells when events for a destination are given up because more come than it takes, and when it keeps up again. */
import type { Emit } from './events/catalogue.ts'
import { type DestinationStatus, droppedIn } from './output/delivery-status.ts'

/** Whoever takes events, and what was dropped on the way there. */
type Taker = Pick<DestinationStatus, 'name' | 'dropped'>

/** How often it is told while it goes on, and how long nothing must be lost for it to be over. */
const PERIOD_MS = 10_000

interface Loss {
  readonly beganMs: number
  /** As of the last time that it was told. */
  toldMs: number
  dropped: Readonly<Record<string, number>>
  lastMs: number
  /** Before it began. */
  readonly before: number
}

export class Shedding {
  readonly #emit: Emit
  /** What was dropped by the last look, of each destination. */
  readonly #seen = new Map<string, Readonly<Record<string, number>>>()
  readonly #losses = new Map<string, Loss>()

  constructor(emit: Emit) {
    this.#emit = emit
  }

  /** The destinations that lose events at the moment. */
  get destinations(): readonly string[] {
    return [...this.#losses.keys()]
  }

  /** Looks at the counts; about once a second. */
  look(destinations: readonly Taker[], nowMs: number, timeUs: number): void {
    for (const status of destinations) {
      const { name, dropped } = status
      const seen = this.#seen.get(name) ?? {}
      this.#seen.set(name, dropped)
      const loss = this.#losses.get(name)
      const isLosing = droppedIn({ dropped }) > droppedIn({ dropped: seen })
      if (isLosing) this.#lost(name, loss ?? this.#begin(name, seen, nowMs), dropped, nowMs, timeUs)
      else if (loss !== undefined) this.#over(name, loss, dropped, nowMs, timeUs)
    }
  }

  #begin(name: string, dropped: Readonly<Record<string, number>>, nowMs: number): Loss {
    const before = droppedIn({ dropped })
    const loss = { beganMs: nowMs, toldMs: Number.NEGATIVE_INFINITY, dropped, lastMs: nowMs, before }
    this.#losses.set(name, loss)
    return loss
  }

  #lost(name: string, loss: Loss, dropped: Readonly<Record<string, number>>, nowMs: number, timeUs: number): void {
    loss.lastMs = nowMs
    if (nowMs - loss.toldMs >= PERIOD_MS) this.#tell(name, loss, dropped, nowMs, timeUs)
  }

  #over(name: string, loss: Loss, dropped: Readonly<Record<string, number>>, nowMs: number, timeUs: number): void {
    if (nowMs - loss.lastMs < PERIOD_MS) return
    this.#tell(name, loss, dropped, nowMs, timeUs)
    this.#losses.delete(name)
    const count = droppedIn({ dropped }) - loss.before
    const seconds = Math.round((loss.lastMs - loss.beganMs) / 1000)
    this.#emit({
      name: 'sensor.delivery.recovered',
      timeUs,
      message: `${name} keeps up again: ${count} events were given up in ${seconds} s`,
      fields: {
        'delivery.destination': name,
        'delivery.dropped': count,
        'event.duration': Math.round((loss.lastMs - loss.beganMs) * 1e6),
      },
    })
  }

  #tell(name: string, loss: Loss, dropped: Readonly<Record<string, number>>, nowMs: number, timeUs: number): void {
    const reasons = Object.entries(dropped).flatMap(([reason, count]) => {
      const since = count - (loss.dropped[reason] ?? 0)
      return since > 0 ? [[reason, since] as const] : []
    })
    loss.toldMs = nowMs
    loss.dropped = dropped
    if (reasons.length === 0) return
    const count = reasons.reduce((sum, [, since]) => sum + since, 0)
    this.#emit({
      name: 'sensor.events.shed',
      timeUs,
      message: `${count} events for ${name} were given up: ${reasons.map(([reason, since]) => `${since} ${reason}`).join(', ')}`,
      fields: {
        'delivery.destination': name,
        'delivery.dropped': count,
        'delivery.drop_reasons': reasons.map(([reason]) => reason),
      },
    })
  }
}
