/** Columns that grow with what is followed. */

/**
 * How many rows a table begins with: few, so that it has grown before anything is compiled. V8 takes a field that was written once for a
 * constant, and throws away all code that relies on it when the table grows: in the middle of the first tunnels that was half the packet path.
 */
export const FIRST_ROWS = 16

/** An array of twice the length that begins with what the old one holds. */
export function doubled<
  T extends
    | Int8Array<ArrayBuffer>
    | Uint8Array<ArrayBuffer>
    | Uint16Array<ArrayBuffer>
    | Int32Array<ArrayBuffer>
    | Float64Array<ArrayBuffer>,
>(old: T): T {
  const array = new (old.constructor as new (length: number) => T)(old.length * 2)
  array.set(old)
  return array
}
