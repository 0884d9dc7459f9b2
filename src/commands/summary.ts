/** What a replay found, for a person: collected from the events as they pass, bounded, and told at the end. */
import type { EventDocument } from '../events/fields.ts'
import { INCIDENT_COLUMNS } from './incident-columns.ts'
import { bytes, counted, duration, number, paint, paintLevel, table, when } from './terminal.ts'

/** Rows shown of each table. */
const SHOWN = 12
/** Rows kept of each table, unless others are asked for: what was found beyond them is only counted. */
const KEPT = 10_000

export interface SummaryBounds {
  /** The gravest ones are kept. */
  readonly alerts: number
  readonly incidents: number
  /** The first ones are. */
  readonly users: number
}

export interface User {
  readonly name: string
  readonly from: string
  method: string | undefined
  succeeded: number
  failed: number
  address: string | undefined
  last: string
}

export interface SummaryTotals {
  readonly captures: number
  /** What was listened to, if not captures. */
  readonly of?: string
  readonly packets: number
  readonly bytes: number
  readonly duplicates: number
  readonly trafficNs: number
  readonly seconds: number
}

export class Summary {
  readonly alerts: EventDocument[] = []
  /** When there are too many: none that is kept is less severe, as far as was looked. */
  #severityMin = 0
  /** As they were told last: at the end all are closed, unless the reading was stopped. */
  readonly #incidents = new Map<string, EventDocument>()
  /** When there are too many: none that is kept has less of it, as far as was looked. */
  #riskMin = 0
  /** Incidents that became a part of others. */
  #parts = 0
  readonly #bounds: SummaryBounds
  /** The largest few. */
  readonly #tunnels: EventDocument[] = []
  readonly #users = new Map<string, User>()
  readonly #actions = new Map<string, number>()
  readonly #findings = new Map<string, number>()
  readonly #flows: EventDocument[] = []
  #flowBytes = 0
  /** Of all timelines. */
  readonly #ipsec = { packets: 0, opened: 0, lost: 0 }
  /** Every alert counts, also those beyond the ones that are kept. */
  alertCount = 0
  /** The highest severity of any alert; 0 without alerts. */
  severityMax = 0

  constructor(bounds: SummaryBounds = { alerts: KEPT, incidents: KEPT, users: KEPT }) {
    this.#bounds = bounds
  }

