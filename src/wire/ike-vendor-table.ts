/**
 * Which Vendor ID payloads are known, as data (RFC 2408, section 3.16; RFC 7296, section 3.12).
 *
 * Most are a hash of a text that the vendor chose: those are listed by their text and hashed when the module loads, so that
 * the table proves itself. Of the others the bytes are known from the field.
 */
import { hash } from 'node:crypto'

/** A `feature` tells what its sender can do, a `product` what its sender is. */
export type VendorKind = 'feature' | 'product'

export interface KnownVendor {
  readonly name: string
  readonly kind: VendorKind
}

/** Texts whose MD5 hash is the vendor id, with the name that people know it by; null where the text is the name. */
type Hashed = Readonly<Record<string, string | null>>

const HASHED_FEATURES: Hashed = {
  'RFC 3947': 'NAT-T (RFC 3947)',
  'RFC XXXX': 'NAT-T (RFC XXXX)',
  'Testing NAT-T RFC': null,
  'draft-ietf-ipsec-nat-t-ike': 'NAT-T (draft, Apple)',
  'draft-ietf-ipsec-nat-t-ike-02\n': 'NAT-T (draft-02\\n)',
  'draft-stenberg-ipsec-nat-traversal-01': null,
  'draft-stenberg-ipsec-nat-traversal-02': null,
  'draft-huttunen-ipsec-esp-in-udp-00.txt': null,
  ESPThruNAT: 'draft-huttunen-ipsec-esp-in-udp-01',
  FRAGMENTATION: 'IKE fragmentation',
  'Vid-Initial-Contact': 'Microsoft initial contact',
  'MS-Negotiation Discovery Capable': 'Microsoft negotiation discovery capable',
  'IKE CGA version 1': 'Microsoft IKE CGA version 1',
  'MS-MamieExists': 'Microsoft AuthIP (MS-MamieExists)',
  NLBS_PRESENT: 'Microsoft load balancing with fast failover',
  'MSFT IPsec Security Realm Id': 'Microsoft IPsec security realm',
  GSSAPI: null,
  'A GSS-API Authentication Method for IKE': 'GSS-API authentication',
  'A GSS-API Authentication Method for IKE\n': 'GSS-API authentication',
  'IKE Challenge/Response for Authenticated Cryptographic Keys': 'IKE CRACK',
  'IKE Challenge/Response for Authenticated Cryptographic Keys\n': 'IKE CRACK',
  'IKE Challenge/Response for Authenticated Cryptographic Keys (Revised)': 'IKE CRACK (revised)',
  'IKE Challenge/Response for Authenticated Cryptographic Keys (Revised)\n': 'IKE CRACK (revised)',
}

const HASHED_PRODUCTS: Hashed = {
  'MS NT5 ISAKMPOAKLEY': 'Microsoft Windows',
  'Microsoft Xbox One 2013': 'Microsoft Xbox One',
  'KAME/racoon': null,
  'IPSec-Tools': 'ipsec-tools racoon',
  strongSwan: null,
  NETGEAR: null,
  FORTIGATE: 'Fortinet FortiGate',
  'Fortinet Endpoint Control': 'Fortinet FortiClient endpoint control',
  'forticlient connect license': 'Fortinet FortiClient',
  'ALTIGA NETWORKS': 'Cisco VPN 3000 client',
  'ALTIGA GATEWAY': 'Cisco VPN 3000',
  'SSH Sentinel': null,
}

/** Vendors that write their version over the end of the hash: how many hexadecimal digits of it are left. */
const HASHED_DIGITS: Readonly<Record<string, number>> = { FORTIGATE: 24, 'ALTIGA GATEWAY': 26 }

/** Products that hash their name with their version. */
const VERSIONED: readonly (readonly [prefix: string, name: string, kind: VendorKind, versions: string])[] = [
  ['draft-ietf-ipsec-nat-t-ike-', 'NAT-T draft-', 'feature', '00 01 02 03 04 05 06 07 08 09'],
  ['SSH Sentinel ', 'SSH Sentinel ', 'product', '1.1 1.2 1.3 1.4 1.4.1'],
  [
    'Ssh Communications Security IPSEC Express version ',
    'SSH IPSEC Express ',
    'product',
    '1.1.0 1.1.1 1.1.2 1.2.1 1.2.2',
  ],
  [
    'SSH Communications Security IPSEC Express version ',
    'SSH IPSEC Express ',
    'product',
    '2.0.0 2.1.0 2.1.1 2.1.2 3.0.0 3.0.1 4.0.0 4.0.1 4.1.0 4.1.1 4.2.0 5.0 5.0.0 5.1.0 5.1.1',
  ],
  ['SSH Communications Security QuickSec ', 'SSH QuickSec ', 'product', '0.9.0 1.1.0 1.1.1 1.1.2 1.1.3 2.0 2.1 2.1.0'],
  [
    'strongSwan ',
    'strongSwan ',
    'product',
    releases({
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
      '4.3.': 7,
      '4.4.': 1,
      '4.5.': 3,
      '4.6.': 4,
      '5.0.': 4,
      '5.1.': 3,
    }),
  ],
]

