/** What is wrong with a rule, and where. */
export interface SigmaProblem {
  readonly file: string
  /** From 1. */
  readonly line: number
  /** The path of the key, for example `detection.selection.user.name|contains`. */
  readonly key: string
  readonly message: string
}

/** Thrown while a rule is read or compiled, and turned into a `SigmaProblem` where rules are collected. */
export class SigmaError extends Error {
  readonly key: string
  readonly line: number

  constructor(key: string, line: number, message: string) {
    super(message)
    this.key = key
    this.line = line
  }
}

/** The problem that `error` reports of `file`; anything but a SigmaError is our own fault and goes on. */
export function problemOf(file: string, error: unknown): SigmaProblem {
  if (!(error instanceof SigmaError)) throw error
  return { file, line: error.line, key: error.key, message: error.message }
}
