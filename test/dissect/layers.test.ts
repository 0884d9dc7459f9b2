import { describe, expect, test } from 'vitest'
import type { Layer } from '../../src/dissect/layer.ts'
import { Describer, type PacketDescription } from '../../src/dissect/layers.ts'
import { LINKTYPE } from '../../src/wire/link.ts'
import {
  AVP,
  avp,
  be16,
  be32,
  ccp,
  chapChallenge,
  chapResponse,
  chapResult,
  concat,
  datagram,
  ethernet,
  fromHex,
  hiddenAvp,
  icmp,
  iccn,
  icrq,
  ipv4,
  ipv4Fragments,
  ipv6,
  lcp,
  l2tpControl,
  l2tpData,
  papRequest,
  ppp,
  pppOption,
  pppPacket,
  sccrp,
  sccrq,
  tcp,
  udp,
  utf8,
  zlb,
} from '../support/craft.ts'
import { cut } from '../support/multilink.ts'
import { Random } from '../support/random.ts'

const LAC = '192.0.2.1'
const LNS = '192.0.2.2'

class Reader {
  readonly #describer: Describer
  #number = 0

  constructor(secrets: readonly string[] = [], datagramsMax = 16) {
    this.#describer = new Describer({
      l2tpPorts: [1701],
      secrets: secrets.map(utf8),
      fragments: { datagramsMax, piecesMax: 16, timeoutSeconds: 30 },
      linksMax: 64,
    })
  }

  read(bytes: Uint8Array, linkType: number = LINKTYPE.ETHERNET, originalLength = bytes.length): PacketDescription {
    this.#number++
    const number = this.#number
    return this.#describer.describe({
      bytes,
      start: 0,
      end: bytes.length,
      timeUs: 1e6 * number,
      originalLength,
      linkType,
      interfaceId: 0,
      number,
    })
  }

  layers(bytes: Uint8Array, linkType?: number): readonly Layer[] {
    return this.read(bytes, linkType).layers
  }
}

function names(layers: readonly Layer[]): string[] {
  return layers.map(({ layer }) => layer)
}

function named(layers: readonly Layer[], name: string): Layer | undefined {
  return layers.find(({ layer }) => layer === name)
}

/** Two directions of one session: the ids are the receiver's. */
function toLac(frame: Uint8Array): Uint8Array {
  return datagram(l2tpData(frame, { tunnelId: 10, sessionId: 11 }), { source: LNS, target: LAC })
}

function toLns(frame: Uint8Array): Uint8Array {
  return datagram(l2tpData(frame, { tunnelId: 20, sessionId: 21 }), { source: LAC, target: LNS })
}

const WANTS_CHAP_MS_V2 = [pppOption(3, fromHex('c22381')), pppOption(5, fromHex('01020304'))]