  readonly observe = (event: EventDocument): void => {
    const action = event['event.action']
    this.#actions.set(action, this.count(action) + 1)
    switch (action) {
      case 'l2tp.tunnel.closed':
      case 'l2tp.tunnel.failed':
        keepLargest(this.#tunnels, event)
        break
      case 'ppp.authentication.succeeded':
      case 'ppp.authentication.failed':
      case 'ppp.link.opened':
        this.#observeUser(event)
        break
      case 'flow.closed':
        this.#flowBytes += event['network.bytes'] ?? 0
        keepLargest(this.#flows, event)
        break
      case 'protocol.anomaly':
      case 'capture.damaged':
        this.#find(event['anomaly.name'] ?? action, 1 + (event['anomaly.suppressed'] ?? 0))
        break
      case 'l2tp.control.unexpected':
      case 'l2tp.control.out_of_order':
      case 'l2tp.control.unknown':
        this.#find(`${action} (${event['l2tp.message.finding']})`, 1)
        break
      case 'capture.analysed':
        this.#ipsec.packets += event['capture.ipsec'] ?? 0
        this.#ipsec.opened += event['capture.opened'] ?? 0
        this.#ipsec.lost += event['capture.lost'] ?? 0
        break
      case 'incident.opened':
      case 'incident.updated':
      case 'incident.closed':
        this.#keepIncident(event)
        break
      case 'alert.raised':
        this.alertCount++
        this.severityMax = Math.max(this.severityMax, event['event.severity'] ?? 0)
        this.#keepAlert(event)
        break
    }
  }

  /** What became a part of another one is told with that. When there are too many, one with less risk makes room. */
  #keepIncident(event: EventDocument): void {
    const id = event['incident.id'] ?? ''
    if (event['incident.part_of'] !== undefined) {
      this.#incidents.delete(id)
      this.#parts++
    } else if (
      this.#incidents.size < this.#bounds.incidents ||
      this.#incidents.has(id) ||
      this.#makeRoom(riskOf(event))
    ) {
      this.#incidents.set(id, event)
    }
  }

  /** False if none that is kept has less risk. */
  #makeRoom(risk: number): boolean {
    if (risk <= this.#riskMin) return false
    const [id, least] = [...this.#incidents].reduce((a, b) => (riskOf(b[1]) < riskOf(a[1]) ? b : a))
    if (risk <= riskOf(least)) {
      this.#riskMin = riskOf(least)
      return false
    }
    return this.#incidents.delete(id)
  }

  /** The gravest first. */
  get incidents(): EventDocument[] {
    return [...this.#incidents.values()].sort((a, b) => riskOf(b) - riskOf(a))
  }

  /** When there are too many, one that is less severe makes room. */
  #keepAlert(event: EventDocument): void {
    if (this.alerts.length < this.#bounds.alerts) {
      this.alerts.push(event)
      return
    }
    const severity = event['event.severity'] ?? 0
    if (severity <= this.#severityMin) return
    const at = this.alerts.findIndex((kept) => (kept['event.severity'] ?? 0) < severity)
    if (at !== -1) this.alerts[at] = event
    else this.#severityMin = severity
  }

  #alertsBySeverity(): EventDocument[] {
    return [...this.alerts].sort((a, b) => (b['event.severity'] ?? 0) - (a['event.severity'] ?? 0))
  }

  count(action: string): number {
    return this.#actions.get(action) ?? 0
  }

  /** How many events of each name. */
  get counts(): Record<string, number> {
    return Object.fromEntries(this.#actions)
  }

  text(totals: SummaryTotals): string {
    const rate = totals.seconds > 0 ? `, ${number(Math.round(totals.packets / totals.seconds))} packets/s` : ''
    const spent =
      totals.of === undefined
        ? `analysed in ${totals.seconds.toFixed(2)} s`
        : `watched for ${duration(totals.seconds * 1e9)}`
    const parts = [
      paint(
        'bold',
        `${counted(totals.captures, totals.of ?? 'capture')}, ${counted(totals.packets, 'packet')}, ${bytes(totals.bytes)}, ${duration(totals.trafficNs)} of traffic`,
      ) + paint('dim', ` (${spent}${rate})`),
    ]
    if (totals.duplicates > 0) parts.push(paint('dim', `${counted(totals.duplicates, 'duplicate packet')} left out`))
    parts.push(
      this.#tunnelText(),
      this.#sessionText(),
      this.#ipsecText(),
      this.#neighbourText(),
      this.#userText(),
      this.#trafficText(),
      this.#findingText(),
      this.#incidentText(),
      this.#alertText(),
    )
    return parts.filter((part) => part !== '').join('\n\n')
  }

  #tunnelText(): string {
    const requested = this.count('l2tp.tunnel.requested')
    const adopted = this.count('l2tp.tunnel.adopted')
    if (requested + adopted === 0) return `${paint('bold', 'Tunnels')}  none`
    const head = `${paint('bold', 'Tunnels')}  ${number(requested)} requested, ${number(this.count('l2tp.tunnel.opened'))} opened, ${number(
      this.count('l2tp.tunnel.failed'),
    )} failed${adopted > 0 ? `, ${number(adopted)} already open when the capture began` : ''}`
    const ended = this.count('l2tp.tunnel.closed') + this.count('l2tp.tunnel.failed')
    return `${head}\n${table(TUNNEL_COLUMNS, this.#tunnels, '  ')}${more(ended, 'borescope tunnels')}`
  }

  #sessionText(): string {
    const opened = this.count('l2tp.session.opened')
    const adopted = this.count('l2tp.session.adopted')
    const requested = this.count('l2tp.session.requested')
    if (opened + adopted + requested === 0) return ''
    return `${paint('bold', 'Sessions')}  ${number(requested)} requested, ${number(opened)} opened, ${number(this.count('l2tp.session.failed'))} failed${
      adopted > 0 ? `, ${number(adopted)} already open` : ''
    }; ${counted(this.count('ppp.link.opened'), 'PPP link')} got on the network`
  }

  #ipsecText(): string {
    const associations = this.count('esp.association.seen')
    const { packets, opened, lost } = this.#ipsec
    const started = this.count('ike.exchange.started')
    const ike =
      started === 0
        ? ''
        : `${paint('bold', 'IKE')}  ${number(started)} SAs begun, ${number(this.count('ike.exchange.established'))} established, ${number(this.count('ike.exchange.failed'))} failed`
    if (associations === 0) return ike
    const pairs = this.count('esp.tunnel.opened')
    const head = `${paint('bold', 'IPsec')}  ${counted(associations, 'association')} in ${counted(pairs, 'pair')}, rekeyed ${counted(this.count('esp.tunnel.rekeyed'), 'time')}`
    const esp = `${head}; ${counted(packets, 'packet')}, ${number(opened)} opened, ${number(lost)} missing`
    return ike === '' ? esp : `${ike}\n\n${esp}`
  }

