import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { holds, lookups } from '../../../src/enrich/intel/condition.ts'
import { IndicatorTable } from '../../../src/enrich/intel/index-table.ts'
import { guessType, type Indicator, normal } from '../../../src/enrich/intel/indicator.ts'
import { Intel } from '../../../src/enrich/intel/intel.ts'
import { formatOf, IntelError, parseIndicators } from '../../../src/enrich/intel/parse.ts'
import { parsePattern, PatternError } from '../../../src/enrich/intel/stix-pattern.ts'
import type { EventDocument } from '../../../src/events/fields.ts'

const event = (fields: Partial<EventDocument>) =>
  ({
    '@timestamp': '2026-01-05T09:00:00.000000Z',
    'event.id': '1',
    'event.action': 'flow.closed',
    ...fields,
  }) as EventDocument

function intelOf(indicators: readonly Indicator[], allowed: readonly Indicator[] = []): Intel {
  return new Intel(
    new IndicatorTable([{ name: 'list', indicators }], 1e6),
    new IndicatorTable([{ name: 'allow', indicators: allowed }], 1e6),
  )
}

describe('what a value is', () => {
  test.each([
    ['192.0.2.1', 'ip'],
    ['192.0.2.0/24', 'ip'],
    ['192.0.2.1-192.0.2.9', 'ip'],
    ['2001:db8::1', 'ip'],
    ['evil[.]example', 'domain-name'],
    ['hxxps://evil.example/a', 'url'],
    ['d41d8cd98f00b204e9800998ecf8427e', 'ja3'],
    ['a'.repeat(64), 'x509-certificate'],
    ['t13d1516h2_8daaf6152771_b186095e22b6', 'ja4'],
    ['no thing', null],
    ['localhost', null],
  ])('%s: %s', (value, type) => expect(guessType(value)).toBe(type))

  test('the usual form', () => {
    expect(normal('domain-name', ' EVIL[.]Example. ')).toBe('evil.example')
    expect(normal('url', 'hxxp://Evil.example/A')).toBe('http://Evil.example/A')
  })
})

describe('STIX patterns', () => {
  const matches = (pattern: string, fields: Partial<EventDocument>) => holds(parsePattern(pattern), event(fields))
  const LINK = { 'source.ip': '10.0.0.1', 'destination.ip': '203.0.113.9', 'destination.port': 443 } as const

  test.each([
    ["[ipv4-addr:value = '203.0.113.9']", true],
    ["[ipv4-addr:value = '203.0.113.0/24']", true],
    ["[ipv4-addr:value ISSUBSET '203.0.113.0/24']", true],
    ["[ipv4-addr:value IN ('192.0.2.1', '203.0.113.9')]", true],
    ["[ipv4-addr:value IN ('192.0.2.1', '192.0.2.2')]", false],
    ["[network-traffic:dst_ref.value = '10.0.0.1']", false],
    ["[network-traffic:src_ref.value = '10.0.0.1']", true],
    ["[ipv4-addr:value = '203.0.113.9' AND network-traffic:dst_port = 443]", true],
    ["[ipv4-addr:value = '203.0.113.9' AND network-traffic:dst_port > 443]", false],
    ["[ipv4-addr:value = '203.0.113.9' AND (network-traffic:dst_port = 80 OR network-traffic:dst_port <= 443)]", true],
    ["[ipv4-addr:value = '203.0.113.9' AND network-traffic:dst_port NOT = 443]", false],
    ["[ipv4-addr:value = '192.0.2.1'] OR [domain-name:value = 'x.example' OR ipv4-addr:value = '10.0.0.1']", true],
    ["([ipv4-addr:value = '192.0.2.1'] OR [ipv4-addr:value = '203.0.113.9'])", true],
    ["[ipv4-addr:value != '10.0.0.1']", true],
  ])('%s: %s', (pattern, expected) => expect(matches(pattern, LINK)).toBe(expected))

  test('texts with quotes, and names in any case', () => {
    expect(matches("[user-account:account_login = 'o\\'brien']", { 'user.name': "O'Brien" })).toBe(true)
    expect(matches("[domain-name:value = 'Evil.Example']", { 'dns.question.name': 'evil.example' })).toBe(true)
    expect(matches("[x509-certificate:hashes.'SHA-256' = 'AB']", { 'tls.server.hash.sha256': 'ab' })).toBe(true)
  })

  test.each([
    ["[file:name = 'x']", /at 2: no event shows file:name/],
    ["[ipv4-addr:value MATCHES '1.*']", /at 18: the comparison MATCHES is not evaluated/],
    ["[ipv4-addr:value LIKE '1.%']", /LIKE is not evaluated/],
    ["[ipv4-addr:value = '1.1.1.1'] FOLLOWEDBY [ipv4-addr:value = '2.2.2.2']", /FOLLOWEDBY joins observations/],
    ["[ipv4-addr:value = '1.1.1.1'] WITHIN 5 SECONDS", /WITHIN joins observations/],
    ["[ipv4-addr:value = '1.1.1.1'] AND [ipv4-addr:value = '2.2.2.2']", /AND joins observations/],
    ['[ipv4-addr:value = ]', /expected a text in quotes or a number/],
    ["[ipv4-addr:value = '1.1.1.1'", /expected "]"/],
    ['', /expected "\["/],
    ["[(((ipv4-addr:value = 'x'", /expected "\)"/],
    ["[ipv4-addr:value = 'x' ~ 3]", /cannot be read/],
    [`[${'('.repeat(40)}ipv4-addr:value = 'x'`, /too many parentheses/],
  ])('%s is refused with its place', (pattern, message) => {
    expect(() => parsePattern(pattern)).toThrow(PatternError)
    expect(() => parsePattern(pattern)).toThrow(message)
  })

  test('no text makes it fail otherwise', () => {
    const piece = fc.constantFrom(
      '[',
      ']',
      '(',
      ')',
      'AND',
      'OR',
      'NOT',
      '=',
      'IN',
      "'x'",
      '7',
      'ipv4-addr:value',
      ' ',
      ',',
      '\\',
      "'",
    )
    fc.assert(
      fc.property(fc.array(piece, { maxLength: 24 }), (pieces) => {
        try {
          parsePattern(pieces.join(' '))
        } catch (error) {
          expect(error).toBeInstanceOf(PatternError)
        }
      }),
      { seed: 7, numRuns: 2000 },
    )
  })

  test('what can be looked up is, with the rest as its condition', () => {
    const found = lookups(
      parsePattern("[network-traffic:dst_port = 443 AND ipv4-addr:value IN ('192.0.2.1', '192.0.2.2')]"),
      {},
    )
    expect(found?.map(({ type, value }) => `${type} ${value}`)).toEqual(['ip 192.0.2.1', 'ip 192.0.2.2'])
    expect(found?.every(({ condition }) => condition !== undefined)).toBe(true)
    expect(lookups(parsePattern('[network-traffic:dst_port = 443]'), {})).toBeNull()
    expect(lookups(parsePattern("[ipv4-addr:value != '192.0.2.1']"), {})).toBeNull()
  })
})

