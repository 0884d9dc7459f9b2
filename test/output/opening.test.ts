import { expect, test } from 'vitest'
import { OpeningDestination } from '../../src/output/opening.ts'
import { events, ScriptedDestination, unavailable } from './support.ts'

test('is opened by the first batch, once, and again only after it failed', async () => {
  const inner = new ScriptedDestination()
  let attempts = 0
  const destination = new OpeningDestination(async () => {
    if (++attempts === 1) throw unavailable()
    return inner
  })
  expect(attempts).toBe(0)
  await expect(destination.write(events('e', 0, 1))).rejects.toMatchObject({ retry: 'later' })
  const results = await Promise.all([destination.write(events('e', 0, 2)), destination.write(events('e', 1, 3))])
  expect(attempts).toBe(2)
  expect(results).toMatchObject([{ stored: 2 }, { stored: 1, duplicates: 1 }])
  await destination.close()
})

test('writes nothing that was broken off while it was being opened', async () => {
  const inner = new ScriptedDestination()
  let open: (destination: ScriptedDestination) => void = () => {}
  const destination = new OpeningDestination(() => new Promise((resolve) => (open = resolve)))
  const abort = new AbortController()
  const written = destination.write(events('e', 0, 1), abort.signal)
  abort.abort(unavailable())
  open(inner)
  await expect(written).rejects.toThrow('503')
  expect(inner.requests).toEqual([])
})

test('closes what was opened, and nothing else', async () => {
  await new OpeningDestination(() => Promise.reject(unavailable())).close()
  let closed = 0
  const inner = Object.assign(new ScriptedDestination(), { close: async () => void closed++ })
  const destination = new OpeningDestination(async () => inner)
  await destination.close()
  expect(closed).toBe(0)
  await destination.write(events('e', 0, 1))
  await destination.close()
  expect(closed).toBe(1)
})
