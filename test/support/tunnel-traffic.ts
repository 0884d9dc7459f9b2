/**
 * What runs through an L2TP tunnel, as times, directions and lengths: seeded, so that it is always the same.
 *
 * Lengths are those of the UDP datagram that ESP carries, header included.
 */
import { type EspShape, espLengthOf } from '../../src/track/esp-overhead.ts'
import type { Direction } from '../../src/track/traffic-shape.ts'
import type { Random } from './random.ts'

export interface TunnelPacket {
  readonly timeUs: number
  readonly direction: Direction
  readonly length: number
}

const SECOND_US = 1_000_000
const UP: Direction = 0
const DOWN: Direction = 1

/** UDP, L2TP without options, Address and Control and Protocol of PPP. */
const L2TP_PPP = 8 + 6 + 4
const IPV4_UDP = 28
const IPV4_TCP = 52
const CONTROL = 8 + 12

/** A user's IPv4 packet with UDP and that much payload. */
function datagram(payload: number): number {
  return L2TP_PPP + IPV4_UDP + payload
}

/** A user's IPv4 packet with TCP, timestamps, and that much payload. */
function segment(payload: number): number {
  return L2TP_PPP + IPV4_TCP + payload
}

const SEGMENT_MAX = 1348
const ACKNOWLEDGEMENT = segment(0)

/** In the order of time. */
export function merge(...flows: readonly (readonly TunnelPacket[])[]): TunnelPacket[] {
  return flows.flat().sort((a, b) => a.timeUs - b.timeUs)
}

/** The lengths of the ESP packets that carry them. */
export function inEsp(packets: readonly TunnelPacket[], shape: EspShape): TunnelPacket[] {
  return packets.map((packet) => ({ ...packet, length: espLengthOf(shape, packet.length) }))
}

export interface VoiceOptions {
  readonly frameMs?: number
  /** Octets of the codec's frame, RTP header included. */
  readonly payload?: number
  /** Whether nothing is sent while a side is silent. */
  readonly hasSilence?: boolean
}

/** RTP both ways; G.711 unless told otherwise. */
export function voice(random: Random, startUs: number, seconds: number, options: VoiceOptions = {}): TunnelPacket[] {
  const { frameMs = 20, payload = 172, hasSilence = false } = options
  const one = (direction: Direction): TunnelPacket[] => {
    const packets: TunnelPacket[] = []
    let isTalking = direction === UP
    let changeMs = 0
    for (let ms = random.below(frameMs); ms < seconds * 1000; ms += frameMs) {
      if (ms >= changeMs) {
        isTalking = !isTalking
        changeMs = ms + 800 + random.below(2500)
      }
      if (hasSilence && !isTalking) continue
      packets.push({ timeUs: startUs + ms * 1000 + random.below(4000), direction, length: datagram(payload) })
    }
    return packets
  }
  return merge(one(UP), one(DOWN))
}

/** Pages of a dozen objects, with time to read between them. */
export function web(random: Random, startUs: number, seconds: number): TunnelPacket[] {
  const packets: TunnelPacket[] = []
  for (let at = 0; at < seconds * SECOND_US; at += (2 + random.below(6)) * SECOND_US) {
    const objects = 3 + random.below(10)
    for (let object = 0; object < objects; object++) {
      const begin = startUs + at + object * random.below(80_000)
      packets.push(...transaction(random, begin, 300 + random.below(500), 1_500 + random.below(40_000)))
    }
  }
  return packets.sort((a, b) => a.timeUs - b.timeUs).filter(({ timeUs }) => timeUs < startUs + seconds * SECOND_US)
}

/** A connection, a request, and an answer of so many octets. */
function transaction(random: Random, startUs: number, request: number, answer: number): TunnelPacket[] {
  const roundTrip = 20_000 + random.below(20_000)
  const packets: TunnelPacket[] = [
    { timeUs: startUs, direction: UP, length: segment(8) },
    { timeUs: startUs + roundTrip, direction: DOWN, length: segment(8) },
    { timeUs: startUs + roundTrip + 300, direction: UP, length: ACKNOWLEDGEMENT },
    { timeUs: startUs + roundTrip + 500, direction: UP, length: segment(request) },
  ]
  return [...packets, ...transfer(startUs + 2 * roundTrip, answer, DOWN, 400)]
}

