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
