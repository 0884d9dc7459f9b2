/** An end of whatever two ends share: 0 is its initiator, 1 its responder. */
export type Role = 0 | 1

export const INITIATOR = 0
export const RESPONDER = 1
