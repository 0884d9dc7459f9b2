import { expect, test } from 'vitest'
import * as craft from '../support/craft.ts'
import { countsOf, named, TestSensor } from '../support/sensor.ts'
import { CLIENT, Peers, SERVER, START_US } from './support.ts'

const stopccn =
  (assignedTunnelId: number, result = 1) =>
  (header: craft.L2tpControlFields) =>
    craft.stopccn({ ...header, assignedTunnelId, result })
const ofType = (type: number) => (header: craft.L2tpControlFields) =>
  craft.l2tpControl([craft.avp(craft.AVP.messageType, craft.be16(type))], header)

test('a tunnel is asked for, opened, kept alive and closed', () => {
  const peers = new Peers()
    .open()
    .wait(60)
    .send('server', craft.hello)
    .send('client', craft.zlb)
    .send('client', stopccn(100))
  expect(peers.run.events.map((event) => event['event.action'])).toEqual([
    'l2tp.tunnel.requested',
    'l2tp.tunnel.opened',
    'l2tp.tunnel.closed',
  ])
  expect(peers.told('l2tp.tunnel.closed')[0]).toMatchObject({
    'source.ip': CLIENT,
    'destination.ip': SERVER,
    'l2tp.tunnel.initiator_id': 100,
    'l2tp.tunnel.responder_id': 200,
    'l2tp.initiator.host_name': 'lac',
    'l2tp.responder.host_name': 'lns',
    'l2tp.closed_by': 'initiator',
    'l2tp.result.code': 1,
    'l2tp.control.messages': 5,
    'l2tp.control.gaps': 0,
    'source.packets': 4,
    'destination.packets': 3,
  })
})

/** Messages that a state does not allow, with who sends them. */
const ABSENT: [state: string, (peers: Peers) => Peers, from: 'client' | 'server', type: number, finding: string][] = [
  ['opening', (peers) => peers.sccrq(), 'server', 3, 'state SCCCN'],
  ['opening', (peers) => peers.sccrq(), 'server', 6, 'state HELLO'],
  ['opening', (peers) => peers.sccrq(), 'server', 10, 'state ICRQ'],
  ['answered', (peers) => peers.sccrq().sccrp(), 'server', 2, 'state SCCRP'],
  ['answered', (peers) => peers.sccrq().sccrp(), 'client', 1, 'state SCCRQ'],
  ['answered', (peers) => peers.sccrq().sccrp(), 'client', 6, 'state HELLO'],
  ['answered', (peers) => peers.sccrq().sccrp(), 'client', 10, 'state ICRQ'],
  ['answered', (peers) => peers.sccrq().sccrp(), 'server', 3, 'role SCCCN'],
  ['established', (peers) => peers.open(), 'client', 1, 'state SCCRQ'],
  ['established', (peers) => peers.open(), 'server', 2, 'state SCCRP'],
  ['established', (peers) => peers.open(), 'client', 3, 'state SCCCN'],
  ['established', (peers) => peers.open(), 'client', 99, 'message unknown'],
  ['closed', (peers) => peers.open().send('client', stopccn(100)), 'client', 6, 'state HELLO'],
  ['closed', (peers) => peers.open().send('client', stopccn(100)), 'client', 10, 'state ICRQ'],
]

test.each(ABSENT)('in the state %s: %s%s', (state, prepare, from, type, finding) => {
  const peers = prepare(new Peers()).send(from, ofType(type))
  expect(peers.findings).toEqual([finding])
  expect(peers.run.events.at(-1)).toMatchObject({
    'l2tp.tunnel.state': state,
    'event.action': 'l2tp.control.unexpected',
  })
})

test('the other end may still speak after a StopCCN that it has not heard of', () => {
  const peers = new Peers()
    .open()
    .send('client', stopccn(100))
    .send('server', craft.hello, { nr: 2 })
    .send('server', stopccn(200))
  expect(peers.findings).toEqual([])
})

