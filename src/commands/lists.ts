/** `borescope tunnels`, `sessions`, `users`, `alerts`, `incidents`: the tables that one asks for first. */
import { type Command, Option } from 'commander'
import { LEVELS } from '../alert-config.ts'
import { type EventDocument, nest } from '../events/fields.ts'
import { parseQuery } from '../store/kql.ts'
import type { EventStore } from '../store/stores.ts'
import type { Context } from './context.ts'
import { parseCount } from './formats.ts'
import { INCIDENT_COLUMNS } from './incident-columns.ts'
import { ALERT_COLUMNS, ownUid, TUNNEL_COLUMNS } from './summary.ts'
import { bytes, type Column, counted, duration, number, paint, print, table, when } from './terminal.ts'

interface ListOptions {
  readonly since?: string
  readonly until?: string
  readonly limit: number
  readonly json?: boolean
}

interface LevelOptions extends ListOptions {
  readonly level?: (typeof LEVELS)[number]
}

export function registerLists(program: Command, context: () => Context): void {
  const list = (
    name: string,
    summary: string,
    act: (store: EventStore, filter: string, options: ListOptions) => Promise<void>,
  ): Command =>
    program
      .command(name)
      .summary(summary)
      .description(`${summary[0].toUpperCase()}${summary.slice(1)}.`)
      .argument('[kql]', 'only those of which an event matches this query', '')
      .option('--since <time>', 'at or after it: 2026-11-01, 2026-11-01T12:00:00Z, now-24h')
      .option('--until <time>', 'before it')
      .option('-n, --limit <number>', 'rows at most', parseCount, 100)
      .option('--json', 'one JSON array')
      .action(async (filter: string, options: ListOptions) => {
        const store = await context().openStore()
        try {
          await act(store, filter, options)
        } finally {
          await store.close()
        }
      })

  list('tunnels', 'every tunnel: who opened it to whom, what it carried, how it ended', tunnels)
  list('sessions', 'every session: which user, which addresses, how much, how it ended', sessions)
  list('users', 'every user: where from, by which method, log-ins and failures', users)
  list('alerts', 'every alert, newest first', (store, filter, options: LevelOptions) =>
    alerts(store, filter, options),
  ).addOption(new Option('--level <level>', 'alerts of this level and above').choices(LEVELS))
  list(
    'incidents',
    'every incident: the alerts of one story as one, with its risk, newest first',
    (store, filter, options: LevelOptions) => incidents(store, filter, options),
  ).addOption(new Option('--level <level>', 'incidents of this level and above').choices(LEVELS))
}

/** Tunnels of L2TP, control connections of PPTP, and pairs of IPsec associations. */
const TUNNEL_UIDS = ['l2tp.tunnel.uid', 'pptp.connection.uid', 'esp.tunnel.uid'] as const
const TUNNELS_ENDED = [
  'l2tp.tunnel.closed',
  'l2tp.tunnel.failed',
  'pptp.connection.closed',
  'pptp.connection.failed',
  'esp.tunnel.closed',
]

export async function tunnels(store: EventStore, filter: string, options: ListOptions): Promise<void> {
  const rows = await findThings(store, `event.action: (${TUNNELS_ENDED.join(' or ')})`, TUNNEL_UIDS, filter, options)
  const columns: Column<EventDocument>[] = [
    { title: 'began', value: (event) => (event['event.start'] === undefined ? '' : when(event['event.start'])) },
    ...TUNNEL_COLUMNS,
  ]
  await show(rows, columns, options, 'tunnel')
}

/** What carries PPP links: sessions of L2TP and of PPPoE, and calls of PPTP. */
const SESSION_UIDS = ['l2tp.session.uid', 'pptp.call.uid', 'pppoe.session.uid'] as const
const SESSIONS_ENDED = [
  'l2tp.session.closed',
  'l2tp.session.failed',
  'pptp.call.closed',
  'pptp.call.failed',
  'pppoe.session.closed',
  'pppoe.session.failed',
]

export async function sessions(store: EventStore, filter: string, options: ListOptions): Promise<void> {
  const rows = await findThings(store, `event.action: (${SESSIONS_ENDED.join(' or ')})`, SESSION_UIDS, filter, options)
  const links = await linksOf(store, rows)
  const linkOf = (event: EventDocument) => links.get(ownUid(event))
  const columns: Column<EventDocument>[] = [
    { title: 'began', value: (event) => (event['event.start'] === undefined ? '' : when(event['event.start'])) },
    { title: 'session', value: ownUid },
    { title: 'user', value: (event) => event['user.name'] ?? linkOf(event)?.['user.name'] },
    { title: 'from', value: (event) => event['source.ip'] ?? event['source.mac'] },
    { title: 'to', value: (event) => event['destination.ip'] ?? event['destination.mac'] },
    { title: 'caller', value: (event) => event['l2tp.call.calling_number'] },
    { title: 'carries', value: (event) => event['l2tp.session.pseudowire'] ?? 'PPP' },
    { title: 'inner address', value: (event) => linkOf(event)?.['ppp.client.ip'] },
    { title: 'method', value: (event) => linkOf(event)?.['ppp.authentication.method'] },
    {
      title: 'sent',
      value: (event) => (event['source.bytes'] === undefined ? undefined : bytes(event['source.bytes'])),
      right: true,
    },
    {
      title: 'received',
      value: (event) => (event['destination.bytes'] === undefined ? undefined : bytes(event['destination.bytes'])),
      right: true,
    },
    {
      title: 'lasted',
      value: (event) => (event['event.duration'] === undefined ? undefined : duration(event['event.duration'])),
      right: true,
    },
    { title: 'end', value: (event) => event['event.reason'], widthMax: 60 },
  ]
  await show(rows, columns, options, 'session')
}

