/**
 * What is told of tunnels from their shape, measured beside what really ran through them: the keys are the truth.
 *
 * The captures are not part of the project. They are looked for beside it, or where BORESCOPE_CAPTURES says; further folders
 * of captures with their keys can be named in BORESCOPE_TUNNELS. The tables are printed.
 */
import { existsSync, readdirSync } from 'node:fs'
import { join, resolve } from 'node:path'
import { describe, expect, test } from 'vitest'
import { ESP_SHAPES, type EspShape, espLengthOf, innerMax, innerMin } from '../../src/track/esp-overhead.ts'
import { EspTraffic, type Stretch } from '../../src/track/esp-traffic.ts'
import type { L2tpFinding } from '../../src/track/l2tp-in-esp.ts'
import { Confusion, noScores, observe, pairsOf, type Score, type Scores, score } from '../support/tunnel-measure.ts'
import { Random } from '../support/random.ts'
import { inEsp, login, merge, setUp, type TunnelPacket, tearDown, voice } from '../support/tunnel-traffic.ts'
import { hasTshark, keysOf, readTruth, type TruthPacket } from '../support/tunnel-truth.ts'

const FOLDER = resolve(process.env['BORESCOPE_CAPTURES'] ?? join(import.meta.dirname, '../../../shared/captures'))
const FURTHER = (process.env['BORESCOPE_TUNNELS'] ?? '').split(':').filter((folder) => folder !== '')
const isAbsent = !existsSync(FOLDER) || !hasTshark
if (isAbsent) {
  process.stderr.write(
    `\nSKIPPED in test/track/esp-traffic.test.ts: needs tshark, and captures at ${FOLDER} (set BORESCOPE_CAPTURES)\n\n`,
  )
}

const SECOND_US = 1_000_000
const WINDOW_US = 10 * SECOND_US

function capturesIn(folder: string, isWanted: (path: string) => boolean): string[] {
  return readdirSync(folder)
    .filter((name) => name.endsWith('.pcap'))
    .map((name) => join(folder, name))
    .filter(isWanted)
}

/** Captures with the keys of their ESP. */
function encrypted(): string[] {
  return [join(FOLDER, 'lab'), ...FURTHER].flatMap((folder) => capturesIn(folder, (path) => keysOf(path) !== null))
}

/**
 * Captures with L2TP in clear. Left out: what was recorded on all interfaces at once, so that every packet is there several times,
 * and those in which one host asks for many tunnels at the same time, or for none.
 */
function clear(): string[] {
  return capturesIn(
    join(FOLDER, 'lab'),
    (path) => /(l2tp-|softether)/.test(path) && !/(any|flood|scan|ipsec)/.test(path),
  )
}

function isInEsp(pair: readonly TruthPacket[]): boolean {
  return pair[0].espLength > 0
}

function inWords({ happened, found, wrong }: Score): string {
  return `${found} of ${happened} found, ${wrong} wrong`
}

function table(scores: Scores): string {
  return Object.entries(scores)
    .map(([name, each]) => `${name.padEnd(12)} ${inWords(each as Score)}`)
    .join('\n')
}

function print(title: string, ...texts: readonly string[]): void {
  process.stdout.write(`\n${title}\n${texts.join('\n')}\n`)
}

