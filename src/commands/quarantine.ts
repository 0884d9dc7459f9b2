/** `borescope quarantine`: events that a destination refused, with its reasons. */
import { existsSync, renameSync, rmSync } from 'node:fs'
import { basename, dirname, join } from 'node:path'
import type { Command } from 'commander'
import { Deliveries, QUARANTINE } from '../deliveries.ts'
import { nest } from '../events/fields.ts'
import { droppedIn } from '../output/delivery-status.ts'
import { type Quarantined, readQuarantine } from '../output/quarantine.ts'
import { type Context, EXIT, UsageError } from './context.ts'
import { namesWithPastIn, openDestination } from './destinations.ts'
import { parseCount } from './formats.ts'
import { counted, print, table, warn, when } from './terminal.ts'

/** While they are tried again, the events stand in a file of this name: a crash loses none. */
export const RETRIED = `${QUARANTINE}.retried`

interface Row extends Quarantined {
  readonly destination: string
}

export function registerQuarantine(program: Command, context: () => Context): void {
  const quarantine = program.command('quarantine').summary('events that a destination refused, with its reasons')
  quarantine
    .command('list')
    .summary('which, when and why')
    .argument('[destination]', 'only of this one, as in borescope status')
    .option('-n, --limit <count>', 'the newest of them', parseCount, 50)
    .option('--json', 'all of them as one JSON array, with the whole events')
    .action((destination: string | undefined, options: { limit: number; json?: boolean }) =>
      list(context(), destination, options),
    )
  quarantine
    .command('retry')
    .summary('give them to their destinations again')
    .description(
      'Gives the events to their destinations again, once what was wrong is mended. Those that are refused again come back.\nExits with 5 if some could not be delivered.',
    )
    .argument('[destination]', 'only of this one')
    .action(async (destination: string | undefined) => {
      process.exitCode = await retry(context(), destination)
    })
  quarantine
    .command('clear')
    .summary('delete them')
    .argument('[destination]', 'only of this one')
    .action((destination: string | undefined) => clear(context(), destination))
}

function namesOf(context: Context, destination: string | undefined): string[] {
  const { path } = context.config.delivery
  const known = namesWithPastIn(path)
  const names = known.filter((name) => fileOf(path, name) !== null)
  if (destination === undefined) return names
  if (!known.includes(destination)) {
    throw new UsageError(`${path} knows no destination ${destination}; it knows ${known.join(', ') || 'none'}`)
  }
  return names.filter((name) => name === destination)
}

function fileOf(path: string, name: string): string | null {
  const files = [RETRIED, QUARANTINE].map((file) => join(path, name, file))
  return files.find((file) => existsSync(file)) ?? null
}

function rowsOf(path: string, name: string): Row[] {
  return [RETRIED, QUARANTINE].flatMap((file) => {
    const { events, unreadable } = readQuarantine(join(path, name, file))
    if (unreadable > 0) warn(`${counted(unreadable, 'line')} of ${join(path, name, file)} cannot be read`)
    return events.map((event) => ({ ...event, destination: name }))
  })
}

async function list(
  context: Context,
  destination: string | undefined,
  { limit, json }: { limit: number; json?: boolean },
): Promise<void> {
  const { path } = context.config.delivery
  const rows = namesOf(context, destination).flatMap((name) => rowsOf(path, name))
  rows.sort((a, b) => (a.time < b.time ? 1 : a.time > b.time ? -1 : 0))
  if (json) return print(JSON.stringify(rows.map((row) => ({ ...row, event: nest(row.event) }))))
  if (rows.length > 0) await print(table(COLUMNS, rows.slice(0, limit)))
  process.stderr.write(`${counted(rows.length, 'event')}${rows.length > limit ? '; --limit shows more' : ''}\n`)
}

const COLUMNS = [
  { title: 'refused', value: ({ time }: Row) => when(time) },
  { title: 'destination', value: ({ destination }: Row) => destination },
  { title: 'event', value: ({ id }: Row) => id },
  { title: 'what', value: ({ event }: Row) => event['event.action'] },
  { title: 'reason', value: ({ reason }: Row) => reason, widthMax: 120 },
]

async function retry(context: Context, destination: string | undefined): Promise<number> {
  const { delivery } = context.config
  let missing = 0
  for (const place of namesOf(context, destination)) {
    // What searches of the past left has a folder of its own, with an owner of its own.
    const folder = dirname(join(delivery.path, place))
    const deliveries = new Deliveries({ ...delivery, path: folder }, 'borescope quarantine retry', warn)
    // Another process would write into the file that is moved away here.
    deliveries.claim(true)
    try {
      missing += await retryOne(context, deliveries, folder, place)
    } finally {
      await deliveries.close()
    }
  }
  return missing > 0 ? EXIT.UNDELIVERED : EXIT.FINE
}

/** `place`: below the folder of the deliveries. Gives how many could not be delivered. */
async function retryOne(context: Context, deliveries: Deliveries, folder: string, place: string): Promise<number> {
  const name = basename(place)
  const found = await openDestination(context, name)
  if (found === null) throw new UsageError(`the configuration has no destination ${name}`)
  const retried = join(folder, name, RETRIED)
  const { destination, kind } = found
  try {
    // One that an earlier attempt left comes first, alone.
    if (!existsSync(retried)) renameSync(join(folder, name, QUARANTINE), retried)
    const delivery = deliveries.open(name, destination, kind)
    for (const { event } of readQuarantine(retried).events) {
      delivery.push(event)
      await delivery.drain()
    }
    await delivery.flush()
    await delivery.close()
    const { stored, duplicates, quarantined, spooled, resumed } = delivery.counts
    const lost = droppedIn(delivery.counts)
    if (lost === 0) rmSync(retried)
    const also = resumed > 0 ? `, with ${counted(resumed, 'event')} from the spool` : ''
    await print(
      `${place}: ${stored} stored, ${duplicates} were there already, ${quarantined} refused again, ${spooled} wait in the spool${also}`,
    )
    return lost + spooled
  } finally {
    await destination.close()
  }
}

async function clear(context: Context, destination: string | undefined): Promise<void> {
  const { path } = context.config.delivery
  for (const name of namesOf(context, destination)) {
    const count = rowsOf(path, name).length
    for (const file of [RETRIED, QUARANTINE]) rmSync(join(path, name, file), { force: true })
    await print(`${name}: ${counted(count, 'event')} deleted`)
  }
}
