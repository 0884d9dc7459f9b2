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
 * Rules are told apart by their log source, by the value of one discriminating field, and by what else an event shows if they match
 * it (clues.ts, rule-index.ts), so that an event meets only the rules that may match it, however many there are.
 */
import { type CompiledRule, compileRule } from './compile.ts'
import { Correlator, type CorrelatorCounters, type CorrelatorHandlers, type Ledger } from './correlate.ts'
import type { EventModel } from './model.ts'
import type { SigmaCorrelation, SigmaLogSource, SigmaRule } from './parse.ts'
import { lowerCase } from './pattern.ts'
import { problemOf, SigmaError, type SigmaProblem } from './problem.ts'
import { RuleIndex } from './rule-index.ts'
import { Shapes } from './shapes.ts'
import type { Restored, StateCodec, StateEntry } from './state.ts'

export interface EngineOptions {
  /** The field by which the events are told apart, for example `event.action`. */
  readonly discriminator: string | null
  /** Groups that each correlation may follow. */
  readonly groupsMax: number
  /** What the groups of all correlations may take in memory, by an estimate. */
  readonly groupsBytesMax: number
}

export interface EngineHandlers<E, S> extends Pick<CorrelatorHandlers<E, S>, 'fired' | 'ended'> {
  /** A rule that stands for itself matched. */
  matched(rule: SigmaRule, event: E): void
}

interface ActiveRule<E> extends CompiledRule<E> {
  /** In this order the rules that may match an event are tested. */
  readonly number: number
  /** The event for which it was found last. */
  found: number
  /** False if it only serves correlations. */
  readonly alone: boolean
  readonly consumers: Consumer<E>[]
}

/**
 * The rules for events of one log source, told apart first by the value that they want of the discriminating field, then by what
 * else an event shows. Ask for it once a source, not once an event.
 */
export interface SourceRules<E> {
  /** Null where it is quicker to ask for the fields. */
  readonly shapes: Shapes | null
  readonly discriminate: ((event: E) => unknown) | null
  readonly byValue: ReadonlyMap<string, RuleIndex<E, ActiveRule<E>>>
  /** Rules that want no certain value. */
  readonly others: RuleIndex<E, ActiveRule<E>>
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
  readonly #options: EngineOptions
  readonly #ledger: Ledger
  #weighedOut = 0
  readonly #rules: readonly ActiveRule<E>[]
  readonly #correlators: readonly Correlator<E, S>[]
  #evaluations = 0
  #events = 0
  /** Rules that may match the event that is being observed, in their order; then what is left of earlier ones. */
  readonly #candidates: ActiveRule<E>[] = []
  #count = 0

  constructor(
    content: { readonly rules: readonly SigmaRule[]; readonly correlations: readonly SigmaCorrelation[] },
    model: EventModel<E, S>,
    handlers: EngineHandlers<E, S>,
    options: EngineOptions,
  ) {
    this.#handlers = handlers
    this.#model = model
    this.#discriminator = options.discriminator
    this.#options = options
    const builder = new Builder(content, model, handlers, options)
    this.#rules = builder.rules
    this.#correlators = builder.correlators
    this.#ledger = builder.ledger
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
    return sourceRules(rules, this.#discriminator, this.#model)
  }

  /** Handlers must not call it. */
  observe(event: E, source: SourceRules<E>): void {
    const { shapes, discriminate, byValue, others } = source
    const shape = shapes === null ? null : shapes.of(this.#model.stored!.fields(event))
    this.#events++
    others.search(event, shape, this.#note)
    const value = discriminate?.(event)
    if (Array.isArray(value)) for (const each of value) byValue.get(textOf(each))?.search(event, shape, this.#note)
    else if (value !== undefined && value !== null) byValue.get(textOf(value))?.search(event, shape, this.#note)
    const count = this.#count
    this.#count = 0
    for (let i = 0; i < count; i++) this.#test(this.#candidates[i], event)
    this.#makeMemory()
  }

  /** A flood of keys is kept within its own correlations: those that take the most give up their oldest groups. */
  #makeMemory(): void {
    while (this.#ledger.bytes > this.#options.groupsBytesMax) {
      let heaviest = this.#correlators[0]
      for (const correlator of this.#correlators) if (correlator.bytes > heaviest.bytes) heaviest = correlator
      if (!heaviest.evict()) return
      this.#weighedOut++
    }
  }

  /** A rule that may match the event: into its place among the others. */
  readonly #note = (active: ActiveRule<E>): void => {
    if (active.found === this.#events) return
    active.found = this.#events
    const candidates = this.#candidates
    let i = this.#count++
    for (; i > 0 && candidates[i - 1].number > active.number; i--) candidates[i] = candidates[i - 1]
    candidates[i] = active
  }

  #test(active: ActiveRule<E>, event: E): void {
    this.#evaluations++
    if (!active.matches(event)) return
    if (active.alone) this.#handlers.matched(active.rule, event)
    for (const { correlator, input } of active.consumers) correlator.add(event, input)
  }

  /** Lets time pass to `nowUs`, by the clock of the events. */
  expire(nowUs: number): void {
    for (const correlator of this.#correlators) correlator.expire(nowUs)
    this.#makeMemory()
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
      this.#makeMemory()
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

  /** Groups that may be followed: each correlation has room of its own. */
  get groupsMax(): number {
    return this.#correlators.length * this.#options.groupsMax
  }

  /** What all groups take in memory, by an estimate. */
  get bytes(): number {
    return this.#ledger.bytes
  }

  /** Groups given up because one correlation had too many of them. */
  get crowdedOut(): number {
    return this.#ledger.crowdedOut
  }

  /** Groups given up because all of them took too much memory. */
  get weighedOut(): number {
    return this.#weighedOut
  }
}

/** From so many fields on, that rules ask for, an event is asked which of them it has. */
const FIELDS_MIN = 12

function sourceRules<E>(
  rules: readonly ActiveRule<E>[],
  discriminator: string | null,
  model: EventModel<E, unknown>,
): SourceRules<E> {
  const groups = new Map<string, ActiveRule<E>[]>()
  const others: ActiveRule<E>[] = []
  for (const active of rules) {
    const values = discriminator === null ? undefined : active.required.get(discriminator)
    if (values === undefined) others.push(active)
    for (const value of values ?? []) {
      const group = groups.get(value)
      if (group === undefined) groups.set(value, [active])
      else group.push(active)
    }
  }
  const byValue = new Map([...groups].map(([value, group]) => [value, new RuleIndex(group, model, discriminator)]))
  const index = new RuleIndex<E, ActiveRule<E>>(others, model, null)
  const asked = index.fields + Math.max(0, ...[...byValue.values()].map(({ fields }) => fields))
  return {
    shapes: model.stored === undefined || asked < FIELDS_MIN ? null : new Shapes(),
    discriminate: discriminator === null ? null : model.field(discriminator),
    byValue,
    others: index,
  }
}

function textOf(value: unknown): string {
  return typeof value === 'string' ? lowerCase(value) : String(value)
}

/** A rule or a correlation that correlations may refer to. */
interface Reference<E> {
  readonly header: SigmaRule | SigmaCorrelation
  readonly consumers: Consumer<E>[]
}

class Builder<E, S> {
  readonly rules: ActiveRule<E>[] = []
  readonly correlators: Correlator<E, S>[] = []
  readonly ledger: Ledger = { bytes: 0, crowdedOut: 0 }
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
      const active = { ...compiled, number: this.rules.length, found: 0, alone: this.#isAlone(rule), consumers: [] }
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
        this.ledger,
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
