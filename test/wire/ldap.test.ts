import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { describeLdap, isLdap, ldapLength, type LdapRecord, ldapWrapping } from '../../src/wire/ldap.ts'
import { context, enumerated, octets, sequence } from '../support/ber.ts'
import { concat, fromHex } from '../support/craft.ts'
import { apReq } from '../support/kerberos.ts'
import {
  addRequest,
  bindResponse,
  compareRequest,
  deleteRequest,
  extendedRequest,
  filter,
  ldapMessage,
  ldapResult,
  modifyRequest,
  renameRequest,
  saslBind,
  searchEntry,
  searchRequest,
  sicilyBind,
  simpleBind,
  unbindRequest,
  wrapped,
} from '../support/ldap.ts'
import {
  kerberosToken,
  negTokenInit,
  ntlmAuthenticate,
  ntlmChallenge,
  ntlmNegotiate,
  OID_KERBEROS,
} from '../support/ntlm.ts'
import { inWindow } from '../support/window.ts'

function told(bytes: Uint8Array): LdapRecord {
  return describeLdap(bytes, 0, bytes.length)
}

function filterOf(bytes: Uint8Array): string | undefined {
  return told(searchRequest(1, { filter: bytes })).filter
}

const ALL = [
  simpleBind(1, 'cn=alice', 'S3cret-alice'),
  saslBind(2, 'GSS-SPNEGO', negTokenInit([OID_KERBEROS], kerberosToken(apReq('CORP', 'ldap/dc1', 18)))),
  bindResponse(1, 49, undefined, '80090308: LdapErr: DSID-0C090439, data 52e'),
  searchRequest(3, {
    filter: filter.and(filter.present('cn'), filter.not(filter.equal('a', 'b'))),
    attributes: ['cn'],
  }),
  searchEntry(3, 'CN=alice', { cn: ['alice'], memberOf: ['a', 'b'] }),
  ldapResult(3, 5),
  modifyRequest(4, 'CN=alice', [[2, 'description', ['hi']]]),
  addRequest(5, 'CN=pc9', { objectClass: ['computer'] }),
  renameRequest(6, 'CN=pc9', 'CN=pc10', 'CN=Users'),
  compareRequest(7, 'CN=alice', 'sn', 'x'),
  extendedRequest(8, '1.3.6.1.4.1.1466.20037'),
]

describe('a bind', () => {
  test('with a password tells who, and of the password its length', () => {
    const record = told(simpleBind(1, 'cn=alice', 'S3cret-alice'))
    expect(record).toEqual({
      messageId: 1,
      operation: 0,
      operationName: 'bindRequest',
      version: 3,
      name: 'cn=alice',
      authentication: 'simple',
      passwordLength: 12,
    })
  })

  test('without one is checked by nobody', () => {
    expect(told(simpleBind(1, '', '')).authentication).toBe('anonymous')
    expect(told(simpleBind(1, 'cn=alice', '')).authentication).toBe('unauthenticated')
  })

  test('of SASL names its mechanism and reads known tokens', () => {
    expect(told(saslBind(2, 'GSS-SPNEGO', ntlmAuthenticate({ user: 'bob' })))).toMatchObject({
      authentication: 'SASL',
      mechanism: 'GSS-SPNEGO',
      security: { mechanism: 'NTLM', ntlm: { user: 'bob' } },
    })
    expect(told(saslBind(2, 'GSSAPI', kerberosToken(apReq('CORP', 'ldap/dc1', 23))))).toMatchObject({
      security: { mechanism: 'Kerberos', kerberos: { ticket: { service: 'ldap/dc1', etype: 23 } } },
    })
  })

  test('of SASL with a password in its credentials tells nothing of them', () => {
    const record = told(saslBind(2, 'PLAIN', Buffer.from('\0alice\0S3cret-alice')))
    expect(record).toMatchObject({ mechanism: 'PLAIN' })
    expect(JSON.stringify(record)).not.toContain('S3cret')
  })

  test('in the old way of Windows carries NTLM', () => {
    expect(told(sicilyBind(1, 0x8a, ntlmNegotiate()))).toMatchObject({
      authentication: 'Sicily',
      mechanism: 'negotiate',
      security: { ntlm: { messageName: 'NEGOTIATE' } },
    })
    expect(told(sicilyBind(2, 0x8b, ntlmAuthenticate({ user: 'bob' })))).toMatchObject({
      mechanism: 'response',
      security: { ntlm: { user: 'bob' } },
    })
    expect(told(ldapResult(1, 1, { matched: ntlmChallenge({ computer: 'DC1' }) }))).toMatchObject({
      security: { ntlm: { messageName: 'CHALLENGE', target: { netbiosComputerName: 'DC1' } } },
    })
  })

  test('is answered with a code that has a name', () => {
    expect(told(bindResponse(1, 49, undefined, 'data 52e'))).toMatchObject({
      operationName: 'bindResponse',
      resultCode: 49,
      resultName: 'invalidCredentials',
      diagnosticMessage: 'data 52e',
    })
    expect(told(bindResponse(1, 14, ntlmChallenge({ computer: 'DC1' })))).toMatchObject({
      resultName: 'saslBindInProgress',
      security: { ntlm: { messageName: 'CHALLENGE' } },
    })
  })
})

