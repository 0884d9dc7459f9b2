/** What an engine remembers: a document that is whole or refused, and that nobody can tell from never having stopped. */
import { describe, expect, it } from 'vitest'
import { SigmaEngine } from '../../../src/detect/sigma/engine.ts'
import { parseSigma } from '../../../src/detect/sigma/parse.ts'
import { readState, type StateCodec, StateError, StateWriter, writeState } from '../../../src/detect/sigma/state.ts'
import { Random } from '../../support/random.ts'
import { PLAIN, type Plain } from './support.ts'

const CODEC: StateCodec<Plain, number> = {
  saveEvent: (event) => event,
  loadEvent: (value) => (typeof value === 'object' ? (value as Plain | null) : null),
  saveSummary: (summary) => summary,
  loadSummary: (value) => (typeof value === 'number' ? value : null),
}

const BASE = ['fail', 'win', 'move'].map(
  (name) => `title: ${name}
name: ${name}
logsource: { product: test }
detection: { s: { action: ${name} }, condition: s }
`,
)
const CORRELATIONS = [
  'type: event_count, rules: [fail], group-by: [ip], timespan: 10s, condition: { gte: 3 }',
  'type: event_count, rules: [fail, win], group-by: [ip, user], timespan: 20s, condition: { gte: 2, lte: 4 }',
  'type: event_count, rules: [move], group-by: [ip], timespan: 5s, condition: { lt: 3 }',
  'type: event_count, rules: [move], timespan: 5s, condition: { neq: 4 }',
  'type: value_count, rules: [fail], group-by: [ip], timespan: 30s, condition: { field: user, gte: 3 }',
  'type: value_count, rules: [fail], group-by: [ip], timespan: 30s, condition: { field: [user, size], gte: 4 }',
  'type: value_sum, rules: [move], group-by: [ip], timespan: 30s, condition: { field: size, gt: 20.3 }',
  'type: value_avg, rules: [move], group-by: [user], timespan: 30s, condition: { field: size, gt: 5.1 }',
  'type: value_percentile, rules: [move], group-by: [ip], timespan: 30s, condition: { field: size, percentile: 90, gte: 8 }',
  'type: temporal, rules: [fail, win, move], group-by: [ip], timespan: 15s',
  'type: temporal_ordered, rules: [fail, win, move], group-by: [user], timespan: 15s',
  'type: temporal_ordered, rules: [c0, win], group-by: [ip], timespan: 15s, aliases: { who: { c0: ip } }',
  'type: event_count, rules: [fail, move], group-by: [who], timespan: 8s, condition: { gte: 4 }, aliases: { who: { fail: ip, move: user } }',
]
const TEXT = [
  ...BASE,
  ...CORRELATIONS.map((body, i) => `title: C${i}\nid: c${i}\ncorrelation: { ${body}, generate: true }\n`),
].join('---\n')

interface Told {
  readonly what: string
  readonly fields: unknown
}

function start(text = TEXT, groupsMax = 6, groupsBytesMax = 1e6) {
  const content = parseSigma(text, 'x.yml')
  expect(content.problems).toEqual([])
  const told: Told[] = []
  const engine = new SigmaEngine<Plain, number>(
    content,
    PLAIN,
    {
      matched: (rule, event) => told.push({ what: 'matched', fields: [rule.title, event['id']] }),
      fired: ({ correlation, ...fields }) => told.push({ what: correlation.title, fields }),
      ended: ({ correlation, ...fields }) => told.push({ what: `${correlation.title} ended`, fields }),
    },
    { discriminator: 'action', groupsMax, groupsBytesMax },
  )
  expect(engine.problems).toEqual([])
  const source = engine.source({ product: 'test', category: undefined, service: undefined })
  const send = (event: Plain) => {
    engine.observe(event, source)
    engine.expire(Number(event['t']) * 1_000_000)
  }
  return { engine, told, send }
}

/** Seeded; some events come late, some lack a field, and sometimes nothing happens for a while. */
function story(seed: number, length: number): Plain[] {
  const random = new Random(seed)
  let t = 1000
  return Array.from({ length }, (_, i) => {
    t += random.chance(0.1) ? 12 : random.below(30) / 10
    return {
      id: `e${i}`,
      t: random.chance(0.15) ? t - 4 : t,
      action: random.pick(['fail', 'fail', 'win', 'move']),
      ip: random.pick(['A', 'B', 'C', '1:x']),
      ...(random.chance(0.9) ? { user: random.pick(['a', 'b', 'c', 'd']) } : {}),
      size: random.below(100) / 10,
    }
  })
}

