import fc from 'fast-check'
import { expect, test } from 'vitest'
import { describeIcmp, IcmpView } from '../../src/wire/icmp.ts'
import { fromHex } from '../support/craft.ts'
import { inWindow } from '../support/window.ts'

const ECHO = fromHex('0800 beef 0102 0003 aabb')

const view = new IcmpView()

test('an echo request has an identifier and a number', () => {
  expect(view.decode(ECHO, 0, ECHO.length, false)).toBeNull()
  expect(view).toMatchObject({ type: 8, code: 0, payloadStart: 8, payloadEnd: 10, isEcho: true, isError: false })
  expect(describeIcmp(view)).toEqual({
    layer: 'icmp',
    type: 8,
    code: 0,
    checksum: 0xbeef,
    identifier: 0x0102,
    sequence: 3,
  })
})

test('an error quotes the packet that caused it', () => {
  const unreachable = fromHex('0301 beef 00000000 45000014')
  expect(view.decode(unreachable, 0, unreachable.length, false)).toBeNull()
  expect(view).toMatchObject({ isError: true, isEcho: false, payloadStart: 8, payloadEnd: 12 })
  expect(describeIcmp(view)).toEqual({ layer: 'icmp', type: 3, code: 1, checksum: 0xbeef })
})

test.each([
  [false, [3, 4, 5, 11, 12], [0, 8]],
  [true, Array.from({ length: 128 }, (_, type) => type), [128, 129]],
])('which types are errors and which are echoes (version 6: %s)', (isVersion6, errors, echoes) => {
  const found = { errors: [] as number[], echoes: [] as number[] }
  for (let type = 0; type < 256; type++) {
    expect(view.decode(Uint8Array.of(type, 0, 0, 0, 0, 0, 0, 0), 0, 8, isVersion6)).toBeNull()
    if (view.isError) found.errors.push(type)
    if (view.isEcho) found.echoes.push(type)
    expect(describeIcmp(view)['layer']).toBe(isVersion6 ? 'icmpv6' : 'icmp')
  }
  expect(found).toEqual({ errors, echoes })
})

test('every cut inside the header is a flaw', () => {
  for (let end = 0; end < 8; end++) expect(view.decode(ECHO, 0, end, false)).toBe('icmp.truncated')
  expect(view.decode(ECHO, 0, 8, false)).toBeNull()
})

test('whatever the bytes, nothing outside the window is read', () => {
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 20 }), fc.boolean(), (bytes, isVersion6) => {
      const { among, elsewhere } = inWindow(bytes, (buffer, start, end) => {
        const icmp = new IcmpView()
        const flaw = icmp.decode(buffer, start, end, isVersion6)
        return flaw === null ? { ...describeIcmp(icmp), to: icmp.payloadEnd - start } : { flaw }
      })
      expect(among).toEqual(elsewhere)
    }),
  )
})
