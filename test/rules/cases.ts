/** For every rule that raises alerts: a story that makes it fire once, and near misses. By the title of the rule. */
import type { EventDocument } from '../../src/events/fields.ts'
import {
  AVP,
  avp,
  be16,
  cdn,
  datagram,
  hello,
  icrp,
  icrq,
  iccn,
  ipv4,
  ipv4Fragments,
  ethernet,
  l2tpControl,
  l2tpData,
  ppp,
  PPP,
  scccn,
  sccrp,
  sccrq,
  stopccn,
  udp,
  utf8,
  zlb,
} from '../support/craft.ts'
import { eventsOf } from '../support/sensor.ts'
import { ACCESS_CASES } from './cases-access.ts'
import { BEHAVIOUR_CASES } from './cases-behaviour.ts'
import { CONTROL_CASES } from './cases-control.ts'
import { ESP_CASES } from './cases-esp.ts'
import { IKE_CASES } from './cases-ike.ts'
import { INNER_CASES } from './cases-inner.ts'
import { INTELLIGENCE_CASES } from './cases-intelligence.ts'
import { INVENTORY_CASES } from './cases-inventory.ts'
import { LOGIN_CASES } from './cases-login.ts'
import { POSTURE_CASES } from './cases-posture.ts'
import { event, series } from './events.ts'
import type { RuleCase } from './stories.ts'

const CLIENT = '198.51.100.7'
const OTHER = '198.51.100.8'
const SERVER = '192.0.2.1'
const INNER = '10.9.0.10'
const TARGET = '10.20.0.5'
const PAIR = { 'source.ip': CLIENT, 'destination.ip': SERVER }
const MINUTE = 60
const HOUR = 3600
const SECOND_NS = 1_000_000_000

// Packets

interface Sent {
  readonly at: number
  readonly from?: string
  readonly to?: string
  readonly port?: number
  readonly l2tp: Uint8Array
}

/** What the sensor says about UDP datagrams to and from port 1701; `at` is in seconds. */
function seen(...packets: readonly Sent[]): readonly EventDocument[] {
  return eventsOf(
    packets.map(({ at, from = CLIENT, to = SERVER, port = 1701, l2tp }) => ({
      timeUs: 1_767_225_600_000_000 + Math.round(at * 1e6),
      bytes: datagram(l2tp, {
        source: from,
        target: to,
        sourcePort: from === SERVER ? 1701 : port,
        targetPort: from === SERVER ? port : 1701,
      }),
    })),
  )
}

function frames(...packets: readonly { readonly at: number; readonly bytes: Uint8Array }[]): readonly EventDocument[] {
  return eventsOf(packets.map(({ at, bytes }) => ({ timeUs: 1_767_225_600_000_000 + Math.round(at * 1e6), bytes })))
}

/** Tunnel 7 (client) and 9 (server), open after a tenth of a second; next are Ns 2 of the client and Ns 1 of the server. */
function openTunnel(): Sent[] {
  return [
    { at: 0, l2tp: sccrq({ assignedTunnelId: 7 }) },
    { at: 0.01, from: SERVER, to: CLIENT, l2tp: sccrp({ tunnelId: 7, assignedTunnelId: 9, ns: 0, nr: 1 }) },
    { at: 0.02, l2tp: scccn({ tunnelId: 9, ns: 1, nr: 1 }) },
    { at: 0.03, from: SERVER, to: CLIENT, l2tp: zlb({ tunnelId: 7, ns: 1, nr: 2 }) },
  ]
}

/** With session 70 (client) and 90 (server); next are Ns 4 of the client and Ns 2 of the server. */
function openSession(): Sent[] {
  return [
    ...openTunnel(),
    { at: 0.1, l2tp: icrq({ tunnelId: 9, assignedSessionId: 70, ns: 2, nr: 1 }) },
    {
      at: 0.11,
      from: SERVER,
      to: CLIENT,
      l2tp: icrp({ tunnelId: 7, sessionId: 70, assignedSessionId: 90, ns: 1, nr: 3 }),
    },
    { at: 0.12, l2tp: iccn({ tunnelId: 9, sessionId: 90, ns: 3, nr: 2 }) },
    { at: 0.13, from: SERVER, to: CLIENT, l2tp: zlb({ tunnelId: 7, ns: 2, nr: 4 }) },
  ]
}

function requests(count: number, everySeconds: number, fields: (index: number) => Partial<Sent>): Sent[] {
  return Array.from({ length: count }, (_, index) => ({
    at: index * everySeconds,
    l2tp: sccrq({ assignedTunnelId: index + 1 }),
    ...fields(index),
  }))
}

const inner = (address: number) =>
  ppp(PPP.ipv4, ipv4(utf8('x'), { source: INNER, target: `10.20.0.${address}`, protocol: 253 }))

/** An SCCRQ with one more AVP. */
const withAvp = (more: Uint8Array): Sent => ({ at: 0, l2tp: sccrq({ assignedTunnelId: 7, more: [more] }) })

const fragments = (size: number): Uint8Array[] => {
  const payload = udp(sccrq({ assignedTunnelId: 7 }), { source: CLIENT, target: SERVER })
  return ipv4Fragments(payload, size, { source: CLIENT, target: SERVER, id: 77 }).map((packet) => ethernet(packet))
}

// Events

const tunnelFailed = (count: number, everySeconds: number, fields: Partial<EventDocument>) =>
  series('l2tp.tunnel.failed', count, everySeconds, (index) => ({
    'source.ip': `198.51.100.${index}`,
    'destination.ip': SERVER,
    'l2tp.tunnel.state': 'answered',
    'l2tp.closed_by': 'silence',
    ...fields,
  }))

const refusedSecret = { ...PAIR, 'l2tp.closed_by': 'initiator', 'l2tp.result.code': 4 } as const

const refusedLogins = (
  count: number,
  everySeconds: number,
  fields: (index: number) => Partial<EventDocument>,
  from = 0,
) =>
  series(
    'ppp.authentication.failed',
    count,
    everySeconds,
    (index) => ({ ...PAIR, 'user.name': 'carol', ...fields(index) }),
    from,
  )

const login = (atSeconds: number, fields: Partial<EventDocument> = {}) =>
  event('ppp.authentication.succeeded', atSeconds, { ...PAIR, 'user.name': 'carol', ...fields })

const flows = (count: number, everySeconds: number, fields: (index: number) => Partial<EventDocument>, from = 0) =>
  series(
    'flow.closed',
    count,
    everySeconds,
    (index) => ({
      'source.ip': INNER,
      'destination.ip': TARGET,
      'destination.port': 1000 + index,
      'network.transport': 'tcp',
      'flow.tcp.state': 'refused',
      'flow.carrier': 's-1',
      ...fields(index),
    }),
    from,
  )

const sshFlow = {
  'destination.port': 22,
  'flow.tcp.state': 'closed',
  'event.duration': 3 * SECOND_NS,
  'source.bytes': 2000,
  'destination.bytes': 2600,
} as const

const unanswered = (count: number, fromPort: number) =>
  series('flow.closed', count, 0.1, (index) => ({
    'source.ip': INNER,
    'destination.ip': TARGET,
    'destination.port': fromPort + index,
    'destination.packets': 0,
    'network.transport': 'udp',
    'flow.carrier': 's-1',
  }))

