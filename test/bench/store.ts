/** The figures of the stores for `npm run bench`. Stores full of events are made once and kept in the temporary folder. */
import { existsSync, mkdirSync, readdirSync, renameSync, rmSync, statSync } from 'node:fs'
import { join } from 'node:path'
import { versionOf } from './pcap-writer.ts'
import { CACHE, runCase } from './run.ts'
import type { Answers, Ingest } from './store-case.ts'

export interface StoreFigures {
  readonly eventsPerSecond: number
  readonly bytesPerEvent: number
  readonly rssBytes: number
  /** Median milliseconds of each question, by the number of events in the store. */
  readonly answersMs: Readonly<Record<string, Answers>>
}

/** Measures the embedded store: filling it with the least number of events, and asking it with each. */
export function measureStore(sizes: readonly number[], scratch: string): StoreFigures {
  const filled = join(scratch, 'filled.db')
  const { events, seconds, rssBytes } = runCase<Ingest>('store-case.ts', ['ingest', String(Math.min(...sizes)), filled])
  const bytesPerEvent = statSync(filled).size / events
  const answersMs = Object.fromEntries(
    sizes.map((size) => [size, runCase<Answers>('store-case.ts', ['ask', cachedStore(size)])]),
  )
  return {
    eventsPerSecond: Math.round(events / seconds),
    bytesPerEvent: Math.round(bytesPerEvent),
    rssBytes,
    answersMs,
  }
}

/** The path of a store with so many events, filled only if it is not there; stores of older versions go. */
function cachedStore(events: number): string {
  const layout = ['events.ts', '../../src/store/layout.ts', '../../src/store/database.ts', '../../src/store/words.ts']
  const prefix = `events-${versionOf(layout)}-`
  const path = join(CACHE, `${prefix}${events}.db`)
  if (existsSync(path)) return path
  mkdirSync(CACHE, { recursive: true })
  for (const name of readdirSync(CACHE)) {
    if (name.startsWith('events-') && !name.startsWith(prefix)) rmSync(join(CACHE, name), { force: true })
  }
  const temporary = `${path}.${process.pid}.part`
  runCase('store-case.ts', ['ingest', String(events), temporary])
  renameSync(temporary, path)
  return path
}

/** The figures as lines for people. */
export function storeLines({ eventsPerSecond, bytesPerEvent, rssBytes, answersMs }: StoreFigures): string[] {
  const sizes = Object.keys(answersMs)
  const head = sizes.map((size) => `${Number(size).toLocaleString('en')} events`.padStart(18)).join('')
  const questions = Object.keys(Object.values(answersMs)[0]).map((question) => {
    const times = sizes.map((size) => `${answersMs[size][question].toFixed(1)} ms`.padStart(18)).join('')
    return `${question.padEnd(24)}${times}`
  })
  const rate = eventsPerSecond.toLocaleString('en')
  return [
    `embedded store: ${rate} events/s, ${bytesPerEvent} bytes an event, ${Math.round(rssBytes / 1e6)} MB`,
    `${'question'.padEnd(24)}${head}`,
    ...questions,
  ]
}
