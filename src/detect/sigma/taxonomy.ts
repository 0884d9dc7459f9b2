/**
 * Rules that name the fields of another taxonomy, made rules about the host's events: as data, a table for each log source. What
 * has no counterpart refuses the rule with its reason; a rule is never applied without one of its fields.
 */
import type { Detection, DetectionItem, SigmaCorrelation, SigmaLogSource, SigmaRule, SigmaScalar } from './parse.ts'
import { SigmaError } from './problem.ts'

/** A field of the host, or why there is none. */
export type FieldMapping = string | { readonly missing: string }

export interface Taxonomy {
  /** The rules that it is for: all three parts of their log source are these, and missing where they are missing. */
  readonly logsource: Partial<SigmaLogSource>
  /** The log source of the host's events. */
  readonly target: SigmaLogSource
  /** Which of them: this field has one of these values. */
  readonly events: { readonly field: string; readonly values: readonly SigmaScalar[] }
  readonly fields: Readonly<Record<string, FieldMapping>>
}

/** No YAML key can begin like this, so that no search identifier of the rule is met. */
const EVENTS = '\u0000events'

export function taxonomyOf(logsource: SigmaLogSource, taxonomies: readonly Taxonomy[]): Taxonomy | undefined {
  return taxonomies.find(({ logsource: { product, category, service } }) => {
    return product === logsource.product && category === logsource.category && service === logsource.service
  })
}

/** Throws SigmaError at the first field that has no counterpart. */
export function translateRule(rule: SigmaRule, taxonomy: Taxonomy): SigmaRule {
  const { field, values } = taxonomy.events
  const item: DetectionItem = {
    key: 'logsource',
    line: rule.lines['logsource'] ?? rule.line,
    field,
    modifiers: [],
    values,
  }
  const detections = new Map<string, Detection>([[EVENTS, { kind: 'item', item }]])
  for (const [name, detection] of rule.detections) detections.set(name, translateDetection(detection, taxonomy))
  const events = { kind: 'selection', name: EVENTS } as const
  return {
    ...rule,
    logsource: taxonomy.target,
    detections,
    condition: { kind: 'and', operands: [events, rule.condition] },
  }
}

function translateDetection(detection: Detection, taxonomy: Taxonomy): Detection {
  if (detection.kind !== 'item') {
    return { kind: detection.kind, parts: detection.parts.map((part) => translateDetection(part, taxonomy)) }
  }
  const { item } = detection
  if (item.field === null) return detection
  const name = (field: string) => translateField(field, taxonomy, item.key, item.line)
  const values = item.modifiers.includes('fieldref') ? item.values.map((value) => name(String(value))) : item.values
  return { kind: 'item', item: { ...item, field: name(item.field), values } }
}

function translateField(field: string, taxonomy: Taxonomy, key: string, line: number): string {
  const mapping = Object.hasOwn(taxonomy.fields, field) ? taxonomy.fields[field] : undefined
  if (typeof mapping === 'string') return mapping
  const source = Object.values(taxonomy.logsource).join('/')
  const why = mapping === undefined ? 'nothing is known to correspond to it' : mapping.missing
  throw new SigmaError(key, line, `the field "${field}" of the log source ${source} has no counterpart: ${why}`)
}

/**
 * A correlation over translated rules: `taxonomyFor` gives the taxonomy from which the rule of that id or name was translated. Where
 * its rules come from several taxonomies, an alias takes the place of the field. Throws SigmaError.
 */
export function translateCorrelation(
  correlation: SigmaCorrelation,
  taxonomyFor: (rule: string) => Taxonomy | undefined,
): SigmaCorrelation {
  const { rules, groupBy, fields, lines } = correlation
  if (rules.every((rule) => taxonomyFor(rule) === undefined)) return correlation
  const line = lines['correlation'] ?? correlation.line
  const name = (field: string, rule: string): string => {
    const taxonomy = taxonomyFor(rule)
    return taxonomy === undefined ? field : translateField(field, taxonomy, 'correlation', line)
  }
  const aliases = new Map<string, Map<string, string>>()
  for (const field of new Set([...groupBy, ...fields])) {
    const given = correlation.aliases.get(field)
    const table = given ?? new Map(rules.map((rule) => [rule, field]))
    aliases.set(field, new Map([...table].map(([rule, said]) => [rule, name(said, rule)])))
  }
  return { ...correlation, aliases }
}
