import { describe, expect, test } from 'vitest'
import { be16, concat } from '../support/craft.ts'
import { encrypted, message, notify2, type Payload, protectedMessage } from '../support/ike.ts'
import { init2, mainMode, PAIR, SA, Tap, version2 } from '../support/ike-tap.ts'

const INIT = init2([
  [1, 20, 256],
  [2, 7],
  [4, 31],
])

function anomalies(tap: Tap): unknown[] {
  return tap.events.flatMap((event) => (event.name === 'protocol.anomaly' ? [event.fields['anomaly.name']] : []))
}

function sealed(exchange: number, messageId: number, isResponse: boolean, fill = 1, length = 60): Uint8Array {
  const fields = { ...PAIR, version: 0x20, exchange, messageId, flags: isResponse ? 0x20 : 8 }
  return message(fields, [[46, new Uint8Array(length).fill(fill)]])
}

function fragment(number: number, total: number, fill: number, fields: object = {}): Uint8Array {
  const skf: Payload = [53, concat(be16(number), be16(total), new Uint8Array(500).fill(fill))]
  return message({ ...PAIR, version: 0x20, exchange: 35, messageId: 1, flags: 8, ...fields }, [skf])
}

describe('message ids of version 2', () => {
  test('in order, and repeated with the same bytes, are well', () => {
    const tap = new Tap()
    version2(tap)
    for (let id = 2; id < 40; id++) {
      tap.up(sealed(37, id, false, id))
      tap.up(sealed(37, id, false, id))
      tap.down(sealed(37, id, true, id))
    }
    tap.tracker.finish(tap.nowUs)
    expect(anomalies(tap)).toEqual([])
    expect(tap.last).toMatchObject({ 'ike.retransmissions': 38, 'ike.missing_requests': undefined })
  })

  test('that are used again for something else are an anomaly', () => {
    const tap = new Tap()
    version2(tap)
    tap.up(sealed(37, 2, false, 1))
    tap.up(sealed(37, 2, false, 2))
    expect(anomalies(tap)).toEqual(['ike.message_id_reused'])
    expect(tap.last).toMatchObject({ 'anomaly.detail': 'INFORMATIONAL 2' })
  })

  test('of two different answers, or of an answer to nothing, are an anomaly', () => {
    const tap = new Tap()
    version2(tap)
    tap.up(sealed(37, 2, false))
    tap.down(sealed(37, 2, true, 1))
    tap.down(sealed(37, 2, true, 2))
    tap.down(sealed(37, 9, true))
    expect(anomalies(tap)).toEqual(['ike.response_conflict', 'ike.response_unsolicited'])
  })

  test('that are passed over are counted', () => {
    const tap = new Tap()
    version2(tap)
    tap.up(sealed(37, 5, false))
    tap.tracker.finish(tap.nowUs)
    expect(anomalies(tap)).toEqual([])
    expect(tap.last).toMatchObject({ 'ike.missing_requests': 3 })
  })

  test('of IKE_SA_INIT stay zero, but one request has one answer', () => {
    const tap = new Tap()
    tap.up(message({ version: 0x20, exchange: 34, flags: 8 }, INIT))
    tap.down(message({ version: 0x20, exchange: 34, flags: 0x20 }, [[41, notify2(17, be16(31))]]))
    tap.up(message({ version: 0x20, exchange: 34, flags: 8 }, [...INIT, [41, notify2(16_430)]]))
    tap.down(message({ ...PAIR, version: 0x20, exchange: 34, flags: 0x20 }, INIT))
    expect(anomalies(tap)).toEqual([])
    // Somebody else answers as well.
    tap.down(message({ version: 0x20, exchange: 34, flags: 0x20 }, [[41, notify2(14)]]))
    expect(anomalies(tap)).toEqual(['ike.response_conflict'])
  })
})

describe('what needs a complete SA', () => {
  test('before anybody has authenticated is an anomaly', () => {
    const tap = new Tap()
    tap.up(message({ version: 0x20, exchange: 34, flags: 8 }, INIT))
    tap.down(message({ ...PAIR, version: 0x20, exchange: 34, flags: 0x20 }, INIT))
    tap.up(sealed(36, 1, false))
    expect(anomalies(tap)).toEqual(['ike.exchange_order'])
    const old = new Tap()
    mainMode(old, 4)
    old.up(encrypted({ ...PAIR, exchange: 32, messageId: 7 }, 160))
    expect(anomalies(old)).toEqual(['ike.exchange_order'])
  })

  test('after it, or on an SA that was joined late, is none', () => {
    const tap = new Tap()
    mainMode(tap, 6)
    tap.up(encrypted({ ...PAIR, exchange: 32, messageId: 7 }, 160))
    expect(anomalies(tap)).toEqual([])
    const late = new Tap()
    late.up(encrypted({ ...PAIR, exchange: 32, messageId: 7 }, 160))
    late.down(encrypted({ ...PAIR, exchange: 32, messageId: 7 }, 160, 2))
    expect(anomalies(late)).toEqual([])
  })
})

describe('messages of version 2 in fragments', () => {
  test('count as one, make the SA, and may be repeated', () => {
    const tap = new Tap()
    tap.up(message({ version: 0x20, exchange: 34, flags: 8 }, INIT))
    tap.down(message({ ...PAIR, version: 0x20, exchange: 34, flags: 0x20 }, INIT))
    for (const number of [1, 2, 3]) tap.up(fragment(number, 3, number))
    for (const number of [1, 2, 3]) tap.up(fragment(number, 3, number))
    for (const number of [2, 1]) tap.down(fragment(number, 2, 9 + number, { flags: 0x20 }))
    tap.wait(5)
    expect(tap.names).toEqual(['started', 'established'])
    tap.tracker.finish(tap.nowUs)
    expect(tap.last).toMatchObject({
      'ike.messages': 4,
      'ike.retransmissions': 3,
      'ike.fragmented_messages': 2,
      'ike.incomplete_messages': undefined,
    })
  })

  test('of which one lacks are counted, and contradictions are anomalies', () => {
    const tap = new Tap()
    tap.up(message({ version: 0x20, exchange: 34, flags: 8 }, INIT))
    tap.down(message({ ...PAIR, version: 0x20, exchange: 34, flags: 0x20 }, INIT))
    tap.up(fragment(1, 3, 1))
    tap.up(fragment(1, 3, 7))
    tap.up(fragment(2, 2, 2))
    expect(anomalies(tap)).toEqual(['ike.fragment_conflict', 'ike.fragment_total'])
    tap.down(sealed(35, 1, true, 5, 220))
    tap.wait(5)
    tap.tracker.finish(tap.nowUs)
    expect(tap.last).toMatchObject({ 'ike.incomplete_messages': 1 })
  })
})

describe('fragments of version 1', () => {
  const piece = (number: number, isLast: boolean, octets: Uint8Array) =>
    message(PAIR, [[132, concat(be16(1), Uint8Array.of(number, isLast ? 1 : 0), octets)]])

  test('that contradict each other are an anomaly', () => {
    const tap = new Tap()
    const whole = message(PAIR, [[1, SA]])
    tap.up(piece(1, false, whole.subarray(0, 30)))
    tap.up(piece(1, false, whole.subarray(0, 31)))
    expect(anomalies(tap)).toEqual(['ike.fragment_conflict'])
  })
})

test('messages that are no SA yet keep no conversation', () => {
  const tap = new Tap()
  for (let i = 0; i < 10; i++) tap.up(protectedMessage({ ...PAIR, exchange: 37, flags: 8, messageId: i }, 60 + i))
  expect(tap.tracker.size).toBe(1)
})
