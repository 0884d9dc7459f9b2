import { expect, test } from 'vitest'
import { matchesLists } from '../../src/output/alert-match.ts'
import { FULL_ALERT } from '../support/alerts.ts'

test.each([
  [{}, true],
  [{ levels: ['high', 'critical'] }, true],
  [{ levels: ['low'] }, false],
  [{ rules: ['password GUESSING'] }, true],
  [{ rules: ['2f1d6f5e-3c1a-4f0b-9f43-0d6f3f7b6a10'] }, true],
  [{ rules: ['another'] }, false],
  [{ tags: ['T1110'] }, true],
  [{ tags: ['attack.t1110'] }, true],
  [{ tags: ['attack.credential_access'] }, true],
  [{ tags: ['credential-access'] }, true],
  [{ tags: ['TA0006'] }, true],
  [{ tags: ['credentials'] }, true],
  [{ tags: ['t1110.001'] }, false],
  [{ levels: ['high'], rules: ['another'] }, false],
])('%j: %s', (lists, isMatch) => {
  expect(matchesLists(lists)(FULL_ALERT)).toBe(isMatch)
})

test('a sub-technique is found by its own id and by that of its technique', () => {
  const alert = { ...FULL_ALERT, 'threat.technique.subtechnique.id': ['T1110.001'] }
  expect(matchesLists({ tags: ['T1110.001'] })(alert)).toBe(true)
  expect(matchesLists({ tags: ['T1110'] })(alert)).toBe(true)
})
