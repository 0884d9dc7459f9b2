/** A `Map` that forgets its oldest entry when it is full: what a flow may make the sensor remember. */
export class BoundedMap<K, V> {
  readonly #capacity: number
  readonly #entries = new Map<K, V>()
  /**
   * Where the oldest entry is looked for: all that stood before it have been forgotten. A walk that begins anew each time goes
   * over the holes that they left, thousands in a large map.
   */
  readonly #oldest = this.#entries.keys()

  constructor(capacity: number) {
    this.#capacity = capacity
  }

  get(key: K): V | undefined {
    return this.#entries.get(key)
  }

  set(key: K, value: V): void {
    this.#entries.delete(key)
    if (this.#entries.size >= this.#capacity) this.#entries.delete(this.#oldest.next().value as K)
    this.#entries.set(key, value)
  }

  /** The entry, which is not kept. */
  take(key: K): V | undefined {
    const value = this.#entries.get(key)
    this.#entries.delete(key)
    return value
  }

  /** The oldest first. */
  entries(): IterableIterator<[K, V]> {
    return this.#entries.entries()
  }

  values(): IterableIterator<V> {
    return this.#entries.values()
  }
}
