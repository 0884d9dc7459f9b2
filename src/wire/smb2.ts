/**
 * SMB 2 and 3 ([MS-SMB2] section 2.2.1): which form of SMB a message has, its header, and compounded messages.
 */
import { equal, hexWord, NO_BYTES } from '../base/bytes.ts'
import { le16, le32 } from '../base/little-endian.ts'

export const SMB2_HEADER_LENGTH = 64

export const SMB2 = {
  NEGOTIATE: 0,
  SESSION_SETUP: 1,
  LOGOFF: 2,
  TREE_CONNECT: 3,
  TREE_DISCONNECT: 4,
  CREATE: 5,
  CLOSE: 6,
  READ: 8,
  WRITE: 9,
  IOCTL: 11,
  QUERY_DIRECTORY: 14,
  QUERY_INFO: 16,
  SET_INFO: 17,
} as const

const FLAG_RESPONSE = 0x01
const FLAG_ASYNC = 0x02
const FLAG_RELATED = 0x04
const FLAG_SIGNED = 0x08

export type SmbKind = 'smb' | 'smb2' | 'smb2-encrypted' | 'smb2-compressed'

const KINDS: Readonly<Record<number, SmbKind>> = {
  255: 'smb',
  254: 'smb2',
  253: 'smb2-encrypted',
  252: 'smb2-compressed',
}

/** Which form of SMB the message at `start` has, by its first four octets; null if none. */
export function smbKind(bytes: Uint8Array, start: number, end: number): SmbKind | null {
  if (end - start < 4 || !equal(bytes, start + 1, SMB, 0, 3)) return null
  return KINDS[bytes[start]] ?? null
}

const SMB = Uint8Array.of(0x53, 0x4d, 0x42)

/** `smb2.truncated`: shorter than its header. `smb2.header`: not the header of an SMB2 message. `smb2.next_command`: the next message would begin inside this header, or outside the frame. */
export type Smb2Flaw = 'smb2.truncated' | 'smb2.header' | 'smb2.next_command'

/** A reusable window on one message; compounded ones follow at `nextStart` while it is not 0. */
export class Smb2View {
  bytes: Uint8Array = NO_BYTES
  start = 0
  command = 0
  /** Of a response; of a request the channel sequence. */
  status = 0
  flags = 0
  treeId = 0
  /** Both halves as they come, low one first. */
  sessionLow = 0
  sessionHigh = 0
  messageIdLow = 0
  messageIdHigh = 0
  bodyStart = 0
  /** Where the message ends in the buffer, and on the wire. */
  end = 0
  wireEnd = 0
  nextStart = 0

  /** `wireEnd` is where the frame ends on the wire; `end` where the bytes at hand end. */
  decode(bytes: Uint8Array, start: number, end: number, wireEnd: number = end): Smb2Flaw | null {
    this.bytes = bytes
    this.start = start
    this.bodyStart = end
    this.end = end
    this.wireEnd = wireEnd
    this.nextStart = 0
    if (end - start < SMB2_HEADER_LENGTH) return 'smb2.truncated'
    if (smbKind(bytes, start, end) !== 'smb2' || le16(bytes, start + 4) !== SMB2_HEADER_LENGTH) return 'smb2.header'
    this.status = le32(bytes, start + 8)
    this.command = le16(bytes, start + 12)
    this.flags = le32(bytes, start + 16)
    this.messageIdLow = le32(bytes, start + 24)
    this.messageIdHigh = le32(bytes, start + 28)
    this.treeId = this.isAsync ? 0 : le32(bytes, start + 36)
    this.sessionLow = le32(bytes, start + 40)
    this.sessionHigh = le32(bytes, start + 44)
    this.bodyStart = start + SMB2_HEADER_LENGTH
    const next = le32(bytes, start + 20)
    if (next === 0) return null
    if (next < SMB2_HEADER_LENGTH || start + next > wireEnd) return 'smb2.next_command'
    this.nextStart = start + next
    this.wireEnd = start + next
    this.end = Math.min(this.wireEnd, end)
    return null
  }

  get isResponse(): boolean {
    return (this.flags & FLAG_RESPONSE) !== 0
  }

  get isAsync(): boolean {
    return (this.flags & FLAG_ASYNC) !== 0
  }

  /** Belongs to the message before it, and takes session, tree and file over from that. */
  get isRelated(): boolean {
    return (this.flags & FLAG_RELATED) !== 0
  }

  get isSigned(): boolean {
    return (this.flags & FLAG_SIGNED) !== 0
  }

  /** 16 hexadecimal digits. */
  get sessionId(): string {
    return hexWord(this.sessionHigh) + hexWord(this.sessionLow)
  }

  get messageId(): string {
    return ((BigInt(this.messageIdHigh) << 32n) | BigInt(this.messageIdLow)).toString()
  }
}

/** A part of a message in the buffer. */
export interface SmbWindow {
  readonly start: number
  readonly end: number
  readonly wireEnd: number
}
