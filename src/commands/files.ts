/** Results as files: whole, or not at all. */
import { renameSync, rmSync, writeFileSync } from 'node:fs'
import { targetFile } from '../base/target-file.ts'
import { print } from './terminal.ts'

/** Writes the text beside the file and renames it; `-` is stdout, and a pipe or a device is written as it is. `mode`: of a new file. */
export async function writeWhole(path: string, text: string, mode = 0o666): Promise<void> {
  if (path === '-') return print(text.replace(/\n$/, ''))
  const { path: target, partial, mode: present } = targetFile(path)
  if (partial === null) return writeFileSync(path, text)
  try {
    writeFileSync(partial, text, { mode: present ?? mode, flush: true })
    renameSync(partial, target)
  } catch (error) {
    rmSync(partial, { force: true })
    throw error
  }
}
