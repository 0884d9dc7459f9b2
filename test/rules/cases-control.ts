/** Stories for the rules in `rules/control/`: see `cases.ts`. */
import { CLIENT, many, seen, SERVER, type RuleCase } from './stories.ts'

export const CONTROL_CASES: Readonly<Record<string, RuleCase>> = {
  'L2TP server under two names': {
    fires: () =>
      ['lns-a', 'lns-a', 'kali'].map((name, index) =>
        seen('l2tp.tunnel.opened', index * 600, {
          'l2tp.responder.host_name': name,
          'l2tp.authentication.method': 'mutual',
        }),
      ),
    entity: SERVER,
    misses: {
      'one name': () =>
        ['lns-a', 'lns-a'].map((name, index) =>
          seen('l2tp.tunnel.opened', index * 600, { 'l2tp.responder.host_name': name }),
        ),
      'two servers': () =>
        ['lns-a', 'lns-b'].map((name, index) =>
          seen('l2tp.tunnel.opened', index * 600, {
            'destination.ip': `192.0.2.${index}`,
            'l2tp.responder.host_name': name,
          }),
        ),
    },
  },
  'L2TP tunnels opened and torn down in a race': {
    fires: () =>
      many('l2tp.tunnel.closed', 14, 2, () => ({ 'event.duration': 500_000_000, 'l2tp.tunnel.sessions': 0 })),
    entity: `${CLIENT}, ${SERVER}`,
    misses: {
      nine: () =>
        many('l2tp.tunnel.closed', 9, 2, () => ({ 'event.duration': 500_000_000, 'l2tp.tunnel.sessions': 0 })),
      'tunnels that carry sessions': () =>
        many('l2tp.tunnel.closed', 14, 2, () => ({ 'event.duration': 500_000_000, 'l2tp.tunnel.sessions': 1 })),
      'tunnels that live': () =>
        many('l2tp.tunnel.closed', 14, 2, () => ({ 'event.duration': 9_000_000_000, 'l2tp.tunnel.sessions': 0 })),
    },
  },
  'L2TP receive window out of all measure': {
    fires: () => [
      seen('l2tp.tunnel.requested', 0, { 'l2tp.initiator.receive_window': 0 }),
      seen('l2tp.tunnel.opened', 1, { 'l2tp.initiator.receive_window': 65535, 'l2tp.authentication.method': 'mutual' }),
    ],
    entity: `${CLIENT}, ${SERVER}`,
    misses: {
      'an ordinary one': () => [seen('l2tp.tunnel.requested', 0, { 'l2tp.initiator.receive_window': 1024 })],
    },
  },
  'L2TP server on another port': {
    fires: () => [
      seen('l2tp.tunnel.opened', 0, {
        'destination.port': 4711,
        'network.transport': 'udp',
        'l2tp.version': 2,
        'l2tp.authentication.method': 'mutual',
      }),
    ],
    entity: `${CLIENT}, ${SERVER}`,
    misses: {
      'the standard one': () => [
        seen('l2tp.tunnel.opened', 0, { 'destination.port': 1701, 'network.transport': 'udp', 'l2tp.version': 2 }),
      ],
      'version 3, which has no port of its own': () => [
        seen('l2tp.tunnel.opened', 0, { 'destination.port': 4711, 'network.transport': 'udp', 'l2tp.version': 3 }),
      ],
    },
  },
  "Caller's password handed on in clear": {
    fires: () => [seen('l2tp.session.opened', 0, { 'l2tp.call.proxy_authentication': 'PPP PAP' })],
    entity: `${CLIENT}, ${SERVER}`,
    misses: {
      'by CHAP': () => [seen('l2tp.session.opened', 0, { 'l2tp.call.proxy_authentication': 'PPP CHAP' })],
    },
  },
  'Many broken L2TP messages': {
    fires: () => many('protocol.anomaly', 14, 2, () => ({ 'anomaly.name': 'l2tp.offset' })),
    entity: `${CLIENT}, ${SERVER}`,
    misses: {
      nine: () => many('protocol.anomaly', 9, 2, () => ({ 'anomaly.name': 'l2tp.offset' })),
    },
  },
  'L2TP server used to reflect traffic': {
    fires: () =>
      many('l2tp.tunnel.failed', 40, 1, () => ({ 'l2tp.tunnel.state': 'answered', 'l2tp.control.retransmissions': 4 })),
    entity: `${CLIENT}, ${SERVER}`,
    misses: {
      twenty: () =>
        many('l2tp.tunnel.failed', 20, 1, () => ({
          'l2tp.tunnel.state': 'answered',
          'l2tp.control.retransmissions': 4,
        })),
      'requests without an answer': () =>
        many('l2tp.tunnel.failed', 40, 1, () => ({
          'l2tp.tunnel.state': 'opening',
          'l2tp.control.retransmissions': 4,
        })),
    },
  },
  'L2TPv3 data for session zero': {
    fires: () => [seen('protocol.anomaly', 0, { 'anomaly.name': 'l2tpv3.session_zero' })],
    entity: `${CLIENT}, ${SERVER}`,
    misses: {
      'another flaw': () => [seen('protocol.anomaly', 0, { 'anomaly.name': 'l2tpv3.trailing_bytes' })],
    },
  },
  'Hidden L2TP attribute that the secret does not open': {
    fires: () => [
      seen('l2tp.avp.hidden', 0, { 'l2tp.avp.verdict': 'no_vector' }),
      seen('l2tp.avp.hidden', 1, { 'l2tp.avp.verdict': 'wrong_secret' }),
    ],
    entity: `${CLIENT}, ${SERVER}`,
    misses: {
      recovered: () => [seen('l2tp.avp.hidden', 0, { 'l2tp.avp.verdict': 'recovered' })],
    },
  },
  'Packets wrapped too deep': {
    fires: () => [seen('protocol.anomaly', 0, { 'anomaly.name': 'ip.nested_too_deep' })],
    entity: `${CLIENT}, ${SERVER}`,
    misses: {
      'another flaw': () => [seen('protocol.anomaly', 0, { 'anomaly.name': 'ip.total_length' })],
    },
  },
}
