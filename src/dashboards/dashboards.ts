/** All dashboards, and everything that they are made of. */
import { ALERT_BOARD } from './alerts.ts'
import { type Dashboard, row, savedDashboard, savedPanel } from './dashboard.ts'
import { dataView } from './data-view.ts'
import { HEALTH } from './health.ts'
import { IDENTITIES } from './identities.ts'
import { IPSEC } from './ipsec.ts'
import { OVERVIEW } from './overview.ts'
import type { Product, SavedObject } from './saved-object.ts'
import { TUNNELS } from './tunnels.ts'
import type { Text } from './visualization.ts'

/** In the order in which they link to each other. */
export const DASHBOARDS = [OVERVIEW, TUNNELS, IDENTITIES, IPSEC, ALERT_BOARD, HEALTH] satisfies readonly Dashboard[]

/** The way from each dashboard to the others. */
const NAVIGATION: Text = {
  kind: 'text',
  id: 'borescope-navigation',
  title: 'Dashboards',
  markdown: DASHBOARDS.map(({ id, title }) => `[${title}](#/view/${id})`).join(' · '),
}

const NAVIGATED: readonly Dashboard[] = DASHBOARDS.map((dashboard) => ({
  ...dashboard,
  rows: [row(4, NAVIGATION), ...dashboard.rows],
}))

/** What a product imports: each object once, after those that it refers to. */
export function savedObjects(product: Product): SavedObject[] {
  const panels = NAVIGATED.flatMap(({ rows }) => rows.flatMap((line) => line.panels))
  const byId = new Map(panels.map((panel) => [panel.id, panel]))
  return [
    dataView(product),
    ...[...byId.values()].map((panel) => savedPanel(product, panel)),
    ...NAVIGATED.map((dashboard) => savedDashboard(product, dashboard)),
  ]
}

/** As a file that the products import: one object a line. */
export function savedObjectsNdjson(product: Product): string {
  return savedObjects(product)
    .map((object) => `${JSON.stringify(object)}\n`)
    .join('')
}
