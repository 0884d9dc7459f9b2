import { createHash } from 'node:crypto'
import { expect, test } from 'vitest'
import * as craft from './craft.ts'

function hexOf(bytes: Uint8Array): string {
  return Buffer.from(bytes).toString('hex')
}

/** Zero if a checksum within the parts is right. */
function residue(...parts: readonly Uint8Array[]): number {
  return craft.internetChecksum(...parts)
}

function pseudo(source: string, target: string, protocol: number, length: number): Uint8Array {
  return craft.concat(craft.ipBytes(source), craft.ipBytes(target), craft.be32(length), craft.be32(protocol))
}

test('the checksum of the example in RFC 1071', () => {
  expect(craft.internetChecksum(craft.fromHex('0001 f203 f4f5 f6f7'))).toBe(0x220d)
  expect(craft.internetChecksum(craft.fromHex('0001 f203 f4'))).toBe(~(0x0001 + 0xf203 + 0xf400 - 0xffff) & 0xffff)
})

test('addresses as text become bytes', () => {
  expect(hexOf(craft.ipBytes('192.0.2.255'))).toBe('c00002ff')
  expect(hexOf(craft.ipBytes('2001:db8::1'))).toBe('20010db8000000000000000000000001')
  expect(hexOf(craft.ipBytes('::'))).toBe('0'.repeat(32))
  expect(hexOf(craft.ipBytes('::ffff:192.0.2.1'))).toBe('00000000000000000000ffffc0000201')
  expect(hexOf(craft.ipBytes('1:2:3:4:5:6:7:8'))).toBe('00010002000300040005000600070008')
  expect(hexOf(craft.macBytes('02:00:5e:10:00:ff'))).toBe('02005e1000ff')
})

test('an Ethernet frame takes its type from the payload, carries its tags, and is padded on request', () => {
  const plain = craft.ethernet(craft.fromHex('45'), { source: '02:00:00:00:00:0a', target: '02:00:00:00:00:0b' })
  expect(hexOf(plain)).toBe('02000000000b02000000000a080045')
  const tags = [
    { id: 5, type: 0x88a8 },
    { id: 7, priority: 6 },
  ]
  expect(hexOf(craft.ethernet(craft.fromHex('60'), { vlans: tags }).subarray(12))).toBe('88a800058100c00786dd60')
  expect(craft.ethernet(craft.fromHex('45'), { sizeMin: 60 })).toHaveLength(60)
})

test('an IPv4 header with a checksum known from elsewhere', () => {
  const ends = { source: '192.168.0.1', target: '192.168.0.199' }
  const packet = craft.ipv4(new Uint8Array(0x73 - 20), { ...ends, id: 0, dontFragment: true })
  expect(hexOf(packet.subarray(0, 20))).toBe('450000730000400040' + '11b861c0a80001c0a800c7')
})

test('every field of an IPv4 header can be made wrong', () => {
  const wrong = {
    version: 5,
    headerLength: 15,
    totalLength: 9,
    checksum: 0xbeef,
    reservedFlag: true,
    moreFragments: true,
  }
  const packet = craft.ipv4(craft.fromHex('aa'), { ...wrong, fragmentOffset: 16, options: craft.fromHex('94040000') })
  expect(hexOf(packet)).toBe('5f0000090001a0024011beefc0000201c633640194040000aa')
})

test('IPv4 fragments carry the payload in order, and only the last has no more after it', () => {
  const payload = Uint8Array.from({ length: 50 }, (_, i) => i)
  const fragments = craft.ipv4Fragments(payload, 20, { id: 9 })
  expect(fragments.map((fragment) => hexOf(fragment.subarray(6, 8)))).toEqual(['2000', '2002', '2004', '0006'])
  expect(craft.concat(...fragments.map((fragment) => fragment.subarray(20)))).toEqual(payload)
  for (const fragment of fragments) expect(residue(fragment.subarray(0, 20))).toBe(0)
})

test('IPv6 extension headers are chained and padded', () => {
  const extensions = [craft.ipv6Extension(0, craft.fromHex('05020000')), craft.ipv6Extension(60)]
  const packet = craft.ipv6(craft.fromHex('ff'), { extensions })
  expect(hexOf(packet.subarray(4, 8))).toBe('00110040')
  expect(hexOf(packet.subarray(40))).toBe('3c00050200000100' + '1100010400000000' + 'ff')
  expect(hexOf(craft.ipv6Extension(60, craft.fromHex('0102030405')).rest)).toBe('00010203040500')
})

