import { describe, expect, test } from 'vitest'
import {
  avp,
  be16,
  be32,
  concat,
  ethernet,
  fromHex,
  icmp,
  ipcp,
  ipv4,
  lcp,
  ppp,
  PPP,
  sccrp,
  sccrq,
  scccn,
  udp,
} from '../support/craft.ts'
import { V3_MESSAGE, v3HiddenAvp } from '../support/craft-l2tpv3.ts'
import { FAR, NEAR, V3Peers } from './l2tpv3-support.ts'

const SECRET = 'correct horse'
const COOKIE = fromHex('0102030405060708')
const OTHER_COOKIE = fromHex('1112131415161718')
const STATION_A = '02:00:00:00:00:0a'
const STATION_B = '02:00:00:00:00:0b'

const packet = ipv4(
  udp(fromHex('0102'), { sourcePort: 4000, targetPort: 4001, source: '10.0.0.1', target: '10.0.0.2' }),
  {
    source: '10.0.0.1',
    target: '10.0.0.2',
  },
)
const answer = ipv4(
  udp(fromHex('03'), { sourcePort: 4001, targetPort: 4000, source: '10.0.0.2', target: '10.0.0.1' }),
  {
    source: '10.0.0.2',
    target: '10.0.0.1',
  },
)
const there = ethernet(packet, { source: STATION_A, target: STATION_B })
const back = ethernet(answer, { source: STATION_B, target: STATION_A })
const cookieAvp = (cookie: Uint8Array): Uint8Array => avp(65, cookie)
const sublayerAvp = avp(69, be16(1))
const result = (code: number): Uint8Array => avp(1, be16(code))

