import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { Endpoints } from '../../src/base/endpoints.ts'
import { ipBytes } from '../support/craft.ts'

const A = ipBytes('192.0.2.1')
const B = ipBytes('198.51.100.2')
const SIX = ipBytes('2001:db8::1')

describe('an endpoint', () => {
  test('is an address and a port', () => {
    const endpoints = new Endpoints(10)
    const id = endpoints.hold(A, 0, 4, 1701)
    expect(endpoints.find(A, 0, 4, 1701)).toBe(id)
    expect(endpoints.find(A, 0, 4, 1702)).toBe(-1)
    expect(endpoints.find(B, 0, 4, 1701)).toBe(-1)
    expect(endpoints.port(id)).toBe(1701)
    expect(endpoints.address(id)).toBe('192.0.2.1')
    expect(endpoints.isIpv6(id)).toBe(false)
    expect(endpoints.ipv4(id)).toBe(0xc000_0201 | 0)
  })

  test('of IPv6 gives its bytes and its text', () => {
    const endpoints = new Endpoints(10)
    const id = endpoints.hold(SIX, 0, 16, 65_535)
    expect(endpoints.bytes(id)).toEqual(SIX)
    expect(endpoints.address(id)).toBe('2001:db8::1')
    expect(endpoints.port(id)).toBe(65_535)
    expect(endpoints.isIpv6(id)).toBe(true)
  })

  test('has a digest of its address, the same for all of its ports', () => {
    const endpoints = new Endpoints(10)
    const [a, otherPort, b] = [
      endpoints.hold(A, 0, 4, 500),
      endpoints.hold(A, 0, 4, 4500),
      endpoints.hold(B, 0, 4, 500),
    ]
    expect(endpoints.digest(otherPort)).toBe(endpoints.digest(a))
    expect(endpoints.digest(b)).not.toBe(endpoints.digest(a))
  })

  test('of IPv4 is not the IPv6 address that stands for it', () => {
    const endpoints = new Endpoints(10)
    const mapped = ipBytes('::ffff:192.0.2.1')
    const four = endpoints.hold(A, 0, 4, 1701)
    const six = endpoints.hold(mapped, 0, 16, 1701)
    expect(six).not.toBe(four)
    expect(endpoints.address(six)).toBe('::ffff:c000:201')
    expect(endpoints.hasAddress(four, A, 0, 4)).toBe(true)
    expect(endpoints.hasAddress(four, mapped, 0, 16)).toBe(false)
    expect(endpoints.hasAddress(six, mapped, 0, 16)).toBe(true)
    expect(endpoints.hasAddress(six, A, 0, 4)).toBe(false)
  })

  test('has its address whatever the port', () => {
    const endpoints = new Endpoints(10)
    const id = endpoints.hold(SIX, 0, 16, 1)
    expect(endpoints.hasAddress(id, SIX, 0, 16)).toBe(true)
    expect(endpoints.hasAddress(id, ipBytes('2001:db8::2'), 0, 16)).toBe(false)
    expect(endpoints.hasAddress(endpoints.hold(A, 0, 4, 1), B, 0, 4)).toBe(false)
  })

  test('lives until its last holder lets go', () => {
    const endpoints = new Endpoints(10)
    const id = endpoints.hold(A, 0, 4, 1701)
    expect(endpoints.hold(A, 0, 4, 1701)).toBe(id)
    endpoints.holdAgain(id)
    endpoints.release(id)
    endpoints.release(id)
    expect(endpoints.find(A, 0, 4, 1701)).toBe(id)
    endpoints.release(id)
    expect(endpoints.find(A, 0, 4, 1701)).toBe(-1)
    expect(endpoints.size).toBe(0)
  })

  test('finds no room in a full table, and letting go of nothing does nothing', () => {
    const endpoints = new Endpoints(1)
    const id = endpoints.hold(A, 0, 4, 1)
    expect(endpoints.hold(B, 0, 4, 1)).toBe(-1)
    endpoints.release(-1)
    expect(endpoints.size).toBe(1)
    endpoints.release(id)
    expect(endpoints.hold(B, 0, 4, 1)).not.toBe(-1)
  })
})

const ADDRESS = fc.oneof(
  fc.constantFrom(A, B, SIX, ipBytes('::'), ipBytes('::ffff:192.0.2.1')),
  fc.uint8Array({ minLength: 4, maxLength: 4 }),
  fc.uint8Array({ minLength: 16, maxLength: 16 }),
)

const OPERATION = fc.record({
  kind: fc.constantFrom('hold', 'hold', 'release', 'find'),
  address: ADDRESS,
  port: fc.constantFrom(0, 1701, 65_535),
})

test('it answers as a Map does, whatever is held and let go', () => {
  fc.assert(
    fc.property(fc.integer({ min: 1, max: 20 }), fc.array(OPERATION, { maxLength: 200 }), (capacity, operations) => {
      const endpoints = new Endpoints(capacity)
      const model = new Map<string, { id: number; holders: number }>()
      for (const { kind, address, port } of operations) {
        const key = `${Buffer.from(address).toString('hex')} ${port}`
        const known = model.get(key)
        const padded = Uint8Array.of(0xee, ...address, 0xee)
        if (kind === 'hold') {
          const id = endpoints.hold(padded, 1, address.length, port)
          if (known !== undefined) {
            expect(id).toBe(known.id)
            known.holders++
          } else if (model.size === capacity) {
            expect(id).toBe(-1)
          } else {
            expect([...model.values()].map((entry) => entry.id)).not.toContain(id)
            model.set(key, { id, holders: 1 })
          }
        } else if (kind === 'release' && known !== undefined) {
          endpoints.release(known.id)
          if (--known.holders === 0) model.delete(key)
        }
        expect(endpoints.find(padded, 1, address.length, port)).toBe(model.get(key)?.id ?? -1)
        expect(endpoints.size).toBe(model.size)
      }
    }),
  )
})

test('ids stay what they are while thousands come and go', () => {
  const endpoints = new Endpoints(100_000)
  const address = Uint8Array.of(10, 0, 0, 0)
  const idOf = (i: number, hold: boolean): number => {
    address[2] = i >> 8
    address[3] = i & 0xff
    return hold ? endpoints.hold(address, 0, 4, i & 7) : endpoints.find(address, 0, 4, i & 7)
  }
  const ids = Array.from({ length: 8000 }, (_, i) => idOf(i, true))
  expect(new Set(ids).size).toBe(8000)
  for (let i = 0; i < 8000; i += 3) endpoints.release(ids[i])
  const wrong = ids.filter((id, i) => idOf(i, false) !== (i % 3 === 0 ? -1 : id))
  expect(wrong).toEqual([])
})
