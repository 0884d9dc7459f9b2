/** A pipe that nobody empties takes a part of what is written, as a full disk does. */
import { execFileSync } from 'node:child_process'
import { closeSync, constants, mkdtempSync, openSync, readSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, expect, test } from 'vitest'
import { ResumedFile } from '../../src/base/resumed-file.ts'

let scratch: string
let descriptor: number
beforeEach(() => {
  scratch = mkdtempSync(join(tmpdir(), 'borescope-resumed-'))
  const path = join(scratch, 'pipe')
  execFileSync('mkfifo', [path])
  descriptor = openSync(path, constants.O_RDWR | constants.O_NONBLOCK)
})
afterEach(() => {
  closeSync(descriptor)
  rmSync(scratch, { recursive: true })
})

/** All that the pipe holds. */
function taken(): string {
  const buffer = Buffer.alloc(1 << 20)
  return buffer.toString('utf8', 0, readSync(descriptor, buffer))
}

test('what was cut off goes on where it stopped, before anything else', () => {
  const file = new ResumedFile(descriptor)
  const long = `${'x'.repeat(100_000)}\n`
  expect(() => file.write(Buffer.from(long))).toThrow('EAGAIN')
  expect(file.isTorn).toBe(true)
  let all = taken()
  file.write(Buffer.from('next\n'))
  all += taken()
  expect(all).toBe(`${long}next\n`)
  expect(file.isTorn).toBe(false)
})

test('what was not begun is not kept', () => {
  const file = new ResumedFile(descriptor)
  expect(() => file.write(Buffer.alloc(100_000, 'x'))).toThrow('EAGAIN')
  expect(() => file.write(Buffer.from('refused\n'))).toThrow('EAGAIN')
  taken()
  file.resume()
  taken()
  const full = Buffer.alloc(65_536, 'y')
  file.write(full)
  expect(() => file.write(Buffer.from('refused\n'))).toThrow('EAGAIN')
  expect(file.isTorn).toBe(false)
  expect(taken()).toBe(full.toString())
})
