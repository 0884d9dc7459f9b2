/** `borescope dissect`: every packet of a capture as one line of JSON, all its layers and fields. */
import { once } from 'node:events'
import type { Writable } from 'node:stream'
import { type Command, InvalidArgumentError } from 'commander'
import type { Packet } from '../capture/packet.ts'
import { openCapture, type Source } from '../capture/sources.ts'
import { loadPacketSecrets } from '../config.ts'
import type { Config } from '../config-schema.ts'
import { type EspKeyEntry, EspKeyring } from '../dissect/esp-keyring.ts'
import type { Layer } from '../dissect/layer.ts'
import { Describer, type PacketDescription } from '../dissect/layers.ts'
import { Frame } from '../dissect/frame.ts'
import { type Context, EXIT } from './context.ts'

type Wanted = (packet: PacketDescription) => boolean
type Range = readonly [first: number, last: number]

export interface DissectOptions {
  readonly frames?: readonly Range[]
  readonly filter?: readonly Wanted[]
}

/** Links whose agreements are remembered: more than a capture of a busy concentrator shows at one time. */
const LINKS_MAX = 65_536
/** IPsec associations remembered: whether they are encrypted, and which keys fit. */
const ASSOCIATIONS_MAX = 16_384
/** Lines are written in pieces of about this many characters. */
const PIECE = 0x1_0000

export function registerDissect(program: Command, context: () => Context): void {
  program
    .command('dissect')
    .summary('every packet as one line of JSON: all layers, all fields')
    .description(
      'Writes one JSON object a packet to stdout: every layer in the order of the wire with every field, down to the packet inside the tunnel. Hidden AVPs are recovered with the secrets of the configuration; passwords are never shown.',
    )
    .argument('<captures...>', 'files, or - for stdin')
    .option('--frames <ranges>', 'only these frames, as in 1-10,15', readRanges)
    .option(
      '--filter <condition>',
      'only packets with such a layer, as in layer=l2tp, or field, as in l2tp.tunnelId=7; may be given again',
      readFilter,
    )
    .action(async (captures: string[], options: DissectOptions) => {
      const known = context()
      process.exitCode = await dissect(known.config, captures, options, process.stdout, process.stderr, known.espKeys())
    })
}

/** Dissects the captures one after another; gives the exit code. A reader that has had enough ends it without an error. */
export async function dissect(
  config: Config,
  captures: readonly string[],
  options: DissectOptions,
  out: Writable,
  errors: Writable,
  espKeys: readonly EspKeyEntry[] = [],
): Promise<number> {
  const lines = new Lines(out)
  let code: number = EXIT.FINE
  try {
    for (const path of captures) {
      if (lines.isClosed) break
      const source = await openCapture(path).catch((error: unknown) => {
        errors.write(`borescope: ${error instanceof Error ? error.message : error}\n`)
        return null
      })
      if (source === null) {
        code = EXIT.INPUT
        continue
      }
      try {
        await dissectSource(source, config, options, lines, espKeys)
      } finally {
        await source.close()
      }
      if (source.fault === null) continue
      const { name, offset, message } = source.fault
      await lines.flush()
      errors.write(`borescope: ${source.name} is damaged at byte ${offset}: ${message} (${name})\n`)
      code = EXIT.INPUT
    }
    await lines.flush()
  } finally {
    lines.release()
  }
  return code
}

async function dissectSource(
  source: Source,
  config: Config,
  options: DissectOptions,
  lines: Lines,
  espKeys: readonly EspKeyEntry[],
): Promise<void> {
  const { capture, track } = config
  const describer = new Describer({
    l2tpPorts: capture.l2tpPorts,
    secrets: loadPacketSecrets(config, process.env).l2tp,
    fragments: {
      datagramsMax: capture.fragmentsMax,
      piecesMax: capture.fragmentPiecesMax,
      timeoutSeconds: capture.fragmentTimeoutSeconds,
    },
    linksMax: LINKS_MAX,
    esp: {
      keyring: new EspKeyring(espKeys),
      nullPacketsMin: track.espNullPackets,
      associationsMax: ASSOCIATIONS_MAX,
    },
  })
  const packet: Packet = new Frame()
  const lastWanted =
    options.frames === undefined ? Number.POSITIVE_INFINITY : Math.max(...options.frames.map(([, last]) => last))
  while (await source.fill()) {
    while (source.next(packet)) {
      // Packets that nobody asked for are read all the same: they complete fragments and say how later ones are read.
      const description = describer.describe(packet)
      if (isWanted(description, options)) lines.add(JSON.stringify(description))
      if (lines.isFull) await lines.flush()
      if (lines.isClosed || packet.number >= lastWanted) return
    }
  }
}

function isWanted(packet: PacketDescription, { frames, filter }: DissectOptions): boolean {
  if (frames !== undefined && !frames.some(([first, last]) => packet.number >= first && packet.number <= last))
    return false
  return filter === undefined || filter.every((wanted) => wanted(packet))
}

/** Lines to a stream that may be slow, or go away. */
class Lines {
  readonly #out: Writable
  #text = ''
  #isClosed = false

  constructor(out: Writable) {
    this.#out = out
    out.on('error', this.#close)
    out.on('close', this.#close)
  }

  /** The reader is gone: nothing that is written can arrive. */
  get isClosed(): boolean {
    return this.#isClosed
  }

  get isFull(): boolean {
    return this.#text.length >= PIECE
  }

  add(line: string): void {
    this.#text += `${line}\n`
  }

  async flush(): Promise<void> {
    const piece = this.#text
    this.#text = ''
    if (piece === '' || this.#isClosed || this.#out.write(piece)) return
    // Rejects when the reader goes away while we wait for it.
    await once(this.#out, 'drain').catch(this.#close)
  }

  /** Detaches from the stream. What a broken pipe still reports after the last write stays without consequence. */
  release(): void {
    this.#out.off('close', this.#close)
  }

  readonly #close = (): void => {
    this.#isClosed = true
  }
}

/** `1-10,15`. */
export function readRanges(words: string): Range[] {
  return words.split(',').map((part) => {
    const match = /^(\d{1,15})(?:-(\d{1,15})?)?$/.exec(part.trim())
    if (match === null) throw new InvalidArgumentError(`"${part}" is neither a frame nor a range such as 1-10.`)
    const first = Number(match[1])
    const last = !part.includes('-') ? first : match[2] === undefined ? Number.POSITIVE_INFINITY : Number(match[2])
    if (first < 1 || last < first) throw new InvalidArgumentError(`"${part}" is no range of frames: they count from 1.`)
    return [first, last]
  })
}

/** `layer=NAME` or `NAME.field=value`; conditions add up. */
export function readFilter(words: string, earlier: readonly Wanted[] = []): Wanted[] {
  const match = /^([\w-]+)(?:\.(\w+))?=(.*)$/s.exec(words)
  if (match === null || (match[2] === undefined && match[1] !== 'layer')) {
    throw new InvalidArgumentError(
      'A condition is layer=NAME or NAME.field=value, as in layer=l2tp or l2tp.tunnelId=7.',
    )
  }
  const [, name, field, value] = match
  const holds =
    field === undefined
      ? (layer: Layer) => layer.layer === value
      : (layer: Layer) => layer.layer === name && String(layer[field]) === value
  return [...earlier, ({ layers }) => layers.some(holds)]
}
