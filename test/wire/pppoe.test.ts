import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import {
  describePppoe,
  inlineCredits,
  PPPOE,
  PPPOE_TAGS_MAX,
  pppoeCodeName,
  PppoeTagCursor,
  PppoeView,
} from '../../src/wire/pppoe.ts'
import { be16, be32, concat, fromHex } from '../support/craft.ts'
import { accessLine, pppoe, pppoeTag } from '../support/pppoe.ts'
import { inWindow } from '../support/window.ts'

const view = new PppoeView()
const cursor = new PppoeTagCursor()

function described(bytes: Uint8Array, cut = 0): unknown {
  const { among, elsewhere } = inWindow(bytes, (buffer, start, end) => {
    const flaw = view.decode(buffer, start, end - cut, end)
    return flaw ?? describePppoe(view, cursor)
  })
  expect(among).toEqual(elsewhere)
  return among
}

/** The tags of one discovery packet, and what is wrong with them. */
function tagsOf(...tags: readonly Uint8Array[]): { tags: object[]; flaw?: string; findings?: string[] } {
  return described(pppoe(PPPOE.PADS, concat(...tags), { sessionId: 7 })) as ReturnType<typeof tagsOf>
}

const PADO = pppoe(
  PPPOE.PADO,
  concat(
    pppoeTag(0x0101, 'internet'),
    pppoeTag(0x0102, 'bras1'),
    pppoeTag(0x0103, fromHex('00c0ffee')),
    pppoeTag(0x0104, fromHex('0011223344')),
  ),
)

describe('PppoeView', () => {
  test('reads the header of a session', () => {
    const session = pppoe(0, fromHex('c021 0101 0004'), { sessionId: 0x1234 })
    expect(described(session)).toEqual({
      version: 1,
      type: 1,
      code: 0,
      codeName: 'Session',
      sessionId: 0x1234,
      length: 6,
    })
    expect(view.payloadEnd - view.payloadStart).toBe(6)
  })

  test('leaves the padding of a short frame out', () => {
    expect(described(concat(pppoe(0, fromHex('c021'), { sessionId: 1 }), new Uint8Array(30)))).toMatchObject({
      length: 2,
    })
    expect(view.payloadEnd - view.payloadStart).toBe(2)
  })

  test('tells a capture that was cut from a length that lies', () => {
    expect(described(pppoe(0, fromHex('c021 0101 0004')), 3)).toMatchObject({ length: 6 })
    expect([view.payloadEnd - view.payloadStart, view.wireEnd - view.payloadStart]).toEqual([3, 6])
    expect(described(pppoe(0, fromHex('c021'), { length: 3 }))).toBe('pppoe.length')
    expect(view.payloadStart).toBe(view.payloadEnd)
  })

  test('refuses other versions and types', () => {
    expect(described(pppoe(0, fromHex('c021'), { versionAndType: 0x21 }))).toBe('pppoe.version')
    expect(described(pppoe(0, fromHex('c021'), { versionAndType: 0x12 }))).toBe('pppoe.version')
  })

  test('names every truncation', () => {
    for (let length = 0; length < PADO.length; length++)
      expect(described(PADO.subarray(0, length)), `${length}`).toBe(length < 6 ? 'pppoe.truncated' : 'pppoe.length')
  })

  test('names the codes', () => {
    const names = Object.values(PPPOE).map(pppoeCodeName)
    expect(names).toEqual(['Session', 'PADO', 'PADI', 'PADG', 'PADC', 'PADQ', 'PADR', 'PADS', 'PADT', 'PADM', 'PADN'])
    expect(pppoeCodeName(1)).toBe('unknown')
  })
})

