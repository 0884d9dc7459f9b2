import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { ETHERTYPE, LINKTYPE, LinkView, macText } from '../../src/wire/link.ts'
import { fromHex } from '../support/craft.ts'
import { inWindow } from '../support/window.ts'

const MACS = '020000000002 020000000001'
/** The first bytes of an IPv4 and of an IPv6 packet. */
const FOUR = '45000014'
const SIX = '60000000'

const view = new LinkView()

/** Link type, bytes before the payload, payload, EtherType, VLAN. */
const FRAMES: readonly (readonly [string, number, string, string, number, number])[] = [
  ['Ethernet', LINKTYPE.ETHERNET, `${MACS} 0800`, FOUR, ETHERTYPE.IPV4, -1],
  ['Ethernet with IPv6', LINKTYPE.ETHERNET, `${MACS} 86dd`, SIX, ETHERTYPE.IPV6, -1],
  ['Ethernet with ARP', LINKTYPE.ETHERNET, `${MACS} 0806`, '0001', ETHERTYPE.ARP, -1],
  ['a VLAN tag with priority', LINKTYPE.ETHERNET, `${MACS} 8100 e007 0800`, FOUR, ETHERTYPE.IPV4, 7],
  ['VLAN 0, which is a priority only', LINKTYPE.ETHERNET, `${MACS} 8100 6000 0800`, FOUR, ETHERTYPE.IPV4, 0],
  [
    'a service tag outside a customer tag',
    LINKTYPE.ETHERNET,
    `${MACS} 88a8 0064 8100 0007 0800`,
    FOUR,
    ETHERTYPE.IPV4,
    100,
  ],
  ['two tags of the old kind', LINKTYPE.ETHERNET, `${MACS} 9100 0064 9100 0007 86dd`, SIX, ETHERTYPE.IPV6, 100],
  ['a stack of MPLS labels', LINKTYPE.ETHERNET, `${MACS} 8847 00010040 00020140`, FOUR, ETHERTYPE.IPV4, -1],
  ['multicast MPLS with IPv6', LINKTYPE.ETHERNET, `${MACS} 8848 00020140`, SIX, ETHERTYPE.IPV6, -1],
  [
    'a pseudowire with a control word',
    LINKTYPE.ETHERNET,
    `${MACS} 8847 00020140 00000000 ${MACS} 8100 0009 0800`,
    FOUR,
    ETHERTYPE.IPV4,
    9,
  ],
  ['LLC with SNAP', LINKTYPE.ETHERNET, `${MACS} 000c aaaa03000000 0800`, FOUR, ETHERTYPE.IPV4, -1],
  ['PPPoE', LINKTYPE.ETHERNET, `${MACS} 8864 1100 0001 0006 0021`, FOUR, ETHERTYPE.IPV4, -1],
  ['PPPoE in a VLAN', LINKTYPE.ETHERNET, `${MACS} 8100 000a 8864 1100 0001 0006 0057`, SIX, ETHERTYPE.IPV6, 10],
  ['PPPoE with a control protocol', LINKTYPE.ETHERNET, `${MACS} 8864 1100 0001 0006 c021`, '0101', 0, -1],
  ['raw IPv4', LINKTYPE.RAW, '', FOUR, ETHERTYPE.IPV4, -1],
  ['raw IPv6', LINKTYPE.RAW, '', SIX, ETHERTYPE.IPV6, -1],
  ['raw, as BSD numbers it', LINKTYPE.RAW_BSD, '', FOUR, ETHERTYPE.IPV4, -1],
  ['raw, as OpenBSD numbers it', LINKTYPE.RAW_OPENBSD, '', FOUR, ETHERTYPE.IPV4, -1],
  ['IPv4 only', LINKTYPE.IPV4, '', FOUR, ETHERTYPE.IPV4, -1],
  ['IPv6 only', LINKTYPE.IPV6, '', SIX, ETHERTYPE.IPV6, -1],
  ['raw bytes that are no IP', LINKTYPE.RAW, '', '1234', 0, -1],
  ['Linux cooked', LINKTYPE.LINUX_SLL, '0000 0001 0006 020000000001 0000 0800', FOUR, ETHERTYPE.IPV4, -1],
  [
    'Linux cooked with a VLAN tag',
    LINKTYPE.LINUX_SLL,
    '0000 0001 0006 020000000001 0000 8100 0005 86dd',
    SIX,
    ETHERTYPE.IPV6,
    5,
  ],
  [
    'Linux cooked, version 2',
    LINKTYPE.LINUX_SLL2,
    '0800 0000 00000002 0001 00 06 0200000000010000',
    FOUR,
    ETHERTYPE.IPV4,
    -1,
  ],
  ['BSD loopback of a little-endian host', LINKTYPE.NULL, '02000000', FOUR, ETHERTYPE.IPV4, -1],
  ['BSD loopback with the IPv6 family of macOS', LINKTYPE.NULL, '1e000000', SIX, ETHERTYPE.IPV6, -1],
  ['OpenBSD loopback', LINKTYPE.LOOP, '00000018', SIX, ETHERTYPE.IPV6, -1],
  ['PPP with address and control', LINKTYPE.PPP, 'ff03 0021', FOUR, ETHERTYPE.IPV4, -1],
  ['PPP with both compressions', LINKTYPE.PPP, '57', SIX, ETHERTYPE.IPV6, -1],
  ['PPP in HDLC-like framing', LINKTYPE.PPP_HDLC, 'ff03 0021', FOUR, ETHERTYPE.IPV4, -1],
  ['PPP of pppd', LINKTYPE.PPP_PPPD, 'ff03 21', FOUR, ETHERTYPE.IPV4, -1],
  ['PPP with a direction', LINKTYPE.PPP_WITH_DIR, '01 ff03 0021', FOUR, ETHERTYPE.IPV4, -1],
  ['PPPoE without Ethernet', LINKTYPE.PPP_ETHER, '1100 0001 0006 0021', FOUR, ETHERTYPE.IPV4, -1],
  ['Cisco HDLC', LINKTYPE.C_HDLC, '0f00 0800', FOUR, ETHERTYPE.IPV4, -1],
  ['Cisco HDLC that the capture calls PPP', LINKTYPE.PPP_HDLC, '8f00 86dd', SIX, ETHERTYPE.IPV6, -1],
]

