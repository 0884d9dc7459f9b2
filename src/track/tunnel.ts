/**
 * An L2TP control connection (RFC 2661 section 7.2, RFC 3931 section 6): its states, and what is known of it.
 *
 * Role 0 is the initiator, who sent the SCCRQ, role 1 the responder, everywhere.
 */
import type { Protection } from '../dissect/frame.ts'
import type { L2tpControl } from '../wire/l2tp-avp.ts'
import { ControlChannel } from './control-channel.ts'
import type { ControlMessage } from './control-message.ts'
import type { SeenMessages } from './seen-messages.ts'
import { INITIATOR, RESPONDER, type Role } from './role.ts'

export type TunnelState = 'opening' | 'answered' | 'established' | 'closed'
export type TunnelMessage = 'SCCRQ' | 'SCCRP' | 'SCCCN' | 'StopCCN' | 'HELLO'
export type ClosedBy = 'initiator' | 'responder' | 'silence' | 'capacity' | 'capture_end'
export type TunnelVerdict = 'verified' | 'wrong_secret' | 'unverified' | 'unkeyed'

export const NO_ENDPOINT = -1
export const NO_ID = -1

type Transitions = Record<TunnelState, Partial<Record<TunnelMessage, TunnelState>>>

/** What a message makes of a tunnel. An absent pair is not an error of ours: it is a finding. */
const TRANSITIONS: Transitions = {
  opening: { SCCRP: 'answered', StopCCN: 'closed' },
  answered: { SCCCN: 'established', StopCCN: 'closed' },
  established: { HELLO: 'established', StopCCN: 'closed' },
  closed: { StopCCN: 'closed' },
}

/** What it also may be taken for when the capture missed what came before. */
const TRANSITIONS_AFTER_GAP: Transitions = {
  opening: { SCCCN: 'established', HELLO: 'established' },
  answered: { HELLO: 'established' },
  established: { SCCCN: 'established' },
  closed: {},
}

/** The role that sends a message; absent where either may. */
const SENDERS: Partial<Record<TunnelMessage, Role>> = { SCCRQ: INITIATOR, SCCRP: RESPONDER, SCCCN: INITIATOR }

export function isTunnelMessage(message: string): message is TunnelMessage {
  return (
    message === 'SCCRQ' || message === 'SCCRP' || message === 'SCCCN' || message === 'StopCCN' || message === 'HELLO'
  )
}

/** What one end said of itself. */
export interface TunnelEnd {
  /** The message was seen in which it introduces itself. */
  isMet: boolean
  hostName: string | undefined
  vendorName: string | undefined
  firmware: number | undefined
  routerId: number | undefined
  pseudowires: readonly number[] | undefined
  window: number | undefined
  /** Its challenge to the other end, to verify the answer. */
  challenge: Uint8Array | undefined
}

