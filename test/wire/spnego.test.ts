import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { describeSecurityBlob } from '../../src/wire/security-blob.ts'
import { describeGss, type GssRecord } from '../../src/wire/spnego.ts'
import { application, context, octets, oid, sequence } from '../support/ber.ts'
import { concat, fromHex } from '../support/craft.ts'
import { apRep, apReq } from '../support/kerberos.ts'
import {
  kerberosToken,
  negTokenInit,
  negTokenResp,
  ntlmAuthenticate,
  ntlmChallenge,
  ntlmNegotiate,
  OID_KERBEROS,
  OID_MS_KERBEROS,
  OID_NTLM,
} from '../support/ntlm.ts'
import { inWindow } from '../support/window.ts'

/** The offer of a Samba server: Kerberos under both of its numbers, NTLM, and a hint instead of a token. */
const SERVER_OFFER = fromHex(
  '604806062b0601050502a03e303ca00e300c060a2b06010401823702020aa32a3028a0261b246e6f745f646566696e65645f696e5f5246433431373840706c656173655f69676e6f7265',
)

function gss(bytes: Uint8Array): GssRecord {
  return describeGss(bytes, 0, bytes.length)
}

function blob(bytes: Uint8Array) {
  return describeSecurityBlob(bytes, 0, bytes.length)
}

describe('an offer', () => {
  test('lists the mechanisms by name, best first, each once', () => {
    expect(gss(negTokenInit([OID_MS_KERBEROS, OID_KERBEROS, OID_NTLM, '1.2.3']))).toEqual({
      mechanisms: ['Kerberos', 'NTLM', '1.2.3'],
    })
  })

  test('of a server has a hint and no token', () => {
    expect(gss(SERVER_OFFER)).toEqual({ mechanisms: ['NTLM'], mechanism: 'NTLM' })
  })

  test('may bring a token of what is preferred', () => {
    expect(blob(negTokenInit([OID_NTLM], ntlmNegotiate()))).toMatchObject({
      mechanisms: ['NTLM'],
      mechanism: 'NTLM',
      ntlm: { messageName: 'NEGOTIATE' },
    })
    expect(blob(negTokenInit([OID_KERBEROS, OID_NTLM], kerberosToken(apReq('CORP', 'cifs/files', 18))))).toMatchObject({
      mechanism: 'Kerberos',
      kerberos: { messageName: 'AP-REQ', ticket: { service: 'cifs/files' } },
    })
  })
})

describe('an answer', () => {
  test('tells the state, the choice, and brings the next token', () => {
    expect(
      blob(negTokenResp({ state: 1, mechanism: OID_NTLM, token: ntlmChallenge({ computer: 'DC1' }) })),
    ).toMatchObject({
      state: 'accept-incomplete',
      mechanism: 'NTLM',
      ntlm: { messageName: 'CHALLENGE', target: { netbiosComputerName: 'DC1' } },
    })
    expect(blob(negTokenResp({ state: 0 }))).toEqual({ state: 'accept-completed' })
    expect(blob(negTokenResp({ state: 2 }))).toEqual({ state: 'reject' })
    expect(blob(negTokenResp({ token: ntlmAuthenticate({ user: 'bob' }) }))).toMatchObject({ ntlm: { user: 'bob' } })
  })

  test('may hold Kerberos with and without its frame', () => {
    expect(blob(negTokenResp({ token: apRep() })).kerberos?.messageName).toBe('AP-REP')
    expect(blob(negTokenResp({ token: kerberosToken(apRep(), 0x0002) })).kerberos?.messageName).toBe('AP-REP')
  })
})

describe('without a negotiation', () => {
  test('NTLM and Kerberos are known by themselves', () => {
    expect(blob(ntlmNegotiate())).toMatchObject({ mechanism: 'NTLM', ntlm: { messageName: 'NEGOTIATE' } })
    expect(blob(apReq('CORP', 'ldap/dc1', 23))).toMatchObject({
      mechanism: 'Kerberos',
      kerberos: { ticket: { etype: 23 } },
    })
    expect(blob(kerberosToken(apReq('CORP', 'ldap/dc1', 23)))).toMatchObject({ kerberos: { messageName: 'AP-REQ' } })
  })

  test('a wrapped message of Kerberos is no login', () => {
    expect(gss(kerberosToken(fromHex('ffffffff'), 0x0102))).toMatchObject({
      mechanism: 'Kerberos',
      token: { kind: 'other' },
    })
  })

  test('anything else is nothing', () => {
    expect(blob(fromHex('30 03 020101'))).toEqual({})
    expect(gss(application(0, oid('1.2.3.4'), octets('x')))).toMatchObject({
      mechanism: '1.2.3.4',
      token: { kind: 'other' },
    })
  })
})

describe('a malformed token', () => {
  const all = [
    negTokenInit([OID_KERBEROS, OID_NTLM], kerberosToken(apReq('CORP', 'cifs/files', 18))),
    negTokenResp({ state: 1, mechanism: OID_NTLM, token: ntlmChallenge({ computer: 'DC1' }) }),
  ]

  test('every truncation is a flaw, and of what the capture cut it is none', () => {
    for (const token of all) {
      for (let end = 1; end < token.length; end++) {
        expect(describeSecurityBlob(token, 0, end).flaw).toBeDefined()
        expect(describeSecurityBlob(token, 0, end, token.length).flaw).toBeUndefined()
      }
    }
  })

  test('an element that lies about its length is named', () => {
    expect(blob(context(1, sequence(concat(fromHex('a2 20 04 02'), fromHex('0000'))))).flaw).toBe('ber.length')
  })

  test('with one octet changed nothing outside the window is read', () => {
    fc.assert(
      fc.property(fc.constantFrom(...all), fc.nat(), fc.nat(255), (token, at, octet) => {
        const bytes = Uint8Array.from(token)
        bytes[at % bytes.length] = octet
        const { among, elsewhere } = inWindow(bytes, (buffer, start, end) => describeSecurityBlob(buffer, start, end))
        expect(among).toEqual(elsewhere)
      }),
      { numRuns: 2000 },
    )
  })
})
