/** A query as a tree: what the parser makes, and the compilers read. */
import type { FieldName } from '../events/fields.ts'

export interface Span {
  /** Index of the first character in the query, and of the one after the last. */
  readonly start: number
  readonly end: number
}

/** A range of numbers, or of microseconds for a date field. */
export interface NumberRange {
  readonly low?: number
  readonly lowIncluded?: boolean
  readonly high?: number
  readonly highIncluded?: boolean
}

/** What one word of a query asks for: words in a row, or for every pattern a word that matches it. */
export type WordTest = { readonly phrase: readonly string[] } | { readonly patterns: readonly (readonly string[])[] }

export type QueryNode =
  | { readonly type: 'all' }
  | { readonly type: 'and' | 'or'; readonly children: readonly QueryNode[] }
  | { readonly type: 'not'; readonly child: QueryNode }
  /** The field has a value; a list has an element. */
  | (Span & { readonly type: 'exists'; readonly field: FieldName })
  /** keyword, long, float, boolean: the value, or an element of the list, is this. */
  | (Span & { readonly type: 'equals'; readonly field: FieldName; readonly value: string | number | boolean })
  /** keyword: the whole value matches the parts with anything between them. */
  | (Span & { readonly type: 'wildcard'; readonly field: FieldName; readonly parts: readonly string[] })
  /** long, float, date. */
  | (Span & { readonly type: 'range'; readonly field: FieldName; readonly range: NumberRange })
  /** ip: an address from `low` to `high`, both as sortable keys (see `address.ts`). */
  | (Span & { readonly type: 'network'; readonly field: FieldName; readonly low: string; readonly high: string })
  /** Any of these words: in a field of text, or (field null) in the message or the names. */
  | (Span & { readonly type: 'words'; readonly field: FieldName | null; readonly words: readonly WordTest[] })
