/** An L2TP session as a record, and its state machines as tables (RFC 2661 sections 5.2, 7.4 and 7.5). */
import type { L2tpControl } from '../wire/l2tp-avp.ts'
import { type Carrier, type CarrierOwner, keyOf } from './carrier.ts'
import type { Role } from './role.ts'
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

/** What the messages of the set-up say of the call, as far as it is told. */
export interface CallFacts {
  readonly serialNumber: number | undefined
  readonly callingNumber: string | undefined
  readonly calledNumber: string | undefined
  readonly subAddress: string | undefined
  readonly txSpeed: number | undefined
  readonly rxSpeed: number | undefined
  readonly privateGroup: string | undefined
  readonly proxyAuthenType: number | undefined
}

/** The facts in a message; what it does not say stands as it was `before`. A million sessions keep theirs: nothing else is copied. */
export function callFacts(control: L2tpControl, before: CallFacts | null): CallFacts {
  return {
    serialNumber: control.callSerialNumber ?? before?.serialNumber,
    callingNumber: control.callingNumber ?? before?.callingNumber,
    calledNumber: control.calledNumber ?? before?.calledNumber,
    subAddress: control.subAddress ?? before?.subAddress,
    txSpeed: control.txConnectSpeed ?? before?.txSpeed,
    rxSpeed: control.rxConnectSpeed ?? before?.rxSpeed,
    privateGroup: control.privateGroupId ?? before?.privateGroup,
    proxyAuthenType: control.proxyAuthenType ?? before?.proxyAuthenType,
  }
}

export class Session implements Carrier {
  readonly index: number
  readonly key: number
  readonly owner: CarrierOwner
  uid = ''
  tunnel = NO_SESSION
  state: SessionState = 'requested'
  kind: CallKind | undefined
  /** The role that asked for it; only if `kind` is known. */
  asker: Role = 0
  isAdopted = false
  /** Assigned by each role of the tunnel. */
  readonly ids: [number, number] = [NO_ID, NO_ID]
  /** The role whose id is not known, as the tracker has listed it; -1 if it has not. */
  lacking: Role | -1 = -1
  startUs = 0
  /** Taken for open although nobody saw the last message of its set-up: that may still come. */
  isImplied = false
  /** Who sent the CDN; -1 if nobody did. */
  stoppedBy: Role | -1 = -1
  next = NO_SESSION
  previous = NO_SESSION
  call: CallFacts | null = null
  link: Carrier['link'] = null
  userName: string | undefined
  accessUid: string | undefined

  constructor(index: number, owner: CarrierOwner, ownerNumber: number) {
    this.index = index
    this.key = keyOf(ownerNumber, index)
    this.owner = owner
  }

  reset(tunnel: number, timeUs: number): void {
    this.tunnel = tunnel
    this.state = 'requested'
    this.kind = undefined
    this.asker = 0
    this.isAdopted = false
    this.ids.fill(NO_ID)
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
}