  /** The other two ways to carry PPP over a network. */
  #neighbourText(): string {
    const lines: string[] = []
    const connections = this.count('pptp.connection.closed') + this.count('pptp.connection.failed')
    const calls = this.count('pptp.call.closed') + this.count('pptp.call.failed')
    if (connections + calls > 0)
      lines.push(
        `${paint('bold', 'PPTP')}  ${counted(connections, 'control connection')}, ${counted(calls, 'call')}, ${number(this.count('pptp.call.failed'))} failed`,
      )
    const sessions = this.count('pppoe.session.closed')
    const failed = this.count('pppoe.session.failed')
    if (sessions + failed > 0)
      lines.push(`${paint('bold', 'PPPoE')}  ${counted(sessions, 'session')}, ${number(failed)} failed`)
    return lines.join('\n')
  }

  #userText(): string {
    if (this.#users.size === 0) return ''
    const users = [...this.#users.values()].sort((a, b) => b.failed - a.failed || b.succeeded - a.succeeded)
    const columns = [
      { title: 'user', value: (user: User) => user.name },
      { title: 'from', value: (user: User) => user.from },
      { title: 'method', value: (user: User) => user.method },
      {
        title: 'logged in',
        value: (user: User) => user.succeeded,
        right: true,
        paint: (user: User, text: string) => (user.succeeded > 0 ? paint('green', text) : text),
      },
      {
        title: 'refused',
        value: (user: User) => user.failed,
        right: true,
        paint: (user: User, text: string) => (user.failed > 0 ? paint('red', text) : text),
      },
      { title: 'inner address', value: (user: User) => user.address },
    ]
    return `${paint('bold', 'Users')}\n${table(columns, users.slice(0, SHOWN), '  ')}${more(users.length, 'borescope users')}`
  }

  #trafficText(): string {
    const flows = this.count('flow.closed')
    if (flows === 0) return ''
    const head = `${paint('bold', 'Traffic inside')}  ${counted(flows, 'flow')}, ${bytes(this.#flowBytes)}; the largest:`
    return `${head}\n${table(FLOW_COLUMNS, this.#flows.slice(0, 6), '  ')}`
  }

  #findingText(): string {
    if (this.#findings.size === 0) return ''
    const rows = [...this.#findings].sort((a, b) => b[1] - a[1])
    const columns = [
      { title: 'times', value: ([, times]: [string, number]) => number(times), right: true },
      { title: 'finding', value: ([name]: [string, number]) => name },
    ]
    return `${paint('bold', 'Findings')}\n${table(columns, rows.slice(0, SHOWN), '  ')}${more(rows.length, "borescope query 'event.action: protocol.anomaly' --by anomaly.name")}`
  }

  #incidentText(): string {
    const rows = this.incidents
    if (rows.length === 0) return ''
    const shown = table(INCIDENT_COLUMNS, rows.slice(0, SHOWN), '  ')
    // A sensor may go on with incidents that an earlier process opened.
    const count = Math.max(rows.length, this.count('incident.opened') - this.#parts)
    return `${paint('bold', 'Incidents')}  ${number(count)}\n${shown}${more(count, 'borescope incidents')}`
  }

  #alertText(): string {
    if (this.alertCount === 0) return `${paint('bold', 'Alerts')}  none`
    const rows = this.#alertsBySeverity()
    return `${paint('bold', 'Alerts')}  ${number(this.alertCount)}\n${table(ALERT_COLUMNS, rows.slice(0, 2 * SHOWN), '  ')}${more(this.alertCount, 'borescope alerts', 2 * SHOWN)}`
  }

  #observeUser(event: EventDocument): void {
    const name = event['user.name'] ?? '(no name)'
    const from = event['source.ip'] ?? event['source.mac'] ?? ''
    const key = `${name} ${from}`
    let user = this.#users.get(key)
    if (user === undefined) {
      if (this.#users.size >= this.#bounds.users) return
      user = { name, from, method: undefined, succeeded: 0, failed: 0, address: undefined, last: '' }
      this.#users.set(key, user)
    }
    user.method = event['ppp.authentication.method'] ?? user.method
    user.address = event['ppp.client.ip'] ?? user.address
    user.last = event['@timestamp']
    if (event['event.action'] === 'ppp.authentication.succeeded') user.succeeded++
    else if (event['event.action'] === 'ppp.authentication.failed') user.failed++
  }

  #find(name: string, times: number): void {
    this.#findings.set(name, (this.#findings.get(name) ?? 0) + times)
  }
}

