/** Builds fragments of DCE/RPC (C706 chapter 12, [MS-RPCE]). */
import { le16, le32, uuid } from './ber.ts'
import { be16, concat, fromHex, ipBytes, utf8 } from './craft.ts'

export const NDR = '8a885d04-1ceb-11c9-9fe8-08002b104860'
export const SVCCTL = '367abb81-9844-35f1-ad32-98f038001003'
export const DRSUAPI = 'e3514235-4b06-11d1-ab04-00c04fc2dcd2'
export const SRVSVC = '4b324fc8-1670-01d3-1278-5a47bf6ee188'
export const EPMAPPER = 'e1af8308-5d1f-11c9-91a4-08002b14a0fa'

export interface Verifier {
  readonly type: number
  readonly level: number
  readonly credentials: Uint8Array
}

interface PduFields {
  readonly callId?: number
  readonly flags?: number
  readonly verifier?: Verifier
}

export function pdu(type: number, body: Uint8Array, fields: PduFields = {}): Uint8Array {
  const { verifier } = fields
  const padding = verifier === undefined ? 0 : -body.length & 3
  const trailer =
    verifier === undefined
      ? new Uint8Array(0)
      : concat(
          new Uint8Array(padding),
          Uint8Array.of(verifier.type, verifier.level, padding, 0),
          le32(7),
          verifier.credentials,
        )
  return concat(
    Uint8Array.of(5, 0, type, fields.flags ?? 3),
    fromHex('10000000'),
    le16(16 + body.length + trailer.length),
    le16(verifier?.credentials.length ?? 0),
    le32(fields.callId ?? 1),
    body,
    trailer,
  )
}

export interface Binding {
  readonly id?: number
  readonly interface: string
  readonly version?: number
  readonly transfer?: string
}

function contextList(contexts: readonly Binding[]): Uint8Array {
  return concat(
    Uint8Array.of(contexts.length, 0, 0, 0),
    ...contexts.map((context, index) =>
      concat(
        le16(context.id ?? index),
        Uint8Array.of(1, 0),
        uuid(context.interface),
        le32(context.version ?? 1),
        uuid(context.transfer ?? NDR),
        le32(2),
      ),
    ),
  )
}

export function bind(contexts: readonly Binding[], fields: PduFields = {}): Uint8Array {
  return pdu(11, concat(le16(4280), le16(4280), le32(0), contextList(contexts)), fields)
}

export function alterContext(contexts: readonly Binding[], fields: PduFields = {}): Uint8Array {
  return pdu(14, concat(le16(4280), le16(4280), le32(0), contextList(contexts)), fields)
}

/** `results` are pairs of result and reason. */
export function bindAck(
  results: readonly (readonly [result: number, reason: number])[],
  fields: PduFields & { readonly address?: string; readonly type?: number } = {},
): Uint8Array {
  const address = fields.address === undefined ? new Uint8Array(0) : utf8(`${fields.address}\0`)
  const padding = new Uint8Array(-(26 + address.length) & 3)
  const list = results.map(([result, reason]) =>
    concat(le16(result), le16(reason), result === 0 ? concat(uuid(NDR), le32(2)) : new Uint8Array(20)),
  )
  return pdu(
    fields.type ?? 12,
    concat(
      le16(4280),
      le16(4280),
      le32(0x1234),
      le16(address.length),
      address,
      padding,
      Uint8Array.of(results.length, 0, 0, 0),
      ...list,
    ),
    fields,
  )
}

export function bindNak(reason: number): Uint8Array {
  return pdu(13, le16(reason))
}

export function request(
  operation: number,
  stub: Uint8Array = new Uint8Array(8),
  fields: PduFields & { readonly contextId?: number; readonly object?: string } = {},
): Uint8Array {
  const object = fields.object === undefined ? new Uint8Array(0) : uuid(fields.object)
  return pdu(0, concat(le32(stub.length), le16(fields.contextId ?? 0), le16(operation), object, stub), {
    ...fields,
    flags: fields.flags ?? (fields.object === undefined ? 0x03 : 0x83),
  })
}

export function response(
  stub: Uint8Array = new Uint8Array(8),
  fields: PduFields & { readonly contextId?: number } = {},
): Uint8Array {
  return pdu(2, concat(le32(stub.length), le16(fields.contextId ?? 0), le16(0), stub), fields)
}

export function fault(status: number, fields: PduFields = {}): Uint8Array {
  return pdu(3, concat(le32(0), le16(0), le16(0), le32(status), le32(0)), fields)
}

function floor(left: Uint8Array, right: Uint8Array): Uint8Array {
  return concat(le16(left.length), left, le16(right.length), right)
}

/** The tower of an interface on TCP, as the endpoint mapper gives it out (C706 appendix L). */
export function tcpTower(interfaceUuid: string, version: number, port: number, address: string): Uint8Array {
  return concat(
    le16(5),
    floor(concat(Uint8Array.of(0x0d), uuid(interfaceUuid), le16(version)), le16(0)),
    floor(concat(Uint8Array.of(0x0d), uuid(NDR), le16(2)), le16(0)),
    floor(Uint8Array.of(0x0b), le16(0)),
    floor(Uint8Array.of(0x07), be16(port)),
    floor(Uint8Array.of(0x09), ipBytes(address)),
  )
}

export function pipeTower(interfaceUuid: string, version: number, pipe: string, host: string): Uint8Array {
  return concat(
    le16(5),
    floor(concat(Uint8Array.of(0x0d), uuid(interfaceUuid), le16(version)), le16(0)),
    floor(concat(Uint8Array.of(0x0d), uuid(NDR), le16(2)), le16(0)),
    floor(Uint8Array.of(0x0b), le16(0)),
    floor(Uint8Array.of(0x0f), utf8(`${pipe}\0`)),
    floor(Uint8Array.of(0x11), utf8(`${host}\0`)),
  )
}

/** The results of ept_map: a handle, then the towers, each with its length twice, on multiples of four. */
export function mapResults(...towers: readonly Uint8Array[]): Uint8Array {
  return concat(
    new Uint8Array(20),
    le32(towers.length),
    le32(towers.length),
    le32(0),
    le32(towers.length),
    ...towers.map((_, i) => le32(3 + i)),
    ...towers.map((tower) => concat(le32(tower.length), le32(tower.length), tower, new Uint8Array(-tower.length & 3))),
    le32(0),
  )
}
