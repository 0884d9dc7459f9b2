/**
 * Logins by MS-CHAP and MS-CHAPv2 against the passwords that the operator gave: whether the password of the user answered,
 * whether the server knew it too, and the keys that follow from it.
 *
 * Keys stay in the objects that hold them; what is told is a verdict.
 */
import {
  authenticatorResponses,
  isMsChapAnswer,
  isMsChapV2Answer,
  type MsChapCredential,
  type MsChapV2Exchange,
} from '../wire/ms-chap-proof.ts'
import type { MsChapResponse, MsChapV2Response } from '../wire/ms-chap.ts'
import { asymmetricStartKey, masterKey, type MppeStrength, startKey } from '../wire/mppe.ts'

export type ProofVerdict = 'verified' | 'wrong_secret'

/** A start key, or null where what is known of the user does not give it. */
export interface LinkKeys {
  startKey(isToServer: boolean, strength: MppeStrength): Uint8Array | null
}

export interface Proof {
  readonly verdict: ProofVerdict
  readonly keys: LinkKeys | null
  /** Of a verified answer by MS-CHAPv2: what a server that knows the password writes. */
  readonly serverAnswers: readonly string[] | null
}

const WRONG: Proof = { verdict: 'wrong_secret', keys: null, serverAnswers: null }

/** The first of the candidates that answered; null if there is none to try. `challenge` is in hexadecimal digits. */
export function proofOf(
  candidates: readonly MsChapCredential[],
  challenge: string,
  response: MsChapResponse | MsChapV2Response,
  userName: string,
): Proof | null {
  if (candidates.length === 0) return null
  const asked = Buffer.from(challenge, 'hex')
  const ntResponse = Buffer.from(response.ntResponse, 'hex')
  if (response.version === 1) {
    const lmResponse = Buffer.from(response.lmResponse, 'hex')
    const right = candidates.find((candidate) => isMsChapAnswer(candidate, asked, lmResponse, ntResponse))
    return right === undefined
      ? WRONG
      : { verdict: 'verified', keys: keysOfVersion1(right, asked), serverAnswers: null }
  }
  const exchange = {
    authenticatorChallenge: asked,
    peerChallenge: Buffer.from(response.peerChallenge, 'hex'),
    userName: Buffer.from(userName),
    ntResponse,
  }
  const right = candidates.find(({ ntHash }) => isMsChapV2Answer(ntHash, exchange))
  return right === undefined ? WRONG : proofOfVersion2(right, exchange)
}

function keysOfVersion1({ ntHash, lmHash }: MsChapCredential, challenge: Uint8Array): LinkKeys {
  return { startKey: (_isToServer, strength) => startKey(ntHash, lmHash, challenge, strength) }
}

function proofOfVersion2({ ntHash }: MsChapCredential, exchange: MsChapV2Exchange): Proof {
  const master = masterKey(ntHash, exchange.ntResponse)
  return {
    verdict: 'verified',
    keys: { startKey: (isToServer) => asymmetricStartKey(master, isToServer) },
    serverAnswers: authenticatorResponses(ntHash, exchange),
  }
}
