/** IKE SAs over a restart: nothing is told twice, nothing is forgotten. */
import { describe, expect, test } from 'vitest'
import type { EventName } from '../../src/events/catalogue.ts'
import type { EventDocument } from '../../src/events/fields.ts'
import type { SavedEntry } from '../../src/track/saved.ts'
import type { SavedExchange } from '../../src/track/saved-ike.ts'
import { datagram } from '../support/craft.ts'
import { AGGRESSIVE, encrypted, INVALID_KE, message, protectedMessage } from '../support/ike.ts'
import {
  CLIENT,
  KE,
  mainMode,
  NONCE,
  pairNumber,
  quickMode,
  SA,
  SECOND,
  SERVER,
  START_US,
  version2,
  type Wire,
} from '../support/ike-tap.ts'
import { cutOff, damaged, inFull, type Packet, packetsOf, saved, wholeOf } from '../support/restart.ts'
import { named, TestSensor } from '../support/sensor.ts'

const OPTIONS = { capture: { duplicateWindowMs: 0 } }
const IKE = /^(ike\.|protocol\.anomaly)/
const [FIRST, NEXT, THIRD] = [1, 2, 3].map(pairNumber)

/** What two hosts say to each other, as packets. */
class Talk implements Wire {
  readonly packets: Packet[] = []
  #nowUs = START_US

  send(payload: Uint8Array, source: string, target: string, sourcePort = 500, targetPort = 500): void {
    this.#nowUs += 1000
    this.packets.push({
      timeUs: this.#nowUs,
      bytes: datagram(payload, { source, target, sourcePort, targetPort }),
    })
  }

  up(payload: Uint8Array): void {
    this.send(payload, CLIENT, SERVER)
  }

  down(payload: Uint8Array): void {
    this.send(payload, SERVER, CLIENT)
  }

