/**
 * The control connection of the Point-to-Point Tunneling Protocol (RFC 2637 sections 2 and 3): messages on TCP port 1723 that
 * open and close the tunnel and its calls. The calls' data are GRE (gre.ts).
 *
 * A view reads one message, a cursor walks the messages of a piece of the stream; where one ends is written in it, and it
 * may begin in one segment and end in the next.
 */
import { hexWord, NO_BYTES, text, u16, u32 } from '../base/bytes.ts'
import type { Mutable } from './mutable.ts'

export const PPTP_PORT = 1723
/** Length, PPTP message type, magic cookie, control message type, reserved. */
export const PPTP_HEADER_LENGTH = 12
/** No message that RFC 2637 knows is longer than 220 octets; this leaves room for those that it does not. */
export const PPTP_MESSAGE_BYTES_MAX = 1024

const MAGIC_COOKIE = 0x1a2b3c4d
const CONTROL_MESSAGE = 1
const MANAGEMENT_MESSAGE = 2

/** Control message types. */
export const PPTP = {
  START_REQUEST: 1,
  START_REPLY: 2,
  STOP_REQUEST: 3,
  STOP_REPLY: 4,
  ECHO_REQUEST: 5,
  ECHO_REPLY: 6,
  OUTGOING_CALL_REQUEST: 7,
  OUTGOING_CALL_REPLY: 8,
  INCOMING_CALL_REQUEST: 9,
  INCOMING_CALL_REPLY: 10,
  INCOMING_CALL_CONNECTED: 11,
  CALL_CLEAR_REQUEST: 12,
  CALL_DISCONNECT_NOTIFY: 13,
  WAN_ERROR_NOTIFY: 14,
  SET_LINK_INFO: 15,
} as const

/**
 * `pptp.truncated`: the bytes end inside the message; more of them may come. `pptp.length`: shorter than its type needs, or
 * longer than any. `pptp.magic`: without the magic cookie nothing is in step. `pptp.message_type`: neither control nor
 * management. `pptp.control_type`: a control message that RFC 2637 does not know.
 */
export type PptpFlaw = 'pptp.truncated' | 'pptp.length' | 'pptp.magic' | 'pptp.message_type' | 'pptp.control_type'

/** A reusable window on one message. After a flaw only what stands before it means anything. */
export class PptpView {
  bytes: Uint8Array = NO_BYTES
  /** The whole message, header included. */
  length = 0
  /** 1 control, 2 management. */
  messageType = 0
  controlType = 0
  messageStart = 0
  messageEnd = 0

  decode(bytes: Uint8Array, start: number, end: number): PptpFlaw | null {
    this.bytes = bytes
    this.messageStart = start
    this.messageEnd = start
    this.length = 0
    this.messageType = 0
    this.controlType = 0
    const available = end - start
    // What is there is judged even where the rest is not: bytes that are no PPTP will not become any.
    if (available >= 8 && u32(bytes, start + 4) !== MAGIC_COOKIE) return 'pptp.magic'
    if (available < PPTP_HEADER_LENGTH) return 'pptp.truncated'
    this.length = u16(bytes, start)
    this.messageType = u16(bytes, start + 2)
    this.controlType = u16(bytes, start + 8)
    if (this.messageType !== CONTROL_MESSAGE && this.messageType !== MANAGEMENT_MESSAGE) return 'pptp.message_type'
    const { length } = this
    const shape = this.messageType === CONTROL_MESSAGE ? SHAPES[this.controlType] : undefined
    const lengthMin = shape?.length ?? PPTP_HEADER_LENGTH
    if (length < lengthMin || length > PPTP_MESSAGE_BYTES_MAX) return 'pptp.length'
    if (length > available) return 'pptp.truncated'
    this.messageEnd = start + length
    return this.messageType === CONTROL_MESSAGE && shape === undefined ? 'pptp.control_type' : null
  }
}

/** Walks the messages of a piece of the stream: `while (cursor.next()) …`, then look at `cursor.flaw` and `cursor.restStart`. */
export class PptpCursor {
  /** The message that `next` found. Its flaw, where only its type is unknown, is in `messageFlaw`. */
  readonly view = new PptpView()
  messageFlaw: PptpFlaw | null = null
  /** Why the walk ended before the end; 'pptp.truncated' is a message that goes on in the next piece. */
  flaw: PptpFlaw | null = null
  /** Where what was not read begins. */
  restStart = 0
  #bytes: Uint8Array = NO_BYTES
  #end = 0

