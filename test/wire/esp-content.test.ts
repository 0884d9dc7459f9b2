import { describe, expect, test } from 'vitest'
import { CONTRADICTION, evidenceOf } from '../../src/wire/esp-content.ts'
import { IpView } from '../../src/wire/ip.ts'
import { concat, fromHex, hello, icmp, icmpv6, ipv4, ipv6, l2tpData, lcp, tcp, udp } from '../support/craft.ts'
import { inWindow } from '../support/window.ts'

const OUTSIDE = ipv4(new Uint8Array(8))
const OUTSIDE6 = ipv6(new Uint8Array(8))

function weigh(nextHeader: number, content: Uint8Array, outside: Uint8Array | null = OUTSIDE): number {
  const ip = new IpView()
  if (outside !== null) expect(ip.decode(outside, 0, outside.length)).toBeNull()
  const { among, elsewhere } = inWindow(content, (bytes, start, end) =>
    evidenceOf(nextHeader, bytes, start, end, outside === null ? null : ip),
  )
  expect(elsewhere).toBe(among)
  return among
}

/** UDP to port 1701 with an L2TP message. */
const CONTROL = udp(hello())
const PLAIN = udp(new Uint8Array(9), { sourcePort: 53, targetPort: 1024 })

describe('evidenceOf', () => {
  test('adds up what UDP and L2TP say of themselves', () => {
    expect(weigh(17, PLAIN)).toBe(32)
    expect(weigh(17, udp(new Uint8Array(9), { sourcePort: 53, targetPort: 1024, checksum: 'bad' }))).toBe(16)
    expect(weigh(17, udp(new Uint8Array(9), { sourcePort: 53, targetPort: 1024, checksum: 'zero' }))).toBe(16)
    expect(weigh(17, PLAIN, null)).toBe(16)
    expect(weigh(17, concat(PLAIN, new Uint8Array(20)))).toBe(18)
    expect(weigh(17, CONTROL)).toBe(32 + 12 + 31)
    expect(weigh(17, udp(l2tpData(lcp(9, 1))))).toBe(32 + 12 + 9)
    expect(weigh(17, udp(fromHex('ffffffffffff')))).toBe(32 + 12)
  })

  test('a checksum made with the addresses inside a translator of addresses proves nothing', () => {
    expect(weigh(17, udp(hello(), { source: '10.0.0.1' }))).toBe(16 + 12 + 31)
  })

  test('weighs the checksums and lengths of other protocols', () => {
    expect(weigh(6, tcp(fromHex('0102')))).toBe(20)
    expect(weigh(6, tcp(fromHex('0102'), { checksum: 'bad' }))).toBe(4)
    expect(weigh(1, icmp(fromHex('0102')))).toBe(16)
    expect(weigh(58, icmpv6(fromHex('0102')), OUTSIDE6)).toBe(16)
    expect(weigh(4, ipv4(CONTROL))).toBe(40)
    expect(weigh(4, concat(ipv4(CONTROL), new Uint8Array(99)))).toBe(26)
    expect(weigh(41, ipv6(CONTROL))).toBe(20)
    expect(weigh(41, concat(ipv6(CONTROL), new Uint8Array(99)))).toBe(6)
    expect(weigh(47, fromHex('20000800 00000001 45'))).toBe(8)
    expect(weigh(89, fromHex('0201002c 01010101 00000000 00000000 0000000000000000').subarray(0, 44))).toBe(
      CONTRADICTION,
    )
    expect(weigh(89, concat(fromHex('0201002c'), new Uint8Array(40)))).toBe(28)
    expect(weigh(89, concat(fromHex('03010024'), new Uint8Array(32)))).toBe(28)
    expect(weigh(51, concat(fromHex('11040000'), new Uint8Array(20)))).toBe(16)
    expect(weigh(50, fromHex('c0ffee01 00000001 0000'))).toBe(0)
    expect(weigh(115, fromHex('00'))).toBe(0)
  })

  test('contradicts what cannot be', () => {
    expect(weigh(17, fromHex('06a506a5 0007 0000'))).toBe(CONTRADICTION)
    expect(weigh(17, fromHex('06a506a5 0009 0000'))).toBe(CONTRADICTION)
    expect(weigh(6, tcp(new Uint8Array(0), { headerLength: 4 }))).toBe(CONTRADICTION)
    expect(weigh(6, tcp(new Uint8Array(0), { headerLength: 6 }))).toBe(CONTRADICTION)
    expect(weigh(1, icmp(fromHex('01'), { checksum: 'bad' }))).toBe(CONTRADICTION)
    expect(weigh(58, icmpv6(fromHex('01')), OUTSIDE)).toBe(CONTRADICTION)
    expect(weigh(4, ipv6(PLAIN))).toBe(CONTRADICTION)
    expect(weigh(4, ipv4(PLAIN).fill(0, 8, 9))).toBe(CONTRADICTION)
    expect(weigh(41, ipv4(PLAIN))).toBe(CONTRADICTION)
    expect(weigh(47, fromHex('ffff0800'))).toBe(CONTRADICTION)
    expect(weigh(50, fromHex('000000ff 00000001 0000'))).toBe(CONTRADICTION)
    expect(weigh(51, fromHex('1100000000000000 0000000000000000'))).toBe(CONTRADICTION)
  })

  test('reads no octet beyond any cut', () => {
    const contents: readonly (readonly [number, Uint8Array])[] = [
      [17, CONTROL],
      [6, tcp(fromHex('0102'))],
      [1, icmp(fromHex('0102'))],
      [58, icmpv6(fromHex('0102'))],
      [4, ipv4(PLAIN)],
      [41, ipv6(PLAIN)],
      [47, fromHex('20000800 00000001 45')],
      [50, fromHex('c0ffee01 00000001 0000')],
      [51, concat(fromHex('11040000'), new Uint8Array(20))],
      [89, concat(fromHex('0201002c'), new Uint8Array(40))],
    ]
    for (const [nextHeader, content] of contents)
      for (let length = 0; length < content.length; length++) weigh(nextHeader, content.subarray(0, length))
  })
})
