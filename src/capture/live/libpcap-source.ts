/**
 * Packets of an interface through libpcap: for systems without the ring, and for whoever wants it.
 *
 * A call of libpcap for every packet would cost more than the packet. So libpcap writes them itself, by its own `pcap_dump`,
 * as the records of a capture file into memory of ours; from there they are read as from a file.
 */
import { type LearnedPorts, type LiveCounters, LiveError, type LiveOptions, type LiveSource } from '../live.ts'
import type { Packet } from '../packet.ts'
import { INSTRUCTION_BYTES } from './bpf.ts'
import { isLittleEndian, noInterface } from './interfaces.ts'
import type { Pointer } from './libc.ts'
import { type Libpcap, NETMASK_UNKNOWN, type Program } from './libpcap.ts'
import type { Poller } from './poller.ts'

const ERROR_BYTES = 256
const FILE_HEADER_BYTES = 24
const RECORD_HEADER_BYTES = 16
/** Packets of one call: the memory holds as many of the longest. */
const BATCH = 64
const NANOSECONDS = 1
const DIRECTION_IN = 1
const STATS_BYTES = 24
const LINKTYPE_ETHERNET = 1
/** DLT_RAW of the systems that there are. */
const DLT_RAW = [12, 14]
/** pcap_activate: there is no such device, and the like. */
const NO_SUCH_DEVICE = -5
const NOT_PERMITTED = [-8, -11]
const NOT_UP = -9
const BREAK = -2
const LATENESS_MS = 15
/** How often one that is gone is looked for. */
const REOPEN_MS = 500

/** What the filter of a handle is made of. */
export interface HandleFilter {
  /** Instructions for packets that begin with this header, or with another one; null for every packet. */
  program(begin: 'ethernet' | 'ip' | null, learned: LearnedPorts): Uint8Array | null
  /** In the language of libpcap, instead. */
  readonly expression: string | null
}

/** The calls that only capturing takes. */
function bindCapture({ koffi, library }: Libpcap) {
  const program = koffi.struct({ bf_len: 'unsigned int', bf_insns: 'void *' })
  const pointer = koffi.pointer(program)
  const libc = koffi.load(null)
  return {
    view: (address: Pointer, length: number): ArrayBuffer => koffi.view(address, length),
    allocate: libc.func('void *malloc(size_t)') as (bytes: number) => Pointer | null,
    free: libc.func('void free(void *)') as (address: Pointer) => void,
    fmemopen: libc.func('void *fmemopen(void *, size_t, const char *)') as (
      memory: Pointer,
      bytes: number,
      mode: string,
    ) => Pointer | null,
    seek: libc.func('int fseek(void *, long, int)') as (file: Pointer, offset: number, from: number) => number,
    tell: libc.func('long ftell(void *)') as (file: Pointer) => number,
    setPromiscuous: library.func('int pcap_set_promisc(void *, int)'),
    setTimeout: library.func('int pcap_set_timeout(void *, int)'),
    setBufferSize: library.func('int pcap_set_buffer_size(void *, int)'),
    setPrecision: library.func('int pcap_set_tstamp_precision(void *, int)'),
    setNonBlocking: library.func('int pcap_setnonblock(void *, int, void *)'),
    setDirection: library.func('int pcap_setdirection(void *, int)'),
    setFilter: library.func('pcap_setfilter', 'int', ['void *', pointer]),
    linkType: library.func('int pcap_datalink(void *)'),
    descriptor: library.func('int pcap_get_selectable_fd(void *)'),
    precision: library.func('int pcap_get_tstamp_precision(void *)'),
    stats: library.func('int pcap_stats(void *, void *)'),
    dumpTo: library.func('void *pcap_dump_fopen(void *, void *)'),
    dumpFlush: library.func('int pcap_dump_flush(void *)'),
    dumpClose: library.func('void pcap_dump_close(void *)'),
    dispatch: library.func('int pcap_dispatch(void *, int, void *, void *)'),
    dump: library.symbol('pcap_dump') as Pointer,
  }
}

/** Opens an interface. Throws a `LiveError`. */
export function openLibpcap(
  libpcap: Libpcap,
  poller: Poller,
  name: string,
  options: LiveOptions,
  filter: HandleFilter,
): LiveSource {
  return new LibpcapSource(libpcap, poller, name, options, filter)
}

/** What exists while the interface does. */
interface Handle {
  readonly handle: Pointer
  readonly linkType: number
  readonly descriptor: number
  readonly file: Pointer
  readonly dumper: Pointer
  /** 1000 where the records have microseconds. */
  readonly unitNs: number
}

