import { describe, expect, test } from 'vitest'
import { describeL2tpV3Data, isAtmCell, L2tpV3DataView, sequenceStep } from '../../src/wire/l2tpv3-data.ts'
import { fromHex } from '../support/craft.ts'

const COOKIE_AND_NUMBER = fromHex('0102030405060708 40000007 aabb')
const view = new L2tpV3DataView()

function decode(bytes: Uint8Array, cookieLength: number, sublayer: number, wireEnd = bytes.length): string | null {
  return view.decode(bytes, 0, bytes.length, wireEnd, cookieLength, sublayer)
}

describe('L2tpV3DataView', () => {
  test('reads a cookie and the default sublayer', () => {
    expect(decode(COOKIE_AND_NUMBER, 8, 1)).toBeNull()
    expect(view).toMatchObject({ hasSequence: true, sequence: 7, isControlChannel: false, payloadStart: 12 })
    expect(view.hasCookie(fromHex('0102030405060708'))).toBe(true)
    expect(view.hasCookie(fromHex('0102030405060709'))).toBe(false)
    expect(view.hasCookie(fromHex('01020304'))).toBe(false)
    expect(describeL2tpV3Data(view)).toEqual({
      cookie: '0102030405060708',
      sublayerFlags: 0x40,
      hasSequence: true,
      sequence: 7,
    })
  })

  test('reads neither where there is neither', () => {
    expect(decode(fromHex('aabb'), 0, 0)).toBeNull()
    expect(view).toMatchObject({ payloadStart: 0, payloadEnd: 2, hasSequence: false })
    expect(describeL2tpV3Data(view)).toEqual({})
    expect(view.hasCookie(new Uint8Array(0))).toBe(true)
  })

  test('a number without the S bit means nothing', () => {
    expect(decode(fromHex('00000007 aa'), 0, 1)).toBeNull()
    expect(view.hasSequence).toBe(false)
  })

  test('knows messages of connectivity verification, fragments and the bits of ATM', () => {
    expect(decode(fromHex('80000000 aa'), 0, 1)).toBeNull()
    expect(view.isControlChannel).toBe(true)
    expect(decode(fromHex('60000001 aa'), 0, 1)).toBeNull()
    expect(describeL2tpV3Data(view)).toMatchObject({ isFragment: true })
    expect(decode(fromHex('4f000001 aa'), 0, 2)).toBeNull()
    expect(describeL2tpV3Data(view)).toMatchObject({
      isCell: true,
      isCongested: true,
      isLossPriority: true,
      commandResponse: 1,
    })
    expect(isAtmCell(view.sublayerFlags)).toBe(true)
  })

  test('takes the four octets of a sublayer that it does not know for no number', () => {
    expect(decode(fromHex('40000001 aa'), 0, 4)).toBeNull()
    expect(view).toMatchObject({ hasSequence: false, payloadStart: 4 })
  })

  test('every truncation of what the session has is a flaw with an empty payload', () => {
    for (let length = 0; length < 12; length++) {
      expect(decode(COOKIE_AND_NUMBER.subarray(0, length), 8, 1)).toBe('l2tpv3.data_truncated')
      expect(view.payloadStart).toBe(view.payloadEnd)
    }
    expect(decode(COOKIE_AND_NUMBER.subarray(0, 12), 8, 1, 14)).toBeNull()
    expect(view).toMatchObject({ payloadStart: 12, payloadEnd: 12, payloadWireEnd: 14 })
  })
})

describe('sequenceStep', () => {
  test('counts ahead and back in 24 bits', () => {
    expect(sequenceStep(7, 8)).toBe(1)
    expect(sequenceStep(7, 7)).toBe(0)
    expect(sequenceStep(7, 5)).toBe(-2)
    expect(sequenceStep(0xffffff, 0)).toBe(1)
    expect(sequenceStep(0, 0xffffff)).toBe(-1)
    expect(sequenceStep(0, 0x7fffff)).toBe(0x7fffff)
    expect(sequenceStep(0, 0x800000)).toBe(-0x800000)
  })
})
