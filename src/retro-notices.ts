/**
 * Tells people what a search of the past has found: by the routes, filters and throttles that hold for every alert, but as one
 * notification of each rule for each route, however many old events a list matches.
 *
 * A search runs beside a sensor, which owns the folder of the spools, so that its notifications have a folder of their own. They are
 * kept there before what was found is stored: a search that ends early, or that another one keeps from telling, has lost none. Whoever
 * looks next sends them, the next search or a sensor that tells people of alerts; after a crash some may go out twice, with the
 * same ids.
 */
import { readdirSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { setTimeout as delay } from 'node:timers/promises'
import { Alerting, alertRoutes, deliveryNameOf, prepareAlerting } from './alerting.ts'
import { makeFolder } from './base/folder.ts'
import { SECOND_US } from './base/time.ts'
import type { Config } from './config-schema.ts'
import { Deliveries, FolderInUseError, QUARANTINE } from './deliveries.ts'
import type { EventDocument } from './events/fields.ts'
import { AlertRouter, type CalmOptions } from './output/alert-router.ts'
import { droppedIn } from './output/delivery-status.ts'
import { readQuarantine } from './output/quarantine.ts'
import { inspectSpool } from './output/spool.ts'

/** Below the folder of the deliveries. */
export const PAST_FOLDER = 'retro'
/** Notifications of a search that no delivery has taken yet, and when that was, in milliseconds since the epoch. */
const KEPT = /^kept-(\d+)-[\w-]+\.ndjson$/
/** Searches whose notifications no sink and no spool takes; the oldest are given up. */
const KEPT_MAX = 1000
/** How long a sink is waited for; then its notifications wait in the spool. As long another process is waited for that tells. */
const PATIENCE_MS = 10_000
const CLAIM_MS = 100

interface Notice {
  readonly sink: string
  readonly notification: EventDocument
}

/** Notifications of what was found in the past that one delivery has not sent yet. */
export interface PastWaiting {
  readonly delivery: string
  readonly notifications: number
  /** When the first of them was found or spooled, in milliseconds since the epoch. */
  readonly oldestMs: number
}

export interface SendOptions {
  readonly warn: (message: string) => void
  /** What the process is called by whoever finds the folder in use. */
  readonly command: string
  readonly patienceMs?: number
}

/**
 * Makes the notifications of what alerts among the documents of a search are to say, and keeps them on disk; says how many they are, one
 * for every sink.
 *
 * @throws the system's error if they cannot be kept
 */
export function keepPast(config: Config, documents: readonly EventDocument[]): number {
  const notices: Notice[] = []
  const routes = alertRoutes(config).map((route) => ({ ...route, calm: gathered(route.calm) }))
  const router = new AlertRouter(routes, (sink, notification) => notices.push({ sink, notification }))
  for (const document of documents) router.observe(document)
  router.end()
  if (notices.length > 0) writeKept(join(config.delivery.path, PAST_FOLDER), notices)
  return notices.length
}

/**
 * Sends what searches have kept, and what could not be sent before, for `patienceMs` at most.
 *
 * @returns how many notifications wait for the next one who sends, or were refused
 * @throws {ConfigError} if a secret or a certificate of a sink cannot be read
 */
export async function sendPast(
  config: Config,
  { warn, command, patienceMs = PATIENCE_MS }: SendOptions,
): Promise<number> {
  const folder = join(config.delivery.path, PAST_FOLDER)
  if (!isWaiting(folder, config)) return 0
  const deliveries = new Deliveries({ ...config.delivery, path: folder }, command, warn)
  const prepared = prepareAlerting(config, process.env)
  try {
    await claim(deliveries, patienceMs)
  } catch (error) {
    for (const sink of prepared.sinks.values()) await sink.close()
    if (!(error instanceof FolderInUseError)) throw error
    warn(`notifications of what was found in the past wait: ${error.message}`)
    return keptIn(folder).flatMap((name) => readKept(folder, name, warn)).length
  }
  return send(folder, new Alerting(prepared, deliveries), deliveries, warn, patienceMs)
}

/**
 * What waits for the next one who sends, by the name of its delivery; nothing is changed. What is on its way at the time may count
 * twice: it is kept until it is sent or in a spool.
 *
 * @param path the folder of the deliveries
 */
export function inspectPast(path: string): PastWaiting[] {
  const folder = join(path, PAST_FOLDER)
  const waiting = new Map<string, { notifications: number; oldestMs: number }>()
  const count = (delivery: string, notifications: number, sinceMs: number) => {
    const { notifications: before, oldestMs } = waiting.get(delivery) ?? { notifications: 0, oldestMs: sinceMs }
    waiting.set(delivery, { notifications: before + notifications, oldestMs: Math.min(oldestMs, sinceMs) })
  }
  for (const name of keptIn(folder)) {
    const searchedMs = Number(KEPT.exec(name)?.[1])
    for (const { sink } of readKept(folder, name, () => {})) count(deliveryNameOf(sink), 1, searchedMs)
  }
  for (const name of foldersIn(folder)) {
    const { records, oldestMs } = inspectSpool(join(folder, name))
    if (oldestMs !== null) count(name, records, oldestMs)
  }
  return [...waiting].map(([delivery, content]) => ({ delivery, ...content }))
}

/** Notifications of what was found in the past that a sink refused for good. */
export interface PastRefused {
  readonly delivery: string
  readonly notifications: number
}

/** What lies in the quarantines of what was found in the past. */
export function refusedPast(path: string): PastRefused[] {
  const folder = join(path, PAST_FOLDER)
  return foldersIn(folder)
    .map((delivery) => ({
      delivery,
      notifications: readQuarantine(join(folder, delivery, QUARANTINE)).events.length,
    }))
    .filter(({ notifications }) => notifications > 0)
}

async function send(
  folder: string,
  alerting: Alerting,
  deliveries: Deliveries,
  warn: SendOptions['warn'],
  patienceMs: number,
): Promise<number> {
  const kept = keptIn(folder).map((name) => ({ name, notices: readKept(folder, name, warn) }))
  const homeless = new Set<string>()
  let undelivered = 0
  for (const { sink, notification } of kept.flatMap(({ notices }) => notices)) {
    if (alerting.push(sink, notification)) continue
    homeless.add(sink)
    undelivered++
  }
  try {
    await deliveries.flush(patienceMs)
  } catch (error) {
    // There is no hope for a sink: what it did not take waits like anything else.
    warn(`what was found in the past is refused: ${error instanceof Error ? error.message : error}`)
  }
  await deliveries.close()
  await alerting.close()
  if (homeless.size > 0) warn(`notifications wait for sinks that are not configured: ${[...homeless].join(', ')}`)
  const lost = new Set<string>()
  for (const { name, delivery } of alerting.deliveries) {
    const { accepted, resumed, stored, duplicates } = delivery.counts
    undelivered += accepted + resumed - stored - duplicates
    if (droppedIn(delivery.counts) > 0) lost.add(name)
  }
  // What is neither sent nor refused nor in a spool stays.
  for (const { name, notices } of kept)
    rewriteKept(
      folder,
      name,
      notices.filter(({ sink }) => homeless.has(sink) || lost.has(sink)),
    )
  for (const name of keptIn(folder).slice(0, -KEPT_MAX)) {
    warn(`too much waits: the notifications of ${join(folder, name)} are given up`)
    rmSync(join(folder, name))
  }
  return undelivered
}

/** Another search, or a sensor, is through soon. */
async function claim(deliveries: Deliveries, patienceMs: number): Promise<void> {
  for (let leftMs = patienceMs; ; leftMs -= CLAIM_MS) {
    try {
      return deliveries.claim(true)
    } catch (error) {
      if (!(error instanceof FolderInUseError) || leftMs <= 0) throw error
    }
    await delay(CLAIM_MS)
  }
}

function isWaiting(folder: string, config: Config): boolean {
  const names = namesIn(folder)
  if (names.some((name) => KEPT.test(name))) return true
  const spools = alertRoutes(config)
    .flatMap(({ sinks }) => sinks)
    .map(deliveryNameOf)
  return spools.some((name) => names.includes(name) && inspectSpool(join(folder, name)).records > 0)
}

/** The oldest first. */
function keptIn(folder: string): string[] {
  return namesIn(folder).filter((name) => KEPT.test(name))
}

function namesIn(folder: string): string[] {
  return unlessGone(() => readdirSync(folder).sort(), [])
}

function foldersIn(folder: string): string[] {
  const entries = unlessGone(() => readdirSync(folder, { withFileTypes: true }), [])
  return entries.filter((entry) => entry.isDirectory()).map(({ name }) => name)
}

/** What is read, or what stands for it where there is nothing, or nothing any more: another process may just have sent it. */
function unlessGone<T>(read: () => T, otherwise: T): T {
  try {
    return read()
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return otherwise
    throw error
  }
}

function readKept(folder: string, name: string, warn: SendOptions['warn']): Notice[] {
  const path = join(folder, name)
  const notices: Notice[] = []
  const text = unlessGone(() => readFileSync(path, 'utf8'), '')
  for (const [index, line] of text.split('\n').entries()) {
    if (line === '') continue
    try {
      notices.push(JSON.parse(line) as Notice)
    } catch {
      warn(`${path}:${index + 1}: a notification cannot be read, and is lost`)
    }
  }
  return notices
}

/** Whole, and on the disk. The name follows from what is told: the same notifications are one file. */
function writeKept(folder: string, notices: readonly Notice[]): string {
  makeFolder(folder, 0o700)
  const [{ notification }] = notices
  const name = `kept-${Date.parse(notification['@timestamp'])}-${notification['event.id']}.ndjson`
  const text = notices.map((notice) => JSON.stringify(notice)).join('\n')
  const path = join(folder, name)
  writeFileSync(`${path}.partial`, `${text}\n`, { mode: 0o600, flush: true })
  renameSync(`${path}.partial`, path)
  return name
}

function rewriteKept(folder: string, name: string, left: readonly Notice[]): void {
  const written = left.length === 0 ? null : writeKept(folder, left)
  if (written !== name) rmSync(join(folder, name))
}

/** All alerts of a search have its time, so that a wait of any length ends with it. */
function gathered(calm: CalmOptions): CalmOptions {
  return { ...calm, group: { by: ['rule.id'], waitUs: SECOND_US, repeatUs: 0 } }
}
