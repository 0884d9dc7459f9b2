import * as fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { describeGdoi } from '../../src/wire/ike-gdoi.ts'
import { be16, be32, concat, fromHex, ipBytes } from '../support/craft.ts'

const identity = (address: string, port: number) =>
  concat(Uint8Array.of(1), be16(port), Uint8Array.of(4), ipBytes(address))
const read = (type: number, bytes: Uint8Array, end = bytes.length) => describeGdoi(type, bytes, 0, end)

const SAK = concat(
  Uint8Array.of(17),
  identity('192.0.2.1', 848),
  identity('239.0.0.1', 848),
  new Uint8Array(16).fill(7),
  be32(0),
)
const SAT = concat(
  fromHex('01 11'),
  identity('10.0.0.0', 0),
  identity('239.0.0.2', 5000),
  Uint8Array.of(12),
  be32(0xc0ffee01),
  fromHex('80040001'),
)
const KD = concat(
  be16(2),
  be16(0),
  concat(fromHex('01 00'), be16(13), Uint8Array.of(4), be32(0xc0ffee01), fromHex('01020304')),
  concat(fromHex('02 00'), be16(21), Uint8Array.of(16), new Uint8Array(16)),
)

describe('GDOI', () => {
  test('SAK names the policy of the key encryption key', () => {
    expect(read(15, SAK)).toEqual({
      protocolNumber: 17,
      protocol: 'udp',
      source: { idTypeNumber: 1, idType: 'ID_IPV4_ADDR', port: 848, value: '192.0.2.1' },
      destination: { idTypeNumber: 1, idType: 'ID_IPV4_ADDR', port: 848, value: '239.0.0.1' },
      spi: '07'.repeat(16),
      dataLength: 4,
    })
  })

  test('SAT names the traffic and its transform', () => {
    expect(read(16, SAT)).toMatchObject({
      protocol: 'GDOI_PROTO_IPSEC_ESP',
      destination: { port: 5000, value: '239.0.0.2' },
      transformId: 12,
      transform: 'ESP_AES-CBC',
      spi: 'c0ffee01',
      dataLength: 4,
    })
  })

  test('KD lists packets, and of keys their length only', () => {
    expect(read(17, KD)).toEqual({
      keyPackets: [
        { typeNumber: 1, type: 'TEK', spi: 'c0ffee01', keyLength: 4 },
        { typeNumber: 2, type: 'KEK', spi: '00'.repeat(16), keyLength: 0 },
      ],
      dataLength: 0,
    })
    expect(JSON.stringify(read(17, KD))).not.toContain('01020304')
  })

  test('SEQ is a number, and the others are opaque', () => {
    expect(read(18, be32(9))).toEqual({ sequence: 9, dataLength: 0 })
    expect(read(18, be16(9))).toEqual({ dataLength: 2 })
    expect(read(19, new Uint8Array(8))).toEqual({ dataLength: 8 })
    expect(read(22, new Uint8Array(8))).toEqual({ dataLength: 8 })
  })

  test('cut anywhere keeps what can be read', () => {
    for (const [type, whole] of [
      [15, SAK],
      [16, SAT],
      [17, KD],
    ] as const) {
      for (let end = 0; end < whole.length; end++) {
        const { dataLength } = read(type, whole, end)
        expect(dataLength).toBeGreaterThanOrEqual(0)
        expect(dataLength).toBeLessThanOrEqual(end)
      }
    }
  })

  test('of any bytes is described', () => {
    fc.assert(
      fc.property(fc.constantFrom(15, 16, 17, 18, 19, 22), fc.uint8Array({ maxLength: 80 }), (type, bytes) => {
        expect(read(type, bytes).dataLength).toBeGreaterThanOrEqual(0)
      }),
      { seed: 4 },
    )
  })
})
