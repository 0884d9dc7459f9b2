/** The two tables of an index: of each path its things, and of each thing its paths. Integers only: a segment has tens of thousands. */
import { mixPair } from '../base/hash.ts'

/** What paths stand for, one path after another, each thing once. */
export class ThingsOfPaths {
  /** Two for each thing. */
  readonly words: Uint32Array
  /** Of each path the number of its first thing; one more than there are paths. */
  readonly firsts: Uint32Array

  /** `entries` say path, how many things, and two words for each; perhaps more than once for a path. */
  constructor(paths: number, entries: Uint32Array) {
    const room = new Uint32Array(paths + 1)
    for (let at = 0; at < entries.length; at += 2 + entries[at + 1] * 2) room[entries[at]] += entries[at + 1]
    let all = 0
    for (let path = 0; path <= paths; path++) {
      const count = room[path]
      room[path] = all
      all += count
    }
    const words = new Uint32Array(all * 2)
    const counts = new Uint32Array(paths)
    for (let at = 0; at < entries.length; ) {
      const path = entries[at]
      const end = at + 2 + entries[at + 1] * 2
      const first = room[path]
      for (let i = at + 2; i < end; i += 2) {
        if (isAmong(words, first, first + counts[path], entries[i], entries[i + 1])) continue
        const slot = (first + counts[path]++) * 2
        words[slot] = entries[i]
        words[slot + 1] = entries[i + 1]
      }
      at = end
    }
    this.firsts = closeUp(words, room, counts)
    this.words = words.subarray(0, this.firsts[paths] * 2)
  }
}

function isAmong(words: Uint32Array, first: number, end: number, high: number, low: number): boolean {
  for (let i = first; i < end; i++) if (words[i * 2] === high && words[i * 2 + 1] === low) return true
  return false
}

/** Moves the things of each path, from where there was room for them, to behind those of the path before; gives the new firsts. */
function closeUp(words: Uint32Array, room: Uint32Array, counts: Uint32Array): Uint32Array {
  const firsts = new Uint32Array(counts.length + 1)
  let used = 0
  for (let path = 0; path < counts.length; path++) {
    firsts[path] = used
    if (used !== room[path]) words.copyWithin(used * 2, room[path] * 2, (room[path] + counts[path]) * 2)
    used += counts[path]
  }
  firsts[counts.length] = used
  return firsts
}

interface PathsOfThings {
  readonly sorted: Uint32Array
  readonly pathNumbers: Uint32Array
}

/** Of each thing, in their order: its two words, where its paths begin in `pathNumbers`, and how many it has. Yields between the steps. */
export function* pathsOfThings({ words, firsts }: ThingsOfPaths): Generator<void, PathsOfThings> {
  const uses = words.length / 2
  const { distinct, numberOf } = distinctThings(words)
  yield
  const counts = new Uint32Array(distinct.length / 2)
  for (let i = 0; i < uses; i++) counts[numberOf[i]]++
  const order = orderOf(distinct)
  yield
  const sorted = new Uint32Array(order.length * 4)
  /** By number of the thing: where its next path goes. */
  const next = new Uint32Array(order.length)
  let first = 0
  for (let rank = 0; rank < order.length; rank++) {
    const thing = order[rank]
    sorted[rank * 4] = distinct[thing * 2]
    sorted[rank * 4 + 1] = distinct[thing * 2 + 1]
    sorted[rank * 4 + 2] = first
    sorted[rank * 4 + 3] = counts[thing]
    next[thing] = first
    first += counts[thing]
  }
  const pathNumbers = new Uint32Array(uses)
  for (let path = 0; path + 1 < firsts.length; path++)
    for (let i = firsts[path]; i < firsts[path + 1]; i++) pathNumbers[next[numberOf[i]]++] = path
  return { sorted, pathNumbers }
}

/** The things among the words, each once, and for each use its number among them. */
function distinctThings(words: Uint32Array): { distinct: Uint32Array; numberOf: Uint32Array } {
  const uses = words.length / 2
  let size = 16
  while (size < uses * 2) size *= 2
  /** Numbers of things and one; 0 is free. */
  const slots = new Uint32Array(size)
  const distinct = new Uint32Array(words.length)
  const numberOf = new Uint32Array(uses)
  let count = 0
  for (let i = 0; i < uses; i++) {
    const high = words[i * 2]
    const low = words[i * 2 + 1]
    let slot = mixPair(high, low) & (size - 1)
    while (slots[slot] !== 0 && !isAmong(distinct, slots[slot] - 1, slots[slot], high, low))
      slot = (slot + 1) & (size - 1)
    if (slots[slot] === 0) {
      distinct[count * 2] = high
      distinct[count * 2 + 1] = low
      slots[slot] = ++count
    }
    numberOf[i] = slots[slot] - 1
  }
  return { distinct: distinct.subarray(0, count * 2), numberOf }
}

/** The numbers of things, the smallest thing first: a radix sort by sixteen bits at a time. */
function orderOf(things: Uint32Array): Uint32Array {
  const count = things.length / 2
  let order = Uint32Array.from({ length: count }, (_, i) => i)
  let other = new Uint32Array(count)
  for (const [word, shift] of DIGITS) {
    const places = new Uint32Array(0x1_0001)
    for (let i = 0; i < count; i++) places[((things[i * 2 + word] >>> shift) & 0xffff) + 1]++
    for (let digit = 0; digit < 0x1_0000; digit++) places[digit + 1] += places[digit]
    for (const thing of order) other[places[(things[thing * 2 + word] >>> shift) & 0xffff]++] = thing
    ;[order, other] = [other, order]
  }
  return order
}

/** Of a thing the word and the shift of each digit, the last one first. */
const DIGITS = [
  [1, 0],
  [1, 16],
  [0, 0],
  [0, 16],
] as const
