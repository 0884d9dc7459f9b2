/**
 * Which of very many fields an event has. Rules name far more fields than an event holds, and to ask for one that is not there costs
 * more than to find one that is: so the event is asked for its fields, once, and those that are missing cost a comparison.
 */
import type { EventModel } from './model.ts'

/** Stands for a field; holds the number of the last event that had it. */
export interface FieldMark {
  event: number
}

export class FieldMarks<E> {
  readonly #stored: NonNullable<EventModel<E, unknown>['stored']>
  readonly #marks = new Map<string, FieldMark>()
  #event = 0

  constructor(stored: NonNullable<EventModel<E, unknown>['stored']>) {
    this.#stored = stored
  }

  /** Null for a field that only asking for it can tell. */
  of(name: string): FieldMark | null {
    if (!this.#stored.has(name)) return null
    const mark = this.#marks.get(name) ?? { event: 0 }
    this.#marks.set(name, mark)
    return mark
  }

  get fields(): number {
    return this.#marks.size
  }

  look(event: E): void {
    this.#event++
    this.#stored.each(event, this.#see)
  }

  /** Of the event that was looked at. */
  mayHave(mark: FieldMark | null): boolean {
    return mark === null || mark.event === this.#event
  }

  readonly #see = (name: string): void => {
    const mark = this.#marks.get(name)
    if (mark !== undefined) mark.event = this.#event
  }
}
