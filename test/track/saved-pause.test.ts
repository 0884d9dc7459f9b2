/** Time in which nobody looked is no silence: what is told of how things end is what one sensor tells of the packets without the pause. */
import { describe, expect, test } from 'vitest'
import { parseMicroseconds } from '../../src/base/time.ts'
import type { EventDocument } from '../../src/events/fields.ts'
import { cutOff, inFull, type Packet, packetsOf, saved, wholeOf } from '../support/restart.ts'
import { TestSensor } from '../support/sensor.ts'
import { simulate } from '../support/traffic.ts'
import { translated } from '../support/translate-l2tpv3.ts'

const OPTIONS = { capture: { duplicateWindowMs: 0 } }
/** But for a lifetime that was negotiated, which goes on in a pause: that it is over is told, and tested elsewhere. */
const TOLD = /^(l2tp\.(tunnel|session)|ike\.exchange|esp\.(tunnel|association)|pptp\.(connection|call))\.(?!outlived)/
const HOUR_US = 3_600_000_000

/** What follows from the time is not among them, as ids do. */
const NAMES = [
  'event.action',
  'source.ip',
  'destination.ip',
  'l2tp.session.initiator_id',
  'esp.spi',
  'event.reason',
] as const

/** What happened to what. */
const fates = (events: readonly EventDocument[]) =>
  events
    .filter(({ 'event.action': action }) => TOLD.test(action))
    .map((event) => NAMES.map((field) => event[field] ?? '').join(' '))
    .sort()

function compare(packets: readonly Packet[]): void {
  const whole = fates(wholeOf(packets, OPTIONS))
  expect(whole.length).toBeGreaterThan(2)
  for (let at = 1; at < packets.length; at += 1 + Math.floor(packets.length / 80)) {
    const { first, second } = cutOff(packets, at, OPTIONS, 0, 2 * HOUR_US)
    expect(fates([...first, ...second]), `cut at ${at}`).toEqual(whole)
  }
}

/** A sensor is started again, and once more before anything passes. */
function cutTwice(packets: readonly Packet[], at: number, silentUs: number): EventDocument[] {
  const first = new TestSensor(OPTIONS)
  for (const { bytes, timeUs } of packets.slice(0, at)) first.see(bytes, timeUs)
  const savedUs = first.sensor.nowUs
  const resume = (before: TestSensor, timeUs: number) => {
    const after = new TestSensor(OPTIONS)
    const { leftOut, problems } = after.sensor.restore(saved(before), { savedUs: timeUs, nowUs: timeUs + silentUs })
    expect([leftOut, problems]).toEqual([0, []])
    return after
  }
  const third = resume(resume(first, savedUs), savedUs + silentUs)
  for (const { bytes, timeUs } of packets.slice(at)) third.see(bytes, timeUs + 2 * silentUs)
  return [...first.events, ...third.finish()]
}

test.each([
  ['L2TP', async () => simulate({ clients: 2, seed: 4, sessionsPerTunnel: 2, flowsPerSession: 1 }).packets],
  ['IPsec', async () => packetsOf(new URL('../../pcaps/ipsec-espnull.pcap', import.meta.url))],
] as const)('%s: nor is the time of several pauses, one after the other', async (_, packetsNow) => {
  const packets = await packetsNow()
  const whole = fates(wholeOf(packets, OPTIONS))
  for (let at = 1; at < packets.length; at += 1 + Math.floor(packets.length / 40))
    expect(fates(cutTwice(packets, at, 5 * HOUR_US)), `cut at ${at}`).toEqual(whole)
})

describe('after a pause in which nothing passed', () => {
  const calls = simulate({ clients: 2, seed: 4, sessionsPerTunnel: 2, flowsPerSession: 1 }).packets
  test('L2TP', () => compare(calls))
  test('L2TPv3', () => compare(translated(calls, {})))
  test.each([
    'ipsec-ikev2.pcap',
    'ipsec-psk-main.pcap',
    'ipsec-espnull.pcap',
    'l2tp-flood-real.pcap',
    'l2tp-scan.pcap',
    'pptp.pcap',
  ])('%s', async (name) => compare(await packetsOf(new URL(`../../pcaps/${name}`, import.meta.url))))
})

