import { expect, test } from 'vitest'
import { Follower } from '../../src/parallel/follower.ts'
import { allocateShared, RingWriter } from '../../src/parallel/memory.ts'
import {
  CARRIER,
  CARRIER_CLOSED,
  END,
  EXPIRE,
  FINISH,
  KIND,
  PACKET,
  POSITION,
  START,
  TIME_US,
} from '../../src/parallel/operation.ts'
import type { FlowListener, FlowRecord } from '../../src/track/flow-record.ts'
import * as craft from '../support/craft.ts'
import { Random } from '../support/random.ts'

const FIRST_US = 1_760_000_000_000_000
const OPERATIONS = 3000

function packet(random: Random): Uint8Array {
  const [source, target] = random.below(2) === 0 ? ['10.0.0.1', '203.0.113.9'] : ['203.0.113.9', '10.0.0.1']
  const ports = { sourcePort: 50_000 + random.below(20), targetPort: 443 }
  switch (random.below(4)) {
    case 0:
      return craft.ipv4(craft.tcp(craft.utf8('hello'), { source, target, ...ports }), {
        source,
        target,
        protocol: craft.IP_PROTOCOL.tcp,
      })
    case 1:
      return craft.ipv4(craft.udp(craft.utf8('hello'), { source, target, ...ports }), { source, target })
    case 2:
      return craft.ipv4(craft.icmp(craft.utf8('abcdefgh'), { type: 8, id: random.below(5) }), {
        source,
        target,
        protocol: craft.IP_PROTOCOL.icmp,
      })
    default:
      return craft.ipv6(craft.utf8('hello'), { source: '2001:db8::1', target: '2001:db8::2', protocol: 59 })
  }
}

/** What becomes of flows, all that is told of each. */
function ended(flowsMin: number): readonly string[] {
  const random = new Random(7)
  const shared = allocateShared(1, 1)
  const bytes = new Uint8Array(shared.bytes)
  const writer = new RingWriter(shared, 0)
  const told: string[] = []
  const listener: FlowListener = {
    flowClosed: (flow: FlowRecord, end, timeUs) => told.push(JSON.stringify([flow, end, timeUs])),
    said: () => {},
    found: () => {},
    raise: () => {},
  }
  const limits = {
    flowsMax: 1000,
    tcpIdleUs: 400_000,
    otherIdleUs: 200_000,
    conversationsMax: 100,
    streamBytesMax: 1 << 20,
    streamWindowBytes: 1 << 14,
  }
  const follower = new Follower({ shared, ring: 0, limits }, listener, flowsMin)
  let at = 0
  for (let i = 0; i < OPERATIONS; i++) {
    const kinds = i === OPERATIONS - 1 ? [FINISH] : [...Array<number>(40).fill(PACKET), CARRIER_CLOSED, EXPIRE]
    const kind = random.pick(kinds)
    writer.next()
    const { doubles, double, words, word } = writer
    doubles[double + POSITION] = i + 1
    doubles[double + TIME_US] = FIRST_US + i * 1000
    words[word + KIND] = kind
    words[word + CARRIER] = random.below(30) * 8
    if (kind !== PACKET) continue
    const octets = packet(random)
    bytes.set(octets, at)
    words[word + START] = at
    at += octets.length
    words[word + END] = at
  }
  writer.publish()
  for (let i = 0; i < OPERATIONS; i++) {
    follower.next()
    follower.follow()
  }
  return told
}

test('what flows need may be asked for ahead: nothing that becomes of them is different', () => {
  const ahead = ended(0)
  expect(ahead.length).toBeGreaterThan(500)
  expect(ahead).toEqual(ended(Number.POSITIVE_INFINITY))
})
