/**
 * What the service manager is told (sd_notify(3)): ready, reloading, stopping, alive, and a line for `systemctl status`. Where
 * nothing listens nothing is said.
 */

/** Sends one datagram; throws if it cannot. */
export type SendNotice = (text: string) => void

export interface NotifierOptions {
  /** Null where no service manager listens. */
  readonly send: SendNotice | null
  /** From `WATCHDOG_USEC`: how often a sign of life is due; 0 for never. */
  readonly watchdogUs: number
  readonly warn: (message: string) => void
}

/** A sign of life is given this many times in the time after which one is missed. */
const SIGNS = 3

export class Notifier {
  readonly #options: NotifierOptions
  #send: SendNotice | null
  #aliveMs = Number.NEGATIVE_INFINITY
  #status = ''

  constructor(options: NotifierOptions) {
    this.#options = options
    this.#send = options.send
  }

  /** Of the environment: the time of the watchdog, if it is meant for this process. */
  static watchdogUs({ WATCHDOG_USEC: us, WATCHDOG_PID: pid }: NodeJS.ProcessEnv): number {
    const isOurs = pid === undefined || Number(pid) === process.pid
    return us !== undefined && isOurs && /^\d+$/.test(us) ? Number(us) : 0
  }

  ready(status: string): void {
    this.#status = status
    this.#say(`READY=1\nSTATUS=${oneLine(status)}`)
  }

  /** `ready` follows. `monotonicUs` is the clock of the machine (CLOCK_MONOTONIC). */
  reloading(monotonicUs: number): void {
    this.#say(`RELOADING=1\nMONOTONIC_USEC=${monotonicUs}`)
  }

  stopping(): void {
    this.#say('STOPPING=1')
  }

  /** Called often, from the packet loop: what does not get here any more is to be restarted. */
  alive(nowMs: number): void {
    const { watchdogUs } = this.#options
    if (watchdogUs === 0 || nowMs - this.#aliveMs < watchdogUs / 1000 / SIGNS) return
    this.#aliveMs = nowMs
    this.#say('WATCHDOG=1')
  }

  status(status: string): void {
    if (status === this.#status) return
    this.#status = status
    this.#say(`STATUS=${oneLine(status)}`)
  }

  #say(text: string): void {
    if (this.#send === null) return
    try {
      this.#send(text)
    } catch (error) {
      this.#send = null
      this.#options.warn(`the service manager is not told anything more: ${(error as Error).message}`)
    }
  }
}

function oneLine(text: string): string {
  return text.replace(/[\r\n]+/g, ' ')
}
