/**
 * The packets by which PPP negotiates: Link Control (RFC 1661, RFC 1570) and the Network Control Protocols, which share its
 * format; their options are in `ppp-options.ts`.
 *
 * `PppControlView` reads the header that all of them, and PAP, CHAP and EAP, begin with; `describePppControl` copies a packet
 * into a plain record.
 */
import { hex, NO_BYTES, text, u16, u32 } from '../base/bytes.ts'
import type { Mutable } from './mutable.ts'
import { PPP, pppProtocolName } from './ppp.ts'
import {
  bits32,
  describePppOptions,
  isText,
  type PppOption,
  type PppOptionCursor,
  type PppOptionFlaw,
} from './ppp-options.ts'

/** Packet codes (IANA "PPP LCP and IPCP Codes"). */
export const PPP_CODE = {
  VENDOR_SPECIFIC: 0,
  CONFIGURE_REQUEST: 1,
  CONFIGURE_ACK: 2,
  CONFIGURE_NAK: 3,
  CONFIGURE_REJECT: 4,
  TERMINATE_REQUEST: 5,
  TERMINATE_ACK: 6,
  CODE_REJECT: 7,
  PROTOCOL_REJECT: 8,
  ECHO_REQUEST: 9,
  ECHO_REPLY: 10,
  DISCARD_REQUEST: 11,
  IDENTIFICATION: 12,
  TIME_REMAINING: 13,
  RESET_REQUEST: 14,
  RESET_ACK: 15,
} as const

const PPP_CODES: Readonly<Record<number, string>> = {
  0: 'Vendor-Specific',
  1: 'Configure-Request',
  2: 'Configure-Ack',
  3: 'Configure-Nak',
  4: 'Configure-Reject',
  5: 'Terminate-Request',
  6: 'Terminate-Ack',
  7: 'Code-Reject',
}

const LCP_CODES: Readonly<Record<number, string>> = {
  ...PPP_CODES,
  8: 'Protocol-Reject',
  9: 'Echo-Request',
  10: 'Echo-Reply',
  11: 'Discard-Request',
  12: 'Identification',
  13: 'Time-Remaining',
}

const RESET_CODES: Readonly<Record<number, string>> = { ...PPP_CODES, 14: 'Reset-Request', 15: 'Reset-Ack' }

const CBCP_CODES: Readonly<Record<number, string>> = {
  1: 'Callback-Request',
  2: 'Callback-Response',
  3: 'Callback-Ack',
}

const BAP_CODES: Readonly<Record<number, string>> = {
  1: 'Call-Request',
  2: 'Call-Response',
  3: 'Callback-Request',
  4: 'Callback-Response',
  5: 'Link-Drop-Query-Request',
  6: 'Link-Drop-Query-Response',
  7: 'Call-Status-Indication',
  8: 'Call-Status-Response',
}

const CODES_BY_PROTOCOL: Readonly<Record<number, Readonly<Record<number, string>>>> = {
  [PPP.LCP]: LCP_CODES,
  [PPP.CCP]: RESET_CODES,
  [PPP.ILCCP]: RESET_CODES,
  [PPP.ECP]: RESET_CODES,
  [PPP.ILECP]: RESET_CODES,
  [PPP.CBCP]: CBCP_CODES,
  [PPP.BAP]: BAP_CODES,
}

/** The name of a packet code as this protocol defines it, or 'unknown'. */
export function pppCodeName(protocol: number, code: number): string {
  return (CODES_BY_PROTOCOL[protocol] ?? PPP_CODES)[code] ?? 'unknown'
}

export type PppControlFlaw = 'ppp.control_truncated' | 'ppp.control_length'

/** Code, Identifier, Length (RFC 1661 section 5). Octets beyond Length are padding and belong to nobody. */
export class PppControlView {
  bytes: Uint8Array = NO_BYTES
  code = 0
  identifier = 0
  length = 0
  dataStart = 0
  dataEnd = 0
  paddingLength = 0

  decode(bytes: Uint8Array, start: number, end: number): PppControlFlaw | null {
    if (end - start < 4) return 'ppp.control_truncated'
    const length = u16(bytes, start + 2)
    if (length < 4 || length > end - start) return 'ppp.control_length'
    this.bytes = bytes
    this.code = bytes[start]
    this.identifier = bytes[start + 1]
    this.length = length
    this.dataStart = start + 4
    this.dataEnd = start + length
    this.paddingLength = end - this.dataEnd
    return null
  }
}

/** Of data that has no meaning to the link, this much is copied: enough to recognize what somebody hides in it. */
export const CONTROL_DATA_BYTES_MAX = 64

export type PppControlRecordFlaw = PppOptionFlaw | 'ppp.option_value' | 'ppp.control_data'