/** So many octets one way, with an acknowledgement for every second segment. */
function transfer(startUs: number, octets: number, direction: Direction, gapUs: number): TunnelPacket[] {
  const packets: TunnelPacket[] = []
  const back = direction === UP ? DOWN : UP
  for (let left = octets, index = 0; left > 0; left -= SEGMENT_MAX, index++) {
    const timeUs = startUs + index * gapUs
    packets.push({ timeUs, direction, length: segment(Math.min(left, SEGMENT_MAX)) })
    if (index % 2 === 1) packets.push({ timeUs: timeUs + 150, direction: back, length: ACKNOWLEDGEMENT })
  }
  return packets
}

/** A large file, at so many octets a second. */
export function bulk(startUs: number, seconds: number, direction: Direction, rate = 500_000): TunnelPacket[] {
  return transfer(startUs, rate * seconds, direction, (SEGMENT_MAX / rate) * SECOND_US)
}

/** Someone types in a terminal: each key is echoed and acknowledged, and now and then a command answers. */
export function typing(random: Random, startUs: number, seconds: number): TunnelPacket[] {
  const packets: TunnelPacket[] = []
  for (let at = 0; at < seconds * SECOND_US; ) {
    const echo = 15_000 + random.below(30_000)
    packets.push(
      { timeUs: startUs + at, direction: UP, length: segment(36) },
      { timeUs: startUs + at + echo, direction: DOWN, length: segment(36) },
      { timeUs: startUs + at + echo + 400, direction: UP, length: ACKNOWLEDGEMENT },
    )
    const isCommand = random.chance(0.08)
    if (isCommand)
      packets.push({ timeUs: startUs + at + echo + 5000, direction: DOWN, length: segment(80 + random.below(500)) })
    at += isCommand ? SECOND_US + random.below(3 * SECOND_US) : 80_000 + random.below(300_000)
  }
  return packets
}

/** One question and its answer at a time, always after the same pause but for a little jitter. */
export function beacon(random: Random, startUs: number, seconds: number, periodSeconds: number): TunnelPacket[] {
  const packets: TunnelPacket[] = []
  for (let at = 0; at < seconds; at += periodSeconds) {
    const timeUs = startUs + at * SECOND_US + random.below(15_000)
    packets.push(
      { timeUs, direction: UP, length: datagram(90) },
      { timeUs: timeUs + 20_000 + random.below(5000), direction: DOWN, length: datagram(60) },
    )
  }
  return packets
}

export interface KeepaliveOptions {
  readonly echoSeconds?: number
  readonly helloSeconds?: number
}

/** LCP Echo and HELLO, asked by the server and answered. */
export function keepalives(
  random: Random,
  startUs: number,
  seconds: number,
  options: KeepaliveOptions = {},
): TunnelPacket[] {
  const { echoSeconds = 10, helloSeconds = 60 } = options
  const echo = { request: L2TP_PPP + 8, reply: L2TP_PPP + 8, periodSeconds: echoSeconds }
  const hello = { request: CONTROL + 8, reply: CONTROL, periodSeconds: helloSeconds }
  return merge(
    ...[echo, hello].map(({ request, reply, periodSeconds }) => {
      const packets: TunnelPacket[] = []
      for (let at = periodSeconds; at < seconds; at += periodSeconds) {
        const timeUs = startUs + at * SECOND_US + random.below(20_000)
        packets.push({ timeUs, direction: DOWN, length: request })
        packets.push({ timeUs: timeUs + 500 + random.below(30_000), direction: UP, length: reply })
      }
      return packets
    }),
  )
}

export interface SetUpOptions {
  readonly hostName?: string
  readonly vendorName?: string
  /** Whether the ends prove to each other that they know a secret. */
  readonly isAuthenticated?: boolean
  /** Who asks. */
  readonly initiator?: Direction
  readonly roundTripUs?: number
  /** How often SCCRQ is repeated before it is answered. */
  readonly repetitions?: number
}

