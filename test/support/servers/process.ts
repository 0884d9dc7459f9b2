/** A server process of ours: started, killed, stopped short and started again, and never left behind. */
import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { closeSync, mkdirSync, mkdtempSync, openSync, readFileSync } from 'node:fs'
import { get } from 'node:https'
import { createServer } from 'node:net'
import { tmpdir } from 'node:os'
import { basename, join } from 'node:path'
import { json } from 'node:stream/consumers'
import { setTimeout as delay } from 'node:timers/promises'
import { type Installation, install } from './installation.ts'
import { type KindName, SERVER_KINDS } from './kinds.ts'

/** Small heaps, quick starts: several servers run beside the tests. */
const JVM_OPTIONS = ['-Xms128m', '-Xmx512m', '-XX:+UseSerialGC', '-XX:TieredStopAtLevel=1', '-Dlog4j2.level=INFO']

/**
 * Reads the server's process id from its input, again at each start. When the input ends, because the server is no longer wanted
 * or because whoever wanted it is no more, it kills that process, even a stopped one, and removes the server's folder.
 */
const GUARD = `
while read -r line; do pid=$line; done
tries=0
while [ -n "$pid" ] && [ $tries -lt 100 ] && kill -9 "$pid" 2>/dev/null; do tries=$((tries + 1)); sleep 0.1; done
rm -rf -- "$0"
`

/** Below the ports that clients are given: a client that calls a dead server's port again and again must never be given that port. */
const PORT_MIN = 15_000
const PORT_MAX = 32_000

const START_SECONDS = 100
const PORTS_TRIED = 5

/** By their names; null takes one of those away that every server has. */
type Settings = Readonly<Record<string, string | number | boolean | null>>

/** What a server needs, and asks of its clients, that lets only some in. */
export interface Guarded {
  /** PEM of the authority that signed its certificate. */
  readonly ca: string
  /** Of a user who may see the health of the cluster. */
  readonly user: string
  readonly password: string
  /** Puts files into the folder of its configuration; given what was in the archives of its kind, too. */
  prepare(configuration: string, archives: string): void
}

export class ServerProcess {
  readonly url: string
  /** Its home, with data and log. */
  readonly folder: string
  readonly #kind: KindName
  readonly #installation: Installation
  readonly #port: number
  readonly #changes: Settings
  readonly #guarded: Guarded | null
  readonly #guard: ChildProcess
  #java: ChildProcess | null = null

  private constructor(
    kind: KindName,
    installation: Installation,
    port: number,
    changes: Settings,
    guarded: Guarded | null,
  ) {
    this.#changes = changes
    this.#guarded = guarded
    this.#kind = kind
    this.#installation = installation
    this.#port = port
    this.url = `${guarded === null ? 'http' : 'https'}://127.0.0.1:${port}`
    this.folder = mkdtempSync(join(tmpdir(), `borescope-${kind}-`))
    mkdirSync(join(this.folder, 'config'))
    guarded?.prepare(join(this.folder, 'config'), installation.archives)
    // Away from the terminal, whose Ctrl-C would end it with everybody else.
    this.#guard = spawn('sh', ['-c', GUARD, this.folder], { stdio: ['pipe', 'ignore', 'ignore'], detached: true })
    this.#guard.unref()
  }

  /** Starts a new server on a free port; it answers when this resolves. */
  static async launch(kind: KindName, changes: Settings = {}, guarded: Guarded | null = null): Promise<ServerProcess> {
    const installation = await install(kind)
    for (let tries = 1; ; tries++) {
      const server = new ServerProcess(kind, installation, await freePort(), changes, guarded)
      try {
        await server.start()
        return server
      } catch (error) {
        await server.remove()
        // Somebody else may have taken the port in between.
        if (tries === PORTS_TRIED || !/BindHttp|Address already in use/.test(String(error))) throw error
      }
    }
  }

  /**
   * Two nodes of one cluster. The first one holds the cluster together: without the other one it goes on, the other one not
   * without it.
   */
  static async launchPair(kind: KindName): Promise<readonly [ServerProcess, ServerProcess]> {
    const transport = await freePort()
    const initial = SERVER_KINDS[kind].product === 'opensearch' ? 'cluster_manager' : 'master'
    const shared = { 'cluster.name': `pair-${transport}`, 'discovery.type': null }
    const first = await ServerProcess.launch(kind, {
      ...shared,
      'node.name': 'first',
      'transport.port': transport,
      [`cluster.initial_${initial}_nodes`]: 'first',
    })
    try {
      const seeds = { 'discovery.seed_hosts': `127.0.0.1:${transport}` }
      const second = await ServerProcess.launch(kind, {
        ...shared,
        ...seeds,
        'node.name': 'second',
        'node.roles': 'data,ingest',
      })
      return [first, second]
    } catch (error) {
      await first.remove()
      throw error
    }
  }

