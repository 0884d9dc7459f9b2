import { describe, expect, test } from 'vitest'
import * as craft from '../support/craft.ts'
import { V3_MESSAGE, v3Data, v3Message } from '../support/craft-l2tpv3.ts'
import { discoveryFrame, pppoeTag, sessionFrame } from '../support/pppoe.ts'
import { enhancedGre, startRequest } from '../support/pptp.ts'
import { Bench } from './support.ts'

const PPP_IPV4 = craft.concat(
  craft.fromHex('ff03 0021'),
  craft.ipv4(craft.fromHex('0001 0002 0008 0000'), { source: '10.0.0.1', target: '10.0.0.2' }),
)
const PPP_IPV6 = craft.concat(craft.fromHex('57'), craft.ipv6(craft.fromHex('0001 0002 0008 0000')))
const LCP = craft.fromHex('ff03 c021 01010004')

function onPort(payload: Uint8Array, sourcePort: number, targetPort: number): Uint8Array {
  return craft.datagram(payload, { sourcePort, targetPort })
}

describe('the verdict on', () => {
  test('an L2TP control message', () => {
    const bench = new Bench()
    expect(bench.see(craft.datagram(craft.sccrq()))).toBe('l2tp')
    expect(bench.frame).toMatchObject({ flaw: null, hasUdp: true, hasPpp: false, hasInner: false })
    expect(bench.frame.l2tp.isControl).toBe(true)
  })

  test('a data message with IPv4 in PPP', () => {
    const bench = new Bench()
    expect(bench.see(craft.datagram(craft.l2tpData(PPP_IPV4, { tunnelId: 7, sessionId: 9 })))).toBe('l2tp')
    const { frame } = bench
    expect(frame).toMatchObject({ flaw: null, hasPpp: true, hasInner: true })
    expect(frame.l2tp).toMatchObject({ tunnelId: 7, sessionId: 9 })
    expect(frame.inner).toMatchObject({ version: 4, protocol: 17 })
  })

  test('a data message with IPv6 in compressed PPP', () => {
    const bench = new Bench()
    expect(bench.see(craft.datagram(craft.l2tpData(PPP_IPV6, { length: true, ns: 1 })))).toBe('l2tp')
    expect(bench.frame).toMatchObject({ hasPpp: true, hasInner: true })
    expect(bench.frame.inner.version).toBe(6)
  })

  test('a data message with LCP', () => {
    const bench = new Bench()
    expect(bench.see(craft.datagram(craft.l2tpData(LCP)))).toBe('l2tp')
    expect(bench.frame).toMatchObject({ hasPpp: true, hasInner: false, flaw: null })
    expect(bench.frame.ppp.protocol).toBe(0xc021)
  })

  test('a data message with broken PPP, or broken IP in it: it stays an L2TP message', () => {
    const bench = new Bench()
    expect(bench.see(craft.datagram(craft.l2tpData(new Uint8Array(0))))).toBe('l2tp')
    expect(bench.frame).toMatchObject({ flaw: 'ppp.truncated', flawLayer: 'ppp', hasPpp: false })
    expect(bench.see(craft.datagram(craft.l2tpData(craft.fromHex('0021 4f00'))))).toBe('l2tp')
    expect(bench.frame).toMatchObject({ flaw: 'ip.truncated', flawLayer: 'inner.ip', hasPpp: true, hasInner: false })
  })

  test('the other versions on the port', () => {
    const bench = new Bench()
    expect(bench.see(craft.datagram(craft.fromHex('c803 0014 00000000 0000 0000 8008 0000 0000 0001')))).toBe('l2tpv3')
    expect(bench.see(craft.datagram(craft.fromHex('0001 02 00 0003 0007 000c ff03')))).toBe('l2f')
    expect(bench.see(craft.datagram(craft.fromHex('c805 0014')))).toBe('flawed')
    expect(bench.frame).toMatchObject({ flaw: 'l2tp.version', flawLayer: 'l2tp' })
  })

  test.each([
    ['flawed', 115],
    ['esp', 50],
    ['ah', 51],
    ['foreign', 1],
    ['foreign', 6],
    ['foreign', 47],
  ] as const)('%s directly over IP (protocol %i), of either version', (verdict, protocol) => {
    const bench = new Bench()
    expect(bench.seeIp(craft.ipv4(new Uint8Array(8), { protocol }))).toBe(verdict)
    expect(bench.seeIp(craft.ipv6(new Uint8Array(8), { protocol, extensions: [craft.ipv6Extension(60)] }))).toBe(
      verdict,
    )
    expect(bench.frame.hasUdp).toBe(false)
  })

  test('the ports of IKE, in either direction', () => {
    const bench = new Bench()
    expect(bench.see(onPort(new Uint8Array(28), 500, 500))).toBe('ike')
    expect(bench.see(onPort(new Uint8Array(28), 40_000, 500))).toBe('ike')
    expect(bench.see(onPort(new Uint8Array(28), 4500, 40_000))).toBe('natt')
    expect(bench.see(onPort(new Uint8Array(28), 40_000, 40_001))).toBe('foreign')
    expect(bench.frame.hasUdp).toBe(true)
  })

  test('the control connection of PPTP, in either direction', () => {
    const bench = new Bench()
    for (const ports of [
      { sourcePort: 40_000, targetPort: 1723 },
      { sourcePort: 1723, targetPort: 40_000 },
    ]) {
      expect(bench.seeIp(craft.ipv4(craft.tcp(startRequest(), ports), { protocol: 6 }))).toBe('pptp')
      expect(bench.frame).toMatchObject({ flaw: null, hasUdp: false, hasPpp: false, sourcePort: 0 })
      expect(bench.frame.tcp).toMatchObject(
        ports.targetPort === 1723 ? { destinationPort: 1723 } : { sourcePort: 1723 },
      )
    }
    expect(bench.seeIp(craft.ipv4(craft.tcp(startRequest(), { targetPort: 1724 }), { protocol: 6 }))).toBe('foreign')
    const short = craft.tcp(new Uint8Array(0), { targetPort: 1723 }).subarray(0, 19)
    expect(bench.seeIp(craft.ipv4(short, { protocol: 6 }))).toBe('flawed')
    expect(bench.frame).toMatchObject({ flaw: 'tcp.truncated', flawLayer: 'tcp' })
  })

  test('a call of PPTP: PPP in enhanced GRE, and acknowledgements alone', () => {
    const bench = new Bench()
    expect(bench.seeIp(craft.ipv4(enhancedGre(PPP_IPV4, { callId: 7, sequence: 0 }), { protocol: 47 }))).toBe('gre')
    expect(bench.frame).toMatchObject({ flaw: null, hasPpp: true, hasInner: true, hasUdp: false })
    expect(bench.frame.gre).toMatchObject({ callId: 7, sequence: 0 })
    expect(bench.frame.inner).toMatchObject({ version: 4, protocol: 17 })
    const empty = enhancedGre(new Uint8Array(0), { callId: 7, acknowledgement: 3 })
    expect(bench.seeIp(craft.ipv4(empty, { protocol: 47 }))).toBe('gre')
    expect(bench.frame).toMatchObject({ flaw: null, hasPpp: false, hasInner: false })
    const other = enhancedGre(PPP_IPV4, { sequence: 0, protocol: 0x0800 })
    expect(bench.seeIp(craft.ipv4(other, { protocol: 47 }))).toBe('foreign')
    const longer = enhancedGre(LCP, { sequence: 0, payloadLength: 100 })
    expect(bench.seeIp(craft.ipv4(longer, { protocol: 47 }))).toBe('flawed')
    expect(bench.frame).toMatchObject({ flaw: 'gre.length', flawLayer: 'gre' })
  })

  test('PPPoE: both stages, and nothing of them where a session carries one of ours', () => {
    const bench = new Bench()
    expect(bench.see(discoveryFrame(0x09, [pppoeTag(0x0101, '')]))).toBe('pppoe')
    expect(bench.frame.pppoe).toMatchObject({ code: 9, sessionId: 0 })
    expect(bench.frame).toMatchObject({ flaw: null, hasPpp: false, hasInner: false })
    expect(bench.see(sessionFrame(17, LCP.subarray(2)))).toBe('pppoe')
    expect(bench.frame.pppoe).toMatchObject({ code: 0, sessionId: 17 })
    expect(bench.frame).toMatchObject({ flaw: null, hasPpp: true, hasInner: false })
    expect(bench.see(sessionFrame(17, PPP_IPV4.subarray(2)))).toBe('pppoe')
    expect(bench.frame).toMatchObject({ flaw: null, hasPpp: true, hasInner: true })
    const l2tp = craft.concat(craft.fromHex('0021'), craft.ipv4(craft.udp(craft.sccrq())))
    expect(bench.see(sessionFrame(17, l2tp))).toBe('l2tp')
    expect(bench.frame.link.pppoeAt).toBe(14)
  })

  test('broken PPPoE names its layer, and so does a session frame that ends before its PPP', () => {
    const bench = new Bench()
    expect(bench.see(craft.ethernet(craft.fromHex('1109 0000 00'), { type: 0x8863 }))).toBe('flawed')
    expect(bench.frame).toMatchObject({ flaw: 'pppoe.truncated', flawLayer: 'pppoe' })
    expect(bench.see(sessionFrame(17, new Uint8Array(0)))).toBe('flawed')
    expect(bench.frame).toMatchObject({ flaw: 'link.truncated', flawLayer: 'link' })
    expect(bench.see(sessionFrame(17, craft.fromHex('0021 4f00')))).toBe('flawed')
    expect(bench.frame).toMatchObject({ flaw: 'ip.truncated', flawLayer: 'ip' })
  })

  test('frames without IP', () => {
    expect(new Bench().see(craft.ethernet(craft.arp(), { type: 0x0806 }))).toBe('foreign')
  })

  test('flawed layers names the layer', () => {
    const bench = new Bench()
    expect(bench.see(craft.fromHex('0200'))).toBe('flawed')
    expect(bench.frame).toMatchObject({ flaw: 'link.truncated', flawLayer: 'link' })
    expect(bench.seeIp(craft.ipv4(new Uint8Array(0), { headerLength: 3 }))).toBe('flawed')
    expect(bench.frame).toMatchObject({ flaw: 'ip.header_length', flawLayer: 'ip' })
    expect(bench.seeIp(craft.ipv4(craft.fromHex('06a5')))).toBe('flawed')
    expect(bench.frame).toMatchObject({ flaw: 'udp.truncated', flawLayer: 'udp', hasUdp: false })
    expect(bench.see(craft.datagram(new Uint8Array(0), { length: 9 }))).toBe('flawed')
    expect(bench.frame).toMatchObject({ flaw: 'udp.length', flawLayer: 'udp', hasUdp: true })
    expect(bench.see(craft.datagram(new Uint8Array(0)))).toBe('flawed')
    expect(bench.frame).toMatchObject({ flaw: 'l2tp.truncated', flawLayer: 'l2tp' })
  })
})

