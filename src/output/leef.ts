/**
 * Notifications in the Log Event Extended Format of IBM QRadar, versions 1.0 and 2.0: a header between pipes, then
 * `key=value` pairs between tabs. LEEF has no escape: what would end a field is not left in one. A parser takes the first
 * equal sign of a pair.
 */
import { clip, printable } from '../base/printable.ts'
import type { EventDocument, FieldName } from '../events/fields.ts'
import { PRODUCT, SEVERITY_OF_TEN, VENDOR } from './cef.ts'
import { textOf } from './wording.ts'

/** Predefined keys of LEEF first, then our own. */
const ATTRIBUTES: readonly (readonly [key: string, field: FieldName])[] = [
  ['cat', 'rule.category'],
  ['src', 'source.ip'],
  ['srcPort', 'source.port'],
  ['srcMAC', 'source.mac'],
  ['dst', 'destination.ip'],
  ['dstPort', 'destination.port'],
  ['proto', 'network.transport'],
  ['usrName', 'user.name'],
  ['identHostName', 'l2tp.initiator.host_name'],
  ['policy', 'rule.name'],
  ['externalId', 'event.id'],
  ['application', 'network.protocol'],
  ['entity', 'alert.entity'],
  ['alerts', 'alert.notification.alerts'],
  ['events', 'alert.events'],
  ['heldBack', 'alert.notification.held_back'],
  ['firstSeen', 'event.start'],
  ['lastSeen', 'event.end'],
  ['techniques', 'threat.technique.id'],
  ['tactics', 'threat.tactic.name'],
  ['tunnel', 'l2tp.tunnel.uid'],
  ['session', 'l2tp.session.uid'],
  ['sensor', 'observer.name'],
  ['msg', 'message'],
]

/** With milliseconds: more digits than the pattern of Java's SimpleDateFormat says would be read as that many milliseconds. */
const TIME_PATTERN = "yyyy-MM-dd'T'HH:mm:ss.SSSX"

/** One line, whatever the fields hold. In 2.0 the delimiter is told in the header: the tab, as a number. */
export function formatLeef(document: EventDocument, version: '1.0' | '2.0'): string {
  const header = [
    `LEEF:${version}`,
    VENDOR,
    PRODUCT,
    headerText(document['observer.version'] ?? ''),
    headerText(document['rule.id'] ?? ''),
  ]
  if (version === '2.0') header.push('x09')
  const pairs = [
    `devTime=${document['@timestamp'].slice(0, 23)}Z`,
    `devTimeFormat=${TIME_PATTERN}`,
    `sev=${SEVERITY_OF_TEN[document['rule.level'] ?? ''] ?? 5}`,
  ]
  for (const [key, field] of ATTRIBUTES) {
    const value = textOf(document, field)
    if (value !== undefined) pairs.push(`${key}=${value}`)
  }
  return `${header.join('|')}|${pairs.join('\t')}`
}

function headerText(text: string): string {
  return clip(printable(text), 512).replaceAll('|', '/')
}
