import { expect, test } from 'vitest'
import * as craft from '../support/craft.ts'
import { named } from '../support/sensor.ts'
import { Peers } from './support.ts'

const ping = craft.ppp(craft.PPP.ipv4, craft.ipv4(craft.icmp(new Uint8Array(8)), { protocol: craft.IP_PROTOCOL.icmp }))
const cdn =
  (sessionId: number, assignedSessionId: number, more: readonly Uint8Array[] = []) =>
  (header: craft.L2tpControlFields) =>
    craft.cdn({ ...header, sessionId, assignedSessionId, result: 1, more })
const ofType = (type: number, sessionId: number) => (header: craft.L2tpControlFields) =>
  craft.l2tpControl([craft.avp(craft.AVP.messageType, craft.be16(type))], { ...header, sessionId })

test('an incoming call is asked for, opened, carries data, and ends', () => {
  const peers = new Peers()
    .open()
    .call()
    .data('client', ping)
    .data('server', ping)
    .data('server', ping)
    .send('client', cdn(22, 11))
  expect(peers.told('l2tp.session.opened')[0]).toMatchObject({
    'l2tp.session.kind': 'incoming',
    'l2tp.call.serial_number': 5,
  })
  expect(peers.told('l2tp.session.closed')[0]).toMatchObject({
    'l2tp.session.initiator_id': 11,
    'l2tp.session.responder_id': 22,
    'l2tp.closed_by': 'initiator',
    'source.packets': 1,
    'destination.packets': 2,
    'l2tp.result.code': 1,
  })
  expect(peers.findings).toEqual([])
})

test('an outgoing call is asked for by the responder and answered twice by the initiator', () => {
  const peers = new Peers().open()
  peers.send('server', (header) => craft.ocrq({ ...header, assignedSessionId: 22 }))
  peers.send('client', (header) => craft.ocrp({ ...header, sessionId: 22, assignedSessionId: 11 }))
  peers
    .send('client', (header) => craft.occn({ ...header, sessionId: 22 }))
    .data('server', ping)
    .finish()
  expect(peers.told('l2tp.session.opened')[0]).toMatchObject({
    'l2tp.session.kind': 'outgoing',
    'l2tp.session.initiator_id': 11,
    'l2tp.session.responder_id': 22,
  })
  expect(peers.told('l2tp.session.closed')[0]).toMatchObject({
    'event.reason': 'the capture ended',
    'destination.packets': 1,
  })
})

const ABSENT: [
  state: string,
  (peers: Peers) => Peers,
  from: 'client' | 'server',
  type: number,
  sessionId: number,
  finding: string,
][] = [
  ['requested', (peers) => peers.icrq(), 'server', 12, 11, 'state ICCN'],
  ['requested', (peers) => peers.icrq(), 'server', 8, 11, 'state OCRP'],
  ['requested', (peers) => peers.icrq(), 'server', 16, 11, 'state SLI'],
  ['answered', (peers) => peers.icrq().icrp(), 'server', 11, 11, 'state ICRP'],
  ['answered', (peers) => peers.icrq().icrp(), 'server', 12, 11, 'role ICCN'],
  ['answered', (peers) => peers.icrq().icrp(), 'client', 15, 22, 'state WEN'],
  ['established', (peers) => peers.call(), 'client', 10, 22, 'state ICRQ'],
  ['established', (peers) => peers.call(), 'client', 12, 22, 'state ICCN'],
  ['established', (peers) => peers.call(), 'client', 9, 22, 'state OCCN'],
  ['closed', (peers) => peers.call().send('client', cdn(22, 11)), 'client', 16, 22, 'state SLI'],
]

test.each(ABSENT)('in the state %s: %s%s', (state, prepare, from, type, sessionId, finding) => {
  const peers = prepare(new Peers().open()).send(from, ofType(type, sessionId))
  expect(peers.findings).toEqual([finding])
  expect(peers.run.events.at(-1)).toMatchObject({ 'l2tp.session.state': state })
})

test('WEN and SLI belong to an open session; the other end may still send one across a CDN', () => {
  const peers = new Peers()
    .open()
    .call()
    .send('client', ofType(15, 22))
    .send('server', ofType(16, 11))
    .send('client', cdn(22, 11))
    .send('server', ofType(16, 11))
  expect(peers.findings).toEqual([])
})

test('a refused call, with the causes of Q.931 and RFC 3145', () => {
  const causes = [
    craft.avp(craft.AVP.causeCode, craft.fromHex('0011 e0 62757379')),
    craft.avp(46, craft.fromHex('0003 0021 01 676f6e65')),
  ]
  const peers = new Peers()
    .open()
    .icrq()
    .send('server', cdn(11, 22, causes))
  expect(peers.told('l2tp.session.failed')[0]).toMatchObject({
    'l2tp.closed_by': 'responder',
    'l2tp.session.state': 'requested',
    'event.outcome': 'failure',
    'l2tp.call.q931_cause': 17,
    'l2tp.call.disconnect_cause': 'normal disconnection, LCP Terminate-Request sent',
  })
})

test('a CDN before the answer names its sender only', () => {
  const peers = new Peers().open().icrq().send('client', cdn(0, 11))
  expect(peers.told('l2tp.session.failed')[0]).toMatchObject({ 'l2tp.closed_by': 'initiator' })
})

test('a call that nobody answers, and one that nobody confirms, are given up', () => {
  const unanswered = new Peers().open().icrq().wait(60).raw('client', craft.fromHex('00'))
  expect(unanswered.told('l2tp.session.failed')[0]).toMatchObject({
    'event.reason': 'half-open: nobody answered the request',
    '@timestamp': '2023-11-14T22:13:55.005000Z',
  })
  const unconfirmed = new Peers().open().icrq().icrp().wait(60).raw('client', craft.fromHex('00'))
  expect(unconfirmed.told('l2tp.session.failed')[0]).toMatchObject({
    'event.reason': 'half-open: the answer was not confirmed',
  })
})

