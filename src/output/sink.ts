/** What a sink of alerts is, beside a destination: something that can show what it would send, and what it was answered. */
import type { EventDocument } from '../events/fields.ts'
import type { Destination } from './destination.ts'

export interface SinkAnswer {
  readonly accepted: boolean
  /** What the peer said, or what its silence means. Secrets are left out. */
  readonly text: string
}

export interface Sink extends Destination {
  /** Where it goes, for people to see: secrets are left out. */
  readonly target: string
  /** What the peer said to the last batch; null before the first. */
  readonly answer: SinkAnswer | null
  /** What would be sent, as text. */
  preview(batch: readonly EventDocument[]): string | Promise<string>
}
