import { mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest'
import { NdjsonWriter } from '../../src/output/ndjson.ts'
import { sessionEvent } from '../store/documents.ts'

let scratch: string
let path: string
beforeEach(() => {
  scratch = mkdtempSync(join(tmpdir(), 'borescope-ndjson-'))
  path = join(scratch, 'events.ndjson')
})
afterEach(() => rmSync(scratch, { recursive: true }))

const linesIn = (file: string) => readFileSync(file, 'utf8').split('\n').slice(0, -1)

describe('a file', () => {
  test('appears when it is whole, in place of an older one', async () => {
    writeFileSync(path, 'old\n')
    const writer = new NdjsonWriter(path)
    await writer.write([sessionEvent(1), sessionEvent(2)])
    expect(linesIn(path)).toEqual(['old'])
    await writer.close()
    expect(linesIn(path).map((line) => JSON.parse(line).event.id)).toEqual(
      [1, 2].map((n) => sessionEvent(n)['event.id']),
    )
    expect(readdirSync(scratch)).toEqual(['events.ndjson'])
  })

  test('leaves nothing behind when it is given up', async () => {
    const writer = new NdjsonWriter(path)
    await writer.write([sessionEvent(1)])
    await writer.abort()
    expect(readdirSync(scratch)).toEqual([])
  })
})

describe.each([false, true])('a file that cannot be made (grows: %s)', (grows) => {
  test('is known at once', async () => {
    writeFileSync(path, 'no folder\n')
    const writer = new NdjsonWriter(join(path, 'events.ndjson'), grows)
    await expect(writer.opened).rejects.toThrow('ENOTDIR')
    expect(() => new NdjsonWriter(join(scratch, 'missing/events.ndjson'), grows)).toThrow('there is no folder')
  })
})

describe('a file that grows', () => {
  test('holds what came while more is coming, behind what was there', async () => {
    writeFileSync(path, 'old\n')
    const writer = new NdjsonWriter(path, true)
    await writer.write([sessionEvent(1)])
    await vi.waitFor(() => expect(linesIn(path).length).toBe(2))
    expect(linesIn(path)[0]).toBe('old')
    await writer.write([sessionEvent(2)])
    await writer.close()
    expect(linesIn(path).length).toBe(3)
  })

  test('keeps what came when it is given up', async () => {
    const writer = new NdjsonWriter(path, true)
    await writer.write([sessionEvent(1)])
    await vi.waitFor(() => expect(linesIn(path).length).toBe(1))
    await writer.abort()
    expect(linesIn(path).length).toBe(1)
  })
})
