/**
 * SMB, DCE/RPC, NTLM, Kerberos and LDAP compared with tshark, field by field and packet by packet, over all captures.
 *
 * Single packets are compared, so tshark must not reassemble. The project's own captures are compared wherever tshark is;
 * BORESCOPE_CAPTURES names the folder of others.
 */
import { spawn } from 'node:child_process'
import { existsSync } from 'node:fs'
import { basename, join } from 'node:path'
import { createInterface } from 'node:readline'
import { expect, test } from 'vitest'
import { capturePaths } from '../../src/capture/paths.ts'
import type { Layer } from '../../src/dissect/layer.ts'
import type { PacketDescription } from '../../src/dissect/layers.ts'
import { type Values, WINDOWS_ARGUMENTS, WINDOWS_FIELDS, type WindowsDisagreement } from './fields-windows.ts'
import { TSHARK_VERSION } from './tshark.ts'
import { CAPTURES, describeCapture } from './compare.ts'

const FOLDERS = [
  join(import.meta.dirname, '../captures/windows'),
  ...['lab', 'variants', 'public'].map((folder) => join(CAPTURES, folder)),
]
/** Damaged copies show how each recovers, not what each reads. */
const FUZZED = /-mut\d*\b|-fuzz\b|\/malformed\//

const FILTER = 'nbss || smb || smb2 || dcerpc || kerberos || ldap || cldap || ntlmssp || nbdgm'
const PREFERENCES = [
  'tcp.desegment_tcp_streams:FALSE',
  'tcp.analyze_sequence_numbers:FALSE',
  'tcp.check_checksum:FALSE',
  'smb.trans_reassembly:FALSE',
  'smb.dcerpc_reassembly:FALSE',
  'dcerpc.desegment_dcerpc:FALSE',
  'dcerpc.reassemble_dcerpc:FALSE',
]
const FIELD_NAMES = Object.keys(WINDOWS_FIELDS)
const OURS: ReadonlySet<string> = new Set([
  'nbss',
  'nbdgm',
  'smb',
  'smb2',
  'smb2-encrypted',
  'smb2-compressed',
  'dcerpc',
  'dcerpc-datagram',
  'kerberos',
  'kpasswd',
  'ldap',
])

const PORTS: ReadonlySet<unknown> = new Set([88, 135, 138, 139, 389, 445, 464, 593, 3268])

interface Oracle {
  readonly protocols: string
  readonly isMalformed: boolean
  readonly fields: ReadonlyMap<string, Values>
}

async function askTshark(path: string): Promise<Map<number, Oracle>> {
  const names = ['frame.number', 'frame.protocols', '_ws.malformed', ...FIELD_NAMES]
  const child = spawn(
    'tshark',
    [
      '-n',
      '-r',
      path,
      '-Y',
      FILTER,
      '-T',
      'fields',
      '-E',
      'aggregator=\u001f',
      ...names.flatMap((name) => ['-e', name]),
      ...PREFERENCES.flatMap((preference) => ['-o', preference]),
    ],
    { stdio: ['ignore', 'pipe', 'ignore'] },
  )
  const packets = new Map<number, Oracle>()
  for await (const line of createInterface({ input: child.stdout })) {
    const [number, protocols, malformed, ...values] = line.split('\t')
    const fields = new Map<string, Values>()
    for (const [index, value] of values.entries())
      if (value !== '') fields.set(FIELD_NAMES[index], value.split('\u001f'))
    packets.set(Number(number), { protocols, isMalformed: malformed !== '', fields })
  }
  return packets
}

/** Of one empty text tshark's table cannot say whether it is there. */
function whole(values: Values): Values {
  return values.length === 1 && values[0] === '' ? [] : values
}

/** Numbers as decimal digits, booleans as 0 and 1, texts as they are; NULL is how tshark writes an empty name. */
function normal(value: string): string {
  if (value === 'NULL') return ''
  if (/^0x[0-9a-f]+$/i.test(value)) return BigInt(value).toString()
  if (value === 'True' || value === 'true') return '1'
  if (value === 'False' || value === 'false') return '0'
  return value
}

/** Collects the layers of the compared protocols, by packet; true if a packet uses one of their ports. */
async function dissectAll(path: string, into: Map<number, readonly Layer[]>): Promise<boolean> {
  let mayHold = false
  const look = ({ number, layers }: PacketDescription) => {
    const ours = layers.filter(({ layer }) => OURS.has(layer))
    if (ours.length > 0) into.set(number, ours)
    mayHold ||= layers.some(({ sourcePort, destinationPort }) => PORTS.has(sourcePort) || PORTS.has(destinationPort))
  }
  await describeCapture(path, look, {}, Number.POSITIVE_INFINITY)
  return mayHold
}

