/** Stories for the rules in `rules/intelligence/`: see `cases.ts`. */
import { CLIENT, inner, INNER, seen, type RuleCase } from './stories.ts'

export const INTELLIGENCE_CASES: Readonly<Record<string, RuleCase>> = {
  'VPN peer that is on a list of bad addresses': {
    fires: () => [
      seen('l2tp.tunnel.requested', 0, { 'threat.indicator.type': 'ipv4-addr', 'threat.indicator.name': CLIENT }),
      seen('l2tp.tunnel.opened', 1, {
        'threat.indicator.type': 'ipv4-addr',
        'threat.indicator.name': CLIENT,
        'l2tp.authentication.method': 'mutual',
      }),
    ],
    entity: CLIENT,
    misses: {
      'on no list': () => [seen('l2tp.tunnel.requested', 0)],
    },
  },
  'Host inside a session talks to what is on a list': {
    fires: () => [
      inner('flow.closed', 0, { 'threat.indicator.name': 'evil.example' }),
      inner('dns.answered', 1, { 'threat.indicator.name': 'evil.example' }),
    ],
    entity: `${INNER}, evil.example`,
    misses: {
      'on no list': () => [inner('flow.closed', 0)],
    },
  },
  'VPN client with a fingerprint that is on a list': {
    fires: () => [
      seen('ike.exchange.started', 0, { 'threat.indicator.type': 'ike-proposal', 'threat.indicator.name': 'c0e2' }),
    ],
    entity: `${CLIENT}, c0e2`,
    misses: {
      'an address': () => [
        seen('ike.exchange.started', 0, { 'threat.indicator.type': 'ipv4-addr', 'threat.indicator.name': CLIENT }),
      ],
    },
  },
}
