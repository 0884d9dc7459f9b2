/**
 * What the kernel hands over. Its filter must let everything pass that the dissector reads, and little else: both are looked
 * at by running it.
 */
import { spawnSync } from 'node:child_process'
import { existsSync, readdirSync } from 'node:fs'
import { join, resolve } from 'node:path'
import { describe, expect, test } from 'vitest'
import { familyExpression, familyFilter, LEARNED_PORTS_MAX } from '../../../src/capture/live/family-filter.ts'
import { openCapture, type Source } from '../../../src/capture/sources.ts'
import { Bench } from '../../dissect/support.ts'
import { decodeProgram, parseProgram, runProgram } from '../../support/bpf.ts'
import * as craft from '../../support/craft.ts'
import { sessionFrame } from '../../support/pppoe.ts'

const KEPT = 65_535
const compile = (isEthernet: boolean, udp = [1701], tcp: number[] = []) =>
  decodeProgram(familyFilter(isEthernet, { udp, tcp }, KEPT))
const FILTER = compile(true)
const BARE = compile(false)

const L2TP = craft.udp(craft.sccrq(), { sourcePort: 1701, targetPort: 1701 })
const DNS = craft.udp(Uint8Array.of(1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12), { sourcePort: 5353, targetPort: 53 })
const { udp: UDP, tcp: TCP } = craft.IP_PROTOCOL
const udp = (sourcePort: number, targetPort: number, payload: Uint8Array = new Uint8Array(12)) =>
  craft.ipv4(craft.udp(payload, { sourcePort, targetPort }), { protocol: UDP })
const tcp = (sourcePort: number, targetPort: number, payload: Uint8Array = new Uint8Array(12)) =>
  craft.ipv4(craft.tcp(payload, { sourcePort, targetPort }), { protocol: TCP })
const ip4 = (protocol: number) => craft.ipv4(new Uint8Array(20), { protocol })
const ip6 = (protocol: number, payload: Uint8Array = new Uint8Array(20)) => craft.ipv6(payload, { protocol })

