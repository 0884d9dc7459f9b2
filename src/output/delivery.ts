/**
 * Brings events to one destination, and loses none without saying so.
 *
 *     push ─► lanes in memory ─► batches ─► destination: stored, duplicates | rejected ─► quarantine
 *                  │   ▲                          │
 *                  ▼   └── later, with back-off ──┘
 *                spool
 *
 * At any moment
 * accepted + resumed = stored + duplicates + quarantined + spooled + queued + in flight + dropped, by reason.
 */
import type { EventDocument } from '../events/fields.ts'
import { DeliveryError, type DeliveryResult, type Destination, retryOf } from './destination.ts'
import { asJson } from './json.ts'
import type { DeliveryCounts, DestinationStatus } from './delivery-status.ts'
import { LANES, type Lane, laneOf } from './lanes.ts'
import { RateMeter, SizeEstimate } from './meters.ts'
import type { Quarantine } from './quarantine.ts'
import type { Spool, Spooling } from './spool.ts'
import { type Item, Waiting } from './waiting.ts'

export interface DeliveryOptions {
  readonly name: string
  /** `arrival`: one row, as for a file. `priority`: alerts before events before flows. */
  readonly order: 'arrival' | 'priority'
  /** A batch goes when it holds so many octets (estimated) or documents, or when its first document is so old. */
  readonly batchBytes: number
  readonly batchEvents: number
  readonly batchMs: number
  /** Requests under way at one time. */
  readonly requestsMax: number
  /** A request without an answer is given up after this. */
  readonly requestMs: number
  /** What may wait in memory; beyond it documents go to the spool. Without a spool they are dropped, unless `drain` holds back for as long as it takes. */
  readonly queueBytesMax: number
  readonly backoffMinMs: number
  readonly backoffMaxMs: number
  /** Whether `drain` holds the producer back. Not where it cannot wait, as a network does not. */
  readonly holdsBack: boolean
  /** How long `drain` and `flush` wait for a destination that fails. */
  readonly patienceMs: number
  /** When a destination that fails is given up, and the delivery with it. */
  readonly giveUpMs: number
  /** Whether one that says there is no hope is tried again all the same: somebody may mend it while a service runs. */
  readonly isStubborn?: boolean
  readonly spool: Spool | null
  readonly quarantine: Quarantine | null
  /** For the jitter: from 0 to less than 1. */
  readonly random?: () => number
  /** Told once when trouble begins, and once when it is over. */
  readonly warn?: (message: string) => void
}

/** After an attempt to spool failed, so long no other one is made. */
const SPOOL_PAUSE_MS = 1000
/** A destination that names a longer time than this is asked again earlier. */
const AFTER_MS_MAX = 3_600_000
/** Batches never become smaller than this because the destination refuses large ones, but for single ones. */
const BATCH_BYTES_MIN = 65_536
/** A timer cannot wait longer. */
const TIMER_MS_MAX = 2 ** 31 - 1

export class Delivery {
  readonly name: string
  readonly #destination: Destination
  readonly #options: DeliveryOptions
  readonly #spool: Spool | null
  readonly #random: () => number

  readonly #waiting = new Waiting()
  /** Until those that were refused one by one come back. */
  #postponedTimer: NodeJS.Timeout | undefined
  #postponements = 0
  #postponedSinceMs = 0
  #numbers = 0
  #batchTimer: NodeJS.Timeout | undefined
  /** What waits has waited long enough, whether it fills a batch or not. */
  #isDue = false
  #batchBytes: number
  readonly #sizes = new SizeEstimate()

  #inFlight = 0
  readonly #requests = new Set<Promise<void>>()
  readonly #aborts = new Set<AbortController>()

  #accepted = 0
  #stored = 0
  #duplicates = 0
  #quarantined = 0
  #retries = 0
  readonly #dropped = new Map<string, number>()

