/**
 * A UDP endpoint (address and port) as a small integer, so that tables are keyed by integers.
 *
 * The port belongs to it: several clients behind one NAT address may choose the same tunnel number. An endpoint is kept
 * while somebody holds it; ids of released endpoints are used again.
 */
import { addressText, ipv4Text } from './address.ts'
import { i32 } from './bytes.ts'
import { FIRST_ROWS } from './growing.ts'
import { mix32, mixPair } from './hash.ts'

const WORDS = 5 // four of the address (IPv4 as ::ffff:a.b.c.d), one of port and family
const MAPPED = 0x0000ffff
const IPV6 = 0x10000
const EMPTY = -1
const SLOT = 2
const ID = 1
const FIRST_SLOTS = FIRST_ROWS * 2

export class Endpoints {
  readonly capacity: number
  size = 0
  #words = new Int32Array(FIRST_ROWS * WORDS)
  #holders = new Int32Array(FIRST_ROWS)
  #free: number[] = []
  #used = 0
  /** Of each slot the hash of the endpoint there, which spares a look at the words of most others, and its id. */
  #index = emptyIndex(FIRST_SLOTS)
  #mask = FIRST_SLOTS - 1
  readonly #key = new Int32Array(WORDS)

  constructor(capacity: number) {
    this.capacity = capacity
  }

  /** The id of a known endpoint, or -1. `length` is 4 or 16. */
  find(bytes: Uint8Array, at: number, length: number, port: number): number {
    this.#readKey(bytes, at, length, port)
    return this.#index[this.#slot(this.#hash()) * SLOT + ID]
  }

