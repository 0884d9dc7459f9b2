/**
 * The reliable delivery of control messages in one direction (RFC 2661 section 5.8), as a bystander can check it.
 *
 * A bystander misses packets, sees them out of order, and an attacker adds some. What tells them apart: a peer acts on
 * messages in order, acknowledges what it acted on, and repeats a message with the same bytes. So a message after a gap is
 * held until the gap is filled, as its receiver would, or until the receiver acknowledges it: then the capture missed what
 * stood before. A message that is neither is never believed.
 */
import { REMEMBERED, type SeenMessages } from './seen-messages.ts'

/**
 * `next`: the one that is due. `held`: after a gap; `release` gives it when its time has come. `late`: fills a gap that
 * the receiver had acknowledged. `retransmission`: the same message again. `conflict`: a number seen before with other
 * content. `beyond_window`: held, and further ahead than the receiver allows.
 */
export type Arrival = 'next' | 'held' | 'late' | 'retransmission' | 'conflict' | 'beyond_window'

const UNKNOWN = -1
const HALF = 0x8000
const HELD_MAX = 16
/** What a peer that announced no window has is 4 (RFC 2661 section 4.4.3); some implementations overdraw it. */
const WINDOW_MIN = 8
const WINDOW_MAX = REMEMBERED

/** What is remembered of a channel, as plain values. */
export interface SavedChannel {
  readonly expectedNs: number
  readonly messages: number
  readonly retransmissions: number
  readonly gaps: number
  /** Numbers and digests of the last messages. */
  readonly seen: readonly (readonly [ns: number, digest: number])[]
  /** What passed while nobody looked has not been made up for yet. Undefined in what older sensors wrote. */
  readonly isResumed?: boolean | undefined
}

interface Held<Message> {
  readonly ns: number
  readonly digest: number
  readonly message: Message
}

export class ControlChannel<Message> {
  /** The Ns that is due, or -1 while nothing is known. */
  expectedNs = UNKNOWN
  messages = 0
  retransmissions = 0
  /** Messages that the capture missed. */
  gaps = 0
  readonly #seen: SeenMessages
  readonly #row: number
  readonly #held: Held<Message>[] = []
  /** An acknowledgement of what nobody saw: believed when the sender itself goes on from there. */
  #claimedNr = UNKNOWN
  /** Nobody looked for a while: whatever number comes next, what stood before it was missed. */
  #isResumed = false

  /** `row` is its place among what is remembered of all channels. */
  constructor(seen: SeenMessages, row: number) {
    this.#seen = seen
    this.#row = row
    seen.open(row)
  }

  /** `expectedNs` is 0 for a channel seen from its start, -1 for one that was joined. */
  reset(expectedNs: number): void {
    this.expectedNs = expectedNs
    this.messages = 0
    this.retransmissions = 0
    this.gaps = 0
    this.#seen.open(this.#row)
    this.#held.length = 0
    this.#claimedNr = UNKNOWN
    this.#isResumed = false
  }

