/** `borescope extract ID`: the packets of a thing as a pcapng file, with a manifest that says where they came from. */
import { basename, resolve } from 'node:path'
import type { Command } from 'commander'
import { targetFile } from '../base/target-file.ts'
import { isoMicroseconds } from '../base/time.ts'
import { CaptureWriter, type OutputTotals } from '../evidence/capture-writer.ts'
import { readKey } from '../evidence/key.ts'
import {
  hashOf,
  type ManifestContent,
  type ManifestSource,
  readSigningKey,
  signed,
  verifyManifest,
} from '../evidence/manifest.ts'
import { EvidenceError, type EvidenceProblem } from '../evidence/problem.ts'
import { EvidenceReader } from '../evidence/reader.ts'
import { type Extraction, extractFromCaptures, extractFromStore, type Taken, type Window } from '../extraction.ts'
import {
  EVERYTHING,
  isThingId,
  spiSubject,
  storedEventSubject,
  storedUserSubject,
  type Subject,
  SubjectGatherer,
  thingSubject,
} from '../extraction-subject.ts'
import { period } from '../store/dates.ts'
import { VERSION } from '../version.ts'
import { type Context, EXIT, UsageError } from './context.ts'
import { writeWhole } from './files.ts'
import { counted, print, printable } from './terminal.ts'

interface ExtractOptions {
  readonly out?: string
  readonly inner?: boolean
  readonly from?: string
  readonly to?: string
  readonly user?: string
  readonly evidence?: string
  readonly fromCaptures?: string[]
  readonly manifest?: string | true
  readonly sign?: string
  readonly verify?: string
  readonly publicKey?: string
}

export function registerExtract(program: Command, context: () => Context): void {
  program
    .command('extract')
    .summary('the packets of a tunnel, session, user, flow, alert, incident …, as a capture with a manifest')
    .description(
      'Writes the packets of one thing from the kept evidence (evidence in the configuration, or replay --evidence),\nor from captures, as a pcapng file. With a manifest: what is in it, from where, what is missing; it can be signed.',
    )
    .argument(
      '[id]',
      'a tunnel (t-…), session (s-…), flow (f-…), IKE SA (i-…), IPsec pair (e-…) or association (a-…), PPTP (p-…, c-…), PPPoE session (o-…), SPI (0x…), incident (n-…), or the id of an alert or event; a unique beginning will do. Without it: everything between --from and --to',
    )
    .option('-o, --out <file>', 'where to; - is stdout')
    .option('--inner', 'what is inside: the innermost IP packets, of IPsec too if there are keys')
    .option('--from <time>', 'at or after it: 2026-11-01, 2026-11-01T12:00:00Z, now-24h')
    .option('--to <time>', 'before it')
    .option('--user <name>', 'all sessions of a user, instead of an id')
    .option('--evidence <folder>', 'the kept evidence, if not where the configuration says')
    .option('--from-captures <files...>', 'from these captures instead, which are read twice')
    .option('--manifest [file]', 'also write a manifest; beside the file if no name is given')
    .option('--sign <key>', 'sign the manifest with the Ed25519 key in this PEM file')
    .option('--verify <manifest>', 'compare a manifest with its file and its signature, and write nothing')
    .option('--public-key <file>', 'with --verify: whose signature it must be, in PEM')
    .action(async (id: string | undefined, options: ExtractOptions) => {
      process.exitCode =
        options.verify === undefined ? await extract(context(), id, options) : await verify(options.verify, options)
    })
}

async function verify(path: string, { publicKey }: ExtractOptions): Promise<number> {
  const { manifest, failures, signer } = await verifyManifest(path, publicKey ?? null)
  for (const failure of failures) process.stderr.write(`borescope: ${printable(path)}: ${printable(failure)}\n`)
  if (failures.length > 0) return EXIT.INPUT
  const { file, packets } = manifest
  const by = signer === null ? 'it is not signed' : `signed by the key ${signer.slice(0, 16)}`
  await print(`${printable(file.name)} is as the manifest says: ${counted(packets, 'packet')}, ${by}`)
  return EXIT.FINE
}

/** What was written, and from where. */
interface Written {
  readonly subject: Subject
  readonly sources: readonly ManifestSource[]
  readonly removed: ManifestContent['removed']
  readonly problems: readonly EvidenceProblem[]
}

