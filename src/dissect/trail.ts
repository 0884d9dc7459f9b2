/**
 * What the packet in the frame turned out to be part of, as numbers that only the trackers understand: each writes its own
 * on the way, `Trackers.mark` and `Trackers.uidsOf` say what they stand for. Cleared for every packet.
 */
export class Trail {
  /** The SPI of ESP or AH, as a signed number; 0 without one. Of IPsec inside IPsec the inner one. */
  spi = 0
  association = -1
  exchange = -1
  /** Tunnels of version 2 and of version 3. A request may offer both. */
  tunnel = -1
  tunnelV3 = -1
  /** A PPTP control connection. */
  connection = -1
  /** The key of what carries PPP or flows. */
  carrier = -1
  flow = -1
  /** The flow is that of another carrier: multilink spreads packets over the links of a bundle. */
  isSpread = false
  /** The uid of a PPPoE discovery that has no session yet; empty without one. */
  discovery = ''

  clear(): void {
    this.spi = 0
    this.association = -1
    this.exchange = -1
    this.tunnel = -1
    this.tunnelV3 = -1
    this.connection = -1
    this.carrier = -1
    this.flow = -1
    this.isSpread = false
    this.discovery = ''
  }
}
