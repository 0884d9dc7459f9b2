import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import {
  CHAP_CODE,
  type ChapRecord,
  describeChap,
  describePap,
  PAP_CODE,
  type PapRecord,
} from '../../src/wire/ppp-auth.ts'
import { PppControlView } from '../../src/wire/ppp-control.ts'
import { CHAP_ALGORITHM } from '../../src/wire/ppp-options.ts'
import {
  ascii,
  controlPacket,
  FAILURE,
  NT_RESPONSE,
  PEER_CHALLENGE,
  SUCCESS,
  V2_RESPONSE,
} from '../support/ppp-control.ts'

const control = new PppControlView()

function packet(code: number, data: string): Uint8Array {
  return controlPacket(code, 9, data)
}

function pap(code: number, data: string): PapRecord {
  const bytes = packet(code, data)
  expect(control.decode(bytes, 0, bytes.length)).toBeNull()
  return describePap(control)
}

function chap(code: number, data: string, algorithm?: number): ChapRecord {
  const bytes = packet(code, data)
  expect(control.decode(bytes, 0, bytes.length)).toBeNull()
  return describeChap(control, algorithm)
}

const V1_RESPONSE = `${'00'.repeat(24)}${NT_RESPONSE}01`

describe('describePap', () => {
  test('tells who asks, and of the password only its length', () => {
    const record = pap(PAP_CODE.AUTHENTICATE_REQUEST, `05${ascii('alice')}0c${ascii('S3cret-alice')}`)
    expect(record).toEqual({
      code: 1,
      codeName: 'Authenticate-Request',
      identifier: 9,
      length: 23,
      peerId: 'alice',
      passwordLength: 12,
    })
  })

  test('tells the message of an answer', () => {
    expect(pap(2, `08${ascii('Login ok')}`)).toMatchObject({ codeName: 'Authenticate-Ack', message: 'Login ok' })
    expect(pap(3, `02${ascii('no')}`)).toMatchObject({ codeName: 'Authenticate-Nak', message: 'no' })
  })

  test('accepts an answer without a message and an empty user', () => {
    expect(Object.keys(pap(2, ''))).toEqual(['code', 'codeName', 'identifier', 'length'])
    expect(pap(2, '00').message).toBe('')
    expect(pap(1, '0000')).toMatchObject({ peerId: '', passwordLength: 0 })
  })

  test('names lengths that do not agree with the packet', () => {
    expect(pap(1, '').flaw).toBe('pap.truncated')
    expect(pap(1, '056162').flaw).toBe('pap.length')
    expect(pap(1, '026162').flaw).toBe('pap.truncated')
    expect(pap(1, '026162 03 6364').flaw).toBe('pap.length')
    expect(pap(1, '026162 01 63 64').flaw).toBe('pap.length')
    expect(pap(2, '056162')).toMatchObject({ message: 'ab', flaw: 'pap.length' })
    expect(pap(3, '0261626364')).toMatchObject({ message: 'ab', flaw: 'pap.length' })
    expect(pap(4, '').flaw).toBe('pap.code')
  })

  test('every truncation of a request is a flaw', () => {
    const data = `05${ascii('alice')}04${ascii('s3cr')}`
    for (let length = 0; length < data.length; length += 2) {
      expect(pap(1, data.slice(0, length)).flaw).toMatch(/^pap\.(truncated|length)$/)
    }
  })

  test('never tells an octet of the password', () => {
    const secret = 'QZQZQZQZ'
    for (let peerIdLength = 0; peerIdLength < 16; peerIdLength++) {
      for (let passwordLength = 0; passwordLength < 16; passwordLength++) {
        const lengths = Buffer.of(peerIdLength, passwordLength).toString('hex')
        const told = pap(1, `${lengths.slice(0, 2)}${ascii('alice')}${lengths.slice(2)}${ascii(secret)}`)
        expect(JSON.stringify(told)).not.toContain('QZ')
      }
    }
  })
})

