import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import {
  chunkLine,
  describeHttpRequest,
  describeHttpResponse,
  HTTP_HEAD_MAX,
  HttpFieldCursor,
  HttpHeadView,
  type HttpRequest,
  type HttpResponse,
  isWinRm,
  looksLikeHttp,
  requestBody,
  responseBody,
  safeTarget,
} from '../../src/wire/http.ts'
import { utf8 } from '../support/craft.ts'
import { inWindow } from '../support/window.ts'

const view = new HttpHeadView()

function decode(words: string): string | null {
  const bytes = utf8(words)
  return view.decode(bytes, 0, bytes.length)
}

function request(words: string): HttpRequest {
  expect(decode(words)).toBeNull()
  expect(view).toMatchObject({ isWhole: true, isRequest: true })
  return describeHttpRequest(view)
}

function response(words: string): HttpResponse {
  expect(decode(words)).toBeNull()
  expect(view).toMatchObject({ isWhole: true, isRequest: false })
  return describeHttpResponse(view)
}

function withField(field: string): HttpRequest {
  return request(`GET / HTTP/1.1\r\n${field}\r\n\r\n`)
}

const GET =
  'GET /report.pdf?a=1 HTTP/1.1\r\nHost: 192.0.2.5:8080\r\nUser-Agent: curl/8.1\r\nAccept: */*\r\nReferer: http://a/\r\n\r\n'
const OK = 'HTTP/1.1 200 OK\r\nServer: nginx\r\nContent-Type: text/html\r\nContent-Length: 5\r\n\r\nhello'

describe('HttpHeadView', () => {
  test('finds the parts of a request and where its head ends', () => {
    expect(decode(`${GET}rest`)).toBeNull()
    expect(view).toMatchObject({ isWhole: true, isRequest: true, version: 11, headEnd: GET.length })
    expect(GET.slice(view.targetStart, view.targetEnd)).toBe('/report.pdf?a=1')
  })

  test('reads a status line, with or without a phrase', () => {
    expect(decode('HTTP/1.0 404 Not Found\r\n\r\n')).toBeNull()
    expect(view).toMatchObject({ isRequest: false, version: 10, status: 404 })
    expect(decode('HTTP/1.1 204\r\n\r\n')).toBeNull()
    expect(view.status).toBe(204)
  })

  test('takes lines that end with LF alone', () => {
    expect(request('POST /x HTTP/1.0\nHost: a\nContent-Length: 3\n\nabc')).toMatchObject({
      host: 'a',
      contentLength: 3,
    })
    expect(view.headEnd).toBe(44)
  })

  test('takes a request of HTTP/0.9, which has no head', () => {
    expect(request('GET /index\r\nrest')).toMatchObject({
      method: 'GET',
      target: '/index',
      version: '0.9',
      fieldCount: 0,
    })
    expect(view.headEnd).toBe(12)
    expect(request('GET /a b HTTP/1.0\r\n\r\n')).toMatchObject({ target: '/a b', version: '1.0' })
  })

  test('reads heads in the middle of a buffer', () => {
    const at = (words: string) =>
      inWindow(utf8(words), (buffer, start, end) => {
        expect(view.decode(buffer, start, end)).toBeNull()
        const { isWhole, isRequest, version, status, headEnd } = view
        return { isWhole, isRequest, version, status, headLength: headEnd - start }
      }).among
    expect(at('GET /index\r\nrest')).toMatchObject({ isWhole: true, isRequest: true, version: 9, headLength: 12 })
    expect(at(`${GET}rest`)).toMatchObject({ isWhole: true, isRequest: true, version: 11, headLength: GET.length })
    expect(at(OK)).toMatchObject({ isWhole: true, isRequest: false, version: 11, status: 200 })
  })

  test('every truncation asks for more', () => {
    for (const head of [GET, OK.slice(0, -5)]) {
      for (let length = 0; length < head.length; length++) {
        expect(decode(head.slice(0, length)), `cut at ${length}`).toBeNull()
        expect(view.isWhole).toBe(false)
      }
    }
  })

  test('does not search again what was searched, and misses nothing at the seams', () => {
    for (let cut = 1; cut < GET.length; cut++) {
      decode(GET.slice(0, cut))
      const bytes = utf8(GET)
      expect(view.decode(bytes, 0, bytes.length, view.searched, view.lineLength)).toBeNull()
      expect(view.headEnd, `cut at ${cut}`).toBe(GET.length)
    }
    let [searched, lineLength] = [0, 0]
    const bytes = utf8(GET)
    for (let end = 1; end <= bytes.length; end++) {
      expect(view.decode(bytes, 0, end, searched, lineLength)).toBeNull()
      expect(view.isWhole).toBe(end === bytes.length)
      ;({ searched, lineLength } = view)
    }
  })

  test('names what is no head', () => {
    expect(decode('\x16\x03\x01\r\n')).toBe('http.start_line')
    expect(decode('GET \r\n\r\n')).toBe('http.start_line')
    expect(decode('PUT /\r\n\r\n')).toBe('http.start_line')
    expect(decode('GET /a b\r\n\r\n')).toBe('http.start_line')
    expect(decode('GET / HTTP/3.0\r\n\r\n')).toBe('http.start_line')
    expect(decode('GET / HTTP/1.1x\r\n\r\n')).toBe('http.start_line')
    expect(decode('HTTP/1.1 2x0 OK\r\n\r\n')).toBe('http.start_line')
    expect(decode('HTTP/1.1 2000\r\n\r\n')).toBe('http.start_line')
    expect(decode('HTTP/1.1\r\n\r\n')).toBe('http.start_line')
    expect(decode(' / HTTP/1.1\r\n\r\n')).toBe('http.start_line')
    expect(decode(`GET /${'a'.repeat(20_000)}`)).toBe('http.line_length')
    expect(decode(`GET / HTTP/1.1\r\n${'A: b\r\n'.repeat(HTTP_HEAD_MAX / 6)}`)).toBe('http.head_length')
  })

  test('reads nothing outside its window, whatever the octets', () => {
    fc.assert(
      fc.property(
        fc.nat(GET.length),
        fc.array(fc.tuple(fc.nat(GET.length - 1), fc.nat(255)), { maxLength: 5 }),
        (length, changes) => {
          const octets = utf8(GET)
          for (const [at, value] of changes) octets[at] = value
          const { among, elsewhere } = inWindow(octets.subarray(0, length), (bytes, start, end) => {
            const flaw = view.decode(bytes, start, end)
            return {
              flaw,
              told:
                flaw === null && view.isWhole
                  ? view.isRequest
                    ? describeHttpRequest(view)
                    : describeHttpResponse(view)
                  : null,
            }
          })
          expect(among).toEqual(elsewhere)
        },
      ),
      { seed: 9112, numRuns: 3000 },
    )
  })
})

