/**
 * LDAP (RFC 4511) over TCP, and CLDAP over UDP ([MS-ADTS] section 6.3.3): who binds and how, what is looked for, what is changed,
 * and what the directory answers.
 *
 * Passwords, SASL credentials and the values of attributes are never told, but for a few attributes that say what a change is
 * for (`LDAP_TOLD`).
 */
import { hex, u16, u32 } from '../base/bytes.ts'
import { BER, BerCursor, berElementEnd, type BerFlaw, contextTag } from './ber.ts'
import {
  LDAP_MODIFICATIONS,
  LDAP_OIDS,
  LDAP_OPERATIONS,
  LDAP_RESULTS,
  LDAP_SCOPES,
  LDAP_SECRETS,
  LDAP_TOLD,
} from './ldap-tables.ts'
import type { Mutable } from './mutable.ts'
import type { NtlmRecord } from './ntlm.ts'
import { describeSecurityBlob, type SecurityBlob } from './security-blob.ts'

export const LDAP_PORT = 389
/** The global catalogue of a forest. */
export const LDAP_GC_PORT = 3268

export const LDAP_START_TLS = '1.3.6.1.4.1.1466.20037'

/** How long a filter or a list may become in a description. */
const FILTER_MAX = 2048
const LIST_MAX = 256
const VALUES_MAX = 16

/** `ldap.message`: no LDAPMessage. `ldap.operation`: none of RFC 4511. `ldap.field`: an element that the operation needs is not there. */
export type LdapFlaw = 'ldap.message' | 'ldap.operation' | 'ldap.field'

export interface LdapChange {
  /** Of a modification: add, delete, replace, increment. */
  readonly operation?: string
  readonly attribute: string
  readonly valueCount: number
  /** Only of attributes that say what a change is for. */
  readonly values?: readonly string[]
}

export interface LdapRecord {
  readonly messageId: number
  readonly operation: number
  readonly operationName: string
  /** bindRequest. */
  readonly version?: number
  readonly name?: string
  /** anonymous, unauthenticated, simple, SASL or Sicily. */
  readonly authentication?: string
  readonly mechanism?: string
  readonly passwordLength?: number
  /** What the credentials of SASL or Sicily hold, in either direction. */
  readonly security?: SecurityBlob
  /** searchRequest. */
  readonly baseObject?: string
  readonly scope?: string
  readonly sizeLimit?: number
  readonly timeLimitSeconds?: number
  readonly filter?: string
  readonly attributes?: readonly string[]
  /** searchResEntry, and the operations that change an entry or compare with it. */
  readonly object?: string
  readonly changes?: readonly LdapChange[]
  readonly newRdn?: string
  readonly newSuperior?: string
  /** searchResRef, and referrals in results. */
  readonly referrals?: readonly string[]
  readonly resultCode?: number
  readonly resultName?: string
  readonly matchedDn?: string
  readonly diagnosticMessage?: string
  /** Extended operations. */
  readonly extension?: string
  readonly extensionName?: string
  readonly abandoned?: number
  readonly controls?: readonly string[]
  readonly controlNames?: readonly string[]
  readonly flaw?: BerFlaw | LdapFlaw
  readonly isSnapped?: true
}

type Message = Mutable<LdapRecord>

/** Whether an LDAPMessage may begin here: a SEQUENCE, a message number, a known operation. */
export function isLdap(bytes: Uint8Array, start: number, end: number): boolean {
  const cursor = new BerCursor(bytes, start, end, Number.MAX_SAFE_INTEGER)
  if (!cursor.take(BER.SEQUENCE)) return false
  const inside = cursor.inner()
  if (!inside.take(BER.INTEGER) || inside.length > 4) return false
  const at = inside.valueEnd
  return at < end && (bytes[at] & 0xc0) === 0x40 && LDAP_OPERATIONS[bytes[at] & 0x1f] !== undefined
}

/** A message may not be longer than a large directory entry; what claims to be is none. */
const MESSAGE_MAX = 0x400_0000

/** How long the message is that begins at `start`: 0 if that cannot be told yet, -1 if this is no LDAP. */
export function ldapLength(bytes: Uint8Array, start: number, end: number): number {
  if (end > start && bytes[start] !== BER.SEQUENCE) return -1
  const elementEnd = berElementEnd(bytes, start, end)
  if (elementEnd <= 0) return elementEnd
  return elementEnd - start > MESSAGE_MAX ? -1 : elementEnd - start
}

