/** All deliveries of one process, and the folder that they share: wired from the configuration. */
import { join } from 'node:path'
import type { Config } from './config-schema.ts'
import type { Observer } from './events/bus.ts'
import { Claim, claimFolder, type Owner } from './output/claim.ts'
import { Delivery, type DeliveryOptions } from './output/delivery.ts'
import type { DestinationStatus } from './output/delivery-status.ts'
import type { Destination } from './output/destination.ts'
import { healthEvents } from './output/health.ts'
import { Quarantine } from './output/quarantine.ts'
import { Spool } from './output/spool.ts'
import { type StatusReport, writeStatus } from './output/status.ts'

/** Another process owns a folder; `variable` names another one. */
export class FolderInUseError extends Error {
  override readonly name = 'FolderInUseError'

  constructor(folder: string, { pid, command, since }: Owner, variable: string) {
    super(
      `the folder ${folder} belongs to process ${pid} ("${command}", since ${since}): wait for it, or give this one a folder of its own with ${variable}`,
    )
  }
}

/**
 * `local`: a file or the embedded store, written in the order of arrival; it is waited for as long as it takes, and its error
 * ends the run, but for what is live. `remote`: may be gone for hours; has a spool.
 */
export type DestinationKind = 'local' | 'remote'

const STATUS_MS = 1000
/** A local destination that is busy is tried again for so long. */
const LOCAL_GIVE_UP_MS = 5000
/** As the embedded store takes them, and as much under way as it commits at once, twice: what is sent early is forgotten early. */
const LOCAL_BATCH_EVENTS = 256
const LOCAL_REQUESTS_MAX = 8
/** Of a file one batch at a time: one that failed comes before those after it. */
const FILE_BATCH_EVENTS = 1024
const FILE_REQUESTS_MAX = 1

export class Deliveries {
  readonly #config: Config['delivery']
  readonly #command: string
  readonly #warn: (message: string) => void
  readonly #isLive: boolean
  readonly #started = new Date().toISOString()
  readonly #deliveries: Delivery[] = []
  #claim: Claim | null = null
  #statusTimer: NodeJS.Timeout | undefined
  #health: { readonly to: Delivery; readonly observer: Observer } | null = null
  #healthTimer: NodeJS.Timeout | undefined
  #isStatusBroken = false
  /** Adds to the status how the sensor does. */
  describeSensor: (() => object) | null = null
  #isWritingStatus = false
  #statusWritten: Promise<void> = Promise.resolve()

  /** `isLive`: what produces the events cannot wait, as a network does not. */
  constructor(config: Config['delivery'], command: string, warn: (message: string) => void, isLive = false) {
    this.#isLive = isLive
    this.#config = config
    this.#command = command
    this.#warn = warn
  }

