/** A message for every payload, attribute and notification of IKE that both Borescope and tshark read. */
import { be16, be32, concat, datagram, fromHex, ipBytes, utf8 } from '../support/craft.ts'
import { attribute, COOKIE_R, message, type Payload } from '../support/ike.ts'

const V1 = { SA: 1, KE: 4, ID: 5, HASH: 8, SIG: 9, NONCE: 10, NOTIFY: 11, DELETE: 12, VENDOR: 13 }
const V1_MORE = { CONFIG: 14, SEQ: 18, NATD: 20, NATOA: 21 }
const V2 = {
  SA: 33,
  KE: 34,
  IDI: 35,
  IDR: 36,
  CERT: 37,
  CERTREQ: 38,
  AUTH: 39,
  NOTIFY: 41,
  DELETE: 42,
  VENDOR: 43,
  TSI: 44,
  TSR: 45,
  CP: 47,
  EAP: 48,
  GSPM: 49,
}
const IPV6 = '2001:db8::7'

/** A value longer than two octets, or of any length if so wished. */
function long(type: number, value: Uint8Array): Uint8Array {
  return concat(be16(type), be16(value.length), value)
}

function octets(length: number): Uint8Array {
  return Uint8Array.from({ length }, (_, index) => 0x41 + (index % 26))
}

function packet(bytes: Uint8Array): Uint8Array {
  return datagram(bytes, { source: '192.0.2.1', target: '192.0.2.2', sourcePort: 500, targetPort: 500 })
}

function v1(exchange: number, ...payloads: readonly Payload[]): Uint8Array {
  return packet(message({ responder: COOKIE_R, exchange, messageId: exchange < 5 ? 0 : 7 }, payloads))
}

function v2(exchange: number, ...payloads: readonly Payload[]): Uint8Array {
  const messageId = exchange === 34 ? 0 : 1
  return packet(message({ responder: COOKIE_R, version: 0x20, flags: 8, exchange, messageId }, payloads))
}

/** An SA payload of version 1 with one proposal of one transform for each list of attributes. */
function proposal(protocol: number, ids: readonly number[], attributes: readonly Uint8Array[], spi = ''): Uint8Array {
  const transforms = ids.map((id, i) => {
    const body = concat(...attributes)
    return concat(
      Uint8Array.of(i === ids.length - 1 ? 0 : 3, 0),
      be16(8 + body.length),
      Uint8Array.of(i + 1, id, 0, 0),
      body,
    )
  })
  const body = concat(fromHex(spi), ...transforms)
  const head = Uint8Array.of(1, protocol, spi.length / 2, ids.length)
  return concat(be32(1), be32(1), Uint8Array.of(0, 0), be16(8 + body.length), head, body)
}

function identity(type: number, value: Uint8Array): Uint8Array {
  return concat(Uint8Array.of(type, 17), be16(1701), value)
}

function identity2(type: number, value: Uint8Array): Uint8Array {
  return concat(Uint8Array.of(type, 0, 0, 0), value)
}

function notification(type: number, data: Uint8Array, protocol = 1, spi = ''): Uint8Array {
  return concat(be32(1), Uint8Array.of(protocol, spi.length / 2), be16(type), fromHex(spi), data)
}

function notification2(type: number, data: Uint8Array): Payload {
  return [V2.NOTIFY, concat(Uint8Array.of(0, 0), be16(type), data)]
}

const PHASE1 = [
  attribute(1, 7),
  attribute(14, 256),
  attribute(2, 4),
  attribute(3, 65_001),
  attribute(4, 14),
  attribute(5, 1),
  attribute(11, 1),
  long(12, be32(28_800)),
  attribute(11, 2),
  attribute(12, 1000),
]
const PHASE2 = [
  attribute(1, 1),
  long(2, be32(3600)),
  attribute(1, 2),
  attribute(2, 250),
  attribute(3, 14),
  attribute(4, 61_444),
  attribute(5, 5),
  attribute(6, 256),
  attribute(7, 3),
  attribute(8, 12),
  attribute(10, 1),
  attribute(11, 1),
  attribute(12, 128),
]

