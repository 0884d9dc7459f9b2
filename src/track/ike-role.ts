/** The two ends of an IKE SA: role 0 began it, role 1 answered, everywhere. */
export type Role = 0 | 1
export const INITIATOR = 0
export const RESPONDER = 1