describe('the layers of a link', () => {
  test('names number, time and lengths of the packet', () => {
    const packet = new Reader().read(datagram(zlb()), LINKTYPE.ETHERNET, 400)
    expect(packet).toMatchObject({
      number: 1,
      timeUs: 1_000_000,
      time: '1970-01-01T00:00:01.000000Z',
      length: 54,
      originalLength: 400,
    })
  })

  test('tells every tag and label before the packet', () => {
    const frame = datagram(zlb(), { ethernet: { vlans: [{ id: 7, type: 0x88a8, priority: 3 }, { id: 42 }] } })
    const layers = new Reader().layers(frame)
    expect(names(layers)).toEqual(['ethernet', 'vlan', 'vlan', 'ipv4', 'udp', 'l2tp'])
    expect(layers[1]).toEqual({
      layer: 'vlan',
      tagProtocol: 0x88a8,
      priority: 3,
      dropEligible: false,
      id: 7,
      etherType: 0x8100,
    })
    const stack = ethernet(concat(fromHex('000640ff 000c8140'), ipv4(udp(zlb()))), { type: 0x8847 })
    expect(new Reader().layers(stack).slice(1, 3)).toEqual([
      { layer: 'mpls', label: 100, trafficClass: 0, bottom: false, ttl: 255 },
      { layer: 'mpls', label: 200, trafficClass: 0, bottom: true, ttl: 64 },
    ])
  })

  test('tells an Ethernet frame in an MPLS pseudowire', () => {
    const frame = ethernet(concat(fromHex('000c8140 00000005'), datagram(zlb())), { type: 0x8847 })
    expect(names(new Reader().layers(frame))).toEqual([
      'ethernet',
      'mpls',
      'pseudowire-control-word',
      'ethernet',
      'ipv4',
      'udp',
      'l2tp',
    ])
  })

  test('tells LLC and SNAP, and that an LLC frame without SNAP holds no packet of ours', () => {
    const packet = ipv4(udp(zlb()))
    const snap = ethernet(concat(fromHex('aaaa03 000000 0800'), packet), { type: packet.length + 8 })
    expect(names(new Reader().layers(snap))).toEqual(['ethernet', 'llc', 'snap', 'ipv4', 'udp', 'l2tp'])
    const bridge = ethernet(fromHex('424203 0000000000'), { type: 8 })
    expect(names(new Reader().layers(bridge))).toEqual(['ethernet', 'llc', 'data'])
  })

  test.each([
    ['Linux cooked v1', LINKTYPE.LINUX_SLL, '0004 0001 0006 020000000001 0000 0800', 'sll'],
    ['Linux cooked v2', LINKTYPE.LINUX_SLL2, '0800 0000 00000002 0001 04 06 020000000001 0000', 'sll2'],
    ['BSD loopback', LINKTYPE.NULL, '02000000', 'loopback'],
    ['Cisco HDLC', LINKTYPE.C_HDLC, '0f000800', 'chdlc'],
    ['Cisco HDLC on a line that is captured as PPP', LINKTYPE.PPP, '8f000800', 'chdlc'],
    ['PPP with direction', LINKTYPE.PPP_WITH_DIR, '01ff030021', 'ppp-direction'],
  ])('reads %s', (_name, linkType, header, layer) => {
    const found = new Reader().layers(concat(fromHex(header), ipv4(udp(zlb()))), linkType)
    expect(found[0].layer).toBe(layer)
    expect(names(found).slice(-3)).toEqual(['ipv4', 'udp', 'l2tp'])
  })

  test('tells a PPPoE session, and leaves its padding out', () => {
    const frame = concat(ppp(0x0021, ipv4(udp(zlb())), { addressControl: false }))
    const session = ethernet(concat(fromHex('1100 0007'), be16(frame.length), frame), { type: 0x8864, sizeMin: 100 })
    const layers = new Reader().layers(session)
    expect(names(layers)).toEqual(['ethernet', 'pppoe', 'ppp', 'ipv4', 'udp', 'l2tp'])
    expect(layers[1]).toMatchObject({ code: 0, codeName: 'Session', sessionId: 7, length: frame.length })
  })

  test('lists the tags of PPPoE discovery before the first that does not fit', () => {
    const frame = ethernet(fromHex('1109 0000 000e 0101 0000 0103 0002 beef 0102 00ff'), { type: 0x8863 })
    expect(named(new Reader().layers(frame), 'pppoe-discovery')?.['tags']).toEqual([
      { type: 0x0101, name: 'Service-Name', length: 0, value: '' },
      { type: 0x0103, name: 'Host-Uniq', length: 2, value: 'beef' },
    ])
  })

  test('says of a link type that nobody reads that it is not supported', () => {
    expect(new Reader().layers(fromHex('0102'), 147)).toEqual([
      { layer: 'link', linkType: 147, flaw: 'link.unsupported' },
      { layer: 'data', length: 2 },
    ])
  })

  test('stops after twelve tags', () => {
    const vlans = Array.from({ length: 40 }, (_, id) => ({ id }))
    const layers = new Reader().layers(datagram(zlb(), { ethernet: { vlans } }))
    expect(layers.filter(({ flaw }) => flaw === 'link.too_deep')).toHaveLength(1)
  })
})

