/**
 * What a connection of SMB is in the middle of, whichever version it speaks: logins, shares, open files and pipes, and the
 * requests that wait for their answers. `inner-smb.ts` reads the messages and says here what they mean.
 */
import { isNtError } from '../wire/nt-status.ts'
import type { SecurityBlob } from '../wire/security-blob.ts'
import { FILE_ACCESS_WRITES } from '../wire/smb-tables.ts'
import type { SmbWindow } from '../wire/smb2.ts'
import { BoundedMap } from './bounded-map.ts'
import { RpcTalk } from './inner-dcerpc.ts'
import { Login, type UserFields } from './inner-login.ts'
import { CLIENT, type InnerFlow, SERVER } from './inner-protocol.ts'

const SESSIONS_MAX = 32
const SHARES_MAX = 64
const FILES_MAX = 256
const WAITING_MAX = 256

/** Rights without which opening a file is only looking at it: data, execution, deletion, all that is possible. */
const ACCESS_TOLD = FILE_ACCESS_WRITES | 0x00000001 | 0x00000020 | 0x00010000 | 0x02000000 | 0x20000000 | 0x80000000

export interface Share {
  readonly path: string
  readonly name: string
  readonly user: UserFields
  type: string | undefined
}

export interface OpenFile {
  readonly share: Share
  readonly path: string
  readonly name: string
  readonly action: string | undefined
  /** Of a pipe. */
  readonly rpc: RpcTalk | null
  bytesRead: number
  bytesWritten: number
}

/** A file that an earlier command of the same message opens: its number is in the answer. */
export interface Opening {
  file: OpenFile | undefined
  /** The same message closes it again. */
  isClosed?: boolean
}

export interface OpenRequest {
  readonly name: string
  readonly access: number
  readonly accessNames: readonly string[]
  readonly isDirectory: boolean
  readonly isDeletedOnClose: boolean
}

/** How a server answered. */
export interface Answer {
  readonly status: number
  readonly statusName: string
}

type Waiting =
  | { readonly kind: 'login'; readonly login: Login }
  | { readonly kind: 'tree'; readonly path: string; readonly user: UserFields }
  | { readonly kind: 'open'; readonly request: OpenRequest; readonly share: Share; readonly opening: Opening }
  | { readonly kind: 'read'; readonly opening: Opening }
  | { readonly kind: 'rename'; readonly share: Share; readonly path: string; readonly newPath: string }
  | { readonly kind: 'delete'; readonly share: Share; readonly path: string }

export class SmbState {
  readonly #flow: InnerFlow
  #offered: readonly string[] = []
  #version: string | undefined
  readonly #logins = new BoundedMap<string, Login>(SESSIONS_MAX)
  readonly #encrypted = new Set<string>()
  readonly #shares = new BoundedMap<string, Share>(SHARES_MAX)
  readonly #files = new BoundedMap<string, OpenFile>(FILES_MAX)
  readonly #waiting = new BoundedMap<string, Waiting>(WAITING_MAX)

  constructor(flow: InnerFlow) {
    this.#flow = flow
  }

  // --- negotiation and login

  offered(dialects: readonly string[]): void {
    this.#offered = dialects
  }

  dialectAt(index: number): string | undefined {
    return this.#offered[index]
  }

