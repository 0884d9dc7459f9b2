import { describe, expect, test } from 'vitest'
import { mppeAgreement, MppeLink, type MppeLinkVerdict } from '../../src/track/mppe-link.ts'
import type { LinkKeys } from '../../src/track/ppp-proof.ts'
import { MppeView } from '../../src/wire/mppe.ts'
import { concat, fromHex, ipv4, tcp, utf8 } from '../support/craft.ts'
import { MppeSender } from '../support/mppe.ts'

const TO_SERVER = fromHex('000102030405060708090a0b0c0d0e0f')
const TO_CLIENT = fromHex('101112131415161718191a1b1c1d1e1f')
const KEYS: LinkKeys = { startKey: (isToServer) => (isToServer ? TO_SERVER : TO_CLIENT) }
const OTHER_KEYS: LinkKeys = { startKey: () => fromHex('ffffffffffffffffffffffffffffffff') }
const FRAME = concat(fromHex('0021'), ipv4(tcp(utf8('inside'))))
const target = new Uint8Array(65_536)
const view = new MppeView()

function open(link: MppeLink, sender: 0 | 1, packet: Uint8Array, keys: LinkKeys | null = KEYS): MppeLinkVerdict {
  view.decode(packet, 0, packet.length)
  return link.open(view, sender, sender === 0, keys, packet.length, target)
}

function agreed(): MppeLink {
  const link = new MppeLink()
  link.agree(0, mppeAgreement(0x01000040))
  link.agree(1, mppeAgreement(0x01000040))
  return link
}

describe('mppeAgreement', () => {
  test.each([
    [0x01000040, { strength: 128, isStateless: true }],
    [0x00000080, { strength: 56, isStateless: false }],
    [0x00000020, { strength: 40, isStateless: false }],
    [0x010000e0, { strength: 128, isStateless: true }],
    [0x00000001, { strength: null, isStateless: false }],
    [0, null],
  ])('reads %i', (bits, agreement) => {
    expect(mppeAgreement(bits)).toEqual(agreement)
  })
})

describe('a link', () => {
  test('opens each direction with its own key', () => {
    const link = agreed()
    for (const [sender, startKey] of [
      [0, TO_SERVER],
      [1, TO_CLIENT],
    ] as const) {
      const peer = new MppeSender({ startKey })
      expect(open(link, sender, peer.send(FRAME))).toBe('opened')
      expect(target.slice(0, link.length)).toEqual(FRAME)
    }
    expect([link.opened, link.unopened, link.isProven]).toEqual([2, 0, true])
  })

  test('counts what is missing and what comes late, with a key or without', () => {
    for (const keys of [KEYS, null]) {
      const link = agreed()
      const peer = new MppeSender({ startKey: TO_SERVER })
      const packets = Array.from({ length: 8 }, () => peer.send(FRAME))
      for (const i of [0, 1, 4, 3, 4, 7]) open(link, 0, packets[i], keys)
      expect([link.lost, link.reordered]).toEqual([3, 2])
    }
  })

  test('is not opened without an agreement, nor without a key', () => {
    const link = new MppeLink()
    const peer = new MppeSender({ startKey: TO_SERVER })
    expect(open(link, 0, peer.send(FRAME))).toBe('not_agreed')
    link.agree(0, mppeAgreement(0x01000040))
    expect(open(link, 0, peer.send(FRAME), null)).toBe('no_key')
    expect(link.unopened).toBe(0)
  })

  test('says once that the key is another one, and tries no more', () => {
    const link = agreed()
    const peer = new MppeSender({ startKey: TO_SERVER })
    const verdicts = Array.from({ length: 30 }, () => open(link, 0, peer.send(FRAME), OTHER_KEYS))
    expect(verdicts.filter((verdict) => verdict === 'wrong_key')).toHaveLength(1)
    expect(verdicts.at(-1)).toBe('no_key')
    expect(link.unopened).toBe(16)
  })

  test('begins anew only when the other end asked again', () => {
    const link = agreed()
    const first = new MppeSender({ startKey: TO_SERVER })
    open(link, 0, first.send(FRAME))
    // The acknowledgement again, because it got lost.
    expect(link.agree(0, mppeAgreement(0x01000040))).toBe(false)
    expect(open(link, 0, first.send(FRAME))).toBe('opened')
    link.ask(1)
    expect(link.agree(0, mppeAgreement(0x01000040))).toBe(true)
    expect(open(link, 0, new MppeSender({ startKey: TO_SERVER }).send(FRAME))).toBe('opened')
    link.end()
    expect(open(link, 0, first.send(FRAME))).toBe('not_agreed')
  })

  test('reads what is only compressed', () => {
    const link = new MppeLink()
    link.agree(0, mppeAgreement(1))
    expect(open(link, 0, concat(fromHex('0000'), FRAME), null)).toBe('opened')
  })
})
