import * as fs from 'node:fs'
import {
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  truncateSync,
  writeFileSync,
} from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import type { Lane } from '../../src/output/lanes.ts'
import type { SpoolFiles } from '../../src/output/segment.ts'
import { Spool, type SpooledDocument, type SpoolOptions } from '../../src/output/spool.ts'
import { event, events } from './support.ts'

let folder: string
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'borescope-spool-'))
})
afterEach(() => rmSync(folder, { recursive: true }))

function spool(options: Partial<SpoolOptions> = {}): Spool {
  return new Spool({ folder, bytesMax: 1_000_000, segmentBytes: 10_000, fsync: 'never', ...options })
}

const payload = (id: string) => Buffer.from(JSON.stringify(event(id)))
const payloads = (prefix: string, from: number, to: number) =>
  events(prefix, from, to).map((document) => Buffer.from(JSON.stringify(document)))
const idsOf = (read: readonly SpooledDocument[]) => read.map(({ document }) => document['event.id'])
const readAll = (from: Spool, lane: Lane) => from.read(lane, 1e9, 1e9)
const segments = () => readdirSync(folder).filter((name) => name.endsWith('.spool'))
const sizes = () => segments().reduce((sum, name) => sum + statSync(join(folder, name)).size, 0)

describe('the spool', () => {
  test('gives back what was written, lane by lane, the oldest first', () => {
    const some = spool()
    expect(some.append('events', payloads('e', 0, 3))).toBe('spooled')
    expect(some.append('alerts', payloads('a', 0, 1))).toBe('spooled')
    expect(some.append('events', payloads('e', 3, 5))).toBe('spooled')
    expect([some.records, some.recordsOf('events'), some.bytes]).toEqual([6, 5, sizes()])
    expect(idsOf(some.read('events', 1e9, 2))).toEqual(['e0', 'e1'])
    expect(idsOf(some.read('events', 1, 1e9))).toEqual(['e2'])
    expect(idsOf(readAll(some, 'events'))).toEqual(['e3', 'e4'])
    expect(idsOf(readAll(some, 'events'))).toEqual([])
    expect(readAll(some, 'alerts')[0].document).toEqual(event('a0'))
    some.close()
  })

  test('keeps what is not acknowledged for the next process, and nothing else', () => {
    const first = spool()
    first.append('events', payloads('e', 0, 10))
    const read = first.read('events', 1e9, 6)
    first.acknowledge(read.slice(0, 3).map(({ ticket }) => ticket))
    first.acknowledge([read[4].ticket])
    first.close()
    const second = spool()
    expect(second.resumed).toBe(6)
    const again = readAll(second, 'events')
    expect(idsOf(again)).toEqual(['e3', 'e5', 'e6', 'e7', 'e8', 'e9'])
    second.acknowledge(again.map(({ ticket }) => ticket))
    expect([second.records, second.bytes, second.oldestMs, segments()]).toEqual([0, 0, null, []])
    second.close()
    expect(spool().resumed).toBe(0)
  })

  test('begins new segments by size, and deletes those that are done with in any order', () => {
    const some = spool({ segmentBytes: 1000 })
    for (let i = 0; i < 40; i++) some.append('events', [payload(`e${i}`)])
    const files = segments()
    expect(files.length).toBeGreaterThan(4)
    const read = readAll(some, 'events')
    expect(idsOf(read)).toEqual(events('e', 0, 40).map((document) => document['event.id']))
    some.acknowledge(read.slice(15).map(({ ticket }) => ticket))
    expect(segments().length).toBeLessThan(4)
    expect(segments()[0]).toBe(files[0])
    some.acknowledge(read.slice(0, 15).map(({ ticket }) => ticket))
    expect(segments()).toEqual([])
  })

  test('never gives a number to a second file while a cursor may know the first', () => {
    const first = spool()
    first.append('events', payloads('e', 0, 4))
    first.acknowledge(first.read('events', 1e9, 2).map(({ ticket }) => ticket))
    first.close()
    const [before] = segments()
    rmSync(join(folder, before))
    const second = spool()
    second.append('events', payloads('e', 10, 13))
    second.close()
    expect(segments()[0]).not.toBe(before)
    expect(idsOf(readAll(spool(), 'events'))).toEqual(['e10', 'e11', 'e12'])
  })

  test('makes files that only their owner may read', () => {
    const some = spool({ folder: join(folder, 'deep', 'er') })
    some.append('events', [payload('e1')])
    expect(statSync(join(folder, 'deep', 'er')).mode & 0o777).toBe(0o700)
    expect(statSync(join(folder, 'deep', 'er', 'events-0000000001.spool')).mode & 0o777).toBe(0o600)
    some.close()
  })
})

