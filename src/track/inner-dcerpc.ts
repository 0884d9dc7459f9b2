/**
 * DCE/RPC inside flows, on TCP connections and in the pipes of SMB: which interfaces a client binds to, and which operations it
 * calls, each told the first time that it happens in the flow or pipe, with how it went; authentications are told each time.
 */
import {
  DCERPC,
  DCERPC_HEADER_LENGTH,
  type DcerpcContext,
  type DcerpcRecord,
  DcerpcView,
  dcerpcLength,
  describeDcerpc,
  describeTowers,
} from '../wire/dcerpc.ts'
import { EPMAPPER, EPT_MAP, interfaceName, operationName } from '../wire/dcerpc-interfaces.ts'
import { BoundedMap } from './bounded-map.ts'
import { Login, type UserFields } from './inner-login.ts'
import type { InnerFlow, Side, StreamProtocol } from './inner-protocol.ts'
import { type Framing, RecordStream, type RecordTalk } from './inner-records.ts'

const BINDINGS_MAX = 16
const CONTEXTS_MAX = 64
const CALLS_MAX = 64
/** Different operations of one flow or pipe that are told. */
const TOLD_MAX = 256
const ENDPOINTS_MAX = 8
const NETLOGON = '12345678-1234-abcd-ef00-01234567cffb'
/** NetrServerAuthenticate2 and 3: how often one tries says more than that one does (CVE-2020-1472). */
const COUNTED: ReadonlySet<string> = new Set([`${NETLOGON} 15`, `${NETLOGON} 26`])
/** Calls of each of these in one flow or pipe that are told. */
const COUNTED_MAX = 64
const FEATURES = 'feature negotiation'
/** Faults that mean that the login was not accepted: access denied, and a failure of the security package. */
const LOGIN_FAULTS: ReadonlySet<number> = new Set([5, 0x721])

interface Call {
  readonly uuid: string
  readonly version: string | undefined
  readonly operation: number
  readonly level: string | undefined
}

const FRAMING: Framing = {
  lengthOf: dcerpcLength,
  markLength: 0,
  headMax: 8192,
  layer: 'dcerpc',
  flaw: 'dcerpc.header',
}

const view = new DcerpcView()

/** One association: a connection, or one opening of a pipe. */
export class RpcTalk implements RecordTalk {
  readonly #flow: InnerFlow
  readonly #pipe: string | undefined
  /** Who opened the pipe. */
  readonly #owner: UserFields
  readonly #login = new Login()
  #isLoginTold = false
  #level: string | undefined
  readonly #bindings = new BoundedMap<number, readonly DcerpcContext[]>(BINDINGS_MAX)
  readonly #contexts = new BoundedMap<number, DcerpcContext>(CONTEXTS_MAX)
  readonly #calls = new BoundedMap<number, Call>(CALLS_MAX)
  readonly #told = new Set<string>()
  #counted = 0
  /** Octets of a fragment, in each direction, that come in later pieces of the pipe. */
  readonly #skip: [number, number] = [0, 0]

  constructor(flow: InnerFlow, pipe?: string, owner: UserFields = {}) {
    this.#flow = flow
    this.#pipe = pipe
    this.#owner = owner
  }

  /** A piece of what goes through a pipe: whole fragments mostly, and the beginning or the rest of one. */
  piece(side: Side, bytes: Uint8Array, start: number, end: number, wireEnd: number): void {
    let at = start + this.#skip[side]
    this.#skip[side] = Math.max(0, at - wireEnd)
    while (at < end) {
      if (view.decode(bytes, at, end) !== null) return
      this.#fragment(view)
      at = view.wireEnd
      this.#skip[side] = Math.max(0, at - wireEnd)
    }
  }

  /** A fragment of a connection. */
  message(bytes: Uint8Array, start: number, end: number): void {
    if (view.decode(bytes, start, end) === null) this.#fragment(view)
  }

  #fragment(fragment: DcerpcView): void {
    const record = describeDcerpc(fragment)
    if (record.flaw !== undefined) this.#flow.report(record.flaw, 'dcerpc', record.typeName)
    this.#login.observe(record.security)
    if (record.authenticationLevel !== undefined) this.#level = record.authenticationLevel
    switch (record.type) {
      case DCERPC.BIND:
      case DCERPC.ALTER_CONTEXT:
        this.#bindings.set(record.callId, record.contexts ?? [])
        break
      case DCERPC.BIND_ACK:
      case DCERPC.ALTER_CONTEXT_RESP:
        this.#bound(record)
        break
      case DCERPC.BIND_NAK:
        for (const context of this.#bindings.take(record.callId) ?? [])
          this.#tellBound(context, false, record.rejectReason)
        break
      case DCERPC.REQUEST:
        if (record.isFirst) this.#request(record)
        break
      case DCERPC.RESPONSE:
      case DCERPC.FAULT:
        if (record.isFirst) this.#answer(record, fragment.bytes)
        break
      default:
    }
  }

  /** Calls that nobody answered are told all the same. */
  end(): void {
    for (const call of this.#calls.values()) this.#tellCall(call, 'unknown', undefined)
  }

  get #user(): UserFields {
    return this.#login.hasNtlmUser ? this.#login.user : this.#owner
  }

