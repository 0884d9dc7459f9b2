/**
 * What is known of real captures, from the notes of the laboratory in which they were made, against what the sensor tells.
 *
 * The captures are not part of the project. They are looked for beside it, or where BORESCOPE_CAPTURES says.
 */
import { existsSync, readdirSync } from 'node:fs'
import { join, resolve } from 'node:path'
import { describe, expect, test } from 'vitest'
import { CaptureError } from '../src/capture/sources.ts'
import type { EventDocument } from '../src/events/fields.ts'
import { countsOf, eventsOfFile, named, type SensorOptions } from './support/sensor.ts'

const FOLDER = resolve(process.env['BORESCOPE_CAPTURES'] ?? join(import.meta.dirname, '../../shared/captures'))
const isAbsent = !existsSync(FOLDER)
if (isAbsent) {
  process.stderr.write(
    `\nSKIPPED test/ground-truth.test.ts: no captures at ${FOLDER}; set BORESCOPE_CAPTURES to a folder of them\n\n`,
  )
}

const lab = (name: string, options: SensorOptions = {}) => eventsOfFile(join(FOLDER, 'lab', `${name}.pcap`), options)
const variant = (file: string) => eventsOfFile(join(FOLDER, 'variants', file))

interface Session {
  /** Of the initiator and of the responder. */
  readonly tunnelIds: readonly [number, number]
  readonly sessionIds: readonly [number, number]
  readonly host: string
  readonly user: string
  readonly method: string
  readonly addresses?: readonly [client: string, server: string]
  readonly source?: string
}

const ALICE = { host: 'alice', user: 'alice', addresses: ['192.168.42.10', '192.168.42.1'] } as const

/** Captures of one client that logs in once. */
const SESSIONS: Record<string, Session> = {
  'l2tp-chap': { ...ALICE, tunnelIds: [49421, 30108], sessionIds: [34942, 24952], method: 'CHAP-MD5' },
  'l2tp-eapmd5': { ...ALICE, tunnelIds: [25832, 48848], sessionIds: [17488, 39054], method: 'EAP-MD5' },
  'l2tp-frag': { ...ALICE, tunnelIds: [18078, 39018], sessionIds: [59824, 22700], method: 'MS-CHAPv2' },
  'l2tp-inner': { ...ALICE, tunnelIds: [18616, 6439], sessionIds: [5997, 42651], method: 'MS-CHAPv2' },
  'l2tp-inner-attack': {
    tunnelIds: [56282, 32045],
    sessionIds: [29488, 51852],
    host: 'bob',
    user: 'bob',
    method: 'MS-CHAPv2',
    addresses: ['192.168.42.10', '192.168.42.1'],
    source: '10.99.0.12',
  },
  'l2tp-ipsec-downgrade': {
    tunnelIds: [51875, 49313],
    sessionIds: [55755, 61502],
    host: 'bob',
    user: 'bob',
    method: 'PAP',
    addresses: ['192.168.42.11', '192.168.42.1'],
    source: '10.99.0.12',
  },
  'l2tp-mppe': { ...ALICE, tunnelIds: [49897, 240], sessionIds: [51430, 24985], method: 'MS-CHAPv2' },
  'l2tp-mschapv2': { ...ALICE, tunnelIds: [10195, 4960], sessionIds: [53792, 50150], method: 'MS-CHAPv2' },
  'l2tp-pap': { ...ALICE, tunnelIds: [0, 42012], sessionIds: [34850, 61592], method: 'PAP' },
  'l2tp-pppoe-lac': {
    tunnelIds: [2, 7832],
    sessionIds: [2, 1221],
    host: 'bras',
    user: 'carol@isp.example',
    method: 'CHAP-MD5',
    addresses: ['192.168.42.10', '192.168.42.1'],
    source: '10.99.0.20',
  },
  'l2tp-seq': { ...ALICE, tunnelIds: [38946, 64521], sessionIds: [64335, 60748], method: 'CHAP-MD5' },
  'l2tp-userspace': { ...ALICE, tunnelIds: [21590, 41021], sessionIds: [58776, 28886], method: 'CHAP-MD5' },
}

