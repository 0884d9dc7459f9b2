import fs, { mkdtempSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs'
import { syncBuiltinESMExports } from 'node:module'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, expect, test, vi } from 'vitest'
import { DAY_US, HOUR_US } from '../src/base/time.ts'
import { BaselineError, loadBaselines, saveBaselines, writeBaselines } from '../src/baseline-file.ts'
import { Baselines } from '../src/detect/baseline/baselines.ts'
import type { EventDocument } from '../src/events/fields.ts'

let folder: string
let path: string
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'baselines-'))
  path = join(folder, 'deep/er/baselines.ndjson')
})
afterEach(() => rmSync(folder, { recursive: true }))

const empty = () =>
  new Baselines(() => {}, {
    entitiesMax: 100,
    bytesMax: 1e9,
    learnUs: 7 * DAY_US,
    observationsMin: 20,
    freezeUs: HOUR_US,
  })

function learned(): Baselines {
  const baselines = empty()
  for (const user of ['alice', 'bob', 'carol']) {
    baselines.observe({
      '@timestamp': '2026-01-05T09:00:00.000000Z',
      'event.id': user,
      'event.action': 'ppp.authentication.succeeded',
      'event.kind': 'event',
      'source.ip': '198.51.100.7',
      'destination.ip': '192.0.2.1',
      'user.name': user,
    } as EventDocument)
  }
  return baselines
}

test('what was written is read again, by its owner only', () => {
  expect(saveBaselines(path, learned())).toBe(4)
  const again = empty()
  expect(loadBaselines(path, again)).toEqual({ entities: 4, problems: [] })
  expect([...again.save()]).toEqual([...learned().save()])
  expect(statSync(path).mode & 0o777).toBe(0o600)
})

test('what the system takes in pieces is written whole, and a disk that fills up leaves the old file', () => {
  saveBaselines(path, learned())
  const before = readFileSync(path, 'utf8')
  const { writeSync } = fs
  let roomBytes = Number.POSITIVE_INFINITY
  // As the kernel does it: what there is room for is written, and only the next attempt fails.
  vi.spyOn(fs, 'writeSync').mockImplementation(((file: number, data: Uint8Array, at: number, length: number) => {
    if (roomBytes === 0) throw Object.assign(new Error('ENOSPC'), { code: 'ENOSPC' })
    const taken = writeSync(file, data, at, Math.min(length, 100, roomBytes))
    roomBytes -= taken
    return taken
  }) as never)
  syncBuiltinESMExports()
  try {
    rmSync(path)
    saveBaselines(path, learned())
    expect(readFileSync(path, 'utf8')).toBe(before)
    roomBytes = 150
    expect(() => saveBaselines(path, empty())).not.toThrow()
    roomBytes = 150
    expect(() => saveBaselines(path, learned())).toThrow('ENOSPC')
  } finally {
    vi.restoreAllMocks()
    syncBuiltinESMExports()
  }
  expect(readdirSync(join(folder, 'deep/er'))).toEqual(['baselines.ndjson'])
  expect(loadBaselines(path, empty())).toEqual({ entities: 0, problems: [] })
})

test('a folder that somebody names is not made, as for every other output', () => {
  expect(() => writeBaselines(path, learned())).toThrow(`there is no folder ${join(folder, 'deep/er')}`)
  expect(readdirSync(folder)).toEqual([])
})

test('a file that is not there holds nothing', () => {
  expect(loadBaselines(path, empty())).toEqual({ entities: 0, problems: [] })
})

test('another file is refused, and so is another version', () => {
  const other = join(folder, 'other')
  for (const text of ['', 'hello', '[]', '{"format":"borescope.baselines","version":99}']) {
    writeFileSync(other, text)
    expect(() => loadBaselines(other, empty()), text).toThrow(BaselineError)
  }
})

test.each([tmpdir(), '/dev/zero'])('%s is refused by its kind: a device may never end', (path) => {
  expect(() => loadBaselines(path, empty())).toThrow(BaselineError)
  expect(() => loadBaselines(path, empty())).toThrow(`${path} is a`)
})

test('cut off anywhere, the lines that are whole are read and the rest is told', () => {
  saveBaselines(path, learned())
  const text = readFileSync(path, 'utf8')
  const header = text.indexOf('\n') + 1
  for (let length = header; length < text.length - 1; length += 7) {
    writeFileSync(path, text.slice(0, length))
    const { entities, problems } = loadBaselines(path, empty())
    // A last line may be whole without its line feed.
    const whole = text
      .slice(header, length)
      .split('\n')
      .filter((line) => line.endsWith('}}'))
    expect(entities).toBe(whole.length)
    expect(problems.length).toBeGreaterThan(0)
  }
})

test('a line that does not fit is left out with its place', () => {
  saveBaselines(path, learned())
  const lines = readFileSync(path, 'utf8').split('\n')
  lines[2] = '{"kind":"nothing","id":"x","firstUs":0,"lastUs":0,"observations":0,"models":{}}'
  lines[3] = '{"kind":"user","id":"x","firstUs":"now","lastUs":0,"observations":0,"models":{}}'
  writeFileSync(path, lines.join('\n'))
  const { entities, problems } = loadBaselines(path, empty())
  expect(entities).toBe(2)
  expect(problems).toEqual([`${path}:3: left out: no entity`, `${path}:4: left out: times and counts must be numbers`])
})

test('a model of an unknown feature is left out, the entity stays', () => {
  saveBaselines(path, learned())
  writeFileSync(path, readFileSync(path, 'utf8').replaceAll('"user.network"', '"user.shoe_size"'))
  const again = empty()
  expect(loadBaselines(path, again).problems).toEqual([])
  const [{ habits }] = again.describe('alice')
  expect(habits.map(([name]) => name)).not.toContain('user.network')
  expect(habits.map(([name]) => name)).toContain('user.gateway')
})
