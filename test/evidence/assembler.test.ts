import { describe, expect, test } from 'vitest'
import { hashWindow } from '../../src/base/hash.ts'
import { le32 } from '../../src/base/little-endian.ts'
import { Assembler } from '../../src/evidence/assembler.ts'
import { BLOCK, interfaceDescription, PacketBlock, readInterface } from '../../src/evidence/blocks.ts'
import { newQueue, LANE, type LaneNumber, Drainer, Filler } from '../../src/evidence/queue.ts'
import type { Handover } from '../../src/evidence/segment-writer.ts'
import { shapeOf } from '../../src/evidence/shape.ts'
import { TELLING, THINGS_MAX } from '../../src/evidence/tellings.ts'
import { peerThing, type Thing } from '../../src/evidence/things.ts'
import { Random } from '../support/random.ts'

interface Given {
  readonly path: number
  readonly origin: number
  readonly bytes: Uint8Array
  readonly cut: number
  readonly outerAt: number
}

class Stage {
  readonly assembler = new Assembler(1000, 'test')
  readonly filler: Filler
  readonly #drainer: Drainer

  constructor() {
    const layout = newQueue(4 * 0x2_0000, 4 * 0x2_0000, 0x2_0000)
    this.filler = new Filler(layout)
    this.#drainer = new Drainer(layout, this.assembler.told)
    this.assembler.begin(1)
  }

  tell(kind: 1 | 2 | 4 | 5, number: number, ...things: Thing[]): void {
    this.filler.tellings.tell(kind, number, things)
  }

  origin(number: number, name: string): void {
    const block = interfaceDescription(1, name)
    const things: Thing[] = []
    for (let at = 0; at < block.length; at += 8)
      things.push({ high: le32(block, at), low: at + 4 < block.length ? le32(block, at + 4) : 0 })
    this.filler.tellings.tell(TELLING.ORIGIN, number, things)
  }

  give(lane: LaneNumber, packets: readonly Given[]): void {
    const end = lane === LANE.NOW ? this.filler.now : this.filler.held
    const chunk = end.begin(0)
    for (const { path, origin, bytes, cut, outerAt } of packets) {
      const packet = { timeUs: 1_700_000_000_000_000 + chunk.packets, timeNs: 1, originalLength: bytes.length }
      // Something stands between packets.
      const at = chunk.end + (chunk.packets % 3)
      chunk.bytes.set(bytes, at)
      chunk.end = at + bytes.length
      chunk.note(packet, at, bytes.length, origin, path, shapeOf(cut, outerAt))
    }
    end.close()
    this.filler.publish(end)
  }

