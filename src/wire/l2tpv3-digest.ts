/**
 * What the shared secret of an L2TPv3 control connection protects: the digest of every control message and the hidden AVPs
 * (RFC 3931 sections 4.3, 5.3 and 5.4.1).
 *
 * Neither uses the secret itself: each has a key of its own, derived with HMAC-MD5. Nothing here keeps or shows a secret:
 * answers name it by its place in the list of candidates.
 */
import { createHmac } from 'node:crypto'
import { NO_BYTES, equal } from '../base/bytes.ts'
import { AvpCursor, type AvpWindow } from './l2tp-avp.ts'

const HIDING = Uint8Array.of(1)
const AUTHENTICATION = Uint8Array.of(2)

const CISCO = 9
/** Message Digest and Control Message Authentication Nonce, as the IETF numbers them and as Cisco did before. */
const DIGEST = { ietf: 59, cisco: 12 } as const
const NONCE = { ietf: 73, cisco: 13 } as const

/** Digest types by number: the hash, and the octets of its digest. */
const DIGEST_TYPES: Readonly<
  Record<number, { readonly hash: string; readonly octets: number; readonly name: string }>
> = {
  0: { hash: 'md5', octets: 16, name: 'HMAC-MD5' },
  1: { hash: 'sha1', octets: 20, name: 'HMAC-SHA-1' },
}
/** RFC 3931 allows two, for the change from one secret to another. */
const DIGESTS_MAX = 2

/** The key that hides AVPs (RFC 3931 section 5.3): what `recoverHidden` takes for the secret in version 3. */
export function hidingKey(secret: Uint8Array): Uint8Array {
  return createHmac('md5', secret).update(HIDING).digest()
}

/** The key of the message digests (RFC 3931 section 5.4.1). */
export function digestKey(secret: Uint8Array): Uint8Array {
  return createHmac('md5', secret).update(AUTHENTICATION).digest()
}

/**
 * `verified`: the sender knew the secret. `unkeyed`: the digest is right without any secret, so it protects against errors
 * of the network only (RFC 3931 section 4.3). `wrong_secret`: with none of the candidates is it right.
 * `no_secret`: there is none to try. `no_nonce`: the exchange of nonces was not seen. `malformed`: no digest type that is
 * known, or not as long as its type has it.
 */
export type DigestVerdict = 'verified' | 'unkeyed' | 'wrong_secret' | 'no_secret' | 'no_nonce' | 'malformed'

export interface DigestCheck {
  readonly verdict: DigestVerdict
  /** HMAC-MD5 or HMAC-SHA-1; absent if malformed. */
  readonly algorithm?: string
  /** Which of the candidate secrets it was. */
  readonly secretIndex?: number
}

/** A control message with its beginning: the digest covers the header, too. */
export interface DigestedMessage extends AvpWindow {
  /** The first octet of the header, behind the zero session of IP. */
  readonly messageStart: number
}

/** What both ends contributed. Null: not seen. An end that has none has an empty one. */
export interface Nonces {
  readonly sender: Uint8Array | null
  readonly receiver: Uint8Array | null
}

/** Where a Message Digest stands: the octet of its type, and the end of its value. */
interface DigestPlace {
  readonly start: number
  readonly end: number
}

/** Checks the digests of control messages. The cursor is its own, so that it may be asked while another walk goes on. */
export class DigestChecker {
  readonly #keys: readonly Uint8Array[]
  readonly #unkeyed = digestKey(NO_BYTES)
  readonly #avps = new AvpCursor()

  constructor(secrets: readonly Uint8Array[]) {
    this.#keys = secrets.map(digestKey)
  }

  /**
   * Null if the message has no digest. `isFirst`: the message is an SCCRQ, which carries the only nonce there is inside.
   * Of a message that the capture cut nothing can be checked: also null.
   */
  check(message: DigestedMessage, nonces: Nonces, isFirst: boolean): DigestCheck | null {
    if (message.messageEnd > message.payloadEnd) return null
    const places = this.#find(message)
    if (places.length === 0) return null
    const { bytes } = message
    const known = places.filter(({ start, end }) => DIGEST_TYPES[bytes[start]]?.octets === end - start - 1)
    if (known.length === 0) return { verdict: 'malformed' }
    const algorithm = DIGEST_TYPES[bytes[known[0].start]]?.name
    const named = algorithm === undefined ? {} : { algorithm }

    const blank = bytes.slice(message.messageStart, message.messageEnd)
    for (const { start, end } of places) blank.fill(0, start + 1 - message.messageStart, end - message.messageStart)
    if (isRight(known, bytes, this.#unkeyed, [blank])) return { verdict: 'unkeyed', ...named }
    if (this.#keys.length === 0) return { verdict: 'no_secret', ...named }
    const { sender, receiver } = nonces
    if (!isFirst && (sender === null || receiver === null)) return { verdict: 'no_nonce', ...named }
    const parts = isFirst || sender === null || receiver === null ? [blank] : [sender, receiver, blank]
    const secretIndex = this.#keys.findIndex((key) => isRight(known, bytes, key, parts))
    return secretIndex === -1 ? { verdict: 'wrong_secret', ...named } : { verdict: 'verified', secretIndex, ...named }
  }

  #find(message: DigestedMessage): DigestPlace[] {
    const places: DigestPlace[] = []
    const avps = this.#avps.over(message)
    while (places.length < DIGESTS_MAX && avps.next()) {
      if (avps.isHidden || avps.valueEnd === avps.valueStart) continue
      if (isDigest(avps)) places.push({ start: avps.valueStart, end: avps.valueEnd })
    }
    return places
  }
}

/** Whether the AVP under the cursor is a Message Digest. */
export function isDigest({ vendorId, type }: AvpCursor): boolean {
  return vendorId === 0 ? type === DIGEST.ietf : vendorId === CISCO && type === DIGEST.cisco
}

function isRight(
  places: readonly DigestPlace[],
  bytes: Uint8Array,
  key: Uint8Array,
  parts: readonly Uint8Array[],
): boolean {
  return places.some(({ start }) => {
    const type = DIGEST_TYPES[bytes[start]]
    if (type === undefined) return false
    const hmac = createHmac(type.hash, key)
    for (const part of parts) hmac.update(part)
    return equal(hmac.digest(), 0, bytes, start + 1, type.octets)
  })
}

/** A copy of the nonce that a message brings; null if it has none. Cisco's counts where the IETF's is absent. */
export function nonceOf(message: AvpWindow, avps: AvpCursor): Uint8Array | null {
  let nonce: Uint8Array | null = null
  avps.over(message)
  while (avps.next()) {
    if (avps.isHidden) continue
    if (avps.vendorId === 0 && avps.type === NONCE.ietf) return avps.bytes.slice(avps.valueStart, avps.valueEnd)
    if (avps.vendorId === CISCO && avps.type === NONCE.cisco) nonce = avps.bytes.slice(avps.valueStart, avps.valueEnd)
  }
  return nonce
}
