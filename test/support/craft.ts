/**
 * Builds packets, from the inside out: `ethernet(ipv4(udp(l2tpData(lcp(…)))))`.
 *
 * Every function is pure, has defaults that make a valid packet, and lets the caller override each field on the wire, so
 * that hostile packets are made with the same words. Lengths and checksums are computed unless they are given.
 * Addresses are text: `192.0.2.1`, `2001:db8::1`, `02:00:00:00:00:01`.
 */
import { createHash } from 'node:crypto'
import { isIPv6 } from 'node:net'

export type MacAddress = string
export type IpAddress = string

// Bytes

export function concat(...parts: readonly Uint8Array[]): Uint8Array {
  let length = 0
  for (const part of parts) length += part.length
  const all = new Uint8Array(length)
  let at = 0
  for (const part of parts) {
    all.set(part, at)
    at += part.length
  }
  return all
}

export function be8(value: number): Uint8Array {
  return Uint8Array.of(value)
}

export function be16(value: number): Uint8Array {
  return Uint8Array.of(value >>> 8, value)
}

export function be32(value: number): Uint8Array {
  return Uint8Array.of(value >>> 24, value >>> 16, value >>> 8, value)
}

export function utf8(value: string): Uint8Array {
  return new TextEncoder().encode(value)
}

/** Hexadecimal digits; anything else in the text (spaces, colons) only separates. */
export function fromHex(digits: string): Uint8Array {
  return Uint8Array.from(Buffer.from(digits.replace(/[^0-9a-f]/gi, ''), 'hex'))
}

export function md5(...parts: readonly Uint8Array[]): Uint8Array {
  const hash = createHash('md5')
  for (const part of parts) hash.update(part)
  return Uint8Array.from(hash.digest())
}

export function macBytes(address: MacAddress): Uint8Array {
  return fromHex(address)
}

/** 4 bytes for dotted text, 16 for text with colons. */
export function ipBytes(address: IpAddress): Uint8Array {
  return address.includes(':') ? ipv6Bytes(address) : Uint8Array.from(address.split('.'), Number)
}

function ipv6Bytes(address: IpAddress): Uint8Array {
  const [head, tail] = address.split('::')
  const before = groups(head)
  const after = groups(tail)
  const zeros = new Uint8Array(16 - before.length - after.length)
  return concat(before, zeros, after)
}

function groups(part: string | undefined): Uint8Array {
  if (!part) return new Uint8Array(0)
  return concat(...part.split(':').map((group) => (group.includes('.') ? ipBytes(group) : be16(parseInt(group, 16)))))
}

/** The ones' complement sum of RFC 1071, over any number of parts of which all but the last have an even length. */
export function internetChecksum(...parts: readonly Uint8Array[]): number {
  let sum = 0
  for (const part of parts) {
    for (let i = 0; i < part.length; i += 2) sum += (part[i] << 8) | (part[i + 1] ?? 0)
  }
  while (sum > 0xffff) sum = (sum & 0xffff) + Math.floor(sum / 0x10000)
  return ~sum & 0xffff
}

// Ethernet and ARP

export const ETHER_TYPE = { ipv4: 0x0800, arp: 0x0806, vlan: 0x8100, ipv6: 0x86dd, serviceVlan: 0x88a8 } as const

export interface VlanTag {
  readonly id: number
  readonly priority?: number
  /** The type that announces this tag: 0x8100 unless given. */
  readonly type?: number
}

export interface EthernetFields {
  readonly source?: MacAddress
  readonly target?: MacAddress
  /** Of the payload. Unless given, IPv4 or IPv6 by the payload's version nibble. */
  readonly type?: number
  /** Outermost first. */
  readonly vlans?: readonly VlanTag[]
  /** Zeros follow the payload until the frame is that long: a wire pads to 60 bytes. */
  readonly sizeMin?: number
}

export function ethernet(payload: Uint8Array, fields: EthernetFields = {}): Uint8Array {
  const { source = '02:00:00:00:00:01', target = '02:00:00:00:00:02', vlans = [], sizeMin = 0 } = fields
  const { type = payload[0] >> 4 === 6 ? ETHER_TYPE.ipv6 : ETHER_TYPE.ipv4 } = fields
  const tags = vlans.map((tag) =>
    concat(be16(tag.type ?? ETHER_TYPE.vlan), be16(((tag.priority ?? 0) << 13) | (tag.id & 0x0fff))),
  )
  const frame = concat(macBytes(target), macBytes(source), ...tags, be16(type), payload)
  return frame.length < sizeMin ? concat(frame, new Uint8Array(sizeMin - frame.length)) : frame
}

export interface ArpFields {
  readonly operation?: number
  readonly senderMac?: MacAddress
  readonly sender?: IpAddress
  readonly targetMac?: MacAddress
  readonly target?: IpAddress
}