async function extract(context: Context, id: string | undefined, options: ExtractOptions): Promise<number> {
  const out = outOf(id, options)
  const window: Window = {
    fromUs: options.from === undefined ? Number.NEGATIVE_INFINITY : timeUs(options.from),
    toUs: options.to === undefined ? Number.POSITIVE_INFINITY : timeUs(options.to),
  }
  if (window.fromUs >= window.toUs)
    throw new UsageError(`nothing is at or after ${options.from} and before ${options.to}`)
  const key = options.sign === undefined ? null : readSigningKey(options.sign)
  // Refused before anything is read or written, rather than after the packets are.
  const manifestFile = options.manifest === undefined && key === null ? null : manifestPath(out, options.manifest)
  if (manifestFile !== null) refuseManifest(manifestFile, out)
  const isInner = options.inner === true
  const { config } = context
  const extraction: Extraction = { config, espKeys: isInner ? context.espKeys() : [], window, isInner }
  const writer = new CaptureWriter(out, `Borescope ${VERSION}`, commentOf(id, options))
  let written: Written
  let sha256: string
  try {
    written =
      options.fromCaptures === undefined
        ? await fromStore(context, id, options, extraction, writer)
        : await fromCaptures(context, id, options, options.fromCaptures, extraction, writer)
    refuseUnknownSpi(id, window, written)
    sha256 = await writer.close()
  } catch (error) {
    writer.abort()
    throw error
  }
  tellProblems(written.problems)
  if (manifestFile !== null) {
    const content = manifestOf(config.sensor.name, written, options, writer.totals, sha256, out)
    const manifest = key === null ? content : signed(content, key)
    await writeWhole(manifestFile, `${JSON.stringify(manifest, null, 2)}\n`, 0o600)
  }
  tell(written, writer.totals, out)
  return written.problems.length > 0 ? EXIT.INPUT : EXIT.FINE
}

function tellProblems(problems: readonly EvidenceProblem[]): void {
  for (const { file, offset, message } of problems)
    process.stderr.write(`borescope: ${printable(file)} ${message} (byte ${offset})\n`)
}

/** An SPI that nobody has seen is known by its packets only, as other ids are by their index. */
function refuseUnknownSpi(id: string | undefined, window: Window, written: Written): void {
  const isBounded = Number.isFinite(window.fromUs) || Number.isFinite(window.toUs)
  if (id === undefined || spiSubject(id) === null || isBounded || written.sources.length > 0) return
  tellProblems(written.problems)
  throw new EvidenceError(`no packets are kept of ${written.subject.ids.join(', ')}`)
}

function outOf(id: string | undefined, options: ExtractOptions): string {
  const { out, user, from, to } = options
  if (out === undefined) throw new UsageError('where to? -o FILE, or -o - for stdout')
  if (id !== undefined && user !== undefined) throw new UsageError('expected either an id or --user')
  if (id === undefined && user === undefined && (from === undefined || to === undefined))
    throw new UsageError("which packets? An id as 'borescope tunnels' shows it, --user, or both --from and --to")
  if (out === '-' && (options.manifest === true || (options.sign !== undefined && options.manifest === undefined)))
    throw new UsageError('the manifest of what goes to stdout needs a name: --manifest FILE')
  return out
}

function timeUs(text: string): number {
  const found = period(text, Date.now() * 1000)
  if (found === null) throw new UsageError(`${text} is no time: expected 2026-11-01, 2026-11-01T12:00:00Z or now-24h`)
  return found.fromUs
}

function commentOf(id: string | undefined, { user, inner }: ExtractOptions): string {
  const what = id ?? (user === undefined ? 'everything' : `user ${user}`)
  return `${inner === true ? 'inside ' : ''}${what}, extracted by Borescope`
}

function manifestPath(out: string, manifest: string | true | undefined): string {
  return typeof manifest === 'string' ? manifest : `${out}.manifest.json`
}

function refuseManifest(path: string, out: string): void {
  if (path === '-') return
  const { path: target } = targetFile(path)
  if (out !== '-' && resolve(target) === resolve(targetFile(out).path))
    throw new UsageError(`the manifest would take the place of the packets in ${out}: give it another name`)
}

// --- from the store

async function fromStore(
  context: Context,
  id: string | undefined,
  options: ExtractOptions,
  extraction: Extraction,
  writer: CaptureWriter,
): Promise<Written> {
  const { path, encryptionKeyFile } = context.config.evidence
  const reader = new EvidenceReader(
    options.evidence ?? path,
    encryptionKeyFile === '' ? null : readKey(encryptionKeyFile),
  )
  try {
    refuseClosedStore(reader)
    const subject = await subjectIn(context, reader, id, options.user).catch((error: unknown) => {
      // What is missed may lie where nothing could be read.
      tellProblems(distinct(reader.problems))
      throw error
    })
    const taken = await extractFromStore(reader, subject, extraction, writer)
    const { segments, problems } = reader
    const first = segments.reduce(
      (least, { directory }) => Math.min(least, directory.firstUs),
      Number.POSITIVE_INFINITY,
    )
    const gone = segments.length === 0 ? 0 : segments[0].file.number - 1
    const before = gone > 0 && Number.isFinite(first) ? isoMicroseconds(first) : null
    return { subject, sources: sourcesOf(taken), removed: { segments: gone, before }, problems: distinct(problems) }
  } finally {
    reader.close()
  }
}

