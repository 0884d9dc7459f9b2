/** Sealed ESP packets for tests, made straight from the RFCs and sharing nothing with what opens them but the tables of algorithms. */
import { createCipheriv, createHmac } from 'node:crypto'
import { type EspEncryption, type EspKeyMaterial, ENCRYPTIONS, INTEGRITIES } from '../../src/wire/esp-algorithms.ts'
import { be32, concat } from './craft.ts'

const NOTHING = new Uint8Array(0)

export interface EspFields {
  readonly spi?: number
  readonly sequence?: number
  /** Given, sequence numbers have 64 bits. */
  readonly sequenceHigh?: number
  readonly nextHeader?: number
  /** Octets of padding in place of the fewest that fit. */
  readonly padding?: Uint8Array
}

/** Key material of the right lengths, the octets counting up from `first`. */
export function material(
  encryption: EspEncryption,
  integrity = 'NULL',
  fields: Partial<EspKeyMaterial> & { readonly keyLength?: number; readonly first?: number } = {},
): EspKeyMaterial {
  const { keyLengths, saltLength } = ENCRYPTIONS[encryption]
  const { keyLength = keyLengths[0], first = 1, ...rest } = fields
  const { mode } = INTEGRITIES[integrity]
  const integrityLength = mode === 'none' || mode === 'unchecked' ? 0 : 20
  return {
    encryption,
    encryptionKey: counting(keyLength + saltLength, first),
    integrity,
    integrityKey: counting(mode === 'xcbc' || mode === 'cmac' ? 16 : integrityLength, first + 100),
    ...rest,
  }
}

export function counting(length: number, first: number): Uint8Array {
  return Uint8Array.from({ length }, (_, index) => first + index)
}

/** The ESP packet that carries `content` under these keys: HMAC and the combined modes only. */
export function seal(content: Uint8Array, keys: EspKeyMaterial, fields: EspFields = {}): Uint8Array {
  const { spi = 0xc0ffee01, sequence = 1, sequenceHigh, nextHeader = 17 } = fields
  const { mode, ivLength, saltLength, blockLength } = ENCRYPTIONS[keys.encryption]
  const header = concat(be32(spi), be32(sequence))
  const high = sequenceHigh === undefined ? NOTHING : be32(sequenceHigh)
  const padding = fields.padding ?? counting(paddingLength(content.length, Math.max(4, blockLength)), 1)
  const plain = concat(content, padding, Uint8Array.of(padding.length, nextHeader))
  const iv = counting(ivLength, sequence & 0xff)
  const key = keys.encryptionKey.subarray(0, keys.encryptionKey.length - saltLength)
  const salt = keys.encryptionKey.subarray(key.length)
  const implicit = concat(be32(sequenceHigh ?? 0), be32(sequence))
  const nonce = concat(salt, ivLength === 0 ? implicit : iv)
  const associated = concat(be32(spi), high, be32(sequence))
  switch (mode) {
    case 'aead':
      return concat(header, iv, combined(keys, key, nonce, associated, plain))
    case 'gmac':
      return concat(header, iv, plain, combined(keys, key, nonce, concat(associated, iv, plain), NOTHING))
    case 'ctr':
      return authenticated(keys, concat(header, iv, chained(keys, key, concat(nonce, be32(1)), plain)), high)
    case 'cbc':
      return authenticated(keys, concat(header, iv, chained(keys, key, iv, plain)), high)
    default:
      return authenticated(keys, concat(header, plain), high)
  }
}

function paddingLength(length: number, block: number): number {
  return (block - ((length + 2) % block)) % block
}

function chained({ encryption }: EspKeyMaterial, key: Uint8Array, iv: Uint8Array, plain: Uint8Array): Uint8Array {
  const name = ENCRYPTIONS[encryption].cipher.replace('%', String(key.length * 8))
  const whole = encryption === 'DES-CBC' ? concat(key, key, key) : key
  return createCipheriv(name, whole, iv).setAutoPadding(false).update(plain)
}

function combined(
  { encryption, icvLength = ENCRYPTIONS[encryption].icvLengths[0] }: EspKeyMaterial,
  key: Uint8Array,
  nonce: Uint8Array,
  associated: Uint8Array,
  plain: Uint8Array,
): Uint8Array {
  const name = ENCRYPTIONS[encryption].cipher.replace('%', String(key.length * 8)) as 'aes-128-ccm'
  const cipher = createCipheriv(name, key, nonce, { authTagLength: icvLength })
  cipher.setAAD(associated, { plaintextLength: plain.length })
  const sealed = cipher.update(plain)
  cipher.final()
  return concat(sealed, cipher.getAuthTag())
}

function authenticated({ integrity, integrityKey }: EspKeyMaterial, packet: Uint8Array, high: Uint8Array): Uint8Array {
  const { mode, hash, icvLength } = INTEGRITIES[integrity]
  if (mode === 'none') return packet
  if (mode === 'unchecked') return concat(packet, counting(icvLength, 0xa0))
  const digest = createHmac(hash, integrityKey).update(packet).update(high).digest()
  return concat(packet, digest.subarray(0, icvLength))
}
