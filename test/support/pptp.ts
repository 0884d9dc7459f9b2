/** Builds PPTP: control messages (RFC 2637 section 2) and the GRE packets of its calls (section 4). */
import { be16, be32, concat, utf8 } from './craft.ts'

export interface PptpFields {
  readonly length?: number
  readonly messageType?: number
  readonly magic?: number
  readonly reserved?: number
}

export function pptpControl(controlType: number, body: Uint8Array, fields: PptpFields = {}): Uint8Array {
  const { length = body.length + 12, messageType = 1, magic = 0x1a2b3c4d, reserved = 0 } = fields
  return concat(be16(length), be16(messageType), be32(magic), be16(controlType), be16(reserved), body)
}

/** Text in a field of fixed length. */
export function fixedText(words: string, length: number): Uint8Array {
  const field = new Uint8Array(length)
  field.set(utf8(words).subarray(0, length))
  return field
}

export interface PptpPartyFields {
  readonly framing?: number
  readonly bearer?: number
  readonly channels?: number
  readonly firmware?: number
  readonly hostName?: string
  readonly vendorName?: string
}

function party(fields: PptpPartyFields): Uint8Array {
  const { framing = 3, bearer = 3, channels = 0xffff, firmware = 1, hostName = 'pac', vendorName = 'vendor' } = fields
  return concat(
    be32(framing),
    be32(bearer),
    be16(channels),
    be16(firmware),
    fixedText(hostName, 64),
    fixedText(vendorName, 64),
  )
}

export function startRequest(fields: PptpPartyFields = {}): Uint8Array {
  return pptpControl(1, concat(be16(0x0100), be16(0), party(fields)))
}

export interface ResultFields {
  readonly result?: number
  readonly error?: number
}

function result({ result = 1, error = 0 }: ResultFields): Uint8Array {
  return Uint8Array.of(result, error)
}

export function startReply(fields: PptpPartyFields & ResultFields = {}): Uint8Array {
  return pptpControl(2, concat(be16(0x0100), result(fields), party(fields)))
}

export function stopRequest(reason = 1): Uint8Array {
  return pptpControl(3, Uint8Array.of(reason, 0, 0, 0))
}

export function stopReply(fields: ResultFields = {}): Uint8Array {
  return pptpControl(4, concat(result(fields), be16(0)))
}

export function echoRequest(identifier: number): Uint8Array {
  return pptpControl(5, be32(identifier))
}

export function echoReply(identifier: number, fields: ResultFields = {}): Uint8Array {
  return pptpControl(6, concat(be32(identifier), result(fields), be16(0)))
}

export interface CallFields {
  readonly callId?: number
  readonly peerCallId?: number
  readonly serial?: number
  readonly phoneNumber?: string
  readonly dialingNumber?: string
  readonly subaddress?: string
  readonly connectSpeed?: number
  readonly cause?: number
}

export function outgoingCallRequest({
  callId = 1,
  serial = 1,
  phoneNumber = '',
  subaddress = '',
}: CallFields = {}): Uint8Array {
  return pptpControl(
    7,
    concat(
      be16(callId),
      be16(serial),
      be32(2400),
      be32(10_000_000),
      be32(3),
      be32(3),
      be16(64),
      be16(5),
      be16(phoneNumber.length),
      be16(0),
      fixedText(phoneNumber, 64),
      fixedText(subaddress, 64),
    ),
  )
}

export function outgoingCallReply(fields: CallFields & ResultFields = {}): Uint8Array {
  const { callId = 2, peerCallId = 1, connectSpeed = 100_000_000, cause = 0 } = fields
  return pptpControl(
    8,
    concat(be16(callId), be16(peerCallId), result(fields), be16(cause), be32(connectSpeed), be16(64), be16(0), be32(9)),
  )
}

export function incomingCallRequest(fields: CallFields = {}): Uint8Array {
  const { callId = 1, serial = 1, phoneNumber = '', dialingNumber = '', subaddress = '' } = fields
  return pptpControl(
    9,
    concat(
      be16(callId),
      be16(serial),
      be32(2),
      be32(7),
      be16(phoneNumber.length),
      be16(dialingNumber.length),
      fixedText(phoneNumber, 64),
      fixedText(dialingNumber, 64),
      fixedText(subaddress, 64),
    ),
  )
}

export function incomingCallReply({ callId = 2, peerCallId = 1, ...rest }: CallFields & ResultFields = {}): Uint8Array {
  return pptpControl(10, concat(be16(callId), be16(peerCallId), result(rest), be16(16), be16(3), be16(0)))
}

export function incomingCallConnected({ peerCallId = 2, connectSpeed = 64_000 }: CallFields = {}): Uint8Array {
  return pptpControl(11, concat(be16(peerCallId), be16(0), be32(connectSpeed), be16(8), be16(2), be32(1)))
}

export function callClearRequest(callId: number): Uint8Array {
  return pptpControl(12, concat(be16(callId), be16(0)))
}

export function callDisconnectNotify(
  fields: CallFields & ResultFields & { readonly statistics?: string } = {},
): Uint8Array {
  const { callId = 1, cause = 16, statistics = '' } = fields
  return pptpControl(13, concat(be16(callId), result(fields), be16(cause), be16(0), fixedText(statistics, 128)))
}

export function wanErrorNotify(peerCallId: number, counters: readonly number[] = [1, 2, 3, 4, 5, 6]): Uint8Array {
  return pptpControl(14, concat(be16(peerCallId), be16(0), ...counters.map(be32)))
}

export function setLinkInfo(peerCallId: number, sendAccm = 0xffffffff, receiveAccm = 0xffffffff): Uint8Array {
  return pptpControl(15, concat(be16(peerCallId), be16(0), be32(sendAccm), be32(receiveAccm)))
}

/** One message of every type. */
export function everyPptpMessage(): Uint8Array[] {
  return [
    startRequest({ hostName: 'pac.example', vendorName: 'Example' }),
    startReply({ hostName: 'pns.example', result: 3 }),
    stopRequest(3),
    stopReply({ result: 2, error: 6 }),
    echoRequest(0xdeadbeef),
    echoReply(0xdeadbeef),
    outgoingCallRequest({ phoneNumber: '5551234', subaddress: 'sub' }),
    outgoingCallReply({ result: 4, cause: 17 }),
    incomingCallRequest({ phoneNumber: '5551234', dialingNumber: '5554321', subaddress: 'sub' }),
    incomingCallReply(),
    incomingCallConnected(),
    callClearRequest(7),
    callDisconnectNotify({ result: 3, statistics: 'minutes: 3' }),
    wanErrorNotify(7),
    setLinkInfo(7, 0x000a0000),
  ]
}

export interface EnhancedGreFields {
  readonly callId?: number
  readonly sequence?: number
  readonly acknowledgement?: number
  readonly payloadLength?: number
  readonly protocol?: number
}

/** Enhanced GRE (version 1). A sequence number stands in packets with a payload. */
export function enhancedGre(payload: Uint8Array, fields: EnhancedGreFields = {}): Uint8Array {
  const { callId = 1, sequence, acknowledgement, payloadLength = payload.length, protocol = 0x880b } = fields
  const flags = 0x2001 | (sequence === undefined ? 0 : 0x1000) | (acknowledgement === undefined ? 0 : 0x0080)
  return concat(
    be16(flags),
    be16(protocol),
    be16(payloadLength),
    be16(callId),
    sequence === undefined ? new Uint8Array(0) : be32(sequence),
    acknowledgement === undefined ? new Uint8Array(0) : be32(acknowledgement),
    payload,
  )
}
