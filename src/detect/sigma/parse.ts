/**
 * Sigma YAML (specification 2.1.0) → typed rules and correlations. A document that cannot be understood as a whole is
 * refused with the line, the key and what was expected; it is never applied in part.
 */
import { type Document, isAlias, isMap, isScalar, isSeq, LineCounter, type Node, parseAllDocuments } from 'yaml'
import { type Condition, parseCondition } from './condition.ts'
import { canHold, COMPARISONS, type Comparison, type Criterion, type Measure } from './criteria.ts'
import { problemOf, SigmaError, type SigmaProblem } from './problem.ts'

export type SigmaScalar = string | number | boolean | null

const LEVELS = ['informational', 'low', 'medium', 'high', 'critical'] as const
export type SigmaLevel = (typeof LEVELS)[number]

const STATUSES = ['stable', 'test', 'experimental', 'deprecated', 'unsupported'] as const
type SigmaStatus = (typeof STATUSES)[number]

/** What rules and correlations have in common. */
export interface SigmaHeader {
  readonly file: string
  readonly line: number
  readonly title: string
  readonly id: string | undefined
  readonly name: string | undefined
  readonly status: SigmaStatus | undefined
  readonly description: string | undefined
  readonly author: string | undefined
  readonly references: readonly string[]
  readonly tags: readonly string[]
  readonly falsepositives: readonly string[]
  readonly level: SigmaLevel | undefined
  /** Attributes that the specification does not know, as plain values. */
  readonly custom: Readonly<Record<string, unknown>>
  /** The line of each attribute. */
  readonly lines: Readonly<Record<string, number>>
}

export interface SigmaLogSource {
  readonly category: string | undefined
  readonly product: string | undefined
  readonly service: string | undefined
}

/** One `field|modifier: values`; a keyword search has no field. */
export interface DetectionItem {
  readonly key: string
  readonly line: number
  readonly field: string | null
  readonly modifiers: readonly string[]
  readonly values: readonly SigmaScalar[]
}

/** A map is `all` of its items, a list is `any` of its entries. */
export type Detection =
  | { readonly kind: 'item'; readonly item: DetectionItem }
  | { readonly kind: 'all' | 'any'; readonly parts: readonly Detection[] }

export interface SigmaRule extends SigmaHeader {
  readonly kind: 'rule'
  readonly logsource: SigmaLogSource
  readonly detections: ReadonlyMap<string, Detection>
  readonly condition: Condition
}

const CORRELATION_TYPES = [
  'event_count',
  'value_count',
  'temporal',
  'temporal_ordered',
  'value_sum',
  'value_avg',
  'value_percentile',
] as const
type CorrelationType = (typeof CORRELATION_TYPES)[number]

const EVENTS: Measure = { name: 'number of events', least: 1, most: Number.POSITIVE_INFINITY, isWhole: true }
const RULES: Measure = { ...EVENTS, name: 'number of rules' }
const NUMBER: Measure = {
  name: 'number',
  least: Number.NEGATIVE_INFINITY,
  most: Number.POSITIVE_INFINITY,
  isWhole: false,
}

const MEASURES: Readonly<Record<CorrelationType, Measure>> = {
  event_count: EVENTS,
  value_count: { ...EVENTS, name: 'number of values', least: 0 },
  temporal: RULES,
  temporal_ordered: RULES,
  value_sum: NUMBER,
  value_avg: NUMBER,
  value_percentile: NUMBER,
}

export interface SigmaCorrelation extends SigmaHeader {
  readonly kind: 'correlation'
  readonly type: CorrelationType
  /** Ids or names of rules or correlations. */
  readonly rules: readonly string[]
  readonly groupBy: readonly string[]
  /** Alias → (id or name of the rule → field). */
  readonly aliases: ReadonlyMap<string, ReadonlyMap<string, string>>
  readonly timespanUs: number
  /** All must hold. */
  readonly criteria: readonly Criterion[]
  /** The fields whose values are counted or added up. */
  readonly fields: readonly string[]
  /** 1 to 100, of `value_percentile`. */
  readonly percentile: number
  /** True if the rules it refers to also stand for themselves. */
  readonly generate: boolean
}