test('the same number asked for again takes the place of the old session', () => {
  const peers = new Peers().open().call().icrq()
  expect(peers.told('l2tp.session.closed')[0]).toMatchObject({
    'event.reason': 'the peer asked again with the same session id',
  })
  expect(peers.told('l2tp.session.requested')).toHaveLength(2)
})

test('a number assigned again by the other end does so too', () => {
  const peers = new Peers().open().call()
  peers.sessionIds.client = 12
  peers.icrq().icrp()
  expect(peers.told('l2tp.session.closed')[0]).toMatchObject({ 'event.reason': 'its session id was assigned again' })
})

test('data to a session id that nobody assigned is told once an id', () => {
  const peers = new Peers().open().call()
  for (const sessionId of [500, 501, 500, 500]) peers.data('client', ping, { sessionId })
  expect(peers.findings).toEqual(['session_unknown data', 'session_unknown data'])
  expect(peers.told('l2tp.session.adopted')).toEqual([])
})

test('data from a stranger is an anomaly and counts for nobody, whether its session id is right or not', () => {
  const peers = new Peers().open().call()
  for (const sessionId of [22, 500]) peers.data('client', ping, { sessionId, source: '203.0.113.66' })
  peers.finish()
  expect(peers.told('protocol.anomaly').map((event) => event['anomaly.name'])).toEqual([
    'l2tp.foreign_source',
    'l2tp.foreign_source',
  ])
  expect(peers.told('l2tp.session.closed')[0]).toMatchObject({ 'source.packets': 0 })
  expect(peers.told('flow.closed')).toEqual([])
  expect(peers.findings).toEqual([])
})

test('data after the end of a session belongs to nothing', () => {
  const peers = new Peers()
    .open()
    .call()
    .data('client', ping)
    .send('client', cdn(22, 11))
    .data('server', ping)
    .wait(100)
    .raw('client', craft.fromHex('00'))
  expect(peers.told('flow.closed')).toHaveLength(1)
  expect(peers.run.sensor.trackers.flows.size).toBe(0)
})

test('data sequence numbers: what is lost and what comes late', () => {
  const peers = new Peers().open().call()
  for (const ns of [0xfffe, 0xffff, 0, 3, 2, 5]) peers.data('client', ping, { ns })
  peers.finish()
  expect(peers.told('l2tp.session.closed')[0]).toMatchObject({
    'l2tp.session.sequenced': true,
    'l2tp.session.lost': 2,
    'l2tp.session.reordered': 1,
  })
})

test('a data message that comes twice in a row fills no gap', () => {
  const peers = new Peers().open().call()
  for (const ns of [0, 1, 5, 5, 6, 6]) peers.data('client', ping, { ns })
  peers.finish()
  expect(peers.told('l2tp.session.closed')[0]).toMatchObject({ 'l2tp.session.lost': 3, 'l2tp.session.reordered': 2 })
})

test('sessions from before the capture are adopted, and their directions find each other', () => {
  const peers = new Peers()
  for (let i = 0; i < 6; i++) peers.data('client', ping).data('server', ping)
  const events = peers.finish()
  const adopted = named(events, 'l2tp.session.adopted')
  expect(adopted).toHaveLength(1)
  expect(adopted[0]['l2tp.session.uid']).toMatch(/^s-[0-9a-f]{12}$/)
  expect(named(events, 'l2tp.session.closed')[0]).toMatchObject({
    'l2tp.session.uid': adopted[0]['l2tp.session.uid'],
    'l2tp.session.initiator_id': 11,
    'l2tp.session.responder_id': 22,
  })
})

test('data of session zero, which no session has, is no session from before the capture', () => {
  const peers = new Peers()
  for (let i = 0; i < 6; i++) peers.data('client', ping).data('server', ping)
  for (let i = 0; i < 6; i++) peers.data('client', ping, { sessionId: 0 }).data('server', ping, { sessionId: 0 })
  const events = peers.finish()
  expect(named(events, 'l2tp.session.adopted')).toHaveLength(1)
  expect(named(events, 'l2tp.control.unknown')).toHaveLength(2)
})

test('a session from before the capture for which there is no room is left out, with all of its data', () => {
  const peers = new Peers({ track: { sessionsMax: 1 } })
  for (let i = 0; i < 6; i++) peers.data('client', ping).data('server', ping)
  for (let i = 0; i < 6; i++) peers.data('client', ping, { sessionId: 77 })
  const events = peers.finish()
  expect(named(events, 'l2tp.session.adopted')).toHaveLength(1)
  expect(named(events, 'sensor.table.filled')).toHaveLength(1)
})

test('what the capture missed of a call is made up for', () => {
  const answer = new Peers().open().icrq()
  answer.ns.server = 2
  answer.iccn({ nr: 2 })
  expect(answer.told('l2tp.session.opened')[0]).toMatchObject({ 'l2tp.session.responder_id': 22 })
  const confirmation = new Peers().open().icrq().icrp()
  confirmation.ns.client = 4
  confirmation.send('server', craft.zlb).data('server', ping).iccn({ ns: 3 })
  expect(confirmation.told('l2tp.session.opened')).toHaveLength(1)
  const all = new Peers().open()
  Object.assign(all.ns, { client: 4, server: 2 })
  all.send('client', craft.zlb).send('server', craft.zlb)
  for (let i = 0; i < 5; i++) all.data('client', ping).data('server', ping)
  expect(all.told('l2tp.session.adopted')).toHaveLength(1)
  expect([...answer.findings, ...confirmation.findings, ...all.findings]).toEqual([])
})