/** IP packets, and whether they may pass. */
const PACKETS: readonly [says: string, packet: Uint8Array, passes: boolean][] = [
  ['L2TP', craft.ipv4(L2TP, { protocol: UDP }), true],
  ['L2TP from its port to another', udp(1701, 40_000), true],
  ['L2TP to its port from another', udp(40_000, 1701), true],
  ['IKE', udp(500, 500), true],
  ['NAT traversal', udp(40_000, 4500), true],
  ['other UDP', udp(5353, 53), false],
  ['UDP that ends behind the port of L2TP', craft.ipv4(Uint8Array.of(6, 165), { protocol: UDP }), true],
  ['UDP on other ports that ends behind its header', udp(40_000, 40_001, new Uint8Array(0)), false],
  ['a control message of L2TPv2 on other ports', udp(40_000, 40_001, craft.sccrp()), true],
  ['a control message of L2TPv3 on other ports', udp(40_000, 40_001, Uint8Array.of(0xc8, 3, 0, 12, 0, 0)), true],
  ['data of L2TPv3 on other ports', udp(40_000, 40_001, Uint8Array.of(0, 3, 0, 0, 1, 2, 3, 4)), true],
  ['what only begins like it', udp(40_000, 40_001, Uint8Array.of(0, 3, 0, 1, 1, 2, 3, 4)), false],
  ['behind IPv4 options', craft.ipv4(L2TP, { protocol: UDP, options: new Uint8Array(40) }), true],
  ['other UDP behind IPv4 options', craft.ipv4(DNS, { protocol: UDP, options: new Uint8Array(8) }), false],
  ['ESP', ip4(50), true],
  ['AH', ip4(51), true],
  ['L2TPv3 over IP', ip4(115), true],
  ['ICMP', ip4(1), false],
  ['a call of PPTP', craft.ipv4(Uint8Array.of(0x30, 1, 0x88, 0x0b, 0, 0, 0, 0), { protocol: 47 }), true],
  ['ERSPAN', craft.ipv4(Uint8Array.of(0x10, 0, 0x88, 0xbe, 0, 0, 0, 0), { protocol: 47 }), true],
  ['other GRE', craft.ipv4(Uint8Array.of(0, 0, 0x88, 0x47, 0, 0, 0, 0), { protocol: 47 }), false],
  ['VXLAN', udp(40_000, 4789), true],
  ['what comes from the port of VXLAN', udp(4789, 40_000), false],
  ['Geneve', udp(40_000, 6081), true],
  ['TZSP', udp(40_000, 37_008), true],
  ['PPTP', tcp(40_000, 1723), true],
  ['PPTP from the server', tcp(1723, 40_000), true],
  ['IKE in TCP', tcp(4500, 40_000), true],
  ['IKE in TCP on another port, as it begins', tcp(40_000, 8443, craft.utf8('IKETCP....')), true],
  ['the web', tcp(40_000, 443), false],
  ['TCP without payload', tcp(40_000, 443, new Uint8Array(0)), false],
  ['a first fragment of UDP on other ports', craft.ipv4(DNS, { protocol: UDP, moreFragments: true }), true],
  ['a later fragment of UDP', craft.ipv4(new Uint8Array(16), { protocol: UDP, fragmentOffset: 64 }), true],
  ['a later fragment of ESP', craft.ipv4(new Uint8Array(16), { protocol: 50, fragmentOffset: 64 }), true],
  ['a fragment of TCP', craft.ipv4(new Uint8Array(16), { protocol: TCP, fragmentOffset: 64 }), false],
  ['L2TP on IPv6', ip6(UDP, L2TP), true],
  ['other UDP on IPv6', ip6(UDP, DNS), false],
  ['ESP on IPv6', ip6(50), true],
  ['PPTP on IPv6', ip6(TCP, craft.tcp(new Uint8Array(4), { sourcePort: 4, targetPort: 1723 })), true],
  ['ICMPv6', ip6(58), false],
  ['a fragment of UDP on IPv6', ip6(44, Uint8Array.of(UDP, 0, 0, 9, 0, 0, 0, 1, 1, 2)), true],
  ['a fragment of TCP on IPv6', ip6(44, Uint8Array.of(TCP, 0, 0, 9, 0, 0, 0, 1, 1, 2)), false],
  ['behind an extension header of IPv6', ip6(60), true],
]

const tag = (type: number, id: number, rest: Uint8Array) => craft.concat(craft.be16(type), craft.be16(id), rest)
const typed = (type: number, rest: Uint8Array) => craft.concat(craft.be16(type), rest)
const STATIONS = new Uint8Array(12).fill(2)
const frame = (rest: Uint8Array) => craft.concat(STATIONS, rest)
const etherTypeOf = (packet: Uint8Array) => (packet[0] >> 4 === 4 ? 0x0800 : 0x86dd)
const label = (value: number, bottom: number) => craft.be32(value * 4096 + bottom * 256 + 64)

/** What a frame may have around an IP packet. */
const LINKS: readonly [says: string, around: (packet: Uint8Array) => Uint8Array][] = [
  ['Ethernet', (packet) => frame(typed(etherTypeOf(packet), packet))],
  ['a VLAN', (packet) => frame(tag(0x8100, 5, typed(etherTypeOf(packet), packet)))],
  ['QinQ', (packet) => frame(tag(0x88a8, 5, tag(0x8100, 6, typed(etherTypeOf(packet), packet))))],
  ['three tags', (packet) => frame(tag(0x9100, 5, tag(0x8100, 6, tag(0x8100, 7, typed(etherTypeOf(packet), packet)))))],
  ['MPLS', (packet) => frame(typed(0x8847, craft.concat(label(16, 1), packet)))],
  ['three labels', (packet) => frame(typed(0x8848, craft.concat(label(16, 0), label(17, 0), label(18, 1), packet)))],
  [
    'SNAP',
    (packet) =>
      frame(
        craft.concat(craft.be16(packet.length + 8), craft.fromHex('aaaa03000000'), typed(etherTypeOf(packet), packet)),
      ),
  ],
]