/** After a SASL login that agreed on it each message is wrapped, behind its length (RFC 4422 section 3.7). */
export interface LdapWrapping {
  /** With the four octets of the length. */
  readonly length: number
  /** Where the message lies if it is signed only, in the buffer and on the wire; absent if it is encrypted. */
  readonly message?: { readonly start: number; readonly wireEnd: number }
}

const LENGTH_MARK = 4

/** A wrapped message; null if none begins here, or too little of it is there to tell. */
export function ldapWrapping(bytes: Uint8Array, start: number, end: number): LdapWrapping | null {
  const at = start + LENGTH_MARK
  if (end - at < 16) return null
  const length = u32(bytes, start)
  if (length < 16 || length > MESSAGE_MAX) return null
  const tokenEnd = at + length
  const window = wrappedByKerberos(bytes, at, tokenEnd) ?? wrappedByNtlm(bytes, at, tokenEnd)
  if (window === null) return null
  const isClear = window.start < end && isLdap(bytes, window.start, end)
  return { length: LENGTH_MARK + length, ...(isClear ? { message: window } : {}) }
}

type Wrapped = { readonly start: number; readonly wireEnd: number } | null

const CFX_HEADER = 16

/** RFC 4121 section 4.2.6.2: behind the header the message and its checksum, in one order or, rotated, in the other. */
function wrappedByKerberos(bytes: Uint8Array, at: number, tokenEnd: number): Wrapped {
  if (bytes[at] === 0x05 && bytes[at + 1] === 0x04 && bytes[at + 3] === 0xff) {
    const checksumLength = u16(bytes, at + 4)
    const rotation = u16(bytes, at + 6)
    const start = at + CFX_HEADER + (rotation === checksumLength ? checksumLength : 0)
    return { start, wireEnd: tokenEnd - checksumLength + start - at - CFX_HEADER }
  }
  // RFC 1964 section 1.2.2: algorithms, sequence number, checksum and a confounder of eight octets each.
  const frameStart = frameOfKerberos(bytes, at)
  return frameStart === -1 ? null : { start: frameStart + 32, wireEnd: tokenEnd }
}

/** Behind the GSS-API frame that names Kerberos: where the token id of a wrapped message stands; -1 if there is none. */
function frameOfKerberos(bytes: Uint8Array, at: number): number {
  if (bytes[at] !== 0x60) return -1
  const lengthOctets = bytes[at + 1] > 0x80 ? (bytes[at + 1] & 0x7f) + 1 : 1
  const oidAt = at + 1 + lengthOctets
  if (bytes[oidAt] !== BER.OID || bytes[oidAt + 1] > 16) return -1
  const tokenAt = oidAt + 2 + bytes[oidAt + 1]
  return bytes[tokenAt] === 0x02 && bytes[tokenAt + 1] === 0x01 ? tokenAt : -1
}

const NTLM_SIGNATURE = 16

/** [MS-NLMP] section 2.2.2.9: a signature that begins with the version 1, then the message. */
function wrappedByNtlm(bytes: Uint8Array, at: number, tokenEnd: number): Wrapped {
  return u32(bytes, at) === 0x01000000 ? { start: at + NTLM_SIGNATURE, wireEnd: tokenEnd } : null
}

/** One message. `wireEnd` is where it ended on the wire; the capture may have cut it at `end`. */
export function describeLdap(bytes: Uint8Array, start: number, end: number, wireEnd: number = end): LdapRecord {
  const record: Message = { messageId: 0, operation: -1, operationName: 'unknown' }
  const cursor = new BerCursor(bytes, start, end, wireEnd)
  if (cursor.take(BER.SEQUENCE)) readMessage(cursor.inner(), record)
  else if (cursor.state.flaw === null) record.flaw = 'ldap.message'
  const { flaw, isSnapped } = cursor.state
  if (flaw !== null) record.flaw = flaw
  else if (isSnapped) {
    record.isSnapped = true
    // An element that was cut is no missing element.
    delete record.flaw
  }
  return record
}

function readMessage(message: BerCursor, record: Message): void {
  if (!message.take(BER.INTEGER)) {
    record.flaw = 'ldap.message'
    return
  }
  record.messageId = message.integer()
  if (!message.next()) {
    record.flaw = 'ldap.message'
    return
  }
  const operation = message.tag & 0x1f
  const name = LDAP_OPERATIONS[operation]
  if ((message.tag & 0xc0) !== 0x40 || name === undefined) {
    record.flaw = 'ldap.operation'
    return
  }
  record.operation = operation
  record.operationName = name
  if (OPERATIONS[operation]?.(message, record) === false) record.flaw = 'ldap.field'
  if (message.take(contextTag(0))) readControls(message.inner(), record)
}

