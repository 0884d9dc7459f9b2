/** `borescope rules export`: the rules for a cluster into which many sensors write. */
import { existsSync, readFileSync, statSync } from 'node:fs'
import { join } from 'node:path'
import { type Command, Option } from 'commander'
import { type Exported, exportKibana, exportQueries, type LeftOut } from '../detect/export/export.ts'
import { raisesAlerts } from '../detect/rules.ts'
import { type Context, EXIT } from './context.ts'
import { writeWhole } from './files.ts'
import { chosenRules } from './rules-common.ts'
import { counted, printable } from './terminal.ts'

const FORMATS = ['kibana', 'esql', 'sigma'] as const
type Format = (typeof FORMATS)[number]

export function registerRulesExport(rules: Command, context: () => Context): void {
  rules
    .command('export')
    .summary('the rules for Kibana, or as ES|QL, for a cluster of many sensors')
    .description(
      "The rules as Kibana's detection engine imports them (NDJSON), as ES|QL and EQL to ask by hand, or as Sigma for other\nconverters. What a form cannot say is told on stderr with its reason; with --strict that is an error (1).",
    )
    .argument('[folders...]', 'folders or files of Sigma rules; without any, those of the configuration')
    .addOption(new Option('--format <format>', 'the form').choices(FORMATS).default('kibana'))
    .option('-o, --out <file>', 'where to; - is stdout', '-')
    .option('--strict', 'exit with 1 if a rule is left out')
    .action(async (folders: string[], { format, out, strict }: { format: Format; out: string; strict?: boolean }) => {
      const chosen = chosenRules(context(), folders)
      const { text, leftOut, count } = textOf(format, chosen)
      await writeWhole(out, text)
      for (const { rule, reason } of leftOut) process.stderr.write(`left out: ${printable(rule)}: ${reason}\n`)
      process.stderr.write(`${counted(count, 'rule')} exported, ${counted(leftOut.length, 'rule')} left out\n`)
      if (strict && leftOut.length > 0) process.exitCode = EXIT.FOUND
    })
}

interface Text {
  readonly text: string
  readonly count: number
  readonly leftOut: readonly LeftOut[]
}

function textOf(format: Format, chosen: ReturnType<typeof chosenRules>): Text {
  const own = new Set(
    raisesAlerts(chosen.set)
      .filter(chosen.isOwn)
      .map(({ title }) => title),
  )
  switch (format) {
    case 'kibana':
      return ofOwn(
        exportKibana(chosen.set),
        (rule) => String(rule['name']),
        own,
        (rule) => `${JSON.stringify(rule)}\n`,
      )
    case 'esql':
      return ofOwn(
        exportQueries(chosen.set),
        ({ title }) => title,
        own,
        ({ title, id, language, query }) => `// ${title} (${id}), ${language}\n${query}\n\n`,
      )
    case 'sigma':
      return sigmaText(chosen)
  }
}

function ofOwn<T>(
  { rules, leftOut }: Exported<T>,
  titleOf: (rule: T) => string,
  own: ReadonlySet<string>,
  write: (rule: T) => string,
): Text {
  const kept = rules.filter((rule) => own.has(titleOf(rule)))
  return { text: kept.map(write).join(''), count: kept.length, leftOut: leftOut.filter(({ rule }) => own.has(rule)) }
}

/** The files as they are, one behind the other: every Sigma converter reads them, and correlations find their rules. */
function sigmaText({ set, isOwn, folders }: ReturnType<typeof chosenRules>): Text {
  const all = [...set.rules, ...set.correlations].filter(isOwn)
  const files = [...new Set(all.map(({ file }) => file))]
  const texts = files.map((file) => readFileSync(pathOf(file, folders), 'utf8').trimEnd())
  return { text: `${texts.join('\n---\n')}\n`, count: all.length, leftOut: [] }
}

/** Where a file of rules is: below one of the folders, or named itself. */
function pathOf(file: string, folders: readonly string[]): string {
  const paths = folders.map((folder) => (statSync(folder).isFile() ? folder : join(folder, file)))
  return paths.find((path) => path.endsWith(file) && existsSync(path))!
}