test.each(FRAMES)('%s', (_, linkType, header, payload, etherType, vlanId) => {
  const bytes = fromHex(header + payload)
  expect(view.decode(bytes, 0, bytes.length, linkType)).toBeNull()
  expect(view).toMatchObject({ etherType, vlanId, payloadStart: fromHex(header).length, payloadEnd: bytes.length })
})

test.each(FRAMES)('%s: every cut is a flaw, or leaves a payload inside the frame', (_, linkType, header, payload) => {
  const bytes = fromHex(header + payload)
  const headerLength = fromHex(header).length
  for (let end = 0; end < bytes.length; end++) {
    const flaw = view.decode(bytes, 0, end, linkType)
    if (flaw !== null) expect(flaw).toBe('link.truncated')
    else expect(view.payloadStart).toBeLessThanOrEqual(end)
    // Half a header must not pass for IP.
    if (end < headerLength && flaw === null) expect([ETHERTYPE.IPV4, ETHERTYPE.IPV6]).not.toContain(view.etherType)
    expect(view.payloadEnd).toBe(end)
  }
})

describe('what cannot be walked', () => {
  test('an unknown link type is unsupported', () => {
    expect(view.decode(fromHex(FOUR), 0, 4, 147)).toBe('link.unsupported')
  })

  test('tags and labels without end are too deep', () => {
    const tags = fromHex(`${MACS} 8100 ${'0001 8100'.repeat(40)}`)
    expect(view.decode(tags, 0, tags.length, LINKTYPE.ETHERNET)).toBe('link.too_deep')
    const labels = fromHex(`${MACS} 8847 ${'00010040'.repeat(40)}`)
    expect(view.decode(labels, 0, labels.length, LINKTYPE.ETHERNET)).toBe('link.too_deep')
  })

  test('an 802.3 frame without SNAP has no EtherType', () => {
    const spanningTree = fromHex(`${MACS} 0026 424203 0000000000`)
    expect(view.decode(spanningTree, 0, spanningTree.length, LINKTYPE.ETHERNET)).toBeNull()
    expect(view.etherType).toBe(0)
  })

  test('nothing of the frame before is left', () => {
    const tagged = fromHex(`${MACS} 8100 0007 0800 ${FOUR}`)
    view.decode(tagged, 0, tagged.length, LINKTYPE.ETHERNET)
    expect(view.decode(tagged, 0, 5, LINKTYPE.ETHERNET)).toBe('link.truncated')
    expect(view).toMatchObject({ vlanId: -1, etherType: 0 })
  })
})

test('the innermost stations are told, and where the header of a PPPoE session stands', () => {
  const frames: [linkType: number, header: string, stationsAt: number, pppoeAt: number][] = [
    [LINKTYPE.ETHERNET, `${MACS} 0800`, 0, -1],
    [LINKTYPE.ETHERNET, `${MACS} 8864 1100 0001 0006 0021`, 0, 14],
    [LINKTYPE.ETHERNET, `${MACS} 8100 000a 8864 1100 0001 0006 c021`, 0, 18],
    [LINKTYPE.ETHERNET, `${MACS} 8847 00010140 00000000 ${MACS} 8864 1100 0001 0006 0021`, 22, 36],
    [LINKTYPE.ETHERNET, `${MACS} 8863 1109 0000 0000`, 0, -1],
    [LINKTYPE.PPP_ETHER, '1100 0001 0006 0021', -1, 0],
    [LINKTYPE.RAW, '', -1, -1],
  ]
  for (const [linkType, header, stationsAt, pppoeAt] of frames) {
    const bytes = fromHex(header + FOUR)
    expect(view.decode(bytes, 0, bytes.length, linkType)).toBeNull()
    expect(view).toMatchObject({ stationsAt, pppoeAt })
  }
})

test('a MAC address has colons', () => {
  expect(macText(fromHex('ff 020000000a0b'), 1)).toBe('02:00:00:00:0a:0b')
})

test('whatever the bytes, nothing outside the window is read and the payload lies inside', () => {
  const linkType = fc.constantFrom(...Object.values(LINKTYPE), 147)
  const noise = fc.uint8Array({ maxLength: 40 })
  const damaged = fc.tuple(fc.constantFrom(...FRAMES), noise, fc.nat(60)).map(([[, , header, payload], xor, cut]) => {
    const bytes = fromHex(header + payload)
    for (let i = 0; i + 1 < xor.length; i += 2) if (xor[i] < 64) bytes[xor[i] % bytes.length] ^= xor[i + 1]
    return bytes.subarray(0, cut)
  })
  fc.assert(
    fc.property(fc.oneof(noise, damaged), linkType, (bytes, type) => {
      const { among, elsewhere } = inWindow(bytes, (buffer, start, end) => {
        const link = new LinkView()
        const flaw = link.decode(buffer, start, end, type)
        expect(link.payloadEnd).toBe(end)
        expect(link.payloadStart).toBeLessThanOrEqual(end)
        return { flaw, etherType: link.etherType, vlanId: link.vlanId, payloadStart: link.payloadStart - start }
      })
      expect(among).toEqual(elsewhere)
    }),
    { numRuns: 2000 },
  )
})
