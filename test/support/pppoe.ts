/** Builds PPPoE (RFC 2516): frames of both stages, and tags. */
import { be16, be32, be8, concat, ethernet, type EthernetFields, utf8 } from './craft.ts'

export interface PppoeFields {
  readonly versionAndType?: number
  readonly sessionId?: number
  readonly length?: number
}

export function pppoe(code: number, payload: Uint8Array, fields: PppoeFields = {}): Uint8Array {
  const { versionAndType = 0x11, sessionId = 0, length = payload.length } = fields
  return concat(be8(versionAndType), be8(code), be16(sessionId), be16(length), payload)
}

export function pppoeTag(type: number, value: Uint8Array | string, length?: number): Uint8Array {
  const octets = typeof value === 'string' ? utf8(value) : value
  return concat(be16(type), be16(length ?? octets.length), octets)
}

/** TR-101: what the access node appends. */
export function accessLine(subtags: readonly (readonly [type: number, value: Uint8Array | string])[]): Uint8Array {
  const parts = subtags.map(([type, value]) => {
    const octets = typeof value === 'string' ? utf8(value) : value
    return concat(be8(type), be8(octets.length), octets)
  })
  return pppoeTag(0x0105, concat(be32(3561), ...parts))
}

export function discoveryFrame(
  code: number,
  tags: readonly Uint8Array[],
  fields: PppoeFields & { readonly ethernet?: EthernetFields } = {},
): Uint8Array {
  return ethernet(pppoe(code, concat(...tags), fields), { type: 0x8863, ...fields.ethernet })
}

export function sessionFrame(
  sessionId: number,
  frame: Uint8Array,
  fields: PppoeFields & { readonly ethernet?: EthernetFields } = {},
): Uint8Array {
  return ethernet(pppoe(0, frame, { sessionId, ...fields }), { type: 0x8864, ...fields.ethernet })
}
