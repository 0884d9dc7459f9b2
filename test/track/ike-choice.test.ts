import { describe, expect, test } from 'vitest'
import { be16, fromHex } from '../support/craft.ts'
import { message, NO_COOKIE, notify2, sa1, transform1 } from '../support/ike.ts'
import { init2, mainMode, NONCE, PAIR, Tap, version2 } from '../support/ike-tap.ts'

const SOUND = transform1([7, 4, 1, 14], [], false)
const OLD = transform1([5, 2, 1, 2])
type Told = Record<string, unknown>

function anomalies(tap: Tap): unknown[] {
  return tap.events.flatMap((event) => (event.name === 'protocol.anomaly' ? [event.fields['anomaly.name']] : []))
}

function established(tap: Tap): Told {
  return tap.events.find(({ name }) => name === 'ike.exchange.established')?.fields as Told
}

/** The public value of group 14 has 256 octets. */
function mainMode14(tap: Tap, keLength: number): void {
  mainMode(tap, 2, PAIR, sa1([transform1([7, 4, 1, 14])]))
  tap.up(
    message(PAIR, [
      [4, new Uint8Array(keLength).fill(3)],
      [10, NONCE],
    ]),
  )
}

describe('a choice of version 1', () => {
  test('that is the best of what was offered is no downgrade', () => {
    const tap = new Tap()
    mainMode(tap, 6, PAIR, sa1([transform1([7, 2, 1, 2])]))
    expect(established(tap)).toMatchObject({
      'ike.proposal.level': 'deprecated',
      'ike.proposal.best_offered': 'deprecated',
      'ike.proposal.weaknesses': ['modp1024', 'sha1'],
      'ike.downgrade': undefined,
    })
    expect(anomalies(tap)).toEqual([])
  })

  test('that is weaker than the best is told as such', () => {
    const tap = new Tap()
    mainMode(tap, 6, PAIR, sa1([SOUND, OLD]), sa1([OLD]))
    expect(established(tap)).toMatchObject({
      'ike.proposal.level': 'deprecated',
      'ike.proposal.best_offered': 'sound',
      'ike.proposal.worst_offered': 'deprecated',
      'ike.downgrade': ['weaker_than_offered'],
    })
    expect(anomalies(tap)).toEqual([])
  })

  test('that was never offered, or is several, is an anomaly', () => {
    const tap = new Tap()
    mainMode(tap, 6, PAIR, sa1([transform1([7, 4, 1, 14])]), sa1([transform1([1, 1, 1, 1])]))
    expect(established(tap)['ike.downgrade']).toEqual(['weaker_than_offered', 'not_offered'])
    // The public values are those of another group as well.
    expect(anomalies(tap)).toEqual(['ike.choice_not_offered', 'ike.ke_length', 'ike.ke_length'])
    const other = new Tap()
    mainMode(other, 6, PAIR, sa1([SOUND, OLD]), sa1([SOUND, OLD]))
    expect(anomalies(other)).toContain('ike.choice_multiple')
  })

  test('fixes how long the public values are', () => {
    for (const [length, expected] of [
      [256, []],
      [254, []],
      [128, ['ike.ke_length']],
      [512, ['ike.ke_length']],
    ] as const) {
      const tap = new Tap()
      mainMode14(tap, length)
      expect(anomalies(tap)).toEqual(expected)
    }
  })
})

describe('a choice of version 2', () => {
  test('is compared part by part', () => {
    const tap = new Tap()
    const offer = [
      [1, 12, 256],
      [1, 3],
      [2, 5],
      [3, 12],
      [4, 14],
    ] as const
    version2(
      tap,
      PAIR,
      offer,
      offer.filter(([type, id]) => type !== 1 || id === 3),
    )
    expect(established(tap)).toMatchObject({
      'ike.proposal.weaknesses': ['3des'],
      'ike.downgrade': ['weaker_than_offered'],
    })
  })

  test('with ML-KEM, offered or chosen, is told', () => {
    const hybrid = [
      [1, 20, 256],
      [2, 7],
      [4, 31],
      [6, 36],
    ] as const
    const both = new Tap()
    version2(both, PAIR, hybrid)
    expect(established(both)).toMatchObject({
      'ike.proposal.level': 'quantum_resistant',
      'ike.post_quantum': ['key_exchange_offered', 'key_exchange_chosen'],
    })
    const one = new Tap()
    version2(one, PAIR, hybrid, hybrid.slice(0, 3))
    expect(established(one)).toMatchObject({
      'ike.proposal.level': 'strong',
      'ike.post_quantum': ['key_exchange_offered'],
    })
  })

  test('of a group that is weaker than the first guess is evidence', () => {
    const tap = new Tap()
    const offer = [
      [1, 20, 256],
      [2, 7],
      [4, 2],
      [4, 31],
    ] as const
    tap.up(message({ version: 0x20, exchange: 34, flags: 8 }, init2(offer)))
    tap.down(message({ version: 0x20, exchange: 34, flags: 0x20 }, [[41, notify2(17, be16(2))]]))
    tap.wait(40)
    expect(tap.last).toMatchObject({
      'ike.group_requested': 'modp1024',
      'ike.downgrade': ['weaker_group_requested'],
    })
  })
})

