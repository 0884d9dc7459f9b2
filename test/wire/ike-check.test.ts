import { describe, expect, test } from 'vitest'
import { IkeView } from '../../src/wire/ike.ts'
import { isKeyExchangeLength } from '../../src/wire/ike-check.ts'
import { describeIke } from '../../src/wire/ike-describe.ts'
import { be16, be32, concat, utf8 } from '../support/craft.ts'
import {
  COOKIE_R,
  encrypted,
  message,
  type MessageFields,
  notify1,
  notify2,
  type Payload,
  protectedMessage,
  sa1,
  sa2,
  transform1,
} from '../support/ike.ts'

function findings(bytes: Uint8Array): readonly string[] {
  const view = new IkeView()
  expect(view.decode(bytes, 0, bytes.length)).toBeNull()
  return describeIke(view).flaws
}

const SA1: Payload = [1, sa1([transform1([7, 2, 1, 14])])]
const SA2: Payload = [
  33,
  sa2([
    [1, 12, 256],
    [2, 5],
    [3, 12],
    [4, 14],
  ]),
]
const KE1: Payload = [4, new Uint8Array(256).fill(3)]
const NONCE1: Payload = [10, new Uint8Array(16).fill(4)]
const ID1: Payload = [5, concat(Uint8Array.of(2, 0, 0, 0), utf8('vpn'))]
const ke2 = (group: number, value: Uint8Array): Payload => [34, concat(be16(group), be16(0), value)]
const KE2 = ke2(14, new Uint8Array(256).fill(3))
const NONCE2: Payload = [40, new Uint8Array(32).fill(4)]

const main = (payloads: readonly Payload[], fields: MessageFields = {}) => message(fields, payloads)
const aggressive = (payloads: readonly Payload[], fields: MessageFields = {}) =>
  message({ exchange: 4, ...fields }, payloads)
const init = (payloads: readonly Payload[], fields: MessageFields = {}) =>
  message({ version: 0x20, exchange: 34, flags: 8, ...fields }, payloads)
const answer = (payloads: readonly Payload[], fields: MessageFields = {}) =>
  init(payloads, { responder: COOKIE_R, flags: 0x20, ...fields })

test.each([
  ['main mode', main([SA1])],
  ['main mode, third message', main([KE1, NONCE1], { responder: COOKIE_R })],
  ['aggressive mode', aggressive([SA1, KE1, NONCE1, ID1])],
  ['a refusal of main mode', main([[11, notify1(14)]], { exchange: 5, responder: COOKIE_R, messageId: 9 })],
  ['an encrypted message', encrypted({ responder: COOKIE_R }, 80)],
  ['IKE_SA_INIT', init([SA2, KE2, NONCE2])],
  ['IKE_SA_INIT with a cookie', init([[41, notify2(16390, new Uint8Array(64))], SA2, KE2, NONCE2])],
  ['an answer', answer([SA2, KE2, NONCE2])],
  ['a demand for a cookie', answer([[41, notify2(16390, new Uint8Array(20))]], { responder: '0000000000000000' })],
  ['a demand for another group', answer([[41, notify2(17, be16(14))]], { responder: '0000000000000000' })],
  ['a protected message', protectedMessage({ exchange: 35, flags: 8, messageId: 1, responder: COOKIE_R }, 200)],
  ['AuthIP', main([SA1], { exchange: 243 })],
])('%s has no finding', (_, bytes) => {
  expect(findings(bytes)).toEqual([])
})

