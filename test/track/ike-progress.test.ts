import { describe, expect, test } from 'vitest'
import type { RaisedEvent } from '../../src/events/catalogue.ts'
import { Anomalies } from '../../src/track/anomalies.ts'
import { begin, Exchange } from '../../src/track/ike-exchange.ts'
import { IkeFindings } from '../../src/track/ike-findings.ts'
import type { IkeLifecycle } from '../../src/track/ike-lifecycle.ts'
import { IkePeers } from '../../src/track/ike-peers.ts'
import { IkeProgress } from '../../src/track/ike-progress.ts'
import { INITIATOR, RESPONDER, type Role } from '../../src/track/role.ts'
import { describeIke } from '../../src/wire/ike-describe.ts'
import { encrypted, message, notify1, notify2, protectedMessage, viewOf } from '../support/ike.ts'
import { KE, NONCE, PAIR, SA } from '../support/ike-tap.ts'
import { arrival } from './ike-support.ts'

/** One SA, and what its messages would make of it. */
class Advance {
  readonly exchange = new Exchange(0)
  readonly done: string[] = []
  readonly #progress: IkeProgress
  #isBegun = false

  constructor() {
    const find = ({ fields }: RaisedEvent) =>
      void this.done.push(String((fields as Record<string, unknown>)['anomaly.name']))
    const findings = new IkeFindings(new Anomalies(find, { reportsPerMinute: 100, sourcesMax: 100 }))
    const life = {
      schedule: () => undefined,
      establish: () => this.done.push('establish'),
      settle: () => this.done.push('settle'),
      fail: (_exchange: Exchange, _timeUs: number, by: string, reason: string) => this.done.push(`${by}: ${reason}`),
    } as unknown as IkeLifecycle
    this.#progress = new IkeProgress(findings, new IkePeers(), life)
  }

  by(role: Role, bytes: Uint8Array): this {
    const [at, view] = [arrival(bytes), viewOf(bytes)]
    if (!this.#isBegun) begin(this.exchange, at, view, role, 'opening')
    this.#isBegun = true
    if (role === RESPONDER) this.exchange.responderSpi = PAIR.responder
    this.#progress.advance(at, view, this.exchange, role, view.isOpaque ? null : describeIke(view))
    return this
  }
}

const KEYS = message(PAIR, [
  [4, KE],
  [10, NONCE],
])

describe('version 1', () => {
  const begun = () => new Advance().by(INITIATOR, message({}, [[1, SA]])).by(RESPONDER, message(PAIR, [[1, SA]]))

  test('counts the messages of main mode, and the last one makes an SA', () => {
    const main = begun()
    expect(main.exchange).toMatchObject({ step: 2, state: 'answered', phase: 'main mode message 2' })
    main.by(INITIATOR, KEYS).by(RESPONDER, KEYS).by(INITIATOR, encrypted(PAIR, 80))
    expect(main.exchange.step).toBe(5)
    expect(main.done).toEqual([])
    expect(main.by(RESPONDER, encrypted(PAIR, 80)).done).toEqual(['establish'])
  })

  test('is refused by the responder only, and after message 5 by what cannot be read as well', () => {
    const refusal = message({ ...PAIR, exchange: 5 }, [[11, notify1(14)]])
    expect(begun().by(INITIATOR, refusal).done).toEqual([])
    expect(begun().by(RESPONDER, refusal).done).toEqual([
      'responder: the responder refused main mode message 2 with NO-PROPOSAL-CHOSEN',
    ])
    const hidden = encrypted({ ...PAIR, exchange: 5, messageId: 1 }, 48)
    expect(begun().by(RESPONDER, hidden).done).toEqual([])
    const late = begun()
      .by(INITIATOR, KEYS)
      .by(RESPONDER, KEYS)
      .by(INITIATOR, encrypted(PAIR, 80))
      .by(RESPONDER, hidden)
    expect(late.done).toEqual([expect.stringMatching(/^responder: authentication failed/)])
  })

  test('has a quick mode only after phase 1', () => {
    const { done, exchange } = begun().by(INITIATOR, encrypted({ ...PAIR, exchange: 32, messageId: 7 }, 160))
    expect(done).toEqual(['ike.exchange_order', 'establish'])
    expect(exchange.childExchanges).toBe(1)
  })
})

describe('version 2', () => {
  const fields = { ...PAIR, version: 0x20 }
  const up = { ...fields, flags: 8 }
  const down = { ...fields, flags: 0x20 }
  const begun = () =>
    new Advance()
      .by(INITIATOR, message({ ...up, exchange: 34 }, [[40, NONCE]]))
      .by(RESPONDER, message({ ...down, exchange: 34 }, [[40, NONCE]]))

  test('goes from IKE_SA_INIT through the rounds of IKE_AUTH, whose end the next exchange tells', () => {
    const sa = begun()
    expect(sa.exchange).toMatchObject({ state: 'answered', phase: 'IKE_SA_INIT response' })
    for (const messageId of [1, 2])
      sa.by(INITIATOR, protectedMessage({ ...up, exchange: 35, messageId }, 250)).by(
        RESPONDER,
        protectedMessage({ ...down, exchange: 35, messageId }, 220),
      )
    expect(sa.exchange).toMatchObject({ authRounds: 2, authId: 2, phase: 'IKE_AUTH response' })
    expect(sa.exchange.authLength).toBeGreaterThan(220)
    expect(sa.done).toEqual([])
    expect(sa.by(INITIATOR, protectedMessage({ ...up, exchange: 37, messageId: 3 }, 40)).done).toEqual(['settle'])
  })

  test('has a CREATE_CHILD_SA only after IKE_AUTH', () => {
    const early = begun().by(INITIATOR, protectedMessage({ ...up, exchange: 36, messageId: 1 }, 200))
    expect(early.done).toEqual(['ike.exchange_order', 'establish'])
  })

  test('is not over when the responder asks for another group; once in use, nothing in the clear ends it', () => {
    const retry = message({ ...down, exchange: 34 }, [[41, notify2(17)]])
    expect(begun().by(RESPONDER, retry).done).toEqual([])
    const inUse = begun()
    inUse.exchange.state = 'established'
    const refusal = message({ ...down, exchange: 37, messageId: 2 }, [[41, notify2(24)]])
    expect(inUse.by(RESPONDER, refusal).done).toEqual(['ike.unprotected_notification'])
    expect(inUse.exchange.notification).toBe('AUTHENTICATION_FAILED')
  })
})
