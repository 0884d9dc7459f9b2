/** PPPoE and PPTP over a restart: sessions, connections and calls go on under their ids. */
import { describe, expect, test } from 'vitest'
import type { EventDocument } from '../../src/events/fields.ts'
import type { SavedEntry } from '../../src/track/saved.ts'
import * as craft from '../support/craft.ts'
import { accessLine, discoveryFrame, pppoeTag, sessionFrame } from '../support/pppoe.ts'
import * as pptp from '../support/pptp.ts'
import { cutOff, damaged, inFull, type Packet, packetsOf, saved, wholeOf } from '../support/restart.ts'
import { named, TestSensor } from '../support/sensor.ts'
import { Peers } from './pptp-support.ts'

const OPTIONS = { capture: { duplicateWindowMs: 0 } }
const ACCESS = /^(pppoe|pptp|ppp|protocol)\./
const { configureRequest: REQUEST, configureAck: ACK } = craft.PPP_CODE
const SECOND = 1_000_000

/** LCP and addresses, `side` the one that asks for one. */
function link(send: (from: 0 | 1, frame: Uint8Array) => void, fields: craft.PppFields): void {
  const address = (ip: string) => [craft.pppOption(3, craft.ipBytes(ip))]
  const mru = [craft.pppOption(craft.LCP_OPTION.mru, craft.be16(1492))]
  send(0, craft.lcp(REQUEST, 1, mru, fields))
  send(1, craft.lcp(ACK, 1, mru, fields))
  send(1, craft.lcp(REQUEST, 1, [], fields))
  send(0, craft.lcp(ACK, 1, [], fields))
  send(0, craft.ipcp(REQUEST, 1, address('10.9.8.7'), fields))
  send(1, craft.ipcp(ACK, 1, address('10.9.8.7'), fields))
  send(1, craft.ipcp(REQUEST, 1, address('10.9.8.1'), fields))
  send(0, craft.ipcp(ACK, 1, address('10.9.8.1'), fields))
}

/** Three hosts: one whose session ends, one whose stays open, one that nobody answers. */
function lines(): Packet[] {
  const packets: Packet[] = []
  let timeUs = 1_700_000_000_000_000
  const station = '02:00:00:00:00:aa'
  const see = (bytes: Uint8Array) => {
    timeUs += 250_000
    packets.push({ timeUs, bytes })
  }
  for (const number of [1, 2, 3]) {
    const host = `02:00:00:00:00:1${number}`
    const ends = (from: 0 | 1) => ({
      ...(from === 0 ? { source: host, target: station } : { source: station, target: host }),
      vlans: number === 3 ? [{ id: 42 }] : [],
    })
    const tags = [pppoeTag(0x0101, 'internet'), accessLine([[1, `dslam ${number}`]])]
    const discover = (from: 0 | 1, code: number, sessionId = 0) =>
      see(
        discoveryFrame(code, [...tags, ...(from === 1 ? [pppoeTag(0x0102, 'bras1')] : [])], {
          sessionId,
          ethernet: ends(from),
        }),
      )
    discover(0, 0x09)
    if (number === 3) break
    discover(1, 0x07)
    discover(0, 0x19)
    discover(1, 0x65, number)
    link((from, frame) => see(sessionFrame(number, frame, { ethernet: ends(from) })), { addressControl: false })
    if (number === 1) discover(0, 0xa7, number)
  }
  timeUs += 60 * SECOND
  see(discoveryFrame(0x09, [], { ethernet: { source: '02:00:00:00:00:14', target: 'ff:ff:ff:ff:ff:ff' } }))
  return packets
}

/** A call that ends with its connection, one that is refused, one that nobody saw begin, and one that stays. */
function calls(): readonly Packet[] {
  const peers = new Peers().start().call()
  link((from, frame) => peers.gre(from === 0 ? 'client' : 'server', frame), {})
  peers.sequences.client += 3
  peers.gre('client', craft.lcp(REQUEST, 9, []))
  peers.callIds.client = 12
  peers.tcp('client', pptp.outgoingCallRequest({ callId: 12, phoneNumber: '5552' }))
  peers.tcp('server', pptp.outgoingCallReply({ callId: 23, peerCallId: 12, result: 4 }))
  peers.wait(5)
  // A message in two segments.
  const echo = pptp.outgoingCallRequest({ callId: 13, phoneNumber: '5553' })
  peers.tcp('client', echo.subarray(0, 50)).tcp('client', echo.subarray(50))
  peers.tcp('server', pptp.outgoingCallReply({ callId: 24, peerCallId: 13 }))
  peers.flags('client', 0x11).wait(1).flags('server', 0x11)
  peers.wait(40)
  peers.clientPort++
  peers.start().call()
  return peers.run.packets
}

