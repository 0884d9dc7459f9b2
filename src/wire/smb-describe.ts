/**
 * What the commands of SMB 1 say ([MS-CIFS] section 2.2.4, [MS-SMB]): those that tell who logs in, what is connected, opened, read,
 * written and changed, and what is said to named pipes.
 *
 * Passwords and the responses of old logins are never told, only their lengths; contents of files are never copied. Where a
 * command carries data that may be a pipe's, the description has its window.
 */
import { le16, le32, le64, oemEnd, oemText, utf16, utf16End, uuidText } from '../base/little-endian.ts'
import type { Mutable } from './mutable.ts'
import { ntStatusName } from './nt-status.ts'
import { describeSecurityBlob, type SecurityBlob } from './security-blob.ts'
import { SMB, SmbBlockCursor, type SmbBlockFlaw, type SmbView } from './smb.ts'
import type { SmbWindow } from './smb2.ts'
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
