/** Flows that are followed, and told of, in the thread that sees their carriers. */
import type { Frame } from '../dissect/frame.ts'
import type { Emit } from '../events/catalogue.ts'
import type { CarrierNames, FlowSink } from './carrier-flows.ts'
import { FlowTeller, type TellerLimits } from './flow-teller.ts'
import { type FlowLimits, InnerFlowTracker } from './inner-flow.ts'

export class LocalFlows implements FlowSink {
  readonly #teller: FlowTeller
  readonly #tracker: InnerFlowTracker

  constructor(emit: Emit, limits: FlowLimits & TellerLimits) {
    this.#teller = new FlowTeller(emit, limits)
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
    this.#teller.carrierNamed(carrier, names)
  }

  observe(frame: Frame, carrier: number, sender: 0 | 1): void {
    this.#tracker.observe(frame, carrier, sender)
  }

  carrierClosed(carrier: number): void {
    this.#tracker.carrierClosed(carrier)
    this.#teller.carrierForgotten(carrier)
  }

  expire(nowUs: number): Generator<void> {
    return this.#tracker.expire(nowUs)
  }

  /** All of them end with the sensor. Yields after each. */
  finish(): Generator<void> {
    return this.#tracker.finish()
  }
}
