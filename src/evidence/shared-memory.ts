/** Memory that two threads share, which is written once from one end to the other. */

/** As far as it is used here: TypeScript knows it only beside the DOM. */
declare const WebAssembly: {
  readonly Memory: new (size: {
    initial: number
    maximum: number
    shared: true
  }) => { readonly buffer: SharedArrayBuffer }
}

const PAGE_BYTES = 0x1_0000

/**
 * At least so many bytes, at most 4 GiB. They are the memory of WebAssembly because that comes from V8 itself, in pages of 4 KiB: glibc asks
 * the kernel for pages of 2 MiB where it is told to, and zeroing those when they are touched first takes five times as long. Memory
 * that may grow comes from V8, too, but each access asks how long it is.
 */
export function sharedMemory(bytes: number): SharedArrayBuffer {
  const pages = Math.ceil(bytes / PAGE_BYTES)
  return new WebAssembly.Memory({ initial: pages, maximum: pages, shared: true }).buffer
}
