import { describe, expect, test } from 'vitest'
import { InsidePacket } from '../../src/dissect/ipsec-inside.ts'
import { isSumRight, sumOf } from '../../src/wire/checksum.ts'
import { IpView } from '../../src/wire/ip.ts'
import { fromHex, hello, ipv4, ipv6, udp } from '../support/craft.ts'

const inside = new InsidePacket()
const UDP = udp(hello())

function outside(packet: Uint8Array): IpView {
  const ip = new IpView()
  expect(ip.decode(packet, 0, packet.length)).toBeNull()
  return ip
}

function composed(ip: IpView, nextHeader: number, content: Uint8Array, inPlain: boolean): IpView | null {
  if (inPlain) inside.plain.set(content)
  const bytes = inPlain ? inside.plain : content
  if (!inside.compose(ip, nextHeader, bytes, 0, content.length)) return null
  const view = new IpView()
  expect(view.decode(inside.bytes, inside.start, inside.end)).toBeNull()
  return view
}

function payloadOf({ bytes, payloadStart, payloadEnd }: IpView): Uint8Array {
  return bytes.slice(payloadStart, payloadEnd)
}

describe('InsidePacket', () => {
  test.each([true, false])(
    'gives the content of transport mode its header again (in its own buffer: %s)',
    (inPlain) => {
      const four = outside(ipv4(new Uint8Array(99), { protocol: 50, options: fromHex('01010101'), dontFragment: true }))
      const packet = composed(four, 17, UDP, inPlain)
      expect(packet).toMatchObject({ version: 4, protocol: 17, isFragment: false })
      expect(packet === null ? null : payloadOf(packet)).toEqual(UDP)
      expect(isSumRight(sumOf(inside.bytes, inside.start, inside.start + 20))).toBe(true)
      expect(inside.end - inside.start).toBe(20 + UDP.length)
      const six = outside(ipv6(new Uint8Array(99), { protocol: 50 }))
      const packet6 = composed(six, 17, UDP, inPlain)
      expect(packet6).toMatchObject({ version: 6, protocol: 17, addressLength: 16 })
      expect(packet6 === null ? null : payloadOf(packet6)).toEqual(UDP)
    },
  )

  test('keeps the addresses of the outer header', () => {
    const ip = outside(ipv4(new Uint8Array(9), { protocol: 50, source: '203.0.113.7', target: '203.0.113.9' }))
    const packet = composed(ip, 17, UDP, true) as IpView
    expect([...packet.bytes.subarray(packet.sourceAt, packet.sourceAt + 8)]).toEqual([203, 0, 113, 7, 203, 0, 113, 9])
  })

  test('takes the packet of tunnel mode as it is, where it is', () => {
    const ip = outside(ipv4(new Uint8Array(9), { protocol: 50 }))
    const carried = ipv4(UDP, { source: '10.0.0.1' })
    expect(inside.compose(ip, 4, carried, 0, carried.length)).toBe(true)
    expect([inside.bytes, inside.start, inside.end]).toEqual([carried, 0, carried.length])
  })

  test('has nothing to give of a dummy, of nothing, and of what no length field holds', () => {
    const ip = outside(ipv4(new Uint8Array(9), { protocol: 50 }))
    expect(composed(ip, 59, UDP, true)).toBeNull()
    expect(composed(ip, 17, new Uint8Array(0), true)).toBeNull()
    expect(composed(ip, 17, new Uint8Array(65_530), true)).toBeNull()
    expect(composed(ip, 17, new Uint8Array(65_515), true)).not.toBeNull()
  })
})
