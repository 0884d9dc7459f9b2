import { expect, test } from 'vitest'
import { Frame } from '../../src/dissect/frame.ts'
import type { RaisedEvent } from '../../src/events/catalogue.ts'
import { Anomalies } from '../../src/track/anomalies.ts'
import type { Carrier, CarrierIdentity } from '../../src/track/carrier.ts'
import { PppFindings } from '../../src/track/ppp-findings.ts'

test('a finding outside a datagram names the stations that the carrier knows, and what it is part of', () => {
  const events: RaisedEvent[] = []
  const findings = new PppFindings(
    new Anomalies((event) => void events.push(event), { reportsPerMinute: 10, sourcesMax: 10 }),
  )
  const identity: CarrierIdentity = { 'pppoe.session.uid': 'o-1', 'borescope.lineage': ['o-1'] }
  const stations = ['02:00:00:00:00:01', '02:00:00:00:00:02']
  const carrier = {
    owner: {
      identify: () => identity,
      hosts: (_: Carrier, source: 0 | 1) => ({
        'source.mac': stations[source],
        'destination.mac': stations[1 - source],
      }),
    },
  } as unknown as Carrier
  findings.report(new Frame(), carrier, 1, 'ppp.control_length', 'LCP')
  expect(events).toMatchObject([
    {
      name: 'protocol.anomaly',
      fields: {
        'anomaly.name': 'ppp.control_length',
        'anomaly.layer': 'ppp',
        'anomaly.detail': 'LCP',
        'source.mac': stations[1],
        'destination.mac': stations[0],
        'pppoe.session.uid': 'o-1',
        'borescope.lineage': ['o-1'],
      },
    },
  ])
})
