import { describe, expect, test } from 'vitest'
import { MppeReceiver } from '../../src/wire/mppe-receiver.ts'
import { type MppeStrength, MppeView } from '../../src/wire/mppe.ts'
import { be16, concat, fromHex, ipv4, ipv6, tcp, udp, utf8 } from '../support/craft.ts'
import { MppeSender, type MppeSenderFields } from '../support/mppe.ts'
import { Random } from '../support/random.ts'

const START_KEY = fromHex('8b7cdc149b993a1ba118cb153f56dccb')
const OTHER_KEY = fromHex('000102030405060708090a0b0c0d0e0f')
const target = new Uint8Array(65_536)
const view = new MppeView()

function packet(words: string, protocol = fromHex('0021')): Uint8Array {
  return concat(protocol, ipv4(tcp(utf8(words))))
}

/** Both ends of one direction. */
class Link {
  readonly sender: MppeSender
  readonly receiver: MppeReceiver

  constructor(fields: Partial<MppeSenderFields> = {}, key: Uint8Array | null = START_KEY) {
    const { strength = 128, isStateless = true } = fields
    this.sender = new MppeSender({ startKey: START_KEY, ...fields })
    this.receiver = new MppeReceiver({ startKey: key, strength, isStateless })
  }

  /** The frame that comes out, or the verdict. */
  receive(sealed: Uint8Array, capturedLength = sealed.length): Uint8Array | string {
    const buffer = concat(
      new Uint8Array(5).fill(0xaa),
      sealed.subarray(0, capturedLength),
      new Uint8Array(7).fill(0x55),
    )
    expect(view.decode(buffer, 5, 5 + capturedLength)).toBeNull()
    const verdict = this.receiver.open(view, 5 + sealed.length, target)
    return verdict === 'opened' ? target.slice(0, this.receiver.length) : verdict
  }

  /** Sent and lost. */
  lose(packets: number): void {
    for (let i = 0; i < packets; i++) this.sender.send(packet('lost'))
  }

  carry(frame: Uint8Array): Uint8Array | string {
    return this.receive(this.sender.send(frame))
  }
}

const STRENGTHS: readonly MppeStrength[] = [40, 56, 128]

describe.each(STRENGTHS)('with keys of %i bits', (strength) => {
  test.each([true, false])('thousands of packets come out as they went in, stateless: %s', (isStateless) => {
    const link = new Link({ strength, isStateless })
    for (let i = 0; i < 4500; i++) {
      const frame = packet(`number ${i}`)
      expect(link.carry(frame)).toEqual(frame)
    }
    expect(link.receiver.isProven).toBe(true)
  })
})

describe('where every packet has a key', () => {
  test('packets are lost, and the next ones come out', () => {
    const link = new Link()
    for (const lost of [0, 1, 31, 32, 33, 700, 2047]) {
      link.lose(lost)
      expect(link.carry(packet('after'))).toEqual(packet('after'))
    }
  })

  test('packets that others overtook come out, and copies come out again', () => {
    const link = new Link()
    const sealed = Array.from({ length: 64 }, (_, i) => link.sender.send(packet(`number ${i}`)))
    const order = [0, 2, 1, 1, 3, 20, 4, 5, 19, 20, 51]
    for (const i of order) expect(link.receive(sealed[i])).toEqual(packet(`number ${i}`))
    expect(link.receive(sealed[10])).toBe('late')
  })

  test('the first packet may be any of the first', () => {
    const link = new Link()
    link.lose(9)
    expect(link.carry(packet('tenth'))).toEqual(packet('tenth'))
    expect(new Link().receive(fromHex('9fff 0011223344'))).toBe('late')
  })

  test('a forged count does not put the receiver out of step', () => {
    const link = new Link()
    const random = new Random(7)
    for (let i = 0; i < 40; i++) {
      expect(link.carry(packet(`number ${i}`))).toEqual(packet(`number ${i}`))
      for (const count of [i + 1, i + 9, i + 400, i + 2000]) {
        link.receive(concat(be16(0x9000 | (count & 0xfff)), random.bytes(50)))
      }
    }
  })

  test('a wrong key opens nothing, and is not searched for without end', () => {
    const link = new Link({}, OTHER_KEY)
    for (let i = 0; i < 100; i++) expect(link.carry(packet('text'))).toBe('implausible')
    const verdicts = new Set<unknown>()
    for (let i = 0; i < 10; i++) {
      link.lose(1500)
      verdicts.add(link.carry(packet('text')))
    }
    expect(verdicts).toEqual(new Set(['implausible', 'lost_step', 'late']))
    expect(link.receiver.isProven).toBe(false)
  })

  test('a packet that the capture cut comes out as far as it is there', () => {
    const link = new Link()
    const frame = packet('a longer text than is there')
    expect(link.receive(link.sender.send(frame), 30)).toEqual(frame.subarray(0, 28))
    expect(link.receive(link.sender.send(frame), 12)).toEqual(frame.subarray(0, 10))
    expect(link.carry(frame)).toEqual(frame)
  })
})

