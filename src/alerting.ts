/** Alerts on their way to people: sinks, routes and deliveries, wired from the configuration. */
import { validateHeaderValue } from 'node:http'
import { isoMicroseconds, SECOND_US } from './base/time.ts'
import { LEVELS, type RouteConfig, SEVERITIES, type SinkConfig, type TlsFiles } from './alert-config.ts'
import { ConfigError, readConfigured, readSecret } from './config.ts'
import type { Config } from './config-schema.ts'
import type { Deliveries } from './deliveries.ts'
import { eventId } from './events/event-id.ts'
import type { EventDocument, FieldName } from './events/fields.ts'
import { documentOf } from './events/bus.ts'
import { matchesLists } from './output/alert-match.ts'
import { AlertRouter, type CalmOptions, type Route } from './output/alert-router.ts'
import type { Delivery } from './output/delivery.ts'
import type { Sink } from './output/sink.ts'
import { SINKS } from './output/sinks.ts'
import type { TlsOptions } from './output/tls-options.ts'
import { parseQuery } from './store/kql.ts'
import { compilePredicate } from './store/kql-predicate.ts'
import { VERSION } from './version.ts'

type Environment = Readonly<Record<string, string | undefined>>

const SYSLOG_PORTS = { udp: 514, tcp: 514, tls: 6514 } as const
const SMTP_PORTS = { tls: 465, starttls: 587, none: 25 } as const
const PAGERDUTY_URL = 'https://events.pagerduty.com/v2/enqueue'

/** The name of a sink among the deliveries: of its spool, and in the status. */
export function deliveryNameOf(sink: string): string {
  return `alerts-${sink}`
}

/** The sink that a delivery of that name leads to; null if the configuration has none. */
export function sinkOfDelivery({ alerts }: Config, delivery: string): string | null {
  return Object.keys(alerts.sinks).find((sink) => deliveryNameOf(sink) === delivery) ?? null
}

/**
 * The sink of that name; nothing is connected yet.
 *
 * @throws {ConfigError} if a secret or a certificate cannot be read
 */
export function openSink(config: Config, name: string, environment: Environment): Sink {
  const sink = config.alerts.sinks[name]
  const key = `alerts.sinks.${name}`
  const secret = (part: string, value: Parameters<typeof readSecret>[0]) =>
    readSecret(value, `${key}.${part}`, environment)
  switch (sink.type) {
    case 'file':
      return new SINKS.file({
        path: sink.path,
        maxBytes: sink.maxBytes,
        maxAgeMs: sink.maxAgeSeconds * 1000,
        keep: sink.keep,
      })
    case 'syslog':
      return new SINKS.syslog({
        transport: sink.transport,
        host: sink.host,
        port: sink.port ?? SYSLOG_PORTS[sink.transport],
        format: sink.format,
        facility: sink.facility,
        maxBytes: sink.maxBytes,
        awaitClose: sink.awaitClose,
        timeoutMs: sink.timeoutSeconds * 1000,
        tls: tlsOf(sink.tls, key),
      })
    case 'webhook':
      return openWebhook(sink, key, secret)
    case 'email':
      return new SINKS.email({
        host: sink.host,
        port: sink.port ?? SMTP_PORTS[sink.security],
        security: sink.security,
        user: sink.user,
        password: sink.password === undefined ? undefined : secret('password', sink.password),
        from: sink.from,
        to: sink.to,
        subjectPrefix: sink.subjectPrefix,
        digest: sink.digest,
        timeoutMs: sink.timeoutSeconds * 1000,
        tls: tlsOf(sink.tls, key),
      })
  }
}

function openWebhook(
  sink: SinkConfig & { type: 'webhook' },
  key: string,
  secret: (part: string, value: Parameters<typeof readSecret>[0]) => string,
): Sink {
  const optional = (part: 'routingKey' | 'signingSecret') => {
    const value = sink[part]
    return value === undefined ? undefined : secret(part, value)
  }
  const headers = Object.entries(sink.headers).map(([name, value]) => {
    const text = secret(`headers.${name}`, value)
    try {
      validateHeaderValue(name, text)
    } catch {
      throw new ConfigError(`${key}.headers.${name}: has a character that no header may hold`)
    }
    return [name, text] as const
  })
  return new SINKS.webhook({
    url: webAddress(sink.url === undefined ? PAGERDUTY_URL : secret('url', sink.url), `${key}.url`),
    method: sink.method,
    headers: Object.fromEntries(headers),
    preset: sink.preset,
    routingKey: optional('routingKey'),
    body: sink.body,
    signingSecret: optional('signingSecret'),
    proxy: sink.proxy === undefined ? undefined : webAddress(secret('proxy', sink.proxy), `${key}.proxy`),
    timeoutMs: sink.timeoutSeconds * 1000,
    tls: tlsOf(sink.tls, key),
  })
}

