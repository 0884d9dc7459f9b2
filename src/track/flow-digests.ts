/** Digests of flows that live, by their numbers. As strings they were as many objects as flows, which the garbage collector moved. */

/** Hexadecimal digits of each that are kept. */
const DIGITS = 32
const FIRST_FLOWS = 1024

export class FlowDigests {
  #digits = Buffer.alloc(FIRST_FLOWS * DIGITS)

  /** The first 32 digits; empty if none was set. */
  get(flow: number): string {
    const at = flow * DIGITS
    return at < this.#digits.length && this.#digits[at] !== 0 ? this.#digits.toString('latin1', at, at + DIGITS) : ''
  }

  /** `digest` is hexadecimal, 32 digits or more. */
  set(flow: number, digest: string): void {
    const at = flow * DIGITS
    if (at >= this.#digits.length) this.#grow(at + DIGITS)
    this.#digits.write(digest, at, DIGITS, 'latin1')
  }

  delete(flow: number): void {
    const at = flow * DIGITS
    if (at < this.#digits.length) this.#digits[at] = 0
  }

  #grow(bytes: number): void {
    const larger = Buffer.alloc(Math.max(bytes, this.#digits.length * 2))
    larger.set(this.#digits)
    this.#digits = larger
  }
}
