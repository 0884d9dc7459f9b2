/** A disk that is full: the sensor goes on, older evidence makes room, and what cannot be kept is counted and told. */
import { spawnSync } from 'node:child_process'
import { mkdirSync, mkdtempSync, readdirSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, expect, test } from 'vitest'
import { EvidenceReader } from '../../src/evidence/reader.ts'
import { Random } from '../support/random.ts'
import { countsOf, eventsOfFile } from '../support/sensor.ts'
import { ModelStore } from './model.ts'
import { keep, take } from './support.ts'

const CAPTURE = join(import.meta.dirname, '../../pcaps/l2tp-inner-attack.pcap')
const WHOLE = { beforeSeconds: 0, snapData: 'whole' } as const

let folder = ''
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'borescope-evidence-disk-'))
})
afterEach(() => {
  rmSync(folder, { recursive: true })
})

/** A disk of so many octets, if this process may make one; says loudly why not. */
function tinyDisk(path: string, bytes: number): (() => void) | null {
  mkdirSync(path)
  const { status, stderr, error } = spawnSync('mount', ['-t', 'tmpfs', '-o', `size=${bytes}`, 'tmpfs', path], {
    encoding: 'utf8',
  })
  if (status === 0) return () => spawnSync('umount', [path])
  process.stderr.write(`SKIPPED: a disk that is really full needs mount: ${error?.message ?? stderr}\n`)
  return null
}

test('the oldest segments go when the disk is full, and the newest packets are there', async ({ skip }) => {
  const disk = join(folder, 'disk')
  const unmount = tinyDisk(disk, 1_500_000)
  if (unmount === null) return skip('no permission to mount a tmpfs')
  try {
    const evidence = { ...WHOLE, segmentBytes: 200_000 }
    const kept = await keep([[CAPTURE], [CAPTURE]], join(disk, 'e'), { evidence })
    const { removedByDisk, dropped, packets } = kept.counters
    expect(removedByDisk).toBeGreaterThan(2)
    expect(dropped.disk).toBe(0)
    expect(packets).toBe(kept.counters.recorded)
    const { packets: left, reader } = await take(kept, null, join(folder, 'out.pcapng'))
    expect(reader.problems).toEqual([])
    expect(left).toBeGreaterThan(500)
  } finally {
    unmount()
  }
})

test('what was written before the disk refused more is closed when the disk has answered', async ({ skip }) => {
  const disk = join(folder, 'disk')
  const unmount = tinyDisk(disk, 8_500_000)
  if (unmount === null) return skip('no permission to mount a tmpfs')
  try {
    const options = { folder: disk, form: 'plain', key: null, bytesMax: 1e9, ageMsMax: 1e9 } as const
    const model = new ModelStore(options)
    const random = new Random(17)
    model.begin()
    let hasAsked = false
    while (model.chunk(random, 10_000, 3)) {
      model.writer.rest()
      hasAsked ||= model.writer.forcing !== null
    }
    expect(hasAsked).toBe(true)
    expect(readdirSync(disk)).toEqual(['00000001.pcapng.open'])
    await model.writer.forcing
    model.writer.seal()
    expect(readdirSync(disk).sort()).toEqual(['00000001.index', '00000001.pcapng'])
    const reader = new EvidenceReader(disk, null)
    expect(reader.segments.map(({ directory }) => directory.packets)).toEqual([model.packets.length])
    expect(reader.problems).toEqual([])
    reader.close()
  } finally {
    unmount()
  }
})

test('without room for anything the sensor goes on as before, and says so', async ({ skip }) => {
  const disk = join(folder, 'disk')
  const unmount = tinyDisk(disk, 700_000)
  if (unmount === null) return skip('no permission to mount a tmpfs')
  try {
    writeFileSync(join(disk, 'of others'), Buffer.alloc(300_000))
    const kept = await keep([[CAPTURE]], join(disk, 'e'), { evidence: WHOLE })
    const { dropped, recorded, packets, failures } = kept.counters
    expect(failures).toBeGreaterThan(0)
    expect(dropped.disk).toBeGreaterThan(0)
    expect(packets + dropped.disk).toBe(recorded)
    const told = kept.events.filter((event) => event['event.action'] === 'evidence.dropped')
    expect(told.reduce((sum, event) => sum + (event['evidence.packets'] ?? 0), 0)).toBe(dropped.disk)
    expect(told[0]).toMatchObject({ 'evidence.drop_reason': 'disk' })
    expect(told[0]['event.reason']).toContain('ENOSPC')
    const others = countsOf(kept.events)
    delete others['evidence.dropped']
    expect(others).toEqual(countsOf(await eventsOfFile(CAPTURE)))
    const reader = new EvidenceReader(join(disk, 'e'), null)
    expect(reader.problems.filter(({ name }) => name !== 'evidence.truncated')).toEqual([])
    reader.close()
  } finally {
    unmount()
  }
})
