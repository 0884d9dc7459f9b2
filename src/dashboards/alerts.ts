/** Alerts: by rule, level, entity and time, and in the terms of ATT&CK. */
import { type Dashboard, row } from './dashboard.ts'
import { search } from './saved-search.ts'
import { filters, type Metric, OVER_TIME, top, visualization } from './visualization.ts'

const ALERTS = 'event.kind: alert'
const COUNT: Metric = { of: 'count', label: 'Alerts' }
const LAST: Metric = { of: 'max', field: '@timestamp', label: 'Last' }

const NUMBERS = visualization(
  'metric',
  'alerts-numbers',
  'Alerts in numbers',
  ALERTS,
  [
    filters({
      Critical: 'rule.level: critical',
      High: 'rule.level: high',
      Medium: 'rule.level: medium',
      'Low and informational': 'rule.level: (low or informational)',
    }),
  ],
  [COUNT],
)

export const ALERT_LEVELS = visualization(
  'histogram',
  'alerts-levels',
  'Alerts by level',
  ALERTS,
  [top('rule.level', 'Level', 5), OVER_TIME],
  [COUNT],
)

const TACTICS_OVER_TIME = visualization(
  'histogram',
  'alerts-tactics-over-time',
  'Alerts by tactic',
  'event.kind: alert and threat.tactic.name: *',
  [top('threat.tactic.name', 'Tactic', 14), OVER_TIME],
  [COUNT],
)

const TACTICS = visualization(
  'pie',
  'alerts-tactics',
  'Tactics and techniques',
  'event.kind: alert and threat.tactic.name: *',
  [top('threat.tactic.name', 'Tactic', 14), top('threat.technique.name', 'Technique', 10)],
  [COUNT],
)

const TECHNIQUES = visualization(
  'table',
  'alerts-techniques',
  'Techniques',
  'event.kind: alert and threat.technique.id: *',
  [top('threat.technique.id', 'Technique', 50), top('threat.technique.name', 'Name', 3)],
  [COUNT, { of: 'cardinality', field: 'alert.entity', label: 'Entities' }, LAST],
)

const SUBTECHNIQUES = visualization(
  'table',
  'alerts-subtechniques',
  'Sub-techniques',
  'event.kind: alert and threat.technique.subtechnique.id: *',
  [top('threat.technique.subtechnique.id', 'Sub-technique', 50), top('threat.technique.subtechnique.name', 'Name', 3)],
  [COUNT, LAST],
)

const RULES = visualization(
  'table',
  'alerts-rules',
  'Rules',
  ALERTS,
  [top('rule.name', 'Rule', 100), top('rule.level', 'Level', 1), top('rule.category', 'Folder', 1)],
  [COUNT, { of: 'sum', field: 'alert.events', label: 'Events behind them' }, LAST],
)

const ENTITIES = visualization(
  'table',
  'alerts-entities',
  'Entities',
  ALERTS,
  [top('alert.entity', 'Entity', 50)],
  [
    COUNT,
    { of: 'cardinality', field: 'rule.id', label: 'Rules' },
    { of: 'max', field: 'event.severity', label: 'Highest severity' },
    LAST,
  ],
)

/** As they were told last: an incident that goes on has its figures of the time when it became graver. */
const INCIDENTS = visualization(
  'table',
  'alerts-incidents',
  'Incidents',
  'event.dataset: borescope.incidents and not incident.part_of: *',
  [top('incident.id', 'Incident', 50), top('incident.title', 'What', 1), top('incident.level', 'Level', 1)],
  [
    { of: 'max', field: 'event.risk_score', label: 'Risk' },
    { of: 'max', field: 'incident.alerts', label: 'Alerts' },
    { of: 'max', field: 'incident.events', label: 'Events' },
    LAST,
  ],
)

const SOURCES = visualization(
  'horizontal_bar',
  'alerts-sources',
  'Sources',
  'event.kind: alert and source.ip: *',
  [top('rule.level', 'Level', 5), top('source.ip', 'Source', 15)],
  [COUNT],
)

const USERS = visualization(
  'horizontal_bar',
  'alerts-users',
  'Users',
  'event.kind: alert and user.name: *',
  [top('rule.level', 'Level', 5), top('user.name', 'User', 15)],
  [COUNT],
)

export const LATEST_ALERTS = search('alerts-latest', 'Alerts, newest first', ALERTS, [
  'rule.level',
  'rule.name',
  'alert.entity',
  'alert.events',
  'threat.technique.id',
  'message',
])

export const ALERT_BOARD: Dashboard = {
  id: 'borescope-alerts',
  title: 'alerts and ATT&CK',
  description: 'Alerts by level, rule, entity and time, with the tactics and techniques of MITRE ATT&CK.',
  rows: [
    row(8, NUMBERS),
    row(16, INCIDENTS),
    row(14, ALERT_LEVELS, TACTICS_OVER_TIME),
    row(16, TACTICS, TECHNIQUES, SUBTECHNIQUES),
    row(16, RULES, ENTITIES),
    row(14, SOURCES, USERS),
    row(18, LATEST_ALERTS),
  ],
}
