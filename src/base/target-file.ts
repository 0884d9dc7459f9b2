/** Where results go: to a file that is there whole or not at all, or into a pipe or a device that is there already. */
import { existsSync, realpathSync, statSync } from 'node:fs'
import { dirname } from 'node:path'

export interface TargetFile {
  /** The file itself where a link was named. */
  readonly path: string
  /** Beside it: what is written here is renamed when it is whole. Null for a pipe or a device, which is written as it is. */
  readonly partial: string | null
  /** Of a file that is there; undefined if there is none. */
  readonly mode: number | undefined
}

/** Throws an error with the code `EISDIR` for a folder, and `ENOENT` for a file in a folder that is not there: none is made. */
export function targetFile(path: string): TargetFile {
  const present = statSync(path, { throwIfNoEntry: false })
  if (present?.isDirectory())
    throw Object.assign(new Error(`${path} is a directory: name a file in it`), { code: 'EISDIR' })
  const folder = dirname(path)
  if (present === undefined && !existsSync(folder))
    throw Object.assign(new Error(`${path}: there is no folder ${folder}`), { code: 'ENOENT' })
  if (present !== undefined && !present.isFile()) return { path, partial: null, mode: undefined }
  const target = present === undefined ? path : realpathSync(path)
  return { path: target, partial: `${target}.${process.pid}.partial`, mode: present && present.mode & 0o777 }
}