describe('a deadline that passes in a pause comes that much later, once', () => {
  /** That something opened a sensor that began in its midst may know earlier, and how ESP looks from outside only if it looks all the time. */
  const LIVES = /^(l2tp|ppp|pptp|pppoe|ike|esp\.(?!traffic|content)|flow)\.(?!.*(opened|outlived))/
  const PAUSE_US = 5 * HOUR_US

  /** What happened to what, and when; what came after the cut by the clock of a sensor that had no pause. */
  const dated = (events: readonly EventDocument[], cutUs = Number.POSITIVE_INFINITY) =>
    events
      .filter(({ 'event.action': action }) => LIVES.test(action))
      .map((event) => {
        const timeUs = parseMicroseconds(event['@timestamp'])
        return `${(timeUs > cutUs ? timeUs - PAUSE_US : timeUs) / 1_000_000} ${NAMES.map((field) => event[field] ?? '').join(' ')}`
      })
      .sort()

  /** Long after the last packet: all that is open has fallen silent. */
  const after = (packets: readonly Packet[]): Packet => {
    const lastUs = Math.max(...packets.map(({ timeUs }) => timeUs))
    return { timeUs: lastUs + 3 * HOUR_US, bytes: new Uint8Array(60) }
  }

  const calls = () => simulate({ clients: 2, seed: 4, sessionsPerTunnel: 2, flowsPerSession: 1 }).packets
  const capture = (name: string) => () => packetsOf(new URL(`../../pcaps/${name}`, import.meta.url))
  test.each<[string, () => readonly Packet[] | Promise<readonly Packet[]>]>([
    ['L2TP', calls],
    ['L2TPv3', () => translated(calls(), {})],
    ['sessions with PPP', capture('l2tp-bruteforce-mschapv2.pcap')],
    ['half-open tunnels', capture('l2tp-flood-real.pcap')],
    ['PPPoE', capture('l2tp-pppoe-lac.pcap')],
    ['PPTP', capture('pptp.pcap')],
    ['IKEv2 and ESP', capture('ipsec-ikev2.pcap')],
    ['IKEv1 and ESP', capture('ipsec-psk-main.pcap')],
    ['flows in ESP', capture('ipsec-espnull.pcap')],
  ])('%s', async (_, packetsNow) => {
    const seen = await packetsNow()
    const packets = [...seen, after(seen)]
    const whole = dated(wholeOf(packets, OPTIONS))
    for (let at = 1; at < packets.length; at += 1 + Math.floor(packets.length / 40)) {
      const { first, second } = cutOff(packets, at, OPTIONS, 0, PAUSE_US)
      const cutUs = packets[at - 1].timeUs
      expect([...dated(first), ...dated(second, cutUs)].sort(), `cut at ${at}`).toEqual(whole)
    }
  })
})

describe('what a sensor knows of not having looked, it still knows after a further restart', () => {
  const NARROW = { ...OPTIONS, track: { espReplayWindow: 64 } } as const
  /** Packets of so long pass unseen; the sensor that took the state up is started again at once, or it is not. */
  function resumed(packets: readonly Packet[], at: number, missedUs: number, isStartedAgain: boolean): string[] {
    const first = new TestSensor(NARROW)
    for (const { bytes, timeUs } of packets.slice(0, at)) first.see(bytes, timeUs)
    const savedUs = first.sensor.nowUs
    const nowUs = savedUs + missedUs
    const second = new TestSensor(NARROW)
    second.sensor.trackers.restore(saved(first), { savedUs, nowUs })
    let last = second
    if (isStartedAgain) {
      last = new TestSensor(NARROW)
      const { leftOut, problems } = last.sensor.trackers.restore(saved(second), { savedUs: nowUs, nowUs })
      expect([leftOut, problems]).toEqual([0, []])
    }
    for (const { bytes, timeUs } of packets.slice(at)) if (timeUs >= nowUs) last.see(bytes, timeUs)
    return inFull(last.finish(), /./)
  }

  const CAPTURES = [
    'ipsec-espnull.pcap',
    'ipsec-ikev2.pcap',
    'ipsec-psk-main.pcap',
    'l2tp-bruteforce-mschapv2.pcap',
    'l2tp-mschapv2.pcap',
    'l2tp-pppoe-lac.pcap',
    'l2tpv3-static.pcap',
    'pptp.pcap',
    'softether-raw.pcap',
  ]
  test.each(CAPTURES)('%s', async (name) => {
    const packets = await packetsOf(new URL(`../../pcaps/${name}`, import.meta.url))
    for (const missed of [6, 200]) {
      for (let at = 1; at + missed < packets.length; at += 1 + Math.floor(packets.length / 30)) {
        const missedUs = packets[at + missed].timeUs - packets[at - 1].timeUs
        expect(resumed(packets, at, missedUs, true), `cut at ${at}`).toEqual(resumed(packets, at, missedUs, false))
      }
    }
  })
})

test('a pause that is damaged is refused by name', () => {
  const pause = { savedUs: 9, nowUs: 10 }
  const entries = [{ savedUs: 2 }, { savedUs: 'x', nowUs: 3 }, { savedUs: 3, nowUs: 2 }, null, { savedUs: 1, nowUs: 2 }]
  const { problems, restored } = new TestSensor().sensor.trackers.restore(
    entries.map((value) => ({ kind: 'pause/1', saved: value })),
    pause,
  )
  expect(restored).toBe(1)
  expect(problems).toEqual([
    'pause/1: nowUs is missing',
    'pause/1: savedUs is not what it must be',
    'pause/1: it ends before it begins',
    'pause/1: it is no record',
  ])
})
