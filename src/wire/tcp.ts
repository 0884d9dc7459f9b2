/** TCP header (RFC 9293), as far as following a connection from outside needs it. */
import { NO_BYTES, u16, u32 } from '../base/bytes.ts'

export const TCP_FIN = 0x01
export const TCP_SYN = 0x02
export const TCP_RST = 0x04
export const TCP_PSH = 0x08
export const TCP_ACK = 0x10
export const TCP_URG = 0x20

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
    layer: 'tcp',
    sourcePort: tcp.sourcePort,
    destinationPort: tcp.destinationPort,
    sequence: tcp.sequence,
    acknowledgement: tcp.acknowledgement,
    headerLength: tcp.payloadStart - tcp.headerStart,
    flags: FLAG_NAMES.filter((_, bit) => (tcp.flags & (1 << bit)) !== 0),
    window: u16(tcp.bytes, tcp.headerStart + 14),
    checksum: u16(tcp.bytes, tcp.headerStart + 16),
    payloadLength: tcp.payloadEnd - tcp.payloadStart,
  }
}
