import { describe, expect, test } from 'vitest'
import type { EventName } from '../../src/events/catalogue.ts'
import type { EventDocument } from '../../src/events/fields.ts'
import { LINKTYPE } from '../../src/wire/link.ts'
import * as craft from '../support/craft.ts'
import { accessLine, discoveryFrame, pppoe, pppoeTag, sessionFrame } from '../support/pppoe.ts'
import { countsOf, named, type SensorOptions, TestSensor } from '../support/sensor.ts'

type Side = 'host' | 'concentrator'

const START_US = 1_700_000_000_000_000
const HOST = '02:00:00:00:00:11'
const CONCENTRATOR = '02:00:00:00:00:aa'
const BROADCAST = 'ff:ff:ff:ff:ff:ff'
const HOST_MAC = '02-00-00-00-00-11'
const CONCENTRATOR_MAC = '02-00-00-00-00-AA'
const SERVICE_NAME = 0x0101
const AC_NAME = 0x0102
const HOST_UNIQ = 0x0103
const GENERIC_ERROR = 0x0203
const [PADI, PADO, PADR, PADS, PADT] = [0x09, 0x07, 0x19, 0x65, 0xa7]
const { configureRequest: REQUEST, configureAck: ACK } = craft.PPP_CODE
const MAGIC = craft.pppOption(craft.LCP_OPTION.magic, craft.fromHex('badcafe1'))
const MRU = craft.pppOption(craft.LCP_OPTION.mru, craft.be16(1492))

/** A host and an access concentrator whose every frame a test writes out. */
class Line {
  readonly run: TestSensor
  timeUs = START_US
  host = HOST
  vlans: readonly { readonly id: number }[] = []
  sessionId = 0x17

  constructor(options: SensorOptions = {}) {
    this.run = new TestSensor({ ...options, capture: { duplicateWindowMs: 0, ...options.capture } })
  }

  wait(seconds: number): this {
    this.timeUs += seconds * 1e6
    return this
  }

