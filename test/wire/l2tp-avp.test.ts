import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { L2tpView } from '../../src/wire/l2tp.ts'
import { AVP_FINDINGS, AvpCursor, type ControlDescription, describeControl } from '../../src/wire/l2tp-avp.ts'
import { type AvpFields, avp as craftAvp, be16, fromHex, l2tpControl } from '../support/craft.ts'

function avp(type: number, value: string | readonly number[] | Uint8Array, fields: AvpFields = {}): Uint8Array {
  return craftAvp(type, typeof value === 'string' ? value : Uint8Array.from(value), fields)
}

const view = new L2tpView()
const cursor = new AvpCursor()

function read(bytes: Uint8Array, end = bytes.length): ControlDescription {
  expect(view.decode(bytes, 0, end, bytes.length)).toBeNull()
  return describeControl(view, cursor)
}

function readAvps(...avps: readonly Uint8Array[]): ControlDescription {
  return read(l2tpControl(avps))
}

/** Messages of an xl2tpd, one of them an SCCRP with challenge, response and random vector. */
const SCCRP = fromHex(
  'c80200a68f400000000000018008000000000002801600000024dfbd797eaf634f1ab89a3862a862c2cb8008000000020100800a0000000300000003' +
    '800a000000040000000000080000000606908009000000076c6e7300130000000878656c6572616e63652e636f6d800800000009c68080080000000a' +
    '000480160000000dfa4923a86e59583aa1af20479134ba0d80160000000bdcffe5fd81e212377fddabfea2e113e6',
)
const ICCN = fromHex(
  'c8020048c6805f7a00030002800800000000000c801600000024eb3e8f451b7e88f7f0927077cdecab80800a0000001800000000' +
    '800a0000001300000001000a0000002600000000',
)
const STOPCCN = fromHex(
  'c802005c1fb50000000100018008000000000004801600000024c3de87e1fe61a5cf4a6c911bbc07b4008008000000092534' +
    '802a0000000100020006496e76616c6964206368616c6c656e67652061757468656e7469636174696f6e',
)

