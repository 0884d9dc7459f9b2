/** The emitting side of MPPC (RFC 2118): literals, and copies of the longest match in the last 8192 octets. */

const HISTORY_LENGTH = 8192

class Bits {
  readonly #octets: number[] = []
  #value = 0
  #count = 0

  put(value: number, count: number): void {
    for (let bit = count - 1; bit >= 0; bit--) {
      this.#value = (this.#value << 1) | ((value >> bit) & 1)
      if (++this.#count < 8) continue
      this.#octets.push(this.#value)
      this.#value = 0
      this.#count = 0
    }
  }

  finish(): Uint8Array {
    if (this.#count > 0) this.put(0, 8 - this.#count)
    return Uint8Array.from(this.#octets)
  }
}

export interface MppcPacket {
  readonly isAtFront: boolean
  readonly data: Uint8Array
}

export class MppcCompressor {
  readonly #history = new Uint8Array(HISTORY_LENGTH)
  #end = 0

  flush(): void {
    this.#end = 0
  }

  compress(frame: Uint8Array): MppcPacket {
    const isAtFront = this.#end === 0 || this.#end + frame.length > HISTORY_LENGTH
    if (isAtFront) this.#end = 0
    const start = this.#end
    this.#history.set(frame, start)
    this.#end = start + frame.length
    const bits = new Bits()
    for (let at = start; at < this.#end; ) {
      const { offset, length } = this.#match(at)
      if (length < 3) putLiteral(bits, this.#history[at++])
      else {
        putOffset(bits, offset)
        putLength(bits, length)
        at += length
      }
    }
    return { isAtFront, data: bits.finish() }
  }

  #match(at: number): { readonly offset: number; readonly length: number } {
    let best = { offset: 0, length: 0 }
    for (let from = at - 1; from >= 0; from--) {
      let length = 0
      while (at + length < this.#end && this.#history[from + length] === this.#history[at + length]) length++
      if (length > best.length) best = { offset: at - from, length }
    }
    return best
  }
}

function putLiteral(bits: Bits, octet: number): void {
  if (octet < 0x80) bits.put(octet, 8)
  else bits.put(0b100000000 | (octet & 0x7f), 9)
}

function putOffset(bits: Bits, offset: number): void {
  if (offset < 64) bits.put((0b1111 << 6) | offset, 10)
  else if (offset < 320) bits.put((0b1110 << 8) | (offset - 64), 12)
  else bits.put((0b110 << 13) | (offset - 320), 16)
}

function putLength(bits: Bits, length: number): void {
  if (length === 3) {
    bits.put(0, 1)
    return
  }
  const width = 31 - Math.clz32(length)
  for (let one = 1; one < width; one++) bits.put(1, 1)
  bits.put(0, 1)
  bits.put(length - (1 << width), width)
}
