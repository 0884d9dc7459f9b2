/**
 * The algorithms of ESP (RFC 8221): what each adds to a packet, which keys it takes, and the keys themselves.
 *
 * Keys are kept as key objects of the cryptographic library: printed or turned into JSON they show nothing.
 */
import { createSecretKey, type KeyObject } from 'node:crypto'

/** Octets. */
interface Encryption {
  /** How `esp-open.ts` opens it. */
  readonly mode: 'none' | 'cbc' | 'ctr' | 'aead' | 'gmac'
  readonly keyLengths: readonly number[]
  /** The part of the nonce that is negotiated, and stands behind the key in key files; called nonce in RFC 3686. */
  readonly saltLength: number
  /** Sent in each packet before the ciphertext. */
  readonly ivLength: number
  /** The ciphertext is a multiple of this. */
  readonly blockLength: number
  /** Integrity check values of a combined mode, the usual first; none where another algorithm provides it. */
  readonly icvLengths: readonly number[]
  /** The name that the cryptographic library gives it, with the bits of the key in place of `%`. */
  readonly cipher: string
}

const GCM = {
  keyLengths: [16, 24, 32],
  saltLength: 4,
  ivLength: 8,
  blockLength: 1,
  icvLengths: [16, 12, 8],
  cipher: 'aes-%-gcm',
}
const AES = [16, 24, 32] as const

/**
 * NULL: RFC 2410. DES: RFC 2405. 3DES: RFC 2451. AES-CBC: RFC 3602. AES-CTR: RFC 3686. AES-GCM: RFC 4106. AES-CCM: RFC 4309.
 * ChaCha20-Poly1305: RFC 7634. AES-GMAC without encryption: RFC 4543. Implicit IVs: RFC 8750.
 */
const TABLE = {
  NULL: { mode: 'none', keyLengths: [0], saltLength: 0, ivLength: 0, blockLength: 1, icvLengths: [], cipher: '' },
  'DES-CBC': {
    mode: 'cbc',
    keyLengths: [8],
    saltLength: 0,
    ivLength: 8,
    blockLength: 8,
    icvLengths: [],
    cipher: 'des-ede3-cbc',
  },
  '3DES-CBC': {
    mode: 'cbc',
    keyLengths: [24],
    saltLength: 0,
    ivLength: 8,
    blockLength: 8,
    icvLengths: [],
    cipher: 'des-ede3-cbc',
  },
  'AES-CBC': {
    mode: 'cbc',
    keyLengths: AES,
    saltLength: 0,
    ivLength: 16,
    blockLength: 16,
    icvLengths: [],
    cipher: 'aes-%-cbc',
  },
  'AES-CTR': {
    mode: 'ctr',
    keyLengths: AES,
    saltLength: 4,
    ivLength: 8,
    blockLength: 1,
    icvLengths: [],
    cipher: 'aes-%-ctr',
  },
  'AES-GCM': { ...GCM, mode: 'aead' },
  'AES-GCM-IIV': { ...GCM, mode: 'aead', ivLength: 0, icvLengths: [16] },
  'AES-CCM': {
    mode: 'aead',
    keyLengths: AES,
    saltLength: 3,
    ivLength: 8,
    blockLength: 1,
    icvLengths: [16, 12, 8],
    cipher: 'aes-%-ccm',
  },
  'AES-CCM-IIV': {
    mode: 'aead',
    keyLengths: AES,
    saltLength: 3,
    ivLength: 0,
    blockLength: 1,
    icvLengths: [16],
    cipher: 'aes-%-ccm',
  },
  'ChaCha20-Poly1305': {
    mode: 'aead',
    keyLengths: [32],
    saltLength: 4,
    ivLength: 8,
    blockLength: 1,
    icvLengths: [16],
    cipher: 'chacha20-poly1305',
  },
  'ChaCha20-Poly1305-IIV': {
    mode: 'aead',
    keyLengths: [32],
    saltLength: 4,
    ivLength: 0,
    blockLength: 1,
    icvLengths: [16],
    cipher: 'chacha20-poly1305',
  },
  'AES-GMAC': { ...GCM, mode: 'gmac', icvLengths: [16] },
} as const satisfies Readonly<Record<string, Encryption>>
export type EspEncryption = keyof typeof TABLE
export const ENCRYPTIONS: Readonly<Record<EspEncryption, Encryption>> = TABLE

interface Integrity {
  readonly icvLength: number
  readonly mode: 'none' | 'unchecked' | 'hmac' | 'xcbc' | 'cmac'
  /** Of HMAC. */
  readonly hash: string
  /** Octets of the key; 0 for any. */
  readonly keyLength: number
}

function hmac(hash: string, icvLength: number): Integrity {
  return { icvLength, mode: 'hmac', hash, keyLength: 0 }
}

function unchecked(icvLength: number): Integrity {
  return { icvLength, mode: 'unchecked', hash: '', keyLength: 0 }
}

/**
 * HMAC-MD5-96: RFC 2403. HMAC-SHA1-96: RFC 2404. HMAC-RIPEMD-96: RFC 2857. HMAC-SHA2: RFC 4868. AES-XCBC: RFC 3566. AES-CMAC: RFC 4494.
 * HMAC-SHA2-256-96 is what Linux did before 2.6.33 and devices that followed it still do. Full lengths: RFC 4595.
 */
