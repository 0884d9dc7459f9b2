/** From the arguments of a command to the list of captures that they mean. */
import type { Dirent } from 'node:fs'
import { readdir, stat } from 'node:fs/promises'
import { join, resolve } from 'node:path'
import { messageOf } from './byte-stream.ts'
import { CaptureError, openCapture } from './sources.ts'

const DEPTH_MAX = 16
const CAPTURES_MAX = 100_000

export interface CapturePaths {
  /** To be opened with `openCapture`, in the order of the arguments; those of a folder sorted by name. */
  readonly captures: string[]
  readonly skipped: { readonly path: string; readonly reason: string }[]
}

/**
 * A folder stands for every capture in it and in its subfolders; what its content does not show to be a capture is
 * skipped, with the reason. What is named itself is never skipped for its content: opening it gives the error.
 */
export async function capturePaths(paths: readonly string[]): Promise<CapturePaths> {
  const found: CapturePaths = { captures: [], skipped: [] }
  const seen = new Set<string>()
  for (const path of paths) {
    if (await isDirectory(path)) await walk(path, 1, found, seen)
    else admit(path, found, seen)
  }
  return found
}

async function isDirectory(path: string): Promise<boolean> {
  if (path === '-') return false
  const status = await stat(path).catch(() => null)
  return status?.isDirectory() ?? false
}

async function walk(folder: string, depth: number, found: CapturePaths, seen: Set<string>): Promise<void> {
  let entries: Dirent[]
  try {
    entries = await readdir(folder, { withFileTypes: true })
  } catch (error) {
    found.skipped.push({ path: folder, reason: messageOf(error) })
    return
  }
  entries.sort((a, b) => (a.name < b.name ? -1 : 1))
  for (const entry of entries) {
    const path = join(folder, entry.name)
    if (entry.isDirectory()) {
      if (depth < DEPTH_MAX) await walk(path, depth + 1, found, seen)
      else found.skipped.push({ path, reason: `lies more than ${DEPTH_MAX} folders deep` })
    } else {
      const reason = await whyNotACapture(path)
      if (reason === null) admit(path, found, seen)
      else found.skipped.push({ path, reason })
    }
  }
}

function admit(path: string, found: CapturePaths, seen: Set<string>): void {
  const identity = path === '-' ? path : resolve(path)
  if (seen.has(identity)) found.skipped.push({ path, reason: 'is named twice' })
  else if (seen.size === CAPTURES_MAX)
    found.skipped.push({ path, reason: `is beyond the first ${CAPTURES_MAX} captures` })
  else {
    seen.add(identity)
    found.captures.push(path)
  }
}

/** Links to files are followed. Links to folders are not (they may lead in a circle), nor are pipes (they would block). */
async function whyNotACapture(path: string): Promise<string | null> {
  try {
    const status = await stat(path)
    if (!status.isFile()) return 'is not a regular file'
    const source = await openCapture(path)
    await source.close()
    return null
  } catch (error) {
    return error instanceof CaptureError ? error.reason : messageOf(error)
  }
}
