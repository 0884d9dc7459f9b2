import { describe, expect, test } from 'vitest'
import * as craft from '../support/craft.ts'
import * as pptp from '../support/pptp.ts'
import { countsOf, named, TestSensor } from '../support/sensor.ts'
import { CLIENT, Peers, SERVER } from './pptp-support.ts'

describe('a control connection', () => {
  test('is opened, names both ends, and is stopped', () => {
    const peers = new Peers().start().tcp('client', pptp.stopRequest(3)).tcp('server', pptp.stopReply())
    expect(peers.told('pptp.connection.opened')).toMatchObject([
      {
        'source.ip': CLIENT,
        'source.port': 40_000,
        'destination.ip': SERVER,
        'destination.port': 1723,
        'network.transport': 'tcp',
        'network.protocol': 'pptp',
        'pptp.client.host_name': 'laptop',
        'pptp.client.vendor_name': 'Microsoft',
        'pptp.server.host_name': 'gate',
        'pptp.server.vendor_name': 'linux',
        'pptp.server.firmware': 7,
      },
    ])
    expect(peers.told('pptp.connection.closed')).toMatchObject([
      {
        'event.reason': 'stopped by the client (stop local shutdown)',
        'pptp.closed_by': 'client',
        'pptp.result.code': 3,
        'pptp.connection.calls': 0,
      },
    ])
    // What follows on the same connection opens nothing.
    peers.tcp('server', pptp.stopReply(), { sequence: 5156 }).flags('server', craft.TCP_FLAG.fin).finish()
    expect(countsOf(peers.run.events)).toEqual({
      'pptp.connection.opened': 1,
      'pptp.connection.closed': 1,
      'capture.analysed': 1,
    })
  })

  test('is refused', () => {
    const peers = new Peers().tcp('client', pptp.startRequest()).tcp('server', pptp.startReply({ result: 4, error: 6 }))
    expect(peers.told('pptp.connection.failed')).toMatchObject([
      {
        'event.reason': 'refused: Requester is not authorized',
        'event.outcome': 'failure',
        'pptp.result.code': 4,
        'pptp.error.text': 'PAC error',
        'pptp.closed_by': 'server',
      },
    ])
  })

  test('that nobody answers fails after a while', () => {
    const peers = new Peers().tcp('client', pptp.startRequest()).wait(100)
    peers.run.see(craft.datagram(craft.hello()), peers.timeUs)
    expect(peers.told('pptp.connection.failed')).toMatchObject([
      { 'event.reason': 'nobody answered the request', 'pptp.closed_by': 'silence' },
    ])
  })

  test('may come in pieces, again, and out of order', () => {
    const request = pptp.startRequest({ hostName: 'laptop' })
    const reply = pptp.startReply()
    const peers = new Peers()
      .tcp('client', request.subarray(0, 50))
      .tcp('client', request.subarray(0, 50), { sequence: 1000 })
      .tcp('client', request.subarray(50))
    peers.tcp('server', reply.subarray(0, 60)).tcp('server', reply.subarray(120), { sequence: 5120 })
    peers.tcp('server', reply.subarray(60, 120), { sequence: 5060 })
    expect(peers.told('pptp.connection.opened')).toMatchObject([{ 'pptp.client.host_name': 'laptop' }])
    expect(peers.anomalies).toEqual([])
  })

  test('ends with TCP, and its ports may be used again', () => {
    const peers = new Peers().start().flags('server', craft.TCP_FLAG.rst)
    peers.next.client = 900_000
    peers.next.server = 990_000
    peers.start().flags('client', craft.TCP_FLAG.fin).flags('server', craft.TCP_FLAG.fin).finish()
    expect(peers.told('pptp.connection.closed').map((event) => event['event.reason'])).toEqual([
      'TCP connection reset by the server',
      'TCP connection closed by the client',
    ])
    expect(peers.told('pptp.connection.opened')).toHaveLength(2)
  })

  test('of which one end is silent after its farewell ends at that farewell', () => {
    const peers = new Peers().start().flags('client', craft.TCP_FLAG.fin).wait(60)
    peers.run.see(craft.datagram(craft.hello()), peers.timeUs)
    expect(peers.told('pptp.connection.closed')).toMatchObject([{ 'pptp.closed_by': 'client' }])
  })

  test('that was open before the capture is adopted', () => {
    const peers = new Peers().tcp('client', pptp.echoRequest(1)).tcp('server', pptp.echoReply(1))
    peers.wait(700).tcp('client', pptp.echoRequest(2)).finish()
    expect(countsOf(peers.run.events)).toMatchObject({
      'pptp.connection.adopted': 2,
      'pptp.connection.closed': 2,
    })
    expect(peers.told('pptp.connection.closed')[0]['event.reason']).toBe('silent for 600 s')
  })

  test('is none for whoever knocks at the port with something else', () => {
    const peers = new Peers().flags('client', craft.TCP_FLAG.syn).tcp('client', craft.utf8('GET / HTTP/1.1\r\n\r\n'))
    expect(countsOf(peers.finish())).toEqual({ 'capture.analysed': 1 })
  })

  test('tells what does not fit', () => {
    const peers = new Peers()
      .start()
      .tcp('server', pptp.startReply())
      .tcp('client', pptp.pptpControl(77, new Uint8Array(4)))
      .tcp('server', pptp.outgoingCallReply({ callId: 9, peerCallId: 99 }))
      .tcp('client', pptp.setLinkInfo(77))
      .tcp('client', craft.utf8('no message at all'))
    expect(peers.anomalies).toEqual([
      'pptp.unexpected_message',
      'pptp.control_type',
      'pptp.call_unknown',
      'pptp.call_unknown',
      'pptp.magic',
    ])
    expect(peers.told('protocol.anomaly')[0]).toMatchObject({
      'source.ip': SERVER,
      'source.port': 1723,
      'network.transport': 'tcp',
      'pptp.connection.uid': peers.told('pptp.connection.opened')[0]['pptp.connection.uid'],
    })
  })
})

test('tables are bounded, and say when they are full', () => {
  const peers = new Peers({ track: { pptpConnectionsMax: 2, pptpCallsMax: 1 } })
  for (const port of [40_001, 40_002, 40_003]) {
    peers.clientPort = port
    Object.assign(peers.next, { client: 1000, server: 5000 })
    peers.start()
  }
  peers.clientPort = 40_001
  peers.tcp('client', pptp.outgoingCallRequest({ callId: 1 })).tcp('client', pptp.outgoingCallRequest({ callId: 2 }))
  expect(peers.told('sensor.table.filled').map((event) => event['sensor.table'])).toEqual([
    'pptp_connections',
    'pptp_calls',
  ])
  expect(peers.told('pptp.connection.opened')).toHaveLength(2)
})

test('IPv6 carries it too', () => {
  const run = new TestSensor()
  const ends = { source: '2001:db8::7', target: '2001:db8::1' }
  const back = { source: ends.target, target: ends.source }
  const see = (payload: Uint8Array, direction: typeof ends, timeUs: number) =>
    run.see(craft.ethernet(craft.ipv6(payload, { ...direction, protocol: 6 }), { type: 0x86dd }), timeUs)
  see(craft.tcp(pptp.startRequest(), { ...ends, sourcePort: 40_000, targetPort: 1723 }), ends, 1)
  see(craft.tcp(pptp.startReply(), { ...back, sourcePort: 1723, targetPort: 40_000 }), back, 2)
  expect(named(run.events, 'pptp.connection.opened')).toMatchObject([
    { 'source.ip': '2001:db8::7', 'network.type': 'ipv6' },
  ])
})
