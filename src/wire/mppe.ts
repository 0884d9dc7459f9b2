/**
 * Microsoft Point-to-Point Encryption (RFC 3078): the header before its data, which MPPC shares (RFC 2118 section 4), and the
 * keys as MS-CHAP and MS-CHAPv2 give them (RFC 3079 sections 2 and 3, RFC 3078 section 7).
 *
 * A key never leaves the objects that hold it.
 */
import { NO_BYTES, u16 } from '../base/bytes.ts'
import { md4 } from '../base/md4.ts'
import { Rc4 } from '../base/rc4.ts'
import { sha1 } from './ms-chap-proof.ts'

/** Coherency counts are so many; after the last comes 0. */
export const COHERENCY_COUNTS = 0x1000

export type MppeFlaw = 'mppe.truncated'

/** The header before MPPE or MPPC data under protocol 0x00fd. It means this only after CCP option 18 was acknowledged. */
export class MppeView {
  bytes: Uint8Array = NO_BYTES
  /** Bit A: the sender initialized its history or key before this packet. */
  isFlushed = false
  /** Bit B: the packet begins at the front of the history. */
  isAtFront = false
  /** Bit C: the data are compressed. */
  isCompressed = false
  /** Bit D: the data are encrypted. */
  isEncrypted = false
  /** 12 bits, one more with every packet; a gap is a lost or injected packet. */
  coherencyCount = 0
  payloadStart = 0
  payloadEnd = 0

  decode(bytes: Uint8Array, start: number, end: number): MppeFlaw | null {
    if (end - start < 2) return 'mppe.truncated'
    const head = u16(bytes, start)
    this.bytes = bytes
    this.isFlushed = (head & 0x8000) !== 0
    this.isAtFront = (head & 0x4000) !== 0
    this.isCompressed = (head & 0x2000) !== 0
    this.isEncrypted = (head & 0x1000) !== 0
    this.coherencyCount = head & (COHERENCY_COUNTS - 1)
    this.payloadStart = start + 2
    this.payloadEnd = end
    return null
  }
}

export interface MppeRecord {
  readonly isFlushed: boolean
  readonly isAtFront: boolean
  readonly isCompressed: boolean
  readonly isEncrypted: boolean
  readonly coherencyCount: number
  /** Of the data, in octets. */
  readonly length: number
}

export function describeMppe(view: MppeView): MppeRecord {
  const { isFlushed, isAtFront, isCompressed, isEncrypted, coherencyCount, payloadStart, payloadEnd } = view
  return { isFlushed, isAtFront, isCompressed, isEncrypted, coherencyCount, length: payloadEnd - payloadStart }
}

// ---------------------------------------------------------------------------------------------------------------- keys

/** Bits of a session key. */
export type MppeStrength = 40 | 56 | 128

/** Octets of keys of 128 bits, and of the weaker ones, whose first octets are public. */
const KEY_LENGTH = 16
const WEAK_KEY_LENGTH = 8
const PUBLIC_OCTETS: Readonly<Record<MppeStrength, readonly number[]>> = { 40: [0xd1, 0x26, 0x9e], 56: [0xd1], 128: [] }

const PAD_LENGTH = 40
const PAD_1 = new Uint8Array(PAD_LENGTH)
const PAD_2 = new Uint8Array(PAD_LENGTH).fill(0xf2)

// Octets that RFC 3079 section 3.4 fixes: every implementation hashes the same sentences.
const MASTER_KEY = octets('This is the MPPE Master Key')
const TO_SERVER = octets('On the client side, this is the send key; on the server side, it is the receive key.')
const TO_CLIENT = octets('On the client side, this is the receive key; on the server side, it is the send key.')

function octets(sentence: string): Uint8Array {
  return Buffer.from(sentence, 'latin1')
}

/** Of MS-CHAPv2: 16 octets. */
export function masterKey(ntHash: Uint8Array, ntResponse: Uint8Array): Uint8Array {
  return sha1(md4(ntHash), ntResponse, MASTER_KEY).subarray(0, KEY_LENGTH)
}

/** Of MS-CHAPv2: the key with which one direction begins. The server is the end that sent the challenge. */
export function asymmetricStartKey(master: Uint8Array, isToServer: boolean): Uint8Array {
  return sha1(master, PAD_1, isToServer ? TO_SERVER : TO_CLIENT, PAD_2).subarray(0, KEY_LENGTH)
}

/**
 * Of MS-CHAP, where both directions begin with the same key. The weaker ones come from the LAN Manager hash: null where only
 * the other is known.
 */
export function startKey(
  ntHash: Uint8Array,
  lmHash: Uint8Array | null,
  challenge: Uint8Array,
  strength: MppeStrength,
): Uint8Array | null {
  if (strength !== 128) return lmHash === null ? null : lmHash.subarray(0, WEAK_KEY_LENGTH)
  const twice = md4(ntHash)
  return sha1(twice, twice, challenge).subarray(0, KEY_LENGTH)
}

/** The session key of one direction, from the first one on. */
export class MppeKey {
  readonly length: number
  readonly #start: Uint8Array
  readonly #public: readonly number[]
  readonly #rc4 = new Rc4()
  readonly #current: Uint8Array

  /** `start` is the start key: 16 octets, or 8 that are enough for the weaker strengths. */
  constructor(start: Uint8Array, strength: MppeStrength) {
    this.length = strength === 128 ? KEY_LENGTH : WEAK_KEY_LENGTH
    this.#start = start.slice(0, this.length)
    this.#public = PUBLIC_OCTETS[strength]
    this.#current = new Uint8Array(this.length)
    this.#current.set(this.#interim(this.#start))
    this.#publish()
  }

  /** RFC 3078 section 7.3. */
  change(): void {
    const interim = this.#interim(this.#current)
    this.#rc4.start(interim)
    this.#rc4.apply(interim, 0, this.length, this.#current, 0)
    this.#publish()
  }

  begin(rc4: Rc4): void {
    rc4.start(this.#current)
  }

  copyTo(keys: Uint8Array, at: number): void {
    keys.set(this.#current, at)
  }

  restore(keys: Uint8Array, at: number): void {
    this.#current.set(keys.subarray(at, at + this.length))
  }

  #interim(key: Uint8Array): Uint8Array {
    return sha1(this.#start, PAD_1, key, PAD_2).subarray(0, this.length)
  }

  #publish(): void {
    this.#current.set(this.#public)
  }
}
