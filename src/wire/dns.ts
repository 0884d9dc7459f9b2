/**
 * DNS messages (RFC 1035 section 4) with EDNS(0) (RFC 6891), as mDNS (RFC 6762) and LLMNR (RFC 4795) send them too.
 *
 * Over TCP two octets of length stand before each message (RFC 1035 section 4.2.2). Names are decompressed under one rule
 * that makes loops impossible: a pointer leads to before where the labels that it ends began.
 */
import { addressText } from '../base/address.ts'
import { hex, NO_BYTES, text, u16, u32 } from '../base/bytes.ts'
import {
  DNS_CLASSES,
  DNS_OPCODES,
  DNS_OPTIONS,
  DNS_RESPONSE_CODES,
  DNS_SERVICE_PARAMETERS,
  DNS_TYPE,
  DNS_TYPES,
  SECOND_LEVEL_REGISTRIES,
} from './dns-tables.ts'
import type { Mutable } from './mutable.ts'

export const DNS_PORT = 53
export const MDNS_PORT = 5353
export const LLMNR_PORT = 5355
/** Octets of length before a message over TCP. */
export const DNS_TCP_PREFIX = 2

const HEADER_LENGTH = 12
const NAME_LENGTH_MAX = 255
const QUESTIONS_MAX = 16
const RECORDS_MAX = 64
const ITEMS_MAX = 32
const SHOWN_OCTETS_MAX = 64

/**
 * `dns.truncated`: the message ends inside its header, a question or a record. `dns.name_pointer`: a compressed name leads
 * forward, to itself or into the header. `dns.name_length`: more than 255 octets. `dns.label_type`: neither label nor pointer.
 * `dns.record_data`: the data of a record is not what its type promises.
 */
export type DnsFlaw = 'dns.truncated' | 'dns.name_pointer' | 'dns.name_length' | 'dns.label_type' | 'dns.record_data'

/** A reusable window on the header of one message. */
export class DnsView {
  bytes: Uint8Array = NO_BYTES
  start = 0
  /** The end of the captured octets. */
  end = 0
  /** The end of the message on the wire. */
  wireEnd = 0
  id = 0
  flags = 0
  isResponse = false
  opcode = 0
  /** The four bits of the header. */
  responseCode = 0
  questions = 0
  answers = 0
  authorities = 0
  additionals = 0

  decode(bytes: Uint8Array, start: number, end: number, wireEnd: number = end): DnsFlaw | null {
    if (end - start < HEADER_LENGTH) return 'dns.truncated'
    this.bytes = bytes
    this.start = start
    this.end = end
    this.wireEnd = wireEnd
    this.id = u16(bytes, start)
    const flags = u16(bytes, start + 2)
    this.flags = flags
    this.isResponse = (flags & 0x8000) !== 0
    this.opcode = (flags >> 11) & 0x0f
    this.responseCode = flags & 0x0f
    this.questions = u16(bytes, start + 4)
    this.answers = u16(bytes, start + 6)
    this.authorities = u16(bytes, start + 8)
    this.additionals = u16(bytes, start + 10)
    return null
  }

  get bodyStart(): number {
    return this.start + HEADER_LENGTH
  }
}

/** A reusable reading of one name. After a flaw nothing of it means anything. */
export class DnsName {
  /** Where the octets after the name begin. */
  next = 0
  /** Octets of the labels and the dots between them; 0 for the root. */
  length = 0
  labels = 0
  longestLabel = 0

