/**
 * GSS-API tokens (RFC 2743 section 3.1) and the negotiation of their mechanism, SPNEGO (RFC 4178, [MS-SPNG]): which ways to
 * log in are offered, which is chosen, and where in the message the token of that mechanism lies.
 */
import { le16 } from '../base/little-endian.ts'
import { applicationTag, BER, BerCursor, type BerFlaw, contextTag } from './ber.ts'
import type { Mutable } from './mutable.ts'
import { isNtlm } from './ntlm.ts'

export const GSS_SPNEGO = '1.3.6.1.5.5.2'

/** Mechanisms by their object identifier. */
export const GSS_MECHANISMS: Readonly<Record<string, string>> = {
  [GSS_SPNEGO]: 'SPNEGO',
  '1.2.840.113554.1.2.2': 'Kerberos',
  '1.2.840.48018.1.2.2': 'Kerberos',
  '1.2.840.113554.1.2.2.3': 'Kerberos user-to-user',
  '1.3.6.1.5.2.5': 'IAKERB',
  '1.3.6.1.4.1.311.2.2.10': 'NTLM',
  '1.3.6.1.4.1.311.2.2.30': 'NEGOEX',
  '1.3.6.1.5.5.14': 'SCRAM-SHA-1',
}

export const SPNEGO_STATES: Readonly<Record<number, string>> = {
  0: 'accept-completed',
  1: 'accept-incomplete',
  2: 'reject',
  3: 'request-mic',
}

/** A token of a mechanism, in the buffer of the message. */
export interface GssToken {
  readonly kind: 'ntlm' | 'kerberos' | 'other'
  readonly start: number
  readonly end: number
  readonly wireEnd: number
}

export interface GssRecord {
  /** In the order of preference: the first is what a token that comes with the offer belongs to. */
  readonly mechanisms?: readonly string[]
  /** Which one is spoken, where the message tells. */
  readonly mechanism?: string
  readonly state?: string
  readonly token?: GssToken
  readonly flaw?: BerFlaw
  readonly isSnapped?: true
}

const GSS_TOKEN = applicationTag(0)
const MECHANISMS_MAX = 16

/** One token, of a mechanism or of the negotiation. */
export function describeGss(bytes: Uint8Array, start: number, end: number, wireEnd: number = end): GssRecord {
  if (isNtlm(bytes, start, end)) return { mechanism: 'NTLM', token: { kind: 'ntlm', start, end, wireEnd } }
  const record: Mutable<GssRecord> = {}
  const cursor = new BerCursor(bytes, start, end, wireEnd)
  if (cursor.next()) readToken(cursor, record)
  if (cursor.state.flaw !== null) record.flaw = cursor.state.flaw
  else if (cursor.state.isSnapped) record.isSnapped = true
  return record
}

function readToken(element: BerCursor, record: Mutable<GssRecord>): void {
  switch (element.tag) {
    case GSS_TOKEN:
      readFramed(element.inner(), record)
      break
    case contextTag(0):
      readInit(element.inner(), record)
      break
    case contextTag(1):
      readResponse(element.inner(), record)
      break
    default:
      if (isKerberosTag(element.tag)) {
        record.mechanism = 'Kerberos'
        record.token = {
          kind: 'kerberos',
          start: element.start,
          end: element.valueEnd,
          wireEnd: element.valueWireEnd,
        }
      }
  }
}

/** Kerberos messages that stand alone where both ends know the mechanism: AP-REQ, AP-REP, KRB-ERROR. */
function isKerberosTag(tag: number): boolean {
  return tag === applicationTag(14) || tag === applicationTag(15) || tag === applicationTag(30)
}

/** The mechanism, then its token: an element in SPNEGO, octets in the others (RFC 2743 section 3.1). */
function readFramed(inside: BerCursor, record: Mutable<GssRecord>): void {
  if (!inside.take(BER.OID)) return
  const oid = inside.oid()
  const mechanism = GSS_MECHANISMS[oid] ?? oid
  if (oid === GSS_SPNEGO) {
    if (inside.next()) readToken(inside, record)
    return
  }
  record.mechanism = mechanism
  record.token = framedToken(inside, mechanism)
}

/** Kerberos puts two octets before its message that tell which it is (RFC 1964 section 1.1, RFC 4121 section 4.1). */
function framedToken({ bytes, valueEnd, end, wireEnd }: BerCursor, mechanism: string): GssToken {
  const other: GssToken = { kind: 'other', start: valueEnd, end, wireEnd }
  if (!mechanism.startsWith('Kerberos') || end - valueEnd < 3) return other
  return le16(bytes, valueEnd) <= 3 ? { ...other, kind: 'kerberos', start: valueEnd + 2 } : other
}

function readInit(inside: BerCursor, record: Mutable<GssRecord>): void {
  if (!inside.take(BER.SEQUENCE)) return
  const fields = inside.inner()
  while (fields.next()) {
    if (fields.tag === contextTag(0)) {
      record.mechanisms = readMechanisms(fields.inner())
      const [preferred] = record.mechanisms
      if (record.mechanisms.length === 1 && preferred !== undefined) record.mechanism = preferred
    } else if (fields.tag === contextTag(2)) readOctets(fields.inner(), record)
  }
}

function readMechanisms(inside: BerCursor): readonly string[] {
  const names: string[] = []
  if (!inside.take(BER.SEQUENCE)) return names
  const list = inside.inner()
  while (names.length < MECHANISMS_MAX && list.take(BER.OID)) {
    const oid = list.oid()
    const name = GSS_MECHANISMS[oid] ?? oid
    if (!names.includes(name)) names.push(name)
  }
  return names
}

function readResponse(inside: BerCursor, record: Mutable<GssRecord>): void {
  if (!inside.take(BER.SEQUENCE)) return
  const fields = inside.inner()
  while (fields.next()) {
    if (fields.tag === contextTag(0)) {
      const value = fields.inner()
      if (value.take(BER.ENUMERATED)) record.state = SPNEGO_STATES[value.integer()] ?? String(value.integer())
    } else if (fields.tag === contextTag(1)) {
      const value = fields.inner()
      if (value.take(BER.OID)) record.mechanism = GSS_MECHANISMS[value.oid()] ?? value.oid()
    } else if (fields.tag === contextTag(2)) readOctets(fields.inner(), record)
  }
}

/** The token of the mechanism: NTLM bare, Kerberos framed once more. */
function readOctets(inside: BerCursor, record: Mutable<GssRecord>): void {
  if (!inside.take(BER.OCTET_STRING)) return
  const { bytes, valueStart, valueEnd, valueWireEnd } = inside
  if (valueEnd <= valueStart) return
  if (isNtlm(bytes, valueStart, valueEnd)) {
    record.mechanism = 'NTLM'
    record.token = { kind: 'ntlm', start: valueStart, end: valueEnd, wireEnd: valueWireEnd }
    return
  }
  record.token = { kind: 'other', start: valueStart, end: valueEnd, wireEnd: valueWireEnd }
  // What is no element is a token of a mechanism without a frame, and no fault.
  const cursor = new BerCursor(bytes, valueStart, valueEnd, valueWireEnd)
  if (!cursor.next()) return
  const framed: Mutable<GssRecord> = {}
  if (cursor.tag === GSS_TOKEN) readFramed(cursor.inner(), framed)
  else if (isKerberosTag(cursor.tag)) readToken(cursor, framed)
  if (framed.mechanism !== undefined) record.mechanism = framed.mechanism
  if (framed.token !== undefined) record.token = framed.token
}
