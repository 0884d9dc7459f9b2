/**
 * One case of the benchmark of the stores, alone in its process; prints its result as JSON.
 *
 *     node store-case.ts ingest EVENTS PATH    events into a new embedded store
 *     node store-case.ts ask PATH              the five usual questions to an embedded store
 */
import { openEmbeddedStore } from '../../src/store/embedded.ts'
import type { EventStore } from '../../src/store/stores.ts'
import { EVENTS_DAY, generateEvents } from './events.ts'

export interface Ingest {
  readonly events: number
  readonly seconds: number
  readonly rssBytes: number
}

/** Milliseconds. */
export type Answers = Record<string, number>

const BATCH = 1024
const UNDER_WAY = 2
const ROUNDS = 5

const LATEST = [{ field: '@timestamp', descending: true }] as const
const QUESTIONS: Record<string, (store: EventStore) => Promise<unknown>> = {
  'alerts by rule, 24 h': (store) =>
    store.aggregate({ kql: 'event.kind: alert', since: EVENTS_DAY }, { by: ['rule.name'], limit: 10 }),
  'top talkers, 24 h': (store) =>
    store.aggregate(
      { kql: 'source.ip: *', since: EVENTS_DAY },
      { by: ['source.ip'], limit: 10, metric: { of: 'sum', field: 'network.bytes' } },
    ),
  'hourly histogram, 24 h': (store) => store.histogram({ since: EVENTS_DAY }, 3_600_000),
  'last 100 by source.ip': (store) =>
    Array.fromAsync(store.search({ kql: 'source.ip: 10.64.0.7', sort: LATEST, limit: 100 })),
  'words, last 100': (store) => Array.fromAsync(store.search({ kql: '"wrong password"', sort: LATEST, limit: 100 })),
}

async function ingest(count: number, path: string): Promise<Ingest> {
  const store = await openEmbeddedStore({ path })
  const startedMs = performance.now()
  const underWay: Promise<unknown>[] = []
  let batch = []
  for (const event of generateEvents(count)) {
    if (batch.push(event) < BATCH) continue
    underWay.push(store.write(batch))
    batch = []
    if (underWay.length === UNDER_WAY) await underWay.shift()
  }
  await Promise.all([...underWay, store.write(batch)])
  await store.close()
  const seconds = (performance.now() - startedMs) / 1000
  const rssBytes = process.resourceUsage().maxRSS * 1024
  return { events: count, seconds, rssBytes }
}

/** The median of some rounds; each question is asked once before, as by somebody who looks again. */
async function ask(path: string): Promise<Answers> {
  const store = await openEmbeddedStore({ path, readOnly: true })
  const answers: Answers = {}
  for (const [name, question] of Object.entries(QUESTIONS)) {
    const timesMs: number[] = []
    for (let round = 0; round <= ROUNDS; round++) {
      const startedMs = performance.now()
      await question(store)
      if (round > 0) timesMs.push(performance.now() - startedMs)
    }
    answers[name] = timesMs.sort((a, b) => a - b)[ROUNDS >> 1]
  }
  await store.close()
  return answers
}

async function measure([name, ...parameters]: readonly string[]): Promise<object> {
  switch (name) {
    case 'ingest':
      return ingest(Number(parameters[0]), parameters[1])
    case 'ask':
      return ask(parameters[0])
    default:
      throw new Error(`no such case: ${name}`)
  }
}

process.stdout.write(JSON.stringify(await measure(process.argv.slice(2))))
