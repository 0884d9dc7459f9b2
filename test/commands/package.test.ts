/** The package as npm installs it, below a node_modules folder, where Node.js strips no types by itself. */
import { spawnSync } from 'node:child_process'
import { cpSync, mkdirSync, mkdtempSync, rmSync, symlinkSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join, resolve } from 'node:path'
import { expect, test } from 'vitest'

const ROOT = resolve(import.meta.dirname, '../..')

test('an installed package analyses a capture, stores its events and is silent about Node.js', () => {
  const scratch = mkdtempSync(join(tmpdir(), 'borescope-package-'))
  try {
    const installed = join(scratch, 'node_modules/borescope')
    mkdirSync(installed, { recursive: true })
    for (const part of ['bin', 'src', 'rules', 'package.json'])
      cpSync(join(ROOT, part), join(installed, part), { recursive: true })
    symlinkSync(join(ROOT, 'node_modules'), join(installed, 'node_modules'))
    const { status, stdout, stderr } = spawnSync(
      join(installed, 'bin/borescope'),
      ['replay', '--json', join(ROOT, 'pcaps/l2tp-mschapv2.pcap')],
      { cwd: scratch, encoding: 'utf8', env: { PATH: process.env['PATH'], HOME: scratch } },
    )
    expect(stderr).toBe('')
    expect(status).toBe(0)
    expect(JSON.parse(stdout)).toMatchObject({ packets: 303, store: { quarantined: 0, duplicates: 0 } })
  } finally {
    rmSync(scratch, { recursive: true })
  }
})
