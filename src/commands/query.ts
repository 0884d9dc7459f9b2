/** `borescope query`: any question to the store, in KQL. */
import { type Command, InvalidArgumentError, Option } from 'commander'
import type { FieldName } from '../events/fields.ts'
import { type Group, type GroupOrder, LARGEST_FIRST, type Metric, type Selection, type Sort } from '../store/search.ts'
import type { EventStore } from '../store/stores.ts'
import { type Context, UsageError } from './context.ts'
import { explainQuery } from './explain.ts'
import {
  csv,
  FORMATS,
  type Format,
  parseCount,
  parseField,
  parseFields,
  printDocuments,
  TABLE_ROWS_MAX,
} from './formats.ts'
import { printHistogram } from './histogram.ts'
import { counted, number, print, table, warn, when } from './terminal.ts'
import { unknownEvents } from './unknown-events.ts'

interface QueryOptions {
  readonly since?: string
  readonly until?: string
  readonly fields?: readonly FieldName[]
  readonly sort?: string
  readonly limit: number
  readonly format: Format
  readonly json?: boolean
  readonly by?: readonly FieldName[]
  readonly metrics?: readonly Metric[]
  readonly every?: number
  readonly count?: boolean
  readonly explain?: boolean
}

/** The options that compute something for each group: all add to one list, in the order of the command line. */
const METRICS = {
  sum: { of: 'sum', says: 'the sum of a field of numbers' },
  avg: { of: 'average', says: 'its average' },
  min: { of: 'minimum', says: 'its least value' },
  max: { of: 'maximum', says: 'its greatest value' },
  distinct: { of: 'distinct', says: 'how many different values a field has' },
} as const satisfies Record<string, { readonly of: Metric['of']; readonly says: string }>

const FIELDS_SHOWN = [
  '@timestamp',
  'event.action',
  'source.ip',
  'destination.ip',
  'user.name',
  'message',
] as const satisfies readonly FieldName[]

export function registerQuery(program: Command, context: () => Context): void {
  const command = program
    .command('query')
    .summary('ask the store anything, in KQL')
    .description('Searches the stored events with KQL (Kibana Query Language).')
    .argument('[kql]', 'the query; without one, every event', '')
    .option('--since <time>', 'events at or after it: 2026-11-01, 2026-11-01T12:00:00Z, now-24h')
    .option('--until <time>', 'events before it')
    .option('-f, --fields <names>', 'fields to show, separated by commas', parseFields)
    .option(
      '--sort <field>',
      'field to sort by; -field for falling order; several separated by commas (default: newest first). Groups: count, or a metric such as -sum (default: -count)',
    )
    .option('-n, --limit <number>', 'events at most, or groups with --by; all for every one', parseLimit, 100)
    .addOption(new Option('--format <format>', 'how to write them').choices(FORMATS).default('table'))
    .option('--json', 'the same as --format json')
    .option('--by <fields>', 'count the events by the values of these fields', parseFields)
  const metrics: Metric[] = []
  for (const [name, { of, says }] of Object.entries(METRICS)) {
    command.addOption(
      new Option(`--${name} <field>`, `with --by or alone: ${says}`).argParser((text) => {
        metrics.push({ of, field: parseField(text) })
        return text
      }),
    )
  }
  command
    .option('--every <interval>', 'count the events in each interval of time: 30s, 5m, 1h, 1d', parseInterval)
    .option('--count', 'only how many there are')
    .option('--explain', 'how the query is understood, and what a store is asked; nothing is asked')
    .addHelpText(
      'after',
      `
KQL in short:
  user.name: alice and event.outcome: failure      both
  source.ip: 10.0.0.0/8 or source.ip: "fe80::/10"  networks
  event.action: (l2tp.tunnel.failed or ppp.*)      several values, wildcards
  network.bytes > 1000000 and not user.name: *     numbers, existence
  "wrong password"                                 words anywhere in message and names
  @timestamp >= now-7d/d and source.ip: *          times, from the beginning of a day
'borescope fields' lists the fields and the events.`,
    )
    .action(async (kql: string, options: QueryOptions) => {
      if (options.explain) return print(explainQuery({ kql, ...timeOf(options) }))
      const store = await context().openStore()
      try {
        await query(store, kql, { ...options, metrics })
      } finally {
        await store.close()
      }
    })
}

