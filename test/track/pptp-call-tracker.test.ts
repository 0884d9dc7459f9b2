import { describe, expect, test } from 'vitest'
import { asymmetricStartKey, masterKey } from '../../src/wire/mppe.ts'
import { ntPasswordHash } from '../../src/wire/ms-chap-proof.ts'
import * as craft from '../support/craft.ts'
import { MppeSender } from '../support/mppe.ts'
import { msChapV2Answer } from '../support/ms-chap.ts'
import * as pptp from '../support/pptp.ts'
import { countsOf, type SensorOptions } from '../support/sensor.ts'
import { CLIENT, Peers, SERVER } from './pptp-support.ts'

const { configureRequest: REQUEST, configureAck: ACK } = craft.PPP_CODE

function addresses(peers: Peers): Peers {
  const address = (ip: string) => [craft.pppOption(3, craft.ipBytes(ip))]
  return peers
    .gre('client', craft.ipcp(REQUEST, 1, address('10.9.8.7')))
    .gre('server', craft.ipcp(ACK, 1, address('10.9.8.7')))
    .gre('server', craft.ipcp(REQUEST, 1, address('10.9.8.1')))
    .gre('client', craft.ipcp(ACK, 1, address('10.9.8.1')))
}

const INNER = craft.concat(
  craft.fromHex('0021'),
  craft.ipv4(craft.tcp(craft.utf8('inside'), { source: '10.9.8.7', target: '10.9.8.1' }), {
    source: '10.9.8.7',
    target: '10.9.8.1',
    protocol: 6,
  }),
)

