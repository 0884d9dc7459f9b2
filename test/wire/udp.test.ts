import fc from 'fast-check'
import { expect, test } from 'vitest'
import { describeUdp, UdpView } from '../../src/wire/udp.ts'
import { fromHex } from '../support/craft.ts'
import { inWindow } from '../support/window.ts'

/** 1701 → 49152, 4 bytes. */
const DATAGRAM = fromHex('06a5 c000 000c beef 01020304')

const view = new UdpView()

test('a datagram', () => {
  expect(view.decode(DATAGRAM, 0, 12, 12)).toBeNull()
  expect(view).toMatchObject({ sourcePort: 1701, destinationPort: 49152, payloadStart: 8, payloadEnd: 12, wireEnd: 12 })
  expect(describeUdp(view)).toEqual({
    layer: 'udp',
    sourcePort: 1701,
    destinationPort: 49152,
    length: 12,
    checksum: 0xbeef,
  })
})

test('an empty one', () => {
  expect(view.decode(fromHex('06a5 06a5 0008 0000'), 0, 8, 8)).toBeNull()
  expect(view).toMatchObject({ payloadStart: 8, payloadEnd: 8, wireEnd: 8 })
})

test('what follows its length is padding of the IP packet', () => {
  expect(view.decode(fromHex('06a5 06a5 0009 0000 01 ffff'), 0, 11, 11)).toBeNull()
  expect(view).toMatchObject({ payloadEnd: 9, wireEnd: 9 })
})

test('a length of zero means the rest of the IP packet', () => {
  expect(view.decode(fromHex('06a5 06a5 0000 0000 0102'), 0, 10, 20)).toBeNull()
  expect(view).toMatchObject({ payloadEnd: 10, wireEnd: 20 })
})

test('a length beyond the IP packet, or shorter than the header, is a flaw with ports and an empty payload', () => {
  for (const length of ['000d', 'ffff', '0007', '0001']) {
    expect(view.decode(fromHex(`06a5 c000 ${length} 0000 01020304`), 0, 12, 12)).toBe('udp.length')
    expect(view).toMatchObject({ sourcePort: 1701, destinationPort: 49152, payloadStart: 8, payloadEnd: 8, wireEnd: 8 })
  }
})

test('every cut of the capture is a flaw, or a payload that says where it would have ended', () => {
  for (let end = 0; end < DATAGRAM.length; end++) {
    const flaw = view.decode(DATAGRAM, 0, end, DATAGRAM.length)
    if (end < 8) {
      expect(flaw).toBe('udp.truncated')
      expect(view.payloadStart).toBe(view.payloadEnd)
    } else {
      expect(flaw).toBeNull()
      expect(view).toMatchObject({ payloadStart: 8, payloadEnd: end, wireEnd: 12 })
    }
  }
})

test('a datagram whose sender cut it is a flaw', () => {
  for (let end = 0; end < DATAGRAM.length; end++) {
    expect(view.decode(DATAGRAM, 0, end, end)).toBe(end < 8 ? 'udp.truncated' : 'udp.length')
  }
})

test('whatever the bytes, nothing outside the window is read and the payload lies inside', () => {
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 24 }), fc.nat(12), fc.boolean(), (bytes, beyond, isShort) => {
      if (isShort && bytes.length > 5) bytes[4] = 0
      const { among, elsewhere } = inWindow(bytes, (buffer, start, end) => {
        const udp = new UdpView()
        const flaw = udp.decode(buffer, start, end, end + beyond)
        expect(udp.payloadStart).toBeLessThanOrEqual(udp.payloadEnd)
        expect(udp.payloadEnd).toBeLessThanOrEqual(end)
        return {
          flaw,
          ...describeUdp(udp),
          from: udp.payloadStart - start,
          to: udp.payloadEnd - start,
          wire: udp.wireEnd - start,
        }
      })
      expect(among).toEqual(elsewhere)
    }),
  )
})
