/** `borescope rules list|check`: which rules there are, and whether they are right. */
import type { Command } from 'commander'
import { categoryOf, loadRules, type RuleProblem } from '../detect/rules.ts'
import type { SigmaHeader } from '../detect/sigma/parse.ts'
import { type Context, EXIT } from './context.ts'
import { counted, paint, paintLevel, print, table } from './terminal.ts'

export function registerRules(program: Command, context: () => Context): void {
  const rules = program
    .command('rules')
    .summary('the Sigma rules: list them, check them')
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
      const set = folders.length === 0 ? context().rules().set : loadRules(...folders)
      const { problems } = set
      const right = set.rules.length + set.correlations.length
      if (json) await print(JSON.stringify(problems, null, 2))
      else
        await print(
          [...problems.map(problemText), `${counted(right, 'rule')} fine, ${counted(problems.length, 'problem')}`].join(
            '\n',
          ),
        )
      if (problems.some(({ severity }) => severity === 'error')) process.exitCode = EXIT.USAGE
    })
}

function problemText({ file, line, key, message, severity }: RuleProblem): string {
  const where = paint('bold', `${file}:${line}`)
  return `${where}: ${severity === 'error' ? paint('red', 'error') : paint('yellow', 'warning')}: ${key === '' ? '' : `${key}: `}${message}`
}
