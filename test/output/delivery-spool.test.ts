/** Deliveries with a spool: outages, crashes and disks that fail, in every order; the identity holds at any moment. */
import { spawnSync } from 'node:child_process'
import * as fs from 'node:fs'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import fc from 'fast-check'
import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest'
import { DeliveryError, type Destination } from '../../src/output/destination.ts'
import { droppedIn } from '../../src/output/delivery-status.ts'
import { Quarantine, readQuarantine } from '../../src/output/quarantine.ts'
import type { SpoolFiles } from '../../src/output/segment.ts'
import { Spool, type SpoolOptions } from '../../src/output/spool.ts'
import { event, events, ScriptedDestination, type Step, TestDelivery, tooLarge, unavailable } from './support.ts'

let folder: string
let destination: ScriptedDestination
beforeEach(() => {
  vi.useFakeTimers()
  folder = mkdtempSync(join(tmpdir(), 'borescope-delivery-'))
  destination = new ScriptedDestination()
})
afterEach(() => {
  vi.useRealTimers()
  rmSync(folder, { recursive: true })
})

const pass = (ms: number) => vi.advanceTimersByTimeAsync(ms)
const spool = (options: Partial<SpoolOptions> = {}) =>
  new Spool({ folder, bytesMax: 1_000_000, segmentBytes: 4000, fsync: 'never', ...options })

async function flush(delivery: TestDelivery): Promise<void> {
  let isFlushed = false
  const flushed = delivery.flush().finally(() => {
    isFlushed = true
  })
  while (!isFlushed) await pass(100)
  await flushed
}

