/** Time of packets: microseconds since the Unix epoch in a number (exact until the year 2255). */

export const SECOND_US = 1_000_000

const DAY_SECONDS = 86_400
/** The days that a Date can hold. */
const DAY_MAX = 100_000_000
const TWO_DIGITS = Array.from({ length: 60 }, (_, value) => String(value).padStart(2, '0'))

let cachedDay = Number.NaN
let cachedText = ''

/**
 * ISO 8601 in UTC with six digits of a second, as `@timestamp` holds it. Every event has some, so only the date, which
 * changes once a day, goes through `Date`.
 */
export function isoMicroseconds(timeUs: number): string {
  const seconds = Math.floor(timeUs / SECOND_US)
  const day = Math.floor(seconds / DAY_SECONDS)
  if (day !== cachedDay) {
    cachedDay = day
    // Outside what a Date can hold (a corrupt capture), the nearest day stands in.
    const clamped = Math.min(Math.max(day, -DAY_MAX), DAY_MAX)
    cachedText = new Date(clamped * DAY_SECONDS * 1000).toISOString().slice(0, -13)
  }
  const inDay = seconds - day * DAY_SECONDS
  const hour = TWO_DIGITS[Math.floor(inDay / 3600)]
  const minute = TWO_DIGITS[Math.floor(inDay / 60) % 60]
  const fraction = String(SECOND_US + Math.floor(timeUs - seconds * SECOND_US)).slice(1)
  return `${cachedText}${hour}:${minute}:${TWO_DIGITS[inDay % 60]}.${fraction}Z`
}