const VENDORS: Record<string, string> = { bras: 'Linux L2TPNS' }
/** All but these ended with the client's StopCCN. */
const UNFINISHED = new Set(['l2tp-pppoe-lac'])

function only(events: readonly EventDocument[], name: Parameters<typeof named>[1]): EventDocument {
  const found = named(events, name)
  expect(found).toHaveLength(1)
  return found[0]
}

/** The bytes that the flow to a server's port carried from the server, the largest first. */
function served(events: readonly EventDocument[], port: number): number[] {
  const flows = named(events, 'flow.closed').filter((flow) => flow['destination.port'] === port)
  return flows.map((flow) => flow['destination.bytes'] as number).sort((a, b) => b - a)
}

describe.skipIf(isAbsent)('one client, one log-in', () => {
  test.each(Object.entries(SESSIONS))('%s', async (name, truth) => {
    const events = await lab(name)
    const tunnel = only(events, 'l2tp.tunnel.closed')
    expect(tunnel).toMatchObject({
      'source.ip': truth.source ?? '10.99.0.11',
      'destination.ip': '10.99.0.1',
      'l2tp.tunnel.responder_id': truth.tunnelIds[1],
      'l2tp.initiator.host_name': truth.host,
      'l2tp.initiator.vendor_name': VENDORS[truth.host] ?? 'xelerance.com',
      'l2tp.responder.host_name': 'lns',
      'l2tp.responder.vendor_name': 'xelerance.com',
      'l2tp.tunnel.sessions': 1,
      'l2tp.control.anomalies': 0,
      'l2tp.closed_by': UNFINISHED.has(name) ? 'capture_end' : 'initiator',
    })
    if (truth.tunnelIds[0] !== 0) expect(tunnel['l2tp.tunnel.initiator_id']).toBe(truth.tunnelIds[0])
    expect(only(events, 'l2tp.session.closed')).toMatchObject({
      'l2tp.session.initiator_id': truth.sessionIds[0],
      'l2tp.session.responder_id': truth.sessionIds[1],
      'l2tp.session.kind': 'incoming',
      'user.name': truth.user,
    })
    expect(only(events, 'ppp.authentication.succeeded')).toMatchObject({
      'user.name': truth.user,
      'ppp.authentication.method': truth.method,
    })
    expect(named(events, 'ppp.authentication.failed')).toEqual([])
    expect(only(events, 'ppp.link.opened')).toMatchObject({
      'ppp.client.ip': truth.addresses?.[0],
      'ppp.server.ip': truth.addresses?.[1],
    })
    expect(named(events, 'protocol.anomaly')).toEqual([])
    expect(named(events, 'l2tp.control.unexpected')).toEqual([])
    expect(named(events, 'l2tp.control.out_of_order')).toEqual([])
  })
})

