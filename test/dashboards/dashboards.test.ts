import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { beforeAll, describe, expect, test } from 'vitest'
import { DASHBOARDS, savedObjectsNdjson } from '../../src/dashboards/dashboards.ts'
import { INDEX_PATTERN } from '../../src/dashboards/data-view.ts'
import { PRODUCTS, type Product } from '../../src/dashboards/saved-object.ts'
import type { FieldKind } from '../../src/events/declaration.ts'
import { FIELDS, isField } from '../../src/events/fields.ts'
import { parseQuery } from '../../src/store/kql.ts'
import { type EventStore, STORES } from '../../src/store/stores.ts'
import { HAS_LAB, recordedEvents } from './events.ts'
import { type Aggregation, type CheckedObject, FORMATS } from './formats.ts'

function exported(product: Product): CheckedObject[] {
  return savedObjectsNdjson(product)
    .trimEnd()
    .split('\n')
    .map((line) => FORMATS[product].parse(JSON.parse(line)))
}

function only<T extends CheckedObject['type']>(objects: readonly CheckedObject[], type: T) {
  return objects.filter((object): object is Extract<CheckedObject, { type: T }> => object.type === type)
}

/** Kinds of fields that each aggregation takes. */
const TAKES: Readonly<Record<string, readonly FieldKind[]>> = {
  terms: ['keyword', 'keyword[]', 'ip', 'ip[]', 'long', 'boolean'],
  cardinality: ['keyword', 'keyword[]', 'ip', 'ip[]', 'long', 'boolean'],
  sum: ['long', 'float'],
  avg: ['long', 'float'],
  min: ['long', 'float', 'date'],
  max: ['long', 'float', 'date'],
  date_histogram: ['date'],
}
const METRICS = new Set(['count', 'cardinality', 'sum', 'avg', 'min', 'max'])

/** What may be where in a visualisation of each type: the schemas of its metrics and buckets, and how many of each. */
const SCHEMAS: Readonly<Record<string, Readonly<Record<string, readonly [number, number]>>>> = {
  metric: { metric: [1, 9], group: [0, 1] },
  table: { metric: [1, 9], bucket: [0, 9] },
  pie: { metric: [1, 1], segment: [1, 9] },
  histogram: { metric: [1, 9], segment: [0, 1], group: [0, 3] },
  line: { metric: [1, 9], segment: [0, 1], group: [0, 3] },
  horizontal_bar: { metric: [1, 9], segment: [0, 1], group: [0, 3] },
  markdown: {},
}

