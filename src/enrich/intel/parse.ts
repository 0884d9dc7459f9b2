/** Reads lists of indicators in the formats that are in use, and recognises which one a text is. */
import { parse as parseCsv } from 'csv-parse/sync'
import { networkRange } from '../../base/ip-number.ts'
import { lookups } from './condition.ts'
import { Collector, guessType, type Indicator, type IndicatorType, normal, type Parsed, type Tlp } from './indicator.ts'
import { PatternError, parsePattern } from './stix-pattern.ts'

export const FORMATS = ['plain', 'csv', 'stix', 'misp'] as const
export type Format = (typeof FORMATS)[number]

/** The list is in none of the formats. */
export class IntelError extends Error {
  override readonly name = 'IntelError'
}

/** Three columns, or two that are no comment. */
const HEADER = /^[#\s]*"?[\w ]+"?\s*(,|;)\s*"?[\w ]+"?\s*(,|;)|^"?[\w ]+"?\s*(,|;)\s*"?[\w ]+"?\s*$/

/** What a text is: JSON of STIX or MISP, CSV with a header, or one value a line. */
export function formatOf(text: string): Format {
  const start = text.slice(0, 4096).trimStart()
  if (start.startsWith('{') || start.startsWith('['))
    return /"(?:Event|Attribute)"\s*:/.test(text.slice(0, 65_536)) ? 'misp' : 'stix'
  const header = text.split('\n', 50).find((line) => HEADER.test(line))
  return header !== undefined && columnsOf(header) !== null ? 'csv' : 'plain'
}

/**
 * The indicators of a text.
 *
 * @throws {IntelError} if it cannot be read at all
 */
export function parseIndicators(text: string, format: Format = formatOf(text)): Parsed {
  const collector = new Collector()
  switch (format) {
    case 'plain':
      readPlain(text, collector)
      break
    case 'csv':
      readCsv(text, collector)
      break
    case 'stix':
      readStix(json(text, 'STIX'), collector)
      break
    case 'misp':
      readMisp(json(text, 'MISP'), collector)
  }
  return collector.parsed
}

function json(text: string, what: string): unknown {
  try {
    return JSON.parse(text)
  } catch (error) {
    throw new IntelError(`no JSON of ${what}: ${error instanceof Error ? error.message : error}`)
  }
}

// --- plain lists

/** One value a line; what follows `#` or `;` is a comment. Spamhaus puts the number of the listing there. */
function readPlain(text: string, collector: Collector): void {
  for (const [index, line] of text.split('\n').entries()) {
    const [, body = '', comment] = /^([^#;]*)(?:[#;]\s*(.*))?/.exec(line.trim()) ?? []
    // A hosts file has the address to which the name is sent before it.
    const value = body.trim().replace(/^(?:0\.0\.0\.0|127\.0\.0\.1)\s+(?=\S)/, '')
    if (value === '') continue
    const type = guessType(value)
    if (type === null)
      collector.problem(`line ${index + 1}: "${value.slice(0, 80)}" is neither address, network, name, URL nor hash`)
    else add(collector, { type, value, ...(comment ? { description: comment.trim() } : {}) }, `line ${index + 1}`)
  }
}

function add(collector: Collector, indicator: Indicator, where: string): void {
  const value = normal(indicator.type, indicator.value)
  if (indicator.type === 'ip' && networkRange(value) === null) {
    collector.problem(`${where}: "${value.slice(0, 80)}" is no address or network`)
    return
  }
  collector.indicators.push({ ...indicator, value })
}

// --- CSV

const VALUE_COLUMNS: Readonly<Record<string, IndicatorType | null>> = {
  dst_ip: 'ip',
  dstip: 'ip',
  ip: 'ip',
  ip_address: 'ip',
  network: 'ip',
  domain: 'domain-name',
  host: 'domain-name',
  hostname: 'domain-name',
  url: 'url',
  ja3_md5: 'ja3',
  ja3: 'ja3',
  ja4: 'ja4',
  sha1: 'x509-certificate',
  sha256: 'x509-certificate',
  ioc_value: null,
  indicator: null,
  value: null,
}

/** The type by which ThreatFox and its kin call a value. */
const IOC_TYPES: Readonly<Record<string, IndicatorType>> = {
  'ip:port': 'ip',
  ip: 'ip',
  ipv4: 'ip',
  ipv6: 'ip',
  domain: 'domain-name',
  hostname: 'domain-name',
  url: 'url',
  ja3: 'ja3',
  ja3_fingerprint: 'ja3',
  sha1_hash_certificate: 'x509-certificate',
}

function columnsOf(line: string): string[] | null {
  const separator = line.includes(';') && !line.includes(',') ? ';' : ','
  const columns = line
    .replace(/^[#\s]+/, '')
    .split(separator)
    .map((column) => column.trim().replace(/^"|"$/g, '').toLowerCase().replaceAll(' ', '_'))
  return columns.some((column) => Object.hasOwn(VALUE_COLUMNS, column)) ? columns : null
}

function readCsv(text: string, collector: Collector): void {
  const lines = text.split('\n')
  const at = lines.findIndex((line) => /[,;]/.test(line) && columnsOf(line) !== null)
  const columns = at === -1 ? null : columnsOf(lines[at])
  if (columns === null) {
    throw new IntelError(`no column is known; expected one of ${Object.keys(VALUE_COLUMNS).join(', ')}`)
  }
  const body = lines.slice(at + 1).filter((line) => !line.trimStart().startsWith('#'))
  const rows = parseCsv(body.join('\n'), {
    delimiter: lines[at].includes(';') && !lines[at].includes(',') ? ';' : ',',
    relax_column_count: true,
    relax_quotes: true,
    skip_empty_lines: true,
    skip_records_with_error: true,
    on_skip(error) {
      collector.problem(`entry ${Number(error?.['records']) + 1}: ${error?.message}`)
      return undefined
    },
    trim: true,
  }) as string[][]
  for (const [index, row] of rows.entries()) readRow(columns, row, `entry ${index + 1}`, collector)
}

function readRow(columns: readonly string[], row: readonly string[], where: string, collector: Collector): void {
  const cell = (...names: string[]) => {
    for (const name of names) {
      const value = row[columns.indexOf(name)]
      if (columns.includes(name) && value !== undefined && value !== '' && value !== 'None') return value
    }
    return undefined
  }
  const confidence = Number(cell('confidence_level', 'confidence', 'score') ?? Number.NaN)
  const said = cell('malware_printable', 'malware', 'threat', 'listingreason', 'description', 'tags', 'reason')
  const about = {
    ...(said === undefined ? {} : { description: said }),
    ...(Number.isFinite(confidence) ? { confidence } : {}),
    ...time(
      'lastSeenMs',
      cell('last_seen_utc', 'last_online', 'last_seen', 'lastseen', 'first_seen_utc', 'firstseen', 'dateadded'),
    ),
    ...time('validUntilMs', cell('valid_until', 'expires')),
  }
  let found = false
  for (const [column, fixed] of Object.entries(VALUE_COLUMNS)) {
    const value = cell(column)
    if (value === undefined) continue
    const named = cell('ioc_type', 'type', 'indicator_type')
    const type = fixed ?? IOC_TYPES[named ?? ''] ?? guessType(value)
    if (type === null) continue
    // ThreatFox writes address and port as one.
    add(collector, { ...about, type, value: named === 'ip:port' ? value.replace(/:\d+$/, '') : value }, where)
    found = true
    break
  }
  if (!found) collector.problem(`${where}: nothing in it can be looked for`)
}

function time<K extends string>(key: K, text: string | undefined): { readonly [P in K]?: number } {
  if (text === undefined) return {}
  const ms = Date.parse(/^\d{4}-\d\d-\d\d \d/.test(text) ? `${text.replace(' UTC', '').replace(' ', 'T')}Z` : text)
  return (Number.isNaN(ms) ? {} : { [key]: ms }) as { readonly [P in K]?: number }
}

// --- STIX 2.1

type Json = Readonly<Record<string, unknown>>

/** The markings of the Traffic Light Protocol, version 1 and 2, that STIX predefines. */
const TLP_MARKINGS: Readonly<Record<string, Tlp>> = {
  'marking-definition--613f2e26-407d-48c7-9eca-b8e91df99dc9': 'CLEAR',
  'marking-definition--34098fce-860f-48ae-8e50-ebd3cc5e41da': 'GREEN',
  'marking-definition--f88d31f6-486f-44da-b317-01333bde0b82': 'AMBER',
  'marking-definition--5e57c739-391a-4eb3-b6be-7d15ca92d5ed': 'RED',
  'marking-definition--94868c89-83c2-464b-929b-a1a8aa3c8487': 'CLEAR',
  'marking-definition--bab4a63c-aed9-4cf5-a766-dfca5abac2bb': 'GREEN',
  'marking-definition--55d920b0-5e8b-4f79-9ee9-91f868d9b421': 'AMBER',
  'marking-definition--939a9414-2ddd-4d32-a0cd-375ea402b003': 'AMBER+STRICT',
  'marking-definition--e828b379-4e03-4974-9ac4-e53a884c97c1': 'RED',
}

/** A bundle, an envelope of TAXII, or a list of objects. */
function readStix(root: unknown, collector: Collector): void {
  const objects = Array.isArray(root) ? root : (root as { objects?: unknown } | null)?.objects
  if (!Array.isArray(objects)) throw new IntelError('neither a bundle nor a list of STIX objects')
  for (const object of objects as readonly Json[])
    if (object?.['type'] === 'indicator') readIndicator(object, collector)
}

function readIndicator(object: Json, collector: Collector): void {
  const { id = 'an indicator', revoked, pattern, pattern_type: type = 'stix' } = object
  if (revoked === true) return
  if (type !== 'stix' || typeof pattern !== 'string') {
    collector.problem(`${id}: ${type === 'stix' ? 'has no pattern' : `patterns of type ${type} are not evaluated`}`)
    return
  }
  try {
    const found = lookups(parsePattern(pattern), aboutStix(object))
    if (found === null) collector.problem(`${id}: holds nothing that can be looked for`)
    for (const indicator of found ?? []) add(collector, indicator, String(id))
  } catch (error) {
    if (!(error instanceof PatternError)) throw error
    collector.problem(`${id}: ${error.message}`)
  }
}

function aboutStix(object: Json): Omit<Indicator, 'type' | 'value'> {
  const { name, description, confidence, labels, object_marking_refs: refs } = object as Record<string, unknown>
  const says =
    [name, description].find((text) => typeof text === 'string' && text !== '') ??
    (labels as string[] | undefined)?.join(', ')
  const tlp = (Array.isArray(refs) ? refs : [])
    .map((ref) => TLP_MARKINGS[String(ref)])
    .find((each) => each !== undefined)
  return {
    ...(typeof says === 'string' ? { description: says } : {}),
    ...(typeof confidence === 'number' ? { confidence } : {}),
    ...(tlp === undefined ? {} : { tlp }),
    ...time('validUntilMs', typeof object['valid_until'] === 'string' ? object['valid_until'] : undefined),
    ...time('lastSeenMs', typeof object['modified'] === 'string' ? object['modified'] : undefined),
  }
}

// --- MISP

const MISP_TYPES: Readonly<Record<string, IndicatorType>> = {
  'ip-src': 'ip',
  'ip-dst': 'ip',
  'ip-src|port': 'ip',
  'ip-dst|port': 'ip',
  domain: 'domain-name',
  hostname: 'domain-name',
  'domain|ip': 'domain-name',
  'hostname|port': 'domain-name',
  url: 'url',
  'ja3-fingerprint-md5': 'ja3',
  'hassh-md5': 'hassh',
  'hasshserver-md5': 'hassh',
  'x509-fingerprint-sha1': 'x509-certificate',
  'x509-fingerprint-sha256': 'x509-certificate',
  AS: 'as',
}

/** An event, or a list of events: attributes and those of objects that are meant for detection (`to_ids`). */
function readMisp(root: unknown, collector: Collector): void {
  const events = Array.isArray(root) ? root : ((root as Json)['response'] ?? [root])
  if (!Array.isArray(events)) throw new IntelError('no event of MISP')
  for (const wrapped of events as readonly Json[]) {
    const event = (wrapped?.['Event'] ?? wrapped) as Json
    const objects = (event['Object'] ?? []) as readonly Json[]
    const attributes = [event, ...objects].flatMap((each) => (each['Attribute'] ?? []) as readonly Json[])
    for (const attribute of attributes) readAttribute(event, attribute, collector)
  }
}

function readAttribute(event: Json, attribute: Json, collector: Collector): void {
  const type = MISP_TYPES[String(attribute['type'])]
  if (attribute['to_ids'] !== true || attribute['deleted'] === true || type === undefined) return
  const tags = [event['Tag'], attribute['Tag']].flat() as readonly (Json | undefined)[]
  const tlp = tags.map((tag) => tlpOf(String(tag?.['name'] ?? ''))).find((each) => each !== undefined)
  const [value] = String(attribute['value']).split('|')
  const seconds = Number(attribute['timestamp'])
  const says = [attribute['comment'], event['info']].find((text) => typeof text === 'string' && text !== '')
  add(
    collector,
    {
      type,
      value: type === 'as' ? value.replace(/^AS/i, '') : value,
      ...(typeof says === 'string' ? { description: says } : {}),
      ...(tlp === undefined ? {} : { tlp }),
      ...(seconds > 0 ? { lastSeenMs: seconds * 1000 } : {}),
    },
    `attribute ${attribute['uuid'] ?? value}`,
  )
}

function tlpOf(tag: string): Tlp | undefined {
  const match = /^tlp:(clear|white|green|amber\+strict|amber|red)$/i.exec(tag)
  if (match === null) return undefined
  const name = match[1].toUpperCase()
  return name === 'WHITE' ? 'CLEAR' : (name as Tlp)
}
