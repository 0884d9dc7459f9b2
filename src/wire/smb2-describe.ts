/**
 * What the bodies of SMB 2 and 3 say ([MS-SMB2] sections 2.2.3 to 2.2.40): those that tell who logs in, what is connected, opened,
 * read, written and changed.
 *
 * Contents of files are never copied. Where a body carries data that may be a pipe's, the description has its window.
 */
import { hex, hexWord } from '../base/bytes.ts'
import { fileTimeText, le16, le32, le64, utf16, uuidText } from '../base/little-endian.ts'
import type { Mutable } from './mutable.ts'
import { isNtError, NT_STATUS_MORE_PROCESSING_REQUIRED, NT_STATUS_PENDING, ntStatusName } from './nt-status.ts'
import { describeSecurityBlob, type SecurityBlob } from './security-blob.ts'
import {
  bitNames,
  CREATE_ACTIONS,
  CREATE_DISPOSITIONS,
  CREATE_OPTIONS,
  FILE_ACCESS,
  FILE_DISPOSITION_INFORMATION,
  FILE_DISPOSITION_INFORMATION_EX,
  FILE_INFORMATION,
  FILE_RENAME_INFORMATION,
  FILE_RENAME_INFORMATION_EX,
  FILE_SYSTEM_INFORMATION,
  FSCTL_PIPE_TRANSCEIVE,
  FSCTL_VALIDATE_NEGOTIATE_INFO,
  FSCTLS,
  IMPERSONATIONS,
  INFORMATION_TYPES,
  SMB2_CAPABILITIES,
  SMB2_CIPHERS,
  SMB2_COMMANDS,
  SMB2_COMPRESSIONS,
  SMB2_DIALECTS,
  SMB2_HASHES,
  SMB2_SESSION_FLAGS,
  SMB2_SHARE_TYPES,
  SMB2_SIGNINGS,
} from './smb-tables.ts'
import { SMB2, SMB2_HEADER_LENGTH, type Smb2View, type SmbWindow } from './smb2.ts'

/** `smb2.body`: a body too short for its fields, or of another size than its command has. `smb2.field`: a text, a blob or data lies outside the message. */
export type Smb2BodyFlaw = 'smb2.body' | 'smb2.field'

export interface Smb2Record {
  readonly command: number
  readonly commandName: string
  readonly isResponse: boolean
  readonly status?: number
  readonly statusName?: string
  /** Decimal digits: 64 bits. */
  readonly messageId: string
  readonly sessionId: string
  readonly treeId?: number
  readonly isSigned: boolean
  readonly isRelated: boolean
  readonly isAsync: boolean
  // NEGOTIATE, and IOCTL with FSCTL_VALIDATE_NEGOTIATE_INFO
  readonly dialects?: readonly string[]
  readonly dialect?: string
  readonly isSigningEnabled?: boolean
  readonly isSigningRequired?: boolean
  readonly capabilities?: readonly string[]
  /** Of the sender. */
  readonly guid?: string
  readonly systemTime?: string
  readonly startTime?: string
  readonly hashes?: readonly string[]
  readonly ciphers?: readonly string[]
  readonly compressions?: readonly string[]
  readonly signings?: readonly string[]
  readonly netName?: string
  // NEGOTIATE, SESSION_SETUP
  readonly security?: SecurityBlob
  readonly sessionFlags?: readonly string[]
  readonly previousSessionId?: string
  // TREE_CONNECT
  readonly path?: string
  readonly shareType?: string
  readonly isShareEncrypted?: boolean
  readonly maximalAccess?: number
  // CREATE
  readonly fileName?: string
  readonly desiredAccess?: number
  readonly accessNames?: readonly string[]
  readonly disposition?: string
  readonly options?: readonly string[]
  readonly impersonation?: string
  readonly action?: string
  readonly createdTime?: string
  readonly endOfFile?: number
  // Operations on an open file
  /** 32 hexadecimal digits. */
  readonly fileId?: string
  readonly fileOffset?: number
  readonly dataLength?: number
  readonly controlCode?: number
  readonly controlName?: string
  readonly isFsctl?: boolean
  readonly informationType?: string
  readonly informationClass?: string
  readonly pattern?: string
  readonly newName?: string
  readonly isDeletion?: boolean
  /** READ, WRITE and FSCTL_PIPE_TRANSCEIVE: where the data lie. */
  readonly data?: SmbWindow
  readonly flaw?: Smb2BodyFlaw
  readonly isSnapped?: true
}

