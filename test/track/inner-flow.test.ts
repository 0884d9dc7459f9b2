import { expect, test } from 'vitest'
import * as craft from '../support/craft.ts'
import { Peers, type Side } from './support.ts'

const { syn: SYN, ack: A, fin: FIN, rst: RST, psh: PSH } = craft.TCP_FLAG
const [INSIDE, OUTSIDE] = ['10.0.0.5', '192.0.2.80']

function peers(track: ConstructorParameters<typeof Peers>[0] = {}): Peers {
  return new Peers(track).open().call()
}

function ip4(payload: Uint8Array, protocol: number, from: Side, more: craft.Ipv4Fields = {}): Uint8Array {
  const [source, target] = from === 'client' ? [INSIDE, OUTSIDE] : [OUTSIDE, INSIDE]
  return craft.ppp(craft.PPP.ipv4, craft.ipv4(payload, { protocol, source, target, ...more }))
}

function segment(of: Peers, from: Side, flags: number, bytes = 0, port = 5000): Peers {
  const [sourcePort, targetPort] = from === 'client' ? [port, 80] : [80, port]
  return of.data(
    from,
    ip4(craft.tcp(new Uint8Array(bytes), { sourcePort, targetPort, flags }), craft.IP_PROTOCOL.tcp, from),
  )
}

function segments(of: Peers, ...seen: readonly (readonly [Side, number, number?])[]): Peers {
  for (const [from, flags, bytes] of seen) segment(of, from, flags, bytes)
  return of
}

const HANDSHAKE = [
  ['client', SYN],
  ['server', SYN | A],
  ['client', A],
] as const

/** The state of the only flow, its reason and the packets each way. */
function only(of: Peers) {
  of.finish()
  const [flow, ...more] = of.told('flow.closed')
  expect(more).toEqual([])
  return flow
}

const STATES: [state: string, reason: string, ...(readonly [Side, number])[]][] = [
  ['attempted', 'session closed', ['client', SYN], ['client', SYN]],
  ['refused', 'reset', ['client', SYN], ['server', RST | A]],
  ['established', 'session closed', ...HANDSHAKE],
  ['closed', 'finished', ...HANDSHAKE, ['client', FIN | A], ['server', FIN | A], ['client', A]],
  ['reset', 'reset', ...HANDSHAKE, ['client', RST]],
  ['partial', 'session closed', ['client', A], ['server', A]],
]

test.each(STATES)('a TCP flow that is %s (%s)', (state, reason, ...seen) => {
  expect(only(segments(peers(), ...seen))).toMatchObject({
    'flow.tcp.state': state,
    'event.reason': reason,
    'source.ip': INSIDE,
    'source.port': 5000,
    'destination.port': 80,
  })
})

test('bytes are those of the inner IP packets, each way', () => {
  const flow = only(segments(peers(), ...HANDSHAKE, ['server', PSH | A, 1000]))
  expect(flow).toMatchObject({
    'source.packets': 2,
    'source.bytes': 80,
    'destination.packets': 2,
    'destination.bytes': 1080,
    'network.bytes': 1160,
    'outer.source.ip': '198.51.100.7',
  })
})

test('what a host sent another within an hour is added up over flows, in all and to each port', () => {
  const subject = peers()
  const sums = (sent: readonly (readonly [port: number, kilobytes: number])[]) => {
    for (const [port, kilobytes] of sent) {
      segment(subject, 'client', SYN, 0, port)
      for (let at = 0; at < kilobytes / 50; at++) segment(subject, 'client', PSH | A, 50_000, port)
      segment(subject, 'client', RST, 0, port)
    }
    subject.wait(20).raw('client', craft.fromHex('00'))
    const flows = subject.told('flow.closed')
    return flows.slice(-sent.length).map((flow) => [flow['flow.sent.bytes'], flow['flow.sent.port_bytes']])
  }
  const flowOf = (segmentsSent: number) => segmentsSent * 50_040 + 80
  // Too little to tell, and so little that it is not counted.
  const small = sums([
    [5000, 600],
    [5001, 0],
  ])
  expect(small).toEqual([
    [undefined, undefined],
    [undefined, undefined],
  ])
  expect(sums([[5002, 600]])).toEqual([[2 * flowOf(12), 2 * flowOf(12)]])
  for (let at = 0; at < 21; at++) {
    const datagram = craft.udp(new Uint8Array(49_972), { sourcePort: 5004, targetPort: 873 })
    subject.data('client', ip4(datagram, craft.IP_PROTOCOL.udp, 'client'))
  }
  subject.wait(70).raw('client', craft.fromHex('00'))
  expect(subject.told('flow.closed').at(-1)).toMatchObject({
    'flow.sent.bytes': 2 * flowOf(12) + 21 * 50_000,
    'flow.sent.port_bytes': 21 * 50_000,
  })
  subject.wait(3 * 3600)
  expect(sums([[5003, 1000]])).toEqual([[flowOf(20), flowOf(20)]])
})

