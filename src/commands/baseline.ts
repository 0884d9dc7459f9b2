/** `borescope baseline`: what was learned of users, clients, gateways and tunnels. */
import { copyFileSync, existsSync } from 'node:fs'
import { type Command, Option } from 'commander'
import { BaselineError, loadBaselines, saveBaselines, writeBaselines } from '../baseline-file.ts'
import { DAY_US, HOUR_US } from '../base/time.ts'
import type { Config } from '../config-schema.ts'
import { Baselines, type SavedEntity, TEACHING_EVENTS } from '../detect/baseline/baselines.ts'
import type { Emit } from '../events/catalogue.ts'
import { type Context, UsageError } from './context.ts'
import { parseCount } from './formats.ts'
import { counted, number, paint, print, table, when } from './terminal.ts'

const KINDS = ['user', 'client', 'gateway', 'tunnel', 'esp', 'conversation'] as const

interface ListOptions {
  readonly kind?: string
  readonly limit: number
  readonly json?: boolean
}

/** Empty, with the bounds of the configuration. */
export function createBaselines({ baseline }: Config, emit: Emit): Baselines {
  return new Baselines(emit, {
    entitiesMax: baseline.entitiesMax,
    bytesMax: baseline.bytesMax,
    learnUs: baseline.learnDays * DAY_US,
    observationsMin: baseline.observationsMin,
    freezeUs: baseline.freezeHours * HOUR_US,
  })
}

/** Reads what was learned. What does not fit is told on stderr and left out. */
export function readBaselines(path: string, baselines: Baselines): number {
  try {
    const { entities, problems } = loadBaselines(path, baselines)
    for (const problem of problems) process.stderr.write(`borescope: ${problem}\n`)
    return entities
  } catch (error) {
    if (error instanceof BaselineError) throw new UsageError(error.message)
    throw error
  }
}

export function registerBaseline(program: Command, context: () => Context): void {
  const baseline = program
    .command('baseline')
    .summary('what is usual: show, learn, export and reset it')
    .description(
      'What is usual for each user, client, gateway, tunnel and conversation. It is learned by "replay --baseline",\nand from the events of the store by "baseline learn".',
    )

  baseline
    .command('show')
    .description('What was learned of an entity: a user, an address, or "ADDRESS > ADDRESS" for a tunnel.')
    .argument('<entity>', 'name of a user, address of a client or gateway, or two addresses')
    .option('--json', 'one JSON array')
    .action((id: string, { json }: { json?: boolean }) => showEntity(context().config, id, json === true))

  baseline
    .command('list')
    .description('Lists the entities of which something was learned, those with most events first.')
    .addOption(new Option('--kind <kind>', 'only those').choices(KINDS))
    .option('-n, --limit <number>', 'at most so many', parseCount, 100)
    .option('--json', 'one JSON array')
    .action((options: ListOptions) => listEntities(context().config, options))

  baseline
    .command('learn')
    .description('Learns from the events of the store what is usual, on top of what is known. Raises nothing.')
    .option('--since <time>', 'events at or after it: 2026-11-01, now-30d')
    .action(({ since }: { since?: string }) => learnFromStore(context(), since))

  baseline
    .command('export')
    .description('Copies what was learned to a file, to be kept or to be imported by another sensor.')
    .argument('<file>', 'where to')
    .action(async (file: string) => {
      const entities = writeBaselines(file, opened(context().config))
      await print(`${counted(entities, 'baseline')} written to ${file}`)
    })

  baseline
    .command('import')
    .description('Takes in what another sensor learned. An entity that is known already is replaced.')
    .argument('<file>', 'a file that "baseline export" wrote')
    .action(async (file: string) => {
      if (!existsSync(file)) throw new UsageError(`${file} does not exist`)
      const { config } = context()
      const baselines = opened(config)
      const entities = readBaselines(file, baselines)
      saveBaselines(config.baseline.path, baselines)
      await print(`${counted(entities, 'baseline')} taken in`)
    })

  baseline
    .command('reset')
    .description('Forgets an entity, or with --all everything; what was there is kept beside it as .old.')
    .argument('[entity]', 'which one')
    .option('--all', 'everything')
    .action((id: string | undefined, { all }: { all?: boolean }) => forgetEntities(context().config, id, all === true))
}

