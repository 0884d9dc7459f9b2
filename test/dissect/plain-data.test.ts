import { describe, expect, test } from 'vitest'
import { Frame } from '../../src/dissect/frame.ts'
import { Duplicates } from '../../src/dissect/duplicates.ts'
import { LINKTYPE } from '../../src/wire/link.ts'
import * as craft from '../support/craft.ts'
import { Bench } from './support.ts'

const ADDRESSES = { source: '10.0.0.1', target: '203.0.113.9' }
const INNER = {
  IPv4: craft.ipv4(craft.udp(craft.fromHex('0102030405'), ADDRESSES), ADDRESSES),
  IPv6: craft.ipv6(craft.fromHex('0001 0002 0008 0000'), { source: 'fd00::1', target: '2001:db8::9' }),
}

interface Form {
  readonly inner: keyof typeof INNER
  readonly header: craft.L2tpDataFields
  readonly ppp: craft.PppFields
  readonly ethernet: craft.EthernetFields
}

function frameOf({ inner, header, ppp, ethernet }: Form): Uint8Array {
  const frame = craft.ppp(inner === 'IPv4' ? 0x0021 : 0x0057, INNER[inner], ppp)
  const message = craft.l2tpData(frame, { tunnelId: 0xfedc, sessionId: 0x8765, ...header })
  return craft.datagram(message, { sourcePort: 40_001, source: '203.0.113.7', ip: { id: 0xabcd }, ethernet })
}

function forms(): Form[] {
  const all: Form[] = []
  for (const inner of ['IPv4', 'IPv6'] as const)
    for (const header of [{}, { length: true }, { ns: 0xfff0, nr: 3 }, { length: true, ns: 9, priority: true }])
      for (const addressControl of [true, false])
        for (const shortProtocol of [true, false])
          for (const ethernet of [{}, { vlans: [{ id: 7 }], sizeMin: 140 }])
            all.push({ inner, header, ppp: { addressControl, shortProtocol }, ethernet })
  return all
}

const FORMS = forms()

/** Reads an Ethernet frame in both ways. */
class Both {
  readonly bench = new Bench()
  readonly #frame = new Frame()

  /** The plain reading; null if it is left to the dissector, whose verdict is in the frame of the bench. */
  read(bytes: Uint8Array) {
    const frame = this.#frame
    Object.assign(frame, { bytes: new Uint8Array(bytes), start: 0, end: bytes.length, linkType: LINKTYPE.ETHERNET })
    const isPlain = this.bench.dissector.isPlainData(frame)
    const { ipAt, ipLength, source, receiver, receiverPort, tunnelId, sessionId, hasSequence, ns } = frame.plain
    const { bytes: _, ...inner } = frame.inner
    const read = { ipAt, ipLength, source, receiver, receiverPort, tunnelId, sessionId, hasSequence, inner }
    if (isPlain) expect(frame.hasInner).toBe(true)
    return isPlain ? { ...read, ns: hasSequence ? ns : 0 } : null
  }

  /** The same by way of the dissector; null if the frame is no whole data message with IP inside. */
  dissect(bytes: Uint8Array) {
    const verdict = this.bench.see(bytes)
    const { ip, l2tp, hasInner, flaw, inner, destinationPort: receiverPort } = this.bench.frame
    if (verdict !== 'l2tp' || l2tp.isControl || !hasInner || flaw !== null) return null
    const { bytes: _, ...innerFields } = inner
    const { tunnelId, sessionId, hasSequence, ns } = l2tp
    const view = new DataView(ip.bytes.buffer)
    return {
      ipAt: ip.headerStart,
      ipLength: ip.wireEnd - ip.headerStart,
      source: view.getInt32(ip.sourceAt),
      receiver: view.getInt32(ip.destinationAt),
      receiverPort,
      tunnelId,
      sessionId,
      hasSequence,
      ns,
      inner: innerFields,
    }
  }
}

test.each(FORMS.map((form) => [JSON.stringify(form), form] as const))('%s is read as the dissector does', (_, form) => {
  const both = new Both()
  const read = both.read(frameOf(form))
  expect(read).toMatchObject({ tunnelId: 0xfedc, sessionId: 0x8765, receiverPort: 1701, source: 0xcb007107 | 0 })
  expect(read).toEqual(both.dissect(frameOf(form)))
})

