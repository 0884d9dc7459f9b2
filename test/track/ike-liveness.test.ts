import { describe, expect, test } from 'vitest'
import { Liveness } from '../../src/track/ike-liveness.ts'

const SECOND = 1e6
/** A check takes 108 octets, the delete of a child 92, that of the IKE SA 108. */
const SUITE = 'AES-CBC-256/SHA2-256/modp2048/PSK'
/** A check and a delete both take 80 octets. */
const BLOCKS = 'ENCR_AES_CBC_256/PRF_HMAC_SHA2_256/AUTH_HMAC_SHA2_256_128/modp2048'
/** A check takes 57 octets, a delete 65. */
const STREAM = 'ENCR_AES_GCM_16_256/PRF_HMAC_SHA2_384/curve25519'

describe('in version 1', () => {
  test('a message that is answered by one of its length is a check', () => {
    const liveness = new Liveness()
    for (let i = 0; i < 4; i++) {
      liveness.message1(1, i * 2, 108, i * 5 * SECOND)
      liveness.message1(0, i * 2 + 1, 108, i * 5 * SECOND + 3000)
    }
    expect(liveness).toMatchObject({ checks: 4, unanswered: 0, intervalUs: 5 * SECOND })
  })

  test('what comes late, has another length, or comes from the same end is no answer', () => {
    const liveness = new Liveness()
    liveness.message1(1, 1, 108, 0)
    liveness.message1(1, 2, 108, 5 * SECOND)
    liveness.message1(0, 3, 92, 6 * SECOND)
    liveness.message1(1, 4, 92, 20 * SECOND)
    expect(liveness.checks).toBe(0)
    expect(liveness.intervalUs).toBeUndefined()
  })

  test('checks that nobody answers are counted', () => {
    const liveness = new Liveness()
    for (let i = 0; i < 3; i++) liveness.message1(1, i, 108, i * 5 * SECOND)
    expect(liveness.unanswered).toBe(3)
    expect(liveness.deletion(1, SUITE, 10 * SECOND, true)).toBeNull()
  })

  test('deletes of a child and of the SA, one right after the other, are sure', () => {
    const liveness = new Liveness()
    liveness.message1(0, 1, 92, 7 * SECOND)
    liveness.message1(0, 2, 108, 7 * SECOND + 5000)
    expect(liveness.deletion(1, SUITE, 7 * SECOND + 5000, false)).toEqual({ role: 0, afterUs: 0 })
  })

  test('a lone notice of its length is believed after a minute, at once if a newer SA is there, not if it was no last word', () => {
    const liveness = new Liveness()
    liveness.message1(1, 1, 108, 50 * SECOND)
    expect(liveness.deletion(1, SUITE, 50 * SECOND, false)).toEqual({ role: 1, afterUs: 60 * SECOND })
    expect(liveness.deletion(1, SUITE, 50 * SECOND, true)).toEqual({ role: 1, afterUs: 0 })
    expect(liveness.deletion(1, SUITE, 90 * SECOND, true)).toBeNull()
    expect(liveness.deletion(1, undefined, 50 * SECOND, true)).toBeNull()
  })

  test('a notice that is as long as the delete of a child is no sure one', () => {
    const liveness = new Liveness()
    liveness.message1(1, 1, 92, 50 * SECOND)
    expect(liveness.deletion(1, SUITE, 50 * SECOND, true)).toEqual({ role: 1, afterUs: 60 * SECOND })
  })

  test('a notice of another length is no delete', () => {
    const liveness = new Liveness()
    liveness.message1(1, 1, 300, 50 * SECOND)
    expect(liveness.deletion(1, SUITE, 50 * SECOND, true)).toBeNull()
  })
})

describe('in version 2', () => {
  test('an exchange of empty messages is a check', () => {
    const liveness = new Liveness()
    for (const [id, timeUs] of [
      [0, 0],
      [1, 30 * SECOND],
    ] as const) {
      liveness.request2(1, id, 57, timeUs)
      liveness.response2(0, id, 57, STREAM)
    }
    expect(liveness).toMatchObject({ checks: 2, intervalUs: 30 * SECOND })
    liveness.request2(1, 2, 100, 60 * SECOND)
    liveness.response2(0, 2, 57, STREAM)
    expect(liveness.checks).toBe(2)
  })

  test('an answer to something else is none', () => {
    const liveness = new Liveness()
    liveness.response2(0, 0, 57, STREAM)
    liveness.request2(1, 0, 57, 0)
    liveness.response2(0, 1, 57, STREAM)
    liveness.response2(1, 0, 57, STREAM)
    expect(liveness).toMatchObject({ checks: 0, unanswered: 1 })
  })

  test('a delete is sure where its length is its own, else after ten minutes of silence, or one if a newer SA is there', () => {
    const sure = new Liveness()
    sure.request2(0, 2, 65, 20 * SECOND)
    expect(sure.deletion(2, STREAM, 20 * SECOND, false)).toBeNull()
    sure.response2(1, 2, 57, STREAM)
    expect(sure.deletion(2, STREAM, 20 * SECOND, false)).toEqual({ role: 0, afterUs: 0 })
    const unsure = new Liveness()
    unsure.request2(0, 2, 80, 20 * SECOND)
    unsure.response2(1, 2, 80, BLOCKS)
    expect(unsure.deletion(2, BLOCKS, 20 * SECOND, false)).toEqual({ role: 0, afterUs: 600 * SECOND })
    expect(unsure.deletion(2, BLOCKS, 20 * SECOND, true)).toEqual({ role: 0, afterUs: 60 * SECOND })
  })
})

test('of a cipher without blocks, but padded to eight octets, a delete is not sure', () => {
  const liveness = new Liveness()
  liveness.request2(0, 3, 72, 20 * SECOND)
  liveness.response2(1, 3, 64, STREAM)
  expect(liveness.deletion(2, STREAM, 20 * SECOND, false)).toEqual({ role: 0, afterUs: 600 * SECOND })
  expect(liveness.deletion(2, STREAM, 20 * SECOND, true)).toEqual({ role: 0, afterUs: 60 * SECOND })
  const other = new Liveness()
  other.request2(0, 3, 120, 20 * SECOND)
  other.response2(1, 3, 64, STREAM)
  expect(other.deletion(2, STREAM, 20 * SECOND, true)).toBeNull()
})

test('time in which nobody looked is not between two checks', () => {
  const check = (liveness: Liveness, timeUs: number) => {
    liveness.message1(1, 1, 108, timeUs)
    liveness.message1(0, 2, 108, timeUs + 3000)
  }
  const before = new Liveness()
  for (let i = 0; i < 4; i++) check(before, i * 5 * SECOND)
  const later = new Liveness()
  later.restore(JSON.parse(JSON.stringify(before.save())), 3600 * SECOND)
  expect(later.intervalUs).toBe(5 * SECOND)
  for (let i = 4; i < 8; i++) check(later, (3600 + i * 5) * SECOND)
  expect(later).toMatchObject({ checks: 8, intervalUs: 5 * SECOND })
})

test('begins anew when its record does', () => {
  const liveness = new Liveness()
  liveness.message1(1, 1, 108, 0)
  liveness.message1(0, 2, 108, 1000)
  liveness.reset()
  expect(liveness).toMatchObject({ checks: 0, unanswered: 0, intervalUs: undefined })
  expect(liveness.deletion(1, SUITE, 0, true)).toBeNull()
})
