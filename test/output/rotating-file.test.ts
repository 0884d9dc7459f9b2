import {
  existsSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  statSync,
  writeFileSync,
} from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { gunzipSync } from 'node:zlib'
import { afterAll, expect, test } from 'vitest'
import { RotatingFileSink } from '../../src/output/rotating-file.ts'
import { alert, HOSTILE, hostileAlert, notificationOf } from '../support/alerts.ts'

const root = mkdtempSync(join(tmpdir(), 'borescope-rotating-'))
let folders = 0

afterAll(() => rmSync(root, { recursive: true }))

function fileIn(name = 'alerts.ndjson'): string {
  return join(root, String(++folders), name)
}

function sink(
  path: string,
  options: Partial<ConstructorParameters<typeof RotatingFileSink>[0]> = {},
  now?: () => number,
) {
  return new RotatingFileSink({ path, maxBytes: 1e9, maxAgeMs: 1e12, keep: 3, ...options }, now)
}

const notification = (entity: string) => notificationOf(alert({ entity }))

/** The entities in a file, one a line. */
function entitiesIn(path: string): string[] {
  const bytes = readFileSync(path)
  const text = (path.endsWith('.gz') ? gunzipSync(bytes) : bytes).toString()
  expect(text.endsWith('\n')).toBe(true)
  return text
    .trimEnd()
    .split('\n')
    .map((line) => JSON.parse(line).alert.entity as string)
}

function namesBeside(path: string): string[] {
  return readdirSync(join(path, '..')).sort()
}

test('notifications are appended, a line each, whatever they hold', async () => {
  const path = fileIn()
  const first = sink(path)
  await first.write([notification('a'), notification('b')])
  await first.close()
  const second = sink(path)
  expect(await second.write(HOSTILE.map((text) => notificationOf(hostileAlert(text))))).toMatchObject({
    stored: HOSTILE.length,
  })
  await second.close()
  expect(entitiesIn(path).slice(0, 2)).toEqual(['a', 'b'])
  expect(entitiesIn(path).slice(2)).toEqual(HOSTILE.map(String))
  expect(statSync(path).mode & 0o007).toBe(0)
})

test('batches that are written at one time stand one after the other', async () => {
  const path = fileIn()
  const one = sink(path, { maxBytes: 3000 })
  const entities = Array.from({ length: 20 }, (_, index) => `user ${index}`)
  await Promise.all(entities.map((entity) => one.write([notification(entity)])))
  await one.close()
  const found = [`${path}.3.gz`, `${path}.2.gz`, `${path}.1.gz`, path]
    .filter((name) => existsSync(name))
    .flatMap(entitiesIn)
  expect(found).toEqual(entities.slice(-found.length))
  expect(found.length).toBeGreaterThan(5)
})

test('a full file is rotated and compressed, and only so many are kept', async () => {
  const path = fileIn()
  const one = sink(path, { maxBytes: 10, keep: 3 })
  for (const entity of ['a', 'b', 'c', 'd', 'e', 'f']) await one.write([notification(entity)])
  await one.close()
  expect(namesBeside(path)).toEqual(['alerts.ndjson', 'alerts.ndjson.1.gz', 'alerts.ndjson.2.gz', 'alerts.ndjson.3.gz'])
  expect([path, `${path}.1.gz`, `${path}.2.gz`, `${path}.3.gz`].flatMap(entitiesIn)).toEqual(['f', 'e', 'd', 'c'])
})

test('with nothing kept the old file goes', async () => {
  const path = fileIn()
  const one = sink(path, { maxBytes: 10, keep: 0 })
  for (const entity of ['a', 'b']) await one.write([notification(entity)])
  await one.close()
  expect(namesBeside(path)).toEqual(['alerts.ndjson'])
  expect(entitiesIn(path)).toEqual(['b'])
})

test('an old file is rotated, also one of an earlier process', async () => {
  const path = fileIn()
  let nowMs = Date.now()
  const one = sink(path, { maxAgeMs: 1000 }, () => nowMs)
  await one.write([notification('a')])
  nowMs += 999
  await one.write([notification('b')])
  nowMs += 2
  await one.write([notification('c')])
  await one.close()
  expect(entitiesIn(`${path}.1.gz`)).toEqual(['a', 'b'])
  nowMs += 100_000
  const two = sink(path, { maxAgeMs: 1000 }, () => nowMs)
  await two.write([notification('d')])
  await two.close()
  expect(entitiesIn(`${path}.1.gz`)).toEqual(['c'])
  expect(entitiesIn(path)).toEqual(['d'])
})

test('a file that somebody renames or deletes is opened anew', async () => {
  const path = fileIn()
  const one = sink(path)
  await one.write([notification('a')])
  renameSync(path, `${path}.moved`)
  await one.write([notification('b')])
  rmSync(path)
  await one.write([notification('c')])
  await one.close()
  expect(entitiesIn(`${path}.moved`)).toEqual(['a'])
  expect(entitiesIn(path)).toEqual(['c'])
})

test('half a line that a crash left behind does not spoil the next one', async () => {
  const path = fileIn()
  const first = sink(path)
  await first.write([notification('a')])
  await first.close()
  writeFileSync(path, `${readFileSync(path, 'utf8')}{"half":`)
  const second = sink(path)
  await second.write([notification('b')])
  await second.close()
  const lines = readFileSync(path, 'utf8').trimEnd().split('\n')
  expect(lines[1]).toBe('{"half":')
  expect(JSON.parse(lines[2]).alert.entity).toBe('b')
})

test('what a crash in the middle of a rotation left is kept until its turn', async () => {
  const path = fileIn()
  const first = sink(path)
  await first.write([notification('a')])
  await first.close()
  renameSync(path, `${path}.1`)
  writeFileSync(`${path}.1.gz.partial`, 'half')
  const one = sink(path, { maxBytes: 10 })
  for (const entity of ['b', 'c', 'd', 'e']) await one.write([notification(entity)])
  await one.close()
  expect(namesBeside(path)).toEqual(['alerts.ndjson', 'alerts.ndjson.1.gz', 'alerts.ndjson.2.gz', 'alerts.ndjson.3.gz'])
  expect(entitiesIn(`${path}.3.gz`)).toEqual(['b'])
})

test('a file that cannot be written waits until it can', async () => {
  const path = join(fileIn(), 'x')
  const one = sink(path)
  writeFileSync(join(root, String(folders)), 'a file where the folder should be')
  await expect(one.write([notification('a')])).rejects.toMatchObject({ retry: 'later' })
  expect(one.answer).toMatchObject({ accepted: false })
  rmSync(join(root, String(folders)))
  expect(await one.write([notification('a')])).toMatchObject({ stored: 1 })
  await one.close()
})

test.skipIf(!existsSync('/dev/full'))('a full disk: nothing of the batch is taken for written', async () => {
  const one = sink('/dev/full')
  await expect(one.write([notification('a')])).rejects.toMatchObject({
    retry: 'later',
    message: expect.stringContaining('ENOSPC'),
  })
  await one.close()
})
