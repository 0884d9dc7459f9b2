import { expect, test } from 'vitest'
import { knownVendors } from '../../src/wire/ike-vendor-table.ts'
import { vendorLabel, vendorName, vendorOf } from '../../src/wire/ike-vendor.ts'
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
  ['4f4568794c64414365636661', 'Openswan 2.6.32'],
  ['4f454a734e486b4a4c656272', 'Linux FreeS/WAN 0.5'],
  ['4f45497d4f7e6e5d60525170', 'Linux FreeS/WAN 0.9.10'],
  ['4f45486b7d44784d42676b5d', 'Linux FreeS/WAN 2.00'],
  ['4f45785c567c6f61507e7864', 'Openswan 2.4.0'],
  ['4f457240604e7f585d6d5869', 'Openswan 2.4.0'],
  ['4f455a7e4261425d725c705f', 'Openswan 2.4.7'],
  ['4f45495c767449495c5a7350', 'Openswan 2.5.00'],
  ['4f456d6470475f6c477d767d', 'Openswan 2.6.39'],
  ['4f53577666617a6f6355505a', 'Openswan 2.6.40'],
  ['4f53574745627352675b5a51', 'Linux Openswan 2.6.44'],
  ['4f5357202020202020202020', 'Openswan'],
  ['4f454e574547444b6865684a', 'Libreswan 3.3'],
  ['4f454e5f52685050487b645e', 'Libreswan 3.5'],
  ['4f45414141414141414141aa', undefined],
  ['4f45414141414141414141', undefined],
  ['9e10a0d4205edc6c90bd5381a53c2d2b', 'strongSwan 5.1.1'],
  ['a87680d00cbb939871eb680d18d052e2', 'strongSwan 4.6.4'],
  ['f6f7efc7f5aeb8cb158cb9d094ba69e7', 'Cisco VPN 3000 client'],
  ['72872b95fcda2eb708efe322119b4971', 'Microsoft load balancing with fast failover'],
  ['01528bbbc00696121849ab9a1c5b2a5100000002', 'Microsoft key modules (IKEv2)'],
  ['7bb93867d76c8d80df0f40fae8fc3b1900000003', 'Microsoft AuthIP initial key exchange (modp2048)'],
  ['8aa394cf8a5577dc3110c113b027a4f2', 'Microsoft Xbox One'],
  ['686a8cbdfe634b405146fb2baf33e9e8', 'Microsoft IPsec security realm'],
  [
    '47bbe7c993f1fc13b4e6d0db565c68e5010201010201010310392e302e3120284275696c6420313229000000',
    'SafeNet SoftRemote 9.0.1 (Build 12)',
  ],
  ['5b362bc820f60007', 'SonicWall 7'],
  ['fd808804df73b15150709d878044cde0ac1efcde', 'Juniper SRX'],
  ['f14b94b7bff1fef02773b8c49feded26', 'Shrew Soft client'],
  ['08db45e6cb01f80bb576e9a78c0f54e1300b88816300', 'ELVIS-PLUS Zastava 6.3'],
  ['afca071368a1f1c96b8696fc77570100', 'DPD (misspelt) 1.0'],
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
  ['OE-Libreswan-4.12', 'Libreswan 4.12'],
  ['OpenIKED-7.4', 'OpenIKED 7.4'],
  ['LVG9.2.245:BRICK:9.2.245', 'Lucent VPN gateway 9.2.245:BRICK:9.2.245'],
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

test('an id says what its sender can do, or what it is', () => {
  const kindOf = (digits: string) => {
    const bytes = fromHex(digits)
    return vendorOf(bytes, 0, bytes.length)?.kind
  }
  expect(kindOf('4a131c81070358455c5728f20e95452f')).toBe('feature')
  expect(kindOf('4f45785c567c6f61507e7864')).toBe('product')
  expect(kindOf('464c455856504e2d535550504f52544544')).toBe('feature')
  expect(kindOf('11bdfe0278c89d7fb2add831d38cc76d')).toBeUndefined()
})

test('every id of the table is found again, and only hexadecimal digits are in it', () => {
  const table = knownVendors()
  expect(table.size).toBeGreaterThan(600)
  for (const [digits, { name }] of table) {
    expect(digits).toMatch(/^([0-9a-f]{2}){4,24}$/)
    const bytes = fromHex(digits)
    expect(vendorName(bytes, 0, bytes.length)).toBe(name)
  }
})
