import * as fs from 'node:fs'
import { appendFileSync, mkdtempSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, expect, test } from 'vitest'
import type { EventDocument } from '../../src/events/fields.ts'
import { Quarantine, readQuarantine } from '../../src/output/quarantine.ts'
import { event } from './support.ts'

let folder: string
let path: string
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'borescope-quarantine-'))
  path = join(folder, 'store', 'quarantine.ndjson')
})
afterEach(() => rmSync(folder, { recursive: true }))

test('keeps events with their reasons, for their owner only, over processes', () => {
  expect(new Quarantine(path, 10_000).add(event('e1'), 'why "not"')).toBe('kept')
  expect(new Quarantine(path, 10_000).add(event('e2'), 'because')).toBe('kept')
  expect(statSync(path).mode & 0o777).toBe(0o600)
  const { events, unreadable } = readQuarantine(path)
  expect(unreadable).toBe(0)
  expect(events).toEqual([
    { time: expect.stringMatching(/^\d{4}-.*Z$/), reason: 'why "not"', id: 'e1', event: event('e1') },
    { time: expect.any(String), reason: 'because', id: 'e2', event: event('e2') },
  ])
})

test('an event that is no JSON is kept as nearly as it can be', () => {
  const odd = { ...event('odd'), 'network.bytes': 5n, message: 'x' } as unknown as EventDocument
  expect(new Quarantine(path, 10_000).add(odd, 'not a number')).toBe('kept')
  expect(readQuarantine(path).events[0].event).toEqual({ ...event('odd'), 'network.bytes': '5n', message: 'x' })
})

test('is bounded, and notices when it was emptied', () => {
  const quarantine = new Quarantine(path, 400)
  expect(quarantine.add(event('e1'), 'no')).toBe('kept')
  expect(quarantine.add(event('e2'), 'no')).toBe('full')
  expect(quarantine.bytes).toBe(statSync(path).size)
  rmSync(path)
  expect(quarantine.add(event('e3'), 'no')).toBe('kept')
  expect(readQuarantine(path).events.map(({ id }) => id)).toEqual(['e3'])
})

test('a line that was cut short is counted, the others are read', () => {
  new Quarantine(path, 10_000).add(event('e1'), 'no')
  appendFileSync(path, readFileSync(path).subarray(0, 50))
  expect(readQuarantine(path)).toMatchObject({ events: [{ id: 'e1' }], unreadable: 1 })
  expect(readQuarantine(join(folder, 'nowhere'))).toEqual({ events: [], unreadable: 0 })
})

test('a disk that fails is named', () => {
  const full = {
    ...fs,
    appendFileSync: () => {
      throw new Error('ENOSPC: no space left on device, open')
    },
  }
  const quarantine = new Quarantine(path, 10_000, full)
  expect(quarantine.add(event('e1'), 'no')).toBe('failed')
  expect(quarantine.trouble).toContain('ENOSPC')
  writeFileSync(join(folder, 'file'), '')
  expect(new Quarantine(join(folder, 'file', 'q.ndjson'), 10_000).add(event('e1'), 'no')).toBe('failed')
})
