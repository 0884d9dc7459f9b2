/** IPsec: how well gateways and peers protect themselves, and what their associations go through. */
import { type Dashboard, row } from './dashboard.ts'
import { search } from './saved-search.ts'
import { EVENTS, filters, OVER_TIME, top, visualization } from './visualization.ts'

const SET_UPS = 'event.action: (ike.exchange.established or ike.exchange.failed)'

const NUMBERS = visualization('metric', 'ipsec-numbers', 'IPsec in numbers', '', [
  filters({
    'IKE SAs established': 'event.action: ike.exchange.established',
    'IKE SAs that failed': 'event.action: ike.exchange.failed',
    'Aggressive mode': `${SET_UPS} and ike.mode: aggressive`,
    'Hashes of the key exposed': `${SET_UPS} and ike.hash_exposed: true`,
    'Weak suites agreed on': `${SET_UPS} and ike.proposal.level: (forbidden or deprecated)`,
    'Rekeyed pairs': 'event.action: esp.tunnel.rekeyed',
  }),
])

const EXCHANGES = visualization(
  'histogram',
  'ipsec-exchanges',
  'IKE SAs',
  'event.action: (ike.exchange.started or ike.exchange.established or ike.exchange.failed or ike.exchange.closed)',
  [top('event.action', 'Event', 4), OVER_TIME],
)

const TUNNELS = visualization('histogram', 'ipsec-associations', 'Associations', 'event.dataset: borescope.esp', [
  top('event.action', 'Event', 15),
  OVER_TIME,
])

const SUITES = visualization(
  'table',
  'ipsec-suites',
  'Suites agreed on (IKE)',
  'ike.proposal.chosen: *',
  [top('ike.proposal.chosen', 'Suite', 30), top('ike.proposal.level', 'Level', 5)],
  [EVENTS, { of: 'cardinality', field: 'ike.uid', label: 'IKE SAs' }],
)

const LEVELS = visualization('pie', 'ipsec-levels', 'How good the suites are', 'ike.proposal.level: *', [
  top('ike.proposal.level', 'Level', 5),
])

const WEAKNESSES = visualization(
  'horizontal_bar',
  'ipsec-weaknesses',
  'What makes suites weak',
  'ike.proposal.weaknesses: *',
  [top('ike.proposal.weaknesses', 'Weakness', 15)],
  [{ of: 'cardinality', field: 'ike.uid', label: 'IKE SAs' }],
)

const POSTURE = visualization(
  'table',
  'ipsec-posture',
  'Posture of gateways and peers',
  'event.action: ike.posture.observed',
  [
    top('source.ip', 'Host', 50),
    top('ike.posture.role', 'Role', 2),
    top('ike.posture.level', 'Level', 5),
    top('ike.posture.weaknesses', 'Weakness', 10),
  ],
  [
    { of: 'count', label: 'Observations' },
    { of: 'max', field: '@timestamp', label: 'Last' },
  ],
)

const VENDORS = visualization(
  'table',
  'ipsec-vendors',
  'What gateways say they are (vendor ids)',
  `${SET_UPS} and ike.responder.vendors: *`,
  [top('ike.responder.vendors', 'Vendor id', 30)],
  [EVENTS, { of: 'cardinality', field: 'destination.ip', label: 'Gateways' }],
)

const MODES = visualization('pie', 'ipsec-modes', 'How IKE SAs begin', SET_UPS, [
  top('ike.version', 'Version', 3),
  top('ike.mode', 'Mode', 6),
])

const AUTHENTICATION = visualization(
  'pie',
  'ipsec-authentication',
  'How peers prove who they are (IKEv1)',
  `${SET_UPS} and ike.authentication.method: *`,
  [top('ike.authentication.method', 'Method', 8)],
)

const FAILURES = visualization(
  'table',
  'ipsec-failures',
  'Why IKE SAs fail',
  'event.action: ike.exchange.failed',
  [top('event.reason', 'Reason', 15), top('destination.ip', 'Gateway', 5)],
  [EVENTS, { of: 'cardinality', field: 'source.ip', label: 'Peers' }],
)

const LOSS = visualization(
  'table',
  'ipsec-loss',
  'Packets lost, late, repeated and forged',
  'event.action: esp.association.closed',
  [top('source.ip', 'From', 20), top('destination.ip', 'To', 5)],
  [
    { of: 'sum', field: 'esp.packets.lost', label: 'Lost' },
    { of: 'avg', field: 'esp.loss', label: 'Share lost' },
    { of: 'sum', field: 'esp.packets.late', label: 'Late' },
    { of: 'sum', field: 'esp.packets.repeated', label: 'Repeated' },
    { of: 'sum', field: 'esp.packets.forged', label: 'Forged' },
  ],
)

const LOST_OVER_TIME = visualization(
  'line',
  'ipsec-lost-over-time',
  'Packets lost, by when associations ended',
  'event.action: esp.association.closed',
  [OVER_TIME],
  [{ of: 'sum', field: 'esp.packets.lost', label: 'Packets lost' }],
)

const REKEYS = visualization(
  'table',
  'ipsec-rekeys',
  'Pairs of associations',
  'event.action: esp.tunnel.closed',
  [top('source.ip', 'From', 20), top('destination.ip', 'To', 5)],
  [
    { of: 'count', label: 'Pairs' },
    { of: 'sum', field: 'esp.rekeys', label: 'Rekeyings' },
    { of: 'sum', field: 'network.bytes', label: 'Carried' },
    { of: 'max', field: 'event.duration', label: 'Longest' },
  ],
)

const SEQUENCES = visualization(
  'horizontal_bar',
  'ipsec-sequences',
  'Sequence numbers that do not fit',
  'esp.sequence.finding: *',
  [top('esp.sequence.finding', 'Finding', 5), top('source.ip', 'From', 10)],
)

const TRAFFIC = visualization(
  'pie',
  'ipsec-traffic',
  'What the traffic looks like from outside',
  'event.action: esp.traffic.classified',
  [top('esp.traffic.class', 'Class', 10)],
  [{ of: 'sum', field: 'esp.traffic.windows', label: 'Windows' }],
)

const READABLE = visualization(
  'table',
  'ipsec-readable',
  'Associations that can be read',
  'esp.readable: *',
  [top('esp.readable', 'How', 3), top('source.ip', 'From', 10), top('destination.ip', 'To', 5)],
  [{ of: 'cardinality', field: 'esp.association.uid', label: 'Associations' }],
)

const WEAK = search(
  'ipsec-weak',
  'IKE SAs with weak suites, or whose key hash was exposed',
  `${SET_UPS} and (ike.proposal.level: (forbidden or deprecated) or ike.hash_exposed: true)`,
  [
    'event.action',
    'source.ip',
    'destination.ip',
    'ike.mode',
    'ike.proposal.chosen',
    'ike.proposal.weaknesses',
    'ike.initiator.identity',
  ],
)

export const IPSEC: Dashboard = {
  id: 'borescope-ipsec',
  title: 'IPsec posture',
  description: 'IKE suites and their weaknesses, aggressive mode, failures, rekeying, lost and forged packets of ESP.',
  rows: [
    row(8, NUMBERS),
    row(14, EXCHANGES, TUNNELS),
    row(14, SUITES, LEVELS, WEAKNESSES),
    row(14, POSTURE, VENDORS),
    row(14, MODES, AUTHENTICATION, FAILURES),
    row(14, LOSS, LOST_OVER_TIME),
    row(14, REKEYS, SEQUENCES),
    row(14, TRAFFIC, READABLE),
    row(18, WEAK),
  ],
}