describe('describeControl', () => {
  test('reads an SCCRP', () => {
    const described = read(SCCRP)
    expect(described).toMatchObject({
      messageType: 2,
      messageName: 'SCCRP',
      findings: [],
      flaw: null,
      isSnapped: false,
    })
    expect(described.control).toEqual({
      message: 'SCCRP',
      messageType: 2,
      randomVector: 'dfbd797eaf634f1ab89a3862a862c2cb',
      protocolVersion: '1.0',
      framingCapabilities: ['synchronous', 'asynchronous'],
      bearerCapabilities: [],
      firmwareRevision: 0x690,
      hostName: 'lns',
      vendorName: 'xelerance.com',
      assignedTunnelId: 0xc680,
      receiveWindow: 4,
      challengeResponse: fromHex('fa4923a86e59583aa1af20479134ba0d'),
      challenge: fromHex('dcffe5fd81e212377fddabfea2e113e6'),
    })
    expect(described.avps[7]).toEqual({
      type: 8,
      name: 'vendorName',
      vendorId: 0,
      mandatory: false,
      hidden: false,
      length: 19,
      value: 'xelerance.com',
      findings: [],
    })
    expect(described.avps[11]?.value).toBe('dcffe5fd81e212377fddabfea2e113e6')
  })

  test('reads an ICCN', () => {
    expect(read(ICCN).control).toMatchObject({
      message: 'ICCN',
      txConnectSpeed: 0,
      rxConnectSpeed: 0,
      framingType: ['synchronous'],
    })
  })

  test('reads why a tunnel was refused', () => {
    expect(read(STOPCCN)).toMatchObject({
      control: {
        message: 'StopCCN',
        assignedTunnelId: 0x2534,
        resultCode: 2,
        resultText: 'general error',
        errorCode: 6,
        errorText: 'vendor-specific error',
        errorMessage: 'Invalid challenge authentication',
      },
      findings: [],
    })
  })

  test('reads a result code of two octets, as some peers send it', () => {
    const { control, findings } = readAvps(avp(0, [0, 14]), avp(1, [0, 3]), avp(14, [0, 9]))
    expect(control).toEqual({
      message: 'CDN',
      messageType: 14,
      resultCode: 3,
      resultText: 'administrative reasons',
      assignedSessionId: 9,
    })
    expect(findings).toEqual([])
  })

  test('reads every AVP of an incoming call', () => {
    const { control, findings } = readAvps(
      avp(0, [0, 10]),
      avp(14, [0x12, 0x34]),
      avp(15, [0, 0, 0, 7]),
      avp(18, [0, 0, 0, 3]),
      avp(25, [0xff, 0xff, 0xff, 0xff]),
      avp(21, '5551234'),
      avp(22, '5556789'),
      avp(23, '42'),
    )
    expect(control).toEqual({
      message: 'ICRQ',
      messageType: 10,
      assignedSessionId: 0x1234,
      callSerialNumber: 7,
      bearerType: ['digital', 'analog'],
      physicalChannelId: 0xffffffff,
      calledNumber: '5551234',
      callingNumber: '5556789',
      subAddress: '42',
    })
    expect(findings).toEqual([])
  })

  test('reads proxy LCP and proxy authentication, but never the response', () => {
    const confReq = [1, 4, 5, 0xdc, 3, 4, 0xc0, 0x23]
    const described = readAvps(
      avp(0, [0, 12]),
      avp(24, [0, 1, 0, 0]),
      avp(19, [0, 0, 0, 2]),
      avp(26, confReq),
      avp(27, confReq),
      avp(28, confReq),
      avp(29, [0, 3]),
      avp(30, 'alice'),
      avp(31, [1, 2, 3, 4]),
      avp(32, [0, 5]),
      avp(33, 'hunter2'),
      avp(37, 'blue'),
      avp(38, [0, 0, 0xfa, 0]),
      avp(39, []),
    )
    expect(described.control).toMatchObject({
      message: 'ICCN',
      txConnectSpeed: 65536,
      framingType: ['asynchronous'],
      initialReceivedLcpConfReq: Uint8Array.from(confReq),
      lastSentLcpConfReq: Uint8Array.from(confReq),
      lastReceivedLcpConfReq: Uint8Array.from(confReq),
      proxyAuthenType: 3,
      proxyAuthenName: 'alice',
      proxyAuthenChallenge: Uint8Array.of(1, 2, 3, 4),
      proxyAuthenId: 5,
      proxyAuthenResponseLength: 7,
      privateGroupId: 'blue',
      rxConnectSpeed: 64000,
      sequencingRequired: true,
    })
    expect(described.findings).toEqual([])
    expect(JSON.stringify(described)).not.toContain('hunter2')
    expect(JSON.stringify(described)).not.toContain(Buffer.from('hunter2').toString('hex'))
  })

  test('reads link information, call errors and causes', () => {
    expect(readAvps(avp(0, [0, 16]), avp(35, [0, 0, 1, 2, 3, 4, 5, 6, 7, 8])).control).toMatchObject({
      message: 'SLI',
      sendAccm: 0x01020304,
      receiveAccm: 0x05060708,
    })
    const counters = [0, 0, ...[1, 2, 3, 4, 5, 6].flatMap((count) => [0, 0, 0, count])]
    expect(readAvps(avp(0, [0, 15]), avp(34, counters)).control).toMatchObject({
      message: 'WEN',
      crcErrors: 1,
      framingErrors: 2,
      hardwareOverruns: 3,
      bufferOverruns: 4,
      timeoutErrors: 5,
      alignmentErrors: 6,
    })
    const cause = [0, 16, 0xc2, 0x23, 1, ...Buffer.from('bad password')]
    expect(readAvps(avp(0, [0, 14]), avp(12, [0, 16, 0x45, 0x6f, 0x6b]), avp(46, cause)).control).toMatchObject({
      q931Cause: 16,
      q931Message: 0x45,
      q931Advisory: 'ok',
      disconnectCode: 16,
      disconnectText: 'authentication failed: bad name, password or secret',
      disconnectProtocol: 0xc223,
      disconnectDirection: 1,
      disconnectMessage: 'bad password',
    })
  })

  test('reads the AVPs of vendors, but does not mistake them for those of the IETF', () => {
    const guid = [...Array(16).keys()]
    const described = readAvps(
      avp(0, [0, 10]),
      avp(1, guid, { vendor: 311, mandatory: false }),
      avp(1, 'eth 1/2:100', { vendor: 3561, mandatory: false }),
      avp(129, [0, 0, 0, 1, 0, 0, 0, 0], { vendor: 3561, mandatory: false }),
      avp(9, [1, 2], { vendor: 40000, mandatory: false }),
    )
    expect(described.findings).toEqual([])
    expect(described.control).toEqual({ message: 'ICRQ', messageType: 10 })
    expect(described.avps.slice(1).map(({ name, vendorName, value }) => [name, vendorName, value])).toEqual([
      ['microsoftCorrelationId', 'Microsoft', Buffer.from(guid).toString('hex')],
      ['agentCircuitId', 'Broadband Forum', 'eth 1/2:100'],
      ['actualDataRateUpstream', 'Broadband Forum', 2 ** 32],
      ['unknown', undefined, '0102'],
    ])
  })

  test('leaves the zeros off that end or pad a C string', () => {
    const { control, findings } = readAvps(avp(0, [0, 4]), avp(7, 'lac\0'), avp(1, [0, 1, 0, 6, 0, 0, 0]))
    expect(control).toMatchObject({ hostName: 'lac', resultCode: 1, errorCode: 6, errorMessage: '' })
    expect(findings).toEqual([])
  })

  test('shows bits without a name as what they are', () => {
    expect(readAvps(avp(0, [0, 1]), avp(3, [0x80, 0, 0, 2])).control.framingCapabilities).toEqual([
      'asynchronous',
      '0x80000000',
    ])
  })

  test('an empty message describes nothing', () => {
    expect(readAvps()).toEqual({
      messageName: 'unknown',
      avps: [],
      control: { message: 'unknown' },
      findings: [],
      flaw: null,
      isSnapped: false,
    })
  })

  test('keeps at most 256 descriptions but reads on', () => {
    const many = Array.from({ length: 300 }, () => avp(36, [1]))
    const described = readAvps(avp(0, [0, 1]), ...many, avp(9, [0, 5]))
    expect(described.avps).toHaveLength(256)
    expect(described.control.assignedTunnelId).toBe(5)
    expect(described.findings).toEqual(['l2tp.avp_excess'])
  })
})

