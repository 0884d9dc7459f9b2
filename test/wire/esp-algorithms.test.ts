import { inspect } from 'node:util'
import { expect, test } from 'vitest'
import { EspKeys, problemOfKeys } from '../../src/wire/esp-algorithms.ts'
import { material } from '../support/esp.ts'

test('names a suite with the bits of its key', () => {
  const suite = (...of: Parameters<typeof material>) => new EspKeys(material(...of)).suite
  expect(suite('AES-CBC', 'HMAC-SHA2-256-128', { keyLength: 32 })).toBe('AES-CBC-256/HMAC-SHA2-256-128')
  expect(suite('3DES-CBC', 'HMAC-MD5-96')).toBe('3DES-CBC/HMAC-MD5-96')
  expect(suite('NULL', 'HMAC-SHA1-96')).toBe('NULL/HMAC-SHA1-96')
  expect(suite('AES-GCM', 'NULL', { icvLength: 8 })).toBe('AES-GCM-128-8')
  expect(suite('AES-GMAC')).toBe('AES-GMAC-128')
  expect(suite('ChaCha20-Poly1305')).toBe('ChaCha20-Poly1305')
})

test('knows which keys prove themselves', () => {
  const isAuthenticated = (...of: Parameters<typeof material>) => new EspKeys(material(...of)).isAuthenticated
  expect(isAuthenticated('AES-GCM')).toBe(true)
  expect(isAuthenticated('NULL', 'HMAC-MD5-96')).toBe(true)
  expect(isAuthenticated('AES-CBC', 'NULL')).toBe(false)
  expect(isAuthenticated('AES-CBC', 'unchecked-96')).toBe(false)
})

test('says what is wrong with keys, and nothing of what is in them', () => {
  expect(problemOfKeys(material('AES-CBC', 'HMAC-SHA1-96'))).toBeNull()
  expect(problemOfKeys(material('AES-CBC', 'HMAC-SHA1-96', { keyLength: 17 }))).toBe(
    'the key has 17 octets; AES-CBC takes 16, 24, 32',
  )
  expect(problemOfKeys(material('AES-GCM', 'NULL', { keyLength: 12 }))).toBe(
    'the key has 16 octets; AES-GCM takes 20, 28, 36 (4 of them salt)',
  )
  expect(problemOfKeys(material('AES-GCM', 'NULL', { icvLength: 10 }))).toBe(
    'AES-GCM has no ICV of 10 octets; it has 16, 12, 8',
  )
  expect(problemOfKeys(material('AES-CBC', 'AES-XCBC-96', { integrityKey: new Uint8Array(1) }))).toBe(
    'the integrity key has 1 octet; AES-XCBC-96 takes 16',
  )
  expect(problemOfKeys(material('AES-CBC', 'HMAC-SHA1-96', { integrityKey: new Uint8Array(0) }))).toBe(
    'HMAC-SHA1-96 needs a key',
  )
  expect(problemOfKeys({ ...material('AES-CBC', 'NULL'), integrity: 'CRC' })).toBe('no such integrity algorithm')
})

test('keys show themselves in no print and no JSON', () => {
  const keys = new EspKeys(material('AES-GCM', 'NULL', { first: 0xa1 }))
  for (const shown of [JSON.stringify(keys), inspect(keys, { depth: 9, showHidden: true })])
    expect(shown).not.toMatch(/a1.?a2.?a3|161.{1,4}162/is)
})