/** What is left out of the rules that it names (specification 2.1.0, "Filters"). */
export interface SigmaFilter extends SigmaHeader {
  readonly kind: 'filter'
  readonly logsource: SigmaLogSource
  /** Ids or names of rules; null for every rule of the log source. */
  readonly rules: readonly string[] | null
  readonly detections: ReadonlyMap<string, Detection>
  /** Holds for the events that the rules still see. */
  readonly condition: Condition
}

export interface SigmaContent {
  readonly rules: readonly SigmaRule[]
  readonly correlations: readonly SigmaCorrelation[]
  readonly filters: readonly SigmaFilter[]
  readonly problems: readonly SigmaProblem[]
}

/** How many YAML aliases a document may use, so that a small file cannot unfold into a huge one. */
const ALIASES_MAX = 100
const TITLE_CHARACTERS_MAX = 256

/** Reads every document of `text`. `file` only names it in rules and problems. */
export function parseSigma(text: string, file: string): SigmaContent {
  const rules: SigmaRule[] = []
  const correlations: SigmaCorrelation[] = []
  const filters: SigmaFilter[] = []
  const problems: SigmaProblem[] = []
  const counter = new LineCounter()
  const options = { lineCounter: counter, logLevel: 'silent', prettyErrors: false } as const
  const documents = parseAllDocuments(text, options).filter((document) => !isEmpty(document))
  if (documents.length === 0) {
    return {
      rules,
      correlations,
      filters,
      problems: [{ file, line: 1, key: '', message: 'the file holds no document' }],
    }
  }
  for (const document of documents) {
    const fault = document.errors[0]
    if (fault !== undefined) {
      const { line } = counter.linePos(fault.pos[0])
      problems.push({ file, line, key: '', message: `not valid YAML: ${fault.message}` })
      continue
    }
    try {
      const parsed = new Reader(document, counter, file).read()
      if (parsed.kind === 'rule') rules.push(parsed)
      else if (parsed.kind === 'correlation') correlations.push(parsed)
      else filters.push(parsed)
    } catch (error) {
      problems.push(problemOf(file, error))
    }
  }
  return { rules, correlations, filters, problems }
}

/** What stands behind a last `---`. */
function isEmpty({ contents, errors }: Document.Parsed): boolean {
  return errors.length === 0 && (contents === null || (isScalar(contents) && contents.value === null))
}

interface Entry {
  readonly name: string
  readonly key: string
  readonly line: number
  readonly value: Node | null
}

const HEADER_KEYS = new Set([
  'title',
  'id',
  'related',
  'name',
  'taxonomy',
  'status',
  'description',
  'license',
  'author',
  'references',
  'date',
  'modified',
  'fields',
  'falsepositives',
  'level',
  'tags',
  'scope',
  'logsource',
  'detection',
  'correlation',
  'generate',
  'filter',
])

class Reader {
  readonly #document: Document.Parsed
  readonly #counter: LineCounter
  readonly #file: string
  #aliases = 0

  constructor(document: Document.Parsed, counter: LineCounter, file: string) {
    this.#document = document
    this.#counter = counter
    this.#file = file
  }

  read(): SigmaRule | SigmaCorrelation | SigmaFilter {
    const line = this.#line(this.#document.contents, this.#counter.linePos(this.#document.range[0]).line)
    const top = this.#map(this.#document.contents, '', line)
    const action = top.get('action')
    if (action !== undefined) {
      throw new SigmaError(
        'action',
        action.line,
        'rule collections with `action` are not supported: write each rule out',
      )
    }
    const detection = top.get('detection')
    const correlation = top.get('correlation')
    const filter = top.get('filter')
    const [, second] = [detection, correlation, filter].filter((entry) => entry !== undefined)
    if (second !== undefined) {
      throw new SigmaError(
        second.name,
        second.line,
        'a document is a rule, a correlation or a filter, not several of them',
      )
    }
    if (detection !== undefined) return this.#rule(this.#header(top, line), top, detection)
    if (correlation !== undefined) return this.#correlation(this.#header(top, line), top, correlation)
    if (filter !== undefined) return this.#filter(this.#header(top, line), top, filter)
    throw new SigmaError('', line, 'expected `detection`, `correlation` or `filter`')
  }

