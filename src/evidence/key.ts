/** The key of the evidence: 32 bytes in a file that nobody else can read, as 64 hexadecimal digits or base64. */
import { readFileSync, statSync } from 'node:fs'
import { EvidenceError } from './problem.ts'

export const KEY_BYTES = 32

/** @throws EvidenceError if the file cannot be read, others can read it, or it holds no key */
export function readKey(path: string): Buffer {
  let text: string
  try {
    const { mode } = statSync(path)
    if (process.platform !== 'win32' && (mode & 0o077) !== 0) {
      const found = (mode & 0o777).toString(8).padStart(4, '0')
      throw new EvidenceError(`${path} holds a key and its mode is ${found}: others can read it (chmod 600 ${path})`)
    }
    text = readFileSync(path, 'latin1').trim()
  } catch (error) {
    if (error instanceof EvidenceError) throw error
    throw new EvidenceError(`the key of the evidence cannot be read: ${(error as Error).message}`)
  }
  const key = /^[0-9a-fA-F]{64}$/.test(text) ? Buffer.from(text, 'hex') : fromBase64(text)
  if (key === null) {
    throw new EvidenceError(
      `${path} holds no key: expected 32 bytes as 64 hexadecimal digits or base64, as "openssl rand -hex 32" makes them`,
    )
  }
  return key
}

function fromBase64(text: string): Buffer | null {
  if (!/^[A-Za-z0-9+/]{43}=$/.test(text)) return null
  const key = Buffer.from(text, 'base64')
  return key.length === KEY_BYTES ? key : null
}