export function arp(fields: ArpFields = {}): Uint8Array {
  const { operation = 1, senderMac = '02:00:00:00:00:01', sender = '192.0.2.1' } = fields
  const { targetMac = '00:00:00:00:00:00', target = '192.0.2.2' } = fields
  const head = concat(be16(1), be16(ETHER_TYPE.ipv4), Uint8Array.of(6, 4), be16(operation))
  return concat(head, macBytes(senderMac), ipBytes(sender), macBytes(targetMac), ipBytes(target))
}

// IP

export const IP_PROTOCOL = { icmp: 1, tcp: 6, udp: 17, esp: 50, ah: 51, icmpv6: 58, l2tp: 115 } as const

/** The two ends of an IP packet; transport checksums cover them, so the transport functions take them as well. */
export interface Ends {
  readonly source?: IpAddress
  readonly target?: IpAddress
}

const SOURCE = '192.0.2.1'
const TARGET = '198.51.100.1'

export interface Ipv4Fields extends Ends {
  readonly version?: number
  readonly protocol?: number
  readonly ttl?: number
  readonly id?: number
  readonly tos?: number
  readonly reservedFlag?: boolean
  readonly dontFragment?: boolean
  readonly moreFragments?: boolean
  /** In bytes: a multiple of 8. */
  readonly fragmentOffset?: number
  /** A multiple of 4 bytes long. */
  readonly options?: Uint8Array
  /** In words of 4 bytes, as on the wire. */
  readonly headerLength?: number
  readonly totalLength?: number
  readonly checksum?: number
}

/** RFC 791. */
export function ipv4(payload: Uint8Array, fields: Ipv4Fields = {}): Uint8Array {
  const {
    version = 4,
    protocol = IP_PROTOCOL.udp,
    ttl = 64,
    id = 1,
    tos = 0,
    source = SOURCE,
    target = TARGET,
  } = fields
  const { reservedFlag = false, dontFragment = false, moreFragments = false, fragmentOffset = 0 } = fields
  const { options = new Uint8Array(0) } = fields
  const { headerLength = 5 + options.length / 4, totalLength = 20 + options.length + payload.length } = fields
  const flags = (reservedFlag ? 0x8000 : 0) | (dontFragment ? 0x4000 : 0) | (moreFragments ? 0x2000 : 0)
  const header = concat(
    Uint8Array.of((version << 4) | headerLength, tos),
    be16(totalLength),
    be16(id),
    be16(flags | (fragmentOffset >> 3)),
    Uint8Array.of(ttl, protocol, 0, 0),
    ipBytes(source),
    ipBytes(target),
    options,
  )
  header.set(be16(fields.checksum ?? internetChecksum(header)), 10)
  return concat(header, payload)
}

/** The payload as IPv4 fragments that carry at most `sizeMax` bytes each; `sizeMax` is rounded down to a multiple of 8. */
export function ipv4Fragments(payload: Uint8Array, sizeMax: number, fields: Ipv4Fields = {}): Uint8Array[] {
  return slices(payload, sizeMax).map(({ piece, offset, more }) =>
    ipv4(piece, { ...fields, fragmentOffset: offset, moreFragments: more }),
  )
}

export interface Ipv6Extension {
  readonly type: number
  /** All of the header but its first byte, which names the next header. */
  readonly rest: Uint8Array
}

export const IPV6_EXTENSION = { hopByHop: 0, routing: 43, fragment: 44, ah: 51, destination: 60 } as const

/** A hop-by-hop or destination options header, or a routing header: padded to a multiple of 8 bytes. */
export function ipv6Extension(type: number, data: Uint8Array = new Uint8Array(0)): Ipv6Extension {
  const units = Math.ceil((data.length + 2) / 8)
  const padding = units * 8 - 2 - data.length
  // Pad1 is one zero byte; PadN is its type, a length, and zeros (RFC 8200 section 4.2).
  const pad =
    padding === 1 ? be8(0) : padding > 1 ? concat(Uint8Array.of(1, padding - 2), new Uint8Array(padding - 2)) : be8(0)
  return { type, rest: concat(be8(units - 1), data, pad.subarray(0, padding)) }
}

/** `offset` in bytes: a multiple of 8. */
export function ipv6FragmentHeader(fields: { offset?: number; more?: boolean; id?: number } = {}): Ipv6Extension {
  const { offset = 0, more = false, id = 1 } = fields
  return { type: IPV6_EXTENSION.fragment, rest: concat(be8(0), be16((offset & 0xfff8) | (more ? 1 : 0)), be32(id)) }
}

export interface Ipv6Fields extends Ends {
  readonly version?: number
  readonly trafficClass?: number
  readonly flowLabel?: number
  /** The header after the last extension. */
  readonly protocol?: number
  readonly hopLimit?: number
  readonly extensions?: readonly Ipv6Extension[]
  readonly payloadLength?: number
}

