import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import type { EventDocument } from '../../src/events/fields.ts'
import { AlertRouter, type CalmOptions, type Route } from '../../src/output/alert-router.ts'
import { alert, AT_ONCE, notificationsOf, START_US } from '../support/alerts.ts'

const GROUP = { by: ['rule.id', 'alert.entity'], waitUs: 0, repeatUs: 300e6 } as const
const GROUPED: CalmOptions = { ...AT_ONCE, group: GROUP }

/** Seconds after the start at which a notification is dated, how many alerts it stands for, and what kind it is. */
function brief(notifications: readonly EventDocument[]) {
  return notifications.map((notification) => [
    Date.parse(notification['@timestamp']) / 1000 - START_US / 1e6,
    notification['alert.notification.alerts'],
    notification['alert.notification.kind'],
  ])
}

function route(sinks: readonly string[], matches: Route['matches'] = () => true, goesOn = false): Route {
  return { matches, sinks, goesOn, calm: AT_ONCE }
}

/** Which sinks are told of an alert. */
function toldOf(routes: readonly Route[], document: EventDocument) {
  const told: string[] = []
  const router = new AlertRouter(routes, (sink) => told.push(sink))
  router.observe(document)
  router.end()
  return { told, counters: router.counters }
}

describe('routes', () => {
  const isHigh = (document: EventDocument) => document['rule.level'] === 'high'

  test('the first one that matches takes an alert', () => {
    const routes = [route(['a'], isHigh), route(['b']), route(['c'])]
    expect(toldOf(routes, alert({ level: 'high' })).told).toEqual(['a'])
    expect(toldOf(routes, alert({ level: 'low' })).told).toEqual(['b'])
  })

  test('one that goes on lets the next ones look, and no sink is told twice', () => {
    const routes = [route(['a', 'b'], isHigh, true), route(['b', 'c'], () => true, true), route(['c'])]
    expect(toldOf(routes, alert()).told).toEqual(['a', 'b', 'c'])
  })

  test('what no route takes is counted', () => {
    const { told, counters } = toldOf([route(['a'], isHigh)], alert({ level: 'low' }))
    expect(told).toEqual([])
    expect(counters).toMatchObject({ alerts: 1, unrouted: 1, notifications: 0 })
  })

  test('events that are no alerts only tell the time', () => {
    expect(toldOf([route(['a'])], { ...alert(), 'event.action': 'flow.closed' }).counters).toMatchObject({ alerts: 0 })
  })
})

describe('a group by incident', () => {
  test('is one notification of all its alerts, whatever their rules are about', () => {
    const calm: CalmOptions = { ...AT_ONCE, group: { by: ['incident.id'], waitUs: 60e6, repeatUs: 300e6 } }
    const of = (incident: string, rule: string, at: number) => alert({ rule, at, fields: { 'incident.id': incident } })
    const alerts = [of('n-1', 'Scan', 0), of('n-1', 'Guessing', 10), of('n-2', 'Scan', 20), of('n-1', 'Login', 30)]
    const told = notificationsOf(alerts, calm).map((event) => [
      event['incident.id'],
      event['alert.notification.alerts'],
    ])
    expect(told.sort()).toEqual([
      ['n-1', 3],
      ['n-2', 1],
    ])
  })
})

describe('an alert by itself', () => {
  test('is told as it is', () => {
    const document = alert({ events: 7 })
    const [notification] = notificationsOf([document])
    expect(notification).toMatchObject({
      '@timestamp': document['@timestamp'],
      'event.action': 'alert.notified',
      'event.kind': 'alert',
      message: document.message,
      'rule.level': 'high',
      'alert.events': 7,
      'alert.notification.kind': 'first',
      'alert.notification.alerts': 1,
      'alert.notification.held_back': 0,
      'alert.notification.duplicates': 0,
      'alert.notification.ids': [document['event.id']],
      'alert.notification.group': notification['event.id'],
    })
    expect(notification['event.id']).toMatch(/^[0-9a-f]{20}$/)
    expect(notification['alert.notification.examples']).toBeUndefined()
  })
})

