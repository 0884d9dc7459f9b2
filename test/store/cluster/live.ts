/** Stores in live servers for the tests: each in a namespace of its own, removed at the end. */
import type { ClusterClient, Connection } from '../../../src/store/cluster/client.ts'
import { elasticsearchClient } from '../../../src/store/cluster/elasticsearch.ts'
import { openSearchClient } from '../../../src/store/cluster/opensearch.ts'
import { type ClusterOptions, type ClusterStore, openClusterStore } from '../../../src/store/cluster/store.ts'
import { VERSION } from '../../../src/version.ts'
import { type KindName, sharedServer, type TestServer } from '../../support/servers/servers.ts'

const LIFECYCLE = { rolloverDays: 30, rolloverBytes: 50e9, warmAfterDays: 0, deleteAfterDays: 0 }

export function connectionTo(url: string, changes: Partial<Connection> = {}): Connection {
  const { username, password, origin } = new URL(url)
  const user = username === '' ? {} : { username, password }
  return { nodes: [origin], ...user, verifyTls: true, requestTimeoutMs: 60_000, compression: true, ...changes }
}

export function optionsFor(url: string, namespace: string, changes: Partial<ClusterOptions> = {}): ClusterOptions {
  return {
    connection: connectionTo(url),
    namespace,
    shards: 1,
    replicas: 0,
    lifecycle: LIFECYCLE,
    version: VERSION,
    ...changes,
  }
}

export function clientOf(product: TestServer['product'], connection: Connection): Promise<ClusterClient> {
  return product === 'opensearch' ? openSearchClient(connection) : elasticsearchClient(connection)
}

/** The namespaces of one test file on one server. */
export class LiveStores {
  readonly server: TestServer
  readonly #salt: string
  #opened = 0

  private constructor(server: TestServer, salt: string) {
    this.server = server
    this.#salt = salt
  }

  static async on(kind: KindName): Promise<LiveStores> {
    return new LiveStores(await sharedServer(kind), `test${process.pid}x${Math.floor(performance.now())}`)
  }

  /** A namespace that nothing was stored in. */
  namespace(): string {
    return `${this.#salt}n${this.#opened++}`
  }

  client(changes: Partial<Connection> = {}): Promise<ClusterClient> {
    return clientOf(this.server.product, connectionTo(this.server.url, changes))
  }

  async open(namespace = this.namespace(), changes: Partial<ClusterOptions> = {}): Promise<ClusterStore> {
    return openClusterStore(await this.client(), optionsFor(this.server.url, namespace, changes))
  }

  /** Takes everything out of the server that this file has put into its namespaces. */
  async remove(): Promise<void> {
    const client = await this.client()
    await client.request({ method: 'DELETE', path: `/_data_stream/*-${this.#salt}*` })
    await client.close()
  }
}
