import { describe, expect, test } from 'vitest'
import {
  alignmentDoubt,
  ESP_SHAPES,
  ESP_SUITES,
  type EspLengths,
  EspLengthTable,
  type EspShape,
  espLengthOf,
  innerBounds,
  innerMax,
  innerMin,
  isPossible,
  possibleShapes,
} from '../../src/track/esp-overhead.ts'

function suite(name: string): EspShape {
  const found = ESP_SHAPES.find(({ suites }) => suites.includes(name))
  if (found === undefined) throw new RangeError(`no suite ${name}`)
  return found
}

function seen(...lengths: readonly number[]): EspLengths {
  const table = new EspLengthTable()
  table.open(0)
  for (const length of lengths) table.see(0, length)
  return table.lengths(0)
}

/** Octets of IV, alignment and ICV, as the RFC of each says. */
const SUITES: readonly (readonly [name: string, iv: number, alignment: number, icv: number])[] = [
  ['NULL/96', 0, 4, 12],
  ['NULL/256', 0, 4, 32],
  ['DES-CBC/96', 8, 8, 12],
  ['3DES-CBC/96', 8, 8, 12],
  ['3DES-CBC/128', 8, 8, 16],
  ['AES-CBC/96', 16, 16, 12],
  ['AES-CBC/128', 16, 16, 16],
  ['AES-CBC/192', 16, 16, 24],
  ['AES-CBC/256', 16, 16, 32],
  ['AES-CTR/96', 8, 4, 12],
  ['AES-GCM-8', 8, 4, 8],
  ['AES-GCM-12', 8, 4, 12],
  ['AES-GCM-16', 8, 4, 16],
  ['AES-CCM-8', 8, 4, 8],
  ['AES-CCM-16', 8, 4, 16],
  ['ChaCha20-Poly1305-16', 8, 4, 16],
  ['AES-GMAC-16', 8, 4, 16],
  ['AES-GCM-IIV-16', 0, 4, 16],
]

test.each(SUITES)(
  '%s: an IV of %i, a ciphertext in units of %i, an ICV of %i',
  (name, ivLength, alignment, icvLength) => {
    expect(ESP_SUITES.find((each) => each.name === name)).toEqual({ name, ivLength, alignment, icvLength })
  },
)

test('an AES-CBC packet of 152 octets with 128 bits of ICV carries 95 to 110', () => {
  const shape = suite('AES-CBC/128')
  expect([innerMin(shape, 152), innerMax(shape, 152)]).toEqual([95, 110])
  expect(espLengthOf(shape, 95)).toBe(152)
  expect(espLengthOf(shape, 110)).toBe(152)
  expect(espLengthOf(shape, 111)).toBe(168)
})

test('what was put in lies within the bounds, whatever the suite', () => {
  for (const shape of ESP_SHAPES)
    for (let inner = 0; inner < 1500; inner++) {
      const length = espLengthOf(shape, inner)
      expect(isPossible(shape, length)).toBe(true)
      expect(innerMax(shape, length)).toBeGreaterThanOrEqual(inner)
      expect(innerMin(shape, length)).toBeLessThanOrEqual(inner)
      expect(innerMax(shape, length) - innerMin(shape, length)).toBeLessThan(shape.alignment)
    }
})

test('more padding than needed lifts the lower bound only: the upper one is certain', () => {
  const shape = suite('AES-GCM-16')
  const padded = espLengthOf(shape, 100) + 64
  expect(innerMax(shape, padded)).toBeGreaterThanOrEqual(100)
  expect(innerMin(shape, padded)).toBeGreaterThan(100)
})

test('every suite is of one shape, and shapes are told apart by what lengths show', () => {
  expect(ESP_SHAPES.flatMap(({ suites }) => suites).toSorted()).toEqual(ESP_SUITES.map(({ name }) => name).toSorted())
  expect(new Set(ESP_SHAPES.map(({ overhead, alignment }) => `${overhead} ${alignment}`)).size).toBe(ESP_SHAPES.length)
  expect(ESP_SHAPES.length).toBeLessThanOrEqual(15)
})

describe('the suites that lengths leave', () => {
  test('the true one is never ruled out', () => {
    for (const shape of ESP_SHAPES) {
      const lengths = seen(...Array.from({ length: 60 }, (_, index) => espLengthOf(shape, 20 + index * 23)))
      expect(possibleShapes(lengths)).toContain(shape)
    }
  })

  test('a finer length rules out a coarse block', () => {
    const stream = seen(60, 64, 72, 116)
    expect(new Set(possibleShapes(stream).map(({ alignment }) => alignment))).toEqual(new Set([4]))
    const eight = seen(52, 60, 76)
    expect(new Set(possibleShapes(eight).map(({ alignment }) => alignment))).toEqual(new Set([4, 8]))
  })

  test('AES-CBC with 96 bits and with 128 bits of ICV differ in every length', () => {
    const names = possibleShapes(seen(68, 84, 116)).flatMap(({ suites }) => suites)
    expect(names).toContain('AES-CBC/96')
    expect(names).not.toContain('AES-CBC/128')
  })

  test('a packet shorter than the least that a suite makes rules it out', () => {
    const names = possibleShapes(seen(40, 72)).flatMap(({ suites }) => suites)
    expect(names).toContain('NULL/128')
    expect(names).not.toContain('AES-CBC/128')
  })

  test('a length that is no multiple of four is not counted for any', () => {
    expect(seen(61).residues).toBe(0)
  })

  test('with more lengths the doubt that a block is as coarse as it looks goes', () => {
    expect(alignmentDoubt(seen())).toBe(1)
    expect(alignmentDoubt(seen(72))).toBe(1)
    expect(alignmentDoubt(seen(72, 88, 104))).toBeCloseTo(1 / 16)
    expect(alignmentDoubt(seen(72, 80, 88, 96))).toBeCloseTo(1 / 4)
    expect(alignmentDoubt(seen(72, 76, 80, 84, 88))).toBe(1)
  })
})

test('without a suite the bounds cover all that are possible, and nothing is said of a length that none has', () => {
  const bounds = innerBounds(ESP_SHAPES, 152)
  expect(bounds).toEqual({ min: innerMin(suite('AES-CBC/256'), 152), max: innerMax(suite('NULL/96'), 152) })
  expect(innerBounds(ESP_SHAPES, 153)).toBeNull()
  expect(innerBounds([], 152)).toBeNull()
})

test('a row that is used again forgets what it saw', () => {
  const table = new EspLengthTable()
  for (let index = 0; index < 200; index++) table.open(index)
  table.see(150, 72)
  table.see(150, 76)
  expect(table.lengths(150)).toEqual({ residues: 0b1100, lengthMin: 72, distinct: 2 })
  table.open(150)
  expect(table.lengths(150)).toEqual({ residues: 0, lengthMin: 0, distinct: 0 })
  expect(table.lengths(149)).toEqual({ residues: 0, lengthMin: 0, distinct: 0 })
})
