/**
 * Loads a folder of Sigma rules, and checks them against the fields that events have and the ATT&CK table that is
 * shipped. What is wrong is collected with its place; the rules that are right go on.
 */
import { readdirSync, readFileSync, statSync } from 'node:fs'
import { basename, dirname, join } from 'node:path'
import { CATALOGUE } from '../events/catalogue.ts'
import { FIELDS, isField } from '../events/fields.ts'
import { attackTag, isTechnique, tactic, techniqueSuccessor } from './attack.ts'
import { DISCRIMINATOR, DOCUMENTS, PRODUCT } from './documents.ts'
import { compileRule, fieldsOf } from './sigma/compile.ts'
import { SigmaEngine } from './sigma/engine.ts'
import { applyFilters } from './sigma/filter.ts'
import {
  parseSigma,
  parseTimespanUs,
  type SigmaCorrelation,
  type SigmaFilter,
  type SigmaHeader,
  type SigmaLogSource,
  type SigmaRule,
} from './sigma/parse.ts'
import { problemOf, type SigmaProblem } from './sigma/problem.ts'
import { type Taxonomy, taxonomyOf, translateCorrelation, translateRule } from './sigma/taxonomy.ts'
import { TAXONOMIES } from './taxonomies.ts'

/**
 * An `error` is a mistake, which keeps a rule or a filter from running. A `warning` is about its paperwork, or says that there are
 * no events here for it.
 */
export interface RuleProblem extends SigmaProblem {
  readonly severity: 'error' | 'warning'
}

/** The attribute `borescope` of a rule: what one alert is about, and how long it stands for what comes after it. */
export interface AlertPolicy {
  readonly entity: readonly string[]
  readonly suppressUs: number
}

/** What runs: filters are in their rules, and rules of other taxonomies say our names. */
export interface RuleSet {
  readonly rules: readonly SigmaRule[]
  readonly correlations: readonly SigmaCorrelation[]
  readonly filters: readonly SigmaFilter[]
  readonly problems: readonly RuleProblem[]
}

/** What keeps rules or filters from running, in lines that say where; of many the first ones, and how many more there are. */
export function mistakesIn({ problems }: RuleSet, linesMax = 10): string[] {
  const wrong = problems.filter(({ severity }) => severity === 'error')
  const lines = wrong.slice(0, linesMax).map(({ file, line, key, message }) => {
    return `${file}:${line}: ${key === '' ? '' : `${key}: `}${message}`
  })
  return wrong.length > linesMax
    ? [...lines, `and ${wrong.length - linesMax} more: see 'borescope rules check'`]
    : lines
}

/** Tests of rules stand beside them. */
export const TEST_FILE = /\.test\.ya?ml$/
const FILE_BYTES_MAX = 1 << 20
/** Of any version and variant: public rules hold some that no generator made. */
const UUID = /^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/i
/** Correlations of these kinds take numbers, as fields of these kinds hold them. */
const ADDED_UP: ReadonlySet<string> = new Set(['value_sum', 'value_avg', 'value_percentile'])
const NUMERIC: ReadonlySet<string> = new Set(['long', 'float'])
const DEFAULT_ENTITY = ['source.ip', 'destination.ip']
const DEFAULT_SUPPRESS = '1h'

/**
 * Every `.yml` and `.yaml` file under the folders, or the files themselves, as one set: rules of one folder may build on those
 * of another. Throws if a folder cannot be read; a file that cannot is a problem.
 */
export function loadRules(...folders: readonly string[]): RuleSet {
  const { texts, problems } = readTexts(folders)
  const set = readRules(texts)
  return { ...set, problems: [...problems, ...set.problems] }
}

/** What stands in the files under the folders, right or wrong: their names as `loadRules` tells them, and what could be parsed. */
export function parseRules(...folders: readonly string[]): {
  readonly files: readonly string[]
  readonly headers: readonly SigmaHeader[]
} {
  const { texts, problems } = readTexts(folders)
  const contents = texts.map(({ file, text }) => parseSigma(text, file))
  return {
    files: [...texts, ...problems].map(({ file }) => file),
    headers: contents.flatMap(({ rules, correlations, filters }) => [...rules, ...correlations, ...filters]),
  }
}

interface RuleText {
  readonly file: string
  readonly text: string
}

function readTexts(folders: readonly string[]): { readonly texts: RuleText[]; readonly problems: RuleProblem[] } {
  const texts: RuleText[] = []
  const problems: RuleProblem[] = []
  for (const folder of folders) {
    for (const file of filesOf(folder)) {
      if (TEST_FILE.test(file)) continue
      const read = readRuleFile(file === '' ? folder : join(folder, file))
      const name = file === '' ? basename(folder) : file
      if (typeof read === 'string') texts.push({ file: name, text: read })
      else problems.push({ file: name, line: 1, key: '', message: read.problem, severity: 'error' })
    }
  }
  return { texts, problems }
}

