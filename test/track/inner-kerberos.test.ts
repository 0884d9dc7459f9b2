import { describe, expect, test } from 'vitest'
import { be32, concat, fromHex } from '../support/craft.ts'
import { asRep, asReq, forUser, krbError, provenAsReq, tgsRep, tgsReq, ticket } from '../support/kerberos.ts'
import { Talk } from './inner-talk.ts'

function record(message: Uint8Array): Uint8Array {
  return concat(be32(message.length), message)
}

describe('over UDP', () => {
  test('a ticket given without a proof can be attacked offline, and is told as such', () => {
    const talk = new Talk()
    talk.udp('client', asReq({ client: 'bob', etypes: [23] }), 88)
    talk.udp('server', asRep({ client: 'bob', etype: 23 }), 88)
    expect(talk.only('kerberos.ticket.issued')).toMatchObject({
      'kerberos.request': 'AS',
      'kerberos.service': 'krbtgt/CORP.EXAMPLE',
      'kerberos.realm': 'CORP.EXAMPLE',
      'kerberos.preauthenticated': false,
      'kerberos.etypes': ['rc4-hmac'],
      'kerberos.etype': 'rc4-hmac',
      'user.effective.name': 'bob',
      'event.outcome': 'success',
      'network.protocol': 'kerberos',
    })
  })

  test('a refusal names its reason and the user that was asked for', () => {
    const talk = new Talk()
    talk.udp('client', provenAsReq({ client: 'alice' }), 88)
    talk.udp('server', krbError(24), 88)
    expect(talk.only('kerberos.ticket.refused')).toMatchObject({
      'error.code': 'KDC_ERR_PREAUTH_FAILED',
      'user.effective.name': 'alice',
      'kerberos.preauthenticated': true,
      'event.outcome': 'failure',
    })
  })

  test('a request that is sent again is one request, and without an answer it is told at the end', () => {
    const talk = new Talk()
    talk.udp('client', asReq({ client: 'alice' }), 88)
    talk.udp('client', asReq({ client: 'alice' }), 88)
    expect(talk.told('kerberos.ticket.requested')).toEqual([])
    talk.finish()
    expect(talk.only('kerberos.ticket.requested')).toMatchObject({ 'user.effective.name': 'alice' })
  })
})

describe('over TCP', () => {
  test('a weak ticket for a service is told', () => {
    const talk = new Talk()
    const connection = talk.tcp(88)
    connection.say('client', record(tgsReq({ service: 'MSSQLSvc/db1:1433', etypes: [23] })), 50)
    connection.say('server', record(tgsRep({ client: 'alice', service: 'MSSQLSvc/db1:1433', ticketEtype: 23 })), 70)
    expect(talk.only('kerberos.ticket.issued')).toMatchObject({
      'kerberos.request': 'TGS',
      'kerberos.service': 'MSSQLSvc/db1:1433',
      'kerberos.ticket.etype': 'rc4-hmac',
      'kerberos.ticket.weak': true,
      'user.effective.name': 'alice',
    })
  })

  test('who acts for another is told', () => {
    const talk = new Talk()
    const connection = talk.tcp(88)
    connection.say(
      'client',
      record(
        tgsReq({
          service: 'cifs/dc1',
          options: 0x00020000,
          padata: [forUser('Administrator', 'CORP.EXAMPLE')],
          tickets: [ticket('CORP.EXAMPLE', 'http/web', 18)],
        }),
      ),
    )
    connection.say('server', record(krbError(13)))
    expect(talk.only('kerberos.ticket.refused')).toMatchObject({
      'kerberos.request': 'TGS',
      'kerberos.impersonated': 'Administrator',
      'kerberos.delegated': true,
      'error.code': 'KDC_ERR_BADOPTION',
    })
  })

  test('what stops being Kerberos is told once', () => {
    const talk = new Talk()
    const connection = talk.tcp(88)
    connection.say('client', record(asReq()))
    connection.say('client', fromHex('ffffffff'))
    connection.say('client', fromHex('ffffffff'))
    expect(talk.findings).toEqual(['kerberos.record_length'])
  })
})

test('on other ports nothing is taken for it', () => {
  const talk = new Talk()
  talk.udp('client', asReq(), 8888)
  talk.finish()
  expect(talk.told('kerberos.ticket.requested')).toEqual([])
})