const pings = (count: number, everySeconds: number, type: number, target: (index: number) => number) =>
  series('flow.closed', count, everySeconds, (index) => ({
    'source.ip': INNER,
    'destination.ip': `10.20.0.${target(index)}`,
    'network.transport': 'icmp',
    'flow.icmp.type': type,
    'flow.carrier': 's-1',
  }))

const anomaly = (name: string, atSeconds = 0, fields: Partial<EventDocument> = {}) =>
  event('protocol.anomaly', atSeconds, { ...PAIR, 'anomaly.name': name, 'anomaly.layer': 'l2tp', ...fields })

const recognised = (protocol: string, atSeconds: number, fields: Partial<EventDocument> = {}) =>
  event('protocol.recognised', atSeconds, { ...PAIR, 'network.protocol': protocol, ...fields })

const opened = (atSeconds: number, fields: Partial<EventDocument> = {}) =>
  event('l2tp.tunnel.opened', atSeconds, { ...PAIR, ...fields })

const many = (count: number, of: (index: number) => EventDocument): EventDocument[] =>
  Array.from({ length: count }, (_, index) => of(index))

let cookies = 0
const cookie = () => (++cookies).toString(16).padStart(16, '0')

const ikeStarted = (
  count: number,
  everySeconds: number,
  fields: (index: number) => Partial<EventDocument> = () => ({}),
) =>
  series('ike.exchange.started', count, everySeconds, (index) => ({
    ...PAIR,
    'ike.mode': 'main',
    'ike.initiator.cookie': cookie(),
    'ike.proposal.hash': 'one list',
    ...fields(index),
  }))

const ikeFailed = (
  count: number,
  everySeconds: number,
  fields: (index: number) => Partial<EventDocument> = () => ({}),
) =>
  series('ike.exchange.failed', count, everySeconds, (index) => ({
    ...PAIR,
    'ike.mode': 'main',
    'ike.initiator.cookie': cookie(),
    'ike.closed_by': 'responder',
    ...fields(index),
  }))

const wrongKey = () =>
  ({
    'ike.proposal.chosen': 'AES-CBC-256/SHA1/modp2048/PSK',
    'event.reason': 'authentication failed: no answer',
  }) as const

const refusedOffer = () =>
  ({ 'ike.notification': 'NO-PROPOSAL-CHOSEN', 'event.reason': 'the responder refused' }) as const

const unusedHash = () => ({ 'ike.mode': 'aggressive', 'ike.hash_exposed': true, 'ike.closed_by': 'silence' }) as const

const ikeEstablished = (atSeconds: number, fields: Partial<EventDocument> = {}) =>
  event('ike.exchange.established', atSeconds, { ...PAIR, 'ike.mode': 'main', ...fields })

const ikeLogins = (count: number, everySeconds: number, fields: Partial<EventDocument>) =>
  series('ike.exchange.closed', count, everySeconds, () => ({
    ...PAIR,
    'ike.initiator.cookie': cookie(),
    'ike.closed_by': 'responder',
    'ike.child_exchanges': 0,
    ...fields,
  }))

const WEAKER = {
  'ike.proposal.chosen': '3DES-CBC/SHA1/modp1024/PSK',
  'ike.proposal.best_offered': 'sound',
  'ike.downgrade': ['weaker_than_offered'],
} as const

const posture = (atSeconds: number, weaknesses: readonly string[]) =>
  event('ike.posture.observed', atSeconds, {
    'source.ip': SERVER,
    'ike.posture.role': 'gateway',
    'ike.posture.weaknesses': weaknesses,
    'ike.posture.certificate_sha256': '5a01',
  })

const guessedName = (index: number) =>
  ({ 'ike.mode': 'aggressive', 'ike.initiator.identity': `group${index}` }) as const

