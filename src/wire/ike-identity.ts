/** Identities of IKE as text (RFC 2407, section 4.6.2; RFC 7296, section 3.5), X.500 names among them (RFC 4514). */
import { addressText, ipv4Text } from '../base/address.ts'
import { hex, text, u32 } from '../base/bytes.ts'
import { DER, derElement } from './ike-der.ts'

const RDNS_MAX = 32
const GENERAL_NAMES_MAX = 16

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
  return IDENTITIES[type]?.(bytes, start, end) ?? hex(bytes, start, end)
}

type Reader = (bytes: Uint8Array, start: number, end: number) => string | undefined

const IDENTITIES: Readonly<Record<number, Reader>> = {
  1: (bytes, start, end) => (end - start === 4 ? addressText(bytes, start, 4) : undefined),
  2: text,
  3: text,
  4: (bytes, start, end) =>
    end - start === 8 ? `${addressText(bytes, start, 4)}/${ipv4Text(u32(bytes, start + 4))}` : undefined,
  5: (bytes, start, end) => (end - start === 16 ? addressText(bytes, start, 16) : undefined),
  6: (bytes, start, end) => pair(bytes, start, end, 16, '/'),
  7: (bytes, start, end) => pair(bytes, start, end, 4, '-'),
  8: (bytes, start, end) => pair(bytes, start, end, 16, '-'),
  9: distinguishedName,
  10: generalNames,
  11: (bytes, start, end) => (isPrintable(bytes, start, end) ? text(bytes, start, end) : undefined),
}

function pair(bytes: Uint8Array, start: number, end: number, length: number, between: string): string | undefined {
  if (end - start !== length * 2) return undefined
  return addressText(bytes, start, length) + between + addressText(bytes, start + length, length)
}

/** A DER-encoded X.500 name as `C=DE, O=Example, CN=vpn.example`; undefined if it is not one. */
export function distinguishedName(bytes: Uint8Array, start: number, end: number): string | undefined {
  const name = derElement(bytes, start, end)
  if (name === null || name.tag !== DER.SEQUENCE) return undefined
  const parts: string[] = []
  for (let at = name.start; at < name.end && parts.length < RDNS_MAX; ) {
    const set = derElement(bytes, at, name.end)
    const pair = set === null ? null : derElement(bytes, set.start, set.end)
    const type = pair === null ? null : derElement(bytes, pair.start, pair.end)
    const value = pair === null || type === null ? null : derElement(bytes, type.end, pair.end)
    if (set === null || pair === null || type === null || value === null) return undefined
    if (set.tag !== DER.SET || pair.tag !== DER.SEQUENCE || type.tag !== DER.OBJECT_IDENTIFIER) return undefined
    const oid = hex(bytes, type.start, type.end)
    parts.push(`${ATTRIBUTE_TYPES[oid] ?? oid}=${stringValue(value.tag, bytes, value.start, value.end)}`)
    at = set.end
  }
  return parts.length === 0 ? undefined : parts.join(', ')
}

/** GeneralName (RFC 5280, section 4.2.1.6): the tag of each form, and how it is written. */
const GENERAL_NAMES: Readonly<Record<number, readonly [label: string, read: Reader]>> = {
  129: ['email', text],
  130: ['DNS', text],
  134: ['URI', text],
  135: ['IP', (bytes, start, end) => identityText(end - start === 4 ? 1 : 5, bytes, start, end)],
  164: ['DN', distinguishedName],
}

/** An ID of type ID_DER_ASN1_GN: one GeneralName, or a list of them. */
function generalNames(bytes: Uint8Array, start: number, end: number): string | undefined {
  const outer = derElement(bytes, start, end)
  if (outer === null) return undefined
  const list = outer.tag === DER.SEQUENCE ? outer : { start, end: outer.end }
  const names: string[] = []
  for (let at = list.start; at < list.end && names.length < GENERAL_NAMES_MAX; ) {
    const name = derElement(bytes, at, list.end)
    const form = name === null ? undefined : GENERAL_NAMES[name.tag]
    const value = name === null ? undefined : form?.[1](bytes, name.start, name.end)
    if (name === null || form === undefined || value === undefined) return undefined
    names.push(`${form[0]}:${value}`)
    at = name.end
  }
  return names.length === 0 ? undefined : names.join(', ')
}

function stringValue(tag: number, bytes: Uint8Array, start: number, end: number): string {
  if (tag !== DER.BMP_STRING) return text(bytes, start, end)
  let value = ''
  for (let at = start; at + 1 < end; at += 2) value += String.fromCharCode((bytes[at] << 8) | bytes[at + 1])
  return value
}

/** Whether all of the bytes, and there are some, are printable ASCII. */
export function isPrintable(bytes: Uint8Array, start: number, end: number): boolean {
  for (let at = start; at < end; at++) if (bytes[at] < 0x20 || bytes[at] > 0x7e) return false
  return end > start
}
