/** A kernel in memory for packet sockets: what it is asked, in which order, and what becomes of its answers. */
import type { Libc } from '../../src/capture/live/libc.ts'
import { TestRing } from './packet-ring.ts'

const BLOCK_BYTES = 65_536
const BLOCKS = 16
const SIOCGIFFLAGS = 0x8913
const SIOCGIFHWADDR = 0x8927
const SIOCGIFINDEX = 0x8933
export const UP_AND_RUNNING = 0x41
const SOL_PACKET = 263
const STATISTICS = 6
const FANOUT = 18
/** What the kernel calls a group of sockets. */
const GROUP = 77

/** Rings are of 16 blocks of 64 KiB. */
export class TestKernel implements Libc {
  readonly calls: string[] = []
  polls = 0
  /** Of each mapping, in their order. */
  readonly rings: TestRing[] = [new TestRing(BLOCKS, BLOCK_BYTES)]
  /** What was set of a socket: its number, and the option with its first four octets as a number. */
  readonly values: string[] = []
  #sockets = 2
  #mapped = 0
  index: number | null = 7
  flagBits = UP_AND_RUNNING
  hardware = 1
  /** An errno by the name of the call that fails. */
  fails: Record<string, number> = {}
  statistics: number[][] = []
  #errno = 0

  #call(name: string, says = name): number {
    this.calls.push(says)
    this.#errno = this.fails[name] ?? 0
    return this.#errno === 0 ? 0 : -1
  }

  socket(domain: number, type: number, protocol: number): number {
    return this.#call('socket', `socket ${domain} ${type & 0xf} ${protocol}`) === 0 ? ++this.#sockets : -1
  }

  bind(_: number, address: Uint8Array): number {
    const view = new DataView(address.buffer)
    return this.#call('bind', `bind protocol ${view.getUint16(2)} to ${view.getInt32(4, true)}`)
  }

  setsockopt(socket: number, level: number, option: number, value: Uint8Array): number {
    this.values.push(`${socket}: ${option} = ${new DataView(value.buffer).getUint32(0, true).toString(16)}`)
    return this.#call(`option ${option}`, `option ${level} ${option}`)
  }

  getsockopt(_: number, __: number, option: number, value: Uint8Array): number {
    if (option === STATISTICS) value.set(new Uint8Array(Uint32Array.from(this.statistics.shift() ?? [0, 0, 0]).buffer))
    if (option === FANOUT) value.set(new Uint8Array(Uint32Array.of(GROUP).buffer))
    return 0
  }

  attachFilter(_: number, level: number, __: number, { len }: { len: number }): number {
    return level === SOL_PACKET ? this.#call('spread') : this.#call('filter', `filter of ${len}`)
  }

  ioctl(_: number, request: number, argument: Uint8Array): number {
    if (this.index === null) return -1
    const view = new DataView(argument.buffer)
    if (request === SIOCGIFINDEX) view.setInt32(16, this.index, true)
    if (request === SIOCGIFFLAGS) view.setUint16(16, this.flagBits, true)
    if (request === SIOCGIFHWADDR) view.setUint16(16, this.hardware, true)
    return 0
  }

  async poll(): Promise<number> {
    this.polls++
    return 0
  }

  close(): number {
    return this.#call('close')
  }

  map(): { address: bigint; memory: ArrayBuffer } | null {
    if (this.#call('map') !== 0) return null
    this.rings[this.#mapped] ??= new TestRing(BLOCKS, BLOCK_BYTES)
    return { address: 0x1000n, memory: this.rings[this.#mapped++].memory }
  }

  /** The first one. */
  get ring(): TestRing {
    return this.rings[0]
  }

  unmap(): number {
    return this.#call('unmap')
  }

  errno(): number {
    return this.#errno
  }
}