  #failure: unknown = null
  #failingSinceMs: number | null = null
  #failures = 0
  #backoff: NodeJS.Timeout | undefined
  #isPauseAskedFor = false
  #progressMs = Date.now()
  #lastError: { message: string; time: string } | null = null
  #spoolPausedUntilMs = 0
  #refusal: Spooling = 'spooled'
  #isFlushing = false
  #isClosed = false
  readonly #rate = new RateMeter()
  /** Who waits for the documents with a lower number than `before`, of which so many are in memory. */
  #settling: { readonly before: number; left: number; readonly resolve: () => void }[] = []
  /** Everyone who waits for something to change. */
  #waiters: (() => void)[] = []

  /** Begins at once with what the spool holds. */
  constructor(destination: Destination, options: DeliveryOptions) {
    this.name = options.name
    this.#destination = destination
    this.#options = options
    this.#spool = options.spool
    this.#random = options.random ?? Math.random
    this.#batchBytes = options.batchBytes
    this.#pump()
  }

  /** Synchronous, so that it may stand on the bus. Never throws. */
  readonly push = (document: EventDocument): void => {
    this.#accepted++
    if (this.#isClosed || this.#failure !== null) {
      this.#drop(this.#isClosed ? 'closed' : 'failed', 1)
      return
    }
    const lane = this.#options.order === 'arrival' ? 'events' : laneOf(document)
    const bytes = this.#sizes.of(document)
    this.#waiting.push({ document, bytes, lane, number: this.#numbers++, ticket: null })
    if (this.#waiting.bytes >= this.#batchBytes || this.#waiting.count >= this.#options.batchEvents) this.#pump()
    else if (this.#batchTimer === undefined) this.#batchTimer = setTimeout(this.#ripen, this.#options.batchMs).unref()
    if (this.#waiting.bytes > this.#options.queueBytesMax) this.#overflow()
  }

  /**
   * Holds the producer back: resolves when there is room, or when the destination has been failing for `patienceMs`. Rejects
   * with the error of a destination for which there is no hope.
   */
  async drain(): Promise<void> {
    while (true) {
      if (this.#failure !== null) throw this.#failure
      if (this.#waiting.bytes < this.#batchBytes && this.#waiting.count < this.#options.batchEvents) return
      if (!this.#options.holdsBack) return
      const leftMs = this.#patienceMs(this.#failingSinceMs)
      if (leftMs <= 0) return
      await this.#change(leftMs)
    }
  }

  /**
   * Resolves when everything is delivered, also from the spool; or when the destination has done nothing but fail for
   * `patienceMs`, or `deadlineMs` have passed: then `counts` say what is left. Rejects as `drain` does.
   */
  async flush(deadlineMs = Number.POSITIVE_INFINITY): Promise<void> {
    const startMs = Date.now()
    this.#isFlushing = true
    try {
      // A pause that the destination did not ask for is cut short: it may be back, and this is the last chance.
      if (!this.#isPauseAskedFor) this.#endBackoff()
      this.#returnPostponed()
      this.#pump()
      while (true) {
        if (this.#failure !== null) throw this.#failure
        if (this.#waiting.count + this.#inFlight + this.#spooled === 0) return
        const stuckMs = this.#stuckSinceMs === null ? null : Math.max(this.#stuckSinceMs, startMs)
        const leftMs = Math.min(startMs + deadlineMs - Date.now(), this.#patienceMs(stuckMs))
        if (leftMs <= 0) return
        await this.#change(leftMs)
      }
    } finally {
      this.#isFlushing = false
    }
  }

  /**
   * Resolves when everything that was pushed so far has left the memory: it is delivered, refused, lost, or on disk. What is
   * pushed later is not waited for. Never rejects; of a destination that stands still it may take as long as that does.
   */
  settled(): Promise<void> {
    const left = this.#waiting.count + this.#inFlight
    if (left === 0) return Promise.resolve()
    return new Promise((resolve) => this.#settling.push({ before: this.#numbers, left, resolve }))
  }

  /** Stops at once; what is left goes into the spool. The destination stays open: it belongs to whoever opened it. */
  async close(): Promise<void> {
    if (this.#isClosed) return
    this.#isClosed = true
    for (const timer of [this.#batchTimer, this.#postponedTimer, this.#backoff]) clearTimeout(timer)
    for (const abort of this.#aborts) abort.abort(new DeliveryError('the delivery was stopped', { retry: 'later' }))
    await Promise.all(this.#requests)
    this.#returnPostponed()
    for (const lane of LANES) this.#leaveBehind(lane)
    this.#spool?.close()
    for (const { resolve } of this.#settling) resolve()
    this.#notify()
  }

  get counts(): DeliveryCounts {
    const dropped: Record<string, number> = {}
    for (const [reason, count] of [...this.#dropped, ...(this.#spool?.dropped ?? [])])
      dropped[reason] = (dropped[reason] ?? 0) + count
    return {
      accepted: this.#accepted,
      resumed: this.#spool?.resumed ?? 0,
      stored: this.#stored,
      duplicates: this.#duplicates,
      quarantined: this.#quarantined,
      spooled: this.#spooled,
      queued: this.#waiting.count,
      inFlight: this.#inFlight,
      dropped,
    }
  }

  status(): DestinationStatus {
    const { quarantine } = this.#options
    const state = this.#spooled > 0 ? 'spooling' : this.#stuckSinceMs === null ? 'ok' : 'retrying'
    return {
      name: this.name,
      state: this.#failure === null ? state : 'failed',
      failingSince: iso(this.#failingSinceMs),
      lastError: this.#lastError,
      ...this.counts,
      retries: this.#retries,
      rate: this.#rate.perSecond(this.#stored + this.#duplicates + this.#quarantined),
      spool:
        this.#spool === null
          ? null
          : {
              bytes: this.#spool.bytes,
              oldest: iso(this.#spool.oldestMs),
              troubles: this.#spool.troubles,
              trouble: this.#spool.trouble?.message ?? null,
            },
      quarantine: quarantine === null ? null : { bytes: quarantine.bytes, trouble: quarantine.trouble },
    }
  }

  /** Since when nothing at all has come to rest, if something was refused for now; null if nothing was. */
  get #stuckSinceMs(): number | null {
    const sinceMs = this.#failingSinceMs ?? (this.#waiting.hasPostponed ? this.#postponedSinceMs : null)
    return sinceMs === null ? null : Math.max(sinceMs, this.#progressMs)
  }

  get #spooled(): number {
    return this.#spool?.records ?? 0
  }

  readonly #ripen = (): void => {
    this.#batchTimer = undefined
    this.#isDue = true
    this.#pump()
  }

  /** Sends what may be sent now. */
  #pump(): void {
    while (this.#mayRequest()) {
      const items = this.#take()
      if (items.length === 0) return
      this.#inFlight += items.length
      const request = this.#attempt(items).finally(() => {
        this.#requests.delete(request)
        this.#pump()
        this.#notify()
      })
      this.#requests.add(request)
    }
  }

  #mayRequest(): boolean {
    if (this.#isClosed || this.#failure !== null || this.#backoff !== undefined) return false
    // Too many were refused one by one: more would only join them.
    if (this.#waiting.hasPostponed && this.#waiting.bytes > this.#options.queueBytesMax / 2) return false
    // While it fails, one request finds out whether it still does.
    return this.#requests.size < (this.#failingSinceMs === null ? this.#options.requestsMax : 1)
  }

  /** The next batch: by lanes, and in each what came back, what is on disk, what is fresh. Empty if nothing should go yet. */
  #take(): Item[] {
    const { batchEvents } = this.#options
    // While some are refused one by one, no others are fetched from the disk to join them in memory.
    const spool = !this.#waiting.hasPostponed && this.#spooled > 0 ? this.#spool : null
    const isUrgent = this.#isDue || this.#isFlushing || spool !== null || this.#waiting.hasReturned
    if (!isUrgent && this.#waiting.bytes < this.#batchBytes && this.#waiting.count < batchEvents) return []
    const fromDisk = (lane: Lane, bytesMax: number, countMax: number) =>
      spool?.read(lane, bytesMax, countMax).map((item) => ({ ...item, number: this.#numbers++ })) ?? []
    const items = this.#waiting.takeBatch(this.#batchBytes, batchEvents, spool === null ? null : fromDisk)
    if (this.#waiting.count === 0) {
      this.#isDue = false
      clearTimeout(this.#batchTimer)
      this.#batchTimer = undefined
    }
    return items
  }

  /** One request; in halves if it is too large. Never rejects. */
  async #attempt(items: readonly Item[]): Promise<void> {
    let result: DeliveryResult
    try {
      result = await this.#request(items.map(({ document }) => document))
    } catch (error) {
      return this.#failed(items, error)
    }
    this.#settle(items, result)
  }

  async #request(documents: readonly EventDocument[]): Promise<DeliveryResult> {
    const { requestMs } = this.#options
    const abort = new AbortController()
    this.#aborts.add(abort)
    const givenUp = new Promise<never>((_, reject) => {
      abort.signal.addEventListener('abort', () => reject(abort.signal.reason), { once: true })
    })
    const tooLate = new DeliveryError(`no answer within ${requestMs / 1000} s`, { retry: 'later' })
    const timer = Number.isFinite(requestMs) ? setTimeout(() => abort.abort(tooLate), requestMs) : undefined
    try {
      const result = await Promise.race([this.#destination.write(documents, abort.signal), givenUp])
      if (!isComplete(result, documents.length)) {
        throw new DeliveryError(`the answer does not account for ${documents.length} events`, { retry: 'later' })
      }
      return result
    } finally {
      clearTimeout(timer)
      this.#aborts.delete(abort)
    }
  }

  #settle(items: readonly Item[], { stored, duplicates, rejected, later }: DeliveryResult): void {
    const put = new Set<Item>()
    for (const { index, reason } of later) {
      put.add(items[index])
      this.#remember(reason)
    }
    if (put.size === items.length) {
      this.#retries += items.length
      this.#putBack(items)
      this.#backOff(new DeliveryError(later[0].reason, { retry: 'later' }))
      return
    }
    for (const { index, reason } of rejected) this.#quarantine(items[index].document, reason)
    this.#inFlight -= items.length - put.size
    this.#stored += stored
    this.#duplicates += duplicates
    this.#acknowledge(items.filter((item) => !put.has(item)))
    this.#recovered()
    if (this.#batchBytes < this.#options.batchBytes) {
      this.#batchBytes = Math.min(this.#options.batchBytes, Math.ceil(this.#batchBytes * 1.05))
    }
    if (put.size > 0) this.#postpone([...put])
    else if (!this.#waiting.hasPostponed) this.#postponements = 0
  }

  async #failed(items: readonly Item[], error: unknown): Promise<void> {
    const { retry, afterMs } = retryOf(error)
    if (this.#isClosed) return this.#putBack(items)
    this.#remember(messageOf(error))
    if (retry === 'smaller') return this.#halve(items, error)
    this.#putBack(items)
    this.#retries++
    if (retry === 'never' && this.#options.isStubborn !== true) this.#fail(error)
    else this.#backOff(error, afterMs)
  }

  async #halve(items: readonly Item[], error: unknown): Promise<void> {
    if (items.length === 1) {
      this.#inFlight--
      this.#quarantine(items[0].document, messageOf(error))
      this.#acknowledge(items)
      this.#recovered()
      return
    }
    const bytes = items.reduce((sum, item) => sum + item.bytes, 0)
    this.#batchBytes = Math.max(BATCH_BYTES_MIN, Math.min(this.#batchBytes, Math.ceil(bytes / 2)))
    const middle = items.length >> 1
    await this.#attempt(items.slice(0, middle))
    const mayGoOn = !this.#isClosed && this.#failure === null && this.#backoff === undefined
    if (mayGoOn) await this.#attempt(items.slice(middle))
    else this.#putBack(items.slice(middle))
  }

  /** From under way to the head of their lanes. */
  #putBack(items: readonly Item[]): void {
    this.#inFlight -= items.length
    this.#waiting.putBack(items)
  }

  #postpone(items: readonly Item[]): void {
    this.#inFlight -= items.length
    this.#retries += items.length
    this.#waiting.postpone(items)
    if (this.#postponedTimer !== undefined || this.#isClosed) return
    if (this.#postponements === 0) this.#postponedSinceMs = Date.now()
    this.#postponements++
    this.#postponedTimer = setTimeout(() => {
      this.#returnPostponed()
      this.#pump()
    }, this.#delayMs(this.#postponements))
  }

  #returnPostponed(): void {
    clearTimeout(this.#postponedTimer)
    this.#postponedTimer = undefined
    this.#waiting.returnPostponed()
  }

  /** They have left the memory for good. */
  #acknowledge(items: readonly Item[]): void {
    for (const wait of this.#settling) {
      for (const { number } of items) if (number < wait.before) wait.left--
      if (wait.left === 0) wait.resolve()
    }
    if (this.#settling.length > 0) this.#settling = this.#settling.filter(({ left }) => left > 0)
    const tickets = items.flatMap(({ ticket }) => (ticket === null ? [] : [ticket]))
    if (tickets.length > 0) this.#spool?.acknowledge(tickets)
  }

  #quarantine(document: EventDocument, reason: string): void {
    const kept = this.#options.quarantine?.add(document, reason) ?? 'failed'
    if (kept === 'kept') this.#quarantined++
    else this.#drop(`quarantine_${kept}`, 1)
    if (this.#quarantined === 1 || kept !== 'kept') this.#remember(reason)
  }

  #backOff(error: unknown, afterMs = 0): void {
    const { giveUpMs, warn } = this.#options
    const nowMs = Date.now()
    if (this.#failingSinceMs === null) {
      this.#failingSinceMs = nowMs
      this.#failures = 0
      warn?.(`${this.name}: ${messageOf(error)}; it will be tried again`)
    }
    if (nowMs - this.#failingSinceMs >= giveUpMs) {
      this.#fail(error)
      return
    }
    // Requests that were under way together fail together: that is one failure.
    if (this.#backoff !== undefined) return
    this.#failures++
    const ownMs = this.#delayMs(this.#failures)
    const askedMs = Math.min(afterMs, AFTER_MS_MAX)
    this.#isPauseAskedFor = askedMs > ownMs
    this.#backoff = setTimeout(
      () => {
        this.#endBackoff()
        this.#pump()
      },
      Math.max(askedMs, ownMs),
    )
    this.#notify()
  }

  #endBackoff(): void {
    clearTimeout(this.#backoff)
    this.#backoff = undefined
  }

  /** Doubles with every attempt; half of it is chance, so that many sensors do not come back together. */
  #delayMs(attempts: number): number {
    const { backoffMinMs, backoffMaxMs } = this.#options
    const most = Math.min(backoffMaxMs, backoffMinMs * 2 ** (attempts - 1))
    return Math.round(most * (0.5 + this.#random() / 2))
  }

  #recovered(): void {
    this.#progressMs = Date.now()
    if (this.#failingSinceMs !== null) {
      const seconds = Math.round((this.#progressMs - this.#failingSinceMs) / 1000)
      this.#options.warn?.(`${this.name}: takes events again after ${seconds} s`)
    }
    this.#failingSinceMs = null
    this.#failures = 0
  }

  #fail(error: unknown): void {
    this.#failure ??= error
    this.#notify()
  }

  /** More waits in memory than may: a batch of it goes to disk, what matters most first; what finds no place is dropped. */
  #overflow(): void {
    const { queueBytesMax, holdsBack, patienceMs } = this.#options
    if (this.#spool === null) {
      // Whoever waits for as long as it takes asks `drain` soon.
      if (holdsBack && patienceMs === Number.POSITIVE_INFINITY) return
    } else if (Date.now() >= this.#spoolPausedUntilMs) {
      this.#refusal = this.#spill(this.#spool)
      if (this.#refusal === 'spooled') {
        this.#pump()
        return
      }
      this.#spoolPausedUntilMs = Date.now() + SPOOL_PAUSE_MS
    }
    const reason = this.#spool === null ? 'queue_full' : `spool_${this.#refusal}`
    while (this.#waiting.bytes > queueBytesMax && this.#dropOldest(reason));
  }

  #spill(spool: Spool): Spooling {
    let roomBytes = this.#batchBytes
    for (const lane of LANES) {
      for (const from of ['fresh', 'returned'] as const) {
        const items = this.#waiting.withdraw(lane, from, roomBytes)
        for (const { bytes } of items) roomBytes -= bytes
        const outcome = this.#append(spool, lane, items)
        if (outcome === 'spooled') continue
        this.#waiting.putBack(items)
        return outcome
      }
    }
    return 'spooled'
  }

  #append(spool: Spool, lane: Lane, items: readonly Item[]): Spooling {
    if (items.length === 0) return 'spooled'
    const outcome = spool.append(
      lane,
      items.map(({ document }) => Buffer.from(asJson(document))),
    )
    if (outcome === 'spooled') this.#acknowledge(items)
    return outcome
  }

  /** Of the lowest class the oldest. False if nothing is left that could go. */
  #dropOldest(reason: string): boolean {
    const item = this.#waiting.withdrawLast()
    if (item === undefined) return false
    this.#acknowledge([item])
    this.#drop(`${reason}.${item.lane}`, 1)
    return true
  }

  /** At the end: what lies on disk stays there, the rest joins it. */
  #leaveBehind(lane: Lane): void {
    for (const from of ['returned', 'fresh'] as const) {
      for (let items = this.#waiting.withdraw(lane, from, this.#batchBytes); items.length > 0; ) {
        const spool = this.#spool
        const loose = items.filter(({ ticket }) => !(ticket?.segment.isThere ?? false))
        for (const { ticket } of items) if (ticket !== null) spool?.release(ticket)
        const outcome = spool === null ? 'undelivered' : this.#append(spool, lane, loose)
        if (outcome === 'undelivered') this.#drop(`undelivered.${lane}`, loose.length)
        else if (outcome !== 'spooled') this.#drop(`spool_${outcome}.${lane}`, loose.length)
        items = this.#waiting.withdraw(lane, from, this.#batchBytes)
      }
    }
  }

  #drop(reason: string, count: number): void {
    if (count > 0) this.#dropped.set(reason, (this.#dropped.get(reason) ?? 0) + count)
  }

  #remember(message: string): void {
    this.#lastError = { message, time: new Date().toISOString() }
  }

  /** What is left of `patienceMs` for a destination that has failed since then. */
  #patienceMs(sinceMs: number | null): number {
    return sinceMs === null ? Number.POSITIVE_INFINITY : sinceMs + this.#options.patienceMs - Date.now()
  }

  /** Resolves when something has changed, or after a time. */
  #change(mostMs: number): Promise<void> {
    return new Promise((resolve) => {
      const timer = Number.isFinite(mostMs) ? setTimeout(resolve, Math.min(mostMs, TIMER_MS_MAX)) : undefined
      this.#waiters.push(() => {
        clearTimeout(timer)
        resolve()
      })
    })
  }

  #notify(): void {
    const waiters = this.#waiters
    this.#waiters = []
    for (const wake of waiters) wake()
  }
}

/** Whether each document of a batch is accounted for, once. */
function isComplete({ stored, duplicates, rejected, later }: DeliveryResult, documents: number): boolean {
  const told = new Set<number>()
  for (const { index } of [...rejected, ...later]) if (index >= 0 && index < documents) told.add(index)
  return told.size === rejected.length + later.length && stored + duplicates + told.size === documents
}

function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error)
}

function iso(timeMs: number | null): string | null {
  return timeMs === null ? null : new Date(timeMs).toISOString()
}
