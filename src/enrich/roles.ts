/** What an address is for, by the registries of special addresses (RFC 6890), and the direction of what goes between two. */
import { isIPv4 } from 'node:net'
import { networkRange, ipv4Number, ipv6Number } from '../base/ip-number.ts'
import type { Enrichable } from './enrichers.ts'

const ROLES: readonly (readonly [network: string, role: string])[] = [
  ['0.0.0.0/8', 'unspecified'],
  ['10.0.0.0/8', 'private'],
  ['100.64.0.0/10', 'shared'],
  ['127.0.0.0/8', 'loopback'],
  ['169.254.0.0/16', 'link_local'],
  ['172.16.0.0/12', 'private'],
  ['192.0.2.0/24', 'documentation'],
  ['192.168.0.0/16', 'private'],
  ['198.18.0.0/15', 'benchmark'],
  ['198.51.100.0/24', 'documentation'],
  ['203.0.113.0/24', 'documentation'],
  ['224.0.0.0/4', 'multicast'],
  ['255.255.255.255/32', 'broadcast'],
  ['240.0.0.0/4', 'reserved'],
  ['::1/128', 'loopback'],
  ['::/128', 'unspecified'],
  ['fc00::/7', 'private'],
  ['fe80::/10', 'link_local'],
  ['2001:db8::/32', 'documentation'],
  ['ff00::/8', 'multicast'],
]
const RANGES = ROLES.map(([network, role]) => ({ range: networkRange(network), role }))
const INSIDE: ReadonlySet<string> = new Set(['private', 'link_local', 'loopback'])
const REMEMBERED_MAX = 65_536
const remembered = new Map<string, string>()

/** The role of an address; `public` if it has no special one. */
export function roleOf(address: string): string {
  const known = remembered.get(address)
  if (known !== undefined) return known
  const role = find(address)
  if (remembered.size >= REMEMBERED_MAX) remembered.clear()
  remembered.set(address, role)
  return role
}

function find(address: string): string {
  if (isIPv4(address)) {
    const value = ipv4Number(address)
    for (const { range, role } of RANGES)
      if (range?.family === 4 && value >= range.low && value <= range.high) return role
    return 'public'
  }
  const value = ipv6Number(address)
  if (value === null) return 'unspecified'
  for (const { range, role } of RANGES)
    if (range?.family === 6 && value >= range.low && value <= range.high) return role
  return 'public'
}

/** Roles of both ends, and the direction between them, seen from the private side. */
export function addRoles(document: Enrichable): void {
  const { 'source.ip': source, 'destination.ip': destination } = document
  if (source !== undefined) document['source.role'] = roleOf(source)
  if (destination !== undefined) document['destination.role'] = roleOf(destination)
  if (source === undefined || destination === undefined) return
  const fromInside = INSIDE.has(document['source.role'] ?? '')
  const toInside = INSIDE.has(document['destination.role'] ?? '')
  if (fromInside) document['network.direction'] = toInside ? 'internal' : 'outbound'
  else document['network.direction'] = toInside ? 'inbound' : 'external'
}
