import { expect, test } from 'vitest'
import { newQueue, Filler, type SharedChunk } from '../../src/evidence/queue.ts'
import { NO_ROOM, Runs, type RunPacket } from '../../src/evidence/runs.ts'
import { Random } from '../support/random.ts'

const CHUNK_BYTES = 0x8_0000
const BLOCK_BYTES = 0x4_0000

/** A capture as it is read: blocks of packets, in one buffer, each with 16 octets before it. */
class Capture {
  readonly #random: Random
  readonly #bytes = new Uint8Array(BLOCK_BYTES)
  static #blocks = 0
  #block = 0
  #at = BLOCK_BYTES

  constructor(seed: number) {
    this.#random = new Random(seed)
  }

  next(): RunPacket {
    const length = 60 + this.#random.below(1400)
    if (this.#at + 16 + length > BLOCK_BYTES) {
      this.#bytes.set(this.#random.bytes(BLOCK_BYTES))
      this.#block = ++Capture.#blocks
      this.#at = 0
    }
    const start = this.#at + 16
    this.#at = start + length
    return { bytes: this.#bytes, start, end: this.#at, block: this.#block, blockEnd: BLOCK_BYTES }
  }
}

/** Keeps packets in chunks: gives how many octets of chunks were filled for each octet of a packet. Each packet is compared at once, and again when its chunk is full. */
function keep(packets: Iterable<RunPacket>): number {
  const filler = new Filler(newQueue(4 * CHUNK_BYTES, 4 * CHUNK_BYTES, CHUNK_BYTES))
  const runs = new Runs()
  let chunk: SharedChunk = filler.now.begin(0)
  let kept: { readonly at: number; readonly bytes: Uint8Array }[] = []
  let filled = 0
  let wanted = 0
  const look = () => {
    for (const { at, bytes } of kept) expect(chunk.bytes.compare(bytes, 0, bytes.length, at, at + bytes.length)).toBe(0)
    filled += chunk.end
    kept = []
  }
  for (const packet of packets) {
    let at = runs.place(packet, chunk)
    if (at === NO_ROOM) {
      look()
      chunk = filler.now.begin(0)
      runs.restart()
      at = runs.place(packet, chunk)
    }
    kept.push({ at, bytes: packet.bytes.slice(packet.start, packet.end) })
    chunk.note({ timeUs: 0, timeNs: 0, originalLength: 0 }, at, packet.end - packet.start, 0, 0, 0)
    wanted += packet.end - packet.start
  }
  look()
  return filled / wanted
}

function* some(captures: readonly Capture[], packets: number, isWanted: (n: number) => boolean): Generator<RunPacket> {
  for (let n = 0; n < packets; n++) {
    const packet = captures[n % captures.length].next()
    if (isWanted(n)) yield packet
  }
}

test('packets of one capture are where they are said to be, and take little more than the capture does', () => {
  expect(keep(some([new Capture(1)], 20_000, () => true))).toBeLessThan(1.05)
})

test('a few that are not kept cost their octets', () => {
  expect(keep(some([new Capture(2)], 20_000, (n) => n % 20 !== 0))).toBeLessThan(1.12)
})

test('where only every tenth is kept, or captures are merged, each is copied alone', () => {
  expect(keep(some([new Capture(3)], 30_000, (n) => n % 10 === 0))).toBeLessThan(1.01)
  expect(keep(some([new Capture(4), new Capture(5), new Capture(6)], 20_000, () => true))).toBeLessThan(1.01)
})

test('what becomes of a capture is learned again and again', () => {
  const capture = new Capture(7)
  const isDense = (n: number) => n % 4000 < 2000
  expect(keep(some([capture], 40_000, (n) => isDense(n) || n % 10 === 0))).toBeLessThan(1.25)
})

test('packets from nowhere in particular are copied one by one', () => {
  const bytes = new Random(8).bytes(5000)
  const packets = Array.from({ length: 3000 }, (_, i) => ({ bytes, start: i, end: i + 800, block: 0, blockEnd: 0 }))
  expect(keep(packets)).toBe(1)
})
