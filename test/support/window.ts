/** Whether a decoder keeps to its window: the same bytes must give the same answer whatever surrounds them. */
export function inWindow<T>(
  bytes: Uint8Array,
  read: (buffer: Uint8Array, start: number, end: number) => T,
): { readonly among: T; readonly elsewhere: T } {
  return { among: surrounded(bytes, 0xaa, read), elsewhere: surrounded(bytes, 0x55, read) }
}

const MARGIN = 96

function surrounded<T>(
  bytes: Uint8Array,
  filling: number,
  read: (buffer: Uint8Array, start: number, end: number) => T,
): T {
  const buffer = new Uint8Array(bytes.length + MARGIN * 2).fill(filling)
  buffer.set(bytes, MARGIN)
  return read(buffer, MARGIN, MARGIN + bytes.length)
}