describe('grouping', () => {
  test('tells the first alert at once, and gathers the others', () => {
    const alerts = [0, 10, 20, 299, 301, 700].map((at) => alert({ at }))
    expect(brief(notificationsOf(alerts, GROUPED))).toEqual([
      [0, 1, 'first'],
      [300, 3, 'repeat'],
      // What came at 301 had to wait for its turn.
      [600, 1, 'repeat'],
      [700, 1, 'summary'],
    ])
  })

  test('waits for more if it is told to', () => {
    const calm: CalmOptions = { ...AT_ONCE, group: { ...GROUP, waitUs: 30e6 } }
    expect(
      brief(
        notificationsOf(
          [0, 10, 29, 31].map((at) => alert({ at })),
          calm,
        ),
      ),
    ).toEqual([
      [30, 3, 'first'],
      [31, 1, 'summary'],
    ])
  })

  test('says count, first, last, examples, and the most severe of its alerts', () => {
    const alerts = [
      alert({ at: 0 }),
      alert({ at: 5, events: 3 }),
      alert({ at: 7, events: 4, level: 'critical' }),
      ...Array.from({ length: 10 }, (_, index) => alert({ at: 20 + index, events: 1 })),
    ]
    const [, second] = notificationsOf(alerts, GROUPED)
    expect(second).toMatchObject({
      message: 'Password guessing: alice (12 alerts, 17 events)',
      'rule.level': 'critical',
      'event.severity': 99,
      'alert.events': 17,
      'alert.notification.alerts': 12,
      'event.start': alerts[1]['event.start'],
      'event.end': alerts.at(-1)?.['event.end'],
    })
    expect(second['alert.notification.examples']).toEqual(alerts.slice(1, 6).map(({ message }) => message))
    expect(second['alert.notification.ids']).toHaveLength(12)
  })

  test('keeps rules and entities apart, unless it is told not to', () => {
    const alerts = [alert({ at: 0 }), alert({ at: 1, entity: 'bob' }), alert({ at: 2, rule: 'Other' })]
    expect(notificationsOf(alerts, GROUPED)).toHaveLength(3)
    const byNothing: CalmOptions = { ...AT_ONCE, group: { by: [], waitUs: 60e6, repeatUs: 300e6 } }
    const [only, ...rest] = notificationsOf(alerts, byNothing)
    expect(rest).toEqual([])
    expect(only).toMatchObject({
      'alert.entity': 'alice and 1 other',
      message: 'Password guessing and 1 other: alice and 1 other (3 alerts, 36 events)',
    })
  })

  test('begins anew when a group has been silent', () => {
    const notifications = notificationsOf(
      [0, 10, 2000].map((at) => alert({ at })),
      GROUPED,
    )
    expect(brief(notifications)).toEqual([
      [0, 1, 'first'],
      [300, 1, 'repeat'],
      [2000, 1, 'first'],
    ])
    const groups = notifications.map((notification) => notification['alert.notification.group'])
    expect(groups[0]).toBe(notifications[0]['event.id'])
    expect(groups[1]).toBe(groups[0])
    expect(groups[2]).toBe(notifications[2]['event.id'])
  })

  test('sends what is due when any event shows that its time has come', () => {
    const notifications: EventDocument[] = []
    const router = new AlertRouter([{ ...route(['a']), calm: GROUPED }], (_, notification) =>
      notifications.push(notification),
    )
    router.observe(alert({ at: 0 }))
    router.observe(alert({ at: 1 }))
    expect(notifications).toHaveLength(1)
    router.observe({ ...alert({ at: 299 }), 'event.action': 'flow.closed' })
    expect(notifications).toHaveLength(1)
    router.observe({ ...alert({ at: 300 }), 'event.action': 'flow.closed' })
    expect(notifications).toHaveLength(2)
    router.advance(START_US + 1e12)
    router.end()
    expect(notifications).toHaveLength(2)
  })
})