describe('a search', () => {
  test('tells where, how deep, for what', () => {
    expect(
      told(searchRequest(3, { attributes: ['cn', 'memberOf'], controls: ['1.2.840.113556.1.4.841', '1.2.3'] })),
    ).toEqual({
      messageId: 3,
      operation: 3,
      operationName: 'searchRequest',
      baseObject: 'DC=corp,DC=example',
      scope: 'wholeSubtree',
      sizeLimit: 1000,
      timeLimitSeconds: 30,
      filter: '(objectClass=*)',
      attributes: ['cn', 'memberOf'],
      controls: ['1.2.840.113556.1.4.841', '1.2.3'],
      controlNames: ['DirSync', '1.2.3'],
    })
  })

  test('has a filter in the form of RFC 4515', () => {
    expect(
      filterOf(
        filter.and(
          filter.equal('objectClass', 'user'),
          filter.not(filter.matching('1.2.840.113556.1.4.803', 'userAccountControl', '2')),
          filter.or(
            filter.substrings('cn', [0, 'a'], [1, 'b'], [2, 'c']),
            filter.atLeast('adminCount', '1'),
            filter.atMost('a', '9'),
            filter.present('servicePrincipalName'),
            filter.like('sn', 'smith'),
          ),
        ),
      ),
    ).toBe(
      '(&(objectClass=user)(!(userAccountControl:1.2.840.113556.1.4.803:=2))(|(cn=a*b*c)(adminCount>=1)(a<=9)(servicePrincipalName=*)(sn~=smith)))',
    )
  })

  test('has stars where a part of a text is missing', () => {
    expect(filterOf(filter.substrings('cn', [1, 'b']))).toBe('(cn=*b*)')
    expect(filterOf(filter.substrings('cn', [2, 'c']))).toBe('(cn=*c)')
    expect(filterOf(filter.substrings('cn', [0, 'a']))).toBe('(cn=a*)')
  })

  test('escapes what means something in a filter', () => {
    expect(filterOf(filter.equal('cn', 'a*(b)\\'))).toBe('(cn=a\\2a\\28b\\29\\5c)')
    expect(filterOf(filter.equal('NtVer', fromHex('06000000')))).toBe('(NtVer=\\06\\00\\00\\00)')
  })

  test('shows no value that is a secret', () => {
    expect(filterOf(filter.equal('userPassword', 'S3cret'))).toBe('(userPassword=…)')
    expect(filterOf(filter.substrings('ms-Mcs-AdmPwd', [0, 'S3c']))).toBe('(ms-Mcs-AdmPwd=…*)')
  })

  test('has a filter as long as it may become', () => {
    const many = filter.or(...Array.from({ length: 500 }, (_, i) => filter.equal('sAMAccountName', `user${i}`)))
    expect(filterOf(many)).toHaveLength(2049)
    let deep = filter.present('a')
    for (let i = 0; i < 100; i++) deep = filter.not(deep)
    expect(told(searchRequest(1, { filter: deep })).flaw).toBe('ber.too_deep')
  })

  test('finds entries, of whose values nothing is told', () => {
    const record = told(searchEntry(3, 'CN=alice', { cn: ['alice'], 'ms-Mcs-AdmPwd': ['S3cret'] }))
    expect(record).toMatchObject({
      operationName: 'searchResEntry',
      object: 'CN=alice',
      attributes: ['cn', 'ms-Mcs-AdmPwd'],
    })
    expect(JSON.stringify(record)).not.toContain('S3cret')
    expect(told(ldapMessage(3, context(0)))).toMatchObject({ flaw: 'ldap.operation' })
  })

  test('may be sent elsewhere', () => {
    const referral = Buffer.from('ldap://dc2/')
    expect(told(ldapResult(3, 5, { code: 10, more: [context(3, octets(referral))] }))).toMatchObject({
      resultName: 'referral',
      referrals: ['ldap://dc2/'],
    })
  })
})

