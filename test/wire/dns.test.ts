import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import {
  DnsCursor,
  type DnsDescription,
  DnsName,
  DnsView,
  describeDns,
  looksLikeDns,
  nameText,
  registeredDomain,
} from '../../src/wire/dns.ts'
import { be16, be32, concat, fromHex, utf8 } from '../support/craft.ts'
import { inWindow } from '../support/window.ts'

/** Labels of a name, ended by the root or by a pointer. */
function name(labels: string, ending = '00'): Uint8Array {
  const parts = labels === '' ? [] : labels.split('.')
  return concat(...parts.map((label) => concat(Uint8Array.of(label.length), utf8(label))), fromHex(ending))
}

interface Fields {
  readonly id?: number
  readonly flags?: number
  readonly counts?: readonly [number, number, number, number]
}

function message({ id = 0x1234, flags = 0x0100, counts = [1, 0, 0, 0] }: Fields, ...parts: Uint8Array[]): Uint8Array {
  return concat(be16(id), be16(flags), ...counts.map(be16), ...parts)
}

function question(labels: string, type = 1, dnsClass = 1): Uint8Array {
  return concat(name(labels), be16(type), be16(dnsClass))
}

/** A record whose name points to the first question. */
function record(type: number, data: Uint8Array, ttl = 60, dnsClass = 1): Uint8Array {
  return concat(fromHex('c00c'), be16(type), be16(dnsClass), be32(ttl), be16(data.length), data)
}

const view = new DnsView()

function describeBytes(bytes: Uint8Array, cut = 0): DnsDescription {
  expect(view.decode(bytes, 0, bytes.length - cut, bytes.length)).toBeNull()
  return describeDns(view)
}

/** An answer with one record of the type. */
function answer(type: number, data: string): DnsDescription['records'][number] {
  const bytes = message(
    { flags: 0x8180, counts: [1, 1, 0, 0] },
    question('a.example', type),
    record(type, fromHex(data)),
  )
  return describeBytes(bytes).records[0]
}

const QUERY = message({}, question('www.example.com'))
/** The answer of a resolver: alias, address, and EDNS with a cookie. */
const ANSWER = message(
  { flags: 0x8180, counts: [1, 2, 0, 1] },
  question('www.example.com'),
  record(5, name('web', 'c010'), 300),
  concat(name('web', 'c010'), be16(1), be16(1), be32(20), be16(4), fromHex('c0000207')),
  concat(fromHex('00 0029 04d0 00 00 8000 000c'), fromHex('000a 0008 0102030405060708')),
)

describe('DnsView', () => {
  test('reads the header', () => {
    expect(view.decode(ANSWER, 0, ANSWER.length)).toBeNull()
    expect(view).toMatchObject({ id: 0x1234, isResponse: true, opcode: 0, responseCode: 0, questions: 1, answers: 2 })
  })

  test('every truncation of the header is a flaw', () => {
    for (let length = 0; length < 12; length++) expect(view.decode(QUERY, 0, length)).toBe('dns.truncated')
  })
})

describe('DnsName', () => {
  const read = new DnsName()

  function decode(digits: string, at: number): string | null {
    const bytes = fromHex(`${'00'.repeat(12)}${digits}`)
    return read.decode(bytes, 0, at, bytes.length) ?? nameText(bytes, 0, at)
  }

  test('reads labels and follows pointers to what stood before', () => {
    expect(decode('03777777 07 6578616d706c65 00', 12)).toBe('www.example')
    expect(read).toMatchObject({ next: 25, length: 11, labels: 2, longestLabel: 7 })
    expect(decode('076578616d706c65 00 01 61 c00c', 21)).toBe('a.example')
    expect(read).toMatchObject({ next: 25, length: 9, labels: 2, longestLabel: 7 })
    expect(decode('00', 12)).toBe('')
    expect(read).toMatchObject({ next: 13, length: 0, labels: 0 })
  })

  test('refuses loops, pointers forward and pointers into the header', () => {
    expect(decode('c00c', 12)).toBe('dns.name_pointer')
    expect(decode('0161 c00c', 12)).toBe('dns.name_pointer')
    expect(decode('0161 c00e', 12)).toBe('dns.name_pointer')
    expect(decode('c00e 0161 00', 12)).toBe('dns.name_pointer')
    expect(decode('c000', 12)).toBe('dns.name_pointer')
    // Two pointers that lead to each other.
    expect(decode('c00e c00c', 14)).toBe('dns.name_pointer')
  })

  test('refuses reserved labels and names of more than 255 octets', () => {
    expect(decode('41 61 00', 12)).toBe('dns.label_type')
    expect(decode(`${'3f'.padEnd(128, '61').repeat(4)}00`, 12)).toBe('dns.name_length')
    expect(decode(`${'3f'.padEnd(128, '61').repeat(3)}3d${'61'.repeat(61)}00`, 12)).toHaveLength(253)
  })

  test('writes what has no glyph as numbers, and escapes dots inside labels', () => {
    expect(decode('05 61 2e 00 5c ff 00', 12)).toBe('a\\.\\000\\\\\\255')
  })
})