describe('describeChap', () => {
  test('reads a challenge and a response of MD5', () => {
    const value = '00112233445566778899aabbccddeeff'
    expect(chap(CHAP_CODE.CHALLENGE, `10${value}${ascii('lns.example')}`, CHAP_ALGORITHM.MD5)).toEqual({
      code: 1,
      codeName: 'Challenge',
      identifier: 9,
      length: 32,
      algorithm: 5,
      algorithmName: 'MD5',
      algorithmGuessed: false,
      valueSize: 16,
      value,
      name: 'lns.example',
    })
    expect(chap(CHAP_CODE.RESPONSE, `10${value}${ascii('bob')}`)).toMatchObject({
      codeName: 'Response',
      algorithmName: 'MD5',
      algorithmGuessed: true,
      name: 'bob',
    })
  })

  test('does not guess from a challenge, which may have any size', () => {
    expect(chap(1, '0811223344556677886c6e73')).not.toHaveProperty('algorithm')
  })

  test('reads the response of MS-CHAP version 2, given or guessed', () => {
    const data = `31${V2_RESPONSE}${ascii('User')}`
    const response = { version: 2, peerChallenge: PEER_CHALLENGE, ntResponse: NT_RESPONSE, flags: 0 }
    expect(chap(2, data)).toMatchObject({ algorithm: 0x81, algorithmGuessed: true, name: 'User', valueSize: 49 })
    expect(chap(2, data).msChapResponse).toEqual(response)
    expect(chap(2, data, CHAP_ALGORITHM.MS_CHAP_V2).msChapResponse).toEqual(response)
  })

  test('tells reserved octets that are not zero', () => {
    const odd = `31${PEER_CHALLENGE}0000000000000001${NT_RESPONSE}00`
    expect(chap(2, odd, 0x81).msChapResponse).toMatchObject({ reserved: '0000000000000001' })
  })

  test('reads the response of MS-CHAP version 1, given or guessed', () => {
    const data = `31${V1_RESPONSE}${ascii('User')}`
    const response = { version: 1, lmResponse: '00'.repeat(24), ntResponse: NT_RESPONSE, usesNtResponse: true }
    expect(chap(2, data).msChapResponse).toEqual(response)
    expect(chap(2, data)).toMatchObject({ algorithm: 0x80, algorithmGuessed: true })
    expect(chap(2, data, CHAP_ALGORITHM.MS_CHAP).msChapResponse).toEqual(response)
    expect(chap(2, `31${'ab'.repeat(48)}00`).algorithm).toBe(0x80)
    expect(chap(2, `30${'ab'.repeat(48)}`)).not.toHaveProperty('algorithm')
  })

  test('reads Success and Failure of MS-CHAP', () => {
    expect(chap(3, ascii(SUCCESS))).toMatchObject({
      algorithm: 0x81,
      algorithmGuessed: true,
      message: SUCCESS,
      msChapSuccess: { authenticatorResponse: '407A5589115FD0D6209F510FE9C04566932CDA56', message: 'Welcome' },
    })
    expect(chap(4, ascii(FAILURE), 0x81).msChapFailure).toEqual({
      errorCode: 691,
      errorName: 'AUTHENTICATION_FAILURE',
      retryAllowed: true,
      challenge: '0102030405060708090a0b0c0d0e0f10',
      version: 3,
      message: 'Access denied: C=x R=0',
    })
    expect(chap(4, ascii('E=648 R=0 V=2')).algorithm).toBe(0x80)
    expect(chap(4, ascii('E=649')).msChapFailure).toEqual({ errorCode: 649, errorName: 'NO_DIALIN_PERMISSION' })
    expect(chap(4, ascii('E=1')).msChapFailure).toMatchObject({ errorName: 'unknown' })
  })

  test('leaves the words of plain CHAP alone', () => {
    expect(chap(3, ascii('Access granted'))).toEqual({
      code: 3,
      codeName: 'Success',
      identifier: 9,
      length: 18,
      message: 'Access granted',
    })
    expect(chap(4, ascii(FAILURE), CHAP_ALGORITHM.MD5)).not.toHaveProperty('msChapFailure')
    expect(chap(3, '').message).toBe('')
  })

  test('tells that a password change came, and nothing of the password', () => {
    expect(chap(5, `${'aa'.repeat(64)}00080001`)).toMatchObject({
      codeName: 'Change-Password-1',
      passwordChange: { version: 1, flags: 1, newPasswordLength: 8 },
    })
    expect(chap(6, `${'aa'.repeat(1112)}0001`).passwordChange).toEqual({ version: 2, flags: 1 })
    expect(chap(7, `${'aa'.repeat(580)}0000`).passwordChange).toEqual({ version: 3, flags: 0 })
    expect(JSON.stringify(chap(7, `${'aa'.repeat(580)}0000`))).not.toContain('aaaa')
  })

  test('names what is malformed', () => {
    expect(chap(1, '').flaw).toBe('chap.truncated')
    expect(chap(1, '00').flaw).toBe('chap.value_size')
    expect(chap(2, '10112233').flaw).toBe('chap.value_size')
    expect(chap(2, '041122334461', CHAP_ALGORITHM.MD5)).toMatchObject({ name: 'a', flaw: 'chap.value_size' })
    expect(chap(1, '041122334461', 0x81)).toMatchObject({ name: 'a', flaw: 'mschap.challenge_length' })
    expect(chap(1, '0411223344', 0x80).flaw).toBe('mschap.challenge_length')
    expect(chap(2, '041122334461', 0x81)).toMatchObject({ name: 'a', flaw: 'mschap.response_length' })
    expect(chap(3, ascii('S=12'), 0x81).flaw).toBe('mschap.success_format')
    expect(chap(4, ascii('denied'), 0x80).flaw).toBe('mschap.failure_format')
    expect(chap(5, 'aa'.repeat(67)).flaw).toBe('mschap.change_password_length')
    expect(chap(6, 'aa'.repeat(1113)).flaw).toBe('mschap.change_password_length')
    expect(chap(7, 'aa'.repeat(581)).flaw).toBe('mschap.change_password_length')
    expect(chap(8, '').flaw).toBe('chap.code')
  })

  test('every truncation of a value is a flaw; a shorter name is a name', () => {
    const data = `31${V2_RESPONSE}${ascii('User')}`
    for (let length = 0; length < data.length; length += 2) {
      const record = chap(2, data.slice(0, length))
      if (length < 100) expect(record.flaw).toMatch(/^chap\./)
      else expect(record.name).toBe('User'.slice(0, length / 2 - 50))
    }
  })
})

describe('all describers', () => {
  test('never throw and copy nothing from beyond the packet, for any octets', () => {
    fc.assert(
      fc.property(fc.integer({ min: 0, max: 8 }), fc.uint8Array({ maxLength: 70 }), (code, data) => {
        const alone = packet(code, Buffer.from(data).toString('hex'))
        const followed = Uint8Array.from([...alone, ...new Uint8Array(100).fill(0x41)])
        const all = (bytes: Uint8Array) => {
          expect(control.decode(bytes, 0, bytes.length)).toBeNull()
          return [describePap(control), describeChap(control, undefined), describeChap(control, 0x81)]
        }
        expect(all(followed)).toEqual(all(alone))
      }),
      { numRuns: 2000 },
    )
  })
})
