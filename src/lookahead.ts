/**
 * Packets from a source, one after the other. While so much is followed that no cache holds it, the trackers are shown the next few
 * together: what each of them needs of the tables is fetched from memory at the same time, instead of one after the other.
 */
import { NO_BYTES } from './base/bytes.ts'
import { Upcoming, UPCOMING_MAX } from './base/upcoming.ts'
import type { Packet } from './capture/packet.ts'
import type { Trackers } from './track/trackers.ts'

/** Sessions and flows whose rows no longer fit into the caches: below it a look ahead costs more than it spares. */
const FOLLOWED_MIN = 100_000

const NO_LINK = -1

/** A source, as far as it gives packets. */
interface Supply {
  next(packet: Packet): boolean
  preview?(upcoming: Upcoming): void
}

export class Lookahead {
  readonly #trackers: Trackers
  readonly #followedMin: number
  readonly #upcoming = new Upcoming()
  /** Packets until the next look. */
  #left = 0

  constructor(trackers: Trackers, followedMin = FOLLOWED_MIN) {
    this.#trackers = trackers
    this.#followedMin = followedMin
  }

  /** As the source does it. Always of the same source; where several are merged each has a look ahead of its own, asked when its packets are next. */
  next(source: Supply, packet: Packet): boolean {
    if (this.#left-- === 0) this.#look(source)
    return source.next(packet)
  }

  #look(source: Supply): void {
    const { sessions, flows } = this.#trackers
    this.#left = UPCOMING_MAX - 1
    if (source.preview === undefined || sessions.size + flows.size < this.#followedMin) return
    const upcoming = this.#upcoming
    upcoming.over(NO_BYTES, NO_LINK)
    source.preview(upcoming)
    this.#trackers.prefetch(upcoming)
    this.#left = Math.max(0, upcoming.count - 1)
  }
}
