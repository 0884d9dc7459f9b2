import { describe, expect, test } from 'vitest'
import { L2tpView } from '../../src/wire/l2tp.ts'
import { AvpCursor, type ControlDescription, describeControl } from '../../src/wire/l2tp-avp.ts'
import { recoverHidden, verifyChallengeResponse } from '../../src/wire/l2tp-hidden.ts'
import { avp, challengeResponse, fromHex, hiddenAvp as craftHidden, l2tpControl } from '../support/craft.ts'

const VECTOR = fromHex('00112233445566778899aabbccddeeff')
const OTHER_VECTOR = fromHex('0f1e2d3c')
const ICRQ = avp(0, Uint8Array.of(0, 10))

function read(bytes: Uint8Array, secrets: readonly string[]): ControlDescription {
  const view = new L2tpView()
  expect(view.decode(bytes, 0, bytes.length)).toBeNull()
  const keys = secrets.map((secret) => Buffer.from(secret))
  return describeControl(view, new AvpCursor(), (hidden) => recoverHidden(hidden, keys))
}

function hiddenAvp(type: number, value: string | number[], randomVector: Uint8Array, padding = 0): Uint8Array {
  const octets = typeof value === 'string' ? value : Uint8Array.from(value)
  return craftHidden(type, octets, { secret: 's3cret', randomVector, padding: new Uint8Array(padding).fill(0xa5) })
}

describe('recoverHidden', () => {
  test('recovers values of less than a block, one block and many', () => {
    for (const length of [1, 13, 14, 15, 30, 31, 100]) {
      const number = '5'.repeat(length)
      const message = l2tpControl([ICRQ, avp(36, VECTOR), hiddenAvp(21, number, VECTOR)])
      expect(read(message, ['s3cret']).control.calledNumber).toBe(number)
    }
  })

  test('recovers an empty value', () => {
    const message = l2tpControl([ICRQ, avp(36, VECTOR), hiddenAvp(23, '', VECTOR)])
    expect(read(message, ['s3cret']).control.subAddress).toBe('')
  })

  test('leaves padding off', () => {
    for (const padding of [1, 13, 14, 40]) {
      const message = l2tpControl([ICRQ, avp(36, VECTOR), hiddenAvp(14, [0x12, 0x34], VECTOR, padding)])
      expect(read(message, ['s3cret'])).toMatchObject({ control: { assignedSessionId: 0x1234 }, findings: [] })
    }
  })

  test('uses the last random vector before the AVP', () => {
    const message = l2tpControl([
      ICRQ,
      avp(36, VECTOR),
      hiddenAvp(21, '123', VECTOR),
      avp(36, OTHER_VECTOR),
      hiddenAvp(22, '456', OTHER_VECTOR),
    ])
    expect(read(message, ['s3cret'])).toMatchObject({
      control: { calledNumber: '123', callingNumber: '456' },
      findings: [],
    })
  })

  test('says which of several secrets it was', () => {
    const message = l2tpControl([ICRQ, avp(36, VECTOR), hiddenAvp(21, '5551234', VECTOR)])
    expect(read(message, ['wrong', 'also wrong', 's3cret']).avps[2]).toMatchObject({
      name: 'calledNumber',
      hidden: true,
      value: '5551234',
      recovery: 'recovered',
      secretIndex: 2,
    })
  })

  test('knows a wrong secret and shows no value', () => {
    const message = l2tpControl([ICRQ, avp(36, VECTOR), hiddenAvp(21, '5551234', VECTOR)])
    const { avps, control } = read(message, ['wrong', 'also wrong'])
    expect(avps[2].recovery).toBe('wrong_secret')
    expect(avps[2]).not.toHaveProperty('value')
    expect(control).not.toHaveProperty('calledNumber')
  })

  test('knows a wrong secret by a value that the attribute cannot have', () => {
    const tooLong = l2tpControl([ICRQ, avp(36, VECTOR), hiddenAvp(14, [1, 2, 3], VECTOR)])
    expect(read(tooLong, ['s3cret']).avps[2].recovery).toBe('wrong_secret')
    const notText = l2tpControl([ICRQ, avp(36, VECTOR), hiddenAvp(21, [0xff, 0x01, 0x80], VECTOR)])
    expect(read(notText, ['s3cret']).avps[2].recovery).toBe('wrong_secret')
  })

  test('without a random vector there is nothing to recover', () => {
    const message = l2tpControl([ICRQ, hiddenAvp(21, '5551234', VECTOR), avp(36, VECTOR)])
    const described = read(message, ['s3cret'])
    expect(described.avps[1].recovery).toBe('no_vector')
    expect(described.findings).toEqual(['l2tp.avp_no_vector'])
  })

  test('a vector does not outlive its message', () => {
    const first = new L2tpView()
    const second = new L2tpView()
    const withVector = l2tpControl([ICRQ, avp(36, VECTOR)])
    const without = l2tpControl([ICRQ, hiddenAvp(21, '1', VECTOR)])
    first.decode(withVector, 0, withVector.length)
    second.decode(without, 0, without.length)
    const cursor = new AvpCursor()
    describeControl(first, cursor)
    const described = describeControl(second, cursor, (hidden) => recoverHidden(hidden, [Buffer.from('s3cret')]))
    expect(described.avps[1].recovery).toBe('no_vector')
  })

  test('without a secret it says so', () => {
    const message = l2tpControl([ICRQ, avp(36, VECTOR), hiddenAvp(21, '5551234', VECTOR)])
    expect(read(message, []).avps[2].recovery).toBe('no_secret')
  })

  test('a hidden AVP too short for its original length fits no secret', () => {
    for (const value of [[], [7]]) {
      const described = read(l2tpControl([ICRQ, avp(36, VECTOR), avp(21, Uint8Array.from(value), { hidden: true })]), [
        's3cret',
      ])
      expect(described.avps[2].recovery).toBe('wrong_secret')
      expect(described.findings).toEqual(['l2tp.avp_hidden_short'])
    }
  })

  test('a hidden AVP that is shorter than its original length says fits no secret', () => {
    const cut = hiddenAvp(21, '5551234', VECTOR).subarray(6, -1)
    const described = read(l2tpControl([ICRQ, avp(36, VECTOR), avp(21, cut, { hidden: true })]), ['s3cret'])
    expect(described.avps[2]).toMatchObject({ recovery: 'wrong_secret' })
    expect(described.avps[2]).not.toHaveProperty('value')
  })

  test('a recovered password is still not shown', () => {
    const message = l2tpControl([ICRQ, avp(36, VECTOR), avp(29, Uint8Array.of(0, 3)), hiddenAvp(33, 'hunter2', VECTOR)])
    const described = read(message, ['s3cret'])
    expect(described.control.proxyAuthenResponseLength).toBe(7)
    expect(JSON.stringify(described)).not.toContain('hunter2')
    expect(JSON.stringify(described)).not.toContain(Buffer.from('hunter2').toString('hex'))
  })

  test('every truncation of a message with hidden AVPs is a flaw of its header', () => {
    const message = l2tpControl([ICRQ, avp(36, VECTOR), hiddenAvp(21, '5551234', VECTOR)])
    const view = new L2tpView()
    for (let length = 0; length < message.length; length++) expect(view.decode(message, 0, length)).not.toBeNull()
  })
})

