/** The shared library of libpcap, through koffi: for filters in its language, and as a way to capture where there is no ring. */
import type { LibraryHandle } from 'koffi'
import { LiveError } from '../live.ts'
import { INSTRUCTION_BYTES } from './bpf.ts'
import { type Koffi, loadKoffi, type Pointer } from './libc.ts'

/** What it is called on Debian, elsewhere on Linux, on macOS and on the BSDs. */
const NAMES = ['libpcap.so.0.8', 'libpcap.so.1', 'libpcap.so', 'libpcap.A.dylib', 'libpcap.dylib', 'libpcap.so.8']
const ERROR_BYTES = 256
export const NETMASK_UNKNOWN = 0xffff_ffff
/** The DLT_ numbers of Ethernet and of bare IP; the latter differs between systems. */
const DLT_ETHERNET = 1
const DLT_RAW = process.platform === 'openbsd' ? 14 : 12

/** struct bpf_program, with an address for its instructions. */
export interface Program {
  bf_len: number
  bf_insns: Pointer | null
}

export interface Libpcap {
  readonly koffi: Koffi
  readonly library: LibraryHandle
  openDead(linkType: number, snapLength: number): Pointer | null
  create(name: string, error: Uint8Array): Pointer | null
  setSnapLength(handle: Pointer, bytes: number): number
  activate(handle: Pointer): number
  compile(handle: Pointer, program: Program, expression: string, optimize: number, netmask: number): number
  freeCode(program: Program): void
  lastError(handle: Pointer): string
  close(handle: Pointer): void
}

let loaded: Promise<Libpcap> | null = null

/** Throws a `LiveError` where the library is not installed. */
export function loadLibpcap(): Promise<Libpcap> {
  loaded ??= loadKoffi().then(libpcapOf)
  return loaded
}

function libpcapOf(koffi: Koffi): Libpcap {
  const library = open(koffi)
  const program = koffi.struct({ bf_len: 'unsigned int', bf_insns: 'void *' })
  const inOut = koffi.inout(koffi.pointer(program))
  return {
    koffi,
    library,
    openDead: library.func('void *pcap_open_dead(int, int)') as Libpcap['openDead'],
    create: library.func('void *pcap_create(const char *, void *)') as Libpcap['create'],
    setSnapLength: library.func('int pcap_set_snaplen(void *, int)') as Libpcap['setSnapLength'],
    activate: library.func('int pcap_activate(void *)') as Libpcap['activate'],
    compile: library.func('pcap_compile', 'int', [
      'void *',
      inOut,
      'const char *',
      'int',
      'uint32_t',
    ]) as Libpcap['compile'],
    freeCode: library.func('pcap_freecode', 'void', [inOut]) as Libpcap['freeCode'],
    lastError: library.func('const char *pcap_geterr(void *)') as Libpcap['lastError'],
    close: library.func('void pcap_close(void *)') as Libpcap['close'],
  }
}

function open(koffi: Koffi): LibraryHandle {
  for (const name of NAMES) {
    try {
      return koffi.load(name)
    } catch {
      // The next name.
    }
  }
  throw new LiveError(
    'no_backend',
    'libpcap is not installed: on Debian and Ubuntu apt-get install libpcap0.8, on Fedora dnf install libpcap, on Alpine apk add libpcap',
  )
}

/**
 * Compiles an expression as tcpdump would for this interface, so that it knows where the kernel keeps VLAN tags. Without the
 * right to open the interface it compiles for a capture file, where tags are in the packets.
 *
 * @returns the instructions, as struct sock_filter in the byte order of the machine
 * @throws {LiveError} with libpcap's words if the expression is wrong
 */
export function compileExpression(
  libpcap: Libpcap,
  name: string,
  isEthernet: boolean,
  expression: string,
  snapLength: number,
): Uint8Array {
  const handle =
    (isEthernet ? liveHandle(libpcap, name, snapLength) : null) ?? deadHandle(libpcap, isEthernet, snapLength)
  const program: Program = { bf_len: 0, bf_insns: null }
  try {
    if (libpcap.compile(handle, program, expression, 1, NETMASK_UNKNOWN) !== 0 || program.bf_insns === null) {
      throw new LiveError('filter', `the filter '${expression}' is wrong: ${libpcap.lastError(handle)}`)
    }
    const length = program.bf_len * INSTRUCTION_BYTES
    const instructions = new Uint8Array(libpcap.koffi.view(program.bf_insns, length)).slice()
    libpcap.freeCode(program)
    return instructions
  } finally {
    libpcap.close(handle)
  }
}

function liveHandle(libpcap: Libpcap, name: string, snapLength: number): Pointer | null {
  const handle = libpcap.create(name, new Uint8Array(ERROR_BYTES))
  if (handle === null) return null
  libpcap.setSnapLength(handle, snapLength)
  // Warnings are above zero.
  if (libpcap.activate(handle) >= 0) return handle
  libpcap.close(handle)
  return null
}

function deadHandle(libpcap: Libpcap, isEthernet: boolean, snapLength: number): Pointer {
  const handle = libpcap.openDead(isEthernet ? DLT_ETHERNET : DLT_RAW, snapLength)
  if (handle === null) throw new LiveError('failed', 'libpcap gives no handle')
  return handle
}
