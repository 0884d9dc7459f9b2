/**
 * Who sends which Vendor ID payload (RFC 2408, section 3.16; RFC 7296, section 3.12).
 *
 * Most are the MD5 hash of a text that the vendor chose: those are listed by their text and hashed when the module loads,
 * so the table proves itself. Of the others the bytes are known from the field.
 */
import { hash } from 'node:crypto'
import { hex, u16, u32 } from '../base/bytes.ts'

/** Texts whose MD5 hash is the vendor id, with the name that people know it by; null where the text is the name. */
const HASHED: Readonly<Record<string, string | null>> = {
  'RFC 3947': 'NAT-T (RFC 3947)',
  'RFC XXXX': 'NAT-T (RFC XXXX)',
  'Testing NAT-T RFC': null,
  'draft-ietf-ipsec-nat-t-ike': 'NAT-T (draft)',
  'draft-ietf-ipsec-nat-t-ike-02\n': 'NAT-T (draft-02\\n)',
  'draft-stenberg-ipsec-nat-traversal-01': null,
  'draft-stenberg-ipsec-nat-traversal-02': null,
  'draft-huttunen-ipsec-esp-in-udp-00.txt': null,
  ESPThruNAT: 'draft-huttunen-ipsec-esp-in-udp-01',
  FRAGMENTATION: 'IKE fragmentation',
  'MS NT5 ISAKMPOAKLEY': 'Microsoft Windows',
  'Vid-Initial-Contact': 'Microsoft initial contact',
  'MS-Negotiation Discovery Capable': 'Microsoft negotiation discovery capable',
  'IKE CGA version 1': 'Microsoft IKE CGA version 1',
  'MS-MamieExists': 'Microsoft AuthIP (MS-MamieExists)',
  GSSAPI: null,
  'A GSS-API Authentication Method for IKE': 'GSS-API authentication',
  'A GSS-API Authentication Method for IKE\n': 'GSS-API authentication',
  'IKE Challenge/Response for Authenticated Cryptographic Keys': 'IKE CRACK',
  'IKE Challenge/Response for Authenticated Cryptographic Keys\n': 'IKE CRACK',
  'IKE Challenge/Response for Authenticated Cryptographic Keys (Revised)': 'IKE CRACK (revised)',
  'IKE Challenge/Response for Authenticated Cryptographic Keys (Revised)\n': 'IKE CRACK (revised)',
  'KAME/racoon': null,
  'IPSec-Tools': 'ipsec-tools racoon',
  strongSwan: null,
  NETGEAR: null,
  FORTIGATE: 'Fortinet FortiGate',
  'SSH Sentinel': null,
  'SSH Sentinel 1.1': null,
  'SSH Sentinel 1.2': null,
  'SSH Sentinel 1.3': null,
  'SSH Sentinel 1.4': null,
  'SSH Sentinel 1.4.1': null,
}

/** Products that hash their name with their version. */
const VERSIONED: readonly (readonly [prefix: string, name: string, versions: string])[] = [
  ['draft-ietf-ipsec-nat-t-ike-', 'NAT-T draft-', '00 01 02 03 04 05 06 07 08 09'],
  ['Ssh Communications Security IPSEC Express version ', 'SSH IPSEC Express ', '1.1.0 1.1.1 1.1.2 1.2.1 1.2.2'],
  [
    'SSH Communications Security IPSEC Express version ',
    'SSH IPSEC Express ',
    '2.0.0 2.1.0 2.1.1 2.1.2 3.0.0 3.0.1 4.0.0 4.0.1 4.1.0 4.1.1 4.2.0 5.0 5.0.0 5.1.0 5.1.1',
  ],
  ['SSH Communications Security QuickSec ', 'SSH QuickSec ', '0.9.0 1.1.0 1.1.1 1.1.2 1.1.3 2.0 2.1'],
  ['strongSwan ', 'strongSwan ', strongSwanVersions()],
]

