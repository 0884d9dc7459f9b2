/** `borescope rules test`: puts rules to their tests. */
import type { Command } from 'commander'
import { mergeByTime } from '../capture/merge.ts'
import { openCapture } from '../capture/sources.ts'
import { alertsAbout, loadRuleTests, type RuleTest } from '../detect/rule-tests.ts'
import { type RuleSet, raisesAlerts, selectRules } from '../detect/rules.ts'
import type { EventDocument } from '../events/fields.ts'
import { Sensor } from '../sensor.ts'
import { VERSION } from '../version.ts'
import { type Context, EXIT } from './context.ts'
import { chosenRules, problemText, wantedRules } from './rules-common.ts'
import { counted, paint, print, table } from './terminal.ts'

interface TestOptions {
  readonly rule?: readonly string[]
  readonly complete?: boolean
  readonly json?: boolean
}

interface Outcome {
  readonly test: RuleTest
  readonly entities: readonly string[]
  readonly passed: boolean
}

export function registerRulesTest(rules: Command, context: () => Context): void {
  rules
    .command('test')
    .summary('put rules to their tests')
    .description(
      'Runs the tests that stand beside rules (NAME.test.yml): events or captures on which a rule fires, or is silent.\nWithout folders, those of the configuration. Exits with 1 if one fails, with 2 if a rule or a test is wrong.',
    )
    .argument('[folders...]', 'folders of Sigma rules with their tests, or single files')
    .option('-r, --rule <rules...>', 'only these rules: titles, ids or names')
    .option('--complete', 'a rule without a test that it fires, or without one that it is silent, fails too')
    .option('--json', 'one JSON array')
    .action(async (folders: string[], options: TestOptions) => {
      process.exitCode = await test(context(), folders, options)
    })
}

async function test(context: Context, named: readonly string[], options: TestOptions): Promise<number> {
  const { set, folders, isOwn } = chosenRules(context, named)
  const wanted = options.rule === undefined ? raisesAlerts(set).filter(isOwn) : wantedRules(set, options.rule)
  const loaded = loadRuleTests(folders, set)
  const tests = loaded.tests.filter(({ rule }) => options.rule === undefined || wanted.includes(rule))
  const outcomes: Outcome[] = []
  const replayed = new Map<string, readonly EventDocument[]>()
  for (const one of tests) outcomes.push(await run(one, set, context, replayed))
  const untested = wanted.filter((rule) => {
    const own = tests.filter((one) => one.rule === rule)
    return !own.some(({ fires }) => fires) || !own.some(({ fires }) => !fires)
  })
  const errors = [...set.problems, ...loaded.problems].filter(({ severity }) => severity === 'error')
  const failed = outcomes.filter(({ passed }) => !passed)
  if (options.json) {
    await print(
      JSON.stringify({ tests: outcomes.map(asJson), untested: untested.map(({ title }) => title), errors }, null, 2),
    )
  } else {
    for (const error of errors) await print(problemText(error))
    await print(asTable(outcomes))
    const parts = [`${counted(outcomes.length - failed.length, 'test')} passed`, `${failed.length} failed`]
    if (untested.length > 0) parts.push(`${counted(untested.length, 'rule')} without both a hit and a miss`)
    process.stderr.write(`${parts.join(', ')}\n`)
    if (options.complete)
      for (const { file, line, title } of untested) process.stderr.write(`${file}:${line}: ${title}\n`)
  }
  if (errors.length > 0) return EXIT.USAGE
  return failed.length > 0 || (options.complete === true && untested.length > 0) ? EXIT.FOUND : EXIT.FINE
}

async function run(
  one: RuleTest,
  set: RuleSet,
  context: Context,
  replayed: Map<string, readonly EventDocument[]>,
): Promise<Outcome> {
  const alerts =
    one.events === null
      ? await replay(one.captures, set, context, replayed)
      : alertsAbout(selectRules(set, [one.rule]), one.events)
  const entities = alerts
    .filter((alert) => alert['rule.name'] === one.rule.title)
    .map((alert) => alert['alert.entity'] ?? '')
  const isAsNamed = one.entities === undefined || JSON.stringify(one.entities) === JSON.stringify(entities)
  return { test: one, entities, passed: one.fires ? entities.length > 0 && isAsNamed : entities.length === 0 }
}

/** The alerts about captures, once for all tests that look at the same ones. */
async function replay(
  captures: readonly string[],
  set: RuleSet,
  context: Context,
  replayed: Map<string, readonly EventDocument[]>,
): Promise<readonly EventDocument[]> {
  const key = captures.join('\n')
  const known = replayed.get(key)
  if (known !== undefined) return known
  const alerts: EventDocument[] = []
  const source = mergeByTime(await Promise.all(captures.map((path) => openCapture(path))))
  try {
    const sensor = new Sensor(context.config, VERSION, set, context.espKeys())
    sensor.bus.subscribe((document) => {
      if (document['event.action'] === 'alert.raised') alerts.push(document)
    })
    await sensor.run(source, () => false)
  } finally {
    await source.close()
  }
  replayed.set(key, alerts)
  return alerts
}

function asTable(outcomes: readonly Outcome[]): string {
  if (outcomes.length === 0) return 'no tests'
  const columns = [
    {
      title: '',
      value: ({ passed }: Outcome) => (passed ? 'ok' : 'FAILED'),
      paint: ({ passed }: Outcome, text: string) => paint(passed ? 'green' : 'red', text),
    },
    { title: 'rule', value: ({ test }: Outcome) => test.rule.title },
    { title: 'on', value: ({ test }: Outcome) => test.name, widthMax: 50 },
    {
      title: 'expected',
      value: ({ test }: Outcome) => (test.fires ? (test.entities?.join(' | ') ?? 'fires') : 'silent'),
    },
    {
      title: 'found',
      value: ({ entities, passed }: Outcome) => (passed ? '' : entities.length === 0 ? 'silent' : entities.join(' | ')),
    },
    {
      title: 'test',
      value: ({ test, passed }: Outcome) => (passed ? '' : `${test.file}:${test.line}`),
    },
  ]
  return table(columns, outcomes)
}

function asJson({ test: { file, line, rule, name, fires, entities: expected }, entities, passed }: Outcome): object {
  return {
    rule: rule.title,
    id: rule.id,
    name,
    file,
    line,
    expected: fires ? (expected ?? 'fires') : 'silent',
    entities,
    passed,
  }
}
