/** kill -9 of a watching sensor in mid-stream: what goes on after it, and what is told twice or not at all. */
import { type ChildProcess, spawn } from 'node:child_process'
import { mkdirSync, mkdtempSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import { afterAll, describe, expect, test } from 'vitest'
import type { EventDocument } from '../src/events/fields.ts'
import { openEmbeddedStore } from '../src/store/embedded.ts'
import { Random } from './support/random.ts'

const CHILD = join(import.meta.dirname, 'support/fed-sensor.ts')
const PCAPS = join(import.meta.dirname, '../pcaps')
const scratch = mkdtempSync(join(tmpdir(), 'borescope-service-'))
afterAll(() => rmSync(scratch, { recursive: true }))

/** A folder with a configuration that keeps everything in it. */
function folderOf(name: string): string {
  const folder = join(scratch, name)
  mkdirSync(folder)
  const config = {
    store: { path: join(folder, 'events.db') },
    delivery: { path: join(folder, 'spool'), batchSeconds: 0.01, fsync: 'never' },
    service: { statePath: join(folder, 'state'), stateSeconds: 0.02 },
    alerts: { sinks: { file: { type: 'file', path: join(folder, 'alerts.ndjson') } } },
  }
  writeFileSync(join(folder, 'borescope.json'), JSON.stringify(config))
  return folder
}

interface Run {
  readonly taken: number
  readonly ended: boolean
  readonly log: string
}

/** Runs until the end, or until `killAt` packets were taken and the state was saved. */
async function run(capture: string, folder: string, killAt: number, signal: NodeJS.Signals = 'SIGKILL'): Promise<Run> {
  const child: ChildProcess = spawn(process.execPath, [CHILD, join(PCAPS, capture), join(folder, 'borescope.json')])
  let log = ''
  child.stderr?.setEncoding('utf8').on('data', (text: string) => {
    log += text
  })
  const closed = new Promise<void>((resolve) => child.on('close', () => resolve()))
  const startedMs = Date.now()
  const state = join(folder, 'state/trackers.state')
  const isSaved = () => (statSync(state, { throwIfNoEntry: false })?.mtimeMs ?? 0) > startedMs
  let taken = 0
  let ended = false
  let isKilled = false
  for await (const line of createInterface({ input: child.stdout! })) {
    if (line === 'ended') ended = true
    else taken = Number(line)
    if (isKilled || taken < killAt || !isSaved()) continue
    isKilled = true
    child.kill(signal)
  }
  await closed
  return { taken, ended, log }
}

async function eventsIn(folder: string): Promise<EventDocument[]> {
  const store = await openEmbeddedStore({ path: join(folder, 'events.db'), readOnly: true })
  const events: EventDocument[] = []
  for await (const event of store.search({ kql: '' })) events.push(event)
  await store.close()
  return events
}

/** SPIs that came to nothing are not counted over a restart. */
const isKept = (rule: string) => rule !== 'SPIs being guessed'

const alertsOf = (events: readonly EventDocument[]) =>
  events
    .filter((event) => event['event.action'] === 'alert.raised' && isKept(event['rule.name'] ?? ''))
    .map((event) => `${event['rule.name']}: ${event['alert.entity']} ${event['@timestamp']} ${event.message}`)
    .sort()

const ids = (events: readonly EventDocument[], pattern: RegExp) =>
  events
    .flatMap((event) => (pattern.test(event['event.action']) ? [`${event['event.action']} ${event['event.id']}`] : []))
    .sort()

const ALERTS = /^alert\.raised$/
const FOLLOWED = /^((l2tp\.(tunnel|session)|ppp|ike)\.|flow\.closed$)/

describe.each(['synth-attacks.pcap', 'l2tp-bruteforce-mschapv2.pcap'])('%s', (capture) => {
  test('killed again and again, it raises the alerts of one that was not, and follows the same tunnels', async () => {
    const whole = folderOf(`${capture}-whole`)
    const { taken, ended } = await run(capture, whole, Number.POSITIVE_INFINITY)
    expect(ended).toBe(true)
    const expected = await eventsIn(whole)
    expect(ids(expected, ALERTS).length).toBeGreaterThan(3)

    const folder = folderOf(`${capture}-killed`)
    const random = new Random(21)
    let kills = 0
    let resumed = 0
    while (true) {
      const killAt =
        kills < 3 ? Math.floor(taken * 0.4) + random.below(Math.ceil(taken / 10)) : Number.POSITIVE_INFINITY
      const result = await run(capture, folder, killAt)
      if (result.log.includes('state of trackers')) resumed++
      expect(result.log).not.toContain('is not taken up')
      if (result.ended) break
      kills++
    }
    expect(kills).toBeGreaterThan(1)
    expect(resumed).toBeGreaterThan(0)
    const seen = await eventsIn(folder)
    expect(alertsOf(seen)).toEqual(alertsOf(expected))
    expect(ids(seen, FOLLOWED)).toEqual(ids(expected, FOLLOWED))
    // The file has no ids to tell duplicates by: what a crash repeats is there twice, nothing is missing.
    const told = (of: string) =>
      new Set(
        readFileSync(join(of, 'alerts.ndjson'), 'utf8')
          .trim()
          .split('\n')
          .map((line) => JSON.parse(line))
          .filter((event) => isKept(event.rule.name))
          .map((event) => event.event.id),
      )
    for (const id of told(whole)) expect(told(folder)).toContain(id)
  }, 120_000)
})

test('a polite kill leaves what is open for the next process, and ends by itself', async () => {
  const capture = 'l2tp-bruteforce-mschapv2.pcap'
  const folder = folderOf('polite')
  const first = await run(capture, folder, 40, 'SIGTERM')
  expect(first.ended).toBe(true)
  const half = await eventsIn(folder)
  expect(ids(half, /^(l2tp\.tunnel\.closed|capture\.analysed)$/)).toEqual([])
  const second = await run(capture, folder, Number.POSITIVE_INFINITY)
  expect(second.ended).toBe(true)
  expect(second.log).toMatch(/state of trackers: [1-9]\d* restored, 0 outdated/)
  const events = await eventsIn(folder)
  expect(ids(events, ALERTS)).toEqual(ids(await eventsIn(join(scratch, `${capture}-whole`)), ALERTS))
})
