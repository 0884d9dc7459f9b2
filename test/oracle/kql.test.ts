/**
 * Our KQL beside Kibana's: what both understand must find the same, unless `ARGUED` says why not. Kibana's is that of version
 * 7, the last under a free licence.
 */
import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import type { EventDocument } from '../../src/events/fields.ts'
import { parseQuery } from '../../src/store/kql.ts'
import { compileDsl } from '../../src/store/kql-dsl.ts'
import { QueryError } from '../../src/store/query-error.ts'
import { document, START_US } from '../store/documents.ts'
import { CASES, DOCUMENTS, ERRORS, NOW_US } from '../store/query-cases.ts'
import { documents, queries } from '../store/random-queries.ts'
import { matchesDsl } from '../support/query-dsl.ts'
import { ARGUED, type Kibana, kibanaClause } from './kibana.ts'

/** What we take and Kibana 7 does not. */
const MORE: readonly (readonly [says: string, query: RegExp])[] = [
  ['addresses and times without quotation marks', /(?:\.ip|\.dns|@timestamp)[^"]*:[^"]*:/],
  ['braces, as later versions do', /\{/],
  ['"not" before "not" or a bracket', /not(?: not|\()/],
  ['fields of several kinds, of which those count that the value fits', /^(?:l2tp\.)?\*:/],
  ['numbers of more than 64 bits', /\d{19}|e300/],
  ['years beyond those of a date_nanos', /1900|2400/],
  ['what lies before and after a network', /[<>]=? [\d.]+\//],
  ['a backslash before what it does not escape', /\\\w/],
]

function ours(query: string, nowUs: number, docs: readonly EventDocument[]): string | null {
  try {
    return matching({ ...compileDsl(parseQuery(query, nowUs)) }, docs)
  } catch (error) {
    if (error instanceof QueryError) return null
    throw error
  }
}

/** Their parser takes twice the time for every bracket inside another. */
function isShallow(query: string): boolean {
  return query.split('(').length < 6
}

function matching(clause: Kibana['clause'], docs: readonly EventDocument[]): string {
  return docs.flatMap((document, i) => (matchesDsl(clause, document) ? [i] : [])).join(' ')
}

/** What they make of it, if they take it. */
function theirs(query: string, nowUs: number): Kibana | null {
  return isShallow(query) ? kibanaClause(query, nowUs) : null
}

describe('our KQL and that of Kibana', () => {
  const met = new Set<string>()

  /** Whether both find the same, or why not; undefined if only one of them understands the query. */
  function compared(query: string, nowUs: number, docs: readonly EventDocument[]): boolean | string | undefined {
    const kibana = theirs(query, nowUs)
    const mine = ours(query, nowUs, docs)
    if (kibana === null || mine === null) return undefined
    const found = matching(kibana.clause, docs)
    if (found === mine) return true
    for (const reason of kibana.argued) met.add(reason)
    return kibana.argued.size > 0 ? false : `${JSON.stringify(query)}: theirs ${found}, ours ${mine}`
  }

  test('find the same for the shared cases', () => {
    const outcomes = CASES.map(({ query }) => compared(query, NOW_US, DOCUMENTS))
    expect(outcomes.filter((outcome) => typeof outcome === 'string')).toEqual([])
    expect(outcomes.filter((outcome) => outcome === true).length).toBeGreaterThan(130)
    const more = CASES.filter((_, i) => outcomes[i] === undefined).map(({ query }) => query)
    expect(more.filter((query) => !MORE.some(([, pattern]) => pattern.test(query)))).toEqual([])
  })

  test('find the same for random queries on random documents', () => {
    const docs = fc.array(documents, { minLength: 8, maxLength: 8 })
    const asks = fc.array(queries, { minLength: 20, maxLength: 20 })
    const outcomes = fc
      .sample(fc.tuple(docs, asks), { numRuns: 40, seed: 20260301 })
      .flatMap(([contents, texts]) => texts.map((query) => compared(query, START_US, contents)))
    expect(outcomes.filter((outcome) => typeof outcome === 'string')).toEqual([])
    expect(outcomes.filter((outcome) => outcome === true).length).toBeGreaterThan(300)
  })

  test('differ as argued, and in no argument that is out of date', () => {
    const docs = [document('1', { 'user.name': '007' }), document('2', { 'user.name': 'name with spaces' })]
    expect(compared('user.name: 007', START_US, docs)).toBe(false)
    expect(compared('user.name: name w*', START_US, docs)).toBe(false)
    expect(compared('user.name: "\\u0030\\u0030\\u0037"', START_US, docs)).toBe(false)
    expect(compared('nobody.happened', START_US, docs)).toBe(false)
    expect([...met].sort()).toEqual(Object.keys(ARGUED).sort())
  })

  test('refuse the same, but for what ours knows better', () => {
    const taken = ERRORS.map(({ query }) => query).filter((query) => theirs(query, NOW_US) !== null)
    expect(taken).toEqual([
      // A name that no field has finds nothing there, and an error here.
      'source.addr: 10.0.0.1',
      'username: bob',
      'source.prot: 5',
      'user.name: bob and sorce.ip: 10.0.0.1',
      'xyz.*: 5',
      // A keyword where a value should stand is a value there.
      'user.name: bob and',
      'and user.name: bob',
      'user.name: bob and or event.kind: alert',
      'bob user.name: alice',
      // Braces came later.
      'l2tp: { 5 }',
      // A bound of ours.
      'user.name: a*b*c*d*e*f*g*h*i*j*k*l*m*n*o*p*q*r*s',
    ])
  })
})
