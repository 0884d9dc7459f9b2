import { expect, test } from 'vitest'
import { DOCUMENTS, sourceOf } from '../../src/detect/documents.ts'
import { Detector } from '../../src/detect/detector.ts'
import { SigmaEngine } from '../../src/detect/sigma/engine.ts'
import { generateEvents } from './events.ts'
import { HAS_PUBLIC_RULES, ruleSet } from './rule-sets.ts'

const EVENTS = 20_000
const LIMITS = { groupsMax: 100_000, entitiesMax: 100_000 }

function seenBy(size: number) {
  const set = ruleSet(size, 'spread')
  const alerts = new Map<unknown, number>()
  const detector = new Detector(
    set,
    ({ fields }) => {
      const name = (fields as Readonly<Record<string, unknown>>)['rule.name']
      alerts.set(name, (alerts.get(name) ?? 0) + 1)
    },
    LIMITS,
  )
  const engine = new SigmaEngine(
    set,
    DOCUMENTS,
    { matched: () => {}, fired: () => {}, ended: () => {} },
    { discriminator: 'event.action', groupsMax: LIMITS.groupsMax, groupsBytesMax: 1e9 },
  )
  const source = engine.source(sourceOf('borescope.flow'))
  for (const document of generateEvents(EVENTS)) {
    detector.observe(document)
    if (document['event.dataset'] === 'borescope.flow') engine.observe(document, source)
  }
  const { suppressed, incidents } = detector.counters
  return {
    size: set.rules.length + set.correlations.length,
    refused: engine.problems,
    effects: { alerts, suppressed, incidents, groups: engine.groups },
  }
}

if (!HAS_PUBLIC_RULES)
  process.stderr.write('\nSKIPPED 2,000 rules in test/bench/rule-sets.test.ts: no public rules\n\n')

test('sets of rules differ in nothing but how many they are', { timeout: 120_000 }, () => {
  const small = seenBy(20)
  expect(small.effects.groups).toBeGreaterThan(100)
  expect(small.effects.suppressed).toBeGreaterThan(100)
  expect(small).toMatchObject({ size: 20, refused: [] })
  for (const size of HAS_PUBLIC_RULES ? [200, 2000] : [200]) {
    expect(seenBy(size), `${size} rules`).toEqual({ size, refused: [], effects: small.effects })
  }
})
