/** SMB inside flows, all versions: its messages, in frames of NetBIOS, and what each means for the connection. */
import { NT_STATUS_MORE_PROCESSING_REQUIRED, NT_STATUS_PENDING } from '../wire/nt-status.ts'
import { NETBIOS_FRAME_LENGTH, NETBIOS_SESSION_PORT, NetbiosView } from '../wire/netbios.ts'
import { SMB, SmbView } from '../wire/smb.ts'
import { describeSmb, type SmbBlock, type SmbRecord } from '../wire/smb-describe.ts'
import { SMB2, Smb2View, smbKind } from '../wire/smb2.ts'
import { describeSmb2, type Smb2Record } from '../wire/smb2-describe.ts'
import { describeSmb2Encrypted } from '../wire/smb2-transform.ts'
import {
  CLIENT,
  type InnerFlow,
  type Ports,
  SERVER,
  type Side,
  type StreamProtocol,
  type StreamReader,
} from './inner-protocol.ts'
import { type Answer, type Opening, SmbState } from './smb-state.ts'

/** A longer message is described by its beginning; the rest is the content of a file. */
const HEAD_MAX = 16_384
/** A server that may speak a newer version answers an old request with this, and waits for a new one. */
const TO_BE_CONTINUED = '2.???'
/** 16 octets of ones: the file that was opened by the command before, in the same message. */
const FILE_BEFORE = 'f'.repeat(32)

const frame = new NetbiosView()
const view1 = new SmbView()
const view2 = new Smb2View()

/** What commands of one message take over from the one before. */
interface Chain {
  session: string
  tree: string
  opening: Opening | undefined
}

class Smb implements StreamReader {
  readonly #flow: InnerFlow
  readonly #state: SmbState
  /** Directions in which octets were lost: the next frame is looked for. */
  readonly #isLost: [boolean, boolean] = [false, false]
  #isBegun = false

  constructor(flow: InnerFlow) {
    this.#flow = flow
    this.#state = new SmbState(flow)
  }

  read(side: Side, bytes: Uint8Array, start: number, end: number): number {
    let at = start
    while (at < end) {
      if (this.#isLost[side]) {
        const found = nextFrame(bytes, at, end)
        if (found === -1) return Math.max(at, end - FRAME_AND_MAGIC + 1) - start
        this.#isLost[side] = false
        at = found
      }
      if (end - at < FRAME_AND_MAGIC) {
        // Frames of the session service may be shorter than a message.
        if (end - at < NETBIOS_FRAME_LENGTH || bytes[at] === 0) return at - start
      }
      if (frame.decode(bytes, at, end) !== null || !isFrame(bytes, end)) {
        this.#flow.report('netbios.type', 'smb', 'no frame where one should begin')
        this.#isLost[side] = true
        at++
        continue
      }
      const { payloadStart, payloadWireEnd } = frame
      if (end - at < Math.min(payloadWireEnd - at, HEAD_MAX)) return at - start
      if (frame.isMessage) this.#message(side, bytes, payloadStart, Math.min(payloadWireEnd, end), payloadWireEnd)
      at = payloadWireEnd
    }
    return at - start
  }

  gap(side: Side): boolean {
    this.#isLost[side] = true
    return true
  }

  end(): void {
    this.#state.end()
  }

