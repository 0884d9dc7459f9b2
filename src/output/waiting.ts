/** The documents of a delivery that wait in memory for their turn: by classes, and in each what came back before what is fresh. */
import type { EventDocument } from '../events/fields.ts'
import { LANES, type Lane, Queue } from './lanes.ts'
import type { Ticket } from './segment.ts'

export interface Item {
  readonly document: EventDocument
  readonly bytes: number
  readonly lane: Lane
  /** Its place among all that came, or was read from disk. */
  readonly number: number
  /** Where it lies on disk; null if it was never there. */
  readonly ticket: Ticket | null
}

interface Row {
  /** Taken once already, and come back. */
  returned: Queue<Item>
  /** As pushed. */
  readonly fresh: Queue<Item>
}

/** Gives more of a class, at most so many octets and documents, between what came back and what is fresh. */
export type FromElsewhere = (lane: Lane, bytesMax: number, countMax: number) => readonly Item[]

export class Waiting {
  /** Documents, those that were put off included, and their octets. */
  count = 0
  bytes = 0
  readonly #rows: Readonly<Record<Lane, Row>>
  /** Refused for now, one by one. */
  #postponed: Item[] = []

  constructor() {
    const row = (): Row => ({ returned: new Queue(), fresh: new Queue() })
    this.#rows = { alerts: row(), events: row(), flows: row() }
  }

  get hasReturned(): boolean {
    return LANES.some((lane) => this.#rows[lane].returned.length > 0)
  }

  get hasPostponed(): boolean {
    return this.#postponed.length > 0
  }

  push(item: Item): void {
    this.#rows[item.lane].fresh.push(item)
    this.#add(item)
  }

  /** The next batch. It ends with the document that reaches one of the bounds. */
  takeBatch(bytesMax: number, countMax: number, fromElsewhere: FromElsewhere | null): Item[] {
    const items: Item[] = []
    let bytes = 0
    const isFull = () => bytes >= bytesMax || items.length >= countMax
    const takeFrom = (queue: Queue<Item>): void => {
      while (!isFull()) {
        const item = this.#shift(queue)
        if (item === undefined) return
        bytes += item.bytes
        items.push(item)
      }
    }
    for (const lane of LANES) {
      const { returned, fresh } = this.#rows[lane]
      takeFrom(returned)
      if (fromElsewhere !== null && !isFull()) {
        for (const item of fromElsewhere(lane, bytesMax - bytes, countMax - items.length)) {
          bytes += item.bytes
          items.push(item)
        }
      }
      takeFrom(fresh)
    }
    return items
  }

  /** Takes the first of a class out, a little over `bytesMax` at most: all fresh ones or all returned ones; none if none are left. */
  withdraw(lane: Lane, from: 'fresh' | 'returned', bytesMax: number): Item[] {
    const items: Item[] = []
    for (let bytes = 0; bytes < bytesMax; ) {
      const item = this.#shift(this.#rows[lane][from])
      if (item === undefined) break
      items.push(item)
      bytes += item.bytes
    }
    return items
  }

  /** Takes the oldest of the lowest class out; undefined if there is none. */
  withdrawLast(): Item | undefined {
    for (const lane of LANES.toReversed()) {
      const { returned, fresh } = this.#rows[lane]
      const item = this.#shift(returned.length > 0 ? returned : fresh)
      if (item !== undefined) return item
    }
    return undefined
  }

  /** To the head of their classes, in the order in which they came. */
  putBack(items: readonly Item[]): void {
    for (const lane of LANES) {
      const row = this.#rows[lane]
      const own = items.filter((item) => item.lane === lane)
      if (own.length === 0) continue
      for (let item = row.returned.shift(); item !== undefined; item = row.returned.shift()) own.push(item)
      own.sort((a, b) => a.number - b.number)
      const returned = new Queue<Item>()
      for (const item of own) returned.push(item)
      row.returned = returned
    }
    for (const item of items) this.#add(item)
  }

  /** They wait, but for `returnPostponed`. */
  postpone(items: readonly Item[]): void {
    this.#postponed.push(...items)
    for (const item of items) this.#add(item)
  }

  returnPostponed(): void {
    const items = this.#postponed
    this.#postponed = []
    for (const item of items) this.#subtract(item)
    this.putBack(items)
  }

  #shift(queue: Queue<Item>): Item | undefined {
    const item = queue.shift()
    if (item !== undefined) this.#subtract(item)
    return item
  }

  #add({ bytes }: Item): void {
    this.count++
    this.bytes += bytes
  }

  #subtract({ bytes }: Item): void {
    this.count--
    this.bytes -= bytes
  }
}