describe('a call', () => {
  test('is opened, carries a link and flows, and is cleared', () => {
    const peers = addresses(new Peers().start().call())
    peers.gre('client', INNER).gre('client', INNER)
    peers
      .tcp('client', pptp.wanErrorNotify(22))
      .tcp('client', pptp.callClearRequest(11))
      .tcp('server', pptp.callDisconnectNotify({ callId: 22, result: 4, cause: 16, statistics: 'seconds: 9' }))
      .finish()
    const [opened] = peers.told('pptp.call.opened')
    expect(opened).toMatchObject({
      'source.ip': CLIENT,
      'destination.ip': SERVER,
      'network.transport': 'gre',
      'pptp.call.kind': 'outgoing',
      'pptp.call.client_id': 11,
      'pptp.call.server_id': 22,
      'pptp.call.called_number': '5551',
      'pptp.call.connect_speed': 100_000_000,
      'pptp.client.host_name': 'laptop',
    })
    const lineage = [opened['pptp.connection.uid'], opened['pptp.call.uid']]
    expect(opened['borescope.lineage']).toEqual(lineage)
    expect(peers.told('ppp.link.opened')).toMatchObject([
      { 'source.ip': CLIENT, 'ppp.client.ip': '10.9.8.7', 'borescope.lineage': lineage },
    ])
    const [flow] = peers.told('flow.closed')
    expect(flow).toMatchObject({
      'source.ip': '10.9.8.7',
      'source.packets': 2,
      'outer.source.ip': CLIENT,
      'pptp.call.uid': opened['pptp.call.uid'],
      'pptp.connection.uid': opened['pptp.connection.uid'],
      'borescope.lineage': [...lineage, flow['flow.uid']],
    })
    expect(peers.told('pptp.call.closed')).toMatchObject([
      {
        'event.reason': 'cleared by the client',
        'pptp.closed_by': 'client',
        'pptp.result.text': 'Request',
        'pptp.call.q931_cause': 16,
        'pptp.call.statistics': 'seconds: 9',
        'pptp.call.wan_errors': 21,
        'pptp.call.lost': 0,
        'pptp.call.reordered': 0,
        'source.packets': 4,
        'destination.packets': 2,
      },
    ])
    expect(peers.told('pptp.connection.closed')).toMatchObject([{ 'pptp.connection.calls': 1 }])
  })

  test('is refused', () => {
    const peers = new Peers()
      .start()
      .tcp('client', pptp.outgoingCallRequest({ callId: 11 }))
      .tcp('server', pptp.outgoingCallReply({ callId: 0, peerCallId: 11, result: 4, cause: 17 }))
    expect(peers.told('pptp.call.failed')).toMatchObject([
      {
        'event.reason': 'refused: Busy',
        'pptp.call.state': 'requested',
        'pptp.call.q931_cause': 17,
        'pptp.closed_by': 'server',
        'event.outcome': 'failure',
      },
    ])
  })

  test('that nobody answers fails', () => {
    const peers = new Peers()
      .start()
      .tcp('client', pptp.outgoingCallRequest({ callId: 11 }))
      .wait(100)
    peers.tcp('client', pptp.echoRequest(1))
    expect(peers.told('pptp.call.failed')).toMatchObject([{ 'event.reason': 'nobody answered the request' }])
  })

  test('that the server asks for is opened in three steps', () => {
    const peers = new Peers()
      .start()
      .tcp('server', pptp.incomingCallRequest({ callId: 22, dialingNumber: '5559', phoneNumber: '5551' }))
      .tcp('client', pptp.incomingCallReply({ callId: 11, peerCallId: 22 }))
    expect(peers.told('pptp.call.opened')).toEqual([])
    peers.tcp('server', pptp.incomingCallConnected({ peerCallId: 11 }))
    expect(peers.told('pptp.call.opened')).toMatchObject([
      {
        'pptp.call.kind': 'incoming',
        'pptp.call.client_id': 11,
        'pptp.call.server_id': 22,
        'pptp.call.calling_number': '5559',
        'pptp.call.called_number': '5551',
      },
    ])
    addresses(peers).finish()
    expect(peers.told('ppp.link.opened')).toHaveLength(1)
  })

  test('ends with its control connection', () => {
    const peers = new Peers().start().call().tcp('server', pptp.stopRequest()).tcp('client', pptp.stopReply())
    expect(peers.told('pptp.call.closed')).toMatchObject([
      { 'event.reason': 'control connection: stopped by the server', 'pptp.closed_by': 'server' },
    ])
  })

  test('counts by sequence numbers what is missing and what comes late', () => {
    const peers = new Peers().start().call()
    for (const sequence of [0, 1, 4, 3, 9]) peers.gre('client', INNER, { sequence })
    peers.gre('server', new Uint8Array(0), { acknowledgement: 9 }).finish()
    expect(peers.told('pptp.call.closed')).toMatchObject([{ 'pptp.call.lost': 5, 'pptp.call.reordered': 1 }])
  })

  test('whose packets go on after its end is not found again by them', () => {
    const peers = new Peers()
      .start()
      .call()
      .tcp('server', pptp.callDisconnectNotify({ callId: 22, result: 1 }))
    for (let i = 0; i < 9; i++) peers.gre('client', INNER)
    peers.finish()
    expect(countsOf(peers.run.events)).toMatchObject({ 'pptp.call.closed': 1 })
    expect(peers.told('pptp.call.closed')[0]['event.reason']).toBe('disconnected: Lost carrier')
    expect(peers.told('pptp.call.adopted')).toEqual([])
    expect(peers.told('flow.closed')).toEqual([])
  })

  test('of which the answer was not captured is completed by its packets', () => {
    const peers = new Peers().start().tcp('client', pptp.outgoingCallRequest({ callId: 11 }))
    addresses(peers).finish()
    expect(peers.told('pptp.call.opened')).toMatchObject([{ 'pptp.call.client_id': 11, 'pptp.call.server_id': 22 }])
    expect(peers.told('ppp.link.opened')).toHaveLength(1)
    expect(peers.told('pptp.call.adopted')).toEqual([])
  })

  test('that is seen by its packets only is adopted, both directions as one', () => {
    const peers = addresses(addresses(new Peers()))
    peers.gre('client', INNER).finish()
    expect(countsOf(peers.run.events)).toMatchObject({
      'pptp.call.adopted': 1,
      'pptp.call.closed': 1,
      'ppp.link.opened': 1,
      'flow.closed': 1,
    })
    expect(peers.told('pptp.call.closed')).toMatchObject([
      { 'pptp.call.adopted': true, 'pptp.call.client_id': 11, 'pptp.call.server_id': 22 },
    ])
  })

  test('of an unknown number is not made by a packet or two', () => {
    const peers = new Peers().gre('client', INNER).gre('client', INNER)
    expect(countsOf(peers.finish())).toEqual({ 'capture.analysed': 1 })
  })

  test('that is seen by its packets only ends by silence', () => {
    const peers = new Peers()
    for (let i = 0; i < 4; i++) peers.gre('client', INNER)
    peers.wait(700).tcp('client', pptp.echoRequest(1))
    expect(peers.told('pptp.call.closed')).toMatchObject([{ 'event.reason': 'silent for 600 s' }])
  })

  test('takes the place of an earlier one with the same number', () => {
    const peers = new Peers().start().call()
    peers.callIds.server = 23
    peers.call().finish()
    expect(peers.told('pptp.call.closed').map((event) => event['event.reason'])).toEqual([
      'its call id was assigned again',
      'the capture ended',
    ])
  })

  test('names what is wrong with the PPP in it', () => {
    const peers = new Peers().start().call().gre('client', craft.fromHex('0021 4f00'))
    expect(peers.told('protocol.anomaly')).toMatchObject([
      { 'anomaly.name': 'ip.truncated', 'network.transport': 'gre', 'network.protocol': 'pptp' },
    ])
  })
})

