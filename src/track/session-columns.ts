/**
 * The numbers of sessions in columns: what every session has takes some 50 bytes there, and as fields of its object, which hold
 * a word each and doubles in a box, some 250. A million sessions are open at once.
 */
import type { CallTerms } from './call-facts.ts'
import type { CarrierOwner } from './carrier.ts'
import { doubled, FIRST_ROWS } from '../base/growing.ts'
import { SharedValues } from './shared-values.ts'

/** By the index of the session. */
export class SessionColumns {
  readonly owner: CarrierOwner
  /** Among the owners of carriers. */
  readonly ownerNumber: number
  /** Replaced when the columns grow: read them anew. */
  state = new Uint8Array(FIRST_ROWS)
  kind = new Uint8Array(FIRST_ROWS)
  asker = new Uint8Array(FIRST_ROWS)
  isAdopted = new Uint8Array(FIRST_ROWS)
  isImplied = new Uint8Array(FIRST_ROWS)
  lacking = new Int8Array(FIRST_ROWS)
  stoppedBy = new Int8Array(FIRST_ROWS)
  tunnel = new Int32Array(FIRST_ROWS)
  next = new Int32Array(FIRST_ROWS)
  previous = new Int32Array(FIRST_ROWS)
  startUs = new Float64Array(FIRST_ROWS)
  /** Of the call; not a number if it was not seen. */
  serialNumber = new Float64Array(FIRST_ROWS)
  /** Of both roles: index * 2 + role. Those of version 3 have 32 bits, and -1 beside them. */
  ids = new Float64Array(FIRST_ROWS * 2)
  readonly terms = new SharedValues<CallTerms>()

  constructor(owner: CarrierOwner, ownerNumber: number) {
    this.owner = owner
    this.ownerNumber = ownerNumber
  }

  /** Makes room for the session. */
  reserve(index: number): void {
    if (index < this.state.length) return
    this.state = doubled(this.state)
    this.kind = doubled(this.kind)
    this.asker = doubled(this.asker)
    this.isAdopted = doubled(this.isAdopted)
    this.isImplied = doubled(this.isImplied)
    this.lacking = doubled(this.lacking)
    this.stoppedBy = doubled(this.stoppedBy)
    this.tunnel = doubled(this.tunnel)
    this.next = doubled(this.next)
    this.previous = doubled(this.previous)
    this.startUs = doubled(this.startUs)
    this.serialNumber = doubled(this.serialNumber)
    this.ids = doubled(this.ids)
  }
}
