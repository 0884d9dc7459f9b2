/**
 * An analysis on some threads, alone in its process: `node threads-case.ts THREADS MIX events|rules [LONG]` prints its result as JSON.
 * The same threads do it twice and the second time counts; then they take a longer capture: threads compile for themselves, and V8 has
 * not done with it after the first time.
 */
import { loadConfig } from '../../src/config.ts'
import { loadRules } from '../../src/detect/rules.ts'
import { Threads } from '../../src/parallel/threads.ts'
import { OneThread } from '../../src/timeline.ts'
import { fileURLToPath } from 'node:url'

const [threads, mix, withRules, longMix] = process.argv.slice(2)
const { config } = loadConfig(undefined, {})
const rules = withRules === 'rules' ? loadRules(fileURLToPath(new URL('../../rules', import.meta.url))) : null
const timelines =
  threads === '1' ? new OneThread(config, 'bench', rules, []) : new Threads(config, 'bench', rules, Number(threads), 1)

async function once(capture: string) {
  const timeline = await timelines.open([capture], [])
  if (timeline === null) throw new Error(`${capture} cannot be opened`)
  const startedMs = performance.now()
  const before = process.cpuUsage()
  await timeline.run(() => {})
  const { user, system } = process.cpuUsage(before)
  return {
    packets: timeline.counts.packets,
    seconds: (performance.now() - startedMs) / 1000,
    cpuSeconds: (user + system) / 1e6,
    rssBytes: process.resourceUsage().maxRSS * 1024,
  }
}

await once(mix)
const short = await once(mix)
const long = longMix === undefined ? null : await once(longMix)
process.stdout.write(JSON.stringify({ ...short, long }))
await timelines.close()
