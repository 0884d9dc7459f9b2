import { describe, expect, test } from 'vitest'
import { asymmetricStartKey, masterKey, startKey } from '../../src/wire/mppe.ts'
import { lmPasswordHash, ntPasswordHash } from '../../src/wire/ms-chap-proof.ts'
import * as craft from '../support/craft.ts'
import { MppeSender } from '../support/mppe.ts'
import { msChapAnswer, msChapV2Answer } from '../support/ms-chap.ts'
import { authOption, CHALLENGE, chap, link, MD5, MSCHAPV2, PASSWORD, PASSWORDS, PEER_CHALLENGE } from './ppp-support.ts'
import type { Peers } from './support.ts'

const {
  configureRequest: REQUEST,
  configureAck: ACK,
  configureNak: NAK,
  terminateRequest: TERMINATE,
  terminateAck: TERMINATED,
} = craft.PPP_CODE

const address = (ip: string) => craft.pppOption(craft.IPCP_OPTION.address, craft.ipBytes(ip))

function addresses(peers: Peers): Peers {
  return peers
    .data('client', craft.ipcp(REQUEST, 1, [address('0.0.0.0')]))
    .data('server', craft.ipcp(NAK, 1, [address('10.9.8.7')]))
    .data('server', craft.ipcp(REQUEST, 1, [address('10.9.8.1')]))
    .data('client', craft.ipcp(REQUEST, 2, [address('10.9.8.7')]))
    .data('server', craft.ipcp(ACK, 2, [address('10.9.8.7')]))
    .data('client', craft.ipcp(ACK, 1, [address('10.9.8.1')]))
}

test('addresses are those that were acknowledged in the end', () => {
  const peers = addresses(chap(link(MD5), 1, 'bob', true))
  expect(peers.told('ppp.link.opened')).toHaveLength(1)
  expect(peers.told('ppp.link.opened')[0]).toMatchObject({
    'user.name': 'bob',
    'ppp.client.ip': '10.9.8.7',
    'ppp.server.ip': '10.9.8.1',
    'ppp.client.mru': 1400,
  })
})

test('IPv6CP alone opens a link, when it ends at the latest', () => {
  const id = (last: string) => [
    craft.pppOption(craft.IPV6CP_OPTION.interfaceId, craft.fromHex(`00000000000000${last}`)),
  ]
  const peers = link()
    .data('client', craft.ipv6cp(REQUEST, 1, id('01')))
    .data('server', craft.ipv6cp(ACK, 1, id('01')))
    .data('server', craft.ipv6cp(REQUEST, 1, id('02')))
    .data('client', craft.ipv6cp(ACK, 1, id('02')))
  peers.finish()
  expect(peers.told('ppp.link.opened')[0]).toMatchObject({
    'ppp.client.interface_id': '0000:0000:0000:0001',
    'ppp.server.interface_id': '0000:0000:0000:0002',
    'ppp.authentication.method': 'none',
  })
})

test('MPPE and its packets', () => {
  const mppe = [craft.pppOption(craft.CCP_OPTION.mppe, craft.fromHex('01000040'))]
  const peers = addresses(link(MSCHAPV2))
    .data('server', craft.ccp(REQUEST, 1, mppe))
    .data('client', craft.ccp(ACK, 1, mppe))
  peers.data('client', craft.ppp(0x00fd, craft.fromHex('9000ffff'))).finish()
  expect(peers.told('ppp.link.closed')[0]).toMatchObject({
    'ppp.mppe.bits': 128,
    'ppp.mppe.stateless': true,
    'ppp.packets.encrypted': 1,
    'ppp.phase': 'network',
  })
})

test.each(['client', 'server'] as const)('a link that the %s terminates, with the reason given', (side) => {
  const other = side === 'client' ? 'server' : 'client'
  const peers = addresses(chap(link(MD5), 1, 'bob', true))
    .data(side, craft.ppp(craft.PPP.lcp, craft.pppPacket(TERMINATE, 3, craft.utf8('User request'))))
    .data(other, craft.lcp(TERMINATED, 3))
  expect(peers.told('ppp.link.closed')[0]).toMatchObject({
    'event.reason': `terminated by the ${side}: User request`,
    'ppp.terminated_by': side,
  })
  peers.finish()
  expect(peers.told('ppp.link.closed')).toHaveLength(1)
})

test('peers that start over in the same session have another link', () => {
  const peers = addresses(chap(link(MD5), 1, 'bob', true))
    .data('client', craft.lcp(TERMINATE, 3))
    .data('server', craft.lcp(TERMINATED, 3))
  peers
    .data('server', craft.lcp(REQUEST, 9, [authOption(MD5)]))
    .data('client', craft.lcp(ACK, 9, [authOption(MD5)]))
    .data('client', craft.lcp(REQUEST, 9))
    .data('server', craft.lcp(ACK, 9))
  addresses(chap(peers, 20, 'bob', true)).finish()
  expect(peers.told('ppp.link.opened')).toHaveLength(2)
  expect(peers.told('ppp.link.closed')).toHaveLength(2)
  expect(peers.told('ppp.authentication.succeeded')).toHaveLength(2)
})

