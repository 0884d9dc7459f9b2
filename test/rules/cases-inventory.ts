/** Stories for the rules in `rules/inventory/`: see `cases.ts`. */
import { CLIENT, seen, SERVER, type RuleCase } from './stories.ts'

export const INVENTORY_CASES: Readonly<Record<string, RuleCase>> = {
  'VPN gateway that is not in the inventory': {
    fires: () => [
      seen('l2tp.tunnel.opened', 0, { 'asset.drift': ['gateway_unlisted'], 'l2tp.authentication.method': 'mutual' }),
      seen('l2tp.tunnel.opened', 60, { 'asset.drift': ['gateway_unlisted'], 'l2tp.authentication.method': 'mutual' }),
    ],
    entity: SERVER,
    misses: {
      'as it ought to be': () => [seen('l2tp.tunnel.opened', 0, { 'l2tp.authentication.method': 'mutual' })],
    },
  },
  'VPN peer that is not in the inventory': {
    fires: () => [
      seen('l2tp.tunnel.opened', 0, { 'asset.drift': ['peer_unlisted'], 'l2tp.authentication.method': 'mutual' }),
      seen('l2tp.tunnel.opened', 60, { 'asset.drift': ['peer_unlisted'], 'l2tp.authentication.method': 'mutual' }),
    ],
    entity: CLIENT,
    misses: {
      'as it ought to be': () => [seen('l2tp.tunnel.opened', 0, { 'l2tp.authentication.method': 'mutual' })],
    },
  },
  'VPN user who is not in the inventory': {
    fires: () => [
      seen('ppp.authentication.succeeded', 0, { 'asset.drift': ['user_unlisted'], 'user.name': 'mallory' }),
      seen('ppp.authentication.succeeded', 60, { 'asset.drift': ['user_unlisted'], 'user.name': 'mallory' }),
    ],
    entity: 'mallory',
    misses: {
      'as it ought to be': () => [seen('ppp.authentication.succeeded', 0, { 'user.name': 'mallory' })],
    },
  },
  'VPN user outside the allowed hours': {
    fires: () => [
      seen('ppp.authentication.succeeded', 0, { 'asset.drift': ['hours'], 'user.name': 'mallory' }),
      seen('ppp.authentication.succeeded', 60, { 'asset.drift': ['hours'], 'user.name': 'mallory' }),
    ],
    entity: 'mallory',
    misses: {
      'as it ought to be': () => [seen('ppp.authentication.succeeded', 0, { 'user.name': 'mallory' })],
    },
  },
  'VPN user at a gateway that is not for them': {
    fires: () => [
      seen('ppp.authentication.succeeded', 0, { 'asset.drift': ['user_gateway'], 'user.name': 'mallory' }),
      seen('ppp.authentication.succeeded', 60, { 'asset.drift': ['user_gateway'], 'user.name': 'mallory' }),
    ],
    entity: `mallory, ${SERVER}`,
    misses: {
      'as it ought to be': () => [seen('ppp.authentication.succeeded', 0, { 'user.name': 'mallory' })],
    },
  },
}
