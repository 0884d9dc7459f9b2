/**
 * What the kernel hands over unless somebody wants something else: every packet that the dissector might not call foreign.
 * Everything it does not know how to walk it lets pass: the sensor looks again.
 *
 * The numbers are those of IANA. They stand here because a filter and a decoder that disagree are found by a test, and the
 * room of capturing knows no protocols.
 */
import { Assembler } from './bpf.ts'

const ETHERTYPE = {
  IPV4: 0x0800,
  IPV6: 0x86dd,
  TAGS: [0x8100, 0x88a8, 0x9100],
  MPLS: [0x8847, 0x8848],
  PPPOE: [0x8863, 0x8864],
  /** Below this it is a length, and LLC follows. */
  LEAST: 0x0600,
} as const
const PROTOCOL = { TCP: 6, UDP: 17, GRE: 47, FRAGMENT: 44 } as const
/** ESP, AH, L2TPv3. */
const WHOLE_PROTOCOLS = [50, 51, 115] as const
/** Hop-by-hop options, routing, destination options, mobility, HIP, Shim6: what is behind them is the sensor's to find. */
const IPV6_EXTENSIONS = [0, 43, 60, 135, 139, 140] as const
const IKE_PORTS = [500, 4500] as const
const TCP_PORTS = [1723, 4500] as const
/** Frames are mirrored to these ports of UDP (VXLAN, Geneve, TZSP), and in GRE of these types (Ethernet, ERSPAN, IP). */
const MIRROR_PORTS = [4789, 6081, 37_008] as const
const GRE_TYPES = [0x6558, 0x88be, 0x22eb, ETHERTYPE.IPV4, ETHERTYPE.IPV6] as const

/** How L2TP and IKE over TCP begin (RFC 2661 section 3.1, RFC 3931 section 4.1.2.1, RFC 9329): on any port. */
const L2TP_CONTROL = [0xc802, 0xc803] as const
const L2TPV3_DATA = 0x0003_0000
const IKETCP = 0x494b_4554
const SNAP = 0xaaaa_0300

/** More of either are let pass. */
const TAGS_MAX = 3
const LABELS_MAX = 4
/**
 * With more learned ports than this the filter takes all of UDP, or of TCP. The kernel limits what a socket's filter may take
 * (net.core.optmem_max, 20 kB for long): this keeps it below a quarter of that.
 */
export const LEARNED_PORTS_MAX = 64

export interface FamilyPorts {
  /** On which L2TP is spoken, and on which IKE in TCP. */
  readonly udp: readonly number[]
  readonly tcp: readonly number[]
}

/**
 * The filter, as `Assembler.assemble` gives it.
 *
 * @param isEthernet whether packets begin with an Ethernet header; else with that of IP
 */
export function familyFilter(isEthernet: boolean, ports: FamilyPorts, snapLength: number): Uint8Array {
  const code = new Assembler()
  // X stands on the EtherType before the header of IP, or on the header where there is none.
  const base = isEthernet ? 2 : 0
  if (isEthernet) ethernet(code)
  else bareIp(code)
  ipv4(code, base)
  ipv6(code, base)
  udp(code, base, ports.udp)
  tcp(code, base, ports.tcp)
  gre(code, base)
  return code.label('refuse').keep(0).label('accept').keep(snapLength).assemble()
}

function ethernet(code: Assembler): void {
  code.setX(12).half(0).ifEqual(ETHERTYPE.IPV4, 'ipv4')
  for (let tag = 0; tag < TAGS_MAX; tag++) {
    for (const type of ETHERTYPE.TAGS) code.ifEqual(type, `tag ${tag}`)
    code.goto('typed').label(`tag ${tag}`).advance(4).half(0)
  }
  for (const type of ETHERTYPE.TAGS) code.ifEqual(type, 'accept')
  code.label('typed').ifEqual(ETHERTYPE.IPV4, 'ipv4').ifEqual(ETHERTYPE.IPV6, 'ipv6')
  for (const type of ETHERTYPE.PPPOE) code.ifEqual(type, 'accept')
  for (const type of ETHERTYPE.MPLS) code.ifEqual(type, 'mpls')
  code.ifAtLeast(ETHERTYPE.LEAST, 'refuse').word(2).ifEqual(SNAP, null, 'refuse').advance(8).half(0)
  code.ifEqual(ETHERTYPE.IPV4, 'ipv4').ifEqual(ETHERTYPE.IPV6, 'ipv6')
  for (const type of [...ETHERTYPE.TAGS, ...ETHERTYPE.PPPOE, ...ETHERTYPE.MPLS]) code.ifEqual(type, 'accept')
  code.goto('refuse')
  mpls(code)
}

/** IP behind the last label is told by its version; a pseudowire is let pass. */
function mpls(code: Assembler): void {
  code.label('mpls')
  for (let label = 0; label < LABELS_MAX; label++) code.byte(4).ifAnyBit(1, 'bottom').advance(4)
  code.goto('accept')
  code.label('bottom').advance(4).byte(2).shiftRight(4)
  code.ifEqual(4, 'ipv4').ifEqual(6, 'ipv6').ifEqual(0, 'accept', 'refuse')
}

