/**
 * Recognises ESP that encrypts nothing (RFC 2410, RFC 4543), without being told (RFC 5879).
 *
 * A packet says neither its algorithms nor where its check value begins. So every length that a check value may have is tried: does
 * a trailer stand before it, and does the content look like what the trailer names? Each such sign is counted in bits, by how
 * seldom random octets show it. An association counts as not encrypted when enough packets agree, and as encrypted when enough
 * have shown nothing; from then on its packets cost one comparison.
 */
import { NO_BYTES } from '../base/bytes.ts'
import { EspTrailerView, type EspView, isCarriedByEsp } from './esp.ts'
import { CONTRADICTION, evidenceOf } from './esp-content.ts'
import type { IpView } from './ip.ts'

/** Octets before and behind content and trailer. */
interface Layout {
  readonly ivLength: number
  readonly icvLength: number
}

/** The lengths of RFC 5879 section 8.1, AES-GMAC with its initialisation vector, and no check value at all, which exists. */
export const NULL_LAYOUTS: readonly Layout[] = [
  { ivLength: 0, icvLength: 12 },
  { ivLength: 0, icvLength: 16 },
  { ivLength: 8, icvLength: 16 },
  { ivLength: 0, icvLength: 24 },
  { ivLength: 0, icvLength: 32 },
  { ivLength: 0, icvLength: 0 },
]

/** What is known of an association. */
export const NULL_VERDICT = { UNDECIDED: 0, NOT_ENCRYPTED: 1, ENCRYPTED: 2 } as const
export type NullVerdict = (typeof NULL_VERDICT)[keyof typeof NULL_VERDICT]

/** One next header in eight of the possible is known, and four octets' alignment leaves four lengths of padding. */
const BITS_OF_NEXT_HEADER = 3
const BITS_OF_SHORT_PADDING = 6
const SHORT_PADDING_MAX = 3
const BITS_OF_PADDING_MAX = 24
/** Random octets pass six layouts of one packet by chance less often than once in 2^60. */
const BITS_WANTED = 64
/** So much in one packet lets it be read before others agree: the first packets of a tunnel are those that tell most of it. */
const BITS_CONCLUSIVE = 48
/** Packets without any sign, all in all, that make an association an encrypted one. */
const MISSES_MAX = 8

export interface NullLimits {
  /** Packets that must agree before an association counts as not encrypted. */
  readonly packetsMin: number
}

/** The memory of one association. */
export class NullState {
  verdict: NullVerdict = NULL_VERDICT.UNDECIDED
  /** In `NULL_LAYOUTS`; -1 while no packet showed a sign. */
  layout = -1
  /** Evidence for that layout. */
  bits = 0
  agreed = 0
  missed = 0

  reset(): void {
    this.verdict = NULL_VERDICT.UNDECIDED
    this.layout = -1
    this.bits = 0
    this.agreed = 0
    this.missed = 0
  }

  /** Between 0 and 1: how sure it is that nothing is encrypted. */
  get confidence(): number {
    return this.agreed === 0 ? 0 : 1 - 2 ** -Math.min(this.bits, BITS_WANTED)
  }
}

/** Looks at packets; of the one looked at last it gives the content. */
export class NullRecogniser {
  bytes: Uint8Array = NO_BYTES
  contentStart = 0
  contentEnd = 0
  nextHeader = 0
  padLength = 0
  readonly #packetsMin: number
  readonly #trailer = new EspTrailerView()

  constructor({ packetsMin }: NullLimits) {
    this.#packetsMin = packetsMin
  }

  /**
   * Whether the packet is not encrypted; then its content can be read. `ip` is the header outside, for the checksums of transport
   * mode.
   */
  look(state: NullState, esp: EspView, ip: IpView | null): boolean {
    if (state.verdict === NULL_VERDICT.ENCRYPTED || esp.isSnapped) return false
    if (state.verdict === NULL_VERDICT.UNDECIDED && this.#learn(state, esp, ip) < BITS_CONCLUSIVE) return false
    return this.#read(esp, NULL_LAYOUTS[state.layout])
  }

  /** Gives the evidence in bits, or as much as is conclusive where earlier packets made up for it. */
  #learn(state: NullState, esp: EspView, ip: IpView | null): number {
    let best = -1
    let bits = 0
    for (let i = 0; i < NULL_LAYOUTS.length; i++) {
      const weight = this.#read(esp, NULL_LAYOUTS[i]) ? this.#weigh(ip) : CONTRADICTION
      // Of equals the one that earlier packets spoke for.
      if (weight > bits || (weight === bits && i === state.layout)) {
        best = i
        bits = weight
      }
    }
    if (best === -1) {
      if (++state.missed >= MISSES_MAX) state.verdict = NULL_VERDICT.ENCRYPTED
      return 0
    }
    if (best !== state.layout) {
      state.layout = best
      state.bits = 0
      state.agreed = 0
    }
    state.bits += bits
    state.agreed++
    if (state.bits < BITS_WANTED || state.agreed < this.#packetsMin) return bits
    state.verdict = NULL_VERDICT.NOT_ENCRYPTED
    return BITS_CONCLUSIVE
  }

  /** Whether a trailer stands where this layout has it. */
  #read({ bytes, payloadStart, payloadEnd }: EspView, { ivLength, icvLength }: Layout): boolean {
    const trailer = this.#trailer
    if (trailer.decode(bytes, payloadStart + ivLength, payloadEnd - icvLength) !== null) return false
    if (!isCarriedByEsp(trailer.nextHeader)) return false
    this.bytes = bytes
    this.contentStart = trailer.contentStart
    this.contentEnd = trailer.contentEnd
    this.nextHeader = trailer.nextHeader
    this.padLength = trailer.padLength
    return true
  }

  #weigh(ip: IpView | null): number {
    const { bytes, contentStart, contentEnd, nextHeader, padLength } = this
    const ofContent = evidenceOf(nextHeader, bytes, contentStart, contentEnd, ip)
    if (ofContent === CONTRADICTION) return CONTRADICTION
    const ofPadding = Math.min(padLength * 8, BITS_OF_PADDING_MAX)
    const ofItsLength = padLength <= SHORT_PADDING_MAX ? BITS_OF_SHORT_PADDING : 0
    return BITS_OF_NEXT_HEADER + ofPadding + ofItsLength + ofContent
  }
}
