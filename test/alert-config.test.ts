import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, describe, expect, test } from 'vitest'
import { Alerting, prepareAlerting, openSink, testNotification } from '../src/alerting.ts'
import { ConfigError, loadConfig, maskSecrets, readSecret } from '../src/config.ts'
import type { Config } from '../src/config-schema.ts'
import { Deliveries } from '../src/deliveries.ts'
import { signature } from '../src/output/webhook.ts'
import { alert, FULL_ALERT } from './support/alerts.ts'

const SECRET = 'hunter2-Tr0ub4dor'
const folder = mkdtempSync(join(tmpdir(), 'borescope-alert-config-'))
let files = 0

afterAll(() => rmSync(folder, { recursive: true }))

function fileOf(text: string): string {
  const path = join(folder, `${++files}.yaml`)
  writeFileSync(path, text)
  return path
}

function load(yaml: string, environment: Record<string, string> = {}): Config {
  return loadConfig(fileOf(yaml), environment).config
}

function problemOf(yaml: string, environment: Record<string, string> = {}): string {
  const path = fileOf(yaml)
  try {
    loadConfig(path, environment)
  } catch (error) {
    expect(error).toBeInstanceOf(ConfigError)
    return (error as Error).message.replaceAll(path, 'FILE')
  }
  throw new Error('the configuration was accepted')
}

const sinksOf = (yaml: string) => `alerts:\n  sinks:\n    one: ${yaml}\n`

describe('sinks', () => {
  test('have defaults', () => {
    const { alerts } = load(
      'alerts:\n  sinks:\n    a: { type: file, path: x }\n    b: { type: syslog, transport: tls, host: h }\n    c: { type: webhook, url: "https://h/" }\n    d: { type: email, host: h, from: a@b.c, to: [d@e.f] }\n',
    )
    expect(alerts.sinks).toMatchObject({
      a: { maxBytes: 100_000_000, keep: 7 },
      b: { format: 'rfc5424', facility: 'local0', awaitClose: true },
      c: { method: 'POST', headers: {} },
      d: { security: 'starttls', digest: true },
    })
    expect(alerts).toMatchObject({
      routes: [],
      deduplicateSeconds: 60,
      throttle: { notifications: 10 },
      group: { by: ['rule', 'entity'] },
    })
  })

  test.each([
    ['{ type: carrier-pigeon }', /^FILE:3: alerts\.sinks\.one\.?.*: expected a type: file, syslog, webhook or email$/],
    ['{ type: file }', /^FILE:3: alerts\.sinks\.one\.path: /],
    [
      '{ type: file, path: x, pth: y }',
      /^FILE:3: alerts\.sinks\.one\.pth: no such key; known here: type, path, maxBytes, maxAgeSeconds, keep$/,
    ],
    ['{ type: syslog, host: h }', /^FILE:3: alerts\.sinks\.one\.transport: /],
    ['{ type: syslog, transport: udp, host: "h h" }', /host: expected a host name or an address$/],
    [
      '{ type: syslog, transport: udp, host: h, maxBytes: 100000 }',
      /maxBytes: a UDP datagram holds at most 65507 octets$/,
    ],
    ['{ type: webhook }', /url: expected an address$/],
    ['{ type: webhook, url: "https://h/", preset: pagerduty }', /routingKey: belongs to the preset pagerduty/],
    [
      '{ type: webhook, url: "https://h/", preset: slack, body: { a: b } }',
      /body: the preset slack has a body of its own$/,
    ],
    ['{ type: webhook, url: "https://h/", body: { a: "{{user.nam}}" } }', /body: \{\{user\.nam\}\} is no field/],
    ['{ type: webhook, url: { fil: x } }', /url: expected a text, \{ file: PATH \} or \{ env: NAME \}$/],
    ['{ type: webhook, url: "https://h/", headers: { "a b": c } }', /headers/],
    ['{ type: email, host: h, from: "a@b.c\\r\\nBcc: x@y.z", to: [d@e.f] }', /from: expected an address/],
    ['{ type: email, host: h, from: a@b.c, to: [d@e.f], user: u }', /password: user and password belong together$/],
    ['{ type: syslog, transport: tls, host: h, tls: { cert: x } }', /tls: cert and key belong together$/],
  ])('%s is told where and why', (yaml, problem) => {
    expect(problemOf(sinksOf(yaml))).toMatch(problem)
  })

  test('can be changed from the environment', () => {
    const { alerts } = load(sinksOf('{ type: syslog, transport: udp, host: h }'), {
      BORESCOPE_ALERTS__SINKS__ONE__PORT: '5514',
      BORESCOPE_ALERTS__SINKS__ONE__AWAIT_CLOSE: 'false',
      BORESCOPE_ALERTS__DEDUPLICATE_SECONDS: '5',
    })
    expect(alerts.sinks['one']).toMatchObject({ port: 5514, awaitClose: false })
    expect(alerts.deduplicateSeconds).toBe(5)
    expect(
      load(sinksOf('{ type: email, host: h, from: a@b.c, to: [d@e.f], user: u }'), {
        BORESCOPE_ALERTS__SINKS__ONE__PASSWORD: SECRET,
      }).alerts.sinks['one'],
    ).toMatchObject({ password: SECRET })
  })
})

