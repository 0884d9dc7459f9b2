/**
 * What trackers remember of open things, as plain values that survive a restart of the sensor: ids, ends, names, counters. No
 * packets, no keys, no passwords. An entry stands for one thing with all that is inside, so that entries may be taken one after
 * the other while packets go on.
 */
import type { Protection } from '../dissect/frame.ts'
import {
  type Check,
  checkFields,
  isCount,
  isHex,
  isNumber,
  isText,
  oneOf,
  listOf,
  orNull,
  pairOf,
  rowOf,
  SavedFault,
  shapeOf,
} from './saved-fields.ts'

/** One line of a saved state: what kind of thing it is, and whatever that kind needs. */
export interface SavedEntry {
  readonly kind: string
  readonly [key: string]: unknown
}

/** When a state was saved and when it is taken up, on the clock of the packets. */
export interface Pause {
  readonly savedUs: number
  readonly nowUs: number
  /** The one before it, of the sensor that saved the state. */
  readonly earlier?: Pause | undefined
}

/** An address in hexadecimal digits, and a port. */
export type SavedEndpoint = readonly [address: string, port: number]

/** Packets and octets of both roles, and the time of the last packet. */
export interface SavedMeter {
  readonly packets: readonly [number, number]
  readonly bytes: readonly [number, number]
  readonly lastUs: number
}

export type SavedProtection = Protection | null

export const isRoleOrNone: Check = oneOf(0, 1, -1)
/** An address of four or sixteen octets, and a port. */
export const isEndpoint: Check = rowOf(
  (value) => isHex(value) && ((value as string).length === 8 || (value as string).length === 32),
  (value) => isCount(value) && (value as number) <= 0xffff,
)
export const isMeter: Check = shapeOf({ packets: pairOf(isCount), bytes: pairOf(isCount), lastUs: isNumber }, [
  'packets',
  'bytes',
  'lastUs',
])
export const isProtection: Check = orNull(
  shapeOf({ uid: isText, ikeUid: isText, lineage: listOf(isText) }, ['uid', 'lineage']),
)

/**
 * Since when a thing is silent that was last heard of at `lastUs`, by a tracker that went on after the pause: time in which nobody
 * looked does not count.
 */
export function silentSince(lastUs: number, { savedUs, nowUs, earlier }: Pause): number {
  const sinceUs = earlier === undefined ? lastUs : silentSince(lastUs, earlier)
  return sinceUs <= savedUs ? sinceUs + nowUs - savedUs : sinceUs
}

/** Of a tracker that went on from nothing. */
export const NO_PAUSE: Pause = { savedUs: 0, nowUs: 0, earlier: undefined }

export const PAUSE = 'pause/1'
/** Older ones count as time in which somebody looked. */
const PAUSES_MAX = 16

/** The pauses of a state that was taken up, the last one first. */
export function* savePauses(pause: Pause): Generator<SavedEntry> {
  let count = 0
  for (let at: Pause | undefined = pause; at !== undefined && count < PAUSES_MAX; at = at.earlier) {
    const { savedUs, nowUs } = at
    if (nowUs > savedUs) yield { kind: PAUSE, saved: { savedUs, nowUs } }
    count++
  }
}

/** Throws SavedFault. */
export function checkPause(value: unknown): Pause {
  checkFields(value, { savedUs: isNumber, nowUs: isNumber }, ['savedUs', 'nowUs'])
  const { savedUs, nowUs } = value as Pause
  if (nowUs < savedUs) throw new SavedFault('it ends before it begins')
  return { savedUs, nowUs }
}

/** `pause`, and those before it as `savePauses` gave them. */
export function withEarlier({ savedUs, nowUs }: Pause, earlier: readonly Pause[]): Pause {
  const before = earlier.reduceRight<Pause | undefined>((older, each) => ({ ...each, earlier: older }), undefined)
  return { savedUs, nowUs, earlier: before }
}

/** Problems that are told apart; further ones are counted together. */
const PROBLEMS_MAX = 16

/** What became of the entries of a saved state. */
export class Uptake {
  restored = 0
  /** Found no room, or were refused; so do sessions and calls of entries that were taken up. */
  leftOut = 0
  readonly #problems = new Map<string, number>()

  /** Takes up one entry by `enter`, which gives whether it found room, and throws SavedFault if it is damaged. */
  take(kind: string, enter: () => boolean): void {
    const hasRoom = this.accept(kind, enter)
    if (hasRoom === true) this.restored++
    else if (hasRoom === false) this.leftOut++
  }

  /** What `check` makes of an entry; null, and it is refused, if that throws: a SavedFault, or what a damaged value leads to. */
  accept<T>(kind: string, check: () => T): T | null {
    try {
      return check()
    } catch (error) {
      this.refuse(kind, error instanceof SavedFault ? error.message : `it is damaged: ${(error as Error).message}`)
      return null
    }
  }

  refuse(kind: string, why: string): void {
    this.leftOut++
    const problem = `${kind}: ${why}`
    const isKnown = this.#problems.has(problem) || this.#problems.size < PROBLEMS_MAX
    const key = isKnown ? problem : 'other problems'
    this.#problems.set(key, (this.#problems.get(key) ?? 0) + 1)
  }

  /** Why entries were refused, and how many for each reason. */
  get problems(): readonly string[] {
    return [...this.#problems].map(([problem, count]) => (count === 1 ? problem : `${problem} (${count} times)`))
  }
}

/** Entries of these kinds are an owner's to take up. The number behind the stroke is that of their form. */
export interface Saves {
  readonly savedKinds: readonly string[]
  save(): Generator<SavedEntry>
  /** All entries of its kinds, in the order in which they were saved; for a tracker that has seen no packet. */
  restore(entries: readonly SavedEntry[], pause: Pause, uptake: Uptake): void
}
