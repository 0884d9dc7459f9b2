/** One thing that a list says something about, in the form in which all lists are kept. */
import type { EventDocument } from '../../events/fields.ts'

/** What a value is; ECS and STIX name them so where they have a name. */
export const INDICATOR_TYPES = [
  'ip',
  'domain-name',
  'url',
  'x509-certificate',
  'x509-serial',
  'ja3',
  'ja3s',
  'ja4',
  'hassh',
  'ike-proposal',
  'vendor-id',
  'host-name',
  'user-account',
  'as',
] as const
export type IndicatorType = (typeof INDICATOR_TYPES)[number]

export const TLP = ['CLEAR', 'GREEN', 'AMBER', 'AMBER+STRICT', 'RED'] as const
export type Tlp = (typeof TLP)[number]

export interface Indicator {
  readonly type: IndicatorType
  /** An address, network or range for `ip`; lower case for names and hashes. */
  readonly value: string
  readonly description?: string
  /** From 0 to 100. */
  readonly confidence?: number
  readonly tlp?: Tlp
  /** In milliseconds since the Unix epoch. */
  readonly validUntilMs?: number
  readonly lastSeenMs?: number
  /** What else must hold of the event for the indicator to match. */
  readonly condition?: Condition
}

/** A condition on an event, as it can be written down. */
export type Condition =
  | { readonly op: 'and' | 'or'; readonly of: readonly Condition[] }
  | { readonly op: 'not'; readonly of: readonly [Condition] }
  | {
      readonly op: '=' | '!=' | '<' | '<=' | '>' | '>=' | 'in' | 'subset'
      readonly path: string
      readonly values: readonly (string | number)[]
    }

export interface Parsed {
  readonly indicators: readonly Indicator[]
  /** What was left out, and why, bounded. */
  readonly problems: readonly string[]
  /** How much was left out in all. */
  readonly leftOut: number
}

/** Collects what a parser finds; a flood of problems becomes a number. */
export class Collector {
  readonly indicators: Indicator[] = []
  readonly problems: string[] = []
  leftOut = 0

  problem(text: string): void {
    this.leftOut++
    if (this.problems.length < 100) this.problems.push(text)
  }

  get parsed(): Parsed {
    return { indicators: this.indicators, problems: this.problems, leftOut: this.leftOut }
  }
}

const HEX = (length: number) => new RegExp(`^[0-9a-f]{${length}}$`)
const SHA256 = HEX(64)
const SHA1 = HEX(40)
const MD5 = HEX(32)
const DOMAIN = /^(?=.{1,253}$)(?:[a-z0-9_](?:[a-z0-9_-]{0,61}[a-z0-9_])?\.)+[a-z0-9-]{2,63}$/
const ADDRESS = /^[0-9a-f.:/]+$/

/** The usual form of a value: without the brackets of what is written not to be clicked on, in lower case, no dot at the end. */
export function normal(type: IndicatorType, value: string): string {
  const plain = value
    .trim()
    .replaceAll('[.]', '.')
    .replaceAll('(.)', '.')
    .replaceAll('[:]', ':')
    .replace(/^hxxp/i, 'http')
  if (type === 'url' || type === 'vendor-id' || type === 'user-account') return plain
  return plain.toLowerCase().replace(/\.$/, '')
}

/** What a value without a type can only be; null if that is not clear. */
export function guessType(value: string): IndicatorType | null {
  const text = normal('domain-name', value)
  if (/^https?:\/\//.test(text)) return 'url'
  if (ADDRESS.test(text) && (text.includes(':') || /^\d+(\.\d+){3}(\/\d+)?$/.test(text))) return 'ip'
  if (/^[\d.]+\s*-\s*[\d.]+$/.test(text)) return 'ip'
  if (SHA256.test(text) || SHA1.test(text)) return 'x509-certificate'
  if (MD5.test(text)) return 'ja3'
  if (/^t\d\d[di]\d{4}[a-z0-9]{2}_[0-9a-f]{12}_[0-9a-f]{12}$/.test(text)) return 'ja4'
  return DOMAIN.test(text) ? 'domain-name' : null
}

/** Where in an event a type of indicator may stand. */
export function valuesOf(
  document: EventDocument,
  type: IndicatorType,
): readonly (readonly [field: string, value: string])[] {
  const found: [string, string][] = []
  for (const field of FIELDS[type]) {
    const value = document[field]
    if (typeof value === 'string') found.push([field, value])
    else if (typeof value === 'number') found.push([field, String(value)])
    else if (Array.isArray(value)) for (const each of value) found.push([field, String(each)])
  }
  if (type === 'url' && document['url.domain'] !== undefined) {
    const path = document['url.path'] ?? ''
    const query = document['url.query'] === undefined ? '' : `?${document['url.query']}`
    found.push(['url.original', `http://${document['url.domain']}${path}${query}`])
  }
  return found
}

const FIELDS = {
  ip: [
    'source.ip',
    'destination.ip',
    'outer.source.ip',
    'outer.destination.ip',
    'dns.resolved_ip',
    'socks.request.host',
  ],
  'domain-name': ['dns.question.name', 'tls.client.server_name', 'url.domain', 'socks.request.host'],
  url: ['url.original'],
  'x509-certificate': [
    'tls.server.hash.sha256',
    'ike.responder.certificate_sha256',
    'ike.initiator.certificate_sha256',
  ],
  'x509-serial': [
    'tls.server.x509.serial_number',
    'ike.responder.certificate_serial',
    'ike.initiator.certificate_serial',
  ],
  ja3: ['tls.client.ja3'],
  ja3s: ['tls.server.ja3s'],
  ja4: ['tls.client.ja4'],
  hassh: ['ssh.client.hassh', 'ssh.server.hassh'],
  'ike-proposal': ['ike.proposal.hash'],
  'vendor-id': ['ike.initiator.vendors', 'ike.responder.vendors'],
  'host-name': ['l2tp.initiator.host_name', 'l2tp.responder.host_name', 'pptp.client.host_name'],
  'user-account': ['user.name', 'user.effective.name'],
  as: ['source.as.number', 'destination.as.number'],
} as const satisfies Record<IndicatorType, readonly (keyof EventDocument)[]>
