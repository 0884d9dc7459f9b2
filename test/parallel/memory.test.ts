/** The ring and the blocks that threads share, with both ends in one thread. */
import { describe, expect, test } from 'vitest'
import { BLOCK_BYTES } from '../../src/capture/byte-window.ts'
import { allocateShared, RingReader, RingWriter, SharedBlocks, Signals } from '../../src/parallel/memory.ts'

function write(ring: RingWriter, value: number): void {
  ring.next()
  ring.doubles[ring.double] = value
  ring.words[ring.word + 15] = value
}

function read(ring: RingReader): readonly [number, number] {
  ring.next()
  return [ring.doubles[ring.double], ring.words[ring.word + 15]]
}

describe('a ring of operations', () => {
  test('gives everything in order, however often it goes round', () => {
    const shared = allocateShared(1, 1)
    const writer = new RingWriter(shared, 0)
    const reader = new RingReader(shared, 0)
    let read_ = 0
    for (let written = 0; written < 100_000; ) {
      for (let i = 0; i < 1 + (written % 9000); i++) write(writer, written++)
      writer.publish()
      while (read_ < written) {
        expect(read(reader)).toEqual([read_, read_])
        read_++
      }
      // The reader says that it is done with all but the last when it asks for more, or at every 256th.
      expect(writer.isDone(Math.floor((read_ - 1) / 256) * 256)).toBe(true)
    }
  })

  test('before its writer waits it may write one operation more, for whoever reads needs it', () => {
    const shared = allocateShared(1, 1)
    const writer = new RingWriter(shared, 0)
    const reader = new RingReader(shared, 0)
    const seen: number[] = []
    let written = 0
    let asked = 0
    const writeNext = () => {
      writer.next()
      writer.doubles[writer.double] = written++
    }
    const readAll = () => {
      writer.publish()
      while (seen.length < written) seen.push(read(reader)[0])
      reader.release()
    }
    writer.beforeWaiting = () => {
      asked++
      writeNext()
      readAll()
    }
    while (asked < 3) writeNext()
    readAll()
    expect(seen).toEqual(Array.from({ length: written }, (_, at) => at))
    expect(written).toBeGreaterThan(30_000)
  })

  test('a reader begins where the one before it stopped, and knows what it need not wait for', () => {
    const shared = allocateShared(1, 1)
    const writer = new RingWriter(shared, 0)
    for (let i = 0; i < 5; i++) write(writer, i)
    writer.publish()
    const first = new RingReader(shared, 0)
    for (let i = 0; i < 3; i++) read(first)
    expect(first.ahead).toBe(2)
    first.release()
    expect(read(new RingReader(shared, 0))).toEqual([3, 3])
  })

  test('two rings do not disturb each other', () => {
    const shared = allocateShared(2, 1)
    const writers = [new RingWriter(shared, 0), new RingWriter(shared, 1)]
    for (let i = 0; i < 10; i++) for (const [at, writer] of writers.entries()) write(writer, i * 10 + at)
    for (const writer of writers) writer.publish()
    const readers = [new RingReader(shared, 0), new RingReader(shared, 1)]
    for (let i = 0; i < 10; i++) for (const at of [1, 0]) expect(read(readers[at])).toEqual([i * 10 + at, i * 10 + at])
  })
})

describe('shared blocks', () => {
  test('each comes back when the rings have passed it, the oldest first', () => {
    const shared = allocateShared(1, 1)
    const writer = new RingWriter(shared, 0)
    const reader = new RingReader(shared, 0)
    const blocks = new SharedBlocks(shared, [writer])
    const first = blocks.take(BLOCK_BYTES)
    const second = blocks.take(100)
    expect([first.length, second.length, first.byteOffset === second.byteOffset]).toEqual([BLOCK_BYTES, 100, false])
    for (let i = 0; i < 256; i++) write(writer, i)
    blocks.leave(first)
    for (let i = 0; i < 256; i++) write(writer, i)
    blocks.leave(second)
    writer.publish()
    const offsets = new Set([first.byteOffset, second.byteOffset])
    expect(offsets.has(blocks.take(BLOCK_BYTES).byteOffset)).toBe(false)
    for (let i = 0; i < 257; i++) read(reader)
    expect(blocks.take(BLOCK_BYTES).byteOffset).toBe(first.byteOffset)
    expect(offsets.has(blocks.take(BLOCK_BYTES).byteOffset)).toBe(false)
  })

  test('a buffer that is none of them is left alone', () => {
    const shared = allocateShared(1, 1)
    const blocks = new SharedBlocks(shared, [new RingWriter(shared, 0)])
    blocks.leave(new Uint8Array(10))
    expect(blocks.holds(new Uint8Array(10))).toBe(false)
    expect(blocks.holds(blocks.take(10))).toBe(true)
  })

  test('what is longer than a block has its place behind them', () => {
    const shared = allocateShared(1, 1)
    const blocks = new SharedBlocks(shared, [new RingWriter(shared, 0)])
    const at = blocks.putHuge(Uint8Array.of(1, 2, 3))
    expect(at).toBe(shared.blocks * BLOCK_BYTES)
    expect([...blocks.bytes.subarray(at, at + 3)]).toEqual([1, 2, 3])
  })
})

test('a thread need not wait while few batches wait, or when all are put together', () => {
  const signals = new Signals(allocateShared(1, 1))
  signals.waitForMerged(8, 8)
  signals.merged(100)
  signals.waitForMerged(108, 8)
  expect(signals.isStopped).toBe(false)
  signals.stop()
  expect(signals.isStopped).toBe(true)
})
