import { beforeEach, expect, test } from 'vitest'
import { HeapTrim } from '../../src/service/heap-trim.ts'

const MINUTES_MS = 60_000

let told: boolean[]
let watchers: Set<() => void>
let trim: HeapTrim

beforeEach(() => {
  told = []
  watchers = new Set()
  trim = new HeapTrim(1000, {
    favourMemory: (isFavoured) => told.push(isFavoured),
    watch(collected) {
      watchers.add(collected)
      return () => watchers.delete(collected)
    },
  })
})

const collect = () => {
  for (const watcher of watchers) watcher()
}

test('two collections favour memory every five minutes, and nobody watches those between', () => {
  for (let ms = 1000; ms < 1000 + 5 * MINUTES_MS; ms += 1000) trim.tick(ms)
  expect(told).toEqual([])
  trim.tick(1000 + 5 * MINUTES_MS)
  expect(told).toEqual([true])
  collect()
  expect(told).toEqual([true])
  trim.tick(1000 + 6 * MINUTES_MS)
  collect()
  expect(told).toEqual([true, false])
  expect(watchers.size).toBe(0)
  trim.tick(10 * MINUTES_MS)
  expect(told).toEqual([true, false])
  trim.tick(1000 + 11 * MINUTES_MS)
  expect(told).toEqual([true, false, true])
})

test('the end leaves V8 as it was', () => {
  trim.end()
  expect(told).toEqual([])
  trim.tick(1000 + 5 * MINUTES_MS)
  trim.end()
  expect(told).toEqual([true, false])
  expect(watchers.size).toBe(0)
})
