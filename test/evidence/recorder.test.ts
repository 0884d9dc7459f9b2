/** What is kept of a packet, when, and what happens when the writer does not keep up. */
import { mkdtempSync, readdirSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setImmediate } from 'node:timers/promises'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { decodeChunk } from '../../src/evidence/chunk.ts'
import { PacketBlock } from '../../src/evidence/blocks.ts'
import { Assembler } from '../../src/evidence/assembler.ts'
import { Drainer, Filler, newQueue, type QueueLayout, type SharedChunk } from '../../src/evidence/queue.ts'
import { EvidenceRecorder, type RecorderOptions } from '../../src/evidence/recorder.ts'
import { TELLING } from '../../src/evidence/tellings.ts'
import type { Handover } from '../../src/evidence/segment-writer.ts'
import { le32 } from '../../src/base/little-endian.ts'
import { Recording } from '../../src/recording.ts'
import type { EventDocument } from '../../src/events/fields.ts'
import { Sensor } from '../../src/sensor.ts'
import { encodeTrailer } from '../../src/evidence/chunk.ts'
import { allocatedBy, Tape } from '../support/allocation.ts'
import { builtinRules } from '../support/replay.ts'
import { configOf, keep, readCapture, take } from './support.ts'

const PCAPS = join(import.meta.dirname, '../../pcaps')
const OPTIONS: RecorderOptions = {
  data: 'headers',
  encrypted: 'headers',
  other: 'none',
  alerts: 'tunnel',
  alertLevel: 'medium',
  alertedMax: 100,
  beforeUs: 10_000_000,
  heldMax: 8,
  flushMs: 1e9,
  pathsMax: 1000,
}

let folder = ''
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'borescope-recorder-'))
})
afterEach(() => {
  rmSync(folder, { recursive: true })
})

describe('the snap rules', () => {
  const path = join(PCAPS, 'l2tp-inner-attack.pcap')
  const SNAP = { snapData: 'headers', snapEncrypted: 'headers', snapOther: 'none', alertScope: 'none' } as const

  test('keep control whole, and of data the headers through the inner transport header', async () => {
    const kept = await keep([[path]], join(folder, 'e'), { evidence: SNAP })
    const out = join(folder, 'out.pcapng')
    await take(kept, null, out)
    const originals = new Map((await readCapture(path)).map((packet) => [packet.timeUs * 1000 + packet.timeNs, packet]))
    let cut = 0
    for (const { timeUs, timeNs, bytes, originalLength } of await readCapture(out)) {
      const original = originals.get(timeUs * 1000 + timeNs)
      expect(original?.bytes.subarray(0, bytes.length)).toEqual(bytes)
      expect(originalLength).toBe(original?.originalLength)
      // Ethernet, IPv4, UDP, then L2TP; the lowest bit of its first octet is that of control, as it stands in 16 bits.
      const isControl = (bytes[42] & 0x80) !== 0
      if (isControl) expect(bytes.length).toBe(original?.bytes.length)
      else if (bytes.length < originalLength) {
        cut++
        const tcpAt = bytes.length - 20
        // As much as the longest headers take: 14 + 20 + 8 + 12 + 4 + 20 + 60.
        expect(bytes.length).toBeLessThanOrEqual(138)
        expect(tcpAt).toBeGreaterThan(14 + 20 + 8 + 6)
      }
    }
    expect(cut).toBe(kept.counters.cut)
    expect(cut).toBeGreaterThan(1000)
    expect(kept.counters).toMatchObject({ alerted: 0, droppedData: 0, droppedControl: 0, lostPackets: 0 })
  })

  test('keep nothing of what is not wanted', async () => {
    const kept = await keep([[path]], join(folder, 'e'), { evidence: { ...SNAP, snapData: 'none' } })
    const { recorded, passedOver } = kept.counters
    expect(passedOver).toBeGreaterThan(3000)
    expect(recorded).toBeGreaterThan(10)
    const whole = await keep([[path]], join(folder, 'w'), { evidence: { ...SNAP, snapData: 'whole' } })
    expect(whole.counters.recorded).toBe(recorded + passedOver - whole.counters.passedOver)
    expect(whole.counters.cut).toBe(0)
  })

  test('keep a tunnel whole from some seconds before its alert', async () => {
    const evidence = { ...SNAP, beforeSeconds: 2, alertScope: 'tunnel', alertLevel: 'high' } as const
    const kept = await keep([[path]], join(folder, 'e'), { evidence, rules: builtinRules() })
    const alert = kept.events.find((event) => event['event.kind'] === 'alert' && event['rule.level'] === 'high')
    const alertUs = Date.parse(alert?.['@timestamp'] ?? '') * 1000
    const out = join(folder, 'out.pcapng')
    await take(kept, null, out)
    const packets = await readCapture(out)
    const cut = packets.filter(({ bytes, originalLength }) => bytes.length < originalLength)
    expect(cut.length).toBe(kept.counters.cut)
    expect(cut.filter(({ timeUs }) => timeUs >= alertUs - 1_900_000)).toEqual([])
    const after = packets.filter(({ timeUs }) => timeUs >= alertUs - 1_900_000)
    expect(after.length).toBeGreaterThan(1000)
    expect(kept.counters.alerted).toBeGreaterThan(1000)
  })

  test('cut ESP behind its header, and keep IKE whole', async () => {
    const ipsec = join(PCAPS, 'ipsec-ikev2.pcap')
    const kept = await keep([[ipsec]], join(folder, 'e'), { evidence: SNAP })
    const out = join(folder, 'out.pcapng')
    await take(kept, null, out)
    for (const { bytes, originalLength } of await readCapture(out)) {
      const [protocol, port] = [bytes[23], bytes.readUInt16BE(36)]
      if (protocol === 50) expect(bytes.length).toBe(Math.min(originalLength, 14 + 20 + 24))
      else if (port === 500) expect(bytes.length).toBe(originalLength)
    }
    expect(kept.counters.cut).toBeGreaterThan(20)
  })
})