describe('describeDns', () => {
  test('tells a query', () => {
    expect(describeBytes(QUERY)).toEqual({
      id: 0x1234,
      isResponse: false,
      opcode: 0,
      opcodeName: 'QUERY',
      flags: ['RD'],
      responseCode: 0,
      responseCodeName: 'NOERROR',
      questionCount: 1,
      answerCount: 0,
      authorityCount: 0,
      additionalCount: 0,
      questions: [{ name: 'www.example.com', type: 1, typeName: 'A', class: 1, className: 'IN' }],
      records: [],
      measures: {
        queryLength: 15,
        labels: 3,
        longestLabel: 7,
        registeredDomain: 'example.com',
        subdomainLength: 3,
        answerLength: 0,
        messageLength: 33,
      },
      findings: [],
    })
  })

  test('tells an answer with compressed names and EDNS', () => {
    const told = describeBytes(ANSWER)
    expect(told.flags).toEqual(['RD', 'RA', 'DO'])
    expect(told.records).toMatchObject([
      { section: 'answer', name: 'www.example.com', typeName: 'CNAME', ttl: 300, data: 'web.example.com' },
      { section: 'answer', name: 'web.example.com', typeName: 'A', ttl: 20, address: '192.0.2.7', data: '192.0.2.7' },
    ])
    expect(told.edns).toEqual({
      udpSize: 1232,
      version: 0,
      isDnssecOk: true,
      options: [{ code: 10, name: 'COOKIE', length: 8 }],
    })
    expect(told.measures.answerLength).toBe(10)
    expect(told.findings).toEqual([])
  })

  test('reads the data of the usual types', () => {
    expect(answer(28, '20010db8000000000000000000000001')).toMatchObject({ address: '2001:db8::1' })
    expect(answer(2, '026e73c00c')).toMatchObject({ target: 'ns.a.example', data: 'ns.a.example' })
    expect(answer(12, '0468 6f7374 00')).toMatchObject({ typeName: 'PTR', target: 'host' })
    expect(answer(39, '00')).toMatchObject({ typeName: 'DNAME', target: '' })
    expect(answer(15, '000a 026d78c00c')).toMatchObject({
      preference: 10,
      target: 'mx.a.example',
      data: '10 mx.a.example',
    })
    expect(answer(16, '02 6869 03 796f75')).toMatchObject({ texts: ['hi', 'you'], data: 'hiyou' })
    expect(answer(16, '')).toMatchObject({ texts: [], data: '' })
    expect(answer(33, '0001 0002 0185 02 6463 c00c')).toMatchObject({ data: '1 2 389 dc.a.example', port: 389 })
    expect(answer(10, 'deadbeef')).toMatchObject({ typeName: 'NULL', data: 'deadbeef' })
    expect(answer(6, '026e73c00c 02686dc00c 00000001 00000002 00000003 00000004 00000005')).toMatchObject({
      primary: 'ns.a.example',
      mailbox: 'hm.a.example',
      serial: 1,
      refresh: 2,
      retry: 3,
      expire: 4,
      minimum: 5,
    })
    expect(answer(64000, 'abcd')).toMatchObject({ typeName: 'TYPE64000', dataLength: 2 })
  })

  test('reads service bindings', () => {
    const hints = '0004 0004 c0000201 0006 0010 20010db8000000000000000000000001'
    const bound = answer(65, `0001 00 0001 0006 0268320268 33 0003 0002 01bb ${hints} 0005 0002 abcd 03e7 0000`)
    expect(bound).toMatchObject({
      typeName: 'HTTPS',
      priority: 1,
      target: '',
      data: '1 . alpn=h2,h3 port=443 ipv4hint=192.0.2.1 ipv6hint=2001:db8::1 ech=abcd key999',
    })
    expect(answer(64, '0000 0161 00')).toMatchObject({ priority: 0, target: 'a', parameters: [] })
  })

  test('names data that is not what the type promises, and goes on with the next record', () => {
    for (const [type, data] of [
      [1, 'c00002'],
      [28, 'c0000201'],
      [2, '026e73'],
      [5, '0161 00 ff'],
      [15, '00'],
      [16, '05 61'],
      [6, '00 00 00000001'],
      [33, '0001 0002'],
      [65, '0001 00 0001 00ff'],
    ] as const) {
      expect(answer(type, data).flaw, `type ${type}`).toBe('dns.record_data')
    }
    expect(answer(2, 'c0ff').flaw).toBe('dns.name_pointer')
    const two = message(
      { flags: 0x8180, counts: [1, 2, 0, 0] },
      question('a'),
      record(1, fromHex('01')),
      record(1, fromHex('c0000201')),
    )
    expect(describeBytes(two).records.map(({ data }) => data)).toEqual([undefined, '192.0.2.1'])
  })

  test('knows the flags of multicast DNS, updates without data and extended response codes', () => {
    const multicast = message(
      { flags: 0x8400, counts: [0, 1, 0, 0] },
      concat(name('printer.local'), fromHex('0001 8001 00000078 0004 c0000209')),
    )
    expect(describeBytes(multicast)).toMatchObject({ flags: ['AA'], records: [{ className: 'IN', data: '192.0.2.9' }] })
    const update = message({ flags: 0x2800, counts: [1, 1, 0, 0] }, question('zone', 6), record(1, fromHex(''), 0, 255))
    expect(describeBytes(update)).toMatchObject({
      opcodeName: 'UPDATE',
      records: [{ className: 'ANY', dataLength: 0 }],
    })
    expect(describeBytes(update).records[0].flaw).toBeUndefined()
    const bad = message({ flags: 0x8000, counts: [0, 0, 0, 1] }, fromHex('00 0029 0200 01 00 0000 0000'))
    expect(describeBytes(bad)).toMatchObject({ responseCode: 16, responseCodeName: 'BADVERS' })
  })

  test('finds what follows the message, reserved bits and options that do not fit', () => {
    expect(describeBytes(concat(QUERY, fromHex('00'))).findings).toEqual(['dns.trailing_data'])
    expect(describeBytes(message({ flags: 0x0140 }, question('a'))).findings).toEqual(['dns.reserved_bits'])
    const option = message({ counts: [0, 0, 0, 1] }, fromHex('00 0029 0200 00 00 0000 0005 000a 0008 01'))
    expect(describeBytes(option).findings).toEqual(['dns.option_length'])
  })

  test('every truncation is a flaw, and what was read before it is kept', () => {
    for (let length = 12; length < ANSWER.length; length++) {
      const told = describeBytes(ANSWER.subarray(0, length))
      expect(told.flaw, `cut at ${length}`).toBe('dns.truncated')
      expect(describeBytes(ANSWER, ANSWER.length - length)).toMatchObject({ isSnapped: true })
    }
    expect(describeBytes(ANSWER.subarray(0, 40)).questions[0].name).toBe('www.example.com')
  })

  test('measures the name that is asked first', () => {
    const told = describeBytes(message({ counts: [2, 0, 0, 0] }, question('www.example.com'), question('a')))
    expect(told.questions).toMatchObject([{ name: 'www.example.com' }, { name: 'a' }])
    expect(told.measures).toMatchObject({ queryLength: 15, labels: 3 })
  })

  test('lists a bounded number of questions and records', () => {
    const many = message(
      { counts: [1000, 1000, 0, 0] },
      ...Array.from({ length: 1000 }, () => question('a')),
      ...Array.from({ length: 1000 }, () => record(1, fromHex('c0000201'))),
    )
    const told = describeBytes(many)
    expect(told.questions.length).toBe(16)
    expect(told.records.length).toBe(64)
    expect(told.measures.answerLength).toBe(4000)
    expect(told.flaw).toBeUndefined()
  })

  test('reads nothing outside the message, whatever its octets', () => {
    fc.assert(
      fc.property(fc.uint8Array({ minLength: 12, maxLength: 80 }), fc.nat(3), (octets, questions) => {
        octets.set([0, questions, 0, questions], 4)
        const { among, elsewhere } = inWindow(octets, (bytes, start, end) => {
          expect(view.decode(bytes, start, end)).toBeNull()
          return describeDns(view)
        })
        expect(among).toEqual(elsewhere)
        expect(new DnsCursor().over(view).at).toBe(view.bodyStart)
      }),
      { seed: 1035, numRuns: 2000 },
    )
  })
})

describe('looksLikeDns', () => {
  test('accepts queries and answers', () => {
    expect(looksLikeDns(QUERY, 0, QUERY.length)).toBe(true)
    expect(looksLikeDns(ANSWER, 0, ANSWER.length)).toBe(true)
  })

  test('refuses what only resembles one', () => {
    for (const bytes of [
      QUERY.subarray(0, 20),
      message({ flags: 0x0140 }, question('a')),
      message({ counts: [0, 0, 0, 0] }),
      message({}, question('')),
      message({}, question('a', 9999)),
      message({}, question('a', 1, 7)),
      message({ counts: [1, 1, 0, 0] }, question('a'), record(1, fromHex('01020304'))),
    ]) {
      expect(looksLikeDns(bytes, 0, bytes.length)).toBe(false)
    }
  })
})

describe('registeredDomain', () => {
  test('is the part that somebody registered', () => {
    expect(registeredDomain('a.b.Example.COM')).toBe('example.com')
    expect(registeredDomain('a.example.co.uk')).toBe('example.co.uk')
    expect(registeredDomain('co.uk')).toBe('co.uk')
    expect(registeredDomain('localhost')).toBe('localhost')
    expect(registeredDomain('')).toBe('')
  })
})
