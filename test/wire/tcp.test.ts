import fc from 'fast-check'
import { expect, test } from 'vitest'
import { describeTcp, describeTcpStart, TCP_ACK, TCP_SYN, TcpView } from '../../src/wire/tcp.ts'
import { fromHex, tcp } from '../support/craft.ts'
import { inWindow } from '../support/window.ts'

/** SYN and ACK with one option of 4 bytes, and 2 bytes of payload. */
const SEGMENT = fromHex('01bb c000 fffffffe 80000001 6012 faf0 beef 0000 020405b4 aabb')

const view = new TcpView()

test('a segment with options', () => {
  expect(view.decode(SEGMENT, 0, SEGMENT.length)).toBeNull()
  expect(view).toMatchObject({ flags: TCP_SYN | TCP_ACK, payloadStart: 24, payloadEnd: 26 })
  expect(describeTcp(view)).toEqual({
    layer: 'tcp',
    sourcePort: 443,
    destinationPort: 49152,
    sequence: 0xfffffffe,
    acknowledgement: 0x80000001,
    headerLength: 24,
    flags: ['SYN', 'ACK'],
    window: 64240,
    checksum: 0xbeef,
    payloadLength: 2,
  })
})

test('of a header that was cut, the fields that are there whole are told', () => {
  const fields = ['layer', 'sourcePort', 'destinationPort', 'sequence', 'acknowledgement', 'headerLength', 'flags']
  const told = [...fields, 'window', 'checksum']
  for (const [length, count] of [
    [3, 1],
    [4, 3],
    [7, 3],
    [8, 4],
    [11, 4],
    [12, 5],
    [13, 5],
    [14, 7],
    [15, 7],
    [16, 8],
    [17, 8],
    [18, 9],
  ]) {
    const start = fromHex(`ffff ${Buffer.from(SEGMENT).toString('hex')}`)
    expect(Object.keys(describeTcpStart(start, 2, 2 + length))).toEqual(told.slice(0, count))
  }
})

test('a header in the middle of a buffer, after another one', () => {
  const [before, after] = [tcp(new Uint8Array(2), { sourcePort: 1, targetPort: 2 }), SEGMENT]
  const bytes = Uint8Array.from([...before, ...after])
  expect(view.decode(bytes, 0, before.length)).toBeNull()
  expect(view).toMatchObject({ sourcePort: 1, destinationPort: 2, headerStart: 0 })
  expect(view.decode(bytes, before.length, bytes.length)).toBeNull()
  expect(view).toMatchObject({ sourcePort: 443, destinationPort: 49152, headerStart: before.length })
  expect(describeTcp(view)).toMatchObject({ sourcePort: 443, sequence: 0xfffffffe, payloadLength: 2 })
})

test('every flag has its name', () => {
  const segment = tcp(new Uint8Array(0), { flags: 0xff })
  expect(view.decode(segment, 0, segment.length)).toBeNull()
  expect(describeTcp(view)).toMatchObject({ flags: ['FIN', 'SYN', 'RST', 'PSH', 'ACK', 'URG', 'ECE', 'CWR'] })
})

test('a header shorter than 20 bytes is a flaw', () => {
  for (const headerLength of [0, 1, 4]) {
    const segment = tcp(new Uint8Array(30), { headerLength })
    expect(view.decode(segment, 0, segment.length)).toBe('tcp.header_length')
  }
})

test('every cut inside the header is a flaw, behind it a shorter payload', () => {
  for (let end = 0; end < SEGMENT.length; end++) {
    const flaw = view.decode(SEGMENT, 0, end)
    expect(flaw).toBe(end < 24 ? 'tcp.truncated' : null)
    if (flaw === null) expect(view.payloadEnd).toBe(end)
  }
})

test('whatever the bytes, nothing outside the window is read', () => {
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 64 }), (bytes) => {
      const { among, elsewhere } = inWindow(bytes, (buffer, start, end) => {
        const segment = new TcpView()
        const flaw = segment.decode(buffer, start, end)
        if (flaw !== null) return { flaw }
        expect(segment.payloadStart).toBeLessThanOrEqual(segment.payloadEnd)
        expect(segment.payloadEnd).toBeLessThanOrEqual(end)
        return describeTcp(segment)
      })
      expect(among).toEqual(elsewhere)
    }),
  )
})
