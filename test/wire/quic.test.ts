import { describe, expect, test } from 'vitest'
import { quicVersion } from '../../src/wire/quic.ts'
import { concat, fromHex } from '../support/craft.ts'

function initial(version: string, length = 1200, first = 'c3'): Uint8Array {
  const head = fromHex(`${first} ${version} 08 0102030405060708 00 00`)
  return concat(head, new Uint8Array(Math.max(0, length - head.length)))
}

function versionOf(bytes: Uint8Array): string | null {
  return quicVersion(bytes, 0, bytes.length, bytes.length)
}

describe('quicVersion', () => {
  test('names the versions that open connections', () => {
    expect(
      ['00000001', '6b3343cf', 'ff00001d', '51303436', '54303531'].map((version) => versionOf(initial(version))),
    ).toEqual(['1', '2', 'draft-29', 'Q046', 'T051'])
  })

  test('refuses what does not open one', () => {
    expect(versionOf(initial('00000000'))).toBeNull()
    expect(versionOf(initial('12345678'))).toBeNull()
    expect(versionOf(initial('00000001', 1199))).toBeNull()
    expect(versionOf(initial('00000001', 1200, '43'))).toBeNull()
    expect(versionOf(initial('00000001', 1200, '83'))).toBeNull()
    const longId = initial('00000001')
    longId[5] = 21
    expect(versionOf(longId)).toBeNull()
  })

  test('reads what a capture left of it, if that is enough', () => {
    const bytes = initial('00000001')
    for (let end = 0; end <= 14; end++) expect(quicVersion(bytes, 0, 1200, end), `cut at ${end}`).toBeNull()
    expect(quicVersion(bytes, 0, 1200, 15)).toBe('1')
  })
})
