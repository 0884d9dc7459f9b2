/**
 * The lists that are in use, on disk: `feeds.json` says where each comes from, a file of its own holds its indicators, one a line,
 * and another one those that nobody has looked for in the past yet. Everything is written beside itself and renamed.
 */
import { createHash } from 'node:crypto'
import { existsSync, readFileSync, renameSync, rmSync, statSync, writeFileSync } from 'node:fs'
import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { z } from 'zod'
import { makeFolder } from './base/folder.ts'
import { type Indicator, TLP } from './enrich/intel/indicator.ts'
import { IndicatorTable } from './enrich/intel/index-table.ts'
import { Intel } from './enrich/intel/intel.ts'
import { FORMATS, type Format, IntelError, parseIndicators } from './enrich/intel/parse.ts'
import { fetchCollection } from './enrich/intel/taxii.ts'

const NAME = /^[\w.-]{1,64}$/
const BYTES_MAX = 1 << 30
const HTTP_TIMEOUT_MS = 60_000

const FEED = z.strictObject({
  name: z.string().regex(NAME, 'letters, digits, dots and dashes'),
  /** A file, a folder or address of a MISP feed, an address, or a collection of TAXII. */
  source: z.string().min(1),
  kind: z.enum(['file', 'http', 'taxii', 'misp']),
  isAllowList: z.boolean(),
  format: z.enum(FORMATS).optional(),
  confidence: z.number().min(0).max(100).optional(),
  tlp: z.enum(TLP).optional(),
  /** Indicators that the list saw last before so many days are dropped. */
  expireDays: z.number().positive().optional(),
  /** A file that holds the header Authorization. */
  authorizationFile: z.string().optional(),
  updated: z.string().optional(),
  indicators: z.number().optional(),
  leftOut: z.number().optional(),
  sha256: z.string().optional(),
  etag: z.string().optional(),
  addedAfter: z.string().optional(),
})
export type FeedEntry = z.output<typeof FEED>

export interface Update {
  readonly feed: FeedEntry
  readonly isChanged: boolean
  /** What the list says since `searched` was called; what only changed its description or its dates is not among it. */
  readonly fresh: readonly Indicator[]
  readonly problems: readonly string[]
}

export class IntelFeeds {
  readonly #folder: string
  readonly #entriesMax: number

  constructor(folder: string, entriesMax: number) {
    this.#folder = folder
    this.#entriesMax = entriesMax
  }

