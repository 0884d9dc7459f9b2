/**
 * What an application protocol inside flows is to the sensor: how it is recognised, and who reads it.
 *
 * Recognition goes by content first and by port second. A protocol over TCP reads the two directions of a reassembled
 * stream, one over UDP or ICMP reads datagrams. What a reader learns it tells through the flow that it was opened for.
 */
import type { EventName, RaisedEvent } from '../events/catalogue.ts'
import type { INNER_FLOW, INNER_FLOW_MAY } from '../events/flow.ts'

/** Who sent something in a flow: 0 is the one who opened it, 1 the other. */
export type Side = 0 | 1

export const CLIENT = 0
export const SERVER = 1

/** Answer of a reader: nothing more of this flow is of interest. */
export const DONE = -1
/** Answer of a reader: nothing more of this direction is of interest. */
export const SKIP_REST = Number.MAX_SAFE_INTEGER

/** The ports of a flow. */
export interface Ports {
  readonly clientPort: number
  readonly serverPort: number
}

type FlowFieldName = (typeof INNER_FLOW)[number] | (typeof INNER_FLOW_MAY)[number]

/** Fields of an event beyond those that the flow adds. */
export type OwnFields<N extends EventName> = Omit<RaisedEvent<N>['fields'], FlowFieldName>

/** An inner flow, as its reader sees it. */
export interface InnerFlow extends Ports {
  /** Of the current packet; at the end of the flow of its last one. */
  readonly timeUs: number
  /**
   * Who acts as the client of the application. Events name it as their source. A reader that learns better (the capture
   * began in the middle) says so before it tells anything.
   */
  client: Side
  /** Whether the client of the application is at the end that opened what carries the flow: of a session that of who dialled in. */
  readonly clientIsInitiator: boolean
  /** Raises an event with the flow's own fields added, unless the flow or its carrier has raised too many. */
  tell<N extends EventName>(name: N, message: string, fields: OwnFields<N>): void
  /** Raises `protocol.anomaly` about the application. */
  report(name: string, layer: string, detail: string): void
  /**
   * From the octets on that the current `read` leaves, the stream is another protocol's: StartTLS, CONNECT and the like.
   * `null` means that it is to be recognised anew.
   */
  handOver(to: StreamProtocol | null): void
  /** The flow did not carry this protocol after all, and loses its name. */
  disown(): void
}

/** Reads one TCP connection. */
export interface StreamReader {
  /**
   * Octets that `side` sent, in order, from the first one that this reader is not done with. The answer is how many it is
   * done with now; the others are shown again with what follows them. A greater answer skips octets that are still to come.
   * Or it is `DONE` or `SKIP_REST`. Keep copies only: the buffer is reused.
   */
  read(side: Side, bytes: Uint8Array, start: number, end: number): number
  /** `length` octets that `side` sent were lost, beyond any that are skipped. False: reading cannot go on. */
  gap(side: Side, length: number): boolean
  /** The flow has ended, or will not be followed further. The last chance to tell something. */
  end(): void
}

/** `more`: too few octets to say. */
export type Recognition = 'yes' | 'no' | 'more'

export interface StreamProtocol {
  /** `network.protocol` of the flow. */
  readonly name: string
  /** What the first octets of one direction say. Called for octets that may grow until every protocol says no. */
  recognise(bytes: Uint8Array, start: number, end: number, side: Side, ports: Ports): Recognition
  /** `side` said the octets by which it was recognised. */
  open(flow: InnerFlow, side: Side): StreamReader
}

/** Reads the datagrams of one flow. */
export interface DatagramReader {
  /** A datagram's payload, cut by the capture if `wireEnd` lies beyond `end`. False: the flow is of no further interest. */
  read(side: Side, bytes: Uint8Array, start: number, end: number, wireEnd: number): boolean
  end(): void
}

export interface DatagramProtocol {
  readonly name: string
  recognise(bytes: Uint8Array, start: number, end: number, side: Side, ports: Ports): boolean
  open(flow: InnerFlow): DatagramReader
}