describe('formats', () => {
  test('plain lists, with comments and the numbers of Spamhaus', () => {
    const { indicators, problems, leftOut } = parseIndicators(
      '# a list\n192.0.2.0/24 ; SBL123\r\n0.0.0.0 ads.example\n\nwhat is this\n',
    )
    expect(indicators).toEqual([
      { type: 'ip', value: '192.0.2.0/24', description: 'SBL123' },
      { type: 'domain-name', value: 'ads.example' },
    ])
    expect(problems).toEqual(['line 5: "what is this" is neither address, network, name, URL nor hash'])
    expect(leftOut).toBe(1)
  })

  test('a flood of problems is counted, not told', () => {
    const { problems, leftOut } = parseIndicators('!!\n'.repeat(5000))
    expect(leftOut).toBe(5000)
    expect(problems.length).toBe(100)
  })

  test('the CSV of Feodo', () => {
    const text = `################
# Feodo Tracker #
################
"first_seen_utc","dst_ip","dst_port","c2_status","last_online","malware"
"2025-01-04 21:05:54","192.0.2.10","443","online","2026-01-02","Dridex"
`
    expect(formatOf(text)).toBe('csv')
    expect(parseIndicators(text).indicators).toEqual([
      { type: 'ip', value: '192.0.2.10', description: 'Dridex', lastSeenMs: Date.UTC(2026, 0, 2) },
    ])
  })

  test('a quotation mark without a partner takes the rest of a CSV with it, which is told', () => {
    const text = 'ip,name\n"192.0.2.50","a ""quoted"" one"\n192.0.2.51,"two\nlines"\n"192.0.2.52,x\n192.0.2.53,y\n'
    expect(formatOf(text)).toBe('csv')
    const { indicators, leftOut, problems } = parseIndicators(text)
    expect(indicators.map(({ value }) => value)).toEqual(['192.0.2.50', '192.0.2.51'])
    expect(leftOut).toBe(1)
    expect(problems).toEqual([expect.stringMatching(/^entry 3: .*quot.*not closed/i)])
  })

  test('the CSV of ThreatFox, whose header is a comment', () => {
    const text = `# comment
# "first_seen_utc","ioc_id","ioc_value","ioc_type","threat_type","fk_malware","malware_alias","malware_printable","last_seen_utc","confidence_level","reference","tags","anonymous","reporter"
"2026-01-01 10:00:00", "1", "192.0.2.11:8080", "ip:port", "botnet_cc", "win.x", "None", "Cobalt Strike", "", "75", "None", "c2", "0", "me"
"2026-01-01 10:00:00", "2", "evil.example", "domain", "botnet_cc", "win.x", "None", "Cobalt Strike", "", "100", "None", "c2", "0", "me"
"2026-01-01 10:00:00", "3", "0123", "md5_hash", "payload", "win.x", "None", "X", "", "100", "None", "c2", "0", "me"
`
    const { indicators, leftOut } = parseIndicators(text)
    expect(indicators.map(({ type, value, confidence }) => [type, value, confidence])).toEqual([
      ['ip', '192.0.2.11', 75],
      ['domain-name', 'evil.example', 100],
    ])
    expect(leftOut).toBe(1)
  })

  test('a bundle of STIX: revoked, foreign and strange patterns are left out by name', () => {
    const indicator = (id: string, pattern: string, more = {}) => ({
      type: 'indicator',
      id,
      pattern,
      pattern_type: 'stix',
      ...more,
    })
    const bundle = {
      type: 'bundle',
      objects: [
        indicator('indicator--1', "[ipv4-addr:value = '192.0.2.1']", {
          name: 'bad host',
          confidence: 85,
          valid_until: '2027-01-01T00:00:00Z',
          object_marking_refs: ['marking-definition--f88d31f6-486f-44da-b317-01333bde0b82'],
        }),
        indicator('indicator--2', "[ipv4-addr:value = '192.0.2.2']", { revoked: true }),
        indicator('indicator--3', 'alert tcp', { pattern_type: 'snort' }),
        indicator('indicator--4', "[file:name = 'x']"),
        indicator('indicator--5', '[network-traffic:dst_port = 4444]'),
        { type: 'malware', id: 'malware--1' },
        null,
      ],
    }
    const { indicators, problems } = parseIndicators(JSON.stringify(bundle))
    expect(indicators).toEqual([
      {
        type: 'ip',
        value: '192.0.2.1',
        description: 'bad host',
        confidence: 85,
        tlp: 'AMBER',
        validUntilMs: Date.UTC(2027, 0, 1),
      },
    ])
    expect(problems).toEqual([
      'indicator--3: patterns of type snort are not evaluated',
      'indicator--4: at 2: no event shows file:name',
      'indicator--5: holds nothing that can be looked for',
    ])
  })

  test('an event of MISP: only what is meant for detection', () => {
    const misp = {
      Event: {
        info: 'Campaign',
        Tag: [{ name: 'tlp:white' }],
        Attribute: [
          { type: 'ip-dst|port', value: '192.0.2.1|443', to_ids: true, uuid: 'a', timestamp: '1767225600' },
          { type: 'ip-dst', value: '192.0.2.2', to_ids: false },
          { type: 'comment', value: 'hello', to_ids: true },
        ],
        Object: [
          {
            Attribute: [
              { type: 'domain', value: 'Evil.example', to_ids: true, comment: 'c2', Tag: [{ name: 'tlp:red' }] },
            ],
          },
        ],
      },
    }
    expect(parseIndicators(JSON.stringify(misp)).indicators).toEqual([
      { type: 'ip', value: '192.0.2.1', description: 'Campaign', tlp: 'CLEAR', lastSeenMs: 1_767_225_600_000 },
      { type: 'domain-name', value: 'evil.example', description: 'c2', tlp: 'CLEAR' },
    ])
  })

  test.each(['{"a":', '[1,', '{"objects": 5}'])('%s is refused', (text) => {
    expect(() => parseIndicators(text, 'stix')).toThrow(IntelError)
  })
})

