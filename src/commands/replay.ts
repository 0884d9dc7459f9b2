/** `borescope replay`: captures in, events out. */
import cliProgress from 'cli-progress'
import { type Command, Option } from 'commander'
import { saveBaselines } from '../baseline-file.ts'
import { type MergedSource, mergeByTime } from '../capture/merge.ts'
import { type CapturePaths, capturePaths } from '../capture/paths.ts'
import { CaptureError, openCapture, type Source } from '../capture/sources.ts'
import { LEVELS, SEVERITIES } from '../alert-config.ts'
import { Alerting } from '../alerting.ts'
import type { Emit } from '../events/catalogue.ts'
import { Deliveries } from '../deliveries.ts'
import { type Delivery, type DeliveryCounts, droppedIn } from '../output/delivery.ts'
import { NdjsonWriter } from '../output/ndjson.ts'
import { Recording, type RecordingCounters } from '../recording.ts'
import { Sensor } from '../sensor.ts'
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
  readonly evidence?: string
}

/** Ctrl-C or a polite kill: what was read so far is analysed to its end; the second one ends the process at once. */
const interruption: { signal: 'SIGINT' | 'SIGTERM' | null } = { signal: null }

/** Captures that are merged are all open at once, with a buffer each. */
const MERGED_MAX = 512

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
    .option('--evidence <folder>', 'keep the packets as evidence in this folder (see extract --help)')
    .option('--baseline', 'learn what is usual, and tell what is not (see baseline --help)')
    .addOption(
      new Option('--order <order>', 'time: all captures on one timeline; each: every capture by itself')
        .choices(['time', 'each'])
        .default('time'),
    )
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
  const { totals, summary, sinks, notified, damaged, evidence } = analysis
  const missing = undelivered([...sinks.map(({ delivery }) => delivery), ...(notified?.sinks ?? [])])
  for (const line of damaged) process.stderr.write(`borescope: ${printable(line)}\n`)
  if (missing > 0) {
    process.stderr.write(
      `borescope: ${counted(missing, 'event')} could not be delivered: see 'borescope status', then 'borescope spool send'\n`,
    )
  }
  if (options.json) await print(JSON.stringify({ ...asJson(totals, summary, sinks, notified), evidence }))
  else if (!options.quiet && options.out !== '-')
    await print(`${summary.text(totals)}\n\n${ending(context, sinks, summary, notified, evidence)}`)
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
  /** What became of the packets as evidence; null if none were to be kept. */
  readonly evidence: RecordingCounters | null
}