  negotiated(version: string, isSigningRequired: boolean): void {
    this.#version = version
    this.#flow.tell('smb.negotiated', `SMB ${version}`, {
      'smb.version': version,
      'smb.signing.required': isSigningRequired,
      'smb.offered': this.#offered.length === 0 ? undefined : this.#offered,
    })
  }

  /** A step of the login to `session`, which is still nameless in the first one. */
  loginAsked(key: string, session: string, blob: SecurityBlob | undefined): Login {
    const login = this.#logins.get(session) ?? new Login()
    login.observe(blob)
    this.#waiting.set(key, { kind: 'login', login })
    return login
  }

  loginAnswered(
    key: string,
    session: string,
    { status, statusName }: Answer,
    blob: SecurityBlob | undefined,
    fields: { readonly isGuest: boolean; readonly isEncrypted: boolean; readonly isMore: boolean },
  ): void {
    const waiting = this.#waiting.take(key)
    if (waiting?.kind !== 'login') return
    const { login } = waiting
    login.observe(blob)
    this.#logins.set(session, login)
    if (fields.isMore) return
    const told = { ...login.fields, 'authentication.mechanism': login.mechanism, 'smb.version': this.#version }
    if (isNtError(status)) {
      login.tellNtlm(this.#flow, statusName)
      this.#flow.tell('smb.session.refused', `${login.who} was refused a session: ${statusName}`, {
        ...told,
        'event.outcome': 'failure',
        'error.code': statusName,
      })
      return
    }
    login.tellNtlm(this.#flow, undefined)
    this.#flow.tell('smb.session.opened', `${login.who} opened a session${fields.isGuest ? ' as a guest' : ''}`, {
      ...told,
      'smb.guest': fields.isGuest,
      'smb.encrypted': fields.isEncrypted,
      'event.outcome': 'success',
    })
  }

  encrypted(session: string): void {
    if (this.#encrypted.has(session) || this.#encrypted.size >= SESSIONS_MAX) return
    this.#encrypted.add(session)
    const login = this.#logins.get(session)
    this.#flow.tell('smb.session.encrypted', `The session of ${login?.who ?? 'somebody'} is encrypted`, {
      ...login?.user,
      'smb.encrypted': true,
      'smb.version': this.#version,
    })
  }

  // --- shares

  treeAsked(key: string, session: string, path: string): void {
    this.#waiting.set(key, { kind: 'tree', path, user: this.#logins.get(session)?.user ?? {} })
  }

  treeAnswered(key: string, tree: string, { status, statusName }: Answer, type: string | undefined): void {
    const waiting = this.#waiting.take(key)
    if (waiting?.kind !== 'tree') return
    const { path, user } = waiting
    const share: Share = { path, name: path.slice(path.lastIndexOf('\\') + 1).toUpperCase(), user, type }
    const isRefused = status !== 0
    if (!isRefused) this.#shares.set(tree, share)
    this.#flow.tell('smb.tree.connected', isRefused ? `Refused ${path}: ${statusName}` : `Connected to ${path}`, {
      ...shareFields(share),
      'smb.share.path': share.path,
      'smb.share.name': share.name,
      'event.outcome': isRefused ? 'failure' : 'success',
      'error.code': isRefused ? statusName : undefined,
    })
  }

  // --- files and pipes

  openAsked(key: string, tree: string, request: OpenRequest): Opening {
    const opening: Opening = { file: undefined }
    const share = this.#shares.get(tree)
    if (share !== undefined) this.#waiting.set(key, { kind: 'open', request, share, opening })
    return opening
  }

  openAnswered(
    key: string,
    id: string,
    { status, statusName }: Answer,
    opened: { readonly action: string | undefined; readonly size: number | undefined },
  ): void {
    const waiting = this.#waiting.take(key)
    if (waiting?.kind !== 'open') return
    const { request, share, opening } = waiting
    const name = request.name.replace(/^\\+/, '')
    const error = status === 0 ? undefined : statusName
    if (isPipe(share)) {
      this.#tellPipe(share, name, error)
      if (error === undefined) this.#keep(id, share, name, opened.action, opening)
      return
    }
    if (error === undefined) this.#keep(id, share, name, opened.action, opening)
    if (request.isDirectory || name === '') return
    if ((request.access & ACCESS_TOLD) !== 0) this.#tellOpened(share, name, request, error, opened)
    if (request.isDeletedOnClose && error === undefined) this.#tellDeleted(share, pathOf(share, name), undefined)
  }

  #keep(id: string, share: Share, name: string, action: string | undefined, opening: Opening): void {
    opening.file = {
      share,
      path: pathOf(share, name),
      name,
      action,
      rpc: isPipe(share) ? new RpcTalk(this.#flow, name, share.user) : null,
      bytesRead: 0,
      bytesWritten: 0,
    }
    if (opening.isClosed !== true) this.#files.set(id, opening.file)
  }

  #tellPipe(share: Share, name: string, error: string | undefined): void {
    this.#flow.tell('smb.pipe.opened', error === undefined ? `Pipe ${name}` : `Refused the pipe ${name}: ${error}`, {
      ...shareFields(share),
      'smb.pipe': name,
      'event.outcome': error === undefined ? 'success' : 'failure',
      'error.code': error,
    })
  }

  #tellOpened(
    share: Share,
    name: string,
    { accessNames }: OpenRequest,
    error: string | undefined,
    { action, size }: { readonly action: string | undefined; readonly size: number | undefined },
  ): void {
    const path = pathOf(share, name)
    this.#flow.tell('smb.file.opened', `${path}: ${error ?? action ?? 'opened'}`, {
      ...shareFields(share),
      ...fileFields(path),
      'file.path': path,
      'file.size': size,
      'smb.file.action': error === undefined ? action : undefined,
      'smb.file.access': accessNames,
      'event.outcome': error === undefined ? 'success' : 'failure',
      'error.code': error,
    })
  }

  fileOf(id: string): Opening {
    return { file: this.#files.get(id) }
  }

  wrote({ file }: Opening, bytes: Uint8Array, length: number, data: SmbWindow | undefined): void {
    if (file === undefined) return
    file.bytesWritten += length
    if (data !== undefined) file.rpc?.piece(CLIENT, bytes, data.start, data.end, data.wireEnd)
  }

  /** Something is said to a pipe, or read from a file: what comes back is an answer. */
  asked(key: string, opening: Opening): void {
    this.#waiting.set(key, { kind: 'read', opening })
  }

  answered(key: string, bytes: Uint8Array, length: number, data: SmbWindow | undefined): void {
    const waiting = this.#waiting.take(key)
    const file = waiting?.kind === 'read' ? waiting.opening.file : undefined
    if (file === undefined) return
    file.bytesRead += length
    if (data !== undefined) file.rpc?.piece(SERVER, bytes, data.start, data.end, data.wireEnd)
  }

  closed(id: string): void {
    const file = this.#files.take(id)
    if (file !== undefined) this.#ended(file)
  }

  renameAsked(key: string, { file }: Opening, newName: string): void {
    if (file === undefined) return
    const { share, path } = file
    this.#waiting.set(key, { kind: 'rename', share, path, newPath: pathOf(share, newName) })
  }

  /** By old commands, which name the file. */
  renameNamed(key: string, tree: string, name: string, newName: string): void {
    const share = this.#shares.get(tree)
    if (share === undefined) return
    this.#waiting.set(key, { kind: 'rename', share, path: pathOf(share, name), newPath: pathOf(share, newName) })
  }

  deleteAsked(key: string, { file }: Opening): void {
    if (file !== undefined) this.#waiting.set(key, { kind: 'delete', share: file.share, path: file.path })
  }

  deleteNamed(key: string, tree: string, name: string): void {
    const share = this.#shares.get(tree)
    if (share !== undefined) this.#waiting.set(key, { kind: 'delete', share, path: pathOf(share, name) })
  }

  changeAnswered(key: string, { status, statusName }: Answer): void {
    const waiting = this.#waiting.take(key)
    const error = status === 0 ? undefined : statusName
    if (waiting?.kind === 'delete') this.#tellDeleted(waiting.share, waiting.path, error)
    else if (waiting?.kind === 'rename') this.#tellRenamed(waiting.share, waiting.path, waiting.newPath, error)
  }

  #tellRenamed(share: Share, path: string, newPath: string, error: string | undefined): void {
    this.#flow.tell('smb.file.renamed', `${path} to ${newPath}${error === undefined ? '' : `: ${error}`}`, {
      ...shareFields(share),
      ...fileFields(path),
      'file.path': path,
      'smb.file.new_path': newPath,
      'event.outcome': error === undefined ? 'success' : 'failure',
      'error.code': error,
    })
  }

  #tellDeleted(share: Share, path: string, error: string | undefined): void {
    this.#flow.tell('smb.file.deleted', `${path}${error === undefined ? '' : `: ${error}`}`, {
      ...shareFields(share),
      ...fileFields(path),
      'file.path': path,
      'event.outcome': error === undefined ? 'success' : 'failure',
      'error.code': error,
    })
  }

  #ended({ share, path, action, rpc, bytesRead, bytesWritten }: OpenFile): void {
    if (rpc !== null) {
      rpc.end()
      return
    }
    if (bytesRead === 0 && bytesWritten === 0) return
    this.#flow.tell('smb.file.closed', `${path}: ${bytesRead} octets read, ${bytesWritten} written`, {
      ...shareFields(share),
      ...fileFields(path),
      'file.path': path,
      'smb.file.action': action,
      'smb.file.bytes_read': bytesRead,
      'smb.file.bytes_written': bytesWritten,
    })
  }

  end(): void {
    for (const file of this.#files.values()) this.#ended(file)
  }
}

function isPipe({ type, name }: Share): boolean {
  return type === 'pipe' || name === 'IPC$'
}

function pathOf({ path }: Share, name: string): string {
  return `${path}\\${name.replace(/^\\+/, '')}`
}

function shareFields({ path, name, type, user }: Share) {
  return { ...user, 'smb.share.path': path, 'smb.share.name': name, 'smb.share.type': type }
}

function fileFields(path: string) {
  const name = path.slice(path.lastIndexOf('\\') + 1)
  const dot = name.lastIndexOf('.')
  return { 'file.name': name, 'file.extension': dot > 0 ? name.slice(dot + 1).toLowerCase() : undefined }
}
