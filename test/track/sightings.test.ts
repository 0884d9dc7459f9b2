import { expect, test } from 'vitest'
import { Sightings } from '../../src/track/sightings.ts'

test('enough packets of one thing are believed once, and counted anew after that', () => {
  const sightings = new Sightings(3)
  const seen = ['a', 'a', 'b', 'a', 'a', 'b', 'b', 'a', 'a'].map((key) => sightings.observe(key))
  expect(seen).toEqual([false, false, false, true, false, false, true, false, true])
})

test('one packet may be enough', () => {
  expect(new Sightings(1).observe('a')).toBe(true)
})

test('the thing that was seen longest ago is forgotten first', () => {
  const sightings = new Sightings(2)
  for (let i = 0; i < 4096; i++) sightings.observe(String(i))
  sightings.observe('one more')
  expect(sightings.observe('0')).toBe(false)
  expect(sightings.observe('4095')).toBe(true)
})
