/** One case of the benchmark, alone in its process: `node case.ts NAME MIX SCRATCH` prints its result as JSON. */
import { join } from 'node:path'
import { mergeByTime } from '../../src/capture/merge.ts'
import { openCapture } from '../../src/capture/sources.ts'
import { Context } from '../../src/commands/context.ts'
import { analyse } from '../../src/commands/replay.ts'
import { loadConfig } from '../../src/config.ts'
import { Sensor } from '../../src/sensor.ts'
import { walk } from './walk.ts'

const [name, mix, scratch] = process.argv.slice(2)

async function replay(flows: boolean) {
  const sensor = new Sensor(loadConfig(undefined, { BORESCOPE_TRACK__FLOWS: String(flows) }).config, 'bench')
  const source = await openCapture(mix)
  const startedMs = performance.now()
  await sensor.run(mergeByTime([source]), () => {})
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
      return replay(true)
    case 'tunnels':
      return replay(false)
    default:
      throw new Error(`no such case: ${name}`)
  }
}

process.stdout.write(JSON.stringify(await measure()))
