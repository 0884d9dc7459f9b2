import { expect, test } from 'vitest'
import type { RaisedEvent } from '../../src/events/catalogue.ts'
import type { Exchange, ExchangeState } from '../../src/track/ike-exchange.ts'
import { IkeTable } from '../../src/track/ike-table.ts'
import { INITIATOR } from '../../src/track/role.ts'
import { message, viewOf } from '../support/ike.ts'
import { CLIENT, pairNumber, SA, SERVER } from '../support/ike-tap.ts'
import { arrival } from './ike-support.ts'

/** A table, into which first messages of SAs of each number and version go. */
class Opening {
  readonly events: RaisedEvent[] = []
  readonly table: IkeTable

  constructor(capacity: number) {
    this.table = new IkeTable((event) => void this.events.push(event), capacity)
  }

  open(number: number, state: ExchangeState = 'opening', version = 0x10): Exchange | null {
    const bytes = first(number, version)
    return this.table.open(arrival(bytes), viewOf(bytes), INITIATOR, state)
  }

  find(number: number, version = 0x10, source = CLIENT, target = SERVER, port = 500): Exchange | null {
    const bytes = first(number, version)
    return this.table.find(arrival(bytes, source, target, port).frame, viewOf(bytes))
  }
}

function first(number: number, version: number): Uint8Array {
  return message({ initiator: pairNumber(number).initiator, version }, [[1, SA]])
}

test('an SA is found by its cookie and addresses, in both directions and whatever the ports', () => {
  const opening = new Opening(4)
  const exchange = opening.open(1)
  expect(exchange).toMatchObject({ state: 'opening', version: 1, initiatorSpi: pairNumber(1).initiator })
  expect(opening.find(1)).toBe(exchange)
  expect(opening.find(1, 0x10, SERVER, CLIENT, 4500)).toBe(exchange)
  expect(opening.find(2)).toBeNull()
  expect(opening.find(1, 0x20)).toBeNull()
  expect(opening.find(1, 0x10, CLIENT, '198.51.100.2')).toBeNull()
})

test('one that is forgotten is found no more, but not so a newer one under the same key', () => {
  const opening = new Opening(4)
  const [older, newer] = [opening.open(1), opening.open(1, 'opening', 0x20)]
  if (older === null) throw new Error('no room')
  opening.table.forget(older)
  expect(opening.find(1)).toBeNull()
  expect(opening.find(1, 0x20)).toBe(newer)
  if (newer !== null) opening.table.forget(newer)
  expect(opening.find(1, 0x20)).toBeNull()
  expect(opening.table.exchanges.size).toBe(0)
})

test('a full table says so once', () => {
  const opening = new Opening(2)
  for (const number of [1, 2, 3, 4]) opening.open(number)
  expect(opening.table.exchanges.size).toBe(2)
  expect(opening.events).toMatchObject([
    { name: 'sensor.table.filled', fields: { 'sensor.table': 'ike_exchanges', 'sensor.capacity': 2 } },
  ])
})

test('one record in eight may be a candidate, until it is adopted or forgotten', () => {
  const opening = new Opening(16)
  const [first, second] = [opening.open(1, 'candidate'), opening.open(2, 'candidate')]
  expect(opening.open(3, 'candidate')).toBeNull()
  expect(opening.events).toEqual([])
  if (first === null || second === null) throw new Error('no room')
  opening.table.adopt(first)
  first.state = 'established'
  expect(first.isAdopted).toBe(true)
  expect(opening.open(3, 'candidate')).not.toBeNull()
  expect(opening.open(4, 'candidate')).toBeNull()
  opening.table.forget(second)
  opening.table.forget(first)
  expect(opening.open(4, 'candidate')).not.toBeNull()
  expect(opening.open(5, 'candidate')).toBeNull()
})
