/**
 * How the chunks of a segment lie in its file.
 *
 * Plain: one after another, so that the file is pcapng as it is. Compressed: each as a Zstandard frame of its own behind a
 * skippable one with its lengths, so that `zstd -dc` gives the pcapng. Encrypted: a header, and frames sealed by AES-256-GCM:
 *
 *     'BSPEVID1' · flags · number of the segment · salt (32) · check (16) · CRC-32
 *     frame: length of the sealed bytes · length of the chunk · kind · sealed bytes · tag (16)
 *
 * Each segment has a key of its own: HKDF-SHA-256 of the configured key, the salt, and the number of the segment. So the nonce,
 * which is the kind of the chunk and its number in the segment, is used once with a key: a segment that was cut short by a crash
 * is never gone on with, and its last chunk then has a kind of its own. The header of a frame, and so the order, is authenticated
 * with it. The check is another output of HKDF: it tells a wrong key from damage.
 */
import { createCipheriv, createDecipheriv, hkdfSync, randomBytes, timingSafeEqual } from 'node:crypto'
import { constants, crc32, zstdCompressSync, zstdDecompressSync } from 'node:zlib'
import { le32 } from '../base/little-endian.ts'
import { type ChunkKind, CHUNK_KIND, decodeChunk } from './chunk.ts'
import type { EvidenceFlaw } from './problem.ts'

export const FORMS = ['plain', 'zstd', 'sealed', 'sealed_zstd'] as const
export type Form = (typeof FORMS)[number]

/** The ends of the names of segments, by form; while one is written `.open` follows. */
export const SUFFIXES: Readonly<Record<Form, string>> = {
  plain: '.pcapng',
  zstd: '.pcapng.zst',
  sealed: '.pcapng.sealed',
  sealed_zstd: '.pcapng.zst.sealed',
}

const MAGIC = 'BSPEVID1'
export const SEALED_HEADER_BYTES = 64
const SALT_AT = 12
const CHECK_AT = 44
const CRC_AT = 60
const FRAME_HEADER_BYTES = 12
const TAG_BYTES = 16
const SKIPPABLE = 0x184d2a5b
const SKIPPABLE_BYTES = 20
/** The longest chunk that is believed. */
const CHUNK_BYTES_MAX = 0x1000_0000
/** Fast first: the packet path may wait for it. */
const LEVEL = 1

interface SegmentKey {
  readonly key: Buffer
  readonly check: Buffer
}

function deriveKey(master: Uint8Array, salt: Uint8Array, segment: number): SegmentKey {
  const out = Buffer.from(hkdfSync('sha256', master, salt, `borescope evidence 1, segment ${segment}`, 48))
  return { key: out.subarray(0, 32), check: out.subarray(32) }
}

function nonceOf(kind: ChunkKind, number: number): Buffer {
  const nonce = Buffer.alloc(12)
  nonce.writeUInt32LE(kind, 0)
  nonce.writeUInt32LE(number, 4)
  return nonce
}

/** Makes the bytes of a segment file. */
export class Packer {
  readonly form: Form
  /** What the file begins with. */
  readonly header: Buffer
  readonly #key: SegmentKey | null