describe('HttpFieldCursor', () => {
  test('walks fields, passes over continued lines, and names what is none', () => {
    expect(decode('GET / HTTP/1.1\r\nA:1\r\n more\r\nB : 2\r\nC:\t3 \t\r\n\r\n')).toBeNull()
    const fields = new HttpFieldCursor().over(view)
    const seen: string[] = []
    while (fields.next()) seen.push(Buffer.from(view.bytes.subarray(fields.nameStart, fields.valueEnd)).toString())
    expect(seen).toEqual(['A:1', 'C:\t3'])
    expect(fields.flaw).toBe('http.field')
  })

  test('is bounded', () => {
    expect(withField('A: b\r\n'.repeat(1000).trimEnd())).toMatchObject({ fieldCount: 256, flaw: 'http.fields' })
  })
})

describe('describeHttpRequest', () => {
  test('tells who asks whom for what', () => {
    expect(request(GET)).toEqual({
      method: 'GET',
      target: '/report.pdf?a=1',
      version: '1.1',
      headLength: GET.length,
      fieldCount: 4,
      host: '192.0.2.5:8080',
      userAgent: 'curl/8.1',
      referrer: 'http://a/',
    })
  })

  test('tells the scheme of credentials and the user, never what proves it', () => {
    const basic = Buffer.from('alice:S3cret:x').toString('base64')
    expect(withField(`Authorization: Basic ${basic}`).credentials).toEqual({ scheme: 'Basic', user: 'alice' })
    expect(withField(`authorization: basic ${Buffer.from('S3cret').toString('base64')}`).credentials).toEqual({
      scheme: 'basic',
    })
    expect(withField('Authorization: Digest username="bob", response="5ec"').credentials).toEqual({
      scheme: 'Digest',
      user: 'bob',
    })
    expect(withField('Authorization: Digest response="5ec"').credentials).toEqual({ scheme: 'Digest' })
    expect(withField('Authorization: Bearer S3cret').credentials).toEqual({ scheme: 'Bearer' })
    expect(withField('Authorization: NTLM TlRMTVNTUAADS3cret').credentials).toEqual({ scheme: 'NTLM' })
    expect(withField('Authorization: Negotiate TlRMTVNTUAADS3cret').credentials).toEqual({
      scheme: 'Negotiate',
      isNtlm: true,
    })
    expect(withField('Authorization: Negotiate YIIS3cret').credentials).toEqual({ scheme: 'Negotiate' })
    expect(withField('Authorization: S3cret:without+scheme').credentials).toEqual({ scheme: 'unknown' })
    expect(withField(`Proxy-Authorization: Basic ${basic}`).proxyCredentials).toEqual({
      scheme: 'Basic',
      user: 'alice',
    })
  })

  test('leaves secrets out of targets', () => {
    const whole = request(
      'GET http://alice:S3cret@host/a?user=alice&password=S3cret&x=1;Token=S3cret#f HTTP/1.1\r\n\r\n',
    )
    expect(whole.target).toBe('http://alice@host/a?user=alice&password=…&x=1;Token=…#f')
    expect(withField('Referer: https://h/?session_id=S3cret').referrer).toBe('https://h/?session_id=…')
    expect(safeTarget('/a?b=c&d')).toBe('/a?b=c&d')
    expect(safeTarget('/login?pass=S3cret&passport=1&=2')).toBe('/login?pass=…&passport=1&=2')
  })

  test('tells lengths that contradict each other', () => {
    expect(withField('Content-Length: 5\r\nContent-Length: 5').findings).toBeUndefined()
    for (const field of [
      'Content-Length: 5\r\nContent-Length: 6',
      'Content-Length: 5\r\nTransfer-Encoding: chunked',
      'Content-Length: -5',
      'Content-Length: 5, 6',
    ]) {
      expect(withField(field).findings, field).toEqual(['http.conflicting_length'])
    }
  })

  test('cuts what is too long', () => {
    const long = request(
      `GET /${'a'.repeat(5000)} HTTP/1.1\r\nHost: ${'b'.repeat(5000)}\r\n${'n'.repeat(5000)}: c\r\n\r\n`,
    )
    expect(long.target.length).toBe(2048)
    expect(long.host?.length).toBe(1024)
  })
})

