/**
 * Learned habits on disk: a header and one entity a line, as JSON. Written beside itself and renamed, so that it is whole or
 * not there; a line that does not fit is left out and told, the others are read.
 */
import { closeSync, fsyncSync, openSync, readFileSync, renameSync, rmSync, statSync } from 'node:fs'
import { dirname } from 'node:path'
import { makeFolder } from './base/folder.ts'
import { targetFile } from './base/target-file.ts'
import type { Baselines, SavedEntity } from './detect/baseline/baselines.ts'
import { writeAll } from './evidence/segment-file.ts'
import type { StatePart } from './saved-state.ts'

const FORMAT = 'borescope.baselines'
const VERSION = 1
/** Text that is written at one time. */
const CHUNK = 1 << 20

/** The file is no file of baselines, or of a version that is not known. */
export class BaselineError extends Error {
  override readonly name = 'BaselineError'
}

export interface Loaded {
  readonly entities: number
  /** What was left out, with its line. */
  readonly problems: readonly string[]
}

/**
 * Reads habits into `baselines`; a file that is not there holds none.
 *
 * @throws {BaselineError} if it is another kind of file
 */
export function loadBaselines(path: string, baselines: Baselines): Loaded {
  const about = statSync(path, { throwIfNoEntry: false })
  if (about === undefined) return { entities: 0, problems: [] }
  if (about.isDirectory()) throw new BaselineError(`${path} is a folder, not a file of baselines`)
  if (about.isCharacterDevice() || about.isBlockDevice())
    throw new BaselineError(`${path} is a device, not a file of baselines`)
  const lines = readFileSync(path, 'utf8').split('\n')
  const header = parsed(lines[0]) as { format?: unknown; version?: unknown; entities?: unknown } | undefined
  if (header?.format !== FORMAT) throw new BaselineError(`${path}:1: this is no file of baselines`)
  if (header.version !== VERSION) {
    throw new BaselineError(`${path}:1: baselines of version ${header.version}; this is version ${VERSION}`)
  }
  const problems: string[] = []
  let entities = 0
  for (let number = 1; number < lines.length; number++) {
    if (lines[number] === '') continue
    try {
      baselines.restore(JSON.parse(lines[number]) as SavedEntity)
      entities++
    } catch (error) {
      problems.push(`${path}:${number + 1}: left out: ${error instanceof Error ? error.message : error}`)
    }
  }
  if (Number(header.entities) > entities + problems.length) {
    problems.push(`${path}: ends early: ${entities} of ${header.entities} entities`)
  }
  return { entities, problems }
}

/** Writes all habits to where they are learned, whose folder is made; says of how many entities. */
export function saveBaselines(path: string, baselines: Baselines): number {
  makeFolder(dirname(path))
  return writeBaselines(path, baselines)
}

/** Writes all habits to a file in a folder that is there; says of how many entities. */
export function writeBaselines(path: string, baselines: Baselines): number {
  const { path: target, partial } = targetFile(path)
  const file = openSync(partial ?? path, 'w', 0o600)
  let count = 0
  try {
    const { entities } = baselines.counters
    let text = `${JSON.stringify({ format: FORMAT, version: VERSION, entities })}\n`
    for (const entity of baselines.save()) {
      text += `${JSON.stringify(entity)}\n`
      count++
      if (text.length < CHUNK) continue
      writeAll(file, Buffer.from(text), null)
      text = ''
    }
    writeAll(file, Buffer.from(text), null)
    if (partial !== null) fsyncSync(file)
  } catch (error) {
    closeSync(file)
    if (partial !== null) rmSync(partial, { force: true })
    throw error
  }
  closeSync(file)
  if (partial !== null) renameSync(partial, target)
  return count
}

const STATE = 'borescope.baselines/1'

/**
 * The same habits as a part of what a sensor saves while it runs. They are taken up on top of those of the file at `path`, unless
 * that was written later: by the sensor at its end, or by somebody.
 */
export function createBaselinesState(path: string, baselines: Baselines): StatePart {
  return {
    name: 'baselines',
    writer: STATE,
    *entries() {
      yield { kind: 'clock', savedMs: Date.now() }
      for (const entity of baselines.save()) yield { kind: 'entity', entity }
    },
    restore([clock, ...entries]) {
      const writtenMs = statSync(path, { throwIfNoEntry: false })?.mtimeMs ?? 0
      if (!(Number(clock?.['savedMs']) > writtenMs)) return { restored: 0, outdated: 0 }
      for (const { entity } of entries) baselines.restore(entity as SavedEntity)
      return { restored: entries.length, outdated: 0 }
    },
  }
}

function parsed(line: string): unknown {
  try {
    return JSON.parse(line)
  } catch {
    return undefined
  }
}
