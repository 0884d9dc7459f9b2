/** UDP (RFC 768). */
import { NO_BYTES, u16 } from '../base/bytes.ts'

export type UdpFlaw = 'udp.truncated' | 'udp.length'

export class UdpView {
  bytes = NO_BYTES
  sourcePort = 0
  destinationPort = 0
  length = 0
  checksum = 0
  payloadStart = 0
  payloadEnd = 0
  /** Where the payload ended on the wire; beyond `payloadEnd` if the capture cut the packet. */
  wireEnd = 0

  /** `end` is the end of what was captured, `wireEnd` the end of the IP packet on the wire. After `udp.length` the ports are valid. */
  decode(bytes: Uint8Array, start: number, end: number, wireEnd: number): UdpFlaw | null {
    if (end - start < 8) return this.#refuse('udp.truncated', end)
    const length = u16(bytes, start + 4)
    this.bytes = bytes
    this.sourcePort = u16(bytes, start)
    this.destinationPort = u16(bytes, start + 2)
    this.length = length
    this.checksum = u16(bytes, start + 6)
    this.payloadStart = start + 8
    // Zero stands for a jumbogram (RFC 2675) or for a packet caught before segmentation offload filled it in.
    const ownEnd = length === 0 ? wireEnd : start + length
    if (ownEnd > wireEnd || ownEnd < start + 8) return this.#refuse('udp.length', start + 8)
    this.wireEnd = ownEnd
    this.payloadEnd = ownEnd < end ? ownEnd : end
    return null
  }

  /** Leaves an empty payload. */
  #refuse(flaw: UdpFlaw, at: number): UdpFlaw {
    this.payloadStart = at
    this.payloadEnd = at
    this.wireEnd = at
    return flaw
  }
}

export function describeUdp(udp: UdpView): Record<string, unknown> {
  return {
    layer: 'udp',
    sourcePort: udp.sourcePort,
    destinationPort: udp.destinationPort,
    length: udp.length,
    checksum: udp.checksum,
  }
}
