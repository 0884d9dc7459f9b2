import { describe, expect, test } from 'vitest'
import { EspKeyring } from '../../src/dissect/esp-keyring.ts'
import { parseEspKeys } from '../../src/esp-keys.ts'
import { concat, ipBytes } from '../support/craft.ts'

/** The names of what is tried, in their order. */
function candidates(text: string, source: string, destination: string, spi: number): string[] {
  const { entries, problems } = parseEspKeys(text)
  expect(problems).toEqual([])
  const addresses = concat(ipBytes(source), ipBytes(destination))
  const { length } = ipBytes(source)
  return new EspKeyring(entries)
    .candidates(addresses, 0, length, length, spi)
    .map(({ keys, unsupported }) => keys?.suite ?? `no ${unsupported}`)
}

const FROM_ALICE = `- {source: 192.0.2.1, destination: 192.0.2.2, spi: 4096, encryption: NULL, integrity: HMAC-MD5-96, integrityKey: 01}\n`
const TO_ALICE = `- {destination: 192.0.2.1, spi: 4096, encryption: NULL, integrity: HMAC-SHA1-96, integrityKey: 02}\n`
const TO_ANY = `- {destination: "*", spi: "0x1***", encryption: NULL}\n`

describe('EspKeyring', () => {
  test('finds keys by destination and SPI, and by source where the file has one', () => {
    expect(candidates(TO_ALICE, '198.51.100.1', '192.0.2.1', 4096)).toEqual(['NULL/HMAC-SHA1-96'])
    expect(candidates(TO_ALICE, '192.0.2.2', '192.0.2.1', 4097)).toEqual([])
    expect(candidates(FROM_ALICE + TO_ALICE, '192.0.2.1', '192.0.2.2', 4096)[0]).toBe('NULL/HMAC-MD5-96')
    expect(candidates(FROM_ALICE + TO_ALICE, '192.0.2.2', '192.0.2.1', 4096)[0]).toBe('NULL/HMAC-SHA1-96')
  })

  test('tries what fits first, then patterns, then the same SPI between other addresses', () => {
    expect(
      candidates(TO_ANY.replace('0x1***', '0x00001***') + FROM_ALICE + TO_ALICE, '192.0.2.9', '192.0.2.1', 4096),
    ).toEqual(['NULL/HMAC-SHA1-96', 'NULL/NULL', 'NULL/HMAC-MD5-96'])
  })

  test('does not try keys of other addresses that cannot prove themselves', () => {
    const unproven = FROM_ALICE.replace('integrity: HMAC-MD5-96, integrityKey: 01', 'integrity: unchecked-96')
    expect(candidates(unproven, '192.0.2.1', '192.0.2.2', 4096)).toEqual(['NULL/unchecked-96'])
    expect(candidates(unproven, '198.51.100.7', '192.0.2.2', 4096)).toEqual([])
  })

  test('keeps the families apart', () => {
    const six = TO_ALICE.replace('192.0.2.1', '2001:db8::1')
    expect(candidates(six, '2001:db8::2', '2001:db8::1', 4096)).toEqual(['NULL/HMAC-SHA1-96'])
    expect(candidates(TO_ANY.replace('0x1***', '0x*'), '2001:db8::2', '2001:db8::1', 7)).toEqual(['NULL/NULL'])
  })

  test('bounds what one packet may be tried with', () => {
    expect(candidates(TO_ALICE.repeat(50), '192.0.2.2', '192.0.2.1', 4096)).toHaveLength(8)
  })

  test('knows when it is empty', () => {
    expect(new EspKeyring([]).isEmpty).toBe(true)
    expect(new EspKeyring(parseEspKeys(TO_ANY).entries).isEmpty).toBe(false)
  })
})
