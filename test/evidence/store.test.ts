/** Segments, their bounds and their indexes against a plain list; and what damage does to them, octet by octet. */
import { mkdtempSync, readdirSync, readFileSync, rmSync, statSync, truncateSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { PacketBlock } from '../../src/evidence/blocks.ts'
import { FORMS, type Form } from '../../src/evidence/container.ts'
import { EvidenceReader } from '../../src/evidence/reader.ts'
import { recover } from '../../src/evidence/recovery.ts'
import { Random } from '../support/random.ts'
import { ModelStore, thingsOf, uid } from './model.ts'
import { ALL_TIME, readCapture } from './support.ts'

const KEY = Buffer.alloc(32, 7)
const NO_LIMIT = { bytesMax: 1e12, ageMsMax: 1e12 }
const EVERYTHING = { things: null, ...ALL_TIME, hasContext: false }

let folder = ''
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'borescope-evidence-'))
})
afterEach(() => {
  rmSync(folder, { recursive: true })
})

function keyFor(form: Form): Buffer | null {
  return form.startsWith('sealed') ? KEY : null
}

function store(form: Form = 'plain', limits: Partial<typeof NO_LIMIT> = {}): ModelStore {
  return new ModelStore({ folder, form, key: keyFor(form), ...NO_LIMIT, ...limits })
}

/** The bytes of every packet that a reader finds, in the order of the segments. */
function bytesOf(reader: EvidenceReader, wanted: Parameters<EvidenceReader['select']>[0]): string[] {
  const block = new PacketBlock()
  const found: string[] = []
  for (const { segment, offsets } of reader.select(wanted)) {
    for (const offset of offsets) {
      const where = segment.at(offset, reader.problems)
      if (where === null || !block.decode(where.bytes, where.at, where.bytes.length)) continue
      found.push(Buffer.from(where.bytes.slice(block.start, block.end)).toString('hex'))
    }
  }
  return found
}

function hex(packets: readonly { readonly bytes: Uint8Array }[]): string[] {
  return packets.map(({ bytes }) => Buffer.from(bytes).toString('hex'))
}

function names(reader: EvidenceReader): string[] {
  return reader.problems.map(({ name }) => name)
}

