/**
 * Keys → small integers, in the order in which they were last used: a bounded table on typed arrays, for keys of which very many
 * come once and never again. A key is written part by part, straight from the texts of an event, so that neither finding nor
 * adding one makes a string or an object, and the garbage collector has nothing to walk.
 *
 *     keys.begin(); keys.append('10.0.0.1'); keys.append('carol')
 *     let place = keys.find()
 *     if (place === -1) place = keys.add()
 *
 * The bytes of a key lie in chunks that are chained, so that long keys cost what they need. Keys are compared as a whole: two
 * that differ never share a place. The order does not depend on the hash, which begins with a number of this process alone, lest
 * somebody choose keys that collide.
 */
import { randomBytes } from 'node:crypto'

const NONE = -1
const FIRST_PLACES = 16
const CHUNK = 32
/** Behind every part: no byte of an encoded text is larger than 0xef. */
const PART_END = 0xff
/** A byte for ASCII, three for every other UTF-16 code unit, surrogates among them. */
const UNIT_BYTES_MAX = 3
const HASH_SEED = randomBytes(4).readInt32LE()

export class RecentKeys {
  /** How many keys there are. */
  size = 0
  /** The key that was not used for longest; -1 if there is none. `newerThan` leads on. */
  oldest = NONE
  newest = NONE
  #hashes = new Int32Array(FIRST_PLACES)
  #chunkOf = new Int32Array(FIRST_PLACES)
  #lengths = new Int32Array(FIRST_PLACES)
  /** By place: the next in the same bucket; for free places, the next free one. */
  #chain = new Int32Array(FIRST_PLACES)
  #newer = new Int32Array(FIRST_PLACES)
  #older = new Int32Array(FIRST_PLACES)
  #buckets = new Int32Array(FIRST_PLACES).fill(NONE)
  #placesUsed = 0
  #freePlace = NONE
  #chunks = new Uint8Array(FIRST_PLACES * CHUNK)
  #nextChunk = new Int32Array(FIRST_PLACES)
  #chunksUsed = 0
  #freeChunk = NONE
  /** The key that is being written. */
  #key = new Uint8Array(256)
  #length = 0
  #hash = 0

  /** Places are smaller than this: what is kept by place grows with it. */
  get places(): number {
    return this.#hashes.length
  }

  begin(): void {
    this.#length = 0
    this.#hash = HASH_SEED
  }

  /** A part of the key. */
  append(text: string): void {
    this.write(text)
    this.endPart()
  }

  /** Of a part that is written piece by piece; `endPart` ends it. */
  write(text: string): void {
    const characters = text.length
    if (this.#length + characters * UNIT_BYTES_MAX >= this.#key.length) {
      this.#key = enlarged(this.#key, (this.#length + characters * UNIT_BYTES_MAX + 1) * 2)
    }
    const key = this.#key
    let at = this.#length
    let hash = this.#hash
    for (let i = 0; i < characters; i++) {
      const code = text.charCodeAt(i)
      hash = Math.imul(hash ^ code, 0x5bd1e995)
      hash ^= hash >>> 15
      if (code < 0x80) key[at++] = code
      else {
        key[at++] = 0xe0 | (code >> 12)
        key[at++] = 0x80 | ((code >> 6) & 0x3f)
        key[at++] = 0x80 | (code & 0x3f)
      }
    }
    this.#hash = hash
    this.#length = at
  }

  endPart(): void {
    this.#key[this.#length++] = PART_END
    this.#hash = Math.imul(this.#hash ^ PART_END, 0x5bd1e995)
  }

