import { describe, expect, test } from 'vitest'
import { EspKeys } from '../../src/wire/esp-algorithms.ts'
import { EspIntegrity } from '../../src/wire/esp-integrity.ts'
import { be32, concat, fromHex } from '../support/craft.ts'
import { material } from '../support/esp.ts'

function check(integrity: string, key: string, message: Uint8Array, icv: string, high = -1): boolean {
  const keys = new EspKeys({ ...material('NULL', integrity), integrityKey: fromHex(key) })
  return new EspIntegrity(keys).isRight(concat(message, fromHex(icv)), 0, message.length, high)
}

function counting(length: number): Uint8Array {
  return Uint8Array.from({ length }, (_, index) => index)
}

describe('AES-XCBC-96', () => {
  const KEY = '000102030405060708090a0b0c0d0e0f'

  test.each([
    [0, '75f0251d528ac01c4573dfd5'],
    [3, '5b376580ae2f19afe7219cee'],
    [16, 'd2a246fa349b68a79998a439'],
    [20, '47f51b4564966215b8985c63'],
    [32, 'f54f0ec8d2b9f3d36807734b'],
    [34, 'becbb3bccdb518a30677d548'],
  ])('agrees with RFC 3566 section 4.6 about %i octets', (length, icv) => {
    expect(check('AES-XCBC-96', KEY, counting(length), icv)).toBe(true)
    expect(check('AES-XCBC-96', KEY, counting(length + 1), icv)).toBe(false)
  })
})

describe('AES-CMAC-96', () => {
  const KEY = '2b7e151628aed2a6abf7158809cf4f3c'
  const MESSAGE = fromHex(
    '6bc1bee22e409f96e93d7e117393172aae2d8a571e03ac9c9eb76fac45af8e5130c81c46a35ce411e5fbc1191a0a52eff69f2445df4f9b17ad2b417be66c3710',
  )

  test.each([
    [0, 'bb1d6929e95937287fa37d12'],
    [16, '070a16b46b4d4144f79bdd9d'],
    [40, 'dfa66747de9ae63030ca3261'],
    [64, '51f0bebf7e3b9d92fc497417'],
  ])('agrees with RFC 4494 section 4 about %i octets', (length, icv) => {
    expect(check('AES-CMAC-96', KEY, MESSAGE.subarray(0, length), icv)).toBe(true)
    expect(check('AES-CMAC-96', KEY, MESSAGE.subarray(0, length), '000000000000000000000000')).toBe(false)
  })

  test('takes the high half of a long sequence number as if it stood at the end', () => {
    expect(check('AES-CMAC-96', KEY, MESSAGE.subarray(0, 60), '51f0bebf7e3b9d92fc497417', 0xe66c3710)).toBe(true)
    expect(check('AES-CMAC-96', KEY, MESSAGE.subarray(0, 36), 'dfa66747de9ae63030ca3261', 0x30c81c46)).toBe(false)
    expect(check('AES-CMAC-96', KEY, MESSAGE.subarray(0, 36), 'dfa66747de9ae63030ca3261', 0xa35ce411)).toBe(true)
    expect(check('AES-CMAC-96', KEY, MESSAGE.subarray(0, 12), '070a16b46b4d4144f79bdd9d', 0x7393172a)).toBe(true)
  })
})

describe('HMAC', () => {
  const HI_THERE = new TextEncoder().encode('Hi There')

  test.each([
    ['HMAC-MD5-96', '0b'.repeat(16), '9294727a3638bb1c13f48ef8'],
    ['HMAC-SHA1-96', '0b'.repeat(20), 'b617318655057264e28bc0b6'],
    ['HMAC-RIPEMD-160-96', '0b'.repeat(20), '24cb4bd67d20fc1a5d2ed773'],
    ['HMAC-SHA2-256-128', '0b'.repeat(20), 'b0344c61d8db38535ca8afceaf0bf12b'],
    ['HMAC-SHA2-256-96', '0b'.repeat(20), 'b0344c61d8db38535ca8afce'],
    ['HMAC-SHA2-384-192', '0b'.repeat(20), 'afd03944d84895626b0825f4ab46907f15f9dadbe4101ec6'],
    ['HMAC-SHA2-512-256', '0b'.repeat(20), '87aa7cdea5ef619d4ff0b4241a1d6cb02379f4e2ce4ec2787ad0b30545e17cde'],
  ])('%s agrees with the first example of RFC 2202, RFC 2286 and RFC 4231', (integrity, key, icv) => {
    expect(check(integrity, key, HI_THERE, icv)).toBe(true)
    expect(check(integrity, key, HI_THERE, icv, 0)).toBe(false)
  })

  test('takes the high half of a long sequence number as if it stood at the end', () => {
    const message = HI_THERE.subarray(0, 4)
    const high = new DataView(HI_THERE.buffer).getUint32(4)
    expect(check('HMAC-SHA1-96', '0b'.repeat(20), message, 'b617318655057264e28bc0b6', high)).toBe(true)
    expect(check('HMAC-SHA1-96', '0b'.repeat(20), concat(message, be32(high)), 'b617318655057264e28bc0b6')).toBe(true)
  })
})
