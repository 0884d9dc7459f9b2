/**
 * An assembler for the classic BPF that sockets filter with (McCanne and Jacobson 1993; linux/filter.h): jumps by label, as
 * far as they like.
 */
import { isLittleEndian } from './interfaces.ts'

/** Instruction classes, sizes, modes and operations. */
const LD = 0x00
const LDX = 0x01
const ALU = 0x04
const JMP = 0x05
const RET = 0x06
const MISC = 0x07
const SIZE = { WORD: 0x00, HALF: 0x08, BYTE: 0x10 } as const
const MODE = { IMMEDIATE: 0x00, ABSOLUTE: 0x20, INDEXED: 0x40 } as const
const OPERATION = {
  ADD: 0x00,
  MULTIPLY: 0x20,
  AND: 0x50,
  SHIFT_LEFT: 0x60,
  SHIFT_RIGHT: 0x70,
  REMAINDER: 0x90,
} as const
const JUMP = { ALWAYS: 0x00, EQUAL: 0x10, GREATER_EQUAL: 0x30, ANY_BIT: 0x40 } as const
const BY_X = 0x08
const WHAT_A_SAYS = 0x10
const TAX = 0x00
const TXA = 0x80

/** What the kernel knows of a packet beside its bytes (SKF_AD_OFF and the places behind it in linux/filter.h). */
export const ANCILLARY = { PROTOCOL: 0xffff_f000, PACKET_TYPE: 0xffff_f004 } as const

export const INSTRUCTION_BYTES = 8
/** BPF_MAXINSNS. */
const INSTRUCTIONS_MAX = 4096
/** What a conditional jump can skip. */
const SKIP_MAX = 255

interface Plain {
  readonly code: number
  readonly k: number
}

/** To a label, or on to what follows. */
interface Branch extends Plain {
  readonly yes: string | null
  readonly no: string | null
  /** Whether the target is further than the instruction can say: then it jumps to a jump. */
  isYesFar: boolean
  isNoFar: boolean
}

type Item = Plain | Branch | { readonly goto: string } | { readonly label: string }

/** Statements in order; `assemble` makes the program. A and X are the registers of the machine. */
export class Assembler {
  readonly #items: Item[] = []

  label(label: string): this {
    return this.#add({ label })
  }

  /** A = the bytes at X + `at`, big-endian. A packet that does not have them is refused. */
  byte(at: number): this {
    return this.#add({ code: LD | SIZE.BYTE | MODE.INDEXED, k: at })
  }

  half(at: number): this {
    return this.#add({ code: LD | SIZE.HALF | MODE.INDEXED, k: at })
  }

  word(at: number): this {
    return this.#add({ code: LD | SIZE.WORD | MODE.INDEXED, k: at })
  }

  /** A = what the kernel knows beside the packet. */
  ancillary(place: (typeof ANCILLARY)[keyof typeof ANCILLARY]): this {
    return this.#add({ code: LD | SIZE.WORD | MODE.ABSOLUTE, k: place })
  }

  setX(value: number): this {
    return this.#add({ code: LDX | MODE.IMMEDIATE, k: value })
  }

  /** X = X + `count`; A is lost. */
  advance(count: number): this {
    return this.#add({ code: MISC | TXA, k: 0 })
      .add(count)
      .aToX()
  }

  aToX(): this {
    return this.#add({ code: MISC | TAX, k: 0 })
  }

  add(value: number): this {
    return this.#add({ code: ALU | OPERATION.ADD, k: value })
  }

  addX(): this {
    return this.#add({ code: ALU | OPERATION.ADD | BY_X, k: 0 })
  }

  /** Modulo 2^32. */
  multiply(value: number): this {
    return this.#add({ code: ALU | OPERATION.MULTIPLY, k: value })
  }

  remainder(divisor: number): this {
    return this.#add({ code: ALU | OPERATION.REMAINDER, k: divisor })
  }

  and(value: number): this {
    return this.#add({ code: ALU | OPERATION.AND, k: value })
  }

  shiftLeft(bits: number): this {
    return this.#add({ code: ALU | OPERATION.SHIFT_LEFT, k: bits })
  }

  shiftRight(bits: number): this {
    return this.#add({ code: ALU | OPERATION.SHIFT_RIGHT, k: bits })
  }

  ifEqual(value: number, yes: string | null, no: string | null = null): this {
    return this.#branch(JUMP.EQUAL, value, yes, no)
  }

