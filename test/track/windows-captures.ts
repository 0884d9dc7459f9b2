/** The recorded conversations of Windows' protocols, sent through an L2TP session. */
import { join } from 'node:path'
import { openCapture } from '../../src/capture/sources.ts'
import { Frame } from '../../src/dissect/frame.ts'
import type { EventDocument } from '../../src/events/fields.ts'
import * as craft from '../support/craft.ts'
import type { SensorOptions } from '../support/sensor.ts'
import { Peers } from './support.ts'

const CAPTURES = join(import.meta.dirname, '../captures/windows')
const ETHERNET_LENGTH = 14
/** Source address in an IPv4 header; the last octet tells the client's machine from the server's. */
const SOURCE_END = 15
const CLIENT_MACHINE = 20

/** Every event of a capture, in its order. */
export async function told(name: string, options: SensorOptions = {}): Promise<readonly EventDocument[]> {
  const peers = new Peers({ ...options, track: { applicationEventsPerMinute: 100_000, ...options.track } })
    .open()
    .call()
  const source = await openCapture(join(CAPTURES, `${name}.pcap`))
  const frame = new Frame()
  try {
    while (await source.fill()) {
      while (source.next(frame)) {
        const packet = frame.bytes.slice(frame.start + ETHERNET_LENGTH, frame.end)
        if (packet[0] !== 0x45) continue
        const from = packet[SOURCE_END] === CLIENT_MACHINE ? 'client' : 'server'
        peers.data(from, craft.ppp(craft.PPP.ipv4, packet))
      }
    }
  } finally {
    await source.close()
  }
  peers.finish()
  return peers.run.events
}