/** What is wrong with an address is told without the address: there may be a token in it. */
function webAddress(text: string, key: string): string {
  if (URL.canParse(text) && /^https?:$/.test(new URL(text).protocol)) return text
  throw new ConfigError(`${key}: expected an address that begins with https:// or http://`)
}

function tlsOf({ ca, cert, key, serverName }: TlsFiles, at: string): TlsOptions {
  const read = (name: string, file: string | undefined) =>
    file === undefined ? undefined : readConfigured(file, `${at}.tls.${name}`)
  return { ca: read('ca', ca), cert: read('cert', cert), key: read('key', key), serverName }
}

/** The routes; without any, every sink is told of every alert. */
export function alertRoutes({ alerts }: Config): Route[] {
  const everything: RouteConfig = { sinks: Object.keys(alerts.sinks), continue: false }
  const routes = alerts.routes.length > 0 ? alerts.routes : [everything]
  return routes.map((route) => ({
    matches: matcherOf(route),
    sinks: [...new Set(route.sinks)],
    goesOn: route.continue,
    calm: calmOf(route, alerts),
  }))
}

function matcherOf({ match, minLevel }: RouteConfig): (alert: EventDocument) => boolean {
  // Relative dates in a query count from here.
  const matches =
    match === undefined
      ? () => true
      : typeof match === 'string'
        ? compilePredicate(parseQuery(match, Date.now() * 1000))
        : matchesLists(match)
  const least = minLevel === undefined ? 0 : LEVELS.indexOf(minLevel)
  return (alert) => levelOf(alert) >= least && matches(alert)
}

function levelOf(alert: EventDocument): number {
  return (LEVELS as readonly string[]).indexOf(alert['rule.level'] ?? '')
}

function calmOf(route: RouteConfig, alerts: Config['alerts']): CalmOptions {
  const { deduplicateSeconds = alerts.deduplicateSeconds } = route
  const throttle = route.throttle === undefined ? alerts.throttle : route.throttle
  const group = route.group === undefined ? alerts.group : route.group
  return {
    deduplicateUs: deduplicateSeconds * SECOND_US,
    throttle:
      throttle === null ? null : { notifications: throttle.notifications, periodUs: throttle.seconds * SECOND_US },
    group:
      group === null
        ? null
        : {
            by: group.by.map(fieldNamed),
            waitUs: group.waitSeconds * SECOND_US,
            repeatUs: group.repeatSeconds * SECOND_US,
          },
    groupsMax: alerts.groupsMax,
    groupsBytesMax: alerts.groupsBytesMax,
  }
}

const SHORT_NAMES: Readonly<Record<string, FieldName>> = {
  rule: 'rule.id',
  entity: 'alert.entity',
  incident: 'incident.id',
}

function fieldNamed(name: string): FieldName {
  return SHORT_NAMES[name] ?? (name as FieldName)
}

/** Routes and sinks that were made and checked; nothing is connected yet. */
export interface PreparedAlerting {
  readonly routes: readonly Route[]
  readonly sinks: ReadonlyMap<string, Sink>
}

/**
 * What the configuration wants.
 *
 * @throws {ConfigError} if a secret or a certificate cannot be read
 */
export function prepareAlerting(config: Config, environment: Environment): PreparedAlerting {
  const routes = alertRoutes(config)
  const names = new Set(routes.flatMap(({ sinks }) => sinks))
  return { routes, sinks: new Map([...names].map((name) => [name, openSink(config, name, environment)])) }
}

interface OpenedSink {
  readonly sink: Sink
  /** Null while the one before it still sends. */
  delivery: Delivery | null
  /** What came meanwhile. */
  readonly waiting: EventDocument[]
}

