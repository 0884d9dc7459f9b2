/**
 * Frame Relay (ITU-T Q.922 Annex A) as pseudowires carry it (RFC 4591): the address of two, three or four octets, and what
 * RFC 2427 or Cisco's own encapsulation says of the payload.
 */
import { hex, u16 } from '../base/bytes.ts'
import { ETHERTYPE } from './link.ts'

const EXTENDED_ADDRESS = 0x01
const ADDRESS_LENGTH_MAX = 4
const UNNUMBERED_INFORMATION = 0x03
const SNAP_LENGTH = 5

/** `fr.truncated`: the frame ends inside its header. `fr.address`: no octet of the first four ends the address. */
export type FrameRelayFlaw = 'fr.truncated' | 'fr.address'

/** Network Layer Protocol IDs (ISO/IEC TR 9577) that are followed further, and their EtherTypes. */
const NLPID = { SNAP: 0x80, IPV6: 0x8e, IPV4: 0xcc } as const
const NLPID_NAMES: ReadonlyMap<number, string> = new Map([
  [0x08, 'Q.933'],
  [0x80, 'SNAP'],
  [0x81, 'CLNP'],
  [0x82, 'ES-IS'],
  [0x83, 'IS-IS'],
  [0x8e, 'IPv6'],
  [0xb0, 'FRF.9'],
  [0xb1, 'FRF.12'],
  [0xcc, 'IPv4'],
  [0xcf, 'PPP'],
])

/** A reusable window on one frame. After a flaw the payload is empty. */
export class FrameRelayView {
  /** Data Link Connection Identifier. */
  dlci = 0
  addressLength = 0
  /** The C/R bit, which the network carries and does not read. */
  commandResponse = false
  /** Forward and backward congestion, discard eligibility. */
  fecn = false
  becn = false
  discardEligible = false
  /** The control octet of RFC 2427; 0 in Cisco's encapsulation, which has none. */
  control = 0
  /** 0 without a control octet. */
  nlpid = 0
  /** Of the payload; 0 if nothing says it. */
  etherType = 0
  /** Three octets before a SNAP type, as a position; 0 without SNAP. */
  snapStart = 0
  payloadStart = 0
  payloadEnd = 0

  decode(bytes: Uint8Array, start: number, end: number): FrameRelayFlaw | null {
    this.#begin(end)
    const length = addressLength(bytes, start, end)
    if (length === 0) return end - start >= ADDRESS_LENGTH_MAX ? 'fr.address' : 'fr.truncated'
    this.#address(bytes, start, length)
    return this.#encapsulation(bytes, start + length, end)
  }

  #begin(end: number): void {
    this.dlci = 0
    this.addressLength = 0
    this.commandResponse = false
    this.fecn = false
    this.becn = false
    this.discardEligible = false
    this.control = 0
    this.nlpid = 0
    this.etherType = 0
    this.snapStart = 0
    this.payloadStart = end
    this.payloadEnd = end
  }

  #address(bytes: Uint8Array, at: number, length: number): void {
    const second = bytes[at + 1]
    this.addressLength = length
    this.commandResponse = (bytes[at] & 0x02) !== 0
    this.fecn = (second & 0x08) !== 0
    this.becn = (second & 0x04) !== 0
    this.discardEligible = (second & 0x02) !== 0
    let dlci = ((bytes[at] >> 2) << 4) | (second >> 4)
    if (length === 4) dlci = (dlci << 7) | (bytes[at + 2] >> 1)
    if (length >= 3) dlci = (dlci << 6) | (bytes[at + length - 1] >> 2)
    this.dlci = dlci
  }

  #encapsulation(bytes: Uint8Array, at: number, end: number): FrameRelayFlaw | null {
    if (end - at < 2) return 'fr.truncated'
    if (bytes[at] !== UNNUMBERED_INFORMATION) {
      // Cisco's encapsulation has an EtherType instead of a control octet.
      this.etherType = u16(bytes, at)
      this.payloadStart = at + 2
      return null
    }
    this.control = bytes[at]
    const nlpidAt = bytes[at + 1] === 0 ? at + 2 : at + 1
    if (nlpidAt >= end) return 'fr.truncated'
    this.nlpid = bytes[nlpidAt]
    if (this.nlpid === NLPID.SNAP) return this.#snap(bytes, nlpidAt + 1, end)
    if (this.nlpid === NLPID.IPV4) this.etherType = ETHERTYPE.IPV4
    if (this.nlpid === NLPID.IPV6) this.etherType = ETHERTYPE.IPV6
    this.payloadStart = nlpidAt + 1
    return null
  }

  #snap(bytes: Uint8Array, at: number, end: number): FrameRelayFlaw | null {
    if (end - at < SNAP_LENGTH) return 'fr.truncated'
    this.snapStart = at
    // Only the organization 00 00 00 means an EtherType by its number.
    if (bytes[at] === 0 && bytes[at + 1] === 0 && bytes[at + 2] === 0) this.etherType = u16(bytes, at + 3)
    this.payloadStart = at + SNAP_LENGTH
    return null
  }
}

/** 2, 3 or 4: the first octet with the EA bit is the last of the address, and is not the first; else 0. */
function addressLength(bytes: Uint8Array, start: number, end: number): number {
  const limit = Math.min(end - start, ADDRESS_LENGTH_MAX)
  if (limit < 1 || (bytes[start] & EXTENDED_ADDRESS) !== 0) return 0
  for (let length = 2; length <= limit; length++) {
    if ((bytes[start + length - 1] & EXTENDED_ADDRESS) !== 0) return length
  }
  return 0
}

/** The header as a dissection shows it. */
export function describeFrameRelay(frame: FrameRelayView, bytes: Uint8Array): Record<string, unknown> {
  const { control, nlpid, snapStart } = frame
  return {
    layer: 'frame-relay',
    dlci: frame.dlci,
    addressLength: frame.addressLength,
    commandResponse: frame.commandResponse,
    fecn: frame.fecn,
    becn: frame.becn,
    discardEligible: frame.discardEligible,
    ...(control === 0 ? {} : { control, nlpid, nlpidName: NLPID_NAMES.get(nlpid) ?? 'unknown' }),
    ...(snapStart === 0 ? {} : { oui: hex(bytes, snapStart, snapStart + 3), protocol: u16(bytes, snapStart + 3) }),
    ...(control === 0 && frame.etherType !== 0 ? { etherType: frame.etherType } : {}),
  }
}