const CONTROL: Readonly<Record<string, RuleCase>> = {
  'Sweep for L2TP servers': {
    fires: () => seen(...requests(7, 30, (index) => ({ to: `192.0.2.${index + 1}` }))),
    entity: CLIENT,
    misses: {
      'four servers': () => seen(...requests(4, 1, (index) => ({ to: `192.0.2.${index + 1}` }))),
      'five in more than ten minutes': () => seen(...requests(5, 151, (index) => ({ to: `192.0.2.${index + 1}` }))),
      'one server many times': () => seen(...requests(9, 1, (index) => ({ port: 2000 + index }))),
      'five sources': () =>
        seen(...requests(5, 1, (index) => ({ from: `198.51.100.${index + 1}`, to: `192.0.2.${index + 1}` }))),
    },
  },
  'L2TP tunnel request flood from one source': {
    fires: () => seen(...requests(60, 0.5, (index) => ({ port: 2000 + index }))),
    entity: `${CLIENT}, ${SERVER}`,
    misses: {
      '39 of them': () => seen(...requests(39, 0.5, (index) => ({ port: 2000 + index }))),
      'one every two seconds': () => seen(...requests(60, 2, (index) => ({ port: 2000 + index }))),
      'spread over servers': () =>
        seen(...requests(60, 0.5, (index) => ({ to: `192.0.2.${1 + (index % 2)}`, port: 2000 + index }))),
      'one request repeated': () => seen(...requests(60, 0.5, () => ({ l2tp: sccrq({ assignedTunnelId: 7 }) }))),
    },
  },
  'L2TP tunnel request flood from many sources': {
    fires: () => seen(...requests(50, 0.1, (index) => ({ from: `198.51.100.${index + 1}` }))),
    entity: SERVER,
    misses: {
      '39 sources': () => seen(...requests(39, 0.1, (index) => ({ from: `198.51.100.${index + 1}` }))),
      'one source': () => seen(...requests(60, 0.1, (index) => ({ port: 2000 + index }))),
      'two servers': () =>
        seen(...requests(60, 0.1, (index) => ({ from: `198.51.100.${index + 1}`, to: `192.0.2.${1 + (index % 2)}` }))),
    },
  },
  'Half-open L2TP tunnels pile up on a server': {
    fires: () =>
      seen(
        ...requests(25, 0.2, (index) => ({ from: `198.51.100.${index + 1}` })).flatMap((request, index) => [
          request,
          {
            at: request.at + 0.01,
            from: SERVER,
            to: `198.51.100.${index + 1}`,
            l2tp: sccrp({ tunnelId: index + 1, assignedTunnelId: 100 + index, ns: 0, nr: 1 }),
          },
        ]),
        // Time passes, and the answers stay unconfirmed.
        { at: 100, from: OTHER, to: '192.0.2.9', l2tp: sccrq() },
      ),
    entity: SERVER,
    misses: {
      '19 of them': () => tunnelFailed(19, 1, {}),
      'spread over more than five minutes': () => tunnelFailed(25, 20, {}),
      'nobody answered': () => tunnelFailed(25, 1, { 'l2tp.tunnel.state': 'opening' }),
      'refused for a reason': () => tunnelFailed(25, 1, { 'l2tp.closed_by': 'responder', 'l2tp.result.code': 4 }),
      'only cut off by the end of the capture': () => tunnelFailed(25, 0, { 'l2tp.closed_by': 'capture_end' }),
    },
  },
  'L2TP probe of nmap': {
    fires: () =>
      seen(
        ...requests(3, 1, (index) => ({
          to: `192.0.2.${index + 1}`,
          l2tp: sccrq({ hostName: 'nxp-scan', assignedTunnelId: 0 }),
        })),
      ),
    entity: CLIENT,
    misses: { 'another host name': () => seen({ at: 0, l2tp: sccrq({ hostName: 'nxp', assignedTunnelId: 0 }) }) },
  },
  'L2TP tunnel authentication refused': {
    fires: () => [event('l2tp.tunnel.failed', 0, refusedSecret), event('l2tp.tunnel.failed', 60, refusedSecret)],
    entity: `${CLIENT}, ${SERVER}`,
    misses: {
      'another reason': () => [event('l2tp.tunnel.failed', 0, { ...refusedSecret, 'l2tp.result.code': 3 })],
      'an error before any challenge was answered': () => [
        event('l2tp.tunnel.failed', 0, { ...refusedSecret, 'l2tp.result.code': 2, 'l2tp.error.code': 6 }),
      ],
      'a tunnel that was authenticated and ended later': () => [
        event('l2tp.tunnel.closed', 0, {
          ...PAIR,
          'l2tp.authentication.verdict': 'verified',
          'l2tp.tunnel.sessions': 1,
          'l2tp.result.code': 2,
        }),
      ],
      'the right secret': () => [
        event('l2tp.tunnel.authenticated', 0, { ...PAIR, 'l2tp.authentication.verdict': 'verified' }),
      ],
      'a secret that the sensor was not given': () => [
        event('l2tp.tunnel.authenticated', 0, { ...PAIR, 'l2tp.authentication.verdict': 'wrong_secret' }),
        event('l2tp.tunnel.opened', 1, { ...PAIR, 'l2tp.authentication.verdict': 'wrong_secret' }),
      ],
    },
  },
  'L2TP tunnel secret guessing': {
    fires: () => series('l2tp.tunnel.failed', 7, 20, () => refusedSecret),
    entity: `${CLIENT}, ${SERVER}`,
    misses: {
      'four times': () => series('l2tp.tunnel.failed', 4, 20, () => refusedSecret),
      'once in three minutes': () => series('l2tp.tunnel.failed', 8, 180, () => refusedSecret),
      'five hosts once each': () =>
        series('l2tp.tunnel.failed', 5, 20, (index) => ({ ...refusedSecret, 'source.ip': `198.51.100.${index}` })),
    },
  },
  'Forged L2TP teardown': {
    fires: () =>
      seen(
        ...openSession(),
        { at: 1, l2tp: stopccn({ tunnelId: 9, assignedTunnelId: 7, ns: 2, nr: 2 }) },
        { at: 1.1, l2tp: cdn({ tunnelId: 9, sessionId: 90, assignedSessionId: 70, ns: 3, nr: 2 }) },
      ),
    entity: `${CLIENT}, ${SERVER}`,
    misses: {
      'a StopCCN in its turn': () =>
        seen(...openSession(), { at: 1, l2tp: stopccn({ tunnelId: 9, assignedTunnelId: 7, ns: 4, nr: 2 }) }),
      'a StopCCN sent twice': () =>
        seen(
          ...openSession(),
          { at: 1, l2tp: stopccn({ tunnelId: 9, assignedTunnelId: 7, ns: 4, nr: 2 }) },
          { at: 2, l2tp: stopccn({ tunnelId: 9, assignedTunnelId: 7, ns: 4, nr: 2 }) },
        ),
      'another message with a used number': () =>
        seen(...openSession(), { at: 1, l2tp: hello({ tunnelId: 9, ns: 2, nr: 2 }) }),
    },
  },
  'L2TP control messages injected': {
    fires: () =>
      seen(
        ...openSession(),
        ...Array.from({ length: 6 }, (_, index) => ({
          at: 1 + index,
          l2tp: hello({ tunnelId: 9, ns: 2, nr: 2, more: [avp(AVP.hostName, `h${index}`)] }),
        })),
      ),
    entity: `${CLIENT}, ${SERVER}`,
    misses: {
      'four of them': () =>
        seen(
          ...openSession(),
          ...Array.from({ length: 4 }, (_, index) => ({
            at: 1 + index,
            l2tp: hello({ tunnelId: 9, ns: 2, nr: 2, more: [avp(AVP.hostName, `h${index}`)] }),
          })),
        ),
      'retransmissions of one message': () =>
        seen(
          ...openSession(),
          ...Array.from({ length: 9 }, (_, index) => ({ at: 1 + index, l2tp: hello({ tunnelId: 9, ns: 4, nr: 2 }) })),
        ),
    },
  },
  'L2TPv3 cookies being guessed': {
    fires: () => Array.from({ length: 5 }, (_, index) => anomaly('l2tpv3.cookie_mismatch', index * 10)),
    entity: `${CLIENT}, ${SERVER}`,
    misses: {
      'four, and the fifth a minute later': () => [0, 1, 2, 3, 65].map((at) => anomaly('l2tpv3.cookie_mismatch', at)),
    },
  },
  'Forged L2TPv3 control message': {
    fires: () => [anomaly('l2tpv3.digest_wrong', 0), anomaly('l2tpv3.digest_missing', 5)],
    entity: `${CLIENT}, ${SERVER}`,
    misses: { 'a digest that cannot be read': () => [anomaly('l2tpv3.digest_malformed')] },
  },
  'L2TP message into a tunnel from a host that is not its peer': {
    fires: () =>
      seen(
        ...openSession(),
        { at: 1, from: OTHER, l2tp: hello({ tunnelId: 9, ns: 4, nr: 2 }) },
        { at: 2, from: OTHER, l2tp: stopccn({ tunnelId: 9, assignedTunnelId: 7, ns: 4, nr: 2 }) },
      ),
    entity: `${OTHER}, ${SERVER}`,
    misses: {
      'the peer itself': () => seen(...openSession(), { at: 1, l2tp: hello({ tunnelId: 9, ns: 4, nr: 2 }) }),
      'the peer from another port, behind a NAT': () =>
        seen(...openSession(), { at: 1, port: 40_000, l2tp: hello({ tunnelId: 9, ns: 4, nr: 2 }) }),
    },
  },
  'L2TP session numbers being guessed': {
    fires: () =>
      seen(
        ...openSession(),
        ...Array.from({ length: 30 }, (_, index) => ({
          at: 1 + index * 0.1,
          l2tp: l2tpData(inner(1), { tunnelId: 9, sessionId: 1000 + index }),
        })),
      ),
    entity: `${CLIENT}, ${SERVER}`,
    misses: {
      '19 numbers': () =>
        seen(
          ...openSession(),
          ...Array.from({ length: 19 }, (_, index) => ({
            at: 1 + index * 0.1,
            l2tp: l2tpData(inner(1), { tunnelId: 9, sessionId: 1000 + index }),
          })),
        ),
      'one number that was forgotten': () =>
        seen(
          ...openSession(),
          ...Array.from({ length: 40 }, (_, index) => ({
            at: 1 + index * 0.1,
            l2tp: l2tpData(inner(index), { tunnelId: 9, sessionId: 1000 }),
          })),
        ),
      'one every four seconds': () =>
        seen(
          ...openSession(),
          ...Array.from({ length: 30 }, (_, index) => ({
            at: 1 + index * 4,
            l2tp: l2tpData(inner(1), { tunnelId: 9, sessionId: 1000 + index }),
          })),
        ),
    },
  },
  'L2TP tunnel numbers being guessed': {
    fires: () =>
      seen(
        ...Array.from({ length: 30 }, (_, index) => ({
          at: index * 0.1,
          l2tp: stopccn({ tunnelId: 1000 + index, assignedTunnelId: 7 }),
        })),
      ),
    entity: `${CLIENT}, ${SERVER}`,
    misses: {
      '19 numbers': () =>
        seen(
          ...Array.from({ length: 19 }, (_, index) => ({
            at: index * 0.1,
            l2tp: stopccn({ tunnelId: 1000 + index, assignedTunnelId: 7 }),
          })),
        ),
      'tunnels that existed before the capture': () =>
        seen(
          ...Array.from({ length: 120 }, (_, index) => ({
            at: index * 0.1,
            l2tp: l2tpData(inner(1), { tunnelId: 1000 + (index % 30), sessionId: 1 }),
          })),
        ),
    },
  },
  'L2TP attribute that attacks a parser': {
    fires: () => seen(withAvp(avp(AVP.hostName, 'x', { length: 3 }))),
    entity: `${CLIENT}, ${SERVER}, l2tp.avp_length`,
    misses: { 'a request that is in order': () => seen({ at: 0, l2tp: sccrq() }) },
  },
  'L2TP attribute against the standard': {
    fires: () =>
      seen(...requests(3, 1, (index) => ({ to: `192.0.2.${index + 1}`, l2tp: sccrq({ assignedTunnelId: 0 }) }))),
    entity: `${CLIENT}, l2tp.avp_zero_id`,
    misses: { 'an unknown attribute that may be ignored': () => seen(withAvp(avp(200, 'x', { mandatory: false }))) },
  },
  'Malformed L2TP packet': {
    fires: () =>
      seen({ at: 0, l2tp: l2tpControl([], { version: 7 }) }, { at: 1, l2tp: l2tpControl([], { length: 9999 }) }),
    entity: `${CLIENT}, ${SERVER}`,
    misses: {
      'a packet that is in order': () => seen({ at: 0, l2tp: sccrq() }),
      'an attribute at fault, which has rules of its own': () => seen(withAvp(avp(AVP.hostName, 'x', { length: 3 }))),
    },
  },
  'Fuzzing or service probing of an L2TP server': {
    fires: () =>
      seen(
        { at: 0, l2tp: l2tpControl([], { version: 7 }) },
        { at: 1, l2tp: l2tpControl([], { length: 9999 }) },
        { at: 2, l2tp: sccrq({ assignedTunnelId: 7, more: [avp(AVP.hostName, 'x', { length: 3 })] }) },
        { at: 3, l2tp: l2tpControl([avp(AVP.messageType, be16(250))]) },
        { at: 4, l2tp: sccrq({ assignedTunnelId: 0 }) },
      ),
    entity: `${CLIENT}, ${SERVER}`,
    misses: {
      'three kinds': () => ['l2tp.version', 'l2tp.length', 'ppp.protocol'].map((name, index) => anomaly(name, index)),
      'one kind many times': () => many(40, (index) => anomaly('l2tp.length', index)),
      'traces of the capture': () =>
        ['l2tp.version', 'l2tp.length', 'l2tp.snapped', 'l2tp.trailing_bytes', 'ip.truncated'].map((name, index) =>
          anomaly(name, index),
        ),
      'four hosts': () =>
        ['l2tp.version', 'l2tp.length', 'l2tp.offset', 'ppp.protocol'].map((name, index) =>
          anomaly(name, index, { 'source.ip': `198.51.100.${index}` }),
        ),
    },
  },
  'L2TP control message that does not fit the state': {
    fires: () =>
      seen(
        ...openTunnel(),
        { at: 1, l2tp: sccrp({ tunnelId: 9, assignedTunnelId: 8, ns: 2, nr: 1 }) },
        { at: 2, l2tp: sccrp({ tunnelId: 9, assignedTunnelId: 6, ns: 3, nr: 1 }) },
      ),
    entity: `${CLIENT}, ${SERVER}`,
    misses: {
      'a message in its turn': () => seen(...openTunnel(), { at: 1, l2tp: hello({ tunnelId: 9, ns: 2, nr: 1 }) }),
    },
  },
  'Many L2TP control messages against the state': {
    fires: () => series('l2tp.control.unexpected', 12, 10, () => PAIR),
    entity: `${CLIENT}, ${SERVER}`,
    misses: {
      'nine of them': () => series('l2tp.control.unexpected', 9, 10, () => PAIR),
      'one a minute': () => series('l2tp.control.unexpected', 20, 60, () => PAIR),
    },
  },
  'L2TP sessions come and go': {
    fires: () =>
      series('l2tp.session.closed', 40, 5, () => ({
        ...PAIR,
        'event.duration': 2 * SECOND_NS,
        'l2tp.closed_by': 'initiator',
      })),
    entity: `${CLIENT}, ${SERVER}`,
    misses: {
      '29 of them': () =>
        series('l2tp.session.closed', 29, 5, () => ({
          ...PAIR,
          'event.duration': 2 * SECOND_NS,
          'l2tp.closed_by': 'initiator',
        })),
      'sessions of a minute': () =>
        series('l2tp.session.closed', 40, 5, () => ({
          ...PAIR,
          'event.duration': 60 * SECOND_NS,
          'l2tp.closed_by': 'initiator',
        })),
      'all cut off by the end of the capture': () =>
        series('l2tp.session.closed', 40, 0, () => ({
          ...PAIR,
          'event.duration': SECOND_NS,
          'l2tp.closed_by': 'capture_end',
        })),
    },
  },
  'Overlapping IP fragments': {
    fires: () => {
      const [first, second] = fragments(64)
      const forged = ethernet(
        ipv4(new Uint8Array(48).fill(0x41), {
          source: CLIENT,
          target: SERVER,
          id: 77,
          fragmentOffset: 32,
          moreFragments: true,
        }),
      )
      return frames({ at: 0, bytes: first }, { at: 0.01, bytes: forged }, { at: 0.02, bytes: second })
    },
    entity: `${CLIENT}, ${SERVER}`,
    misses: {
      'fragments in order': () => frames(...fragments(64).map((bytes, index) => ({ at: index * 0.01, bytes }))),
      'fragments in reverse order': () =>
        frames(
          ...fragments(64)
            .reverse()
            .map((bytes, index) => ({ at: index * 0.01, bytes })),
        ),
    },
  },
  'IP fragments too small to be honest': {
    fires: () => frames(...fragments(8).map((bytes, index) => ({ at: index * 0.01, bytes }))),
    entity: `${CLIENT}, ${SERVER}`,
    misses: {
      'fragments of a common size, the last one small': () =>
        frames(...fragments(104).map((bytes, index) => ({ at: index * 0.01, bytes }))),
    },
  },
  'IP fragment flood': {
    fires: () => [anomaly('ip.fragment_flood', 0), anomaly('ip.fragment_flood', 9, { 'source.ip': OTHER })],
    entity: SERVER,
    misses: { 'a datagram that stayed incomplete': () => [anomaly('ip.fragment_incomplete')] },
  },
  'L2TP in clear after IPsec with the same server': {
    fires: () => [...ikeStarted(1, 1), ...ikeFailed(1, 1, wrongKey), opened(30), opened(90)],
    entity: `${CLIENT}, ${SERVER}`,
    misses: {
      'with another server': () => [
        ...ikeStarted(1, 1),
        recognised('ike', 0),
        opened(30, { 'destination.ip': '192.0.2.2' }),
      ],
      'an hour later': () => [recognised('esp', 0), opened(HOUR)],
      'IPsec after L2TP': () => [opened(0), recognised('ike', 30)],
      'another protocol': () => [recognised('l2tpv3', 0), opened(30)],
      'inside IPsec': () => [recognised('esp', 0), opened(30, { 'esp.tunnel.uid': 'e-1' })],
    },
  },
}

