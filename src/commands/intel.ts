/** `borescope intel`: lists of bad addresses, names and certificates. */
import { existsSync, statSync } from 'node:fs'
import { join, resolve } from 'node:path'
import { type Command, InvalidArgumentError, Option } from 'commander'
import { guessType, INDICATOR_TYPES, type IndicatorType, normal, TLP, type Tlp } from '../enrich/intel/indicator.ts'
import { FORMATS, type Format, IntelError } from '../enrich/intel/parse.ts'
import { TaxiiError } from '../enrich/intel/taxii.ts'
import type { EventDocument } from '../events/fields.ts'
import type { Indicator } from '../enrich/intel/indicator.ts'
import { type FeedEntry, IntelFeeds } from '../intel-feeds.ts'
import { type Hunt, hunt, SEARCHED } from '../retro-hunt.ts'
import { keepPast, sendPast } from '../retro-notices.ts'
import { VERSION } from '../version.ts'
import { type Context, EXIT, UsageError } from './context.ts'
import { parseCount } from './formats.ts'
import { counted, number, print, printable, table, when } from './terminal.ts'

interface AddOptions {
  readonly taxii?: boolean
  readonly misp?: boolean
  readonly allow?: boolean
  readonly format?: Format
  readonly confidence?: number
  readonly tlp?: Tlp
  readonly expireDays?: number
  readonly authorizationFile?: string
  readonly retroDays?: number
}

interface MatchOptions {
  readonly type?: IndicatorType
  readonly json?: boolean
}

interface RetroOptions {
  readonly since: string
  readonly limit: number
  readonly json?: boolean
}

export function feedsOf(context: Context): IntelFeeds {
  const { path, entriesMax } = context.config.intel
  return new IntelFeeds(path, entriesMax)
}

/** What is wrong with a list is the user's to mend. */
async function theirs<T>(work: () => T | Promise<T>): Promise<T> {
  try {
    return await work()
  } catch (error) {
    if (error instanceof IntelError || error instanceof TaxiiError) throw new UsageError(error.message)
    if (error instanceof TypeError && error.cause instanceof Error)
      throw new UsageError(`${error.message}: ${error.cause.message}`)
    throw error
  }
}

export function registerIntel(program: Command, context: () => Context): void {
  const intel = program
    .command('intel')
    .summary('threat intelligence: lists of addresses, names, certificates')
    .description('Lists of indicators. What an event has in common with one is said on the event (threat.indicator.*).')

  intel
    .command('add')
    .description('Adds a list, fetches it, and looks for what it says in the events of the last days.')
    .argument('<name>', 'a name for it')
    .argument(
      '<source>',
      'a file, an address (http, https), a collection of TAXII, or the folder or address of a MISP feed',
    )
    .option('--taxii', 'the source is a TAXII 2.1 collection: https://HOST/ROOT/collections/ID/')
    .option('--misp', 'the source is a MISP feed: a folder or address with a manifest.json')
    .option('--allow', 'a list of what is never to be matched: warning lists, your own addresses')
    .addOption(new Option('--format <format>', 'what the list is (default: it is recognised)').choices(FORMATS))
    .option('--confidence <number>', 'from 0 to 100, of what says none itself', parsePercent)
    .addOption(new Option('--tlp <label>', 'to whom it may be shown, of what says none itself').choices(TLP))
    .option('--expire-days <days>', 'leave out what the list saw last before so many days', parseCount)
    .option('--authorization-file <file>', 'a file with the value of the header Authorization, such as "Bearer …"')
    .addOption(retroOption())
    .action((name: string, source: string, options: AddOptions) => addList(context(), name, source, options))

  intel
    .command('list')
    .description('Lists the lists.')
    .option('--json', 'one JSON array')
    .action(({ json }: { json?: boolean }) => listLists(context(), json === true))

  intel
    .command('update')
    .description(
      'Fetches all lists again, or those that are named, and looks for what is new on them in the events of the last days: what is\nfound is stored once, with its alert. Exits with 3 if a list could not be had; it stays as it was.',
    )
    .argument('[names...]', 'which ones')
    .addOption(retroOption())
    .action((names: string[], { retroDays }: { retroDays?: number }) => updateLists(context(), names, retroDays))

  intel
    .command('remove')
    .description('Removes a list.')
    .argument('<name>', 'which one')
    .action(async (name: string) => {
      await theirs(() => feedsOf(context()).remove(name))
      await print(`${name} removed`)
    })

  intel
    .command('match')
    .description('Says what the lists say of values. Exits with 1 if one is on a list.')
    .argument('<values...>', 'addresses, names, addresses of pages, hashes')
    .addOption(new Option('--type <type>', 'what the values are (default: it is recognised)').choices(INDICATOR_TYPES))
    .option('--json', 'one JSON array')
    .action((values: string[], options: MatchOptions) => matchValues(context(), values, options))

  intel
    .command('retro')
    .description(
      'Looks for what the lists say now in the events of the store: what was not known then may be known today.\nExits with 1 if something is found.',
    )
    .option('--since <time>', 'events at or after it', 'now-7d')
    .option('-n, --limit <number>', 'matches at most', parseCount, 1000)
    .option('--json', 'one JSON object a line')
    .action((options: RetroOptions) => searchPast(context(), options))
}

