/**
 * A file that lines are appended to, each piece whole or not at all: what a full disk cuts off is taken back, and a line that a crash
 * tore is ended before the next one. A file that somebody else renames, as logrotate does, is opened anew under its name.
 */
import type { Stats } from 'node:fs'
import { type FileHandle, open, stat } from 'node:fs/promises'

const NEWLINE = 0x0a

export class AppendedFile {
  readonly path: string
  readonly #mode: number
  readonly #opened: (about: Stats) => void
  #file: FileHandle | null = null

  /** `mode` is that of a new file; `opened` is told of the file whenever it was opened. One caller at a time. */
  constructor(path: string, mode: number, opened: (about: Stats) => void = () => {}) {
    this.path = path
    this.#mode = mode
    this.#opened = opened
  }

  /** The open file, if it is still the one of that name. Rejects with the system's error. */
  async open(): Promise<FileHandle> {
    if (this.#file !== null) {
      const [held, named] = await Promise.all([this.#file.stat(), stat(this.path).catch(() => null)])
      if (named !== null && named.ino === held.ino && named.dev === held.dev) return this.#file
      await this.close()
    }
    const file = await open(this.path, 'a+', this.#mode)
    try {
      const about = await file.stat()
      await endTornLine(file, about.size)
      this.#opened(about)
    } catch (error) {
      await file.close()
      throw error
    }
    this.#file = file
    return file
  }

  /** `isSafe`: it resolves when they are on the disk, and not only in the system's memory. */
  async append(lines: Buffer, isSafe: boolean): Promise<void> {
    const file = await this.open()
    const { size } = await file.stat()
    try {
      await file.appendFile(lines)
      if (isSafe) await file.datasync()
    } catch (error) {
      await file.truncate(size).catch(() => {})
      throw error
    }
  }

  async close(): Promise<void> {
    const file = this.#file
    this.#file = null
    await file?.close()
  }
}

/** What follows shall not become part of it. */
async function endTornLine(file: FileHandle, size: number): Promise<void> {
  if (size === 0) return
  const last = Buffer.alloc(1)
  await file.read(last, 0, 1, size - 1)
  if (last[0] !== NEWLINE) await file.appendFile('\n')
}
