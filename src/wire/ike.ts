/**
 * ISAKMP and IKE messages: the header and the chain of payloads, which IKEv1 (RFC 2408, section 3; RFC 2409) and IKEv2
 * (RFC 7296, section 3) share. What a payload says is in `ike-describe.ts`.
 *
 * What is encrypted stays a length: IKEv1 encrypts the whole body when the E flag is set, IKEv2 carries everything after
 * IKE_SA_INIT in an SK or SKF payload.
 */
import { hex, NO_BYTES, u16, u32 } from '../base/bytes.ts'
import { IKE_V1_EXCHANGES, IKE_V2_EXCHANGES, nameOf } from './ike-tables.ts'

export const IKE_PORT = 500
export const IKE_HEADER_LENGTH = 28
const PAYLOAD_HEADER_LENGTH = 4

const FLAG_V1_ENCRYPTION = 0x01
const FLAG_V2_INITIATOR = 0x08
const FLAG_V2_RESPONSE = 0x20
const FLAG_V2_CRITICAL = 0x80

export const IKE_EXCHANGE = {
  BASE: 1,
  MAIN: 2,
  AUTHENTICATION_ONLY: 3,
  AGGRESSIVE: 4,
  INFORMATIONAL: 5,
  TRANSACTION: 6,
  QUICK: 32,
  NEW_GROUP: 33,
  IKE_SA_INIT: 34,
  IKE_AUTH: 35,
  CREATE_CHILD_SA: 36,
  INFORMATIONAL_V2: 37,
  IKE_SESSION_RESUME: 38,
  IKE_INTERMEDIATE: 43,
  IKE_FOLLOWUP_KE: 44,
} as const

/** Payload types that code acts on. */
export const IKE_PAYLOAD = { V1_FRAGMENT: 132, V2_SK: 46, V2_SKF: 53 } as const
const { V1_FRAGMENT, V2_SK, V2_SKF } = IKE_PAYLOAD

/**
 * `ike.truncated`: shorter than the header. `ike.version`: neither 1 nor 2. `ike.length`: the length field is shorter than
 * the header or longer than the datagram. `ike.initiator_spi`: zero, which names no exchange.
 */
export type IkeFlaw = 'ike.truncated' | 'ike.version' | 'ike.length' | 'ike.initiator_spi'

/** A reusable window on one message. After a flaw it is not to be read. */
export class IkeView {
  bytes: Uint8Array = NO_BYTES
  start = 0
  /** The cookie or SPI of each end, as two 32-bit halves. */
  initiatorHigh = 0
  initiatorLow = 0
  responderHigh = 0
  responderLow = 0
  nextPayload = 0
  /** 1 or 2. */
  version = 0
  minorVersion = 0
  exchangeType = 0
  flags = 0
  messageId = 0
  length = 0
  /** Bytes of the datagram after the message: nobody should send any. */
  trailing = 0
  /** IKEv1 with the E flag: everything after the header is ciphertext. */
  isEncrypted = false
  /** IKEv2. */
  isResponse = false
  /** IKEv2: the sender is the end that began the IKE SA. */
  isFromInitiator = false
  payloadStart = 0
  /** Where the captured bytes of the message end. */
  payloadEnd = 0
  /** Where the message ended on the wire. */
  messageEnd = 0

  /** `wireEnd` is where the datagram ended on the wire; the capture may have cut it at `end`. */
  decode(bytes: Uint8Array, start: number, end: number, wireEnd: number = end): IkeFlaw | null {
    if (end - start < IKE_HEADER_LENGTH) return 'ike.truncated'
    const version = bytes[start + 17] >> 4
    if (version !== 1 && version !== 2) return 'ike.version'
    const length = u32(bytes, start + 24)
    if (length < IKE_HEADER_LENGTH || length > wireEnd - start) return 'ike.length'
    this.initiatorHigh = u32(bytes, start)
    this.initiatorLow = u32(bytes, start + 4)
    this.bytes = bytes
    this.start = start
    this.responderHigh = u32(bytes, start + 8)
    this.responderLow = u32(bytes, start + 12)
    this.nextPayload = bytes[start + 16]
    this.version = version
    this.minorVersion = bytes[start + 17] & 0x0f
    this.exchangeType = bytes[start + 18]
    const flags = bytes[start + 19]
    this.flags = flags
    this.messageId = u32(bytes, start + 20)
    this.length = length
    this.trailing = wireEnd - start - length
    // A fragment travels in the clear, whatever the flags of the message that it is a piece of.
    this.isEncrypted = version === 1 && (flags & FLAG_V1_ENCRYPTION) !== 0 && this.nextPayload !== V1_FRAGMENT
    this.isResponse = version === 2 && (flags & FLAG_V2_RESPONSE) !== 0
    this.isFromInitiator = version === 2 && (flags & FLAG_V2_INITIATOR) !== 0
    this.payloadStart = start + IKE_HEADER_LENGTH
    this.messageEnd = start + length
    this.payloadEnd = Math.min(this.messageEnd, end)
    // Everything can be read, and nobody can be meant.
    return this.initiatorHigh === 0 && this.initiatorLow === 0 ? 'ike.initiator_spi' : null
  }