describe.skipIf(isAbsent)('beside the truth', () => {
  test('the length of every packet that the keys open is the one that the arithmetic says', () => {
    let packets = 0
    for (const path of encrypted())
      for (const pair of pairsOf(readTruth(path))) {
        const opened = pair.filter(({ espLength, innerLength }) => espLength > 0 && innerLength > 0)
        if (opened.length === 0) continue
        const [shape] = ESP_SHAPES.filter((each) => opened.every((one) => isOf(each, one)))
        expect(shape).toBeDefined()
        for (const { espLength, innerLength } of opened) {
          expect(innerMax(shape, espLength)).toBeGreaterThanOrEqual(innerLength)
          expect(innerMin(shape, espLength)).toBeLessThanOrEqual(innerLength)
        }
        packets += opened.length
      }
    print('Overhead', `${packets} packets of known content have the length that was computed`)
    expect(packets).toBeGreaterThan(700)
  })

  test('set-up, login and end are found in the encrypted captures', () => {
    const scores = noScores()
    for (const path of encrypted())
      for (const pair of pairsOf(readTruth(path)).filter(isInEsp)) {
        // What the keys do not open is no truth.
        if (pair.some(({ purpose }) => purpose === 'ICCN' || purpose === 'lcp'))
          score(pair, observe(pair, WINDOW_US, null).found, scores)
      }
    print('Encrypted captures', table(scores))
    for (const each of Object.values(scores) as Score[]) {
      expect(each.found / Math.max(1, each.happened)).toBeGreaterThanOrEqual(each.happened === 0 ? 0 : 0.9)
      expect(each.wrong).toBeLessThanOrEqual(Math.ceil(each.happened / 20))
    }
    expect(scores.setUp.happened).toBeGreaterThan(5)
  })

  test('and in those in clear, put into ESP of every suite', () => {
    const scores = noScores()
    for (const path of clear())
      for (const pair of pairsOf(readTruth(path)))
        for (const shape of ESP_SHAPES) score(pair, observe(pair, WINDOW_US, shape).found, scores)
    print(`Captures in clear, under ${ESP_SHAPES.length} kinds of suites`, table(scores))
    for (const { happened, found, wrong } of Object.values(scores) as Score[]) {
      expect(found / happened).toBeGreaterThanOrEqual(0.9)
      expect(wrong / happened).toBeLessThanOrEqual(0.02)
    }
  })

  test('other traffic is hardly ever taken for L2TP', () => {
    let pairs = 0
    const wrong = new Map<string, number>()
    for (const path of capturesIn(join(FOLDER, 'lab'), (name) => /(l2tp-inner|pptp|l2tpv3)/.test(name)))
      for (const pair of pairsOf(readTruth(path, null, 'other')))
        for (const shape of ESP_SHAPES) {
          pairs++
          const { found } = observe(pair, WINDOW_US, shape)
          if (found.length > 0) wrong.set(path, (wrong.get(path) ?? 0) + 1)
        }
    const total = [...wrong.values()].reduce((a, b) => a + b, 0)
    print('Other traffic between two hosts, under every kind of suite', `${total} of ${pairs} taken for L2TP`)
    expect(pairs).toBeGreaterThan(100)
    expect(total / pairs).toBeLessThanOrEqual(0.01)
  })

  test('windows are classified as what they were used for', () => {
    const confusion = new Confusion()
    for (const path of encrypted())
      for (const pair of pairsOf(readTruth(path)).filter(isInEsp))
        if (pair.some(({ purpose }) => purpose !== 'other'))
          confusion.addPair(pair, observe(pair, WINDOW_US, null).stretches, WINDOW_US)
    print('Windows of 10 s, encrypted captures', String(confusion), `${confusion.right} of ${confusion.total} right`)
    expect(confusion.right / confusion.total).toBeGreaterThanOrEqual(0.8)
  })

  test('and so are those of captures in clear, put into ESP of every suite', () => {
    const confusion = new Confusion()
    for (const path of clear())
      for (const pair of pairsOf(readTruth(path)))
        for (const shape of ESP_SHAPES) confusion.addPair(pair, observe(pair, WINDOW_US, shape).stretches, WINDOW_US)
    print('Windows of 10 s, captures in clear', String(confusion), `${confusion.right} of ${confusion.total} right`)
    expect(confusion.right / confusion.total).toBeGreaterThanOrEqual(0.8)
  })
})

function isOf(shape: EspShape, { espLength, innerLength }: TruthPacket): boolean {
  return espLengthOf(shape, innerLength) === espLength
}

