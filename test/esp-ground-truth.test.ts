/**
 * ESP in captures of a laboratory, with the keys that were recorded beside some of them, against what the sensor tells.
 *
 * The captures are not part of the project. They are looked for beside it, or where BORESCOPE_CAPTURES says.
 */
import { existsSync, readFileSync } from 'node:fs'
import { basename, join, resolve } from 'node:path'
import { describe, expect, test } from 'vitest'
import { capturePaths } from '../src/capture/paths.ts'
import { parseEspKeys } from '../src/esp-keys.ts'
import type { EventDocument } from '../src/events/fields.ts'
import { countsOf, eventsOfFile, named } from './support/sensor.ts'

const FOLDER = resolve(process.env['BORESCOPE_CAPTURES'] ?? join(import.meta.dirname, '../../shared/captures'))
const isAbsent = !existsSync(FOLDER)
if (isAbsent) {
  process.stderr.write(
    `\nSKIPPED test/esp-ground-truth.test.ts: no captures at ${FOLDER}; set BORESCOPE_CAPTURES to a folder of them\n\n`,
  )
}

async function lab(name: string, isKeyed: boolean): Promise<readonly EventDocument[]> {
  const keys = join(FOLDER, 'lab', `${name}.keys.json`)
  const espKeys = isKeyed ? parseEspKeys(readFileSync(keys, 'utf8')).entries : []
  return eventsOfFile(join(FOLDER, 'lab', `${name}.pcap`), { espKeys })
}

function sumOf(events: readonly EventDocument[], field: 'esp.packets.opened' | 'source.packets'): number {
  return named(events, 'esp.association.closed').reduce((sum, event) => sum + (event[field] ?? 0), 0)
}

/** Name, packets of ESP, of them those that show L2TP with the keys, pairs, and who logged in inside from where to which address. */
const KEYED = [
  ['ipsec-aggressive', 49, 49, 1, [['alice', '10.99.0.11', '192.168.42.10']]],
  ['ipsec-cert', 49, 49, 1, [['alice', '10.99.0.11', '192.168.42.10']]],
  ['ipsec-espnull', 325, 325, 1, [['alice', '10.99.0.11', '192.168.42.10']]],
  ['ipsec-ikev2', 52, 49, 1, [['alice', '10.99.0.11', '192.168.42.10']]],
  ['ipsec-psk-forceencaps', 51, 51, 1, [['alice', '10.99.0.11', '192.168.42.10']]],
  ['ipsec-psk-main', 323, 323, 1, [['alice', '10.99.0.11', '192.168.42.10']]],
  [
    'ipsec-psk-nat',
    102,
    102,
    2,
    [
      ['alice', '10.99.0.254', '192.168.42.10'],
      ['bob', '10.99.0.254', '192.168.42.10'],
    ],
  ],
  ['l2tp-ipsec-downgrade', 56, 56, 1, [['alice', '10.99.0.11', '192.168.42.10']]],
] as const

describe.skipIf(isAbsent)('with keys', () => {
  test.each(KEYED)(
    '%s: every packet that can be opened is, and L2TP inside goes on as if it were clear',
    async (...row) => {
      const [name, packets, readable, pairs, logins] = row
      const events = await lab(name, true)
      expect(sumOf(events, 'source.packets')).toBe(packets)
      expect(sumOf(events, 'esp.packets.opened')).toBe(readable)
      expect(countsOf(events)['esp.tunnel.opened']).toBe(pairs)
      const links = named(events, 'ppp.link.opened').filter((event) => event['esp.tunnel.uid'] !== undefined)
      expect(links.map((event) => [event['user.name'], event['source.ip'], event['ppp.client.ip']])).toEqual(logins)
      for (const link of links) {
        const lineage = link['borescope.lineage'] ?? []
        expect([lineage[1], lineage.map((id) => id[0])]).toEqual([link['esp.tunnel.uid'], ['i', 'e', 't', 's']])
      }
      for (const finding of ['esp.sequence.replayed', 'esp.sequence.forged', 'esp.spi.scanned', 'esp.keys.refused'])
        expect(countsOf(events)[finding], finding).toBeUndefined()
    },
  )

  test('every pair is joined to the IKE SA that made it, and ends with it where the client said goodbye', async () => {
    for (const [name, , , pairs] of KEYED) {
      const events = await lab(name, false)
      const established = new Map(named(events, 'ike.exchange.established').map((event) => [event['ike.uid'], event]))
      const seen = named(events, 'esp.association.seen')
      for (const event of seen) {
        const ike = established.get(event['ike.uid'])
        const ends = [ike?.['source.ip'], ike?.['destination.ip']]
        expect([event['source.ip'], event['destination.ip']].sort(), name).toEqual(ends.sort())
        expect(event['borescope.lineage']?.[0], name).toBe(event['ike.uid'])
      }
      const opened = named(events, 'esp.tunnel.opened')
      expect(new Set(opened.map((event) => event['ike.uid'])).size, name).toBe(pairs)
      // There a delete is as long as a liveness check, and so is its answer.
      const ending = name === 'ipsec-ikev2' ? 'capture_end' : 'ike'
      for (const event of named(events, 'esp.tunnel.closed')) expect(event['esp.closed_by'], name).toBe(ending)
    }
  })

  test('nothing is lost or out of order in captures on one wire', async () => {
    for (const [name] of KEYED) {
      for (const event of named(await lab(name, false), 'esp.association.closed'))
        expect([name, event['esp.packets.lost'], event['esp.packets.late'], event['esp.sequence.first']]).toEqual([
          name,
          0,
          0,
          1,
        ])
    }
  })
})