/** Reads the operation on which the cursor stands; false if something is missing. */
type OperationReader = (operation: BerCursor, record: Message) => boolean

const SIMPLE = 0x80
const SASL = contextTag(3)
/** Windows' own way to log in with NTLM, by the number of its tag ([MS-ADTS] section 5.1.1.1.3). */
const SICILY: Readonly<Record<number, string>> = { 9: 'discovery', 10: 'negotiate', 11: 'response' }

const bindRequest: OperationReader = (operation, record) => {
  const inside = operation.inner()
  if (!inside.take(BER.INTEGER)) return false
  record.version = inside.integer()
  if (!inside.take(BER.OCTET_STRING)) return false
  record.name = inside.text()
  if (!inside.next()) return false
  const { tag, length } = inside
  if (tag === SIMPLE) {
    record.passwordLength = length
    // RFC 4513 section 5.1: no name is nobody, a name without a password is not checked.
    record.authentication = length > 0 ? 'simple' : record.name === '' ? 'anonymous' : 'unauthenticated'
  } else if (tag === SASL) {
    record.authentication = 'SASL'
    const credentials = inside.inner()
    if (!credentials.take(BER.OCTET_STRING)) return false
    record.mechanism = credentials.text()
    if (credentials.take(BER.OCTET_STRING)) readCredentials(credentials, record)
  } else if ((tag & 0xe0) === SIMPLE && SICILY[tag & 0x1f] !== undefined) {
    record.authentication = 'Sicily'
    record.mechanism = SICILY[tag & 0x1f]
    if (length > 0) readCredentials(inside, record)
  } else return false
  return true
}

/** Other mechanisms than GSSAPI, GSS-SPNEGO and NTLM carry secrets here: only what is a known token is looked at. */
function readCredentials({ bytes, valueStart, valueEnd, valueWireEnd }: BerCursor, record: Message): void {
  const security = describeSecurityBlob(bytes, valueStart, valueEnd, valueWireEnd)
  const { ntlm, kerberos, mechanism, state } = security
  if (ntlm !== undefined || kerberos !== undefined || mechanism !== undefined || state !== undefined)
    record.security = security
}

/** RFC 4511 section 4.1.9; the elements that some responses add are left to be read. */
function readResult(inside: BerCursor, record: Message): boolean {
  if (!inside.take(BER.ENUMERATED)) return false
  record.resultCode = inside.integer()
  record.resultName = LDAP_RESULTS[record.resultCode] ?? String(record.resultCode)
  if (!inside.take(BER.OCTET_STRING)) return false
  // Sicily answers with the challenge of NTLM in the place of a name.
  const ntlm = ntlmIn(inside)
  if (ntlm !== undefined) record.security = { mechanism: 'NTLM', ntlm }
  else if (inside.length > 0) record.matchedDn = inside.text()
  if (!inside.take(BER.OCTET_STRING)) return false
  if (inside.length > 0) record.diagnosticMessage = inside.text()
  return true
}

function ntlmIn({ bytes, valueStart, valueEnd, valueWireEnd }: BerCursor): NtlmRecord | undefined {
  if (valueEnd <= valueStart || bytes[valueStart] !== 0x4e) return undefined
  return describeSecurityBlob(bytes, valueStart, valueEnd, valueWireEnd).ntlm
}

const REFERRAL = contextTag(3)

const result: OperationReader = (operation, record) => {
  const inside = operation.inner()
  if (!readResult(inside, record)) return false
  while (inside.next()) if (inside.tag === REFERRAL) record.referrals = readTexts(inside)
  return true
}

const SERVER_CREDENTIALS = 0x87

const bindResponse: OperationReader = (operation, record) => {
  const inside = operation.inner()
  if (!readResult(inside, record)) return false
  while (inside.next()) if (inside.tag === SERVER_CREDENTIALS) readCredentials(inside, record)
  return true
}

