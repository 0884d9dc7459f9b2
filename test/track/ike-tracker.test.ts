import { createHash } from 'node:crypto'
import * as fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { be16, be32, concat, fromHex, ipBytes, utf8 } from '../support/craft.ts'
import {
  COOKIE_I,
  COOKIE_R,
  encrypted,
  message,
  NO_COOKIE,
  notify1,
  notify2,
  protectedMessage,
  sa1,
  transform1,
} from '../support/ike.ts'
import { CLIENT, init2, KE, mainMode, NONCE, PAIR, SA, SERVER, Tap } from '../support/ike-tap.ts'

const RSA = sa1([transform1([7, 2, 3, 2])])
const INIT: readonly (readonly [number, number, number?])[] = [
  [1, 12, 256],
  [2, 5],
  [3, 12],
  [4, 14],
]

function natd(algorithm: string, cookies: string, address: string, port: number): Uint8Array {
  return Uint8Array.from(
    createHash(algorithm).update(fromHex(cookies)).update(ipBytes(address)).update(be16(port)).digest(),
  )
}

const ID = concat(Uint8Array.of(2, 0, 0, 0), utf8('vpngroup'))

describe('main mode', () => {
  test('begins, is established with message 6, counts quick modes, and closes when it falls silent', () => {
    const tap = new Tap()
    mainMode(tap, 6)
    expect(tap.names).toEqual(['started', 'established'])
    expect(tap.last).toMatchObject({
      'source.ip': CLIENT,
      'destination.ip': SERVER,
      'network.protocol': 'ike',
      'ike.version': '1.0',
      'ike.mode': 'main',
      'ike.phase': 'main mode message 6',
      'ike.initiator.cookie': COOKIE_I,
      'ike.responder.cookie': COOKIE_R,
      'ike.proposal.offered': ['AES-CBC/SHA1/modp1024/PSK'],
      'ike.proposal.count': 1,
      'ike.proposal.chosen': 'AES-CBC/SHA1/modp1024/PSK',
      'ike.group': 'modp1024',
      'ike.authentication.method': 'PSK',
      'ike.initiator.vendors': ['strongSwan'],
    })
    for (const messageId of [7, 7, 8]) tap.up(encrypted({ ...PAIR, exchange: 32, messageId }, 100, messageId))
    tap.down(encrypted({ ...PAIR, exchange: 5, messageId: 99 }, 60))
    tap.wait(3700)
    expect(tap.names).toEqual(['started', 'established', 'closed'])
    expect(tap.last).toMatchObject({
      'ike.closed_by': 'silence',
      'ike.child_exchanges': 2,
      'ike.informational_exchanges': 1,
      'ike.retransmissions': 1,
      'ike.messages': 9,
      'source.packets': 6,
      'destination.packets': 4,
    })
    expect(tap.wait(60).tracker.size).toBe(0)
  })

  test('that is answered with an encrypted notification after message 5 failed to authenticate', () => {
    const tap = new Tap()
    mainMode(tap, 5)
    tap.down(encrypted({ ...PAIR, exchange: 5, messageId: 1 }, 48))
    tap.up(encrypted(PAIR, 80, 5))
    tap.down(encrypted({ ...PAIR, exchange: 5, messageId: 2 }, 48, 1))
    expect(tap.names).toEqual(['started', 'failed'])
    expect(tap.last).toMatchObject({
      'event.outcome': 'failure',
      'ike.failure.inferred': true,
      'ike.closed_by': 'responder',
      'ike.phase': 'main mode message 5',
    })
  })

  test('whose message 5 is not answered failed as well, as far as can be seen', () => {
    const tap = new Tap()
    mainMode(tap, 5)
    tap.wait(32)
    expect(tap.last).toMatchObject({
      'ike.failure.inferred': true,
      'event.outcome': 'failure',
      'ike.closed_by': 'silence',
    })
  })

  test('refused in the clear fails with the notification', () => {
    const tap = new Tap()
    mainMode(tap, 1)
    tap.down(message({ ...PAIR, exchange: 5, messageId: 5 }, [[11, notify1(14)]]))
    expect(tap.names).toEqual(['started', 'failed'])
    expect(tap.last).toMatchObject({
      'ike.notification': 'NO-PROPOSAL-CHOSEN',
      'event.reason': 'the responder refused main mode message 1 with NO-PROPOSAL-CHOSEN',
    })
  })

  test('goes on after a notification of the initiator, who may still find a way', () => {
    const tap = new Tap()
    mainMode(tap, 2)
    tap.up(message({ responder: NO_COOKIE, exchange: 5 }, [[11, notify1(14)]]))
    mainMode(tap, 6)
    expect(tap.names).toEqual(['started', 'established'])
    expect(tap.last).toMatchObject({ 'ike.notification': 'NO-PROPOSAL-CHOSEN' })
  })

  test('that nobody answers is given up, once, however often it is repeated', () => {
    const tap = new Tap()
    for (let i = 0; i < 3; i++) {
      mainMode(tap, 1)
      tap.wait(5)
    }
    tap.wait(40)
    expect(tap.names).toEqual(['started', 'failed'])
    expect(tap.last).toMatchObject({
      'event.reason': 'no answer to 3 messages, silent for 30 s',
      'ike.retransmissions': 2,
    })
  })

  test('is seen through when the tap misses the responder', () => {
    const tap = new Tap()
    tap.up(message({}, [[1, SA]]))
    tap.up(
      message(PAIR, [
        [4, KE],
        [10, NONCE],
      ]),
    )
    tap.up(encrypted(PAIR, 80))
    tap.up(encrypted({ ...PAIR, exchange: 32, messageId: 3 }, 80, 8))
    expect(tap.names).toEqual(['started', 'established'])
  })

  test('sent in fragments is put together', () => {
    const tap = new Tap()
    mainMode(tap, 1)
    const whole = message(PAIR, [
      [1, RSA],
      [13, utf8('vendor-text')],
    ])
    const piece = (number: number, last: number, bytes: Uint8Array) =>
      message({ ...PAIR, next: 132 }, [[132, concat(be16(1), Uint8Array.of(number, last), bytes)]])
    tap.down(piece(2, 1, whole.subarray(50)))
    tap.down(piece(1, 0, whole.subarray(0, 50)))
    tap.wait(40)
    expect(tap.last).toMatchObject({ 'ike.authentication.method': 'RSA-SIG', 'ike.responder.vendors': ['vendor-text'] })
  })
})