/** Paths below the folder, with slashes; one empty path if it is a file itself. */
export function filesOf(folder: string): string[] {
  if (statSync(folder).isFile()) return ['']
  return readdirSync(folder, { recursive: true, encoding: 'utf8' })
    .filter((name) => /\.ya?ml$/.test(name))
    .map((name) => name.replaceAll('\\', '/'))
    .sort()
}

function readRuleFile(path: string): string | { readonly problem: string } {
  try {
    const status = statSync(path)
    if (!status.isFile()) return { problem: 'is not a regular file' }
    if (status.size > FILE_BYTES_MAX) return { problem: `larger than ${FILE_BYTES_MAX} bytes` }
    return readFileSync(path, 'utf8')
  } catch (error) {
    return { problem: `cannot be read: ${error instanceof Error ? error.message : String(error)}` }
  }
}

/** As `loadRules`, of texts; `file` is the path below the folder of rules, with slashes. */
export function readRules(texts: readonly RuleText[]): RuleSet {
  const parsed = { rules: [] as SigmaRule[], correlations: [] as SigmaCorrelation[], filters: [] as SigmaFilter[] }
  const problems: RuleProblem[] = []
  for (const { file, text } of texts) {
    const content = parseSigma(text, file)
    parsed.rules.push(...content.rules)
    parsed.correlations.push(...content.correlations)
    parsed.filters.push(...content.filters)
    for (const problem of content.problems) problems.push({ ...problem, severity: 'error' })
  }
  const check = new Check(parsed.rules)
  const rules = parsed.rules.filter((rule) => check.rule(rule))
  const correlations = parsed.correlations.filter((correlation) => check.correlation(correlation))
  const filters = parsed.filters.filter((filter) => check.filter(filter))
  const filtered = applyFilters(rules, filters)
  const translated = translate(filtered.rules, correlations)
  const engine = new SigmaEngine(translated, DOCUMENTS, { matched() {}, fired() {}, ended() {} }, CHECK_OPTIONS)
  const refused = new Set<SigmaHeader>(engine.refused)
  for (const problem of engine.problems) problems.push({ ...problem, severity: 'error' })
  for (const problem of filtered.problems) problems.push({ ...problem, severity: 'warning' })
  return {
    rules: translated.rules.filter((rule) => !refused.has(rule)),
    correlations: translated.correlations.filter((correlation) => !refused.has(correlation)),
    filters,
    problems: [...problems, ...check.problems, ...translated.problems].sort(byPlace),
  }
}

/** Rules of other taxonomies in our words; those for which there are no events or no fields here are left out, and told. */
function translate(
  rules: readonly SigmaRule[],
  correlations: readonly SigmaCorrelation[],
): { readonly rules: SigmaRule[]; readonly correlations: SigmaCorrelation[]; readonly problems: RuleProblem[] } {
  const problems: RuleProblem[] = []
  const taxonomies = new Map<string, Taxonomy>()
  /** Ids and names of what is left out, and then of what builds on it. */
  const leftOut = new Set<string>()
  const leave = (header: SigmaHeader, problem: SigmaProblem) => {
    problems.push({ ...problem, severity: 'warning' })
    for (const name of [header.id, header.name]) if (name !== undefined) leftOut.add(name)
  }
  const ours: SigmaRule[] = []
  for (const rule of rules) {
    const taxonomy = taxonomyOf(rule.logsource, TAXONOMIES)
    if (taxonomy === undefined && !canMeet(rule.logsource)) {
      const line = rule.lines['logsource'] ?? rule.line
      const message = `no events here come from the log source ${sourceText(rule.logsource)}: the rule is left out`
      leave(rule, { file: rule.file, line, key: 'logsource', message })
      continue
    }
    try {
      ours.push(taxonomy === undefined ? rule : translateRule(rule, taxonomy))
      for (const name of [rule.id, rule.name]) {
        if (name !== undefined && taxonomy !== undefined) taxonomies.set(name, taxonomy)
      }
    } catch (error) {
      leave(rule, problemOf(rule.file, error))
    }
  }
  const kept: SigmaCorrelation[] = []
  for (const correlation of correlations) {
    const missing = correlation.rules.find((name) => leftOut.has(name))
    if (missing !== undefined) {
      const line = correlation.lines['correlation'] ?? correlation.line
      const message = `the rule "${missing}" is left out, and so is what builds on it`
      leave(correlation, { file: correlation.file, line, key: 'correlation.rules', message })
      continue
    }
    try {
      kept.push(translateCorrelation(correlation, (name) => taxonomies.get(name)))
    } catch (error) {
      leave(correlation, problemOf(correlation.file, error))
    }
  }
  return { rules: ours, correlations: kept, problems }
}

