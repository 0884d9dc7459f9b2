import { describe, expect, test } from 'vitest'
import { EspView } from '../../src/wire/esp.ts'
import {
  ENCRYPTIONS,
  type EspEncryption,
  type EspKeyMaterial,
  EspKeys,
  INTEGRITIES,
} from '../../src/wire/esp-algorithms.ts'
import { ESP_PLAIN_MAX, EspOpener } from '../../src/wire/esp-open.ts'
import { concat, fromHex, hello, ipv4, udp } from '../support/craft.ts'
import { counting, material, seal } from '../support/esp.ts'

const view = new EspView()
const plain = new Uint8Array(ESP_PLAIN_MAX)
const UDP = udp(hello())

function look(opener: EspOpener, packet: Uint8Array, wireEnd = packet.length): string {
  expect(view.decode(packet, 0, packet.length, wireEnd)).toBeNull()
  return opener.open(view, plain)
}

function openerOf(keys: EspKeyMaterial): EspOpener {
  return new EspOpener(new EspKeys(keys))
}

function contentOf({ bytes, contentStart, contentEnd }: EspOpener): string {
  return Buffer.from(bytes.subarray(contentStart, contentEnd)).toString('hex')
}

function hexOf(bytes: Uint8Array): string {
  return Buffer.from(bytes).toString('hex')
}

/** 64 octets, of which each key takes as many as it needs. */
const OCTETS = fromHex(
  '00122436485a6c7e90a2b4c6d8eafc0f21334557697b8d9fb1c3d5e7f90b1e30425466788a9caec0d2e4f6081a2d3f5163758799abbdcfe1f30517293c4e6072',
)

