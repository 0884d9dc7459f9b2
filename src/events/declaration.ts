/** What a declaration of a field and of an event says. Each family of events has a file of its own that holds both. */

/** `[]` marks a field that holds a list. A `date` is an ISO 8601 text with microseconds; `ip` is a textual address. */
export type FieldKind = 'keyword' | 'keyword[]' | 'text' | 'ip' | 'ip[]' | 'long' | 'float' | 'boolean' | 'date'

export interface FieldDeclaration {
  readonly kind: FieldKind
  /** True for a field of the Elastic Common Schema; a test compares the name with `@elastic/ecs`. */
  readonly ecs: boolean
  readonly says: string
}

export const ecs = <K extends FieldKind>(kind: K, says: string) => ({ kind, ecs: true, says }) as const
export const own = <K extends FieldKind>(kind: K, says: string) => ({ kind, ecs: false, says }) as const

/** An event, but for the check that its fields are declared: the catalogue makes it for all families. */
export interface EventShape {
  readonly says: string
  readonly dataset: string
  readonly kind: 'event' | 'alert' | 'metric'
  readonly category: readonly string[]
  readonly type: readonly string[]
  /** Fields that the event always carries, beyond the base ones. */
  readonly always: readonly string[]
  /** Fields that it carries when they are known. */
  readonly may: readonly string[]
}
