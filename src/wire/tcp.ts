/** TCP header (RFC 9293), as far as following a connection from outside needs it. */
import { NO_BYTES, u16, u32 } from '../base/bytes.ts'

export const TCP_FIN = 0x01
export const TCP_SYN = 0x02
export const TCP_RST = 0x04
export const TCP_ACK = 0x10

export type TcpFlaw = 'tcp.truncated' | 'tcp.header_length'

export class TcpView {
  bytes = NO_BYTES
  sourcePort = 0
  destinationPort = 0
  sequence = 0
  acknowledgement = 0
  flags = 0
  headerStart = 0
  payloadStart = 0
  payloadEnd = 0

  decode(bytes: Uint8Array, start: number, end: number): TcpFlaw | null {
    if (end - start < 20) return 'tcp.truncated'
    const headerLength = (bytes[start + 12] >> 4) * 4
    if (headerLength < 20) return 'tcp.header_length'
    if (end - start < headerLength) return 'tcp.truncated'
    this.bytes = bytes
    this.headerStart = start
    this.sourcePort = u16(bytes, start)
    this.destinationPort = u16(bytes, start + 2)
    this.sequence = u32(bytes, start + 4)
    this.acknowledgement = u32(bytes, start + 8)
    this.flags = bytes[start + 13]
    this.payloadStart = start + headerLength
    this.payloadEnd = end
    return null
  }
}

const FLAG_NAMES = ['FIN', 'SYN', 'RST', 'PSH', 'ACK', 'URG', 'ECE', 'CWR'] as const

export function describeTcp(tcp: TcpView): Record<string, unknown> {
  return {
    ...describeTcpStart(tcp.bytes, tcp.headerStart, tcp.payloadStart),
    payloadLength: tcp.payloadEnd - tcp.payloadStart,
  }
}

/** The fields of a header as far as it is there: ICMP errors quote eight octets of it, and captures cut it. */
export function describeTcpStart(
  bytes: Uint8Array,
  start: number,
  end: number,
): Record<string, unknown> & { readonly layer: 'tcp' } {
  const length = end - start
  return {
    layer: 'tcp',
    ...(length >= 4 ? { sourcePort: u16(bytes, start), destinationPort: u16(bytes, start + 2) } : {}),
    ...(length >= 8 ? { sequence: u32(bytes, start + 4) } : {}),
    ...(length >= 12 ? { acknowledgement: u32(bytes, start + 8) } : {}),
    ...(length >= 14
      ? {
          headerLength: (bytes[start + 12] >> 4) * 4,
          flags: FLAG_NAMES.filter((_, bit) => (bytes[start + 13] & (1 << bit)) !== 0),
        }
      : {}),
    ...(length >= 16 ? { window: u16(bytes, start + 14) } : {}),
    ...(length >= 18 ? { checksum: u16(bytes, start + 16) } : {}),
  }
}
