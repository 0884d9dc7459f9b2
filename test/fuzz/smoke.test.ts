/** Each fuzzer for a short while with fixed seeds; and the canary, which shows that a failure would be seen. */
import { beforeAll, describe, expect, test } from 'vitest'
import { Random } from '../support/random.ts'
import { openWorkshop } from './corpus.ts'
import { CANARY, FUZZERS, type Workshop } from './fuzzers.ts'

const ROUNDS = 60

let workshop: Workshop
beforeAll(async () => {
  workshop = await openWorkshop({ everything: false })
})

describe('fuzzing', () => {
  for (const [name, fuzzer] of Object.entries(FUZZERS)) {
    test(`${name}: nothing found in ${ROUNDS} rounds`, async () => {
      for (let seed = 1; seed <= ROUNDS; seed++) {
        await expect((async () => fuzzer(new Random(seed), workshop))(), `seed ${seed}`).resolves.toBeUndefined()
      }
    })
  }

  test('the canary falls over', () => {
    expect(() => CANARY.canary(new Random(1), workshop)).toThrow('as it must')
  })
})
