/** A message for every attribute of L2TPv3 that both Borescope and tshark read, and data of every layout and payload. */
import { avp, be16, be32, concat, datagram, ethernet, fromHex, ipv4, lcp, udp } from '../support/craft.ts'
import { V3_MESSAGE, v3Data, type V3DataFields, v3Message } from '../support/craft-l2tpv3.ts'

const IP_L2TP = 115
const CISCO = 9
const PE1 = '192.0.2.1'
const PE2 = '192.0.2.2'
const NONE = new Uint8Array(0)

/** Octets of a value of each attribute of the IETF. */
const AVPS = {
  1: 8,
  5: 8,
  7: 5,
  8: 5,
  10: 2,
  15: 4,
  25: 4,
  34: 26,
  36: 16,
  60: 4,
  61: 4,
  62: 6,
  63: 4,
  64: 4,
  65: 8,
  66: 7,
  68: 2,
  69: 2,
  70: 2,
  71: 2,
  72: 2,
  73: 16,
  76: 6,
  78: 6,
  85: 2,
  86: 2,
  88: 4,
  91: 2,
  92: 2,
  94: 2,
  95: 2,
  96: 2,
} as const
const CISCO_AVPS = { 1: 4, 2: 4, 3: 4, 4: 4, 5: 8, 6: 5, 7: 2, 8: 2, 9: 8, 10: 2, 14: 2 } as const

/** Letters, so that a value is legal text and a number alike. */
function octets(length: number): Uint8Array {
  return Uint8Array.from({ length }, (_, index) => 0x41 + (index % 26))
}

export function everyV3Field(): Uint8Array[] {
  return [...attributes(false), ...attributes(true), ...SESSIONS.flatMap(session)]
}

function packet(message: Uint8Array, overIp: boolean, isBack = false): Uint8Array {
  const ends = isBack ? { source: PE2, target: PE1 } : { source: PE1, target: PE2 }
  return overIp ? ethernet(ipv4(message, { ...ends, protocol: IP_L2TP })) : datagram(message, ends)
}

function attributes(overIp: boolean): Uint8Array[] {
  const fields = { controlConnectionId: 9, overIp }
  const one = (type: number, value: Uint8Array, vendor = 0): Uint8Array =>
    packet(v3Message(V3_MESSAGE.sli, [avp(type, value, { vendor })], fields), overIp)
  return [
    ...Object.entries(AVPS).map(([type, length]) => one(Number(type), octets(length))),
    ...[0, 1, 2, 3].map((status) => one(71, be16(status))),
    ...[74, 75].map((type) => one(type, concat(be32(2), be32(77)))),
    one(97, concat(be32(7), be32(0), be32(100), be32(0), be32(101))),
    ...Object.entries(CISCO_AVPS).map(([type, length]) => one(Number(type), octets(length), CISCO)),
  ]
}

interface Crafted {
  readonly id: number
  readonly overIp: boolean
  readonly pseudowireType: number
  readonly cookie?: Uint8Array
  readonly sublayer?: number
  readonly frames: readonly Uint8Array[]
}

const IP_PACKET = ipv4(udp(fromHex('0102'), { sourcePort: 4000, targetPort: 4001 }))
const SESSIONS: readonly Crafted[] = [
  { id: 1, overIp: true, pseudowireType: 5, frames: [ethernet(IP_PACKET)] },
  { id: 2, overIp: true, pseudowireType: 5, cookie: fromHex('01020304'), frames: [ethernet(IP_PACKET)] },
  {
    id: 3,
    overIp: true,
    pseudowireType: 5,
    cookie: fromHex('0102030405060708'),
    sublayer: 1,
    frames: [ethernet(IP_PACKET, { vlans: [{ id: 7 }] })],
  },
  { id: 4, overIp: true, pseudowireType: 7, sublayer: 1, frames: [lcp(1, 1), lcp(9, 2, [be32(0)])] },
  { id: 5, overIp: true, pseudowireType: 6, frames: [concat(fromHex('0f000800'), IP_PACKET)] },
  {
    id: 6,
    overIp: true,
    pseudowireType: 1,
    frames: [concat(fromHex('184103cc'), IP_PACKET), concat(fromHex('1a4f03cc'), IP_PACKET)],
  },
  { id: 7, overIp: true, pseudowireType: 11, cookie: fromHex('01020304'), frames: [IP_PACKET] },
  {
    id: 8,
    overIp: false,
    pseudowireType: 5,
    cookie: fromHex('0a0b0c0d'),
    sublayer: 1,
    frames: [ethernet(IP_PACKET)],
  },
  { id: 9, overIp: false, pseudowireType: 7, frames: [lcp(1, 1)] },
]

/** A session of a control connection of its own: set up both ways, then data to either end. */
function session({ id, overIp, pseudowireType, cookie, sublayer, frames }: Crafted): Uint8Array[] {
  const [mine, yours] = [0x1000 + id, 0x2000 + id]
  const control = (type: number, to: number, avps: readonly Uint8Array[], isBack: boolean): Uint8Array =>
    packet(v3Message(type, avps, { controlConnectionId: to, overIp }), overIp, isBack)
  const wanted = [
    ...(cookie === undefined ? [] : [avp(65, cookie)]),
    ...(sublayer === undefined ? [] : [avp(69, be16(sublayer))]),
  ]
  const data = (sessionId: number, frame: Uint8Array, isBack: boolean, number: number): Uint8Array => {
    const fields: V3DataFields = {
      sessionId,
      overIp,
      cookie: cookie ?? NONE,
      sublayer: sublayer === 1 ? number : false,
    }
    return packet(v3Data(frame, fields), overIp, isBack)
  }
  return [
    control(V3_MESSAGE.sccrq, 0, [avp(7, 'pe1'), avp(61, be32(mine))], false),
    control(V3_MESSAGE.sccrp, mine, [avp(7, 'pe2'), avp(61, be32(yours))], true),
    control(V3_MESSAGE.scccn, yours, [], false),
    control(
      V3_MESSAGE.icrq,
      yours,
      [avp(63, be32(mine)), avp(64, be32(0)), avp(68, be16(pseudowireType)), ...wanted],
      false,
    ),
    control(V3_MESSAGE.icrp, mine, [avp(63, be32(yours)), avp(64, be32(mine)), ...wanted], true),
    control(V3_MESSAGE.iccn, yours, [avp(63, be32(mine)), avp(64, be32(yours))], false),
    ...frames.map((frame, index) => data(yours, frame, false, index)),
    ...frames.map((frame, index) => data(mine, frame, true, index)),
  ]
}
