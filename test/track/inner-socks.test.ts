import { describe, expect, test } from 'vitest'
import { concat, fromHex, utf8 } from '../support/craft.ts'
import { CLIENT_IP, SERVER_IP, Talk } from './inner-talk.ts'
import { toldOf } from './recorded.ts'

const GREETING = fromHex('05 01 00')
const WITH_PASSWORD = fromHex('05 02 00 02')
const CREDENTIALS = concat(fromHex('01 05'), utf8('alice'), fromHex('0c'), utf8('secret-words'))
const BY_NAME = concat(fromHex('05 01 00 03 10'), utf8('intranet.example'), fromHex('0050'))
const GRANTED = fromHex('05 00 00 01 c0000202 1f90')
const CONNECT4 = fromHex('04 01 0016 c0000202 00')
const GET = 'GET /inside HTTP/1.1\r\nHost: intranet.example\r\n\r\n'

/** The flow's name once it has ended. */
function protocolOf(talk: Talk): string | undefined {
  return talk.finish().only('flow.closed')['network.protocol']
}

test('version 5: what was asked for and granted is told, and what goes through it is read', () => {
  const talk = new Talk()
  talk
    .tcp(8443)
    .say('client', GREETING)
    .say('server', fromHex('05 00'))
    .say('client', BY_NAME, 5)
    .say('server', GRANTED, 3)
    .say('client', GET)
    .say('server', 'HTTP/1.1 204 No Content\r\n\r\n')
    .close()
  talk.finish()
  expect(talk.only('socks.requested')).toMatchObject({
    'source.ip': CLIENT_IP,
    'destination.ip': SERVER_IP,
    'destination.port': 8443,
    'network.protocol': 'socks',
    'event.outcome': 'success',
    'socks.version': '5',
    'socks.command': 'connect',
    'socks.request.host': 'intranet.example',
    'socks.request.port': 80,
    'socks.reply': 'succeeded',
    'socks.bound.host': '192.0.2.2',
    'socks.bound.port': 8080,
    'socks.authentication.method': 'none',
    'socks.server.end': 'responder',
    message: 'SOCKS 5: connect intranet.example:80, succeeded',
  })
  expect(talk.only('http.requested')).toMatchObject({ 'url.path': '/inside', 'source.ip': CLIENT_IP })
  expect(talk.findings).toEqual([])
})

test.each([GREETING, CONNECT4])('a request that nobody answers does not name its flow', (request) => {
  const talk = new Talk()
  talk.tcp(1080).say('client', request).close()
  expect(protocolOf(talk)).toBeUndefined()
  expect(talk.findings).toEqual([])
})

test('a client that waits for nothing is read the same way', () => {
  const talk = new Talk()
  talk
    .tcp(1080)
    .say('client', concat(WITH_PASSWORD, CREDENTIALS, BY_NAME, utf8(GET)))
    .say('server', fromHex('05 02'))
    .say('server', fromHex('01 00'))
    .say('server', GRANTED)
  talk.finish()
  expect(talk.only('socks.requested')).toMatchObject({
    'event.outcome': 'success',
    'socks.authentication.method': 'password',
    'socks.authentication.user': 'alice',
    'socks.request.host': 'intranet.example',
  })
})

test('a login by password names the user, and the password is nowhere', () => {
  const talk = new Talk()
  talk
    .tcp(1080)
    .say('client', WITH_PASSWORD)
    .say('server', fromHex('05 02'))
    .say('client', CREDENTIALS)
    .say('server', fromHex('01 01'))
    .close()
  const refused = talk.finish().only('socks.requested')
  expect(refused).toMatchObject({
    'event.outcome': 'failure',
    'event.reason': 'authentication_refused',
    'socks.authentication.user': 'alice',
  })
  expect(refused['socks.command']).toBeUndefined()
  expect(JSON.stringify(talk.peers.run.events)).not.toContain('secret-words')
})

test.each([
  ['no method is acceptable', ['05 ff'], 'failure', 'no_acceptable_method'],
  ['the target refuses', ['05 00', '05 05 00 01 00000000 0000'], 'failure', 'connection_refused'],
  ['nothing comes', ['05 00'], 'unknown', 'no_answer'],
])('%s', (_, answers, outcome, reason) => {
  const talk = new Talk()
  const connection = talk.tcp(1080).say('client', GREETING).say('server', fromHex(answers[0]))
  for (const answer of answers.slice(1)) connection.say('client', BY_NAME).say('server', fromHex(answer))
  connection.close()
  expect(talk.finish().only('socks.requested')).toMatchObject({ 'event.outcome': outcome, 'event.reason': reason })
})

test('a method that is not read ends the reading', () => {
  const talk = new Talk()
  talk
    .tcp(1080)
    .say('client', fromHex('05 02 00 01'))
    .say('server', fromHex('05 01'))
    .say('client', fromHex('01 01 0004 aabbccdd'))
  expect(talk.finish().only('socks.requested')).toMatchObject({
    'event.outcome': 'unknown',
    'event.reason': 'method_not_read',
    'socks.authentication.method': 'gssapi',
  })
})