describe('describeHttpResponse', () => {
  test('tells what came back', () => {
    expect(response(OK)).toEqual({
      status: 200,
      version: '1.1',
      headLength: OK.length - 5,
      fieldCount: 3,
      server: 'nginx',
      contentType: 'text/html',
      contentLength: 5,
    })
    const denied = response(
      'HTTP/1.1 401 No\r\nWWW-Authenticate: Negotiate\r\nWWW-Authenticate: NTLM\r\nWWW-Authenticate: Basic realm="x"\r\nLocation: /a?token=S3cret\r\nUpgrade: websocket\r\n\r\n',
    )
    expect(denied).toMatchObject({
      challenges: ['Negotiate', 'NTLM', 'Basic'],
      location: '/a?token=…',
      upgrade: 'websocket',
    })
  })
})

describe('the length of a body', () => {
  test('follows a request', () => {
    expect(requestBody(request(GET))).toEqual({ kind: 'length', length: 0 })
    expect(requestBody(withField('Content-Length: 7'))).toEqual({ kind: 'length', length: 7 })
    expect(requestBody(withField('Transfer-Encoding: gzip\r\nTransfer-Encoding: Chunked'))).toEqual({ kind: 'chunked' })
  })

  test('follows a response and what it answers', () => {
    const answer = (status: number, field = 'A: b') => response(`HTTP/1.1 ${status} x\r\n${field}\r\n\r\n`)
    expect(responseBody(answer(200), 'GET')).toEqual({ kind: 'rest' })
    expect(responseBody(answer(200, 'Content-Length: 9'), 'GET')).toEqual({ kind: 'length', length: 9 })
    expect(responseBody(answer(200, 'Content-Length: 9'), 'HEAD')).toEqual({ kind: 'length', length: 0 })
    expect(responseBody(answer(200, 'Transfer-Encoding: chunked'), undefined)).toEqual({ kind: 'chunked' })
    for (const status of [100, 204, 304]) expect(responseBody(answer(status), 'GET')).toMatchObject({ length: 0 })
    expect(responseBody(answer(200), 'CONNECT')).toMatchObject({ length: 0 })
    expect(responseBody(answer(403), 'CONNECT')).toEqual({ kind: 'rest' })
  })

  test('is read chunk by chunk', () => {
    const read = (words: string) => chunkLine(utf8(words), 0, words.length)
    expect(read('1a;x=y\r\n')).toEqual({ next: 8, size: 28 })
    expect(read('0\r\n')).toEqual({ next: 3, size: 0 })
    expect(read('F\n')).toEqual({ next: 2, size: 17 })
    expect(read('1a\r')).toBe('more')
    expect(read('\r\n')).toBe('http.chunk')
    expect(read('xyz\r\n')).toBe('http.chunk')
    expect(read(`${'1'.repeat(13)}\r\n`)).toBe('http.chunk')
    expect(read('1'.repeat(1024))).toBe('http.chunk')
  })
})

describe('looksLikeHttp', () => {
  test('knows requests and responses by their first word', () => {
    const looks = (words: string) => looksLikeHttp(utf8(words), 0, words.length)
    expect(looks(GET)).toBe(true)
    expect(looks(OK)).toBe(true)
    expect(looks('PRI * HTTP/2.0\r\n\r\nSM')).toBe(true)
    expect(['', 'G', 'PROPF', 'HTTP/1'].map(looks)).toEqual([undefined, undefined, undefined, undefined])
    expect(['GETX', 'SSH-2.0', '\x16\x03\x01'].map(looks)).toEqual([false, false, false])
  })
})

describe('isWinRm', () => {
  test('goes by path, port and client', () => {
    expect(isWinRm(request('POST /wsman?PSVersion=5 HTTP/1.1\r\n\r\n'), 8080)).toBe(true)
    expect(isWinRm(request('POST http://a:5985/wsman HTTP/1.1\r\n\r\n'), 8080)).toBe(true)
    expect(isWinRm(withField('User-Agent: Microsoft WinRM Client'), 80)).toBe(true)
    expect(isWinRm(request(GET), 5985)).toBe(true)
    expect(isWinRm(request('GET /wsmanual HTTP/1.1\r\n\r\n'), 80)).toBe(false)
  })
})
