/** Stories for the rules in `rules/login/`: see `cases.ts`. */
import { CLIENT, INNER, many, seen, SERVER, type RuleCase } from './stories.ts'

export const LOGIN_CASES: Readonly<Record<string, RuleCase>> = {
  'One inner address given to two VPN users': {
    fires: () =>
      ['carol', 'mallory'].map((user, index) =>
        seen('ppp.link.opened', index * 30, { 'ppp.client.ip': INNER, 'user.name': user }),
      ),
    entity: `${INNER}, ${SERVER}`,
    misses: {
      'one user twice': () =>
        ['carol', 'carol'].map((user, index) =>
          seen('ppp.link.opened', index * 30, { 'ppp.client.ip': INNER, 'user.name': user }),
        ),
      'an hour later': () =>
        ['carol', 'dave'].map((user, index) =>
          seen('ppp.link.opened', index * 3600, { 'ppp.client.ip': INNER, 'user.name': user }),
        ),
    },
  },
  'PPP link that carries more than IP': {
    fires: () => [seen('ppp.link.closed', 0, { 'ppp.protocols': ['LCP', 'BCP'] })],
    entity: `${CLIENT}, ${SERVER}`,
    misses: {
      IP: () => [seen('ppp.link.closed', 0, { 'ppp.protocols': ['LCP', 'IPCP', 'IP'] })],
    },
  },
  'VPN logins refused from very many addresses': {
    fires: () =>
      many('ppp.authentication.failed', 60, 20, (index) => ({
        'source.ip': `198.51.100.${index}`,
        'user.name': `user${index}`,
      })),
    entity: SERVER,
    misses: {
      'forty addresses': () =>
        many('ppp.authentication.failed', 90, 20, (index) => ({
          'source.ip': `198.51.100.${index % 40}`,
          'user.name': `user${index}`,
        })),
    },
  },
  'VPN login with a password that is not the configured one': {
    fires: () => [
      seen('ppp.authentication.succeeded', 0, { 'user.name': 'carol', 'ppp.authentication.verdict': 'wrong_secret' }),
    ],
    entity: `carol, ${SERVER}`,
    misses: {
      'the right one': () => [
        seen('ppp.authentication.succeeded', 0, { 'user.name': 'carol', 'ppp.authentication.verdict': 'verified' }),
      ],
    },
  },
}
