/** The fields by which events name the two hosts of the packet in the frame. */
import { addressText } from '../base/address.ts'
import { IP_PROTOCOL, type IpView } from '../wire/ip.ts'
import type { LinkView } from '../wire/link.ts'

/** Without UDP, as L2TPv3 may be, there are no ports. */
export interface HostFields {
  readonly 'source.ip': string
  readonly 'source.port'?: number | undefined
  readonly 'destination.ip': string
  readonly 'destination.port'?: number | undefined
  readonly 'network.type': string
  readonly 'network.transport': string
  readonly 'network.protocol': string
  readonly 'network.vlan.id'?: string | undefined
}

export interface OuterFields extends HostFields {
  readonly 'source.port': number
  readonly 'destination.port': number
}

/** What of a frame tells its two hosts. */
export interface Ends {
  readonly ip: Pick<IpView, 'bytes' | 'sourceAt' | 'destinationAt' | 'addressLength' | 'version' | 'protocol'>
  readonly link: Pick<LinkView, 'vlanId'>
  readonly sourcePort: number
  readonly destinationPort: number
  readonly hasUdp: boolean
  readonly isInTcp: boolean
}

/** Outlives the packet in the frame. Names and numbers become text when something is told of it, which is seldom. */
export function keepEnds({ ip, link, sourcePort, destinationPort, hasUdp, isInTcp }: Ends): Ends {
  const { sourceAt, destinationAt, addressLength, version, protocol } = ip
  const bytes = new Uint8Array(addressLength * 2)
  for (let i = 0; i < addressLength; i++) {
    bytes[i] = ip.bytes[sourceAt + i]
    bytes[addressLength + i] = ip.bytes[destinationAt + i]
  }
  return {
    ip: { bytes, sourceAt: 0, destinationAt: addressLength, addressLength, version, protocol },
    link: { vlanId: link.vlanId },
    sourcePort,
    destinationPort,
    hasUdp,
    isInTcp,
  }
}

/** Source is the sender of the packet. For a packet whose ports were read; they are those of its outermost UDP or TCP header. */
export function outerFields(frame: Ends, protocol: string): OuterFields {
  const { ip, sourcePort, destinationPort } = frame
  return {
    'source.ip': addressText(ip.bytes, ip.sourceAt, ip.addressLength),
    'source.port': sourcePort,
    'destination.ip': addressText(ip.bytes, ip.destinationAt, ip.addressLength),
    'destination.port': destinationPort,
    'network.type': ip.version === 6 ? 'ipv6' : 'ipv4',
    'network.transport': frame.isInTcp ? 'tcp' : 'udp',
    'network.protocol': protocol,
    'network.vlan.id': vlanOf(frame),
  }
}

/** For a packet of any transport. */
export function hostsOf(frame: Ends, protocol: string): HostFields {
  const fields = outerFields(frame, protocol)
  const { hasUdp, ip } = frame
  return {
    ...fields,
    'source.port': hasUdp ? fields['source.port'] : undefined,
    'destination.port': hasUdp ? fields['destination.port'] : undefined,
    'network.transport': ip.protocol === IP_PROTOCOL.UDP ? 'udp' : String(ip.protocol),
  }
}

export function vlanOf(frame: Pick<Ends, 'link'>): string | undefined {
  return frame.link.vlanId === -1 ? undefined : String(frame.link.vlanId)
}
