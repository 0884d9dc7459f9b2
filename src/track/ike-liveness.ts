/**
 * Protected informational exchanges of one IKE SA: checks whether the peer lives (RFC 3706; RFC 7296, section 2.4), and notices
 * such as deletes. Both are encrypted; they differ by who answers, and how long they are.
 */
import { SECOND_US } from '../base/time.ts'
import type { Role } from './role.ts'
import { sealedLength1, sealedLength2 } from '../wire/ike-strength.ts'
import { isCount, isFlag, isNumber, isWord, oneOf, orNull, shapeOf } from './saved-fields.ts'

/** An answer of version 1 is an exchange of its own: of the same length, the other way, soon. */
const ANSWER_US = 10 * SECOND_US
/** Whoever deletes an IKE SA of version 1 deletes its children just before. */
const TOGETHER_US = 2 * SECOND_US
/** Whoever asks whether his peer lives, and gets no answer, asks again within this time. */
const REPEATED_US = 60 * SECOND_US
/** Where a delete looks like a check that was answered, only a long silence tells them apart. */
const SILENCE_US = 600 * SECOND_US
/** Behind the generic header of a DELETE payload: of an IKE SA of version 1 with its cookies, of version 2 without. */
const DELETE_V1 = 4 + 8 + 16
const DELETE_V2 = 4 + 4
/** Of one SA of ESP. */
const CHILD_DELETE_V1 = 4 + 8 + 4
const BLOCK_MAX = 16

/** One exchange, or in version 1 one message. */
interface Notice {
  readonly role: Role
  readonly id: number
  readonly length: number
  readonly timeUs: number
  isAnswered: boolean
  /** Of the answer, once there is one. */
  answerLength: number
  /** It followed at once on another of the same end that nobody answered. */
  readonly isSecond: boolean
}

export interface SavedLiveness {
  readonly checks: number
  readonly unanswered: number
  readonly firstCheckUs: number
  readonly lastCheckUs: number
  readonly last: Readonly<Notice> | null
}

const isNotice = shapeOf(
  {
    role: oneOf(0, 1),
    id: isWord,
    length: isCount,
    timeUs: isNumber,
    isAnswered: isFlag,
    answerLength: isCount,
    isSecond: isFlag,
  },
  ['role', 'id', 'length', 'timeUs', 'isAnswered', 'answerLength', 'isSecond'],
)

export const isLiveness = shapeOf(
  { checks: isCount, unanswered: isCount, firstCheckUs: isNumber, lastCheckUs: isNumber, last: orNull(isNotice) },
  ['checks', 'unanswered', 'firstCheckUs', 'lastCheckUs', 'last'],
)

export interface Deletion {
  readonly role: Role
  /** After a silence of so long it may be believed. */
  readonly afterUs: number
}

export class Liveness {
  /** Checks that were answered. */
  checks = 0
  /** Exchanges in a row, all of one end and one length, that nobody answered. */
  unanswered = 0
  #firstCheckUs = 0
  #lastCheckUs = 0
  #last: Notice | null = null

  reset(): void {
    this.checks = 0
    this.unanswered = 0
    this.#last = null
  }