  take(): Handover {
    const chunk = this.#drainer.next(0, () => false)
    if (chunk === null) throw new Error('nothing came')
    const { payload, paths, entries, ...times } = this.assembler.assemble(chunk, this.#drainer.heldWritten)
    const taken = { ...times, payload: payload.slice(), paths: paths.slice(), entries: entries.slice() }
    this.assembler.settle(true)
    this.#drainer.release()
    return taken
  }
}

function packetsOf({ payload }: Handover): { readonly interfaceId: number; readonly bytes: Uint8Array }[] {
  const packets: { interfaceId: number; bytes: Uint8Array }[] = []
  const block = new PacketBlock()
  for (let at = 0; at < payload.length; at += le32(payload, at + 4)) {
    if (!block.decode(payload, at, payload.length)) continue
    packets.push({ interfaceId: block.interfaceId, bytes: payload.slice(block.start, block.end) })
  }
  return packets
}

function namesOf({ payload }: Handover): string[] {
  const names: string[] = []
  for (let at = 0; at < payload.length; at += le32(payload, at + 4))
    if (le32(payload, at) === BLOCK.INTERFACE) names.push(readInterface(payload, at, at + le32(payload, at + 4)).name)
  return names
}

const thing = (low: number): Thing => ({ high: 0x74_0000, low })
const plain = (path: number, bytes: Uint8Array, cut = bytes.length, outerAt = -1, origin = 0): Given => ({
  path,
  origin,
  bytes,
  cut,
  outerAt,
})

test('packets are cut where their shape says, and nothing else of them changes', () => {
  const random = new Random(1)
  const stage = new Stage()
  stage.origin(0, 'eth0')
  for (let path = 0; path < 10; path++) stage.tell(TELLING.PATH, path, thing(path))
  for (let round = 0; round < 40; round++) {
    const given = Array.from({ length: random.below(60) + 1 }, () => {
      const bytes = random.bytes(random.below(1500))
      return plain(random.below(10), bytes, random.chance(0.3) ? bytes.length : random.below(bytes.length + 1))
    })
    stage.give(LANE.HELD, given)
    const taken = stage.take()
    expect(packetsOf(taken).map(({ bytes }) => Buffer.from(bytes))).toEqual(
      given.map(({ bytes, cut }) => Buffer.from(bytes.subarray(0, cut))),
    )
    expect([taken.firstUs, taken.lastUs - taken.firstUs]).toEqual([1_700_000_000_000_000, given.length - 1])
  }
})

test('sources and paths are numbered anew in each segment, and said before their packets', () => {
  const stage = new Stage()
  for (const [number, name] of ['eth0', 'eth1', 'eth2'].entries()) stage.origin(number, name)
  for (let path = 0; path < 3; path++) stage.tell(TELLING.PATH, path, thing(path), thing(100))
  const bytes = new Uint8Array(60)
  stage.give(LANE.NOW, [plain(2, bytes, 60, -1, 2), plain(1, bytes, 60, -1, 0), plain(2, bytes, 60, -1, 2)])
  const first = stage.take()
  expect([...first.paths]).toEqual([0, 1, 0])
  expect([...first.entries]).toEqual([1, 0, 2, 0x74_0000, 2, 0x74_0000, 100, 1, 1, 2, 0x74_0000, 1, 0x74_0000, 100])
  expect(namesOf(first)).toEqual(['eth2', 'eth0'])
  expect(packetsOf(first).map(({ interfaceId }) => interfaceId)).toEqual([0, 1, 0])
  // The same again: nothing is left to say. What is found out later is.
  stage.tell(TELLING.MORE, 1, thing(7))
  stage.give(LANE.HELD, [plain(1, bytes, 60, -1, 0)])
  const second = stage.take()
  expect([...second.paths, ...second.entries]).toEqual([1, 1, 1, 1, 0x74_0000, 7])
  expect(le32(second.payload, 0)).toBe(BLOCK.PACKET)
  stage.assembler.begin(2)
  stage.give(LANE.NOW, [plain(1, bytes, 60, -1, 1)])
  const third = stage.take()
  expect([...third.paths, ...third.entries]).toEqual([0, 2, 0, 3, 0x74_0000, 1, 0x74_0000, 100, 0x74_0000, 7])
  expect([le32(third.payload, 0), ...namesOf(third)]).toEqual([BLOCK.SECTION, 'eth1'])
})

test('more sources than there is room for before the packets are described all the same', () => {
  const stage = new Stage()
  stage.tell(TELLING.PATH, 0)
  const given: Given[] = []
  for (let origin = 0; origin < 100; origin++) {
    stage.origin(origin, `interface ${origin}`)
    given.push(plain(0, Uint8Array.of(origin), 1, -1, origin))
  }
  stage.give(LANE.NOW, given)
  const taken = stage.take()
  expect(namesOf(taken)).toEqual(given.map(({ origin }) => `interface ${origin}`))
  expect(packetsOf(taken).map(({ interfaceId, bytes }) => [interfaceId, bytes[0]])).toEqual(
    given.map(({ origin }) => [origin, origin]),
  )
})

test('things beyond those that a path has room for are counted, when it begins and when they are found out later', () => {
  const stage = new Stage()
  const things = Array.from({ length: THINGS_MAX + 6 }, (_, low) => thing(low))
  stage.origin(0, 'eth0')
  stage.tell(TELLING.PATH, 0, ...things)
  stage.tell(TELLING.PATH, 1, ...things.slice(0, 60))
  stage.tell(TELLING.MORE, 1, ...things.slice(60, 63))
  stage.give(LANE.NOW, [plain(0, new Uint8Array(50)), plain(1, new Uint8Array(50))])
  const { entries } = stage.take()
  expect(entries[2]).toBe(THINGS_MAX)
  expect([stage.filler.tellings.leftOut, stage.assembler.counters.thingsLeftOut]).toEqual([6, 0])
  stage.tell(TELLING.MORE, 1, ...things.slice(63, 70))
  stage.give(LANE.NOW, [plain(1, new Uint8Array(50))])
  stage.take()
  expect([stage.filler.tellings.leftOut, stage.assembler.counters.thingsLeftOut]).toEqual([6, 6])
})

describe('an alert', () => {
  const bytes = new Uint8Array(200)
  const lengths = (stage: Stage) => packetsOf(stage.take()).map((packet) => packet.bytes.length)

  test('keeps whole what was let go of after it came, and nothing before, until it is forgotten', () => {
    const stage = new Stage()
    stage.origin(0, 'eth0')
    for (let path = 0; path < 3; path++) stage.tell(TELLING.PATH, path, thing(path))
    const given = [plain(0, bytes, 40), plain(1, bytes, 40), plain(2, bytes, 300)]
    stage.give(LANE.HELD, given)
    stage.tell(TELLING.ALERT, stage.filler.held.filled, thing(1))
    stage.give(LANE.HELD, given)
    stage.tell(TELLING.CALM, stage.filler.held.filled, thing(1))
    stage.give(LANE.HELD, given)
    expect(lengths(stage)).toEqual([40, 40, 200])
    expect(lengths(stage)).toEqual([40, 200, 200])
    expect(lengths(stage)).toEqual([40, 40, 200])
    expect(stage.assembler.counters).toEqual({ cut: 5, alerted: 1, unnamed: 0, thingsLeftOut: 0 })
  })

  test('of a host keeps whole what it sent and what it was sent, IPv4 and IPv6', () => {
    const stage = new Stage()
    stage.origin(0, 'eth0')
    stage.tell(TELLING.PATH, 0)
    const host = Uint8Array.of(192, 0, 2, 7)
    const host6 = Uint8Array.from({ length: 16 }, (_, i) => i + 1)
    for (const address of [host, host6]) stage.tell(TELLING.ALERT, 0, peerThing(hashWindow(address, 0, address.length)))
    const packet = (version: number, at: number, address: Uint8Array): Given => {
      const frame = new Uint8Array(200)
      frame[14] = version << 4
      frame.set(address, 14 + at)
      return plain(0, frame, 54, 14)
    }
    stage.give(LANE.HELD, [
      packet(4, 12, host),
      packet(4, 16, host),
      packet(4, 12, Uint8Array.of(192, 0, 2, 8)),
      packet(6, 8, host6),
      packet(6, 24, host6),
      { ...packet(4, 12, host), outerAt: -1 },
    ])
    expect(lengths(stage)).toEqual([200, 200, 54, 200, 200, 54])
  })
})
