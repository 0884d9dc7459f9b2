/** Identities: who logs in, who is refused, which addresses they get, and whom they become inside. */
import { type Dashboard, row } from './dashboard.ts'
import { search } from './saved-search.ts'
import { filters, OVER_TIME, top, visualization } from './visualization.ts'

const LOG_INS = 'event.action: (ppp.authentication.succeeded or ppp.authentication.failed)'
const REFUSED = 'event.action: ppp.authentication.failed'
const INNER_LOG_INS =
  'event.action: (ntlm.authenticated or ntlm.failed or smb.session.opened or smb.session.refused or kerberos.ticket.issued or kerberos.ticket.refused or ldap.bound or ldap.bind.refused)'

const NUMBERS = visualization(
  'metric',
  'identities-numbers',
  'Log-ins in numbers',
  LOG_INS,
  [
    filters({
      'Logged in': 'event.outcome: success',
      Refused: 'event.outcome: failure',
      'With the password in clear (PAP)': 'ppp.authentication.method: PAP',
    }),
  ],
  [
    { of: 'count', label: 'Log-ins' },
    { of: 'cardinality', field: 'user.name', label: 'Users' },
  ],
)

const OUTCOMES = visualization('histogram', 'identities-outcomes', 'Log-ins and refusals', LOG_INS, [
  top('event.outcome', 'Outcome', 3),
  OVER_TIME,
])

const METHODS = visualization('pie', 'identities-methods', 'Methods', LOG_INS, [
  top('ppp.authentication.method', 'Method', 12),
  top('event.outcome', 'Outcome', 3),
])

const REFUSED_USERS = visualization(
  'table',
  'identities-refused-users',
  'Whose log-ins are refused',
  REFUSED,
  [top('user.name', 'User', 50)],
  [
    { of: 'count', label: 'Refusals' },
    { of: 'cardinality', field: 'source.ip', label: 'Addresses' },
    { of: 'max', field: '@timestamp', label: 'Last' },
  ],
)

const REFUSED_ADDRESSES = visualization(
  'table',
  'identities-refused-addresses',
  'From where log-ins are refused',
  REFUSED,
  [top('source.ip', 'From', 50)],
  [
    { of: 'count', label: 'Refusals' },
    { of: 'cardinality', field: 'user.name', label: 'Users' },
    { of: 'max', field: '@timestamp', label: 'Last' },
  ],
)

const REASONS = visualization('horizontal_bar', 'identities-reasons', 'Why, as the server says', REFUSED, [
  top('ppp.error.text', 'Error', 10),
])

const USERS = visualization(
  'table',
  'identities-users',
  'Who logged in',
  'event.action: ppp.authentication.succeeded',
  [top('user.name', 'User', 50), top('ppp.authentication.method', 'Method', 3)],
  [
    { of: 'count', label: 'Log-ins' },
    { of: 'cardinality', field: 'source.ip', label: 'Addresses' },
    { of: 'max', field: '@timestamp', label: 'Last' },
  ],
)

const ADDRESSES = visualization(
  'table',
  'identities-addresses',
  'Addresses given to users',
  'event.action: ppp.link.opened',
  [top('user.name', 'User', 50), top('ppp.client.ip', 'Inner address', 5), top('source.ip', 'From', 5)],
  [
    { of: 'count', label: 'Links' },
    { of: 'max', field: '@timestamp', label: 'Last' },
  ],
)

const SERVERS = visualization(
  'horizontal_bar',
  'identities-servers',
  'Servers that authenticate',
  'ppp.authentication.server_name: *',
  [top('ppp.authentication.server_name', 'Server', 10)],
)

const ENCRYPTION = visualization(
  'pie',
  'identities-encryption',
  'MPPE of links',
  'event.action: ppp.encryption.agreed',
  [top('ppp.mppe.bits', 'Bits', 3), top('ppp.mppe.key', 'Key', 3)],
)

const INNER = visualization(
  'table',
  'identities-inner',
  'Log-ins inside the tunnel',
  INNER_LOG_INS,
  [top('user.effective.name', 'User', 50), top('event.action', 'Event', 5), top('destination.ip', 'Server', 5)],
  [
    { of: 'count', label: 'Events' },
    { of: 'max', field: '@timestamp', label: 'Last' },
  ],
)

const LATEST = search('identities-log-ins', 'Log-ins', LOG_INS, [
  'event.outcome',
  'user.name',
  'source.ip',
  'destination.ip',
  'ppp.authentication.method',
  'ppp.error.text',
  'l2tp.session.uid',
])

export const IDENTITIES: Dashboard = {
  id: 'borescope-identities',
  title: 'identities',
  description: 'Users of PPP: log-ins, refusals, methods, addresses; and the log-ins that they make inside.',
  rows: [
    row(10, NUMBERS),
    row(14, OUTCOMES, METHODS),
    row(14, REFUSED_USERS, REFUSED_ADDRESSES, REASONS),
    row(14, USERS, ADDRESSES),
    row(14, SERVERS, ENCRYPTION, INNER),
    row(18, LATEST),
  ],
}
