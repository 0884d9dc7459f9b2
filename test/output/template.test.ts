import fc from 'fast-check'
import { expect, test } from 'vitest'
import type { EventDocument } from '../../src/events/fields.ts'
import { fillTemplate, type Json, unknownPlaceholder } from '../../src/output/template.ts'
import { FULL_ALERT } from '../support/alerts.ts'

test('texts hold values, a text that is one placeholder becomes the value', () => {
  const template: Json = {
    a: 'by {{user.name}} ({{ alert.events }})',
    b: '{{alert.events}}',
    c: ['{{threat.technique.id}}', true, null, 5],
    d: 'none',
  }
  expect(fillTemplate(template, FULL_ALERT)).toEqual({
    a: 'by alice (12)',
    b: 12,
    c: [['T1110'], true, null, 5],
    d: 'none',
  })
})

test('a field that the document lacks is empty in a text and null alone', () => {
  expect(fillTemplate({ a: '<{{dns.question.name}}>', b: '{{dns.question.name}}' }, FULL_ALERT)).toEqual({
    a: '<>',
    b: null,
  })
})

test('{{event}} is the whole nested document', () => {
  expect(fillTemplate('{{event}}', FULL_ALERT)).toMatchObject({ user: { name: 'alice' } })
  expect(JSON.parse(String(fillTemplate('{{event}} ', FULL_ALERT)))).toMatchObject({ user: { name: 'alice' } })
})

test('values are not looked at for placeholders', () => {
  const document: EventDocument = { ...FULL_ALERT, 'user.name': '{{source.ip}}' }
  expect(fillTemplate('{{user.name}} {{user.name}}', document)).toBe('{{source.ip}} {{source.ip}}')
})

test('a placeholder that names no field is found', () => {
  expect(unknownPlaceholder({ a: ['{{user.name}}', { b: 'x {{user.nam}}' }] })).toBe('user.nam')
  expect(unknownPlaceholder({ a: '{{event}} {{message}}', b: 1, c: null })).toBeNull()
  expect(unknownPlaceholder('{{constructor}}')).toBe('constructor')
})

test('no value breaks out of the text it stands in', () => {
  fc.assert(
    fc.property(fc.string({ unit: 'binary' }), (name) => {
      const document: EventDocument = { ...FULL_ALERT, 'user.name': name }
      const filled = JSON.stringify(fillTemplate({ a: 'x{{user.name}}y', z: 'last' }, document))
      expect(JSON.parse(filled)).toEqual({ a: `x${name}y`, z: 'last' })
    }),
    { seed: 3 },
  )
})
