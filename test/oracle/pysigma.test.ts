/**
 * Rules against the Sigma project's own implementation: pySigma makes SQL of a rule, SQLite looks for the same events. And pySigma
 * must be able to read the rules that are shipped. Needs Python 3 with pysigma, pysigma-backend-sqlite and
 * pysigma-backend-elasticsearch; BORESCOPE_TEST_PYTHON names the interpreter.
 */
import { spawnSync } from 'node:child_process'
import { readdirSync, readFileSync } from 'node:fs'
import { isIPv6 } from 'node:net'
import { join } from 'node:path'
import { describe, expect, it } from 'vitest'
import { compileRule } from '../../src/detect/sigma/compile.ts'
import { applyFilters } from '../../src/detect/sigma/filter.ts'
import { parseSigma } from '../../src/detect/sigma/parse.ts'
import { eventFiles, PUBLIC, readEvents } from '../detect/sigma/public.ts'
import { PLAIN, type Plain, run } from '../detect/sigma/support.ts'
import { Random } from '../support/random.ts'

const PYTHON = process.env['BORESCOPE_TEST_PYTHON'] ?? 'python3'
const SCRIPT = join(import.meta.dirname, 'pysigma.py')
const RULES = join(import.meta.dirname, '../../rules')
const present = spawnSync(PYTHON, ['-c', 'import sigma.backends.sqlite, sigma.backends.elasticsearch']).status === 0
if (!present) {
  process.stderr.write(
    `\nSKIPPED test/oracle/pysigma.test.ts: ${PYTHON} has no pysigma with its backends for SQLite and Elasticsearch: pip install them, or name another interpreter with BORESCOPE_TEST_PYTHON\n\n`,
  )
}

function ask(question: object): unknown {
  const { status, stdout, stderr } = spawnSync(PYTHON, [SCRIPT], {
    input: JSON.stringify(question),
    encoding: 'utf8',
    maxBuffer: 1 << 28,
  })
  if (status !== 0) throw new Error(stderr)
  return JSON.parse(stdout)
}

/** For each rule the events that it finds, by our engine and by the other; a text says why the other cannot. */
function compare(rules: readonly string[], events: readonly Plain[]) {
  const theirs = ask({ task: 'match', rules, events }) as (number[] | string)[]
  return rules.map((text, i) => {
    const content = parseSigma(text, 'x.yml')
    expect(content.problems).toEqual([])
    const { matches } = compileRule(content.rules[0], PLAIN)
    return { text, ours: [...events.keys()].filter((index) => matches(events[index])), theirs: theirs[i] }
  })
}

/**
 * An event as a table can hold it: a row for each element of a list, and addresses of IPv6 in their shortest form, because the
 * backend compares them as texts.
 */
function rowsOf(event: Plain): Plain[] {
  let rows: Plain[] = [{}]
  for (const [name, value] of Object.entries(event)) {
    const values = Array.isArray(value) ? value : [value]
    rows = rows.flatMap((row) => values.map((each) => ({ ...row, [name]: shortest(each) })))
  }
  return rows
}

function shortest(value: unknown): unknown {
  return typeof value === 'string' && isIPv6(value) ? new URL(`http://[${value}]`).hostname.slice(1, -1) : value
}

/** pySigma takes no bits behind the prefix. */
function network(address: number, prefix: number): string {
  const first = address - (address % 2 ** (32 - prefix))
  return `${[24, 16, 8, 0].map((shift) => (first >>> shift) & 0xff).join('.')}/${prefix}`
}

// Rules by chance

const CHARACTERS = ['x', 'Y', 'z', '\\', '*', '?', '%', '_', '-', '/', '.', ' ', "'", '"', '[', ']']
const FIELDS = ['a', 'b', 'c'] as const

class Maker {
  readonly #random: Random

  constructor(seed: number) {
    this.#random = new Random(seed)
  }