/** An L2TP acknowledgement in UDP, sealed by another implementation: 32-bit sequence numbers, then 64-bit ones that begin with 3. */
const SEALED: readonly (readonly [
  encryption: EspEncryption,
  keyLength: number,
  integrity: string,
  integrityKeyLength: number,
  short: string,
  long: string,
])[] = [
  [
    'NULL',
    0,
    'HMAC-SHA1-96',
    20,
    '06a506a50014a667c802000c000100000000000101020211ee9033a1cbceba3ed9fb1f15',
    '06a506a50014a667c802000c0001000000000001010202116c9a4a56e6ac4c4291fe29ce',
  ],
  [
    'NULL',
    0,
    'HMAC-MD5-96',
    16,
    '06a506a50014a667c802000c000100000000000101020211f972d25eb43168ef6398c7f0',
    '06a506a50014a667c802000c00010000000000010102021177846f9261390695dab52871',
  ],
  [
    'DES-CBC',
    8,
    'HMAC-MD5-96',
    16,
    '3031323334353637d43ac1a42ac1833f222d96848e78492ff89183a8832adf67a7018bc8b54602fc151d54a0',
    '3031323334353637d43ac1a42ac1833f222d96848e78492ff89183a8832adf673125d796a51f603f0befd8a1',
  ],
  [
    '3DES-CBC',
    24,
    'HMAC-SHA1-96',
    20,
    '3031323334353637c1fbedbceae7ab1dc2db8adcd206c296e8075286ba651e19ccb472dcab228202979657fb',
    '3031323334353637c1fbedbceae7ab1dc2db8adcd206c296e8075286ba651e19a3eb3c5ff265c3824a29f691',
  ],
  [
    'AES-CBC',
    16,
    'HMAC-SHA2-256-128',
    32,
    '303132333435363738393a3b3c3d3e3f752e8aaad28587d2fedc6fbc17a49a6f48a2f94a9e081b6acaebeb2f89564fcd69c732401c19ac067d7c0c51fe917272',
    '303132333435363738393a3b3c3d3e3f752e8aaad28587d2fedc6fbc17a49a6f48a2f94a9e081b6acaebeb2f89564fcda67d31dd85ce167a18aaa3fba67f8a97',
  ],
  [
    'AES-CBC',
    24,
    'HMAC-SHA2-384-192',
    48,
    '303132333435363738393a3b3c3d3e3f8f8be9835a15a316a91500c174fd6e8361b34da52685348ab8b274de52d73eda0ce659b264d6508992a0e211541a7fc4272b92c782bf63f0',
    '303132333435363738393a3b3c3d3e3f8f8be9835a15a316a91500c174fd6e8361b34da52685348ab8b274de52d73eda41518fb0ef2befb726aaa4cae9ad24c671aeb4a7c17b355b',
  ],
  [
    'AES-CBC',
    32,
    'HMAC-SHA2-512-256',
    64,
    '303132333435363738393a3b3c3d3e3fc5acb6c1b30946a507ae27cbe066f5b665987dcc718e7dab3beedecb9541d9ff529020a6d39eeb668c2bdcb45fd55cb7d6392426695a2d6fbe3ed218bb3afc4d',
    '303132333435363738393a3b3c3d3e3fc5acb6c1b30946a507ae27cbe066f5b665987dcc718e7dab3beedecb9541d9ffb8a5c11cb7478c8f8efb3acc0c62f0f3a767f41bf4eae1620865dc89b6dbfa68',
  ],
  [
    'AES-CBC',
    16,
    'AES-CMAC-96',
    16,
    '303132333435363738393a3b3c3d3e3f752e8aaad28587d2fedc6fbc17a49a6f48a2f94a9e081b6acaebeb2f89564fcd92abcdcbad2ba019a54f6dc4',
    '303132333435363738393a3b3c3d3e3f752e8aaad28587d2fedc6fbc17a49a6f48a2f94a9e081b6acaebeb2f89564fcddad7775bd9541be501d946f2',
  ],
  [
    'AES-CTR',
    20,
    'HMAC-SHA1-96',
    20,
    '30313233343536379498a04803f24bf84a2634045ae9012aed67f305d5a9721122a602f6e8e27adce21e9551',
    '30313233343536379498a04803f24bf84a2634045ae9012aed67f305d5a97211f4f851d4b83b2dfc81c4ed0c',
  ],
  [
    'AES-CTR',
    36,
    'HMAC-SHA1-96',
    20,
    '3031323334353637ed66bdcaf796081f5f87a1220ecf2204151c351cb740c2502b86bd42a37ca413fb19303b',
    '3031323334353637ed66bdcaf796081f5f87a1220ecf2204151c351cb740c2506e34e1bba4f3e03d3859e4a0',
  ],
  [
    'AES-GCM',
    20,
    'NULL',
    0,
    '3031323334353637ebc2f5a1d4bfd6672a6c4298b36a4cfd3a9d90f541055ccef4a2955f9197daf50972d83cfb629b12',
    '3031323334353637ebc2f5a1d4bfd6672a6c4298b36a4cfd3a9d90f541055ccec34f86327086fba2e0a0bc9353c0f6db',
  ],
  [
    'AES-GCM',
    28,
    'NULL',
    0,
    '30313233343536378332b7b0402aabe0ca8e8cc145979214281bb92407650bdec49d068e60bd6c152bfce67432096c6e',
    '30313233343536378332b7b0402aabe0ca8e8cc145979214281bb92407650bde31a94e690cb3f353c8695798fe94040e',
  ],
  [
    'AES-GCM',
    36,
    'NULL',
    0,
    '303132333435363713b933b8b6566626ca2472ad6fa57528e59fca47590e8a2735af1901cee0c8ac1d4834a519aca536',
    '303132333435363713b933b8b6566626ca2472ad6fa57528e59fca47590e8a276f5d558ba946fec32b1fbe92f1edab9c',
  ],
  [
    'AES-CCM',
    19,
    'NULL',
    0,
    '303132333435363712bf6c234bd43274ea4d09e7a31527eb15f2b503dedd0cea71f9bce164d0b2bc961331bb2a2a779a',
    '303132333435363712bf6c234bd43274ea4d09e7a31527eb15f2b503dedd0ceaf251d4462a3e39f796336dbea0c6e404',
  ],
  [
    'AES-CCM',
    35,
    'NULL',
    0,
    '30313233343536379db8023d6b4de950aecf47d9cbf188a44f98c8b0dbafbee5c0fe1db31ac2ec639bd5a5f19f0f770a',
    '30313233343536379db8023d6b4de950aecf47d9cbf188a44f98c8b0dbafbee5992907cf540e07fd91b10a49cc7ddc45',
  ],
  [
    'ChaCha20-Poly1305',
    36,
    'NULL',
    0,
    '3031323334353637d1941f24cfb3dc0e01deec1d80874458c225c11844a52f6ed1da1fac8a9ec7174822dcfb07be2cd8',
    '3031323334353637d1941f24cfb3dc0e01deec1d80874458c225c11844a52f6e4ff4d0ce6a0616b71d66e7d87cceff82',
  ],
  [
    'AES-GMAC',
    20,
    'NULL',
    0,
    '303132333435363706a506a50014a667c802000c0001000000000001010202112c6db3e12d8d23f0e8c72d79fab54346',
    '303132333435363706a506a50014a667c802000c000100000000000101020211ebd016aede51e2c0741629d1eecd133f',
  ],
]
const SEALED_HEADER = 'c0ffee0100000005'
const SEALED_CONTENT = '06a506a50014a667c802000c0001000000000001'

