import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { describeEap, EAP_CODE, EAP_TYPE, type EapRecord, eapTypeName } from '../../src/wire/eap.ts'
import { PppControlView } from '../../src/wire/ppp-control.ts'
import { ascii, controlPacket, FAILURE, NT_RESPONSE, SUCCESS, V2_RESPONSE } from '../support/ppp-control.ts'

const control = new PppControlView()

function packet(code: number, data: string): Uint8Array {
  return controlPacket(code, 9, data)
}

function eap(code: number, data: string): EapRecord {
  const bytes = packet(code, data)
  expect(control.decode(bytes, 0, bytes.length)).toBeNull()
  return describeEap(control)
}

describe('describeEap', () => {
  const eapType = (code: number, type: number, data = '') => eap(code, type.toString(16).padStart(2, '0') + data)
  const request = (type: number, data = '') => eapType(EAP_CODE.REQUEST, type, data)
  const response = (type: number, data = '') => eapType(EAP_CODE.RESPONSE, type, data)

  test('reads the header of every code', () => {
    expect(eap(3, '')).toEqual({ code: 3, codeName: 'Success', identifier: 9, length: 4 })
    expect(eap(4, '')).toEqual({ code: 4, codeName: 'Failure', identifier: 9, length: 4 })
    expect(eap(5, '01')).toMatchObject({ codeName: 'Initiate', type: 1, typeName: 'Re-auth-Start' })
    expect(eap(6, '02')).toMatchObject({ codeName: 'Finish', typeName: 'Re-auth' })
    expect(eap(3, '00').flaw).toBe('eap.length')
    expect(eap(7, '01').flaw).toBe('eap.code')
    expect(eap(1, '').flaw).toBe('eap.truncated')
    expect(eap(5, '').flaw).toBe('eap.truncated')
  })

  test('reads identities, without the options behind a zero octet', () => {
    expect(response(1, ascii('CORP\\alice'))).toEqual({
      code: 2,
      codeName: 'Response',
      identifier: 9,
      length: 15,
      type: 1,
      typeName: 'Identity',
      method: { kind: 'identity', identity: 'CORP\\alice' },
    })
    expect(request(1, `${ascii('Name')}00${ascii('networkid=x')}`).method).toEqual({
      kind: 'identity-request',
      message: 'Name',
    })
  })

  test('reads Notification and Nak', () => {
    expect(request(2, ascii('expires soon')).method).toEqual({ kind: 'notification', message: 'expires soon' })
    expect(response(3, '191a00').method).toEqual({
      kind: 'nak',
      desired: [
        { type: 25, name: 'PEAP' },
        { type: 26, name: 'EAP-MSCHAPv2' },
        { type: 0, name: 'none' },
      ],
    })
    expect(response(3).flaw).toBe('eap.truncated')
  })

  test('reads MD5-Challenge', () => {
    const value = '279d58987ca00341b39bb53a1321d6dc'
    expect(response(4, `10${value}${ascii('alice')}`).method).toEqual({
      kind: 'md5',
      valueSize: 16,
      value,
      name: 'alice',
    })
    expect(request(4).flaw).toBe('eap.truncated')
    expect(request(4, '00').flaw).toBe('eap.md5_value_size')
    expect(request(4, '10aabb').flaw).toBe('eap.md5_value_size')
  })

  test('tells what a token is asked, and of the answer only its length', () => {
    for (const type of [EAP_TYPE.OTP, EAP_TYPE.GTC]) {
      expect(request(type, ascii('Password:')).method).toEqual({ kind: 'token', message: 'Password:' })
      expect(response(type, ascii('123456')).method).toEqual({ kind: 'token', responseLength: 6 })
    }
  })

  test('reads the flags and lengths of the TLS family', () => {
    expect(request(EAP_TYPE.PEAP, '21').method).toEqual({
      kind: 'tls',
      lengthIncluded: false,
      moreFragments: false,
      start: true,
      version: 1,
      dataLength: 0,
    })
    expect(response(EAP_TYPE.TLS, 'c0 00001000 160301').method).toMatchObject({
      lengthIncluded: true,
      moreFragments: true,
      version: 0,
      tlsLength: 4096,
      dataLength: 3,
    })
    expect(request(EAP_TYPE.TEAP, '31 00000004 00010000').method).toMatchObject({ outerTlvLength: 4, dataLength: 0 })
    expect(request(EAP_TYPE.TTLS, '20').typeName).toBe('EAP-TTLS')
    expect(request(EAP_TYPE.FAST, '21 0004 0000').method).toMatchObject({ version: 1, dataLength: 4 })
  })

  test('names what is malformed in the TLS family', () => {
    expect(request(EAP_TYPE.TLS).flaw).toBe('eap.truncated')
    expect(request(EAP_TYPE.TLS, '80 000010').flaw).toBe('eap.truncated')
    expect(request(EAP_TYPE.TLS, '80 00000001 1603').flaw).toBe('eap.tls_length')
    expect(request(EAP_TYPE.TEAP, '30 00000005 00').flaw).toBe('eap.tls_length')
  })

  test('reads EAP-MSCHAPv2 from challenge to acknowledgement', () => {
    const challenge = '5b5d7c7d7b3f2f3e3c2c602132262628'
    expect(request(26, `01 09 0018 10 ${challenge}${ascii('nas')}`)).toMatchObject({
      typeName: 'EAP-MSCHAPv2',
      method: { kind: 'mschapv2', opCodeName: 'Challenge', msChapIdentifier: 9, challenge, name: 'nas' },
    })
    expect(response(26, `02 09 003a 31 ${V2_RESPONSE}${ascii('User')}`)).toMatchObject({
      method: { opCodeName: 'Response', response: { version: 2, ntResponse: NT_RESPONSE }, name: 'User' },
    })
    expect(request(26, `03 09 0037 ${ascii(SUCCESS)}`)).toMatchObject({
      method: { opCodeName: 'Success', success: { message: 'Welcome' } },
    })
    const failure = request(26, `04 09 00${(4 + FAILURE.length).toString(16)} ${ascii(FAILURE)}`)
    expect(failure).toMatchObject({ method: { opCodeName: 'Failure', failure: { errorCode: 691, version: 3 } } })
    for (const record of [failure, response(26, '03'), response(26, '04')]) expect(record.flaw).toBeUndefined()
    expect(response(26, `07 09 024a ${'aa'.repeat(580)}0000`)).toMatchObject({
      method: { opCodeName: 'Change-Password', passwordChange: { version: 3, flags: 0 } },
    })
  })

  test('names what is malformed in EAP-MSCHAPv2 and keeps what was read', () => {
    expect(request(26).flaw).toBe('eap.truncated')
    expect(request(26, '010900').flaw).toBe('eap.mschapv2_length')
    expect(request(26, '01090004').flaw).toBe('eap.truncated')
    expect(request(26, '0109000608 11').flaw).toBe('eap.mschapv2_value_size')
    expect(response(26, `02 09 0007 31 ${'00'.repeat(2)}`).flaw).toBe('eap.mschapv2_value_size')
    expect(request(26, `03 09 0006 ${ascii('ok')}`).flaw).toBe('eap.mschapv2_format')
    expect(request(26, `04 09 0006 ${ascii('no')}`).flaw).toBe('eap.mschapv2_format')
    expect(response(26, `07 09 0006 0000`).flaw).toBe('eap.mschapv2_length')
    const wrong = response(26, `02 09 0001 31 ${V2_RESPONSE}${ascii('User')}`)
    expect(wrong).toMatchObject({ method: { name: 'User' }, flaw: 'eap.mschapv2_length' })
  })

  test('reads EAP-SIM and EAP-AKA', () => {
    const identity = '1244070100000001@eapsim.foo'
    const padded = `${ascii(identity)}00`
    expect(response(18, `0a 0000 0e08 001b ${padded} 1001 0001`).method).toEqual({
      kind: 'sim',
      subtype: 10,
      subtypeName: 'SIM-Start',
      attributes: [14, 16],
      identity,
    })
    expect(request(23, '0c 0000 0c01 4000').method).toMatchObject({ subtypeName: 'Notification', notification: 16384 })
    expect(response(50, '0e 0000 1601 0002').method).toMatchObject({ subtypeName: 'Client-Error', clientError: 2 })
    expect(response(18, `0a 0000 0e02 0004 ${ascii('1244')}`).method).toMatchObject({ identity: '1244' })
    for (const data of ['0a0000 0e00 0000', '0a0000 0e02 0000', '0a0000 0e01 0004', '0a0000 0e', '0a0000 0e01 00']) {
      expect(response(18, data).flaw).toBe('eap.sim_attribute')
    }
    expect(response(18).flaw).toBe('eap.truncated')
    expect(response(18, '0a00').flaw).toBe('eap.truncated')
  })

  test('reads the identities of methods that carry their own', () => {
    expect(request(52, `01 0013 01 01 aabbccdd 00 ${ascii('server')}`).method).toEqual({
      kind: 'pwd',
      exchange: 1,
      exchangeName: 'ID',
      lengthIncluded: false,
      moreFragments: false,
      group: 19,
      randomFunction: 1,
      prf: 1,
      identity: 'server',
    })
    expect(request(52, '01 0013 01 01 aabbccdd 00').method).toMatchObject({ group: 19, identity: '' })
    expect(request(52, 'c2 0100 ffff').method).toMatchObject({ exchangeName: 'Commit', totalLength: 256 })
    expect(request(47, `00 ${'aa'.repeat(16)} ${ascii('srv')}`).method).toEqual({
      kind: 'shared-key',
      messageName: 'PSK-0',
      serverIdentity: 'srv',
    })
    expect(request(47, `00 ${'aa'.repeat(16)}`).method).toMatchObject({ serverIdentity: '' })
    expect(response(47, `40 ${'aa'.repeat(48)} ${ascii('bob')}`).method).toMatchObject({ peerIdentity: 'bob' })
    expect(request(47, `80 ${'aa'.repeat(32)}`).method).toEqual({ kind: 'shared-key', messageName: 'PSK-2' })
    expect(request(51, `01 0003 ${ascii('srv')} aaaa`).method).toMatchObject({ serverIdentity: 'srv' })
    expect(response(51, `02 0003 ${ascii('bob')} 0003 ${ascii('srv')} aaaa`).method).toEqual({
      kind: 'shared-key',
      messageName: 'GPSK-2',
      peerIdentity: 'bob',
      serverIdentity: 'srv',
    })
    expect(request(17, `01 00 08 1122334455667788 ${ascii('eve')}`).method).toEqual({
      kind: 'leap',
      version: 1,
      value: '1122334455667788',
      name: 'eve',
    })
  })

  test('names what is malformed in those methods', () => {
    for (const [type, data, flaw] of [
      [52, '', 'eap.truncated'],
      [52, '8100', 'eap.truncated'],
      [52, '01 0013 0101 aabbcc', 'eap.truncated'],
      [47, '', 'eap.truncated'],
      [47, '00 aabb', 'eap.truncated'],
      [51, '', 'eap.truncated'],
      [51, '01 00', 'eap.truncated'],
      [51, '01 0005 aa', 'eap.length'],
      [51, '02 0001 61 00', 'eap.truncated'],
      [51, '02 0001 61 0009', 'eap.length'],
      [17, '0100', 'eap.truncated'],
      [17, '010008 aa', 'eap.length'],
      [254, '000137 000000', 'eap.truncated'],
    ] as const) {
      expect(request(type, data).flaw).toBe(flaw)
    }
    expect(request(47, '00 aabb').method).toEqual({ kind: 'shared-key', messageName: 'PSK-0' })
    expect(request(51, '01 00').method).toEqual({ kind: 'shared-key', messageName: 'GPSK-1' })
  })

  test('reads expanded types', () => {
    expect(request(254, '000137 00000021 aabb').method).toEqual({
      kind: 'expanded',
      vendorId: 311,
      vendorType: 33,
      dataLength: 2,
    })
    expect(response(254, '000000 00000003 fe000000 0000000d fe000137 00000021').method).toEqual({
      kind: 'nak',
      desired: [
        { type: 13, name: 'EAP-TLS', vendorId: 0 },
        { type: 33, name: 'vendor', vendorId: 311 },
      ],
    })
    expect(request(254, '000137 00000021').method).toMatchObject({ vendorType: 33, dataLength: 0 })
    expect(response(254, '000000 00000003 fe0000').flaw).toBe('eap.truncated')
    expect(request(254, `000000 00000006 ${ascii('PIN?')}`).method).toEqual({ kind: 'token', message: 'PIN?' })
  })

  test('tells only the length of what it does not read', () => {
    expect(response(15, ascii('secret')).method).toEqual({ kind: 'opaque', dataLength: 6 })
    expect(eapTypeName(15)).toBe('SecurID')
    expect(eapTypeName(200)).toBe('unknown')
  })
})

describe('any octets', () => {
  test('never throw, and nothing is copied from beyond the packet', () => {
    const lead = fc.constantFrom('', '01', '04', '0d', '11', '12', '19', '1a', '2f', '33', '34', '37', 'fe')
    fc.assert(
      fc.property(fc.integer({ min: 0, max: 8 }), lead, fc.uint8Array({ maxLength: 70 }), (code, type, data) => {
        const alone = packet(code, type + Buffer.from(data).toString('hex'))
        const followed = Uint8Array.from([...alone, ...new Uint8Array(100).fill(0x41)])
        const all = (bytes: Uint8Array) => {
          expect(control.decode(bytes, 0, bytes.length)).toBeNull()
          return [describeEap(control)]
        }
        expect(all(followed)).toEqual(all(alone))
      }),
      { numRuns: 2000 },
    )
  })
})