  save(): SavedLiveness {
    const { checks, unanswered } = this
    return { checks, unanswered, firstCheckUs: this.#firstCheckUs, lastCheckUs: this.#lastCheckUs, last: this.#last }
  }

  /** Into one that was reset. Answers may have passed in the `missedUs` since; they are not between two checks. */
  restore({ checks, unanswered, firstCheckUs, lastCheckUs, last }: SavedLiveness, missedUs: number): void {
    this.checks = checks
    this.unanswered = missedUs > 0 ? 0 : unanswered
    this.#firstCheckUs = firstCheckUs + missedUs
    this.#lastCheckUs = lastCheckUs + missedUs
    this.#last = last === null ? null : { ...last }
  }

  /** Between two checks, on average; undefined if there were none or one. */
  get intervalUs(): number | undefined {
    return this.checks < 2 ? undefined : Math.round((this.#lastCheckUs - this.#firstCheckUs) / (this.checks - 1))
  }

  /** An encrypted informational message of version 1: a question, an answer, or a notice. */
  message1(role: Role, id: number, length: number, timeUs: number): void {
    const last = this.#last
    const isAnswer =
      last !== null &&
      !last.isAnswered &&
      last.role !== role &&
      last.length === length &&
      timeUs - last.timeUs < ANSWER_US
    if (isAnswer) this.#answer(last, length, true)
    else this.#begin(role, id, length, timeUs)
  }

  request2(role: Role, id: number, length: number, timeUs: number): void {
    this.#begin(role, id, length, timeUs)
  }

  /** `suite` is that of the SA, if it is known: it tells how long an empty message is. */
  response2(role: Role, id: number, length: number, suite: string | undefined): void {
    const last = this.#last
    if (last === null || last.isAnswered || last.role === role || last.id !== id) return
    const empty = suite === undefined ? null : sealedLength2(suite, 0)
    this.#answer(last, length, length === last.length && (empty === null || length === empty))
  }

  /**
   * Who deleted the SA, and after which silence that may be believed, if its last message, at `lastUs`, looks like that and no other comes;
   * null if it does not. `isReplaced`: the same ends have a newer SA, so that the end of this one was due.
   */
  deletion(version: number, suite: string | undefined, lastUs: number, isReplaced: boolean): Deletion | null {
    const last = this.#last
    if (last === null || suite === undefined || last.timeUs < lastUs - SECOND_US || this.unanswered > 1) return null
    const isDelete = version === 1 ? isDelete1(suite, last) : isDelete2(last)
    if (!isDelete) return null
    const isSure =
      version === 1 ? (isReplaced || last.isSecond) && !isChildDelete1(suite, last) : isSureDelete2(suite, last)
    const patience = Math.max(version === 1 || isReplaced ? REPEATED_US : SILENCE_US, 3 * (this.intervalUs ?? 0))
    return { role: last.role, afterUs: isSure ? 0 : patience }
  }

  #begin(role: Role, id: number, length: number, timeUs: number): void {
    const last = this.#last
    const isOpen = last !== null && !last.isAnswered && last.role === role
    this.unanswered = isOpen && last.length === length ? this.unanswered + 1 : 1
    const isSecond = isOpen && timeUs - last.timeUs < TOGETHER_US && last.length !== length
    this.#last = { role, id, length, timeUs, isAnswered: false, answerLength: 0, isSecond }
  }

  #answer(notice: Notice, length: number, isCheck: boolean): void {
    notice.isAnswered = true
    notice.answerLength = length
    this.unanswered = 0
    if (!isCheck) return
    if (this.checks === 0) this.#firstCheckUs = notice.timeUs
    this.#lastCheckUs = notice.timeUs
    this.checks++
  }
}

function isDelete1(suite: string, { length, isAnswered }: Notice): boolean {
  const least = sealedLength1(suite, DELETE_V1)
  // Some fill a block that is full with another one.
  return !isAnswered && least !== null && length >= least && length <= least + BLOCK_MAX
}

/** Nobody answers, and one more SPI or the same block says the same. */
function isChildDelete1(suite: string, { length }: Notice): boolean {
  return length === sealedLength1(suite, CHILD_DELETE_V1)
}

/** The answer to a delete is empty; padding to blocks may hide that the question was not. */
function isDelete2({ length, isAnswered, answerLength }: Notice): boolean {
  return isAnswered && (length === answerLength || length === answerLength + DELETE_V2)
}

/** A cipher without blocks, and a peer who does not pad: the length says it. */
function isSureDelete2(suite: string, { length, answerLength }: Notice): boolean {
  const empty = sealedLength2(suite, 0)
  return answerLength === empty && length === sealedLength2(suite, DELETE_V2) && length !== empty
}
