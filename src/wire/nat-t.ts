/**
 * What UDP port 4500 carries (RFC 3948, section 2; RFC 3947, section 4): ESP, IKE behind four zero bytes, and the one-byte
 * keepalive. Older drafts sent ESP on port 500 behind eight zero bytes, where the initiator's cookie would stand.
 */
import { u32 } from '../base/bytes.ts'
import { IKE_HEADER_LENGTH } from './ike.ts'

export const NATT_PORT = 4500
export const NON_ESP_MARKER_LENGTH = 4
export const NON_IKE_MARKER_LENGTH = 8
const KEEPALIVE = 0xff

/**
 * `ike_unmarked`: a whole IKE message without the marker, as scanners send it; no peer would take it for IKE.
 * `short`: too short for anything that may stand there.
 */
export type NattContent = 'ike' | 'ike_unmarked' | 'esp' | 'keepalive' | 'short'

/** What a datagram to or from port 4500 holds; `wireEnd` is where it ended on the wire. */
export function nattContent(bytes: Uint8Array, start: number, end: number, wireEnd: number): NattContent {
  const length = end - start
  if (length === 1 && bytes[start] === KEEPALIVE) return 'keepalive'
  if (length < NON_ESP_MARKER_LENGTH) return 'short'
  if (u32(bytes, start) === 0) return 'ike'
  if (length < 8) return 'short'
  return isUnmarkedIke(bytes, start, end, wireEnd) ? 'ike_unmarked' : 'esp'
}

/** What a datagram to or from port 500 holds; probes send a whole IKE message without the cookie that it should begin with. */
export function ikePortContent(bytes: Uint8Array, start: number, end: number, wireEnd: number = end): NattContent {
  const length = end - start
  if (length === 1 && bytes[start] === KEEPALIVE) return 'keepalive'
  if (length <= NON_IKE_MARKER_LENGTH || u32(bytes, start) !== 0 || u32(bytes, start + 4) !== 0) return 'ike'
  return isUnmarkedIke(bytes, start, end, wireEnd) ? 'ike' : 'esp'
}

/** An ESP packet matches this once in 2^40: the versions of IKE, and a length field that is just right. */
function isUnmarkedIke(bytes: Uint8Array, start: number, end: number, wireEnd: number): boolean {
  if (end - start < IKE_HEADER_LENGTH) return false
  const version = bytes[start + 17]
  return (version === 0x10 || version === 0x20) && u32(bytes, start + 24) === wireEnd - start
}
