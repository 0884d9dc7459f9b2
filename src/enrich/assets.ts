/**
 * The inventory: which gateways, peers and users there ought to be, and at which hours. A CSV file with the columns `kind`
 * (`gateway`, `peer`, `user`), `value` (address, network, or user name), `name`, `hours` (`Mon-Fri 07:00-19:00`, UTC) and, of
 * users, `gateways` (names, separated by spaces). What departs from it is marked on the event.
 */
import { parse } from 'csv-parse/sync'
import { type NetworkRange, ipv4Number, ipv6Number, networkRange } from '../base/ip-number.ts'
import type { Enricher } from './enrichers.ts'

/** Something is wrong with the inventory; the message names the line. */
export class AssetError extends Error {
  override readonly name = 'AssetError'
}

const COLUMNS = ['kind', 'value', 'name', 'hours', 'gateways'] as const
type Column = (typeof COLUMNS)[number]
const DAYS = ['sun', 'mon', 'tue', 'wed', 'thu', 'fri', 'sat'] as const
const HOURS = /^(?:(sun|mon|tue|wed|thu|fri|sat)(?:-(sun|mon|tue|wed|thu|fri|sat))? +)?(\d\d):(\d\d)-(\d\d):(\d\d)$/i

interface Hours {
  readonly days: ReadonlySet<number>
  readonly fromMinute: number
  readonly toMinute: number
}

interface Host {
  readonly range: NetworkRange
  readonly name: string
}

interface Person {
  readonly hours: Hours | null
  readonly gateways: readonly string[]
}

/** Events in which somebody uses a gateway. */
const OF_GATEWAYS: ReadonlySet<string> = new Set([
  'l2tp.tunnel.opened',
  'l2tp.tunnel.adopted',
  'ike.exchange.established',
  'esp.tunnel.opened',
  'pptp.connection.opened',
])
const OF_USERS: ReadonlySet<string> = new Set(['ppp.authentication.succeeded'])

export class Assets {
  readonly #gateways: Host[] = []
  readonly #peers: Host[] = []
  readonly #users = new Map<string, Person>()
  readonly #names = new Map<string, string | null>()

  /**
   * Reads an inventory. `name` is for messages only.
   *
   * @throws {AssetError} with the line and what is wrong there
   */
  constructor(name: string, text: string) {
    let rows: Record<Column, string>[]
    try {
      rows = parse(text, { columns: true, trim: true, comment: '#', bom: true, skip_empty_lines: true, info: false })
    } catch (error) {
      throw new AssetError(`${name}: ${error instanceof Error ? error.message : error}`)
    }
    for (const [index, row] of rows.entries()) this.#add(row, `${name}: entry ${index + 1}`)
  }

  get size(): number {
    return this.#gateways.length + this.#peers.length + this.#users.size
  }

  /** The name of an address in the inventory. */
  nameOf(address: string): string | undefined {
    let name = this.#names.get(address)
    if (name === undefined) {
      name = find(this.#gateways, address)?.name ?? find(this.#peers, address)?.name ?? null
      if (this.#names.size >= 65_536) this.#names.clear()
      this.#names.set(address, name)
    }
    return name ?? undefined
  }

  readonly enrich: Enricher = (document) => {
    const { 'source.ip': source, 'destination.ip': destination, 'event.action': action } = document
    const sourceName = source === undefined ? undefined : this.nameOf(source)
    const destinationName = destination === undefined ? undefined : this.nameOf(destination)
    if (sourceName !== undefined) document['source.asset'] = sourceName
    if (destinationName !== undefined) document['destination.asset'] = destinationName
    const drift: string[] = []
    if (OF_GATEWAYS.has(action)) {
      if (this.#gateways.length > 0 && find(this.#gateways, destination) === undefined) drift.push('gateway_unlisted')
      if (this.#peers.length > 0 && find(this.#peers, source) === undefined) drift.push('peer_unlisted')
    } else if (OF_USERS.has(action) && this.#users.size > 0) {
      const person = this.#users.get(document['user.name'] ?? '')
      if (person === undefined) drift.push('user_unlisted')
      else {
        if (person.hours !== null && !isWithin(person.hours, document['@timestamp'])) drift.push('hours')
        const isElsewhere = person.gateways.length > 0 && !person.gateways.includes(destinationName ?? '')
        if (isElsewhere) drift.push('user_gateway')
      }
    }
    if (drift.length > 0) document['asset.drift'] = drift
  }

  #add(row: Partial<Record<Column, string>>, where: string): void {
    const { kind, value = '', name = '' } = row
    if (kind === 'user') {
      if (value === '') throw new AssetError(`${where}: a user needs a name in the column "value"`)
      const gateways = (row.gateways ?? '').split(/\s+/).filter((part) => part !== '')
      this.#users.set(value, { hours: hoursOf(row.hours ?? '', where), gateways })
      return
    }
    if (kind !== 'gateway' && kind !== 'peer') {
      throw new AssetError(`${where}: kind is "${kind ?? ''}"; expected gateway, peer or user`)
    }
    const range = networkRange(value)
    if (range === null) throw new AssetError(`${where}: "${value}" is neither an address nor a network`)
    const hosts = kind === 'gateway' ? this.#gateways : this.#peers
    hosts.push({ range, name: name === '' ? value : name })
  }
}

function find(hosts: readonly Host[], address: string | undefined): Host | undefined {
  if (address === undefined) return undefined
  const v4 = ipv4Number(address)
  const v6 = v4 === -1 ? ipv6Number(address) : null
  return hosts.find(({ range }) =>
    range.family === 4 ? v4 >= range.low && v4 <= range.high : v6 !== null && v6 >= range.low && v6 <= range.high,
  )
}

function hoursOf(text: string, where: string): Hours | null {
  if (text === '') return null
  const match = HOURS.exec(text)
  if (match === null) throw new AssetError(`${where}: "${text}" are no hours; expected such as Mon-Fri 07:00-19:00`)
  const [, first = 'sun', last = match[1] === undefined ? 'sat' : first, fromHour, from, toHour, to] = match
  const days = new Set<number>()
  const end = DAYS.indexOf(last.toLowerCase() as (typeof DAYS)[number])
  for (let day = DAYS.indexOf(first.toLowerCase() as (typeof DAYS)[number]); ; day = (day + 1) % 7) {
    days.add(day)
    if (day === end) break
  }
  return { days, fromMinute: Number(fromHour) * 60 + Number(from), toMinute: Number(toHour) * 60 + Number(to) }
}

function isWithin({ days, fromMinute, toMinute }: Hours, timestamp: string): boolean {
  const time = new Date(timestamp)
  const minute = time.getUTCHours() * 60 + time.getUTCMinutes()
  if (fromMinute <= toMinute) return days.has(time.getUTCDay()) && minute >= fromMinute && minute < toMinute
  // Over midnight: the morning belongs to the day before.
  if (minute >= fromMinute) return days.has(time.getUTCDay())
  return minute < toMinute && days.has((time.getUTCDay() + 6) % 7)
}
