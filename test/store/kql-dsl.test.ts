import { describe, expect, test } from 'vitest'
import { parseQuery } from '../../src/store/kql.ts'
import { compileDsl, WORDS_ANALYSIS } from '../../src/store/kql-dsl.ts'
import { matchesDsl } from '../support/query-dsl.ts'
import { CASES, DOCUMENTS, NOW_US } from './query-cases.ts'

const dsl = (query: string) => compileDsl(parseQuery(query, NOW_US))
const filter = (query: string) => dsl(query).bool.filter

describe('a query in the query DSL', () => {
  test.each(CASES)('$query finds $finds', ({ query, finds }) => {
    const compiled = { ...dsl(query) }
    const found = DOCUMENTS.filter((document) => matchesDsl(compiled, document)).map((document) => document['event.id'])
    expect(found.join('')).toBe(finds)
  })

  test('is flat where conditions are of one kind', () => {
    expect(dsl('user.name: a and (rule.id: b and not (event.action: c or event.action: d or user.name: e*))')).toEqual({
      bool: {
        filter: [{ term: { 'user.name': 'a' } }, { term: { 'rule.id': 'b' } }],
        must_not: [{ prefix: { 'user.name': { value: 'e' } } }, { terms: { 'event.action': ['c', 'd'] } }],
      },
    })
  })

  test('names several values of one field in one clause', () => {
    const ports = Array.from({ length: 2000 }, (_, i) => i)
    expect(filter(`source.port: (${ports.join(' or ')})`)).toEqual([{ terms: { 'source.port': ports } }])
  })

  test('escapes what a wildcard query would read as its own', () => {
    expect(filter('user.name: *a?b\\\\c\\*')).toEqual([{ wildcard: { 'user.name': { value: '*a\\?b\\\\c\\*' } } }])
  })

  test('asks for no number that a field cannot hold', () => {
    expect(filter('source.port: 1.5')).toEqual([{ match_none: {} }])
    expect(filter('source.port: 1e300')).toEqual([{ match_none: {} }])
    expect(filter('source.port: (1 or 2.5 or 3)')).toEqual([
      { bool: { should: [{ match_none: {} }, { terms: { 'source.port': [1, 3] } }], minimum_should_match: 1 } },
    ])
    expect(filter('source.port > 1.5 and source.port < 1e300')).toEqual([
      { range: { 'source.port': { gte: 2 } } },
      { exists: { field: 'source.port' } },
    ])
    expect(filter('source.port <= 1.5')).toEqual([{ range: { 'source.port': { lte: 1 } } }])
    expect(filter('source.port >= 1e300 or source.port < -1e300')).toEqual([
      { bool: { should: [{ match_none: {} }, { match_none: {} }], minimum_should_match: 1 } },
    ])
    expect(filter('event.risk_score > 1.5')).toEqual([{ range: { 'event.risk_score': { gt: 1.5 } } }])
  })

  test('asks for no time that a date_nanos cannot hold', () => {
    expect(filter('@timestamp >= 1960')).toEqual([{ exists: { field: '@timestamp' } }])
    expect(filter('@timestamp < 1970')).toEqual([{ match_none: {} }])
    expect(filter('@timestamp > 9000')).toEqual([{ match_none: {} }])
    expect(filter('@timestamp: 1969')).toEqual([{ match_none: {} }])
    expect(filter('@timestamp < 9000')).toEqual([{ exists: { field: '@timestamp' } }])
    expect(filter('@timestamp: 1970')).toEqual([{ range: { '@timestamp': { lt: '1971-01-01T00:00:00.000000Z' } } }])
  })

  test('asks for both families of addresses where a network holds both', () => {
    expect(filter('source.ip: ::/0')).toEqual([
      { range: { 'source.ip': { gte: '::', lte: 'ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff' } } },
    ])
    expect(filter('source.ip: 10.0.0.0/8')).toEqual([
      { range: { 'source.ip': { gte: '10.0.0.0', lte: '10.255.255.255' } } },
    ])
    expect(filter('source.ip < 0.0.0.0/0 and source.ip > ::/0')).toEqual([
      { range: { 'source.ip': { gte: '::', lte: '::fffe:ffff:ffff' } } },
      { match_none: {} },
    ])
  })

  test('relies on an analyser that needs no more than every cluster has, in a pattern that Java reads alike', () => {
    expect(WORDS_ANALYSIS).toEqual({
      tokenizer: { borescope_words: { type: 'pattern', pattern: '[^\\p{L}\\p{N}\\p{M}_]+' } },
      analyzer: { borescope_words: { type: 'custom', tokenizer: 'borescope_words', filter: ['lowercase'] } },
    })
  })

  test('is refused where a cluster would refuse it', () => {
    const anything = Array.from({ length: 5 }, (_, i) => `*: word${i}`).join(' and ')
    expect(() => dsl(anything)).toThrow(/comparisons, a cluster takes 1024: name fewer fields/)
    const nested = (levels: number): string =>
      levels === 0 ? 'user.name: a' : `(user.name: b ${levels % 2 === 0 ? 'or' : 'and'} ${nested(levels - 1)})`
    expect(() => dsl(nested(20))).toThrow(/2\d conditions inside each other, a cluster takes 18/)
    expect(dsl(nested(14))).toHaveProperty('bool')
    expect(dsl('(((((((((((((((((((((((((user.name: a)))))))))))))))))))))))))')).toEqual({
      bool: { filter: [{ term: { 'user.name': 'a' } }] },
    })
  })
})
