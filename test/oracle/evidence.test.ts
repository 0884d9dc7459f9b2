/**
 * Extraction compared with tshark's display filters, packet by packet: what belongs to a tunnel, a session, an association,
 * an IKE SA, and what is inside. BORESCOPE_CAPTURES names the folder of captures.
 */
import { spawnSync } from 'node:child_process'
import { mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import type { EspKeyEntry } from '../../src/dissect/esp-keyring.ts'
import { parseEspKeys } from '../../src/esp-keys.ts'
import type { EventDocument } from '../../src/events/fields.ts'
import { type Kept, keep, take } from '../evidence/support.ts'
import { CAPTURES, MISSING, warnIfMissing } from './compare.ts'
import { openingOptions, recordedRows } from './fields-esp.ts'

warnIfMissing('The comparison of extracted packets with tshark')

const WHOLE = { snapData: 'whole', snapEncrypted: 'whole', snapOther: 'whole' } as const
/** Encapsulated datagrams of errors hold the headers of what they report. */
const NO_ERRORS = '!icmp.type in {3, 11}'

let folder = ''
beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), 'borescope-evidence-oracle-'))
})
afterAll(() => {
  rmSync(folder, { recursive: true })
})

function tshark(path: string, filter: string, fields: readonly string[], options: readonly string[] = []): string[] {
  const columns = fields.flatMap((field) => ['-e', field])
  const { stdout, status, stderr } = spawnSync(
    'tshark',
    ['-n', '-r', path, '-Y', filter, '-T', 'fields', ...columns, ...options],
    { encoding: 'utf8', maxBuffer: 1e9 },
  )
  if (status !== 0) throw new Error(stderr)
  return stdout.split('\n').filter((line) => line !== '')
}

function lab(name: string): string {
  return join(CAPTURES, 'lab', `${name}.pcap`)
}

const stores = new Map<string, Promise<Kept>>()

/** The capture as evidence, kept once for all tests. */
function kept(name: string, espKeys: readonly EspKeyEntry[] = []): Promise<Kept> {
  const path = join(folder, `${name}${espKeys.length}`)
  const known = stores.get(path) ?? keep([[lab(name)]], path, { evidence: WHOLE, espKeys })
  stores.set(path, known)
  return known
}

/** Times of what was extracted of an id, to the nanosecond. */
async function extracted(store: Kept, id: string): Promise<string[]> {
  const out = join(folder, 'out.pcapng')
  await take(store, id, out)
  return tshark(out, 'frame', ['frame.time_epoch'])
}

function named(events: readonly EventDocument[], ...names: readonly string[]): EventDocument[] {
  return events.filter((event) => names.includes(event['event.action']))
}

/** A tunnel by both ends: its requests, and the messages to the id that each assigned. */
function tunnelFilter(event: EventDocument): string {
  const { 'source.ip': from, 'destination.ip': to } = event
  const [own, other] = [event['l2tp.tunnel.initiator_id'], event['l2tp.tunnel.responder_id']]
  const request = `(ip.src == ${from} && l2tp.tunnel == 0 && l2tp.avp.assigned_tunnel_id == ${own})`
  const toOther = other === undefined ? '' : ` || (ip.dst == ${to} && l2tp.tunnel == ${other})`
  return `${NO_ERRORS} && (${request} || (ip.dst == ${from} && l2tp.tunnel == ${own})${toOther})`
}

const L2TP = [
  'l2tp-mschapv2',
  'l2tp-inner',
  'l2tp-seq',
  'l2tp-userspace',
  'l2tp-mppe',
  'l2tp-bruteforce-mschapv2',
  'synth-attacks',
]

