/** A packet for every message of PPTP, every form of GRE and every tag of PPPoE that both Borescope and tshark read. */
import { be16, be32, concat, ethernet, fromHex, ipv4, lcp, ppp, tcp } from '../support/craft.ts'
import { accessLine, discoveryFrame, pppoeTag, sessionFrame } from '../support/pppoe.ts'
import { echoRequest, enhancedGre, everyPptpMessage, pptpControl, startReply, stopRequest } from '../support/pptp.ts'

const GRE = 47
const TCP = 6

export function everyNeighbourField(): Uint8Array[] {
  return [...controlMessages(), ...calls(), ...tunnels(), ...discovery(), ...sessions()]
}

function controlMessages(): Uint8Array[] {
  const messages = [
    ...everyPptpMessage(),
    startReply({ framing: 1, bearer: 2 }),
    // Two messages in a segment.
    concat(echoRequest(7), stopRequest()),
  ]
  return [
    ...messages.map((message) => ethernet(ipv4(tcp(message, { targetPort: 1723 }), { protocol: TCP }))),
    ethernet(ipv4(tcp(pptpControl(5, be32(3)), { sourcePort: 1723, targetPort: 40_000 }), { protocol: TCP })),
  ]
}

function calls(): Uint8Array[] {
  const frame = lcp(9, 1, [be32(5)])
  return [
    enhancedGre(frame, { callId: 5, sequence: 1 }),
    enhancedGre(frame, { callId: 5, sequence: 0xfffffffe, acknowledgement: 0x80000000 }),
    enhancedGre(new Uint8Array(0), { callId: 0xffff, acknowledgement: 2 }),
  ].map((packet) => ethernet(ipv4(packet, { protocol: GRE })))
}

/** The common header: every optional field, alone and together. */
function tunnels(): Uint8Array[] {
  const inside = ipv4(tcp(new Uint8Array(0)), { protocol: TCP })
  const headers = [
    '0000 0800',
    '8000 0800 1234 0000',
    '2000 0800 8000002a',
    '1000 0800 00000009',
    'b000 0800 1234 0000 0000002a 00000001',
    '4000 0800 0000 0004 0800 00 04 c0000201 0000 00 00',
  ]
  return headers.map((header) => ethernet(ipv4(concat(fromHex(header), inside), { protocol: GRE })))
}

function discovery(): Uint8Array[] {
  const named = [pppoeTag(0x0101, 'internet'), pppoeTag(0x0102, 'bras1')]
  const tags = [
    pppoeTag(0x0103, fromHex('00c0ffee')),
    pppoeTag(0x0104, fromHex('0011223344')),
    pppoeTag(0x0105, fromHex('00000009 beef')),
    accessLine([
      [1, 'dslam7 atm 1/1/3:8.35'],
      [2, 'line 42'],
      ...[0x81, 0x82, 0x83, 0x84, 0x85, 0x86, 0x87, 0x88, 0x89, 0x8a, 0x8b, 0x8c, 0x8d, 0x8e].map(
        (type): [number, Uint8Array] => [type, be32(type * 1000)],
      ),
      [0x90, fromHex('010203')],
    ]),
    pppoeTag(0x0106, fromHex('000a0014')),
    pppoeTag(0x0107, fromHex('000d 64 32 0014 03e8 0001')),
    pppoeTag(0x0108, be16(9)),
    pppoeTag(0x0109, be16(64)),
    pppoeTag(0x0110, fromHex('010203')),
    pppoeTag(0x0111, 'http://portal.example/'),
    pppoeTag(0x0112, 'maintenance tonight'),
    pppoeTag(0x0120, be16(1500)),
    pppoeTag(0x0121, fromHex('0a000000ff000000c000020100000005')),
    pppoeTag(0x0201, 'no such service'),
    pppoeTag(0x0202, 'out of memory'),
    pppoeTag(0x0203, 'error'),
    pppoeTag(0x0999, fromHex('beef')),
    pppoeTag(0, ''),
  ]
  const codes = [0x07, 0x09, 0x0a, 0x0b, 0x0c, 0x19, 0x65, 0xa7, 0xd3, 0xd4]
  return [
    ...codes.map((code) => discoveryFrame(code, named, { sessionId: code })),
    ...tags.map((tag) => discoveryFrame(0x65, [...named, tag])),
  ]
}

function sessions(): Uint8Array[] {
  const frame = ppp(0xc021, fromHex('09010008 00000005'), { addressControl: false })
  return [sessionFrame(7, frame), sessionFrame(7, concat(fromHex('0106 0004 0003 0004'), frame))]
}
