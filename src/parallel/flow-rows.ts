/**
 * What became of flows, on its way from the thread that follows them to the one that tells of it: rows of numbers, and beside
 * them what readers of applications said.
 */
import type { RaisedEvent } from '../events/catalogue.ts'
import { type FlowListener, FlowRecord, type Found, IS_IPV6, type Said } from '../track/flow-record.ts'
import type { Occasion } from './follower.ts'

/** Doubles of a row. */
export const ROW = 24
/** The operation during which it happened, and its kind. */
const POSITION = 0
const OPERATION = 1
const WHAT = 2
const END = 3
const TIME_US = 4
const NUMBER = 5
const CARRIER = 6
const KIND = 7
const STATE = 8
const PORTS = 9
const FIRST_US = 10
const LAST_US = 11
const PACKETS = 12
const BYTES = 14
const BORN = 16
/** Of the packet; a negative capture is none. */
const CAPTURE = 17
const FRAME_NUMBER = 18
const FRAME_OFFSET = 19
/** Two addresses, as octets: 16 each. */
const ADDRESSES = 20

const CLOSED = 0
const SAID = 1
const FOUND = 2
const RAISED = 3

const FIRST_ROWS = 64

/** The results of one batch of operations. */
export interface FlowBatch {
  readonly batch: number
  /** `ROW` doubles each. */
  readonly rows: Float64Array<ArrayBuffer>
  readonly count: number
  /** Flows that live. */
  readonly flows: number
  /** What was said, found or raised, in the order of its rows. */
  readonly objects: readonly (Said | Found | RaisedEvent)[]
}

export class FlowRowWriter implements FlowListener {
  /** To be set before anything happens. */
  occasion: Occasion = { position: 0, operation: 0, capture: -1, number: 0, offset: 0 }
  #rows = new Float64Array(FIRST_ROWS * ROW)
  #octets = new Uint8Array(this.#rows.buffer)
  #count = 0
  #objects: (Said | Found | RaisedEvent)[] = []

