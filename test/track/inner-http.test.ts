import { describe, expect, test } from 'vitest'
import { concat, fromHex, utf8 } from '../support/craft.ts'
import { clientHello, handshakeMessage, serverName, tlsRecord } from '../support/tls.ts'
import { Talk } from './inner-talk.ts'

const OK = 'HTTP/1.1 200 OK\r\nServer: nginx\r\nContent-Type: text/plain\r\nContent-Length: 5\r\n\r\nhello'

function messages(talk: Talk): readonly string[] {
  return talk.told('http.requested').map((event) => String(event.message))
}

describe('a request', () => {
  test('is told with its answer', () => {
    const talk = new Talk()
    talk
      .tcp(8080)
      .say(
        'client',
        'GET /a?b=c HTTP/1.1\r\nHost: www.example.com:8080\r\nUser-Agent: curl/8\r\nReferer: http://x/\r\n\r\n',
        10,
      )
      .say('server', OK, 7)
    expect(talk.only('http.requested')).toMatchObject({
      message: 'GET www.example.com:8080/a?b=c: 200',
      'network.protocol': 'http',
      'source.ip': '10.0.0.5',
      'destination.port': 8080,
      'http.request.method': 'GET',
      'http.version': '1.1',
      'url.original': '/a?b=c',
      'url.path': '/a',
      'url.query': 'b=c',
      'url.domain': 'www.example.com',
      'url.port': 8080,
      'user_agent.original': 'curl/8',
      'http.request.referrer': 'http://x/',
      'http.response.status_code': 200,
      'http.response.mime_type': 'text/plain',
      'http.response.body.bytes': 5,
      'http.response.server': 'nginx',
      'event.outcome': 'success',
      'event.duration': expect.any(Number),
    })
  })

  test('is told alone when its connection ends without an answer', () => {
    const talk = new Talk()
    talk.tcp(80).say('client', 'DELETE /x HTTP/1.1\r\nHost: a\r\n\r\n').close()
    talk.finish()
    expect(talk.only('http.requested')).toMatchObject({ message: 'DELETE a/x: no answer' })
    expect(talk.only('http.requested')['event.outcome']).toBeUndefined()
  })

  test('is followed by further ones, pipelined or not, whatever their bodies', () => {
    const talk = new Talk()
    const connection = talk.tcp(80)
    const put = `PUT /up HTTP/1.1\r\nHost: a\r\nContent-Length: 50000\r\n\r\n${'x'.repeat(50_000)}`
    connection.say('client', `${put}GET /1 HTTP/1.1\r\n\r\nHEAD /2 HTTP/1.1\r\n\r\n`)
    connection.say('server', 'HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 201 Created\r\nContent-Length: 0\r\n\r\n')
    connection.say('server', 'HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3;x=y\r\nabc\r\n1000\r\n')
    connection.say('server', `${'y'.repeat(0x1000)}\r\n0\r\nTrailer: 1\r\n\r\n`)
    connection.say('server', 'HTTP/1.1 404 Not Found\r\nContent-Length: 12345\r\n\r\n')
    connection.say(
      'client',
      '\r\nPOST /3 HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nab\r\n0\r\n\r\nGET /4 HTTP/1.1\r\n\r\n',
    )
    connection.say('server', 'HTTP/1.1 204 No Content\r\n\r\nHTTP/1.0 500 x\r\n\r\nendless')
    expect(messages(talk)).toEqual(['PUT a/up: 201', 'GET /1: 200', 'HEAD /2: 404', 'POST /3: 204', 'GET /4: 500'])
    expect(talk.told('http.requested')[0]['http.request.body.bytes']).toBe(50_000)
    expect(talk.told('http.requested')[4]['event.outcome']).toBe('failure')
    expect(talk.findings).toEqual([])
  })

  test('keeps its secrets', () => {
    const talk = new Talk()
    const basic = Buffer.from('alice:S3cret').toString('base64')
    const target = 'http://alice:S3cret@h/?password=S3cret'
    talk
      .tcp(3128)
      .say('client', `GET ${target} HTTP/1.1\r\nProxy-Authorization: Basic ${basic}\r\n\r\n`)
      .say('server', OK)
    expect(talk.only('http.requested')).toMatchObject({
      'url.original': 'http://alice@h/?password=…',
      'url.domain': 'h',
      'http.authentication.scheme': 'Basic',
      'http.authentication.user': 'alice',
    })
    expect(JSON.stringify(talk.peers.run.events)).not.toContain('S3cret')
    expect(JSON.stringify(talk.peers.run.events)).not.toContain(basic)
  })

  test('is recognised for remote management by its path, and by nothing that only resembles it', () => {
    const talk = new Talk()
    talk
      .tcp(5985)
      .say('client', 'POST /wsman HTTP/1.1\r\nAuthorization: Negotiate TlRMTVNTUAAB\r\n\r\n')
      .say('server', OK)
    expect(talk.only('winrm.requested')).toMatchObject({ 'http.authentication.scheme': 'Negotiate' })
    expect(talk.told('http.requested')).toEqual([])
  })
})

describe('a connection', () => {
  test('through a proxy is recognised anew behind CONNECT', () => {
    const talk = new Talk()
    talk
      .tcp(3128)
      .say('client', 'CONNECT www.example.com:443 HTTP/1.1\r\n\r\n')
      .say('server', 'HTTP/1.1 200 Connection established\r\n\r\n')
      .say('client', tlsRecord(22, handshakeMessage(1, clientHello({ extensions: [serverName('www.example.com')] }))))
      .say('server', tlsRecord(21, fromHex('0228')))
    expect(talk.only('http.requested')).toMatchObject({ 'url.domain': 'www.example.com', 'url.port': 443 })
    expect(talk.only('tls.failed')).toMatchObject({ 'network.protocol': 'tls' })
  })

  test('that was open before the capture is read from its next head on, whoever speaks first', () => {
    const talk = new Talk()
    const connection = talk.tcp(80)
    connection.say('server', OK)
    connection.say('client', 'GET /1 HTTP/1.1\r\n\r\n').say('server', OK)
    expect(messages(talk)).toEqual(['GET /1: 200'])
  })

  test('goes on after a loss with the next head', () => {
    const talk = new Talk()
    const connection = talk.tcp(80)
    connection.say('client', 'GET /1 HTTP/1.1\r\n\r\n')
    connection.next.server += 1000
    connection.say('server', 'rest of a body').say('client', 'GET /2 HTTP/1.1\r\n\r\n', 8)
    connection.say('server', OK)
    talk.finish()
    expect(messages(talk)).toEqual(['GET /1: no answer', 'GET /2: 200'])
  })

  test('that breaks the rules has a finding', () => {
    const talk = new Talk()
    talk.tcp(80).say('client', 'GET / HTTP/1.1\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\n')
    talk.tcp(80, 50_001).say('client', 'GET / nonsense and more\r\n\r\n')
    talk.tcp(80, 50_002).say('client', 'POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\nnone\r\n')
    expect(talk.findings).toEqual(['http.conflicting_length', 'http.start_line', 'http.chunk'])
  })

  test('with the preface of HTTP/2 is of no further interest', () => {
    const talk = new Talk()
    talk.tcp(80).say('client', concat(utf8('PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n'), new Uint8Array(40)))
    talk.finish()
    expect(talk.told('http.requested')).toEqual([])
    expect(talk.findings).toEqual([])
  })
})