  #message(side: Side, bytes: Uint8Array, start: number, end: number, wireEnd: number): void {
    switch (smbKind(bytes, start, end)) {
      case 'smb':
        if (view1.decode(bytes, start, end, wireEnd) !== null) return
        this.#begin(side, view1.isResponse)
        this.#old(describeSmb(view1), bytes)
        break
      case 'smb2':
        this.#new(side, bytes, start, end, wireEnd)
        break
      case 'smb2-encrypted': {
        const header = describeSmb2Encrypted(bytes, start, end)
        if (header !== null) this.#state.encrypted(header.sessionId)
        break
      }
      default:
    }
  }

  /** The capture may have begun in the middle: who answers is the server. */
  #begin(side: Side, isResponse: boolean): void {
    if (this.#isBegun) return
    this.#isBegun = true
    const isFromClient = side === this.#flow.client
    if (isResponse === isFromClient) this.#flow.client = this.#flow.client === CLIENT ? SERVER : CLIENT
  }

  // --- SMB 2 and 3

  #new(side: Side, bytes: Uint8Array, start: number, end: number, wireEnd: number): void {
    const chain: Chain = { session: '', tree: '', opening: undefined }
    for (let at = start; at < end; at = view2.nextStart) {
      if (view2.decode(bytes, at, end, wireEnd) !== null) return
      this.#begin(side, view2.isResponse)
      const record = describeSmb2(view2)
      if (record.flaw !== undefined) this.#flow.report(record.flaw, 'smb', record.commandName)
      if (!record.isRelated) {
        chain.session = record.sessionId
        chain.tree = `${record.sessionId}/${record.treeId}`
        chain.opening = undefined
      }
      const key = `2/${record.messageId}`
      if (record.isResponse) this.#newAnswer(key, record, bytes)
      else this.#newRequest(key, record, bytes, chain)
      if (view2.nextStart === 0) return
    }
  }

  #fileOf({ fileId = '' }: Smb2Record, { opening }: Chain): Opening {
    return fileId === FILE_BEFORE && opening !== undefined ? opening : this.#state.fileOf(fileId)
  }

  #newRequest(key: string, record: Smb2Record, bytes: Uint8Array, chain: Chain): void {
    const state = this.#state
    switch (record.command) {
      case SMB2.NEGOTIATE:
        if (record.dialects !== undefined) state.offered(record.dialects)
        break
      case SMB2.SESSION_SETUP:
        state.loginAsked(key, chain.session, record.security)
        break
      case SMB2.TREE_CONNECT:
        state.treeAsked(key, chain.session, record.path ?? '')
        break
      case SMB2.CREATE:
        chain.opening = state.openAsked(key, chain.tree, openRequest(record))
        break
      case SMB2.CLOSE:
        if (record.fileId === FILE_BEFORE && chain.opening !== undefined) chain.opening.isClosed = true
        else state.closed(record.fileId ?? '')
        break
      case SMB2.READ:
        state.asked(key, this.#fileOf(record, chain))
        break
      case SMB2.WRITE:
        state.wrote(this.#fileOf(record, chain), bytes, record.dataLength ?? 0, record.data)
        break
      case SMB2.IOCTL: {
        if (record.data === undefined) break
        const opening = this.#fileOf(record, chain)
        state.wrote(opening, bytes, 0, record.data)
        state.asked(key, opening)
        break
      }
      case SMB2.SET_INFO:
        if (record.newName !== undefined) state.renameAsked(key, this.#fileOf(record, chain), record.newName)
        else if (record.isDeletion === true) state.deleteAsked(key, this.#fileOf(record, chain))
        break
      default:
    }
  }

  #newAnswer(key: string, record: Smb2Record, bytes: Uint8Array): void {
    const { status = 0, statusName = '', sessionId, treeId } = record
    // The answer proper comes later.
    if (status === NT_STATUS_PENDING) return
    const state = this.#state
    const answer = { status, statusName }
    switch (record.command) {
      case SMB2.NEGOTIATE:
        if (record.dialect !== undefined && record.dialect !== TO_BE_CONTINUED)
          state.negotiated(record.dialect, record.isSigningRequired === true)
        break
      case SMB2.SESSION_SETUP:
        state.loginAnswered(key, sessionId, answer, record.security, {
          isMore: status === NT_STATUS_MORE_PROCESSING_REQUIRED,
          isGuest: record.sessionFlags?.some((flag) => flag === 'guest' || flag === 'null') === true,
          isEncrypted: record.sessionFlags?.includes('encrypt') === true,
        })
        break
      case SMB2.TREE_CONNECT:
        state.treeAnswered(key, `${sessionId}/${treeId}`, answer, record.shareType)
        break
      case SMB2.CREATE:
        state.openAnswered(key, record.fileId ?? '', answer, { action: record.action, size: record.endOfFile })
        break
      case SMB2.READ:
      case SMB2.IOCTL:
        state.answered(key, bytes, record.dataLength ?? 0, record.data)
        break
      case SMB2.SET_INFO:
        state.changeAnswered(key, answer)
        break
      default:
    }
  }

  // --- SMB 1

  #old(record: SmbRecord, bytes: Uint8Array): void {
    if (record.flaw !== undefined) this.#flow.report(record.flaw, 'smb', record.commandName)
    const { blocks, status = 0, statusName = '', processId, multiplexId, isResponse } = record
    const answer = { status, statusName }
    // A refusal has no words, and so no commands behind the first.
    for (const block of blocks) {
      const key = `1/${processId}/${multiplexId}/${block.command}`
      if (isResponse) this.#oldAnswer(key, record, block, answer, bytes)
      else this.#oldRequest(key, record, block, bytes)
    }
  }

  #oldRequest(key: string, { userId, treeId }: SmbRecord, block: SmbBlock, bytes: Uint8Array): void {
    const state = this.#state
    const session = `1/${userId}`
    const tree = `1/${treeId}`
    const file = (): Opening => state.fileOf(`1/${block.fileId}`)
    switch (block.command) {
      case SMB.NEGOTIATE:
        if (block.dialects !== undefined) state.offered(block.dialects)
        break
      case SMB.SESSION_SETUP_ANDX: {
        const login = state.loginAsked(key, session, block.security)
        if (block.account !== undefined) login.name(block.account, block.domain ?? '', versionOf(block))
        break
      }
      case SMB.TREE_CONNECT:
      case SMB.TREE_CONNECT_ANDX:
        state.treeAsked(key, session, block.path ?? '')
        break
      case SMB.NT_CREATE_ANDX:
      case SMB.OPEN_ANDX:
        state.openAsked(key, tree, openRequest(block))
        break
      case SMB.CLOSE:
        state.closed(`1/${block.fileId}`)
        break
      case SMB.READ_ANDX:
        state.asked(key, file())
        break
      case SMB.WRITE_ANDX:
        state.wrote(file(), bytes, block.dataLength ?? 0, block.data)
        break
      case SMB.TRANSACTION:
        if (block.fileId === undefined) break
        state.wrote(file(), bytes, 0, block.data)
        state.asked(key, file())
        break
      case SMB.DELETE:
        state.deleteNamed(key, tree, block.fileName ?? '')
        break
      case SMB.RENAME:
        state.renameNamed(key, tree, block.fileName ?? '', block.newName ?? '')
        break
      default:
    }
  }

  #oldAnswer(key: string, record: SmbRecord, block: SmbBlock, answer: Answer, bytes: Uint8Array): void {
    const state = this.#state
    switch (block.command) {
      case SMB.NEGOTIATE: {
        const dialect = state.dialectAt(block.dialectIndex ?? -1)
        if (dialect !== undefined) state.negotiated(dialect, block.isSigningRequired === true)
        break
      }
      case SMB.SESSION_SETUP_ANDX:
        state.loginAnswered(key, `1/${record.userId}`, answer, block.security, {
          isMore: answer.status === NT_STATUS_MORE_PROCESSING_REQUIRED,
          isGuest: block.isGuest === true,
          isEncrypted: false,
        })
        break
      case SMB.TREE_CONNECT:
      case SMB.TREE_CONNECT_ANDX:
        state.treeAnswered(key, `1/${record.treeId}`, answer, OLD_SERVICES[block.service ?? ''])
        break
      case SMB.NT_CREATE_ANDX:
      case SMB.OPEN_ANDX:
        state.openAnswered(key, `1/${block.fileId}`, answer, { action: block.action, size: block.endOfFile })
        break
      case SMB.READ_ANDX:
      case SMB.TRANSACTION:
        state.answered(key, bytes, block.dataLength ?? 0, block.data)
        break
      case SMB.DELETE:
      case SMB.RENAME:
        state.changeAnswered(key, answer)
        break
      default:
    }
  }
}