/** Nothing of it can be read: the key is the user's to mend. */
function refuseClosedStore({ segments, problems }: EvidenceReader): void {
  const problem = problems.find(({ name }) => name === 'evidence.key_missing' || name === 'evidence.key_wrong')
  if (problem !== undefined && segments.length === 0) throw new EvidenceError(`${problem.file} ${problem.message}`)
}

async function subjectIn(
  context: Context,
  reader: EvidenceReader,
  id: string | undefined,
  user: string | undefined,
): Promise<Subject> {
  if (id === undefined && user === undefined) return EVERYTHING
  const spi = id === undefined ? null : spiSubject(id)
  if (spi !== null) return spi
  if (id !== undefined && isThingId(id))
    return thingSubject(id, (prefix, limit) => reader.namesBeginning(prefix, limit))
  const store = await context.openStore()
  try {
    return user === undefined ? await storedEventSubject(store, id as string) : await storedUserSubject(store, user)
  } finally {
    await store.close()
  }
}

function sourcesOf(taken: readonly Taken[]): ManifestSource[] {
  const used = taken.filter(({ packets }) => packets > 0)
  return used.map(({ found: { segment }, packets }) => {
    const { file, directory } = segment
    const state = file.isOpen ? 'open' : directory.isRecovered ? 'recovered' : 'closed'
    const { fileBytes, sha256 } = directory
    return { file: basename(file.path), bytes: fileBytes, sha256: sha256 === '' ? null : sha256, state, packets }
  })
}

function distinct(problems: readonly EvidenceProblem[]): EvidenceProblem[] {
  return [
    ...new Map(problems.map((problem) => [`${problem.file} ${problem.offset} ${problem.name}`, problem])).values(),
  ]
}

// --- from captures

async function fromCaptures(
  context: Context,
  id: string | undefined,
  options: ExtractOptions,
  captures: readonly string[],
  extraction: Extraction,
  writer: CaptureWriter,
): Promise<Written> {
  const { user } = options
  const isThing = id === undefined ? user === undefined : isThingId(id) || spiSubject(id) !== null
  const gatherer = isThing ? null : new SubjectGatherer(id ?? '', user)
  // Alerts come from rules only; who looks for a tunnel needs none.
  const rules = gatherer !== null && user === undefined ? context.rules().set : null
  // Whether a tunnel is inside another one depends on the keys.
  const withKeys = { ...extraction, espKeys: context.espKeys() }
  const find = (namesBeginning: (prefix: string, limit: number) => readonly string[]): Subject => {
    if (gatherer !== null) return gatherer.subject()
    return id === undefined ? EVERYTHING : (spiSubject(id) ?? thingSubject(id, namesBeginning))
  }
  const { subject, packets, faults } = await extractFromCaptures(captures, { gatherer, find }, rules, withKeys, writer)
  const sources: ManifestSource[] = []
  for (const path of captures) {
    const file = basename(path)
    const count = packets.get(file) ?? 0
    if (count === 0) continue
    const found = await hashOf(path)
    sources.push({ file, bytes: found?.bytes ?? 0, sha256: found?.sha256 ?? null, state: 'capture', packets: count })
  }
  return { subject, sources, removed: { segments: 0, before: null }, problems: faults }
}

// --- what is said of it

function manifestOf(
  sensor: string,
  { subject, sources, removed, problems }: Written,
  options: ExtractOptions,
  totals: OutputTotals,
  sha256: string,
  out: string,
): ManifestContent {
  const time = (us: number) => (Number.isNaN(us) ? null : isoMicroseconds(us))
  return {
    format: 'borescope-evidence',
    version: 1,
    created: new Date().toISOString(),
    sensor: { name: sensor, version: VERSION },
    request: {
      ids: options.user === undefined ? subject.ids : [`user ${options.user}`, ...subject.ids],
      from: options.from ?? null,
      to: options.to ?? null,
      inner: options.inner === true,
    },
    file: { name: out === '-' ? 'stdout' : basename(out), bytes: totals.bytes, sha256 },
    packets: totals.packets,
    first: time(totals.firstUs),
    last: time(totals.lastUs),
    cutPackets: totals.cut,
    sources,
    removed,
    problems,
  }
}

function tell({ subject, removed }: Written, { packets, cut }: OutputTotals, out: string): void {
  const { ids } = subject
  const what = ids.length === 0 ? '' : ` of ${ids.length > 3 ? counted(ids.length, 'thing') : ids.join(', ')}`
  const notes = [
    ...(cut > 0 ? [`${counted(cut, 'packet')} without the end of their payload`] : []),
    ...(removed.before === null ? [] : [`nothing is left from before ${removed.before}`]),
  ]
  const where = out === '-' ? '' : ` in ${out}`
  process.stderr.write(`${counted(packets, 'packet')}${what}${where}${notes.map((note) => `; ${note}`).join('')}\n`)
}
