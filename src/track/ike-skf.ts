/**
 * Messages of IKEv2 in fragments (RFC 7383), as far as a bystander can follow them: each fragment is encrypted on its own, so
 * that they can be counted and not put together.
 */
import { INITIATOR, RESPONDER, type Role } from './role.ts'
import { isCount, isFlag, isWord, listOf, orNull, pairOf, rowOf, shapeOf } from './saved-fields.ts'

/**
 * `ike.fragment_total`: fewer fragments than other ones of the message said, or more than the largest message has.
 * `ike.fragment_conflict`: the same fragment with other content.
 */
export type SkfFinding = 'ike.fragment_total' | 'ike.fragment_conflict'

/** What a fragment is to its message. */
export type SkfPlace = 'first' | 'further' | 'repeated'

/** A message of 65,535 octets in the smallest pieces that anybody makes. */
const FRAGMENTS_MAX = 256

interface Message {
  messageId: number
  isResponse: boolean
  total: number
  /** By number, from 1. */
  readonly digests: Map<number, number>
}

interface SavedMessage extends Omit<Message, 'digests'> {
  readonly digests: readonly (readonly [number: number, digest: number])[]
}

export interface SavedSkf {
  readonly messages: number
  readonly incomplete: number
  /** By role. */
  readonly open: readonly [SavedMessage | null, SavedMessage | null]
}

const isMessage = shapeOf(
  { messageId: isWord, isResponse: isFlag, total: isCount, digests: listOf(rowOf(isCount, isWord), FRAGMENTS_MAX) },
  ['messageId', 'isResponse', 'total', 'digests'],
)

export const isSkf = shapeOf({ messages: isCount, incomplete: isCount, open: pairOf(orNull(isMessage)) }, [
  'messages',
  'incomplete',
  'open',
])

export class SkfMessages {
  /** Messages that came in fragments. */
  messages = 0
  /** Messages of which fragments lacked when the next one began. */
  incomplete = 0
  /** What was wrong with the last fragment. */
  finding: SkfFinding | null = null
  readonly #open: [Message | null, Message | null] = [null, null]

  reset(): void {
    this.messages = 0
    this.incomplete = 0
    this.finding = null
    this.#open[INITIATOR] = null
    this.#open[RESPONDER] = null
  }

  save(): SavedSkf {
    const saved = (message: Message | null) => (message === null ? null : { ...message, digests: [...message.digests] })
    return {
      messages: this.messages,
      incomplete: this.incomplete,
      open: [saved(this.#open[INITIATOR]), saved(this.#open[RESPONDER])],
    }
  }

  /** Into one that was reset. */
  restore({ messages, incomplete, open }: SavedSkf): void {
    this.messages = messages
    this.incomplete = incomplete
    for (const role of [INITIATOR, RESPONDER] as const) {
      const message = open[role]
      this.#open[role] = message === null ? null : { ...message, digests: new Map(message.digests) }
    }
  }

  /** A fragment that `role` sent. */
  fragment(
    role: Role,
    messageId: number,
    isResponse: boolean,
    number: number,
    total: number,
    digest: number,
  ): SkfPlace {
    this.finding = null
    const known = this.#open[role]
    const isKnown = known !== null && known.messageId === messageId && known.isResponse === isResponse
    const message = isKnown ? known : this.#begin(role, messageId, isResponse, total)
    if (total > FRAGMENTS_MAX || total < message.total) {
      this.finding = 'ike.fragment_total'
      return isKnown ? 'further' : 'first'
    }
    // The sender may cut the message again, into smaller pieces: what came before is void.
    if (total > message.total) {
      message.total = total
      message.digests.clear()
    }
    const before = message.digests.get(number)
    if (before === undefined) {
      if (number >= 1 && number <= total) message.digests.set(number, digest)
      return isKnown ? 'further' : 'first'
    }
    if (before !== digest) this.finding = 'ike.fragment_conflict'
    return before === digest ? 'repeated' : 'further'
  }

  /** Whether everything of the message that `role` sent last, in fragments, has come. */
  isComplete(role: Role): boolean {
    const message = this.#open[role]
    return message === null || message.digests.size >= message.total
  }

  /** Nothing more comes. */
  finish(): void {
    for (const role of [INITIATOR, RESPONDER] as const) {
      if (!this.isComplete(role)) this.incomplete++
      this.#open[role] = null
    }
  }

  #begin(role: Role, messageId: number, isResponse: boolean, total: number): Message {
    if (!this.isComplete(role)) this.incomplete++
    this.messages++
    const message = { messageId, isResponse, total: Math.min(total, FRAGMENTS_MAX), digests: new Map<number, number>() }
    this.#open[role] = message
    return message
  }
}