test('retransmissions are no findings, and are counted', () => {
  const peers = new Peers().sccrq()
  peers
    .sccrq({ ns: 0 })
    .sccrp()
    .sccrp({ ns: 0 })
    .scccn()
    .scccn({ ns: 1 })
    .send('client', stopccn(100))
    .send('client', stopccn(100), { ns: 2 })
  expect(peers.findings).toEqual([])
  expect(peers.told('l2tp.tunnel.requested')).toHaveLength(1)
  expect(peers.told('l2tp.tunnel.closed')[0]).toMatchObject({ 'l2tp.control.retransmissions': 3 })
})

test('a message that comes again still acknowledges', () => {
  const believed = new Peers().open().send('client', stopccn(100), { ns: 4 })
  believed.send('server', craft.hello).send('server', craft.hello, { ns: 1, nr: 5 })
  expect(believed.findings).toEqual([])
  expect(believed.told('l2tp.tunnel.closed')[0]).toMatchObject({ 'l2tp.control.retransmissions': 0 })
  const ahead = new Peers().open().send('server', craft.hello).send('server', craft.hello, { ns: 1, nr: 4000 })
  expect(ahead.findings).toEqual(['nr_ahead HELLO'])
})

test('another message with a number that was used, one beyond the window, and an acknowledgement of nothing', () => {
  const peers = new Peers().open().send('client', stopccn(100), { ns: 1 })
  peers.send('client', craft.hello, { ns: 60 }).send('server', craft.zlb, { nr: 4000 })
  expect(peers.findings).toEqual(['ns_conflict StopCCN', 'ns_beyond_window HELLO', 'nr_ahead ZLB'])
  expect(peers.told('l2tp.tunnel.closed')).toEqual([])
})

test('a StopCCN that is not due is not believed unless it is acknowledged', () => {
  const spoofed = new Peers().open().send('client', stopccn(100), { ns: 4 })
  spoofed.send('client', craft.hello).send('server', craft.zlb)
  expect(spoofed.told('l2tp.tunnel.closed')).toEqual([])
  const missed = new Peers().open().send('client', stopccn(100), { ns: 4 }).send('server', craft.zlb, { nr: 5 })
  expect(missed.told('l2tp.tunnel.closed')).toHaveLength(1)
})

test('a StopCCN from a stranger is an anomaly and closes nothing', () => {
  const peers = new Peers().open().send('client', stopccn(100), { source: '203.0.113.66', ns: 2 })
  expect(peers.told('protocol.anomaly')[0]).toMatchObject({
    'anomaly.name': 'l2tp.foreign_source',
    'source.ip': '203.0.113.66',
  })
  expect(peers.told('l2tp.tunnel.closed')).toEqual([])
})

test('a StopCCN refuses a request, with its result in words', () => {
  const refuse = (header: craft.L2tpControlFields) => craft.stopccn({ ...header, assignedTunnelId: 200, result: 4 })
  const peers = new Peers().sccrq().send('server', refuse)
  expect(peers.told('l2tp.tunnel.failed')[0]).toMatchObject({
    'l2tp.closed_by': 'responder',
    'l2tp.result.code': 4,
    'event.outcome': 'failure',
    'l2tp.tunnel.state': 'opening',
  })
  expect(peers.told('l2tp.tunnel.failed')[0]['event.reason']).toBe(
    peers.told('l2tp.tunnel.failed')[0]['l2tp.result.text'],
  )
})

test('a StopCCN to tunnel 0 takes a request back', () => {
  const peers = new Peers().sccrq().send('client', stopccn(100), { tunnelId: 0 })
  expect(peers.told('l2tp.tunnel.failed')[0]).toMatchObject({ 'l2tp.closed_by': 'initiator' })
})

test('a request that nobody answers, and an answer that nobody confirms, are given up in time', () => {
  const unanswered = new Peers().sccrq().wait(1).sccrq({ ns: 0 }).wait(60).raw('server', craft.fromHex('00'))
  expect(unanswered.told('l2tp.tunnel.failed')[0]).toMatchObject({
    'event.reason': 'no answer to 2 SCCRQ, no progress for 35 s',
    'l2tp.closed_by': 'silence',
    '@timestamp': '2023-11-14T22:13:55.001000Z',
  })
  const unconfirmed = new Peers().sccrq().sccrp().wait(60).raw('server', craft.fromHex('00'))
  expect(unconfirmed.told('l2tp.tunnel.failed')[0]).toMatchObject({
    'event.reason': 'half-open: SCCRP was not followed by SCCCN, no progress for 35 s',
    'l2tp.tunnel.state': 'answered',
    '@timestamp': '2023-11-14T22:13:55.002000Z',
  })
})

