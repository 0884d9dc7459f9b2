/**
 * One process at a time owns a folder: a file `lock` in it names the process. The lock of a process that has died is taken
 * over; so is that of one whose number another process bears now.
 */
import { linkSync, readFileSync, renameSync, rmSync, unlinkSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { makeFolder } from '../base/folder.ts'

export interface Owner {
  readonly pid: number
  /** What the system says of its start; empty where it says nothing. */
  readonly born: string
  /** ISO 8601. */
  readonly since: string
  readonly command: string
}

export class Claim {
  readonly #path: string
  readonly #content: string

  constructor(path: string, content: string) {
    this.#path = path
    this.#content = content
  }

  release(): void {
    if (readLock(this.#path) === this.#content) unlinkSync(this.#path)
  }
}

/**
 * Makes the folder this process's own, until it ends or releases it. Of the name of the lock it follows for what it is claimed: for other
 * things others may have it.
 *
 * @returns the owner, if it is another process that lives
 * @throws the system's error if the folder cannot be made or written to
 */
export function claimFolder(folder: string, command: string, lock = 'lock'): Claim | Owner {
  makeFolder(folder, 0o700)
  const path = join(folder, lock)
  const owner: Owner = { pid: process.pid, born: birthOf(process.pid), since: new Date().toISOString(), command }
  const content = JSON.stringify(owner)
  const own = `${path}.${process.pid}`
  writeFileSync(own, content, { mode: 0o600 })
  try {
    while (true) {
      try {
        // Linked whole: nobody sees a lock that is not written yet.
        linkSync(own, path)
        return new Claim(path, content)
      } catch (error) {
        if ((error as NodeJS.ErrnoException).code !== 'EEXIST') throw error
      }
      const found = readLock(path)
      if (found === null) continue
      const other = parseOwner(found)
      if (other !== null && isAlive(other)) return other
      removeStale(path, found)
    }
  } finally {
    rmSync(own, { force: true })
  }
}

/** The process that owns a folder, if one that lives does. */
export function ownerOf(folder: string): Owner | null {
  const owner = parseOwner(readLock(join(folder, 'lock')) ?? '')
  return owner !== null && isAlive(owner) ? owner : null
}

/** Moved away first: if another process was faster, it is its new lock that was moved, and goes back. */
function removeStale(path: string, content: string): void {
  const aside = `${path}.${process.pid}.stale`
  try {
    renameSync(path, aside)
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return
    throw error
  }
  if (readLock(aside) !== content) linkSync(aside, path)
  unlinkSync(aside)
}

function readLock(path: string): string | null {
  try {
    return readFileSync(path, 'utf8')
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return null
    throw error
  }
}

function parseOwner(content: string): Owner | null {
  try {
    const owner = JSON.parse(content) as Owner
    return Number.isSafeInteger(owner.pid) ? owner : null
  } catch {
    return null
  }
}

function isAlive({ pid, born }: Owner): boolean {
  try {
    process.kill(pid, 0)
  } catch (error) {
    // EPERM: it lives, and belongs to someone else.
    if ((error as NodeJS.ErrnoException).code !== 'EPERM') return false
  }
  return born === birthOf(pid)
}

/** The start of a process in ticks since the boot (proc_pid_stat(5), field 22), and which boot that was; empty elsewhere. */
function birthOf(pid: number): string {
  try {
    const stat = readFileSync(`/proc/${pid}/stat`, 'utf8')
    // The name of the program, in parentheses, may hold spaces.
    const ticks = stat.slice(stat.lastIndexOf(')') + 2).split(' ')[19]
    return `${readFileSync('/proc/sys/kernel/random/boot_id', 'utf8').trim()} ${ticks}`
  } catch {
    return ''
  }
}
