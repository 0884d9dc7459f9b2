import { describe, expect, it } from 'vitest'
import { NumberIndex } from '../../../src/detect/sigma/number-index.ts'

describe('an index of ranges', () => {
  const index = new NumberIndex([
    { min: 5, max: 7, rule: 'from 5 to 7' },
    { min: Number.NEGATIVE_INFINITY, max: 3, rule: 'to 3' },
    { min: 6, max: Number.POSITIVE_INFINITY, rule: 'from 6' },
    { min: 9, max: 2, rule: 'from 9 and to 2' },
  ])
  const found = (low: number, high = low) => {
    const rules: string[] = []
    index.look(low, high, (rule) => rules.push(rule))
    return rules
  }

  it('finds those that hold a number', () => {
    expect(found(3)).toEqual(['to 3'])
    expect(found(4)).toEqual([])
    expect(found(5)).toEqual(['from 5 to 7'])
    expect(found(7)).toEqual(['from 5 to 7', 'from 6'])
    expect(found(1e300)).toEqual(['from 6'])
    expect(found(Number.NaN)).toEqual([])
  })

  it('finds those that one number of several is above, and one is below', () => {
    expect(found(1, 10)).toEqual(['to 3', 'from 5 to 7', 'from 6', 'from 9 and to 2'])
    expect(found(4, 5)).toEqual(['from 5 to 7'])
  })
})