function bareIp(code: Assembler): void {
  code.setX(0).byte(0).shiftRight(4).ifEqual(4, 'ipv4').ifEqual(6, 'ipv6', 'refuse')
}

function ipv4(code: Assembler, base: number): void {
  code
    .label('ipv4')
    .half(base + 6)
    .ifAnyBit(0x3fff, 'fragment')
  // Where the payload begins takes A: it is found on each of the ways.
  code.byte(base + 9)
  for (const protocol of WHOLE_PROTOCOLS) code.ifEqual(protocol, 'accept')
  for (const [protocol, label] of TRANSPORTS) code.ifEqual(protocol, `${label} in ipv4`)
  code.goto('refuse')
  for (const [, label] of TRANSPORTS) {
    code.label(`${label} in ipv4`).byte(base).and(0x0f).shiftLeft(2).addX().aToX().goto(label)
  }
  code.label('fragment').byte(base + 9)
  for (const protocol of FRAGMENTED) code.ifEqual(protocol, 'accept')
  code.goto('refuse')
}

const TRANSPORTS = [
  [PROTOCOL.UDP, 'udp'],
  [PROTOCOL.TCP, 'tcp'],
  [PROTOCOL.GRE, 'gre'],
] as const
const FRAGMENTED = [PROTOCOL.UDP, PROTOCOL.GRE, ...WHOLE_PROTOCOLS]

function ipv6(code: Assembler, base: number): void {
  code.label('ipv6').byte(base + 6)
  for (const protocol of [...WHOLE_PROTOCOLS, ...IPV6_EXTENSIONS]) code.ifEqual(protocol, 'accept')
  for (const [protocol, label] of TRANSPORTS) code.ifEqual(protocol, `${label} in ipv6`)
  code.ifEqual(PROTOCOL.FRAGMENT, null, 'refuse').byte(base + 40)
  for (const protocol of [...FRAGMENTED, ...IPV6_EXTENSIONS]) code.ifEqual(protocol, 'accept')
  code.goto('refuse')
  for (const [, label] of TRANSPORTS) code.label(`${label} in ipv6`).advance(40).goto(label)
}

/** Calls of PPTP, and what may be mirrored. */
function gre(code: Assembler, base: number): void {
  code.label('gre').half(base).and(7).ifEqual(1, 'accept')
  code.half(base + 2)
  for (const type of GRE_TYPES) code.ifEqual(type, 'accept')
  code.goto('refuse')
}

function udp(code: Assembler, base: number, learned: readonly number[]): void {
  code.label('udp')
  if (!eitherPort(code, base, [...IKE_PORTS, ...learned])) return
  // A still holds the port that the datagram goes to.
  for (const port of MIRROR_PORTS) code.ifEqual(port, 'accept')
  code.half(base + 8)
  for (const head of L2TP_CONTROL) code.ifEqual(head, 'accept')
  code.word(base + 8).ifEqual(L2TPV3_DATA, 'accept', 'refuse')
}

function tcp(code: Assembler, base: number, learned: readonly number[]): void {
  code.label('tcp')
  if (!eitherPort(code, base, [...TCP_PORTS, ...learned])) return
  code
    .byte(base + 12)
    .and(0xf0)
    .shiftRight(2)
    .addX()
    .aToX()
  code.word(base).ifEqual(IKETCP, 'accept', 'refuse')
}

/** Whether there is still something to ask of packets from and to other ports. */
function eitherPort(code: Assembler, base: number, ports: readonly number[]): boolean {
  if (ports.length > LEARNED_PORTS_MAX) {
    code.goto('accept')
    return false
  }
  for (const at of [base, base + 2]) {
    code.half(at)
    for (const port of ports) code.ifEqual(port, 'accept')
  }
  return true
}

/**
 * About the same in the language of libpcap, for a way to capture that takes nothing else and whose filter cannot be changed
 * later: so with all of UDP.
 */
export function familyExpression(): string {
  const any = (of: readonly number[], says: (value: number) => string) => of.map(says).join(' or ')
  const own = [
    'udp',
    any(TCP_PORTS, (port) => `tcp port ${port}`),
    any([PROTOCOL.GRE, ...WHOLE_PROTOCOLS], (protocol) => `ip proto ${protocol} or ip6 proto ${protocol}`),
    any([PROTOCOL.FRAGMENT, ...IPV6_EXTENSIONS], (protocol) => `ip6[6] = ${protocol}`),
    any([...ETHERTYPE.PPPOE, ...ETHERTYPE.MPLS], (type) => `ether proto ${type}`),
  ].join(' or ')
  // What follows the word vlan is looked for behind the tag.
  return `${own} or (vlan and (${own} or (vlan and (${own}))))`
}