describe.skipIf(isAbsent)('what runs inside', () => {
  test.each(['l2tp-chap', 'l2tp-eapmd5', 'l2tp-frag', 'l2tp-mschapv2', 'l2tp-pap', 'l2tp-seq', 'l2tp-userspace'])(
    '%s: a download of 200000 bytes over HTTP',
    async (name) => {
      const events = await lab(name)
      const [flow, ...others] = named(events, 'flow.closed').filter((event) => event['network.transport'] === 'tcp')
      expect(others).toEqual([])
      expect(flow).toMatchObject({ 'flow.tcp.state': 'closed', 'source.ip': '192.168.42.10', 'user.name': 'alice' })
      expect(flow['destination.bytes']).toBeGreaterThan(200_000)
      expect(flow['destination.bytes']).toBeLessThan(220_000)
      expect(flow['outer.source.ip']).toBe('10.99.0.11')
    },
  )

  test('with MPPE nothing but its strength and the number of packets', async () => {
    const events = await lab('l2tp-mppe')
    expect(only(events, 'ppp.link.closed')).toMatchObject({ 'ppp.mppe.bits': 128 })
    expect(only(events, 'ppp.link.closed')['ppp.packets.encrypted']).toBeGreaterThan(150)
    expect(served(events, 80)).toEqual([])
  })

  test('with MPPE and the password of the user all that is inside', async () => {
    const events = await lab('l2tp-mppe', { passwords: [{ user: 'alice', password: 'S3cret-alice' }] })
    expect(only(events, 'ppp.authentication.succeeded')).toMatchObject({
      'ppp.authentication.verdict': 'verified',
      'ppp.authentication.server_verdict': 'verified',
    })
    expect(only(events, 'ppp.encryption.agreed')).toMatchObject({
      'ppp.mppe.bits': 128,
      'ppp.mppe.stateless': true,
      'ppp.mppe.key': 'known',
    })
    expect(only(events, 'ppp.link.closed')).toMatchObject({
      'ppp.packets.encrypted': 230,
      'ppp.mppe.packets.opened': 230,
      'ppp.mppe.packets.unopened': 0,
      'ppp.mppe.packets.lost': 0,
    })
    const [flow, ...others] = named(events, 'flow.closed').filter((event) => event['network.transport'] === 'tcp')
    expect(others).toEqual([])
    expect(flow).toMatchObject({ 'source.ip': '192.168.42.10', 'flow.tcp.state': 'closed', 'user.name': 'alice' })
    expect(flow['destination.port']).toBe(80)
    expect(only(events, 'http.requested')).toMatchObject({ 'flow.uid': flow['flow.uid'], 'user.name': 'alice' })
    expect(flow['destination.bytes']).toBeGreaterThan(200_000)
    expect(flow['destination.bytes']).toBeLessThan(220_000)
  })

  test('with MPPE and the wrong password that the password is another', async () => {
    const events = await lab('l2tp-mppe', { passwords: [{ user: 'alice', password: 'not hers' }] })
    expect(only(events, 'ppp.authentication.succeeded')).toMatchObject({ 'ppp.authentication.verdict': 'wrong_secret' })
    expect(only(events, 'ppp.link.closed')).toMatchObject({
      'ppp.mppe.key': 'wrong_secret',
      'ppp.mppe.packets.opened': 0,
    })
    expect(served(events, 80)).toEqual([])
  })

  test('PPTP: two calls of one user, the second with another password', async () => {
    const events = await lab('pptp', { passwords: [{ user: 'alice', password: 'pw-alice' }] })
    // The client kept its control connection.
    expect(only(events, 'pptp.connection.opened')).toMatchObject({
      'source.ip': '10.99.0.11',
      'destination.ip': '10.99.0.1',
      'destination.port': 1723,
    })
    const calls = named(events, 'pptp.call.opened')
    expect(calls).toHaveLength(2)
    expect(named(events, 'ppp.authentication.succeeded')).toMatchObject([
      {
        'user.name': 'alice',
        'ppp.authentication.method': 'MS-CHAPv2',
        'ppp.authentication.verdict': 'verified',
        'ppp.authentication.server_verdict': 'verified',
        'pptp.call.uid': calls[0]['pptp.call.uid'],
      },
    ])
    expect(named(events, 'ppp.authentication.failed')).toMatchObject([
      {
        'user.name': 'alice',
        'ppp.error.code': 691,
        'ppp.authentication.verdict': 'wrong_secret',
        'pptp.call.uid': calls[1]['pptp.call.uid'],
      },
    ])
    expect(named(events, 'ppp.link.opened')).toMatchObject([
      { 'ppp.client.ip': '192.168.45.10', 'ppp.server.ip': '192.168.45.1', 'ppp.mppe.bits': 128 },
    ])
    // The one whose login was refused ended first.
    expect(named(events, 'ppp.link.closed')).toMatchObject([
      { 'pptp.call.uid': calls[1]['pptp.call.uid'], 'ppp.phase': 'authenticate' },
      {
        'pptp.call.uid': calls[0]['pptp.call.uid'],
        'ppp.packets.encrypted': 16,
        'ppp.mppe.packets.opened': 16,
        'ppp.mppe.packets.unopened': 0,
      },
    ])
    // Five echo requests, each answered, of 84 bytes.
    expect(named(events, 'flow.closed').filter((event) => event['network.transport'] === 'icmp')).toMatchObject([
      {
        'source.ip': '192.168.45.10',
        'destination.ip': '192.168.45.1',
        'source.packets': 5,
        'source.bytes': 420,
        'destination.packets': 5,
        'pptp.call.uid': calls[0]['pptp.call.uid'],
        'outer.source.ip': '10.99.0.11',
      },
    ])
    expect(named(events, 'pptp.call.closed')).toHaveLength(2)
    expect(named(events, 'protocol.anomaly')).toEqual([])
  })

  test('data messages with sequence numbers, none lost', async () => {
    expect(only(await lab('l2tp-seq'), 'l2tp.session.closed')).toMatchObject({
      'l2tp.session.sequenced': true,
      'l2tp.session.lost': 0,
      'l2tp.session.reordered': 0,
    })
  })

  test('VJ compression is agreed upon, and undone', async () => {
    expect(only(await lab('l2tp-userspace'), 'ppp.link.opened')['ppp.compression']).toEqual(['pfc', 'acfc', 'vj'])
  })

  test('ping, DNS, HTTP, SMB, SSH and iperf of one user', async () => {
    const events = await lab('l2tp-inner')
    const flows = named(events, 'flow.closed')
    const to = (port: number) => flows.filter((flow) => flow['destination.port'] === port)
    expect(to(53).length).toBeGreaterThanOrEqual(4)
    expect(Math.max(...served(events, 8080), ...served(events, 80))).toBeGreaterThan(200_000)
    expect(to(445).length).toBeGreaterThanOrEqual(1)
    expect(to(22).length).toBeGreaterThanOrEqual(1)
    const iperf = to(5201)
    expect(Math.max(...iperf.map((flow) => flow['source.bytes'] as number))).toBeGreaterThan(3_000_000)
    expect(Math.max(...served(events, 5201))).toBeGreaterThan(3_000_000)
    expect(flows.some((flow) => flow['network.transport'] === 'ipv6-icmp')).toBe(true)
    expect(flows.every((flow) => flow['user.name'] === 'alice')).toBe(true)
  })

  test('a port scan, a ping sweep, guesses over SSH, and an upload', async () => {
    const flows = named(await lab('l2tp-inner-attack'), 'flow.closed')
    const bob = flows.filter((flow) => flow['source.ip'] === '192.168.42.10')
    const scanned = new Set(
      bob.filter((flow) => flow['network.transport'] === 'tcp').map((flow) => flow['destination.port']),
    )
    expect(scanned.size).toBeGreaterThanOrEqual(300)
    expect(bob.filter((flow) => flow['flow.tcp.state'] === 'refused').length).toBeGreaterThan(200)
    const pinged = new Set(
      bob.filter((flow) => flow['network.transport'] === 'icmp').map((flow) => flow['destination.ip']),
    )
    expect(pinged.size).toBeGreaterThanOrEqual(40)
    const uploads = bob
      .filter((flow) => flow['destination.port'] === 8080)
      .map((flow) => flow['source.bytes'] as number)
    expect(Math.max(...uploads)).toBeGreaterThan(2_000_000)
    expect(
      bob.filter((flow) => flow['destination.port'] === 22 && (flow['destination.bytes'] as number) > 1000).length,
    ).toBeGreaterThanOrEqual(3)
  })
})

