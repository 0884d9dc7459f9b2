import { execFileSync } from 'node:child_process'
import { chmodSync, existsSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { targetFile } from '../../src/base/target-file.ts'

let folder: string
beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), 'borescope-target-'))
})
afterAll(() => rmSync(folder, { recursive: true }))

test('a file is written beside itself, whether it is there or not', () => {
  const path = join(folder, 'new')
  expect(targetFile(path)).toEqual({ path, partial: `${path}.${process.pid}.partial`, mode: undefined })
  writeFileSync(path, '')
  chmodSync(path, 0o640)
  expect(targetFile(path)).toMatchObject({ path, mode: 0o640 })
})

test('a link stays one: what it leads to is written', () => {
  const [path, link] = [join(folder, 'real'), join(folder, 'link')]
  writeFileSync(path, '')
  symlinkSync(path, link)
  expect(targetFile(link)).toMatchObject({ path, partial: `${path}.${process.pid}.partial` })
})

test('a pipe and a device are not replaced', () => {
  const pipe = join(folder, 'pipe')
  execFileSync('mkfifo', [pipe])
  expect(targetFile(pipe)).toEqual({ path: pipe, partial: null, mode: undefined })
  expect(targetFile('/dev/null').partial).toBeNull()
})

test('a folder is refused', () => {
  expect(() => targetFile(folder)).toThrow(`${folder} is a directory: name a file in it`)
})

test('a folder that is not there is named, and not made', () => {
  const missing = join(folder, 'missing')
  expect(() => targetFile(join(missing, 'x'))).toThrow(`${join(missing, 'x')}: there is no folder ${missing}`)
  expect(existsSync(missing)).toBe(false)
})
