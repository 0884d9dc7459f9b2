/** `borescope show ID`: the whole story of a tunnel, a session, a flow, an alert or an incident, as a timeline. */
import type { Command } from 'commander'
import { type EventDocument, nest } from '../events/fields.ts'
import type { EventStore } from '../store/stores.ts'
import { type Context, UsageError } from './context.ts'
import { parseCount } from './formats.ts'
import { incidentText } from './incident-text.ts'
import { isLater } from './lists.ts'
import { techniques } from './summary.ts'
import { counted, duration, number, paint, paintLevel, print, printable, when } from './terminal.ts'

interface ShowOptions {
  readonly json?: boolean
  readonly limit: number
}

export function registerShow(program: Command, context: () => Context): void {
  program
    .command('show')
    .summary('the whole story of a tunnel, session, flow, alert or incident, as a timeline')
    .description('Tells everything that is stored about one thing, in the order of time.')
    .argument(
      '<id>',
      'a tunnel (t-…), session (s-…), flow (f-…), PPTP call (c-…), PPPoE session (o-…), incident (n-…), or the id of an alert or event; a unique beginning will do',
    )
    .option('-n, --limit <number>', 'events at most', parseCount, 500)
    .option('--json', 'the events as one JSON array')
    .action(async (id: string, options: ShowOptions) => {
      const store = await context().openStore()
      try {
        await show(store, id, options)
      } finally {
        await store.close()
      }
    })
}

export async function show(store: EventStore, id: string, options: ShowOptions): Promise<void> {
  const { subject, events } = await story(store, id, options.limit)
  if (options.json) return print(JSON.stringify([...(subject === null ? [] : [subject]), ...events].map(nest), null, 2))
  if (subject !== null) await print(`${subjectText(subject)}\n`)
  if (events.length > 0) await print(timeline(events))
  process.stderr.write(
    `${counted(events.length, 'event')}${events.length === options.limit ? '; --limit shows more' : ''}\n`,
  )
}

/** Ids that are looked at, to see whether the beginning of one is the beginning of others. */
const NAMES_MAX = 100_000
/** What one query names: the things around a thing, and the evidence of an alert. */
const AROUND_MAX = 64
const EVIDENCE_MAX = 500

interface Story {
  /** The alert, incident or event that was asked for; null if a tunnel, session or flow was. */
  readonly subject: EventDocument | null
  readonly events: readonly EventDocument[]
}

async function story(store: EventStore, id: string, limit: number): Promise<Story> {
  if (!/^[\w-]+$/.test(id))
    throw new UsageError(`${id} is no id: copy one from 'borescope tunnels', 'sessions' or 'alerts'`)
  if (id.startsWith('n-')) return incidentStory(store, id, limit)
  if (/^[a-z]-/.test(id)) {
    const groups = await store.aggregate(
      { kql: `borescope.lineage: ${id}*` },
      { by: ['borescope.lineage'], limit: NAMES_MAX },
    )
    const names = groups.map(({ key }) => String(key[0])).filter((name) => name.startsWith(id))
    if (names.length === 0) throw new UsageError(`nothing is stored about ${id}`)
    if (names.length > 1) throw new UsageError(`${id} is the beginning of several: ${names.slice(0, 5).join(', ')}`)
    return { subject: null, events: await wholeStory(store, names[0], limit) }
  }
  const subject = await store.get(id)
  if (subject === null) throw new UsageError(`no event has the id ${id}, or several begin with it`)
  return { subject, events: await related(store, subject, limit) }
}

/** An incident as it was told last, its alerts and those of its parts, and how it grew. */
async function incidentStory(store: EventStore, id: string, limit: number): Promise<Story> {
  const told = await collect(store, `event.action: incident.* and incident.id: ${id}*`, limit)
  const ids = [...new Set(told.map((event) => event['incident.id'] ?? ''))]
  if (ids.length === 0) throw new UsageError(`nothing is stored about ${id}`)
  if (ids.length > 1) throw new UsageError(`${id} is the beginning of several: ${ids.slice(0, 5).join(', ')}`)
  const subject = told.reduce((last, event) => (isLater(last, event) ? last : event))
  const all = [...ids, ...(subject['incident.parts'] ?? [])]
  const events = await collect(store, `incident.id: (${all.join(' or ')})`, limit + 1)
  return { subject, events: events.filter((event) => event['event.id'] !== subject['event.id']).slice(0, limit) }
}

/** What happened to the things that others are part of, by the first letter of their ids. */
const EVENTS_OF: Readonly<Record<string, string>> = {
  i: 'ike.*',
  e: 'esp.*',
  t: 'l2tp.tunnel.*',
  s: 'l2tp.session.* or ppp.*',
  p: 'pptp.connection.*',
  c: 'pptp.call.* or ppp.*',
  o: 'pppoe.* or ppp.*',
}

