/** Networks, found by an address in them: one look for each length of prefix, however many networks have it. */
import { mappedIpv4, type Network, parseIpv4, parseIpv6 } from './cidr.ts'

type Prefixes<K, R> = Map<number, Map<K, R[]>>

export class NetworkIndex<R> {
  readonly #ipv4: Prefixes<number, R> = new Map()
  readonly #ipv6: Prefixes<string, R> = new Map()
  readonly #groups: number[] = []

  constructor(networks: readonly { readonly network: Network; readonly rule: R }[]) {
    for (const { network, rule } of networks) {
      const { ipv4, groups, prefix } = network
      if (ipv4 >= 0) append(this.#ipv4, prefix, ipv4Key(ipv4, prefix), rule)
      else append(this.#ipv6, prefix, ipv6Key(groups, prefix), rule)
    }
  }

  /** Of each network that holds the address; none if the value is no address. */
  look(value: unknown, found: (rule: R) => void): void {
    if (typeof value !== 'string') return
    let ipv4 = parseIpv4(value)
    if (ipv4 < 0) {
      if (!value.includes(':') || !parseIpv6(value, this.#groups)) return
      report(this.#ipv6, (prefix) => ipv6Key(this.#groups, prefix), found)
      ipv4 = mappedIpv4(this.#groups)
    }
    if (ipv4 >= 0) report(this.#ipv4, (prefix) => ipv4Key(ipv4, prefix), found)
  }
}

/** The first bits, as many as the prefix says. */
function ipv4Key(address: number, prefix: number): number {
  return Math.floor(address / 2 ** (32 - prefix))
}

function ipv6Key(groups: readonly number[], prefix: number): string {
  const whole = prefix >> 4
  const rest = prefix & 15
  const key = groups.slice(0, whole)
  if (rest > 0) key.push(groups[whole] >> (16 - rest))
  return key.join(':')
}

function append<K, R>(prefixes: Prefixes<K, R>, prefix: number, key: K, rule: R): void {
  const networks = prefixes.get(prefix) ?? new Map<K, R[]>()
  prefixes.set(prefix, networks)
  const rules = networks.get(key)
  if (rules === undefined) networks.set(key, [rule])
  else rules.push(rule)
}

function report<K, R>(prefixes: Prefixes<K, R>, keyOf: (prefix: number) => K, found: (rule: R) => void): void {
  for (const [prefix, networks] of prefixes) for (const rule of networks.get(keyOf(prefix)) ?? []) found(rule)
}
