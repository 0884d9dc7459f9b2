/** `borescope watch`: interfaces in, events out, until it is told to stop. */
import { type Command, InvalidArgumentError, Option } from 'commander'
import { LEVELS, SEVERITIES } from '../alert-config.ts'
import { BUFFER_BYTES, LIVE_BACKENDS, type LiveOptions, SNAP_LENGTH } from '../capture/live.ts'
import { dropPrivileges } from '../capture/live/privileges.ts'
import { openNotifySocket } from '../notify-socket.ts'
import { Pipeline } from '../pipeline.ts'
import { type Opening, OneThreadOpening, type PacketPath, ThreadsOpening } from '../packet-path.ts'
import { SensorService } from '../sensor-service.ts'
import { ServiceLog } from '../service/log.ts'
import { Notifier } from '../service/notify.ts'
import type { WatchedSource } from '../watched-sensor.ts'
import { type Context, EXIT, UsageError } from './context.ts'
import { parseCount, parseThreads } from './formats.ts'
import { asJson, ending, refuseEvidence, undelivered } from './replay.ts'
import { bytes, counted, number, print, table } from './terminal.ts'

interface WatchOptions {
  readonly evidence?: string
  readonly out?: string
  readonly store: boolean
  readonly failOn?: (typeof LEVELS)[number]
  readonly notify?: boolean
  readonly json?: boolean
  readonly quiet?: boolean
  readonly baseline?: boolean
  readonly filter?: string
  readonly snaplen?: number
  readonly buffer?: number
  readonly promiscuous: boolean
  readonly outgoing: boolean
  readonly backend?: LiveOptions['backend']
  readonly timestamps?: LiveOptions['timestamps']
  readonly user?: string
  readonly threads?: number
  readonly duration?: number
  readonly packets?: number
}

export function registerWatch(program: Command, context: () => Context): void {
  program
    .command('watch')
    .summary('analyse interfaces as packets come, until stopped')
    .description(
      'Watches network interfaces: those at a SPAN port or tap, or of this host. Events go to the store as they happen.\nSeveral interfaces are one timeline: the two directions of a tap, for example. Ctrl-C ends it in good order.',
    )
    .argument('<interfaces...>', 'for example eth1')
    .option(
      '--filter <expression>',
      "packets to take, as tcpdump writes it; '' is all (default: the protocols of the family)",
    )
    .addOption(new Option('--snaplen <bytes>', 'bytes kept of a packet').argParser(parseSnapLength))
    .addOption(
      new Option('--buffer <size>', 'what the kernel may hold of one interface, as in 64M').argParser(parseSize),
    )
    .option('--no-promiscuous', 'leave out frames for other stations')
    .option('--no-outgoing', 'leave out packets that this host sends')
    .addOption(new Option('--backend <backend>', 'how packets are got').choices(LIVE_BACKENDS))
    .addOption(new Option('--timestamps <clock>', 'whose time stamps packets have').choices(['kernel', 'hardware']))
    .option('--user <name>', 'become this user once the interfaces are open')
    .addOption(
      new Option(
        '--threads <n>',
        'that share the work, and rings of each interface; evidence needs 1 (default: 1)',
      ).argParser((text) => parseThreads(text)),
    )
    .addOption(new Option('--duration <seconds>', 'stop after so long').argParser(parseSeconds))
    .addOption(new Option('--packets <count>', 'stop after so many packets').argParser(parseCount))
    .option(
      '-o, --out <file>',
      'also append the events to it as NDJSON, as they happen; - is stdout, and then there is no summary',
    )
    .option('--no-store', 'do not write to the store')
    .option('--evidence <folder>', 'keep the packets in this folder (see extract --help)')
    .option('--baseline', 'learn what is usual, and tell what is not (see baseline --help)')
    .addOption(
      new Option('--fail-on <level>', 'exit with 1 if an alert has this level or a higher one').choices(LEVELS),
    )
    .option('--notify', 'tell people of alerts through the sinks of the configuration; without this nobody is told')
    .option('--json', 'the summary as one JSON object')
    .option('-q, --quiet', 'neither progress nor summary')
    .action(async (interfaces: string[], options: WatchOptions) => {
      process.exitCode = await watch(context(), interfaces, options)
    })
}