/** The body of the message that the view decoded, and its header, as plain values; `data` still points into the buffer. */
export function describeSmb2(view: Smb2View): Smb2Record {
  const { command, isResponse, status } = view
  const record: Mutable<Smb2Record> = {
    command,
    commandName: SMB2_COMMANDS[command] ?? String(command),
    isResponse,
    ...(isResponse ? { status, statusName: ntStatusName(status) } : {}),
    messageId: view.messageId,
    sessionId: view.sessionId,
    ...(view.isAsync ? {} : { treeId: view.treeId }),
    isSigned: view.isSigned,
    isRelated: view.isRelated,
    isAsync: view.isAsync,
  }
  new BodyReader(view, record).read()
  return record
}

type Reader = (body: BodyReader) => void

/** A body: the size that it declares (odd where something of variable length follows), and what is read of it. */
interface Body {
  readonly size: number
  readonly read?: Reader
}

const STRINGS_MAX = 64
const CONTEXTS_MAX = 32

class BodyReader {
  readonly bytes: Uint8Array
  readonly at: number
  readonly record: Mutable<Smb2Record>
  readonly #view: Smb2View

  constructor(view: Smb2View, record: Mutable<Smb2Record>) {
    this.bytes = view.bytes
    this.at = view.bodyStart
    this.record = record
    this.#view = view
  }

  /** Whether the body is whole and of the form that its command has. */
  read(): boolean {
    const { command, isResponse, status, bodyStart, end, wireEnd } = this.#view
    const body = (isResponse ? RESPONSES : REQUESTS)[command]
    if (body === undefined) return true
    if (wireEnd - bodyStart < 2) return this.flaw('smb2.body')
    if (end - bodyStart < 2) return this.snap()
    const size = le16(this.bytes, bodyStart)
    if (isResponse && size === ERROR_SIZE && isError(command, status)) return true
    if (size !== body.size) return this.flaw('smb2.body')
    const least = size & ~1
    if (wireEnd - bodyStart < least) return this.flaw('smb2.body')
    if (end - bodyStart < least) return this.snap()
    body.read?.(this)
    return true
  }

  flaw(flaw: Smb2BodyFlaw): false {
    this.record.flaw ??= flaw
    return false
  }

  snap(): false {
    this.record.isSnapped = true
    return false
  }

  u8(offset: number): number {
    return this.bytes[this.at + offset]
  }

  u16(offset: number): number {
    return le16(this.bytes, this.at + offset)
  }

  u32(offset: number): number {
    return le32(this.bytes, this.at + offset)
  }

  /** File offsets and sizes: beyond 2^53 they are no real ones, and lose their last digits. */
  u64(offset: number): number {
    return Number(le64(this.bytes, this.at + offset))
  }

  fileId(offset: number): void {
    this.record.fileId = hex(this.bytes, this.at + offset, this.at + offset + 16)
  }

  /** A window by its offset from the header; null if there is none, or if it lies outside of what is there. */
  window(offset: number, length: number): SmbWindow | null {
    const { start, end, wireEnd } = this.#view
    if (length === 0) return null
    const from = start + offset
    if (from < this.at || from + length > wireEnd) {
      this.flaw('smb2.field')
      return null
    }
    if (from + length > end) this.snap()
    return { start: Math.min(from, end), end: Math.min(from + length, end), wireEnd: from + length }
  }

  text(offset: number, length: number): string {
    const window = this.window(offset, length)
    return window === null ? '' : utf16(this.bytes, window.start, window.end)
  }

  blob(offset: number, length: number): void {
    const window = this.window(offset, length)
    if (window !== null)
      this.record.security = describeSecurityBlob(this.bytes, window.start, window.end, window.wireEnd)
  }

