/**
 * Keeps one server of each kind for a whole run of vitest. Its process outlives the workers; they ask it over HTTP, and who asks
 * first waits for the start, so a run of tests that need no server starts none.
 */
import { once } from 'node:events'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import type { TestProject } from 'vitest/node'
import type { KindName } from './kinds.ts'
import { ServerProcess } from './process.ts'

declare module 'vitest' {
  export interface ProvidedContext {
    /** `http://…/`, to which the name of a kind is appended. */
    serverBroker: string
  }
}

/** What the broker answers. */
export type BrokerAnswer = { readonly url: string } | { readonly error: string }

export default async function setup(project: TestProject): Promise<() => Promise<void>> {
  const servers = new Map<KindName, Promise<ServerProcess>>()
  const broker = createServer(async (request, response) => {
    const kind = request.url?.slice(1) as KindName
    const server = servers.get(kind) ?? ServerProcess.launch(kind)
    servers.set(kind, server)
    const answer: BrokerAnswer = await server.then(
      ({ url }) => ({ url }),
      (error) => ({ error: String(error) }),
    )
    response.end(JSON.stringify(answer))
  })
  broker.listen(0, '127.0.0.1')
  await once(broker, 'listening')
  project.provide('serverBroker', `http://127.0.0.1:${(broker.address() as AddressInfo).port}/`)

  return async () => {
    broker.close()
    const started = await Promise.allSettled(servers.values())
    await Promise.all(started.map(async (server) => server.status === 'fulfilled' && (await server.value.remove())))
  }
}
