/**
 * The calls of the C library that capturing takes, through koffi. None of them can send a packet: what is not bound here
 * cannot be called.
 */
import type { LibraryHandle } from 'koffi'
import { LiveError } from '../live.ts'

export type Koffi = typeof import('koffi')
/** An address, as koffi hands it around. */
export type Pointer = bigint

export interface Libc {
  /** Each gives -1, and sets `errno`, where it fails. */
  socket(domain: number, type: number, protocol: number): number
  bind(socket: number, address: Uint8Array, length: number): number
  setsockopt(socket: number, level: number, option: number, value: Uint8Array, length: number): number
  getsockopt(socket: number, level: number, option: number, value: Uint8Array, length: Uint32Array): number
  attachFilter(socket: number, level: number, option: number, program: FilterProgram, length: number): number
  ioctl(socket: number, request: number, argument: Uint8Array): number
  poll(descriptors: Uint8Array, count: number, timeoutMs: number): Promise<number>
  close(socket: number): number
  /** Shared, readable and writable; null where it fails. */
  map(socket: number, length: number): { readonly address: Pointer; readonly memory: ArrayBuffer } | null
  unmap(address: Pointer, length: number): number
  /** Of the last call. */
  errno(): number
}

/** struct sock_fprog, with its instructions as struct sock_filter in the byte order of the machine. */
export interface FilterProgram {
  readonly len: number
  readonly filter: Uint8Array
}

export const FILTER_PROGRAM_BYTES = 16
const PROT_READ_WRITE = 3
const MAP_SHARED = 1
const MAP_FAILED = 0xffff_ffff_ffff_ffffn

/** Loads koffi, which is an optional dependency. Throws a `LiveError` without it. */
export async function loadKoffi(): Promise<Koffi> {
  try {
    const { default: koffi } = (await import('koffi')) as unknown as { default: Koffi }
    return koffi
  } catch (error) {
    throw new LiveError(
      'no_backend',
      `koffi, through which packets are captured, cannot be loaded (${(error as Error).message.split('\n', 1)[0]}): run 'npm install koffi' where Borescope is installed`,
    )
  }
}

let loaded: Promise<Libc> | null = null

export function loadLibc(): Promise<Libc> {
  loaded ??= loadKoffi().then(libcOf)
  return loaded
}

function libcOf(koffi: Koffi): Libc {
  const library: LibraryHandle = koffi.load(null)
  const program = koffi.struct({ len: 'uint16_t', filter: 'void *' })
  const ioctl = library.func('int ioctl(int, unsigned long, ...)')
  const poll = library.func('int poll(void *, unsigned long, int)')
  const mmap = library.func('void *mmap(void *, size_t, int, int, int, int64_t)')
  return {
    socket: library.func('int socket(int, int, int)') as Libc['socket'],
    bind: library.func('int bind(int, void *, uint32_t)') as Libc['bind'],
    setsockopt: library.func('int setsockopt(int, int, int, void *, uint32_t)') as Libc['setsockopt'],
    getsockopt: library.func('int getsockopt(int, int, int, void *, void *)') as Libc['getsockopt'],
    attachFilter: library.func('setsockopt', 'int', [
      'int',
      'int',
      'int',
      koffi.pointer(program),
      'uint32_t',
    ]) as Libc['attachFilter'],
    ioctl: (socket, request, argument) => ioctl(socket, request, 'void *', argument),
    poll: (descriptors, count, timeoutMs) =>
      new Promise((resolve) => {
        poll.async(descriptors, count, timeoutMs, (error: unknown, result: number) => resolve(error ? -1 : result))
      }),
    close: library.func('int close(int)') as Libc['close'],
    map(socket, length) {
      const address: Pointer | null = mmap(null, length, PROT_READ_WRITE, MAP_SHARED, socket, 0)
      if (address === null || BigInt.asUintN(64, BigInt(address)) === MAP_FAILED) return null
      return { address, memory: koffi.view(address, length) }
    },
    unmap: library.func('int munmap(void *, size_t)') as Libc['unmap'],
    errno: () => koffi.errno(),
  }
}