for (const overIp of [false, true]) {
  const words = overIp ? 'over IP' : 'over UDP'
  const hosts = {
    'source.ip': NEAR,
    'destination.ip': FAR,
    'source.port': overIp ? undefined : 1701,
    'destination.port': overIp ? undefined : 1701,
    'network.transport': overIp ? '115' : 'udp',
    'network.protocol': 'l2tpv3',
    'l2tp.version': 3,
  }

  describe(`a control connection ${words}`, () => {
    test('is asked for, opened, kept alive and closed', () => {
      const peers = new V3Peers({ overIp }).open()
      expect(peers.told('l2tp.tunnel.requested')[0]).toMatchObject({
        ...hosts,
        'l2tp.tunnel.initiator_id': 0x80000001,
        'l2tp.initiator.host_name': 'pe1',
        'l2tp.initiator.router_id': 0xc6336407,
        'l2tp.initiator.pseudowires': ['Ethernet', 'PPP'],
        'l2tp.authentication.method': 'none',
      })
      expect(peers.told('l2tp.tunnel.opened')[0]).toMatchObject({
        ...hosts,
        'l2tp.tunnel.responder_id': 0x90000002,
        'l2tp.responder.host_name': 'pe2',
      })
      peers.send('near', V3_MESSAGE.hello).send('far', V3_MESSAGE.ack).send('far', V3_MESSAGE.hello).zlb('near')
      peers.send('far', V3_MESSAGE.stopccn, [avp(61, be32(0x90000002)), result(6)])
      expect(peers.told('l2tp.tunnel.closed')[0]).toMatchObject({
        ...hosts,
        'l2tp.closed_by': 'responder',
        'l2tp.result.text': 'requester is being shut down',
        'l2tp.control.messages': 6,
        'l2tp.control.anomalies': 0,
        'source.packets': 4,
        'destination.packets': 5,
      })
      expect(peers.findings).toEqual([])
      expect(peers.anomalies).toEqual([])
    })

    test('that was closed is not there again for the data that was under way', () => {
      const peers = new V3Peers({ overIp }).open().call()
      peers.send('far', V3_MESSAGE.stopccn, [avp(61, be32(0x90000002)), result(6)])
      for (let i = 0; i < 5; i++) peers.data('near', there)
      peers.finish()
      expect(peers.told('l2tp.tunnel.adopted')).toEqual([])
      expect(peers.told('l2tp.session.adopted')).toEqual([])
      expect(peers.findings).toEqual([])
    })

    test('that nobody answers is a request that failed', () => {
      const peers = new V3Peers({ overIp }).sccrq().sccrq({ ns: 0 })
      peers.finish()
      expect(peers.told('l2tp.tunnel.requested')).toHaveLength(1)
      expect(peers.told('l2tp.tunnel.failed')[0]).toMatchObject({
        'event.reason': 'no answer to 2 SCCRQ, the capture ended',
        'l2tp.control.retransmissions': 1,
      })
    })

    test('from before the capture is adopted, and so are its sessions', () => {
      const peers = new V3Peers({ overIp })
      peers.send('near', V3_MESSAGE.hello).send('far', V3_MESSAGE.ack).send('near', V3_MESSAGE.hello)
      peers.send('near', V3_MESSAGE.hello).send('far', V3_MESSAGE.hello)
      expect(peers.told('l2tp.tunnel.adopted')).toHaveLength(1)
      expect(peers.told('l2tp.tunnel.adopted')[0]).toMatchObject({ ...hosts, 'l2tp.tunnel.unmanaged': undefined })
      for (let i = 0; i < 3; i++) peers.data('near', there, { cookie: COOKIE })
      for (let i = 0; i < 3; i++) peers.data('far', back, { cookie: OTHER_COOKIE })
      peers.finish()
      expect(peers.told('l2tp.tunnel.adopted')).toHaveLength(1)
      expect(peers.told('l2tp.session.closed')[0]).toMatchObject({
        'l2tp.session.adopted': true,
        'l2tp.session.initiator_id': 0xa0000011,
        'l2tp.session.responder_id': 0xb0000022,
        'l2tp.session.cookie_bytes': 8,
        'l2tp.session.layout': 'inferred',
        'source.packets': 3,
        'destination.packets': 3,
      })
    })
  })

  describe(`a session ${words}`, () => {
    test('is asked for, opened, carries Ethernet, and ends', () => {
      const peers = new V3Peers({ overIp }).open().call(5, [cookieAvp(OTHER_COOKIE)], [cookieAvp(COOKIE), sublayerAvp])
      expect(peers.told('l2tp.session.opened')[0]).toMatchObject({
        ...hosts,
        'l2tp.session.initiator_id': 0xa0000011,
        'l2tp.session.responder_id': 0xb0000022,
        'l2tp.session.kind': 'incoming',
        'l2tp.session.pseudowire': 'Ethernet',
        'l2tp.session.cookie_bytes': 8,
        'l2tp.session.sublayer': 'none',
        'l2tp.session.layout': 'negotiated',
        'l2tp.session.remote_end_id': 'circuit 7',
        'l2tp.session.circuit_status': ['active', 'new'],
      })
      peers.data('near', there, { cookie: COOKIE, sublayer: 0 }).data('near', there, { cookie: COOKIE, sublayer: 1 })
      peers.data('far', back, { cookie: OTHER_COOKIE })
      peers.send('near', V3_MESSAGE.cdn, [...peers.ids('near'), result(3)])
      const [session] = peers.told('l2tp.session.closed')
      expect(session).toMatchObject({
        'l2tp.result.text': 'administrative reasons',
        'source.packets': 2,
        'destination.packets': 1,
        'l2tp.session.sequenced': true,
        'l2tp.session.lost': 0,
        'l2tp.session.cookie_mismatches': undefined,
      })
      expect(peers.told('flow.closed')[0]).toMatchObject({
        'source.ip': '10.0.0.1',
        'destination.ip': '10.0.0.2',
        'source.packets': 2,
        'destination.packets': 1,
        'outer.source.ip': NEAR,
        'l2tp.session.uid': session['l2tp.session.uid'],
        'l2tp.tunnel.uid': session['l2tp.tunnel.uid'],
      })
      expect(peers.findings).toEqual([])
      expect(peers.anomalies).toEqual([])
    })

    test('that is refused failed', () => {
      const peers = new V3Peers({ overIp }).open().icrq()
      peers.send('far', V3_MESSAGE.cdn, [...peers.ids('far'), result(14)])
      expect(peers.told('l2tp.session.failed')[0]).toMatchObject({
        'event.reason': 'unsupported pseudowire type',
        'l2tp.closed_by': 'responder',
      })
    })

    test('with PPP goes on to the link, its login and its flows', () => {
      const peers = new V3Peers({ overIp }).open().call(7)
      for (const end of ['near', 'far'] as const)
        peers.data(end, lcp(1, 1)).data(end === 'near' ? 'far' : 'near', lcp(2, 1))
      const address = fromHex('03060a000001')
      for (const end of ['near', 'far'] as const) {
        peers.data(end, ipcp(1, 1, [address])).data(end === 'near' ? 'far' : 'near', ipcp(2, 1, [address]))
      }
      peers.data('near', ppp(PPP.ipv4, packet)).finish()
      expect(peers.told('ppp.link.opened')[0]).toMatchObject({
        'source.ip': NEAR,
        'l2tp.session.uid': peers.told('l2tp.session.opened')[0]['l2tp.session.uid'],
      })
      expect(peers.told('flow.closed')).toHaveLength(1)
    })

    test('tells what its circuit does', () => {
      const peers = new V3Peers({ overIp }).open().call()
      peers.send('far', V3_MESSAGE.sli, [...peers.ids('far'), avp(71, be16(0))])
      peers.send('far', V3_MESSAGE.sli, [...peers.ids('far'), avp(71, be16(0x0004))])
      peers.send('far', V3_MESSAGE.wen, [...peers.ids('far'), avp(34, new Uint8Array(26))])
      expect(peers.told('l2tp.session.circuit_changed').map((event) => event['l2tp.session.circuit_status'])).toEqual([
        [],
        ['circuit receive fault'],
      ])
      expect(peers.told('l2tp.session.circuit_changed')[0].message).toBe(`${FAR} says that its circuit is down`)
      expect(peers.findings).toEqual([])
    })

    test('data without its cookie is a finding and nothing of the session', () => {
      const peers = new V3Peers({ overIp }).open().call(5, [], [cookieAvp(COOKIE)])
      peers.data('near', there, { cookie: COOKIE })
      peers.data('near', there, { cookie: OTHER_COOKIE }).data('near', there).finish()
      expect(peers.anomalies).toEqual(['l2tpv3.cookie_mismatch', 'l2tpv3.cookie_mismatch'])
      expect(peers.told('protocol.anomaly')[0]).toMatchObject({
        'source.ip': NEAR,
        'l2tp.session.uid': peers.told('l2tp.session.opened')[0]['l2tp.session.uid'],
        'l2tp.session.target_id': 0xb0000022,
      })
      expect(peers.told('l2tp.session.closed')[0]).toMatchObject({
        'l2tp.session.cookie_mismatches': 2,
        'source.packets': 1,
      })
      expect(peers.told('flow.closed')[0]['source.packets']).toBe(1)
    })

    test('data from another host is a finding and nothing of the session', () => {
      const peers = new V3Peers({ overIp }).open().call()
      peers.data('near', there, { source: '203.0.113.66' }).finish()
      expect(peers.anomalies).toEqual(['l2tp.foreign_source'])
      expect(peers.told('l2tp.session.closed')[0]['network.packets']).toBe(0)
    })

    test('numbers that nobody assigned are told, each once', () => {
      const peers = new V3Peers({ overIp }).open().call()
      for (const sessionId of [1, 2, 3, 3, 3]) peers.data('near', there, { sessionId })
      expect(peers.findings).toEqual(Array(3).fill('session_unknown data'))
      expect(peers.told('l2tp.control.unknown').map((event) => event['l2tp.session.target_id'])).toEqual([1, 2, 3])
      expect(peers.told('l2tp.control.unknown')[0]['l2tp.tunnel.target_id']).toBeUndefined()
    })

    test('what is missing and what comes late is counted by its numbers', () => {
      const peers = new V3Peers({ overIp }).open().call(5, [], [sublayerAvp])
      for (const number of [0xfffffe, 0xffffff, 2, 1, 3, 3, 7]) peers.data('near', there, { sublayer: number })
      peers.finish()
      expect(peers.told('l2tp.session.closed')[0]).toMatchObject({
        'l2tp.session.sequenced': true,
        'l2tp.session.lost': 4,
        'l2tp.session.reordered': 1,
      })
    })
  })

  describe(`a tunnel that is set up by hand ${words}`, () => {
    test('shows itself by its data, and one session in both directions', () => {
      const peers = new V3Peers({ overIp })
      for (let i = 0; i < 4; i++) {
        peers.data('near', there, { cookie: COOKIE, sublayer: i }).data('far', back, { sublayer: i })
      }
      peers.finish()
      expect(peers.told('l2tp.tunnel.adopted')).toHaveLength(1)
      expect(peers.told('l2tp.tunnel.adopted')[0]).toMatchObject({ ...hosts, 'l2tp.tunnel.unmanaged': true })
      expect(peers.told('l2tp.session.closed')).toHaveLength(1)
      expect(peers.told('l2tp.session.closed')[0]).toMatchObject({
        'l2tp.session.initiator_id': 0xa0000011,
        'l2tp.session.responder_id': 0xb0000022,
        'l2tp.session.pseudowire': 'Ethernet',
        'l2tp.session.cookie_bytes': 0,
        'l2tp.session.sublayer': 'default',
        'l2tp.session.layout': 'inferred',
        'source.packets': 4,
        'destination.packets': 4,
      })
      expect(peers.told('l2tp.control.unknown')).toEqual([])
    })

    test('keeps sessions between the same hosts apart by the stations inside', () => {
      const peers = new V3Peers({ overIp })
      const stations = ['02:00:00:00:01:0a', '02:00:00:00:01:0b']
      const otherThere = ethernet(packet, { source: stations[0], target: stations[1] })
      const otherBack = ethernet(answer, { source: stations[1], target: stations[0] })
      for (let i = 0; i < 3; i++) {
        peers.data('near', there, { sessionId: 101 }).data('near', otherThere, { sessionId: 102 })
      }
      for (let i = 0; i < 3; i++) {
        peers.data('far', otherBack, { sessionId: 202 }).data('far', back, { sessionId: 201 })
      }
      peers.finish()
      const ids = peers
        .told('l2tp.session.closed')
        .map((event) => [event['l2tp.session.responder_id'], event['l2tp.session.initiator_id']])
      expect(ids.sort()).toEqual([
        [101, 201],
        [102, 202],
      ])
    })

    test('is one with a control connection that speaks later', () => {
      const peers = new V3Peers({ overIp })
      for (let i = 0; i < 3; i++) peers.data('near', there)
      for (let i = 0; i < 3; i++) peers.send('near', V3_MESSAGE.hello).send('far', V3_MESSAGE.ack)
      peers.finish()
      expect(peers.told('l2tp.tunnel.adopted')).toHaveLength(1)
      expect(peers.told('l2tp.tunnel.closed')).toHaveLength(1)
      expect(peers.told('l2tp.tunnel.closed')[0]).toMatchObject({ 'l2tp.tunnel.unmanaged': undefined })
    })

    test('a lone message, or one that nobody can read, makes nothing exist', () => {
      const peers = new V3Peers({ overIp })
      peers.data('near', there).data('near', fromHex('0011223344556677'), { sessionId: 9 })
      for (let i = 0; i < 4; i++) peers.data('near', fromHex('0011223344556677'), { sessionId: 10 })
      peers.finish()
      expect(peers.told('l2tp.tunnel.adopted')).toEqual([])
      expect(peers.findings).toEqual(Array(3).fill('session_unknown data'))
    })

    test('that nobody can read exists when it goes on', () => {
      const peers = new V3Peers({ overIp })
      for (let i = 0; i < 30; i++) peers.data('near', fromHex('0011223344556677'), { sessionId: 10 })
      peers.finish()
      expect(peers.told('l2tp.session.closed')[0]).toMatchObject({
        'source.packets': 30,
        'l2tp.session.layout': undefined,
        'l2tp.session.pseudowire': undefined,
      })
    })

    test('a cookie that changes in mid-session is a finding, and one that stays is believed', () => {
      const peers = new V3Peers({ overIp })
      for (let i = 0; i < 12; i++) peers.data('near', there, { cookie: COOKIE })
      peers.data('near', there, { cookie: OTHER_COOKIE })
      expect(peers.anomalies).toEqual(['l2tpv3.cookie_mismatch'])
      for (let i = 0; i < 40; i++) peers.data('near', there, { cookie: OTHER_COOKIE })
      peers.data('near', there, { cookie: OTHER_COOKIE }).finish()
      expect(peers.told('l2tp.session.closed')[0]['l2tp.session.cookie_mismatches']).toBe(32)
    })
  })

  describe(`digests ${words}`, () => {
    test('are verified with the nonces of both ends', () => {
      const peers = new V3Peers({ overIp, signedWith: SECRET, secrets: ['wrong', SECRET] }).open()
      expect(
        peers
          .told('l2tp.tunnel.authenticated')
          .map((event) => [event['l2tp.message.type'], event['l2tp.authentication.verdict'], event['event.outcome']]),
      ).toEqual([
        ['SCCRP', 'verified', 'success'],
        ['SCCCN', 'verified', 'success'],
      ])
      expect(peers.told('l2tp.tunnel.opened')[0]).toMatchObject({
        'l2tp.authentication.method': 'mutual',
        'l2tp.authentication.verdict': 'verified',
      })
    })

    test('of a secret that is not configured, and without any secret, are told', () => {
      const wrong = new V3Peers({ overIp, signedWith: SECRET, secrets: ['wrong'] }).open()
      expect(
        wrong
          .told('l2tp.tunnel.authenticated')
          .map((event) => [event['l2tp.message.type'], event['l2tp.authentication.verdict']]),
      ).toEqual([
        ['SCCRQ', 'wrong_secret'],
        ['SCCRP', 'wrong_secret'],
      ])
      const none = new V3Peers({ overIp, signedWith: SECRET }).open()
      expect(none.told('l2tp.tunnel.opened')[0]['l2tp.authentication.verdict']).toBe('unverified')
    })

    test('once they were right, a message with a wrong one or none is believed by nobody', () => {
      const peers = new V3Peers({ overIp, signedWith: SECRET, secrets: [SECRET] }).open()
      peers.send('far', V3_MESSAGE.stopccn, [result(6)], { secret: 'guess' })
      peers.send('far', V3_MESSAGE.stopccn, [result(6)], { secret: null, ns: 1 })
      expect(peers.anomalies).toEqual(['l2tpv3.digest_wrong', 'l2tpv3.digest_missing'])
      expect(peers.told('l2tp.tunnel.closed')).toEqual([])
      peers.send('far', V3_MESSAGE.stopccn, [result(6)], { ns: 1 })
      expect(peers.told('l2tp.tunnel.closed')).toHaveLength(1)
    })

    test('repeated messages say it once', () => {
      const peers = new V3Peers({ overIp, signedWith: SECRET, secrets: [SECRET] }).sccrq().sccrp().sccrp({ ns: 0 })
      expect(peers.told('l2tp.tunnel.authenticated')).toHaveLength(1)
    })

    test('no secret is in any event', () => {
      const peers = new V3Peers({ overIp, signedWith: SECRET, secrets: [SECRET] }).open().call()
      expect(JSON.stringify(peers.finish())).not.toContain(SECRET)
    })
  })
}

