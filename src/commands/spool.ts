/** `borescope spool`: sends what earlier processes could not. */
import { join } from 'node:path'
import type { Command } from 'commander'
import { Deliveries } from '../deliveries.ts'
import type { Delivery } from '../output/delivery.ts'
import { droppedIn } from '../output/delivery-status.ts'
import { inspectSpool } from '../output/spool.ts'
import { type Context, EXIT } from './context.ts'
import { namesIn, openDestination } from './destinations.ts'
import { counted, print, warn } from './terminal.ts'

export function registerSpool(program: Command, context: () => Context): void {
  const spool = program.command('spool').summary('events that wait on disk for their destination')
  spool
    .command('send')
    .summary('send them now')
    .description(
      "Sends what lies in the spools to its destinations, as the next run would do by itself. Exits with 5 if some of it is\nstill there afterwards, or was lost; 'borescope status' says why.",
    )
    .option('--json', 'one JSON object: what became of the events of each destination')
    .action(async ({ json }: { json?: boolean }) => {
      process.exitCode = await send(context(), json === true)
    })
}

async function send(context: Context, json: boolean): Promise<number> {
  const { path } = context.config.delivery
  const deliveries = new Deliveries(context.config.delivery, 'borescope spool send', warn)
  const names = namesIn(path).filter((name) => inspectSpool(join(path, name)).records > 0)
  const opened: { readonly delivery: Delivery; readonly close: () => Promise<void> }[] = []
  let isMissing = false
  try {
    if (names.length > 0) deliveries.claim(true)
    for (const name of names) {
      const found = await openDestination(context, name)
      if (found?.kind === 'remote') {
        const { destination } = found
        opened.push({ delivery: deliveries.open(name, destination, 'remote'), close: () => destination.close() })
        continue
      }
      isMissing = true
      await found?.destination.close()
      warn(
        found === null
          ? `events wait in ${join(path, name)}, but the configuration has no destination ${name}`
          : `events wait in ${join(path, name)}, but the configured store is a file: only 'borescope watch' sends them there`,
      )
    }
    await deliveries.flush()
  } finally {
    await deliveries.close()
    for (const { close } of opened) await close()
  }
  const rest = opened.reduce((sum, { delivery: { counts } }) => sum + counts.spooled + droppedIn(counts), 0)
  if (json) {
    await print(JSON.stringify(Object.fromEntries(opened.map(({ delivery }) => [delivery.name, delivery.counts]))))
  } else if (names.length === 0) await print('Nothing waits')
  else {
    for (const { delivery } of opened) {
      const { stored, duplicates, quarantined, spooled } = delivery.counts
      await print(
        `${delivery.name}: ${counted(stored, 'event')} sent, ${duplicates} were there already, ${quarantined} refused, ${spooled} still wait`,
      )
    }
  }
  return rest > 0 || isMissing ? EXIT.UNDELIVERED : EXIT.FINE
}
