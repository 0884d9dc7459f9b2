/** Everything right of the waist: what is told before the first packet. */
import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, expect, test } from 'vitest'
import { Context } from '../src/commands/context.ts'
import { Pipeline } from '../src/pipeline.ts'
import { habitsOf } from './support/habits.ts'

let folder: string
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'borescope-pipeline-'))
})
afterEach(() => rmSync(folder, { recursive: true }))

test('more habits than there is room for, in the file of an earlier run, are an event', async () => {
  const habits = join(folder, 'baselines.ndjson')
  const out = join(folder, 'events.ndjson')
  writeFileSync(habits, habitsOf(1001))
  const config = join(folder, 'borescope.json')
  writeFileSync(
    config,
    JSON.stringify({ baseline: { path: habits, entitiesMax: 1000 }, delivery: { path: join(folder, 'spool') } }),
  )
  const pipeline = await Pipeline.open(new Context(config), { command: 'test', store: false, baseline: true, out })
  const sensor = pipeline.sensor()
  pipeline.tellEarly()
  await sensor.end(() => {})
  await pipeline.endTimeline()
  await pipeline.finish()
  const lines = readFileSync(out, 'utf8').split('\n').slice(0, -1)
  const told = lines.map((line) => JSON.parse(line))
  expect(told.filter(({ event }) => event.action === 'sensor.table.filled')).toMatchObject([
    { '@timestamp': '2001-09-09T01:46:40.001000Z', sensor: { table: 'baselines', capacity: 1000 } },
  ])
})

test('events that were written stay, although habits cannot be', async () => {
  const config = join(folder, 'borescope.json')
  const out = join(folder, 'events.ndjson')
  const habits = join(folder, 'habits')
  writeFileSync(
    config,
    JSON.stringify({ baseline: { path: join(habits, 'baselines.ndjson') }, delivery: { path: join(folder, 'spool') } }),
  )
  const pipeline = await Pipeline.open(new Context(config), { command: 'test', store: false, baseline: true, out })
  await pipeline.sensor().end(() => {})
  await pipeline.endTimeline()
  writeFileSync(habits, 'a file')
  await expect(pipeline.finish()).rejects.toThrow('EEXIST')
  expect(existsSync(out)).toBe(true)
})