describe('hidden attributes of version 3', () => {
  const randomVector = fromHex('8899aabbccddeeff')
  const hide = (type: number, value: Uint8Array): Uint8Array =>
    v3HiddenAvp(type, value, { secret: SECRET, randomVector })
  const wanted = [avp(36, randomVector), hide(65, COOKIE)]

  test('are recovered with the secret, and the cookie in them is the one that counts', () => {
    const peers = new V3Peers({ secrets: [SECRET] }).open().call(5, [], wanted)
    peers.data('near', there, { cookie: COOKIE }).data('near', there, { cookie: OTHER_COOKIE }).finish()
    expect(peers.told('l2tp.avp.hidden')[0]).toMatchObject({ 'l2tp.avp.verdict': 'recovered', 'l2tp.version': 3 })
    expect(peers.anomalies).toEqual(['l2tpv3.cookie_mismatch'])
  })

  test('without the secret leave the layout to be inferred', () => {
    const peers = new V3Peers().open().call(5, [], wanted)
    for (let i = 0; i < 3; i++) peers.data('near', there, { cookie: COOKIE })
    peers.finish()
    expect(peers.anomalies).toEqual([])
    expect(peers.told('flow.closed')[0]['source.packets']).toBe(3)
    expect(peers.told('l2tp.session.closed')[0]).toMatchObject({ 'l2tp.session.pseudowire': 'Ethernet' })
  })
})