/** An IKE_SA_INIT request, and a COOKIE with which a responder may answer it. */
function cookieExchange() {
  const cookie = notify2(16_390, fromHex('00112233445566778899aabbccddeeff'))
  const init = init2([
    [1, 20, 256],
    [2, 7],
    [4, 31],
  ])
  return { cookie, init, request: { version: 0x20, exchange: 34, flags: 8 } }
}

test('a cookie is asked for, and brought', () => {
  const tap = new Tap()
  const { cookie, init, request } = cookieExchange()
  tap.up(message(request, init))
  tap.down(message({ ...request, flags: 0x20 }, [[41, cookie]]))
  const half = new Tap()
  half.up(message(request, init))
  half.down(message({ ...request, flags: 0x20 }, [[41, cookie]]))
  half.wait(40)
  expect(half.last).toMatchObject({ 'ike.cookie': 'challenged' })
  tap.up(message(request, [[41, cookie], ...init]))
  tap.down(message({ ...request, ...PAIR, flags: 0x20 }, init))
  tap.wait(40)
  expect(tap.names).toEqual(['started', 'failed'])
  expect(tap.last).toMatchObject({ 'ike.cookie': 'returned', 'ike.phase': 'IKE_SA_INIT response' })
})

test('pre-shared keys against quantum computers count when both ends announce them', () => {
  const tap = new Tap()
  const init = init2([
    [1, 20, 256],
    [2, 7],
    [4, 31],
  ])
  const fields = { version: 0x20, exchange: 34 }
  tap.up(message({ ...fields, responder: NO_COOKIE, flags: 8 }, [...init, [41, notify2(16_435)]]))
  tap.down(message({ ...fields, ...PAIR, flags: 0x20 }, [...init, [41, notify2(16_435)]]))
  tap.wait(40)
  expect(tap.last['ike.post_quantum']).toEqual(['preshared_key'])
})

test('a cookie may be asked for when the request is repeated, although it was answered before: then another answer counts', () => {
  const { cookie, init, request } = cookieExchange()
  const answer = { ...request, ...PAIR, flags: 0x20 }
  const again = { ...answer, responder: 'd66231857ebf3028' }
  const tap = new Tap()
  tap.up(message(request, init))
  tap.down(message(answer, init))
  // The answer was lost behind the tap; by now the responder is busy, and keeps nothing.
  tap.up(message(request, init))
  tap.down(message({ ...request, flags: 0x20 }, [[41, cookie]]))
  tap.up(message(request, [[41, cookie], ...init]))
  tap.down(message(again, init))
  const sealed = (length: number): [number, Uint8Array][] => [[46, new Uint8Array(length).fill(7)]]
  tap.up(message({ ...again, exchange: 35, flags: 8, messageId: 1 }, sealed(250)))
  tap.down(message({ ...again, exchange: 35, messageId: 1 }, sealed(220)))
  tap.wait(4)
  expect(anomalies(tap)).toEqual([])
  expect(established(tap)).toMatchObject({ 'ike.cookie': 'returned', 'ike.responder.cookie': 'd66231857ebf3028' })
})

test('a cookie that comes beside an answer, without a repeated request, is from somebody else', () => {
  const tap = new Tap()
  const init = init2([
    [1, 20, 256],
    [2, 7],
    [4, 31],
  ])
  const request = { version: 0x20, exchange: 34, flags: 8 }
  tap.up(message(request, init))
  tap.down(message({ ...request, ...PAIR, flags: 0x20 }, init))
  tap.down(message({ ...request, flags: 0x20 }, [[41, notify2(16_390, fromHex('0011223344556677'))]]))
  expect(anomalies(tap)).toEqual(['ike.response_conflict'])
})
