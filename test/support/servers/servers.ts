/**
 * Real Elasticsearch and OpenSearch servers for tests.
 *
 * BORESCOPE_TEST_ES_URL and BORESCOPE_TEST_OPENSEARCH_URL name running servers, which then are the shared ones of their product and
 * major version; a user and password may stand in the address. All others are started here, from Maven's artifacts.
 */
import { inject } from 'vitest'
import type { BrokerAnswer } from './broker.ts'
import { install, NotInstallable } from './installation.ts'
import { type KindName, SERVER_KINDS } from './kinds.ts'
import { ServerProcess } from './process.ts'

export type { KindName } from './kinds.ts'

export interface TestServer {
  readonly kind: KindName
  /** Without a slash at its end. */
  readonly url: string
  readonly product: 'elasticsearch' | 'opensearch'
  /** As the server says it: `3.9.0`. */
  readonly version: string
}

const IS_CI = process.env['CI'] === 'true'

/**
 * Why this machine cannot run servers of a kind, or null; said loudly, for `describe.skipIf`. In CI nothing is skipped: there the
 * answer is null, and asking for the server fails with the reason. The first call may take minutes: Maven loads the server.
 */
export async function unavailable(kind: KindName): Promise<string | null> {
  if (IS_CI || (await running(kind)) !== null) return null
  try {
    await install(kind)
    return null
  } catch (error) {
    if (!(error instanceof NotInstallable)) throw error
    process.stderr.write(`\n*** Tests with a live ${kind} server do not run: ${error.message}.\n\n`)
    return error.message
  }
}

/**
 * The one server of a kind for the whole run, started for whoever asks first. Its data are everybody's: a test uses index names of
 * its own and removes them.
 */
export async function sharedServer(kind: KindName): Promise<TestServer> {
  const external = await running(kind)
  if (external !== null) return external
  // Outside the broker, which would otherwise be silent for longer than its clients wait.
  await install(kind)
  const response = await fetch(`${inject('serverBroker')}${kind}`)
  const answer = (await response.json()) as BrokerAnswer
  if ('error' in answer) throw new Error(answer.error)
  return identify(kind, answer.url)
}

/** A server of one's own, which may be killed; `await using` removes it. */
export async function ownServer(kind: KindName): Promise<OwnServer> {
  const process = await ServerProcess.launch(kind)
  return new OwnServer(await identify(kind, process.url), process)
}

export class OwnServer implements TestServer, AsyncDisposable {
  readonly kind: KindName
  readonly url: string
  readonly product: 'elasticsearch' | 'opensearch'
  readonly version: string
  /** Its home, with data and log. */
  readonly folder: string
  readonly #process: ServerProcess

  constructor({ kind, url, product, version }: TestServer, process: ServerProcess) {
    this.kind = kind
    this.url = url
    this.product = product
    this.version = version
    this.folder = process.folder
    this.#process = process
  }

  /** kill -9; resolves when the process is gone. */
  kill(): Promise<void> {
    return this.#process.kill()
  }

  /** After `kill`: the same port and data. Resolves when it answers and has its shards. */
  start(): Promise<void> {
    return this.#process.start()
  }

  /** SIGSTOP: it takes connections and never answers. */
  pause(): void {
    this.#process.pause()
  }

  /** SIGCONT. */
  resume(): void {
    this.#process.resume()
  }

  /** Ends it and removes its data. */
  stop(): Promise<void> {
    return this.#process.remove()
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.stop()
  }
}

/** The server that the environment names for a kind, if it is of that major version. */
async function running(kind: KindName): Promise<TestServer | null> {
  const { product, major } = SERVER_KINDS[kind]
  const url = process.env[product === 'elasticsearch' ? 'BORESCOPE_TEST_ES_URL' : 'BORESCOPE_TEST_OPENSEARCH_URL']
  if (url === undefined || url === '') return null
  const server = await identify(kind, url.replace(/\/+$/, ''))
  return Number.parseInt(server.version, 10) === major ? server : null
}

async function identify(kind: KindName, url: string): Promise<TestServer> {
  const address = new URL(url)
  const { username, password } = address
  address.username = ''
  address.password = ''
  const credentials = Buffer.from(`${decodeURIComponent(username)}:${decodeURIComponent(password)}`).toString('base64')
  const response = await fetch(address, { headers: username === '' ? {} : { authorization: `Basic ${credentials}` } })
  const { version } = (await response.json()) as { version: { number: string } }
  return { kind, url, product: SERVER_KINDS[kind].product, version: version.number }
}
