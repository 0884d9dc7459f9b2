/**
 * The keys of ESP SAs that the operator supplied, by what names an SA on the wire: destination, SPI and, where two hosts chose the
 * same SPI, source (RFC 4301 section 4.1).
 *
 * Whoever exports keys sees the addresses of his side. Between there and here a translator of addresses may stand, so that keys
 * with other addresses are tried too, last, and only if opening a packet proves that they fit.
 */
import type { EspKeys } from '../wire/esp-algorithms.ts'

/** An address of which some bits may be anything. */
export interface AddressPattern {
  /** 4 or 16 octets, zero where the mask is. */
  readonly octets: Uint8Array
  readonly mask: Uint8Array
}

export interface EspKeyEntry {
  /** Null for any. */
  readonly source: AddressPattern | null
  readonly destination: AddressPattern | null
  /** Unsigned, zero where the mask is. */
  readonly spi: number
  readonly spiMask: number
  /** Null if the algorithms are none that can be opened; then `unsupported` names them. */
  readonly keys: EspKeys | null
  readonly unsupported?: string
}

const WHOLE_SPI = 0xffff_ffff
/** SAs with one SPI that one packet may be tried with. */
const CANDIDATES_MAX = 8

export class EspKeyring {
  readonly #bySpi = new Map<number, EspKeyEntry[]>()
  readonly #wildcards: EspKeyEntry[] = []

  constructor(entries: readonly EspKeyEntry[]) {
    this.replace(entries)
  }

  /** Other keys from now on. */
  replace(entries: readonly EspKeyEntry[]): void {
    this.#bySpi.clear()
    this.#wildcards.length = 0
    for (const entry of entries) {
      if (entry.spiMask !== WHOLE_SPI) this.#wildcards.push(entry)
      else {
        const known = this.#bySpi.get(entry.spi)
        if (known === undefined) this.#bySpi.set(entry.spi, [entry])
        else known.push(entry)
      }
    }
  }

  get isEmpty(): boolean {
    return this.#bySpi.size === 0 && this.#wildcards.length === 0
  }

  /**
   * What to try on the packets of an SA, the likeliest first. The addresses stand in `bytes`, each of `length` octets. Allocates:
   * for an SA, not for every packet.
   */
  candidates(bytes: Uint8Array, sourceAt: number, destinationAt: number, length: number, spi: number): EspKeyEntry[] {
    const named = this.#bySpi.get(spi) ?? []
    const fits = (entry: EspKeyEntry) =>
      covers(entry.destination, bytes, destinationAt, length) && covers(entry.source, bytes, sourceAt, length)
    const exact = named.filter(fits)
    const patterns = this.#wildcards.filter((entry) => (spi & entry.spiMask) >>> 0 === entry.spi && fits(entry))
    const translated = named.filter((entry) => !fits(entry) && entry.keys?.isAuthenticated === true)
    return [...exact, ...patterns, ...translated].slice(0, CANDIDATES_MAX)
  }
}

function covers(pattern: AddressPattern | null, bytes: Uint8Array, at: number, length: number): boolean {
  if (pattern === null) return true
  const { octets, mask } = pattern
  if (octets.length !== length) return false
  for (let i = 0; i < length; i++) if ((bytes[at + i] & mask[i]) !== octets[i]) return false
  return true
}