describe('the table', () => {
  test('finds in networks what a walk through all of them finds', () => {
    const octet = fc.integer({ min: 0, max: 3 })
    const address = fc.tuple(octet, octet).map(([a, b]) => `10.0.${a}.${b}`)
    const network = fc.tuple(address, fc.integer({ min: 20, max: 32 })).map(([at, bits]) => `${at}/${bits}`)
    fc.assert(
      fc.property(fc.array(network, { maxLength: 30 }), address, (networks, wanted) => {
        const table = new IndicatorTable(
          [{ name: 'list', indicators: networks.map((value) => ({ type: 'ip', value, description: value }) as const) }],
          1000,
        )
        const found = [...table.find('ip', wanted)].map(({ description }) => description).sort()
        const expected = networks
          .filter((value) =>
            holds({ op: 'subset', path: 'ipv4-addr:value', values: [value] }, event({ 'source.ip': wanted })),
          )
          .sort()
        expect(found).toEqual(expected)
      }),
      { seed: 11, numRuns: 500 },
    )
  })

  test('IPv6 networks inside each other', () => {
    const indicators = ['2001:db8::/32', '2001:db8:1::/48', '2001:db8:2::5'].map(
      (value) => ({ type: 'ip', value, description: value }) as const,
    )
    const table = new IndicatorTable([{ name: 'list', indicators }], 10)
    const of = (address: string) => [...table.find('ip', address)].map(({ description }) => description)
    expect(of('2001:db8:1::9')).toEqual(['2001:db8:1::/48', '2001:db8::/32'])
    expect(of('2001:db8:2::5')).toEqual(['2001:db8:2::5', '2001:db8::/32'])
    expect(of('2001:db9::1')).toEqual([])
  })

  test('holds half a million addresses, and counts what is beyond its bound', () => {
    function* indicators(): Generator<Indicator> {
      for (let i = 0; i < 500_000; i++) yield { type: 'ip', value: `${20 + (i >> 16)}.${(i >> 8) & 255}.${i & 255}.7` }
      yield { type: 'domain-name', value: 'evil.example' }
    }
    const table = new IndicatorTable([{ name: 'list', indicators: indicators() }], 500_000)
    expect([table.size, table.leftOut]).toEqual([500_000, 1])
    expect([...table.find('ip', '21.44.7.7')].length).toBe(1)
    expect([...table.find('ip', '21.44.7.8')].length).toBe(0)
    expect([...table.find('domain-name', 'evil.example')].length).toBe(0)
  })
})

