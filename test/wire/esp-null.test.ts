import { describe, expect, test } from 'vitest'
import { EspView } from '../../src/wire/esp.ts'
import { IpView } from '../../src/wire/ip.ts'
import { NULL_LAYOUTS, NULL_VERDICT, NullRecogniser, NullState } from '../../src/wire/esp-null.ts'
import { hello, icmp, ipv4, l2tpData, lcp, sccrq, tcp, udp } from '../support/craft.ts'
import { material, seal } from '../support/esp.ts'
import { Random } from '../support/random.ts'

const recogniser = new NullRecogniser({ packetsMin: 2 })
const ip = new IpView()
const OUTSIDE = ipv4(new Uint8Array(8))
ip.decode(OUTSIDE, 0, OUTSIDE.length)

function look(state: NullState, packet: Uint8Array, wireEnd = packet.length): boolean {
  const esp = new EspView()
  expect(esp.decode(packet, 0, packet.length, wireEnd)).toBeNull()
  return recogniser.look(state, esp, ip)
}

function content(): string {
  const { bytes, contentStart, contentEnd } = recogniser
  return Buffer.from(bytes.subarray(contentStart, contentEnd)).toString('hex')
}

const SHA1 = material('NULL', 'HMAC-SHA1-96')

describe('NullRecogniser', () => {
  test('reads the message that opens a tunnel before anything else was seen, and is sure with the second packet', () => {
    const state = new NullState()
    const opening = udp(sccrq())
    expect(look(state, seal(opening, SHA1))).toBe(true)
    expect(content()).toBe(Buffer.from(opening).toString('hex'))
    expect(recogniser.nextHeader).toBe(17)
    expect(state.verdict).toBe(NULL_VERDICT.UNDECIDED)
    expect(look(state, seal(udp(l2tpData(lcp(1, 1))), SHA1))).toBe(true)
    expect(state.verdict).toBe(NULL_VERDICT.NOT_ENCRYPTED)
    expect(state.confidence).toBeCloseTo(1, 12)
  })

  test('finds the check value of every length, and the initialisation vector of AES-GMAC', () => {
    const suites = [
      material('NULL', 'HMAC-SHA1-96'),
      material('NULL', 'HMAC-SHA2-256-128'),
      material('AES-GMAC'),
      material('NULL', 'HMAC-SHA2-384-192'),
      material('NULL', 'HMAC-SHA2-512-256'),
      material('NULL', 'NULL'),
    ]
    for (const [index, keys] of suites.entries()) {
      const state = new NullState()
      for (let sequence = 1; sequence <= 2; sequence++) look(state, seal(udp(hello()), keys, { sequence }))
      expect(state).toMatchObject({ verdict: NULL_VERDICT.NOT_ENCRYPTED, layout: index })
      expect(look(state, seal(tcp(new Uint8Array(3)), keys, { sequence: 3, nextHeader: 6 }))).toBe(true)
      expect(content()).toBe(Buffer.from(tcp(new Uint8Array(3))).toString('hex'))
    }
    expect(suites.length).toBe(NULL_LAYOUTS.length)
  })

  test('weak signs need more packets, and are not read before', () => {
    const state = new NullState()
    let packets = 0
    do packets++
    while (!look(state, seal(icmp(new Uint8Array(4), { sequence: packets }), SHA1, { nextHeader: 1 })) && packets < 20)
    expect(packets).toBeGreaterThan(1)
    expect(packets).toBeLessThan(6)
    expect(state.verdict).toBe(NULL_VERDICT.NOT_ENCRYPTED)
  })

  test('a packet of tunnel mode is enough to be read', () => {
    const state = new NullState()
    expect(look(state, seal(ipv4(tcp(new Uint8Array(1))), SHA1, { nextHeader: 4 }))).toBe(true)
    expect(look(state, seal(new Uint8Array(64), SHA1, { nextHeader: 59 }))).toBe(true)
    expect(recogniser.nextHeader).toBe(59)
  })

  test('gives ciphertext up after a few packets, and never looks at it again', () => {
    const keys = material('AES-CBC', 'HMAC-SHA1-96')
    const state = new NullState()
    for (let sequence = 1; sequence <= 20; sequence++)
      expect(look(state, seal(udp(sccrq()), keys, { sequence }))).toBe(false)
    expect(state).toMatchObject({ verdict: NULL_VERDICT.ENCRYPTED, missed: 8, confidence: 0 })
    expect(look(state, seal(udp(sccrq()), SHA1))).toBe(false)
  })

  test('takes no random octets for anything', () => {
    const random = new Random(5879)
    for (let association = 0; association < 2000; association++) {
      const state = new NullState()
      for (let packet = 0; packet < 12; packet++) {
        const bytes = random.bytes(12 + random.below(24) * 4)
        bytes[0] |= 1
        expect(look(state, bytes)).toBe(false)
      }
      expect(state.verdict).not.toBe(NULL_VERDICT.NOT_ENCRYPTED)
    }
  })

  test('a damaged packet of a known association is not read, and changes nothing', () => {
    const state = new NullState()
    for (let sequence = 1; sequence <= 2; sequence++) look(state, seal(udp(hello()), SHA1, { sequence }))
    const broken = seal(udp(hello()), SHA1, { sequence: 3, nextHeader: 200 })
    expect(look(state, broken)).toBe(false)
    expect(state.verdict).toBe(NULL_VERDICT.NOT_ENCRYPTED)
  })

  test('a cut packet says nothing', () => {
    const state = new NullState()
    const packet = seal(udp(sccrq()), SHA1)
    for (let length = 8; length < packet.length; length++)
      expect(look(state, packet.subarray(0, length), packet.length)).toBe(false)
    expect(state).toMatchObject({ layout: -1, missed: 0 })
  })

  test('a memory that is used again remembers nothing', () => {
    const state = new NullState()
    for (let sequence = 1; sequence <= 2; sequence++) look(state, seal(udp(hello()), SHA1, { sequence }))
    state.reset()
    expect(state).toEqual(new NullState())
    expect(look(state, seal(udp(hello()), material('AES-CBC', 'HMAC-SHA1-96')))).toBe(false)
    expect(state.missed).toBe(1)
    state.reset()
    expect(state).toEqual(new NullState())
  })
})
