import { describe, expect, test } from 'vitest'
import { addressRange, storedRange } from '../../src/store/address.ts'
import { isKeyed, KEY_MARKS, keyRanges, storedAddressKey, textKey } from '../../src/store/keys.ts'
import { NOT_WORD } from '../../src/store/words.ts'

const rangesOf = (network: string) => {
  const range = addressRange(network)
  return range === null ? null : keyRanges(storedRange(range))
}

describe('keys', () => {
  test('begin with what is in no word', () => {
    for (const mark of KEY_MARKS) expect(mark).toMatch(new RegExp(`^(?:${NOT_WORD.source})$`, 'u'))
    expect(textKey('alice')[0]).toBe('§')
    expect(storedAddressKey(1)[0]).toBe('¤')
    expect(storedAddressKey(new Uint8Array(16))[0]).toBe('¥')
  })

  test('of texts hold only what the index takes for one token, in lower case', () => {
    expect(textKey('')).toBe('§')
    expect(textKey('CORP\\Alice Ä')).toBe('§corp_alice_Ä')
    expect(textKey('a\0b\ud800c 💥')).toBe('§a_b_c___')
    expect(textKey('x'.repeat(1000))).toHaveLength(65)
  })

  test('of beginnings are beginnings, so that prefixes are found', () => {
    const text = `t-0A💥${'long '.repeat(20)}`
    for (let end = 0; end <= text.length; end++) {
      expect(textKey(text).startsWith(textKey(text.slice(0, end)))).toBe(true)
    }
  })

  test('of addresses have their order', () => {
    const keys = [0, 1, 0x0a000001, 0xffffffff].map(storedAddressKey)
    expect(keys).toEqual(['¤00000000', '¤00000001', '¤0a000001', '¤ffffffff'])
    expect(keys.toSorted()).toEqual(keys)
  })

  test('of networks are looked up up to a size', () => {
    expect(rangesOf('10.0.0.0/12')).toEqual([['¤0a000000', '¤0a0fffff']])
    expect(rangesOf('10.0.0.0/11')).toBeNull()
    expect(rangesOf('2001:db8::/32')).toEqual([
      ['¥20010db8000000000000000000000000', '¥20010db8ffffffffffffffffffffffff'],
    ])
    expect(rangesOf('2001:db8::/31')).toBeNull()
  })

  test('stand for all addresses, and for few texts', () => {
    expect(['source.ip', 'ppp.dns', 'related.ip', 'flow.uid', 'user.name'].every((f) => isKeyed(f as 'flow.uid'))).toBe(
      true,
    )
    expect(isKeyed('event.action')).toBe(false)
  })
})
