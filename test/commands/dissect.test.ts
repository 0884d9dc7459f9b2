import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { Writable } from 'node:stream'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { dissect, type DissectOptions, readFilter, readRanges } from '../../src/commands/dissect.ts'
import { loadConfig } from '../../src/config.ts'
import type { PacketDescription } from '../../src/dissect/layers.ts'
import { datagram, hello, l2tpData, lcp, sccrq, utf8 } from '../support/craft.ts'
import { pcapFile } from '../support/pcap.ts'

const CONFIG = loadConfig(undefined, {}).config
const FRAMES = [
  datagram(sccrq()),
  datagram(hello({ tunnelId: 7 })),
  datagram(l2tpData(lcp(9, 1))),
  datagram(utf8('x'), { sourcePort: 9, targetPort: 9 }),
]

let folder: string
let whole: string
let cut: string
beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), 'borescope-dissect-'))
  whole = join(folder, 'whole.pcap')
  cut = join(folder, 'cut.pcap')
  const bytes = pcapFile({ packets: FRAMES.map((frame, index) => ({ timeUs: index, bytes: frame })) })
  writeFileSync(whole, bytes)
  writeFileSync(cut, bytes.subarray(0, bytes.length - 5))
})
afterAll(() => rmSync(folder, { recursive: true }))

/** Takes each piece late, so that a writer which does not wait fills the buffer. */
class Slow extends Writable {
  text = ''
  pieces = 0
  unread = 0

  constructor() {
    super({ highWaterMark: 1024 })
  }

  override _write(chunk: Buffer, _encoding: BufferEncoding, done: () => void): void {
    this.unread = Math.max(this.unread, this.writableLength)
    this.pieces++
    this.text += chunk.toString()
    setImmediate(done)
  }
}

async function run(
  captures: readonly string[],
  options: DissectOptions = {},
): Promise<{ code: number; packets: PacketDescription[]; errors: string }> {
  const out = new Slow()
  const errors = new Slow()
  const code = await dissect(CONFIG, captures, options, out, errors)
  await new Promise<void>((resolve) => errors.end(resolve))
  await new Promise<void>((resolve) => out.end(resolve))
  return {
    code,
    packets: out.text
      .split('\n')
      .filter(Boolean)
      .map((line) => JSON.parse(line) as PacketDescription),
    errors: errors.text,
  }
}

describe('dissect', () => {
  test('writes one line a packet', async () => {
    const { code, packets, errors } = await run([whole])
    expect({ code, errors }).toEqual({ code: 0, errors: '' })
    expect(packets.map(({ number }) => number)).toEqual([1, 2, 3, 4])
    expect(packets[2].layers.at(-1)).toMatchObject({ layer: 'lcp', codeName: 'Echo-Request' })
  })

  test('writes the chosen frames and layers', async () => {
    expect((await run([whole], { frames: readRanges('1-2,4') })).packets.map(({ number }) => number)).toEqual([1, 2, 4])
    expect((await run([whole], { filter: readFilter('layer=lcp') })).packets.map(({ number }) => number)).toEqual([3])
    const filter = readFilter('l2tp.messageName=HELLO', readFilter('l2tp.tunnelId=7'))
    expect((await run([whole], { filter })).packets.map(({ number }) => number)).toEqual([2])
  })

  test('writes what stands before the damage, then tells where it is', async () => {
    const { code, packets, errors } = await run([cut])
    expect(code).toBe(3)
    expect(packets).toHaveLength(3)
    expect(errors).toMatch(/^borescope: cut\.pcap is damaged at byte \d+: .*\(capture\.truncated\)\n$/)
  })

  test('goes on with the next capture when one cannot be read', async () => {
    const { code, packets, errors } = await run([join(folder, 'none.pcap'), whole])
    expect(code).toBe(3)
    expect(packets).toHaveLength(4)
    expect(errors).toContain('does not exist')
  })

  test('waits for a slow reader', async () => {
    const many = join(folder, 'many.pcap')
    writeFileSync(
      many,
      pcapFile({ packets: Array.from({ length: 1000 }, (_, timeUs) => ({ timeUs, bytes: FRAMES[0] })) }),
    )
    const out = new Slow()
    expect(await dissect(CONFIG, [many], {}, out, new Slow())).toBe(0)
    await new Promise<void>((resolve) => out.end(resolve))
    expect(out.pieces).toBeGreaterThan(5)
    expect(out.unread).toBeLessThan(200_000)
    expect(out.text.split('\n')).toHaveLength(1001)
  })

  test('ends without an error when the reader goes away', async () => {
    const out = new Writable({
      highWaterMark: 1,
      write: (_chunk, _encoding, done) => done(Object.assign(new Error('write EPIPE'), { code: 'EPIPE' })),
    })
    const errors = new Slow()
    expect(await dissect(CONFIG, [whole, whole], {}, out, errors)).toBe(0)
    expect(errors.text).toBe('')
  })
})

describe('readRanges', () => {
  test('reads frames, ranges, and ranges without an end', () => {
    expect(readRanges('1-10,15, 20-')).toEqual([
      [1, 10],
      [15, 15],
      [20, Number.POSITIVE_INFINITY],
    ])
  })

  test.each(['', '0', 'a', '5-3', '1-2-3'])('refuses %j', (words) => {
    expect(() => readRanges(words)).toThrow(/"/)
  })
})

test.each(['layer', 'l2tp=1', '=x'])('readFilter refuses %j', (words) => {
  expect(() => readFilter(words)).toThrow('as in layer=l2tp')
})
