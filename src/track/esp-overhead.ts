/**
 * What an ESP packet adds to what it carries, and so what the length of an ESP packet says of the length inside.
 *
 * ESP (RFC 4303 section 2) is SPI and sequence number (8 octets), the IV, the ciphertext, and the ICV. The ciphertext holds the
 * payload, padding, one octet of pad length and one of next header, and is a multiple of the cipher's block, and of 4. So of
 * the payload an upper bound is certain; the lower one holds for a sender that pads no more than it must, as all common
 * ones do unless they are told to hide lengths (RFC 4303 section 2.7).
 */
import { ENCRYPTIONS } from '../wire/esp-algorithms.ts'

/** SPI and sequence number. */
const HEADER = 8
/** Pad length and next header. */
const TRAILER = 2
/** Pad length and next header end on one (RFC 4303 section 2.4). */
const WORD = 4
const RESIDUES = 16

/** Of separate integrity algorithms, in octets: 96 bits (RFC 2403, 2404, 3566, 4494), 128, 192 and 256 (RFC 4868). */
const ICV_LENGTHS = [12, 16, 24, 32] as const

/** What makes the length of an ESP packet, in octets. */
export interface EspSuite {
  /** The encryption, and the bits of a separate ICV (`AES-CBC/96`) or the octets of one of its own (`AES-GCM-16`). */
  readonly name: string
  readonly ivLength: number
  readonly icvLength: number
  /** What the length of the ciphertext is a multiple of. */
  readonly alignment: number
}

/** Every encryption with every length of ICV that it may be combined with. */
export const ESP_SUITES: readonly EspSuite[] = Object.entries(ENCRYPTIONS).flatMap(([encryption, algorithm]) => {
  const { ivLength, blockLength, icvLengths } = algorithm
  const alignment = Math.max(WORD, blockLength)
  const own = icvLengths.map((icvLength) => ({ name: `${encryption}-${icvLength}`, icvLength }))
  const separate = ICV_LENGTHS.map((icvLength) => ({ name: `${encryption}/${icvLength * 8}`, icvLength }))
  return (own.length > 0 ? own : separate).map(({ name, icvLength }) => ({ name, ivLength, icvLength, alignment }))
})

/** Suites that no length tells apart: the octets of IV and ICV together, and the alignment. */
export interface EspShape {
  readonly overhead: number
  readonly alignment: number
  readonly suites: readonly string[]
}

export const ESP_SHAPES: readonly EspShape[] = shapesOf(ESP_SUITES)

function shapesOf(suites: readonly EspSuite[]): EspShape[] {
  const shapes = new Map<string, { overhead: number; alignment: number; suites: string[] }>()
  for (const { name, ivLength, icvLength, alignment } of suites) {
    const overhead = ivLength + icvLength
    const key = `${alignment} ${overhead}`
    const shape = shapes.get(key) ?? { overhead, alignment, suites: [] }
    shape.suites.push(name)
    shapes.set(key, shape)
  }
  return [...shapes.values()].sort((a, b) => a.alignment - b.alignment || a.overhead - b.overhead)
}

/** Whether an ESP packet of that length, SPI to ICV, can be of that shape. */
export function isPossible(shape: EspShape, espLength: number): boolean {
  const ciphertext = espLength - HEADER - shape.overhead
  return ciphertext >= shape.alignment && ciphertext % shape.alignment === 0
}

/** The longest payload (transport header and all) that an ESP packet of that length can carry. Certain. */
export function innerMax(shape: EspShape, espLength: number): number {
  return espLength - HEADER - shape.overhead - TRAILER
}

/** The shortest payload, of a sender that pads no more than it must. */
export function innerMin(shape: EspShape, espLength: number): number {
  return Math.max(0, innerMax(shape, espLength) - shape.alignment + 1)
}

/** The length, SPI to ICV, of the ESP packet that carries a payload with no more padding than needed. */
export function espLengthOf(shape: EspShape, innerLength: number): number {
  return HEADER + shape.overhead + Math.ceil((innerLength + TRAILER) / shape.alignment) * shape.alignment
}

/** What the lengths of the packets of one association pair have in common. */
export interface EspLengths {
  /** Bit n: a length of 4 n modulo 16 was seen. */
  readonly residues: number
  readonly lengthMin: number
  /** Different lengths seen, at least. */
  readonly distinct: number
}

const ROW = 3
const RESIDUES_SEEN = 0
const LENGTH_MIN = 1
/** Lengths seen, by their value modulo 32 units of 4: enough to count the first dozens. */
const LENGTHS_SEEN = 2

/** The lengths seen, a row of three numbers a pair. */
export class EspLengthTable {
  #rows = new Int32Array(64 * ROW)

  open(index: number): void {
    if ((index + 1) * ROW > this.#rows.length) {
      const rows = new Int32Array((index + 1) * ROW * 2)
      rows.set(this.#rows)
      this.#rows = rows
    }
    this.#rows.fill(0, index * ROW, (index + 1) * ROW)
  }

  see(index: number, espLength: number): void {
    const rows = this.#rows
    const at = index * ROW
    rows[at + RESIDUES_SEEN] |= residueBit(espLength)
    rows[at + LENGTHS_SEEN] |= 1 << ((espLength >> 2) & 31)
    if (rows[at + LENGTH_MIN] === 0 || espLength < rows[at + LENGTH_MIN]) rows[at + LENGTH_MIN] = espLength
  }

  lengths(index: number): EspLengths {
    const at = index * ROW
    return {
      residues: this.#rows[at + RESIDUES_SEEN],
      lengthMin: this.#rows[at + LENGTH_MIN],
      distinct: bitCount(this.#rows[at + LENGTHS_SEEN]),
    }
  }
}

function bitCount(bits: number): number {
  let count = 0
  for (let left = bits; left !== 0; left &= left - 1) count++
  return count
}

/** Bit of `EspLengths.residues`; 0 for a length that no ESP packet of a known suite has. */
function residueBit(espLength: number): number {
  return (espLength & 3) === 0 ? 1 << ((espLength & (RESIDUES - 1)) >> 2) : 0
}

/** The shapes that no length seen rules out, in the order of `ESP_SHAPES`. */
export function possibleShapes({ residues, lengthMin }: EspLengths): EspShape[] {
  return ESP_SHAPES.filter((shape) => (residues & ~residuesOf(shape)) === 0 && lengthMin >= espLengthOf(shape, 0))
}

/** The residues that packets of a shape can have. */
function residuesOf({ overhead, alignment }: EspShape): number {
  let bits = 0
  for (let ciphertext = 0; ciphertext < RESIDUES; ciphertext += alignment)
    bits |= residueBit(HEADER + overhead + ciphertext)
  return bits
}

/**
 * How likely a finer alignment would have shown only these residues by chance, 0 to 1: what is left of the doubt that the
 * cipher's block is as coarse as it looks. Each further different length had to fall on the same residues.
 */
export function alignmentDoubt({ residues, distinct }: EspLengths): number {
  const seen = [0, 1, 2, 3].filter((bit) => (residues & (1 << bit)) !== 0).length
  return seen === 0 ? 1 : (seen / 4) ** Math.max(0, distinct - seen)
}

/** Bounds of the payload under every shape in question: none of them is excluded by the length itself. */
export function innerBounds(shapes: readonly EspShape[], espLength: number): { min: number; max: number } | null {
  const fitting = shapes.filter((shape) => isPossible(shape, espLength))
  if (fitting.length === 0) return null
  return {
    min: Math.min(...fitting.map((shape) => innerMin(shape, espLength))),
    max: Math.max(...fitting.map((shape) => innerMax(shape, espLength))),
  }
}
