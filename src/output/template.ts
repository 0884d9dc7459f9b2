/**
 * Templates of JSON bodies: plain JSON whose texts may hold `{{field.name}}`. A text that is nothing but one placeholder
 * becomes the value itself, number or list; `{{event}}` is the whole nested document. Values are put in before anything is
 * written as JSON, so that no value can end the text it stands in. There is no logic.
 */
import { type EventDocument, isField, nest } from '../events/fields.ts'

export type Json = string | number | boolean | null | readonly Json[] | { readonly [key: string]: Json }

const PLACEHOLDER = /\{\{\s*([^{}]*?)\s*\}\}/g
const WHOLE = 'event'

/** The first placeholder that names no field; null if all do. */
export function unknownPlaceholder(template: Json): string | null {
  if (typeof template === 'string') {
    for (const [, name] of template.matchAll(PLACEHOLDER)) if (name !== WHOLE && !isField(name)) return name
    return null
  }
  if (typeof template !== 'object' || template === null) return null
  for (const value of Object.values(template)) {
    const unknown = unknownPlaceholder(value)
    if (unknown !== null) return unknown
  }
  return null
}

/** A field that the document does not have is an empty text, or null where it stands alone. */
export function fillTemplate(template: Json, document: EventDocument): unknown {
  if (typeof template === 'string') {
    const [alone] = template.matchAll(PLACEHOLDER)
    if (alone !== undefined && alone[0] === template) return fieldOf(document, alone[1]) ?? null
    return template.replace(PLACEHOLDER, (_, name: string) => asText(fieldOf(document, name)))
  }
  if (Array.isArray(template)) return template.map((item: Json) => fillTemplate(item, document))
  if (typeof template !== 'object' || template === null) return template
  return Object.fromEntries(Object.entries(template).map(([key, value]) => [key, fillTemplate(value, document)]))
}

function fieldOf(document: EventDocument, name: string): unknown {
  return name === WHOLE ? nest(document) : isField(name) ? document[name] : undefined
}

function asText(value: unknown): string {
  if (value === undefined || value === null) return ''
  if (Array.isArray(value)) return value.join(', ')
  return typeof value === 'object' ? JSON.stringify(value) : String(value)
}
