/** Builds IKE messages from their payloads: `message({ exchange: 2 }, [[1, sa], [13, vendor]])`. */
import { IkeView } from '../../src/wire/ike.ts'
import { describeIke, type IkeDescription } from '../../src/wire/ike-describe.ts'
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

/** Aggressive mode, message 1, of a strongSwan initiator: SA, KE, NONCE, ID "vpngroup", five vendor ids. */
export const AGGRESSIVE = fromHex(
  '37ff1673787927de000000000000000001100400000000000000016c0400003800000001000000010000002c01010001000000240101000080010007800e0080' +
    '800200028004000280030001800b0001800c2a300a000084d79c8bf4cfb27937f7547819f0a1cecb6841f8bb2207e417b1cf6c4b487fed8224955b95e52346bb' +
    '572c70bd1ab6e8f6a39f4d3c46d695f64cbde8e799e43fc899e0c137e846b31c9576ba840a34dd269d766aaaab09f65ad518bea40eee9776c5eeda0955ddf82f' +
    '29ebd90576cb2a96e7b3551389c481dae38c19dc9aa7834a05000024643d57ee2ddc7996f3798db25c6fa688d7ceb478487bb12c0e26fe7e53a8fee20d000010' +
    '0200000076706e67726f75700d00000c09002689dfd6b7120d000014afcad71368a1f1c96b8696fc775701000d0000184048b7d56ebce88525e7de7f00d6c2d3' +
    '800000000d0000144a131c81070358455c5728f20e95452f0000001490cb80913ebb696e086381b5ec427b1f',
)

/** IKE_SA_INIT response of a responder that wants group 14. */
export const INVALID_KE = fromHex('f472e139959adec400000000000000002920222000000000000000260000000a00000011000e')

/** The view of what must be a message. */
export function viewOf(bytes: Uint8Array): IkeView {
  const view = new IkeView()
  const flaw = view.decode(bytes, 0, bytes.length)
  if (flaw !== null) throw new Error(`no message of IKE: ${flaw}`)
  return view
}

export function describeBytes(bytes: Uint8Array): IkeDescription {
  return describeIke(viewOf(bytes))
}
