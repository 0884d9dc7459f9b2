/** What `borescope doctor` says about deliveries: what waits in the spools, what lies in the quarantines, and what to do about it. */
import { existsSync, statfsSync, statSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { sinkOfDelivery } from '../alerting.ts'
import type { Config } from '../config-schema.ts'
import { QUARANTINE } from '../deliveries.ts'
import { ownerOf } from '../output/claim.ts'
import { type DestinationStatus, droppedIn } from '../output/delivery-status.ts'
import { readQuarantine } from '../output/quarantine.ts'
import { inspectSpool, type SegmentDamage } from '../output/spool.ts'
import { readStatus } from '../output/status.ts'
import { inspectPast, PAST_FOLDER, type PastWaiting } from '../retro-notices.ts'
import type { Finding } from '../store/cluster/examine.ts'
import { namesIn, namesWithPastIn, STORE } from './destinations.ts'
import { RETRIED } from './quarantine.ts'
import { pastLine, SENT_BY } from './status-past.ts'
import { bytes, counted, duration, when } from './terminal.ts'

/** A bound that is reached so far is worth a warning: what comes next may be dropped. */
const NEARLY_FULL = 0.9

/** One finding if there is nothing to say. Whatever cannot be read is a finding, too. */
export function examineDeliveries(config: Config): Finding[] {
  const { path } = config.delivery
  const of = 'delivery'
  try {
    const owner = ownerOf(path)
    const report = readStatus(path)
    const running = report !== null && owner?.pid === report.pid ? report.destinations : null
    const who = owner === null ? 'no process delivers now' : `process ${owner.pid} ("${owner.command}") delivers`
    const findings = [
      ...namesIn(path).flatMap((name) =>
        spool(config, name, running?.find((status) => status.name === name) ?? null, owner !== null),
      ),
      ...namesWithPastIn(path).flatMap((name) => quarantine(config, name)),
      ...inspectPast(path).map((waiting) => past(config, waiting)),
    ]
    const lost = (report?.destinations ?? []).reduce((sum, status) => sum + droppedIn(status), 0)
    const parts = [
      ...(findings.length === 0 ? ['nothing waits and nothing is refused'] : []),
      who,
      ...(lost === 0 ? [] : [`${counted(lost, 'event')} were lost: 'borescope status' says why`]),
    ]
    const state = lost === 0 ? 'fine' : 'wrong'
    return [{ of, state, says: `${path}: ${parts.join('; ')}` }, ...disk(config), ...findings]
  } catch (error) {
    return [{ of, state: 'wrong', says: error instanceof Error ? error.message : String(error) }]
  }
}

/** Whether the disk has room for what the spools of the configuration may take. */
function disk({ delivery, store, alerts }: Config): Finding[] {
  const remote = (store.kind === 'embedded' ? 0 : 1) + Object.keys(alerts.sinks).length
  if (remote === 0 || delivery.spoolBytesMax === 0) return []
  let folder = delivery.path
  while (!existsSync(folder) && dirname(folder) !== folder) folder = dirname(folder)
  const { bavail, bsize } = statfsSync(folder)
  const freeBytes = bavail * bsize
  if (freeBytes >= delivery.spoolBytesMax) return []
  const says = `the disk of ${delivery.path} has ${bytes(freeBytes)} left, and a spool may take ${bytes(delivery.spoolBytesMax)}: free some, or lower delivery.spoolBytesMax`
  return [{ of: 'spool', state: 'note', says }]
}

/** What is known of a spool: from the process that owns it, or from the files if there is none. */
interface Waiting {
  readonly records: number
  readonly bytes: number
  readonly oldestMs: number | null
}

function spool(config: Config, name: string, status: DestinationStatus | null, isOwned: boolean): Finding[] {
  // While somebody writes, the end of a segment is no damage, and may look like it.
  if (isOwned) return status === null ? [] : delivering(config, status)
  const folder = join(config.delivery.path, name)
  const content = inspectSpool(folder)
  const findings = content.damage.map((damage) => damaged(name, damage))
  if (content.cursorTrouble !== null) {
    const says = `${name}: ${content.cursorTrouble}: what was delivered already may be sent again; a store takes no event twice, a sink may`
    findings.push({ of: 'spool', state: 'note', says })
  }
  if (content.records === 0) return findings
  const isKnown = name === STORE ? config.store.kind !== 'embedded' : sinkOfDelivery(config, name) !== null
  const advice = isKnown
    ? "'borescope spool send' or the next run sends them"
    : `the configuration has no such destination any more: name it again, or delete ${folder}`
  return [{ ...waiting(config, name, content, advice), ...(isKnown ? {} : { state: 'wrong' as const }) }, ...findings]
}

function delivering(config: Config, { name, failingSince, lastError, spooled, spool }: DestinationStatus): Finding[] {
  const findings: Finding[] = []
  if (failingSince !== null) {
    const says = `${name}: fails since ${when(failingSince)} UTC: ${lastError?.message ?? 'no reason given'}`
    findings.push({ of: 'spool', state: 'wrong', says })
  }
  if (spool === null) return findings
  if (spooled > 0) {
    const oldestMs = spool.oldest === null ? null : Date.parse(spool.oldest)
    const advice = 'they are sent as soon as the destination takes them'
    findings.push(waiting(config, name, { records: spooled, bytes: spool.bytes, oldestMs }, advice))
  }
  if (spool.trouble !== null) {
    const says = `${name}: the disk failed ${counted(spool.troubles, 'time')}, last with: ${spool.trouble}`
    findings.push({ of: 'spool', state: 'wrong', says })
  }
  return findings
}

function waiting({ delivery }: Config, name: string, content: Waiting, advice: string): Finding {
  const { spoolBytesMax } = delivery
  const isFull = content.bytes >= spoolBytesMax * NEARLY_FULL
  const age = content.oldestMs === null ? '' : `, the oldest for ${duration((Date.now() - content.oldestMs) * 1e6)}`
  const full = isFull
    ? '; it is nearly full, and drops flows first: mend the destination, or raise delivery.spoolBytesMax'
    : ''
  const says = `${name}: ${counted(content.records, 'event')} wait, ${share(content.bytes, spoolBytesMax)}${age}: ${advice}${full}`
  return { of: 'spool', state: isFull ? 'wrong' : 'note', says }
}

function damaged(name: string, { path, lost, tail, trouble }: SegmentDamage): Finding {
  const of = 'spool'
  if (trouble !== null) {
    return {
      of,
      state: 'wrong',
      says: `${name}: ${path} cannot be read (${trouble}): look at the disk and who owns the file`,
    }
  }
  if (lost > 0) {
    const says = `${name}: ${path} is damaged, ${counted(lost, 'event')} of it lost: look at the disk; the sound ones are sent, the others counted as dropped`
    return { of, state: 'wrong', says }
  }
  const says = `${name}: ${path} ends with ${bytes(tail)} that are no whole event, as a crash or a full disk leaves them: they are cut off when it is next sent`
  return { of, state: 'note', says }
}

/** What searches of the past have found and nobody was told of. */
function past(config: Config, waiting: PastWaiting): Finding {
  const isKnown = sinkOfDelivery(config, waiting.delivery) !== null
  const advice = isKnown
    ? SENT_BY
    : `the configuration has no such sink any more: name it again, or delete what lies in ${join(config.delivery.path, PAST_FOLDER)}`
  return { of: 'retro', state: isKnown ? 'note' : 'wrong', says: `${pastLine(waiting, Date.now())}: ${advice}` }
}

function quarantine({ delivery }: Config, name: string): Finding[] {
  const files = [QUARANTINE, RETRIED].map((file) => join(delivery.path, name, file))
  const size = files.reduce((sum, file) => sum + (statSync(file, { throwIfNoEntry: false })?.size ?? 0), 0)
  if (size === 0) return []
  const contents = files.map(readQuarantine)
  const events = contents.flatMap((content) => content.events).sort((a, b) => (a.time < b.time ? -1 : 1))
  const unreadable = contents.reduce((sum, content) => sum + content.unreadable, 0)
  const isFull = size >= delivery.quarantineBytesMax * NEARLY_FULL
  const parts = [
    `${name}: ${counted(events.length, 'event')} refused, ${share(size, delivery.quarantineBytesMax)}`,
    ...(events.length === 0
      ? []
      : [`the oldest at ${when(events[0].time)} UTC, the last for: ${events.at(-1)?.reason}`]),
    ...(unreadable === 0 ? [] : [`${counted(unreadable, 'line')} cannot be read`]),
    ...(isFull ? ['it is nearly full: what is refused then is dropped'] : []),
    "'borescope quarantine list' shows them; mend what is wrong, then 'borescope quarantine retry', or 'clear'",
  ]
  return [{ of: 'quarantine', state: isFull ? 'wrong' : 'note', says: parts.join('; ') }]
}

function share(used: number, most: number): string {
  const percent = most === 0 ? 100 : (used * 100) / most
  return `${bytes(used)} of ${bytes(most)} (${percent < 1 && used > 0 ? '< 1' : Math.round(percent)} %)`
}