/** The FreeS/WAN family: letters, then bytes of the MD5 hash made printable; together twelve. */
const FREESWAN: readonly (readonly [letters: string, prefix: string, versions: string, options?: readonly string[]])[] =
  [
    [
      'OE',
      'Linux FreeS/WAN ',
      `0.5 0.6 0.7 0.7.1 0.7.2 0.8 0.9 1.0 ${releases({ '0.8.': 5, '0.9.': 40, '1.0.': 2, '1.1.': 6, '1.2.': 2, '1.3.': 6, '1.4.': 8, '1.5.': 5, '1.6.': 3 })} 2.00 2.01 2.02 2.03 2.04 2.05 2.06`,
      ['', ' PLUTO_SENDS_VENDORID'],
    ],
    [
      'OE',
      'Openswan ',
      releases({ '2.1.': 2, '2.2.': 0, '2.3.': 1, '2.4.': 15, '2.5.': 0 }),
      [
        '',
        ' X.509-1.5.4 PLUTO_SENDS_VENDORID PLUTO_USES_KEYRR',
        ' X.509-1.5.4 LDAP_V3 PLUTO_SENDS_VENDORID PLUTO_USES_KEYRR',
        ' PLUTO_SENDS_VENDORID PLUTO_USES_KEYRR',
        ' LDAP_V3 PLUTO_SENDS_VENDORID PLUTO_USES_KEYRR',
      ],
    ],
    ['OE', 'Openswan ', twoDigits('2.5.', 0, 18) + twoDigits('2.6.', 1, 39)],
    ['OE', 'Openswan ', '2.6.20dr2 2.6.20rc1 2.6.24rc3 2.6.24rc5 2.6.38dr2 2.6.38rc2 2.6.39dr3'],
    ['OSW', 'Openswan ', twoDigits('2.6.', 40, 43)],
    ['OSW', 'Linux Openswan ', `${twoDigits('2.6.', 44, 50)}2.6.47.1 2.6.50.1 2.6.51 2.6.51.1 2.6.51.2 2.6.51.3`],
    ['OEN', 'Libreswan ', releases({ '3.': 5 }), ['', ' LDAP_V3']],
  ]
const FREESWAN_LENGTH = 12

type Observed = Readonly<Record<string, string>>

/** Bytes, in hexadecimal, whose origin is known from the field. A longer id may follow: they are prefixes. */
const OBSERVED_FEATURES: Observed = {
  '09002689dfd6b712': 'XAUTH',
  afcad71368a1f1c96b8696fc7757: 'DPD',
  afca071368a1f1c96b8696fc7757: 'DPD (misspelt)',
  '3b9031dce4fcf88b489a923963dd0c49': 'DPD (Shrew Soft)',
  '12f5f28c457168a9702d9fe274cc': 'Cisco Unity',
  '800100018002000180030002': 'Cisco Unity firewall type',
  '325df29a2319f2dd': 'draft-ietf-ipsec-antireplay-00',
  '8db7a41811221660': 'draft-ietf-ipsec-heartbeats-00',
  '2d7922c6b301d9b0e1342739e9cfbbd5': 'delete with reason',
  '01528bbbc00696121849ab9a1c5b2a51': 'Microsoft key modules',
  '7bb93867d76c8d80df0f40fae8fc3b19': 'Microsoft AuthIP initial key exchange',
  '660822b3a73a244149578d62e0eb46a0': 'Microsoft Xbox IKEv2 negotiation',
}