  text(most: number): string {
    return Array.from({ length: 1 + this.#random.below(most) }, () => this.#random.pick(CHARACTERS)).join('')
  }

  event(): Plain {
    const { below, chance } = {
      below: (n: number) => this.#random.below(n),
      chance: (p: number) => this.#random.chance(p),
    }
    const event: Record<string, unknown> = {}
    for (const field of FIELDS) if (chance(0.8)) event[field] = chance(0.08) ? '' : this.text(4)
    if (chance(0.9)) event['n'] = below(12)
    if (chance(0.9)) event['ip'] = `${[10, 172, 192][below(3)]}.${below(3) * 16}.${below(256)}.${below(4)}`
    if (chance(0.9)) {
      const two = (value: number) => String(value).padStart(2, '0')
      event['when'] =
        `202${below(6)}-${two(1 + below(12))}-${two(1 + below(28))}T${two(below(24))}:${two(below(60))}:00Z`
    }
    return event
  }

  /** As a rule writes it: what means itself is escaped, some characters become wildcards. */
  #pattern(): string {
    const escaped = this.text(3).replace(/[\\*?]/g, (character) => `\\${character}`)
    return this.#random.chance(0.4) ? escaped.replace(/[xY ]/, this.#random.pick(['*', '?', '**'])) : escaped
  }

  #item(): Record<string, unknown> {
    const random = this.#random
    const field = random.pick(FIELDS)
    const values = () => Array.from({ length: 1 + random.below(3) }, () => this.#pattern())
    switch (random.below(13)) {
      case 0:
        return { [field]: values() }
      case 1:
        return { [`${field}|${random.pick(['contains', 'startswith', 'endswith'])}`]: values() }
      case 2:
        return { [`${field}|contains|all`]: values() }
      case 3:
        return { [`${field}|cased`]: this.text(2).replace(/[\\*?]/g, (character) => `\\${character}`) }
      case 4:
        return { [`${field}|${random.pick(['contains|cased', 'startswith|cased'])}`]: random.pick(['x', 'Y', 'z\\-']) }
      case 5:
        return { [`${field}|re`]: random.pick(['x+', '^[xY]', 'z$', '\\\\', '(x|z)[-./]', '^.{2,3}$', '\\?']) }
      case 6:
        return { [field]: random.pick([null, '']) }
      case 7:
        return { [`${field}|exists`]: random.chance(0.5) }
      case 8:
        return { [`n|${random.pick(['lt', 'lte', 'gt', 'gte'])}`]: random.below(12) }
      case 9:
        return { n: random.below(12) }
      case 10:
        // The backend forgets the parentheses around the networks that it makes of other prefixes.
        return { 'ip|cidr': random.pick(['10.0.0.0/8', '172.16.0.0/16', '192.32.1.0/24', '10.16.1.2/32']) }
      case 11:
        return { [`when|${random.pick(['minute', 'hour', 'day', 'month', 'year'])}`]: random.pick([1, 5, 12, 2024]) }
      default:
        return { [`${field}|fieldref`]: random.pick(FIELDS.filter((other) => other !== field)) }
    }
  }

  rule(): string {
    const random = this.#random
    const detection: Record<string, unknown> = {}
    const names = ['sel_1', 'sel_2', 'other']
    for (const name of names) {
      const map = () => Object.assign({}, ...Array.from({ length: 1 + random.below(2) }, () => this.#item()))
      detection[name] = random.chance(0.2) ? [map(), map()] : map()
    }
    detection['condition'] = random.pick([
      'sel_1',
      'sel_1 and sel_2 or other',
      '1 of sel_*',
      'all of sel_* or other',
      '1 of them',
      '(sel_1 or sel_2) and other',
      'any of sel_*',
    ])
    return JSON.stringify({ title: 'By chance', logsource: { product: 'test' }, detection })
  }
}

// Correlations

const BASE = ['fail', 'win', 'move'].map(
  (name) => `title: ${name}
name: ${name}
logsource: { product: test }
detection: { s: { action: ${name} }, condition: s }
`,
)
const BURST = `title: Burst
name: burst
correlation: { type: event_count, rules: [fail], group-by: [ip], timespan: 10s, condition: { gte: 2 } }
`

/**
 * Left out are conditions with upper bounds alone, which we judge when their time is over, and percentiles, which the backend
 * interpolates: the specification says neither.
 */
const CORRELATIONS: readonly { readonly body: string; readonly span: number; readonly more?: readonly string[] }[] = [
  { body: 'type: event_count, rules: [fail], group-by: [ip], timespan: 10s, condition: { gte: 3 }', span: 10 },
  {
    body: 'type: event_count, rules: [fail, win], group-by: [ip, user], timespan: 20s, condition: { gt: 2 }',
    span: 20,
  },
  { body: 'type: event_count, rules: [fail], group-by: [ip], timespan: 10s, condition: { eq: 2 }', span: 10 },
  { body: 'type: event_count, rules: [move], timespan: 1m, condition: { gte: 6 }', span: 60 },
  {
    body: 'type: value_count, rules: [fail], group-by: [ip], timespan: 15s, condition: { field: user, gte: 3 }',
    span: 15,
  },
  {
    body: 'type: value_sum, rules: [move], group-by: [ip], timespan: 30s, condition: { field: size, gt: 12 }',
    span: 30,
  },
  {
    body: 'type: value_avg, rules: [fail], group-by: [user], timespan: 12s, condition: { field: size, gte: 7 }',
    span: 12,
  },
  { body: 'type: temporal, rules: [fail, win, move], group-by: [ip], timespan: 15s', span: 15 },
  { body: 'type: temporal_ordered, rules: [fail, win, move], group-by: [ip], timespan: 20s', span: 20 },
  { body: 'type: temporal_ordered, rules: [burst, win], group-by: [ip], timespan: 15s', span: 15, more: [BURST] },
  {
    body: 'type: event_count, rules: [win, move], group-by: [who], timespan: 20s, condition: { gte: 3 }, aliases: { who: { win: ip, move: ip } }',
    span: 20,
  },
]

/** We tell when a condition begins to hold, and again when it has not held for one time span; the other tells every time. */
function beginnings(
  held: readonly (readonly [number, Readonly<Record<string, string>>])[] | string,
  span: number,
): string[] {
  if (typeof held === 'string') return [held]
  const last = new Map<string, number>()
  const told: string[] = []
  for (const [time, values] of held.toSorted(([a], [b]) => a - b)) {
    const group = Object.values(values).join()
    if (time - (last.get(group) ?? Number.NEGATIVE_INFINITY) > span) told.push(`${group} ${time}`)
    last.set(group, time)
  }
  return told
}

describe.skipIf(!present)('pySigma', () => {
  it.each([1, 2, 3, 4])('finds what our engine finds with rules made by chance (seed %i)', (seed) => {
    const maker = new Maker(seed)
    const events = Array.from({ length: 300 }, () => maker.event())
    const rules = Array.from({ length: 400 }, () => maker.rule())
    const differing = compare(rules, events).filter(
      ({ ours, theirs }) => JSON.stringify(ours) !== JSON.stringify(theirs),
    )
    expect(differing).toEqual([])
  })

  it('finds the addresses of networks of any size', () => {
    const maker = new Maker(5)
    const events = Array.from({ length: 300 }, () => maker.event())
    const rules = Array.from({ length: 33 }, (_, prefix) =>
      JSON.stringify({
        title: 'Network',
        logsource: { product: 'test' },
        detection: { sel: { 'ip|cidr': network(0x0a100102, prefix) }, condition: 'sel' },
      }),
    )
    const differing = compare(rules, events).filter(
      ({ ours, theirs }) => JSON.stringify(ours) !== JSON.stringify(theirs),
    )
    expect(differing).toEqual([])
  })

  it.skipIf(!PUBLIC.present)('finds what our engine finds with public rules and events', () => {
    const files = readdirSync(join(PUBLIC.folder, 'rules'), { recursive: true, encoding: 'utf8' })
    const rules = files
      .filter((name) => name.endsWith('.yml'))
      .sort()
      .map((name) => readFileSync(join(PUBLIC.folder, 'rules', name), 'utf8'))
      .filter((text) => !text.includes('expand'))
    const events = eventFiles().flatMap(readEvents).flatMap(rowsOf)
    const compared = compare(rules, events)
    const unable = compared.filter(({ theirs }) => typeof theirs === 'string')
    const differing = compared.filter(
      ({ ours, theirs }) => typeof theirs !== 'string' && JSON.stringify(ours) !== JSON.stringify(theirs),
    )
    // SQLite searches columns, not whole events.
    expect(unable.map(({ theirs }) => theirs).filter((why) => !String(why).includes('Value-only'))).toEqual([])
    expect(differing.map(({ text, ours, theirs }) => ({ id: /^id: (.*)$/m.exec(text)?.[1], ours, theirs }))).toEqual([])
  })

  it.each([1, 2])('leaves out what our filters leave out (seed %i)', (seed) => {
    const maker = new Maker(seed)
    const events = Array.from({ length: 300 }, () => maker.event())
    const texts = Array.from({ length: 100 }, () => {
      const rule = JSON.parse(maker.rule()) as Record<string, unknown>
      const { detection } = JSON.parse(maker.rule()) as { detection: Record<string, unknown> }
      const { logsource } = rule
      const condition = `not (${detection['condition']})`
      const filter = { title: 'Exception', logsource, filter: { rules: ['by_chance'], ...detection, condition } }
      return [{ ...rule, name: 'by_chance' }, filter].map((document) => JSON.stringify(document)).join('\n---\n')
    })
    let narrowed = 0
    const theirs = ask({ task: 'match', rules: texts, events }) as (number[] | string)[]
    for (const [i, text] of texts.entries()) {
      const { rules, filters, problems } = parseSigma(text, 'x.yml')
      const applied = applyFilters(rules, filters)
      expect([...problems, ...applied.problems]).toEqual([])
      const [before, after] = [rules[0], applied.rules[0]].map((rule) => {
        const { matches } = compileRule(rule, PLAIN)
        return [...events.keys()].filter((index) => matches(events[index]))
      })
      if (after.length < before.length) narrowed++
      expect(after, text).toEqual(theirs[i])
    }
    expect(narrowed).toBeGreaterThan(20)
  })

  it.each([1, 2, 3])('sees correlations hold where our engine does (seed %i)', (seed) => {
    const random = new Random(seed)
    let t = 0
    const events: Plain[] = Array.from({ length: 250 }, (_, i) => {
      t += random.chance(0.1) ? 20 + random.below(10) : 1 + random.below(3)
      const action = random.pick(['fail', 'fail', 'win', 'move'])
      const who = random.chance(0.9) ? { user: random.pick(['a', 'b', 'c', 'd']) } : {}
      return { id: `e${i}`, t, action, ip: random.pick(['x', 'y', 'z']), ...who, size: random.below(10) }
    })
    const rules = CORRELATIONS.map(({ body, more = [] }) => {
      const all = [...BASE, ...more, `title: Asked\nname: asked\ncorrelation: { ${body} }\n`]
      return all.join('---\n')
    })
    const theirs = ask({ task: 'correlate', rules, events }) as ([number, Record<string, string>][] | string)[]
    for (const [i, text] of rules.entries()) {
      const { send, fired } = run(text)
      send(...events)
      const ours = fired
        .filter(({ correlation }) => correlation.name === 'asked')
        .map(({ lastUs, group }) => `${group} ${lastUs / 1e6}`)
      expect(ours.sort(), text).toEqual(beginnings(theirs[i], CORRELATIONS[i].span).sort())
      expect(ours.length, text).toBeGreaterThan(0)
    }
  })

  it('reads every shipped rule, and makes queries of all of them', () => {
    const rules = readdirSync(RULES, { recursive: true, encoding: 'utf8' })
      .filter((name) => name.endsWith('.yml') && !name.endsWith('.test.yml'))
      .map((name) => readFileSync(join(RULES, name), 'utf8'))
    const converted = ask({ task: 'convert', rules }) as { rules: number; correlations: number; errors: string[] }
    expect(converted.rules).toBeGreaterThan(50)
    expect(converted.correlations).toBeGreaterThan(30)
    // Lucene or ES|QL for rules, ES|QL for correlations, EQL for those in which order counts. Of sums the backend knows nothing, so
    // that events carry them where a rule asks for one.
    expect(converted.errors).toEqual([])
  })
})
