/** What is recorded is dissected layer by layer, other data messages are read in one go: the events must be the same, byte for byte. */
import { mkdtempSync, readdirSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, describe, expect, test } from 'vitest'
import { mergeByTime } from '../src/capture/merge.ts'
import { openCapture } from '../src/capture/sources.ts'
import { loadConfig } from '../src/config.ts'
import type { Config } from '../src/config-schema.ts'
import { Sensor } from '../src/sensor.ts'
import { PPP } from '../src/wire/ppp.ts'
import { generateMix } from './bench/generate.ts'
import * as craft from './support/craft.ts'
import { type CapturedPacket, pcapFile } from './support/pcap.ts'
import { Random } from './support/random.ts'
import { simulate } from './support/traffic.ts'
import { Peers } from './track/support.ts'

const CAPTURES = join(import.meta.dirname, '../pcaps')
const scratch = mkdtempSync(join(tmpdir(), 'borescope-plain-'))
afterAll(() => rmSync(scratch, { recursive: true }))

async function told(path: string, isRecorded: boolean, change: (config: Config) => void): Promise<string[]> {
  const { config } = loadConfig(undefined, {})
  change(config)
  const sensor = new Sensor(config, 'test')
  if (isRecorded) sensor.recorder = { record() {} }
  const text: string[] = []
  sensor.bus.subscribe((event) => text.push(JSON.stringify(event)))
  const source = mergeByTime([await openCapture(path)])
  await sensor.run(source, () => {})
  await source.close()
  return [...text, JSON.stringify(sensor.counts)]
}

async function expectSame(path: string, change: (config: Config) => void = () => {}): Promise<void> {
  const text = await told(path, false, change)
  expect(text.length).toBeGreaterThan(3)
  expect(text).toEqual(await told(path, true, change))
}

function written(name: string, packets: readonly CapturedPacket[]): string {
  const path = join(scratch, name)
  writeFileSync(path, pcapFile({ packets }))
  return path
}

test.each(readdirSync(CAPTURES).filter((name) => name.endsWith('.pcap')))('%s', (name) =>
  expectSame(join(CAPTURES, name)),
)

test('a message of which every name is zero, before anything is followed', async () => {
  const nobody = { source: '0.0.0.0', target: '0.0.0.0' }
  const inside = craft.ipv4(craft.udp(new Uint8Array(30), { sourcePort: 1234, targetPort: 53 }))
  const data = Buffer.concat([Buffer.from([0, 2, 0, 0, 0, 0, 0xff, 3, 0, 0x21]), inside])
  const bytes = craft.ethernet(craft.ipv4(craft.udp(data, { ...nobody, targetPort: 0 }), nobody))
  const { packets } = simulate({ clients: 2, seed: 1 })
  await expectSame(written('zero.pcap', [{ timeUs: packets[0].timeUs, bytes }, ...packets]))
})

test('many tunnels, with flows and without', async () => {
  const { path } = generateMix(join(scratch, 'mix.pcap'), { packets: 30_000, tunnels: 60, sessionsPerTunnel: 2 })
  await expectSame(path)
  await expectSame(path, (config) => {
    config.track.flows = false
  })
})

test('what peers still send after a StopCCN, until it is taken for a tunnel again', async () => {
  const peers = new Peers().open().call()
  const inside = craft.ppp(PPP.IPV4, craft.ipv4(craft.udp(new Uint8Array(64))))
  const talk = (seconds: number) => {
    for (let i = 0; i < seconds; i++) peers.wait(1).data('client', inside).data('server', inside)
  }
  talk(5)
  peers.send('client', (header) => craft.stopccn({ ...header, assignedTunnelId: 100 }))
  talk(100)
  expect(peers.run.events.map((event) => event['event.action'])).toEqual(
    expect.arrayContaining(['l2tp.tunnel.closed', 'l2tp.tunnel.adopted']),
  )
  expect(peers.run.sensor.counts).toMatchObject({ l2tp: peers.run.packets.length, duplicates: 0 })
  await expectSame(written('stopped.pcap', peers.run.packets))
})

describe('a bad network, seed', () => {
  test.each([1, 2, 3, 4, 5, 6])('%i', async (seed) => {
    const random = new Random(seed)
    const faults = { loss: 0.05, duplicate: 0.1, reorder: 0.15, replay: 0.05, tapLoss: 0.1 }
    const { packets } = simulate({ clients: 12, sessionsPerTunnel: 2, behindNat: 0.3, ...faults, seed })
    const captured: CapturedPacket[] = []
    for (const { timeUs, bytes } of packets) {
      const copy = bytes.slice()
      if (random.chance(0.1)) copy[random.below(copy.length)] ^= 1 << random.below(8)
      captured.push({ timeUs, bytes: copy })
      // Such as a SPAN port makes.
      if (random.chance(0.1)) captured.push({ timeUs: timeUs + 10, bytes: copy })
      // To the same session, from somewhere else.
      if (random.chance(0.05)) {
        const foreign = copy.slice()
        foreign[29] ^= 1
        captured.push({ timeUs: timeUs + 20, bytes: foreign })
      }
    }
    await expectSame(written(`faults-${seed}.pcap`, captured))
  })
})
