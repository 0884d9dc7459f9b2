/**
 * What is learned of one feature of one entity, and when a value of it is out of the ordinary. Every model is asked the same way
 * and explains itself the same way; what it remembers is bounded and can be written down.
 */
import { DAY_US, HOUR_US } from '../../base/time.ts'
import { Beacon, type SavedBeacon } from './beacon.ts'
import { DDSketch, type SavedSketch } from './ddsketch.ts'
import { DriftDetector, type SavedDrift } from './drift.ts'
import { HoltWinters, type SavedSeries } from './holt-winters.ts'
import { HyperLogLog } from './hyperloglog.ts'
import { Rarity, type SavedRarity } from './rarity.ts'

/** Why a value is out of the ordinary, in words and with a score that grows with surprise. */
export interface Deviation {
  readonly observed: string
  readonly expected: string
  readonly score: number
}

/** One value of a feature: a text, or a number where the feature is one. */
export interface Sample {
  readonly text: string
  readonly number: number
  readonly timeUs: number
  /** Whether enough is known of the entity to judge. */
  readonly isKnown: boolean
  /** False while the entity is under attack: what happens then is not to become usual. */
  readonly learns: boolean
}

export interface Model {
  observe(sample: Sample): Deviation | null
  /** What is usual, in words. */
  describe(): string
  save(): unknown
  /** An estimate of what it takes in memory. */
  readonly bytes: number
}

/** What a model takes that remembers a few numbers; others take their tables beside it. */
const MODEL_BYTES = 250

const DAY_HOURS = 24
/** Of the values that come to an entity fewer than this share are new where a new one is worth telling. */
const RARE = 0.07
const HOURS_OF_WEEK = 168
/** Logins before hours are judged. */
const HOURS_TOTAL_MIN = 50
/** Less than this share of all in the hours around it is unusual. */
const HOUR_RARE = 0.01
/** Values before a quantity is judged, and when it is out of the ordinary: robust deviations from the median. */
const QUANTITY_MIN = 20
const ROBUST_LIMIT = 6
/** Hours without anything that are made up for; after more the series goes on where it was. */
const GAP_HOURS_MAX = 2 * HOURS_OF_WEEK
const BEACON_LIMIT = 0.9
const ABSENT_US = 90 * DAY_US
/** What moves a score so that equal surprises of different models look alike: bits. */
const bits = (probability: number) => Math.min(30, -Math.log2(Math.max(probability, 1e-9)))

/** A value that the entity never had, where new values are rare. */
export class UsualValues implements Model {
  readonly #rarity: Rarity

  constructor(saved?: SavedRarity) {
    this.#rarity = saved === undefined ? new Rarity() : Rarity.restore(saved)
  }

  observe({ text, timeUs, isKnown, learns }: Sample): Deviation | null {
    const isNew = !this.#rarity.has(text)
    const probability = this.#rarity.probability(text)
    const deviation =
      isKnown && isNew && probability < RARE
        ? { observed: text, expected: this.describe(), score: bits(probability) }
        : null
    // A value that was told is known from then on, or it would be told again and again.
    if (learns || deviation !== null) this.#rarity.add(text, timeUs)
    return deviation
  }

  get bytes(): number {
    return MODEL_BYTES + this.#rarity.bytes
  }

  describe(): string {
    const { values, total } = this.#rarity
    const more = values.length > 5 ? ` and ${values.length - 5} more` : ''
    return values.length === 0 ? 'nothing yet' : `${values.slice(0, 5).join(', ')}${more} (${total} times)`
  }

  save(): SavedRarity {
    return this.#rarity.save()
  }
}

/** An hour at which the entity is hardly ever there. Working days and weekends have hours of their own. */
export class UsualHours implements Model {
  readonly #hours = new Float32Array(2 * DAY_HOURS)
  #total = 0

