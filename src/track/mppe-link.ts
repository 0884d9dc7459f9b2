/**
 * MPPE and MPPC on a PPP link: what was agreed for each direction, how many packets came and how many are missing by their
 * coherency counts, and what is inside where the key is known.
 *
 * Directions are named by the role that sends.
 */
import { MPPE } from '../wire/ppp-options.ts'
import { COHERENCY_COUNTS, type MppeStrength, type MppeView } from '../wire/mppe.ts'
import { MppeReceiver, type MppeVerdict } from '../wire/mppe-receiver.ts'
import type { LinkKeys } from './ppp-proof.ts'
import type { Role } from './role.ts'

/** What a Configure-Ack granted to its sender. */
export interface MppeAgreement {
  /** Null where nothing is encrypted: MPPC alone. */
  readonly strength: MppeStrength | null
  readonly isStateless: boolean
}

/** The strongest of the key lengths in the option counts: an acknowledgement should name one. */
export function mppeAgreement(bits: number): MppeAgreement | null {
  const isStateless = (bits & MPPE.STATELESS) !== 0
  if ((bits & MPPE.KEY_128_BITS) !== 0) return { strength: 128, isStateless }
  if ((bits & MPPE.KEY_56_BITS) !== 0) return { strength: 56, isStateless }
  if ((bits & MPPE.KEY_40_BITS) !== 0) return { strength: 40, isStateless }
  return (bits & MPPE.MPPC) !== 0 ? { strength: null, isStateless } : null
}

/** Packets of one direction that a key does not open, before it is taken for the wrong one. */
const DOUBTS_MAX = 16

class Direction {
  agreement: MppeAgreement | null = null
  /** The other end asked since the agreement that is in force: the next one begins anew. */
  isAsked = true
  receiver: MppeReceiver | null = null
  isGivenUp = false
  count = -1

  begin(agreement: MppeAgreement | null): void {
    this.agreement = agreement
    this.isAsked = false
    this.receiver = null
    this.isGivenUp = false
    this.count = -1
  }
}

/** `wrong_key`: so many packets came to nothing that the key must be another one. Said once; then packets are counted only. */
export type MppeLinkVerdict = MppeVerdict | 'not_agreed' | 'wrong_key'

export class MppeLink {
  /** After 'opened': octets of the frame in the target. */
  length = 0
  lost = 0
  /** Overtaken by others, or again. */
  reordered = 0
  opened = 0
  /** Packets that a key was tried on, in vain. */
  unopened = 0
  resets = 0
  readonly #directions: readonly [Direction, Direction] = [new Direction(), new Direction()]

  /** A Configure-Request of CCP from `asker`: what the other end grants next is new. */
  ask(asker: Role): void {
    this.#directions[1 - asker].isAsked = true
  }

  /** A Configure-Ack from `sender`, null if MPPE is not in it. True if it changes anything. */
  agree(sender: Role, agreement: MppeAgreement | null): boolean {
    const direction = this.#directions[sender]
    if (!direction.isAsked) return false
    direction.begin(agreement)
    return true
  }

  /** CCP was terminated: nothing is agreed any more. */
  end(): void {
    for (const direction of this.#directions) direction.begin(null)
  }

  agreement(sender: Role): MppeAgreement | null {
    return this.#directions[sender].agreement
  }

  /** Whether a frame came out of either direction that only the right key can give. */
  get isProven(): boolean {
    return this.#directions.some(({ receiver }) => receiver?.isProven === true)
  }

  /** `keys` are of the link, `isToServer` tells what this packet goes by. */
  open(
    view: MppeView,
    sender: Role,
    isToServer: boolean,
    keys: LinkKeys | null,
    wireEnd: number,
    target: Uint8Array,
  ): MppeLinkVerdict {
    const direction = this.#directions[sender]
    const { agreement } = direction
    if (agreement === null) return 'not_agreed'
    this.#countIn(direction, view.coherencyCount)
    if (direction.isGivenUp) return 'no_key'
    direction.receiver ??= receiverOf(agreement, isToServer, keys)
    const verdict = direction.receiver.open(view, wireEnd, target)
    this.length = direction.receiver.length
    if (verdict === 'opened') this.opened++
    else if (verdict !== 'no_key') this.unopened++
    return verdict === 'implausible' ? this.#doubt(direction, direction.receiver) : verdict
  }

  #doubt(direction: Direction, receiver: MppeReceiver): MppeLinkVerdict {
    if (receiver.isProven || this.opened > 0 || this.unopened < DOUBTS_MAX) return 'implausible'
    direction.isGivenUp = true
    return 'wrong_key'
  }

  #countIn(direction: Direction, count: number): void {
    const ahead = direction.count === -1 ? 1 : (count - direction.count) & (COHERENCY_COUNTS - 1)
    if (ahead === 0 || ahead > COHERENCY_COUNTS / 2) {
      this.reordered++
      if (ahead !== 0 && this.lost > 0) this.lost--
      return
    }
    this.lost += ahead - 1
    direction.count = count
  }
}

function receiverOf(
  { strength, isStateless }: MppeAgreement,
  isToServer: boolean,
  keys: LinkKeys | null,
): MppeReceiver {
  const startKey = strength === null || keys === null ? null : keys.startKey(isToServer, strength)
  return new MppeReceiver({ startKey, strength: strength ?? 128, isStateless })
}
