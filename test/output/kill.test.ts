/** kill -9 in the middle of everything: what the next process finds, and what the cluster has in the end. */
import { spawn } from 'node:child_process'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import { fileURLToPath } from 'node:url'
import { expect, test } from 'vitest'
import { type DeliveryCounts, imbalance } from '../../src/output/delivery-status.ts'
import { readQuarantine } from '../../src/output/quarantine.ts'
import { Random } from '../support/random.ts'
import { MOODS, StandInCluster } from '../support/stand-in-cluster.ts'
import { numbered } from './support.ts'

const EVENTS = 200_000
const KILLS = 10
/** The queue in memory, and the requests under way, in events of some 190 octets each: see `deliver.ts`. */
const LOST_AT_ONCE_MAX = Math.ceil((65_536 + 4 * 32_768) / 150)

interface Run {
  /** What the process found in the spool. */
  readonly resumed: number
  readonly pushed: number
  /** At its end; null if it was killed. */
  readonly counts: DeliveryCounts | null
}

/** Runs a process until it ends or has pushed so many. */
async function run(address: string, folder: string, from: number, killAt: number): Promise<Run> {
  const script = fileURLToPath(new URL('./deliver.ts', import.meta.url))
  const child = spawn(process.execPath, [script, address, folder, String(from), String(EVENTS)], {
    stdio: ['ignore', 'pipe', 'inherit'],
  })
  const ended = new Promise<NodeJS.Signals | null>((resolve) => child.on('close', (_, signal) => resolve(signal)))
  let pushed = from
  const counts: DeliveryCounts[] = []
  for await (const line of createInterface({ input: child.stdout })) {
    if (line.startsWith('{')) counts.push(JSON.parse(line) as DeliveryCounts)
    else pushed = Number(line)
    if (pushed >= killAt) child.kill('SIGKILL')
  }
  const [first, last = null] = counts
  expect(await ended).toBe(last === null ? 'SIGKILL' : null)
  return { resumed: first.resumed, pushed, counts: last }
}

test('loses at most what was in memory, and nothing of a replay; nothing is there twice', {
  timeout: 600_000,
}, async () => {
  const folder = mkdtempSync(join(tmpdir(), 'borescope-kill-'))
  const cluster = new StandInCluster(11)
  const random = new Random(12)
  try {
    const address = await cluster.listen()
    let from = 0
    let resumed = 0
    const killed: number[] = []
    for (let kill = 0; kill < KILLS; kill++) {
      const { pushed, resumed: found, counts } = await run(address, folder, from, from + 1000 + random.below(18_000))
      expect(counts).toBeNull()
      resumed += found
      killed.push(pushed)
      // As a sensor on a network: what was pushed does not come again.
      from = pushed
    }
    const last = await run(address, folder, from, Number.POSITIVE_INFINITY)
    expect(last.counts).toMatchObject({ spooled: 0, queued: 0, inFlight: 0, dropped: {} })
    expect(imbalance(last.counts as DeliveryCounts)).toBe(0)
    expect(resumed + last.resumed).toBeGreaterThan(1000)

    const refused = new Set(readQuarantine(join(folder, 'cluster', 'quarantine.ndjson')).events.map(({ id }) => id))
    const missing = Array.from({ length: EVENTS }, (_, i) => i).filter((i) => {
      const id = numbered(i)['event.id']
      return !cluster.ids.has(id) && !refused.has(id)
    })
    expect(missing.length).toBeLessThanOrEqual(KILLS * LOST_AT_ONCE_MAX)
    // Alerts go first wherever there is a choice; what is lost was among the last before a kill, or waited with them.
    for (const [i, at] of killed.entries()) {
      const since = killed[i - 1] ?? 0
      expect(missing.filter((number) => number >= since && number < at).length).toBeLessThanOrEqual(
        2 * LOST_AT_ONCE_MAX,
      )
    }

    // The same as a replay of everything: now nothing may be missing.
    const again = (await run(address, folder, 0, Number.POSITIVE_INFINITY)).counts as DeliveryCounts
    expect(imbalance(again)).toBe(0)
    expect(again).toMatchObject({ accepted: EVENTS, resumed: 0, spooled: 0, queued: 0, inFlight: 0, dropped: {} })
    expect(again.stored).toBeLessThanOrEqual(missing.length)
    expect(cluster.ids.size + again.quarantined).toBe(EVENTS)
    expect(again.quarantined).toBe(EVENTS / 1000)
    for (const mood of MOODS) expect(cluster.met.get(mood), mood).toBeGreaterThan(0)
  } finally {
    await cluster.close()
    rmSync(folder, { recursive: true })
  }
})
