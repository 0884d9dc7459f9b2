import { describe, expect, test } from 'vitest'
import { BufferPool } from '../../src/base/buffer-pool.ts'
import { DONE, type Side, SKIP_REST } from '../../src/track/inner-protocol.ts'
import { type StreamSink, TcpStream } from '../../src/track/tcp-stream.ts'
import { TcpView } from '../../src/wire/tcp.ts'
import { concat, TCP_FLAG, tcp, utf8 } from '../support/craft.ts'
import { Random } from '../support/random.ts'

/** Keeps what it was shown; takes all of it unless told otherwise. */
class Listener implements StreamSink {
  readonly heard: [Uint8Array[], Uint8Array[]] = [[], []]
  readonly gaps: [Side, number][] = []
  readonly conflicts: Side[] = []
  /** Longest run of octets shown at once. */
  longest = 0
  answer: (side: Side, available: number) => number = (_, available) => available
  goesOn = true

  read(side: Side, bytes: Uint8Array, start: number, end: number): number {
    const available = end - start
    this.longest = Math.max(this.longest, available)
    const done = this.answer(side, available)
    if (done > 0) this.heard[side].push(bytes.slice(start, start + Math.min(done, available)))
    return done
  }

  gap(side: Side, length: number): boolean {
    this.gaps.push([side, length])
    return this.goesOn
  }

  conflict(side: Side): void {
    this.conflicts.push(side)
  }

  words(side: Side = 0): string {
    return Buffer.from(concat(...this.heard[side])).toString('latin1')
  }
}

interface Segment {
  readonly side?: Side
  readonly sequence: number
  readonly payload?: string | Uint8Array
  readonly flags?: number
  readonly acknowledgement?: number
  /** Octets of the payload that the capture left out. */
  readonly cut?: number
}

class Bench {
  readonly listener = new Listener()
  readonly pool: BufferPool
  readonly stream: TcpStream
  readonly #view = new TcpView()

  constructor(capacity = 1 << 20, sizeMax = 65_536) {
    this.pool = new BufferPool(capacity, sizeMax)
    this.stream = new TcpStream(this.pool)
    this.stream.open(this.listener)
  }

