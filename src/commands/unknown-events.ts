/** What a query asks for in vain: events that no Borescope of this version raises. */
import { CATALOGUE } from '../events/catalogue.ts'
import { parseQuery } from '../store/kql.ts'
import type { QueryNode } from '../store/kql-tree.ts'
import { nearest } from '../store/nearest.ts'

/** A sentence for each name of an event in the query, wildcards aside, that is none. */
export function unknownEvents(kql: string): string[] {
  return [...namesIn(parseQuery(kql))]
    .filter((name) => !Object.hasOwn(CATALOGUE, name))
    .map((name) => {
      const guess = nearest(name, Object.keys(CATALOGUE))
      return `no event is called "${name}"; ${guess === null ? "'borescope fields' lists them" : `did you mean "${guess}"?`}`
    })
}

function namesIn(node: QueryNode): Set<string> {
  switch (node.type) {
    case 'and':
    case 'or':
      return new Set(node.children.flatMap((child) => [...namesIn(child)]))
    case 'not':
      return namesIn(node.child)
    case 'equals':
      return new Set(node.field === 'event.action' ? [String(node.value)] : [])
    default:
      return new Set()
  }
}
