import { describe, expect, test } from 'vitest'
import { AvpCursor, describeControl } from '../../src/wire/l2tp-avp.ts'
import { recoverHidden } from '../../src/wire/l2tp-hidden.ts'
import { L2tpV3View } from '../../src/wire/l2tpv3.ts'
import { type DigestCheck, DigestChecker, digestKey, hidingKey, nonceOf } from '../../src/wire/l2tpv3-digest.ts'
import { avp, be16, be32, concat, fromHex } from '../support/craft.ts'
import { V3_MESSAGE, v3HiddenAvp, v3Message, v3Signed } from '../support/craft-l2tpv3.ts'

const SECRET = 'shared secret'
const NONCE_A = fromHex('000102030405060708090a0b0c0d0e0f')
const NONCE_B = fromHex('f0e0d0c0b0a0908070605040302010')
const SCCRQ_AVPS = [avp(73, NONCE_A), avp(7, 'pe1'), avp(61, be32(1))]

function viewOf(bytes: Uint8Array, overIp = false): L2tpV3View {
  const view = new L2tpV3View()
  const decode = overIp ? view.decodeIp.bind(view) : view.decodeUdp.bind(view)
  expect(decode(bytes, 0, bytes.length)).toBeNull()
  return view
}

function check(
  message: L2tpV3View,
  secrets: readonly string[],
  nonces: readonly [Uint8Array | null, Uint8Array | null],
  isFirst = false,
): DigestCheck | null {
  const checker = new DigestChecker(secrets.map((secret) => Buffer.from(secret)))
  return checker.check(message, { sender: nonces[0], receiver: nonces[1] }, isFirst)
}

describe('the keys', () => {
  test('are HMAC-MD5 of one octet under the secret', () => {
    const secret = Buffer.from('Jefe')
    expect(Buffer.from(hidingKey(secret)).toString('hex')).toBe('6600055d6c9833b4c83c66bca7a61157')
    expect(Buffer.from(digestKey(secret)).toString('hex')).toBe('1278a8ab2e898ba611acfcfb6f6cc46b')
  })
})

