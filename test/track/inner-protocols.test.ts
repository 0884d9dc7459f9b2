import { describe, expect, test } from 'vitest'
import { concat, fromHex, utf8 } from '../support/craft.ts'
import { Random } from '../support/random.ts'
import { clientHello, handshakeMessage, tlsRecord } from '../support/tls.ts'
import { Talk } from './inner-talk.ts'

const GET = 'GET / HTTP/1.1\r\n\r\n'
const OK = 'HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n'

describe('a flow', () => {
  test('is named after what it carries, and not after its port', () => {
    const talk = new Talk()
    talk.udp('client', concat(fromHex('c3 00000001 00 00'), new Uint8Array(1200)), 443)
    talk.tcp(443).say('client', GET).say('server', OK).close()
    talk.tcp(80, 50_001).say('client', 'nothing known').say('server', 'neither').close()
    talk.udp('client', 'nothing known', 53, 40_001)
    talk.finish()
    const named = talk.told('flow.closed').map((event) => [event['source.port'], event['network.protocol']])
    expect(Object.fromEntries(named)).toEqual({ 40000: 'quic', 50000: 'http', 50001: undefined, 40001: 'dns' })
  })

  test('tells its session, tunnel and user with everything that it carries', () => {
    const talk = new Talk()
    talk.tcp(80).say('client', GET).say('server', OK).close()
    talk.finish()
    const flow = talk.only('flow.closed')
    for (const field of [
      'flow.uid',
      'flow.carrier',
      'borescope.lineage',
      'l2tp.session.uid',
      'outer.source.ip',
      'network.community_id',
    ] as const)
      expect(talk.only('http.requested')[field], field).toEqual(flow[field])
    expect(talk.only('http.requested')['outer.source.ip']).toBe('198.51.100.7')
  })

  test('is of no further interest once it is known to carry nothing that is read', () => {
    const talk = new Talk()
    const { flows } = talk.peers.run.sensor.trackers
    const connection = talk.tcp(9999).say('client', 'nothing known').say('server', 'nor here')
    expect(flows.conversations).toBe(0)
    connection.say('client', GET).say('server', OK)
    talk.udp('client', 'a', 9999).udp('server', 'b', 9999)
    expect(flows.conversations).toBe(0)
    talk.finish()
    expect(talk.told('http.requested')).toEqual([])
  })

  test('costs nothing while nobody answers it', () => {
    const talk = new Talk()
    for (let port = 1; port <= 100; port++) talk.ip('client', synTo(port), 6)
    expect(talk.peers.run.sensor.trackers.flows.conversations).toBe(0)
  })

  test('is read in order, whatever the order of its segments', () => {
    const random = new Random(9293)
    const talk = new Talk()
    const connection = talk.tcp(80)
    const words = Array.from({ length: 20 }, (_, i) => `GET /${i} HTTP/1.1\r\nHost: a\r\n\r\n`).join('')
    const first = connection.next.client
    const pieces = Array.from({ length: Math.ceil(words.length / 30) }, (_, i) => ({
      at: i * 30,
      order: i + random.below(4),
    }))
    for (const { at } of pieces.sort((a, b) => a.order - b.order))
      connection.at('client', first + at, words.slice(at, at + 35))
    connection.next.client += words.length
    connection.close()
    talk.finish()
    expect(talk.told('http.requested').map((event) => event['url.path'])).toEqual(
      Array.from({ length: 20 }, (_, i) => `/${i}`),
    )
  })

  test('that says one thing to one receiver and another to another has a finding', () => {
    const talk = new Talk()
    const connection = talk.tcp(80)
    const first = connection.next.client
    connection.at('client', first, 'GET /harmless HTTP/1.1\r\n').at('client', first, 'GET /cmd.exe?  HTTP/1.1\r\n')
    connection.at('client', first + 24, '\r\n')
    connection.say('server', OK)
    expect(talk.only('http.requested')['url.path']).toBe('/harmless')
    expect(talk.only('protocol.anomaly')).toMatchObject({
      'anomaly.name': 'tcp.overlap_conflict',
      'anomaly.layer': 'tcp',
      'network.protocol': 'http',
      'flow.uid': expect.stringMatching(/^f-/),
      'source.ip': '10.0.0.5',
    })
  })

  test('gives two equal requests two ids, the same ones each time', () => {
    const ids = () => {
      const talk = new Talk()
      talk
        .tcp(80)
        .say('client', GET + GET)
        .say('server', OK + OK)
      return talk.told('http.requested').map((event) => event['event.id'])
    }
    expect(new Set(ids()).size).toBe(2)
    expect(ids()).toEqual(ids())
  })

  test('changes its protocol only so often', () => {
    const talk = new Talk()
    const connection = talk.tcp(3128)
    for (let i = 0; i < 8; i++)
      connection.say('client', 'CONNECT a:1 HTTP/1.1\r\n\r\n').say('server', 'HTTP/1.1 200 OK\r\n\r\n')
    expect(talk.told('http.requested').length).toBe(5)
    expect(talk.peers.run.sensor.trackers.flows.conversations).toBe(0)
  })
})

