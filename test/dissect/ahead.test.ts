import { expect, test } from 'vitest'
import { Upcoming, UPCOMING_MAX } from '../../src/base/upcoming.ts'
import { Ahead } from '../../src/dissect/ahead.ts'
import { LINKTYPE } from '../../src/wire/link.ts'
import * as craft from '../support/craft.ts'
import { Random } from '../support/random.ts'

const ENDS = { source: '198.51.100.7', target: '192.0.2.1', targetPort: 4711 }
const INNER = { source: '10.0.0.1', target: '203.0.113.9' }
const SEGMENT = craft.ipv4(craft.tcp(craft.utf8('hello'), { ...INNER, sourcePort: 0x1234, targetPort: 0xfedc }), {
  ...INNER,
  protocol: craft.IP_PROTOCOL.tcp,
})

function readBy(frames: readonly Uint8Array[], linkType: number = LINKTYPE.ETHERNET): Ahead {
  const upcoming = new Upcoming()
  upcoming.over(craft.concat(...frames), linkType)
  let at = 0
  for (const { length } of frames) {
    upcoming.add(at, at + length)
    at += length
  }
  const ahead = new Ahead()
  ahead.read(upcoming)
  return ahead
}

const dataOf = (ppp: Uint8Array, fields: craft.L2tpDataFields = {}) =>
  craft.datagram(craft.l2tpData(ppp, { tunnelId: 7, sessionId: 0xffff, ...fields }), ENDS)

test.each<[string, craft.L2tpDataFields, craft.PppFields]>([
  ['the shortest header', {}, { addressControl: false, shortProtocol: true }],
  ['all of PPP', {}, {}],
  ['a length', { length: true }, { addressControl: false }],
  ['numbers', { ns: 3, nr: 0 }, { shortProtocol: true }],
  ['a length and numbers', { length: true, ns: 0xffff }, {}],
])('a data message with %s is read as it is', (_, fields, ppp) => {
  const ahead = readBy([dataOf(craft.ppp(craft.PPP.ipv4, SEGMENT, ppp), fields)])
  expect(ahead.count).toBe(1)
  const { receiver, port, tunnelId, sessionId, innerProtocol, source, destination, ports } = ahead
  const first = [receiver, port, tunnelId, sessionId, innerProtocol, source, destination, ports].map(([value]) => value)
  expect(first).toEqual([
    0xc000_0201 | 0,
    4711,
    7,
    0xffff,
    craft.IP_PROTOCOL.tcp,
    0x0a00_0001,
    0xcb00_7109 | 0,
    0x1234_fedc,
  ])
})

test('what is inside is not read if it is not IPv4', () => {
  const lcp = craft.ppp(craft.PPP.lcp, new Uint8Array(60))
  const ahead = readBy([dataOf(lcp), dataOf(craft.ppp(craft.PPP.ipv6, new Uint8Array(60)))])
  expect(ahead.count).toBe(2)
  expect([...ahead.innerProtocol.subarray(0, 2)]).toEqual([-1, -1])
})

test('nothing is said of control messages, of other versions and protocols, and of short packets', () => {
  const data = dataOf(craft.ppp(craft.PPP.ipv4, SEGMENT))
  const others = [
    craft.datagram(craft.sccrq(), ENDS),
    dataOf(SEGMENT, { version: 3 }),
    dataOf(SEGMENT, { offset: 2 }),
    craft.datagram(craft.l2tpData(SEGMENT), { source: '2001:db8::1', target: '2001:db8::2' }),
    craft.ethernet(SEGMENT),
    data.subarray(0, 70),
    new Uint8Array(0),
  ]
  expect(readBy(others).count).toBe(0)
  expect(readBy([...others, data]).count).toBe(1)
  expect(readBy([data], LINKTYPE.RAW).count).toBe(0)
})

test('octets at random do no harm, wherever they end', () => {
  const random = new Random(1)
  for (let round = 0; round < 200; round++) {
    const data = dataOf(craft.ppp(craft.PPP.ipv4, SEGMENT))
    const frames = Array.from({ length: UPCOMING_MAX }, () => {
      const frame = data.slice(0, random.below(data.length + 1))
      for (let i = 0; i < 3; i++) frame[random.below(data.length)] = random.below(256)
      return frame
    })
    expect(readBy(frames).count).toBeLessThanOrEqual(UPCOMING_MAX)
  }
})
