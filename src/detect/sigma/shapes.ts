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

/**
 * Names that events have after those of the runs before, in this order. A long list of names that is compared is quicker than a
 * chain of steps that is followed: no comparison waits for the one before.
 */
interface Run {
  readonly names: string[]
  /** That of events that have no more fields. */
  shape: Shape | null
  next: Run[]
}

const NAMES_MAX = 50_000
/** Each keeps a set of its names: whoever makes up combinations of fields shall not fill the memory with them. */
const SHAPES_MAX = 4096

export class Shapes {
  readonly #root: Run = { names: [], shape: null, next: [] }
  readonly #namesMax: number
  #names = 0
  #shapes = 0

  constructor(namesMax = NAMES_MAX) {
    this.#namesMax = namesMax
  }

  /** That of what holds these fields, and inherits none. Null for a new shape where there are too many already. */
  of(fields: object): Shape | null {
    let run = this.#root
    let { names } = run
    let { length } = names
    let i = 0
    // A list of the names would be as large as all else that an event leaves behind here.
    for (const name in fields) {
      if (i < length) {
        if (names[i++] !== name) return this.#add(Object.keys(fields))
      } else {
        const next = follow(run, name)
        if (next === null) return this.#add(Object.keys(fields))
        run = next
        names = next.names
        length = names.length
        i = 1
      }
    }
    return i === length && run.shape !== null ? run.shape : this.#add(Object.keys(fields))
  }

  #add(names: readonly string[]): Shape | null {
    let run = this.#root
    let known = 0
    for (let next: Run | null = run; next !== null; next = known < names.length ? follow(run, names[known]) : null) {
      run = next
      let i = 0
      while (i < run.names.length && run.names[i] === names[known]) {
        i++
        known++
      }
      if (i < run.names.length) split(run, i)
    }
    const rest = names.slice(known)
    if (this.#names + rest.length > this.#namesMax) return null
    this.#names += rest.length
    if (rest.length > 0) {
      const next: Run = { names: rest, shape: null, next: [] }
      run.next.push(next)
      run = next
    }
    if (run.shape === null && this.#shapes < SHAPES_MAX) {
      run.shape = { number: this.#shapes++, fields: new Set(names) }
    }
    return run.shape
  }
}

function follow({ next }: Run, name: string): Run | null {
  for (let i = 0; i < next.length; i++) if (next[i].names[0] === name) return next[i]
  return null
}

/** So that a run ends where events differ. */
function split(run: Run, at: number): void {
  run.next = [{ names: run.names.splice(at), shape: run.shape, next: run.next }]
  run.shape = null
}