async function showEntity(config: Config, id: string, json: boolean): Promise<void> {
  const known = [...opened(config).describe(id)]
  if (known.length === 0) throw new UsageError(`nothing was learned of "${id}": see 'borescope baseline list'`)
  if (json) {
    const rows = known.map(({ entity: { models: _, ...entity }, habits }) => ({
      ...times(entity),
      habits: Object.fromEntries(habits),
    }))
    return print(JSON.stringify(rows, null, 2))
  }
  for (const { entity, habits } of known) {
    const { observations, firstUs, lastUs } = entity
    const span = `${counted(observations, 'event')} from ${whenUs(firstUs)} to ${whenUs(lastUs)}`
    await print(`${paint('bold', `${entity.kind} ${entity.id}`)}  ${paint('dim', span)}`)
    const wide = Math.max(...habits.map(([name]) => name.length))
    for (const [name, says] of habits) await print(`  ${name.padEnd(wide)}  ${says}`)
  }
}

async function listEntities(config: Config, options: ListOptions): Promise<void> {
  const all = [...opened(config).save()]
    .filter(({ kind }) => options.kind === undefined || kind === options.kind)
    .sort((a, b) => b.observations - a.observations)
  const shown = all.slice(0, options.limit)
  if (options.json) {
    return print(
      JSON.stringify(
        shown.map(({ models: _, ...entity }) => times(entity)),
        null,
        2,
      ),
    )
  }
  const columns = [
    { title: 'kind', value: ({ kind }: SavedEntity) => kind },
    { title: 'entity', value: ({ id }: SavedEntity) => id, widthMax: 60 },
    { title: 'events', value: ({ observations }: SavedEntity) => number(observations), right: true },
    { title: 'first', value: ({ firstUs }: SavedEntity) => whenUs(firstUs) },
    { title: 'last', value: ({ lastUs }: SavedEntity) => whenUs(lastUs) },
  ]
  if (shown.length > 0) await print(table(columns, shown))
  process.stderr.write(`${number(shown.length)} of ${counted(all.length, 'baseline')}\n`)
}

async function learnFromStore(context: Context, since: string | undefined): Promise<void> {
  const { path } = context.config.baseline
  const baselines = opened(context.config)
  const store = await context.openStore()
  let events = 0
  try {
    const kql = `event.action: (${TEACHING_EVENTS.join(' or ')}) or event.kind: alert`
    const sort = [{ field: '@timestamp', descending: false }] as const
    for await (const document of store.search({ kql, sort, ...(since === undefined ? {} : { since }) })) {
      baselines.observe(document)
      events++
    }
  } finally {
    await store.close()
  }
  const entities = saveBaselines(path, baselines)
  await print(`${counted(events, 'event')} learned; ${counted(entities, 'baseline')} in ${path}`)
}

async function forgetEntities(config: Config, id: string | undefined, all: boolean): Promise<void> {
  const { path } = config.baseline
  if ((id === undefined) === !all) throw new UsageError('name an entity, or give --all')
  const baselines = opened(config)
  const count = id === undefined ? baselines.counters.entities : baselines.forget(id)
  if (count === 0) throw new UsageError(id === undefined ? 'nothing was learned yet' : `nothing was learned of "${id}"`)
  copyFileSync(path, `${path}.old`)
  saveBaselines(path, id === undefined ? createBaselines(config, () => {}) : baselines)
  await print(`${counted(count, 'baseline')} forgotten; the file as it was is ${path}.old`)
}

/** What was learned, for looking at. */
function opened(config: Config): Baselines {
  const baselines = createBaselines(config, () => {})
  readBaselines(config.baseline.path, baselines)
  return baselines
}

function times({ kind, id, observations, firstUs, lastUs }: Omit<SavedEntity, 'models'>) {
  return { kind, id, events: observations, first: iso(firstUs), last: iso(lastUs) }
}

function iso(timeUs: number): string {
  return new Date(timeUs / 1000).toISOString()
}

function whenUs(timeUs: number): string {
  return when(iso(timeUs))
}
