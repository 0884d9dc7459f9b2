import { execFileSync, spawnSync } from 'node:child_process'
import { createWriteStream } from 'node:fs'
import { join as joinPath } from 'node:path'
import { gzipSync, zstdCompressSync } from 'node:zlib'
import { afterAll, expect, test } from 'vitest'
import { CaptureError, openCapture } from '../../src/capture/sources.ts'
import { join, pcapFile, pcapngFile, u32 } from '../support/pcap.ts'
import { readAll, Scratch } from './support.ts'

const scratch = new Scratch()
afterAll(() => scratch.remove())

const COUNT = 8_000

/** The packets' bytes do not compress, so that damage in the middle of a compressed file falls among the packets. */
let state = 2661
function noise(): number {
  state = Math.imul(state ^ (state >>> 15), 0x2c1b3c6d) + 0x6d2b79f5
  return (state >>> 13) & 0xff
}

const PACKETS = Array.from({ length: COUNT }, (_, index) => ({
  timeUs: 1_700_000_000_000_000 + index,
  bytes: Uint8Array.from({ length: 60 }, noise),
}))
const FILE = pcapFile({ packets: PACKETS })

async function read(name: string, bytes: Uint8Array) {
  const source = await openCapture(scratch.write(name, bytes))
  const result = await readAll(source)
  const { progress } = source
  await source.close()
  return { ...result, progress }
}

async function failure(path: string): Promise<CaptureError> {
  const error = await openCapture(path).then(
    () => null,
    (reason: unknown) => reason,
  )
  if (!(error instanceof CaptureError)) throw new Error(`expected a CaptureError, not ${error}`)
  return error
}

test.each<[string, Uint8Array]>([
  ['plain pcap', FILE],
  ['pcapng', pcapngFile({ packets: PACKETS })],
  ['gzip', gzipSync(FILE)],
  ['gzip in two members', Buffer.concat([gzipSync(FILE.subarray(0, 50_001)), gzipSync(FILE.subarray(50_001))])],
  ['gzip with padding', Buffer.concat([gzipSync(FILE), Buffer.alloc(512)])],
  ['zstd', zstdCompressSync(FILE)],
  [
    'zstd in two frames',
    Buffer.concat([zstdCompressSync(FILE.subarray(0, 50_001)), zstdCompressSync(FILE.subarray(50_001))]),
  ],
  [
    'zstd after a skippable frame',
    Buffer.concat([join([u32(0x184d2a53), u32(5), new Uint8Array(5)]), zstdCompressSync(FILE)]),
  ],
])('%s is recognized by its content', async (_, bytes) => {
  const { packets, fault, progress } = await read('misleading-name.txt', bytes)
  expect(fault).toBeNull()
  expect(packets.map(({ timeUs }) => timeUs)).toEqual(PACKETS.map(({ timeUs }) => timeUs))
  expect(progress).toMatchObject({ bytesRead: bytes.length, bytesTotal: bytes.length })
})

test('a gzip header may carry extra fields, a name, a comment and a checksum', async () => {
  const plain = gzipSync(FILE)
  const fields = Buffer.concat([Buffer.from([3, 0, 1, 2, 3]), Buffer.from('name\0comment\0'), Buffer.from([0, 0])])
  const head = Buffer.from(plain.subarray(0, 10))
  head[3] = 0x1e
  expect((await read('fields.gz', Buffer.concat([head, fields, plain.subarray(10)]))).packets).toHaveLength(COUNT)
})

test('a compressed file that is cut delivers all that it holds, then the fault', async () => {
  for (const compressed of [gzipSync(FILE), zstdCompressSync(FILE)]) {
    for (const share of [0.5, 0.9]) {
      const cut = compressed.subarray(0, Math.floor(compressed.length * share))
      const { packets, fault } = await read('cut', cut)
      expect(fault?.name).toBe('capture.compression_truncated')
      expect(packets.map(({ timeUs }) => timeUs)).toEqual(PACKETS.slice(0, packets.length).map(({ timeUs }) => timeUs))
      expect(packets.length).toBeGreaterThan(COUNT * (share - 0.3))
    }
  }
})

test('a cut gzip file gives as many bytes as gzip itself gets out of it', async () => {
  const cut = gzipSync(FILE).subarray(0, 400_000)
  const path = scratch.write('cut.gz', cut)
  const theirs = spawnSync('gzip', ['-dc', path], { maxBuffer: 1e8 }).stdout
  const { packets } = await read('cut.gz', cut)
  expect(packets).toHaveLength(Math.floor((theirs.length - 24) / 76))
})

