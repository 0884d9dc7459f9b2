/**
 * Who sends which Vendor ID payload, with the version that it carries (RFC 2408, section 3.16; RFC 7296, section 3.12). The
 * ids themselves are in `ike-vendor-table.ts`.
 */
import { hex, u16, u32 } from '../base/bytes.ts'
import {
  AUTHIP_GROUPS,
  CHECK_POINT_PRODUCTS,
  CHECK_POINT_VERSIONS,
  type KnownVendor,
  knownVendors,
  VENDOR_TEXTS,
  type VendorKind,
  WINDOWS_KEY_MODULES,
  WINDOWS_VERSIONS,
} from './ike-vendor-table.ts'

const BY_PREFIX = knownVendors()
/** Longest first: the more that is alike, the surer. */
const LENGTHS: readonly number[] = [...new Set([...BY_PREFIX.keys()].map((digits) => digits.length / 2))].sort(
  (a, b) => b - a,
)
const TEXTS = Object.entries(VENDOR_TEXTS)
const TEXT_MIN = 4
const FREESWAN_LENGTH = 12

export interface Vendor {
  /** With the version that the id carries. */
  readonly name: string
  readonly kind: VendorKind
}

/** What is known of a vendor id; undefined if nobody is known to send it. */
export function vendorOf(bytes: Uint8Array, start: number, end: number): Vendor | undefined {
  for (const length of LENGTHS) {
    if (end - start < length) continue
    const known = BY_PREFIX.get(hex(bytes, start, start + length))
    if (known !== undefined) {
      const { name, kind } = known
      return { name: name + (VERSIONS[name]?.(bytes, start + length, end) ?? ''), kind }
    }
  }
  return textVendor(bytes, start, end)
}

/** The name of a vendor id, with the version that it carries; undefined if nobody is known to send it. */
export function vendorName(bytes: Uint8Array, start: number, end: number): string | undefined {
  return vendorOf(bytes, start, end)?.name
}

/** What to call a vendor id in an event: its name, its text if it is one, or its bytes in hexadecimal. */
export function vendorLabel(bytes: Uint8Array, start: number, end: number): string {
  return vendorName(bytes, start, end) ?? printable(bytes, start, end) ?? hex(bytes, start, end)
}

type VersionReader = (bytes: Uint8Array, at: number, end: number) => string

/** How a vendor writes its version behind what its id begins with; empty if there is none. */
const VERSIONS: Readonly<Record<string, VersionReader>> = {
  'Microsoft Windows': word((version) => ` ${WINDOWS_VERSIONS[version] ?? `version ${version}`}`),
  'Microsoft key modules': word((module) => ` (${WINDOWS_KEY_MODULES[module] ?? module})`),
  'Microsoft AuthIP initial key exchange': word((group) => ` (${AUTHIP_GROUPS[group] ?? group})`),
  'Check Point': (bytes, at, end) => (end - at < 8 ? '' : checkPoint(u32(bytes, at), u32(bytes, at + 4))),
  'Cisco Unity': majorMinor,
  DPD: majorMinor,
  'DPD (misspelt)': majorMinor,
  'Cisco VPN 3000': (bytes, at, end) =>
    end - at < 3 ? '' : ` ${bytes[at + 1]}.${bytes[at + 2] >> 4}.${bytes[at + 2] & 15}`,
  'Juniper NetScreen': screenOs,
  'Juniper SSG': screenOs,
  'Fortinet FortiGate': (bytes, at, end) =>
    end - at < 4 ? '' : ` release ${u16(bytes, at)} build ${u16(bytes, at + 2)}`,
  SonicWall: (bytes, at, end) => (end - at < 2 ? '' : ` ${u16(bytes, at)}`),
  'SafeNet SoftRemote': safeNet,
  'ELVIS-PLUS Zastava': (bytes, at, end) => (end - at < 1 ? '' : ` ${bytes[at] >> 4}.${bytes[at] & 15}`),
}

function word(text: (value: number) => string): VersionReader {
  return (bytes, at, end) => (end - at < 4 ? '' : text(u32(bytes, at)))
}

function majorMinor(bytes: Uint8Array, at: number, end: number): string {
  return end - at < 2 ? '' : ` ${bytes[at]}.${bytes[at + 1]}`
}

/** Newer models write the version with its least significant byte first. */
function screenOs(bytes: Uint8Array, start: number, end: number): string {
  if (end - start < 8) return ''
  const at = start + 4
  const version = u16(bytes, at) === 0 ? `${bytes[at + 2]}.${bytes[at + 3]}` : `${bytes[at + 1]}.${bytes[at]}`
  return `, ScreenOS ${version}`
}

function checkPoint(product: number, version: number): string {
  const edition = CHECK_POINT_PRODUCTS[product]
  return `${edition === undefined ? '' : ` ${edition}`} ${CHECK_POINT_VERSIONS[version] ?? `version ${version}`}`
}

/** Eight bytes of unknown meaning, then the length of a text, then the text. */
function safeNet(bytes: Uint8Array, at: number, end: number): string {
  if (end - at < 9) return ''
  const length = bytes[at + 8]
  const version = end - at < 9 + length ? undefined : printable(bytes, at + 9, at + 9 + length)
  return version === undefined ? '' : ` ${version}`
}

/** What is a known text, or of the FreeS/WAN family by its form: two or three letters and bytes of ASCII, together twelve. */
function textVendor(bytes: Uint8Array, start: number, end: number): KnownVendor | undefined {
  for (const [prefix, { name, kind }] of TEXTS) {
    if (!startsWith(bytes, start, end, prefix)) continue
    const rest = name.endsWith(' ') ? printable(bytes, start + prefix.length, end) : undefined
    return { name: rest === undefined ? name.trimEnd() : name + rest, kind }
  }
  if (end - start !== FREESWAN_LENGTH) return undefined
  for (let at = start; at < end; at++) if (bytes[at] < 0x20 || bytes[at] > 0x7f) return undefined
  if (startsWith(bytes, start, end, 'OSW')) return { name: 'Openswan', kind: 'product' }
  return startsWith(bytes, start, end, 'OE') ? { name: 'Openswan or Libreswan', kind: 'product' } : undefined
}

function startsWith(bytes: Uint8Array, start: number, end: number, prefix: string): boolean {
  if (end - start < prefix.length) return false
  for (let i = 0; i < prefix.length; i++) if (bytes[start + i] !== prefix.charCodeAt(i)) return false
  return true
}

/** The bytes as text if all of them are printable ASCII; trailing zeros do not count. */
function printable(bytes: Uint8Array, start: number, end: number): string | undefined {
  let last = end
  while (last > start && bytes[last - 1] === 0) last--
  if (last - start < TEXT_MIN && last - start !== end - start) return undefined
  let text = ''
  for (let at = start; at < last; at++) {
    if (bytes[at] < 0x20 || bytes[at] > 0x7e) return undefined
    text += String.fromCharCode(bytes[at])
  }
  return text === '' ? undefined : text
}
