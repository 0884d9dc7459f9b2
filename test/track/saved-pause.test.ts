/** Time in which nobody looked is no silence: what is told of how things end is what one sensor tells of the packets without the pause. */
import { describe, expect, test } from 'vitest'
import type { EventDocument } from '../../src/events/fields.ts'
import { cutOff, type Packet, packetsOf, wholeOf } from '../support/restart.ts'
import { simulate } from '../support/traffic.ts'
import { translated } from '../support/translate-l2tpv3.ts'

const OPTIONS = { capture: { duplicateWindowMs: 0 } }
const TOLD = /^(l2tp\.(tunnel|session)|ike\.exchange|esp\.(tunnel|association)|pptp\.(connection|call))\./
const HOUR_US = 3_600_000_000

/** What follows from the time is not among them, as ids do. */
const NAMES = [
  'event.action',
  'source.ip',
  'destination.ip',
  'l2tp.session.initiator_id',
  'esp.spi',
  'event.reason',
] as const

/** What happened to what. */
const fates = (events: readonly EventDocument[]) =>
  events
    .filter(({ 'event.action': action }) => TOLD.test(action))
    .map((event) => NAMES.map((field) => event[field] ?? '').join(' '))
    .sort()

function compare(packets: readonly Packet[]): void {
  const whole = fates(wholeOf(packets, OPTIONS))
  expect(whole.length).toBeGreaterThan(2)
  for (let at = 1; at < packets.length; at += 1 + Math.floor(packets.length / 80)) {
    const { first, second } = cutOff(packets, at, OPTIONS, 0, 2 * HOUR_US)
    expect(fates([...first, ...second]), `cut at ${at}`).toEqual(whole)
  }
}

describe('after a pause in which nothing passed', () => {
  const calls = simulate({ clients: 2, seed: 4, sessionsPerTunnel: 2, flowsPerSession: 1 }).packets
  test('L2TP', () => compare(calls))
  test('L2TPv3', () => compare(translated(calls, {})))
  test.each([
    'ipsec-ikev2.pcap',
    'ipsec-psk-main.pcap',
    'ipsec-espnull.pcap',
    'l2tp-flood-real.pcap',
    'l2tp-scan.pcap',
    'pptp.pcap',
  ])('%s', async (name) => compare(await packetsOf(new URL(`../../pcaps/${name}`, import.meta.url))))
})
