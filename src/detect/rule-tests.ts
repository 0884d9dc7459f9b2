/**
 * Tests of rules, in files `NAME.test.yml` beside the rules: streams of events, or captures, on which a rule fires or is silent.
 * What a file says wrong is told with its line, and the others go on.
 */
import { isoMicroseconds, parseMicroseconds } from '../base/time.ts'
import { existsSync, readFileSync } from 'node:fs'
import { basename, dirname, join, resolve } from 'node:path'
import { isNode, LineCounter, parseDocument } from 'yaml'
import { z } from 'zod'
import { EventBus } from '../events/bus.ts'
import { CATALOGUE, type EventName } from '../events/catalogue.ts'
import { ENRICHMENT_MAY } from '../events/enrichment.ts'
import { type EventDocument, FIELDS, isField } from '../events/fields.ts'
import { Detector } from './detector.ts'
import { filesOf, type RuleProblem, type RuleSet, raisesAlerts, ruleNamed, TEST_FILE } from './rules.ts'
import type { SigmaHeader } from './sigma/parse.ts'

export interface RuleTest {
  readonly file: string
  readonly line: number
  readonly rule: SigmaHeader
  readonly name: string
  /** Whether the rule is to raise alerts. */
  readonly fires: boolean
  /** What the alerts are about, in their order; undefined if any will do. */
  readonly entities: readonly string[] | undefined
  /** Events in the order of their time; null if captures give them. */
  readonly events: readonly EventDocument[] | null
  /** Paths of capture files, which make one timeline. */
  readonly captures: readonly string[]
}

const DURATION = /^(\d+(?:\.\d+)?)(ms|s|m|h|d)$/
const UNITS_US: Readonly<Record<string, number>> = {
  ms: 1000,
  s: 1_000_000,
  m: 60_000_000,
  h: 3_600_000_000,
  d: 86_400_000_000,
}
const EVENTS_MAX = 100_000
const DEFAULT_START = '2026-01-01T00:00:00Z'

const durationUs = z
  .string()
  .regex(DURATION, 'expected a number and ms, s, m, h or d, as in 1.5s')
  .transform((text) => {
    const [, number, unit] = DURATION.exec(text)!
    return Math.round(Number(number) * UNITS_US[unit])
  })
const scalar = z.union([z.string(), z.number(), z.boolean()])
const STEP = z.strictObject({
  event: z.string().refine((name) => Object.hasOwn(CATALOGUE, name), 'there is no event of this name'),
  at: durationUs.optional(),
  repeat: z.int().min(1).max(EVENTS_MAX).default(1),
  every: durationUs.prefault('1s'),
  fields: z.record(z.string(), z.union([scalar, z.array(scalar)])).default({}),
})
const CASE = z
  .strictObject({
    name: z.string().min(1),
    start: z.iso.datetime().default(DEFAULT_START),
    events: z.array(STEP).min(1).optional(),
    capture: z.string().min(1).optional(),
    captures: z.array(z.string().min(1)).min(1).optional(),
    entities: z.array(z.string()).min(1).optional(),
  })
  .refine(({ events, capture, captures }) => [events, capture, captures].filter((given) => given).length === 1, {
    message: 'expected either events, or a capture, or captures',
  })
const FILE = z.strictObject({
  tests: z.array(
    z.strictObject({
      rule: z.string().min(1).optional(),
      fires: z.array(CASE).default([]),
      silent: z
        .array(CASE.refine(({ entities }) => entities === undefined, 'a rule that is silent names no entities'))
        .default([]),
    }),
  ),
})

type Case = z.output<typeof CASE>

/** The tests under folders of rules, or in single files; `set` holds the rules that they are for. */
export function loadRuleTests(
  folders: readonly string[],
  set: RuleSet,
): { readonly tests: readonly RuleTest[]; readonly problems: readonly RuleProblem[] } {
  const tests: RuleTest[] = []
  const problems: RuleProblem[] = []
  for (const folder of folders) {
    for (const file of filesOf(folder).filter((name) => TEST_FILE.test(name === '' ? folder : name))) {
      const path = file === '' ? folder : join(folder, file)
      const read = readRuleTests(readFileSync(path, 'utf8'), file === '' ? basename(folder) : file, dirname(path), set)
      tests.push(...read.tests)
      problems.push(...read.problems)
    }
  }
  return { tests, problems }
}