test('IPv6 fragments carry the payload in order', () => {
  const payload = Uint8Array.from({ length: 20 }, (_, i) => i)
  const fragments = craft.ipv6Fragments(payload, 8, { id: 0x01020304 })
  expect(fragments.map((fragment) => hexOf(fragment.subarray(40, 48)))).toEqual([
    '1100000101020304',
    '1100000901020304',
    '1100001001020304',
  ])
  expect(craft.concat(...fragments.map((fragment) => fragment.subarray(48)))).toEqual(payload)
})

test('transport checksums are right over IPv4 and IPv6, odd lengths included', () => {
  const payload = craft.fromHex('010203')
  for (const [source, target] of [
    ['192.0.2.7', '198.51.100.9'],
    ['2001:db8::7', '2001:db8::9'],
  ] as const) {
    const datagram = craft.udp(payload, { source, target })
    const segment = craft.tcp(payload, { source, target, options: craft.fromHex('02040550') })
    expect(residue(pseudo(source, target, 17, datagram.length), datagram)).toBe(0)
    expect(residue(pseudo(source, target, 6, segment.length), segment)).toBe(0)
  }
  const ends = { source: '2001:db8::7', target: '2001:db8::9' }
  expect(residue(craft.icmp(payload))).toBe(0)
  expect(residue(pseudo(ends.source, ends.target, 58, 11), craft.icmpv6(payload, ends))).toBe(0)
})

test('a UDP checksum can be absent, wrong, or any number', () => {
  const payload = craft.fromHex('0102')
  const right = craft.udp(payload).subarray(6, 8)
  expect(hexOf(craft.udp(payload, { checksum: 'zero' }).subarray(6, 8))).toBe('0000')
  expect(hexOf(craft.udp(payload, { checksum: 0xbeef }).subarray(6, 8))).toBe('beef')
  expect(craft.udp(payload, { checksum: 'bad' }).subarray(6, 8)).not.toEqual(right)
})

test('a datagram is a whole frame over the version of its source address', () => {
  expect(hexOf(craft.datagram(craft.fromHex('00')).subarray(12, 15))).toBe('080045')
  const ends = { source: '2001:db8::1', target: '2001:db8::2' }
  expect(hexOf(craft.datagram(craft.fromHex('00'), ends).subarray(12, 15))).toBe('86dd60')
})

test('an L2TP control header', () => {
  expect(hexOf(craft.zlb({ tunnelId: 0x0102, ns: 3, nr: 4 }))).toBe('c802000c0102000000030004')
  expect(hexOf(craft.hello({ tunnelId: 1, ns: 2, nr: 3 }))).toBe('c802001400010000000200038008000000000006')
  const bare = craft.l2tpControl([], { flags: craft.L2TP_FLAG.control, version: 3, length: 7 })
  expect(hexOf(bare)).toBe('800300000000')
})

test('the four optional parts of an L2TP data header', () => {
  const payload = craft.fromHex('aabb')
  const ids = { tunnelId: 1, sessionId: 2 }
  expect(hexOf(craft.l2tpData(payload, ids))).toBe('000200010002aabb')
  expect(hexOf(craft.l2tpData(payload, { ...ids, length: true }))).toBe('4002000a00010002aabb')
  expect(hexOf(craft.l2tpData(payload, { ...ids, length: 5 }))).toBe('4002000500010002aabb')
  expect(hexOf(craft.l2tpData(payload, { ...ids, ns: 3, priority: true }))).toBe('09020001000200030000aabb')
  const all = craft.l2tpData(payload, { ...ids, length: true, ns: 3, nr: 4, offset: 2 })
  expect(hexOf(all)).toBe('4a02001200010002000300040002' + '0000aabb')
})

test('an AVP, and each of its fields made wrong', () => {
  expect(hexOf(craft.avp(craft.AVP.hostName, 'lac'))).toBe('8009000000076c6163')
  const wrong = { mandatory: false, hidden: true, vendor: 9, length: 5, reserved: 0xf }
  expect(hexOf(craft.avp(7, craft.fromHex('00'), wrong))).toBe('7c050009000700')
})