async function addList(
  context: Context,
  name: string,
  source: string,
  { retroDays, ...options }: AddOptions,
): Promise<void> {
  const feeds = feedsOf(context)
  const feed = feedOf(name, source, options)
  const hunting = new Hunting(context, feeds, retroDays)
  await theirs(() => feeds.add(feed))
  let fresh: readonly Indicator[]
  try {
    fresh = await updateOne(feeds, feed)
  } catch (error) {
    feeds.remove(name)
    throw error
  }
  try {
    await hunting.hunt(feed, fresh)
  } finally {
    await hunting.tell()
  }
}

async function listLists(context: Context, json: boolean): Promise<void> {
  const feeds = await theirs(() => feedsOf(context).list())
  if (json) return print(JSON.stringify(feeds, null, 2))
  const columns = [
    { title: 'list', value: ({ name }: FeedEntry) => name },
    { title: 'kind', value: ({ isAllowList, kind }: FeedEntry) => (isAllowList ? `${kind}, allows` : kind) },
    { title: 'indicators', value: ({ indicators }: FeedEntry) => number(indicators ?? 0), right: true },
    { title: 'left out', value: ({ leftOut }: FeedEntry) => number(leftOut ?? 0), right: true },
    { title: 'updated', value: ({ updated }: FeedEntry) => (updated === undefined ? '-' : when(updated)) },
    { title: 'source', value: ({ source }: FeedEntry) => printable(source), widthMax: 60 },
  ]
  if (feeds.length > 0) await print(table(columns, feeds))
  process.stderr.write(`${counted(feeds.length, 'list')}\n`)
}

async function updateLists(context: Context, names: readonly string[], retroDays: number | undefined): Promise<void> {
  const feeds = feedsOf(context)
  const all = await theirs(() => feeds.list())
  const missing = names.find((name) => !all.some((feed) => feed.name === name))
  if (missing !== undefined) throw new UsageError(`there is no list "${missing}": see 'borescope intel list'`)
  const hunting = new Hunting(context, feeds, retroDays)
  for (const feed of all.filter(({ name }) => names.length === 0 || names.includes(name))) {
    let failed = 'stays as it was'
    try {
      const fresh = await updateOne(feeds, feed)
      failed = 'is new, but was not searched for'
      await hunting.hunt(feed, fresh)
    } catch (error) {
      process.stderr.write(
        `borescope: ${feed.name} ${failed}: ${printable(error instanceof Error ? error.message : String(error))}\n`,
      )
      process.exitCode = EXIT.INPUT
    }
  }
  await hunting.tell()
}

