/** Builds L2TPv3 messages (RFC 3931), over UDP and over IP, with digests and hidden values; `craft.ts` puts them into packets. */
import { createHmac } from 'node:crypto'
import { avp, be16, be32, be8, concat, type HiddenAvpFields, hiddenAvp, L2TP_MESSAGE, utf8 } from './craft.ts'

export const V3_AVP = {
  messageType: 0,
  resultCode: 1,
  tieBreaker: 5,
  hostName: 7,
  vendorName: 8,
  receiveWindowSize: 10,
  serialNumber: 15,
  circuitErrors: 34,
  randomVector: 36,
  messageDigest: 59,
  routerId: 60,
  assignedControlConnectionId: 61,
  pseudowireCapabilities: 62,
  localSessionId: 63,
  remoteSessionId: 64,
  assignedCookie: 65,
  remoteEndId: 66,
  pseudowireType: 68,
  l2SpecificSublayer: 69,
  dataSequencing: 70,
  circuitStatus: 71,
  nonce: 73,
} as const

export const V3_MESSAGE = { ...L2TP_MESSAGE, ack: 20 } as const

export interface V3ControlFields {
  readonly controlConnectionId?: number
  readonly ns?: number
  readonly nr?: number
  readonly flags?: number
  readonly length?: number
  /** Behind a zero session, as over IP. */
  readonly overIp?: boolean
}

/** RFC 3931 section 3.2.1, with the AVPs as its body. */
export function v3Control(avps: readonly Uint8Array[], fields: V3ControlFields = {}): Uint8Array {
  const { controlConnectionId = 0, ns = 0, nr = 0, flags = 0xc803, overIp = false } = fields
  const body = concat(...avps)
  const head = concat(
    be16(flags),
    be16(fields.length ?? body.length + 12),
    be32(controlConnectionId),
    be16(ns),
    be16(nr),
  )
  return overIp ? concat(be32(0), head, body) : concat(head, body)
}

/** A control message of a type, with AVPs behind it. */
export function v3Message(type: number, avps: readonly Uint8Array[] = [], fields: V3ControlFields = {}): Uint8Array {
  return v3Control([avp(V3_AVP.messageType, be16(type)), ...avps], fields)
}

export interface V3DataFields {
  readonly sessionId?: number
  readonly cookie?: Uint8Array
  /** The default sublayer: `true` without a number, else with it. */
  readonly sublayer?: boolean | number
  readonly flags?: number
  readonly reserved?: number
  readonly overIp?: boolean
}

/** RFC 3931 section 4.1, with the cookie, the default sublayer (section 4.6) and the payload behind it. */
export function v3Data(payload: Uint8Array, fields: V3DataFields = {}): Uint8Array {
  const { sessionId = 1, cookie = new Uint8Array(0), sublayer = false, overIp = false } = fields
  const { flags = 0x0003, reserved = 0 } = fields
  const head = overIp ? be32(sessionId) : concat(be16(flags), be16(reserved), be32(sessionId))
  const middle =
    sublayer === false ? new Uint8Array(0) : be32(sublayer === true ? 0 : (0x40000000 | (sublayer & 0xffffff)) >>> 0)
  return concat(head, cookie, middle, payload)
}

function derivedKey(secret: string, use: number): Uint8Array {
  return Uint8Array.from(createHmac('md5', utf8(secret)).update(be8(use)).digest())
}

/** A hidden AVP of version 3: hidden with the key derived for it (RFC 3931 section 5.3). */
export function v3HiddenAvp(type: number, value: Uint8Array | string, fields: HiddenAvpFields): Uint8Array {
  return hiddenAvp(type, value, { ...fields, key: derivedKey(fields.secret, 1) })
}

export interface DigestFields {
  readonly secret: string
  readonly hash?: 'md5' | 'sha1'
  /** Of the sender and of the receiver; absent for an SCCRQ. */
  readonly nonces?: readonly [sender: Uint8Array, receiver: Uint8Array]
}

/** A control message with its digest in the place that RFC 3931 section 5.4.1 wants: behind the message type. */
export function v3Signed(
  type: number,
  avps: readonly Uint8Array[],
  digest: DigestFields,
  fields: V3ControlFields = {},
): Uint8Array {
  const { secret, hash = 'md5', nonces } = digest
  const octets = hash === 'md5' ? 16 : 20
  const blank = concat(be8(hash === 'md5' ? 0 : 1), new Uint8Array(octets))
  const message = v3Message(type, [avp(V3_AVP.messageDigest, blank), ...avps], { ...fields, overIp: false })
  const hmac = createHmac(hash, derivedKey(secret, 2))
  for (const nonce of nonces ?? []) hmac.update(nonce)
  // Header 12, message type 8, AVP header 6, digest type 1.
  message.set(hmac.update(message).digest(), 27)
  return fields.overIp === true ? concat(be32(0), message) : message
}