describe('a change', () => {
  test('tells which attributes, and the values of those that say what it is for', () => {
    expect(
      told(
        modifyRequest(4, 'CN=svc', [
          [0, 'servicePrincipalName', ['http/x', 'http/y']],
          [2, 'unicodePwd', ['S3cret']],
          [1, 'description', []],
        ]),
      ),
    ).toMatchObject({
      operationName: 'modifyRequest',
      object: 'CN=svc',
      changes: [
        { operation: 'add', attribute: 'servicePrincipalName', valueCount: 2, values: ['http/x', 'http/y'] },
        { operation: 'replace', attribute: 'unicodePwd', valueCount: 1 },
        { operation: 'delete', attribute: 'description', valueCount: 0 },
      ],
    })
  })

  test('never tells a password', () => {
    const texts = [
      modifyRequest(4, 'CN=a', [[2, 'unicodePwd', ['S3cret']]]),
      addRequest(5, 'CN=b', { userPassword: ['S3cret'], objectClass: ['user'] }),
      compareRequest(6, 'CN=c', 'userPassword', 'S3cret'),
      simpleBind(7, 'CN=d', 'S3cret'),
    ].map((bytes) => JSON.stringify(told(bytes)))
    for (const text of texts) expect(text).not.toContain('S3cret')
  })

  test('may make, rename, delete and compare entries', () => {
    expect(told(addRequest(5, 'CN=EVIL', { objectClass: ['computer'], sAMAccountName: ['EVIL$'] }))).toMatchObject({
      object: 'CN=EVIL',
      changes: [
        { attribute: 'objectClass', values: ['computer'] },
        { attribute: 'sAMAccountName', values: ['EVIL$'] },
      ],
    })
    expect(told(renameRequest(6, 'CN=pc9', 'CN=pc10', 'CN=Users'))).toMatchObject({
      object: 'CN=pc9',
      newRdn: 'CN=pc10',
      newSuperior: 'CN=Users',
    })
    expect(told(deleteRequest(7, 'CN=pc9'))).toMatchObject({ operationName: 'delRequest', object: 'CN=pc9' })
    expect(told(compareRequest(8, 'CN=pc9', 'sn', 'x'))).toMatchObject({ object: 'CN=pc9', attributes: ['sn'] })
  })
})

