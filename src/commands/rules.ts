/** `borescope rules`: which rules there are, whether they are right; and the commands that work with them. */
import type { Command } from 'commander'
import { categoryOf } from '../detect/rules.ts'
import type { SigmaHeader } from '../detect/sigma/parse.ts'
import { type Context, EXIT } from './context.ts'
import { registerRulesBacktest } from './rules-backtest.ts'
import { chosenRules, problemText } from './rules-common.ts'
import { registerRulesCoverage } from './rules-coverage.ts'
import { registerRulesExport } from './rules-export.ts'
import { registerRulesLint } from './rules-lint.ts'
import { registerRulesTest } from './rules-test.ts'
import { counted, paintLevel, print, table } from './terminal.ts'

export function registerRules(program: Command, context: () => Context): void {
  const rules = program
    .command('rules')
    .summary('the Sigma rules: list, check, lint, test, backtest and export them')
    .description('The Sigma rules that turn events into alerts.')

  rules
    .command('list')
    .description('Lists the rules of all configured folders.')
    .option('--json', 'one JSON array')
    .action(async ({ json }: { json?: boolean }) => {
      const { set } = context().rules()
      const all: SigmaHeader[] = [...set.rules, ...set.correlations]
      if (json) {
        const rows = all.map(({ id, title, level, tags, file, description }) => ({
          id,
          title,
          level,
          tags,
          file,
          description,
        }))
        return print(JSON.stringify(rows, null, 2))
      }
      const columns = [
        {
          title: 'level',
          value: (rule: SigmaHeader) => rule.level ?? '',
          paint: (rule: SigmaHeader, text: string) => paintLevel(rule.level ?? '', text),
        },
        { title: 'folder', value: (rule: SigmaHeader) => categoryOf(rule) },
        { title: 'rule', value: (rule: SigmaHeader) => rule.title, widthMax: 80 },
        {
          title: 'ATT&CK',
          value: (rule: SigmaHeader) =>
            rule.tags
              .filter((tag) => /^attack\.t\d/.test(tag))
              .map((tag) => tag.slice(7).toUpperCase())
              .join(' '),
        },
      ]
      await print(table(columns, all))
      process.stderr.write(`${counted(all.length, 'rule')}\n`)
    })

  rules
    .command('check')
    .description(
      'Checks rules: syntax, fields, ids, ATT&CK tags. Without folders, those of the configuration. Exits with 2 if one is wrong.',
    )
    .argument('[folders...]', 'folders of Sigma rules')
    .option('--json', 'the problems as one JSON array')
    .action(async (folders: string[], { json }: { json?: boolean }) => {
      const { set, isOwn } = chosenRules(context(), folders)
      const { problems } = set
      const right = [...set.rules, ...set.correlations, ...set.filters].filter(isOwn).length
      if (json) await print(JSON.stringify(problems, null, 2))
      else
        await print(
          [...problems.map(problemText), `${counted(right, 'rule')} fine, ${counted(problems.length, 'problem')}`].join(
            '\n',
          ),
        )
      if (problems.some(({ severity }) => severity === 'error')) process.exitCode = EXIT.USAGE
    })
  registerRulesLint(rules, context)
  registerRulesTest(rules, context)
  registerRulesBacktest(rules, context)
  registerRulesCoverage(rules, context)
  registerRulesExport(rules, context)
}
