/** Builds IKE messages from their payloads: `message({ exchange: 2 }, [[1, sa], [13, vendor]])`. */
import { be16, be32, concat, fromHex } from './craft.ts'

export type Payload = readonly [type: number, body: Uint8Array]

export interface MessageFields {
  readonly initiator?: string
  readonly responder?: string
  /** The whole octet: 0x10 or 0x20. */
  readonly version?: number
  readonly exchange?: number
  readonly flags?: number
  readonly messageId?: number
  readonly next?: number
  readonly length?: number
}

export const COOKIE_I = '1122334455667788'
export const COOKIE_R = 'aabbccddeeff0011'
export const NO_COOKIE = '0000000000000000'

/** The payloads chained; lengths and next payloads are computed unless given. */
export function message(fields: MessageFields, payloads: readonly Payload[]): Uint8Array {
  const { initiator = COOKIE_I, responder = NO_COOKIE, version = 0x10, exchange = 2, flags = 0, messageId = 0 } = fields
  const body = chain(payloads)
  return concat(
    fromHex(initiator),
    fromHex(responder),
    Uint8Array.of(fields.next ?? payloads[0]?.[0] ?? 0, version, exchange, flags),
    be32(messageId),
    be32(fields.length ?? 28 + body.length),
    body,
  )
}

export function chain(payloads: readonly Payload[]): Uint8Array {
  return concat(
    ...payloads.map(([, body], i) => concat(Uint8Array.of(payloads[i + 1]?.[0] ?? 0, 0), be16(body.length + 4), body)),
  )
}

/** An IKEv1 message with the E flag and so much ciphertext. */
export function encrypted(fields: MessageFields, length: number, fill = 0x5a): Uint8Array {
  const body = new Uint8Array(length).fill(fill)
  return concat(message({ flags: 1, next: 8, ...fields, length: 28 + length }, []), body)
}

/** A TV attribute. */
export function attribute(type: number, value: number): Uint8Array {
  return concat(be16(0x8000 | type), be16(value))
}

/** An IKEv1 phase 1 transform: encryption, hash, authentication, group, and further attributes. */
export function transform1(
  numbers: readonly [number, number, number, number],
  more: readonly Uint8Array[] = [],
  last = true,
): Uint8Array {
  const attributes = concat(...numbers.map((value, i) => attribute(i + 1, value)), ...more)
  return concat(Uint8Array.of(last ? 0 : 3, 0), be16(8 + attributes.length), Uint8Array.of(1, 1, 0, 0), attributes)
}

export function sa1(transforms: readonly Uint8Array[]): Uint8Array {
  const all = concat(...transforms)
  return concat(
    be32(1),
    be32(1),
    Uint8Array.of(0, 0),
    be16(8 + all.length),
    Uint8Array.of(1, 1, 0, transforms.length),
    all,
  )
}

/** An IKEv2 SA payload with one proposal of [type, id, key length]. */
export function sa2(transforms: readonly (readonly [number, number, number?])[]): Uint8Array {
  const all = transforms.map(([type, id, keyLength], i) => {
    const attributes = keyLength === undefined ? new Uint8Array(0) : attribute(14, keyLength)
    const isLast = i === transforms.length - 1
    return concat(
      Uint8Array.of(isLast ? 0 : 3, 0),
      be16(8 + attributes.length),
      Uint8Array.of(type, 0),
      be16(id),
      attributes,
    )
  })
  const body = concat(...all)
  return concat(Uint8Array.of(0, 0), be16(8 + body.length), Uint8Array.of(1, 1, 0, transforms.length), body)
}

export function notify1(type: number, protocol = 1): Uint8Array {
  return concat(be32(1), Uint8Array.of(protocol, 0), be16(type))
}

export function notify2(type: number, data: Uint8Array = new Uint8Array(0)): Uint8Array {
  return concat(Uint8Array.of(0, 0), be16(type), data)
}

/** An IKEv2 message that is one SK payload of so many bytes. */
export function protectedMessage(fields: MessageFields, length: number): Uint8Array {
  return message({ version: 0x20, ...fields }, [[46, new Uint8Array(length).fill(0x77)]])
}
