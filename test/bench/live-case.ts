/**
 * Who listens in the benchmark of capturing, alone in its process:
 *
 *     node live-case.ts walk BACKEND INTERFACE      reads headers and does nothing else
 *     node live-case.ts loop INTERFACE              the packet loop of the sensor, around the same
 *     node live-case.ts watch INTERFACE OPTIONS     borescope watch, and how long its event loop was held up
 *
 * "watching" on stderr says that it listens; SIGTERM ends it, and it prints its counts as JSON.
 */
import { monitorEventLoopDelay } from 'node:perf_hooks'
import type { Packet } from '../../src/capture/packet.ts'
import { LIVE_BACKENDS, type LiveBackend } from '../../src/capture/live.ts'
import { openLive } from '../../src/capture/live/open.ts'
import { loadConfig } from '../../src/config.ts'
import { Frame } from '../../src/dissect/frame.ts'
import { LiveLoop } from '../../src/live-loop.ts'
import { Sensor } from '../../src/sensor.ts'

const [kind, ...parameters] = process.argv.slice(2)

/** Protocol and ports, as the toolchain's consumers read them. */
function isL2tp({ bytes, start }: Packet): boolean {
  const at = start + 14 + (bytes[start + 14] & 0x0f) * 4
  return bytes[start + 23] === 17 && (bytes[at] << 8) + bytes[at + 1] === 1701
}

function open(name: string, backend: LiveBackend) {
  const { live } = loadConfig(undefined, {}).config.capture
  return openLive(name, { ...live, backend, filter: '', l2tpPorts: [1701] })
}

async function walk(backend: LiveBackend, name: string): Promise<void> {
  const source = await open(name, backend)
  let isStopping = false
  process.once('SIGTERM', () => {
    isStopping = true
  })
  process.stderr.write('watching\n')
  const packet = new Frame()
  let l2tp = 0
  while (!isStopping) {
    for (let i = 0; i < 4096 && source.next(packet); i++) if (isL2tp(packet)) l2tp++
    await source.wait(100)
    await new Promise((resolve) => setImmediate(resolve))
  }
  const { packets, kernelDrops, ownDrops } = source.counters
  source.close()
  process.stdout.write(JSON.stringify({ packets, lost: kernelDrops + ownDrops, l2tp }))
}

/** Reads headers where a sensor would analyse. */
class Idle extends Sensor {
  override examine(): void {
    this.counts.packets++
    if (isL2tp(this.frame)) this.counts.l2tp++
  }
}

async function loop(name: string): Promise<void> {
  const source = await open(name, 'auto')
  const sensor = new Idle(loadConfig(undefined, {}).config, 'bench')
  const packetLoop = new LiveLoop(sensor, [source], {})
  process.once('SIGTERM', () => packetLoop.stop())
  process.stderr.write('watching\n')
  await packetLoop.run()
  const { packets, kernelDrops, ownDrops } = source.counters
  source.close()
  process.stdout.write(JSON.stringify({ packets, lost: kernelDrops + ownDrops, l2tp: sensor.counts.l2tp }))
}

async function watch(name: string, options: readonly string[]): Promise<void> {
  const delay = monitorEventLoopDelay({ resolution: 50 })
  process.argv = [process.argv[0], 'borescope', 'watch', name, '--no-store', '--json', '--filter', '', ...options]
  process.once('SIGTERM', () => delay.disable())
  process.stdout.write('')
  const told: string[] = []
  const { write } = process.stdout
  process.stdout.write = ((text: string) => {
    told.push(text)
    return true
  }) as typeof write
  // From the first packet on: starting is no part of it.
  setTimeout(() => delay.enable(), 1500)
  await import('../../src/main.ts')
  process.stdout.write = write
  const { interfaces } = JSON.parse(told.join(''))
  let packets = 0
  let lost = 0
  for (const ring of interfaces) {
    packets += ring.packets
    lost += ring.kernelDrops + ring.ownDrops
  }
  process.stdout.write(JSON.stringify({ packets, lost, delayMs: delay.percentile(99) / 1e6 }))
}

const isBackend = (text: string): text is LiveBackend => (LIVE_BACKENDS as readonly string[]).includes(text)
if (kind === 'walk' && isBackend(parameters[0])) await walk(parameters[0], parameters[1])
else if (kind === 'loop') await loop(parameters[0])
else if (kind === 'watch') await watch(parameters[0], parameters.slice(1))
else throw new Error(`no such case: ${process.argv.slice(2).join(' ')}`)