describe('AvpCursor', () => {
  test('an AVP shorter than its header is a flaw, and what stood before is kept', () => {
    for (const length of [0, 5]) {
      const described = readAvps(avp(0, [0, 1]), avp(9, [0, 1], { length }))
      expect(described).toMatchObject({ flaw: 'l2tp.avp_length', messageName: 'SCCRQ' })
      expect(described.avps).toHaveLength(1)
    }
  })

  test('an AVP longer than the message is a flaw', () => {
    expect(readAvps(avp(0, [0, 1]), avp(9, [0, 1], { length: 9 })).flaw).toBe('l2tp.avp_length')
  })

  test('a rest too short for a header is a flaw', () => {
    for (let rest = 1; rest < 6; rest++) {
      expect(readAvps(avp(0, [0, 1]), new Uint8Array(rest)).flaw).toBe('l2tp.avp_truncated')
    }
  })

  test('a capture cut short ends the walk without a flaw', () => {
    for (let end = 12; end < SCCRP.length; end++) {
      const described = read(SCCRP, end)
      expect(described).toMatchObject({ flaw: null, isSnapped: true, findings: [] })
      expect(described.avps.length).toBeLessThan(12)
    }
  })

  test('stays where it stopped', () => {
    view.decode(STOPCCN, 0, 40, STOPCCN.length)
    cursor.over(view)
    while (cursor.next());
    expect(cursor.next()).toBe(false)
    expect(cursor.isSnapped).toBe(true)
  })

  test('gives the header of each AVP', () => {
    const message = l2tpControl([
      avp(0, [0, 1]),
      avp(700, [1], { vendor: 9, mandatory: false, hidden: true, reserved: 5 }),
    ])
    view.decode(message, 0, message.length)
    cursor.over(view)
    expect(cursor.next()).toBe(true)
    expect(cursor).toMatchObject({
      type: 0,
      vendorId: 0,
      isMandatory: true,
      isHidden: false,
      reservedBits: 0,
      length: 8,
    })
    expect(cursor.next()).toBe(true)
    expect(cursor).toMatchObject({
      type: 700,
      vendorId: 9,
      isMandatory: false,
      isHidden: true,
      reservedBits: 5,
      length: 7,
    })
    expect(cursor.next()).toBe(false)
  })
})

