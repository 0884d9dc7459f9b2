/**
 * SMB 1 ([MS-CIFS], [MS-SMB]): header, chained commands, and the commands that tell who logs in, what is connected, opened, read,
 * written and changed, and what is said to named pipes.
 *
 * Passwords and the responses of old logins are never told, only their lengths; contents of files are never copied. Where a
 * command carries data that may be a pipe's, the description has its window.
 */
import { NO_BYTES } from '../base/bytes.ts'
import { le16, le32, le64, oemEnd, oemText, utf16, utf16End, uuidText } from '../base/little-endian.ts'
import type { Mutable } from './mutable.ts'
import { ntStatusName } from './nt-status.ts'
import { describeSecurityBlob, type SecurityBlob } from './security-blob.ts'
import { type SmbWindow, smbKind } from './smb2.ts'
import {
  bitNames,
  CREATE_ACTIONS,
  CREATE_DISPOSITIONS,
  CREATE_OPTIONS,
  FILE_ACCESS,
  IMPERSONATIONS,
  SMB_COMMANDS,
  SMB_NT_TRANSACT,
  SMB_PIPE_TRANSACTIONS,
  SMB_TRANSACTION2,
} from './smb-tables.ts'

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

/** One command of a message. */
export interface SmbBlock {
  readonly command: number
  readonly commandName: string
  readonly wordCount: number
  // NEGOTIATE
  readonly dialects?: readonly string[]
  /** Into the dialects that were offered; 65535 refuses them all. */
  readonly dialectIndex?: number
  readonly isSigningEnabled?: boolean
  readonly isSigningRequired?: boolean
  readonly hasExtendedSecurity?: boolean
  readonly guid?: string
  readonly serverName?: string
  // NEGOTIATE, SESSION_SETUP_ANDX
  readonly security?: SecurityBlob
  readonly account?: string
  readonly domain?: string
  readonly nativeOs?: string
  readonly nativeLanMan?: string
  readonly isGuest?: boolean
  /** Of the two forms of a password or response. */
  readonly oemPasswordLength?: number
  readonly unicodePasswordLength?: number
  // TREE_CONNECT_ANDX
  readonly path?: string
  readonly service?: string
  readonly fileSystem?: string
  // Files
  readonly fileName?: string
  readonly newName?: string
  readonly desiredAccess?: number
  readonly accessNames?: readonly string[]
  readonly disposition?: string
  readonly options?: readonly string[]
  readonly impersonation?: string
  readonly action?: string
  readonly endOfFile?: number
  readonly isPipe?: boolean
  readonly fileId?: number
  readonly fileOffset?: number
  readonly dataLength?: number
  // Transactions
  readonly transactionName?: string
  readonly subcommand?: number
  readonly subcommandName?: string
  /** READ_ANDX, WRITE_ANDX and TRANSACTION: where the data lie. */
  readonly data?: SmbWindow
}

export interface SmbRecord {
  readonly command: number
  readonly commandName: string
  readonly isResponse: boolean
  readonly status?: number
  readonly statusName?: string
  readonly flags: number
  readonly flags2: number
  readonly isSigned: boolean
  readonly isUnicode: boolean
  readonly treeId: number
  readonly processId: number
  readonly userId: number
  readonly multiplexId: number
  readonly blocks: readonly SmbBlock[]
  readonly flaw?: SmbBlockFlaw | SmbFieldFlaw
  readonly isSnapped?: true
}

/** `smb.field`: a text or data lies outside the message. */
export type SmbFieldFlaw = 'smb.field'

const cursor = new SmbBlockCursor()

/** The message that the view decoded as plain values; `data` of its blocks still points into the buffer. */
export function describeSmb(view: SmbView): SmbRecord {
  const { command, isResponse, status } = view
  const blocks: SmbBlock[] = []
  const record: Mutable<SmbRecord> = {
    command,
    commandName: commandName(command),
    isResponse,
    ...(isResponse ? { status, statusName: statusName(view) } : {}),
    flags: view.flags,
    flags2: view.flags2,
    isSigned: view.isSigned,
    isUnicode: view.isUnicode,
    treeId: view.treeId,
    processId: view.processId,
    userId: view.userId,
    multiplexId: view.multiplexId,
    blocks,
  }
  cursor.over(view)
  while (cursor.next()) {
    const reader = new BlockReader(view, cursor)
    reader.read()
    blocks.push(reader.block)
    if (reader.flaw !== null) record.flaw ??= reader.flaw
    if (reader.isSnapped) record.isSnapped = true
  }
  if (cursor.flaw !== null) record.flaw ??= cursor.flaw
  if (cursor.isSnapped) record.isSnapped = true
  return record
}