/** One control packet as events carry it. Fields that the code does not have are absent. */
export interface PppControlRecord {
  readonly code: number
  readonly codeName: string
  readonly identifier: number
  readonly length: number
  /** Present for the Configure codes, CBCP and BAP: what stands before the first flaw. */
  readonly options?: readonly PppOption[]
  /** '0x' and 8 hex digits. */
  readonly magicNumber?: string
  /** Terminate, Identification and Time-Remaining: what the peer says in words. */
  readonly message?: string
  /** Terminate-Request of Windows RAS: why, as a Win32 RAS error number. */
  readonly rasError?: number
  /** Identification of Windows RAS: the name of the computer that dials. */
  readonly computerName?: string
  /** Identification of Windows RAS: for example '5.20'. */
  readonly rasVersion?: string
  readonly secondsRemaining?: number
  readonly rejectedProtocol?: number
  readonly rejectedProtocolName?: string
  readonly rejectedCode?: number
  readonly rejectedCodeName?: string
  readonly rejectedIdentifier?: number
  /** Vendor-Specific and VSNCP: 6 hex digits. */
  readonly oui?: string
  readonly kind?: number
  /** BAP responses: 0 Ack, 1 Nak, 2 Rej, 3 Full-Nak. */
  readonly responseCode?: number
  readonly responseCodeName?: string
  /** How many octets of data without a meaning to the link the packet carries. */
  readonly dataLength?: number
  /** The first `CONTROL_DATA_BYTES_MAX` of them, in hex digits. */
  readonly data?: string
  /** The first flaw met. */
  readonly flaw?: PppControlRecordFlaw
}

type Draft = Mutable<PppControlRecord>

const BAP_RESPONSES = ['Request-Ack', 'Request-Nak', 'Request-Rej', 'Request-Full-Nak']

/**
 * Copies a negotiation packet out of the buffer. `cursor` is the caller's, reused. Authentication protocols have describers
 * of their own (ppp-auth.ts, eap.ts); of them, and of protocols without this format, only the header is told.
 */
export function describePppControl(protocol: number, view: PppControlView, cursor: PppOptionCursor): PppControlRecord {
  const { code, identifier, length } = view
  const record: Draft = { code, codeName: pppCodeName(protocol, code), identifier, length }
  if (protocol === PPP.CBCP) describeOptions(protocol, view, view.dataStart, cursor, record)
  else if (protocol === PPP.BAP) describeBap(view, cursor, record)
  else if (negotiates(protocol)) describeCode(protocol, view, cursor, record)
  return record
}

/** Link and network control protocols of RFC 1661's format: 0x8000 to 0xBFFF, LCP and BACP. */
function negotiates(protocol: number): boolean {
  return (protocol >= 0x8000 && protocol < 0xc000) || protocol === PPP.LCP || protocol === PPP.BACP
}

function describeCode(protocol: number, view: PppControlView, cursor: PppOptionCursor, record: Draft): void {
  switch (view.code) {
    case PPP_CODE.CONFIGURE_REQUEST:
    case PPP_CODE.CONFIGURE_ACK:
    case PPP_CODE.CONFIGURE_NAK:
    case PPP_CODE.CONFIGURE_REJECT:
      describeConfigure(protocol, view, cursor, record)
      break
    case PPP_CODE.TERMINATE_REQUEST:
    case PPP_CODE.TERMINATE_ACK:
      describeTerminate(view, record)
      break
    case PPP_CODE.CODE_REJECT:
      describeCodeReject(protocol, view, record)
      break
    case PPP_CODE.VENDOR_SPECIFIC:
      describeVendorSpecific(view, record)
      break
    default:
      if (protocol === PPP.LCP) describeLcpCode(view, record)
      else describeData(view.bytes, view.dataStart, view.dataEnd, record)
  }
}

function describeConfigure(protocol: number, view: PppControlView, cursor: PppOptionCursor, record: Draft): void {
  let start = view.dataStart
  if (protocol === PPP.VSNCP) {
    if (view.dataEnd - start < 3) {
      record.flaw = 'ppp.control_data'
      return
    }
    record.oui = hex(view.bytes, start, start + 3)
    start += 3
  }
  describeOptions(protocol, view, start, cursor, record)
}

function describeOptions(
  protocol: number,
  view: PppControlView,
  start: number,
  cursor: PppOptionCursor,
  record: Draft,
): void {
  const { options, flaw } = describePppOptions(protocol, view.bytes, start, view.dataEnd, cursor)
  record.options = options
  if (flaw !== null) record.flaw = flaw
}

/** Windows RAS says why it hangs up: a magic number, this mark, a Win32 error number, 12 octets in all. */
const RAS_TERMINATE_MARK = 0x003ccd74