describe('a pair', () => {
  const AES_CBC = ESP_SHAPES.find(({ suites }) => suites.includes('AES-CBC/128')) as EspShape
  const START_US = 1_700_000_000 * SECOND_US

  class Told {
    readonly stretches: Stretch[] = []
    readonly findings: L2tpFinding[] = []
    readonly traffic = new EspTraffic(
      {
        classified: (_, stretch) => this.stretches.push(stretch),
        inferred: (_, finding) => this.findings.push(finding),
      },
      WINDOW_US,
    )

    expire(nowUs: number): void {
      for (const _ of this.traffic.expire(nowUs));
    }
  }

  const session = inEsp(
    merge(setUp(START_US), login(START_US + SECOND_US), tearDown(START_US + 5 * SECOND_US)),
    AES_CBC,
  )

  test('is told the same whether its first packets were held back until it was believed', () => {
    const told = new Told()
    const { traffic } = told
    traffic.beginHolding(7)
    traffic.beginHolding(8)
    const [first, second, third, ...rest] = session
    traffic.hold(7, first.length, first)
    traffic.hold(8, second.length, second)
    traffic.hold(7, third.length, third)
    traffic.open(2, true, first)
    traffic.adopt(2, 0, 7)
    traffic.adopt(2, 1, 8)
    for (const packet of rest) traffic.count(2, packet.direction, packet.length, packet)
    traffic.close(2, session[session.length - 1].timeUs)
    expect(told.findings).toEqual(['set_up', 'not_logged_in', 'torn_down'])
    const [stretch] = told.stretches
    expect(stretch.packets[0] + stretch.packets[1]).toBe(session.length)
  })

  test('waits for its second direction, whose first packet comes among those of the first', () => {
    const told = new Told()
    const { traffic } = told
    const [sccrq, sccrp, scccn, icrq, zlb, ...rest] = session
    traffic.beginHolding(0)
    traffic.hold(0, sccrq.length, sccrq)
    traffic.open(0, true, sccrq)
    traffic.adopt(0, 0, 0)
    traffic.beginHolding(1)
    traffic.hold(1, sccrp.length, sccrp)
    for (const packet of [scccn, icrq]) traffic.count(0, packet.direction, packet.length, packet)
    traffic.hold(1, zlb.length, zlb)
    traffic.adopt(0, 1, 1)
    for (const packet of rest) traffic.count(0, packet.direction, packet.length, packet)
    traffic.close(0, session[session.length - 1].timeUs)
    expect(told.findings).toEqual(['set_up', 'not_logged_in', 'torn_down'])
  })

  test('waits for a second direction that never comes no longer than it must', () => {
    const told = new Told()
    const { traffic } = told
    traffic.beginHolding(0)
    traffic.open(0, true, { timeUs: START_US })
    traffic.adopt(0, 0, 0)
    for (let packet = 0; packet < 1000; packet++) traffic.count(0, 0, 1000, { timeUs: START_US + packet * 50_000 })
    traffic.close(0, START_US + 50 * SECOND_US)
    expect(told.stretches.reduce((sum, { packets }) => sum + packets[0], 0)).toBe(1000)
  })

  test('that is older than the capture is classified, and not searched for a set-up', () => {
    const told = new Told()
    told.traffic.open(0, false, session[0])
    for (const packet of session) told.traffic.count(0, packet.direction, packet.length, packet)
    told.traffic.close(0, session[session.length - 1].timeUs)
    expect(told.findings).toEqual([])
    expect(told.stretches).toHaveLength(1)
  })

  test('that was held for too long, or carried nothing at all, breaks nothing', () => {
    const told = new Told()
    told.traffic.beginHolding(300)
    for (let packet = 0; packet < 20; packet++) told.traffic.hold(300, 100, { timeUs: START_US + packet })
    told.traffic.open(0, true, { timeUs: START_US })
    told.traffic.adopt(0, 0, 300)
    told.traffic.close(0, START_US + 100)
    expect(told.stretches[0].packets[0]).toBe(4)
    told.traffic.open(0, true, { timeUs: START_US })
    told.traffic.close(0, START_US)
    expect(told.stretches).toHaveLength(1)
  })

  test('tells its end by the clock, when no packet comes any more', () => {
    const told = new Told()
    told.traffic.open(0, true, session[0])
    for (const packet of session) told.traffic.count(0, packet.direction, packet.length, packet)
    for (let second = 6; second < 60; second++) told.expire(START_US + second * SECOND_US)
    expect(told.findings).toEqual(['set_up'])
    for (let second = 60; second < 100; second++) told.expire(START_US + second * SECOND_US)
    expect(told.findings).toEqual(['set_up', 'not_logged_in', 'torn_down'])
  })

  test('is read window by window, whether packets or the clock end one', () => {
    const packets = inEsp(voice(new Random(1), START_US + 20.5 * SECOND_US, 29), AES_CBC)
    const stretchesOf = (hasClock: boolean) => {
      const told = new Told()
      const first = { timeUs: START_US, direction: 0, length: 72 } as const
      let second = START_US / SECOND_US
      told.traffic.open(0, false, first)
      for (const packet of [first, ...packets]) {
        for (; hasClock && second * SECOND_US <= packet.timeUs; second++) told.expire(second * SECOND_US)
        told.traffic.count(0, packet.direction, packet.length, packet)
      }
      told.traffic.close(0, START_US + 49.6 * SECOND_US)
      return told.stretches.map(({ class: each, windows, packets: counts }) => [each, windows, ...counts])
    }
    expect(stretchesOf(true)).toEqual(stretchesOf(false))
    expect(stretchesOf(true)).toEqual([
      ['idle', 2, 1, 0],
      ['voice', 3, 1450, 1450],
    ])
  })

  test('that is silent costs nothing: its windows are read once, and joined when it speaks again', () => {
    const told = new Told()
    const { traffic } = told
    traffic.open(0, false, { timeUs: START_US })
    traffic.count(0, 0, 100, { timeUs: START_US })
    for (let second = 1; second < 3600; second++) told.expire(START_US + second * SECOND_US)
    expect(told.stretches).toEqual([])
    const late: TunnelPacket = { timeUs: START_US + 7200 * SECOND_US, direction: 0, length: 100 }
    traffic.count(0, 0, late.length, late)
    traffic.close(0, late.timeUs)
    expect(told.stretches).toHaveLength(1)
    expect(told.stretches[0]).toMatchObject({ class: 'idle', startUs: START_US, endUs: late.timeUs, windows: 721 })
  })
})
