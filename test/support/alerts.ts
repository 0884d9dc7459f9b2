/** Alerts and notifications as the bus and the router give them. */
import { isoMicroseconds } from '../../src/base/time.ts'
import type { EventDocument } from '../../src/events/fields.ts'
import { AlertRouter, type CalmOptions } from '../../src/output/alert-router.ts'

export const START_US = Date.UTC(2026, 0, 31, 12) * 1000

export interface AlertShape {
  /** Seconds after START_US. */
  readonly at?: number
  readonly rule?: string
  readonly entity?: string
  readonly level?: 'informational' | 'low' | 'medium' | 'high' | 'critical'
  readonly events?: number
  readonly fields?: Partial<EventDocument>
}

const SEVERITIES = { informational: 10, low: 21, medium: 47, high: 73, critical: 99 }

let made = 0

export function alert({
  at = 0,
  rule = 'Password guessing',
  entity = 'alice',
  level = 'high',
  events = 12,
  fields = {},
}: AlertShape = {}): EventDocument {
  made++
  return {
    '@timestamp': isoMicroseconds(START_US + at * 1e6),
    'event.id': `a${String(made).padStart(19, '0')}`,
    'event.action': 'alert.raised',
    'event.kind': 'alert',
    'event.dataset': 'borescope.alerts',
    message: `${rule}: ${entity} (${events} events)`,
    'event.severity': SEVERITIES[level],
    'event.start': isoMicroseconds(START_US + (at - 10) * 1e6),
    'event.end': isoMicroseconds(START_US + at * 1e6),
    'rule.id': `id of ${rule}`,
    'rule.name': rule,
    'rule.level': level,
    'alert.entity': entity,
    'alert.events': events,
    'alert.evidence': [`e${made}`],
    ...fields,
  }
}

/** Everything that an alert of the sensor may hold, with ids that are the same in every run. */
export const FULL_ALERT: EventDocument = alert({
  fields: {
    'event.id': '5d41402abc4b2a76b971',
    'alert.evidence': ['7d793037a0760186574b', '9e107d9d372bb6826bd8'],
    'observer.name': 'lns-frankfurt',
    'observer.product': 'Borescope',
    'observer.version': '1.2.3',
    'rule.id': '2f1d6f5e-3c1a-4f0b-9f43-0d6f3f7b6a10',
    'rule.description': 'Many refused log-ins of one user from one address.',
    'rule.reference': 'https://attack.mitre.org/techniques/T1110/',
    'rule.category': 'credentials',
    'event.risk_score': 73,
    'threat.framework': 'MITRE ATT&CK',
    'threat.tactic.id': ['TA0006'],
    'threat.tactic.name': ['Credential Access'],
    'threat.technique.id': ['T1110'],
    'threat.technique.name': ['Brute Force'],
    'source.ip': '203.0.113.7',
    'source.port': 1701,
    'destination.ip': '198.51.100.1',
    'destination.port': 1701,
    'network.type': 'ipv4',
    'network.transport': 'udp',
    'network.protocol': 'ppp',
    'user.name': 'alice',
    'l2tp.tunnel.uid': 't-81dc9bdb52d04dc2',
    'l2tp.session.uid': 's-0036dbd8313ed055',
    'l2tp.initiator.host_name': 'lac1.example.net',
    'borescope.lineage': ['t-81dc9bdb52d04dc2', 's-0036dbd8313ed055'],
  },
})

/** What an attacker can put into a name: every way to end a field, a line, a header, a text. */
export const HOSTILE = [
  'new\nline',
  'carriage\r\nSubject: injected',
  'pipe|equals=back\\slash',
  'quote"bracket]tab\there',
  '<script>alert(1)</script> & <!channel>',
  "{{rule.name}} ' OR 1=1",
  '\u001b[31mred\u202egnp.exe\u0000',
  'emoji 😀 and ümlaut',
  'lone \ud83d surrogate',
  '*bold* _under_ [link](http://evil.example)',
  'CEF:0|x|x|x|1|forged|10|',
  '17 <14>1 - - - - - forged',
  'end\\',
  'x'.repeat(100_000),
] as const

/** An alert with that text wherever the network can put one. */
export function hostileAlert(text: string): EventDocument {
  return {
    ...FULL_ALERT,
    message: `Password guessing: ${text} (12 events)`,
    'user.name': text,
    'alert.entity': text,
    'l2tp.initiator.host_name': text,
    'observer.name': text,
    'rule.name': `Rule ${text}`,
    'event.reason': text,
  }
}

export const AT_ONCE: CalmOptions = {
  deduplicateUs: 0,
  throttle: null,
  group: null,
  groupsMax: 1000,
  groupsBytesMax: 1e9,
}

/** The notifications of these alerts, as the router makes them. */
export function notificationsOf(alerts: readonly EventDocument[], calm: CalmOptions = AT_ONCE): EventDocument[] {
  const notifications: EventDocument[] = []
  const router = new AlertRouter([{ matches: () => true, sinks: ['sink'], goesOn: false, calm }], (_, notification) =>
    notifications.push(notification),
  )
  for (const document of alerts) router.observe(document)
  router.end()
  return notifications
}

export function notificationOf(document: EventDocument): EventDocument {
  return notificationsOf([document])[0]
}
