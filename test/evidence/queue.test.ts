import { describe, expect, test } from 'vitest'
import { Drainer, Filler, type FillerLane, newQueue } from '../../src/evidence/queue.ts'
import { TELLING, TELLING_WORDS } from '../../src/evidence/tellings.ts'
import { Random } from '../support/random.ts'

const LAYOUT = () => newQueue(4 * 4096, 6 * 4096, 4096)
const nobody = () => false

function fill(lane: FillerLane, number: number): void {
  const chunk = lane.begin(0)
  chunk.note({ timeUs: number, timeNs: 0, originalLength: 0 }, 0, 0, 0, 0, 0)
  chunk.packets = number % 90
  chunk.bytes.fill(number & 255)
  chunk.notes.fill(number)
  lane.close()
}

test('chunks of both lanes go round and round, each as it was filled, and each lane in its order', () => {
  const layout = LAYOUT()
  const filler = new Filler(layout)
  const drainer = new Drainer(layout, nobody)
  const random = new Random(1)
  const filled = [0, 0]
  const drained = [0, 0]
  for (let round = 0; round < 400; round++) {
    for (const lane of [0, 1]) {
      const end = lane === 0 ? filler.now : filler.held
      while (end.free > 0 && random.chance(0.6)) {
        fill(end, filled[lane]++)
        // Some are held for a while.
        while (end.held > 0 && (lane === 0 || random.chance(0.7))) filler.publish(end)
      }
    }
    while (!filler.isIdle && random.chance(0.8)) {
      const chunk = drainer.next(0, nobody)
      if (chunk === null) throw new Error('nothing came')
      const number = drained[chunk.lane]++
      expect([chunk.packets, chunk.firstUs, chunk.lastUs]).toEqual([number % 90, number, number])
      expect([new Set(chunk.bytes), new Set(chunk.notes)]).toEqual([new Set([number & 255]), new Set([number])])
      drainer.release()
    }
  }
  expect(Math.min(...drained)).toBeGreaterThan(100)
  while (filler.held.held > 0) filler.publish(filler.held)
  filler.stop()
  for (let chunk = drainer.next(0, nobody); chunk !== null; chunk = drainer.next(0, nobody)) {
    drained[chunk.lane]++
    drainer.release()
  }
  expect(drained).toEqual(filled)
})

test('a chunk begins empty', () => {
  const filler = new Filler(LAYOUT())
  for (let i = 0; i < 3; i++) {
    const chunk = filler.now.begin(i)
    expect([chunk.packets, chunk.end]).toEqual([0, 0])
    chunk.packets = 7
    chunk.end = 99
    filler.now.close()
  }
  expect([filler.now.free, filler.now.held, filler.now.waiting]).toEqual([1, 3, 0])
  expect(filler.now.pathsSince(10, false)).toBe(10)
})

describe('what is told', () => {
  test('comes in its order, round and round, before the chunks that follow it', () => {
    const layout = LAYOUT()
    const filler = new Filler(layout)
    const heard: number[][] = []
    const drainer = new Drainer(layout, (kind, number, words, count) =>
      heard.push([kind, number, ...words.subarray(0, count * 2)]),
    )
    const random = new Random(2)
    let told: number[][] = []
    for (let round = 0; round < 3000; round++) {
      for (let i = 0; i < 40; i++) {
        const things = Array.from({ length: random.below(9) }, () => ({
          high: random.below(2 ** 31),
          low: 2 ** 32 - 1 - i,
        }))
        expect(filler.tellings.tell(TELLING.PATH, round, things)).toBe(true)
        told.push([TELLING.PATH, round, ...things.flatMap(({ high, low }) => [high, low])])
      }
      fill(filler.now, round)
      filler.publish(filler.now)
      drainer.next(0, nobody)
      expect(heard.splice(0)).toEqual(told)
      told = []
      drainer.release()
    }
  })

  test('is refused when there is no room, but for alerts', () => {
    const filler = new Filler(LAYOUT())
    const things = Array.from({ length: 31 }, () => ({ high: 1, low: 2 }))
    let count = 0
    while (filler.tellings.tell(TELLING.PATH, count, things)) count++
    expect(count).toBeGreaterThan(TELLING_WORDS / 80)
    expect(filler.tellings.isHalfEmpty).toBe(false)
    expect(filler.tellings.tell(TELLING.ALERT, 0, [{ high: 1, low: 2 }])).toBe(true)
  })
})

test('when the writer is gone nothing waits for it, and what it had is counted', async () => {
  const filler = new Filler(LAYOUT())
  for (const packets of [3, 4]) {
    filler.now.begin(0).packets = packets
    filler.now.close()
    filler.publish(filler.now)
  }
  filler.held.begin(0).packets = 10
  filler.held.close()
  expect([filler.now.free, filler.held.free]).toEqual([2, 5])
  const waiting = filler.until(() => filler.isIdle)
  filler.abandon()
  await waiting
  expect([filler.now.free, filler.lost]).toEqual([4, 7])
  filler.publish(filler.held)
  expect([filler.held.free, filler.lost]).toEqual([6, 17])
  expect(filler.tellings.tell(TELLING.PATH, 1, [])).toBe(true)
})