class LibpcapSource implements LiveSource {
  readonly ring = null
  readonly name: string
  readonly latencyMs: number
  readonly #libpcap: Libpcap
  readonly #calls: ReturnType<typeof bindCapture>
  readonly #poller: Poller
  readonly #options: LiveOptions
  readonly #filter: HandleFilter
  readonly #memoryBytes: number
  readonly #memory: Pointer
  #bytes: Uint8Array
  readonly #view: DataView
  #open: Handle | null
  #learned: LearnedPorts = { udp: [], tcp: [] }
  #at = 0
  #end = 0
  /** Packets of the batch that have not been read. */
  #unread = 0
  #packets = 0
  #bytesSeen = 0
  #truncated = 0
  #rebinds = 0
  #ownDrops = 0
  /** The counts of handles that are closed, and the last ones of this one. */
  readonly #before = { received: 0, kernelDrops: 0, interfaceDrops: 0 }
  readonly #now = { received: 0, kernelDrops: 0, interfaceDrops: 0 }
  readonly #stats = new Uint8Array(STATS_BYTES)
  #triedMs = 0
  #isClosed = false

  constructor(libpcap: Libpcap, poller: Poller, name: string, options: LiveOptions, filter: HandleFilter) {
    this.name = name
    this.latencyMs = options.blockTimeoutMs + LATENESS_MS
    this.#libpcap = libpcap
    this.#calls = bindCapture(libpcap)
    this.#poller = poller
    this.#options = options
    this.#filter = filter
    // fmemopen writes a zero behind the last byte.
    this.#memoryBytes = FILE_HEADER_BYTES + BATCH * (RECORD_HEADER_BYTES + options.snapLength) + 1
    const memory = this.#calls.allocate(this.#memoryBytes)
    if (memory === null) throw new LiveError('failed', `no memory for ${name}`)
    this.#memory = memory
    const view = this.#calls.view(memory, this.#memoryBytes)
    this.#bytes = new Uint8Array(view)
    this.#view = new DataView(view)
    try {
      this.#open = this.#openHandle()
    } catch (error) {
      this.#calls.free(memory)
      throw error
    }
  }

  get state(): 'up' | 'down' {
    return this.#open === null ? 'down' : 'up'
  }