describe('findings', () => {
  const sccrq = avp(0, [0, 1])

  test('Message Type first, once', () => {
    expect(readAvps(avp(9, [0, 1]), sccrq).findings).toEqual(['l2tp.avp_order'])
    expect(readAvps(sccrq, sccrq).findings).toEqual(['l2tp.avp_order', 'l2tp.avp_duplicate'])
    expect(readAvps(avp(0, [0, 0], { vendor: 9, mandatory: false })).findings).toEqual([])
  })

  test('of duplicates the first one counts', () => {
    const described = readAvps(sccrq, avp(9, [0, 1]), avp(9, [0, 2]))
    expect(described.findings).toEqual(['l2tp.avp_duplicate'])
    expect(described.control.assignedTunnelId).toBe(1)
    expect(described.avps[2]).toMatchObject({ value: 2, findings: ['l2tp.avp_duplicate'] })
  })

  test('a random vector may stand again', () => {
    expect(readAvps(sccrq, avp(36, [1]), avp(36, [2])).findings).toEqual([])
  })

  test('every attribute of fixed length minds its length', () => {
    const total = { 2: 8, 3: 10, 4: 10, 5: 14, 6: 8, 9: 8, 10: 8, 13: 22, 14: 8, 15: 10, 16: 10, 17: 10, 18: 10 }
    const more = { 19: 10, 24: 10, 25: 10, 29: 8, 32: 8, 34: 32, 35: 16, 38: 10, 39: 6 }
    for (const [type, length] of Object.entries({ ...total, ...more })) {
      const value = Array(length - 6).fill(1)
      expect(readAvps(avp(0, [0, 3]), avp(Number(type), value)).findings, type).toEqual([])
      expect(readAvps(avp(0, [0, 3]), avp(Number(type), [...value, 1])).findings, type).toEqual([
        'l2tp.avp_fixed_length',
      ])
      if (value.length === 0) continue
      const short = readAvps(avp(0, [0, 3]), avp(Number(type), value.slice(1)))
      expect(short.findings, type).toEqual(['l2tp.avp_fixed_length'])
      expect(short.avps[1]).not.toHaveProperty('value')
    }
  })

  test('a message type of the wrong length', () => {
    expect(readAvps(avp(0, [1])).findings).toEqual(['l2tp.avp_fixed_length'])
    expect(readAvps(avp(0, [1])).messageName).toBe('unknown')
  })

  test('unknown mandatory attributes, of nobody and of vendors', () => {
    expect(readAvps(sccrq, avp(20, [])).findings).toEqual(['l2tp.avp_unknown_mandatory'])
    expect(readAvps(sccrq, avp(6000, [1])).findings).toEqual(['l2tp.avp_unknown_mandatory'])
    expect(readAvps(sccrq, avp(6000, [1], { mandatory: false })).findings).toEqual([])
    expect(readAvps(sccrq, avp(1, [1], { vendor: 9999 })).findings).toEqual(['l2tp.avp_vendor_mandatory'])
  })

  test('an AVP with reserved bits is unknown to a receiver', () => {
    const described = readAvps(sccrq, avp(9, [0, 1], { reserved: 1, mandatory: false }))
    expect(described.findings).toEqual(['l2tp.avp_reserved_bits'])
    expect(described.control).not.toHaveProperty('assignedTunnelId')
    expect(described.avps[1]?.value).toBe(1)
    expect(readAvps(sccrq, avp(9, [0, 1], { reserved: 8 })).findings).toEqual([
      'l2tp.avp_reserved_bits',
      'l2tp.avp_unknown_mandatory',
    ])
  })

  test('strings that are too long', () => {
    expect(readAvps(sccrq, avp(7, 'a'.repeat(254))).findings).toEqual([])
    expect(readAvps(sccrq, avp(7, 'a'.repeat(255))).findings).toEqual(['l2tp.avp_oversized'])
  })

  test('strings that carry more than text', () => {
    for (const name of [
      'a\nb',
      'a\0b',
      'lns\u202egnp',
      '%n%n',
      'AAAA%08x',
      '%s',
      '`id`',
      '$(id)',
      'a && b',
      'x||y',
      '\x1b[2J',
    ]) {
      expect(readAvps(sccrq, avp(7, name)).findings, JSON.stringify(name)).toEqual(['l2tp.avp_suspicious_text'])
    }
  })

  test('ordinary names pass', () => {
    const names = [
      'lac.example.net',
      'AT&T BRAS-1',
      'slot=0;port=1;vlanid=100;',
      'eth 1/2:100.200',
      'Zoë',
      '100% sure',
      '#1',
    ]
    for (const name of names) expect(readAvps(sccrq, avp(7, name)).findings, name).toEqual([])
  })

  test('error and advisory messages are strings too', () => {
    expect(readAvps(avp(0, [0, 4]), avp(1, [0, 2, 0, 6, ...Buffer.from('%n')])).findings).toEqual([
      'l2tp.avp_suspicious_text',
    ])
    expect(readAvps(avp(0, [0, 14]), avp(12, [0, 1, 2, 0x1b, 0x41])).findings).toEqual(['l2tp.avp_suspicious_text'])
  })

  test('empty names', () => {
    expect(readAvps(sccrq, avp(8, '')).findings).toEqual(['l2tp.avp_empty_text'])
    expect(readAvps(sccrq, avp(7, '')).findings).toEqual(['l2tp.avp_empty_text'])
    expect(readAvps(sccrq, avp(23, '')).findings).toEqual([])
  })

  test('an ID of zero may be repeated in a refusal but not assigned', () => {
    expect(readAvps(sccrq, avp(9, [0, 0])).findings).toEqual(['l2tp.avp_zero_id'])
    expect(readAvps(avp(0, [0, 11]), avp(14, [0, 0])).findings).toEqual(['l2tp.avp_zero_id'])
    expect(readAvps(avp(0, [0, 4]), avp(9, [0, 0])).findings).toEqual([])
    expect(readAvps(avp(0, [0, 14]), avp(14, [0, 0])).findings).toEqual([])
  })

  test('hiding without a random vector, and what cannot be hidden', () => {
    expect(readAvps(sccrq, avp(21, [1, 2, 3], { hidden: true })).findings).toEqual(['l2tp.avp_no_vector'])
    expect(readAvps(avp(0, [0, 1], { hidden: true })).findings).toEqual(['l2tp.avp_hidden_forbidden'])
    expect(readAvps(sccrq, avp(36, [0, 1], { hidden: true })).findings).toEqual(['l2tp.avp_hidden_forbidden'])
    const hidden = readAvps(sccrq, avp(36, [9]), avp(21, [1, 2, 3], { hidden: true }))
    expect(hidden.findings).toEqual([])
    expect(hidden.avps[2]).not.toHaveProperty('value')
    expect(hidden.avps[2]).not.toHaveProperty('recovery')
  })

  test('unknown message types, if they are mandatory', () => {
    expect(readAvps(avp(0, [0, 99])).findings).toEqual(['l2tp.message_unknown'])
    expect(readAvps(avp(0, [0, 99], { mandatory: false })).findings).toEqual([])
    expect(readAvps(avp(0, [0, 99])).control).toMatchObject({ message: 'unknown', messageType: 99 })
  })
})