/** How long what waits for a sink is sent before another configuration takes its place; then it waits in the spool. */
const HANDOVER_MS = 2000

/** The sinks that routes lead to, each behind its delivery, and routers before them. */
export class Alerting {
  readonly #deliveries: Deliveries
  #routes: readonly Route[]
  #sinks = new Map<string, OpenedSink>()

  /** Opens a delivery for every sink: what an earlier process left in its spool goes out first. */
  constructor({ routes, sinks }: PreparedAlerting, deliveries: Deliveries) {
    this.#deliveries = deliveries
    this.#routes = routes
    for (const [name, sink] of sinks) this.#sinks.set(name, { sink, delivery: this.#open(name, sink), waiting: [] })
  }

  /** A router for one timeline; it stands on the bus, and ends with the timeline. */
  router(): AlertRouter {
    return new AlertRouter(this.#routes, (sink, notification) => this.push(sink, notification))
  }

  /** Brings a notification to a sink; false if no route leads to one of that name. */
  push(name: string, notification: EventDocument): boolean {
    const opened = this.#sinks.get(name)
    if (opened?.delivery === null) opened.waiting.push(notification)
    else opened?.delivery.push(notification)
    return opened !== undefined
  }

  /**
   * Other routes and sinks from now on: gives the router that goes on in place of `router`. Every sink is opened anew, for its
   * secrets may be others; `ready` resolves when all are.
   */
  replace({ routes, sinks }: PreparedAlerting, router: AlertRouter): { router: AlertRouter; ready: Promise<void> } {
    this.#routes = routes
    const next = this.router()
    next.inherit(router)
    const before = this.#sinks
    this.#sinks = new Map([...sinks].map(([name, sink]) => [name, { sink, delivery: null, waiting: [] }]))
    return { router: next, ready: this.#handOver(before) }
  }

  get deliveries(): readonly { readonly name: string; readonly delivery: Delivery }[] {
    return [...this.#sinks].flatMap(([name, { delivery }]) => (delivery === null ? [] : [{ name, delivery }]))
  }

  /** After the deliveries. */
  async close(): Promise<void> {
    for (const { sink } of this.#sinks.values()) await sink.close()
  }

  #open(name: string, sink: Sink): Delivery {
    return this.#deliveries.open(deliveryNameOf(name), sink, 'remote')
  }

  async #handOver(before: ReadonlyMap<string, OpenedSink>): Promise<void> {
    await Promise.all([...before.values()].map((opened) => this.#end(opened)))
    for (const [name, opened] of this.#sinks) {
      if (opened.delivery !== null) continue
      opened.delivery = this.#open(name, opened.sink)
      for (const notification of opened.waiting.splice(0)) opened.delivery.push(notification)
    }
  }

  async #end({ sink, delivery }: OpenedSink): Promise<void> {
    if (delivery !== null) {
      // What fails now waits in the spool.
      await delivery.flush(HANDOVER_MS).catch(() => {})
      await this.#deliveries.remove(delivery)
    }
    await sink.close()
  }
}

/** A notification that says of itself that it is a test, as of now. */
export function testNotification(config: Config, level: (typeof LEVELS)[number], nowMs: number): EventDocument {
  const timestamp = isoMicroseconds(nowMs * 1000)
  const identity = `test\n${config.sensor.name}\n${process.pid}\n${nowMs}`
  return documentOf(
    {
      name: 'alert.notified',
      timeUs: nowMs * 1000,
      identity,
      message: 'This is a test of the way that alerts take. Nothing happened, and nothing is to be done.',
      fields: {
        'event.severity': SEVERITIES[level],
        'event.start': timestamp,
        'event.end': timestamp,
        'rule.id': 'borescope-test',
        'rule.name': 'Test alert of Borescope',
        'rule.level': level,
        'rule.category': 'test',
        'alert.entity': 'test',
        'alert.events': 0,
        'alert.evidence': [],
        'alert.notification.kind': 'test',
        'alert.notification.group': eventId(nowMs * 1000, identity),
        'alert.notification.alerts': 1,
        'alert.notification.held_back': 0,
        'alert.notification.duplicates': 0,
        'alert.notification.ids': [],
      },
    },
    null,
    { name: config.sensor.name, version: VERSION },
  )
}
