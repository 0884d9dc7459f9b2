/** `borescope watch` on several threads: the same events as of one, and what goes wrong with one ring of several. */
import { spawnSync } from 'node:child_process'
import { chmodSync, writeFileSync } from 'node:fs'
import { join, resolve } from 'node:path'
import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest'
import { generateMix } from '../bench/generate.ts'
import { actions, eventsIn } from '../support/live-events.ts'
import { LiveNetwork, skipsCapture } from '../support/live-network.ts'
import { expectSame, lacksTcpdump, packetsOfCapture, watchedAndReplayed } from '../support/live-recording.ts'
import { pcapFile } from '../support/pcap.ts'

const ROOT = resolve(import.meta.dirname, '../..')
const BORESCOPE = join(ROOT, 'bin/borescope')
const capture = (name: string) => join(ROOT, 'pcaps', `${name}.pcap`)
const MSCHAP = capture('l2tp-mschapv2')
const MSCHAP_PACKETS = 303

const isSkipped = skipsCapture('test/live/watch-threads.test.ts')

let network: LiveNetwork
beforeEach(({ skip }) => {
  if (isSkipped) skip()
  network = new LiveNetwork('threads')
  network.pair('a0', 'a1')
})
afterEach(async () => {
  if (!isSkipped) await network.close()
})

interface Ring {
  readonly name: string
  readonly ring: number
  readonly state: string
  readonly packets: number
  readonly received: number
  readonly kernelDrops: number
  readonly freezes: number
}
const ringsOf = (stdout: string) => (JSON.parse(stdout) as { interfaces: Ring[] }).interfaces
const packetsOf = (rings: readonly Ring[]) => rings.reduce((sum, { packets }) => sum + packets, 0)

describe('the events', () => {
  const isLacking = lacksTcpdump('test/live/watch-threads.test.ts')

  async function watched(threads: string, path: string, ...send: string[]) {
    const told = await watchedAndReplayed(network, path, { watch: ['--threads', threads], send })
    const rings = ringsOf(told.stdout)
    expect(packetsOf(rings)).toBe(told.sent)
    return { ...told, rings }
  }

  test.skipIf(isLacking).each([
    ['2', 'l2tp-mschapv2', []],
    ['3', 'ipsec-psk-main', []],
    ['3', 'l2tp-mschapv2', ['--vlan', '5,6']],
    ['2', 'pptp', []],
  ])('of %s threads are those of a replay: %s %o', async (threads, name, options) => {
    const { seen, expected } = await watched(threads, capture(name), ...options)
    expect(expected.length).toBeGreaterThan(5)
    expectSame(seen, expected)
  })

  test.skipIf(isLacking)('so are those of what is opened with keys, which the packet thread was given', async () => {
    network.environment['BORESCOPE_SECRETS__ESP_KEYS'] = join(ROOT, 'pcaps/ipsec-psk-main.keys')
    const { seen, expected } = await watched('2', capture('ipsec-psk-main'))
    expect(actions(expected)).toContain('l2tp.session.opened')
    expect(JSON.stringify(expected)).toMatch(/AES-CBC-/)
    expectSame(seen, expected)
  })

  test.skipIf(isLacking)('so are those of one fat tunnel, whose data is in all rings but the first', async () => {
    // Sent faster than it was made: the flows would otherwise be too short to be told apart from silence.
    const { path } = generateMix(join(network.scratch, 'mix.pcap'), {
      packets: 8000,
      tunnels: 1,
      sessionsPerTunnel: 40,
    })
    const { rings, seen, expected } = await watched('4', path, '--rate', '8000')
    expect(rings.map(({ name, ring }) => `${name} ${ring}`)).toEqual(['a1 0', 'a1 1', 'a1 2', 'a1 3'])
    for (const { packets } of rings) expect(packets).toBeGreaterThan(200)
    expect(actions(expected).filter((name) => name === 'flow.closed').length).toBeGreaterThan(100)
    expectSame(seen, expected)
  })
})