  #header(top: Map<string, Entry>, line: number): SigmaHeader {
    const custom: Record<string, unknown> = {}
    const lines: Record<string, number> = {}
    for (const [name, entry] of top) {
      lines[name] = entry.line
      if (!HEADER_KEYS.has(name)) custom[name] = this.#plain(entry)
    }
    const title = this.#optionalText(top.get('title'))
    if (title === undefined || title === '') throw new SigmaError('title', line, 'expected a title')
    if (title.length > TITLE_CHARACTERS_MAX) {
      throw new SigmaError('title', lines['title'], `a title has at most ${TITLE_CHARACTERS_MAX} characters`)
    }
    return {
      file: this.#file,
      line,
      title,
      id: this.#optionalText(top.get('id')),
      name: this.#optionalText(top.get('name')),
      status: this.#choice(top.get('status'), STATUSES),
      description: this.#optionalText(top.get('description')),
      author: this.#optionalText(top.get('author')),
      references: this.#texts(top.get('references')),
      tags: this.#texts(top.get('tags')),
      falsepositives: this.#texts(top.get('falsepositives')),
      level: this.#choice(top.get('level'), LEVELS),
      custom,
      lines,
    }
  }

  #rule(header: SigmaHeader, top: Map<string, Entry>, entry: Entry): SigmaRule {
    return {
      ...header,
      kind: 'rule',
      logsource: this.#logsource(header, top),
      ...this.#searches(this.#map(entry.value, 'detection', entry.line), entry),
    }
  }

  #filter(header: SigmaHeader, top: Map<string, Entry>, entry: Entry): SigmaFilter {
    const body = this.#map(entry.value, 'filter', entry.line)
    const named = body.get('rules')
    body.delete('rules')
    if (named === undefined) {
      throw new SigmaError(
        'filter.rules',
        entry.line,
        'expected ids or names of rules, or any for all of the log source',
      )
    }
    const rules = this.#texts(named)
    return {
      ...header,
      kind: 'filter',
      logsource: this.#logsource(header, top),
      // The schema wants a list of rules; "any" is what the reference implementation takes for all of them.
      rules: rules.length === 0 || (rules.length === 1 && rules[0].toLowerCase() === 'any') ? null : rules,
      ...this.#searches(body, entry),
    }
  }

  #logsource(header: SigmaHeader, top: Map<string, Entry>): SigmaLogSource {
    const source = top.get('logsource')
    if (source === undefined) throw new SigmaError('logsource', header.line, 'expected a log source')
    const logsource = this.#map(source.value, 'logsource', source.line)
    return {
      category: this.#optionalText(logsource.get('category'))?.toLowerCase(),
      product: this.#optionalText(logsource.get('product'))?.toLowerCase(),
      service: this.#optionalText(logsource.get('service'))?.toLowerCase(),
    }
  }

  /** The search identifiers and the condition over them. */
  #searches(body: Map<string, Entry>, entry: Entry): Pick<SigmaRule, 'detections' | 'condition'> {
    const detections = new Map<string, Detection>()
    let condition: Entry | undefined
    for (const [name, part] of body) {
      if (name === 'condition') condition = part
      else if (name === 'timeframe') {
        throw new SigmaError(part.key, part.line, '`timeframe` is deprecated and not supported: write a correlation')
      } else detections.set(name, this.#detection(part))
    }
    if (condition === undefined) throw new SigmaError(`${entry.key}.condition`, entry.line, 'expected a condition')
    if (detections.size === 0) throw new SigmaError(entry.key, entry.line, 'expected at least one search identifier')
    return { detections, condition: this.#condition(condition, [...detections.keys()]) }
  }

  /** A list of conditions is their disjunction (specification, "Condition"). */
  #condition(entry: Entry, names: readonly string[]): Condition {
    const texts = this.#texts(entry)
    if (texts.length === 0) throw new SigmaError(entry.key, entry.line, 'expected a condition')
    const operands = texts.map((text) => parseCondition(text, names, entry.key, entry.line))
    return operands.length === 1 ? operands[0] : { kind: 'or', operands }
  }

  #detection(entry: Entry): Detection {
    const node = this.#resolve(entry.value, entry.key, entry.line)
    if (isMap(node)) {
      const parts: Detection[] = []
      for (const item of this.#map(node, entry.key, entry.line).values()) parts.push(this.#item(item))
      if (parts.length === 0) throw new SigmaError(entry.key, entry.line, 'expected at least one field')
      return parts.length === 1 ? parts[0] : { kind: 'all', parts }
    }
    if (!isSeq(node)) return keywords(entry, [this.#scalar(node, entry.key, entry.line)])
    const parts: Detection[] = []
    const words: SigmaScalar[] = []
    for (const child of node.items as (Node | null)[]) {
      const line = this.#line(child, entry.line)
      const value = this.#resolve(child, entry.key, line)
      if (isMap(value)) parts.push(this.#detection({ ...entry, line, value }))
      else words.push(this.#scalar(value, entry.key, line))
    }
    if (words.length > 0) parts.push(keywords(entry, words))
    if (parts.length === 0) throw new SigmaError(entry.key, entry.line, 'expected at least one value')
    return parts.length === 1 ? parts[0] : { kind: 'any', parts }
  }

  #item(entry: Entry): Detection {
    const [field, ...written] = entry.name.split('|')
    const modifiers = written.map((modifier) => SYNONYMS[modifier] ?? modifier)
    if (field === '' && modifiers.length === 0) throw new SigmaError(entry.key, entry.line, 'expected a field name')
    const node = this.#resolve(entry.value, entry.key, entry.line)
    const values = isSeq(node)
      ? (node.items as (Node | null)[]).map((child) => this.#scalar(child, entry.key, this.#line(child, entry.line)))
      : [this.#scalar(node, entry.key, entry.line)]
    if (values.length === 0) throw new SigmaError(entry.key, entry.line, 'expected at least one value')
    const item = { key: entry.key, line: entry.line, field: field === '' ? null : field, modifiers, values }
    return { kind: 'item', item }
  }

  #correlation(header: SigmaHeader, top: Map<string, Entry>, entry: Entry): SigmaCorrelation {
    const body = this.#map(entry.value, 'correlation', entry.line)
    for (const { name, key, line } of body.values()) {
      if (!CORRELATION_KEYS.has(name)) {
        throw new SigmaError(key, line, `unknown key; expected one of ${[...CORRELATION_KEYS].join(', ')}`)
      }
    }
    const type = this.#choice(body.get('type'), CORRELATION_TYPES)
    if (type === undefined) {
      throw new SigmaError('correlation.type', entry.line, `expected one of ${CORRELATION_TYPES.join(', ')}`)
    }
    const rules = this.#texts(body.get('rules'))
    if (rules.length === 0) throw new SigmaError('correlation.rules', entry.line, 'expected ids or names of rules')
    const timespan = body.get('timespan')
    if (timespan === undefined) throw new SigmaError('correlation.timespan', entry.line, 'expected a time span')
    const generate = top.get('generate') ?? body.get('generate')
    return {
      ...header,
      kind: 'correlation',
      type,
      rules,
      groupBy: this.#texts(body.get('group-by')),
      aliases: this.#aliasTable(body.get('aliases')),
      timespanUs: this.#timespan(timespan),
      generate: generate !== undefined && this.#flag(generate),
      ...this.#criteria(type, rules.length, body.get('condition'), entry.line),
    }
  }

  #criteria(
    type: CorrelationType,
    rules: number,
    entry: Entry | undefined,
    line: number,
  ): Pick<SigmaCorrelation, 'criteria' | 'fields' | 'percentile'> {
    const temporal = type === 'temporal' || type === 'temporal_ordered'
    if (entry === undefined) {
      if (temporal) return { criteria: [{ comparison: 'gte', value: rules }], fields: [], percentile: 0 }
      throw new SigmaError('correlation.condition', line, `expected a condition with one of ${COMPARISONS.join(', ')}`)
    }
    const criteria: Criterion[] = []
    let fields: readonly string[] = []
    let percentile = 0
    for (const part of this.#map(entry.value, entry.key, entry.line).values()) {
      if (part.name === 'field') fields = this.#texts(part)
      else if (part.name === 'percentile') percentile = this.#number(part)
      else if ((COMPARISONS as readonly string[]).includes(part.name)) {
        criteria.push({ comparison: part.name as Comparison, value: this.#number(part) })
      } else throw new SigmaError(part.key, part.line, `expected field, percentile or one of ${COMPARISONS.join(', ')}`)
    }
    const counted = type.startsWith('value_')
    if (criteria.length === 0) {
      if (!temporal) throw new SigmaError(entry.key, entry.line, `expected one of ${COMPARISONS.join(', ')}`)
      criteria.push({ comparison: 'gte', value: rules })
    }
    if (counted && fields.length === 0) {
      throw new SigmaError(`${entry.key}.field`, entry.line, `${type} needs the field whose values it looks at`)
    }
    if (!counted && fields.length > 0) throw new SigmaError(`${entry.key}.field`, entry.line, `${type} takes no field`)
    if (counted && type !== 'value_count' && fields.length > 1) {
      throw new SigmaError(`${entry.key}.field`, entry.line, `${type} takes one field`)
    }
    if (type === 'value_percentile' ? !(percentile >= 1 && percentile <= 100) : percentile !== 0) {
      throw new SigmaError(`${entry.key}.percentile`, entry.line, 'value_percentile, and nothing else, takes 1 to 100')
    }
    const measure = temporal ? { ...MEASURES[type], most: rules } : MEASURES[type]
    if (!canHold(criteria, measure)) throw new SigmaError(entry.key, entry.line, `no ${measure.name} is like that`)
    return { criteria, fields, percentile }
  }

  #aliasTable(entry: Entry | undefined): Map<string, Map<string, string>> {
    const table = new Map<string, Map<string, string>>()
    if (entry === undefined) return table
    for (const alias of this.#map(entry.value, entry.key, entry.line).values()) {
      const fields = new Map<string, string>()
      for (const rule of this.#map(alias.value, alias.key, alias.line).values()) {
        const field = this.#optionalText(rule)
        if (field !== undefined) fields.set(rule.name, field)
      }
      table.set(alias.name, fields)
    }
    return table
  }

  #timespan(entry: Entry): number {
    const text = this.#optionalText(entry) ?? ''
    const timespanUs = parseTimespanUs(text)
    if (timespanUs === null) {
      throw new SigmaError(entry.key, entry.line, `expected a number and s, m, h or d, as in 15m, not "${text}"`)
    }
    return timespanUs
  }

  #flag(entry: Entry): boolean {
    const value = this.#scalar(entry.value, entry.key, entry.line)
    if (typeof value !== 'boolean') throw new SigmaError(entry.key, entry.line, 'expected true or false')
    return value
  }

  #number(entry: Entry): number {
    const value = this.#scalar(entry.value, entry.key, entry.line)
    if (typeof value !== 'number' || !Number.isFinite(value))
      throw new SigmaError(entry.key, entry.line, 'expected a number')
    return value
  }

  #optionalText(entry: Entry | undefined): string | undefined {
    if (entry === undefined) return undefined
    const value = this.#scalar(entry.value, entry.key, entry.line)
    return value === null ? undefined : String(value)
  }

  #texts(entry: Entry | undefined): string[] {
    if (entry === undefined) return []
    const node = this.#resolve(entry.value, entry.key, entry.line)
    const items = isSeq(node) ? (node.items as (Node | null)[]) : [node]
    const texts: string[] = []
    for (const item of items) {
      const value = this.#scalar(item, entry.key, this.#line(item, entry.line))
      if (value !== null) texts.push(String(value))
    }
    return texts
  }

  #choice<T extends string>(entry: Entry | undefined, choices: readonly T[]): T | undefined {
    const text = this.#optionalText(entry)
    if (entry === undefined || text === undefined) return undefined
    const choice = choices.find((known) => known === text)
    if (choice === undefined) {
      throw new SigmaError(entry.key, entry.line, `expected one of ${choices.join(', ')}, not "${text}"`)
    }
    return choice
  }

  #map(value: Node | null, key: string, line: number): Map<string, Entry> {
    const node = this.#resolve(value, key, line)
    if (!isMap(node)) throw new SigmaError(key, line, 'expected a map')
    const entries = new Map<string, Entry>()
    for (const pair of node.items) {
      const name = isScalar(pair.key) && pair.key.value !== null ? String(pair.key.value) : ''
      entries.set(name, {
        name,
        key: key === '' ? name : `${key}.${name}`,
        line: this.#line(pair.key as Node | null, line),
        value: pair.value as Node | null,
      })
    }
    return entries
  }

  #scalar(value: Node | null, key: string, line: number): SigmaScalar {
    const node = this.#resolve(value, key, line)
    if (node === null) return null
    if (!isScalar(node)) throw new SigmaError(key, line, 'expected a single value, not a map or a list')
    const scalar = node.value
    // A number that a double cannot hold would match its neighbours: it is compared as the text that stands there.
    if (typeof scalar === 'number' && Number.isInteger(scalar) && !Number.isSafeInteger(scalar)) {
      return node.source ?? String(scalar)
    }
    if (typeof scalar === 'string' || typeof scalar === 'number' || typeof scalar === 'boolean' || scalar === null) {
      return scalar
    }
    throw new SigmaError(key, line, 'expected a string, a number, a boolean or null')
  }

  #plain({ value, key, line }: Entry): unknown {
    try {
      return value?.toJS(this.#document, { maxAliasCount: ALIASES_MAX })
    } catch (error) {
      throw new SigmaError(key, line, `not valid YAML: ${(error as Error).message}`)
    }
  }

  #resolve(node: Node | null, key: string, line: number): Node | null {
    if (!isAlias(node)) return node
    if (++this.#aliases > ALIASES_MAX) throw new SigmaError(key, line, `more than ${ALIASES_MAX} YAML aliases`)
    return node.resolve(this.#document) ?? null
  }

  #line(node: Node | null, otherwise: number): number {
    return node?.range ? this.#counter.linePos(node.range[0]).line : otherwise
  }
}

/** How the reference implementation lets the flags of `re` be written too. */
const SYNONYMS: Readonly<Record<string, string>> = { ignorecase: 'i', multiline: 'm', dotall: 's' }

const CORRELATION_KEYS = new Set(['type', 'rules', 'group-by', 'timespan', 'condition', 'aliases', 'generate'])

const SPAN_UNITS_US: Readonly<Record<string, number>> = {
  s: 1_000_000,
  m: 60_000_000,
  h: 3_600_000_000,
  d: 86_400_000_000,
}

/** `30s`, `15m`, `2h`, `1d` in microseconds; null if it is anything else, or nothing. */
export function parseTimespanUs(text: string): number | null {
  const parts = /^([1-9][0-9]{0,8})([smhd])$/.exec(text)
  return parts === null ? null : Number(parts[1]) * SPAN_UNITS_US[parts[2]]
}

function keywords(entry: Entry, values: readonly SigmaScalar[]): Detection {
  return { kind: 'item', item: { key: entry.key, line: entry.line, field: null, modifiers: [], values } }
}
