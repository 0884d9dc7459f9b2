/** An L2TP session as a record, and its state machines as tables (RFC 2661 sections 5.2, 7.4 and 7.5). */
import type { CallFacts, CallTerms } from './call-facts.ts'
import { type Carrier, type CarrierOwner, keyOf } from './carrier.ts'
import type { Role } from './role.ts'
import type { SessionColumns } from './session-columns.ts'
import { NO_ID } from './tunnel.ts'

export type SessionState = 'requested' | 'answered' | 'established' | 'closed'
export type SessionMessage = 'ICRQ' | 'ICRP' | 'ICCN' | 'OCRQ' | 'OCRP' | 'OCCN' | 'CDN' | 'WEN' | 'SLI'
export type CallKind = 'incoming' | 'outgoing'

export const NO_SESSION = -1

type Transitions = Record<SessionState, Partial<Record<SessionMessage, SessionState>>>

/** What a message makes of a session; an absent pair is a finding. */
export const TRANSITIONS: Record<CallKind, Transitions> = {
  incoming: {
    requested: { ICRP: 'answered', CDN: 'closed' },
    answered: { ICCN: 'established', CDN: 'closed' },
    established: { WEN: 'established', SLI: 'established', CDN: 'closed' },
    closed: { CDN: 'closed' },
  },
  outgoing: {
    requested: { OCRP: 'answered', CDN: 'closed' },
    answered: { OCCN: 'established', CDN: 'closed' },
    established: { WEN: 'established', SLI: 'established', CDN: 'closed' },
    closed: { CDN: 'closed' },
  },
}

/** What it also may be taken for when the capture missed what came before. */
export const ESTABLISHED_AFTER_GAP = new Set<SessionMessage>(['ICCN', 'OCCN', 'WEN', 'SLI'])

/** Who sends a message: the end that asked for the session, or the other; absent where either may. */
export const SENT_BY_ASKER: Partial<Record<SessionMessage, boolean>> = {
  ICRQ: true,
  ICRP: false,
  ICCN: true,
  OCRQ: true,
  OCRP: false,
  OCCN: false,
}

const MESSAGES = new Set<string>(['ICRQ', 'ICRP', 'ICCN', 'OCRQ', 'OCRP', 'OCCN', 'CDN', 'WEN', 'SLI'])

export function isSessionMessage(message: string): message is SessionMessage {
  return MESSAGES.has(message)
}

export const SESSION_STATES: readonly SessionState[] = ['requested', 'answered', 'established', 'closed']
const KINDS: readonly (CallKind | undefined)[] = [undefined, 'incoming', 'outgoing']

/** What is told of a session; its numbers are a row of the columns. */
export class Session implements Carrier {
  readonly index: number
  readonly #columns: SessionColumns
  uid = ''
  callingNumber: string | undefined
  /** Null if no message of the set-up was seen. */
  #terms: CallTerms | null = null
  link: Carrier['link'] = null
  userName: string | undefined
  accessUid: string | undefined

  constructor(index: number, columns: SessionColumns) {
    this.index = index
    this.#columns = columns
    columns.reserve(index)
  }

  reset(tunnel: number, timeUs: number): void {
    this.tunnel = tunnel
    this.state = 'requested'
    this.kind = undefined
    this.asker = 0
    this.isAdopted = false
    for (const role of [0, 1] as const) this.setId(role, NO_ID)
    this.lacking = -1
    this.startUs = timeUs
    this.isImplied = false
    this.stoppedBy = -1
    this.next = NO_SESSION
    this.previous = NO_SESSION
    this.call = null
    this.link = null
    this.userName = undefined
    this.accessUid = undefined
  }

  get owner(): CarrierOwner {
    return this.#columns.owner
  }

  get key(): number {
    return keyOf(this.#columns.ownerNumber, this.index)
  }

  /** What the messages of the set-up said; null if none was seen. */
  get call(): CallFacts | null {
    if (this.#terms === null) return null
    const serialNumber = this.#columns.serialNumber[this.index]
    return {
      serialNumber: Number.isNaN(serialNumber) ? undefined : serialNumber,
      callingNumber: this.callingNumber,
      ...this.#terms,
    }
  }

  set call(call: CallFacts | null) {
    this.callingNumber = call?.callingNumber
    this.#columns.serialNumber[this.index] = call?.serialNumber ?? Number.NaN
    if (call === null) {
      this.#terms = null
      return
    }
    const { serialNumber: _serialNumber, callingNumber: _callingNumber, ...terms } = call
    this.#terms = this.#columns.terms.share(terms)
  }

  get tunnel(): number {
    return this.#columns.tunnel[this.index]
  }

  set tunnel(tunnel: number) {
    this.#columns.tunnel[this.index] = tunnel
  }

  get state(): SessionState {
    return SESSION_STATES[this.#columns.state[this.index]]
  }

  set state(state: SessionState) {
    this.#columns.state[this.index] = SESSION_STATES.indexOf(state)
  }

  get kind(): CallKind | undefined {
    return KINDS[this.#columns.kind[this.index]]
  }

  set kind(kind: CallKind | undefined) {
    this.#columns.kind[this.index] = KINDS.indexOf(kind)
  }

  /** The role that asked for it; only if `kind` is known. */
  get asker(): Role {
    return this.#columns.asker[this.index] as Role
  }

  set asker(asker: Role) {
    this.#columns.asker[this.index] = asker
  }

  get isAdopted(): boolean {
    return this.#columns.isAdopted[this.index] === 1
  }

  set isAdopted(isAdopted: boolean) {
    this.#columns.isAdopted[this.index] = isAdopted ? 1 : 0
  }

  /** Assigned by the role of the tunnel; `NO_ID` if that is not known. */
  idOf(role: Role): number {
    return this.#columns.ids[this.index * 2 + role]
  }

  setId(role: Role, id: number): void {
    this.#columns.ids[this.index * 2 + role] = id
  }

  /** The role whose id is not known, as the tracker has listed it; -1 if it has not. */
  get lacking(): Role | -1 {
    return this.#columns.lacking[this.index] as Role | -1
  }

  set lacking(lacking: Role | -1) {
    this.#columns.lacking[this.index] = lacking
  }

  get startUs(): number {
    return this.#columns.startUs[this.index]
  }

  set startUs(startUs: number) {
    this.#columns.startUs[this.index] = startUs
  }

  /** Taken for open although nobody saw the last message of its set-up: that may still come. */
  get isImplied(): boolean {
    return this.#columns.isImplied[this.index] === 1
  }

  set isImplied(isImplied: boolean) {
    this.#columns.isImplied[this.index] = isImplied ? 1 : 0
  }

  /** Who sent the CDN; -1 if nobody did. */
  get stoppedBy(): Role | -1 {
    return this.#columns.stoppedBy[this.index] as Role | -1
  }

  set stoppedBy(stoppedBy: Role | -1) {
    this.#columns.stoppedBy[this.index] = stoppedBy
  }

  /** The next session of the tunnel, or `NO_SESSION`. */
  get next(): number {
    return this.#columns.next[this.index]
  }

  set next(next: number) {
    this.#columns.next[this.index] = next
  }

  get previous(): number {
    return this.#columns.previous[this.index]
  }

  set previous(previous: number) {
    this.#columns.previous[this.index] = previous
  }
}
