/** The shipped rules and the learned habits against a simulated month of a VPN, with twelve attacks hidden in its last week. */
import { DAY_US, HOUR_US, parseMicroseconds } from '../../src/base/time.ts'
import { beforeAll, describe, expect, test } from 'vitest'
import { Baselines } from '../../src/detect/baseline/baselines.ts'
import { Detector } from '../../src/detect/detector.ts'
import { EventBus } from '../../src/events/bus.ts'
import type { EventDocument } from '../../src/events/fields.ts'
import { RULES } from '../rules/events.ts'
import { Week, WEEK_DAYS, WEEKS } from './week.ts'

const SEED = 20_261_125
/** From this severity on somebody looks at an alert on the same day: medium. */
const SEVERITY = 47

describe('a week with twelve attacks, after four without', () => {
  const week = new Week(SEED)
  const alerts: EventDocument[] = []

  beforeAll(() => {
    const bus = new EventBus({ name: 'test', version: 'test' })
    const detector = new Detector(RULES, bus.emit, { groupsMax: 100_000, entitiesMax: 100_000 })
    const baselines = new Baselines(bus.emit, {
      entitiesMax: 100_000,
      bytesMax: 1e9,
      learnUs: 7 * DAY_US,
      observationsMin: 20,
      freezeUs: 24 * HOUR_US,
    })
    let day = 0
    let isHidden = false
    bus.subscribe(detector.observe)
    bus.subscribe(baselines.observe)
    bus.subscribe((document) => {
      if (isHidden && document['event.kind'] === 'alert') alerts.push(document)
    })
    for (const events of week.days()) {
      isHidden = day >= (WEEKS - 1) * WEEK_DAYS
      for (const document of events) {
        detector.observe(document)
        baselines.observe(document)
        detector.expire(parseMicroseconds(document['@timestamp']))
      }
      day++
    }
  }, 120_000)

  const found = (alert: EventDocument) =>
    week.attacks.filter(
      ({ about, rules }) =>
        rules.includes(alert['rule.name'] ?? '') && about.some((name) => alert['alert.entity']?.includes(name)),
    )

  test('finds the attacks', () => {
    const names = new Set(alerts.flatMap((alert) => found(alert).map(({ name }) => name)))
    const missed = week.attacks.filter(({ name }) => !names.has(name)).map(({ name }) => name)
    process.stdout.write(`attacks found: ${names.size} of ${week.attacks.length}\n`)
    expect(week.attacks.length).toBe(12)
    expect(missed).toEqual([])
  })

  test('says little of everybody else', () => {
    const abouts = week.attacks.flatMap(({ about }) => about)
    const others = alerts.filter(
      (alert) => found(alert).length === 0 && !abouts.some((name) => alert['alert.entity']?.includes(name)),
    )
    const perDay = others.filter((alert) => (alert['event.severity'] ?? 0) >= SEVERITY).length / WEEK_DAYS
    const low = others.filter((alert) => alert['rule.level'] === 'low').length / WEEK_DAYS
    const byRule: Record<string, number> = {}
    for (const alert of others) {
      const key = `${alert['rule.level']}: ${alert['rule.name']}`
      byRule[key] = (byRule[key] ?? 0) + 1
    }
    const says = `false alerts a day: ${perDay.toFixed(1)} of medium or above, ${low.toFixed(1)} low`
    process.stdout.write(`${says}\n${JSON.stringify(byRule, null, 2)}\n`)
    expect(perDay).toBeLessThan(4)
    expect(low).toBeLessThan(12)
  })
})