/** Users that are counted: somebody who sprays names may invent millions. */
const USERS_MAX = 100_000

interface UserRow {
  readonly user: string
  readonly from: Set<string>
  readonly methods: Set<string>
  readonly addresses: Set<string>
  succeeded: number
  failed: number
  first: string
  last: string
}

export async function users(store: EventStore, filter: string, options: ListOptions): Promise<void> {
  const rows = new Map<string, UserRow>()
  const kql = narrowed(
    'event.action: (ppp.authentication.succeeded or ppp.authentication.failed or ppp.link.opened)',
    filter,
  )
  for await (const event of store.search({ kql, ...timeOf(options) })) {
    const user = event['user.name'] ?? '(no name)'
    let row = rows.get(user)
    if (row === undefined) {
      if (rows.size >= USERS_MAX) continue
      row = {
        user,
        from: new Set(),
        methods: new Set(),
        addresses: new Set(),
        succeeded: 0,
        failed: 0,
        first: event['@timestamp'],
        last: '',
      }
      rows.set(user, row)
    }
    row.last = event['@timestamp']
    add(row.from, event['source.ip'] ?? event['source.mac'])
    add(row.methods, event['ppp.authentication.method'])
    add(row.addresses, event['ppp.client.ip'])
    if (event['event.action'] === 'ppp.authentication.succeeded') row.succeeded++
    if (event['event.action'] === 'ppp.authentication.failed') row.failed++
  }
  const sorted = [...rows.values()]
    .sort((a, b) => b.failed - a.failed || b.succeeded - a.succeeded || (a.user < b.user ? -1 : 1))
    .slice(0, options.limit)
  const more = rows.size > sorted.length ? '; --limit shows more' : ''
  if (options.json) {
    return print(
      JSON.stringify(
        sorted.map(({ user, from, methods, addresses, succeeded, failed, first, last }) => ({
          user,
          from: [...from],
          methods: [...methods],
          inner_addresses: [...addresses],
          succeeded,
          failed,
          first,
          last,
        })),
        null,
        2,
      ),
    )
  }
  const columns: Column<UserRow>[] = [
    { title: 'user', value: ({ user }) => user },
    {
      title: 'logged in',
      value: ({ succeeded }) => number(succeeded),
      right: true,
      paint: (row, text) => (row.succeeded > 0 ? paint('green', text) : text),
    },
    {
      title: 'refused',
      value: ({ failed }) => number(failed),
      right: true,
      paint: (row, text) => (row.failed > 0 ? paint('red', text) : text),
    },
    { title: 'from', value: ({ from }) => few(from) },
    { title: 'method', value: ({ methods }) => few(methods) },
    { title: 'inner address', value: ({ addresses }) => few(addresses) },
    { title: 'first', value: ({ first }) => when(first) },
    { title: 'last', value: ({ last }) => when(last) },
  ]
  if (sorted.length > 0) await print(table(columns, sorted))
  process.stderr.write(`${counted(sorted.length, 'user')}${more}\n`)
}

export async function alerts(store: EventStore, filter: string, options: LevelOptions): Promise<void> {
  const levels = options.level === undefined ? '' : ` and rule.level: (${levelsFrom(options.level)})`
  const rows = await find(store, `event.kind: alert${levels}`, filter, options)
  const columns: Column<EventDocument>[] = [
    { title: 'id', value: (event) => event['event.id'].slice(0, ID_DIGITS_SHOWN) },
    ...ALERT_COLUMNS,
  ]
  await show(rows, columns, options, 'alert')
}

