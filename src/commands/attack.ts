/** `borescope attack layer`: what the rules look for, or the alerts have shown, as a layer of the ATT&CK Navigator. */
import { type Command, Option } from 'commander'
import { tacticShortName } from '../detect/attack.ts'
import { type AttackLayer, attackLayer, ruleUses, type TechniqueUse } from '../detect/attack-layer.ts'
import type { EventDocument } from '../events/fields.ts'
import type { EventStore } from '../store/stores.ts'
import { VERSION } from '../version.ts'
import { type Context, UsageError } from './context.ts'
import { writeWhole } from './files.ts'
import { counted } from './terminal.ts'

interface LayerOptions {
  readonly from: 'rules' | 'alerts'
  readonly since?: string
  readonly until?: string
  readonly name?: string
  readonly out: string
}

export function registerAttack(program: Command, context: () => Context): void {
  const attack = program
    .command('attack')
    .summary('MITRE ATT&CK: a layer for the Navigator')
    .description('What rules and alerts mean in the terms of MITRE ATT&CK.')

  attack
    .command('layer')
    .description('Writes a layer for the ATT&CK Navigator (format 4.5): a score for each technique.')
    .addOption(
      new Option('--from <source>', 'score by the rules that look for a technique, or by the alerts that showed it')
        .choices(['rules', 'alerts'])
        .default('rules'),
    )
    .option('--since <time>', 'alerts at or after it: 2026-11-01, 2026-11-01T12:00:00Z, now-24h')
    .option('--until <time>', 'alerts before it')
    .option('--name <name>', 'the name of the layer')
    .option('-o, --out <file>', 'where to; - is stdout', '-')
    .action(async (options: LayerOptions) => {
      const layer =
        options.from === 'rules' ? layerOfRules(context(), options) : await layerOfAlerts(context(), options)
      await writeWhole(options.out, `${JSON.stringify(layer, null, 2)}\n`)
      if (options.out === '-') return
      const techniques = new Set(layer.techniques.map(({ techniqueID }) => techniqueID)).size
      process.stderr.write(`${counted(techniques, 'technique')} in ${options.out}\n`)
    })
}

function layerOfRules(context: Context, options: LayerOptions): AttackLayer {
  if (options.since !== undefined || options.until !== undefined)
    throw new UsageError('rules have no time: --since and --until go with --from alerts')
  const { set } = context.rules()
  const rules = set.rules.length + set.correlations.length
  return attackLayer(ruleUses(set), {
    name: options.name ?? 'Borescope: rules',
    description: `Techniques that ${counted(rules, 'rule')} of Borescope look for.`,
    unit: 'rule',
    metadata: [
      { name: 'Borescope', value: VERSION },
      { name: 'rules', value: String(rules) },
    ],
  })
}

const ALERT_FIELDS = [
  '@timestamp',
  'event.id',
  'event.action',
  'rule.name',
  'threat.tactic.id',
  'threat.technique.id',
  'threat.technique.subtechnique.id',
] as const

async function layerOfAlerts(context: Context, options: LayerOptions): Promise<AttackLayer> {
  const store = await context.openStore()
  try {
    const { uses, alerts } = await alertUses(store, options)
    const span = [
      ...(options.since === undefined ? [] : [`since ${options.since}`]),
      ...(options.until === undefined ? [] : [`until ${options.until}`]),
    ].join(' ')
    return attackLayer(uses, {
      name: options.name ?? 'Borescope: alerts',
      description: `Techniques that ${counted(alerts, 'alert')} of Borescope showed${span === '' ? '' : `, ${span}`}.`,
      unit: 'alert',
      metadata: [
        { name: 'Borescope', value: VERSION },
        { name: 'alerts', value: String(alerts) },
      ],
    })
  } finally {
    await store.close()
  }
}

async function alertUses(
  store: EventStore,
  { since, until }: LayerOptions,
): Promise<{ uses: Iterable<TechniqueUse>; alerts: number }> {
  // Added up by what they have in common: there may be more alerts than fit into memory, but not more than rules do.
  const uses = new Map<string, TechniqueUse & { count: number }>()
  let alerts = 0
  const search = {
    kql: 'event.kind: alert',
    ...(since === undefined ? {} : { since }),
    ...(until === undefined ? {} : { until }),
    fields: ALERT_FIELDS,
  }
  for await (const alert of store.search(search)) {
    alerts++
    const tactics = (alert['threat.tactic.id'] ?? []).map(tacticShortName).filter((name) => name !== undefined)
    const rule = alert['rule.name'] ?? 'without a rule'
    for (const technique of techniquesOf(alert)) {
      const key = JSON.stringify([technique, rule, tactics])
      const use = uses.get(key)
      if (use === undefined) uses.set(key, { technique, tactics, rule, count: 1 })
      else use.count++
    }
  }
  return { uses: uses.values(), alerts }
}

/** The sub-techniques, and the techniques that are not there for the sake of one of them. */
function techniquesOf(alert: EventDocument): string[] {
  const subtechniques = alert['threat.technique.subtechnique.id'] ?? []
  const parents = new Set(subtechniques.map((id) => id.slice(0, id.indexOf('.'))))
  return [...(alert['threat.technique.id'] ?? []).filter((id) => !parents.has(id)), ...subtechniques]
}
