import { expect, test } from 'vitest'
import { be8, be16, concat, fromHex, utf8 } from '../support/craft.ts'
import { clientHello, handshakeMessage, tlsRecord } from '../support/tls.ts'
import { Talk } from './inner-talk.ts'

function tpkt(tpdu: number, variable: Uint8Array): Uint8Array {
  const head = concat(be8(3), be8(0), be16(11 + variable.length), be8(6 + variable.length), be8(tpdu))
  return concat(head, fromHex('0000 1234 00'), variable)
}

const REQUEST = tpkt(0xe0, concat(utf8('Cookie: mstshash=alice\r\n'), fromHex('01 00 0800 03000000')))

test('a connection is told with what protects it, and TLS is read behind it', () => {
  const talk = new Talk()
  talk
    .tcp(3389)
    .say('client', REQUEST, 7)
    .say('server', tpkt(0xd0, fromHex('02 1f 0800 02000000')))
    .say('client', tlsRecord(22, handshakeMessage(1, clientHello())))
    .say('server', tlsRecord(21, fromHex('0246')))
  expect(talk.only('rdp.requested')).toMatchObject({
    message: 'Remote Desktop as alice: CredSSP',
    'network.protocol': 'rdp',
    'event.outcome': 'success',
    'rdp.user': 'alice',
    'rdp.requested_protocols': ['TLS', 'CredSSP'],
    'rdp.selected_protocol': 'CredSSP',
  })
  expect(talk.only('tls.failed')).toMatchObject({ 'event.reason': 'protocol_version' })
})

test('a refusal is told with its reason', () => {
  const talk = new Talk()
  talk
    .tcp(3389)
    .say('client', REQUEST)
    .say('server', tpkt(0xd0, fromHex('03 00 0800 05000000')))
  expect(talk.only('rdp.requested')).toMatchObject({
    'event.outcome': 'failure',
    'rdp.failure': 'HYBRID_REQUIRED_BY_SERVER',
  })
})

test('an old server, which negotiates nothing, has its own security', () => {
  const talk = new Talk()
  talk
    .tcp(3389)
    .say('client', tpkt(0xe0, fromHex('')))
    .say('server', tpkt(0xd0, fromHex('')))
  expect(talk.only('rdp.requested')).toMatchObject({ 'rdp.selected_protocol': 'RDP', 'event.outcome': 'success' })
})

test('a request without an answer is told at its end, and nonsense is a finding', () => {
  const talk = new Talk()
  talk.tcp(3389).say('client', REQUEST).close()
  talk.tcp(3389, 50_001).say('client', REQUEST).say('server', 'HTTP/1.1 400')
  talk.finish()
  expect(talk.told('rdp.requested').map((event) => event['event.outcome'])).toEqual(['unknown', 'unknown'])
  expect(talk.findings).toEqual(['rdp.tpkt_version'])
})
