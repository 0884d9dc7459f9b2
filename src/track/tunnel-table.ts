/**
 * The tunnels that are followed, and under what they are found: the number that a receiver assigned, or, while one of the numbers is
 * not known yet, the ends of the messages that will show it. Who holds an endpoint, and for how long, is decided here alone.
 */
import type { Endpoints } from '../base/endpoints.ts'
import { i32 } from '../base/bytes.ts'
import { PairTable } from '../base/pair-table.ts'
import { Pool } from '../base/pool.ts'
import type { Ahead } from '../dissect/ahead.ts'
import type { Frame } from '../dissect/frame.ts'
import { Halves } from './halves.ts'
import { INITIATOR, RESPONDER, type Role } from './role.ts'
import type { SavedEndpoint } from './saved.ts'
import { SeenMessages } from './seen-messages.ts'
import { NO_ENDPOINT, NO_ID, Tunnel } from './tunnel.ts'

const NONE = -1
/** No port. */
const IPV6 = 0x10000

export class TunnelTable {
  readonly tunnels: Pool<Tunnel>
  readonly endpoints: Endpoints
  /**
   * (address, number, port) → index times two plus the receiver's role. Where the address is longer than a number, it is the endpoint
   * that stands there, and `IPV6` for the port.
   */
  readonly #byReceiver: PairTable
  /** (sender, receiver) of the messages that will show the number → index times two plus the receiver's role. */
  readonly #halves: Halves
  readonly #unnamed: (index: number) => void

  /** The endpoints may be those of other tables too. `unnamed` is told of a tunnel whenever a number is taken from it. */
  constructor(endpoints: Endpoints, capacity: number, unnamed: (index: number) => void) {
    const seen = new SeenMessages()
    this.endpoints = endpoints
    this.tunnels = new Pool(capacity, (index) => new Tunnel(index, seen))
    this.#byReceiver = new PairTable(capacity * 2)
    this.#halves = new Halves(capacity)
    this.#unnamed = unnamed
  }

  // --- finding

  /** The tunnel with that number at the receiver of the frame, times two, plus the role of the receiver; or -1. */
  find({ ip, destinationPort }: Frame, tunnelId: number): number {
    return this.#findAt(ip.bytes, ip.destinationAt, ip.addressLength, destinationPort, tunnelId)
  }

  /** The same of a receiver of IPv4, its address as a signed number. */
  findIpv4(address: number, port: number, tunnelId: number): number {
    return this.#byReceiver.find(address, tunnelId, port)
  }

  /** Looks up the tunnels of messages to come, into `ahead.tunnel` as `find` does: each step for all of them before the next one. */
  prefetch(ahead: Ahead): void {
    const { count, receiver, port, tunnelId, tunnel, places } = ahead
    const table = this.#byReceiver
    for (let i = 0; i < count; i++) places[i] = table.placeOf(receiver[i], tunnelId[i], port[i])
    ahead.fetch(table.words)
    for (let i = 0; i < count; i++) tunnel[i] = table.find(receiver[i], tunnelId[i], port[i])
  }

  /** The same at the sender of the frame. */
  findAtSender({ ip, sourcePort }: Frame, tunnelId: number): number {
    return this.#findAt(ip.bytes, ip.sourceAt, ip.addressLength, sourcePort, tunnelId)
  }

  /** The one tunnel between the ends of the frame that lacks the number of its receiver, as `find`; or -1. */
  findHalf(frame: Frame): number {
    const { ip, destinationPort } = frame
    const sender = this.senderOf(frame)
    const receiver = this.endpoints.find(ip.bytes, ip.destinationAt, ip.addressLength, destinationPort)
    return sender === NONE || receiver === NONE ? NONE : this.#halves.only(sender, receiver)
  }

  /** The endpoint that sent the frame; -1 if it is none of a tunnel. */
  senderOf({ ip, sourcePort }: Frame): number {
    return this.endpoints.find(ip.bytes, ip.sourceAt, ip.addressLength, sourcePort)
  }

  // --- coming and going

  /** A record for a tunnel between the hosts of the frame, which `sender` sent; null if there is no room. */
  open({ ip, sourcePort, destinationPort, timeUs }: Frame, sender: Role): Tunnel | null {
    const source = this.endpoints.hold(ip.bytes, ip.sourceAt, ip.addressLength, sourcePort)
    const destination = this.endpoints.hold(ip.bytes, ip.destinationAt, ip.addressLength, destinationPort)
    const ends = sender === INITIATOR ? [source, destination] : [destination, source]
    return this.#take(ends, timeUs)
  }

