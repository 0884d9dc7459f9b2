/** Lines of a bulk request, put together in one piece of memory. */

/** What a batch takes with the usual bounds; it grows where that is not enough. */
const BYTES = 3 << 20

export class Lines {
  #bytes = Buffer.allocUnsafeSlow(BYTES)
  #length = 0

  get length(): number {
    return this.#length
  }

  /** Gives where it ends. */
  append(text: string): number {
    // A character takes three octets at most: those of four are two characters here.
    const most = this.#length + text.length * 3
    if (most > this.#bytes.length) {
      const bytes = Buffer.allocUnsafeSlow(Math.max(most, this.#bytes.length * 2))
      this.#bytes.copy(bytes, 0, 0, this.#length)
      this.#bytes = bytes
    }
    this.#length += this.#bytes.write(text, this.#length)
    return this.#length
  }

  /** Copies nothing. */
  range(from: number, until: number): Buffer {
    return this.#bytes.subarray(from, until)
  }
}
