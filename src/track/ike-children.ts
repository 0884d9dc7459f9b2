/**
 * The exchanges of one IKE SA that make child SAs: quick modes (RFC 2409, section 5.5), CREATE_CHILD_SA, and the IKE_AUTH that
 * makes the first. What they agree on is encrypted; that they happened, when, and how far they came is not.
 */
import type { IkeChild } from './ike-lookup.ts'
import type { Role } from './role.ts'
import { isCount, isFlag, isNumber, isWord, listOf, oneOf, shapeOf } from './saved-fields.ts'

/** The newest ones are kept: their SAs are the ones in use, or about to be. */
const KEPT = 8
/** Messages of a quick mode: the initiator's, the answer, the confirmation. */
const QUICK_MESSAGES = 3
const EXCHANGE_MESSAGES = 2

interface Known {
  number: number
  messageId: number
  /** Who began it. */
  role: Role
  startUs: number
  lastUs: number
  messages: number
  isComplete: boolean
}

export interface SavedChildren {
  readonly count: number
  readonly records: readonly Readonly<Known>[]
}

const isRecord = shapeOf(
  {
    number: isCount,
    messageId: isWord,
    role: oneOf(0, 1),
    startUs: isNumber,
    lastUs: isNumber,
    messages: isCount,
    isComplete: isFlag,
  },
  ['number', 'messageId', 'role', 'startUs', 'lastUs', 'messages', 'isComplete'],
)

export const isChildren = shapeOf({ count: isCount, records: listOf(isRecord, KEPT) }, ['count', 'records'])

export class Children {
  /** All that were begun. */
  count = 0
  readonly #records: Known[] = []

  reset(): void {
    this.count = 0
    this.#records.length = 0
  }

  save(): SavedChildren {
    return { count: this.count, records: this.#records }
  }

  /** Into one that was reset. */
  restore({ count, records }: SavedChildren): void {
    this.count = count
    this.#records.push(...records)
  }

  /** A message of an exchange that `role` began. Version 1 gives quick modes random message ids, whoever begins them. */
  note(version: number, messageId: number, role: Role, timeUs: number): void {
    const record = this.#records.findLast((known) => known.messageId === messageId && known.role === role)
    if (record === undefined) {
      this.#begin(messageId, role, timeUs)
      return
    }
    record.messages++
    record.lastUs = Math.max(record.lastUs, timeUs)
    record.isComplete ||= record.messages >= (version === 1 ? QUICK_MESSAGES : EXCHANGE_MESSAGES)
  }

  /** Whether an exchange with this number is known; of version 1 only the number tells. */
  starterOf(messageId: number): Role | null {
    return this.#records.findLast((known) => known.messageId === messageId)?.role ?? null
  }

  /** The newest exchange has done what it was for. */
  completeLast(): void {
    const record = this.#records.at(-1)
    if (record !== undefined) record.isComplete = true
  }

  /** The newest one that had begun at `timeUs`. */
  at(timeUs: number): IkeChild | undefined {
    const record = this.#records.findLast(({ startUs }) => startUs <= timeUs)
    if (record === undefined) return undefined
    const { number, startUs, lastUs, messages, isComplete } = record
    return { number, startUs, lastUs, messages, isComplete }
  }

  #begin(messageId: number, role: Role, timeUs: number): void {
    this.count++
    if (this.#records.length >= KEPT) this.#records.shift()
    const number = this.count
    this.#records.push({ number, messageId, role, startUs: timeUs, lastUs: timeUs, messages: 1, isComplete: false })
  }
}
