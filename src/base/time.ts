/** Time of packets: microseconds since the Unix epoch in a number (exact until the year 2255). */

export const SECOND_US = 1_000_000
export const HOUR_US = 3600 * SECOND_US
export const DAY_US = 24 * HOUR_US

const DAY_SECONDS = 86_400
const TWO_DIGITS = Array.from({ length: 60 }, (_, value) => String(value).padStart(2, '0'))

const THREE_DIGITS = Array.from({ length: 1000 }, (_, value) => String(value).padStart(3, '0'))
const LAST_DIGITS = THREE_DIGITS.map((digits) => `${digits}Z`)

/** Seconds whose text is at hand, each at its place modulo their count: what ends now began some seconds ago. */
const SECONDS_AT_HAND = 64
const secondAt = new Float64Array(SECONDS_AT_HAND).fill(Number.NaN)
const textAt: string[] = Array.from({ length: SECONDS_AT_HAND }, () => '')

let cachedDay = Number.NaN
let cachedText = ''

/**
 * ISO 8601 in UTC with six digits of a second, as `@timestamp` holds it. Every event has some, so only the date, which
 * changes once a day, goes through `Date`. For a time that a number does not hold exactly (a corrupt capture) stands the
 * nearest one that it does.
 */
export function isoMicroseconds(timeUs: number): string {
  const exactUs = Math.min(Math.max(timeUs, Number.MIN_SAFE_INTEGER), Number.MAX_SAFE_INTEGER)
  const seconds = Math.floor(exactUs / SECOND_US)
  const microseconds = Math.floor(exactUs - seconds * SECOND_US)
  const place = seconds & (SECONDS_AT_HAND - 1)
  if (secondAt[place] !== seconds) {
    secondAt[place] = seconds
    textAt[place] = secondText(seconds)
  }
  return textAt[place] + THREE_DIGITS[Math.floor(microseconds / 1000)] + LAST_DIGITS[microseconds % 1000]
}

/** Up to the point before the digits of a fraction. */
function secondText(seconds: number): string {
  const day = Math.floor(seconds / DAY_SECONDS)
  if (day !== cachedDay) {
    cachedDay = day
    cachedText = new Date(day * DAY_SECONDS * 1000).toISOString().slice(0, -13)
  }
  const inDay = seconds - day * DAY_SECONDS
  const hour = TWO_DIGITS[Math.floor(inDay / 3600)]
  const minute = TWO_DIGITS[Math.floor(inDay / 60) % 60]
  return `${cachedText}${hour}:${minute}:${TWO_DIGITS[inDay % 60]}.`
}

/** `2026-03-02T10:00:00.000000Z`: how long it is, and where its parts begin. */
const TEXT_LENGTH = 27
const DATE_LENGTH = 10
let parsedDate = ''
let parsedDayUs = 0

/** Back from the text that `isoMicroseconds` wrote. Of a text as usual only the date, which changes once a day, goes through `Date`. */
export function parseMicroseconds(text: string): number {
  if (text.length !== TEXT_LENGTH) {
    const dot = text.indexOf('.')
    return Date.parse(`${text.slice(0, dot)}Z`) * 1000 + Number(text.slice(dot + 1, -1))
  }
  if (!text.startsWith(parsedDate) || parsedDate === '') {
    parsedDate = text.slice(0, DATE_LENGTH)
    parsedDayUs = Date.parse(`${parsedDate}T00:00:00Z`) * 1000
  }
  const minutes = digits(text, 11, 13) * 60 + digits(text, 14, 16)
  return parsedDayUs + (minutes * 60 + digits(text, 17, 19)) * SECOND_US + digits(text, 20, 26)
}

/** NaN if there is anything else. */
function digits(text: string, from: number, to: number): number {
  let number = 0
  for (let i = from; i < to; i++) {
    const digit = text.charCodeAt(i) - 0x30
    if (digit < 0 || digit > 9) return Number.NaN
    number = number * 10 + digit
  }
  return number
}