describe('DigestChecker', () => {
  test('verifies an SCCRQ, which needs no nonce, with either hash and over either transport', () => {
    for (const hash of ['md5', 'sha1'] as const) {
      for (const overIp of [false, true]) {
        const message = viewOf(v3Signed(V3_MESSAGE.sccrq, SCCRQ_AVPS, { secret: SECRET, hash }, { overIp }), overIp)
        expect(check(message, ['wrong', SECRET], [NONCE_A, null], true)).toEqual({
          verdict: 'verified',
          secretIndex: 1,
          algorithm: hash === 'md5' ? 'HMAC-MD5' : 'HMAC-SHA-1',
        })
      }
    }
  })

  test('verifies the messages after it with both nonces, the sender’s first', () => {
    const hello = viewOf(v3Signed(V3_MESSAGE.hello, [], { secret: SECRET, nonces: [NONCE_B, NONCE_A] }))
    expect(check(hello, [SECRET], [NONCE_B, NONCE_A])?.verdict).toBe('verified')
    expect(check(hello, [SECRET], [NONCE_A, NONCE_B])?.verdict).toBe('wrong_secret')
  })

  test('says why it cannot tell', () => {
    const hello = viewOf(v3Signed(V3_MESSAGE.hello, [], { secret: SECRET, nonces: [NONCE_B, NONCE_A] }))
    expect(check(hello, ['other'], [NONCE_B, NONCE_A])?.verdict).toBe('wrong_secret')
    expect(check(hello, [], [NONCE_B, NONCE_A])?.verdict).toBe('no_secret')
    expect(check(hello, [SECRET], [NONCE_B, null])?.verdict).toBe('no_nonce')
    expect(check(hello, [SECRET], [null, NONCE_A])?.verdict).toBe('no_nonce')
  })

  test('a digest without a secret protects against nobody, and is told apart', () => {
    const hello = viewOf(v3Signed(V3_MESSAGE.hello, [], { secret: '' }))
    expect(check(hello, [], [null, null])).toEqual({ verdict: 'unkeyed', algorithm: 'HMAC-MD5' })
    expect(check(hello, [SECRET], [NONCE_A, NONCE_B])?.verdict).toBe('unkeyed')
  })

  test('any changed octet of the message is noticed', () => {
    const bytes = v3Signed(V3_MESSAGE.sccrq, SCCRQ_AVPS, { secret: SECRET })
    for (let at = 4; at < bytes.length; at++) {
      const changed = bytes.slice()
      changed[at] ^= 0x40
      const view = new L2tpV3View()
      if (view.decodeUdp(changed, 0, changed.length) !== null) continue
      expect(check(view, [SECRET], [NONCE_A, null], true)?.verdict, `octet ${at}`).not.toBe('verified')
    }
  })

  test('accepts a message with two digests if either is right', () => {
    const other = avp(59, concat(Uint8Array.of(1), new Uint8Array(20)))
    const message = viewOf(v3Signed(V3_MESSAGE.sccrq, [other, ...SCCRQ_AVPS], { secret: SECRET }))
    expect(check(message, [SECRET], [NONCE_A, null], true)?.verdict).toBe('verified')
  })

  test('knows a digest of no known type or of a wrong length', () => {
    for (const value of [
      '02 00112233445566778899aabbccddeeff',
      '00 0011',
      '01 00112233445566778899aabbccddeeff',
      '00',
    ]) {
      const message = viewOf(v3Message(V3_MESSAGE.hello, [avp(59, fromHex(value))]))
      expect(check(message, [SECRET], [NONCE_A, NONCE_B])?.verdict, value).toBe('malformed')
    }
  })

  test('says nothing of a message without a digest, or with a hidden one, or cut by the capture', () => {
    expect(check(viewOf(v3Message(V3_MESSAGE.hello)), [SECRET], [null, null])).toBeNull()
    const hidden = v3Message(V3_MESSAGE.hello, [avp(59, new Uint8Array(17), { hidden: true })])
    expect(check(viewOf(hidden), [SECRET], [null, null])).toBeNull()
    const bytes = v3Signed(V3_MESSAGE.hello, [], { secret: SECRET })
    const view = new L2tpV3View()
    expect(view.decodeUdp(bytes, 0, bytes.length - 1, bytes.length)).toBeNull()
    expect(check(view, [SECRET], [null, null])).toBeNull()
  })

  test('never shows a secret', () => {
    const hello = viewOf(v3Signed(V3_MESSAGE.hello, [], { secret: SECRET, nonces: [NONCE_B, NONCE_A] }))
    expect(JSON.stringify(check(hello, [SECRET], [NONCE_B, NONCE_A]))).not.toContain(SECRET)
  })
})

describe('nonceOf', () => {
  test('finds the nonce, Cisco’s where there is no other', () => {
    const cursor = new AvpCursor()
    expect(nonceOf(viewOf(v3Message(1, SCCRQ_AVPS)), cursor)).toEqual(NONCE_A)
    expect(nonceOf(viewOf(v3Message(1, [avp(13, NONCE_B, { vendor: 9 })])), cursor)).toEqual(NONCE_B)
    expect(nonceOf(viewOf(v3Message(1, [avp(13, NONCE_B, { vendor: 9 }), avp(73, NONCE_A)])), cursor)).toEqual(NONCE_A)
    expect(nonceOf(viewOf(v3Message(1)), cursor)).toBeNull()
  })
})

describe('hidden AVPs of version 3', () => {
  const vector = fromHex('8899aabbccddeeff0011223344556677')
  const message = v3Message(V3_MESSAGE.icrq, [
    avp(36, vector),
    v3HiddenAvp(63, be32(0x01020304), { secret: SECRET, randomVector: vector }),
    v3HiddenAvp(66, 'a circuit whose name needs more than one block', { secret: SECRET, randomVector: vector }),
    v3HiddenAvp(68, be16(5), { secret: SECRET, randomVector: vector, padding: new Uint8Array(30) }),
  ])

  test('are recovered with the derived key', () => {
    const { control, findings } = describeControl(viewOf(message), new AvpCursor(), (hidden) =>
      recoverHidden(hidden, [hidingKey(Buffer.from(SECRET))]),
    )
    expect(findings).toEqual([])
    expect(control).toMatchObject({
      localSessionId: 0x01020304,
      remoteEndId: 'a circuit whose name needs more than one block',
      pseudowireType: 5,
    })
  })

  test('are not recovered with the secret itself, which is the way of version 2', () => {
    const { avps } = describeControl(viewOf(message), new AvpCursor(), (hidden) =>
      recoverHidden(hidden, [Buffer.from(SECRET)]),
    )
    expect(avps[2]?.recovery).toBe('wrong_secret')
  })
})
