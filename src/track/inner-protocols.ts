/**
 * Which application protocols are read inside flows, and the conversations in which they are.
 *
 * A flow is looked at from its beginning, until what it carries is known and said, or is of no interest: from then on its
 * packets cost one test of a bit. Conversations are bounded in number and in the octets that they hold back; when a bound is
 * reached, the one that was silent for longest is not followed further.
 */
import { BufferPool } from '../base/buffer-pool.ts'
import { Pool } from '../base/pool.ts'
import { u16 } from '../base/bytes.ts'
import type { Frame } from '../dissect/frame.ts'
import type { EventName, RaisedEvent } from '../events/catalogue.ts'
import { IP_PROTOCOL } from '../wire/ip.ts'
import { TCP_ACK, TCP_RST, TCP_SYN, TcpView } from '../wire/tcp.ts'
import { UdpView } from '../wire/udp.ts'
import { doubled } from '../base/growing.ts'
import type { Found, Said } from './flow-record.ts'
import { FullTable } from './full-table.ts'
import { Conversation, type ConversationHost } from './inner-conversation.ts'
import { DCERPC_STREAM } from './inner-dcerpc.ts'
import { DNS_DATAGRAMS, DNS_STREAM } from './inner-dns.ts'
import { HTTP } from './inner-http.ts'
import { ALTERED_ECHO, ECHO, echoDigest } from './inner-icmp.ts'
import { KERBEROS_DATAGRAMS, KERBEROS_STREAM } from './inner-kerberos.ts'
import { CLDAP_DATAGRAMS, LDAP_STREAM } from './inner-ldap.ts'
import type { DatagramProtocol, OwnFields, Ports, Side, StreamProtocol } from './inner-protocol.ts'
import { QUIC } from './inner-quic.ts'
import { RDP } from './inner-rdp.ts'
import { SMB_STREAM } from './inner-smb.ts'
import { SOCKS } from './inner-socks.ts'
import { SSH } from './inner-ssh.ts'
import { TLS } from './inner-tls.ts'

/** In the order in which they are asked. What goes by its port comes after what goes by content; SOCKS has the least of that. */
const STREAM_PROTOCOLS: readonly StreamProtocol[] = [
  TLS,
  HTTP,
  SSH,
  RDP,
  SMB_STREAM,
  DCERPC_STREAM,
  KERBEROS_STREAM,
  LDAP_STREAM,
  DNS_STREAM,
  SOCKS,
]
const DATAGRAM_PROTOCOLS: readonly DatagramProtocol[] = [DNS_DATAGRAMS, KERBEROS_DATAGRAMS, CLDAP_DATAGRAMS, QUIC]

export interface ProtocolLimits {
  readonly conversationsMax: number
  /** Octets of streams held back in all, and of one direction of one stream. */
  readonly streamBytesMax: number
  readonly streamWindowBytes: number
}

/** What is asked of the tracker of flows: to tell of them. */
export interface FlowBook {
  said(flow: number, what: Said): void
  found(flow: number, what: Found): void
  raise(event: RaisedEvent): void
  /** Whether who opened the flow is at the end that opened what carries it. */
  isByInitiator(flow: number): boolean
}

const NONE = -1

/** Words of a flow in the notes, and places in them. */
const NOTE = 4
/** The index of the conversation and one, or 0. */
const CONVERSATION = 0
/** Sequence numbers of the first octets of both sides, the opener's first; of the last echo request its number and digest. */
const STARTS = 1
const FLAGS = 3

// Flags of a flow without a conversation.
/** The sequence numbers are known; of an echo, its last request. */
const HAS_STARTS = 1
/** What the opener says is no protocol's; the next bit says it of the other side. */
const UNKNOWN = 2
const UNKNOWN_BOTH = UNKNOWN | (UNKNOWN << 1)

/** What a flow's table is given to remember: whether its packets are still wanted, and which protocol it carries. */
export const WATCHED = 1
export const PROTOCOL_SHIFT = 1
/** Another answer of the look at a segment: its flow gets a conversation. */
const READ = -1
/** Echoes that are what they seem, after which their flow is left alone. */
const HONEST_ECHOES_MAX = 16
/** Packets of a connection after which one side that is not known, and the other's silence, are enough. */
const SILENT_MAX = 32
/** Datagrams of a flow that are looked at before it is given up. */
const DATAGRAMS_UNKNOWN_MAX = 4

/** Every name that a flow can be given, by its number; 0 is none. */
const NAMES: readonly string[] = [
  '',
  ...new Set([...STREAM_PROTOCOLS, ...DATAGRAM_PROTOCOLS, ECHO].map(({ name }) => name)),
]