/** Texts of the FreeS/WAN family: "OE", then ten bytes of the MD5 hash made printable. */
const FREESWAN = [
  'Linux FreeS/WAN 2.00',
  'Linux FreeS/WAN 2.01',
  'Linux FreeS/WAN 2.02',
  'Linux FreeS/WAN 2.03',
  'Linux FreeS/WAN 2.04',
  'Linux FreeS/WAN 2.05',
  'Linux FreeS/WAN 2.06',
  'Openswan 2.2.0',
  'Openswan 2.3.0',
]

/** Bytes, in hexadecimal, whose origin is known from the field. A longer id may follow: they are prefixes. */
const OBSERVED: Readonly<Record<string, string>> = {
  '09002689dfd6b712': 'XAUTH',
  afcad71368a1f1c96b8696fc7757: 'DPD',
  '12f5f28c457168a9702d9fe274cc': 'Cisco Unity',
  '1f07f70eaa6514d3b0fa96542a': 'Cisco VPN 3000',
  '3e984048': 'Cisco IOS',
  f4ed19e0c114eb516faaac0ee37daf2807b4381f: 'Check Point',
  '404bf439522ca3f6': 'SonicWall',
  '47bbe7c993f1fc13b4e6d0db565c68e5': 'SafeNet SoftRemote',
  da8e9378: 'SafeNet or WatchGuard',
  '975b7816f69789600dda89040576e0db': 'SonicWall Global VPN Client',
  '1d6e178f6c2c0be284985465450fe9d4': 'Fortinet FortiGate',
  b858d1addd08c1e8adafea150608aa4497aa6cc8: 'ZyXEL ZyWALL',
  '625027749d5ab97f5616c1602765cf480a3b7d0b': 'ZyXEL ZyWALL',
  f758f22668750f03b08df6ebe1d0: 'ZyXEL ZyWALL USG 100',
  '8404adf9cda05760b2ca292e4bff537b': 'Secure Computing Sidewinder',
  '325df29a2319f2dd': 'draft-ietf-ipsec-antireplay-00',
  '8db7a41811221660': 'draft-ietf-ipsec-heartbeats-00',
  '2d7922c6b301d9b0e1342739e9cfbbd5': 'delete with reason',
  c6f57ac398f493208145b758: 'NCP server',
  eb4c1b788afd4a9cb7730a68: 'NCP client',
  c573b056d7faca36c2fba28374127cbf: 'StoneSoft StoneGate',
  baeb239037e17787d730eed9d95d48aa: 'StoneSoft StoneGate',
  '01528bbbc00696121849ab9a1c5b2a51': 'Microsoft Windows (undocumented)',
  '299ee8289f40a8973bc78687e2e7226b532c3b76': 'Juniper NetScreen',
  '3a15e1f3cf2a63582e3ac82d1c64cbe3b6d779e7': 'Juniper NetScreen',
  '47d2b126bfcd83489760e2cf8c5d4d5a03497c15': 'Juniper NetScreen',
  '4a4340b543e02b84c88a8b96a8af9ebe77d9accc': 'Juniper NetScreen',
  '64405f46f03b7660a23be116a1975058e69e8387': 'Juniper NetScreen',
  '699369228741c6d4ca094c93e242c9de19e7b7c6': 'Juniper NetScreen',
  '8c0dc6cf62a0ef1b5c6eabd1b67ba69866adf16a': 'Juniper NetScreen',
  '92d27a9ecb31d99246986d3453d0c3d57a222a61': 'Juniper NetScreen',
  '9436e8d67174ef9aed068d5ad5213f187a3f8ba6': 'Juniper NetScreen',
  '9b096d9ac3275a7d6fe8b91c583111b09efed1a0': 'Juniper NetScreen',
  bf03746108d746c904f1f3547de24f78479fed12: 'Juniper NetScreen',
  c2e80500f4cc5fbf5daaeed3bb59abaeee56c652: 'Juniper NetScreen',
  c8660a62b03b1b6130bf781608d32a6a8d0fb89f: 'Juniper NetScreen',
  f885da40b1e7a9abd17655ec5bbec0f21f0ed52e: 'Juniper NetScreen',
  '2a2bcac19b8e91b426107807e02e7249569d6fd3': 'Juniper NetScreen',
  '166f932d55eb64d8e4df4fd37e2313f0d0fd8451': 'Juniper NetScreen',
  a35bfd05ca1ac0b3d2f24e9e82bfcbff9c9e52b5: 'Juniper NetScreen',
  '2c9d7e81995b9967d23f571ac641f9348122f1cc': 'Juniper SSG',
  ca3e2b854ba8030017dc1023a4fde2041f9f7463: 'Aruba remote access point',
  '3c8e70bdf9c7d74add53e4100915dc2e4bb51274': 'Aruba controller',
  '88f0e3149b3fa48b05aa7f685f0b766be186ccb8': 'Aruba VIA client',
}