/** As `loadRuleTests`, of one text. Captures are looked for from `folder` on. */
export function readRuleTests(
  text: string,
  file: string,
  folder: string,
  set: RuleSet,
): { readonly tests: readonly RuleTest[]; readonly problems: readonly RuleProblem[] } {
  const lines = new LineCounter()
  const document = parseDocument(text, { lineCounter: lines, prettyErrors: false })
  const problems: RuleProblem[] = []
  const tell = (path: readonly PropertyKey[], message: string) => {
    const line = lineOf(path)
    problems.push({ file, line, key: path.map(String).join('.'), message, severity: 'error' })
  }
  const lineOf = (path: readonly PropertyKey[]): number => {
    for (let length = path.length; length > 0; length--) {
      const node = document.getIn(path.slice(0, length) as unknown[], true)
      if (isNode(node) && node.range) return lines.linePos(node.range[0]).line
    }
    return 1
  }
  const [fault] = document.errors
  if (fault !== undefined) {
    const { line } = lines.linePos(fault.pos[0])
    return {
      tests: [],
      problems: [{ file, line, key: '', message: `not valid YAML: ${fault.message}`, severity: 'error' }],
    }
  }
  const parsed = FILE.safeParse(document.toJS({ maxAliasCount: 100 }))
  if (!parsed.success) {
    for (const { path, message } of parsed.error.issues) tell(path, message)
    return { tests: [], problems }
  }
  const tests: RuleTest[] = []
  for (const [index, group] of parsed.data.tests.entries()) {
    const rule = group.rule === undefined ? besideOf(file, set) : ruleNamed(set, group.rule)
    if (rule === undefined) {
      const message =
        group.rule === undefined
          ? 'the rule file beside has not exactly one rule that raises alerts: name the rule'
          : `there is no rule "${group.rule}"`
      tell(['tests', index, 'rule'], message)
      continue
    }
    for (const key of ['fires', 'silent'] as const) {
      for (const [number, one] of group[key].entries()) {
        const path = ['tests', index, key, number]
        const captures = [...(one.captures ?? []), ...(one.capture === undefined ? [] : [one.capture])]
        const paths = captures.map((capture) => resolve(folder, capture))
        const missing = paths.find((capture) => !existsSync(capture))
        if (missing !== undefined) {
          tell(path, `there is no capture ${missing}`)
          continue
        }
        const events = one.events === undefined ? null : unfold(one, (message, at) => tell([...path, ...at], message))
        const test = { file, line: lineOf(path), rule, name: one.name, fires: key === 'fires' }
        tests.push({ ...test, entities: one.entities, events, captures: paths })
      }
    }
  }
  return { tests: problems.length === 0 ? tests : tests.filter(({ events }) => events?.length !== 0), problems }
}

/** The one rule that raises alerts in the file `NAME.yml` beside `NAME.test.yml`. */
function besideOf(file: string, set: RuleSet): SigmaHeader | undefined {
  const beside = file.replace(TEST_FILE, '')
  const rules = raisesAlerts(set).filter((rule) => rule.file.replace(/\.ya?ml$/, '') === beside)
  return rules.length === 1 ? rules[0] : undefined
}

/** The events of a case; a list that is empty if something is wrong with one of them. */
function unfold(
  { events = [], start }: Case,
  tell: (message: string, path: readonly PropertyKey[]) => void,
): EventDocument[] {
  const startUs = Date.parse(start) * 1000
  const documents: { readonly timeUs: number; readonly document: EventDocument }[] = []
  let nextUs = startUs
  let isRight = true
  const refuse = (message: string, ...path: PropertyKey[]) => {
    tell(message, ['events', ...path])
    isRight = false
  }
  for (const [index, { event, at, repeat, every, fields }] of events.entries()) {
    const name = event as EventName
    for (const [field, value] of Object.entries(fields)) {
      const fault = faultOf(name, field, value)
      if (fault !== null) refuse(fault, index, 'fields', field)
    }
    if (documents.length + repeat > EVENTS_MAX) {
      refuse(`a case has at most ${EVENTS_MAX} events`, index)
      return []
    }
    let timeUs = at === undefined ? nextUs : startUs + at
    for (let n = 0; n < repeat; n++, timeUs += every) {
      const filled = Object.entries(fields).map(([field, value]) => [field, fill(field, value, n)])
      documents.push({ timeUs, document: syntheticEvent(name, timeUs, `${index} ${n}`, Object.fromEntries(filled)) })
    }
    nextUs = timeUs
  }
  if (!isRight) return []
  return documents.sort((a, b) => a.timeUs - b.timeUs).map(({ document }) => document)
}

