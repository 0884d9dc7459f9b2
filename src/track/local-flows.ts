/** Flows that are followed, and told of, in the thread that sees their carriers. */
import type { Ahead } from '../dissect/ahead.ts'
import type { Frame } from '../dissect/frame.ts'
import type { Emit } from '../events/catalogue.ts'
import type { Carrier, Carriers } from './carrier.ts'
import { BoundedMap } from './bounded-map.ts'
import { type CarrierNames, type FlowSink, namesOf } from './carrier-flows.ts'
import type { FlowRecord } from './flow-record.ts'
import { FlowTeller, type TellerLimits } from './flow-teller.ts'
import { type FlowLimits, InnerFlowTracker } from './inner-flow.ts'
import type { Pause, SavedEntry, Saves, Uptake } from './saved.ts'
import { type FlowRow, loadFlows } from './saved-flows.ts'

/** Carriers whose names are at hand: those of all would take more than the flows themselves. */
const NAMED_MAX = 8192

/** What is saved over a restart. */
const FLOWS = 'flows/1'

export class LocalFlows implements FlowSink, Saves {
  readonly savedKinds = [FLOWS]
  readonly #carriers: Carriers
  readonly #names = new BoundedMap<number, CarrierNames>(NAMED_MAX)
  readonly #teller: FlowTeller
  readonly #tracker: InnerFlowTracker

  readonly #resumed: (carrier: Carrier) => void

  /** `resumed` is told of each flow that is taken up what carries it. */
  constructor(carriers: Carriers, emit: Emit, limits: FlowLimits & TellerLimits, resumed: (carrier: Carrier) => void) {
    this.#carriers = carriers
    this.#resumed = resumed
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

  /** The flow with this number in the trail of a frame. Overwritten by the next. */
  recordOf(flow: number): FlowRecord {
    return this.#tracker.recordOf(flow)
  }

  carrierNamed(carrier: number, names: CarrierNames): void {
    this.#names.set(carrier, names)
  }

  observe(frame: Frame, carrier: number, sender: 0 | 1): void {
    this.#tracker.observe(frame, carrier, sender)
  }

  prefetch(ahead: Ahead): void {
    this.#tracker.prefetch(ahead)
  }

  carrierClosed(carrier: number): void {
    this.#tracker.carrierClosed(carrier)
    this.#names.take(carrier)
  }

  expire(nowUs: number): Generator<void> {
    return this.#tracker.expire(nowUs)
  }

  // --- over a restart of the sensor

  /** They are saved. */
  suspend(): void {}

  /** Not what an application reader has understood of them, nor what hosts have sent each other so far. */
  *save(): Generator<SavedEntry> {
    const nameOf = (carrier: number) => this.#carriers.at(carrier).uid
    for (const saved of this.#tracker.save(nameOf, (flow) => this.#teller.toldOf(flow))) yield { kind: FLOWS, saved }
  }

  /** Behind everything that carries flows. Each entry counts as one; a flow whose carrier is not there is left out. */
  restore(entries: readonly SavedEntry[], pause: Pause, uptake: Uptake): void {
    this.#tracker.resume(pause)
    const rows: FlowRow[] = []
    for (const { kind, saved } of entries)
      uptake.take(kind, () => {
        rows.push(...loadFlows(saved))
        return true
      })
    const carriers = this.#carriers.byUid()
    for (const row of rows.sort((a, b) => a.born - b.born)) {
      const carrier = carriers.get(row.carrier)
      const flow = carrier === undefined ? -1 : this.#tracker.restore(row, carrier.key)
      if (carrier === undefined || flow === -1) uptake.leftOut++
      else {
        this.#teller.resume(flow, row.told)
        this.#resumed(carrier)
      }
    }
  }

  #namesOf(carrier: number): CarrierNames {
    const known = this.#names.get(carrier)
    if (known !== undefined) return known
    const names = namesOf(this.#carriers.at(carrier))
    this.#names.set(carrier, names)
    return names
  }
}