describe('an outage', () => {
  test('fills the memory, then the spool; afterwards alerts come before events before flows', async () => {
    const some = spool()
    const delivery = new TestDelivery(destination, { spool: some, queueBytesMax: 3000, holdsBack: false })
    destination.otherwise = () => unavailable()
    for (let i = 0; i < 60; i++) {
      delivery.pushAll([event(`f${i}`), event(`e${i}`)])
      if (i % 6 === 0) delivery.push(event(`a${i}`))
      expect(delivery.imbalance).toBe(0)
    }
    await pass(5000)
    expect(delivery.status()).toMatchObject({ state: 'spooling', spooled: expect.any(Number), dropped: {} })
    expect(delivery.counts.spooled).toBeGreaterThan(80)
    destination.otherwise = () => 'take'
    await flush(delivery)
    expect(delivery.counts).toMatchObject({ accepted: 130, stored: 130, spooled: 0, queued: 0, dropped: {} })
    expect(delivery.imbalance).toBe(0)
    // What was under way or had come back when the outage began keeps its place; the backlog goes by class.
    const backlog = destination.stored.slice(30).map((id) => id[0])
    expect(backlog.lastIndexOf('a')).toBeLessThan(backlog.indexOf('f'))
    expect(backlog.filter((id) => id === 'f').length).toBeGreaterThan(20)
    expect(backlog.slice(backlog.indexOf('f')).filter((id) => id === 'e').length).toBeLessThan(10)
    expect(some.bytes).toBe(0)
    await delivery.close()
  })

  test('that outlasts the process is made up for by the next one', async () => {
    destination.otherwise = () => unavailable()
    const first = new TestDelivery(destination, { spool: spool() })
    first.pushAll([...events('e', 0, 35), ...events('f', 0, 3), ...events('a', 0, 2)])
    await flush(first)
    await first.close()
    expect(first.counts).toMatchObject({ accepted: 40, stored: 0, spooled: 40, queued: 0, inFlight: 0, dropped: {} })
    expect(first.imbalance).toBe(0)
    destination.otherwise = () => 'take'
    const second = new TestDelivery(destination, { spool: spool() })
    second.push(event('e99'))
    await flush(second)
    expect(second.counts).toMatchObject({ accepted: 1, resumed: 40, stored: 41, spooled: 0 })
    expect(second.imbalance).toBe(0)
    expect(destination.stored.slice(0, 2)).toEqual(['a0', 'a1'])
    await second.close()
  })

  test('of single documents does not move more and more of them from the disk into memory', async () => {
    const delivery = new TestDelivery(destination, { spool: spool(), queueBytesMax: 4000, holdsBack: false })
    destination.otherwise = () => ({ later: (id) => Number(id.slice(1)) % 2 === 0 })
    for (let i = 0; i < 300; i++) {
      delivery.push(event(`e${i}`))
      if (i % 10 === 0) await pass(100)
      expect(delivery.imbalance).toBe(0)
    }
    expect(delivery.counts.queued).toBeLessThan(80)
    destination.otherwise = () => 'take'
    await flush(delivery)
    expect(destination.stored).toHaveLength(300)
    expect(delivery.counts).toMatchObject({ stored: 300, queued: 0, spooled: 0, dropped: {} })
    await delivery.close()
  })

  test('with a disk that is full: flows are lost first, and each is counted', async () => {
    let isFull = false
    const files: SpoolFiles = {
      ...fs,
      writeSync: ((fd: number, bytes: Buffer, at: number, length: number) => {
        if (isFull) throw Object.assign(new Error('ENOSPC: no space left on device, write'), { code: 'ENOSPC' })
        return fs.writeSync(fd, bytes, at, length)
      }) as typeof fs.writeSync,
    }
    const delivery = new TestDelivery(destination, { spool: spool({ files }), queueBytesMax: 4000, holdsBack: false })
    destination.otherwise = () => unavailable()
    delivery.pushAll([...events('e', 0, 30), ...events('a', 0, 5)])
    await pass(1000)
    isFull = true
    for (let i = 0; i < 100; i++) {
      delivery.pushAll([event(`f${i}`), event(`e${100 + i}`)])
      if (i % 20 === 0) delivery.push(event(`a${100 + i}`))
      await pass(50)
      expect(delivery.imbalance).toBe(0)
    }
    expect(delivery.status().spool).toMatchObject({ trouble: expect.stringContaining('ENOSPC') })
    const { dropped } = delivery.counts
    expect(dropped['spool_failed.flows']).toBe(100)
    expect(dropped['spool_failed.events']).toBeGreaterThan(0)
    expect(Object.keys(dropped).filter((reason) => reason.endsWith('alerts'))).toEqual([])
    isFull = false
    destination.otherwise = () => 'take'
    await flush(delivery)
    expect(destination.stored.filter((id) => id.startsWith('a'))).toHaveLength(10)
    expect(destination.stored.length + droppedIn(delivery.counts)).toBe(delivery.counts.accepted)
    await delivery.close()
  })
})

/** A disk of so many octets, if this process may make one; says loudly why not. */
function tinyDisk(path: string, bytes: number): (() => void) | null {
  fs.mkdirSync(path)
  const { status, stderr, error } = spawnSync('mount', ['-t', 'tmpfs', '-o', `size=${bytes}`, 'tmpfs', path], {
    encoding: 'utf8',
  })
  if (status === 0) return () => spawnSync('umount', [path])
  process.stderr.write(`SKIPPED: a disk that is really full needs mount: ${error?.message ?? stderr}\n`)
  return null
}

