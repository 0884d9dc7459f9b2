/** The files of a store: their names, how they are found, and how one that a crash left open is closed. */
import { closeSync, fsyncSync, openSync, readdirSync, renameSync, rmSync, statSync, writeSync } from 'node:fs'
import { join } from 'node:path'
import { EvidenceError } from './problem.ts'
import { type Form, FORMS, SUFFIXES } from './container.ts'

export interface SegmentFile {
  readonly number: number
  readonly form: Form
  /** Still written to, or left so by a crash. */
  readonly isOpen: boolean
  readonly path: string
}

const DIGITS = 8
const OPEN = '.open'

export function segmentPath(folder: string, number: number, form: Form): string {
  return join(folder, `${String(number).padStart(DIGITS, '0')}${SUFFIXES[form]}`)
}

export function openPath(path: string): string {
  return `${path}${OPEN}`
}

export function indexPath(folder: string, number: number): string {
  return join(folder, `${String(number).padStart(DIGITS, '0')}.index`)
}

/** The segments of a folder, oldest first. @throws EvidenceError if the folder cannot be read */
export function listSegments(folder: string): SegmentFile[] {
  let names: string[]
  try {
    names = readdirSync(folder)
  } catch (error) {
    const { code, message } = error as NodeJS.ErrnoException
    throw new EvidenceError(code === 'ENOENT' ? `there is no evidence at ${folder}` : `${folder}: ${message}`)
  }
  const found: SegmentFile[] = []
  for (const name of names) {
    const number = /^\d{8,}(?=\.pcapng)/.exec(name)?.[0]
    if (number === undefined) continue
    const rest = name.slice(number.length)
    for (const form of FORMS) {
      if (rest !== SUFFIXES[form] && rest !== SUFFIXES[form] + OPEN) continue
      found.push({ number: Number(number), form, isOpen: rest.endsWith(OPEN), path: join(folder, name) })
    }
  }
  return found.sort((a, b) => a.number - b.number)
}

/** Bytes of a file; 0 if it is gone. */
export function sizeOf(path: string): number {
  return statSync(path, { throwIfNoEntry: false })?.size ?? 0
}

/** When it was written last, in milliseconds; 0 if it is gone. */
export function writtenMs(path: string): number {
  return statSync(path, { throwIfNoEntry: false })?.mtimeMs ?? 0
}

/** Appears whole or not at all, and stays after a power failure. */
export function writeWhole(path: string, parts: readonly Uint8Array[]): void {
  const partial = `${path}.partial`
  const file = openSync(partial, 'w', 0o600)
  try {
    let at = 0
    for (const part of parts) {
      writeAll(file, part, at)
      at += part.length
    }
    fsyncSync(file)
  } catch (error) {
    rmSync(partial, { force: true })
    throw error
  } finally {
    closeSync(file)
  }
  renameSync(partial, path)
}

/** A position of null is that of a pipe: where it is. */
export function writeAll(file: number, bytes: Uint8Array, position: number | null): void {
  for (let at = 0; at < bytes.length; )
    at += writeSync(file, bytes, at, bytes.length - at, position === null ? null : position + at)
}
