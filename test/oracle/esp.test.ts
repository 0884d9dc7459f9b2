/**
 * ESP and AH compared with tshark, field by field: the headers in all captures, and with the keys that lie beside some of them
 * everything inside.
 *
 * BORESCOPE_CAPTURES names the folder of captures. Every disagreement is mended in the source or argued in argued-esp.ts.
 */
import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { basename, join } from 'node:path'
import { describe, expect, it } from 'vitest'
import { EspKeyring } from '../../src/dissect/esp-keyring.ts'
import type { PacketDescription } from '../../src/dissect/layers.ts'
import { NO_ESP_KEYS } from '../../src/dissect/layers-esp.ts'
import { parseEspKeys } from '../../src/esp-keys.ts'
import { pcapFile } from '../support/pcap.ts'
import type { Disagreement } from './argued.ts'
import { ARGUED_ESP } from './argued-esp.ts'
import { entriesOf, entriesOfOracle, FIELDS, PASSED_OVER } from './fields.ts'
import { everyAlgorithm, openingOptions, recordedRows } from './fields-esp.ts'
import { askTshark, type OraclePacket } from './tshark.ts'
import { capturesIn, describeCapture, grouped, MISSING, PACKETS_MAX, warnIfMissing } from './compare.ts'

const FUZZED = /-mut\d*\b|-fuzz\b/
const COMPARED = [
  'lab',
  'variants',
  ...['encap', 'esp-ah', 'ikev1', 'ikev2', 'l2tp-ipsec', 'scan'].map((name) => `public/${name}`),
]

const OTHERS = ['l2tpv2', 'l2tpv3', 'malformed', 'robustness', 'container', 'ppp', 'pppoe', 'pptp'].map(
  (name) => `public/${name}`,
)

warnIfMissing('The comparison of ESP with tshark')

async function describeAll(path: string, keys: string | null): Promise<PacketDescription[]> {
  const keyring = keys === null ? NO_ESP_KEYS.keyring : new EspKeyring(parseEspKeys(keys).entries)
  const descriptions: PacketDescription[] = []
  await describeCapture(path, (description) => descriptions.push(description), { esp: { ...NO_ESP_KEYS, keyring } })
  return descriptions
}

class Tally {
  packets = 0
  agreed = 0
  argued = 0
  readonly failures: string[] = []

  packet(capture: string, { number, layers }: PacketDescription, oracle: OraclePacket): void {
    if (oracle.isMalformed) return
    this.packets++
    const theirs = grouped(entriesOfOracle(oracle.fields))
    const ours = grouped(entriesOf(layers))
    for (const field of new Set([...theirs.keys(), ...ours.keys()]))
      this.#field({
        capture,
        number,
        field,
        ours: ours.get(field) ?? [],
        theirs: theirs.get(field) ?? [],
        layers,
        oracle,
      })
    for (const { name } of oracle.fields) {
      if (FIELDS[name] === undefined && !PASSED_OVER.some(({ names }) => names.test(name)))
        this.failures.push(`${name}: tshark has it, the comparison does not (${capture} #${number})`)
    }
  }

  toString(): string {
    return `${this.packets} packets, ${this.agreed} values agree, ${this.argued} argued, ${this.failures.length} differ`
  }

  #field(disagreement: Disagreement): void {
    const { capture, number, field, ours, theirs } = disagreement
    if (ours.join() === theirs.join()) this.agreed += ours.length
    else if (ARGUED_ESP.some(({ fields, holds }) => fields.test(field) && holds(disagreement))) this.argued++
    else this.failures.push(`${capture} #${number} ${field}: ours [${ours.join(', ')}], tshark [${theirs.join(', ')}]`)
  }
}

function has({ layers }: PacketDescription, name: string): boolean {
  return layers.some(({ layer, quoted, flaw }) => layer === name && quoted !== true && flaw === undefined)
}

/** What a packet shows without keys: tshark, too, reads on inside only with them. */
function withoutContent({ layers, ...packet }: PacketDescription): PacketDescription {
  const at = layers.findIndex(({ verdict }) => verdict !== undefined)
  if (at === -1) return { layers, ...packet }
  const { layer, spi, sequence } = layers[at]
  return { ...packet, layers: [...layers.slice(0, at), { layer, spi, sequence }] }
}

