/** Dashboards: panels in rows, and their place on the grid. */
import {
  panelForm,
  type ObjectType,
  type Product,
  type SavedObject,
  savedObject,
  searchSource,
} from './saved-object.ts'
import { type Search, savedSearch } from './saved-search.ts'
import { savedText, savedVisualization, type Text, type Visualization } from './visualization.ts'

export type Panel = Visualization | Text | Search

export interface Row {
  /** In units of the grid: 15 is a third of a screen. */
  readonly height: number
  /** From left to right, all of one width. */
  readonly panels: readonly [Panel, ...Panel[]]
}

export interface Dashboard {
  readonly id: string
  readonly title: string
  readonly description: string
  readonly rows: readonly Row[]
}

/** Columns of the grid of both products. */
export const GRID_COLUMNS = 48

export function row(height: number, ...panels: [Panel, ...Panel[]]): Row {
  return { height, panels }
}

/** What a panel shows, as an object of its own. */
export function savedPanel(product: Product, panel: Panel): SavedObject {
  switch (panel.kind) {
    case 'visualization':
      return savedVisualization(product, panel)
    case 'text':
      return savedText(product, panel)
    case 'search':
      return savedSearch(product, panel)
  }
}

export function savedDashboard(product: Product, { id, title, description, rows }: Dashboard): SavedObject {
  const placed = place(rows)
  const panels = placed.map(({ panel, x, y, w, h }, i) => ({
    version: panelForm(product),
    type: typeOf(panel),
    gridData: { x, y, w, h, i: String(i + 1) },
    panelIndex: String(i + 1),
    panelRefName: referenceName(i),
    title: panel.title,
    embeddableConfig: {},
  }))
  return savedObject(product, {
    type: 'dashboard',
    id,
    attributes: {
      title: `Borescope: ${title}`,
      description,
      panelsJSON: JSON.stringify(panels),
      optionsJSON: JSON.stringify({ useMargins: true, hidePanelTitles: false }),
      // The time that one looks at stays when one goes from one dashboard to another.
      timeRestore: false,
      version: 1,
      kibanaSavedObjectMeta: searchSource('', false),
    },
    references: placed.map(({ panel }, i) => ({ name: referenceName(i), type: typeOf(panel), id: panel.id })),
  })
}

/** A name that both products look up as it is: Kibana tries `<panel>:<name>` first, OpenSearch Dashboards does not. */
function referenceName(index: number): string {
  return `panel_${index}`
}

function typeOf({ kind }: Panel): ObjectType {
  return kind === 'search' ? 'search' : 'visualization'
}

interface Placed {
  readonly panel: Panel
  readonly x: number
  readonly y: number
  readonly w: number
  readonly h: number
}

function place(rows: readonly Row[]): Placed[] {
  let y = 0
  return rows.flatMap(({ height, panels }) => {
    const top = y
    y += height
    const edge = (i: number): number => Math.round((GRID_COLUMNS * i) / panels.length)
    return panels.map((panel, i) => ({ panel, x: edge(i), y: top, w: edge(i + 1) - edge(i), h: height }))
  })
}