/** From SCCRQ to the acknowledgement of ICCN. */
export function setUp(startUs: number, options: SetUpOptions = {}): TunnelPacket[] {
  const { hostName = 'client', vendorName = 'vendor', isAuthenticated = false, initiator = UP } = options
  const { roundTripUs = 20_000, repetitions = 0 } = options
  const begin = CONTROL + 8 + 8 + 10 + 10 + 8 + (6 + hostName.length) + (6 + vendorName.length) + 8 + 8
  const proof = isAuthenticated ? 22 : 0
  const messages: [isFromInitiator: boolean, length: number][] = [
    [true, begin + proof],
    [false, begin - 4 + 2 * proof],
    [true, CONTROL + 8 + proof],
    [true, CONTROL + 8 + 8 + 10 + 10],
    [false, CONTROL],
    [false, CONTROL + 8 + 8],
    [true, CONTROL + 8 + 10 + 10],
    [false, CONTROL],
  ]
  return conversation(startUs + repetitions * SECOND_US, messages, initiator, roundTripUs, [
    ...Array.from({ length: repetitions }, (_, index) => ({
      timeUs: startUs + index * SECOND_US,
      length: messages[0][1],
    })),
  ])
}

function conversation(
  startUs: number,
  messages: readonly (readonly [isFromInitiator: boolean, length: number])[],
  initiator: Direction,
  roundTripUs: number,
  before: readonly { readonly timeUs: number; readonly length: number }[] = [],
): TunnelPacket[] {
  const responder = initiator === UP ? DOWN : UP
  let timeUs = startUs
  let last = messages[0][0]
  return [
    ...before.map((packet) => ({ ...packet, direction: initiator })),
    ...messages.map(([isFromInitiator, length]) => {
      timeUs += isFromInitiator === last ? 500 : roundTripUs / 2
      last = isFromInitiator
      return { timeUs, direction: isFromInitiator ? initiator : responder, length }
    }),
  ]
}

export interface LoginOptions {
  readonly userName?: string
  readonly serverName?: string
  readonly initiator?: Direction
  readonly roundTripUs?: number
}

const LCP = L2TP_PPP + 4
const MS_CHAP_SUCCESS = 'S=0123456789012345678901234567890123456789 M=Welcome'
const MS_CHAP_FAILURE = 'E=691 R=0 C=01234567890123456789012345678901 V=3 M=Failed'

function lcpAndMsChap({ userName = 'alice', serverName = 'lns' }: LoginOptions, verdict: string): [boolean, number][] {
  return [
    [false, LCP + 21],
    [true, LCP + 16],
    [false, LCP + 16],
    [true, LCP + 21],
    [false, LCP + 1 + 16 + serverName.length],
    [true, LCP + 1 + 49 + userName.length],
    [false, LCP + verdict.length],
  ]
}

/** LCP, MS-CHAPv2 with success, IPCP and IPV6CP. */
export function login(startUs: number, options: LoginOptions = {}): TunnelPacket[] {
  const { initiator = UP, roundTripUs = 20_000 } = options
  const ipcp = LCP + 6
  const agreed: [boolean, number][] = [
    [true, ipcp + 12],
    [false, ipcp],
    [true, ipcp],
    [false, ipcp + 12],
    [true, ipcp + 12],
    [false, ipcp + 12],
    [true, LCP + 10],
    [false, LCP + 10],
  ]
  return conversation(startUs, [...lcpAndMsChap(options, MS_CHAP_SUCCESS), ...agreed], initiator, roundTripUs)
}

/** LCP, MS-CHAPv2 with failure, Terminate, CDN and StopCCN. */
export function refusedLogin(startUs: number, options: LoginOptions = {}): TunnelPacket[] {
  const { initiator = UP, roundTripUs = 20_000 } = options
  const end: [boolean, number][] = [
    [false, LCP + 21],
    [true, LCP],
    [true, CONTROL + 8 + 8 + 10],
    [false, CONTROL],
    [true, CONTROL + 8 + 8 + 10],
    [false, CONTROL],
  ]
  return conversation(startUs, [...lcpAndMsChap(options, MS_CHAP_FAILURE), ...end], initiator, roundTripUs)
}

/** CDN and StopCCN, acknowledged. */
export function tearDown(startUs: number, closer: Direction = UP, roundTripUs = 20_000): TunnelPacket[] {
  return conversation(
    startUs,
    [
      [true, CONTROL + 8 + 8 + 10],
      [false, CONTROL],
      [true, CONTROL + 8 + 8 + 10 + 8],
      [false, CONTROL],
    ],
    closer,
    roundTripUs,
  )
}
