/**
 * A network of our own for tests that capture: a namespace with pairs of interfaces, what is sent through them, and the
 * sensor that watches. It takes root; nothing outside the namespace is touched.
 */
import { type ChildProcess, spawn, spawnSync } from 'node:child_process'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join, resolve } from 'node:path'

const ROOT = resolve(import.meta.dirname, '../..')
const SENDER = join(import.meta.dirname, 'packet-sender.ts')

/** Every sensor of the tests starts with what the first one has compiled, and writes its events at once. */
const QUICK = {
  NODE_COMPILE_CACHE: join(tmpdir(), `borescope-live-compiled-${process.getuid?.()}`),
  BORESCOPE_DELIVERY__BATCH_SECONDS: '0.05',
  /** Where `cap` may be installed for a test. */
  ...(process.env['NODE_PATH'] === undefined ? {} : { NODE_PATH: process.env['NODE_PATH'] }),
}

/** Why no test here can capture, or null if they can. */
export function whyNoCapture(): string | null {
  if (process.platform !== 'linux') return 'network namespaces exist on Linux only'
  if (process.getuid?.() !== 0) return 'network namespaces take root: sudo npm test'
  const name = `borescope-probe-${process.pid}`
  const added = spawnSync('ip', ['netns', 'add', name], { encoding: 'utf8' })
  if (added.error !== undefined) return 'the program ip is not installed (apt-get install iproute2)'
  if (added.status !== 0) return `no network namespace can be made: ${added.stderr.trim()}`
  spawnSync('ip', ['netns', 'delete', name])
  return null
}

/** Says loudly that a file of tests is left out, and whether it is. */
export function skipsCapture(file: string): boolean {
  const reason = whyNoCapture()
  if (reason !== null) process.stderr.write(`\nSKIPPED ${file}: ${reason}\n\n`)
  return reason !== null
}

export interface Ended {
  readonly code: number | null
  readonly stdout: string
  readonly stderr: string
}

/** A process whose output is kept. */
export class Running {
  readonly child: ChildProcess
  readonly ended: Promise<Ended>
  #stdout = ''
  #stderr = ''
  #look: (() => void)[] = []

  constructor(command: string, args: readonly string[], options: { cwd: string; env: NodeJS.ProcessEnv }) {
    this.child = spawn(command, args, { ...options, stdio: ['ignore', 'pipe', 'pipe'] })
    this.child.stdout?.setEncoding('utf8').on('data', (text: string) => {
      this.#stdout += text
    })
    this.child.stderr?.setEncoding('utf8').on('data', (text: string) => {
      this.#stderr += text
      for (const look of this.#look) look()
    })
    this.ended = new Promise((done) => {
      this.child.on('close', (code) => {
        done({ code, stdout: this.#stdout, stderr: this.#stderr })
        for (const look of this.#look) look()
      })
    })
  }

  /** Until stderr says so; a process that ends before is an error. */
  async says(text: string): Promise<void> {
    await new Promise<void>((done, fail) => {
      const look = () => {
        if (this.#stderr.includes(text)) done()
        else if (this.child.exitCode !== null) fail(new Error(`ended without "${text}": ${this.#stderr}`))
      }
      this.#look.push(look)
      look()
    })
  }

  stop(signal: NodeJS.Signals = 'SIGTERM'): Promise<Ended> {
    this.child.kill(signal)
    return this.ended
  }
}

export class LiveNetwork {
  readonly name: string
  readonly scratch = mkdtempSync(join(tmpdir(), 'borescope-live-'))
  /** Of what is started. */
  readonly environment: Record<string, string> = {}
  readonly #running: Running[] = []

  constructor(label: string) {
    this.name = `borescope-${label}-${process.pid}`
    this.#ip('netns', 'add', this.name)
    // Neighbour discovery would put packets of its own into every count.
    this.run('sysctl', '-qw', 'net.ipv6.conf.all.disable_ipv6=1', 'net.ipv6.conf.default.disable_ipv6=1')
    this.ip('link', 'set', 'lo', 'up')
  }

  /** Two interfaces at the ends of one cable. */
  pair(one: string, other: string): void {
    this.ip('link', 'add', one, 'type', 'veth', 'peer', 'name', other)
    for (const name of [one, other]) this.ip('link', 'set', name, 'up')
  }

  /** `ip` inside the namespace. */
  ip(...args: string[]): string {
    return this.#ip('-n', this.name, ...args)
  }

  /** A program inside the namespace, to its end. */
  run(command: string, ...args: string[]): string {
    const { status, stdout, stderr } = spawnSync('ip', ['netns', 'exec', this.name, command, ...args], {
      encoding: 'utf8',
      maxBuffer: 1 << 28,
    })
    if (status !== 0) throw new Error(`${command} ${args.join(' ')}: ${stderr}`)
    return stdout
  }

  start(command: string, ...args: string[]): Running {
    return this.startWith({}, command, ...args)
  }

  startWith(environment: NodeJS.ProcessEnv, command: string, ...args: string[]): Running {
    const running = new Running('ip', ['netns', 'exec', this.name, command, ...args], {
      cwd: this.scratch,
      env: { ...QUICK, PATH: process.env['PATH'], HOME: this.scratch, ...this.environment, ...environment },
    })
    this.#running.push(running)
    return running
  }

  /** `borescope watch` with its events in `events.ndjson`; given when it captures. */
  async watch(...args: string[]): Promise<Running> {
    const running = this.start(join(ROOT, 'bin/borescope'), 'watch', '--no-store', '--json', '-o', this.events, ...args)
    await running.says('watching')
    return running
  }

  get events(): string {
    return join(this.scratch, 'events.ndjson')
  }

  /** Sends the packets of a capture through an interface; gives how many. */
  send(name: string, capture: string, ...options: string[]): number {
    return Number(this.run(process.execPath, SENDER, name, capture, ...options))
  }

  /** A count of an interface, as the kernel keeps it. */
  statistic(name: string, which: string): number {
    return Number(this.run('cat', `/sys/class/net/${name}/statistics/${which}`))
  }

  async close(): Promise<void> {
    for (const running of this.#running) {
      running.child.kill('SIGKILL')
      await running.ended
    }
    this.#ip('netns', 'delete', this.name)
    rmSync(this.scratch, { recursive: true })
  }

  #ip(...args: string[]): string {
    const { status, stdout, stderr } = spawnSync('ip', args, { encoding: 'utf8' })
    if (status !== 0) throw new Error(`ip ${args.join(' ')}: ${stderr}`)
    return stdout
  }
}