function describeTerminate(view: PppControlView, record: Draft): void {
  const { bytes, dataStart: at, dataEnd } = view
  if (at === dataEnd) return
  if (dataEnd - at === 12 && u32(bytes, at + 4) === RAS_TERMINATE_MARK) {
    record.magicNumber = bits32(bytes, at)
    record.rasError = u32(bytes, at + 8)
  } else if (isText(bytes, at, dataEnd)) record.message = text(bytes, at, dataEnd)
  else describeData(bytes, at, dataEnd, record)
}

/** The rejected packet is not copied beyond its header. */
function describeCodeReject(protocol: number, view: PppControlView, record: Draft): void {
  const { bytes, dataStart: at, dataEnd } = view
  if (dataEnd - at < 1) {
    record.flaw = 'ppp.control_data'
    return
  }
  record.rejectedCode = bytes[at]
  record.rejectedCodeName = pppCodeName(protocol, bytes[at])
  if (dataEnd - at >= 2) record.rejectedIdentifier = bytes[at + 1]
  record.dataLength = dataEnd - at
}

function describeVendorSpecific(view: PppControlView, record: Draft): void {
  const { bytes, dataStart: at, dataEnd } = view
  if (dataEnd - at < 8) {
    record.flaw = 'ppp.control_data'
    return
  }
  record.magicNumber = bits32(bytes, at)
  record.oui = hex(bytes, at + 4, at + 7)
  record.kind = bytes[at + 7]
  describeData(bytes, at + 8, dataEnd, record)
}

function describeLcpCode(view: PppControlView, record: Draft): void {
  switch (view.code) {
    case PPP_CODE.PROTOCOL_REJECT:
      describeProtocolReject(view, record)
      break
    case PPP_CODE.ECHO_REQUEST:
    case PPP_CODE.ECHO_REPLY:
    case PPP_CODE.DISCARD_REQUEST:
    case PPP_CODE.IDENTIFICATION:
    case PPP_CODE.TIME_REMAINING:
      describeMagic(view, record)
      break
    default:
      describeData(view.bytes, view.dataStart, view.dataEnd, record)
  }
}

/** The codes whose data begin with the sender's magic number. */
function describeMagic(view: PppControlView, record: Draft): void {
  const { bytes, code, dataStart: at, dataEnd } = view
  const isTime = code === PPP_CODE.TIME_REMAINING
  if (dataEnd - at < (isTime ? 8 : 4)) {
    record.flaw = 'ppp.control_data'
    return
  }
  record.magicNumber = bits32(bytes, at)
  if (isTime) {
    record.secondsRemaining = u32(bytes, at + 4)
    record.message = text(bytes, at + 8, dataEnd)
  } else if (code === PPP_CODE.IDENTIFICATION) describeIdentification(bytes, at + 4, dataEnd, record)
  else describeData(bytes, at + 4, dataEnd, record)
}

/** What was rejected may be an authentication packet, password and all: its number is told, never its octets. */
function describeProtocolReject(view: PppControlView, record: Draft): void {
  const { bytes, dataStart: at, dataEnd } = view
  if (dataEnd - at < 2) {
    record.flaw = 'ppp.control_data'
    return
  }
  record.rejectedProtocol = u16(bytes, at)
  record.rejectedProtocolName = pppProtocolName(record.rejectedProtocol)
  record.dataLength = dataEnd - at - 2
}

/**
 * Windows RAS identifies itself up to three times: 'MSRASV' and its version, 'MSRAS-0-' (or -1-, with messenger) and the name
 * of the computer, and 16 octets that correlate the call with its logs.
 */
function describeIdentification(bytes: Uint8Array, start: number, end: number, record: Draft): void {
  if (start < end && !isText(bytes, start, end)) {
    describeData(bytes, start, end, record)
    return
  }
  const message = text(bytes, start, end)
  record.message = message
  if (message.startsWith('MSRASV')) record.rasVersion = message.slice(6)
  else if (/^MSRAS-[01]-/.test(message)) record.computerName = message.slice(8)
}

function describeBap(view: PppControlView, cursor: PppOptionCursor, record: Draft): void {
  const { bytes, dataStart: at, dataEnd } = view
  const isResponse = record.codeName.endsWith('-Response')
  if (isResponse) {
    if (at === dataEnd) {
      record.flaw = 'ppp.control_data'
      return
    }
    record.responseCode = bytes[at]
    record.responseCodeName = BAP_RESPONSES[bytes[at]] ?? 'unknown'
  }
  describeOptions(PPP.BAP, view, isResponse ? at + 1 : at, cursor, record)
}

function describeData(bytes: Uint8Array, start: number, end: number, record: Draft): void {
  record.dataLength = end - start
  if (start < end) record.data = hex(bytes, start, Math.min(end, start + CONTROL_DATA_BYTES_MAX))
}
