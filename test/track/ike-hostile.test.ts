/** Everything that anybody may send to a sensor that follows IKE, for long: nothing grows, nothing throws, little is told. */
import { describe, expect, test } from 'vitest'
import type { RaisedEvent } from '../../src/events/catalogue.ts'
import { CATALOGUE } from '../../src/events/catalogue.ts'
import { be16, concat } from '../support/craft.ts'
import { encrypted, message, notify1, notify2, type Payload, sa1, sa2, transform1 } from '../support/ike.ts'
import { CLIENT, init2, KE, NONCE, pairNumber, SERVER, Tap } from '../support/ike-tap.ts'
import { Random } from '../support/random.ts'

const SUITE = init2([
  [1, 20, 256],
  [2, 7],
  [4, 31],
])
const HOSTS = [CLIENT, SERVER, '203.0.113.7', '2001:db8::7']

class Attacker {
  readonly #random: Random

  constructor(seed: number) {
    this.#random = new Random(seed)
  }

  /** A message of one of a few SAs, sound or changed in one place. */
  next(): { bytes: Uint8Array; source: string; target: string; ports: readonly [number, number] } {
    const random = this.#random
    const bytes = this.#message()
    if (random.below(4) === 0) bytes[random.below(bytes.length)] = random.below(256)
    const isNatt = random.below(5) === 0
    const marked = isNatt ? concat(new Uint8Array(4), bytes) : bytes
    const cut = random.below(20) === 0 ? marked.subarray(0, random.below(marked.length)) : marked
    const [a, b] = random.below(10) === 0 ? [random.below(2), 2] : random.below(2) === 0 ? [0, 1] : [1, 0]
    const port = isNatt ? 4500 : 500
    return {
      bytes: cut,
      source: HOSTS[a],
      target: HOSTS[b],
      ports: random.below(8) === 0 ? [10_000 + random.below(4), port] : [port, port],
    }
  }

  #message(): Uint8Array {
    const random = this.#random
    const pair = pairNumber(random.below(6))
    const isFirst = random.below(4) === 0
    const fields = isFirst ? { initiator: pair.initiator } : pair
    const messageId = random.below(8) === 0 ? random.below(0xffff_ffff) : random.below(6)
    if (random.below(2) === 0) {
      const exchange = [2, 4, 5, 6, 32, 33, 250][random.below(7)]
      if (random.below(2) === 0)
        return encrypted({ ...fields, exchange, messageId }, 16 * (1 + random.below(20)), random.below(256))
      return message({ ...fields, exchange, messageId: random.below(3) === 0 ? messageId : 0 }, this.#payloads1())
    }
    const exchange = 34 + random.below(5)
    const flags = [8, 0x20, 0, 0x28][random.below(4)]
    const payloads = exchange === 34 ? this.#payloads2() : this.#sealed()
    return message({ ...fields, version: 0x20, exchange, flags, messageId: exchange === 34 ? 0 : messageId }, payloads)
  }

  #payloads1(): Payload[] {
    const random = this.#random
    const some: Payload[] = [
      [
        1,
        sa1([
          transform1([
            [1, 5, 7][random.below(3)],
            1 + random.below(4),
            1 + random.below(3),
            [1, 2, 14][random.below(3)],
          ]),
        ]),
      ],
      [4, KE],
      [10, NONCE],
      [11, notify1([14, 24_578, 36_136][random.below(3)])],
      [12, concat(new Uint8Array(8))],
      [
        132,
        concat(
          be16(random.below(3)),
          Uint8Array.of(random.below(70), random.below(2)),
          new Uint8Array(random.below(300)),
        ),
      ],
      [20, new Uint8Array(20)],
    ]
    return some.filter(() => random.below(3) === 0)
  }

  #payloads2(): Payload[] {
    const random = this.#random
    const others: Payload[] = [
      [41, notify2([14, 17, 16_390, 16_407, 16_430][random.below(5)], new Uint8Array(random.below(40)))],
      [
        33,
        sa2([
          [1, 2],
          [2, 1],
          [4, 1],
        ]),
      ],
    ]
    return random.below(2) === 0 ? SUITE : [...SUITE, ...others].filter(() => random.below(2) === 0)
  }

  #sealed(): Payload[] {
    const random = this.#random
    const octets = new Uint8Array(random.below(400)).fill(random.below(256))
    if (random.below(3) > 0) return [[46, octets]]
    return [[53, concat(be16(random.below(6)), be16([1, 2, 3, 65_535][random.below(4)]), octets)]]
  }
}

function check({ name, fields }: RaisedEvent): void {
  const { always, may } = CATALOGUE[name]
  const carried = fields as Record<string, unknown>
  for (const field of always) expect(carried[field], `${name} ${field}`).toBeDefined()
  for (const field of Object.keys(carried)) expect([...always, ...may] as string[], `${name} ${field}`).toContain(field)
}

describe.each([1, 2, 3])('an attacker with seed %i', (seed) => {
  test('is followed within bounds, and everything that is told is whole', () => {
    const attacker = new Attacker(seed)
    const tap = new Tap({ ikeExchangesMax: 24, ikePosturesMax: 8, requestsPerMinute: 50 })
    const ended = new Map<string, number>()
    tap.tracker.lookup.onEnded((uid) => ended.set(uid, (ended.get(uid) ?? 0) + 1))
    for (let i = 0; i < 4000; i++) {
      const { bytes, source, target, ports } = attacker.next()
      tap.send(bytes, source, target, ports[0], ports[1])
      tap.nowUs += 20_000
      if (i % 50 === 0) tap.wait(1)
      if (i % 997 === 0) tap.wait(40)
      expect(tap.tracker.size).toBeLessThanOrEqual(24)
    }
    tap.tracker.finish(tap.nowUs)
    expect(ended.size).toBeGreaterThan(0)
    expect(tap.tracker.size).toBe(0)
    for (const event of [...tap.events, ...tap.postures]) check(event)
    // 4,000 messages in some five minutes.
    expect(tap.events.length).toBeLessThan(2000)
    expect(tap.postures.length).toBeLessThan(500)
    const ids = tap.events.map((event) =>
      JSON.stringify([event.name, event.timeUs, event.message, event.fields['borescope.lineage' as never]]),
    )
    expect(new Set(ids).size).toBe(ids.length)
  })
})
