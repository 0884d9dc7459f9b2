import { describe, expect, test } from 'vitest'
import { ESP_SHAPES, type EspShape } from '../../src/track/esp-overhead.ts'
import { type L2tpEvidence, type L2tpFinding, L2tpInEsp } from '../../src/track/l2tp-in-esp.ts'
import type { Direction } from '../../src/track/traffic-shape.ts'
import { Random } from '../support/random.ts'
import {
  beacon,
  bulk,
  inEsp,
  keepalives,
  login,
  merge,
  refusedLogin,
  type SetUpOptions,
  setUp,
  type TunnelPacket,
  tearDown,
  typing,
  voice,
  web,
} from '../support/tunnel-traffic.ts'

const SECOND_US = 1_000_000
const AES_CBC = shape('AES-CBC/128')
const AES_GCM = shape('AES-GCM-16')

function shape(suite: string): EspShape {
  return ESP_SHAPES.find(({ suites }) => suites.includes(suite)) as EspShape
}

interface Told {
  readonly finding: L2tpFinding
  readonly evidence: L2tpEvidence
}

/** What is found in a conversation; `silentSeconds` after its last packet it is over, or the capture is if that is 0. */
function found(packets: readonly TunnelPacket[], silentSeconds = 0): Told[] {
  const l2tp = new L2tpInEsp()
  const told: Told[] = []
  const settle = (nowUs: number, isOver: boolean): void => {
    for (let finding = l2tp.settle(0, nowUs, isOver); finding !== null; finding = l2tp.settle(0, nowUs, isOver))
      told.push({ finding, evidence: l2tp.evidence(0) })
  }
  l2tp.open(0, true)
  for (const packet of packets) {
    if (l2tp.observe(0, packet.direction, packet.length, packet)) settle(packet.timeUs, false)
    else if (packet.timeUs % 5 === 0) settle(packet.timeUs, false)
  }
  settle((packets.at(-1)?.timeUs ?? 0) + silentSeconds * SECOND_US, silentSeconds === 0)
  return told
}

function findings(packets: readonly TunnelPacket[], silentSeconds = 0): L2tpFinding[] {
  return found(packets, silentSeconds).map(({ finding }) => finding)
}

/** A tunnel whose user logs in, browses, and leaves. */
function session(startUs: number, options: SetUpOptions = {}, seed = 1): TunnelPacket[] {
  const random = new Random(seed)
  const { initiator = 0 } = options
  return merge(
    setUp(startUs, options),
    login(startUs + 15 * SECOND_US, { initiator }),
    web(random, startUs + 20 * SECOND_US, 20),
    keepalives(random, startUs + 15 * SECOND_US, 30),
    tearDown(startUs + 50 * SECOND_US, initiator),
  )
}

/** An IPv4 header of 20 octets more, as in tunnel mode. */
function inTunnelMode(packets: readonly TunnelPacket[]): TunnelPacket[] {
  return packets.map((packet) => ({ ...packet, length: packet.length + 20 }))
}

describe.each(ESP_SHAPES.map((each) => ({ name: each.suites[0], each })))('under $name', ({ each }) => {
  test('set-up, login and tear-down are found, in transport and in tunnel mode', () => {
    for (const packets of [session(SECOND_US), inTunnelMode(session(SECOND_US))])
      expect(findings(inEsp(packets, each))).toEqual(['set_up', 'logged_in', 'torn_down'])
  })

  test('the suite that is in use is among those that are left', () => {
    const [{ evidence }] = found(inEsp(session(SECOND_US), each))
    expect(evidence.carriages).toContainEqual({ shape: each, mode: 'transport' })
    expect(evidence.carriages.length).toBeLessThanOrEqual(8)
  })

  test('a refused login is told from one that succeeded, and the next attempt is found as well', () => {
    const attempts = merge(
      setUp(SECOND_US),
      refusedLogin(2 * SECOND_US),
      setUp(4 * SECOND_US),
      refusedLogin(5 * SECOND_US),
      session(7 * SECOND_US),
    )
    expect(findings(inEsp(attempts, each))).toEqual([
      'set_up',
      'not_logged_in',
      'torn_down',
      'set_up',
      'not_logged_in',
      'torn_down',
      'set_up',
      'logged_in',
      'torn_down',
    ])
  })
})

