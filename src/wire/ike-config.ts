/**
 * Configuration payloads: Mode Config and XAUTH of IKEv1 (draft-ietf-ipsec-isakmp-mode-cfg, draft-beaulieu-ike-xauth), CP of
 * IKEv2 (RFC 7296, section 3.15). Passwords, passcodes and answers to challenges are told by their length only.
 */
import { addressText, ipv4Text } from '../base/address.ts'
import { hex, text, u16, u32 } from '../base/bytes.ts'
import { isPrintable } from './ike-identity.ts'
import { IKE_CONFIG_ATTRIBUTES, nameOf } from './ike-tables.ts'

export interface ConfigAttribute {
  readonly type: number
  readonly name: string
  readonly isShort: boolean
  readonly length: number
  /** Absent where nobody knows how to read it, and where it is a secret. */
  readonly value?: string | number
}

const ATTRIBUTES_MAX = 256
const TEXT_MAX = 512

type Reader = (bytes: Uint8Array, start: number, end: number) => string | number | undefined

const XAUTH_TYPES = { 0: 'generic', 1: 'RADIUS-CHAP', 2: 'OTP', 3: 'S/KEY' } as const
const XAUTH_STATUS = { 0: 'fail', 1: 'success' } as const

/** How the value of an attribute is read. What is not here is not shown. */
const VALUES: Readonly<Record<number, Reader>> = {
  1: ipv4,
  2: ipv4,
  3: ipv4,
  4: ipv4,
  5: (bytes, start, end) => (end - start === 4 ? u32(bytes, start) : undefined),
  6: ipv4,
  7: words,
  8: ipv6WithPrefix,
  9: ipv6,
  10: ipv6,
  11: ipv6,
  12: ipv6,
  13: (bytes, start, end) =>
    end - start === 8 ? `${addressText(bytes, start, 4)}/${ipv4Text(u32(bytes, start + 4))}` : undefined,
  14: supported,
  15: ipv6WithPrefix,
  17: hexadecimal,
  18: ipv6WithPrefix,
  20: ipv4,
  21: ipv6,
  24: (bytes, start, end) => (end - start === 4 ? u32(bytes, start) : undefined),
  25: words,
  16387: words,
  16388: hexadecimal,
  16520: (bytes, start, end) => (end - start === 2 ? nameOf(XAUTH_TYPES, u16(bytes, start)) : undefined),
  16521: words,
  16524: words,
  16525: hexadecimal,
  16526: words,
  16527: (bytes, start, end) => (end - start === 2 ? nameOf(XAUTH_STATUS, u16(bytes, start)) : undefined),
  28672: words,
  28673: (bytes, start, end) => (end - start === 2 ? u16(bytes, start) : undefined),
  28674: words,
  28675: words,
  28676: networks,
  28677: (bytes, start, end) => (end - start === 2 ? u16(bytes, start) : undefined),
  28678: networks,
  28679: (bytes, start, end) => (end - start === 2 ? u16(bytes, start) : undefined),
  28681: words,
  28682: words,
}

/** Reads attributes until `end`; false if one of them ends outside. */
export function readConfigAttributes(
  version: number,
  bytes: Uint8Array,
  start: number,
  end: number,
  attributes: ConfigAttribute[],
): boolean {
  for (let at = start; at < end && attributes.length < ATTRIBUTES_MAX; ) {
    const isShort = version === 1 && (bytes[at] & 0x80) !== 0
    const length = isShort || end - at < 4 ? 0 : u16(bytes, at + 2)
    if (end - at < 4 + length) return false
    const type = u16(bytes, at) & 0x7fff
    // Of a short attribute the value is where the length would be.
    const valueStart = isShort ? at + 2 : at + 4
    const valueEnd = at + 4 + length
    const value = valueEnd > valueStart ? VALUES[type]?.(bytes, valueStart, valueEnd) : undefined
    attributes.push({
      type,
      name: nameOf(IKE_CONFIG_ATTRIBUTES, type),
      isShort,
      length: valueEnd - valueStart,
      ...(value === undefined ? {} : { value }),
    })
    at = valueEnd
  }
  return true
}

function ipv4(bytes: Uint8Array, start: number, end: number): string | undefined {
  return end - start === 4 ? addressText(bytes, start, 4) : undefined
}

function ipv6(bytes: Uint8Array, start: number, end: number): string | undefined {
  return end - start === 16 ? addressText(bytes, start, 16) : undefined
}

function ipv6WithPrefix(bytes: Uint8Array, start: number, end: number): string | undefined {
  return end - start === 17 ? `${addressText(bytes, start, 16)}/${bytes[start + 16]}` : ipv6(bytes, start, end)
}

function words(bytes: Uint8Array, start: number, end: number): string {
  const last = Math.min(end, start + TEXT_MAX)
  return isPrintable(bytes, start, last) ? text(bytes, start, last) : hex(bytes, start, last)
}

function hexadecimal(bytes: Uint8Array, start: number, end: number): string {
  return hex(bytes, start, Math.min(end, start + TEXT_MAX))
}

function supported(bytes: Uint8Array, start: number, end: number): string {
  const names: string[] = []
  for (let at = start; at + 1 < end && names.length < ATTRIBUTES_MAX; at += 2)
    names.push(nameOf(IKE_CONFIG_ATTRIBUTES, u16(bytes, at) & 0x7fff))
  return names.join(', ')
}

/** Cisco's split networks: address, mask, and six octets that are zero. */
function networks(bytes: Uint8Array, start: number, end: number): string | undefined {
  const list: string[] = []
  for (let at = start; end - at >= 14 && list.length < ATTRIBUTES_MAX; at += 14)
    list.push(`${addressText(bytes, at, 4)}/${ipv4Text(u32(bytes, at + 4))}`)
  return list.length === 0 ? undefined : list.join(', ')
}