  over(bytes: Uint8Array, start: number, end: number): this {
    this.#bytes = bytes
    this.restStart = start
    this.#end = end
    this.flaw = null
    this.messageFlaw = null
    return this
  }

  next(): boolean {
    if (this.restStart >= this.#end || this.flaw !== null) return false
    const flaw = this.view.decode(this.#bytes, this.restStart, this.#end)
    this.messageFlaw = flaw
    if (flaw !== null && flaw !== 'pptp.control_type') {
      this.flaw = flaw
      return false
    }
    this.restStart = this.view.messageEnd
    return true
  }
}

// ---------------------------------------------------------------------------------------------------------- describing

/** One message as events carry it. Fields that its type does not have are absent. */
export interface PptpMessage {
  readonly length: number
  readonly messageType: number
  readonly controlType: number
  readonly messageName: string
  /** Major and minor: '1.0'. */
  readonly protocolVersion?: string
  readonly framingCapabilities?: readonly string[]
  readonly bearerCapabilities?: readonly string[]
  readonly maximumChannels?: number
  readonly firmwareRevision?: number
  readonly hostName?: string
  readonly vendorName?: string
  readonly resultCode?: number
  readonly resultName?: string
  readonly errorCode?: number
  readonly errorName?: string
  readonly reason?: number
  readonly reasonName?: string
  readonly identifier?: number
  /** Given by the sender: the number in the GRE packets that come to it. Of a Call-Clear-Request: of the other end. */
  readonly callId?: number
  /** The number that the receiver gave. */
  readonly peerCallId?: number
  readonly callSerialNumber?: number
  readonly minimumBps?: number
  readonly maximumBps?: number
  readonly bearerType?: readonly string[]
  readonly framingType?: readonly string[]
  /** In packets. */
  readonly receiveWindowSize?: number
  /** In tenths of a second. */
  readonly processingDelay?: number
  readonly phoneNumberLength?: number
  readonly phoneNumber?: string
  readonly subaddress?: string
  /** Q.931, from the network. */
  readonly causeCode?: number
  readonly connectSpeed?: number
  readonly physicalChannelId?: number
  readonly dialedNumberLength?: number
  readonly dialedNumber?: string
  readonly dialingNumberLength?: number
  readonly dialingNumber?: string
  readonly callStatistics?: string
  readonly crcErrors?: number
  readonly framingErrors?: number
  readonly hardwareOverruns?: number
  readonly bufferOverruns?: number
  readonly timeoutErrors?: number
  readonly alignmentErrors?: number
  /** '0x' and 8 hex digits. */
  readonly sendAccm?: string
  readonly receiveAccm?: string
  /** What is odd without being wrong: a longer message than its type has, reserved fields that are not zero. */
  readonly findings?: readonly string[]
}

type Kind =
  | 'u8'
  | 'u16'
  | 'u32'
  | 'accm'
  | 'version'
  | 'framing'
  | 'bearer'
  | 'text64'
  | 'text128'
  | 'reserved8'
  | 'reserved16'
type FieldName = Exclude<keyof PptpMessage, 'length' | 'messageType' | 'controlType' | 'messageName' | 'findings'>
type Field = readonly [FieldName | null, Kind]

const WIDTHS: Readonly<Record<Kind, number>> = {
  u8: 1,
  u16: 2,
  u32: 4,
  accm: 4,
  version: 2,
  framing: 4,
  bearer: 4,
  text64: 64,
  text128: 128,
  reserved8: 1,
  reserved16: 2,
}
const RESERVED_8: Field = [null, 'reserved8']
const RESERVED_16: Field = [null, 'reserved16']

const RESULTS_GENERAL: Readonly<Record<number, string>> = { 1: 'OK', 2: 'General error' }
const START_RESULTS: Readonly<Record<number, string>> = {
  1: 'Successful channel establishment',
  2: 'General error',
  3: 'Command channel already exists',
  4: 'Requester is not authorized',
  5: 'Protocol version not supported',
}
const OUTGOING_RESULTS: Readonly<Record<number, string>> = {
  1: 'Connected',
  2: 'General error',
  3: 'No carrier',
  4: 'Busy',
  5: 'No dial tone',
  6: 'Time-out',
  7: 'Do not accept',
}
const INCOMING_RESULTS: Readonly<Record<number, string>> = { 1: 'Connect', 2: 'General error', 3: 'Do not accept' }
const DISCONNECT_RESULTS: Readonly<Record<number, string>> = {
  1: 'Lost carrier',
  2: 'General error',
  3: 'Admin shutdown',
  4: 'Request',
}
/** RFC 2637 section 2.16. */
const ERRORS: Readonly<Record<number, string>> = {
  0: 'None',
  1: 'Not connected',
  2: 'Bad format',
  3: 'Bad value',
  4: 'No resource',
  5: 'Bad call ID',
  6: 'PAC error',
}
const STOP_REASONS: Readonly<Record<number, string>> = { 1: 'None', 2: 'Stop protocol', 3: 'Stop local shutdown' }

interface Shape {
  readonly name: string
  readonly length: number
  readonly fields: readonly Field[]
  readonly results?: Readonly<Record<number, string>>
}

function shape(name: string, fields: readonly Field[], results?: Readonly<Record<number, string>>): Shape {
  const length = fields.reduce((sum, [, kind]) => sum + WIDTHS[kind], PPTP_HEADER_LENGTH)
  return { name, length, fields, ...(results === undefined ? {} : { results }) }
}

const PARTY: readonly Field[] = [
  ['framingCapabilities', 'framing'],
  ['bearerCapabilities', 'bearer'],
  ['maximumChannels', 'u16'],
  ['firmwareRevision', 'u16'],
  ['hostName', 'text64'],
  ['vendorName', 'text64'],
]
const RESULT: readonly Field[] = [
  ['resultCode', 'u8'],
  ['errorCode', 'u8'],
]
const WINDOW: readonly Field[] = [
  ['receiveWindowSize', 'u16'],
  ['processingDelay', 'u16'],
]

/** The fields behind the header, by control message type (RFC 2637 sections 2.1 to 2.15). */
const SHAPES: Readonly<Record<number, Shape>> = {
  [PPTP.START_REQUEST]: shape('Start-Control-Connection-Request', [
    ['protocolVersion', 'version'],
    RESERVED_16,
    ...PARTY,
  ]),
  [PPTP.START_REPLY]: shape(
    'Start-Control-Connection-Reply',
    [['protocolVersion', 'version'], ...RESULT, ...PARTY],
    START_RESULTS,
  ),
  [PPTP.STOP_REQUEST]: shape('Stop-Control-Connection-Request', [['reason', 'u8'], RESERVED_8, RESERVED_16]),
  [PPTP.STOP_REPLY]: shape('Stop-Control-Connection-Reply', [...RESULT, RESERVED_16], RESULTS_GENERAL),
  [PPTP.ECHO_REQUEST]: shape('Echo-Request', [['identifier', 'u32']]),
  [PPTP.ECHO_REPLY]: shape('Echo-Reply', [['identifier', 'u32'], ...RESULT, RESERVED_16], RESULTS_GENERAL),
  [PPTP.OUTGOING_CALL_REQUEST]: shape('Outgoing-Call-Request', [
    ['callId', 'u16'],
    ['callSerialNumber', 'u16'],
    ['minimumBps', 'u32'],
    ['maximumBps', 'u32'],
    ['bearerType', 'bearer'],
    ['framingType', 'framing'],
    ...WINDOW,
    ['phoneNumberLength', 'u16'],
    RESERVED_16,
    ['phoneNumber', 'text64'],
    ['subaddress', 'text64'],
  ]),
  [PPTP.OUTGOING_CALL_REPLY]: shape(
    'Outgoing-Call-Reply',
    [
      ['callId', 'u16'],
      ['peerCallId', 'u16'],
      ...RESULT,
      ['causeCode', 'u16'],
      ['connectSpeed', 'u32'],
      ...WINDOW,
      ['physicalChannelId', 'u32'],
    ],
    OUTGOING_RESULTS,
  ),
  [PPTP.INCOMING_CALL_REQUEST]: shape('Incoming-Call-Request', [
    ['callId', 'u16'],
    ['callSerialNumber', 'u16'],
    ['bearerType', 'bearer'],
    ['physicalChannelId', 'u32'],
    ['dialedNumberLength', 'u16'],
    ['dialingNumberLength', 'u16'],
    ['dialedNumber', 'text64'],
    ['dialingNumber', 'text64'],
    ['subaddress', 'text64'],
  ]),
  [PPTP.INCOMING_CALL_REPLY]: shape(
    'Incoming-Call-Reply',
    [['callId', 'u16'], ['peerCallId', 'u16'], ...RESULT, ...WINDOW, RESERVED_16],
    INCOMING_RESULTS,
  ),
  [PPTP.INCOMING_CALL_CONNECTED]: shape('Incoming-Call-Connected', [
    ['peerCallId', 'u16'],
    RESERVED_16,
    ['connectSpeed', 'u32'],
    ...WINDOW,
    ['framingType', 'framing'],
  ]),
  [PPTP.CALL_CLEAR_REQUEST]: shape('Call-Clear-Request', [['callId', 'u16'], RESERVED_16]),
  [PPTP.CALL_DISCONNECT_NOTIFY]: shape(
    'Call-Disconnect-Notify',
    [['callId', 'u16'], ...RESULT, ['causeCode', 'u16'], RESERVED_16, ['callStatistics', 'text128']],
    DISCONNECT_RESULTS,
  ),
  [PPTP.WAN_ERROR_NOTIFY]: shape('WAN-Error-Notify', [
    ['peerCallId', 'u16'],
    RESERVED_16,
    ['crcErrors', 'u32'],
    ['framingErrors', 'u32'],
    ['hardwareOverruns', 'u32'],
    ['bufferOverruns', 'u32'],
    ['timeoutErrors', 'u32'],
    ['alignmentErrors', 'u32'],
  ]),
  [PPTP.SET_LINK_INFO]: shape('Set-Link-Info', [
    ['peerCallId', 'u16'],
    RESERVED_16,
    ['sendAccm', 'accm'],
    ['receiveAccm', 'accm'],
  ]),
}

/** The name of a control message type, or 'unknown'. */
export function pptpMessageName(controlType: number): string {
  return SHAPES[controlType]?.name ?? 'unknown'
}

/** Copies the message of the view: whole where `decode` accepted it, after a flaw as much as stands before `end`. */
export function describePptp(view: PptpView, end: number = view.messageEnd): PptpMessage {
  const { bytes, length, messageType, controlType, messageStart } = view
  const known = messageType === CONTROL_MESSAGE ? SHAPES[controlType] : undefined
  const messageName = messageType === MANAGEMENT_MESSAGE ? 'Management' : (known?.name ?? 'unknown')
  const record: Mutable<PptpMessage> = { length, messageType, controlType, messageName }
  if (known === undefined) return record
  const findings = new Set<string>()
  if (length > known.length) findings.add('pptp.length_excess')
  if (end - messageStart >= PPTP_HEADER_LENGTH && u16(bytes, messageStart + 10) !== 0) findings.add('pptp.reserved')
  let at = messageStart + PPTP_HEADER_LENGTH
  for (const [name, kind] of known.fields) {
    const fieldEnd = at + WIDTHS[kind]
    if (fieldEnd > end) break
    const value = read(kind, bytes, at, fieldEnd)
    if (name !== null) Object.assign(record, { [name]: value })
    else if (value !== 0) findings.add('pptp.reserved')
    at = fieldEnd
  }
  nameCodes(record, known.results)
  if (findings.size > 0) record.findings = [...findings]
  return record
}

function nameCodes(record: Mutable<PptpMessage>, results: Shape['results']): void {
  const { resultCode, errorCode, reason } = record
  if (resultCode !== undefined) record.resultName = results?.[resultCode] ?? 'unknown'
  if (errorCode !== undefined) record.errorName = ERRORS[errorCode] ?? 'unknown'
  if (reason !== undefined) record.reasonName = STOP_REASONS[reason] ?? 'unknown'
}

const FRAMINGS = ['asynchronous', 'synchronous']
const BEARERS = ['analog', 'digital']

function read(kind: Kind, bytes: Uint8Array, at: number, end: number): unknown {
  switch (kind) {
    case 'u8':
    case 'reserved8':
      return bytes[at]
    case 'u16':
    case 'reserved16':
      return u16(bytes, at)
    case 'u32':
      return u32(bytes, at)
    case 'accm':
      return `0x${hexWord(u32(bytes, at))}`
    case 'version':
      return `${bytes[at]}.${bytes[at + 1]}`
    case 'framing':
    case 'bearer':
      return (kind === 'framing' ? FRAMINGS : BEARERS).filter((_, bit) => (u32(bytes, at) & (1 << bit)) !== 0)
    default:
      return words(bytes, at, end)
  }
}

/** Text in a field of fixed length ends at the first zero. */
function words(bytes: Uint8Array, at: number, end: number): string {
  const zero = bytes.subarray(at, end).indexOf(0)
  return text(bytes, at, zero === -1 ? end : at + zero)
}
