/** Datagrams put together out of fragments where single packets are described: which frames brought them is part of the description. */
import { hashWindow } from '../base/hash.ts'
import { SECOND_US } from '../base/time.ts'
import { Defragmenter, type DefragmentLimits } from './defragment.ts'
import { Frame } from './frame.ts'

/** Fragments at one level of IP, and the frames that brought them. */
export class Reassembly {
  readonly frame = new Frame()
  readonly #limits: DefragmentLimits
  readonly #defragmenter: Defragmenter
  readonly #frames = new Map<string, { firstUs: number; numbers: number[] }>()
  #findings: string[] = []

  constructor(limits: DefragmentLimits) {
    this.#limits = limits
    this.#defragmenter = new Defragmenter(limits, (finding) => this.#findings.push(finding))
  }

  /** Takes the fragment in `frame.ip`. If complete, `frame.ip` reads the whole datagram until the next call. */
  take(
    packet: { readonly number: number; readonly timeUs: number },
    scope: number,
  ): { isComplete: boolean; frames: readonly number[]; findings: readonly string[] } {
    const { frame } = this
    this.#findings = []
    frame.timeUs = packet.timeUs
    // The defragmenter keeps VLANs apart by their number; here it keeps apart whatever the scope does.
    frame.link.vlanId = scope
    const { bytes, sourceAt, addressLength, protocol, id } = frame.ip
    const key = `${hashWindow(bytes, sourceAt, sourceAt + addressLength * 2)}/${protocol}/${id}/${scope}`
    const numbers = this.#note(key, packet)
    this.#defragmenter.complete(frame)
    // A view that was pointed at the whole datagram is no fragment any more.
    const isComplete = !frame.ip.isFragment
    if (isComplete) this.#frames.delete(key)
    return { isComplete, frames: numbers, findings: this.#findings }
  }

  #note(key: string, packet: { readonly number: number; readonly timeUs: number }): readonly number[] {
    const known = this.#frames.get(key)
    const isStale = known === undefined || packet.timeUs - known.firstUs >= this.#limits.timeoutSeconds * SECOND_US
    const entry = isStale ? { firstUs: packet.timeUs, numbers: [] } : known
    if (isStale) {
      this.#frames.delete(key)
      if (this.#frames.size >= this.#limits.datagramsMax)
        this.#frames.delete(this.#frames.keys().next().value as string)
      this.#frames.set(key, entry)
    }
    if (entry.numbers.length <= this.#limits.piecesMax) entry.numbers.push(packet.number)
    return entry.numbers
  }
}