async function matchValues(context: Context, values: readonly string[], { type, json }: MatchOptions): Promise<void> {
  const { listed, allowed } = await theirs(() => feedsOf(context).tables())
  const rows = values.flatMap((value) => {
    const of = type ?? guessType(value)
    if (of === null) throw new UsageError(`"${value}" is neither address, name nor hash: say with --type what it is`)
    const isAllowed = [...allowed.find(of, normal(of, value))].length > 0
    return [...listed.find(of, normal(of, value))].map((hit) => ({ value, type: of, isAllowed, ...hit }))
  })
  if (json)
    await print(
      JSON.stringify(
        rows.map(({ condition: _, ...row }) => row),
        null,
        2,
      ),
    )
  else {
    for (const { value, feed, description, confidence, isAllowed } of rows) {
      const says = [
        description,
        confidence === undefined ? undefined : `confidence ${confidence}`,
        isAllowed ? 'allowed' : undefined,
      ]
      await print(`${printable(value)}  ${feed}  ${printable(says.filter((part) => part !== undefined).join('; '))}`)
    }
    process.stderr.write(`${counted(rows.length, 'match', 'matches')}\n`)
  }
  if (rows.length > 0) process.exitCode = EXIT.FOUND
}

async function searchPast(context: Context, { since, limit, json }: RetroOptions): Promise<void> {
  const lists = await theirs(() => feedsOf(context).open())
  const store = await context.openStore()
  let events = 0
  let matches = 0
  try {
    const sort = [{ field: '@timestamp', descending: false }] as const
    for await (const document of store.search({ kql: SEARCHED, since, sort })) {
      events++
      const match = lists.match(document)
      if (match === null) continue
      matches++
      await print(json ? retroJson(document, match) : retroLine(document, match))
      if (matches >= limit) break
    }
  } finally {
    await store.close()
  }
  process.stderr.write(`${counted(matches, 'match', 'matches')} in ${counted(events, 'event')}\n`)
  if (matches > 0) process.exitCode = EXIT.FOUND
}

type Found = NonNullable<ReturnType<ReturnType<IntelFeeds['open']>['match']>>

function retroLine(document: EventDocument, { value, hit }: Found): string {
  return `${when(document['@timestamp'])}  ${printable(value)}  ${hit.feed}  ${printable(document.message ?? document['event.action'])}`
}

function retroJson(document: EventDocument, { field, value, hit }: Found): string {
  const { '@timestamp': time, 'event.id': id, 'event.action': action } = document
  return JSON.stringify({ time, id, action, field, value, feed: hit.feed, description: hit.description })
}

function feedOf(name: string, source: string, options: AddOptions): FeedEntry {
  const { taxii, misp, allow, authorizationFile, ...rest } = options
  const isHttp = /^https?:\/\//.test(source)
  if (!isHttp && !existsSync(source)) throw new UsageError(`${source} does not exist`)
  const isMisp =
    misp === true || (!isHttp && statSync(source).isDirectory() && existsSync(join(source, 'manifest.json')))
  const kind = taxii ? 'taxii' : isMisp ? 'misp' : isHttp ? 'http' : 'file'
  return {
    name,
    source: isHttp ? source : resolve(source),
    kind,
    isAllowList: allow === true,
    ...(authorizationFile === undefined ? {} : { authorizationFile: resolve(authorizationFile) }),
    ...rest,
  }
}

/** Fetches a list; what it did not say before. */
async function updateOne(feeds: IntelFeeds, feed: FeedEntry): Promise<readonly Indicator[]> {
  const { feed: updated, isChanged, fresh, problems } = await theirs(() => feeds.update(feed, Date.now()))
  for (const problem of problems.slice(0, 5)) process.stderr.write(`borescope: ${feed.name}: ${printable(problem)}\n`)
  if (problems.length > 5)
    process.stderr.write(`borescope: ${feed.name}: and ${number((updated.leftOut ?? problems.length) - 5)} more\n`)
  await print(`${feed.name}: ${counted(updated.indicators ?? 0, 'indicator')}${isChanged ? '' : ', nothing new'}`)
  return fresh
}

function retroOption(): Option {
  return new Option(
    '--retro-days <days>',
    'search so many days of stored events for what is new; 0: none (default: intel.retroDays)',
  ).argParser(parseDays)
}

