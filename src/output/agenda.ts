/** Things that come due, the earliest first; of those due at the same time the one that was put in first. A binary heap. */

/** A place in the agenda; whoever holds it may give it up. */
export interface Entry<T> {
  readonly dueUs: number
  readonly order: number
  readonly thing: T
  /** In the heap; -1 when taken out. */
  at: number
}

export class Agenda<T> {
  readonly #heap: Entry<T>[] = []
  #order = 0

  add(dueUs: number, thing: T): Entry<T> {
    const entry: Entry<T> = { dueUs, order: this.#order++, thing, at: this.#heap.length }
    this.#heap.push(entry)
    this.#settle(entry)
    return entry
  }

  /** When the next one is due; infinity if there is none. */
  get nextUs(): number {
    return this.#heap.length === 0 ? Number.POSITIVE_INFINITY : this.#heap[0].dueUs
  }

  /** Takes out the next one; undefined if there is none. */
  take(): T | undefined {
    const first = this.#heap.at(0)
    if (first !== undefined) this.remove(first)
    return first?.thing
  }

  /** Nothing happens if it is out already. */
  remove(entry: Entry<T>): void {
    const { at } = entry
    if (at === -1) return
    entry.at = -1
    const last = this.#heap.pop() as Entry<T>
    if (last === entry) return
    this.#put(last, at)
    this.#settle(last)
  }

  #put(entry: Entry<T>, at: number): void {
    this.#heap[at] = entry
    entry.at = at
  }

  /** Moves an entry up or down to where it belongs. */
  #settle(entry: Entry<T>): void {
    let { at } = entry
    for (let above = (at - 1) >> 1; at > 0 && isBefore(entry, this.#heap[above]); above = (at - 1) >> 1) {
      this.#put(this.#heap[above], at)
      at = above
    }
    for (let below = this.#lesserBelow(at); below !== -1 && isBefore(this.#heap[below], entry); ) {
      this.#put(this.#heap[below], at)
      at = below
      below = this.#lesserBelow(at)
    }
    this.#put(entry, at)
  }

  #lesserBelow(at: number): number {
    const left = 2 * at + 1
    if (left >= this.#heap.length) return -1
    return left + 1 < this.#heap.length && isBefore(this.#heap[left + 1], this.#heap[left]) ? left + 1 : left
  }
}

function isBefore<T>(a: Entry<T>, b: Entry<T>): boolean {
  return a.dueUs < b.dueUs || (a.dueUs === b.dueUs && a.order < b.order)
}
