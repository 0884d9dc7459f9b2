import { expect, test } from 'vitest'
import { Summary } from '../../src/commands/summary.ts'
import type { EventDocument } from '../../src/events/fields.ts'

function alert(severity: number): EventDocument {
  return {
    '@timestamp': '2026-01-01T00:00:00.000000Z',
    'event.id': String(severity),
    'event.action': 'alert.raised',
    'event.severity': severity,
  }
}

test('a flood of minor alerts hides no grave one', () => {
  const summary = new Summary()
  for (let i = 0; i < 12_000; i++) summary.observe(alert(21))
  summary.observe(alert(99))
  expect(summary.severityMax).toBe(99)
  expect(summary.alertCount).toBe(12_001)
  expect(summary.alerts.some((kept) => kept['event.severity'] === 99)).toBe(true)
  expect(summary.alerts.length).toBeLessThanOrEqual(10_000)
})

test('IPsec has a line of its own, if there is any', () => {
  const totals = { captures: 1, packets: 9, bytes: 900, duplicates: 0, trafficNs: 1e9, seconds: 1 }
  const happened = (action: EventDocument['event.action'], more: Partial<EventDocument> = {}): EventDocument => ({
    '@timestamp': '2026-01-01T00:00:00.000000Z',
    'event.id': action,
    'event.action': action,
    ...more,
  })
  const summary = new Summary()
  expect(summary.text(totals)).not.toContain('IPsec')
  for (let i = 0; i < 4; i++) summary.observe(happened('esp.association.seen'))
  summary.observe(happened('esp.tunnel.opened'))
  summary.observe(happened('esp.tunnel.rekeyed'))
  // Captures one by one: each has totals of its own.
  summary.observe(happened('capture.analysed', { 'capture.ipsec': 3, 'capture.opened': 5 }))
  summary.observe(happened('capture.analysed', { 'capture.ipsec': 4, 'capture.lost': 2 }))
  expect(summary.text(totals)).toContain(
    'IPsec  4 associations in 1 pair, rekeyed 1 time; 7 packets, 5 opened, 2 missing',
  )
})

test('PPTP and PPPoE have a line each where there are any', () => {
  const summary = new Summary()
  const totals = { captures: 1, packets: 9, bytes: 900, duplicates: 0, trafficNs: 1e9, seconds: 1 }
  expect(summary.text(totals)).not.toMatch(/PPTP|PPPoE/)
  for (const action of ['pptp.connection.closed', 'pptp.call.closed', 'pptp.call.failed', 'pppoe.session.closed'])
    summary.observe({ '@timestamp': '2026-01-01T00:00:00.000000Z', 'event.id': action, 'event.action': action })
  expect(summary.text(totals)).toContain('1 control connection, 2 calls, 1 failed\n')
  expect(summary.text(totals)).toContain('1 session, 0 failed')
})

test('incidents have a table, the gravest first, without those that became a part of others', () => {
  const incident = (id: string, risk: number, more: Partial<EventDocument> = {}): EventDocument => ({
    '@timestamp': '2026-01-01T00:00:00.000000Z',
    'event.id': `${id} ${risk}`,
    'event.action': 'incident.closed',
    'event.risk_score': risk,
    'incident.id': id,
    'incident.title': `title of ${id}`,
    'incident.level': 'high',
    ...more,
  })
  const summary = new Summary()
  const totals = { captures: 1, packets: 9, bytes: 900, duplicates: 0, trafficNs: 1e9, seconds: 1 }
  expect(summary.text(totals)).not.toContain('Incidents')
  summary.observe(incident('n-1', 21, { 'event.action': 'incident.opened' }))
  summary.observe(incident('n-2', 73, { 'event.action': 'incident.opened' }))
  summary.observe(incident('n-1', 47))
  summary.observe(incident('n-3', 99, { 'event.action': 'incident.opened' }))
  summary.observe(incident('n-3', 99, { 'incident.part_of': 'n-2' }))
  expect(summary.incidents.map((event) => [event['incident.id'], event['event.risk_score']])).toEqual([
    ['n-2', 73],
    ['n-1', 47],
  ])
  expect(summary.text(totals)).toMatch(/Incidents {2}2\n[\s\S]*title of n-2[\s\S]*title of n-1/)
})

test('of very many things it keeps few, the gravest and the largest ones, and counts all', () => {
  const summary = new Summary({ alerts: 30, incidents: 30, users: 30 })
  const totals = { captures: 1, packets: 9, bytes: 900, duplicates: 0, trafficNs: 1e9, seconds: 1 }
  const happened = (action: EventDocument['event.action'], more: Partial<EventDocument>): EventDocument => ({
    '@timestamp': '2026-01-01T00:00:00.000000Z',
    'event.id': action,
    'event.action': action,
    ...more,
  })
  for (let i = 0; i < 1000; i++) {
    const id = `n-${i}`
    const risk = (i * 7) % 99
    summary.observe(alert(i % 100 === 99 ? 99 : 21))
    summary.observe(happened('incident.opened', { 'incident.id': id, 'event.risk_score': risk }))
    summary.observe(happened('l2tp.tunnel.requested', {}))
    summary.observe(happened('l2tp.tunnel.closed', { 'borescope.lineage': [`t-${i}`], 'network.bytes': i }))
    summary.observe(happened('ppp.authentication.succeeded', { 'user.name': `user ${i}` }))
  }
  summary.observe(happened('incident.closed', { 'incident.id': 'n-0', 'incident.part_of': 'n-1' }))
  expect(summary.incidents).toHaveLength(30)
  expect(Math.min(...summary.incidents.map((event) => event['event.risk_score'] ?? 0))).toBeGreaterThanOrEqual(95)
  expect(summary.alerts).toHaveLength(30)
  expect(summary.alerts.filter((event) => event['event.severity'] === 99)).toHaveLength(10)
  const text = summary.text(totals)
  expect(text).toMatch(/t-999[\s\S]*t-988[^0-9][\s\S]*… and 988 more: borescope tunnels/)
  expect(text).not.toContain('t-987')
  expect(text).toMatch(/Incidents {2}999\n[\s\S]*… and 987 more: borescope incidents/)
  expect(text).toMatch(/Alerts {2}1,000\n[\s\S]*… and 976 more: borescope alerts/)
})