  constructor(saved?: readonly number[]) {
    if (saved !== undefined) this.#hours.set(saved.slice(0, 2 * DAY_HOURS))
    for (const count of this.#hours) this.#total += count
  }

  observe({ timeUs, isKnown, learns }: Sample): Deviation | null {
    const hour = Math.floor(timeUs / HOUR_US) % DAY_HOURS
    const row = isWeekend(timeUs) ? DAY_HOURS : 0
    let near = 0
    for (const offset of [-1, 0, 1]) near += this.#hours[row + ((hour + offset + DAY_HOURS) % DAY_HOURS)]
    const share = near / Math.max(this.#total, 1)
    const isRare = isKnown && this.#total >= HOURS_TOTAL_MIN && share < HOUR_RARE
    const expected = isRare ? this.describe() : ''
    if (learns) {
      this.#hours[row + hour]++
      this.#total++
    }
    if (!isRare) return null
    return { observed: nameOfHour(row + hour), expected, score: bits(Math.max(share, 0.5 / this.#total)) }
  }

  get bytes(): number {
    return MODEL_BYTES + this.#hours.byteLength
  }

  describe(): string {
    const most = [...this.#hours.keys()].filter((hour) => this.#hours[hour] > 0)
    most.sort((a, b) => this.#hours[b] - this.#hours[a])
    return most.length === 0 ? 'nothing yet' : `mostly ${most.slice(0, 5).map(nameOfHour).join(', ')}`
  }

  save(): readonly number[] {
    return [...this.#hours]
  }
}

/** In UTC. The Unix epoch was a Thursday. */
function isWeekend(timeUs: number): boolean {
  const day = (Math.floor(timeUs / DAY_US) + 4) % 7
  return day === 0 || day === 6
}

function nameOfHour(index: number): string {
  const hour = `${String(index % DAY_HOURS).padStart(2, '0')}:00`
  return index < DAY_HOURS ? hour : `${hour} at a weekend`
}

/** A quantity far above what it usually is: robust deviations of its logarithm from the median. */
export class UsualQuantity implements Model {
  readonly #sketch: DDSketch
  readonly #floor: number
  readonly #unit: string

  /** Quantities below `floor` are never out of the ordinary. */
  constructor(floor: number, unit: string, saved?: SavedSketch) {
    this.#floor = floor
    this.#unit = unit
    this.#sketch = saved === undefined ? new DDSketch() : DDSketch.restore(saved)
  }

  observe({ number, isKnown, learns }: Sample): Deviation | null {
    const deviation =
      isKnown && this.#sketch.count >= QUANTITY_MIN && number >= this.#floor ? this.#judge(number) : null
    if (learns && deviation === null) this.#sketch.add(number)
    return deviation
  }

  #judge(number: number): Deviation | null {
    const [low, median, high, most] = [0.25, 0.5, 0.75, 0.99].map((q) => this.#sketch.quantile(q))
    const spread = Math.max((Math.log1p(high) - Math.log1p(low)) / 1.349, 0.1)
    const score = (Math.log1p(number) - Math.log1p(median)) / spread
    if (score <= ROBUST_LIMIT || number <= 2 * most) return null
    return { observed: this.#text(number), expected: this.describe(), score: Math.min(score, 30) }
  }

  get bytes(): number {
    return MODEL_BYTES + this.#sketch.bytes
  }

  describe(): string {
    if (this.#sketch.count === 0) return 'nothing yet'
    return `${this.#text(this.#sketch.quantile(0.5))} as a rule, ${this.#text(this.#sketch.quantile(0.99))} at most`
  }

  save(): SavedSketch {
    return this.#sketch.save()
  }

  #text(number: number): string {
    return `${Math.round(number).toLocaleString('en')} ${this.#unit}`
  }
}

interface SavedRate {
  readonly hour: number
  readonly sum: number
  readonly series: SavedSeries
}

/** How much there is in an hour, against the same hour of other weeks. Of texts the different ones count. */
export class UsualRate implements Model {
  readonly #series: HoltWinters
  readonly #unit: string
  readonly #isDistinct: boolean
  #hour = Number.NaN
  #sum = 0
  #learns = true
  /** Of texts, those of the hour. */
  #values: HyperLogLog | null = null

  constructor(unit: string, isDistinct: boolean, saved?: SavedRate) {
    this.#unit = unit
    this.#isDistinct = isDistinct
    this.#series = saved === undefined ? new HoltWinters() : HoltWinters.restore(saved.series)
    if (saved === undefined) return
    this.#hour = saved.hour
    this.#sum = saved.sum
  }

  observe({ text, number, timeUs, learns }: Sample): Deviation | null {
    const hour = Math.floor(timeUs / HOUR_US)
    const deviation = hour > this.#hour ? this.#close(hour) : null
    if (!(hour <= this.#hour)) this.#hour = hour
    if (!learns) this.#learns = false
    if (this.#isDistinct) {
      this.#values ??= new HyperLogLog()
      this.#values.add(text)
    } else this.#sum += number
    return deviation
  }

  /** The hours up to `hour`, those without anything among them. */
  #close(hour: number): Deviation | null {
    const total = this.#isDistinct ? (this.#values?.size ?? 0) : this.#sum
    const outside = this.#series.step(this.#hour, total, this.#learns)
    const silent = Math.min(hour - this.#hour - 1, GAP_HOURS_MAX)
    for (let gap = silent; gap > 0; gap--) this.#series.step(hour - gap, 0, true)
    this.#sum = 0
    this.#values = null
    this.#learns = true
    if (outside === null) return null
    const { observed, low, high } = outside
    const score = Math.abs(observed - (low + high) / 2) / Math.max((high - low) / 6, 1)
    return {
      observed: `${Math.round(observed)} ${this.#unit} in an hour`,
      expected: `${Math.round(low)} to ${Math.round(high)}`,
      score: Math.min(score, 30),
    }
  }

  get bytes(): number {
    return MODEL_BYTES + this.#series.bytes + (this.#values?.bytes ?? 0)
  }

  describe(): string {
    return `${this.#series.hours} hours of ${this.#unit} learned`
  }

  save(): SavedRate {
    return { hour: this.#hour, sum: this.#sum, series: this.#series.save() }
  }
}

interface SavedDaily {
  readonly day: number
  readonly sum: number
  readonly drift: SavedDrift
}

/** Totals of days that have been a little too high for long. */
export class SlowDrift implements Model {
  readonly #drift: DriftDetector
  readonly #unit: string
  #day = Number.NaN
  #sum = 0
  #learns = true

  constructor(unit: string, saved?: SavedDaily) {
    this.#unit = unit
    this.#drift = saved === undefined ? new DriftDetector() : DriftDetector.restore(saved.drift)
    if (saved === undefined) return
    this.#day = saved.day
    this.#sum = saved.sum
  }

  observe({ number, timeUs, isKnown, learns }: Sample): Deviation | null {
    const day = Math.floor(timeUs / DAY_US)
    const deviation = day > this.#day ? this.#close() : null
    if (!(day <= this.#day)) this.#day = day
    if (!learns) this.#learns = false
    this.#sum += number
    return isKnown ? deviation : null
  }

  #close(): Deviation | null {
    const total = this.#sum
    const drift = this.#drift.step(Math.log1p(total), this.#learns)
    this.#sum = 0
    this.#learns = true
    if (drift === null) return null
    const usual = (sigmas: number) => Math.round(Math.expm1(drift.mean + sigmas * drift.deviation)).toLocaleString('en')
    return {
      observed: `${Math.round(total).toLocaleString('en')} ${this.#unit} a day, and for days too much`,
      expected: `${usual(-1)} to ${usual(1)}`,
      score: Math.min(drift.sum, 30),
    }
  }

  get bytes(): number {
    return MODEL_BYTES
  }

  describe(): string {
    return `${this.#drift.count} days of ${this.#unit} learned`
  }

  save(): SavedDaily {
    return { day: this.#day, sum: this.#sum, drift: this.#drift.save() }
  }
}

interface SavedHome {
  readonly beacon: SavedBeacon
  /** JSON knows no −∞: null before the first. */
  readonly toldDay: number | null
}

/** Connections that come like a clock. The number is the octets of one. Told once a day. */
export class CallsHome implements Model {
  readonly #beacon: Beacon
  #toldDay: number
  #scoredHour = Number.NaN

  constructor(saved?: SavedHome) {
    this.#beacon = saved === undefined ? new Beacon() : Beacon.restore(saved.beacon)
    this.#toldDay = saved?.toldDay ?? Number.NEGATIVE_INFINITY
  }

  observe({ number, timeUs }: Sample): Deviation | null {
    this.#beacon.add(timeUs, number)
    const hour = Math.floor(timeUs / HOUR_US)
    const day = Math.floor(timeUs / DAY_US)
    // The score sorts; once an hour is often enough for what takes hours to show.
    if (hour === this.#scoredHour || day <= this.#toldDay) return null
    this.#scoredHour = hour
    const score = this.#beacon.score()
    if (score < BEACON_LIMIT) return null
    this.#toldDay = day
    return {
      observed: `a connection every ${Math.round(this.#beacon.periodSeconds)} seconds, beacon score ${score}`,
      expected: `a score below ${BEACON_LIMIT}`,
      score,
    }
  }

  get bytes(): number {
    return MODEL_BYTES + this.#beacon.bytes
  }

  describe(): string {
    return `${this.#beacon.count} connections, beacon score ${this.#beacon.score()}`
  }

  save(): SavedHome {
    return { beacon: this.#beacon.save(), toldDay: Number.isFinite(this.#toldDay) ? this.#toldDay : null }
  }

  /** The connections (time and octets) of which another one would be in the same state; null if it has told something. */
  static samplesOf({ beacon, toldDay }: SavedHome): readonly (readonly [number, number])[] | null {
    return toldDay === null ? beacon.starts.map((startUs, i) => [startUs, beacon.sizes[i]] as const) : null
  }
}

/** Back after a long time. */
export class LongAbsence implements Model {
  #lastUs: number

  constructor(saved?: number) {
    this.#lastUs = saved ?? Number.NaN
  }

  observe({ timeUs, learns }: Sample): Deviation | null {
    const awayUs = timeUs - this.#lastUs
    if (learns || !(awayUs > 0)) this.#lastUs = timeUs
    if (!(awayUs >= ABSENT_US)) return null
    const days = Math.floor(awayUs / DAY_US)
    return { observed: `back after ${days} days`, expected: 'seen more often', score: Math.min(days / 30, 30) }
  }

  get bytes(): number {
    return MODEL_BYTES
  }

  describe(): string {
    return Number.isNaN(this.#lastUs) ? 'nothing yet' : `last seen ${new Date(this.#lastUs / 1000).toISOString()}`
  }

  save(): number {
    return this.#lastUs
  }
}

interface SavedPlace {
  readonly latitude: number
  readonly longitude: number
  readonly timeUs: number
}

const EARTH_KM = 6371
/** An airliner, with some allowance for where the database thinks that networks are. */
const SPEED_KM_H = 900
const DISTANCE_KM = 500

/** Two logins too far apart for the time between them. The text is `latitude,longitude`. */
export class Travel implements Model {
  #last: SavedPlace | null

  constructor(saved?: SavedPlace | null) {
    this.#last = saved ?? null
  }

  observe({ text, timeUs, learns }: Sample): Deviation | null {
    const [latitude, longitude] = text.split(',').map(Number)
    const last = this.#last
    if (learns || last === null) this.#last = { latitude, longitude, timeUs }
    if (last === null) return null
    const km = distanceKm(last, { latitude, longitude })
    const hours = Math.abs(timeUs - last.timeUs) / HOUR_US
    if (km < DISTANCE_KM || km / Math.max(hours, 1 / 60) < SPEED_KM_H) return null
    return {
      observed: `${Math.round(km)} km in ${hours.toFixed(1)} hours`,
      expected: `at most ${SPEED_KM_H} km in an hour`,
      score: Math.min(km / Math.max(hours, 1 / 60) / SPEED_KM_H, 30),
    }
  }

  get bytes(): number {
    return MODEL_BYTES
  }

  describe(): string {
    return this.#last === null ? 'nothing yet' : `last at ${this.#last.latitude}, ${this.#last.longitude}`
  }

  save(): SavedPlace | null {
    return this.#last
  }
}

/** Along a great circle (haversine). */
function distanceKm(a: Omit<SavedPlace, 'timeUs'>, b: Omit<SavedPlace, 'timeUs'>): number {
  const radians = (degrees: number) => (degrees * Math.PI) / 180
  const half = (from: number, to: number) => Math.sin(radians(to - from) / 2) ** 2
  const squared =
    half(a.latitude, b.latitude) +
    Math.cos(radians(a.latitude)) * Math.cos(radians(b.latitude)) * half(a.longitude, b.longitude)
  return 2 * EARTH_KM * Math.asin(Math.min(1, Math.sqrt(squared)))
}