test('a tunnel without any packet is dead after ten minutes, not before', () => {
  const peers = new Peers().open().wait(590).send('client', craft.hello).wait(590).raw('server', craft.fromHex('00'))
  expect(peers.told('l2tp.tunnel.closed')).toEqual([])
  peers.wait(30).raw('server', craft.fromHex('00'))
  expect(peers.told('l2tp.tunnel.closed')[0]).toMatchObject({
    'event.reason': 'silent for 600 s',
    'l2tp.closed_by': 'silence',
  })
  expect(peers.run.sensor.trackers.tunnels.size).toBe(0)
})

test('the responder may answer from another port, which is learned, or another address', () => {
  const port = new Peers().sccrq().sccrp({ sourcePort: 5000 }).scccn({ targetPort: 5000 })
  expect(port.told('l2tp.tunnel.opened')[0]).toMatchObject({ 'destination.port': 5000 })
  const address = new Peers().sccrq().sccrp({ source: '192.0.2.9' }).scccn({ target: '192.0.2.9' })
  expect(address.told('l2tp.tunnel.opened')[0]).toMatchObject({ 'destination.ip': '192.0.2.9' })
})

test('a NAT that moves the client to another port does not break the tunnel', () => {
  const peers = new Peers()
    .open()
    .send('client', craft.hello, { sourcePort: 40_000 })
    .send('server', craft.zlb, { targetPort: 40_000 })
  peers.send('server', stopccn(200), { targetPort: 40_000 })
  expect(peers.told('l2tp.tunnel.closed')[0]).toMatchObject({ 'source.port': 40_000, 'l2tp.closed_by': 'responder' })
  expect(peers.findings).toEqual([])
})

test('a client that starts again with the same number has a new tunnel', () => {
  const peers = new Peers().open()
  Object.assign(peers.ns, { client: 0, server: 0 })
  peers.tunnelIds.server = 201
  peers.sccrq({ hostName: 'lac-restarted' }).sccrp().scccn()
  expect(peers.told('l2tp.tunnel.closed')[0]).toMatchObject({
    'event.reason': 'the peer started again with the same tunnel id',
  })
  expect(peers.told('l2tp.tunnel.opened')).toHaveLength(2)
})

test('also when its request is the same to the byte: the answer tells', () => {
  const peers = new Peers().open()
  peers.sccrq({ ns: 0, nr: 0 })
  expect(peers.told('l2tp.tunnel.requested')).toHaveLength(1)
  Object.assign(peers.ns, { client: 1, server: 0 })
  peers.tunnelIds.server = 201
  peers.sccrp().scccn()
  expect(peers.told('l2tp.tunnel.opened').map((event) => event['l2tp.tunnel.responder_id'])).toEqual([200, 201])
  expect(peers.told('l2tp.tunnel.closed')).toHaveLength(1)
  expect(peers.findings).toEqual([])
})

test('ends that give the same numbers again have another tunnel, right after a StopCCN or after both were switched off', () => {
  const packet = craft.ppp(craft.PPP.ipv4, craft.ipv4(craft.icmp(new Uint8Array(8))))
  const again = (peers: Peers) => {
    Object.assign(peers.ns, { client: 0, server: 0 })
    return peers.open().call().data('client', packet).data('server', packet)
  }
  const stopped = again(new Peers()).send('client', stopccn(100)).send('server', craft.zlb).wait(2)
  const switchedOff = again(new Peers()).wait(60)
  for (const peers of [stopped, switchedOff]) {
    again(peers)
    expect(peers.findings).toEqual([])
    expect(peers.told('l2tp.tunnel.opened')).toHaveLength(2)
    expect(peers.told('l2tp.session.opened')).toHaveLength(2)
    expect(named(peers.finish(), 'l2tp.session.closed').map((event) => event['source.packets'])).toEqual([1, 1])
  }
})