const IDENTITIES: readonly (readonly [number, Uint8Array])[] = [
  [1, ipBytes('192.0.2.9')],
  [2, utf8('vpn.example')],
  [3, utf8('alice@example')],
  [4, concat(ipBytes('192.0.2.0'), ipBytes('255.255.255.0'))],
  [5, ipBytes(IPV6)],
  [6, concat(ipBytes('2001:db8::'), ipBytes('ffff:ffff::'))],
  [7, concat(ipBytes('192.0.2.1'), ipBytes('192.0.2.9'))],
  [8, concat(ipBytes('2001:db8::1'), ipBytes('2001:db8::9'))],
  [11, utf8('branch-7')],
]

function version1(): Uint8Array[] {
  return [
    v1(2, [V1.SA, proposal(1, [1, 1], PHASE1)]),
    v1(32, [V1.SA, proposal(3, [3, 12, 18], PHASE2, 'c0ffee01')]),
    v1(32, [V1.SA, proposal(2, [2, 3, 5], PHASE2, 'c0ffee02')]),
    v1(32, [V1.SA, proposal(4, [2, 3], PHASE2.slice(0, 6), '1234')]),
    v1(2, [V1.KE, octets(128)], [V1.NONCE, octets(20)], [V1_MORE.NATD, octets(20)], [V1_MORE.NATD, octets(32)]),
    ...IDENTITIES.map(([type, value]) => v1(2, [V1.ID, identity(type, value)], [V1.HASH, octets(20)])),
    v1(4, [V1.SIG, octets(256)]),
    ...NOTIFICATIONS1.map((body) => v1(5, [V1.NOTIFY, body])),
    v1(5, [V1.DELETE, concat(be32(1), Uint8Array.of(3, 4), be16(2), be32(0xc0ffee01), be32(0xc0ffee02))]),
    v1(5, [V1.DELETE, concat(be32(1), Uint8Array.of(1, 16), be16(1), octets(16))]),
    ...[CONFIGURATION, XAUTH, UNITY].map((attributes, type) =>
      v1(6, [V1_MORE.CONFIG, concat(Uint8Array.of(type + 1, 0), be16(77), ...attributes)]),
    ),
    v1(32, [V1_MORE.SEQ, be32(99)]),
  ]
}

const NOTIFICATIONS1 = [
  notification(14, new Uint8Array(0)),
  notification(24576, concat(attribute(11, 1), long(12, be32(86_400)))),
  notification(24576, concat(attribute(1, 1), long(2, be32(3600))), 3, 'c0ffee01'),
  notification(24578, new Uint8Array(0), 1, '11223344556677889900aabbccddeeff'),
  notification(36136, be32(4711), 1, '11223344556677889900aabbccddeeff'),
  notification(36137, be32(4711), 1, '11223344556677889900aabbccddeeff'),
  notification(40501, ipBytes('192.0.2.77')),
]

const CONFIGURATION = [
  long(1, ipBytes('192.0.2.10')),
  long(2, ipBytes('255.255.255.0')),
  long(3, ipBytes('192.0.2.53')),
  long(4, ipBytes('192.0.2.54')),
  long(5, be32(3600)),
  long(6, ipBytes('192.0.2.67')),
  long(7, utf8('Gateway 7.1')),
  long(8, concat(ipBytes(IPV6), Uint8Array.of(64))),
  long(10, ipBytes(IPV6)),
  long(12, ipBytes(IPV6)),
  long(13, concat(ipBytes('192.0.2.0'), ipBytes('255.255.255.0'))),
  long(15, concat(ipBytes('2001:db8::'), Uint8Array.of(32))),
]
const XAUTH = [
  attribute(16_520, 1),
  long(16_521, utf8('alice')),
  long(16_522, utf8('not shown')),
  long(16_523, utf8('nor this')),
  long(16_524, utf8('Enter the code')),
  long(16_525, octets(8)),
  long(16_526, utf8('corp')),
  attribute(16_527, 1),
  long(16_528, utf8('1234')),
  long(16_529, utf8('secret')),
]
const UNITY = [long(28_672, utf8('Welcome')), long(28_674, utf8('corp.example'))]

/** An SA payload of version 2 with a proposal of [type, id, key length]. */
function proposal2(transforms: readonly (readonly [number, number, number?])[], protocol = 1, spi = ''): Uint8Array {
  const body = transforms.map(([type, id, keyLength], i) => {
    const attributes = keyLength === undefined ? new Uint8Array(0) : attribute(14, keyLength)
    const head = Uint8Array.of(i === transforms.length - 1 ? 0 : 3, 0)
    return concat(head, be16(8 + attributes.length), Uint8Array.of(type, 0), be16(id), attributes)
  })
  const rest = concat(Uint8Array.of(1, protocol, spi.length / 2, transforms.length), fromHex(spi), ...body)
  return concat(Uint8Array.of(0, 0), be16(4 + rest.length), rest)
}

