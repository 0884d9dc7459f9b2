/** Stories for the rules in `rules/ike/`: see `cases.ts`. */
import { event } from './events.ts'
import { CLIENT, many, OTHER, seen, SERVER, type RuleCase } from './stories.ts'

export const IKE_CASES: Readonly<Record<string, RuleCase>> = {
  'IKE probe of ike-scan': {
    fires: () => [
      seen('ike.exchange.started', 0, { 'ike.mode': 'main', 'ike.proposal.hash': 'c0e2cf13c08d1f1b' }),
      seen('ike.exchange.started', 5, { 'ike.mode': 'main', 'ike.proposal.hash': 'c0e2cf13c08d1f1b' }),
    ],
    entity: CLIENT,
    misses: {
      'another proposal': () => [
        seen('ike.exchange.started', 0, { 'ike.mode': 'main', 'ike.proposal.hash': '90565cc26086f5a1' }),
      ],
    },
  },
  'IKE fingerprinting by the ike-version script of nmap': {
    fires: () => [
      seen('ike.exchange.started', 0, { 'ike.proposal.hash': '890be404e8cb65c9' }),
      seen('ike.exchange.started', 1, { 'ike.proposal.hash': '890be404e8cb65c9' }),
    ],
    entity: CLIENT,
    misses: {
      'another proposal': () => [
        seen('ike.exchange.started', 0, { 'ike.proposal.hash': 'c0e2cf13c08d1f1b', 'ike.mode': 'aggressive' }),
      ],
    },
  },
  'IKE gateways fingerprinted by their timers': {
    fires: () =>
      many('ike.exchange.failed', 4, 60, (index) => ({
        'destination.ip': `192.0.2.${index + 1}`,
        'ike.retransmissions': 3,
        'ike.responder.cookie': '0102030405060708',
      })),
    entity: CLIENT,
    misses: {
      'two gateways': () =>
        many('ike.exchange.failed', 8, 30, (index) => ({
          'destination.ip': `192.0.2.${index % 2}`,
          'ike.retransmissions': 3,
          'ike.responder.cookie': '0102030405060708',
        })),
      'gateways that never answer': () =>
        many('ike.exchange.failed', 4, 60, (index) => ({
          'destination.ip': `192.0.2.${index + 1}`,
          'ike.retransmissions': 3,
        })),
    },
  },
  'Versions of a VPN server being probed': {
    fires: () => many('protocol.anomaly', 5, 30, () => ({ 'anomaly.name': 'ike.version' })),
    entity: `${CLIENT}, ${SERVER}`,
    misses: {
      two: () => many('protocol.anomaly', 2, 30, () => ({ 'anomaly.name': 'ike.version' })),
      'another flaw': () => many('protocol.anomaly', 5, 30, () => ({ 'anomaly.name': 'ike.length' })),
    },
  },
  'Several VPN protocols tried on one server': {
    fires: () =>
      ['ike', 'ipsec-nat-t', 'l2tpv3', 'l2f', 'ah'].map((protocol, index) =>
        seen('protocol.recognised', index, { 'network.protocol': protocol }),
      ),
    entity: `${CLIENT}, ${SERVER}`,
    misses: {
      'an ordinary VPN': () =>
        ['ike', 'ipsec-nat-t', 'esp'].map((protocol, index) =>
          seen('protocol.recognised', index, { 'network.protocol': protocol }),
        ),
      'each to another server': () =>
        ['ike', 'ipsec-nat-t', 'l2tpv3', 'l2f', 'ah'].map((protocol, index) =>
          seen('protocol.recognised', index, { 'network.protocol': protocol, 'destination.ip': `192.0.2.${index}` }),
        ),
    },
  },
  'IKE gateway that asks for a weak group': {
    fires: () => [
      seen('ike.exchange.failed', 0, {
        'ike.downgrade': ['weaker_group_requested'],
        'ike.group_requested': 'modp1024',
      }),
      seen('ike.exchange.established', 9, {
        'ike.downgrade': ['weaker_group_requested'],
        'ike.group_requested': 'modp1024',
      }),
    ],
    entity: SERVER,
    misses: {
      'a group that is fit': () => [
        seen('ike.exchange.failed', 0, {
          'ike.downgrade': ['weaker_group_requested'],
          'ike.group_requested': 'modp2048',
        }),
      ],
      'a weaker choice': () => [
        seen('ike.exchange.established', 0, {
          'ike.downgrade': ['weaker_than_offered'],
          'ike.proposal.level': 'sound',
        }),
      ],
    },
  },
  'IKE security of a gateway changed for the worse': {
    fires: () => [
      event('ike.posture.observed', 0, {
        'source.ip': SERVER,
        'ike.posture.role': 'gateway',
        'ike.posture.is_changed': true,
        'ike.posture.level': 'forbidden',
      }),
    ],
    entity: SERVER,
    misses: {
      'seen for the first time': () => [
        event('ike.posture.observed', 0, {
          'ike.posture.role': 'gateway',
          'ike.posture.is_changed': false,
          'ike.posture.level': 'forbidden',
        }),
      ],
      'a peer': () => [
        event('ike.posture.observed', 0, {
          'ike.posture.role': 'peer',
          'ike.posture.is_changed': true,
          'ike.posture.level': 'forbidden',
        }),
      ],
    },
  },
  'IKE keys tried from many addresses': {
    fires: () =>
      many('ike.exchange.failed', 60, 10, (index) => ({
        'source.ip': `198.51.100.${index}`,
        'event.outcome': 'failure',
        'ike.closed_by': 'responder',
      })),
    entity: SERVER,
    misses: {
      'forty addresses': () =>
        many('ike.exchange.failed', 200, 5, (index) => ({
          'source.ip': `198.51.100.${index % 40}`,
          'event.outcome': 'failure',
          'ike.closed_by': 'responder',
        })),
      'over two days': () =>
        many('ike.exchange.failed', 60, 3000, (index) => ({
          'source.ip': `198.51.100.${index}`,
          'event.outcome': 'failure',
          'ike.closed_by': 'responder',
        })),
    },
  },
  'Two different answers to one IKE request': {
    fires: () => [
      seen('protocol.anomaly', 0, { 'anomaly.name': 'ike.response_conflict' }),
      seen('protocol.anomaly', 1, { 'anomaly.name': 'ike.response_conflict' }),
    ],
    entity: `${CLIENT}, ${SERVER}`,
    misses: {
      'an answer to nothing': () => [seen('protocol.anomaly', 0, { 'anomaly.name': 'ike.response_unsolicited' })],
    },
  },
  'Error notification in an IKE request': {
    fires: () => [
      seen('protocol.anomaly', 0, { 'anomaly.name': 'ike.error_in_request' }),
      seen('protocol.anomaly', 2, { 'anomaly.name': 'ike.error_in_request' }),
    ],
    entity: `${CLIENT}, ${SERVER}`,
    misses: {
      'another flaw': () => [seen('protocol.anomaly', 0, { 'anomaly.name': 'ike.nonce_length' })],
    },
  },
  'IKE fragments that no honest peer sends': {
    fires: () => [
      seen('protocol.anomaly', 0, { 'anomaly.name': 'ike.fragment_number' }),
      seen('protocol.anomaly', 1, { 'anomaly.name': 'ike.fragment_conflict' }),
    ],
    entity: `${CLIENT}, ${SERVER}`,
    misses: {
      'a message that was cut off': () => [seen('protocol.anomaly', 0, { 'anomaly.name': 'ike.payload_truncated' })],
    },
  },
  'IKE message without what it must hold': {
    fires: () => [seen('protocol.anomaly', 0, { 'anomaly.name': 'ike.payload_missing' })],
    entity: `${CLIENT}, ${SERVER}`,
    misses: {
      'another flaw': () => [seen('protocol.anomaly', 0, { 'anomaly.name': 'ike.trailing_data' })],
    },
  },
  'IKE messages injected': {
    fires: () => many('protocol.anomaly', 5, 5, () => ({ 'anomaly.name': 'ike.message_id_gap' })),
    entity: `${CLIENT}, ${SERVER}`,
    misses: {
      two: () => many('protocol.anomaly', 2, 5, () => ({ 'anomaly.name': 'ike.message_id_gap' })),
      'once in two minutes': () => many('protocol.anomaly', 6, 120, () => ({ 'anomaly.name': 'ike.responder_spi' })),
    },
  },
  'IKE and ESP inside TCP': {
    fires: () => [
      seen('protocol.recognised', 0, { 'network.protocol': 'ipsec-tcp' }),
      seen('protocol.recognised', 60, { 'network.protocol': 'ipsec-tcp' }),
    ],
    entity: `${CLIENT}, ${SERVER}`,
    misses: {
      'in UDP': () => [seen('protocol.recognised', 0, { 'network.protocol': 'ipsec-nat-t' })],
    },
  },
  'IKE gateway with two certificates': {
    fires: () =>
      ['aa', 'aa', 'bb'].map((digest, index) =>
        seen('ike.exchange.established', index * 600, { 'ike.responder.certificate_sha256': digest }),
      ),
    entity: SERVER,
    misses: {
      'one certificate': () =>
        ['aa', 'aa', 'aa'].map((digest, index) =>
          seen('ike.exchange.established', index * 600, { 'ike.responder.certificate_sha256': digest }),
        ),
      'two gateways': () =>
        ['aa', 'bb'].map((digest, index) =>
          seen('ike.exchange.established', index * 600, {
            'destination.ip': `192.0.2.${index}`,
            'ike.responder.certificate_sha256': digest,
          }),
        ),
    },
  },
  'NAT between two hosts comes and goes': {
    fires: () =>
      ['none', 'none', 'responder'].map((nat, index) =>
        seen('ike.exchange.established', index * 600, { 'ike.nat.detected': nat }),
      ),
    entity: `${CLIENT}, ${SERVER}`,
    misses: {
      'always the same': () =>
        ['initiator', 'initiator'].map((nat, index) =>
          seen('ike.exchange.established', index * 600, { 'ike.nat.detected': nat }),
        ),
    },
  },
  'VPN server silent after a malformed message': {
    fires: () => [
      seen('protocol.anomaly', 0, { 'source.ip': OTHER, 'anomaly.name': 'ike.payload_length' }),
      ...many(
        'ike.exchange.failed',
        4,
        20,
        (index) => ({ 'source.ip': `198.51.100.${20 + index}`, 'ike.closed_by': 'silence' }),
        60,
      ),
    ],
    entity: SERVER,
    misses: {
      'without the message': () =>
        many('ike.exchange.failed', 4, 20, (index) => ({
          'source.ip': `198.51.100.${20 + index}`,
          'ike.closed_by': 'silence',
        })),
      'one client': () => [
        seen('protocol.anomaly', 0, { 'anomaly.name': 'ike.payload_length' }),
        ...many('ike.exchange.failed', 4, 20, () => ({ 'ike.closed_by': 'silence' }), 60),
      ],
      'the message after it': () => [
        ...many('ike.exchange.failed', 4, 20, (index) => ({
          'source.ip': `198.51.100.${20 + index}`,
          'ike.closed_by': 'silence',
        })),
        seen('protocol.anomaly', 90, { 'anomaly.name': 'ike.payload_length' }),
      ],
    },
  },
}
