/**
 * Puts together what the threads have found, in the order in which one thread would have told it.
 *
 * The packet thread numbers what it asks of the others. Whatever happened to flows during an operation comes before
 * whatever the packet thread told after it. Of an operation that all threads were asked for, the order is that of a single
 * follower: flows end with their carrier the youngest first, and in a second that passes as they fell silent.
 */
import type { EventBus } from '../events/bus.ts'
import type { RaisedEvent } from '../events/catalogue.ts'
import type { CarrierNames } from '../track/carrier-flows.ts'
import type { FlowListener } from '../track/flow-record.ts'
import { FlowTeller, type TellerLimits } from '../track/flow-teller.ts'
import { type FlowBatch, FlowRowReader } from './flow-rows.ts'
import { EXPIRE, NO_CAPTURE } from './operation.ts'
import { CLOCK, EVENT, Inbox, type ItemBatch, NAMES } from './outbox.ts'

export class Merger {
  /** Flows that ended and were not told of, because whoever takes the events was too slow. */
  shedFlows = 0
  #isShedding = false
  readonly #bus: EventBus
  readonly #expire: (nowUs: number) => void
  readonly #teller: FlowTeller
  /** What carriers with flows are called, as far as this has come. */
  readonly #names = new Map<number, CarrierNames>()
  readonly #listener: FlowListener
  readonly #inbox = new Inbox()
  readonly #readers: readonly FlowRowReader[]
  readonly #captures: readonly string[]
  /** Tables that were found full: each thread has its part of them, and they are told once. */
  readonly #filled = new Set<unknown>()

  /** `expire` is told, at each second of the packets, how late it is. */
  constructor(
    bus: EventBus,
    limits: TellerLimits,
    threads: number,
    captures: readonly string[],
    expire: (nowUs: number) => void,
  ) {
    this.#bus = bus
    this.#expire = expire
    const teller = new FlowTeller(bus.emit, limits, (carrier) => {
      const names = this.#names.get(carrier)
      if (names === undefined) throw new Error(`a flow of a carrier without names: ${carrier}`)
      return names
    })
    this.#teller = teller
    this.#readers = Array.from({ length: threads }, (_, thread) => new FlowRowReader(thread))
    this.#captures = captures
    this.#listener = {
      flowClosed: (flow, end, timeUs) => {
        if (!this.#isShedding) teller.flowClosed(flow, end, timeUs)
        else {
          this.shedFlows++
          teller.forget(flow.number)
        }
      },
      said: (flow, what) => teller.said(flow, what),
      found: (flow, what) => teller.found(flow, what),
      raise: (event) => this.#raise(event),
    }
  }

  /** One batch: the items of the packet thread, and the rows of every other thread. Flows are what there is most of, and go first. */
  merge(items: ItemBatch, batches: readonly FlowBatch[], shedsFlows = false): void {
    this.#isShedding = shedsFlows
    for (const [thread, batch] of batches.entries()) this.#readers[thread].over(batch)
    const inbox = this.#inbox
    inbox.over(items)
    while (inbox.next()) {
      this.#tellUpTo(inbox.after)
      this.#take()
    }
    this.#tellUpTo(Number.MAX_VALUE)
    this.#bus.origin = null
  }

  #take(): void {
    const { kind, argument } = this.#inbox
    switch (kind) {
      case EVENT: {
        const { event } = this.#inbox
        this.#stand(this.#inbox)
        this.#bus.emit(event.name === 'capture.analysed' ? this.#completed(event) : event)
        break
      }
      case NAMES:
        this.#names.set(argument, this.#inbox.names)
        break
      case CLOCK:
        this.#bus.origin = null
        this.#expire(argument)
        break
      default:
        this.#names.delete(argument)
    }
  }

  #stand({ capture, number, offset }: { capture: number; number: number; offset: number }): void {
    this.#bus.origin = capture === NO_CAPTURE ? null : { capture: this.#captures[capture], number, offset }
  }

  /** The packet thread does not know what was left out here. */
  #completed(event: RaisedEvent<'capture.analysed'>): RaisedEvent {
    const suppressed = (event.fields['capture.suppressed'] ?? 0) + this.#teller.suppressed
    return { ...event, fields: { ...event.fields, 'capture.suppressed': suppressed === 0 ? undefined : suppressed } }
  }

  #tellUpTo(position: number): void {
    for (let reader = this.#first(); reader.position <= position; reader = this.#first()) {
      this.#stand(reader)
      reader.tell(this.#listener)
    }
  }

  /** The thread whose next row comes first. */
  #first(): FlowRowReader {
    let first = this.#readers[0]
    for (let at = 1; at < this.#readers.length; at++) if (isBefore(this.#readers[at], first)) first = this.#readers[at]
    return first
  }

  #raise(event: RaisedEvent): void {
    if (event.name === 'sensor.table.filled') {
      const table = event.fields['sensor.table']
      if (this.#filled.has(table)) return
      this.#filled.add(table)
    }
    this.#bus.emit(event)
  }
}

function isBefore(a: FlowRowReader, b: FlowRowReader): boolean {
  const distance = a.position - b.position
  if (distance !== 0 || a.position === Number.POSITIVE_INFINITY) return distance < 0
  if (a.operation !== EXPIRE) return a.born > b.born
  return a.timeUs !== b.timeUs ? a.timeUs < b.timeUs : a.born < b.born
}