describe('of a damaged message nothing is read that the dissector does not say', () => {
  test('with any other octet in any place', () => {
    const both = new Both()
    let plain = 0
    for (const form of FORMS) {
      const bytes = frameOf(form)
      const headers = bytes.length - INNER[form.inner].length + 8
      for (let at = 0; at < headers; at++) {
        const octet = bytes[at]
        for (const other of [
          0,
          1,
          2,
          3,
          0x21,
          0x45,
          0x57,
          0xff,
          ...[0, 1, 2, 3, 4, 5, 6, 7].map((bit) => octet ^ (1 << bit)),
        ]) {
          bytes[at] = other
          const read = both.read(bytes)
          if (read === null) continue
          plain++
          expect(read).toEqual(both.dissect(bytes))
        }
        bytes[at] = octet
      }
    }
    expect(plain).toBeGreaterThan(10_000)
  })

  test('cut short anywhere', () => {
    const both = new Both()
    for (const form of FORMS) {
      const bytes = frameOf(form)
      for (let length = 0; length < bytes.length; length++) {
        const read = both.read(bytes.subarray(0, length))
        if (read !== null) expect(read).toEqual(both.dissect(bytes.subarray(0, length)))
      }
    }
  })
})

const PPP_IPV4 = craft.ppp(0x0021, INNER.IPv4)

test.each([
  ['control messages', craft.datagram(craft.hello())],
  ['another port', craft.datagram(craft.l2tpData(PPP_IPV4), { sourcePort: 1702, targetPort: 1703 })],
  ['padding', craft.datagram(craft.l2tpData(PPP_IPV4, { offset: 4 }))],
  ['a length that is not that of the datagram', craft.datagram(craft.l2tpData(PPP_IPV4, { length: 30 }))],
  ['version 3', craft.datagram(craft.l2tpData(PPP_IPV4, { version: 3 }))],
  ['PPP that carries no IP', craft.datagram(craft.l2tpData(craft.ppp(0xc021, new Uint8Array(40))))],
  ['fragments', craft.datagram(craft.l2tpData(PPP_IPV4), { ip: { moreFragments: true } })],
  ['IP options', craft.datagram(craft.l2tpData(PPP_IPV4), { ip: { options: new Uint8Array(4) } })],
  ['IPv6', craft.datagram(craft.l2tpData(PPP_IPV4), { source: '2001:db8::1', target: '2001:db8::2' })],
  ['two VLAN tags', craft.datagram(craft.l2tpData(PPP_IPV4), { ethernet: { vlans: [{ id: 1 }, { id: 2 }] } })],
])('%s: left to the dissector', (_, bytes) => {
  expect(new Both().read(bytes)).toBe(null)
})

test('a copy is known by whichever way the first of the two was read', () => {
  const { dissector, frame } = new Bench()
  for (const form of FORMS) {
    const bytes = frameOf(form)
    Object.assign(frame, { bytes, start: 0, end: bytes.length, linkType: LINKTYPE.ETHERNET, timeUs: 1000 })
    for (const isPlainFirst of [true, false]) {
      const duplicates = new Duplicates(5000)
      const look = (isPlain: boolean) =>
        isPlain ? duplicates.isDuplicateData(frame.plain, frame) : duplicates.isDuplicate(frame.ip, frame)
      dissector.dissect(frame)
      dissector.isPlainData(frame)
      expect([look(isPlainFirst), look(!isPlainFirst)]).toEqual([false, true])
    }
  }
})

test('without a window nothing is a copy', () => {
  const { dissector, frame } = new Bench()
  const bytes = frameOf(FORMS[0])
  Object.assign(frame, { bytes, start: 0, end: bytes.length, linkType: LINKTYPE.ETHERNET })
  expect(dissector.isPlainData(frame)).toBe(true)
  const duplicates = new Duplicates(0)
  for (const _ of [1, 2]) expect(duplicates.isDuplicateData(frame.plain, frame)).toBe(false)
})
