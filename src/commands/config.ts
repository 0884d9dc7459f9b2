/** `borescope config`: the effective configuration, and what can be configured. */
import type { Command } from 'commander'
import { stringify } from 'yaml'
import { describeConfig, maskSecrets } from '../config.ts'
import type { Context } from './context.ts'
import { paint, print, table } from './terminal.ts'

export function registerConfig(program: Command, context: () => Context): void {
  program
    .command('config')
    .summary('the effective configuration, secrets masked')
    .description(
      'Shows the configuration as it applies now: defaults, then the file, then the environment. Secrets are masked.',
    )
    .option('--keys', 'every key with its default and its meaning')
    .option('--json', 'as JSON')
    .action(async ({ keys, json }: { keys?: boolean; json?: boolean }) => {
      if (keys) return printKeys(json === true)
      const { config, configFile } = context()
      const masked = maskSecrets(config)
      if (json) return print(JSON.stringify(masked, null, 2))
      await print(paint('dim', `# ${configFile === null ? 'defaults, no configuration file' : configFile}`))
      await print(stringify(masked).trimEnd())
    })
}

async function printKeys(json: boolean): Promise<void> {
  const rows = describeConfig()
  if (json) return print(JSON.stringify(rows, null, 2))
  const columns = [
    { title: 'key', value: ({ key }: (typeof rows)[number]) => key },
    { title: 'default', value: ({ fallback }: (typeof rows)[number]) => JSON.stringify(fallback) },
    { title: 'meaning', value: ({ says }: (typeof rows)[number]) => says, widthMax: 140 },
  ]
  await print(table(columns, rows))
}
