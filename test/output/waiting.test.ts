import { describe, expect, test } from 'vitest'
import type { EventDocument } from '../../src/events/fields.ts'
import type { Lane } from '../../src/output/lanes.ts'
import { type Item, Waiting } from '../../src/output/waiting.ts'

const ALL = Number.POSITIVE_INFINITY

function item(number: number, lane: Lane, bytes = 10): Item {
  return { document: {} as EventDocument, bytes, lane, number, ticket: null }
}

function numbers(items: readonly Item[]): number[] {
  return items.map(({ number }) => number)
}

describe('Waiting', () => {
  test('gives alerts before events before flows, and in each what came back first', () => {
    const waiting = new Waiting()
    for (const one of [item(4, 'flows'), item(5, 'alerts'), item(6, 'events')]) waiting.push(one)
    waiting.putBack([item(3, 'events'), item(1, 'events'), item(2, 'flows')])

    expect(numbers(waiting.takeBatch(ALL, ALL, null))).toEqual([5, 1, 3, 6, 2, 4])
    expect([waiting.count, waiting.bytes]).toEqual([0, 0])
  })

  test('asks elsewhere between the two, for what the batch still lacks', () => {
    const waiting = new Waiting()
    waiting.putBack([item(1, 'events')])
    waiting.push(item(3, 'events'))
    const asked: unknown[] = []
    const batch = waiting.takeBatch(100, 10, (lane, bytesMax, countMax) => {
      asked.push([lane, bytesMax, countMax])
      return lane === 'events' ? [item(2, 'events')] : []
    })

    expect(numbers(batch)).toEqual([1, 2, 3])
    expect(asked).toEqual([
      ['alerts', 100, 10],
      ['events', 90, 9],
      ['flows', 70, 7],
    ])
  })

  test.each([
    [25, ALL, [1, 2, 3]],
    [ALL, 2, [1, 2]],
  ])(
    'a batch of at most %d octets and %d documents ends with the one that reaches a bound',
    (bytes, count, expected) => {
      const waiting = new Waiting()
      for (let number = 1; number <= 5; number++) waiting.push(item(number, 'events'))

      expect(numbers(waiting.takeBatch(bytes, count, null))).toEqual(expected)
      expect([waiting.count, waiting.bytes]).toEqual([5 - expected.length, 50 - 10 * expected.length])
    },
  )

  test('what is put off counts, and is in no batch until it returns', () => {
    const waiting = new Waiting()
    waiting.postpone([item(1, 'alerts')])
    waiting.push(item(2, 'alerts'))

    expect([waiting.count, waiting.bytes, waiting.hasPostponed, waiting.hasReturned]).toEqual([2, 20, true, false])
    expect(numbers(waiting.takeBatch(ALL, ALL, null))).toEqual([2])
    waiting.returnPostponed()
    expect([waiting.count, waiting.hasPostponed, waiting.hasReturned]).toEqual([1, false, true])
    expect(numbers(waiting.takeBatch(ALL, ALL, null))).toEqual([1])
  })

  test('the last to go is the oldest of the lowest class', () => {
    const waiting = new Waiting()
    for (const one of [item(1, 'alerts'), item(2, 'flows'), item(3, 'flows'), item(4, 'events')]) waiting.push(one)
    const gone = Array.from({ length: 5 }, () => waiting.withdrawLast()?.number)

    expect(gone).toEqual([2, 3, 4, 1, undefined])
    expect([waiting.count, waiting.bytes]).toEqual([0, 0])
  })
})
