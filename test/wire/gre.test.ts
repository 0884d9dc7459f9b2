import { describe, expect, test } from 'vitest'
import { describeGre, GreView } from '../../src/wire/gre.ts'
import { concat, fromHex } from '../support/craft.ts'
import { enhancedGre } from '../support/pptp.ts'
import { inWindow } from '../support/window.ts'

const view = new GreView()
/** PPTP: key, sequence and acknowledgement present, version 1, PPP, four octets for call 85. */
const ENHANCED = fromHex('3081 880b 0004 0055 00000007 00000006 ff03c021')
/** Checksum, routing, key and sequence; a route of four octets of IP, and the end of the routes. */
const ROUTED = fromHex('f000 0800 1234 0004 0000002a 00000001 0800 00 04 c0000201 0000 00 00 45')

function described(bytes: Uint8Array, cut = 0): unknown {
  const { among, elsewhere } = inWindow(bytes, (buffer, start, end) => {
    const flaw = view.decode(buffer, start, end - cut, end)
    return flaw ?? { ...describeGre(view), payload: [view.payloadStart - start, view.payloadEnd - start] }
  })
  expect(among).toEqual(elsewhere)
  return among
}

describe('GreView', () => {
  test('reads the enhanced header of PPTP', () => {
    expect(described(ENHANCED)).toEqual({
      layer: 'gre',
      flags: 0x3081,
      version: 1,
      protocol: 0x880b,
      payloadLength: 4,
      callId: 85,
      sequence: 7,
      acknowledgement: 6,
      payload: [16, 20],
    })
  })

  test('reads an acknowledgement alone', () => {
    expect(described(enhancedGre(new Uint8Array(0), { callId: 9, acknowledgement: 4 }))).toEqual({
      layer: 'gre',
      flags: 0x2081,
      version: 1,
      protocol: 0x880b,
      payloadLength: 0,
      callId: 9,
      acknowledgement: 4,
      payload: [12, 12],
    })
  })

  test('reads checksum, key and sequence of the common header', () => {
    const bytes = fromHex('b000 0800 1234 0000 8000002a 00000001 45')
    expect(described(bytes)).toMatchObject({ version: 0, checksum: 0x1234, key: 0x8000002a, sequence: 1 })
    expect(view.payloadEnd - view.payloadStart).toBe(1)
  })

  test('reads source routes, and the payload behind them', () => {
    expect(described(ROUTED)).toMatchObject({
      key: 42,
      sequence: 1,
      routes: [
        { addressFamily: 0x0800, offset: 0, length: 4, information: 'c0000201' },
        { addressFamily: 0, offset: 0, length: 0, information: '' },
      ],
      payload: [28, 29],
    })
  })

  test('ends the payload of PPTP where the header says, and at the captured end if that comes first', () => {
    const padded = fromHex('2001 880b 0002 0055 c021 0000')
    expect(described(padded)).toMatchObject({ payload: [8, 10] })
    expect(described(padded, 3)).toMatchObject({ payload: [8, 9] })
    expect(view.wireEnd - view.payloadStart).toBe(2)
  })

  test('refuses other versions, routes that do not end, calls without a number, and lengths past the packet', () => {
    expect(described(fromHex('0002 0800'))).toBe('gre.version')
    expect(described(fromHex('6001 880b 00000000'))).toBe('gre.routing')
    const route = fromHex('0800 00 00')
    expect(described(concat(fromHex('4000 0800 00000000'), ...Array(40).fill(route)))).toBe('gre.routing')
    expect(described(fromHex('1001 880b 00000001'))).toBe('gre.key')
    expect(described(enhancedGre(fromHex('c021'), { sequence: 1, payloadLength: 3 }))).toBe('gre.length')
    expect(view.payloadStart).toBe(view.payloadEnd)
  })

  test('calls every cut of a header truncated', () => {
    for (const [packet, length] of [
      [ENHANCED, 16],
      [ROUTED, 28],
    ] as const) {
      for (let end = 0; end < length; end++) {
        expect(described(packet.subarray(0, end)), `cut at ${end}`).toBe('gre.truncated')
        expect(view.payloadStart).toBe(view.payloadEnd)
      }
    }
  })
})
