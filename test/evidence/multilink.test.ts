/** Evidence of what multilink spreads over the links of a bundle. */
import { expect, test } from 'vitest'
import type { Verdict } from '../../src/dissect/dissector.ts'
import type { Frame } from '../../src/dissect/frame.ts'
import { FlowWords } from '../../src/evidence/flow-words.ts'
import { OuterHeader } from '../../src/evidence/outer-header.ts'
import { Paths } from '../../src/evidence/paths.ts'
import { nameOf, type Thing } from '../../src/evidence/things.ts'
import type { Trackers } from '../../src/track/trackers.ts'
import * as craft from '../support/craft.ts'
import { cut } from '../support/multilink.ts'
import { named } from '../support/sensor.ts'
import { Peers } from '../track/support.ts'

const { configureRequest: REQUEST, configureAck: ACK } = craft.PPP_CODE
const MULTILINK = 0x003d

/** Which things the last packet is part of. */
class Collector {
  readonly things = new Map<number, readonly Thing[]>()
  readonly #flow = new FlowWords()
  readonly #outer = new OuterHeader()
  readonly #paths = new Paths(1024, this)
  last: readonly string[] = []

  record(frame: Frame, verdict: Verdict, trackers: Trackers): void {
    const path = this.#paths.of(frame, verdict, trackers, this.#outer.of(frame))
    this.last = (this.things.get(path) ?? []).map(nameOf)
  }

  begin(path: number, things: readonly Thing[], flow: Uint32Array | null): boolean {
    this.things.set(path, flow === null ? things : [...things, this.#flow.thingAt(flow, 0)])
    return true
  }

  extend(path: number, things: readonly Thing[]): void {
    this.things.set(path, [...(this.things.get(path) ?? []), ...things])
  }
}

test('a packet that came over another link of the bundle is part of that session, and of the flow by the id that events have', () => {
  const endpoint = (name: string) => craft.pppOption(19, craft.concat(craft.be8(1), craft.utf8(name)))
  const peers = new Peers().open()
  const collector = new Collector()
  peers.run.sensor.recorder = collector
  const sessions = [
    { client: 11, server: 22 },
    { client: 12, server: 23 },
  ]
  for (const ids of sessions) {
    Object.assign(peers.sessionIds, ids)
    peers
      .call()
      .data('server', craft.lcp(REQUEST, 1, [endpoint('lns')]))
      .data('client', craft.lcp(ACK, 1, [endpoint('lns')]))
      .data('client', craft.lcp(REQUEST, 1, [endpoint('lac')]))
      .data('server', craft.lcp(ACK, 1, [endpoint('lac')]))
  }
  const ping = craft.ipv4(craft.icmp(new Uint8Array(16)), { source: '10.9.8.7', target: '10.9.8.1' })
  const frame = craft.ppp(craft.PPP.ipv4, ping).subarray(2)
  const send = (session: number, fragment: Uint8Array) => {
    Object.assign(peers.sessionIds, sessions[session])
    peers.data('client', craft.ppp(MULTILINK, fragment))
    return collector.last
  }
  const [head, tail] = cut(frame, 30, 0)
  send(0, head)
  const kept = [send(1, tail), send(0, cut(frame, 1000, 2)[0]), send(1, cut(frame, 1000, 3)[0])]
  const told = peers.finish()
  const [{ 'flow.uid': flow }] = named(told, 'flow.closed')
  const uids = named(told, 'l2tp.session.opened').map((event) => event['l2tp.session.uid'])
  expect(uids).toHaveLength(2)
  expect(peers.run.sensor.frame.hasInner).toBe(true)
  for (const [at, things] of kept.entries()) {
    expect(things).toContain(flow)
    expect(things).toContain(uids[(at + 1) % 2])
    expect(things).not.toContain(uids[at % 2])
  }
})