describe('control messages', () => {
  test('tells the header and each AVP with its value', () => {
    const layers = new Reader().layers(datagram(sccrq({ hostName: 'lac7', assignedTunnelId: 77 })))
    const l2tp = named(layers, 'l2tp')
    expect(l2tp).toMatchObject({
      type: 'control',
      version: 2,
      tunnelId: 0,
      sessionId: 0,
      ns: 0,
      nr: 0,
      messageType: 1,
      messageName: 'SCCRQ',
    })
    expect(l2tp?.['avps']).toContainEqual({
      type: 7,
      name: 'hostName',
      vendorId: 0,
      mandatory: true,
      hidden: false,
      length: 10,
      value: 'lac7',
      findings: [],
    })
  })

  test('names an acknowledgement', () => {
    expect(named(new Reader().layers(datagram(zlb({ tunnelId: 5, nr: 3 }))), 'l2tp')).toMatchObject({
      messageName: 'ZLB',
      tunnelId: 5,
      nr: 3,
    })
  })

  test('recovers a hidden AVP with a configured secret and never shows the secret', () => {
    const vector = fromHex('00112233445566778899aabbccddeeff')
    const message = l2tpControl([
      avp(AVP.messageType, be16(1)),
      avp(AVP.randomVector, vector),
      hiddenAvp(AVP.hostName, 'hidden.example', { secret: 'quiet', randomVector: vector }),
    ])
    const known = named(new Reader(['loud', 'quiet']).layers(datagram(message)), 'l2tp')
    expect(known?.['avps']).toContainEqual(
      expect.objectContaining({
        name: 'hostName',
        hidden: true,
        recovery: 'recovered',
        secretIndex: 1,
        value: 'hidden.example',
      }),
    )
    expect(JSON.stringify(known)).not.toContain('quiet')
    const unknown = named(new Reader().layers(datagram(message)), 'l2tp')
    expect(unknown?.['avps']).toContainEqual(
      expect.objectContaining({ name: 'hostName', hidden: true, recovery: 'no_secret' }),
    )
  })

  test('reads the LCP options that a proxy hands over', () => {
    const more = [avp(26, concat(pppOption(1, be16(1400)), pppOption(3, fromHex('c22305'))))]
    const avps = named(new Reader().layers(datagram(iccn({ more }))), 'l2tp')?.['avps'] as { options?: unknown }[]
    expect(avps.at(-1)?.options).toMatchObject([
      { type: 1, value: 1400 },
      { type: 3, protocolName: 'CHAP', algorithm: 5 },
    ])
  })

  test('follows L2TP to the ports that were chosen in the set-up, and takes nothing else there for it', () => {
    const reader = new Reader()
    reader.layers(datagram(sccrq(), { source: LAC, target: LNS, sourcePort: 50_000, targetPort: 1701 }))
    reader.layers(datagram(sccrp(), { source: LNS, target: LAC, sourcePort: 40_000, targetPort: 50_000 }))
    const later = reader.layers(datagram(icrq(), { source: LAC, target: LNS, sourcePort: 50_000, targetPort: 40_000 }))
    expect(named(later, 'l2tp')).toMatchObject({ messageName: 'ICRQ' })
    const other = reader.layers(datagram(utf8('hello, world'), { sourcePort: 60_000, targetPort: 40_000 }))
    expect(names(other)).toEqual(['ethernet', 'ipv4', 'udp', 'data'])
  })

  test('tells what it can of a message that a receiver refuses', () => {
    const layers = new Reader().layers(datagram(sccrq({ length: 999, tunnelId: 9 })))
    expect(layers.at(-1)).toMatchObject({ layer: 'l2tp', tunnelId: 9, length: 999, flaw: 'l2tp.length' })
  })
})