test('a flaw does not outlive its packet', () => {
  const bench = new Bench()
  bench.see(craft.fromHex('02'))
  bench.see(craft.datagram(craft.hello()))
  expect(bench.frame).toMatchObject({ flaw: null, flawLayer: '' })
})

describe('ports', () => {
  test('the configuration names those of L2TP', () => {
    const bench = new Bench({}, [1702, 4500])
    expect(bench.see(onPort(craft.hello(), 40_000, 1702))).toBe('l2tp')
    expect(bench.see(onPort(craft.hello(), 4500, 40_000))).toBe('l2tp')
    expect(bench.see(onPort(craft.hello(), 1701, 1701))).toBe('foreign')
  })

  test('a learned port is heard from then on, in both directions', () => {
    const bench = new Bench()
    expect(bench.see(onPort(craft.hello(), 40_000, 40_001))).toBe('foreign')
    bench.dissector.learnPort(40_000)
    expect(bench.see(onPort(craft.hello(), 40_000, 40_001))).toBe('l2tp')
    expect(bench.see(onPort(craft.hello(), 40_001, 40_000))).toBe('l2tp')
  })

  test('on a learned port other programs may speak', () => {
    const bench = new Bench()
    bench.dissector.learnPort(53)
    expect(bench.see(onPort(craft.fromHex('1234 0100 0001 0000 0000 0000'), 40_000, 53))).toBe('foreign')
    expect(bench.see(onPort(craft.fromHex('0003 0001'), 40_000, 53))).toBe('foreign')
    expect(bench.see(onPort(craft.hello(), 40_000, 53))).toBe('l2tp')
  })

  test('between a learned port and 1701 a broken message is still one of L2TP', () => {
    const bench = new Bench()
    bench.dissector.learnPort(40_000)
    expect(bench.see(onPort(craft.fromHex('c805 0014'), 1701, 40_000))).toBe('flawed')
    expect(bench.see(onPort(craft.fromHex('0003 0001 0000'), 40_000, 1701))).toBe('flawed')
    expect(bench.frame).toMatchObject({ flaw: 'l2tpv3.truncated', flawLayer: 'l2tpv3' })
  })

  test('of version 3 that is set up by hand are learned from a message that speaks for itself', () => {
    const bench = new Bench()
    const inner = craft.ethernet(craft.ipv4(craft.udp(new Uint8Array(4))))
    const opaque = v3Data(craft.fromHex('00112233445566778899aabb'))
    expect(bench.see(onPort(opaque, 5000, 5000))).toBe('foreign')
    expect(bench.see(onPort(v3Data(inner, { sublayer: true }), 5000, 5000))).toBe('l2tpv3')
    expect(bench.frame).toMatchObject({ sourcePort: 5000, destinationPort: 5000, hasUdp: true })
    expect(bench.see(onPort(opaque, 5000, 5000))).toBe('l2tpv3')
    expect(bench.see(onPort(v3Data(inner, { flags: 0x0013 }), 5000, 5000))).toBe('foreign')
    expect(bench.see(onPort(v3Message(V3_MESSAGE.sccrq), 6000, 6000))).toBe('l2tpv3')
    expect(bench.see(onPort(v3Message(V3_MESSAGE.hello), 6000, 6000))).toBe('l2tpv3')
  })

  test('a packet without UDP has none', () => {
    const bench = new Bench()
    bench.see(onPort(craft.hello(), 40_000, 1701))
    expect(bench.seeIp(craft.ipv4(v3Data(new Uint8Array(20), { overIp: true }), { protocol: 115 }))).toBe('l2tpv3')
    expect(bench.frame).toMatchObject({ sourcePort: 0, destinationPort: 0, hasUdp: false })
    expect(bench.frame.l2tpv3).toMatchObject({ sessionId: 1, isOverIp: true, isControl: false })
  })

  test('the ports of IKE cannot be taken over', () => {
    const bench = new Bench()
    bench.dissector.learnPort(500)
    bench.dissector.learnPort(4500)
    bench.dissector.learnPort(40_000)
    expect(bench.see(onPort(craft.hello(), 40_000, 500))).toBe('ike')
    expect(bench.see(onPort(craft.hello(), 4500, 40_000))).toBe('natt')
    expect(bench.see(onPort(new Uint8Array(28), 500, 500))).toBe('ike')
  })
})

