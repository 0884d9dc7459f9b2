/**
 * L2TP attribute-value pairs (RFC 2661 section 4.1): how a control message is made of them, and what can be wrong with one.
 *
 * Control messages are rare, so this side copies: `describeControl` turns a message into plain values for trackers and
 * events. The type of `L2tpControl` derives from the table of attributes.
 */
import { hex, NO_BYTES, u16 } from '../base/bytes.ts'
import { type L2tpMessage, messageName } from './l2tp.ts'
import {
  type AVPS,
  type AvpValue,
  octetsOf,
  readAvp,
  RECORD_KINDS,
  type RecordKind,
  type RecordOf,
  rowOf,
  type ScalarKind,
  type ScalarOf,
  VENDORS,
} from './l2tp-attributes.ts'
import { meaningOf } from './l2tpv3-avp.ts'

const FLAG_MANDATORY = 0x8000
const FLAG_HIDDEN = 0x4000
const RESERVED_BITS = 0x3c00
const LENGTH_BITS = 0x03ff
const HEADER_LENGTH = 6

const MESSAGE_TYPE = 0
const ASSIGNED_TUNNEL_ID = 9
const ASSIGNED_SESSION_ID = 14
const RANDOM_VECTOR = 36
const MESSAGE_DIGEST = 59

/** Strings longer than this overflow the buffers of known implementations. */
const TEXT_OCTETS_MAX = 254
/** AVPs that a message may carry several times. */
const REPEATABLE = new Set([RANDOM_VECTOR, 58, MESSAGE_DIGEST, 79, 81, 82, 83, 93, 97, 101])
/** A message is described up to this many AVPs; a legal one has some twenty. */
const AVPS_DESCRIBED_MAX = 256

// --- The cursor -----------------------------------------------------------------------------------------------------

/**
 * `l2tp.avp_truncated`: the message ends inside the header of an AVP.
 * `l2tp.avp_length`: an AVP says that it is shorter than its header, or longer than the message.
 */
export type AvpFlaw = 'l2tp.avp_truncated' | 'l2tp.avp_length'

/** Where AVPs are: the view of a control message. `messageEnd` is the end on the wire, past `payloadEnd` if snapped. */
export interface AvpWindow {
  readonly bytes: Uint8Array
  readonly payloadStart: number
  readonly payloadEnd: number
  readonly messageEnd: number
}

/** Walks the AVPs of one control message: `while (avps.next()) …`, then look at `avps.flaw` and `avps.isSnapped`. */
export class AvpCursor {
  bytes: Uint8Array = NO_BYTES
  vendorId = 0
  type = 0
  /** The whole AVP, its header included, in octets. */
  length = 0
  isMandatory = false
  isHidden = false
  /** The four reserved bits of the header as a number, 0 in a legal AVP. */
  reservedBits = 0
  valueStart = 0
  valueEnd = 0
  /** The Random Vector in force: the last one before this AVP (RFC 2661 section 4.3). */
  hasVector = false
  vectorStart = 0
  vectorEnd = 0
  flaw: AvpFlaw | null = null
  /** The walk ended because the capture did, not the message. */
  isSnapped = false
  #at = 0
  #end = 0
  #messageEnd = 0

  over(message: AvpWindow): this {
    this.bytes = message.bytes
    this.#at = message.payloadStart
    this.#end = message.payloadEnd
    this.#messageEnd = message.messageEnd
    this.hasVector = false
    this.vectorStart = 0
    this.vectorEnd = 0
    this.flaw = null
    this.isSnapped = false
    return this
  }