async function watch(context: Context, interfaces: readonly string[], options: WatchOptions): Promise<number> {
  const twice = interfaces.find((name, at) => interfaces.indexOf(name) !== at)
  if (twice !== undefined) throw new UsageError(`${twice} is named twice`)
  const { live } = context.config.capture
  const threads = options.threads ?? live.threads
  if (threads > 1) refuseEvidence(context, options.evidence)
  const log = logOf(context)
  const opening = threads === 1 ? new OneThreadOpening() : new ThreadsOpening(threads)
  let packetPath: PacketPath | null = null
  try {
    for (const name of interfaces) await opening.open(name, liveOptions(context, options))
    await dropPrivileges(options.user ?? live.user)
    const notifier = await notifierOf(log)
    const pipeline = await Pipeline.open(context, {
      ...options,
      command: 'borescope watch',
      isLive: true,
      warn: log.warn,
      readerGone: () => {
        log.warn('nobody reads the events any more')
        packetPath?.stop()
      },
    })
    packetPath = await startedOrAborted(opening, context, pipeline, options.packets)
    const watching = new Watching(context, packetPath, options, pipeline, log, notifier)
    const release = handleSignals(watching)
    try {
      await watching.run(() => {
        if (!options.quiet) log.info(`watching ${interfaces.join(', ')}`)
      })
    } finally {
      release()
    }
    const { sinks, notified, summary } = pipeline
    const missing = undelivered([...sinks.map(({ delivery }) => delivery), ...(notified?.sinks ?? [])])
    if (missing > 0) log.warn(`${counted(missing, 'event')} could not be delivered: see 'borescope status'`)
    if (options.json) await print(JSON.stringify(watching.asJson()))
    else if (!options.quiet && options.out !== '-') await print(watching.text())
    if (options.failOn !== undefined && summary.severityMax >= SEVERITIES[options.failOn]) return EXIT.FOUND
    return missing > 0 ? EXIT.UNDELIVERED : EXIT.FINE
  } finally {
    await (packetPath ?? opening).close()
  }
}

async function startedOrAborted(
  opening: Opening,
  context: Context,
  pipeline: Pipeline,
  packetsMax: number | undefined,
): Promise<PacketPath> {
  try {
    return await opening.start(context, pipeline, packetsMax)
  } catch (error) {
    await pipeline.abort()
    throw error
  }
}

/** SIGINT and SIGTERM end it in good order, a second one at once. SIGHUP reads the configuration again, or says that the terminal is gone. */
function handleSignals(watching: Watching): () => void {
  const stop = () => watching.stop()
  const hangUp = () => (process.stdin.isTTY ? watching.stop() : void watching.reload())
  for (const name of ['SIGINT', 'SIGTERM'] as const) process.once(name, stop)
  process.on('SIGHUP', hangUp)
  return () => {
    process.off('SIGHUP', hangUp)
    for (const name of ['SIGINT', 'SIGTERM'] as const) process.off(name, stop)
  }
}

function logOf({ config }: Context): ServiceLog {
  const { logLevel, logFormat, logsPerMinute } = config.service
  return new ServiceLog({
    level: logLevel,
    format: logFormat,
    perMinute: logsPerMinute,
    name: config.sensor.name,
    isTerminal: process.stderr.isTTY === true,
    write: (line) => process.stderr.write(line),
  })
}

async function notifierOf(log: ServiceLog): Promise<Notifier> {
  const path = process.env['NOTIFY_SOCKET']
  const watchdogUs = Notifier.watchdogUs(process.env)
  if (path === undefined || path === '') return new Notifier({ send: null, watchdogUs, warn: log.warn })
  try {
    return new Notifier({ send: await openNotifySocket(path), watchdogUs, warn: log.warn })
  } catch (error) {
    log.warn(`the service manager is told nothing: ${(error as Error).message}`)
    return new Notifier({ send: null, watchdogUs, warn: log.warn })
  }
}

function liveOptions({ config }: Context, options: WatchOptions): LiveOptions {
  const { live, l2tpPorts } = config.capture
  return {
    ...live,
    l2tpPorts,
    backend: options.backend ?? live.backend,
    filter: options.filter ?? live.filter,
    snapLength: options.snaplen ?? live.snapLength,
    bufferBytes: options.buffer ?? live.bufferBytes,
    promiscuous: options.promiscuous && live.promiscuous,
    outgoing: options.outgoing && live.outgoing,
    timestamps: options.timestamps ?? live.timestamps,
  }
}

/** One run of the command: its sensor, where events go, and what is shown. */
class Watching {
  readonly pipeline: Pipeline
  readonly #context: Context
  readonly #path: PacketPath
  readonly #options: WatchOptions
  readonly #service: SensorService
  readonly #progress: Progress
  readonly #startedMs = performance.now()
  #seconds = 0

  constructor(
    context: Context,
    path: PacketPath,
    options: WatchOptions,
    pipeline: Pipeline,
    log: ServiceLog,
    notifier: Notifier,
  ) {
    this.#context = context
    this.#path = path
    this.#options = options
    this.pipeline = pipeline
    this.#progress = new Progress(options.quiet !== true && options.out !== '-')
    const { sensor, sources } = path
    this.#service = new SensorService({ context, pipeline, sensor, sources, log, notifier })
  }

  stop(): void {
    this.#path.stop()
  }

  reload(): Promise<void> {
    return this.#service.reload()
  }

  /** `started` is called when packets are about to be taken. */
  async run(started: () => void): Promise<void> {
    const { pipeline } = this
    try {
      await this.#service.start()
      started()
      await this.#path.run({ tick: (nowUs) => this.#tick(nowUs), end: () => this.#service.end() })
    } catch (error) {
      await pipeline.abort()
      throw error
    } finally {
      this.#progress.end()
    }
    await this.#service.finish()
    this.#seconds = (performance.now() - this.#startedMs) / 1000
  }