describe.skipIf(isAbsent)('L2TPv3 tunnels that were set up by hand', () => {
  /** By the session id of the far end: that of the near end, octets of the cookie, packets in both directions. */
  const TUNNELS: Record<number, readonly [near: number, cookieBytes: number, packets: number]> = {
    2001: [1001, 0, 36],
    2002: [1002, 4, 12],
    2003: [1003, 8, 245],
    2004: [1004, 0, 12],
    2005: [1005, 4, 12],
  }

  test('each is one tunnel with one session, laid out as it was configured', async () => {
    const events = await lab('l2tpv3-static')
    const sessions = named(events, 'l2tp.session.closed')
    expect(sessions).toHaveLength(5)
    for (const session of sessions) {
      const [near, cookieBytes, packets] = TUNNELS[session['l2tp.session.responder_id'] as number]
      expect(session).toMatchObject({
        'l2tp.version': 3,
        'l2tp.session.initiator_id': near,
        'l2tp.session.pseudowire': 'Ethernet',
        'l2tp.session.cookie_bytes': cookieBytes,
        'l2tp.session.sublayer': 'default',
        'network.packets': packets,
        'l2tp.session.cookie_mismatches': undefined,
      })
    }
    const numbered = sessions.filter((session) => session['l2tp.session.sequenced'] === true)
    expect(numbered.map((session) => session['l2tp.session.responder_id'])).toEqual([2004])
    expect(numbered[0]).toMatchObject({ 'l2tp.session.lost': 0, 'l2tp.session.reordered': 0 })
    const tunnels = named(events, 'l2tp.tunnel.adopted')
    expect(tunnels.map((tunnel) => tunnel['l2tp.tunnel.unmanaged'])).toEqual(Array(5).fill(true))
    expect(tunnels.map((tunnel) => tunnel['destination.port'])).toEqual([1701, 5000, undefined, 1702, 1701])
    expect(countsOf(events)['protocol.anomaly']).toBeUndefined()
    expect(countsOf(events)['l2tp.control.unknown']).toBeUndefined()
  })

  test('the page fetched through the one over IP has its size, in the session that carried it', async () => {
    const events = await lab('l2tpv3-static')
    const [page] = named(events, 'flow.closed').filter((flow) => flow['destination.port'] === 80)
    expect(page['destination.bytes']).toBeGreaterThan(200_000)
    const [carrier] = named(events, 'l2tp.session.closed').filter(
      (session) => session['l2tp.session.uid'] === page['l2tp.session.uid'],
    )
    expect(carrier['network.transport']).toBe('115')
  })
})

