/** What is to be done and when: a binary heap. Equal times come out in the order in which they went in. */
export class Agenda<T> {
  readonly #heap: { due: number; order: number; item: T }[] = []
  #order = 0

  get size(): number {
    return this.#heap.length
  }

  /** When the first item is due; only if there is one. */
  get due(): number {
    return this.#heap[0].due
  }

  push(due: number, item: T): void {
    const heap = this.#heap
    let at = heap.push({ due, order: this.#order++, item }) - 1
    while (at > 0) {
      const parent = (at - 1) >> 1
      if (!this.#swapped(at, parent)) return
      at = parent
    }
  }

  /** The first item; throws a RangeError if there is none. */
  pop(): T {
    const heap = this.#heap
    const last = heap.pop()
    if (last === undefined) throw new RangeError('the agenda is empty')
    if (heap.length === 0) return last.item
    const { item } = heap[0]
    heap[0] = last
    for (let at = 0; ; ) {
      const left = 2 * at + 1
      if (left >= heap.length) return item
      const child = left + 1 < heap.length && this.#isBefore(left + 1, left) ? left + 1 : left
      if (!this.#swapped(child, at)) return item
      at = child
    }
  }

  #isBefore(a: number, b: number): boolean {
    const [first, second] = [this.#heap[a], this.#heap[b]]
    return first.due < second.due || (first.due === second.due && first.order < second.order)
  }

  #swapped(child: number, parent: number): boolean {
    if (!this.#isBefore(child, parent)) return false
    const heap = this.#heap
    const kept = heap[child]
    heap[child] = heap[parent]
    heap[parent] = kept
    return true
  }
}
