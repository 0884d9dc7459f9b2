/**
 * A record of a spool segment: a marker, its number in the segment, the length, a checksum, the document as JSON.
 *
 *     ff 42 53 01 | number u32 | length u32 | CRC-32 u32 of (number, length, payload) | payload, UTF-8
 *
 * Integers are little-endian. The octet ff occurs in no UTF-8 text: after a corrupt record the next one is found by its marker,
 * and its number says how many are missing.
 */
import { crc32 } from 'node:zlib'

const MARKER = Buffer.from([0xff, 0x42, 0x53, 0x01])
const HEADER_BYTES = 16
/** A length beyond this is taken for corrupt. */
const PAYLOAD_BYTES_MAX = 256 * 1024 * 1024

export function encodeRecord(number: number, payload: Buffer): Buffer {
  const record = Buffer.allocUnsafe(HEADER_BYTES + payload.length)
  MARKER.copy(record)
  record.writeUInt32LE(number, 4)
  record.writeUInt32LE(payload.length, 8)
  payload.copy(record, HEADER_BYTES)
  record.writeUInt32LE(checksum(record, 0, payload.length), 12)
  return record
}

function checksum(bytes: Buffer, at: number, length: number): number {
  const payload = bytes.subarray(at + HEADER_BYTES, at + HEADER_BYTES + length)
  return crc32(payload, crc32(bytes.subarray(at + 4, at + 12)))
}

/** Walks the sound records of a piece of a segment: `while (records.next()) …`. */
export class RecordCursor {
  number = 0
  payload: Buffer = MARKER
  /** Where the record begins in the piece, and where the next one does. */
  start = 0
  end = 0
  /** Octets from here on may be the beginning of a record that goes on behind the piece. Valid after the last `next`. */
  rest = 0
  /** At least so many octets, counted from `rest`, are needed to tell. */
  needed = 0
  readonly #bytes: Buffer

  constructor(bytes: Buffer) {
    this.#bytes = bytes
  }

  next(): boolean {
    const bytes = this.#bytes
    for (let at = this.end; ; at++) {
      at = bytes.indexOf(MARKER, at)
      if (at === -1) return this.#ends(Math.max(this.end, bytes.length - MARKER.length + 1), HEADER_BYTES)
      if (bytes.length - at < HEADER_BYTES) return this.#ends(at, HEADER_BYTES)
      const length = bytes.readUInt32LE(at + 8)
      if (length > PAYLOAD_BYTES_MAX) continue
      const end = at + HEADER_BYTES + length
      if (end > bytes.length) {
        // A corrupt length may point beyond the end, too: if a sound record follows, this was none.
        if (this.#follows(at + 1)) continue
        return this.#ends(at, end - at)
      }
      if (checksum(bytes, at, length) !== bytes.readUInt32LE(at + 12)) continue
      this.number = bytes.readUInt32LE(at + 4)
      this.payload = bytes.subarray(at + HEADER_BYTES, end)
      this.start = at
      this.end = end
      return true
    }
  }

  #follows(from: number): boolean {
    const others = new RecordCursor(this.#bytes)
    others.end = from
    return others.next()
  }

  #ends(rest: number, needed: number): false {
    this.rest = rest
    this.needed = needed
    return false
  }
}
