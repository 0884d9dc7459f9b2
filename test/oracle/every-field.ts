/** A packet for every attribute and option that both Borescope and tshark read: what no recorded capture holds is compared too. */
import {
  avp,
  be16,
  be32,
  ccp,
  concat,
  datagram,
  eap,
  eapIdentity,
  fromHex,
  ipcp,
  l2tpControl,
  l2tpData,
  lcp,
  papResult,
  ppp,
  pppOption,
  pppPacket,
  utf8,
} from '../support/craft.ts'
import { everyV3Field } from './every-field-l2tpv3.ts'
import { everyNeighbourField } from './every-field-ppp.ts'

const CISCO = 9
const BROADBAND_FORUM = 3561

/** Octets of a value of each attribute of the IETF. */
const AVPS = {
  1: 12,
  2: 2,
  3: 4,
  4: 4,
  5: 8,
  6: 2,
  7: 5,
  8: 5,
  9: 2,
  10: 2,
  11: 9,
  12: 7,
  13: 16,
  14: 2,
  15: 4,
  16: 4,
  17: 4,
  18: 4,
  19: 4,
  21: 6,
  22: 6,
  23: 6,
  24: 4,
  25: 4,
  29: 2,
  30: 5,
  31: 7,
  32: 2,
  33: 6,
  34: 26,
  35: 10,
  36: 8,
  37: 4,
  38: 4,
  39: 0,
  40: 4,
  41: 4,
  43: 4,
  46: 9,
  47: 2,
  48: 4,
  59: 17,
  60: 4,
  61: 4,
  62: 4,
  63: 4,
  64: 4,
  65: 8,
  66: 5,
  68: 2,
  69: 2,
  70: 2,
  72: 5,
  73: 16,
  76: 2,
  98: 0,
} as const
const CISCO_AVPS = { 1: 4, 2: 4, 3: 4, 4: 4, 5: 8, 6: 5, 7: 2, 9: 8, 10: 2, 12: 16, 13: 16, 14: 2 } as const
/** Rates, delays and the rest: all below 2^53. */
const BROADBAND_RATES = [129, 130, 131, 132, 133, 134, 135, 136, 137, 138]
const BROADBAND_NUMBERS = [139, 140, 141, 142, 145, 254]

const LCP_OPTIONS = [
  [0, '00000c0141'],
  [1, '0578'],
  [2, '000a0000'],
  [3, 'c023'],
  [3, 'c22305'],
  [3, 'c227'],
  [4, 'c02500000bb8'],
  [5, '01020304'],
  [7, ''],
  [8, ''],
  [9, '03'],
  [10, '08'],
  [11, '07'],
  [13, '06'],
  [13, '014142'],
  [17, '05dc'],
  [18, ''],
  [19, '00'],
  [19, '0141424344'],
  [19, '02c0000201'],
  [19, '03020000000001'],
  [19, '0441424344'],
  [19, '0531323334'],
  [23, '0102'],
  [27, '0204'],
  [28, '0000006a656e'],
] as const
const IPCP_OPTIONS = [
  [1, 'c0000201c0000202'],
  [2, '002d0f01'],
  [2, '006100100010010000050100'],
  [2, '0003000f00000040'],
  [3, 'c0000201'],
  [4, 'c0000201'],
  [129, 'c0000201'],
  [130, 'c0000201'],
  [131, 'c0000201'],
  [132, 'c0000201'],
] as const
const CCP_OPTIONS = [
  [0, '00000c0141'],
  [1, ''],
  [17, '000103'],
  [18, '01000040'],
  [21, '2f'],
  [23, '00010203'],
  [24, '7800'],
  [26, '7800'],
] as const

/** Letters, so that a value is legal text and a number alike. */
function octets(length: number): Uint8Array {
  return Uint8Array.from({ length }, (_, index) => 0x41 + (index % 26))
}

function control(message: number, type: number, value: Uint8Array, vendor = 0): Uint8Array {
  return datagram(l2tpControl([avp(0, be16(message)), avp(type, value, { vendor })]))
}

function data(frame: Uint8Array): Uint8Array {
  return datagram(l2tpData(frame))
}

export function everyField(): Uint8Array[] {
  return [...attributes(), ...options(), ...codes(), ...logins(), ...everyV3Field(), ...everyNeighbourField()]
}

function attributes(): Uint8Array[] {
  const negotiated = concat(pppOption(1, be16(1400)), pppOption(3, fromHex('c22381')), pppOption(5, octets(4)))
  return [
    ...Object.entries(AVPS).map(([type, length]) => control(1, Number(type), octets(length))),
    ...[26, 27, 28].map((type) => control(12, type, negotiated)),
    ...[74, 75].map((type) => control(12, type, concat(be32(1), be32(77)))),
    ...Object.entries(CISCO_AVPS).map(([type, length]) => control(1, Number(type), octets(length), CISCO)),
    control(28, 97, concat(be16(0), be16(7), be32(100), be32(101))),
    ...[1, 2].map((type) => control(10, type, utf8('dslam 1/1/7'), BROADBAND_FORUM)),
    ...BROADBAND_RATES.map((type) => control(10, type, concat(be32(2), octets(4)), BROADBAND_FORUM)),
    ...BROADBAND_NUMBERS.map((type) => control(10, type, octets(4), BROADBAND_FORUM)),
  ]
}

function options(): Uint8Array[] {
  return [
    ...LCP_OPTIONS.map(([type, value]) => data(lcp(1, 1, [pppOption(type, fromHex(value))]))),
    ...IPCP_OPTIONS.map(([type, value]) => data(ipcp(1, 1, [pppOption(type, fromHex(value))]))),
    ...CCP_OPTIONS.map(([type, value]) => data(ccp(1, 1, [pppOption(type, fromHex(value))]))),
    data(ppp(0x8031, pppPacket(1, 1, concat(pppOption(6, fromHex('020000000001')), pppOption(3, fromHex('01')))))),
    data(ppp(0xc02b, pppPacket(1, 1, pppOption(1, be32(7))))),
    data(ppp(0xc029, pppPacket(1, 1, pppOption(2, fromHex('0a0131323300'))))),
  ]
}

function codes(): Uint8Array[] {
  return [
    data(lcp(0, 1, [fromHex('0102030400000c0541')])),
    data(lcp(5, 1, [utf8('bye')])),
    data(lcp(8, 1, [be16(0x80fd), pppPacket(1, 1, pppOption(18, be32(0x40)))])),
    data(lcp(11, 1, [be32(5), utf8('zz')])),
    data(lcp(12, 1, [be32(5), utf8('pppd 2.4.9')])),
    data(lcp(13, 1, [be32(5), be32(60), utf8('soon')])),
  ]
}

function logins(): Uint8Array[] {
  const success = utf8('S=0123456789012345678901234567890123456789 M=OK')
  return [
    data(papResult(false, 1, 'no')),
    data(eapIdentity(1, 1)),
    data(eapIdentity(2, 1, 'alice')),
    data(eap(1, 2, concat(fromHex('02'), utf8('note')))),
    data(eap(2, 2, fromHex('030d19'))),
    data(eap(1, 2, fromHex('0d20'))),
    data(eap(2, 2, fromHex('0d8000000100160301'))),
    data(eap(1, 3, concat(fromHex('1a0103001a10'), octets(16), utf8('lns12')))),
    data(
      eap(
        2,
        3,
        concat(fromHex('1a0203003b31'), octets(16), new Uint8Array(8), octets(24), fromHex('00'), utf8('alice')),
      ),
    ),
    data(eap(1, 4, concat(fromHex('1a03030033'), success))),
    data(eap(3, 5)),
  ]
}
