/** Saved objects as Kibana and OpenSearch Dashboards export and import them: NDJSON, one object a line. */

export const PRODUCTS = ['kibana', 'opensearch'] as const
/** Whose objects: Kibana, or OpenSearch Dashboards. */
export type Product = (typeof PRODUCTS)[number]

export type ObjectType = 'index-pattern' | 'search' | 'visualization' | 'dashboard'

/** What an object needs of another one: named in its attributes, resolved by type and id. */
export interface Reference {
  readonly name: string
  readonly type: ObjectType
  readonly id: string
}

export interface SavedObject {
  readonly type: ObjectType
  readonly id: string
  readonly attributes: Readonly<Record<string, unknown>>
  readonly references: readonly Reference[]
  /** The form of the object: a product migrates it from there to its own, and refuses one that is newer. */
  readonly migrationVersion?: Readonly<Partial<Record<ObjectType, string>>>
  readonly typeMigrationVersion?: string
  readonly coreMigrationVersion?: string
}

/**
 * The forms in which the objects are written. For Kibana those of 8.9, before which objects did not say their form in this
 * way; for OpenSearch Dashboards those of Kibana 7.10, which it took over and has not changed.
 */
const FORMS: Readonly<Record<Product, Readonly<Record<ObjectType, string>>>> = {
  kibana: { 'index-pattern': '8.0.0', search: '8.0.0', visualization: '8.5.0', dashboard: '8.9.0' },
  opensearch: { 'index-pattern': '7.6.0', search: '7.9.3', visualization: '7.10.0', dashboard: '7.9.3' },
}
const KIBANA_CORE_FORM = '8.8.0'

/** The name by which a query says over which data view it asks. */
export const DATA_VIEW_REFERENCE = 'kibanaSavedObjectMeta.searchSourceJSON.index'

export function savedObject(
  product: Product,
  { type, id, attributes, references }: Pick<SavedObject, 'type' | 'id' | 'attributes' | 'references'>,
): SavedObject {
  const form = FORMS[product][type]
  return product === 'kibana'
    ? { type, id, attributes, references, coreMigrationVersion: KIBANA_CORE_FORM, typeMigrationVersion: form }
    : { type, id, attributes, references, migrationVersion: { [type]: form } }
}

/** The form of a dashboard's panels, which stands in each of them. */
export function panelForm(product: Product): string {
  return FORMS[product].dashboard
}

/** The query of an object, as the attribute `kibanaSavedObjectMeta` holds it in both products. */
export function searchSource(kql: string, ofDataView: boolean): { readonly searchSourceJSON: string } {
  const query = { query: kql, language: 'kuery' }
  return {
    searchSourceJSON: JSON.stringify(
      ofDataView ? { query, filter: [], indexRefName: DATA_VIEW_REFERENCE } : { query, filter: [] },
    ),
  }
}
