import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { describeRdp, looksLikeRdp, type RdpDescription, TpktView } from '../../src/wire/rdp.ts'
import { be8, be16, concat, fromHex, utf8 } from '../support/craft.ts'
import { inWindow } from '../support/window.ts'

/** A connection TPDU in its TPKT. */
function tpkt(tpdu: number, variable: Uint8Array): Uint8Array {
  return concat(
    be8(3),
    be8(0),
    be16(11 + variable.length),
    be8(6 + variable.length),
    be8(tpdu),
    fromHex('0000 1234 00'),
    variable,
  )
}

const REQUEST = tpkt(0xe0, concat(utf8('Cookie: mstshash=alice\r\n'), fromHex('01 00 0800 0b000000')))
const CONFIRM = tpkt(0xd0, fromHex('02 1f 0800 02000000'))

const view = new TpktView()

function described(bytes: Uint8Array): RdpDescription {
  expect(view.decode(bytes, 0, bytes.length)).toBeNull()
  return describeRdp(view)
}

describe('TpktView', () => {
  test('reads the headers', () => {
    expect(view.decode(REQUEST, 0, REQUEST.length)).toBeNull()
    expect(view).toMatchObject({
      tpdu: 0xe0,
      sourceReference: 0x1234,
      packetEnd: REQUEST.length,
      isWhole: true,
      dataStart: 11,
    })
    const data = fromHex('03 00 000a 02 f0 80 aabbcc')
    expect(view.decode(data, 0, data.length)).toBeNull()
    expect(view).toMatchObject({ tpdu: 0xf0, dataStart: 7, dataEnd: 10 })
  })

  test('a packet that goes on is not whole, and shorter than its header is truncated', () => {
    for (let length = 0; length < REQUEST.length; length++) {
      const flaw = view.decode(REQUEST, 0, length)
      expect(flaw, `cut at ${length}`).toBe(length < 6 ? 'rdp.truncated' : null)
      expect(view.isWhole).toBe(false)
    }
  })

  test('names its flaws', () => {
    const flaw = (digits: string) => view.decode(fromHex(digits), 0, fromHex(digits).length)
    expect(flaw('02 00 000b 06 e0 0000 0000 00')).toBe('rdp.tpkt_version')
    expect(flaw('03 00 0006 06 e0 0000 0000 00')).toBe('rdp.tpkt_length')
    expect(flaw('03 00 000b 07 e0 0000 0000 00')).toBe('rdp.tpdu_length')
    expect(flaw('03 00 000b 05 e0 0000 0000 00')).toBe('rdp.tpdu_length')
    expect(flaw('03 00 0007 01 f0 80')).toBe('rdp.tpdu_length')
  })
})

describe('describeRdp', () => {
  test('tells who asks and what protects the connection', () => {
    expect(described(REQUEST)).toEqual({
      tpdu: 'connection_request',
      length: 43,
      destinationReference: 0,
      sourceReference: 0x1234,
      user: 'alice',
      negotiation: { type: 'request', flags: 0, requested: 11, requestedProtocols: ['TLS', 'CredSSP', 'CredSSP_EX'] },
    })
    expect(described(CONFIRM)).toMatchObject({
      tpdu: 'connection_confirm',
      negotiation: { type: 'response', flags: 0x1f, selected: 2, selectedProtocol: 'CredSSP' },
    })
  })

  test('tells the old security, failures and tokens of load balancers', () => {
    const negotiation = (digits: string) => described(tpkt(0xd0, fromHex(digits))).negotiation
    expect(described(tpkt(0xe0, fromHex('01 00 0800 00000000'))).negotiation?.requestedProtocols).toEqual(['RDP'])
    expect(negotiation('02 00 0800 00000000')?.selectedProtocol).toBe('RDP')
    expect(negotiation('02 00 0800 40000000')?.selectedProtocol).toBe('64')
    expect(negotiation('03 00 0800 05000000')).toMatchObject({
      failureCode: 5,
      failureName: 'HYBRID_REQUIRED_BY_SERVER',
    })
    expect(negotiation('03 00 0800 63000000')?.failureName).toBe('99')
    const token = described(tpkt(0xe0, utf8('Cookie: msts=3640205228.15629.0000\r\n')))
    expect(token).toMatchObject({ routingToken: 'msts=3640205228.15629.0000' })
    expect(token.negotiation).toBeUndefined()
  })

  test('tells what is no negotiation, and names the other TPDUs', () => {
    expect(described(tpkt(0xe0, fromHex('c1 02 0100'))).flaw).toBe('rdp.negotiation')
    expect(described(fromHex('03 00 0007 02 f0 80'))).toEqual({ tpdu: 'data', length: 7 })
    expect(described(fromHex('03 00 0007 02 10 80')).tpdu).toBe('0x10')
  })

  test('reads nothing outside its packet, whatever the octets', () => {
    fc.assert(
      fc.property(
        fc.nat(REQUEST.length),
        fc.array(fc.tuple(fc.nat(REQUEST.length - 1), fc.nat(255)), { maxLength: 5 }),
        (length, changes) => {
          const octets = REQUEST.slice()
          for (const [at, value] of changes) octets[at] = value
          const { among, elsewhere } = inWindow(octets.subarray(0, length), (bytes, start, end) => {
            const flaw = view.decode(bytes, start, end)
            return [
              flaw,
              looksLikeRdp(bytes, start, end, true),
              flaw === null && view.decode(bytes, start, end) === null && view.isWhole ? describeRdp(view) : null,
            ]
          })
          expect(among).toEqual(elsewhere)
        },
      ),
      { seed: 1006, numRuns: 2000 },
    )
  })
})

describe('looksLikeRdp', () => {
  test('goes by cookie, negotiation or port', () => {
    const looks = (bytes: Uint8Array, isExpectedPort = false) => looksLikeRdp(bytes, 0, bytes.length, isExpectedPort)
    expect(looks(REQUEST)).toBe(true)
    expect(looks(tpkt(0xe0, fromHex('01 00 0800 00000000')))).toBe(true)
    expect(looks(tpkt(0xe0, fromHex('')))).toBe(false)
    expect(looks(tpkt(0xe0, fromHex('')), true)).toBe(true)
    // Controllers of machines speak over the same layers.
    expect(looks(tpkt(0xe0, fromHex('c1020100 c2020102 c0010a')), true)).toBe(false)
    expect(looks(CONFIRM)).toBe(false)
    expect(looks(utf8('GET / HTTP/1.1'))).toBe(false)
    for (let length = 0; length < REQUEST.length; length++) expect(looks(REQUEST.subarray(0, length))).toBeUndefined()
  })
})
