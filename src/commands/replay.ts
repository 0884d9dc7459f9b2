/** `borescope replay`: captures in, events out. */
import cliProgress from 'cli-progress'
import { type Command, InvalidArgumentError, Option } from 'commander'
import { saveBaselines } from '../baseline-file.ts'
import { type CapturePaths, capturePaths } from '../capture/paths.ts'
import { LEVELS, SEVERITIES } from '../alert-config.ts'
import { Alerting } from '../alerting.ts'
import type { RuleSet } from '../detect/rules.ts'
import type { Emit } from '../events/catalogue.ts'
import { Deliveries } from '../deliveries.ts'
import { type Delivery, type DeliveryCounts, droppedIn } from '../output/delivery.ts'
import { NdjsonWriter } from '../output/ndjson.ts'
import { Threads, threadsFor } from '../parallel/threads.ts'
import { OneThread, type Timeline, type Timelines } from '../timeline.ts'
import { VERSION } from '../version.ts'
import { createBaselines, readBaselines } from './baseline.ts'
import { type Context, EXIT, UsageError } from './context.ts'
import { STORE } from './destinations.ts'
import { openEnrichers } from './enrichment.ts'
import { Summary, type SummaryTotals } from './summary.ts'
import { bytes, counted, number, paint, print, printable, warn } from './terminal.ts'

interface ReplayOptions {
  readonly out?: string
  readonly store: boolean
  readonly order: 'time' | 'each'
  readonly failOn?: (typeof LEVELS)[number]
  readonly notify?: boolean
  readonly json?: boolean
  readonly quiet?: boolean
  readonly baseline?: boolean
  readonly threads?: number | 'auto'
}

/** Ctrl-C or a polite kill: what was read so far is analysed to its end; the second one ends the process at once. */
const interruption: { signal: 'SIGINT' | 'SIGTERM' | null } = { signal: null }

/** Captures that are merged are all open at once, with a buffer each. */
const MERGED_MAX = 512

/** Of one analysis. */
const THREADS_MAX = 64

export function registerReplay(program: Command, context: () => Context): void {
  program
    .command('replay')
    .summary('analyse captures: events into the store, a summary for you')
    .description(
      'Analyses captures (pcap or pcapng; plain, gzip or zstd; "-" is stdin). Events go to the store, where\nquery, tunnels, sessions, users, alerts and show find them. Replaying a capture again in the same way stores nothing twice.',
    )
    .argument('<captures...>', 'files, folders, or - for stdin')
    .option('-o, --out <file>', 'also write the events as NDJSON; - is stdout, and then there is no summary')
    .option('--no-store', 'do not write to the store')
    .option('--baseline', 'learn what is usual, and tell what is not (see baseline --help)')
    .addOption(
      new Option('--order <order>', 'time: all captures on one timeline; each: every capture by itself')
        .choices(['time', 'each'])
        .default('time'),
    )
    .option('--threads <n>', 'that share the work: 1, more, or auto; the events are the same', threadsOption, 'auto')
    .addOption(
      new Option('--fail-on <level>', 'exit with 1 if an alert has this level or a higher one').choices(LEVELS),
    )
    .option('--notify', 'tell people of alerts through the sinks of the configuration; without this nobody is told')
    .option('--json', 'the summary as one JSON object')
    .option('-q, --quiet', 'neither progress nor summary')
    .action(async (captures: string[], options: ReplayOptions) => {
      process.exitCode = await replay(context(), captures, options)
    })
}

async function replay(context: Context, captures: readonly string[], options: ReplayOptions): Promise<number> {
  const paths = await expand(captures, options)
  if (paths.captures.length === 0) {
    process.stderr.write(`borescope: no captures in ${captures.join(', ')}\n`)
    return EXIT.INPUT
  }
  for (const signal of ['SIGINT', 'SIGTERM'] as const) {
    process.once(signal, () => {
      interruption.signal = signal
      process.stderr.write('borescope: stopping; what was read is kept\n')
    })
  }
  const analysis = await analyse(context, paths.captures, options)
  const { totals, summary, sinks, notified, damaged } = analysis
  const missing = undelivered([...sinks.map(({ delivery }) => delivery), ...(notified?.sinks ?? [])])
  for (const line of damaged) process.stderr.write(`borescope: ${printable(line)}\n`)
  if (missing > 0) {
    process.stderr.write(
      `borescope: ${counted(missing, 'event')} could not be delivered: see 'borescope status', then 'borescope spool send'\n`,
    )
  }
  if (options.json) await print(JSON.stringify(asJson(totals, summary, sinks, notified)))
  else if (!options.quiet && options.out !== '-')
    await print(`${summary.text(totals)}\n\n${ending(context, sinks, summary, notified)}`)
  // What lies in a folder beside the captures is no input; what was named is.
  if (interruption.signal !== null) return interruption.signal === 'SIGINT' ? 130 : 143
  if (damaged.length > 0 || paths.skipped.some(({ path }) => captures.includes(path))) return EXIT.INPUT
  if (options.failOn !== undefined && summary.severityMax >= SEVERITIES[options.failOn]) return EXIT.FOUND
  return missing > 0 ? EXIT.UNDELIVERED : EXIT.FINE
}

