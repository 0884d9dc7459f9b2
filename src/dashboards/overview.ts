/** The dashboard that one opens first: what there is, what went wrong, what was an attack. */
import { type Dashboard, row } from './dashboard.ts'
import { ALERT_LEVELS, LATEST_ALERTS } from './alerts.ts'
import { filters, OVER_TIME, top, visualization } from './visualization.ts'

const NUMBERS = visualization('metric', 'overview-numbers', 'What was seen', '', [
  filters({
    'Tunnels opened':
      'event.action: (l2tp.tunnel.opened or l2tp.tunnel.adopted or pptp.connection.opened or esp.tunnel.opened)',
    'Sessions opened':
      'event.action: (l2tp.session.opened or l2tp.session.adopted or pptp.call.opened or pppoe.session.opened)',
    'Log-ins': 'event.action: ppp.authentication.succeeded',
    'Log-ins refused': 'event.action: ppp.authentication.failed',
    'Inner flows': 'event.action: flow.closed',
    'Alerts, high and critical': 'event.kind: alert and rule.level: (high or critical)',
  }),
])

const BY_DATASET = visualization('histogram', 'overview-datasets', 'Events by what they are about', '', [
  top('event.dataset', 'Dataset', 12),
  OVER_TIME,
])

const PROTOCOLS = visualization('pie', 'overview-protocols', 'Protocols', 'network.protocol: *', [
  top('network.protocol', 'Protocol', 12),
])

const SOURCES = visualization('horizontal_bar', 'overview-sources', 'Who begins', 'source.ip: *', [
  top('source.ip', 'Source'),
])

const DESTINATIONS = visualization('horizontal_bar', 'overview-destinations', 'With whom', 'destination.ip: *', [
  top('destination.ip', 'Destination'),
])

const FAILURES = visualization('table', 'overview-failures', 'What failed, and why', 'event.outcome: failure', [
  top('event.action', 'Event', 10),
  top('event.reason', 'Reason', 5),
])

export const OVERVIEW: Dashboard = {
  id: 'borescope-overview',
  title: 'overview',
  description: 'What the sensor sees: tunnels, sessions, log-ins, inner flows, alerts.',
  rows: [
    row(8, NUMBERS),
    row(14, BY_DATASET, ALERT_LEVELS),
    row(14, PROTOCOLS, SOURCES, DESTINATIONS),
    row(14, FAILURES),
    row(18, LATEST_ALERTS),
  ],
}