describe.each(FORMS)('%s segments', (form) => {
  test.each([1, 2, 3])('give what a plain list gives, by any thing and any time (seed %i)', (seed) => {
    const random = new Random(seed)
    const model = store(form)
    for (let segment = 0; segment < 4; segment++) {
      model.begin()
      for (let chunk = random.below(5); chunk >= 0; chunk--) model.chunk(random, 1 + random.below(80), 6)
    }
    model.writer.seal()
    const reader = new EvidenceReader(folder, keyFor(form))
    expect(bytesOf(reader, EVERYTHING)).toEqual(hex(model.packets))
    const all = new Set(model.packets.flatMap(({ things }) => things))
    for (const name of [...all, uid('t', 99)]) {
      const mine = model.packets.filter(({ things }) => things.includes(name))
      expect(bytesOf(reader, { ...EVERYTHING, things: thingsOf([name]) })).toEqual(hex(mine))
    }
    const [one, two] = [uid('t', 1), uid('s', 8)]
    const both = model.packets.filter(({ things }) => things.includes(one) || things.includes(two))
    expect(bytesOf(reader, { ...EVERYTHING, things: thingsOf([one, two]) })).toEqual(hex(both))
    expect(reader.namesBeginning('t-', 100).sort()).toEqual([...all].filter((name) => name.startsWith('t')).sort())
    expect(reader.problems).toEqual([])
    reader.close()
  })

  test('are read while they are being written, as far as they are', () => {
    const random = new Random(4)
    const model = store(form)
    model.begin()
    model.chunk(random, 20, 3)
    model.chunk(random, 20, 3)
    const reader = new EvidenceReader(folder, keyFor(form))
    expect(bytesOf(reader, EVERYTHING)).toEqual(hex(model.packets))
    expect(reader.problems).toEqual([])
    reader.close()
    model.writer.seal()
  })

  test('are cut by a crash at any octet: every whole chunk stays, and the rest is told', () => {
    const random = new Random(5)
    const model = store(form)
    model.begin()
    const ends: { bytes: number; packets: number }[] = []
    for (let i = 0; i < 2; i++) {
      model.chunk(random, 2, 2)
      ends.push({ bytes: model.writer.bytes, packets: model.packets.length })
    }
    const [name] = readdirSync(folder)
    const whole = readFileSync(join(folder, name))
    model.writer.seal()
    const sealedName = name.replace('.open', '')
    for (let length = 0; length < whole.length; length++) {
      rmSync(folder, { recursive: true })
      folder = mkdtempSync(join(tmpdir(), 'borescope-evidence-'))
      writeFileSync(join(folder, name), whole.subarray(0, length))
      const kept = ends.filter(({ bytes }) => bytes <= length).at(-1) ?? { bytes: 0, packets: 0 }
      const recovery = recover(folder, keyFor(form))
      expect(readdirSync(folder)).toEqual(kept.packets === 0 ? [] : ['00000001.index', sealedName])
      expect(recovery.segments).toBe(kept.packets === 0 ? 0 : 1)
      const isClean = length === kept.bytes || (length === 64 && kept.packets === 0 && form.startsWith('sealed'))
      if (!isClean && length > 0)
        expect(recovery.problems.map((problem) => problem.name)).toEqual(['evidence.truncated'])
      if (kept.packets === 0) continue
      expect(recovery.bytesLost).toBe(length - kept.bytes)
      const reader = new EvidenceReader(folder, keyFor(form))
      expect(bytesOf(reader, EVERYTHING)).toEqual(hex(model.packets.slice(0, kept.packets)))
      expect(reader.problems).toEqual([])
      expect(reader.segments[0].directory.isRecovered).toBe(true)
      reader.close()
    }
  })

  test('that were closed and lose their end, at any octet, say so and give the rest', () => {
    const random = new Random(6)
    const model = store(form)
    model.begin()
    model.chunk(random, 5, 2)
    model.chunk(random, 5, 2)
    model.writer.seal()
    const path = join(folder, readdirSync(folder).filter((name) => !name.endsWith('.index'))[0])
    for (let length = statSync(path).size - 1; length >= 0; length--) {
      truncateSync(path, length)
      const reader = new EvidenceReader(folder, keyFor(form))
      const found = bytesOf(reader, EVERYTHING)
      expect([0, 5, 10]).toContain(found.length)
      expect(found).toEqual(hex(model.packets.slice(0, found.length)))
      expect(names(reader)).toContain('evidence.truncated')
      reader.close()
    }
  })

  test('with an index that is cut or changed at any octet are read through one that is made again', () => {
    const random = new Random(7)
    const model = store(form)
    model.begin()
    model.chunk(random, 6, 2)
    model.writer.seal()
    const path = join(folder, '00000001.index')
    const whole = readFileSync(path)
    const wanted = { ...EVERYTHING, things: thingsOf([uid('t', 1)]) }
    const expected = hex(model.packets.filter(({ things }) => things.includes(uid('t', 1))))
    const check = (bytes: Uint8Array | null) => {
      if (bytes === null) rmSync(path)
      else writeFileSync(path, bytes)
      const reader = new EvidenceReader(folder, keyFor(form))
      expect(bytesOf(reader, wanted)).toEqual(expected)
      // A posting of another path does not matter here.
      expect(bytesOf(reader, EVERYTHING)).toEqual(hex(model.packets))
      expect(names(reader)).toContain('evidence.index_damaged')
      reader.close()
    }
    for (let length = 0; length < whole.length; length++) check(whole.subarray(0, length))
    for (let at = 0; at < whole.length; at++) {
      const changed = Buffer.from(whole)
      changed[at] ^= 1 << random.below(8)
      check(changed)
    }
    check(null)
  })
})

describe.each(['sealed', 'sealed_zstd', 'zstd'] as const)('a %s segment', (form) => {
  test('that is changed at any octet never gives anything else than what was written, and says what is wrong', () => {
    const random = new Random(8)
    const model = store(form)
    model.begin()
    model.chunk(random, 5, 2)
    model.chunk(random, 5, 2)
    model.writer.seal()
    const path = join(folder, readdirSync(folder).filter((name) => !name.endsWith('.index'))[0])
    const whole = readFileSync(path)
    const expected = hex(model.packets)
    for (const isIndexed of [true, false]) {
      if (!isIndexed) rmSync(join(folder, '00000001.index'))
      for (let at = 0; at < whole.length; at++) {
        const changed = Buffer.from(whole)
        changed[at] ^= 1 << random.below(8)
        writeFileSync(path, changed)
        const reader = new EvidenceReader(folder, keyFor(form))
        const found = bytesOf(reader, EVERYTHING)
        expect(found.every((packet) => expected.includes(packet))).toBe(true)
        const told = names(reader).filter((name) => name === 'evidence.damaged' || name === 'evidence.truncated')
        // The last chunk holds no packets; through the index it is not read.
        if (found.length < 10 || !isIndexed) expect(told.length).toBeGreaterThan(0)
        expect(names(reader)).not.toContain('evidence.key_wrong')
        reader.close()
      }
    }
  })
})