describe.skipIf(isAbsent)('attacks', () => {
  test('guessed passwords: 25 tunnels, 24 failures, 1 success', async () => {
    const events = await lab('l2tp-bruteforce-mschapv2')
    expect(countsOf(events)).toMatchObject({
      'l2tp.tunnel.requested': 25,
      'l2tp.tunnel.opened': 25,
      'l2tp.tunnel.closed': 25,
      'l2tp.session.opened': 25,
      'l2tp.session.closed': 25,
      'ppp.authentication.failed': 24,
      'ppp.authentication.succeeded': 1,
    })
    for (const event of named(events, 'ppp.authentication.failed')) {
      expect(event).toMatchObject({
        'user.name': 'alice',
        'source.ip': '10.99.0.66',
        'ppp.error.code': 691,
        'ppp.authentication.attempts': 1,
      })
    }
  })

  test('60 tunnels from one host', async () => {
    const counts = countsOf(await lab('l2tp-flood-real'))
    expect(counts).toMatchObject({
      'l2tp.tunnel.requested': 60,
      'l2tp.tunnel.opened': 60,
      'l2tp.tunnel.closed': 60,
      'l2tp.session.opened': 60,
    })
    expect(counts['l2tp.tunnel.failed']).toBeUndefined()
    expect(counts['ppp.authentication.succeeded']).toBeUndefined()
  })

  test('the shared secret tells the right client from the wrong one', async () => {
    const events = await lab('l2tp-tunnelauth', { secrets: ['tunnelsecret'] })
    const verdicts = named(events, 'l2tp.tunnel.authenticated').map((event) => [
      event['l2tp.initiator.host_name'],
      event['l2tp.message.type'],
      event['l2tp.authentication.verdict'],
    ])
    expect(verdicts).toEqual([
      ['alice', 'SCCRP', 'verified'],
      ['alice', 'SCCCN', 'verified'],
      ['mallory', 'SCCRP', 'verified'],
    ])
    expect(only(events, 'l2tp.tunnel.opened')).toMatchObject({
      'l2tp.initiator.host_name': 'alice',
      'l2tp.authentication.method': 'mutual',
    })
    expect(only(events, 'l2tp.tunnel.failed')).toMatchObject({
      'l2tp.initiator.host_name': 'mallory',
      'l2tp.closed_by': 'initiator',
      'l2tp.error.message': 'Invalid challenge authentication',
    })
    expect(only(events, 'ppp.authentication.succeeded')).toMatchObject({
      'user.name': 'alice',
      'ppp.authentication.method': 'CHAP-MD5',
    })
  })

  test('SoftEther: one session that works, one wrong password, and a CDN that crosses a StopCCN', async () => {
    const events = await lab('softether-raw')
    expect(countsOf(events)).toMatchObject({
      'l2tp.tunnel.closed': 2,
      'l2tp.session.closed': 2,
      'ppp.authentication.failed': 1,
      'ppp.authentication.succeeded': 1,
    })
    expect(only(events, 'ppp.link.opened')).toMatchObject({
      'ppp.client.ip': '192.168.30.10',
      'ppp.server.ip': '192.168.30.1',
      'l2tp.responder.host_name': 'lns',
    })
    expect(only(events, 'ppp.authentication.failed')).toMatchObject({ 'user.name': 'alice', 'ppp.error.code': 691 })
    expect(named(events, 'l2tp.control.unexpected')).toEqual([])
  })

  test('a scan of 9 hosts and a service scan', async () => {
    const events = await lab('l2tp-scan')
    const asked = named(events, 'l2tp.tunnel.requested')
    expect(new Set(asked.map((event) => event['destination.ip'])).size).toBe(9)
    expect(asked.every((event) => event['l2tp.initiator.host_name'] === 'nxp-scan')).toBe(true)
    expect(named(events, 'l2tp.tunnel.failed')).toHaveLength(asked.length)
    expect(named(events, 'l2tp.tunnel.opened')).toEqual([])
  })

  test('made attacks on a real server', async () => {
    const events = await lab('synth-attacks')
    const flood = named(events, 'l2tp.tunnel.requested').filter(
      (event) => event['l2tp.initiator.vendor_name'] === 'flood',
    )
    const from = (source: string) =>
      flood.filter((event) => event['source.ip'] === source && event['l2tp.initiator.host_name'] === 'mallory')
    expect(from('10.99.0.66')).toHaveLength(600)
    const spoofed = named(events, 'l2tp.tunnel.requested').filter((event) => {
      const last = Number(String(event['source.ip']).split('.')[3])
      return last >= 100 && last <= 240
    })
    expect(spoofed).toHaveLength(1500)
    const guesses = named(events, 'l2tp.control.unknown').filter((event) => event['l2tp.message.type'] === 'data')
    expect(new Set(guesses.map((event) => event['l2tp.session.target_id'])).size).toBe(40)
    expect(
      named(events, 'l2tp.tunnel.requested').filter((event) =>
        String(event['l2tp.initiator.host_name']).startsWith('fragmented-host-name'),
      ),
    ).toHaveLength(1)

    const alice = named(events, 'l2tp.tunnel.closed')
    expect(alice).toHaveLength(1)
    expect(alice[0]).toMatchObject({ 'l2tp.tunnel.responder_id': 12245, 'l2tp.closed_by': 'initiator' })
    expect(only(events, 'l2tp.session.closed')).toMatchObject({
      'l2tp.session.responder_id': 51425,
      'user.name': 'alice',
    })
    const forged = named(events, 'l2tp.control.out_of_order').filter(
      (event) => event['l2tp.message.type'] === 'StopCCN',
    )
    expect(forged.length).toBeGreaterThanOrEqual(2)
    expect(named(events, 'protocol.anomaly').some((event) => event['anomaly.name'] === 'l2tp.foreign_source')).toBe(
      true,
    )
  })

  test('each malformed datagram has a named anomaly', async () => {
    const anomalies = named(await lab('synth-attacks'), 'protocol.anomaly')
    const expected = [
      'l2tp.avp_length',
      'l2tp.avp_length',
      'l2tp.avp_length',
      'l2tp.length',
      'l2tp.length',
      'l2tp.control_flags',
      null,
      'l2tp.version',
      'l2tp.control_flags',
      'l2tp.avp_unknown_mandatory',
      'l2tp.avp_vendor_mandatory',
      'l2tp.avp_order',
      'l2tp.message_unknown',
      'l2tp.avp_oversized',
      'l2tp.avp_suspicious_text',
      'l2tp.avp_no_vector',
      'l2tp.offset',
      'l2tp.length',
      'l2tp.truncated',
      'l2tp.truncated',
      'l2tp.truncated',
      'l2tp.avp_duplicate',
      'l2tp.avp_empty_text',
      'l2tp.version',
    ]
    for (const [i, name] of expected.entries()) {
      const found = anomalies
        .filter((event) => event['source.port'] === 30_000 + i)
        .map((event) => event['anomaly.name'])
      // Number 6 has the version of L2F, which is another protocol and no error.
      if (name === null) expect(found).toEqual([])
      else expect(found, `datagram ${i}`).toContain(name)
    }
  })
})

