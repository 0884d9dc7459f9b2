/**
 * Sends a capture through an interface over and over, and prints how many packets in how many seconds:
 * `node blast.ts INTERFACE CAPTURE RATE SECONDS FIRST-PASS` with as many packets a second as RATE says (0: as many as go).
 *
 * The clients of each pass are others, so that tunnels, users and flows go on coming. sendmmsg(2) past the queueing discipline, out
 * of memory where the capture lies.
 */
import { readFileSync } from 'node:fs'
import { openCapture } from '../../src/capture/sources.ts'
import { loadKoffi } from '../../src/capture/live/libc.ts'
import { Frame } from '../../src/dissect/frame.ts'
import { disguise } from './disguise.ts'

const AF_PACKET = 17
const SOCK_RAW = 3
const SIOCGIFINDEX = 0x8933
const SOL_PACKET = 263
const PACKET_QDISC_BYPASS = 20
/** struct mmsghdr and struct iovec. */
const MESSAGE_BYTES = 64
const IOVEC_BYTES = 16
const BATCH = 32
const RECORD_HEADER = 16
/** Ahead of its rate by more than this, the sender leaves the processor to others. */
const AHEAD_MS = 0.2

const [name, capture, ...numbers] = process.argv.slice(2)
const [rate, seconds, firstPass] = numbers.map(Number)

const starts: number[] = []
const lengths: number[] = []
const source = await openCapture(capture)
const packet = new Frame()
while (await source.fill()) {
  while (source.next(packet)) {
    starts.push(packet.offset + RECORD_HEADER)
    lengths.push(packet.end - packet.start)
  }
}
await source.close()

const koffi = await loadKoffi()
const libc = koffi.load(null)
const payload = readFileSync(capture)
const vectors = Buffer.alloc(lengths.length * IOVEC_BYTES)
const messages = Buffer.alloc(lengths.length * MESSAGE_BYTES)
const payloadAt = BigInt(koffi.address(payload))
const vectorsAt = BigInt(koffi.address(vectors))
const messagesAt = BigInt(koffi.address(messages))
for (const [index, length] of lengths.entries()) {
  vectors.writeBigUInt64LE(payloadAt + BigInt(starts[index]), index * IOVEC_BYTES)
  vectors.writeBigUInt64LE(BigInt(length), index * IOVEC_BYTES + 8)
  messages.writeBigUInt64LE(vectorsAt + BigInt(index * IOVEC_BYTES), index * MESSAGE_BYTES + 16)
  messages.writeBigUInt64LE(1n, index * MESSAGE_BYTES + 24)
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
const usleep = libc.func('int usleep(uint32_t)')
const startedMs = performance.now()
let pass = firstPass
let index = 0
let disguised = 0
let sent = 0
let bytes = 0
let tookMs = 0
for (;;) {
  // Each pass changes what the one before it left; the first one, what the file says.
  const mask = pass === firstPass ? pass : pass ^ (pass - 1)
  const count = Math.min(BATCH, lengths.length - index)
  for (; disguised < index + count; disguised++) {
    disguise(payload, starts[disguised], starts[disguised] + lengths[disguised], mask)
  }
  const took = sendmmsg(socket, messagesAt + BigInt(index * MESSAGE_BYTES), count, 0)
  // None where the other end's queue is full: again.
  if (took > 0) {
    for (let end = index + took; index < end; index++) bytes += lengths[index]
    sent += took
  }
  if (index === lengths.length) {
    index = 0
    disguised = 0
    pass++
  }
  tookMs = performance.now() - startedMs
  if (tookMs >= seconds * 1000) break
  while (rate > 0 && (sent / rate) * 1000 - tookMs > AHEAD_MS) {
    usleep(100)
    tookMs = performance.now() - startedMs
  }
}
process.stdout.write(JSON.stringify({ packets: sent, seconds: tookMs / 1000, bytes }))
