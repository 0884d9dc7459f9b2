/** `borescope watch` on interfaces of a network of our own: what goes in comes out, and what goes wrong is told. */
import { spawnSync } from 'node:child_process'
import { chmodSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs'
import { join, resolve } from 'node:path'
import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest'
import { actions, eventsIn } from '../support/live-events.ts'
import { LiveNetwork, skipsCapture } from '../support/live-network.ts'
import { expectSame, lacksTcpdump, watchedAndReplayed } from '../support/live-recording.ts'
import { pcapFile } from '../support/pcap.ts'
import * as craft from '../support/craft.ts'

const ROOT = resolve(import.meta.dirname, '../..')
const BORESCOPE = join(ROOT, 'bin/borescope')
const capture = (name: string) => join(ROOT, 'pcaps', `${name}.pcap`)
const MSCHAP = capture('l2tp-mschapv2')
const MSCHAP_PACKETS = 303

const isSkipped = skipsCapture('test/live/watch.test.ts')

let network: LiveNetwork
beforeEach(({ skip }) => {
  if (isSkipped) skip()
  network = new LiveNetwork('watch')
  network.pair('a0', 'a1')
})
afterEach(async () => {
  if (!isSkipped) await network.close()
})

const counted = (stdout: string) =>
  JSON.parse(stdout) as { interfaces: Record<string, number>[]; packets: number; duplicates: number }

describe('what comes through the interface', () => {
  test.skipIf(lacksTcpdump('test/live/watch.test.ts')).each([
    ['l2tp-mschapv2', []],
    ['ipsec-psk-main', ['--vlan', '5']],
    ['pptp', ['--vlan', '5,6']],
  ])('is what tcpdump records at the same time: %s %o', async (name, send) => {
    const { sent, stdout, seen, expected } = await watchedAndReplayed(network, capture(name), { send })
    expect(counted(stdout).interfaces).toMatchObject([
      { name: 'a1', state: 'up', packets: sent, received: sent, kernelDrops: 0, ownDrops: 0 },
    ])
    expect(expected.length).toBeGreaterThan(5)
    expectSame(seen, expected)
  })

  test('is only the family, by default; with the same events, but for their numbers', async () => {
    const watching = await network.watch('a1')
    network.send('a0', MSCHAP)
    const { stdout } = await watching.stop()
    const { packets } = counted(stdout).interfaces[0]
    // The others are ARP and the like.
    expect(packets).toBeLessThan(MSCHAP_PACKETS)
    expect(packets).toBeGreaterThan(MSCHAP_PACKETS - 20)
    const found = actions(eventsIn(network.events))
    for (const name of ['l2tp.tunnel.opened', 'ppp.authentication.succeeded', 'flow.closed', 'l2tp.tunnel.closed'])
      expect(found).toContain(name)
  })

  test('is cut at the snap length', async () => {
    const watching = await network.watch('a1', '--snaplen', '100')
    network.send('a0', MSCHAP)
    const { stdout } = await watching.stop()
    const [{ packets, bytes, truncated }] = counted(stdout).interfaces
    expect(bytes).toBeLessThanOrEqual(packets * 100)
    expect(truncated).toBeGreaterThan(50)
    expect(actions(eventsIn(network.events))).toContain('l2tp.tunnel.opened')
  })

  test('may be chosen by an expression, also one about the tags that the kernel keeps apart', async () => {
    const watching = await network.watch('a1', '--filter', 'vlan 5 and udp port 1701')
    network.send('a0', MSCHAP)
    network.send('a0', MSCHAP, '--vlan', '6')
    const sent = network.send('a0', MSCHAP, '--vlan', '5')
    const { stdout } = await watching.stop()
    const { packets } = counted(stdout).interfaces[0]
    expect(packets).toBeLessThan(sent)
    expect(packets).toBeGreaterThan(sent - 20)
  })

  test('twice, from a SPAN port that copies both ways, counts once', async () => {
    // The sender may be held up between the two on a busy machine.
    network.environment['BORESCOPE_CAPTURE__DUPLICATE_WINDOW_MS'] = '500'
    const watching = await network.watch('a1')
    network.send('a0', MSCHAP, '--times', '2')
    const { stdout } = await watching.stop()
    const { packets, duplicates } = counted(stdout)
    // A few of the capture's own packets are alike, too.
    expect(duplicates).toBeGreaterThanOrEqual(packets / 2)
    expect(duplicates).toBeLessThan(packets * 0.55)
    expect(actions(eventsIn(network.events)).filter((name) => name === 'l2tp.tunnel.opened').length).toBe(1)
  })

  test('through two interfaces, a direction each, is one conversation', async () => {
    network.pair('b0', 'b1')
    const watching = await network.watch('a1', 'b1')
    network.send('a0', MSCHAP, '--answers', 'b0', '--rate', '2000')
    const { stdout } = await watching.stop()
    const [one, other] = counted(stdout).interfaces
    expect(one.packets).toBeGreaterThan(50)
    expect(other.packets).toBeGreaterThan(50)
    const events = eventsIn(network.events)
    const found = actions(events)
    for (const name of ['l2tp.tunnel.opened', 'l2tp.session.opened', 'ppp.authentication.succeeded', 'http.requested'])
      expect(found).toContain(name)
    expect(found).not.toContain('l2tp.control.out_of_order')
    expect(new Set(events.map(({ borescope }) => borescope?.['capture']))).toContain('b1')
  })

  test('ports that peers agree upon are learned by the filter', async () => {
    const lns = { source: '198.51.100.1', target: '192.0.2.1' }
    const opening = [
      craft.datagram(craft.sccrq({ assignedTunnelId: 7 }), {
        source: lns.target,
        target: lns.source,
        sourcePort: 41_000,
      }),
      // The answer comes from a port that nobody knows, to one that nobody knows.
      craft.datagram(craft.sccrp({ tunnelId: 7, assignedTunnelId: 9, ns: 0, nr: 1 }), {
        ...lns,
        sourcePort: 42_000,
        targetPort: 41_000,
      }),
    ]
    const data = craft.datagram(craft.l2tpData(new Uint8Array(40), { tunnelId: 7, sessionId: 1 }), {
      ...lns,
      sourcePort: 42_000,
      targetPort: 41_000,
    })
    const write = (name: string, packets: Uint8Array[]) => {
      const path = join(network.scratch, name)
      writeFileSync(path, pcapFile({ packets: packets.map((bytes) => ({ bytes, timeUs: 0 })) }))
      return path
    }
    const watching = await network.watch('a1')
    network.send('a0', write('opening.pcap', opening))
    // A tick later at the latest the kernel knows; until then data messages to such ports are strangers.
    const sent = network.send('a0', write('data.pcap', [data]), '--times', '60', '--rate', '15')
    const { stdout } = await watching.stop()
    const { packets } = counted(stdout).interfaces[0]
    expect(packets).toBeGreaterThan(2)
    expect(packets).toBeLessThanOrEqual(2 + sent)
  })

  test('of this host itself is seen once in either direction, and once on a loopback', async () => {
    network.ip('address', 'add', '192.0.2.1/24', 'dev', 'a1')
    network.ip('neighbour', 'add', '192.0.2.2', 'lladdr', '02:00:00:00:00:02', 'dev', 'a1')
    const watching = await network.watch('a1', 'lo', '--filter', 'udp port 1701')
    network.run('bash', '-c', 'for i in 1 2 3; do echo hello > /dev/udp/192.0.2.2/1701; done')
    network.run('bash', '-c', 'for i in 1 2 3 4 5; do echo hello > /dev/udp/127.0.0.1/1701; done')
    const { stdout } = await watching.stop()
    expect(counted(stdout).interfaces).toMatchObject([
      { name: 'a1', packets: 3 },
      { name: 'lo', packets: 5 },
    ])
  })

  test('of this host itself may be left out', async () => {
    network.ip('address', 'add', '192.0.2.1/24', 'dev', 'a1')
    network.ip('neighbour', 'add', '192.0.2.2', 'lladdr', '02:00:00:00:00:02', 'dev', 'a1')
    const watching = await network.watch('a1', '--no-outgoing')
    network.run('bash', '-c', 'for i in 1 2 3; do echo hello > /dev/udp/192.0.2.2/1701; done')
    network.send('a0', MSCHAP)
    const { stdout } = await watching.stop()
    expect(eventsIn(network.events).filter(({ source }) => String(source?.['ip']) === '192.0.2.1')).toEqual([])
    expect(counted(stdout).packets).toBeGreaterThan(200)
  })

  test.each(['libpcap', 'cap'])('is the same through %s, where it is there', async (backend) => {
    const watching = network.start(
      BORESCOPE,
      'watch',
      'a1',
      '--no-store',
      '--json',
      '--backend',
      backend,
      '-o',
      network.events,
    )
    try {
      await watching.says('watching')
    } catch {
      const { code, stderr } = await watching.ended
      process.stderr.write(`\nSKIPPED a test of test/live/watch.test.ts: ${stderr}\n`)
      expect(stderr).toMatch(backend === 'cap' ? /npm install cap/ : /libpcap is not installed/)
      expect(code).toBe(3)
      return
    }
    network.send('a0', MSCHAP)
    const { stdout } = await watching.stop()
    const { packets, ownDrops } = counted(stdout).interfaces[0]
    expect(ownDrops).toBe(0)
    expect(packets).toBeGreaterThan(MSCHAP_PACKETS - 20)
    expect(actions(eventsIn(network.events))).toContain('l2tp.tunnel.opened')
  })
})

describe('the sensor', () => {
  test('sends nothing', async () => {
    const before = network.statistic('a1', 'tx_packets')
    const watching = await network.watch('a1')
    network.send('a0', MSCHAP)
    await watching.stop()
    expect(network.statistic('a1', 'tx_packets')).toBe(before)
  })

  test('stops after so many packets, or so long', async () => {
    const watching = await network.watch('a1', '--packets', '10')
    network.send('a0', MSCHAP)
    const { code, stdout } = await watching.ended
    expect(code).toBe(0)
    expect(counted(stdout).packets).toBe(10)
    const short = await (await network.watch('a1', '--duration', '0.3')).ended
    expect(short.code).toBe(0)
  })

  test('ends in good order on Ctrl-C: what is open is closed, what was seen is told', async () => {
    const watching = await network.watch('a1')
    const path = join(network.scratch, 'half.pcap')
    const packets = [
      craft.datagram(craft.sccrq({ assignedTunnelId: 7 }), { source: '192.0.2.1', target: '198.51.100.1' }),
    ]
    writeFileSync(path, pcapFile({ packets: packets.map((bytes) => ({ bytes, timeUs: 0 })) }))
    network.send('a0', path)
    const { code } = await watching.stop('SIGINT')
    expect(code).toBe(0)
    expect(actions(eventsIn(network.events))).toEqual(
      expect.arrayContaining(['l2tp.tunnel.requested', 'l2tp.tunnel.failed', 'capture.analysed']),
    )
  })

  test('works with CAP_NET_RAW alone, and keeps not even that', async () => {
    chmodSync(network.scratch, 0o777)
    const home = join(network.scratch, 'home')
    mkdirSync(home, { mode: 0o777 })
    chmodSync(home, 0o777)
    const watching = network.startWith(
      { HOME: home },
      'setpriv',
      '--reuid=65534',
      '--regid=65534',
      '--clear-groups',
      '--inh-caps=+net_raw',
      '--ambient-caps=+net_raw',
      '--bounding-set=-all,+net_raw',
      BORESCOPE,
      'watch',
      'a1',
      '--no-store',
      '--json',
      '-o',
      network.events,
    )
    await watching.says('watching')
    const status = readFileSync(`/proc/${watching.child.pid}/status`, 'utf8')
    expect(status).toMatch(/^Uid:\s+65534/m)
    expect(status).toMatch(/^CapPrm:\s+0+$/m)
    expect(status).toMatch(/^CapEff:\s+0+$/m)
    expect(status).toMatch(/^NoNewPrivs:\s+1$/m)
    network.send('a0', MSCHAP)
    const { stdout } = await watching.stop()
    expect(counted(stdout).packets).toBeGreaterThan(MSCHAP_PACKETS - 20)
  })

  test('becomes another user for good, in every thread, and still finds an interface again', async () => {
    chmodSync(network.scratch, 0o777)
    const watching = network.start(
      BORESCOPE,
      'watch',
      'a1',
      '--no-store',
      '--json',
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
    network.ip('link', 'delete', 'a0')
    network.pair('a0', 'a1')
    await vi.waitFor(() => expect(actions(eventsIn(network.events))).toContain('sensor.interface.up'), {
      timeout: 10_000,
    })
    network.send('a0', MSCHAP)
    const { stdout } = await watching.stop()
    expect(counted(stdout).interfaces).toMatchObject([{ rebinds: 1, state: 'up' }])
    expect(counted(stdout).packets).toBeGreaterThan(MSCHAP_PACKETS - 20)
  })
})

describe('what goes wrong', () => {
  test('an interface that goes down and comes back is told of, and watched again', async () => {
    const watching = await network.watch('a1')
    const told = () => actions(eventsIn(network.events)).filter((name) => name.startsWith('sensor.interface'))
    network.ip('link', 'set', 'a1', 'down')
    await vi.waitFor(() => expect(told()).toEqual(['sensor.interface.down']), { timeout: 10_000 })
    network.ip('link', 'set', 'a1', 'up')
    await vi.waitFor(() => expect(told()).toEqual(['sensor.interface.down', 'sensor.interface.up']), {
      timeout: 10_000,
    })
    network.send('a0', MSCHAP)
    const { stdout } = await watching.stop()
    expect(counted(stdout).interfaces).toMatchObject([{ rebinds: 0, state: 'up' }])
    expect(counted(stdout).packets).toBeGreaterThan(MSCHAP_PACKETS - 20)
  })

  test('so is one that loses its link', async () => {
    const watching = await network.watch('a1')
    network.ip('link', 'set', 'a0', 'down')
    await vi.waitFor(() => expect(actions(eventsIn(network.events))).toContain('sensor.interface.down'), {
      timeout: 10_000,
    })
    await watching.stop()
  })

  test('packets that do not fit into the ring are counted, and told', async () => {
    const watching = await network.watch('a1', '--buffer', '1M')
    watching.child.kill('SIGSTOP')
    const sent = network.send('a0', MSCHAP, '--times', '20', '--rate', '1000000')
    watching.child.kill('SIGCONT')
    const { stdout } = await watching.stop()
    const { packets, received, kernelDrops, freezes, ringFillHighest } = counted(stdout).interfaces[0]
    expect(kernelDrops).toBeGreaterThan(0)
    expect(freezes).toBeGreaterThan(0)
    expect(packets + kernelDrops).toBe(received)
    expect(received).toBeGreaterThan(sent - 20 * 20)
    expect(ringFillHighest).toBeGreaterThan(0)
    const losses = eventsIn(network.events).filter(({ event }) => String(event['action']) === 'sensor.loss')
    expect(losses.reduce((sum, { sensor }) => sum + Number(sensor['loss']['kernel']), 0)).toBe(kernelDrops)
    expect(String(losses[0]['observer']['ingress']['interface']['name'])).toBe('a1')
  })

  const failing = async (...args: string[]) => {
    const { code, stderr } = await network.start(BORESCOPE, 'watch', ...args).ended
    return { code, stderr }
  }

  test('an interface that does not exist is missed, and those that do are named', async () => {
    expect(await failing('eth9')).toEqual({
      code: 3,
      stderr: 'borescope: there is no interface eth9; there are a0, a1, lo\n',
    })
    expect(await failing('eth9', '--backend', 'libpcap')).toMatchObject({ code: 3 })
    expect(await failing('a1', 'a1')).toEqual({ code: 2, stderr: 'borescope: a1 is named twice\n' })
  })

  test('a wrong filter is refused in the words of libpcap', async () => {
    const { code, stderr } = await failing('a1', '--filter', 'udp prt 1701')
    expect(stderr).toMatch(/the filter 'udp prt 1701' is wrong: .*syntax error|libpcap is not installed/)
    expect(code).toBe(stderr.includes('is wrong') ? 2 : 3)
  })

  test('who may not capture is told how he may', async () => {
    chmodSync(network.scratch, 0o777)
    const { code, stderr } = await network.start(
      'setpriv',
      '--reuid=65534',
      '--regid=65534',
      '--clear-groups',
      '--bounding-set=-all',
      BORESCOPE,
      'watch',
      'a1',
    ).ended
    expect(code).toBe(3)
    expect(stderr).toMatch(/CAP_NET_RAW.*sudo setcap cap_net_raw\+ep .*node/)
  })

  test('a user that does not exist, or is root, is refused', async () => {
    expect(await failing('a1', '--user', 'nobody-at-all')).toEqual({
      code: 3,
      stderr: 'borescope: there is no user nobody-at-all\n',
    })
    expect(await failing('a1', '--user', 'root')).toMatchObject({
      code: 3,
      stderr: expect.stringMatching(/without privileges/),
    })
  })
})