  ifAtLeast(value: number, yes: string | null, no: string | null = null): this {
    return this.#branch(JUMP.GREATER_EQUAL, value, yes, no)
  }

  ifAnyBit(bits: number, yes: string | null, no: string | null = null): this {
    return this.#branch(JUMP.ANY_BIT, bits, yes, no)
  }

  goto(label: string): this {
    return this.#add({ goto: label })
  }

  /** Ends with so many bytes of the packet; 0 refuses it. */
  keep(bytes: number): this {
    return this.#add({ code: RET, k: bytes })
  }

  /** Ends with the value of A. */
  answer(): this {
    return this.#add({ code: RET | WHAT_A_SAYS, k: 0 })
  }

  /**
   * The program, as an array of struct sock_filter in the byte order of the machine. Throws a RangeError if it jumps
   * backwards, to nowhere, or is longer than the kernel takes.
   */
  assemble(): Uint8Array {
    while (this.#stretch());
    const places = this.#places()
    const program: number[][] = []
    for (const item of this.#items) {
      if ('label' in item) continue
      const next = program.length + 1
      if ('goto' in item) program.push([JMP | JUMP.ALWAYS, 0, 0, placeOf(places, item.goto, next) - next])
      else if ('yes' in item) program.push(...branchOf(item, places, next))
      else program.push([item.code, 0, 0, item.k])
    }
    if (program.length > INSTRUCTIONS_MAX)
      throw new RangeError(`a filter of ${program.length} instructions is too long`)
    return encode(program)
  }

  /** Makes the jumps far that do not reach. True if there were any: they move what is behind them. */
  #stretch(): boolean {
    const places = this.#places()
    let at = 0
    let isChanged = false
    for (const item of this.#items) {
      const length = lengthOf(item)
      if ('yes' in item) {
        for (const [target, far] of [
          ['yes', 'isYesFar'],
          ['no', 'isNoFar'],
        ] as const) {
          const label = item[target]
          if (label === null || item[far] || placeOf(places, label, at) - at - 1 <= SKIP_MAX) continue
          item[far] = true
          isChanged = true
        }
      }
      at += length
    }
    return isChanged
  }

  #places(): ReadonlyMap<string, number> {
    const places = new Map<string, number>()
    let at = 0
    for (const item of this.#items) {
      if ('label' in item) places.set(item.label, at)
      at += lengthOf(item)
    }
    return places
  }

  #branch(jump: number, value: number, yes: string | null, no: string | null): this {
    return this.#add({ code: JMP | jump, k: value, yes, no, isYesFar: false, isNoFar: false })
  }

  #add(item: Item): this {
    this.#items.push(item)
    return this
  }
}

function lengthOf(item: Item): number {
  if ('label' in item) return 0
  return 'yes' in item ? 1 + Number(item.isYesFar) + Number(item.isNoFar) : 1
}

/** The branch itself, then the far jumps that it leads to. What goes on leads past them. */
function branchOf(item: Branch, places: ReadonlyMap<string, number>, next: number): number[][] {
  const { yes, no, isYesFar, isNoFar } = item
  const jumps: number[][] = []
  const skip = (label: string | null, isFar: boolean): number => {
    if (label === null) return Number(isYesFar) + Number(isNoFar)
    if (!isFar) return placeOf(places, label, next) - next
    const from = next + jumps.length + 1
    jumps.push([JMP | JUMP.ALWAYS, 0, 0, placeOf(places, label, from) - from])
    return jumps.length - 1
  }
  const skips = [skip(yes, isYesFar), skip(no, isNoFar)]
  return [[item.code, ...skips, item.k], ...jumps]
}

function placeOf(places: ReadonlyMap<string, number>, label: string, from: number): number {
  const place = places.get(label)
  if (place === undefined || place < from) throw new RangeError(`the filter jumps to ${label}, which is not ahead`)
  return place
}

function encode(program: readonly number[][]): Uint8Array {
  const bytes = new Uint8Array(program.length * INSTRUCTION_BYTES)
  const view = new DataView(bytes.buffer)
  for (const [index, [code, yes, no, k]] of program.entries()) {
    const at = index * INSTRUCTION_BYTES
    view.setUint16(at, code, isLittleEndian)
    view.setUint8(at + 2, yes)
    view.setUint8(at + 3, no)
    view.setUint32(at + 4, k, isLittleEndian)
  }
  return bytes
}
