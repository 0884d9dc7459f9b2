/** What the commands about rules share: which rules are meant, and how a problem is told. */
import { existsSync, realpathSync } from 'node:fs'
import { loadRules, parseRules, type RuleProblem, type RuleSet, ruleNamed } from '../detect/rules.ts'
import type { SigmaHeader } from '../detect/sigma/parse.ts'
import { type Context, UsageError } from './context.ts'
import { paint } from './terminal.ts'

/** Rules that a command is asked about, among all that they may build on. */
export interface ChosenRules {
  /** Everything, so that rules may refer to others; only problems of what was asked for are in it. */
  readonly set: RuleSet
  /** Whether a rule, or what was found about it, is of what was asked for. */
  readonly isOwn: (of: { readonly file: string; readonly line: number }) => boolean
  /** The folders or files in which it is. */
  readonly folders: readonly string[]
}

/**
 * The rules of these folders or files; of the configured folders if none is named. What is named is read first: it takes the place of
 * configured rules of the same id, and may build on the others.
 */
export function chosenRules(context: Context, named: readonly string[]): ChosenRules {
  if (named.length === 0) return { ...context.rules(), isOwn: () => true }
  const missing = named.find((folder) => !existsSync(folder))
  if (missing !== undefined) throw new UsageError(`there is no folder or file of rules ${missing}`)
  // A test file stands for the rule beside it.
  const paths = named.map((path) => path.replace(/\.test(\.ya?ml)$/, '$1'))
  const own = parseRules(...paths)
  const files = new Set(own.files)
  const real = new Set(paths.map((path) => realpathSync(path)))
  const set = loadRules(...paths, ...context.rules().folders.filter((folder) => !real.has(realpathSync(folder))))
  // A configured file of the same path, if there is one, holds other rules than those that were read.
  const places = new Set(own.headers.map(placeOf))
  const all: readonly SigmaHeader[] = [...set.rules, ...set.correlations, ...set.filters]
  const foreign = new Set(all.filter((rule) => !places.has(placeOf(rule))).map(({ file, line }) => `${file}:${line}`))
  const isOwn = ({ file, line }: { readonly file: string; readonly line: number }): boolean => {
    return files.has(file) && !foreign.has(`${file}:${line}`)
  }
  // The other one of two rules with one id is the configured one, unless both were named.
  const ids = own.headers.map(({ id }) => id)
  const isTwin = ({ file, line, key, message }: RuleProblem): boolean => {
    if (key !== 'id' || !message.startsWith('the id is that of')) return false
    const twin = own.headers.find((header) => header.file === file && (header.lines['id'] ?? header.line) === line)
    return twin === undefined || ids.indexOf(twin.id) === ids.lastIndexOf(twin.id)
  }
  const problems = set.problems.filter((problem) => isOwn(problem) && !isTwin(problem))
  return { set: { ...set, problems }, isOwn, folders: named }
}

function placeOf({ file, line, id }: SigmaHeader): string {
  return `${file}:${line}:${id}`
}

/** By title, id or name. Throws a UsageError that names what comes near. */
export function wantedRules(set: RuleSet, names: readonly string[]): SigmaHeader[] {
  return names.map((name) => {
    const rule = ruleNamed(set, name)
    if (rule !== undefined) return rule
    const near = [...set.rules, ...set.correlations]
      .map(({ title }) => title)
      .filter((title) => title.toLowerCase().includes(name.toLowerCase()))
    const hint =
      near.length > 0 ? `; did you mean ${near.slice(0, 4).join(', ')}` : "; 'borescope rules list' shows them"
    throw new UsageError(`there is no rule "${name}"${hint}`)
  })
}

export function problemText({ file, line, key, message, severity }: RuleProblem): string {
  const where = paint('bold', `${file}:${line}`)
  return `${where}: ${severity === 'error' ? paint('red', 'error') : paint('yellow', 'warning')}: ${key === '' ? '' : `${key}: `}${message}`
}
