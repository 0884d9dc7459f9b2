/**
 * What a sensor remembers, on disk: written from time to time and at the end, taken up at the start. Each part is a file of its own,
 * with its version and a checksum, written beside itself and renamed: one that is damaged or of another version is named, and the
 * others are taken up.
 *
 * A state goes to its place only when the events from before it are at rest, delivered or spooled: else a crash could leave a sensor
 * that remembers an alert which nobody got. An alert may come twice after a crash, but none is lost.
 */
import { renameSync } from 'node:fs'
import { type FileHandle, open, readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { makeFolder } from './base/folder.ts'
import { readState, type Restored, type StateEntry, StateError, StateWriter } from './detect/sigma/state.ts'

/** Something that remembers. */
export interface StatePart {
  /** Of its file. */
  readonly name: string
  /** Whose state it is, with the version of its entries. */
  readonly writer: string
  /** Awaited before the entries are asked for, if another thread has them. */
  prepare?(): Promise<void>
  /** The most important ones first. They are taken one after the other while packets go on. */
  entries(): Iterable<StateEntry>
  /** For one that remembers nothing yet. Throws if it cannot. */
  restore(entries: readonly StateEntry[]): PartUptake | Promise<PartUptake>
}

export interface PartUptake extends Restored {
  /** Why entries were left out that no sensor of this version would have written; the others were taken up. */
  readonly refused?: readonly string[]
}

export interface SavedStateOptions {
  readonly folder: string
  readonly everyMs: number
  /** Of one file. */
  readonly bytesMax: number
  /** Resolves when the events so far are at rest. */
  readonly settled: () => Promise<void>
  readonly warn: (message: string) => void
  /** Entries are taken for so long before packets have their turn. What passes meanwhile is in some parts and not in others. */
  readonly sliceMs?: number
}

export interface PartRestored extends PartUptake {
  readonly name: string
  /** Why nothing was restored: the file is damaged, or of another version. Null if it was, or there is none. */
  readonly problem: string | null
}

export interface SavedStateStatus {
  /** ISO 8601; null before the first time. */
  readonly saved: string | null
  readonly bytes: number
  readonly entries: number
  /** Left out for want of room, at the last time. */
  readonly leftOut: number
  readonly failures: number
  /** Why it cannot be saved; null if it could at the last time. */
  readonly problem: string | null
}

const SLICE_MS = 2
/** Saving takes at most one part in so many of the time: a large state is written less often. */
const SHARE = 20
/** After something important it is written no sooner than this after the last time. */
const HASTE_MS = 1000

/** What lies beside the places of all parts. */
interface Written {
  readonly paths: string[]
  bytes: number
  entries: number
  leftOut: number
  /** How long packets did not have their turn for it. */
  busyMs: number
}

export class SavedState {
  readonly #parts: readonly StatePart[]
  readonly #options: SavedStateOptions
  #dueMs: number
  #nextMs = 0
  #current: Promise<void> | null = null
  #status: SavedStateStatus = { saved: null, bytes: 0, entries: 0, leftOut: 0, failures: 0, problem: null }

  /** Times are milliseconds of a clock that only goes forward. */
  constructor(parts: readonly StatePart[], options: SavedStateOptions, nowMs: number) {
    this.#parts = parts
    this.#options = options
    this.#dueMs = nowMs + options.everyMs
  }

  get status(): SavedStateStatus {
    return this.#status
  }

  /** Takes up what lies in the folder. Never rejects: what is wrong is told in the result. */
  async restore(): Promise<PartRestored[]> {
    const results: PartRestored[] = []
    for (const part of this.#parts) results.push(await this.#restorePart(part))
    return results
  }

  /** Begins to save, if it is time to. */
  tick(nowMs: number): void {
    if (this.#current !== null || nowMs < this.#dueMs || nowMs < this.#nextMs) return
    this.#current = this.#save(nowMs)
      .catch((error: unknown) => this.#failed(error))
      .finally(() => {
        this.#current = null
      })
  }

  /** Something happened that a crash should not make forgotten: it is saved soon. */
  hasten(nowMs: number): void {
    this.#dueMs = Math.min(this.#dueMs, nowMs + HASTE_MS)
  }

  /** Saves when everything else has come to rest. Never rejects. */
  async saveNow(): Promise<void> {
    await this.#current
    try {
      this.#commit(await this.#write())
    } catch (error) {
      this.#failed(error)
    }
  }

  async #save(nowMs: number): Promise<void> {
    const { everyMs, settled } = this.#options
    // What hastens it from now on is for the next time.
    this.#dueMs = nowMs + everyMs
    const written = await this.#write()
    this.#nextMs = nowMs + written.busyMs * (SHARE + 1)
    await settled()
    this.#commit(written)
  }

  /**
   * Writes all parts beside their places, forced onto the disk: whole once they are renamed. Unless it takes long, nothing happens
   * between the first part and the last one: what one of them knows and another does not would happen twice after a crash.
   */
  async #write(): Promise<Written> {
    const { folder } = this.#options
    const written: Written = { paths: [], bytes: 0, entries: 0, leftOut: 0, busyMs: 0 }
    const files: FileHandle[] = []
    makeFolder(folder, 0o700)
    try {
      for (const { name } of this.#parts) {
        const path = join(folder, `${name}.state`)
        files.push(await open(`${path}.partial`, 'w', 0o600))
        written.paths.push(path)
      }
      const rests: (readonly string[])[] = []
      for (const [at, part] of this.#parts.entries()) {
        await part.prepare?.()
        rests.push(await this.#take(part, files[at], written))
      }
      for (const [at, file] of files.entries()) {
        for (const piece of rests[at]) await file.appendFile(piece)
        await file.sync()
        written.bytes += (await file.stat()).size
      }
    } finally {
      for (const file of files) await file.close()
    }
    return written
  }

  /**
   * In slices, between which packets have their turn. What is written is let go: a state may be as large as all that is remembered. Returns
   * what is still to be written.
   */
  async #take(part: StatePart, file: FileHandle, written: Written): Promise<readonly string[]> {
    const { bytesMax, sliceMs = SLICE_MS } = this.#options
    const writer = new StateWriter(part.writer, bytesMax)
    let beganMs = performance.now()
    for (const entry of part.entries()) {
      writer.add(entry)
      written.entries++
      const takenMs = performance.now() - beganMs
      if (takenMs < sliceMs) continue
      written.busyMs += takenMs
      for (const piece of writer.take()) await file.appendFile(piece)
      await new Promise<void>((resolve) => setImmediate(resolve))
      beganMs = performance.now()
    }
    const { pieces, leftOut } = writer.end()
    written.busyMs += performance.now() - beganMs
    written.leftOut += leftOut
    return pieces
  }

  /** All parts change places together: each knows what the others know. */
  #commit({ paths, bytes, entries, leftOut }: Written): void {
    const { folder, warn } = this.#options
    for (const path of paths) renameSync(`${path}.partial`, path)
    if (this.#status.problem !== null) warn(`the state of the sensor is written to ${folder} again`)
    this.#status = { ...this.#status, saved: new Date().toISOString(), bytes, entries, leftOut, problem: null }
  }

  #failed(error: unknown): void {
    const { folder, warn } = this.#options
    const problem = `the state of the sensor cannot be written to ${folder}: ${(error as Error).message}`
    if (this.#status.problem === null) warn(problem)
    this.#status = { ...this.#status, failures: this.#status.failures + 1, problem }
  }

  async #restorePart(part: StatePart): Promise<PartRestored> {
    const { folder, bytesMax } = this.#options
    const path = join(folder, `${part.name}.state`)
    const nothing = { name: part.name, restored: 0, outdated: 0 }
    let text: string
    try {
      text = await readFile(path, 'utf8')
    } catch (error) {
      const isAbsent = (error as NodeJS.ErrnoException).code === 'ENOENT'
      return { ...nothing, problem: isAbsent ? null : `${path} cannot be read: ${(error as Error).message}` }
    }
    try {
      return { name: part.name, ...(await part.restore(readState(text, part.writer, bytesMax))), problem: null }
    } catch (error) {
      // Whatever is wrong with it must not keep the sensor from starting.
      const says = error instanceof StateError ? error.message : `cannot be taken up: ${error}`
      return { ...nothing, problem: `${path}: ${says}` }
    }
  }
}