describe.skipIf(MISSING !== null)('what is extracted is what tshark finds', () => {
  test.each(L2TP)('of each L2TP tunnel in %s', async (name) => {
    const store = await kept(name)
    const all = named(store.events, 'l2tp.tunnel.opened')
    // A number that is used again names two tunnels.
    const ids = all.flatMap((event) => [event['l2tp.tunnel.initiator_id'], event['l2tp.tunnel.responder_id']])
    const isOnce = (id: number | undefined) => ids.indexOf(id) === ids.lastIndexOf(id)
    const tunnels = all
      .filter((event) => isOnce(event['l2tp.tunnel.initiator_id']) && isOnce(event['l2tp.tunnel.responder_id']))
      .slice(0, 3)
    expect(tunnels.length).toBeGreaterThan(0)
    for (const tunnel of tunnels) {
      const uid = tunnel['l2tp.tunnel.uid'] as string
      const theirs = tshark(lab(name), tunnelFilter(tunnel), ['frame.time_epoch'])
      const ours = await extracted(store, uid)
      expect([uid, ours]).toEqual([uid, theirs])
    }
  })

  test('of a tunnel in fragments, which tshark shows only put together', async () => {
    const store = await kept('l2tp-frag')
    const [tunnel] = named(store.events, 'l2tp.tunnel.opened')
    const ours = await extracted(store, tunnel['l2tp.tunnel.uid'] as string)
    const options = ['-o', 'ip.defragment:FALSE']
    const theirs = tshark(lab('l2tp-frag'), 'udp.port == 1701 || ip.frag_offset > 0', ['frame.time_epoch'], options)
    expect(ours).toEqual(theirs)
  })

  test.each(['l2tp-inner', 'l2tp-seq', 'l2tp-mschapv2'])('of each session in %s', async (name) => {
    const store = await kept(name)
    const sessions = named(store.events, 'l2tp.session.opened')
    expect(sessions.length).toBeGreaterThan(0)
    for (const session of sessions) {
      const ids = [session['l2tp.session.initiator_id'], session['l2tp.session.responder_id']].join(', ')
      // A request names the session in an AVP; so does the end of one.
      const filter = `l2tp.session in {${ids}} || l2tp.avp.assigned_session_id in {${ids}}`
      // Acknowledgements are the tunnel's, and so is what comes after its end.
      const [end] = tshark(lab(name), 'l2tp.avp.message_type == 4', ['frame.time_epoch'])
      const theirs = tshark(lab(name), `(${filter}) && (l2tp.type == 0 || l2tp.avp.type)`, ['frame.time_epoch']).filter(
        (time) => time < end,
      )
      expect(await extracted(store, session['l2tp.session.uid'] as string)).toEqual(theirs)
    }
  })

  test.each(['l2tp-inner', 'l2tp-inner-attack'])('of the flows in %s', async (name) => {
    const store = await kept(name)
    const flows = named(store.events, 'flow.closed').filter((flow) => flow['network.transport'] === 'tcp')
    const ports = flows.map((flow) => `${flow['source.port']} ${flow['destination.ip']} ${flow['destination.port']}`)
    const unique = flows.filter((_, i) => ports.indexOf(ports[i]) === ports.lastIndexOf(ports[i])).slice(0, 4)
    expect(unique.length).toBeGreaterThan(3)
    for (const flow of unique) {
      const { 'source.ip': ip, 'source.port': port, 'destination.ip': other, 'destination.port': otherPort } = flow
      const filter = `l2tp && ip.addr == ${ip} && ip.addr == ${other} && tcp.port == ${port} && tcp.port == ${otherPort}`
      const theirs = tshark(lab(name), filter, ['frame.time_epoch'])
      expect(await extracted(store, flow['flow.uid'] as string)).toEqual(theirs)
    }
  })

  test.each(['ipsec-psk-main', 'ipsec-ikev2', 'ipsec-psk-nat', 'ipsec-rekey-dpd'])(
    'of each IPsec association in %s',
    async (name) => {
      const store = await kept(name)
      const associations = named(store.events, 'esp.association.seen')
      expect(associations.length).toBeGreaterThan(1)
      for (const association of associations) {
        const spi = String(association['esp.spi'])
        const theirs = tshark(lab(name), `esp.spi == ${spi}`, ['frame.time_epoch'])
        expect(await extracted(store, spi)).toEqual(theirs)
        expect(await extracted(store, association['esp.association.uid'] as string)).toEqual(theirs)
      }
    },
  )

  test.each(['ipsec-psk-main', 'ipsec-ikev2', 'ipsec-aggressive'])(
    'of each IKE SA in %s, and what it made',
    async (name) => {
      const store = await kept(name)
      const exchanges = named(store.events, 'ike.exchange.succeeded', 'ike.exchange.completed', 'ike.sa.established')
      const lines = new Map<string, string>()
      for (const event of [...exchanges, ...store.events])
        if (event['ike.uid'] !== undefined && event['ike.initiator.cookie'] !== undefined)
          lines.set(event['ike.uid'], event['ike.initiator.cookie'])
      expect(lines.size).toBeGreaterThan(0)
      for (const [uid, cookie] of lines) {
        const spis = named(store.events, 'esp.association.seen').filter((event) => event['ike.uid'] === uid)
        const made = spis.map((event) => ` || esp.spi == ${event['esp.spi']}`).join('')
        const theirs = tshark(lab(name), `isakmp.ispi == ${cookie.replace('0x', '')}${made}`, ['frame.time_epoch'])
        expect(await extracted(store, uid)).toEqual(theirs)
      }
    },
  )

  test('of a PPTP connection with its calls', async () => {
    const store = await kept('pptp')
    const [connection] = named(store.events, 'pptp.connection.opened')
    const theirs = tshark(lab('pptp'), 'tcp.port == 1723 || gre', ['frame.time_epoch'])
    // The handshake of TCP too, which comes before the message that says that this is PPTP.
    expect(await extracted(store, connection['pptp.connection.uid'] as string)).toEqual(theirs)
  })
})