const SERVICES: ReadonlySet<string> = new Set(Object.values(CATALOGUE).map(({ dataset }) => dataset))

/** Whether any of our events is of this log source, without being translated. */
function canMeet({ product, category, service }: SigmaLogSource): boolean {
  return (
    (product === undefined || product === PRODUCT) &&
    category === undefined &&
    (service === undefined || SERVICES.has(service))
  )
}

function sourceText(logsource: SigmaLogSource): string {
  const { product, category, service } = logsource
  return [product, category, service].filter((part) => part !== undefined).join('/')
}

const CHECK_OPTIONS = { discriminator: DISCRIMINATOR, groupsMax: 1, groupsBytesMax: 0 }

function byPlace(a: SigmaProblem, b: SigmaProblem): number {
  return a.file === b.file ? a.line - b.line : a.file < b.file ? -1 : 1
}

/** The rules and correlations that raise alerts: those that only serve correlations are not among them. */
export function raisesAlerts(set: RuleSet): SigmaHeader[] {
  const serving = new Set<string>()
  const generated = new Set<string>()
  for (const { rules, generate } of set.correlations)
    for (const name of rules) (generate ? generated : serving).add(name)
  return [...set.rules, ...set.correlations].filter(({ id, name }) => {
    const names = [id, name].filter((text) => text !== undefined)
    return !names.some((text) => serving.has(text)) || names.some((text) => generated.has(text))
  })
}

/** By its id, name or title. */
export function ruleNamed(set: RuleSet, text: string): SigmaHeader | undefined {
  const wanted = text.toLowerCase()
  return [...set.rules, ...set.correlations].find(({ id, name, title }) => {
    return [id, name, title].some((known) => known?.toLowerCase() === wanted)
  })
}

/** The named rules alone, with what they are made of. */
export function selectRules(set: RuleSet, wanted: readonly SigmaHeader[]): RuleSet {
  const kept = new Set<SigmaHeader>()
  const add = (header: SigmaHeader): void => {
    if (kept.has(header)) return
    kept.add(header)
    const correlation = set.correlations.find((known) => known === header)
    for (const name of correlation?.rules ?? []) {
      const part = [...set.rules, ...set.correlations].find((known) => known.id === name || known.name === name)
      if (part !== undefined) add(part)
    }
  }
  for (const header of wanted) add(header)
  const rules = set.rules.filter((rule) => kept.has(rule))
  return { ...set, rules, correlations: set.correlations.filter((correlation) => kept.has(correlation)) }
}

/** The folder of the rule below the folder of rules; undefined at its top. */
export function categoryOf(rule: SigmaHeader): string | undefined {
  const folder = dirname(rule.file)
  return folder === '.' ? undefined : folder
}

/** Of a rule that `readRules` let through. */
export function alertPolicy(rule: SigmaHeader): AlertPolicy {
  const custom = (rule.custom[PRODUCT] ?? {}) as { readonly entity?: readonly string[]; readonly suppress?: string }
  return {
    entity: custom.entity ?? DEFAULT_ENTITY,
    suppressUs: parseTimespanUs(custom.suppress ?? DEFAULT_SUPPRESS)!,
  }
}

class Check {
  readonly problems: RuleProblem[] = []
  readonly #ids = new Map<string, SigmaHeader>()
  /** Rules of ours by id and name. */
  readonly #own = new Set<string>()
  #sound = true

  constructor(rules: readonly SigmaRule[]) {
    for (const rule of rules) {
      if (!isOwn(rule)) continue
      for (const name of [rule.id, rule.name]) if (name !== undefined) this.#own.add(name)
    }
  }

  /** True if the rule can run. */
  rule(rule: SigmaRule): boolean {
    this.#sound = true
    // What will be left out needs no papers.
    if (!isOwn(rule) && taxonomyOf(rule.logsource, TAXONOMIES) === undefined) return true
    this.#header(rule)
    if (isOwn(rule)) {
      const { service, category } = rule.logsource
      const line = rule.lines['logsource'] ?? rule.line
      if (service !== undefined && !SERVICES.has(service)) {
        this.#error(rule, 'logsource.service', line, `there is no family of events "${service}"`)
      }
      if (category !== undefined)
        this.#error(rule, 'logsource.category', line, 'our events have no category, only a service')
      for (const { field, key, line: at } of fieldsOf(rule)) this.#field(rule, field, key, at)
    }
    return this.#sound
  }

