import { expect, test } from 'vitest'
import type { RaisedEvent } from '../../src/events/catalogue.ts'
import { type Exchange, uidOf } from '../../src/track/ike-exchange.ts'
import { IkeLifecycle } from '../../src/track/ike-lifecycle.ts'
import { IkePeers } from '../../src/track/ike-peers.ts'
import { IkePostures } from '../../src/track/ike-posture.ts'
import { IkeTable } from '../../src/track/ike-table.ts'
import { IkeTeller } from '../../src/track/ike-teller.ts'
import { INITIATOR } from '../../src/track/role.ts'
import { message, viewOf } from '../support/ike.ts'
import { pairNumber, SA, SECOND, START_US } from '../support/ike-tap.ts'
import { arrival } from './ike-support.ts'

/** SAs of version 2 that have begun, to be led on by hand. */
class Lives {
  readonly events: RaisedEvent[] = []
  readonly endings: string[] = []
  readonly table: IkeTable
  readonly life: IkeLifecycle
  readonly #teller: IkeTeller

  constructor() {
    const emit = (event: RaisedEvent) => {
      if (event.name !== 'ike.posture.observed') this.events.push(event)
    }
    const peers = new IkePeers()
    peers.onEnded((_uid, _timeUs, ending) => this.endings.push(ending))
    this.table = new IkeTable(emit, 16)
    this.#teller = new IkeTeller(emit, 100)
    const timeouts = { setupTimeoutUs: 30 * SECOND, ikeIdleUs: 3600 * SECOND }
    this.life = new IkeLifecycle(timeouts, this.table, peers, this.#teller, new IkePostures(emit, 16))
    for (const _ of this.life.expire(START_US));
  }

  begin(number: number, timeUs = START_US): Exchange {
    const bytes = message({ initiator: pairNumber(number).initiator, version: 0x20, exchange: 34, flags: 8 }, [
      [33, SA],
    ])
    const exchange = this.table.open(arrival(bytes), viewOf(bytes), INITIATOR, 'opening')
    if (exchange === null) throw new Error('no room')
    Object.assign(exchange, { startUs: timeUs, lastUs: timeUs, messages: 1 })
    exchange.uid = uidOf(exchange)
    this.#teller.started(exchange, timeUs)
    this.life.schedule(exchange)
    return exchange
  }

  at(seconds: number): this {
    for (const _ of this.life.expire(START_US + seconds * SECOND));
    return this
  }

  get told() {
    return this.events.map(({ name }) => name.replace('ike.exchange.', ''))
  }

  get last() {
    return this.events.at(-1)?.fields
  }
}

test('a set-up without an answer is given up, kept for repetitions, and forgotten', () => {
  const lives = new Lives()
  const exchange = lives.begin(1)
  lives.at(29)
  expect(lives.told).toEqual(['started'])
  lives.at(31)
  expect(lives.told).toEqual(['started', 'failed'])
  expect(lives.last).toMatchObject({ 'ike.closed_by': 'silence', 'event.outcome': 'failure' })
  expect([exchange.state, lives.table.exchanges.size]).toEqual(['failed', 1])
  expect(lives.at(70).table.exchanges.size).toBe(0)
  expect(lives.endings).toEqual(['failed'])
})

test.each([
  [80, 'failed', true],
  [220, 'established', false],
] as const)(
  'an SA whose last IKE_AUTH response had %i bytes is told as %s when no further one comes',
  (authLength, outcome, isInferred) => {
    const lives = new Lives()
    const exchange = lives.begin(1)
    Object.assign(exchange, { state: 'answered', authRounds: 1, authLength })
    lives.life.schedule(exchange)
    lives.at(4)
    expect(lives.told).toEqual(['started', outcome])
    expect(exchange.isInferred).toBe(isInferred)
  },
)

test('an SA that another one of the same ends follows is known by it, and replaced once it is silent', () => {
  const lives = new Lives()
  const before = lives.begin(1)
  lives.life.establish(before, START_US)
  lives.at(100)
  const after = lives.begin(2, START_US + 100 * SECOND)
  lives.life.establish(after, after.lastUs)
  expect(before.successor).toEqual({ uid: after.uid, relation: 'reauthentication' })
  expect(after).toMatchObject({ predecessor: { uid: before.uid, relation: 'reauthentication' }, generation: 2 })
  lives.at(610)
  expect(lives.last).toMatchObject({ 'ike.uid': before.uid, 'ike.end': 'replaced', 'ike.closed_by': 'silence' })
})

test('the end of the capture ends everything, and leaves nothing', () => {
  const lives = new Lives()
  lives.life.establish(lives.begin(1), START_US)
  lives.begin(2)
  lives.life.finish(START_US + SECOND)
  expect(lives.told).toEqual(['started', 'established', 'started', 'closed', 'failed'])
  expect(lives.last).toMatchObject({ 'ike.closed_by': 'capture_end', 'event.outcome': 'unknown' })
  expect(lives.table.exchanges.size).toBe(0)
})
