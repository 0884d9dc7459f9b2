/**
 * One inner flow whose application is being recognised or read: what stands between the packets of the flow and the reader
 * of its protocol.
 */
import type { BufferPool } from '../base/buffer-pool.ts'
import type { EventName } from '../events/catalogue.ts'
import {
  type DatagramProtocol,
  type DatagramReader,
  DONE,
  type InnerFlow,
  type OwnFields,
  type Side,
  SKIP_REST,
  type StreamProtocol,
  type StreamReader,
} from './inner-protocol.ts'
import { type StreamSink, TcpStream } from './tcp-stream.ts'

/** What conversations need of whoever keeps them. */
export interface ConversationHost {
  readonly streamProtocols: readonly StreamProtocol[]
  tell<N extends EventName>(conversation: Conversation, name: N, message: string, fields: OwnFields<N>): void
  report(conversation: Conversation, name: string, layer: string, detail: string): void
  /** Whether who opened the flow is at the end that opened what carries it. */
  isByInitiator(conversation: Conversation): boolean
}

/** Octets after which a protocol that still asks for more is not recognised any more. */
const UNDECIDED_MAX = 8192
/** Protocols one after the other in one stream: a proxy, StartTLS, what is inside. */
const HAND_OVERS_MAX = 4

export class Conversation implements InnerFlow, StreamSink {
  timeUs = 0
  /** The row of its flow. */
  flow = -1
  client: Side = 0
  /** What the flow turned out to carry: the name for `network.protocol`; '' while it is not known. */
  protocolName = ''
  readonly stream: TcpStream
  readonly #host: ConversationHost
  readonly #ports: [number, number] = [0, 0]
  #reader: StreamReader | null = null
  #datagrams: DatagramReader | null = null
  #next: StreamProtocol | null | undefined = undefined
  #handOvers = 0
  /** Sides whose first octets are no protocol's. */
  #unknownSides = 0

  constructor(host: ConversationHost, buffers: BufferPool) {
    this.#host = host
    this.stream = new TcpStream(buffers)
  }

  begin(flow: number, openerPort: number, otherPort: number): void {
    this.flow = flow
    this.client = 0
    this.protocolName = ''
    this.#ports[0] = openerPort
    this.#ports[1] = otherPort
    this.#reader = null
    this.#datagrams = null
    this.#next = undefined
    this.#handOvers = 0
    this.#unknownSides = 0
  }

  /** Datagrams are recognised before there is a conversation. */
  openDatagrams(protocol: DatagramProtocol): void {
    this.protocolName = protocol.name
    this.#datagrams = protocol.open(this)
  }

  readDatagram(side: Side, bytes: Uint8Array, start: number, end: number, wireEnd: number): boolean {
    return this.#datagrams?.read(side, bytes, start, end, wireEnd) ?? false
  }

  /** Nothing more will come. */
  end(): void {
    this.stream.close()
    this.#reader?.end()
    this.#datagrams?.end()
    this.#reader = null
    this.#datagrams = null
  }

  // --- InnerFlow

  get clientPort(): number {
    return this.#ports[this.client]
  }

  get serverPort(): number {
    return this.#ports[this.client === 0 ? 1 : 0]
  }

  get clientIsInitiator(): boolean {
    return this.#host.isByInitiator(this) === (this.client === 0)
  }

  tell<N extends EventName>(name: N, message: string, fields: OwnFields<N>): void {
    this.#host.tell(this, name, message, fields)
  }

  report(name: string, layer: string, detail: string): void {
    this.#host.report(this, name, layer, detail)
  }

  handOver(to: StreamProtocol | null): void {
    this.#next = to
  }

  disown(): void {
    this.protocolName = ''
  }

  // --- StreamSink

  read(side: Side, bytes: Uint8Array, start: number, end: number): number {
    let at = start
    for (;;) {
      const reader = this.#reader ?? this.#recognise(side, bytes, at, end)
      if (typeof reader === 'number') return reader < 0 || reader === SKIP_REST ? reader : at - start
      const done = reader.read(side, bytes, at, end)
      if (this.#next === undefined) return done < 0 || done === SKIP_REST ? done : at - start + done
      at = Math.min(at + Math.max(0, done), end)
      if (!this.#change(side)) return DONE
      if (at === end) return at - start
    }
  }

  gap(side: Side, length: number): boolean {
    return this.#reader?.gap(side, length) ?? false
  }

  conflict(side: Side): void {
    const who = side === this.client ? 'client' : 'server'
    this.report('tcp.overlap_conflict', 'tcp', `octets of the ${who} came again with other content`)
  }

  /** The reader of the protocol, or what to answer while there is none. */
  #recognise(side: Side, bytes: Uint8Array, start: number, end: number): StreamReader | number {
    let isOpen = false
    for (const protocol of this.#host.streamProtocols) {
      const verdict = protocol.recognise(bytes, start, end, side, this)
      if (verdict === 'yes') return this.#open(protocol, side)
      if (verdict === 'more') isOpen = true
    }
    if (isOpen && end - start < UNDECIDED_MAX) return 0
    this.#unknownSides |= 1 << side
    return this.#unknownSides === 3 ? DONE : SKIP_REST
  }

  #open(protocol: StreamProtocol, side: Side): StreamReader {
    this.protocolName = protocol.name
    this.#reader = protocol.open(this, side)
    return this.#reader
  }

  /** From one protocol to the next; false if that happens too often to be honest. */
  #change(side: Side): boolean {
    const next = this.#next
    this.#next = undefined
    this.#reader?.end()
    this.#reader = null
    this.#unknownSides = 0
    if (this.#handOvers++ === HAND_OVERS_MAX) return false
    if (next !== null && next !== undefined) this.#open(next, side)
    return true
  }
}
