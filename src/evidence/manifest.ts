/**
 * What was extracted, from where, and what is not in it: a JSON document beside the file, which may be signed with Ed25519
 * (RFC 8032). The signature is over the document without it, its keys sorted, without spaces.
 */
import { createHash, createPrivateKey, createPublicKey, type KeyObject, sign, verify } from 'node:crypto'
import { createReadStream, readFileSync, statSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { EvidenceError, type EvidenceProblem } from './problem.ts'

export interface ManifestSource {
  readonly file: string
  /** Of a segment that is being written: of what was read of it. */
  readonly bytes: number
  /** Null where it is not known: the segment is being written, or its index is damaged. */
  readonly sha256: string | null
  readonly state: 'closed' | 'recovered' | 'open' | 'capture'
  readonly packets: number
}

export interface ManifestContent {
  readonly format: 'borescope-evidence'
  readonly version: 1
  /** When it was made, by the clock of the machine. */
  readonly created: string
  readonly sensor: { readonly name: string; readonly version: string }
  readonly request: {
    readonly ids: readonly string[]
    readonly from: string | null
    readonly to: string | null
    readonly inner: boolean
  }
  readonly file: { readonly name: string; readonly bytes: number; readonly sha256: string }
  readonly packets: number
  readonly first: string | null
  readonly last: string | null
  /** Packets whose end is missing: the snap rules or the capture cut them. */
  readonly cutPackets: number
  readonly sources: readonly ManifestSource[]
  /** What may be missing: segments that had to go, and the first time that the store still has. */
  readonly removed: { readonly segments: number; readonly before: string | null }
  readonly problems: readonly EvidenceProblem[]
}

export interface Manifest extends ManifestContent {
  readonly signature?: {
    readonly algorithm: 'Ed25519'
    /** The public key: SPKI, DER, base64. */
    readonly publicKey: string
    readonly value: string
  }
}

/** Keys sorted, no spaces: the same content is the same text. */
function canonical(value: unknown): string {
  if (Array.isArray(value)) return `[${value.map(canonical).join(',')}]`
  if (value === null || typeof value !== 'object') return JSON.stringify(value)
  const entries = Object.entries(value).filter(([, of]) => of !== undefined)
  entries.sort(([a], [b]) => (a < b ? -1 : 1))
  return `{${entries.map(([key, of]) => `${JSON.stringify(key)}:${canonical(of)}`).join(',')}}`
}

/** A private key from a PEM file. @throws EvidenceError if there is none, or it is of another kind, or others can read it */
export function readSigningKey(path: string): KeyObject {
  let key: KeyObject
  try {
    const { mode } = statSync(path)
    if (process.platform !== 'win32' && (mode & 0o077) !== 0)
      throw new EvidenceError(`${path} holds a private key and others can read it (chmod 600 ${path})`)
    key = createPrivateKey(readFileSync(path))
  } catch (error) {
    if (error instanceof EvidenceError) throw error
    throw new EvidenceError(`${path} holds no private key in PEM: ${(error as Error).message}`)
  }
  return onlyEd25519(key, path)
}

function onlyEd25519(key: KeyObject, path: string): KeyObject {
  if (key.asymmetricKeyType === 'ed25519') return key
  throw new EvidenceError(`${path} holds a key of the kind ${key.asymmetricKeyType}; expected ed25519`)
}

export function signed(content: ManifestContent, key: KeyObject): Manifest {
  const publicKey = createPublicKey(key).export({ type: 'spki', format: 'der' }).toString('base64')
  const value = sign(null, Buffer.from(canonical(content)), key).toString('base64')
  return { ...content, signature: { algorithm: 'Ed25519', publicKey, value } }
}

/** What a manifest turned out to be worth. */
export interface Verification {
  readonly manifest: Manifest
  /** Everything that does not hold; empty if all does. */
  readonly failures: readonly string[]
  /** SHA-256 of the public key that signed it; null if nobody did. */
  readonly signer: string | null
}

/**
 * Compares a manifest with the file that it names, beside it, and with its signature.
 *
 * @param publicKeyPath a PEM file: whose signature it must be. Without it any key will do that the manifest names.
 * @throws EvidenceError if it is no manifest
 */
export async function verifyManifest(path: string, publicKeyPath: string | null): Promise<Verification> {
  const manifest = parseManifest(path)
  const failures: string[] = []
  const found = await hashOf(join(dirname(path), manifest.file.name))
  if (found === null) failures.push(`${manifest.file.name} is not there`)
  else if (found.bytes !== manifest.file.bytes)
    failures.push(`${manifest.file.name} has ${found.bytes} bytes, not ${manifest.file.bytes}`)
  else if (found.sha256 !== manifest.file.sha256)
    failures.push(`${manifest.file.name} was changed: its SHA-256 differs`)
  const { signature, ...content } = manifest
  if (signature === undefined) {
    if (publicKeyPath !== null) failures.push('it is not signed')
    return { manifest, failures, signer: null }
  }
  const octets = Buffer.from(signature.publicKey, 'base64')
  const signer = createHash('sha256').update(octets).digest('hex')
  if (!isSignatureOf(canonical(content), octets, signature.value))
    failures.push('its signature does not fit: it was changed')
  if (publicKeyPath !== null && !octets.equals(publicKeyOf(publicKeyPath)))
    failures.push(`it was signed with another key than that in ${publicKeyPath}`)
  return { manifest, failures, signer }
}

function parseManifest(path: string): Manifest {
  let parsed: Partial<Manifest> | null
  try {
    parsed = JSON.parse(readFileSync(path, 'utf8')) as Partial<Manifest> | null
  } catch (error) {
    throw new EvidenceError(`${path} is no manifest: ${(error as Error).message}`)
  }
  const file = parsed?.file
  const isWhole = typeof file?.name === 'string' && typeof file.bytes === 'number' && typeof file.sha256 === 'string'
  // A name with folders in it could point at anything.
  if (parsed?.format !== 'borescope-evidence' || !isWhole || file.name.includes('/'))
    throw new EvidenceError(`${path} is no manifest of Borescope`)
  return parsed as Manifest
}

function isSignatureOf(text: string, publicKey: Buffer, value: string): boolean {
  try {
    const key = createPublicKey({ key: publicKey, format: 'der', type: 'spki' })
    return key.asymmetricKeyType === 'ed25519' && verify(null, Buffer.from(text), key, Buffer.from(value, 'base64'))
  } catch {
    return false
  }
}

function publicKeyOf(path: string): Buffer {
  try {
    const key = onlyEd25519(createPublicKey(readFileSync(path)), path)
    return key.export({ type: 'spki', format: 'der' })
  } catch (error) {
    if (error instanceof EvidenceError) throw error
    throw new EvidenceError(`${path} holds no public key in PEM: ${(error as Error).message}`)
  }
}

/** Size and SHA-256 of a file; null if it is not there. */
export async function hashOf(path: string): Promise<{ readonly bytes: number; readonly sha256: string } | null> {
  const hash = createHash('sha256')
  let bytes = 0
  try {
    for await (const piece of createReadStream(path)) {
      hash.update(piece as Buffer)
      bytes += (piece as Buffer).length
    }
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return null
    throw error
  }
  return { bytes, sha256: hash.digest('hex') }
}