/** RFC 8200. */
export function ipv6(payload: Uint8Array, fields: Ipv6Fields = {}): Uint8Array {
  const { version = 6, trafficClass = 0, flowLabel = 0, protocol = IP_PROTOCOL.udp, hopLimit = 64 } = fields
  const { source = '2001:db8::1', target = '2001:db8::2', extensions = [] } = fields
  const types = [...extensions.map((extension) => extension.type), protocol]
  const headers = extensions.map((extension, i) => concat(be8(types[i + 1]), extension.rest))
  const body = concat(...headers, payload)
  return concat(
    be32((version << 28) | (trafficClass << 20) | flowLabel),
    be16(fields.payloadLength ?? body.length),
    Uint8Array.of(types[0], hopLimit),
    ipBytes(source),
    ipBytes(target),
    body,
  )
}

/** The payload as IPv6 fragments that carry at most `sizeMax` bytes each; `sizeMax` is rounded down to a multiple of 8. */
export function ipv6Fragments(
  payload: Uint8Array,
  sizeMax: number,
  fields: Ipv6Fields & { id?: number } = {},
): Uint8Array[] {
  const { id = 1, extensions = [] } = fields
  return slices(payload, sizeMax).map(({ piece, offset, more }) =>
    ipv6(piece, { ...fields, extensions: [...extensions, ipv6FragmentHeader({ offset, more, id })] }),
  )
}

function slices(payload: Uint8Array, sizeMax: number): { piece: Uint8Array; offset: number; more: boolean }[] {
  const step = Math.max(8, sizeMax & ~7)
  const pieces = []
  for (let offset = 0; offset < payload.length; offset += step) {
    pieces.push({ piece: payload.subarray(offset, offset + step), offset, more: offset + step < payload.length })
  }
  return pieces
}

// Transport

/** `'right'` computes it over the pseudo-header and the payload, `'bad'` is off by one, `'zero'` means none (UDP). */
export type ChecksumChoice = 'right' | 'bad' | 'zero' | number

function pseudoHeader(source: IpAddress, target: IpAddress, protocol: number, length: number): Uint8Array {
  return concat(ipBytes(source), ipBytes(target), be32(length), be32(protocol))
}

function chosenChecksum(choice: ChecksumChoice, right: () => number): number {
  if (choice === 'right') return right()
  if (choice === 'bad') return right() ^ 1
  return choice === 'zero' ? 0 : choice
}

export interface UdpFields extends Ends {
  readonly sourcePort?: number
  readonly targetPort?: number
  readonly length?: number
  readonly checksum?: ChecksumChoice
}

/** RFC 768. A computed checksum of zero is sent as 0xffff. */
export function udp(payload: Uint8Array, fields: UdpFields = {}): Uint8Array {
  const { source = SOURCE, target = TARGET, sourcePort = L2TP_PORT, targetPort = L2TP_PORT } = fields
  const { length = 8 + payload.length, checksum = 'right' } = fields
  const datagram = concat(be16(sourcePort), be16(targetPort), be16(length), be16(0), payload)
  const right = () =>
    internetChecksum(pseudoHeader(source, target, IP_PROTOCOL.udp, datagram.length), datagram) || 0xffff
  datagram.set(be16(chosenChecksum(checksum, right)), 6)
  return datagram
}

export const TCP_FLAG = { fin: 0x01, syn: 0x02, rst: 0x04, psh: 0x08, ack: 0x10, urg: 0x20 } as const

export interface TcpFields extends Ends {
  readonly sourcePort?: number
  readonly targetPort?: number
  readonly sequence?: number
  readonly acknowledgement?: number
  /** A sum of `TCP_FLAG`; ACK unless given. */
  readonly flags?: number
  readonly window?: number
  readonly urgent?: number
  /** A multiple of 4 bytes long. */
  readonly options?: Uint8Array
  /** In words of 4 bytes, as on the wire. */
  readonly headerLength?: number
  readonly checksum?: ChecksumChoice
}

/** RFC 9293. */
export function tcp(payload: Uint8Array, fields: TcpFields = {}): Uint8Array {
  const { source = SOURCE, target = TARGET, sourcePort = 49152, targetPort = 80, sequence = 1 } = fields
  const { acknowledgement = 0, flags = TCP_FLAG.ack, window = 64240, urgent = 0, checksum = 'right' } = fields
  const { options = new Uint8Array(0), headerLength = 5 + options.length / 4 } = fields
  const segment = concat(
    be16(sourcePort),
    be16(targetPort),
    be32(sequence),
    be32(acknowledgement),
    Uint8Array.of(headerLength << 4, flags),
    be16(window),
    be16(0),
    be16(urgent),
    options,
    payload,
  )
  const right = () => internetChecksum(pseudoHeader(source, target, IP_PROTOCOL.tcp, segment.length), segment)
  segment.set(be16(chosenChecksum(checksum, right)), 16)
  return segment
}

