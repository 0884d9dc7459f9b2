import { beforeEach, describe, expect, test } from 'vitest'
import { CapSource } from '../../../src/capture/live/cap-source.ts'
import { type LiveOptions, LiveError } from '../../../src/capture/live.ts'
import { Frame } from '../../../src/dissect/frame.ts'
import { Random } from '../../support/random.ts'

/** The package, with packets of the test. */
class TestCap {
  linkType = 'ETHERNET'
  fails = false
  opened: unknown[] = []
  isClosed = false
  #buffer: Buffer = Buffer.alloc(0)
  #listener: (bytes: number, isTruncated: boolean) => void = () => {}

  open(device: string, filter: string, bufferBytes: number, buffer: Buffer): string {
    if (this.fails) throw new Error('socket: Operation not permitted')
    this.opened = [device, filter, bufferBytes]
    this.#buffer = buffer
    return this.linkType
  }

  on(_: 'packet', listener: (bytes: number, isTruncated: boolean) => void): void {
    this.#listener = listener
  }

  close(): void {
    this.isClosed = true
  }

  /** The package writes every packet over the one before. */
  bring(bytes: Uint8Array): void {
    this.#buffer.fill(0xee)
    this.#buffer.set(bytes)
    this.#listener(bytes.length, false)
  }
}

const OPTIONS: LiveOptions = {
  backend: 'cap',
  filter: null,
  l2tpPorts: [1701],
  snapLength: 65_535,
  bufferBytes: 1024,
  blockBytes: 262_144,
  blockTimeoutMs: 10,
  promiscuous: true,
  outgoing: true,
  timestamps: 'kernel',
}

let cap: TestCap
let source: CapSource
const packet = new Frame()
beforeEach(() => {
  cap = new TestCap()
  source = new CapSource(cap, 'eth1', OPTIONS, 'udp')
})
const read = () => (source.next(packet) ? [...packet.bytes.subarray(packet.start, packet.end)] : null)

describe('packets', () => {
  test('wait in the order of their coming, though the package keeps one', () => {
    cap.bring(Uint8Array.of(1, 2, 3))
    cap.bring(Uint8Array.of(4))
    expect([read(), read(), read()]).toEqual([[1, 2, 3], [4], null])
    expect(packet).toMatchObject({ number: 2, linkType: 1, originalLength: 1 })
    expect(cap.opened).toEqual(['eth1', 'udp', 1024])
  })

  test('have the time at which they came', () => {
    const beforeUs = Date.now() * 1000
    cap.bring(Uint8Array.of(1))
    read()
    expect(packet.timeUs).toBeGreaterThanOrEqual(beforeUs)
    expect(packet.timeUs).toBeLessThanOrEqual(Date.now() * 1000)
  })

  test('are cut at the snap length', () => {
    source = new CapSource(cap, 'eth1', { ...OPTIONS, snapLength: 96 }, '')
    cap.bring(new Uint8Array(200))
    expect(read()?.length).toBe(96)
    expect(packet.originalLength).toBe(200)
    expect(source.counters).toMatchObject({ packets: 1, bytes: 96, truncated: 1 })
  })

  test('for which there is no room are lost here, and counted', () => {
    // 1024 bytes: twelve records of 16 + 64.
    for (let i = 0; i < 20; i++) cap.bring(new Uint8Array(64).fill(i))
    expect(source.counters).toMatchObject({ received: 20, ownDrops: 8 })
    expect(source.counters.ringFillHighest).toBeGreaterThan(0.9)
    for (let i = 0; i < 12; i++) expect(read()?.[0]).toBe(i)
    expect(read()).toBe(null)
    expect(source.counters).toMatchObject({ packets: 12, ringFill: 0 })
  })

  test('come through whole, whatever their sizes and the times at which they are read', () => {
    const random = new Random(3)
    const waiting: number[][] = []
    let lost = 0
    for (let round = 0; round < 20_000; round++) {
      if (random.chance(0.55)) {
        const bytes = random.bytes(1 + random.below(200))
        const before = source.counters.ownDrops
        cap.bring(bytes)
        if (source.counters.ownDrops > before) lost++
        else waiting.push([...bytes])
      } else {
        const expected = waiting.shift() ?? null
        expect(read()).toEqual(expected)
      }
    }
    expect(lost).toBeGreaterThan(100)
    while (waiting.length > 0) expect(read()).toEqual(waiting.shift())
    expect(read()).toBe(null)
  })

  test('stay what they are until the next is asked for, also when others come', () => {
    cap.bring(new Uint8Array(100).fill(7))
    const seen = read()
    for (let i = 0; i < 30; i++) cap.bring(new Uint8Array(100).fill(8))
    expect([...packet.bytes.subarray(packet.start, packet.end)]).toEqual(seen)
  })
})

test('waiting ends when a packet comes', async () => {
  const waited = source.wait(60_000)
  cap.bring(Uint8Array.of(1))
  await waited
  expect(read()).toEqual([1])
})

test('what cannot be opened or read is said', () => {
  cap.fails = true
  expect(() => new CapSource(cap, 'eth1', OPTIONS, '')).toThrow(
    new LiveError('failed', 'eth1 cannot be watched through cap: socket: Operation not permitted'),
  )
  cap.fails = false
  cap.linkType = 'IEEE802_11_RADIO'
  expect(() => new CapSource(cap, 'wlan0', OPTIONS, '')).toThrow(/IEEE802_11_RADIO/)
})

test('nothing comes after closing', () => {
  cap.bring(Uint8Array.of(1))
  source.close()
  expect(cap.isClosed).toBe(true)
  expect(read()).toBe(null)
})
