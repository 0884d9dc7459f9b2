/**
 * Memory that is needed soon, read for no other purpose than to have it in the processor's caches. JavaScript has no instruction for
 * that, and a read whose outcome is kept does the same.
 *
 * A processor waits for many reads at once, but only for those among the instructions that it has begun: of a loop that
 * computes where to read they are few. So places are computed first, and a loop that does nothing else reads there.
 */

/** Reads `words` at the first `count` of the places, all of them inside. What it gives means nothing. */
export function fetchWords(words: Int32Array, places: Int32Array, count: number): number {
  let read = 0
  let i = 0
  for (; i + 4 <= count; i += 4)
    read ^= words[places[i]] ^ words[places[i + 1]] ^ words[places[i + 2]] ^ words[places[i + 3]]
  for (; i < count; i++) read ^= words[places[i]]
  return read
}
