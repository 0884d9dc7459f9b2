/**
 * Which application protocols are read inside flows, and the conversations in which they are.
 *
 * A flow is looked at from its beginning, until what it carries is known and said, or is of no interest: from then on its
 * packets cost one test of a bit. Conversations are bounded in number and in the octets that they hold back; when a bound is
 * reached, the one that was silent for longest is not followed further.
 */
import { hash } from 'node:crypto'
import { BufferPool } from '../base/buffer-pool.ts'
import { Pool } from '../base/pool.ts'
import { u16 } from '../base/bytes.ts'
import type { Frame } from '../dissect/frame.ts'
import type { Emit, EventName, RaisedEvent } from '../events/catalogue.ts'
import type { FieldValue } from '../events/fields.ts'
import type { INNER_FLOW, INNER_FLOW_MAY } from '../events/flow.ts'
import { IP_PROTOCOL } from '../wire/ip.ts'
import { TCP_ACK, TCP_SYN, TcpView } from '../wire/tcp.ts'
import { UdpView } from '../wire/udp.ts'
import { Allowances } from './allowances.ts'
import { doubled } from './doubled.ts'
import { FullTable } from './full-table.ts'
import { Conversation, type ConversationHost } from './inner-conversation.ts'
import { DCERPC_STREAM } from './inner-dcerpc.ts'
import { DNS_DATAGRAMS, DNS_STREAM } from './inner-dns.ts'
import { HTTP } from './inner-http.ts'
import { ECHO } from './inner-icmp.ts'
import { KERBEROS_DATAGRAMS, KERBEROS_STREAM } from './inner-kerberos.ts'
import { CLDAP_DATAGRAMS, LDAP_STREAM } from './inner-ldap.ts'
import type { DatagramProtocol, OwnFields, Side, StreamProtocol } from './inner-protocol.ts'
import { QUIC } from './inner-quic.ts'
import { RDP } from './inner-rdp.ts'
import { SMB_STREAM } from './inner-smb.ts'
import { SSH } from './inner-ssh.ts'
import { TLS } from './inner-tls.ts'

/** In the order in which they are asked. What goes by its port comes after what goes by content. */
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
]
const DATAGRAM_PROTOCOLS: readonly DatagramProtocol[] = [DNS_DATAGRAMS, KERBEROS_DATAGRAMS, CLDAP_DATAGRAMS, QUIC]

export interface ProtocolLimits {
  readonly conversationsMax: number
  /** Octets of streams held back in all, and of one direction of one stream. */
  readonly streamBytesMax: number
  readonly streamWindowBytes: number
  /** Events of one name about the flows of one carrier in a minute, and of one flow in all. */
  readonly carrierEventsPerMinute: number
  readonly flowEventsMax: number
}

type FlowFieldName = Exclude<(typeof INNER_FLOW)[number], 'network.protocol'> | (typeof INNER_FLOW_MAY)[number]

/** The fields by which events name a flow and what it runs in. */
export type FlowFields = { readonly [F in FlowFieldName]?: FieldValue<F> | undefined }

/** What is asked of the tracker of flows. */
export interface FlowBook {
  /** With the end that acts as the client as the source. */
  fieldsOf(flow: number, client: Side): FlowFields
}