describe('data messages', () => {
  test('goes down to the packet inside the tunnel', () => {
    const inner = ipv4(tcp(utf8('GET /'), { sourcePort: 4000, targetPort: 80 }), {
      source: '10.0.0.1',
      target: '10.0.0.2',
      protocol: 6,
    })
    const layers = new Reader().layers(toLns(ppp(0x0021, inner)))
    expect(names(layers)).toEqual(['ethernet', 'ipv4', 'udp', 'l2tp', 'ppp', 'ipv4', 'tcp', 'http'])
    expect(layers[5]).toMatchObject({ source: '10.0.0.1', destination: '10.0.0.2' })
    expect(layers[6]).toMatchObject({ sourcePort: 4000, destinationPort: 80, flags: ['ACK'], payloadLength: 5 })
  })

  test('shows who logs in with PAP, and of the password its length', () => {
    const layers = new Reader().layers(toLns(papRequest(1, 'alice', 'correct horse')))
    expect(layers.at(-1)).toMatchObject({
      layer: 'pap',
      codeName: 'Authenticate-Request',
      peerId: 'alice',
      passwordLength: 13,
    })
    expect(JSON.stringify(layers)).not.toContain('correct horse')
  })

  test('gives CHAP the algorithm that LCP agreed on, in both directions', () => {
    const reader = new Reader()
    reader.layers(toLac(lcp(1, 7, WANTS_CHAP_MS_V2)))
    reader.layers(toLns(lcp(2, 7, WANTS_CHAP_MS_V2)))
    const agreed = { algorithmName: 'MS-CHAP-V2', algorithmGuessed: false }
    expect(reader.layers(toLac(chapChallenge(1, new Uint8Array(16), 'lns'))).at(-1)).toMatchObject(agreed)
    expect(reader.layers(toLns(chapResponse(1, new Uint8Array(49), 'alice'))).at(-1)).toMatchObject(agreed)
    expect(reader.layers(toLac(chapResult(true, 1, 'Access granted'))).at(-1)).toMatchObject({
      ...agreed,
      flaw: 'mschap.success_format',
    })
  })

  test('does not give it to another session', () => {
    const reader = new Reader()
    reader.layers(toLns(lcp(2, 7, WANTS_CHAP_MS_V2)))
    const other = datagram(l2tpData(chapResponse(1, new Uint8Array(24), 'bob'), { tunnelId: 20, sessionId: 99 }), {
      source: LAC,
      target: LNS,
    })
    expect(reader.layers(other).at(-1)).not.toHaveProperty('algorithm')
  })

  test('reads the header of MPPE only after CCP agreed on it', () => {
    const reader = new Reader()
    const encrypted = toLns(ppp(0x00fd, fromHex('9005 aabbccdd')))
    expect(reader.layers(encrypted).at(-1)).toEqual({ layer: 'compressed', length: 6 })
    reader.layers(toLns(ccp(2, 1, [pppOption(18, be32(0x01000040))])))
    expect(reader.layers(encrypted).at(-1)).toMatchObject({
      layer: 'mppe',
      isFlushed: true,
      isEncrypted: true,
      coherencyCount: 5,
      length: 4,
    })
  })

  test('tells a whole frame in a multilink header, and a part of one', () => {
    const whole = new Reader().layers(
      toLns(
        ppp(0x003d, concat(fromHex('c0000001'), be16(0x0021), ipv4(udp(utf8('x'), { sourcePort: 9, targetPort: 9 })))),
      ),
    )
    expect(names(whole).slice(4)).toEqual(['ppp', 'mp', 'ppp', 'ipv4', 'udp', 'data'])
    const part = new Reader().layers(toLns(ppp(0x003d, fromHex('80000001 0021 4500'))))
    expect(part.slice(-2)).toEqual([
      { layer: 'mp', isFirst: true, isLast: false, classNumber: 0, sequence: 1, length: 4 },
      { layer: 'fragment', length: 4 },
    ])
  })

  test('shows the frame of which a packet has the last fragment', () => {
    const frame = concat(be16(0x0021), ipv4(udp(utf8('a payload'), { sourcePort: 9, targetPort: 9 })))
    const [first, second, third] = cut(frame, 13, 7).map((piece) => toLns(ppp(0x003d, piece)))
    const reader = new Reader()
    expect(names(reader.layers(first)).slice(4)).toEqual(['ppp', 'mp', 'fragment'])
    expect(names(reader.layers(third)).slice(4)).toEqual(['ppp', 'mp', 'fragment'])
    const layers = reader.layers(second)
    expect(names(layers).slice(4)).toEqual(['ppp', 'mp', 'fragment', 'reassembled', 'ppp', 'ipv4', 'udp', 'data'])
    expect(layers[7]).toEqual({ layer: 'reassembled', length: frame.length })
  })

  test('shows the packet that a Protocol-Reject gives back', () => {
    const rejected = concat(be16(0x80fd), pppPacket(1, 5, pppOption(18, be32(0x40))))
    const layers = new Reader().layers(toLns(lcp(8, 3, [rejected])))
    expect(layers.slice(-2)).toMatchObject([
      { layer: 'lcp', rejectedProtocolName: 'CCP' },
      { layer: 'ccp', rejected: true, identifier: 5, options: [{ type: 18, keyLengthsBits: [128] }] },
    ])
  })

  test('reads uncompressed Van Jacobson packets as TCP, and tells the changes in compressed ones', () => {
    const packet = ipv4(tcp(utf8('x')), { protocol: 6 })
    packet[9] = 3
    const layers = new Reader().layers(toLns(ppp(0x002f, packet)))
    expect(layers.slice(-4)).toMatchObject([
      { layer: 'vj-uncompressed', connection: 3 },
      { layer: 'ipv4', protocol: 6 },
      { layer: 'tcp' },
      { layer: 'data', length: 1 },
    ])
    expect(new Reader().layers(toLns(ppp(0x002d, fromHex('06 c2e7 15 000544 aa')))).at(-1)).toEqual({
      layer: 'vj-compressed',
      changeMask: 6,
      push: false,
      checksum: 0xc2e7,
      windowChange: 21,
      acknowledgementChange: 0x544,
      dataLength: 1,
    })
  })

  test('reads an Ethernet frame that PPP bridges', () => {
    const layers = new Reader().layers(
      toLns(ppp(0x0031, concat(fromHex('0001'), datagram(utf8('x'), { sourcePort: 9, targetPort: 9 })))),
    )
    expect(names(layers).slice(5)).toEqual(['bridging', 'ethernet', 'ipv4', 'udp', 'data'])
  })
})

