import { expect, test } from 'vitest'
import * as craft from '../support/craft.ts'
import { TestSensor } from '../support/sensor.ts'

function frame(protocol: number, payload: Uint8Array, source = '198.51.100.7', target = '192.0.2.1'): Uint8Array {
  return craft.ethernet(craft.ipv4(payload, { protocol, source, target }))
}

function recognised(frames: readonly Uint8Array[], track = {}): unknown[] {
  const run = new TestSensor({ track, capture: { duplicateWindowMs: 0 } })
  for (const [i, bytes] of frames.entries()) run.see(bytes, 1_000_000 + i)
  return run
    .finish()
    .filter((event) => event['event.action'] === 'protocol.recognised')
    .map((event) => `${event['network.protocol']} ${event['source.ip']}`)
}

test('each protocol beside L2TPv2 is told once of two hosts, whoever speaks first', () => {
  const esp = craft.fromHex('00000001 00000001 0102030405060708')
  const ike = craft.datagram(new Uint8Array(28), {
    sourcePort: 500,
    targetPort: 500,
    source: '198.51.100.7',
    target: '192.0.2.1',
  })
  const natt = craft.datagram(new Uint8Array(28), {
    sourcePort: 4500,
    targetPort: 4500,
    source: '198.51.100.7',
    target: '192.0.2.1',
  })
  const v3 = craft.datagram(craft.fromHex('c803 0014 00000000 0000 0000 8008 0000 0000 0001'), {
    source: '198.51.100.7',
    target: '192.0.2.1',
  })
  const frames = [
    frame(50, esp),
    frame(50, esp, '192.0.2.1', '198.51.100.7'),
    frame(51, new Uint8Array(24)),
    ike,
    natt,
    v3,
    frame(50, esp),
    ike,
  ]
  expect(recognised(frames)).toEqual(
    ['esp', 'ah', 'ike', 'ipsec-nat-t', 'l2tpv3'].map((name) => `${name} 198.51.100.7`),
  )
})

test('pairs beyond the bound are forgotten, the oldest first', () => {
  const esp = (last: number) => frame(50, craft.fromHex('00000001 00000001 0102030405060708'), `203.0.113.${last}`)
  expect(recognised([1, 2, 3, 3, 1].map(esp), { neighboursMax: 2 })).toHaveLength(4)
})
