/** `borescope alert`: the sinks through which people are told of alerts, and whether they work. */
import { type Command, Option } from 'commander'
import { LEVELS } from '../alert-config.ts'
import { deliveryNameOf, openSink, testNotification } from '../alerting.ts'
import { ConfigError } from '../config.ts'
import type { EventDocument } from '../events/fields.ts'
import { Delivery } from '../output/delivery.ts'
import type { DestinationStatus } from '../output/delivery-status.ts'
import type { Sink } from '../output/sink.ts'
import { readStatus } from '../output/status.ts'
import { type Context, EXIT, UsageError } from './context.ts'
import { bytes, number, paint, print, printable, table } from './terminal.ts'

type Level = (typeof LEVELS)[number]

interface TestOptions {
  readonly level: Level
  readonly dryRun?: boolean
  readonly json?: boolean
}

export function registerAlert(program: Command, context: () => Context): void {
  const alert = program
    .command('alert')
    .summary('the sinks through which people are told of alerts: list them, test one')
    .description('The sinks of alerts (section "alerts" of the configuration).')
  alert
    .command('sinks')
    .summary('the configured sinks and their state')
    .description('Lists the configured sinks: where they lead, which levels reach them, what waits for them.')
    .option('--json', 'one JSON array')
    .action(async ({ json }: { json?: boolean }) => listSinks(context(), json === true))
  alert
    .command('test')
    .summary('send a test alert through a sink')
    .description(
      'Sends an alert that is marked as a test, in the way of real ones but for the routes, and says what the peer answered.\nExits with 5 if the peer did not take it.',
    )
    .argument('<sink>', 'its name in the configuration')
    .addOption(new Option('--level <level>', 'the level of the test alert').choices(LEVELS).default('high'))
    .option('--dry-run', 'send nothing, print what would be sent')
    .option('--json', 'the outcome as one JSON object')
    .action(async (name: string, options: TestOptions) => {
      process.exitCode = await testSink(context(), name, options)
    })
}

async function testSink(context: Context, name: string, options: TestOptions): Promise<number> {
  const { config } = context
  const known = Object.keys(config.alerts.sinks)
  if (!known.includes(name)) {
    const hint = known.length === 0 ? 'the configuration has none (alerts.sinks)' : `known: ${known.join(', ')}`
    throw new UsageError(`there is no sink ${printable(name)}; ${hint}`)
  }
  const sink = openSink(config, name, process.env)
  const notification = testNotification(config, options.level, Date.now())
  try {
    if (options.dryRun) {
      await print(await sink.preview([notification]))
      return EXIT.FINE
    }
    const { isTaken, says } = await deliver(sink, name, notification, config.delivery.requestSeconds * 1000)
    if (options.json) {
      const outcome = { sink: name, target: sink.target, id: notification['event.id'], accepted: isTaken, answer: says }
      await print(JSON.stringify(outcome))
    } else {
      const verdict = isTaken ? paint('green', 'taken') : paint('red', 'not taken')
      await print(`${name} (${printable(sink.target)}): ${verdict}: ${printable(says)}`)
    }
    return isTaken ? EXIT.FINE : EXIT.UNDELIVERED
  } finally {
    await sink.close()
  }
}

/** Through a delivery of its own, without a spool: who tests is waiting for the answer, and a sensor may own the spool. */
async function deliver(
  sink: Sink,
  name: string,
  notification: EventDocument,
  requestMs: number,
): Promise<{ isTaken: boolean; says: string }> {
  const delivery = new Delivery(sink, {
    name: deliveryNameOf(name),
    order: 'priority',
    batchBytes: 1,
    batchEvents: 1,
    batchMs: 1,
    requestsMax: 1,
    requestMs,
    queueBytesMax: Number.POSITIVE_INFINITY,
    backoffMinMs: 1,
    backoffMaxMs: 1,
    holdsBack: false,
    patienceMs: Number.POSITIVE_INFINITY,
    giveUpMs: 0,
    spool: null,
    quarantine: null,
  })
  let failure: string | null = null
  try {
    delivery.push(notification)
    await delivery.flush()
  } catch (error) {
    failure = error instanceof Error ? error.message : String(error)
  }
  await delivery.close()
  const isTaken = delivery.counts.stored === 1
  const says = isTaken ? sink.answer?.text : (sink.answer?.text ?? failure)
  return { isTaken, says: says ?? 'no answer' }
}

interface Row {
  readonly name: string
  readonly type: string
  readonly target: string
  readonly levels: readonly Level[]
  /** `ready`, `unused`: no route leads to it, `wrong`, or the state of its delivery in the process that ran last. */
  readonly state: string
  readonly spooled: number
  readonly spoolBytes: number
  readonly says: string
}

async function listSinks(context: Context, isJson: boolean): Promise<void> {
  const { config } = context
  const rows: Row[] = []
  for (const name of Object.keys(config.alerts.sinks)) rows.push(await rowOf(context, name))
  if (isJson) return print(JSON.stringify(rows, null, 2))
  if (rows.length === 0) return print("No sinks are configured: see 'alerts' in the README.")
  const colors = { ready: 'green', ok: 'green', wrong: 'red', failed: 'red' } as const
  const columns = [
    { title: 'sink', value: ({ name }: Row) => name },
    { title: 'type', value: ({ type }: Row) => type },
    { title: 'leads to', value: ({ target }: Row) => target },
    { title: 'levels', value: ({ levels }: Row) => levelsText(levels) },
    {
      title: 'state',
      value: ({ state }: Row) => state,
      paint: ({ state }: Row, text: string) => paint(colors[state as keyof typeof colors] ?? 'yellow', text),
    },
    {
      title: 'waiting',
      value: ({ spooled, spoolBytes }: Row) =>
        spooled === 0 ? undefined : `${number(spooled)} (${bytes(spoolBytes)})`,
      right: true,
    },
    { title: '', value: ({ says }: Row) => says, widthMax: 100 },
  ]
  await print(table(columns, rows))
}

async function rowOf({ config }: Context, name: string): Promise<Row> {
  const { type } = config.alerts.sinks[name]
  const levels = levelsOf(config, name)
  const status = statusOf(config.delivery.path, name)
  const spooled = status?.spooled ?? 0
  const row = { name, type, levels, spooled, spoolBytes: status?.spool?.bytes ?? 0 }
  try {
    const sink = openSink(config, name, process.env)
    await sink.close()
    const state = levels.length === 0 ? 'unused' : (status?.state ?? 'ready')
    return { ...row, target: sink.target, state, says: status?.lastError?.message ?? '' }
  } catch (error) {
    if (!(error instanceof ConfigError)) throw error
    return { ...row, target: '', state: 'wrong', says: error.message }
  }
}

function statusOf(folder: string, name: string): DestinationStatus | undefined {
  return readStatus(folder)?.destinations.find((destination) => destination.name === deliveryNameOf(name))
}

/** The levels of which an alert could come here; what else a route asks of it, only the alert knows. */
function levelsOf(config: Context['config'], name: string): Level[] {
  const { routes: all } = config.alerts
  const routes: { minLevel?: Level | undefined }[] =
    all.length > 0 ? all.filter(({ sinks }) => sinks.includes(name)) : [{}]
  return LEVELS.filter((_, at) => routes.some(({ minLevel = 'informational' }) => at >= LEVELS.indexOf(minLevel)))
}

function levelsText(levels: readonly Level[]): string {
  return levels.length === 0 ? '' : levels.length === LEVELS.length ? 'all' : `${levels[0]} and above`
}