/** Without a thread: what the recorder hands over is looked at, or left lying. */
class Stage {
  readonly recorder: EvidenceRecorder
  readonly sensor: Sensor
  readonly filler: Filler
  readonly drainer: Drainer
  readonly assembler = new Assembler(OPTIONS.pathsMax, 'test')
  #timeUs = 1_700_000_000_000_000
  #number = 0

  constructor(options: Partial<RecorderOptions>, queue: QueueLayout) {
    this.filler = new Filler(queue)
    this.drainer = new Drainer(queue, this.assembler.told)
    this.assembler.begin(1)
    this.recorder = new EvidenceRecorder(this.filler, { ...OPTIONS, ...options })
    this.sensor = new Sensor(configOf(folder), 'test')
    this.sensor.recorder = this.recorder
  }

  see(bytes: Uint8Array, stepUs = 1000): void {
    const { frame } = this.sensor
    this.#timeUs += stepUs
    Object.assign(frame, { bytes, start: 0, end: bytes.length, timeUs: this.#timeUs, originalLength: bytes.length })
    Object.assign(frame, { linkType: 1, number: ++this.#number, capture: 'stage' })
    this.sensor.observe()
  }

  /** What was handed over, as it would be written. */
  *handovers(): Generator<Handover> {
    while (!this.filler.isIdle) {
      const chunk = this.drainer.next(0, () => false) as SharedChunk
      yield this.assembler.assemble(chunk, this.drainer.heldWritten)
      this.assembler.settle(true)
      this.drainer.release()
    }
  }

  /** The packets that were handed over. */
  *blocks(): Generator<{ readonly bytes: Uint8Array; readonly isCut: boolean }> {
    const block = new PacketBlock()
    for (const { payload } of this.handovers()) {
      for (let at = 0; at < payload.length; at += le32(payload, at + 4)) {
        if (!block.decode(payload, at, payload.length)) continue
        const bytes = payload.subarray(block.start, block.end)
        yield { bytes, isCut: bytes.length < block.originalLength }
      }
    }
  }

  /** Takes what is handed over until the work is done. */
  async takenUntil(work: Promise<void>): Promise<number> {
    let isDone = false
    void work.then(() => {
      isDone = true
    })
    let packets = 0
    while (!isDone) {
      packets += this.taken()
      await setImmediate()
    }
    return packets
  }

  async blocksUntil(work: Promise<void>): Promise<{ readonly bytes: Buffer; readonly isCut: boolean }[]> {
    let isDone = false
    void work.then(() => {
      isDone = true
    })
    const blocks: { readonly bytes: Buffer; readonly isCut: boolean }[] = []
    while (!isDone) {
      for (const { bytes, isCut } of this.blocks()) blocks.push({ bytes: Buffer.from(bytes), isCut })
      await setImmediate()
    }
    return blocks
  }

  /** Takes everything that was handed over, as the writer would. */
  taken(): number {
    let packets = 0
    for (const { payload, paths, entries } of this.handovers()) {
      const trailer = encodeTrailer({ kind: 0, number: 0, firstUs: 0, lastUs: 0 }, payload, paths, entries)
      const bytes = Buffer.concat([payload, trailer])
      expect(decodeChunk(bytes, 0, bytes.length)).toMatchObject({ payloadEnd: payload.length })
      packets += paths.length
    }
    return packets
  }
}

test('what was held is written whole when an alert names its tunnel, or its host, and only that', async () => {
  const stage = new Stage({ beforeUs: 5_000_000, heldMax: 40 }, newQueue(4 * 0x8_0000, 48 * 0x8_0000, 0x8_0000))
  const blocks: { readonly bytes: Buffer; readonly isCut: boolean }[] = []
  const take = () => {
    for (const { bytes, isCut } of stage.blocks()) blocks.push({ bytes: Buffer.from(bytes), isCut })
  }
  const uids: string[] = []
  stage.sensor.bus.subscribe((event) => {
    if (event['event.action'] === 'l2tp.tunnel.adopted') uids.push(event['l2tp.tunnel.uid'] as string)
  })
  const alert = (fields: Partial<EventDocument>) =>
    stage.recorder.observe({ 'event.kind': 'alert', 'rule.level': 'high', ...fields } as EventDocument)
  // A packet of each of three tunnels every 100 ms: the second raises an alert after 20 s, the host of the third after 30 s.
  for (let i = 0; i < 400; i++) {
    for (const tunnel of [1, 2, 3]) stage.see(message(500, i * 3 + tunnel, false, tunnel), 33_333)
    if (i === 150) alert({ 'borescope.lineage': [uids[0]], 'rule.level': 'low' })
    if (i === 200) alert({ 'borescope.lineage': ['i-000000000000', uids[1]] })
    if (i === 300) alert({ 'source.ip': '192.0.2.3' })
    take()
  }
  expect(uids).toHaveLength(3)
  blocks.push(...(await stage.blocksUntil(stage.recorder.flush())))
  const whole: number[][] = [[], [], []]
  const order = [0, 0, 0]
  for (const { bytes, isCut } of blocks) {
    const tunnel = bytes.readUInt16BE(44)
    if (!isCut) whole[tunnel - 1].push(order[tunnel - 1])
    order[tunnel - 1]++
  }
  expect(order).toEqual([400, 400, 400])
  expect(whole[0]).toEqual([])
  // Five seconds are 50 packets of each.
  expect(whole[1].at(-1)).toBe(399)
  expect(whole[1].length).toBe(400 - whole[1][0])
  expect(Math.abs(whole[1][0] - 150)).toBeLessThan(3)
  expect(whole[2].length).toBe(400 - whole[2][0])
  expect(Math.abs(whole[2][0] - 250)).toBeLessThan(3)
  expect(stage.assembler.counters.alerted).toBe(whole[1].length + whole[2].length)
})

/** A data message of L2TPv2 to a tunnel of its own host, session 1, with so long a payload; or a HELLO. */
function message(length: number, number: number, isControl: boolean, tunnel = 1): Uint8Array {
  const l2tp = isControl
    ? Buffer.from([0xc8, 2, 0, 20, 0, 1, 0, 0, 0, number & 255, 0, 0, 0x80, 8, 0, 0, 0, 0, 0, 6])
    : Buffer.concat([Buffer.from([0, 2, 0, tunnel, 0, 1, 0xff, 3, 0, 0x31]), Buffer.alloc(length, number)])
  const udp = Buffer.alloc(8)
  udp.writeUInt16BE(1701, 0)
  udp.writeUInt16BE(1701, 2)
  udp.writeUInt16BE(8 + l2tp.length, 4)
  const ip = Buffer.from([
    0x45,
    0,
    0,
    0,
    number >> 8,
    number & 255,
    0,
    0,
    64,
    17,
    0,
    0,
    192,
    0,
    2,
    tunnel,
    192,
    0,
    2,
    9,
  ])
  ip.writeUInt16BE(28 + l2tp.length, 2)
  const ethernet = Buffer.from([2, 0, 0, 0, 0, 1, 2, 0, 0, 0, 0, 2, 8, 0])
  return Buffer.concat([ethernet, ip, udp, l2tp])
}

/** A UDP packet inside session 1: each number is another flow. */
function flowPacket(flow: number, number = 0): Uint8Array {
  const packet = message(28, number, false)
  const pppAt = 14 + 20 + 8 + 6
  packet.set([0xff, 3, 0, 0x21, 0x45, 0, 0, 28, 0, 0, 0, 0, 64, 17, 0, 0, 10, 0, 0, 1, 10, 0, 0, 2], pppAt)
  packet.set([4, 1 + (flow >> 16), (flow >> 8) & 255, flow & 255, 0, 8, 0, 0], pppAt + 4 + 20)
  return packet
}

describe('when the writer does not keep up', () => {
  const QUEUE = () => newQueue(8 * 0x8_0000, 8 * 0x8_0000, 0x8_0000)

  test('data is dropped first and counted, control last', async () => {
    const stage = new Stage({ data: 'whole', beforeUs: 0 }, QUEUE())
    const { counters } = stage.recorder
    for (let i = 0; i < 6000; i++) stage.see(message(1000, i, false))
    expect(counters.droppedData).toBeGreaterThan(1000)
    expect(counters.droppedControl).toBe(0)
    const before = counters.recorded
    for (let i = 0; i < 3000; i++) stage.see(message(0, i, true))
    expect(counters.droppedControl).toBe(0)
    expect(counters.recorded - before).toBe(3000)
    for (let i = 0; i < 20_000; i++) stage.see(message(0, i, true))
    expect(counters.droppedControl).toBeGreaterThan(0)
    expect(counters.recorded + counters.droppedData + counters.droppedControl).toBe(29_000)
    // And when it comes back, everything that was counted as recorded is there.
    let taken = stage.taken()
    for (let i = 0; i < 10; i++) stage.see(message(1000, i, false))
    taken += await stage.takenUntil(stage.recorder.flush())
    expect(taken).toBe(counters.recorded)
    expect(counters.recorded + counters.droppedData + counters.droppedControl).toBe(29_010)
  })

  test('no chunk is wasted while paths wait for a writer that hangs', () => {
    const stage = new Stage({ data: 'whole', beforeUs: 0 }, newQueue(200 * 0x1_0000, 4 * 0x1_0000, 0x1_0000))
    const { counters } = stage.recorder
    const { now } = stage.filler
    let flows = 0
    // It listens, but the first chunk never gets written.
    for (; counters.droppedData === 0 && flows < 80_000; flows++) {
      stage.see(flowPacket(flows), 1)
      if (flows % 1000 === 999) stage.drainer.next(0, () => false)
    }
    expect(flows).toBeGreaterThan(65_000)
    stage.see(flowPacket(flows - 2, 999), 1)
    const { free } = now
    const { recorded } = counters
    for (let i = 0; i < 300; i++) {
      stage.see(flowPacket(flows - 2, i + 1), 1)
      stage.see(flowPacket(flows + i), 1)
    }
    expect(counters.recorded - recorded).toBe(300)
    expect(counters.droppedData).toBe(301)
    expect(free - now.free).toBeLessThan(2)
  })

  test('what is found out later is told when there is room again, and counted if it cannot be', () => {
    const queue = QUEUE()
    const filler = new Filler(queue)
    const heard: number[] = []
    const drainer = new Drainer(queue, (kind, path) => {
      if (kind === TELLING.MORE) heard.push(path)
    })
    const recorder = new EvidenceRecorder(filler, OPTIONS)
    const thing = { high: 0x74_0000, low: 1 }
    while (filler.tellings.tell(TELLING.PATH, 0, [thing]));
    for (let path = 0; path < 3; path++) recorder.extend(path, [thing])
    expect(recorder.counters.unnamed).toBe(0)
    filler.stop()
    drainer.next(0, () => false)
    expect(heard).toEqual([])
    recorder.tick(0)
    drainer.next(0, () => false)
    expect(heard).toEqual([0, 1, 2])
    while (filler.tellings.tell(TELLING.PATH, 0, [thing]));
    for (let path = 0; path < 5000; path++) recorder.extend(path, [thing])
    drainer.next(0, () => false)
    recorder.tick(0)
    drainer.next(0, () => false)
    // Nothing is missing without being counted.
    expect(recorder.counters.unnamed).toBeGreaterThan(500)
    expect(heard.length - 3 + recorder.counters.unnamed).toBe(5000)
  })

  test('what is found out later is told to its end by whoever waits, however much it is', async () => {
    const queue = QUEUE()
    const filler = new Filler(queue)
    const heard: number[] = []
    const drainer = new Drainer(queue, (kind, path) => {
      if (kind === TELLING.MORE) heard.push(path)
    })
    const recorder = new EvidenceRecorder(filler, OPTIONS)
    const things = Array.from({ length: 64 }, (_, low) => ({ high: 0x74_0000, low }))
    while (filler.tellings.tell(TELLING.PATH, 0, things));
    for (let path = 0; path < 4000; path++) recorder.extend(path, things)
    filler.stop()
    let isFlushed = false
    const flushed = recorder.flush().then(() => {
      isFlushed = true
    })
    while (!isFlushed) {
      drainer.next(0, () => false)
      await setImmediate()
    }
    await flushed
    drainer.next(0, () => false)
    expect(heard).toHaveLength(4000)
    expect(recorder.counters.unnamed).toBe(0)
  })

  test('what is held waits in the ring as long as it has room, and is counted when it must go early', async () => {
    const stage = new Stage({ beforeUs: 1e12, heldMax: 2 }, QUEUE())
    const { counters } = stage.recorder
    for (let i = 0; i < 3000; i++) stage.see(message(1000, i, false))
    expect(counters.held).toBe(3000)
    expect(counters.heldShort).toBeGreaterThan(1500)
    expect(counters.recorded).toBe(counters.heldShort)
    const flushed = stage.recorder.flush()
    const taken = await stage.takenUntil(flushed)
    expect(counters.recorded).toBe(3000)
    expect(taken).toBe(3000)
  })
})

test('a packet of a known kind allocates nothing, held or written', () => {
  const queue = newQueue(64 * 0x8_0000, 64 * 0x8_0000, 0x8_0000)
  const stage = new Stage({ beforeUs: 50_000 }, queue)
  const packets = Array.from({ length: 256 }, (_, i) => message(200, i * 3, false))
  const tape = new Tape()
  for (const packet of packets) tape.add(packet)
  const { bytes, edges } = tape
  let n = 0
  const run = (count: number) => {
    for (let i = 0; i < count; i++) {
      const which = n++ & 255
      const start = edges[which]
      const { frame } = stage.sensor
      bytes[start + 18] = n >> 8
      bytes[start + 19] = n
      frame.bytes = bytes
      frame.start = start
      frame.end = edges[which + 1]
      frame.originalLength = frame.end - start
      frame.timeUs = 1_700_000_000_000_000 + n * 10
      frame.number = n
      stage.sensor.observe()
    }
  }
  stage.see(packets[0])
  run(30_000)
  stage.taken()
  const before = stage.recorder.counters.recorded
  const octets = allocatedBy(() => run(40_000))
  expect(stage.recorder.counters.recorded - before).toBeGreaterThan(39_000)
  // A chunk now and then; nothing that grows with the packets.
  expect(octets / 40_000).toBeLessThan(12)
})

describe('the folder', () => {
  test('belongs to one process at a time', async () => {
    const config = configOf(join(folder, 'e'))
    const recording = Recording.open(config.evidence, 'test')
    expect(() => Recording.open(config.evidence, 'test')).toThrow(/keeps evidence in/)
    await recording.close()
    const again = Recording.open(config.evidence, 'test')
    await again.close()
    expect(readdirSync(config.evidence.path)).toEqual([])
  })

  test('a second run goes on with the next number', async () => {
    const path = join(PCAPS, 'l2tp-mschapv2.pcap')
    await keep([[path]], join(folder, 'e'))
    await keep([[path]], join(folder, 'e'))
    expect(readdirSync(join(folder, 'e'))).toEqual([
      '00000001.index',
      '00000001.pcapng',
      '00000002.index',
      '00000002.pcapng',
    ])
  })
})

test('what is read of a queue is what was put in', async () => {
  const stage = new Stage({ data: 'whole', beforeUs: 0 }, newQueue(6 * 0x8_0000, 6 * 0x8_0000, 0x8_0000))
  for (let i = 0; i < 10; i++) stage.see(message(i * 7, i, false))
  const blocks = await stage.blocksUntil(stage.recorder.flush())
  expect(blocks.map(({ bytes }) => bytes.length)).toEqual(Array.from({ length: 10 }, (_, i) => 52 + i * 7))
})
