/** A process for the kill -9 test: writes events and prints how many were acknowledged, until it dies. */
import { openEmbeddedStore } from '../../src/store/embedded.ts'
import { sessionEvent } from './documents.ts'

const BATCH = 50
const store = await openEmbeddedStore({ path: process.argv[2] })
for (let from = 0; ; from += BATCH) {
  await store.write(Array.from({ length: BATCH }, (_, i) => sessionEvent(from + i)))
  process.stdout.write(`${from + BATCH}\n`)
}
