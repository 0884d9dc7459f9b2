import { expect, test } from 'vitest'
import { Duplicates } from '../../src/dissect/duplicates.ts'
import { IpView } from '../../src/wire/ip.ts'
import { LINKTYPE, LinkView } from '../../src/wire/link.ts'
import { PppoeView } from '../../src/wire/pppoe.ts'
import * as craft from '../support/craft.ts'
import { discoveryFrame, pppoeTag, sessionFrame } from '../support/pppoe.ts'

const PAYLOAD = Uint8Array.from({ length: 200 }, (_, i) => i)

function check(duplicates: Duplicates, packet: Uint8Array, timeUs: number): boolean {
  const ip = new IpView()
  ip.decode(packet, 0, packet.length)
  return duplicates.isDuplicate(ip, { timeUs })
}

test('the same packet within the window is a copy, after it a packet of its own', () => {
  const duplicates = new Duplicates(5000)
  const packet = craft.ipv4(PAYLOAD)
  expect(check(duplicates, packet, 1_000_000)).toBe(false)
  expect(check(duplicates, packet, 1_000_000)).toBe(true)
  expect(check(duplicates, packet, 1_005_000)).toBe(true)
  expect(check(duplicates, packet, 1_010_001)).toBe(false)
})

test('copies may come with the clock a little back, as merged captures have them', () => {
  const duplicates = new Duplicates(5000)
  const packet = craft.ipv4(PAYLOAD)
  check(duplicates, packet, 1_000_000)
  expect(check(duplicates, packet, 999_000)).toBe(true)
  expect(check(duplicates, packet, 900_000)).toBe(false)
})

test('a copy from behind a router differs in TTL and checksum', () => {
  for (const packets of [
    [craft.ipv4(PAYLOAD, { ttl: 64 }), craft.ipv4(PAYLOAD, { ttl: 63 })],
    [craft.ipv6(PAYLOAD, { hopLimit: 64 }), craft.ipv6(PAYLOAD, { hopLimit: 63 })],
  ]) {
    const duplicates = new Duplicates(5000)
    expect(packets.map((packet) => check(duplicates, packet, 0))).toEqual([false, true])
  }
})

test('a copy with padding of the frame is a copy', () => {
  const duplicates = new Duplicates(5000)
  const packet = craft.ipv4(craft.fromHex('010203'))
  check(duplicates, packet, 0)
  expect(check(duplicates, craft.concat(packet, new Uint8Array(20)), 10)).toBe(true)
})

test.each([
  ['identification', craft.ipv4(PAYLOAD, { id: 2 })],
  ['source', craft.ipv4(PAYLOAD, { source: '192.0.2.99' })],
  ['destination', craft.ipv4(PAYLOAD, { target: '192.0.2.99' })],
  ['length', craft.ipv4(PAYLOAD.subarray(0, 199))],
  ['direction', craft.ipv4(PAYLOAD, { source: '198.51.100.1', target: '192.0.2.1' })],
])('another %s makes another packet', (_, other) => {
  const duplicates = new Duplicates(5000)
  check(duplicates, craft.ipv4(PAYLOAD), 0)
  expect(check(duplicates, other, 0)).toBe(false)
})

test('every one of the first 56 bytes counts, whatever the length', () => {
  for (const length of [1, 2, 7, 8, 9, 55, 56, 200]) {
    for (let i = 0; i < Math.min(56, length); i++) {
      const duplicates = new Duplicates(5000)
      check(duplicates, craft.ipv4(PAYLOAD.subarray(0, length)), 0)
      const changed = PAYLOAD.slice(0, length)
      changed[i] ^= 0x80
      expect(check(duplicates, craft.ipv4(changed), 0)).toBe(false)
    }
  }
})

test('a window of zero turns the check off', () => {
  const duplicates = new Duplicates(0)
  const packet = craft.ipv4(PAYLOAD)
  expect([check(duplicates, packet, 0), check(duplicates, packet, 0)]).toEqual([false, false])
})

test('packets whose header cannot be read are no copies of each other', () => {
  const duplicates = new Duplicates(5000)
  expect(check(duplicates, craft.ipv4(PAYLOAD, { headerLength: 1 }), 0)).toBe(false)
  expect(check(duplicates, craft.ipv4(PAYLOAD, { headerLength: 2 }), 0)).toBe(false)
})

test('ten thousand different packets are no copies', () => {
  const duplicates = new Duplicates(5000)
  let copies = 0
  for (let i = 0; i < 10_000; i++) if (check(duplicates, craft.ipv4(craft.be32(i), { id: i & 0xff }), i)) copies++
  expect(copies).toBe(0)
})

/** Whether frames of PPPoE, each a millisecond after the one before, are taken for copies. */
function framesSeen(duplicates: Duplicates, frames: readonly Uint8Array[]): boolean[] {
  return frames.map((frame, i) => {
    const link = new LinkView()
    const pppoe = new PppoeView()
    link.decode(frame, 0, frame.length, LINKTYPE.ETHERNET)
    pppoe.decode(frame, link.pppoeAt === -1 ? link.payloadStart : link.pppoeAt, frame.length, frame.length)
    return duplicates.isSameFrame(link, pppoe, { timeUs: i * 1000 })
  })
}

test('a frame of PPPoE without IP is a copy if stations, header and content are the same, padding aside', () => {
  const padi = discoveryFrame(0x09, [pppoeTag(0x0101, ''), pppoeTag(0x0103, 'a host')])
  const lcp = craft.fromHex('c021 09010008 01020304')
  const frames = [padi, craft.concat(padi, new Uint8Array(10)), sessionFrame(1, lcp), sessionFrame(1, lcp)]
  expect(framesSeen(new Duplicates(5000), frames)).toEqual([false, true, false, true])
  expect(framesSeen(new Duplicates(0), frames)).toEqual([false, false, false, false])
  const others = [
    sessionFrame(1, lcp),
    sessionFrame(2, lcp),
    sessionFrame(1, lcp, { ethernet: { source: '02:00:00:00:00:09' } }),
    sessionFrame(1, craft.fromHex('c021 0a010008 01020304')),
  ]
  expect(framesSeen(new Duplicates(5000), others)).toEqual([false, false, false, false])
})