describe('a finding is', () => {
  test.each([
    ['an exchange that nobody registered', main([SA1], { exchange: 99 }), 'ike.exchange_type'],
    ['an exchange of the other version', init([SA2, KE2, NONCE2], { exchange: 2 }), 'ike.exchange_type'],
    ['a flag that means nothing', main([SA1], { flags: 0x80 }), 'ike.flags'],
    ['a flag of IKEv1 in IKEv2', init([SA2, KE2, NONCE2], { flags: 9 }), 'ike.flags'],
    ['a message id in main mode', main([SA1], { messageId: 7 }), 'ike.message_id'],
    ['a message id in IKE_SA_INIT', init([SA2, KE2, NONCE2], { messageId: 7 }), 'ike.message_id'],
    [
      'an SA of a responder without SPI',
      answer([SA2, KE2, NONCE2], { responder: '0000000000000000' }),
      'ike.responder_spi_zero',
    ],
    ['main mode without SA', main([NONCE1]), 'ike.payload_missing'],
    ['aggressive mode without identity', aggressive([SA1, KE1, NONCE1]), 'ike.payload_missing'],
    ['IKE_SA_INIT without key exchange', init([SA2, NONCE2]), 'ike.payload_missing'],
    ['IKE_SA_INIT without nonce', init([SA2, KE2]), 'ike.payload_missing'],
    ['an answer without key exchange', answer([SA2, NONCE2]), 'ike.payload_missing'],
    ['a payload that nobody registered, and that is critical', criticalUnknown(), 'ike.critical_unknown'],
    ['a public value of the wrong length', init([SA2, ke2(14, new Uint8Array(128).fill(3)), NONCE2]), 'ike.ke_length'],
    ['a public value of zero', init([SA2, ke2(14, new Uint8Array(256)), NONCE2]), 'ike.ke_value'],
    ['a public value of one', init([SA2, ke2(14, concat(new Uint8Array(252), be32(1))), NONCE2]), 'ike.ke_value'],
    [
      'a public value of ones only',
      main([[4, new Uint8Array(128).fill(255)]], { responder: COOKIE_R }),
      'ike.ke_value',
    ],
    ['a short nonce of IKEv1', main([KE1, [10, new Uint8Array(7)]], { responder: COOKIE_R }), 'ike.nonce_length'],
    ['a short nonce of IKEv2', init([SA2, KE2, [40, new Uint8Array(15)]]), 'ike.nonce_length'],
    ['a long nonce', init([SA2, KE2, [40, new Uint8Array(257)]]), 'ike.nonce_length'],
    ['an empty cookie', answer([[41, notify2(16390)]]), 'ike.cookie_length'],
    ['a long cookie', answer([[41, notify2(16390, new Uint8Array(65))]]), 'ike.cookie_length'],
    ['an empty identity', aggressive([SA1, KE1, NONCE1, [5, Uint8Array.of(2, 0, 0, 0)]]), 'ike.identity_length'],
    [
      'a huge identity',
      aggressive([SA1, KE1, NONCE1, [5, concat(Uint8Array.of(2, 0, 0, 0), new Uint8Array(513).fill(65))]]),
      'ike.identity_length',
    ],
    [
      'a huge attribute',
      main([[1, sa1([transform1([7, 2, 1, 14], [concat(be16(6), be16(1025), new Uint8Array(1025))])])]]),
      'ike.attribute_oversized',
    ],
    [
      'fragment 0 of IKEv1',
      message({ next: 132 }, [[132, concat(be16(1), Uint8Array.of(0, 0), new Uint8Array(8))]]),
      'ike.fragment_number',
    ],
    ['fragment 0 of IKEv2', skf(0, 3), 'ike.fragment_number'],
    ['fragment 4 of 3', skf(4, 3), 'ike.fragment_number'],
  ])('%s', (_, bytes, finding) => {
    expect(findings(bytes)).toEqual([finding])
  })

  test('an error in the first request, which needs no payload but a command in it', () => {
    const exploit = init([[41, concat(Uint8Array.of(1, 0), be16(14), utf8('aaaa";id;echo -n "'))]])
    expect(findings(exploit)).toEqual(['ike.error_in_request', 'ike.payload_missing'])
    expect(findings(main([SA1, [11, notify1(14)]]))).toEqual(['ike.error_in_request'])
  })

  test('not what cannot be known of a message that is cut or broken', () => {
    const bytes = init([NONCE2])
    const view = new IkeView()
    expect(view.decode(bytes, 0, bytes.length - 4, bytes.length)).toBeNull()
    expect(describeIke(view).flaws).toEqual(['ike.payload_truncated'])
  })
})

test.each([
  [14, true, 256, true],
  [14, true, 254, true],
  [14, true, 253, false],
  [14, true, 257, false],
  [36, true, 1184, true],
  [36, false, 1088, true],
  [36, false, 1184, false],
  [31, true, 32, true],
  [999, true, 5, true],
])('a value of group %i (initiator: %s) with %i octets: %s', (group, isInitiator, length, expected) => {
  expect(isKeyExchangeLength(group, isInitiator, length)).toBe(expected)
})

function criticalUnknown(): Uint8Array {
  const bytes = init([[99, new Uint8Array(4)], SA2, KE2, NONCE2])
  bytes[29] = 0x80
  return bytes
}

function skf(number: number, total: number): Uint8Array {
  return message({ version: 0x20, exchange: 35, flags: 8, messageId: 1, responder: COOKIE_R }, [
    [53, concat(be16(number), be16(total), new Uint8Array(40))],
  ])
}
