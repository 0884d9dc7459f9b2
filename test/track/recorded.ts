/** Recorded conversations, sent through an L2TP session. */
import { join } from 'node:path'
import { openCapture } from '../../src/capture/sources.ts'
import { Frame } from '../../src/dissect/frame.ts'
import type { EventDocument } from '../../src/events/fields.ts'
import * as craft from '../support/craft.ts'
import type { SensorOptions } from '../support/sensor.ts'
import { Peers } from './support.ts'

const CAPTURES = join(import.meta.dirname, '../captures')
const ETHERNET_LENGTH = 14
/** Source address in an IPv4 header; the last octet tells the client's machine from the server's. */
const SOURCE_END = 15
const CLIENT_MACHINE = 20

/** Every event of a capture of Windows' protocols, in its order. */
export function told(name: string, options: SensorOptions = {}): Promise<readonly EventDocument[]> {
  return toldOf(join('windows', `${name}.pcap`), options)
}

/** The same of any capture below test/captures between a client 10.9.0.20 and somebody else. */
export async function toldOf(path: string, options: SensorOptions = {}): Promise<readonly EventDocument[]> {
  return (await through(path, options)).run.events
}

/** The packets of the L2TP session that carries such a capture. */
export async function packetsOf(
  path: string,
): Promise<readonly { readonly timeUs: number; readonly bytes: Uint8Array }[]> {
  return (await through(path, {})).run.packets
}

async function through(path: string, options: SensorOptions): Promise<Peers> {
  const peers = new Peers({ ...options, track: { applicationEventsPerMinute: 100_000, ...options.track } })
    .open()
    .call()
  const source = await openCapture(join(CAPTURES, path))
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
  return peers
}