describe('fragments', () => {
  const message = datagram(l2tpData(ppp(0x0021, ipv4(udp(new Uint8Array(400), { sourcePort: 9, targetPort: 9 })))))
  const pieces = ipv4Fragments(message.subarray(34), 200, { id: 77 })

  test('are told by the packet that brings them, and what they make up by the packet that completes it', () => {
    const reader = new Reader()
    const answers = pieces.map((piece) => reader.layers(ethernet(piece)))
    expect(names(answers[0])).toEqual(['ethernet', 'ipv4', 'fragment'])
    expect(answers[1][1]).toMatchObject({ id: 77, fragmentOffset: 200, moreFragments: true })
    expect(names(answers[2])).toEqual(['ethernet', 'ipv4', 'reassembled', 'udp', 'l2tp', 'ppp', 'ipv4', 'udp', 'data'])
    expect(named(answers[2], 'reassembled')).toMatchObject({ frames: [1, 2, 3], length: message.length - 34 })
  })

  test('of packets inside a session are put together within that session only', () => {
    const [first, second] = ipv4Fragments(udp(new Uint8Array(64), { sourcePort: 9, targetPort: 9 }), 40, { id: 5 })
    const reader = new Reader()
    reader.layers(toLns(ppp(0x0021, first)))
    expect(reader.layers(toLac(ppp(0x0021, second))).at(-1)).toEqual({ layer: 'fragment', length: 32 })
    expect(names(reader.layers(toLns(ppp(0x0021, second)))).slice(-3)).toEqual(['reassembled', 'udp', 'data'])
  })

  test('are described to the end of the capture where the capture cut them', () => {
    const cut = ethernet(pieces[0]).subarray(0, 80)
    expect(names(new Reader().read(cut, LINKTYPE.ETHERNET, 234).layers).slice(0, 5)).toEqual([
      'ethernet',
      'ipv4',
      'udp',
      'l2tp',
      'ppp',
    ])
  })

  test('of other datagrams are given up when too many wait', () => {
    const reader = new Reader([], 2)
    for (const id of [1, 2, 3]) reader.layers(ethernet({ ...ipv4Fragments(message.subarray(34), 200, { id }) }[0]))
    const late = ipv4Fragments(message.subarray(34), 200, { id: 1 })
      .slice(1)
      .map((piece) => names(reader.layers(ethernet(piece))))
    expect(late.flat()).not.toContain('reassembled')
  })
})

