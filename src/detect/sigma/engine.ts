/**
 * A streaming engine for Sigma (specification 2.1.0), a library of its own: the files of this folder need Node.js, the package
 * `yaml`, and nothing of the project around them. To use it elsewhere, take the folder.
 *
 *     parseSigma(text, file)            → rules, correlations, filters, and what is wrong with them (parse.ts)
 *     applyFilters(rules, filters)      → the rules with their exceptions (filter.ts)
 *     translateRule(rule, taxonomy)     → the rule in the words of other events (taxonomy.ts)
 *     new SigmaEngine(content, model, handlers, options)
 *       .source(logsource) .observe(event, rules) .expire(nowUs) .end() .save(codec) .restore(entries, codec)
 *
 * An `EventModel` (model.ts) says how fields, ids and times are read; state.ts makes a document of what is remembered. Whatever
 * cannot be understood or run as a whole is refused with file, line and reason.
 *
 * Rules are filed by their log source, by the value of one discriminating field, and by the values of what other fields they
 * require, and by the parts of texts that they look for, so that an event meets only the rules that may match it, however many
 * there are.
 */
import { type CompiledRule, compileRule } from './compile.ts'
import { Correlator, type CorrelatorCounters, type CorrelatorHandlers } from './correlate.ts'
import { type FieldMark, FieldMarks } from './field-marks.ts'
import type { EventModel } from './model.ts'
import { isIndexable, NeedleIndex } from './needle-index.ts'
import type { SigmaCorrelation, SigmaLogSource, SigmaRule } from './parse.ts'
import { lowerCase } from './pattern.ts'
import { problemOf, SigmaError, type SigmaProblem } from './problem.ts'
import { type Needle, neededBy, needlesOf } from './requirements.ts'
import type { Restored, StateCodec, StateEntry } from './state.ts'

export interface EngineOptions {
  /** The field by which the events are told apart, for example `event.action`. */
  readonly discriminator: string | null
  /** Groups that each correlation may follow. */
  readonly groupsMax: number
}

export interface EngineHandlers<E, S> extends Pick<CorrelatorHandlers<E, S>, 'fired' | 'ended'> {
  /** A rule that stands for itself matched. */
  matched(rule: SigmaRule, event: E): void
}

/** The rules for events of one log source, filed. Ask for it once a source, not once an event. */
export type SourceRules<E> = Shelf<E>

interface ActiveRule<E> extends CompiledRule<E> {
  /** False if it only serves correlations. */
  readonly alone: boolean
  readonly consumers: Consumer<E>[]
}

/**
 * Rules to be tested one by one; those that need a field at all; rules filed by the value of a field that each requires; rules filed
 * by parts of texts.
 */
interface Shelf<E> {
  /** Null where the rules name few fields. */
  readonly marks: FieldMarks<E> | null
  readonly loose: readonly ActiveRule<E>[]
  readonly needing: readonly FieldRules<E>[]
  readonly files: readonly RuleFile<E>[]
  readonly needles: NeedleIndex<E, SoughtRule<E>> | null
}

interface FieldReader<E> {
  readonly mark: FieldMark | null
  readonly read: (event: E) => unknown
}

/** Rules that cannot match an event without any of the fields. */
interface FieldRules<E> {
  readonly fields: readonly FieldReader<E>[]
  readonly rules: readonly ActiveRule<E>[]
}

interface SoughtRule<E> {
  readonly active: ActiveRule<E>
  readonly needles: readonly Needle[] | null
}

interface RuleFile<E> extends FieldReader<E> {
  readonly byValue: ReadonlyMap<string, Shelf<E>>
  /** For a list, which may hold several of the values. */
  readonly all: readonly ActiveRule<E>[]
}

interface Consumer<E> {
  readonly correlator: { add(event: E, input: number): void }
  readonly input: number
}

export class SigmaEngine<E, S> {
  /** Rules and correlations that do not compile, and what refers to them. */
  readonly problems: readonly SigmaProblem[]
  readonly refused: readonly (SigmaRule | SigmaCorrelation)[]
  readonly #handlers: EngineHandlers<E, S>
  readonly #model: EventModel<E, S>
  readonly #discriminator: string | null
  readonly #rules: readonly ActiveRule<E>[]
  readonly #correlators: readonly Correlator<E, S>[]
  #evaluations = 0
  /** What is being observed, for the rules that an index finds. */
  #event: E | null = null

