/** Three classes of events: alerts and incidents overtake the others, and flows are the first to go when there is no room. */
import type { EventDocument } from '../events/fields.ts'

/** By falling importance. */
export const LANES = ['alerts', 'events', 'flows'] as const

export type Lane = (typeof LANES)[number]

export function laneOf(document: EventDocument): Lane {
  const dataset = document['event.dataset']
  if (document['event.kind'] === 'alert' || dataset === 'borescope.incidents') return 'alerts'
  return dataset === 'borescope.flow' ? 'flows' : 'events'
}

/** First in, first out, without moving what waits. */
export class Queue<T> {
  #items: T[] = []
  #head = 0

  get length(): number {
    return this.#items.length - this.#head
  }

  push(item: T): void {
    this.#items.push(item)
  }

  peek(): T | undefined {
    return this.#items[this.#head]
  }

  shift(): T | undefined {
    if (this.#head === this.#items.length) return undefined
    const item = this.#items[this.#head]
    this.#items[this.#head] = undefined as T
    this.#head++
    if (this.#head === this.#items.length) {
      this.#items = []
      this.#head = 0
    } else if (this.#head >= 1024 && this.#head * 2 >= this.#items.length) {
      this.#items = this.#items.slice(this.#head)
      this.#head = 0
    }
    return item
  }
}
