/** Notifications as syslog messages (RFC 5424): header, structured data, and the message in one of several formats. */
import { clip, printable } from '../base/printable.ts'
import { type EventDocument, type FieldName, nest } from '../events/fields.ts'
import { formatCef } from './cef.ts'
import { formatLeef } from './leef.ts'
import { sentenceOf } from './wording.ts'

export const SYSLOG_FORMATS = ['rfc5424', 'json', 'cef', 'leef1', 'leef2'] as const
export type SyslogFormat = (typeof SYSLOG_FORMATS)[number]

/** RFC 5424, 6.2.1, table 1. */
export const FACILITIES = {
  kern: 0,
  user: 1,
  mail: 2,
  daemon: 3,
  auth: 4,
  syslog: 5,
  lpr: 6,
  news: 7,
  uucp: 8,
  cron: 9,
  authpriv: 10,
  ftp: 11,
  ntp: 12,
  audit: 13,
  alert: 14,
  clock: 15,
  local0: 16,
  local1: 17,
  local2: 18,
  local3: 19,
  local4: 20,
  local5: 21,
  local6: 22,
  local7: 23,
} as const

export type Facility = keyof typeof FACILITIES

export interface SyslogMessageOptions {
  readonly format: SyslogFormat
  readonly facility: Facility
  /** Of the header and the message together, in octets of UTF-8. */
  readonly maxBytes: number
}

/** RFC 5424, 6.2.1, table 2: Informational, Notice, Warning, Error, Critical. */
const SEVERITIES: Readonly<Record<string, number>> = { informational: 6, low: 5, medium: 4, high: 3, critical: 2 }

/** The number that RFC 5612 keeps for examples: Borescope has none of its own. */
const SD_ID = 'borescope@32473'

const PARAMETERS: readonly (readonly [name: string, field: FieldName])[] = [
  ['id', 'event.id'],
  ['group', 'alert.notification.group'],
  ['kind', 'alert.notification.kind'],
  ['ruleId', 'rule.id'],
  ['rule', 'rule.name'],
  ['level', 'rule.level'],
  ['entity', 'alert.entity'],
  ['alerts', 'alert.notification.alerts'],
  ['events', 'alert.events'],
  ['heldBack', 'alert.notification.held_back'],
  ['src', 'source.ip'],
  ['dst', 'destination.ip'],
  ['user', 'user.name'],
  ['tunnel', 'l2tp.tunnel.uid'],
  ['session', 'l2tp.session.uid'],
  ['technique', 'threat.technique.id'],
]
const PARAMETER_MAX = 1000
const BOM = '\ufeff'

/**
 * The whole message, no longer than `maxBytes`; null if not even the smallest form of it fits. What is too long loses its
 * end (RFC 5424, 6.1); JSON, which would be broken by that, loses fields and then parts of them.
 */
export function formatSyslog(document: EventDocument, options: SyslogMessageOptions): Buffer | null {
  const { format, maxBytes } = options
  const isOurs = format === 'rfc5424' || format === 'json'
  // Receivers of CEF and LEEF look for them right behind the header.
  let head = header(document, options.facility, isOurs ? structuredData(document, PARAMETER_MAX) : '-')
  if (Buffer.byteLength(head) > maxBytes / 2) {
    head = header(document, options.facility, isOurs ? structuredData(document, 48) : '-')
  }
  const room = maxBytes - Buffer.byteLength(head)
  if (room < 1) return null
  if (format === 'json') {
    const json = fittingJson(document, room)
    return json === null ? null : Buffer.from(head + json)
  }
  return Buffer.concat([Buffer.from(head), cutUtf8(Buffer.from(message(document, format)), room)])
}

function message(document: EventDocument, format: Exclude<SyslogFormat, 'json'>): string {
  if (format === 'cef') return formatCef(document)
  if (format === 'leef1') return formatLeef(document, '1.0')
  if (format === 'leef2') return formatLeef(document, '2.0')
  const sentence = sentenceOf(document)
  // RFC 5424, 6.4: UTF-8 begins with a BOM. Plain ASCII needs none, and older receivers show it.
  return /^[\x20-\x7e]*$/.test(sentence) ? sentence : BOM + sentence
}