describe('without room', () => {
  test('the oldest of the lowest class go first, alerts last, each counted', () => {
    const some = spool({ bytesMax: 20_000, segmentBytes: 2000 })
    for (let i = 0; i < 20; i++) {
      some.append('alerts', [payload(`a${i}`)])
      some.append('events', [payload(`e${i}`)])
      some.append('flows', [payload(`f${i}`)])
    }
    for (let i = 20; i < 120; i++) some.append('events', [payload(`e${i}`)])
    expect(some.bytes).toBeLessThanOrEqual(20_000)
    expect(some.bytes).toBe(sizes())
    expect(some.dropped.get('spool_full.flows')).toBe(20)
    const droppedEvents = some.dropped.get('spool_full.events') ?? 0
    expect(droppedEvents).toBeGreaterThan(10)
    expect(some.dropped.has('spool_full.alerts')).toBe(false)
    const large = Buffer.from(JSON.stringify(event('f99', { message: 'x'.repeat(5000) })))
    expect(some.append('flows', [large])).toBe('full')
    for (let i = 20; i < 150; i++) expect(some.append('alerts', [payload(`a${i}`)])).toBe('spooled')
    expect(some.recordsOf('events')).toBe(0)
    expect(some.dropped.get('spool_full.events')).toBe(120)
    const alerts = idsOf(readAll(some, 'alerts'))
    expect(alerts.at(-1)).toBe('a149')
    expect(alerts.length + (some.dropped.get('spool_full.alerts') ?? 0)).toBe(150)
    some.close()
  })

  test('what was read already stays with its reader', () => {
    const some = spool({ bytesMax: 4000, segmentBytes: 1000 })
    for (let i = 0; i < 10; i++) some.append('events', [payload(`e${i}`)])
    const read = some.read('events', 1e9, 2)
    for (let i = 10; i < 40; i++) some.append('events', [payload(`e${i}`)])
    expect(read[0].ticket.segment.isThere).toBe(false)
    some.acknowledge(read.map(({ ticket }) => ticket))
    const dropped = some.dropped.get('spool_full.events') ?? 0
    expect(2 + dropped + some.records).toBe(40)
    some.close()
  })

  test('what is larger than all of it is refused', () => {
    const some = spool({ bytesMax: 1000 })
    some.append('events', [payload('e1')])
    expect(some.append('alerts', [Buffer.alloc(2000, 0x20)])).toBe('full')
    expect(some.records).toBe(1)
    some.close()
  })
})