/** `network.protocol` of what a flow was told to remember. */
export function protocolNameOf(memory: number): string | undefined {
  return NAMES[memory >> PROTOCOL_SHIFT] || undefined
}

export class InnerProtocols implements ConversationHost {
  readonly streamProtocols = STREAM_PROTOCOLS
  readonly #limits: ProtocolLimits
  readonly #book: FlowBook
  readonly #buffers: BufferPool
  readonly #pool: Pool<Conversation>
  readonly #full: FullTable
  /** Of each flow `NOTE` words: its conversation, where its two sides begin, and what is known of them. */
  #notes = new Int32Array(1024 * NOTE)
  /** The ports of the current packet. */
  readonly #ports = { clientPort: 0, serverPort: 0 }
  /** Conversations in the order in which they were last touched: a ring through index 0 of both, shifted by one. */
  readonly #newer: Int32Array
  readonly #older: Int32Array
  readonly #tcp = new TcpView()
  readonly #udp = new UdpView()

  constructor(book: FlowBook, limits: ProtocolLimits) {
    this.#book = book
    this.#limits = limits
    this.#full = new FullTable((event) => book.raise(event))
    this.#buffers = new BufferPool(limits.streamBytesMax, limits.streamWindowBytes)
    this.#pool = new Pool(limits.conversationsMax, () => new Conversation(this, this.#buffers))
    this.#newer = new Int32Array(limits.conversationsMax + 1)
    this.#older = new Int32Array(limits.conversationsMax + 1)
  }

  get size(): number {
    return this.#pool.size
  }

  /** Whether flows of an IP protocol are looked at. */
  isWatched(protocol: number): boolean {
    return (
      protocol === IP_PROTOCOL.TCP ||
      protocol === IP_PROTOCOL.UDP ||
      protocol === IP_PROTOCOL.ICMP ||
      protocol === IP_PROTOCOL.ICMPV6
    )
  }

  /**
   * The packet in `frame.inner`, not a fragment, of a watched flow. `packets` counts those of the flow so far, this one
   * included. The answer is for the flow to remember.
   */
  observe(flow: number, frame: Frame, side: Side, packets: number): number {
    while (flow * NOTE >= this.#notes.length) this.#notes = doubled(this.#notes)
    switch (frame.inner.protocol) {
      case IP_PROTOCOL.TCP:
        return this.#segment(flow, frame, side, packets)
      case IP_PROTOCOL.UDP:
        return this.#datagram(flow, frame, side, packets)
      default:
        return this.#echo(flow, frame, side, packets)
    }
  }

  /** Where what `observe` will need of the flow stands in `notes`, as they are now. */
  placeOf(flow: number): number {
    return flow * NOTE < this.#notes.length ? flow * NOTE : 0
  }

  get notes(): Int32Array {
    return this.#notes
  }

  /** The flow ends, and nothing is kept of it. `timeUs` is when. Gives what it was at last, or -1 if that was given with its last packet. */
  closed(flow: number, timeUs: number): number {
    if (flow * NOTE >= this.#notes.length) return NONE
    const index = this.#notes[flow * NOTE + CONVERSATION] - 1
    if (index === NONE) {
      this.#notes[flow * NOTE + FLAGS] = 0
      return NONE
    }
    const conversation = this.#pool.at(index)
    conversation.timeUs = timeUs
    conversation.end()
    return this.#leave(index)
  }

  // --- packets

  #segment(flow: number, frame: Frame, side: Side, packets: number): number {
    const { inner } = frame
    const tcp = this.#tcp
    if (tcp.decode(inner.bytes, inner.payloadStart, inner.payloadEnd) !== null) return WATCHED
    let index = this.#notes[flow * NOTE + CONVERSATION] - 1
    if (index === NONE) {
      const verdict = this.#glance(flow * NOTE, side, packets)
      if (verdict !== READ) return verdict
      index = this.#openStream(flow, frame, side)
    } else this.#touch(index)
    this.#makeRoom(index, frame)
    const conversation = this.#pool.at(index)
    conversation.timeUs = frame.timeUs
    if (conversation.stream.observe(side, tcp, inner.wireEnd)) return WATCHED | numberOf(conversation)
    conversation.end()
    return this.#leave(index)
  }

  /**
   * A segment of a flow without a conversation: most say with their first octets that they are of no interest, and cost no
   * more than this look. `READ`, or what the flow is to remember.
   */
  #glance(note: number, side: Side, packets: number): number {
    const notes = this.#notes
    const { bytes, flags, sequence, payloadStart, payloadEnd } = this.#tcp
    if ((flags & (TCP_SYN | TCP_ACK)) === (TCP_SYN | TCP_ACK)) {
      notes[note + STARTS + side] = (sequence + 1) | 0
      notes[note + STARTS + 1 - side] = this.#tcp.acknowledgement
      notes[note + FLAGS] |= HAS_STARTS
    }
    const known = notes[note + FLAGS]
    const unknown = known & UNKNOWN_BOTH
    if (unknown === UNKNOWN_BOTH || (unknown !== 0 && packets > SILENT_MAX)) {
      notes[note + FLAGS] = 0
      return 0
    }
    if (payloadEnd === payloadStart || (flags & TCP_RST) !== 0 || (known & (UNKNOWN << side)) !== 0) return WATCHED
    const ahead = (known & HAS_STARTS) === 0 ? 0 : (sequence - notes[note + STARTS + side]) | 0
    if (ahead < 0) return WATCHED
    // What is not the beginning waits for it in a conversation.
    if (ahead > 0 && (flags & TCP_SYN) === 0) return READ
    const ports = this.#portsOf(side, this.#tcp.sourcePort, this.#tcp.destinationPort)
    for (const protocol of STREAM_PROTOCOLS)
      if (protocol.recognise(bytes, payloadStart, payloadEnd, side, ports) !== 'no') return READ
    notes[note + FLAGS] |= UNKNOWN << side
    return WATCHED
  }

