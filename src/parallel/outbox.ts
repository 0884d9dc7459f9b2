/**
 * What the packet thread tells, on its way to whoever puts the threads' results together. Copying an object from thread to
 * thread costs as much for the names of its fields as for their values: so events of one shape send their names once.
 */
import { EventBus } from '../events/bus.ts'
import type { Emit, EventName, RaisedEvent } from '../events/catalogue.ts'
import type { CarrierNames } from '../track/carrier-flows.ts'
import { NO_CAPTURE } from './operation.ts'

// Kinds of item.
export const EVENT = 0
export const NAMES = 1
export const FORGOTTEN = 2
/** Packets have come to a time. */
export const CLOCK = 3

/** Doubles of an item: its kind, the operation that it follows, and what its kind needs. */
export const ITEM = 6
const ITEM_KIND = 0
const ITEM_AFTER = 1
/** Of an event its shape and origin, of what concerns a carrier its key, of the clock the time. */
const ITEM_ARGUMENT = 2
const ITEM_CAPTURE = 3
const ITEM_NUMBER = 4
const ITEM_OFFSET = 5

/** Events of a name with the same fields in the same order. */
export interface Shape {
  readonly name: EventName
  readonly fields: readonly string[]
}

/** The items of one batch. `objects` holds, in order, of an event its time, id, identity, message and values, of names the names. */
export interface ItemBatch {
  readonly items: Float64Array<ArrayBuffer>
  readonly count: number
  readonly objects: readonly unknown[]
  /** Those that were not used before. */
  readonly shapes: readonly Shape[]
}

/** Shapes that are known by their names; what has yet another one comes as a shape of its own. */
const SHAPES_MAX = 4096

/** The writing end: the bus of the packet thread. */
export class Outbox extends EventBus {
  #items = new Float64Array(64 * ITEM)
  #count = 0
  #objects: unknown[] = []
  /** Of each name the shapes so far, the number of each beside it. */
  readonly #shapes = new Map<string, { readonly fields: readonly string[]; readonly number: number }[]>()
  #shapeCount = 0
  #newShapes: Shape[] = []
  readonly #captures: readonly string[]
  readonly #position: () => number

  /** `position` tells how many operations there were. */
  constructor(captures: readonly string[], position: () => number) {
    super({ name: '', version: '' })
    this.#captures = captures
    this.#position = position
  }

  /** Items that wait. */
  get size(): number {
    return this.#count
  }

  override readonly emit: Emit = (event) => {
    const { origin } = this
    const { name, timeUs, id, identity, message, fields } = event
    const at = this.#item(EVENT, this.#shapeOf(name, fields))
    this.#items[at + ITEM_CAPTURE] = origin === null ? NO_CAPTURE : this.#captures.indexOf(origin.capture)
    this.#items[at + ITEM_NUMBER] = origin?.number ?? 0
    this.#items[at + ITEM_OFFSET] = origin?.offset ?? 0
    this.#objects.push(timeUs, id, identity, message, Object.values(fields))
  }

  named(carrier: number, names: CarrierNames): void {
    this.#item(NAMES, carrier)
    this.#objects.push(names)
  }

  forgotten(carrier: number): void {
    this.#item(FORGOTTEN, carrier)
  }

  expire(nowUs: number): void {
    this.#item(CLOCK, nowUs)
  }

  take(): ItemBatch {
    const taken = { items: this.#items, count: this.#count, objects: this.#objects, shapes: this.#newShapes }
    this.#items = new Float64Array(Math.max(64, this.#count) * ITEM)
    this.#count = 0
    this.#objects = []
    this.#newShapes = []
    return taken
  }

  #item(kind: number, argument: number): number {
    const at = this.#count++ * ITEM
    if (at === this.#items.length) {
      const grown = new Float64Array(this.#items.length * 2)
      grown.set(this.#items)
      this.#items = grown
    }
    this.#items[at + ITEM_KIND] = kind
    this.#items[at + ITEM_AFTER] = this.#position()
    this.#items[at + ITEM_ARGUMENT] = argument
    return at
  }

  #shapeOf(name: EventName, fields: object): number {
    const names = Object.keys(fields)
    const shapes = this.#shapes.get(name) ?? []
    for (const shape of shapes) if (isSame(shape.fields, names)) return shape.number
    const number = this.#shapeCount++
    this.#newShapes.push({ name, fields: names })
    if (number < SHAPES_MAX) this.#shapes.set(name, [...shapes, { fields: names, number }])
    return number
  }
}

function isSame(a: readonly string[], b: readonly string[]): boolean {
  if (a.length !== b.length) return false
  for (let i = 0; i < a.length; i++) if (a[i] !== b[i]) return false
  return true
}

/** The reading end: walks the items of one batch after the other. */
export class Inbox {
  kind = EVENT
  after = 0
  /** The key of a carrier, or a time. */
  argument = 0
  capture = NO_CAPTURE
  number = 0
  offset = 0
  readonly #shapes = new Map<number, Shape>()
  #shapeCount = 0
  #batch: ItemBatch = { items: new Float64Array(0), count: 0, objects: [], shapes: [] }
  #next = 0
  #object = 0

  over(batch: ItemBatch): void {
    // Shapes beyond the bound were told for one event, which was in the last batch.
    for (const number of this.#shapes.keys()) if (number >= SHAPES_MAX) this.#shapes.delete(number)
    for (const shape of batch.shapes) this.#shapes.set(this.#shapeCount++, shape)
    this.#batch = batch
    this.#next = 0
    this.#object = 0
  }

  next(): boolean {
    const { items, count } = this.#batch
    if (this.#next === count) return false
    const at = this.#next++ * ITEM
    this.kind = items[at + ITEM_KIND]
    this.after = items[at + ITEM_AFTER]
    this.argument = items[at + ITEM_ARGUMENT]
    this.capture = items[at + ITEM_CAPTURE]
    this.number = items[at + ITEM_NUMBER]
    this.offset = items[at + ITEM_OFFSET]
    return true
  }

  /** Of an event; to be called once. */
  get event(): RaisedEvent {
    const { objects } = this.#batch
    const shape = this.#shapes.get(this.argument) as Shape
    const at = this.#object
    this.#object += 5
    const [timeUs, id, identity, message] = [objects[at], objects[at + 1], objects[at + 2], objects[at + 3]]
    const values = objects[at + 4] as unknown[]
    const fields: Record<string, unknown> = {}
    for (let i = 0; i < values.length; i++) fields[shape.fields[i]] = values[i]
    return { name: shape.name, timeUs, id, identity, message, fields } as unknown as RaisedEvent
  }

  /** Of a carrier; to be called once. */
  get names(): CarrierNames {
    return this.#batch.objects[this.#object++] as CarrierNames
  }
}