  correlation(correlation: SigmaCorrelation): boolean {
    this.#sound = true
    this.#header(correlation)
    if (correlation.rules.some((name) => this.#own.has(name))) {
      const line = correlation.lines['correlation'] ?? correlation.line
      const { groupBy, fields, aliases } = correlation
      const plain = [...groupBy, ...fields].filter((field) => !aliases.has(field))
      const aliased = [...aliases.values()].flatMap((table) => [...table.values()])
      for (const field of [...plain, ...aliased]) this.#field(correlation, field, 'correlation', line)
      if (ADDED_UP.has(correlation.type)) for (const field of fields) this.#number(correlation, field, line)
    }
    return this.#sound
  }

  /** A filter that is wrong does not take its rules with it. */
  filter(filter: SigmaFilter): boolean {
    this.#sound = true
    const rule: SigmaRule = { ...filter, kind: 'rule' }
    if (isOwn(filter)) for (const { field, key, line } of fieldsOf(rule)) this.#field(filter, field, key, line)
    try {
      compileRule(rule, DOCUMENTS)
    } catch (error) {
      this.#sound = false
      this.problems.push({ ...problemOf(filter.file, error), severity: 'error' })
    }
    return this.#sound
  }

  #header(rule: SigmaHeader): void {
    const idLine = rule.lines['id'] ?? rule.line
    if (rule.id === undefined) this.#error(rule, 'id', idLine, 'expected an id, a UUID')
    else if (!UUID.test(rule.id)) this.#error(rule, 'id', idLine, `"${rule.id}" is not a UUID`)
    else {
      const first = this.#ids.get(rule.id.toLowerCase())
      if (first === undefined) this.#ids.set(rule.id.toLowerCase(), rule)
      else this.#error(rule, 'id', idLine, `the id is that of "${first.title}" (${first.file}:${first.line})`)
    }
    if (rule.level === undefined) this.#warn(rule, 'level', rule.line, 'expected a level; medium is taken')
    for (const tag of rule.tags) this.#tag(rule, tag)
    this.#policy(rule)
  }

  #tag(rule: SigmaHeader, tag: string): void {
    const parsed = attackTag(tag)
    if (parsed === undefined || parsed.kind === 'other') return
    const line = rule.lines['tags'] ?? rule.line
    if (parsed.kind === 'tactic') {
      if (tactic(parsed.id) === undefined) this.#warn(rule, 'tags', line, `ATT&CK has no tactic "${parsed.id}"`)
      return
    }
    const successor = techniqueSuccessor(parsed.id)
    if (successor !== undefined) {
      this.#warn(rule, 'tags', line, `ATT&CK revoked ${parsed.id}: use ${successor}`)
    } else if (!isTechnique(parsed.id)) this.#warn(rule, 'tags', line, `ATT&CK has no technique ${parsed.id}`)
  }

  #policy(rule: SigmaHeader): void {
    const custom = rule.custom[PRODUCT]
    if (custom === undefined) return
    const line = rule.lines[PRODUCT] ?? rule.line
    if (typeof custom !== 'object' || custom === null || Array.isArray(custom)) {
      this.#error(rule, PRODUCT, line, 'expected a map with entity and suppress')
      return
    }
    for (const [key, value] of Object.entries(custom)) {
      if (key === 'entity') {
        const fields = Array.isArray(value) && value.every((field) => typeof field === 'string') ? value : null
        if (fields === null || fields.length === 0)
          this.#error(rule, `${PRODUCT}.entity`, line, 'expected a list of fields')
        for (const field of fields ?? []) this.#field(rule, field, `${PRODUCT}.entity`, line)
      } else if (key === 'suppress') {
        if (typeof value !== 'string' || parseTimespanUs(value) === null) {
          this.#error(rule, `${PRODUCT}.suppress`, line, 'expected a number and s, m, h or d, as in 15m')
        }
      } else this.#error(rule, `${PRODUCT}.${key}`, line, 'unknown key; expected entity or suppress')
    }
  }

  #field(rule: SigmaHeader, field: string, key: string, line: number): void {
    if (isField(field)) return
    this.#error(rule, key, line, `no event has a field "${field}"`)
  }

  /** What is added up; an alias stands for a field of each rule. */
  #number(correlation: SigmaCorrelation, field: string, line: number): void {
    for (const name of correlation.aliases.get(field)?.values() ?? [field])
      if (isField(name) && !NUMERIC.has(FIELDS[name].kind))
        this.#error(correlation, 'correlation.condition.field', line, `the field "${name}" is no number`)
  }

  #error(rule: SigmaHeader, key: string, line: number, message: string): void {
    this.#sound = false
    this.problems.push({ file: rule.file, line, key, message, severity: 'error' })
  }

  #warn(rule: SigmaHeader, key: string, line: number, message: string): void {
    this.problems.push({ file: rule.file, line, key, message, severity: 'warning' })
  }
}

/** Written in the words of our events: for them, or for any log source of which our events are a part. */
function isOwn({ logsource }: { readonly logsource: SigmaLogSource }): boolean {
  return logsource.product === PRODUCT || (taxonomyOf(logsource, TAXONOMIES) === undefined && canMeet(logsource))
}
