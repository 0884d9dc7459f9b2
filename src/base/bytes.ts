/**
 * Big-endian reads on the shared capture buffer, and the few ways in which bytes leave it as text.
 *
 * The reads do no bounds check: a view's `decode` has checked the length before anyone reads (a read past the end of the
 * array gives 0 bits, never an exception). Shifts on a `Uint8Array` measure the same as a `DataView` in the whole
 * dissector, and five times faster than `Buffer.readUInt16BE`.
 */

export const NO_BYTES: Uint8Array = new Uint8Array(0)

export function u16(bytes: Uint8Array, at: number): number {
  return (bytes[at] << 8) | bytes[at + 1]
}

export function u24(bytes: Uint8Array, at: number): number {
  return (bytes[at] << 16) | (bytes[at + 1] << 8) | bytes[at + 2]
}

export function u32(bytes: Uint8Array, at: number): number {
  return ((bytes[at] << 24) | (bytes[at + 1] << 16) | (bytes[at + 2] << 8) | bytes[at + 3]) >>> 0
}

/**
 * The same 32 bits signed, for keys and digests. Half of the unsigned ones are too large for V8's small integers: where a
 * call of `u32` is not inlined, each of them costs 16 bytes of heap.
 */
export function i32(bytes: Uint8Array, at: number): number {
  return (bytes[at] << 24) | (bytes[at + 1] << 16) | (bytes[at + 2] << 8) | bytes[at + 3]
}

/** An unsigned 64-bit value. It does not fit a number: for values that are printed, never for counting. */
export function u64(bytes: Uint8Array, at: number): bigint {
  return (BigInt(u32(bytes, at)) << 32n) | BigInt(u32(bytes, at + 4))
}

// A byte order mark is kept: with and without it are two names.
const UTF8 = new TextDecoder('utf-8', { ignoreBOM: true })

/** The bytes as UTF-8; what is not UTF-8 becomes U+FFFD, so that a hostile name is still a name. */
export function text(bytes: Uint8Array, start: number, end: number): string {
  return UTF8.decode(bytes.subarray(start, end))
}

/** Eight hexadecimal digits, of a word as a signed or an unsigned number. */
export function hexWord(word: number): string {
  return (word >>> 0).toString(16).padStart(8, '0')
}

/** Lower-case hexadecimal digits without separators. */
export function hex(bytes: Uint8Array, start: number, end: number): string {
  return Buffer.from(bytes.buffer, bytes.byteOffset + start, end - start).toString('hex')
}

/** Whether two windows, not necessarily of one buffer, hold the same bytes. */
export function equal(a: Uint8Array, aStart: number, b: Uint8Array, bStart: number, length: number): boolean {
  for (let i = 0; i < length; i++) if (a[aStart + i] !== b[bStart + i]) return false
  return true
}
