import { expect, test } from 'vitest'
import { vendorLabel, vendorName } from '../../src/wire/ike-vendor.ts'
import { fromHex, utf8 } from '../support/craft.ts'

test.each([
  ['4a131c81070358455c5728f20e95452f', 'NAT-T (RFC 3947)'],
  ['4485152d18b6bbcd0be8a8469579ddcc', 'NAT-T draft-00'],
  ['7d9419a65310ca6f2c179d9215529d56', 'NAT-T draft-03'],
  ['90cb80913ebb696e086381b5ec427b1f', 'NAT-T (draft-02\\n)'],
  ['afcad71368a1f1c96b8696fc77570100', 'DPD 1.0'],
  ['12f5f28c457168a9702d9fe274cc0100', 'Cisco Unity 1.0'],
  ['09002689dfd6b712', 'XAUTH'],
  ['4048b7d56ebce88525e7de7f00d6c2d3c0000000', 'IKE fragmentation'],
  ['1e2b516905991c7d7c96fcbfb587e46100000009', 'Microsoft Windows 8, Server 2012 or later'],
  ['1e2b516905991c7d7c96fcbfb587e46100000002', 'Microsoft Windows 2000'],
  ['26244d38eddb61b3172a36e3d0cfb819', 'Microsoft initial contact'],
  ['fb1de3cdf341b7ea16b7e5be0855f120', 'Microsoft negotiation discovery capable'],
  ['e3a5966a76379fe707228231e5ce8652', 'Microsoft IKE CGA version 1'],
  ['882fe56d6fd20dbc2251613b2ebe5beb', 'strongSwan'],
  ['2d1f406118fbd5d28474791ffa00488a', 'strongSwan 4.2.3'],
  ['7003cbc1097dbe9c2600ba6983bc8b35', 'KAME/racoon'],
  ['20a3622c1cea7ce37bee3ca484425276', 'ipsec-tools racoon'],
  ['4f4548724b6e5e68557c604f', 'Openswan 2.2.0'],
  ['4f4568794c64414365636661', 'Openswan or Libreswan'],
  ['8299031757a36082c6a621de00050146', 'Fortinet FortiGate release 5 build 326'],
  [
    'f4ed19e0c114eb516faaac0ee37daf2807b4381f000000010000138d5ba4ce9a0000000018380000',
    'Check Point Firewall-1 NG AI R55 or later',
  ],
  ['f4ed19e0c114eb516faaac0ee37daf2807b4381f', 'Check Point'],
  ['1f07f70eaa6514d3b0fa96542a500407', 'Cisco VPN 3000 4.0.7'],
  ['404bf439522ca3f6', 'SonicWall'],
  ['699369228741c6d4ca094c93e242c9de19e7b7c60000000500000500', 'Juniper NetScreen, ScreenOS 5.0'],
  ['2c9d7e81995b9967d23f571ac641f9348122f1cc1200000014060000', 'Juniper SSG, ScreenOS 6.20'],
])('%s is %s', (digits, name) => {
  const bytes = fromHex(digits)
  expect(vendorName(bytes, 0, bytes.length)).toBe(name)
})

test.each([
  ['CISCO(COPYRIGHT)&Copyright (c) 2009 Cisco Systems, Inc.', 'Cisco'],
  ['CISCOVPN-REV-02', 'Cisco VPN revision 02'],
  ['HUAWEI-IKEv1DSCP\0\0\0\0', 'Huawei IKEv1 DSCP'],
  ['VIA Auth Profile : default', 'Aruba VIA authentication profile default'],
  ['Some other product 1.2', 'Some other product 1.2'],
])('text %s is shown as %s', (text, label) => {
  const bytes = utf8(text)
  expect(vendorLabel(bytes, 0, bytes.length)).toBe(label)
})

test('what nobody knows stays hexadecimal', () => {
  const bytes = fromHex('11bdfe0278c89d7fb2add831d38cc76d')
  expect(vendorName(bytes, 0, 16)).toBeUndefined()
  expect(vendorLabel(bytes, 0, 16)).toBe('11bdfe0278c89d7fb2add831d38cc76d')
  expect(vendorLabel(bytes, 0, 0)).toBe('')
})

test('every truncation of a known id has some label', () => {
  const bytes = fromHex('1e2b516905991c7d7c96fcbfb587e46100000009')
  for (let end = 1; end < 16; end++)
    expect(vendorLabel(bytes, 0, end)).toBe(Buffer.from(bytes.subarray(0, end)).toString('hex'))
  for (let end = 16; end < 20; end++) expect(vendorLabel(bytes, 0, end)).toBe('Microsoft Windows')
})
