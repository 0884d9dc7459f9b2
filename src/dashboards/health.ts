/** The sensor itself: what it read, what it could not read, and where it came to its bounds. */
import { type Dashboard, row } from './dashboard.ts'
import { search } from './saved-search.ts'
import { EVENTS, filters, OVER_TIME, top, visualization } from './visualization.ts'

const READ = 'event.action: capture.analysed'

const PACKETS = visualization(
  'metric',
  'health-packets',
  'Packets',
  READ,
  [],
  [
    { of: 'sum', field: 'capture.packets', label: 'Read' },
    { of: 'sum', field: 'capture.l2tp', label: 'L2TP' },
    { of: 'sum', field: 'capture.ipsec', label: 'ESP and AH' },
    { of: 'sum', field: 'capture.duplicates', label: 'SPAN copies' },
    { of: 'sum', field: 'capture.lost', label: 'Lost before or by the capture' },
    { of: 'sum', field: 'capture.flawed', label: 'Not decodable' },
    { of: 'sum', field: 'capture.suppressed', label: 'Findings only counted' },
  ],
)

const TROUBLE = visualization('metric', 'health-trouble', 'Trouble', '', [
  filters({
    'Tables that were full': 'event.action: sensor.table.filled',
    'Damaged captures': 'event.action: capture.damaged',
    Anomalies: 'event.action: protocol.anomaly',
  }),
])

const SENSORS = visualization(
  'table',
  'health-sensors',
  'Sensors',
  'observer.name: *',
  [top('observer.name', 'Sensor', 100), top('observer.version', 'Version', 3)],
  [EVENTS, { of: 'max', field: '@timestamp', label: 'Last event' }],
)

const CAPTURES = visualization(
  'table',
  'health-captures',
  'Captures',
  READ,
  [top('borescope.capture', 'Capture', 100), top('observer.name', 'Sensor', 3)],
  [
    { of: 'sum', field: 'capture.packets', label: 'Packets' },
    { of: 'sum', field: 'capture.bytes', label: 'Octets' },
    { of: 'sum', field: 'capture.foreign', label: 'Of other protocols' },
    { of: 'sum', field: 'capture.lost', label: 'Lost' },
    { of: 'sum', field: 'capture.flawed', label: 'Not decodable' },
  ],
)

const ANOMALIES = visualization(
  'table',
  'health-anomalies',
  'Anomalies',
  'event.action: protocol.anomaly',
  [top('anomaly.layer', 'Layer', 20), top('anomaly.name', 'Anomaly', 20)],
  [EVENTS, { of: 'cardinality', field: 'source.ip', label: 'Sources' }],
)

const ANOMALIES_OVER_TIME = visualization(
  'histogram',
  'health-anomalies-over-time',
  'Anomalies by layer',
  'event.action: protocol.anomaly',
  [top('anomaly.layer', 'Layer', 12), OVER_TIME],
)

const LIMITS = search(
  'health-trouble-events',
  'Full tables and damaged captures',
  'event.action: (sensor.table.filled or capture.damaged)',
  ['event.action', 'observer.name', 'sensor.table', 'sensor.capacity', 'borescope.capture', 'event.reason', 'message'],
)

export const HEALTH: Dashboard = {
  id: 'borescope-health',
  title: 'sensor health',
  description: 'What the sensors read, what they could not read, and where they came to their bounds.',
  rows: [
    row(8, PACKETS),
    row(8, TROUBLE),
    row(14, SENSORS, CAPTURES),
    row(14, ANOMALIES, ANOMALIES_OVER_TIME),
    row(14, LIMITS),
  ],
}
