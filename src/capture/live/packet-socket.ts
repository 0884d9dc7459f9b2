/**
 * Packets of a Linux interface from the receive ring of an AF_PACKET socket (packet(7)).
 *
 * The socket receives nothing before it is bound, and then only what passes its filter. It needs CAP_NET_RAW when it is made
 * and never again: an interface that was gone is bound anew without. An interface may have several, a ring each, among which the
 * kernel spreads its packets (PACKET_FANOUT).
 */
import type { Upcoming } from '../../base/upcoming.ts'
import { type LearnedPorts, type LiveCounters, LiveError, type LiveOptions, type LiveSource } from '../live.ts'
import type { Packet } from '../packet.ts'
import { Assembler, INSTRUCTION_BYTES } from './bpf.ts'
import { ARPHRD, InterfaceQuery, isLittleEndian, missedByInterface, noInterface } from './interfaces.ts'
import { FILTER_PROGRAM_BYTES, type Libc, type Pointer } from './libc.ts'
import { Nap } from './nap.ts'
import type { Poller } from './poller.ts'
import { type RenewableRing, RenewedRing, type SocketSupply } from './renewed-ring.ts'
import { Ring } from './ring.ts'

const AF_PACKET = 17
const SOCK = { DGRAM: 2, RAW: 3 } as const
const SOCK_CLOEXEC = 0o2_000_000
const ETH_P_ALL = 3

const SOL_SOCKET = 1
const SO_ERROR = 4
const SO_ATTACH_FILTER = 26
const SOL_PACKET = 263
/** Of SOL_PACKET. */
const PACKET = {
  ADD_MEMBERSHIP: 1,
  RX_RING: 5,
  STATISTICS: 6,
  VERSION: 10,
  TIMESTAMP: 17,
  FANOUT: 18,
  FANOUT_DATA: 22,
  IGNORE_OUTGOING: 23,
} as const
const TPACKET_V3 = 2
/** Spread by a program of classic BPF; by a number for the group that the kernel finds. */
const PACKET_FANOUT_CBPF = 6
const PACKET_FANOUT_FLAG_UNIQUEID = 0x2000
const PACKET_MR_PROMISC = 1
const SOF_TIMESTAMPING_RAW_HARDWARE = 1 << 6
/** What struct tpacket_req3 calls a frame decides nothing in this version; it must divide the block. */
const FRAME_BYTES = 2048

const EPERM = 1
const EACCES = 13
const ENOMEM = 12
const EAFNOSUPPORT = 97

const LINKTYPE_ETHERNET = 1
const LINKTYPE_RAW = 101

const NO_PORTS: LearnedPorts = { udp: [], tcp: [] }

/** The fastest that a ring is filled: 10 Gbit/s. A nap is over before a third of it is. */
const BYTES_PER_MS = 1_250_000
/** To wake up costs as much as some thousand packets: caches are cold by then. A packet is seen so much later. */
const NAP_MS_MAX = 33
/** A block may be handed over one tick of the kernel late. */
const LATENESS_MS = 15

/** What the filter of a socket is made of. */
export interface SocketFilter {
  /** Instructions, as struct sock_filter in the byte order of the machine. */
  program(isEthernet: boolean, learned: LearnedPorts): Uint8Array
}

/** Instructions that say which of so many rings a packet goes to; L2TP is spoken on these ports, too. */
export type SpreadProgram = (rings: number, learnedUdpPorts: readonly number[]) => Uint8Array

/** Sockets of one interface that receive nothing yet: plain numbers, for whichever thread is to read them. */
export interface PacketSockets {
  readonly name: string
  readonly sockets: readonly number[]
  /** For when the interface was gone, and privileges with it. */
  readonly spares: readonly number[]
  readonly isEthernet: boolean
}

/** Each ring of several may be opened again so often without privileges. */
const SPARES = 8

