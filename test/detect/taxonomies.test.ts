/** Rules of other taxonomies on our events: the tables name only what there is, and public rules would meet what they mean. */
import { describe, expect, it } from 'vitest'
import { Detector } from '../../src/detect/detector.ts'
import { isDerived } from '../../src/detect/derived.ts'
import { carriedBy } from '../../src/detect/rule-tests.ts'
import { readRules } from '../../src/detect/rules.ts'
import { TAXONOMIES } from '../../src/detect/taxonomies.ts'
import { EventBus } from '../../src/events/bus.ts'
import { CATALOGUE, type EventName } from '../../src/events/catalogue.ts'
import type { EventDocument } from '../../src/events/fields.ts'
import { event } from '../rules/events.ts'

const RULE = (logsource: string, detection: string) => `title: Elsewhere
id: 5638f7c0-ac70-491d-8465-2a65075e0d91
logsource: { ${logsource} }
detection: { s: { ${detection} }, condition: s }
level: high
`

function alertsOf(text: string, events: readonly EventDocument[]): number {
  const { problems, ...set } = readRules([{ file: 'x.yml', text }])
  expect(problems).toEqual([])
  const bus = new EventBus({ name: 'test', version: '0' })
  let alerts = 0
  bus.subscribe((document) => {
    if (document['event.action'] === 'alert.raised') alerts++
  })
  const detector = new Detector({ ...set, problems }, bus.emit, { groupsMax: 10, entitiesMax: 10 })
  for (const document of events) detector.observe(document)
  return alerts
}

const INSIDE = { 'source.ip': '10.9.0.10', 'destination.ip': '203.0.113.5' }
const request = (fields: Partial<EventDocument>) =>
  event('http.requested', 0, { ...INSIDE, 'http.request.method': 'GET', 'url.original': '/', ...fields })

describe('the tables', () => {
  it.each(TAXONOMIES.map((taxonomy) => [Object.values(taxonomy.logsource).join('/'), taxonomy] as const))(
    'of %s name fields that their events carry',
    (_, { events, fields }) => {
      const names = events.values as readonly EventName[]
      for (const name of names) expect(Object.hasOwn(CATALOGUE, name), name).toBe(true)
      for (const [said, field] of Object.entries(fields)) {
        if (typeof field !== 'string') expect(field.missing.length).toBeGreaterThan(10)
        else expect(isDerived(field) || names.some((name) => carriedBy(name).has(field)), said).toBe(true)
      }
    },
  )

  it('know each log source once', () => {
    const sources = TAXONOMIES.map(({ logsource }) => JSON.stringify(logsource))
    expect(new Set(sources).size).toBe(sources.length)
  })
})

