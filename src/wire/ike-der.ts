/** The little of DER (X.690) that IKE needs besides certificates: elements, and object identifiers as text. */

export interface DerElement {
  readonly tag: number
  /** Of the contents. */
  readonly start: number
  readonly end: number
}

export const DER = { BIT_STRING: 0x03, OBJECT_IDENTIFIER: 0x06, SEQUENCE: 0x30, SET: 0x31, BMP_STRING: 0x1e } as const

/** The element at `at`, or null if it does not end before `end`. */
export function derElement(bytes: Uint8Array, at: number, end: number): DerElement | null {
  if (end - at < 2) return null
  const first = bytes[at + 1]
  let length = first
  let start = at + 2
  if (first >= 0x80) {
    const octets = first & 0x7f
    if (octets === 0 || octets > 3 || end - start < octets) return null
    length = 0
    for (let i = 0; i < octets; i++) length = (length << 8) | bytes[start + i]
    start += octets
  }
  return end - start < length ? null : { tag: bytes[at], start, end: start + length }
}

const OID_OCTETS_MAX = 32

/** The contents of an OBJECT IDENTIFIER in dotted notation; undefined if they are none. */
export function objectIdentifier(bytes: Uint8Array, start: number, end: number): string | undefined {
  if (end <= start || end - start > OID_OCTETS_MAX || (bytes[end - 1] & 0x80) !== 0) return undefined
  const parts: number[] = []
  let value = 0
  for (let at = start; at < end; at++) {
    value = value * 128 + (bytes[at] & 0x7f)
    if ((bytes[at] & 0x80) !== 0) continue
    if (parts.length === 0) {
      const first = Math.min(2, Math.floor(value / 40))
      parts.push(first, value - first * 40)
    } else parts.push(value)
    value = 0
  }
  return parts.join('.')
}
