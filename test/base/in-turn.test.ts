import { expect, test } from 'vitest'
import { InTurn } from '../../src/base/in-turn.ts'

test('what is asked for at once is done one after the other, also behind what failed', async () => {
  const turns = new InTurn()
  const steps: string[] = []
  const work = (name: string) =>
    turns.run(async () => {
      steps.push(`${name} begins`)
      await Promise.resolve()
      steps.push(`${name} ends`)
      if (name === 'first') throw new Error('no luck')
      return name
    })
  const all = Promise.allSettled([work('first'), work('second')])
  await turns.idle()
  expect(steps).toEqual(['first begins', 'first ends', 'second begins', 'second ends'])
  expect((await all).map(({ status }) => status)).toEqual(['rejected', 'fulfilled'])
})