test('a set-up that the network repeats shortly after is none', () => {
  const peers = new Peers().open()
  Object.assign(peers.ns, { client: 0, server: 0 })
  peers.wait(1).open()
  expect(peers.told('l2tp.tunnel.opened')).toHaveLength(1)
  expect(peers.findings).toEqual([])
})

test('a number that was given back serves another tunnel', () => {
  const peers = new Peers().open().send('client', stopccn(100)).wait(5)
  Object.assign(peers.ns, { client: 0, server: 0 })
  peers.tunnelIds.client = 101
  peers.open()
  expect(peers.told('l2tp.tunnel.opened').map((event) => event['l2tp.tunnel.responder_id'])).toEqual([200, 200])
  expect(peers.findings).toEqual([])
})

test('a lone message to a tunnel that nobody opened is told; at the start of a capture only in the end', () => {
  const young = new Peers().send('client', craft.hello)
  expect(young.findings).toEqual([])
  expect(named(young.finish(), 'l2tp.control.unknown')[0]).toMatchObject({
    'l2tp.message.finding': 'tunnel_unknown',
    'l2tp.message.type': 'HELLO',
  })
  const old = new Peers().open().wait(120).send('client', craft.hello, { tunnelId: 999 })
  expect(old.findings).toEqual(['tunnel_unknown HELLO'])
})

test('a tunnel that was open before the capture is adopted, and its two directions find each other', () => {
  const peers = new Peers()
  Object.assign(peers.ns, { client: 70, server: 80 })
  for (let i = 0; i < 3; i++) peers.send('client', craft.hello).send('server', craft.zlb)
  peers.send('client', craft.hello).send('client', stopccn(100))
  expect(peers.told('l2tp.tunnel.adopted')).toHaveLength(1)
  expect(peers.told('l2tp.tunnel.closed')[0]).toMatchObject({
    'l2tp.tunnel.initiator_id': 100,
    'l2tp.tunnel.responder_id': 200,
    'l2tp.tunnel.adopted': true,
  })
  expect(peers.findings).toEqual([])
})

test('two tunnels of the same hosts are not taken for halves of one', () => {
  const peers = new Peers()
  for (const tunnelId of [200, 201]) for (let i = 0; i < 3; i++) peers.send('client', craft.hello, { tunnelId, ns: i })
  for (let i = 0; i < 3; i++) peers.send('server', craft.hello, { ns: i })
  expect(peers.told('l2tp.tunnel.adopted')).toHaveLength(3)
})

test('a StopCCN that neither peer heeds does not hide the tunnel for good', () => {
  const peers = new Peers().open().send('client', stopccn(100))
  const packet = craft.ppp(craft.PPP.ipv4, craft.ipv4(craft.icmp(new Uint8Array(8))))
  for (let i = 0; i < 30; i++) peers.wait(5).data('client', packet).data('server', packet)
  expect(peers.told('l2tp.tunnel.adopted')).toHaveLength(1)
})

test('what the capture missed of a set-up is made up for', () => {
  const answer = new Peers().sccrq()
  answer.ns.server = 1
  answer.scccn({ nr: 1 })
  expect(answer.told('l2tp.tunnel.opened')[0]).toMatchObject({ 'l2tp.tunnel.responder_id': 200 })
  const confirmation = new Peers().sccrq().sccrp()
  confirmation.ns.client = 2
  confirmation.icrq().icrp()
  expect(confirmation.told('l2tp.tunnel.opened')).toHaveLength(1)
  expect([...answer.findings, ...confirmation.findings]).toEqual([])
})

