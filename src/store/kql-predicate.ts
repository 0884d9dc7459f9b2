/** A query as a function over documents in memory; it finds what `kql-sql.ts` finds in the embedded store. */
import { FIELDS, type EventDocument, type FieldName } from '../events/fields.ts'
import { addressKey } from './address.ts'
import { instantUs } from './dates.ts'
import type { NumberRange, QueryNode, WordTest } from './kql-tree.ts'
import { matchesWildcard } from './wildcard.ts'
import { messageWords, nameWords, wordsOf } from './words.ts'

export type Predicate = (document: EventDocument) => boolean

export function compilePredicate(query: QueryNode): Predicate {
  switch (query.type) {
    case 'all':
      return () => true
    case 'and': {
      const children = query.children.map(compilePredicate)
      return (document) => children.every((child) => child(document))
    }
    case 'or': {
      const children = query.children.map(compilePredicate)
      return (document) => children.some((child) => child(document))
    }
    case 'not': {
      const child = compilePredicate(query.child)
      return (document) => !child(document)
    }
    case 'exists':
      return onField(query.field, () => true)
    case 'equals':
      return onField(query.field, (value) => value === query.value)
    case 'wildcard':
      return onField(query.field, (value) => matchesWildcard(value as string, query.parts))
    case 'range':
      return range(query.field, query.range)
    case 'network':
      return onField(query.field, (value) => {
        const key = addressKey(value as string)
        return key !== null && key >= query.low && key <= query.high
      })
    case 'words':
      return words(query.field, query.words)
  }
}

type Value = string | number | boolean

/** Tests the value of a field, or the elements of a list until one passes; a missing field never passes. */
function onField(field: FieldName, test: (value: Value) => boolean): Predicate {
  return (document) => {
    const value = document[field] as Value | readonly Value[] | undefined
    if (value === undefined || value === null) return false
    return typeof value === 'object' ? value.some(test) : test(value)
  }
}

function range(field: FieldName, { low, lowIncluded, high, highIncluded }: NumberRange): Predicate {
  const isDate = FIELDS[field].kind === 'date'
  return onField(field, (value) => {
    const number = isDate ? instantUs(value as string) : (value as number)
    if (number === null) return false
    if (low !== undefined && (lowIncluded ? number < low : number <= low)) return false
    return high === undefined || (highIncluded ? number <= high : number < high)
  })
}

function words(field: FieldName | null, tests: readonly WordTest[]): Predicate {
  const test = textsTest(tests)
  if (field !== null) return onField(field, (value) => test([wordsOf(value as string).join(' ')]))
  return (document) => test([messageWords(document), nameWords(document)])
}

/** Tests texts that are given as their words with a space between any two. */
export type TextsTest = (texts: readonly string[]) => boolean

/** Whether any of the tests holds for the texts. */
export function textsTest(tests: readonly WordTest[]): TextsTest {
  const compiled = tests.map((test) => ('phrase' in test ? phrase(test.phrase) : patterns(test.patterns)))
  return (texts) => compiled.some((test) => test(texts))
}

function phrase(sought: readonly string[]): TextsTest {
  const text = ` ${sought.join(' ')} `
  return (texts) => texts.some((words) => ` ${words} `.includes(text))
}

function patterns(sought: readonly (readonly string[])[]): TextsTest {
  return (texts) => {
    const all = texts.flatMap((words) => words.split(' '))
    return sought.every((parts) => all.some((word) => matchesWildcard(word, parts)))
  }
}
