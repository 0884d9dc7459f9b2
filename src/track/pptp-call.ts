/** A call of PPTP as a record (RFC 2637 section 2). The roles are those of its control connection. */
import type { Protection } from '../dissect/frame.ts'
import type { PptpMessage } from '../wire/pptp.ts'
import { type Carrier, type CarrierOwner, keyOf } from './carrier.ts'
import { NO_CALL, NO_ENDPOINT, type PptpConnection } from './pptp-connection.ts'
import type { Role } from './role.ts'

export const NO_ID = -1

export type CallState = 'requested' | 'answered' | 'established' | 'closed'

export class PptpCall implements Carrier {
  readonly index: number
  readonly key: number
  readonly owner: CarrierOwner
  uid = ''
  state: CallState = 'requested'
  kind: 'outgoing' | 'incoming' | undefined
  isAdopted = false
  /** The control connection that set it up, while that lives. */
  connection: PptpConnection | null = null
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
  link: Carrier['link'] = null
  userName: string | undefined

  constructor(index: number, owner: CarrierOwner, ownerNumber: number) {
    this.index = index
    this.key = keyOf(ownerNumber, index)
    this.owner = owner
  }

  reset(connection: PptpConnection | null, timeUs: number): void {
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
  }
}