  constructor(
    content: { readonly rules: readonly SigmaRule[]; readonly correlations: readonly SigmaCorrelation[] },
    model: EventModel<E, S>,
    handlers: EngineHandlers<E, S>,
    options: EngineOptions,
  ) {
    this.#handlers = handlers
    this.#model = model
    this.#discriminator = options.discriminator
    const builder = new Builder(content, model, handlers, options)
    this.#rules = builder.rules
    this.#correlators = builder.correlators
    this.problems = builder.problems
    this.refused = builder.refused
  }

  /** The rules that events of this source meet: a rule's source fits if whatever it names is the same. */
  source(source: SigmaLogSource): SourceRules<E> {
    const fits = (wanted: string | undefined, given: string | undefined) => wanted === undefined || wanted === given
    const rules = this.#rules.filter(({ rule: { logsource } }) => {
      return (
        fits(logsource.product, source.product) &&
        fits(logsource.category, source.category) &&
        fits(logsource.service, source.service)
      )
    })
    return shelve(rules, this.#discriminator, this.#model)
  }

  observe(event: E, source: SourceRules<E>): void {
    const { marks, loose, needing, files, needles } = source
    marks?.look(event)
    for (let i = 0; i < loose.length; i++) this.#test(loose[i], event)
    for (let i = 0; i < needing.length; i++) {
      const { fields, rules } = needing[i]
      if (!hasAny(event, fields, marks)) continue
      for (let j = 0; j < rules.length; j++) this.#test(rules[j], event)
    }
    for (let i = 0; i < files.length; i++) {
      const file = files[i]
      if (marks !== null && !marks.mayHave(file.mark)) continue
      const value = file.read(event)
      if (value === undefined || value === null) continue
      if (Array.isArray(value)) {
        for (const rule of file.all) this.#test(rule, event)
        continue
      }
      const shelf = file.byValue.get(typeof value === 'string' ? lowerCase(value) : String(value))
      if (shelf !== undefined) this.observe(event, shelf)
    }
    if (needles === null) return
    this.#event = event
    needles.search(event, this.#testFound, marks)
  }

  readonly #testFound = ({ active }: SoughtRule<E>): void => this.#test(active, this.#event!)

  #test(active: ActiveRule<E>, event: E): void {
    this.#evaluations++
    if (!active.matches(event)) return
    if (active.alone) this.#handlers.matched(active.rule, event)
    for (const { correlator, input } of active.consumers) correlator.add(event, input)
  }

  /** Lets time pass to `nowUs`, by the clock of the events. */
  expire(nowUs: number): void {
    for (const correlator of this.#correlators) correlator.expire(nowUs)
  }

  /** Ends every incident: no more events will come. */
  end(): void {
    for (const correlator of this.#correlators) correlator.end()
  }

  /** What every correlation remembers; see `state.ts`. */
  *save(codec: StateCodec<E, S>): Generator<StateEntry> {
    for (const correlator of this.#correlators) yield* correlator.save(codec)
  }

  /** Takes up what another engine saved; for one that has seen no event. */
  restore(entries: readonly StateEntry[], codec: StateCodec<E, S>): Restored {
    const result: Restored = { restored: 0, outdated: 0 }
    for (const entry of entries.toReversed()) {
      if (this.#correlators.some((correlator) => correlator.restore(entry, codec))) result.restored++
      else result.outdated++
    }
    return result
  }

  /** Conditions of rules that were evaluated: what the filing of the rules saves shows here. */
  get evaluations(): number {
    return this.#evaluations
  }

  /** What the correlations left out, all together. */
  get counters(): CorrelatorCounters {
    const sum = { evicted: 0, late: 0, incomplete: 0, crowded: 0 }
    for (const { counters } of this.#correlators) {
      sum.evicted += counters.evicted
      sum.late += counters.late
      sum.incomplete += counters.incomplete
      sum.crowded += counters.crowded
    }
    return sum
  }

  /** Groups that are being followed. */
  get groups(): number {
    let groups = 0
    for (const correlator of this.#correlators) groups += correlator.groups
    return groups
  }
}

/** So few rules are tested as fast as they are looked up. */
const LOOSE_MAX = 4
/** From so many fields on an event is asked which of them it has. */
const FIELDS_MIN = 24
/** A rule with many values in many fields stands in the product of them: this bounds the power. */
const DEPTH_MAX = 3

/**
 * First by `discriminator`, then by whatever field tells most of the remaining rules apart. A rule stands in one file
 * of a shelf only, so that an event meets it once.
 */
function shelve<E>(
  rules: readonly ActiveRule<E>[],
  discriminator: string | null,
  model: EventModel<E, unknown>,
  filed: readonly string[] = [],
): Shelf<E> {
  const marks = model.stored === undefined ? null : new FieldMarks<E>(model.stored)
  const files: RuleFile<E>[] = []
  let loose = rules
  for (;;) {
    const first = filed.length === 0 && files.length === 0
    const preferred = first ? discriminator : null
    const field = preferred ?? (loose.length > LOOSE_MAX && filed.length < DEPTH_MAX ? mostTelling(loose, filed) : null)
    if (field === null) {
      const shelf = { ...byTexts(loose, model, marks, filed), files }
      return { ...shelf, marks: marks !== null && marks.fields >= FIELDS_MIN ? marks : null }
    }
    const all = loose.filter(({ required }) => required.has(field))
    const groups = new Map<string, ActiveRule<E>[]>()
    for (const rule of all) {
      for (const value of rule.required.get(field)!) {
        const group = groups.get(value)
        if (group === undefined) groups.set(value, [rule])
        else group.push(rule)
      }
    }
    const byValue = new Map<string, Shelf<E>>()
    for (const [value, group] of groups) byValue.set(value, shelve(group, discriminator, model, [...filed, field]))
    files.push({ mark: marks?.of(field) ?? null, read: model.field(field), byValue, all })
    loose = loose.filter(({ required }) => !required.has(field))
  }
}

/** So many rules are worth a walk over the texts. */
const NEEDLES_MIN = 12

function byTexts<E>(
  rules: readonly ActiveRule<E>[],
  model: EventModel<E, unknown>,
  marks: FieldMarks<E> | null,
  filed: readonly string[],
): Omit<Shelf<E>, 'files' | 'marks'> {
  const sought = rules.map((active) => ({ active, needles: needlesOf(active.rule, filed) }))
  const indexable = sought.filter(isIndexable)
  if (indexable.length < NEEDLES_MIN) return { ...byPresence(rules, model, marks, filed), needles: null }
  const others = sought.filter((rule) => !isIndexable(rule)).map(({ active }) => active)
  const needles = new NeedleIndex<E, SoughtRule<E>>(indexable, model, marks)
  return { ...byPresence(others, model, marks, filed), needles }
}

/** Rules that need the same fields stand together. */
function byPresence<E>(
  rules: readonly ActiveRule<E>[],
  model: EventModel<E, unknown>,
  marks: FieldMarks<E> | null,
  filed: readonly string[],
): Pick<Shelf<E>, 'loose' | 'needing'> {
  if (rules.length <= LOOSE_MAX) return { loose: rules, needing: [] }
  const loose: ActiveRule<E>[] = []
  const byFields = new Map<string, { names: ReadonlySet<string>; rules: ActiveRule<E>[] }>()
  for (const active of rules) {
    const names = neededBy(active.rule, filed)
    if (names === null) {
      loose.push(active)
      continue
    }
    const key = JSON.stringify([...names].sort())
    const group = byFields.get(key) ?? { names, rules: [] }
    byFields.set(key, group)
    group.rules.push(active)
  }
  const needing = [...byFields.values()].map((group) => ({
    fields: [...group.names].map((name) => ({ mark: marks?.of(name) ?? null, read: model.field(name) })),
    rules: group.rules,
  }))
  return { loose, needing }
}

function hasAny<E>(event: E, fields: readonly FieldReader<E>[], marks: FieldMarks<E> | null): boolean {
  for (let i = 0; i < fields.length; i++) {
    const { mark, read } = fields[i]
    if (marks !== null && !marks.mayHave(mark)) continue
    const value = read(event)
    if (value !== undefined && value !== null) return true
  }
  return false
}

/** The field for which the rules require the most different values; null if none tells any apart. */
function mostTelling<E>(rules: readonly ActiveRule<E>[], filed: readonly string[]): string | null {
  const values = new Map<string, Set<string>>()
  for (const { required } of rules) {
    for (const [field, wanted] of required) {
      if (filed.includes(field)) continue
      const known = values.get(field) ?? new Set()
      for (const value of wanted) known.add(value)
      values.set(field, known)
    }
  }
  let best: string | null = null
  let most = 1
  for (const [field, known] of values) {
    if (known.size > most) {
      best = field
      most = known.size
    }
  }
  return best
}

/** A rule or a correlation that correlations may refer to. */
interface Reference<E> {
  readonly header: SigmaRule | SigmaCorrelation
  readonly consumers: Consumer<E>[]
}

class Builder<E, S> {
  readonly rules: ActiveRule<E>[] = []
  readonly correlators: Correlator<E, S>[] = []
  readonly problems: SigmaProblem[] = []
  readonly refused: (SigmaRule | SigmaCorrelation)[] = []
  readonly #model: EventModel<E, S>
  readonly #handlers: EngineHandlers<E, S>
  readonly #options: EngineOptions
  readonly #references = new Map<string, Reference<E>>()
  /** Correlations by id and name. */
  readonly #pending = new Map<string, SigmaCorrelation>()
  /** By id and name: true if a correlation refers to it, and leaves it to stand for itself. */
  readonly #referred = new Map<string, boolean>()
  readonly #visited = new Set<SigmaCorrelation>()

  constructor(
    content: { readonly rules: readonly SigmaRule[]; readonly correlations: readonly SigmaCorrelation[] },
    model: EventModel<E, S>,
    handlers: EngineHandlers<E, S>,
    options: EngineOptions,
  ) {
    this.#model = model
    this.#handlers = handlers
    this.#options = options
    for (const correlation of content.correlations) {
      for (const name of namesOf(correlation)) this.#pending.set(name, correlation)
      for (const name of correlation.rules) {
        this.#referred.set(name, correlation.generate || this.#referred.get(name) === true)
      }
    }
    for (const rule of content.rules) this.#addRule(rule)
    for (const correlation of content.correlations) this.#addCorrelation(correlation)
  }

  #isAlone(header: SigmaRule | SigmaCorrelation): boolean {
    const referred = namesOf(header).filter((name) => this.#referred.has(name))
    return referred.length === 0 || referred.some((name) => this.#referred.get(name) === true)
  }

  #addRule(rule: SigmaRule): void {
    try {
      const compiled = compileRule(rule, this.#model)
      const active = { ...compiled, alone: this.#isAlone(rule), consumers: [] }
      this.rules.push(active)
      for (const name of namesOf(rule)) this.#references.set(name, { header: rule, consumers: active.consumers })
    } catch (error) {
      this.#refuse(rule, error)
    }
  }

  /** What it refers to is built first; a circle finds itself visited and not yet there. */
  #addCorrelation(correlation: SigmaCorrelation): void {
    if (this.#visited.has(correlation)) return
    this.#visited.add(correlation)
    const alone = this.#isAlone(correlation)
    try {
      const inputs = correlation.rules.map((name) => this.#resolve(correlation, name))
      const consumers: Consumer<E>[] = []
      const correlator = new Correlator<E, S>(
        correlation,
        inputs.map(({ header }) => namesOf(header)),
        this.#model,
        {
          fired: (firing) => alone && this.#handlers.fired(firing),
          ended: (incident) => alone && this.#handlers.ended(incident),
          held: (event) => {
            for (const consumer of consumers) consumer.correlator.add(event, consumer.input)
          },
        },
        this.#options.groupsMax,
      )
      inputs.forEach((reference, input) => {
        reference.consumers.push({ correlator, input })
      })
      this.correlators.push(correlator)
      for (const name of namesOf(correlation)) this.#references.set(name, { header: correlation, consumers })
    } catch (error) {
      this.#refuse(correlation, error)
    }
  }

  #refuse(header: SigmaRule | SigmaCorrelation, error: unknown): void {
    this.problems.push(problemOf(header.file, error))
    this.refused.push(header)
  }

  #resolve(correlation: SigmaCorrelation, name: string): Reference<E> {
    const pending = this.#pending.get(name)
    if (pending !== undefined) this.#addCorrelation(pending)
    const reference = this.#references.get(name)
    if (reference !== undefined) return reference
    const line = correlation.lines['correlation'] ?? correlation.line
    throw new SigmaError('correlation.rules', line, `there is no usable rule or correlation "${name}"`)
  }
}

function namesOf(header: SigmaRule | SigmaCorrelation): string[] {
  return [header.name, header.id].filter((name) => name !== undefined)
}
