/**
 * The socket of the service manager: a datagram socket of the host (unix(7)), which Node.js does not have. It is connected to that
 * address once, and written to like a file: nothing here can send anything into a network.
 */
import { writeSync } from 'node:fs'
import { loadKoffi } from './capture/live/libc.ts'
import type { SendNotice } from './service/notify.ts'

const AF_UNIX = 1
const SOCK_DGRAM = 2
const SOCK_CLOEXEC = 0x80000
const PATH_BYTES_MAX = 108

/** `path` is that of the environment variable NOTIFY_SOCKET; one that begins with @ is abstract. Rejects if nobody listens there. */
export async function openNotifySocket(path: string): Promise<SendNotice> {
  const name = Buffer.from(path.startsWith('@') ? `\0${path.slice(1)}` : path)
  if (!/^[/@]./.test(path) || name.length >= PATH_BYTES_MAX) throw new Error(`${path} is no address of a socket`)
  const koffi = await loadKoffi()
  const libc = koffi.load(null)
  const socket = libc.func('int socket(int, int, int)')(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0) as number
  if (socket === -1) throw new Error(`no socket (errno ${koffi.errno()})`)
  // struct sockaddr_un: the family, the name; that of a file ends with a zero.
  const address = Buffer.alloc(2 + name.length + (path.startsWith('@') ? 0 : 1))
  address.writeUInt16LE(AF_UNIX, 0)
  name.copy(address, 2)
  const connected = libc.func('int connect(int, void *, uint32_t)')(socket, address, address.length) as number
  if (connected === -1) {
    const errno = koffi.errno()
    libc.func('int close(int)')(socket)
    throw new Error(`nobody listens at ${path} (errno ${errno})`)
  }
  return (text) => {
    writeSync(socket, text)
  }
}
