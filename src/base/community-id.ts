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

/** What is hashed, by its length: of IPv4 and IPv6, without and with ports. Reused: every flow that ends asks for its id. */
const HASHED: Readonly<Record<number, Uint8Array>> = {
  12: new Uint8Array(12),
  16: new Uint8Array(16),
  36: new Uint8Array(36),
  40: new Uint8Array(40),
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
  let toPort = destinationPort
  let isOneWay = false
  if (protocol === ICMP || protocol === ICMPV6) {
    const counterpart = (protocol === ICMP ? ICMP_COUNTERPARTS : ICMPV6_COUNTERPARTS)[sourcePort]
    isOneWay = counterpart === undefined
    if (counterpart !== undefined) toPort = counterpart
  }
  const order = compare(source, destination)
  const isTurned = !isOneWay && (order > 0 || (order === 0 && sourcePort > toPort))
  const { length } = source
  // Seed (two octets of zero), addresses, protocol, padding, ports.
  const bytes = HASHED[4 + length * 2 + (hasPorts ? 4 : 0)]
  const from = isTurned ? destination : source
  const to = isTurned ? source : destination
  for (let i = 0; i < length; i++) {
    bytes[2 + i] = from[i]
    bytes[2 + length + i] = to[i]
  }
  const at = 2 + length * 2
  bytes[at] = protocol
  if (hasPorts) {
    const fromPort = isTurned ? toPort : sourcePort
    const otherPort = isTurned ? sourcePort : toPort
    bytes[at + 2] = fromPort >> 8
    bytes[at + 3] = fromPort
    bytes[at + 4] = otherPort >> 8
    bytes[at + 5] = otherPort
  }
  return `1:${hash('sha1', bytes, 'base64')}`
}

/** Negative, zero or positive, as the first address comes before the other one, is the same, or comes after it. */
function compare(a: Uint8Array, b: Uint8Array): number {
  for (let i = 0; i < a.length; i++) if (a[i] !== b[i]) return a[i] - b[i]
  return 0
}
