/** The questions of exported rules, asked of live servers that hold the events of the test streams: they find what the rules find. */
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { DOCUMENTS } from '../../../src/detect/documents.ts'
import { exportKibana } from '../../../src/detect/export/export.ts'
import { loadRuleTests } from '../../../src/detect/rule-tests.ts'
import { compileRule } from '../../../src/detect/sigma/compile.ts'
import type { EventDocument } from '../../../src/events/fields.ts'
import { RULES, RULES_FOLDER } from '../../rules/events.ts'
import { idsOf } from '../../store/contract.ts'
import { LiveStores } from '../../store/cluster/live.ts'
import { unavailable } from '../../support/servers/servers.ts'

/** Each once, and of long series the first ones. */
const EVENTS: readonly EventDocument[] = loadRuleTests([RULES_FOLDER], RULES).tests.flatMap(({ rule, name, events }) =>
  (events ?? []).slice(0, 12).map((event) => ({ ...event, 'event.id': `${rule.id} ${name} ${event['event.id']}` })),
)
const QUERIES = exportKibana(RULES).rules.filter(({ type }) => type === 'query')

for (const kind of ['opensearch3', 'elasticsearch'] as const) {
  describe.skipIf(await unavailable(kind))(kind, () => {
    let stores: LiveStores
    beforeAll(async () => {
      stores = await LiveStores.on(kind)
    })
    afterAll(() => stores.remove())

    it('finds by the exported queries what the rules find', async () => {
      const store = await stores.open()
      try {
        expect(await store.write(EVENTS)).toMatchObject({ stored: EVENTS.length, rejected: [] })
        let hits = 0
        for (const { name, rule_id, query } of QUERIES.map((rule) => rule as Record<string, string>)) {
          const rule = RULES.rules.find(({ id }) => id === rule_id)!
          const { matches } = compileRule(rule, DOCUMENTS)
          const { service } = rule.logsource
          const expected = EVENTS.filter((event) => {
            return (service === undefined || event['event.dataset'] === `borescope.${service}`) && matches(event)
          }).map((event) => event['event.id'])
          const found = await idsOf(store, { kql: query })
          expect({ name, found: found.sort() }).toEqual({ name, found: expected.sort() })
          hits += expected.length
        }
        expect(QUERIES.length).toBeGreaterThan(100)
        expect(hits).toBeGreaterThan(300)
      } finally {
        await store.close()
      }
    }, 120_000)
  })
}
