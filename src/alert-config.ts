/** The section `alerts` of the configuration: who is told of what, through which sinks, how often. */
import { z } from 'zod'
import { isField } from './events/fields.ts'
import { FACILITIES, type Facility, SYSLOG_FORMATS } from './output/syslog-message.ts'
import { unknownPlaceholder } from './output/template.ts'
import { PRESETS } from './output/webhook.ts'
import { maskSecret, SECRET, type Secret } from './secret-config.ts'
import { parseQuery } from './store/kql.ts'
import { QueryError } from './store/query-error.ts'

export const LEVELS = ['informational', 'low', 'medium', 'high', 'critical'] as const
/** The event.severity of each. */
export const SEVERITIES = { informational: 10, low: 21, medium: 47, high: 73, critical: 99 } as const

const seconds = (fallback: number, most: number) => z.number().min(0).max(most).default(fallback)
const DAY_SECONDS = 86_400
const path = z.string().min(1)
const port = z.int().min(1).max(65_535)
const host = z.string().regex(/^[A-Za-z0-9._:-]+$/, 'expected a host name or an address')

const TLS = z
  .strictObject({
    ca: path.optional().describe('PEM file of the authorities that are trusted instead of the usual ones.'),
    cert: path.optional().describe('PEM file with the certificate of the client.'),
    key: path.optional().describe('PEM file with its key.'),
    serverName: z.string().min(1).optional().describe("The name in the peer's certificate, if it is not the host."),
  })
  .refine(({ cert, key }) => (cert === undefined) === (key === undefined), 'cert and key belong together')
  .prefault({})
export type TlsFiles = z.output<typeof TLS>

const FILE = z.strictObject({
  type: z.literal('file'),
  path,
  maxBytes: z.int().min(4096).max(1e12).default(100_000_000),
  maxAgeSeconds: z.number().min(60).max(31_536_000).default(DAY_SECONDS),
  keep: z.int().min(0).max(1000).default(7),
})

const SYSLOG = z
  .strictObject({
    type: z.literal('syslog'),
    transport: z.literal(['udp', 'tcp', 'tls']),
    host,
    port: port.optional(),
    format: z.literal(SYSLOG_FORMATS).default('rfc5424'),
    facility: z.literal(Object.keys(FACILITIES) as Facility[]).default('local0'),
    maxBytes: z.int().min(2048).max(1_000_000).default(8192),
    awaitClose: z.boolean().default(true),
    timeoutSeconds: z.number().positive().max(300).default(10),
    tls: TLS,
  })
  .refine(({ transport, maxBytes }) => transport !== 'udp' || maxBytes <= 65_507, {
    path: ['maxBytes'],
    message: 'a UDP datagram holds at most 65507 octets',
  })