describe('aggressive mode', () => {
  function aggressive(tap: Tap, sa: Uint8Array, proof: number): void {
    tap.up(
      message({ exchange: 4 }, [
        [1, sa],
        [4, KE],
        [10, NONCE],
        [5, ID],
      ]),
    )
    tap.down(
      message({ ...PAIR, exchange: 4 }, [
        [1, sa],
        [4, KE],
        [10, NONCE],
        [5, concat(Uint8Array.of(1, 0, 0, 0), ipBytes(SERVER))],
        [proof, new Uint8Array(20)],
      ]),
    )
  }

  test('shows both identities, and with a pre-shared key a hash that can be guessed offline', () => {
    const tap = new Tap()
    aggressive(tap, SA, 8)
    tap.up(encrypted({ ...PAIR, exchange: 4 }, 60))
    expect(tap.names).toEqual(['started', 'established'])
    expect(tap.last).toMatchObject({
      'ike.mode': 'aggressive',
      'ike.initiator.identity': 'vpngroup',
      'ike.initiator.identity_type': 'ID_FQDN',
      'ike.responder.identity': SERVER,
      'ike.hash_exposed': true,
    })
  })

  test('with signatures exposes none', () => {
    const tap = new Tap()
    aggressive(tap, RSA, 9)
    tap.up(encrypted({ ...PAIR, exchange: 4 }, 60))
    expect(tap.last['ike.hash_exposed']).toBeUndefined()
  })

  test('that the initiator answers with a notification failed', () => {
    const tap = new Tap()
    aggressive(tap, SA, 8)
    tap.up(encrypted({ ...PAIR, exchange: 5, messageId: 1 }, 64))
    expect(tap.names).toEqual(['started', 'failed'])
    expect(tap.last).toMatchObject({
      'ike.closed_by': 'initiator',
      'ike.hash_exposed': true,
      'ike.failure.inferred': true,
    })
  })
})