/** Makes what takes CAP_NET_RAW, for so many rings. Throws a `LiveError`. */
export function makePacketSockets(libc: Libc, name: string, count: number): PacketSockets {
  const first = makeSocket(libc, SOCK.RAW, name)
  const type = new InterfaceQuery(libc, first, name).hardwareType()
  if (type === null) {
    libc.close(first)
    throw noInterface(name)
  }
  const isEthernet = type === ARPHRD.ETHERNET || type === ARPHRD.LOOPBACK
  // Link headers of other kinds are of no interest, and differ even within a kind: the kernel takes them off.
  if (!isEthernet) libc.close(first)
  const sockets = isEthernet ? [first] : []
  const all = count === 1 ? 1 : count * (1 + SPARES)
  try {
    while (sockets.length < all) sockets.push(makeSocket(libc, isEthernet ? SOCK.RAW : SOCK.DGRAM, name))
  } catch (error) {
    closeSockets(libc, sockets)
    throw error
  }
  return { name, sockets: sockets.slice(0, count), spares: sockets.slice(count), isEthernet }
}

export function closeSockets(libc: Libc, sockets: readonly number[]): void {
  for (const socket of sockets) libc.close(socket)
}

/**
 * Opens the rings of an interface, one for each socket, which are closed if that fails. Packets that are left out are the filter's to
 * say, and where one of several goes the program's. Throws a `LiveError`.
 */
export function openRings(
  libc: Libc,
  poller: Poller,
  { name, sockets, spares, isEthernet }: PacketSockets,
  options: LiveOptions,
  filter: SocketFilter,
  spread: SpreadProgram,
): LiveSource[] {
  const share = { ...options, bufferBytes: Math.floor(options.bufferBytes / sockets.length) }
  const ofInterface = (socket: number, place: Place | null) =>
    new PacketSocket(libc, poller, name, socket, isEthernet, share, filter, place)
  const left = [...sockets, ...spares]
  const take = () => left.shift() ?? null
  const rings: LiveSource[] = []
  try {
    if (sockets.length === 1) return [ofInterface(left[0], null)]
    const group = new FanoutGroup(libc, name, sockets.length, spread)
    const supply: SocketSupply = { take, discard: (socket) => libc.close(socket) }
    while (rings.length < sockets.length) {
      const place = { group, ring: rings.length }
      rings.push(new RenewedRing(place.ring, supply, (socket) => ofInterface(socket, place)))
    }
    return rings
  } catch (error) {
    for (const ring of rings) ring.close()
    closeSockets(libc, left)
    throw error
  }
}

/** Opens the one ring of an interface. Throws a `LiveError`. */
export function openPacketSocket(
  libc: Libc,
  poller: Poller,
  name: string,
  options: LiveOptions,
  filter: SocketFilter,
): LiveSource {
  return openRings(libc, poller, makePacketSockets(libc, name, 1), options, filter, () => new Uint8Array(0))[0]
}

function makeSocket(libc: Libc, type: number, name: string): number {
  // Protocol 0: nothing comes before the ring and the filter are in place.
  const socket = libc.socket(AF_PACKET, type | SOCK_CLOEXEC, 0)
  if (socket !== -1) return socket
  const code = libc.errno()
  if (code === EPERM || code === EACCES) {
    throw new LiveError(
      'not_permitted',
      `${name} may not be watched: that takes the capability CAP_NET_RAW. Run as root (then --user gives it up again), or give it to this Node.js alone: sudo setcap cap_net_raw+ep ${process.execPath}`,
    )
  }
  if (code === EAFNOSUPPORT) {
    throw new LiveError('unsupported', 'this kernel has no packet sockets (CONFIG_PACKET)')
  }
  throw new LiveError('failed', `no packet socket for ${name} (errno ${code})`)
}

/** The sockets of one interface, among which the kernel spreads the packets. The order in which they join is that of the rings. */
class FanoutGroup {
  readonly #libc: Libc
  readonly #name: string
  readonly #rings: number
  readonly #spread: SpreadProgram
  /** Of the interface, and of the group that the kernel has for it; null before the first socket has joined. */
  #index = -1
  #id: number | null = null

  constructor(libc: Libc, name: string, rings: number, spread: SpreadProgram) {
    this.#libc = libc
    this.#name = name
    this.#rings = rings
    this.#spread = spread
  }

