/**
 * Time as packets tell it: it goes forward with them, and one absurd timestamp does not move it.
 *
 * A packet more than an hour ahead of the clock, or behind it, is believed when the next one agrees: then the capture was
 * silent, or the clock of its machine was set. A lone one is a corrupt or forged timestamp, which would otherwise end
 * everything that is open, or stop expiry for good.
 */
import { SECOND_US } from './time.ts'

const LEAP_US = 3600 * SECOND_US

export class PacketClock {
  /** Of the first packet; NaN before it. */
  firstUs = Number.NaN
  nowUs = Number.NaN
  /** Where the second ends in which `nowUs` is. */
  #secondEndUs = Number.NaN
  #doubtfulUs = Number.NaN

  /** Takes the time of a packet (read from it, because a double argument would be boxed). True if a new second has begun. */
  tick(packet: { readonly timeUs: number }): boolean {
    const { timeUs } = packet
    // Nearly all packets, without a division.
    if (timeUs > this.nowUs && timeUs < this.#secondEndUs) {
      this.nowUs = timeUs
      this.#doubtfulUs = Number.NaN
      return false
    }
    const ahead = timeUs - this.nowUs
    if (ahead > LEAP_US || ahead < -LEAP_US) {
      const distance = timeUs - this.#doubtfulUs
      if (!(distance <= LEAP_US && distance >= -LEAP_US)) {
        this.#doubtfulUs = timeUs
        return false
      }
    } else if (ahead <= 0) {
      return false
    }
    if (Number.isNaN(this.firstUs)) this.firstUs = timeUs
    this.nowUs = timeUs
    this.#doubtfulUs = Number.NaN
    const secondEndUs = (Math.floor(timeUs / SECOND_US) + 1) * SECOND_US
    if (secondEndUs === this.#secondEndUs) return false
    this.#secondEndUs = secondEndUs
    return true
  }
}