  data(offset: number, length: number): void {
    this.record.dataLength = length
    const window = this.window(offset, length)
    if (window !== null) this.record.data = window
  }

  /** Signing: bit 0 enabled, bit 1 required. */
  securityMode(mode: number): void {
    this.record.isSigningEnabled = (mode & 1) !== 0
    this.record.isSigningRequired = (mode & 2) !== 0
  }

  /** [MS-SMB2] section 2.2.3.1; each begins on a multiple of eight. */
  negotiateContexts(offset: number, count: number): boolean {
    const { start, end, wireEnd } = this.#view
    let at = start + offset
    for (let left = Math.min(count, CONTEXTS_MAX); left > 0; left--) {
      if (at < this.at || wireEnd - at < 8) return this.flaw('smb2.field')
      if (end - at < 8) return this.snap()
      const dataStart = at + 8
      const dataWireEnd = dataStart + le16(this.bytes, at + 2)
      if (dataWireEnd > wireEnd) return this.flaw('smb2.field')
      if (dataWireEnd > end) return this.snap()
      this.#negotiateContext(le16(this.bytes, at), dataStart, dataWireEnd)
      at = dataStart + ((dataWireEnd - dataStart + 7) & ~7)
    }
    return true
  }

  #negotiateContext(type: number, start: number, end: number): void {
    const { record } = this
    if (type === 1) record.hashes = this.#numbers(start, start + 4, end, SMB2_HASHES)
    else if (type === 2) record.ciphers = this.#numbers(start, start + 2, end, SMB2_CIPHERS)
    else if (type === 3) record.compressions = this.#numbers(start, start + 8, end, SMB2_COMPRESSIONS)
    else if (type === 8) record.signings = this.#numbers(start, start + 2, end, SMB2_SIGNINGS)
    else if (type === 5) record.netName = utf16(this.bytes, start, end)
  }

  /** Names of 16-bit numbers, whose count stands at `countAt`. */
  #numbers(countAt: number, start: number, end: number, names: Readonly<Record<number, string>>): string[] {
    const list: string[] = []
    if (start > end) {
      this.flaw('smb2.field')
      return list
    }
    const count = Math.min(le16(this.bytes, countAt), STRINGS_MAX)
    for (let i = 0; i < count; i++) {
      if (start + i * 2 + 2 > end) {
        this.flaw('smb2.field')
        break
      }
      const number = le16(this.bytes, start + i * 2)
      list.push(names[number] ?? String(number))
    }
    return list
  }

  dialects(offset: number, count: number): void {
    const window = this.window(offset, Math.min(count, STRINGS_MAX) * 2)
    if (window !== null) this.record.dialects = dialectsIn(this.bytes, window.start, window.end)
  }

  /**
   * What both ends believe to have negotiated, under the protection of the login: another thing than was seen means that
   * somebody changed it ([MS-SMB2] sections 2.2.31.4 and 2.2.32.6).
   */
  validation(window: SmbWindow | null): void {
    if (window === null) return
    const { bytes, record } = this
    const { start, end } = window
    if (end - start < VALIDATION_LENGTH) return
    record.capabilities = bitNames(le32(bytes, start), SMB2_CAPABILITIES)
    record.guid = uuidText(bytes, start + 4)
    this.securityMode(le16(bytes, start + 20))
    if (record.isResponse) record.dialect = dialectName(le16(bytes, start + 22))
    else record.dialects = dialectsIn(bytes, start + VALIDATION_LENGTH, end)
  }
}

/** Capabilities, GUID, security mode, and a dialect or how many of them. */
const VALIDATION_LENGTH = 24

function dialectsIn(bytes: Uint8Array, start: number, end: number): string[] {
  const dialects: string[] = []
  for (let at = start; at + 2 <= end && dialects.length < STRINGS_MAX; at += 2)
    dialects.push(dialectName(le16(bytes, at)))
  return dialects
}

const ERROR_SIZE = 9

/** Whether there may be the body of errors, whose size some others have: a login that goes on is no error, an answer that is still to come looks like one. */
function isError(command: number, status: number): boolean {
  return (
    status === NT_STATUS_PENDING ||
    (isNtError(status) && !(command === SMB2.SESSION_SETUP && status === NT_STATUS_MORE_PROCESSING_REQUIRED))
  )
}

