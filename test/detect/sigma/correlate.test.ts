import { describe, expect, it } from 'vitest'
import { type Plain, run } from './support.ts'

const RULES = `title: Fail
name: fail
logsource: { product: test }
detection: { s: { action: fail }, condition: s }
---
title: Win
name: win
logsource: { product: test }
detection: { s: { action: win }, condition: s }
---
`

/** `body` in flow style: `type: event_count, rules: [fail], timespan: 10s, condition: { gte: 3 }`. */
function correlation(body: string, head = ''): string {
  return `${RULES}title: Corr\nname: corr\n${head}correlation: { ${body} }\n`
}

let next = 0
const at = (t: number, more: Plain = {}): Plain => ({ t, id: `e${next++}`, action: 'fail', ip: 'A', ...more })
const times = (...seconds: number[]): Plain[] => seconds.map((t) => at(t))

const COUNT = 'type: event_count, rules: [fail], group-by: [ip], timespan: 10s, condition: { gte: 3 }'

describe('event_count', () => {
  it('fires when the threshold is crossed, with what led to it', () => {
    const { send, fired, matched } = run(correlation(COUNT))
    const events = times(0, 4, 8)
    send(...events)
    expect(matched).toEqual([])
    expect(fired).toHaveLength(1)
    expect(fired[0]).toMatchObject({
      group: ['A'],
      events: 3,
      distinct: null,
      firstUs: 0,
      lastUs: 8_000_000,
      evidence: events.map((event) => event['id']),
      event: events[2],
      summary: 3,
    })
  })

  it('forgets what is older than the time span', () => {
    const { send, fired } = run(correlation(COUNT))
    send(...times(0, 6, 10.5, 17, 21))
    expect(fired).toHaveLength(0)
    send(...times(20))
    expect(fired).toHaveLength(1)
    expect(fired[0]).toMatchObject({ firstUs: 17_000_000, lastUs: 21_000_000 })
  })

  it('counts an event exactly one time span before', () => {
    const { send, fired } = run(correlation(COUNT))
    send(...times(0, 5, 10))
    expect(fired).toHaveLength(1)
  })

  it('keeps groups apart, and values that look like others', () => {
    const { send, fired } = run(correlation(COUNT.replace('[ip]', '[ip, user]')))
    send(at(0, { ip: 'a', user: '1:b' }), at(1, { ip: 'a1:', user: 'b' }), at(2, { ip: 'a', user: '1:b' }))
    expect(fired).toHaveLength(0)
    send(at(3, { ip: 'a', user: '1:b' }))
    expect(fired[0].group).toEqual(['a', '1:b'])
  })

  it('leaves out events without a field of the group', () => {
    const { send, fired, engine } = run(correlation(COUNT))
    send(...[0, 1, 2].map((t) => at(t, { ip: undefined })))
    expect(fired).toHaveLength(0)
    expect(engine.counters.incomplete).toBe(3)
  })

  it('without group-by counts everything together', () => {
    const { send, fired } = run(correlation(COUNT.replace('group-by: [ip], ', '')))
    send(at(0, { ip: 'A' }), at(1, { ip: 'B' }), at(2, { ip: 'C' }))
    expect(fired[0].group).toEqual([])
  })

  it('stays quiet while the condition goes on, and counts on', () => {
    const { send, fired, ended, engine } = run(correlation(COUNT))
    send(...times(0, 1, 2, 3, 4, 5, 14, 15, 16))
    expect(fired).toHaveLength(1)
    engine.expire(100_000_000)
    expect(ended).toMatchObject([{ group: ['A'], events: 9, firstUs: 0, lastUs: 16_000_000 }])
    expect(engine.groups).toBe(0)
  })

  it('fires again once it was quiet for a time span', () => {
    const { send, fired, ended } = run(correlation(COUNT))
    send(...times(0, 1, 2, 40, 41))
    expect(fired).toHaveLength(1)
    expect(ended).toMatchObject([{ events: 3 }])
    send(...times(42))
    expect(fired).toHaveLength(2)
    expect(fired[1]).toMatchObject({ events: 3, firstUs: 40_000_000 })
  })

  it('does not fire again and again on a stream about as fast as the threshold', () => {
    const { send, fired } = run(correlation(COUNT.replace('gte: 3', 'gte: 30')))
    for (let i = 0; i < 2000; i++) send(at((i * 10) / 29.5 + (i % 7) / 10))
    expect(fired).toHaveLength(1)
  })

  it('takes events out of order, and leaves out what is too late', () => {
    const { send, fired, engine } = run(correlation(COUNT))
    send(...times(8, 2, 20, 5))
    expect(fired).toHaveLength(0)
    expect(engine.counters.late).toBe(1)
    send(...times(15, 12))
    expect(fired).toHaveLength(1)
    expect(fired[0]).toMatchObject({ firstUs: 12_000_000, lastUs: 20_000_000 })
  })

  it('keeps the ids of the first twenty events', () => {
    const { send, fired } = run(correlation(COUNT.replace('gte: 3', 'gte: 30')))
    const events = Array.from({ length: 30 }, (_, i) => at(i / 10))
    send(...events)
    expect(fired[0].events).toBe(30)
    expect(fired[0].evidence).toEqual(events.slice(0, 20).map((event) => event['id']))
  })

  it('gives up the group that was silent longest when there are too many', () => {
    const { send, fired, ended, engine } = run(correlation(COUNT), 2)
    send(at(0), at(0), at(0, { ip: 'B' }), at(1), at(2, { ip: 'C' }), at(3, { ip: 'D' }))
    expect(engine.groups).toBe(2)
    expect(engine.counters.evicted).toBe(2)
    expect(fired.map(({ group }) => group)).toEqual([['A']])
    expect(ended.map(({ group }) => group)).toEqual([['A']])
  })

  it('gives up the groups that were silent longest when they take too much memory', () => {
    const { send, fired, engine } = run(correlation(COUNT), 1000, 100_000)
    send(at(0), at(0), at(0))
    for (let i = 0; i < 300; i++) send(at(1, { ip: `${i} ${'x'.repeat(2000)}` }))
    expect(engine.bytes).toBeLessThanOrEqual(100_000)
    expect(engine.groups).toBeGreaterThan(30)
    expect(engine.groups).toBeLessThan(50)
    expect(engine.weighedOut).toBe(301 - engine.groups)
    expect(engine.counters.evicted).toBe(engine.weighedOut)
    send(at(2, { ip: `299 ${'x'.repeat(2000)}` }), at(2, { ip: `299 ${'x'.repeat(2000)}` }))
    expect(fired).toHaveLength(2)
    engine.expire(60_000_000)
    expect(engine.bytes).toBe(0)
  })

  it('gives up nothing for the keys of another correlation', () => {
    const by = (field: string) => `---\ntitle: By ${field}\ncorrelation: { ${COUNT.replace('[ip]', `[${field}]`)} }\n`
    const { send, fired } = run(`${RULES.slice(0, -4)}${by('ip')}${by('name')}`, 1000, 100_000)
    const flood = (i: number) => at(1, { ip: 'A', name: `${i} ${'x'.repeat(2000)}` })
    send(at(0, { ip: 'B' }), at(0, { ip: 'B' }))
    for (let i = 0; i < 300; i++) send(flood(i))
    send(at(2, { ip: 'B' }))
    expect(fired.map(({ group }) => group)).toEqual([['A'], ['B']])
  })

  it.each([
    ['gt: 2', 3],
    ['gte: 2', 2],
    ['eq: 2', 2],
    ['gt: 1, lt: 3', 2],
  ])('with { %s } fires at event %i', (condition, position) => {
    const { send, fired } = run(correlation(COUNT.replace('gte: 3', condition)))
    for (let i = 1; i <= 4; i++) {
      send(at(i))
      expect(fired.length).toBe(i < position ? 0 : 1)
    }
  })

  it.each([
    ['lt: 3', ['A']],
    ['lte: 3', ['A', 'B']],
    ['neq: 3', ['A', 'C']],
  ])('with { %s } is judged when the time span is over', (condition, groups) => {
    const { send, fired, engine } = run(correlation(COUNT.replace('gte: 3', condition)))
    for (const [ip, count] of [
      ['A', 2],
      ['B', 3],
      ['C', 4],
    ] as const) {
      for (let i = 0; i < count; i++) send(at(i, { ip }))
    }
    engine.expire(9_000_000)
    expect(fired).toHaveLength(0)
    engine.expire(20_000_000)
    expect(fired.map(({ group }) => group[0])).toEqual(groups)
  })

  it('judges spans with upper bounds one after the other', () => {
    const { send, fired, engine } = run(correlation(COUNT.replace('gte: 3', 'lt: 3')))
    send(...times(0, 1, 2, 3, 11, 12, 30))
    expect(fired).toMatchObject([{ events: 2, firstUs: 11_000_000 }])
    engine.end()
    expect(fired).toMatchObject([{}, { events: 1, firstUs: 30_000_000 }])
  })

  it('refuses to count further than a window can', () => {
    const { engine } = run(correlation(COUNT.replace('gte: 3', 'gte: 1000000')))
    expect(engine.problems).toMatchObject([{ key: 'correlation.condition', line: 13 }])
  })
})

