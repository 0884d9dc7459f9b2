/** Documents for the tests of stores: a complete small event, and whatever the test says over it. */
import { isoMicroseconds } from '../../src/base/time.ts'
import type { EventDocument } from '../../src/events/fields.ts'

/** 2026-03-01T12:00:00Z in microseconds. */
export const START_US = Date.UTC(2026, 2, 1, 12) * 1000

type Fields = Partial<EventDocument>

/** An event with the given fields; `undefined` takes a field away. */
export function document(
  id: string,
  fields: { readonly [F in keyof Fields]?: Fields[F] | undefined } = {},
): EventDocument {
  const all = {
    '@timestamp': isoMicroseconds(START_US),
    'event.id': id,
    'event.kind': 'event',
    'event.category': ['network'],
    'event.type': ['info'],
    'event.action': 'l2tp.tunnel.opened',
    'event.dataset': 'borescope.l2tp',
    'event.module': 'borescope',
    message: 'Something happened.',
    'observer.name': 'sensor-1',
    ...fields,
  }
  return Object.fromEntries(Object.entries(all).filter(([, value]) => value !== undefined)) as unknown as EventDocument
}

/** A session event as the sensor raises it, number `i` of a stream of one a millisecond. */
export function sessionEvent(i: number): EventDocument {
  const client = `198.51.${(i >> 8) & 255}.${i & 255}`
  const user = `user${i % 5000}@example.net`
  const uid = (n: number, salt: string) => salt + n.toString(16).padStart(15, '0')
  const names = ['l2tp.session.opened', 'ppp.authentication.succeeded', 'flow.closed', 'l2tp.session.closed']
  const action = names[i & 3]
  return document(`${(i * 2_654_435_761) % 4_294_967_296}`.padStart(10, '0') + i.toString(16).padStart(10, '0'), {
    '@timestamp': isoMicroseconds(START_US + i * 1000),
    'event.category': ['network', 'session'],
    'event.type': ['start', 'connection'],
    'event.action': action,
    'event.outcome': 'success',
    message: `Session ${i & 0xffff} of ${user} from ${client} to 203.0.113.1: ${action}.`,
    'source.ip': client,
    'source.port': 1701,
    'source.bytes': i * 37,
    'source.packets': i % 997,
    'destination.ip': '203.0.113.1',
    'destination.port': 1701,
    'network.protocol': 'l2tp',
    'network.transport': 'udp',
    'network.type': 'ipv4',
    'related.ip': [client, '203.0.113.1'],
    'related.user': [user],
    'related.hosts': ['lac1.example.net', 'lns1.example.net'],
    'user.name': user,
    'l2tp.version': 2,
    'l2tp.tunnel.uid': uid(i >> 6, 'tunne'),
    'l2tp.tunnel.initiator_id': i & 0xffff,
    'l2tp.tunnel.responder_id': (i * 7) & 0xffff,
    'l2tp.session.uid': uid(i >> 2, 'sessi'),
    'l2tp.session.initiator_id': i & 0xffff,
    'borescope.lineage': [uid(i >> 6, 'tunne'), uid(i >> 2, 'sessi')],
    'ppp.authentication.method': 'CHAP-MD5',
    'borescope.capture': 'bench.pcap',
    'borescope.frame.number': i + 1,
    'borescope.frame.offset': i * 140,
    'observer.product': 'Borescope',
    'observer.type': 'ids',
    'observer.version': '0.1.0',
    'ecs.version': '9.4.0',
  })
}