describe('what ICMP and tunnels carry', () => {
  test('describes the packet that an ICMP error quotes, cut as it is, and marks it', () => {
    const quoted = datagram(l2tpData(ppp(0x0021, ipv4(udp(utf8('secretive'))))), { source: LNS, target: LAC }).subarray(
      14,
      14 + 28 + 10,
    )
    const layers = new Reader().layers(ethernet(ipv4(icmp(quoted, { type: 3, code: 3 }), { protocol: 1 })))
    expect(names(layers)).toEqual(['ethernet', 'ipv4', 'icmp', 'ipv4', 'udp', 'l2tp', 'ppp', 'ip'])
    expect(layers.map((layer) => layer.quoted === true)).toEqual([false, false, false, true, true, true, true, true])
    expect(layers.at(-1)).toMatchObject({ isSnapped: true })
    expect(layers[5]).toMatchObject({ tunnelId: 1, sessionId: 1 })
  })

  test('learns nothing from what is quoted', () => {
    const reader = new Reader()
    const quoted = datagram(sccrq(), { sourcePort: 50_000, targetPort: 1701 }).subarray(14)
    reader.layers(ethernet(ipv4(icmp(quoted, { type: 3 }), { protocol: 1 })))
    expect(names(reader.layers(datagram(sccrp(), { sourcePort: 40_000, targetPort: 50_000 })))).toEqual([
      'ethernet',
      'ipv4',
      'udp',
      'data',
    ])
  })

  test('tells ports and sequence of a quoted TCP header of eight octets', () => {
    const quoted = ipv4(tcp(new Uint8Array(0), { sourcePort: 5, targetPort: 6, sequence: 7 }), {
      protocol: 6,
    }).subarray(0, 28)
    const layers = new Reader().layers(ethernet(ipv4(icmp(quoted, { type: 11 }), { protocol: 1 })))
    expect(layers.at(-1)).toMatchObject({ layer: 'tcp', quoted: true, sourcePort: 5, destinationPort: 6, sequence: 7 })
  })

  test('reads PPP in the GRE of PPTP', () => {
    const frame = lcp(9, 1, [be32(1)])
    const gre = concat(fromHex('3001 880b'), be16(frame.length), be16(0x55), be32(3), frame)
    const layers = new Reader().layers(ethernet(ipv4(gre, { protocol: 47 })))
    expect(layers.slice(2)).toMatchObject([
      { layer: 'gre', version: 1, callId: 0x55, sequence: 3 },
      { layer: 'ppp' },
      { layer: 'lcp', codeName: 'Echo-Request' },
    ])
  })

  test('reads IP in IP, and stops when there is no end of it', () => {
    const inside = ipv6(udp(zlb(), { source: '2001:db8::1', target: '2001:db8::2' }))
    expect(names(new Reader().layers(ethernet(ipv4(inside, { protocol: 41 }))))).toEqual([
      'ethernet',
      'ipv4',
      'ipv6',
      'udp',
      'l2tp',
    ])
    let packet = ipv4(udp(zlb()))
    for (let depth = 0; depth < 200; depth++) packet = ipv4(packet, { protocol: 4 })
    const layers = new Reader().layers(ethernet(packet))
    expect(layers.length).toBeLessThan(60)
    expect(layers.at(-1)?.flaw).toBe('layers.too_deep')
  })

  test.each([
    ['l2tpv3', ethernet(ipv4(be32(0), { protocol: 115 }))],
    ['l2tpv3', datagram(fromHex('c803000c 00000000 00000000'))],
    ['l2f', datagram(fromHex('0001 01 00 0000 0000 000b 02'))],
    ['esp', ethernet(ipv4(new Uint8Array(32), { protocol: 50 }))],
    ['ah', ethernet(ipv4(new Uint8Array(32), { protocol: 51 }))],
    ['ike', datagram(concat(be32(1), new Uint8Array(24)), { sourcePort: 500, targetPort: 500 })],
    ['esp', datagram(new Uint8Array(28), { sourcePort: 500, targetPort: 500 })],
    ['ike', datagram(new Uint8Array(32), { sourcePort: 4500, targetPort: 4500 })],
    ['esp', datagram(fromHex('01020304 00000001'), { sourcePort: 4500, targetPort: 4500 })],
    ['natt-keepalive', datagram(fromHex('ff'), { sourcePort: 4500, targetPort: 4500 })],
  ])('names %s', (layer, frame) => {
    expect(new Reader().layers(frame).at(-1)?.layer).toBe(layer)
  })
})