describe('the sensor', () => {
  test('keeps control messages while data overflows its ring', async () => {
    const watching = await network.watch('a1', '--threads', '2', '--buffer', '2M')
    watching.child.kill('SIGSTOP')
    network.send('a0', MSCHAP, '--times', '20', '--rate', '1000000')
    watching.child.kill('SIGCONT')
    const [control, data] = ringsOf((await watching.stop()).stdout)
    expect(control).toMatchObject({ ring: 0, kernelDrops: 0 })
    expect(control.packets).toBe(control.received)
    expect(data.kernelDrops).toBeGreaterThan(0)
    expect(data.packets + data.kernelDrops).toBe(data.received)
    const losses = eventsIn(network.events).filter(({ event }) => String(event['action']) === 'sensor.loss')
    expect(losses.map(({ sensor }) => sensor['ring']['number'])).toEqual(losses.map(() => 1))
    expect(losses.reduce((sum, { sensor }) => sum + Number(sensor['loss']['kernel']), 0)).toBe(data.kernelDrops)
    expect(actions(eventsIn(network.events))).toContain('l2tp.tunnel.opened')
  })

  test('stops after so many packets, or so long', async () => {
    const watching = await network.watch('a1', '--threads', '2', '--packets', '10')
    network.send('a0', MSCHAP)
    const { code, stdout } = await watching.ended
    expect(code).toBe(0)
    expect(JSON.parse(stdout)).toMatchObject({ packets: 10 })
    const short = await (await network.watch('a1', '--threads', '2', '--duration', '0.3')).ended
    expect(short.code).toBe(0)
  })

  test('remembers what is open over a restart', async () => {
    network.environment['BORESCOPE_SERVICE__STATE_PATH'] = join(network.scratch, 'state')
    const packets = await packetsOfCapture(MSCHAP)
    const cut = Math.floor(packets.length / 2)
    const half = join(network.scratch, 'half.pcap')
    const rest = join(network.scratch, 'rest.pcap')
    writeFileSync(half, pcapFile({ packets: packets.slice(0, cut) }))
    writeFileSync(rest, pcapFile({ packets: packets.slice(cut) }))
    const first = await network.watch('a1', '--threads', '2')
    network.send('a0', half)
    expect((await first.stop()).code).toBe(0)
    const opened = eventsIn(network.events)
    expect(actions(opened)).not.toContain('l2tp.tunnel.closed')
    expect(actions(opened)).toContain('flow.closed')
    const second = await network.watch('a1', '--threads', '3')
    network.send('a0', rest)
    expect((await second.stop()).code).toBe(0)
    const all = eventsIn(network.events)
    const uidOf = (name: string) => all.find(({ event }) => String(event['action']) === name)?.['l2tp']['tunnel']['uid']
    expect(uidOf('l2tp.tunnel.closed')).toBe(uidOf('l2tp.tunnel.opened'))
  })

  test('takes no privilege into its threads', async () => {
    chmodSync(network.scratch, 0o777)
    const watching = network.start(
      BORESCOPE,
      'watch',
      'a1',
      '--no-store',
      '--json',
      '--threads',
      '3',
      '--user',
      'nobody',
      '-o',
      network.events,
    )
    await watching.says('watching')
    const { pid } = watching.child
    const threads = spawnSync('sh', ['-c', `cat /proc/${pid}/task/*/status`], { encoding: 'utf8' }).stdout
    for (const [, uid] of threads.matchAll(/^Uid:\s+(\d+)/gm)) expect(uid).not.toBe('0')
    for (const [, permitted] of threads.matchAll(/^CapPrm:\s+(\w+)/gm)) expect(permitted).toMatch(/^0+$/)
    network.send('a0', MSCHAP)
    expect(packetsOf(ringsOf((await watching.stop()).stdout))).toBeGreaterThan(MSCHAP_PACKETS - 20)
  })
})

describe('what goes wrong', () => {
  const told = () => actions(eventsIn(network.events)).filter((name) => name.startsWith('sensor.interface'))

  test('an interface that goes down and comes back is told of once, and watched again in all rings', async () => {
    const watching = await network.watch('a1', '--threads', '2')
    network.ip('link', 'set', 'a1', 'down')
    await vi.waitFor(() => expect(told()).toEqual(['sensor.interface.down']), { timeout: 10_000 })
    network.ip('link', 'set', 'a1', 'up')
    await vi.waitFor(() => expect(told()).toEqual(['sensor.interface.down', 'sensor.interface.up']), {
      timeout: 10_000,
    })
    network.send('a0', MSCHAP)
    const rings = ringsOf((await watching.stop()).stdout)
    expect(rings).toMatchObject([{ state: 'up' }, { state: 'up' }])
    expect(packetsOf(rings)).toBeGreaterThan(MSCHAP_PACKETS - 20)
    for (const { packets } of rings) expect(packets).toBeGreaterThan(20)
  })

  test('one that vanishes and comes back is watched again, without privileges, as often as it is prepared for', async () => {
    chmodSync(network.scratch, 0o777)
    const watching = await network.watch('a1', '--threads', '2', '--user', 'nobody')
    for (const round of [1, 2]) {
      network.ip('link', 'delete', 'a0')
      network.pair('a0', 'a1')
      await vi.waitFor(
        () => expect(told().filter((name) => name === 'sensor.interface.up').length).toBeGreaterThanOrEqual(round),
        { timeout: 10_000 },
      )
    }
    network.send('a0', MSCHAP)
    const rings = ringsOf((await watching.stop()).stdout)
    expect(rings).toMatchObject([
      { ring: 0, state: 'up', rebinds: 2 },
      { ring: 1, state: 'up', rebinds: 2 },
    ])
    expect(packetsOf(rings)).toBeGreaterThan(MSCHAP_PACKETS - 20)
    for (const { packets } of rings) expect(packets).toBeGreaterThan(20)
  })

  const failing = async (...args: string[]) => {
    const { code, stderr } = await network.start(BORESCOPE, 'watch', ...args).ended
    return { code, stderr }
  }

  test('what takes one thread says so', async () => {
    const evidence = await failing('a1', '--threads', '2', '--evidence', network.scratch)
    expect(evidence).toMatchObject({ code: 2, stderr: expect.stringMatching(/--evidence needs one thread/) })
    const other = await failing('a1', '--threads', '2', '--backend', 'libpcap')
    expect(other).toMatchObject({ code: 3, stderr: expect.stringMatching(/use --threads 1/) })
    expect(await failing('a1', '--threads', '0')).toMatchObject({ code: 2 })
  })

  test('an interface that does not exist is missed', async () => {
    expect(await failing('a1', 'eth9', '--threads', '2')).toEqual({
      code: 3,
      stderr: 'borescope: there is no interface eth9; there are a0, a1, lo\n',
    })
  })
})
