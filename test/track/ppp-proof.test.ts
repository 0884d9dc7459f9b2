import { describe, expect, test } from 'vitest'
import { hex } from '../../src/base/bytes.ts'
import { proofOf } from '../../src/track/ppp-proof.ts'
import { credentialOfHash, credentialOfPassword, ntPasswordHash } from '../../src/wire/ms-chap-proof.ts'
import { type MsChapV2Response, msChapResponse, msChapV2Response } from '../../src/wire/ms-chap.ts'
import { fromHex } from '../support/craft.ts'
import { msChapAnswer, msChapV2Answer } from '../support/ms-chap.ts'

/** RFC 2759 section 9.2 and RFC 3079 section 3.5. */
const CHALLENGE = '5b5d7c7d7b3f2f3e3c2c602132262628'
const RESPONSE: MsChapV2Response = {
  version: 2,
  peerChallenge: '21402324255e262a28295f2b3a337c7e',
  ntResponse: '82309ecd8d708b5ea08faa3981cd83544233114a3d85d6df',
  flags: 0,
}

function digits(bytes: Uint8Array | null | undefined): string {
  return bytes === null || bytes === undefined ? 'none' : hex(bytes, 0, bytes.length)
}

describe('MS-CHAPv2', () => {
  test('the right password verifies, and gives the keys and the answer of the server', () => {
    const proof = proofOf([credentialOfPassword('no'), credentialOfPassword('clientPass')], CHALLENGE, RESPONSE, 'User')
    expect(proof?.verdict).toBe('verified')
    expect(proof?.serverAnswers).toContain('407A5589115FD0D6209F510FE9C04566932CDA56')
    expect(digits(proof?.keys?.startKey(false, 128))).toBe('8b7cdc149b993a1ba118cb153f56dccb')
  })

  test('another password, and another name, do not', () => {
    expect(proofOf([credentialOfPassword('clientpass')], CHALLENGE, RESPONSE, 'User')).toEqual({
      verdict: 'wrong_secret',
      keys: null,
      serverAnswers: null,
    })
    expect(proofOf([credentialOfPassword('clientPass')], CHALLENGE, RESPONSE, 'Other')?.verdict).toBe('wrong_secret')
  })

  test('a response computed by a peer verifies, with a domain before the name too', () => {
    const challenge = fromHex(CHALLENGE)
    const { value } = msChapV2Answer('CORP\\bob', 'secret', challenge, fromHex('000102030405060708090a0b0c0d0e0f'))
    expect(proofOf([credentialOfPassword('secret')], CHALLENGE, msChapV2Response(value, 0), 'CORP\\bob')?.verdict).toBe(
      'verified',
    )
  })
})

describe('MS-CHAP', () => {
  const challenge = '102db5df085d3041'
  const response = msChapResponse(msChapAnswer('clientPass', fromHex(challenge)), 0)

  test('gives keys of every strength from a password, and the strong ones from a hash', () => {
    const byPassword = proofOf([credentialOfPassword('clientPass')], challenge, response, 'User')
    expect(byPassword?.verdict).toBe('verified')
    expect(byPassword?.serverAnswers).toBeNull()
    expect(digits(byPassword?.keys?.startKey(true, 128))).toBe('a8947850cfc0acc1d1789fb62ddcddb0')
    expect(digits(byPassword?.keys?.startKey(true, 40))).toBe('76a152936096d783')
    const byHash = proofOf([credentialOfHash(ntPasswordHash('clientPass'))], challenge, response, 'User')
    expect(digits(byHash?.keys?.startKey(false, 128))).toBe('a8947850cfc0acc1d1789fb62ddcddb0')
    expect(byHash?.keys?.startKey(false, 56)).toBeNull()
  })

  test('tells another password', () => {
    expect(proofOf([credentialOfPassword('other')], challenge, response, 'User')?.verdict).toBe('wrong_secret')
  })
})

test('without candidates there is nothing to tell', () => {
  expect(proofOf([], CHALLENGE, RESPONSE, 'User')).toBeNull()
})
