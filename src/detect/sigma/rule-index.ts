/**
 * Rules, found by what an event shows of them. However many there are: one look at each field that the event has and that any of
 * them asks for.
 */
import { type Clue, cluesOf, countValues } from './clues.ts'
import { numberOf } from './compile.ts'
import type { EventModel } from './model.ts'
import { NetworkIndex } from './network-index.ts'
import { NumberIndex } from './number-index.ts'
import type { SigmaRule } from './parse.ts'
import type { Shape } from './shapes.ts'
import { TextIndex } from './text-index.ts'

/** What rules want of one field. */
interface FieldIndex<E, R> {
  readonly name: string
  /** Whether the shape of an event tells that it lacks the field. */
  readonly isStored: boolean
  readonly read: (event: E) => unknown
  /** Rules for which it is enough that the field is there. */
  readonly present: readonly R[]
  readonly texts: TextIndex<R> | null
  readonly numbers: NumberIndex<R> | null
  readonly networks: NetworkIndex<R> | null
}

type Found<R> = (rule: R) => void

export class RuleIndex<E, R extends { readonly rule: SigmaRule }> {
  /** Rules that may match whatever an event shows. */
  readonly #always: R[] = []
  readonly #fields: readonly FieldIndex<E, R>[]
  /** Those fields that an event has, by the number of its shape. */
  readonly #byShape: (readonly FieldIndex<E, R>[] | undefined)[] = []
  /** What is looked for in any field. */
  readonly #anywhere: TextIndex<R> | null
  readonly #some: EventModel<E, unknown>['some']

  /** `known` is the field by which the rules have been told apart already, if there is one. */
  constructor(rules: readonly R[], model: EventModel<E, unknown>, known: string | null) {
    this.#some = model.some
    const counts = countValues(rules.map(({ rule }) => rule))
    const byField = new Map<string | null, { clue: Clue; rule: R }[]>()
    for (const rule of rules) {
      const clues = cluesOf(rule.rule, counts, known)
      if (clues === null) this.#always.push(rule)
      for (const clue of clues ?? []) {
        const filed = byField.get(clue.field)
        if (filed === undefined) byField.set(clue.field, [{ clue, rule }])
        else filed.push({ clue, rule })
      }
    }
    this.#anywhere = textsOf(byField.get(null) ?? [])
    byField.delete(null)
    this.#fields = [...byField].map(([name, filed]) => ({
      name: name!,
      isStored: model.stored?.has(name!) === true,
      read: model.field(name!),
      present: [...new Set(filed.filter(({ clue }) => clue.kind === 'present').map(({ rule }) => rule))],
      texts: textsOf(filed),
      numbers: numbersOf(filed),
      networks: networksOf(filed),
    }))
  }

  /** Fields that are asked for. */
  get fields(): number {
    return this.#fields.length
  }

  /** Calls `found` for every rule that may match the event, for some more than once. `shape` is that of the event, if it is known. */
  search(event: E, shape: Shape | null, found: Found<R>): void {
    for (let i = 0; i < this.#always.length; i++) found(this.#always[i])
    const fields = shape === null ? this.#fields : (this.#byShape[shape.number] ?? this.#fieldsOf(shape))
    for (let i = 0; i < fields.length; i++) look(fields[i], event, found)
    const anywhere = this.#anywhere
    if (anywhere === null) return
    this.#some(event, (value) => {
      if (value !== undefined && value !== null) anywhere.look(value, found)
      return false
    })
  }

  #fieldsOf(shape: Shape): readonly FieldIndex<E, R>[] {
    const fields = this.#fields.filter(({ name, isStored }) => !isStored || shape.fields.has(name))
    this.#byShape[shape.number] = fields
    return fields
  }
}

function look<E, R>(field: FieldIndex<E, R>, event: E, found: Found<R>): void {
  const value = field.read(event)
  if (value === undefined) return
  const { present, texts, numbers, networks } = field
  for (let i = 0; i < present.length; i++) found(present[i])
  if (value === null) return
  if (Array.isArray(value)) {
    lookInList(value, field, found)
    return
  }
  texts?.look(value, found)
  networks?.look(value, found)
  if (numbers === null) return
  const number = numberOf(value)
  numbers.look(number, number, found)
}

/** Of a list one element may be above the lower bound of a rule, and another one below the upper. */
function lookInList<E, R>(values: readonly unknown[], field: FieldIndex<E, R>, found: Found<R>): void {
  const { texts, numbers, networks } = field
  let low = Number.POSITIVE_INFINITY
  let high = Number.NEGATIVE_INFINITY
  for (const value of values) {
    if (value === undefined || value === null) continue
    texts?.look(value, found)
    networks?.look(value, found)
    const number = numberOf(value)
    if (number < low) low = number
    if (number > high) high = number
  }
  if (low <= high) numbers?.look(low, high, found)
}

type Filed<R> = readonly { readonly clue: Clue; readonly rule: R }[]

function textsOf<R>(filed: Filed<R>): TextIndex<R> | null {
  const sought = filed.flatMap(({ clue, rule }) => ('text' in clue ? [{ kind: clue.kind, text: clue.text, rule }] : []))
  return sought.length === 0 ? null : new TextIndex(sought)
}

function numbersOf<R>(filed: Filed<R>): NumberIndex<R> | null {
  const ranges = filed.flatMap(({ clue, rule }) => ('min' in clue ? [{ min: clue.min, max: clue.max, rule }] : []))
  return ranges.length === 0 ? null : new NumberIndex(ranges)
}

function networksOf<R>(filed: Filed<R>): NetworkIndex<R> | null {
  const networks = filed.flatMap(({ clue, rule }) => ('network' in clue ? [{ network: clue.network, rule }] : []))
  return networks.length === 0 ? null : new NetworkIndex(networks)
}