  /** The place of the key that was written, or -1. */
  find(): number {
    const hash = this.#hash
    let place = this.#buckets[this.#bucketOf(hash)]
    while (place !== NONE && !(this.#hashes[place] === hash && this.#isAt(place))) place = this.#chain[place]
    return place
  }

  /** Adds the key that was written, which must not be there, as the newest. */
  add(): number {
    const place = this.#takePlace()
    const bucket = this.#bucketOf(this.#hash)
    this.#hashes[place] = this.#hash
    this.#chain[place] = this.#buckets[bucket]
    this.#buckets[bucket] = place
    this.#store(place)
    this.#linkNewest(place)
    this.size++
    return place
  }

  /** Makes it the newest. */
  touch(place: number): void {
    if (place === this.newest) return
    this.#unlink(place)
    this.#linkNewest(place)
  }

  remove(place: number): void {
    const bucket = this.#bucketOf(this.#hashes[place])
    const after = this.#chain[place]
    let at = this.#buckets[bucket]
    if (at === place) this.#buckets[bucket] = after
    else {
      while (this.#chain[at] !== place) at = this.#chain[at]
      this.#chain[at] = after
    }
    this.#unlink(place)
    this.#freeChunks(this.#chunkOf[place])
    this.#chain[place] = this.#freePlace
    this.#freePlace = place
    this.size--
  }

  /** The next newer key, or -1. */
  newerThan(place: number): number {
    return this.#newer[place]
  }

  /** The next older key, or -1. */
  olderThan(place: number): number {
    return this.#older[place]
  }

  /** What the text of a key takes in memory. */
  bytesOf(place: number): number {
    return Math.ceil(this.#lengths[place] / CHUNK) * (CHUNK + Int32Array.BYTES_PER_ELEMENT)
  }

  /** The parts of a key as they were appended. */
  partsOf(place: number): string[] {
    const parts: string[] = []
    let text = ''
    let chunk = this.#chunkOf[place]
    let at = 0
    const next = (): number => {
      if (at === CHUNK) {
        chunk = this.#nextChunk[chunk]
        at = 0
      }
      return this.#chunks[chunk * CHUNK + at++]
    }
    for (let left = this.#lengths[place]; left > 0; left--) {
      const byte = next()
      if (byte === PART_END) {
        parts.push(text)
        text = ''
      } else if (byte < 0x80) text += String.fromCharCode(byte)
      else {
        text += String.fromCharCode(((byte & 0xf) << 12) | ((next() & 0x3f) << 6) | (next() & 0x3f))
        left -= 2
      }
    }
    return parts
  }

  #bucketOf(hash: number): number {
    return (hash ^ (hash >>> 16)) & (this.#buckets.length - 1)
  }

  #isAt(place: number): boolean {
    const length = this.#length
    if (this.#lengths[place] !== length) return false
    const key = this.#key
    const chunks = this.#chunks
    let chunk = this.#chunkOf[place]
    for (let at = 0; at < length; chunk = this.#nextChunk[chunk]) {
      const base = chunk * CHUNK - at
      const end = Math.min(length, at + CHUNK)
      for (; at < end; at++) if (key[at] !== chunks[base + at]) return false
    }
    return true
  }

  #store(place: number): void {
    const length = this.#length
    this.#lengths[place] = length
    let previous = NONE
    let first = NONE
    for (let at = 0; at < length; ) {
      const chunk = this.#takeChunk()
      if (previous === NONE) first = chunk
      else this.#nextChunk[previous] = chunk
      this.#nextChunk[chunk] = NONE
      previous = chunk
      const base = chunk * CHUNK - at
      const end = Math.min(length, at + CHUNK)
      for (; at < end; at++) this.#chunks[base + at] = this.#key[at]
    }
    this.#chunkOf[place] = first
  }

  #linkNewest(place: number): void {
    this.#older[place] = this.newest
    this.#newer[place] = NONE
    if (this.newest === NONE) this.oldest = place
    else this.#newer[this.newest] = place
    this.newest = place
  }

  #unlink(place: number): void {
    const older = this.#older[place]
    const newer = this.#newer[place]
    if (older === NONE) this.oldest = newer
    else this.#newer[older] = newer
    if (newer === NONE) this.newest = older
    else this.#older[newer] = older
  }

  #takePlace(): number {
    const place = this.#freePlace
    if (place !== NONE) {
      this.#freePlace = this.#chain[place]
      return place
    }
    if (this.#placesUsed === this.#hashes.length) this.#growPlaces()
    return this.#placesUsed++
  }

  #growPlaces(): void {
    const places = this.#hashes.length * 2
    this.#hashes = enlarged(this.#hashes, places)
    this.#chunkOf = enlarged(this.#chunkOf, places)
    this.#lengths = enlarged(this.#lengths, places)
    this.#chain = enlarged(this.#chain, places)
    this.#newer = enlarged(this.#newer, places)
    this.#older = enlarged(this.#older, places)
    this.#buckets = new Int32Array(places).fill(NONE)
    for (let place = this.oldest; place !== NONE; place = this.#newer[place]) {
      const bucket = this.#bucketOf(this.#hashes[place])
      this.#chain[place] = this.#buckets[bucket]
      this.#buckets[bucket] = place
    }
  }

  #takeChunk(): number {
    const chunk = this.#freeChunk
    if (chunk !== NONE) {
      this.#freeChunk = this.#nextChunk[chunk]
      return chunk
    }
    if (this.#chunksUsed === this.#nextChunk.length) {
      const chunks = this.#nextChunk.length * 2
      this.#chunks = enlarged(this.#chunks, chunks * CHUNK)
      this.#nextChunk = enlarged(this.#nextChunk, chunks)
    }
    return this.#chunksUsed++
  }

  #freeChunks(first: number): void {
    for (let chunk = first; chunk !== NONE; ) {
      const next = this.#nextChunk[chunk]
      this.#nextChunk[chunk] = this.#freeChunk
      this.#freeChunk = chunk
      chunk = next
    }
  }
}

/** A longer array with the same beginning. */
export function enlarged<A extends Uint8Array | Int32Array | Float64Array>(array: A, length: number): A {
  const larger = new (array.constructor as new (length: number) => A)(length)
  larger.set(array)
  return larger
}