describe.each(PRODUCTS)('the saved objects for %s', (product) => {
  const objects = exported(product)
  const visualizations = only(objects, 'visualization')

  test('are one data view, and all that stands in the dashboards', () => {
    expect(only(objects, 'index-pattern').map(({ attributes }) => attributes.title)).toEqual([INDEX_PATTERN])
    expect(only(objects, 'dashboard').map(({ id }) => id)).toEqual(DASHBOARDS.map(({ id }) => id))
    expect(visualizations.length).toBeGreaterThan(50)
    expect(only(objects, 'search').length).toBe(DASHBOARDS.length - 1)
  })

  test('have ids and titles of their own', () => {
    const keys = objects.map(({ type, id }) => `${type} ${id}`)
    expect(new Set(keys).size).toBe(keys.length)
    const titles = objects.map(({ type, attributes }) => `${type} ${attributes.title}`)
    expect(new Set(titles).size).toBe(titles.length)
  })

  test('refer only to what comes before them', () => {
    const seen = new Set<string>()
    for (const { type, id, references } of objects) {
      for (const reference of references)
        expect(seen, `${id} needs ${reference.id}`).toContain(`${reference.type} ${reference.id}`)
      expect(new Set(references.map(({ name }) => name)).size).toBe(references.length)
      seen.add(`${type} ${id}`)
    }
  })

  test('name each reference that they make, and make each that they name', () => {
    for (const object of objects) {
      const named =
        object.type === 'dashboard'
          ? object.attributes.panelsJSON.map(({ panelRefName }) => panelRefName)
          : object.type === 'index-pattern'
            ? []
            : [object.attributes.kibanaSavedObjectMeta.searchSourceJSON.indexRefName].filter(
                (name) => name !== undefined,
              )
      expect(named.sort(), object.id).toEqual(object.references.map(({ name }) => name).sort())
    }
  })

  test('show every chart and search in a dashboard', () => {
    const shown = new Set(only(objects, 'dashboard').flatMap(({ references }) => references.map(({ id }) => id)))
    const rest = objects.filter(({ type, id }) => type !== 'dashboard' && type !== 'index-pattern' && !shown.has(id))
    expect(rest).toEqual([])
  })

  test('place panels side by side within the grid', () => {
    for (const { id, attributes, references } of only(objects, 'dashboard')) {
      const panels = attributes.panelsJSON
      expect(new Set(panels.map(({ panelIndex }) => panelIndex)).size, id).toBe(panels.length)
      for (const { panelIndex, gridData, type, panelRefName } of panels) {
        expect(gridData.i).toBe(panelIndex)
        expect(gridData.x + gridData.w).toBeLessThanOrEqual(48)
        expect(references.find(({ name }) => name === panelRefName)?.type).toBe(type)
      }
      const taken = new Map<string, string>()
      let bottom = 0
      for (const { panelIndex, gridData } of panels) {
        for (let x = gridData.x; x < gridData.x + gridData.w; x++)
          for (let y = gridData.y; y < gridData.y + gridData.h; y++) {
            expect(taken.get(`${x} ${y}`), `${id}: panel ${panelIndex} at ${x}, ${y}`).toBeUndefined()
            taken.set(`${x} ${y}`, panelIndex)
          }
        bottom = Math.max(bottom, gridData.y + gridData.h)
      }
      expect(taken.size, `${id} has holes`).toBe(48 * bottom)
    }
  })

  test('aggregate fields that exist, of a kind that the aggregation takes', () => {
    for (const { id, attributes } of visualizations) {
      for (const { type, params } of attributes.visState.aggs) {
        const takes = TAKES[type]
        if (takes === undefined) expect(params.field, `${id}: ${type}`).toBeUndefined()
        else {
          expect(isField(params.field ?? ''), `${id}: ${params.field}`).toBe(true)
          expect(takes, `${id}: ${type} of ${params.field}`).toContain(FIELDS[params.field as keyof typeof FIELDS].kind)
        }
      }
    }
  })

  test('arrange aggregations as their type of chart wants them', () => {
    for (const { id, attributes } of visualizations) {
      const { type, aggs, params } = attributes.visState
      expect(
        aggs.map((aggregation) => aggregation.id),
        id,
      ).toEqual(aggs.map((_, i) => String(i + 1)))
      const counts = new Map<string, number>()
      for (const { schema } of aggs) counts.set(schema, (counts.get(schema) ?? 0) + 1)
      for (const [schema, [least, most]] of Object.entries(SCHEMAS[type])) {
        expect(counts.get(schema) ?? 0, `${id}: ${schema}`).toBeGreaterThanOrEqual(least)
        expect(counts.get(schema) ?? 0, `${id}: ${schema}`).toBeLessThanOrEqual(most)
        counts.delete(schema)
      }
      expect([...counts.keys()], id).toEqual([])
      const metrics = aggs.filter((aggregation) => METRICS.has(aggregation.type))
      expect(metrics.every(({ schema }) => schema === 'metric')).toBe(true)
      for (const { params: bucket } of aggs)
        if (bucket.orderBy !== undefined) expect(metrics.map((metric) => metric.id)).toContain(bucket.orderBy)
      const series = params['seriesParams'] as { data: { id: string }; valueAxis: string }[] | undefined
      if (series === undefined) continue
      expect(
        series.map(({ data }) => data.id),
        id,
      ).toEqual(metrics.map((metric) => metric.id))
      const axes = (params['valueAxes'] as { id: string }[]).map((axis) => axis.id)
      expect(series.every(({ valueAxis }) => axes.includes(valueAxis))).toBe(true)
    }
  })

  test('show columns that exist', () => {
    for (const { id, attributes } of only(objects, 'search'))
      for (const column of attributes.columns) expect(isField(column), `${id}: ${column}`).toBe(true)
  })

  test('format and describe fields that exist', () => {
    for (const { attributes } of only(objects, 'index-pattern')) {
      for (const [field, { id }] of Object.entries(attributes.fieldFormatMap)) {
        expect(isField(field), field).toBe(true)
        if (id !== 'url') expect(['long', 'float'], field).toContain(FIELDS[field as keyof typeof FIELDS].kind)
      }
      if ('fieldAttrs' in attributes)
        expect(Object.keys(attributes.fieldAttrs).sort()).toEqual(Object.keys(FIELDS).sort())
    }
  })

  test('link from each dashboard to all of them', () => {
    const navigation = visualizations.find(({ id }) => id === 'borescope-navigation')!
    const text = String(navigation.attributes.visState.params['markdown'])
    expect([...text.matchAll(/#\/view\/([a-z-]+)/g)].map(([, id]) => id)).toEqual(DASHBOARDS.map(({ id }) => id))
    for (const { references } of only(objects, 'dashboard')) expect(references[0].id).toBe('borescope-navigation')
  })
})

test('both products are given the same dashboards', () => {
  const [kibana, opensearch] = PRODUCTS.map((product) => exported(product).map(({ type, id }) => `${type} ${id}`))
  expect(kibana).toEqual(opensearch)
})

interface Question {
  readonly of: string
  readonly kql: string
  /** Fields that the answer is about. */
  readonly fields: readonly string[]
}

/** Every query of the dashboards: of each object, and of each filter in it together with that. */
function questions(): Question[] {
  const objects = exported('kibana')
  return objects.flatMap((object): Question[] => {
    if (object.type !== 'visualization' && object.type !== 'search') return []
    const kql = object.attributes.kibanaSavedObjectMeta.searchSourceJSON.query.query
    if (object.type === 'search') return [{ of: object.id, kql, fields: [] }]
    const { aggs } = object.attributes.visState
    const fields = aggs.map(({ params }) => params.field).filter((field) => field !== undefined)
    const inner = aggs.flatMap((aggregation: Aggregation) => aggregation.params.filters ?? [])
    return [
      { of: object.id, kql, fields },
      ...inner.map(({ label, input }) => ({
        of: `${object.id}: ${label}`,
        kql: kql === '' ? input.query : `(${kql}) and (${input.query})`,
        fields: [],
      })),
    ]
  })
}

test('every query is KQL over fields that exist', () => {
  const all = questions()
  expect(all.length).toBeGreaterThan(80)
  for (const { of, kql } of all) expect(() => parseQuery(kql, 0), of).not.toThrow()
})

describe('over what was recorded', () => {
  let store: EventStore
  beforeAll(async () => {
    const folder = mkdtempSync(join(tmpdir(), 'borescope-dashboards-'))
    store = await STORES.embedded({ path: join(folder, 'events.db') })
    const events = await recordedEvents()
    for (let i = 0; i < events.length; i += 5000) await store.write(events.slice(i, i + 5000))
    return async () => {
      await store.close()
      rmSync(folder, { recursive: true })
    }
  })

  if (!HAS_LAB)
    process.stderr.write(
      '\nSKIPPED in test/dashboards/dashboards.test.ts: whether every query finds something, for want of the lab captures\n\n',
    )

  test.skipIf(!HAS_LAB)(
    'every query finds something, and every field that it aggregates has values there',
    async () => {
      const empty: string[] = []
      for (const { of, kql, fields } of questions()) {
        if ((await store.count({ kql })) === 0) empty.push(`${of}: ${kql}`)
        for (const field of fields) {
          const narrowed = kql === '' ? `${field}: *` : `(${kql}) and ${field}: *`
          if ((await store.count({ kql: narrowed })) === 0) empty.push(`${of}: ${narrowed}`)
        }
      }
      expect(empty).toEqual([])
    },
  )
})
