/**
 * Charts and tables over the events, as aggregation-based visualisations: the kind that Kibana and OpenSearch Dashboards both
 * read. A field that no event has, or whose kind its aggregation does not take, is an error of the types.
 */
import type { FieldKind } from '../events/declaration.ts'
import type { FIELDS, FieldName } from '../events/fields.ts'
import { OF_DATA_VIEW } from './data-view.ts'
import { type Product, type SavedObject, savedObject, searchSource } from './saved-object.ts'

type FieldOfKind<K extends FieldKind> = {
  [F in FieldName]: (typeof FIELDS)[F]['kind'] extends K ? F : never
}[FieldName]

/** Fields whose values can be told apart and counted. */
export type CountableField = FieldOfKind<'keyword' | 'keyword[]' | 'ip' | 'ip[]' | 'long' | 'boolean'>
export type NumericField = FieldOfKind<'long' | 'float'>
export type DateField = FieldOfKind<'date'>

export type Metric =
  | { readonly of: 'count'; readonly label: string }
  | { readonly of: 'cardinality'; readonly field: CountableField; readonly label: string }
  | { readonly of: 'sum' | 'avg'; readonly field: NumericField; readonly label: string }
  | { readonly of: 'min' | 'max'; readonly field: NumericField | DateField; readonly label: string }

export type Bucket =
  /** The values with the most of the first metric. */
  | { readonly by: 'terms'; readonly field: CountableField; readonly label: string; readonly size: number }
  | { readonly by: 'time' }
  | { readonly by: 'filters'; readonly filters: readonly { readonly label: string; readonly kql: string }[] }

/** Names that both products know. */
export type Shape = 'metric' | 'histogram' | 'line' | 'horizontal_bar' | 'pie' | 'table'

export interface Visualization {
  readonly kind: 'visualization'
  readonly id: string
  readonly title: string
  readonly shape: Shape
  /** Which events; empty for all. */
  readonly kql: string
  /** By default, how many events. */
  readonly metrics: readonly [Metric, ...Metric[]]
  /** One within the other. Of a chart with axes the last one lies along the axis, those before it are its series. */
  readonly buckets: readonly Bucket[]
}

/** Text with links. */
export interface Text {
  readonly kind: 'text'
  readonly id: string
  readonly title: string
  readonly markdown: string
}

export const EVENTS: Metric = { of: 'count', label: 'Events' }

export const OVER_TIME: Bucket = { by: 'time' }

/** The `size` most frequent values of a field. */
export function top(field: CountableField, label: string, size = 10): Bucket {
  return { by: 'terms', field, label, size }
}

/** A number for each question. */
export function filters(questions: Readonly<Record<string, string>>): Bucket {
  return { by: 'filters', filters: Object.entries(questions).map(([label, kql]) => ({ label, kql })) }
}

export function visualization(
  shape: Shape,
  id: string,
  title: string,
  kql: string,
  buckets: readonly Bucket[],
  metrics: readonly [Metric, ...Metric[]] = [EVENTS],
): Visualization {
  return { kind: 'visualization', id: `borescope-${id}`, title, shape, kql, metrics, buckets }
}

export function savedVisualization(product: Product, chart: Visualization): SavedObject {
  const { id, title, kql } = chart
  return savedObject(product, {
    type: 'visualization',
    id,
    attributes: {
      title: `Borescope: ${title}`,
      description: '',
      uiStateJSON: '{}',
      version: 1,
      visState: JSON.stringify({
        title: `Borescope: ${title}`,
        type: chart.shape,
        aggs: aggregations(chart),
        params: parameters(product, chart),
      }),
      kibanaSavedObjectMeta: searchSource(kql, true),
    },
    references: [OF_DATA_VIEW],
  })
}

export function savedText(product: Product, { id, title, markdown }: Text): SavedObject {
  return savedObject(product, {
    type: 'visualization',
    id,
    attributes: {
      title: `Borescope: ${title}`,
      description: '',
      uiStateJSON: '{}',
      version: 1,
      visState: JSON.stringify({
        title: `Borescope: ${title}`,
        type: 'markdown',
        aggs: [],
        params: { markdown, fontSize: 12, openLinksInNewTab: false },
      }),
      kibanaSavedObjectMeta: searchSource('', false),
    },
    references: [],
  })
}

interface AggregationState {
  readonly id: string
  readonly enabled: true
  readonly type: string
  readonly schema: string
  readonly params: Readonly<Record<string, unknown>>
}

function aggregations({ shape, metrics, buckets }: Visualization): AggregationState[] {
  const states = [
    ...metrics.map((metric) => ({
      type: metric.of as string,
      schema: 'metric',
      params: { ...('field' in metric ? { field: metric.field } : {}), customLabel: metric.label },
    })),
    ...buckets.map((bucket, i) => ({ ...bucketState(bucket), schema: schemaOf(shape, i === buckets.length - 1) })),
  ]
  return states.map((state, i) => ({ id: String(i + 1), enabled: true, ...state }))
}

