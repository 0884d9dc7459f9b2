/** The threads of `watch` without an interface; with some, see test/live/watch-threads.test.ts. */
import { afterAll, expect, test } from 'vitest'
import { LiveError } from '../../src/capture/live.ts'
import type { PreparedInterface } from '../../src/capture/live/open.ts'
import { loadConfig } from '../../src/config.ts'
import type { Config } from '../../src/config-schema.ts'
import { ThreadError } from '../../src/parallel/crew.ts'
import { LiveThreads, type LiveThreadsOptions } from '../../src/parallel/live-threads.ts'
import { builtinRules } from '../support/replay.ts'

const opened: LiveThreads[] = []
afterAll(async () => {
  for (const threads of opened) await threads.close()
})

function optionsOf(change: (config: Config) => void = () => {}): LiveThreadsOptions {
  const { config } = loadConfig(undefined, {})
  change(config)
  return { config, rules: builtinRules(), espKeys: [], interfaces: [], followers: 2 }
}

async function open(options: LiveThreadsOptions): Promise<LiveThreads> {
  const threads = await LiveThreads.open(options)
  opened.push(threads)
  return threads
}

test('say how they do, and remember nothing before the first packet', async () => {
  const threads = await open(optionsOf())
  expect(threads.tables.map(({ name }) => name)).toContain('flows')
  expect(threads).toMatchObject({ nowUs: 0, lastPacketUs: null, trafficNs: 0, shed: {}, sources: [] })
  await threads.prepareToSave()
  expect([...threads.save().entries]).toEqual([])
  expect(await threads.restore([], { savedUs: 1, nowUs: 2 })).toMatchObject({ restored: 0, leftOut: 0 })
  expect(threads.replaceRules(builtinRules()).outdated).toBe(0)
})

test('an interface that cannot be opened in its thread is an error that the user understands', async () => {
  const prepared: PreparedInterface = {
    sockets: { name: 'eth1', sockets: [-1, -1], spares: [], isEthernet: true },
    options: {
      ...optionsOf().config.capture.live,
      l2tpPorts: [1701],
      backend: 'ring',
    },
    expression: null,
  }
  if (process.platform !== 'linux') return
  await expect(LiveThreads.open({ ...optionsOf(), interfaces: [prepared] })).rejects.toThrow(LiveError)
})

test('a thread that fails is an error that names it, for whoever waits', async () => {
  const broken = optionsOf((config) => {
    config.track.conversationsMax = -7
  })
  const failure = LiveThreads.open(broken).then(async (threads) => {
    opened.push(threads)
    await threads.run({})
  })
  await expect(failure).rejects.toThrow(ThreadError)
  await expect(failure).rejects.toThrow(/a flow thread failed: /)
})

test('that were closed answer nobody', async () => {
  const threads = await LiveThreads.open(optionsOf())
  await threads.close()
  await expect(threads.prepareToSave()).rejects.toThrow(ThreadError)
})
