import { execFileSync, spawn } from 'node:child_process'
import {
  appendFileSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest'
import { openNdjson } from '../../src/output/ndjson.ts'
import { sessionEvent } from '../store/documents.ts'

let scratch: string
let path: string
beforeEach(() => {
  scratch = mkdtempSync(join(tmpdir(), 'borescope-ndjson-'))
  path = join(scratch, 'events.ndjson')
})
afterEach(() => rmSync(scratch, { recursive: true }))

const linesIn = (file: string) => readFileSync(file, 'utf8').split('\n').slice(0, -1)
const idsIn = (file: string) => linesIn(file).map((line) => JSON.parse(line).event.id)
const ids = (...numbers: number[]) => numbers.map((number) => sessionEvent(number)['event.id'])
const readerGone = () => {}
const whole = (file: string) => openNdjson(file, { grows: false, readerGone })
const growing = (file: string) => openNdjson(file, { grows: true, readerGone })

describe('a file', () => {
  test('appears when it is whole, in place of an older one', async () => {
    writeFileSync(path, 'old\n')
    const writer = await whole(path)
    await writer.write([sessionEvent(1), sessionEvent(2)])
    expect(linesIn(path)).toEqual(['old'])
    await writer.close()
    expect(idsIn(path)).toEqual(ids(1, 2))
    expect(readdirSync(scratch)).toEqual(['events.ndjson'])
  })

  test('leaves nothing behind when it is given up', async () => {
    const writer = await whole(path)
    await writer.write([sessionEvent(1)])
    await writer.abort()
    expect(readdirSync(scratch)).toEqual([])
  })
})

test.each([false, true])('a file that cannot be made is refused when it is opened (grows: %s)', async (grows) => {
  writeFileSync(path, 'no folder\n')
  const open = (file: string) => openNdjson(file, { grows, readerGone })
  await expect(open(join(path, 'events.ndjson'))).rejects.toThrow('ENOTDIR')
  await expect(open(join(scratch, 'missing/events.ndjson'))).rejects.toThrow('there is no folder')
})

describe('a file that grows', () => {
  test('holds what came while more is coming, behind what was there', async () => {
    writeFileSync(path, 'old\n')
    const writer = await growing(path)
    await writer.write([sessionEvent(1)])
    expect(linesIn(path).length).toBe(2)
    expect(linesIn(path)[0]).toBe('old')
    await writer.write([sessionEvent(2)])
    await writer.close()
    expect(linesIn(path).length).toBe(3)
  })

  test('keeps what came when it is given up', async () => {
    const writer = await growing(path)
    await writer.write([sessionEvent(1)])
    await writer.abort()
    expect(linesIn(path).length).toBe(1)
  })

  test('goes on under its name when somebody renames it', async () => {
    const writer = await growing(path)
    await writer.write([sessionEvent(1)])
    renameSync(path, `${path}.1`)
    await writer.write([sessionEvent(2)])
    await writer.close()
    expect([idsIn(`${path}.1`), idsIn(path)]).toEqual([ids(1), ids(2)])
  })

  test('takes events again once what kept it from that is mended', async () => {
    const folder = join(scratch, 'out')
    mkdirSync(folder)
    const file = join(folder, 'events.ndjson')
    const writer = await growing(file)
    await writer.write([sessionEvent(1)])
    renameSync(folder, `${folder}.gone`)
    await expect(writer.write([sessionEvent(2)])).rejects.toMatchObject({ retry: 'later' })
    renameSync(`${folder}.gone`, folder)
    await writer.write([sessionEvent(2)])
    await writer.close()
    expect(idsIn(file)).toEqual(ids(1, 2))
  })

  test('ends a line that a crash tore', async () => {
    const first = await growing(path)
    await first.write([sessionEvent(1)])
    await first.close()
    appendFileSync(path, '{"half')
    const writer = await growing(path)
    await writer.write([sessionEvent(2)])
    await writer.close()
    const [one, half, two] = linesIn(path)
    expect([JSON.parse(one).event.id, half, JSON.parse(two).event.id]).toEqual([...ids(1), '{"half', ...ids(2)])
  })
})

describe('a pipe or a device', () => {
  test('whose reader has had enough is told of once, and takes what nobody reads', async () => {
    execFileSync('mkfifo', [path])
    const reader = spawn('head', ['-n', '1', path], { stdio: 'ignore' })
    const gone = vi.fn()
    const writer = await openNdjson(path, { grows: true, readerGone: gone })
    const ended = new Promise((done) => reader.on('close', done))
    await writer.write([sessionEvent(1)])
    await ended
    for (const number of [2, 3]) {
      expect(await writer.write([sessionEvent(number)])).toMatchObject({ stored: 1 })
    }
    await writer.close()
    expect(gone).toHaveBeenCalledTimes(1)
  })

  test('that failed is opened anew', async () => {
    symlinkSync('/dev/full', path)
    const writer = await growing(path)
    await expect(writer.write([sessionEvent(1)])).rejects.toMatchObject({ code: 'ENOSPC' })
    rmSync(path)
    symlinkSync('/dev/null', path)
    expect(await writer.write([sessionEvent(1)])).toMatchObject({ stored: 1 })
    await writer.close()
  })

  test('that is full says so each time, in the words of the system', async () => {
    const writer = await growing('/dev/full')
    for (const number of [1, 2])
      await expect(writer.write([sessionEvent(number)])).rejects.toMatchObject({ code: 'ENOSPC' })
    await writer.close()
  })
})