async function query(store: EventStore, kql: string, options: QueryOptions): Promise<void> {
  const format = options.json ? 'json' : options.format
  const { by, every, metrics = [] } = options
  const selection: Selection = { kql, ...timeOf(options) }
  if ([options.count, every !== undefined, by !== undefined || metrics.length > 0].filter(Boolean).length > 1) {
    throw new UsageError('--count, --every and --by (or --sum, --avg, --min, --max, --distinct) exclude each other')
  }
  for (const hint of unknownEvents(kql)) warn(hint)
  if (options.count) {
    const count = await store.count(selection)
    return print(format === 'table' || format === 'csv' ? String(count) : JSON.stringify({ count }))
  }
  if (every !== undefined) return printHistogram(await store.histogram(selection, every), every, format)
  if (by !== undefined || metrics.length > 0) {
    return printGroups(by ?? [], metrics, await groupsOf(store, selection, by ?? [], metrics, options), format)
  }
  await printFound(store, selection, options, format)
}

function timeOf({ since, until }: QueryOptions): Pick<Selection, 'since' | 'until'> {
  return { ...(since === undefined ? {} : { since }), ...(until === undefined ? {} : { until }) }
}

async function printFound(store: EventStore, selection: Selection, options: QueryOptions, format: Format) {
  const { limit } = options
  if (format === 'table' && limit > TABLE_ROWS_MAX) {
    throw new UsageError(`a table has ${number(TABLE_ROWS_MAX)} rows at most: more come with --format ndjson or csv`)
  }
  const sort = options.sort === undefined ? NEWEST_FIRST : parseSort(options.sort)
  const isWhole = format === 'json' || format === 'ndjson'
  const documents = store.search({
    ...selection,
    sort,
    ...(Number.isFinite(limit) ? { limit } : {}),
    ...(options.fields === undefined ? (isWhole ? {} : { fields: FIELDS_SHOWN }) : { fields: options.fields }),
  })
  const count = await printDocuments(documents, format, options.fields ?? FIELDS_SHOWN)
  if (format !== 'table') return
  const total = count < limit ? count : await store.count(selection)
  process.stderr.write(
    total > count
      ? `${number(count)} of ${number(total)} events; --limit shows more\n`
      : `${counted(count, 'event')}\n`,
  )
}

/** A group with a value for each metric; null where no event of it has the field. */
interface MeasuredGroup extends Omit<Group, 'metric' | 'isEstimate'> {
  readonly metrics: readonly (number | null)[]
  readonly estimates: readonly boolean[]
}

type Measured = Pick<Group, 'metric' | 'isEstimate'>

/**
 * A store computes one metric at a time: that by which the groups are sorted says which they are, and the others are looked
 * up among all groups.
 */
async function groupsOf(
  store: EventStore,
  selection: Selection,
  by: readonly FieldName[],
  metrics: readonly Metric[],
  { limit, sort }: Pick<QueryOptions, 'limit' | 'sort'>,
): Promise<MeasuredGroup[]> {
  const { order, lead } = orderOf(sort, metrics)
  const most = Number.isFinite(limit) ? limit : GROUPS_MAX
  const leading: Metric | undefined = metrics[lead]
  const groups = await store.aggregate(selection, {
    by,
    limit: most,
    order,
    ...(leading === undefined ? {} : { metric: leading }),
  })
  const columns = new Map<number, ReadonlyMap<string, Measured>>()
  for (const [i, metric] of metrics.entries()) {
    // By their count the groups are the same each time, but for events that come in between.
    const all = order.by === 'count' ? { by, limit: most, order, metric } : { by, limit: GROUPS_MAX, metric }
    const measured = i === lead ? groups : await store.aggregate(selection, all)
    columns.set(i, new Map(measured.map((group) => [JSON.stringify(group.key), group])))
    if (all.limit === GROUPS_MAX && measured.length === GROUPS_MAX && i !== lead) {
      throw new UsageError(`there are more than ${number(GROUPS_MAX)} groups: ask for one metric, or sort by count`)
    }
  }
  return groups.map(({ metric: _, isEstimate: __, ...group }) => {
    const values = metrics.map((_metric, i) => columns.get(i)?.get(JSON.stringify(group.key)))
    return {
      ...group,
      metrics: values.map((value) => value?.metric ?? null),
      estimates: values.map((value) => value?.isEstimate ?? false),
    }
  })
}

