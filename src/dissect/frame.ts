/**
 * The one frame of the packet path: the bytes of the current packet and a view for each protocol that was found in it.
 *
 * It is overwritten by the next packet. Keep a value, never the frame.
 */
import { NO_BYTES } from '../base/bytes.ts'
import { GreView } from '../wire/gre.ts'
import { IpView } from '../wire/ip.ts'
import { L2tpView } from '../wire/l2tp.ts'
import { L2tpV3View } from '../wire/l2tpv3.ts'
import { LinkView } from '../wire/link.ts'
import { PppView } from '../wire/ppp.ts'
import { PppoeView } from '../wire/pppoe.ts'
import { TcpView } from '../wire/tcp.ts'
import { UdpView } from '../wire/udp.ts'
import { PlainDataView } from './plain-data.ts'
import { Trail } from './trail.ts'

/** IPsec around a packet, as whoever is inside sees it: the same object for all packets of one pair of associations. */
export interface Protection {
  readonly uid: string
  /** The IKE SA that made it, if it was seen. */
  readonly ikeUid: string | undefined
  /** Outermost first, `uid` last. */
  readonly lineage: readonly string[]
}

export class Frame {
  // What the capture fills in.
  bytes: Uint8Array = NO_BYTES
  start = 0
  end = 0
  block = 0
  blockEnd = 0
  /** Microseconds since the epoch. */
  timeUs = 0
  timeNs = 0
  originalLength = 0
  linkType = 0
  interfaceId = 0
  /** From 1, in its capture. */
  number = 0
  /** Of the packet's record, in its (uncompressed) capture. */
  offset = 0
  /** The base name of the capture. */
  capture = ''

  // What the dissector fills in. A view may be read only if the verdict, or the flag beside it, says so.
  /** The first flaw that stopped decoding, and the layer that has it; null if nothing did. */
  flaw: string | null = null
  flawLayer = ''
  readonly link = new LinkView()
  readonly ip = new IpView()
  readonly udp = new UdpView()
  readonly l2tp = new L2tpView()
  readonly l2tpv3 = new L2tpV3View()
  readonly tcp = new TcpView()
  readonly gre = new GreView()
  readonly pppoe = new PppoeView()
  /** The ports below are known. */
  hasUdp = false
  /** They are those of a TCP connection that carries IKE and ESP. */
  isInTcp = false
  /**
   * Of the outermost UDP header; 0 without one. Behind NAT traversal they are those of the ESP packet, which tell apart
   * clients behind one address, where the ports inside would not.
   */
  sourcePort = 0
  destinationPort = 0
  /** How many packets the current one was taken out of. */
  depth = 0
  /** The IPsec that the current packet was taken out of; null in the clear. */
  protection: Protection | null = null
  /** A data message whose PPP header was read. */
  hasPpp = false
  readonly ppp = new PppView()
  /** An IP packet inside a tunnel whose header was read: in PPP, or taken out of another packet. */
  hasInner = false
  readonly inner = new IpView()

  /** All of a plain data message but what PPP carries: only where the dissector was not asked, and the views above say nothing. */
  readonly plain = new PlainDataView()

  // What the trackers fill in.
  readonly trail = new Trail()
}