const IKE: Readonly<Record<string, RuleCase>> = {
  'IKE aggressive mode shows a hash of the pre-shared key': {
    fires: () => [
      ikeEstablished(0, { 'ike.mode': 'aggressive', 'ike.hash_exposed': true }),
      ...ikeFailed(1, 1, () => ({ ...unusedHash(), 'source.ip': OTHER })),
    ],
    entity: SERVER,
    misses: {
      'aggressive mode with certificates': () => [ikeEstablished(0, { 'ike.mode': 'aggressive' })],
      'aggressive mode that was refused': () => ikeFailed(3, 1, () => ({ 'ike.mode': 'aggressive' })),
    },
  },
  'Hashes of IKE pre-shared keys being harvested': {
    fires: () => ikeFailed(5, MINUTE, unusedHash),
    entity: CLIENT,
    misses: {
      'two of them': () => ikeFailed(2, MINUTE, unusedHash),
      'one an hour': () => ikeFailed(5, HOUR, unusedHash),
      'a wrong key, answered': () => ikeFailed(5, MINUTE, () => ({ ...unusedHash(), 'ike.closed_by': 'initiator' })),
    },
  },
  'IKE key guessing': {
    fires: () => ikeFailed(12, 6, wrongKey),
    entity: `${CLIENT}, ${SERVER}`,
    misses: {
      'seven times': () => ikeFailed(7, 6, wrongKey),
      'once in two minutes': () => ikeFailed(20, 120, wrongKey),
      'no algorithm in common': () => ikeFailed(20, 6, refusedOffer),
      'a name refused before any key': () =>
        ikeFailed(20, 6, () => ({ 'ike.mode': 'aggressive', 'ike.notification': 'AUTHENTICATION-FAILED' })),
      'one from each of many': () =>
        ikeFailed(20, 6, (index) => ({ ...wrongKey(), 'source.ip': `198.51.100.${index}` })),
    },
  },
  'IKE SA established after key guessing': {
    fires: () => [...ikeFailed(10, 6, wrongKey), ikeEstablished(90)],
    entity: `${CLIENT}, ${SERVER}`,
    misses: {
      'five failures': () => [...ikeFailed(5, 6, wrongKey), ikeEstablished(90)],
      'with another peer': () => [...ikeFailed(10, 6, wrongKey), ikeEstablished(90, { 'source.ip': OTHER })],
      'the next day': () => [...ikeFailed(10, 6, wrongKey), ikeEstablished(20 * HOUR)],
    },
  },
  'IKE algorithms being enumerated': {
    fires: () => ikeStarted(20, 1, (index) => ({ 'ike.proposal.hash': `list ${index}` })),
    entity: `${CLIENT}, ${SERVER}`,
    misses: {
      'nine lists': () => ikeStarted(30, 1, (index) => ({ 'ike.proposal.hash': `list ${index % 9}` })),
      'one list many times': () => ikeStarted(30, 1),
      'twenty gateways': () =>
        ikeStarted(20, 1, (index) => ({ 'ike.proposal.hash': `list ${index}`, 'destination.ip': `192.0.2.${index}` })),
    },
  },
  'VPN group names being guessed': {
    fires: () => ikeStarted(8, 1, guessedName),
    entity: `${CLIENT}, ${SERVER}`,
    misses: {
      'four names': () => ikeStarted(12, 1, (index) => guessedName(index % 4)),
      'not in aggressive mode': () => ikeStarted(8, 1, (index) => ({ ...guessedName(index), 'ike.mode': 'base' })),
      'one in three minutes': () => ikeStarted(8, 180, guessedName),
    },
  },
  'Sweep for IKE gateways': {
    fires: () => ikeFailed(12, 5, (index) => ({ 'destination.ip': `192.0.2.${index}`, 'ike.closed_by': 'silence' })),
    entity: CLIENT,
    misses: {
      'four hosts': () => ikeFailed(12, 5, (index) => ({ 'destination.ip': `192.0.2.${index % 4}` })),
      'hosts with which it works': () =>
        many(12, (index) => ikeEstablished(index, { 'destination.ip': `192.0.2.${index}` })),
      'one every three minutes': () => ikeFailed(12, 180, (index) => ({ 'destination.ip': `192.0.2.${index}` })),
    },
  },
  'IKE flood against a gateway': {
    fires: () => ikeFailed(150, 0.1, (index) => ({ 'source.ip': `198.51.100.${index}`, 'ike.closed_by': 'silence' })),
    entity: SERVER,
    misses: {
      '99 of them': () => ikeFailed(99, 0.1, () => ({ 'ike.closed_by': 'silence' })),
      'one a second': () => ikeFailed(150, 1, () => ({ 'ike.closed_by': 'silence' })),
      'refused by the gateway': () => ikeFailed(150, 0.1),
    },
  },
  'IKE flood from one source': {
    fires: () => ikeStarted(150, 0.1),
    entity: `${CLIENT}, ${SERVER}`,
    misses: {
      '119 of them': () => ikeStarted(119, 0.1),
      'one a second': () => ikeStarted(150, 1),
      'from two sources': () => ikeStarted(150, 0.1, (index) => ({ 'source.ip': index % 2 === 0 ? CLIENT : OTHER })),
    },
  },
  'IKE probe of nmap': {
    fires: () =>
      ikeStarted(3, 1, (index) => ({
        'destination.ip': `192.0.2.${index}`,
        'ike.initiator.cookie': index === 0 ? '3127fcb038109e89' : '0011223344556677',
      })),
    entity: CLIENT,
    misses: { 'another cookie': () => ikeStarted(3, 1, () => ({ 'ike.initiator.cookie': '0011223344556678' })) },
  },
  'Forged IKE message': {
    fires: () => [anomaly('ike.response_conflict'), anomaly('ike.choice_not_offered', 10)],
    entity: `${CLIENT}, ${SERVER}`,
    misses: {
      'an answer without a request': () => [anomaly('ike.response_unsolicited')],
      'a number that was passed over': () => [anomaly('ike.message_id_gap')],
    },
  },
  'IKE message in the shape of an exploit': {
    fires: () => [anomaly('ike.error_in_request'), anomaly('ike.ke_value', 10)],
    entity: `${CLIENT}, ${SERVER}`,
    misses: {
      'flags of old equipment': () => [anomaly('ike.flags')],
      'an identity of one octet': () => [anomaly('ike.identity_length')],
    },
  },
  'IKE exchange before its SA was authenticated': {
    fires: () => [anomaly('ike.exchange_order'), anomaly('ike.exchange_order', 60)],
    entity: `${CLIENT}, ${SERVER}`,
    misses: { 'an exchange of an unknown type': () => [anomaly('ike.exchange_type')] },
  },
  'VPN passwords being guessed over IKE': {
    fires: () => ikeLogins(6, MINUTE, { 'event.outcome': 'failure', 'ike.transactions': 2 }),
    entity: `${CLIENT}, ${SERVER}`,
    misses: {
      'four times': () => ikeLogins(4, MINUTE, { 'event.outcome': 'failure', 'ike.transactions': 2 }),
      'one in five minutes': () => ikeLogins(9, 300, { 'event.outcome': 'failure', 'ike.transactions': 2 }),
      'logins that worked': () => ikeLogins(9, MINUTE, { 'ike.transactions': 2, 'ike.child_exchanges': 1 }),
    },
  },
  'IKE SA weaker than it could have been': {
    fires: () => [
      ikeEstablished(0, { ...WEAKER, 'ike.proposal.level': 'deprecated' }),
      ikeEstablished(60, { ...WEAKER, 'ike.proposal.level': 'deprecated' }),
    ],
    entity: `${SERVER}, 3DES-CBC/SHA1/modp1024/PSK`,
    misses: {
      'the second best, which is well': () => [ikeEstablished(0, { ...WEAKER, 'ike.proposal.level': 'sound' })],
      'nothing better was offered': () => [
        ikeEstablished(0, { 'ike.proposal.chosen': '3DES-CBC/SHA1/modp1024/PSK', 'ike.proposal.level': 'deprecated' }),
      ],
    },
  },
  'IKE client sent to another gateway': {
    fires: () => ikeFailed(2, 1, () => ({ 'ike.notification': 'REDIRECT', 'ike.redirect.gateway': 'gw7.example' })),
    entity: `${SERVER}, gw7.example`,
    misses: { 'a refusal': () => ikeFailed(2, 1, refusedOffer) },
  },
  'IKE gateway asks for cookies': {
    fires: () => [
      ikeEstablished(0, { 'ike.cookie': 'returned' }),
      ...ikeFailed(3, 1, () => ({ 'ike.cookie': 'challenged' })),
    ],
    entity: SERVER,
    misses: { 'a gateway that does not': () => [ikeEstablished(0), ...ikeFailed(3, 1)] },
  },
  'Malformed IKE message': {
    fires: () => [anomaly('ike.proposal_length'), anomaly('ike.payload_length', 1, { 'source.ip': OTHER })],
    entity: SERVER,
    misses: {
      'a message cut off by the capture': () => [anomaly('ike.truncated'), anomaly('ike.payload_truncated', 1)],
    },
  },
  'Fuzzing of an IKE gateway': {
    fires: () =>
      ['ike.version', 'ike.length', 'ike.sa_length', 'ike.payload_length', 'ike.transform_count'].map((name, index) =>
        anomaly(name, index),
      ),
    entity: `${CLIENT}, ${SERVER}`,
    misses: {
      'three kinds': () =>
        many(30, (index) => anomaly(['ike.version', 'ike.length', 'ike.sa_length'][index % 3], index)),
      'from four sources': () =>
        ['ike.version', 'ike.length', 'ike.sa_length', 'ike.payload_length'].map((name, index) =>
          anomaly(name, index, { 'source.ip': `198.51.100.${index}` }),
        ),
    },
  },
  'IKE teardown that nobody vouches for': {
    fires: () => [anomaly('ike.unprotected_delete'), anomaly('ike.unprotected_notification', 1)],
    entity: `${CLIENT}, ${SERVER}`,
    misses: { 'another finding': () => [anomaly('ike.responder_spi')] },
  },
}

