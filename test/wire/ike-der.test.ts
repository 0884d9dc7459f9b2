import { describe, expect, test } from 'vitest'
import { derElement, objectIdentifier } from '../../src/wire/ike-der.ts'
import { fromHex } from '../support/craft.ts'

describe('an element', () => {
  test.each([
    ['0500', { tag: 5, start: 2, end: 2 }],
    ['0203010203', { tag: 2, start: 2, end: 5 }],
    ['048101aa', { tag: 4, start: 3, end: 4 }],
    ['04820001aa', { tag: 4, start: 4, end: 5 }],
    ['0483000001aa', { tag: 4, start: 5, end: 6 }],
  ])('%s is read', (digits, element) => {
    const bytes = fromHex(digits)
    expect(derElement(bytes, 0, bytes.length)).toEqual(element)
    for (let end = 0; end < bytes.length; end++) expect(derElement(bytes, 0, end)).toBeNull()
  })

  test.each(['0480', '0484 00000001 aa', '04ff'])('%s has a length that is not read', (digits) => {
    const bytes = fromHex(digits)
    expect(derElement(bytes, 0, bytes.length)).toBeNull()
  })
})

describe('an object identifier', () => {
  test.each([
    ['2a864886f70d010702', '1.2.840.113549.1.7.2'],
    ['550403', '2.5.4.3'],
    ['2b6570', '1.3.101.112'],
    ['883703', '2.999.3'],
    ['00', '0.0'],
  ])('%s is %s', (digits, text) => {
    const bytes = fromHex(digits)
    expect(objectIdentifier(bytes, 0, bytes.length)).toBe(text)
  })

  test.each(['', '2a86', 'ff'.repeat(40)])('%s is none', (digits) => {
    const bytes = fromHex(digits)
    expect(objectIdentifier(bytes, 0, bytes.length)).toBeUndefined()
  })
})
