import { execFileSync, spawn } from 'node:child_process'
import { once } from 'node:events'
import {
  existsSync,
  lstatSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { CaptureWriter } from '../../src/evidence/capture-writer.ts'

let folder: string
beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), 'borescope-capture-'))
})
afterAll(() => rmSync(folder, { recursive: true }))

const BYTES = Uint8Array.of(1, 2, 3, 4)
const PACKET = { timeUs: 1_700_000_000_000_000, originalLength: 4, bytes: BYTES, start: 0, end: 4 }

async function write(path: string): Promise<void> {
  const writer = new CaptureWriter(path, 'test', 'a packet')
  writer.write(PACKET as Parameters<CaptureWriter['write']>[0], 1, 'eth0')
  await writer.close()
}

test('what goes into a pipe is what goes into a file, and the pipe stays one', async () => {
  const [file, pipe, taken] = ['file', 'pipe', 'taken'].map((name) => join(folder, name))
  await write(file)
  execFileSync('mkfifo', [pipe])
  const reader = spawn('sh', ['-c', `cat '${pipe}' > '${taken}'`])
  await write(pipe)
  await once(reader, 'close')
  expect(readFileSync(taken)).toEqual(readFileSync(file))
  expect(lstatSync(pipe).isFIFO()).toBe(true)
})

test('a link stays one', async () => {
  const [file, link] = ['real', 'link'].map((name) => join(folder, name))
  writeFileSync(file, '')
  symlinkSync(file, link)
  await write(link)
  expect(lstatSync(link).isSymbolicLink()).toBe(true)
  expect(lstatSync(file).size).toBeGreaterThan(0)
})

test('what is given up leaves nothing behind', () => {
  const path = join(folder, 'never')
  new CaptureWriter(path, 'test', 'nothing').abort()
  expect(existsSync(path)).toBe(false)
  expect(readdirSync(folder).filter((name) => name.endsWith('.partial'))).toEqual([])
})