const VALUES = 'type: value_count, rules: [fail], group-by: [ip], timespan: 10s, condition: { field: user, gte: 3 }'

describe('value_count', () => {
  it('counts distinct values, and all events', () => {
    const { send, fired } = run(correlation(VALUES))
    send(...['a', 'b', 'a', 'b', 'a'].map((user, i) => at(i, { user })))
    expect(fired).toHaveLength(0)
    send(at(6, { user: 'c' }), at(7, { user: 'd' }))
    expect(fired).toMatchObject([
      { distinct: 3, events: 6, evidence: [expect.anything(), expect.anything(), expect.anything()] },
    ])
  })

  it('counts a value as long as it was seen within the time span', () => {
    const { send, fired } = run(correlation(VALUES))
    send(at(0, { user: 'a' }), at(1, { user: 'b' }), at(8, { user: 'a' }), at(12, { user: 'c' }))
    expect(fired).toHaveLength(0)
    send(at(17, { user: 'b' }))
    expect(fired).toHaveLength(1)
  })

  it('leaves out events without the value', () => {
    const { send, engine } = run(correlation(VALUES))
    send(at(0))
    expect(engine.counters.incomplete).toBe(1)
  })

  it('counts pairs of values', () => {
    const { send, fired } = run(correlation(VALUES.replace('field: user', 'field: [user, port]')))
    send(at(0, { user: 'a', port: 1 }), at(1, { user: 'a', port: 2 }), at(2, { user: 'a', port: 2 }))
    expect(fired).toHaveLength(0)
    send(at(3, { user: 'b', port: 2 }))
    expect(fired).toHaveLength(1)
  })
})