export function commandName(command: number): string {
  return SMB_COMMANDS[command] ?? `0x${command.toString(16).padStart(2, '0')}`
}

/** Old servers answer with a class and a code of DOS ([MS-CIFS] section 2.2.1.6). */
function statusName({ status, isNtStatus }: SmbView): string {
  if (isNtStatus || status === 0) return ntStatusName(status)
  return `DOS ${status & 0xff}/${status >>> 16}`
}

type Reader = (block: BlockReader) => void

const DIALECTS_MAX = 64

/** What one command says. Offsets of words count octets from the first of them. */
class BlockReader {
  readonly bytes: Uint8Array
  readonly words: number
  readonly wordCount: number
  readonly bytesStart: number
  readonly bytesEnd: number
  readonly block: Mutable<SmbBlock>
  readonly isResponse: boolean
  readonly isUnicode: boolean
  flaw: SmbFieldFlaw | null = null
  isSnapped = false
  readonly #view: SmbView
  /** Where the next text begins. */
  #at: number

  constructor(view: SmbView, cursor: SmbBlockCursor) {
    const { command, wordCount } = cursor
    this.#view = view
    this.bytes = cursor.bytes
    this.words = cursor.wordsStart
    this.wordCount = wordCount
    this.bytesStart = cursor.bytesStart
    this.bytesEnd = cursor.bytesEnd
    this.#at = cursor.bytesStart
    this.isResponse = view.isResponse
    this.isUnicode = view.isUnicode
    this.block = { command, commandName: commandName(command), wordCount }
  }

  /** A response that failed has no words; a command in an unknown form is named only. */
  read(): void {
    const readers = (this.isResponse ? RESPONSES : REQUESTS)[this.block.command]
    readers?.find(([wordsMin]) => this.wordCount >= wordsMin)?.[1](this)
  }

  u8(offset: number): number {
    return this.bytes[this.words + offset]
  }

  u16(offset: number): number {
    return le16(this.bytes, this.words + offset)
  }

  u32(offset: number): number {
    return le32(this.bytes, this.words + offset)
  }

  u64(offset: number): number {
    return Number(le64(this.bytes, this.words + offset))
  }

  get at(): number {
    return this.#at
  }

  get hasMore(): boolean {
    return this.#at < this.bytesEnd
  }

