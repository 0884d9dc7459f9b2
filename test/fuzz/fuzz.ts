/**
 * `npm run fuzz -- [--minutes 1] [--seed N] [--only NAME]`: all fuzzers in turn until the time is up. A failure prints the
 * fuzzer and the seed of its round, which alone reproduces it: `npm run fuzz -- --only NAME --seed N --rounds 1`.
 */
import { parseArgs } from 'node:util'
import { Random } from '../support/random.ts'
import { openWorkshop } from './corpus.ts'
import { CANARY, type Fuzzer, FUZZERS } from './fuzzers.ts'

const { values } = parseArgs({
  options: {
    minutes: { type: 'string', default: '1' },
    rounds: { type: 'string' },
    seed: { type: 'string', default: '1' },
    only: { type: 'string' },
  },
})
const all: Record<string, Fuzzer> = { ...FUZZERS, ...(values.only === 'canary' ? CANARY : {}) }
const names = values.only === undefined ? Object.keys(all) : [values.only]
for (const name of names)
  if (all[name] === undefined) throw new Error(`no fuzzer ${name}; there are ${Object.keys(all).join(', ')}`)

const workshop = await openWorkshop({ everything: true })
const untilMs = performance.now() + Number(values.minutes) * 60_000
const roundsMax = values.rounds === undefined ? Number.POSITIVE_INFINITY : Number(values.rounds)
let rounds = 0
const rssBefore = process.memoryUsage().rss
for (let seed = Number(values.seed); performance.now() < untilMs && rounds < roundsMax; seed++, rounds++) {
  for (const name of names) {
    try {
      await all[name](new Random(seed), workshop)
    } catch (error) {
      process.stderr.write(
        `${name} failed with seed ${seed}: npm run fuzz -- --only ${name} --seed ${seed} --rounds 1\n${error instanceof Error ? error.stack : error}\n`,
      )
      process.exit(1)
    }
  }
}
const grownMb = Math.round((process.memoryUsage().rss - rssBefore) / 1e6)
process.stdout.write(
  `${rounds} rounds of ${names.join(', ')} from seed ${values.seed}, ${workshop.corpus.length} packets in the corpus, nothing found; memory grew by ${grownMb} MB\n`,
)
