import { describe, expect, test } from 'vitest'
import { ESP_SHAPES, type EspShape } from '../../src/track/esp-overhead.ts'
import { EspTraffic, type Stretch } from '../../src/track/esp-traffic.ts'
import { classify, TRAFFIC_CLASSES, type TrafficClass } from '../../src/track/traffic-class.ts'
import { type Direction, TrafficMeter } from '../../src/track/traffic-shape.ts'
import { Random } from '../support/random.ts'
import {
  beacon,
  bulk,
  inEsp,
  keepalives,
  login,
  merge,
  setUp,
  type TunnelPacket,
  tearDown,
  typing,
  voice,
  web,
} from '../support/tunnel-traffic.ts'

const SECOND_US = 1_000_000
const START_US = 1_700_000_000 * SECOND_US
const WINDOW_US = 10 * SECOND_US
const AES_CBC = ESP_SHAPES.find(({ suites }) => suites.includes('AES-CBC/128')) as EspShape

/** A session that is set up, then used in one way for a while, with keepalives all the time. */
function used(use: (random: Random, startUs: number) => readonly TunnelPacket[], seed: number): TunnelPacket[] {
  const random = new Random(seed)
  const body = use(random, START_US + 40 * SECOND_US)
  const seconds = (body[body.length - 1].timeUs - START_US) / SECOND_US
  return merge(
    setUp(START_US),
    login(START_US + SECOND_US),
    body,
    keepalives(random, START_US + 2 * SECOND_US, seconds),
  )
}

function stretchesOf(packets: readonly TunnelPacket[], windowUs = WINDOW_US): Stretch[] {
  const stretches: Stretch[] = []
  const traffic = new EspTraffic({ classified: (_, stretch) => stretches.push(stretch), inferred: () => {} }, windowUs)
  traffic.open(0, true, packets[0])
  for (const packet of packets) traffic.count(0, packet.direction, packet.length, packet)
  traffic.close(0, packets[packets.length - 1].timeUs)
  return stretches
}

/** The classes of the windows while the session was used, and how many windows each has. */
function classesOf(use: (random: Random, startUs: number) => readonly TunnelPacket[], seed: number, shape: EspShape) {
  const counts: Partial<Record<TrafficClass, number>> = {}
  for (const { class: each, startUs, windows } of stretchesOf(inEsp(used(use, seed), shape))) {
    const before = Math.max(0, Math.ceil((START_US + 40 * SECOND_US - startUs) / WINDOW_US))
    if (windows > before) counts[each] = (counts[each] ?? 0) + windows - before
  }
  return counts
}

const USES: readonly (readonly [string, TrafficClass, (random: Random, startUs: number) => readonly TunnelPacket[]])[] =
  [
    ['a call with G.711', 'voice', (random, at) => voice(random, at, 60)],
    ['a call with G.729', 'voice', (random, at) => voice(random, at, 60, { payload: 32 })],
    ['a call with silence suppressed', 'voice', (random, at) => voice(random, at, 60, { hasSilence: true })],
    ['a call with frames of 30 ms', 'voice', (random, at) => voice(random, at, 60, { frameMs: 30, payload: 252 })],
    ['pages', 'web', (random, at) => web(random, at, 60)],
    ['a terminal', 'interactive', (random, at) => typing(random, at, 60)],
    ['a file that is sent', 'bulk_up', (_, at) => bulk(at, 60, 0)],
    ['a file that is fetched', 'bulk_down', (_, at) => bulk(at, 60, 1)],
    ['a file that is fetched slowly', 'bulk_down', (_, at) => bulk(at, 60, 1, 30_000)],
    ['a question every second', 'periodic', (random, at) => beacon(random, at, 60, 1)],
  ]

test.each(USES)('%s is %s, under every suite', (_, expected, use) => {
  for (const shape of ESP_SHAPES)
    for (const seed of [1, 2, 3]) {
      const counts = classesOf(use, seed, shape)
      const windows = Object.values(counts).reduce((a, b) => a + b)
      expect((counts[expected] ?? 0) / windows).toBeGreaterThanOrEqual(0.8)
    }
})

test('a program that reports every half minute is periodic once it did so a few times, through the silence between', () => {
  const counts = classesOf((random, at) => beacon(random, at, 900, 30), 1, AES_CBC)
  expect(counts.periodic).toBeGreaterThan(60)
  expect(counts.idle).toBeLessThan(20)
})

test('keepalives alone are idle, and what they are is told', () => {
  const packets = merge(
    setUp(START_US),
    login(START_US + SECOND_US),
    keepalives(new Random(1), START_US + 3 * SECOND_US, 600),
  )
  const stretches = stretchesOf(inEsp(packets, AES_CBC))
  expect(stretches.map((stretch) => stretch.class)).toEqual(['signalling', 'idle'])
  const [, idle] = stretches
  expect(idle.packets[0] + idle.packets[1]).toBeGreaterThan(100)
  expect(idle.verdict.evidence.packets).toBe(0)
})