describe('where a key lasts', () => {
  const STATEFUL = { isStateless: false }

  test('a lost packet makes the rest unreadable until the sender begins afresh', () => {
    for (const isResetAChange of [false, true]) {
      const link = new Link({ ...STATEFUL, isResetAChange })
      for (let i = 0; i < 10; i++) link.carry(packet('before'))
      link.lose(1)
      expect(link.carry(packet('one'))).toBe('lost_step')
      expect(link.carry(packet('two'))).toBe('lost_step')
      link.sender.reset()
      expect(link.carry(packet('three'))).toEqual(packet('three'))
      expect(link.carry(packet('four'))).toEqual(packet('four'))
    }
  })

  test('without a reset the change of the key mends it', () => {
    const link = new Link(STATEFUL)
    link.carry(packet('zero'))
    link.lose(100)
    for (let count = 101; count < 0xff; count++) expect(link.carry(packet('later'))).toBe('lost_step')
    expect(link.carry(packet('flag'))).toEqual(packet('flag'))
    link.lose(600)
    link.sender.reset()
    expect(link.carry(packet('afresh'))).toEqual(packet('afresh'))
  })

  test('several resets that were not seen are found', () => {
    const link = new Link({ ...STATEFUL, isResetAChange: true })
    link.carry(packet('zero'))
    for (let i = 0; i < 3; i++) {
      link.sender.reset()
      link.lose(2)
    }
    link.sender.reset()
    expect(link.carry(packet('found'))).toEqual(packet('found'))
  })

  test('copies, old packets and forged ones change nothing', () => {
    const link = new Link(STATEFUL)
    const first = link.sender.send(packet('first'))
    const second = link.sender.send(packet('second'))
    expect(link.receive(first)).toEqual(packet('first'))
    expect(link.receive(first)).toBe('repeated')
    expect(link.receive(fromHex('1001 00112233445566778899'))).toBe('implausible')
    expect(link.receive(fromHex('9001 00112233445566778899'))).toBe('implausible')
    expect(link.receive(fromHex('90ff 00112233445566778899'))).toBe('implausible')
    expect(link.receive(second)).toEqual(packet('second'))
    expect(link.receive(first)).toBe('late')
    expect(link.carry(packet('third'))).toEqual(packet('third'))
  })

  test('the stream goes on past the octets that the capture left out', () => {
    const link = new Link(STATEFUL)
    const frame = packet('a longer text than is there')
    expect(link.receive(link.sender.send(frame), 30)).toEqual(frame.subarray(0, 28))
    expect(link.carry(frame)).toEqual(frame)
  })
})

