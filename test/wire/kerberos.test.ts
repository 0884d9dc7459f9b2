import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { describeKerberos, isKerberos, type KerberosRecord, kerberosRecordLength } from '../../src/wire/kerberos.ts'
import { isWeakEtype } from '../../src/wire/kerberos-tables.ts'
import { application, context, integer, octets, sequence } from '../support/ber.ts'
import { be32, concat, fromHex, utf8 } from '../support/craft.ts'
import {
  apRep,
  apReq,
  asRep,
  asReq,
  CIPHER_OCTET,
  encrypted,
  etypeInfo2,
  forUser,
  hostAddress,
  krbError,
  padata,
  provenAsReq,
  tgsRep,
  tgsReq,
  ticket,
} from '../support/kerberos.ts'
import { inWindow } from '../support/window.ts'

function told(bytes: Uint8Array): KerberosRecord {
  return describeKerberos(bytes, 0, bytes.length)
}

const ALL = [
  asReq(),
  provenAsReq({ addresses: [hostAddress(2, fromHex('0a090014'))] }),
  asRep({ padata: [etypeInfo2(18)] }),
  tgsReq({ service: 'cifs/files.corp.example', padata: [forUser('bob', 'CORP.EXAMPLE')] }),
  tgsRep({ service: 'cifs/files.corp.example', ticketEtype: 23 }),
  krbError(25, { client: 'alice', text: 'need more', data: sequence(etypeInfo2(18, 23), padata(2)) }),
  apReq('CORP.EXAMPLE', 'ldap/dc1', 18),
  apRep(),
]

describe('a request for a first ticket', () => {
  test('tells who wants what, with which encryption', () => {
    expect(told(asReq())).toEqual({
      messageType: 10,
      messageName: 'AS-REQ',
      client: 'alice',
      clientNameType: 'NT-PRINCIPAL',
      clientRealm: 'CORP.EXAMPLE',
      service: 'krbtgt/CORP.EXAMPLE',
      serviceNameType: 'NT-SRV-INST',
      serviceRealm: 'CORP.EXAMPLE',
      kdcOptions: ['forwardable', 'renewable', 'canonicalize', 'renewable-ok'],
      till: '20370913024805Z',
      nonce: 0x12345678,
      etypes: [18, 17, 23],
      etypeNames: ['aes256-cts-hmac-sha1-96', 'aes128-cts-hmac-sha1-96', 'rc4-hmac'],
      hasProof: false,
    })
  })

  test('tells whether the client proves to know its key', () => {
    expect(told(provenAsReq({}, 23))).toMatchObject({
      hasProof: true,
      preauthentication: [2, 128],
      preauthenticationNames: ['PA-ENC-TIMESTAMP', 'PA-PAC-REQUEST'],
      proofEtype: 23,
      proofEtypeName: 'rc4-hmac',
      includesPac: true,
    })
    expect(told(asReq({ padata: [padata(149), padata(150)] })).hasProof).toBe(false)
    for (const proof of [16, 136, 138, 151]) expect(told(asReq({ padata: [padata(proof)] })).hasProof).toBe(true)
  })

  test('may be protected by a ticket that the client has', () => {
    const armor = sequence(context(0, integer(1)), context(1, octets(apReq('CORP.EXAMPLE', 'krbtgt/CORP.EXAMPLE', 18))))
    const fast = padata(136, context(0, sequence(context(0, armor))))
    expect(told(asReq({ padata: [fast] }))).toMatchObject({
      hasProof: true,
      ticket: { service: 'krbtgt/CORP.EXAMPLE', etype: 18 },
    })
    const answer = padata(136, context(0, sequence(context(0, encrypted(18)))))
    expect(told(asRep({ padata: [answer] })).ticket?.service).toBe('krbtgt/CORP.EXAMPLE')
  })

  test('may have a nonce whose highest bit is set', () => {
    const bytes = asReq()
    bytes[Buffer.from(bytes).indexOf('12345678', 'hex')] = 0xb2
    expect(told(bytes).nonce).toBe(0xb2345678)
  })

  test('may name the machine that asks', () => {
    const addresses = [
      hostAddress(20, utf8('PC7             ')),
      hostAddress(2, fromHex('0a090014')),
      hostAddress(24, fromHex('fe80000000000000 0000000000000001')),
    ]
    expect(told(asReq({ addresses })).hostAddresses).toEqual(['PC7', '10.9.0.20', 'fe80::1'])
  })
})

describe('a request for the ticket of a service', () => {
  test('shows a ticket, and may ask in the name of another', () => {
    const record = told(
      tgsReq({
        service: 'host/pc9.corp.example',
        options: 0x00020000,
        padata: [forUser('admin', 'CORP.EXAMPLE')],
        tickets: [ticket('CORP.EXAMPLE', 'http/web', 23)],
      }),
    )
    expect(record).toMatchObject({
      messageName: 'TGS-REQ',
      service: 'host/pc9.corp.example',
      ticket: { service: 'krbtgt/CORP.EXAMPLE', etype: 18, cipherLength: 64 },
      impersonated: 'admin',
      impersonatedRealm: 'CORP.EXAMPLE',
      kdcOptions: ['cname-in-addl-tkt'],
      additionalTickets: [{ service: 'http/web', etypeName: 'rc4-hmac' }],
    })
    expect(record).not.toHaveProperty('hasProof')
  })
})

