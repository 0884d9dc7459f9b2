import { spawnSync } from 'node:child_process'
import { existsSync, mkdtempSync, rmSync, statSync, symlinkSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { afterEach, beforeEach, expect, test } from 'vitest'
import { makeFolder } from '../../src/base/folder.ts'

let folder: string
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'borescope-folder-'))
})
afterEach(() => rmSync(folder, { recursive: true }))

test('a folder is made with those above it, and one that is there stays as it is', () => {
  const deep = join(folder, 'a', 'b')
  makeFolder(deep, 0o700)
  expect(statSync(deep).mode & 0o777).toBe(0o700)
  makeFolder(deep, 0o755)
  expect(statSync(deep).mode & 0o777).toBe(0o700)
  symlinkSync(deep, join(folder, 'link'))
  makeFolder(join(folder, 'link'))
  makeFolder(`${deep}/c/`)
  expect(existsSync(join(deep, 'c'))).toBe(true)
})

test('what is no folder, or lies in none, is refused', () => {
  const file = join(folder, 'file')
  writeFileSync(file, '')
  expect(() => makeFolder(file)).toThrow(/EEXIST.*file'/)
  expect(() => makeFolder(join(file, 'x', 'y'))).toThrow(/ENOTDIR/)
})

test.skipIf(!existsSync('/proc/self'))('where the system lets nobody make a folder it is said at once', () => {
  const module = fileURLToPath(new URL('../../src/base/folder.ts', import.meta.url))
  const code = `import { makeFolder } from '${module}'; makeFolder('/proc/borescope/evidence')`
  // In another process: what never came back would take this one with it.
  const { signal, stderr } = spawnSync(process.execPath, ['--input-type=module', '-e', code], {
    encoding: 'utf8',
    timeout: 30_000,
  })
  expect(signal).toBe(null)
  expect(stderr).toContain("mkdir '/proc/borescope'")
})
