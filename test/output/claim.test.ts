import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdtempSync, readdirSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { afterEach, beforeEach, expect, test } from 'vitest'
import { Claim, claimFolder, ownerOf } from '../../src/output/claim.ts'

let folder: string
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'borescope-claim-'))
})
afterEach(() => rmSync(folder, { recursive: true }))

/** A process that owns the folder until it is killed. */
async function owner() {
  const module = fileURLToPath(new URL('../../src/output/claim.ts', import.meta.url))
  const code = `import { claimFolder } from '${module}'
    claimFolder('${folder}', 'the other')
    process.stdout.write('claimed')
    setInterval(() => {}, 1000)`
  const child = spawn(process.execPath, ['--input-type=module', '-e', code], { stdio: ['ignore', 'pipe', 'inherit'] })
  await once(child.stdout, 'data')
  return child
}

test('a folder belongs to one process, and is free again when that one is done', () => {
  const deep = join(folder, 'a', 'b')
  const claim = claimFolder(deep, 'this')
  expect(claim).toBeInstanceOf(Claim)
  expect(claimFolder(deep, 'again')).toMatchObject({ pid: process.pid, command: 'this' })
  expect(ownerOf(deep)).toMatchObject({ pid: process.pid })
  expect(readdirSync(deep)).toEqual(['lock'])
  ;(claim as Claim).release()
  ;(claim as Claim).release()
  expect(ownerOf(deep)).toBeNull()
  expect(readdirSync(deep)).toEqual([])
})

test('another process is named while it lives; after a kill -9 its lock is stale', async () => {
  const other = await owner()
  expect(claimFolder(folder, 'this')).toMatchObject({ pid: other.pid, command: 'the other' })
  expect(ownerOf(folder)).toMatchObject({ pid: other.pid })
  other.kill('SIGKILL')
  await once(other, 'exit')
  expect(ownerOf(folder)).toBeNull()
  expect(claimFolder(folder, 'this')).toBeInstanceOf(Claim)
  expect(readdirSync(folder)).toEqual(['lock'])
})

test('the number of a process that died is not taken for the one that bears it now', () => {
  const stale = { pid: process.pid, born: 'another boot 1', since: '', command: 'long ago' }
  writeFileSync(join(folder, 'lock'), JSON.stringify(stale))
  expect(ownerOf(folder)).toBeNull()
  expect(claimFolder(folder, 'this')).toBeInstanceOf(Claim)
})

test('a lock that says nothing is stale', () => {
  for (const content of ['', '{', 'null', '{"pid":"x"}']) {
    writeFileSync(join(folder, 'lock'), content)
    const claim = claimFolder(folder, 'this')
    expect(claim, content).toBeInstanceOf(Claim)
    ;(claim as Claim).release()
  }
})