  /** Others speak meanwhile: time goes on. */
  wait(seconds: number): void {
    for (const endUs = this.#nowUs + seconds * SECOND; this.#nowUs < endUs; this.#nowUs += 10 * SECOND)
      this.send(new Uint8Array(40), '192.0.2.53', '192.0.2.54', 53, 5353)
  }
}

function notice(pair: typeof FIRST, length: number, messageId: number, fill: number): Uint8Array {
  return encrypted({ ...pair, exchange: 5, messageId }, length - 28, fill)
}

function exchange2(pair: typeof FIRST, type: number, messageId: number, length: number, isResponse: boolean) {
  return protectedMessage({ ...pair, exchange: type, flags: isResponse ? 0x20 : 8, messageId }, length - 32)
}

function version1(): Packet[] {
  const talk = new Talk()
  mainMode(talk, 6, FIRST)
  quickMode(talk, 7, FIRST)
  for (let i = 0; i < 4; i++) {
    talk.wait(10)
    talk.down(notice(FIRST, 92, 100 + i, i))
    talk.up(notice(FIRST, 92, 200 + i, i + 40))
  }
  // A repetition, and an SA payload in the clear on one that is established.
  talk.up(notice(FIRST, 92, 203, 43))
  talk.down(message({ ...FIRST, exchange: 5 }, [[11, new Uint8Array([0, 0, 0, 1, 1, 0, 0, 14])]]))
  mainMode(talk, 6, NEXT)
  quickMode(talk, 9, NEXT)
  talk.up(notice(FIRST, 76, 301, 1))
  talk.up(notice(FIRST, 92, 302, 2))
  talk.wait(70)
  quickMode(talk, 10, NEXT)
  talk.down(notice(NEXT, 76, 401, 3))
  talk.down(notice(NEXT, 92, 402, 4))
  talk.wait(70)
  mainMode(talk, 5, THIRD)
  talk.wait(40)
  talk.up(AGGRESSIVE)
  talk.wait(40)
  talk.up(notice(pairNumber(9), 92, 1, 1))
  talk.up(notice(pairNumber(9), 92, 2, 2))
  talk.up(notice(pairNumber(9), 92, 3, 3))
  return talk.packets
}

function ofVersion2(): Packet[] {
  const talk = new Talk()
  version2(talk, FIRST)
  for (let id = 2; id < 5; id++) {
    talk.wait(20)
    talk.up(exchange2(FIRST, 37, id, 57, false))
    talk.down(exchange2(FIRST, 37, id, 57, true))
  }
  // A number that was used, one that was passed over, an answer to nothing.
  talk.up(exchange2(FIRST, 37, 3, 81, false))
  talk.up(exchange2(FIRST, 37, 7, 57, false))
  talk.down(exchange2(FIRST, 37, 9, 57, true))
  talk.up(exchange2(FIRST, 36, 8, 300, false))
  talk.down(exchange2(FIRST, 36, 8, 300, true))
  talk.wait(1)
  talk.up(exchange2(FIRST, 37, 9, 65, false))
  talk.down(exchange2(FIRST, 37, 9, 57, true))
  talk.up(exchange2(NEXT, 37, 0, 57, false))
  talk.down(exchange2(NEXT, 37, 0, 57, true))
  talk.wait(5)
  talk.up(exchange2(NEXT, 36, 1, 300, false))
  talk.down(exchange2(NEXT, 36, 1, 300, true))
  talk.down(INVALID_KE)
  version2(talk, THIRD)
  talk.wait(800)
  talk.up(exchange2(THIRD, 37, 2, 57, false))
  return talk.packets
}

/** Half-open ones by the hundred, of one host, more than are told in a minute. */
function flood(): Packet[] {
  const talk = new Talk()
  for (let i = 0; i < 60; i++) {
    talk.up(message({ initiator: pairNumber(i + 20).initiator }, [[1, SA]]))
    if (i % 3 === 0) talk.down(message(pairNumber(i + 20), [[1, SA]]))
    if (i % 6 === 0)
      talk.up(
        message(pairNumber(i + 20), [
          [4, KE],
          [10, NONCE],
        ]),
      )
  }
  talk.wait(100)
  mainMode(talk, 6, FIRST)
  return talk.packets
}

describe.each([
  ['version 1', version1(), OPTIONS],
  ['version 2', ofVersion2(), OPTIONS],
  ['a flood', flood(), { ...OPTIONS, track: { requestsPerMinute: 20, setupTimeoutSeconds: 30 } }],
] as const)('%s', (_, packets, options) => {
  test('two sensors tell what one tells, wherever the cut is', () => {
    const whole = wholeOf(packets, options)
    expect(inFull(whole, IKE).length).toBeGreaterThan(8)
    for (let at = 1; at < packets.length; at += 1 + Math.floor(packets.length / 80)) {
      const { first, second } = cutOff(packets, at, options)
      expect(inFull([...first, ...second], IKE), `cut at ${at}`).toEqual(inFull(whole, IKE))
    }
  })
})

test.each(['ipsec-ikev2.pcap', 'ipsec-psk-main.pcap', 'ipsec-espnull.pcap', 'l2tp-ipsec-downgrade.pcap'])(
  '%s: what is told of IKE is the same, wherever the cut is',
  async (name) => {
    const packets = await packetsOf(new URL(`../../pcaps/${name}`, import.meta.url))
    const whole = inFull(wholeOf(packets, OPTIONS), /^ike\./)
    expect(whole.length).toBeGreaterThan(2)
    for (let at = 1; at < packets.length; at += 1 + Math.floor(packets.length / 60)) {
      const { first, second } = cutOff(packets, at, OPTIONS)
      expect(inFull([...first, ...second], /^ike\./), `cut at ${at}`).toEqual(whole)
    }
  },
)

describe('after a pause', () => {
  const packets = ofVersion2()
  const middle = packets.findIndex(({ timeUs }) => timeUs - START_US > 30 * SECOND)
  const uids = (events: readonly EventDocument[], name: EventName) =>
    named(events, name).map((event) => event['ike.uid'])

  test('SAs go on under their ids, and what was missed is no anomaly', () => {
    const { first, second } = cutOff(packets, middle, OPTIONS, 21 * SECOND)
    expect(uids(first, 'ike.exchange.established')).toHaveLength(1)
    expect(uids(second, 'ike.exchange.closed')).toContain(uids(first, 'ike.exchange.established')[0])
    expect(uids(second, 'ike.exchange.established')).not.toContain(uids(first, 'ike.exchange.established')[0])
    // Two that are in the talk, and nothing from the jump of the numbers.
    expect(named(second, 'protocol.anomaly').map((event) => event['anomaly.name'])).toEqual([
      'ike.message_id_reused',
      'ike.response_unsolicited',
    ])
  })

  test('a long one does not make them silent: they have their time again', () => {
    const { first, second } = cutOff(packets.slice(0, middle + 10), middle, OPTIONS, 0, 90_000 * SECOND)
    expect(named(second, 'ike.exchange.closed')).toMatchObject([
      { 'ike.uid': uids(first, 'ike.exchange.established')[0], 'ike.closed_by': 'capture_end' },
    ])
  })
})

describe('entries', () => {
  const run = new TestSensor({ ...OPTIONS, track: { requestsPerMinute: 3 } })
  for (const { bytes, timeUs } of [...ofVersion2().slice(0, 30), ...flood().slice(0, 80).map(later)])
    run.see(bytes, timeUs)
  const entries = saved(run)
  const pause = { savedUs: run.sensor.nowUs, nowUs: run.sensor.nowUs }
  const take = (from: readonly SavedEntry[], track = {}) =>
    new TestSensor({ track }).sensor.trackers.restore(from, pause)

  test('hold all there is, and are taken up', () => {
    const kinds = new Set(entries.map(({ kind }) => kind))
    for (const kind of ['ike.offer/1', 'ike.exchange/1', 'ike.posture/1', 'ike.allowance/1'])
      expect(kinds).toContain(kind)
    expect(take(entries)).toMatchObject({ restored: entries.length, leftOut: 0, problems: [] })
  })

  test('of another version, or of what nobody knows, are refused by name, and the rest is taken up', () => {
    const older = entries.map((entry) => (entry.kind === 'ike.posture/1' ? { ...entry, kind: 'ike.posture/0' } : entry))
    const count = older.filter(({ kind }) => kind === 'ike.posture/0').length
    const uptake = take([...older, { kind: 'gre.tunnel/1', saved: {} }])
    expect(uptake).toMatchObject({ restored: entries.length - count, leftOut: count + 1 })
    expect(uptake.problems).toEqual([
      `ike.posture/0: a sensor of this version and with these settings does not take it up (${count} times)`,
      'gre.tunnel/1: a sensor of this version and with these settings does not take it up',
    ])
  })

  test('that are damaged are refused one by one, wherever they are damaged', () => {
    let refused = 0
    for (const [at, entry] of entries.entries()) {
      if (!['ike.exchange/1', 'ike.posture/1', 'ike.allowance/1', 'ike.offer/1'].includes(entry.kind)) continue
      for (const broken of damaged(entry)) {
        const { restored, leftOut, problems } = take([...entries.slice(0, at), broken, ...entries.slice(at + 1)])
        expect([restored, leftOut], JSON.stringify(broken)).toEqual([entries.length - 1, 1])
        expect(problems[0]).toMatch(new RegExp(`^${entry.kind}: (\\S+ is |it is no record)`))
        refused++
      }
      if (refused > 120) break
    }
    expect(refused).toBeGreaterThan(100)
  })

  test('that find no room are counted; SAs in use come first', () => {
    const exchanges = entries.filter(({ kind }) => kind === 'ike.exchange/1')
    const inUse = exchanges.filter(({ saved }) => (saved as SavedExchange).state === 'established')
    expect(exchanges.slice(0, inUse.length)).toEqual(inUse)
    expect(exchanges.length).toBeGreaterThan(inUse.length + 1)
    const uptake = take(entries, { ikeExchangesMax: inUse.length })
    expect(uptake).toMatchObject({ leftOut: exchanges.length - inUse.length, problems: [] })
  })
})

/** Behind the talk of the two. */
function later({ timeUs, bytes }: Packet): Packet {
  return { timeUs: timeUs + 101 * SECOND, bytes }
}