class Comparison {
  readonly tallies = new Map<string, { agreed: number; argued: number; open: WindowsDisagreement[] }>()
  readonly needed = new Map<string, number>()
  captures = 0
  packets = 0
  malformed = 0

  /** tshark takes half a second to start: it is asked where one of the protocols is seen, or may be on its port. */
  async capture(path: string): Promise<void> {
    const ours = new Map<number, readonly Layer[]>()
    const mayHold = await dissectAll(path, ours)
    if (ours.size === 0 && !mayHold) return
    const oracle = await askTshark(path)
    if (oracle.size > 0) this.captures++
    for (const number of new Set([...ours.keys(), ...oracle.keys()]))
      this.#packet(basename(path), number, ours.get(number) ?? [], oracle.get(number))
  }

  #packet(capture: string, number: number, layers: readonly Layer[], oracle: Oracle | undefined): void {
    this.packets++
    if (oracle?.isMalformed === true) {
      this.malformed++
      return
    }
    for (const [field, read] of Object.entries(WINDOWS_FIELDS)) {
      const ours = whole(read(layers).map(normal))
      const theirs = whole((oracle?.fields.get(field) ?? []).map(normal))
      if (ours.length === 0 && theirs.length === 0) continue
      const tally = this.tallies.get(field) ?? { agreed: 0, argued: 0, open: [] }
      this.tallies.set(field, tally)
      if (ours.length === theirs.length && ours.every((value, index) => value === theirs[index])) {
        tally.agreed += ours.length
        continue
      }
      const disagreement = { capture, number, field, ours, theirs, layers, protocols: oracle?.protocols ?? '' }
      const argument = WINDOWS_ARGUMENTS.find(({ fields, holds }) => fields.test(field) && holds(disagreement))
      if (argument === undefined) tally.open.push(disagreement)
      else {
        tally.argued++
        this.needed.set(argument.reason, (this.needed.get(argument.reason) ?? 0) + 1)
      }
    }
  }

  table(): string {
    const rows = [...this.tallies].sort(([a], [b]) => (a < b ? -1 : 1))
    const row = (name: string, ...numbers: readonly (number | string)[]): string =>
      name.padEnd(46) + numbers.map((number) => String(number).padStart(9)).join('')
    const sum = (of: (tally: { agreed: number; argued: number; open: readonly unknown[] }) => number): number =>
      rows.reduce((total, [, tally]) => total + of(tally), 0)
    return [
      `${TSHARK_VERSION}; ${this.captures} captures, ${this.packets} packets compared, of them ${this.malformed} passed over because tshark calls them malformed`,
      row('field', 'agree', 'argued', 'differ'),
      ...rows.map(([field, { agreed, argued, open }]) => row(field, agreed, argued, open.length)),
      row(
        'all',
        sum(({ agreed }) => agreed),
        sum(({ argued }) => argued),
        sum(({ open }) => open.length),
      ),
      ...[...this.needed].map(([reason, times]) => `argued ${times} times: ${reason}`),
    ].join('\n')
  }

  failures(): string[] {
    const failures: string[] = []
    for (const [field, { open }] of this.tallies) {
      for (const { capture, number, ours, theirs } of open.slice(0, 5))
        failures.push(`${capture} #${number} ${field}: ours [${ours.join(', ')}], tshark [${theirs.join(', ')}]`)
      if (open.length > 5) failures.push(`${field}: ${open.length - 5} more`)
    }
    return failures
  }
}

const hasTshark = TSHARK_VERSION !== ''
if (!hasTshark)
  process.stderr.write(
    "\n*** The comparison of Windows' protocols with tshark does not run: tshark is not installed (Debian package tshark).\n\n",
  )
if (!existsSync(CAPTURES))
  process.stderr.write(`\n*** Only the project's own captures are compared: there are no others at ${CAPTURES}.\n\n`)

test.skipIf(!hasTshark)(
  'the oracle agrees about every field of SMB, DCE/RPC, NTLM, Kerberos and LDAP, or is argued with',
  { timeout: 900_000 },
  async () => {
    const comparison = new Comparison()
    const { captures } = await capturePaths(FOLDERS.filter(existsSync))
    const queue = captures.filter((path) => !FUZZED.test(path))
    expect(queue.length).toBeGreaterThan(0)
    const worker = async (): Promise<void> => {
      for (let path = queue.pop(); path !== undefined; path = queue.pop()) await comparison.capture(path)
    }
    await Promise.all([worker(), worker()])
    process.stdout.write(`${comparison.table()}\n`)
    expect(comparison.failures().join('\n')).toBe('')
  },
)
