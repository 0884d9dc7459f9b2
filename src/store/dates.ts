/**
 * Dates of documents and of queries, in microseconds since the epoch.
 *
 * A date in a query stands for the whole period that it names: `2026-01-31` is that day, so `<= 2026-01-31` includes its
 * last microsecond. Without a zone it is UTC.
 */

export interface Period {
  readonly fromUs: number
  /** The first microsecond after the period. */
  readonly untilUs: number
}

const TIMESTAMP = /^((?:[+-]\d{6}|\d{4})-\d\d-\d\d)T(\d\d:\d\d:\d\d)(?:\.(\d{1,9}))?Z$/
const DATE =
  /^(\d{4})(?:-(\d\d)(?:-(\d\d)(?:[T ](\d\d)(?::(\d\d)(?::(\d\d)(?:\.(\d{1,9}))?)?)?(Z|[+-]\d\d(?::?\d\d)?)?)?)?)?$/
/** Milliseconds since the epoch; four digits are a year. */
const EPOCH_MS = /^-?\d{5,15}$/
const MATH = /^(?:[+-]\d{1,9}[yMwdhHms]|\/[yMwdhHms])*$/
const STEP = /([+-]\d+|\/)([yMwdhHms])/g

/** `2026-01-31T23:59:59.123456Z`: as the sensor writes all of its dates. */
const USUAL_LENGTH = 27

let cachedDay = ''
let cachedUs = 0

/** The instant that a document's date names, or null if the text is not ISO 8601 in UTC. Below a microsecond it is cut. */
export function instantUs(text: string): number | null {
  if (text.length === USUAL_LENGTH && cachedDay.length === 10 && text.startsWith(cachedDay)) {
    const inDayUs = usualTimeUs(text)
    if (inDayUs !== -1) return cachedUs + inDayUs
  }
  const match = TIMESTAMP.exec(text)
  if (match === null) return null
  const [, day, time, digits] = match
  const milliseconds = Date.parse(`${day}T${time}Z`)
  if (Number.isNaN(milliseconds)) return null
  const dayMs = Date.parse(`${day}T00:00:00Z`)
  cachedDay = day
  cachedUs = dayMs * 1000
  return milliseconds * 1000 + fractionUs(digits)
}

/** What stands behind the day in a text of the usual length, without a match for each; -1 if it is not the usual time. */
function usualTimeUs(text: string): number {
  const isUsual =
    text.charCodeAt(10) === T &&
    text.charCodeAt(13) === COLON &&
    text.charCodeAt(16) === COLON &&
    text.charCodeAt(19) === DOT &&
    text.charCodeAt(26) === Z
  const [hour, minute, second] = [twoDigits(text, 11), twoDigits(text, 14), twoDigits(text, 17)]
  const [high, middle, low] = [twoDigits(text, 20), twoDigits(text, 22), twoDigits(text, 24)]
  if (!isUsual || hour > 23 || minute > 59 || second > 59 || high > 99 || middle > 99 || low > 99) return -1
  return ((hour * 60 + minute) * 60 + second) * 1_000_000 + high * 10_000 + middle * 100 + low
}

const [T, COLON, DOT, Z, ZERO] = ['T', ':', '.', 'Z', '0'].map((character) => character.charCodeAt(0))

/** More than 99 if they are none. */
function twoDigits(text: string, at: number): number {
  const [tens, units] = [text.charCodeAt(at) - ZERO, text.charCodeAt(at + 1) - ZERO]
  return tens >= 0 && tens <= 9 && units >= 0 && units <= 9 ? tens * 10 + units : 100
}

/**
 * The period that a date of a query names: an ISO 8601 date cut anywhere after the year, milliseconds since the epoch, or
 * date math as Elasticsearch has it (`now-24h`, `now/d`, `2026-01-31||+1M/M`). Null if the text is none of these.
 */
export function period(text: string, nowUs: number): Period | null {
  if (text.startsWith('now')) return moved({ fromUs: nowUs, untilUs: nowUs + 1 }, text.slice(3))
  const bars = text.indexOf('||')
  const anchor = dated(bars === -1 ? text : text.slice(0, bars))
  return anchor === null || bars === -1 ? anchor : moved(anchor, text.slice(bars + 2))
}