  skip(octets: number): void {
    if (octets > this.bytesEnd - this.#at) this.flaw = 'smb.field'
    this.#at = Math.min(this.#at + octets, this.bytesEnd)
  }

  /** The next text of the bytes, in the form that the header says: Unicode begins on even octets of the message. */
  text(): string {
    if (!this.isUnicode) return this.oem()
    if (((this.#at - this.#view.start) & 1) !== 0) this.skip(Math.min(1, this.bytesEnd - this.#at))
    const start = this.#at
    this.#at = utf16End(this.bytes, start, this.bytesEnd)
    return utf16(this.bytes, start, this.#at)
  }

  oem(): string {
    const start = this.#at
    this.#at = oemEnd(this.bytes, start, this.bytesEnd)
    return oemText(this.bytes, start, this.#at)
  }

  /** A text behind the octet that announces one ([MS-CIFS] section 2.2.1.1). */
  announced(): string {
    if (this.hasMore && this.bytes[this.#at] === ANNOUNCED) this.skip(1)
    return this.text()
  }

  /** `length` octets of the bytes are a security blob. */
  blob(length: number): void {
    const start = this.#at
    const wireEnd = Math.min(start + length, this.#view.wireEnd)
    if (start + length > this.#view.wireEnd) this.flaw = 'smb.field'
    const end = Math.min(wireEnd, this.#view.end)
    if (end < wireEnd) this.isSnapped = true
    if (length > 0) this.block.security = describeSecurityBlob(this.bytes, start, end, wireEnd)
    this.#at = Math.min(end, this.bytesEnd)
  }

  /** Data by its offset from the header; null if there is none or it lies outside the message. */
  window(offset: number, length: number): SmbWindow | null {
    const { start, end, wireEnd } = this.#view
    if (length === 0) return null
    const from = start + offset
    if (from < this.words || from + length > wireEnd) {
      this.flaw = 'smb.field'
      return null
    }
    if (from + length > end) this.isSnapped = true
    return { start: Math.min(from, end), end: Math.min(from + length, end), wireEnd: from + length }
  }

  data(offset: number, length: number): void {
    this.block.dataLength = length
    const window = this.window(offset, length)
    if (window !== null) this.block.data = window
  }

  /** A name that fills the rest of the parameters of a transaction, from `offset` of them on. */
  parameterText({ start, end }: SmbWindow, offset: number): string {
    const from = start + offset
    if (from >= end) return ''
    if (!this.isUnicode) return oemText(this.bytes, from, end)
    return utf16(this.bytes, from + ((from - this.#view.start) & 1), end)
  }
}

const ANNOUNCED = 0x04
const DIALECT_ANNOUNCED = 0x02
const CAPABILITY_EXTENDED_SECURITY = 0x80000000

const REQUESTS: Readonly<Record<number, readonly (readonly [wordsMin: number, reader: Reader])[]>> = {
  0: [[0, name]],
  1: [[0, name]],
  2: [[2, name]],
  3: [[3, name]],
  4: [[3, file(0)]],
  6: [[1, name]],
  7: [[1, names]],
  16: [[0, name]],
  [SMB.TRANSACTION]: [[14, transaction]],
  [SMB.OPEN_ANDX]: [
    [
      15,
      (block) => {
        block.block.fileName = block.text()
      },
    ],
  ],
  [SMB.READ_ANDX]: [
    [
      10,
      (block) => {
        block.block.fileId = block.u16(4)
        block.block.fileOffset = block.u32(6) + (block.wordCount >= 12 ? block.u32(20) * 0x1_0000_0000 : 0)
        block.block.dataLength = block.u16(10)
      },
    ],
  ],
  [SMB.WRITE_ANDX]: [
    [
      12,
      (block) => {
        block.block.fileId = block.u16(4)
        block.block.fileOffset = block.u32(6) + (block.wordCount >= 14 ? block.u32(24) * 0x1_0000_0000 : 0)
        block.data(block.u16(22), block.u16(20) + block.u16(18) * 0x1_0000)
      },
    ],
  ],
  [SMB.TRANSACTION2]: [[15, transaction2]],
  [SMB.TREE_CONNECT]: [[0, oldTreeConnect]],
  [SMB.NEGOTIATE]: [[0, dialects]],
  [SMB.SESSION_SETUP_ANDX]: [
    [13, oldSessionSetup],
    [
      12,
      (block) => {
        block.block.hasExtendedSecurity = true
        block.blob(block.u16(14))
        systems(block)
      },
    ],
    [
      10,
      (block) => {
        block.block.oemPasswordLength = block.u16(14)
        block.skip(block.u16(14))
        block.block.account = block.text()
        block.block.domain = block.text()
        systems(block)
      },
    ],
  ],
  [SMB.TREE_CONNECT_ANDX]: [
    [
      4,
      (block) => {
        block.block.oemPasswordLength = block.u16(6)
        block.skip(block.u16(6))
        block.block.path = block.text()
        block.block.service = block.oem()
      },
    ],
  ],
  [SMB.NT_TRANSACT]: [
    [
      19,
      (block) => {
        const number = block.u16(36)
        block.block.subcommand = number
        block.block.subcommandName = SMB_NT_TRANSACT[number] ?? String(number)
      },
    ],
  ],
  [SMB.NT_CREATE_ANDX]: [
    [
      24,
      (block) => {
        const out = block.block
        out.desiredAccess = block.u32(15)
        out.accessNames = bitNames(out.desiredAccess, FILE_ACCESS)
        out.disposition = CREATE_DISPOSITIONS[block.u32(35)] ?? String(block.u32(35))
        out.options = bitNames(block.u32(39), CREATE_OPTIONS)
        out.impersonation = IMPERSONATIONS[block.u32(43)] ?? String(block.u32(43))
        out.fileName = block.text()
      },
    ],
  ],
  165: [[4, names]],
}

const RESPONSES: Readonly<Record<number, readonly (readonly [wordsMin: number, reader: Reader])[]>> = {
  [SMB.TRANSACTION]: [[10, transactionResponse]],
  [SMB.OPEN_ANDX]: [[15, file(4)]],
  [SMB.READ_ANDX]: [[12, (block) => block.data(block.u16(12), block.u16(10) + block.u16(14) * 0x1_0000)]],
  [SMB.WRITE_ANDX]: [
    [
      6,
      (block) => {
        block.block.dataLength = block.u16(4) + block.u16(8) * 0x1_0000
      },
    ],
  ],
  [SMB.NEGOTIATE]: [
    [17, negotiateResponse],
    [
      1,
      (block) => {
        block.block.dialectIndex = block.u16(0)
      },
    ],
  ],
  [SMB.SESSION_SETUP_ANDX]: [
    [
      4,
      (block) => {
        block.block.isGuest = (block.u16(4) & 1) !== 0
        block.block.hasExtendedSecurity = true
        block.blob(block.u16(6))
        systems(block)
      },
    ],
    [
      3,
      (block) => {
        block.block.isGuest = (block.u16(4) & 1) !== 0
        systems(block)
      },
    ],
  ],
  [SMB.TREE_CONNECT_ANDX]: [
    [
      2,
      (block) => {
        block.block.service = block.oem()
        if (block.hasMore) block.block.fileSystem = block.text()
      },
    ],
  ],
  [SMB.NT_CREATE_ANDX]: [
    [
      34,
      (block) => {
        const out = block.block
        out.fileId = block.u16(5)
        out.action = CREATE_ACTIONS[block.u32(7) & 0x7fff] ?? String(block.u32(7))
        out.endOfFile = block.u64(55)
        // Resource types 1 and 2 are pipes of bytes and of messages.
        out.isPipe = block.u16(63) === 1 || block.u16(63) === 2
      },
    ],
  ],
}

function file(offset: number): Reader {
  return (block) => {
    block.block.fileId = block.u16(offset)
  }
}

function name(block: BlockReader): void {
  block.block.fileName = block.announced()
}

function names(block: BlockReader): void {
  block.block.fileName = block.announced()
  block.block.newName = block.announced()
}

function dialects(block: BlockReader): void {
  const list: string[] = []
  while (block.hasMore && list.length < DIALECTS_MAX && block.bytes[block.at] === DIALECT_ANNOUNCED) {
    block.skip(1)
    list.push(block.oem())
  }
  block.block.dialects = list
}

function negotiateResponse(block: BlockReader): void {
  const out = block.block
  const mode = block.u8(2)
  out.dialectIndex = block.u16(0)
  out.isSigningEnabled = (mode & 4) !== 0
  out.isSigningRequired = (mode & 8) !== 0
  out.hasExtendedSecurity = (block.u32(19) & CAPABILITY_EXTENDED_SECURITY) !== 0
  if (out.hasExtendedSecurity) {
    if (block.bytesEnd - block.at < 16) return
    out.guid = uuidText(block.bytes, block.at)
    block.skip(16)
    block.blob(block.bytesEnd - block.at)
  } else {
    // The challenge of the server stays unshown: it is half of what a password is guessed from.
    block.skip(block.u8(33))
    if (block.hasMore) out.domain = unaligned(block)
    if (block.hasMore) out.serverName = unaligned(block)
  }
}

/** Names behind the challenge are not aligned ([MS-CIFS] section 2.2.4.52.2). */
function unaligned(block: BlockReader): string {
  if (!block.isUnicode) return block.oem()
  const start = block.at
  const end = utf16End(block.bytes, start, block.bytesEnd)
  block.skip(end - start)
  return utf16(block.bytes, start, end)
}

function oldSessionSetup(block: BlockReader): void {
  const out = block.block
  out.oemPasswordLength = block.u16(14)
  out.unicodePasswordLength = block.u16(16)
  block.skip(out.oemPasswordLength + out.unicodePasswordLength)
  out.account = block.text()
  out.domain = block.text()
  systems(block)
}

function systems(block: BlockReader): void {
  if (block.hasMore) block.block.nativeOs = block.text()
  if (block.hasMore) block.block.nativeLanMan = block.text()
  if (block.hasMore && block.block.domain === undefined) block.block.domain = block.text()
}

/** Path, password, service, each announced. */
function oldTreeConnect(block: BlockReader): void {
  block.block.path = block.announced()
  block.block.oemPasswordLength = Math.max(0, block.announced().length)
  block.block.service = block.announced()
}

function transaction(block: BlockReader): void {
  const out = block.block
  out.transactionName = block.text()
  block.data(block.u16(24), block.u16(22))
  if (block.u8(26) === 0 || block.wordCount < 15) return
  const number = block.u16(28)
  out.subcommand = number
  if (!out.transactionName.toUpperCase().startsWith('\\PIPE')) return
  out.subcommandName = SMB_PIPE_TRANSACTIONS[number] ?? String(number)
  if (block.wordCount >= 16) out.fileId = block.u16(30)
}

function transactionResponse(block: BlockReader): void {
  block.data(block.u16(14), block.u16(12))
}

/** Where in the parameters of a subcommand its path begins. */
const PATHS: Readonly<Record<number, number>> = { 0: 28, 1: 12, 5: 6, 6: 6, 13: 4, 16: 2 }

function transaction2(block: BlockReader): void {
  const number = block.u16(28)
  block.block.subcommand = number
  block.block.subcommandName = SMB_TRANSACTION2[number] ?? String(number)
  const parameters = block.window(block.u16(20), block.u16(18))
  const pathAt = PATHS[number]
  if (parameters === null) return
  if (pathAt !== undefined) block.block.fileName = block.parameterText(parameters, pathAt)
  else if ((number === 7 || number === 8) && parameters.end - parameters.start >= 2)
    block.block.fileId = le16(block.bytes, parameters.start)
}
