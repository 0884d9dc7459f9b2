import { describe, expect, test } from 'vitest'
import type { Layer } from '../../src/dissect/layer.ts'
import { Describer } from '../../src/dissect/layers.ts'
import { LINKTYPE } from '../../src/wire/link.ts'
import { be16, be32, concat, datagram, ipv4, sccrq, tcp, TCP_FLAG, utf8 } from '../support/craft.ts'
import { COOKIE_R, encrypted, message, type Payload, sa1, transform1 } from '../support/ike.ts'

const A = '192.0.2.1'
const B = '192.0.2.2'
const MAIN = message({}, [[1, sa1([transform1([7, 2, 1, 14])])]])

class Reader {
  readonly #describer = new Describer({
    l2tpPorts: [1701],
    secrets: [],
    fragments: { datagramsMax: 16, piecesMax: 16, timeoutSeconds: 30 },
    linksMax: 16,
  })
  #number = 0

  read(bytes: Uint8Array, originalLength = bytes.length): readonly Layer[] {
    const number = ++this.#number
    const linkType = LINKTYPE.RAW
    return this.#describer.describe({
      bytes,
      start: 0,
      end: bytes.length,
      timeUs: 1e6 * number,
      originalLength,
      linkType,
      interfaceId: 0,
      number,
    }).layers
  }

  /** The layers behind UDP. */
  ike(payload: Uint8Array, source = A, target = B): readonly Layer[] {
    const packet = datagram(payload, { source, target, sourcePort: 500, targetPort: 500 })
    return this.read(packet.subarray(14)).slice(2)
  }

  /** The layers behind TCP. */
  segment(payload: Uint8Array, fields: { sequence: number; flags?: number; port?: number; isBack?: boolean }) {
    const { sequence, flags = TCP_FLAG.ack, port = 4500, isBack = false } = fields
    const [sourcePort, targetPort] = isBack ? [port, 40_000] : [40_000, port]
    const [source, target] = isBack ? [B, A] : [A, B]
    const bytes = tcp(payload, { source, target, sourcePort, targetPort, sequence, flags })
    return this.read(ipv4(bytes, { source, target, protocol: 6 })).slice(2)
  }
}

function fragment(number: number, isLast: boolean, piece: Uint8Array, packet = 1): Uint8Array {
  const body = concat(be16(packet), Uint8Array.of(number, isLast ? 1 : 0), piece)
  return message({ responder: COOKIE_R, exchange: 2 }, [[132, body]])
}

const names = (layers: readonly Layer[]) => layers.map(({ layer }) => layer)

describe('a message', () => {
  test('is told with all its payloads', () => {
    const [layer] = new Reader().ike(MAIN)
    expect(layer).toMatchObject({
      layer: 'ike',
      version: '1.0',
      exchange: 'main',
      payloads: [{ kind: 'sa', name: 'SA' }],
    })
    expect(layer).not.toHaveProperty('findings')
  })

  test('that is too short is told with its flaw, unless the capture cut it', () => {
    const packet = datagram(MAIN, { source: A, target: B, sourcePort: 500, targetPort: 500 }).subarray(14)
    expect(new Reader().ike(MAIN.subarray(0, 20))).toEqual([{ layer: 'ike', length: 20, flaw: 'ike.truncated' }])
    const cut = new Reader().read(packet.subarray(0, 28 + 20), packet.length)
    expect(cut[2]).toEqual({ layer: 'ike', length: MAIN.length, isSnapped: true })
  })
})

test("a message without the initiator's SPI is told all the same", () => {
  const [layer] = new Reader().ike(message({ initiator: '0000000000000000' }, [[1, sa1([transform1([7, 2, 1, 14])])]]))
  expect(layer).toMatchObject({ flaw: 'ike.initiator_spi', exchange: 'main', payloads: [{ kind: 'sa' }] })
})

test('a port that L2TP was seen on does not hide IKE', () => {
  const reader = new Reader()
  reader.read(datagram(sccrq(), { source: A, target: B, sourcePort: 500, targetPort: 1701 }).subarray(14))
  reader.read(datagram(sccrq(), { source: A, target: B, sourcePort: 35_000, targetPort: 1701 }).subarray(14))
  for (const sourcePort of [500, 35_000]) {
    const packet = datagram(MAIN, { source: A, target: B, sourcePort, targetPort: 500 })
    expect(names(reader.read(packet.subarray(14)))).toEqual(['ipv4', 'udp', 'ike'])
  }
})

