/** What a dissected packet is made of. */

/** One layer, its fields by the standard names. Absent fields are those that the layer does not have. */
export interface Layer {
  readonly layer: string
  /** Why reading stopped in this layer. */
  readonly flaw?: string
  /** What is wrong without stopping a reader. */
  readonly findings?: readonly string[]
  /** Part of a packet that an ICMP error quotes. */
  quoted?: true
  readonly [field: string]: unknown
}

/** A part of a packet. On the wire it went on to `wireEnd`; the capture may have cut it at `end`. */
export interface Window {
  readonly bytes: Uint8Array
  readonly start: number
  readonly end: number
  readonly wireEnd: number
}
