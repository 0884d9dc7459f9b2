import { describe, expect, test } from 'vitest'
import { describeVjCompressed } from '../../src/wire/vj-describe.ts'
import { fromHex } from '../support/craft.ts'

function read(digits: string): ReturnType<typeof describeVjCompressed> {
  const bytes = fromHex(digits)
  return describeVjCompressed(bytes, 0, bytes.length)
}

describe('describeVjCompressed', () => {
  test('reads the changes in their order on the wire, short and long', () => {
    expect(read('77 05 abcd 09 15 000544 02 aabb')).toEqual({
      changeMask: 0x77,
      connection: 5,
      push: true,
      checksum: 0xabcd,
      urgentPointer: 9,
      windowChange: 21,
      acknowledgementChange: 0x544,
      ipIdChange: 2,
      dataLength: 2,
    })
  })

  test('knows the two special forms, which have no changes but that of the IP identification', () => {
    const echoed = { changeMask: 0x0b, push: false, checksum: 0x1234, special: 'echoed', dataLength: 2 }
    expect(read('0b 1234 6c73')).toEqual(echoed)
    const oneWay = { changeMask: 0x2f, push: false, checksum: 0x1234, special: 'one-way', ipIdChange: 3, dataLength: 0 }
    expect(read('2f 1234 03')).toEqual(oneWay)
  })

  test('calls every cut of the header truncated', () => {
    const whole = fromHex('77 05 abcd 09 15 000544 02')
    for (let end = 0; end < whole.length; end++) {
      expect(describeVjCompressed(whole, 0, end), `cut at ${end}`).toBe('vj.truncated')
    }
  })
})
