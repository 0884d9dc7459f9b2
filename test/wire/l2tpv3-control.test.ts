import { describe, expect, test } from 'vitest'
import { AvpCursor } from '../../src/wire/l2tp-avp.ts'
import { L2tpV3View } from '../../src/wire/l2tpv3.ts'
import { describeV3Control, enterAgreement, type V3ControlDescription } from '../../src/wire/l2tpv3-control.ts'
import { avp, be16, be32, fromHex } from '../support/craft.ts'
import { V3_MESSAGE, v3Control, v3Message } from '../support/craft-l2tpv3.ts'

function read(bytes: Uint8Array): V3ControlDescription {
  const view = new L2tpV3View()
  expect(view.decodeUdp(bytes, 0, bytes.length)).toBeNull()
  return describeV3Control(view, new AvpCursor())
}

const ICRQ = v3Message(V3_MESSAGE.icrq, [
  avp(63, be32(0x0a0b0c0d)),
  avp(64, be32(0)),
  avp(15, be32(1)),
  avp(65, fromHex('0102030405060708')),
  avp(66, 'circuit-17'),
  avp(68, be16(5)),
  avp(69, be16(1)),
  avp(70, be16(2)),
  avp(71, be16(3)),
])

describe('describeV3Control', () => {
  test('gathers what an ICRQ agrees on', () => {
    const { messageName, findings, agreement } = read(ICRQ)
    expect(messageName).toBe('ICRQ')
    expect(findings).toEqual([])
    expect(agreement).toEqual({
      localSessionId: 0x0a0b0c0d,
      remoteSessionId: 0,
      cookie: fromHex('0102030405060708'),
      remoteEndId: 'circuit-17',
      pseudowireType: 5,
      sublayer: 1,
      dataSequencing: 2,
      circuitStatus: ['active', 'new'],
      isComplete: true,
    })
  })

  test('reads what Cisco said before there were attributes of the IETF, and prefers those where both stand', () => {
    const old = v3Message(V3_MESSAGE.icrq, [
      avp(3, be32(7), { vendor: 9 }),
      avp(4, be32(0), { vendor: 9 }),
      avp(5, fromHex('a1a2a3a4'), { vendor: 9 }),
      avp(7, be16(6), { vendor: 9 }),
      avp(8, be16(1), { vendor: 9 }),
    ])
    expect(read(old).agreement).toEqual({
      localSessionId: 7,
      remoteSessionId: 0,
      cookie: fromHex('a1a2a3a4'),
      pseudowireType: 6,
      circuitStatus: ['active'],
      isComplete: true,
    })
    const both = v3Message(V3_MESSAGE.icrq, [avp(3, be32(7), { vendor: 9 }), avp(63, be32(8))])
    expect(read(both).agreement.localSessionId).toBe(8)
  })

  test('says the codes in words', () => {
    const described = read(
      v3Message(V3_MESSAGE.sccrq, [avp(61, be32(1)), avp(62, fromHex('0005 0004 00ff')), avp(60, be32(9))]),
    )
    expect(described.avps[2]).toMatchObject({
      name: 'pseudowireCapabilities',
      value: [5, 4, 255],
      meaning: 'Ethernet, Ethernet VLAN, unassigned',
    })
    expect(read(ICRQ).avps.find(({ type }) => type === 69)?.meaning).toBe('default')
  })

  test('is not complete when what it says of the layout is hidden, cut or damaged', () => {
    const hidden = v3Message(V3_MESSAGE.icrq, [avp(63, be32(1)), avp(65, fromHex('010203040506'), { hidden: true })])
    expect(read(hidden).agreement).toEqual({ localSessionId: 1, isComplete: false })
    const other = v3Message(V3_MESSAGE.icrq, [avp(66, fromHex('010203040506'), { hidden: true })])
    expect(read(other).agreement.isComplete).toBe(true)
    const ofCisco = (type: number) =>
      read(v3Message(V3_MESSAGE.icrq, [avp(type, fromHex('010203040506'), { vendor: 9, hidden: true })])).agreement
    expect(ofCisco(5).isComplete).toBe(false)
    expect(ofCisco(8).isComplete).toBe(true)
    expect(read(v3Message(V3_MESSAGE.icrq, [fromHex('8003')])).agreement.isComplete).toBe(false)
    const wanted = { cookie: fromHex('01020304'), sublayer: 1, pseudowireType: 5, isKnown: true }
    enterAgreement(wanted, V3_MESSAGE.icrp, { isComplete: false })
    expect(wanted.isKnown).toBe(false)
  })

  test('an empty cookie is an agreement on none', () => {
    expect(read(v3Message(V3_MESSAGE.icrp, [avp(65, new Uint8Array(0))])).agreement.cookie).toEqual(new Uint8Array(0))
  })

  test('what stands before the first flaw is kept, for every truncation of the AVPs', () => {
    const whole = ICRQ.subarray(12)
    for (let length = 0; length < whole.length; length++) {
      const described = read(v3Control([whole.subarray(0, length)]))
      if (described.flaw === null) expect(described.avps.length).toBeLessThan(10)
      else expect(described.flaw).toMatch(/^l2tp\.avp_(truncated|length)$/)
    }
  })
})

describe('enterAgreement', () => {
  test('in the messages that set up a session, what is absent is not wanted', () => {
    const wanted = { cookie: fromHex('01020304'), sublayer: 1, pseudowireType: 5, isKnown: true }
    enterAgreement(wanted, V3_MESSAGE.icrp, { isComplete: true })
    expect(wanted).toEqual({ cookie: new Uint8Array(0), sublayer: 0, pseudowireType: 5, isKnown: true })
  })

  test('in later messages it stays as it was', () => {
    const wanted = { cookie: fromHex('01020304'), sublayer: 0, pseudowireType: 5, isKnown: true }
    enterAgreement(wanted, V3_MESSAGE.iccn, { sublayer: 1, isComplete: true })
    expect(wanted).toEqual({ cookie: fromHex('01020304'), sublayer: 1, pseudowireType: 5, isKnown: true })
    enterAgreement(wanted, V3_MESSAGE.hello, { pseudowireType: 4, isComplete: true })
    expect(wanted).toEqual({ cookie: fromHex('01020304'), sublayer: 1, pseudowireType: 4, isKnown: true })
  })
})