describe('after a crash', () => {
  /** A segment with records of different sizes, and the octet at which each ends. */
  function written(): { readonly name: string; readonly bytes: Buffer; readonly ends: number[] } {
    const some = spool()
    const ends: number[] = []
    for (let i = 0; i < 6; i++) {
      some.append('events', [Buffer.from(JSON.stringify(event(`e${i}`, { message: 'ä'.repeat(i * 3) })))])
      ends.push(some.bytes)
    }
    some.close()
    const [name] = segments()
    return { name, bytes: readFileSync(join(folder, name)), ends }
  }

  test('a segment that breaks off anywhere keeps every whole record, and loses its tail', () => {
    const { name, bytes, ends } = written()
    const path = join(folder, name)
    for (let length = 0; length <= bytes.length; length++) {
      writeFileSync(path, bytes)
      truncateSync(path, length)
      const some = spool()
      const whole = ends.filter((end) => end <= length).length
      expect([some.resumed, some.records]).toEqual([whole, whole])
      expect(idsOf(readAll(some, 'events'))).toEqual(Array.from({ length: whole }, (_, i) => `e${i}`))
      expect(some.dropped.size).toBe(0)
      expect(fs.existsSync(path) ? statSync(path).size : 0).toBe(whole === 0 ? 0 : ends[whole - 1])
      some.close()
    }
  })

  test('a corrupt octet anywhere costs the record that it is in, and that is counted', () => {
    const { name, bytes, ends } = written()
    const path = join(folder, name)
    for (let at = 0; at < bytes.length; at++) {
      const damaged = Buffer.from(bytes)
      damaged[at] ^= 0x41
      writeFileSync(path, damaged)
      const some = spool()
      const hit = ends.findIndex((end) => at < end)
      const expected = [0, 1, 2, 3, 4, 5].filter((i) => i !== hit).map((i) => `e${i}`)
      expect(idsOf(readAll(some, 'events')), `octet ${at}`).toEqual(expected)
      // Of the last record nobody can say whether it was ever whole.
      expect(some.dropped.get('spool_corrupt') ?? 0).toBe(hit === 5 ? 0 : 1)
      expect(some.resumed).toBe(hit === 5 ? 5 : 6)
      some.close()
    }
  })

  test('what is damaged while the process runs is counted, too', () => {
    const some = spool()
    some.append('events', payloads('e', 0, 10))
    const [name] = segments()
    const bytes = readFileSync(join(folder, name))
    bytes.fill(0, 300, 500)
    writeFileSync(join(folder, name), bytes)
    const read = readAll(some, 'events')
    expect(read.length).toBeLessThan(9)
    expect(read.length + (some.dropped.get('spool_corrupt') ?? 0)).toBe(10)
    some.acknowledge(read.map(({ ticket }) => ticket))
    expect([some.records, segments()]).toEqual([0, []])
    rmSync(folder, { recursive: true })
    mkdirSync(folder)
    const other = spool()
    other.append('events', payloads('e', 0, 10))
    for (const file of segments()) rmSync(join(folder, file))
    expect(readAll(other, 'events')).toEqual([])
    expect(other.dropped.get('spool_corrupt')).toBe(10)
    expect(other.trouble?.message).toContain('ENOENT')
  })

  test('a cursor that cannot be read costs repetitions only', () => {
    const first = spool()
    first.append('events', payloads('e', 0, 5))
    first.acknowledge(first.read('events', 1e9, 3).map(({ ticket }) => ticket))
    first.close()
    writeFileSync(join(folder, 'cursor.ndjson'), '{"events-00000')
    const second = spool()
    expect(second.resumed).toBe(5)
    expect(second.troubles).toBe(1)
    second.close()
  })

  test('a cursor that was cut short in its last line is the one before, and is made whole', () => {
    const first = spool()
    first.append('events', payloads('e', 0, 8))
    for (let i = 0; i < 3; i++) first.acknowledge(first.read('events', 1e9, 1).map(({ ticket }) => ticket))
    first.close()
    const path = join(folder, 'cursor.ndjson')
    truncateSync(path, statSync(path).size - 5)
    const second = spool()
    expect([second.resumed, second.troubles]).toEqual([6, 0])
    second.acknowledge(second.read('events', 1e9, 1).map(({ ticket }) => ticket))
    second.close()
    expect(readFileSync(path, 'utf8').trimEnd().split('\n')).toHaveLength(1)
    expect(spool().resumed).toBe(5)
  })

  test('records that are larger than what is read at one time are whole', () => {
    const some = spool({ bytesMax: 100_000_000 })
    const large = event('large', { message: 'x'.repeat(3_000_000) })
    some.append('events', [payload('e0'), Buffer.from(JSON.stringify(large)), payload('e2')])
    some.close()
    const again = spool()
    expect(again.resumed).toBe(3)
    expect(idsOf(readAll(again, 'events'))).toEqual(['e0', 'large', 'e2'])
    again.close()
  })
})