describe('the throttle', () => {
  const calm: CalmOptions = { ...AT_ONCE, throttle: { notifications: 2, periodUs: 3600e6 } }

  test('holds back what is too much, and says so in one notification when it may', () => {
    const notifications = notificationsOf(
      [0, 1, 2, 3, 4, 4000, 4001].map((at) => alert({ at, events: 1 })),
      calm,
    )
    expect(brief(notifications)).toEqual([
      [0, 1, 'first'],
      [1, 1, 'repeat'],
      [3600, 3, 'repeat'],
      [4000, 1, 'repeat'],
      [4001, 1, 'summary'],
    ])
    expect(notifications[2]).toMatchObject({
      message: 'Password guessing: alice (3 alerts, 3 events; 3 of them held back until now)',
      'alert.notification.held_back': 3,
    })
    expect(notifications[3]['alert.notification.held_back']).toBe(0)
    expect(notifications[4]['alert.notification.held_back']).toBe(1)
  })

  test('is for each rule and entity', () => {
    const alerts = ['alice', 'bob', 'carol'].flatMap((entity, at) => [alert({ at, entity }), alert({ at, entity })])
    expect(notificationsOf(alerts, calm)).toHaveLength(6)
  })

  test('tells the rest in a closing summary', () => {
    const last = notificationsOf(
      [0, 1, 2, 3].map((at) => alert({ at })),
      calm,
    ).at(-1)
    expect(last).toMatchObject({ 'alert.notification.kind': 'summary', 'alert.notification.held_back': 2 })
  })
})

describe('deduplication', () => {
  const calm: CalmOptions = { ...GROUPED, deduplicateUs: 60e6 }

  test('leaves out what says the same of the same, and counts it', () => {
    const alerts = [0, 1, 59, 60].map((at) => alert({ at }))
    const notifications = notificationsOf(alerts, calm)
    expect(brief(notifications)).toEqual([
      [0, 1, 'first'],
      [60, 1, 'summary'],
    ])
    expect(notifications[1]).toMatchObject({
      'alert.notification.duplicates': 2,
      message: 'Password guessing: alice (12 events); 2 duplicates left out',
    })
  })

  test('does not take more events, another entity or another rule for the same', () => {
    const alerts = [alert(), alert({ events: 13 }), alert({ entity: 'bob' }), alert({ rule: 'Other' })]
    const total = notificationsOf(alerts, calm).reduce(
      (sum, notification) => sum + (notification['alert.notification.alerts'] ?? 0),
      0,
    )
    expect(total).toBe(4)
  })
})

