/** Stories for the rules in `rules/posture/`: see `cases.ts`. */
import { CLIENT, OTHER, seen, SERVER, type RuleCase } from './stories.ts'

export const POSTURE_CASES: Readonly<Record<string, RuleCase>> = {
  'IKEv1 in use': {
    fires: () => [
      seen('ike.exchange.established', 0, { 'ike.version': '1.0' }),
      seen('ike.exchange.established', 60, { 'ike.version': '1.0', 'source.ip': OTHER }),
    ],
    entity: SERVER,
    misses: {
      'version 2': () => [seen('ike.exchange.established', 0, { 'ike.version': '2.0' })],
    },
  },
  'IKE SA with SHA-1': {
    fires: () => [seen('ike.exchange.established', 0, { 'ike.proposal.weaknesses': ['sha1'] })],
    entity: SERVER,
    misses: {
      'nothing weak': () => [seen('ike.exchange.established', 0, { 'ike.proposal.weaknesses': [] })],
    },
  },
  'L2TP tunnel without authentication': {
    fires: () => [
      seen('l2tp.tunnel.opened', 0, { 'l2tp.authentication.method': 'none' }),
      seen('l2tp.tunnel.opened', 60, { 'l2tp.authentication.method': 'none' }),
    ],
    entity: `${CLIENT}, ${SERVER}`,
    misses: {
      'with a challenge': () => [seen('l2tp.tunnel.opened', 0, { 'l2tp.authentication.method': 'challenge' })],
    },
  },
  'L2TPv3 Ethernet session without a cookie': {
    fires: () => [
      seen('l2tp.session.opened', 0, { 'l2tp.session.pseudowire': 'Ethernet', 'l2tp.session.cookie_bytes': 0 }),
    ],
    entity: `${CLIENT}, ${SERVER}`,
    misses: {
      'with a cookie': () => [
        seen('l2tp.session.opened', 0, { 'l2tp.session.pseudowire': 'Ethernet', 'l2tp.session.cookie_bytes': 8 }),
      ],
      PPP: () => [seen('l2tp.session.opened', 0, { 'l2tp.session.pseudowire': 'PPP', 'l2tp.session.cookie_bytes': 0 })],
    },
  },
  'PPTP in use': {
    fires: () => [seen('pptp.connection.opened', 0), seen('pptp.connection.opened', 60, { 'source.ip': OTHER })],
    entity: SERVER,
    misses: {
      refused: () => [seen('pptp.connection.failed', 0)],
    },
  },
  'VPN from an inside address to the Internet': {
    fires: () => [
      seen('protocol.recognised', 0, { 'source.ip': '192.168.1.20', 'network.protocol': 'ike' }),
      seen('protocol.recognised', 1, { 'source.ip': '192.168.1.20', 'network.protocol': 'esp' }),
    ],
    entity: `192.168.1.20, ${SERVER}`,
    misses: {
      'between inside addresses': () => [
        seen('protocol.recognised', 0, {
          'source.ip': '192.168.1.20',
          'destination.ip': '10.1.1.1',
          'network.protocol': 'ike',
        }),
      ],
      'from outside': () => [seen('protocol.recognised', 0, { 'network.protocol': 'ike' })],
    },
  },
}
