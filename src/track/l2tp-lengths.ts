/**
 * The lengths of L2TP and PPP messages, as ESP packets show them: for each message and each length of an ESP packet the suites and
 * modes of ESP under which the one can be the other.
 */
import { ESP_SHAPES, type EspShape, innerMax, innerMin, isPossible } from './esp-overhead.ts'

/** Octets of inner packets, UDP header included, from and to. */
type Interval = readonly [min: number, max: number]

const UDP = 8
/** Flags, Length, Tunnel and Session ID, Ns, Nr (RFC 2661 section 3.1). */
const CONTROL_MIN = UDP + 12
/** Flags, Tunnel and Session ID; with Length, Ns and Nr 6 octets more. */
const DATA_MIN = UDP + 6
const DATA_MAX = DATA_MIN + 6
/** Address, Control, Protocol: LCP and authentication never go without. */
const PPP = 4
/** Of an AVP (RFC 2661 section 4.1). */
const AVP = 6
const MESSAGE_TYPE = AVP + 2
const NUMBER_16 = AVP + 2
const NUMBER_32 = AVP + 4
const NAME_MAX = 64
/** A Random Vector, or the answer to a challenge. */
const MD5 = AVP + 16

const BEGIN = CONTROL_MIN + MESSAGE_TYPE + NUMBER_16 + NUMBER_32 + AVP + NUMBER_16

/**
 * The messages, by their mandatory AVPs and at most the optional ones. Begin is what SCCRQ and SCCRP share: Message Type,
 * Protocol Version, Framing Capabilities, a Host Name of at least a letter, Assigned Tunnel ID.
 */
const MESSAGES = {
  zlb: [[CONTROL_MIN, CONTROL_MIN]],
  /** Optional: bearer capabilities, tie breaker, firmware, vendor name, window, challenge, random vector. */
  sccrq: [[BEGIN + 1, BEGIN + NAME_MAX + NUMBER_32 + AVP + 8 + NUMBER_16 * 2 + AVP + NAME_MAX + MD5 * 2]],
  sccrp: [[BEGIN + 1, BEGIN + NAME_MAX + NUMBER_32 + NUMBER_16 * 2 + AVP + NAME_MAX + MD5 * 3]],
  /** Alone, with the answer to a challenge, and that hidden. */
  scccn: [
    [CONTROL_MIN + MESSAGE_TYPE, CONTROL_MIN + MESSAGE_TYPE],
    [CONTROL_MIN + MESSAGE_TYPE + MD5, CONTROL_MIN + MESSAGE_TYPE + MD5],
    [CONTROL_MIN + MESSAGE_TYPE + MD5 * 2, CONTROL_MIN + MESSAGE_TYPE + MD5 * 2 + 2],
  ],
  /** Assigned Session ID, Call Serial Number; optional: bearer type, channel, three numbers. */
  icrq: [
    [
      CONTROL_MIN + MESSAGE_TYPE + NUMBER_16 + NUMBER_32,
      CONTROL_MIN + MESSAGE_TYPE + NUMBER_16 + NUMBER_32 * 3 + (AVP + NAME_MAX) * 2,
    ],
  ],
  /** Assigned Session ID, seldom more. */
  icrp: [[CONTROL_MIN + MESSAGE_TYPE + NUMBER_16, CONTROL_MIN + MESSAGE_TYPE + NUMBER_16 + MD5 + 2]],
  /** Connect speed, framing type; optional: receive speed, proxy LCP and authentication. */
  iccn: [[CONTROL_MIN + MESSAGE_TYPE + NUMBER_32 * 2, CONTROL_MIN + MESSAGE_TYPE + NUMBER_32 * 3 + 200]],
  /** Configure, Terminate and Echo, with all options that anyone sends. */
  lcp: [[DATA_MIN + PPP + 4, DATA_MAX + PPP + 4 + 48]],
  /** StopCCN or CDN: a result code, an identifier, perhaps an error code and a few words. */
  closing: [[CONTROL_MIN + MESSAGE_TYPE + NUMBER_16 * 2, CONTROL_MIN + MESSAGE_TYPE + NUMBER_16 * 2 + 48]],
  /** A login with MS-CHAP: 49 octets and the user's name, longer than what else LCP and CHAP send from there. */
  msChapResponse: [[DATA_MIN + PPP + 4 + 1 + 49 + 1, DATA_MAX + PPP + 4 + 1 + 49 + NAME_MAX]],
  challenge: [[DATA_MIN + PPP + 4 + 1 + 8, DATA_MAX + PPP + 4 + 1 + 32 + NAME_MAX]],
  /** Of MS-CHAPv2: `S=` and 40 digits, or `E=` with a challenge of 32. */
  verdict: [[DATA_MIN + PPP + 4 + 42, DATA_MAX + PPP + 4 + 128]],
} as const satisfies Record<string, readonly Interval[]>
export type Message = keyof typeof MESSAGES