async function expand(captures: readonly string[], options: ReplayOptions): Promise<CapturePaths> {
  const paths = await capturePaths(captures)
  for (const { path, reason } of paths.skipped) {
    if (captures.includes(path)) process.stderr.write(`borescope: ${printable(path)} ${reason}\n`)
  }
  if (options.order === 'time' && paths.captures.length > MERGED_MAX) {
    throw new UsageError(
      `${paths.captures.length} captures are too many for one timeline (${MERGED_MAX}); use --order each, or join them with mergecap`,
    )
  }
  return paths
}

export interface Analysis {
  readonly totals: SummaryTotals
  readonly summary: Summary
  readonly sinks: readonly Sink[]
  /** Null if nobody was to be told. */
  readonly notified: Notified | null
  /** What is wrong with captures that could not be read to their end. */
  readonly damaged: readonly string[]
}

/** The work itself: captures through sensors into sinks. */
export async function analyse(
  context: Context,
  paths: readonly string[],
  options: Pick<ReplayOptions, 'order' | 'store' | 'out' | 'notify' | 'quiet' | 'baseline' | 'threads'>,
): Promise<Analysis> {
  const { set } = context.rules()
  if (set.problems.some(({ severity }) => severity === 'error')) {
    process.stderr.write("borescope: some rules are not used because they are wrong: see 'borescope rules check'\n")
  }
  const enrichers = openEnrichers(context.config)
  // The habits outlive the sensors of the captures: what deviates goes to the one at work.
  let emit: Emit = () => {}
  const baselines = options.baseline ? createBaselines(context.config, (event) => emit(event)) : null
  if (baselines !== null) readBaselines(context.config.baseline.path, baselines)
  const deliveries = new Deliveries(context.config.delivery, 'borescope replay', warn)
  const sinks: Sink[] = []
  let alerting: Alerting | null = null
  const notified: Notified = { heldBack: 0, duplicates: 0, unrouted: 0, sinks: [] }
  const summary = new Summary()
  const progress = new Progress(options.quiet !== true && options.out !== '-')
  const totals = { captures: paths.length, packets: 0, bytes: 0, duplicates: 0, trafficNs: 0, seconds: 0 }
  const startedMs = performance.now()
  const damaged: string[] = []
  const groups = options.order === 'each' ? paths.map((path) => [path]) : [paths]
  const timelines = openTimelines(context, set, options.threads ?? 1, groups)
  try {
    if (options.notify) alerting = openAlerting(context, deliveries)
    await openSinks(context, deliveries, options, sinks)
    for (const group of groups) {
      if (interruption.signal !== null) break
      const timeline = await timelines.open(group, damaged)
      if (timeline === null) continue
      const { bus } = timeline
      emit = bus.emit
      for (const enricher of enrichers) bus.enrich(enricher)
      if (baselines !== null) bus.subscribe(baselines.observe)
      bus.subscribe(summary.observe)
      for (const { delivery } of sinks) bus.subscribe(delivery.push)
      // Of each timeline for itself: the next one may lie a year before.
      const router = alerting?.router()
      if (router !== undefined) bus.subscribe(router.observe)
      await runTimeline(timeline, deliveries, progress)
      router?.end()
      for (const name of ['heldBack', 'duplicates', 'unrouted'] as const) notified[name] += router?.counters[name] ?? 0
      totals.packets += timeline.counts.packets
      totals.bytes += timeline.counts.bytes
      totals.duplicates += timeline.counts.duplicates
      totals.trafficNs += timeline.trafficNs
      for (const { capture, fault } of timeline.faults) {
        damaged.push(`${capture} is damaged at byte ${fault.offset}: ${fault.message} (${fault.name})`)
      }
    }
    await deliveries.flush()
    await deliveries.close()
    for (const sink of sinks) await sink.finish()
    if (baselines !== null) saveBaselines(context.config.baseline.path, baselines)
  } catch (error) {
    await deliveries.close()
    for (const sink of sinks) await sink.abort()
    throw error
  } finally {
    await timelines.close()
    await alerting?.close()
  }
  totals.seconds = (performance.now() - startedMs) / 1000
  for (const { name, delivery } of alerting?.deliveries ?? []) notified.sinks.push({ name, counts: delivery.counts })
  return { totals, summary, sinks, notified: alerting === null ? null : notified, damaged }
}