/** The innermost addresses and identification, as tshark lists them from the outside in. */
const INNER_FIELDS = ['frame.time_epoch', 'ip.src', 'ip.dst', 'ip.id', 'ip.len', 'ip.proto']

function innermost(line: string): string {
  return line
    .split('\t')
    .map((column) => column.split(',').at(-1))
    .join(' ')
}

describe.skipIf(MISSING !== null)('what is inside is what tshark sees inside', () => {
  const V4_INSIDE = 'ppp.protocol == 0x0021'

  async function inside(store: Kept, id: string, espKeys: readonly EspKeyEntry[] = []): Promise<string[]> {
    const out = join(folder, 'inside.pcapng')
    await take(store, id, out, { isInner: true, espKeys })
    return tshark(out, 'ip', INNER_FIELDS).map(innermost)
  }

  test.each(['l2tp-inner', 'l2tp-inner-attack', 'l2tp-mschapv2'])('of the session in %s', async (name) => {
    const store = await kept(name)
    const [session] = named(store.events, 'l2tp.session.opened')
    const ours = await inside(store, session['l2tp.session.uid'] as string)
    const theirs = tshark(lab(name), `${V4_INSIDE} && !icmp.type in {3, 11}`, INNER_FIELDS).map(innermost)
    expect(theirs.length).toBeGreaterThan(20)
    expect(ours.filter((line) => theirs.includes(line))).toEqual(theirs)
  })

  test.each(['ipsec-psk-main', 'ipsec-ikev2', 'ipsec-psk-nat'])(
    'of IPsec that is opened with keys: %s',
    async (name) => {
      const source = readFileSync(join(CAPTURES, 'lab', `${name}.keys.json`), 'utf8')
      const { entries } = parseEspKeys(source)
      const store = await kept(name, entries)
      const pairs = new Set(named(store.events, 'esp.association.seen').map((event) => event['esp.tunnel.uid']))
      const ours: string[] = []
      for (const uid of pairs) ours.push(...(await inside(store, uid as string, entries)))
      ours.sort()
      const options = openingOptions(recordedRows(JSON.parse(source)))
      const theirs = tshark(lab(name), `esp && ${V4_INSIDE} && !icmp.type in {3, 11}`, INNER_FIELDS, options)
      expect(theirs.length).toBeGreaterThan(9)
      expect(ours.filter((line) => theirs.map(innermost).includes(line))).toEqual(theirs.map(innermost))
    },
  )
})