/** Every incident once, as the newest event about it tells it; what became a part of another one is told with that. */
export async function incidents(store: EventStore, filter: string, options: LevelOptions): Promise<void> {
  const levels = options.level === undefined ? '' : ` and incident.level: (${levelsFrom(options.level)})`
  let ids: Set<unknown> | null = null
  if (filter.trim() !== '') {
    const search = { kql: narrowed('incident.id: *', filter) }
    ids = new Set((await store.aggregate(search, { by: ['incident.id'], limit: THINGS_MAX })).map(({ key }) => key[0]))
  }
  const newest = new Map<string, EventDocument>()
  let shown = 0
  const kql = `event.action: (${INCIDENT_TOLD.join(' or ')})${levels}`
  for await (const event of store.search({ kql, ...timeOf(options), sort: NEWEST_FIRST })) {
    const id = event['incident.id'] ?? ''
    if (ids !== null && !ids.has(id)) continue
    const known = newest.get(id)
    if (known === undefined && shown > options.limit) break
    if (known === undefined || isLater(event, known)) newest.set(id, event)
    if (known === undefined && event['incident.part_of'] === undefined) shown++
  }
  const rows = [...newest.values()].filter((event) => event['incident.part_of'] === undefined)
  await show(rows, INCIDENT_COLUMNS, options, 'incident')
}

const INCIDENT_TOLD = ['incident.opened', 'incident.updated', 'incident.closed']

/** Of events of one microsecond, the one that follows the other. */
export function isLater(event: EventDocument, other: EventDocument): boolean {
  const order = (of: EventDocument) => INCIDENT_TOLD.indexOf(of['event.action'])
  return event['@timestamp'] === other['@timestamp'] && order(event) > order(other)
}

function levelsFrom(level: (typeof LEVELS)[number]): string {
  return LEVELS.slice(LEVELS.indexOf(level)).join(' or ')
}

/** Newest first, and one more than the limit, if there is one: it tells that there are more. */
async function find(store: EventStore, kql: string, filter: string, options: ListOptions): Promise<EventDocument[]> {
  const rows: EventDocument[] = []
  const search = { kql: narrowed(kql, filter), ...timeOf(options), sort: NEWEST_FIRST, limit: options.limit + 1 }
  for await (const document of store.search(search)) rows.push(document)
  return rows
}

const NEWEST_FIRST = [{ field: '@timestamp', descending: true }] as const

/** Things that a filter may pick out, and ids that one query may name. */
const THINGS_MAX = 100_000
const IDS_MAX = 500
/** Eight of them are the second (see eventId). */
const ID_DIGITS_SHOWN = 16

/** The ends of things, newest first, of those things of which any event matches the filter. */
async function findThings(
  store: EventStore,
  ended: string,
  fields: readonly (typeof TUNNEL_UIDS | typeof SESSION_UIDS)[number][],
  filter: string,
  options: ListOptions,
): Promise<EventDocument[]> {
  if (filter.trim() === '') return find(store, ended, '', options)
  const uids = new Set<unknown>()
  for (const field of fields) {
    const search = { kql: narrowed(`${field}: *`, filter) }
    for (const { key } of await store.aggregate(search, { by: [field], limit: THINGS_MAX })) uids.add(key[0])
  }
  const rows: EventDocument[] = []
  for await (const document of store.search({ kql: ended, ...timeOf(options), sort: NEWEST_FIRST })) {
    if (!uids.has(ownUid(document))) continue
    rows.push(document)
    if (rows.length > options.limit) break
  }
  return rows
}

/** The PPP link of each session, whenever it opened. */
async function linksOf(store: EventStore, rows: readonly EventDocument[]): Promise<Map<string, EventDocument>> {
  const links = new Map<string, EventDocument>()
  const uids = rows.map(ownUid)
  for (let at = 0; at < uids.length; at += IDS_MAX) {
    const some = uids.slice(at, at + IDS_MAX).join(' or ')
    const kql = `event.action: ppp.link.opened and borescope.lineage: (${some})`
    for await (const link of store.search({ kql }))
      for (const uid of link['borescope.lineage'] ?? []) links.set(uid, link)
  }
  return links
}

function narrowed(kql: string, filter: string): string {
  if (filter.trim() === '') return kql
  // Understood by itself first: its errors point into what was typed, and no bracket of it reaches beyond it.
  parseQuery(filter)
  return `(${kql}) and (${filter})`
}

function timeOf({ since, until }: ListOptions): { since?: string; until?: string } {
  return { ...(since === undefined ? {} : { since }), ...(until === undefined ? {} : { until }) }
}

async function show(
  rows: readonly EventDocument[],
  columns: readonly Column<EventDocument>[],
  options: ListOptions,
  thing: string,
): Promise<void> {
  const shown = rows.slice(0, options.limit)
  if (options.json) return print(JSON.stringify(shown.map(nest), null, 2))
  if (shown.length > 0) await print(table(columns, shown))
  process.stderr.write(`${counted(shown.length, thing)}${rows.length > shown.length ? '; --limit shows more' : ''}\n`)
}

function add(set: Set<string>, value: string | undefined): void {
  if (value !== undefined) set.add(value)
}

/** The first few of a set, and how many more. */
function few(values: ReadonlySet<string>): string {
  const all = [...values]
  return all.length <= 3 ? all.join(' ') : `${all.slice(0, 3).join(' ')} and ${all.length - 3} more`
}