export interface IcmpFields extends Ends {
  readonly type?: number
  readonly code?: number
  readonly id?: number
  readonly sequence?: number
  readonly checksum?: ChecksumChoice
}

/** RFC 792: an echo request unless the fields say otherwise. */
export function icmp(payload: Uint8Array, fields: IcmpFields = {}): Uint8Array {
  const { type = 8, code = 0, id = 1, sequence = 1, checksum = 'right' } = fields
  const message = concat(Uint8Array.of(type, code, 0, 0), be16(id), be16(sequence), payload)
  message.set(be16(chosenChecksum(checksum, () => internetChecksum(message))), 2)
  return message
}

/** RFC 4443: an echo request unless the fields say otherwise. */
export function icmpv6(payload: Uint8Array, fields: IcmpFields = {}): Uint8Array {
  const { type = 128, code = 0, id = 1, sequence = 1, checksum = 'right' } = fields
  const { source = '2001:db8::1', target = '2001:db8::2' } = fields
  const message = concat(Uint8Array.of(type, code, 0, 0), be16(id), be16(sequence), payload)
  const pseudo = pseudoHeader(source, target, IP_PROTOCOL.icmpv6, message.length)
  message.set(be16(chosenChecksum(checksum, () => internetChecksum(pseudo, message))), 2)
  return message
}

export interface DatagramFields extends UdpFields {
  readonly ip?: Ipv4Fields | Ipv6Fields
  readonly ethernet?: EthernetFields
}

/** A whole frame with one UDP datagram: over IPv6 if the source is an IPv6 address, over IPv4 otherwise. */
export function datagram(payload: Uint8Array, fields: DatagramFields = {}): Uint8Array {
  const { source = SOURCE, target = TARGET } = fields
  const packet = isIPv6(source) ? ipv6 : ipv4
  return ethernet(packet(udp(payload, fields), { source, target, ...fields.ip }), fields.ethernet)
}

// L2TP (RFC 2661)

export const L2TP_PORT = 1701

export const L2TP_FLAG = {
  control: 0x8000,
  length: 0x4000,
  sequence: 0x0800,
  offset: 0x0200,
  priority: 0x0100,
} as const

export const L2TP_MESSAGE = {
  sccrq: 1,
  sccrp: 2,
  scccn: 3,
  stopccn: 4,
  hello: 6,
  ocrq: 7,
  ocrp: 8,
  occn: 9,
  icrq: 10,
  icrp: 11,
  iccn: 12,
  cdn: 14,
  wen: 15,
  sli: 16,
} as const

export const AVP = {
  messageType: 0,
  resultCode: 1,
  protocolVersion: 2,
  framingCapabilities: 3,
  bearerCapabilities: 4,
  tieBreaker: 5,
  firmwareRevision: 6,
  hostName: 7,
  vendorName: 8,
  assignedTunnelId: 9,
  receiveWindowSize: 10,
  challenge: 11,
  causeCode: 12,
  challengeResponse: 13,
  assignedSessionId: 14,
  callSerialNumber: 15,
  minimumBps: 16,
  maximumBps: 17,
  bearerType: 18,
  framingType: 19,
  calledNumber: 21,
  callingNumber: 22,
  subAddress: 23,
  txConnectSpeed: 24,
  physicalChannelId: 25,
  initialReceivedLcpRequest: 26,
  lastSentLcpRequest: 27,
  lastReceivedLcpRequest: 28,
  proxyAuthenType: 29,
  proxyAuthenName: 30,
  proxyAuthenChallenge: 31,
  proxyAuthenId: 32,
  proxyAuthenResponse: 33,
  callErrors: 34,
  accm: 35,
  randomVector: 36,
  privateGroupId: 37,
  rxConnectSpeed: 38,
  sequencingRequired: 39,
} as const

export interface AvpFields {
  readonly mandatory?: boolean
  readonly hidden?: boolean
  readonly vendor?: number
  /** Of the whole AVP, 10 bits. */
  readonly length?: number
  /** The four bits between H and the length. */
  readonly reserved?: number
}

/** RFC 2661 section 4.1. `hidden` only sets the bit: `hiddenAvp` hides a value. Text is sent as UTF-8. */
export function avp(type: number, value: Uint8Array | string, fields: AvpFields = {}): Uint8Array {
  const { mandatory = true, hidden = false, vendor = 0, reserved = 0 } = fields
  const octets = typeof value === 'string' ? utf8(value) : value
  const length = (fields.length ?? 6 + octets.length) & 0x03ff
  const head = (mandatory ? 0x8000 : 0) | (hidden ? 0x4000 : 0) | (reserved << 10) | length
  return concat(be16(head), be16(vendor), be16(type), octets)
}