function openTimelines(
  context: Context,
  set: RuleSet,
  threads: number | 'auto',
  groups: readonly (readonly string[])[],
): Timelines {
  const espKeys = context.espKeys()
  const count = threads === 'auto' ? threadsFor(groups.flat()) : threads
  if (count === 1) return new OneThread(context.config, VERSION, set, espKeys)
  const capturesMax = Math.max(...groups.map(({ length }) => length))
  return new Threads(context.config, VERSION, set, count - 1, capturesMax)
}

function threadsOption(value: string): number | 'auto' {
  if (value === 'auto') return value
  const threads = Number(value)
  if (Number.isInteger(threads) && threads >= 1 && threads <= THREADS_MAX) return threads
  throw new InvalidArgumentError(`It is auto, or a number from 1 to ${THREADS_MAX}.`)
}

async function runTimeline(timeline: Timeline, deliveries: Deliveries, progress: Progress): Promise<void> {
  const { names } = timeline
  progress.begin(
    names.length === 1 ? printable(names[0]) : counted(names.length, 'capture'),
    timeline.progress.bytesTotal,
  )
  try {
    await timeline.run(async () => {
      progress.advance(timeline.progress.bytesRead, timeline.counts.packets)
      await deliveries.drain()
      return interruption.signal !== null
    })
  } finally {
    progress.end()
  }
}

/** What became of the alerts that people were to be told of. */
interface Notified {
  heldBack: number
  duplicates: number
  unrouted: number
  readonly sinks: { readonly name: string; readonly counts: DeliveryCounts }[]
}

function openAlerting(context: Context, deliveries: Deliveries): Alerting {
  if (Object.keys(context.config.alerts.sinks).length === 0) {
    throw new UsageError('--notify has nobody to tell: no sinks are configured (alerts.sinks)')
  }
  return new Alerting(context.config, deliveries, process.env)
}

/** Where events go. */
interface Sink {
  readonly delivery: Delivery
  readonly isStore: boolean
  /** What stands at the end of the summary. */
  readonly says: () => string
  /** Everything is delivered, or lies in the spool. */
  finish(): Promise<void>
  abort(): Promise<void>
}

async function openSinks(
  context: Context,
  deliveries: Deliveries,
  options: Pick<ReplayOptions, 'out' | 'store'>,
  sinks: Sink[],
): Promise<void> {
  if (options.out !== undefined) sinks.push(ndjsonSink(options.out, deliveries))
  if (options.store) sinks.push(await storeSink(context, deliveries))
}

function ndjsonSink(path: string, deliveries: Deliveries): Sink {
  const writer = new NdjsonWriter(path)
  return {
    delivery: deliveries.openFile(path, writer),
    isStore: false,
    says: () => `Events written to ${path}`,
    finish: () => writer.close(),
    abort: () => writer.abort(),
  }
}

async function storeSink(context: Context, deliveries: Deliveries): Promise<Sink> {
  const store = await context.createStore()
  const delivery = deliveries.open(STORE, store, context.storeKind)
  // Where one sensor writes one file, `borescope status` says the same.
  if (context.storeKind === 'remote') {
    deliveries.reportHealth(delivery, { name: context.config.sensor.name, version: VERSION })
  }
  return {
    delivery,
    isStore: true,
    says: () => `Events: ${deliverySays(delivery.counts, context.storeName)}`,
    async finish() {
      await store.prune(context.retention)
      await store.close()
    },
    abort: () => store.close(),
  }
}

function notificationLines({ config }: Context, summary: Summary, notified: Notified | null): string[] {
  if (notified === null) {
    const isForgotten = summary.alertCount > 0 && Object.keys(config.alerts.sinks).length > 0
    return isForgotten ? ['Notifications: nobody was told of the alerts; --notify does'] : []
  }
  const lines = notified.sinks.map(({ name, counts }) => `Notifications: ${deliverySays(counts, name, 'sent to')}`)
  const { heldBack, duplicates, unrouted } = notified
  const rest = [
    ...(heldBack > 0 ? [`${number(heldBack)} held back for a while`] : []),
    ...(duplicates > 0 ? [`${number(duplicates)} left out as duplicates`] : []),
    ...(unrouted > 0 ? [`${number(unrouted)} for nobody by the routes`] : []),
  ]
  return rest.length === 0 ? lines : [...lines, `Of the alerts: ${rest.join(', ')}`]
}