const NONE = -1
/** What a flow's table is given to remember: whether its packets are still wanted, and which protocol it carries. */
export const WATCHED = 1
export const PROTOCOL_SHIFT = 1
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
  readonly #emit: Emit
  readonly #limits: ProtocolLimits
  readonly #book: FlowBook
  readonly #buffers: BufferPool
  readonly #pool: Pool<Conversation>
  readonly #full: FullTable
  readonly #allowances: Allowances
  readonly #findings: Allowances
  /** Events that were one too many for their flow. */
  #beyondFlow = 0
  /** The conversation of each flow. */
  #conversations = new Int32Array(1024).fill(NONE)
  /** Conversations in the order in which they were last touched: a ring through index 0 of both, shifted by one. */
  readonly #newer: Int32Array
  readonly #older: Int32Array
  readonly #tcp = new TcpView()
  readonly #udp = new UdpView()

  constructor(book: FlowBook, emit: Emit, limits: ProtocolLimits) {
    this.#book = book
    this.#emit = emit
    this.#limits = limits
    this.#full = new FullTable(emit)
    this.#buffers = new BufferPool(limits.streamBytesMax, limits.streamWindowBytes)
    this.#pool = new Pool(limits.conversationsMax, () => new Conversation(this, this.#buffers))
    this.#newer = new Int32Array(limits.conversationsMax + 1)
    this.#older = new Int32Array(limits.conversationsMax + 1)
    // As many carriers talk at one time as there are conversations, at most.
    this.#allowances = new Allowances(limits.carrierEventsPerMinute, limits.conversationsMax)
    this.#findings = new Allowances(FINDINGS_PER_MINUTE, limits.conversationsMax)
  }

  get size(): number {
    return this.#pool.size
  }

  /** Events that were counted instead of told. */
  get suppressed(): number {
    return this.#allowances.suppressed + this.#findings.suppressed + this.#beyondFlow
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
    switch (frame.inner.protocol) {
      case IP_PROTOCOL.TCP:
        return this.#segment(flow, frame, side)
      case IP_PROTOCOL.UDP:
        return this.#datagram(flow, frame, side, packets)
      default:
        return this.#echo(flow, frame, side)
    }
  }

  /** The flow ends, and nothing is kept of it. `timeUs` is when. */
  closed(flow: number, timeUs: number): number {
    const index = this.#find(flow)
    if (index === NONE) return 0
    const conversation = this.#pool.at(index)
    conversation.timeUs = timeUs
    conversation.end()
    return this.#leave(index)
  }

  // --- packets

  #segment(flow: number, frame: Frame, side: Side): number {
    const { inner } = frame
    const tcp = this.#tcp
    if (tcp.decode(inner.bytes, inner.payloadStart, inner.payloadEnd) !== null) return WATCHED
    let index = this.#find(flow)
    if (index === NONE) {
      const isAnswer = (tcp.flags & (TCP_SYN | TCP_ACK)) === (TCP_SYN | TCP_ACK)
      // A SYN that nobody answers, as scanners send them, costs nothing.
      if (!isAnswer && tcp.payloadEnd === tcp.payloadStart) return WATCHED
      index = this.#open(flow, frame, side, tcp.sourcePort, tcp.destinationPort)
      const conversation = this.#pool.at(index)
      conversation.stream.open(conversation)
    } else this.#touch(index)
    this.#makeRoom(index, frame)
    const conversation = this.#pool.at(index)
    conversation.timeUs = frame.timeUs
    if (conversation.stream.observe(side, tcp, inner.wireEnd)) return WATCHED | numberOf(conversation)
    conversation.end()
    return this.#leave(index)
  }

  #datagram(flow: number, frame: Frame, side: Side, packets: number): number {
    const { inner } = frame
    const udp = this.#udp
    if (udp.decode(inner.bytes, inner.payloadStart, inner.payloadEnd, inner.wireEnd) !== null) return WATCHED
    const { bytes, payloadStart, payloadEnd, wireEnd, sourcePort, destinationPort } = udp
    let index = this.#find(flow)
    if (index === NONE) {
      const ports =
        side === 0
          ? { clientPort: sourcePort, serverPort: destinationPort }
          : { clientPort: destinationPort, serverPort: sourcePort }
      const protocol = DATAGRAM_PROTOCOLS.find((candidate) =>
        candidate.recognise(bytes, payloadStart, payloadEnd, side, ports),
      )
      if (protocol === undefined) return packets < DATAGRAMS_UNKNOWN_MAX ? WATCHED : 0
      index = this.#open(flow, frame, side, sourcePort, destinationPort)
      this.#pool.at(index).openDatagrams(protocol)
    } else this.#touch(index)
    this.#pool.at(index).timeUs = frame.timeUs
    return this.#read(index, side, bytes, payloadStart, payloadEnd, wireEnd)
  }

  /** Echo requests and replies; other ICMP carries nothing of its own. */
  #echo(flow: number, frame: Frame, side: Side): number {
    const { bytes, payloadStart, payloadEnd, wireEnd, protocol } = frame.inner
    if (payloadEnd - payloadStart < 8) return 0
    const type = bytes[payloadStart]
    const isEcho = protocol === IP_PROTOCOL.ICMP ? type === 8 || type === 0 : type === 128 || type === 129
    if (!isEcho) return 0
    let index = this.#find(flow)
    if (index === NONE) {
      const identifier = u16(bytes, payloadStart + 4)
      index = this.#open(flow, frame, side, identifier, identifier)
      this.#pool.at(index).openDatagrams(ECHO)
    } else this.#touch(index)
    this.#pool.at(index).timeUs = frame.timeUs
    return this.#read(index, side, bytes, payloadStart, payloadEnd, wireEnd)
  }

  #read(index: number, side: Side, bytes: Uint8Array, start: number, end: number, wireEnd: number): number {
    const conversation = this.#pool.at(index)
    if (conversation.readDatagram(side, bytes, start, end, wireEnd)) return WATCHED | numberOf(conversation)
    conversation.end()
    return this.#leave(index)
  }

  // --- conversations

  #find(flow: number): number {
    return flow < this.#conversations.length ? this.#conversations[flow] : NONE
  }

  #open(flow: number, frame: Frame, side: Side, sourcePort: number, destinationPort: number): number {
    while (flow >= this.#conversations.length) {
      const length = this.#conversations.length
      this.#conversations = doubled(this.#conversations)
      this.#conversations.fill(NONE, length)
    }
    let index = this.#pool.take()
    if (index === NONE) {
      this.#full.tell('conversations', this.#limits.conversationsMax, frame.timeUs, 'application conversations')
      this.#evict(this.#oldest, frame.timeUs)
      index = this.#pool.take()
    }
    this.#conversations[flow] = index
    const [openerPort, otherPort] = side === 0 ? [sourcePort, destinationPort] : [destinationPort, sourcePort]
    const conversation = this.#pool.at(index)
    conversation.begin(flow, openerPort, otherPort)
    this.#link(index)
    return index
  }

  /** Lets go of a conversation; gives what its flow is to remember. */
  #leave(index: number): number {
    const conversation = this.#pool.at(index)
    this.#conversations[conversation.flow] = NONE
    this.#unlink(index)
    this.#pool.free(index)
    return numberOf(conversation)
  }

  /** The flow of what is evicted goes on to be watched, and its next packet finds nothing to go on with. */
  #evict(index: number, timeUs: number): void {
    const conversation = this.#pool.at(index)
    conversation.timeUs = timeUs
    conversation.end()
    this.#leave(index)
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

  tell<N extends EventName>(conversation: Conversation, name: N, message: string, own: OwnFields<N>): boolean {
    const { timeUs, flow, client } = conversation
    if (conversation.told >= this.#limits.flowEventsMax) {
      this.#beyondFlow++
      return false
    }
    const fields = this.#book.fieldsOf(flow, client)
    const suppressed = this.#allowances.take(
      `${name} ${fields['flow.carrier']}`,
      timeUs,
      String(conversation.told) + flow,
    )
    if (suppressed === -1) return false
    const sequence = conversation.told++
    this.#emit({
      name,
      timeUs,
      message,
      // Two requests in one packet may be the same in everything else.
      id: hash('sha1', `${name} ${fields['flow.uid']} ${sequence}`).slice(0, 20),
      fields: {
        ...fields,
        'network.protocol': conversation.protocolName,
        'borescope.suppressed': suppressed === 0 ? undefined : suppressed,
        ...own,
      },
    } as unknown as RaisedEvent)
    return true
  }

  report(conversation: Conversation, name: string, layer: string, detail: string): void {
    const { timeUs, flow, client } = conversation
    const fields = this.#book.fieldsOf(flow, client)
    const suppressed = this.#findings.take(`${name} ${fields['flow.carrier']}`, timeUs, `${detail} ${flow}`)
    if (suppressed === -1) return
    this.#emit({
      name: 'protocol.anomaly',
      timeUs,
      message: `A flow from ${fields['source.ip']} to ${fields['destination.ip']} broke the rules of ${layer}: ${name}${detail === '' ? '' : ` (${detail})`}`,
      id: hash('sha1', `${name} ${fields['flow.uid']} ${timeUs} ${detail}`).slice(0, 20),
      fields: {
        ...fields,
        'network.protocol': conversation.protocolName === '' ? undefined : conversation.protocolName,
        'anomaly.name': name,
        'anomaly.layer': layer,
        'anomaly.detail': detail === '' ? undefined : detail,
        'anomaly.suppressed': suppressed === 0 ? undefined : suppressed,
      },
    })
  }
}

/** Findings of one name about the flows of one carrier in a minute. */
const FINDINGS_PER_MINUTE = 10

function numberOf({ protocolName }: Conversation): number {
  return NAMES.indexOf(protocolName) << PROTOCOL_SHIFT
}
