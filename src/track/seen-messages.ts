/**
 * The numbers and digests of the last messages of each control channel, in typed arrays: a row of some 200 bytes, where two small
 * arrays of its own would take a channel 650. There are two channels in each of 100,000 tunnels.
 */
import { doubled, FIRST_ROWS } from '../base/growing.ts'

/** Messages of a channel, each in the place that its number names. */
export const REMEMBERED = 32

export class SeenMessages {
  #ns = new Uint16Array(FIRST_ROWS * REMEMBERED)
  #digest = new Int32Array(FIRST_ROWS * REMEMBERED)
  /** Of each channel a bit for each place that holds a message. */
  #places = new Int32Array(FIRST_ROWS)

  /** Begins a channel, or begins it anew. */
  open(channel: number): void {
    if (channel >= this.#places.length) this.#grow()
    this.#places[channel] = 0
  }

  remember(channel: number, ns: number, digest: number): void {
    const place = ns % REMEMBERED
    this.#places[channel] |= 1 << place
    this.#ns[channel * REMEMBERED + place] = ns
    this.#digest[channel * REMEMBERED + place] = digest
  }

  /** Of the message with that number; undefined if it is not remembered. */
  digestOf(channel: number, ns: number): number | undefined {
    const place = ns % REMEMBERED
    const at = channel * REMEMBERED + place
    return this.#has(channel, place) && this.#ns[at] === ns ? this.#digest[at] : undefined
  }

  list(channel: number): (readonly [ns: number, digest: number])[] {
    const seen: (readonly [number, number])[] = []
    for (let place = 0; place < REMEMBERED; place++) {
      const at = channel * REMEMBERED + place
      if (this.#has(channel, place)) seen.push([this.#ns[at], this.#digest[at]])
    }
    return seen
  }

  #has(channel: number, place: number): boolean {
    return ((this.#places[channel] >>> place) & 1) === 1
  }

  #grow(): void {
    this.#ns = doubled(this.#ns)
    this.#digest = doubled(this.#digest)
    this.#places = doubled(this.#places)
  }
}
