/** Community ID version 1 (github.com/corelight/community-id-spec): one id for a flow, the same in every tool. */
import { hash } from 'node:crypto'

const ICMP = 1
const ICMPV6 = 58

/** ICMP types that have a counterpart: the pair stands in for the ports. */
const ICMP_COUNTERPARTS: Readonly<Record<number, number>> = {
  8: 0,
  0: 8,
  13: 14,
  14: 13,
  15: 16,
  16: 15,
  17: 18,
  18: 17,
  10: 9,
  9: 10,
}
const ICMPV6_COUNTERPARTS: Readonly<Record<number, number>> = {
  128: 129,
  129: 128,
  133: 134,
  134: 133,
  135: 136,
  136: 135,
  130: 131,
  131: 130,
  144: 145,
  145: 144,
  139: 140,
  140: 139,
}

/**
 * `source` and `destination` are addresses of 4 or 16 bytes. For ICMP the ports are type and code of a packet that the source
 * sent. `hasPorts` is false for other protocols, whose id covers addresses and protocol only. Seed 0.
 */
export function communityId(
  source: Uint8Array,
  destination: Uint8Array,
  protocol: number,
  sourcePort: number,
  destinationPort: number,
  hasPorts: boolean,
): string {
  let from = source
  let to = destination
  let fromPort = sourcePort
  let toPort = destinationPort
  let isOneWay = false
  if (protocol === ICMP || protocol === ICMPV6) {
    const counterpart = (protocol === ICMP ? ICMP_COUNTERPARTS : ICMPV6_COUNTERPARTS)[sourcePort]
    isOneWay = counterpart === undefined
    if (counterpart !== undefined) toPort = counterpart
  }
  const order = Buffer.compare(from, to)
  if (!isOneWay && (order > 0 || (order === 0 && fromPort > toPort))) {
    ;[from, to] = [to, from]
    ;[fromPort, toPort] = [toPort, fromPort]
  }
  // Seed (two octets of zero), addresses, protocol, padding, ports.
  const bytes = new Uint8Array(4 + from.length * 2 + (hasPorts ? 4 : 0))
  bytes.set(from, 2)
  bytes.set(to, 2 + from.length)
  let at = 2 + from.length * 2
  bytes[at] = protocol
  at += 2
  if (hasPorts) {
    bytes[at] = fromPort >> 8
    bytes[at + 1] = fromPort
    bytes[at + 2] = toPort >> 8
    bytes[at + 3] = toPort
  }
  return `1:${hash('sha1', bytes, 'base64')}`
}
