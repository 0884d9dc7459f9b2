import { describe, expect, test } from 'vitest'
import type { Layer } from '../../src/dissect/layer.ts'
import { describeDatagram, describeEcho, describeSegment } from '../../src/dissect/layers-inner.ts'
import { be16, concat, fromHex, utf8 } from '../support/craft.ts'
import { kexInit, sshPacket } from '../support/ssh.ts'
import { clientHello, handshakeMessage, serverHello, serverName, tlsRecord } from '../support/tls.ts'

const QUERY = fromHex('1234 0100 0001 0000 0000 0000 01 61 00 0001 0001')

function segment(payload: Uint8Array, sourcePort = 40_000, destinationPort = 9999): readonly Layer[] {
  const { length } = payload
  return describeSegment({ bytes: payload, start: 0, end: length, wireEnd: length }, { sourcePort, destinationPort })
}

function datagram(payload: Uint8Array, destinationPort: number, cut = 0): readonly Layer[] {
  const { length } = payload
  return describeDatagram(
    { bytes: payload, start: 0, end: length - cut, wireEnd: length },
    { sourcePort: 40_000, destinationPort },
  )
}

function names(layers: readonly Layer[]): readonly string[] {
  return layers.map(({ layer }) => layer)
}

describe('a datagram', () => {
  test('is DNS by its port or by its content', () => {
    expect(datagram(QUERY, 53)).toMatchObject([{ layer: 'dns', id: 0x1234, questions: [{ name: 'a' }] }])
    expect(datagram(QUERY, 5353)).toMatchObject([{ layer: 'mdns' }])
    expect(datagram(QUERY, 5355)).toMatchObject([{ layer: 'llmnr' }])
    expect(datagram(QUERY, 9999)).toMatchObject([{ layer: 'dns' }])
    expect(datagram(utf8('hello world'), 9999)).toEqual([])
  })

  test('tells a cut of the capture from a lie of the sender', () => {
    expect(datagram(QUERY, 53, 3)).toMatchObject([{ layer: 'dns', isSnapped: true }])
    expect(datagram(QUERY, 53, 15)).toMatchObject([{ layer: 'dns', isSnapped: true, length: 19 }])
    expect(datagram(QUERY.subarray(0, 16), 53)).toMatchObject([{ flaw: 'dns.truncated' }])
  })

  test('is QUIC by its header', () => {
    const initial = concat(fromHex('c3 00000001 00 00'), new Uint8Array(1200))
    expect(datagram(initial, 443)).toEqual([{ layer: 'quic', version: '1', length: 1207 }])
  })
})

describe('a segment', () => {
  test('holds messages of DNS behind their lengths', () => {
    const both = concat(be16(QUERY.length), QUERY, be16(QUERY.length), QUERY)
    expect(names(segment(both, 53))).toEqual(['dns', 'dns'])
    expect(names(segment(both.subarray(0, -1), 53))).toEqual(['dns'])
    expect(segment(fromHex('0000'), 53)).toEqual([])
  })

  test('holds records of TLS with their fingerprints', () => {
    const hello = tlsRecord(22, handshakeMessage(1, clientHello({ extensions: [serverName('a.example')] })))
    expect(segment(hello)).toMatchObject([
      {
        layer: 'tls',
        messages: [
          { clientHello: { serverName: 'a.example', offered: 'TLS 1.2', ja4: expect.stringMatching(/^t12d0101/) } },
        ],
      },
    ])
    expect(segment(tlsRecord(22, handshakeMessage(2, serverHello())))).toMatchObject([
      { messages: [{ serverHello: { cipherSuiteName: 'TLS_AES_128_GCM_SHA256', selected: 'TLS 1.2' } }] },
    ])
    expect(names(segment(concat(tlsRecord(23, fromHex('aabb')), fromHex('00'))))).toEqual(['tls', 'data'])
    expect(names(segment(concat(tlsRecord(23, fromHex('aabb')), tlsRecord(21, fromHex('0100')))))).toEqual([
      'tls',
      'tls',
    ])
  })

  test('holds heads of HTTP, whole or in part, and knows WinRM', () => {
    const two = utf8('GET /a HTTP/1.1\r\nHost: x\r\n\r\nGET /b HTTP/1.1\r\n\r\n')
    expect(segment(two)).toMatchObject([{ target: '/a', host: 'x' }, { target: '/b' }])
    expect(segment(utf8('HTTP/1.1 200 OK\r\nServer: x\r\n\r\nbody'))).toMatchObject([
      { layer: 'http', type: 'response', status: 200 },
      { layer: 'data', length: 4 },
    ])
    expect(segment(utf8('POST /wsman HTTP/1.1\r\nHos'))).toMatchObject([{ isPartial: true, application: 'winrm' }])
    expect(segment(utf8('GET /'))).toEqual([{ layer: 'http', length: 5, isPartial: true }])
  })

  test('holds the beginning of SSH', () => {
    const both = concat(utf8('SSH-2.0-x y\r\n'), sshPacket(kexInit()), sshPacket(fromHex('15')), fromHex('ff'))
    const layers = segment(both, 40_000, 22)
    expect(layers).toMatchObject([
      { software: 'x', comment: 'y' },
      { messageName: 'KEXINIT', hassh: expect.stringMatching(/^[0-9a-f]{32}$/) },
      { messageName: 'NEWKEYS' },
      { layer: 'data', length: 1 },
    ])
    expect(segment(sshPacket(kexInit()), 22)[0]).toHaveProperty('hasshServer')
    expect(segment(fromHex('ffffffffffffffff'), 22)).toEqual([])
    expect(segment(utf8('SSH-2.0-x'))).toMatchObject([{ isPartial: true }])
  })

  test('holds the beginning of Remote Desktop', () => {
    const request = concat(
      fromHex('0300002a25e00000000000'),
      utf8('Cookie: mstshash=bob\r\n'),
      fromHex('0100080003000000'),
    )
    expect(segment(request.with(3, request.length).with(4, request.length - 5))).toMatchObject([
      { layer: 'rdp', user: 'bob' },
    ])
    expect(segment(fromHex('0300'), 3389)).toEqual([])
  })

  test('holds nothing that is known', () => {
    expect(segment(utf8('hello'))).toEqual([])
    expect(segment(new Uint8Array(0))).toEqual([])
  })
})

describe('an echo', () => {
  test('is measured', () => {
    const bytes = utf8('abcdefghijklmnopqrstuvwabcdefghi')
    expect(describeEcho({ bytes, start: 0, end: 32, wireEnd: 40 })).toEqual({
      layer: 'echo',
      pattern: 'windows',
      length: 40,
      distinct: 23,
      printable: 32,
    })
  })
})
