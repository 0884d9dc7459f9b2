/**
 * The state of the deliveries as events, for a cluster in which many sensors are watched. They bear the time of the machine: they
 * never go over the bus, whose events are the same wherever a capture is analysed, but straight to the store.
 */
import { documentOf, type Observer } from '../events/bus.ts'
import type { EventDocument } from '../events/fields.ts'
import { type DestinationStatus, droppedIn } from './delivery-status.ts'

/** One event for each delivery, at `timeMs` since the epoch. */
export function healthEvents(
  destinations: readonly DestinationStatus[],
  observer: Observer,
  timeMs: number,
): EventDocument[] {
  return destinations.map((status) =>
    documentOf(
      {
        name: 'sensor.health.reported',
        timeUs: timeMs * 1000,
        // Two sensors may say the same in the same millisecond.
        identity: `${observer.name}\n${process.pid}\n${status.name}\n${timeMs}`,
        message: `Delivery to ${status.name} is ${status.state}: ${status.stored + status.duplicates} of ${status.accepted + status.resumed} events delivered, ${droppedIn(status)} lost`,
        fields: {
          'delivery.destination': status.name,
          'delivery.state': status.state,
          'delivery.accepted': status.accepted,
          'delivery.resumed': status.resumed,
          'delivery.stored': status.stored,
          'delivery.duplicates': status.duplicates,
          'delivery.quarantined': status.quarantined,
          'delivery.spooled': status.spooled,
          'delivery.queued': status.queued,
          'delivery.in_flight': status.inFlight,
          'delivery.dropped': droppedIn(status),
          'delivery.drop_reasons': reasons(status),
          'delivery.retries': status.retries,
          'delivery.spool_bytes': status.spool?.bytes,
          'event.reason': status.failingSince === null ? undefined : status.lastError?.message,
        },
      },
      null,
      observer,
    ),
  )
}

function reasons({ dropped }: DestinationStatus): string[] | undefined {
  const names = Object.keys(dropped)
  return names.length === 0 ? undefined : names
}
