/**
 * `DataView`s of the buffers that packets come in. One read of a word takes a third of the time of its octets, but a view is an
 * allocation: packets share buffers, a block of a file or the ring of an interface, and several interfaces take turns.
 */
import { NO_BYTES } from '../base/bytes.ts'

/** Buffers that may take turns without a new view each time. */
const REMEMBERED = 16

const NO_VIEW = new DataView(NO_BYTES.buffer)

export class RecentViews {
  /** Of the last packet. */
  #bytes = NO_BYTES
  #view = NO_VIEW
  readonly #known: { bytes: Uint8Array; view: DataView }[] = Array.from({ length: REMEMBERED }, () => ({
    bytes: NO_BYTES,
    view: NO_VIEW,
  }))
  #oldest = 0

  /** Offsets in the view are those in the array. */
  of(bytes: Uint8Array): DataView {
    if (bytes !== this.#bytes) {
      this.#view = this.#find(bytes)
      this.#bytes = bytes
    }
    return this.#view
  }

  #find(bytes: Uint8Array): DataView {
    for (const known of this.#known) if (known.bytes === bytes) return known.view
    const place = this.#known[this.#oldest]
    this.#oldest = (this.#oldest + 1) % REMEMBERED
    place.bytes = bytes
    place.view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength)
    return place.view
  }
}