  /** 16 hexadecimal digits. */
  get initiatorSpi(): string {
    return hex(this.bytes, this.start, this.start + 8)
  }

  get responderSpi(): string {
    return hex(this.bytes, this.start + 8, this.start + 16)
  }

  /** The responder's half is still zero: this is the first message of an exchange, or a repetition of it. */
  get isUnanswered(): boolean {
    return this.responderHigh === 0 && this.responderLow === 0
  }

  /** Nothing of the message but its header and lengths can be read. */
  get isOpaque(): boolean {
    return this.isEncrypted || (this.version === 2 && (this.nextPayload === V2_SK || this.nextPayload === V2_SKF))
  }

  get isFragment(): boolean {
    return this.version === 1 && this.nextPayload === V1_FRAGMENT
  }
}

export function exchangeName(version: number, exchangeType: number): string {
  return nameOf(version === 1 ? IKE_V1_EXCHANGES : IKE_V2_EXCHANGES, exchangeType)
}

/** `ike.payload_truncated`: no room for a payload's header, or the capture cut it. `ike.payload_length`: it ends outside the message. */
export type IkePayloadFlaw = 'ike.payload_truncated' | 'ike.payload_length'

/** Walks the payloads of one message: `while (payloads.next()) …`, then look at `payloads.flaw`. Stops before what is encrypted. */
export class IkePayloadCursor {
  type = 0
  isCritical = false
  /** The bits of the second octet that mean nothing and should be zero. */
  reserved = 0
  /** With the generic header. */
  length = 0
  valueStart = 0
  valueEnd = 0
  /** The payload that follows; 0 after the last that can be walked to. */
  nextType = 0
  /** What the payload says that follows it: of SK and SKF the first one inside. */
  followingType = 0
  flaw: IkePayloadFlaw | null = null
  #bytes: Uint8Array = NO_BYTES
  #version = 0
  #at = 0
  #end = 0
  #messageEnd = 0

  over(message: IkeView): this {
    this.#bytes = message.bytes
    this.#version = message.version
    this.#at = message.payloadStart
    this.#end = message.payloadEnd
    this.#messageEnd = message.messageEnd
    this.nextType = message.isEncrypted ? 0 : message.nextPayload
    this.flaw = null
    return this
  }

  next(): boolean {
    if (this.nextType === 0) return false
    const at = this.#at
    if (this.#end - at < PAYLOAD_HEADER_LENGTH) return this.#stop('ike.payload_truncated')
    const bytes = this.#bytes
    const length = u16(bytes, at + 2)
    if (length < PAYLOAD_HEADER_LENGTH || at + length > this.#messageEnd) return this.#stop('ike.payload_length')
    if (at + length > this.#end) return this.#stop('ike.payload_truncated')
    const type = this.nextType
    this.type = type
    this.isCritical = this.#version === 2 && (bytes[at + 1] & FLAG_V2_CRITICAL) !== 0
    this.reserved = this.#version === 2 ? bytes[at + 1] & ~FLAG_V2_CRITICAL : bytes[at + 1]
    this.length = length
    this.valueStart = at + PAYLOAD_HEADER_LENGTH
    this.valueEnd = at + length
    this.#at = at + length
    this.followingType = bytes[at]
    // SK and SKF are the last payload: their next payload lies inside the ciphertext. A v1 fragment is alone.
    const isLast = this.#version === 2 ? type === V2_SK || type === V2_SKF : type === V1_FRAGMENT
    this.nextType = isLast ? 0 : bytes[at]
    return true
  }

  /** Octets of the message behind its last payload, once all were walked. */
  get rest(): number {
    return this.flaw === null && this.nextType === 0 ? this.#messageEnd - this.#at : 0
  }

  #stop(flaw: IkePayloadFlaw): false {
    this.flaw = flaw
    return false
  }
}
