import { describe, expect, test } from 'vitest'
import { MultilinkFragments } from '../../src/dissect/multilink-fragments.ts'
import { MultilinkView } from '../../src/wire/ppp.ts'
import { Describer } from '../../src/dissect/layers.ts'
import { concat, datagram, fromHex, l2tpData, utf8 as words } from '../support/craft.ts'
import { cut } from '../support/multilink.ts'
import { Random } from '../support/random.ts'

class Receiver {
  readonly fragments = new MultilinkFragments()
  readonly #view = new MultilinkView()
  timeUs = 0

  /** What came out, each time a frame was complete. */
  take(pieces: readonly Uint8Array[], stream = 'a', isShort = false): string[] {
    const frames: string[] = []
    for (const piece of pieces) {
      expect(this.#view.decode(piece, 0, piece.length, isShort)).toBeNull()
      if (this.fragments.join(stream, this.#view, isShort, piece, this.timeUs))
        frames.push(Buffer.from(this.fragments.bytes.subarray(0, this.fragments.length)).toString())
    }
    return frames
  }
}

describe('the fragments of a frame', () => {
  test('are joined whatever their order, over the end of the numbers too', () => {
    const pieces = cut(words('a frame in five pieces'), 5, 0xfffffe)
    expect(pieces).toHaveLength(5)
    expect(new Receiver().take(pieces)).toEqual(['a frame in five pieces'])
    const random = new Random(7)
    for (let round = 0; round < 50; round++) {
      const mixed = pieces.toSorted(() => random.next() - 0x80000000)
      expect(new Receiver().take(mixed)).toEqual(['a frame in five pieces'])
    }
    expect(new Receiver().take(cut(words('short numbers'), 4, 0xffe, true), 'a', true)).toEqual(['short numbers'])
  })

  test('of two frames, two directions and two classes are told apart', () => {
    const [first, second] = [cut(words('one frame'), 5, 10), cut(words('and another'), 6, 12)]
    expect(new Receiver().take([first[0], second[1], second[0], first[1]])).toEqual(['and another', 'one frame'])
    const receiver = new Receiver()
    expect(receiver.take([first[0]], 'up')).toEqual([])
    expect(receiver.take([first[1]], 'down')).toEqual([])
    const otherClass = Uint8Array.from(first[1])
    otherClass[0] |= 0x04
    expect(receiver.take([otherClass], 'up')).toEqual([])
    expect(receiver.take([first[1]], 'up')).toEqual(['one frame'])
  })

  test('that came before count once, and those of a frame that lost one are not joined with others', () => {
    const [first, second] = [cut(words('one frame of three'), 6, 10), cut(words('the next one'), 6, 13)]
    expect(new Receiver().take([first[0], first[0], first[1], first[1], first[2]])).toEqual(['one frame of three'])
    expect(new Receiver().take([first[0], first[2], ...second])).toEqual(['the next one'])
    expect(new Receiver().take([first[0], first[1], ...second])).toEqual(['the next one'])
  })

  test('are waited for a few seconds: then their numbers may be those of others', () => {
    const receiver = new Receiver()
    const [first, second] = [cut(words('old frame'), 5, 10), cut(words('new frame'), 5, 10)]
    expect(receiver.take([first[0]])).toEqual([])
    receiver.timeUs = 6_000_000
    expect(receiver.take([second[1]])).toEqual([])
    expect(receiver.take([second[0]])).toEqual(['new frame'])
  })

  test('without an end take a bounded room, and the newest are kept', () => {
    const receiver = new Receiver()
    const frame = new Uint8Array(4000)
    for (let i = 0; i < 10_000; i++) receiver.take([cut(frame, 2000, i * 4)[0]], 'flood')
    const late = cut(frame, 2000, 9999 * 4)
    const early = cut(frame, 2000, 0)
    expect(receiver.take([early[1]], 'flood')).toEqual([])
    expect(receiver.take([late[1]], 'flood')).toHaveLength(1)
  })
})

test('multilink within multilink is not looked into, however deep it goes and however it is written', () => {
  for (const protocol of ['003d', '3d', 'ff03003d']) {
    const levels = Array.from({ length: 6000 }, () => fromHex(`${protocol} c0000001`))
    const bytes = datagram(l2tpData(concat(...levels), { tunnelId: 1, sessionId: 2 }))
    const packet = { bytes, start: 0, end: bytes.length, timeUs: 0, originalLength: bytes.length, number: 1 }
    const fragments = { datagramsMax: 8, piecesMax: 16, timeoutSeconds: 30 }
    const describer = new Describer({ l2tpPorts: [1701], secrets: [], linksMax: 8, fragments })
    const { layers } = describer.describe({ ...packet, linkType: 1, interfaceId: 0 })
    expect(layers.slice(-3).map(({ layer }) => layer)).toEqual(['ppp', 'mp', 'fragment'])
  }
})
