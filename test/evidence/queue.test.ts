import { expect, test } from 'vitest'
import { Drainer, Filler, newQueue } from '../../src/evidence/queue.ts'

test('chunks go round and round, each as it was filled', () => {
  const layout = newQueue(4 * 4096, 4096)
  const filler = new Filler(layout)
  const drainer = new Drainer(layout)
  let filled = 0
  let drained = 0
  for (let round = 0; round < 50; round++) {
    while (filler.free > 0 && filled - drained < 1 + (round % 4)) {
      const chunk = filler.current
      chunk.clear(filled)
      chunk.packets = filled % 90
      chunk.payload.fill(filled & 255)
      chunk.paths.fill(filled)
      chunk.entries.fill(filled + 1)
      chunk.widen({ timeUs: filled })
      filler.publish()
      filled++
    }
    while (drained < filled) {
      const chunk = drainer.next(0, () => {})
      expect([chunk?.segment, chunk?.packets, chunk?.firstUs, chunk?.lastUs]).toEqual([
        drained,
        drained % 90,
        drained,
        drained,
      ])
      expect(new Set(chunk?.payload)).toEqual(new Set([drained & 255]))
      expect(new Set(chunk?.paths)).toEqual(new Set([drained]))
      expect(new Set(chunk?.entries)).toEqual(new Set([drained + 1]))
      drainer.release(false)
      drained++
    }
  }
  expect(filled).toBeGreaterThan(100)
  filler.stop()
  expect(drainer.next(0, () => {})).toBeNull()
})

test('when the writer is gone nothing waits for it, and what it had is counted', async () => {
  const filler = new Filler(newQueue(4 * 4096, 4096))
  for (const packets of [3, 4]) {
    filler.current.clear(1)
    filler.current.packets = packets
    filler.publish()
  }
  expect(filler.free).toBe(2)
  const waiting = filler.written(60_000)
  filler.abandon()
  await waiting
  expect([filler.free, filler.lost]).toEqual([4, 7])
  filler.current.clear(1)
  filler.current.packets = 5
  filler.publish()
  expect([filler.free, filler.lost]).toEqual([4, 12])
})
