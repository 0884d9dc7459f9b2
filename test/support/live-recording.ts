/** An interface that is watched and recorded at the same time: the events of one are to be those of a replay of the other. */
import { spawnSync } from 'node:child_process'
import { join, resolve } from 'node:path'
import { expect, vi } from 'vitest'
import { openCapture } from '../../src/capture/sources.ts'
import { Frame } from '../../src/dissect/frame.ts'
import { essence, eventsIn, type Told, timesOf } from './live-events.ts'
import type { LiveNetwork } from './live-network.ts'
import type { CapturedPacket } from './pcap.ts'

const BORESCOPE = resolve(import.meta.dirname, '../../bin/borescope')
/** Another socket may have been served earlier, and the machine been busy meanwhile. */
const APART_US = 100_000

/** Says loudly that some tests of a file are left out, and whether they are. */
export function lacksTcpdump(file: string): boolean {
  const isLacking = spawnSync('tcpdump', ['--version']).status !== 0
  if (isLacking) process.stderr.write(`\nSKIPPED tests of ${file}: tcpdump is not installed\n\n`)
  return isLacking
}

/** The packets of a capture that may still grow. */
export async function packetsOfCapture(path: string): Promise<CapturedPacket[]> {
  const source = await openCapture(path)
  const frame = new Frame()
  const packets: CapturedPacket[] = []
  while (await source.fill()) {
    while (source.next(frame)) packets.push({ timeUs: frame.timeUs, bytes: frame.bytes.slice(frame.start, frame.end) })
  }
  await source.close()
  return packets
}

/** Sends a capture from a0 to a1, which is watched with some options; nothing may be lost. */
export async function watchedAndReplayed(
  network: LiveNetwork,
  path: string,
  { watch = [], send = [] }: { readonly watch?: readonly string[]; readonly send?: readonly string[] },
) {
  const recorded = join(network.scratch, 'recorded.pcap')
  const tcpdump = network.start('tcpdump', '-i', 'a1', '-n', '-s', '0', '-B', '65536', '-U', '-w', recorded)
  await tcpdump.says('listening')
  const watching = await network.watch('a1', '--filter', '', ...watch)
  const sent = network.send('a0', path, ...send)
  await vi.waitFor(async () => expect((await packetsOfCapture(recorded)).length).toBe(sent), {
    timeout: 20_000,
    interval: 200,
  })
  const { stdout, stderr, code } = await watching.stop()
  await tcpdump.stop('SIGINT')
  expect(stderr).not.toMatch(/error/)
  expect(code).toBe(0)
  const replayed = join(network.scratch, 'replayed.ndjson')
  const replay = spawnSync(BORESCOPE, ['replay', '--no-store', '-q', '-o', replayed, recorded], {
    cwd: network.scratch,
    env: { ...process.env, ...network.environment },
  })
  expect(replay.status).toBe(0)
  return { sent, stdout, seen: eventsIn(network.events), expected: eventsIn(replayed) }
}

/** In all but the times at which two sockets saw the packets. */
export function expectSame(seen: readonly Told[], expected: readonly Told[]): void {
  expect(essence(seen)).toEqual(essence(expected))
  const times = timesOf(seen)
  for (const [number, timeUs] of timesOf(expected))
    expect(Math.abs((times.get(number) ?? 0) - timeUs)).toBeLessThan(APART_US)
}