  #openStream(flow: number, frame: Frame, side: Side): number {
    const index = this.#open(flow, frame, side, this.#tcp.sourcePort, this.#tcp.destinationPort)
    const { stream } = this.#pool.at(index)
    stream.open(this.#pool.at(index))
    const note = flow * NOTE
    if ((this.#notes[note + FLAGS] & HAS_STARTS) === 0) return index
    stream.expect(0, this.#notes[note + STARTS])
    stream.expect(1, this.#notes[note + STARTS + 1])
    return index
  }

  #datagram(flow: number, frame: Frame, side: Side, packets: number): number {
    const { inner } = frame
    const udp = this.#udp
    if (udp.decode(inner.bytes, inner.payloadStart, inner.payloadEnd, inner.wireEnd) !== null) return WATCHED
    const { bytes, payloadStart, payloadEnd, wireEnd, sourcePort, destinationPort } = udp
    let index = this.#notes[flow * NOTE + CONVERSATION] - 1
    if (index === NONE) {
      const protocol = this.#datagramProtocol(side)
      if (protocol === null) return packets < DATAGRAMS_UNKNOWN_MAX ? WATCHED : 0
      index = this.#open(flow, frame, side, sourcePort, destinationPort)
      this.#pool.at(index).openDatagrams(protocol)
    } else this.#touch(index)
    this.#pool.at(index).timeUs = frame.timeUs
    return this.#read(index, side, bytes, payloadStart, payloadEnd, wireEnd)
  }

  #datagramProtocol(side: Side): DatagramProtocol | null {
    const { bytes, payloadStart, payloadEnd, sourcePort, destinationPort } = this.#udp
    const ports = this.#portsOf(side, sourcePort, destinationPort)
    for (const protocol of DATAGRAM_PROTOCOLS)
      if (protocol.recognise(bytes, payloadStart, payloadEnd, side, ports)) return protocol
    return null
  }

  #portsOf(side: Side, sourcePort: number, destinationPort: number): Ports {
    this.#ports.clientPort = side === 0 ? sourcePort : destinationPort
    this.#ports.serverPort = side === 0 ? destinationPort : sourcePort
    return this.#ports
  }

  /** Echo requests and replies; other ICMP carries nothing of its own. */
  #echo(flow: number, frame: Frame, side: Side, packets: number): number {
    const { bytes, payloadStart, payloadEnd, wireEnd, protocol } = frame.inner
    if (payloadEnd - payloadStart < 8) return 0
    const type = bytes[payloadStart]
    const isEcho = protocol === IP_PROTOCOL.ICMP ? type === 8 || type === 0 : type === 128 || type === 129
    if (!isEcho) return 0
    let index = this.#notes[flow * NOTE + CONVERSATION] - 1
    if (index === NONE) {
      const verdict = this.#echoProtocol(flow * NOTE, frame)
      if (verdict === null) return packets < HONEST_ECHOES_MAX ? WATCHED : 0
      const identifier = u16(bytes, payloadStart + 4)
      index = this.#open(flow, frame, side, identifier, identifier)
      this.#pool.at(index).openDatagrams(verdict)
    } else this.#touch(index)
    this.#pool.at(index).timeUs = frame.timeUs
    return this.#read(index, side, bytes, payloadStart, payloadEnd, wireEnd)
  }

