/** What events are called. */
import { hash } from 'node:crypto'
import { SECOND_US } from '../base/time.ts'

const SECONDS_MAX = 0xffff_ffff

let cachedSecond = Number.NaN
let cachedDigits = ''

/**
 * The id of an event: 20 hexadecimal digits, 8 of the second in which it happened (since the epoch, up to 2106) and 12 of a
 * hash of what identifies it within that second. So ids sort by time, and an index of them grows at its end.
 */
export function eventId(timeUs: number, identity: string): string {
  return eventIdOf(timeUs, hash('sha1', identity).slice(0, 12))
}

/** The same for whoever has such a hash: `digest` is 12 hexadecimal digits. */
export function eventIdOf(timeUs: number, digest: string): string {
  const second = Math.min(Math.max(Math.floor(timeUs / SECOND_US), 0), SECONDS_MAX)
  if (second !== cachedSecond) {
    cachedSecond = second
    cachedDigits = second.toString(16).padStart(8, '0')
  }
  return cachedDigits + digest
}