export function dialectName(dialect: number): string {
  return SMB2_DIALECTS[dialect] ?? `0x${dialect.toString(16).padStart(4, '0')}`
}

const DIALECT_3_1_1 = 0x0311
const SHARE_ENCRYPTED = 0x8000
const IOCTL_IS_FSCTL = 1

const REQUESTS: Readonly<Record<number, Body>> = {
  0: {
    size: 36,
    read: (body) => {
      const { record } = body
      body.securityMode(body.u16(4))
      record.capabilities = bitNames(body.u32(8), SMB2_CAPABILITIES)
      record.guid = uuidText(body.bytes, body.at + 12)
      body.dialects(SMB2_HEADER_LENGTH + 36, body.u16(2))
      // Where older dialects have a time, 3.1.1 has where its contexts are.
      if (record.dialects?.includes(dialectName(DIALECT_3_1_1)) === true)
        body.negotiateContexts(body.u32(28), body.u16(32))
    },
  },
  1: {
    size: 25,
    read: (body) => {
      body.securityMode(body.u8(3))
      body.record.capabilities = bitNames(body.u32(4), SMB2_CAPABILITIES)
      const previous = hexWord(body.u32(20)) + hexWord(body.u32(16))
      if (!/^0*$/.test(previous)) body.record.previousSessionId = previous
      body.blob(body.u16(12), body.u16(14))
    },
  },
  2: { size: 4 },
  3: {
    size: 9,
    read: (body) => {
      body.record.path = body.text(body.u16(4), body.u16(6))
    },
  },
  4: { size: 4 },
  5: {
    size: 57,
    read: (body) => {
      const { record } = body
      record.impersonation = IMPERSONATIONS[body.u32(4)] ?? String(body.u32(4))
      record.desiredAccess = body.u32(24)
      record.accessNames = bitNames(record.desiredAccess, FILE_ACCESS)
      record.disposition = CREATE_DISPOSITIONS[body.u32(36)] ?? String(body.u32(36))
      record.options = bitNames(body.u32(40), CREATE_OPTIONS)
      record.fileName = body.text(body.u16(44), body.u16(46))
    },
  },
  6: { size: 24, read: (body) => body.fileId(8) },
  7: { size: 24, read: (body) => body.fileId(8) },
  8: {
    size: 49,
    read: (body) => {
      body.record.dataLength = body.u32(4)
      body.record.fileOffset = body.u64(8)
      body.fileId(16)
    },
  },
  9: {
    size: 49,
    read: (body) => {
      body.record.fileOffset = body.u64(8)
      body.fileId(16)
      body.data(body.u16(2), body.u32(4))
    },
  },
  10: { size: 48, read: (body) => body.fileId(8) },
  11: {
    size: 57,
    read: (body) => {
      readControl(body)
      body.record.isFsctl = (body.u32(48) & IOCTL_IS_FSCTL) !== 0
      if (body.record.controlCode === FSCTL_PIPE_TRANSCEIVE) body.data(body.u32(24), body.u32(28))
      else if (body.record.controlCode === FSCTL_VALIDATE_NEGOTIATE_INFO)
        body.validation(body.window(body.u32(24), body.u32(28)))
    },
  },
  12: { size: 4 },
  13: { size: 4 },
  14: {
    size: 33,
    read: (body) => {
      body.record.informationClass = FILE_INFORMATION[body.u8(2)] ?? String(body.u8(2))
      body.fileId(8)
      body.record.pattern = body.text(body.u16(24), body.u16(26))
    },
  },
  15: { size: 32, read: (body) => body.fileId(8) },
  16: {
    size: 41,
    read: (body) => {
      readInformation(body)
      body.fileId(24)
    },
  },
  17: {
    size: 33,
    read: (body) => {
      readInformation(body)
      body.fileId(16)
      if (body.u8(2) === 1) readSetFile(body, body.u8(3), body.window(body.u16(8), body.u32(4)))
    },
  },
  18: { size: 24, read: (body) => body.fileId(8) },
}

