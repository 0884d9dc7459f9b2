import fc from 'fast-check'
import { expect, test } from 'vitest'
import { Agenda } from '../../src/output/agenda.ts'

function drain<T>(agenda: Agenda<T>): T[] {
  const things: T[] = []
  while (agenda.nextUs !== Number.POSITIVE_INFINITY) things.push(agenda.take() as T)
  expect(agenda.take()).toBeUndefined()
  return things
}

test('the earliest comes first, of equals the one that was put in first; what was taken out does not come', () => {
  fc.assert(
    fc.property(fc.array(fc.record({ due: fc.integer({ min: 0, max: 20 }), removed: fc.boolean() })), (shapes) => {
      const agenda = new Agenda<number>()
      const entries = shapes.map(({ due }, index) => agenda.add(due, index))
      for (const [index, { removed }] of shapes.entries()) if (removed) agenda.remove(entries[index])
      const left = shapes.map(({ due, removed }, index) => ({ due, removed, index })).filter(({ removed }) => !removed)
      left.sort((a, b) => a.due - b.due || a.index - b.index)
      expect(agenda.nextUs).toBe(left[0]?.due ?? Number.POSITIVE_INFINITY)
      expect(drain(agenda)).toEqual(left.map(({ index }) => index))
      for (const entry of entries) agenda.remove(entry)
    }),
    { seed: 5, numRuns: 500 },
  )
})
