import { hash } from 'node:crypto'
import { expect, test } from 'vitest'
import { FlowDigests } from '../../src/track/flow-digests.ts'
import { Random } from '../support/random.ts'

test('each flow has the digest that was set last, until it is deleted', () => {
  const random = new Random(5)
  const digests = new FlowDigests()
  const model = new Map<number, string>()
  for (let i = 0; i < 20_000; i++) {
    const flow = random.below(random.chance(0.7) ? 1500 : 300_000)
    expect(digests.get(flow)).toBe(model.get(flow) ?? '')
    if (random.chance(0.3)) {
      digests.delete(flow)
      model.delete(flow)
      continue
    }
    const digest = hash('sha1', String(i))
    digests.set(flow, digest)
    model.set(flow, digest.slice(0, 32))
  }
  expect(model.size).toBeGreaterThan(1000)
  for (const [flow, digest] of model) expect(digests.get(flow)).toBe(digest)
})