  /** Messages that were held for a gap are not part of it. */
  save(): SavedChannel {
    const { expectedNs, messages, retransmissions, gaps } = this
    const seen = this.#seen.list(this.#row)
    return { expectedNs, messages, retransmissions, gaps, seen, isResumed: this.#isResumed }
  }

  /** `isLater`: messages may have passed since it was saved. */
  restore(saved: SavedChannel, isLater: boolean): void {
    const { expectedNs, messages, retransmissions, gaps, seen, isResumed = false } = saved
    this.reset(expectedNs)
    for (const [ns, digest] of seen) this.#remember(ns, digest)
    Object.assign(this, { messages, retransmissions, gaps })
    this.#isResumed = isResumed || isLater
  }

  /** A message with a body. `digest` is a hash of its AVPs, `window` what its receiver announced (0 if nothing). */
  arrive(ns: number, digest: number, window: number, message: Message): Arrival {
    this.announce(ns)
    if (this.#isResumed) this.#catchUp(ns)
    const ahead = this.expectedNs === UNKNOWN ? 0 : (ns - this.expectedNs) & 0xffff
    if (ahead >= HALF) return this.#arriveAgain(ns, digest, 0x10000 - ahead)
    if (ahead === 0) {
      this.expectedNs = (ns + 1) & 0xffff
      this.#remember(ns, digest)
      return 'next'
    }
    const earlier = this.#held.findIndex((held) => held.ns === ns)
    if (earlier !== -1) {
      const isSame = this.#held[earlier].digest === digest
      // Receivers drop what comes too early, so of two the later one will count.
      this.#held[earlier] = { ns, digest, message }
      if (isSame) this.retransmissions++
      return isSame ? 'retransmission' : 'conflict'
    }
    this.#held.push({ ns, digest, message })
    // Nobody sends so much unacknowledged: the acknowledgements pass where the capture cannot see them.
    if (this.#held.length === HELD_MAX) this.#skipTo(this.#lowestHeld())
    return ahead >= Math.min(Math.max(window, WINDOW_MIN), WINDOW_MAX) ? 'beyond_window' : 'held'
  }

  /** Whether it came before, and its receiver has it: it may be passed over, and counted among the retransmissions. `digestOf` is asked only if its number did. */
  hasSeen(ns: number, digestOf: () => number): boolean {
    const isBehind = ((ns - this.expectedNs) & 0xffff) >= HALF
    if (!isBehind || this.#isResumed) return false
    const seen = this.#seen.digestOf(this.#row, ns)
    return seen !== undefined && seen === digestOf()
  }

  /** The sender's own next number, in any of its messages: with a matching acknowledgement it ends a gap of the capture. */
  announce(ns: number): void {
    if (ns !== this.#claimedNr) return
    // What was missing may have come meanwhile, and the message itself from among those that were held.
    if (((ns - this.expectedNs) & 0xffff) < HALF) this.#skipTo(ns)
    else this.#claimedNr = UNKNOWN
  }

  /** The other end says that it has everything before `nr`. False if that was never sent, as far as anyone saw. */
  acknowledge(nr: number): boolean {
    if (this.expectedNs === UNKNOWN) {
      this.expectedNs = nr
      return true
    }
    const ahead = (nr - this.expectedNs) & 0xffff
    if (ahead === 0 || ahead >= HALF) return true
    if (this.#isResumed) {
      this.#skipTo(nr)
      return true
    }
    const last = (nr - 1) & 0xffff
    if (ahead > WINDOW_MIN && !this.#held.some((held) => held.ns === last)) {
      this.#claimedNr = nr
      return false
    }
    this.#skipTo(nr)
    return true
  }

  /** The next of the held messages that its receiver has acted on, in order, or null. */
  release(): Message | null {
    if (this.#held.length === 0) return null
    const ahead = this.#aheadOf(this.#lowestHeld())
    if (ahead > 0) return null
    const first = this.#held.findIndex((held) => this.#aheadOf(held.ns) === ahead)
    const [{ ns, digest, message }] = this.#held.splice(first, 1)
    if (ahead === 0) this.expectedNs = (ns + 1) & 0xffff
    else this.gaps--
    this.#remember(ns, digest)
    return message
  }

  /** Of a number near the expected one; negative if it lies before it. */
  #aheadOf(ns: number): number {
    return ((ns - this.expectedNs) << 16) >> 16
  }

  #lowestHeld(): number {
    let lowest = this.#held[0].ns
    for (const { ns } of this.#held) if (this.#aheadOf(ns) < this.#aheadOf(lowest)) lowest = ns
    return lowest
  }

  #arriveAgain(ns: number, digest: number, behind: number): Arrival {
    const seen = this.#seen.digestOf(this.#row, ns)
    if (seen !== undefined) {
      if (seen !== digest) return 'conflict'
    } else if (behind <= REMEMBERED && this.gaps > 0) {
      this.gaps--
      this.#remember(ns, digest)
      return 'late'
    }
    this.retransmissions++
    return 'retransmission'
  }

  #catchUp(ns: number): void {
    this.#isResumed = false
    const ahead = (ns - this.expectedNs) & 0xffff
    if (this.expectedNs !== UNKNOWN && ahead < HALF) this.#skipTo(ns)
  }

  #skipTo(ns: number): void {
    this.gaps += (ns - this.expectedNs) & 0xffff
    this.expectedNs = ns
    this.#claimedNr = UNKNOWN
  }

  #remember(ns: number, digest: number): void {
    this.messages++
    this.#seen.remember(this.#row, ns, digest)
  }
}
