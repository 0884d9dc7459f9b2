import { describe, expect, test } from 'vitest'
import * as craft from '../support/craft.ts'
import { cut } from '../support/multilink.ts'
import { named } from '../support/sensor.ts'
import { chap, link, MD5 } from './ppp-support.ts'
import { Peers, type Side } from './support.ts'

const { configureRequest: REQUEST, configureAck: ACK } = craft.PPP_CODE
const MULTILINK = 0x003d

const mp = (fragment: Uint8Array) => craft.ppp(MULTILINK, fragment)
/** As it stands in multilink: without address and control. */
const bare = (frame: Uint8Array) => frame.subarray(2)

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

  test('whose ends name themselves by the null class alone, which is no name, is alone', () => {
    const names = [craft.pppOption(19, craft.be8(0))]
    const peers = new Peers().open()
    const [head, tail] = new Sender().pieces('client', ping(1000), 700)
    for (const [ids, piece] of [
      [{ client: 11, server: 22 }, head],
      [{ client: 12, server: 23 }, tail],
    ] as const) {
      Object.assign(peers.sessionIds, ids)
      peers
        .call()
        .data('server', craft.lcp(REQUEST, 1, names))
        .data('client', craft.lcp(ACK, 1, names))
        .data('client', craft.lcp(REQUEST, 1, names))
        .data('server', craft.lcp(ACK, 1, names))
        .data('client', piece)
    }
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
