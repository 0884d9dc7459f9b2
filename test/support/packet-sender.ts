/**
 * Sends the packets of a capture through interfaces, and prints their number:
 *
 *     node packet-sender.ts INTERFACE CAPTURE [--rate PACKETS-A-SECOND] [--times EACH] [--vlan ID,ID] [--answers INTERFACE]
 *
 * The other end of what `watch` is tested with, and the only place here that sends anything.
 */
import { parseArgs } from 'node:util'
import { equal } from '../../src/base/bytes.ts'
import { loadKoffi } from '../../src/capture/live/libc.ts'
import { openCapture } from '../../src/capture/sources.ts'
import { Frame } from '../../src/dissect/frame.ts'
import { be16, concat } from './craft.ts'

const AF_PACKET = 17
const SOCK_RAW = 3
const SIOCGIFINDEX = 0x8933

/** A packet socket that sends whole frames. */
export class PacketSender {
  readonly #send: (frame: Uint8Array, length: number) => number
  readonly close: () => void

  private constructor(send: (frame: Uint8Array, length: number) => number, close: () => void) {
    this.#send = send
    this.close = close
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
}

/** The frame with VLAN tags, outermost first: of 802.1ad before the last, which is of 802.1Q. */
function tagged(frame: Uint8Array, ids: readonly number[]): Uint8Array {
  const tags = ids.map((id, index) => concat(be16(index === ids.length - 1 ? 0x8100 : 0x88a8), be16(id)))
  return concat(frame.subarray(0, 12), ...tags, frame.subarray(12))
}

async function main(): Promise<void> {
  const { values, positionals } = parseArgs({
    allowPositionals: true,
    options: {
      rate: { type: 'string', default: '20000' },
      times: { type: 'string', default: '1' },
      vlan: { type: 'string', default: '' },
      answers: { type: 'string' },
    },
  })
  const [name, capture] = positionals
  const ids = values.vlan === '' ? [] : values.vlan.split(',').map(Number)
  const sender = await PacketSender.open(name)
  // What the station of the first packet did not send goes through the other interface.
  const answers = values.answers === undefined ? sender : await PacketSender.open(values.answers)
  let first: Uint8Array | null = null
  const source = await openCapture(capture)
  const packet = new Frame()
  const startedMs = performance.now()
  let sent = 0
  while (await source.fill()) {
    while (source.next(packet)) {
      const frame = tagged(packet.bytes.slice(packet.start, packet.end), ids)
      first ??= frame
      const by = equal(frame, 6, first, 6, 6) ? sender : answers
      for (let time = 0; time < Number(values.times); time++) {
        by.send(frame)
        sent++
      }
      while (performance.now() - startedMs < (sent / Number(values.rate)) * 1000);
    }
  }
  await source.close()
  process.stdout.write(`${sent}\n`)
}

if (import.meta.main) await main()