  /** Everything since the last call; `flows` live. */
  take(batch: number, flows: number): FlowBatch {
    const taken = { batch, rows: this.#rows, count: this.#count, flows, objects: this.#objects }
    this.#rows = new Float64Array(Math.max(FIRST_ROWS, this.#count) * ROW)
    this.#octets = new Uint8Array(this.#rows.buffer)
    this.#count = 0
    this.#objects = []
    return taken
  }

  flowClosed(flow: FlowRecord, end: number, timeUs: number): void {
    const at = this.#flowRow(CLOSED, flow, timeUs)
    this.#rows[at + END] = end
  }

  said(flow: FlowRecord, what: Said): void {
    this.#flowRow(SAID, flow, what.timeUs)
    this.#objects.push(what)
  }

  found(flow: FlowRecord, what: Found): void {
    this.#flowRow(FOUND, flow, what.timeUs)
    this.#objects.push(what)
  }

  raise(event: RaisedEvent): void {
    this.#row(RAISED, event.timeUs)
    this.#objects.push(event)
  }

  #row(what: number, timeUs: number): number {
    if ((this.#count + 1) * ROW > this.#rows.length) this.#grow()
    const rows = this.#rows
    const at = this.#count++ * ROW
    const { position, operation, capture, number, offset } = this.occasion
    rows[at + POSITION] = position
    rows[at + OPERATION] = operation
    rows[at + WHAT] = what
    rows[at + TIME_US] = timeUs
    rows[at + CAPTURE] = capture
    rows[at + FRAME_NUMBER] = number
    rows[at + FRAME_OFFSET] = offset
    return at
  }

  #flowRow(what: number, flow: FlowRecord, timeUs: number): number {
    const at = this.#row(what, timeUs)
    const rows = this.#rows
    rows[at + NUMBER] = flow.number
    rows[at + CARRIER] = flow.carrier
    rows[at + KIND] = flow.kind
    rows[at + STATE] = flow.state
    rows[at + PORTS] = flow.ports
    rows[at + FIRST_US] = flow.firstUs
    rows[at + LAST_US] = flow.lastUs
    rows[at + PACKETS] = flow.packets[0]
    rows[at + PACKETS + 1] = flow.packets[1]
    rows[at + BYTES] = flow.bytes[0]
    rows[at + BYTES + 1] = flow.bytes[1]
    rows[at + BORN] = flow.born
    this.#octets.set(flow.low, (at + ADDRESSES) * 8)
    this.#octets.set(flow.high, (at + ADDRESSES) * 8 + 16)
    return at
  }

  #grow(): void {
    const rows = new Float64Array(this.#rows.length * 2)
    rows.set(this.#rows)
    this.#rows = rows
    this.#octets = new Uint8Array(rows.buffer)
  }
}

/** Walks the results of one thread, of one batch after the other. */
export class FlowRowReader implements Occasion {
  /** The flow's number is made different from those of other threads' flows by this. */
  readonly #numbersFrom: number
  readonly #record = new FlowRecord()
  #rows = new Float64Array(0)
  #octets = new Uint8Array(0)
  #objects: FlowBatch['objects'] = []
  #end = 0
  #at = 0
  #object = 0

  constructor(thread: number) {
    this.#numbersFrom = thread * 2 ** 32
  }

  over({ rows, count, objects }: FlowBatch): void {
    this.#rows = rows
    this.#octets = new Uint8Array(rows.buffer)
    this.#objects = objects
    this.#end = count * ROW
    this.#at = 0
    this.#object = 0
  }

  /** Of the operation of the next row; infinite at the end. */
  get position(): number {
    return this.#at === this.#end ? Number.POSITIVE_INFINITY : this.#rows[this.#at + POSITION]
  }

  get operation(): number {
    return this.#rows[this.#at + OPERATION]
  }

  get capture(): number {
    return this.#rows[this.#at + CAPTURE]
  }

  get number(): number {
    return this.#rows[this.#at + FRAME_NUMBER]
  }

  get offset(): number {
    return this.#rows[this.#at + FRAME_OFFSET]
  }

  /** When it happened, and when the flow began: what tells apart the order of rows of one operation. */
  get timeUs(): number {
    return this.#rows[this.#at + TIME_US]
  }

  get born(): number {
    return this.#rows[this.#at + BORN]
  }

  /** Gives the next row to whoever listens, and goes on behind it. */
  tell(listener: FlowListener): void {
    const at = this.#at
    switch (this.#rows[at + WHAT]) {
      case CLOSED:
        listener.flowClosed(this.#flowAt(at), this.#rows[at + END], this.timeUs)
        break
      case SAID:
        listener.said(this.#flowAt(at), this.#objects[this.#object++] as Said)
        break
      case FOUND:
        listener.found(this.#flowAt(at), this.#objects[this.#object++] as Found)
        break
      default:
        listener.raise(this.#objects[this.#object++] as RaisedEvent)
    }
    this.#at += ROW
  }

  #flowAt(at: number): FlowRecord {
    const rows = this.#rows
    const flow = this.#record
    const length = (rows[at + KIND] & IS_IPV6) === 0 ? 4 : 16
    const low = (at + ADDRESSES) * 8
    flow.number = this.#numbersFrom + rows[at + NUMBER]
    flow.carrier = rows[at + CARRIER]
    flow.kind = rows[at + KIND]
    flow.state = rows[at + STATE]
    flow.ports = rows[at + PORTS]
    flow.low = this.#octets.subarray(low, low + length)
    flow.high = this.#octets.subarray(low + 16, low + 16 + length)
    flow.firstUs = rows[at + FIRST_US]
    flow.lastUs = rows[at + LAST_US]
    flow.packets[0] = rows[at + PACKETS]
    flow.packets[1] = rows[at + PACKETS + 1]
    flow.bytes[0] = rows[at + BYTES]
    flow.bytes[1] = rows[at + BYTES + 1]
    flow.born = rows[at + BORN]
    return flow
  }
}
