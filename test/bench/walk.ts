/**
 * The yardstick: how fast the headers of a capture can be walked when nothing is done with them.
 *
 * Reads a pcap through one reused buffer, finds L2TPv2 in UDP 1701 over IPv4 or IPv6 over Ethernet, and counts packets
 * and bytes by tunnel number. Whatever the sensor does on top is measured against this.
 *
 *     node test/bench/walk.ts CAPTURE.pcap
 */
import { closeSync, openSync, readSync } from 'node:fs'
import { performance } from 'node:perf_hooks'
import { u16 } from '../../src/base/bytes.ts'

const BUFFER_BYTES = 1 << 20
const FILE_HEADER = 24
const RECORD_HEADER = 16
const MAGICS = [0xa1b2c3d4, 0xa1b23c4d]

export interface Walk {
  readonly packets: number
  readonly l2tp: number
  readonly tunnels: number
  readonly bytes: number
  readonly seconds: number
  readonly packetsPerSecond: number
}

/** Tables with a place for every tunnel number: a `Map` costs 15 to 45 % of the whole walk. */
class Counts {
  readonly packetsByTunnel = new Uint32Array(0x10000)
  readonly bytesByTunnel = new Float64Array(0x10000)
  packets = 0
  bytes = 0
}

/** Throws if the file is no pcap, has a link type other than Ethernet, or a record larger than the buffer. */
export function walk(path: string): Walk {
  const file = openSync(path, 'r')
  try {
    const bytes = new Uint8Array(BUFFER_BYTES)
    const littleEndian = readFileHeader(path, file, bytes)
    const counts = new Counts()
    const startMs = performance.now()
    walkRecords(file, bytes, littleEndian, counts)
    const seconds = (performance.now() - startMs) / 1000
    return {
      packets: counts.packets,
      l2tp: counts.packetsByTunnel.reduce((sum, packets) => sum + packets, 0),
      tunnels: counts.packetsByTunnel.reduce((sum, packets) => sum + (packets > 0 ? 1 : 0), 0),
      bytes: counts.bytes,
      seconds,
      packetsPerSecond: Math.round(counts.packets / seconds),
    }
  } finally {
    closeSync(file)
  }
}

function readFileHeader(path: string, file: number, bytes: Uint8Array): boolean {
  const header = new DataView(bytes.buffer, 0, FILE_HEADER)
  const length = readSync(file, bytes, 0, FILE_HEADER, null)
  const littleEndian = MAGICS.includes(header.getUint32(0, true))
  if (length < FILE_HEADER || !(littleEndian || MAGICS.includes(header.getUint32(0))))
    throw new Error(`${path}: no pcap`)
  if ((header.getUint32(20, littleEndian) & 0xffff) !== 1) throw new Error(`${path}: link type is not Ethernet`)
  return littleEndian
}

function walkRecords(file: number, bytes: Uint8Array, littleEndian: boolean, counts: Counts): void {
  const view = new DataView(bytes.buffer)
  let kept = 0
  for (;;) {
    const length = readSync(file, bytes, kept, BUFFER_BYTES - kept, null)
    if (length === 0) return
    const end = kept + length
    const rest = walkBuffer(bytes, view, end, littleEndian, counts)
    if (rest === 0 && end === BUFFER_BYTES) throw new Error('a record is larger than the buffer')
    bytes.copyWithin(0, rest, end)
    kept = end - rest
  }
}

/** Walks the whole records before `end`; returns where the first incomplete one starts. */
function walkBuffer(bytes: Uint8Array, view: DataView, end: number, littleEndian: boolean, counts: Counts): number {
  const { packetsByTunnel, bytesByTunnel } = counts
  let packets = 0
  let total = 0
  let at = 0
  while (at + RECORD_HEADER <= end) {
    const captured = view.getUint32(at + 8, littleEndian)
    const start = at + RECORD_HEADER
    const next = start + captured
    if (next > end) break
    packets++
    total += captured
    const tunnelId = tunnelOf(bytes, start, next)
    if (tunnelId !== -1) {
      packetsByTunnel[tunnelId]++
      bytesByTunnel[tunnelId] += captured
    }
    at = next
  }
  counts.packets += packets
  counts.bytes += total
  return at
}

/** The tunnel number of an L2TPv2 packet; -1 for anything else, fragments after the first included. */
function tunnelOf(bytes: Uint8Array, start: number, end: number): number {
  if (end - start < 14) return -1
  let at = start + 12
  let type = u16(bytes, at)
  while ((type === 0x8100 || type === 0x88a8) && at + 6 <= end) {
    at += 4
    type = u16(bytes, at)
  }
  at += 2

  if (type === 0x0800) {
    if (end - at < 20 || bytes[at + 9] !== 17 || (u16(bytes, at + 6) & 0x1fff) !== 0) return -1
    at += (bytes[at] & 0x0f) * 4
  } else if (type === 0x86dd) {
    if (end - at < 40 || bytes[at + 6] !== 17) return -1
    at += 40
  } else {
    return -1
  }

  if (end - at < 16 || (u16(bytes, at) !== 1701 && u16(bytes, at + 2) !== 1701)) return -1
  const flags = u16(bytes, at + 8)
  if ((flags & 0x000f) !== 2) return -1
  return u16(bytes, at + (flags & 0x4000 ? 12 : 10))
}

if (import.meta.main) {
  const [path] = process.argv.slice(2)
  if (path === undefined) {
    process.stderr.write('usage: node test/bench/walk.ts CAPTURE.pcap\n')
    process.exitCode = 2
  } else {
    process.stdout.write(`${JSON.stringify(walk(path))}\n`)
  }
}