  #ends(from: Side): craft.EthernetFields {
    const [source, target] = from === 'host' ? [this.host, CONCENTRATOR] : [CONCENTRATOR, this.host]
    return { source, target, vlans: this.vlans }
  }

  see(frame: Uint8Array): this {
    this.timeUs += 1000
    this.run.see(frame, this.timeUs)
    return this
  }

  discover(from: Side, code: number, tags: readonly Uint8Array[], sessionId = 0, target?: string): this {
    const ends = this.#ends(from)
    return this.see(
      discoveryFrame(code, tags, { sessionId, ethernet: target === undefined ? ends : { ...ends, target } }),
    )
  }

  /** PADI and PADO. */
  offer(name = 'bras1'): this {
    const tags = [pppoeTag(SERVICE_NAME, 'internet'), pppoeTag(HOST_UNIQ, craft.fromHex('0001'))]
    return this.discover('host', PADI, tags, 0, BROADCAST).discover('concentrator', PADO, [
      ...tags,
      pppoeTag(AC_NAME, name),
    ])
  }

  open(): this {
    const tags = [
      pppoeTag(SERVICE_NAME, 'internet'),
      accessLine([
        [1, 'dslam7 1/1/3'],
        [2, 'line 42'],
      ]),
    ]
    return this.offer()
      .discover('host', PADR, [...tags, pppoeTag(0x0120, craft.be16(1500))])
      .discover('concentrator', PADS, tags, this.sessionId)
  }

  ppp(from: Side, frame: Uint8Array): this {
    return this.see(sessionFrame(this.sessionId, frame, { ethernet: this.#ends(from) }))
  }

  finish(): readonly EventDocument[] {
    return this.run.finish()
  }

  told(name: EventName): readonly EventDocument[] {
    return named(this.run.events, name)
  }
}

const BARE = { addressControl: false } as const

/** LCP, and addresses for both ends. */
function link(line: Line, options: readonly Uint8Array[] = [MRU, MAGIC]): Line {
  const address = (ip: string) => [craft.pppOption(3, craft.ipBytes(ip))]
  return line
    .ppp('host', craft.lcp(REQUEST, 1, options, BARE))
    .ppp('concentrator', craft.lcp(ACK, 1, options, BARE))
    .ppp('concentrator', craft.lcp(REQUEST, 1, [], BARE))
    .ppp('host', craft.lcp(ACK, 1, [], BARE))
    .ppp('host', craft.ipcp(REQUEST, 1, address('10.9.8.7'), BARE))
    .ppp('concentrator', craft.ipcp(ACK, 1, address('10.9.8.7'), BARE))
    .ppp('concentrator', craft.ipcp(REQUEST, 1, address('10.9.8.1'), BARE))
    .ppp('host', craft.ipcp(ACK, 1, address('10.9.8.1'), BARE))
}

const ENDS = { source: '10.9.8.7', target: '203.0.113.9' }
const INNER = craft.ppp(0x0021, craft.ipv4(craft.tcp(craft.utf8('inside'), ENDS), { ...ENDS, protocol: 6 }), BARE)

describe('discovery', () => {
  test('ends in a session that knows what was told on the way', () => {
    const line = new Line().open()
    expect(line.told('pppoe.concentrator.seen')).toMatchObject([
      { 'source.mac': CONCENTRATOR_MAC, 'pppoe.ac_name': 'bras1', 'pppoe.service_name': 'internet' },
    ])
    expect(line.told('pppoe.session.opened')).toMatchObject([
      {
        'source.mac': HOST_MAC,
        'destination.mac': CONCENTRATOR_MAC,
        'network.protocol': 'pppoe',
        'pppoe.session.id': 0x17,
        'pppoe.service_name': 'internet',
        'pppoe.ac_name': 'bras1',
        'pppoe.offers': 1,
        'pppoe.circuit_id': 'dslam7 1/1/3',
        'pppoe.remote_id': 'line 42',
        'pppoe.max_payload': 1500,
      },
    ])
    expect(line.told('protocol.anomaly')).toEqual([])
  })

  test('of the concentrator is told once a station', () => {
    const line = new Line().offer().offer()
    line.discover('concentrator', PADO, [pppoeTag(SERVICE_NAME, ''), pppoeTag(AC_NAME, 'bras1')])
    expect(line.told('pppoe.concentrator.seen')).toHaveLength(1)
    line.see(
      discoveryFrame(PADO, [pppoeTag(SERVICE_NAME, ''), pppoeTag(AC_NAME, 'rogue')], {
        ethernet: { source: '02:00:00:00:00:bb', target: HOST },
      }),
    )
    expect(line.told('pppoe.concentrator.seen').map((event) => event['pppoe.ac_name'])).toEqual(['bras1', 'rogue'])
  })

  test('is refused', () => {
    const line = new Line()
      .offer()
      .discover('host', PADR, [pppoeTag(SERVICE_NAME, 'internet')])
      .discover('concentrator', PADS, [pppoeTag(0x0201, 'no such service')])
    expect(line.told('pppoe.session.failed')).toMatchObject([
      {
        'source.mac': HOST_MAC,
        'destination.mac': CONCENTRATOR_MAC,
        'event.reason': 'refused: Service-Name-Error, "no such service"',
        'event.outcome': 'failure',
        'pppoe.session.state': 'requested',
        'pppoe.error.name': 'Service-Name-Error',
        'pppoe.error.message': 'no such service',
        'pppoe.closed_by': 'server',
      },
    ])
  })

  test.each([
    ['no access concentrator answered', (line: Line) => line.discover('host', PADI, [pppoeTag(SERVICE_NAME, '')])],
    ['no offer was taken up', (line: Line) => line.offer()],
    [
      'the access concentrator did not confirm',
      (line: Line) => line.offer().discover('host', PADR, [pppoeTag(SERVICE_NAME, 'internet')]),
    ],
  ])('fails: %s', (reason, act) => {
    const line = act(new Line()).wait(100).see(craft.datagram(craft.hello()))
    expect(line.told('pppoe.session.failed')).toMatchObject([{ 'event.reason': reason, 'pppoe.closed_by': 'silence' }])
    expect(countsOf(line.finish())['pppoe.session.failed']).toBe(1)
  })

  test('that is under way ends with the capture', () => {
    const line = new Line().offer()
    line.finish()
    expect(line.told('pppoe.session.failed')).toMatchObject([
      { 'event.reason': 'the capture ended', 'event.outcome': 'unknown', 'pppoe.session.state': 'offered' },
    ])
  })

  test('tells what the RFC forbids', () => {
    const line = new Line().discover('host', PADI, [], 7).discover('host', PADI, [craft.fromHex('0101 00ff')])
    expect(line.told('protocol.anomaly').map((event) => event['anomaly.name'])).toEqual([
      'pppoe.session_id',
      'pppoe.service_name_missing',
      'pppoe.tag_length',
      'pppoe.service_name_missing',
    ])
    expect(line.told('protocol.anomaly')[0]).toMatchObject({ 'source.mac': HOST_MAC, 'anomaly.layer': 'pppoe' })
    line.see(craft.ethernet(pppoe(PADI, new Uint8Array(0), { length: 90 }), { type: 0x8863, sizeMin: 0 }))
    expect(line.told('protocol.anomaly').at(-1)).toMatchObject({ 'anomaly.name': 'pppoe.length' })
  })
})

describe('a session', () => {
  test('carries a link and flows, and is terminated', () => {
    const line = link(new Line().open())
    line.ppp('host', INNER).ppp('host', INNER)
    line.discover('host', PADT, [pppoeTag(GENERIC_ERROR, 'going home')], 0x17).finish()
    const [opened] = line.told('pppoe.session.opened')
    const lineage = [opened['pppoe.session.uid']]
    expect(line.told('ppp.link.opened')).toMatchObject([
      { 'source.mac': HOST_MAC, 'ppp.client.ip': '10.9.8.7', 'borescope.lineage': lineage, 'network.protocol': 'ppp' },
    ])
    const [flow] = line.told('flow.closed')
    expect(flow).toMatchObject({
      'source.ip': '10.9.8.7',
      'destination.ip': '203.0.113.9',
      'source.packets': 2,
      'pppoe.session.uid': opened['pppoe.session.uid'],
      'flow.carrier': opened['pppoe.session.uid'],
      'borescope.lineage': [...lineage, flow['flow.uid']],
    })
    expect(line.told('pppoe.session.closed')).toMatchObject([
      {
        'pppoe.session.id': 0x17,
        'event.reason': 'terminated by the client: Generic-Error, "going home"',
        'pppoe.closed_by': 'client',
        'pppoe.error.message': 'going home',
        'source.packets': 6,
        'destination.packets': 4,
      },
    ])
    expect(countsOf(line.run.events)['pppoe.session.adopted']).toBeUndefined()
  })

  test('in a VLAN says so, and so does its link', () => {
    const line = new Line()
    line.vlans = [{ id: 7 }]
    link(line.open()).ppp('host', INNER).finish()
    for (const name of ['pppoe.session.opened', 'ppp.link.opened', 'ppp.link.closed'] as const)
      expect(line.told(name)).toMatchObject([{ 'network.vlan.id': '7' }])
  })

  test('is not brought back by frames after its end', () => {
    const line = new Line().open().discover('concentrator', PADT, [], 0x17)
    for (let i = 0; i < 9; i++) line.ppp('host', INNER)
    expect(countsOf(line.finish())).toMatchObject({ 'pppoe.session.closed': 1, 'pppoe.session.opened': 1 })
    expect(line.told('pppoe.session.adopted')).toEqual([])
    expect(line.told('pppoe.session.closed')).toMatchObject([{ 'pppoe.closed_by': 'server' }])
  })

  test('whose number is given again ends; a repeated confirmation does not end it', () => {
    const line = new Line().open()
    line.discover('concentrator', PADS, [pppoeTag(SERVICE_NAME, 'internet')], 0x17)
    expect(line.told('pppoe.session.closed')).toEqual([])
    line.open().finish()
    expect(line.told('pppoe.session.closed').map((event) => event['event.reason'])).toEqual([
      'its session id was given again',
      'the capture ended',
    ])
    expect(line.told('pppoe.session.opened')).toHaveLength(2)
  })

  test('that was open before the capture is adopted after a few frames', () => {
    const line = new Line().ppp('host', INNER).ppp('concentrator', INNER)
    expect(line.told('pppoe.session.adopted')).toEqual([])
    line.ppp('host', INNER)
    expect(line.told('pppoe.session.adopted')).toMatchObject([
      { 'source.mac': HOST_MAC, 'pppoe.session.adopted': true, 'pppoe.session.id': 0x17 },
    ])
    line.wait(700).see(craft.datagram(craft.hello()))
    expect(line.told('pppoe.session.closed')).toMatchObject([{ 'event.reason': 'silent for 600 s' }])
  })

  test('that is adopted by a frame of a known concentrator knows who is who', () => {
    const line = new Line().offer()
    for (let i = 0; i < 3; i++) line.ppp('concentrator', INNER)
    expect(line.told('pppoe.session.adopted')).toMatchObject([
      { 'source.mac': HOST_MAC, 'destination.mac': CONCENTRATOR_MAC },
    ])
  })

  test('is another one for another host, another VLAN and another number', () => {
    const line = new Line().open()
    line.host = '02:00:00:00:00:12'
    line.open()
    line.vlans = [{ id: 7 }]
    line.open()
    line.sessionId = 0x18
    line.open()
    line.ppp('host', INNER).finish()
    expect(line.told('pppoe.session.closed').map((event) => event['source.packets'])).toEqual([0, 0, 0, 1])
    expect(line.told('pppoe.session.opened')[2]).toMatchObject({ 'network.vlan.id': '7' })
  })

  test('counts what it carries for others, who follow it', () => {
    const line = new Line().open()
    const message = craft.datagram(craft.sccrq({ hostName: 'lac' })).subarray(14)
    line.ppp('host', craft.ppp(0x0021, message, BARE)).finish()
    expect(line.told('l2tp.tunnel.requested')).toHaveLength(1)
    expect(line.told('pppoe.session.closed')).toMatchObject([{ 'source.packets': 1 }])
    expect(line.told('flow.closed')).toEqual([])
  })

  test('names what is wrong with the PPP in it', () => {
    const line = new Line().open().ppp('host', craft.fromHex('ff04 0021')).ppp('host', craft.fromHex('c021 0101 00ff'))
    expect(line.told('protocol.anomaly').map((event) => event['anomaly.name'])).toEqual([
      'ppp.protocol',
      'ppp.control_length',
    ])
    for (const event of line.told('protocol.anomaly'))
      expect(event).toMatchObject({ 'source.mac': HOST_MAC, 'pppoe.session.uid': expect.stringMatching(/^o-/) })
  })

  test('is seen once where a port mirrors every frame twice', () => {
    const line = new Line({ capture: { duplicateWindowMs: 5 } })
    const { run } = line
    const twice = (frame: Uint8Array): void => {
      line.timeUs += 20_000
      run.see(frame, line.timeUs)
      run.see(frame, line.timeUs + 10)
    }
    const ends = { source: HOST, target: CONCENTRATOR }
    for (let id = 1; id <= 4; id++) twice(sessionFrame(9, craft.lcp(REQUEST, id, [MAGIC], BARE), { ethernet: ends }))
    expect(run.sensor.counts.duplicates).toBe(4)
    expect(line.told('pppoe.session.adopted')).toHaveLength(1)
    // Two hosts may say the same at the same time.
    for (const source of ['02:00:00:00:00:21', '02:00:00:00:00:22'])
      run.see(
        discoveryFrame(PADI, [pppoeTag(SERVICE_NAME, '')], { ethernet: { source, target: BROADCAST } }),
        line.timeUs,
      )
    expect(run.sensor.counts.duplicates).toBe(4)
  })

  test('without Ethernet is known by its number alone', () => {
    const line = new Line()
    const { frame } = line.run.sensor
    for (let i = 0; i < 4; i++) {
      const bytes = pppoe(0, INNER, { sessionId: 5 })
      Object.assign(frame, { bytes, start: 0, end: bytes.length, originalLength: bytes.length })
      Object.assign(frame, { timeUs: START_US + i, linkType: LINKTYPE.PPP_ETHER, number: i + 1 })
      line.run.sensor.observe()
    }
    expect(line.finish().map((event) => event['event.action'])).toEqual([
      'pppoe.session.adopted',
      'flow.closed',
      'pppoe.session.closed',
      'capture.analysed',
    ])
    expect(line.told('pppoe.session.adopted')[0]['source.mac']).toBeUndefined()
  })
})

describe('a session that goes on in L2TP', () => {
  const LAC = '192.0.2.20'
  const LNS = '192.0.2.1'

  /** The tunnel and the call between the concentrator and a network server. */
  function forward(line: Line, from: 'lac' | 'lns', payload: Uint8Array): Line {
    const [source, target] = from === 'lac' ? [LAC, LNS] : [LNS, LAC]
    return line.see(craft.datagram(payload, { source, target }))
  }

  function call(line: Line, proxied: readonly Uint8Array[] = []): Line {
    forward(line, 'lac', craft.sccrq({ assignedTunnelId: 10 }))
    forward(line, 'lns', craft.sccrp({ tunnelId: 10, assignedTunnelId: 20, ns: 0, nr: 1 }))
    forward(line, 'lac', craft.scccn({ tunnelId: 20, ns: 1, nr: 1 }))
    forward(line, 'lac', craft.icrq({ tunnelId: 20, assignedSessionId: 11, ns: 2, nr: 1 }))
    forward(line, 'lns', craft.icrp({ tunnelId: 10, sessionId: 11, assignedSessionId: 21, ns: 1, nr: 3 }))
    return forward(line, 'lac', craft.iccn({ tunnelId: 20, sessionId: 21, ns: 3, nr: 2, more: proxied }))
  }

  test('is tied to the session by the magic number in both', () => {
    const line = call(new Line().open())
    const request = craft.lcp(REQUEST, 1, [MRU, MAGIC], BARE)
    line.ppp('host', request)
    forward(line, 'lac', craft.l2tpData(request, { tunnelId: 20, sessionId: 21 }))
    const [opened] = line.told('l2tp.session.opened')
    const [forwarded] = line.told('pppoe.session.forwarded')
    const [access] = line.told('pppoe.session.opened')
    expect(forwarded).toMatchObject({
      'source.mac': HOST_MAC,
      'pppoe.session.uid': access['pppoe.session.uid'],
      'l2tp.session.uid': opened['l2tp.session.uid'],
      'l2tp.tunnel.uid': opened['l2tp.tunnel.uid'],
      'borescope.lineage': [opened['l2tp.tunnel.uid'], opened['l2tp.session.uid'], access['pppoe.session.uid']],
    })
    link(line).finish()
    expect(line.told('pppoe.session.forwarded')).toHaveLength(1)
    expect(line.told('ppp.link.opened')[0]).toMatchObject({
      'l2tp.session.uid': opened['l2tp.session.uid'],
      'pppoe.session.uid': access['pppoe.session.uid'],
    })
    expect(line.told('l2tp.session.closed')).toMatchObject([{ 'pppoe.session.uid': access['pppoe.session.uid'] }])
    expect(line.told('pppoe.session.closed')).toMatchObject([{ 'l2tp.session.uid': opened['l2tp.session.uid'] }])
  })

  test('is tied to it by what the concentrator tells of its own negotiation', () => {
    const line = link(new Line().open())
    call(line, [craft.avp(28, craft.concat(MRU, MAGIC))])
    expect(line.told('pppoe.session.forwarded')).toHaveLength(1)
  })

  test('is tied to it by a challenge', () => {
    const line = call(new Line().open())
    const challenge = craft.chapChallenge(1, craft.fromHex('00112233445566778899aabbccddeeff'), 'lns', BARE)
    forward(line, 'lns', craft.l2tpData(challenge, { tunnelId: 10, sessionId: 11 }))
    line.ppp('concentrator', challenge)
    expect(line.told('pppoe.session.forwarded')).toHaveLength(1)
  })

  test('is not tied to another one', () => {
    const line = call(new Line().open())
    line.ppp('host', craft.lcp(REQUEST, 1, [MRU, MAGIC], BARE))
    const other = craft.pppOption(craft.LCP_OPTION.magic, craft.fromHex('badcafe2'))
    forward(line, 'lac', craft.l2tpData(craft.lcp(REQUEST, 1, [MRU, other], BARE), { tunnelId: 20, sessionId: 21 }))
    expect(line.told('pppoe.session.forwarded')).toEqual([])
  })
})

test('tables are bounded, and say when they are full', () => {
  const line = new Line({ track: { pppoeSessionsMax: 1 } })
  line.open()
  line.host = '02:00:00:00:00:12'
  line.open()
  line.discover('host', PADI, [pppoeTag(SERVICE_NAME, '')])
  line.host = '02:00:00:00:00:13'
  line.discover('host', PADI, [pppoeTag(SERVICE_NAME, '')])
  expect(line.told('sensor.table.filled').map((event) => event['sensor.table'])).toEqual([
    'pppoe_sessions',
    'pppoe_attempts',
  ])
})