describe('what else a pseudowire carries', () => {
  for (const [words, type, payload] of [
    ['Cisco HDLC', 6, concat(fromHex('0f000800'), packet)],
    ['PPP in HDLC', 6, ppp(PPP.ipv4, packet)],
    ['Frame Relay', 1, concat(fromHex('184103cc'), packet)],
    ['IP', 11, packet],
    ['AAL5', 2, concat(fromHex('aaaa030000000800'), packet)],
    ['Ethernet VLAN', 4, ethernet(packet, { vlans: [{ id: 5 }] })],
  ] as const) {
    test(`${words} leads to the flow inside`, () => {
      const peers = new V3Peers().open().call(type).data('near', payload)
      peers.finish()
      expect(peers.told('flow.closed')[0]).toMatchObject({ 'source.ip': '10.0.0.1', 'destination.port': 4001 })
    })
  }

  test('a packet inside that is damaged is a finding', () => {
    const peers = new V3Peers().open().call(11).data('near', fromHex('4f00'))
    expect(peers.told('protocol.anomaly')[0]).toMatchObject({ 'anomaly.layer': 'inner.ip' })
  })

  test('two sessions with the same addresses inside are two flows', () => {
    const peers = new V3Peers().open().call(11)
    peers.data('near', packet)
    peers.sessionIds.near = 31
    peers.sessionIds.far = 32
    peers.call(11).data('near', packet).finish()
    expect(peers.told('flow.closed')).toHaveLength(2)
  })
})