describe('a disk that fails', () => {
  /** The file system, which says no to what `fails` answers a code for. */
  function failing(fails: (call: string) => string | null): SpoolFiles {
    return new Proxy(fs, {
      get:
        (target, name: keyof typeof fs) =>
        (...parameters: unknown[]) => {
          const code = fails(name)
          if (code !== null) throw Object.assign(new Error(`${code}: ${name}`), { code })
          return (target[name] as (...all: unknown[]) => unknown)(...parameters)
        },
    })
  }

  test('full: what is less important makes room, and half a record is taken back', () => {
    let free = 4000
    const files = {
      ...fs,
      writeSync: ((fd: number, bytes: Buffer, at: number, length: number) => {
        const fits = Math.min(length, Math.max(0, free))
        if (fits === 0) throw Object.assign(new Error('ENOSPC: no space left on device, write'), { code: 'ENOSPC' })
        free -= fits
        return fs.writeSync(fd, bytes, at, fits)
      }) as typeof fs.writeSync,
      ftruncateSync: ((fd: number, length: number) => {
        free += fs.fstatSync(fd).size - length
        fs.ftruncateSync(fd, length)
      }) as typeof fs.ftruncateSync,
      unlinkSync: ((path: string) => {
        free += statSync(path).size
        fs.unlinkSync(path)
      }) as typeof fs.unlinkSync,
    }
    const some = spool({ files, segmentBytes: 1000 })
    for (let i = 0; i < 12; i++) expect(some.append('flows', [payload(`f${i}`)])).toBe('spooled')
    for (let i = 0; i < 24; i++) expect(some.append('alerts', [payload(`a${i}`)])).toBe('spooled')
    const droppedFlows = some.dropped.get('spool_full.flows') ?? 0
    expect(droppedFlows).toBeGreaterThan(0)
    expect(droppedFlows + some.recordsOf('flows')).toBe(12)
    let refused = 0
    for (let i = 0; i < 20; i++) if (some.append('flows', [payload(`g${i}`)]) !== 'spooled') refused++
    expect(some.trouble?.message).toContain('ENOSPC')
    const left = 12 + 20 - refused - (some.dropped.get('spool_full.flows') ?? 0)
    expect(some.recordsOf('flows')).toBe(left)
    some.close()
    const again = spool()
    expect(again.resumed).toBe(24 + left)
    expect(again.dropped.size).toBe(0)
    expect(idsOf(readAll(again, 'alerts'))).toHaveLength(24)
    again.close()
  })

  test('and a folder that cannot be written to: it is named, nothing else breaks', () => {
    const some = spool({ files: failing((call) => (call === 'mkdirSync' || call === 'openSync' ? 'EACCES' : null)) })
    expect(some.append('alerts', [payload('a1')])).toBe('failed')
    expect(some.trouble?.message).toContain('EACCES')
    expect([some.records, some.resumed]).toEqual([0, 0])
    some.close()
    writeFileSync(join(folder, 'file'), '')
    const inFile = spool({ folder: join(folder, 'file', 'in') })
    expect(inFile.append('alerts', [payload('a1')])).toBe('failed')
    inFile.close()
  })

  test('in the middle of anything: what it said is spooled is there afterwards', () => {
    for (let failAt = 1; failAt < 60; failAt++) {
      rmSync(folder, { recursive: true })
      mkdirSync(folder)
      let calls = 0
      const some = spool({
        files: failing((call) => (call !== 'closeSync' && ++calls === failAt ? 'EIO' : null)),
        segmentBytes: 500,
        fsync: 'always',
      })
      const spooled: string[] = []
      for (let i = 0; i < 8; i++) if (some.append('events', [payload(`e${i}`)]) === 'spooled') spooled.push(`e${i}`)
      const read = some.read('events', 1e9, 3)
      some.acknowledge(read.map(({ ticket }) => ticket))
      const lost = some.dropped.get('spool_corrupt') ?? 0
      expect(read.length + some.records + lost, `failure ${failAt}`).toBe(spooled.length)
      some.close()
      const again = spool()
      const found = idsOf(readAll(again, 'events'))
      const done = new Set([...idsOf(read), ...found])
      if (lost === 0)
        expect(
          spooled.filter((id) => !done.has(id)),
          `failure ${failAt}`,
        ).toEqual([])
      again.close()
    }
  })

  test('each policy of forcing data onto it writes the same files', () => {
    const contents = (['always', 'interval', 'never'] as const).map((fsync) => {
      const synced: string[] = []
      const files = new Proxy(fs, {
        get: (target, name: keyof typeof fs) => {
          if (name === 'fdatasyncSync') synced.push(name)
          return target[name]
        },
      })
      const some = spool({ folder: join(folder, fsync), fsync, files })
      some.append('events', payloads('e', 0, 3))
      const atOnce = synced.length
      some.close()
      expect([fsync, atOnce > 0, synced.length > 0]).toEqual([fsync, fsync === 'always', fsync !== 'never'])
      return readFileSync(join(folder, fsync, 'events-0000000001.spool'))
    })
    expect(contents[1]).toEqual(contents[0])
    expect(contents[2]).toEqual(contents[0])
  })
})
