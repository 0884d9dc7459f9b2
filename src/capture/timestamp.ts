/**
 * pcapng timestamps: a 64-bit count of units since 1970, the unit being any negative power of 10 or 2 (if_tsresol), plus
 * whole seconds (if_tsoffset).
 *
 * Nanoseconds since 1970 do not fit the 53 bits of a double. All divisions are therefore done on two 32-bit words, with
 * divisors small enough that every intermediate value is exact.
 */
import { u16By, u32By } from './byte-order.ts'

const WORD = 0x1_0000_0000
const POWER_OF_TWO = 0x80
const DIVISOR_DIGITS_MAX = 6

/** What a stamp writes; a packet has these fields. */
interface Stamped {
  timeUs: number
  timeNs: number
}

export class TimestampUnit {
  /** As in '10^-6 s'. */
  readonly name: string
  readonly #offsetUs: number
  /** Bits after the binary point, or -1 for a decimal unit. */
  readonly #bits: number
  readonly #scaleToUs: number
  readonly #divisorToUs: number
  readonly #scaleToNs: number
  readonly #divisorsToNs: number[] = []
  #high = 0
  #low = 0

  /** `resolution` is the octet of if_tsresol; 6, a microsecond, when the option is absent. */
  constructor(resolution: number, offsetSeconds: number) {
    const exponent = resolution & ~POWER_OF_TWO
    const isBinary = (resolution & POWER_OF_TWO) !== 0
    this.name = `${isBinary ? 2 : 10}^-${exponent} s`
    this.#offsetUs = offsetSeconds * 1e6
    this.#bits = isBinary ? exponent : -1
    this.#scaleToUs = 10 ** Math.max(6 - exponent, 0)
    this.#divisorToUs = 10 ** Math.min(Math.max(exponent - 6, 0), 3)
    this.#scaleToNs = 1000 / this.#divisorToUs
    for (let digits = exponent - 9; digits > 0; digits -= DIVISOR_DIGITS_MAX) {
      this.#divisorsToNs.push(10 ** Math.min(digits, DIVISOR_DIGITS_MAX))
    }
  }

  /** Reads the high and the low word at `at`. False when the time lies outside 0 .. 2^53 - 1 us and was moved to that bound. */
  stamp(into: Stamped, bytes: Uint8Array, at: number, isLittle: boolean): boolean {
    if (this.#bits === -1 && this.#divisorsToNs.length === 0) {
      this.#stampCommon(into, bytes, at, isLittle)
    } else {
      this.#high = u32By(bytes, at, isLittle)
      this.#low = u32By(bytes, at + 4, isLittle)
      if (this.#bits === -1) this.#stampFine(into)
      else this.#stampBinary(into)
    }
    into.timeUs += this.#offsetUs
    if (into.timeUs >= 0 && into.timeUs <= Number.MAX_SAFE_INTEGER) return true
    into.timeUs = into.timeUs < 0 ? 0 : Number.MAX_SAFE_INTEGER
    into.timeNs = 0
    return false
  }

  /**
   * Seconds to nanoseconds, which is every file in practice. The low word is read in halves, because a call that is not
   * inlined allocates the number that it returns when that is 2^31 or more.
   */
  #stampCommon(into: Stamped, bytes: Uint8Array, at: number, isLittle: boolean): void {
    const high = u32By(bytes, at, isLittle)
    const low =
      u16By(bytes, isLittle ? at + 6 : at + 4, isLittle) * 0x1_0000 + u16By(bytes, isLittle ? at + 4 : at + 6, isLittle)
    const divisor = this.#divisorToUs
    if (divisor === 1) {
      into.timeUs = (high * WORD + low) * this.#scaleToUs
      into.timeNs = 0
      return
    }
    const carry = high % divisor
    const rest = carry * WORD + low
    const quotient = Math.floor(rest / divisor)
    into.timeUs = ((high - carry) / divisor) * WORD + quotient
    into.timeNs = (rest - quotient * divisor) * this.#scaleToNs
  }

  /** Finer than a nanosecond: down to nanoseconds, six digits at a time, then to microseconds. */
  #stampFine(into: Stamped): void {
    for (const divisor of this.#divisorsToNs) this.#divide(divisor)
    const remainder = this.#divide(this.#divisorToUs)
    into.timeUs = this.#high * WORD + this.#low
    into.timeNs = remainder
  }

  /** Divides the two words; the remainder times 2^32 stays below 2^53 because the divisor is at most 10^6. */
  #divide(divisor: number): number {
    const carry = this.#high % divisor
    const rest = carry * WORD + this.#low
    this.#high = (this.#high - carry) / divisor
    this.#low = Math.floor(rest / divisor)
    return rest - this.#low * divisor
  }

  /** Splits at the binary point, then multiplies the 64-bit fraction by 1000 three times: each carry is three digits. */
  #stampBinary(into: Stamped): void {
    const bits = this.#bits
    const seconds = bits >= 64 ? 0 : bits >= 32 ? Math.floor(this.#high / 2 ** (bits - 32)) : this.#whole(bits)
    this.#alignFraction(bits)
    const milliseconds = this.#carryThousand()
    const microseconds = this.#carryThousand()
    into.timeUs = seconds * 1e6 + milliseconds * 1000 + microseconds
    into.timeNs = this.#carryThousand()
  }

  #whole(bits: number): number {
    return this.#high * 2 ** (32 - bits) + Math.floor(this.#low / 2 ** bits)
  }

  /** Shifts the fraction's highest bit to the top of the two words. */
  #alignFraction(bits: number): void {
    const high = this.#high
    const low = this.#low
    if (bits <= 32) {
      this.#high = (low % 2 ** bits) * 2 ** (32 - bits)
      this.#low = 0
    } else if (bits <= 64) {
      const shift = 2 ** (64 - bits)
      this.#high = ((high * shift) % WORD) + Math.floor((low * shift) / WORD)
      this.#low = (low * shift) % WORD
    } else {
      const shift = 2 ** (bits - 64)
      this.#high = Math.floor(high / shift)
      this.#low = Math.floor(((high % shift) * WORD) / shift) + Math.floor(low / shift)
    }
  }

  #carryThousand(): number {
    const low = this.#low * 1000
    const high = this.#high * 1000 + Math.floor(low / WORD)
    this.#low = low % WORD
    this.#high = high % WORD
    return Math.floor(high / WORD)
  }
}