export interface HiddenAvpFields extends AvpFields {
  readonly secret: string
  /** The value of the Random Vector AVP that stands before this one in the message. */
  readonly randomVector: Uint8Array
  /** Bytes after the value that hide its length. */
  readonly padding?: Uint8Array
  /** What hides instead of the secret itself, as in version 3. */
  readonly key?: Uint8Array
}

/** RFC 2661 section 4.3: the length, the value and the padding, each 16 bytes of them XORed with a chained MD5. */
export function hiddenAvp(type: number, value: Uint8Array | string, fields: HiddenAvpFields): Uint8Array {
  const { secret, key = utf8(secret), randomVector, padding = new Uint8Array(0), ...rest } = fields
  const octets = typeof value === 'string' ? utf8(value) : value
  const plain = concat(be16(octets.length), octets, padding)
  const covered = new Uint8Array(plain.length)
  let mask = md5(be16(type), key, randomVector)
  for (let block = 0; block < plain.length; block += 16) {
    if (block > 0) mask = md5(key, covered.subarray(block - 16, block))
    for (let i = block; i < Math.min(block + 16, plain.length); i++) covered[i] = plain[i] ^ mask[i - block]
  }
  return avp(type, covered, { hidden: true, ...rest })
}

/** RFC 2661 section 4.4.3: `message` is the type of the control message that carries the response. */
export function challengeResponse(message: number, secret: string, challenge: Uint8Array): Uint8Array {
  return md5(be8(message), utf8(secret), challenge)
}

export interface L2tpControlFields {
  readonly tunnelId?: number
  readonly sessionId?: number
  readonly ns?: number
  readonly nr?: number
  /** A sum of `L2TP_FLAG`: the header holds the length and sequence fields that the flags announce. */
  readonly flags?: number
  readonly version?: number
  readonly length?: number
}

const CONTROL_FLAGS = L2TP_FLAG.control | L2TP_FLAG.length | L2TP_FLAG.sequence

/** RFC 2661 section 3.1, with the AVPs as its body. */
export function l2tpControl(avps: readonly Uint8Array[], fields: L2tpControlFields = {}): Uint8Array {
  const { tunnelId = 0, sessionId = 0, ns = 0, nr = 0, flags = CONTROL_FLAGS, version = 2 } = fields
  const length = fields.length === undefined ? {} : { length: fields.length }
  return l2tpMessage(concat(...avps), flags | version, { tunnelId, sessionId, ns, nr, offset: 0, ...length })
}

export interface L2tpDataFields {
  readonly tunnelId?: number
  readonly sessionId?: number
  /** Sets the L bit: `true` writes the right length, a number that length. */
  readonly length?: boolean | number
  /** Sets the S bit. */
  readonly ns?: number
  readonly nr?: number
  /** Sets the O bit and puts that many bytes before the payload. */
  readonly offset?: number
  readonly priority?: boolean
  readonly version?: number
}

/** RFC 2661 section 3.1, with a PPP frame as its body. */
export function l2tpData(payload: Uint8Array, fields: L2tpDataFields = {}): Uint8Array {
  const { tunnelId = 1, sessionId = 1, length = false, ns, nr = 0, offset, priority = false, version = 2 } = fields
  const flags =
    (length === false ? 0 : L2TP_FLAG.length) |
    (ns === undefined ? 0 : L2TP_FLAG.sequence) |
    (offset === undefined ? 0 : L2TP_FLAG.offset) |
    (priority ? L2TP_FLAG.priority : 0)
  const given = typeof length === 'number' ? { length } : {}
  return l2tpMessage(payload, flags | version, { tunnelId, sessionId, ns: ns ?? 0, nr, offset: offset ?? 0, ...given })
}

interface L2tpHeader {
  readonly tunnelId: number
  readonly sessionId: number
  readonly ns: number
  readonly nr: number
  readonly offset: number
  readonly length?: number
}

function l2tpMessage(payload: Uint8Array, head: number, header: L2tpHeader): Uint8Array {
  const none = new Uint8Array(0)
  const sequence = head & L2TP_FLAG.sequence ? concat(be16(header.ns), be16(header.nr)) : none
  const offset = head & L2TP_FLAG.offset ? concat(be16(header.offset), new Uint8Array(header.offset)) : none
  const body = concat(be16(header.tunnelId), be16(header.sessionId), sequence, offset, payload)
  const length = head & L2TP_FLAG.length ? be16(header.length ?? body.length + 4) : none
  return concat(be16(head), length, body)
}

/** An acknowledgement: a control message without AVPs (RFC 2661 section 5.8). */
export function zlb(header: L2tpControlFields = {}): Uint8Array {
  return l2tpControl([], header)
}

