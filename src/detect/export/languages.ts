/** Expressions as text in KQL (Kibana's query bar), EQL and ES|QL. */
import { type Expression, isList, isText, type Order, piecesOf, type Test, Unexportable } from './expression.ts'

const SIGNS: Readonly<Record<Order, string>> = { lt: '<', lte: '<=', gt: '>', gte: '>=' }

type Write = (test: Test) => string

/** Brackets around everything that is joined: no precedence has to be remembered. */
function write(
  expression: Expression,
  one: Write,
  words: { readonly and: string; readonly or: string; readonly not: string },
): string {
  switch (expression.kind) {
    case 'and':
    case 'or':
      return `(${expression.operands.map((operand) => write(operand, one, words)).join(` ${words[expression.kind]} `)})`
    case 'not':
      return `${words.not} ${write(expression.operand, one, words)}`
    default:
      return one(expression)
  }
}

const LOWER = { and: 'and', or: 'or', not: 'not' }

/** For rules of the type `query`. Texts are compared with regard to case, as Kibana does. */
export function kqlOf(expression: Expression): string {
  return write(expression, kqlTest, LOWER)
}

function kqlTest(test: Test): string {
  const { field } = test
  switch (test.kind) {
    case 'equals':
      return `${field}: ${typeof test.value === 'string' ? kqlText(test.value) : test.value}`
    case 'like':
      return `${field}: ${piecesOf(test.pattern)
        .map(({ text, isWildcard }) => {
          if (isWildcard && text === '?') throw new Unexportable('KQL has no wildcard for one character')
          return isWildcard ? text : text.replace(/[\\():<>"*{} ]/g, '\\$&')
        })
        .join('')}`
    case 'compare':
      return `${field} ${SIGNS[test.order]} ${test.value}`
    case 'network':
      return `${field}: "${test.network}"`
    case 'missing':
      return `not ${field}: *`
  }
}

function kqlText(text: string): string {
  return `"${text.replace(/[\\"]/g, '\\$&')}"`
}

/** For rules of the type `eql`. Texts are compared without regard to case. */
export function eqlOf(expression: Expression): string {
  return write(expression, eqlTest, LOWER)
}

function eqlTest(test: Test): string {
  if (isList(test.field)) throw new Unexportable(`${test.field} is a list, which EQL does not look into`)
  // A field that no event has yet is none to EQL: the question mark makes it an absent one.
  const field = `?${test.field}`
  switch (test.kind) {
    case 'equals':
      return typeof test.value === 'string' && isText(test.field)
        ? `${field} : ${quoted(test.value)}`
        : `${field} == ${typeof test.value === 'string' ? quoted(test.value) : test.value}`
    case 'like':
      return `${field} like~ ${quoted(eqlPattern(test.pattern))}`
    case 'compare':
      return `${field} ${SIGNS[test.order]} ${test.value}`
    case 'network':
      return `cidrMatch(${field}, ${quoted(test.network)})`
    case 'missing':
      return `${field} == null`
  }
}

/** EQL has no way to make a wildcard plain. */
function eqlPattern(pattern: string): string {
  return piecesOf(pattern)
    .map(({ text, isWildcard }) => {
      if (!isWildcard && /[*?]/.test(text)) throw new Unexportable(`EQL cannot look for the character ${text}`)
      return text
    })
    .join('')
}

/** For `WHERE` in ES|QL. Texts are compared without regard to case, but for the names that we give ourselves. */
export function esqlOf(expression: Expression): string {
  return write(expression, esqlTest, { and: 'AND', or: 'OR', not: 'NOT' })
}

const OUR_NAMES: ReadonlySet<string> = new Set(['event.action', 'event.dataset'])

function esqlTest(test: Test): string {
  const field = esqlField(test.field)
  switch (test.kind) {
    case 'equals': {
      const value = typeof test.value === 'string' ? quoted(test.value) : String(test.value)
      if (isList(test.field)) return inList(field, String(test.value))
      const isFolded = typeof test.value === 'string' && isText(test.field) && !OUR_NAMES.has(test.field)
      return isFolded ? `TO_LOWER(${field}) == ${value.toLowerCase()}` : `${field} == ${value}`
    }
    case 'like': {
      if (isList(test.field)) throw new Unexportable(`${test.field} is a list, which ES|QL does not search by pattern`)
      const pattern = piecesOf(test.pattern)
        .map(({ text, isWildcard }) => (isWildcard ? text : text.toLowerCase().replace(/[*?\\]/g, '\\$&')))
        .join('')
      return `TO_LOWER(${field}) LIKE ${quoted(pattern)}`
    }
    case 'compare':
      return `${field} ${SIGNS[test.order]} ${test.value}`
    case 'network':
      return `CIDR_MATCH(${field}, ${quoted(test.network)})`
    case 'missing':
      return `${field} IS NULL`
  }
}

/** Of several values ES|QL compares none: they are joined, with commas around each. */
function inList(field: string, value: string): string {
  const escaped = value.replace(/[*?\\]/g, '\\$&')
  return `CONCAT(",", MV_CONCAT(${field}, ","), ",") LIKE ${quoted(`*,${escaped},*`)}`
}

/** A name in ES|QL; what is not made of letters, digits, dots and underscores stands in back quotes. */
export function esqlField(field: string): string {
  return /^[A-Za-z_@][\w.@]*$/.test(field) ? field : `\`${field.replaceAll('`', '``')}\``
}

function quoted(text: string): string {
  return `"${text.replace(/[\\"]/g, '\\$&')}"`
}
