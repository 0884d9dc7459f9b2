/** The machine of classic BPF (McCanne and Jacobson 1993), as the kernel runs it: for looking at what a filter does. */

interface Instruction {
  readonly code: number
  readonly jt: number
  readonly jf: number
  readonly k: number
}

/** The instructions of a program in memory, little-endian. */
export function decodeProgram(bytes: Uint8Array): Instruction[] {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.length)
  return Array.from({ length: bytes.length / 8 }, (_, index) => ({
    code: view.getUint16(index * 8, true),
    jt: view.getUint8(index * 8 + 2),
    jf: view.getUint8(index * 8 + 3),
    k: view.getUint32(index * 8 + 4, true),
  }))
}

/** What `tcpdump -ddd` prints: a count, then `code jt jf k` a line. */
export function parseProgram(text: string): Instruction[] {
  const [count, ...lines] = text.trim().split('\n')
  const program = lines.map((line) => {
    const [code, jt, jf, k] = line.split(' ').map(Number)
    return { code, jt, jf, k }
  })
  if (program.length !== Number(count)) throw new Error(`${count} instructions announced, ${program.length} found`)
  return program
}

/**
 * The bytes of the packet that the program keeps, or what else it answers; 0 if it refuses it. Throws at what no verifier would let
 * pass. `ancillary` is what the kernel knows beside the packet, by the places of it.
 */
export function runProgram(
  program: readonly Instruction[],
  packet: Uint8Array,
  ancillary: Readonly<Record<number, number>> = {},
): number {
  const memory = new Uint32Array(16)
  let a = 0
  let x = 0
  for (let pc = 0; pc < program.length; pc++) {
    const { code, jt, jf, k } = program[pc]
    switch (code & 7) {
      case 0: {
        const value = (code & 0xe0) === 0x20 && k in ancillary ? ancillary[k] : load(code, k, x, packet, memory)
        if (value === null) return 0
        a = value
        break
      }
      case 1: {
        const value = code === 0xb1 ? headerLength(packet, k) : load(code, k, x, packet, memory)
        if (value === null) return 0
        x = value
        break
      }
      case 2:
        memory[k] = a
        break
      case 3:
        memory[k] = x
        break
      case 4:
        a = calculate(code & 0xf0, a, (code & 8) !== 0 ? x : k)
        break
      case 5:
        pc += jump(code & 0xf0, a, (code & 8) !== 0 ? x : k, k, jt, jf)
        break
      case 6:
        return (code & 0x18) === 0x10 ? a : k
      default:
        if (code === 0x07) x = a
        else if (code === 0x87) a = x
        else throw new Error(`instruction ${pc}: unknown code ${code}`)
    }
  }
  throw new Error('the program runs over its end')
}

function load(code: number, k: number, x: number, packet: Uint8Array, memory: Uint32Array): number | null {
  switch (code & 0xe0) {
    case 0x00:
      return k
    case 0x20:
      return read(code & 0x18, k, packet)
    case 0x40:
      return read(code & 0x18, x + k, packet)
    case 0x60:
      return memory[k]
    case 0x80:
      return packet.length
    default:
      throw new Error(`unknown mode of ${code}`)
  }
}

function read(size: number, at: number, packet: Uint8Array): number | null {
  const length = size === 0 ? 4 : size === 8 ? 2 : 1
  if (at + length > packet.length) return null
  let value = 0
  for (let i = 0; i < length; i++) value = value * 256 + packet[at + i]
  return value
}

function headerLength(packet: Uint8Array, k: number): number | null {
  return k < packet.length ? (packet[k] & 0x0f) * 4 : null
}

function calculate(operation: number, a: number, by: number): number {
  switch (operation) {
    case 0x00:
      return (a + by) >>> 0
    case 0x10:
      return (a - by) >>> 0
    case 0x20:
      return Math.imul(a, by) >>> 0
    case 0x40:
      return (a | by) >>> 0
    case 0x50:
      return (a & by) >>> 0
    case 0x60:
      return (a << by) >>> 0
    case 0x70:
      return a >>> by
    case 0x90:
      return a % by
    default:
      throw new Error(`unknown operation ${operation}`)
  }
}

function jump(kind: number, a: number, by: number, k: number, jt: number, jf: number): number {
  switch (kind) {
    case 0x00:
      return k
    case 0x10:
      return a === by ? jt : jf
    case 0x20:
      return a > by ? jt : jf
    case 0x30:
      return a >= by ? jt : jf
    case 0x40:
      return (a & by) !== 0 ? jt : jf
    default:
      throw new Error(`unknown jump ${kind}`)
  }
}
