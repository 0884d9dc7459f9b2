/**
 * Kerberos 5 (RFC 4120) in the clear parts of its messages: who asks for a ticket to what, which encryption types are offered
 * and chosen, whether the client proved to know its key first, and why a KDC refuses.
 *
 * Ciphertext is what passwords are guessed from offline: it never leaves this file, only its length and type.
 */
import { addressText } from '../base/address.ts'
import { u32 } from '../base/bytes.ts'
import { applicationTag, BER, BerCursor, type BerFlaw, contextTag } from './ber.ts'
import {
  AP_OPTIONS,
  KDC_OPTIONS,
  KERBEROS_ERRORS,
  KERBEROS_ETYPES,
  KERBEROS_MESSAGES,
  KERBEROS_NAME_TYPES,
  KERBEROS_PADATA,
  KERBEROS_PROOFS,
  PA,
} from './kerberos-tables.ts'
import type { Mutable } from './mutable.ts'

export const KERBEROS_PORT = 88
export const KPASSWD_PORT = 464

/** Over TCP each message follows its length (RFC 4120 section 7.2.2). */
export const KERBEROS_RECORD_MARK = 4

/** No KDC sends longer messages; the highest bit of the length is reserved. */
const MESSAGE_MAX = 0x100_0000
const LIST_MAX = 64
const COMPONENTS_MAX = 16

export interface KerberosTicket {
  readonly realm?: string
  readonly service?: string
  readonly etype?: number
  readonly etypeName?: string
  readonly kvno?: number
  readonly cipherLength?: number
}

export interface KerberosRecord {
  readonly messageType: number
  readonly messageName: string
  readonly client?: string
  readonly clientNameType?: string
  /** Realm of the client: in requests that of the KDC as well. */
  readonly clientRealm?: string
  readonly service?: string
  readonly serviceNameType?: string
  readonly serviceRealm?: string
  readonly kdcOptions?: readonly string[]
  /** As sent: YYYYMMDDhhmmssZ. */
  readonly till?: string
  readonly renewTill?: string
  readonly nonce?: number
  /** What the client accepts, best first. */
  readonly etypes?: readonly number[]
  readonly etypeNames?: readonly string[]
  /** Names of the machine that the client puts in the request. */
  readonly hostAddresses?: readonly string[]
  readonly preauthentication?: readonly number[]
  readonly preauthenticationNames?: readonly string[]
  /** Whether a request for a ticket carries a proof of the client's key. An AS-REP to one that does not can be attacked offline. */
  readonly hasProof?: boolean
  readonly proofEtype?: number
  readonly proofEtypeName?: string
  /** What a KDC says it knows keys for. */
  readonly offeredEtypes?: readonly number[]
  readonly offeredEtypeNames?: readonly string[]
  readonly includesPac?: boolean
  /** S4U2self: for whom a service asks a ticket to itself ([MS-SFU] section 2.2.1). */
  readonly impersonated?: string
  readonly impersonatedRealm?: string
  /** Replies and AP-REQ: the ticket that is given or shown. */
  readonly ticket?: KerberosTicket
  /** Tickets that a request shows besides, by which delegation works. */
  readonly additionalTickets?: readonly KerberosTicket[]
  readonly apOptions?: readonly string[]
  /** What the reply to the client is encrypted with. */
  readonly etype?: number
  readonly etypeName?: string
  readonly cipherLength?: number
  readonly errorCode?: number
  readonly errorName?: string
  readonly errorText?: string
  readonly serverTime?: string
  readonly flaw?: BerFlaw | KerberosFlaw
  readonly isSnapped?: true
}

/** `kerberos.message_type`: no message of Kerberos. `kerberos.field`: an element that the message needs is not there. */
export type KerberosFlaw = 'kerberos.message_type' | 'kerberos.field'

type Message = Mutable<KerberosRecord>
/** Reads the element inside a context tag, on which the cursor stands. */
type FieldReader<T> = (value: BerCursor, into: T) => void
type Readers<T> = Readonly<Record<number, FieldReader<T>>>

/** Whether a message may begin here: a known application tag, and a SEQUENCE in it. */
export function isKerberos(bytes: Uint8Array, start: number, end: number): boolean {
  if (end - start < 4) return false
  const number = bytes[start] & 0x1f
  return (bytes[start] & 0xe0) === 0x60 && KERBEROS_MESSAGES[number] !== undefined
}

/**
 * How long the message over TCP is that begins at `start` with its record mark, mark included: 0 if the mark is not complete,
 * -1 if this is no Kerberos.
 */