  /**
   * Begins to deliver to a destination, first of all what an earlier process left in its spool. The destination stays the
   * caller's to close, after `close`.
   *
   * @throws {FolderInUseError} if it needs a spool and another process owns the folder
   */
  open(name: string, destination: Destination, kind: DestinationKind): Delivery {
    const config = this.#config
    const mayWait = kind === 'remote' || this.#isLive
    this.claim(mayWait)
    const folder = join(config.path, name)
    const hasSpool = mayWait && config.spoolBytesMax > 0
    const delivery = new Delivery(destination, {
      name,
      ...(kind === 'local' ? localOptions(config) : remoteOptions(config)),
      ...(this.#isLive ? LIVE_OPTIONS : {}),
      spool: hasSpool
        ? new Spool({
            folder,
            bytesMax: config.spoolBytesMax,
            segmentBytes: Math.min(config.segmentBytes, Math.ceil(config.spoolBytesMax / 16)),
            fsync: config.fsync,
          })
        : null,
      quarantine: new Quarantine(join(folder, QUARANTINE), config.quarantineBytesMax),
      warn: this.#warn,
    })
    this.#deliveries.push(delivery)
    void this.#writeStatus(false)
    return delivery
  }

  /** A row in arrival order for what nobody would look for in a quarantine: a file named on the command line. */
  openFile(name: string, destination: Destination): Delivery {
    const delivery = new Delivery(destination, {
      name,
      ...localOptions(this.#config),
      ...(this.#isLive ? LIVE_OPTIONS : {}),
      order: 'arrival',
      batchEvents: FILE_BATCH_EVENTS,
      requestsMax: FILE_REQUESTS_MAX,
      spool: null,
      quarantine: null,
      warn: this.#warn,
    })
    this.#deliveries.push(delivery)
    return delivery
  }

  /** Holds the producer back until every delivery has room. */
  async drain(): Promise<void> {
    for (const delivery of this.#deliveries) await delivery.drain()
  }

  /** After `deadlineMs` what is left is for `close`. */
  async flush(deadlineMs = Number.POSITIVE_INFINITY): Promise<void> {
    await Promise.all(this.#deliveries.map((delivery) => delivery.flush(deadlineMs)))
    if (this.#health === null) return
    const { to } = this.#health
    this.#tellHealth()
    // One that fails is not waited for a second time: then this goes into the spool like everything else.
    if (to.status().failingSince === null) await to.flush(deadlineMs)
  }

  /** Resolves when the events so far are at rest: see `Delivery.settled`. */
  async settled(): Promise<void> {
    await Promise.all(this.#deliveries.map((delivery) => delivery.settled()))
  }

  /** Ends a delivery, and leaves what it did not deliver in its spool. Its name is free for another one. */
  async remove(delivery: Delivery): Promise<void> {
    await delivery.close()
    const at = this.#deliveries.indexOf(delivery)
    if (at !== -1) this.#deliveries.splice(at, 1)
  }

  /** Gives the state of all deliveries to one of them as events, from time to time and after `flush`. */
  reportHealth(to: Delivery, observer: Observer): void {
    this.#health = { to, observer }
    this.#healthTimer = setInterval(() => this.#tellHealth(), this.#config.healthSeconds * 1000).unref()
  }

  /** What is left goes into the spools; the folder is free for the next process. */
  async close(): Promise<void> {
    clearInterval(this.#statusTimer)
    clearInterval(this.#healthTimer)
    for (const delivery of this.#deliveries) await delivery.close()
    await this.#writeStatus(true)
    this.#claim?.release()
    this.#claim = null
  }

  /** What became of the events of each delivery. */
  get destinations(): DestinationStatus[] {
    return this.#deliveries.map((delivery) => delivery.status())
  }

  report(ended = false): StatusReport {
    return {
      version: 1,
      pid: process.pid,
      command: this.#command,
      started: this.#started,
      updated: new Date().toISOString(),
      ended,
      destinations: this.destinations,
      ...(this.describeSensor === null ? {} : { sensor: this.describeSensor() }),
    }
  }

  /**
   * Makes the folder of the configuration this process's own, if no other one has it.
   *
   * @throws {FolderInUseError} if it is needed and another process owns it
   */
  claim(isNeeded: boolean): void {
    if (this.#claim !== null) return
    const { path } = this.#config
    let claim: Claim | Owner
    try {
      claim = claimFolder(path, this.#command)
    } catch (error) {
      // What needs a spool goes on without one, and counts what it loses.
      if (isNeeded) this.#warn(`nothing can be spooled in ${path}: ${(error as Error).message}`)
      return
    }
    if (claim instanceof Claim) {
      this.#claim = claim
      this.#statusTimer = setInterval(() => void this.#writeStatus(false), STATUS_MS).unref()
    } else if (isNeeded) throw new FolderInUseError(path, claim, 'BORESCOPE_DELIVERY__PATH')
  }

  #tellHealth(): void {
    if (this.#health === null) return
    const { to, observer } = this.#health
    for (const document of healthEvents(this.destinations, observer, Date.now())) to.push(document)
  }

  /** One after the other, and none for one that is not through; a disk that is slow delays nothing else. */
  #writeStatus(ended: boolean): Promise<void> {
    if (this.#isWritingStatus && !ended) return this.#statusWritten
    this.#isWritingStatus = true
    this.#statusWritten = this.#statusWritten.then(async () => {
      try {
        if (this.#claim !== null) await writeStatus(this.#config.path, this.report(ended))
        this.#isStatusBroken = false
      } catch (error) {
        if (!this.#isStatusBroken) this.#warn(`the status cannot be written: ${(error as Error).message}`)
        this.#isStatusBroken = true
      } finally {
        this.#isWritingStatus = false
      }
    })
    return this.#statusWritten
  }
}

export const QUARANTINE = 'quarantine.ndjson'

/**
 * Nobody waits: what finds no room in memory goes to disk, and what finds none there is dropped, flows before events and alerts last.
 * A destination is never given up.
 */
const LIVE_OPTIONS = {
  order: 'priority',
  holdsBack: false,
  giveUpMs: Number.POSITIVE_INFINITY,
  isStubborn: true,
} as const

type Wired = Omit<DeliveryOptions, 'name' | 'spool' | 'quarantine' | 'warn' | 'random'>

function localOptions(config: Config['delivery']): Wired {
  return {
    order: 'arrival',
    batchBytes: config.batchBytes,
    batchEvents: LOCAL_BATCH_EVENTS,
    batchMs: config.batchSeconds * 1000,
    requestsMax: LOCAL_REQUESTS_MAX,
    requestMs: Number.POSITIVE_INFINITY,
    queueBytesMax: config.queueBytesMax,
    backoffMinMs: config.backoffSeconds * 1000,
    backoffMaxMs: config.backoffMaxSeconds * 1000,
    holdsBack: true,
    patienceMs: Number.POSITIVE_INFINITY,
    giveUpMs: LOCAL_GIVE_UP_MS,
  }
}

function remoteOptions(config: Config['delivery']): Wired {
  return {
    order: 'priority',
    batchBytes: config.batchBytes,
    batchEvents: config.batchEvents,
    batchMs: config.batchSeconds * 1000,
    requestsMax: config.requestsMax,
    requestMs: config.requestSeconds * 1000,
    queueBytesMax: config.queueBytesMax,
    backoffMinMs: config.backoffSeconds * 1000,
    backoffMaxMs: config.backoffMaxSeconds * 1000,
    holdsBack: true,
    patienceMs: config.holdBackSeconds * 1000,
    giveUpMs: Number.POSITIVE_INFINITY,
  }
}