describe.each([
  ['PPPoE', lines(), 10],
  ['PPTP', calls(), 8],
] as const)('%s', (_, packets, least) => {
  test('two sensors tell what one tells, wherever the cut is', () => {
    const whole = wholeOf(packets, OPTIONS)
    expect(inFull(whole, ACCESS).length).toBeGreaterThan(least)
    for (let at = 1; at < packets.length; at++) {
      const { first, second } = cutOff(packets, at, OPTIONS)
      expect(inFull([...first, ...second], ACCESS), `cut at ${at}`).toEqual(inFull(whole, ACCESS))
    }
  })

  test('time in which nobody looked is no silence', () => {
    const at = packets.length - 1
    const { first, second } = cutOff(packets, at, OPTIONS, 0, 90_000 * SECOND)
    const open = [...openIn(first, 'pppoe.session'), ...openIn(first, 'pptp.connection')]
    expect(open.length).toBeGreaterThan(0)
    const closed = second.filter(
      (event) => /^(pppoe.session|pptp.connection).closed$/.test(event['event.action']) && open.includes(uidOf(event)),
    )
    expect(closed.length).toBe(open.length)
    for (const event of closed) expect(event['event.reason']).toBe('the capture ended')
  })

  test('entries that are damaged are refused by name, and the rest is taken up; a full table leaves out the rest', () => {
    const run = new TestSensor(OPTIONS)
    for (const { bytes, timeUs } of packets.slice(0, -4)) run.see(bytes, timeUs)
    const entries = saved(run)
    const pause = { savedUs: run.sensor.nowUs, nowUs: run.sensor.nowUs }
    const take = (from: readonly SavedEntry[], track = {}) =>
      new TestSensor({ track }).sensor.trackers.restore(from, pause)
    expect(take(entries)).toMatchObject({ restored: entries.length, leftOut: 0 })
    for (const [at, entry] of entries.entries())
      for (const broken of damaged(entry)) {
        const { restored, leftOut, problems } = take([...entries.slice(0, at), broken, ...entries.slice(at + 1)])
        expect([restored, leftOut], JSON.stringify(broken)).toEqual([entries.length - 1, 1])
        expect(problems).toEqual([expect.stringContaining(`${entry.kind}: `)])
      }
    const small = take(entries, { pppoeSessionsMax: 1, pptpConnectionsMax: 0 })
    expect(small.leftOut).toBeGreaterThan(0)
    expect(small).toMatchObject({ restored: entries.length - small.leftOut, problems: [] })
  })
})

test('calls that find no room in a connection that does are counted', () => {
  const run = new TestSensor(OPTIONS)
  for (const { bytes, timeUs } of calls()) run.see(bytes, timeUs)
  const entries = saved(run).filter(({ kind }) => kind === 'pptp.connection/1')
  const known = entries.reduce((sum, { saved: connection }) => sum + (connection as { calls: [] }).calls.length, 0)
  expect(known).toBeGreaterThan(0)
  const pause = { savedUs: run.sensor.nowUs, nowUs: run.sensor.nowUs }
  const small = new TestSensor({ track: { pptpCallsMax: 0 } }).sensor.trackers.restore(entries, pause)
  expect(small).toMatchObject({ restored: entries.length, leftOut: known, problems: [] })
})

const uidOf = (event: EventDocument) => event['pppoe.session.uid'] ?? event['pptp.connection.uid'] ?? ''

/** What is open at the end of the events. */
function openIn(events: readonly EventDocument[], what: 'pppoe.session' | 'pptp.connection'): string[] {
  const closed = named(events, `${what}.closed`).map(uidOf)
  return named(events, `${what}.opened`)
    .map(uidOf)
    .filter((uid) => !closed.includes(uid))
}

test.each(['pptp.pcap', 'l2tp-pppoe-lac.pcap'])('%s: the same is told, wherever the cut is', async (name) => {
  const packets = await packetsOf(new URL(`../../pcaps/${name}`, import.meta.url))
  // What was agreed of MPPE is part of its keys, which are not written down.
  const withoutMppe = (events: readonly EventDocument[]) =>
    inFull(events, /^(pppoe|pptp|ppp\.(link|authentication))\./).map((event) =>
      event.replaceAll(/"ppp\.mppe\.[a-z.]+":("[a-z]+"|\w+),/g, ''),
    )
  const whole = withoutMppe(wholeOf(packets, OPTIONS))
  expect(whole.length).toBeGreaterThan(2)
  for (let at = 1; at < packets.length; at += 1 + Math.floor(packets.length / 100)) {
    const { first, second } = cutOff(packets, at, OPTIONS)
    expect(withoutMppe([...first, ...second]), `cut at ${at}`).toEqual(whole)
  }
})
