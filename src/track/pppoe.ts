/**
 * A PPPoE session, and an attempt at one, as records (RFC 2516).
 *
 * Role 0 is the host, role 1 the access concentrator.
 */
import type { PppoeTag } from '../wire/pppoe.ts'
import { type Carrier, type CarrierOwner, keyOf } from './carrier.ts'

export type PppoeClosedBy = 'client' | 'server' | 'silence' | 'capacity' | 'capture_end'
export type AttemptState = 'discovering' | 'offered' | 'requested'

export const NO_ENDPOINT = -1

/** What discovery told of a session to come. */
export interface PppoeDetails {
  serviceName: string | undefined
  acName: string | undefined
  circuitId: string | undefined
  remoteId: string | undefined
  maxPayload: number | undefined
  offers: number
}

export function newDetails(): PppoeDetails {
  return {
    serviceName: undefined,
    acName: undefined,
    circuitId: undefined,
    remoteId: undefined,
    maxPayload: undefined,
    offers: 0,
  }
}

/** Takes what the tags of a discovery packet tell. An empty service name asks for any. */
export function learnTags(details: PppoeDetails, tags: readonly PppoeTag[]): void {
  for (const { name, value, subtags } of tags) {
    if (name === 'Service-Name' && value !== '') details.serviceName = String(value)
    else if (name === 'AC-Name' && value !== '') details.acName = String(value)
    else if (name === 'PPP-Max-Payload' && typeof value === 'number') details.maxPayload = value
    for (const subtag of subtags ?? []) {
      if (subtag.name === 'agentCircuitId') details.circuitId = String(subtag.value)
      else if (subtag.name === 'agentRemoteId') details.remoteId = String(subtag.value)
    }
  }
}

/** A host that looks for a session. */
export interface PppoeAttempt {
  readonly uid: string
  readonly host: string
  readonly vlan: string | undefined
  readonly startUs: number
  readonly details: PppoeDetails
  state: AttemptState
  /** The station that answered, or was asked, last. */
  concentrator: string | undefined
  lastUs: number
}

/** The L2TP session that carries the frames on. */
export interface Upstream {
  readonly tunnelUid: string | undefined
  readonly sessionUid: string
  readonly lineage: readonly string[]
}

export class PppoeSession implements Carrier {
  readonly index: number
  readonly key: number
  readonly owner: CarrierOwner
  uid = ''
  isClosed = false
  isAdopted = false
  sessionId = 0
  /** Of each role; empty where frames have no stations. */
  readonly stations: [string, string] = ['', '']
  /** Its name in frames to each role. */
  readonly endpoints: [number, number] = [NO_ENDPOINT, NO_ENDPOINT]
  vlan: string | undefined
  startUs = 0
  details: PppoeDetails = newDetails()
  upstream: Upstream | null = null
  link: Carrier['link'] = null
  userName: string | undefined

  constructor(index: number, owner: CarrierOwner, ownerNumber: number) {
    this.index = index
    this.key = keyOf(ownerNumber, index)
    this.owner = owner
  }

  reset(sessionId: number, timeUs: number): void {
    this.uid = ''
    this.isClosed = false
    this.isAdopted = false
    this.sessionId = sessionId
    this.stations.fill('')
    this.endpoints.fill(NO_ENDPOINT)
    this.vlan = undefined
    this.startUs = timeUs
    this.details = newDetails()
    this.upstream = null
    this.link = null
    this.userName = undefined
  }
}