function synTo(port: number): Uint8Array {
  const head = concat(fromHex('c350'), Uint8Array.of(port >> 8, port), fromHex('00000001 00000000 5002 ffff 0000 0000'))
  return head
}

describe('the bounds', () => {
  test('of events about one session in a minute hold, and what was left out is counted', () => {
    const talk = new Talk({ track: { applicationEventsPerMinute: 5 } })
    const connection = talk.tcp(80)
    for (let i = 0; i < 12; i++) connection.say('client', GET).say('server', OK)
    expect(talk.told('http.requested').length).toBe(5)
    talk.peers.wait(60)
    connection.say('client', GET).say('server', OK)
    expect(talk.told('http.requested').at(-1)?.['borescope.suppressed']).toBe(7)
    expect(talk.peers.run.sensor.trackers.suppressed).toBe(7)
  })

  test('of events about one flow hold', () => {
    const talk = new Talk({ track: { applicationEventsPerFlow: 3 } })
    const connection = talk.tcp(80)
    for (let i = 0; i < 12; i++) connection.say('client', GET).say('server', OK)
    talk.tcp(80, 50_001).say('client', GET).say('server', OK)
    expect(talk.told('http.requested').length).toBe(4)
    expect(talk.peers.run.sensor.trackers.suppressed).toBe(9)
  })

  test('of conversations hold: the one that was silent for longest ends first, and is told', () => {
    const talk = new Talk({ track: { conversationsMax: 2 } })
    const first = talk.tcp(80, 50_000).say('client', 'GET /1 HTTP/1.1\r\n\r\n')
    talk.tcp(80, 50_001).say('client', 'GET /2 HTTP/1.1\r\n\r\n')
    first.say('client', 'GET /3 HTTP/1.1\r\n\r\n')
    talk.tcp(80, 50_002).say('client', 'GET /4 HTTP/1.1\r\n\r\n')
    expect(talk.told('http.requested').map((event) => event['url.path'])).toEqual(['/2'])
    expect(talk.only('sensor.table.filled')).toMatchObject({ 'sensor.table': 'conversations', 'sensor.capacity': 2 })
    expect(talk.peers.run.sensor.trackers.flows.conversations).toBe(2)
  })

  test('of octets held back hold', () => {
    const talk = new Talk({ track: { streamBytesMax: 65_536, streamWindowBytes: 16_384 } })
    const hello = tlsRecord(22, handshakeMessage(1, clientHello({ extensions: [[21, new Uint8Array(9000)]] })))
    for (let i = 0; i < 20; i++) talk.tcp(443, 50_000 + i).say('client', hello.subarray(0, 8000))
    expect(talk.only('sensor.table.filled')).toMatchObject({ 'sensor.table': 'streams', 'sensor.capacity': 65_536 })
    expect(talk.peers.run.sensor.trackers.flows.conversations).toBeLessThan(20)
    talk.tcp(443, 51_000).say('client', GET).say('server', OK)
    expect(talk.told('http.requested').length).toBe(1)
  })

  test('hold against whatever random octets say', () => {
    const random = new Random(7)
    const talk = new Talk()
    const beginnings = [
      'GET / HTTP/1.1\r\n',
      'SSH-2.0-x\r\n',
      '\x16\x03\x01',
      'HTTP/1.1 200 OK\r\n',
      '\x03\x00\x00\x20',
    ]
    for (let i = 0; i < 150; i++) {
      const connection = talk.tcp(random.pick([22, 53, 80, 443, 3389]), 50_000 + i)
      for (const side of ['client', 'server'] as const)
        connection.say(
          side,
          concat(utf8(random.pick(beginnings)), random.bytes(random.below(600))),
          1 + random.below(200),
        )
      talk.udp('client', random.bytes(12 + random.below(80)), random.pick([53, 5353, 443]), 50_000 + i)
      talk.echo('client', random.bytes(random.below(80)), i, i)
    }
    talk.finish()
    expect(talk.peers.run.sensor.trackers.flows.conversations).toBe(0)
    expect(talk.told('flow.closed').length).toBe(450)
  })
})
