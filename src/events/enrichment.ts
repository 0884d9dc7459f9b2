/** What is known beside the packets, of addresses and users: fields that are added to events of every kind. */
import { ecs, type FieldDeclaration, own } from './declaration.ts'

export const ENRICHMENT_FIELDS = {
  'source.geo.country_iso_code': ecs('keyword', 'Country of the source, by the database in use.'),
  'source.as.number': ecs('long', 'Autonomous system of the source.'),
  'source.as.organization.name': ecs('keyword', 'Who runs that autonomous system.'),
  'source.latitude': own('float', 'Where the source is, if the database says so: degrees north.'),
  'source.longitude': own('float', 'Degrees east.'),
  'source.role': own(
    'keyword',
    'What the address is for: `private`, `shared`, `loopback`, `link_local`, `documentation`, `multicast` … or `public`.',
  ),
  'source.asset': own('keyword', 'Name of the source in the inventory.'),
  'destination.geo.country_iso_code': ecs('keyword', 'Country of the destination.'),
  'destination.as.number': ecs('long', 'Autonomous system of the destination.'),
  'destination.as.organization.name': ecs('keyword', 'Who runs that autonomous system.'),
  'destination.role': own('keyword', 'What the address is for, as of the source.'),
  'destination.asset': own('keyword', 'Name of the destination in the inventory.'),
  'outer.source.geo.country_iso_code': own('keyword', 'Country of the outer source of what happens inside a session.'),
  'network.direction': ecs(
    'keyword',
    '`inbound`, `outbound`, `internal` or `external`, by the roles of both addresses.',
  ),
  'asset.drift': own(
    'keyword[]',
    'How the event departs from the inventory: `gateway_unlisted`, `peer_unlisted`, `user_unlisted`, `hours`, `user_gateway`.',
  ),
  'threat.indicator.type': ecs(
    'keyword',
    'What of the event is on a list: `ipv4-addr`, `ipv6-addr`, `domain-name`, `x509-certificate` …',
  ),
  'threat.indicator.name': ecs('keyword', 'The value that is on it.'),
  'threat.indicator.description': ecs('keyword', 'What the list says of it.'),
  'threat.indicator.provider': ecs('keyword', 'The name of the list.'),
  'threat.indicator.confidence': ecs('keyword', '`None`, `Low`, `Medium` or `High`, as ECS names it.'),
  'threat.indicator.marking.tlp': ecs(
    'keyword',
    'To whom it may be shown: `CLEAR`, `GREEN`, `AMBER`, `AMBER+STRICT` or `RED`.',
  ),
  'threat.indicator.last_seen': ecs('date', 'When the list saw it last.'),
  'threat.indicator.field': own('keyword', 'The field of the event that holds the value.'),
} as const satisfies Record<string, FieldDeclaration>

/** Any event may carry them. */
export const ENRICHMENT_MAY = Object.keys(ENRICHMENT_FIELDS) as (keyof typeof ENRICHMENT_FIELDS)[]
