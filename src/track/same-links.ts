/**
 * One PPP link seen in two carriers: an access concentrator takes a PPPoE session and carries its frames on in an L2TP
 * session, octet by octet.
 *
 * What is random in a link tells it again: an LCP Configure-Request with a magic number, a CHAP challenge, a CHAP response.
 * Each is remembered for some seconds with the carrier that showed it.
 */
import { hashWindow, mixPair } from '../base/hash.ts'
import { SECOND_US } from '../base/time.ts'
import { BoundedMap } from './bounded-map.ts'
import type { Carrier } from './carrier.ts'

/** What passes through a concentrator comes out within this; also after a negotiation that it did by itself. */
const WINDOW_US = 30 * SECOND_US
const MARKS_MAX = 8192
/** Fewer random octets than this may repeat by chance. */
const MARK_BYTES_MIN = 8

interface Mark {
  readonly carrier: Carrier
  /** The carrier's record may have been given to another. */
  readonly uid: string
  readonly timeUs: number
}

/** `first` showed it before `second`. They are not of one kind. */
export type SameLinkFound = (first: Carrier, second: Carrier, timeUs: number) => void

export class SameLinks {
  readonly #marks = new BoundedMap<number, Mark>(MARKS_MAX)
  #found: SameLinkFound = () => {}

  attach(found: SameLinkFound): void {
    this.#found = found
  }

  /** A carrier showed these octets, which nobody else chooses. */
  note(bytes: Uint8Array, start: number, end: number, carrier: Carrier, timeUs: number): void {
    if (end - start < MARK_BYTES_MIN) return
    const low = hashWindow(bytes, start, end)
    const key = (low >>> 0) * 0x10_0000 + (mixPair(low, hashWindow(bytes, start, end - 1)) & 0xf_ffff)
    const mark = this.#marks.get(key)
    if (mark !== undefined && mark.carrier !== carrier && this.#isFresh(mark, timeUs)) {
      if (mark.carrier.owner !== carrier.owner) this.#found(mark.carrier, carrier, timeUs)
      return
    }
    this.#marks.set(key, { carrier, uid: carrier.uid, timeUs })
  }

  #isFresh({ carrier, uid, timeUs }: Mark, nowUs: number): boolean {
    return carrier.uid === uid && nowUs - timeUs <= WINDOW_US
  }
}
