/**
 * Protocols of the family that travel beside L2TPv2: seen between two hosts, they are told once.
 *
 * IKE and ESP between two hosts say that their L2TP is meant to be protected; L2TPv3 and L2F say what else speaks on the port.
 */
import { addressText } from '../base/address.ts'
import { hashWindow, mixPair } from '../base/hash.ts'
import { PairTable } from '../base/pair-table.ts'
import type { Frame } from '../dissect/frame.ts'
import type { Emit } from '../events/catalogue.ts'
import { vlanOf } from './outer.ts'

export type Neighbour = 'l2tpv3' | 'l2f' | 'ike' | 'natt' | 'ike_tcp' | 'esp' | 'ah'

const NAMES: Record<Neighbour, string> = {
  l2tpv3: 'l2tpv3',
  l2f: 'l2f',
  ike: 'ike',
  natt: 'ipsec-nat-t',
  ike_tcp: 'ipsec-tcp',
  esp: 'esp',
  ah: 'ah',
}

const CODES: Record<Neighbour, number> = { l2tpv3: 1, l2f: 2, ike: 3, natt: 4, esp: 5, ah: 6, ike_tcp: 7 }

export class Neighbours {
  readonly #emit: Emit
  readonly #max: number
  /** By two digests of protocol and hosts, the same in both directions. */
  #seen: PairTable

  /** `max` pairs are remembered; when they are more, all are forgotten and may be told again. */
  constructor(emit: Emit, max: number) {
    this.#emit = emit
    this.#max = max
    this.#seen = new PairTable(max)
  }

  observe(frame: Frame, protocol: Neighbour): void {
    const { ip } = frame
    const source = hashWindow(ip.bytes, ip.sourceAt, ip.sourceAt + ip.addressLength)
    const destination = hashWindow(ip.bytes, ip.destinationAt, ip.destinationAt + ip.addressLength)
    const low = mixPair(Math.min(source, destination), CODES[protocol])
    const high = mixPair(Math.max(source, destination), low)
    if (this.#seen.find(low, high) !== -1) return
    if (this.#seen.size >= this.#max) this.#seen = new PairTable(this.#max)
    this.#seen.insert(low, high, 1)
    this.#tell(frame, protocol)
  }

  #tell(frame: Frame, protocol: Neighbour): void {
    const { ip } = frame
    const source = addressText(ip.bytes, ip.sourceAt, ip.addressLength)
    const destination = addressText(ip.bytes, ip.destinationAt, ip.addressLength)
    this.#emit({
      name: 'protocol.recognised',
      timeUs: frame.timeUs,
      message: `${NAMES[protocol]} from ${source} to ${destination}`,
      fields: {
        'source.ip': source,
        'destination.ip': destination,
        'source.port': frame.hasUdp ? frame.sourcePort : undefined,
        'destination.port': frame.hasUdp ? frame.destinationPort : undefined,
        'network.type': ip.version === 6 ? 'ipv6' : 'ipv4',
        'network.transport': frame.isInTcp ? 'tcp' : frame.hasUdp ? 'udp' : String(ip.protocol),
        'network.protocol': NAMES[protocol],
        'network.vlan.id': vlanOf(frame),
      },
    })
  }
}