/** Searches the past for what is new on lists, keeps what is found, and tells people of it at the end. */
class Hunting {
  readonly #context: Context
  readonly #feeds: IntelFeeds
  readonly #retroDays: number
  readonly #hasSinks: boolean
  #notifications = 0

  constructor(context: Context, feeds: IntelFeeds, retroDays = context.config.intel.retroDays) {
    this.#context = context
    this.#feeds = feeds
    this.#retroDays = retroDays
    this.#hasSinks = Object.keys(context.config.alerts.sinks).length > 0
  }

  async hunt({ name, isAllowList }: FeedEntry, fresh: readonly Indicator[]): Promise<void> {
    const { store, sensor } = this.#context.config
    // Without a store there is no past.
    const hasPast = store.kind !== 'embedded' || existsSync(store.path)
    if (isAllowList || fresh.length === 0 || this.#retroDays === 0 || !hasPast) return this.#feeds.searched(name)
    const nowMs = Date.now()
    const events = await this.#context.openStore()
    let result: Hunt
    try {
      const indicators = this.#feeds.openOnly(name, fresh)
      const observer = { name: sensor.name, version: VERSION }
      const sinceMs = nowMs - this.#retroDays * DAY_MS
      result = await hunt(events, indicators, this.#context.rules().set, observer, sinceMs, nowMs)
    } finally {
      await events.close()
    }
    await print(huntLine(name, fresh.length, result))
    if (result.documents.length > 0) {
      // What is stored is not found again: what it says is kept before.
      if (this.#hasSinks) this.#notifications += keepPast(this.#context.config, result.documents)
      if (!(await keep(this.#context, result.documents))) return
    }
    this.#feeds.searched(name)
  }

  /** Whoever is told of alerts is told of these, and of what an earlier search could not tell; what cannot be sent waits. */
  async tell(): Promise<void> {
    if (!this.#hasSinks) return
    const warn = (message: string) => process.stderr.write(`borescope: ${message}\n`)
    const undelivered = await sendPast(this.#context.config, { command: 'borescope intel', warn })
    if (this.#notifications > 0) await print(`${counted(this.#notifications, 'notification')} of what was found`)
    if (undelivered === 0) return
    warn(
      `${counted(undelivered, 'notification')} could not be sent: the next search tries again, or a sensor that tells`,
    )
    process.exitCode = EXIT.UNDELIVERED
  }
}

const DAY_MS = 86_400_000

function huntLine(name: string, indicators: number, { events, findings, alerts, known, leftOut }: Hunt): string {
  const more = [
    ...(known > 0 ? [`${number(known)} known already`] : []),
    ...(leftOut > 0 ? [`${counted(leftOut, 'event')} left out: too many findings`] : []),
  ]
  const rest = more.length === 0 ? '' : ` (${more.join(', ')})`
  return `${name}: ${counted(indicators, 'new indicator')} in ${counted(events, 'event')} of before: ${counted(findings, 'finding')}, ${counted(alerts, 'alert')}${rest}`
}

/** Stores what was found; whether all that may be stored is. The rest is looked for again. */
async function keep(context: Context, documents: readonly EventDocument[]): Promise<boolean> {
  const store = await context.createStore()
  try {
    const { later, rejected } = await store.write(documents)
    if (later.length + rejected.length === 0) return true
    const again = later.length === 0 ? 'the store refuses it' : "the next 'borescope intel update' looks for it again"
    process.stderr.write(
      `borescope: ${counted(later.length + rejected.length, 'event')} could not be stored: ${again}\n`,
    )
    process.exitCode = EXIT.UNDELIVERED
    return later.length === 0
  } finally {
    await store.close()
  }
}

function parseDays(text: string): number {
  const value = Number(text)
  if (text.trim() === '' || !(value >= 0 && value <= 3650))
    throw new InvalidArgumentError('expected days, from 0 to 3650')
  return value
}

function parsePercent(text: string): number {
  const value = Number(text)
  if (text.trim() === '' || !(value >= 0 && value <= 100))
    throw new InvalidArgumentError('expected a number from 0 to 100')
  return value
}
