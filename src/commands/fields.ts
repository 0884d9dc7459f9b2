/** `borescope fields`: the catalogue of events and fields. */
import { type Command, Option } from 'commander'
import { CATALOGUE } from '../events/catalogue.ts'
import { FIELDS } from '../events/fields.ts'
import { print, table } from './terminal.ts'

interface Row {
  readonly name: string
  readonly kind: string
  readonly ecs?: string
  readonly says: string
}

export function registerFields(program: Command): void {
  program
    .command('fields')
    .summary('the events and the fields that they carry')
    .description('The catalogue: every event that Borescope raises, and every field that an event may carry.')
    .addOption(
      new Option('--format <format>', 'how to write it').choices(['table', 'json', 'markdown']).default('table'),
    )
    .option('--json', 'the same as --format json')
    .action(async ({ format, json }: { format: 'table' | 'json' | 'markdown'; json?: boolean }) => {
      if (json || format === 'json') return print(JSON.stringify({ events: CATALOGUE, fields: FIELDS }, null, 2))
      const events = Object.entries(CATALOGUE).map(([name, { dataset, says }]): Row => ({ name, kind: dataset, says }))
      const fields = Object.entries(FIELDS).map(
        ([name, { kind, ecs, says }]): Row => ({ name, kind, ecs: ecs ? 'ECS' : '', says }),
      )
      if (format === 'markdown')
        return print(
          `# Events and fields\n\n${markdown('Event', 'Dataset', events)}\n\n${markdown('Field', 'Type', fields)}`,
        )
      await print(`${table(columns('event', 'dataset'), events)}\n\n${table(columns('field', 'type'), fields)}`)
    })
}

function columns(name: string, kind: string) {
  return [
    { title: name, value: (row: Row) => row.name },
    { title: kind, value: (row: Row) => row.kind },
    { title: '', value: (row: Row) => row.ecs },
    { title: 'meaning', value: (row: Row) => row.says, widthMax: 160 },
  ]
}

function markdown(name: string, kind: string, rows: readonly Row[]): string {
  const lines = rows.map(
    (row) => `| \`${row.name}\` | ${row.kind}${row.ecs ? ' (ECS)' : ''} | ${row.says.replaceAll('|', '\\|')} |`,
  )
  return [`| ${name} | ${kind} | Meaning |`, '|---|---|---|', ...lines].join('\n')
}
