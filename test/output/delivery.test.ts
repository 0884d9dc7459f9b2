import { mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest'
import { Quarantine, readQuarantine } from '../../src/output/quarantine.ts'
import { event, events, ScriptedDestination, TestDelivery, tooLarge, unavailable } from './support.ts'

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

const quarantine = (bytesMax = 1_000_000) => new Quarantine(join(folder, 'quarantine.ndjson'), bytesMax)
const pass = (ms: number) => vi.advanceTimersByTimeAsync(ms)
/** Lets the clock run until a promise is settled. */
async function inTime<T>(promise: Promise<T>): Promise<T> {
  let isSettled = false
  const settled = promise.finally(() => {
    isSettled = true
  })
  settled.catch(() => {})
  while (!isSettled) await pass(50)
  return settled
}
const sizes = () => destination.requests.map(({ length }) => length)

describe('batches', () => {
  test('a full one goes at once, one that is not after its time', async () => {
    const delivery = new TestDelivery(destination)
    delivery.pushAll(events('e', 0, 11))
    await pass(0)
    expect(sizes()).toEqual([10])
    expect(delivery.counts).toMatchObject({ accepted: 11, stored: 10, queued: 1, inFlight: 0 })
    await pass(999)
    expect(sizes()).toEqual([10])
    await pass(1)
    expect(sizes()).toEqual([10, 1])
    await pass(60_000)
    expect(sizes()).toEqual([10, 1])
    expect(delivery.imbalance).toBe(0)
  })

  test('are full by octets, too', async () => {
    const delivery = new TestDelivery(destination, { batchBytes: 600 })
    delivery.pushAll(events('e', 0, 7))
    await pass(0)
    expect(sizes()).toEqual([5])
    await inTime(delivery.flush())
    expect(sizes()).toEqual([5, 2])
  })

  test('flush sends the rest, and nothing if there is none', async () => {
    const delivery = new TestDelivery(destination)
    await inTime(delivery.flush())
    delivery.push(event('e1'))
    await inTime(delivery.flush())
    await inTime(delivery.flush())
    expect(sizes()).toEqual([1])
  })

  test('so many are under way at one time, and no more', async () => {
    destination.otherwise = () => 'hang'
    const delivery = new TestDelivery(destination)
    delivery.pushAll(events('e', 0, 55))
    await pass(0)
    expect(sizes()).toEqual([10, 10])
    expect(delivery.counts).toMatchObject({ queued: 35, inFlight: 20 })
    expect(delivery.imbalance).toBe(0)
  })

  test('of a file keep the order of arrival; others put alerts first and flows last', async () => {
    const mixed = [event('f1'), event('e1'), event('a1'), event('f2'), event('a2')]
    const inOrder = new TestDelivery(destination, { order: 'arrival' })
    inOrder.pushAll(mixed)
    await inTime(inOrder.flush())
    expect(destination.requests.pop()).toEqual(['f1', 'e1', 'a1', 'f2', 'a2'])
    const byPriority = new TestDelivery(destination)
    byPriority.pushAll(mixed)
    await inTime(byPriority.flush())
    expect(destination.requests.pop()).toEqual(['a1', 'a2', 'e1', 'f1', 'f2'])
  })
})

describe('the verdict on single documents', () => {
  test('what is refused goes into the quarantine with its reason, and stops nothing', async () => {
    const delivery = new TestDelivery(destination, { quarantine: quarantine() })
    destination.script.push({ reject: (id) => id === 'e3' || id === 'e7' })
    delivery.pushAll(events('e', 0, 10))
    delivery.pushAll(events('e', 0, 10))
    await inTime(delivery.flush())
    expect(delivery.counts).toMatchObject({ stored: 10, duplicates: 8, quarantined: 2, dropped: {} })
    expect(delivery.imbalance).toBe(0)
    const { events: kept } = readQuarantine(join(folder, 'quarantine.ndjson'))
    expect(kept.map(({ id, reason, event: { message } }) => [id, reason, message])).toEqual([
      ['e3', 'no field for e3', undefined],
      ['e7', 'no field for e7', undefined],
    ])
    expect(kept[0].event).toEqual(event('e3'))
  })

  test('without room in the quarantine, or without one, it is dropped with a reason', async () => {
    const full = new TestDelivery(destination, { quarantine: quarantine(10) })
    const none = new TestDelivery(destination)
    for (const delivery of [full, none]) {
      destination.script.push({ reject: () => true })
      delivery.push(event('e1'))
      await inTime(delivery.flush())
      expect(delivery.imbalance).toBe(0)
    }
    expect(full.counts.dropped).toEqual({ quarantine_full: 1 })
    expect(none.counts.dropped).toEqual({ quarantine_failed: 1 })
  })

  test('what cannot be taken now is tried again alone, while the others go on', async () => {
    const delivery = new TestDelivery(destination)
    destination.script.push({ later: (id) => id === 'e1' || id === 'e2' }, 'take', { later: (id) => id === 'e2' })
    delivery.pushAll(events('e', 0, 20))
    await pass(0)
    expect(delivery.counts).toMatchObject({ stored: 18, queued: 2 })
    expect(delivery.status().state).toBe('retrying')
    await pass(749)
    expect(destination.requests).toHaveLength(2)
    await pass(1)
    expect(destination.requests[2]).toEqual(['e1', 'e2'])
    await pass(1499)
    expect(destination.requests).toHaveLength(3)
    await pass(1)
    expect(destination.requests[3]).toEqual(['e2'])
    expect(delivery.counts).toMatchObject({ stored: 20, queued: 0 })
    expect(delivery.status()).toMatchObject({ state: 'ok', retries: 3 })
    expect(delivery.imbalance).toBe(0)
  })

  test('an answer that does not account for every document is no answer', async () => {
    const delivery = new TestDelivery(destination)
    destination.script.push({ lie: true })
    delivery.pushAll(events('e', 0, 10))
    await pass(0)
    expect(delivery.counts).toMatchObject({ stored: 0, queued: 10 })
    expect(delivery.status().lastError?.message).toContain('does not account for 10 events')
    await inTime(delivery.flush())
    expect(delivery.counts).toMatchObject({ stored: 0, duplicates: 10 })
    expect(delivery.imbalance).toBe(0)
  })
})

describe('a request that fails', () => {
  test('is repeated after pauses that double up to a bound', async () => {
    const warnings: string[] = []
    const delivery = new TestDelivery(destination, { backoffMaxMs: 5000, warn: (message) => warnings.push(message) })
    destination.otherwise = () => unavailable()
    delivery.pushAll(events('e', 0, 10))
    const times: number[] = []
    const startMs = Date.now()
    for (let ms = 0; ms < 20_000; ms += 50) {
      await pass(ms === 0 ? 0 : 50)
      while (times.length < destination.requests.length) times.push(Date.now() - startMs)
    }
    expect(times).toEqual([0, 750, 2250, 5250, 9000, 12_750, 16_500])
    expect(delivery.status()).toMatchObject({ state: 'retrying', failingSince: new Date(startMs).toISOString() })
    destination.otherwise = () => 'take'
    await inTime(delivery.flush())
    expect(destination.stored).toHaveLength(10)
    expect(delivery.status()).toMatchObject({ state: 'ok', failingSince: null })
    expect(warnings).toEqual([
      'test: 503 Service Unavailable; it will be tried again',
      'test: takes events again after 20 s',
    ])
  })

  test('waits as long as the destination asks for', async () => {
    const delivery = new TestDelivery(destination)
    destination.script.push(unavailable(17_000))
    delivery.pushAll(events('e', 0, 10))
    await pass(16_999)
    expect(destination.requests).toHaveLength(1)
    await pass(1)
    expect(destination.stored).toHaveLength(10)
  })

  test('is followed by one request at a time, until one gets through', async () => {
    const delivery = new TestDelivery(destination)
    destination.script.push(unavailable(), unavailable(), unavailable())
    delivery.pushAll(events('e', 0, 40))
    await pass(0)
    expect(sizes()).toEqual([10, 10])
    await pass(750)
    expect(sizes()).toEqual([10, 10, 10])
    await pass(1500)
    expect(destination.stored).toHaveLength(40)
    expect(destination.stored).toEqual(events('e', 0, 40).map((document) => document['event.id']))
  })

  test('because it is too large goes again in halves, down to the one that is', async () => {
    const delivery = new TestDelivery(destination, { quarantine: quarantine() })
    destination.otherwise = (batch) => (batch.some((document) => document['event.id'] === 'e6') ? tooLarge() : 'take')
    delivery.pushAll(events('e', 0, 10))
    await inTime(delivery.flush())
    expect(destination.stored.toSorted()).toEqual(['e0', 'e1', 'e2', 'e3', 'e4', 'e5', 'e7', 'e8', 'e9'])
    expect(delivery.counts).toMatchObject({ stored: 9, quarantined: 1 })
    expect(readFileSync(join(folder, 'quarantine.ndjson'), 'utf8')).toContain('413 Content Too Large')
    expect(delivery.imbalance).toBe(0)
  })

  test('of which one half fails for another reason keeps the other half for later', async () => {
    const delivery = new TestDelivery(destination)
    destination.script.push(tooLarge(), unavailable())
    delivery.pushAll(events('e', 0, 10))
    await pass(0)
    expect(delivery.counts).toMatchObject({ stored: 0, queued: 10, inFlight: 0 })
    expect(delivery.imbalance).toBe(0)
    await inTime(delivery.flush())
    expect(destination.stored).toEqual(events('e', 0, 10).map((document) => document['event.id']))
  })

  test('without an answer is given up, and repeated', async () => {
    const delivery = new TestDelivery(destination, { requestMs: 5000 })
    destination.script.push('hang')
    delivery.pushAll(events('e', 0, 10))
    await pass(4999)
    expect(delivery.counts).toMatchObject({ inFlight: 10 })
    await pass(1)
    expect(delivery.counts).toMatchObject({ inFlight: 0, queued: 10 })
    expect(delivery.status().lastError?.message).toBe('no answer within 5 s')
    await pass(750)
    expect(destination.stored).toHaveLength(10)
  })

  test('and can never succeed ends the delivery with its error', async () => {
    const delivery = new TestDelivery(destination)
    destination.script.push(new Error('no room'))
    delivery.pushAll(events('e', 0, 15))
    await expect(delivery.flush()).rejects.toThrow('no room')
    await expect(delivery.drain()).rejects.toThrow('no room')
    delivery.push(event('late'))
    expect(delivery.status().state).toBe('failed')
    expect(delivery.imbalance).toBe(0)
    await delivery.close()
    expect(delivery.counts.dropped).toEqual({ failed: 1, 'undelivered.events': 10 })
    expect(delivery.imbalance).toBe(0)
  })

  test('for too long ends the delivery, if it has an end', async () => {
    const delivery = new TestDelivery(destination, { giveUpMs: 5000, patienceMs: Number.POSITIVE_INFINITY })
    destination.otherwise = () => unavailable()
    delivery.pushAll(events('e', 0, 30))
    await expect(inTime(delivery.drain())).rejects.toThrow('503')
  })
})

describe('the producer', () => {
  test('is held back while the destination is slow, and let go after it', async () => {
    destination.otherwise = () => 'hang'
    const delivery = new TestDelivery(destination)
    delivery.pushAll(events('e', 0, 20))
    await delivery.drain()
    delivery.pushAll(events('e', 20, 30))
    let isFree = false
    const drained = delivery.drain().then(() => {
      isFree = true
    })
    await pass(59_000)
    expect(isFree).toBe(false)
    destination.otherwise = () => 'take'
    await pass(2000)
    await drained
    expect(destination.stored).toHaveLength(30)
  })

  test('is let go when the destination has failed for too long', async () => {
    destination.otherwise = () => unavailable()
    const delivery = new TestDelivery(destination)
    delivery.pushAll(events('e', 0, 30))
    let isFree = false
    const drained = delivery.drain().then(() => {
      isFree = true
    })
    await pass(29_999)
    expect(isFree).toBe(false)
    await pass(1)
    await drained
  })

  test('is never held back where packets do not wait: what finds no room is dropped, flows first', async () => {
    destination.otherwise = () => unavailable()
    const delivery = new TestDelivery(destination, { holdsBack: false, queueBytesMax: 4000 })
    for (let i = 0; i < 10; i++) delivery.pushAll([event(`f${i}`), event(`e${i}`), event(`a${i}`)])
    delivery.pushAll(events('e', 10, 30))
    await pass(0)
    delivery.pushAll(events('e', 30, 40))
    await delivery.drain()
    expect(delivery.imbalance).toBe(0)
    const { dropped, queued } = delivery.counts
    expect(Object.keys(dropped).sort()).toEqual(['queue_full.events', 'queue_full.flows'])
    expect(dropped['queue_full.flows']).toBe(10)
    expect(queued).toBeGreaterThan(10)
    destination.otherwise = () => 'take'
    await inTime(delivery.flush())
    expect(destination.stored.slice(0, 10)).toEqual(Array.from({ length: 10 }, (_, i) => `a${i}`))
    expect(destination.stored.at(-1)).toBe('e39')
    expect(delivery.imbalance).toBe(0)
  })
})

describe('the end', () => {
  test('flush gives up on a destination that does nothing but fail, or at its deadline', async () => {
    destination.otherwise = () => unavailable()
    const delivery = new TestDelivery(destination)
    delivery.pushAll(events('e', 0, 5))
    const startMs = Date.now()
    const flushed = delivery.flush().then(() => Date.now() - startMs)
    await pass(40_000)
    expect(await flushed).toBe(30_000)
    const again = delivery.flush(100)
    await pass(100)
    await again
    expect(delivery.counts).toMatchObject({ stored: 0, queued: 5 })
  })

  test('close breaks off what is under way and counts what is left', async () => {
    destination.otherwise = () => 'hang'
    const delivery = new TestDelivery(destination)
    delivery.pushAll([...events('e', 0, 25), ...events('a', 0, 2)])
    await pass(0)
    await delivery.close()
    await delivery.close()
    delivery.push(event('late'))
    expect(destination.underWay).toBe(0)
    expect(delivery.counts).toMatchObject({
      queued: 0,
      inFlight: 0,
      dropped: { closed: 1, 'undelivered.events': 25, 'undelivered.alerts': 2 },
    })
    expect(delivery.imbalance).toBe(0)
    expect(vi.getTimerCount()).toBe(0)
  })
})

describe('settled', () => {
  test('resolves when what was pushed before is delivered or refused, whatever comes after', async () => {
    destination.script.push('take', { reject: (id) => id === 'e12', later: (id) => id === 'e13' })
    destination.otherwise = () => 'hang'
    const delivery = new TestDelivery(destination, { requestsMax: 1, quarantine: quarantine() })
    let isSettled = false
    delivery.pushAll(events('e', 0, 20))
    void delivery.settled().then(() => {
      isSettled = true
    })
    delivery.pushAll(events('e', 20, 40))
    await pass(0)
    expect(delivery.counts).toMatchObject({ stored: 18, quarantined: 1 })
    // e13 was put off, and is in memory still.
    expect(isSettled).toBe(false)
    destination.otherwise = () => 'take'
    await inTime(delivery.flush())
    expect(isSettled).toBe(true)
    await delivery.settled()
  })

  test('resolves for what is lost, and at the end at the latest', async () => {
    destination.otherwise = () => unavailable()
    const delivery = new TestDelivery(destination, { queueBytesMax: 400, holdsBack: false })
    delivery.pushAll(events('f', 0, 3))
    let isSettled = false
    const settled = delivery.settled().then(() => {
      isSettled = true
    })
    delivery.pushAll(events('e', 0, 9))
    await pass(0)
    expect(delivery.counts.dropped['queue_full.flows']).toBe(3)
    expect(isSettled).toBe(true)
    await settled
    const waiting = delivery.settled()
    await inTime(delivery.close())
    await waiting
  })
})