describe('matching events', () => {
  const intel = intelOf(
    [
      { type: 'ip', value: '203.0.113.0/24', description: 'bad network', confidence: 20 },
      {
        type: 'domain-name',
        value: 'evil.example',
        description: 'c2',
        confidence: 90,
        tlp: 'AMBER',
        lastSeenMs: Date.UTC(2026, 0, 2, 5),
      },
      { type: 'ip', value: '192.0.2.9', validUntilMs: Date.UTC(2025, 0, 1) },
      { type: 'vendor-id', value: 'Odd Scanner' },
    ],
    [{ type: 'domain-name', value: 'good.evil.example' }],
  )

  test('a name below a listed domain, with everything the list says', () => {
    const document = event({ 'dns.question.name': 'a.b.evil.example', 'destination.ip': '203.0.113.9' })
    intel.enrich(document)
    expect(document).toMatchObject({
      'threat.indicator.type': 'domain-name',
      'threat.indicator.name': 'a.b.evil.example',
      'threat.indicator.field': 'dns.question.name',
      'threat.indicator.provider': 'list',
      'threat.indicator.description': 'c2',
      'threat.indicator.confidence': 'High',
      'threat.indicator.marking.tlp': 'AMBER',
      'threat.indicator.last_seen': '2026-01-02T00:00:00.000Z',
    })
  })

  test('an address in an answer of DNS, and a vendor id', () => {
    expect(intel.match(event({ 'dns.resolved_ip': ['10.0.0.1', '203.0.113.77'] }))?.value).toBe('203.0.113.77')
    expect(intel.match(event({ 'ike.initiator.vendors': ['DPD', 'Odd Scanner'] }))?.type).toBe('vendor-id')
  })

  test('an allow list takes a match back; what is no longer valid does not match; both are counted', () => {
    const { allowed, expired } = { ...intel.counters }
    expect(intel.match(event({ 'tls.client.server_name': 'www.good.evil.example' }))).toBeNull()
    expect(intel.match(event({ 'source.ip': '192.0.2.9' }))).toBeNull()
    expect(intel.counters.allowed).toBe(allowed + 1)
    expect(intel.counters.expired).toBe(expired + 1)
  })

  test('other lists from one event to the next', () => {
    const changing = intelOf([{ type: 'ip', value: '192.0.2.1' }])
    expect(changing.match(event({ 'source.ip': '192.0.2.1' }))).not.toBeNull()
    changing.swap(new IndicatorTable([], 1), new IndicatorTable([], 1))
    expect(changing.match(event({ 'source.ip': '192.0.2.1' }))).toBeNull()
  })

  test('the condition of a pattern', () => {
    const found = lookups(parsePattern("[ipv4-addr:value = '192.0.2.1' AND network-traffic:dst_port = 443]"), {})
    const conditional = intelOf(found ?? [])
    expect(conditional.match(event({ 'destination.ip': '192.0.2.1', 'destination.port': 443 }))).not.toBeNull()
    expect(conditional.match(event({ 'destination.ip': '192.0.2.1', 'destination.port': 80 }))).toBeNull()
  })
})