  /** A socket joins that is bound to the interface of this number. Of another number than before, it is the first of another group. */
  join(socket: number, index: number): void {
    if (index !== this.#index) this.#id = null
    this.#index = index
    const value = new Uint8Array(4)
    const view = new DataView(value.buffer)
    const type = this.#id === null ? PACKET_FANOUT_CBPF | PACKET_FANOUT_FLAG_UNIQUEID : PACKET_FANOUT_CBPF
    view.setUint16(isLittleEndian ? 0 : 2, this.#id ?? 0, isLittleEndian)
    view.setUint16(isLittleEndian ? 2 : 0, type, isLittleEndian)
    if (this.#libc.setsockopt(socket, SOL_PACKET, PACKET.FANOUT, value, value.length) !== 0) throw this.#refused()
    if (this.#id !== null) return
    if (this.#libc.getsockopt(socket, SOL_PACKET, PACKET.FANOUT, value, Uint32Array.of(4)) !== 0) throw this.#refused()
    this.#id = view.getUint16(isLittleEndian ? 0 : 2, isLittleEndian)
    this.learn(socket, [])
  }

  /** Spreads what comes on these ports, too; through any of the sockets. */
  learn(socket: number, udpPorts: readonly number[]): void {
    const filter = this.#spread(this.#rings, udpPorts)
    const program = { len: filter.length / INSTRUCTION_BYTES, filter }
    const { FANOUT_DATA } = PACKET
    if (this.#libc.attachFilter(socket, SOL_PACKET, FANOUT_DATA, program, FILTER_PROGRAM_BYTES) !== 0)
      throw this.#refused()
  }

  #refused(): LiveError {
    return new LiveError(
      'failed',
      `the kernel refused to spread the packets of ${this.#name} over several rings (errno ${this.#libc.errno()}): use one thread`,
    )
  }
}

interface Place {
  readonly group: FanoutGroup
  readonly ring: number
}

class PacketSocket implements RenewableRing {
  readonly name: string
  readonly ring: number | null
  readonly latencyMs: number
  state: 'up' | 'down' = 'down'
  /** Its interface is another one now, and the kernel binds no member of a group anew: another socket has to take its place. */
  isStranded = false
  readonly #libc: Libc
  readonly #poller: Poller
  readonly #socket: number
  readonly #query: InterfaceQuery
  readonly #options: LiveOptions
  readonly #filter: SocketFilter
  readonly #group: FanoutGroup | null
  readonly #isEthernet: boolean
  readonly #ringBytes: number
  /** 0: the ring is too small for any. */
  readonly #napMs: number
  /** Naps until the next block is there, whether it is full or not. */
  readonly #napsMax: number
  #naps = 0
  readonly #nap = new Nap()
  readonly #address: Pointer
  readonly #ring: Ring
  #memory: ArrayBuffer
  #index = -1
  #isClosed = false
  readonly #missedBefore: number
  readonly #counted = { received: 0, kernelDrops: 0, freezes: 0, rebinds: 0, ringFillHighest: 0 }
  readonly #value = new Uint8Array(12)
  readonly #valueLength = new Uint32Array(1)

  constructor(
    libc: Libc,
    poller: Poller,
    name: string,
    socket: number,
    isEthernet: boolean,
    options: LiveOptions,
    filter: SocketFilter,
    place: Place | null,
  ) {
    this.name = name
    this.ring = place?.ring ?? null
    this.#group = place?.group ?? null
    this.latencyMs = options.blockTimeoutMs + LATENESS_MS
    this.#libc = libc
    this.#poller = poller
    this.#socket = socket
    this.#isEthernet = isEthernet
    this.#options = options
    this.#filter = filter
    this.#query = new InterfaceQuery(libc, socket, name)
    this.#missedBefore = missedByInterface(name)
    const isLoopback = this.#query.flags()?.isLoopback ?? false
    this.#set(PACKET.VERSION, TPACKET_V3, 'rings of version 3')
    if (options.timestamps === 'hardware') this.#set(PACKET.TIMESTAMP, SOF_TIMESTAMPING_RAW_HARDWARE, 'time stamps')
    // On a loopback every packet goes out and comes in again.
    const isIgnoring = isLoopback || !options.outgoing
    // Kernels before 4.20 do not know how, and of a group the kernel does not ask its members: then the ring leaves them out.
    const isIgnored = this.#group === null && isIgnoring && this.#trySet(PACKET.IGNORE_OUTGOING, 1) === 0
    const skipsOutgoing = isIgnoring && !isIgnored
    // Between being bound and joining its group a socket would be given every packet.
    if (this.#group === null) this.#attach(NO_PORTS)
    else this.#attachProgram(new Assembler().keep(0).assemble())
    const { blockBytes } = options
    const blocks = Math.max(2, Math.floor(options.bufferBytes / blockBytes))
    this.#ringBytes = blocks * blockBytes
    this.#napMs = Math.min(NAP_MS_MAX, Math.floor(this.#ringBytes / 3 / BYTES_PER_MS))
    this.#napsMax = this.#napMs === 0 ? 0 : Math.ceil(options.blockTimeoutMs / this.#napMs)
    this.#makeRing(blocks)
    const mapped = libc.map(socket, this.#ringBytes)
    if (mapped === null) throw this.#refused('mapping the ring')
    this.#address = mapped.address
    this.#memory = mapped.memory
    this.#ring = new Ring(this.#memory, blockBytes, isEthernet ? LINKTYPE_ETHERNET : LINKTYPE_RAW, skipsOutgoing)
    try {
      this.#bind(this.#query.index())
      if (this.#index === -1) throw noInterface(name)
      if (this.#group !== null) this.#join(this.#group)
    } catch (error) {
      this.#unmap()
      throw error
    }
    this.look()
    poller.add(socket)
  }

  next(packet: Packet): boolean {
    return !this.#isClosed && this.#ring.next(packet)
  }

  preview(upcoming: Upcoming): void {
    if (!this.#isClosed) this.#ring.preview(upcoming)
  }

  async wait(timeoutMs: number): Promise<void> {
    if (!this.#isClosed && !this.#ring.isReady) await this.#sleep(timeoutMs)
    // Whoever was kept from looking finds here how full it became: what is read next leaves no trace of it.
    if (!this.#isClosed) this.#measureFill()
  }

  async #sleep(timeoutMs: number): Promise<void> {
    // Where packets come fast the next block is near: to ask another thread to wait for it costs more than to sleep a little.
    if (this.#ring.wasFull) this.#naps = this.#napsMax
    this.#ring.wasFull = false
    if (this.#naps > 0) {
      this.#naps--
      await this.#nap.take(Math.min(this.#napMs, timeoutMs))
    } else await this.#poller.wait(timeoutMs)
  }

  get counters(): LiveCounters {
    const ring = this.#ring
    let ringFill = 0
    if (!this.#isClosed) {
      this.#readStatistics()
      ringFill = this.#measureFill()
    }
    return {
      ...this.#counted,
      packets: ring.packets,
      bytes: ring.bytesSeen,
      truncated: ring.truncated,
      ownDrops: ring.flawed,
      // They belong to no ring: the first one tells of them.
      interfaceDrops: this.ring === null || this.ring === 0 ? this.#missed : 0,
      ringFill,
    }
  }

  #measureFill(): number {
    const fill = this.#ring.readyBlocks / this.#ring.blockCount
    this.#counted.ringFillHighest = Math.max(this.#counted.ringFillHighest, fill)
    return fill
  }

  get #missed(): number {
    return Math.max(0, missedByInterface(this.name) - this.#missedBefore)
  }

  learn(ports: LearnedPorts): void {
    // What a socket let in that is in no group would come in all rings alike.
    if (this.#isClosed || (this.#group !== null && this.#index === -1)) return
    try {
      this.#attach(ports)
      if (this.ring === 0) this.#group?.learn(this.#socket, ports.udp)
    } catch (error) {
      // Without the memory for a larger filter the old one goes on.
      if (!(error instanceof LiveError)) throw error
    }
  }

  close(): void {
    if (this.#isClosed) return
    this.#readStatistics()
    this.#isClosed = true
    this.#poller.delete(this.#socket)
    this.#unmap()
    this.#libc.close(this.#socket)
  }

  /** Whoever still holds a window of the ring must find it empty, and not memory that is gone. */
  #unmap(): void {
    this.#memory = this.#memory.transfer(0)
    this.#libc.unmap(this.#address, this.#ringBytes)
  }

  /** Takes the counts since the last reading: the kernel starts again from nothing. */
  #readStatistics(): void {
    this.#valueLength[0] = 12
    if (this.#libc.getsockopt(this.#socket, SOL_PACKET, PACKET.STATISTICS, this.#value, this.#valueLength) !== 0) return
    const view = new DataView(this.#value.buffer)
    this.#counted.received += view.getUint32(0, isLittleEndian)
    this.#counted.kernelDrops += view.getUint32(4, isLittleEndian)
    this.#counted.freezes += view.getUint32(8, isLittleEndian)
  }

  /** One that was gone and is back under its name is bound anew. */
  look(): boolean {
    if (this.#isClosed) return false
    this.#measureFill()
    const { rebinds } = this.#counted
    this.#valueLength[0] = 4
    // An interface that went down leaves an error on its socket, and poll would return at once until it is taken.
    this.#libc.getsockopt(this.#socket, SOL_SOCKET, SO_ERROR, this.#value, this.#valueLength)
    const index = this.#query.index()
    if (index === null) this.#index = -1
    else if (index !== this.#index && this.#group !== null) {
      this.#index = -1
      // Older kernels let nobody join a group at an interface that is down; and what came before is to be read first.
      this.isStranded = !this.#ring.isReady && (this.#query.flags()?.isRunning ?? false)
    } else if (index !== this.#index) {
      this.#bind(index)
      this.#counted.rebinds++
    }
    const isRunning = this.#index !== -1 && (this.#query.flags()?.isRunning ?? false)
    this.state = isRunning ? 'up' : 'down'
    return this.#counted.rebinds > rebinds
  }

  /** Binds to an interface by its number, and opens its ears. What fails because it has just gone is tried again at the next look. */
  #bind(index: number | null): void {
    this.#index = -1
    if (index === null) return
    const address = new Uint8Array(20)
    const view = new DataView(address.buffer)
    view.setUint16(0, AF_PACKET, isLittleEndian)
    view.setUint16(2, ETH_P_ALL)
    view.setInt32(4, index, isLittleEndian)
    if (this.#libc.bind(this.#socket, address, address.length) !== 0) return
    this.#index = index
    if (!this.#options.promiscuous) return
    const membership = new Uint8Array(16)
    const request = new DataView(membership.buffer)
    request.setInt32(0, index, isLittleEndian)
    request.setUint16(4, PACKET_MR_PROMISC, isLittleEndian)
    this.#libc.setsockopt(this.#socket, SOL_PACKET, PACKET.ADD_MEMBERSHIP, membership, membership.length)
  }

  #makeRing(blocks: number): void {
    const { blockBytes, blockTimeoutMs } = this.#options
    const request = new Uint8Array(28)
    const view = new DataView(request.buffer)
    const fields = [blockBytes, blocks, FRAME_BYTES, (blockBytes / FRAME_BYTES) * blocks, blockTimeoutMs, 0, 0]
    for (const [at, value] of fields.entries()) view.setUint32(at * 4, value, isLittleEndian)
    if (this.#libc.setsockopt(this.#socket, SOL_PACKET, PACKET.RX_RING, request, request.length) === 0) return
    if (this.#libc.errno() === ENOMEM) {
      throw new LiveError(
        'failed',
        `the kernel has no ${blocks * blockBytes} bytes for the ring of ${this.name}: make --buffer smaller`,
      )
    }
    throw this.#refused('a ring')
  }

  /** Where the interface is down, and the kernel lets nobody join a group there (before 6.13), another socket will when it is up. */
  #join(group: FanoutGroup): void {
    try {
      group.join(this.#socket, this.#index)
    } catch (error) {
      if (this.#query.flags()?.isUp !== false) throw error
      this.#index = -1
      return
    }
    this.#attach(NO_PORTS)
  }

  #attach(learned: LearnedPorts): void {
    this.#attachProgram(this.#filter.program(this.#isEthernet, learned))
  }

  #attachProgram(filter: Uint8Array): void {
    const program = { len: filter.length / INSTRUCTION_BYTES, filter }
    const failed =
      this.#libc.attachFilter(this.#socket, SOL_SOCKET, SO_ATTACH_FILTER, program, FILTER_PROGRAM_BYTES) !== 0
    if (failed) throw this.#refused('its filter')
  }

  #set(option: number, value: number, what: string): void {
    if (this.#trySet(option, value) !== 0) throw this.#refused(what)
  }

  #trySet(option: number, value: number): number {
    const view = new Uint8Array(Int32Array.of(value).buffer)
    return this.#libc.setsockopt(this.#socket, SOL_PACKET, option, view, view.length)
  }

  #refused(what: string): LiveError {
    return new LiveError('failed', `the kernel refused ${what} for ${this.name} (errno ${this.#libc.errno()})`)
  }
}