describe('EspOpener', () => {
  test.each(SEALED)('opens %s with %i octets of key and %s, with short and with long sequence numbers', (...row) => {
    const [encryption, keyLength, integrity, integrityKeyLength, short, long] = row
    const keys = {
      encryption,
      encryptionKey: OCTETS.subarray(0, keyLength),
      integrity,
      integrityKey: OCTETS.subarray(0, integrityKeyLength),
    }
    for (const [rest, high] of [
      [short, -1],
      [long, 3],
    ] as const) {
      const opener = openerOf(keys)
      expect(look(opener, fromHex(SEALED_HEADER + rest))).toBe('opened')
      expect(contentOf(opener)).toBe(SEALED_CONTENT)
      expect(opener).toMatchObject({ nextHeader: 17, flaw: null, sequenceHigh: high, opened: 1, failed: 0 })
    }
  })

  test('opens the packets of draft-mcgrew-gcm-test', () => {
    for (const [key, packet, high, content] of GCM_PACKETS) {
      const opener = openerOf({
        ...material('AES-GCM'),
        encryptionKey: fromHex(key),
        ...(high === -1 ? {} : { isExtended: true, sequenceHigh: high }),
      })
      expect(look(opener, fromHex(packet)), packet).toBe('opened')
      expect(opener.sequenceHigh).toBe(high)
      expect(contentOf(opener)).toMatch(content)
    }
  })

  test('checks AES-GMAC over the initialisation vector too', () => {
    const opener = openerOf({
      ...material('AES-GMAC'),
      encryptionKey: fromHex('4c80cdefbb5d10da906ac73c3613a634 22433c64'),
    })
    const content = '45000030da3a00008001df3bc0a80005c0a800010800c6cd020007006162636465666768696a6b6c6d6e6f7071727374'
    const packet = fromHex(`00004321 00000007 0000000000000000 ${content} 01020201 f2a9a836e155106aa8dcd618e4099aaa`)
    expect(look(opener, packet)).toBe('opened')
    expect(contentOf(opener)).toBe(content)
    packet[8] ^= 1
    expect(look(opener, packet)).toBe('corrupt')
  })

  test('opens the example of RFC 7634 appendix A', () => {
    const opener = openerOf({
      ...material('ChaCha20-Poly1305'),
      encryptionKey: concat(counting(32, 0x80), counting(4, 0xa0)),
    })
    const packet = fromHex(
      `01020304 00000005 1011121314151617
       24039428b97f417e3c13753a4f05087b67c352e6a7fab1b982d466ef407ae5c614ee8099d52844eb61aa95dfab4c02f7
       2aa71e7c4c4f64c9befe2facc638e8f3cbec163fac469b502773f6fb94e664da9165b82829f641e0
       76aaa8266b7fb0f7b11b369907e1ad43`.replace(/\s/g, ''),
    )
    expect(look(opener, packet)).toBe('opened')
    expect(contentOf(opener)).toMatch(/^45000054a6f200004001e778c6336405c0000205/)
    expect(opener).toMatchObject({ nextHeader: 4, padLength: 2 })
  })

  test('opens the example of RFC 3602 section 4, which nothing authenticates', () => {
    const opener = openerOf({
      ...material('AES-CBC'),
      encryptionKey: fromHex('90d382b410eeba7ad938c46cec1a82bf'),
    })
    const packet = fromHex(
      `00004321 00000001 e96e8c08ab465763fd098d45dd3ff893
       f663c25d325c18c6a9453e194e120849a4870b66cc6b9965330013b4898dc856a4699e523a55db080b59ec3a8e4b7e52
       775b07d1db34ed9c538ab50c551b874aa269add047ad2d5913ac19b7cfbad4a6`.replace(/\s/g, ''),
    )
    expect(look(opener, packet)).toBe('opened')
    expect(contentOf(opener)).toMatch(/^08000ebda70a0000/)
    expect(opener).toMatchObject({ nextHeader: 1, padLength: 14 })
  })

  test('opens a packet of every algorithm, of every length of key and check value', () => {
    for (const encryption of Object.keys(ENCRYPTIONS) as EspEncryption[]) {
      const { keyLengths, icvLengths } = ENCRYPTIONS[encryption]
      for (const keyLength of keyLengths) {
        for (const icvLength of icvLengths.length === 0 ? [undefined] : icvLengths) {
          const integrity = icvLength === undefined ? 'HMAC-SHA2-256-96' : 'NULL'
          const keys = material(encryption, integrity, { keyLength, ...(icvLength === undefined ? {} : { icvLength }) })
          const opener = openerOf(keys)
          expect(look(opener, seal(UDP, keys)), opener.keys.suite).toBe('opened')
          expect(contentOf(opener)).toBe(hexOf(UDP))
          expect(look(opener, seal(UDP, keys, { sequence: 2 }))).toBe('opened')
        }
      }
    }
  })

  test('opens a packet under every hash', () => {
    for (const [integrity, { mode }] of Object.entries(INTEGRITIES)) {
      if (mode === 'xcbc' || mode === 'cmac') continue
      const keys = material('AES-CBC', integrity)
      expect(look(openerOf(keys), seal(UDP, keys)), integrity).toBe('opened')
    }
  })

  test('content that was not encrypted is read where it is', () => {
    const keys = material('NULL', 'HMAC-SHA1-96')
    const packet = seal(UDP, keys)
    const opener = openerOf(keys)
    look(opener, packet)
    expect(opener.bytes).toBe(packet)
    expect(opener.contentStart).toBe(8)
  })
})

