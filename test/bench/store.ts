/** The figures of the embedded store for `npm run bench`. Stores full of events are kept in the temporary folder. */
import { existsSync, mkdirSync, readdirSync, readFileSync, renameSync, rmSync, statSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { versionOf } from './pcap-writer.ts'
import { CACHE, runCase } from './run.ts'
import type { Answers, Ingest } from './store-case.ts'

const ROOT = join(import.meta.dirname, '../..')

export interface StoreFigures {
  readonly eventsPerSecond: number
  readonly bytesPerEvent: number
  readonly rssBytes: number
  /** Median milliseconds of each question. */
  readonly answersMs: Answers
}

/** Measures the embedded store at each size: filling it, and asking it. */
export function measureStore(sizes: readonly number[]): Record<string, StoreFigures> {
  return Object.fromEntries(
    sizes.map((size) => {
      const path = filledStore(size)
      const { events, seconds, rssBytes } = JSON.parse(readFileSync(`${path}.json`, 'utf8')) as Ingest
      const figures: StoreFigures = {
        eventsPerSecond: Math.round(events / seconds),
        bytesPerEvent: Math.round(statSync(path).size / events),
        rssBytes,
        answersMs: runCase<Answers>('store-case.ts', ['ask', path]),
      }
      return [size, figures]
    }),
  )
}

/**
 * The path of a store with so many events. It is filled only if it was not by the same sources, with the figures of its filling
 * beside it; those of other sources go.
 */
function filledStore(events: number): string {
  const sources = ['src/store', 'src/events'].flatMap((folder) =>
    readdirSync(join(ROOT, folder), { withFileTypes: true })
      .filter((entry) => entry.isFile())
      .map(({ name }) => join('../..', folder, name)),
  )
  const prefix = `events-${versionOf(['events.ts', 'store-case.ts', ...sources.sort()])}-`
  const path = join(CACHE, `${prefix}${events}.db`)
  if (existsSync(`${path}.json`)) return path
  mkdirSync(CACHE, { recursive: true })
  for (const name of readdirSync(CACHE)) {
    if (name.startsWith('events-') && !name.startsWith(prefix)) rmSync(join(CACHE, name), { force: true })
  }
  const temporary = `${path}.${process.pid}.part`
  const ingest = runCase<Ingest>('store-case.ts', ['ingest', String(events), temporary])
  renameSync(temporary, path)
  writeFileSync(`${path}.json`, JSON.stringify(ingest))
  return path
}

/** The figures as lines for people. */
export function storeLines(figures: Readonly<Record<string, StoreFigures>>): string[] {
  const sizes = Object.keys(figures)
  const line = (title: string, of: (figures: StoreFigures) => string) =>
    `${title.padEnd(24)}${sizes.map((size) => of(figures[size]).padStart(18)).join('')}`
  const questions = Object.keys(figures[sizes[0]].answersMs)
  return [
    `${'embedded store'.padEnd(24)}${sizes.map((size) => `${Number(size).toLocaleString('en')} events`.padStart(18)).join('')}`,
    line('filled with', ({ eventsPerSecond }) => `${eventsPerSecond.toLocaleString('en')} events/s`),
    line('an event takes', ({ bytesPerEvent }) => `${bytesPerEvent} bytes`),
    line('memory while it fills', ({ rssBytes }) => `${Math.round(rssBytes / 1e6)} MB`),
    ...questions.map((question) => line(question, ({ answersMs }) => `${answersMs[question].toFixed(1)} ms`)),
  ]
}
