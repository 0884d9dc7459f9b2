/**
 * The dissection compared with tshark's, field by field and packet by packet, over the captures of L2TPv2 and PPP.
 *
 * BORESCOPE_CAPTURES names the folder of captures. Every disagreement is mended in the source or argued in argued.ts.
 */
import { existsSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { basename, join } from 'node:path'
import { describe, expect, it } from 'vitest'
import type { Layer } from '../../src/dissect/layer.ts'
import type { PacketDescription } from '../../src/dissect/layers.ts'
import { pcapFile } from '../support/pcap.ts'
import { ARGUED, type Disagreement } from './argued.ts'
import { entriesOf, entriesOfOracle, FIELDS, PASSED_OVER } from './fields.ts'
import { everyField } from './every-field.ts'
import { v3Options } from './fields-l2tpv3.ts'
import { askTshark, type OraclePacket, TSHARK_VERSION } from './tshark.ts'
import { CAPTURES, capturesIn, describeCapture, grouped, MISSING, PACKETS_MAX, warnIfMissing } from './compare.ts'

const IS_CI = process.env['CI'] === 'true'
const FUZZED = /-mut\d*\b|-fuzz\b/

const COMPARED = [
  'lab',
  'variants',
  'public/l2tpv2',
  'public/l2tpv3',
  'public/l2tp-ipsec',
  'public/ppp',
  'public/pppoe',
  'public/pptp',
  'public/encap',
]
const COMPARED_LAYERS = new Set(['l2tp', 'l2tpv3', 'ppp', 'pptp', 'pppoe-discovery'])
const UNHARMED = [
  ...COMPARED,
  'public/malformed',
  'public/robustness',
  'public/container',
  'public/esp-ah',
  'public/ikev1',
  'public/ikev2',
  'public/scan',
]

class Tally {
  agreed = 0
  argued = 0
  readonly open: Disagreement[] = []
}

/** How often each argument was needed, in all comparisons. */
const needed = new Map<(typeof ARGUED)[number], number>()

class Comparison {
  readonly tallies = new Map<string, Tally>()
  readonly uncounted = new Map<string, string>()
  readonly notes: string[] = []
  packets = 0
  malformed = 0

  async capture(path: string): Promise<void> {
    const oracle = await askTshark(path, PACKETS_MAX)
    const apart = new Map<string, PacketDescription[]>()
    const packets = await describeCapture(path, (description) => {
      const options = v3Options(description.layers)
      if (options === null) this.#compare(path, description, oracle)
      else apart.set(options.join('|'), [...(apart.get(options.join('|')) ?? []), description])
    })
    for (const [options, descriptions] of apart) {
      const answers = await askTshark(path, PACKETS_MAX, options.split('|'))
      for (const description of descriptions) this.#compare(path, description, answers)
    }
    if (packets >= PACKETS_MAX) this.notes.push(`${basename(path)}: the first ${PACKETS_MAX} packets`)
  }

  #compare(path: string, description: PacketDescription, oracle: ReadonlyMap<number, OraclePacket>): void {
    const { number, layers } = description
    // What IPsec carries tshark reads with keys and options of its own: esp.test.ts compares it.
    if (layers.some(({ layer }) => layer === 'esp')) return
    const theirs = oracle.get(number)
    const isOurs = layers.some(({ layer, quoted }) => quoted !== true && COMPARED_LAYERS.has(layer))
    if (theirs !== undefined) this.#packet(basename(path), description, theirs)
    else if (isOurs)
      this.#judge({
        capture: basename(path),
        number,
        field: 'packet',
        ours: ['seen'],
        theirs: [],
        layers,
        oracle: NOTHING,
      })
  }

  #packet(capture: string, { number, layers }: PacketDescription, oracle: OraclePacket): void {
    this.packets++
    if (oracle.isMalformed) {
      this.malformed++
      return
    }
    const theirs = grouped(entriesOfOracle(oracle.fields))
    const ours = grouped(entriesOf(layers))
    for (const field of new Set([...theirs.keys(), ...ours.keys()])) {
      this.#field({
        capture,
        number,
        field,
        ours: ours.get(field) ?? [],
        theirs: theirs.get(field) ?? [],
        layers,
        oracle,
      })
    }
    for (const { name } of oracle.fields) {
      if (FIELDS[name] === undefined && !PASSED_OVER.some(({ names }) => names.test(name)))
        this.uncounted.set(name, `${capture} #${number}`)
    }
  }

  #field(disagreement: Disagreement): void {
    const { ours, theirs } = disagreement
    if (ours.length === theirs.length && ours.every((value, index) => value === theirs[index]))
      this.#tally(disagreement.field).agreed += ours.length
    else this.#judge(disagreement)
  }

  #judge(disagreement: Disagreement): void {
    const tally = this.#tally(disagreement.field)
    const argument = ARGUED.find(({ fields, holds }) => fields.test(disagreement.field) && holds(disagreement))
    if (argument === undefined) tally.open.push(disagreement)
    else {
      tally.argued++
      needed.set(argument, (needed.get(argument) ?? 0) + 1)
    }
  }

  #tally(field: string): Tally {
    const known = this.tallies.get(field)
    if (known !== undefined) return known
    const tally = new Tally()
    this.tallies.set(field, tally)
    return tally
  }

  table(): string {
    const rows = [...this.tallies]
      .sort(([a], [b]) => (a < b ? -1 : 1))
      .map(
        ([field, { agreed, argued, open }]) =>
          `${field.padEnd(46)}${String(agreed).padStart(9)}${String(argued).padStart(8)}${String(open.length).padStart(8)}`,
      )
    const totals = [...this.tallies.values()].reduce(
      (sum, { agreed, argued, open }) => [sum[0] + agreed, sum[1] + argued, sum[2] + open.length],
      [0, 0, 0],
    )
    return [
      `${TSHARK_VERSION}; ${this.packets} packets compared, ${this.malformed} more passed over because tshark calls them malformed`,
      ...this.notes,
      `${'field'.padEnd(46)}${'agree'.padStart(9)}${'argued'.padStart(8)}${'differ'.padStart(8)}`,
      ...rows,
      `${'all'.padEnd(46)}${String(totals[0]).padStart(9)}${String(totals[1]).padStart(8)}${String(totals[2]).padStart(8)}`,
      ...[...needed].map(([{ reason }, times]) => `argued ${times} times: ${reason}`),
    ].join('\n')
  }

  failures(): string[] {
    const failures: string[] = []
    for (const [field, { open }] of this.tallies) {
      for (const { capture, number, ours, theirs } of open.slice(0, 5))
        failures.push(`${capture} #${number} ${field}: ours [${ours.join(', ')}], tshark [${theirs.join(', ')}]`)
      if (open.length > 5) failures.push(`${field}: ${open.length - 5} more`)
    }
    for (const [name, where] of this.uncounted)
      failures.push(`${name}: tshark has it, the comparison does not (${where})`)
    return failures
  }
}

