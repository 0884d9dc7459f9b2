/** What makes events fuller before anybody sees them: what an enricher is. */
import type { EventDocument } from '../events/fields.ts'

/** Fields of an event that may still be added to. */
export type Enrichable = { -readonly [F in keyof EventDocument]: EventDocument[F] }

/** Adds fields to an event; never changes what the packets said. Called for every event, in the packet's time. */
export type Enricher = (document: Enrichable) => void
