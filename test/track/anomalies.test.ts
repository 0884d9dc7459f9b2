import { expect, test } from 'vitest'
import * as craft from '../support/craft.ts'
import { Peers } from './support.ts'

const bad = craft.fromHex('c802ffff0000000000000000')

test('the first few of a finding and source in a minute are told, the others counted', () => {
  const peers = new Peers({ track: { anomaliesPerMinute: 3 } })
  for (let i = 0; i < 10; i++) peers.raw('client', bad)
  expect(peers.told('protocol.anomaly')).toHaveLength(3)
  expect(peers.told('protocol.anomaly')[0]).toMatchObject({
    'anomaly.name': 'l2tp.length',
    'anomaly.layer': 'l2tp',
    'source.ip': '198.51.100.7',
    'source.port': 1701,
  })
  expect(peers.run.sensor.trackers.anomalies.counts.get('l2tp.length')).toBe(10)
  peers.wait(60).raw('client', bad)
  expect(peers.told('protocol.anomaly').at(-1)).toMatchObject({ 'anomaly.suppressed': 7 })
})

test('another source and another finding have their own allowance', () => {
  const peers = new Peers({ track: { anomaliesPerMinute: 1 } })
  peers.raw('client', bad).raw('client', bad).raw('server', bad).raw('client', craft.fromHex('0007'))
  expect(peers.told('protocol.anomaly').map((event) => event['anomaly.name'])).toEqual([
    'l2tp.length',
    'l2tp.length',
    'l2tp.version',
  ])
})

test('the same finding at the same microsecond is one event', () => {
  const peers = new Peers()
  const frame = craft.datagram(bad)
  for (let i = 0; i < 3; i++) peers.run.see(frame, 5_000_000)
  expect(peers.told('protocol.anomaly')).toHaveLength(1)
})

test('sources beyond the bound are forgotten, the oldest first', () => {
  const peers = new Peers({ track: { anomaliesPerMinute: 1, anomalySourcesMax: 2 } })
  for (const last of [1, 2, 3, 1]) peers.raw('client', bad, { source: `203.0.113.${last}` })
  expect(peers.told('protocol.anomaly')).toHaveLength(4)
})
