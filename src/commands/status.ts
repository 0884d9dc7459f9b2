/** `borescope status`: what became of the events that were to be delivered. */
import { join } from 'node:path'
import { type Command, Option } from 'commander'
import { ownerOf } from '../output/claim.ts'
import { type DestinationStatus, droppedIn } from '../output/delivery-status.ts'
import { inspectSpool } from '../output/spool.ts'
import { readStatus, type StatusReport } from '../output/status.ts'
import { inspectPast, type PastRefused, type PastWaiting, refusedPast } from '../retro-notices.ts'
import type { SensorSnapshot } from '../service/snapshot.ts'
import { type Context, EXIT } from './context.ts'
import { namesIn } from './destinations.ts'
import { pastLine, refusedPastLine, SENT_BY } from './status-past.ts'
import { isStale, sensorLines } from './status-sensor.ts'
import { bytes, counted, duration, number, paint, print, table, when } from './terminal.ts'

const FORMATS = ['table', 'json', 'prometheus'] as const

/** What the last process said, corrected by what lies on disk now if it is gone. */
interface Status {
  readonly folder: string
  /** `killed`: it is gone and did not come to its end. */
  readonly process: 'running' | 'ended' | 'killed' | 'none'
  readonly report: StatusReport | null
  readonly destinations: readonly DestinationStatus[]
  /** What searches of the past have left to be sent. */
  readonly past: readonly PastWaiting[]
  /** What sinks have refused of it. */
  readonly refused: readonly PastRefused[]
}

export function registerStatus(program: Command, context: () => Context): void {
  program
    .command('status')
    .summary('how the sensor does; what was delivered where, what waits, what is refused, what is lost')
    .description(
      'Shows how a watching sensor does (packets, losses, memory, state, last reload), and the deliveries of the process\nthat runs, or of the last one. Of each destination holds:\n' +
        'accepted + resumed = stored + duplicates + quarantined + spooled + queued + in flight + dropped.\n' +
        'Exits with 5 if events were lost, a destination fails, events or notifications wait that no process sends, the process\nwas killed with events in memory, or a sensor that runs does not capture and deliver as it should.',
    )
    .addOption(new Option('--format <format>', 'how').choices(FORMATS).default('table'))
    .option('--json', 'the same as --format json')
    .action(async ({ format, json }: { format: (typeof FORMATS)[number]; json?: boolean }) => {
      const status = current(context().config.delivery.path)
      if (format === 'prometheus') {
        // The library takes long to load, and is needed for nothing else here.
        const { prometheusText } = await import('../output/metrics.ts')
        await print((await prometheusText(status.destinations)).trimEnd())
      } else if (json || format === 'json') await print(JSON.stringify(asJson(status), null, 2))
      else await print(asText(status))
      if (!isFine(status)) process.exitCode = EXIT.UNDELIVERED
    })
}

function current(folder: string): Status {
  const report = readStatus(folder)
  const isRunning = report !== null && ownerOf(folder)?.pid === report.pid
  const [past, refused] = [inspectPast(folder), refusedPast(folder)]
  if (isRunning) return { folder, process: 'running', report, destinations: report.destinations, past, refused }
  const names = new Set([...(report?.destinations.map(({ name }) => name) ?? []), ...namesIn(folder)])
  const destinations = [...names].map((name) =>
    asLeft(
      folder,
      name,
      report?.destinations.find((of) => of.name === name),
    ),
  )
  const ended = report?.ended ? 'ended' : 'killed'
  return { folder, process: report === null ? 'none' : ended, report, destinations, past, refused }
}

/** Of a process that is gone: memory is lost, what was spooled is what lies on disk. */
function asLeft(folder: string, name: string, last: DestinationStatus | undefined): DestinationStatus {
  const onDisk = namesIn(folder).includes(name) ? inspectSpool(join(folder, name)) : null
  const records = onDisk?.records ?? 0
  const spool = {
    bytes: onDisk?.bytes ?? 0,
    oldest: onDisk?.oldestMs ? new Date(onDisk.oldestMs).toISOString() : null,
    troubles: last?.spool?.troubles ?? 0,
    trouble: last?.spool?.trouble ?? null,
  }
  return {
    ...(last ?? NOTHING),
    name,
    state: last?.state === 'failed' ? 'failed' : records > 0 ? 'spooling' : 'ok',
    spooled: records,
    spool: records > 0 || last?.spool ? spool : null,
  }
}

const NOTHING: Omit<DestinationStatus, 'name'> = {
  state: 'ok',
  failingSince: null,
  lastError: null,
  accepted: 0,
  resumed: 0,
  stored: 0,
  duplicates: 0,
  quarantined: 0,
  spooled: 0,
  queued: 0,
  inFlight: 0,
  dropped: {},
  retries: 0,
  rate: 0,
  spool: null,
  quarantine: null,
}

function isFine({ process, report, destinations, past }: Status): boolean {
  const sensor = sensorOf(report)
  if (process === 'running' && report !== null && sensor !== null) {
    if (sensor.troubles.length > 0 || isStale(report.updated, Date.now())) return false
  }
  // A sensor that tells people of alerts sends it soon.
  if (past.some(({ delivery }) => process !== 'running' || !destinations.some(({ name }) => name === delivery)))
    return false
  return destinations.every(
    (status) =>
      status.state !== 'failed' &&
      droppedIn(status) === 0 &&
      (process === 'running' ? status.failingSince === null : status.spooled === 0) &&
      (process !== 'killed' || status.queued + status.inFlight === 0),
  )
}

