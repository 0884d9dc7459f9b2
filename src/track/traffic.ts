/** What a thing carried, and for how long, as the fields of its events. */
import { isoMicroseconds } from '../base/time.ts'
import type { CarrierTraffic } from './carrier.ts'
import type { Meter } from './meter.ts'
import type { Role } from './role.ts'

/** Of the row of a thing that began at `startUs`; what the role `source` sent is what the source sent. */
export function trafficOf(meter: Meter, index: number, source: Role, startUs: number): CarrierTraffic {
  const endUs = meter.lastUs(index)
  const [sentBytes, receivedBytes] = [meter.bytes(index, source), meter.bytes(index, 1 - source)]
  const [sentPackets, receivedPackets] = [meter.packets(index, source), meter.packets(index, 1 - source)]
  return {
    'event.start': isoMicroseconds(startUs),
    'event.end': isoMicroseconds(endUs),
    'event.duration': Math.round((endUs - startUs) * 1000),
    'source.bytes': sentBytes,
    'source.packets': sentPackets,
    'destination.bytes': receivedBytes,
    'destination.packets': receivedPackets,
    'network.bytes': sentBytes + receivedBytes,
    'network.packets': sentPackets + receivedPackets,
  }
}
