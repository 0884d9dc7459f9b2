/** `borescope rules lint`: what is wrong with rules, and what is not good about them. */
import { type Command, InvalidArgumentError } from 'commander'
import { LINT_CHECKS, type LintCheck, lintRules } from '../detect/lint.ts'
import { type Context, EXIT } from './context.ts'
import { chosenRules, problemText } from './rules-common.ts'
import { counted, paint, print } from './terminal.ts'

interface LintOptions {
  readonly skip?: readonly LintCheck[]
  readonly json?: boolean
}

export function registerRulesLint(rules: Command, context: () => Context): void {
  rules
    .command('lint')
    .summary('what is wrong with rules, and what is not good about them')
    .description(
      'Checks rules as rules check does, and how they are written: what an analyst will miss, and what can never match.\nWithout folders, those of the configuration. Exits with 1 if there are findings, with 2 if a rule is wrong.',
    )
    .argument('[folders...]', 'folders of Sigma rules, or single files')
    .option('--skip <checks>', 'leave out these checks, separated by commas', parseChecks)
    .option('--json', 'the findings as one JSON array')
    .addHelpText(
      'after',
      `\nA rule that is well written …\n${Object.entries(LINT_CHECKS)
        .map(([check, says]) => `  ${check.padEnd(15)} ${says}`)
        .join('\n')}`,
    )
    .action(async (folders: string[], { skip = [], json }: LintOptions) => {
      const { set, isOwn } = chosenRules(context(), folders)
      const findings = lintRules(set).filter((finding) => isOwn(finding) && !skip.includes(finding.check))
      if (json) {
        await print(
          JSON.stringify([...set.problems.map((problem) => ({ ...problem, check: 'rule' })), ...findings], null, 2),
        )
      } else {
        for (const problem of set.problems) await print(problemText(problem))
        for (const { file, line, key, message, check } of findings) {
          await print(`${paint('bold', `${file}:${line}`)}: ${paint('cyan', check)}: ${key}: ${message}`)
        }
        const rulesRead = [...set.rules, ...set.correlations].filter(isOwn).length
        await print(
          `${counted(rulesRead, 'rule')}, ${counted(set.problems.length, 'problem')}, ${counted(findings.length, 'finding')}`,
        )
      }
      if (set.problems.some(({ severity }) => severity === 'error')) process.exitCode = EXIT.USAGE
      else if (set.problems.length + findings.length > 0) process.exitCode = EXIT.FOUND
    })
}

function parseChecks(text: string): LintCheck[] {
  return text.split(',').map((part) => {
    const check = part.trim()
    if (!Object.hasOwn(LINT_CHECKS, check)) {
      throw new InvalidArgumentError(`there is no check ${check}; there are ${Object.keys(LINT_CHECKS).join(', ')}.`)
    }
    return check as LintCheck
  })
}
