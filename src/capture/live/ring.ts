/**
 * A receive ring of AF_PACKET sockets, TPACKET_V3 (linux/if_packet.h, Documentation/networking/packet_mmap.rst): blocks that
 * the kernel fills and hands over, walked where they lie.
 *
 * A block belongs to whoever its status word says. It is given back when the packet after its last one is asked for.
 */
import type { Upcoming } from '../../base/upcoming.ts'
import type { Packet } from '../packet.ts'

export const TP_STATUS_USER = 1
/** Of a block: handed over because its time was over, and not because it was full. */
export const TP_STATUS_BLK_TMO = 1 << 5
export const TP_STATUS_VLAN_VALID = 1 << 4
export const TP_STATUS_VLAN_TPID_VALID = 1 << 6

/** struct tpacket_block_desc: where its words stand, in 32-bit words. */
const BLOCK = { STATUS: 2, PACKETS: 3, FIRST_OFFSET: 4, LENGTH: 5 } as const
/** struct tpacket3_hdr, likewise; the last three are halves of words, counted in halves. */
const HEADER = { NEXT: 0, SECONDS: 1, NANOSECONDS: 2, KEPT: 3, LENGTH: 4, STATUS: 5, VLAN_TCI: 8 } as const
const HEADER_HALVES = { MAC: 12, VLAN_TPID: 18 } as const
/** Of struct sockaddr_ll behind the header: sll_pkttype. */
const PACKET_TYPE_AT = 58
/** Header and address end here; packets begin behind them. */
const HEADER_LENGTH = 68
const PACKET_OUTGOING = 4
/** V3_ALIGNMENT of the kernel. */
const RECORD_ALIGNMENT = 8
const STATIONS_LENGTH = 12
const TAG_LENGTH = 4
const ETHERTYPE_VLAN = 0x8100
const LINKTYPE_ETHERNET = 1
/** What the processor fetches from memory at once, in 32-bit words. */
const CACHE_LINE_WORDS = 16
/** Where records are longer on average, to fetch all of a block takes longer than to wait for the few headers in it. */
const PREFETCHED_RECORD_BYTES_MAX = 1024

export class Ring {
  readonly blockCount: number
  packets = 0
  bytesSeen = 0
  /** Packets that the snap length cut. */
  truncated = 0
  /** Packets whose records make no sense, and all that stood behind them in their blocks. */
  flawed = 0
  /**
   * Whether a block was full before its time was over: packets come fast. It stays so until whoever waits sets it back, for the clock of
   * the kernel (since 6.18) closes any block that is open at the time, also between full ones.
   */
  wasFull = false
  /** Nobody reads it: without it the compiler would leave out what is read only to be fetched. */
  fetched = 0
  readonly #bytes: Uint8Array
  readonly #words: Uint32Array
  readonly #status: Int32Array
  readonly #halves: Uint16Array
  readonly #blockBytes: number
  readonly #linkType: number
  readonly #skipsOutgoing: boolean
  #block = 0
  /** Whether the current block is ours. */
  #isHeld = false
  /** Packets left in it, and where the next one stands. */
  #left = 0
  #at = 0

  /** @param memory a whole number of blocks of `blockBytes`, which is a multiple of 8 */
  constructor(memory: ArrayBuffer, blockBytes: number, linkType: number, skipsOutgoing: boolean) {
    this.#bytes = new Uint8Array(memory)
    this.#words = new Uint32Array(memory)
    this.#status = new Int32Array(memory)
    this.#halves = new Uint16Array(memory)
    this.#blockBytes = blockBytes
    this.blockCount = memory.byteLength / blockBytes
    this.#linkType = linkType
    this.#skipsOutgoing = skipsOutgoing
  }