const VARIANTS: readonly (readonly [string, SetUpOptions])[] = [
  ['short names', { hostName: 'a', vendorName: '' }],
  ['long names', { hostName: 'x'.repeat(60), vendorName: 'y'.repeat(40) }],
  ['tunnel authentication', { isAuthenticated: true }],
  ['the other end asking', { initiator: 1 }],
  ['a slow way', { roundTripUs: 600_000 }],
  ['an SCCRQ that is repeated', { repetitions: 3 }],
]

test.each(VARIANTS)('a set-up with %s is found', (_, options) => {
  for (const each of [AES_CBC, AES_GCM]) {
    const [first] = found(inEsp(session(SECOND_US, options), each))
    expect(first?.finding).toBe('set_up')
    expect(first.evidence.initiator).toBe(options.initiator ?? 0)
    expect(first.evidence.lengths).toHaveLength(6)
  }
})

test('the evidence says when it was asked for, when it was up, and which lengths the messages had', () => {
  const packets = inEsp(session(SECOND_US), AES_GCM)
  const [{ evidence }] = found(packets)
  const [sccrq, sccrp, scccn, icrq, , icrp, iccn] = packets
  expect(evidence).toMatchObject({ askedUs: sccrq.timeUs, setUpUs: iccn.timeUs, setUpPackets: 7, isMsChap: false })
  expect(evidence.lengths).toEqual([sccrq, sccrp, scccn, icrq, icrp, iccn].map(({ length }) => length))
})

test('a login of the lengths of MS-CHAPv2 is named', () => {
  const [, loggedIn] = found(inEsp(session(SECOND_US), AES_GCM))
  expect(loggedIn).toMatchObject({ finding: 'logged_in', evidence: { isMsChap: true } })
})

test('who closed the tunnel, and when', () => {
  const closed = (closer: Direction) => {
    const packets = merge(session(SECOND_US).slice(0, -4), tearDown(51 * SECOND_US, closer))
    return found(inEsp(packets, AES_CBC)).at(-1)
  }
  expect(closed(0)).toMatchObject({ finding: 'torn_down', evidence: { closedBy: 0 } })
  expect(closed(1)).toMatchObject({ finding: 'torn_down', evidence: { closedBy: 1 } })
})

test('a tunnel that falls silent without a farewell is not torn down', () => {
  const packets = inEsp(session(SECOND_US).slice(0, -4), AES_GCM)
  expect(findings(packets, 300)).toEqual(['set_up', 'logged_in'])
  expect(findings(packets)).toEqual(['set_up', 'logged_in'])
})

test('a tunnel that ended is told after a minute of silence, and not before', () => {
  const packets = inEsp(session(SECOND_US), AES_CBC)
  expect(findings(packets, 20)).toEqual(['set_up', 'logged_in'])
  expect(findings(packets, 70)).toEqual(['set_up', 'logged_in', 'torn_down'])
})

test('what only looks like a farewell is taken back when the user goes on', () => {
  const random = new Random(7)
  const packets = merge(session(SECOND_US), web(random, 55 * SECOND_US, 20))
  expect(findings(inEsp(packets, AES_GCM), 300)).toEqual(['set_up', 'logged_in'])
})

test('LCP that goes on after the farewell changes nothing', () => {
  const afterglow: TunnelPacket[] = [53, 56, 59].flatMap((at) => [
    { timeUs: at * SECOND_US, direction: 1, length: 34 },
    { timeUs: at * SECOND_US + 300, direction: 0, length: 34 },
  ])
  const packets = merge(session(SECOND_US), afterglow)
  expect(findings(inEsp(packets, AES_GCM))).toEqual(['set_up', 'logged_in', 'torn_down'])
})