describe('encryption', () => {
  test('a wrong key, and no key, are told apart from damage', () => {
    const model = store('sealed')
    model.begin()
    model.chunk(new Random(9), 5, 2)
    model.writer.seal()
    const wrong = new EvidenceReader(folder, Buffer.alloc(32, 8))
    expect(names(wrong)).toEqual(['evidence.key_wrong'])
    const none = new EvidenceReader(folder, null)
    expect(names(none)).toEqual(['evidence.key_missing'])
    expect([...wrong.segments, ...none.segments]).toEqual([])
  })

  test('a segment under the number of another is refused, and so are chunks that changed places', () => {
    const random = new Random(10)
    const model = store('sealed')
    model.begin()
    model.chunk(random, 5, 2)
    const first = model.writer.bytes
    model.chunk(random, 5, 2)
    const second = model.writer.bytes
    model.writer.seal()
    const path = join(folder, '00000001.pcapng.sealed')
    const whole = readFileSync(path)
    writeFileSync(join(folder, '00000002.pcapng.sealed'), whole)
    const renamed = new EvidenceReader(folder, KEY)
    expect(renamed.problems.filter(({ file }) => file.startsWith('00000002')).map(({ name }) => name)).toContain(
      'evidence.damaged',
    )
    renamed.close()
    rmSync(join(folder, '00000002.pcapng.sealed'))
    rmSync(join(folder, '00000001.index'))
    const swapped = [whole.subarray(0, 64), whole.subarray(first, second), whole.subarray(64, first)]
    writeFileSync(path, Buffer.concat([...swapped, whole.subarray(second)]))
    const reader = new EvidenceReader(folder, KEY)
    expect(bytesOf(reader, EVERYTHING)).toEqual([])
    expect(names(reader)).toContain('evidence.damaged')
    reader.close()
  })

  test('no two segments share their bytes, though they hold the same', () => {
    const bytes = [1, 2].map(() => {
      const model = store('sealed')
      model.begin()
      model.chunk(new Random(11), 5, 2)
      model.writer.seal()
      const [name] = readdirSync(folder).filter((file) => file.endsWith('.sealed'))
      const read = readFileSync(join(folder, name))
      rmSync(join(folder, name))
      return read
    })
    expect(bytes[0].subarray(12, 60).equals(bytes[1].subarray(12, 60))).toBe(false)
    expect(bytes[0].subarray(76, 200).equals(bytes[1].subarray(76, 200))).toBe(false)
  })
})