/** What every helper below takes: the header, and AVPs after its own. */
export interface ControlMessageFields extends L2tpControlFields {
  readonly more?: readonly Uint8Array[]
}

function message(type: number, avps: readonly Uint8Array[], fields: ControlMessageFields): Uint8Array {
  return l2tpControl([avp(AVP.messageType, be16(type)), ...avps, ...(fields.more ?? [])], fields)
}

export interface StartFields extends ControlMessageFields {
  readonly assignedTunnelId?: number
  readonly hostName?: string
  readonly vendorName?: string
  readonly receiveWindowSize?: number
  readonly framing?: number
  readonly bearer?: number
  readonly firmwareRevision?: number
}

function startAvps(fields: StartFields): Uint8Array[] {
  const { assignedTunnelId = 1, hostName = 'lac.example', vendorName = 'Example', receiveWindowSize = 8 } = fields
  const { framing = 3, bearer = 0, firmwareRevision = 0x0100 } = fields
  return [
    avp(AVP.protocolVersion, be16(0x0100)),
    avp(AVP.framingCapabilities, be32(framing)),
    avp(AVP.bearerCapabilities, be32(bearer)),
    avp(AVP.firmwareRevision, be16(firmwareRevision), { mandatory: false }),
    avp(AVP.hostName, hostName),
    avp(AVP.vendorName, vendorName, { mandatory: false }),
    avp(AVP.assignedTunnelId, be16(assignedTunnelId)),
    avp(AVP.receiveWindowSize, be16(receiveWindowSize)),
  ]
}

export function sccrq(fields: StartFields = {}): Uint8Array {
  return message(L2TP_MESSAGE.sccrq, startAvps(fields), fields)
}

export function sccrp(fields: StartFields = {}): Uint8Array {
  return message(L2TP_MESSAGE.sccrp, startAvps(fields), fields)
}

export function scccn(fields: ControlMessageFields = {}): Uint8Array {
  return message(L2TP_MESSAGE.scccn, [], fields)
}

export interface ResultFields extends ControlMessageFields {
  readonly result?: number
  readonly error?: number
  readonly errorMessage?: string
}

/** RFC 2661 section 4.4.2: the error code and its message are optional. */
export function resultCodeAvp(result: number, error?: number, errorMessage = ''): Uint8Array {
  const detail = error === undefined ? new Uint8Array(0) : concat(be16(error), utf8(errorMessage))
  return avp(AVP.resultCode, concat(be16(result), detail))
}

export function stopccn(fields: ResultFields & { readonly assignedTunnelId?: number } = {}): Uint8Array {
  const { assignedTunnelId = 1, result = 1, error, errorMessage } = fields
  const assigned = avp(AVP.assignedTunnelId, be16(assignedTunnelId))
  return message(L2TP_MESSAGE.stopccn, [assigned, resultCodeAvp(result, error, errorMessage)], fields)
}

export function hello(fields: ControlMessageFields = {}): Uint8Array {
  return message(L2TP_MESSAGE.hello, [], fields)
}

export interface CallFields extends ControlMessageFields {
  readonly assignedSessionId?: number
  readonly callSerialNumber?: number
  readonly calledNumber?: string
  readonly callingNumber?: string
}

export function icrq(fields: CallFields = {}): Uint8Array {
  const { assignedSessionId = 1, callSerialNumber = 1, calledNumber, callingNumber } = fields
  const avps = [
    avp(AVP.assignedSessionId, be16(assignedSessionId)),
    avp(AVP.callSerialNumber, be32(callSerialNumber)),
    avp(AVP.bearerType, be32(0)),
  ]
  if (calledNumber !== undefined) avps.push(avp(AVP.calledNumber, calledNumber))
  if (callingNumber !== undefined) avps.push(avp(AVP.callingNumber, callingNumber))
  return message(L2TP_MESSAGE.icrq, avps, fields)
}

export function icrp(fields: ControlMessageFields & { readonly assignedSessionId?: number } = {}): Uint8Array {
  return message(L2TP_MESSAGE.icrp, [avp(AVP.assignedSessionId, be16(fields.assignedSessionId ?? 1))], fields)
}

export interface ConnectedFields extends ControlMessageFields {
  /** Bits per second. */
  readonly txConnectSpeed?: number
  readonly framing?: number
}

function connectedAvps({ txConnectSpeed = 100_000_000, framing = 1 }: ConnectedFields): Uint8Array[] {
  return [avp(AVP.txConnectSpeed, be32(txConnectSpeed)), avp(AVP.framingType, be32(framing))]
}

export function iccn(fields: ConnectedFields = {}): Uint8Array {
  return message(L2TP_MESSAGE.iccn, connectedAvps(fields), fields)
}