describe('a rule of another taxonomy', () => {
  it.each<[string, string, EventDocument[], EventDocument[]]>([
    [
      'category: proxy',
      "c-uri|contains: 'example.org/load', cs-method: GET, c-uri-extension: exe",
      [
        request({ 'url.domain': 'example.org', 'url.original': '/loader.exe', 'url.path': '/loader.exe' }),
        request({
          'url.original': 'http://example.org/load.exe',
          'url.path': '/load.exe',
          'url.domain': 'example.org',
        }),
      ],
      [request({ 'url.domain': 'example.net', 'url.original': '/loader.exe', 'url.path': '/loader.exe' })],
    ],
    [
      'category: webserver',
      "cs-uri-query|contains: '/owa/', sc-status: 200",
      [request({ 'url.original': '/owa/x?y=1', 'http.response.status_code': 200 })],
      [request({ 'url.original': '/owa/x?y=1', 'http.response.status_code': 404 })],
    ],
    [
      'category: dns',
      'query|endswith: .onion',
      [event('dns.queried', 0, { ...INSIDE, 'dns.question.name': 'abc.onion' })],
      [event('dns.queried', 0, { ...INSIDE, 'dns.question.name': 'abc.onion.example' })],
    ],
    [
      'category: firewall',
      'dst_port: 23, action: [forward, accept]',
      [event('flow.closed', 0, { ...INSIDE, 'destination.port': 23, 'destination.packets': 4 })],
      [
        event('flow.closed', 0, { ...INSIDE, 'destination.port': 23, 'destination.packets': 0 }),
        event('flow.closed', 0, {
          ...INSIDE,
          'destination.port': 23,
          'destination.packets': 1,
          'flow.tcp.state': 'refused',
        }),
      ],
    ],
    [
      'product: zeek, service: dce_rpc',
      'endpoint: svcctl, operation: CreateServiceW',
      [
        event('dcerpc.called', 0, {
          ...INSIDE,
          'dcerpc.interface.name': 'svcctl',
          'dcerpc.operation.name': 'RCreateServiceW',
        }),
      ],
      [
        event('dcerpc.called', 0, {
          ...INSIDE,
          'dcerpc.interface.name': 'samr',
          'dcerpc.operation.name': 'RCreateServiceW',
        }),
      ],
    ],
    [
      'product: zeek, service: smb_files',
      'path|endswith: IPC$, name: spoolss',
      [event('smb.pipe.opened', 0, { ...INSIDE, 'smb.pipe': 'spoolss', 'smb.share.path': '\\\\dc\\IPC$' })],
      [event('smb.pipe.opened', 0, { ...INSIDE, 'smb.pipe': 'samr', 'smb.share.path': '\\\\dc\\IPC$' })],
    ],
    [
      'product: zeek, service: smb_files',
      "name|startswith: 'Windows\\\\Temp'",
      [
        event('smb.file.opened', 0, {
          ...INSIDE,
          'smb.share.path': '\\\\dc\\C$',
          'file.path': '\\\\dc\\C$\\Windows\\Temp\\a',
        }),
      ],
      [
        event('smb.file.opened', 0, {
          ...INSIDE,
          'smb.share.path': '\\\\dc\\C$',
          'file.path': '\\\\dc\\D$\\Windows\\Temp\\a',
        }),
      ],
    ],
    [
      'product: zeek, service: x509',
      'certificate.serial: 8BB00EE',
      [event('tls.established', 0, { ...INSIDE, 'tls.server.x509.serial_number': '08bb00ee' })],
      [event('tls.established', 0, { ...INSIDE, 'tls.server.x509.serial_number': '18bb00ee' })],
    ],
    [
      'product: zeek, service: kerberos',
      'request_type: TGS, cipher: rc4-hmac',
      [
        event('kerberos.ticket.issued', 0, {
          ...INSIDE,
          'kerberos.request': 'TGS',
          'kerberos.ticket.etype': 'rc4-hmac',
        }),
      ],
      [
        event('kerberos.ticket.issued', 0, {
          ...INSIDE,
          'kerberos.request': 'AS',
          'kerberos.ticket.etype': 'rc4-hmac',
        }),
      ],
    ],
  ])('of %s that wants %s fires on what it means, and on no more', (logsource, detection, hits, misses) => {
    for (const hit of hits) expect(alertsOf(RULE(logsource, detection), [hit]), hit['event.id']).toBe(1)
    for (const miss of misses) expect(alertsOf(RULE(logsource, detection), [miss]), miss['event.id']).toBe(0)
  })

  it('meets no other events, even if it is a negation', () => {
    const text = RULE('product: zeek, service: rdp', "id.orig_h|cidr: '10.0.0.0/8'").replace(
      'condition: s',
      'condition: not s',
    )
    const public_ = { ...INSIDE, 'source.ip': '198.51.100.1' }
    expect(alertsOf(text, [event('rdp.requested', 0, public_)])).toBe(1)
    expect(alertsOf(text, [event('rdp.requested', 0, INSIDE), event('flow.closed', 0, public_)])).toBe(0)
  })

  it.each([
    ['product: zeek, service: dns', 'Z: 0', 'detection.s.Z', 'the reserved bits'],
    ['product: zeek, service: http', 'client_header_names: X', 'detection.s.client_header_names', 'only the headers'],
    ['category: proxy', 'x-what: 1', 'detection.s.x-what', 'nothing is known to correspond'],
    ['category: proxy', 'c-uri|fieldref: x-what', 'detection.s.c-uri|fieldref', 'nothing is known to correspond'],
  ])('of %s with %s is left out at %s: %s', (logsource, detection, key, message) => {
    const { rules, problems } = readRules([{ file: 'x.yml', text: RULE(logsource, detection) }])
    expect(rules).toEqual([])
    expect(problems).toMatchObject([
      { file: 'x.yml', line: 4, key, severity: 'warning', message: expect.stringContaining(message) },
    ])
  })

  it('may be counted by its own names, together with others', () => {
    const dns = RULE('category: dns', 'query|endswith: .bad').replace('title: Elsewhere', 'title: A\nname: a')
    const web = RULE('product: zeek, service: http', 'host|endswith: .bad')
      .replace('title: Elsewhere', 'title: B\nname: b')
      .replace('0d91', '0d92')
    const correlation = (groupBy: string, aliases: string) => `title: C
id: 5638f7c0-ac70-491d-8465-2a65075e0d93
correlation: { type: temporal, rules: [a, b], group-by: [${groupBy}], timespan: 1m${aliases} }
level: high
`
    const events = [
      event('dns.queried', 0, { ...INSIDE, 'dns.question.name': 'x.bad' }),
      request({ 'url.domain': 'x.bad' }),
    ]
    const counted = (groupBy: string, aliases = '') => [dns, web, correlation(groupBy, aliases)].join('---\n')
    expect(alertsOf(counted('who', ', aliases: { who: { a: src_ip, b: id.orig_h } }'), events)).toBe(1)
    expect(alertsOf(counted('what', ', aliases: { what: { a: query, b: host } }'), events)).toBe(1)
    const { problems } = readRules([{ file: 'x.yml', text: counted('query') }])
    expect(problems).toMatchObject([{ key: 'correlation', message: expect.stringContaining('"query"') }])
  })
})
