/**
 * IKE in captures of a laboratory, where it is known who tried what and how it ended, against what the sensor tells.
 *
 * The captures are not part of the project. They are looked for beside it, or where BORESCOPE_CAPTURES says.
 */
import { existsSync } from 'node:fs'
import { join, resolve } from 'node:path'
import { describe, expect, test } from 'vitest'
import type { EventDocument } from '../src/events/fields.ts'
import { eventsOfFile } from './support/sensor.ts'

const FOLDER = resolve(process.env['BORESCOPE_CAPTURES'] ?? join(import.meta.dirname, '../../shared/captures'))
const isAbsent = !existsSync(FOLDER)
if (isAbsent) {
  process.stderr.write(
    `\nSKIPPED test/ike-ground-truth.test.ts: no captures at ${FOLDER}; set BORESCOPE_CAPTURES to a folder of them\n\n`,
  )
}

const STARTED = 'ike.exchange.started'
const ESTABLISHED = 'ike.exchange.established'
const FAILED = 'ike.exchange.failed'
const CLOSED = 'ike.exchange.closed'
const POSTURE = 'ike.posture.observed'

const MODERN = 'AES-CBC-256/SHA2-256/modp2048'
const OLD = 'AES-CBC-128/SHA1/modp1024'

async function lab(name: string): Promise<Ike> {
  const events = await eventsOfFile(join(FOLDER, 'lab', `${name}.pcap`))
  return new Ike(events.filter((event) => event['event.action'].startsWith('ike.')))
}

class Ike {
  readonly #events: readonly EventDocument[]

  constructor(events: readonly EventDocument[]) {
    this.#events = events
  }

  of(name: string, where: Partial<EventDocument> = {}): readonly EventDocument[] {
    const wanted = Object.entries(where) as [keyof EventDocument, unknown][]
    return this.#events.filter(
      (event) => event['event.action'] === name && wanted.every(([field, value]) => event[field] === value),
    )
  }

  /** Started, established, failed, closed. */
  get counts(): readonly number[] {
    return [STARTED, ESTABLISHED, FAILED, CLOSED].map((name) => this.of(name).length)
  }
}

describe.skipIf(isAbsent)('one SA that works', () => {
  test.each([
    ['ipsec-psk-main', `${MODERN}/PSK`, 'none', undefined],
    ['ipsec-espnull', 'AES-CBC-128/SHA1/modp2048/PSK', 'none', undefined],
    ['ipsec-psk-forceencaps', `${OLD}/PSK`, 'both', true],
  ])('%s is established once, with the suite of its configuration', async (name, chosen, nat, isFloated) => {
    const ike = await lab(name)
    expect(ike.counts).toEqual([1, 1, 0, 1])
    const [established] = ike.of(ESTABLISHED)
    expect(established).toMatchObject({
      'source.ip': '10.99.0.11',
      'destination.ip': '10.99.0.1',
      'ike.mode': 'main',
      'ike.phase': 'main mode message 6',
      'ike.proposal.chosen': chosen,
      'ike.authentication.method': 'PSK',
      'ike.nat.detected': nat,
    })
    expect(established['ike.nat.floated']).toBe(isFloated)
    expect(ike.of(CLOSED)[0]).toMatchObject({ 'ike.uid': established['ike.uid'], 'ike.child_exchanges': 1 })
  })

  test('two clients behind one NAT are two SAs', async () => {
    const ike = await lab('ipsec-psk-nat')
    expect(ike.counts).toEqual([2, 2, 0, 2])
    for (const event of ike.of(ESTABLISHED)) {
      expect(event).toMatchObject({
        'source.ip': '10.99.0.254',
        'ike.nat.detected': 'initiator',
        'ike.nat.floated': true,
      })
    }
  })

  test('certificates: main mode hides them, aggressive mode shows identities and, put together from fragments, the subject', async () => {
    const ike = await lab('ipsec-cert')
    expect(ike.counts).toEqual([2, 2, 0, 2])
    const [main, aggressive] = ike.of(ESTABLISHED)
    expect(main).toMatchObject({ 'ike.mode': 'main', 'ike.proposal.chosen': `${MODERN}/RSA-SIG` })
    expect(main['ike.responder.identity']).toBeUndefined()
    expect(aggressive).toMatchObject({
      'ike.mode': 'aggressive',
      'ike.initiator.identity': 'alice.corp.example',
      'ike.responder.identity': 'lns.corp.example',
    })
    expect(aggressive).toMatchObject({
      'ike.responder.certificate': 'C=DE, O=Corp Example, CN=lns.corp.example',
      'ike.responder.certificate_issuer': 'C=DE, O=Corp Example, CN=Corp VPN CA',
      'ike.responder.certificate_serial': '317c7fcd086b46006f5b549e84c78bd9b8d5f96a',
      'ike.responder.certificate_names': ['DNS:lns.corp.example'],
      'ike.responder.certificate_key': 'rsa 2048',
      'ike.responder.certificate_expires': '2029-01-31T15:15:10.000000Z',
    })
    expect(ike.of(POSTURE, { 'source.ip': '10.99.0.1' }).at(-1)).toMatchObject({
      'ike.posture.role': 'gateway',
      'ike.posture.modes': ['aggressive', 'main'],
      'ike.posture.certificate': 'C=DE, O=Corp Example, CN=lns.corp.example',
      'ike.posture.weaknesses': ['version_1'],
    })
    expect(aggressive['ike.hash_exposed']).toBeUndefined()
  })
})

