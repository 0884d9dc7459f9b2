/**
 * gzip (RFC 1952) and Zstandard (RFC 8878) as blocks of plain bytes: any number of members or frames after each other,
 * and everything that could be decompressed before the data ends or goes bad.
 *
 * A gzip member's frame is read here and only its deflate data given to zlib: zlib's own gunzip withholds a whole block
 * of good data when the checksum after it is wrong.
 */
import { crc32, createInflateRaw, createZstdDecompress } from 'node:zlib'
import type { StreamFlaw } from './byte-stream.ts'
import { u32By } from './byte-order.ts'
import type { ByteWindow } from './byte-window.ts'

export type Compression = 'gzip' | 'zstd'

/**
 * zlib reports an error in place of the output of the piece that holds it. Pieces therefore begin small and grow with the
 * data: damage costs at most an eighth of what came before it, and never more than the largest piece's worth.
 */
const PIECE_BYTES_MIN = 64
const PIECE_BYTES_MAX = 4096
const OUTPUT_BYTES = 0x1_0000

const GZIP_DEFLATE = 8
const GZIP_HEADER_CRC = 0x02
const GZIP_EXTRA = 0x04
const GZIP_NAME = 0x08
const GZIP_COMMENT = 0x10

/** The compression that the first four bytes of a file name, if any. Zstandard may begin with a skippable frame. */
export function compressionOf(bytes: Uint8Array, at: number): Compression | null {
  if (bytes[at] === 0x1f && bytes[at + 1] === 0x8b) return 'gzip'
  const magic = u32By(bytes, at, true)
  return magic === 0xfd2fb528 || (magic & 0xffff_fff0) >>> 0 === 0x184d2a50 ? 'zstd' : null
}

export async function* decompress(
  input: ByteWindow,
  compression: Compression,
): AsyncGenerator<Uint8Array, StreamFlaw | null> {
  let flaw = null
  while (flaw === null && (await input.require(1))) {
    flaw = compression === 'gzip' ? yield* gzipMember(input) : yield* inflated(input, new Inflater('zstd'))
    if (flaw === null && compression === 'gzip') await skipPadding(input)
  }
  return flaw ?? input.stream.flaw
}

async function* gzipMember(input: ByteWindow): AsyncGenerator<Uint8Array, StreamFlaw | null> {
  const headerFlaw = await gzipHeader(input)
  if (headerFlaw !== null) return headerFlaw

  const inflater = new Inflater('gzip')
  const flaw = yield* inflated(input, inflater)
  if (flaw !== null) return flaw
  if (!(await input.require(8))) return cut(input, 'gzip trailer')
  const sum = u32By(input.bytes, input.at, true)
  const length = u32By(input.bytes, input.at + 4, true)
  input.at += 8
  if (sum !== inflater.sum) return corrupt(input, 'the gzip checksum does not match the data')
  return length === inflater.length >>> 0 ? null : corrupt(input, 'the gzip length does not match the data')
}

async function gzipHeader(input: ByteWindow): Promise<StreamFlaw | null> {
  if (!(await input.require(10))) return cut(input, 'gzip header')
  const { bytes, at } = input
  if (bytes[at] !== 0x1f || bytes[at + 1] !== 0x8b)
    return corrupt(input, 'the last gzip member is followed by other data')
  if (bytes[at + 2] !== GZIP_DEFLATE) return corrupt(input, `gzip method ${bytes[at + 2]} is unknown`)
  const flags = bytes[at + 3]
  input.at += 10

  if (flags & GZIP_EXTRA) {
    if (!(await input.require(2))) return cut(input, 'gzip header')
    const length = input.bytes[input.at] | (input.bytes[input.at + 1] << 8)
    if (!(await input.require(2 + length))) return cut(input, 'gzip header')
    input.at += 2 + length
  }
  if (flags & GZIP_NAME && !(await skipText(input))) return cut(input, 'gzip header')
  if (flags & GZIP_COMMENT && !(await skipText(input))) return cut(input, 'gzip header')
  if (flags & GZIP_HEADER_CRC) {
    if (!(await input.require(2))) return cut(input, 'gzip header')
    input.at += 2
  }
  return null
}

async function skipText(input: ByteWindow): Promise<boolean> {
  while (await input.require(1)) if (input.bytes[input.at++] === 0) return true
  return false
}

/** Zeros after the last member are the padding of tapes and block devices. */
async function skipPadding(input: ByteWindow): Promise<void> {
  while ((await input.require(1)) && input.bytes[input.at] === 0) input.at++
}

/** The output of one member or frame. Leaves `input.at` behind the last byte that belonged to it. */
async function* inflated(input: ByteWindow, inflater: Inflater): AsyncGenerator<Uint8Array, StreamFlaw | null> {
  try {
    let fed = 0
    while (!inflater.ended) {
      const isMore = await input.require(1)
      const size = Math.min(Math.max(fed >> 3, PIECE_BYTES_MIN), PIECE_BYTES_MAX)
      const piece = input.bytes.subarray(input.at, Math.min(input.at + size, input.end))
      await (isMore ? inflater.feed(piece) : inflater.finish())
      yield* inflater.takeOutput()
      if (inflater.error !== null) {
        return isMore ? corrupt(input, inflater.error.message) : cut(input, 'compressed data')
      }
      const used = inflater.used - fed
      fed += used
      input.at += used
    }
    return null
  } finally {
    inflater.close()
  }
}

function cut(input: ByteWindow, what: string): StreamFlaw {
  const offset = input.offsetOf(input.end)
  return {
    name: 'capture.compression_truncated',
    message: `the ${what} ends early, at byte ${offset} of the file on disk`,
  }
}

function corrupt(input: ByteWindow, what: string): StreamFlaw {
  const offset = input.offsetOf(input.at)
  return { name: 'capture.compression', message: `${what}, near byte ${offset} of the file on disk` }
}

/** A zlib stream, driven a piece at a time, so that all output before an error is in hand when the error comes. */
class Inflater {
  ended = false
  error: Error | null = null
  sum = 0
  length = 0
  readonly #stream
  readonly #checks: boolean
  #output: Uint8Array[] = []
  #settle = (): void => undefined

  constructor(compression: Compression) {
    const options = { chunkSize: OUTPUT_BYTES }
    this.#checks = compression === 'gzip'
    this.#stream = compression === 'gzip' ? createInflateRaw(options) : createZstdDecompress(options)
    this.#stream.on('data', (block: Buffer) => this.#keep(block))
    this.#stream.on('end', () => {
      this.ended = true
      this.#settle()
    })
    this.#stream.on('error', (error) => {
      this.error = error
      this.#settle()
    })
  }

  /** How many input bytes belonged to the stream so far. */
  get used(): number {
    return this.#stream.bytesWritten
  }

  /** Settles when the piece is used up, when the stream has ended inside it, or when it is damaged. */
  feed(piece: Uint8Array): Promise<void> {
    return new Promise((resolve) => {
      this.#settle = resolve
      this.#stream.write(piece, () => resolve())
    })
  }

  finish(): Promise<void> {
    return new Promise((resolve) => {
      this.#settle = resolve
      this.#stream.end()
    })
  }

  takeOutput(): Uint8Array[] {
    const output = this.#output
    this.#output = []
    return output
  }

  close(): void {
    this.#stream.destroy()
  }

  #keep(block: Uint8Array): void {
    this.#output.push(block)
    this.length += block.length
    if (this.#checks) this.sum = crc32(block, this.sum)
  }
}