test('who answers a SYN did not open the flow, even where the capture begins with the answer', () => {
  const flow = only(segments(peers(), ['server', SYN | A], ['client', A]))
  expect(flow).toMatchObject({
    'source.ip': INSIDE,
    'outer.source.ip': '198.51.100.7',
    'flow.tcp.state': 'established',
  })
})

test('a flow from the server side names the responder as its outer source', () => {
  expect(only(segments(peers(), ['server', SYN]))).toMatchObject({
    'source.ip': OUTSIDE,
    'outer.source.ip': '192.0.2.1',
  })
})

test('a SYN, with ECN or without, after the end begins another flow on the same ports', () => {
  const again = segments(peers(), ...HANDSHAKE, ['client', FIN | A], ['server', FIN | A], ['client', SYN | 0xc0])
  again.finish()
  expect(again.told('flow.closed').map((flow) => flow['flow.tcp.state'])).toEqual(['closed', 'attempted'])
  expect(new Set(again.told('flow.closed').map((flow) => flow['flow.uid'])).size).toBe(2)
})

test('flows end by silence: UDP after a minute, TCP after five, a finished one after seconds', () => {
  const udp = (of: Peers) =>
    of.data(
      'client',
      ip4(craft.udp(new Uint8Array(4), { sourcePort: 9, targetPort: 53 }), craft.IP_PROTOCOL.udp, 'client'),
    )
  const subject = udp(segments(peers(), ...HANDSHAKE))
  segment(subject, 'client', RST, 0, 6000)
  const wake = () => subject.raw('client', craft.fromHex('00'))
  subject.wait(10)
  wake()
  expect(subject.told('flow.closed').map((flow) => flow['event.reason'])).toEqual(['reset'])
  subject.wait(60)
  wake()
  expect(subject.told('flow.closed').map((flow) => flow['network.transport'])).toEqual(['tcp', 'udp'])
  subject.wait(300)
  wake()
  expect(subject.told('flow.closed').map((flow) => flow['event.reason'])).toEqual(['reset', 'idle', 'idle'])
  expect(subject.run.sensor.trackers.flows.size).toBe(0)
})

test('two pings are two flows, an echo and its reply are one', () => {
  const subject = peers()
  for (const id of [1, 2]) {
    subject.data('client', ip4(craft.icmp(new Uint8Array(8), { id }), craft.IP_PROTOCOL.icmp, 'client'))
    subject.data('server', ip4(craft.icmp(new Uint8Array(8), { id, type: 0 }), craft.IP_PROTOCOL.icmp, 'server'))
  }
  subject.finish()
  expect(
    subject
      .told('flow.closed')
      .map((flow) => [flow['network.transport'], flow['source.packets'], flow['destination.packets']]),
  ).toEqual([
    ['icmp', 1, 1],
    ['icmp', 1, 1],
  ])
})

test('IPv6 inside, both ways', () => {
  const subject = peers()
  const ends = { source: '2001:db8::5', target: '2001:db8::80' }
  const back = { source: ends.target, target: ends.source }
  const packet = (fields: typeof ends, ports: { sourcePort: number; targetPort: number }) =>
    craft.ppp(craft.PPP.ipv6, craft.ipv6(craft.udp(new Uint8Array(10), { ...fields, ...ports }), fields))
  subject
    .data('client', packet(ends, { sourcePort: 700, targetPort: 53 }))
    .data('server', packet(back, { sourcePort: 53, targetPort: 700 }))
  expect(only(subject)).toMatchObject({
    'network.type': 'ipv6',
    'source.ip': '2001:db8::5',
    'destination.ip': '2001:db8::80',
    'source.bytes': 58,
    'destination.bytes': 58,
  })
})

test('fragments after the first are counted without ports', () => {
  const subject = peers()
  const [first, second] = craft.ipv4Fragments(craft.udp(new Uint8Array(64), { sourcePort: 1, targetPort: 2 }), 40, {
    source: INSIDE,
    target: OUTSIDE,
  })
  subject.data('client', craft.ppp(craft.PPP.ipv4, first)).data('client', craft.ppp(craft.PPP.ipv4, second)).finish()
  expect(
    subject
      .told('flow.closed')
      .map((flow) => flow['destination.port'])
      .sort(),
  ).toEqual([0, 2])
})

test('a full table says so once, and follows others when some have ended', () => {
  const subject = peers({ track: { flowsMax: 2 } })
  for (const port of [1, 2, 3, 4]) segment(subject, 'client', SYN, 0, port)
  expect(subject.told('sensor.table.filled')).toHaveLength(1)
  segment(subject.wait(400), 'client', SYN, 0, 5)
  subject.finish()
  expect(
    subject
      .told('flow.closed')
      .map((flow) => flow['source.port'])
      .sort(),
  ).toEqual([1, 2, 5])
})

test('many flows, most of them closed and begun again, keep their counts', () => {
  const subject = peers()
  for (let round = 0; round < 3; round++) {
    for (let port = 1; port <= 3000; port++) segment(subject, 'client', SYN, 0, port)
    subject.wait(400)
  }
  subject.finish()
  expect(subject.told('flow.closed')).toHaveLength(9000)
  expect(subject.told('flow.closed').every((flow) => flow['source.packets'] === 1)).toBe(true)
})