describe('NAT', () => {
  const exchangeNatd = (sourceAddress: string) => {
    const tap = new Tap()
    mainMode(tap, 2)
    const hashes = [
      natd('sha1', COOKIE_I + COOKIE_R, SERVER, 500),
      natd('sha1', COOKIE_I + COOKIE_R, sourceAddress, 500),
    ]
    tap.up(
      message(PAIR, [
        [4, KE],
        [10, NONCE],
        [20, hashes[0]],
        [20, hashes[1]],
      ]),
    )
    tap.up(concat(be32(0), encrypted(PAIR, 80, 5)), 4500)
    tap.down(concat(be32(0), encrypted(PAIR, 80, 6)), 4500)
    return tap.last
  }

  test('is detected by hashes that are not those of the addresses', () => {
    expect(exchangeNatd(CLIENT)).toMatchObject({ 'ike.nat.detected': 'none', 'ike.nat.floated': true })
    expect(exchangeNatd('10.0.0.5')).toMatchObject({ 'ike.nat.detected': 'initiator' })
  })

  test('of IKEv2 is detected by two notifications', () => {
    const tap = new Tap()
    const cookies = COOKIE_I + NO_COOKIE
    const payloads = (source: string, target: string): [number, Uint8Array][] => [
      ...init2(INIT),
      [41, notify2(16388, natd('sha1', cookies, source, 500))],
      [41, notify2(16389, natd('sha1', cookies, target, 500))],
    ]
    tap.up(message({ version: 0x20, exchange: 34, flags: 8 }, payloads(CLIENT, '10.9.9.9')))
    expect(tap.last).toMatchObject({ 'ike.nat.detected': 'responder' })
  })

  test('keepalives and ESP on port 4500 are none of this', () => {
    const tap = new Tap()
    tap.up(Uint8Array.of(0xff), 4500)
    tap.up(fromHex('c0ffee01 00000001 0011'), 4500)
    expect(tap.events).toEqual([])
    expect(tap.tracker.size).toBe(0)
  })
})

describe('IKEv2', () => {
  const V2 = { ...PAIR, version: 0x20 }
  const request = (messageId: number, length: number, exchange = 35) =>
    protectedMessage({ ...V2, exchange, flags: 8, messageId }, length)
  const response = (messageId: number, length: number, exchange = 35) =>
    protectedMessage({ ...V2, exchange, flags: 0x20, messageId }, length)

  function init(tap: Tap): void {
    tap.up(message({ version: 0x20, exchange: 34, flags: 8 }, init2([...INIT, [4, 31]])))
    tap.down(message({ ...V2, exchange: 34, flags: 0x20 }, init2(INIT)))
  }

  test('is established when IKE_AUTH was answered at length', () => {
    const tap = new Tap()
    init(tap)
    tap.up(request(1, 250))
    tap.down(response(1, 220))
    tap.wait(5)
    expect(tap.names).toEqual(['started', 'established'])
    expect(tap.last).toMatchObject({
      'ike.version': '2.0',
      'ike.mode': 'IKE_SA_INIT',
      'ike.proposal.offered': ['ENCR_AES_CBC_256/PRF_HMAC_SHA2_256/AUTH_HMAC_SHA2_256_128/modp2048+curve25519'],
      'ike.proposal.chosen': 'ENCR_AES_CBC_256/PRF_HMAC_SHA2_256/AUTH_HMAC_SHA2_256_128/modp2048',
      'ike.encryption': 'ENCR_AES_CBC_256',
    })
    tap.up(request(2, 200, 36))
    tap.down(response(2, 200, 36))
    tap.tracker.finish(tap.nowUs)
    expect(tap.last).toMatchObject({ 'ike.child_exchanges': 1, 'ike.closed_by': 'capture_end' })
  })

  test('with an IKE_AUTH response that holds one notification failed to authenticate', () => {
    const tap = new Tap()
    init(tap)
    tap.up(request(1, 250))
    tap.down(response(1, 48))
    tap.wait(5)
    expect(tap.names).toEqual(['started', 'failed'])
    expect(tap.last).toMatchObject({ 'ike.failure.inferred': true, 'event.outcome': 'failure' })
  })

  test('with EAP has rounds, and the last response tells', () => {
    const rounds = (last: number) => {
      const tap = new Tap()
      init(tap)
      for (const [messageId, length] of [
        [1, 1200],
        [2, 80],
        [3, 48],
        [4, last],
      ]) {
        tap.up(request(messageId, 60))
        tap.down(response(messageId, length))
        tap.wait(1)
      }
      return tap.wait(5).names
    }
    expect(rounds(220)).toEqual(['started', 'established'])
    expect(rounds(48)).toEqual(['started', 'failed'])
  })

  test('asked for another group goes on with the same SPI', () => {
    const tap = new Tap()
    tap.up(message({ version: 0x20, exchange: 34, flags: 8 }, init2([[4, 31]])))
    tap.down(message({ version: 0x20, exchange: 34, flags: 0x20 }, [[41, notify2(17, be16(14))]]))
    init(tap)
    tap.up(request(1, 250))
    tap.down(response(1, 220))
    tap.up(request(2, 48, 37))
    expect(tap.names).toEqual(['started', 'established'])
    expect(tap.last).toMatchObject({ 'ike.notification': 'INVALID_KE_PAYLOAD' })
  })

  test('refused in IKE_SA_INIT fails at once', () => {
    const tap = new Tap()
    tap.up(message({ version: 0x20, exchange: 34, flags: 8 }, init2([[4, 1]])))
    tap.down(message({ version: 0x20, exchange: 34, flags: 0x20 }, [[41, notify2(14)]]))
    expect(tap.names).toEqual(['started', 'failed'])
    expect(tap.last).toMatchObject({ 'ike.notification': 'NO_PROPOSAL_CHOSEN', 'ike.closed_by': 'responder' })
  })
})

