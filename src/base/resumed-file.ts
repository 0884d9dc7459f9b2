/**
 * A file that is open already and written from where it is, as stdout and stderr may be. What a full disk cut off goes on where it stopped
 * before anything else is written, so that no line stays torn.
 */
import { writeSync } from 'node:fs'

const NOTHING = new Uint8Array(0)

export class ResumedFile {
  readonly #descriptor: number
  #rest: Uint8Array = NOTHING

  constructor(descriptor: number) {
    this.#descriptor = descriptor
  }

  /** Writes what is left of what was begun. Throws the system's error: then some of it may still be left. */
  resume(): void {
    while (this.#rest.length > 0) this.#rest = this.#rest.subarray(writeSync(this.#descriptor, this.#rest))
  }

  /** Throws the system's error: what is left of them is written first the next time, unless these were not begun. */
  write(bytes: Uint8Array): void {
    this.resume()
    this.#rest = bytes
    try {
      this.resume()
    } catch (error) {
      if (this.#rest.length === bytes.length) this.#rest = NOTHING
      throw error
    }
  }

  /** Whether something was begun that is not whole. */
  get isTorn(): boolean {
    return this.#rest.length > 0
  }
}