describe('the verdict', () => {
  const keys = material('AES-CBC', 'HMAC-SHA1-96')
  const packet = seal(UDP, keys)
  const damaged = packet.map((octet, at) => (at === 20 ? octet ^ 1 : octet))

  test('says that keys are wrong until they opened a packet, and that packets are corrupt from then on', () => {
    const opener = openerOf(keys)
    expect(look(opener, damaged)).toBe('wrong_key')
    expect(look(opener, packet)).toBe('opened')
    expect(look(opener, damaged)).toBe('corrupt')
    expect([opener.opened, opener.failed]).toEqual([1, 2])
  })

  test('every octet of the packet is authenticated, header and check value too', () => {
    for (const other of [
      keys,
      material('AES-GCM'),
      material('AES-CCM'),
      material('AES-GMAC'),
      material('ChaCha20-Poly1305'),
    ]) {
      const sealed = seal(UDP, other)
      const opener = openerOf(other)
      expect(look(opener, sealed)).toBe('opened')
      for (let at = 0; at < sealed.length; at++) {
        const changed = sealed.map((octet, index) => (index === at ? octet ^ 0x40 : octet))
        expect(look(opener, changed), `octet ${at}`).toBe('corrupt')
      }
    }
  })

  test('without an integrity check the trailer and the beginning of the content speak for the keys', () => {
    const open = material('AES-CBC', 'NULL')
    const sealed = seal(UDP, open)
    const right = openerOf(open)
    expect(look(right, sealed)).toBe('opened')
    const wrong = openerOf(material('AES-CBC', 'NULL', { first: 2 }))
    for (let sequence = 1; sequence <= 64; sequence++)
      expect(look(wrong, seal(UDP, open, { sequence }))).toBe('wrong_key')
    const unlikely = seal(ipv4(UDP), open, { nextHeader: 17 })
    expect(look(right, unlikely)).toBe('corrupt')
  })

  test('odd padding is a flaw of an authentic packet, and no reason to refuse it', () => {
    const opener = openerOf(keys)
    const zeros = new Uint8Array((16 - ((UDP.length + 2) % 16)) % 16)
    expect(look(opener, seal(UDP, keys, { padding: zeros }))).toBe('opened')
    expect(opener.flaw).toBe('esp.padding')
    expect(contentOf(opener)).toBe(hexOf(UDP))
  })

  test('a cut packet is snapped, one too short for its algorithms truncated; neither counts against the keys', () => {
    const opener = openerOf(keys)
    expect(look(opener, packet.subarray(0, 40), packet.length)).toBe('snapped')
    for (let length = 10; length < packet.length; length++)
      expect(look(opener, packet.subarray(0, length))).toMatch(/^(truncated|wrong_key)$/)
    expect(look(opener, packet.subarray(0, 36))).toBe('truncated')
    expect(look(openerOf(material('AES-GCM')), packet.subarray(0, 24))).toBe('truncated')
  })

  test('keys are tried on each of the first packets, and on all once they opened one', () => {
    const opener = openerOf(keys)
    for (let i = 0; i < 31; i++) expect(look(opener, damaged)).toBe('wrong_key')
    expect(look(opener, packet)).toBe('opened')
    for (let i = 0; i < 68; i++) expect(look(opener, damaged)).toBe('corrupt')
    expect(look(opener, packet)).toBe('opened')
  })

  test('a packet that holds a trailer and nothing else is opened', () => {
    const none = new Uint8Array(0)
    const plainKeys = material('NULL', 'HMAC-SHA1-96')
    const opener = openerOf(plainKeys)
    expect(look(opener, seal(none, plainKeys, { padding: none, nextHeader: 59 }))).toBe('opened')
    expect(contentOf(opener)).toBe('')
  })

  test('keys that never fit are tried ever more seldom, and still find the packet that they fit', () => {
    const opener = openerOf(keys)
    for (let i = 0; i < 200; i++) expect(look(opener, damaged)).toBe('wrong_key')
    let tries = 0
    while (look(opener, packet) !== 'opened') tries++
    expect(tries).toBeGreaterThan(0)
    expect(tries).toBeLessThan(200)
    expect(look(opener, packet)).toBe('opened')
  })
})

