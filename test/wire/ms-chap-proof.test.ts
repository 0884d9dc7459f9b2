import { describe, expect, test } from 'vitest'
import { hex } from '../../src/base/bytes.ts'
import { md4 } from '../../src/base/md4.ts'
import {
  authenticatorResponses,
  challengeHash,
  challengeResponse,
  credentialOfHash,
  credentialOfPassword,
  isMsChapAnswer,
  isMsChapV2Answer,
  lmPasswordHash,
  type MsChapV2Exchange,
  ntPasswordHash,
} from '../../src/wire/ms-chap-proof.ts'
import { fromHex, utf8 } from '../support/craft.ts'

function digits(bytes: Uint8Array | null): string {
  return bytes === null ? 'none' : hex(bytes, 0, bytes.length)
}

describe('MS-CHAP', () => {
  /** RFC 2433 appendix B.2. */
  const CHALLENGE = fromHex('102DB5DF085D3041')

  test('hashes and answers as the RFC does', () => {
    expect(digits(ntPasswordHash('MyPw'))).toBe('fc156af7edcd6c0edde3337d427f4eac')
    expect(digits(challengeResponse(CHALLENGE, ntPasswordHash('MyPw')))).toBe(
      '4e9d3c8f9cfd385d5bf4d3246791956ca4c351ab409a3d61',
    )
    expect(digits(lmPasswordHash('MyPw'))).toBe('75ba30198e6d1975aad3b435b51404ee')
    expect(digits(challengeResponse(CHALLENGE, fromHex('75ba30198e6d1975aad3b435b51404ee')))).toBe(
      '91881d0152ab0c33c524135ec24a95ee64e23cdc2d33347d',
    )
  })

  test('knows the answer of the password by either hash', () => {
    const ntResponse = fromHex('4e9d3c8f9cfd385d5bf4d3246791956ca4c351ab409a3d61')
    const lmResponse = fromHex('91881d0152ab0c33c524135ec24a95ee64e23cdc2d33347d')
    const none = new Uint8Array(24)
    expect(isMsChapAnswer(credentialOfPassword('MyPw'), CHALLENGE, none, ntResponse)).toBe(true)
    expect(isMsChapAnswer(credentialOfPassword('MyPw'), CHALLENGE, lmResponse, none)).toBe(true)
    expect(isMsChapAnswer(credentialOfHash(ntPasswordHash('MyPw')), CHALLENGE, none, ntResponse)).toBe(true)
    // The hash of the one kind tells nothing of the other.
    expect(isMsChapAnswer(credentialOfHash(ntPasswordHash('MyPw')), CHALLENGE, lmResponse, none)).toBe(false)
    expect(isMsChapAnswer(credentialOfPassword('MyPW'), CHALLENGE, none, ntResponse)).toBe(false)
  })

  test('has no LAN Manager hash of what LAN Manager cannot hold', () => {
    expect(lmPasswordHash('fifteen letters')).toBeNull()
    expect(lmPasswordHash('naïve')).toBeNull()
    expect(digits(lmPasswordHash(''))).toBe('aad3b435b51404eeaad3b435b51404ee')
  })
})

describe('MS-CHAPv2', () => {
  /** RFC 2759 section 9.2. */
  const EXCHANGE: MsChapV2Exchange = {
    authenticatorChallenge: fromHex('5B5D7C7D7B3F2F3E3C2C602132262628'),
    peerChallenge: fromHex('21402324255E262A28295F2B3A337C7E'),
    userName: utf8('User'),
    ntResponse: fromHex('82309ECD8D708B5EA08FAA3981CD83544233114A3D85D6DF'),
  }
  const HASH = ntPasswordHash('clientPass')

  test('hashes and answers as the RFC does', () => {
    expect(digits(HASH)).toBe('44ebba8d5312b8d611474411f56989ae')
    expect(digits(md4(HASH))).toBe('41c00c584bd2d91c4017a2a12fa59f3f')
    expect(digits(challengeHash(EXCHANGE.peerChallenge, EXCHANGE.authenticatorChallenge, EXCHANGE.userName))).toBe(
      'd02e4386bce91226',
    )
    expect(isMsChapV2Answer(HASH, EXCHANGE)).toBe(true)
    expect(authenticatorResponses(HASH, EXCHANGE)).toEqual(['407A5589115FD0D6209F510FE9C04566932CDA56'])
    const inDomain = { ...EXCHANGE, userName: Buffer.from(`LAB\\${Buffer.from(EXCHANGE.userName).toString()}`) }
    expect(authenticatorResponses(HASH, inDomain)).toEqual([
      '407A5589115FD0D6209F510FE9C04566932CDA56',
      expect.not.stringContaining('407A5589'),
    ])
  })

  test('takes the name without its domain, and with it', () => {
    const userName = utf8('BIGCO\\User')
    expect(isMsChapV2Answer(HASH, { ...EXCHANGE, userName })).toBe(true)
    const whole = challengeHash(EXCHANGE.peerChallenge, EXCHANGE.authenticatorChallenge, userName)
    const ntResponse = challengeResponse(whole, HASH)
    expect(isMsChapV2Answer(HASH, { ...EXCHANGE, userName, ntResponse })).toBe(true)
  })

  test('refuses another password, another user and another challenge', () => {
    expect(isMsChapV2Answer(ntPasswordHash('clientpass'), EXCHANGE)).toBe(false)
    expect(isMsChapV2Answer(HASH, { ...EXCHANGE, userName: utf8('user') })).toBe(false)
    expect(isMsChapV2Answer(HASH, { ...EXCHANGE, peerChallenge: new Uint8Array(16) })).toBe(false)
  })
})
