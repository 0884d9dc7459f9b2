/**
 * A PPTP control connection, and a call that it set up, as records (RFC 2637 sections 2 and 3).
 *
 * Role 0 is the client, who opened the TCP connection, role 1 the server.
 */
import type { Protection } from '../dissect/frame.ts'
import type { PptpMessage } from '../wire/pptp.ts'
import { type Carrier, type CarrierOwner, keyOf } from './carrier.ts'
import type { PppLink } from './ppp-link.ts'
import { PptpStream } from './pptp-stream.ts'
import type { Role } from './role.ts'

export const NO_CALL = -1
export const NO_CONNECTION = -1
export const NO_ENDPOINT = -1
export const NO_ID = -1

export type PptpClosedBy = 'client' | 'server' | 'silence' | 'capacity' | 'capture_end'
export type ConnectionState = 'opening' | 'established' | 'closed'
export type CallState = 'requested' | 'answered' | 'established' | 'closed'

/** What one end said of itself. */
interface Party {
  hostName: string | undefined
  vendorName: string | undefined
  firmware: number | undefined
}

export class PptpConnection {
  readonly index: number
  uid = ''
  state: ConnectionState = 'opening'
  isAdopted = false
  /** Address and port of each role. */
  readonly endpoints: [number, number] = [NO_ENDPOINT, NO_ENDPOINT]
  readonly parties: readonly [Party, Party] = [newParty(), newParty()]
  readonly streams: readonly [PptpStream, PptpStream] = [new PptpStream(), new PptpStream()]
  startUs = 0
  lastUs = 0
  calls = 0
  /** First of the list of its calls, or -1. */
  firstCall = NO_CALL
  vlan: string | undefined
  protection: Protection | null = null
  /** Who asked for the end, and the message that said so. */
  stoppedBy: Role | -1 = -1
  stop: PptpMessage | null = null
  /** Who sent the first FIN, and when; the other end may still have something to say. */
  finishedBy: Role | -1 = -1
  finishedUs = 0

  constructor(index: number) {
    this.index = index
  }

  reset(timeUs: number): void {
    this.uid = ''
    this.state = 'opening'
    this.isAdopted = false
    this.endpoints.fill(NO_ENDPOINT)
    for (const party of this.parties) Object.assign(party, newParty())
    for (const stream of this.streams) stream.release()
    this.startUs = timeUs
    this.lastUs = timeUs
    this.calls = 0
    this.firstCall = NO_CALL
    this.vlan = undefined
    this.protection = null
    this.stoppedBy = -1
    this.stop = null
    this.finishedBy = -1
    this.finishedUs = 0
  }

  introduce(role: Role, { hostName, vendorName, firmwareRevision }: PptpMessage): void {
    const party = this.parties[role]
    party.hostName = hostName === '' ? undefined : hostName
    party.vendorName = vendorName === '' ? undefined : vendorName
    party.firmware = firmwareRevision
  }

  /** The ids of what it is part of, outermost first, and its own. */
  get lineage(): readonly string[] {
    return this.protection === null ? [this.uid] : [...this.protection.lineage, this.uid]
  }
}

function newParty(): Party {
  return { hostName: undefined, vendorName: undefined, firmware: undefined }
}

export class PptpCall implements Carrier {
  readonly index: number
  readonly key: number
  readonly owner: CarrierOwner
  uid = ''
  state: CallState = 'requested'
  kind: 'outgoing' | 'incoming' | undefined
  isAdopted = false
  /** The control connection that set it up, or -1. */
  connection = NO_CONNECTION
  /** The role that asked for it. */
  asker: Role = 0
  /** Assigned by each role: it stands in GRE packets to that role. */
  readonly ids: [number, number] = [NO_ID, NO_ID]
  /** The address of each role, without a port, and with its call id in place of the port. */
  readonly hosts: [number, number] = [NO_ENDPOINT, NO_ENDPOINT]
  readonly receivers: [number, number] = [NO_ENDPOINT, NO_ENDPOINT]
  /** The role whose id is not known, as the tracker has listed it; -1 if it has not. */
  lacking: Role | -1 = -1
  startUs = 0
  vlan: string | undefined
  protection: Protection | null = null
  request: PptpMessage | null = null
  answer: PptpMessage | null = null
  /** Who asked for the end; -1 if nobody did. */
  clearedBy: Role | -1 = -1
  wanErrors = 0
  next = NO_CALL
  previous = NO_CALL
  link: PppLink | null = null
  userName: string | undefined
  firstFlow = -1

  constructor(index: number, owner: CarrierOwner, ownerNumber: number) {
    this.index = index
    this.key = keyOf(ownerNumber, index)
    this.owner = owner
  }

  reset(connection: number, timeUs: number): void {
    this.uid = ''
    this.state = 'requested'
    this.kind = undefined
    this.isAdopted = false
    this.connection = connection
    this.asker = 0
    this.ids.fill(NO_ID)
    this.hosts.fill(NO_ENDPOINT)
    this.receivers.fill(NO_ENDPOINT)
    this.lacking = -1
    this.startUs = timeUs
    this.vlan = undefined
    this.protection = null
    this.request = null
    this.answer = null
    this.clearedBy = -1
    this.wanErrors = 0
    this.next = NO_CALL
    this.previous = NO_CALL
    this.link = null
    this.userName = undefined
    this.firstFlow = -1
  }
}