export function kerberosRecordLength(bytes: Uint8Array, start: number, end: number): number {
  if (end - start < KERBEROS_RECORD_MARK) return 0
  const length = u32(bytes, start)
  if (length < 4 || length > MESSAGE_MAX) return -1
  const at = start + KERBEROS_RECORD_MARK
  if (end > at && ((bytes[at] & 0xe0) !== 0x60 || KERBEROS_MESSAGES[bytes[at] & 0x1f] === undefined)) return -1
  return KERBEROS_RECORD_MARK + length
}

/** One message, without the record mark. `wireEnd` is where it ended on the wire; the capture may have cut it at `end`. */
export function describeKerberos(bytes: Uint8Array, start: number, end: number, wireEnd: number = end): KerberosRecord {
  const cursor = new BerCursor(bytes, start, end, wireEnd)
  const record: Message = { messageType: 0, messageName: 'unknown' }
  // What the message is, is told even where its length is false.
  if (isKerberos(bytes, start, end)) {
    record.messageType = bytes[start] & 0x1f
    record.messageName = KERBEROS_MESSAGES[record.messageType]
  }
  if (cursor.next()) readMessage(cursor, record)
  const { flaw, isSnapped } = cursor.state
  if (flaw !== null) record.flaw = flaw
  else if (isSnapped) {
    record.isSnapped = true
    // An element that was cut is no missing element.
    delete record.flaw
  } else if (start === wireEnd) record.flaw = 'ber.truncated'
  return record
}

function readMessage(message: BerCursor, record: Message): void {
  const number = record.messageType
  if (message.tag !== applicationTag(number) || number === 0) {
    record.flaw = 'kerberos.message_type'
    return
  }
  const readers = MESSAGES[number]
  if (readers === undefined) return
  const inside = message.inner()
  if (inside.take(BER.SEQUENCE)) readFields(inside, record, readers, record)
  else record.flaw = 'kerberos.field'
  if (number === AS_REQ) record.hasProof = (record.preauthentication ?? []).some((type) => KERBEROS_PROOFS.has(type))
}

const AS_REQ = 10

/** The elements of the SEQUENCE on which the cursor stands, each in its context tag. */
function readFields<T>(sequence: BerCursor, into: T, readers: Readers<T>, record: Message): void {
  const fields = sequence.inner()
  while (fields.next()) {
    const number = fields.tag & 0x1f
    const reader = readers[number]
    if (reader === undefined || fields.tag !== contextTag(number)) continue
    const value = fields.inner()
    if (value.next()) reader(value, into)
    else record.flaw ??= 'kerberos.field'
  }
}

// --- what messages are made of -------------------------------------------------------------------------------------------

interface Principal {
  name?: string
  nameType?: string
}

const PRINCIPAL: Readers<Principal> = {
  0: (value, into) => {
    into.nameType = KERBEROS_NAME_TYPES[value.integer()] ?? String(value.integer())
  },
  1: (value, into) => {
    const components: string[] = []
    const list = value.inner()
    while (components.length < COMPONENTS_MAX && list.next()) components.push(list.text())
    into.name = components.join('/')
  },
}

function readPrincipal(value: BerCursor, record: Message): Principal {
  const principal: Principal = {}
  readFields(value, principal, PRINCIPAL, record)
  return principal
}

const client: FieldReader<Message> = (value, record) => {
  const { name, nameType } = readPrincipal(value, record)
  if (name !== undefined) record.client = name
  if (nameType !== undefined) record.clientNameType = nameType
}

const service: FieldReader<Message> = (value, record) => {
  const { name, nameType } = readPrincipal(value, record)
  if (name !== undefined) record.service = name
  if (nameType !== undefined) record.serviceNameType = nameType
}

interface Encrypted {
  etype?: number
  kvno?: number
  cipherLength?: number
}

const ENCRYPTED: Readers<Encrypted> = {
  0: (value, into) => {
    into.etype = value.integer()
  },
  1: (value, into) => {
    into.kvno = value.integer()
  },
  2: (value, into) => {
    into.cipherLength = value.length
  },
}

function readEncrypted(value: BerCursor, record: Message): Encrypted & { etypeName?: string } {
  const encrypted: Encrypted = {}
  if (value.tag === BER.SEQUENCE) readFields(value, encrypted, ENCRYPTED, record)
  return encrypted.etype === undefined ? encrypted : { ...encrypted, etypeName: etypeName(encrypted.etype) }
}

export function etypeName(etype: number): string {
  return KERBEROS_ETYPES[etype] ?? String(etype)
}

