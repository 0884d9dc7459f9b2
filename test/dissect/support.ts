import { type DefragmentLimits, Defragmenter } from '../../src/dissect/defragment.ts'
import { Dissector, type Verdict } from '../../src/dissect/dissector.ts'
import { Frame } from '../../src/dissect/frame.ts'
import { LINKTYPE } from '../../src/wire/link.ts'

const LIMITS: DefragmentLimits = { datagramsMax: 16, piecesMax: 64, timeoutSeconds: 30 }

/** A dissector with its frame, fed with packets in memory. */
export class Bench {
  readonly frame = new Frame()
  readonly findings: { name: string; detail: string }[] = []
  readonly defragmenter: Defragmenter
  readonly dissector: Dissector

  constructor(limits: Partial<DefragmentLimits> = {}, ports?: readonly number[]) {
    this.defragmenter = new Defragmenter({ ...LIMITS, ...limits }, (name, detail) =>
      this.findings.push({ name, detail }),
    )
    this.dissector = ports === undefined ? new Dissector(this.defragmenter) : new Dissector(this.defragmenter, ports)
  }

  /** Reads an Ethernet frame. */
  see(bytes: Uint8Array, timeUs = 0): Verdict {
    return this.#see(bytes, timeUs, LINKTYPE.ETHERNET)
  }

  /** Reads an IP packet. */
  seeIp(bytes: Uint8Array, timeUs = 0): Verdict {
    return this.#see(bytes, timeUs, LINKTYPE.RAW)
  }

  get names(): string[] {
    return this.findings.map((finding) => finding.name)
  }

  /** What stands behind the IP header. */
  get payload(): Uint8Array {
    const { bytes, payloadStart, payloadEnd } = this.frame.ip
    return bytes.slice(payloadStart, payloadEnd)
  }

  #see(bytes: Uint8Array, timeUs: number, linkType: number): Verdict {
    const { frame } = this
    // The capture uses one buffer again and again: what is kept of a packet must have been copied.
    const buffer = new Uint8Array(bytes)
    frame.bytes = buffer
    frame.start = 0
    frame.end = bytes.length
    frame.originalLength = bytes.length
    frame.timeUs = timeUs
    frame.linkType = linkType
    const verdict = this.dissector.dissect(frame)
    if (verdict === 'fragment') buffer.fill(0xee)
    return verdict
  }
}