/** The shortest packet of a user: IPv4 with ICMP or UDP and nothing in it, without Address, Control and half of Protocol. */
export const USER_INNER_MIN = DATA_MIN + 1 + 20 + 8
/** Longer than any PPP negotiation but a login. */
const NEGOTIATION_MAX = DATA_MAX + PPP + 4 + 44

/** A way in which ESP may carry L2TP. In tunnel mode there is another IPv4 header before UDP. */
export interface Carriage {
  readonly shape: EspShape
  readonly mode: 'transport' | 'tunnel'
}

const IPV4 = 20
const CARRIAGES: readonly Carriage[] = [
  ...ESP_SHAPES.map((shape) => ({ shape, mode: 'transport' as const })),
  ...ESP_SHAPES.map((shape) => ({ shape, mode: 'tunnel' as const })),
]
/** One bit for each carriage. */
export const ALL_CARRIAGES = 2 ** CARRIAGES.length - 1

const WORD = 4
const LENGTH_MAX = 2048

/** For messages and ESP lengths, in units of 4, the carriages under which the one can be the other. */
const FITS: Readonly<Record<Message, Int32Array>> = Object.fromEntries(
  Object.entries(MESSAGES).map(([message, intervals]) => [message, fitting(intervals)]),
) as Record<Message, Int32Array>
/** The carriages under which a packet of that length may be too short for a user's. */
const CONTROL = carriagesBy((min) => min < USER_INNER_MIN)
/** Those under which it is longer than what is negotiated. */
const BEYOND_NEGOTIATION = carriagesBy((min) => min > NEGOTIATION_MAX)
/** For each carriage the longest ESP packet that is too short for a user's. */
const FLOORS = CARRIAGES.map(({ shape, mode }) => {
  const headers = mode === 'tunnel' ? IPV4 : 0
  const lengths = Array.from({ length: LENGTH_MAX / WORD }, (_, at) => at * WORD)
  return Math.max(...lengths.filter((at) => isPossible(shape, at) && innerMax(shape, at) - headers < USER_INNER_MIN))
})

function fitting(intervals: readonly Interval[]): Int32Array {
  return carriagesBy((min, max) => intervals.some(([from, to]) => min <= to && max >= from))
}

/** `isIn` is asked with the bounds of the UDP datagram that the packet may carry. */
function carriagesBy(isIn: (min: number, max: number) => boolean): Int32Array {
  return Int32Array.from({ length: LENGTH_MAX / WORD }, (_, at) => {
    const length = at * WORD
    let bits = 0
    for (const [bit, { shape, mode }] of CARRIAGES.entries()) {
      const headers = mode === 'tunnel' ? IPV4 : 0
      const isFitting =
        isPossible(shape, length) && isIn(innerMin(shape, length) - headers, innerMax(shape, length) - headers)
      if (isFitting) bits |= 1 << bit
    }
    return bits
  })
}

function lookUp(table: Int32Array, espLength: number, carriages: number): number {
  return espLength % WORD === 0 && espLength < LENGTH_MAX ? table[espLength / WORD] & carriages : 0
}

/** Of these carriages those under which an ESP packet of that length, SPI to ICV, can be that message. */
export function carriagesOf(message: Message, espLength: number, carriages: number): number {
  return lookUp(FITS[message], espLength, carriages)
}

/** Whether a packet may be too short for a user's, under one of these carriages. */
export function mayBeControl(espLength: number, carriages: number): boolean {
  return lookUp(CONTROL, espLength, carriages) !== 0
}

/** Whether it is longer than any negotiation but a login, under all of them. */
export function isBeyondNegotiation(espLength: number, carriages: number): boolean {
  return lookUp(BEYOND_NEGOTIATION, espLength, carriages) === carriages
}

/** ESP packets of up to that length are too short for a user's, under all of these carriages. */
export function floorOf(carriages: number): number {
  return Math.min(...FLOORS.filter((_, bit) => (carriages & (1 << bit)) !== 0))
}

export function describeCarriages(carriages: number): Carriage[] {
  return CARRIAGES.filter((_, bit) => (carriages & (1 << bit)) !== 0)
}
