/**
 * `borescope watch` beside real peers: the scenarios of the traffic lab (xl2tpd, pppd, strongSwan in virtual machines) run while
 * it listens on their cable, and its events are those of a replay of what tcpdump recorded there.
 *
 * Minutes of work for a machine: `npm run test:live`. The lab is not part of the project: it is looked for beside it, or where
 * BORESCOPE_TEST_LAB says.
 */
import { spawnSync } from 'node:child_process'
import { cpSync, existsSync, mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join, resolve } from 'node:path'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { actions, essence, eventsIn, type Told } from '../support/live-events.ts'
import { skipsCapture } from '../support/live-network.ts'

const ROOT = resolve(import.meta.dirname, '../..')
const BORESCOPE = join(ROOT, 'bin/borescope')
const LAB = resolve(process.env['BORESCOPE_TEST_LAB'] || join(ROOT, '../shared/lab'))

function isSkipped(): boolean {
  if (process.env['npm_lifecycle_event'] !== 'test:live' && process.env['BORESCOPE_TEST_LAB'] === undefined) {
    process.stderr.write('\nSKIPPED test/live/lab.test.ts: it takes minutes; npm run test:live runs it\n\n')
    return true
  }
  if (skipsCapture('test/live/lab.test.ts')) return true
  const missing = ['linux', 'tcpdump', 'xl2tpd', 'pppd'].filter((name) => spawnSync('which', [name]).status !== 0)
  const lacks = existsSync(LAB) ? missing.map((name) => `the program ${name}`) : [`the lab at ${LAB}`]
  if (lacks.length > 0) process.stderr.write(`\nSKIPPED test/live/lab.test.ts: without ${lacks.join(', ')}\n\n`)
  return lacks.length > 0
}
const skips = isSkipped()

let scratch: string
beforeAll(() => {
  scratch = mkdtempSync(join(tmpdir(), 'borescope-lab-'))
  if (!skips) cpSync(LAB, join(scratch, 'lab'), { recursive: true })
})
afterAll(() => rmSync(scratch, { recursive: true }))

/**
 * The packets have other numbers: the recording holds those that the filter refused, too. They are counted in the order in which
 * they are named. What a window of time says of traffic that cannot be read is told when the window is over, which a replay learns
 * from the next packet only; and so the numbers of the events behind it differ.
 */
function withoutNumbers(events: readonly Told[]): unknown[] {
  const told = essence(
    events
      .filter(({ event }) => String(event['action']) !== 'esp.traffic.classified')
      .map(
        ({
          borescope: { frame: _, ...borescope } = {} as Told,
          event: { sequence: __, ...event } = {} as Told,
          ...others
        }) => ({ ...others, event, borescope }) as unknown as Told,
      ),
  )
  const numbers = new Map<string, number>()
  return JSON.parse(
    JSON.stringify(told).replace(/"#\d+"/g, (number) => {
      if (!numbers.has(number)) numbers.set(number, numbers.size)
      return `"packet ${numbers.get(number)}"`
    }),
  )
}

test.skipIf(skips).each([
  ['l2tp-mschapv2', ['l2tp.tunnel.opened', 'ppp.authentication.succeeded', 'http.requested', 'l2tp.tunnel.closed']],
  ['l2tp-bruteforce-mschapv2', ['ppp.authentication.failed', 'alert.raised']],
  ['ipsec-psk-main', ['ike.exchange.established', 'esp.tunnel.opened']],
])('%s', { timeout: 600_000 }, (scenario, expected) => {
  const events = join(scratch, `${scenario}.ndjson`)
  const recorded = join(scratch, `${scenario}.pcap`)
  const out = join(scratch, scenario)
  const { status, stdout, stderr } = spawnSync('bash', [join(scratch, 'lab', `run-${scenario}.sh`)], {
    encoding: 'utf8',
    env: {
      ...process.env,
      LAB_NS: `borescope-lab-${process.pid}`,
      LAB_PCAP: recorded,
      LAB_OUT: out,
      LAB_NO_MD: '1',
      LAB_SENSOR_WAIT: '8',
      LAB_SENSOR_CMD: `${BORESCOPE} watch lab0 --no-store --json -q -o ${events}`,
    },
  })
  expect(status, `${stdout}${stderr}`).toBe(0)
  // What it logs stands in the same file.
  const said = readFileSync(join(out, 'sensor.out'), 'utf8')
    .trim()
    .split('\n')
    .map((line) => JSON.parse(line))
  const summary = said.find((line) => 'interfaces' in line)
  expect(summary?.interfaces).toMatchObject([{ name: 'lab0', kernelDrops: 0, ownDrops: 0 }])

  const seen = eventsIn(events)
  for (const name of expected) expect(actions(seen)).toContain(name)
  const replayed = join(scratch, `${scenario}.replayed.ndjson`)
  const replay = spawnSync(BORESCOPE, ['replay', '--no-store', '-q', '-o', replayed, recorded], { cwd: scratch })
  expect(replay.status).toBe(0)
  expect(withoutNumbers(seen)).toEqual(withoutNumbers(eventsIn(replayed)))
})
