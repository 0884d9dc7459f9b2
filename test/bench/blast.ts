/**
 * Sends a capture through an interface as fast as the kernel takes it, or at a rate, and prints how many packets in how many
 * seconds: `node blast.ts INTERFACE CAPTURE PACKETS-A-SECOND` (0: as fast as it goes).
 *
 * sendmmsg(2) past the queueing discipline; everything is laid out in memory before the first packet goes.
 */
import { openCapture } from '../../src/capture/sources.ts'
import { loadKoffi } from '../../src/capture/live/libc.ts'
import { Frame } from '../../src/dissect/frame.ts'

const AF_PACKET = 17
const SOCK_RAW = 3
const SIOCGIFINDEX = 0x8933
const SOL_PACKET = 263
const PACKET_QDISC_BYPASS = 20
/** struct mmsghdr and struct iovec. */
const MESSAGE_BYTES = 64
const IOVEC_BYTES = 16
const BATCH = 32

const [name, capture, rateText] = process.argv.slice(2)
const rate = Number(rateText)

const packets: Buffer[] = []
const source = await openCapture(capture)
const packet = new Frame()
while (await source.fill()) {
  while (source.next(packet)) packets.push(Buffer.from(packet.bytes.slice(packet.start, packet.end)))
}
await source.close()

const koffi = await loadKoffi()
const libc = koffi.load(null)
const payload = Buffer.concat(packets)
const vectors = Buffer.alloc(packets.length * IOVEC_BYTES)
const messages = Buffer.alloc(packets.length * MESSAGE_BYTES)
let at = BigInt(koffi.address(payload))
const vectorsAt = BigInt(koffi.address(vectors))
const messagesAt = BigInt(koffi.address(messages))
for (const [index, { length }] of packets.entries()) {
  vectors.writeBigUInt64LE(at, index * IOVEC_BYTES)
  vectors.writeBigUInt64LE(BigInt(length), index * IOVEC_BYTES + 8)
  messages.writeBigUInt64LE(vectorsAt + BigInt(index * IOVEC_BYTES), index * MESSAGE_BYTES + 16)
  messages.writeBigUInt64LE(1n, index * MESSAGE_BYTES + 24)
  at += BigInt(length)
}

const socket = libc.func('int socket(int, int, int)')(AF_PACKET, SOCK_RAW, 0)
const request = Buffer.alloc(40)
request.write(name)
if (libc.func('int ioctl(int, unsigned long, ...)')(socket, SIOCGIFINDEX, 'void *', request) !== 0)
  throw new Error(`no interface ${name}`)
const address = Buffer.alloc(20)
address.writeUInt16LE(AF_PACKET, 0)
address.writeInt32LE(request.readInt32LE(16), 4)
const one = Buffer.from(Int32Array.of(1).buffer)
libc.func('int setsockopt(int, int, int, void *, uint32_t)')(socket, SOL_PACKET, PACKET_QDISC_BYPASS, one, 4)
if (libc.func('int bind(int, void *, uint32_t)')(socket, address, 20) !== 0) throw new Error(`no binding to ${name}`)

const sendmmsg = libc.func('int sendmmsg(int, void *, unsigned int, int)')
const startedMs = performance.now()
let sent = 0
while (sent < packets.length) {
  const count = Math.min(BATCH, packets.length - sent)
  const took = sendmmsg(socket, messagesAt + BigInt(sent * MESSAGE_BYTES), count, 0)
  // The other end's queue is full: again.
  if (took > 0) sent += took
  if (rate > 0) while (performance.now() - startedMs < (sent / rate) * 1000);
}
const seconds = (performance.now() - startedMs) / 1000
process.stdout.write(JSON.stringify({ packets: sent, seconds, bytes: payload.length }))
