/** `borescope query`: any question to the store, in KQL. */
import { type Command, Option } from 'commander'
import type { FieldName } from '../events/fields.ts'
import type { Group, Selection, Sort } from '../store/search.ts'
import type { EventStore } from '../store/stores.ts'
import type { Context } from './context.ts'
import { csv, FORMATS, type Format, parseCount, parseField, parseFields, printDocuments } from './formats.ts'
import { counted, number, print, table, when } from './terminal.ts'

interface QueryOptions {
  readonly since?: string
  readonly until?: string
  readonly fields?: readonly FieldName[]
  readonly sort?: readonly Sort[]
  readonly limit: number
  readonly format: Format
  readonly json?: boolean
  readonly by?: readonly FieldName[]
  readonly count?: boolean
}

const FIELDS_SHOWN = [
  '@timestamp',
  'event.action',
  'source.ip',
  'destination.ip',
  'user.name',
  'message',
] as const satisfies readonly FieldName[]

export function registerQuery(program: Command, context: () => Context): void {
  program
    .command('query')
    .summary('ask the store anything, in KQL')
    .description('Searches the stored events with KQL (Kibana Query Language).')
    .argument('[kql]', 'the query; without one, every event', '')
    .option('--since <time>', 'events at or after it: 2026-11-01, 2026-11-01T12:00:00Z, now-24h')
    .option('--until <time>', 'events before it')
    .option('-f, --fields <names>', 'fields to show, separated by commas', parseFields)
    .option(
      '--sort <field>',
      'field to sort by; -field for falling order; several separated by commas (default: newest first)',
      parseSort,
    )
    .option('-n, --limit <number>', 'events at most, or groups with --by', parseCount, 100)
    .addOption(new Option('--format <format>', 'how to write them').choices(FORMATS).default('table'))
    .option('--json', 'the same as --format json')
    .option('--by <fields>', 'count the events by the values of these fields', parseFields)
    .option('--count', 'only how many there are')
    .addHelpText(
      'after',
      `
KQL in short:
  user.name: alice and event.outcome: failure      both
  source.ip: 10.0.0.0/8 or source.ip: "fe80::/10"  networks
  event.action: (l2tp.tunnel.failed or ppp.*)      several values, wildcards
  network.bytes > 1000000 and not user.name: *     numbers, existence
  "wrong password"                                 words anywhere in message and names
'borescope fields' lists the fields and the events.`,
    )
    .action(async (kql: string, options: QueryOptions) => {
      const store = await context().openStore()
      try {
        await query(store, kql, options)
      } finally {
        await store.close()
      }
    })
}

async function query(store: EventStore, kql: string, options: QueryOptions): Promise<void> {
  const format = options.json ? 'json' : options.format
  const selection: Selection = {
    kql,
    ...(options.since === undefined ? {} : { since: options.since }),
    ...(options.until === undefined ? {} : { until: options.until }),
  }
  if (options.count) {
    const count = await store.count(selection)
    return print(format === 'table' || format === 'csv' ? String(count) : JSON.stringify({ count }))
  }
  if (options.by !== undefined) {
    return printGroups(options.by, await store.aggregate(selection, { by: options.by, limit: options.limit }), format)
  }
  const sort = options.sort ?? [{ field: '@timestamp', descending: true }]
  const isWhole = format === 'json' || format === 'ndjson'
  const documents = store.search({
    ...selection,
    sort,
    limit: options.limit,
    ...(options.fields === undefined ? (isWhole ? {} : { fields: FIELDS_SHOWN }) : { fields: options.fields }),
  })
  const count = await printDocuments(documents, format, options.fields ?? FIELDS_SHOWN)
  if (format !== 'table') return
  const total = count < options.limit ? count : await store.count(selection)
  process.stderr.write(
    total > count
      ? `${number(count)} of ${number(total)} events; --limit shows more\n`
      : `${counted(count, 'event')}\n`,
  )
}

async function printGroups(by: readonly FieldName[], groups: readonly Group[], format: Format): Promise<void> {
  if (format === 'json' || format === 'ndjson') {
    const rows = groups.map(({ key, count, first, last }) => ({
      ...Object.fromEntries(by.map((field, i) => [field, key[i]])),
      count,
      first,
      last,
    }))
    return print(format === 'json' ? JSON.stringify(rows, null, 2) : rows.map((row) => JSON.stringify(row)).join('\n'))
  }
  if (format === 'csv') {
    await print([...by, 'count', 'first', 'last'].join(','))
    for (const { key, count, first, last } of groups) await print([...key, count, first, last].map(csv).join(','))
    return
  }
  const columns = [
    ...by.map((field, i) => ({
      title: field as string,
      value: ({ key }: Group) => (key[i] === null ? '-' : String(key[i])),
    })),
    { title: 'count', value: ({ count }: Group) => number(count), right: true },
    { title: 'first', value: ({ first }: Group) => when(first) },
    { title: 'last', value: ({ last }: Group) => when(last) },
  ]
  if (groups.length > 0) await print(table(columns, groups))
}

function parseSort(text: string): Sort[] {
  return text.split(',').map((part) => {
    const name = part.trim()
    return name.startsWith('-')
      ? { field: parseField(name.slice(1)), descending: true }
      : { field: parseField(name), descending: false }
  })
}