  constructor(form: Form, master: Uint8Array | null, segment: number, header: Uint8Array | null = null) {
    this.form = form
    if (master === null || form === 'plain' || form === 'zstd') {
      this.header = Buffer.alloc(0)
      this.#key = null
      return
    }
    const salt = header === null ? randomBytes(32) : header.subarray(SALT_AT, CHECK_AT)
    this.#key = deriveKey(master, salt, segment)
    this.header = Buffer.alloc(SEALED_HEADER_BYTES)
    this.header.write(MAGIC, 'latin1')
    this.header.writeUInt32LE(segment, 8)
    this.header.set(salt, SALT_AT)
    this.header.set(this.#key.check, CHECK_AT)
    this.header.writeUInt32LE(crc32(this.header.subarray(0, CRC_AT)), CRC_AT)
  }

  /** A chunk in two parts, the payload and its trailer, as it is written. */
  pack(kind: ChunkKind, number: number, payload: Uint8Array, trailer: Uint8Array): Uint8Array[] {
    if (this.form === 'plain') return [payload, trailer]
    const whole = Buffer.concat([payload, trailer])
    const isCompressed = this.form === 'zstd' || this.form === 'sealed_zstd'
    const body = isCompressed
      ? zstdCompressSync(whole, { params: { [constants.ZSTD_c_compressionLevel]: LEVEL } })
      : whole
    if (this.#key === null) return [skippable(body, whole.length), body]
    const head = Buffer.alloc(FRAME_HEADER_BYTES)
    head.writeUInt32LE(body.length, 0)
    head.writeUInt32LE(whole.length, 4)
    head.writeUInt32LE(kind, 8)
    const cipher = createCipheriv('aes-256-gcm', this.#key.key, nonceOf(kind, number))
    cipher.setAAD(head)
    const sealed = cipher.update(body)
    cipher.final()
    return [head, sealed, cipher.getAuthTag()]
  }
}

function skippable(body: Uint8Array, length: number): Buffer {
  const out = Buffer.alloc(SKIPPABLE_BYTES)
  out.writeUInt32LE(SKIPPABLE, 0)
  out.writeUInt32LE(SKIPPABLE_BYTES - 8, 4)
  out.writeUInt32LE(body.length, 8)
  out.writeUInt32LE(length, 12)
  out.writeUInt32LE(crc32(body), 16)
  return out
}

/** Why a chunk cannot be had. */
export interface Fault {
  readonly name: EvidenceFlaw
  readonly message: string
}

/** A chunk as it was before it was packed. */
export interface Unpacked {
  readonly bytes: Uint8Array
  /** Bytes that it takes in the file. */
  readonly fileLength: number
}

const TRUNCATED: Fault = { name: 'evidence.truncated', message: 'ends in the middle of a chunk' }

/** Takes the bytes of a segment file apart. */
export class Unpacker {
  readonly form: Form
  readonly #key: SegmentKey | null

  private constructor(form: Form, key: SegmentKey | null) {
    this.form = form
    this.#key = key
  }

  /** `header` is the beginning of the file, `SEALED_HEADER_BYTES` or as much as there is. */
  static open(form: Form, header: Uint8Array, segment: number, master: Uint8Array | null): Unpacker | Fault {
    if (form === 'plain' || form === 'zstd') return new Unpacker(form, null)
    if (header.length < SEALED_HEADER_BYTES) {
      return { name: 'evidence.truncated', message: `holds ${header.length} bytes, fewer than its header` }
    }
    const head = Buffer.from(header.buffer, header.byteOffset, SEALED_HEADER_BYTES)
    if (head.toString('latin1', 0, 8) !== MAGIC || head.readUInt32LE(CRC_AT) !== crc32(head.subarray(0, CRC_AT)))
      return { name: 'evidence.damaged', message: 'its header is damaged' }
    if (head.readUInt32LE(8) !== segment)
      return { name: 'evidence.damaged', message: `it is segment ${head.readUInt32LE(8)} under another name` }
    if (master === null) {
      return {
        name: 'evidence.key_missing',
        message: 'is encrypted, and no key is configured (evidence.encryptionKeyFile)',
      }
    }
    const key = deriveKey(master, head.subarray(SALT_AT, CHECK_AT), segment)
    if (!timingSafeEqual(key.check, head.subarray(CHECK_AT, CRC_AT)))
      return { name: 'evidence.key_wrong', message: 'was encrypted with another key' }
    return new Unpacker(form, key)
  }

  get headerBytes(): number {
    return this.#key === null ? 0 : SEALED_HEADER_BYTES
  }

  /** The chunk at `at`, which has this number in the segment; `bytes` reach to the end of the file, or of the chunk. */
  unpack(bytes: Uint8Array, at: number, number: number): Unpacked | Fault {
    if (this.form === 'plain') {
      const chunk = decodeChunk(bytes, at, bytes.length)
      if (chunk === 'truncated') return TRUNCATED
      if (chunk === 'damaged') return { name: 'evidence.damaged', message: 'a chunk is not what its checksum says' }
      return { bytes: bytes.subarray(at, chunk.end), fileLength: chunk.end - at }
    }
    return this.form === 'zstd' ? unpackPlain(bytes, at) : this.#unseal(bytes, at, number)
  }

  #unseal(bytes: Uint8Array, at: number, number: number): Unpacked | Fault {
    if (at + FRAME_HEADER_BYTES > bytes.length) return TRUNCATED
    const length = le32(bytes, at)
    const unpacked = le32(bytes, at + 4)
    const kind = le32(bytes, at + 8)
    if (length > CHUNK_BYTES_MAX || unpacked > CHUNK_BYTES_MAX || kind > CHUNK_KIND.RECOVERED)
      return { name: 'evidence.damaged', message: 'the header of a frame is damaged' }
    const bodyAt = at + FRAME_HEADER_BYTES
    const end = bodyAt + length + TAG_BYTES
    if (end > bytes.length) return TRUNCATED
    const decipher = createDecipheriv('aes-256-gcm', this.#key!.key, nonceOf(kind as ChunkKind, number))
    decipher.setAAD(bytes.subarray(at, bodyAt))
    decipher.setAuthTag(bytes.subarray(bodyAt + length, end))
    try {
      const body = decipher.update(bytes.subarray(bodyAt, bodyAt + length))
      decipher.final()
      const plain = this.form === 'sealed_zstd' ? inflate(body, unpacked) : body
      return { bytes: plain, fileLength: end - at }
    } catch {
      return { name: 'evidence.damaged', message: 'a frame is not authentic: it was changed, or belongs elsewhere' }
    }
  }
}

function unpackPlain(bytes: Uint8Array, at: number): Unpacked | Fault {
  if (at + SKIPPABLE_BYTES > bytes.length) return TRUNCATED
  const length = le32(bytes, at + 8)
  const unpacked = le32(bytes, at + 12)
  if (le32(bytes, at) !== SKIPPABLE || le32(bytes, at + 4) !== SKIPPABLE_BYTES - 8 || unpacked > CHUNK_BYTES_MAX)
    return { name: 'evidence.damaged', message: 'the header of a frame is damaged' }
  const bodyAt = at + SKIPPABLE_BYTES
  if (bodyAt + length > bytes.length) return TRUNCATED
  const body = bytes.subarray(bodyAt, bodyAt + length)
  if (crc32(body) !== le32(bytes, at + 16))
    return { name: 'evidence.damaged', message: 'a frame is not what its checksum says' }
  try {
    return { bytes: inflate(body, unpacked), fileLength: SKIPPABLE_BYTES + length }
  } catch {
    return { name: 'evidence.damaged', message: 'a frame cannot be decompressed' }
  }
}

function inflate(body: Uint8Array, length: number): Buffer {
  const plain = zstdDecompressSync(body, { maxOutputLength: Math.max(1, length) })
  if (plain.length !== length) throw new RangeError('another length than its header says')
  return plain
}
