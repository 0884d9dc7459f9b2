import { expect, test } from 'vitest'
import { PppLink } from '../../src/track/ppp-link.ts'

test('the client is the end that was told to log in, and before that the one that answered', () => {
  const link = new PppLink()
  expect(link.client).toBe(0)
  link.agreed[0].authProtocol = 0xc223
  expect(link.client).toBe(1)
  link.agreed[1].authProtocol = 0xc223
  expect(link.client).toBe(0)
  link.login(1).attempts = 1
  expect(link.client).toBe(1)
  link.login(0).attempts = 2
  expect(link.client).toBe(0)
})