  /** `start` is where the message begins, `at` where the name does. */
  decode(bytes: Uint8Array, start: number, at: number, end: number): DnsFlaw | null {
    let encoded = 1
    let runStart = at
    let isFollowed = false
    this.labels = 0
    this.longestLabel = 0
    for (let here = at; ; ) {
      if (here >= end) return 'dns.truncated'
      const octet = bytes[here]
      if (octet === 0) {
        if (!isFollowed) this.next = here + 1
        this.length = Math.max(0, encoded - 2)
        return null
      }
      if (octet >= 0xc0) {
        if (here + 1 >= end) return 'dns.truncated'
        if (!isFollowed) this.next = here + 2
        isFollowed = true
        here = start + (u16(bytes, here) & 0x3fff)
        if (here >= runStart || here < start + HEADER_LENGTH) return 'dns.name_pointer'
        runStart = here
        continue
      }
      if (octet > 63) return 'dns.label_type'
      encoded += octet + 1
      if (encoded > NAME_LENGTH_MAX) return 'dns.name_length'
      if (here + 1 + octet > end) return 'dns.truncated'
      this.labels++
      if (octet > this.longestLabel) this.longestLabel = octet
      here += 1 + octet
    }
  }
}

/** A name that `DnsName.decode` accepted, with dots between its labels; the root is ''. What is not printable is written \DDD. */
export function nameText(bytes: Uint8Array, start: number, at: number): string {
  let name = ''
  for (let here = at; bytes[here] !== 0; ) {
    const octet = bytes[here]
    if (octet >= 0xc0) {
      here = start + (u16(bytes, here) & 0x3fff)
      continue
    }
    if (name !== '') name += '.'
    for (let i = here + 1; i <= here + octet; i++) name += labelCharacter(bytes[i])
    here += 1 + octet
  }
  return name
}

/** RFC 4343 section 2.1: a dot or a backslash inside a label, and octets without a glyph. */
function labelCharacter(octet: number): string {
  if (octet === 0x2e || octet === 0x5c || octet === 0x22) return `\\${String.fromCharCode(octet)}`
  return octet >= 0x20 && octet < 0x7f ? String.fromCharCode(octet) : `\\${String(octet).padStart(3, '0')}`
}

export const DNS_SECTIONS = ['answer', 'authority', 'additional'] as const
export type DnsSection = (typeof DNS_SECTIONS)[number]

/** Walks the questions and then the records of one message: `while (c.nextQuestion())`, `while (c.nextRecord())`, then `c.flaw`. */
export class DnsCursor {
  readonly name = new DnsName()
  nameAt = 0
  type = 0
  class = 0
  ttl = 0
  section: DnsSection = 'answer'
  dataStart = 0
  dataEnd = 0
  flaw: DnsFlaw | null = null
  /** Where the next item begins. */
  at = 0
  #view = new DnsView()
  #questions = 0
  #records = 0

  over(view: DnsView): this {
    this.#view = view
    this.at = view.bodyStart
    this.flaw = null
    this.#questions = 0
    this.#records = 0
    return this
  }

