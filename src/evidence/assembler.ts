/**
 * Makes of the chunks of the packet path what is written: blocks of pcapng. Packets that no alert concerns lose the end of their
 * payload, sources and paths get their numbers within the segment.
 */
import { hashWindow } from '../base/hash.ts'
import {
  copyBytes,
  copyFewBytes,
  PACKET_DATA_AT,
  packetBlockLength,
  sectionHeader,
  writePacketFrame,
} from './blocks.ts'
import { Alerted } from './alerted.ts'
import { FLOW_PAIRS, FlowWords } from './flow-words.ts'
import { NOTE, NOTE_WORDS, nanosecondsOf, originOf } from './notes.ts'
import { PathTable } from './path-table.ts'
import { LANE, type SharedChunk } from './queue.ts'
import type { Handover } from './segment-writer.ts'
import { cutOf, outerAtOf } from './shape.ts'
import { TELLING } from './tellings.ts'
import { PEER_HIGH } from './things.ts'

export interface AssemblerCounters {
  /** Written without the end of their payload, as the snap rules say. */
  cut: number
  /** Written whole because of an alert, which the rules alone would have cut. */
  alerted: number
  /** Paths that were forgotten when it was told what they had turned out to be. */
  unnamed: number
  /** Things beyond those that are kept of a path, each time that they were told. */
  thingsLeftOut: number
}

interface PendingAlert {
  /** Chunks that had been let go of before it came, modulo 2^32. */
  readonly at: number
  readonly isAlerted: boolean
  readonly high: number
  readonly low: number
}

/** Before the packets of a chunk: room for what is put before them in the file. */
export const PREFIX_BYTES = 2048
/** So many octets are worth a call to copy them. */
const CALL_OCTETS = 256
/** Behind the octets of a packet. */
const PADDING_MAX = 3
const IPV4_SOURCE_AT = 12
const IPV6_SOURCE_AT = 8

/** Words of an entry before its things: the segment, the number of the path in it, and how many things. */
const ENTRY_HEAD = 3
const ENTRY_COUNT = 2

export class Assembler {
  readonly counters: AssemblerCounters = { cut: 0, alerted: 0, unnamed: 0, thingsLeftOut: 0 }
  readonly #header: Buffer
  readonly #paths: PathTable
  readonly #flowWords = new FlowWords()
  readonly #alerted = new Alerted()
  readonly #pending: PendingAlert[] = []
  /** The description of each origin, and its number in the segment; undefined if it has none. */
  readonly #origins: Buffer[] = []
  #originNumbers: number[] = []
  #originsUsed = 0
  #segment = 0
  #pathsUsed = 0
  #isBegun = false
  /** What is put before the packets of the next chunk. */
  #prefix: Buffer[] = []
  #entries = new Uint32Array(4096)
  #entryWords = 0
  #numbers = new Uint32Array(1024)
  /** The blocks of a chunk; the packets begin at `PREFIX_BYTES`. */
  #blocks = Buffer.alloc(0)
  #view = new DataView(new ArrayBuffer(0))
  readonly #packet = { timeUs: 0, timeNs: 0, originalLength: 0 }
  #cut = 0
  #whole = 0

  /** `application` is the program, for the section headers. */
  constructor(pathsMax: number, application: string) {
    this.#paths = new PathTable(pathsMax)
    this.#header = sectionHeader(application, '')
  }

  /** What the packet path tells. */
  readonly told = (kind: number, number: number, words: Uint32Array, count: number): void => {
    switch (kind) {
      case TELLING.PATH:
        this.#paths.set(number, words, count)
        break
      case TELLING.FLOW:
        this.#flow(number, words, count - FLOW_PAIRS)
        break
      case TELLING.MORE:
        this.#more(number, words, count)
        break
      case TELLING.ORIGIN:
        this.#origins[number] = descriptionOf(words)
        break
      default:
        this.#pending.push({ at: number, isAlerted: kind === TELLING.ALERT, high: words[0], low: words[1] })
    }
  }

