/** A segment that a crash left open: read up to its last whole chunk, cut there, closed and indexed. */
import { createHash } from 'node:crypto'
import { closeSync, fsyncSync, ftruncateSync, openSync, readFileSync, renameSync, rmSync } from 'node:fs'
import { basename } from 'node:path'
import { CHUNK_KIND, decodeChunk, encodeTrailer } from './chunk.ts'
import { Packer, SEALED_HEADER_BYTES, Unpacker } from './container.ts'
import type { EvidenceProblem } from './problem.ts'
import {
  indexPath,
  listSegments,
  openPath,
  type SegmentFile,
  segmentPath,
  writeAll,
  writeWhole,
} from './segment-file.ts'
import { IndexBuilder } from './segment-index.ts'

export interface Recovery {
  /** Segments that were closed, and the bytes that were cut off. */
  readonly segments: number
  readonly bytesLost: number
  readonly problems: readonly EvidenceProblem[]
}

/** What whole chunks a file holds: where they end, what they hold, and why no more follow; null if the file ends there. */
export interface Walk {
  readonly index: IndexBuilder
  readonly fileEnd: number
  /** The segment was closed: its last chunk is there. */
  readonly isClosed: boolean
  readonly problem: EvidenceProblem | null
}

/** Reads all of a segment. Whatever is wrong with it, the chunks before that are in the index. */
export function walk(segment: SegmentFile, bytes: Buffer, key: Uint8Array | null): Walk {
  const index = new IndexBuilder(segment.number)
  const file = basename(segment.path)
  const unpacker = Unpacker.open(segment.form, bytes.subarray(0, SEALED_HEADER_BYTES), segment.number, key)
  if ('name' in unpacker) return { index, fileEnd: 0, isClosed: false, problem: { ...unpacker, file, offset: 0 } }
  let at = unpacker.headerBytes
  let isClosed = false
  while (at < bytes.length && !isClosed) {
    const unpacked = unpacker.unpack(bytes, at, index.chunks)
    if ('name' in unpacked) return { index, fileEnd: at, isClosed, problem: { ...unpacked, file, offset: at } }
    const chunk = decodeChunk(unpacked.bytes, 0, unpacked.bytes.length)
    const isWhole = typeof chunk === 'object' && chunk.number === index.chunks && chunk.end === unpacked.bytes.length
    if (!isWhole || !index.add(chunk, unpacked.bytes, at, unpacked.fileLength)) {
      const message = 'a chunk is not in its place, or not what it says'
      return { index, fileEnd: at, isClosed, problem: { name: 'evidence.damaged', file, offset: at, message } }
    }
    isClosed = chunk.kind !== CHUNK_KIND.DATA
    at += unpacked.fileLength
  }
  const isLonger = at < bytes.length
  const message = isLonger ? 'goes on after its end' : 'has no end: chunks are missing'
  if (isClosed && !isLonger) return { index, fileEnd: at, isClosed, problem: null }
  const name = isLonger ? 'evidence.damaged' : 'evidence.truncated'
  return { index, fileEnd: at, isClosed, problem: { name, file, offset: at, message } }
}

/** Closes what crashes left open in the folder. What cannot be opened for want of the key stays as it is. */
export function recover(folder: string, key: Uint8Array | null): Recovery {
  let segments = 0
  let bytesLost = 0
  const problems: EvidenceProblem[] = []
  for (const segment of listSegments(folder)) {
    if (!segment.isOpen) continue
    const bytes = readFileSync(segment.path)
    const { index, fileEnd, isClosed, problem } = walk(segment, bytes, key)
    if (problem?.name === 'evidence.key_missing' || problem?.name === 'evidence.key_wrong') {
      problems.push(problem)
      continue
    }
    bytesLost += bytes.length - fileEnd
    if (fileEnd < bytes.length && problem !== null) problems.push(problem)
    if (index.chunks === 0) {
      rmSync(segment.path)
      continue
    }
    close(folder, segment, bytes.subarray(0, fileEnd), index, isClosed, key)
    segments++
  }
  return { segments, bytesLost, problems }
}

function close(
  folder: string,
  segment: SegmentFile,
  kept: Buffer,
  index: IndexBuilder,
  isClosed: boolean,
  key: Uint8Array | null,
): void {
  const { number, form } = segment
  const parts = isClosed ? [] : lastChunk(segment, kept, index, key)
  const file = openSync(segment.path, 'r+')
  let end = kept.length
  const hash = createHash('sha256').update(kept)
  try {
    ftruncateSync(file, kept.length)
    for (const part of parts) {
      writeAll(file, part, end)
      hash.update(part)
      end += part.length
    }
    fsyncSync(file)
  } finally {
    closeSync(file)
  }
  writeWhole(indexPath(folder, number), [index.encode(end, Date.now(), hash.digest())])
  renameSync(openPath(segmentPath(folder, number, form)), segmentPath(folder, number, form))
}

function lastChunk(
  { number, form }: SegmentFile,
  kept: Buffer,
  index: IndexBuilder,
  key: Uint8Array | null,
): Uint8Array[] {
  const summary = { kind: CHUNK_KIND.RECOVERED, number: index.chunks, firstUs: 0, lastUs: 0 }
  const nothing = new Uint8Array(0)
  const words = new Uint32Array(0)
  const trailer = encodeTrailer(summary, nothing, words, words)
  const parts = new Packer(form, key, number, kept).pack(summary.kind, summary.number, nothing, trailer)
  const length = parts.reduce((sum, part) => sum + part.length, 0)
  const chunk = { ...summary, start: 0, payloadEnd: 0, end: trailer.length, paths: words, entries: words }
  index.add(chunk, trailer, kept.length, length)
  return parts
}