export function cdn(fields: ResultFields & { readonly assignedSessionId?: number } = {}): Uint8Array {
  const { assignedSessionId = 1, result = 3, error, errorMessage } = fields
  const assigned = avp(AVP.assignedSessionId, be16(assignedSessionId))
  return message(L2TP_MESSAGE.cdn, [resultCodeAvp(result, error, errorMessage), assigned], fields)
}

export function ocrq(fields: CallFields = {}): Uint8Array {
  const { assignedSessionId = 1, callSerialNumber = 1, calledNumber = '5550100' } = fields
  const avps = [
    avp(AVP.assignedSessionId, be16(assignedSessionId)),
    avp(AVP.callSerialNumber, be32(callSerialNumber)),
    avp(AVP.minimumBps, be32(64_000)),
    avp(AVP.maximumBps, be32(100_000_000)),
    avp(AVP.bearerType, be32(1)),
    avp(AVP.framingType, be32(1)),
    avp(AVP.calledNumber, calledNumber),
  ]
  return message(L2TP_MESSAGE.ocrq, avps, fields)
}

export function ocrp(fields: ControlMessageFields & { readonly assignedSessionId?: number } = {}): Uint8Array {
  return message(L2TP_MESSAGE.ocrp, [avp(AVP.assignedSessionId, be16(fields.assignedSessionId ?? 1))], fields)
}

export function occn(fields: ConnectedFields = {}): Uint8Array {
  return message(L2TP_MESSAGE.occn, connectedAvps(fields), fields)
}

/** RFC 2661 section 4.4.6: two reserved bytes, then six counters. */
export function wen(fields: ControlMessageFields & { readonly counters?: readonly number[] } = {}): Uint8Array {
  const { counters = [0, 0, 0, 0, 0, 0] } = fields
  return message(L2TP_MESSAGE.wen, [avp(AVP.callErrors, concat(be16(0), ...counters.map(be32)))], fields)
}

export interface SliFields extends ControlMessageFields {
  readonly sendAccm?: number
  readonly receiveAccm?: number
}

export function sli(fields: SliFields = {}): Uint8Array {
  const { sendAccm = 0xffff_ffff, receiveAccm = 0xffff_ffff } = fields
  return message(L2TP_MESSAGE.sli, [avp(AVP.accm, concat(be16(0), be32(sendAccm), be32(receiveAccm)))], fields)
}

// PPP (RFC 1661)

export const PPP = {
  ipv4: 0x0021,
  ipv6: 0x0057,
  compressed: 0x00fd,
  ipcp: 0x8021,
  ipv6cp: 0x8057,
  ccp: 0x80fd,
  lcp: 0xc021,
  pap: 0xc023,
  chap: 0xc223,
  eap: 0xc227,
} as const

export const PPP_CODE = {
  configureRequest: 1,
  configureAck: 2,
  configureNak: 3,
  configureReject: 4,
  terminateRequest: 5,
  terminateAck: 6,
  codeReject: 7,
  protocolReject: 8,
  echoRequest: 9,
  echoReply: 10,
  discardRequest: 11,
} as const

export interface PppFields {
  /** The bytes FF 03 before the protocol; without them after the option ACFC. */
  readonly addressControl?: boolean
  /** One byte for protocols below 0x100, after the option PFC. */
  readonly shortProtocol?: boolean
}

export function ppp(protocol: number, payload: Uint8Array, fields: PppFields = {}): Uint8Array {
  const { addressControl = true, shortProtocol = false } = fields
  const address = addressControl ? Uint8Array.of(0xff, 0x03) : new Uint8Array(0)
  return concat(address, shortProtocol && protocol < 0x100 ? be8(protocol) : be16(protocol), payload)
}

export function pppOption(type: number, value: Uint8Array, length = value.length + 2): Uint8Array {
  return concat(Uint8Array.of(type, length), value)
}

/** A packet of LCP, a network control protocol, PAP, CHAP or EAP: code, identifier, length, body. */
export function pppPacket(code: number, id: number, body: Uint8Array, length = body.length + 4): Uint8Array {
  return concat(Uint8Array.of(code, id), be16(length), body)
}

export const LCP_OPTION = {
  mru: 1,
  accm: 2,
  authentication: 3,
  quality: 4,
  magic: 5,
  pfc: 7,
  acfc: 8,
  callback: 13,
  mrru: 17,
  endpoint: 19,
} as const

/** The parts make the body: options, or whatever the code asks for. The same holds for the three below. */
export function lcp(code: number, id: number, options: readonly Uint8Array[] = [], fields: PppFields = {}): Uint8Array {
  return ppp(PPP.lcp, pppPacket(code, id, concat(...options)), fields)
}

export const IPCP_OPTION = { compression: 2, address: 3, primaryDns: 129, primaryNbns: 130, secondaryDns: 131 } as const