const RESPONSES: Readonly<Record<number, Body>> = {
  0: {
    size: 65,
    read: (body) => {
      const { record, bytes, at } = body
      const dialect = body.u16(4)
      body.securityMode(body.u16(2))
      record.dialect = dialectName(dialect)
      record.guid = uuidText(bytes, at + 8)
      record.capabilities = bitNames(body.u32(24), SMB2_CAPABILITIES)
      const systemTime = fileTimeText(bytes, at + 40)
      const startTime = fileTimeText(bytes, at + 48)
      if (systemTime !== undefined) record.systemTime = systemTime
      if (startTime !== undefined) record.startTime = startTime
      body.blob(body.u16(56), body.u16(58))
      if (dialect === DIALECT_3_1_1) body.negotiateContexts(body.u32(60), body.u16(6))
    },
  },
  1: {
    size: 9,
    read: (body) => {
      body.record.sessionFlags = bitNames(body.u16(2), SMB2_SESSION_FLAGS)
      body.blob(body.u16(4), body.u16(6))
    },
  },
  2: { size: 4 },
  3: {
    size: 16,
    read: (body) => {
      body.record.shareType = SMB2_SHARE_TYPES[body.u8(2)] ?? String(body.u8(2))
      body.record.isShareEncrypted = (body.u32(4) & SHARE_ENCRYPTED) !== 0
      body.record.maximalAccess = body.u32(12)
    },
  },
  4: { size: 4 },
  5: {
    size: 89,
    read: (body) => {
      const { record, bytes, at } = body
      // The highest bit of 16 says that an oplock was granted as well.
      record.action = CREATE_ACTIONS[body.u32(4) & 0x7fff] ?? String(body.u32(4))
      const createdTime = fileTimeText(bytes, at + 8)
      if (createdTime !== undefined) record.createdTime = createdTime
      record.endOfFile = body.u64(48)
      body.fileId(64)
    },
  },
  6: { size: 60 },
  7: { size: 4 },
  8: { size: 17, read: (body) => body.data(body.u8(2), body.u32(4)) },
  9: {
    size: 17,
    read: (body) => {
      body.record.dataLength = body.u32(4)
    },
  },
  10: { size: 4 },
  11: {
    size: 49,
    read: (body) => {
      readControl(body)
      if (body.record.controlCode === FSCTL_PIPE_TRANSCEIVE) body.data(body.u32(32), body.u32(36))
      else if (body.record.controlCode === FSCTL_VALIDATE_NEGOTIATE_INFO)
        body.validation(body.window(body.u32(32), body.u32(36)))
    },
  },
  13: { size: 4 },
  14: { size: 9 },
  15: { size: 9 },
  16: { size: 9 },
  17: { size: 2 },
}

function readControl(body: BodyReader): void {
  const code = body.u32(4)
  body.record.controlCode = code
  body.record.controlName = FSCTLS[code] ?? `0x${hexWord(code)}`
  body.fileId(8)
}

function readInformation(body: BodyReader): void {
  const type = body.u8(2)
  const number = body.u8(3)
  const names = type === 1 ? FILE_INFORMATION : type === 2 ? FILE_SYSTEM_INFORMATION : {}
  body.record.informationType = INFORMATION_TYPES[type] ?? String(type)
  body.record.informationClass = names[number] ?? String(number)
}

/** [MS-FSCC] sections 2.4.11 and 2.4.42: what renames and deletes a file. */
function readSetFile(body: BodyReader, number: number, window: SmbWindow | null): void {
  if (window === null) return
  const { bytes, record } = body
  const { start, end } = window
  if (number === FILE_RENAME_INFORMATION || number === FILE_RENAME_INFORMATION_EX) {
    if (end - start >= 20)
      record.newName = utf16(bytes, start + 20, Math.min(end, start + 20 + le32(bytes, start + 16)))
  } else if (number === FILE_DISPOSITION_INFORMATION || number === FILE_DISPOSITION_INFORMATION_EX) {
    if (end > start) record.isDeletion = (bytes[start] & 1) !== 0
  }
}