test('version 4, BIND and UDP ASSOCIATE', () => {
  const talk = new Talk()
  talk.tcp(1080, 50_001).say('client', CONNECT4).say('server', fromHex('00 5b 0016 c0000202'))
  talk.tcp(1080, 50_002).say('client', fromHex('04 02 0016 c0000202 00')).say('server', fromHex('00 5a 1f90 00000000'))
  const associate = fromHex('05 03 00 01 00000000 0000')
  talk
    .tcp(1080, 50_003)
    .say('client', GREETING)
    .say('server', fromHex('05 00'))
    .say('client', associate)
    .say('server', GRANTED)
  talk.finish()
  const told = talk.told('socks.requested')
  expect(told.map((event) => [event['socks.version'], event['socks.command'], event['socks.reply']])).toEqual([
    ['4', 'connect', 'rejected'],
    ['4', 'bind', 'succeeded'],
    ['5', 'udp_associate', 'succeeded'],
  ])
  expect(told[1]).toMatchObject({ 'socks.bound.host': '0.0.0.0', 'socks.bound.port': 8080 })
})

test('a proxy at the end that dialled in, and one that connects to its client', () => {
  const talk = new Talk()
  // The side of the gateway asks a proxy that the VPN client runs: over a connection of its own, and over one of the client.
  talk.tcp(9000).say('server', GREETING).say('client', fromHex('05 00')).say('server', BY_NAME).say('client', GRANTED)
  expect(talk.finish().only('socks.requested')).toMatchObject({
    'source.ip': SERVER_IP,
    'destination.ip': CLIENT_IP,
    'destination.port': 50_000,
    'socks.server.end': 'initiator',
  })
})

describe('what only begins like it is not called so', () => {
  test.each([
    ['an answer that was not offered', GREETING, '05 02'],
    ['an answer of another version', GREETING, '04 00'],
    ['a reply that version 4 does not know', CONNECT4, '00 00 0000 00000000'],
    ['more than an answer, where the client would be the other side', null, '05 01 00 01'],
  ])('%s', (_, question, answer) => {
    const talk = new Talk()
    const connection = talk.tcp(1080)
    if (question === null) connection.say('server', fromHex('05 02 00 01')).say('client', fromHex(answer))
    else connection.say('client', question).say('server', fromHex(answer))
    connection.say('client', BY_NAME).say('server', GRANTED).close()
    expect(protocolOf(talk)).toBeUndefined()
    expect(talk.told('socks.requested')).toEqual([])
    expect(talk.findings).toEqual([])
  })

  test('and what the server says is read as what it is', () => {
    const talk = new Talk()
    talk.tcp(2222).say('client', GREETING).say('server', 'SSH-2.0-OpenSSH_9.2p1\r\n').close()
    expect(protocolOf(talk)).toBe('ssh')
  })
})

test('what breaks the rules after both have agreed is a finding', () => {
  const talk = new Talk()
  talk
    .tcp(1080)
    .say('client', GREETING)
    .say('server', fromHex('05 00'))
    .say('client', fromHex('05 07 00 01 c0000202 0050'))
  talk.finish()
  expect(talk.findings).toEqual(['socks.request'])
  expect(talk.only('socks.requested')).toMatchObject({ 'event.outcome': 'unknown', 'event.reason': 'malformed' })
})

test('recorded: OpenSSH, microsocks and Dante, asked by curl, netcat and PySocks', async () => {
  const events = await toldOf('socks/proxies.pcap')
  const told = events
    .filter((event) => event['event.action'] === 'socks.requested')
    .map((event) =>
      [
        event['destination.port'],
        event['socks.version'],
        event['socks.authentication.user'] ?? '-',
        `${event['socks.command']} ${event['socks.request.host']}:${event['socks.request.port']}`,
        event['event.reason'] ?? event['event.outcome'],
      ].join(' '),
    )
  expect(told).toMatchInlineSnapshot(`
    [
      "1081 4 - connect 10.9.0.10:8000 success",
      "1081 4a - connect intranet.example:8000 success",
      "1081 5 - connect 10.9.0.10:8000 success",
      "1081 5 - connect fd09::10:8001 success",
      "1082 5 alice connect 10.9.0.10:8000 success",
      "1082 5 alice undefined undefined:undefined authentication_refused",
      "1082 5 - undefined undefined:undefined no_acceptable_method",
      "1083 5 - connect 10.9.0.10:8000 success",
      "1083 4 - connect 10.9.0.10:8000 success",
      "1083 5 - connect 10.9.0.99:80 not_allowed",
      "1083 4 - connect 10.9.0.99:80 rejected",
      "1083 5 - connect 10.9.0.10:9 connection_refused",
      "1083 5 - udp_associate 0:48762 success",
      "1081 4 - connect 10.9.0.10:8000 success",
      "1083 5 - connect intranet.example:8000 success",
      "1081 5 - connect intranet.example:22 no_answer",
      "1081 5 - connect 10.9.0.10:9 no_answer",
      "1081 5 - connect nowhere.invalid:8000 no_answer",
    ]
  `)
  const inside = events.filter((event) => event['event.action'] === 'http.requested')
  expect(inside.map((event) => event['http.response.status_code'])).toEqual(new Array(inside.length).fill(200))
  expect(inside.length).toBeGreaterThan(5)
  expect(events.some((event) => event['event.action'] === 'protocol.anomaly')).toBe(false)
  expect(JSON.stringify(events)).not.toContain('made-up-for-this')
})