export function ipcp(
  code: number,
  id: number,
  options: readonly Uint8Array[] = [],
  fields: PppFields = {},
): Uint8Array {
  return ppp(PPP.ipcp, pppPacket(code, id, concat(...options)), fields)
}

export const IPV6CP_OPTION = { interfaceId: 1 } as const

export function ipv6cp(
  code: number,
  id: number,
  options: readonly Uint8Array[] = [],
  fields: PppFields = {},
): Uint8Array {
  return ppp(PPP.ipv6cp, pppPacket(code, id, concat(...options)), fields)
}

export const CCP_OPTION = { mppe: 18, deflate: 26 } as const

export function ccp(code: number, id: number, options: readonly Uint8Array[] = [], fields: PppFields = {}): Uint8Array {
  return ppp(PPP.ccp, pppPacket(code, id, concat(...options)), fields)
}

// PPP authentication

function counted(value: Uint8Array): Uint8Array {
  return concat(be8(value.length), value)
}

/** RFC 1334 section 2.2.1. */
export function papRequest(id: number, user: string, password: string, fields: PppFields = {}): Uint8Array {
  return ppp(PPP.pap, pppPacket(1, id, concat(counted(utf8(user)), counted(utf8(password)))), fields)
}

/** RFC 1334 section 2.2.2. */
export function papResult(success: boolean, id: number, text = '', fields: PppFields = {}): Uint8Array {
  return ppp(PPP.pap, pppPacket(success ? 2 : 3, id, counted(utf8(text))), fields)
}

export const CHAP_ALGORITHM = { md5: 5, msChapV1: 0x80, msChapV2: 0x81 } as const

/** RFC 1994 section 4.1. */
export function chapChallenge(id: number, challenge: Uint8Array, name: string, fields: PppFields = {}): Uint8Array {
  return ppp(PPP.chap, pppPacket(1, id, concat(counted(challenge), utf8(name))), fields)
}

export function chapResponse(id: number, value: Uint8Array, name: string, fields: PppFields = {}): Uint8Array {
  return ppp(PPP.chap, pppPacket(2, id, concat(counted(value), utf8(name))), fields)
}

export function chapResult(success: boolean, id: number, text = '', fields: PppFields = {}): Uint8Array {
  return ppp(PPP.chap, pppPacket(success ? 3 : 4, id, utf8(text)), fields)
}

/** The value of a CHAP-MD5 response, or of an EAP-MD5 one. */
export function chapMd5(id: number, secret: string, challenge: Uint8Array): Uint8Array {
  return md5(be8(id), utf8(secret), challenge)
}

/**
 * The 49 bytes of an MS-CHAPv2 response (RFC 2759 section 4): the peer's challenge, 8 zeros, 24 bytes, flags.
 * The NT response has the right size and depends on all inputs, but it is a hash, not DES over MD4.
 */
export function msChapV2Response(password: string, challenge: Uint8Array, peerChallenge: Uint8Array): Uint8Array {
  const hash = createHash('sha256').update(password).update(challenge).update(peerChallenge).digest()
  return concat(peerChallenge, new Uint8Array(8), Uint8Array.from(hash.subarray(0, 24)), be8(0))
}

/** The text of an MS-CHAPv2 success (RFC 2759 section 5), with 20 bytes that depend on the response. */
export function msChapV2Success(response: Uint8Array): string {
  return `S=${createHash('sha1').update(response).digest('hex').toUpperCase()} M=Access granted`
}

/** The text of an MS-CHAPv2 failure (RFC 2759 section 6). */
export function msChapV2Failure(error: number, challenge: Uint8Array): string {
  return `E=${error} R=0 C=${Buffer.from(challenge).toString('hex').toUpperCase()} V=3 M=Access denied`
}

export const EAP_CODE = { request: 1, response: 2, success: 3, failure: 4 } as const
export const EAP_TYPE = { identity: 1, notification: 2, nak: 3, md5: 4, tls: 13, peap: 25, msChapV2: 26 } as const

/** RFC 3748 section 4: success and failure carry neither type nor data. */
export function eap(
  code: number,
  id: number,
  data: Uint8Array = new Uint8Array(0),
  fields: PppFields = {},
): Uint8Array {
  return ppp(PPP.eap, pppPacket(code, id, data), fields)
}

export function eapIdentity(code: number, id: number, identity = '', fields: PppFields = {}): Uint8Array {
  return eap(code, id, concat(be8(EAP_TYPE.identity), utf8(identity)), fields)
}

export function eapMd5(code: number, id: number, value: Uint8Array, name = '', fields: PppFields = {}): Uint8Array {
  return eap(code, id, concat(be8(EAP_TYPE.md5), counted(value), utf8(name)), fields)
}