test('options that cannot be read are an anomaly of the session', () => {
  const peers = link().data('client', craft.lcp(REQUEST, 2, [craft.pppOption(1, craft.be16(1400), 1)]))
  expect(peers.told('protocol.anomaly')).toHaveLength(1)
  expect(peers.told('protocol.anomaly')[0]).toMatchObject({
    'anomaly.layer': 'ppp',
    'l2tp.session.uid': peers.told('l2tp.session.opened')[0]['l2tp.session.uid'],
  })
})

describe('with the password of the user', () => {
  const INSIDE = craft.concat(
    craft.fromHex('0021'),
    craft.ipv4(craft.tcp(craft.utf8('hidden'), { source: '10.9.8.7', target: '10.0.0.80' }), {
      source: '10.9.8.7',
      target: '10.0.0.80',
      protocol: 6,
    }),
  )

  /** Both ends want the same of MPPE, and both are granted it. */
  function encrypt(peers: Peers, bits: string): Peers {
    const mppe = [craft.pppOption(craft.CCP_OPTION.mppe, craft.fromHex(bits))]
    return peers
      .data('client', craft.ccp(REQUEST, 1, mppe))
      .data('server', craft.ccp(ACK, 1, mppe))
      .data('server', craft.ccp(REQUEST, 1, mppe))
      .data('client', craft.ccp(ACK, 1, mppe))
  }

  test.each([
    ['40 bits, stateful', '00000020', 40, false],
    ['56 bits, stateless', '01000080', 56, true],
    ['128 bits, stateful', '00000040', 128, false],
  ] as const)('a login by MS-CHAP is verified, and MPPE with %s opened', (_, bits, strength, isStateless) => {
    const asked = CHALLENGE.subarray(0, 8)
    const peers = link('c22380', { passwords: PASSWORDS })
      .data('server', craft.chapChallenge(1, asked, 'lns'))
      .data('client', craft.chapResponse(1, msChapAnswer(PASSWORD, asked), 'bob'))
      .data('server', craft.chapResult(true, 1))
    encrypt(peers, bits)
    const key = startKey(ntPasswordHash(PASSWORD), lmPasswordHash(PASSWORD), asked, strength)
    if (key === null) throw new Error('no key')
    const sender = new MppeSender({ startKey: key, strength, isStateless })
    // Far enough that the key changes in stateful mode too.
    for (let i = 0; i < 300; i++) peers.data('client', craft.ppp(0xfd, sender.send(INSIDE)))
    expect(peers.run.sensor.frame.hasInner).toBe(true)
    peers.finish()
    expect(peers.told('ppp.authentication.succeeded')[0]).toMatchObject({
      'ppp.authentication.method': 'MS-CHAP',
      'ppp.authentication.verdict': 'verified',
    })
    expect(peers.told('ppp.encryption.agreed')).toMatchObject([
      { 'ppp.mppe.bits': strength, 'ppp.mppe.stateless': isStateless, 'ppp.mppe.key': 'known' },
    ])
    expect(peers.told('flow.closed')).toMatchObject([
      { 'source.ip': '10.9.8.7', 'destination.ip': '10.0.0.80', 'source.packets': 300, 'user.name': 'bob' },
    ])
    expect(peers.told('ppp.link.closed')).toMatchObject([
      { 'ppp.mppe.packets.opened': 300, 'ppp.mppe.packets.unopened': 0, 'ppp.packets.encrypted': 300 },
    ])
  })

  test('a login by EAP-MSCHAPv2 is verified, and what MPPE encrypts after it opened', () => {
    const { value, ntResponse, success } = msChapV2Answer('bob', PASSWORD, CHALLENGE, PEER_CHALLENGE)
    const packet = (opCode: number, data: Uint8Array) =>
      craft.concat(Uint8Array.of(26, opCode, 7), craft.be16(4 + data.length), data)
    const counted = (octets: Uint8Array) => craft.concat(Uint8Array.of(octets.length), octets)
    const peers = link('c227', { passwords: PASSWORDS })
      .data('server', craft.eapIdentity(1, 1))
      .data('client', craft.eapIdentity(2, 1, 'bob'))
      .data('server', craft.eap(1, 2, packet(1, craft.concat(counted(CHALLENGE), craft.utf8('lns')))))
      .data('client', craft.eap(2, 2, packet(2, craft.concat(counted(value), craft.utf8('bob')))))
      .data('server', craft.eap(1, 3, packet(3, craft.utf8(success))))
      .data('client', craft.eap(2, 3, Uint8Array.of(26, 3)))
      .data('server', craft.eap(3, 3))
    encrypt(peers, '01000040')
    const master = masterKey(ntPasswordHash(PASSWORD), ntResponse)
    const client = new MppeSender({ startKey: asymmetricStartKey(master, true) })
    peers.data('client', craft.ppp(0xfd, client.send(INSIDE))).finish()
    expect(peers.told('ppp.authentication.succeeded')).toMatchObject([
      {
        'ppp.authentication.method': 'EAP-MS-CHAPv2',
        'ppp.authentication.verdict': 'verified',
        'ppp.authentication.server_verdict': 'verified',
      },
    ])
    expect(peers.told('flow.closed')).toMatchObject([{ 'destination.ip': '10.0.0.80', 'source.packets': 1 }])
  })
})
