/** What wraps the messages of SMB 3: encrypted and compressed ones, as far as their own headers. */
import { hexWord } from '../base/bytes.ts'
import { le16, le32 } from '../base/little-endian.ts'
import { SMB2_COMPRESSIONS } from './smb-tables.ts'

const ENCRYPTED_HEADER_LENGTH = 52
const COMPRESSED_HEADER_LENGTH = 16

export interface Smb2Encrypted {
  readonly sessionId: string
  /** Of the message inside, without this header. */
  readonly originalLength: number
  readonly flags: number
}

/** The header of an encrypted message ([MS-SMB2] section 2.2.41); null if it is not complete. */
export function describeSmb2Encrypted(bytes: Uint8Array, start: number, end: number): Smb2Encrypted | null {
  if (end - start < ENCRYPTED_HEADER_LENGTH) return null
  return {
    sessionId: hexWord(le32(bytes, start + 48)) + hexWord(le32(bytes, start + 44)),
    originalLength: le32(bytes, start + 36),
    flags: le16(bytes, start + 42),
  }
}

export interface Smb2Compressed {
  readonly originalLength: number
  readonly algorithm: string
  readonly isChained: boolean
  /** Octets before the compressed part that are as they were; the header of the message may be among them. */
  readonly plainLength?: number
}

/** The header of a compressed message ([MS-SMB2] section 2.2.42); null if it is not complete. */
export function describeSmb2Compressed(bytes: Uint8Array, start: number, end: number): Smb2Compressed | null {
  if (end - start < COMPRESSED_HEADER_LENGTH) return null
  const algorithm = le16(bytes, start + 8)
  const isChained = (le16(bytes, start + 10) & 1) !== 0
  return {
    originalLength: le32(bytes, start + 4),
    algorithm: SMB2_COMPRESSIONS[algorithm] ?? String(algorithm),
    isChained,
    ...(isChained ? {} : { plainLength: le32(bytes, start + 12) }),
  }
}
