/** What is wrong with PPP frames, told as a finding about what carries them. */
import type { Frame } from '../dissect/frame.ts'
import type { Anomalies } from './anomalies.ts'
import type { Carrier } from './carrier.ts'
import type { Role } from './role.ts'

export class PppFindings {
  readonly #anomalies: Anomalies

  constructor(anomalies: Anomalies) {
    this.#anomalies = anomalies
  }

  report(frame: Frame, carrier: Carrier, sender: Role, finding: string, detail: string): void {
    const identity = carrier.owner.identify(carrier)
    const hosts = carrier.owner.hosts(carrier, sender)
    // The hosts of a datagram are read from its headers; others the carrier knows.
    const isDatagram = frame.hasUdp && hosts['network.protocol'] === 'l2tp'
    this.#anomalies.report(frame, finding, 'ppp', detail, isDatagram ? 'udp' : 'none', {
      ...(isDatagram ? {} : hosts),
      'l2tp.tunnel.uid': identity['l2tp.tunnel.uid'],
      'l2tp.session.uid': identity['l2tp.session.uid'],
      'pptp.connection.uid': identity['pptp.connection.uid'],
      'pptp.call.uid': identity['pptp.call.uid'],
      'pppoe.session.uid': identity['pppoe.session.uid'],
      'borescope.lineage': identity['borescope.lineage'],
    })
  }
}