const WEBHOOK = z
  .strictObject({
    type: z.literal('webhook'),
    url: SECRET.optional(),
    method: z.literal(['POST', 'PUT']).default('POST'),
    headers: z
      .record(z.string().regex(/^[!#$%&'*+.^_`|~0-9A-Za-z-]+$/, 'not the name of a header'), SECRET)
      .default({}),
    preset: z.literal(PRESETS).optional(),
    routingKey: SECRET.optional(),
    body: z.record(z.string(), z.json()).optional(),
    signingSecret: SECRET.optional(),
    proxy: SECRET.optional(),
    timeoutSeconds: z.number().positive().max(300).default(10),
    tls: TLS,
  })
  .superRefine(({ url, preset, routingKey, body }, context) => {
    const complain = (key: string, message: string) => context.addIssue({ code: 'custom', path: [key], message })
    if (url === undefined && preset !== 'pagerduty') complain('url', 'expected an address')
    if ((preset === 'pagerduty') !== (routingKey !== undefined)) {
      complain('routingKey', 'belongs to the preset pagerduty, which needs it')
    }
    if (preset !== undefined && body !== undefined) complain('body', `the preset ${preset} has a body of its own`)
    const unknown = body === undefined ? null : unknownPlaceholder(body)
    if (unknown !== null) complain('body', `{{${unknown}}} is no field: see 'borescope fields'`)
  })

const mailbox = z.string().regex(/^[^\r\n]*[^\s@<>]+@[A-Za-z0-9.-]+>?$/, 'expected an address such as soc@example.org')

const EMAIL = z
  .strictObject({
    type: z.literal('email'),
    host,
    port: port.optional(),
    security: z.literal(['tls', 'starttls', 'none']).default('starttls'),
    user: z.string().min(1).optional(),
    password: SECRET.optional(),
    from: mailbox,
    to: z.array(mailbox).min(1),
    subjectPrefix: z.string().max(60).default('[Borescope]'),
    digest: z.boolean().default(true),
    timeoutSeconds: z.number().positive().max(300).default(30),
    tls: TLS,
  })
  .refine(({ user, password }) => (user === undefined) === (password === undefined), {
    path: ['password'],
    message: 'user and password belong together',
  })

const SINK = z.discriminatedUnion('type', [FILE, SYSLOG, WEBHOOK, EMAIL], {
  error: ({ code }) => (code === 'invalid_union' ? 'expected a type: file, syslog, webhook or email' : undefined),
})
export type SinkConfig = z.output<typeof SINK>

const KQL = z.string().superRefine((query, context) => {
  try {
    parseQuery(query, 0)
  } catch (error) {
    if (!(error instanceof QueryError)) throw error
    context.addIssue({ code: 'custom', message: error.message })
  }
})

const MATCH = z.union(
  [
    KQL,
    z.strictObject({
      levels: z.array(z.literal(LEVELS)).min(1).optional(),
      rules: z.array(z.string().min(1)).min(1).optional(),
      tags: z.array(z.string().min(1)).min(1).optional(),
    }),
  ],
  { error: 'expected a query in KQL, or lists: { levels: […], rules: […], tags: […] }' },
)

const THROTTLE = z.strictObject({
  notifications: z.int().min(1).max(1000).default(10),
  seconds: z.number().positive().max(31_536_000).default(3600),
})

const GROUP = z.strictObject({
  by: z
    .array(
      z.string().refine((name) => ['rule', 'entity', 'incident'].includes(name) || isField(name), {
        message: "expected rule, entity, incident, or a field that 'borescope fields' lists",
      }),
    )
    .default(['rule', 'entity']),
  waitSeconds: seconds(0, DAY_SECONDS),
  repeatSeconds: seconds(300, 31_536_000),
})

const ROUTE = z.strictObject({
  match: MATCH.optional(),
  minLevel: z.literal(LEVELS).optional(),
  sinks: z.array(z.string().min(1)).min(1),
  continue: z.boolean().default(false),
  deduplicateSeconds: z.number().min(0).max(31_536_000).optional(),
  throttle: THROTTLE.nullable().optional(),
  group: GROUP.nullable().optional(),
})
export type RouteConfig = z.output<typeof ROUTE>

export const ALERTS = z
  .strictObject({
    sinks: z
      .record(z.string().regex(/^[A-Za-z][A-Za-z0-9_-]{0,62}$/, 'expected letters, digits, - and _'), SINK)
      .default({})
      .describe('Through what people are told: a name for each, and a type: file, syslog, webhook or email.'),
    routes: z
      .array(ROUTE)
      .default([])
      .describe(
        'Which alerts go to which sinks: the first route that matches takes one. Without routes all go to all.',
      ),
    deduplicateSeconds: seconds(60, 31_536_000).describe(
      'An alert with rule, entity and sentence of an earlier one is left out for so long; 0 leaves none out.',
    ),
    throttle: THROTTLE.nullable()
      .default({ notifications: 10, seconds: 3600 })
      .describe(
        'Notifications of one group in so many seconds; what comes above waits and is told as one. Null: no limit.',
      ),
    group: GROUP.nullable()
      .default({ by: ['rule', 'entity'], waitSeconds: 0, repeatSeconds: 300 })
      .describe(
        'Alerts that agree in "by" become one notification: after a wait, then one a repeat. Null: one an alert.',
      ),
    groupsMax: z
      .int()
      .min(1)
      .max(10_000_000)
      .default(10_000)
      .describe('Groups that a route remembers; when there are more, the oldest one is told early.'),
    groupsBytesMax: z
      .int()
      .min(1)
      .max(1e12)
      .default(134_217_728)
      .describe('What those of a route may take in memory, by an estimate; beyond it the same.'),
  })
  .superRefine(({ sinks, routes }, context) => {
    for (const [at, route] of routes.entries()) {
      for (const [index, name] of route.sinks.entries()) {
        if (Object.hasOwn(sinks, name)) continue
        const known = Object.keys(sinks).join(', ') || 'none'
        const message = `no such sink; known here: ${known}`
        context.addIssue({ code: 'custom', path: ['routes', at, 'sinks', index], message })
      }
    }
  })
  .prefault({})

/** The section for people to see: what is secret is masked, where a secret stands is not. */
export function maskAlerts(alerts: z.output<typeof ALERTS>): z.output<typeof ALERTS> {
  const sinks = Object.entries(alerts.sinks).map(([name, sink]) => [name, maskSink(sink)])
  return { ...alerts, sinks: Object.fromEntries(sinks) }
}

/** Every secret of the sinks. */
export function secretsOfSinks(alerts: z.output<typeof ALERTS>): Secret[] {
  return Object.values(alerts.sinks).flatMap((sink) => {
    if (sink.type === 'email') return sink.password ?? []
    if (sink.type !== 'webhook') return []
    const { url = [], routingKey = [], signingSecret = [], proxy = [], headers } = sink
    return [url, routingKey, signingSecret, proxy, ...Object.values(headers)].flat()
  })
}

function maskSink(sink: SinkConfig): SinkConfig {
  if (sink.type === 'email') return { ...sink, ...masked(sink, ['password']) }
  if (sink.type !== 'webhook') return sink
  const headers = Object.fromEntries(Object.entries(sink.headers).map(([name, value]) => [name, maskSecret(value)]))
  return { ...sink, headers, ...masked(sink, ['url', 'routingKey', 'signingSecret', 'proxy']) }
}

function masked<K extends string>(from: { readonly [key in K]?: Secret | undefined }, keys: readonly K[]): object {
  return Object.fromEntries(
    keys.flatMap((key) => {
      const value = from[key]
      return value === undefined ? [] : [[key, maskSecret(value)]]
    }),
  )
}