function deliverySays(counts: DeliveryCounts, where: string, verb = 'stored in'): string {
  const { stored, duplicates, quarantined, spooled } = counts
  const parts = [`${number(stored)} ${verb} ${where}`]
  if (duplicates > 0) parts.push(`${number(duplicates)} were there already`)
  if (quarantined > 0) parts.push(`${number(quarantined)} refused (see 'borescope quarantine list')`)
  if (spooled > 0) parts.push(`${number(spooled)} wait in the spool (sent by the next run, or 'borescope spool send')`)
  for (const [reason, count] of Object.entries(counts.dropped)) parts.push(`${number(count)} lost (${reason})`)
  return parts.join(', ')
}

/** Events that are not where they should be; those in the quarantine are, for the destination does not want them. */
function undelivered(deliveries: readonly { readonly counts: DeliveryCounts }[]): number {
  return deliveries.reduce((sum, { counts }) => sum + counts.spooled + droppedIn(counts), 0)
}

function asJson(totals: SummaryTotals, summary: Summary, sinks: readonly Sink[], notified: Notified | null): object {
  const store = sinks.find(({ isStore }) => isStore)?.delivery.counts
  return {
    captures: totals.captures,
    packets: totals.packets,
    bytes: totals.bytes,
    duplicates: totals.duplicates,
    seconds: Number(totals.seconds.toFixed(3)),
    events: summary.counts,
    store: store === undefined ? null : totalsOf(store),
    notifications: notified && {
      ...notified,
      sinks: Object.fromEntries(notified.sinks.map(({ name, counts }) => [name, totalsOf(counts)])),
    },
    alertCount: summary.alertCount,
    alerts: summary.alerts.map((alert) => ({
      id: alert['event.id'],
      time: alert['@timestamp'],
      level: alert['rule.level'],
      rule: alert['rule.name'],
      entity: alert['alert.entity'],
      events: alert['alert.events'],
    })),
  }
}

function totalsOf(counts: DeliveryCounts) {
  const { resumed, stored, duplicates, quarantined, spooled, dropped } = counts
  return { resumed, stored, duplicates, quarantined, spooled, dropped }
}

function ending(context: Context, sinks: readonly Sink[], summary: Summary, notified: Notified | null): string {
  const lines = [...sinks.map((sink) => sink.says()), ...notificationLines(context, summary, notified)].map((line) =>
    paint('dim', line),
  )
  if (!sinks.some(({ isStore }) => isStore)) return lines.join('\n')
  const alert = summary.gravest
  const next = [
    ['borescope alerts', 'what fired, newest first'],
    ['borescope users', 'who logged in, from where, and who failed to'],
    ['borescope tunnels', 'every tunnel'],
    [
      alert === undefined ? 'borescope show TUNNEL' : `borescope show ${alert['event.id']}`,
      'the whole story of one of them',
    ],
    [`borescope query 'event.action: ppp.* and user.name: *'`, 'anything else'],
  ]
  const wide = Math.max(...next.map(([command]) => command.length))
  lines.push(
    '',
    paint('bold', 'Next'),
    ...next.map(([command, says]) => `  ${paint('cyan', command.padEnd(wide))}  ${paint('dim', says)}`),
  )
  return lines.join('\n')
}

/** A bar on stderr, if that is a terminal; for short work it never shows. */
class Progress {
  readonly #bar: cliProgress.SingleBar | null
  #isShown = false

  constructor(isWanted: boolean) {
    this.#bar =
      isWanted && process.stderr.isTTY
        ? new cliProgress.SingleBar(
            {
              format: '{name} [{bar}] {percentage}% | {read} | {packets} packets | {eta_formatted}',
              hideCursor: true,
              clearOnComplete: true,
              stream: process.stderr,
            },
            cliProgress.Presets.shades_classic,
          )
        : null
  }

  begin(name: string, total: number | null): void {
    if (this.#bar === null || total === null) return
    this.#bar.start(total, 0, { name, read: '0 B', packets: '0' })
    this.#isShown = true
  }

  advance(read: number, packets: number): void {
    if (this.#isShown) this.#bar?.update(read, { read: bytes(read), packets: number(packets) })
  }

  end(): void {
    if (this.#isShown) this.#bar?.stop()
    this.#isShown = false
  }
}
