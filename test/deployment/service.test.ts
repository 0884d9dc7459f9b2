/** The unit of systemd, checked by systemd itself where it is installed. */
import { execFileSync, spawnSync } from 'node:child_process'
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import { loadConfig } from '../../src/config.ts'

const UNIT = join(import.meta.dirname, '../../deploy/borescope.service')
const text = readFileSync(UNIT, 'utf8')
const values = (key: string) => [...text.matchAll(new RegExp(`^${key}=(.*)$`, 'gm'))].map(([, value]) => value)
const hasSystemd = spawnSync('systemd-analyze', ['--version']).status === 0
const where = hasSystemd ? '' : ' (SKIPPED: systemd-analyze is not installed)'

test.skipIf(!hasSystemd)(`systemd takes the unit without a complaint${where}`, () => {
  const folder = mkdtempSync(join(tmpdir(), 'borescope-unit-'))
  try {
    const unit = join(folder, 'borescope.service')
    // The program is not installed where the unit says.
    writeFileSync(unit, text.replace('/opt/borescope/bin/borescope', join(import.meta.dirname, '../../bin/borescope')))
    const { stdout, stderr, status } = spawnSync('systemd-analyze', ['verify', '--man=no', unit], { encoding: 'utf8' })
    expect(`${stdout}${stderr}`.split('\n').filter((line) => line.includes('borescope.service'))).toEqual([])
    expect(status).toBe(0)
  } finally {
    rmSync(folder, { recursive: true })
  }
})

test.skipIf(!hasSystemd)(`its exposure is low, by systemd's own measure${where}`, () => {
  const report = execFileSync('systemd-analyze', ['security', '--offline=true', '--no-pager', UNIT], {
    encoding: 'utf8',
  })
  const exposure = Number(/Overall exposure level for borescope\.service: ([\d.]+)/.exec(report)?.[1])
  expect(exposure).toBeLessThan(2)
})

test('the sensor has one right, and its own folders', () => {
  expect(values('AmbientCapabilities')).toEqual(['CAP_NET_RAW'])
  expect(values('CapabilityBoundingSet')).toEqual(['CAP_NET_RAW'])
  expect(values('ProtectSystem')).toEqual(['strict'])
  expect(values('DynamicUser')).toEqual(['yes'])
  expect(values('ExecReload')).toEqual(['/bin/kill -HUP $MAINPID'])
  expect(values('Type')).toEqual(['notify'])
})

test('what it sets is in the configuration, everything that is written lies in its folder, and it has time to stop', () => {
  const environment: Record<string, string> = Object.fromEntries(
    values('Environment').map((pair) => pair.split(/=(.*)/, 2)),
  )
  const own = Object.entries(environment).filter(([name]) => name.startsWith('BORESCOPE_') && name.includes('__'))
  const { config } = loadConfig(undefined, Object.fromEntries(own))
  const paths = [
    config.store.path,
    config.delivery.path,
    config.service.statePath,
    config.baseline.path,
    config.intel.path,
  ]
  for (const path of paths) expect(path).toMatch(/^\/var\/lib\/borescope\//)
  expect(Number(values('TimeoutStopSec')[0])).toBeGreaterThan(config.service.stopSeconds + 10)
  expect(Number(values('WatchdogSec')[0])).toBeGreaterThan(10)
})

test('the user that it runs as may read the configuration where the instructions put it', () => {
  const instructions = readFileSync(join(import.meta.dirname, '../../docs/operation.md'), 'utf8')
  const [user] = values('User')
  expect(instructions).toMatch(new RegExp(`useradd .*\\b${user}\\n`))
  expect(instructions).toMatch(new RegExp(`install -m 0640 -g ${user} borescope\\.yaml /etc/borescope/`))
  // systemd leaves the folder to root.
  expect(values('ConfigurationDirectoryMode')).toEqual(['0755'])
})