describe('bounds', () => {
  test('more groups than there is room for: the oldest is told early, and nothing is lost', () => {
    const notifications: EventDocument[] = []
    const calm: CalmOptions = { ...AT_ONCE, group: { ...GROUP, waitUs: 600e6 }, groupsMax: 10 }
    const router = new AlertRouter([{ ...route(['a']), calm }], (_, notification) => notifications.push(notification))
    for (let index = 0; index < 100; index++) router.observe(alert({ at: index, entity: `user ${index}` }))
    expect(router.counters.forgotten).toBe(90)
    expect(notifications).toHaveLength(90)
    router.end()
    expect(notifications.map((notification) => notification['alert.entity'])).toEqual(
      Array.from({ length: 100 }, (_, index) => `user ${index}`),
    )
  })

  test('groups that take more memory than there is room for: the same, and no more alerts are remembered than fit', () => {
    const notifications: EventDocument[] = []
    const calm: CalmOptions = {
      ...AT_ONCE,
      deduplicateUs: 600e6,
      group: { ...GROUP, waitUs: 600e6 },
      groupsBytesMax: 100_000,
    }
    const router = new AlertRouter([{ ...route(['a']), calm }], (_, notification) => notifications.push(notification))
    for (let index = 0; index < 100; index++) {
      router.observe(alert({ at: index, entity: `${index} ${'x'.repeat(2000)}` }))
    }
    expect(router.counters.forgotten).toBeGreaterThan(90)
    expect(router.counters.forgotten).toBeLessThan(100)
    const waiting = [...router.save()].filter(({ kind }) => kind === 'group')
    expect(waiting).toHaveLength(100 - router.counters.forgotten)
    router.end()
    expect(notifications.map((notification) => Number.parseInt(notification['alert.entity'] ?? '', 10))).toEqual(
      Array.from({ length: 100 }, (_, index) => index),
    )
  })

  test('one notification holds a bounded piece of many alerts', () => {
    const alerts = Array.from({ length: 5000 }, (_, index) => alert({ at: index / 100, entity: `user ${index}` }))
    const calm: CalmOptions = { ...AT_ONCE, group: { by: ['rule.id'], waitUs: 600e6, repeatUs: 600e6 } }
    const [only] = notificationsOf(alerts, calm)
    expect(only['alert.notification.alerts']).toBe(5000)
    expect(only['alert.entity']).toBe('user 0 and at least 99 others')
    expect(only['alert.notification.ids']).toHaveLength(50)
    expect(only['alert.evidence']).toHaveLength(50)
    expect(JSON.stringify(only).length).toBeLessThan(8000)
  })
})

const ANY_CALM = fc.record({
  deduplicateUs: fc.constantFrom(0, 30e6),
  throttle: fc.option(
    fc.record({ notifications: fc.integer({ min: 1, max: 3 }), periodUs: fc.constantFrom(1e6, 100e6, 1000e6) }),
  ),
  group: fc.option(
    fc.record({
      by: fc.constantFrom(['rule.id'] as const, ['rule.id', 'alert.entity'] as const, [] as const),
      waitUs: fc.constantFrom(0, 7e6),
      repeatUs: fc.constantFrom(0, 50e6, 500e6),
    }),
  ),
  groupsMax: fc.integer({ min: 1, max: 5 }),
  groupsBytesMax: fc.constantFrom(6000, 1e9),
})
const ANY_ALERTS = fc.array(
  fc.record({
    at: fc.integer({ min: 0, max: 2000 }),
    rule: fc.constantFrom('A', 'B', 'C'),
    entity: fc.constantFrom('x', 'y', 'z'),
    events: fc.integer({ min: 1, max: 3 }),
  }),
  { maxLength: 60 },
)

test('every alert is in one notification or counted as a duplicate, whatever the settings and the order of times', () => {
  fc.assert(
    fc.property(ANY_CALM, ANY_ALERTS, (calm, shapes) => {
      const alerts = shapes.map((shape) => alert(shape))
      const notifications: EventDocument[] = []
      const router = new AlertRouter([{ ...route(['sink']), calm }], (_, notification) =>
        notifications.push(notification),
      )
      for (const document of alerts) router.observe(document)
      router.end()
      const told = notifications.reduce(
        (sum, notification) => sum + (notification['alert.notification.alerts'] ?? 0),
        0,
      )
      expect(told + router.counters.duplicates).toBe(alerts.length)
      expect(new Set(notifications.map((notification) => notification['event.id'])).size).toBe(notifications.length)
      const held = notifications.reduce(
        (sum, notification) => sum + (notification['alert.notification.held_back'] ?? 0),
        0,
      )
      expect(held).toBe(router.counters.heldBack)
      expect(notificationsOf(alerts, calm)).toEqual(notifications)
    }),
    { seed: 11, numRuns: 500 },
  )
})