describe('the tags', () => {
  test('are told by name, with their values', () => {
    expect(described(PADO)).toEqual({
      version: 1,
      type: 1,
      code: 7,
      codeName: 'PADO',
      sessionId: 0,
      length: 38,
      tags: [
        { type: 0x0101, name: 'Service-Name', length: 8, value: 'internet' },
        { type: 0x0102, name: 'AC-Name', length: 5, value: 'bras1' },
        { type: 0x0103, name: 'Host-Uniq', length: 4, value: '00c0ffee' },
        { type: 0x0104, name: 'AC-Cookie', length: 5, value: '0011223344' },
      ],
    })
  })

  test.each([
    ['Relay-Session-Id', 0x0110, '0102', { value: '0102' }],
    ['HURL', 0x0111, '687474703a', { value: 'http:' }],
    ['MOTM', 0x0112, '6869', { value: 'hi' }],
    ['PPP-Max-Payload', 0x0120, '05dc', { value: 1500 }],
    [
      'IP-Route-Add',
      0x0121,
      '0a000000ff000000c000020100000005',
      { destination: '10.0.0.0', netmask: '255.0.0.0', gateway: '192.0.2.1', metric: 5 },
    ],
    ['Service-Name-Error', 0x0201, '6e6f', { value: 'no' }],
    ['AC-System-Error', 0x0202, '6e6f', { value: 'no' }],
    ['Generic-Error', 0x0203, '6e6f', { value: 'no' }],
    ['Credits', 0x0106, '000a0014', { forwardCredit: 10, backwardCredit: 20 }],
    ['Sequence-Number', 0x0108, '0009', { value: 9 }],
    ['Credit-Scale-Factor', 0x0109, '0040', { value: 64 }],
    [
      'Metrics',
      0x0107,
      '000d 64 32 0014 03e8 0001',
      {
        isReceiveOnly: true,
        currentRateUnit: 'Gbit/s',
        maximumRateUnit: 'Mbit/s',
        relativeLinkQuality: 100,
        resources: 50,
        latencyMs: 20,
        currentDataRate: 1000,
        maximumDataRate: 1,
      },
    ],
    ['unknown', 0x0999, 'beef', { value: 'beef' }],
  ])('%s is read', (name, type, value, expected) => {
    const octets = fromHex(value)
    expect(tagsOf(pppoeTag(type, octets)).tags).toEqual([{ type, name, length: octets.length, ...expected }])
  })

  test.each([0x0106, 0x0107, 0x0108, 0x0109, 0x0120, 0x0121, 0x0105])(
    'of type %i have a length that fits, or a flaw',
    (type) => {
      expect(tagsOf(pppoeTag(type, fromHex('010203')))).toMatchObject({
        tags: [{ type, length: 3, value: '010203', flaw: 'pppoe.tag_value' }],
        flaw: 'pppoe.tag_value',
      })
    },
  )

  test('tell the access line that a node in between appended', () => {
    const tag = accessLine([
      [1, 'dslam7 atm 1/1/3:8.35'],
      [2, 'line 42'],
      [0x81, be32(1024)],
      [0x82, be32(16_384)],
      [0x90, fromHex('000000')],
      [0xfe, fromHex('')],
      [0x83, fromHex('0102')],
      [0x70, fromHex('aa')],
    ])
    expect(tagsOf(tag).tags).toEqual([
      {
        type: 0x0105,
        name: 'Vendor-Specific',
        length: 62,
        vendorId: 3561,
        vendorName: 'Broadband Forum',
        subtags: [
          { type: 1, name: 'agentCircuitId', length: 21, value: 'dslam7 atm 1/1/3:8.35' },
          { type: 2, name: 'agentRemoteId', length: 7, value: 'line 42' },
          { type: 0x81, name: 'actualDataRateUpstream', length: 4, value: 1024 },
          { type: 0x82, name: 'actualDataRateDownstream', length: 4, value: 16_384 },
          { type: 0x90, name: 'accessLoopEncapsulation', length: 3, value: '000000' },
          { type: 0xfe, name: 'iwfSession', length: 0, value: '' },
          { type: 0x83, name: 'minimumDataRateUpstream', length: 2, value: '0102', flaw: 'pppoe.tag_value' },
          { type: 0x70, name: 'unknown', length: 1, value: 'aa' },
        ],
      },
    ])
  })

  test('of other vendors, and of this one when it does not add up, stay octets', () => {
    expect(tagsOf(pppoeTag(0x0105, fromHex('00000009 beef'))).tags).toEqual([
      { type: 0x0105, name: 'Vendor-Specific', length: 6, vendorId: 9, vendorName: 'Cisco', value: 'beef' },
    ])
    expect(tagsOf(pppoeTag(0x0105, fromHex('0000ffff'))).tags).toMatchObject([{ vendorName: 'unknown', value: '' }])
    for (const rest of ['01', '0105aa', '0100ff'])
      expect(tagsOf(pppoeTag(0x0105, fromHex(`00000de9 ${rest}`))).tags).toMatchObject([{ value: rest }])
  })

  test('end with the end-of-list tag, whatever follows', () => {
    expect(tagsOf(pppoeTag(0, ''), pppoeTag(0x0102, 'bras1'))).toMatchObject({ tags: [{ name: 'End-Of-List' }] })
  })

  test('before one that does not fit are told', () => {
    expect(tagsOf(pppoeTag(0x0102, 'bras1'), fromHex('0101 00ff 61'))).toMatchObject({
      tags: [{ name: 'AC-Name' }],
      flaw: 'pppoe.tag_length',
    })
    expect(tagsOf(pppoeTag(0x0102, 'bras1'), fromHex('0101 00'))).toMatchObject({
      tags: [{ name: 'AC-Name' }],
      flaw: 'pppoe.tag_truncated',
    })
  })

  test('that the capture cut are no flaw', () => {
    expect(described(PADO, 3)).not.toHaveProperty('flaw')
    expect((described(PADO, 3) as { tags: object[] }).tags).toHaveLength(3)
  })

  test('without number are not listed without end', () => {
    const many = tagsOf(...Array.from({ length: PPPOE_TAGS_MAX + 1 }, () => pppoeTag(0x0103, '')))
    expect(many.tags).toHaveLength(PPPOE_TAGS_MAX)
    expect(many.findings).toEqual(['pppoe.tags_excess'])
  })
})

