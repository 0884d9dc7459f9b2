/**
 * One of several rings of an interface, over all the sockets that it has one after the other: the kernel lets no socket of a group go
 * to another interface, so when one of the same name has taken the place of the old one, another socket does so, too.
 *
 * The sockets are made while the process may make them. When none is left the ring stays down.
 */
import type { Upcoming } from '../../base/upcoming.ts'
import { type LearnedPorts, type LiveCounters, LiveError, type LiveSource } from '../live.ts'
import type { Packet } from '../packet.ts'

/** The ring of one socket. */
export interface RenewableRing extends LiveSource {
  /** Another socket has to take its place. */
  readonly isStranded: boolean
  preview(upcoming: Upcoming): void
}

export interface SocketSupply {
  /** A socket that was never bound; null if there are no more. */
  take(): number | null
  /** One for which there is no use. */
  discard(socket: number): void
}

export class RenewedRing implements LiveSource {
  readonly name: string
  readonly ring: number
  readonly latencyMs: number
  readonly #supply: SocketSupply
  readonly #open: (socket: number) => RenewableRing
  #current: RenewableRing
  /** Of the sockets before. */
  #before: LiveCounters | null = null
  #learned: LearnedPorts | null = null
  #isClosed = false

  /** `open` gives a socket a ring, and binds it. What it throws goes on for the first one. */
  constructor(ring: number, supply: SocketSupply, open: (socket: number) => RenewableRing) {
    const socket = supply.take()
    if (socket === null) throw new LiveError('failed', 'there is no socket for a ring')
    this.#supply = supply
    this.#open = open
    this.#current = this.#opened(socket)
    this.ring = ring
    this.name = this.#current.name
    this.latencyMs = this.#current.latencyMs
  }

  get state(): 'up' | 'down' {
    return this.#current.state
  }

  get counters(): LiveCounters {
    const now = this.#current.counters
    return this.#before === null ? now : sumOf(this.#before, now)
  }

  next(packet: Packet): boolean {
    return this.#current.next(packet)
  }

  preview(upcoming: Upcoming): void {
    this.#current.preview(upcoming)
  }

  wait(timeoutMs: number): Promise<void> {
    return this.#current.wait(timeoutMs)
  }

  look(): boolean {
    this.#current.look()
    return !this.#isClosed && this.#current.isStranded && this.#renew()
  }

  learn(ports: LearnedPorts): void {
    this.#learned = ports
    this.#current.learn(ports)
  }

  close(): void {
    this.#isClosed = true
    this.#current.close()
    for (let socket = this.#supply.take(); socket !== null; socket = this.#supply.take()) this.#supply.discard(socket)
  }

  /** False if that is not to be done now. */
  #renew(): boolean {
    const socket = this.#supply.take()
    if (socket === null) return false
    let next: RenewableRing
    try {
      next = this.#opened(socket)
    } catch (error) {
      // It may have gone again, which costs a socket.
      if (error instanceof LiveError) return false
      throw error
    }
    if (this.#learned !== null) next.learn(this.#learned)
    const { counters } = this
    this.#current.close()
    this.#before = { ...counters, rebinds: counters.rebinds + 1 }
    this.#current = next
    return true
  }

  #opened(socket: number): RenewableRing {
    try {
      return this.#open(socket)
    } catch (error) {
      this.#supply.discard(socket)
      throw error
    }
  }
}

function sumOf(before: LiveCounters, now: LiveCounters): LiveCounters {
  return {
    packets: before.packets + now.packets,
    bytes: before.bytes + now.bytes,
    received: before.received + now.received,
    kernelDrops: before.kernelDrops + now.kernelDrops,
    freezes: before.freezes + now.freezes,
    interfaceDrops: before.interfaceDrops + now.interfaceDrops,
    ownDrops: before.ownDrops + now.ownDrops,
    truncated: before.truncated + now.truncated,
    rebinds: before.rebinds + now.rebinds,
    ringFill: now.ringFill,
    ringFillHighest: Math.max(before.ringFillHighest, now.ringFillHighest),
  }
}