/** What was inferred of L2TP inside ESP, so many times. */
function inferred(count: number, everySeconds: number, fields: (index: number) => object = () => ({})) {
  return series('esp.content.inferred', count, everySeconds, (index) => ({
    'source.ip': CLIENT,
    'destination.ip': SERVER,
    'esp.l2tp.finding': 'not_logged_in',
    ...fields(index),
  }))
}

const LOGIN: Readonly<Record<string, RuleCase>> = {
  'Password guessing inside IPsec': {
    fires: () => inferred(20, 5),
    entity: `${CLIENT}, ${SERVER}`,
    misses: {
      'seven times': () => inferred(7, 5),
      'once in two minutes': () => inferred(20, 120),
      'logins that succeed': () => inferred(20, 5, () => ({ 'esp.l2tp.finding': 'logged_in' })),
      'one from each of many': () => inferred(20, 5, (index) => ({ 'source.ip': `198.51.100.${index}` })),
    },
  },
  'Password guessing against one VPN account': {
    fires: () => refusedLogins(24, 2, () => ({})),
    entity: `${CLIENT}, carol`,
    misses: {
      'nine times': () => refusedLogins(9, 2, () => ({})),
      'once in two minutes': () => refusedLogins(20, 120, () => ({})),
      'many accounts': () => refusedLogins(20, 2, (index) => ({ 'user.name': `user${index % 4}` })).slice(0, 18),
    },
  },
  'Password guessing against one VPN account from many addresses': {
    fires: () => refusedLogins(8, MINUTE, (index) => ({ 'source.ip': `198.51.100.${index}` })),
    entity: 'carol',
    misses: {
      'four addresses': () => refusedLogins(12, MINUTE, (index) => ({ 'source.ip': `198.51.100.${index % 4}` })),
      'each another account': () =>
        refusedLogins(8, MINUTE, (index) => ({ 'source.ip': `198.51.100.${index}`, 'user.name': `user${index}` })),
    },
  },
  'Password guessing against several VPN accounts': {
    fires: () => refusedLogins(30, 4, (index) => ({ 'user.name': `user${index % 5}` })),
    entity: CLIENT,
    misses: {
      'twice each': () => refusedLogins(10, 4, (index) => ({ 'user.name': `user${index % 5}` })),
      'two accounts': () => refusedLogins(40, 4, (index) => ({ 'user.name': `user${index % 2}` })),
      'a new account each time': () => refusedLogins(40, 4, (index) => ({ 'user.name': `user${index}` })),
      'once a minute': () => refusedLogins(40, 61, (index) => ({ 'user.name': `user${index % 5}` })),
      'from many addresses': () =>
        refusedLogins(40, 4, (index) => ({ 'source.ip': `198.51.100.${index}`, 'user.name': `user${index % 5}` })),
    },
  },
  'Password spraying against VPN accounts': {
    fires: () => refusedLogins(15, 5, (index) => ({ 'user.name': `user${index}` })),
    entity: CLIENT,
    misses: {
      'nine accounts': () => refusedLogins(30, 5, (index) => ({ 'user.name': `user${index % 9}` })),
      'over a day': () => refusedLogins(15, HOUR, (index) => ({ 'user.name': `user${index}` })),
      'from many addresses': () =>
        refusedLogins(15, 5, (index) => ({ 'user.name': `user${index}`, 'source.ip': `198.51.100.${index}` })),
    },
  },
  'VPN login succeeded after password guessing': {
    fires: () => [...refusedLogins(24, 2, () => ({})), login(60), login(70)],
    entity: `${CLIENT}, carol`,
    misses: {
      'seven failures': () => [...refusedLogins(7, 2, () => ({})), login(60)],
      'success before the failures': () => [login(0), ...refusedLogins(24, 2, () => ({}), 10)],
      'another account': () => [...refusedLogins(24, 2, () => ({})), login(60, { 'user.name': 'dave' })],
      'another address': () => [...refusedLogins(24, 2, () => ({})), login(60, { 'source.ip': OTHER })],
      'the next day': () => [...refusedLogins(24, 2, () => ({})), login(20 * HOUR)],
    },
  },
  'VPN login succeeded after password spraying': {
    fires: () => [...refusedLogins(12, 5, (index) => ({ 'user.name': `user${index}` })), login(90)],
    entity: CLIENT,
    misses: {
      'seven accounts': () => [...refusedLogins(7, 5, (index) => ({ 'user.name': `user${index}` })), login(90)],
      'one account': () => [...refusedLogins(30, 5, () => ({})), login(200)],
      'from another address': () => [
        ...refusedLogins(12, 5, (index) => ({ 'user.name': `user${index}` })),
        login(90, { 'source.ip': OTHER }),
      ],
    },
  },
  'One VPN account used from several addresses': {
    fires: () => [login(0), login(MINUTE, { 'source.ip': OTHER })],
    entity: 'carol',
    misses: {
      'one address twice': () => [login(0), login(MINUTE)],
      'an hour later': () => [login(0), login(HOUR, { 'source.ip': OTHER })],
      'two accounts': () => [login(0), login(MINUTE, { 'source.ip': OTHER, 'user.name': 'dave' })],
    },
  },
  'Login to an account that may not log in': {
    fires: () => refusedLogins(3, 60, () => ({ 'ppp.error.code': 647 })),
    entity: `${CLIENT}, carol`,
    misses: { 'a wrong password': () => refusedLogins(3, 60, () => ({ 'ppp.error.code': 691 })) },
  },
  'Logins to several accounts that may not log in': {
    fires: () => refusedLogins(4, 60, (index) => ({ 'ppp.error.code': 646 + index, 'user.name': `user${index}` })),
    entity: CLIENT,
    misses: {
      'two accounts': () =>
        refusedLogins(8, 60, (index) => ({ 'ppp.error.code': 648, 'user.name': `user${index % 2}` })),
      'wrong passwords': () =>
        refusedLogins(4, 60, (index) => ({ 'ppp.error.code': 691, 'user.name': `user${index}` })),
    },
  },
  'VPN login with a default account name': {
    fires: () => [login(0, { 'user.name': 'Admin' }), login(60, { 'user.name': 'Admin' })],
    entity: `${CLIENT}, Admin`,
    misses: { 'a name that contains one': () => [login(0, { 'user.name': 'admin.carol' })] },
  },
  'PPP message that attacks a parser': {
    fires: () =>
      seen(...openSession(), {
        at: 1,
        // LCP Configure-Request, id 1, with an option that says it is one byte long.
        l2tp: l2tpData(ppp(PPP.lcp, Uint8Array.of(1, 1, 0, 6, 1, 1)), { tunnelId: 9, sessionId: 90 }),
      }),
    entity: `${CLIENT}, ${SERVER}`,
    misses: {
      'a request that is in order': () =>
        seen(...openSession(), {
          at: 1,
          l2tp: l2tpData(ppp(PPP.lcp, Uint8Array.of(1, 1, 0, 8, 1, 4, 5, 220)), { tunnelId: 9, sessionId: 90 }),
        }),
    },
  },
}

