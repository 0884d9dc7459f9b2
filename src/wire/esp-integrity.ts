/**
 * Integrity check values of ESP where another algorithm than the cipher makes them (RFC 4303 section 2.8): HMAC cut short, and the
 * two authentication codes made of AES, AES-XCBC (RFC 3566) and AES-CMAC (RFC 4493, RFC 4494).
 */
import { createCipheriv, createHmac, createSecretKey, type KeyObject } from 'node:crypto'
import { equal } from '../base/bytes.ts'
import { type EspKeys, INTEGRITIES } from './esp-algorithms.ts'

const BLOCK = 16
const NO_IV = new Uint8Array(BLOCK)

/** Compares integrity check values under one key. */
export class EspIntegrity {
  readonly #mac: (message: Uint8Array, high: Uint8Array | null) => Uint8Array
  readonly #icvLength: number
  readonly #high = new Uint8Array(4)

  constructor(keys: EspKeys) {
    const { mode, hash, icvLength } = INTEGRITIES[keys.integrity]
    this.#icvLength = icvLength
    const key = keys.integrityKey
    if (mode === 'hmac') this.#mac = (message, high) => hmac(hash, key, message, high)
    else {
      const subkeys = mode === 'xcbc' ? xcbcKeys(key) : cmacKeys(key)
      this.#mac = (message, high) => blockMac(subkeys, message, high)
    }
  }

  /**
   * Whether the value at `icvAt` is right for the octets from `start` to there, and for the high half of an extended sequence
   * number, which is authenticated but not sent; -1 for none.
   */
  isRight(bytes: Uint8Array, start: number, icvAt: number, sequenceHigh: number): boolean {
    const high = sequenceHigh === -1 ? null : this.#high
    if (high !== null) for (let i = 0; i < 4; i++) high[i] = sequenceHigh >>> (24 - i * 8)
    return equal(this.#mac(bytes.subarray(start, icvAt), high), 0, bytes, icvAt, this.#icvLength)
  }
}

function hmac(hash: string, key: KeyObject, message: Uint8Array, high: Uint8Array | null): Uint8Array {
  const digest = createHmac(hash, key).update(message)
  if (high !== null) digest.update(high)
  return digest.digest()
}

/** A chained cipher over the message, with something mixed into its last block: by that XCBC and CMAC differ. */
interface Subkeys {
  readonly cipherKey: KeyObject
  /** For a last block that is whole. */
  readonly whole: Uint8Array
  /** For one that had to be padded. */
  readonly padded: Uint8Array
}

function blockMac({ cipherKey, whole, padded }: Subkeys, message: Uint8Array, high: Uint8Array | null): Uint8Array {
  const length = message.length + (high === null ? 0 : high.length)
  const blocks = new Uint8Array(Math.max(1, Math.ceil(length / BLOCK)) * BLOCK)
  blocks.set(message)
  if (high !== null) blocks.set(high, message.length)
  if (length < blocks.length) blocks[length] = 0x80
  const last = blocks.length - BLOCK
  const mixed = length === blocks.length ? whole : padded
  for (let i = 0; i < BLOCK; i++) blocks[last + i] ^= mixed[i]
  const cipher = createCipheriv('aes-128-cbc', cipherKey, NO_IV).setAutoPadding(false)
  return cipher.update(blocks).subarray(last)
}

/** RFC 3566 section 4. */
function xcbcKeys(key: KeyObject): Subkeys {
  return {
    cipherKey: createSecretKey(encryptBlock(key, new Uint8Array(BLOCK).fill(1))),
    whole: encryptBlock(key, new Uint8Array(BLOCK).fill(2)),
    padded: encryptBlock(key, new Uint8Array(BLOCK).fill(3)),
  }
}

/** RFC 4493 section 2.3. */
function cmacKeys(cipherKey: KeyObject): Subkeys {
  const whole = doubled(encryptBlock(cipherKey, NO_IV))
  return { cipherKey, whole, padded: doubled(whole) }
}

function encryptBlock(key: KeyObject, block: Uint8Array): Uint8Array {
  return createCipheriv('aes-128-ecb', key, null).setAutoPadding(false).update(block)
}

/** Times x in the field of 2^128 elements. */
function doubled(block: Uint8Array): Uint8Array {
  const out = new Uint8Array(BLOCK)
  for (let i = 0; i < BLOCK; i++) out[i] = (block[i] << 1) | (i + 1 < BLOCK ? block[i + 1] >> 7 : 0)
  if ((block[0] & 0x80) !== 0) out[BLOCK - 1] ^= 0x87
  return out
}