test('challenges with the right secret, with a wrong one, and without any', () => {
  const challenge = craft.fromHex('00112233445566778899aabbccddeeff')
  const verdict = (secret: string, secrets: string[]) => {
    const response = craft.challengeResponse(2, secret, challenge)
    const peers = new Peers({ secrets }).sccrq({ more: [craft.avp(craft.AVP.challenge, challenge)] })
    peers.sccrp({ more: [craft.avp(craft.AVP.challengeResponse, response)] }).scccn()
    expect(peers.told('l2tp.tunnel.opened')[0]).toMatchObject({ 'l2tp.authentication.method': 'challenge' })
    return peers.told('l2tp.tunnel.authenticated').map((event) => event['l2tp.authentication.verdict'])
  }
  expect(verdict('right', ['other', 'right'])).toEqual(['verified'])
  expect(verdict('guess', ['right'])).toEqual(['wrong_secret'])
  expect(verdict('right', [])).toEqual(['unverified'])
})

test('one anomaly of a kind a message, however many AVPs have it', () => {
  const vendors = Array.from({ length: 40 }, () => craft.avp(craft.AVP.vendorName, 'x'))
  const peers = new Peers().sccrq({ more: vendors })
  expect(peers.told('protocol.anomaly').map((event) => event['anomaly.name'])).toEqual(['l2tp.avp_duplicate'])
})

test('messages to tunnel 0 neither complete a half-known tunnel nor make one, however many come', () => {
  const toNobody = (header: craft.L2tpControlFields) => craft.hello({ ...header, tunnelId: 0 })
  const peers = new Peers().send('client', (header) =>
    craft.l2tpControl(
      [craft.avp(craft.AVP.messageType, craft.be16(1)), craft.avp(craft.AVP.hostName, craft.utf8('lac'))],
      {
        ...header,
        tunnelId: 0,
      },
    ),
  )
  for (let i = 0; i < 10; i++) peers.send('server', toNobody).send('client', toNobody)
  peers.run
  expect(peers.told('l2tp.tunnel.adopted')).toEqual([])
  expect(peers.told('l2tp.tunnel.requested')).toHaveLength(1)
})

test('of requests that nobody answers so many are told in a minute, the others counted; one that is answered is told', () => {
  const peers = new Peers({ track: { requestsPerMinute: 3 } })
  for (let id = 1; id <= 10; id++) peers.raw('client', craft.sccrq({ assignedTunnelId: id }))
  expect(peers.told('l2tp.tunnel.requested')).toHaveLength(3)
  peers.raw('server', craft.sccrp({ tunnelId: 9, assignedTunnelId: 77 }))
  expect(peers.told('l2tp.tunnel.requested').map((event) => event['l2tp.tunnel.initiator_id'])).toEqual([1, 2, 3, 9])
  peers.wait(300).raw('client', craft.sccrq({ assignedTunnelId: 11 }))
  expect(peers.told('l2tp.tunnel.failed')).toHaveLength(4)
  expect(peers.told('l2tp.tunnel.requested').at(-1)).toMatchObject({ 'borescope.suppressed': 7 })
  expect(peers.run.sensor.trackers.suppressed).toBe(7)
})

test('what is told of a tunnel in a VLAN names it, and declares that it does', () => {
  const run = new TestSensor()
  const see = (message: Uint8Array, timeUs: number) =>
    run.see(craft.datagram(message, { source: CLIENT, target: SERVER, ethernet: { vlans: [{ id: 7 }] } }), timeUs)
  see(craft.sccrq({ assignedTunnelId: 100 }), START_US)
  see(craft.sccrq({ assignedTunnelId: 100, ns: 9 }), START_US + 1)
  see(craft.hello({ tunnelId: 999 }), START_US + 2)
  see(craft.l2tpControl([craft.avp(21, craft.utf8('123'), { hidden: true })], { tunnelId: 998 }), START_US + 3)
  const told = run.finish()
  const nameless = told.filter((event) => event['network.vlan.id'] !== '7').map((event) => event['event.action'])
  expect(nameless).toEqual(['capture.analysed'])
  expect(Object.keys(countsOf(told))).toEqual(
    expect.arrayContaining([
      'l2tp.tunnel.requested',
      'l2tp.control.out_of_order',
      'l2tp.control.unknown',
      'l2tp.avp.hidden',
    ]),
  )
})
