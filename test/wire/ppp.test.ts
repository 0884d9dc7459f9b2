import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { describeLqr, describePpp, MultilinkView, PPP, PppView, pppProtocolName } from '../../src/wire/ppp.ts'
import { fromHex } from '../support/craft.ts'

const LCP_ECHO = fromHex('ff03 c021 0901 0008 00000000')
const IPV4_COMPRESSED = fromHex('21 4500')
const LQR = fromHex(`ff03 c025 0a0b0c0d
  00000001 00000002 00000003 00000004 00000005 00000006 00000007 00000008 00000009 0000000a ffffffff`)

const view = new PppView()

function decode(bytes: Uint8Array): string | null {
  return view.decode(bytes, 0, bytes.length)
}

describe('PppView', () => {
  test('reads a frame with address, control and two octets of protocol', () => {
    expect(decode(LCP_ECHO)).toBeNull()
    expect(view).toMatchObject({
      hasAddress: true,
      protocol: PPP.LCP,
      protocolLength: 2,
      payloadStart: 4,
      payloadEnd: 12,
      isControl: true,
    })
    expect(describePpp(view)).toEqual({ address: 0xff, control: 3, protocol: 0xc021, protocolName: 'LCP' })
  })

  test('reads each combination of compressed header fields alike', () => {
    for (const [digits, hasAddress, protocolLength] of [
      ['ff03 0021 45', true, 2],
      ['ff03 21 45', true, 1],
      ['0021 45', false, 2],
      ['21 45', false, 1],
    ] as const) {
      const bytes = fromHex(digits)
      expect(decode(bytes)).toBeNull()
      expect(view).toMatchObject({ hasAddress, protocol: PPP.IPV4, protocolLength, payloadStart: bytes.length - 1 })
      expect(view.isControl).toBe(false)
    }
  })

  test('leaves the address out of the description when it was compressed', () => {
    expect(decode(IPV4_COMPRESSED)).toBeNull()
    expect(describePpp(view)).toEqual({ protocol: 0x21, protocolName: 'IPv4' })
  })

  test('reads a frame in the middle of a buffer and stays in its window', () => {
    const bytes = fromHex('eeee ff03 8021 01 eeee')
    expect(view.decode(bytes, 2, 7)).toBeNull()
    expect(view).toMatchObject({ protocol: PPP.IPCP, payloadStart: 6, payloadEnd: 7 })
  })

  test('names a protocol whose last octet is even', () => {
    expect(decode(fromHex('c022 0101'))).toBe('ppp.protocol')
    expect(decode(fromHex('ff03 0020 45'))).toBe('ppp.protocol')
  })

  test('names an address that no control field of unnumbered information follows', () => {
    expect(decode(fromHex('ff13 c021 01'))).toBe('ppp.protocol')
    expect(decode(fromHex('ff7d23 c0'))).toBe('ppp.protocol')
  })

  test('names every truncation of the header', () => {
    for (let length = 0; length < 4; length++) expect(decode(LCP_ECHO.subarray(0, length))).toBe('ppp.truncated')
    expect(decode(fromHex(''))).toBe('ppp.truncated')
    expect(decode(fromHex('00'))).toBe('ppp.truncated')
  })

  test('accepts a frame without a payload, which is for the protocol to judge', () => {
    expect(decode(fromHex('ff03c021'))).toBeNull()
    expect(view.payloadStart).toBe(view.payloadEnd)
  })

  test('keeps its windows in range for any octets', () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 40 }), fc.nat(8), (bytes, start) => {
        const from = Math.min(start, bytes.length)
        if (view.decode(bytes, from, bytes.length) !== null) return
        expect(view.payloadStart).toBeGreaterThan(from)
        expect(view.payloadStart).toBeLessThanOrEqual(view.payloadEnd)
        expect(view.payloadEnd).toBe(bytes.length)
        expect(view.protocol & 1).toBe(1)
      }),
    )
  })
})

describe('pppProtocolName', () => {
  test('names what the registry names and nothing else', () => {
    expect(pppProtocolName(0x00fd)).toBe('Compressed Datagram')
    expect(pppProtocolName(0xc227)).toBe('EAP')
    expect(pppProtocolName(0xbeef)).toBe('unknown')
  })
})

describe('MultilinkView', () => {
  const multilink = new MultilinkView()

  test('reads the long format', () => {
    const bytes = fromHex('c4 01e240 0021')
    expect(multilink.decode(bytes, 0, bytes.length, false)).toBeNull()
    expect(multilink).toMatchObject({
      isFirst: true,
      isLast: true,
      classNumber: 1,
      sequence: 123456,
      payloadStart: 4,
      payloadEnd: 6,
    })
  })

  test('reads the short format', () => {
    const bytes = fromHex('5abc 0021')
    expect(multilink.decode(bytes, 0, bytes.length, true)).toBeNull()
    expect(multilink).toMatchObject({ isFirst: false, isLast: true, classNumber: 1, sequence: 0xabc, payloadStart: 2 })
  })

  test('names every truncation', () => {
    for (let length = 0; length < 4; length++) {
      expect(multilink.decode(fromHex('c4 01e240'), 0, length, false)).toBe('mp.truncated')
    }
    for (let length = 0; length < 2; length++) {
      expect(multilink.decode(fromHex('5abc'), 0, length, true)).toBe('mp.truncated')
    }
  })
})

describe('describeLqr', () => {
  test('reads every counter', () => {
    expect(decode(LQR)).toBeNull()
    expect(describeLqr(view)).toEqual({
      magicNumber: '0x0a0b0c0d',
      lastOutReports: 1,
      lastOutPackets: 2,
      lastOutOctets: 3,
      peerInReports: 4,
      peerInPackets: 5,
      peerInDiscards: 6,
      peerInErrors: 7,
      peerInOctets: 8,
      peerOutReports: 9,
      peerOutPackets: 10,
      peerOutOctets: 0xffffffff,
    })
  })

  test('names every truncation', () => {
    for (let length = 4; length < LQR.length; length++) {
      expect(decode(LQR.subarray(0, length))).toBeNull()
      expect(describeLqr(view)).toBe('lqr.truncated')
    }
  })
})
