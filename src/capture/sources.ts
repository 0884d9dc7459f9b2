/**
 * Where frames come from: what a source is, which kinds of capture file there are, and how one is opened.
 *
 * The packet path is synchronous and allocates nothing:
 *
 *     while (await source.fill()) while (source.next(packet)) look(packet)
 *     if (source.fault !== null) report(source.fault)
 */
import { createReadStream, openSync } from 'node:fs'
import { stat } from 'node:fs/promises'
import { basename } from 'node:path'
import type { Readable } from 'node:stream'
import { isatty } from 'node:tty'
import { isMainThread } from 'node:worker_threads'
import { u32 } from '../base/bytes.ts'
import type { Upcoming } from '../base/upcoming.ts'
import { type ByteStream, FileBytes, IteratedBytes, messageOf } from './byte-stream.ts'
import { type Blocks, ByteWindow } from './byte-window.ts'
import { type Compression, compressionOf, decompress } from './decompress.ts'
import type { CaptureFault, CaptureNotes, Packet } from './packet.ts'
import { isPcap, PCAP_HEADER_BYTES, PcapFile } from './pcap-file.ts'
import { isPcapng, PCAPNG_HEADER_BYTES, PcapngFile } from './pcapng-file.ts'

export interface Source {
  /** The file's base name, or 'stdin'. */
  readonly name: string
  /** Brings more bytes, 256 KiB at the most unless a record is longer; false at the end or after a fault. Never rejects. */
  fill(): Promise<boolean>
  /** The next packet of what is in memory; false when there is none: then `fill`. */
  next(packet: Packet): boolean
  /** Where the next packets stand that are in memory, as far as that is easily said. */
  preview(upcoming: Upcoming): void
  /** Set once, when the capture is cut or damaged. The packets before it have been delivered. */
  readonly fault: CaptureFault | null
  /** Bytes of the file on disk, compressed or not; the total is null for a pipe. */
  readonly progress: { readonly bytesRead: number; readonly bytesTotal: number | null }
  /** What the capture says about itself, as far as it has been read. */
  readonly notes: CaptureNotes
  close(): Promise<void>
}

/** The formats, told apart by their first bytes; the one that needs fewer of them first. */
const FORMATS = [
  {
    headerBytes: PCAPNG_HEADER_BYTES,
    recognizes: isPcapng,
    open: (name, window) => new PcapngFile(name, window),
  },
  {
    headerBytes: PCAP_HEADER_BYTES,
    recognizes: isPcap,
    open: (name, window) => new PcapFile(name, window),
  },
] as const satisfies readonly {
  headerBytes: number
  recognizes: (bytes: Uint8Array, at: number) => boolean
  open: (name: string, window: ByteWindow) => Source
}[]

/** As much of a pipe as one read may bring; pipes themselves hold 64 KiB. */
const PIPE_BYTES = 0x1_0000

/** Formats that another program turns into one of ours. */
const CONVERTIBLE = [
  { magic: 0x425a6800, mask: 0xffffff00, format: 'bzip2 data', advice: 'decompress it with bunzip2 first' },
  { magic: 0xfd377a58, mask: 0xffffffff, format: 'xz data', advice: 'decompress it with unxz first' },
  { magic: 0x04224d18, mask: 0xffffffff, format: 'lz4 data', advice: 'decompress it with lz4 -d first' },
  { magic: 0x504b0304, mask: 0xffffffff, format: 'a zip archive', advice: 'unpack it first' },
  { magic: 0x736e6f6f, mask: 0xffffffff, format: 'a snoop capture', advice: 'convert it with editcap -F pcapng' },
  {
    magic: 0x474d4255,
    mask: 0xffffffff,
    format: 'a Network Monitor capture',
    advice: 'convert it with editcap -F pcapng',
  },
  {
    magic: 0x52545353,
    mask: 0xffffffff,
    format: 'a Network Monitor capture',
    advice: 'convert it with editcap -F pcapng',
  },
] as const

export type CaptureErrorCode = 'not_found' | 'not_permitted' | 'directory' | 'unreadable' | 'empty' | 'not_a_capture'

/** Nothing at all can be read. The message says what to do. */
export class CaptureError extends Error {
  override readonly name = 'CaptureError'
  readonly code: CaptureErrorCode
  readonly path: string
  /** The message without the path. */
  readonly reason: string

