import { afterAll, beforeAll, describe } from 'vitest'
import { unavailable } from '../../support/servers/servers.ts'
import { storeContract } from '../contract.ts'
import { LiveStores } from './live.ts'

for (const kind of ['opensearch3', 'opensearch2', 'elasticsearch'] as const) {
  describe.skipIf(await unavailable(kind))(kind, () => {
    let stores: LiveStores
    beforeAll(async () => {
      stores = await LiveStores.on(kind)
    })
    afterAll(() => stores.remove())

    storeContract(kind, () => stores.open())
  })
}
