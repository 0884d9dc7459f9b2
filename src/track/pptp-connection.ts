/** A PPTP control connection as a record (RFC 2637 section 3). Role 0 is the client, who opened it, role 1 the server. */
import type { Frame, Protection } from '../dissect/frame.ts'
import type { PptpMessage } from '../wire/pptp.ts'
import { PptpStream } from './pptp-stream.ts'
import type { Role } from './role.ts'

export const NO_CALL = -1
export const NO_ENDPOINT = -1

export type ConnectionState = 'opening' | 'established' | 'closed'

/** What one end said of itself. */
export interface Party {
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
  /** First of the list of its calls, by its index; kept by their tracker. */
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

  /** What a finding in the segment in the frame says besides itself. */
  findingFields({ tcp }: Frame) {
    return {
      'source.port': tcp.sourcePort,
      'destination.port': tcp.destinationPort,
      'network.transport': 'tcp',
      'network.protocol': 'pptp',
      'pptp.connection.uid': this.uid,
      'borescope.lineage': this.lineage,
    }
  }

  /** The ids of what it is part of, outermost first, and its own. */
  get lineage(): readonly string[] {
    return this.protection === null ? [this.uid] : [...this.protection.lineage, this.uid]
  }
}

function newParty(): Party {
  return { hostName: undefined, vendorName: undefined, firmware: undefined }
}
