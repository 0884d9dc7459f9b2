import { describe, expect, test } from 'vitest'
import { FIELDS } from '../../src/events/fields.ts'
import { parseQuery, QUERY_CHARACTERS_MAX } from '../../src/store/kql.ts'
import { compilePredicate } from '../../src/store/kql-predicate.ts'
import { QueryError } from '../../src/store/query-error.ts'
import { CASES, DOCUMENTS, ERRORS, NOW_US } from './query-cases.ts'

function failure(query: string): QueryError {
  try {
    parseQuery(query, NOW_US)
  } catch (error) {
    if (error instanceof QueryError) return error
    throw error
  }
  throw new Error(`"${query}" was accepted`)
}

describe('a query in memory', () => {
  test.each(CASES)('$query finds $finds', ({ query, finds }) => {
    const matches = compilePredicate(parseQuery(query, NOW_US))
    const found = DOCUMENTS.filter(matches).map((document) => document['event.id'])
    expect(found.join('')).toBe(finds)
  })
})

test.each(['>', '>=', '<', '<='])('%s wants no space around it', (sign) => {
  const found = (query: string) => DOCUMENTS.filter(compilePredicate(parseQuery(query, NOW_US)))
  const spaced = found(`l2tp.tunnel.responder_id ${sign} 900`)
  expect(spaced.length > 0).toBe(sign.endsWith('='))
  expect(found(`l2tp.tunnel.responder_id${sign}900`)).toEqual(spaced)
})

describe('a query that is wrong', () => {
  test.each(ERRORS)('$query is refused at $position', ({ query, position, says }) => {
    const error = failure(query)
    expect(error.message).toMatch(says)
    expect(error.position).toBe(position)
    expect(error.end).toBeGreaterThan(position)
  })

  test('shows the line with carets under the characters at fault', () => {
    const error = failure('event.kind: alert and\nsorce.ip: 10.0.0.1')
    expect(error.message.split('\n')).toEqual([
      'there is no field "sorce.ip"; did you mean "source.ip"?',
      '  sorce.ip: 10.0.0.1',
      '  ^^^^^^^^',
    ])
    expect(error.query).toBe('event.kind: alert and\nsorce.ip: 10.0.0.1')
    expect(error.problem).toBe('there is no field "sorce.ip"; did you mean "source.ip"?')
    expect(error.expected).toBeNull()
  })

  test('shows a window of a long line, with the carets still under the fault', () => {
    const [, line, carets] = failure(`${'user.name: a or '.repeat(30)}source.port: many and *`).message.split('\n')
    expect(line.length).toBeLessThan(110)
    expect(line.slice(carets.indexOf('^'), carets.length)).toBe(
      'many and'.slice(0, carets.length - carets.indexOf('^')),
    )
  })

  test('is refused beyond its bounds of length and of comparisons', () => {
    expect(failure('a'.repeat(QUERY_CHARACTERS_MAX + 1)).message).toContain('longer than')
    const perTerm = Object.keys(FIELDS).length
    const query = Array.from({ length: Math.ceil(4096 / perTerm) * 3 }, () => '*: a').join(' or ')
    expect(failure(query).message).toContain('more than 4096 comparisons')
  })

  test('never makes the parser throw anything but a QueryError, whatever is cut off', () => {
    for (const { query } of [...CASES, ...ERRORS]) {
      for (let length = 0; length < query.length; length++) {
        try {
          expect(parseQuery(query.slice(0, length), NOW_US)).toHaveProperty('type')
        } catch (error) {
          expect(error).toBeInstanceOf(QueryError)
        }
      }
    }
  })
})
