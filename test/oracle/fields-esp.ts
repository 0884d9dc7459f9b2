/** What tshark calls the fields of ESP and AH, and its table of ESP SAs. */
import type { Layer } from '../../src/dissect/layer.ts'
import {
  ENCRYPTIONS as ENCRYPTION_TABLE,
  type EspEncryption,
  type EspKeyMaterial,
} from '../../src/wire/esp-algorithms.ts'
import { ethernet, hello, ipv4, udp } from '../support/craft.ts'
import { material, seal } from '../support/esp.ts'

export const ESP_FIELDS = {
  'esp.spi': 'number',
  'esp.sequence': 'number',
  'esp.pad_len': 'number',
  'esp.protocol': 'number',
  'esp.icv_good': 'number',
  'ah.next_header': 'number',
  'ah.length': 'number',
  'ah.reserved': 'octets',
  'ah.spi': 'number',
  'ah.sequence': 'number',
  'ah.icv': 'octets',
} as const

export const ESP_PASSED_OVER = {
  names:
    /^esp\.(iv|encrypted_data|decrypted_data|contained_data|icv|icv_bad|pad|sequence-analysis\..*)$|^udpencap\.|^ospf\.|^(vrrp|pim|eigrp|isakmp|bgp|sctp)\./,
  reason:
    'octets whose meaning is compared, what tshark computes from earlier packets, and protocols that are named only',
} as const

type Add = (name: string, value: unknown) => void

export function addEsp(layer: Layer, add: Add): void {
  add('esp.spi', layer['spi'])
  add('esp.sequence', layer['sequence'])
  if (layer['verdict'] !== 'opened' && layer['verdict'] !== 'not_encrypted') return
  if (layer['isAuthenticated'] === true) add('esp.icv_good', true)
  add('esp.pad_len', layer['padLength'])
  add('esp.protocol', layer['nextHeader'])
}

export function addAh(layer: Layer, add: Add): void {
  add('ah.next_header', layer['nextHeader'])
  add('ah.length', layer['payloadLength'])
  add(
    'ah.reserved',
    typeof layer['reserved'] === 'number' ? layer['reserved'].toString(16).padStart(4, '0') : undefined,
  )
  add('ah.spi', layer['spi'])
  add('ah.sequence', layer['sequence'])
  add('ah.icv', layer['icv'])
}

/** One SA in the form of the `.keys.json` beside the captures. */
interface SaRecord {
  readonly spi: string
  readonly enc: string
  readonly ekey: string
  readonly auth: string
  readonly akey: string
}

const XFRM_NAMES: Readonly<Record<string, string>> = {
  'cbc(aes)': 'AES-CBC [RFC3602]',
  'ecb(cipher_null)': 'NULL',
  'hmac(sha1)': 'HMAC-SHA-1-96 [RFC2404]',
  'hmac(sha256)': 'HMAC-SHA-256-128 [RFC4868]',
}

/** The rows of tshark's table for recorded SAs; it is told no addresses, because a NAT may stand between. */
export function recordedRows(keys: { readonly esp: readonly SaRecord[] }): string[] {
  return keys.esp.map(({ spi, enc, ekey, auth, akey }) => row(spi, XFRM_NAMES[enc], ekey, XFRM_NAMES[auth], akey))
}

function row(spi: string, encryption: string, key: string, integrity: string, integrityKey: string): string {
  return ['IPv4', '*', '*', spi, encryption, key, integrity, integrityKey].map((cell) => `"${cell}"`).join(',')
}

/** Options with which tshark opens ESP. */
export function openingOptions(rows: readonly string[]): string[] {
  return [
    ...['-o', 'esp.enable_encryption_decode:TRUE', '-o', 'esp.enable_authentication_check:TRUE'],
    ...rows.flatMap((one) => ['-o', `uat:esp_sa:${one}`]),
  ]
}

/** What tshark 4.0 opens besides AES-GCM, by its names. */
const ENCRYPTIONS: readonly (readonly [EspEncryption, string])[] = [
  ['NULL', 'NULL'],
  ['DES-CBC', 'DES-CBC [RFC2405]'],
  ['3DES-CBC', 'TripleDES-CBC [RFC2451]'],
  ['AES-CBC', 'AES-CBC [RFC3602]'],
  ['AES-CTR', 'AES-CTR [RFC3686]'],
]
const INTEGRITIES: readonly (readonly [string, string])[] = [
  ['HMAC-SHA1-96', 'HMAC-SHA-1-96 [RFC2404]'],
  ['HMAC-MD5-96', 'HMAC-MD5-96 [RFC2403]'],
  ['HMAC-SHA2-256-96', 'HMAC-SHA-256-96 [draft-ietf-ipsec-ciph-sha-256-00]'],
  ['HMAC-SHA2-256-128', 'HMAC-SHA-256-128 [RFC4868]'],
  ['HMAC-SHA2-384-192', 'HMAC-SHA-384-192 [RFC4868]'],
  ['HMAC-SHA2-512-256', 'HMAC-SHA-512-256 [RFC4868]'],
  ['HMAC-RIPEMD-160-96', 'MAC-RIPEMD-160-96 [RFC2857]'],
]

/** A packet for each algorithm and length of key that both know, and the row of tshark's table that opens it. */
export function everyAlgorithm(): { readonly frame: Uint8Array; readonly row: string }[] {
  const packets: { readonly frame: Uint8Array; readonly row: string }[] = []
  const add = (keys: EspKeyMaterial, encryption: string, integrity: string): void => {
    const spi = 0x1000 + packets.length
    const frame = ethernet(ipv4(seal(udp(hello()), keys, { spi }), { protocol: 50 }))
    packets.push({
      frame,
      row: row(`0x${spi.toString(16)}`, encryption, hexKey(keys.encryptionKey), integrity, hexKey(keys.integrityKey)),
    })
  }
  for (const [encryption, theirs] of ENCRYPTIONS)
    for (const keyLength of ENCRYPTION_TABLE[encryption].keyLengths)
      for (const [integrity, theirIntegrity] of INTEGRITIES)
        add(material(encryption, integrity, { keyLength }), theirs, theirIntegrity)
  for (const keyLength of [16, 24, 32])
    for (const icvLength of [8, 12, 16])
      add(
        material('AES-GCM', 'NULL', { keyLength, icvLength }),
        `AES-GCM with ${icvLength} octet ICV [RFC4106]`,
        'NULL',
      )
  return packets
}

function hexKey(key: Uint8Array): string {
  return key.length === 0 ? '' : `0x${Buffer.from(key).toString('hex')}`
}