  nextQuestion(): boolean {
    if (this.flaw !== null || this.#questions === this.#view.questions) return false
    const { bytes } = this.#view
    if (!this.#readName() || this.#isShort(this.name.next, 4)) return false
    this.#questions++
    this.type = u16(bytes, this.name.next)
    this.class = u16(bytes, this.name.next + 2)
    this.at = this.name.next + 4
    return true
  }

  nextRecord(): boolean {
    const { bytes, answers, authorities, additionals } = this.#view
    if (this.flaw !== null || this.#records === answers + authorities + additionals) return false
    if (!this.#readName() || this.#isShort(this.name.next, 10)) return false
    const fixed = this.name.next
    const dataLength = u16(bytes, fixed + 8)
    if (this.#isShort(fixed + 10, dataLength)) return false
    const index = this.#records++
    this.section = index < answers ? 'answer' : index < answers + authorities ? 'authority' : 'additional'
    this.type = u16(bytes, fixed)
    this.class = u16(bytes, fixed + 2)
    this.ttl = u32(bytes, fixed + 4)
    this.dataStart = fixed + 10
    this.dataEnd = this.dataStart + dataLength
    this.at = this.dataEnd
    return true
  }

  #readName(): boolean {
    const { bytes, start, end } = this.#view
    this.nameAt = this.at
    this.flaw = this.name.decode(bytes, start, this.at, end)
    return this.flaw === null
  }

  #isShort(at: number, length: number): boolean {
    if (this.#view.end - at >= length) return false
    this.flaw = 'dns.truncated'
    return true
  }
}

const probe = new DnsView()
const probeCursor = new DnsCursor()

/**
 * Whether octets on a port that is not DNS's read as DNS: a header without reserved bits, one question of a known type and
 * class whose name has labels, and records that fit.
 */
export function looksLikeDns(bytes: Uint8Array, start: number, end: number): boolean {
  if (probe.decode(bytes, start, end) !== null) return false
  if ((probe.flags & 0x0040) !== 0 || probe.opcode !== 0 || probe.questions !== 1) return false
  if (!probe.isResponse && (probe.answers !== 0 || probe.responseCode !== 0)) return false
  const cursor = probeCursor.over(probe)
  if (!cursor.nextQuestion() || cursor.name.labels === 0) return false
  if (DNS_TYPES[cursor.type] === undefined || (cursor.class !== 1 && cursor.class !== 255)) return false
  for (let i = 0; i < RECORDS_MAX && cursor.nextRecord(); i++);
  return cursor.flaw === null
}

// ---------------------------------------------------------------------------------------------------------- description

export interface DnsQuestion {
  readonly name: string
  readonly type: number
  readonly typeName: string
  readonly class: number
  readonly className: string
}

/** A record; what its data holds is under the names that its type gives. `data` is how people write it. */
export interface DnsRecord extends DnsQuestion {
  readonly section: DnsSection
  readonly ttl: number
  readonly dataLength: number
  readonly data?: string
  readonly address?: string
  readonly target?: string
  readonly preference?: number
  readonly texts?: readonly string[]
  readonly priority?: number
  readonly weight?: number
  readonly port?: number
  readonly primary?: string
  readonly mailbox?: string
  readonly serial?: number
  readonly refresh?: number
  readonly retry?: number
  readonly expire?: number
  readonly minimum?: number
  readonly parameters?: readonly DnsParameter[]
  readonly flaw?: DnsFlaw
}

interface DnsParameter {
  readonly key: number
  readonly name: string
  readonly value: string
}

interface Edns {
  readonly udpSize: number
  readonly version: number
  readonly isDnssecOk: boolean
  readonly options: readonly { readonly code: number; readonly name: string; readonly length: number }[]
}

/** What the search for tunnels in DNS counts. Lengths in octets. */
export interface DnsMeasures {
  /** Of the first question's name, with its dots. */
  readonly queryLength: number
  readonly labels: number
  readonly longestLabel: number
  /** The part that somebody registered, as far as that can be told from the name. */
  readonly registeredDomain: string
  /** What stands before the registered domain. */
  readonly subdomainLength: number
  /** Data of all answers. */
  readonly answerLength: number
  readonly messageLength: number
}

export interface DnsDescription {
  readonly id: number
  readonly isResponse: boolean
  readonly opcode: number
  readonly opcodeName: string
  /** Header flags that are set, by their usual names: AA, TC, RD, RA, AD, CD, and DO of EDNS. */
  readonly flags: readonly string[]
  /** With the upper bits that EDNS adds. */
  readonly responseCode: number
  readonly responseCodeName: string
  /** As the header counts them. */
  readonly questionCount: number
  readonly answerCount: number
  readonly authorityCount: number
  readonly additionalCount: number
  readonly questions: readonly DnsQuestion[]
  readonly records: readonly DnsRecord[]
  readonly edns?: Edns
  readonly measures: DnsMeasures
  readonly flaw?: DnsFlaw
  /** The capture cut the message. */
  readonly isSnapped?: true
  readonly findings: readonly string[]
}

const FLAGS: readonly (readonly [bit: number, name: string])[] = [
  [0x0400, 'AA'],
  [0x0200, 'TC'],
  [0x0100, 'RD'],
  [0x0080, 'RA'],
  [0x0020, 'AD'],
  [0x0010, 'CD'],
]

const cursor = new DnsCursor()

/** Copies a message out of the buffer. What stands before the first flaw is kept. */
export function describeDns(view: DnsView): DnsDescription {
  const { flags, opcode, start, wireEnd, end } = view
  const questions: DnsQuestion[] = []
  const records: DnsRecord[] = []
  const findings: string[] = []
  cursor.over(view)
  const measures = { ...NOTHING_MEASURED, messageLength: wireEnd - start }
  while (cursor.nextQuestion()) {
    if (questions.length === QUESTIONS_MAX) continue
    const question = describeItem(view)
    if (questions.length === 0) measureName(question.name, cursor.name, measures)
    questions.push(question)
  }
  let edns: Edns | undefined
  let extended = 0
  while (cursor.nextRecord()) {
    if (cursor.section === 'answer') measures.answerLength += cursor.dataEnd - cursor.dataStart
    if (cursor.type === DNS_TYPE.OPT && edns === undefined) {
      edns = describeEdns(view, findings)
      extended = (cursor.ttl >>> 24) << 4
    } else if (records.length < RECORDS_MAX) records.push(describeRecord(view))
  }
  if (cursor.flaw === null && cursor.at < wireEnd) findings.push('dns.trailing_data')
  if (flags & 0x0040) findings.push('dns.reserved_bits')
  const responseCode = view.responseCode | extended
  return {
    id: view.id,
    isResponse: view.isResponse,
    opcode,
    opcodeName: DNS_OPCODES[opcode] ?? String(opcode),
    flags: [...FLAGS.filter(([bit]) => flags & bit).map(([, name]) => name), ...(edns?.isDnssecOk ? ['DO'] : [])],
    responseCode,
    responseCodeName: DNS_RESPONSE_CODES[responseCode] ?? String(responseCode),
    questionCount: view.questions,
    answerCount: view.answers,
    authorityCount: view.authorities,
    additionalCount: view.additionals,
    questions,
    records,
    ...(edns === undefined ? {} : { edns }),
    measures,
    ...ending(wireEnd > end),
    findings,
  }
}

function ending(isSnapped: boolean): { flaw?: DnsFlaw; isSnapped?: true } {
  const { flaw } = cursor
  if (flaw === null) return isSnapped ? { isSnapped } : {}
  return isSnapped && flaw === 'dns.truncated' ? { isSnapped } : { flaw }
}

function describeItem({ bytes, start }: DnsView): DnsQuestion {
  const { type } = cursor
  return {
    name: nameText(bytes, start, cursor.nameAt),
    type,
    typeName: typeName(type),
    class: cursor.class,
    // The highest bit is a flag in mDNS (RFC 6762 sections 5.4 and 10.2).
    className: DNS_CLASSES[cursor.class & 0x7fff] ?? String(cursor.class),
  }
}

function typeName(type: number): string {
  return DNS_TYPES[type] ?? `TYPE${type}`
}

function describeRecord(view: DnsView): DnsRecord {
  const { dataStart, dataEnd, section, ttl } = cursor
  const record: Mutable<DnsRecord> = { section, ...describeItem(view), ttl, dataLength: dataEnd - dataStart }
  const reader = DATA_READERS[record.type]
  const flaw = reader === undefined ? null : reader(view, dataStart, dataEnd, record)
  if (flaw !== null) record.flaw = flaw
  return record
}

function describeEdns({ bytes }: DnsView, findings: string[]): Edns {
  const { ttl, dataStart, dataEnd } = cursor
  const options: { code: number; name: string; length: number }[] = []
  let at = dataStart
  while (dataEnd - at >= 4 && options.length < ITEMS_MAX) {
    const length = u16(bytes, at + 2)
    if (at + 4 + length > dataEnd) break
    const code = u16(bytes, at)
    options.push({ code, name: DNS_OPTIONS[code] ?? String(code), length })
    at += 4 + length
  }
  if (at !== dataEnd && options.length < ITEMS_MAX) findings.push('dns.option_length')
  return { udpSize: cursor.class, version: (ttl >>> 16) & 0xff, isDnssecOk: (ttl & 0x8000) !== 0, options }
}

// ------------------------------------------------------------------------------------------------------------- measures

const NOTHING_MEASURED: DnsMeasures = {
  queryLength: 0,
  labels: 0,
  longestLabel: 0,
  registeredDomain: '',
  subdomainLength: 0,
  answerLength: 0,
  messageLength: 0,
}

function measureName(name: string, { length, labels, longestLabel }: DnsName, into: Mutable<DnsMeasures>): void {
  into.queryLength = length
  into.labels = labels
  into.longestLabel = longestLabel
  into.registeredDomain = registeredDomain(name)
  into.subdomainLength = Math.max(0, length - into.registeredDomain.length - 1)
}

/** The last two labels of a name, or three where the second is a registry of a country (`example.co.uk`); in lower case. */
export function registeredDomain(name: string): string {
  const labels = name.toLowerCase().split('.')
  const [second = '', top = ''] = labels.slice(-2)
  const isUnderRegistry = labels.length > 2 && top.length === 2 && SECOND_LEVEL_REGISTRIES.has(second)
  return labels.slice(isUnderRegistry ? -3 : -2).join('.')
}

// ------------------------------------------------------------------------------------------------------- data of records

type DataReader = (view: DnsView, at: number, end: number, record: Mutable<DnsRecord>) => DnsFlaw | null

const DATA_READERS: Readonly<Record<number, DataReader>> = {
  [DNS_TYPE.A]: address(4),
  [DNS_TYPE.AAAA]: address(16),
  [DNS_TYPE.NS]: target,
  [DNS_TYPE.CNAME]: target,
  [DNS_TYPE.PTR]: target,
  [DNS_TYPE.DNAME]: target,
  [DNS_TYPE.MX]: exchange,
  [DNS_TYPE.TXT]: texts,
  [DNS_TYPE.SPF]: texts,
  [DNS_TYPE.SOA]: authority,
  [DNS_TYPE.SRV]: service,
  [DNS_TYPE.SVCB]: binding,
  [DNS_TYPE.HTTPS]: binding,
  [DNS_TYPE.NULL]: octets,
}

function address(length: 4 | 16): DataReader {
  return ({ bytes }, at, end, record) => {
    // An update may delete all records of a type: then there is no data (RFC 2136 section 2.5.2).
    if (end === at && record.class !== 1) return null
    if (end - at !== length) return 'dns.record_data'
    record.address = addressText(bytes, at, length)
    record.data = record.address
    return null
  }
}

const dataName = new DnsName()

/** The name at `at`, which must end by `end`; null after a flaw, which is then in the record. */
function nameIn({ bytes, start }: DnsView, at: number, end: number, record: Mutable<DnsRecord>): string | null {
  const flaw = dataName.decode(bytes, start, at, end)
  if (flaw === null) return nameText(bytes, start, at)
  record.flaw = flaw === 'dns.truncated' ? 'dns.record_data' : flaw
  return null
}

/** The flaw that `nameIn` left, or data that goes on after its last field. */
function finished(record: DnsRecord, at: number, end: number): DnsFlaw | null {
  return record.flaw ?? (at === end ? null : 'dns.record_data')
}

function target(view: DnsView, at: number, end: number, record: Mutable<DnsRecord>): DnsFlaw | null {
  if (end === at && record.class !== 1) return null
  const name = nameIn(view, at, end, record)
  if (name === null) return finished(record, at, end)
  record.target = name
  record.data = name
  return finished(record, dataName.next, end)
}

function exchange(view: DnsView, at: number, end: number, record: Mutable<DnsRecord>): DnsFlaw | null {
  if (end - at < 3) return 'dns.record_data'
  record.preference = u16(view.bytes, at)
  const flaw = target(view, at + 2, end, record)
  if (record.target !== undefined) record.data = `${record.preference} ${record.target}`
  return flaw
}

function texts({ bytes }: DnsView, at: number, end: number, record: Mutable<DnsRecord>): DnsFlaw | null {
  const strings: string[] = []
  let here = at
  while (here < end && strings.length < ITEMS_MAX) {
    const next = here + 1 + bytes[here]
    if (next > end) break
    strings.push(text(bytes, here + 1, next))
    here = next
  }
  record.texts = strings
  record.data = strings.join('')
  return here < end && strings.length < ITEMS_MAX ? 'dns.record_data' : null
}

function authority(view: DnsView, at: number, end: number, record: Mutable<DnsRecord>): DnsFlaw | null {
  const { bytes } = view
  const primary = nameIn(view, at, end, record)
  if (primary === null) return finished(record, at, end)
  record.primary = primary
  const mailbox = nameIn(view, dataName.next, end, record)
  if (mailbox === null) return finished(record, at, end)
  record.mailbox = mailbox
  const { next } = dataName
  if (end - next !== 20) return 'dns.record_data'
  record.serial = u32(bytes, next)
  record.refresh = u32(bytes, next + 4)
  record.retry = u32(bytes, next + 8)
  record.expire = u32(bytes, next + 12)
  record.minimum = u32(bytes, next + 16)
  record.data = `${primary} ${mailbox} ${record.serial}`
  return null
}

function service(view: DnsView, at: number, end: number, record: Mutable<DnsRecord>): DnsFlaw | null {
  if (end - at < 7) return 'dns.record_data'
  record.priority = u16(view.bytes, at)
  record.weight = u16(view.bytes, at + 2)
  record.port = u16(view.bytes, at + 4)
  const flaw = target(view, at + 6, end, record)
  if (record.target !== undefined) record.data = `${record.priority} ${record.weight} ${record.port} ${record.target}`
  return flaw
}

/** SVCB and HTTPS (RFC 9460 section 2.2). */
function binding(view: DnsView, at: number, end: number, record: Mutable<DnsRecord>): DnsFlaw | null {
  const { bytes } = view
  if (end - at < 3) return 'dns.record_data'
  record.priority = u16(bytes, at)
  const name = nameIn(view, at + 2, end, record)
  if (name === null) return finished(record, at, end)
  record.target = name
  const parameters: DnsParameter[] = []
  let here = dataName.next
  while (end - here >= 4 && parameters.length < ITEMS_MAX) {
    const key = u16(bytes, here)
    const next = here + 4 + u16(bytes, here + 2)
    if (next > end) break
    const name = DNS_SERVICE_PARAMETERS[key] ?? `key${key}`
    parameters.push({ key, name, value: parameterValue(key, bytes, here + 4, next) })
    here = next
  }
  record.parameters = parameters
  const words = parameters.map(({ name, value }) => (value === '' ? name : `${name}=${value}`))
  record.data = [record.priority, name === '' ? '.' : name, ...words].join(' ')
  return here === end || parameters.length === ITEMS_MAX ? null : 'dns.record_data'
}

function parameterValue(key: number, bytes: Uint8Array, start: number, end: number): string {
  const length = end - start
  switch (key) {
    case 1:
      return strings(bytes, start, end).join(',')
    case 3:
      return length === 2 ? String(u16(bytes, start)) : shownHex(bytes, start, end)
    case 4:
      return addresses(4, bytes, start, end).join(',')
    case 6:
      return addresses(16, bytes, start, end).join(',')
    default:
      return shownHex(bytes, start, end)
  }
}

function strings(bytes: Uint8Array, start: number, end: number): string[] {
  const list: string[] = []
  for (let at = start; at < end && list.length < ITEMS_MAX; at += 1 + bytes[at]) {
    list.push(text(bytes, at + 1, Math.min(at + 1 + bytes[at], end)))
  }
  return list
}

function addresses(length: 4 | 16, bytes: Uint8Array, start: number, end: number): string[] {
  const list: string[] = []
  for (let at = start; at + length <= end && list.length < ITEMS_MAX; at += length) {
    list.push(addressText(bytes, at, length))
  }
  return list
}

/** NULL records hold anything (RFC 1035 section 3.3.10), which is what tunnels use them for. */
function octets({ bytes }: DnsView, at: number, end: number, record: Mutable<DnsRecord>): null {
  record.data = shownHex(bytes, at, end)
  return null
}

function shownHex(bytes: Uint8Array, start: number, end: number): string {
  return hex(bytes, start, Math.min(end, start + SHOWN_OCTETS_MAX))
}
