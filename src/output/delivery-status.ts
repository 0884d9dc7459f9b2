/** What a delivery says of itself: what became of every event that came to it, and how its destination does. */

/** The terms of the identity. */
export interface DeliveryCounts {
  /** Documents pushed. */
  readonly accepted: number
  /** Documents that an earlier process left in the spool. */
  readonly resumed: number
  readonly stored: number
  /** Those that the destination had already. */
  readonly duplicates: number
  readonly quarantined: number
  /** On disk, and not read yet. */
  readonly spooled: number
  /** In memory, waiting for a request or to be repeated. */
  readonly queued: number
  readonly inFlight: number
  /** By reason. */
  readonly dropped: Readonly<Record<string, number>>
}

export type DeliveryState = 'ok' | 'retrying' | 'spooling' | 'failed'

export interface DestinationStatus extends DeliveryCounts {
  readonly name: string
  /** `retrying`: it fails. `spooling`: documents wait on disk, because it fails or is slow. `failed`: it has ended with an error. */
  readonly state: DeliveryState
  /** Since when it fails, ISO 8601; null if it does not. */
  readonly failingSince: string | null
  readonly lastError: { readonly message: string; readonly time: string } | null
  /** Requests that failed as a whole, and documents that were put off, so far. */
  readonly retries: number
  /** Documents a second that came to rest, over the last seconds. */
  readonly rate: number
  readonly spool: SpoolStatus | null
  readonly quarantine: { readonly bytes: number; readonly trouble: string | null } | null
}

export interface SpoolStatus {
  readonly bytes: number
  /** When the oldest segment was begun, ISO 8601; null if there is none. */
  readonly oldest: string | null
  /** Errors of the disk so far, and the last one. */
  readonly troubles: number
  readonly trouble: string | null
}

/** What is left of the identity: 0, or there is a mistake in here. */
export function imbalance(counts: DeliveryCounts): number {
  const { accepted, resumed, stored, duplicates, quarantined, spooled, queued, inFlight } = counts
  return accepted + resumed - stored - duplicates - quarantined - spooled - queued - inFlight - droppedIn(counts)
}

export function droppedIn({ dropped }: Pick<DeliveryCounts, 'dropped'>): number {
  return Object.values(dropped).reduce((sum, count) => sum + count, 0)
}