describe.skipIf(isAbsent)('without keys', () => {
  test('what is not encrypted is found in the capture that was recorded so, in both directions, and read to the last packet', async () => {
    const events = await lab('ipsec-espnull', false)
    const read = named(events, 'esp.association.read')
    expect(read.map((event) => [event['esp.spi'], event['esp.readable'], event['esp.confidence']])).toEqual([
      ['0xc06dac82', 'not_encrypted', 1],
      ['0xccfae42b', 'not_encrypted', 1],
    ])
    expect(sumOf(events, 'esp.packets.opened')).toBe(325)
    expect(named(events, 'ppp.authentication.succeeded').map((event) => event['user.name'])).toEqual(['alice'])
    expect(named(events, 'flow.closed').some((event) => event['destination.port'] === 80)).toBe(true)
  })

  test('in no other capture of any origin', { timeout: 300_000 }, async () => {
    const { captures } = await capturePaths(['lab', 'public'].map((folder) => join(FOLDER, folder)))
    const found: string[] = []
    for (const path of captures) {
      const events = await eventsOfFile(path).catch(() => [])
      if (named(events, 'esp.association.read').length > 0) found.push(basename(path))
    }
    expect(found).toEqual(['ipsec-espnull.pcap'])
  })

  test('twelve SPIs of one L2TP session are one pair that was rekeyed five times', async () => {
    const events = await lab('ipsec-rekey-dpd', false)
    expect(named(events, 'esp.association.seen')).toHaveLength(12)
    expect(named(events, 'esp.tunnel.rekeyed').map((event) => event['esp.rekeys'])).toEqual([1, 2, 3, 4, 5])
    expect(countsOf(events)['esp.tunnel.opened']).toBe(1)
    expect(named(events, 'esp.tunnel.closed')[0]).toMatchObject({
      'source.ip': '10.99.0.11',
      'source.packets': 111,
      'destination.packets': 115,
      'esp.rekeys': 5,
    })
  })

  test('half a minute after another attempt a new IKE SA begins a pair of its own', async () => {
    const seen = named(await lab('ipsec-ikev2', false), 'esp.association.seen')
    expect(seen.map((event) => [event['esp.spi'], event['esp.predecessor.spi']])).toEqual([
      ['0xcf293baf', undefined],
      ['0xc34a41c9', undefined],
      ['0xc12cfd1f', undefined],
    ])
    const [earlier, up, down] = seen
    expect(down['esp.tunnel.uid']).toBe(up['esp.tunnel.uid'])
    expect(earlier['esp.tunnel.uid']).not.toBe(up['esp.tunnel.uid'])
    expect(earlier['ike.uid']).not.toBe(up['ike.uid'])
  })

  test('two clients behind one NAT are two pairs', async () => {
    const events = await lab('ipsec-psk-nat', false)
    const opened = named(events, 'esp.tunnel.opened')
    expect(opened.map((event) => event['source.ip'])).toEqual(['10.99.0.254', '10.99.0.254'])
    expect(new Set(opened.map((event) => event['source.port'])).size).toBe(2)
  })

  test('replays, a forged number and guessed SPIs of the synthetic attacks are told', async () => {
    const events = await lab('synth-attacks', false)
    const counts = countsOf(events)
    expect(counts['esp.sequence.replayed']).toBeGreaterThanOrEqual(5)
    expect(named(events, 'esp.sequence.forged').map((event) => event['esp.sequence.number'])).toEqual([4096])
    expect(named(events, 'esp.spi.scanned').map((event) => [event['source.ip'], event['esp.spis']])).toEqual([
      ['10.99.0.66', 20],
      ['10.99.0.66', 40],
    ])
  })
})
