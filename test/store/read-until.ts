/** A process for the concurrency test: prints how many events it sees, until it sees enough. */
import { setImmediate } from 'node:timers/promises'
import { openEmbeddedStore } from '../../src/store/embedded.ts'

const store = await openEmbeddedStore({ path: process.argv[2], readOnly: true })
const enough = Number(process.argv[3])
let seen = -1
while (seen < enough) {
  const count = await store.count({ kql: 'user.name: user* and session' })
  if (count !== seen) process.stdout.write(`${count}\n`)
  seen = count
  await setImmediate()
}
await store.close()