  /** Of an echo that is no honest ping; null for one that is. The notes keep the last request. */
  #echoProtocol(note: number, { inner }: Frame): DatagramProtocol | null {
    const { bytes, payloadStart, payloadEnd, wireEnd } = inner
    const isRequest = bytes[payloadStart] === 8 || bytes[payloadStart] === 128
    const sequence = u16(bytes, payloadStart + 6)
    const digest = echoDigest(bytes, payloadStart, payloadEnd, wireEnd)
    const notes = this.#notes
    if (isRequest) {
      notes[note + STARTS] = sequence
      notes[note + STARTS + 1] = digest
      notes[note + FLAGS] |= HAS_STARTS
    } else if ((notes[note + FLAGS] & HAS_STARTS) !== 0 && notes[note + STARTS] === sequence) {
      const isAltered = digest !== 0 && notes[note + STARTS + 1] !== 0 && digest !== notes[note + STARTS + 1]
      return isAltered ? ALTERED_ECHO : null
    }
    return ECHO.recognise(bytes, payloadStart, payloadEnd, 0, this.#ports) ? ECHO : null
  }

  #read(index: number, side: Side, bytes: Uint8Array, start: number, end: number, wireEnd: number): number {
    const conversation = this.#pool.at(index)
    if (conversation.readDatagram(side, bytes, start, end, wireEnd)) return WATCHED | numberOf(conversation)
    conversation.end()
    return this.#leave(index)
  }

  // --- conversations

  #open(flow: number, frame: Frame, side: Side, sourcePort: number, destinationPort: number): number {
    let index = this.#pool.take()
    if (index === NONE) {
      this.#full.tell('conversations', this.#limits.conversationsMax, frame.timeUs, 'application conversations')
      this.#evict(this.#oldest, frame.timeUs)
      index = this.#pool.take()
    }
    this.#notes[flow * NOTE + CONVERSATION] = index + 1
    const conversation = this.#pool.at(index)
    if (side === 0) conversation.begin(flow, sourcePort, destinationPort)
    else conversation.begin(flow, destinationPort, sourcePort)
    this.#link(index)
    return index
  }

  /** Lets go of a conversation; gives what its flow is to remember. */
  #leave(index: number): number {
    const conversation = this.#pool.at(index)
    const note = conversation.flow * NOTE
    this.#notes[note + CONVERSATION] = 0
    this.#notes[note + FLAGS] = 0
    this.#unlink(index)
    this.#pool.free(index)
    return numberOf(conversation)
  }

  /** What is evicted is not taken up again in its middle. */
  #evict(index: number, timeUs: number): void {
    const conversation = this.#pool.at(index)
    const { flow } = conversation
    conversation.timeUs = timeUs
    conversation.end()
    this.#leave(index)
    this.#notes[flow * NOTE + FLAGS] = UNKNOWN_BOTH
  }

  /** Buffers for the segment to come: whoever was silent for longest gives theirs back. */
  #makeRoom(index: number, frame: Frame): void {
    const { capacity, sizeMax } = this.#buffers
    while (this.#buffers.used > capacity - 2 * sizeMax && this.#oldest !== index) {
      this.#full.tell('streams', capacity, frame.timeUs, 'octets of streams')
      this.#evict(this.#oldest, frame.timeUs)
    }
  }

  get #oldest(): number {
    return this.#newer[0] - 1
  }

  #touch(index: number): void {
    if (this.#older[0] === index + 1) return
    this.#unlink(index)
    this.#link(index)
  }

  #link(index: number): void {
    const newest = this.#older[0]
    this.#newer[newest] = index + 1
    this.#older[index + 1] = newest
    this.#newer[index + 1] = 0
    this.#older[0] = index + 1
  }

  #unlink(index: number): void {
    const newer = this.#newer[index + 1]
    const older = this.#older[index + 1]
    this.#newer[older] = newer
    this.#older[newer] = older
  }

  // --- events

  tell<N extends EventName>(conversation: Conversation, name: N, message: string, own: OwnFields<N>): void {
    const { timeUs, flow, client, protocolName } = conversation
    this.#book.said(flow, { name, timeUs, client, protocolName, message, own } as unknown as Said)
  }

  isByInitiator({ flow }: Conversation): boolean {
    return this.#book.isByInitiator(flow)
  }

  report(conversation: Conversation, name: string, layer: string, detail: string): void {
    const { timeUs, flow, client, protocolName } = conversation
    this.#book.found(flow, { name, timeUs, client, protocolName, layer, detail })
  }
}

function numberOf({ protocolName }: Conversation): number {
  return NAMES.indexOf(protocolName) << PROTOCOL_SHIFT
}
