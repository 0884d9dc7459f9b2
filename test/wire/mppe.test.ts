import { describe, expect, test } from 'vitest'
import { hex } from '../../src/base/bytes.ts'
import { Rc4 } from '../../src/base/rc4.ts'
import {
  asymmetricStartKey,
  describeMppe,
  masterKey,
  MppeKey,
  type MppeStrength,
  MppeView,
  startKey,
} from '../../src/wire/mppe.ts'
import { lmPasswordHash, ntPasswordHash } from '../../src/wire/ms-chap-proof.ts'
import { fromHex, utf8 } from '../support/craft.ts'

describe('MppeView', () => {
  const mppe = new MppeView()

  test('reads the bits and the coherency count', () => {
    const bytes = fromHex('9abc deadbeef')
    expect(mppe.decode(bytes, 0, bytes.length)).toBeNull()
    expect(describeMppe(mppe)).toEqual({
      isFlushed: true,
      isAtFront: false,
      isCompressed: false,
      isEncrypted: true,
      coherencyCount: 0xabc,
      length: 4,
    })
    expect(mppe.decode(fromHex('6000'), 0, 2)).toBeNull()
    expect(mppe).toMatchObject({ isFlushed: false, isAtFront: true, isCompressed: true, isEncrypted: false })
  })

  test('names every truncation', () => {
    for (let length = 0; length < 2; length++) expect(mppe.decode(fromHex('9000'), 0, length)).toBe('mppe.truncated')
  })
})

function keyOf(key: MppeKey): string {
  const copy = new Uint8Array(key.length)
  key.copyTo(copy, 0)
  return hex(copy, 0, copy.length)
}

/** What the RFC encrypts with each of its session keys. */
function sealed(key: MppeKey): string {
  const rc4 = new Rc4()
  const message = utf8('test message')
  key.begin(rc4)
  rc4.apply(message, 0, message.length, message, 0)
  return hex(message, 0, message.length)
}

function digits(bytes: Uint8Array | null): string {
  return bytes === null ? 'none' : hex(bytes, 0, bytes.length)
}

describe('the keys of MS-CHAP', () => {
  /** RFC 3079 section 2.5. */
  const NT_HASH = ntPasswordHash('clientPass')
  const LM_HASH = lmPasswordHash('clientPass')
  const CHALLENGE = fromHex('102db5df085d3041')

  test('come from the LAN Manager hash where they are weak', () => {
    expect(digits(LM_HASH)).toBe('76a152936096d7830e2390227404afd2')
    expect(digits(startKey(NT_HASH, LM_HASH, CHALLENGE, 40))).toBe('76a152936096d783')
    expect(keyOf(new MppeKey(fromHex('76a152936096d783'), 40))).toBe('d1269e538cec4a08')
    expect(keyOf(new MppeKey(fromHex('76a152936096d783'), 56))).toBe('d10801538cec4a08')
    expect(startKey(NT_HASH, null, CHALLENGE, 56)).toBeNull()
  })

  test('come from the hash of the hash and the challenge where they are strong', () => {
    // The RFC prints one octet of it wrongly and goes on with the right one.
    expect(digits(startKey(NT_HASH, null, CHALLENGE, 128))).toBe('a8947850cfc0acc1d1789fb62ddcddb0')
    expect(keyOf(new MppeKey(fromHex('a8947850cfc0acc1d1789fb62ddcddb0'), 128))).toBe(
      '59d159bc09f76f1da2a86a28ffec0b1e',
    )
  })
})

describe('the keys of MS-CHAPv2', () => {
  /** RFC 3079 section 3.5. */
  const MASTER = masterKey(ntPasswordHash('clientPass'), fromHex('82309ECD8D708B5EA08FAA3981CD83544233114A3D85D6DF'))
  const TO_CLIENT = asymmetricStartKey(MASTER, false)

  test('begin with a master key, and one for each direction', () => {
    expect(digits(MASTER)).toBe('fdece3717a8c838cb388e527ae3cdd31')
    expect(digits(TO_CLIENT)).toBe('8b7cdc149b993a1ba118cb153f56dccb')
    expect(digits(asymmetricStartKey(MASTER, true))).not.toBe(digits(TO_CLIENT))
  })

  test.each<[MppeStrength, string, string]>([
    [40, 'd1269ec49fa62e3e', '929137917e5803d668d75898'],
    // The last four digits are misprinted in the RFC.
    [56, 'd15c00c49fa62e3e', '3f106833fa448da842bc57b8'],
    [128, '405cb2247a7956e6e211007ae27b22d4', '81848317df68846272fb5abe'],
  ])('of %i bits encrypt as the RFC does', (strength, session, message) => {
    const key = new MppeKey(TO_CLIENT, strength)
    expect(keyOf(key)).toBe(session)
    expect(sealed(key)).toBe(message)
  })

  test('change into others that keep their public octets, and come back where they were put', () => {
    const key = new MppeKey(TO_CLIENT, 40)
    const first = keyOf(key)
    const kept = new Uint8Array(20)
    key.copyTo(kept, 3)
    const seen = new Set([first])
    for (let change = 0; change < 300; change++) {
      key.change()
      seen.add(keyOf(key))
    }
    expect(seen.size).toBe(301)
    expect(keyOf(key)).toMatch(/^d1269e/)
    key.restore(kept, 3)
    expect(keyOf(key)).toBe(first)
  })
})
