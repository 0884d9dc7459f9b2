/** The fields by which events name the two hosts of the packet in the frame. */
import { addressText } from '../base/address.ts'
import type { Frame } from '../dissect/frame.ts'

export interface OuterFields {
  readonly 'source.ip': string
  readonly 'source.port': number
  readonly 'destination.ip': string
  readonly 'destination.port': number
  readonly 'network.type': string
  readonly 'network.transport': string
  readonly 'network.protocol': string
  readonly 'network.vlan.id'?: string | undefined
}

/** Source is the sender of the packet. For a UDP packet whose header was read; the ports are those of its outermost UDP header. */
export function outerFields(frame: Frame, protocol: string): OuterFields {
  const { ip, sourcePort, destinationPort } = frame
  return {
    'source.ip': addressText(ip.bytes, ip.sourceAt, ip.addressLength),
    'source.port': sourcePort,
    'destination.ip': addressText(ip.bytes, ip.destinationAt, ip.addressLength),
    'destination.port': destinationPort,
    'network.type': ip.version === 6 ? 'ipv6' : 'ipv4',
    'network.transport': 'udp',
    'network.protocol': protocol,
    'network.vlan.id': vlanOf(frame),
  }
}

export function vlanOf(frame: Frame): string | undefined {
  return frame.link.vlanId === -1 ? undefined : String(frame.link.vlanId)
}
