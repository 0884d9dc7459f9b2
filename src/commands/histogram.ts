/** Events over time as bars, or as the numbers behind them. Times are UTC; intervals without events are shown as such. */
import { isoMicroseconds } from '../base/time.ts'
import { instantUs } from '../store/dates.ts'
import type { Bucket } from '../store/search.ts'
import { UsageError } from './context.ts'
import type { Format } from './formats.ts'
import { counted, number, paint, print, when } from './terminal.ts'

/** Intervals from the first event to the last. */
const INTERVALS_MAX = 65_536
/** Where stdout is no terminal, and where it is very wide. */
const BAR_CHARACTERS_MAX = 60
const EIGHTHS = ['', '▏', '▎', '▍', '▌', '▋', '▊', '▉']

/** Prints a histogram whose buckets are `intervalMs` long, with a line for each interval between the first and the last. */
export async function printHistogram(found: readonly Bucket[], intervalMs: number, format: Format): Promise<void> {
  const buckets = withEmpty(found, intervalMs)
  switch (format) {
    case 'json':
      return print(JSON.stringify(buckets, null, 2))
    case 'ndjson':
      for (const bucket of buckets) await print(JSON.stringify(bucket))
      return
    case 'csv':
      await print('from,count')
      for (const { from, count } of buckets) await print(`${from},${count}`)
      return
    case 'table': {
      for (const line of barChart(buckets, intervalMs, process.stdout.columns)) await print(line)
      const total = buckets.reduce((sum, { count }) => sum + count, 0)
      process.stderr.write(`${counted(total, 'event')} in ${counted(buckets.length, 'interval')}, UTC\n`)
    }
  }
}

function withEmpty(found: readonly Bucket[], intervalMs: number): readonly Bucket[] {
  if (found.length === 0) return found
  const intervalUs = intervalMs * 1000
  const counts = new Map(found.map(({ from, count }) => [instantUs(from) as number, count]))
  const firstUs = instantUs(found[0].from) as number
  const intervals = Math.round(((instantUs(found[found.length - 1].from) as number) - firstUs) / intervalUs) + 1
  if (intervals > INTERVALS_MAX) {
    const most = `the histogram has ${number(intervals)} intervals, of which ${number(INTERVALS_MAX)} can be shown`
    throw new UsageError(`${most}: ask for longer ones with --every, or for less time with --since`)
  }
  return Array.from({ length: intervals }, (_, i) => {
    const fromUs = firstUs + i * intervalUs
    return { from: isoMicroseconds(fromUs), count: counts.get(fromUs) ?? 0 }
  })
}

/** A line for each bucket: when, how many, and a bar as long as the count beside the largest one. */
export function barChart(buckets: readonly Bucket[], intervalMs: number, columns = 80): string[] {
  const max = Math.max(0, ...buckets.map(({ count }) => count))
  const wide = number(max).length
  const times = buckets.map(({ from }) => label(from, intervalMs))
  const room = columns - (times[0]?.length ?? 0) - wide - 4
  const longest = Math.max(8, Math.min(BAR_CHARACTERS_MAX, room))
  return buckets.map(({ count }, i) => {
    const bar = paint('cyan', barOf(count / Math.max(1, max), longest))
    return `${paint('dim', times[i])}  ${number(count).padStart(wide)}  ${bar}`.trimEnd()
  })
}

/** Whatever is not nothing is seen. */
function barOf(share: number, longest: number): string {
  const eighths = share === 0 ? 0 : Math.max(1, Math.round(share * longest * 8))
  return '█'.repeat(eighths >> 3) + EIGHTHS[eighths & 7]
}

/** As much of the time as the interval can tell apart. */
function label(iso: string, intervalMs: number): string {
  if (intervalMs % 86_400_000 === 0) return when(iso).slice(0, 10)
  if (intervalMs % 60_000 === 0) return when(iso).slice(0, 16)
  return intervalMs % 1000 === 0 ? when(iso) : when(iso, true)
}