/** What groups are sorted by, and which metric that is; the first one if it is none. */
function orderOf(sort: string | undefined, metrics: readonly Metric[]): { order: GroupOrder; lead: number } {
  if (sort === undefined) return { order: LARGEST_FIRST, lead: 0 }
  const descending = sort.startsWith('-')
  const name = descending ? sort.slice(1) : sort
  if (name === 'count') return { order: { by: 'count', descending }, lead: 0 }
  const lead = metrics.findIndex((metric) => [metricName(metric), metricTitle(metric)].includes(name))
  if (lead === -1) {
    const known = ['count', ...metrics.map(metricTitle)].join(', ')
    throw new UsageError(`groups cannot be sorted by "${name}": expected one of ${known}; with - for falling order`)
  }
  return { order: { by: 'metric', descending }, lead }
}

/** As its option is called. */
function metricName({ of }: Metric): string {
  const [name] = Object.entries(METRICS).find(([, metric]) => metric.of === of) as [string, unknown]
  return name
}

function metricTitle(metric: Metric): string {
  return `${metricName(metric)}(${metric.field})`
}

async function printGroups(
  by: readonly FieldName[],
  metrics: readonly Metric[],
  groups: readonly MeasuredGroup[],
  format: Format,
): Promise<void> {
  const titles = metrics.map(metricTitle)
  if (groups.some(({ estimates }) => estimates.includes(true))) {
    process.stderr.write('the largest counts of distinct values (~) are estimates of the cluster, some percent off\n')
  }
  if (format === 'json' || format === 'ndjson') {
    const rows = groups.map(({ key, count, first, last, metrics: values }) => ({
      ...Object.fromEntries(by.map((field, i) => [field, key[i]])),
      count,
      ...Object.fromEntries(titles.map((title, i) => [title, values[i]])),
      first,
      last,
    }))
    if (format === 'json') return print(JSON.stringify(rows, null, 2))
    for (const row of rows) await print(JSON.stringify(row))
    return
  }
  if (format === 'csv') {
    await print([...by, 'count', ...titles, 'first', 'last'].join(','))
    for (const { key, count, first, last, metrics: values } of groups) {
      await print([...key, count, ...values, first, last].map(csv).join(','))
    }
    return
  }
  const columns = [
    ...by.map((field, i) => ({
      title: field as string,
      value: ({ key }: MeasuredGroup) => (key[i] === null ? '-' : String(key[i])),
    })),
    { title: 'count', value: ({ count }: MeasuredGroup) => number(count), right: true },
    ...titles.map((title, i) => ({
      title,
      value: ({ metrics: values, estimates }: MeasuredGroup) =>
        values[i] === null ? '-' : `${estimates[i] ? '~' : ''}${number(values[i])}`,
      right: true,
    })),
    { title: 'first', value: ({ first }: MeasuredGroup) => when(first) },
    { title: 'last', value: ({ last }: MeasuredGroup) => when(last) },
  ]
  if (groups.length > 0) await print(table(columns, groups))
}

const NEWEST_FIRST: readonly Sort[] = [{ field: '@timestamp', descending: true }]

function parseSort(text: string): Sort[] {
  return text.split(',').map((part) => {
    const name = part.trim()
    return name.startsWith('-')
      ? { field: parseField(name.slice(1)), descending: true }
      : { field: parseField(name), descending: false }
  })
}

/** Groups that `--limit all` means. */
const GROUPS_MAX = 100_000

function parseLimit(text: string): number {
  return text === 'all' ? Number.POSITIVE_INFINITY : parseCount(text)
}

const INTERVAL_MS = { ms: 1, s: 1000, m: 60_000, h: 3_600_000, d: 86_400_000 } as const

function parseInterval(text: string): number {
  const [, amount, unit] = /^(\d{1,6})(ms|s|m|h|d)$/.exec(text) ?? []
  const intervalMs = Number(amount) * INTERVAL_MS[unit as keyof typeof INTERVAL_MS]
  if (!(intervalMs > 0)) throw new InvalidArgumentError('expected a number and a unit: 30s, 5m, 1h, 1d.')
  return intervalMs
}