describe('temporal', () => {
  const body = 'type: temporal, rules: [fail, win], group-by: [ip], timespan: 10s'

  it('wants each of the rules, in any order', () => {
    const { send, fired } = run(correlation(body))
    send(at(0, { action: 'win' }), at(1, { action: 'win' }), at(12))
    expect(fired).toHaveLength(0)
    send(at(15, { action: 'win' }))
    expect(fired).toMatchObject([{ distinct: 2, firstUs: 12_000_000, lastUs: 15_000_000 }])
  })

  it('in order, when it is the ordered kind', () => {
    const { send, fired } = run(correlation(body.replace('temporal', 'temporal_ordered')))
    send(at(0, { action: 'win' }), at(1))
    expect(fired).toHaveLength(0)
    send(at(3, { action: 'win' }))
    expect(fired).toHaveLength(1)
  })

  it('in order of time, not of arrival', () => {
    const { send, fired } = run(correlation(body.replace('temporal', 'temporal_ordered')))
    send(at(5, { action: 'win' }), at(4))
    expect(fired).toHaveLength(1)
  })

  it('in order, though one of the rules floods the window', () => {
    const ordered = body.replace('temporal', 'temporal_ordered').replace('[fail, win]', '[win, fail, win]')
    const { send, fired } = run(correlation(ordered))
    send(at(0, { action: 'win' }), ...Array.from({ length: 1000 }, (_, i) => at(1 + i / 1000)))
    expect(fired).toHaveLength(0)
    send(at(3, { action: 'win' }))
    expect(fired).toHaveLength(1)
  })

  it('groups by aliases', () => {
    const aliased = body.replace('[ip]', '[who]')
    const { send, fired } = run(correlation(`${aliased}, aliases: { who: { fail: ip, win: peer } }`))
    send(at(0, { ip: 'X' }), at(1, { action: 'win', ip: 'X', peer: 'Y' }))
    expect(fired).toHaveLength(0)
    send(at(2, { action: 'win', ip: 'Y', peer: 'X' }))
    expect(fired).toMatchObject([{ group: ['X'] }])
  })

  it('refuses an alias that forgets a rule', () => {
    const { engine } = run(correlation(`${body.replace('[ip]', '[who]')}, aliases: { who: { fail: ip } }`))
    expect(engine.problems).toMatchObject([{ key: 'correlation.aliases' }])
  })
})