const OBSERVED_PRODUCTS: Observed = {
  '3e984048': 'Cisco IOS',
  f4ed19e0c114eb516faaac0ee37daf2807b4381f: 'Check Point',
  '404bf439522ca3f6': 'SonicWall',
  '5b362bc820f6': 'SonicWall',
  '5b362bc820f7': 'SonicWall',
  '975b7816f69789600dda89040576e0db': 'SonicWall Global VPN Client',
  '47bbe7c993f1fc13b4e6d0db565c68e5': 'SafeNet SoftRemote',
  da8e9378: 'SafeNet or WatchGuard',
  '1d6e178f6c2c0be284985465450fe9d4': 'Fortinet FortiGate',
  '5062b335bc20db32c0d54465a2f7': 'Fortinet FortiGate',
  '4485152d18b6bbcc0be8a8469579ddcc': 'Avaya',
  b858d1addd08c1e8adafea150608aa4497aa6cc8: 'ZyXEL ZyWALL',
  '625027749d5ab97f5616c1602765cf480a3b7d0b': 'ZyXEL ZyWALL',
  f758f22668750f03b08df6ebe1d0: 'ZyXEL ZyWALL USG 100',
  '8404adf9cda05760b2ca292e4bff537b': 'Secure Computing Sidewinder',
  c6f57ac398f493208145b758: 'NCP server',
  eb4c1b788afd4a9cb7730a68: 'NCP client',
  '101fb0b35c5a4f4c08b919f1cb9777b0': 'NCP client',
  c61baca1f1a60cc1: 'NCP',
  cbe79444a0870de4224a2c151fbfe099: 'NCP',
  f14b94b7bff1fef02773b8c49feded26: 'Shrew Soft client',
  a2226fc364500f5634ff77db3b74f41b: 'AVM FRITZ!Box',
  '08db45e6cb01f80bb576e9a78c0f54e1300b8881': 'ELVIS-PLUS Zastava',
  c573b056d7faca36c2fba28374127cbf: 'StoneSoft StoneGate',
  baeb239037e17787d730eed9d95d48aa: 'StoneSoft StoneGate',
  fd808804df73b15150709d878044cde0ac1efcde: 'Juniper SRX',
  '2c9d7e81995b9967d23f571ac641f9348122f1cc': 'Juniper SSG',
  ca3e2b854ba8030017dc1023a4fde2041f9f7463: 'Aruba remote access point',
  '3c8e70bdf9c7d74add53e4100915dc2e4bb51274': 'Aruba controller',
  '88f0e3149b3fa48b05aa7f685f0b766be186ccb8': 'Aruba VIA client',
  '1725f0892742ea523b79ec848c97201a3094d6c5': 'Aruba',
}

/** Twenty bytes for each model and release of NetScreen; the versions of model and ScreenOS follow. */
const NETSCREEN = [
  '166f932d55eb64d8e4df4fd37e2313f0d0fd8451',
  '299ee8289f40a8973bc78687e2e7226b532c3b76',
  '2a2bcac19b8e91b426107807e02e7249569d6fd3',
  '3a15e1f3cf2a63582e3ac82d1c64cbe3b6d779e7',
  '47d2b126bfcd83489760e2cf8c5d4d5a03497c15',
  '4a4340b543e02b84c88a8b96a8af9ebe77d9accc',
  '64405f46f03b7660a23be116a1975058e69e8387',
  '699369228741c6d4ca094c93e242c9de19e7b7c6',
  '8c0dc6cf62a0ef1b5c6eabd1b67ba69866adf16a',
  '92d27a9ecb31d99246986d3453d0c3d57a222a61',
  '9436e8d67174ef9aed068d5ad5213f187a3f8ba6',
  '9b096d9ac3275a7d6fe8b91c583111b09efed1a0',
  'a35bfd05ca1ac0b3d2f24e9e82bfcbff9c9e52b5',
  'bf03746108d746c904f1f3547de24f78479fed12',
  'c2e80500f4cc5fbf5daaeed3bb59abaeee56c652',
  'c8660a62b03b1b6130bf781608d32a6a8d0fb89f',
  'cf49908791073fb46439790fdeb6aeed981101ab',
  'd6b45f82f24bacb288af59a978830ab7',
  'f885da40b1e7a9abd17655ec5bbec0f21f0ed52e',
]

/** Ids that are text to begin with. What follows the prefix, if it is printable, is the version. */
export const VENDOR_TEXTS: Readonly<Record<string, KnownVendor>> = {
  ...texts('feature', {
    HeartBeat_Notify: 'heartbeat notify',
    'HeartBeat Notify': 'heartbeat notify',
    'MS-Negotiation Discovery Capable': 'Microsoft negotiation discovery capable',
    'CISCO-DELETE-REASON': 'Cisco delete reason',
    'CISCO-DYNAMIC-ROUTE': 'Cisco dynamic route',
    'CISCO-GRE-MODE': 'Cisco GRE mode',
    'CISCO-NGE-LEVEL': 'Cisco NGE level',
    'FLEXVPN-SUPPORTED': 'Cisco FlexVPN',
    'Opportunistic IPsec': 'opportunistic IPsec',
  }),
  ...texts('product', {
    OpenPGP: 'OpenPGP',
    'OE-Libreswan-': 'Libreswan ',
    'OpenIKED-': 'OpenIKED ',
    OpenIKED: 'OpenIKED',
    TIMESTEP: 'TimeStep',
    BNES: 'Nortel Contivity',
    'Mac OSX 10.x': 'Apple Mac OS X',
    'HUAWEI-IKEv1DSCP': 'Huawei IKEv1 DSCP',
    'HUAWEI-IKEv1': 'Huawei IKEv1',
    'HUAWEI-IKEv2': 'Huawei IKEv2',
    'CISCO-ANYCONNECT-EAP': 'Cisco AnyConnect',
    'CISCO-ANYCONNECT-STRAP': 'Cisco AnyConnect (STRAP)',
    'CISCO-WSG-4CISCO': 'Cisco Wireless Security Gateway',
    'CISCO(COPYRIGHT)': 'Cisco',
    'CISCOVPN-REV-': 'Cisco VPN revision ',
    'Raptor PowerVpn Server': 'Symantec Raptor',
    LVG: 'Lucent VPN gateway ',
    LVC: 'Lucent VPN client ',
    'VIA Auth Profile : ': 'Aruba VIA authentication profile ',
  }),
}

