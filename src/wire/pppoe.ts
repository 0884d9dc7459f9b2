/**
 * PPP over Ethernet (RFC 2516): the header of both stages, the tags of the discovery stage with the extensions of RFC 4638
 * and RFC 5578, and the access line as DSL Forum TR-101 appends it in a Vendor-Specific tag.
 *
 * A view reads the header, a cursor walks tags; `describePppoe` copies a packet, tags and all. The session stage goes on
 * with PPP.
 */
import { addressText } from '../base/address.ts'
import { hex, NO_BYTES, text, u16, u32 } from '../base/bytes.ts'
import type { Mutable } from './mutable.ts'

export const PPPOE_HEADER_LENGTH = 6

export const PPPOE = {
  SESSION: 0x00,
  PADO: 0x07,
  PADI: 0x09,
  PADG: 0x0a,
  PADC: 0x0b,
  PADQ: 0x0c,
  PADR: 0x19,
  PADS: 0x65,
  PADT: 0xa7,
  PADM: 0xd3,
  PADN: 0xd4,
} as const

const CODES: Readonly<Record<number, string>> = {
  [PPPOE.SESSION]: 'Session',
  [PPPOE.PADO]: 'PADO',
  [PPPOE.PADI]: 'PADI',
  [PPPOE.PADG]: 'PADG',
  [PPPOE.PADC]: 'PADC',
  [PPPOE.PADQ]: 'PADQ',
  [PPPOE.PADR]: 'PADR',
  [PPPOE.PADS]: 'PADS',
  [PPPOE.PADT]: 'PADT',
  [PPPOE.PADM]: 'PADM',
  [PPPOE.PADN]: 'PADN',
}

/** The name of a code, or 'unknown'. */
export function pppoeCodeName(code: number): string {
  return CODES[code] ?? 'unknown'
}

/** `pppoe.version`: version or type is not 1. `pppoe.length`: the header states more than the frame had on the wire. */
export type PppoeFlaw = 'pppoe.truncated' | 'pppoe.version' | 'pppoe.length'

/** A reusable window on one packet. After a flaw the payload is empty; what the header says is told if it was there. */
export class PppoeView {
  bytes: Uint8Array = NO_BYTES
  version = 0
  type = 0
  code = 0
  sessionId = 0
  /** Of the payload, as given. Behind it stands the padding of a short frame. */
  length = 0
  payloadStart = 0
  /** As captured. */
  payloadEnd = 0
  /** On the wire. */
  wireEnd = 0

  /** `wireEnd` is where the frame ended on the wire; the capture may have cut it at `end`. */
  decode(bytes: Uint8Array, start: number, end: number, wireEnd: number = end): PppoeFlaw | null {
    this.bytes = bytes
    this.version = 0
    this.type = 0
    this.code = 0
    this.sessionId = 0
    this.length = 0
    this.payloadStart = end
    this.payloadEnd = end
    this.wireEnd = end
    if (end - start < PPPOE_HEADER_LENGTH) return 'pppoe.truncated'
    this.version = bytes[start] >> 4
    this.type = bytes[start] & 0x0f
    this.code = bytes[start + 1]
    this.sessionId = u16(bytes, start + 2)
    this.length = u16(bytes, start + 4)
    if (this.version !== 1 || this.type !== 1) return 'pppoe.version'
    const payloadEnd = start + PPPOE_HEADER_LENGTH + this.length
    if (payloadEnd > wireEnd) return 'pppoe.length'
    this.payloadStart = start + PPPOE_HEADER_LENGTH
    this.payloadEnd = payloadEnd < end ? payloadEnd : end
    this.wireEnd = payloadEnd
    return null
  }
}

// ---------------------------------------------------------------------------------------------------------------- tags

export const PPPOE_TAG = {
  END_OF_LIST: 0x0000,
  SERVICE_NAME: 0x0101,
  AC_NAME: 0x0102,
  HOST_UNIQ: 0x0103,
  AC_COOKIE: 0x0104,
  VENDOR_SPECIFIC: 0x0105,
  CREDITS: 0x0106,
  RELAY_SESSION_ID: 0x0110,
  SERVICE_NAME_ERROR: 0x0201,
  AC_SYSTEM_ERROR: 0x0202,
  GENERIC_ERROR: 0x0203,
} as const

const TAG_HEADER_LENGTH = 4

export type PppoeTagFlaw = 'pppoe.tag_truncated' | 'pppoe.tag_length'

