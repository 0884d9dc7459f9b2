/**
 * The shapes of documents: those that carry the same fields in the same order differ in their values only. Which fields they
 * are, how they nest and the JSON between the values is found out once for each shape; writing a document is then one walk
 * over its values. To nest each one, and have the result turned into JSON, takes four times as long.
 */
import { type EventDocument, FIELDS, type FieldName, isField } from '../../events/fields.ts'
import { isQuoted, type WriteValue, WRITERS } from './json-values.ts'

export interface Shape {
  readonly fields: readonly FieldName[]
  /** What follows is in the order in which values are written: where each stands among those of the document, … */
  readonly places: readonly number[]
  /** … how it is written, … */
  readonly writers: readonly WriteValue[]
  /** … and what comes before it, with the quotes around it and around the one before. */
  readonly before: readonly string[]
  /** Behind the last value: up to and with the key of an object of the store in `borescope`. */
  readonly after: string
}

/** The key in `borescope` for what the store adds. */
const STORE_KEY = '"store":'
/** Steps remembered; beyond it they are learned anew. Some hundreds are usual. */
const STEPS_MAX = 65_536

/** A document up to one of its fields. */
class Step {
  readonly fields: readonly FieldName[]
  shape: Shape | null = null
  /** The field that came next the last time, and where it leads. */
  #name: string | null = null
  #step: Step | null = null
  readonly #steps = new Map<string, Step>()

  constructor(fields: readonly FieldName[]) {
    this.fields = fields
  }

  to(name: string): Step | undefined {
    if (name === this.#name) return this.#step as Step
    const step = this.#steps.get(name)
    if (step !== undefined) this.#turnTo(name, step)
    return step
  }

  add(name: FieldName): Step {
    const step = new Step([...this.fields, name])
    this.#steps.set(name, step)
    this.#turnTo(name, step)
    return step
  }

  #turnTo(name: string, step: Step): void {
    this.#name = name
    this.#step = step
  }
}

export class Shapes {
  /** Of the last document, in the order of its shape's `fields`; longer documents may have left some behind them. */
  readonly values: unknown[] = []
  #start = new Step([])
  #steps = 0

  /** The shape of a document, whose values are in `values` until the next one; or a key of it that is no field. */
  of(document: EventDocument): Shape | string {
    if (this.#steps > STEPS_MAX) {
      this.#start = new Step([])
      this.#steps = 0
    }
    let step = this.#start
    let count = 0
    // Three times as fast as `Object.entries`: documents have no inherited keys.
    for (const name in document) {
      const value: unknown = document[name as FieldName]
      if (value === undefined) continue
      let next = step.to(name)
      if (next === undefined) {
        if (!isField(name)) return name
        next = step.add(name)
        this.#steps++
      }
      step = next
      this.values[count++] = value
    }
    step.shape ??= shapeOf(step.fields)
    return step.shape
  }
}

type Tree = Map<string, Tree | FieldName>

/** Nested in the order in which they come; but what the store adds to is last, so that it stays open. */
function shapeOf(fields: readonly FieldName[]): Shape {
  const tree: Tree = new Map()
  for (const field of fields) place(tree, field.split('.'), field)
  const own = tree.get('borescope')
  if (own !== undefined) {
    tree.delete('borescope')
    tree.set('borescope', own)
  }
  const written: FieldName[] = []
  const before: string[] = []
  let text = ''
  const walk = (node: Tree): void => {
    let isFirst = node !== tree
    for (const [key, child] of node) {
      text += `${isFirst ? '' : ','}${JSON.stringify(key)}:`
      isFirst = false
      if (typeof child === 'string') {
        const quote = isQuoted(FIELDS[child].kind) ? '"' : ''
        before.push(text + quote)
        written.push(child)
        text = quote
      } else {
        text += '{'
        walk(child)
        if (child !== own) text += '}'
      }
    }
  }
  walk(tree)
  return {
    fields,
    places: written.map((field) => fields.indexOf(field)),
    writers: written.map((field) => WRITERS[FIELDS[field].kind]),
    before,
    after: `${text},${own === undefined ? '"borescope":{' : ''}${STORE_KEY}`,
  }
}

function place(tree: Tree, [key, ...rest]: readonly string[], field: FieldName): void {
  if (rest.length === 0) {
    tree.set(key, field)
    return
  }
  const child = tree.get(key)
  const node: Tree = child instanceof Map ? child : new Map()
  tree.set(key, node)
  place(node, rest, field)
}