test('a set-up that lacks any one message is none', () => {
  const whole = inEsp(session(SECOND_US), AES_GCM)
  const [SCCRP, SCCCN, ICRQ, ICRP, ICCN] = [1, 2, 3, 5, 6]
  for (const missing of [SCCRP, SCCCN, ICRQ, ICRP, ICCN])
    expect(findings(whole.filter((_, at) => at !== missing))).toEqual([])
})

test('a set-up that was asked for and not answered is none', () => {
  expect(findings(inEsp(setUp(SECOND_US, { repetitions: 4 }).slice(0, 5), AES_CBC), 300)).toEqual([])
})

test('associations that began before they were seen are not searched for a set-up', () => {
  const before = bulk(SECOND_US, 2, 1)
  expect(findings(inEsp(merge(before, session(10 * SECOND_US)), AES_GCM))).toEqual([])
})

const OTHERS: Readonly<Record<string, (seed: number) => TunnelPacket[]>> = {
  voice: (seed) => voice(new Random(seed), SECOND_US, 20),
  web: (seed) => web(new Random(seed), SECOND_US, 60),
  typing: (seed) => typing(new Random(seed), SECOND_US, 60),
  bulk: () => bulk(SECOND_US, 5, 1),
  beacons: (seed) => beacon(new Random(seed), SECOND_US, 300, 5),
  keepalives: (seed) => keepalives(new Random(seed), SECOND_US, 600),
}

test.each(Object.keys(OTHERS))('%s alone is no set-up, under any suite', (kind) => {
  for (const each of ESP_SHAPES)
    for (let seed = 1; seed <= 10; seed++) expect(findings(inEsp(OTHERS[kind](seed), each))).toEqual([])
})

test('packets of any length at any time find little, and break nothing', () => {
  const random = new Random(11)
  let setUps = 0
  for (let round = 0; round < 2000; round++) {
    let timeUs = SECOND_US
    const packets = Array.from({ length: 60 }, (): TunnelPacket => {
      timeUs += random.below(400_000)
      return { timeUs, direction: random.below(2) as Direction, length: 40 + 4 * random.below(60) }
    })
    setUps += findings(packets).filter((finding) => finding === 'set_up').length
  }
  expect(setUps).toBeLessThanOrEqual(2)
})

test('lengths beyond any packet, and those that no ESP packet has, are passed over', () => {
  const odd: TunnelPacket[] = [0, 1, 7, 2047, 2048, 65_535, 100_000].map((length, index) => ({
    timeUs: SECOND_US + index,
    direction: (index % 2) as Direction,
    length,
  }))
  expect(findings(odd)).toEqual([])
})

test('the floor is the longest ESP packet that is too short for a user, once a set-up says which suites there are', () => {
  const l2tp = new L2tpInEsp()
  l2tp.open(0, true)
  expect(l2tp.floorOf(0)).toBe(0)
  for (const packet of inEsp(session(SECOND_US), AES_GCM))
    if (l2tp.observe(0, packet.direction, packet.length, packet)) l2tp.settle(0, packet.timeUs, false)
  // ICMP in IPv4 in PPP in L2TP in UDP has 43 octets: 42 and the trailer make 44, with 8 of ESP and 24 of GCM 76.
  expect(l2tp.floorOf(0)).toBe(76)
})

test('what belongs to set-up and login is counted as signalling, once', () => {
  const l2tp = new L2tpInEsp()
  l2tp.open(0, true)
  const packets = inEsp(merge(setUp(SECOND_US), login(2 * SECOND_US)), AES_GCM)
  for (const packet of packets)
    if (l2tp.observe(0, packet.direction, packet.length, packet)) l2tp.settle(0, packet.timeUs, false)
  expect(l2tp.takeSignalling(0)).toBe(packets.length)
  expect(l2tp.takeSignalling(0)).toBe(0)
})