/** Walks tags: `while (tags.next()) …`, then look at `tags.flaw`. The end-of-list tag is the last, whatever follows. */
export class PppoeTagCursor {
  bytes: Uint8Array = NO_BYTES
  type = 0
  length = 0
  valueStart = 0
  valueEnd = 0
  flaw: PppoeTagFlaw | null = null
  #at = 0
  #end = 0

  over(bytes: Uint8Array, start: number, end: number): this {
    this.bytes = bytes
    this.#at = start
    this.#end = end
    this.flaw = null
    return this
  }

  next(): boolean {
    const at = this.#at
    if (at >= this.#end || this.flaw !== null) return false
    if (this.#end - at < TAG_HEADER_LENGTH) return this.#stop('pppoe.tag_truncated')
    const length = u16(this.bytes, at + 2)
    if (length > this.#end - at - TAG_HEADER_LENGTH) return this.#stop('pppoe.tag_length')
    this.type = u16(this.bytes, at)
    this.length = length
    this.valueStart = at + TAG_HEADER_LENGTH
    this.valueEnd = this.valueStart + length
    this.#at = this.type === PPPOE_TAG.END_OF_LIST ? this.#end : this.valueEnd
    return true
  }

  #stop(flaw: PppoeTagFlaw): false {
    this.flaw = flaw
    return false
  }
}

// ---------------------------------------------------------------------------------------------------------- describing

/** More tags than this are not listed; no station sends so many. */
export const PPPOE_TAGS_MAX = 64

/** What a tag says beside, or instead of, a plain value. */
interface PppoeTagValue {
  readonly value?: string | number
  readonly vendorId?: number
  readonly vendorName?: string
  /** The access line, as the access node in between appended it. */
  readonly subtags?: readonly PppoeSubtag[]
  /** Credits, in units of the scale factor: of the sender, and granted back. */
  readonly forwardCredit?: number
  readonly backwardCredit?: number
  readonly isReceiveOnly?: boolean
  readonly maximumRateUnit?: string
  readonly currentRateUnit?: string
  /** In percent. */
  readonly relativeLinkQuality?: number
  readonly resources?: number
  readonly latencyMs?: number
  /** In the units before. */
  readonly currentDataRate?: number
  readonly maximumDataRate?: number
  readonly destination?: string
  readonly netmask?: string
  readonly gateway?: string
  readonly metric?: number
}

export interface PppoeTag extends PppoeTagValue {
  readonly type: number
  readonly name: string
  readonly length: number
  /** The value is not as long as its kind demands; `value` has it in hex digits. */
  readonly flaw?: 'pppoe.tag_value'
}

/** A number in its attribute's unit (kbit/s, ms), text, or hex digits. */
export interface PppoeSubtag {
  readonly type: number
  readonly name: string
  readonly length: number
  readonly value: string | number
  readonly flaw?: 'pppoe.tag_value'
}

export interface PppoeRecord {
  readonly version: number
  readonly type: number
  readonly code: number
  readonly codeName: string
  readonly sessionId: number
  readonly length: number
  /** Discovery: what stands before the first tag that does not fit. */
  readonly tags?: readonly PppoeTag[]
  /** What is odd without stopping a reader. */
  readonly findings?: readonly string[]
  readonly flaw?: PppoeTagFlaw | 'pppoe.tag_value'
}

/** Undefined when the value cannot be of its kind. */
type TagReader = (bytes: Uint8Array, start: number, end: number) => PppoeTagValue | undefined

function fixed(length: number, read: (bytes: Uint8Array, at: number) => PppoeTagValue): TagReader {
  return (bytes, start, end) => (end - start === length ? read(bytes, start) : undefined)
}

const READERS = {
  text: (bytes, start, end) => ({ value: text(bytes, start, end) }),
  hex: (bytes, start, end) => ({ value: hex(bytes, start, end) }),
  empty: fixed(0, () => ({ value: '' })),
  u16: fixed(2, (bytes, at) => ({ value: u16(bytes, at) })),
  vendor: readVendor,
  credits: fixed(4, (bytes, at) => ({ forwardCredit: u16(bytes, at), backwardCredit: u16(bytes, at + 2) })),
  metrics: fixed(10, readMetrics),
  route: fixed(16, (bytes, at) => ({
    destination: addressText(bytes, at, 4),
    netmask: addressText(bytes, at + 4, 4),
    gateway: addressText(bytes, at + 8, 4),
    metric: u32(bytes, at + 12),
  })),
} satisfies Record<string, TagReader>

const TAGS: Readonly<Record<number, readonly [name: string, kind: keyof typeof READERS]>> = {
  [PPPOE_TAG.END_OF_LIST]: ['End-Of-List', 'empty'],
  [PPPOE_TAG.SERVICE_NAME]: ['Service-Name', 'text'],
  [PPPOE_TAG.AC_NAME]: ['AC-Name', 'text'],
  [PPPOE_TAG.HOST_UNIQ]: ['Host-Uniq', 'hex'],
  [PPPOE_TAG.AC_COOKIE]: ['AC-Cookie', 'hex'],
  [PPPOE_TAG.VENDOR_SPECIFIC]: ['Vendor-Specific', 'vendor'],
  [PPPOE_TAG.CREDITS]: ['Credits', 'credits'],
  263: ['Metrics', 'metrics'],
  264: ['Sequence-Number', 'u16'],
  265: ['Credit-Scale-Factor', 'u16'],
  [PPPOE_TAG.RELAY_SESSION_ID]: ['Relay-Session-Id', 'hex'],
  273: ['HURL', 'text'],
  274: ['MOTM', 'text'],
  288: ['PPP-Max-Payload', 'u16'],
  289: ['IP-Route-Add', 'route'],
  [PPPOE_TAG.SERVICE_NAME_ERROR]: ['Service-Name-Error', 'text'],
  [PPPOE_TAG.AC_SYSTEM_ERROR]: ['AC-System-Error', 'text'],
  [PPPOE_TAG.GENERIC_ERROR]: ['Generic-Error', 'text'],
}

/** Copies a packet that `decode` accepted. `tags` is the caller's, reused. */
export function describePppoe(view: PppoeView, tags: PppoeTagCursor): PppoeRecord {
  const { version, type, code, sessionId, length } = view
  const record: Mutable<PppoeRecord> = { version, type, code, codeName: pppoeCodeName(code), sessionId, length }
  if (code === PPPOE.SESSION) return record
  const listed = listTags(view, tags, record)
  record.tags = listed
  const findings = oddities(view, listed)
  if (tags.flaw === null && listed.length === PPPOE_TAGS_MAX && tags.next()) findings.push('pppoe.tags_excess')
  if (findings.length > 0) record.findings = findings
  return record
}

function listTags(view: PppoeView, tags: PppoeTagCursor, record: Mutable<PppoeRecord>): PppoeTag[] {
  const list: PppoeTag[] = []
  tags.over(view.bytes, view.payloadStart, view.payloadEnd)
  while (list.length < PPPOE_TAGS_MAX && tags.next()) {
    const tag = describeTag(tags)
    if (tag.flaw !== undefined) record.flaw ??= tag.flaw
    list.push(tag)
  }
  // A tag that the capture cut is no fault of the sender.
  if (tags.flaw !== null && view.payloadEnd === view.wireEnd) record.flaw ??= tags.flaw
  return list
}

function describeTag({ bytes, type, length, valueStart, valueEnd }: PppoeTagCursor): PppoeTag {
  const known = TAGS[type]
  const head = { type, name: known?.[0] ?? 'unknown', length }
  const value = known === undefined ? undefined : (READERS[known[1]] as TagReader)(bytes, valueStart, valueEnd)
  if (value !== undefined) return { ...head, ...value }
  const octets = { ...head, value: hex(bytes, valueStart, valueEnd) }
  return known === undefined ? octets : { ...octets, flaw: 'pppoe.tag_value' }
}

/** What RFC 2516 section 5 forbids. */
function oddities({ code, sessionId }: PppoeView, tags: readonly PppoeTag[]): string[] {
  const findings: string[] = []
  const has = (type: number): boolean => tags.some((tag) => tag.type === type)
  const isSetup = code === PPPOE.PADI || code === PPPOE.PADO || code === PPPOE.PADR
  if (isSetup ? sessionId !== 0 : code === PPPOE.PADT && sessionId === 0) findings.push('pppoe.session_id')
  if (isSetup && !has(PPPOE_TAG.SERVICE_NAME)) findings.push('pppoe.service_name_missing')
  if (code === PPPOE.PADO && !has(PPPOE_TAG.AC_NAME)) findings.push('pppoe.ac_name_missing')
  if (CODES[code] === undefined) findings.push('pppoe.code')
  return findings
}

/** RFC 5578 section 7: rates are in these units, times ten to the power of three. */
const RATE_UNITS = ['kbit/s', 'Mbit/s', 'Gbit/s', 'Tbit/s']

function readMetrics(bytes: Uint8Array, at: number): PppoeTagValue {
  const bits = u16(bytes, at)
  return {
    isReceiveOnly: (bits & 0x01) !== 0,
    currentRateUnit: RATE_UNITS[(bits >> 1) & 3],
    maximumRateUnit: RATE_UNITS[(bits >> 3) & 3],
    relativeLinkQuality: bytes[at + 2],
    resources: bytes[at + 3],
    latencyMs: u16(bytes, at + 4),
    currentDataRate: u16(bytes, at + 6),
    maximumDataRate: u16(bytes, at + 8),
  }
}

const BROADBAND_FORUM = 3561
const VENDORS: Readonly<Record<number, string>> = {
  9: 'Cisco',
  311: 'Microsoft',
  529: 'Ascend',
  2011: 'Huawei',
  2352: 'Redback',
  2636: 'Juniper',
  [BROADBAND_FORUM]: 'Broadband Forum',
  14988: 'MikroTik',
}

/** RFC 2516 appendix A: a zero octet and the vendor's number of 24 bits; then what the vendor likes. */
function readVendor(bytes: Uint8Array, start: number, end: number): PppoeTagValue | undefined {
  if (end - start < 4) return undefined
  const vendorId = u32(bytes, start)
  const vendor = { vendorId, vendorName: VENDORS[vendorId] ?? 'unknown' }
  const subtags = vendorId === BROADBAND_FORUM ? describeSubtags(bytes, start + 4, end) : null
  return subtags === null ? { ...vendor, value: hex(bytes, start + 4, end) } : { ...vendor, subtags }
}

/** DSL Forum TR-101 appendix B and RFC 4679, by the names that L2TP's attributes have too. */
const SUBTAGS: Readonly<Record<number, string>> = {
  1: 'agentCircuitId',
  2: 'agentRemoteId',
  129: 'actualDataRateUpstream',
  130: 'actualDataRateDownstream',
  131: 'minimumDataRateUpstream',
  132: 'minimumDataRateDownstream',
  133: 'attainableDataRateUpstream',
  134: 'attainableDataRateDownstream',
  135: 'maximumDataRateUpstream',
  136: 'maximumDataRateDownstream',
  137: 'minimumDataRateUpstreamLowPower',
  138: 'minimumDataRateDownstreamLowPower',
  139: 'maximumInterleavingDelayUpstream',
  140: 'actualInterleavingDelayUpstream',
  141: 'maximumInterleavingDelayDownstream',
  142: 'actualInterleavingDelayDownstream',
  144: 'accessLoopEncapsulation',
  145: 'accessLineType',
  254: 'iwfSession',
}

function isSubtagText(type: number): boolean {
  return type === 1 || type === 2
}

function isSubtagNumber(type: number): boolean {
  return (type >= 129 && type <= 142) || type === 145
}

/** One octet each of type and length. Null when they do not fill the tag: then it is told as octets. */
function describeSubtags(bytes: Uint8Array, start: number, end: number): PppoeSubtag[] | null {
  const subtags: PppoeSubtag[] = []
  for (let at = start; at < end; ) {
    const valueEnd = end - at < 2 ? end + 1 : at + 2 + bytes[at + 1]
    if (valueEnd > end || subtags.length === PPPOE_TAGS_MAX) return null
    subtags.push(describeSubtag(bytes, bytes[at], at + 2, valueEnd))
    at = valueEnd
  }
  return subtags
}

function describeSubtag(bytes: Uint8Array, type: number, start: number, end: number): PppoeSubtag {
  const head = { type, name: SUBTAGS[type] ?? 'unknown', length: end - start }
  if (isSubtagText(type)) return { ...head, value: text(bytes, start, end) }
  if (isSubtagNumber(type) && end - start === 4) return { ...head, value: u32(bytes, start) }
  const octets = { ...head, value: hex(bytes, start, end) }
  return isSubtagNumber(type) ? { ...octets, flaw: 'pppoe.tag_value' } : octets
}

/** The tag of credits that RFC 5578 section 5 lets stand before the PPP frame of a session. */
export const INLINE_CREDITS_LENGTH = 8

export function inlineCredits(bytes: Uint8Array, start: number, end: number): PppoeTagValue | null {
  if (end - start < INLINE_CREDITS_LENGTH || u16(bytes, start) !== PPPOE_TAG.CREDITS || u16(bytes, start + 2) !== 4)
    return null
  return READERS.credits(bytes, start + TAG_HEADER_LENGTH, start + INLINE_CREDITS_LENGTH) ?? null
}