describe('an extension', () => {
  test('has a name', () => {
    expect(told(extendedRequest(8, '1.3.6.1.4.1.1466.20037'))).toMatchObject({
      operationName: 'extendedReq',
      extension: '1.3.6.1.4.1.1466.20037',
      extensionName: 'StartTLS',
    })
    expect(told(ldapResult(8, 24, { more: [octets('1.3.6.1.4.1.1466.20036', 0x8a)] }))).toMatchObject({
      operationName: 'extendedResp',
      extensionName: 'notice of disconnection',
    })
    expect(told(extendedRequest(8, '1.2.3'))).not.toHaveProperty('extensionName')
  })
})

describe('in a stream', () => {
  test('a message is known by its first elements, and its length by its first octets', () => {
    for (const message of [...ALL, unbindRequest(9), deleteRequest(9, 'CN=x')]) {
      expect(isLdap(message, 0, message.length)).toBe(true)
      for (let end = 0; end <= message.length; end++) {
        const length = ldapLength(message, 0, end)
        expect(length === 0 || length === message.length).toBe(true)
      }
    }
    expect(ldapLength(fromHex('16 03 01'), 0, 3)).toBe(-1)
    expect(ldapLength(fromHex('30 84 7fffffff'), 0, 6)).toBe(-1)
    expect(isLdap(sequence(octets('x')), 0, 5)).toBe(false)
  })

  const inside = searchRequest(4, { attributes: ['gPLink'] })
  const mac = fromHex('40d22539357c1de993d09226')

  test('a signed message is found in its wrapping', () => {
    const cases = [
      wrapped(concat(fromHex('0504 04 ff 000c 000c 0000000054aa82a5'), mac, inside)),
      wrapped(concat(fromHex('0504 04 ff 000c 0000 0000000054aa82a5'), inside, mac)),
      wrapped(concat(fromHex('01000000 1122334455667788 00000000'), inside)),
      wrapped(
        concat(
          fromHex(
            '60 81a0 0609 2a864886f712010202 0201 1100 ffff ffff 1122334455667788 1122334455667788 1122334455667788',
          ),
          inside,
        ),
      ),
    ]
    for (const bytes of cases) {
      const wrapping = ldapWrapping(bytes, 0, bytes.length)
      expect(wrapping?.length).toBe(bytes.length)
      const { start, wireEnd } = wrapping?.message ?? { start: 0, wireEnd: 0 }
      expect(describeLdap(bytes, start, wireEnd)).toMatchObject({ messageId: 4, attributes: ['gPLink'] })
    }
  })

  test('an encrypted one is known as such, and what is neither is none', () => {
    const sealed = wrapped(concat(fromHex('0504 06 ff 0000 001c 0000000054aa82a5'), new Uint8Array(60).fill(0x9a)))
    expect(ldapWrapping(sealed, 0, sealed.length)).toEqual({ length: sealed.length })
    expect(ldapWrapping(inside, 0, inside.length)).toBeNull()
    expect(ldapWrapping(sealed, 0, 12)).toBeNull()
  })
})

describe('a malformed message', () => {
  test('has a named flaw', () => {
    expect(told(octets('x')).flaw).toBe('ldap.message')
    expect(told(sequence(octets('x'))).flaw).toBe('ldap.message')
    expect(told(ldapMessage(1, enumerated(1))).flaw).toBe('ldap.operation')
    expect(told(ldapMessage(1, fromHex('60 00'))).flaw).toBe('ldap.field')
    expect(told(ldapMessage(1, fromHex('63 80 0000'))).flaw).toBe('ber.indefinite')
  })

  test('every truncation is a flaw, and of what the capture cut it is none', () => {
    for (const message of ALL) {
      for (let end = 0; end < message.length; end++) {
        expect(describeLdap(message, 0, end).flaw).toBeDefined()
        const cut = describeLdap(message, 0, end, message.length)
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
        const { among, elsewhere } = inWindow(bytes, (buffer, start, end) => [
          describeLdap(buffer, start, end),
          isLdap(buffer, start, end),
          ldapLength(buffer, start, end),
        ])
        expect(among).toEqual(elsewhere)
      }),
      { numRuns: 2000 },
    )
  })
})
