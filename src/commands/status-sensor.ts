/** How the sensor does that runs, or did that ran last: lines for `borescope status`. */
import type { SensorSnapshot, SourceSnapshot } from '../service/snapshot.ts'
import { bytes, counted, duration, number, paint, when } from './terminal.ts'

/** The state is written about once a second: one that is older is not that of a process that is well. */
const STALE_MS = 15_000

export function isStale(updated: string, nowMs: number): boolean {
  return nowMs - Date.parse(updated) > STALE_MS
}

export function sensorLines(sensor: SensorSnapshot, isRunning: boolean): string[] {
  const { packets, packetsPerSecond, lastPacket, alerts, uptimeSeconds, rssBytes, loopDelay } = sensor
  const raised = Object.values(alerts).reduce((sum, count) => sum + count, 0)
  const rate = isRunning ? `, ${number(packetsPerSecond)}/s lately` : ''
  const last = lastPacket === null ? '' : `, the last at ${when(lastPacket)} UTC`
  return [
    `Watched for ${duration(uptimeSeconds * 1e9)}: ${counted(packets['packets'] ?? 0, 'packet')}${rate}${last}; ${counted(raised, 'alert')}`,
    `${bytes(rssBytes)} of memory; the event loop is late by ${duration(loopDelay.p99 * 1e9)} (99 %), ${duration(loopDelay.max * 1e9)} at most`,
    ...sensor.sources.map(sourceLine),
    ...evidenceLines(sensor),
    ...ruleLines(sensor),
    ...tableLines(sensor),
    ...stateLines(sensor),
    ...(isRunning ? sensor.troubles.map((trouble) => paint('red', `Not well: ${trouble}`)) : []),
  ]
}

function sourceLine(source: SourceSnapshot): string {
  const { name, ring, isUp, packets, kernelDrops, interfaceDrops, ownDrops, ringFill, ringFillHighest } = source
  const lost = kernelDrops + interfaceDrops + ownDrops
  const losses =
    lost === 0
      ? 'none lost'
      : paint(
          'red',
          `${number(lost)} lost (ring ${number(kernelDrops)}, interface ${number(interfaceDrops)}, sensor ${number(ownDrops)})`,
        )
  const which = ring === null ? name : `${name}, ring ${ring},`
  return `${which} is ${isUp ? 'up' : paint('red', 'down')}: ${counted(packets, 'packet')}, ${losses}, ring ${percent(ringFill)} full, ${percent(ringFillHighest)} at most`
}

function evidenceLines({ evidence }: SensorSnapshot): string[] {
  // A status that an older version left has none.
  if (evidence == null) return []
  const lost = Object.entries(evidence.dropped).filter(([, count]) => count > 0)
  const losses = lost.map(([reason, count]) => paint('red', `, ${number(count)} lost (${reason})`)).join('')
  return [`Evidence: ${counted(evidence.packets, 'packet')} kept (${bytes(evidence.bytes)})${losses}`]
}

function ruleLines({ rules }: SensorSnapshot): string[] {
  // A status that an older version left has none.
  if (rules == null || rules.wrong === 0) return []
  return [
    `${counted(rules.used, 'rule')}; ${paint('red', `${counted(rules.wrong, 'mistake')} in others, which are not used`)}: see 'borescope rules check'`,
  ]
}

/** What is nearly full, and what was given up. */
function tableLines({ tables, evicted }: SensorSnapshot): string[] {
  const full = tables.filter(({ size, capacity }) => size > 0 && size >= capacity * 0.8)
  const given = Object.entries(evicted).filter(([, count]) => count > 0)
  return [
    ...full.map(({ name, size, capacity }) => `Table ${name}: ${number(size)} of ${number(capacity)}`),
    ...given.map(([name, count]) => `Given up for want of room in ${name}: ${number(count)}`),
  ]
}

function stateLines({ state, reloads }: SensorSnapshot): string[] {
  const lines: string[] = []
  if (state?.saved != null)
    lines.push(
      `State saved at ${when(state.saved)} UTC: ${counted(state.entries, 'entry', 'entries')}, ${bytes(state.bytes)}`,
    )
  if (state !== null && state.failures > 0)
    lines.push(paint('red', `State not saved ${counted(state.failures, 'time')}`))
  if (reloads.last !== null) {
    const outcome = reloads.problem === null ? 'done' : paint('red', `refused: ${reloads.problem}`)
    lines.push(`Last reload at ${when(reloads.last)} UTC: ${outcome}`)
  }
  return lines
}

function percent(share: number): string {
  return `${Math.ceil(share * 100)} %`
}
