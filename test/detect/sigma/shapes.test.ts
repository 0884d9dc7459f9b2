import { describe, expect, it } from 'vitest'
import { Shapes } from '../../../src/detect/sigma/shapes.ts'

const fields = (...names: string[]) => Object.fromEntries(names.map((name) => [name, 1]))

describe('shapes', () => {
  it('are the same for the same fields in the same order', () => {
    const shapes = new Shapes()
    const first = shapes.of(fields('a', 'b', 'c'))
    expect(first).toEqual({ number: 0, fields: new Set(['a', 'b', 'c']) })
    expect(shapes.of(fields('a', 'b', 'c'))).toBe(first)
    expect(shapes.of(fields('a', 'b'))?.number).toBe(1)
    expect(shapes.of(fields('a', 'c', 'b'))?.number).toBe(2)
    expect(shapes.of(fields())?.fields.size).toBe(0)
    expect(shapes.of(fields('a', 'b', 'c'))).toBe(first)
  })

  it('are told apart wherever fields begin to differ', () => {
    const shapes = new Shapes()
    const lists = ['abcd', 'abxd', 'ab', 'abcde', 'x', 'abxy', 'a', '', 'xabcd'].map((letters) => letters.split(''))
    lists.forEach((names, number) => {
      expect(shapes.of(fields(...names))).toEqual({ number, fields: new Set(names) })
    })
    for (const [number, names] of lists.entries()) expect(shapes.of(fields(...names))?.number).toBe(number)
  })

  it('are bounded: what is new then has none, what is known keeps its own', () => {
    const shapes = new Shapes(4)
    const first = shapes.of(fields('a', 'b'))
    expect(shapes.of(fields('a', 'c', 'd'))?.number).toBe(1)
    expect(shapes.of(fields('x'))).toBeNull()
    expect(shapes.of(fields('a', 'c'))?.number).toBe(2)
    expect(shapes.of(fields('a', 'b'))).toBe(first)
  })
})