  see({ side = 0, sequence, payload = '', flags = TCP_FLAG.ack, acknowledgement = 0, cut = 0 }: Segment): boolean {
    const octets = typeof payload === 'string' ? utf8(payload) : payload
    const bytes = tcp(octets, { sequence: sequence >>> 0, acknowledgement: acknowledgement >>> 0, flags })
    expect(this.#view.decode(bytes, 0, bytes.length - cut)).toBeNull()
    const goesOn = this.stream.observe(side, this.#view, bytes.length)
    // The capture reuses its buffer: nothing of a packet may be kept.
    bytes.fill(0xee)
    return goesOn
  }
}

const SYN = TCP_FLAG.syn

describe('TcpStream', () => {
  test('shows the octets of both directions in order', () => {
    const bench = new Bench()
    bench.see({ sequence: 999, flags: SYN })
    bench.see({ side: 1, sequence: 499, flags: SYN | TCP_FLAG.ack, acknowledgement: 1000 })
    bench.see({ sequence: 1000, payload: 'GET ' })
    bench.see({ side: 1, sequence: 500, payload: '200' })
    bench.see({ sequence: 1004, payload: '/' })
    expect([bench.listener.words(0), bench.listener.words(1)]).toEqual(['GET /', '200'])
    bench.stream.close()
    expect(bench.pool.used).toBe(0)
  })

  test('reads what comes with SYN, and begins where it can without one', () => {
    const bench = new Bench()
    bench.see({ sequence: 999, flags: SYN, payload: 'fast' })
    bench.see({ sequence: 1004, payload: ' open' })
    bench.see({ side: 1, sequence: 70, payload: 'middle' })
    expect([bench.listener.words(0), bench.listener.words(1)]).toEqual(['fast open', 'middle'])
  })

  test('knows from the answer to a SYN where both ends begin', () => {
    const bench = new Bench()
    bench.see({ side: 1, sequence: 499, flags: SYN | TCP_FLAG.ack, acknowledgement: 1000 })
    bench.see({ sequence: 1002, payload: 'c' })
    expect(bench.listener.words()).toBe('')
    bench.see({ sequence: 1000, payload: 'ab' })
    expect(bench.listener.words()).toBe('abc')
  })

  test('takes the last answer to a SYN for the right one: a firewall may have changed the numbers in between', () => {
    const bench = new Bench()
    bench.see({ side: 1, sequence: 70_000, flags: SYN | TCP_FLAG.ack, acknowledgement: 0x50000000 })
    bench.see({ side: 1, sequence: 499, flags: SYN | TCP_FLAG.ack, acknowledgement: 1000 })
    bench.see({ sequence: 1000, payload: 'ab' })
    bench.see({ side: 1, sequence: 500, payload: 'cd' })
    expect([bench.listener.words(0), bench.listener.words(1)]).toEqual(['ab', 'cd'])
  })

  test('takes the last SYN for the right one until data comes', () => {
    const bench = new Bench()
    bench.see({ sequence: 10, flags: SYN })
    bench.see({ sequence: 5000, flags: SYN })
    bench.see({ sequence: 5001, payload: 'a' })
    bench.see({ sequence: 10, flags: SYN })
    bench.see({ sequence: 5002, payload: 'b' })
    expect(bench.listener.words()).toBe('ab')
  })

  test('joins segments out of order, also over the wrap of sequence numbers', () => {
    const bench = new Bench()
    bench.see({ sequence: 0xfffffffb, flags: SYN })
    bench.see({ sequence: 4, payload: 'ij' })
    bench.see({ sequence: 0, payload: 'efgh' })
    expect(bench.listener.words()).toBe('')
    bench.see({ sequence: 0xfffffffc, payload: 'abcd' })
    expect(bench.listener.words()).toBe('abcdefghij')
    expect(bench.listener.gaps).toEqual([])
  })

  test('shows what the reader left together with what follows', () => {
    const bench = new Bench()
    bench.listener.answer = (_, available) => (available < 6 ? 0 : available)
    bench.see({ sequence: 1, payload: 'abc' })
    bench.see({ sequence: 4, payload: 'de' })
    expect(bench.listener.words()).toBe('')
    bench.see({ sequence: 6, payload: 'f' })
    expect(bench.listener.words()).toBe('abcdef')
  })

  test('passes over what the reader does not want to see', () => {
    const bench = new Bench()
    bench.listener.answer = (_, available) => available + 5
    bench.see({ sequence: 1, payload: 'ab' })
    bench.see({ sequence: 3, payload: 'xxx' })
    bench.listener.answer = (_, available) => available
    bench.see({ sequence: 9, payload: 'd' })
    bench.see({ sequence: 6, payload: 'xxc' })
    expect(bench.listener.words()).toBe('abcd')
  })

  test('holds no octets of a direction that is of no interest, and ends when none is', () => {
    const bench = new Bench()
    bench.listener.answer = () => SKIP_REST
    expect(bench.see({ sequence: 1, payload: 'abc' })).toBe(true)
    expect(bench.pool.used).toBe(0)
    expect(bench.see({ sequence: 4, payload: 'abc' })).toBe(true)
    expect(bench.see({ side: 1, sequence: 4, payload: 'abc' })).toBe(false)
  })

  test('ends when the reader is done', () => {
    const bench = new Bench()
    bench.listener.answer = () => DONE
    expect(bench.see({ sequence: 1, payload: 'abc' })).toBe(false)
    expect(bench.see({ sequence: 4, payload: 'abc' })).toBe(false)
    bench.stream.close()
    expect(bench.pool.used).toBe(0)
  })

  test('keeps the first of two overlapping segments, and tells once if they differ', () => {
    const bench = new Bench()
    bench.see({ sequence: 1, payload: 'abcd' })
    bench.see({ sequence: 3, payload: 'cdef' })
    expect(bench.listener.conflicts).toEqual([])
    bench.see({ sequence: 3, payload: 'XXef' })
    bench.see({ sequence: 1, payload: 'XX' })
    expect(bench.listener.words()).toBe('abcdef')
    expect(bench.listener.conflicts).toEqual([0])
  })

  test('finds other content beyond a hole too', () => {
    const bench = new Bench()
    bench.see({ side: 1, sequence: 0, flags: SYN })
    bench.see({ side: 1, sequence: 5, payload: 'efgh' })
    bench.see({ side: 1, sequence: 3, payload: 'cdeF' })
    expect(bench.listener.conflicts).toEqual([1])
    bench.see({ side: 1, sequence: 1, payload: 'ab' })
    expect(bench.listener.words(1)).toBe('abcdefgh')
  })

  test('takes a keepalive for what it is', () => {
    const bench = new Bench()
    bench.see({ sequence: 1, payload: 'abcd' })
    bench.see({ sequence: 4, payload: '\0' })
    bench.see({ sequence: 5, payload: 'e' })
    expect(bench.listener.conflicts).toEqual([])
    expect(bench.listener.words()).toBe('abcde')
  })

  test('does not read what comes with RST', () => {
    const bench = new Bench()
    bench.see({ sequence: 1, payload: 'a' })
    bench.see({ sequence: 2, payload: 'go away', flags: TCP_FLAG.rst })
    expect(bench.listener.words()).toBe('a')
  })

  test('gives up a hole that was acknowledged, and tells how much is missing', () => {
    const bench = new Bench()
    bench.see({ sequence: 0, flags: SYN })
    bench.see({ sequence: 1, payload: 'ab' })
    bench.see({ sequence: 7, payload: 'gh' })
    expect(bench.listener.gaps).toEqual([])
    for (let i = 0; i < 3; i++) bench.see({ side: 1, sequence: 1, acknowledgement: 9 })
    expect(bench.listener.gaps).toEqual([[0, 4]])
    expect(bench.listener.words()).toBe('abgh')
    bench.see({ sequence: 3, payload: 'late' })
    bench.see({ sequence: 9, payload: 'i' })
    expect(bench.listener.words()).toBe('abghi')
  })

  test('gives up a hole after a bounded wait without any acknowledgement', () => {
    const bench = new Bench()
    bench.see({ sequence: 0, flags: SYN })
    bench.see({ sequence: 2, payload: 'b' })
    for (let i = 0; i < 300; i++) bench.see({ side: 1, sequence: 1, flags: 0 })
    expect(bench.listener.gaps).toEqual([[0, 1]])
    expect(bench.listener.words()).toBe('b')
  })

  test('shows what lies beyond holes when the connection ends', () => {
    const bench = new Bench()
    bench.see({ sequence: 0, flags: SYN })
    bench.see({ sequence: 3, payload: 'c' })
    bench.see({ sequence: 5, payload: 'e' })
    bench.stream.close()
    expect(bench.listener.words()).toBe('ce')
    expect(bench.listener.gaps).toEqual([
      [0, 2],
      [0, 1],
    ])
    expect(bench.pool.used).toBe(0)
  })

  test('ends at a gap if the reader cannot go on', () => {
    const bench = new Bench()
    bench.listener.goesOn = false
    bench.see({ sequence: 0, flags: SYN })
    bench.see({ sequence: 3, payload: 'c' })
    bench.stream.close()
    expect(bench.listener.words()).toBe('')
  })

  test('a gap among octets that are skipped is none', () => {
    const bench = new Bench()
    bench.listener.answer = (_, available) => available + 10
    bench.see({ sequence: 1, payload: 'a' })
    bench.listener.answer = (_, available) => available
    bench.see({ sequence: 8, payload: 'xxxxb' })
    for (let i = 0; i < 4; i++) bench.see({ side: 1, sequence: 1, acknowledgement: 20 })
    expect(bench.listener.gaps).toEqual([])
    expect(bench.listener.words()).toBe('ab')
  })

  test('a segment that the capture cut leaves a gap at once', () => {
    const bench = new Bench()
    bench.see({ sequence: 1, payload: 'abcdef', cut: 4 })
    bench.see({ sequence: 7, payload: 'g' })
    expect(bench.listener.words()).toBe('abg')
    expect(bench.listener.gaps).toEqual([[0, 4]])
  })

  test('ignores what is too far ahead to belong to the connection', () => {
    const bench = new Bench()
    bench.see({ sequence: 1, payload: 'a' })
    bench.see({ sequence: 0x40000000, payload: 'forged' })
    bench.see({ sequence: 0x90000000, payload: 'forged' })
    bench.see({ sequence: 2, payload: 'b' })
    expect(bench.listener.words()).toBe('ab')
    expect(bench.listener.gaps).toEqual([])
  })

  test('ends when the reader wants more at once than there is room for', () => {
    const bench = new Bench(1 << 20, 4096)
    bench.listener.answer = () => 0
    let sequence = 1
    let segments = 0
    while (bench.see({ sequence, payload: 'x'.repeat(1000) })) {
      sequence += 1000
      segments++
    }
    expect(segments).toBe(4)
    expect(bench.listener.longest).toBe(4000)
  })

  test('ends when no buffer is to be had', () => {
    const bench = new Bench(2048, 65_536)
    bench.listener.answer = () => 0
    expect(bench.see({ sequence: 1, payload: 'x'.repeat(2000) })).toBe(true)
    expect(bench.see({ sequence: 2001, payload: 'x'.repeat(2000) })).toBe(false)
  })

  test('gives up the first hole when there are too many', () => {
    const bench = new Bench()
    bench.see({ sequence: 0, flags: SYN })
    for (let i = 0; i < 17; i++) bench.see({ sequence: 2 + i * 2, payload: 'x', flags: 0 })
    expect(bench.listener.gaps).toEqual([[0, 1]])
  })

  test('goes on beyond the room of a buffer by giving up what does not come', () => {
    const bench = new Bench(1 << 20, 4096)
    bench.see({ sequence: 0, flags: SYN })
    bench.see({ sequence: 3, payload: 'x'.repeat(4000) })
    expect(bench.listener.words()).toBe('')
    bench.see({ sequence: 4003, payload: 'y'.repeat(1000) })
    expect(bench.listener.words().length).toBe(5000)
    bench.see({ sequence: 100_000, payload: 'z' })
    expect(bench.listener.gaps).toEqual([
      [0, 2],
      [0, 94_997],
    ])
    expect(bench.listener.words().at(-1)).toBe('z')
  })
})

interface Piece {
  readonly side: Side
  readonly at: number
  readonly length: number
}

/** Both directions cut into segments at random, some doubled, some overlapping, and the order disturbed within a bound. */
function disorder(random: Random, lengths: readonly [number, number]): Piece[] {
  const pieces: { piece: Piece; order: number }[] = []
  for (const side of [0, 1] as const) {
    for (let at = 0, n = 0; at < lengths[side]; n++) {
      const length = Math.min(lengths[side] - at, 1 + random.below(random.chance(0.3) ? 20 : 1400))
      const back = random.chance(0.2) ? Math.min(at, random.below(300)) : 0
      for (let copy = random.chance(0.15) ? 2 : 1; copy > 0; copy--)
        pieces.push({ piece: { side, at: at - back, length: length + back }, order: n + random.below(6) })
      at += length
    }
  }
  return pieces.sort((a, b) => a.order - b.order).map(({ piece }) => piece)
}

describe('a shuffled connection', () => {
  test('is read as it was sent, whatever the order, the overlaps and the appetite of the reader', () => {
    for (let seed = 1; seed <= 300; seed++) {
      const random = new Random(seed)
      const sent = [random.bytes(random.below(40_000)), random.bytes(random.below(9000))] as const
      const first = [random.next(), random.next()] as const
      const bench = new Bench()
      const wanted: [Uint8Array[], Uint8Array[]] = [[], []]
      const read = [0, 0]
      const offered = [0, 0]
      // What the reader leaves out is left out of what is expected.
      bench.listener.answer = (side, available) => {
        const appetite = random.below(4)
        const done =
          appetite === 0 ? random.below(available) : appetite === 1 ? available + random.below(3000) : available
        wanted[side].push(sent[side].slice(read[side], read[side] + Math.min(done, available)))
        offered[side] = read[side] + available
        read[side] += done
        return done
      }
      bench.see({ sequence: first[0] - 1, flags: SYN })
      bench.see({ side: 1, sequence: first[1] - 1, flags: SYN | TCP_FLAG.ack, acknowledgement: first[0] })
      for (const { side, at, length } of disorder(random, [sent[0].length, sent[1].length])) {
        bench.see({
          side,
          sequence: first[side] + at,
          payload: sent[side].slice(at, at + length),
          acknowledgement: first[1 - side],
        })
      }
      for (const side of [0, 1] as const) {
        expect(bench.listener.words(side), `seed ${seed}`).toBe(Buffer.from(concat(...wanted[side])).toString('latin1'))
        expect(Math.max(offered[side], read[side]), `seed ${seed}`).toBeGreaterThanOrEqual(sent[side].length)
      }
      expect(bench.listener.gaps, `seed ${seed}`).toEqual([])
      expect(bench.listener.conflicts, `seed ${seed}`).toEqual([])
      bench.stream.close()
      expect(bench.pool.used).toBe(0)
    }
  })

  test('with losses every octet is either read in its place or counted as missing', () => {
    for (let seed = 1; seed <= 300; seed++) {
      const random = new Random(seed)
      const sent = random.bytes(2000 + random.below(60_000))
      const first = random.next()
      const bench = new Bench(1 << 20, 16_384)
      let position = 0
      bench.listener.answer = (_, available) => {
        position += available
        return available
      }
      const { listener } = bench
      const gap = listener.gap.bind(listener)
      listener.gap = (side, length) => {
        listener.heard[side].push(sent.slice(position, position + length))
        position += length
        return gap(side, length)
      }
      bench.see({ sequence: first - 1, flags: SYN })
      for (const { at, length } of disorder(random, [sent.length, 0])) {
        if (random.chance(0.1)) continue
        bench.see({ sequence: first + at, payload: sent.slice(at, at + length) })
        if (random.chance(0.3)) bench.see({ side: 1, sequence: 1, acknowledgement: first + at + length })
      }
      bench.stream.close()
      expect(Buffer.from(concat(...listener.heard[0])).toString('latin1'), `seed ${seed}`).toBe(
        Buffer.from(sent.subarray(0, position)).toString('latin1'),
      )
      expect(listener.conflicts, `seed ${seed}`).toEqual([])
      expect(bench.pool.used).toBe(0)
    }
  })
})
