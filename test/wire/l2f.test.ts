import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { describeL2f, L2fView } from '../../src/wire/l2f.ts'
import { fromHex } from '../support/craft.ts'

/** F, K, S and C set: management, sequence 5, MID 0, CLID 7, offset 1, a key, one octet of padding, L2F_OPEN, checksum. */
const OPEN = fromHex('d009 01 05 0000 0007 0013 0001 11223344 ee 02 aa beef')
/** A PPP packet with no optional field. */
const PPP = fromHex('0001 02 00 0003 0007 000e ff03c021')

const view = new L2fView()

describe('L2fView', () => {
  test('reads a header with every optional field', () => {
    expect(view.decode(OPEN, 0, OPEN.length)).toBeNull()
    expect(view).toMatchObject({
      protocol: 1,
      sequence: 5,
      mid: 0,
      clid: 7,
      length: 19,
      offset: 1,
      key: 0x11223344,
      hasSequence: true,
      hasKey: true,
      hasChecksum: true,
      isPriority: false,
      payloadStart: 17,
      payloadEnd: 19,
    })
  })

  test('reads a header with none', () => {
    expect(view.decode(PPP, 0, PPP.length)).toBeNull()
    expect(view).toMatchObject({ protocol: 2, mid: 3, clid: 7, offset: 0, key: 0, payloadStart: 10, payloadEnd: 14 })
  })

  test('every truncation is a flaw with an empty payload', () => {
    for (const packet of [OPEN, PPP]) {
      for (let length = 0; length < packet.length; length++) {
        expect(view.decode(packet, 0, length)).toMatch(/^l2f\.(truncated|length)$/)
        expect(view.payloadStart).toBe(view.payloadEnd)
      }
    }
  })

  test('a capture cut short is not a lie', () => {
    expect(view.decode(PPP, 0, 12, PPP.length)).toBeNull()
    expect(view.payloadEnd).toBe(12)
  })

  test('names its other flaws', () => {
    expect(view.decode(fromHex('0002 02 00 0003 0007 000e ff03c021'), 0, 14)).toBe('l2f.version')
    expect(view.decode(fromHex('0001 02 00 0003 0007 0009 ff03c021'), 0, 14)).toBe('l2f.length')
    expect(view.decode(fromHex('8001 02 00 0003 0007 000e 0009 c021'), 0, 14)).toBe('l2f.offset')
  })

  test('whatever the octets, the payload stays inside them', () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 40 }), fc.nat(8), (rest, cut) => {
        const bytes = Uint8Array.from([rest[0] ?? 0, 1, 2, 0, 0, 0, 0, 0, 0, ...rest])
        view.decode(bytes, 0, bytes.length, bytes.length + cut)
        expect(view.payloadStart).toBeLessThanOrEqual(view.payloadEnd)
        expect(view.payloadEnd).toBeLessThanOrEqual(bytes.length)
      }),
      { seed: 1701, numRuns: 1000 },
    )
  })
})

describe('describeL2f', () => {
  test('names the message of a management packet and keeps the key to itself', () => {
    view.decode(OPEN, 0, OPEN.length)
    expect(describeL2f(view)).toEqual({
      protocol: 'management',
      message: 'L2F_OPEN',
      mid: 0,
      clid: 7,
      length: 19,
      offset: 1,
      sequence: 5,
      isPriority: false,
      hasKey: true,
      hasChecksum: true,
    })
  })

  test('names the protocol of a data packet', () => {
    view.decode(PPP, 0, PPP.length)
    expect(describeL2f(view)).toMatchObject({ protocol: 'PPP', mid: 3 })
    view.decode(fromHex('0001 09 00 0003 0007 000e ff03c021'), 0, 14)
    expect(describeL2f(view).protocol).toBe('unknown')
  })
})
