/** Frames that were copied to the sensor inside IP packets: they are read as if they had come alone. */
import { describe, expect, test } from 'vitest'
import { Describer } from '../../src/dissect/layers.ts'
import * as craft from '../support/craft.ts'
import { discoveryFrame, pppoeTag, sessionFrame } from '../support/pppoe.ts'
import { Bench } from '../dissect/support.ts'

const GRE = 47
const gre = (head: string, payload: Uint8Array) =>
  craft.ethernet(craft.ipv4(craft.concat(craft.fromHex(head), payload), { protocol: GRE }))
const udp = (targetPort: number, head: string, payload: Uint8Array) =>
  craft.ethernet(
    craft.ipv4(craft.udp(craft.concat(craft.fromHex(head), payload), { sourcePort: 50_000, targetPort }), {
      protocol: craft.IP_PROTOCOL.udp,
    }),
  )

const ends = { source: '10.0.0.1', target: '10.0.0.2' }
const PACKET = craft.ipv4(craft.udp(craft.sccrq(), { sourcePort: 1701, targetPort: 1701, ...ends }), {
  protocol: craft.IP_PROTOCOL.udp,
  ...ends,
})
const FRAME = craft.ethernet(PACKET)

/** Each around an Ethernet frame, but for those that say IP. */
const CARRIERS: Readonly<
  Record<string, readonly [around: (frame: Uint8Array) => Uint8Array, mirrored: Uint8Array, layers: object]>
> = {
  'GRE with Ethernet': [(frame) => gre('0000 6558', frame), FRAME, { layer: 'gre' }],
  'GRE with a key and IP': [(frame) => gre('2000 0800 0000002a', frame), PACKET, { layer: 'gre', key: 42 }],
  'ERSPAN type I': [(frame) => gre('0000 88be', frame), FRAME, { layer: 'erspan' }],
  'ERSPAN type II': [
    (frame) => gre('1000 88be 00000001 102a 0007 00000000', frame),
    FRAME,
    { layer: 'erspan', version: 1, vlan: 42, session: 7 },
  ],
  'ERSPAN type III': [
    (frame) => gre('1000 22eb 00000001 202a 0007 00000000 0000 0000', frame),
    FRAME,
    { layer: 'erspan', version: 2, vlan: 42, session: 7 },
  ],
  'ERSPAN type III with a subheader': [
    (frame) => gre('1000 22eb 00000001 202a 0007 00000000 0000 0001 0000000000000000', frame),
    FRAME,
    { layer: 'erspan' },
  ],
  'ERSPAN type III with IP': [
    (frame) => gre('1000 22eb 00000001 202a 0007 00000000 0000 0800', frame),
    PACKET,
    { layer: 'erspan' },
  ],
  VXLAN: [(frame) => udp(4789, '08000000 00002a00', frame), FRAME, { layer: 'vxlan', vni: 42 }],
  'Geneve with options': [
    (frame) => udp(6081, '0100 6558 00002a00 00000000', frame),
    FRAME,
    { layer: 'geneve', protocol: 0x6558, vni: 42 },
  ],
  TZSP: [(frame) => udp(37_008, '01 00 0001 00 0a 01 ff 01', frame), FRAME, { layer: 'tzsp' }],
}

const LAYERS = {
  l2tpPorts: [1701],
  secrets: [],
  linksMax: 8,
  fragments: { datagramsMax: 8, piecesMax: 16, timeoutSeconds: 30 },
}

describe.each(Object.entries(CARRIERS))('%s', (_, [around, mirrored, layer]) => {
  const whole = around(mirrored)

  test('is left for what it carries', () => {
    const bench = new Bench()
    expect(bench.see(whole)).toBe('l2tp')
    const { ip, hasUdp, sourcePort, depth, l2tp } = bench.frame
    expect({ hasUdp, sourcePort, depth, isControl: l2tp.isControl }).toEqual({
      hasUdp: true,
      sourcePort: 1701,
      depth: 0,
      isControl: true,
    })
    expect([...ip.bytes.subarray(ip.sourceAt, ip.sourceAt + 4)]).toEqual([10, 0, 0, 1])
  })

  test('is described, and what it carries', () => {
    const { layers } = new Describer(LAYERS).describe({
      bytes: whole,
      start: 0,
      end: whole.length,
      timeUs: 0,
      originalLength: whole.length,
      number: 1,
      linkType: 1,
      interfaceId: 0,
    })
    expect(layers).toContainEqual(expect.objectContaining(layer))
    expect(layers.at(-1)).toMatchObject({ layer: 'l2tp' })
  })

  test('cut anywhere is no error of the sensor', () => {
    for (let length = 0; length < whole.length; length++) new Bench().see(whole.subarray(0, length))
  })
})

test('a copy is copied twice at most', () => {
  const [vxlan] = CARRIERS['VXLAN']
  expect(new Bench().see(vxlan(vxlan(FRAME)))).toBe('l2tp')
  expect(new Bench().see(vxlan(vxlan(vxlan(FRAME))))).toBe('foreign')
})

test('what is inside a tunnel is a flow of it, whatever it carries', () => {
  const [vxlan] = CARRIERS['VXLAN']
  const inner = vxlan(FRAME).subarray(14)
  const bench = new Bench()
  bench.see(craft.datagram(craft.sccrq()))
  expect(bench.dissector.inside(bench.frame, inner, 0, inner.length)).toBe('inner')
})

test.each(['VXLAN', 'GRE with a key and IP'])('%s inside a PPPoE session is a flow of it', (name) => {
  const [around, mirrored] = CARRIERS[name]
  const bench = new Bench()
  expect(bench.see(sessionFrame(0x17, craft.ppp(craft.PPP.ipv4, around(mirrored).subarray(14))))).toBe('pppoe')
  expect(bench.frame.hasInner).toBe(true)
})

test('mirrored PPPoE is PPPoE', () => {
  const [erspan] = CARRIERS['ERSPAN type II']
  const discovery = discoveryFrame(0x09, [pppoeTag(0x0101, '')])
  expect(new Bench().see(erspan(discovery))).toBe(new Bench().see(discovery))
  expect(new Bench().see(discovery)).toBe('pppoe')
})

test.each<[says: string, whole: Uint8Array]>([
  ['VXLAN without its flag', udp(4789, '00000000 00002a00', FRAME)],
  ['Geneve of another version', udp(6081, '4000 6558 00002a00', FRAME)],
  ['Geneve with neither Ethernet nor IP', udp(6081, '0000 8847 00002a00', FRAME)],
  ['TZSP that holds no Ethernet', udp(37_008, '01 00 0012 01', FRAME)],
  ['TZSP whose tags do not end', udp(37_008, '01 00 0001 0a 01', new Uint8Array(3))],
  ['a mirrored frame that breaks off', udp(4789, '08000000 00002a00', FRAME.subarray(0, 10))],
  ['nothing mirrored', udp(4789, '08000000 00002a00', new Uint8Array(0))],
])('%s is none of ours', (_, whole) => {
  expect(new Bench().see(whole)).toBe('foreign')
})
