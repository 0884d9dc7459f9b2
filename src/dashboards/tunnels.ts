/** Tunnels and sessions: who opens them to whom, what they carry, how they end. */
import { type Dashboard, row } from './dashboard.ts'
import { search } from './saved-search.ts'
import { EVENTS, filters, OVER_TIME, top, visualization } from './visualization.ts'

const TUNNELS_ENDED =
  'event.action: (l2tp.tunnel.closed or l2tp.tunnel.failed or pptp.connection.closed or pptp.connection.failed or esp.tunnel.closed)'
const SESSIONS_ENDED =
  'event.action: (l2tp.session.closed or l2tp.session.failed or pptp.call.closed or pptp.call.failed or pppoe.session.closed or pppoe.session.failed)'

const NUMBERS = visualization('metric', 'tunnels-numbers', 'Tunnels and sessions in numbers', '', [
  filters({
    'Tunnels asked for': 'event.action: l2tp.tunnel.requested',
    'Tunnels opened': 'event.action: (l2tp.tunnel.opened or pptp.connection.opened or esp.tunnel.opened)',
    'Tunnels that failed': 'event.action: (l2tp.tunnel.failed or pptp.connection.failed)',
    'Sessions opened': 'event.action: (l2tp.session.opened or pptp.call.opened or pppoe.session.opened)',
    'Messages to unknown ids': 'event.action: l2tp.control.unknown',
  }),
])

const TUNNELS_OVER_TIME = visualization(
  'histogram',
  'tunnels-over-time',
  'Tunnels',
  'event.action: (l2tp.tunnel.* or pptp.connection.* or esp.tunnel.*)',
  [top('event.action', 'Event', 12), OVER_TIME],
)

const SESSIONS_OVER_TIME = visualization(
  'histogram',
  'sessions-over-time',
  'Sessions',
  'event.action: (l2tp.session.* or pptp.call.* or pppoe.session.*)',
  [top('event.action', 'Event', 12), OVER_TIME],
)

const PAIRS = visualization(
  'table',
  'tunnels-pairs',
  'Between whom',
  TUNNELS_ENDED,
  [top('source.ip', 'Initiator', 20), top('destination.ip', 'Responder', 5), top('network.protocol', 'Protocol', 3)],
  [
    { of: 'count', label: 'Tunnels' },
    { of: 'sum', field: 'network.bytes', label: 'Carried' },
    { of: 'avg', field: 'event.duration', label: 'Average duration' },
  ],
)

const TUNNEL_ENDS = visualization('table', 'tunnels-ends', 'How tunnels end', TUNNELS_ENDED, [
  top('event.action', 'Event', 5),
  top('event.reason', 'Reason', 10),
])

const SESSION_ENDS = visualization('table', 'sessions-ends', 'How sessions end', SESSIONS_ENDED, [
  top('event.action', 'Event', 6),
  top('event.reason', 'Reason', 10),
])

const HOSTS = visualization(
  'table',
  'tunnels-hosts',
  'What initiators of L2TP say they are',
  'event.action: l2tp.tunnel.requested or event.action: l2tp.tunnel.opened',
  [top('l2tp.initiator.host_name', 'Host name', 20), top('l2tp.initiator.vendor_name', 'Vendor', 3)],
  [EVENTS, { of: 'cardinality', field: 'source.ip', label: 'Addresses' }],
)

const AUTHENTICATION = visualization(
  'pie',
  'tunnels-authentication',
  'How tunnels are authenticated',
  'event.action: l2tp.tunnel.closed and l2tp.authentication.method: *',
  [top('l2tp.authentication.method', 'Method', 5), top('l2tp.authentication.verdict', 'Verdict', 5)],
)

const TRAFFIC = visualization(
  'line',
  'sessions-traffic',
  'What sessions carried, by when they ended',
  SESSIONS_ENDED,
  [OVER_TIME],
  [
    { of: 'sum', field: 'source.bytes', label: 'Octets from the initiator' },
    { of: 'sum', field: 'destination.bytes', label: 'Octets to the initiator' },
  ],
)

const USERS = visualization(
  'table',
  'sessions-users',
  'Traffic by user',
  'event.action: ppp.link.closed and user.name: *',
  [top('user.name', 'User', 50)],
  [
    { of: 'sum', field: 'network.bytes', label: 'Carried' },
    { of: 'count', label: 'Links' },
    { of: 'max', field: 'event.duration', label: 'Longest' },
  ],
)

const INNER_SERVICES = visualization(
  'table',
  'flows-services',
  'Where the flows inside go',
  'event.action: flow.closed',
  [
    top('destination.ip', 'Destination', 20),
    top('network.transport', 'Transport', 3),
    top('destination.port', 'Port', 5),
  ],
  [
    { of: 'count', label: 'Flows' },
    { of: 'sum', field: 'network.bytes', label: 'Carried' },
  ],
)

const INNER_PROTOCOLS = visualization(
  'horizontal_bar',
  'flows-protocols',
  'What flows inside carry',
  'event.action: flow.closed and network.protocol: *',
  [top('network.protocol', 'Protocol', 15)],
  [{ of: 'count', label: 'Flows' }],
)

const FINDINGS = visualization(
  'horizontal_bar',
  'tunnels-findings',
  'Control messages that do not fit',
  'l2tp.message.finding: *',
  [top('l2tp.message.finding', 'Finding', 10)],
  [{ of: 'count', label: 'Messages' }],
)

const ENDED = search('tunnels-ended', 'Tunnels and sessions that ended', `${TUNNELS_ENDED} or ${SESSIONS_ENDED}`, [
  'event.action',
  'source.ip',
  'destination.ip',
  'user.name',
  'event.duration',
  'network.bytes',
  'event.reason',
])

export const TUNNELS: Dashboard = {
  id: 'borescope-tunnels',
  title: 'tunnels and sessions',
  description: 'L2TP, PPTP, PPPoE and IPsec: who opens tunnels to whom, what they carry, how they end.',
  rows: [
    row(8, NUMBERS),
    row(14, TUNNELS_OVER_TIME, SESSIONS_OVER_TIME),
    row(14, PAIRS, TRAFFIC),
    row(14, TUNNEL_ENDS, SESSION_ENDS),
    row(14, HOSTS, AUTHENTICATION, FINDINGS),
    row(14, USERS, INNER_SERVICES, INNER_PROTOCOLS),
    row(18, ENDED),
  ],
}
