/**
 * Sends the packets of a capture through an interface: `node packet-sender.ts INTERFACE CAPTURE [PACKETS-A-SECOND]`. The
 * other end of what `watch` is tested with, and the only place here that sends anything.
 */
import { openCapture } from '../../src/capture/sources.ts'
import { loadKoffi } from '../../src/capture/live/libc.ts'
import type { Packet } from '../../src/capture/packet.ts'
import { Frame } from '../../src/dissect/frame.ts'

const AF_PACKET = 17
const SOCK_RAW = 3
const SIOCGIFINDEX = 0x8933

/** A packet socket that sends whole frames. */
export class PacketSender {
  readonly #send: (frame: Uint8Array, length: number) => number
  readonly #close: () => void

  private constructor(send: (frame: Uint8Array, length: number) => number, close: () => void) {
    this.#send = send
    this.#close = close
  }

  static async open(name: string): Promise<PacketSender> {
    const koffi = await loadKoffi()
    const libc = koffi.load(null)
    const socket = libc.func('int socket(int, int, int)')(AF_PACKET, SOCK_RAW, 0)
    if (socket === -1) throw new Error(`no packet socket (errno ${koffi.errno()})`)
    const request = Buffer.alloc(40)
    request.write(name)
    if (libc.func('int ioctl(int, unsigned long, ...)')(socket, SIOCGIFINDEX, 'void *', request) !== 0)
      throw new Error(`no interface ${name}`)
    const address = Buffer.alloc(20)
    address.writeUInt16LE(AF_PACKET, 0)
    address.writeInt32LE(request.readInt32LE(16), 4)
    if (libc.func('int bind(int, void *, uint32_t)')(socket, address, 20) !== 0)
      throw new Error(`no binding to ${name} (errno ${koffi.errno()})`)
    const send = libc.func('int64_t send(int, void *, size_t, int)')
    const close = libc.func('int close(int)')
    return new PacketSender(
      (frame, length) => Number(send(socket, frame, length, 0)),
      () => close(socket),
    )
  }

  send(frame: Uint8Array): void {
    if (this.#send(frame, frame.length) !== frame.length) throw new Error('a frame was not sent')
  }

  close(): void {
    this.#close()
  }
}

/** Sends all packets of a capture, `rate` a second. Gives their number. */
async function sendCapture(name: string, path: string, rate: number): Promise<number> {
  const sender = await PacketSender.open(name)
  const source = await openCapture(path)
  const packet: Packet = new Frame()
  const startedMs = performance.now()
  let sent = 0
  while (await source.fill()) {
    while (source.next(packet)) {
      sender.send(packet.bytes.slice(packet.start, packet.end))
      sent++
      while (performance.now() - startedMs < (sent / rate) * 1000);
    }
  }
  await source.close()
  sender.close()
  return sent
}

if (import.meta.main) {
  const [name, path, rate = '20000'] = process.argv.slice(2)
  process.stdout.write(`${await sendCapture(name, path, Number(rate))}\n`)
}