describe('verifyChallengeResponse', () => {
  /** The handshake of two xl2tpd that share the secret "tunnelsecret". */
  const secret = Buffer.from('tunnelsecret')
  const challengeOfLac = fromHex('e1c2f01f5c56aa52d44f2fa0b8c58cf8')
  const responseInSccrp = fromHex('fa4923a86e59583aa1af20479134ba0d')
  const challengeOfLns = fromHex('dcffe5fd81e212377fddabfea2e113e6')
  const responseInScccn = fromHex('08aac82d4dbe973da046fdbff23e35b3')

  test('accepts the responses of a real handshake, both ways', () => {
    expect(verifyChallengeResponse(2, secret, challengeOfLac, responseInSccrp)).toBe(true)
    expect(verifyChallengeResponse(3, secret, challengeOfLns, responseInScccn)).toBe(true)
  })

  test('accepts what a peer computes, for any length of secret and challenge', () => {
    for (const length of [1, 15, 16, 64, 200]) {
      const challenge = new Uint8Array(length).fill(length)
      const shared = 'x'.repeat(length)
      const response = challengeResponse(2, shared, challenge)
      expect(verifyChallengeResponse(2, Buffer.from(shared), challenge, response)).toBe(true)
    }
  })

  test('refuses another secret, another message, another challenge', () => {
    expect(verifyChallengeResponse(2, Buffer.from('wrongsecret'), challengeOfLac, responseInSccrp)).toBe(false)
    expect(verifyChallengeResponse(3, secret, challengeOfLac, responseInSccrp)).toBe(false)
    expect(verifyChallengeResponse(2, secret, challengeOfLns, responseInSccrp)).toBe(false)
  })

  test('refuses a response that is not a digest', () => {
    expect(verifyChallengeResponse(2, secret, challengeOfLac, responseInSccrp.subarray(0, 15))).toBe(false)
    expect(verifyChallengeResponse(2, secret, challengeOfLac, new Uint8Array(0))).toBe(false)
  })

  test('refuses what an initiator with another secret was answered', () => {
    const challenge = fromHex('8f4eeda2e9ff2f80bcd50790524c2ebe')
    const response = fromHex('10b1d651411ab5d63dbf3df1f025f00e')
    expect(verifyChallengeResponse(2, secret, challenge, response)).toBe(true)
    expect(verifyChallengeResponse(2, Buffer.from('wrongsecret'), challenge, response)).toBe(false)
  })
})
