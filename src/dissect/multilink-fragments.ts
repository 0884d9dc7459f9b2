/**
 * Frames that PPP multilink cut into fragments (RFC 1990), put together again.
 *
 * A receiver gives a frame up when every link of the bundle has gone past it (section 4.1). A bystander, who may have lost what the
 * receiver has, waits for the missing fragments in any order, for a while and up to a bound.
 */
import { SECOND_US } from '../base/time.ts'
import type { MultilinkView } from '../wire/ppp.ts'

/** No PPP frame is longer: its carriers are IP datagrams and Ethernet frames. */
const FRAME_BYTES_MAX = 65_536
/** Fragments of one frame: no sender cuts finer. */
const FRAGMENTS_MAX = 64
/** Of all links together, whose frames are not complete yet; the oldest ones make room. */
const WAITING_MAX = 4096
const WAITING_BYTES_MAX = 8 * 1024 * 1024
/** Links of a bundle are not further apart, and numbers come again after some 4096 fragments. */
const TIMEOUT_US = 5 * SECOND_US

interface Fragment {
  readonly isFirst: boolean
  readonly isLast: boolean
  readonly octets: Uint8Array
  readonly timeUs: number
}

export class MultilinkFragments {
  /** After `join` said true: the frame, up to `length`. */
  readonly bytes = new Uint8Array(FRAME_BYTES_MAX)
  length = 0
  /** The oldest first. */
  readonly #waiting = new Map<string, Fragment>()
  #octets = 0

  /** `stream` names what is numbered together: one direction of a bundle. `isShort` as the view was decoded. True if that completes a frame. */
  join(stream: string, view: MultilinkView, isShort: boolean, bytes: Uint8Array, timeUs: number): boolean {
    const { sequence, classNumber, isFirst, isLast, payloadStart, payloadEnd } = view
    const mask = isShort ? 0xfff : 0xffffff
    const keyOf = (place: number) => `${stream}/${classNumber}/${(sequence + place) & mask}`
    const known = this.#at(keyOf(0), timeUs)
    if (known !== undefined) return false
    const own = { isFirst, isLast, octets: bytes.subarray(payloadStart, payloadEnd), timeUs }
    const pieces: Fragment[] = [own]
    let before = 0
    while (!pieces[0].isFirst && pieces.length < FRAGMENTS_MAX) {
      const piece = this.#at(keyOf(before - 1), timeUs)
      if (piece === undefined || piece.isLast) break
      pieces.unshift(piece)
      before--
    }
    for (let after = 1; !(pieces.at(-1) as Fragment).isLast && pieces.length < FRAGMENTS_MAX; after++) {
      const piece = this.#at(keyOf(after), timeUs)
      if (piece === undefined || piece.isFirst) break
      pieces.push(piece)
    }
    if (!pieces[0].isFirst || !(pieces.at(-1) as Fragment).isLast) {
      this.#keep(keyOf(0), { ...own, octets: own.octets.slice() })
      return false
    }
    for (let place = before; place < before + pieces.length; place++) this.#drop(keyOf(place))
    return this.#put(pieces)
  }

  #put(pieces: readonly Fragment[]): boolean {
    this.length = 0
    for (const { octets } of pieces) {
      if (this.length + octets.length > FRAME_BYTES_MAX) return false
      this.bytes.set(octets, this.length)
      this.length += octets.length
    }
    return true
  }

  #at(key: string, timeUs: number): Fragment | undefined {
    const fragment = this.#waiting.get(key)
    if (fragment === undefined || timeUs - fragment.timeUs <= TIMEOUT_US) return fragment
    this.#drop(key)
    return undefined
  }

  #keep(key: string, fragment: Fragment): void {
    this.#waiting.set(key, fragment)
    this.#octets += fragment.octets.length
    for (const oldest of this.#waiting.keys()) {
      if (this.#waiting.size <= WAITING_MAX && this.#octets <= WAITING_BYTES_MAX) return
      this.#drop(oldest)
    }
  }

  #drop(key: string): void {
    this.#octets -= this.#waiting.get(key)?.octets.length ?? 0
    this.#waiting.delete(key)
  }
}