describe('the port', () => {
  test('of a peer that a NAT moves is followed, by its data too', () => {
    const peers = new V3Peers().open().call()
    peers.send('near', V3_MESSAGE.hello, [], { sourcePort: 40_001 })
    peers.data('far', back, { targetPort: 40_001 }).finish()
    expect(peers.findings).toEqual([])
    expect(peers.told('l2tp.session.closed')[0]['destination.packets']).toBe(1)
  })

  test('shared with version 2 keeps both apart', () => {
    const peers = new V3Peers().open().call(11)
    peers.data('near', packet).finish()
    expect(peers.told('l2tp.tunnel.opened').map((event) => event['l2tp.version'])).toEqual([3])
  })
})

describe('a request that offers both versions', () => {
  const offer = (peers: V3Peers): V3Peers => {
    const more = [avp(61, be32(peers.connectionIds.near), { mandatory: false })]
    peers.ns.near++
    return peers.raw('near', sccrq({ hostName: 'both', assignedTunnelId: 7, more }))
  }

  test('is one of version 3 if its answer is', () => {
    const peers = offer(new V3Peers()).sccrp().scccn().call()
    expect(peers.told('l2tp.tunnel.opened')[0]).toMatchObject({
      'l2tp.version': 3,
      'l2tp.initiator.host_name': 'both',
      'l2tp.tunnel.initiator_id': 0x80000001,
    })
    expect(peers.told('l2tp.tunnel.failed')[0]).toMatchObject({
      'l2tp.version': 2,
      'event.reason': 'the peer answered in version 3',
    })
    expect(peers.told('l2tp.session.opened')).toHaveLength(1)
    expect(peers.findings).toEqual([])
  })

  test('is one of version 2 if its answer is, and version 3 is not heard of', () => {
    const peers = offer(new V3Peers())
    peers.raw('far', sccrp({ tunnelId: 7, assignedTunnelId: 9, nr: 1 }))
    peers.raw('near', scccn({ tunnelId: 9, ns: 1, nr: 1 }))
    peers.wait(60).finish()
    expect(peers.told('l2tp.tunnel.opened').map((event) => event['l2tp.version'])).toEqual([2])
    expect(peers.told('l2tp.tunnel.failed')).toEqual([])
    expect(peers.told('l2tp.tunnel.requested').map((event) => event['l2tp.version'])).toEqual([2])
  })
})

