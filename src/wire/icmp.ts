/** ICMP (RFC 792) and ICMPv6 (RFC 4443): the header, and the packet that an error quotes. */
import { NO_BYTES, u16 } from '../base/bytes.ts'

export type IcmpFlaw = 'icmp.truncated'

export class IcmpView {
  bytes = NO_BYTES
  type = 0
  code = 0
  isVersion6 = false
  headerStart = 0
  payloadStart = 0
  payloadEnd = 0

  decode(bytes: Uint8Array, start: number, end: number, isVersion6: boolean): IcmpFlaw | null {
    if (end - start < 8) return 'icmp.truncated'
    this.bytes = bytes
    this.headerStart = start
    this.type = bytes[start]
    this.code = bytes[start + 1]
    this.isVersion6 = isVersion6
    this.payloadStart = start + 8
    this.payloadEnd = end
    return null
  }

  /** An error message quotes the beginning of the packet that caused it. */
  get isError(): boolean {
    return this.isVersion6
      ? this.type < 128
      : this.type === 3 || this.type === 4 || this.type === 5 || this.type === 11 || this.type === 12
  }

  /** Echo request or reply, whose identifier stands in for a port (as in Community ID and flow tables). */
  get isEcho(): boolean {
    return this.isVersion6 ? this.type === 128 || this.type === 129 : this.type === 8 || this.type === 0
  }
}

export function describeIcmp(icmp: IcmpView): Record<string, unknown> {
  return {
    layer: icmp.isVersion6 ? 'icmpv6' : 'icmp',
    type: icmp.type,
    code: icmp.code,
    checksum: u16(icmp.bytes, icmp.headerStart + 2),
    ...(icmp.isEcho
      ? { identifier: u16(icmp.bytes, icmp.headerStart + 4), sequence: u16(icmp.bytes, icmp.headerStart + 6) }
      : {}),
  }
}
