/**
 * What the host tells about its events. `E` is an event, `S` what the host wants to know of several events together.
 */
export interface EventModel<E, S> {
  /** Asked once a rule and field, at start; the reader then runs for every event. A list field gives an array. */
  field(name: string): (event: E) => unknown
  /** Where fields are what an object holds by their names: `has` tells those names from fields that are made up of others. */
  readonly stored?: {
    has(name: string): boolean
    /** It inherits nothing. Events that were made alike have their fields in the same order. */
    fields(event: E): object
  }
  /** True if `test` holds for any value in the event (keyword searches); list elements are values of their own. */
  some(event: E, test: (value: unknown) => boolean): boolean
  id(event: E): string
  /** When the event happened, in microseconds since the epoch: the only clock that there is. */
  timeUs(event: E): number
  /** The summary with `event` added to it; `summary` is undefined for the first event of a group. */
  fold(summary: S | undefined, event: E): S
  /** What a summary, or an event, takes in memory, by an estimate that depends on nothing but what it says. */
  summaryBytes(summary: S): number
  eventBytes(event: E): number
}