describe.each(LINKS)('in %s', (_, around) => {
  test.each(PACKETS)('%s', (_, packet, passes) => {
    expect(runProgram(FILTER, around(packet))).toBe(passes ? KEPT : 0)
  })
})

test.each(PACKETS)('on an interface without link headers: %s', (_, packet, passes) => {
  expect(runProgram(BARE, packet)).toBe(passes ? KEPT : 0)
})

describe('frames', () => {
  test.each<[says: string, rest: Uint8Array, passes: boolean]>([
    ['PPPoE discovery', typed(0x8863, Uint8Array.of(0x11, 9, 0, 0, 0, 0)), true],
    ['a PPPoE session', sessionFrame(1, Uint8Array.of(0xc0, 0x21, 1, 1, 0, 4)).subarray(12), true],
    ['PPPoE in a VLAN', tag(0x8100, 5, typed(0x8864, new Uint8Array(8))), true],
    ['ARP', typed(0x0806, new Uint8Array(28)), false],
    ['spanning tree', typed(38, craft.fromHex('424203000000')), false],
    ['a pseudowire in MPLS', typed(0x8847, craft.concat(label(16, 1), new Uint8Array(24))), true],
    [
      'more tags than the filter follows',
      tag(0x8100, 1, tag(0x8100, 2, tag(0x8100, 3, tag(0x8100, 4, typed(0x0806, new Uint8Array(28)))))),
      true,
    ],
    [
      'more labels than the filter follows',
      typed(0x8847, craft.concat(...Array<Uint8Array>(5).fill(label(16, 0)), DNS)),
      true,
    ],
    ['an EtherType and no more', typed(0x0800, new Uint8Array(0)), false],
  ])('%s', (_, rest, passes) => {
    expect(runProgram(FILTER, frame(rest))).toBe(passes ? KEPT : 0)
  })

  test('cut anywhere they are refused or pass, and nothing else happens', () => {
    for (const [, around] of LINKS) {
      const whole = around(PACKETS[0][1])
      for (let length = 0; length < whole.length; length++) {
        expect([0, KEPT]).toContain(runProgram(FILTER, whole.subarray(0, length)))
      }
    }
  })
})

describe('learned ports', () => {
  test('pass, in both directions', () => {
    const filter = compile(true, [1701, 40_000], [8443])
    const ethernet = LINKS[0][1]
    for (const packet of [udp(40_000, 9), udp(9, 40_000), tcp(8443, 9), tcp(9, 8443)]) {
      expect(runProgram(FILTER, ethernet(packet))).toBe(0)
      expect(runProgram(filter, ethernet(packet))).toBe(KEPT)
    }
    expect(runProgram(filter, ethernet(tcp(40_000, 9)))).toBe(0)
    expect(runProgram(filter, ethernet(udp(8443, 9)))).toBe(0)
  })

  test('of any number pass; beyond a bound all of the protocol does', () => {
    const ports = Array.from({ length: LEARNED_PORTS_MAX - 2 }, (_, i) => 20_000 + i)
    const most = compile(true, ports, ports)
    const ethernet = LINKS[0][1]
    for (const port of [ports[0], ports[ports.length - 1]]) {
      expect(runProgram(most, ethernet(udp(9, port)))).toBe(KEPT)
      expect(runProgram(most, ethernet(tcp(port, 9)))).toBe(KEPT)
    }
    expect(runProgram(most, ethernet(udp(9, 53)))).toBe(0)
    const beyond = compile(true, [...ports, 1], [...ports, 1])
    expect(runProgram(beyond, ethernet(udp(9, 53)))).toBe(KEPT)
    expect(runProgram(beyond, ethernet(tcp(9, 443)))).toBe(KEPT)
    expect(runProgram(beyond, ethernet(ip4(1)))).toBe(0)
  })
})