describe('an SA whose beginning was not seen', () => {
  test('is followed when both ends speak, and closed as adopted', () => {
    const tap = new Tap()
    tap.up(encrypted({ ...PAIR, exchange: 5, messageId: 1 }, 64))
    tap.down(encrypted({ ...PAIR, exchange: 5, messageId: 2 }, 64, 1))
    tap.tracker.finish(tap.nowUs)
    expect(tap.names).toEqual(['closed'])
    expect(tap.last).toMatchObject({ 'ike.adopted': true, 'ike.informational_exchanges': 2 })
  })

  test('is forgotten when one message is all there is', () => {
    const tap = new Tap()
    tap.up(encrypted({ ...PAIR, exchange: 32, messageId: 1 }, 64))
    expect(tap.wait(80).tracker.size).toBe(0)
    expect(tap.events).toEqual([])
  })
})

describe('what does not fit', () => {
  test('a flawed message is an anomaly', () => {
    const tap = new Tap()
    tap.up(message({ version: 0x30 }, []))
    expect(tap.names).toEqual(['protocol.anomaly'])
    expect(tap.last).toMatchObject({ 'anomaly.name': 'ike.version', 'anomaly.layer': 'ike', 'network.protocol': 'ike' })
  })

  test('IKE on port 4500 without its marker is an anomaly and a beginning', () => {
    const tap = new Tap()
    tap.up(message({}, [[1, SA]]), 4500)
    expect(tap.names).toEqual(['protocol.anomaly', 'started'])
    expect(tap.events[0].fields).toMatchObject({ 'anomaly.name': 'natt.marker_missing' })
  })

  test('another responder cookie is an anomaly of the SA', () => {
    const tap = new Tap()
    mainMode(tap, 2)
    tap.down(message({ responder: '0102030405060708' }, [[1, SA]]))
    expect(tap.last).toMatchObject({
      'anomaly.name': 'ike.responder_spi',
      'ike.uid': (tap.events[0].fields as { 'ike.uid': string })['ike.uid'],
    })
  })

  test('of two answers that one counts which the initiator goes on with', () => {
    const tap = new Tap()
    tap.up(message({}, [[1, SA]]))
    tap.down(message({ responder: '0102030405060708' }, [[1, RSA]]))
    mainMode(tap, 6)
    const anomalies = tap.events.flatMap((event) =>
      event.name === 'protocol.anomaly' ? event.fields['anomaly.name'] : [],
    )
    expect(anomalies).toEqual(['ike.choice_not_offered', 'ike.responder_spi', 'ike.responder_spi'])
    expect(tap.names.at(-1)).toBe('established')
    expect(tap.last).toMatchObject({ 'ike.responder.cookie': COOKIE_R })
  })

  test('a delete in the clear does not end an SA', () => {
    const tap = new Tap()
    mainMode(tap, 6)
    tap.down(
      message({ ...PAIR, exchange: 5, messageId: 4 }, [
        [12, concat(be32(1), Uint8Array.of(1, 16), be16(1), fromHex(COOKIE_I + COOKIE_R))],
      ]),
    )
    expect(tap.last).toMatchObject({ 'anomaly.name': 'ike.unprotected_delete' })
  })
})