describe('extended sequence numbers', () => {
  const keys = material('AES-GCM')

  test('are found out from the first packet, and followed past their wrap and back', () => {
    const opener = openerOf(keys)
    const at = (sequenceHigh: number, sequence: number) => seal(UDP, keys, { sequenceHigh, sequence })
    expect(look(opener, at(0, 0xfffffffe))).toBe('opened')
    expect(opener.sequenceHigh).toBe(0)
    expect(look(opener, at(1, 1))).toBe('opened')
    expect(opener.sequenceHigh).toBe(1)
    expect(look(opener, at(0, 0xffffffff))).toBe('opened')
    expect(opener.sequenceHigh).toBe(0)
    expect(look(opener, at(1, 2))).toBe('opened')
    expect(look(opener, at(0, 0x80000002))).toBe('opened')
    expect(opener.sequenceHigh).toBe(0)
    expect(look(opener, seal(UDP, keys, { sequence: 3 }))).toBe('corrupt')
  })

  test('begin where the key file says', () => {
    const late = at(0x70, 5)
    expect(look(openerOf(keys), late)).toBe('wrong_key')
    const told = openerOf({ ...keys, isExtended: true, sequenceHigh: 0x6f })
    expect(look(told, late)).toBe('opened')
    expect(told.sequenceHigh).toBe(0x70)
    function at(sequenceHigh: number, sequence: number): Uint8Array {
      return seal(UDP, keys, { sequenceHigh, sequence })
    }
  })

  test('are not tried where the key file says that there are none', () => {
    const short = openerOf({ ...keys, isExtended: false })
    expect(look(short, seal(UDP, keys, { sequenceHigh: 0 }))).toBe('wrong_key')
    expect(look(short, seal(UDP, keys))).toBe('opened')
  })

  test('make the implicit initialisation vectors of RFC 8750', () => {
    for (const encryption of ['AES-GCM-IIV', 'AES-CCM-IIV', 'ChaCha20-Poly1305-IIV'] as const) {
      const implicit = material(encryption)
      const opener = openerOf(implicit)
      expect(look(opener, seal(UDP, implicit, { sequenceHigh: 2, sequence: 9 }))).toBe('opened')
      expect(opener.sequenceHigh).toBe(2)
    }
  })
})

