/** Results as files: whole, or not at all. */
import { renameSync, rmSync, statSync, writeFileSync } from 'node:fs'
import { print } from './terminal.ts'

/** Writes the text beside the file and renames it; `-` is stdout, and a pipe or a device is written as it is. */
export async function writeWhole(path: string, text: string): Promise<void> {
  if (path === '-') return print(text.replace(/\n$/, ''))
  const present = statSync(path, { throwIfNoEntry: false })
  if (present?.isDirectory())
    throw Object.assign(new Error(`${path} is a directory: name a file in it`), { code: 'EISDIR' })
  if (present !== undefined && !present.isFile()) return writeFileSync(path, text)
  const temporary = `${path}.${process.pid}.partial`
  try {
    writeFileSync(temporary, text)
    renameSync(temporary, path)
  } catch (error) {
    rmSync(temporary, { force: true })
    throw error
  }
}