/** RFC 5424, 6.2: `<PRI>1 TIMESTAMP HOSTNAME APP-NAME PROCID MSGID SD `. */
function header(document: EventDocument, facility: Facility, data: string): string {
  const priority = FACILITIES[facility] * 8 + (SEVERITIES[document['rule.level'] ?? ''] ?? SEVERITIES['medium'])
  const host = headerText(document['observer.name'] ?? '', 255)
  return `<${priority}>1 ${document['@timestamp']} ${host} borescope - ${headerText(document['event.action'], 32)} ${data} `
}

/** PRINTUSASCII without spaces; the nil value if nothing is left. */
function headerText(text: string, most: number): string {
  return text.replace(/[^\x21-\x7e]/g, '_').slice(0, most) || '-'
}

/** RFC 5424, 6.3: our parameters, and the registered `origin` (7.2). */
function structuredData(document: EventDocument, valueMax: number): string {
  const parameters: string[] = []
  for (const [name, field] of PARAMETERS) {
    const value = document[field]
    if (value === undefined || value === '') continue
    const text = Array.isArray(value) ? value.join(',') : String(value)
    parameters.push(`${name}="${parameterValue(text, valueMax)}"`)
  }
  const version = parameterValue(document['observer.version'] ?? '', 32)
  return `[${SD_ID} ${parameters.join(' ')}][origin software="Borescope" swVersion="${version}"]`
}

/** RFC 5424, 6.3.3: quotation marks, backslashes and closing brackets are escaped. */
function parameterValue(text: string, most: number): string {
  return clip(printable(text), most).replace(/["\\\]]/g, '\\$&')
}

/** Long lists and texts that one can look up by the id: these go first when a message is too long. */
const DISPENSABLE: readonly FieldName[] = [
  'alert.evidence',
  'alert.notification.ids',
  'alert.notification.examples',
  'borescope.lineage',
  'rule.description',
  'threat.technique.reference',
  'threat.technique.name',
  'threat.tactic.name',
]
const CORE: readonly FieldName[] = [
  '@timestamp',
  'message',
  'event.id',
  'event.action',
  'rule.id',
  'rule.name',
  'rule.level',
  'alert.entity',
]

function fittingJson(document: EventDocument, room: number): string | null {
  const without = Object.fromEntries(
    Object.entries(document).filter(([name]) => !DISPENSABLE.includes(name as FieldName)),
  ) as EventDocument
  const core = Object.fromEntries(CORE.map((name) => [name, document[name]])) as EventDocument
  for (const [fields, textMax] of [
    [document, 1024],
    [without, 256],
    [core, 256],
    [core, 32],
  ] as const) {
    const json = asciiJson(nest(clipped(fields, textMax)))
    if (json.length <= room) return json
  }
  return null
}

function clipped(document: EventDocument, most: number): EventDocument {
  const entries = Object.entries(document).map(([name, value]) => [
    name,
    typeof value === 'string'
      ? clip(value, most)
      : Array.isArray(value)
        ? value.map((item) => (typeof item === 'string' ? clip(item, most) : item))
        : value,
  ])
  return Object.fromEntries(entries)
}

/** JSON in ASCII alone: no receiver can take its encoding for another one, and no BOM stands before it. */
function asciiJson(value: unknown): string {
  return JSON.stringify(value).replace(
    /[\u007f-\uffff]/g,
    (unit) => `\\u${unit.charCodeAt(0).toString(16).padStart(4, '0')}`,
  )
}

/** At most that many octets, ending with a whole character. */
function cutUtf8(bytes: Buffer, most: number): Buffer {
  if (bytes.length <= most) return bytes
  let end = most
  while (end > 0 && (bytes[end] & 0xc0) === 0x80) end--
  return bytes.subarray(0, end)
}