export const INTEGRITIES: Readonly<Record<string, Integrity>> = {
  NULL: { icvLength: 0, mode: 'none', hash: '', keyLength: 0 },
  'HMAC-MD5-96': hmac('md5', 12),
  'HMAC-MD5-128': hmac('md5', 16),
  'HMAC-SHA1-96': hmac('sha1', 12),
  'HMAC-SHA1-160': hmac('sha1', 20),
  'HMAC-RIPEMD-160-96': hmac('ripemd160', 12),
  'HMAC-SHA2-256-96': hmac('sha256', 12),
  'HMAC-SHA2-256-128': hmac('sha256', 16),
  'HMAC-SHA2-384-192': hmac('sha384', 24),
  'HMAC-SHA2-512-256': hmac('sha512', 32),
  'AES-XCBC-96': { icvLength: 12, mode: 'xcbc', hash: '', keyLength: 16 },
  'AES-CMAC-96': { icvLength: 12, mode: 'cmac', hash: '', keyLength: 16 },
  'unchecked-64': unchecked(8),
  'unchecked-96': unchecked(12),
  'unchecked-128': unchecked(16),
  'unchecked-192': unchecked(24),
  'unchecked-256': unchecked(32),
}

/** What the keys of one SA are made of. Octets. */
export interface EspKeyMaterial {
  readonly encryption: EspEncryption
  /** With the salt behind it, where the algorithm has one. */
  readonly encryptionKey: Uint8Array
  /** A name in `INTEGRITIES`; `NULL` beside a combined mode. */
  readonly integrity: string
  readonly integrityKey: Uint8Array
  /** Of a combined mode; its usual one if undefined. */
  readonly icvLength?: number
  /** Whether sequence numbers have 64 bits; undefined: to be found out. */
  readonly isExtended?: boolean
  /** The high 32 bits of the sequence number at the beginning. */
  readonly sequenceHigh?: number
}

/** The algorithms and keys of one SA, checked. */
export class EspKeys {
  readonly encryption: EspEncryption
  readonly encryptionKey: KeyObject
  readonly salt: KeyObject
  readonly integrity: string
  readonly integrityKey: KeyObject
  readonly icvLength: number
  readonly isExtended: boolean | undefined
  readonly sequenceHigh: number

  /** The keys were checked by `problemOfKeys`. */
  constructor(material: EspKeyMaterial) {
    const { icvLengths } = ENCRYPTIONS[material.encryption]
    const key = material.encryptionKey
    const saltAt = key.length - ENCRYPTIONS[material.encryption].saltLength
    this.encryption = material.encryption
    this.encryptionKey = createSecretKey(key.subarray(0, saltAt))
    this.salt = createSecretKey(key.subarray(saltAt))
    this.integrity = material.integrity
    this.integrityKey = createSecretKey(material.integrityKey)
    this.icvLength =
      icvLengths.length > 0 ? (material.icvLength ?? icvLengths[0]) : INTEGRITIES[material.integrity].icvLength
    this.isExtended = material.isExtended
    this.sequenceHigh = material.sequenceHigh ?? 0
  }

  /** What another thread sent, which arrives as a plain object. */
  static received(keys: EspKeys): EspKeys {
    return Object.assign(Object.create(EspKeys.prototype), keys)
  }

  /** Whether both open the same packets; not how far their numbers have come. */
  isSame(other: EspKeys): boolean {
    return (
      this.encryption === other.encryption &&
      this.integrity === other.integrity &&
      this.icvLength === other.icvLength &&
      this.isExtended === other.isExtended &&
      this.encryptionKey.equals(other.encryptionKey) &&
      this.salt.equals(other.salt) &&
      this.integrityKey.equals(other.integrityKey)
    )
  }

  /** Whether opening a packet proves that the keys are right. */
  get isAuthenticated(): boolean {
    if (ENCRYPTIONS[this.encryption].icvLengths.length > 0) return true
    const { mode } = INTEGRITIES[this.integrity]
    return mode !== 'none' && mode !== 'unchecked'
  }

  /** Such as `AES-CBC-256/HMAC-SHA2-256-128`; a combined mode has its ICV in octets: `AES-GCM-128-16`. */
  get suite(): string {
    const { icvLengths, keyLengths } = ENCRYPTIONS[this.encryption]
    const bits = keyLengths.length > 1 ? `-${(this.encryptionKey.symmetricKeySize ?? 0) * 8}` : ''
    if (icvLengths.length === 0) return `${this.encryption}${bits}/${this.integrity}`
    return `${this.encryption}${bits}${icvLengths.length > 1 ? `-${this.icvLength}` : ''}`
  }
}

/** Why the material is of no use, without showing any of it; null if it is. */
export function problemOfKeys(material: EspKeyMaterial): string | null {
  const { keyLengths, saltLength, icvLengths } = ENCRYPTIONS[material.encryption]
  const wanted = keyLengths.map((length) => length + saltLength)
  const { length } = material.encryptionKey
  if (!wanted.includes(length)) {
    const salted = saltLength > 0 ? ` (${saltLength} of them salt)` : ''
    return `the key has ${octets(length)}; ${material.encryption} takes ${wanted.join(', ')}${salted}`
  }
  if (icvLengths.length > 0)
    return material.icvLength === undefined || icvLengths.some((icv) => icv === material.icvLength)
      ? null
      : `${material.encryption} has no ICV of ${octets(material.icvLength)}; it has ${icvLengths.join(', ')}`
  const integrity = INTEGRITIES[material.integrity]
  if (integrity === undefined) return 'no such integrity algorithm'
  const { keyLength, mode } = integrity
  if (keyLength !== 0 && material.integrityKey.length !== keyLength)
    return `the integrity key has ${octets(material.integrityKey.length)}; ${material.integrity} takes ${keyLength}`
  if (mode === 'hmac' && material.integrityKey.length === 0) return `${material.integrity} needs a key`
  return null
}

function octets(length: number): string {
  return length === 1 ? '1 octet' : `${length} octets`
}
