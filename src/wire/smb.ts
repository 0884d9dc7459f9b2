/**
 * SMB 1 ([MS-CIFS], [MS-SMB]): the header of a message, and its chained commands.
 */
import { NO_BYTES } from '../base/bytes.ts'
import { le16, le32 } from '../base/little-endian.ts'
import { smbKind } from './smb2.ts'

const HEADER_LENGTH = 32
const FLAG_RESPONSE = 0x80
const FLAG2_SIGNED = 0x0004
const FLAG2_NT_STATUS = 0x4000
const FLAG2_UNICODE = 0x8000

export const SMB = {
  CLOSE: 4,
  DELETE: 6,
  RENAME: 7,
  TRANSACTION: 0x25,
  TRANSACTION_SECONDARY: 0x26,
  OPEN_ANDX: 0x2d,
  READ_ANDX: 0x2e,
  WRITE_ANDX: 0x2f,
  TRANSACTION2: 0x32,
  TREE_CONNECT: 0x70,
  TREE_DISCONNECT: 0x71,
  NEGOTIATE: 0x72,
  SESSION_SETUP_ANDX: 0x73,
  LOGOFF_ANDX: 0x74,
  TREE_CONNECT_ANDX: 0x75,
  NT_TRANSACT: 0xa0,
  NT_CREATE_ANDX: 0xa2,
} as const

/** `smb.truncated`: shorter than its header. `smb.header`: not the header of an SMB1 message. */
export type SmbFlaw = 'smb.truncated' | 'smb.header'

/** A reusable window on one message. */
export class SmbView {
  bytes: Uint8Array = NO_BYTES
  start = 0
  end = 0
  wireEnd = 0
  command = 0
  status = 0
  flags = 0
  flags2 = 0
  treeId = 0
  processId = 0
  userId = 0
  multiplexId = 0
  bodyStart = 0

  /** `wireEnd` is where the frame ends on the wire; `end` where the bytes at hand end. */
  decode(bytes: Uint8Array, start: number, end: number, wireEnd: number = end): SmbFlaw | null {
    this.bytes = bytes
    this.start = start
    this.end = end
    this.wireEnd = wireEnd
    this.bodyStart = end
    if (end - start < HEADER_LENGTH) return 'smb.truncated'
    if (smbKind(bytes, start, end) !== 'smb') return 'smb.header'
    this.command = bytes[start + 4]
    this.status = le32(bytes, start + 5)
    this.flags = bytes[start + 9]
    this.flags2 = le16(bytes, start + 10)
    this.treeId = le16(bytes, start + 24)
    this.processId = le16(bytes, start + 26)
    this.userId = le16(bytes, start + 28)
    this.multiplexId = le16(bytes, start + 30)
    this.bodyStart = start + HEADER_LENGTH
    return null
  }

  get isResponse(): boolean {
    return (this.flags & FLAG_RESPONSE) !== 0
  }

  get isSigned(): boolean {
    return (this.flags2 & FLAG2_SIGNED) !== 0
  }

  get isUnicode(): boolean {
    return (this.flags2 & FLAG2_UNICODE) !== 0
  }

  get isNtStatus(): boolean {
    return (this.flags2 & FLAG2_NT_STATUS) !== 0
  }
}

/** `smb.block`: words or bytes of a command end outside the message. `smb.andx_offset`: the next command does not lie behind this one. */
export type SmbBlockFlaw = 'smb.block' | 'smb.andx_offset'

/** Commands after which another one may follow in the same message. */
const ANDX: ReadonlySet<number> = new Set([0x24, 0x2d, 0x2e, 0x2f, 0x73, 0x74, 0x75, 0xa2])
const NO_COMMAND = 0xff
const BLOCKS_MAX = 16

/** Walks the commands of one message: `while (blocks.next()) …`, then look at `blocks.flaw`. */
export class SmbBlockCursor {
  bytes: Uint8Array = NO_BYTES
  command = 0
  /** How many 16-bit words of parameters. */
  wordCount = 0
  wordsStart = 0
  byteCount = 0
  bytesStart = 0
  /** Where the bytes end in the buffer. */
  bytesEnd = 0
  flaw: SmbBlockFlaw | null = null
  /** The message goes on beyond the bytes at hand. */
  isSnapped = false
  #view = new SmbView()
  #nextCommand = NO_COMMAND
  #at = 0
  #blocks = 0

  over(view: SmbView): this {
    this.#view = view
    this.bytes = view.bytes
    this.#nextCommand = view.command
    this.#at = view.bodyStart
    this.#blocks = 0
    this.flaw = null
    this.isSnapped = false
    return this
  }

  next(): boolean {
    if (this.#nextCommand === NO_COMMAND || this.#blocks++ >= BLOCKS_MAX) return false
    const { end, wireEnd, start } = this.#view
    const bytes = this.bytes
    const at = this.#at
    if (at + 1 > end) return this.#stop(at + 1)
    const wordCount = bytes[at]
    const countAt = at + 1 + wordCount * 2
    if (countAt + 2 > end) return this.#stop(countAt + 2)
    this.command = this.#nextCommand
    this.wordCount = wordCount
    this.wordsStart = at + 1
    this.byteCount = le16(bytes, countAt)
    this.bytesStart = countAt + 2
    // With large reads and writes the count keeps its lower 16 bits only: it may be short, and it is no measure of a message.
    const bytesWireEnd = this.bytesStart + this.byteCount
    if (bytesWireEnd > wireEnd) this.flaw = 'smb.block'
    if (Math.min(bytesWireEnd, wireEnd) > end) this.isSnapped = true
    this.bytesEnd = Math.min(bytesWireEnd, end)
    this.#nextCommand = NO_COMMAND
    if (ANDX.has(this.command) && wordCount >= 2 && bytes[at + 1] !== NO_COMMAND) {
      const nextAt = start + le16(bytes, at + 3)
      if (nextAt < this.bytesStart || nextAt >= wireEnd) {
        // A response that failed has no command behind it, whatever stands there.
        if (!this.#view.isResponse || this.#view.status === 0) this.flaw ??= 'smb.andx_offset'
      } else {
        this.#nextCommand = bytes[at + 1]
        this.#at = nextAt
      }
    }
    return true
  }

  #stop(needed: number): false {
    if (needed > this.#view.wireEnd) this.flaw ??= 'smb.block'
    else this.isSnapped = true
    return false
  }
}