const searchRequest: OperationReader = (operation, record) => {
  const inside = operation.inner()
  if (!inside.take(BER.OCTET_STRING)) return false
  record.baseObject = inside.text()
  if (!inside.take(BER.ENUMERATED)) return false
  record.scope = LDAP_SCOPES[inside.integer()] ?? String(inside.integer())
  if (!inside.take(BER.ENUMERATED) || !inside.take(BER.INTEGER)) return false
  record.sizeLimit = inside.integer()
  if (!inside.take(BER.INTEGER)) return false
  record.timeLimitSeconds = inside.integer()
  if (!inside.take(BER.BOOLEAN) || !inside.next()) return false
  record.filter = filterText(inside)
  if (!inside.take(BER.SEQUENCE)) return false
  record.attributes = readTexts(inside)
  return true
}

const searchEntry: OperationReader = (operation, record) => {
  const inside = operation.inner()
  if (!inside.take(BER.OCTET_STRING)) return false
  record.object = inside.text()
  if (!inside.take(BER.SEQUENCE)) return false
  const names: string[] = []
  const list = inside.inner()
  while (names.length < LIST_MAX && list.take(BER.SEQUENCE)) {
    const attribute = list.inner()
    if (!attribute.take(BER.OCTET_STRING)) return false
    names.push(attribute.text())
  }
  record.attributes = names
  return true
}

const searchReference: OperationReader = (operation, record) => {
  record.referrals = readTexts(operation)
  return true
}

const modify: OperationReader = (operation, record) => {
  const inside = operation.inner()
  if (!inside.take(BER.OCTET_STRING)) return false
  record.object = inside.text()
  if (!inside.take(BER.SEQUENCE)) return false
  const changes: LdapChange[] = []
  const list = inside.inner()
  while (changes.length < LIST_MAX && list.take(BER.SEQUENCE)) {
    const item = list.inner()
    if (!item.take(BER.ENUMERATED)) return false
    const how = LDAP_MODIFICATIONS[item.integer()] ?? String(item.integer())
    if (!item.take(BER.SEQUENCE)) return false
    const change = readAttribute(item)
    if (change === null) return false
    changes.push({ operation: how, ...change })
  }
  record.changes = changes
  return true
}

const add: OperationReader = (operation, record) => {
  const inside = operation.inner()
  if (!inside.take(BER.OCTET_STRING)) return false
  record.object = inside.text()
  if (!inside.take(BER.SEQUENCE)) return false
  const changes: LdapChange[] = []
  const list = inside.inner()
  while (changes.length < LIST_MAX && list.take(BER.SEQUENCE)) {
    const change = readAttribute(list)
    if (change === null) return false
    changes.push(change)
  }
  record.changes = changes
  return true
}

/** The attribute on which the cursor stands, and how many values are given to it. */
function readAttribute(element: BerCursor): LdapChange | null {
  const inside = element.inner()
  if (!inside.take(BER.OCTET_STRING)) return null
  const attribute = inside.text()
  if (!inside.take(BER.SET)) return null
  const isTold = LDAP_TOLD.has(attribute.toLowerCase())
  const values: string[] = []
  let valueCount = 0
  const list = inside.inner()
  while (list.next()) {
    valueCount++
    if (isTold && values.length < VALUES_MAX) values.push(list.text())
  }
  return { attribute, valueCount, ...(isTold ? { values } : {}) }
}

const rename: OperationReader = (operation, record) => {
  const inside = operation.inner()
  if (!inside.take(BER.OCTET_STRING)) return false
  record.object = inside.text()
  if (!inside.take(BER.OCTET_STRING)) return false
  record.newRdn = inside.text()
  if (!inside.take(BER.BOOLEAN)) return false
  if (inside.take(0x80)) record.newSuperior = inside.text()
  return true
}

const compare: OperationReader = (operation, record) => {
  const inside = operation.inner()
  if (!inside.take(BER.OCTET_STRING)) return false
  record.object = inside.text()
  if (!inside.take(BER.SEQUENCE)) return false
  const assertion = inside.inner()
  if (!assertion.take(BER.OCTET_STRING)) return false
  record.attributes = [assertion.text()]
  return true
}

function readExtension(tag: number, inside: BerCursor, record: Message): boolean {
  while (inside.next()) {
    if (inside.tag !== tag) continue
    record.extension = inside.text()
    const name = LDAP_OIDS[record.extension]
    if (name !== undefined) record.extensionName = name
    return true
  }
  return false
}

