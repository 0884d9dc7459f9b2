/** Networks in CIDR notation, IPv4 (RFC 4632) and IPv6 (RFC 4291), tested against textual addresses. */

export type AddressTest = (address: string) => boolean

export interface Network {
  /** The address as an unsigned integer; −1 if it is one of IPv6. */
  readonly ipv4: number
  /** Eight 16-bit numbers; none if it is one of IPv4. */
  readonly groups: readonly number[]
  readonly prefix: number
}

/** Null if `text` is not a network. Bits beyond the prefix may be set; an address alone is a network of one. */
export function parseNetwork(text: string): Network | null {
  const slash = text.indexOf('/')
  const address = slash < 0 ? text : text.slice(0, slash)
  const ipv4 = parseIpv4(address)
  const groups: number[] = []
  if (ipv4 < 0 && !parseIpv6(address, groups)) return null
  const width = ipv4 >= 0 ? 32 : 128
  const suffix = slash < 0 ? String(width) : text.slice(slash + 1)
  if (!/^[0-9]{1,3}$/.test(suffix) || Number(suffix) > width) return null
  return { ipv4, groups, prefix: Number(suffix) }
}

/** Null if `text` is not a network. */
export function compileCidr(text: string): AddressTest | null {
  const network = parseNetwork(text)
  if (network === null) return null
  const { ipv4, groups, prefix } = network
  return ipv4 >= 0 ? ipv4Test(ipv4, prefix) : ipv6Test(groups, prefix)
}

function ipv4Test(network: number, prefix: number): AddressTest {
  const size = 2 ** (32 - prefix)
  const start = network - (network % size)
  const groups: number[] = []
  return (address) => {
    let value = parseIpv4(address)
    if (value < 0 && address.includes(':') && parseIpv6(address, groups)) value = mappedIpv4(groups)
    return value >= start && value < start + size
  }
}

function ipv6Test(network: readonly number[], prefix: number): AddressTest {
  const groups: number[] = []
  return (address) => {
    if (!address.includes(':') || !parseIpv6(address, groups)) return false
    let bits = prefix
    for (let i = 0; bits > 0; i++, bits -= 16) {
      const shift = bits >= 16 ? 0 : 16 - bits
      if (groups[i] >> shift !== network[i] >> shift) return false
    }
    return true
  }
}

/** ::ffff:192.0.2.1 is the same host as 192.0.2.1 (RFC 4291 section 2.5.5.2); −1 for any other address. */
export function mappedIpv4(groups: readonly number[]): number {
  const isMapped = groups[5] === 0xffff && groups[0] + groups[1] + groups[2] + groups[3] + groups[4] === 0
  return isMapped ? groups[6] * 0x10000 + groups[7] : -1
}

/** As an unsigned integer; −1 if it is none. */
export function parseIpv4(text: string): number {
  let value = 0
  let octet = -1
  let dots = 0
  for (let i = 0; i < text.length; i++) {
    const code = text.charCodeAt(i)
    if (code === 0x2e) {
      if (octet < 0 || ++dots > 3) return -1
      value = value * 256 + octet
      octet = -1
    } else if (code >= 0x30 && code <= 0x39) {
      octet = (octet < 0 ? 0 : octet * 10) + code - 0x30
      if (octet > 255) return -1
    } else return -1
  }
  return dots === 3 && octet >= 0 ? value * 256 + octet : -1
}

/** Fills `groups` with eight 16-bit numbers. A zone (`%eth0`) is left out. */
export function parseIpv6(text: string, groups: number[]): boolean {
  const zone = text.indexOf('%')
  const halves = (zone < 0 ? text : text.slice(0, zone)).split('::')
  if (halves.length > 2) return false
  const head = parseGroups(halves[0], halves.length === 1)
  const tail = parseGroups(halves[1] ?? '', true)
  if (head === null || tail === null) return false
  const missing = 8 - head.length - tail.length
  if (halves.length === 2 ? missing < 1 : missing !== 0) return false
  groups.length = 0
  groups.push(...head)
  for (let i = 0; i < missing; i++) groups.push(0)
  groups.push(...tail)
  return true
}

/** Only the end of an address may be written as one of IPv4 (RFC 4291 section 2.2). */
function parseGroups(text: string, isEnd: boolean): number[] | null {
  if (text === '') return []
  const groups: number[] = []
  const parts = text.split(':')
  for (let i = 0; i < parts.length; i++) {
    if (/^[0-9a-fA-F]{1,4}$/.test(parts[i])) groups.push(Number.parseInt(parts[i], 16))
    else {
      const ipv4 = isEnd && i === parts.length - 1 ? parseIpv4(parts[i]) : -1
      if (ipv4 < 0) return null
      groups.push(Math.floor(ipv4 / 0x10000), ipv4 % 0x10000)
    }
  }
  return groups
}
