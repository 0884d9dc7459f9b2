/** `borescope rules coverage`: which techniques of ATT&CK the rules look for, by the groups of the rules. */
import type { Command } from 'commander'
import { tactic, techniqueName, techniqueTactics } from '../detect/attack.ts'
import { ruleUses } from '../detect/attack-layer.ts'
import { categoryOf, raisesAlerts, type RuleSet } from '../detect/rules.ts'
import type { SigmaHeader } from '../detect/sigma/parse.ts'
import type { Context } from './context.ts'
import { chosenRules } from './rules-common.ts'
import { counted, print, table } from './terminal.ts'

interface Row {
  readonly technique: string
  readonly name: string
  readonly tactics: readonly string[]
  /** Group (the first folder of the rule) → titles. */
  readonly groups: Map<string, string[]>
}

export function registerRulesCoverage(rules: Command, context: () => Context): void {
  rules
    .command('coverage')
    .summary('which techniques of ATT&CK the rules look for')
    .description(
      "How many rules of each group look for each technique of MITRE ATT&CK. Without folders, those of the configuration.\n'borescope attack layer' writes the same as a layer for the ATT&CK Navigator.",
    )
    .argument('[folders...]', 'folders of Sigma rules')
    .option('--json', 'one JSON array')
    .action(async (folders: string[], { json }: { json?: boolean }) => {
      const chosen = chosenRules(context(), folders)
      const own = raisesAlerts(chosen.set).filter(chosen.isOwn)
      const { rows, groups } = coverage(own, chosen.set)
      if (json) {
        const plain = rows.map(({ groups: titles, ...row }) => ({ ...row, groups: Object.fromEntries(titles) }))
        return print(JSON.stringify(plain, null, 2))
      }
      const columns = [
        { title: 'technique', value: ({ technique }: Row) => technique },
        { title: 'name', value: ({ name }: Row) => name, widthMax: 40 },
        { title: 'tactics', value: ({ tactics }: Row) => tactics.join(', '), widthMax: 40 },
        ...groups.map((group) => ({
          title: group,
          value: (row: Row) => row.groups.get(group)?.length ?? '',
          right: true,
        })),
      ]
      if (rows.length > 0) await print(table(columns, rows))
      process.stderr.write(`${counted(rows.length, 'technique')}, ${counted(own.length, 'rule')}\n`)
    })
}

function coverage(
  alerting: readonly SigmaHeader[],
  set: RuleSet,
): { readonly rows: readonly Row[]; readonly groups: readonly string[] } {
  const rows = new Map<string, Row>()
  const groups = new Set<string>()
  for (const rule of alerting) {
    const group = groupOf(rule)
    groups.add(group)
    const own = {
      rules: set.rules.filter((known) => known === rule),
      correlations: set.correlations.filter((known) => known === rule),
    }
    for (const { technique } of ruleUses(own)) {
      const tactics = techniqueTactics(technique).map((name) => tactic(name)?.name ?? name)
      const row = rows.get(technique) ?? { technique, name: techniqueName(technique) ?? '', tactics, groups: new Map() }
      rows.set(technique, row)
      row.groups.set(group, [...(row.groups.get(group) ?? []), rule.title])
    }
  }
  return {
    rows: [...rows.values()].sort((a, b) => (a.technique < b.technique ? -1 : 1)),
    groups: [...groups].sort(),
  }
}

function groupOf(rule: SigmaHeader): string {
  return categoryOf(rule)?.split('/')[0] ?? '.'
}
