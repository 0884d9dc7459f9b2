import { expect, test } from 'vitest'
import { healthEvents } from '../../src/output/health.ts'
import { prometheusText } from '../../src/output/metrics.ts'
import { events, ScriptedDestination, TestDelivery } from './support.ts'

async function deliveries(): Promise<TestDelivery[]> {
  const good = new TestDelivery(new ScriptedDestination(), { name: 'good' })
  const destination = new ScriptedDestination()
  destination.script.push({ reject: (id) => id === 'e1' })
  const bad = new TestDelivery(destination, { name: 'b"ad' })
  for (const delivery of [good, bad]) {
    delivery.pushAll(events('e', 0, 10))
    await delivery.flush()
  }
  return [good, bad]
}

test('the state of each delivery is an event by the clock of the machine, with an id of its own', async () => {
  const statuses = (await deliveries()).map((delivery) => delivery.status())
  const observer = { name: 'lns', version: '1' }
  const [good, bad] = healthEvents(statuses, observer, 1_700_000_000_123)
  expect(good).toMatchObject({
    '@timestamp': '2023-11-14T22:13:20.123000Z',
    'event.action': 'sensor.health.reported',
    'event.dataset': 'borescope.sensor',
    'event.kind': 'metric',
    'observer.name': 'lns',
    message: 'Delivery to good is ok: 10 of 10 events delivered, 0 lost',
    'delivery.destination': 'good',
    'delivery.stored': 10,
    'delivery.dropped': 0,
  })
  expect(bad).toMatchObject({ 'delivery.dropped': 1, 'delivery.drop_reasons': ['quarantine_failed'] })
  expect(good['event.id']).toMatch(/^[0-9a-f]{20}$/)
  const others = healthEvents(statuses, { name: 'other', version: '1' }, 1_700_000_000_123)
  expect(new Set([good, bad, ...others].map((event) => event['event.id'])).size).toBe(4)
})

test('metrics are in the text format of Prometheus, with the destination and the reason as labels', async () => {
  const text = await prometheusText((await deliveries()).map((delivery) => delivery.status()))
  expect(text).toContain('# TYPE borescope_delivery_accepted_total counter\n')
  expect(text).toContain('borescope_delivery_accepted_total{destination="good"} 10\n')
  expect(text).toContain('borescope_delivery_stored_total{destination="b\\"ad"} 9\n')
  expect(text).toContain('borescope_delivery_dropped_total{destination="b\\"ad",reason="quarantine_failed"} 1\n')
  expect(text).toContain('borescope_delivery_up{destination="good"} 1\n')
  expect(text).not.toContain('spool_bytes{')
  for (const line of text.trimEnd().split('\n')) expect(line).toMatch(/^(# (HELP|TYPE) \w+ .+|\w+\{.+\} \S+|)$/)
})
