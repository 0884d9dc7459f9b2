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
import type { FlowNews } from './flow-news.ts'
import type { FlowBatch } from './flow-rows.ts'
import { NO_CAPTURE } from './operation.ts'
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
  readonly #inbox = new Inbox()
  readonly #news: FlowNews
  readonly #captures: readonly string[]
  /** Tables that were found full: each thread has its part of them, and they are told once. */
  readonly #filled = new Set<unknown>()

  /** `newsFor` gives whence a listener hears of flows. `expire` is told, at each second of the packets, how late it is. */
  constructor(
    bus: EventBus,
    limits: TellerLimits,
    newsFor: (listener: FlowListener) => FlowNews,
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
    this.#captures = captures
    this.#news = newsFor({
      flowClosed: (flow, end, timeUs) => {
        if (this.#isShedding) {
          this.shedFlows++
          teller.forget(flow.number)
          return
        }
        this.#stand(this.#news.occasion)
        teller.flowClosed(flow, end, timeUs)
      },
      said: (flow, what) => {
        this.#stand(this.#news.occasion)
        teller.said(flow, what)
      },
      found: (flow, what) => {
        this.#stand(this.#news.occasion)
        teller.found(flow, what)
      },
      raise: (event) => {
        this.#stand(this.#news.occasion)
        this.#raise(event)
      },
    })
  }

  /** One batch: the items of the packet thread, and the rows of every other thread. Flows are what there is most of, and go first. */
  merge(items: ItemBatch, batches: readonly FlowBatch[], shedsFlows = false): void {
    this.#isShedding = shedsFlows
    this.#news.over(batches)
    const inbox = this.#inbox
    inbox.over(items)
    while (inbox.next()) {
      this.#news.tellUpTo(inbox.after)
      this.#take()
    }
    this.#news.tellUpTo(Number.MAX_VALUE)
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

  #raise(event: RaisedEvent): void {
    if (event.name === 'sensor.table.filled') {
      const table = event.fields['sensor.table']
      if (this.#filled.has(table)) return
      this.#filled.add(table)
    }
    this.#bus.emit(event)
  }
}
