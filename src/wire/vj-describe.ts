/**
 * What a packet under Van Jacobson header compression says (RFC 1144 section 3.2.2, RFC 1332 section 4): the changes since the
 * packet before it. Rebuilding the packet needs all that came before; reading the changes needs this packet only.
 */
import { u16 } from '../base/bytes.ts'
import {
  ECHOED,
  NEW_ACKNOWLEDGEMENT,
  NEW_CONNECTION,
  NEW_IP_ID,
  NEW_SEQUENCE,
  NEW_WINDOW,
  PUSH,
  SPECIALS,
  UNIDIRECTIONAL,
  URGENT,
} from './vj.ts'

interface VjRecord {
  readonly changeMask: number
  /** Absent when it is that of the packet before. */
  readonly connection?: number
  readonly push: boolean
  /** Of the TCP packet before compression. */
  readonly checksum: number
  /** Instead of changes: sequence and acknowledgement grow by the length of the packet before. */
  readonly special?: 'echoed' | 'one-way'
  readonly urgentPointer?: number
  readonly windowChange?: number
  readonly acknowledgementChange?: number
  readonly sequenceChange?: number
  readonly ipIdChange?: number
  /** Octets of TCP data behind the header. */
  readonly dataLength: number
}

/** Describes what stands under PPP protocol 0x002d. */
export function describeVjCompressed(bytes: Uint8Array, start: number, end: number): VjRecord | 'vj.truncated' {
  const changeMask = start < end ? bytes[start] : 0
  let at = start + (changeMask & NEW_CONNECTION ? 2 : 1)
  if (end - at < 2) return 'vj.truncated'
  const connection = changeMask & NEW_CONNECTION ? { connection: bytes[start + 1] } : {}
  const checksum = u16(bytes, at)
  at += 2
  let isTruncated = false
  // One octet, or a zero and two: for changes beyond 255, and for those of zero.
  const delta = (): number => {
    const isLong = bytes[at] === 0
    if (at + (isLong ? 3 : 1) > end) {
      isTruncated = true
      return 0
    }
    const change = isLong ? u16(bytes, at + 1) : bytes[at]
    at += isLong ? 3 : 1
    return change
  }
  const bits = changeMask & SPECIALS
  const special =
    bits === ECHOED ? { special: 'echoed' as const } : bits === UNIDIRECTIONAL ? { special: 'one-way' as const } : {}
  const isPlain = bits !== ECHOED && bits !== UNIDIRECTIONAL
  const changes = {
    ...(isPlain && changeMask & URGENT ? { urgentPointer: delta() } : {}),
    ...(isPlain && changeMask & NEW_WINDOW ? { windowChange: delta() } : {}),
    ...(isPlain && changeMask & NEW_ACKNOWLEDGEMENT ? { acknowledgementChange: delta() } : {}),
    ...(isPlain && changeMask & NEW_SEQUENCE ? { sequenceChange: delta() } : {}),
    ...(changeMask & NEW_IP_ID ? { ipIdChange: delta() } : {}),
  }
  if (isTruncated) return 'vj.truncated'
  return {
    changeMask,
    ...connection,
    push: (changeMask & PUSH) !== 0,
    checksum,
    ...special,
    ...changes,
    dataLength: end - at,
  }
}