  next(): boolean {
    if (this.flaw !== null || this.isSnapped) return false
    const { bytes } = this
    const at = this.#at
    if (at === this.#messageEnd) return false
    if (this.#messageEnd - at < HEADER_LENGTH) return this.#stop('l2tp.avp_truncated')
    if (this.#end - at < HEADER_LENGTH) return this.#snap()
    const head = u16(bytes, at)
    const length = head & LENGTH_BITS
    if (length < HEADER_LENGTH || at + length > this.#messageEnd) return this.#stop('l2tp.avp_length')
    if (at + length > this.#end) return this.#snap()

    this.isMandatory = (head & FLAG_MANDATORY) !== 0
    this.isHidden = (head & FLAG_HIDDEN) !== 0
    this.reservedBits = (head & RESERVED_BITS) >> 10
    this.length = length
    this.vendorId = u16(bytes, at + 2)
    this.type = u16(bytes, at + 4)
    this.valueStart = at + HEADER_LENGTH
    this.valueEnd = at + length
    this.#at = this.valueEnd
    if (this.type === RANDOM_VECTOR && this.vendorId === 0 && !this.isHidden) {
      this.hasVector = true
      this.vectorStart = this.valueStart
      this.vectorEnd = this.valueEnd
    }
    return true
  }

  #stop(flaw: AvpFlaw): false {
    this.flaw = flaw
    return false
  }

  #snap(): false {
    this.isSnapped = true
    return false
  }
}

// --- What is wrong with an AVP --------------------------------------------------------------------------------------

/** What can be wrong with an AVP that can be walked over, and what that means. */
export const AVP_FINDINGS = {
  'l2tp.avp_order': 'The first AVP is not the Message Type, or a Message Type stands later.',
  'l2tp.avp_duplicate': 'An AVP that may stand once stands again; the first one counts.',
  'l2tp.avp_fixed_length': 'The value is shorter or longer than its attribute has it.',
  'l2tp.avp_unknown_mandatory': 'An AVP that no document defines, or with reserved bits, is marked mandatory.',
  'l2tp.avp_vendor_mandatory': 'An AVP of a vendor is marked mandatory.',
  'l2tp.avp_reserved_bits': 'Reserved bits of the AVP header are set: a receiver treats it as unknown.',
  'l2tp.avp_oversized': 'A string is longer than 254 octets.',
  'l2tp.avp_suspicious_text': 'A string holds control characters, printf conversions or shell substitutions.',
  'l2tp.avp_empty_text': 'Host Name or Vendor Name is empty.',
  'l2tp.avp_zero_id': 'A tunnel or session ID of 0 is assigned.',
  'l2tp.avp_no_vector': 'A hidden AVP has no Random Vector before it.',
  'l2tp.avp_hidden_forbidden': 'The Message Type or the Random Vector itself is hidden.',
  'l2tp.avp_hidden_short': 'A hidden AVP is too short for the original length that it must hold.',
  'l2tp.avp_excess': 'The message has more AVPs than are described.',
  'l2tp.message_unknown': 'The message type is unknown and marked mandatory.',
} as const
export type AvpFinding = keyof typeof AVP_FINDINGS

/** Control and format characters, shell substitutions and chains, printf conversions. */
const SUSPICIOUS = /[\p{Cc}\p{Cf}`]|\$[({]|&&|\|\||%[-+#*.\d]*(?:hh?|ll?|[jzt])?[nspxX]/u

/** Messages that assign an ID; StopCCN and CDN may repeat a 0 where none was assigned yet. */
const ASSIGNING = new Set<number | undefined>([1, 2, 7, 8, 10, 11])
const ID_ATTRIBUTES = new Set([ASSIGNED_TUNNEL_ID, ASSIGNED_SESSION_ID, 61, 63])
const NAME_ATTRIBUTES = new Set([7, 8])

function findInHeader(avp: AvpCursor, isFirst: boolean, found: AvpFinding[]): void {
  const { vendorId, type, isMandatory, isHidden, reservedBits } = avp
  // A vendor's own messages begin with the vendor's own message type.
  if (isFirst ? type !== MESSAGE_TYPE : type === MESSAGE_TYPE && vendorId === 0) found.push('l2tp.avp_order')
  if (reservedBits !== 0) found.push('l2tp.avp_reserved_bits')
  if (isMandatory && vendorId !== 0) found.push('l2tp.avp_vendor_mandatory')
  else if (isMandatory && (reservedBits !== 0 || rowOf(0, type) === undefined)) found.push('l2tp.avp_unknown_mandatory')
  if (!isHidden) return
  if (vendorId === 0 && (type === MESSAGE_TYPE || type === RANDOM_VECTOR)) found.push('l2tp.avp_hidden_forbidden')
  else if (!avp.hasVector) found.push('l2tp.avp_no_vector')
  if (avp.valueEnd - avp.valueStart < 2) found.push('l2tp.avp_hidden_short')
}

function findInValue(
  avp: AvpCursor,
  octets: number,
  value: AvpValue | undefined,
  messageType: number | undefined,
  found: AvpFinding[],
): void {
  const row = rowOf(avp.vendorId, avp.type)
  if (row === undefined) return
  const [min, max] = octetsOf(row)
  if (octets < min || octets > max) found.push('l2tp.avp_fixed_length')
  const isName = row[1] === 'text' || row[1] === 'label'
  if (isName && octets > TEXT_OCTETS_MAX) found.push('l2tp.avp_oversized')
  if (value !== undefined && isSuspicious(value)) found.push('l2tp.avp_suspicious_text')
  if (avp.vendorId !== 0) return
  if (value === '' && NAME_ATTRIBUTES.has(avp.type)) found.push('l2tp.avp_empty_text')
  if (value === 0 && ID_ATTRIBUTES.has(avp.type) && ASSIGNING.has(messageType)) found.push('l2tp.avp_zero_id')
  if (avp.type === MESSAGE_TYPE && avp.isMandatory && typeof value === 'number' && messageName(value) === 'unknown') {
    found.push('l2tp.message_unknown')
  }
}

function isSuspicious(value: AvpValue): boolean {
  if (typeof value === 'string') return SUSPICIOUS.test(value)
  // Lists are of numbers, or of names that a table gave.
  if (typeof value !== 'object' || value instanceof Uint8Array || Array.isArray(value)) return false
  return Object.values(value).some((piece) => typeof piece === 'string' && SUSPICIOUS.test(piece))
}

// --- Describing a message -------------------------------------------------------------------------------------------

/** What became of a hidden AVP. `secretIndex` says which of the candidate secrets it was. */
export type Recovery =
  | { readonly verdict: 'recovered'; readonly secretIndex: number; readonly value: Uint8Array }
  | { readonly verdict: 'wrong_secret' | 'no_vector' | 'no_secret' }

/** Undoes the hiding of the AVP under the cursor, or says why not. */
export type Recover = (avp: AvpCursor) => Recovery

type UnionToIntersection<U> = (U extends unknown ? (u: U) => void : never) extends (i: infer I) => void ? I : never
type Scalars = {
  readonly [T in keyof typeof AVPS as (typeof AVPS)[T][1] extends ScalarKind
    ? (typeof AVPS)[T][0]
    : never]?: (typeof AVPS)[T][1] extends ScalarKind ? ScalarOf<(typeof AVPS)[T][1]> : never
}
type Records = Partial<UnionToIntersection<RecordOf<RecordKind>>>

/**
 * A control message as trackers see it: plain values by name, no reference to the capture buffer. Only AVPs of vendor 0
 * that a receiver would accept; of duplicates the first.
 */
export type L2tpControl = { readonly message: L2tpMessage | 'unknown' } & Scalars & Records

/** One AVP, as an event lists it. */
export interface AvpDescription {
  readonly type: number
  /** 'unknown' if no table has it. */
  readonly name: string
  readonly vendorId: number
  readonly vendorName?: string
  readonly mandatory: boolean
  readonly hidden: boolean
  /** The whole AVP, its header included, in octets. */
  readonly length: number
  /** Octets as hexadecimal. Absent if hidden and not recovered, or too short. */
  readonly value?: Exclude<AvpValue, Uint8Array>
  /** A code point, or a list of them, in words. */
  readonly meaning?: string
  /** For a hidden AVP, if there was an attempt to recover it. */
  readonly recovery?: Recovery['verdict']
  readonly secretIndex?: number
  readonly findings: readonly AvpFinding[]
}

type Writable<T> = { -readonly [K in keyof T]: T[K] }

export interface ControlDescription {
  /** Absent if there was no readable Message Type. */
  readonly messageType?: number
  readonly messageName: L2tpMessage | 'unknown'
  readonly avps: readonly AvpDescription[]
  readonly control: L2tpControl
  /** Everything found on any AVP, each name once, in the order of appearance. */
  readonly findings: readonly AvpFinding[]
  /** Why the walk over the AVPs stopped early. What stands before is described: it is evidence. */
  readonly flaw: AvpFlaw | null
  /** The capture cut the message: what follows was there, but nobody knows it. */
  readonly isSnapped: boolean
}

/**
 * Copies a control message out of the capture buffer. `recover` is asked about each hidden AVP. Whoever wants no list of the AVPs
 * gets of them those with findings and those that are hidden alone.
 */
export function describeControl(
  message: AvpWindow,
  avps: AvpCursor,
  recover?: Recover,
  listed: 'all' | 'notable' = 'all',
): ControlDescription {
  const described: AvpDescription[] = []
  const control: Record<string, unknown> = { message: 'unknown' }
  const findings: AvpFinding[] = []
  const found: AvpFinding[] = []
  const seen = new Set<number>()
  let messageType: number | undefined

  avps.over(message)
  for (let index = 0; avps.next(); index++) {
    findInHeader(avps, index === 0, found)
    const key = avps.vendorId * 0x10000 + avps.type
    const isAgain = seen.has(key)
    if (isAgain && !(avps.vendorId === 0 && REPEATABLE.has(avps.type))) found.push('l2tp.avp_duplicate')

    const recovery = avps.isHidden ? recover?.(avps) : undefined
    let value: AvpValue | undefined
    if (!avps.isHidden) value = readShown(avps, messageType, found)
    else if (recovery?.verdict === 'recovered') value = readRecovered(avps, recovery.value, messageType, found)

    if (avps.vendorId === 0 && avps.reservedBits === 0 && !isAgain && value !== undefined) {
      if (avps.type === MESSAGE_TYPE && typeof value === 'number') {
        messageType = value
        control['message'] = messageName(value)
      }
      enter(control, avps.type, value)
    }
    seen.add(key)
    if (index >= AVPS_DESCRIBED_MAX) found.push('l2tp.avp_excess')
    else if (listed === 'all' || found.length > 0 || recovery !== undefined)
      described.push(describeAvp(avps, value, recovery, found.slice()))
    if (found.length === 0) continue
    for (const finding of found) if (!findings.includes(finding)) findings.push(finding)
    found.length = 0
  }
  const description: Writable<ControlDescription> = {
    messageName: messageType === undefined ? 'unknown' : messageName(messageType),
    avps: described,
    control: control as L2tpControl,
    findings,
    flaw: avps.flaw,
    isSnapped: avps.isSnapped,
  }
  if (messageType !== undefined) description.messageType = messageType
  return description
}

function readShown(avp: AvpCursor, messageType: number | undefined, found: AvpFinding[]): AvpValue | undefined {
  const { vendorId, type, bytes, valueStart, valueEnd } = avp
  const value = readAvp(vendorId, type, bytes, valueStart, valueEnd, messageType)
  findInValue(avp, valueEnd - valueStart, value, messageType, found)
  if (value === undefined && rowOf(vendorId, type) === undefined) return hex(bytes, valueStart, valueEnd)
  return value
}

function readRecovered(
  avp: AvpCursor,
  plain: Uint8Array,
  messageType: number | undefined,
  found: AvpFinding[],
): AvpValue | undefined {
  const value = readAvp(avp.vendorId, avp.type, plain, 0, plain.length, messageType)
  findInValue(avp, plain.length, value, messageType, found)
  // Somebody hid what no table knows: it may be a secret, so it stays one.
  return value
}

function enter(control: Record<string, unknown>, type: number, value: AvpValue): void {
  const row = rowOf(0, type)
  if (row === undefined) return
  if (row[1] in RECORD_KINDS) Object.assign(control, value)
  else control[row[0]] = value
}

function describeAvp(
  avp: AvpCursor,
  value: AvpValue | undefined,
  recovery: Recovery | undefined,
  findings: readonly AvpFinding[],
): AvpDescription {
  const name = rowOf(avp.vendorId, avp.type)?.[0] ?? 'unknown'
  const description: Writable<AvpDescription> = {
    type: avp.type,
    name,
    vendorId: avp.vendorId,
    mandatory: avp.isMandatory,
    hidden: avp.isHidden,
    length: avp.length,
    findings,
  }
  // One by one, not by spreading what may be absent: each log-in describes some thirty AVPs.
  const vendorName = VENDORS[avp.vendorId]?.name
  if (vendorName !== undefined) description.vendorName = vendorName
  if (value !== undefined) description.value = value instanceof Uint8Array ? hex(value, 0, value.length) : value
  const meaning = meaningOf(name, value)
  if (meaning !== undefined) description.meaning = meaning
  if (recovery !== undefined) description.recovery = recovery.verdict
  if (recovery?.verdict === 'recovered') description.secretIndex = recovery.secretIndex
  return description
}
