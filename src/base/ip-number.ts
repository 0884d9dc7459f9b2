/** Addresses as numbers that can be compared: what tables of networks are searched by. */
import { isIPv4, isIPv6 } from 'node:net'

/** An IPv4 address as an unsigned integer; −1 if the text is none. */
export function ipv4Number(text: string): number {
  if (!isIPv4(text)) return -1
  let value = 0
  for (const octet of text.split('.')) value = value * 256 + Number(octet)
  return value
}

/** An IPv6 address without a zone as 128 bits; null if the text is none. */
export function ipv6Number(text: string): bigint | null {
  if (!isIPv6(text) || text.includes('%')) return null
  let plain = text
  if (text.includes('.')) {
    const colon = text.lastIndexOf(':')
    const low = ipv4Number(text.slice(colon + 1))
    plain = `${text.slice(0, colon + 1)}${(low >>> 16).toString(16)}:${(low & 0xffff).toString(16)}`
  }
  const [head, tail] = plain.split('::')
  const first = head === '' ? [] : head.split(':')
  const last = tail === undefined || tail === '' ? [] : tail.split(':')
  const groups = [...first, ...new Array<string>(8 - first.length - last.length).fill('0'), ...last]
  return groups.reduce((value, group) => (value << 16n) | BigInt(Number.parseInt(group, 16)), 0n)
}

/** First and last address of a network or of one address. */
export type NetworkRange =
  | { readonly family: 4; readonly low: number; readonly high: number }
  | { readonly family: 6; readonly low: bigint; readonly high: bigint }

/** An address, a network in CIDR notation, or a range `low-high`; null if the text is none of them. */
export function networkRange(text: string): NetworkRange | null {
  const dash = text.indexOf('-')
  if (dash !== -1) return between(text.slice(0, dash).trim(), text.slice(dash + 1).trim())
  const slash = text.indexOf('/')
  const address = slash === -1 ? text : text.slice(0, slash)
  const suffix = slash === -1 ? null : text.slice(slash + 1)
  if (suffix !== null && !/^\d{1,3}$/.test(suffix)) return null
  const v4 = ipv4Number(address)
  if (v4 !== -1) {
    const bits = suffix === null ? 32 : Number(suffix)
    if (bits > 32) return null
    const size = 2 ** (32 - bits)
    const low = v4 - (v4 % size)
    return { family: 4, low, high: low + size - 1 }
  }
  const v6 = ipv6Number(address)
  const bits = suffix === null ? 128 : Number(suffix)
  if (v6 === null || bits > 128) return null
  const host = (1n << BigInt(128 - bits)) - 1n
  return { family: 6, low: v6 & ~host, high: v6 | host }
}

function between(from: string, to: string): NetworkRange | null {
  const low = networkRange(from)
  const high = networkRange(to)
  if (low?.family === 4 && high?.family === 4 && low.low <= high.high) return { ...low, high: high.high }
  if (low?.family === 6 && high?.family === 6 && low.low <= high.high) return { ...low, high: high.high }
  return null
}
