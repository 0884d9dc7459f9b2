/**
 * The layers of IKE, for the dissection of single packets: a message with all its payloads, version 1 messages put together
 * from their fragments, and the frames of a TCP stream that carries IKE and ESP.
 *
 * What earlier packets told (fragments, how far a stream came) is kept in bounded tables.
 */
import { TCP_SYN, type TcpView } from '../wire/tcp.ts'
import { type IkeDescription, describeIke } from '../wire/ike-describe.ts'
import { type IkeTcpContent, IKE_TCP_PREFIX_LENGTH, isIkeTcpPrefix } from '../wire/ike-tcp.ts'
import { IkeView } from '../wire/ike.ts'
import { NATT_PORT } from '../wire/nat-t.ts'
import { IkeFragments } from './ike-fragments.ts'
import { IkeStream, type IkeStreamSink } from './ike-stream.ts'
import type { Layer, Window } from './layer.ts'

/** More frames than this in one segment are not told one by one. */
const FRAMES_MAX = 32
const STREAMS_MAX = 256

/** A frame of a stream, copied out of it. */
export interface StreamFrame {
  readonly content: IkeTcpContent
  readonly window: Window
}

export class IkeLayers {
  readonly #fragments: IkeFragments
  readonly #streams = new Map<string, DescribedStream>()
  readonly #view = new IkeView()
  readonly #whole = new IkeView()

  /** So many fragmented messages are kept at one time. */
  constructor(messagesMax: number) {
    this.#fragments = new IkeFragments(messagesMax)
  }

  /** The layers of a message; `sender` tells apart whose fragments belong together, null if none shall be kept. */
  message(window: Window, sender: string | null): Layer[] {
    const { bytes, start, end, wireEnd } = window
    const view = this.#view
    const flaw = view.decode(bytes, start, end, wireEnd)
    if (flaw !== null && flaw !== 'ike.initiator_spi') {
      const ending = wireEnd > end && flaw === 'ike.truncated' ? { isSnapped: true } : { flaw }
      return [{ layer: 'ike', length: wireEnd - start, ...ending }]
    }
    const description = describeIke(view)
    const layers = [{ ...layerOf(description), ...(flaw === null ? {} : { flaw }) }]
    const [piece] = description.payloads
    if (sender === null || piece?.kind !== 'fragment') return layers
    const key = `${description.initiatorSpi}${description.responderSpi}${sender} ${piece.packet}`
    const whole = this.#fragments.add(key, piece.fragment, piece.isLast, bytes.subarray(piece.start, piece.end))
    if (whole !== null) return [...layers, this.#reassembled(whole)]
    const { finding } = this.#fragments
    return finding === null ? layers : [layerOf({ ...description, flaws: [...description.flaws, finding] })]
  }

  /**
   * A TCP segment, if it is of a stream that carries IKE: its layer, and the frames that end in it. `forward` and `backward`
   * name its direction and the other. Null for the segments of other streams.
   */
  segment(tcp: TcpView, forward: string, backward: string): { layer: Layer; frames: StreamFrame[] } | null {
    const { bytes, payloadStart, payloadEnd, flags, sequence } = tcp
    const isOnPort = tcp.sourcePort === NATT_PORT || tcp.destinationPort === NATT_PORT
    const isBeginning = (flags & TCP_SYN) !== 0
    const hasPrefix =
      payloadEnd - payloadStart >= IKE_TCP_PREFIX_LENGTH && isIkeTcpPrefix(bytes, payloadStart, payloadEnd)
    const stream = isOnPort || hasPrefix ? this.#streamOf(forward) : this.#streams.get(forward)
    if (hasPrefix) this.#streamOf(backward)
    if (stream === undefined) return null
    if (isBeginning) stream.stream.begin(sequence)
    return payloadEnd === payloadStart ? null : stream.take(tcp)
  }

  #reassembled(whole: Uint8Array): Layer {
    const flaw = this.#whole.decode(whole, 0, whole.length)
    if (flaw !== null) return { layer: 'ike', isReassembled: true, length: whole.length, flaw }
    return { ...layerOf(describeIke(this.#whole)), isReassembled: true }
  }

  #streamOf(key: string): DescribedStream {
    const known = this.#streams.get(key)
    if (known !== undefined) return known
    if (this.#streams.size >= STREAMS_MAX) this.#streams.delete(this.#streams.keys().next().value as string)
    const stream = new DescribedStream()
    this.#streams.set(key, stream)
    return stream
  }
}

/** One direction of a connection, with the frames of the segment at hand. */
class DescribedStream implements IkeStreamSink {
  readonly stream = new IkeStream(this)
  #frames: StreamFrame[] = []
  #count = 0

  take({ bytes, payloadStart, payloadEnd, sequence }: TcpView): { layer: Layer; frames: StreamFrame[] } | null {
    this.#frames = []
    this.#count = 0
    const { stream } = this
    const hadPrefix = stream.hasPrefix
    const finding = stream.push(sequence, bytes, payloadStart, payloadEnd)
    if (!stream.isRunning && finding === null && this.#count === 0) return null
    const layer = {
      layer: 'ike-tcp',
      length: payloadEnd - payloadStart,
      frames: this.#count,
      ...(stream.hasPrefix && !hadPrefix ? { prefix: 'IKETCP' } : {}),
      ...(finding === null ? {} : { findings: [finding] }),
    }
    return { layer, frames: this.#frames }
  }

  frame(content: IkeTcpContent, bytes: Uint8Array, start: number, end: number): void {
    this.#count++
    if (this.#frames.length >= FRAMES_MAX) return
    const copy = bytes.slice(start, end)
    this.#frames.push({ content, window: { bytes: copy, start: 0, end: copy.length, wireEnd: copy.length } })
  }
}

function layerOf({
  flaws,
  ...description
}: Omit<IkeDescription, 'flaws'> & { readonly flaws: readonly string[] }): Layer {
  return { layer: 'ike', ...description, ...(flaws.length === 0 ? {} : { findings: flaws }) }
}