describe.skipIf(isAbsent)('aggressive mode with a pre-shared key', () => {
  test('exposes the hash, to the client as to the scanner', async () => {
    const ike = await lab('ipsec-aggressive')
    expect(ike.counts).toEqual([2, 1, 1, 1])
    expect(ike.of(ESTABLISHED)[0]).toMatchObject({
      'source.ip': '10.99.0.11',
      'ike.initiator.identity': 'vpngroup',
      'ike.responder.identity': 'vpn.corp.example',
      'ike.hash_exposed': true,
    })
    expect(ike.of(FAILED)[0]).toMatchObject({
      'source.ip': '10.99.0.66',
      'ike.initiator.identity': 'vpngroup',
      'ike.phase': 'aggressive mode message 2',
      'ike.hash_exposed': true,
    })
  })
})

describe.skipIf(isAbsent)('wrong pre-shared keys', () => {
  test('nine main modes fail after message 5, aggressive mode after message 2, and one proposal is refused', async () => {
    const ike = await lab('ipsec-wrongpsk')
    expect(ike.counts).toEqual([11, 0, 11, 0])
    const guesses = ike.of(FAILED, { 'ike.phase': 'main mode message 5' })
    expect(guesses).toHaveLength(9)
    for (const event of guesses) {
      expect(event).toMatchObject({
        'event.outcome': 'failure',
        'ike.failure.inferred': true,
        'ike.closed_by': 'responder',
      })
    }
    expect(new Set(guesses.map((event) => event['ike.initiator.cookie'])).size).toBe(9)
    expect(ike.of(FAILED, { 'ike.mode': 'aggressive' })).toMatchObject([
      { 'ike.hash_exposed': true, 'ike.closed_by': 'initiator', 'event.outcome': 'failure' },
    ])
    expect(ike.of(FAILED, { 'ike.notification': 'NO-PROPOSAL-CHOSEN' })).toMatchObject([
      { 'ike.proposal.offered': ['3DES-CBC/MD5/modp768/PSK'] },
    ])
  })

  test('gateways show what they accept to whoever asks', async () => {
    const ike = await lab('ike-scan')
    const [last] = ike.of(POSTURE, { 'source.ip': '10.99.0.1' }).slice(-1)
    expect(last).toMatchObject({
      'ike.posture.role': 'gateway',
      'ike.posture.is_changed': true,
      'ike.posture.level': 'deprecated',
      'ike.posture.modes': ['aggressive', 'main'],
      'ike.posture.weaknesses': ['3des', 'hash_exposed', 'modp1024', 'sha1', 'version_1'],
    })
    expect(last['ike.posture.suites']).toEqual(
      expect.arrayContaining([
        '3DES-CBC/SHA1/modp1024/PSK',
        'AES-CBC-128/SHA1/modp1024/PSK',
        'AES-CBC-256/SHA2-256/modp2048/PSK',
      ]),
    )
    expect(ike.of(POSTURE, { 'source.ip': '10.99.0.66' })).toEqual([])
  })

  test('a client that then goes without IPsec failed first', async () => {
    const ike = await lab('l2tp-ipsec-downgrade')
    expect(ike.counts).toEqual([2, 1, 1, 1])
    expect(ike.of(ESTABLISHED)[0]['source.ip']).toBe('10.99.0.11')
    expect(ike.of(FAILED)[0]).toMatchObject({ 'source.ip': '10.99.0.12', 'ike.phase': 'main mode message 5' })
  })
})

