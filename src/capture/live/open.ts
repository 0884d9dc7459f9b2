/** The ways to watch an interface, and which one is taken. */
import { LiveError, type LiveOptions, type LiveSource } from '../live.ts'
import { loadLibc } from './libc.ts'
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
  return openPacketSocket(libc, poller, name, options, EVERYTHING)
}

const EVERYTHING: SocketFilter = { program: () => null }
