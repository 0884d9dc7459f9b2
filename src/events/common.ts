/** Fields that events of every family carry, and the lists of them that several families share. */
import { ecs, type FieldDeclaration, own } from './declaration.ts'

export const COMMON_FIELDS = {
  // Base
  '@timestamp': ecs('date', 'When it happened, by the clock of the capture.'),
  message: ecs('text', 'The event in one English sentence.'),
  'ecs.version': ecs('keyword', 'The ECS version whose names are used.'),
  'event.id': ecs('keyword', 'A hash of the content: the same capture gives the same ids.'),
  'event.kind': ecs('keyword', '`event`, `alert` or `metric`.'),
  'event.category': ecs('keyword[]', 'ECS categories.'),
  'event.type': ecs('keyword[]', 'ECS types.'),
  'event.action': ecs('keyword', 'The name of the event in this catalogue.'),
  'event.dataset': ecs('keyword', '`borescope.<family>`.'),
  'event.module': ecs('keyword', 'Always `borescope`.'),
  'event.sequence': ecs('long', 'Its number among the events of one analysis: what came first in a microsecond.'),
  'event.outcome': ecs('keyword', '`success`, `failure` or `unknown`.'),
  'event.reason': ecs('keyword', 'Why it ended or failed, in words.'),
  'event.start': ecs('date', 'First packet of the thing the event is about.'),
  'event.end': ecs('date', 'Last packet of the thing the event is about.'),
  'event.duration': ecs('long', 'From start to end, in nanoseconds.'),
  'event.severity': ecs('long', 'Of an alert: 10 informational, 21 low, 47 medium, 73 high, 99 critical.'),
  'event.risk_score': ecs('float', 'Of an alert: 0 to 100.'),
  'observer.name': ecs('keyword', 'The name of the sensor, from the configuration.'),
  'observer.product': ecs('keyword', 'Always `Borescope`.'),
  'observer.type': ecs('keyword', 'Always `ids`.'),
  'observer.version': ecs('keyword', 'The version of the sensor.'),

  // Where the evidence is
  'borescope.capture': own('keyword', 'The base name of the capture file, or the interface.'),
  'borescope.frame.number': own('long', 'The packet that caused the event: its number in the capture, from 1.'),
  'borescope.frame.offset': own('long', 'The byte offset of that packet in the (uncompressed) capture file.'),
  'borescope.lineage': own(
    'keyword[]',
    'The ids of everything the event belongs to, outermost first: tunnel, session, flow.',
  ),

  'borescope.suppressed': own('long', 'Events like this one that were left out since the last one that was told.'),

  // Network
  'source.ip': ecs('ip', 'The initiator of the thing, or the sender of the message, that the event is about.'),
  'source.mac': ecs('keyword', 'Station address of the source, where it is what names it.'),
  'source.port': ecs('long', 'UDP or TCP port of the source.'),
  'source.bytes': ecs('long', 'Bytes sent by the source.'),
  'source.packets': ecs('long', 'Packets sent by the source.'),
  'destination.ip': ecs('ip', 'The other end.'),
  'destination.mac': ecs('keyword', 'Station address of the destination, where it is what names it.'),
  'destination.port': ecs('long', 'UDP or TCP port of the destination.'),
  'destination.bytes': ecs('long', 'Bytes sent by the destination.'),
  'destination.packets': ecs('long', 'Packets sent by the destination.'),
  'network.transport': ecs('keyword', '`udp`, `tcp`, `icmp`, `ipv6-icmp`, or the number of the IP protocol.'),
  'network.protocol': ecs('keyword', '`l2tp`, `l2tpv3`, `l2f`, `ppp`, `ike`, `esp`, or an inner application protocol.'),
  'network.type': ecs('keyword', '`ipv4` or `ipv6`.'),
  'network.bytes': ecs('long', 'Bytes in both directions.'),
  'network.packets': ecs('long', 'Packets in both directions.'),
  'network.community_id': ecs('keyword', 'Community ID v1 of the flow (seed 0).'),
  'network.vlan.id': ecs('keyword', 'VLAN of the packet.'),
  'outer.source.ip': own('ip', 'For what happens inside a session: the outer address of the tunnel initiator.'),
  'outer.destination.ip': own('ip', 'For what happens inside a session: the outer address of the tunnel responder.'),
  'related.ip': ecs('ip[]', 'Every address in the event.'),
  'related.user': ecs('keyword[]', 'Every user name in the event.'),
  'related.hosts': ecs('keyword[]', 'Every host name in the event.'),
  'user.name': ecs('keyword', 'Who logged in, or tried to, over PPP.'),
} as const satisfies Record<string, FieldDeclaration>

/** The two hosts of a packet or a tunnel. */
export const OUTER = [
  'source.ip',
  'source.port',
  'destination.ip',
  'destination.port',
  'network.type',
  'network.transport',
  'network.protocol',
] as const
export const OUTER_MAY = ['network.community_id', 'network.vlan.id'] as const

/** What a thing carried, and for how long. */
export const TRAFFIC = [
  'event.start',
  'event.end',
  'event.duration',
  'source.bytes',
  'source.packets',
  'destination.bytes',
  'destination.packets',
  'network.bytes',
  'network.packets',
] as const
