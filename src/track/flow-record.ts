/**
 * An inner flow as those see it who tell of it: what its row in the table says, and its addresses. The row and the teller may
 * live in different threads.
 */
import type { EventName, RaisedEvent } from '../events/catalogue.ts'
import { NO_BYTES } from '../base/bytes.ts'
import type { OwnFields, Side } from './inner-protocol.ts'

// Bits of the state of a flow. "First" is the side that opened it, "second" the other.
export const SEEN_SYN = 1
export const SEEN_SYN_ACK = 2
export const FIN_FIRST = 4
export const FIN_SECOND = 8
export const RST_FIRST = 16
export const RST_SECOND = 32
/** The tunnel's initiator opened the flow. */
export const BY_INITIATOR = 64
/** The first side is the lower one of the key, in which addresses are ordered. */
export const FIRST_IS_LOW = 128
export const ANSWERED = 256
/** What the readers of application protocols want remembered: whether packets are still wanted, and the protocol. */
export const MEMORY_SHIFT = 9
export const MEMORY_BITS = 0x7f << MEMORY_SHIFT
/** Type and code of an ICMP flow's first packet, 8 bits each. */
export const ICMP_SHIFT = 16

// Of the kind of a flow: the IP protocol, and this.
export const IS_IPV6 = 256
export const PROTOCOL_BITS = 255

/** Why a flow is told to have ended, by number. */
export const FLOW_ENDS = ['session closed', 'idle', 'reset', 'finished'] as const
export const CARRIER_ENDED = 0
export const FELL_IDLE = 1
export const WAS_RESET = 2
export const WAS_FINISHED = 3

/** Overwritten by the next flow: keep values, never the record. */
export class FlowRecord {
  /** Names the flow among those that live and are told to one teller. */
  number = 0
  /** The key of what carries it. */
  carrier = 0
  kind = 0
  state = 0
  /** Of the lower side of the key and of the higher, 16 bits each. */
  ports = 0
  /** The addresses, 4 or 16 octets, in the order of the key. */
  low: Uint8Array = NO_BYTES
  high: Uint8Array = NO_BYTES
  firstUs = 0
  lastUs = 0
  /** Of the side that opened the flow, and of the other. */
  readonly packets: [number, number] = [0, 0]
  readonly bytes: [number, number] = [0, 0]
  /** Its place in the order in which flows were opened. */
  born = 0
}

/** What a reader of an application tells. */
export interface Said<N extends EventName = EventName> {
  readonly name: N
  readonly timeUs: number
  /** The side that acts as the client, the source of the event. */
  readonly client: Side
  /** '' while it is not known. */
  readonly protocolName: string
  readonly message: string
  readonly own: OwnFields<N>
}

/** A finding about the application in a flow. */
export interface Found {
  readonly name: string
  readonly timeUs: number
  readonly client: Side
  readonly protocolName: string
  readonly layer: string
  readonly detail: string
}

/** Who is told what became of flows. */
export interface FlowListener {
  /** It ended, at `timeUs`; `end` is a place in `FLOW_ENDS`. */
  flowClosed(flow: FlowRecord, end: number, timeUs: number): void
  said(flow: FlowRecord, what: Said): void
  found(flow: FlowRecord, what: Found): void
  /** What is no matter of a single flow. */
  raise(event: RaisedEvent): void
}

export function isFinished(state: number): boolean {
  return (state & (RST_FIRST | RST_SECOND)) !== 0 || (state & (FIN_FIRST | FIN_SECOND)) === (FIN_FIRST | FIN_SECOND)
}

/** How a flow ended that its packets ended, or that fell silent. */
export function flowEnd(state: number): number {
  if ((state & (RST_FIRST | RST_SECOND)) !== 0) return WAS_RESET
  return (state & (FIN_FIRST | FIN_SECOND)) === (FIN_FIRST | FIN_SECOND) ? WAS_FINISHED : FELL_IDLE
}
