/**
 * The message ids of one IKEv2 SA (RFC 7296, section 2.2): each end counts its requests from zero, an answer has the number of
 * its request, and whoever repeats himself sends the same octets. What breaks that is forged, or the capture has gaps.
 */
import { INITIATOR, RESPONDER, type Role } from './role.ts'
import { isCount, isWord, pairOf, shapeOf } from './saved-fields.ts'

/**
 * `ike.message_id_reused`: another request with a number that was used. `ike.message_id_gap`: a number far ahead of the last.
 * `ike.response_unsolicited`: an answer to a request that its receiver has not come to. `ike.response_conflict`: two answers
 * to one request.
 */
export type MessageIdFinding =
  | 'ike.message_id_reused'
  | 'ike.message_id_gap'
  | 'ike.response_unsolicited'
  | 'ike.response_conflict'

/** Numbers behind the last one that are told apart. */
const WINDOW = 32
/** No window of requests in flight is as large. */
const GAP_MAX = 64
const NONE = -1

type Pair = readonly [number, number]

export interface SavedMessageIds {
  readonly missing: number
  readonly last: Pair
  readonly requested: Pair
  readonly answered: Pair
}

export const isMessageIds = shapeOf(
  { missing: isCount, last: pairOf(isWord), requested: pairOf(isWord), answered: pairOf(isWord) },
  ['missing', 'last', 'requested', 'answered'],
)

export class MessageIds {
  /** Requests that were passed over, and did not come late. */
  missing = 0
  readonly #last: [number, number] = [NONE, NONE]
  /** Bit n: the request, the answer, with the number n before the last was seen. */
  readonly #requested: [number, number] = [0, 0]
  readonly #answered: [number, number] = [0, 0]

  reset(): void {
    this.missing = 0
    for (const role of [INITIATOR, RESPONDER] as const) {
      this.#last[role] = NONE
      this.#requested[role] = 0
      this.#answered[role] = 0
    }
  }

  save(): SavedMessageIds {
    return { missing: this.missing, last: this.#last, requested: this.#requested, answered: this.#answered }
  }

  /** Into one that was reset. `isLater`: messages may have passed since; it begins anew with the first one that comes. */
  restore({ missing, last, requested, answered }: SavedMessageIds, isLater: boolean): void {
    this.missing = missing
    if (isLater) return
    for (const role of [INITIATOR, RESPONDER] as const) {
      this.#last[role] = last[role]
      this.#requested[role] = requested[role]
      this.#answered[role] = answered[role]
    }
  }

  /** A request of `role` that is no repetition. */
  request(role: Role, id: number): MessageIdFinding | null {
    const ahead = id - this.#last[role]
    if (ahead <= 0) return this.#late(role, -ahead)
    const isFirst = this.#last[role] === NONE
    this.#last[role] = id
    this.#requested[role] = shifted(this.#requested[role], ahead) | 1
    this.#answered[role] = shifted(this.#answered[role], ahead)
    // What was before the first one that was seen, nobody knows.
    if (isFirst) return null
    this.missing += ahead - 1
    return ahead > GAP_MAX ? 'ike.message_id_gap' : null
  }

  /** An answer of `role` that is no repetition. */
  response(role: Role, id: number): MessageIdFinding | null {
    const requester = role === INITIATOR ? RESPONDER : INITIATOR
    const last = this.#last[requester]
    // Of a conversation whose other half the capture does not have, nothing can be said.
    if (last === NONE) return null
    const behind = last - id
    if (behind < 0) return 'ike.response_unsolicited'
    if (behind >= WINDOW) return null
    const bit = 1 << behind
    if ((this.#answered[requester] & bit) !== 0) return 'ike.response_conflict'
    this.#answered[requester] |= bit
    return null
  }

  #late(role: Role, behind: number): MessageIdFinding | null {
    const bit = 1 << behind
    if (behind >= WINDOW || (this.#requested[role] & bit) !== 0) return 'ike.message_id_reused'
    this.#requested[role] |= bit
    if (this.missing > 0) this.missing--
    return null
  }
}

function shifted(bits: number, by: number): number {
  return by >= WINDOW ? 0 : bits << by
}