function asJson({ folder, process, report, destinations, past, refused: retroRefused }: Status): object {
  const { pid, command, started, updated } = report ?? { pid: null, command: null, started: null, updated: null }
  const retro = past.map(({ delivery, notifications, oldestMs }) => ({
    delivery,
    notifications,
    oldest: new Date(oldestMs).toISOString(),
  }))
  const sensor = sensorOf(report) ?? undefined
  return { folder, process, pid, command, started, updated, destinations, retro, retroRefused, sensor }
}

function sensorOf(report: StatusReport | null): SensorSnapshot | null {
  return (report?.sensor as SensorSnapshot | undefined) ?? null
}

function asText(status: Status): string {
  const { folder, destinations, report, past, refused } = status
  if (report === null && destinations.length + past.length + refused.length === 0)
    return `Nothing was delivered yet: there is no status in ${folder}`
  const parts = [headline(status)]
  const sensor = sensorOf(report)
  const isRunning = status.process === 'running'
  if (report !== null && isRunning && isStale(report.updated, Date.now())) {
    parts.push(paint('red', `Nothing was heard from it since ${when(report.updated)} UTC`))
  }
  if (sensor !== null) parts.push(...sensorLines(sensor, isRunning))
  if (destinations.length > 0) parts.push(table(COLUMNS, destinations))
  parts.push(...destinations.flatMap((destination) => remarks(status, destination)))
  parts.push(...past.map((waiting) => `  ${pastLine(waiting, Date.now())}; ${SENT_BY}`))
  parts.push(...refused.map((each) => `  ${refusedPastLine(each)}`))
  return parts.join('\n')
}

function headline({ process, report }: Status): string {
  if (report === null) return paint('bold', 'No process has left a status')
  const { pid, command, started, updated } = report
  const who = paint('bold', `${command}, process ${pid}`)
  if (process === 'running') return `${who}, runs since ${when(started)}, as of ${when(updated)} UTC`
  if (process === 'ended') return `${who}, ended at ${when(updated)} UTC`
  return `${who}, ${paint('red', 'was killed')}; last seen at ${when(updated)} UTC`
}

const COLUMNS = [
  { title: 'destination', value: ({ name }: DestinationStatus) => name },
  {
    title: 'state',
    value: ({ state }: DestinationStatus) => state,
    paint: ({ state }: DestinationStatus, text: string) =>
      paint(state === 'ok' ? 'green' : state === 'failed' ? 'red' : 'yellow', text),
  },
  { title: 'accepted', value: ({ accepted }: DestinationStatus) => number(accepted), right: true },
  { title: 'resumed', value: ({ resumed }: DestinationStatus) => number(resumed), right: true },
  { title: 'stored', value: ({ stored }: DestinationStatus) => number(stored), right: true },
  { title: 'duplicates', value: ({ duplicates }: DestinationStatus) => number(duplicates), right: true },
  { title: 'quarantined', value: ({ quarantined }: DestinationStatus) => number(quarantined), right: true },
  { title: 'spooled', value: ({ spooled }: DestinationStatus) => number(spooled), right: true },
  { title: 'queued', value: ({ queued }: DestinationStatus) => number(queued), right: true },
  { title: 'in flight', value: ({ inFlight }: DestinationStatus) => number(inFlight), right: true },
  {
    title: 'dropped',
    value: (status: DestinationStatus) => number(droppedIn(status)),
    right: true,
    paint: (status: DestinationStatus, text: string) => (droppedIn(status) > 0 ? paint('red', text) : text),
  },
  { title: 'events/s', value: ({ rate }: DestinationStatus) => number(Math.round(rate)), right: true },
]

/** What a number does not say, and what to do. */
function remarks({ process }: Status, status: DestinationStatus): string[] {
  const { name, failingSince, lastError, spool, spooled, queued, inFlight, dropped, quarantined } = status
  const lines: string[] = []
  if (process === 'running' && failingSince !== null) lines.push(`fails since ${when(failingSince)} UTC`)
  if (lastError !== null) lines.push(`last error at ${when(lastError.time)} UTC: ${lastError.message}`)
  if (spooled > 0 && spool !== null) {
    const age =
      spool.oldest === null ? '' : `, the oldest since ${duration((Date.now() - Date.parse(spool.oldest)) * 1e6)}`
    const advice = process === 'running' ? '' : `; 'borescope spool send' or the next run sends them`
    lines.push(`${counted(spooled, 'event')} in ${bytes(spool.bytes)} on disk${age}${advice}`)
  }
  if (spool?.trouble) lines.push(`the disk of the spool failed ${counted(spool.troubles, 'time')}: ${spool.trouble}`)
  for (const [reason, count] of Object.entries(dropped)) lines.push(`${counted(count, 'event')} lost: ${reason}`)
  if (process === 'killed' && queued + inFlight > 0) {
    lines.push(`up to ${counted(queued + inFlight, 'event')} were in memory when it was last seen`)
  }
  if (quarantined > 0 || (status.quarantine?.bytes ?? 0) > 0) {
    lines.push(`refused events: 'borescope quarantine list'`)
  }
  if (status.quarantine?.trouble) lines.push(`the quarantine cannot be written: ${status.quarantine.trouble}`)
  return lines.map((line) => `  ${name}: ${line}`)
}
