/**
 * Payloads of group key management that share IKEv1's header: GDOI (RFC 6407, section 5). They travel encrypted; whoever sends
 * them in the clear, or decrypts them, may see what they say. Keys are told by their length only.
 */
import { hex, u16, u32 } from '../base/bytes.ts'
import { identityText } from './ike-identity.ts'
import { IKE_ID_TYPES, IKE_V1_TRANSFORMS, nameOf } from './ike-tables.ts'
import { IP_PROTOCOL_NAMES } from './ip.ts'

const SAK = 15
const SAT = 16
const KD = 17
const SEQ = 18

const PROTOCOLS = { 1: 'GDOI_PROTO_IPSEC_ESP', 2: 'GDOI_PROTO_IPSEC_AH' } as const
const KEY_TYPES = { 1: 'TEK', 2: 'KEK', 3: 'LKH', 4: 'SID' } as const
const KEK_SPI_LENGTH = 16
const TEK_SPI_LENGTH = 4
const KEY_PACKETS_MAX = 64
const KEY_PACKET_HEADER = 5

interface GdoiIdentity {
  readonly idTypeNumber: number
  readonly idType: string
  readonly port: number
  readonly value: string
}

interface KeyPacket {
  readonly typeNumber: number
  readonly type: string
  readonly spi: string
  readonly keyLength: number
}

export interface GdoiFields {
  readonly protocolNumber?: number
  readonly protocol?: string
  readonly source?: GdoiIdentity
  readonly destination?: GdoiIdentity
  readonly spi?: string
  readonly transformId?: number
  readonly transform?: string
  readonly keyPackets?: readonly KeyPacket[]
  readonly sequence?: number
  /** Octets that are not told apart: attributes, a proof, or what stands behind a flaw. */
  readonly dataLength: number
}

/** The fields of a payload of type 15 to 19 or 22, as far as its length lets them be. */
export function describeGdoi(type: number, bytes: Uint8Array, start: number, end: number): GdoiFields {
  switch (type) {
    case SAK:
      return keyEncryptionPolicy(bytes, start, end)
    case SAT:
      return trafficPolicy(bytes, start, end)
    case KD:
      return keyDownload(bytes, start, end)
    case SEQ:
      return end - start < 4
        ? { dataLength: end - start }
        : { sequence: u32(bytes, start), dataLength: end - start - 4 }
    default:
      return { dataLength: end - start }
  }
}

interface Selectors {
  readonly fields: Pick<GdoiFields, 'source' | 'destination'>
  readonly at: number
}

function keyEncryptionPolicy(bytes: Uint8Array, start: number, end: number): GdoiFields {
  if (end - start < 1) return { dataLength: 0 }
  const { fields, at } = selectors(bytes, start + 1, end)
  const hasSpi = fields.destination !== undefined && end - at >= KEK_SPI_LENGTH
  return {
    protocolNumber: bytes[start],
    protocol: IP_PROTOCOL_NAMES[bytes[start]] ?? String(bytes[start]),
    ...fields,
    ...(hasSpi ? { spi: hex(bytes, at, at + KEK_SPI_LENGTH) } : {}),
    dataLength: end - at - (hasSpi ? KEK_SPI_LENGTH : 0),
  }
}

function trafficPolicy(bytes: Uint8Array, start: number, end: number): GdoiFields {
  if (end - start < 2) return { dataLength: end - start }
  const { fields, at } = selectors(bytes, start + 2, end)
  const hasSpi = fields.destination !== undefined && end - at >= 1 + TEK_SPI_LENGTH
  return {
    protocolNumber: bytes[start],
    protocol: nameOf(PROTOCOLS, bytes[start]),
    ...fields,
    ...(hasSpi
      ? {
          transformId: bytes[at],
          transform: nameOf(IKE_V1_TRANSFORMS[bytes[start] === 2 ? 2 : 3], bytes[at]),
          spi: hex(bytes, at + 1, at + 1 + TEK_SPI_LENGTH),
        }
      : {}),
    dataLength: end - at - (hasSpi ? 1 + TEK_SPI_LENGTH : 0),
  }
}

function selectors(bytes: Uint8Array, start: number, end: number): Selectors {
  const source = identityAt(bytes, start, end)
  if (source === null) return { fields: {}, at: start }
  const destination = identityAt(bytes, source.end, end)
  if (destination === null) return { fields: { source: source.identity }, at: source.end }
  return { fields: { source: source.identity, destination: destination.identity }, at: destination.end }
}

/** Type, port, length, value. */
function identityAt(bytes: Uint8Array, at: number, end: number): { identity: GdoiIdentity; end: number } | null {
  if (end - at < 4) return null
  const valueStart = at + 4
  const valueEnd = valueStart + bytes[at + 3]
  if (valueEnd > end) return null
  return {
    identity: {
      idTypeNumber: bytes[at],
      idType: nameOf(IKE_ID_TYPES, bytes[at]),
      port: u16(bytes, at + 1),
      value: identityText(bytes[at], bytes, valueStart, valueEnd),
    },
    end: valueEnd,
  }
}

function keyDownload(bytes: Uint8Array, start: number, end: number): GdoiFields {
  if (end - start < 4) return { dataLength: end - start }
  const keyPackets: KeyPacket[] = []
  let at = start + 4
  for (let left = u16(bytes, start); left > 0 && keyPackets.length < KEY_PACKETS_MAX; left--) {
    const length = end - at < KEY_PACKET_HEADER ? 0 : u16(bytes, at + 2)
    const spiEnd = length === 0 ? 0 : at + KEY_PACKET_HEADER + bytes[at + 4]
    if (length < KEY_PACKET_HEADER || at + length > end || spiEnd > at + length) break
    keyPackets.push({
      typeNumber: bytes[at],
      type: nameOf(KEY_TYPES, bytes[at]),
      spi: hex(bytes, at + KEY_PACKET_HEADER, spiEnd),
      keyLength: at + length - spiEnd,
    })
    at += length
  }
  return { keyPackets, dataLength: end - at }
}
