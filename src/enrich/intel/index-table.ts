/**
 * Millions of indicators in typed arrays: networks as sorted ranges, everything else as sorted hashes. A look-up is a binary
 * search; the description is found by number. Built once and never changed: a new feed makes a new table.
 */
import { hash } from 'node:crypto'
import { ipv4Number, ipv6Number, networkRange } from '../../base/ip-number.ts'
import type { Condition, Indicator, IndicatorType, Tlp } from './indicator.ts'

export interface Feed {
  readonly name: string
  readonly indicators: Iterable<Indicator>
}

/** What a list says of a value. */
export interface Hit {
  readonly feed: string
  readonly description: string | undefined
  readonly confidence: number | undefined
  readonly tlp: Tlp | undefined
  readonly validUntilMs: number
  readonly lastSeenMs: number | undefined
  readonly condition: Condition | undefined
}

export class IndicatorTable {
  /** Indicators that were left out because there were too many. */
  readonly leftOut: number
  readonly size: number
  /** Of which there are any. */
  readonly types: ReadonlySet<IndicatorType>
  readonly #v4Low: Uint32Array
  readonly #v4High: Uint32Array
  /** The highest end of all ranges up to this one: where a search may stop. */
  readonly #v4Reach: Uint32Array
  readonly #v4About: Uint32Array
  readonly #v6: readonly { low: bigint; high: bigint; reach: bigint; about: number }[]
  readonly #keys: Float64Array
  readonly #keyAbout: Uint32Array
  readonly #abouts: readonly Hit[]

  constructor(feeds: readonly Feed[], entriesMax: number) {
    const v4: { low: number; high: number; about: number }[] = []
    const v6: { low: bigint; high: bigint; reach: bigint; about: number }[] = []
    const keys: { key: number; about: number }[] = []
    // Most indicators of a feed share what is said of them.
    const abouts = new Map<string, number>()
    const list: Hit[] = []
    const types = new Set<IndicatorType>()
    let size = 0
    let leftOut = 0
    for (const { name, indicators } of feeds) {
      for (const indicator of indicators) {
        if (size >= entriesMax) {
          leftOut++
          continue
        }
        size++
        types.add(indicator.type)
        const about = aboutOf(name, indicator, abouts, list)
        const range = indicator.type === 'ip' ? networkRange(indicator.value) : null
        if (range?.family === 4) v4.push({ low: range.low, high: range.high, about })
        else if (range?.family === 6) v6.push({ low: range.low, high: range.high, reach: range.high, about })
        else keys.push({ key: keyOf(indicator.type, indicator.value), about })
      }
    }
    v4.sort((a, b) => a.low - b.low)
    v6.sort((a, b) => (a.low < b.low ? -1 : a.low > b.low ? 1 : 0))
    keys.sort((a, b) => a.key - b.key)
    this.#v4Low = Uint32Array.from(v4, ({ low }) => low)
    this.#v4High = Uint32Array.from(v4, ({ high }) => high)
    this.#v4Reach = new Uint32Array(v4.length)
    let reach = 0
    for (let i = 0; i < v4.length; i++) {
      reach = Math.max(reach, v4[i].high)
      this.#v4Reach[i] = reach
    }
    this.#v4About = Uint32Array.from(v4, ({ about }) => about)
    for (let i = 1; i < v6.length; i++) if (v6[i - 1].reach > v6[i].reach) v6[i].reach = v6[i - 1].reach
    this.#v6 = v6
    this.#keys = Float64Array.from(keys, ({ key }) => key)
    this.#keyAbout = Uint32Array.from(keys, ({ about }) => about)
    this.#abouts = list
    this.size = size
    this.types = types
    this.leftOut = leftOut
  }

  /** What the lists say of a value in its usual form: the narrowest network first, a name before the domains it is below. */
  *find(type: IndicatorType, value: string): Generator<Hit> {
    if (type === 'ip') yield* this.#findAddress(value)
    else yield* this.#findKey(type, value)
    if (type !== 'domain-name') return
    for (let dot = value.indexOf('.'); dot !== -1; dot = value.indexOf('.', dot + 1)) {
      const parent = value.slice(dot + 1)
      // What stands below a top-level domain only is nobody's domain.
      if (parent.includes('.')) yield* this.#findKey(type, parent)
    }
  }

  *#findKey(type: IndicatorType, value: string): Generator<Hit> {
    const key = keyOf(type, value)
    for (let i = lowerBound(this.#keys, key); i < this.#keys.length && this.#keys[i] === key; i++) {
      yield this.#abouts[this.#keyAbout[i]]
    }
  }

  *#findAddress(value: string): Generator<Hit> {
    const address = ipv4Number(value)
    if (address !== -1) {
      for (let i = lowerBound(this.#v4Low, address + 1) - 1; i >= 0 && this.#v4Reach[i] >= address; i--) {
        if (this.#v4High[i] >= address) yield this.#abouts[this.#v4About[i]]
      }
      return
    }
    const long = ipv6Number(value)
    if (long === null) return
    let low = 0
    let high = this.#v6.length
    while (low < high) {
      const middle = (low + high) >>> 1
      if (this.#v6[middle].low <= long) low = middle + 1
      else high = middle
    }
    for (let i = low - 1; i >= 0 && this.#v6[i].reach >= long; i--) {
      if (this.#v6[i].high >= long) yield this.#abouts[this.#v6[i].about]
    }
  }
}

function aboutOf(feed: string, indicator: Indicator, known: Map<string, number>, list: Hit[]): number {
  const { description, confidence, tlp, validUntilMs, lastSeenMs, condition } = indicator
  const hit: Hit = {
    feed,
    description,
    confidence,
    tlp,
    validUntilMs: validUntilMs ?? Number.POSITIVE_INFINITY,
    // To the day: a time of its own for each indicator would be a record of its own for each.
    lastSeenMs: lastSeenMs === undefined ? undefined : lastSeenMs - (lastSeenMs % 86_400_000),
    condition,
  }
  const key = JSON.stringify(hit)
  let number = known.get(key)
  if (number === undefined) {
    number = list.length
    list.push(hit)
    known.set(key, number)
  }
  return number
}

/** 52 bits of a hash: of five million values some two pairs in a thousand tables collide. */
function keyOf(type: IndicatorType, value: string): number {
  return Number.parseInt(hash('sha1', `${type}\n${value}`).slice(0, 13), 16)
}

/** The first place whose number is not below `value`. */
function lowerBound(sorted: Float64Array | Uint32Array, value: number): number {
  let low = 0
  let high = sorted.length
  while (low < high) {
    const middle = (low + high) >>> 1
    if (sorted[middle] < value) low = middle + 1
    else high = middle
  }
  return low
}