  /** @throws {IntelError} if the file is damaged */
  list(): FeedEntry[] {
    const path = join(this.#folder, 'feeds.json')
    if (!existsSync(path)) return []
    try {
      return z.array(FEED).parse(JSON.parse(readFileSync(path, 'utf8')))
    } catch (error) {
      throw new IntelError(`${path}: ${error instanceof z.ZodError ? z.prettifyError(error) : error}`)
    }
  }

  add(feed: FeedEntry): void {
    const checked = FEED.safeParse(feed)
    if (!checked.success) throw new IntelError(z.prettifyError(checked.error))
    const feeds = this.list()
    if (feeds.some(({ name }) => name === feed.name)) throw new IntelError(`there is a list "${feed.name}" already`)
    this.#write([...feeds, checked.data])
  }

  remove(name: string): void {
    const feeds = this.list()
    if (!feeds.some((feed) => feed.name === name)) throw new IntelError(`there is no list "${name}"`)
    this.#write(feeds.filter((feed) => feed.name !== name))
    rmSync(this.#data(name), { force: true })
    this.searched(name)
  }

  /** Fetches a list again. What cannot be had leaves the list as it was, and rejects. */
  async update(feed: FeedEntry, nowMs: number): Promise<Update> {
    const fetched = await this.#fetch(feed)
    if (fetched === null)
      return { feed, isChanged: false, fresh: this.#read(this.#unsearched(feed.name)), problems: [] }
    const kept = fetched.indicators
      .map((indicator) => withDefaults(feed, indicator))
      .filter((indicator) => isAlive(feed, indicator, nowMs))
    const known = this.#read(this.#data(feed.name))
    const before = feed.kind === 'taxii' && feed.addedAfter !== undefined ? known : []
    const all = [...before, ...kept]
    const names = new Set(known.map(nameOf))
    for (const indicator of this.#read(this.#unsearched(feed.name))) names.delete(nameOf(indicator))
    const fresh = all.filter((indicator) => !names.has(nameOf(indicator)))
    // Before the list says it: what is on the list and not here counts as looked for.
    if (fresh.length > 0) this.#replace(this.#unsearched(feed.name), textOf(fresh))
    else this.searched(feed.name)
    const text = textOf(all)
    this.#replace(this.#data(feed.name), text)
    const updated: FeedEntry = {
      ...feed,
      updated: new Date(nowMs).toISOString(),
      indicators: all.length,
      leftOut: fetched.leftOut,
      sha256: createHash('sha256').update(text).digest('hex'),
      etag: fetched.etag,
      addedAfter: fetched.addedAfter,
    }
    this.#write(this.list().map((each) => (each.name === feed.name ? updated : each)))
    return { feed: updated, isChanged: updated.sha256 !== feed.sha256, fresh, problems: fetched.problems }
  }

  /** What is fresh on a list was looked for in the past, or is not to be. */
  searched(name: string): void {
    rmSync(this.#unsearched(name), { force: true })
  }

  /** All lists, ready to be asked. */
  open(): Intel {
    const tables = this.tables()
    return new Intel(tables.listed, tables.allowed)
  }

  /** Some indicators of a list alone, ready to be asked; what is allowed is allowed. */
  openOnly(name: string, indicators: readonly Indicator[]): Intel {
    return new Intel(new IndicatorTable([{ name, indicators }], this.#entriesMax), this.tables().allowed)
  }

  tables(): { readonly listed: IndicatorTable; readonly allowed: IndicatorTable } {
    const feeds = this.list().map((feed) => ({ ...feed, indicators: this.#read(this.#data(feed.name)) }))
    const [allowed, listed] = [true, false].map(
      (isAllowList) =>
        new IndicatorTable(
          feeds.filter((feed) => feed.isAllowList === isAllowList),
          this.#entriesMax,
        ),
    )
    return { listed, allowed }
  }

  async #fetch(feed: FeedEntry) {
    const authorization =
      feed.authorizationFile === undefined ? undefined : (await readFile(feed.authorizationFile, 'utf8')).trim()
    if (feed.kind === 'taxii') return fetchTaxii(feed, authorization)
    if (feed.kind === 'misp') return fetchMisp(feed, authorization)
    const read =
      feed.kind === 'file'
        ? { text: readText(feed.source), etag: undefined }
        : await download(feed.source, feed.etag, authorization)
    return read === null
      ? null
      : { ...parseIndicators(read.text, feed.format as Format | undefined), etag: read.etag, addedAfter: undefined }
  }

  #read(path: string): Indicator[] {
    if (!existsSync(path)) return []
    return readFileSync(path, 'utf8')
      .split('\n')
      .filter((line) => line !== '')
      .map((line) => JSON.parse(line) as Indicator)
  }

  #data(name: string): string {
    return join(this.#folder, `${name}.ndjson`)
  }

  /** Its end tells it from the file of any list. */
  #unsearched(name: string): string {
    return `${this.#data(name)}.unsearched`
  }

  #write(feeds: readonly FeedEntry[]): void {
    this.#replace(join(this.#folder, 'feeds.json'), `${JSON.stringify(feeds, null, 2)}\n`)
  }

  #replace(path: string, text: string): void {
    makeFolder(this.#folder)
    const temporary = `${path}.${process.pid}.partial`
    writeFileSync(temporary, text, { mode: 0o600 })
    renameSync(temporary, path)
  }
}

/** One a line. */
function textOf(indicators: readonly Indicator[]): string {
  return indicators.map((indicator) => `${JSON.stringify(indicator)}\n`).join('')
}

/** What an indicator looks for. */
function nameOf({ type, value, condition }: Indicator): string {
  return JSON.stringify([type, value, condition])
}

function withDefaults({ confidence, tlp }: FeedEntry, indicator: Indicator): Indicator {
  return {
    ...(confidence === undefined ? {} : { confidence }),
    ...(tlp === undefined ? {} : { tlp }),
    ...indicator,
  }
}

function isAlive({ expireDays }: FeedEntry, { validUntilMs, lastSeenMs }: Indicator, nowMs: number): boolean {
  if (validUntilMs !== undefined && validUntilMs < nowMs) return false
  return expireDays === undefined || lastSeenMs === undefined || nowMs - lastSeenMs <= expireDays * 86_400_000
}

function readText(path: string): string {
  const about = statSync(path)
  const { size } = about
  if (about.isDirectory())
    throw new IntelError(`${path} is a folder, not a list; that of a MISP feed has a manifest.json`)
  if (about.isCharacterDevice() || about.isBlockDevice()) throw new IntelError(`${path} is a device, not a list`)
  if (size > BYTES_MAX) throw new IntelError(`${path} has ${size} bytes; ${BYTES_MAX} are the most`)
  return readFileSync(path, 'utf8')
}

/** The text at an address; null if it has not changed. */
async function download(url: string, etag: string | undefined, authorization: string | undefined) {
  const answer = await fetch(url, {
    headers: {
      ...(etag === undefined ? {} : { 'if-none-match': etag }),
      ...(authorization === undefined ? {} : { authorization }),
    },
    signal: AbortSignal.timeout(HTTP_TIMEOUT_MS),
  })
  if (answer.status === 304) return null
  if (!answer.ok) throw new IntelError(`${url} answered ${answer.status} ${answer.statusText}`)
  return { text: await answer.text(), etag: answer.headers.get('etag') ?? undefined }
}

async function fetchTaxii(feed: FeedEntry, authorization: string | undefined) {
  const indicators: Indicator[] = []
  const problems: string[] = []
  let leftOut = 0
  let { addedAfter } = feed
  for await (const page of fetchCollection(feed.source, { addedAfter: feed.addedAfter, authorization })) {
    const parsed = parseIndicators(JSON.stringify({ objects: page.objects }), 'stix')
    indicators.push(...parsed.indicators)
    problems.push(...parsed.problems)
    leftOut += parsed.leftOut
    addedAfter = page.addedAfter
  }
  return { indicators, problems, leftOut, etag: undefined, addedAfter }
}

/** A MISP feed: a manifest, and an event in a file of its own for each of its keys. */
async function fetchMisp(feed: FeedEntry, authorization: string | undefined) {
  const base = feed.source.replace(/\/$/, '')
  const read = async (name: string) =>
    /^https?:/.test(base)
      ? ((await download(`${base}/${name}`, undefined, authorization))?.text ?? '')
      : readText(join(base, name))
  const manifest = JSON.parse(await read('manifest.json')) as Record<string, unknown>
  const indicators: Indicator[] = []
  const problems: string[] = []
  let leftOut = 0
  for (const uuid of Object.keys(manifest)) {
    if (!/^[0-9a-f-]{36}$/i.test(uuid)) {
      problems.push(`manifest.json: "${uuid.slice(0, 60)}" is no UUID`)
      continue
    }
    try {
      const parsed = parseIndicators(await read(`${uuid}.json`), 'misp')
      indicators.push(...parsed.indicators)
      leftOut += parsed.leftOut
    } catch (error) {
      problems.push(`${uuid}.json: ${error instanceof Error ? error.message : error}`)
    }
  }
  return { indicators, problems, leftOut, etag: undefined, addedAfter: undefined }
}
