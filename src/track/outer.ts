/** The fields by which events name the two hosts of the packet in the frame. */
import { addressText } from '../base/address.ts'
import type { Frame } from '../dissect/frame.ts'
import { IP_PROTOCOL } from '../wire/ip.ts'

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

/** Source is the sender of the packet. For a packet whose ports were read; they are those of its outermost UDP or TCP header. */
export function outerFields(frame: Frame, protocol: string): OuterFields {
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
export function hostsOf(frame: Frame, protocol: string): HostFields {
  const fields = outerFields(frame, protocol)
  const { hasUdp, ip } = frame
  return {
    ...fields,
    'source.port': hasUdp ? fields['source.port'] : undefined,
    'destination.port': hasUdp ? fields['destination.port'] : undefined,
    'network.transport': ip.protocol === IP_PROTOCOL.UDP ? 'udp' : String(ip.protocol),
  }
}

export function vlanOf(frame: Frame): string | undefined {
  return frame.link.vlanId === -1 ? undefined : String(frame.link.vlanId)
}
