/** Expressions as text in KQL (Kibana's query bar), EQL and ES|QL. */
import { type Expression, isList, isText, type Order, piecesOf, type Test, Unexportable } from './expression.ts'

const SIGNS: Readonly<Record<Order, string>> = { lt: '<', lte: '<=', gt: '>', gte: '>=' }

type Write = (test: Test) => string

interface Words {
  readonly and: string
  readonly or: string
  readonly not: (operand: string) => string
}

/** Brackets around everything that is joined: no precedence has to be remembered. */
function write(expression: Expression, one: Write, words: Words): string {
  switch (expression.kind) {
    case 'and':
    case 'or':
      return `(${expression.operands.map((operand) => write(operand, one, words)).join(` ${words[expression.kind]} `)})`
    case 'not':
      return words.not(write(expression.operand, one, words))
    default:
      return one(expression)
  }
}

const LOWER: Words = { and: 'and', or: 'or', not: (operand) => `not ${operand}` }

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
      return `${field}: ${kqlPattern(test.pattern)}`
    case 'compare':
      return `${field} ${SIGNS[test.order]} ${test.value}`
    case 'network':
      return `${field}: "${test.network}"`
    case 'missing':
      return `not ${field}: *`
  }
}

/** Outside of quotes, for only there wildcards are any. Spaces stand as they are, and the words that join tests get a backslash. */
function kqlPattern(pattern: string): string {
  const pieces = piecesOf(pattern)
  for (const { text, isWildcard } of pieces) {
    if (isWildcard && text === '?') throw new Unexportable('KQL has no wildcard for one character')
    // A backslash before "not" would be a line feed and "ot".
    if (/not\s/i.test(text)) throw new Unexportable('KQL cannot look for a part of a text with "not" and a space')
  }
  if (/^ | $/.test(pattern))
    throw new Unexportable('KQL cannot look for a part of a text that begins or ends with a space')
  const written = pieces.map(({ text, isWildcard }) => {
    if (isWildcard) return text
    const plain = text.replace(/[\\():<>"*{}]/g, '\\$&').replace(/(?<=^|\s)(?:and|or)(?=\s)/gi, '\\$&')
    return plain.replace(/[\t\r\n]/g, escaped)
  })
  // What follows stands behind a space, too.
  const whole = written.join('').replace(/(?<=\s)(?:and|or)$/i, '\\$&')
  return /not$/i.test(pattern) ? `(${whole})` : whole
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
  return write(expression, esqlTest, ESQL)
}

/** What is asked of a field that an event lacks is neither true nor false, and `NOT` would leave it so: the event would be left out. */
const ESQL: Words = { and: 'AND', or: 'OR', not: (operand) => `NOT COALESCE(${operand}, false)` }

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
  return `"${text.replace(/[\\"]/g, '\\$&').replace(/[\t\r\n]/g, escaped)}"`
}

const ESCAPED: Readonly<Record<string, string>> = { '\t': '\\t', '\r': '\\r', '\n': '\\n' }

function escaped(character: string): string {
  return ESCAPED[character]
}
