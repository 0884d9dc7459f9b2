/** Stories for the rules in `rules/behaviour/`: see `cases.ts`. */
import { seen, type RuleCase } from './stories.ts'

export const BEHAVIOUR_CASES: Readonly<Record<string, RuleCase>> = {
  'VPN user from a network that is new': {
    fires: () => [
      seen('baseline.deviated', 0, { 'baseline.feature': 'user.network', 'baseline.entity.id': 'x' }),
      seen('baseline.deviated', 60, { 'baseline.feature': 'user.network', 'baseline.entity.id': 'x' }),
    ],
    entity: 'x',
    misses: {
      'another habit': () => [
        seen('baseline.deviated', 0, { 'baseline.feature': 'user.hour', 'baseline.entity.id': 'x' }),
      ],
    },
  },
  'VPN user at a gateway that is new': {
    fires: () => [
      seen('baseline.deviated', 0, { 'baseline.feature': 'user.gateway', 'baseline.entity.id': 'x' }),
      seen('baseline.deviated', 60, { 'baseline.feature': 'user.gateway', 'baseline.entity.id': 'x' }),
    ],
    entity: 'x',
    misses: {
      'another habit': () => [
        seen('baseline.deviated', 0, { 'baseline.feature': 'user.hour', 'baseline.entity.id': 'x' }),
      ],
    },
  },
  'VPN user who logs in by another method': {
    fires: () => [
      seen('baseline.deviated', 0, { 'baseline.feature': 'user.method', 'baseline.entity.id': 'x' }),
      seen('baseline.deviated', 60, { 'baseline.feature': 'user.method', 'baseline.entity.id': 'x' }),
    ],
    entity: 'x',
    misses: {
      'another habit': () => [
        seen('baseline.deviated', 0, { 'baseline.feature': 'user.hour', 'baseline.entity.id': 'x' }),
      ],
    },
  },
  'VPN user at an unusual hour': {
    fires: () => [
      seen('baseline.deviated', 0, { 'baseline.feature': 'user.hour', 'baseline.entity.id': 'x' }),
      seen('baseline.deviated', 60, { 'baseline.feature': 'user.hour', 'baseline.entity.id': 'x' }),
    ],
    entity: 'x',
    misses: {
      'another habit': () => [
        seen('baseline.deviated', 0, { 'baseline.feature': 'gateway.suite', 'baseline.entity.id': 'x' }),
      ],
    },
  },
  'VPN account used again after months': {
    fires: () => [
      seen('baseline.deviated', 0, { 'baseline.feature': 'user.absence', 'baseline.entity.id': 'x' }),
      seen('baseline.deviated', 60, { 'baseline.feature': 'user.absence', 'baseline.entity.id': 'x' }),
    ],
    entity: 'x',
    misses: {
      'another habit': () => [
        seen('baseline.deviated', 0, { 'baseline.feature': 'user.hour', 'baseline.entity.id': 'x' }),
      ],
    },
  },
  'Unusually much sent through a tunnel': {
    fires: () => [
      seen('baseline.deviated', 0, { 'baseline.feature': 'user.sent', 'baseline.entity.id': 'x' }),
      seen('baseline.deviated', 60, { 'baseline.feature': 'esp.sent', 'baseline.entity.id': 'x' }),
    ],
    entity: 'x',
    misses: {
      'another habit': () => [
        seen('baseline.deviated', 0, { 'baseline.feature': 'user.hour', 'baseline.entity.id': 'x' }),
      ],
    },
  },
  'Unusually much received through a tunnel': {
    fires: () => [
      seen('baseline.deviated', 0, { 'baseline.feature': 'user.received', 'baseline.entity.id': 'x' }),
      seen('baseline.deviated', 60, { 'baseline.feature': 'esp.received', 'baseline.entity.id': 'x' }),
    ],
    entity: 'x',
    misses: {
      'another habit': () => [
        seen('baseline.deviated', 0, { 'baseline.feature': 'user.hour', 'baseline.entity.id': 'x' }),
      ],
    },
  },
  'More than usual through a tunnel, day after day': {
    fires: () => [
      seen('baseline.deviated', 0, { 'baseline.feature': 'user.sent.daily', 'baseline.entity.id': 'x' }),
      seen('baseline.deviated', 60, { 'baseline.feature': 'esp.received.daily', 'baseline.entity.id': 'x' }),
    ],
    entity: 'x',
    misses: {
      'another habit': () => [
        seen('baseline.deviated', 0, { 'baseline.feature': 'user.hour', 'baseline.entity.id': 'x' }),
      ],
    },
  },
  'Known client at a gateway that is new': {
    fires: () => [
      seen('baseline.deviated', 0, { 'baseline.feature': 'client.gateway', 'baseline.entity.id': 'x' }),
      seen('baseline.deviated', 60, { 'baseline.feature': 'client.gateway', 'baseline.entity.id': 'x' }),
    ],
    entity: 'x',
    misses: {
      'another habit': () => [
        seen('baseline.deviated', 0, { 'baseline.feature': 'user.hour', 'baseline.entity.id': 'x' }),
      ],
    },
  },
  'Known address with another VPN client': {
    fires: () => [
      seen('baseline.deviated', 0, { 'baseline.feature': 'client.stack', 'baseline.entity.id': 'x' }),
      seen('baseline.deviated', 60, { 'baseline.feature': 'client.proposal', 'baseline.entity.id': 'x' }),
    ],
    entity: 'x',
    misses: {
      'another habit': () => [
        seen('baseline.deviated', 0, { 'baseline.feature': 'user.hour', 'baseline.entity.id': 'x' }),
      ],
    },
  },
  'Gateway that shows another identity': {
    fires: () => [
      seen('baseline.deviated', 0, { 'baseline.feature': 'gateway.name', 'baseline.entity.id': 'x' }),
      seen('baseline.deviated', 60, { 'baseline.feature': 'gateway.authenticator', 'baseline.entity.id': 'x' }),
    ],
    entity: 'x',
    misses: {
      'another habit': () => [
        seen('baseline.deviated', 0, { 'baseline.feature': 'user.hour', 'baseline.entity.id': 'x' }),
      ],
    },
  },
  'Gateway that agreed on other algorithms': {
    fires: () => [
      seen('baseline.deviated', 0, { 'baseline.feature': 'gateway.suite', 'baseline.entity.id': 'x' }),
      seen('baseline.deviated', 60, { 'baseline.feature': 'gateway.suite', 'baseline.entity.id': 'x' }),
    ],
    entity: 'x',
    misses: {
      'another habit': () => [
        seen('baseline.deviated', 0, { 'baseline.feature': 'user.hour', 'baseline.entity.id': 'x' }),
      ],
    },
  },
  'Gateway that hands out other DNS servers': {
    fires: () => [
      seen('baseline.deviated', 0, { 'baseline.feature': 'gateway.dns', 'baseline.entity.id': 'x' }),
      seen('baseline.deviated', 60, { 'baseline.feature': 'gateway.dns', 'baseline.entity.id': 'x' }),
    ],
    entity: 'x',
    misses: {
      'another habit': () => [
        seen('baseline.deviated', 0, { 'baseline.feature': 'user.hour', 'baseline.entity.id': 'x' }),
      ],
    },
  },
  'Gateway that lets in somebody from elsewhere': {
    fires: () => [
      seen('baseline.deviated', 0, { 'baseline.feature': 'gateway.client_network', 'baseline.entity.id': 'x' }),
      seen('baseline.deviated', 60, { 'baseline.feature': 'gateway.client_vendor', 'baseline.entity.id': 'x' }),
    ],
    entity: 'x',
    misses: {
      'another habit': () => [
        seen('baseline.deviated', 0, { 'baseline.feature': 'user.hour', 'baseline.entity.id': 'x' }),
      ],
    },
  },
  'Unusual number of tunnels or users at a gateway': {
    fires: () => [
      seen('baseline.deviated', 0, { 'baseline.feature': 'gateway.tunnels', 'baseline.entity.id': 'x' }),
      seen('baseline.deviated', 60, { 'baseline.feature': 'gateway.users', 'baseline.entity.id': 'x' }),
    ],
    entity: 'x',
    misses: {
      'another habit': () => [
        seen('baseline.deviated', 0, { 'baseline.feature': 'user.hour', 'baseline.entity.id': 'x' }),
      ],
    },
  },
  'More refusals at a gateway than ever': {
    fires: () => [
      seen('baseline.deviated', 0, { 'baseline.feature': 'gateway.failures', 'baseline.entity.id': 'x' }),
      seen('baseline.deviated', 60, { 'baseline.feature': 'gateway.failures.daily', 'baseline.entity.id': 'x' }),
    ],
    entity: 'x',
    misses: {
      'another habit': () => [
        seen('baseline.deviated', 0, { 'baseline.feature': 'user.hour', 'baseline.entity.id': 'x' }),
      ],
    },
  },
  'Tunnel open for unusually long': {
    fires: () => [
      seen('baseline.deviated', 0, { 'baseline.feature': 'user.duration', 'baseline.entity.id': 'x' }),
      seen('baseline.deviated', 60, { 'baseline.feature': 'tunnel.duration', 'baseline.entity.id': 'x' }),
    ],
    entity: 'x',
    misses: {
      'another habit': () => [
        seen('baseline.deviated', 0, { 'baseline.feature': 'user.hour', 'baseline.entity.id': 'x' }),
      ],
    },
  },
  'Encrypted tunnel used in another way': {
    fires: () => [
      seen('baseline.deviated', 0, { 'baseline.feature': 'esp.use', 'baseline.entity.id': 'x' }),
      seen('baseline.deviated', 60, { 'baseline.feature': 'esp.use', 'baseline.entity.id': 'x' }),
    ],
    entity: 'x',
    misses: {
      'another habit': () => [
        seen('baseline.deviated', 0, { 'baseline.feature': 'user.hour', 'baseline.entity.id': 'x' }),
      ],
    },
  },
  'Program that calls home from inside a session': {
    fires: () => [
      seen('baseline.deviated', 0, { 'baseline.feature': 'conversation.beacon', 'baseline.entity.id': 'x' }),
      seen('baseline.deviated', 60, { 'baseline.feature': 'conversation.beacon', 'baseline.entity.id': 'x' }),
    ],
    entity: 'x',
    misses: {
      'another habit': () => [
        seen('baseline.deviated', 0, { 'baseline.feature': 'user.hour', 'baseline.entity.id': 'x' }),
      ],
    },
  },
  'VPN user from a country that is new': {
    fires: () => [
      seen('baseline.deviated', 0, { 'baseline.feature': 'user.country', 'baseline.entity.id': 'carol' }),
      seen('baseline.deviated', 60, { 'baseline.feature': 'user.as', 'baseline.entity.id': 'carol' }),
    ],
    entity: 'carol',
    misses: {
      'another habit': () => [
        seen('baseline.deviated', 0, { 'baseline.feature': 'user.hour', 'baseline.entity.id': 'carol' }),
      ],
    },
  },
  'VPN user in two places at once': {
    fires: () => [
      seen('baseline.deviated', 0, { 'baseline.feature': 'user.travel', 'baseline.entity.id': 'carol' }),
      seen('baseline.deviated', 60, { 'baseline.feature': 'user.travel', 'baseline.entity.id': 'carol' }),
    ],
    entity: 'carol',
    misses: {
      'another habit': () => [
        seen('baseline.deviated', 0, { 'baseline.feature': 'user.hour', 'baseline.entity.id': 'carol' }),
      ],
    },
  },
}
