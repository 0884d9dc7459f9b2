import { expect, test } from 'vitest'
import { Children } from '../../src/track/ike-children.ts'

test('a quick mode is complete with its third message, CREATE_CHILD_SA with its second', () => {
  const quick = new Children()
  quick.note(1, 77, 0, 10)
  quick.note(1, 77, 0, 20)
  expect(quick.at(100)).toEqual({ number: 1, startUs: 10, lastUs: 20, messages: 2, isComplete: false })
  quick.note(1, 77, 0, 30)
  expect(quick.at(100)).toMatchObject({ messages: 3, isComplete: true })
  const create = new Children()
  create.note(2, 3, 1, 10)
  create.note(2, 3, 1, 20)
  expect(create.at(100)).toMatchObject({ messages: 2, isComplete: true })
})

test('both ends may use the same message id', () => {
  const children = new Children()
  children.note(2, 3, 0, 10)
  children.note(2, 3, 1, 20)
  expect(children.count).toBe(2)
})

test('the newest that had begun is found, also of the past', () => {
  const children = new Children()
  for (let i = 1; i <= 20; i++) children.note(1, i, 0, i * 100)
  expect(children.count).toBe(20)
  expect(children.at(5000)?.number).toBe(20)
  expect(children.at(1550)?.number).toBe(15)
  // Older ones are forgotten.
  expect(children.at(1250)).toBeUndefined()
})

test('what completes otherwise is said', () => {
  const children = new Children()
  children.completeLast()
  children.note(2, 1, 0, 10)
  children.completeLast()
  expect(children.at(10)).toMatchObject({ messages: 1, isComplete: true })
  children.reset()
  expect(children.at(10)).toBeUndefined()
})

test('who began an exchange is known by its number', () => {
  const children = new Children()
  children.note(1, 7, 1, 10)
  expect(children.starterOf(7)).toBe(1)
  expect(children.starterOf(8)).toBeNull()
})
