/** Where Borescope and tshark disagree, and why tshark is wrong, silent, or looks at something else. */
import type { Layer } from '../../src/dissect/layer.ts'
import { PPP } from '../../src/wire/ppp.ts'
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
    fields: /^l2tp\.avp\.local_session_id$/,
    reason: 'an AVP without octets for its value has none; tshark reads them from the AVP behind it',
    holds: ({ layers, ours, theirs }) =>
      theirs.length - ours.length === avpsOf(layers).filter(({ type, length }) => type === 63 && length < 10).length,
  },
  {
    fields: /^l2tp\.cisco\.circuit_type$/,
    reason: 'the N bit stands beside the A bit; for Cisco’s attribute tshark reads the A bit a second time',
    holds: ({ oracle, theirs }) =>
      theirs[0] === oracle.fields.find(({ name }) => name === 'l2tp.cisco.circuit_status')?.show,
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
    fields: /^(ppp|mp|ipcp|ipv6cp)\./,
    reason:
      'a multilink packet that a Protocol-Reject gives back goes no further: Borescope names its protocol, tshark puts it among the fragments of the end that refuses it',
    holds: ({ layers, ours, theirs }) =>
      layers.at(-1)?.['rejectedProtocol'] === PPP.MULTILINK && ours.every((value, index) => value === theirs[index]),
  },
  {
    fields: /^ppp\./,
    reason: 'a message whose Length lies is refused, as receivers do; tshark reads on',
    holds: ({ layers, ours }) =>
      ours.length === 0 && layers.some(({ layer, flaw }) => layer === 'l2tp' && flaw === 'l2tp.length'),
  },
]

interface Avp {
  readonly type: number
  readonly length: number
  readonly hidden: boolean
}

function avpsOf(layers: readonly Layer[]): readonly Avp[] {
  return layers.flatMap((layer) => (layer['avps'] as readonly Avp[] | undefined) ?? [])
}

function hiddenAvps(layers: readonly Layer[]): number {
  return avpsOf(layers).filter(({ hidden }) => hidden).length
}