/** Among the few that are shown, the largest first, if it belongs there. */
function keepLargest(kept: EventDocument[], event: EventDocument): void {
  const size = event['network.bytes'] ?? 0
  const at = kept.findIndex((one) => (one['network.bytes'] ?? 0) < size)
  if (at !== -1) kept.splice(at, 0, event)
  else if (kept.length < SHOWN) kept.push(event)
  if (kept.length > SHOWN) kept.pop()
}

function riskOf(incident: EventDocument): number {
  return incident['event.risk_score'] ?? 0
}

function more(rows: number, command: string, shown = SHOWN): string {
  return rows > shown ? `\n  ${paint('dim', `… and ${number(rows - shown)} more: ${command}`)}` : ''
}

function host(address: string | undefined, name: string | undefined): string {
  return name === undefined || name === '' ? (address ?? '') : `${address} (${name})`
}

/** Of an event about the end of a tunnel or session of any kind: its own id, not that of what is around it. */
export function ownUid(event: EventDocument): string {
  return event['borescope.lineage']?.at(-1) ?? ''
}

export const TUNNEL_COLUMNS = [
  { title: 'tunnel', value: ownUid },
  { title: 'protocol', value: (event: EventDocument) => event['network.protocol'] },
  {
    title: 'initiator',
    value: (event: EventDocument) => host(event['source.ip'], event['l2tp.initiator.host_name']),
    widthMax: 36,
  },
  {
    title: 'responder',
    value: (event: EventDocument) => host(event['destination.ip'], event['l2tp.responder.host_name']),
    widthMax: 36,
  },
  { title: 'sessions', value: (event: EventDocument) => event['l2tp.tunnel.sessions'], right: true },
  {
    title: 'bytes',
    value: (event: EventDocument) => (event['network.bytes'] === undefined ? undefined : bytes(event['network.bytes'])),
    right: true,
  },
  {
    title: 'lasted',
    value: (event: EventDocument) =>
      event['event.duration'] === undefined ? undefined : duration(event['event.duration']),
    right: true,
  },
  {
    title: 'end',
    value: (event: EventDocument) => event['event.reason'],
    paint: (event: EventDocument, text: string) =>
      event['event.action'] === 'l2tp.tunnel.failed' ? paint('yellow', text) : text,
    widthMax: 72,
  },
] as const

const FLOW_COLUMNS = [
  { title: 'user', value: (event: EventDocument) => event['user.name'] },
  { title: 'protocol', value: (event: EventDocument) => event['network.transport'] },
  { title: 'from', value: (event: EventDocument) => endpoint(event['source.ip'], event['source.port']) },
  { title: 'to', value: (event: EventDocument) => endpoint(event['destination.ip'], event['destination.port']) },
  { title: 'sent', value: (event: EventDocument) => bytes(event['source.bytes'] ?? 0), right: true },
  { title: 'received', value: (event: EventDocument) => bytes(event['destination.bytes'] ?? 0), right: true },
  { title: 'lasted', value: (event: EventDocument) => duration(event['event.duration'] ?? 0), right: true },
  { title: 'state', value: (event: EventDocument) => event['flow.tcp.state'] ?? event['event.reason'] },
] as const

export function endpoint(address: string | undefined, port: number | undefined): string {
  if (port === undefined) return address ?? ''
  return address?.includes(':') ? `[${address}]:${port}` : `${address}:${port}`
}

export const ALERT_COLUMNS = [
  {
    title: 'level',
    value: (event: EventDocument) => event['rule.level'],
    paint: (event: EventDocument, text: string) => paintLevel(event['rule.level'] ?? '', text),
  },
  { title: 'time', value: (event: EventDocument) => when(event['@timestamp']) },
  { title: 'alert', value: (event: EventDocument) => event['rule.name'] },
  { title: 'about', value: (event: EventDocument) => event['alert.entity'], widthMax: 48 },
  { title: 'events', value: (event: EventDocument) => event['alert.events'], right: true },
  { title: 'ATT&CK', value: (event: EventDocument) => techniques(event) },
] as const

/** Technique ids, the sub-techniques in place of their techniques. */
export function techniques(event: EventDocument): string {
  const subs = event['threat.technique.subtechnique.id'] ?? []
  const whole = (event['threat.technique.id'] ?? []).filter((id) => !subs.some((sub) => sub.startsWith(`${id}.`)))
  return [...whole, ...subs].sort().join(' ')
}
