/** Equal values as one object: what a million sessions say of their calls is mostly the same. */
import { BoundedMap } from './bounded-map.ts'

/** Different ones that are remembered. */
const VALUES_MAX = 4096

export class SharedValues<T> {
  readonly #known = new BoundedMap<string, T>(VALUES_MAX)

  /** The value, or one that was given before and has the same JSON text. Nobody may change it. */
  share(value: T): T {
    const text = JSON.stringify(value)
    const known = this.#known.get(text)
    if (known !== undefined) return known
    this.#known.set(text, value)
    return value
  }
}