  #tick(nowUs: number): void {
    this.#service.tick(nowUs)
    const seconds = (performance.now() - this.#startedMs) / 1000
    const { sensor, sources } = this.#path
    this.#progress.show(seconds, sensor.counts.packets, sources, this.pipeline.summary.alertCount)
    if (this.#options.duration !== undefined && seconds >= this.#options.duration) this.stop()
  }

  get #totals() {
    const { sensor, sources } = this.#path
    const { counts, trafficNs } = sensor
    const { packets, duplicates } = counts
    return {
      captures: new Set(sources.map(({ name }) => name)).size,
      of: 'interface',
      packets,
      bytes: counts.bytes,
      duplicates,
      trafficNs,
      seconds: this.#seconds,
    }
  }

  asJson(): object {
    const interfaces = this.#path.sources.map(({ name, ring, state, counters }) => ({
      name,
      ...(ring === null ? {} : { ring }),
      state,
      ...counters,
    }))
    const { captures: _, ...rest } = asJson(
      this.#totals,
      this.pipeline.summary,
      this.pipeline.sinks,
      this.pipeline.notified,
    ) as {
      captures: number
    }
    return { interfaces, ...rest, evidence: this.pipeline.evidence }
  }

  text(): string {
    const parts = [
      this.pipeline.summary.text(this.#totals),
      table(INTERFACE_COLUMNS, this.#path.sources),
      ending(this.#context, this.pipeline.sinks, this.pipeline.summary, this.pipeline.notified, this.pipeline.evidence),
    ]
    return parts.join('\n\n')
  }
}

const INTERFACE_COLUMNS = [
  { title: 'interface', value: ({ name, ring }: WatchedSource) => (ring === null ? name : `${name}, ring ${ring}`) },
  { title: 'packets', value: ({ counters }: WatchedSource) => number(counters.packets), right: true },
  { title: 'bytes', value: ({ counters }: WatchedSource) => bytes(counters.bytes), right: true },
  { title: 'lost by the kernel', value: ({ counters }: WatchedSource) => number(counters.kernelDrops), right: true },
  { title: 'by the interface', value: ({ counters }: WatchedSource) => number(counters.interfaceDrops), right: true },
  { title: 'by the sensor', value: ({ counters }: WatchedSource) => number(counters.ownDrops), right: true },
  {
    title: 'ring filled at most',
    value: ({ counters }: WatchedSource) => `${Math.ceil(counters.ringFillHighest * 100)} %`,
    right: true,
  },
]

/** One line on a terminal, written over about once a second. */
class Progress {
  readonly #isShown: boolean
  #shownAt = 0
  #packets = 0

  constructor(isWanted: boolean) {
    this.#isShown = isWanted && process.stderr.isTTY
  }

  show(seconds: number, packets: number, sources: readonly WatchedSource[], alerts: number): void {
    if (!this.#isShown || seconds - this.#shownAt < 1) return
    const rate = Math.round((packets - this.#packets) / (seconds - this.#shownAt))
    this.#shownAt = seconds
    this.#packets = packets
    const lost = sources.reduce((sum, { counters }) => sum + counters.kernelDrops + counters.ownDrops, 0)
    const down = new Set(sources.filter(({ state }) => state === 'down').map(({ name }) => `${name} is down`))
    const parts = [
      `${number(packets)} packets, ${number(rate)}/s`,
      ...(lost > 0 ? [`${number(lost)} lost`] : []),
      counted(alerts, 'alert'),
      ...down,
    ]
    process.stderr.write(`\r\x1b[K${Math.floor(seconds)} s | ${parts.join(' | ')}`)
  }

  end(): void {
    if (this.#isShown) process.stderr.write('\r\x1b[K')
  }
}

function parseSeconds(text: string): number {
  const seconds = Number(text)
  if (text.trim() === '' || !(seconds > 0)) throw new InvalidArgumentError('expected seconds, more than 0.')
  return seconds
}

function parseSnapLength(text: string): number {
  const length = parseCount(text)
  if (length >= SNAP_LENGTH.min && length <= SNAP_LENGTH.max) return length
  throw new InvalidArgumentError(`expected a number from ${SNAP_LENGTH.min} to ${SNAP_LENGTH.max}.`)
}

const UNITS: Readonly<Record<string, number>> = { '': 1, k: 1024, m: 1024 ** 2, g: 1024 ** 3 }

/** `64M`, `1g`, or bytes. */
function parseSize(text: string): number {
  const [, figures, unit] = /^(\d+)([kmg]?)(?:i?b)?$/i.exec(text) ?? []
  const size = Number(figures) * (UNITS[unit?.toLowerCase() ?? ''] ?? Number.NaN)
  if (size >= BUFFER_BYTES.min && size <= BUFFER_BYTES.max) return size
  throw new InvalidArgumentError('expected a size from 1M to 1G, such as 64M.')
}
