/** QUIC by its long header (RFC 8999 section 5.1): enough to recognise and name it. */
import { u32 } from '../base/bytes.ts'

const LONG_HEADER = 0x80
const FIXED_BIT = 0x40
/** RFC 9000 section 14.1: what opens a connection fills this much. */
const INITIAL_LENGTH_MIN = 1200
const CONNECTION_ID_MAX = 20

const VERSIONS: Readonly<Record<number, string>> = { 1: '1', 1798521807: '2' }

/** The version of a packet that opens a QUIC connection; null for what is none. */
export function quicVersion(bytes: Uint8Array, start: number, wireEnd: number, end: number): string | null {
  if (end - start < 7 || wireEnd - start < INITIAL_LENGTH_MIN) return null
  if ((bytes[start] & (LONG_HEADER | FIXED_BIT)) !== (LONG_HEADER | FIXED_BIT)) return null
  const name = versionName(u32(bytes, start + 1))
  const idLength = bytes[start + 5]
  if (name === null || idLength > CONNECTION_ID_MAX || start + 6 + idLength >= end) return null
  return bytes[start + 6 + idLength] <= CONNECTION_ID_MAX ? name : null
}

function versionName(version: number): string | null {
  const name = VERSIONS[version]
  if (name !== undefined) return name
  // Drafts of the IETF, and the versions in which Google tried it.
  if (version >>> 8 === 0xff0000) return `draft-${version & 0xff}`
  const isGoogle = [24, 16, 8, 0].every((shift, i) =>
    (i === 0 ? /[QT]/ : /\d/).test(String.fromCharCode((version >>> shift) & 0xff)),
  )
  return isGoogle
    ? String.fromCharCode(version >>> 24, (version >>> 16) & 0xff, (version >>> 8) & 0xff, version & 0xff)
    : null
}
