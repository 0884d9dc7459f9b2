/**
 * Which ring of an interface a packet goes to, where an interface has several (PACKET_FANOUT with a program of classic BPF,
 * packet(7)).
 *
 * The first ring is for whatever decides about others: control messages, IKE, fragments, what is negotiated in PPP, and all
 * that the program does not know. A flood of data leaves room there, and none of it is lost while the other rings overflow. Data is
 * spread over the others, L2TP by tunnel and session, ESP by its SPI: what one peer sends in one session stays together and in order.
 *
 * A packet that a load does not find all of goes to the first ring: a program that fails answers 0.
 */
import { ANCILLARY, Assembler } from './bpf.ts'

const PACKET_OUTGOING = 4
const ETHERNET_LENGTH = 14
const TAG_LENGTH = 4
const ETHERTYPE = { IPV4: 0x0800, IPV6: 0x86dd, TAGS: [0x8100, 0x88a8] } as const
/** Protocols of IP whose data is spread, and where it goes on with them. */
const PROTOCOLS = [
  [17, 'udp'],
  [50, 'esp'],
  [115, 'l2tp in ip'],
] as const
const NATT_PORT = 4500
const UDP_LENGTH = 8
const IPV6_LENGTH = 40
/** The header of L2TPv2 (RFC 2661 section 3.1). */
const L2TP = { CONTROL: 0x8000, HAS_LENGTH: 0x4000, HAS_SEQUENCE: 0x0800, HAS_OFFSET: 0x0200, VERSION: 0x000f } as const
/** Protocols of PPP from here on negotiate and authenticate (RFC 1661 section 2). */
const PPP_CONTROL = 0x8000
const PPP_ADDRESS_AND_CONTROL = 0xff03
const PPP_ONE_OCTET = 0x0100
/** 2^32 divided by the golden ratio: neighbouring numbers go far from each other, and the upper bits depend on all. */
const GOLDEN = 0x9e37_79b1

/**
 * The program, as `Assembler.assemble` gives it.
 *
 * @param rings 2 or more
 * @param l2tpPorts UDP ports on which L2TP is spoken
 */
export function spreadProgram(rings: number, l2tpPorts: readonly number[]): Uint8Array {
  const code = new Assembler()
  // X stands on the header of IP: on its way in a packet begins with that, on its way out with the one of Ethernet.
  code.setX(0).ancillary(ANCILLARY.PACKET_TYPE).ifEqual(PACKET_OUTGOING, null, 'known').setX(ETHERNET_LENGTH)
  code.label('known').ancillary(ANCILLARY.PROTOCOL)
  code.ifEqual(ETHERTYPE.IPV4, 'ipv4').ifEqual(ETHERTYPE.IPV6, 'ipv6')
  for (const tag of ETHERTYPE.TAGS) code.ifEqual(tag, 'tag')
  // The kernel has taken the outermost tag out; to look behind more than one more is not worth it.
  code.goto('first').label('tag').half(2)
  code.ifEqual(ETHERTYPE.IPV4, 'ipv4 behind a tag').ifEqual(ETHERTYPE.IPV6, 'ipv6 behind a tag', 'first')
  for (const ip of ['ipv4', 'ipv6']) code.label(`${ip} behind a tag`).advance(TAG_LENGTH).goto(ip)
  ipv4(code)
  ipv6(code)
  code.label('esp').word(0).goto('spread')
  // Without a session it is a control message (RFC 3931 section 4.1.1).
  code.label('l2tp in ip').word(0).ifEqual(0, 'first', 'spread')
  udp(code, l2tpPorts)
  l2tp(code)
  code.label('first').keep(0)
  code
    .label('spread')
    .multiply(GOLDEN)
    .shiftRight(16)
    .remainder(rings - 1)
    .add(1)
    .answer()
  return code.assemble()
}

function ipv4(code: Assembler): void {
  code.label('ipv4').half(6).ifAnyBit(0x3fff, 'first').byte(9)
  for (const [protocol, label] of PROTOCOLS) code.ifEqual(protocol, `${label} in ipv4`)
  code.goto('first')
  for (const [, label] of PROTOCOLS)
    code.label(`${label} in ipv4`).byte(0).and(0x0f).shiftLeft(2).addX().aToX().goto(label)
}

function ipv6(code: Assembler): void {
  code.label('ipv6').byte(6)
  for (const [protocol, label] of PROTOCOLS) code.ifEqual(protocol, `${label} in ipv6`)
  code.goto('first')
  for (const [, label] of PROTOCOLS) code.label(`${label} in ipv6`).advance(IPV6_LENGTH).goto(label)
}

function udp(code: Assembler, l2tpPorts: readonly number[]): void {
  code.label('udp')
  for (const at of [0, 2]) {
    code.half(at).ifEqual(NATT_PORT, 'natt')
    for (const port of l2tpPorts) code.ifEqual(port, 'l2tp')
  }
  // Four octets of zero are no SPI: IKE follows (RFC 3948 section 2.2). A keepalive is shorter.
  code.goto('first').label('natt').word(UDP_LENGTH).ifEqual(0, 'first', 'spread')
}

function l2tp(code: Assembler): void {
  code.label('l2tp').half(UDP_LENGTH).ifAnyBit(L2TP.CONTROL, 'first')
  code.ifAnyBit(L2TP.HAS_OFFSET, 'offset').and(L2TP.VERSION).ifEqual(3, 'version 3').ifEqual(2, 'version 2', 'first')
  code
    .label('version 3')
    .word(UDP_LENGTH + 4)
    .goto('spread')
  // The padding is nothing to look behind, and nobody uses it where PPP is negotiated.
  code
    .label('offset')
    .ifAnyBit(L2TP.HAS_LENGTH, 'ids behind length')
    .word(UDP_LENGTH + 2)
    .goto('spread')
  code
    .label('ids behind length')
    .word(UDP_LENGTH + 4)
    .goto('spread')
  code.label('version 2').half(UDP_LENGTH).ifAnyBit(L2TP.HAS_LENGTH, 'length')
  code.ifAnyBit(L2TP.HAS_SEQUENCE, 'sequence', 'plain')
  code.label('length').ifAnyBit(L2TP.HAS_SEQUENCE, 'length and sequence', 'only length')
  ppp(code, 'plain', UDP_LENGTH + 2, 0)
  ppp(code, 'sequence', UDP_LENGTH + 2, 4)
  ppp(code, 'only length', UDP_LENGTH + 4, 0)
  ppp(code, 'length and sequence', UDP_LENGTH + 4, 4)
}

/** By tunnel and session, which stand at `idsAt`, unless PPP negotiates. */
function ppp(code: Assembler, label: string, idsAt: number, sequenceLength: number): void {
  const at = idsAt + 4 + sequenceLength
  code.label(label).half(at).ifEqual(PPP_ADDRESS_AND_CONTROL, `${label}, framed`)
  negotiates(code, `${label}: data`)
  code.label(`${label}, framed`).half(at + 2)
  negotiates(code, `${label}: data`)
  code.label(`${label}: data`).word(idsAt).goto('spread')
}

/** A protocol of one octet, whose last bit is set, is that of data (RFC 1661 sections 2 and 6.5). */
function negotiates(code: Assembler, data: string): void {
  code.ifAnyBit(PPP_ONE_OCTET, data).ifAtLeast(PPP_CONTROL, 'first', data)
}