  /** The path of a flow within so many things. */
  #flow(path: number, words: Uint32Array, around: number): void {
    const { high, low } = this.#flowWords.thingAt(words, around * 2)
    words[around * 2] = high
    words[around * 2 + 1] = low
    this.#paths.set(path, words, around + 1)
  }

  #more(path: number, words: Uint32Array, count: number): void {
    if (!this.#paths.add(path, words, count)) {
      this.counters.unnamed++
      return
    }
    this.counters.thingsLeftOut = this.#paths.leftOut
    const segment = this.#paths.segmentOf(path)
    if (segment === 0) return
    this.#reserveEntry(count)
    this.#putEntry(segment, this.#paths.numberOf(path), count)
    for (let i = 0; i < count * 2; i++) this.#entries[this.#entryWords++] = words[i]
  }

  /** What follows goes into another segment. */
  begin(segment: number): void {
    this.#segment = segment
    this.#pathsUsed = 0
    this.#originsUsed = 0
    this.#originNumbers = []
    this.#isBegun = false
  }

  /** `heldWritten` is how many chunks of its lane were written before one of the lane `HELD`, modulo 2^32. */
  assemble(chunk: SharedChunk, heldWritten: number): Handover {
    if (!this.#isBegun) this.#prefix.push(this.#header)
    this.#isBegun = true
    this.#cut = 0
    this.#whole = 0
    this.#makeRoom(chunk)
    this.#takeAlerts(heldWritten)
    const payload = this.#withPrefix(this.#putPackets(chunk))
    const { packets, firstUs, lastUs } = chunk
    const entries = this.#entries.subarray(0, this.#entryWords)
    return { payload, paths: this.#numbers.subarray(0, packets), entries, firstUs, lastUs }
  }

  /** What `assemble` gave has been written, or lost. */
  settle(isWritten: boolean): void {
    if (!isWritten) {
      this.#forgetSegment()
      return
    }
    this.#entryWords = 0
    this.counters.cut += this.#cut
    this.counters.alerted += this.#whole
  }

  /** What was said of paths in this segment is lost with its chunk; what was said of earlier ones waits for the next. */
  #forgetSegment(): void {
    const entries = this.#entries
    let kept = 0
    for (let at = 0; at < this.#entryWords; ) {
      const length = ENTRY_HEAD + entries[at + ENTRY_COUNT] * 2
      if (entries[at] !== this.#segment) {
        entries.copyWithin(kept, at, at + length)
        kept += length
      }
      at += length
    }
    this.#entryWords = kept
  }

  #takeAlerts(heldWritten: number): void {
    let taken = 0
    for (const { at, isAlerted, high, low } of this.#pending) {
      if (((heldWritten - at) | 0) < 0) break
      if (isAlerted) this.#alerted.add(high, low)
      else this.#alerted.delete(high, low)
      taken++
    }
    if (taken > 0) this.#pending.splice(0, taken)
  }

  #makeRoom({ packetsMax, bytes }: SharedChunk): void {
    const room = PREFIX_BYTES + packetBlockLength(0) * packetsMax + PADDING_MAX * packetsMax + bytes.length
    if (this.#blocks.length >= room) return
    this.#numbers = new Uint32Array(packetsMax)
    this.#blocks = Buffer.alloc(room)
    this.#view = new DataView(this.#blocks.buffer, this.#blocks.byteOffset, room)
  }

  /** Gives where the packets end. What is held is cut, but for what an alert concerns. */
  #putPackets({ lane, bytes, view, notes, noteTimes, packets }: SharedChunk): number {
    const isHeld = lane === LANE.HELD
    const packet = this.#packet
    let to = PREFIX_BYTES
    for (let i = 0; i < packets; i++) {
      const note = i * NOTE_WORDS
      const at = notes[note + NOTE.AT]
      const path = notes[note + NOTE.PATH]
      const origin = notes[note + NOTE.ORIGIN]
      let kept = notes[note + NOTE.CAPTURED]
      if (isHeld) kept = this.#keptOf(path, notes[note + NOTE.SHAPE], bytes, at, kept)
      packet.timeUs = noteTimes[(note + NOTE.TIME) >> 1]
      packet.timeNs = nanosecondsOf(origin)
      packet.originalLength = notes[note + NOTE.ORIGINAL]
      this.#numbers[i] = this.#pathNumber(path)
      const end = writePacketFrame(this.#view, to, this.#originNumber(originOf(origin)), packet, kept)
      if (kept < CALL_OCTETS) copyFewBytes(view, at, at + kept, this.#view, to + PACKET_DATA_AT)
      else copyBytes(bytes, at, at + kept, this.#blocks, to + PACKET_DATA_AT)
      to = end
    }
    return to
  }

  /** How many of the `captured` octets at `at` are written. */
  #keptOf(path: number, shape: number, bytes: Uint8Array, at: number, captured: number): number {
    const cut = cutOf(shape)
    if (cut >= captured) return captured
    if (!this.#alerted.isEmpty && this.#isAlerted(path, bytes, at, outerAtOf(shape))) {
      this.#whole++
      return captured
    }
    this.#cut++
    return cut
  }

  #isAlerted(path: number, bytes: Uint8Array, start: number, outerAt: number): boolean {
    const { age } = this.#alerted
    let note = this.#paths.alertOf(path)
    if (note >> 1 !== age) {
      note = (age << 1) | (this.#hasAlertedThing(path) ? 1 : 0)
      this.#paths.setAlert(path, note)
    }
    return (note & 1) === 1 || (outerAt >= 0 && this.#hasAlertedPeer(bytes, start + outerAt))
  }

  #hasAlertedThing(path: number): boolean {
    const count = this.#paths.countOf(path)
    for (let i = 0; i < count; i++)
      if (this.#alerted.has(this.#paths.thingWord(path, i * 2), this.#paths.thingWord(path, i * 2 + 1))) return true
    return false
  }

  /** `at` is where the outermost IP header begins. */
  #hasAlertedPeer(bytes: Uint8Array, at: number): boolean {
    if (!this.#alerted.hasAny(PEER_HIGH)) return false
    const isV4 = bytes[at] >> 4 === 4
    const source = at + (isV4 ? IPV4_SOURCE_AT : IPV6_SOURCE_AT)
    const length = isV4 ? 4 : 16
    return (
      this.#alerted.has(PEER_HIGH, hashWindow(bytes, source, source + length) >>> 0) ||
      this.#alerted.has(PEER_HIGH, hashWindow(bytes, source + length, source + length * 2) >>> 0)
    )
  }

  /** The number of a path in this segment; the first time it is said what the path stands for. */
  #pathNumber(path: number): number {
    const paths = this.#paths
    if (paths.segmentOf(path) === this.#segment) return paths.numberOf(path)
    const number = this.#pathsUsed++
    paths.setNumber(path, this.#segment, number)
    const count = paths.countOf(path)
    this.#reserveEntry(count)
    this.#putEntry(this.#segment, number, count)
    for (let i = 0; i < count * 2; i++) this.#entries[this.#entryWords++] = paths.thingWord(path, i)
    return number
  }

  #reserveEntry(count: number): void {
    const needed = this.#entryWords + ENTRY_HEAD + count * 2
    if (needed <= this.#entries.length) return
    const larger = new Uint32Array(Math.max(needed, this.#entries.length * 2))
    larger.set(this.#entries)
    this.#entries = larger
  }

  #putEntry(segment: number, number: number, count: number): void {
    this.#entries[this.#entryWords++] = segment
    this.#entries[this.#entryWords++] = number
    this.#entries[this.#entryWords++] = count
  }

  #originNumber(origin: number): number {
    const known = this.#originNumbers[origin]
    return known === undefined ? this.#describe(origin) : known
  }

  #describe(origin: number): number {
    const number = this.#originsUsed++
    this.#originNumbers[origin] = number
    this.#prefix.push(this.#origins[origin])
    return number
  }

  #withPrefix(end: number): Uint8Array {
    const bytes = this.#blocks
    if (this.#prefix.length === 0) return bytes.subarray(PREFIX_BYTES, end)
    const prefix = Buffer.concat(this.#prefix)
    this.#prefix = []
    if (prefix.length > PREFIX_BYTES) return Buffer.concat([prefix, bytes.subarray(PREFIX_BYTES, end)])
    bytes.set(prefix, PREFIX_BYTES - prefix.length)
    return bytes.subarray(PREFIX_BYTES - prefix.length, end)
  }
}

/** An interface description, out of the words that it was told in; it says itself how long it is. */
function descriptionOf(words: Uint32Array): Buffer {
  const length = words[1]
  return Buffer.from(new Uint8Array(words.buffer, words.byteOffset, length))
}