describe('a cut capture', () => {
  const whole = craft.datagram(craft.l2tpData(PPP_IPV4, { length: true }))

  test('gives a flaw, or a message whose layers end where the capture does', () => {
    const bench = new Bench()
    const verdicts = new Set<string>()
    for (let end = 1; end < whole.length; end++) {
      const verdict = bench.see(whole.subarray(0, end))
      verdicts.add(verdict)
      const { frame } = bench
      if (verdict === 'flawed') expect(frame.flaw).toMatch(/truncated$/)
      else {
        expect(verdict).toBe('l2tp')
        expect(frame.l2tp.payloadEnd).toBeLessThanOrEqual(end)
        if (frame.flaw !== null) expect(frame.flaw).toMatch(/^(ppp|ip)\.truncated$/)
        if (frame.hasInner) expect(frame.inner.isSnapped).toBe(true)
      }
    }
    expect([...verdicts].sort()).toEqual(['flawed', 'l2tp'])
  })
})

test('a message in fragments is read whole', () => {
  const bench = new Bench()
  const message = craft.udp(craft.l2tpData(PPP_IPV4, { tunnelId: 3, sessionId: 4 }))
  const [first, second] = craft.ipv4Fragments(message, 32)
  expect(bench.seeIp(first)).toBe('fragment')
  expect(bench.seeIp(second)).toBe('l2tp')
  expect(bench.frame.l2tp).toMatchObject({ tunnelId: 3, sessionId: 4 })
  expect(bench.frame.hasInner).toBe(true)
})