const INSIDE: Readonly<Record<string, RuleCase>> = {
  'Port scan from inside a VPN session': {
    fires: () => [...flows(15, 0.1, () => ({})), ...unanswered(15, 2000)],
    entity: `s-1, ${INNER}, ${TARGET}`,
    misses: {
      '19 ports': () => flows(19, 0.1, () => ({})),
      'one port many times': () => flows(60, 0.1, () => ({ 'destination.port': 443 })),
      'ports that answered': () => flows(60, 0.1, () => ({ 'flow.tcp.state': 'closed' })),
      'two sessions': () => flows(38, 0.1, (index) => ({ 'flow.carrier': `s-${index % 2}` })),
      'slower than four a minute': () => flows(60, 16, () => ({})),
      'a traceroute': () => unanswered(60, 33_434),
    },
  },
  'Sweep for one service from inside a VPN session': {
    fires: () => flows(40, 0.1, (index) => ({ 'destination.ip': `10.20.0.${index}`, 'destination.port': 445 })),
    entity: `s-1, ${INNER}, 445`,
    misses: {
      '19 hosts': () => flows(19, 0.1, (index) => ({ 'destination.ip': `10.20.0.${index}`, 'destination.port': 445 })),
      'hosts that answered': () =>
        flows(40, 0.1, (index) => ({
          'destination.ip': `10.20.0.${index}`,
          'destination.port': 443,
          'flow.tcp.state': 'established',
        })),
      'each host another port': () => flows(40, 0.1, (index) => ({ 'destination.ip': `10.20.0.${index}` })),
    },
  },
  'Ping sweep from inside a VPN session': {
    fires: () => pings(40, 0.1, 8, (index) => index),
    entity: `s-1, ${INNER}`,
    misses: {
      '14 hosts': () => pings(14, 0.1, 8, (index) => index),
      'one host many times': () => pings(40, 1, 8, () => 5),
      'errors to many hosts': () => pings(40, 0.1, 3, (index) => index),
      'one host in half a minute': () => pings(40, 30, 8, (index) => index),
    },
  },
  'Login guessing from inside a VPN session': {
    fires: () => flows(8, 5, () => sshFlow),
    entity: `s-1, ${INNER}, ${TARGET}, 22`,
    misses: {
      'five connections': () => flows(5, 5, () => sshFlow),
      'one a minute and a half': () => flows(20, 90, () => sshFlow),
      'connections that transfer something': () => flows(20, 5, () => ({ ...sshFlow, 'source.bytes': 60_000 })),
      'long connections': () => flows(20, 5, () => ({ ...sshFlow, 'event.duration': 600 * SECOND_NS })),
      'a scan': () =>
        flows(20, 1, () => ({ ...sshFlow, 'flow.tcp.state': 'reset', 'source.bytes': 84, 'destination.bytes': 44 })),
      'a web server': () => flows(20, 5, () => ({ ...sshFlow, 'destination.port': 443 })),
    },
  },
  'Upload after a scan from the same VPN session': {
    fires: () => [
      ...flows(40, 0.1, () => ({})),
      ...flows(1, 1, () => ({ 'destination.port': 443, 'flow.tcp.state': 'closed', 'source.bytes': 2_000_000 }), 300),
    ],
    entity: `s-1, ${INNER}`,
    misses: {
      'an upload alone': () =>
        flows(3, 1, () => ({ 'destination.port': 443, 'flow.tcp.state': 'closed', 'source.bytes': 9_000_000 })),
      'the upload came first': () => [
        ...flows(1, 1, () => ({ 'destination.port': 443, 'flow.tcp.state': 'closed', 'source.bytes': 2_000_000 })),
        ...flows(40, 0.1, () => ({}), 300),
      ],
      'a small upload': () => [
        ...flows(40, 0.1, () => ({})),
        ...flows(1, 1, () => ({ 'destination.port': 443, 'flow.tcp.state': 'closed', 'source.bytes': 999_999 }), 300),
      ],
      'a few failures': () => [
        ...flows(29, 0.1, () => ({})),
        ...flows(1, 1, () => ({ 'destination.port': 443, 'flow.tcp.state': 'closed', 'source.bytes': 2_000_000 }), 300),
      ],
      'another session': () => [
        ...flows(40, 0.1, () => ({})),
        ...flows(1, 1, () => ({ 'flow.carrier': 's-2', 'flow.tcp.state': 'closed', 'source.bytes': 2_000_000 }), 300),
      ],
    },
  },
  'Very large upload from one VPN session': {
    fires: () => flows(6, 60, () => ({ 'flow.tcp.state': 'closed', 'source.bytes': 100_000_000 })),
    entity: `s-1, ${INNER}, ${TARGET}`,
    misses: {
      'just as much as is allowed': () =>
        flows(5, 60, () => ({ 'flow.tcp.state': 'closed', 'source.bytes': 100_000_000 })),
      'over a day': () => flows(12, 2 * HOUR, () => ({ 'flow.tcp.state': 'closed', 'source.bytes': 100_000_000 })),
      'to many places': () =>
        flows(6, 60, (index) => ({
          'destination.ip': `10.20.0.${index}`,
          'flow.tcp.state': 'closed',
          'source.bytes': 100_000_000,
        })),
    },
  },
}

