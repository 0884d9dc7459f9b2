import { describe, expect, test } from 'vitest'
import { describeGre, GreView } from '../../src/wire/gre.ts'
import { fromHex } from '../support/craft.ts'

const view = new GreView()
/** PPTP: key, sequence and acknowledgement present, version 1, PPP, four octets for call 85. */
const ENHANCED = fromHex('3081 880b 0004 0055 00000007 00000006 ff03c021')

describe('GreView', () => {
  test('reads the enhanced header of PPTP', () => {
    expect(view.decode(ENHANCED, 0, ENHANCED.length)).toBeNull()
    expect(describeGre(view)).toEqual({
      layer: 'gre',
      flags: 0x3081,
      version: 1,
      protocol: 0x880b,
      payloadLength: 4,
      callId: 85,
      sequence: 7,
      acknowledgement: 6,
    })
    expect([view.payloadStart, view.payloadEnd]).toEqual([16, 20])
  })

  test('reads checksum, key and sequence of the common header', () => {
    const bytes = fromHex('b000 0800 1234 0000 0000002a 00000001 45')
    expect(view.decode(bytes, 0, bytes.length)).toBeNull()
    expect(describeGre(view)).toMatchObject({ version: 0, key: 42, sequence: 1 })
    expect(view.payloadStart).toBe(16)
  })

  test('ends the payload of PPTP where the header says, and at the captured end if that comes first', () => {
    const padded = fromHex('2001 880b 0002 0055 c021 0000')
    expect(view.decode(padded, 0, padded.length)).toBeNull()
    expect(view.payloadEnd).toBe(10)
    expect(view.decode(padded, 0, 9)).toBeNull()
    expect(view.payloadEnd).toBe(9)
  })

  test('refuses other versions and source routes', () => {
    expect(view.decode(fromHex('0002 0800'), 0, 4)).toBe('gre.version')
    expect(view.decode(fromHex('4000 0800 00000000'), 0, 8)).toBe('gre.routing')
  })

  test('calls every cut of the header truncated', () => {
    for (let end = 0; end < 16; end++) {
      expect(view.decode(ENHANCED, 0, end), `cut at ${end}`).toBe('gre.truncated')
      expect(view.payloadStart).toBe(view.payloadEnd)
    }
  })
})