  /** Whether `next` would give a packet, or a block to look into. */
  get isReady(): boolean {
    if (this.#left > 0) return true
    const block = this.#isHeld ? (this.#block + 1) % this.blockCount : this.#block
    return (Atomics.load(this.#status, this.#statusAt(block)) & TP_STATUS_USER) !== 0
  }

  /** Blocks that wait to be read, the current one included. */
  get readyBlocks(): number {
    // The kernel fills them one after the other: behind the first that is not ready none is.
    for (let ready = 0; ready < this.blockCount; ready++) {
      const at = this.#statusAt((this.#block + ready) % this.blockCount)
      if ((Atomics.load(this.#status, at) & TP_STATUS_USER) === 0) return ready
    }
    return this.blockCount
  }

  next(packet: Packet): boolean {
    for (;;) {
      if (this.#left === 0 && !this.#open()) return false
      if (this.#read(packet)) return true
    }
  }

  /** Those of the current block, as the kernel gave them: tags that it took out are not back yet. */
  preview(upcoming: Upcoming): void {
    const words = this.#words
    const blockEnd = (this.#block + 1) * this.#blockBytes
    upcoming.over(this.#bytes, this.#linkType)
    let at = this.#at
    for (let left = this.#left; left > 0 && !upcoming.isFull; left--) {
      const start = at + this.#halves[(at >> 1) + HEADER_HALVES.MAC]
      const end = start + words[(at >> 2) + HEADER.KEPT]
      const next = at + words[(at >> 2) + HEADER.NEXT]
      if (end > blockEnd) return
      upcoming.add(start, end)
      if (next <= at || !this.#isHeaderAt(next)) return
      at = next
    }
  }

  /** Gives the current block back, and takes the next one that has packets. */
  #open(): boolean {
    for (;;) {
      if (this.#isHeld) this.#release()
      const at = this.#statusAt(this.#block)
      const status = Atomics.load(this.#status, at)
      if ((status & TP_STATUS_USER) === 0) return false
      this.#isHeld = true
      if ((status & TP_STATUS_BLK_TMO) === 0) this.wasFull = true
      const start = at - BLOCK.STATUS
      const first = this.#words[start + BLOCK.FIRST_OFFSET]
      this.#left = this.#words[start + BLOCK.PACKETS]
      if (this.#left === 0) continue
      this.#at = this.#block * this.#blockBytes + first
      if (!this.#isHeaderAt(this.#at)) this.#abandon()
      if (this.#left > 0) {
        this.#prefetch(start)
        return true
      }
    }
  }

  /**
   * Brings the block that starts at a word into the cache. Only its header says where a record ends, so that the walk would wait for the
   * memory once for each; here the processor knows all places beforehand, and fetches many of them at the same time.
   */
  #prefetch(start: number): void {
    const words = this.#words
    const length = words[start + BLOCK.LENGTH]
    if (length > this.#blockBytes || length > this.#left * PREFETCHED_RECORD_BYTES_MAX) return
    const end = start + (length >> 2)
    let fetched = 0
    for (let at = start; at < end; at += CACHE_LINE_WORDS) fetched ^= words[at]
    this.fetched = fetched
  }

  #release(): void {
    Atomics.store(this.#status, this.#statusAt(this.#block), 0)
    this.#block = (this.#block + 1) % this.blockCount
    this.#isHeld = false
  }

  #statusAt(block: number): number {
    return (block * this.#blockBytes) / 4 + BLOCK.STATUS
  }

  #isHeaderAt(at: number): boolean {
    const start = this.#block * this.#blockBytes
    return (at & (RECORD_ALIGNMENT - 1)) === 0 && at > start && at + HEADER_LENGTH <= start + this.#blockBytes
  }

  #abandon(): void {
    this.flawed += this.#left
    this.#left = 0
  }

  /** The record at `#at`. False for one that is passed over. */
  #read(packet: Packet): boolean {
    const at = this.#at
    const words = this.#words
    const word = at >> 2
    const kept = words[word + HEADER.KEPT]
    const length = words[word + HEADER.LENGTH]
    const start = at + this.#halves[(at >> 1) + HEADER_HALVES.MAC]
    const blockEnd = (this.#block + 1) * this.#blockBytes
    if (start < at + HEADER_LENGTH || start + kept > blockEnd || kept > length) {
      this.#abandon()
      return false
    }
    this.#left--
    if (this.#left > 0) {
      this.#at = at + words[word + HEADER.NEXT]
      // A record that leads nowhere is still a packet; what would have followed it is lost.
      if (this.#at <= at || !this.#isHeaderAt(this.#at)) this.#abandon()
    }
    if (this.#skipsOutgoing && this.#bytes[at + PACKET_TYPE_AT] === PACKET_OUTGOING) return false

    packet.bytes = this.#bytes
    packet.start = start
    packet.end = start + kept
    const nanoseconds = words[word + HEADER.NANOSECONDS]
    const microseconds = Math.floor(nanoseconds / 1000)
    packet.timeUs = words[word + HEADER.SECONDS] * 1_000_000 + microseconds
    packet.timeNs = nanoseconds - microseconds * 1000
    packet.originalLength = length
    packet.linkType = this.#linkType
    packet.interfaceId = 0
    packet.number = ++this.packets
    packet.offset = 0
    this.bytesSeen += kept
    if (kept < length) this.truncated++
    const isTagged = (words[word + HEADER.STATUS] & TP_STATUS_VLAN_VALID) !== 0 || words[word + HEADER.VLAN_TCI] !== 0
    if (isTagged) this.#tag(packet, at)
    return true
  }

  /**
   * The kernel takes the outermost VLAN tag out of a frame. It goes back to where it was: the stations move to the left by
   * its length, into the gap between header and packet, and nothing else moves.
   */
  #tag(packet: Packet, at: number): void {
    const bytes = this.#bytes
    const { start, end } = packet
    const to = start - TAG_LENGTH
    if (this.#linkType !== LINKTYPE_ETHERNET || end - start < STATIONS_LENGTH || to < at + HEADER_LENGTH) return
    bytes.copyWithin(to, start, start + STATIONS_LENGTH)
    const isTpidValid = (this.#words[(at >> 2) + HEADER.STATUS] & TP_STATUS_VLAN_TPID_VALID) !== 0
    const tpid = this.#halves[(at >> 1) + HEADER_HALVES.VLAN_TPID]
    const type = isTpidValid || tpid !== 0 ? tpid : ETHERTYPE_VLAN
    const tci = this.#words[(at >> 2) + HEADER.VLAN_TCI]
    const tagAt = to + STATIONS_LENGTH
    bytes[tagAt] = type >> 8
    bytes[tagAt + 1] = type
    bytes[tagAt + 2] = tci >> 8
    bytes[tagAt + 3] = tci
    packet.start = to
    packet.originalLength += TAG_LENGTH
  }
}
