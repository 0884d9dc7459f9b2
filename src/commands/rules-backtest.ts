/** `borescope rules backtest`: what rules would have said about the events of the store. Nothing is stored. */
import { existsSync } from 'node:fs'
import { type Command, Option } from 'commander'
import { parseMicroseconds } from '../base/time.ts'
import { detectorOf } from '../detect/rule-tests.ts'
import { type RuleSet, raisesAlerts, selectRules } from '../detect/rules.ts'
import { type EventDocument, nest } from '../events/fields.ts'
import { type Context, EXIT } from './context.ts'
import { parseCount } from './formats.ts'
import { chosenRules, problemText, wantedRules } from './rules-common.ts'
import { counted, number, paintLevel, print, printable, table, when } from './terminal.ts'

interface BacktestOptions {
  readonly since?: string
  readonly until?: string
  readonly kql?: string
  readonly limit: number
  readonly json?: boolean
}

const SPAN = /^[1-9]\d{0,4}[smhdw]$/
/** Waiting for a long search to say something. */
const EVENTS_A_BREATH = 4096

export function registerRulesBacktest(rules: Command, context: () => Context): void {
  rules
    .command('backtest')
    .summary('what rules would have said about the stored events')
    .description(
      'Runs rules over the events of the store, oldest first, and shows the alerts that they would have raised. Nothing is\nstored. Rules are files, or titles, ids and names of configured rules; without any, all configured rules are run.',
    )
    .argument('[rules...]', 'files of Sigma rules, or titles, ids or names')
    .option('--since <time>', 'events at or after it: 7d for the last seven days, 2026-11-01, now-24h')
    .option('--until <time>', 'events before it')
    .option('--kql <query>', 'only events that a query finds')
    .addOption(new Option('-n, --limit <number>', 'alerts shown; all are counted').argParser(parseCount).default(100))
    .option('--json', 'one JSON object')
    .action(async (named: string[], options: BacktestOptions) => {
      process.exitCode = await backtest(context(), named, options)
    })
}

interface Day {
  readonly day: string
  readonly rule: string
  readonly level: string
  alerts: number
  events: number
}

async function backtest(context: Context, named: readonly string[], options: BacktestOptions): Promise<number> {
  const set = chosen(context, named)
  const errors = set.problems.filter(({ severity }) => severity === 'error')
  for (const error of errors) process.stderr.write(`${problemText(error)}\n`)
  if (raisesAlerts(set).length === 0) return EXIT.USAGE
  const shown: EventDocument[] = []
  const days = new Map<string, Day>()
  let alerts = 0
  const detector = detectorOf(set, (alert) => {
    alerts++
    if (shown.length < options.limit) shown.push(alert)
    count(days, alert)
  })
  const events = await feed(context, options, detector.observe, (timeUs) => detector.expire(timeUs))
  detector.end()
  const perDay = [...days.values()].sort((a, b) => (a.day + a.rule < b.day + b.rule ? -1 : 1))
  if (options.json) {
    await print(JSON.stringify({ events, alerts, days: perDay, shown: shown.map(nest), errors }, null, 2))
  } else await show(shown, perDay, alerts, events)
  return errors.length > 0 ? EXIT.USAGE : EXIT.FINE
}

/** What is a path is read; what is none is the title, id or name of a configured rule. */
function chosen(context: Context, named: readonly string[]): RuleSet {
  const paths = named.filter((name) => existsSync(name))
  const { set, isOwn } = chosenRules(context, paths)
  if (named.length === 0) return set
  const own = paths.length === 0 ? [] : [...set.rules, ...set.correlations].filter(isOwn)
  const others = named.filter((name) => !existsSync(name))
  return selectRules(set, [...own, ...wantedRules(set, others)])
}

/** Gives every event to `observe`, in the order of time; the number of them. */
async function feed(
  context: Context,
  { since, until, kql }: BacktestOptions,
  observe: (document: EventDocument) => void,
  expire: (timeUs: number) => void,
): Promise<number> {
  const store = await context.openStore()
  let events = 0
  try {
    const selection = {
      kql: kql ?? '',
      ...(since === undefined ? {} : { since: SPAN.test(since) ? `now-${since}` : since }),
      ...(until === undefined ? {} : { until }),
    }
    for await (const document of store.search({ ...selection, sort: [{ field: '@timestamp', descending: false }] })) {
      if (document['event.kind'] === 'alert') continue
      observe(document)
      expire(parseMicroseconds(document['@timestamp']))
      if (++events % EVENTS_A_BREATH === 0) await new Promise(setImmediate)
    }
  } finally {
    await store.close()
  }
  return events
}

function count(days: Map<string, Day>, alert: EventDocument): void {
  const day = alert['@timestamp'].slice(0, 10)
  const rule = alert['rule.name'] ?? ''
  const key = `${day} ${rule}`
  const known = days.get(key) ?? { day, rule, level: alert['rule.level'] ?? '', alerts: 0, events: 0 }
  known.alerts++
  known.events += alert['alert.events'] ?? 0
  days.set(key, known)
}

async function show(
  shown: readonly EventDocument[],
  days: readonly Day[],
  alerts: number,
  events: number,
): Promise<void> {
  const levelOf = (alert: EventDocument) => alert['rule.level'] ?? ''
  if (shown.length > 0) {
    const columns = [
      { title: 'time', value: (alert: EventDocument) => when(alert['@timestamp']) },
      {
        title: 'level',
        value: levelOf,
        paint: (alert: EventDocument, text: string) => paintLevel(levelOf(alert), text),
      },
      { title: 'rule', value: (alert: EventDocument) => alert['rule.name'] },
      { title: 'about', value: (alert: EventDocument) => printable(alert['alert.entity'] ?? '') },
      { title: 'events', value: (alert: EventDocument) => number(alert['alert.events'] ?? 0), right: true },
    ]
    await print(`${table(columns, shown)}\n`)
    const daily = [
      { title: 'day', value: ({ day }: Day) => day },
      {
        title: 'level',
        value: ({ level }: Day) => level,
        paint: ({ level }: Day, text: string) => paintLevel(level, text),
      },
      { title: 'rule', value: ({ rule }: Day) => rule },
      { title: 'alerts', value: (day: Day) => number(day.alerts), right: true },
      { title: 'events', value: (day: Day) => number(day.events), right: true },
    ]
    await print(table(daily, days))
  }
  const more = alerts > shown.length ? `; ${number(shown.length)} are shown, --limit shows more` : ''
  process.stderr.write(`${counted(alerts, 'alert')} about ${counted(events, 'event')}${more}\n`)
}
