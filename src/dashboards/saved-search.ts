/** Saved searches: the events themselves, as tables. */
import type { FieldName } from '../events/fields.ts'
import { OF_DATA_VIEW } from './data-view.ts'
import { type Product, type SavedObject, savedObject, searchSource } from './saved-object.ts'

export interface Search {
  readonly kind: 'search'
  readonly id: string
  readonly title: string
  readonly kql: string
  /** Beside the time. */
  readonly columns: readonly FieldName[]
}

export function search(id: string, title: string, kql: string, columns: readonly FieldName[]): Search {
  return { kind: 'search', id: `borescope-${id}`, title, kql, columns }
}

export function savedSearch(product: Product, { id, title, kql, columns }: Search): SavedObject {
  const common = {
    title: `Borescope: ${title}`,
    description: '',
    columns,
    sort: [['@timestamp', 'desc']],
    kibanaSavedObjectMeta: searchSource(kql, true),
  }
  const attributes =
    product === 'kibana'
      ? { ...common, grid: {}, hideChart: false, isTextBasedQuery: false }
      : { ...common, hits: 0, version: 1 }
  return savedObject(product, { type: 'search', id, attributes, references: [OF_DATA_VIEW] })
}