/** An event as the sensor would raise it, with the given fields alone; `id` tells it apart from others of its time. */
export function syntheticEvent(
  name: EventName,
  timeUs: number,
  id: string,
  fields: Omit<EventDocument, '@timestamp' | 'event.id' | 'event.action'>,
): EventDocument {
  const { dataset, kind } = CATALOGUE[name]
  return {
    '@timestamp': isoMicroseconds(timeUs),
    'event.id': `${name} ${timeUs} ${id}`,
    'event.action': name,
    'event.dataset': `borescope.${dataset}`,
    'event.kind': kind,
    ...fields,
  }
}

const BASE_FIELDS = ['@timestamp', 'message', 'event.action', 'event.dataset', 'event.kind', 'event.id'] as const

/** The names of the fields that an event of this name may have. */
export function carriedBy(name: EventName): ReadonlySet<string> {
  const { always, may } = CATALOGUE[name]
  return new Set<string>([...BASE_FIELDS, ...always, ...may, ...ENRICHMENT_MAY])
}

type Value = string | number | boolean

const TEMPLATE = /\{(?:(\d+)\+)?n(?:%([1-9]\d*))?\}/g

/** `{n}`, `{1000+n}`, `{n%3}`, `{10+n%3}`: the number of the event in its series, from 0. */
function fill(field: string, value: Value | readonly Value[], n: number): unknown {
  if (Array.isArray(value)) return value.map((element: Value) => fill(field, element, n))
  if (typeof value !== 'string') return value
  const text = value.replace(TEMPLATE, (_, base: string | undefined, modulus: string | undefined) =>
    String(Number(base ?? 0) + (modulus === undefined ? n : n % Number(modulus))),
  )
  return text !== value && isNumeric(field) ? Number(text) : text
}

function isNumeric(field: string): boolean {
  return isField(field) && (FIELDS[field].kind === 'long' || FIELDS[field].kind === 'float')
}

function faultOf(name: EventName, field: string, value: Value | readonly Value[]): string | null {
  if (!isField(field)) return `no event has a field "${field}"`
  if (!carriedBy(name).has(field)) return `${name} does not carry ${field}`
  const { kind } = FIELDS[field]
  if (kind.endsWith('[]') !== Array.isArray(value)) {
    return Array.isArray(value) ? `${field} is no list` : `${field} is a list`
  }
  const values: readonly Value[] = Array.isArray(value) ? value : [value as Value]
  const isNumberRight = (one: Value) =>
    typeof one === 'number' || (typeof one === 'string' && one.search(TEMPLATE) === 0)
  if (isNumeric(field) && !values.every(isNumberRight)) return `${field} is a number`
  if (kind === 'boolean' && typeof value !== 'boolean') return `${field} is true or false`
  const isText = !isNumeric(field) && kind !== 'boolean'
  return isText && !values.every((one) => typeof one === 'string') ? `${field} is a text: write it in quotes` : null
}

/** The alerts that the rules raise about these events, in the order in which they are raised. */
export function alertsAbout(set: RuleSet, events: Iterable<EventDocument>): EventDocument[] {
  const alerts: EventDocument[] = []
  const detector = detectorOf(set, (alert) => alerts.push(alert))
  for (const document of events) {
    detector.observe(document)
    detector.expire(parseMicroseconds(document['@timestamp']))
  }
  detector.end()
  return alerts
}

const GROUPS_MAX = 100_000

/** A detector that tells its alerts, and nobody else. */
export function detectorOf(set: RuleSet, raised: (alert: EventDocument) => void): Detector {
  const bus = new EventBus({ name: 'borescope', version: 'trial' })
  bus.subscribe((document) => {
    if (document['event.action'] === 'alert.raised') raised(document)
  })
  return new Detector(set, bus.emit, { groupsMax: GROUPS_MAX, entitiesMax: GROUPS_MAX })
}