/** [MS-CIFS] section 2.2.4.55.2. */
const OLD_SERVICES: Readonly<Record<string, string>> = { 'A:': 'disk', IPC: 'pipe', 'LPT1:': 'printer' }

const DIRECTORY = 'directory'
const DELETE_ON_CLOSE = 'delete on close'

function openRequest(message: {
  readonly fileName?: string
  readonly desiredAccess?: number
  readonly accessNames?: readonly string[]
  readonly options?: readonly string[]
}) {
  const { fileName = '', desiredAccess = 1, accessNames = [], options = [] } = message
  return {
    name: fileName,
    access: desiredAccess,
    accessNames,
    isDirectory: options.includes(DIRECTORY),
    isDeletedOnClose: options.includes(DELETE_ON_CLOSE),
  }
}

/** Logins without a token: by the lengths of their answers ([MS-CIFS] section 3.2.4.2.4). */
function versionOf({ unicodePasswordLength = 0, oemPasswordLength = 0, account = '' }: SmbBlock): string {
  if (account === '') return 'anonymous'
  if (unicodePasswordLength > 24) return 'NTLMv2'
  if (unicodePasswordLength === 24) return 'NTLMv1'
  return oemPasswordLength === 24 ? 'LMv1' : 'unknown'
}

const FRAME_AND_MAGIC = NETBIOS_FRAME_LENGTH + 4

/** Whether the frame just decoded holds SMB, or is one of the session service. */
function isFrame(bytes: Uint8Array, end: number): boolean {
  return !frame.isMessage || smbKind(bytes, frame.payloadStart, end) !== null
}

function nextFrame(bytes: Uint8Array, start: number, end: number): number {
  for (let at = start; at + FRAME_AND_MAGIC <= end; at++)
    if (bytes[at] === 0 && smbKind(bytes, at + NETBIOS_FRAME_LENGTH, end) !== null) return at
  return -1
}

const SESSION_REQUEST = 0x81

function mayBegin(first: number, { serverPort }: Ports): boolean {
  return first === 0 || (first === SESSION_REQUEST && serverPort === NETBIOS_SESSION_PORT)
}

export const SMB_STREAM: StreamProtocol = {
  name: 'smb',
  recognise: (bytes, start, end, _side, ports) => {
    if (!mayBegin(bytes[start], ports)) return 'no'
    if (bytes[start] === SESSION_REQUEST) return 'yes'
    if (end - start < FRAME_AND_MAGIC) return 'more'
    return smbKind(bytes, start + NETBIOS_FRAME_LENGTH, end) === null ? 'no' : 'yes'
  },
  open: (flow) => new Smb(flow),
}
