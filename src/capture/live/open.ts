/** The ways to watch an interface, and which one is taken. */
import { LiveError, type LiveOptions, type LiveSource } from '../live.ts'
import { Assembler } from './bpf.ts'
import { openCap } from './cap-source.ts'
import { familyExpression, familyFilter } from './family-filter.ts'
import { loadLibc } from './libc.ts'
import { compileExpression, loadLibpcap } from './libpcap.ts'
import { openLibpcap } from './libpcap-source.ts'
import {
  closeSockets,
  makePacketSockets,
  openPacketSocket,
  openRings,
  type PacketSockets,
  type SocketFilter,
} from './packet-socket.ts'
import { Poller } from './poller.ts'
import { spreadProgram } from './spread.ts'

/** All interfaces of the process are waited for together. */
let poller: Poller | null = null

/** Opens an interface. Throws a `LiveError` that says what to do. */
export async function openLive(name: string, options: LiveOptions): Promise<LiveSource> {
  const isLinux = process.platform === 'linux'
  switch (options.backend) {
    case 'auto':
      return isLinux ? openRing(name, options) : openThroughLibpcap(name, options)
    case 'ring':
      if (isLinux) return openRing(name, options)
      throw new LiveError('unsupported', 'the ring of packet sockets exists on Linux only: use --backend libpcap')
    case 'libpcap':
      return openThroughLibpcap(name, options)
    case 'cap':
      return openCap(name, options, options.filter ?? familyExpression())
  }
}

/** An interface whose packets another thread is to take from several rings: what that thread needs, as a message brings it. */
export interface PreparedInterface {
  readonly sockets: PacketSockets
  readonly options: LiveOptions
  /** The filter that `options` names, compiled; null if they name none. */
  readonly expression: Uint8Array | null
}

/** Makes what takes privileges. Throws a `LiveError` that says what to do. */
export async function prepareRings(name: string, options: LiveOptions, rings: number): Promise<PreparedInterface> {
  if (process.platform !== 'linux' || (options.backend !== 'auto' && options.backend !== 'ring')) {
    throw new LiveError(
      'unsupported',
      'several threads take packets from rings of packet sockets, which exist on Linux only: use --threads 1',
    )
  }
  const libc = await loadLibc()
  const sockets = makePacketSockets(libc, name, rings)
  try {
    const isNamed = options.filter !== null && options.filter.trim() !== ''
    const filter = isNamed ? await socketFilter(name, options) : null
    const expression = filter?.program(sockets.isEthernet, { udp: [], tcp: [] }) ?? null
    return { sockets, options, expression }
  } catch (error) {
    closeSockets(libc, [...sockets.sockets, ...sockets.spares])
    throw error
  }
}

/** Of one that nobody opened. */
export async function closePrepared({ sockets }: PreparedInterface): Promise<void> {
  closeSockets(await loadLibc(), [...sockets.sockets, ...sockets.spares])
}

/** Opens the rings, in the thread that reads them. Throws a `LiveError`. */
export async function openPrepared({ sockets, options, expression }: PreparedInterface): Promise<LiveSource[]> {
  const libc = await loadLibc()
  poller ??= new Poller(libc)
  const filter = expression === null ? await socketFilter(sockets.name, options) : { program: () => expression }
  return openRings(libc, poller, sockets, options, filter, (rings, learned) =>
    spreadProgram(rings, [...options.l2tpPorts, ...learned]),
  )
}

async function openRing(name: string, options: LiveOptions): Promise<LiveSource> {
  const libc = await loadLibc()
  poller ??= new Poller(libc)
  return openPacketSocket(libc, poller, name, options, await socketFilter(name, options))
}

async function socketFilter(name: string, options: LiveOptions): Promise<SocketFilter> {
  const { filter, snapLength } = options
  if (filter === null) return { program: (isEthernet, learned) => family(options, isEthernet, learned) }
  if (filter.trim() === '') return { program: () => new Assembler().keep(snapLength).assemble() }
  const libpcap = await loadLibpcap()
  let compiled: Uint8Array | null = null
  return {
    // Once, while the process may still open the interface: it has been asked where tags are.
    program(isEthernet) {
      compiled ??= compileExpression(libpcap, name, isEthernet, filter, snapLength)
      return compiled
    },
  }
}

async function openThroughLibpcap(name: string, options: LiveOptions): Promise<LiveSource> {
  const libpcap = await loadLibpcap()
  poller ??= new Poller(await loadLibc())
  return openLibpcap(libpcap, poller, name, options, {
    expression: options.filter,
    // Of other link headers the sensor knows more than the filter.
    program: (begin, learned) => (begin === null ? null : family(options, begin === 'ethernet', learned)),
  })
}

function family(
  { l2tpPorts, snapLength }: LiveOptions,
  isEthernet: boolean,
  { udp, tcp }: { readonly udp: readonly number[]; readonly tcp: readonly number[] },
): Uint8Array {
  return familyFilter(isEthernet, { udp: [...l2tpPorts, ...udp], tcp }, snapLength)
}
