/** Where Borescope and tshark disagree, and why tshark is wrong, silent, or looks at something else. */
import type { Layer } from '../../src/dissect/layer.ts'
import { NEIGHBOURS_ARGUED } from './argued-ppp.ts'
import type { OraclePacket } from './tshark.ts'

/** One field of one packet, with both answers in the order of the wire. */
export interface Disagreement {
  readonly capture: string
  readonly number: number
  readonly field: string
  readonly ours: readonly string[]
  readonly theirs: readonly string[]
  readonly layers: readonly Layer[]
  readonly oracle: OraclePacket
}

export interface Argument {
  readonly fields: RegExp
  readonly reason: string
  readonly holds: (disagreement: Disagreement) => boolean
}

export const ARGUED: readonly Argument[] = [
  ...NEIGHBOURS_ARGUED,
  {
    fields: /^(l2tp|ip|ipv6|tcp|udp|icmp|icmpv6|eth|vlan)\./,
    reason: 'L2TPv3 is named only: this dissection reads version 2',
    holds: ({ layers }) => has(layers, 'l2tpv3'),
  },
  {
    fields: /^packet$/,
    reason:
      'on the port of L2TP and not L2TP: Borescope says what is wrong with it, tshark calls it data or guesses another protocol',
    holds: ({ layers }) => layers.some(({ layer, flaw }) => layer === 'l2tp' && flaw !== undefined),
  },
  {
    fields: /^l2tp\.avp\.(vendor_id|type|ciscotype|ericssontype|broadbandtype|cablelabstype)$/,
    reason: 'hiding covers the value only; tshark leaves out vendor and type of a hidden AVP as well',
    holds: ({ layers, ours, theirs }) => ours.length - theirs.length === hiddenAvps(layers),
  },
  {
    fields: /^vjc\.delta_(ack|seq)$/,
    reason:
      'a packet of a special form has no changes on the wire; tshark shows the zeros that it begins to count from',
    holds: ({ layers, ours, theirs }) =>
      ours.length === 0 &&
      theirs.every((value) => value === '0') &&
      layers.some((layer) => layer['special'] !== undefined),
  },
  {
    fields: /^eap\.desired_type$/,
    reason: 'a Nak may name several types (RFC 3748 section 5.3.1); tshark shows the first',
    holds: ({ ours, theirs }) => theirs.length === 1 && ours[0] === theirs[0],
  },
  {
    fields: /^ppp\./,
    reason: 'a message whose Length lies is refused, as receivers do; tshark reads on',
    holds: ({ layers, ours }) =>
      ours.length === 0 && layers.some(({ layer, flaw }) => layer === 'l2tp' && flaw === 'l2tp.length'),
  },
]

function has(layers: readonly Layer[], name: string): boolean {
  return layers.some(({ layer }) => layer === name)
}

function hiddenAvps(layers: readonly Layer[]): number {
  const avps = layers.flatMap((layer) => (layer['avps'] as readonly { readonly hidden: boolean }[] | undefined) ?? [])
  return avps.filter(({ hidden }) => hidden).length
}
