/** The same captures on one thread and on several: the events must be the same, byte for byte and in the same order. */
import { existsSync, mkdtempSync, readdirSync, rmSync, truncateSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { basename, join, resolve } from 'node:path'
import { afterAll, describe, expect, test } from 'vitest'
import { capturePaths } from '../../src/capture/paths.ts'
import { Context } from '../../src/commands/context.ts'
import { analyse } from '../../src/commands/replay.ts'
import { loadConfig, loadEspKeys } from '../../src/config.ts'
import type { Config } from '../../src/config-schema.ts'
import { ThreadError } from '../../src/parallel/crew.ts'
import { Threads, threadsFor } from '../../src/parallel/threads.ts'
import { OneThread, type Timelines } from '../../src/timeline.ts'
import { generateMix } from '../bench/generate.ts'
import * as craft from '../support/craft.ts'
import { type CapturedPacket, pcapFile } from '../support/pcap.ts'
import { Random } from '../support/random.ts'
import { builtinRules } from '../support/replay.ts'
import type { SimulationOptions } from '../support/scenario.ts'
import { simulate } from '../support/traffic.ts'

const OWN = resolve(import.meta.dirname, '../../pcaps')
const MORE = process.env['BORESCOPE_CAPTURES'] ?? resolve(import.meta.dirname, '../../../shared/captures')
const ABSENT = !existsSync(MORE)
if (ABSENT) {
  process.stderr.write(
    `\nSKIPPED most of test/parallel/threads.test.ts: no captures at ${MORE}; set BORESCOPE_CAPTURES to a folder of them\n\n`,
  )
}

const scratch = mkdtempSync(join(tmpdir(), 'borescope-threads-'))
const opened: Timelines[] = []
afterAll(async () => {
  for (const timelines of opened) await timelines.close()
  rmSync(scratch, { recursive: true })
})

function configured(change: (config: Config) => void = () => {}): Config {
  const { config } = loadConfig(undefined, {})
  config.secrets.l2tp.push('tunnelsecret', 'shared')
  config.secrets.ppp.push({ user: 'alice', password: 'secret' }, { user: 'bob', password: 'secret' })
  config.secrets.espKeys = join(OWN, 'ipsec-psk-main.keys')
  change(config)
  return config
}

/** One thread, and then two to four. */
function lines(change?: (config: Config) => void): readonly Timelines[] {
  const config = configured(change)
  const rules = builtinRules()
  const made = [
    new OneThread(config, 'test', rules, loadEspKeys(config).entries),
    ...[2, 3, 4].map((threads) => new Threads(config, 'test', rules, threads, 4)),
  ]
  opened.push(...made)
  return made
}

/** Everything that can be seen of a timeline, as text. */
async function told(timelines: Timelines, paths: readonly string[]): Promise<readonly string[]> {
  const problems: string[] = []
  const timeline = await timelines.open(paths, problems)
  if (timeline === null) return problems
  const told: string[] = [...problems, ...timeline.names]
  timeline.bus.subscribe((event) => told.push(JSON.stringify(event)))
  await timeline.run(() => {})
  const { counts, trafficNs, faults, progress } = timeline
  told.push(JSON.stringify({ counts, trafficNs, faults, read: progress.bytesRead, of: progress.bytesTotal }))
  return told
}

async function expectSame(all: readonly Timelines[], paths: readonly string[]): Promise<readonly string[]> {
  const [one, ...several] = all
  const expected = await told(one, paths)
  for (const timelines of several) expect(await told(timelines, paths)).toEqual(expected)
  return expected
}

function written(name: string, bytes: Uint8Array): string {
  const path = join(scratch, name)
  writeFileSync(path, bytes)
  return path
}

/** Data of a session from the client, in a tunnel whose beginning nobody saw. */
function dataPacket(inner: Uint8Array, isUp = true): Uint8Array {
  const [source, target] = isUp ? ['10.99.0.1', '10.99.0.2'] : ['10.99.0.2', '10.99.0.1']
  const data = craft.l2tpData(craft.ppp(craft.PPP.ipv4, inner), { tunnelId: 7, sessionId: 9 })
  const udp = craft.udp(data, { sourcePort: 1701, targetPort: 1701 })
  return craft.ethernet(craft.ipv4(udp, { protocol: craft.IP_PROTOCOL.udp, source, target }))
}

/** A question that nobody answers, from one of 30 ports. */
function question(number: number): Uint8Array {
  const name = `n${number}`
  const dns = Uint8Array.of(
    number >> 8,
    number,
    1,
    0,
    0,
    1,
    0,
    0,
    0,
    0,
    0,
    0,
    name.length,
    ...craft.utf8(name),
    0,
    0,
    1,
    0,
    1,
  )
  const udp = craft.udp(dns, { sourcePort: 20_000 + (number % 30), targetPort: 53 })
  return craft.ipv4(udp, { protocol: craft.IP_PROTOCOL.udp, source: '10.0.0.5', target: '192.0.2.53' })
}

describe('captures of real peers', async () => {
  const all = lines()
  const { captures } = await capturePaths(ABSENT ? [OWN] : [OWN, MORE])

  test.each(captures.map((path) => [basename(path), path]))('%s', async (_, path) => {
    expect((await expectSame(all, [path])).length).toBeGreaterThan(0)
  })

  test('all of ours on one timeline', async () => {
    const own = captures.filter((path) => path.startsWith(OWN))
    const wide = [
      new OneThread(configured(), 'test', builtinRules(), loadEspKeys(configured()).entries),
      ...[2, 4].map((threads) => new Threads(configured(), 'test', builtinRules(), threads, own.length)),
    ]
    opened.push(...wide)
    expect((await expectSame(wide, own)).length).toBeGreaterThan(1000)
  })

  test('a capture that is missing beside one that is not', async () => {
    const path = captures.find((name) => name.endsWith('l2tp-mschapv2.pcap')) as string
    const text = await expectSame(all, [join(scratch, 'missing.pcap'), path])
    expect(text[0]).toMatch(/missing.pcap does not exist/)
    expect(text.length).toBeGreaterThan(10)
    expect(await expectSame(all, [join(scratch, 'missing.pcap')])).toHaveLength(1)
  })
})

describe('made traffic', () => {
  const all = lines((config) => {
    config.capture.duplicateWindowMs = 0
  })
  const cases: Record<string, SimulationOptions> = {
    'a bad network': { loss: 0.1, duplicate: 0.05, reorder: 0.15 },
    'sessions asked for by either end, wrong passwords': {
      sessionsPerTunnel: 3,
      outgoingCalls: 0.3,
      wrongPasswords: 0.2,
    },
    'the same inner addresses, over IPv6': { sessionsPerTunnel: 3, sameInnerAddress: true, overIpv6: 1, loss: 0.1 },
    'clients behind NAT, a secret': { behindNat: 1, tunnelSecret: 'shared', hiddenAvps: true },
  }
  for (const [name, options] of Object.entries(cases)) {
    test.each([1, 2, 3])(`${name}, seed %i`, async (seed) => {
      const { packets } = simulate({ clients: 12, ...options, seed })
      const path = written(`made-${seed}.pcap`, pcapFile({ packets }))
      expect((await expectSame(all, [path])).length).toBeGreaterThan(50)
    })
  }

  test.each([
    ['many tunnels', { packets: 30_000, tunnels: 60, sessionsPerTunnel: 2 }],
    ['one tunnel with many sessions', { packets: 30_000, tunnels: 1, sessionsPerTunnel: 50 }],
    ['one session with many flows', { packets: 30_000, tunnels: 1, sessionsPerTunnel: 1 }],
  ])('%s, several blocks long', async (name, options) => {
    const { path } = generateMix(join(scratch, `${name}.pcap`), options)
    const text = await expectSame(all, [path])
    expect(text.filter((line) => line.includes('"flow.closed"')).length).toBeGreaterThan(15)
  })
})

describe('damaged packets', () => {
  const all = lines((config) => {
    config.track.applicationEventsPerMinute = 3
    config.track.applicationEventsPerFlow = 5
  })

  test.each([1, 2, 3, 4, 5, 6])('seed %i', async (seed) => {
    const random = new Random(seed)
    const packets: CapturedPacket[] = []
    for (const { timeUs, bytes } of simulate({ clients: 8, sessionsPerTunnel: 2, seed }).packets) {
      const copy = bytes.slice()
      // The headers of what is outside mostly stay as they are: what is inside is damaged.
      if (random.chance(0.3)) copy[20 + random.below(copy.length - 20)] ^= 1 << random.below(8)
      packets.push({
        timeUs,
        bytes: random.chance(0.05) ? copy.subarray(0, 30 + random.below(copy.length - 30)) : copy,
      })
      if (random.chance(0.01)) packets.push({ timeUs: timeUs + 4_000_000_000, bytes: copy })
    }
    const path = written(`damaged-${seed}.pcap`, pcapFile({ packets }))
    expect((await expectSame(all, [path])).length).toBeGreaterThan(20)
    const cut = pcapFile({ packets })
    const damaged = written(`cut-${seed}.pcap`, cut.subarray(0, cut.length - 7 - random.below(1000)))
    expect((await expectSame(all, [damaged])).at(-1)).toMatch(/capture.truncated/)
  })
})

test('tables of flows that fill up: two threads are as one', async () => {
  const [one, two] = lines((config) => {
    Object.assign(config.track, { flowsMax: 40, conversationsMax: 3 })
  })
  const { captures } = await capturePaths([OWN])
  const { path } = generateMix(join(scratch, 'full.pcap'), { packets: 20_000, tunnels: 20 })
  let text = ''
  for (const capture of [...captures, path]) text += (await expectSame([one, two], [capture])).join('\n')
  for (const table of ['flows', 'conversations']) expect(text).toContain(`"sensor.table":"${table}"`)
})

test('more is asked of names in one flow and one session than is told: the same is left out', async () => {
  const all = lines((config) => {
    config.track.applicationEventsPerMinute = 10
    config.track.applicationEventsPerFlow = 4
  })
  const packets = Array.from({ length: 600 }, (_, i) => ({
    timeUs: 1_760_000_000_000_000 + i * 200_000,
    bytes: dataPacket(question(i)),
  }))
  const path = written('names.pcap', pcapFile({ packets }))
  const text = await expectSame(all, [path])
  expect(text.some((line) => line.includes('"capture.suppressed"'))).toBe(true)
})

test('an inner packet longer than a block of captured bytes', async () => {
  const all = lines()
  // Segmentation offload leaves lengths of zero; then the capture's length is all there is.
  const bytes = Buffer.concat([dataPacket(question(1)), new Uint8Array(300_000)])
  for (const at of [16, 38]) bytes.fill(0, at, at + 2)
  const innerAt = bytes.length - 300_000 - question(1).length
  bytes.fill(0, innerAt + 2, innerAt + 4)
  const packets = Array.from({ length: 5 }, (_, i) => ({
    timeUs: 1_760_000_000_000_000 + i * 1000,
    bytes: bytes.slice(),
  }))
  const path = written('long.pcap', pcapFile({ packets, snapLength: 1 << 20 }))
  expect((await expectSame(all, [path])).length).toBeGreaterThan(3)
})

test('it is stopped between blocks when its command says so, and ends what it has seen', async () => {
  const [, two] = lines()
  const { path } = generateMix(join(scratch, 'stopped.pcap'), { packets: 60_000, tunnels: 10 })
  const timeline = await two.open([path], [])
  const names: string[] = []
  timeline?.bus.subscribe((event) => names.push(event['event.action']))
  await timeline?.run(() => true)
  expect(timeline?.counts.packets).toBeGreaterThan(0)
  expect(timeline?.counts.packets).toBeLessThan(60_000)
  // Rules have the last word: incidents that are open end after the capture.
  expect(names.filter((name) => !name.startsWith('incident.')).at(-1)).toBe('capture.analysed')
  expect(names.filter((name) => name === 'l2tp.tunnel.closed').length).toBeGreaterThan(0)
})

describe('a thread that fails', () => {
  const { path } = generateMix(join(scratch, 'fails.pcap'), { packets: 20_000, tunnels: 10 })

  test('at its beginning is an error that says which', async () => {
    const config = configured((changed) => {
      changed.track.conversationsMax = -7
    })
    const threads = new Threads(config, 'test', null, 4, 1)
    opened.push(threads)
    const run = async () => (await threads.open([path], []))?.run(() => {})
    await expect(run()).rejects.toThrow(ThreadError)
    await expect(run()).rejects.toThrow(/a flow thread failed: /)
  })

  test.each([2, 3])('in the middle of its work, too, of %i threads', async (count) => {
    const threads = new Threads(configured(), 'test', null, count, 1)
    opened.push(threads)
    const timeline = await threads.open([path], [])
    await expect(timeline?.run(() => threads.close())).rejects.toThrow(/thread ended with/)
  })
})

test('when a thread fails, replay says so and leaves no file of events behind', async () => {
  const context = new Context(undefined)
  context.config.track.conversationsMax = -7
  const out = join(scratch, 'half.ndjson')
  const options = { order: 'time', store: false, quiet: true, threads: 3, out } as const
  await expect(analyse(context, [join(OWN, 'l2tp-inner-attack.pcap')], options)).rejects.toThrow(/flow thread failed/)
  expect(readdirSync(scratch).filter((name) => name.startsWith('half'))).toEqual([])
})

test('more than one thread is for large captures, on two processors for very large ones', () => {
  const large = join(scratch, 'large.pcap')
  writeFileSync(large, '')
  const numbers = (megabytes: number) => {
    truncateSync(large, megabytes * 2 ** 20)
    return [1, 2, 4, 16].map((processors) => threadsFor([large], processors))
  }
  expect(numbers(10)).toEqual([1, 1, 1, 1])
  expect(numbers(100)).toEqual([1, 1, 3, 3])
  expect(numbers(4000)).toEqual([1, 2, 3, 3])
  expect(threadsFor(['-'], 4)).toBe(1)
})