describe('routes', () => {
  const routesOf = (yaml: string) => `alerts:\n  sinks: { one: { type: file, path: x } }\n  routes:\n    - ${yaml}\n`

  test.each([
    ['{ sinks: [two] }', /^FILE:4: alerts\.routes\.0\.sinks\.0: no such sink; known here: one$/],
    ['{ sinks: [one], match: "user.name: (" }', /^FILE:4: alerts\.routes\.0\.match: /],
    ['{ sinks: [one], match: "user.nam: x" }', /user\.nam/],
    ['{ sinks: [one], match: { level: [high] } }', /match/],
    ['{ sinks: [one], minLevel: severe }', /minLevel: /],
    ['{ sinks: [one], group: { by: [user.nam] } }', /by\.0: expected rule, entity, incident, or a field/],
  ])('%s is told where and why', (yaml, problem) => {
    expect(problemOf(routesOf(yaml))).toMatch(problem)
  })
})

describe('secrets', () => {
  const YAML = `alerts:
  sinks:
    hook: { type: webhook, url: "https://h.example/${SECRET}", headers: { authorization: ${SECRET} }, signingSecret: ${SECRET}, proxy: "http://u:${SECRET}@p/" }
    pager: { type: webhook, preset: pagerduty, routingKey: ${SECRET} }
    mail: { type: email, host: h, from: a@b.c, to: [d@e.f], user: u, password: ${SECRET} }
    file: { type: webhook, url: { file: /etc/hook } }
`

  test('are masked, where they stand is not', () => {
    const masked = maskSecrets(load(YAML))
    expect(JSON.stringify(masked)).not.toContain(SECRET)
    expect(masked.alerts.sinks['hook']).toMatchObject({ url: '********', headers: { authorization: '********' } })
    expect(masked.alerts.sinks['file']).toMatchObject({ url: { file: '/etc/hook' } })
  })

  test('are in no complaint', () => {
    expect(
      problemOf(YAML.replace('authorization:', 'methd: x, authorization:').replace('type: email', 'type: email, x: y')),
    ).not.toContain(SECRET)
    const config = load(sinksOf(`{ type: webhook, url: "ftp://h/${SECRET}" }`))
    expect(() => openSink(config, 'one', {})).toThrow(
      /alerts\.sinks\.one\.url: expected an address that begins with https/,
    )
    expect(() =>
      openSink(load(sinksOf(`{ type: webhook, url: "https://h/", headers: { a: "${SECRET}\\n" } }`)), 'one', {}),
    ).toThrow('alerts.sinks.one.headers.a: has a character that no header may hold')
  })

  test('stand in the configuration, in a file or in the environment', () => {
    const file = fileOf(`${SECRET}\n`)
    expect(readSecret(SECRET, 'key', {})).toBe(SECRET)
    expect(readSecret({ file }, 'key', {})).toBe(SECRET)
    expect(readSecret({ env: 'HOOK' }, 'key', { HOOK: SECRET })).toBe(SECRET)
    expect(() => readSecret({ env: 'HOOK' }, 'key', {})).toThrow('key: the environment variable HOOK is not set')
    expect(() => readSecret({ file: join(folder, 'none') }, 'key', {})).toThrow(/^key: .*none cannot be read \(ENOENT/)
    expect(() => readSecret({ file: fileOf('\n') }, 'key', {})).toThrow(/is empty$/)
  })
})

describe('wired', () => {
  const alertsIn = async (yaml: string, documents: readonly ReturnType<typeof alert>[]) => {
    const config = load(`${yaml}\ndelivery: { path: ${join(folder, `spool-${++files}`)}, batchSeconds: 0.01 }\n`)
    const deliveries = new Deliveries(config.delivery, 'test', () => {})
    const alerting = new Alerting(prepareAlerting(config, {}), deliveries)
    const router = alerting.router()
    for (const document of documents) router.observe(document)
    router.end()
    await deliveries.flush()
    await deliveries.close()
    await alerting.close()
    return Object.fromEntries(alerting.deliveries.map(({ name, delivery }) => [name, delivery.counts.stored]))
  }

  test('every sink is told of everything if there are no routes', async () => {
    const path = join(folder, 'a.ndjson')
    expect(
      await alertsIn(`alerts: { sinks: { a: { type: file, path: ${path} }, b: { type: file, path: ${path}.b } } }`, [
        alert({ level: 'low' }),
      ]),
    ).toEqual({ a: 1, b: 1 })
  })

  test('queries, lists and levels lead alerts to sinks', async () => {
    const sink = (name: string) => `${name}: { type: file, path: ${join(folder, `${name}.${files}`)} }`
    const yaml = `alerts:
  sinks: { ${['kql', 'list', 'level', 'rest'].map(sink).join(', ')} }
  routes:
    - { match: 'source.ip: 203.0.113.0/24 and user.name: alice', sinks: [kql], continue: true }
    - { match: { tags: [T1110] }, sinks: [list], continue: true }
    - { minLevel: critical, sinks: [level] }
    - { sinks: [rest], group: null, throttle: null, deduplicateSeconds: 0 }
`
    const documents = [
      FULL_ALERT,
      { ...FULL_ALERT, 'user.name': 'bob', 'alert.entity': 'bob' },
      alert({ level: 'critical' }),
      alert({ level: 'low' }),
      alert({ level: 'low' }),
    ]
    expect(await alertsIn(yaml, documents)).toEqual({ kql: 1, list: 2, level: 1, rest: 4 })
  })
})

test('a test alert says that it is one', () => {
  const notification = testNotification(load(''), 'critical', 1_770_000_000_000)
  expect(notification).toMatchObject({
    'alert.notification.kind': 'test',
    'rule.level': 'critical',
    'event.severity': 99,
  })
  expect(notification.message).toMatch(/^This is a test/)
})

describe('the documentation', () => {
  const blocksOf = (file: string, language: string) =>
    [
      ...readFileSync(join(import.meta.dirname, '..', file), 'utf8').matchAll(
        new RegExp(`^\`\`\`${language}\\n([\\s\\S]*?)^\`\`\``, 'gm'),
      ),
    ].map(([, block]) => block)

  test('shows sections and sinks that are right', () => {
    const section = blocksOf('README.md', 'yaml').find((block) => block.startsWith('alerts:'))
    expect(Object.keys(load(section ?? '').alerts.sinks)).toEqual(['archive', 'siem', 'chat', 'pager', 'mail'])
    const sinks = blocksOf('docs/alerts.md', 'yaml').filter((block) => !block.startsWith('alerts:'))
    expect(sinks).toHaveLength(4)
    const yaml = `alerts:\n  sinks:\n${sinks.join('').replace(/^/gm, '    ').trimEnd()}\n`
    expect(Object.keys(load(yaml).alerts.sinks)).toEqual(['archive', 'siem', 'tickets', 'mail'])
    const [routes] = blocksOf('docs/alerts.md', 'yaml').filter((block) => block.startsWith('alerts:'))
    const some = '  sinks: { pager: { type: file, path: x }, chat: { type: file, path: y } }\n'
    expect(load(`${routes}${some}`).alerts.routes).toHaveLength(2)
  })

  test('verifies signatures rightly', async () => {
    const [source] = blocksOf('docs/alerts.md', 'js')
    const path = join(folder, 'verify.mjs')
    writeFileSync(path, source)
    const { isGenuine } = await import(path)
    for (const secret of ['a text', `whsec_${Buffer.from('some bytes of a key').toString('base64')}`]) {
      const headers = signature(secret, 'id', Date.now(), Buffer.from('{"a":1}'))
      expect(isGenuine(headers, '{"a":1}', secret)).toBe(true)
      expect(isGenuine(headers, '{"a":2}', secret)).toBe(false)
      expect(isGenuine(headers, '{"a":1}', 'another')).toBe(false)
      expect(isGenuine(signature(secret, 'id', Date.now() - 301_000, Buffer.from('{}')), '{}', secret)).toBe(false)
    }
  })
})
