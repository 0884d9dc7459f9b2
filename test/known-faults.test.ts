/** Packets that other tools are known to misread: each is one of their faults, or one of the gaps that their users report. */
import { describe, expect, test } from 'vitest'
import * as craft from './support/craft.ts'
import { Random } from './support/random.ts'
import { named } from './support/sensor.ts'
import { Peers } from './track/support.ts'

const INNER = { source: '192.168.1.10', target: '192.168.1.1' }
const ping = craft.ipv4(craft.icmp(new Uint8Array(16)), INNER)

describe('L2TP that is taken apart by fixed offsets', () => {
  test.each<[words: string, fields: craft.L2tpDataFields]>([
    ['without any optional field', {}],
    ['with a length', { length: true }],
    ['with Ns and Nr, which are four octets', { ns: 1, nr: 0 }],
    ['with an offset and its padding', { offset: 6 }],
    ['with all of them', { length: true, ns: 1, nr: 0, offset: 3, priority: true }],
  ])('is followed %s, in every form of PPP', (_words, fields) => {
    for (const form of [
      {},
      { addressControl: false },
      { shortProtocol: true },
      { addressControl: false, shortProtocol: true },
    ]) {
      const frame = craft.ppp(craft.PPP.ipv4, ping, form)
      const peers = new Peers().open().call()
      peers.raw('client', craft.l2tpData(frame, { tunnelId: 200, sessionId: 22, ...fields }))
      expect(named(peers.finish(), 'flow.closed')[0]).toMatchObject({ 'source.ip': INNER.source, 'source.packets': 1 })
    }
  })

  test('needs port 1701 at one end only', () => {
    const peers = new Peers().sccrq({ sourcePort: 40_000 }).sccrp({ targetPort: 40_000 }).scccn({ sourcePort: 40_000 })
    peers.icrq({ sourcePort: 40_000 }).icrp({ targetPort: 40_000 }).iccn({ sourcePort: 40_000 })
    peers.data('client', craft.ppp(craft.PPP.ipv4, ping), { sourcePort: 40_000 })
    peers.data('server', craft.ppp(craft.PPP.ipv4, ping), { targetPort: 40_000 })
    expect(named(peers.finish(), 'l2tp.session.closed')[0]).toMatchObject({
      'source.packets': 1,
      'destination.packets': 1,
    })
  })

  test.each([
    [33, 7],
    [87, 61],
  ])('is no packet of IP where a control message is %i octets long, the number of IP in PPP', (length, letters) => {
    const avps = [craft.avp(0, craft.be16(1)), craft.avp(craft.AVP.hostName, 'x'.repeat(letters))]
    const message = craft.l2tpControl(avps)
    expect(message).toHaveLength(length)
    const peers = new Peers().raw('client', message)
    expect(peers.told('l2tp.tunnel.requested')).toHaveLength(1)
    expect(named(peers.finish(), 'flow.closed')).toEqual([])
  })

  test('is many flows, however many sessions use the same addresses inside', () => {
    const peers = new Peers().open()
    for (let i = 1; i <= 50; i++) {
      Object.assign(peers.sessionIds, { client: i, server: 1000 + i })
      peers.call().data('client', craft.ppp(craft.PPP.ipv4, ping))
    }
    const uids = named(peers.finish(), 'flow.closed').map((event) => event['l2tp.session.uid'])
    expect(new Set(uids).size).toBe(50)
  })
})

describe('what is no L2TP', () => {
  test('makes no tunnel when answers of DNS go to port 1701', () => {
    const random = new Random(1)
    const peers = new Peers()
    const answer = craft.fromHex(
      '8180 0001 0001 0000 0000 0377777707 6578616d706c65 03636f6d00 0001 0001 c00c 0001 0001 0000003c 0004 c0000201',
    )
    for (let i = 0; i < 3000; i++)
      peers.raw('server', craft.concat(craft.be16(random.below(0x10000)), answer), { sourcePort: 53 })
    const told = peers.finish().map((event) => event['event.action'])
    expect(told.filter((name) => name.endsWith('.adopted'))).toEqual([])
  })

  test.each([
    ['zeros', () => new Uint8Array(512)],
    ['text', () => craft.utf8('ip address 10.0.0.1 255.255.255.0\n'.repeat(20)).slice(0, 512)],
  ])('makes no tunnel when TFTP transfers %s, whose blocks begin as data of version 3 do', (_words, block) => {
    const peers = new Peers()
    for (let i = 0; i < 4; i++)
      for (const number of [0xffff, 0, 1])
        peers.raw('server', craft.concat(craft.be16(3), craft.be16(number), block()), {
          sourcePort: 5123,
          targetPort: 40_123,
        })
    const told = peers.finish().map((event) => event['event.action'])
    expect(told.filter((name) => name.endsWith('.adopted'))).toEqual([])
  })
})
