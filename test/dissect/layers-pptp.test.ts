import { describe, expect, test } from 'vitest'
import type { Layer } from '../../src/dissect/layer.ts'
import { pptpLayers } from '../../src/dissect/layers-pptp.ts'
import { Describer } from '../../src/dissect/layers.ts'
import { LINKTYPE } from '../../src/wire/link.ts'
import { ccp, concat, ethernet, fromHex, ipv4, lcp, ppp, pppOption, tcp, utf8 } from '../support/craft.ts'
import { echoReply, echoRequest, enhancedGre, pptpControl, startRequest } from '../support/pptp.ts'

function layersOf(payload: Uint8Array, capturedLength = payload.length): Layer[] {
  return pptpLayers({ bytes: payload, start: 0, end: capturedLength, wireEnd: payload.length })
}

class Reader {
  readonly #describer = new Describer({
    l2tpPorts: [1701],
    secrets: [],
    fragments: { datagramsMax: 16, piecesMax: 16, timeoutSeconds: 30 },
    linksMax: 64,
  })
  #number = 0

  layers(bytes: Uint8Array): readonly Layer[] {
    this.#number++
    const frame = { bytes, start: 0, end: bytes.length, timeUs: this.#number, originalLength: bytes.length }
    return this.#describer.describe({ ...frame, linkType: LINKTYPE.ETHERNET, interfaceId: 0, number: this.#number })
      .layers
  }
}

describe('a segment on the port of PPTP', () => {
  test('tells each message in it', () => {
    expect(layersOf(concat(echoRequest(1), echoReply(1)))).toMatchObject([
      { layer: 'pptp', messageName: 'Echo-Request', identifier: 1 },
      { layer: 'pptp', messageName: 'Echo-Reply', resultName: 'OK' },
    ])
  })

  test('tells a message that goes on in the next as far as it stands there', () => {
    const message = startRequest({ hostName: 'pac' })
    expect(layersOf(message.subarray(0, 100))).toMatchObject([{ hostName: 'pac', isContinued: true }])
    expect(layersOf(message, 100)).toMatchObject([{ hostName: 'pac', isSnapped: true }])
    expect(layersOf(concat(echoRequest(1), message.subarray(0, 5)))).toMatchObject([
      { messageName: 'Echo-Request' },
      { layer: 'data', length: 5 },
    ])
  })

  test('is data when it begins in the middle of a message, or with something else', () => {
    expect(layersOf(startRequest().subarray(50))).toEqual([])
    expect(layersOf(utf8('SSH-2.0-x'))).toEqual([])
    expect(layersOf(new Uint8Array(0))).toEqual([])
  })

  test('names the flaw of a message', () => {
    expect(layersOf(pptpControl(99, fromHex('00000000')))).toMatchObject([
      { controlType: 99, messageName: 'unknown', flaw: 'pptp.control_type' },
    ])
    expect(layersOf(pptpControl(5, fromHex('00000000'), { length: 13 }))).toMatchObject([{ flaw: 'pptp.length' }])
    expect(layersOf(pptpControl(5, fromHex('00000000'), { messageType: 9 }))).toMatchObject([
      { messageType: 9, flaw: 'pptp.message_type' },
    ])
  })

  test('lists no more messages than anybody sends', () => {
    const layers = layersOf(concat(...Array.from({ length: 40 }, (_, i) => echoRequest(i))))
    expect(layers).toHaveLength(17)
    expect(layers[16]).toEqual({ layer: 'data', length: 24 * 16 })
  })

  test('is found behind TCP, in either direction', () => {
    const segment = (payload: Uint8Array, ports: object): Uint8Array =>
      ethernet(ipv4(tcp(payload, ports), { protocol: 6 }))
    for (const ports of [{ targetPort: 1723 }, { sourcePort: 1723 }])
      expect(new Reader().layers(segment(echoRequest(1), ports))[3]).toMatchObject({ layer: 'pptp' })
    expect(new Reader().layers(segment(utf8('hello'), { targetPort: 1723 }))[3]).toMatchObject({ layer: 'data' })
  })
})

describe('a call of PPTP', () => {
  test('carries PPP in GRE, down to MPPE once it was agreed', () => {
    const reader = new Reader()
    const option = [pppOption(18, fromHex('01000040'))]
    const wrap = (frame: Uint8Array, fields: object): Uint8Array =>
      ethernet(ipv4(enhancedGre(frame, fields), { protocol: 47 }))
    expect(reader.layers(wrap(lcp(1, 1, []), { callId: 7, sequence: 0 })).map(({ layer }) => layer)).toEqual([
      'ethernet',
      'ipv4',
      'gre',
      'ppp',
      'lcp',
    ])
    const sealed = ppp(0x00fd, fromHex('9001 deadbeef'))
    expect(reader.layers(wrap(sealed, { callId: 7, sequence: 1 })).at(-1)).toMatchObject({ layer: 'compressed' })
    reader.layers(wrap(ccp(2, 1, option), { callId: 7, sequence: 2, acknowledgement: 1 }))
    expect(reader.layers(wrap(sealed, { callId: 7, sequence: 3 })).at(-1)).toEqual({
      layer: 'mppe',
      isFlushed: true,
      isAtFront: false,
      isCompressed: false,
      isEncrypted: true,
      coherencyCount: 1,
      length: 4,
    })
  })

  test('names the flaw of its header, and what can be read of it', () => {
    const lying = ethernet(ipv4(enhancedGre(fromHex('c021'), { sequence: 1, payloadLength: 900 }), { protocol: 47 }))
    expect(new Reader().layers(lying).at(-1)).toMatchObject({ layer: 'gre', protocol: 0x880b, flaw: 'gre.length' })
  })
})