/** Everything about a thing and what is inside it, and the life of whatever it is inside of: from IKE down to the last flow. */
async function wholeStory(store: EventStore, id: string, limit: number): Promise<EventDocument[]> {
  const events = new Map<string, EventDocument>()
  const around = new Set<string>()
  for (const event of await collect(store, `borescope.lineage: ${id}`, limit)) {
    events.set(event['event.id'], event)
    const lineage = event['borescope.lineage'] ?? []
    for (const outer of lineage.slice(0, Math.max(0, lineage.indexOf(id)))) around.add(outer)
  }
  const lives = [...around]
    .filter((outer) => outer[0] in EVENTS_OF)
    .slice(0, AROUND_MAX)
    .map((outer) => `(borescope.lineage: ${outer} and event.action: (${EVENTS_OF[outer[0]]}))`)
  if (lives.length > 0) {
    for (const event of await collect(store, lives.join(' or '), limit)) events.set(event['event.id'], event)
  }
  return [...events.values()].sort(byTime).slice(0, limit)
}

function byTime(a: EventDocument, b: EventDocument): number {
  return a['@timestamp'] < b['@timestamp'] ? -1 : a['@timestamp'] > b['@timestamp'] ? 1 : 0
}

/** Of an alert its evidence, and what else happened in the same tunnels; of any other event its lineage. */
async function related(store: EventStore, subject: EventDocument, limit: number): Promise<EventDocument[]> {
  const events = new Map<string, EventDocument>()
  const evidence = (subject['alert.evidence'] ?? []).slice(0, EVIDENCE_MAX)
  if (evidence.length > 0) {
    const kql = `event.id: (${evidence.join(' or ')})`
    for (const event of await collect(store, kql, EVIDENCE_MAX)) events.set(event['event.id'], event)
  }
  const tunnels = (subject['borescope.lineage'] ?? []).slice(0, 20)
  if (tunnels.length > 0) {
    for (const event of await collect(store, `borescope.lineage: (${tunnels.join(' or ')})`, limit))
      events.set(event['event.id'], event)
  }
  events.delete(subject['event.id'])
  return [...events.values()].sort(byTime).slice(0, limit)
}

async function collect(store: EventStore, kql: string, limit: number): Promise<EventDocument[]> {
  const events: EventDocument[] = []
  for await (const event of store.search({ kql, sort: [{ field: '@timestamp', descending: false }], limit }))
    events.push(event)
  return events
}

function subjectText(subject: EventDocument): string {
  if (subject['incident.state'] !== undefined) return incidentText(subject)
  return subject['event.kind'] === 'alert' ? alertText(subject) : eventText(subject)
}

function alertText(alert: EventDocument): string {
  const level = alert['rule.level'] ?? ''
  const lines = [
    `${paintLevel(level, level.toUpperCase())}  ${paint('bold', printable(alert['rule.name'] ?? ''))}`,
    `about   ${printable(alert['alert.entity'] ?? '')}`,
  ]
  const span =
    alert['event.duration'] === undefined || alert['event.duration'] === 0
      ? ''
      : ` within ${duration(alert['event.duration'])}`
  lines.push(`when    ${when(alert['@timestamp'], true)}`, `events  ${number(alert['alert.events'] ?? 1)}${span}`)
  if (alert['incident.id'] !== undefined) lines.push(`story   incident ${alert['incident.id']}`)
  const names = [...(alert['threat.technique.name'] ?? []), ...(alert['threat.technique.subtechnique.name'] ?? [])]
  if (names.length > 0) lines.push(`ATT&CK  ${techniques(alert)}  ${names.join(', ')}`)
  if (alert['rule.description'] !== undefined) lines.push('', alert['rule.description'].trim())
  return lines.join('\n')
}

function eventText(event: EventDocument): string {
  const rows = Object.entries(event).filter(([, value]) => value !== undefined)
  const wide = Math.max(...rows.map(([name]) => name.length))
  return rows
    .map(
      ([name, value]) =>
        `${paint('dim', name.padEnd(wide))}  ${printable(Array.isArray(value) ? value.join(' ') : String(value))}`,
    )
    .join('\n')
}

function timeline(events: readonly EventDocument[]): string {
  const wide = Math.max(...events.map((event) => event['event.action'].length))
  const lines: string[] = []
  let day = ''
  for (const event of events) {
    const [date, time] = when(event['@timestamp'], true).split(' ')
    if (date !== day) lines.push(paint('bold', date))
    day = date
    const where =
      event['borescope.frame.number'] === undefined ? '' : paint('dim', `  #${event['borescope.frame.number']}`)
    lines.push(`  ${paint('dim', time)}  ${action(event, wide)}  ${printable(event.message ?? '')}${where}`)
    for (const detail of details(event))
      lines.push(`  ${' '.repeat(time.length + wide + 4)}${paint('dim', printable(detail))}`)
  }
  return lines.join('\n')
}