test('a packet of a PPTP call in fragments is read whole', () => {
  const bench = new Bench()
  const [first, second] = craft.ipv4Fragments(enhancedGre(PPP_IPV4, { sequence: 1 }), 32, { protocol: 47 })
  expect(bench.seeIp(first)).toBe('fragment')
  expect(bench.seeIp(second)).toBe('gre')
  expect(bench.frame.hasInner).toBe(true)
})

test('fragments of other protocols are let pass', () => {
  const bench = new Bench()
  for (const fragment of craft.ipv4Fragments(new Uint8Array(64), 32, { protocol: 6 }))
    expect(bench.seeIp(fragment)).toBe('foreign')
  expect(bench.defragmenter.size).toBe(0)
})

describe('a packet taken out of another', () => {
  const L2TP = craft.udp(craft.sccrq(), { sourcePort: 1701, targetPort: 1701 })
  const SHELL = craft.datagram(craft.fromHex('00000101 00000001 0102030405060708'), {
    sourcePort: 61_234,
    targetPort: 4500,
  })

  test('is read as if it had come alone, with the ports of the outermost UDP header', () => {
    const bench = new Bench()
    expect(bench.see(SHELL)).toBe('natt')
    const packet = craft.ipv4(L2TP, { source: '10.1.0.1', target: '10.1.0.2' })
    expect(bench.dissector.inside(bench.frame, packet, 0, packet.length)).toBe('l2tp')
    expect(bench.frame).toMatchObject({ sourcePort: 61_234, destinationPort: 4500, depth: 1, flaw: null })
    expect(bench.frame.udp).toMatchObject({ sourcePort: 1701, destinationPort: 1701 })
    expect(bench.frame.l2tp.isControl).toBe(true)
  })

  test('has the ports of its own UDP header where nothing around it had any', () => {
    const bench = new Bench()
    expect(bench.seeIp(craft.ipv4(craft.fromHex('00000101 00000001'), { protocol: 50 }))).toBe('esp')
    const packet = craft.ipv4(L2TP)
    expect(bench.dissector.inside(bench.frame, packet, 0, packet.length)).toBe('l2tp')
    expect(bench.frame).toMatchObject({ sourcePort: 1701, destinationPort: 1701 })
  })

  test('is an inner packet where it is nothing of ours, fragments included', () => {
    const bench = new Bench()
    bench.see(SHELL)
    for (const packet of [
      craft.ipv4(craft.fromHex('0050 c000 00000000 00000000 5002 0000 0000 0000'), { protocol: 6 }),
      craft.ipv4(L2TP, { moreFragments: true }),
    ]) {
      expect(bench.dissector.inside(bench.frame, packet, 0, packet.length)).toBe('inner')
      expect(bench.frame.hasInner).toBe(true)
      bench.frame.depth = 0
    }
  })

  test('may be flawed like any other, and lies only so deep', () => {
    const bench = new Bench()
    bench.see(SHELL)
    const packet = craft.ipv4(L2TP)
    expect(bench.dissector.inside(bench.frame, packet, 0, 19)).toBe('flawed')
    expect(bench.frame).toMatchObject({ flaw: 'ip.truncated', flawLayer: 'inner.ip' })
    for (let depth = bench.frame.depth; depth < 4; depth++)
      bench.dissector.inside(bench.frame, packet, 0, packet.length)
    expect(bench.dissector.inside(bench.frame, packet, 0, packet.length)).toBe('flawed')
    expect(bench.frame.flaw).toBe('ip.nested_too_deep')
    bench.see(SHELL)
    expect(bench.dissector.inside(bench.frame, packet, 0, packet.length)).toBe('l2tp')
  })
})