const FOLDERS = [
  resolve(import.meta.dirname, '../../../pcaps'),
  resolve(process.env['BORESCOPE_CAPTURES'] ?? join(import.meta.dirname, '../../../../shared/captures')),
]
if (!existsSync(FOLDERS[1])) {
  process.stderr.write(
    `\nSKIPPED in part test/capture/live/family-filter.test.ts: no captures at ${FOLDERS[1]}; set BORESCOPE_CAPTURES to a folder of them\n\n`,
  )
}
const CAPTURES = FOLDERS.filter(existsSync).flatMap((folder) =>
  readdirSync(folder, { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile() && /\.(pcap|pcapng|cap|pcap\.gz)$/.test(entry.name))
    .map((entry) => join(entry.parentPath, entry.name)),
)

const opened = async (path: string): Promise<Source | null> => openCapture(path).catch(() => null)
const LINKTYPE_ETHERNET = 1

/** Every whole frame of Ethernet of all captures. */
async function eachFrame(see: (bytes: Uint8Array, timeUs: number, where: string) => void): Promise<void> {
  const { frame: packet } = new Bench()
  for (const path of CAPTURES) {
    const source = await opened(path)
    if (source === null) continue
    while (await source.fill()) {
      while (source.next(packet)) {
        const { bytes, start, end, linkType, originalLength, timeUs } = packet
        if (linkType !== LINKTYPE_ETHERNET || end - start < originalLength) continue
        see(bytes.subarray(start, end), timeUs, `${path} ${packet.number}`)
      }
    }
    await source.close()
  }
}

describe('on every capture there is', () => {
  test('it lets pass what the dissector reads', async () => {
    const refused: string[] = []
    let bench = new Bench()
    let capture = ''
    let filter = FILTER
    let ports = 0
    let frames = 0
    await eachFrame((bytes, timeUs, where) => {
      frames++
      const [path] = where.split(' ')
      if (path !== capture) {
        capture = path
        bench = new Bench()
        filter = FILTER
        ports = 0
      }
      const passes = runProgram(filter, bytes) > 0
      const verdict = bench.see(bytes, timeUs)
      const { learned } = bench.dissector
      if (learned.udp.length + learned.tcp.length > ports) {
        ports = learned.udp.length + learned.tcp.length
        filter = compile(true, [1701, ...learned.udp], learned.tcp)
      }
      // A header that cannot be read names no protocol.
      const isHeadless = verdict === 'flawed' && ['link', 'ip', 'udp', 'tcp'].includes(bench.frame.flawLayer)
      if (!passes && verdict !== 'foreign' && !isHeadless) refused.push(`${where}: ${verdict}`)
    })
    expect(frames).toBeGreaterThan(1000)
    expect(refused).toEqual([])
  })

  const EXPRESSION =
    '(udp port 500 or udp port 4500 or udp port 1701 or tcp port 1723 or tcp port 4500 or ip proto 50 or ip proto 51 or ip proto 115 or pppoed or pppoes)'
  const compiled = spawnSync('tcpdump', ['-ddd', '-y', 'EN10MB', EXPRESSION], { encoding: 'utf8' })
  const hasTcpdump = compiled.status === 0
  if (!hasTcpdump) {
    process.stderr.write(
      '\nSKIPPED a test of test/capture/live/family-filter.test.ts: tcpdump compiles no filter here\n\n',
    )
  }
  test.skipIf(!hasTcpdump)('it lets pass what tcpdump does for the same protocols, by its own filter', async () => {
    const theirs = parseProgram(compiled.stdout)
    const refused: string[] = []
    let both = 0
    await eachFrame((bytes, _, where) => {
      if (runProgram(theirs, bytes) === 0) return
      both++
      if (runProgram(FILTER, bytes) === 0) refused.push(where)
    })
    expect(both).toBeGreaterThan(1000)
    expect(refused).toEqual([])
  })

  test.skipIf(!hasTcpdump)(
    'the expression for those that take no filter of ours lets all of that pass, too',
    async () => {
      const { stdout } = spawnSync('tcpdump', ['-ddd', '-y', 'EN10MB', familyExpression()], { encoding: 'utf8' })
      const theirs = parseProgram(stdout)
      const refused: string[] = []
      await eachFrame((bytes, _, where) => {
        if (runProgram(FILTER, bytes) > 0 && runProgram(theirs, bytes) === 0) refused.push(where)
      })
      expect(refused).toEqual([])
    },
  )
})