describe('bounds', () => {
  test.each([1, 2, 3])('the newest segments that fit are kept, and the others counted (seed %i)', (seed) => {
    const random = new Random(seed)
    const bytesMax = 30_000
    const model = store('plain', { bytesMax })
    for (let segment = 0; segment < 40; segment++) {
      model.begin()
      for (let chunk = random.below(3); chunk >= 0; chunk--) {
        model.chunk(random, 1 + random.below(30), 4)
        expect(model.writer.bytes).toBeLessThanOrEqual(bytesMax)
      }
    }
    model.writer.seal()
    const onDisk = readdirSync(folder).reduce((sum, name) => sum + statSync(join(folder, name)).size, 0)
    expect(onDisk).toBe(model.writer.bytes)
    const reader = new EvidenceReader(folder, null)
    const oldest = reader.segments[0].file.number
    expect(reader.segments.map(({ file }) => file.number)).toEqual(
      Array.from({ length: 41 - oldest }, (_, i) => oldest + i),
    )
    expect(model.writer.counters.removedBySize).toBe(oldest - 1)
    expect(bytesOf(reader, EVERYTHING)).toEqual(hex(model.packets.filter(({ segment }) => segment >= oldest)))
    reader.close()
  })

  test('a segment is closed in steps, and after each of them all that was written is there', () => {
    const random = new Random(21)
    const model = store('plain')
    model.begin()
    model.chunk(random, 40, 3)
    model.begin()
    let steps = 0
    do {
      model.chunk(random, 5, 3)
      const reader = new EvidenceReader(folder, null)
      expect(reader.problems).toEqual([])
      expect(bytesOf(reader, EVERYTHING)).toEqual(hex(model.packets))
      reader.close()
      steps++
    } while (model.writer.proceed())
    expect(steps).toBeGreaterThan(5)
    const onDisk = readdirSync(folder).reduce((sum, name) => sum + statSync(join(folder, name)).size, 0)
    expect(onDisk).toBe(model.writer.bytes)
    expect(readdirSync(folder).sort()).toEqual(['00000001.index', '00000001.pcapng', '00000002.pcapng.open'])
  })

  test('what is too old goes', () => {
    const model = store('plain', { ageMsMax: -1 })
    model.begin()
    model.chunk(new Random(1), 3, 2)
    model.writer.seal()
    expect(readdirSync(folder)).toEqual([])
    expect(model.writer.counters).toMatchObject({ segments: 1, removedByAge: 1, removedBySize: 0 })
  })

  test('of a thing only its own packets are read, however much else there is', () => {
    const random = new Random(12)
    const model = store()
    for (let segment = 0; segment < 8; segment++) {
      model.begin()
      for (let chunk = 0; chunk < 12; chunk++) model.chunk(random, 2000, 1000)
    }
    model.writer.seal()
    const reader = new EvidenceReader(folder, null)
    const rare = uid('s', 8)
    const mine = model.packets.filter(({ things }) => things.includes(rare))
    expect(bytesOf(reader, { ...EVERYTHING, things: thingsOf([rare]) })).toEqual(hex(mine))
    expect(mine.length).toBeGreaterThan(10)
    // A window each, at most, of a store that is much larger.
    expect(reader.bytesRead).toBeLessThan(mine.length * 66_000)
    expect(reader.bytesRead).toBeLessThan(model.writer.bytes / 2)
    reader.close()
  })
})

test('a plain segment is a capture as it is', async () => {
  const random = new Random(13)
  const model = store()
  model.begin()
  model.chunk(random, 30, 3)
  model.chunk(random, 30, 3)
  model.writer.seal()
  const packets = await readCapture(join(folder, '00000001.pcapng'))
  expect(packets.map(({ bytes }) => bytes.toString('hex'))).toEqual(hex(model.packets))
  expect(packets.map(({ timeUs }) => timeUs)).toEqual(model.packets.map(({ timeUs }) => timeUs))
  expect(packets[0]).toMatchObject({ timeNs: 7, originalLength: 1500, linkType: 1 })
})

test('what is forced onto the disk while nothing is to be written changes nothing of it', async () => {
  const random = new Random(15)
  const model = store()
  let forced = 0
  for (let segment = 0; segment < 2; segment++) {
    model.begin()
    model.writer.rest()
    for (let chunk = 0; chunk < 6; chunk++) {
      model.chunk(random, 10_000, 3)
      model.writer.rest()
      if (model.writer.forcing !== null) forced++
    }
    await model.writer.forcing
  }
  expect(forced).toBeGreaterThan(0)
  model.writer.seal()
  model.writer.rest()
  expect(model.writer.counters).toMatchObject({ segments: 2, packets: model.packets.length, failures: 0 })
  expect(model.writer.bytes).toBeGreaterThan(8_000_000)
  const reader = new EvidenceReader(folder, null)
  expect(bytesOf(reader, EVERYTHING)).toEqual(hex(model.packets))
  expect(reader.problems).toEqual([])
  reader.close()
})

test('what is closed before the disk has answered is left as a crash would', () => {
  const random = new Random(16)
  const model = store()
  model.begin()
  while (model.writer.forcing === null) {
    model.chunk(random, 10_000, 3)
    model.writer.rest()
  }
  model.writer.seal()
  expect(readdirSync(folder)).toEqual(['00000001.pcapng.open'])
  expect(recover(folder, null)).toMatchObject({ segments: 1, bytesLost: 0, problems: [] })
  const reader = new EvidenceReader(folder, null)
  expect(bytesOf(reader, EVERYTHING)).toEqual(hex(model.packets))
  reader.close()
})

test('a compressed segment is a capture, too', async () => {
  const model = store('zstd')
  model.begin()
  model.chunk(new Random(14), 30, 3)
  model.writer.seal()
  const packets = await readCapture(join(folder, '00000001.pcapng.zst'))
  expect(packets.map(({ bytes }) => bytes.toString('hex'))).toEqual(hex(model.packets))
})