const RANGES = concat(
  Uint8Array.of(2, 0, 0, 0),
  concat(Uint8Array.of(7, 17), be16(16), be16(1701), be16(1702), ipBytes('192.0.2.1'), ipBytes('192.0.2.9')),
  concat(Uint8Array.of(8, 0), be16(40), be16(0), be16(65_535), ipBytes('2001:db8::1'), ipBytes('2001:db8::9')),
)

const NOTIFICATIONS2: readonly (readonly [number, Uint8Array])[] = [
  [7, new Uint8Array(0)],
  [17, be16(31)],
  [16_387, concat(be16(0x1234), Uint8Array.of(3))],
  [16_388, octets(20)],
  [16_390, octets(16)],
  [16_403, be32(3600)],
  [16_407, concat(Uint8Array.of(1, 4), ipBytes('192.0.2.77'), octets(16))],
  [16_407, concat(Uint8Array.of(2, 16), ipBytes(IPV6), octets(16))],
  [16_407, concat(Uint8Array.of(3, 11), utf8('gw7.example'), octets(16))],
  [16_408, concat(Uint8Array.of(1, 4), ipBytes('192.0.2.78'))],
  [16_408, concat(Uint8Array.of(2, 16), ipBytes(IPV6))],
  [16_409, concat(be32(7200), octets(40))],
  [16_419, octets(24)],
  [16_422, concat(be32(1), be32(2), be32(3))],
  [16_431, concat(be16(1), be16(2), be16(3), be16(4), be16(5))],
]

function version2(): Uint8Array[] {
  return [
    v2(34, [V2.SA, proposal2(TRANSFORMS)], [V2.KE, concat(be16(31), be16(0), octets(32))], [40, octets(32)]),
    v2(36, [
      V2.SA,
      proposal2(
        [
          [1, 20, 256],
          [5, 0],
          [5, 1],
        ],
        3,
        'c0ffee01',
      ),
    ]),
    ...IDENTITIES.filter(([type]) => type < 4 || type === 5 || type === 11).map(([type, value], i) =>
      v2(35, [i % 2 === 0 ? V2.IDI : V2.IDR, identity2(type, value)]),
    ),
    v2(35, [V2.CERT, concat(Uint8Array.of(12), octets(20), utf8('http://ca.example/7.der'))]),
    v2(35, [V2.CERTREQ, concat(Uint8Array.of(4), octets(20), octets(20))]),
    v2(35, [V2.AUTH, concat(Uint8Array.of(2, 0, 0, 0), octets(32))]),
    ...NOTIFICATIONS2.map(([type, data]) => v2(37, notification2(type, data))),
    v2(37, [V2.DELETE, concat(Uint8Array.of(3, 4), be16(2), be32(0xc0ffee01), be32(0xc0ffee02))]),
    v2(37, [V2.DELETE, concat(Uint8Array.of(1, 0), be16(0))]),
    v2(35, [V2.TSI, RANGES], [V2.TSR, RANGES]),
    v2(35, [V2.CP, concat(Uint8Array.of(2, 0, 0, 0), ...CONFIGURATION, ...CONFIGURATION2)]),
    v2(35, [V2.EAP, fromHex('0107000501')]),
    v2(35, [V2.GSPM, octets(24)]),
    v2(34, [V2.VENDOR, octets(16)]),
  ]
}

const TRANSFORMS: readonly (readonly [number, number, number?])[] = [
  [1, 12, 256],
  [1, 20, 128],
  [1, 28],
  [2, 5],
  [2, 7],
  [3, 12],
  [3, 14],
  [4, 14],
  [4, 31],
  [4, 36],
  [6, 37],
  [7, 0],
]
const CONFIGURATION2 = [
  long(17, octets(8)),
  long(18, concat(ipBytes('2001:db8::'), Uint8Array.of(48))),
  long(20, ipBytes('192.0.2.20')),
  long(21, ipBytes(IPV6)),
]

export function everyIkeField(): Uint8Array[] {
  return [...version1(), ...version2()]
}
