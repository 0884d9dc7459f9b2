/**
 * What the shipped rules say about recorded traffic: benign captures, of the lab and of other people, raise nothing above `low`,
 * and each attack raises what it is called, once for each thing that it is about, as soon as it can be known.
 */
import { describe, expect, it } from 'vitest'
import {
  alertsAboveLow,
  CAPTURES,
  HAS_CAPTURES,
  LAB_ATTACKS,
  LAB_BENIGN,
  label,
  labCaptures,
  PUBLIC_FINDINGS,
  publicCaptures,
} from './captures.ts'

if (!HAS_CAPTURES) {
  process.stderr.write(
    `\nSKIPPED test/rules/lab.test.ts: no captures at ${CAPTURES}; set BORESCOPE_CAPTURES to a folder of them\n\n`,
  )
}

const PUBLIC = HAS_CAPTURES ? publicCaptures() : []

describe.skipIf(!HAS_CAPTURES)('the shipped rules on recorded traffic', () => {
  it('has a label for every capture of the lab', () => {
    expect([...LAB_BENIGN, ...Object.keys(LAB_ATTACKS)].sort()).toEqual(labCaptures().sort())
  })

  it('has labels only for public captures that are there', () => {
    const benign = PUBLIC.filter(({ isHostile }) => !isHostile).map(({ path }) => path)
    expect(benign.length).toBeGreaterThan(250)
    expect(benign).toEqual(expect.arrayContaining(Object.keys(PUBLIC_FINDINGS)))
  })

  it.each(LAB_BENIGN)('%s raises nothing above low', async (capture) => {
    expect((await alertsAboveLow(`lab/${capture}.pcap`)).map(label)).toEqual([])
  })

  it.each(Object.entries(LAB_ATTACKS))('%s raises what it is called, once and in time', async (capture, expected) => {
    const alerts = await alertsAboveLow(`lab/${capture}.pcap`)
    expect(alerts.map(label).sort()).toEqual(expected)
    // At the event that completes it, not at the end of the capture or when something expires.
    for (const alert of alerts) expect(alert['@timestamp'], label(alert)).toBe(alert['event.end'])
  })

  it.each(PUBLIC.filter(({ isHostile }) => !isHostile).map(({ path }) => path))(
    '%s raises nothing above low, but for what it shows',
    async (path) => {
      expect((await alertsAboveLow(`public/${path}`)).map(label).sort()).toEqual(PUBLIC_FINDINGS[path]?.alerts ?? [])
    },
  )
})