/** The work itself: captures through sensors into sinks. */
export async function analyse(
  context: Context,
  paths: readonly string[],
  options: Pick<ReplayOptions, 'order' | 'store' | 'out' | 'notify' | 'quiet' | 'baseline' | 'evidence'>,
): Promise<Analysis> {
  const { set } = context.rules()
  if (set.problems.some(({ severity }) => severity === 'error')) {
    process.stderr.write("borescope: some rules are not used because they are wrong: see 'borescope rules check'\n")
  }
  const espKeys = context.espKeys()
  const enrichers = openEnrichers(context.config)
  // The habits outlive the sensors of the captures: what deviates goes to the one at work.
  let emit: Emit = () => {}
  const baselines = options.baseline ? createBaselines(context.config, (event) => emit(event)) : null
  if (baselines !== null) readBaselines(context.config.baseline.path, baselines)
  const deliveries = new Deliveries(context.config.delivery, 'borescope replay', warn)
  const sinks: Sink[] = []
  let alerting: Alerting | null = null
  let recording: Recording | null = null
  const notified: Notified = { heldBack: 0, duplicates: 0, unrouted: 0, sinks: [] }
  const summary = new Summary()
  const progress = new Progress(options.quiet !== true && options.out !== '-')
  const totals = { captures: paths.length, packets: 0, bytes: 0, duplicates: 0, trafficNs: 0, seconds: 0 }
  const startedMs = performance.now()
  const damaged: string[] = []
  try {
    if (options.notify) alerting = openAlerting(context, deliveries)
    recording = openRecording(context, options)
    await openSinks(context, deliveries, options, sinks)
    for (const group of options.order === 'each' ? paths.map((path) => [path]) : [paths]) {
      if (interruption.signal !== null) break
      const sources = await openAll(group, damaged)
      if (sources.length === 0) continue
      const source = mergeByTime(sources)
      const sensor = new Sensor(context.config, VERSION, set, espKeys)
      emit = sensor.bus.emit
      for (const enricher of enrichers) sensor.bus.enrich(enricher)
      if (baselines !== null) sensor.bus.subscribe(baselines.observe)
      sensor.bus.subscribe(summary.observe)
      for (const { delivery } of sinks) sensor.bus.subscribe(delivery.push)
      // Of each timeline for itself: the next one may lie a year before.
      const router = alerting?.router()
      if (router !== undefined) sensor.bus.subscribe(router.observe)
      recording?.attach(sensor)
      await runTimeline(sensor, source, deliveries, recording, progress)
      await recording?.flush()
      recording?.report(sensor.bus.emit, sensor.nowUs)
      router?.end()
      for (const name of ['heldBack', 'duplicates', 'unrouted'] as const) notified[name] += router?.counters[name] ?? 0
      totals.packets += sensor.counts.packets
      totals.bytes += sensor.counts.bytes
      totals.duplicates += sensor.counts.duplicates
      totals.trafficNs += sensor.trafficNs
      for (const { source: of, fault } of source.faults) {
        damaged.push(`${of.name} is damaged at byte ${fault.offset}: ${fault.message} (${fault.name})`)
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
    await alerting?.close()
    await recording?.close()
  }
  totals.seconds = (performance.now() - startedMs) / 1000
  for (const { name, delivery } of alerting?.deliveries ?? []) notified.sinks.push({ name, counts: delivery.counts })
  const evidence = recording === null ? null : recording.counters
  return { totals, summary, sinks, notified: alerting === null ? null : notified, damaged, evidence }
}

/** The captures that can be opened; of the others it is told why they cannot. */
async function openAll(paths: readonly string[], damaged: string[]): Promise<Source[]> {
  const sources: Source[] = []
  for (const path of paths) {
    try {
      sources.push(await openCapture(path))
    } catch (error) {
      if (!(error instanceof CaptureError)) throw error
      damaged.push(error.message)
    }
  }
  return sources
}

async function runTimeline(
  sensor: Sensor,
  source: MergedSource,
  deliveries: Deliveries,
  recording: Recording | null,
  progress: Progress,
): Promise<void> {
  const { length } = source.sources
  progress.begin(length === 1 ? printable(source.current.name) : counted(length, 'capture'), source.progress.bytesTotal)
  try {
    await sensor.run(source, async () => {
      progress.advance(source.progress.bytesRead, sensor.counts.packets)
      await deliveries.drain()
      await recording?.drain()
      return interruption.signal !== null
    })
  } finally {
    await source.close()
    progress.end()
  }
}

/** Null if no packets are to be kept. */
function openRecording({ config }: Context, { evidence }: Pick<ReplayOptions, 'evidence'>): Recording | null {
  if (evidence === undefined && !config.evidence.enabled) return null
  const folder = evidence === undefined ? {} : { path: evidence }
  const recording = Recording.open({ ...config.evidence, ...folder }, VERSION)
  for (const { file, message } of recording.recovery.problems) warn(`${printable(file)} ${message}`)
  return recording
}

/** What became of the alerts that people were to be told of. */
export interface Notified {
  heldBack: number
  duplicates: number
  unrouted: number
  readonly sinks: { readonly name: string; readonly counts: DeliveryCounts }[]
}

export function openAlerting(context: Context, deliveries: Deliveries): Alerting {
  if (Object.keys(context.config.alerts.sinks).length === 0) {
    throw new UsageError('--notify has nobody to tell: no sinks are configured (alerts.sinks)')
  }
  return new Alerting(context.config, deliveries, process.env)
}

/** Where events go. */
export interface Sink {
  readonly delivery: Delivery
  readonly isStore: boolean
  /** What stands at the end of the summary. */
  readonly says: () => string
  /** Everything is delivered, or lies in the spool. */
  finish(): Promise<void>
  abort(): Promise<void>
}

export async function openSinks(
  context: Context,
  deliveries: Deliveries,
  options: Pick<ReplayOptions, 'out' | 'store'>,
  sinks: Sink[],
  grows = false,
): Promise<void> {
  if (options.out !== undefined) sinks.push(ndjsonSink(options.out, deliveries, grows))
  if (options.store) sinks.push(await storeSink(context, deliveries))
}

function ndjsonSink(path: string, deliveries: Deliveries, grows: boolean): Sink {
  const writer = new NdjsonWriter(path, grows)
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

function evidenceSays({ packets, cut, bytes: written, dropped }: RecordingCounters): string {
  const lost = Object.entries(dropped).filter(([, count]) => count > 0)
  const parts = [
    `${counted(packets, 'packet')} kept (${bytes(written)})`,
    ...(cut > 0 ? [`${number(cut)} of them without the end of their payload`] : []),
    ...lost.map(([reason, count]) => `${number(count)} lost (${reason})`),
  ]
  return `Evidence: ${parts.join(', ')}`
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
export function undelivered(deliveries: readonly { readonly counts: DeliveryCounts }[]): number {
  return deliveries.reduce((sum, { counts }) => sum + counts.spooled + droppedIn(counts), 0)
}

export function asJson(
  totals: SummaryTotals,
  summary: Summary,
  sinks: readonly Sink[],
  notified: Notified | null,
): object {
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
    incidents: summary.incidents.map((incident) => ({
      id: incident['incident.id'],
      start: incident['event.start'],
      end: incident['event.end'],
      level: incident['incident.level'],
      risk: incident['event.risk_score'],
      title: incident['incident.title'],
      entities: incident['incident.entities'],
      tactics: incident['threat.tactic.name'] ?? [],
      alerts: incident['incident.alerts'],
      events: incident['incident.events'],
    })),
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

export function ending(
  context: Context,
  sinks: readonly Sink[],
  summary: Summary,
  notified: Notified | null,
  evidence: RecordingCounters | null,
): string {
  const said = [...sinks.map((sink) => sink.says()), ...notificationLines(context, summary, notified)]
  if (evidence !== null) said.push(evidenceSays(evidence))
  const lines = said.map((line) => paint('dim', line))
  if (!sinks.some(({ isStore }) => isStore)) return lines.join('\n')
  const id = summary.incidents[0]?.['incident.id']
  const next = [
    ['borescope incidents', 'what happened, the alerts of one story as one'],
    ['borescope alerts', 'what fired, newest first'],
    ['borescope users', 'who logged in, from where, and who failed to'],
    ['borescope tunnels', 'every tunnel'],
    [id === undefined ? 'borescope show TUNNEL' : `borescope show ${id}`, 'the whole story of one of them'],
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
