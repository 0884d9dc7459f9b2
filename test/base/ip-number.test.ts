import { describe, expect, test } from 'vitest'
import { ipv4Number, ipv6Number, networkRange } from '../../src/base/ip-number.ts'

describe('addresses as numbers', () => {
  test.each([
    ['0.0.0.0', 0],
    ['10.0.0.1', 0x0a00_0001],
    ['255.255.255.255', 0xffff_ffff],
    ['256.1.1.1', -1],
    ['1.2.3', -1],
    ['::1', -1],
    ['', -1],
  ])('IPv4 %s', (text, value) => expect(ipv4Number(text)).toBe(value))

  test.each([
    ['::', 0n],
    ['::1', 1n],
    ['2001:db8::ff:1', 0x2001_0db8_0000_0000_0000_0000_00ff_0001n],
    ['::ffff:192.0.2.1', 0xffff_c000_0201n],
    ['fe80::1%eth0', null],
    ['1.2.3.4', null],
    ['2001:db8:::1', null],
  ])('IPv6 %s', (text, value) => expect(ipv6Number(text)).toBe(value))

  test.each([
    ['192.0.2.77', { family: 4, low: 0xc000_024d, high: 0xc000_024d }],
    ['192.0.2.77/24', { family: 4, low: 0xc000_0200, high: 0xc000_02ff }],
    ['0.0.0.0/0', { family: 4, low: 0, high: 0xffff_ffff }],
    ['192.0.2.1 - 192.0.2.9', { family: 4, low: 0xc000_0201, high: 0xc000_0209 }],
    ['2001:db8::/127', { family: 6, low: 0x2001_0db8n << 96n, high: (0x2001_0db8n << 96n) | 1n }],
    ['::1-::5', { family: 6, low: 1n, high: 5n }],
    ['192.0.2.9-192.0.2.1', null],
    ['192.0.2.1-::5', null],
    ['192.0.2.0/33', null],
    ['192.0.2.0/x', null],
    ['::/129', null],
    ['example.org', null],
  ])('network %s', (text, range) => expect(networkRange(text)).toEqual(range))
})
