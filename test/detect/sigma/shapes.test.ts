import { describe, expect, it } from 'vitest'
import { Shapes } from '../../../src/detect/sigma/shapes.ts'

describe('shapes', () => {
  it('are the same for the same fields in the same order', () => {
    const shapes = new Shapes()
    const first = shapes.of(['a', 'b', 'c'])
    expect(first).toEqual({ number: 0, fields: new Set(['a', 'b', 'c']) })
    expect(shapes.of(['a', 'b', 'c'])).toBe(first)
    expect(shapes.of(['a', 'b'])?.number).toBe(1)
    expect(shapes.of(['a', 'c', 'b'])?.number).toBe(2)
    expect(shapes.of([])?.fields.size).toBe(0)
    expect(shapes.of(['a', 'b', 'c'])).toBe(first)
  })

  it('are bounded: what is new then has none, what is known keeps its own', () => {
    const shapes = new Shapes(4)
    const first = shapes.of(['a', 'b'])
    expect(shapes.of(['a', 'c', 'd'])?.number).toBe(1)
    expect(shapes.of(['x'])).toBeNull()
    expect(shapes.of(['a', 'c'])?.number).toBe(2)
    expect(shapes.of(['a', 'b'])).toBe(first)
  })
})
