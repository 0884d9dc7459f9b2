import { expect, test } from 'vitest'
import { SharedValues } from '../../src/track/shared-values.ts'

test('equal values are one object, different ones are not', () => {
  const values = new SharedValues<{ readonly speed: number | undefined }>()
  const first = values.share({ speed: 1 })
  expect(values.share({ speed: 1 })).toBe(first)
  expect(values.share({ speed: 2 })).toEqual({ speed: 2 })
  expect(values.share({ speed: undefined })).toBe(values.share({ speed: undefined }))
})

test('of very many the oldest are forgotten', () => {
  const values = new SharedValues<readonly number[]>()
  const first = values.share([0])
  for (let i = 1; i < 5000; i++) values.share([i])
  expect(values.share([0])).not.toBe(first)
})