describe('what comes out', () => {
  test('is a frame of a network protocol', () => {
    const link = new Link()
    const version6 = concat(fromHex('0057'), ipv6(udp(utf8('six'))))
    expect(link.carry(version6)).toEqual(version6)
    const compressed = concat(fromHex('21'), ipv4(udp(utf8('one octet of protocol'))))
    expect(link.carry(compressed)).toEqual(compressed)
    const bridged = concat(fromHex('0031 0001'), utf8('ethernet'))
    expect(link.carry(bridged)).toEqual(bridged)
    expect(link.carry(fromHex('2d 11223344'))).toEqual(fromHex('2d 11223344'))
  })

  test('is never one of the protocols that stay in the clear, nor IP that does not add up', () => {
    const link = new Link()
    const broken = packet('text')
    broken[12] ^= 1
    for (const frame of [fromHex('c021 01010004'), fromHex('80fd 01010004'), fromHex('00'), fromHex('2f 45'), broken])
      expect(link.carry(frame)).toBe('implausible')
    const short = packet('text')
    expect(link.carry(short.subarray(0, short.length - 1))).toBe('implausible')
  })

  test('without a key is nothing', () => {
    expect(new Link({}, null).carry(packet('text'))).toBe('no_key')
  })

  test('is itself where nothing was encrypted, and leaves the keys as they are', () => {
    const link = new Link()
    expect(link.receive(concat(fromHex('0000'), packet('clear')))).toEqual(packet('clear'))
    expect(link.receive(concat(fromHex('0123'), packet('clear')))).toEqual(packet('clear'))
    expect(link.carry(packet('first'))).toEqual(packet('first'))
    const keyless = new Link({}, null)
    expect(keyless.receive(concat(fromHex('0000'), packet('clear')))).toEqual(packet('clear'))
    expect(keyless.receive(concat(fromHex('0000'), packet('clear')))).toBe('repeated')
    expect(keyless.receive(concat(fromHex('0fff'), packet('clear')))).toBe('late')
  })
})

describe('compressed besides', () => {
  test.each([true, false])('packets come out as they went in, stateless: %s', (isStateless) => {
    const link = new Link({ isStateless, isMppc: true })
    for (let i = 0; i < 300; i++) {
      const frame = packet(`number ${i}, `.repeat(20))
      expect(link.carry(frame)).toEqual(frame)
    }
  })

  test('a lost packet is missing in the history until the sender begins afresh', () => {
    const link = new Link({ isStateless: false, isMppc: true })
    link.carry(packet('zero zero zero'))
    link.lose(1)
    expect(link.carry(packet('two'))).toBe('lost_step')
    link.sender.reset()
    expect(link.carry(packet('three three three'))).toEqual(packet('three three three'))
  })

  test('a forged packet leaves the history as it was', () => {
    const link = new Link({ isStateless: false, isMppc: true })
    link.carry(packet('zero zero zero'))
    expect(link.receive(fromHex('f001 00112233445566778899'))).toBe('implausible')
    expect(link.receive(fromHex('3001 00112233445566778899'))).toBe('implausible')
    expect(link.carry(packet('zero zero one'))).toEqual(packet('zero zero one'))
  })

  test('a cut packet comes out as far as it goes, and breaks the history', () => {
    const link = new Link({ isStateless: false, isMppc: true })
    const frame = packet('a text that goes on and on and on')
    const given = link.receive(link.sender.send(frame), 50)
    expect(typeof given).toBe('object')
    expect(frame.subarray(0, given.length)).toEqual(given)
    expect(link.carry(frame)).toBe('lost_step')
  })
})

test('every truncation, and any octets at all, give a verdict', () => {
  for (const isStateless of [true, false]) {
    for (const isMppc of [true, false]) {
      const link = new Link({ isStateless, isMppc })
      const random = new Random(1)
      const sealed = link.sender.send(packet('some text, some text'))
      for (let length = 2; length < sealed.length; length++) {
        expect(typeof link.receive(sealed.subarray(0, length))).toMatch(/string|object/)
      }
      for (let i = 0; i < 3000; i++) {
        expect(typeof link.receive(random.bytes(2 + random.below(60)))).toMatch(/string|object/)
      }
    }
  }
})