export class Tunnel {
  readonly index: number
  uid = ''
  version: 2 | 3 = 2
  /** Of the outer packets: version 3 needs no UDP. */
  transport: 'udp' | '115' = 'udp'
  /** Of version 3: data between two hosts of whose control connection nothing was seen. */
  isUnmanaged = false
  state: TunnelState = 'opening'
  isAdopted = false
  /** That it was asked for, or is there, has been told: a flood of requests that nobody answers is told in part. */
  isTold = false
  readonly endpoints: [number, number] = [NO_ENDPOINT, NO_ENDPOINT]
  /** Assigned by each role: it stands in messages to that role. */
  readonly ids: [number, number] = [NO_ID, NO_ID]
  /** The role whose id is not known, as the tracker has listed it; -1 if it has not. */
  lacking: Role | -1 = -1
  readonly ends: [TunnelEnd, TunnelEnd] = [newEnd(), newEnd()]
  /** By the sending role. */
  readonly channels: readonly [ControlChannel<ControlMessage>, ControlChannel<ControlMessage>]
  controlAnomalies = 0
  sessions = 0
  /** First of the list of its sessions, or -1; kept by the session tracker. */
  firstSession = -1
  startUs = 0
  /** When it entered its state. */
  stateUs = 0
  requestDigest = 0
  /** How often the SCCRQ was sent. */
  requests = 0
  /** The SCCRQ again, after the set-up: perhaps of a tunnel to come. */
  repeated: ControlMessage | null = null
  verdict: TunnelVerdict | undefined
  /** Of version 3: takes back what version 2 made of the same request, once it is answered. */
  withdraw: ((timeUs: number) => void) | null = null
  /** Bits of the roles whose signature was told, kept by the tracker. */
  signed = 0
  vlan: string | undefined
  /** The IPsec that its set-up was seen in; null in the clear. */
  protection: Protection | null = null
  result: L2tpControl | null = null
  /** Who sent the StopCCN; -1 if nobody did. */
  stoppedBy: Role | -1 = -1
  /** While it is closed: the packets of both roles when its peers were last looked at, to see whether both go on. */
  readonly lingering: [number, number] = [0, 0]
  isLingering = false
  /** A restarted sensor took it up, and nobody had looked for a while: something may have happened to it meanwhile. */
  wasUnseen = false

  constructor(index: number, seen: SeenMessages) {
    this.index = index
    this.channels = [new ControlChannel(seen, index * 2), new ControlChannel(seen, index * 2 + 1)]
  }

  reset(timeUs: number): void {
    this.isUnmanaged = false
    this.state = 'opening'
    this.isAdopted = false
    this.isTold = false
    this.endpoints.fill(NO_ENDPOINT)
    this.ids.fill(NO_ID)
    this.lacking = -1
    for (const end of this.ends) Object.assign(end, newEnd())
    for (const channel of this.channels) channel.reset(0)
    this.controlAnomalies = 0
    this.sessions = 0
    this.firstSession = -1
    this.startUs = timeUs
    this.stateUs = timeUs
    this.requestDigest = 0
    this.repeated = null
    this.requests = 0
    this.verdict = undefined
    this.withdraw = null
    this.signed = 0
    this.vlan = undefined
    this.protection = null
    this.result = null
    this.stoppedBy = -1
    this.isLingering = false
    this.wasUnseen = false
  }

  enter(state: TunnelState, timeUs: number): void {
    this.state = state
    this.stateUs = timeUs
  }

  /** The peers may know more than the capture showed. */
  get isBehind(): boolean {
    return this.isAdopted || this.wasUnseen || this.channels[INITIATOR].gaps > 0 || this.channels[RESPONDER].gaps > 0
  }

  /** The ids of what it is part of, outermost first, and its own. */
  get lineage(): readonly string[] {
    return this.protection === null ? [this.uid] : [...this.protection.lineage, this.uid]
  }

  /** The state after a message of a role, or why there is none. */
  after(message: TunnelMessage, sender: Role): TunnelState | 'unexpected_state' | 'unexpected_role' {
    const due = SENDERS[message]
    const state =
      TRANSITIONS[this.state][message] ?? (this.isBehind ? TRANSITIONS_AFTER_GAP[this.state][message] : undefined)
    if (state === undefined) return 'unexpected_state'
    return due === undefined || due === sender ? state : 'unexpected_role'
  }

  introduce(role: Role, control: L2tpControl): void {
    const end = this.ends[role]
    end.isMet = true
    end.hostName = control.hostName
    end.vendorName = control.vendorName
    end.firmware = control.firmwareRevision
    end.routerId = control.routerId
    end.pseudowires = control.pseudowireCapabilities
    end.window = control.receiveWindow
    end.challenge = control.challenge
  }
}

function newEnd(): TunnelEnd {
  return {
    isMet: false,
    hostName: undefined,
    vendorName: undefined,
    firmware: undefined,
    routerId: undefined,
    pseudowires: undefined,
    window: undefined,
    challenge: undefined,
  }
}