/** RFC 4120 section 5.3: the tag of the application, then a SEQUENCE. */
function readTicket(value: BerCursor, record: Message): KerberosTicket {
  const ticket: Mutable<KerberosTicket> = {}
  const inside = value.inner()
  if (value.tag !== applicationTag(1) || !inside.take(BER.SEQUENCE)) {
    if (value.state.flaw === null) record.flaw ??= 'kerberos.field'
    return ticket
  }
  const readers: Readers<Mutable<KerberosTicket>> = {
    1: (field, into) => {
      into.realm = field.text()
    },
    2: (field, into) => {
      const { name } = readPrincipal(field, record)
      if (name !== undefined) into.service = name
    },
    3: (field, into) => Object.assign(into, readEncrypted(field, record)),
  }
  readFields(inside, ticket, readers, record)
  return ticket
}

function readBits(value: BerCursor, names: readonly (readonly [bit: number, name: string])[]): string[] {
  const word = value.bits()
  return names.filter(([bit]) => (word & (0x80000000 >>> bit)) !== 0).map(([, name]) => name)
}

function readIntegers(value: BerCursor): number[] {
  const numbers: number[] = []
  const list = value.inner()
  while (numbers.length < LIST_MAX && list.take(BER.INTEGER)) numbers.push(list.integer())
  return numbers
}

// --- preauthentication data (RFC 4120 section 5.2.7) ---------------------------------------------------------------------

const padata: FieldReader<Message> = (value, record) => {
  const types: number[] = []
  const list = value.inner()
  while (types.length < LIST_MAX && list.take(BER.SEQUENCE)) {
    let type = Number.NaN
    readFields(
      list,
      record,
      {
        1: (field) => {
          type = field.integer()
          types.push(type)
        },
        2: (field) => {
          if (field.valueEnd > field.valueStart) PADATA[type]?.(field, record)
        },
      },
      record,
    )
  }
  record.preauthentication = types
  record.preauthenticationNames = types.map((type) => KERBEROS_PADATA[type] ?? String(type))
}

/** What lies in the octets of a piece of preauthentication data. */
const PADATA: Readers<Message> = {
  [PA.TGS_REQ]: shownTicket,
  /** RFC 6113 section 5.4.2: the ticket that protects a request for another. */
  [PA.FX_FAST]: (value, record) => {
    const choice = value.inner()
    if (!choice.take(contextTag(0))) return
    const armored = choice.inner()
    if (!armored.take(BER.SEQUENCE)) return
    const armor: Readers<Message> = {
      1: (field, into) => {
        if (field.tag === BER.OCTET_STRING) shownTicket(field, into)
      },
    }
    readFields(armored, record, { 0: (field) => readFields(field, record, armor, record) }, record)
  },
  [PA.ENC_TIMESTAMP]: (value, record) => {
    const inside = value.inner()
    if (!inside.next()) return
    const { etype, etypeName: name } = readEncrypted(inside, record)
    if (etype !== undefined) record.proofEtype = etype
    if (name !== undefined) record.proofEtypeName = name
  },
  [PA.ETYPE_INFO]: offeredEtypes,
  [PA.ETYPE_INFO2]: offeredEtypes,
  [PA.PAC_REQUEST]: (value, record) => {
    const inside = value.inner()
    if (!inside.take(BER.SEQUENCE)) return
    const readers: Readers<Message> = {
      0: (field, into) => {
        into.includesPac = field.boolean()
      },
    }
    readFields(inside, record, readers, record)
  },
  [PA.FOR_USER]: (value, record) => {
    const inside = value.inner()
    if (!inside.take(BER.SEQUENCE)) return
    const readers: Readers<Message> = {
      0: (field, into) => {
        const { name } = readPrincipal(field, record)
        if (name !== undefined) into.impersonated = name
      },
      1: (field, into) => {
        into.impersonatedRealm = field.text()
      },
    }
    readFields(inside, record, readers, record)
  },
}

/** The AP-REQ in the octets on which the cursor stands. */
function shownTicket(value: BerCursor, record: Message): void {
  const inside = value.inner()
  if (!inside.take(applicationTag(14))) return
  const request = inside.inner()
  if (request.take(BER.SEQUENCE)) readFields(request, record, { 3: apTicket }, record)
}

function offeredEtypes(value: BerCursor, record: Message): void {
  const inside = value.inner()
  if (!inside.take(BER.SEQUENCE)) return
  const etypes = [...(record.offeredEtypes ?? [])]
  const entries = inside.inner()
  while (etypes.length < LIST_MAX && entries.take(BER.SEQUENCE)) {
    readFields(
      entries,
      record,
      {
        0: (field) => {
          if (!etypes.includes(field.integer())) etypes.push(field.integer())
        },
      },
      record,
    )
  }
  record.offeredEtypes = etypes
  record.offeredEtypeNames = etypes.map(etypeName)
}

