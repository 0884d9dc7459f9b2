/**
 * IKE compared with tshark's dissection, field by field and message by message, over all captures that hold any.
 *
 * BORESCOPE_CAPTURES names the folder of captures. Every disagreement is mended in the source or argued here.
 */
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { basename, join } from 'node:path'
import { describe, expect, it } from 'vitest'
import type { PacketDescription } from '../../src/dissect/layers.ts'
import { pcapFile } from '../support/pcap.ts'
import { everyIkeField } from './every-ike-field.ts'
import type { Argument, Disagreement } from './argued.ts'
import { ARGUED_IKE } from './argued-ike.ts'
import { entriesOfIke, entriesOfIkeOracle, IKE_PASSED_OVER, isComparedIke } from './fields-ike.ts'
import { askTshark, type OraclePacket, TSHARK_VERSION } from './tshark.ts'
import { capturesIn, describeCapture, grouped, MISSING, PACKETS_MAX, warnIfMissing } from './compare.ts'

const FUZZED = /-mut\d*\b|-fuzz\b/
const FOLDERS = [
  'lab',
  'variants',
  'public/ikev1',
  'public/ikev2',
  'public/l2tp-ipsec',
  'public/scan',
  'public/encap',
  'public/esp-ah',
]

/** How often each argument was needed, in all comparisons. */
const needed = new Map<Argument, number>()

class Comparison {
  readonly #tallies = new Map<string, { agreed: number; argued: number; open: Disagreement[] }>()
  readonly #uncounted = new Map<string, string>()
  messages = 0
  malformed = 0

  async capture(path: string): Promise<void> {
    const oracle = await askTshark(path, PACKETS_MAX, ['-Y', 'isakmp', '-J', 'isakmp eap'])
    if (oracle.size === 0) return
    await describeCapture(path, (description) => {
      const theirs = oracle.get(description.number)
      if (theirs !== undefined) this.#packet(basename(path), description, theirs)
    })
  }

  #packet(capture: string, { number, layers }: PacketDescription, oracle: OraclePacket): void {
    if (layers.some(({ quoted }) => quoted === true)) return
    this.messages++
    if (oracle.isMalformed) {
      this.malformed++
      return
    }
    const theirs = grouped(entriesOfIkeOracle(oracle.fields))
    const ours = grouped(entriesOfIke(layers))
    for (const field of new Set([...theirs.keys(), ...ours.keys()]))
      this.#judge({
        capture,
        number,
        field,
        ours: ours.get(field) ?? [],
        theirs: theirs.get(field) ?? [],
        layers,
        oracle,
      })
    for (const { name } of oracle.fields)
      if (!isComparedIke(name) && !IKE_PASSED_OVER.some(({ names }) => names.test(name)))
        this.#uncounted.set(name, `${capture} #${number}`)
  }

  #judge(disagreement: Disagreement): void {
    const { field, ours, theirs } = disagreement
    const tally = this.#tallyOf(field)
    if (ours.length === theirs.length && ours.every((value, index) => value === theirs[index])) {
      tally.agreed += ours.length
      return
    }
    const argument = ARGUED_IKE.find(({ fields, holds }) => fields.test(field) && holds(disagreement))
    if (argument === undefined) tally.open.push(disagreement)
    else {
      tally.argued++
      needed.set(argument, (needed.get(argument) ?? 0) + 1)
    }
  }

  #tallyOf(field: string): { agreed: number; argued: number; open: Disagreement[] } {
    const known = this.#tallies.get(field)
    if (known !== undefined) return known
    const tally = { agreed: 0, argued: 0, open: [] }
    this.#tallies.set(field, tally)
    return tally
  }

  table(): string {
    const rows = [...this.#tallies]
      .sort(([a], [b]) => (a < b ? -1 : 1))
      .map(([field, { agreed, argued, open }]) => row(field, agreed, argued, open.length))
    const sum = (of: (tally: { agreed: number; argued: number; open: Disagreement[] }) => number) =>
      [...this.#tallies.values()].reduce((total, tally) => total + of(tally), 0)
    return [
      `${TSHARK_VERSION}; ${this.messages} packets with IKE, ${this.malformed} of them passed over because tshark calls them malformed`,
      row('field', 'agree', 'argued', 'differ'),
      ...rows,
      row(
        'all',
        sum(({ agreed }) => agreed),
        sum(({ argued }) => argued),
        sum(({ open }) => open.length),
      ),
      ...[...needed].map(([{ reason }, times]) => `argued ${times} times: ${reason}`),
    ].join('\n')
  }

  failures(): string {
    const failures: string[] = []
    for (const [field, { open }] of this.#tallies) {
      for (const { capture, number, ours, theirs } of open.slice(0, 3))
        failures.push(`${capture} #${number} ${field}: ours [${ours.join(', ')}], tshark [${theirs.join(', ')}]`)
      if (open.length > 3) failures.push(`${field}: ${open.length - 3} more`)
    }
    for (const [name, where] of this.#uncounted)
      failures.push(`${name}: tshark has it, the comparison does not (${where})`)
    return failures.join('\n')
  }
}

function row(field: string, agreed: number | string, argued: number | string, differ: number | string): string {
  return `${field.padEnd(46)}${String(agreed).padStart(9)}${String(argued).padStart(8)}${String(differ).padStart(8)}`
}

warnIfMissing('The comparison of IKE with tshark')

describe('of IKE, the oracle', () => {
  it.skipIf(TSHARK_VERSION === '')(
    'agrees about every payload, attribute and notification that both read',
    {
      timeout: 60_000,
    },
    async () => {
      const folder = mkdtempSync(join(tmpdir(), 'borescope-ike-'))
      try {
        const path = join(folder, 'every-field.pcap')
        writeFileSync(path, pcapFile({ packets: everyIkeField().map((bytes, timeUs) => ({ timeUs, bytes })) }))
        const comparison = new Comparison()
        await comparison.capture(path)
        expect(comparison.failures()).toBe('')
        expect(comparison.messages).toBe(everyIkeField().length)
        expect(comparison.malformed).toBe(0)
      } finally {
        rmSync(folder, { recursive: true })
      }
    },
  )

  it.skipIf(MISSING !== null)(
    'agrees about every field of every message, or is argued with',
    {
      timeout: 600_000,
    },
    async () => {
      const comparison = new Comparison()
      const queue = (await capturesIn(FOLDERS)).filter((path) => !FUZZED.test(path))
      const worker = async (): Promise<void> => {
        for (let path = queue.pop(); path !== undefined; path = queue.pop()) await comparison.capture(path)
      }
      await Promise.all([worker(), worker()])
      process.stdout.write(`${comparison.table()}\n`)
      expect(comparison.failures()).toBe('')
      expect(comparison.messages).toBeGreaterThan(0)
    },
  )

  // With other captures some arguments may have nothing to answer.
  it.skipIf(MISSING !== null || process.env['BORESCOPE_CAPTURES'] !== undefined)(
    'is argued with for nothing that it does not say',
    () => {
      expect(ARGUED_IKE.filter((argument) => !needed.has(argument)).map(({ reason }) => reason)).toEqual([])
    },
  )
})
