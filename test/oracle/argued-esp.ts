/** Where Borescope and tshark disagree about IPsec, and why tshark is wrong, silent, or looks at something else. */
import { ARGUED, type Argument } from './argued.ts'

export const ARGUED_ESP: readonly Argument[] = [
  {
    fields: /^esp\.(spi|sequence)$/,
    reason:
      'a whole IKE message on port 4500 that lacks the marker: Borescope knows it by its length, tshark takes it for ESP',
    holds: ({ layers, ours }) => ours.length === 0 && layers.at(-1)?.layer === 'ike',
  },
  {
    fields: /^(icmpv6|ah)\./,
    reason:
      'an AH whose length is too small for its own fields hides where the payload begins; tshark reads on behind eight octets',
    holds: ({ layers }) => layers.some(({ layer, flaw }) => layer === 'ah' && flaw === 'ah.length'),
  },
  {
    fields: /^(ipv6|esp)\./,
    reason: 'inside GTP, which tshark looks into and Borescope does not',
    holds: ({ ours, oracle }) => ours.length === 0 && oracle.protocols.includes('gtp'),
  },
  ...ARGUED,
]