/** Key with salt, packet, high half of the sequence number, and how the content begins. */
const GCM_PACKETS: readonly (readonly [string, string, number, RegExp])[] = [
  [
    '4c80cdefbb5d10da906ac73c3613a6342e443b68',
    '00004321 00000000 4956ed7e3b244cfe' +
      'fecf537e729d5b07dc30df528dd22b768d1b98736696a6fd348509fa13ceac34cfa2436f14a3f3cf65925bf1f4a13c5d' +
      '15b21e1884f5ff6247aeabb786b93bce61bc17d768fd9732459018148f6cbe722fd04796562dfdb4',
    0x87654321,
    /^45000048699a000080114db7c0a80102c0a80101/,
  ],
  [
    'feffe9928665731c6d6a8f9467308308cafebabe',
    '0000a5f8 0000000a facedbaddecaf888' +
      'deb22cd9b07c72c16e3a65beeb8df304a5a5897d33ae530f1ba76d5d114d2a5c3de81827c10e9a4f51330d0eec416642' +
      'cfbb85a5b47e48a4ec3b9ba95d918bd183b70d3aa8bc6ee4c309e9d85a41ad4a',
    -1,
    /^4500003e698f000080114dccc0a80102c0a80101/,
  ],
  [
    'abbccddef00112233445566778899aababbccddef00112233445566778899aab11223344',
    '4a2cbfe3 00000002 0102030405060708' +
      'ff425c9b724599df7a3bcd510194e00d6a78107f1b0b1cbf06efae9d65a5d763748a637985771d347f0545659f14e99d' +
      'ef842d8eb335f4eecfdbf831824b4c4915956c96',
    -1,
    /^/,
  ],
  [
    'feffe9928665731c6d6a8f9467308308feffe9928665731ccafebabe',
    '0000a5f8 0000000a facedbaddecaf888' +
      'a5b1f8066029aea40e598b8122de02420938b3ab33f828e687b8858b5bfbdbd0315b27452144cc77' +
      '95457b9652037f5318027b5b4cd7a636',
    -1,
    /^45/,
  ],
  [
    '7d773d00c144c525ac619d18c84a3f47d9664267',
    '335467ae ffffffff 43457e9182443bc6 437f866b cb3f699fe9b0822bac961c4504bef270',
    -1,
    /^$/,
  ],
]
