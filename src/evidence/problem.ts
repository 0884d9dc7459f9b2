/** What can be wrong with kept packets: named, with the place, and never thrown at the packet path. */
export type EvidenceFlaw =
  | 'evidence.truncated'
  | 'evidence.damaged'
  | 'evidence.index_damaged'
  | 'evidence.key_missing'
  | 'evidence.key_wrong'
  | 'evidence.unreadable'

export interface EvidenceProblem {
  readonly name: EvidenceFlaw
  /** The file's base name. */
  readonly file: string
  /** Where in the file. */
  readonly offset: number
  readonly message: string
}

/** The user can mend this: the key, the folder, the permissions. */
export class EvidenceError extends Error {
  override readonly name = 'EvidenceError'
}