  next(packet: Packet): boolean {
    if (this.#isClosed) return false
    if (this.#at >= this.#end && !this.#fill()) return false
    const view = this.#view
    const at = this.#at
    const { linkType, unitNs } = this.#open!
    const kept = view.getUint32(at + 8, isLittleEndian)
    const start = at + RECORD_HEADER_BYTES
    if (start + kept > this.#end) {
      this.#at = this.#end
      return false
    }
    const nanoseconds = view.getUint32(at + 4, isLittleEndian) * unitNs
    const microseconds = Math.floor(nanoseconds / 1000)
    packet.bytes = this.#bytes
    packet.start = start
    packet.end = start + kept
    packet.timeUs = view.getUint32(at, isLittleEndian) * 1_000_000 + microseconds
    packet.timeNs = nanoseconds - microseconds * 1000
    packet.originalLength = view.getUint32(at + 12, isLittleEndian)
    packet.linkType = linkType
    packet.interfaceId = 0
    packet.number = ++this.#packets
    packet.offset = 0
    this.#at = packet.end
    this.#unread--
    this.#bytesSeen += kept
    if (kept < packet.originalLength) this.#truncated++
    return true
  }

  async wait(timeoutMs: number): Promise<void> {
    if (this.#isClosed || this.#at < this.#end) return
    await this.#poller.wait(timeoutMs)
  }

  look(): boolean {
    return this.#open === null && !this.#isClosed && this.#reopen()
  }

  get counters(): LiveCounters {
    this.#readStats()
    const { received, kernelDrops, interfaceDrops } = this.#before
    return {
      packets: this.#packets,
      bytes: this.#bytesSeen,
      received: received + this.#now.received,
      kernelDrops: kernelDrops + this.#now.kernelDrops,
      interfaceDrops: interfaceDrops + this.#now.interfaceDrops,
      freezes: 0,
      ownDrops: this.#ownDrops,
      truncated: this.#truncated,
      ringFill: 0,
      ringFillHighest: 0,
      rebinds: this.#rebinds,
    }
  }

  learn(ports: LearnedPorts): void {
    this.#learned = ports
    if (this.#open === null || this.#filter.expression !== null) return
    try {
      this.#setFilter(this.#open.handle, this.#open.linkType)
    } catch (error) {
      // Without the memory for a larger filter the old one goes on.
      if (!(error instanceof LiveError)) throw error
    }
  }

  close(): void {
    if (this.#isClosed) return
    this.#isClosed = true
    this.#closeHandle()
    // Whoever still holds a window must find it empty, and not memory that is gone.
    ;(this.#bytes.buffer as ArrayBuffer).transfer(0)
    this.#bytes = new Uint8Array(0)
    this.#calls.free(this.#memory)
  }

  /** Another batch of packets into the memory. False when there are none. */
  #fill(): boolean {
    if (this.#open === null) return false
    const { handle, file, dumper } = this.#open
    const calls = this.#calls
    // What libpcap had and could not write.
    this.#ownDrops += this.#unread
    this.#unread = 0
    calls.seek(file, 0, 0)
    const count: number = calls.dispatch(handle, BATCH, calls.dump, dumper)
    if (count < 0 && count !== BREAK) {
      this.#closeHandle()
      return false
    }
    calls.dumpFlush(dumper)
    this.#unread = Math.max(0, count)
    this.#at = 0
    this.#end = Number(calls.tell(file))
    return this.#end > 0
  }

  #openHandle(): Handle {
    const { name } = this
    const { snapLength, bufferBytes, blockTimeoutMs, promiscuous, outgoing } = this.#options
    const calls = this.#calls
    const error = new Uint8Array(ERROR_BYTES)
    const handle = this.#libpcap.create(name, error)
    if (handle === null) throw new LiveError('failed', `${name} cannot be watched: ${textOf(error)}`)
    try {
      this.#libpcap.setSnapLength(handle, snapLength)
      calls.setPromiscuous(handle, promiscuous ? 1 : 0)
      calls.setTimeout(handle, blockTimeoutMs)
      calls.setBufferSize(handle, Math.min(bufferBytes, 0x7fff_ffff))
      calls.setPrecision(handle, NANOSECONDS)
      const status: number = this.#libpcap.activate(handle)
      if (status < 0) throw this.#refused(handle, status)
      if (!outgoing) calls.setDirection(handle, DIRECTION_IN)
      const linkType: number = calls.linkType(handle)
      this.#setFilter(handle, linkType)
      if (calls.setNonBlocking(handle, 1, error) !== 0) throw new LiveError('failed', textOf(error))
      const file = calls.fmemopen(this.#memory, this.#memoryBytes, 'w+')
      const dumper: Pointer | null = file === null ? null : calls.dumpTo(handle, file)
      if (file === null || dumper === null) throw new LiveError('failed', `no memory for ${name}`)
      const descriptor: number = calls.descriptor(handle)
      if (descriptor !== -1) this.#poller.add(descriptor)
      const unitNs = calls.precision(handle) === NANOSECONDS ? 1 : 1000
      return { handle, linkType, descriptor, file, dumper, unitNs }
    } catch (refusal) {
      this.#libpcap.close(handle)
      throw refusal
    }
  }

  #refused(handle: Pointer, status: number): LiveError {
    const { name } = this
    const says = this.#libpcap.lastError(handle)
    if (status === NO_SUCH_DEVICE) return noInterface(name)
    if (NOT_PERMITTED.includes(status)) {
      return new LiveError('not_permitted', `${name} may not be watched by this user: run as root (${says})`)
    }
    if (status === NOT_UP) return new LiveError('failed', `${name} is down: set it up first`)
    return new LiveError('failed', `${name} cannot be watched: ${says}`)
  }

  #setFilter(handle: Pointer, linkType: number): void {
    const { expression } = this.#filter
    if (expression !== null) {
      this.#setExpression(handle, expression)
      return
    }
    const kind = linkType === LINKTYPE_ETHERNET ? 'ethernet' : DLT_RAW.includes(linkType) ? 'ip' : null
    const instructions = this.#filter.program(kind, this.#learned)
    if (instructions === null) return
    this.#install(handle, { bf_len: instructions.length / INSTRUCTION_BYTES, bf_insns: instructions })
  }

  #setExpression(handle: Pointer, expression: string): void {
    const program: Program = { bf_len: 0, bf_insns: null }
    if (this.#libpcap.compile(handle, program, expression, 1, NETMASK_UNKNOWN) !== 0) {
      throw new LiveError('filter', `the filter '${expression}' is wrong: ${this.#libpcap.lastError(handle)}`)
    }
    try {
      this.#install(handle, program)
    } finally {
      this.#libpcap.freeCode(program)
    }
  }

  #install(
    handle: Pointer,
    program: { readonly bf_len: number; readonly bf_insns: Pointer | Uint8Array | null },
  ): void {
    if (this.#calls.setFilter(handle, program) === 0) return
    throw new LiveError('failed', `the filter of ${this.name} was refused: ${this.#libpcap.lastError(handle)}`)
  }

  #readStats(): void {
    if (this.#open === null || this.#calls.stats(this.#open.handle, this.#stats) !== 0) return
    const view = new DataView(this.#stats.buffer)
    this.#now.received = view.getUint32(0, isLittleEndian)
    this.#now.kernelDrops = view.getUint32(4, isLittleEndian)
    this.#now.interfaceDrops = view.getUint32(8, isLittleEndian)
  }

  #closeHandle(): void {
    if (this.#open === null) return
    this.#readStats()
    for (const name of ['received', 'kernelDrops', 'interfaceDrops'] as const) {
      this.#before[name] += this.#now[name]
      this.#now[name] = 0
    }
    const { handle, dumper, descriptor } = this.#open
    if (descriptor !== -1) this.#poller.delete(descriptor)
    // This closes the file, too.
    this.#calls.dumpClose(dumper)
    this.#libpcap.close(handle)
    this.#open = null
    this.#at = 0
    this.#end = 0
  }

  /** An interface that was gone may be back. */
  #reopen(): boolean {
    if (performance.now() - this.#triedMs < REOPEN_MS) return false
    this.#triedMs = performance.now()
    try {
      this.#open = this.#openHandle()
      this.#rebinds++
      return true
    } catch (error) {
      if (!(error instanceof LiveError)) throw error
      return false
    }
  }
}

function textOf(bytes: Uint8Array): string {
  return new TextDecoder().decode(bytes.subarray(0, bytes.indexOf(0)))
}
