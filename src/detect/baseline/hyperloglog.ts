/**
 * HyperLogLog: how many different values a stream held, in a kilobyte (Flajolet, Fusy, Gandouet, Meunier 2007). With 1,024
 * registers the standard error is 3.3 %; up to 64 values are kept as they are and counted exactly.
 */
import { hash } from 'node:crypto'

const BITS = 10
const REGISTERS = 1 << BITS
const ALPHA = 0.7213 / (1 + 1.079 / REGISTERS)
const EXACT_MAX = 64
/** What a value that is kept takes in memory, its characters included. */
const VALUE_BYTES = 80

export class HyperLogLog {
  #exact: Set<string> | null = new Set()
  #registers: Uint8Array | null = null

  add(value: string): void {
    if (this.#exact !== null) {
      this.#exact.add(value)
      if (this.#exact.size > EXACT_MAX) this.#spill(this.#exact)
    } else this.#count(value)
  }

  /** An estimate of what it takes in memory. */
  get bytes(): number {
    return this.#exact === null ? REGISTERS : this.#exact.size * VALUE_BYTES
  }

  get size(): number {
    if (this.#registers === null) return this.#exact?.size ?? 0
    let sum = 0
    let empty = 0
    for (const register of this.#registers) {
      sum += 2 ** -register
      if (register === 0) empty++
    }
    const estimate = (ALPHA * REGISTERS * REGISTERS) / sum
    // Small numbers are counted better by the registers that are still empty.
    const isSmall = estimate <= 2.5 * REGISTERS && empty > 0
    return Math.round(isSmall ? REGISTERS * Math.log(REGISTERS / empty) : estimate)
  }

  #spill(values: ReadonlySet<string>): void {
    this.#registers = new Uint8Array(REGISTERS)
    this.#exact = null
    for (const value of values) this.#count(value)
  }

  #count(value: string): void {
    if (this.#registers === null) return
    const digest = Number.parseInt(hash('sha1', value).slice(0, 12), 16)
    const register = digest % REGISTERS
    const rest = Math.floor(digest / REGISTERS)
    // Of the 38 bits that are left, the place of the lowest one that is set.
    let rank = 1
    for (let bits = rest; rank < 38 && bits % 2 === 0; bits /= 2) rank++
    if (rank > this.#registers[register]) this.#registers[register] = rank
  }
}