const POSTURE: Readonly<Record<string, RuleCase>> = {
  'L2TP without IPsec': {
    fires: () => [opened(0), opened(5 * HOUR)],
    entity: `${CLIENT}, ${SERVER}`,
    misses: {
      'a tunnel that was refused': () => [event('l2tp.tunnel.failed', 0, PAIR)],
      'a tunnel in IPsec': () => [opened(0, { 'esp.tunnel.uid': 'e-1' })],
    },
  },
  'PPP password in clear (PAP)': {
    fires: () => [login(0, { 'ppp.authentication.method': 'PAP' }), login(60, { 'ppp.authentication.method': 'PAP' })],
    entity: `${SERVER}, carol`,
    misses: {
      'another method': () => [login(0, { 'ppp.authentication.method': 'MS-CHAPv2' })],
      'PAP in IPsec': () => [login(0, { 'ppp.authentication.method': 'PAP', 'esp.tunnel.uid': 'e-1' })],
    },
  },
  'PPP login that can be cracked offline': {
    fires: () => [
      login(0, { 'ppp.authentication.method': 'MS-CHAPv2' }),
      login(60, { 'ppp.authentication.method': 'MS-CHAPv2', 'user.name': 'dave' }),
    ],
    entity: `${SERVER}, MS-CHAPv2`,
    misses: {
      'EAP-TLS': () => [login(0, { 'ppp.authentication.method': 'EAP-TLS' })],
      'in IPsec': () => [login(0, { 'ppp.authentication.method': 'MS-CHAPv2', 'esp.tunnel.uid': 'e-1' })],
    },
  },
  'VPN server that does not know the password of its user': {
    fires: () => [
      login(0, { 'ppp.authentication.verdict': 'verified', 'ppp.authentication.server_verdict': 'wrong_secret' }),
      login(60, { 'ppp.authentication.verdict': 'verified', 'ppp.authentication.server_verdict': 'wrong_secret' }),
    ],
    entity: `${CLIENT}, ${SERVER}, carol`,
    misses: {
      'a server that knows it': () => [
        login(0, { 'ppp.authentication.verdict': 'verified', 'ppp.authentication.server_verdict': 'verified' }),
      ],
      'a password that is not configured': () => [login(0, {})],
    },
  },
  'PPP link without a login': {
    fires: () => [event('ppp.link.opened', 0, { ...PAIR, 'ppp.authentication.method': 'none' })],
    entity: `${CLIENT}, ${SERVER}`,
    misses: {
      'a login': () => [event('ppp.link.opened', 0, { ...PAIR, 'ppp.authentication.method': 'EAP-TLS' })],
      'a beginning that nobody saw': () => [event('ppp.link.opened', 0, PAIR)],
    },
  },
  'PPP encryption with 40 or 56 bits': {
    fires: () => [
      event('ppp.link.opened', 0, { ...PAIR, 'ppp.mppe.bits': 40 }),
      event('ppp.link.opened', 9, { ...PAIR, 'ppp.mppe.bits': 56 }),
    ],
    entity: `${CLIENT}, ${SERVER}`,
    misses: {
      '128 bits': () => [event('ppp.link.opened', 0, { ...PAIR, 'ppp.mppe.bits': 128 })],
      'no MPPE': () => [event('ppp.link.opened', 0, PAIR)],
    },
  },
  'IKE certificate that should not be in use': {
    fires: () => many(2, (index) => posture(index, ['certificate_expired', 'version_1'])),
    entity: `${SERVER}, 5a01`,
    misses: {
      'one that signs itself': () => [posture(0, ['certificate_self_issued'])],
      'weak algorithms': () => [posture(0, ['md5', 'modp1024'])],
    },
  },
  'IKE SA with weak algorithms': {
    fires: () => [
      ikeEstablished(0, { 'ike.proposal.weaknesses': ['modp1024', 'sha1'], 'ike.group': 'modp1024' }),
      ikeEstablished(60, { 'ike.proposal.weaknesses': ['3des', 'modp1024'], 'ike.group': 'modp1024' }),
    ],
    entity: `${SERVER}, modp1024`,
    misses: {
      'strong ones': () => [
        ikeEstablished(0, { 'ike.encryption': 'AES-CBC-256', 'ike.integrity': 'SHA2-256', 'ike.group': 'modp2048' }),
        ikeEstablished(60, { 'ike.proposal.weaknesses': ['sha1'], 'ike.group': 'modp2048' }),
      ],
      'weak ones that were not used': () => ikeFailed(2, 1, () => ({ 'ike.proposal.weaknesses': ['modp1024'] })),
    },
  },
  'L2F or L2TPv3 between two hosts': {
    fires: () => [recognised('l2tpv3', 0), recognised('l2tpv3', 60)],
    entity: `${CLIENT}, ${SERVER}, l2tpv3`,
    misses: { 'another protocol': () => [recognised('esp', 0)] },
  },
  'The sensor has reached one of its bounds': {
    fires: () => [event('sensor.table.filled', 0, { 'sensor.table': 'tunnels', 'sensor.capacity': 100 })],
    entity: 'tunnels',
    misses: { 'a damaged capture': () => [event('capture.damaged', 0, { 'anomaly.name': 'capture.truncated' })] },
  },
}

export const CASES: Readonly<Record<string, RuleCase>> = {
  ...CONTROL,
  ...IKE,
  ...LOGIN,
  ...INSIDE,
  ...POSTURE,
  ...ACCESS_CASES,
  ...BEHAVIOUR_CASES,
  ...CONTROL_CASES,
  ...ESP_CASES,
  ...IKE_CASES,
  ...INNER_CASES,
  ...INTELLIGENCE_CASES,
  ...INVENTORY_CASES,
  ...LOGIN_CASES,
  ...POSTURE_CASES,
}