/** What a capture tells, apart from where in the file it stands and when, and from the VLAN. */
function story(events: readonly EventDocument[], ...ignored: string[]): unknown[] {
  const drop = new Set([
    '@timestamp',
    'event.id',
    'event.start',
    'event.end',
    'event.duration',
    'borescope.capture',
    'borescope.frame.number',
    'borescope.frame.offset',
    'network.vlan.id',
    ...ignored,
  ])
  const told = events.filter((event) => event['event.action'] !== 'capture.analysed')
  return told.map((event) => Object.fromEntries(Object.entries(event).filter(([name]) => !drop.has(name))))
}

const UIDS = ['l2tp.tunnel.uid', 'l2tp.session.uid', 'flow.uid', 'flow.carrier', 'borescope.lineage']

describe.skipIf(isAbsent)('the same traffic in another wrapping', () => {
  test.each([
    'l2tp-pap.pcapng',
    'l2tp-pap-nsec.pcap',
    'l2tp-pap-rawip.pcap',
    'l2tp-pap-vlan42.pcap',
    'l2tp-pap-qinq.pcap',
  ])('%s tells what l2tp-pap.pcap tells', async (file) => {
    expect(story(await variant(file))).toEqual(story(await lab('l2tp-pap')))
  })

  test('packets cut at 96 bytes: the same tunnel, user and flows, with all their bytes', async () => {
    const [cut, whole] = [await variant('l2tp-pap-snap96.pcap'), await lab('l2tp-pap')]
    const gist = (events: readonly EventDocument[]) =>
      events
        .filter((event) => String(event['event.action']).endsWith('ed'))
        .map((event) => [
          event['event.action'],
          event['user.name'],
          event['l2tp.tunnel.initiator_id'] === undefined,
          event['l2tp.session.initiator_id'],
          event['ppp.client.ip'],
          event['source.ip'],
          event['network.transport'],
          event['source.bytes'],
          event['destination.bytes'],
        ])
        // Of the request for a page the cut left nothing to read.
        .filter(([name]) => !['l2tp.tunnel.requested', 'http.requested', 'capture.analysed'].includes(String(name)))
    expect(gist(cut)).toEqual(gist(whole))
  })

  test('a capture on every interface, with each packet up to four times', async () => {
    const [any, once] = [await lab('l2tp-pap-any'), await lab('l2tp-pap')]
    const sorted = (events: readonly EventDocument[]) =>
      story(events, ...UIDS, 'network.packets')
        .map((event) => JSON.stringify(event))
        .sort()
    expect(sorted(any)).toEqual(sorted(once))
  })
})

describe.skipIf(isAbsent)('captures of other implementations', () => {
  const folders = ['l2tpv2', 'l2tp-ipsec', 'l2tpv3', 'ppp', 'malformed', 'robustness', 'encap']
  const files = isAbsent
    ? []
    : folders.flatMap((folder) => readdirSync(join(FOLDER, 'public', folder)).map((file) => join(folder, file)))
  test.each(files)('%s tells the same twice, each event once', async (file) => {
    const path = join(FOLDER, 'public', file)
    try {
      const first = await eventsOfFile(path)
      expect(await eventsOfFile(path)).toEqual(first)
      expect(new Set(first.map((event) => event['event.id'])).size).toBe(first.length)
      expect(first.length).toBeLessThan(20_000)
    } catch (error) {
      if (!(error instanceof CaptureError)) throw error
      expect(error.code).not.toBe('')
    }
  })
})
