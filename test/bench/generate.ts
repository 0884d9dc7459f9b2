/**
 * Writes a capture of many L2TP tunnels at work, large enough to measure the sensor with.
 *
 * Every tunnel is set up with real control messages, PPP negotiation and authentication; then its sessions carry TCP,
 * UDP and ICMP flows. About 97 % of the L2TP packets are data, 5 % of all packets are not L2TP, some tunnels end and start
 * again. Control packets are built with `craft.ts`; data packets are patched into the output buffer from a template of each
 * session and direction. The same parameters give the same bytes.
 *
 *     node test/bench/generate.ts [OUT.pcap] [--packets N] [--tunnels N] [--sessions N] [--seed N]
 */
import { createHash } from 'node:crypto'
import { closeSync, existsSync, mkdirSync, openSync, readdirSync, readSync, renameSync, rmSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { parseArgs } from 'node:util'
import { Agenda } from '../support/agenda.ts'
import * as craft from '../support/craft.ts'
import { Random } from '../support/random.ts'
import { FRAME_BYTES_MAX, PcapWriter, put16, put32, versionOf } from './pcap-writer.ts'
import { CACHE } from './run.ts'

export interface MixOptions {
  readonly packets?: number
  /** At most 20,000: the servers' tunnel numbers stay distinct. */
  readonly tunnels?: number
  readonly sessionsPerTunnel?: number
  readonly seed?: number
}

export interface Mix {
  readonly path: string
  readonly packets: number
  readonly bytes: number
  readonly l2tp: number
  /** Set-ups, restarts of a tunnel included. */
  readonly tunnelsStarted: number
  /** Of the first MiB of the file, in hexadecimal. */
  readonly sha256: string
}

/** How many times the data is in the longer mix, with which a process is measured that has compiled what it runs; it has the same set-ups. */
export const LONG_TIMES = 5
const TUNNELS_MAX = 20_000
const FLOWS_PER_SESSION = 20
/** Packets of one flow come in trains, as windows of TCP and frames of video make them: one to this many, four on average. */
const TRAIN_PACKETS_MAX = 7
const OTHER_PERCENT = 5
const RESTART_PERCENT = 10
const START_US = 1_760_000_000_000_000
const ZERO = new Uint8Array(0)
const FRAME_BYTES_MIN = 60

function sum16(bytes: Uint8Array, start: number, end: number): number {
  let sum = 0
  const even = end - ((end - start) & 1)
  for (let at = start; at < even; at += 2) sum += (bytes[at] << 8) | bytes[at + 1]
  return even < end ? sum + (bytes[even] << 8) : sum
}

function folded(sum: number): number {
  const once = (sum & 0xffff) + (sum >>> 16)
  return ~((once & 0xffff) + (once >>> 16)) & 0xffff
}

// What carries inner packets: a session in one direction, or nothing but Ethernet

interface Framing {
  readonly ppp: craft.PppFields
  readonly hasLength: boolean
  readonly hasSequence: boolean
  readonly hasUdpChecksum: boolean
}

/** The bytes before the inner IP packet, and where in them each length, number and checksum stands. */
class Template {
  readonly #bytes: Buffer
  readonly #isTunnel: boolean
  readonly #hasUdpChecksum: boolean
  readonly #lengthAt: number
  readonly #sequenceAt: number
  #ipId = 1
  #sequence = 0

  constructor(prefix: Uint8Array, framing: Framing | null) {
    this.#bytes = Buffer.from(prefix)
    this.#isTunnel = framing !== null
    this.#hasUdpChecksum = framing?.hasUdpChecksum ?? false
    this.#lengthAt = framing?.hasLength ? 44 : -1
    this.#sequenceAt = framing?.hasSequence ? (framing.hasLength ? 50 : 48) : -1
  }

  get length(): number {
    return this.#bytes.length
  }

  /** Puts itself before the inner packet, which already stands at `start + length` and ends at `end`. */
  stamp(bytes: Uint8Array, start: number, end: number): void {
    this.#bytes.copy(bytes, start)
    if (!this.#isTunnel) return
    put16(bytes, start + 16, end - start - 14)
    put16(bytes, start + 18, this.#ipId)
    this.#ipId = (this.#ipId + 1) & 0xffff
    put16(bytes, start + 24, folded(sum16(bytes, start + 14, start + 34)))

    const udp = start + 34
    put16(bytes, udp + 4, end - udp)
    if (this.#lengthAt !== -1) put16(bytes, start + this.#lengthAt, end - udp - 8)
    if (this.#sequenceAt !== -1) {
      put16(bytes, start + this.#sequenceAt, this.#sequence)
      this.#sequence = (this.#sequence + 1) & 0xffff
    }
    if (this.#hasUdpChecksum) {
      const pseudo = sum16(bytes, start + 26, start + 34) + craft.IP_PROTOCOL.udp + end - udp
      put16(bytes, udp + 6, folded(pseudo + sum16(bytes, udp, end)) || 0xffff)
    }
  }
}

/** A session as what flows are sent in. */
export class Carrier {
  readonly up: Template
  readonly down: Template
  readonly address: number
  readonly flows: Flow[] = []
  liveAt = -1
  upId: number
  downId: number

  constructor(random: Random, up: Template, down: Template, address: number) {
    this.up = up
    this.down = down
    this.address = address
    this.upId = random.below(0x10000)
    this.downId = random.below(0x10000)
    for (let i = 0; i < FLOWS_PER_SESSION; i++) this.flows.push(new Flow(random))
  }
}

// Inner flows

const POOL = 1 << 16
const PROTOCOLS = [6, 6, 6, 6, 6, 6, 6, 6, 6, 6, 6, 6, 17, 17, 17, 1] as const
const REMOTE_NETWORKS = [0xc633_6400, 0xcb00_7100]
const TCP_PORTS = [443, 443, 443, 80, 22, 445, 3389, 8080, 25]
/** Whose payload no dissector takes for a protocol of its own: the bytes are random. */
const UDP_PORTS = [443, 8801, 27015, 30120, 41641]
const { fin: FIN, syn: SYN, psh: PSH, ack: ACK } = craft.TCP_FLAG

/** Payload bytes: with the headers, packets of about 64 to 130, 594 and 1,400 bytes, some 370 on average. */
function payloadSize(random: Random): number {
  const dice = random.below(100)
  return dice < 45 ? 12 + random.below(30) : dice < 85 ? 500 : 1300
}

/** One inner conversation. Its state is plain integers, and it is used again for the next one. */
class Flow {
  protocol = 0
  remote = 0
  clientPort = 0
  remotePort = 0
  step = 0
  dataLeft = 0
  clientSequence = 0
  remoteSequence = 0
  /** What each end has acknowledged of the other's bytes. */
  clientAcknowledged = 0
  remoteAcknowledged = 0

  constructor(random: Random) {
    this.start(random)
  }

  start(random: Random): void {
    this.protocol = random.pick(PROTOCOLS)
    this.remote = random.pick(REMOTE_NETWORKS) + random.below(0x100)
    this.clientPort = 49_152 + random.below(0x4000)
    this.remotePort = random.pick(this.protocol === 6 ? TCP_PORTS : UDP_PORTS)
    this.step = 0
    this.dataLeft = 8 + random.below(60)
    this.clientSequence = random.next()
    this.remoteSequence = random.next()
    this.clientAcknowledged = 0
    this.remoteAcknowledged = 0
  }
}

/** Where packets of flows are written: `begin` gives the place of the next one, `commit` ends it there. */
export interface PacketOutput {
  readonly bytes: Buffer
  begin(): number
  commit(timeUs: number, end: number): void
}

/** Writes the next packet of flows into the output. */
export class FlowWriter {
  readonly #random: Random
  readonly #writer: PacketOutput
  readonly #pool: Buffer
  #serial = 0

  constructor(random: Random, writer: PacketOutput) {
    this.#random = random
    this.#writer = writer
    this.#pool = Buffer.from(random.bytes(POOL + FRAME_BYTES_MAX))
  }

  next(timeUs: number, carrier: Carrier, flow: Flow): void {
    if (flow.protocol === 6) this.#tcp(timeUs, carrier, flow)
    else if (flow.protocol === 17) this.#udp(timeUs, carrier, flow)
    else this.#icmp(timeUs, carrier, flow)
  }

  /** Three packets of handshake, `dataLeft` packets of data and acknowledgements, three packets of farewell. */
  #tcp(timeUs: number, carrier: Carrier, flow: Flow): void {
    const step = flow.step++
    const farewell = step - 3 - flow.dataLeft
    if (step === 0) this.#segment(timeUs, carrier, flow, true, SYN, 0)
    else if (step === 1) this.#segment(timeUs, carrier, flow, false, SYN | ACK, 0)
    else if (step === 2) this.#segment(timeUs, carrier, flow, true, ACK, 0)
    else if (farewell < 0) this.#tcpData(timeUs, carrier, flow)
    else this.#segment(timeUs, carrier, flow, farewell !== 1, farewell === 2 ? ACK : FIN | ACK, 0)
    if (farewell === 2) flow.start(this.#random)
  }

  #tcpData(timeUs: number, carrier: Carrier, flow: Flow): void {
    const size = payloadSize(this.#random)
    const clientOwes = flow.clientAcknowledged !== flow.remoteSequence
    const remoteOwes = flow.remoteAcknowledged !== flow.clientSequence
    if (size >= 100) this.#segment(timeUs, carrier, flow, this.#random.below(5) === 0, ACK, size)
    else if (clientOwes) this.#segment(timeUs, carrier, flow, true, ACK, 0)
    else if (remoteOwes) this.#segment(timeUs, carrier, flow, false, ACK, 0)
    else this.#segment(timeUs, carrier, flow, true, PSH | ACK, size)
  }

  #segment(timeUs: number, carrier: Carrier, flow: Flow, isUp: boolean, flags: number, size: number): void {
    const { bytes } = this.#writer
    const start = this.#writer.begin()
    const ip = start + (isUp ? carrier.up : carrier.down).length
    const tcp = ip + 20
    const headerLength = flags & SYN ? 24 : 20
    const mine = isUp ? flow.clientSequence : flow.remoteSequence
    const theirs = isUp ? flow.remoteSequence : flow.clientSequence
    put16(bytes, tcp, isUp ? flow.clientPort : flow.remotePort)
    put16(bytes, tcp + 2, isUp ? flow.remotePort : flow.clientPort)
    put32(bytes, tcp + 4, mine)
    put32(bytes, tcp + 8, flags & ACK ? theirs : 0)
    put16(bytes, tcp + 12, ((headerLength / 4) << 12) | flags)
    put16(bytes, tcp + 14, 64240)
    put32(bytes, tcp + 16, 0)
    if (flags & SYN) put32(bytes, tcp + 20, 0x0204_0000 | 1360)
    const end = tcp + headerLength + size
    this.#fill(tcp + headerLength, size)

    const sent = (mine + size + (flags & (SYN | FIN) ? 1 : 0)) >>> 0
    if (isUp) {
      flow.clientSequence = sent
      flow.clientAcknowledged = theirs
    } else {
      flow.remoteSequence = sent
      flow.remoteAcknowledged = theirs
    }
    this.#finish(timeUs, carrier, flow, isUp, start, end, tcp + 16)
  }

  #udp(timeUs: number, carrier: Carrier, flow: Flow): void {
    const isUp = flow.step++ % 2 === 0
    const { bytes } = this.#writer
    const start = this.#writer.begin()
    const udp = start + (isUp ? carrier.up : carrier.down).length + 20
    const size = isUp ? 20 + this.#random.below(40) : payloadSize(this.#random)
    put16(bytes, udp, isUp ? flow.clientPort : flow.remotePort)
    put16(bytes, udp + 2, isUp ? flow.remotePort : flow.clientPort)
    put16(bytes, udp + 4, 8 + size)
    put16(bytes, udp + 6, 0)
    this.#fill(udp + 8, size)
    this.#finish(timeUs, carrier, flow, isUp, start, udp + 8 + size, udp + 6)
    if (flow.step > flow.dataLeft) flow.start(this.#random)
  }

  #icmp(timeUs: number, carrier: Carrier, flow: Flow): void {
    const isUp = flow.step % 2 === 0
    const sequence = (flow.step++ >> 1) + 1
    const { bytes } = this.#writer
    const start = this.#writer.begin()
    const icmp = start + (isUp ? carrier.up : carrier.down).length + 20
    put16(bytes, icmp, isUp ? 0x0800 : 0)
    put16(bytes, icmp + 2, 0)
    put16(bytes, icmp + 4, flow.clientPort)
    put16(bytes, icmp + 6, sequence)
    // As Linux sends it: the time, then octets that count. The answer repeats the question, so the time is that of the flow.
    const from = (flow.clientSequence + sequence * 16) & (POOL - 1)
    this.#pool.copy(bytes, icmp + 8, from, from + 16)
    for (let i = 16; i < 56; i++) bytes[icmp + 8 + i] = i
    this.#finish(timeUs, carrier, flow, isUp, start, icmp + 64, icmp + 2)
    if (flow.step > flow.dataLeft) flow.start(this.#random)
  }

  /** Bytes that no other packet has: a serial number, and a piece of the pool. */
  #fill(at: number, size: number): void {
    if (size === 0) return
    const from = this.#random.below(POOL)
    this.#pool.copy(this.#writer.bytes, at, from, from + size)
    put32(this.#writer.bytes, at, this.#serial++)
  }

  /** The inner IP header, the checksum of what it carries, and the carrier's headers. */
  #finish(
    timeUs: number,
    carrier: Carrier,
    flow: Flow,
    isUp: boolean,
    start: number,
    end: number,
    checksumAt: number,
  ): void {
    const { bytes } = this.#writer
    const template = isUp ? carrier.up : carrier.down
    const ip = start + template.length
    put16(bytes, ip, 0x4500)
    put16(bytes, ip + 2, end - ip)
    put16(bytes, ip + 4, isUp ? carrier.upId++ : carrier.downId++)
    put16(bytes, ip + 6, 0x4000)
    put16(bytes, ip + 8, ((isUp ? 64 : 52) << 8) | flow.protocol)
    put16(bytes, ip + 10, 0)
    put32(bytes, ip + 12, isUp ? carrier.address : flow.remote)
    put32(bytes, ip + 16, isUp ? flow.remote : carrier.address)
    put16(bytes, ip + 10, folded(sum16(bytes, ip, ip + 20)))

    const transport = ip + 20
    const pseudo = flow.protocol === 1 ? 0 : sum16(bytes, ip + 12, transport) + flow.protocol + end - transport
    const checksum = folded(pseudo + sum16(bytes, transport, end))
    put16(bytes, checksumAt, checksum === 0 && flow.protocol === craft.IP_PROTOCOL.udp ? 0xffff : checksum)
    template.stamp(bytes, start, end)
    this.#writer.commit(timeUs, end)
  }
}

// Tunnels

/** 192.0.2.1 */
const FIRST_SERVER = 0xc000_0201
const SERVERS = 4
const HOST_NAMES = ['branch', 'laptop', 'router', 'kiosk', 'phone']
const VENDORS = ['xelerance.com', 'Microsoft', 'Cisco Systems, Inc.', 'MikroTik', 'Roaring Penguin']
const METHODS = ['pap', 'chap-md5', 'mschapv2', 'mschapv2'] as const
const { configureRequest: REQUEST, configureAck: ACKED, configureNak: NAK } = craft.PPP_CODE

type Method = (typeof METHODS)[number]
type Header = craft.L2tpControlFields

interface End {
  readonly mac: string
  readonly address: string
  readonly port: number
  tunnelId: number
  ns: number
  nr: number
}

interface Call {
  readonly clientSessionId: number
  readonly serverSessionId: number
  readonly framing: Framing
  readonly method: Method
  readonly user: string
  readonly address: string
  readonly random: Random
}

/** One client and its server; builds the control packets in the order in which they cross the wire. */
export class Tunnel {
  readonly carriers: Carrier[] = []
  isBusy = false
  isUp = false
  readonly #index: number
  readonly #random: Random
  readonly #sessions: number
  readonly #client: End
  readonly #server: End
  #frames: Uint8Array[] = []
  #calls: Call[] = []
  #sessionBase = 0
  #callCount = 0
  #ipId = 1

  constructor(index: number, random: Random, sessions: number) {
    this.#index = index
    this.#random = random
    this.#sessions = sessions
    const isBehindNat = index % 10 === 9
    this.#client = {
      mac: '02:00:00:00:00:01',
      address: isBehindNat ? dotted(0xc613_0000 + Math.floor(index / 100)) : dotted(0xc612_0000 + index),
      port: isBehindNat ? 20_000 + (index % TUNNELS_MAX) : craft.L2TP_PORT,
      tunnelId: 0,
      ns: 0,
      nr: 0,
    }
    // More tunnels than the numbers of a server suffice for have other servers.
    const server = Math.floor(index / TUNNELS_MAX) * SERVERS + (index % SERVERS)
    const address = dotted(FIRST_SERVER + server)
    this.#server = { mac: '02:00:00:00:00:02', address, port: craft.L2TP_PORT, tunnelId: 0, ns: 0, nr: 0 }
  }

  /** Everything from SCCRQ to the last NCP; the tunnel's carriers are ready when these frames have been sent. */
  setUp(serverTunnelId: number): Uint8Array[] {
    const random = this.#random
    this.#frames = []
    this.#calls = []
    this.carriers.length = 0
    this.#sessionBase = random.below(0xffff)
    this.#callCount = 0
    Object.assign(this.#client, { tunnelId: 1 + random.below(0xffff), ns: 0, nr: 0 })
    Object.assign(this.#server, { tunnelId: 0, ns: 0, nr: 0 })
    const vendorName = random.pick(VENDORS)
    const hostName = `${random.pick(HOST_NAMES)}-${this.#index}`
    const assigned = this.#client.tunnelId
    this.#send(true, (header) => craft.sccrq({ ...header, assignedTunnelId: assigned, hostName, vendorName }))
    this.#server.tunnelId = serverTunnelId
    const server = {
      assignedTunnelId: serverTunnelId,
      hostName: `lns-${this.#index % SERVERS}`,
      vendorName: 'xelerance.com',
    }
    this.#send(false, (header) => craft.sccrp({ ...header, ...server }))
    this.#send(true, (header) => craft.scccn(header))
    this.#acknowledge(false)
    for (let i = 0; i < this.#sessions; i++) {
      if (random.below(100) < 3) this.#refuse(this.#openCall(i))
      const call = this.#openCall(i)
      this.#authenticate(call, true)
      this.#network(call)
      this.#calls.push(call)
      this.carriers.push(this.#carrier(call))
    }
    return this.#frames
  }

  tearDown(): Uint8Array[] {
    this.#frames = []
    for (const call of this.#calls) this.#disconnect(call, 3)
    this.#send(true, (header) => craft.stopccn({ ...header, assignedTunnelId: this.#client.tunnelId, result: 1 }))
    this.#acknowledge(false)
    return this.#frames
  }

  keepAlive(): Uint8Array[] {
    this.#frames = []
    const fromClient = this.#random.below(2) === 0
    this.#send(fromClient, (header) => craft.hello(header))
    this.#acknowledge(!fromClient)
    return this.#frames
  }

  #openCall(index: number): Call {
    const random = this.#random
    const isCompressed = random.below(10) < 4
    const count = this.#callCount++
    const call: Call = {
      clientSessionId: 1 + ((this.#sessionBase + count) % 0xffff),
      serverSessionId: 1 + ((this.#sessionBase * 7 + count) % 0xffff),
      framing: {
        ppp: { addressControl: !isCompressed, shortProtocol: isCompressed && random.below(3) === 0 },
        hasLength: random.below(10) === 0,
        hasSequence: random.below(20) === 0,
        hasUdpChecksum: random.below(4) === 0,
      },
      method: random.pick(METHODS),
      user: `user${this.#index}.${index}@example.com`,
      address: dotted(0x0a40_0001 + this.#index * 16 + (index % 15)),
      random,
    }
    const { clientSessionId, serverSessionId } = call
    const callSerialNumber = random.next()
    this.#send(true, (header) => craft.icrq({ ...header, assignedSessionId: clientSessionId, callSerialNumber }))
    this.#send(false, (header) =>
      craft.icrp({ ...header, sessionId: clientSessionId, assignedSessionId: serverSessionId }),
    )
    this.#send(true, (header) => craft.iccn({ ...header, sessionId: serverSessionId }))
    this.#acknowledge(false)
    this.#link(call)
    return call
  }

  #link(call: Call): void {
    const { random, framing } = call
    const compression = [
      ...(framing.ppp.shortProtocol ? [craft.pppOption(craft.LCP_OPTION.pfc, ZERO)] : []),
      ...(framing.ppp.addressControl ? [] : [craft.pppOption(craft.LCP_OPTION.acfc, ZERO)]),
    ]
    const common = () => [
      craft.pppOption(craft.LCP_OPTION.mru, craft.be16(1400)),
      craft.pppOption(craft.LCP_OPTION.magic, craft.be32(random.next())),
      ...compression,
    ]
    const client = common()
    const server = [...common(), craft.pppOption(craft.LCP_OPTION.authentication, AUTHENTICATION[call.method])]
    this.#data(true, call, craft.lcp(REQUEST, 1, client))
    this.#data(false, call, craft.lcp(REQUEST, 1, server))
    this.#data(true, call, craft.lcp(ACKED, 1, server))
    this.#data(false, call, craft.lcp(ACKED, 1, client))
  }

  #authenticate(call: Call, isRight: boolean): void {
    const { user, method } = call
    const password = isRight ? `secret-${user}` : 'guess'
    if (method === 'pap') {
      this.#data(true, call, craft.papRequest(1, user, password))
      this.#data(false, call, craft.papResult(isRight, 1, isRight ? 'Login ok' : 'Login incorrect'))
    } else {
      this.#challenge(call, password, isRight)
    }
  }

  #challenge(call: Call, password: string, isRight: boolean): void {
    const { user, method, random } = call
    const challenge = random.bytes(16)
    this.#data(false, call, craft.chapChallenge(7, challenge, 'lns'))
    const isMicrosoft = method === 'mschapv2'
    const value = isMicrosoft
      ? craft.msChapV2Response(password, challenge, random.bytes(16))
      : craft.chapMd5(7, password, challenge)
    this.#data(true, call, craft.chapResponse(7, value, user))
    const success = isMicrosoft ? craft.msChapV2Success(value) : 'Welcome'
    const failure = isMicrosoft ? craft.msChapV2Failure(691, challenge) : 'Access denied'
    this.#data(false, call, craft.chapResult(isRight, 7, isRight ? success : failure))
  }

  #refuse(call: Call): void {
    this.#authenticate(call, false)
    this.#data(false, call, craft.lcp(craft.PPP_CODE.terminateRequest, 2, [craft.utf8('Authentication failed')]))
    this.#data(true, call, craft.lcp(craft.PPP_CODE.terminateAck, 2))
    this.#disconnect(call, 2)
  }

  #network(call: Call): void {
    const { random } = call
    const address = (text: string) => craft.pppOption(craft.IPCP_OPTION.address, craft.ipBytes(text))
    const dns = (text: string) => craft.pppOption(craft.IPCP_OPTION.primaryDns, craft.ipBytes(text))
    const wanted = [address('0.0.0.0'), dns('0.0.0.0')]
    const given = [address(call.address), dns('10.0.0.53')]
    this.#data(true, call, craft.ipcp(REQUEST, 1, wanted))
    this.#data(false, call, craft.ipcp(REQUEST, 1, [address('10.0.0.1')]))
    this.#data(true, call, craft.ipcp(ACKED, 1, [address('10.0.0.1')]))
    this.#data(false, call, craft.ipcp(NAK, 1, given))
    this.#data(true, call, craft.ipcp(REQUEST, 2, given))
    this.#data(false, call, craft.ipcp(ACKED, 2, given))
    if (random.below(4) > 0) return
    for (const fromClient of [true, false]) {
      const interfaceId = [craft.pppOption(craft.IPV6CP_OPTION.interfaceId, random.bytes(8))]
      this.#data(fromClient, call, craft.ipv6cp(REQUEST, 1, interfaceId))
      this.#data(!fromClient, call, craft.ipv6cp(ACKED, 1, interfaceId))
    }
  }

  #disconnect({ clientSessionId, serverSessionId }: Call, result: number): void {
    const ids = { sessionId: serverSessionId, assignedSessionId: clientSessionId }
    this.#send(true, (header) => craft.cdn({ ...header, ...ids, result }))
    this.#acknowledge(false)
  }

  #carrier(call: Call): Carrier {
    const address = Buffer.from(craft.ipBytes(call.address)).readUInt32BE(0)
    const template = (fromClient: boolean) => {
      const empty = craft.ppp(craft.PPP.ipv4, ZERO, call.framing.ppp)
      // The outer length, id and checksums are zero here, so that the stamp only adds up what it writes.
      const zeros = { ip: { totalLength: 0, id: 0, checksum: 0 }, checksum: 'zero' } as const
      return new Template(this.#datagram(fromClient, this.#message(fromClient, call, empty), zeros, 0), call.framing)
    }
    return new Carrier(this.#random, template(true), template(false), address)
  }

  #message(fromClient: boolean, call: Call, frame: Uint8Array): Uint8Array {
    const { hasLength, hasSequence } = call.framing
    const tunnelId = (fromClient ? this.#server : this.#client).tunnelId
    const sessionId = fromClient ? call.serverSessionId : call.clientSessionId
    return craft.l2tpData(frame, { tunnelId, sessionId, length: hasLength, ...(hasSequence ? { ns: 0 } : {}) })
  }

  #data(fromClient: boolean, call: Call, frame: Uint8Array): void {
    this.#frames.push(this.#frame(fromClient, this.#message(fromClient, call, frame)))
  }

  #send(fromClient: boolean, build: (header: Header) => Uint8Array): void {
    const [from, to] = fromClient ? [this.#client, this.#server] : [this.#server, this.#client]
    this.#frames.push(this.#frame(fromClient, build({ tunnelId: to.tunnelId, ns: from.ns, nr: from.nr })))
    from.ns = (from.ns + 1) & 0xffff
    to.nr = from.ns
  }

  #acknowledge(fromClient: boolean): void {
    const [from, to] = fromClient ? [this.#client, this.#server] : [this.#server, this.#client]
    this.#frames.push(this.#frame(fromClient, craft.zlb({ tunnelId: to.tunnelId, ns: from.ns, nr: from.nr })))
  }

  /** What a wire carries, padding included. */
  #frame(fromClient: boolean, payload: Uint8Array): Uint8Array {
    return this.#datagram(fromClient, payload, { ip: { id: this.#ipId++ & 0xffff } }, FRAME_BYTES_MIN)
  }

  #datagram(fromClient: boolean, payload: Uint8Array, fields: craft.DatagramFields, sizeMin: number): Uint8Array {
    const [from, to] = fromClient ? [this.#client, this.#server] : [this.#server, this.#client]
    return craft.datagram(payload, {
      source: from.address,
      target: to.address,
      sourcePort: from.port,
      targetPort: to.port,
      ethernet: { source: from.mac, target: to.mac, sizeMin },
      ...fields,
    })
  }
}

const AUTHENTICATION: Record<Method, Uint8Array> = {
  pap: craft.be16(craft.PPP.pap),
  'chap-md5': craft.concat(craft.be16(craft.PPP.chap), craft.be8(craft.CHAP_ALGORITHM.md5)),
  mschapv2: craft.concat(craft.be16(craft.PPP.chap), craft.be8(craft.CHAP_ALGORITHM.msChapV2)),
}

function dotted(address: number): string {
  return [address >>> 24, (address >>> 16) & 0xff, (address >>> 8) & 0xff, address & 0xff].join('.')
}

// The mix

/** Frames of one tunnel that go out one by one, `gap` packets of the mix apart. */
interface Script {
  readonly build: () => readonly Uint8Array[] | null
  readonly done: () => void
  frames: readonly Uint8Array[] | null
  at: number
}

class Mixer {
  readonly #random: Random
  readonly #writer: PcapWriter
  readonly #flows: FlowWriter
  readonly #agenda = new Agenda<Script>()
  readonly #tunnels: Tunnel[] = []
  readonly #live: Carrier[] = []
  /** The flow that sends now, and how many packets more. */
  #train: { readonly carrier: Carrier; readonly flow: Flow } | null = null
  #trainLeft = 0
  readonly #outside: Carrier[] = []
  readonly #packets: number
  readonly #gap: number
  #at = 0
  l2tp = 0
  tunnelsStarted = 0

  constructor(writer: PcapWriter, options: Required<MixOptions>) {
    this.#random = new Random(options.seed)
    this.#writer = writer
    this.#flows = new FlowWriter(this.#random, writer)
    this.#packets = options.packets
    this.#gap = Math.max(1, Math.min(150, Math.floor(options.packets / 2000)))
    for (let i = 0; i < options.tunnels; i++) {
      const tunnel = new Tunnel(i, this.#random, options.sessionsPerTunnel)
      this.#tunnels.push(tunnel)
      this.#schedule(
        Math.floor((i * options.packets * 0.3) / options.tunnels),
        () => this.#setUp(tunnel),
        () => this.#opened(tunnel),
      )
    }
    for (let i = 0; i < 50; i++) {
      const outward = new Template(craft.ethernet(ZERO, { type: craft.ETHER_TYPE.ipv4 }), null)
      const ends = { source: '02:00:00:00:00:02', target: '02:00:00:00:00:01', type: craft.ETHER_TYPE.ipv4 }
      const inward = new Template(craft.ethernet(ZERO, ends), null)
      this.#outside.push(new Carrier(this.#random, outward, inward, 0xc613_ff00 + i))
    }
  }

  run(): void {
    const random = this.#random
    let timeUs = START_US
    for (this.#at = 0; this.#at < this.#packets; this.#at++) {
      timeUs += 1 + random.below(9)
      if (random.below(100) < OTHER_PERCENT) {
        this.#other(timeUs)
        continue
      }
      if (random.below(500) === 0) this.#keepAlive()
      if (this.#tunnel(timeUs)) this.l2tp++
      else this.#arp(timeUs)
    }
  }

  /** The next frame that is due, else data of a random session; false if there is neither. */
  #tunnel(timeUs: number): boolean {
    const live = this.#live
    const isDue = this.#agenda.size > 0 && (this.#agenda.due <= this.#at || live.length === 0)
    if (isDue && this.#play(timeUs)) return true
    if (live.length === 0) return false
    if (this.#train === null || this.#trainLeft-- === 0 || live[this.#train.carrier.liveAt] !== this.#train.carrier) {
      const carrier = this.#random.pick(live)
      this.#train = { carrier, flow: this.#random.pick(carrier.flows) }
      this.#trainLeft = this.#random.below(TRAIN_PACKETS_MAX)
    }
    this.#flows.next(timeUs, this.#train.carrier, this.#train.flow)
    return true
  }

  #schedule(due: number, build: Script['build'], done: () => void): void {
    this.#agenda.push(due, { build, done, frames: null, at: 0 })
  }

  /** Sends the next frame of the script that is due; false if its turn has not come after all. */
  #play(timeUs: number): boolean {
    const script = this.#agenda.pop()
    script.frames ??= script.build()
    if (script.frames === null) {
      this.#agenda.push(this.#at + this.#gap, script)
      return false
    }
    this.#writer.add(timeUs, script.frames[script.at++])
    if (script.at === script.frames.length) script.done()
    else this.#agenda.push(this.#at + 1 + this.#random.below(2 * this.#gap), script)
    return true
  }

  #setUp(tunnel: Tunnel): readonly Uint8Array[] {
    tunnel.isBusy = true
    this.tunnelsStarted++
    // A multiple of an odd number meets every 16-bit value once before it repeats.
    return tunnel.setUp((this.tunnelsStarted * 40503) & 0xffff)
  }

  #opened(tunnel: Tunnel): void {
    tunnel.isBusy = false
    tunnel.isUp = true
    for (const carrier of tunnel.carriers) {
      carrier.liveAt = this.#live.length
      this.#live.push(carrier)
    }
    const left = Math.floor(this.#packets * 0.95) - this.#at
    if (left <= 0 || this.#random.below(100) >= RESTART_PERCENT) return
    this.#schedule(
      this.#at + 1 + this.#random.below(left),
      () => this.#tearDown(tunnel),
      () => this.#closed(tunnel),
    )
  }

  #tearDown(tunnel: Tunnel): readonly Uint8Array[] | null {
    if (tunnel.isBusy) return null
    tunnel.isBusy = true
    tunnel.isUp = false
    for (const { liveAt } of tunnel.carriers) {
      const last = this.#live.pop()
      if (last === undefined || liveAt === this.#live.length) continue
      this.#live[liveAt] = last
      last.liveAt = liveAt
    }
    return tunnel.tearDown()
  }

  #closed(tunnel: Tunnel): void {
    const due = this.#at + this.#gap * 10
    this.#schedule(
      due,
      () => this.#setUp(tunnel),
      () => this.#opened(tunnel),
    )
  }

  #keepAlive(): void {
    const tunnel = this.#random.pick(this.#tunnels)
    if (!tunnel.isUp || tunnel.isBusy) return
    tunnel.isBusy = true
    const frames = tunnel.keepAlive()
    const done = () => {
      tunnel.isBusy = false
    }
    this.#schedule(this.#at, () => frames, done)
  }

  #other(timeUs: number): void {
    const carrier = this.#random.pick(this.#outside)
    if (this.#random.below(40) > 0) this.#flows.next(timeUs, carrier, this.#random.pick(carrier.flows))
    else this.#arp(timeUs)
  }

  #arp(timeUs: number): void {
    const ends = {
      sender: dotted(0xc000_0200 + this.#random.below(200)),
      target: dotted(0x0a00_0000 + (this.#at & 0xff_ffff)),
    }
    const ethernet = { target: 'ff:ff:ff:ff:ff:ff', type: craft.ETHER_TYPE.arp, sizeMin: FRAME_BYTES_MIN }
    this.#writer.add(timeUs, craft.ethernet(craft.arp(ends), ethernet))
  }
}

const DEFAULTS: Required<MixOptions> = { packets: 2_000_000, tunnels: 1000, sessionsPerTunnel: 2, seed: 1 }

/** Writes the mix to `path` under a temporary name and renames it when it is complete. */
export function generateMix(path: string, options: MixOptions = {}): Mix {
  const settings = { ...DEFAULTS, ...options }
  const { tunnels } = settings
  if (!(tunnels >= 1 && tunnels <= TUNNELS_MAX)) throw new RangeError(`tunnels: 1 to ${TUNNELS_MAX}, not ${tunnels}`)
  mkdirSync(dirname(path), { recursive: true })
  const temporary = `${path}.${process.pid}.part`
  const writer = new PcapWriter(temporary)
  const mixer = new Mixer(writer, settings)
  mixer.run()
  writer.close()
  renameSync(temporary, path)
  const { packets, written: bytes } = writer
  const { l2tp, tunnelsStarted } = mixer
  return { path, packets, bytes, l2tp, tunnelsStarted, sha256: sha256OfFirstMiB(path) }
}

/** The path of the mix in the temporary folder, written only if it is not there; mixes of older generators go. */
export function cachedMix(options: MixOptions = {}): string {
  const { packets, tunnels, sessionsPerTunnel, seed } = { ...DEFAULTS, ...options }
  const prefix = `mix-${versionOf(['generate.ts', '../support/agenda.ts'])}-`
  const path = join(CACHE, `${prefix}${packets}-${tunnels}-${sessionsPerTunnel}-${seed}.pcap`)
  if (existsSync(path)) return path
  mkdirSync(CACHE, { recursive: true })
  for (const name of readdirSync(CACHE)) {
    if (name.endsWith('.pcap') && !name.startsWith(prefix)) rmSync(join(CACHE, name), { force: true })
  }
  return generateMix(path, { packets, tunnels, sessionsPerTunnel, seed }).path
}

function sha256OfFirstMiB(path: string): string {
  const bytes = Buffer.alloc(1 << 20)
  const file = openSync(path, 'r')
  const length = readSync(file, bytes, 0, bytes.length, 0)
  closeSync(file)
  return createHash('sha256').update(bytes.subarray(0, length)).digest('hex')
}

if (import.meta.main) {
  const text = { type: 'string' } as const
  const flags = { packets: text, tunnels: text, sessions: text, seed: text }
  const { values, positionals } = parseArgs({ options: flags, allowPositionals: true })
  const options = {
    packets: Number(values.packets ?? DEFAULTS.packets),
    tunnels: Number(values.tunnels ?? DEFAULTS.tunnels),
    sessionsPerTunnel: Number(values.sessions ?? DEFAULTS.sessionsPerTunnel),
    seed: Number(values.seed ?? DEFAULTS.seed),
  }
  const [path = cachedMix(options)] = positionals
  const result = positionals.length > 0 ? generateMix(path, options) : { path, sha256: sha256OfFirstMiB(path) }
  process.stdout.write(`${JSON.stringify(result)}\n`)
}
