/** Logins by MS-CHAP and MS-CHAPv2 as real peers compute them. */
import {
  authenticatorResponses,
  challengeHash,
  challengeResponse,
  lmPasswordHash,
  ntPasswordHash,
} from '../../src/wire/ms-chap-proof.ts'
import { concat, utf8 } from './craft.ts'

/** The value of a response of MS-CHAPv2, and what the server says to it. */
export function msChapV2Answer(
  user: string,
  password: string,
  challenge: Uint8Array,
  peerChallenge: Uint8Array,
): { readonly value: Uint8Array; readonly ntResponse: Uint8Array; readonly success: string } {
  const ntHash = ntPasswordHash(password)
  const userName = utf8(user)
  const account = utf8(user.slice(user.lastIndexOf('\\') + 1))
  const ntResponse = challengeResponse(challengeHash(peerChallenge, challenge, account), ntHash)
  const exchange = { authenticatorChallenge: challenge, peerChallenge, userName, ntResponse }
  return {
    value: concat(peerChallenge, new Uint8Array(8), ntResponse, Uint8Array.of(0)),
    ntResponse,
    success: `S=${authenticatorResponses(ntHash, exchange)[0]} M=Access granted`,
  }
}

/** The value of a response of MS-CHAP. */
export function msChapAnswer(password: string, challenge: Uint8Array): Uint8Array {
  const lmHash = lmPasswordHash(password)
  const lmResponse = lmHash === null ? new Uint8Array(24) : challengeResponse(challenge, lmHash)
  return concat(lmResponse, challengeResponse(challenge, ntPasswordHash(password)), Uint8Array.of(1))
}