describe('fragments of version 1', () => {
  const large: Payload = [10, new Uint8Array(64).fill(7)]
  const whole = message({ responder: COOKIE_R, exchange: 4 }, [large])

  test('end in the whole message as a layer of its own', () => {
    const reader = new Reader()
    expect(names(reader.ike(fragment(2, true, whole.subarray(50))))).toEqual(['ike'])
    const layers = reader.ike(fragment(1, false, whole.subarray(0, 50)))
    expect(names(layers)).toEqual(['ike', 'ike'])
    expect(layers[1]).toMatchObject({ isReassembled: true, exchange: 'aggressive', payloads: [{ kind: 'nonce' }] })
  })

  test('of two senders never meet', () => {
    const reader = new Reader()
    reader.ike(fragment(1, false, whole.subarray(0, 50)))
    expect(names(reader.ike(fragment(2, true, whole.subarray(50)), B, A))).toEqual(['ike'])
  })

  test('that contradict each other are findings, and so is a whole that is no message', () => {
    const reader = new Reader()
    reader.ike(fragment(1, false, utf8('abc')))
    const [again] = reader.ike(fragment(1, false, utf8('abd')))
    expect(again.findings).toContain('ike.fragment_conflict')
    const layers = reader.ike(fragment(2, true, utf8('def')))
    expect(layers[1]).toEqual({ layer: 'ike', isReassembled: true, length: 6, flaw: 'ike.truncated' })
  })
})

describe('a TCP stream', () => {
  const ike = concat(be16(MAIN.length + 6), be32(0), MAIN)
  const esp = concat(be16(26), be32(0xc0ffee01), be32(1), new Uint8Array(16))
  const prefix = utf8('IKETCP')

  test('on port 4500 is told frame by frame, also over segments', () => {
    const reader = new Reader()
    expect(reader.segment(new Uint8Array(0), { sequence: 99, flags: TCP_FLAG.syn })).toEqual([])
    const bytes = concat(prefix, ike, esp)
    expect(names(reader.segment(bytes.subarray(0, 60), { sequence: 100 }))).toEqual(['ike-tcp'])
    const layers = reader.segment(bytes.subarray(60), { sequence: 160 })
    expect(names(layers)).toEqual(['ike-tcp', 'ike', 'esp'])
    expect(layers[0]).toEqual({ layer: 'ike-tcp', length: bytes.length - 60, frames: 2 })
    expect(layers[1]).toMatchObject({ exchange: 'main' })
  })

  test('on any port is known by its prefix, in both directions', () => {
    const reader = new Reader()
    const [first, second] = reader.segment(concat(prefix, ike), { sequence: 1, port: 443 })
    expect(first).toMatchObject({ layer: 'ike-tcp', prefix: 'IKETCP', frames: 1 })
    expect(second).toMatchObject({ layer: 'ike' })
    const answer = reader.segment(concat(ike, Uint8Array.of(0, 3, 0xff)), { sequence: 1, port: 443, isBack: true })
    expect(names(answer)).toEqual(['ike-tcp', 'ike', 'natt-keepalive'])
  })

  test('of something else is that, on port 4500 too', () => {
    const reader = new Reader()
    expect(names(reader.segment(utf8('GET / HTTP/1.1\r\n\r\n'), { sequence: 1 }))).toEqual(['http'])
    expect(names(reader.segment(utf8('hello'), { sequence: 1, port: 80 }))).toEqual(['data'])
  })

  test('with a length that cannot be has a finding', () => {
    const [layer] = new Reader().segment(concat(prefix, Uint8Array.of(0, 1, 2)), { sequence: 1 })
    expect(layer).toMatchObject({ layer: 'ike-tcp', frames: 0, findings: ['iketcp.length'] })
  })
})

test('encrypted messages are told by their length', () => {
  const [layer] = new Reader().ike(encrypted({ responder: COOKIE_R, exchange: 32, messageId: 7 }, 64))
  expect(layer).toMatchObject({ exchange: 'quick', messageId: 7, encryptedLength: 64, payloads: [] })
})