/** Ids that are text to begin with. What follows the prefix, if it is printable, is the version. */
const TEXTS: Readonly<Record<string, string>> = {
  HeartBeat_Notify: 'heartbeat notify',
  OpenPGP: 'OpenPGP',
  TIMESTEP: 'TimeStep',
  BNES: 'Nortel Contivity',
  'Mac OSX 10.x': 'Apple Mac OS X',
  'HUAWEI-IKEv1DSCP': 'Huawei IKEv1 DSCP',
  'HUAWEI-IKEv1': 'Huawei IKEv1',
  'HUAWEI-IKEv2': 'Huawei IKEv2',
  'CISCO-DELETE-REASON': 'Cisco delete reason',
  'CISCO-DYNAMIC-ROUTE': 'Cisco dynamic route',
  'CISCO-GRE-MODE': 'Cisco GRE mode',
  'CISCO(COPYRIGHT)': 'Cisco',
  'CISCOVPN-REV-': 'Cisco VPN revision ',
  'FLEXVPN-SUPPORTED': 'Cisco FlexVPN',
  'VIA Auth Profile : ': 'Aruba VIA authentication profile ',
  'Opportunistic IPsec': 'opportunistic IPsec',
}

/** The four bytes after "MS NT5 ISAKMPOAKLEY". */
const WINDOWS: Readonly<Record<number, string>> = {
  2: '2000',
  3: 'XP',
  4: 'XP SP2 or Server 2003',
  5: 'Vista',
  6: 'Vista SP1 or Server 2008',
  7: '7',
  8: '7 or Server 2008 R2',
  9: '8, Server 2012 or later',
}

/** Bytes 24 to 28 of Check Point's id. */
const CHECK_POINT: Readonly<Record<number, string>> = {
  2: '4.1',
  3: '4.1 SP1',
  4002: '4.1 SP2 or later',
  5000: 'NG',
  5001: 'NG FP1',
  5002: 'NG FP2',
  5003: 'NG FP3',
  5004: 'NG AI R54',
  5005: 'NG AI R55 or later',
  5006: 'NG AI R56',
}

const LENGTHS: readonly number[] = [20, 16, 14, 13, 12, 8, 4]
const BY_PREFIX: ReadonlyMap<string, string> = new Map(known())
const TEXT_MIN = 4

/** The name of a vendor id, with the version that it carries; undefined if nobody is known to send it. */
export function vendorName(bytes: Uint8Array, start: number, end: number): string | undefined {
  for (const length of LENGTHS) {
    if (end - start < length) continue
    const name = BY_PREFIX.get(hex(bytes, start, start + length))
    if (name !== undefined) return name + versionOf(name, bytes, start + length, end)
  }
  return textName(bytes, start, end)
}

/** What to call a vendor id in an event: its name, its text if it is one, or its bytes in hexadecimal. */
export function vendorLabel(bytes: Uint8Array, start: number, end: number): string {
  return vendorName(bytes, start, end) ?? printable(bytes, start, end) ?? hex(bytes, start, end)
}

