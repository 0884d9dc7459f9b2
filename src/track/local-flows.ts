/** Flows that are followed, and told of, in the thread that sees their carriers. */
import type { Frame } from '../dissect/frame.ts'
import type { Emit } from '../events/catalogue.ts'
import type { Carriers } from './carrier.ts'
import { BoundedMap } from './bounded-map.ts'
import { type CarrierNames, type FlowSink, namesOf } from './carrier-flows.ts'
import { FlowTeller, type TellerLimits } from './flow-teller.ts'
import { type FlowLimits, InnerFlowTracker } from './inner-flow.ts'

/** Carriers whose names are at hand: those of all would take more than the flows themselves. */
const NAMED_MAX = 8192

export class LocalFlows implements FlowSink {
  readonly #carriers: Carriers
  readonly #names = new BoundedMap<number, CarrierNames>(NAMED_MAX)
  readonly #teller: FlowTeller
  readonly #tracker: InnerFlowTracker

  constructor(carriers: Carriers, emit: Emit, limits: FlowLimits & TellerLimits) {
    this.#carriers = carriers
    this.#teller = new FlowTeller(emit, limits, (carrier) => this.#namesOf(carrier))
    this.#tracker = new InnerFlowTracker(this.#teller, limits)
  }

  get size(): number {
    return this.#tracker.size
  }

  get conversations(): number {
    return this.#tracker.conversations
  }

  get suppressed(): number {
    return this.#teller.suppressed
  }

  /** Tells the flows apart that one number names one after another. */
  serialOf(flow: number): number {
    return this.#tracker.serialOf(flow)
  }

  /** What events call the flow with this number in the trail of a frame. */
  uidOf(flow: number): string {
    return this.#teller.uidOf(this.#tracker.recordOf(flow))
  }

  carrierNamed(carrier: number, names: CarrierNames): void {
    this.#names.set(carrier, names)
  }

  observe(frame: Frame, carrier: number, sender: 0 | 1): void {
    this.#tracker.observe(frame, carrier, sender)
  }

  carrierClosed(carrier: number): void {
    this.#tracker.carrierClosed(carrier)
    this.#names.take(carrier)
  }

  expire(nowUs: number): Generator<void> {
    return this.#tracker.expire(nowUs)
  }

  /** Yields after each. */
  finish(): Generator<void> {
    return this.#tracker.finish()
  }

  #namesOf(carrier: number): CarrierNames {
    const known = this.#names.get(carrier)
    if (known !== undefined) return known
    const names = namesOf(this.#carriers.at(carrier))
    this.#names.set(carrier, names)
    return names
  }
}