describe('IKE over TCP', () => {
  const frames = craft.concat(craft.be16(14), craft.be32(0xc0ffee01), craft.be32(1), craft.be32(7))
  const opening = craft.concat(craft.utf8('IKETCP'), frames)
  const segment = (payload: Uint8Array, sourcePort: number, targetPort: number, target = '198.51.100.1') => {
    const ends = { source: '192.0.2.1', target }
    return craft.ipv4(craft.tcp(payload, { ...ends, sourcePort, targetPort }), { ...ends, protocol: 6 })
  }

  test('is what port 4500 may carry, with its ports', () => {
    const bench = new Bench()
    expect(bench.seeIp(segment(frames, 40_000, 4500))).toBe('ike_tcp')
    expect(bench.frame).toMatchObject({ hasUdp: true, isInTcp: true, sourcePort: 40_000, destinationPort: 4500 })
    expect(bench.seeIp(segment(frames, 4500, 40_000))).toBe('ike_tcp')
    expect(bench.seeIp(segment(frames, 40_000, 443))).toBe('foreign')
    expect(bench.frame).toMatchObject({ hasUdp: false, isInTcp: false, sourcePort: 0 })
  })

  test('is known on any port by its prefix, then for that server only', () => {
    const bench = new Bench()
    expect(bench.seeIp(segment(frames, 40_000, 443))).toBe('foreign')
    expect(bench.seeIp(segment(opening, 40_000, 443))).toBe('ike_tcp')
    expect(bench.seeIp(segment(frames, 40_001, 443))).toBe('ike_tcp')
    expect(bench.seeIp(segment(frames, 40_001, 443, '198.51.100.2'))).toBe('foreign')
  })

  test('is nothing that is cut in its header', () => {
    const bench = new Bench()
    const bytes = segment(opening, 40_000, 4500)
    for (let end = 20; end < 40; end++) {
      const cut = bytes.slice(0, end)
      cut[3] = end
      expect(bench.seeIp(cut)).not.toBe('ike_tcp')
    }
  })
})
