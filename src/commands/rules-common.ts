/** What the commands about rules share: which rules are meant, and how a problem is told. */
import { existsSync } from 'node:fs'
import { loadRules, type RuleProblem, type RuleSet, ruleNamed } from '../detect/rules.ts'
import type { SigmaHeader } from '../detect/sigma/parse.ts'
import { type Context, UsageError } from './context.ts'
import { paint } from './terminal.ts'

/** The rules of these folders; of the configured ones if none is named. */
export function rulesFrom(
  context: Context,
  named: readonly string[],
): { readonly set: RuleSet; readonly folders: readonly string[] } {
  if (named.length === 0) return context.rules()
  const missing = named.find((folder) => !existsSync(folder))
  if (missing !== undefined) throw new UsageError(`there is no folder or file of rules ${missing}`)
  // A test file stands for the rule beside it.
  const files = named.map((path) => path.replace(/\.test(\.ya?ml)$/, '$1'))
  return { set: loadRules(...files), folders: named }
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
