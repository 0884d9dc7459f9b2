/**
 * Which fields events have, found out once for all events with the same fields in the same order. Rules name far more fields than an
 * event holds: to ask each event for every one of them takes longer than to see that it is like the one before.
 */

/** A kind of events that have the same fields. */
export interface Shape {
  /** Counted from 0. */
  readonly number: number
  readonly fields: ReadonlySet<string>
}

/** What names of fields have begun with; those that may follow are a list. */
interface Step {
  readonly name: string
  first: Step | null
  readonly sibling: Step | null
  shape: Shape | null
}

const STEPS_MAX = 50_000
/** Each keeps a set of its names: whoever makes up combinations of fields shall not fill the memory with them. */
const SHAPES_MAX = 4096

export class Shapes {
  readonly #root: Step = { name: '', first: null, sibling: null, shape: null }
  readonly #stepsMax: number
  #steps = 0
  #shapes = 0

  constructor(stepsMax = STEPS_MAX) {
    this.#stepsMax = stepsMax
  }

  /** Null for a new shape where there are too many already. */
  of(names: readonly string[]): Shape | null {
    let step = this.#root
    for (let i = 0; i < names.length; i++) {
      const name = names[i]
      let next = step.first
      while (next !== null && next.name !== name) next = next.sibling
      if (next === null) {
        if (this.#steps >= this.#stepsMax) return null
        this.#steps++
        next = { name, first: null, sibling: step.first, shape: null }
        step.first = next
      }
      step = next
    }
    if (step.shape === null && this.#shapes < SHAPES_MAX)
      step.shape = { number: this.#shapes++, fields: new Set(names) }
    return step.shape
  }
}
