/**
 * What users do inside a session: TCP connections, UDP conversations and echoes, as inner IP packets.
 */
import * as craft from './craft.ts'
import type { Count, Network } from './network.ts'
import type { Random } from './random.ts'
import { type CallPlan, type FlowTruth, noTraffic } from './scenario.ts'

interface InnerPacket {
  readonly isUp: boolean
  readonly bytes: Uint8Array
}

/** The two ends of the call, as far as flows need them. */
export interface Line {
  send(isUp: boolean, frame: Uint8Array, count: Count): void
  hangUp(): void
}

/** Plays the flows of a call, which nobody answers: an inner packet that is lost stays lost. Then one end hangs up. */
export function talk(network: Network, call: CallPlan, line: Line): void {
  const { random, settings } = network
  let lastUs = 0
  for (let i = 0; i < settings.flowsPerSession; i++) {
    const [truth, packets] = innerFlow(random, call, i)
    call.truth.flows.push(truth)
    let atUs = random.below(5_000_000)
    for (const { isUp, bytes } of packets) {
      atUs += settings.delayUs + random.below(100_000)
      const protocol = bytes[0] >> 4 === 6 ? craft.PPP.ipv6 : craft.PPP.ipv4
      const count: Count = [isUp ? truth.up : truth.down, bytes.length]
      network.after(atUs, () => line.send(isUp, craft.ppp(protocol, bytes, call.ppp), count))
    }
    lastUs = Math.max(lastUs, atUs)
  }
  network.after(lastUs + 1_000_000 + random.below(20_000_000), () => line.hangUp())
}

function innerFlow(random: Random, call: CallPlan, index: number): [FlowTruth, InnerPacket[]] {
  const isIpv6 = call.truth.hasIpv6cp && index % 3 === 2
  const protocol = [
    craft.IP_PROTOCOL.tcp,
    craft.IP_PROTOCOL.udp,
    isIpv6 ? craft.IP_PROTOCOL.icmpv6 : craft.IP_PROTOCOL.icmp,
  ][random.below(3)]
  const hasPorts = protocol === craft.IP_PROTOCOL.tcp || protocol === craft.IP_PROTOCOL.udp
  const client = {
    address: isIpv6 ? `2001:db8:1::${(index + 1).toString(16)}` : call.truth.clientAddress,
    port: hasPorts ? 49_152 + index : 0,
  }
  const server = {
    address: isIpv6 ? `2001:db8:2::${(1 + random.below(200)).toString(16)}` : `203.0.113.${1 + random.below(200)}`,
    port: hasPorts ? random.pick([4443, 7777, 8443, 9999, 27_015]) : 0,
  }
  const truth = { protocol, client, server, up: noTraffic(), down: noTraffic() }
  if (protocol === craft.IP_PROTOCOL.tcp) return [truth, tcpFlow(random, truth)]
  return [truth, protocol === craft.IP_PROTOCOL.udp ? udpFlow(random, truth) : echoFlow(random, truth)]
}

function inner(
  random: Random,
  truth: FlowTruth,
  isUp: boolean,
  build: (ends: Required<craft.Ends>) => Uint8Array,
): InnerPacket {
  const [from, to] = isUp ? [truth.client, truth.server] : [truth.server, truth.client]
  const ends = { source: from.address, target: to.address }
  const fields = { ...ends, protocol: truth.protocol }
  const payload = build(ends)
  const isIpv6 = from.address.includes(':')
  return {
    isUp,
    bytes: isIpv6 ? craft.ipv6(payload, fields) : craft.ipv4(payload, { ...fields, id: random.below(0x10000) }),
  }
}

function ports(truth: FlowTruth, isUp: boolean): { sourcePort: number; targetPort: number } {
  const [from, to] = isUp ? [truth.client, truth.server] : [truth.server, truth.client]
  return { sourcePort: from.port, targetPort: to.port }
}

/** Payload that no dissector takes for a protocol of its own. */
function letters(random: Random, length: number): Uint8Array {
  return random.bytes(length).map((byte) => 0x61 + (byte % 26))
}

function tcpFlow(random: Random, truth: FlowTruth): InnerPacket[] {
  const { fin, syn, psh, ack } = craft.TCP_FLAG
  const next = [random.next(), random.next()]
  const segment = (isUp: boolean, flags: number, payload: Uint8Array = new Uint8Array(0)) => {
    const [mine, theirs] = isUp ? [0, 1] : [1, 0]
    const numbers = {
      sequence: next[mine],
      acknowledgement: flags & ack ? next[theirs] : 0,
      flags,
      ...ports(truth, isUp),
    }
    next[mine] = (next[mine] + payload.length + (flags & (syn | fin) ? 1 : 0)) >>> 0
    return inner(random, truth, isUp, (ends) => craft.tcp(payload, { ...numbers, ...ends }))
  }
  const packets = [segment(true, syn), segment(false, syn | ack), segment(true, ack)]
  for (let i = 1 + random.below(8); i > 0; i--) {
    packets.push(segment(true, psh | ack, letters(random, 20 + random.below(400))))
    packets.push(segment(false, psh | ack, letters(random, 20 + random.below(1200))))
  }
  packets.push(segment(true, fin | ack), segment(false, fin | ack), segment(true, ack))
  return packets
}

function udpFlow(random: Random, truth: FlowTruth): InnerPacket[] {
  return Array.from({ length: 2 + random.below(8) }, (_, i) => {
    const isUp = i % 2 === 0
    const payload = letters(random, 20 + random.below(isUp ? 60 : 900))
    return inner(random, truth, isUp, (ends) => craft.udp(payload, { ...ends, ...ports(truth, isUp) }))
  })
}

function echoFlow(random: Random, truth: FlowTruth): InnerPacket[] {
  const id = random.below(0x10000)
  const payload = letters(random, 56)
  const isIpv6 = truth.protocol === craft.IP_PROTOCOL.icmpv6
  return Array.from({ length: 2 * (1 + random.below(5)) }, (_, i) => {
    const isUp = i % 2 === 0
    const fields = { id, sequence: (i >> 1) + 1 }
    return inner(random, truth, isUp, (ends) =>
      isIpv6
        ? craft.icmpv6(payload, { ...fields, ...ends, type: isUp ? 128 : 129 })
        : craft.icmp(payload, { ...fields, type: isUp ? 8 : 0 }),
    )
  })
}
