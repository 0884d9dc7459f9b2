/** One case of the benchmark, alone in its process: `node case.ts NAME MIX SCRATCH` prints its result as JSON. */
import { join } from 'node:path'
import { mergeByTime } from '../../src/capture/merge.ts'
import type { Packet } from '../../src/capture/packet.ts'
import { openCapture, type Source } from '../../src/capture/sources.ts'
import { Context } from '../../src/commands/context.ts'
import { analyse } from '../../src/commands/replay.ts'
import { loadConfig } from '../../src/config.ts'
import { Sensor } from '../../src/sensor.ts'
import { walk } from './walk.ts'

const [name, mix, scratch] = process.argv.slice(2)

/** A source several times over, each time later by its length: the same traffic, going on. */
class Repeated implements Source {
  readonly name: string
  #source: Source
  #left: number
  #firstUs = Number.NaN
  #lastUs = 0
  #shiftUs = 0

  constructor(source: Source, times: number) {
    this.name = source.name
    this.#source = source
    this.#left = times - 1
  }

  async fill(): Promise<boolean> {
    if (await this.#source.fill()) return true
    if (this.#left-- === 0) return false
    await this.#source.close()
    this.#source = await openCapture(mix)
    this.#shiftUs += this.#lastUs - this.#firstUs + 1_000_000
    return this.#source.fill()
  }

  next(packet: Packet): boolean {
    if (!this.#source.next(packet)) return false
    if (Number.isNaN(this.#firstUs)) this.#firstUs = packet.timeUs
    if (this.#shiftUs === 0) this.#lastUs = packet.timeUs
    packet.timeUs += this.#shiftUs
    return true
  }

  get fault() {
    return this.#source.fault
  }

  get progress() {
    return this.#source.progress
  }

  get notes() {
    return this.#source.notes
  }

  close(): Promise<void> {
    return this.#source.close()
  }
}

async function replay(times: number, flows = true) {
  const sensor = new Sensor(loadConfig(undefined, { BORESCOPE_TRACK__FLOWS: String(flows) }).config, 'bench')
  const source = await openCapture(mix)
  const startedMs = performance.now()
  await sensor.run(mergeByTime([times === 1 ? source : new Repeated(source, times)]), () => {})
  return {
    packets: sensor.counts.packets,
    seconds: (performance.now() - startedMs) / 1000,
    rssBytes: process.resourceUsage().maxRSS * 1024,
  }
}

/** What the command does, by the time that it states itself. */
async function command(store: boolean) {
  process.env['BORESCOPE_STORE__PATH'] = join(scratch, `events-${process.pid}.db`)
  process.env['BORESCOPE_DELIVERY__PATH'] = join(scratch, 'spool')
  const { totals } = await analyse(new Context(undefined), [mix], { store, order: 'time', quiet: true })
  return { packets: totals.packets, seconds: totals.seconds, rssBytes: process.resourceUsage().maxRSS * 1024 }
}

async function measure(): Promise<object> {
  switch (name) {
    case 'walk': {
      const { packets, seconds } = walk(mix)
      return { packets, seconds, rssBytes: process.resourceUsage().maxRSS * 1024 }
    }
    case 'command':
      return command(false)
    case 'store':
      return command(true)
    case 'replay':
      return replay(1)
    case 'tenfold':
      return replay(10)
    case 'tunnels':
      return replay(1, false)
    case 'tunnels10':
      return replay(10, false)
    default:
      throw new Error(`no such case: ${name}`)
  }
}

process.stdout.write(JSON.stringify(await measure()))