  /** The same for one that a restarted sensor takes up. */
  resume(saved: readonly SavedEndpoint[], lastUs: number): Tunnel | null {
    const ends = saved.map(([address, port]) => {
      const bytes = Buffer.from(address, 'hex')
      return this.endpoints.hold(bytes, 0, bytes.length, port)
    })
    return this.#take(ends, lastUs)
  }

  #take(ends: readonly number[], timeUs: number): Tunnel | null {
    const index = ends.includes(NO_ENDPOINT) ? NONE : this.tunnels.take()
    if (index === NONE) {
      for (const end of ends) this.endpoints.release(end)
      return null
    }
    const tunnel = this.tunnels.at(index)
    tunnel.reset(timeUs)
    for (const role of [INITIATOR, RESPONDER] as const) tunnel.endpoints[role] = ends[role]
    return tunnel
  }

  forget(tunnel: Tunnel): void {
    this.unlist(tunnel)
    for (const role of [INITIATOR, RESPONDER] as const) {
      if (tunnel.ids[role] !== NO_ID) this.#unassign(tunnel, role)
      this.endpoints.release(tunnel.endpoints[role])
    }
    this.tunnels.free(tunnel.index)
  }

  /** Its ends as plain values. */
  endpointsOf(tunnel: Tunnel): readonly SavedEndpoint[] {
    return tunnel.endpoints.map(
      (end): SavedEndpoint => [Buffer.from(this.endpoints.bytes(end)).toString('hex'), this.endpoints.port(end)],
    )
  }

  // --- numbers

  /** The receiver in that role is to be found by this number. Gives the other tunnel that was found by it so far, or null. */
  assign(tunnel: Tunnel, role: Role, id: number): Tunnel | null {
    if (tunnel.lacking === role) this.unlist(tunnel)
    if (tunnel.ids[role] !== NO_ID) this.#unassign(tunnel, role)
    tunnel.ids[role] = id
    // Zero names no tunnel: it is what an SCCRQ itself is sent to.
    if (id === 0) return null
    const earlier = this.#numbered(tunnel.endpoints[role], id)
    this.#byReceiver.insert(
      this.#hostOf(tunnel.endpoints[role]),
      id,
      tunnel.index * 2 + role,
      this.#portOf(tunnel.endpoints[role]),
    )
    return earlier === NONE || earlier >> 1 === tunnel.index ? null : this.tunnels.at(earlier >> 1)
  }

  /** The number of the receiver in that role is not known: a message between the ends will show it. */
  list(tunnel: Tunnel, lacking: Role): void {
    const { endpoints } = tunnel
    if (tunnel.lacking === lacking) return
    if (this.#halves.add(endpoints[1 - lacking], endpoints[lacking], tunnel.index * 2 + lacking))
      tunnel.lacking = lacking
  }

  unlist(tunnel: Tunnel): void {
    const { endpoints, lacking } = tunnel
    if (lacking === -1) return
    this.#halves.remove(endpoints[1 - lacking], endpoints[lacking], tunnel.index * 2 + lacking)
    tunnel.lacking = -1
  }

  /** The end in that role has another address or port from now on, and is yet to be found by its number; false if there is no room. */
  move(tunnel: Tunnel, role: Role, bytes: Uint8Array, at: number, length: number, port: number): boolean {
    const after = this.endpoints.hold(bytes, at, length, port)
    if (after === NO_ENDPOINT) return false
    const { lacking } = tunnel
    this.unlist(tunnel)
    if (tunnel.ids[role] !== NO_ID) this.#unassign(tunnel, role)
    this.endpoints.release(tunnel.endpoints[role])
    tunnel.endpoints[role] = after
    if (lacking !== -1) this.list(tunnel, lacking)
    return true
  }

  #unassign(tunnel: Tunnel, role: Role): void {
    const end = tunnel.endpoints[role]
    const id = tunnel.ids[role]
    this.#unnamed(tunnel.index)
    if (this.#numbered(end, id) === tunnel.index * 2 + role)
      this.#byReceiver.remove(this.#hostOf(end), id, this.#portOf(end))
  }

  /** What a known endpoint is sent that number for. */
  #numbered(end: number, id: number): number {
    return this.#byReceiver.find(this.#hostOf(end), id, this.#portOf(end))
  }

  #findAt(bytes: Uint8Array, at: number, length: number, port: number, id: number): number {
    if (length === 4) return this.#byReceiver.find(i32(bytes, at), id, port)
    const end = this.endpoints.find(bytes, at, length, port)
    return end === NONE ? NONE : this.#byReceiver.find(end, id, IPV6)
  }

  #hostOf(end: number): number {
    return this.endpoints.isIpv6(end) ? end : this.endpoints.ipv4(end)
  }

  #portOf(end: number): number {
    return this.endpoints.isIpv6(end) ? IPV6 : this.endpoints.port(end)
  }
}