const NOTHING: OraclePacket = { number: 0, fields: [], protocols: [], isMalformed: false }

warnIfMissing('The comparison with tshark')

describe('the oracle', () => {
  it.runIf(IS_CI)('is installed where all tests must run', () => {
    expect(TSHARK_VERSION).not.toBe('')
  })

  it.skipIf(TSHARK_VERSION === '')(
    'agrees about every attribute and option that both read',
    { timeout: 60_000 },
    async () => {
      const folder = mkdtempSync(join(tmpdir(), 'borescope-oracle-'))
      try {
        const path = join(folder, 'every-field.pcap')
        writeFileSync(path, pcapFile({ packets: everyField().map((bytes, timeUs) => ({ timeUs, bytes })) }))
        const comparison = new Comparison()
        await comparison.capture(path)
        expect(comparison.failures().join('\n')).toBe('')
        expect(comparison.packets).toBe(everyField().length)
      } finally {
        rmSync(folder, { recursive: true })
      }
    },
  )

  it.skipIf(MISSING !== null)(
    'agrees about every field of every packet, or is argued with',
    { timeout: 600_000 },
    async () => {
      const comparison = new Comparison()
      const queue = (await capturesIn(COMPARED)).filter((path) => !FUZZED.test(path))
      expect(queue.length).toBeGreaterThan(0)
      const worker = async (): Promise<void> => {
        for (let path = queue.pop(); path !== undefined; path = queue.pop()) await comparison.capture(path)
      }
      await Promise.all([worker(), worker()])
      process.stdout.write(`${comparison.table()}\n`)
      expect(comparison.failures().join('\n')).toBe('')
    },
  )

  // With other captures some arguments may have nothing to answer.
  it.skipIf(MISSING !== null || process.env['BORESCOPE_CAPTURES'] !== undefined)(
    'is argued with for nothing that it does not say',
    () => {
      expect(ARGUED.filter((argument) => !needed.has(argument)).map(({ reason }) => reason)).toEqual([])
    },
  )
})

describe.skipIf(!existsSync(CAPTURES))('every capture, the fuzzed ones too', () => {
  it('gives one bounded description a packet', { timeout: 300_000 }, async () => {
    for (const path of await capturesIn(UNHARMED)) {
      let last = 0
      const look = ({ number, layers }: PacketDescription) => {
        last = number
        expect(layers.length, `${path} #${number}`).toBeGreaterThan(0)
        expect(layers.length, `${path} #${number}`).toBeLessThan(64)
        expect(JSON.stringify(layers satisfies readonly Layer[]).length).toBeGreaterThan(2)
      }
      const packets = await describeCapture(path, look, {}, Number.POSITIVE_INFINITY)
      expect(last, path).toBe(packets)
    }
  })
})
