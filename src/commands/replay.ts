/** `borescope replay`: captures in, events out. */
import cliProgress from 'cli-progress'
import { type Command, Option } from 'commander'
import { type CapturePaths, capturePaths } from '../capture/paths.ts'
import { LEVELS, SEVERITIES } from '../alert-config.ts'
import { deliverySays, type EventSink } from '../event-sinks.ts'
import { type DeliveryCounts, droppedIn } from '../output/delivery-status.ts'
import type { Knowledge } from '../knowledge.ts'
import { Threads, threadsFor } from '../parallel/threads.ts'
import { type Notified, Pipeline } from '../pipeline.ts'
import type { RecordingCounters } from '../recording.ts'
import { OneThread, type Timeline, type Timelines } from '../timeline.ts'
import { VERSION } from '../version.ts'
import { type Context, EXIT, UsageError } from './context.ts'
import { parseThreads } from './formats.ts'
import type { Summary, SummaryTotals } from './summary.ts'
import { bytes, counted, number, paint, print, printable } from './terminal.ts'

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
  readonly threads?: number | 'auto'
}

/**
 * Ctrl-C or a polite kill, or nobody who reads the events any more: what was read so far is analysed to its end; a second signal ends
 * the process at once.
 */
const interruption: { signal: 'SIGINT' | 'SIGTERM' | 'SIGPIPE' | null } = { signal: null }

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
    .option(
      '--threads <n>',
      'that share the work: a number, or auto (2 or 3 for large captures); the events are the same; evidence needs 1',
      threadsOption,
      1,
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
  if (interruption.signal === 'SIGINT') return 130
  if (interruption.signal === 'SIGTERM') return 143
  if (interruption.signal === 'SIGPIPE') return missing > 0 ? EXIT.UNDELIVERED : EXIT.FINE
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
  readonly sinks: readonly EventSink[]
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
  options: Pick<ReplayOptions, 'order' | 'store' | 'out' | 'notify' | 'quiet' | 'baseline' | 'evidence' | 'threads'>,
): Promise<Analysis> {
  const startedMs = performance.now()
  const groups = options.order === 'each' ? paths.map((path) => [path]) : [paths]
  const threads = threadsOf(context, paths, options)
  const pipeline = await Pipeline.open(context, {
    ...options,
    command: 'borescope replay',
    readerGone: () => {
      interruption.signal ??= 'SIGPIPE'
    },
  })
  const progress = new Progress(options.quiet !== true && options.out !== '-')
  const totals = { captures: paths.length, packets: 0, bytes: 0, duplicates: 0, trafficNs: 0, seconds: 0 }
  const damaged: string[] = []
  let timelines: Timelines | null = null
  try {
    timelines = openTimelines(context, pipeline.knowledge, threads, groups)
    for (const group of groups) {
      if (interruption.signal !== null) break
      const timeline = await timelines.open(group, damaged)
      if (timeline === null) continue
      pipeline.attach(timeline.bus, timeline.sensor)
      pipeline.tellEarly()
      await runTimeline(timeline, pipeline, progress)
      await pipeline.endTimeline()
      totals.packets += timeline.counts.packets
      totals.bytes += timeline.counts.bytes
      totals.duplicates += timeline.counts.duplicates
      totals.trafficNs += timeline.trafficNs
      for (const { capture, fault } of timeline.faults) {
        damaged.push(`${capture} is damaged at byte ${fault.offset}: ${fault.message} (${fault.name})`)
      }
    }
  } catch (error) {
    await pipeline.abort()
    throw error
  } finally {
    await timelines?.close()
  }
  await pipeline.finish()
  totals.seconds = (performance.now() - startedMs) / 1000
  const { summary, sinks, notified, evidence } = pipeline
  return { totals, summary, sinks, notified, damaged, evidence }
}

/** Who keeps packets as evidence sees each of them with all that it is part of: that is one thread's work. */
function threadsOf(
  context: Context,
  paths: readonly string[],
  { threads = 1, evidence }: Pick<ReplayOptions, 'threads' | 'evidence'>,
): number {
  // Flows are what is shared out.
  if (!context.config.track.flows) return 1
  if (threads === 'auto') {
    return evidence !== undefined || context.config.evidence.enabled ? 1 : threadsFor(paths)
  }
  if (threads > 1) refuseEvidence(context, evidence)
  return threads
}

export function refuseEvidence({ config }: Context, evidence: string | undefined): void {
  if (evidence === undefined && !config.evidence.enabled) return
  const what = evidence === undefined ? 'evidence.enabled in the configuration' : '--evidence'
  throw new UsageError(`${what} needs one thread: say --threads 1`)
}

function openTimelines(
  { config }: Context,
  { rules, espKeys }: Knowledge,
  threads: number,
  groups: readonly (readonly string[])[],
): Timelines {
  if (threads === 1) return new OneThread(config, VERSION, rules, espKeys)
  return new Threads(config, VERSION, rules, threads, Math.max(...groups.map(({ length }) => length)))
}

function threadsOption(value: string): number | 'auto' {
  return value === 'auto' ? value : parseThreads(value, 'It is auto, or a number')
}

async function runTimeline(timeline: Timeline, pipeline: Pipeline, progress: Progress): Promise<void> {
  const { names } = timeline
  progress.begin(
    names.length === 1 ? printable(names[0]) : counted(names.length, 'capture'),
    timeline.progress.bytesTotal,
  )
  try {
    await timeline.run(async () => {
      progress.advance(timeline.progress.bytesRead, timeline.counts.packets)
      await pipeline.drain()
      return interruption.signal !== null
    })
  } finally {
    progress.end()
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

function evidenceSays({ packets, cut, unnamed, thingsLeftOut, bytes: written, dropped }: RecordingCounters): string {
  const lost = Object.entries(dropped).filter(([, count]) => count > 0)
  const parts = [
    `${counted(packets, 'packet')} kept (${bytes(written)})`,
    ...(cut > 0 ? [`${number(cut)} of them without the end of their payload`] : []),
    ...(unnamed > 0
      ? [`some not found by what they turned out to be part of (${counted(unnamed, 'set')} of them)`]
      : []),
    ...(thingsLeftOut > 0 ? [`some not found by all that they are part of (${number(thingsLeftOut)} left out)`] : []),
    ...lost.map(([reason, count]) => `${number(count)} lost (${reason})`),
  ]
  return `Evidence: ${parts.join(', ')}`
}

/** Events that are not where they should be; those in the quarantine are, for the destination does not want them. */
export function undelivered(deliveries: readonly { readonly counts: DeliveryCounts }[]): number {
  return deliveries.reduce((sum, { counts }) => sum + counts.spooled + droppedIn(counts), 0)
}

export function asJson(
  totals: SummaryTotals,
  summary: Summary,
  sinks: readonly EventSink[],
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
  sinks: readonly EventSink[],
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