function isOpened({ layers }: PacketDescription): boolean {
  return layers.some(({ verdict }) => verdict === 'opened')
}

/** How many packets show L2TP with the keys, as the notes of the recording have it. */
function shownAsRecorded(path: string): string | undefined {
  const notes = readFileSync(path.replace(/\.pcap$/, '.md'), 'utf8')
  return /show L2TP after decryption: (\d+) of/.exec(notes)?.[1]
}

const keyed = await capturesIn(['lab']).then((captures) =>
  captures.filter((path) => existsSync(path.replace(/\.pcap$/, '.keys.json'))),
)

describe.skipIf(MISSING !== null)('ESP and AH', () => {
  it('agree about every field of every packet, or are argued with', { timeout: 600_000 }, async () => {
    const tally = new Tally()
    for (const path of (await capturesIn(COMPARED)).filter((capture) => !FUZZED.test(capture))) {
      const oracle = await askTshark(path, PACKETS_MAX, ['-Y', 'esp || ah'])
      if (oracle.size === 0) continue
      for (const description of await describeAll(path, null)) {
        const theirs = oracle.get(description.number)
        if (theirs !== undefined) tally.packet(basename(path), withoutContent(description), theirs)
        else if (has(description, 'esp') || has(description, 'ah'))
          tally.failures.push(`${basename(path)} #${description.number}: tshark sees neither ESP nor AH`)
      }
    }
    process.stdout.write(`ESP and AH, headers: ${tally}\n`)
    expect(tally.packets).toBeGreaterThan(0)
    expect(tally.failures.slice(0, 40).join('\n')).toBe('')
  })

  it('agree about everything inside with the keys that lie beside captures', { timeout: 600_000 }, async () => {
    const tally = new Tally()
    for (const path of keyed) {
      const keys = readFileSync(path.replace(/\.pcap$/, '.keys.json'), 'utf8')
      const oracle = await askTshark(path, PACKETS_MAX, [
        '-Y',
        'esp',
        ...openingOptions(recordedRows(JSON.parse(keys))),
      ])
      let shown = 0
      for (const description of await describeAll(path, keys)) {
        const theirs = oracle.get(description.number)
        if (theirs !== undefined) tally.packet(basename(path), description, theirs)
        if (isOpened(description) && has(description, 'l2tp')) shown++
      }
      expect(`${basename(path)} ${shown}`).toBe(`${basename(path)} ${shownAsRecorded(path)}`)
    }
    process.stdout.write(`ESP with keys: ${tally}\n`)
    expect(tally.packets).toBeGreaterThan(0)
    expect(tally.failures.slice(0, 40).join('\n')).toBe('')
  })

  it('agree about every algorithm that both know', { timeout: 60_000 }, async () => {
    const folder = mkdtempSync(join(tmpdir(), 'borescope-esp-'))
    try {
      const path = join(folder, 'every-algorithm.pcap')
      const packets = everyAlgorithm()
      writeFileSync(path, pcapFile({ packets: packets.map(({ frame: bytes }, timeUs) => ({ timeUs, bytes })) }))
      const rows = packets.map(({ row }) => row)
      const oracle = await askTshark(path, PACKETS_MAX, ['-Y', 'esp', ...openingOptions(rows)])
      const tally = new Tally()
      for (const description of await describeAll(path, rows.join('\n'))) {
        expect(isOpened(description), rows[description.number - 1]).toBe(true)
        tally.packet('every-algorithm', description, oracle.get(description.number) as OraclePacket)
      }
      process.stdout.write(`ESP, every algorithm: ${tally}\n`)
      expect(tally.packets).toBe(packets.length)
      expect(tally.failures.join('\n')).toBe('')
    } finally {
      rmSync(folder, { recursive: true })
    }
  })

  it('shows nothing unencrypted in any capture but the one that was recorded so', { timeout: 600_000 }, async () => {
    const found = new Set<string>()
    for (const path of await capturesIn([...COMPARED, ...OTHERS])) {
      for (const { layers } of await describeAll(path, null))
        if (layers.some(({ verdict }) => verdict === 'not_encrypted')) found.add(basename(path))
    }
    expect([...found]).toEqual(['ipsec-espnull.pcap'])
  })
})