test('a disk that is really full costs what is counted, and nothing that was spooled', async ({ skip }) => {
  const path = join(folder, 'disk')
  const unmount = tinyDisk(path, 131_072)
  if (unmount === null) return skip('no permission to mount a tmpfs')
  try {
    destination.otherwise = () => unavailable()
    const options = { folder: path, bytesMax: 1e9, segmentBytes: 16_384 }
    const delivery = new TestDelivery(destination, { spool: spool(options), queueBytesMax: 4000, holdsBack: false })
    for (let i = 0; i < 1000; i++) {
      delivery.push(event(`${i % 50 === 0 ? 'a' : i % 2 === 0 ? 'f' : 'e'}${i}`))
      if (i % 25 === 0) await pass(500)
      expect(delivery.imbalance).toBe(0)
    }
    expect(delivery.status().spool?.trouble).toContain('ENOSPC')
    await delivery.close()
    const { spooled, dropped } = delivery.counts
    expect(spooled + droppedIn(delivery.counts)).toBe(1000)
    expect(Object.keys(dropped).filter((reason) => reason.endsWith('alerts'))).toEqual([])
    destination.otherwise = () => 'take'
    const next = new TestDelivery(destination, { spool: spool(options) })
    await flush(next)
    expect(next.counts).toMatchObject({ resumed: spooled, stored: spooled, dropped: {} })
    expect(destination.stored.filter((id) => id.startsWith('a'))).toHaveLength(20)
    await next.close()
  } finally {
    unmount()
  }
})

/** What happens to a delivery, one after the other. */
type Happening =
  | { readonly do: 'push'; readonly kind: string; readonly count: number }
  | { readonly do: 'pass'; readonly ms: number }
  | { readonly do: 'destination'; readonly step: number }
  | { readonly do: 'disk'; readonly isFull: boolean }
  | { readonly do: 'kill' }
  | { readonly do: 'end' }

const STEPS: readonly (() => Step)[] = [
  () => 'take',
  () => 'take',
  () => unavailable(),
  () => unavailable(3000),
  () => new DeliveryError('429 Too Many Requests', { retry: 'later' }),
  () => 'hang',
  () => ({ later: (id) => id.endsWith('3') || id.endsWith('7') }),
  () => ({ reject: (id) => id.endsWith('5') }),
  () => ({ lie: true }),
]

const HAPPENINGS = fc.array(
  fc.oneof(
    {
      weight: 6,
      arbitrary: fc.record({
        do: fc.constant('push' as const),
        kind: fc.constantFrom('a', 'e', 'f'),
        count: fc.integer({ min: 1, max: 40 }),
      }),
    },
    { weight: 5, arbitrary: fc.record({ do: fc.constant('pass' as const), ms: fc.integer({ min: 0, max: 5000 }) }) },
    { weight: 3, arbitrary: fc.record({ do: fc.constant('destination' as const), step: fc.nat(STEPS.length) }) },
    { weight: 1, arbitrary: fc.record({ do: fc.constant('disk' as const), isFull: fc.boolean() }) },
    { weight: 1, arbitrary: fc.record({ do: fc.constantFrom('kill' as const, 'end' as const) }) },
  ),
  { minLength: 5, maxLength: 60 },
) as fc.Arbitrary<Happening[]>

/** Runs processes one after the other over one folder, and checks them at every step. */
class World {
  readonly destination = new ScriptedDestination()
  readonly pushed: string[] = []
  /** Lost for a reason that was counted, and the most that the kills may have taken out of memory. */
  dropped = 0
  inMemory = 0
  isFull = false
  delivery: TestDelivery
  readonly #folder: string
  readonly #bytesMax: number
  #life = { isOver: false }
  #isUncertain = false

  constructor(path: string, bytesMax: number) {
    this.#folder = path
    this.#bytesMax = bytesMax
    this.delivery = this.#start()
  }