describe('a reply', () => {
  test('tells what the ticket and the answer are encrypted with', () => {
    expect(told(asRep({ etype: 23, ticketEtype: 18, padata: [etypeInfo2(23)] }))).toMatchObject({
      messageName: 'AS-REP',
      client: 'alice',
      clientRealm: 'CORP.EXAMPLE',
      ticket: { realm: 'CORP.EXAMPLE', service: 'krbtgt/CORP.EXAMPLE', etypeName: 'aes256-cts-hmac-sha1-96' },
      etype: 23,
      etypeName: 'rc4-hmac',
      cipherLength: 64,
      offeredEtypes: [23],
    })
    expect(told(tgsRep({ service: 'MSSQLSvc/db1:1433', ticketEtype: 23 }))).toMatchObject({
      messageName: 'TGS-REP',
      ticket: { service: 'MSSQLSvc/db1:1433', etype: 23 },
    })
  })
})

describe('an error', () => {
  test('has a name, and says what the KDC would accept', () => {
    expect(told(krbError(25, { client: 'alice', data: sequence(etypeInfo2(18, 23), padata(2)) }))).toMatchObject({
      messageName: 'KRB-ERROR',
      errorCode: 25,
      errorName: 'KDC_ERR_PREAUTH_REQUIRED',
      client: 'alice',
      service: 'krbtgt/CORP.EXAMPLE',
      serverTime: '20260101120000Z',
      offeredEtypes: [18, 23],
      preauthentication: [19, 2],
    })
    expect(told(krbError(6, { text: 'no such user' }))).toMatchObject({
      errorName: 'KDC_ERR_C_PRINCIPAL_UNKNOWN',
      errorText: 'no such user',
    })
    expect(told(krbError(9999)).errorName).toBe('9999')
  })

  test('of another kind may carry anything', () => {
    expect(told(krbError(68, { data: fromHex('ff ff ff') })).flaw).toBeUndefined()
  })
})

describe('what a service is shown', () => {
  test('names the service and how strong its ticket is', () => {
    expect(told(apReq('CORP.EXAMPLE', 'cifs/files', 23))).toEqual({
      messageType: 14,
      messageName: 'AP-REQ',
      apOptions: ['mutual-required'],
      ticket: { realm: 'CORP.EXAMPLE', service: 'cifs/files', etype: 23, etypeName: 'rc4-hmac', cipherLength: 64 },
    })
    expect(told(apRep())).toMatchObject({ messageName: 'AP-REP', etype: 18 })
  })
})

describe('weak encryption', () => {
  test('is that of DES and RC4', () => {
    expect([1, 3, 16, 23, 24, -128, -135].every(isWeakEtype)).toBe(true)
    expect([17, 18, 19, 20, 25, 26].some(isWeakEtype)).toBe(false)
  })
})

describe('ciphertext', () => {
  test('is never told', () => {
    const digits = CIPHER_OCTET.toString(16)
    for (const message of ALL) {
      const text = JSON.stringify(told(message))
      expect(text).not.toContain(digits + digits)
      expect(text).not.toContain('\ufffd')
      expect(text).not.toContain(`${CIPHER_OCTET},${CIPHER_OCTET}`)
    }
  })
})

describe('a malformed message', () => {
  test('has a named flaw', () => {
    expect(told(application(9, sequence(integer(5)))).flaw).toBe('kerberos.message_type')
    expect(told(application(10, integer(5)))).toMatchObject({ messageName: 'AS-REQ', flaw: 'kerberos.field' })
    expect(told(fromHex('')).flaw).toBe('ber.truncated')
    expect(told(fromHex('6a 80 30 80')).flaw).toBe('ber.indefinite')
  })

  test('every truncation is a flaw, and of what the capture cut it is none', () => {
    for (const message of ALL) {
      for (let end = 0; end < message.length; end++) {
        expect(describeKerberos(message, 0, end).flaw).toBeDefined()
        const cut = describeKerberos(message, 0, end, message.length)
        expect(cut.flaw).toBeUndefined()
        expect(cut.isSnapped).toBe(true)
      }
    }
  })

  test('with one octet changed nothing outside the window is read', () => {
    fc.assert(
      fc.property(fc.constantFrom(...ALL), fc.nat(), fc.nat(255), (message, at, octet) => {
        const bytes = Uint8Array.from(message)
        bytes[at % bytes.length] = octet
        const { among, elsewhere } = inWindow(bytes, (buffer, start, end) => describeKerberos(buffer, start, end))
        expect(among).toEqual(elsewhere)
      }),
      { numRuns: 2000 },
    )
  })
})

describe('over TCP', () => {
  test('a message follows its length', () => {
    const message = asReq()
    const stream = concat(be32(message.length), message)
    for (let end = 0; end <= stream.length; end++)
      expect(kerberosRecordLength(stream, 0, end)).toBe(end < 4 ? 0 : stream.length)
    expect(isKerberos(stream, 4, stream.length)).toBe(true)
  })

  test('what has another form is none', () => {
    expect(kerberosRecordLength(fromHex('ffffffff 6a'), 0, 5)).toBe(-1)
    expect(kerberosRecordLength(fromHex('00000010 30'), 0, 5)).toBe(-1)
    expect(isKerberos(fromHex('30 82 00 00'), 0, 4)).toBe(false)
  })
})
