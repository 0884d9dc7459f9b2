/** The ways to watch an interface, and which one is taken. */
import { LiveError, type LiveOptions, type LiveSource } from '../live.ts'
import { Assembler } from './bpf.ts'
import { familyFilter } from './family-filter.ts'
import { loadLibc } from './libc.ts'
import { compileExpression, loadLibpcap } from './libpcap.ts'
import { openPacketSocket, type SocketFilter } from './packet-socket.ts'
import { Poller } from './poller.ts'

let poller: Poller | null = null

/** Opens an interface. Throws a `LiveError` that says what to do. */
export async function openLive(name: string, options: LiveOptions): Promise<LiveSource> {
  if (process.platform !== 'linux') {
    throw new LiveError('unsupported', `the ring of packet sockets exists on Linux only: use --backend libpcap`)
  }
  const libc = await loadLibc()
  poller ??= new Poller(libc)
  return openPacketSocket(libc, poller, name, options, await filterOf(name, options))
}

async function filterOf(name: string, options: LiveOptions): Promise<SocketFilter> {
  const { filter, l2tpPorts, snapLength } = options
  if (filter === null) {
    return {
      program: (isEthernet, { udp, tcp }) => familyFilter(isEthernet, { udp: [...l2tpPorts, ...udp], tcp }, snapLength),
    }
  }
  if (filter.trim() === '') return { program: () => new Assembler().keep(snapLength).assemble() }
  const libpcap = await loadLibpcap()
  return { program: (isEthernet) => compileExpression(libpcap, name, isEthernet, filter, snapLength) }
}