  /** Starts the process, on the same port and data as before. Resolves when it answers and has its shards. */
  async start(): Promise<void> {
    if (this.#java !== null) throw new Error(`the ${this.#kind} server runs already`)
    const { product, plugins } = SERVER_KINDS[this.#kind]
    const settings: Settings = {
      'path.home': this.folder,
      'cluster.name': basename(this.folder),
      'node.name': product,
      'discovery.type': 'single-node',
      'network.host': '127.0.0.1',
      'http.port': this.#port,
      'transport.port': 0,
      // Neither a full disk of this machine nor garbage in a small heap are what a test is about.
      'cluster.routing.allocation.disk.threshold_enabled': false,
      'indices.breaker.total.use_real_memory': false,
      ...this.#changes,
    }
    const log = openSync(this.#logPath, 'a')
    const java = spawn(
      this.#installation.java,
      [
        ...JVM_OPTIONS,
        // Native code is unpacked here, to go when the server goes.
        `-Djava.io.tmpdir=${this.folder}`,
        `-Djna.tmpdir=${this.folder}`,
        ...this.#installation.arguments,
        ...Object.entries(settings).flatMap(([name, value]) => (value === null ? [] : `${name}=${value}`)),
        ...plugins,
      ],
      { stdio: ['ignore', log, log], cwd: this.folder },
    )
    closeSync(log)
    java.unref()
    this.#java = java
    java.once('exit', () => {
      this.#java = null
    })
    this.#guard.stdin?.write(`${java.pid}\n`)
    await this.#answers()
  }

  /** As kill -9 does. Resolves when the process is gone. */
  async kill(): Promise<void> {
    const java = this.#running()
    java.kill('SIGKILL')
    java.ref()
    if (java.exitCode === null && java.signalCode === null) await once(java, 'exit')
  }

  /** The process stands still: it takes connections, as long as the kernel queues them, and never answers. */
  pause(): void {
    this.#running().kill('SIGSTOP')
  }

  resume(): void {
    this.#running().kill('SIGCONT')
  }

  /** Ends the process, if it runs, and removes its data. */
  async remove(): Promise<void> {
    // Nothing else may keep this process alive until then.
    this.#guard.ref()
    this.#guard.stdin?.end()
    if (this.#guard.exitCode === null) await once(this.#guard, 'exit')
  }

  #running(): ChildProcess {
    if (this.#java === null) throw new Error(`the ${this.#kind} server does not run`)
    return this.#java
  }

  async #answers(): Promise<void> {
    const health = `${this.url}/_cluster/health?wait_for_status=yellow&wait_for_no_initializing_shards=true&timeout=1s`
    const deadline = performance.now() + START_SECONDS * 1000
    while (this.#java !== null && performance.now() < deadline) {
      const answer = await this.#get(health).catch(() => null)
      // Somebody else's server may hold the port.
      const isHealthy = answer?.cluster_name === (this.#changes['cluster.name'] ?? basename(this.folder))
      if (isHealthy) return
      await delay(100)
    }
    const log = readFileSync(this.#logPath, 'utf8').slice(-4000)
    throw new Error(`the ${this.#kind} server ${this.#java === null ? 'ended' : 'does not answer'}:\n${log}`)
  }

  /** The JSON of an answer that is a success. */
  async #get(url: string): Promise<{ readonly cluster_name?: string }> {
    const signal = AbortSignal.timeout(5000)
    if (this.#guarded === null) {
      const response = await fetch(url, { signal })
      if (!response.ok) throw new Error(`status ${response.status}`)
      return (await response.json()) as object
    }
    const { ca, user, password } = this.#guarded
    // Not fetch: it takes no certificate of an authority.
    const [response] = await once(get(url, { ca, auth: `${user}:${password}`, signal }), 'response')
    if (response.statusCode !== 200) throw new Error(`status ${response.statusCode}`)
    return (await json(response)) as object
  }

  get #logPath(): string {
    return join(this.folder, 'server.log')
  }
}

async function freePort(): Promise<number> {
  for (;;) {
    const port = PORT_MIN + Math.floor(Math.random() * (PORT_MAX - PORT_MIN))
    const probe = createServer()
    const isFree = await new Promise<boolean>((resolve) => {
      probe.once('error', () => resolve(false))
      probe.listen(port, '127.0.0.1', () => probe.close(() => resolve(true)))
    })
    if (isFree) return port
  }
}
