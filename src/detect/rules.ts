/**
 * Loads a folder of Sigma rules, and checks them against the fields that events have and the ATT&CK table that is
 * shipped. What is wrong is collected with its place; the rules that are right go on.
 */
import { readdirSync, readFileSync, statSync } from 'node:fs'
import { basename, dirname, join } from 'node:path'
import { isField } from '../events/fields.ts'
import { attackTag, isTechnique, tactic, techniqueSuccessor } from './attack.ts'
import { DISCRIMINATOR, DOCUMENTS, PRODUCT } from './documents.ts'
import { fieldsOf } from './sigma/compile.ts'
import { SigmaEngine } from './sigma/engine.ts'
import { parseSigma, parseTimespanUs, type SigmaCorrelation, type SigmaHeader, type SigmaRule } from './sigma/parse.ts'
import type { SigmaProblem } from './sigma/problem.ts'

/** An `error` keeps a rule from running; a `warning` is about its paperwork. */
export interface RuleProblem extends SigmaProblem {
  readonly severity: 'error' | 'warning'
}

/** The attribute `borescope` of a rule: what one alert is about, and how long it stands for what comes after it. */
export interface AlertPolicy {
  readonly entity: readonly string[]
  readonly suppressUs: number
}

export interface RuleSet {
  readonly rules: readonly SigmaRule[]
  readonly correlations: readonly SigmaCorrelation[]
  readonly problems: readonly RuleProblem[]
}

const FILE_BYTES_MAX = 1 << 20
const UUID = /^[0-9a-f]{8}-[0-9a-f]{4}-[1-8][0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$/i
const DEFAULT_ENTITY = ['source.ip', 'destination.ip']
const DEFAULT_SUPPRESS = '1h'

/**
 * Every `.yml` and `.yaml` file under the folders, or the files themselves, as one set: rules of one folder may build on those
 * of another. Throws if a folder cannot be read; a file that cannot is a problem.
 */
export function loadRules(...folders: readonly string[]): RuleSet {
  const texts: { file: string; text: string }[] = []
  const problems: RuleProblem[] = []
  for (const folder of folders) {
    for (const file of ruleFiles(folder)) {
      const read = readRuleFile(file === '' ? folder : join(folder, file))
      const name = file === '' ? basename(folder) : file
      if (typeof read === 'string') texts.push({ file: name, text: read })
      else problems.push({ file: name, line: 1, key: '', message: read.problem, severity: 'error' })
    }
  }
  const set = readRules(texts)
  return { ...set, problems: [...problems, ...set.problems] }
}

/** Paths below the folder, with slashes; one empty path if it is a file itself. */
function ruleFiles(folder: string): string[] {
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
export function readRules(texts: readonly { readonly file: string; readonly text: string }[]): RuleSet {
  const problems: RuleProblem[] = []
  const rules: SigmaRule[] = []
  const correlations: SigmaCorrelation[] = []
  for (const { file, text } of texts) {
    const content = parseSigma(text, file)
    rules.push(...content.rules)
    correlations.push(...content.correlations)
    for (const problem of content.problems) problems.push({ ...problem, severity: 'error' })
  }
  const check = new Check(rules)
  const checked = {
    rules: rules.filter((rule) => check.rule(rule)),
    correlations: correlations.filter((correlation) => check.correlation(correlation)),
  }
  const engine = new SigmaEngine(checked, DOCUMENTS, { matched() {}, fired() {}, ended() {} }, CHECK_OPTIONS)
  const refused = new Set<SigmaHeader>(engine.refused)
  for (const problem of engine.problems) problems.push({ ...problem, severity: 'error' })
  return {
    rules: checked.rules.filter((rule) => !refused.has(rule)),
    correlations: checked.correlations.filter((correlation) => !refused.has(correlation)),
    problems: [...problems, ...check.problems].sort(byPlace),
  }
}

const CHECK_OPTIONS = { discriminator: DISCRIMINATOR, groupsMax: 1 }

function byPlace(a: SigmaProblem, b: SigmaProblem): number {
  return a.file === b.file ? a.line - b.line : a.file < b.file ? -1 : 1
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
    this.#header(rule)
    if (isOwn(rule)) for (const { field, key, line } of fieldsOf(rule)) this.#field(rule, field, key, line)
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

  #error(rule: SigmaHeader, key: string, line: number, message: string): void {
    this.#sound = false
    this.problems.push({ file: rule.file, line, key, message, severity: 'error' })
  }

  #warn(rule: SigmaHeader, key: string, line: number, message: string): void {
    this.problems.push({ file: rule.file, line, key, message, severity: 'warning' })
  }
}

function isOwn(rule: SigmaRule): boolean {
  return rule.logsource.product === PRODUCT
}
