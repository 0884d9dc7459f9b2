import { describe, expect, test } from 'vitest'
import { concat, fromHex } from '../support/craft.ts'
import {
  addRequest,
  bindResponse,
  extendedRequest,
  filter,
  ldapResult,
  modifyRequest,
  saslBind,
  searchEntry,
  searchRequest,
  sicilyBind,
  simpleBind,
  wrapped,
} from '../support/ldap.ts'
import { ntlmAuthenticate, ntlmChallenge, ntlmNegotiate } from '../support/ntlm.ts'
import { clientHello, handshakeMessage, tlsRecord } from '../support/tls.ts'
import { Talk } from './inner-talk.ts'

describe('a bind', () => {
  test('with a password names the user; the password is nowhere', () => {
    const talk = new Talk()
    talk
      .tcp(389)
      .say('client', simpleBind(1, 'cn=alice', 'S3cret-alice'))
      .say('server', bindResponse(1, 0))
    expect(talk.only('ldap.bound')).toMatchObject({
      'ldap.bind.name': 'cn=alice',
      'ldap.bind.method': 'simple',
      'authentication.mechanism': 'password',
      'user.effective.name': 'cn=alice',
      'event.outcome': 'success',
    })
    expect(JSON.stringify(talk.peers.run.events)).not.toContain('S3cret')
  })

  test('that is refused has a code and the words of the server', () => {
    const talk = new Talk()
    talk
      .tcp(389)
      .say('client', simpleBind(1, 'cn=alice', 'x'))
      .say('server', bindResponse(1, 49, undefined, 'data 52e'))
    expect(talk.only('ldap.bind.refused')).toMatchObject({
      'error.code': 'invalidCredentials',
      'error.message': 'data 52e',
      'event.outcome': 'failure',
    })
  })

  test('with NTLM takes several messages and is told once', () => {
    const talk = new Talk()
    const connection = talk.tcp(389)
    connection.say('client', saslBind(1, 'GSS-SPNEGO', ntlmNegotiate()))
    connection.say('server', bindResponse(1, 14, ntlmChallenge({ computer: 'DC1' })))
    connection.say('client', saslBind(2, 'GSS-SPNEGO', ntlmAuthenticate({ user: 'bob' })))
    connection.say('server', bindResponse(2, 49))
    expect(talk.only('ntlm.failed')).toMatchObject({ 'user.effective.name': 'bob', 'network.protocol': 'ldap' })
    expect(talk.only('ldap.bind.refused')).toMatchObject({
      'ldap.bind.mechanism': 'GSS-SPNEGO',
      'ntlm.server.name': 'DC1',
    })
  })

  test('in the old way of Windows is told once too', () => {
    const talk = new Talk()
    const connection = talk.tcp(389)
    connection.say('client', sicilyBind(1, 0x8a, ntlmNegotiate()))
    connection.say('server', ldapResult(1, 1, { matched: ntlmChallenge({ computer: 'DC1' }) }))
    connection.say('client', sicilyBind(2, 0x8b, ntlmAuthenticate({ user: 'bob' }))).say('server', bindResponse(2, 0))
    expect(talk.only('ldap.bound')).toMatchObject({ 'user.effective.name': 'bob', 'ldap.bind.method': 'Sicily' })
    expect(talk.told('ntlm.authenticated')).toHaveLength(1)
  })
})

