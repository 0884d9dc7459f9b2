/**
 * Microsoft Point-to-Point Compression (RFC 2118), undone: literals, and copies from the last 8192 octets.
 *
 * One object a direction of a link. A lost packet is missing from the history of all that follow, until one of them says
 * that its sender began afresh.
 */

export const MPPC_HISTORY_LENGTH = 8192
const MASK = MPPC_HISTORY_LENGTH - 1

/** `mppc.offset`: a copy from before the beginning. `mppc.length`: a copy longer than the history, or more data than fit. */
export type MppcFlaw = 'mppc.truncated' | 'mppc.offset' | 'mppc.length'

/** How many ones stand before the length of a copy tells how many bits of it follow; more than these is no length. */
const LENGTH_ONES_MAX = 11

export class MppcDecompressor {
  readonly #history = new Uint8Array(MPPC_HISTORY_LENGTH)
  #position = 0
  /** Octets of the history that were ever written, up to all of them. */
  #filled = 0
  /** After null: how many octets `decompress` wrote. */
  length = 0

  // The bits of the packet, read from the highest of each octet down.
  #bytes: Uint8Array = this.#history
  #at = 0
  #end = 0
  #left = 0

  /** The sender's history is empty. */
  flush(): void {
    this.#position = 0
    this.#filled = 0
  }

  copyFrom(other: MppcDecompressor): void {
    this.#history.set(other.#history)
    this.#position = other.#position
    this.#filled = other.#filled
  }

  /** The data after a header with bit C; `isAtFront` is its bit B. Writes into `target` from its beginning. */
  decompress(bytes: Uint8Array, start: number, end: number, isAtFront: boolean, target: Uint8Array): MppcFlaw | null {
    if (isAtFront) this.#position = 0
    this.#bytes = bytes
    this.#at = start
    this.#end = end
    this.#left = 8
    this.length = 0
    // The last octet is filled up with zeros: fewer than eight bits that are no whole literal.
    while (this.#remaining() >= 8) {
      const flaw = this.#next(target)
      if (flaw !== null) return flaw
    }
    return null
  }

  #next(target: Uint8Array): MppcFlaw | null {
    if (this.#bits(1) === 0) return this.#literal(this.#bits(7), target)
    if (this.#bits(1) === 0)
      return this.#remaining() < 7 ? 'mppc.truncated' : this.#literal(0x80 | this.#bits(7), target)
    const offset = this.#offset()
    const length = this.#length()
    if (offset === -1 || length === -1) return 'mppc.truncated'
    if (offset === 0 || offset > this.#filled) return 'mppc.offset'
    if (length > MPPC_HISTORY_LENGTH || this.length + length > target.length) return 'mppc.length'
    for (let i = 0; i < length; i++) this.#put(this.#history[(this.#position - offset) & MASK], target)
    return null
  }

  #literal(octet: number, target: Uint8Array): MppcFlaw | null {
    if (this.length === target.length) return 'mppc.length'
    this.#put(octet, target)
    return null
  }

  #put(octet: number, target: Uint8Array): void {
    this.#history[this.#position] = octet
    this.#position = (this.#position + 1) & MASK
    if (this.#filled < MPPC_HISTORY_LENGTH) this.#filled++
    target[this.length++] = octet
  }

  /** After 11: 11 and 6 bits, 10 and 8 bits, or 0 and 13 bits, each counted from where the shorter form ends. */
  #offset(): number {
    if (this.#remaining() < 8) return -1
    if (this.#bits(1) === 0) return this.#remaining() < 13 ? -1 : this.#bits(13) + 320
    if (this.#bits(1) === 1) return this.#remaining() < 6 ? -1 : this.#bits(6)
    return this.#remaining() < 8 ? -1 : this.#bits(8) + 64
  }

  /** A zero is 3; n ones and a zero come before n + 1 bits, which count from 2 to the power n + 1. */
  #length(): number {
    let ones = 0
    while (this.#remaining() > 0) {
      if (this.#bits(1) === 0) {
        if (ones === 0) return 3
        return this.#remaining() < ones + 1 ? -1 : (2 << ones) + this.#bits(ones + 1)
      }
      if (++ones > LENGTH_ONES_MAX) return MPPC_HISTORY_LENGTH + 1
    }
    return -1
  }

  #remaining(): number {
    return (this.#end - this.#at - 1) * 8 + this.#left
  }

  /** The caller has looked that so many remain. */
  #bits(count: number): number {
    let value = 0
    for (let wanted = count; wanted > 0; ) {
      const taken = Math.min(wanted, this.#left)
      this.#left -= taken
      value = (value << taken) | ((this.#bytes[this.#at] >> this.#left) & ((1 << taken) - 1))
      wanted -= taken
      if (this.#left === 0) {
        this.#at++
        this.#left = 8
      }
    }
    return value
  }
}
