/**
 * DCE/RPC over datagrams (C706 chapter 12.5): old remote services and the scans for them, on UDP 135 and above 1024. Each
 * packet names its interface and operation.
 */
import { u16, u32 } from '../base/bytes.ts'
import { le16, le32, uuidText } from '../base/little-endian.ts'
import { faultName } from './dcerpc.ts'
import { interfaceName } from './dcerpc-interfaces.ts'

const HEADER_LENGTH = 80

const PDU_NAMES: Readonly<Record<number, string>> = {
  0: 'request',
  1: 'ping',
  2: 'response',
  3: 'fault',
  4: 'working',
  5: 'nocall',
  6: 'reject',
  7: 'ack',
  8: 'cl_cancel',
  9: 'fack',
  10: 'cancel_ack',
}
const FAULT = 3
const REJECT = 6

export interface DcerpcDatagram {
  readonly type: number
  readonly typeName: string
  readonly flags: number
  readonly interfaceUuid: string
  readonly interfaceName: string
  readonly interfaceVersion: string
  readonly objectUuid?: string
  /** The call, with those that belong together. */
  readonly activityUuid: string
  readonly sequence: number
  readonly operation: number
  readonly fragment: number
  readonly bodyLength: number
  /** Faults and rejections. */
  readonly status?: number
  readonly statusName?: string
}

/** Null if this is no such datagram: version, format and length must be right, because nothing else marks one. */
export function describeDcerpcDatagram(
  bytes: Uint8Array,
  start: number,
  end: number,
  wireEnd: number = end,
): DcerpcDatagram | null {
  if (end - start < HEADER_LENGTH || bytes[start] !== 4) return null
  const type = bytes[start + 1]
  const typeName = PDU_NAMES[type]
  const integers = bytes[start + 4]
  if (typeName === undefined || (integers !== 0 && integers !== 0x10) || bytes[start + 5] !== 0) return null
  const isLittleEndian = integers !== 0
  const short = isLittleEndian ? le16 : u16
  const long = isLittleEndian ? le32 : u32
  const bodyLength = short(bytes, start + 74)
  const bodyAt = start + HEADER_LENGTH
  if (bodyAt + bodyLength > wireEnd) return null
  const uuid = (offset: number): string => uuidText(bytes, start + offset, isLittleEndian)
  const interfaceUuid = uuid(24)
  const objectUuid = uuid(8)
  const version = long(bytes, start + 60)
  const status =
    (type === FAULT || type === REJECT) && bodyLength >= 4 && bodyAt + 4 <= end ? long(bytes, bodyAt) : undefined
  return {
    type,
    typeName,
    flags: bytes[start + 2],
    interfaceUuid,
    interfaceName: interfaceName(interfaceUuid),
    interfaceVersion: `${version & 0xffff}.${version >>> 16}`,
    ...(objectUuid === NIL_UUID ? {} : { objectUuid }),
    activityUuid: uuid(40),
    sequence: long(bytes, start + 64),
    operation: short(bytes, start + 68),
    fragment: short(bytes, start + 76),
    bodyLength,
    ...(status === undefined ? {} : { status, statusName: faultName(status) }),
  }
}

const NIL_UUID = '00000000-0000-0000-0000-000000000000'
