/** A receive ring in memory, filled as the kernel fills one (linux/net/packet/af_packet.c, TPACKET_V3). */

const BLOCK_HEADER = 48
const RECORD_HEADER = 48
const ALIGNMENT = 8
export const STATUS = { user: 1, copy: 2, losing: 4, vlanValid: 16, timedOut: 32, tpidValid: 64 } as const

export interface RingRecord {
  readonly bytes: Uint8Array
  readonly seconds?: number
  readonly nanoseconds?: number
  /** On the wire; by default as many as there are. */
  readonly length?: number
  readonly status?: number
  readonly vlanTci?: number
  readonly vlanTpid?: number
  /** sll_pkttype; 0 is to us, 4 outgoing. */
  readonly type?: number
  /** Where the packet begins behind its header; 82 for Ethernet. */
  readonly mac?: number
  /** What the record says instead of the truth. */
  readonly lies?: { readonly kept?: number; readonly next?: number; readonly mac?: number }
}

export class TestRing {
  readonly memory: ArrayBuffer
  readonly blockBytes: number
  readonly blocks: number
  readonly #view: DataView
  readonly #bytes: Uint8Array
  #next = 0

  constructor(blocks: number, blockBytes: number) {
    this.blocks = blocks
    this.blockBytes = blockBytes
    this.memory = new ArrayBuffer(blocks * blockBytes)
    this.#view = new DataView(this.memory)
    this.#bytes = new Uint8Array(this.memory)
  }

  isKernels(block: number): boolean {
    return this.#view.getUint32(block * this.blockBytes + 8, true) === 0
  }

  /** Fills the next block and hands it over. Gives its number. */
  fill(records: readonly RingRecord[], lies: { packets?: number; first?: number; status?: number } = {}): number {
    const block = this.#next
    if (!this.isKernels(block)) throw new Error(`block ${block} was not given back`)
    this.#next = (block + 1) % this.blocks
    const start = block * this.blockBytes
    // What was there before must not help.
    this.#bytes.fill(0xee, start, start + this.blockBytes)
    let at = start + BLOCK_HEADER
    for (const [index, record] of records.entries()) at = this.#write(at, record, index === records.length - 1)
    this.#put(start, [1, BLOCK_HEADER])
    this.#put(start + 12, [lies.packets ?? records.length, lies.first ?? BLOCK_HEADER, at - start])
    this.#put(start + 8, [lies.status ?? STATUS.user])
    return block
  }

  #write(at: number, record: RingRecord, isLast: boolean): number {
    const { bytes, seconds = 1_700_000_000, nanoseconds = 0, length = bytes.length, status = STATUS.user } = record
    const { vlanTci = 0, vlanTpid = 0, type = 0, mac = 82, lies = {} } = record
    const whole = Math.ceil((mac + bytes.length) / ALIGNMENT) * ALIGNMENT
    const next = lies.next ?? (isLast ? 0 : whole)
    this.#put(at, [next, seconds, nanoseconds, lies.kept ?? bytes.length, length, status])
    this.#view.setUint16(at + 24, lies.mac ?? mac, true)
    this.#view.setUint16(at + 26, mac + 14, true)
    this.#put(at + 28, [0, vlanTci])
    this.#view.setUint16(at + 36, vlanTpid, true)
    this.#bytes[at + RECORD_HEADER + 10] = type
    this.#bytes.set(bytes, at + mac)
    return at + whole
  }

  #put(at: number, words: readonly number[]): void {
    for (const [index, word] of words.entries()) this.#view.setUint32(at + index * 4, word, true)
  }
}