describe('what the RFC forbids', () => {
  test.each([
    ['a PADI of a session', PPPOE.PADI, [pppoeTag(0x0101, '')], 9, ['pppoe.session_id']],
    ['a PADT of none', PPPOE.PADT, [], 0, ['pppoe.session_id']],
    ['a PADR without a service', PPPOE.PADR, [], 0, ['pppoe.service_name_missing']],
    ['a PADO without a name', PPPOE.PADO, [pppoeTag(0x0101, '')], 0, ['pppoe.ac_name_missing']],
    ['a code that nobody knows', 0x55, [], 0, ['pppoe.code']],
  ] as const)('is told: %s', (_what, code, tags, sessionId, findings) => {
    expect(described(pppoe(code, concat(...tags), { sessionId }))).toMatchObject({ findings })
  })

  test('is not found in what is right', () => {
    expect(described(pppoe(PPPOE.PADI, pppoeTag(0x0101, '')))).not.toHaveProperty('findings')
    expect(described(pppoe(PPPOE.PADT, new Uint8Array(0), { sessionId: 9 }))).not.toHaveProperty('findings')
    expect(described(PADO)).not.toHaveProperty('findings')
  })
})

test('credits may stand before the frame of a session', () => {
  const credits = concat(fromHex('0106 0004'), be16(3), be16(4))
  expect(inlineCredits(credits, 0, 8)).toEqual({ forwardCredit: 3, backwardCredit: 4 })
  for (let length = 0; length < 8; length++) expect(inlineCredits(credits, 0, length)).toBeNull()
  expect(inlineCredits(fromHex('0106 0005 00010002 00'), 0, 9)).toBeNull()
})

test('whatever the octets, reading ends and stays inside them', () => {
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 120 }), fc.constantFrom(...Object.values(PPPOE)), (payload, code) => {
      described(pppoe(code, payload))
      expect(view.payloadEnd).toBeGreaterThanOrEqual(view.payloadStart)
    }),
    { seed: 2516, numRuns: 1000 },
  )
})
