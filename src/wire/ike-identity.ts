/** Identities of IKE as text (RFC 2407, section 4.6.2; RFC 7296, section 3.5), X.500 names among them (RFC 4514). */
import { addressText, ipv4Text } from '../base/address.ts'
import { hex, text, u32 } from '../base/bytes.ts'

const SEQUENCE = 0x30
const SET = 0x31
const OBJECT_IDENTIFIER = 0x06
const BMP_STRING = 0x1e
const RDNS_MAX = 32

/** Attribute types that people write with letters, by their encoded object identifier. */
const ATTRIBUTE_TYPES: Readonly<Record<string, string>> = {
  '550403': 'CN',
  '550404': 'SN',
  '550405': 'serialNumber',
  '550406': 'C',
  '550407': 'L',
  '550408': 'ST',
  '550409': 'STREET',
  '55040a': 'O',
  '55040b': 'OU',
  '55040c': 'T',
  '55042a': 'GN',
  '2a864886f70d010901': 'E',
  '2a864886f70d010902': 'unstructuredName',
  '0992268993f22c640119': 'DC',
  '0992268993f22c640101': 'UID',
}

/** The value of an ID payload (its type is `type`) as people write it; hexadecimal if it is not what the type promises. */
export function identityText(type: number, bytes: Uint8Array, start: number, end: number): string {
  const length = end - start
  switch (type) {
    case 1:
      return length === 4 ? addressText(bytes, start, 4) : hex(bytes, start, end)
    case 5:
      return length === 16 ? addressText(bytes, start, 16) : hex(bytes, start, end)
    case 2:
    case 3:
      return text(bytes, start, end)
    case 4:
      return length === 8
        ? `${addressText(bytes, start, 4)}/${ipv4Text(u32(bytes, start + 4))}`
        : hex(bytes, start, end)
    case 6:
      return length === 32
        ? `${addressText(bytes, start, 16)}/${addressText(bytes, start + 16, 16)}`
        : hex(bytes, start, end)
    case 7:
      return length === 8
        ? `${addressText(bytes, start, 4)}-${addressText(bytes, start + 4, 4)}`
        : hex(bytes, start, end)
    case 8:
      return length === 32
        ? `${addressText(bytes, start, 16)}-${addressText(bytes, start + 16, 16)}`
        : hex(bytes, start, end)
    case 9:
      return distinguishedName(bytes, start, end) ?? hex(bytes, start, end)
    case 11:
      return isPrintable(bytes, start, end) ? text(bytes, start, end) : hex(bytes, start, end)
    default:
      return hex(bytes, start, end)
  }
}

/** A DER-encoded X.500 name as `C=DE, O=Example, CN=vpn.example`; undefined if it is not one. */
export function distinguishedName(bytes: Uint8Array, start: number, end: number): string | undefined {
  const name = element(bytes, start, end)
  if (name === null || name.tag !== SEQUENCE) return undefined
  const parts: string[] = []
  for (let at = name.start; at < name.end && parts.length < RDNS_MAX; ) {
    const set = element(bytes, at, name.end)
    const pair = set === null ? null : element(bytes, set.start, set.end)
    const type = pair === null ? null : element(bytes, pair.start, pair.end)
    const value = pair === null || type === null ? null : element(bytes, type.end, pair.end)
    if (set === null || pair === null || type === null || value === null) return undefined
    if (set.tag !== SET || pair.tag !== SEQUENCE || type.tag !== OBJECT_IDENTIFIER) return undefined
    const oid = hex(bytes, type.start, type.end)
    parts.push(`${ATTRIBUTE_TYPES[oid] ?? oid}=${stringValue(value.tag, bytes, value.start, value.end)}`)
    at = set.end
  }
  return parts.length === 0 ? undefined : parts.join(', ')
}

/** The subject of an X.509 certificate (RFC 5280, section 4.1); undefined if the bytes are not one. */
export function certificateSubject(bytes: Uint8Array, start: number, end: number): string | undefined {
  const certificate = element(bytes, start, end)
  const signed = certificate === null ? null : element(bytes, certificate.start, certificate.end)
  if (signed === null || signed.tag !== SEQUENCE) return undefined
  // version (optional, tag 0xa0), serial number, signature algorithm, issuer, validity, subject
  let at = signed.start
  for (let left = bytes[at] === 0xa0 ? 5 : 4; left > 0; left--) {
    const skipped = element(bytes, at, signed.end)
    if (skipped === null) return undefined
    at = skipped.end
  }
  return distinguishedName(bytes, at, signed.end)
}

interface Element {
  readonly tag: number
  readonly start: number
  readonly end: number
}

/** The DER element at `at`, or null if it does not end before `end`. */
function element(bytes: Uint8Array, at: number, end: number): Element | null {
  if (end - at < 2) return null
  const tag = bytes[at]
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
  return end - start < length ? null : { tag, start, end: start + length }
}

function stringValue(tag: number, bytes: Uint8Array, start: number, end: number): string {
  if (tag !== BMP_STRING) return text(bytes, start, end)
  let value = ''
  for (let at = start; at + 1 < end; at += 2) value += String.fromCharCode((bytes[at] << 8) | bytes[at + 1])
  return value
}

function isPrintable(bytes: Uint8Array, start: number, end: number): boolean {
  for (let at = start; at < end; at++) if (bytes[at] < 0x20 || bytes[at] > 0x7e) return false
  return end > start
}
