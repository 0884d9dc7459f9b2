import { describe, expect, test } from 'vitest'
import type { Carrier } from '../../src/track/carrier.ts'
import { LinksAtHand } from '../../src/track/links-at-hand.ts'
import { PppLink } from '../../src/track/ppp-link.ts'

function carriers(count: number): Carrier[] {
  return Array.from({ length: count }, (_, key) => ({ key, link: null, userName: undefined }) as unknown as Carrier)
}

describe('of more links than are at hand', () => {
  test('the one that was taken up first is packed, and nothing of it is lost', () => {
    const links = new LinksAtHand(2)
    const [first, second, third] = carriers(3)
    links.of(first).noteProtocol(0xc021)
    links.of(second)
    expect(first.link).toBeInstanceOf(PppLink)
    links.of(third)
    expect(first.link).toBeTypeOf('string')
    expect(second.link).toBeInstanceOf(PppLink)
    expect(links.of(first).protocols).toEqual([0xc021])
    expect(second.link).toBeTypeOf('string')
  })

  test('one that holds a secret stays a record', () => {
    const links = new LinksAtHand(1)
    const [first, second] = carriers(2)
    const link = links.of(first)
    link.login(0).challenge = 'feedbeef'
    links.of(second)
    expect(first.link).toBe(link)
    expect(links.of(first)).toBe(link)
  })

  test('a new link of a carrier does not make way for itself', () => {
    const links = new LinksAtHand(1)
    const [carrier] = carriers(1)
    links.of(carrier).noteProtocol(0xc021)
    carrier.link = null
    const link = links.of(carrier)
    expect(link.protocols).toEqual([])
    link.noteProtocol(0x8021)
    expect(links.of(carrier).protocols).toEqual([0x8021])
  })
})