describe('numbers', () => {
  const body = (type: string, condition: string) =>
    correlation(`type: ${type}, rules: [fail], group-by: [ip], timespan: 10s, condition: { field: n, ${condition} }`)

  it('are added up', () => {
    const { send, fired } = run(body('value_sum', 'gte: 100'))
    send(at(0, { n: 60 }), at(11, { n: 50 }), at(12, { n: '40' }), at(12, { n: 'x' }))
    expect(fired).toHaveLength(0)
    send(at(13, { n: 10 }))
    expect(fired).toHaveLength(1)
  })

  it('have an average', () => {
    const { send, fired } = run(body('value_avg', 'gt: 10'))
    send(at(0, { n: 5 }), at(1, { n: 10 }))
    expect(fired).toHaveLength(0)
    send(at(2, { n: 30 }))
    expect(fired).toHaveLength(1)
  })

  it('have percentiles', () => {
    const { send, fired } = run(body('value_percentile', 'gte: 10, percentile: 50'))
    send(at(0, { n: 1 }), at(1, { n: 2 }), at(2, { n: 30 }))
    expect(fired).toHaveLength(0)
    send(at(3, { n: 40 }), at(4, { n: 50 }))
    expect(fired).toHaveLength(1)
  })

  it('are given up, and counted, when a window is full', () => {
    const { send, engine } = run(body('value_sum', 'gte: 1000000'))
    for (let i = 0; i < 10_005; i++) send(at(1, { n: 1 }))
    expect(engine.counters.crowded).toBe(5)
  })
})

describe('correlations of correlations', () => {
  const chain = (head = '') => `${correlation(COUNT)}---
title: Broken in
${head}correlation: { type: temporal_ordered, rules: [corr, win], group-by: [ip], timespan: 1m }
`

  it('look at what the inner one finds, and silence it', () => {
    const { send, fired } = run(chain())
    send(at(0, { action: 'win' }), ...times(1, 2, 3))
    expect(fired).toHaveLength(0)
    send(at(30, { action: 'win' }))
    expect(fired.map((firing) => firing.correlation.title)).toEqual(['Broken in'])
  })

  it('see the inner condition as long as it holds', () => {
    const { send, fired } = run(chain())
    for (let t = 0; t <= 300; t += 2) send(at(t))
    send(at(310, { action: 'win' }))
    expect(fired).toHaveLength(1)
  })

  it('let the inner ones speak when they say so', () => {
    const { send, fired, matched } = run(chain('generate: true\n'))
    send(...times(1, 2, 3), at(30, { action: 'win', id: 'w' }))
    expect(fired.map((firing) => firing.correlation.title)).toEqual(['Corr', 'Broken in'])
    expect(matched).toEqual(['Win w'])
  })

  it('are refused when they go round in a circle', () => {
    const text = `title: A
name: a
correlation: { type: temporal, rules: [b], timespan: 1m }
---
title: B
name: b
correlation: { type: temporal, rules: [a], timespan: 1m }
`
    const { engine } = run(text)
    expect(engine.problems.map(({ message }) => message)).toEqual([
      'there is no usable rule or correlation "a"',
      'there is no usable rule or correlation "b"',
    ])
    expect(engine.refused).toHaveLength(2)
  })
})