test('data for session zero over UDP is a finding', () => {
  const peers = new V3Peers().open().data('near', there, { sessionId: 0 })
  expect(peers.anomalies).toEqual(['l2tpv3.session_zero'])
})

test('data that ends inside its cookie is a finding', () => {
  const peers = new V3Peers()
    .open()
    .call(5, [], [cookieAvp(COOKIE)])
    .data('near', fromHex('0102'))
  expect(peers.anomalies).toEqual(['l2tpv3.data_truncated'])
})

test('a message of connectivity verification belongs to the session and to no flow', () => {
  const peers = new V3Peers()
    .open()
    .call(11, [], [sublayerAvp])
    .data('near', concat(fromHex('80000000'), packet))
  peers.finish()
  expect(peers.told('flow.closed')).toEqual([])
  expect(peers.told('l2tp.session.closed')[0]['source.packets']).toBe(1)
})

test('an ICMP echo inside is a flow', () => {
  const ping = ipv4(icmp(new Uint8Array(8)), { protocol: 1 })
  const peers = new V3Peers().open().call(5).data('near', ethernet(ping))
  peers.finish()
  expect(peers.told('flow.closed')[0]['network.transport']).toBe('icmp')
})

test('a stranger with the number of the place that a peer has left opens nothing in the tunnel of that peer', () => {
  const peers = new V3Peers()
  const STRANGER = '203.0.113.9'
  peers.send('near', V3_MESSAGE.hello).send('far', V3_MESSAGE.ack).send('near', V3_MESSAGE.hello)
  peers.send('near', V3_MESSAGE.hello).send('far', V3_MESSAGE.hello)
  const [{ 'l2tp.tunnel.uid': tunnel }] = peers.told('l2tp.tunnel.adopted')
  for (let i = 0; i < 3; i++) peers.send('near', V3_MESSAGE.hello, [], { sourcePort: 40_000 })
  peers.sccrq({ source: STRANGER, ns: 0 })
  for (let i = 0; i < 6; i++) peers.data('near', there, { source: STRANGER, sessionId: 77 })
  peers.finish()
  const adopted = peers.told('l2tp.session.adopted').filter((event) => event['l2tp.tunnel.uid'] === tunnel)
  expect(adopted).toEqual([])
})