// --- messages ------------------------------------------------------------------------------------------------------------

function apTicket(value: BerCursor, record: Message): void {
  record.ticket = readTicket(value, record)
}

const clientRealm: FieldReader<Message> = (value, record) => {
  record.clientRealm = value.text()
}

/** RFC 4120 section 5.4.1, KDC-REQ-BODY. */
const REQUEST_BODY: Readers<Message> = {
  0: (value, record) => {
    record.kdcOptions = readBits(value, KDC_OPTIONS)
  },
  1: client,
  2: (value, record) => {
    record.serviceRealm = value.text()
  },
  3: service,
  5: (value, record) => {
    record.till = value.text()
  },
  6: (value, record) => {
    record.renewTill = value.text()
  },
  7: (value, record) => {
    // Some encode the 32 bits without the zero octet that keeps them positive.
    record.nonce = value.integer() >>> 0
  },
  8: (value, record) => {
    record.etypes = readIntegers(value)
    record.etypeNames = record.etypes.map(etypeName)
  },
  9: (value, record) => {
    const addresses: string[] = []
    const list = value.inner()
    while (addresses.length < LIST_MAX && list.take(BER.SEQUENCE)) readHostAddress(list, addresses, record)
    record.hostAddresses = addresses
  },
  11: (value, record) => {
    const tickets: KerberosTicket[] = []
    const list = value.inner()
    while (tickets.length < LIST_MAX && list.next()) tickets.push(readTicket(list, record))
    record.additionalTickets = tickets
  },
}

const ADDRESS_IPV4 = 2
const ADDRESS_NETBIOS = 20
const ADDRESS_IPV6 = 24

function readHostAddress(value: BerCursor, addresses: string[], record: Message): void {
  let type = Number.NaN
  readFields(
    value,
    record,
    {
      0: (field) => {
        type = field.integer()
      },
      1: (field) => {
        const { bytes, valueStart, valueEnd } = field
        const length = valueEnd - valueStart
        if (type === ADDRESS_NETBIOS) addresses.push(field.text().trimEnd())
        else if ((type === ADDRESS_IPV4 && length === 4) || (type === ADDRESS_IPV6 && length === 16))
          addresses.push(addressText(bytes, valueStart, length))
      },
    },
    record,
  )
}

const REQUEST: Readers<Message> = {
  3: padata,
  4: (value, record) => {
    readFields(value, record, REQUEST_BODY, record)
    // The client belongs to the realm that it asks, unless it shows a ticket of another.
    if (record.client !== undefined && record.serviceRealm !== undefined) record.clientRealm = record.serviceRealm
  },
}

const REPLY: Readers<Message> = {
  2: padata,
  3: clientRealm,
  4: client,
  5: apTicket,
  6: (value, record) => Object.assign(record, withoutKvno(readEncrypted(value, record))),
}

function withoutKvno({ kvno: _, ...rest }: Encrypted): Encrypted {
  return rest
}

/** RFC 4120 section 5.9.1. */
const ERROR: Readers<Message> = {
  4: (value, record) => {
    record.serverTime = value.text()
  },
  6: (value, record) => {
    record.errorCode = value.integer()
    record.errorName = KERBEROS_ERRORS[record.errorCode] ?? String(record.errorCode)
  },
  7: clientRealm,
  8: client,
  9: (value, record) => {
    record.serviceRealm = value.text()
  },
  10: service,
  11: (value, record) => {
    record.errorText = value.text()
  },
  12: (value, record) => {
    // A list of what the KDC would accept (RFC 4120 section 5.9.1); other errors put other things here.
    const inside = value.inner()
    if (PREAUTHENTICATION_ERRORS.has(record.errorCode ?? 0) && inside.take(BER.SEQUENCE)) padata(inside, record)
  },
}

const PREAUTHENTICATION_ERRORS: ReadonlySet<number> = new Set([24, 25, 91])

const MESSAGES: Readonly<Record<number, Readers<Message>>> = {
  10: REQUEST,
  11: REPLY,
  12: REQUEST,
  13: REPLY,
  14: {
    2: (value, record) => {
      record.apOptions = readBits(value, AP_OPTIONS)
    },
    3: apTicket,
  },
  15: {
    2: (value, record) => Object.assign(record, withoutKvno(readEncrypted(value, record))),
  },
  30: ERROR,
}
