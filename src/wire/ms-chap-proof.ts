/**
 * What a password computes in MS-CHAP (RFC 2433 appendix A) and MS-CHAPv2 (RFC 2759 section 8): with the password of a user,
 * or its hash, a bystander can tell whether that password answered the challenge.
 *
 * Nothing here keeps or shows a secret. A window whose length a function fixes (challenge 8 or 16 octets, response 24,
 * hash 16) is read up to that length, which the caller has checked.
 */
import { createCipheriv, hash } from 'node:crypto'
import { equal } from '../base/bytes.ts'
import { md4 } from '../base/md4.ts'

export const PASSWORD_HASH_LENGTH = 16
export const CHALLENGE_HASH_LENGTH = 8
export const NT_RESPONSE_LENGTH = 24

/** What is known of a user: the hash always, the LAN Manager hash where the password itself was given and has one. */
export interface MsChapCredential {
  readonly ntHash: Uint8Array
  readonly lmHash: Uint8Array | null
}

export function credentialOfPassword(password: string): MsChapCredential {
  return { ntHash: ntPasswordHash(password), lmHash: lmPasswordHash(password) }
}

export function credentialOfHash(ntHash: Uint8Array): MsChapCredential {
  return { ntHash, lmHash: null }
}

/** MD4 of the password in UTF-16, low octet first. */
export function ntPasswordHash(password: string): Uint8Array {
  return md4(Buffer.from(password, 'utf16le'))
}

const LM_PASSWORD_LENGTH = 14
const LM_TEXT = Buffer.from('KGS!@#$%', 'latin1')

/** Null for a password that LAN Manager cannot hold: longer than 14 characters, or in letters of a code page of its own. */
export function lmPasswordHash(password: string): Uint8Array | null {
  if (password.length > LM_PASSWORD_LENGTH || !/^[ -~]*$/.test(password)) return null
  const padded = Buffer.alloc(LM_PASSWORD_LENGTH)
  padded.write(password.toUpperCase(), 'latin1')
  return Buffer.concat([des(padded, 0, LM_TEXT), des(padded, 7, LM_TEXT)])
}

/** 24 octets: the challenge under three keys, which are the hash and five zeros, cut in three. */
export function challengeResponse(challenge: Uint8Array, passwordHash: Uint8Array): Uint8Array {
  const padded = new Uint8Array(21)
  padded.set(passwordHash.subarray(0, PASSWORD_HASH_LENGTH))
  return Buffer.concat([des(padded, 0, challenge), des(padded, 7, challenge), des(padded, 14, challenge)])
}

/** The 8 octets that MS-CHAPv2 has answered: both challenges and the name of the user. */
export function challengeHash(
  peerChallenge: Uint8Array,
  authenticatorChallenge: Uint8Array,
  userName: Uint8Array,
): Uint8Array {
  return sha1(peerChallenge, authenticatorChallenge, userName).subarray(0, CHALLENGE_HASH_LENGTH)
}

/** One login by MS-CHAPv2, as its challenge and response carried it. */
export interface MsChapV2Exchange {
  readonly authenticatorChallenge: Uint8Array
  readonly peerChallenge: Uint8Array
  /** As the peer wrote it, a domain in front or not. */
  readonly userName: Uint8Array
  readonly ntResponse: Uint8Array
}

/** Whether this password answered; the name counts without its domain (RFC 2759 section 4), but some count the domain in. */
export function isMsChapV2Answer(ntHash: Uint8Array, exchange: MsChapV2Exchange): boolean {
  return namesOf(exchange).some((name) => answers(ntHash, exchange, name))
}

/** The user without a domain, as the standard has it, and the whole name, which some take. */
function namesOf({ userName }: MsChapV2Exchange): Uint8Array[] {
  const at = userName.lastIndexOf(BACKSLASH)
  return at === -1 ? [userName] : [userName.subarray(at + 1), userName]
}

function answers(ntHash: Uint8Array, exchange: MsChapV2Exchange, userName: Uint8Array): boolean {
  const challenge = challengeHash(exchange.peerChallenge, exchange.authenticatorChallenge, userName)
  return equal(challengeResponse(challenge, ntHash), 0, exchange.ntResponse, 0, NT_RESPONSE_LENGTH)
}

const BACKSLASH = 0x5c

/** Whether this password, by the one hash or the other, gave either of the responses of MS-CHAP. */
export function isMsChapAnswer(
  credential: MsChapCredential,
  challenge: Uint8Array,
  lmResponse: Uint8Array,
  ntResponse: Uint8Array,
): boolean {
  const { ntHash, lmHash } = credential
  return (
    equal(challengeResponse(challenge, ntHash), 0, ntResponse, 0, NT_RESPONSE_LENGTH) ||
    (lmHash !== null && equal(challengeResponse(challenge, lmHash), 0, lmResponse, 0, NT_RESPONSE_LENGTH))
  )
}

const SERVER_SIGNING = Buffer.from('Magic server to client signing constant', 'latin1')
const SERVER_PADDING = Buffer.from('Pad to make it do more than one iteration', 'latin1')

/**
 * The 40 hexadecimal digits, in capitals, by which a server that knows the password proves it (RFC 2759 section 8.7), for
 * each way to take the name of the user. A server that writes others took the login without knowing it.
 */
export function authenticatorResponses(ntHash: Uint8Array, exchange: MsChapV2Exchange): string[] {
  const { ntResponse, peerChallenge, authenticatorChallenge } = exchange
  const digest = sha1(md4(ntHash), ntResponse, SERVER_SIGNING)
  return namesOf(exchange).map((name) => {
    const challenge = challengeHash(peerChallenge, authenticatorChallenge, name)
    return Buffer.from(sha1(digest, challenge, SERVER_PADDING))
      .toString('hex')
      .toUpperCase()
  })
}

/** DES of one block under the 7 octets of key at `keyAt`, spread over 8; the parity bits count for nothing. */
function des(key: Uint8Array, keyAt: number, block: Uint8Array): Uint8Array {
  const spread = Buffer.alloc(8)
  for (let i = 0; i < 8; i++) {
    const above = i === 0 ? 0 : key[keyAt + i - 1] << (8 - i)
    spread[i] = (above | (i === 7 ? 0 : key[keyAt + i] >> i)) & 0xfe
  }
  // Three times the same key makes Triple DES the single one, which OpenSSL 3 no longer offers.
  const cipher = createCipheriv('des-ede3-ecb', Buffer.concat([spread, spread, spread]), null)
  cipher.setAutoPadding(false)
  return cipher.update(block)
}

export function sha1(...parts: readonly Uint8Array[]): Uint8Array {
  return hash('sha1', Buffer.concat(parts), 'buffer')
}