describe('a search', () => {
  test('is told with what it found', () => {
    const talk = new Talk()
    const connection = talk.tcp(389)
    connection.say(
      'client',
      searchRequest(3, {
        filter: filter.present('servicePrincipalName'),
        attributes: ['cn'],
        controls: ['1.2.840.113556.1.4.319'],
      }),
      30,
    )
    connection.say('server', concat(searchEntry(3, 'CN=a', { cn: ['a'] }), searchEntry(3, 'CN=b', { cn: ['b'] })), 17)
    expect(talk.told('ldap.searched')).toEqual([])
    connection.say('server', ldapResult(3, 5))
    expect(talk.only('ldap.searched')).toMatchObject({
      'ldap.filter': '(servicePrincipalName=*)',
      'ldap.attributes': ['cn'],
      'ldap.controls': ['paged results'],
      'ldap.entries': 2,
      'ldap.result': 'success',
    })
  })

  test('over UDP is one of CLDAP', () => {
    const talk = new Talk()
    talk.udp('client', searchRequest(1, { base: '', scope: 0, filter: filter.equal('DnsDomain', 'corp.example') }), 389)
    talk.udp('server', concat(searchEntry(1, '', { netlogon: ['x'] }), ldapResult(1, 5)), 389)
    expect(talk.only('ldap.searched')).toMatchObject({ 'network.protocol': 'cldap', 'ldap.entries': 1 })
  })

  test('without an end is told when the flow ends', () => {
    const talk = new Talk()
    talk.tcp(389).say('client', searchRequest(3))
    talk.finish()
    expect(talk.only('ldap.searched')['ldap.result']).toBeUndefined()
  })
})

test('a change tells what it is for, and no secret', () => {
  const talk = new Talk()
  const connection = talk.tcp(389)
  connection.say('client', addRequest(4, 'CN=EVIL', { objectClass: ['computer'], unicodePwd: ['S3cret'] }))
  connection.say('server', ldapResult(4, 9, { code: 50, words: 'no' }))
  connection.say('client', modifyRequest(5, 'CN=svc', [[0, 'servicePrincipalName', ['http/x']]]))
  connection.say('server', ldapResult(5, 7))
  expect(talk.told('ldap.changed')).toMatchObject([
    {
      'ldap.operation': 'add',
      'ldap.object': 'CN=EVIL',
      'ldap.attributes': ['objectClass', 'unicodePwd'],
      'ldap.values': ['objectClass=computer'],
      'ldap.result': 'insufficientAccessRights',
      'event.outcome': 'failure',
    },
    { 'ldap.operation': 'modify', 'ldap.values': ['servicePrincipalName=http/x'], 'event.outcome': 'success' },
  ])
  expect(JSON.stringify(talk.peers.run.events)).not.toContain('S3cret')
})

describe('protection', () => {
  const signature = fromHex('01000000 1122334455667788 00000000')

  test('by signatures is read through', () => {
    const talk = new Talk()
    const connection = talk.tcp(389)
    connection.say('client', simpleBind(1, 'cn=a', 'x')).say('server', bindResponse(1, 0))
    connection.say('client', wrapped(concat(signature, searchRequest(2))))
    connection.say('server', wrapped(concat(signature, searchEntry(2, 'CN=a', {}), ldapResult(2, 5))))
    expect(talk.only('ldap.searched')).toMatchObject({ 'ldap.entries': 1, 'user.effective.name': 'cn=a' })
  })

  test('by encryption ends the reading without a finding', () => {
    const talk = new Talk()
    const connection = talk.tcp(389)
    connection.say('client', simpleBind(1, 'cn=a', 'x')).say('server', bindResponse(1, 0))
    connection.say('client', wrapped(concat(signature, new Uint8Array(60).fill(0x9a))))
    talk.finish()
    expect(talk.findings).toEqual([])
    expect(talk.told('ldap.searched')).toEqual([])
  })

  test('by TLS hands the stream over', () => {
    const talk = new Talk()
    const connection = talk.tcp(389)
    connection.say('client', extendedRequest(1, '1.3.6.1.4.1.1466.20037')).say('server', ldapResult(1, 24))
    connection.say('client', tlsRecord(22, handshakeMessage(1, clientHello({}))))
    talk.finish()
    expect(talk.told('tls.failed')).toHaveLength(1)
    expect(talk.findings).toEqual([])
  })
})

test('what stops being LDAP is told once', () => {
  const talk = new Talk()
  const connection = talk.tcp(389)
  connection.say('client', searchRequest(1))
  connection.say('client', new Uint8Array(20).fill(0x99)).say('client', new Uint8Array(20).fill(0x99))
  expect(talk.findings).toEqual(['ldap.message'])
})