const OPERATIONS: Readonly<Record<number, OperationReader>> = {
  0: bindRequest,
  1: bindResponse,
  3: searchRequest,
  4: searchEntry,
  5: result,
  6: modify,
  7: result,
  8: add,
  9: result,
  10: (operation, record) => {
    record.object = operation.text()
    return true
  },
  11: result,
  12: rename,
  13: result,
  14: compare,
  15: result,
  16: (operation, record) => {
    record.abandoned = operation.integer()
    return true
  },
  19: searchReference,
  23: (operation, record) => readExtension(0x80, operation.inner(), record),
  24: (operation, record) => {
    const inside = operation.inner()
    if (!readResult(inside, record)) return false
    readExtension(0x8a, inside, record)
    return true
  },
  25: (operation, record) => {
    readExtension(0x80, operation.inner(), record)
    return true
  },
}

function readTexts(element: BerCursor): string[] {
  const texts: string[] = []
  const list = element.inner()
  while (texts.length < LIST_MAX && list.take(BER.OCTET_STRING)) texts.push(list.text())
  return texts
}

function readControls(list: BerCursor, record: Message): void {
  const oids: string[] = []
  while (oids.length < LIST_MAX && list.take(BER.SEQUENCE)) {
    const control = list.inner()
    if (control.take(BER.OCTET_STRING)) oids.push(control.text())
  }
  record.controls = oids
  record.controlNames = oids.map((oid) => LDAP_OIDS[oid] ?? oid)
}

// --- filters (RFC 4515) --------------------------------------------------------------------------------------------------

/** A filter as text, cut where it becomes too long. */
function filterText(filter: BerCursor): string {
  const out = new FilterWriter()
  out.write(filter)
  return out.text.length > FILTER_MAX ? `${out.text.slice(0, FILTER_MAX)}…` : out.text
}

const RELATIONS: Readonly<Record<number, string>> = { 3: '=', 5: '>=', 6: '<=', 8: '~=' }

class FilterWriter {
  text = ''

  write(filter: BerCursor): void {
    if (this.text.length > FILTER_MAX) return
    const number = filter.tag & 0x1f
    this.text += '('
    if (number <= 2) {
      this.text += '&|!'[number]
      const parts = filter.inner()
      while (parts.next()) this.write(parts)
    } else if (RELATIONS[number] !== undefined) this.#relation(filter.inner(), RELATIONS[number])
    else if (number === 4) this.#substrings(filter.inner())
    else if (number === 7) this.text += `${filter.text()}=*`
    else if (number === 9) this.#extensible(filter.inner())
    else this.text += `[${number}]`
    this.text += ')'
  }

  #relation(inside: BerCursor, relation: string): void {
    if (!inside.take(BER.OCTET_STRING)) return
    const attribute = inside.text()
    this.text += `${attribute}${relation}`
    if (inside.take(BER.OCTET_STRING)) this.text += valueText(inside, attribute)
  }

  #substrings(inside: BerCursor): void {
    if (!inside.take(BER.OCTET_STRING)) return
    const attribute = inside.text()
    this.text += `${attribute}=`
    if (!inside.take(BER.SEQUENCE)) return
    const parts = inside.inner()
    let isOpen = false
    while (this.text.length <= FILTER_MAX && parts.next()) {
      const number = parts.tag & 0x1f
      if (number > 0 && !isOpen) this.text += '*'
      this.text += valueText(parts, attribute)
      isOpen = number < 2
      if (isOpen) this.text += '*'
    }
  }

  #extensible(inside: BerCursor): void {
    let rule = ''
    let attribute = ''
    let value = ''
    let ofDn = ''
    while (inside.next()) {
      const number = inside.tag & 0x1f
      if (number === 1) rule = `:${inside.text()}`
      else if (number === 2) attribute = inside.text()
      else if (number === 3) value = valueText(inside, attribute)
      else if (number === 4 && inside.boolean()) ofDn = ':dn'
    }
    this.text += `${attribute}${ofDn}${rule}:=${value}`
  }
}

/** Printable characters but those that mean something in a filter; the rest in hexadecimal (RFC 4515 section 3). */
function valueText(value: BerCursor, attribute: string): string {
  if (LDAP_SECRETS.has(attribute.toLowerCase())) return '…'
  const { bytes, valueStart } = value
  const valueEnd = Math.min(value.valueEnd, valueStart + FILTER_MAX)
  if (!isPrintable(bytes, valueStart, valueEnd)) return hex(bytes, valueStart, valueEnd).replace(/../g, '\\$&')
  return value.text().replace(/[()*\\]/g, (character) => `\\${character.charCodeAt(0).toString(16)}`)
}

function isPrintable(bytes: Uint8Array, start: number, end: number): boolean {
  for (let at = start; at < end; at++) if (bytes[at] < 0x20 || bytes[at] === 0x7f) return false
  return true
}
