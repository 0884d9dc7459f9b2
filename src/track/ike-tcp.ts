/**
 * TCP connections that carry IKE and ESP (RFC 9329): the frames of each direction, in order, to whoever follows what is in them.
 *
 * A direction is followed from the first segment that begins with the prefix or with frames; connections of other protocols on
 * the same port cost a look at each of their segments.
 */
import { hashWindow, mixPair } from '../base/hash.ts'
import { PairTable } from '../base/pair-table.ts'
import { Pool } from '../base/pool.ts'
import { SECOND_US } from '../base/time.ts'
import { Timers } from '../base/timers.ts'
import type { Frame } from '../dissect/frame.ts'
import { IkeStream, type IkeStreamSink } from '../dissect/ike-stream.ts'
import type { Emit } from '../events/catalogue.ts'
import { IKE_TCP_PREFIX_LENGTH, type IkeTcpContent, isIkeTcpPrefix, mayBeFrames } from '../wire/ike-tcp.ts'
import { TCP_FIN, TCP_RST, TCP_SYN } from '../wire/tcp.ts'
import type { Anomalies } from './anomalies.ts'
import { FullTable } from './full-table.ts'
import type { IkeTracker } from './ike-tracker.ts'

const IDLE_US = 600 * SECOND_US

export interface IkeStreamLimits {
  /** Directions of connections. */
  readonly ikeStreamsMax: number
}

/** Takes an ESP packet out of a stream; what it does to the views of the frame is undone afterwards. */
export type EspInStream = (frame: Frame, bytes: Uint8Array, start: number, end: number) => void

class Direction {
  readonly index: number
  a = 0
  b = 0
  lastUs = 0
  stream: IkeStream

  constructor(index: number, sink: IkeStreamSink) {
    this.index = index
    this.stream = new IkeStream(sink)
  }
}

export class IkeStreams implements IkeStreamSink {
  readonly #ike: IkeTracker
  readonly #anomalies: Anomalies
  readonly #byPorts: PairTable
  readonly #directions: Pool<Direction>
  readonly #timers = new Timers()
  readonly #full: FullTable
  readonly #expire = (index: number) => this.#expired(index)
  #esp: EspInStream | null = null
  /** Of the segment at hand. */
  #frame: Frame | null = null
  #nowUs = 0

  constructor(ike: IkeTracker, emit: Emit, anomalies: Anomalies, limits: IkeStreamLimits) {
    this.#ike = ike
    this.#anomalies = anomalies
    this.#full = new FullTable(emit)
    this.#byPorts = new PairTable(limits.ikeStreamsMax)
    this.#directions = new Pool(limits.ikeStreamsMax, (index) => new Direction(index, this))
  }

  /** Who takes the ESP; until then it is passed over. */
  attach(esp: EspInStream): void {
    this.#esp = esp
  }

  get size(): number {
    return this.#directions.size
  }

  /** A TCP segment; true if it is of a connection that carries IKE. */
  observe(frame: Frame): boolean {
    const { tcp, ip } = frame
    const a = hashWindow(ip.bytes, ip.sourceAt, ip.sourceAt + ip.addressLength * 2)
    const b = mixPair(a, (tcp.sourcePort << 16) | tcp.destinationPort)
    const found = this.#byPorts.find(a, b)
    const direction = found === -1 ? this.#admit(frame, a, b) : this.#directions.at(found)
    if (direction === null) return false
    direction.lastUs = Math.max(direction.lastUs, frame.timeUs)
    this.#frame = frame
    if ((tcp.flags & TCP_SYN) !== 0) direction.stream.begin(tcp.sequence)
    const finding = direction.stream.push(tcp.sequence, tcp.bytes, tcp.payloadStart, tcp.payloadEnd)
    if (finding !== null)
      this.#anomalies.report(frame, finding, 'ike', '', 'udp', {
        'network.protocol': 'ike',
        'network.transport': 'tcp',
      })
    if ((tcp.flags & (TCP_FIN | TCP_RST)) !== 0 || direction.stream.isForeign) this.#forget(direction)
    return true
  }

  /** Of the direction that is being read. */
  frame(content: IkeTcpContent, bytes: Uint8Array, start: number, end: number): void {
    const frame = this.#frame
    if (frame === null) return
    if (content === 'ike') {
      this.#ike.observeStream(frame, frame.tcp.sourcePort, frame.tcp.destinationPort, bytes, start, end)
    } else if (content === 'esp' && this.#esp !== null) {
      this.#esp(frame, bytes, start, end)
      restore(frame)
    }
  }

  *expire(nowUs: number): Generator<void> {
    this.#nowUs = nowUs
    yield* this.#timers.advance(nowUs, this.#expire)
  }

  #admit(frame: Frame, a: number, b: number): Direction | null {
    const { bytes, payloadStart, payloadEnd } = frame.tcp
    const isPrefix =
      payloadEnd - payloadStart >= IKE_TCP_PREFIX_LENGTH && isIkeTcpPrefix(bytes, payloadStart, payloadEnd)
    if (!isPrefix && !mayBeFrames(bytes, payloadStart, payloadEnd)) return null
    const index = this.#directions.take()
    if (index === -1) {
      this.#full.tell('ike_streams', this.#directions.capacity, frame.timeUs, 'TCP streams with IKE')
      return null
    }
    const direction = this.#directions.at(index)
    direction.a = a
    direction.b = b
    direction.lastUs = frame.timeUs
    direction.stream = new IkeStream(this)
    this.#byPorts.insert(a, b, index)
    this.#timers.schedule(index, frame.timeUs + IDLE_US)
    return direction
  }

  #expired(index: number): void {
    if (!this.#directions.isUsed(index)) return
    const direction = this.#directions.at(index)
    const dueUs = direction.lastUs + IDLE_US
    if (dueUs > this.#nowUs) this.#timers.schedule(index, dueUs)
    else this.#forget(direction)
  }

  #forget(direction: Direction): void {
    this.#timers.cancel(direction.index)
    this.#byPorts.remove(direction.a, direction.b)
    this.#directions.free(direction.index)
  }
}

/** The views read the segment again: what was inside one frame of it is none of the next one's business. */
function restore(frame: Frame): void {
  const { link, ip, tcp } = frame
  ip.decode(frame.bytes, link.payloadStart, link.payloadEnd)
  tcp.decode(ip.bytes, ip.payloadStart, ip.payloadEnd)
  frame.depth = 0
  frame.protection = null
  frame.flaw = null
  frame.flawLayer = ''
}