test('a wrong checksum or length, and other data after the last member, cost no packet', async () => {
  const plain = gzipSync(FILE)
  const wrongSum = Buffer.from(plain)
  wrongSum[plain.length - 8] ^= 1
  const wrongLength = Buffer.from(plain)
  wrongLength[plain.length - 1] ^= 1
  for (const bytes of [wrongSum, wrongLength, Buffer.concat([plain, Buffer.from('something else')])]) {
    const { packets, fault } = await read('damaged.gz', bytes)
    expect(packets).toHaveLength(COUNT)
    expect(fault?.name).toBe('capture.compression')
  }
})

test('damage within compressed data is a fault after most of the packets before it', async () => {
  const damaged = Buffer.from(gzipSync(FILE))
  damaged.fill(0xff, damaged.length >> 1, (damaged.length >> 1) + 16)
  const { packets, fault } = await read('damaged.gz', damaged)
  expect(fault?.name).toMatch(/^capture\.(compression|record_length)$/)
  expect(packets.length).toBeGreaterThan(COUNT * 0.4)
})

test('a fill before all packets were taken loses none', async () => {
  const source = await openCapture(scratch.write('twice.pcap', FILE))
  expect([await source.fill(), await source.fill(), await source.fill()]).toEqual([true, true, true])
  expect((await readAll(source)).packets).toHaveLength(COUNT)
  await source.close()
})

test('after close there are no more bytes, and closing again is allowed', async () => {
  for (const bytes of [FILE, gzipSync(pcapFile({ packets: [...PACKETS, ...PACKETS] }))]) {
    const source = await openCapture(scratch.write('closed', bytes))
    expect(source.name).toBe('closed')
    await source.close()
    await source.close()
  }
})

test('a named pipe is read', async () => {
  const path = joinPath(scratch.folder, 'pipe')
  execFileSync('mkfifo', [path])
  const writer = createWriteStream(path)
  writer.end(FILE)
  const source = await openCapture(path)
  expect((await readAll(source)).packets).toHaveLength(COUNT)
  expect(source.progress.bytesTotal).toBeNull()
  await source.close()
})

test('stdin is read, compressed or not', () => {
  const script = `
    const { openCapture } = await import(${JSON.stringify(new URL('../../src/capture/sources.ts', import.meta.url).href)})
    const source = await openCapture('-')
    const packet = {}
    let count = 0
    while (await source.fill()) while (source.next(packet)) count++
    process.stdout.write([source.name, count, source.fault].join(' '))
    await source.close()`
  for (const input of [FILE, gzipSync(FILE)]) {
    const result = spawnSync(process.execPath, ['--input-type=module', '-e', script], { input, encoding: 'utf8' })
    expect(result.stdout).toBe(`stdin ${COUNT} `)
  }
})

test.each<[string, Uint8Array | string, string, RegExp]>([
  ['an empty file', '', 'empty', /is empty/],
  ['a text', 'this is only a text, not a capture of packets', 'not_a_capture', /neither pcap nor pcapng/],
  ['half a header', FILE.subarray(0, 20), 'not_a_capture', /20 bytes/],
  ['three bytes', 'abc', 'not_a_capture', /3 bytes/],
  ['a zip archive', 'PK\x03\x04 and so on, long enough for a header', 'not_a_capture', /unpack it/],
  ['bzip2', 'BZh91AY&SY and so on, long enough for a header', 'not_a_capture', /bunzip2/],
  ['gzip of a text', gzipSync('this is only a text, not a capture'), 'not_a_capture', /neither pcap nor pcapng/],
  ['gzip that is damaged from the start', gzipSync(FILE).fill(0xff, 10, 60), 'unreadable', /near byte/],
])('%s is refused, and the message says why', async (_, content, code, message) => {
  const error = await failure(scratch.write('refused', content))
  expect(error.code).toBe(code)
  expect(error.message).toMatch(message)
  expect(error.message).toContain(error.path)
})

test('a missing file and a folder are refused', async () => {
  expect((await failure(joinPath(scratch.folder, 'missing'))).code).toBe('not_found')
  expect((await failure(scratch.folder)).code).toBe('directory')
})