describe('a stream that is cut', () => {
  it.each([
    [1, 1e6],
    [2, 1e6],
    [3, 1e6],
    [4, 7000],
  ])('at any event gives what it gives in one piece (seed %i, %i bytes)', (seed, bytesMax) => {
    const events = story(seed, 160)
    const whole = start(TEXT, 6, bytesMax)
    for (const event of events) whole.send(event)
    whole.engine.end()
    expect(new Set(whole.told.map(({ what }) => what)).size).toBeGreaterThan(CORRELATIONS.length)
    expect({ left: whole.engine.bytes, weighedOut: whole.engine.weighedOut > 0 }).toEqual({
      left: 0,
      weighedOut: bytesMax < 1e6,
    })
    for (let cut = 0; cut <= events.length; cut++) {
      const before = start(TEXT, 6, bytesMax)
      for (const event of events.slice(0, cut)) before.send(event)
      const { text, leftOut } = writeState(before.engine.save(CODEC), 'test', 1e6)
      const after = start(TEXT, 6, bytesMax)
      const result = after.engine.restore(readState(text, 'test', 1e6), CODEC)
      expect(after.engine.bytes).toBe(before.engine.bytes)
      expect({ leftOut, ...result }).toEqual({ leftOut: 0, restored: before.engine.groups, outdated: 0 })
      for (const event of events.slice(cut)) after.send(event)
      after.engine.end()
      expect([...before.told, ...after.told], `cut before event ${cut}`).toEqual(whole.told)
    }
  })
})

describe('a state', () => {
  const saved = () => {
    const { engine, send } = start()
    for (const event of story(7, 60)) send(event)
    return writeState(engine.save(CODEC), 'test', 1e6).text
  }

  it('of correlations that have changed is left out', () => {
    const entries = readState(saved(), 'test', 1e6)
    const changed = start(TEXT.replace('timespan: 10s, condition: { gte: 3 }', 'timespan: 11s, condition: { gte: 3 }'))
    const { restored, outdated } = changed.engine.restore(entries, CODEC)
    expect(outdated).toBeGreaterThan(0)
    expect(restored + outdated).toBe(entries.length)
    expect(changed.engine.groups).toBe(restored)
  })

  it('is taken up within the bounds that hold now, the most recent groups first', () => {
    const { engine } = start(TEXT, 1)
    engine.restore(readState(saved(), 'test', 1e6), CODEC)
    expect(engine.groups).toBeLessThanOrEqual(CORRELATIONS.length)
    expect(engine.counters.evicted).toBeGreaterThan(0)
  })

  it('keeps what fits into its bound, and says how much does not', () => {
    const entries = readState(saved(), 'test', 1e6)
    const { text, leftOut } = writeState(entries, 'test', 2000)
    expect(Buffer.byteLength(text)).toBeLessThanOrEqual(2000)
    const kept = readState(text, 'test', 2000)
    expect(kept).toEqual(entries.slice(0, kept.length))
    expect(kept.length + leftOut).toBe(entries.length)
    expect(leftOut).toBeGreaterThan(0)
    expect(() => writeState(entries, 'test', 10)).toThrow(StateError)
  })

  it('a large document is made in pieces, which are the whole of it', () => {
    const writer = new StateWriter('test', 1e7)
    const entries = Array.from({ length: 400 }, (_, i) => ({ kind: 'x', i, text: 'ü'.repeat(2000) }))
    const taken: string[] = []
    for (const entry of entries) {
      writer.add(entry)
      taken.push(...writer.take())
    }
    const { pieces: last, leftOut } = writer.end()
    const pieces = [...taken, ...last]

    expect(last).toHaveLength(1)
    expect(pieces.length).toBeGreaterThan(2)
    expect(Math.max(...pieces.map(({ length }) => length))).toBeLessThan(300_000)
    expect(leftOut).toBe(0)
    expect(readState(pieces.join(''), 'test', 1e7)).toEqual(entries)
  })

  it.each([
    ['torn', (text: string) => text.slice(0, -20), 'torn'],
    ['without its last line', (text: string) => text.slice(0, text.lastIndexOf('\n', text.length - 2) + 1), 'changed'],
    ['empty', () => '', 'torn'],
    ['changed', (text: string) => text.replace('"kind":"group"', '"kind":"croup"'), 'changed'],
    ['too large', (text: string) => `${text}${' '.repeat(1e6)}`, 'larger than'],
  ])('that is %s is refused', (_, damage, message) => {
    expect(() => readState(damage(saved()), 'test', 1e6)).toThrow(message)
  })

  it('of another writer, version or format is refused', () => {
    const text = writeState([{ kind: 'x' }], 'other', 1000).text
    expect(() => readState(text, 'test', 1000)).toThrow('not that of test')
    expect(readState(text, 'other', 1000)).toEqual([{ kind: 'x' }])
  })

  it.each([
    ['values', 5],
    ['values', ['A', 'B', 'C', 'D']],
    ['newestUs', null],
    ['heldUs', 'never'],
    ['incident', [1, 2]],
    ['window', null],
    ['window', { sum: 0, entries: Array.from({ length: 100_000 }, () => [1, 'a', 'b', 0, 0, 1]) }],
    ['window', { sum: 0, entries: [[1, 'a', 'b', 0, 99, 1]] }],
    ['window', { sum: 0, entries: [[1, 'a', 5, 0, 0, 1]] }],
    ['window', { sum: 0, entries: [2, 1].map((timeUs) => [timeUs, 'a', `${timeUs}`, 0, 0, 1]) }],
    ['summary', null],
  ])('with a group whose %s is %j leaves that group out', (key, value) => {
    const [first] = readState(saved(), 'test', 1e6).filter(({ window }) => {
      return (window as { entries: unknown[] }).entries.length > 0
    })
    const { engine } = start()
    expect(engine.restore([{ ...first, [key]: value }], CODEC)).toEqual({ restored: 0, outdated: 1 })
    expect(engine.groups).toBe(0)
  })
})
