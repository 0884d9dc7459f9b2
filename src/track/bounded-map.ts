/** A `Map` that forgets its oldest entry when it is full: what a flow may make the sensor remember. */
export class BoundedMap<K, V> {
  readonly #capacity: number
  readonly #entries = new Map<K, V>()

  constructor(capacity: number) {
    this.#capacity = capacity
  }

  get(key: K): V | undefined {
    return this.#entries.get(key)
  }

  set(key: K, value: V): void {
    this.#entries.delete(key)
    if (this.#entries.size >= this.#capacity) this.#entries.delete(this.#entries.keys().next().value as K)
    this.#entries.set(key, value)
  }

  /** The entry, which is not kept. */
  take(key: K): V | undefined {
    const value = this.#entries.get(key)
    this.#entries.delete(key)
    return value
  }

  values(): IterableIterator<V> {
    return this.#entries.values()
  }
}
