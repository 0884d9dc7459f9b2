/** What events call a flow: it follows from what carries it, its ends, and when it began. */
import { hash } from 'node:crypto'
import { addressText } from '../base/address.ts'
import { FIRST_IS_LOW, type FlowRecord, PROTOCOL_BITS } from './flow-record.ts'

/** As much of a flow as names it, beside what carries it. */
export type NamingParts = Pick<FlowRecord, 'kind' | 'state' | 'ports' | 'low' | 'high' | 'firstUs'>

/** The side that opened the flow comes first. In hexadecimal. */
export function flowDigest(
  carrier: string,
  protocol: number,
  first: string,
  firstPort: number,
  second: string,
  secondPort: number,
  firstUs: number,
): string {
  return hash('sha1', `${carrier} ${protocol} ${first} ${firstPort} ${second} ${secondPort} ${firstUs}`)
}

/** What events call the flow with that digest. */
export function flowUid(digest: string): string {
  return `f-${digest.slice(0, 12)}`
}

/** What events call the flow, in the carrier that they call `carrier`. */
export function flowUidIn(carrier: string, { kind, state, ports, low, high, firstUs }: NamingParts): string {
  const lowText = addressText(low, 0, low.length)
  const highText = addressText(high, 0, high.length)
  const [lowPort, highPort] = [ports >>> 16, ports & 0xffff]
  const protocol = kind & PROTOCOL_BITS
  const digest =
    (state & FIRST_IS_LOW) !== 0
      ? flowDigest(carrier, protocol, lowText, lowPort, highText, highPort, firstUs)
      : flowDigest(carrier, protocol, highText, highPort, lowText, lowPort, firstUs)
  return flowUid(digest)
}
