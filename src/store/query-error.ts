/** A query that cannot be run: what is wrong with it, where, and what would have been right. */

const EXCERPT_CHARACTERS_MAX = 100

export interface QueryFault {
  /** What is wrong, in one clause. */
  readonly problem: string
  /** What would have been right at this place, if that can be said. */
  readonly expected?: string
  /** Index of the first character at fault, and of the one after the last. */
  readonly start: number
  readonly end: number
}

/** Its message is the problem, the line of the query, and a line of carets under the characters at fault. */
export class QueryError extends Error {
  readonly query: string
  readonly problem: string
  readonly expected: string | null
  readonly position: number
  readonly end: number

  constructor(query: string, fault: QueryFault) {
    const expected = fault.expected === undefined ? '' : `; expected ${fault.expected}`
    super(`${fault.problem}${expected}\n${excerpt(query, fault.start, fault.end)}`)
    this.name = 'QueryError'
    this.query = query
    this.problem = fault.problem
    this.expected = fault.expected ?? null
    this.position = fault.start
    this.end = fault.end
  }
}

/** The line with the fault, cut to a window if it is long, and the carets below it. */
function excerpt(query: string, start: number, end: number): string {
  const lineStart = query.lastIndexOf('\n', start - 1) + 1
  const newline = query.indexOf('\n', start)
  const lineEnd = newline === -1 ? query.length : newline
  const from = Math.max(lineStart, start - EXCERPT_CHARACTERS_MAX / 2)
  const to = Math.min(lineEnd, from + EXCERPT_CHARACTERS_MAX)
  // biome-ignore lint/suspicious/noControlCharactersInRegex: a control character would shift the carets
  const line = query.slice(from, to).replace(/[\u0000-\u001f\u007f]/g, ' ')
  const head = from > lineStart ? '…' : ''
  const tail = to < lineEnd ? '…' : ''
  const carets = '^'.repeat(Math.max(1, Math.min(end, to) - start))
  return `  ${head}${line}${tail}\n  ${' '.repeat(head.length + start - from)}${carets}`
}
