/** Flows inside tunnels over a restart: their totals are those of the whole flow, under one id. */
import { describe, expect, test } from 'vitest'
import type { EventDocument } from '../../src/events/fields.ts'
import { loadFlows } from '../../src/track/saved-flows.ts'
import * as craft from '../support/craft.ts'
import { Random } from '../support/random.ts'
import { cutOff, damaged, packetsOf, inFull, saved, wholeOf } from '../support/restart.ts'
import type { SimulationOptions } from '../support/scenario.ts'
import { TestSensor } from '../support/sensor.ts'
import { simulate } from '../support/traffic.ts'
import { Peers } from './support.ts'

const OPTIONS = { capture: { duplicateWindowMs: 0 } }

/** Without what a reader had understood, and what hosts had sent each other so far. */
const flows = (events: readonly EventDocument[]) =>
  inFull(events, /^flow\.closed$/).map((event) =>
    event.replaceAll(/"(network\.protocol|flow\.sent\.\w+)":("[^"]*"|\d+),/g, ''),
  )

const NETWORKS: Record<string, SimulationOptions> = {
  'a perfect network': { sessionsPerTunnel: 2, flowsPerSession: 6 },
  'IPv6 outside': { overIpv6: 1 },
}

describe.each(Object.entries(NETWORKS))('on %s', (_, network) => {
  test('flows end as if nothing had been cut, wherever the cut is', () => {
    const { packets } = simulate({ clients: 5, seed: 4, ...network })
    const whole = flows(wholeOf(packets, OPTIONS))
    expect(whole.length).toBeGreaterThan(10)
    const random = new Random(4)
    for (let i = 0; i < 12; i++) {
      const at = 1 + random.below(packets.length - 1)
      const { first, second } = cutOff(packets, at, OPTIONS)
      expect(flows([...first, ...second]), `cut at ${at}`).toEqual(whole)
    }
  })
})

test.each(['l2tp-mschapv2.pcap', 'l2tp-inner-attack.pcap', 'ipsec-espnull.pcap', 'l2tp-pppoe-lac.pcap'])(
  '%s: flows end as if nothing had been cut',
  async (name) => {
    const packets = await packetsOf(new URL(`../../pcaps/${name}`, import.meta.url))
    const whole = flows(wholeOf(packets, OPTIONS))
    for (let at = 1; at < packets.length; at += 1 + Math.floor(packets.length / 25)) {
      const { first, second } = cutOff(packets, at, OPTIONS)
      expect(flows([...first, ...second]), `cut at ${at}`).toEqual(whole)
    }
  },
)

test('addresses of IPv6, whose numbers are other ones afterwards', () => {
  const peers = new Peers().open().call()
  const talk = (from: string, to: string, isBack = false) => {
    const [source, target] = isBack ? [to, from] : [from, to]
    const ports = isBack ? { sourcePort: 443, targetPort: 5000 } : { sourcePort: 5000, targetPort: 443 }
    const ends = { source, target, nextHeader: craft.IP_PROTOCOL.udp }
    const packet = craft.ipv6(craft.udp(new Uint8Array(10), { ...ends, ...ports }), ends)
    peers.data(isBack ? 'server' : 'client', craft.ppp(craft.PPP.ipv6, packet))
  }
  const [first, second, third] = ['2001:db8::1', '2001:db8::2', '2001:db8::3']
  talk(first, second)
  for (let i = 0; i < 8; i++) {
    peers.wait(20)
    talk(third, second)
    talk(third, first, i > 5)
    talk(third, second, true)
  }
  const { packets } = peers.run
  const whole = flows(wholeOf(packets, OPTIONS))
  expect(whole).toHaveLength(3)
  for (let at = packets.length - 25; at < packets.length; at++) {
    const { first: before, second: after } = cutOff(packets, at, OPTIONS)
    expect(flows([...before, ...after]), `cut at ${at}`).toEqual(whole)
  }
})

describe('entries', () => {
  const { packets } = simulate({ clients: 4, seed: 6, sessionsPerTunnel: 2, flowsPerSession: 8, spreadUs: 1 })
  const run = new TestSensor(OPTIONS)
  for (const { bytes, timeUs } of packets.slice(0, Math.floor(packets.length / 2))) run.see(bytes, timeUs)
  const entries = saved(run)
  const rows = entries.filter(({ kind }) => kind === 'flows/1')
  const pause = { savedUs: run.sensor.nowUs, nowUs: run.sensor.nowUs }
  const live = run.sensor.trackers.flows.size

  test('hold all flows that live', () => {
    expect(live).toBeGreaterThan(4)
    expect(rows.flatMap((entry) => loadFlows(entry['saved']))).toHaveLength(live)
    const { sensor } = new TestSensor(OPTIONS)
    expect(sensor.trackers.restore(entries, pause)).toMatchObject({ leftOut: 0, problems: [] })
    expect(sensor.trackers.flows.size).toBe(live)
  })

  test('that are damaged are refused, and the rest is taken up', () => {
    const [entry] = rows
    for (const broken of [...damaged(entry), { ...entry, saved: { ...(entry['saved'] as object), carriers: [] } }]) {
      const { sensor } = new TestSensor(OPTIONS)
      const uptake = sensor.trackers.restore([...entries.filter((other) => other !== entry), broken], pause)
      expect(uptake.problems).toEqual([expect.stringContaining('flows/1: ')])
      expect(sensor.trackers.tunnels.size).toBe(run.sensor.trackers.tunnels.size)
    }
  })

  test('of flows whose last packet has an earlier time than the first, as after a clock was set, are taken up', () => {
    const later = new TestSensor(OPTIONS)
    const { sensor } = later
    const { packets: all } = simulate({ clients: 2, seed: 6, flowsPerSession: 4, spreadUs: 1 })
    const half = all.slice(0, Math.floor(all.length / 2))
    for (const { bytes, timeUs } of half) later.see(bytes, timeUs)
    for (const { bytes, timeUs } of half) later.see(bytes, timeUs - 2_000_000)
    const { flows } = sensor.trackers
    expect(flows.size).toBeGreaterThan(0)
    const kept = [...sensor.trackers.save()].map((entry) => JSON.parse(JSON.stringify(entry)))
    const { sensor: next } = new TestSensor(OPTIONS)
    const { nowUs } = sensor
    expect(next.trackers.restore(kept, { savedUs: nowUs, nowUs }).problems).toEqual([])
    expect(next.trackers.flows.size).toBe(flows.size)
  })

  test('that find no room, or not what carries them, are left out and counted', () => {
    const small = new TestSensor({ track: { flowsMax: 2 } }).sensor.trackers
    expect(small.restore(entries, pause)).toMatchObject({ leftOut: live - 2, problems: [] })
    expect(small.flows.size).toBe(2)
    const alone = new TestSensor().sensor.trackers
    expect(alone.restore(rows, pause)).toMatchObject({ leftOut: live, problems: [] })
    expect(alone.flows.size).toBe(0)
  })
})
