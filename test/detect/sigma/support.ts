/** Plain records as events, and short ways to a compiled rule. */
import { compileRule, type Predicate } from '../../../src/detect/sigma/compile.ts'
import type { Firing, Incident } from '../../../src/detect/sigma/correlate.ts'
import { SigmaEngine } from '../../../src/detect/sigma/engine.ts'
import type { EventModel } from '../../../src/detect/sigma/model.ts'
import { parseSigma } from '../../../src/detect/sigma/parse.ts'
import { problemOf } from '../../../src/detect/sigma/problem.ts'

export type Plain = Readonly<Record<string, unknown>>

/** `t` is the time in seconds, `id` the id; the summary is how many events were folded. */
export const PLAIN: EventModel<Plain, number> = {
  field: (name) => (event) => event[name],
  stored: {
    has: () => true,
    fields: (event) => event,
  },
  some: (event, test) => Object.values(event).flat().some(test),
  id: (event) => String(event['id']),
  timeUs: (event) => Number(event['t']) * 1_000_000,
  fold: (summary, _event) => (summary ?? 0) + 1,
  summaryBytes: (summary) => 10 * summary,
  eventBytes: (event) => JSON.stringify(event).length,
}

const indent = (text: string, by: string): string => text.trim().replaceAll(/^/gm, by)

export function ruleText(detection: string, head = 'title: Test'): string {
  return `${head}\nlogsource: { product: test }\ndetection:\n${indent(detection, '  ')}\n`
}

/** The predicate of a detection section; throws what is wrong with it. */
export function matcher(detection: string): Predicate<Plain> {
  const { rules, problems } = parseSigma(ruleText(detection), 'test.yml')
  if (problems.length > 0) throw new Error(problems[0].message)
  return compileRule(rules[0], PLAIN).matches
}

/** The predicate of one field map. */
export function selection(map: string): Predicate<Plain> {
  return matcher(`sel:\n${indent(map, '  ')}\ncondition: sel`)
}

/** Why the detection section is refused; null if it is not. */
export function refusal(detection: string): string | null {
  const { rules, problems } = parseSigma(ruleText(detection), 'test.yml')
  if (problems.length > 0) return problems[0].message
  try {
    compileRule(rules[0], PLAIN)
    return null
  } catch (error) {
    return problemOf('test.yml', error).message
  }
}

export interface Run {
  readonly engine: SigmaEngine<Plain, number>
  readonly matched: string[]
  readonly fired: Firing<Plain, number>[]
  readonly ended: Incident[]
  readonly send: (...events: Plain[]) => void
}

/** An engine over the documents of `text`, and what it says. */
export function run(text: string, groupsMax = 100, groupsBytesMax = 1e7): Run {
  const content = parseSigma(text, 'test.yml')
  if (content.problems.length > 0) throw new Error(JSON.stringify(content.problems))
  const matched: string[] = []
  const fired: Firing<Plain, number>[] = []
  const ended: Incident[] = []
  const engine = new SigmaEngine(
    content,
    PLAIN,
    {
      matched: (rule, event) => matched.push(`${rule.title} ${event['id'] ?? ''}`.trim()),
      fired: (firing) => fired.push(firing),
      ended: (incident) => ended.push(incident),
    },
    { discriminator: 'action', groupsMax, groupsBytesMax },
  )
  const source = engine.source({ product: 'test', category: undefined, service: undefined })
  const send = (...events: Plain[]) => {
    for (const event of events) engine.observe(event, source)
  }
  return { engine, matched, fired, ended, send }
}
