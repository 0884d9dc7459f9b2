import { expect, test } from 'vitest'
import { readerOf } from '../../src/detect/readers.ts'
import type { EventDocument } from '../../src/events/fields.ts'

test.each([
  'user.name',
  `quoted "name" and 'name'`,
  'back\\slash',
  'line\nend\r\u2028\u2029',
  '`//*',
  '"]; throw new Error("run"); document["',
  '',
  'é\ud800',
])('a field is read by its name, whatever that is: %j', (name) => {
  const read = readerOf(name)
  expect(read({ [name]: 7 } as unknown as EventDocument)).toBe(7)
  expect(read({ other: 7 } as unknown as EventDocument)).toBeUndefined()
  expect(readerOf(name)).toBe(read)
})
