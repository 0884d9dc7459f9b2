/** What a process says of its deliveries: a small file that is written whole, about once a second and at the end. */
import { readFileSync } from 'node:fs'
import { rename, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import type { DestinationStatus } from './delivery-status.ts'

export interface StatusReport {
  /** Of this format. */
  readonly version: 1
  readonly pid: number
  readonly command: string
  /** ISO 8601, by the clock of the machine. */
  readonly started: string
  readonly updated: string
  /** Whether the process came to its end; if not, and it is gone, it was killed. */
  readonly ended: boolean
  readonly destinations: readonly DestinationStatus[]
  /** How the sensor does that raises the events, in the words of its `/status`; absent where none runs for long. */
  readonly sensor?: object
}

const FILE = 'status.json'

/** Rejects with the system's error. Two at one time must not be. */
export async function writeStatus(folder: string, report: StatusReport): Promise<void> {
  const path = join(folder, FILE)
  await writeFile(`${path}.partial`, `${JSON.stringify(report, null, 2)}\n`, { mode: 0o600 })
  await rename(`${path}.partial`, path)
}

/** Null if no process has written one, or it is of another version. */
export function readStatus(folder: string): StatusReport | null {
  let text: string
  try {
    text = readFileSync(join(folder, FILE), 'utf8')
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return null
    throw error
  }
  try {
    const report = JSON.parse(text) as StatusReport
    return report.version === 1 ? report : null
  } catch {
    return null
  }
}
