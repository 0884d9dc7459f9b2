import { readFileSync } from 'node:fs'
import { describe, expect, test } from 'vitest'
import { builtinGeo } from '../../src/commands/enrichment.ts'
import { AssetError, Assets } from '../../src/enrich/assets.ts'
import type { Enricher } from '../../src/enrich/enrichers.ts'
import { Geo, GeoError } from '../../src/enrich/geo.ts'
import { addRoles, roleOf } from '../../src/enrich/roles.ts'
import { EventBus } from '../../src/events/bus.ts'
import type { EventDocument } from '../../src/events/fields.ts'

function enriched(enrich: Enricher, fields: Partial<EventDocument>): Partial<EventDocument> {
  const document = { '@timestamp': '2026-01-05T09:00:00.000000Z', 'event.action': 'flow.closed', ...fields }
  const before = new Set(Object.keys(document))
  enrich(document as EventDocument)
  return Object.fromEntries(Object.entries(document).filter(([field]) => !before.has(field)))
}

describe('roles of addresses', () => {
  test.each([
    ['10.1.2.3', 'private'],
    ['172.31.255.255', 'private'],
    ['172.32.0.0', 'public'],
    ['192.168.0.1', 'private'],
    ['100.64.0.1', 'shared'],
    ['169.254.1.1', 'link_local'],
    ['127.0.0.1', 'loopback'],
    ['224.0.0.5', 'multicast'],
    ['255.255.255.255', 'broadcast'],
    ['203.0.113.9', 'documentation'],
    ['8.8.8.8', 'public'],
    ['fd00::1', 'private'],
    ['fe80::1', 'link_local'],
    ['::1', 'loopback'],
    ['ff02::1', 'multicast'],
    ['2001:db8::1', 'documentation'],
    ['2606:4700::1111', 'public'],
    ['no address', 'unspecified'],
  ])('%s is %s', (address, role) => expect(roleOf(address)).toBe(role))

  test.each([
    ['10.0.0.1', '10.0.0.2', 'internal'],
    ['10.0.0.1', '8.8.8.8', 'outbound'],
    ['8.8.8.8', '10.0.0.1', 'inbound'],
    ['8.8.8.8', '9.9.9.9', 'external'],
  ])('from %s to %s is %s', (source, destination, direction) => {
    const fields = enriched(addRoles, { 'source.ip': source, 'destination.ip': destination })
    expect(fields['network.direction']).toBe(direction)
  })

  test('says nothing where there are no addresses', () => expect(enriched(addRoles, {})).toEqual({}))
})

describe('places', () => {
  const path = builtinGeo()

  test.skipIf(path === null)('come from the table that is installed with it', () => {
    const geo = new Geo()
    geo.add('countries', readFileSync(path ?? ''))
    const fields = enriched(geo.enrich, {
      'source.ip': '193.0.6.139',
      'destination.ip': '10.0.0.1',
      'outer.source.ip': '2001:67c:2e8:22::c100:68b',
    })
    expect(fields).toEqual({ 'source.geo.country_iso_code': 'NL', 'outer.source.geo.country_iso_code': 'NL' })
  })

  test.skipIf(path === null)('a damaged file says less and stops nothing', () => {
    const content = Buffer.from(readFileSync(path ?? ''))
    content.fill(0xff, 1000, 200_000)
    const geo = new Geo()
    geo.add('damaged', content)
    for (let i = 1; i < 200; i++) expect(typeof geo.lookUp(`${i}.1.1.1`)).toBe('object')
  })

  test('another kind of file is refused by its name', () => {
    expect(() => new Geo().add('notes.txt', Buffer.from('hello'))).toThrow(GeoError)
    expect(() => new Geo().add('notes.txt', Buffer.from('hello'))).toThrow(/notes\.txt/)
  })
})

describe('the inventory', () => {
  const text = `# who there ought to be
kind,value,name,hours,gateways
gateway,192.0.2.1,frankfurt,,
gateway,192.0.2.128/25,berlin,,
peer,198.51.100.0/24,branches,,
user,carol,,Mon-Fri 07:00-19:00,frankfurt
user,nightshift,,mon-fri 22:00-06:00,
user,dave,,,frankfurt berlin
`
  const assets = new Assets('assets.csv', text)
  const tunnel = (source: string, destination: string) =>
    enriched(assets.enrich, {
      'event.action': 'l2tp.tunnel.opened',
      'source.ip': source,
      'destination.ip': destination,
    })
  const login = (user: string, time: string, destination = '192.0.2.1') =>
    enriched(assets.enrich, {
      'event.action': 'ppp.authentication.succeeded',
      '@timestamp': time,
      'user.name': user,
      'destination.ip': destination,
    })['asset.drift']

  test('names what it knows', () => {
    expect(tunnel('198.51.100.7', '192.0.2.200')).toEqual({ 'source.asset': 'branches', 'destination.asset': 'berlin' })
    expect(assets.size).toBe(6)
  })

  test('tells gateways and peers that it does not', () => {
    expect(tunnel('203.0.113.5', '203.0.113.6')['asset.drift']).toEqual(['gateway_unlisted', 'peer_unlisted'])
    expect(enriched(assets.enrich, { 'source.ip': '203.0.113.5' })).toEqual({})
  })

  test.each([
    ['carol', '2026-01-05T09:00:00Z', undefined],
    ['carol', '2026-01-05T19:00:00Z', ['hours']],
    ['carol', '2026-01-04T09:00:00Z', ['hours']],
    ['nightshift', '2026-01-06T02:00:00Z', undefined],
    ['nightshift', '2026-01-05T02:00:00Z', ['hours']],
    ['mallory', '2026-01-05T09:00:00Z', ['user_unlisted']],
  ])('%s at %s: %s', (user, time, drift) => expect(login(user, time)).toEqual(drift))

  test('tells a user at a gateway for others', () => {
    expect(login('carol', '2026-01-05T09:00:00Z', '192.0.2.200')).toEqual(['user_gateway'])
    expect(login('dave', '2026-01-05T09:00:00Z', '192.0.2.200')).toBeUndefined()
  })

  test.each([
    ['kind,value\nrouter,192.0.2.1\n', /entry 1: kind is "router"; expected gateway, peer or user/],
    ['kind,value\ngateway,everywhere\n', /entry 1: "everywhere" is neither an address nor a network/],
    ['kind,value,hours\nuser,carol,late\n', /entry 1: "late" are no hours/],
    ['kind,value\nuser,\n', /entry 1: a user needs a name/],
    ['kind,value\n"unclosed,1\n', /assets\.csv: /],
  ])('refuses %j with its place', (wrong, message) => {
    expect(() => new Assets('assets.csv', wrong)).toThrow(AssetError)
    expect(() => new Assets('assets.csv', wrong)).toThrow(message)
  })
})

test('an event is full before anybody sees it', () => {
  const bus = new EventBus({ name: 'test', version: 'test' })
  const seen: unknown[] = []
  bus.subscribe((document) => seen.push(document['source.role']))
  bus.enrich(addRoles)
  bus.emit({
    name: 'protocol.recognised',
    timeUs: 0,
    message: 'IKE',
    fields: {
      'source.ip': '10.0.0.1',
      'destination.ip': '8.8.8.8',
      'network.type': 'ipv4',
      'network.transport': 'udp',
      'network.protocol': 'ike',
    },
  })
  expect(seen).toEqual(['private'])
})