/** What a bucket is in a visualisation of the shape: a row, a slice, a place on the axis, or a series. */
function schemaOf(shape: Shape, isLast: boolean): string {
  switch (shape) {
    case 'metric':
      return 'group'
    case 'table':
      return 'bucket'
    case 'pie':
      return 'segment'
    default:
      return isLast ? 'segment' : 'group'
  }
}

function bucketState(bucket: Bucket): Pick<AggregationState, 'type' | 'params'> {
  switch (bucket.by) {
    case 'terms':
      return {
        type: 'terms',
        params: {
          field: bucket.field,
          size: bucket.size,
          order: 'desc',
          // The id of the first metric.
          orderBy: '1',
          otherBucket: false,
          otherBucketLabel: 'Other',
          missingBucket: false,
          missingBucketLabel: 'Missing',
          customLabel: bucket.label,
        },
      }
    case 'time':
      return {
        type: 'date_histogram',
        params: {
          field: '@timestamp',
          interval: 'auto',
          min_doc_count: 1,
          drop_partials: false,
          extended_bounds: {},
          customLabel: 'Time',
        },
      }
    case 'filters':
      return {
        type: 'filters',
        params: {
          filters: bucket.filters.map(({ label, kql }) => ({ label, input: { query: kql, language: 'kuery' } })),
        },
      }
  }
}

const PALETTE = { type: 'palette', name: 'default' }

function parameters(product: Product, { shape, metrics }: Visualization): Record<string, unknown> {
  switch (shape) {
    case 'metric':
      return {
        type: 'metric',
        addTooltip: true,
        addLegend: false,
        metric: {
          percentageMode: false,
          useRanges: false,
          colorSchema: 'Green to Red',
          metricColorMode: 'None',
          colorsRange: [{ from: 0, to: 10_000 }],
          labels: { show: true },
          invertColors: false,
          style: { bgFill: '#000', bgColor: false, labelColor: false, subText: '', fontSize: 32 },
        },
      }
    case 'table':
      return {
        perPage: 10,
        showPartialRows: false,
        showMetricsAtAllLevels: false,
        showTotal: false,
        totalFunc: 'sum',
        percentageCol: '',
        ...(product === 'kibana' ? { showToolbar: true, autoFitRowToContent: true } : {}),
      }
    case 'pie':
      return {
        type: 'pie',
        addTooltip: true,
        legendPosition: 'right',
        isDonut: true,
        labels: { show: false, values: true, last_level: true, truncate: 100 },
        ...(product === 'kibana'
          ? { legendDisplay: 'show', distinctColors: true, palette: PALETTE }
          : { addLegend: true }),
      }
    default:
      return axes(product, shape, metrics)
  }
}

function axes(
  product: Product,
  shape: 'histogram' | 'line' | 'horizontal_bar',
  metrics: readonly Metric[],
): Record<string, unknown> {
  const isLying = shape === 'horizontal_bar'
  const type = shape === 'line' ? 'line' : 'histogram'
  return {
    type,
    grid: { categoryLines: false },
    categoryAxes: [
      {
        id: 'CategoryAxis-1',
        type: 'category',
        position: isLying ? 'left' : 'bottom',
        show: true,
        scale: { type: 'linear' },
        labels: { show: true, filter: !isLying, truncate: isLying ? 200 : 100, rotate: 0 },
        title: {},
        style: {},
      },
    ],
    valueAxes: [
      {
        id: 'ValueAxis-1',
        name: isLying ? 'BottomAxis-1' : 'LeftAxis-1',
        type: 'value',
        position: isLying ? 'bottom' : 'left',
        show: true,
        scale: { type: 'linear', mode: 'normal' },
        labels: { show: true, filter: isLying, truncate: 100, rotate: 0 },
        title: { text: metrics[0].label },
        style: {},
      },
    ],
    seriesParams: metrics.map(({ label }, i) => ({
      show: true,
      type,
      mode: shape === 'line' ? 'normal' : 'stacked',
      data: { id: String(i + 1), label },
      valueAxis: 'ValueAxis-1',
      drawLinesBetweenPoints: true,
      lineWidth: 2,
      interpolate: 'linear',
      showCircles: true,
      ...(product === 'kibana' ? { circlesRadius: 1 } : {}),
    })),
    addTooltip: true,
    addLegend: true,
    legendPosition: 'right',
    times: [],
    addTimeMarker: false,
    labels: { show: false },
    thresholdLine: { show: false, value: 10, width: 1, style: 'full', color: '#E7664C' },
    ...(product === 'kibana' ? { palette: PALETTE, detailedTooltip: true } : {}),
  }
}
