/** What is inside carriers: their PPP links, and the flows in those. Trackers of carriers hand over what they find there. */
import type { Frame } from '../dissect/frame.ts'
import type { Carrier, CarrierOwner, Carriers } from './carrier.ts'
import type { CarrierFlows } from './carrier-flows.ts'
import type { PppLinkTracker } from './ppp-tracker.ts'
import type { Role } from './role.ts'

export class Inside {
  readonly links: PppLinkTracker
  readonly flows: CarrierFlows
  readonly #carriers: Carriers

  constructor(carriers: Carriers, links: PppLinkTracker, flows: CarrierFlows) {
    this.#carriers = carriers
    this.links = links
    this.flows = flows
  }

  /** As `Carriers` does. */
  admit(owner: CarrierOwner): number {
    return this.#carriers.admit(owner)
  }

  /** What the packet in the frame has inside, sent by a role of its carrier. */
  observe(frame: Frame, carrier: Carrier, sender: Role): void {
    frame.trail.carrier = carrier.key
    const key = frame.hasInner ? carrier.key : frame.hasPpp ? this.links.observe(frame, carrier, sender) : -1
    if (key !== -1) this.flows.observe(frame, key, sender)
  }

  /** With a carrier everything inside it ends. */
  carrierClosed(carrier: Carrier, timeUs: number, reason: string): void {
    this.flows.carrierClosed(carrier)
    this.links.carrierClosed(carrier, timeUs, reason)
  }
}