function action(event: EventDocument, wide: number): string {
  const text = event['event.action'].padEnd(wide)
  if (event['event.kind'] === 'alert') return paintLevel(event['rule.level'] ?? '', text)
  return event['event.outcome'] === 'failure' ? paint('yellow', text) : paint('cyan', text)
}

/** What the sentence of an event leaves out and its reader asks next. */
function details(event: EventDocument): string[] {
  const lines: string[] = []
  const say = (...parts: (string | undefined)[]) => {
    const said = parts.filter((part) => part !== undefined)
    if (said.length > 0) lines.push(said.join(', '))
  }
  const of = <T>(value: T | undefined, words: (value: T) => string | undefined) =>
    value === undefined ? undefined : words(value)
  switch (event['event.action']) {
    case 'l2tp.tunnel.opened':
      say(
        of(event['l2tp.tunnel.initiator_id'], (id) => `tunnel ids ${id} and ${event['l2tp.tunnel.responder_id']}`),
        of(event['l2tp.initiator.vendor_name'], (name) => `initiator by ${name}`),
        of(event['l2tp.responder.vendor_name'], (name) => `responder by ${name}`),
        of(event['l2tp.authentication.method'], (method) => `authentication: ${method}`),
      )
      break
    case 'l2tp.session.adopted':
    case 'l2tp.session.opened':
      say(
        of(
          event['l2tp.session.initiator_id'] ?? event['l2tp.session.responder_id'],
          () =>
            `session ids ${event['l2tp.session.initiator_id'] ?? '?'} and ${event['l2tp.session.responder_id'] ?? '?'}`,
        ),
        of(event['l2tp.session.pseudowire'], (pseudowire) => `carries ${pseudowire}`),
        of(event['l2tp.session.cookie_bytes'], (length) => (length === 0 ? 'no cookie' : `cookie of ${length} bytes`)),
        of(event['l2tp.session.sublayer'], (sublayer) => `sublayer ${sublayer}`),
        of(event['l2tp.session.layout'], (layout) => `layout ${layout}`),
        of(event['l2tp.session.remote_end_id'], (end) => `circuit ${end}`),
        of(event['l2tp.call.calling_number'], (caller) => `calling number ${caller}`),
        of(event['l2tp.call.called_number'], (called) => `called number ${called}`),
      )
      break
    case 'ppp.link.opened':
      say(
        of(event['ppp.server.ip'], (address) => `server ${address}`),
        of(event['ppp.dns'], (addresses) => `DNS ${addresses.join(' ')}`),
        of(event['ppp.client.mru'], (mru) => `MRU ${mru}`),
        of(event['ppp.compression'], (names) => `compression ${names.join(' ')}`),
        of(event['ppp.mppe.bits'], (bits) => `MPPE ${bits} bit`),
      )
      break
    case 'esp.association.seen':
      say(
        of(event['esp.suite'], (suite) => `protected by ${suite}`),
        of(event['esp.mode'], (mode) => `${mode} mode`),
        of(event['esp.encapsulation'], (carrier) =>
          carrier === 'none' ? undefined : `inside ${carrier.toUpperCase()}`,
        ),
        of(event['esp.ike.child'], (child) => `made by exchange ${child} of ${event['ike.uid']}`),
        of(event['esp.adopted'], () => 'older than the capture'),
      )
      break
    case 'esp.association.closed':
      say(
        of(
          event['source.packets'],
          (packets) => `${counted(packets, 'packet')} (${number(event['source.bytes'] ?? 0)} bytes)`,
        ),
        of(event['event.duration'], (nanoseconds) => `in ${duration(nanoseconds)}`),
        of(event['esp.packets.opened'], (packets) => `${number(packets)} opened`),
        of(event['esp.packets.corrupt'], (packets) => `${number(packets)} corrupt`),
        of(event['esp.packets.lost'] || undefined, (packets) => `${number(packets)} missing`),
        of(event['esp.packets.repeated'] || undefined, (packets) => `${number(packets)} repeated`),
        of(event['esp.packets.late'] || undefined, (packets) => `${number(packets)} late`),
        of(event['esp.packets.outside_window'] || undefined, (packets) => `${number(packets)} below the window`),
        of(event['esp.packets.forged'] || undefined, (packets) => `${number(packets)} forged`),
      )
      break
    case 'esp.tunnel.closed':
    case 'l2tp.tunnel.closed':
    case 'l2tp.session.closed':
    case 'ppp.link.closed':
    case 'flow.closed':
      say(
        of(
          event['source.packets'],
          (packets) => `${counted(packets, 'packet')} (${number(event['source.bytes'] ?? 0)} bytes) sent`,
        ),
        of(
          event['destination.packets'],
          (packets) => `${counted(packets, 'packet')} (${number(event['destination.bytes'] ?? 0)} bytes) received`,
        ),
        of(event['event.duration'], (nanoseconds) => `in ${duration(nanoseconds)}`),
      )
      break
  }
  return lines
}
