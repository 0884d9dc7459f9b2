/**
 * Addresses in an order: 32 hexadecimal digits, IPv4 in its IPv4-mapped IPv6 form (RFC 4291 section 2.5.5.2), so that a
 * network of either family is an interval of texts.
 */
import { isIPv4 } from 'node:net'
import { ipv4Number, ipv6Number } from '../base/ip-number.ts'

const MAPPED = '00000000000000000000ffff'
const HIGHEST = (1n << 128n) - 1n

export interface AddressRange {
  /** First and last address; the range is empty if `low` is above `high`. */
  readonly low: string
  readonly high: string
}

/** The sortable key of an IPv4 or IPv6 address (no zone), or null if the text is none. */
export function addressKey(text: string): string | null {
  const v4 = ipv4Number(text)
  if (v4 !== -1) return MAPPED + v4.toString(16).padStart(8, '0')
  const v6 = ipv6Number(text)
  return v6 === null ? null : keyOf(v6)
}

/** An address, or a network such as `10.0.0.0/8`; null if the text is neither. */
export function addressRange(text: string): AddressRange | null {
  const slash = text.indexOf('/')
  if (slash === -1) {
    const key = addressKey(text)
    return key === null ? null : { low: key, high: key }
  }
  const key = addressKey(text.slice(0, slash))
  const length = text.slice(slash + 1)
  if (key === null || !/^\d{1,3}$/.test(length)) return null
  const bits = isIPv4(text.slice(0, slash)) ? 32 : 128
  if (Number(length) > bits) return null
  const host = (1n << BigInt(bits - Number(length))) - 1n
  const address = BigInt(`0x${key}`)
  return { low: keyOf(address & (HIGHEST ^ host)), high: keyOf(address | host) }
}

/** Everything on one side of an address or network. */
export function addressesBeside(range: AddressRange, operator: '<' | '<=' | '>' | '>='): AddressRange {
  if (operator === '<=') return { low: keyOf(0n), high: range.high }
  if (operator === '>=') return { low: range.low, high: keyOf(HIGHEST) }
  const edge = BigInt(`0x${operator === '<' ? range.low : range.high}`)
  if (edge === (operator === '<' ? 0n : HIGHEST)) return { low: keyOf(1n), high: keyOf(0n) }
  return operator === '<' ? { low: keyOf(0n), high: keyOf(edge - 1n) } : { low: keyOf(edge + 1n), high: keyOf(HIGHEST) }
}

/**
 * How SQLite holds an address: IPv4 as an integer (5 bytes in a row and again in each index), any other as a blob of 16
 * bytes. Integers sort before blobs.
 */
export function storedAddress(key: string): number | Uint8Array {
  return key.startsWith(MAPPED) ? Number.parseInt(key.slice(24), 16) : Buffer.from(key, 'hex')
}

/** The text of a stored address; IPv6 in the form of RFC 5952. */
export function addressText(stored: number | Uint8Array): string {
  if (typeof stored === 'number') {
    return `${stored >>> 24}.${(stored >>> 16) & 255}.${(stored >>> 8) & 255}.${stored & 255}`
  }
  const groups: string[] = []
  for (let i = 0; i < 16; i += 2) groups.push(((stored[i] << 8) | stored[i + 1]).toString(16))
  const [start, length] = longestZeros(groups)
  if (length < 2) return groups.join(':')
  return `${groups.slice(0, start).join(':')}::${groups.slice(start + length).join(':')}`
}

export interface StoredRange {
  /** The part of a range that stored IPv4 integers can meet, and the part for blobs; null where it is empty. */
  readonly v4: readonly [number, number] | null
  readonly v6: readonly [Uint8Array, Uint8Array] | null
}

/** A range of keys as ranges of stored addresses. */
export function storedRange({ low, high }: AddressRange): StoredRange {
  const firstMapped = `${MAPPED}00000000`
  const lastMapped = `${MAPPED}ffffffff`
  const from = low > firstMapped ? low : firstMapped
  const to = high < lastMapped ? high : lastMapped
  const v4 = from <= to ? ([storedAddress(from) as number, storedAddress(to) as number] as const) : null
  const outside = low <= high && (low < firstMapped || high > lastMapped)
  return { v4, v6: outside ? [Buffer.from(low, 'hex'), Buffer.from(high, 'hex')] : null }
}

function keyOf(address: bigint): string {
  return address.toString(16).padStart(32, '0')
}

function longestZeros(groups: readonly string[]): [start: number, length: number] {
  let best: [number, number] = [0, 0]
  for (let i = 0; i < 8; i++) {
    let length = 0
    while (i + length < 8 && groups[i + length] === '0') length++
    if (length > best[1]) best = [i, length]
  }
  return best
}