test('within any period there are no more notifications of a group than the throttle allows, but for the closing one', () => {
  fc.assert(
    fc.property(ANY_ALERTS, fc.integer({ min: 1, max: 3 }), (shapes, most) => {
      const alerts = shapes.map((shape) => alert({ ...shape, rule: 'A', entity: 'x' }))
      alerts.sort((a, b) => (a['@timestamp'] < b['@timestamp'] ? -1 : 1))
      const notifications = notificationsOf(alerts, { ...AT_ONCE, throttle: { notifications: most, periodUs: 100e6 } })
      const times = notifications
        .filter((notification) => notification['alert.notification.kind'] !== 'summary')
        .map((notification) => Date.parse(notification['@timestamp']) / 1000)
      for (const [index, time] of times.entries()) {
        if (index >= most) expect(time - times[index - most]).toBeGreaterThanOrEqual(100)
      }
    }),
    { seed: 12, numRuns: 300 },
  )
})

test('a router that goes on where another one was cut off tells what one would have told', () => {
  const runs = fc.property(ANY_CALM, ANY_ALERTS, fc.nat(60), (calm, shapes, cut) => {
    const alerts = shapes.map((shape) => alert(shape))
    const notifications: EventDocument[] = []
    const routes = [{ ...route(['a', 'b'], (one) => one['rule.id'] !== 'id of B', true), calm }, route(['b', 'c'])]
    const make = () => new AlertRouter(routes, (_, notification) => notifications.push(notification))
    const first = make()
    for (const document of alerts.slice(0, cut)) first.observe(document)
    const second = make()
    const entries = JSON.parse(JSON.stringify([...first.save()]))
    expect(second.restore(entries).outdated).toBe(0)
    for (const document of alerts.slice(cut)) second.observe(document)
    second.end()
    const whole: EventDocument[] = []
    const router = new AlertRouter(routes, (_, notification) => whole.push(notification))
    for (const document of alerts) router.observe(document)
    router.end()
    const ids = (documents: readonly EventDocument[]) => documents.map((document) => document['event.id']).sort()
    expect(ids(notifications)).toEqual(ids(whole))
  })
  fc.assert(runs, { seed: 13, numRuns: 300 })
})

describe('other routes', () => {
  const told: string[] = []
  const note = (sink: string, notification: EventDocument) =>
    told.push(`${sink} ${notification['alert.notification.alerts']}`)
  const calm: CalmOptions = { ...GROUPED, group: { ...GROUP, waitUs: 60e6 } }
  const kept = { ...route(['kept']), goesOn: true, calm }

  test('go on with what was gathered, and what nobody takes any more goes out at once', () => {
    const before = new AlertRouter([kept, { ...route(['gone']), calm }], note)
    before.observe(alert({ at: 0 }))
    before.observe(alert({ at: 1 }))
    expect(told).toEqual([])
    const after = new AlertRouter([kept, route(['new'])], note)
    after.inherit(before)
    expect(told.splice(0)).toEqual(['gone 2'])
    expect(after.counters.alerts).toBe(2)
    after.observe(alert({ at: 2 }))
    expect(told.splice(0)).toEqual(['new 1'])
    after.advance(START_US + 61e6)
    expect(told.splice(0)).toEqual(['kept 3'])
  })

  test('are none for another bound of memory: what an older version saved knew of none', () => {
    const before = new AlertRouter([kept], note)
    before.observe(alert({ at: 0 }))
    const wider = { ...kept, calm: { ...calm, groupsBytesMax: calm.groupsBytesMax * 2 } }
    new AlertRouter([wider], note).inherit(before)
    expect(told.splice(0)).toEqual([])
    expect(JSON.stringify([...before.save()])).not.toContain('groupsBytesMax')
  })

  test('that are not there any more are counted when a state is taken up', () => {
    const before = new AlertRouter([kept], note)
    before.observe(alert({ at: 0 }))
    const after = new AlertRouter([route(['other'])], note)
    expect(after.restore(before.save())).toEqual({ restored: 0, outdated: 1 })
  })
})