  constructor(code: CaptureErrorCode, path: string, reason: string) {
    super(`${path === '-' ? 'stdin' : path} ${reason}`)
    this.code = code
    this.path = path
    this.reason = reason
  }
}

/**
 * Opens a pcap or pcapng capture, plain or compressed with gzip or Zstandard; the content decides, not the name.
 * `path` may be a pipe, and '-' is stdin. Packets stand in `blocks`, all but the first ones, if there are any. Throws a
 * `CaptureError` when there is nothing to read.
 */
export async function openCapture(path: string, blocks: Blocks | null = null): Promise<Source> {
  const stream = await openBytes(path)
  try {
    return await recognize(path, stream, blocks)
  } catch (error) {
    await stream.close()
    throw error
  }
}

async function recognize(path: string, stream: ByteStream, blocks: Blocks | null): Promise<Source> {
  let window = new ByteWindow(stream)
  if (!(await window.require(4))) throw notACapture(path, window)
  const compression = compressionOf(window.bytes, window.at)
  if (compression !== null) {
    window = new ByteWindow(decompressed(window, compression))
    if (!(await window.require(4))) throw notACapture(path, window)
  }
  if (blocks !== null) window.readInto(blocks)

  const name = path === '-' ? 'stdin' : basename(path)
  for (const format of FORMATS) {
    const isWhole = await window.require(format.headerBytes)
    if (isWhole && format.recognizes(window.bytes, window.at)) return format.open(name, window)
  }
  throw notACapture(path, window)
}

async function openBytes(path: string): Promise<ByteStream> {
  if (path === '-') return openStdin()
  try {
    const status = await stat(path)
    if (status.isDirectory()) {
      throw new CaptureError('directory', path, 'is a directory: name the captures in it')
    }
    if (!status.isFile()) return readableBytes(createReadStream(path, { highWaterMark: PIPE_BYTES }))
    return new FileBytes(openSync(path, 'r'), status.size)
  } catch (error) {
    throw error instanceof CaptureError ? error : accessError(path, error)
  }
}

function openStdin(): ByteStream {
  if (isatty(0)) {
    throw new CaptureError('unreadable', '-', 'is a terminal: pipe a capture into it, as in tcpdump -w - | …')
  }
  // That of a thread is none of the process's.
  return readableBytes(isMainThread ? process.stdin : createReadStream('', { fd: 0, highWaterMark: PIPE_BYTES }))
}

function readableBytes(readable: Readable): ByteStream {
  return new IteratedBytes(readable[Symbol.asyncIterator](), null, async () => {
    readable.destroy()
  })
}

function decompressed(input: ByteWindow, compression: Compression): ByteStream {
  return new IteratedBytes(decompress(input, compression), input.stream, () => input.stream.close())
}

function accessError(path: string, error: unknown): CaptureError {
  const code = error instanceof Error && 'code' in error ? error.code : null
  if (code === 'ENOENT' || code === 'ENOTDIR') return new CaptureError('not_found', path, 'does not exist')
  if (code === 'EACCES' || code === 'EPERM') {
    return new CaptureError('not_permitted', path, 'may not be read by this user: change its permissions')
  }
  return new CaptureError('unreadable', path, `cannot be read: ${messageOf(error)}`)
}

function notACapture(path: string, window: ByteWindow): CaptureError {
  const { bytes, at, end } = window
  const { flaw } = window.stream
  if (flaw !== null) return new CaptureError('unreadable', path, `cannot be read: ${flaw.message}`)
  if (end === 0) return new CaptureError('empty', path, 'is empty: the capturing program wrote nothing')
  if (end - at < PCAP_HEADER_BYTES) {
    return new CaptureError('not_a_capture', path, `holds ${end - at} bytes, fewer than the header of a capture`)
  }
  const magic = u32(bytes, at)
  const known = CONVERTIBLE.find((format) => (magic & format.mask) >>> 0 === format.magic)
  if (known !== undefined) return new CaptureError('not_a_capture', path, `is ${known.format}: ${known.advice}`)
  return new CaptureError('not_a_capture', path, 'is neither pcap nor pcapng: see what it is with capinfos or file')
}
