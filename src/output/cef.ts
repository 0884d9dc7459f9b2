/**
 * Notifications in the Common Event Format (ArcSight: Implementing Common Event Format, version 25): a header of seven
 * fields between pipes, then `key=value` pairs between spaces.
 */
import { parseMicroseconds } from '../base/time.ts'
import { clip, printable } from '../base/printable.ts'
import type { EventDocument, FieldName } from '../events/fields.ts'
import { joined } from './wording.ts'

/** Of a Sigma level, 0 to 10: 0–3 is Low, 4–6 Medium, 7–8 High, 9–10 Very High. LEEF has the same scale, from 1. */
export const SEVERITY_OF_TEN: Readonly<Record<string, number>> = {
  informational: 1,
  low: 3,
  medium: 5,
  high: 8,
  critical: 10,
}

export const VENDOR = 'Borescope'
export const PRODUCT = 'Borescope'

type Extension = readonly [key: string, lengthMax: number, read: (document: EventDocument) => string | undefined]

const field = (key: string, name: FieldName, lengthMax: number): Extension => [
  key,
  lengthMax,
  (document) => textIn(document, name, lengthMax),
]

/** A custom text with the label that says what it is. */
const custom = (key: string, label: string, name: FieldName, lengthMax = 4000): readonly Extension[] => [
  field(key, name, lengthMax),
  [`${key}Label`, 1023, (document) => (textIn(document, name) === undefined ? undefined : label)],
]

/** `src` and `dst` hold IPv4 addresses only; the custom IPv6 addresses 2 and 3 are source and destination. */
const address = (key: string, custom6: string, label: string, name: FieldName): readonly Extension[] => [
  [key, 15, (document) => (isV6(document, name) ? undefined : textIn(document, name))],
  [custom6, 45, (document) => (isV6(document, name) ? textIn(document, name) : undefined)],
  [`${custom6}Label`, 1023, (document) => (isV6(document, name) ? label : undefined)],
]

const milliseconds = (key: string, name: '@timestamp' | 'event.start' | 'event.end'): Extension => [
  key,
  20,
  (document) => {
    const text = document[name]
    return text === undefined ? undefined : String(Math.floor(parseMicroseconds(text) / 1000))
  },
]

/** Keys and lengths of the extension dictionary. */
const EXTENSIONS: readonly Extension[] = [
  milliseconds('rt', '@timestamp'),
  milliseconds('start', 'event.start'),
  milliseconds('end', 'event.end'),
  field('externalId', 'event.id', 40),
  field('cat', 'rule.category', 1023),
  // A passive sensor does nothing but tell.
  ['act', 63, () => 'alerted'],
  field('cnt', 'alert.events', 20),
  ...address('src', 'c6a2', 'Source IPv6 Address', 'source.ip'),
  field('spt', 'source.port', 5),
  field('smac', 'source.mac', 17),
  ...address('dst', 'c6a3', 'Destination IPv6 Address', 'destination.ip'),
  field('dpt', 'destination.port', 5),
  field('proto', 'network.transport', 31),
  field('app', 'network.protocol', 31),
  field('suser', 'user.name', 1023),
  field('shost', 'l2tp.initiator.host_name', 1023),
  field('dvchost', 'observer.name', 100),
  field('reason', 'event.reason', 1023),
  ...custom('cn1', 'Alerts', 'alert.notification.alerts', 20),
  ...custom('cn2', 'Held back', 'alert.notification.held_back', 20),
  ...custom('cs1', 'Entity', 'alert.entity'),
  ...custom('cs2', 'ATT&CK techniques', 'threat.technique.id'),
  ...custom('cs3', 'ATT&CK tactics', 'threat.tactic.name'),
  ...custom('cs4', 'L2TP tunnel', 'l2tp.tunnel.uid'),
  ...custom('cs5', 'L2TP session', 'l2tp.session.uid'),
  ...custom('cs6', 'Notification group', 'alert.notification.group'),
  field('msg', 'message', 1023),
]

/** One line, whatever the fields hold. */
export function formatCef(document: EventDocument): string {
  const header = [
    VENDOR,
    PRODUCT,
    document['observer.version'] ?? '',
    document['rule.id'] ?? '',
    document['rule.name'] ?? '',
    String(SEVERITY_OF_TEN[document['rule.level'] ?? ''] ?? 5),
  ]
  const pairs: string[] = []
  for (const [key, , read] of EXTENSIONS) {
    const value = read(document)
    if (value !== undefined) pairs.push(`${key}=${escapeValue(value)}`)
  }
  return `CEF:0|${header.map(escapeHeader).join('|')}|${pairs.join(' ')}`
}

/** Pipes and backslashes are escaped in the header, equal signs are not. */
function escapeHeader(text: string): string {
  return clip(printable(text), 512).replace(/[\\|]/g, '\\$&')
}

/** Backslashes, equal signs and line breaks are escaped in values, pipes are not. */
function escapeValue(text: string): string {
  return text
    .replace(/[^\r\n]+/g, printable)
    .replace(/[\\=]/g, '\\$&')
    .replaceAll('\n', '\\n')
    .replaceAll('\r', '\\r')
}

function textIn(document: EventDocument, name: FieldName, lengthMax = 4000): string | undefined {
  const text = joined(document, name)
  return text === undefined ? undefined : clip(text, lengthMax)
}

function isV6(document: EventDocument, name: FieldName): boolean {
  return String(document[name] ?? '').includes(':')
}