describe('every truncation of a packet', () => {
  const quoted = toLns(lcp(1, 7, WANTS_CHAP_MS_V2)).subarray(14)
  test.each([
    ['a set-up', datagram(sccrq())],
    ['a negotiation', toLns(lcp(1, 7, WANTS_CHAP_MS_V2))],
    ['a login', toLns(chapChallenge(1, new Uint8Array(16), 'lns'))],
    [
      'a packet in a tunnel',
      toLns(ppp(0x0057, ipv6(udp(utf8('x'), { source: '2001:db8::1', target: '2001:db8::2' })))),
    ],
    ['a quoted packet', ethernet(ipv4(icmp(quoted, { type: 3 }), { protocol: 1 }))],
    [
      'tags and labels',
      ethernet(concat(fromHex('000640ff 000c8140'), ipv4(udp(zlb()))), { type: 0x8847, vlans: [{ id: 1 }, { id: 2 }] }),
    ],
  ])('of %s is described without taking it for a lie of the sender', (_name, whole) => {
    for (let length = 0; length < whole.length; length++) {
      const { layers } = new Reader().read(whole.slice(0, length), LINKTYPE.ETHERNET, whole.length)
      const lies = layers.filter(
        ({ flaw, quoted: isQuoted }) =>
          isQuoted !== true && flaw !== undefined && !/truncated|control_length/.test(flaw),
      )
      expect(lies, `cut at ${length}`).toEqual([])
      expect(layers.length, `cut at ${length}`).toBeGreaterThan(0)
    }
  })

  test('leaves nothing behind that refers to the buffer', () => {
    const reader = new Reader()
    const bytes = datagram(sccrq({ hostName: 'before' }))
    const packet = reader.read(bytes)
    const before = JSON.stringify(packet)
    bytes.fill(0)
    expect(JSON.stringify(packet)).toBe(before)
  })
})

describe('damaged packets', () => {
  test('are described without an exception, in a bounded number of layers', () => {
    const random = new Random(20_261)
    const whole = [
      datagram(sccrq()),
      toLns(lcp(1, 7, WANTS_CHAP_MS_V2)),
      toLns(chapResponse(1, new Uint8Array(49), 'alice')),
      ethernet(ipv4Fragments(udp(new Uint8Array(64)), 40)[0]),
      toLac(ppp(0x003d, concat(fromHex('c0000001'), lcp(8, 1, [be16(0xc021), pppPacket(1, 1, new Uint8Array(4))])))),
      ethernet(ipv4(icmp(datagram(sccrq()).subarray(14), { type: 3 }), { protocol: 1 })),
    ]
    const reader = new Reader(['secret'])
    for (let round = 0; round < 6000; round++) {
      const bytes = whole[round % whole.length].slice()
      for (let changes = random.below(6); changes >= 0; changes--) bytes[random.below(bytes.length)] = random.below(256)
      const { layers } = reader.read(bytes.slice(0, 1 + random.below(bytes.length)), LINKTYPE.ETHERNET, bytes.length)
      expect(layers.length).toBeGreaterThan(0)
      expect(layers.length).toBeLessThan(64)
    }
  })
})