  /** A client offers an interface several times, in each way to write arguments; the server takes one of them. */
  #bound({ callId, results = [], type }: DcerpcRecord): void {
    const contexts = this.#bindings.take(callId) ?? []
    const refused = new Map<string, { readonly context: DcerpcContext; readonly reason: string | undefined }>()
    const accepted = new Set<string>()
    for (const [index, context] of contexts.entries()) {
      const answer = results[index]
      if (answer === undefined || context.transfers.includes(FEATURES)) continue
      const uuid = context.interfaceUuid
      if (answer.result !== 'acceptance') {
        refused.set(uuid, { context, reason: answer.reason })
        continue
      }
      this.#contexts.set(context.contextId, context)
      // To alter a context is also how a login goes on: that binds nothing new.
      if (accepted.has(uuid) || (type === DCERPC.ALTER_CONTEXT_RESP && this.#told.has(uuid))) continue
      accepted.add(uuid)
      this.#tellBound(context, true, undefined)
    }
    for (const [uuid, { context, reason }] of refused) if (!accepted.has(uuid)) this.#tellBound(context, false, reason)
  }

  #tellBound(context: DcerpcContext, isAccepted: boolean, reason: string | undefined): void {
    const { interfaceName: name, interfaceUuid, interfaceVersion } = context
    if (this.#told.size < TOLD_MAX) this.#told.add(interfaceUuid)
    this.#flow.tell(
      'dcerpc.bound',
      isAccepted
        ? `Bound to ${name}${this.#where}`
        : `Refused to bind to ${name}${this.#where}: ${reason ?? 'no reason'}`,
      {
        ...this.#user,
        'dcerpc.interface.name': name,
        'dcerpc.interface.uuid': interfaceUuid,
        'dcerpc.interface.version': interfaceVersion,
        'dcerpc.authentication.level': this.#level,
        'smb.pipe': this.#pipe,
        'event.outcome': isAccepted ? 'success' : 'failure',
        'event.reason': reason,
      },
    )
  }

  get #where(): string {
    return this.#pipe === undefined ? '' : ` in the pipe ${this.#pipe}`
  }

  #request({ callId, contextId = 0, operation = 0, authenticationLevel }: DcerpcRecord): void {
    const context = this.#contexts.get(contextId)
    // A binding from before the capture: nobody can say what the number means.
    if (context === undefined) return
    this.#calls.set(callId, {
      uuid: context.interfaceUuid,
      version: context.interfaceVersion,
      operation,
      level: authenticationLevel ?? this.#level,
    })
  }

  #answer(record: DcerpcRecord, bytes: Uint8Array): void {
    const error = record.type === DCERPC.FAULT ? record.statusName : undefined
    this.#loginAnswered(record)
    const call = this.#calls.take(record.callId)
    if (call === undefined) return
    this.#tellCall(call, error === undefined ? 'success' : 'failure', error)
    if (call.uuid === EPMAPPER && call.operation === EPT_MAP && record.stub !== undefined) {
      const { start, end } = record.stub
      this.#mapped(bytes, start, end)
    }
  }

  /** The last message of a login with NTLM has no answer of its own: the first call shows how it went. */
  #loginAnswered({ type, status = 0, statusName }: DcerpcRecord): void {
    if (this.#isLoginTold || !this.#login.hasNtlmUser) return
    this.#isLoginTold = true
    const isRefused = type === DCERPC.FAULT && LOGIN_FAULTS.has(status)
    this.#login.tellNtlm(this.#flow, isRefused ? statusName : undefined)
  }

  #tellCall(call: Call, outcome: 'success' | 'failure' | 'unknown', error: string | undefined): void {
    const { uuid, operation, version, level } = call
    const key = `${uuid} ${operation} ${outcome}`
    if (COUNTED.has(`${uuid} ${operation}`)) {
      if (this.#counted++ >= COUNTED_MAX) return
    } else if (this.#told.has(key) || this.#told.size >= TOLD_MAX) return
    this.#told.add(key)
    const name = interfaceName(uuid)
    const called = operationName(uuid, operation)
    this.#flow.tell('dcerpc.called', `${name} ${called}${this.#where}${error === undefined ? '' : `: ${error}`}`, {
      ...this.#user,
      'dcerpc.interface.name': name,
      'dcerpc.interface.uuid': uuid,
      'dcerpc.interface.version': version,
      'dcerpc.operation.name': called,
      'dcerpc.operation.number': operation,
      'dcerpc.authentication.level': level,
      'smb.pipe': this.#pipe,
      'event.outcome': outcome,
      'error.code': error,
    })
  }

  #mapped(bytes: Uint8Array, start: number, end: number): void {
    for (const endpoint of describeTowers(bytes, start, end).slice(0, ENDPOINTS_MAX)) {
      const { interfaceName: name, interfaceUuid, interfaceVersion, protocol, port, pipe } = endpoint
      const where = port ?? pipe ?? protocol
      const key = `${interfaceUuid} at ${where}`
      if (this.#told.has(key) || this.#told.size >= TOLD_MAX) continue
      this.#told.add(key)
      this.#flow.tell('dcerpc.endpoint.mapped', `${name} is reached at ${where}`, {
        'dcerpc.interface.name': name,
        'dcerpc.interface.uuid': interfaceUuid,
        'dcerpc.interface.version': interfaceVersion,
        'dcerpc.endpoint.protocol': protocol,
        'dcerpc.endpoint.port': port,
        'dcerpc.endpoint.pipe': pipe,
      })
    }
  }
}

export const DCERPC_STREAM: StreamProtocol = {
  name: 'dcerpc',
  recognise: (bytes, start, end) => {
    if (end > start && bytes[start] !== 5) return 'no'
    if (end - start < DCERPC_HEADER_LENGTH) return end - start >= 2 && bytes[start + 1] > 1 ? 'no' : 'more'
    return dcerpcLength(bytes, start, end) > 0 ? 'yes' : 'no'
  },
  open: (flow) => new RecordStream(flow, FRAMING, new RpcTalk(flow)),
}