test('keepalives are taken away where no set-up was seen, by their pace', () => {
  const random = new Random(2)
  const packets = inEsp(merge(keepalives(random, START_US, 600), web(random, START_US + 300 * SECOND_US, 5)), AES_CBC)
  const stretches = stretchesOf(packets)
  expect(stretches.map((stretch) => stretch.class)).toEqual(['idle', 'web', 'idle'])
})

test('set-up and login are signalling, not use, and so is the end', () => {
  const packets = merge(
    setUp(START_US),
    login(START_US + SECOND_US),
    bulk(START_US + 20.5 * SECOND_US, 20, 1),
    tearDown(START_US + 61 * SECOND_US),
  )
  expect(stretchesOf(inEsp(packets, AES_CBC)).map((stretch) => stretch.class)).toEqual([
    'signalling',
    'idle',
    'bulk_down',
    'idle',
    'signalling',
  ])
})

test('a stretch adds up what its windows hold, and keeps the window that says most', () => {
  const packets = inEsp(
    used((_, at) => bulk(at, 60, 1), 1),
    AES_CBC,
  )
  const stretch = stretchesOf(packets).find((each) => each.class === 'bulk_down') as Stretch
  expect(stretch.windows).toBeGreaterThanOrEqual(5)
  expect(Math.ceil((stretch.endUs - stretch.startUs) / WINDOW_US)).toBe(stretch.windows)
  const within = packets.filter(({ timeUs }) => timeUs >= stretch.startUs && timeUs <= stretch.endUs)
  for (const direction of [0, 1] as const) {
    const those = within.filter((packet) => packet.direction === direction)
    expect(stretch.packets[direction]).toBe(those.length)
    expect(stretch.bytes[direction]).toBe(those.reduce((all, { length }) => all + length, 0))
  }
  expect(stretch.verdict.evidence.dominance).toBeGreaterThan(6)
  expect(stretch.window.durationUs).toBe(WINDOW_US)
})

test('all windows between the first packet and the last are told, once', () => {
  const packets = inEsp(
    merge(
      used((random, at) => web(random, at, 30), 4),
      beacon(new Random(4), START_US + 400 * SECOND_US, 60, 20),
    ),
    AES_CBC,
  )
  const stretches = stretchesOf(packets)
  expect(stretches[0].startUs).toBe(packets[0].timeUs)
  for (const [at, stretch] of stretches.entries()) if (at > 0) expect(stretch.startUs).toBe(stretches[at - 1].endUs)
  expect(stretches[stretches.length - 1].endUs).toBe(packets[packets.length - 1].timeUs)
})

test('years of silence are one stretch', () => {
  const late = START_US + 10 * 365 * 86_400 * SECOND_US
  const stretches = stretchesOf([
    { timeUs: START_US, direction: 0, length: 100 },
    { timeUs: late, direction: 1, length: 100 },
  ])
  expect(stretches).toHaveLength(1)
  expect(stretches[0].class).toBe('idle')
})

describe('a verdict', () => {
  const window = (count: (meter: TrafficMeter) => void) => {
    const meter = new TrafficMeter(WINDOW_US)
    meter.open(0, { timeUs: START_US })
    count(meter)
    return meter.window(0, START_US + WINDOW_US)
  }
  const context = { keepaliveLength: 88, signallingPackets: 0, isAwaiting: false }

  test('says in words what decided, and how far the numbers are from the thresholds', () => {
    const calm = window((meter) => {
      for (const { direction, length, timeUs } of inEsp(voice(new Random(1), START_US, 10), AES_CBC))
        meter.count(0, direction, length, { timeUs })
    })
    const verdict = classify(calm, context)
    expect(verdict.class).toBe('voice')
    expect(verdict.because.length).toBeGreaterThan(4)
    expect(verdict.because[0]).toMatch(/^packets \d+ is at least 60$/)
    expect(verdict.margin).toBeGreaterThan(0)
    expect(verdict.margin).toBeLessThanOrEqual(1)
  })

  test('is idle for an empty window, and unclear where no rule fits', () => {
    expect(
      classify(
        window(() => {}),
        context,
      ).class,
    ).toBe('idle')
    const both = window((meter) => {
      for (let at = 0; at < 4000; at++) meter.count(0, (at % 2) as Direction, 1400, { timeUs: START_US + at * 2000 })
    })
    expect(classify(both, context)).toMatchObject({ class: 'unclear', margin: 0, because: [] })
  })

  test('never has a number that is none, whatever the packets', () => {
    const random = new Random(17)
    for (let round = 0; round < 300; round++) {
      const any = window((meter) => {
        for (let at = random.below(50); at > 0; at--)
          meter.count(0, random.below(2) as Direction, 1 + random.below(2000), {
            timeUs: START_US + random.below(WINDOW_US),
          })
      })
      const verdict = classify(any, { ...context, signallingPackets: random.below(60) })
      expect(TRAFFIC_CLASSES).toContain(verdict.class)
      expect(Object.values(verdict.evidence).every((value) => Number.isFinite(value) && value >= 0)).toBe(true)
      expect(verdict.margin).toBeGreaterThanOrEqual(0)
      expect(verdict.margin).toBeLessThanOrEqual(1)
    }
  })
})