describe('MPPE in a call', () => {
  const CHALLENGE = craft.fromHex('5b5d7c7d7b3f2f3e3c2c602132262628')
  const PEER_CHALLENGE = craft.fromHex('21402324255e262a28295f2b3a337c7e')

  /** A login by MS-CHAPv2, and an agreement on MPPE. */
  function encrypted(
    options: SensorOptions,
    password = 'secret',
  ): { peers: Peers; client: MppeSender; server: MppeSender } {
    const peers = new Peers(options).start().call()
    const { value, ntResponse, success } = msChapV2Answer('alice', password, CHALLENGE, PEER_CHALLENGE)
    const auth = [craft.pppOption(3, craft.fromHex('c22381'))]
    const mppe = [craft.pppOption(18, craft.fromHex('01000040'))]
    peers
      .gre('server', craft.lcp(REQUEST, 1, auth))
      .gre('client', craft.lcp(ACK, 1, auth))
      .gre('server', craft.chapChallenge(1, CHALLENGE, 'gate'))
      .gre('client', craft.chapResponse(1, value, 'alice'))
      .gre('server', craft.chapResult(true, 1, success))
      .gre('client', craft.ccp(REQUEST, 1, mppe))
      .gre('server', craft.ccp(ACK, 1, mppe))
      .gre('server', craft.ccp(REQUEST, 1, mppe))
      .gre('client', craft.ccp(ACK, 1, mppe))
    const master = masterKey(ntPasswordHash(password), ntResponse)
    return {
      peers,
      client: new MppeSender({ startKey: asymmetricStartKey(master, true) }),
      server: new MppeSender({ startKey: asymmetricStartKey(master, false) }),
    }
  }

  const BACK = craft.concat(
    craft.fromHex('0021'),
    craft.ipv4(
      craft.tcp(craft.utf8('back'), { source: '10.9.8.1', target: '10.9.8.7', sourcePort: 80, targetPort: 49152 }),
      {
        source: '10.9.8.1',
        target: '10.9.8.7',
        protocol: 6,
      },
    ),
  )

  test.each([
    ['password', { user: 'Alice', password: 'secret' }],
    ['hash', { user: 'alice', ntHash: Buffer.from(ntPasswordHash('secret')).toString('hex') }],
  ])('is opened with the %s of the user, and read as flows', (_by, secret) => {
    const { peers, client, server } = encrypted({ passwords: [secret] })
    peers.gre('client', craft.ppp(0xfd, client.send(INNER))).gre('server', craft.ppp(0xfd, server.send(BACK)))
    peers.finish()
    expect(peers.told('ppp.authentication.succeeded')).toMatchObject([
      { 'ppp.authentication.verdict': 'verified', 'ppp.authentication.server_verdict': 'verified' },
    ])
    expect(peers.told('ppp.encryption.agreed')).toMatchObject([
      { 'ppp.mppe.bits': 128, 'ppp.mppe.stateless': true, 'ppp.mppe.key': 'known', 'user.name': 'alice' },
    ])
    expect(peers.told('flow.closed')).toMatchObject([
      { 'source.ip': '10.9.8.7', 'destination.ip': '10.9.8.1', 'source.packets': 1, 'destination.packets': 1 },
    ])
    expect(peers.told('ppp.link.closed')).toMatchObject([
      {
        'ppp.packets.encrypted': 2,
        'ppp.mppe.packets.opened': 2,
        'ppp.mppe.packets.unopened': 0,
        'ppp.mppe.key': 'known',
      },
    ])
    expect(JSON.stringify(peers.run.events)).not.toContain('secret"')
  })

  test('is read as far as to what its flows carry', () => {
    const { peers, client } = encrypted({ passwords: [{ user: 'alice', password: 'secret' }] })
    const ends = { source: '10.9.8.7', target: '10.9.8.1' }
    const question = craft.fromHex('0007 0100 0001 0000 0000 0000 03 777777 02 6578 00 0001 0001')
    const query = craft.ipv4(craft.udp(question, { ...ends, sourcePort: 50_000, targetPort: 53 }), ends)
    peers.gre('client', craft.ppp(0xfd, client.send(craft.concat(craft.fromHex('0021'), query)))).finish()
    const [call] = peers.told('pptp.call.opened')
    const [queried] = peers.told('dns.queried')
    expect(queried).toMatchObject({
      'dns.question.name': 'www.ex',
      'user.name': 'alice',
      'outer.source.ip': CLIENT,
      'pptp.connection.uid': call['pptp.connection.uid'],
      'pptp.call.uid': call['pptp.call.uid'],
    })
    expect(queried['borescope.lineage']).toEqual([...(call['borescope.lineage'] ?? []), queried['flow.uid']])
  })

  test('stays shut without it, and with another password', () => {
    for (const [passwords, key, verdict] of [
      [[], 'unknown', undefined],
      [[{ user: 'alice', password: 'guess' }], 'wrong_secret', 'wrong_secret'],
    ] as const) {
      const { peers, client } = encrypted({ passwords: [...passwords] })
      peers.gre('client', craft.ppp(0xfd, client.send(INNER))).finish()
      expect(peers.told('ppp.authentication.succeeded')[0]['ppp.authentication.verdict']).toBe(verdict)
      expect(peers.told('ppp.encryption.agreed')).toMatchObject([{ 'ppp.mppe.key': key }])
      expect(peers.told('ppp.link.closed')).toMatchObject([
        { 'ppp.mppe.packets.opened': 0, 'ppp.packets.encrypted': 1 },
      ])
      expect(peers.told('flow.closed')).toEqual([])
    }
  })

  test('counts packets that are missing, and tells one that the key does not open', () => {
    const { peers, client } = encrypted({ passwords: [{ user: 'alice', password: 'secret' }] })
    peers.gre('client', craft.ppp(0xfd, client.send(INNER)))
    client.send(INNER)
    peers.gre('client', craft.ppp(0xfd, client.send(INNER)))
    peers.gre('client', craft.ppp(0xfd, craft.fromHex('9003 0011223344556677')))
    peers.gre('client', craft.ppp(craft.PPP.ccp, craft.pppPacket(14, 1, new Uint8Array(0)))).finish()
    expect(peers.anomalies).toEqual(['mppe.implausible'])
    expect(peers.told('ppp.link.closed')).toMatchObject([
      {
        'ppp.mppe.packets.opened': 2,
        'ppp.mppe.packets.unopened': 1,
        'ppp.mppe.packets.lost': 1,
        'ppp.mppe.resets': 1,
      },
    ])
  })

  test('tells once that the key must be another one', () => {
    const { peers } = encrypted({ passwords: [{ user: 'alice', password: 'secret' }] })
    const other = new MppeSender({ startKey: new Uint8Array(16) })
    for (let i = 0; i < 40; i++) peers.gre('client', craft.ppp(0xfd, other.send(INNER)))
    expect(peers.anomalies).toEqual(['mppe.wrong_key'])
    expect(peers.told('protocol.anomaly')[0]['pptp.call.uid']).toMatch(/^c-/)
  })

  test('tells a server that does not know the password', () => {
    const peers = new Peers({ passwords: [{ user: 'alice', password: 'secret' }] }).start().call()
    const { value } = msChapV2Answer('alice', 'secret', CHALLENGE, PEER_CHALLENGE)
    peers
      .gre('server', craft.chapChallenge(1, CHALLENGE, 'gate'))
      .gre('client', craft.chapResponse(1, value, 'alice'))
      .gre('server', craft.chapResult(true, 1, craft.msChapV2Success(value)))
    expect(peers.told('ppp.authentication.succeeded')).toMatchObject([
      { 'ppp.authentication.verdict': 'verified', 'ppp.authentication.server_verdict': 'wrong_secret' },
    ])
  })
})