test('every finding is explained', () => {
  for (const [name, says] of Object.entries(AVP_FINDINGS)) expect(says, name).toMatch(/^[A-Z].*\.$/)
})

describe('hostile messages', () => {
  const anyAvp = fc
    .record({
      type: fc.oneof(fc.nat(110), fc.nat(65535)),
      vendor: fc.constantFrom(0, 0, 0, 9, 193, 311, 3561, 4491, 65535),
      value: fc.uint8Array({ maxLength: 40 }),
      mandatory: fc.boolean(),
      hidden: fc.boolean(),
      reserved: fc.constantFrom(0, 0, 0, 1, 15),
      skew: fc.constantFrom(0, 0, 0, 0, 0, -3, 1, 200),
    })
    .map(({ type, value, skew, ...options }) =>
      avp(type, value, { ...options, length: Math.max(0, value.length + 6 + skew) }),
    )

  test('never throw, never lead outside, and only find what has a name', () => {
    fc.assert(
      fc.property(fc.array(anyAvp, { maxLength: 12 }), fc.nat(20), (avps, cut) => {
        const bytes = l2tpControl(avps)
        const end = Math.max(12, bytes.length - cut)
        const described = read(bytes, end)
        for (const finding of described.findings) expect(AVP_FINDINGS).toHaveProperty([finding])
        expect(() => JSON.stringify(described)).not.toThrow()
        cursor.over(view)
        while (cursor.next()) {
          expect(cursor.valueStart).toBeGreaterThanOrEqual(18)
          expect(cursor.valueStart).toBeLessThanOrEqual(cursor.valueEnd)
          expect(cursor.valueEnd).toBeLessThanOrEqual(end)
        }
        if (cut === 0) expect(described.isSnapped).toBe(false)
      }),
      { seed: 2661, numRuns: 1500 },
    )
  })

  test('a body of random octets never throws', () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 80 }), (body) => {
        const bytes = Uint8Array.from([0xc8, 2, ...be16(body.length + 12), 0, 0, 0, 0, 0, 0, 0, 0, ...body])
        expect(read(bytes).avps.length).toBeLessThanOrEqual(body.length / 6)
      }),
      { seed: 2661, numRuns: 1500 },
    )
  })
})
