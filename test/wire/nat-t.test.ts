import { expect, test } from 'vitest'
import { ikePortContent, nattContent } from '../../src/wire/nat-t.ts'
import { be32, concat, fromHex } from '../support/craft.ts'
import { message } from '../support/ike.ts'

function onNatt(bytes: Uint8Array) {
  return nattContent(bytes, 0, bytes.length, bytes.length)
}

test('port 4500 carries IKE behind a marker, ESP, and keepalives', () => {
  expect(onNatt(concat(be32(0), message({}, [])))).toBe('ike')
  expect(onNatt(fromHex('c0ffee01 00000001 00112233'))).toBe('esp')
  expect(onNatt(Uint8Array.of(0xff))).toBe('keepalive')
})

test('what is too short for any of them is short', () => {
  expect(onNatt(new Uint8Array(0))).toBe('short')
  expect(onNatt(Uint8Array.of(0xfe))).toBe('short')
  expect(onNatt(Uint8Array.of(0xff, 0xff))).toBe('short')
  expect(onNatt(fromHex('c0ffee01 000000'))).toBe('short')
})

test('IKE without the marker is told from ESP by its length', () => {
  const bytes = message({}, [])
  expect(onNatt(bytes)).toBe('ike_unmarked')
  expect(nattContent(bytes, 0, bytes.length, bytes.length + 1)).toBe('esp')
})

test('port 500 carries IKE, keepalives, and ESP of the first drafts behind eight zeros', () => {
  const bytes = message({}, [])
  expect(ikePortContent(bytes, 0, bytes.length)).toBe('ike')
  const esp = concat(be32(0), be32(0), fromHex('c0ffee01 00000001'))
  expect(ikePortContent(esp, 0, esp.length)).toBe('esp')
  expect(ikePortContent(Uint8Array.of(0xff), 0, 1)).toBe('keepalive')
  const probe = message({ initiator: '0000000000000000' }, [[13, be32(7)]])
  expect(ikePortContent(probe, 0, probe.length)).toBe('ike')
  expect(ikePortContent(probe, 0, probe.length - 1)).toBe('esp')
  expect(ikePortContent(probe, 0, probe.length - 1, probe.length)).toBe('ike')
})