test('each control message starts with its type and has the AVPs that its section requires', () => {
  const required: [Uint8Array, number, readonly number[]][] = [
    [craft.sccrq(), 1, [2, 3, 7, 9]],
    [craft.sccrp(), 2, [2, 3, 7, 9]],
    [craft.scccn(), 3, []],
    [craft.stopccn(), 4, [9, 1]],
    [craft.hello(), 6, []],
    [craft.ocrq(), 7, [14, 15, 16, 17, 18, 19, 21]],
    [craft.ocrp(), 8, [14]],
    [craft.occn(), 9, [24, 19]],
    [craft.icrq(), 10, [14, 15]],
    [craft.icrp(), 11, [14]],
    [craft.iccn(), 12, [24, 19]],
    [craft.cdn(), 14, [1, 14]],
    [craft.wen(), 15, [34]],
    [craft.sli(), 16, [35]],
  ]
  for (const [message, type, avps] of required) {
    const types = []
    for (let at = 12; at < message.length; at += ((message[at] << 8) | message[at + 1]) & 0x3ff)
      types.push(message[at + 5])
    expect(hexOf(message.subarray(12, 20))).toBe(`800800000000${type.toString(16).padStart(4, '0')}`)
    expect(types).toEqual(expect.arrayContaining([...avps]))
    expect((message[2] << 8) | message[3]).toBe(message.length)
  }
})

test('a hidden AVP gives its value back to whoever knows the secret', () => {
  const value = craft.utf8('a value longer than one block of MD5')
  const randomVector = craft.fromHex('00112233445566778899aabbccddeeff')
  const hidden = craft.hiddenAvp(7, value, { secret: 'shared', randomVector, padding: new Uint8Array(5) })
  expect(hexOf(hidden.subarray(0, 6))).toBe('c031' + '0000' + '0007')

  const covered = Buffer.from(hidden.subarray(6))
  const plain = Buffer.alloc(covered.length)
  let mask = createHash('md5').update('\0\x07').update('shared').update(randomVector).digest()
  covered.forEach((byte, i) => {
    if (i > 0 && i % 16 === 0)
      mask = createHash('md5')
        .update('shared')
        .update(covered.subarray(i - 16, i))
        .digest()
    plain[i] = byte ^ mask[i % 16]
  })
  expect(plain.readUInt16BE(0)).toBe(value.length)
  expect(Uint8Array.from(plain.subarray(2, 2 + value.length))).toEqual(value)
})

test('the responses to challenges', () => {
  const challenge = craft.fromHex('deadbeef')
  const md5 = (id: number, secret: string) =>
    Uint8Array.from(createHash('md5').update(Buffer.of(id)).update(secret).update(challenge).digest())
  expect(craft.challengeResponse(2, 's', challenge)).toEqual(md5(2, 's'))
  expect(craft.chapMd5(200, 'pw', challenge)).toEqual(md5(200, 'pw'))
  expect(craft.msChapV2Response('pw', challenge, new Uint8Array(16))).toHaveLength(49)
  expect(craft.msChapV2Success(challenge)).toMatch(/^S=[0-9A-F]{40} M=/)
})

test('PPP with and without its address, its protocol in two bytes or one', () => {
  const payload = craft.fromHex('45')
  expect(hexOf(craft.ppp(0x21, payload))).toBe('ff03002145')
  expect(hexOf(craft.ppp(0x21, payload, { addressControl: false }))).toBe('002145')
  expect(hexOf(craft.ppp(0x21, payload, { addressControl: false, shortProtocol: true }))).toBe('2145')
  expect(hexOf(craft.ppp(0xc021, payload, { addressControl: false, shortProtocol: true }))).toBe('c02145')
})

test('the packets of the control protocols and of authentication', () => {
  const mru = craft.pppOption(craft.LCP_OPTION.mru, craft.be16(1400))
  expect(hexOf(craft.lcp(1, 7, [mru, craft.pppOption(7, new Uint8Array(0))]))).toBe('ff03c0210107000a010405780702')
  expect(hexOf(craft.ipcp(2, 1, [craft.pppOption(3, craft.ipBytes('10.0.0.1'))]))).toBe('ff0380210201000a03060a000001')
  expect(hexOf(craft.papRequest(1, 'bob', 'pw'))).toBe('ff03c0230101000b03626f62027077')
  expect(hexOf(craft.papResult(false, 1, 'no'))).toBe('ff03c02303010007026e6f')
  expect(hexOf(craft.chapChallenge(9, craft.fromHex('aabb'), 'lns'))).toBe('ff03c2230109000a02aabb6c6e73')
  expect(hexOf(craft.eapIdentity(2, 1, 'bob'))).toBe('ff03c2270201000801626f62')
  expect(hexOf(craft.eapMd5(1, 2, craft.fromHex('aa'), 'x'))).toBe('ff03c227010200080401aa78')
})