function fractionUs(digits: string | undefined): number {
  return digits === undefined ? 0 : Number(digits.slice(0, 6).padEnd(6, '0'))
}

function dated(text: string): Period | null {
  if (EPOCH_MS.test(text)) return { fromUs: Number(text) * 1000, untilUs: (Number(text) + 1) * 1000 }
  const match = DATE.exec(text)
  if (match === null) return null
  const [year, month = 1, day = 1, hour = 0, minute = 0, second = 0] = match
    .slice(1, 7)
    .map((part) => part && Number(part)) as number[]
  const start = new Date(0)
  start.setUTCFullYear(year, month - 1, day)
  start.setUTCHours(hour, minute, second)
  // A Date turns 31 February into 3 March; what does not come back as it was is no date.
  if (start.getUTCMonth() !== month - 1 || start.getUTCDate() !== day || start.getUTCHours() !== hour) return null
  if (start.getUTCMinutes() !== minute || start.getUTCSeconds() !== second) return null
  const shiftUs = zoneUs(match[8])
  const fromUs = start.getTime() * 1000 - shiftUs
  if (match[7] !== undefined) {
    const digits = Math.min(match[7].length, 6)
    return { fromUs: fromUs + fractionUs(match[7]), untilUs: fromUs + fractionUs(match[7]) + 10 ** (6 - digits) }
  }
  const unit = (['y', 'M', 'd', 'h', 'm', 's'] as const)[
    match.slice(1, 7).filter((part) => part !== undefined).length - 1
  ]
  return { fromUs, untilUs: add(fromUs + shiftUs, 1, unit) - shiftUs }
}

function zoneUs(zone: string | undefined): number {
  if (zone === undefined || zone === 'Z') return 0
  const minutes = Number(zone.slice(1, 3)) * 60 + Number(zone.length > 3 ? zone.slice(-2) : 0)
  return (zone[0] === '-' ? -1 : 1) * minutes * 60_000_000
}

function moved(anchor: Period, math: string): Period | null {
  if (!MATH.test(math)) return null
  let { fromUs, untilUs } = anchor
  for (const [, amount, unit] of math.matchAll(STEP)) {
    if (amount === '/') {
      fromUs = floor(fromUs, unit)
      untilUs = add(fromUs, 1, unit)
    } else {
      fromUs = add(fromUs, Number(amount), unit)
      untilUs = add(untilUs, Number(amount), unit)
    }
  }
  return Number.isNaN(fromUs) || Number.isNaN(untilUs) ? null : { fromUs, untilUs }
}

const FIXED_US: Record<string, number> = {
  w: 604_800_000_000,
  d: 86_400_000_000,
  h: 3_600_000_000,
  H: 3_600_000_000,
  m: 60_000_000,
  s: 1_000_000,
}
/** 1 January 1970 was a Thursday: weeks begin three days before it. */
const MONDAY_US = -3 * FIXED_US['d']

function add(timeUs: number, amount: number, unit: string): number {
  if (unit in FIXED_US) return timeUs + amount * FIXED_US[unit]
  const millisecond = Math.floor(timeUs / 1000)
  const date = new Date(millisecond)
  const day = date.getUTCDate()
  date.setUTCDate(1)
  date.setUTCMonth(date.getUTCMonth() + amount * (unit === 'y' ? 12 : 1))
  // The last day of a shorter month stands for a day that it does not have.
  const days = new Date(Date.UTC(date.getUTCFullYear(), date.getUTCMonth() + 1, 0)).getUTCDate()
  date.setUTCDate(Math.min(day, days))
  return date.getTime() * 1000 + (timeUs - millisecond * 1000)
}

function floor(timeUs: number, unit: string): number {
  if (unit === 'w') return Math.floor((timeUs - MONDAY_US) / FIXED_US['w']) * FIXED_US['w'] + MONDAY_US
  if (unit in FIXED_US) return Math.floor(timeUs / FIXED_US[unit]) * FIXED_US[unit]
  const date = new Date(timeUs / 1000)
  return Date.UTC(date.getUTCFullYear(), unit === 'y' ? 0 : date.getUTCMonth(), 1) * 1000
}
