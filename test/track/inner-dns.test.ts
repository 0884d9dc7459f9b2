import { describe, expect, test } from 'vitest'
import { be16, concat, fromHex, utf8 } from '../support/craft.ts'
import { Talk } from './inner-talk.ts'

function name(labels: string): Uint8Array {
  return concat(...labels.split('.').map((label) => concat(Uint8Array.of(label.length), utf8(label))), fromHex('00'))
}

function query(labels: string, { id = 1, type = 1 } = {}): Uint8Array {
  return concat(be16(id), fromHex('0100 0001 0000 0000 0000'), name(labels), be16(type), be16(1))
}

/** With one record of the data, whose name points to the question. */
function answer(labels: string, data: string, { id = 1, type = 1, flags = '8180' } = {}): Uint8Array {
  const octets = fromHex(data)
  const record = concat(fromHex('c00c'), be16(type), fromHex('0001 0000003c'), be16(octets.length), octets)
  const hasRecord = octets.length > 0
  return concat(
    be16(id),
    fromHex(flags),
    fromHex(`0001 000${hasRecord ? 1 : 0} 0000 0000`),
    name(labels),
    be16(type),
    be16(1),
    hasRecord ? record : new Uint8Array(0),
  )
}

describe('a query over UDP', () => {
  test('is told with its answer', () => {
    const talk = new Talk()
    talk.udp('client', query('www.Example.com'), 53).udp('server', answer('www.example.com', 'c0000207'), 53)
    expect(talk.only('dns.answered')).toMatchObject({
      message: 'A www.example.com: 192.0.2.7',
      'network.protocol': 'dns',
      'source.ip': '10.0.0.5',
      'destination.ip': '192.0.2.80',
      'dns.id': '1',
      'dns.type': 'answer',
      'dns.op_code': 'QUERY',
      'dns.header_flags': ['RD', 'RA'],
      'dns.response_code': 'NOERROR',
      'event.outcome': 'success',
      'event.duration': 1_000_000,
      'dns.question.name': 'www.example.com',
      'dns.question.type': 'A',
      'dns.question.class': 'IN',
      'dns.question.registered_domain': 'example.com',
      'dns.question.subdomain': 'www',
      'dns.question.length': 15,
      'dns.question.labels': 3,
      'dns.question.longest_label': 7,
      'dns.question.subdomain_length': 3,
      'dns.resolved_ip': ['192.0.2.7'],
      'dns.response.data': ['192.0.2.7'],
      'dns.response.answers': 1,
      'dns.response.bytes': 4,
    })
    talk.finish()
    expect(talk.told('dns.queried')).toEqual([])
    expect(talk.only('flow.closed')['network.protocol']).toBe('dns')
  })

  test('is told alone when nobody answers, once however often it is repeated', () => {
    const talk = new Talk()
    talk
      .udp('client', query('a.example'), 53)
      .udp('client', query('a.example'), 53)
      .udp('client', query('b.example', { id: 2 }), 53)
    expect(talk.told('dns.queried')).toEqual([])
    talk.finish()
    expect(talk.told('dns.queried').map(({ message }) => message)).toEqual([
      'A a.example, unanswered',
      'A b.example, unanswered',
    ])
    expect(talk.told('dns.queried')[0]).toMatchObject({ 'dns.type': 'query', 'dns.question.name': 'a.example' })
  })

  test('fails with a code', () => {
    const talk = new Talk()
    talk.udp('client', query('a.example'), 53).udp('server', answer('a.example', '', { flags: '8183' }), 53)
    expect(talk.only('dns.answered')).toMatchObject({
      message: 'A a.example: NXDOMAIN',
      'dns.response_code': 'NXDOMAIN',
      'event.outcome': 'failure',
    })
  })

  test('that is answered with another question has a finding', () => {
    const talk = new Talk()
    talk.udp('client', query('a.example'), 53).udp('server', answer('evil.example', 'c0000207'), 53)
    expect(talk.findings).toEqual(['dns.answer_mismatch'])
    talk.finish()
    expect(talk.told('dns.queried').length).toBe(1)
  })

  test('names the client although the capture began with the answer', () => {
    const talk = new Talk()
    talk.udp('server', answer('a.example', 'c0000207'), 53)
    expect(talk.only('dns.answered')).toMatchObject({ 'source.ip': '10.0.0.5', 'destination.port': 53 })
    expect(talk.only('dns.answered')['event.duration']).toBeUndefined()
  })

  test('is recognised on any port by its content', () => {
    const talk = new Talk()
    talk
      .udp('client', query('t.example', { type: 16 }), 5353)
      .udp('client', query('t.example', { type: 16 }), 4444, 40_001)
    talk.finish()
    expect(talk.told('dns.queried').map((event) => event['destination.port'])).toEqual([4444, 5353])
  })

  test('that is malformed has a finding, and what can be read is told', () => {
    const talk = new Talk()
    talk
      .udp('client', query('a.example').subarray(0, 20), 53)
      .udp('client', concat(query('b.example', { id: 2 }), fromHex('ff')), 53)
    talk.udp('client', fromHex('0001'), 53, 40_001)
    talk.finish()
    expect(talk.findings).toEqual(['dns.truncated', 'dns.trailing_data'])
    expect(talk.told('dns.queried').length).toBe(1)
  })

  test('waits among a bounded number', () => {
    const talk = new Talk()
    for (let id = 0; id < 20; id++) talk.udp('client', query(`q${id}.example`, { id }), 53)
    expect(talk.told('dns.queried').length).toBe(4)
    talk.finish()
    expect(talk.told('dns.queried').length).toBe(20)
  })
})

describe('a query over TCP', () => {
  test('is told as over UDP, however it is cut', () => {
    const talk = new Talk()
    const framed = (message: Uint8Array) => concat(be16(message.length), message)
    talk
      .tcp(53)
      .say('client', concat(framed(query('a.example')), framed(query('b.example', { id: 2 }))), 5)
      .say('server', framed(answer('b.example', 'c0000208', { id: 2 })), 9)
      .say('server', framed(answer('a.example', 'c0000207')), 9)
      .close()
    talk.finish()
    expect(talk.told('dns.answered').map(({ message }) => message)).toEqual([
      'A b.example: 192.0.2.8',
      'A a.example: 192.0.2.7',
    ])
    expect(talk.told('dns.queried')).toEqual([])
  })
})
