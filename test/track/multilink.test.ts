import { describe, expect, test } from 'vitest'
import { MultilinkFragments } from '../../src/track/multilink.ts'
import { MultilinkView } from '../../src/wire/ppp.ts'
import * as craft from '../support/craft.ts'
import { named } from '../support/sensor.ts'
import { Random } from '../support/random.ts'
import { chap, link, MD5 } from './ppp-support.ts'
import { Peers, type Side } from './support.ts'

const { configureRequest: REQUEST, configureAck: ACK } = craft.PPP_CODE
const FIRST = 0x80
const LAST = 0x40
const MULTILINK = 0x003d

/** The fragments of a frame, so many octets in each, numbered from `sequence`. */
function cut(frame: Uint8Array, size: number, sequence: number, isShort = false): Uint8Array[] {
  const pieces: Uint8Array[] = []
  for (let at = 0; at < frame.length; at += size) {
    const flags = (at === 0 ? FIRST : 0) | (at + size >= frame.length ? LAST : 0)
    const number = sequence + pieces.length
    const header = isShort
      ? craft.be16((flags << 8) | (number & 0xfff))
      : craft.be32(((flags << 24) | (number & 0xffffff)) >>> 0)
    pieces.push(craft.concat(header, frame.subarray(at, at + size)))
  }
  return pieces
}

const mp = (fragment: Uint8Array) => craft.ppp(MULTILINK, fragment)
/** As it stands in multilink: without address and control. */
const bare = (frame: Uint8Array) => frame.subarray(2)

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

const words = (text: string) => craft.utf8(text)

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

describe('a link with multilink', () => {
  const ping = (size: number) =>
    craft.ppp(craft.PPP.ipv4, craft.ipv4(craft.icmp(new Uint8Array(size)), { source: '10.9.8.7', target: '10.9.8.1' }))
  const address = (ip: string) => craft.pppOption(craft.IPCP_OPTION.address, craft.ipBytes(ip))
  const endpoint = (name: string) => craft.pppOption(19, craft.concat(craft.be8(1), craft.utf8(name)))

  /** LCP of a session, with the names of the ends, and a login. */
  function lcp(peers: Peers, more: readonly Uint8Array[] = []): Peers {
    const auth = craft.pppOption(craft.LCP_OPTION.authentication, craft.fromHex(MD5))
    const mrru = craft.pppOption(17, craft.be16(1600))
    const [lns, lac] = [
      [auth, mrru, endpoint('lns'), ...more],
      [mrru, endpoint('lac'), ...more],
    ]
    peers
      .data('server', craft.lcp(REQUEST, 1, lns))
      .data('client', craft.lcp(ACK, 1, lns))
      .data('client', craft.lcp(REQUEST, 1, lac))
      .data('server', craft.lcp(ACK, 1, lac))
    return chap(peers, 1, 'bob', true)
  }

  class Sender {
    readonly #numbers: Record<Side, number> = { client: 0, server: 0 }
    readonly #isShort: boolean

    constructor(isShort = false) {
      this.#isShort = isShort
    }

    pieces(from: Side, frame: Uint8Array, size = 100_000): Uint8Array[] {
      const pieces = cut(bare(frame), size, this.#numbers[from], this.#isShort)
      this.#numbers[from] += pieces.length
      return pieces.map(mp)
    }
  }

  function addresses(peers: Peers, sender: Sender): Peers {
    const say = (from: Side, frame: Uint8Array) => peers.data(from, sender.pieces(from, frame)[0])
    say('client', craft.ipcp(REQUEST, 1, [address('10.9.8.7')]))
    say('server', craft.ipcp(ACK, 1, [address('10.9.8.7')]))
    say('server', craft.ipcp(REQUEST, 1, [address('10.9.8.1')]))
    return say('client', craft.ipcp(ACK, 1, [address('10.9.8.1')]))
  }

  test.each([
    ['long', false],
    ['short', true],
  ])('is followed through whole frames and fragments with %s numbers', (_words, isShort) => {
    const sender = new Sender(isShort)
    const peers = addresses(
      lcp(new Peers().open().call(), isShort ? [craft.pppOption(18, new Uint8Array(0))] : []),
      sender,
    )
    expect(peers.told('ppp.link.opened')[0]).toMatchObject({ 'user.name': 'bob', 'ppp.client.ip': '10.9.8.7' })
    for (const size of [56, 1400])
      for (const piece of sender.pieces('client', ping(size), 700)) peers.data('client', piece)
    const told = peers.finish()
    expect(named(told, 'flow.closed')).toHaveLength(1)
    expect(named(told, 'flow.closed')[0]).toMatchObject({
      'source.ip': '10.9.8.7',
      'source.packets': 2,
      'user.name': 'bob',
    })
    expect(named(told, 'protocol.anomaly')).toEqual([])
  })

  test('joined by another one carries one network: its flows are told of the first that is there', () => {
    const sender = new Sender()
    const peers = addresses(lcp(new Peers().open().call()), sender)
    const first = { ...peers.sessionIds }
    const second = { client: 12, server: 23 }
    Object.assign(peers.sessionIds, second)
    lcp(peers.call())
    const spread = (frame: Uint8Array) => {
      for (const [i, piece] of sender.pieces('client', frame, 700).entries()) {
        Object.assign(peers.sessionIds, i % 2 === 0 ? first : second)
        peers.data('client', piece)
      }
    }
    for (let i = 0; i < 3; i++) spread(ping(1000))
    peers.send('client', (header) => craft.cdn({ ...header, sessionId: first.server, result: 3 }))
    Object.assign(peers.sessionIds, second)
    for (const piece of sender.pieces('client', ping(1000), 700)) peers.data('client', piece)
    const told = peers.finish()
    const flows = named(told, 'flow.closed')
    const uids = peers.told('l2tp.session.opened').map((event) => event['l2tp.session.uid'])
    expect(flows.map((event) => [event['l2tp.session.uid'], event['source.packets']])).toEqual([
      [uids[0], 3],
      [uids[1], 1],
    ])
  })

  test('of another user is another bundle', () => {
    const sender = new Sender()
    const peers = addresses(lcp(new Peers().open().call()), sender)
    const [head, tail] = sender.pieces('client', ping(1000), 700)
    peers.data('client', head)
    Object.assign(peers.sessionIds, { client: 12, server: 23 })
    chap(lcp(peers.call()), 2, 'mallory', true).data('client', tail)
    expect(named(peers.finish(), 'flow.closed')).toEqual([])
  })

  test('cut short is a finding, and multilink in multilink is nothing', () => {
    const peers = link()
      .data('client', mp(craft.fromHex('c000')))
      .data('client', mp(craft.concat(craft.fromHex('c0000001 003d'), cut(bare(ping(56)), 1000, 2)[0])))
    const told = peers.finish()
    expect(named(told, 'protocol.anomaly').map((event) => event['anomaly.name'])).toEqual(['mp.truncated'])
    expect(named(told, 'flow.closed')).toEqual([])
  })
})