  #start(): TestDelivery {
    const life = { isOver: false }
    this.#life = life
    const until = <T>(promise: Promise<T>): Promise<T> =>
      new Promise((resolve, reject) =>
        promise.then(
          (value) => life.isOver || resolve(value),
          (error) => life.isOver || reject(error),
        ),
      )
    const mortal: Destination = {
      write: (batch, signal) => until(this.destination.write(batch, signal)),
      close: async () => {},
    }
    const files = new Proxy(fs, {
      get:
        (target, name: keyof typeof fs) =>
        (...parameters: unknown[]) => {
          // What was on its way to the dead process still runs here, and must not touch anything.
          if (life.isOver) throw new Error('the process is dead')
          if (name === 'writeSync' && this.isFull) throw Object.assign(new Error('ENOSPC'), { code: 'ENOSPC' })
          return (target[name] as (...all: unknown[]) => unknown)(...parameters)
        },
    })
    return new TestDelivery(mortal, {
      spool: new Spool({ folder: this.#folder, bytesMax: this.#bytesMax, segmentBytes: 2000, fsync: 'never', files }),
      quarantine: new Quarantine(join(this.#folder, 'quarantine.ndjson'), 1e9, files),
      queueBytesMax: 5000,
      batchBytes: 2000,
      requestMs: 2000,
      patienceMs: 10_000,
    })
  }

  async happen(happening: Happening): Promise<void> {
    switch (happening.do) {
      case 'push':
        for (let i = 0; i < happening.count; i++) {
          const id = `${happening.kind}${this.pushed.length}`
          this.pushed.push(id)
          this.delivery.push(event(id))
        }
        return
      case 'pass':
        await pass(happening.ms)
        return
      case 'destination':
        this.#isUncertain ||= happening.step === STEPS.length - 1
        this.destination.otherwise = STEPS[happening.step] ?? ((batch) => (batch.length > 3 ? tooLarge() : 'take'))
        return
      case 'disk':
        this.isFull = happening.isFull
        return
      case 'kill': {
        const { spooled, queued, inFlight } = this.delivery.counts
        this.dropped += droppedIn(this.delivery.counts)
        this.#life.isOver = true
        vi.clearAllTimers()
        this.delivery = this.#start()
        const { resumed } = this.delivery.counts
        // What was read from the disk and not acknowledged is still there.
        expect(resumed).toBeGreaterThanOrEqual(spooled)
        expect(resumed).toBeLessThanOrEqual(spooled + queued + inFlight)
        this.inMemory += spooled + queued + inFlight - resumed
        return
      }
      case 'end': {
        this.#isUncertain ||= this.delivery.counts.inFlight > 0
        await this.delivery.close()
        const { spooled, queued, inFlight } = this.delivery.counts
        expect([queued, inFlight, this.delivery.imbalance]).toEqual([0, 0, 0])
        this.dropped += droppedIn(this.delivery.counts)
        this.delivery = this.#start()
        expect(this.delivery.counts.resumed).toBe(spooled)
      }
    }
  }

  async end(): Promise<void> {
    this.isFull = false
    this.destination.otherwise = STEPS[7]
    // A request that hangs may take all the patience of the first one.
    await flush(this.delivery)
    await flush(this.delivery)
    await this.delivery.close()
    this.dropped += droppedIn(this.delivery.counts)
    expect(this.delivery.counts).toMatchObject({ spooled: 0, queued: 0, inFlight: 0 })
    const stored = new Set(this.destination.stored)
    const refused = new Set(readQuarantine(join(this.#folder, 'quarantine.ndjson')).events.map(({ id }) => id))
    expect(stored.size).toBe(this.destination.stored.length)
    const missing = this.pushed.filter((id) => !stored.has(id) && !refused.has(id))
    expect(missing.length).toBeLessThanOrEqual(this.dropped + this.inMemory)
    // What is broken off, and what an answer does not tell of, may be stored, and be dropped here afterwards.
    if (this.inMemory === 0 && !this.#isUncertain) expect(missing.length).toBe(this.dropped)
  }
}

test('whatever happens in whatever order, every event is accounted for', async () => {
  let run = 0
  await fc.assert(
    fc.asyncProperty(HAPPENINGS, fc.constantFrom(6000, 1_000_000), async (happenings, bytesMax) => {
      const world = new World(join(folder, String(run++)), bytesMax)
      try {
        for (const happening of happenings) {
          await world.happen(happening)
          expect(world.delivery.imbalance).toBe(0)
        }
        await world.end()
        expect(world.delivery.imbalance).toBe(0)
      } finally {
        vi.clearAllTimers()
      }
    }),
    { numRuns: 400, seed: 4 },
  )
})