/** The four bytes after "MS NT5 ISAKMPOAKLEY". */
export const WINDOWS_VERSIONS: Readonly<Record<number, string>> = {
  2: '2000',
  3: 'XP',
  4: 'XP SP2 or Server 2003',
  5: 'Vista',
  6: 'Vista SP1 or Server 2008',
  7: '7',
  8: '7 or Server 2008 R2',
  9: '8, Server 2012 or later',
  16: 'Server 2012',
}

/** The four bytes after Microsoft's id of key modules, and after that of AuthIP's initial key exchange. */
export const WINDOWS_KEY_MODULES: Readonly<Record<number, string>> = { 0: 'IKE', 1: 'AuthIP', 2: 'IKEv2' }
export const AUTHIP_GROUPS: Readonly<Record<number, string>> = {
  0: 'without a group',
  1: 'modp768',
  2: 'modp1024',
  3: 'modp2048',
  4: 'ecp256',
  5: 'ecp384',
  6: 'ecp521',
}

/** Bytes 20 to 24 and 24 to 28 of Check Point's id. */
export const CHECK_POINT_PRODUCTS: Readonly<Record<number, string>> = { 1: 'Firewall-1', 2: 'SecureClient' }
export const CHECK_POINT_VERSIONS: Readonly<Record<number, string>> = {
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

/** Vendor ids by their leading bytes in hexadecimal. Ids that hold a version after the hash are known by what stands before it. */
export function knownVendors(): Map<string, KnownVendor> {
  return new Map([
    ...freeswan(),
    ...hashed(HASHED_FEATURES, 'feature'),
    ...hashed(HASHED_PRODUCTS, 'product'),
    ...versioned(),
    ...observed(OBSERVED_FEATURES, 'feature'),
    ...observed(OBSERVED_PRODUCTS, 'product'),
    ...NETSCREEN.map((digits): Entry => [digits, { name: 'Juniper NetScreen', kind: 'product' }]),
  ])
}

type Entry = [digits: string, vendor: KnownVendor]

function hashed(entries: Hashed, kind: VendorKind): Entry[] {
  return Object.entries(entries).map(([text, name]) => [
    md5(text).slice(0, HASHED_DIGITS[text] ?? 32),
    { name: name ?? text, kind },
  ])
}

function versioned(): Entry[] {
  return VERSIONED.flatMap(([prefix, name, kind, versions]) =>
    versions.split(' ').map((version): Entry => [md5(prefix + version), { name: name + version, kind }]),
  )
}

function observed(entries: Observed, kind: VendorKind): Entry[] {
  return Object.entries(entries).map(([digits, name]) => [digits, { name, kind }])
}

function freeswan(): Entry[] {
  return FREESWAN.flatMap(([letters, prefix, versions, options = ['']]) =>
    versions
      .trim()
      .split(' ')
      .flatMap((version) =>
        options.map((option): Entry => {
          const name = `${prefix}${version}`
          return [printableHash(letters, name + option), { name, kind: 'product' }]
        }),
      ),
  )
}

function printableHash(letters: string, text: string): string {
  const digest = hash('md5', text, 'buffer').subarray(0, FREESWAN_LENGTH - letters.length)
  return Buffer.from(letters).toString('hex') + Buffer.from(digest.map((byte) => (byte & 0x7f) | 0x40)).toString('hex')
}

function md5(text: string): string {
  return hash('md5', text)
}

function texts(kind: VendorKind, names: Readonly<Record<string, string>>): Record<string, KnownVendor> {
  return Object.fromEntries(Object.entries(names).map(([prefix, name]) => [prefix, { name, kind }]))
}

/** `{ '4.1.': 2 }` gives `4.1.0 4.1.1 4.1.2`. */
function releases(last: Readonly<Record<string, number>>): string {
  return Object.entries(last)
    .flatMap(([release, patches]) => Array.from({ length: patches + 1 }, (_, patch) => release + patch))
    .join(' ')
}

/** `2.6.`, 1, 3 gives `2.6.01 2.6.02 2.6.03 `. */
function twoDigits(release: string, first: number, last: number): string {
  let versions = ''
  for (let patch = first; patch <= last; patch++) versions += `${release}${String(patch).padStart(2, '0')} `
  return versions
}