function versionOf(name: string, bytes: Uint8Array, at: number, end: number): string {
  const left = end - at
  switch (name) {
    case 'Microsoft Windows':
      return left < 4 ? '' : ` ${WINDOWS[u32(bytes, at)] ?? `version ${u32(bytes, at)}`}`
    case 'Check Point':
      return left < 8 ? '' : checkPoint(u32(bytes, at), u32(bytes, at + 4))
    case 'Cisco Unity':
    case 'DPD':
      return left < 2 ? '' : ` ${bytes[at]}.${bytes[at + 1]}`
    case 'Cisco VPN 3000':
      return left < 3 ? '' : ` ${bytes[at + 1]}.${bytes[at + 2] >> 4}.${bytes[at + 2] & 15}`
    case 'Juniper NetScreen':
    case 'Juniper SSG':
      return left < 8 ? '' : `, ScreenOS ${screenOs(bytes, at + 4)}`
    case 'Fortinet FortiGate':
      return left < 4 ? '' : ` release ${u16(bytes, at)} build ${u16(bytes, at + 2)}`
    default:
      return ''
  }
}

/** Newer models write the version with its least significant byte first. */
function screenOs(bytes: Uint8Array, at: number): string {
  return u16(bytes, at) === 0 ? `${bytes[at + 2]}.${bytes[at + 3]}` : `${bytes[at + 1]}.${bytes[at]}`
}

function checkPoint(product: number, version: number): string {
  const edition = product === 1 ? ' Firewall-1' : product === 2 ? ' SecureClient' : ''
  return `${edition} ${CHECK_POINT[version] ?? `version ${version}`}`
}

/** What is a known text, or of the FreeS/WAN family by its form: "OE" and ten bytes of ASCII. */
function textName(bytes: Uint8Array, start: number, end: number): string | undefined {
  for (const [prefix, name] of Object.entries(TEXTS)) {
    if (!startsWith(bytes, start, end, prefix)) continue
    const rest = printable(bytes, start + prefix.length, end)
    return name.endsWith(' ') && rest !== undefined ? name + rest : name.trimEnd()
  }
  if (end - start !== 12 || bytes[start] !== 0x4f || bytes[start + 1] !== 0x45) return undefined
  for (let at = start + 2; at < end; at++) if (bytes[at] < 0x20 || bytes[at] > 0x7f) return undefined
  return 'Openswan or Libreswan'
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

/** A vendor id by its leading bytes. Ids that hold a version after the hash are known by what stands before it. */
function* known(): Generator<[string, string]> {
  for (const [text, name] of Object.entries(HASHED)) yield [md5(text).slice(0, hashedDigits(text)), name ?? text]
  for (const [prefix, name, versions] of VERSIONED) {
    for (const version of versions.split(' ')) yield [md5(prefix + version), name + version]
  }
  for (const text of FREESWAN) yield [freeswan(text), text]
  yield* Object.entries(OBSERVED)
}

/** FortiGate keeps twelve bytes of the hash and writes its version over the other four. */
function hashedDigits(text: string): number {
  return text === 'FORTIGATE' ? 24 : 32
}

function md5(text: string): string {
  return hash('md5', text)
}

function freeswan(text: string): string {
  const digest = hash('md5', text, 'buffer').subarray(0, 10)
  return `4f45${Buffer.from(digest.map((byte) => (byte & 0x7f) | 0x40)).toString('hex')}`
}

/** Until 4.3.5 strongSwan's id held its version. */
function strongSwanVersions(): string {
  const releases = {
    '2.2.': 2,
    '2.3.': 2,
    '2.4.': 4,
    '2.5.': 7,
    '2.6.': 4,
    '2.7.': 3,
    '2.8.': 11,
    '4.0.': 7,
    '4.1.': 11,
    '4.2.': 17,
    '4.3.': 5,
  }
  const versions: string[] = []
  for (const [release, last] of Object.entries(releases))
    for (let patch = 0; patch <= last; patch++) versions.push(release + patch)
  return versions.join(' ')
}
