/** Which ring a packet goes to: the program is run as the kernel runs it. */
import { describe, expect, test } from 'vitest'
import { ANCILLARY } from '../../../src/capture/live/bpf.ts'
import { spreadProgram } from '../../../src/capture/live/spread.ts'
import { decodeProgram, runProgram } from '../../support/bpf.ts'
import * as craft from '../../support/craft.ts'

const RINGS = 4
const PROGRAM = decodeProgram(spreadProgram(RINGS, [1701, 41_000]))
const { udp: UDP, esp: ESP } = { udp: craft.IP_PROTOCOL.udp, esp: 50 }
const L2TP = 115
const OUTGOING = 4

const inIpv4 = (protocol: number, payload: Uint8Array) => craft.ipv4(payload, { protocol })
const inUdp = (payload: Uint8Array, sourcePort = 1701, targetPort = 1701) =>
  inIpv4(UDP, craft.udp(payload, { sourcePort, targetPort }))
const ipInPpp = craft.ppp(craft.PPP.ipv4, new Uint8Array(40))
const data = (tunnelId: number, sessionId: number, payload = ipInPpp, more = {}) =>
  craft.l2tpData(payload, { tunnelId, sessionId, ...more })
const spi = (value: number) => Uint8Array.of(value >> 24, value >> 16, value >> 8, value, ...new Uint8Array(40))

/** What comes in begins with its header of IP. */
function ringOf(packet: Uint8Array, etherType = packet[0] >> 4 === 4 ? 0x0800 : 0x86dd, program = PROGRAM): number {
  return runProgram(program, packet, { [ANCILLARY.PACKET_TYPE]: 0, [ANCILLARY.PROTOCOL]: etherType })
}

describe('the first ring gets', () => {
  test.each<[string, Uint8Array]>([
    ['a control message of L2TP', inUdp(craft.sccrq())],
    ['one of L2TPv3 over UDP', inUdp(Uint8Array.of(0xc8, 3, 0, 12, 0, 0, 0, 0, 0, 0, 0, 0))],
    ['one of L2TPv3 over IP', inIpv4(L2TP, new Uint8Array(20))],
    ['IKE', inUdp(new Uint8Array(40), 500, 500)],
    ['IKE behind NAT', inUdp(spi(0), 4500, 4500)],
    ['a keepalive', inUdp(Uint8Array.of(0xff), 4500, 4500)],
    ['a first fragment', craft.ipv4(new Uint8Array(40), { protocol: UDP, moreFragments: true })],
    ['other protocols', inIpv4(6, new Uint8Array(40))],
    ['other ports', inUdp(data(1, 2), 5353, 53)],
    ['what negotiates in PPP', inUdp(data(7, 9, craft.ppp(0xc021, Uint8Array.of(1, 1, 0, 4))))],
    ['data that is cut', inUdp(data(7, 9)).subarray(0, 32)],
    ['what is no IP at all', new Uint8Array(0)],
  ])('%s', (_, packet) => {
    expect(ringOf(packet)).toBe(0)
  })
})

describe('the others share', () => {
  const ringsOf = (packets: readonly Uint8Array[]) => new Set(packets.map((packet) => ringOf(packet)))
  const many = Array.from({ length: 64 }, (_, i) => i)
  const cases: Record<string, readonly Uint8Array[]> = {
    'one tunnel by its sessions': many.map((i) => inUdp(data(7, i + 1))),
    'tunnels with a session each': many.map((i) => inUdp(data(i + 1, 1))),
    'numbered data': many.map((i) => inUdp(data(7, i + 1, ipInPpp, { ns: 5 }))),
    'data of L2TPv3 over IP': many.map((i) => inIpv4(L2TP, spi(i + 1))),
    'ESP by its SPI': many.map((i) => inIpv4(ESP, spi(0xc000_0000 + i))),
    'ESP behind NAT': many.map((i) => inUdp(spi(0xc000_0000 + i), 40_000, 4500)),
    'data on a port that was learned': many.map((i) => inUdp(data(7, i + 1), 40_000, 41_000)),
    'data over IPv6': many.map((i) =>
      craft.ipv6(craft.udp(data(7, i + 1), { sourcePort: 1701, targetPort: 1701 }), { protocol: UDP }),
    ),
  }
  for (const [says, packets] of Object.entries(cases)) {
    test(says, () => {
      expect([...ringsOf(packets)].sort()).toEqual([1, 2, 3])
    })
  }

  test('and with two rings there is one for data', () => {
    const program = decodeProgram(spreadProgram(2, [1701]))
    for (const i of many) expect(ringOf(inUdp(data(7, i + 1)), 0x0800, program)).toBe(1)
    expect(ringOf(inUdp(craft.sccrq()), 0x0800, program)).toBe(0)
  })
})

test('what a session carries stays together, however its header and the PPP inside are written', () => {
  const payloads = [ipInPpp, craft.ppp(craft.PPP.ipv4, new Uint8Array(900)), Uint8Array.of(0x21, ...new Uint8Array(40))]
  const headers = [{}, { ns: 1 }, { ns: 2, length: true }, { length: true }, { offset: 2 }, { offset: 2, length: true }]
  const rings = payloads.flatMap((payload) => headers.map((header) => ringOf(inUdp(data(7, 9, payload, header)))))
  expect(new Set(rings).size).toBe(1)
  expect(rings[0]).toBeGreaterThan(0)
})

test('a packet is found behind a tag, behind options, and on its way out', () => {
  const plain = inUdp(data(7, 9))
  const ring = ringOf(plain)
  expect(ring).toBeGreaterThan(0)
  expect(ringOf(Uint8Array.of(0, 5, 8, 0, ...plain), 0x8100)).toBe(ring)
  const udp = craft.udp(data(7, 9), { sourcePort: 1701, targetPort: 1701 })
  expect(ringOf(craft.ipv4(udp, { protocol: UDP, options: new Uint8Array(8) }))).toBe(ring)
  const outgoing = { [ANCILLARY.PACKET_TYPE]: OUTGOING, [ANCILLARY.PROTOCOL]: 0x0800 }
  expect(runProgram(PROGRAM, craft.ethernet(plain), outgoing)).toBe(ring)
})
