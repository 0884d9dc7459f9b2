/** A `Map` that forgets its oldest entry when it is full: what a flow may make the sensor remember. */
const CHANGES_MIN = 64

export class BoundedMap<K, V> {
  readonly #capacity: number
  readonly #entries = new Map<K, V>()
  /**
   * Where the oldest entry is looked for: all that stood before it have been forgotten. A walk that begins anew each time goes
   * over the holes that they left, thousands in a large map.
   */
  #oldest = this.#entries.keys()
  /** An iterator keeps every table alive that the map has had since: a new one is taken before they are many. */
  #changes = 0

  constructor(capacity: number) {
    this.#capacity = capacity
  }

  get size(): number {
    return this.#entries.size
  }

  get(key: K): V | undefined {
    return this.#entries.get(key)
  }

  set(key: K, value: V): void {
    this.#entries.delete(key)
    this.makeRoom()
    this.#entries.set(key, value)
    this.#changed()
  }

  /** Forgets the oldest entry if there is no room for another one; gives its value. */
  makeRoom(): V | undefined {
    if (this.#entries.size < this.#capacity) return undefined
    const oldest = this.#oldest.next().value as K
    const value = this.#entries.get(oldest)
    this.#entries.delete(oldest)
    return value
  }

  /** The entry, which is not kept. */
  take(key: K): V | undefined {
    const value = this.#entries.get(key)
    if (this.#entries.delete(key)) this.#changed()
    return value
  }

  /** The oldest first. */
  entries(): IterableIterator<[K, V]> {
    return this.#entries.entries()
  }

  values(): IterableIterator<V> {
    return this.#entries.values()
  }

  #changed(): void {
    if (++this.#changes <= this.#entries.size + CHANGES_MIN) return
    this.#changes = 0
    this.#oldest = this.#entries.keys()
  }
}