describe('bounds', () => {
  test('a flood is told to the last request, the table stays as it is', () => {
    const tap = new Tap({ ikeExchangesMax: 8 })
    for (let i = 0; i < 40; i++) tap.up(message({ initiator: `00000000000000${(16 + i).toString(16)}` }, [[1, SA]]))
    expect(tap.tracker.size).toBe(8)
    expect(tap.names.filter((name) => name === 'started')).toHaveLength(40)
    expect(tap.names.filter((name) => name === 'sensor.table.filled')).toHaveLength(1)
    const uids = new Set(tap.events.map(({ fields }) => (fields as Record<string, unknown>)['ike.uid']))
    expect(uids.size).toBe(41)
    tap.wait(80)
    expect(tap.tracker.size).toBe(0)
  })

  test('one cookie between many hosts is as many SAs', () => {
    const tap = new Tap()
    for (let host = 1; host <= 9; host++) tap.send(message({}, [[1, SA]]), CLIENT, `198.51.100.${host}`)
    expect(tap.tracker.size).toBe(9)
    tap.down(message(PAIR, [[1, SA]]))
    expect(tap.tracker.size).toBe(9)
  })

  test('the same cookie after a failure begins anew', () => {
    const tap = new Tap()
    mainMode(tap, 1)
    tap.down(message({ ...PAIR, exchange: 5, messageId: 5 }, [[11, notify1(14)]]))
    mainMode(tap, 1)
    expect(tap.names).toEqual(['started', 'failed'])
    tap.wait(1)
    tap.up(message({}, [[1, RSA]]))
    expect(tap.names).toEqual(['started', 'failed', 'started'])
  })

  test('whatever comes, every SA that began ends once, and the table is empty afterwards', () => {
    const PIECES = [
      message({}, [[1, SA]]),
      message(PAIR, [[1, SA]]),
      message(PAIR, [
        [4, KE],
        [10, NONCE],
      ]),
      encrypted(PAIR, 80),
      encrypted({ ...PAIR, exchange: 5, messageId: 3 }, 48),
      encrypted({ ...PAIR, exchange: 32, messageId: 3 }, 48),
      message({ ...PAIR, exchange: 5 }, [[11, notify1(14)]]),
      message({ version: 0x20, exchange: 34, flags: 8 }, init2(INIT)),
      message({ ...PAIR, version: 0x20, exchange: 34, flags: 0x20 }, init2(INIT)),
      protectedMessage({ ...PAIR, exchange: 35, flags: 8, messageId: 1 }, 200),
      protectedMessage({ ...PAIR, exchange: 35, flags: 0x20, messageId: 1 }, 60),
      protectedMessage({ ...PAIR, exchange: 37, flags: 8, messageId: 2 }, 60),
    ]
    const step = fc.record({
      piece: fc.nat(PIECES.length - 1),
      isUp: fc.boolean(),
      wait: fc.constantFrom(0, 0, 0, 1, 4, 36),
      change: fc.option(fc.tuple(fc.nat(300), fc.nat(255)), { freq: 6 }),
    })
    fc.assert(
      fc.property(fc.array(step, { maxLength: 30 }), (steps) => {
        const tap = new Tap({ ikeExchangesMax: 3 })
        for (const { piece, isUp, wait, change } of steps) {
          const bytes = PIECES[piece].slice()
          if (change !== null) bytes[change[0] % bytes.length] = change[1]
          if (isUp) tap.up(bytes)
          else tap.down(bytes)
          tap.wait(wait)
        }
        tap.tracker.finish(tap.nowUs)
        expect(tap.tracker.size).toBe(0)
        const begun = new Set<unknown>()
        const ended = new Map<unknown, string>()
        for (const { name, fields } of tap.events) {
          const uid = (fields as Record<string, unknown>)['ike.uid']
          if (name === 'ike.exchange.started') begun.add(uid)
          if (name === 'ike.exchange.closed' || name === 'ike.exchange.failed') ended.set(uid, name)
        }
        const isFull = tap.names.includes('sensor.table.filled')
        if (!isFull) for (const uid of begun) expect(ended.has(uid)).toBe(true)
      }),
      { numRuns: 500, seed: 11 },
    )
  })
})