describe.skipIf(isAbsent)('rekeying', () => {
  test('five SAs are established and stay so; the sixth asks a host that was unplugged', async () => {
    const ike = await lab('ipsec-rekey-dpd')
    expect(ike.counts).toEqual([6, 5, 1, 5])
    const children = ike.of(CLOSED).reduce((sum, event) => sum + (event['ike.child_exchanges'] ?? 0), 0)
    expect(children).toBeGreaterThanOrEqual(7)
    expect(ike.of(FAILED)).toMatchObject([
      { 'ike.phase': 'main mode message 1', 'event.outcome': 'unknown', 'ike.retransmissions': 2 },
    ])
  })

  test('they are one line of reauthentications; four are deleted, and the last one has lost its peer', async () => {
    const ike = await lab('ipsec-rekey-dpd')
    const established = ike.of(ESTABLISHED)
    expect(established.map((event) => event['ike.generation'])).toEqual([undefined, 2, 3, 4, 5])
    for (const [i, event] of established.slice(1).entries())
      expect(event).toMatchObject({
        'ike.predecessor.uid': established[i]['ike.uid'],
        'ike.predecessor.relation': 'reauthentication',
      })
    // Who sent the last notice of each SA, by the capture.
    expect(ike.of(CLOSED).map((event) => [event['ike.end'], event['ike.closed_by'], event['source.ip']])).toEqual([
      ['replaced', 'responder', '10.99.0.11'],
      ['replaced', 'initiator', '10.99.0.1'],
      ['replaced', 'responder', '10.99.0.11'],
      ['replaced', 'initiator', '10.99.0.11'],
      ['capture_end', 'capture_end', '10.99.0.1'],
    ])
    expect(ike.of(CLOSED).at(-1)).toMatchObject({
      'event.reason': '2 checks unanswered, the capture ended',
      'ike.liveness.unanswered': 2,
    })
    const checks = ike.of(CLOSED).flatMap((event) => event['ike.liveness.interval_ms'] ?? [])
    expect(checks).toContain(5005)
  })
})

describe.skipIf(isAbsent)('IKEv2', () => {
  test('three SAs work, a wrong password and a wrong key do not, and INVALID_KE_PAYLOAD only costs a round', async () => {
    const ike = await lab('ipsec-ikev2')
    expect(ike.counts).toEqual([5, 3, 2, 3])
    expect(ike.of(ESTABLISHED).map((event) => event['ike.notification'])).toEqual([
      'INVALID_KE_PAYLOAD',
      undefined,
      undefined,
    ])
    for (const event of ike.of(FAILED)) {
      expect(event).toMatchObject({
        'event.outcome': 'failure',
        'ike.failure.inferred': true,
        'ike.phase': 'IKE_AUTH response',
      })
    }
    expect(ike.of(ESTABLISHED)[0]).toMatchObject({
      'ike.group_requested': 'modp2048',
      'ike.proposal.best_offered': 'strong',
    })
    for (const event of ike.of(ESTABLISHED)) {
      expect(event).toMatchObject({
        'ike.version': '2.0',
        'ike.proposal.chosen': 'ENCR_AES_CBC_256/PRF_HMAC_SHA2_256/AUTH_HMAC_SHA2_256_128/modp2048',
        'ike.nat.detected': 'none',
        'ike.nat.floated': true,
      })
    }
  })
})

describe.skipIf(isAbsent)('scanners', () => {
  test('sixty single-transform probes: three are accepted, fifty-seven refused', async () => {
    const ike = await lab('ike-scan')
    const probes = ike.of(FAILED, { 'ike.mode': 'main', 'ike.proposal.count': 1 })
    expect(probes).toHaveLength(60)
    expect(probes.filter((event) => event['ike.notification'] === 'NO-PROPOSAL-CHOSEN')).toHaveLength(57)
    const accepted = probes.flatMap((event) => event['ike.proposal.chosen'] ?? [])
    expect(accepted.sort()).toEqual([
      '3DES-CBC/SHA1/modp1024/PSK',
      'AES-CBC-128/SHA1/modp1024/PSK',
      'AES-CBC-256/SHA2-256/modp2048/PSK',
    ])
    expect(ike.of(ESTABLISHED)).toEqual([])
    expect(ike.of(STARTED).length).toBe(ike.of(FAILED).length)
  })

  test('seven group ids are tried in aggressive mode: one gets a hash, six AUTHENTICATION-FAILED', async () => {
    const ike = await lab('ike-scan')
    const groups = ike.of(FAILED, { 'ike.mode': 'aggressive', 'ike.proposal.count': 1 })
    expect(groups.map((event) => event['ike.initiator.identity']).sort()).toEqual([
      'admin',
      'cisco',
      'default',
      'group1',
      'l2tp',
      'remote',
      'vpn',
    ])
    expect(groups.filter((event) => event['ike.hash_exposed'])).toMatchObject([{ 'ike.initiator.identity': 'vpn' }])
    expect(groups.filter((event) => event['ike.notification'] === 'AUTHENTICATION-FAILED')).toHaveLength(6)
  })

  test('a sweep that nobody answers is one attempt a host and probe', async () => {
    const ike = await lab('l2tp-scan')
    expect(ike.of(STARTED)).toHaveLength(27)
    expect(ike.of(FAILED)).toHaveLength(27)
    for (const event of ike.of(FAILED)) expect(event['ike.responder.cookie']).toBeUndefined()
  })

  test('a flood of first messages with spoofed sources is told message by message', async () => {
    const ike = await lab('synth-attacks')
    expect(ike.counts).toEqual([800, 0, 800, 0])
    expect(new Set(ike.of(STARTED).map((event) => event['ike.uid'])).size).toBe(800)
  })
})
