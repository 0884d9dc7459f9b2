/**
 * The first data messages of an L2TPv3 session in one direction, until they tell how it is laid out.
 *
 * What does not fit the others is not of this session: an injected message must not change how the others are read. Unless
 * there are more of the new kind: then it was the first that were injected.
 */
import {
  inferLayout,
  type InferredLayout,
  type L2tpV3Sample,
  SAMPLE_OCTETS_MAX,
  SAMPLES_MAX,
} from '../wire/l2tpv3-inference.ts'

export class LayoutSampler {
  samples: readonly L2tpV3Sample[] = []
  /** What the samples have in common; null while nothing can be said. */
  layout: InferredLayout | null = null
  /** Messages that had nothing in common with the samples, since the last that had. */
  #misfits = 0

  /** Nothing more is learned from further messages. */
  get isDone(): boolean {
    return this.samples.length >= SAMPLES_MAX
  }

  reset(): void {
    this.samples = []
    this.layout = null
    this.#misfits = 0
  }

  /** Goes on from what another one has learned. */
  inherit({ samples, layout }: LayoutSampler): void {
    this.samples = samples
    this.layout = layout
    this.#misfits = 0
  }

  /** A data message behind its session, of which a copy is kept. */
  take(bytes: Uint8Array, start: number, end: number, wireEnd: number): void {
    if (this.isDone) return
    const kept = bytes.slice(start, Math.min(end, start + SAMPLE_OCTETS_MAX))
    const sample = { bytes: kept, start: 0, end: kept.length, wireEnd: wireEnd - start }
    const together = [...this.samples, sample]
    const layout = inferLayout(together)
    if (layout !== null) {
      this.samples = together
      this.layout = layout
      this.#misfits = 0
      return
    }
    this.#misfits++
    if (this.#misfits <= this.samples.length) return
    this.samples = [sample]
    this.layout = inferLayout(this.samples)
    this.#misfits = 0
  }

  /** The cookie that the samples have in common. */
  get cookie(): Uint8Array {
    return this.samples.length === 0
      ? new Uint8Array(0)
      : this.samples[0].bytes.slice(0, this.layout?.cookieLength ?? 0)
  }
}