  /** The id of an endpoint, made known and held once more; -1 if the table is full. */
  hold(bytes: Uint8Array, at: number, length: number, port: number): number {
    this.#readKey(bytes, at, length, port)
    const hash = this.#hash()
    const slot = this.#slot(hash)
    const known = this.#index[slot * SLOT + ID]
    if (known !== EMPTY) {
      this.#holders[known]++
      return known
    }
    if (this.size >= this.capacity) return -1
    const id = this.#free.pop() ?? this.#used++
    if ((id + 1) * WORDS > this.#words.length) this.#growRecords()
    this.#words.set(this.#key, id * WORDS)
    this.#holders[id] = 1
    this.#index[slot * SLOT] = hash
    this.#index[slot * SLOT + ID] = id
    this.size++
    if (this.size * 3 > (this.#mask + 1) * 2) this.#growIndex()
    return id
  }

  /** Another holder of a known endpoint. */
  holdAgain(id: number): void {
    this.#holders[id]++
  }

  release(id: number): void {
    if (id === -1 || --this.#holders[id] > 0) return
    this.#load(id)
    this.#unlink(this.#slot(this.#hash()))
    this.#free.push(id)
    this.size--
  }

  port(id: number): number {
    return this.#words[id * WORDS + 4] & 0xffff
  }

  isIpv6(id: number): boolean {
    return (this.#words[id * WORDS + 4] & IPV6) !== 0
  }

  /** The address of an IPv4 endpoint as a signed number. */
  ipv4(id: number): number {
    return this.#words[id * WORDS + 3]
  }

  /** The address as text. */
  address(id: number): string {
    const at = id * WORDS
    if (!this.isIpv6(id)) return ipv4Text(this.#words[at + 3])
    return addressText(this.bytes(id), 0, 16)
  }

  /** The address as fresh bytes, 4 or 16. */
  bytes(id: number): Uint8Array {
    const length = this.isIpv6(id) ? 16 : 4
    const first = id * WORDS + 4 - length / 4
    const bytes = new Uint8Array(length)
    for (let i = 0; i < length; i++) bytes[i] = this.#words[first + (i >> 2)] >>> (24 - (i & 3) * 8)
    return bytes
  }

  /** A digest of the address, the same for all ports. */
  digest(id: number): number {
    const words = this.#words
    const at = id * WORDS
    return hashKey(words[at], words[at + 1], words[at + 2], words[at + 3], 0)
  }

  /** Whether the endpoint has this address, whatever its port. */
  hasAddress(id: number, bytes: Uint8Array, at: number, length: number): boolean {
    const word = id * WORDS
    if (length === 4) return !this.isIpv6(id) && this.#words[word + 3] === i32(bytes, at)
    if (!this.isIpv6(id)) return false
    for (let i = 0; i < 4; i++) if (this.#words[word + i] !== i32(bytes, at + i * 4)) return false
    return true
  }

  #readKey(bytes: Uint8Array, at: number, length: number, port: number): void {
    const key = this.#key
    if (length === 4) {
      key[0] = 0
      key[1] = 0
      key[2] = MAPPED
      key[3] = i32(bytes, at)
      key[4] = port
    } else {
      key[0] = i32(bytes, at)
      key[1] = i32(bytes, at + 4)
      key[2] = i32(bytes, at + 8)
      key[3] = i32(bytes, at + 12)
      key[4] = port | IPV6
    }
  }

  #load(id: number): void {
    for (let i = 0; i < WORDS; i++) this.#key[i] = this.#words[id * WORDS + i]
  }

  #hash(): number {
    const key = this.#key
    return hashKey(key[0], key[1], key[2], key[3], key[4])
  }

  /** The slot of the key, whose hash that is, or the empty one where it would go. */
  #slot(hash: number): number {
    const key = this.#key
    const words = this.#words
    const index = this.#index
    const mask = this.#mask
    for (let slot = hash & mask; ; slot = (slot + 1) & mask) {
      const id = index[slot * SLOT + ID]
      if (id === EMPTY) return slot
      if (index[slot * SLOT] !== hash) continue
      const at = id * WORDS
      if (
        words[at + 3] === key[3] &&
        words[at + 4] === key[4] &&
        words[at + 2] === key[2] &&
        words[at + 1] === key[1] &&
        words[at] === key[0]
      ) {
        return slot
      }
    }
  }

  #unlink(emptied: number): void {
    const index = this.#index
    const mask = this.#mask
    let hole = emptied
    for (let slot = (hole + 1) & mask; index[slot * SLOT + ID] !== EMPTY; slot = (slot + 1) & mask) {
      const home = index[slot * SLOT] & mask
      if (((slot - home) & mask) < ((slot - hole) & mask)) continue
      index[hole * SLOT] = index[slot * SLOT]
      index[hole * SLOT + ID] = index[slot * SLOT + ID]
      hole = slot
    }
    index[hole * SLOT + ID] = EMPTY
  }

  #growIndex(): void {
    const old = this.#index
    const count = (this.#mask + 1) * 2
    const mask = count - 1
    const index = emptyIndex(count)
    for (let at = 0; at < old.length; at += SLOT) {
      if (old[at + ID] === EMPTY) continue
      let slot = old[at] & mask
      while (index[slot * SLOT + ID] !== EMPTY) slot = (slot + 1) & mask
      index[slot * SLOT] = old[at]
      index[slot * SLOT + ID] = old[at + ID]
    }
    this.#index = index
    this.#mask = mask
  }

  #growRecords(): void {
    const words = new Int32Array(this.#words.length * 2)
    words.set(this.#words)
    this.#words = words
    const holders = new Int32Array(this.#holders.length * 2)
    holders.set(this.#holders)
    this.#holders = holders
  }
}

function emptyIndex(slots: number): Int32Array<ArrayBuffer> {
  return new Int32Array(slots * SLOT).fill(EMPTY)
}

function hashKey(a: number, b: number, c: number, d: number, e: number): number {
  // IPv4 keys share the first three words: two mixings instead of four.
  return (a | b) === 0 && c === MAPPED ? mixPair(d, e) : mixPair(mix32(a ^ Math.imul(b, 31)) ^ c, mixPair(d, e))
}
