/**
 * DCE/RPC over connections (C706 chapter 12, [MS-RPCE] section 2.2.2): on TCP, and inside the named pipes of SMB. Which
 * interfaces a client binds to, which operations it calls, how it logs in, and where the endpoint mapper sends it.
 *
 * Arguments of operations are never copied: they are what administrators and attackers send, passwords among them. Only the
 * answers of the endpoint mapper are read.
 */
import { NO_BYTES, u16, u32 } from '../base/bytes.ts'
import { ipv4Text } from '../base/address.ts'
import { le16, le32, oemText, uuidText } from '../base/little-endian.ts'
import { interfaceName, TRANSFER_FEATURES, TRANSFER_NDR, TRANSFER_NDR64 } from './dcerpc-interfaces.ts'
import type { Mutable } from './mutable.ts'
import { describeSecurityBlob, type SecurityBlob } from './security-blob.ts'

export const DCERPC_EPMAPPER_PORT = 135
export const DCERPC_HEADER_LENGTH = 16

export const DCERPC = {
  REQUEST: 0,
  RESPONSE: 2,
  FAULT: 3,
  BIND: 11,
  BIND_ACK: 12,
  BIND_NAK: 13,
  ALTER_CONTEXT: 14,
  ALTER_CONTEXT_RESP: 15,
  AUTH3: 16,
} as const

/** Protocol data units that travel on connections. */
const PDU_NAMES: Readonly<Record<number, string>> = {
  0: 'request',
  2: 'response',
  3: 'fault',
  11: 'bind',
  12: 'bind_ack',
  13: 'bind_nak',
  14: 'alter_context',
  15: 'alter_context_resp',
  16: 'auth3',
  17: 'shutdown',
  18: 'co_cancel',
  19: 'orphaned',
  20: 'rts',
}

const FLAG_FIRST = 0x01
const FLAG_LAST = 0x02
const FLAG_OBJECT = 0x80
const INTEGERS_LITTLE_ENDIAN = 0x10

const AUTHENTICATION_TYPES: Readonly<Record<number, string>> = {
  0: 'none',
  9: 'SPNEGO',
  10: 'NTLM',
  14: 'TLS',
  16: 'Kerberos',
  68: 'Netlogon',
}

const AUTHENTICATION_LEVELS: Readonly<Record<number, string>> = {
  0: 'default',
  1: 'none',
  2: 'connect',
  3: 'call',
  4: 'packet',
  5: 'packet integrity',
  6: 'packet privacy',
}
const PRIVACY = 6

const RESULTS: Readonly<Record<number, string>> = {
  0: 'acceptance',
  1: 'user rejection',
  2: 'provider rejection',
  3: 'negotiate_ack',
}

const REASONS: Readonly<Record<number, string>> = {
  0: 'not specified',
  1: 'abstract syntax not supported',
  2: 'proposed transfer syntaxes not supported',
  3: 'local limit exceeded',
}

const REJECT_REASONS: Readonly<Record<number, string>> = {
  0: 'not specified',
  1: 'temporary congestion',
  2: 'local limit exceeded',
  3: 'called paddr unknown',
  4: 'protocol version not supported',
  5: 'default context not supported',
  6: 'user data not readable',
  7: 'no PSAP available',
  8: 'authentication type not recognized',
  9: 'invalid checksum',
}

/** `dcerpc.truncated`: shorter than the header. `dcerpc.version`, `dcerpc.type`, `dcerpc.format`: not a PDU of a connection. `dcerpc.length`: a fragment shorter than its header and verifier, or longer than what carries it. */
export type DcerpcFlaw = 'dcerpc.truncated' | 'dcerpc.version' | 'dcerpc.type' | 'dcerpc.format' | 'dcerpc.length'

/** `dcerpc.body`: too short for the fields of its type. */
export type DcerpcBodyFlaw = 'dcerpc.body'

/** A reusable window on one fragment. */
export class DcerpcView {
  bytes: Uint8Array = NO_BYTES
  start = 0
  type = 0
  flags = 0
  isLittleEndian = true
  fragmentLength = 0
  authLength = 0
  callId = 0
  bodyStart = 0
  /** Where body and verifier end in the buffer, and on the wire. */
  end = 0
  wireEnd = 0

  /**
   * `end` is the end of what is at hand, `wireEnd` that of what carries the fragment; of a stream, which goes on, a fragment may
   * be longer than both.
   */
  decode(bytes: Uint8Array, start: number, end: number, wireEnd: number = Number.POSITIVE_INFINITY): DcerpcFlaw | null {
    this.bytes = bytes
    this.start = start
    this.bodyStart = end
    this.end = end
    this.wireEnd = end
    if (end - start < DCERPC_HEADER_LENGTH) return 'dcerpc.truncated'
    if (bytes[start] !== 5 || bytes[start + 1] > 1) return 'dcerpc.version'
    this.type = bytes[start + 2]
    if (PDU_NAMES[this.type] === undefined) return 'dcerpc.type'
    // Integers big- or little-endian, characters in ASCII, floating point of IEEE: nothing else is in use.
    const integers = bytes[start + 4]
    if ((integers !== 0 && integers !== INTEGERS_LITTLE_ENDIAN) || bytes[start + 5] !== 0) return 'dcerpc.format'
    this.isLittleEndian = integers === INTEGERS_LITTLE_ENDIAN
    this.flags = bytes[start + 3]
    this.fragmentLength = this.u16(8)
    this.authLength = this.u16(10)
    this.callId = this.u32(12)
    const trailerLength = this.authLength === 0 ? 0 : this.authLength + TRAILER_LENGTH
    if (this.fragmentLength < DCERPC_HEADER_LENGTH + trailerLength) return 'dcerpc.length'
    if (start + this.fragmentLength > wireEnd) return 'dcerpc.length'
    this.bodyStart = start + DCERPC_HEADER_LENGTH
    this.wireEnd = start + this.fragmentLength
    this.end = Math.min(this.wireEnd, end)
    return null
  }

  u16(offset: number): number {
    const at = this.start + offset
    return this.isLittleEndian ? le16(this.bytes, at) : u16(this.bytes, at)
  }

  u32(offset: number): number {
    const at = this.start + offset
    return this.isLittleEndian ? le32(this.bytes, at) : u32(this.bytes, at)
  }

  get isFirst(): boolean {
    return (this.flags & FLAG_FIRST) !== 0
  }

  get isLast(): boolean {
    return (this.flags & FLAG_LAST) !== 0
  }
}

/** How long the fragment is that begins at `start`: 0 if that cannot be told yet, -1 if this is no DCE/RPC. */
export function dcerpcLength(bytes: Uint8Array, start: number, end: number): number {
  if (end - start < DCERPC_HEADER_LENGTH) return end > start && bytes[start] !== 5 ? -1 : 0
  return lengthView.decode(bytes, start, end) === null ? lengthView.fragmentLength : -1
}

const lengthView = new DcerpcView()

/** Type, level, padding, reserved, context id: before the credentials (C706 section 13.2.6.1). */
const TRAILER_LENGTH = 8

export interface DcerpcContext {
  readonly contextId: number
  readonly interfaceUuid: string
  readonly interfaceName: string
  /** major.minor */
  readonly interfaceVersion: string
  readonly transfers: readonly string[]
}

export interface DcerpcResult {
  readonly result: string
  readonly reason?: string
  /** The transfer syntax that was accepted. */
  readonly transfer?: string
}

export interface DcerpcRecord {
  readonly type: number
  readonly typeName: string
  readonly callId: number
  readonly fragmentLength: number
  readonly isFirst: boolean
  readonly isLast: boolean
  // bind, alter_context
  readonly contexts?: readonly DcerpcContext[]
  readonly associationGroup?: number
  // bind_ack, alter_context_resp
  readonly results?: readonly DcerpcResult[]
  /** The port or pipe by which further connections of the association may come. */
  readonly secondaryAddress?: string
  // bind_nak
  readonly rejectReason?: string
  // request, response, fault
  readonly contextId?: number
  readonly operation?: number
  readonly objectUuid?: string
  readonly stubLength?: number
  readonly status?: number
  readonly statusName?: string
  // the verifier
  readonly authenticationType?: string
  readonly authenticationLevel?: string
  readonly authenticationContextId?: number
  /** What the credentials of a login hold; not the signatures of later calls. */
  readonly security?: SecurityBlob
  /** The arguments or results, in the buffer, as far as they are clear. */
  readonly stub?: { readonly start: number; readonly end: number; readonly wireEnd: number }
  readonly flaw?: DcerpcBodyFlaw
  readonly isSnapped?: true
}

/** PDUs whose credentials are a login, and not a signature. */
const LOGINS: ReadonlySet<number> = new Set([
  DCERPC.BIND,
  DCERPC.BIND_ACK,
  DCERPC.ALTER_CONTEXT,
  DCERPC.ALTER_CONTEXT_RESP,
  DCERPC.AUTH3,
])

/** The fragment that the view decoded as plain values; `stub` still points into the buffer. */
export function describeDcerpc(view: DcerpcView): DcerpcRecord {
  const { type, callId, fragmentLength, isFirst, isLast } = view
  const record: Mutable<DcerpcRecord> = {
    type,
    typeName: PDU_NAMES[type] ?? String(type),
    callId,
    fragmentLength,
    isFirst,
    isLast,
  }
  const level = readVerifier(view, record)
  new Pdu(view, record, level).read()
  return record
}

/** The level of the verifier; 0 without one. */
function readVerifier(view: DcerpcView, record: Mutable<DcerpcRecord>): number {
  const { bytes, end, wireEnd, authLength } = view
  if (authLength === 0) return 0
  const at = wireEnd - authLength - TRAILER_LENGTH
  if (at + TRAILER_LENGTH > end) {
    record.isSnapped = true
    return PRIVACY
  }
  record.authenticationType = AUTHENTICATION_TYPES[bytes[at]] ?? String(bytes[at])
  record.authenticationLevel = AUTHENTICATION_LEVELS[bytes[at + 1]] ?? String(bytes[at + 1])
  record.authenticationContextId = view.u32(at + 4 - view.start)
  if (LOGINS.has(view.type) && bytes[at] !== NETLOGON)
    record.security = describeSecurityBlob(bytes, at + TRAILER_LENGTH, end, wireEnd)
  return bytes[at + 1]
}

/** Its credentials name domain and machine in a form of their own ([MS-NRPC] section 2.2.1.3.1), nothing to log in with. */
const NETLOGON = 68

const CONTEXTS_MAX = 64
const TRANSFERS_MAX = 16
const SYNTAX_LENGTH = 20

/** The body of a fragment: what its type puts behind the header. Offsets count from the header. */
class Pdu {
  readonly #view: DcerpcView
  readonly #record: Mutable<DcerpcRecord>
  readonly #level: number
  /** Where the body ends before padding and verifier, in the buffer and on the wire. */
  readonly #end: number
  readonly #wireEnd: number

  constructor(view: DcerpcView, record: Mutable<DcerpcRecord>, level: number) {
    const { start, end, wireEnd, authLength } = view
    this.#view = view
    this.#record = record
    this.#level = level
    this.#wireEnd = (authLength === 0 ? wireEnd : wireEnd - authLength - TRAILER_LENGTH) - start
    this.#end = Math.min(this.#wireEnd, end - start)
  }

  read(): void {
    switch (this.#view.type) {
      case DCERPC.BIND:
      case DCERPC.ALTER_CONTEXT:
        this.#bind()
        break
      case DCERPC.BIND_ACK:
      case DCERPC.ALTER_CONTEXT_RESP:
        this.#bindAck()
        break
      case DCERPC.BIND_NAK:
        if (this.#has(16, 2)) {
          const reason = this.#view.u16(16)
          this.#record.rejectReason = REJECT_REASONS[reason] ?? String(reason)
        }
        break
      case DCERPC.REQUEST:
        this.#request()
        break
      case DCERPC.RESPONSE:
        if (!this.#has(16, 8)) break
        this.#record.contextId = this.#view.u16(20)
        this.#stub(24)
        break
      case DCERPC.FAULT:
        if (!this.#has(16, 16)) break
        this.#record.contextId = this.#view.u16(20)
        this.#record.status = this.#view.u32(24)
        this.#record.statusName = faultName(this.#record.status)
        break
    }
  }

  #has(offset: number, length: number): boolean {
    if (offset + length <= this.#end) return true
    if (offset + length > this.#wireEnd) this.#record.flaw = 'dcerpc.body'
    else this.#record.isSnapped = true
    return false
  }

  #uuid(offset: number): string {
    const { bytes, start, isLittleEndian } = this.#view
    return uuidText(bytes, start + offset, isLittleEndian)
  }

  #bind(): void {
    const view = this.#view
    if (!this.#has(16, 12)) return
    this.#record.associationGroup = view.u32(20)
    const contexts: DcerpcContext[] = []
    this.#record.contexts = contexts
    let at = 28
    for (let left = Math.min(view.bytes[view.start + 24], CONTEXTS_MAX); left > 0; left--) {
      if (!this.#has(at, 4 + SYNTAX_LENGTH)) return
      const contextId = view.u16(at)
      const count = view.bytes[view.start + at + 2]
      const interfaceUuid = this.#uuid(at + 4)
      const interfaceVersion = `${view.u16(at + 20)}.${view.u16(at + 22)}`
      at += 4 + SYNTAX_LENGTH
      if (!this.#has(at, count * SYNTAX_LENGTH)) return
      const transfers: string[] = []
      for (let i = 0; i < Math.min(count, TRANSFERS_MAX); i++)
        transfers.push(transferName(this.#uuid(at + i * SYNTAX_LENGTH)))
      at += count * SYNTAX_LENGTH
      contexts.push({
        contextId,
        interfaceUuid,
        interfaceName: interfaceName(interfaceUuid),
        interfaceVersion,
        transfers,
      })
    }
  }

  #bindAck(): void {
    const view = this.#view
    const { bytes, start } = view
    if (!this.#has(16, 10)) return
    this.#record.associationGroup = view.u32(20)
    const addressLength = view.u16(24)
    if (!this.#has(26, addressLength)) return
    if (addressLength > 1) this.#record.secondaryAddress = oemText(bytes, start + 26, start + 26 + addressLength)
    let at = (26 + addressLength + 3) & ~3
    if (!this.#has(at, 4)) return
    const results: DcerpcResult[] = []
    this.#record.results = results
    const count = Math.min(bytes[start + at], CONTEXTS_MAX)
    at += 4
    for (let i = 0; i < count; i++, at += 4 + SYNTAX_LENGTH) {
      if (!this.#has(at, 4 + SYNTAX_LENGTH)) return
      const result = view.u16(at)
      const reason = view.u16(at + 2)
      results.push({
        result: RESULTS[result] ?? String(result),
        // A negotiation of features puts them where the reason would be.
        ...(result === 1 || result === 2 ? { reason: REASONS[reason] ?? String(reason) } : {}),
        ...(result === 0 ? { transfer: transferName(this.#uuid(at + 4)) } : {}),
      })
    }
  }

  #request(): void {
    const view = this.#view
    if (!this.#has(16, 8)) return
    this.#record.contextId = view.u16(20)
    this.#record.operation = view.u16(22)
    let at = 24
    if ((view.flags & FLAG_OBJECT) !== 0) {
      if (!this.#has(24, 16)) return
      this.#record.objectUuid = this.#uuid(24)
      at = 40
    }
    this.#stub(at)
  }

  #stub(at: number): void {
    const { start } = this.#view
    const stubLength = Math.max(0, this.#wireEnd - at)
    this.#record.stubLength = stubLength
    if (stubLength === 0 || this.#level >= PRIVACY) return
    this.#record.stub = {
      start: start + Math.min(at, this.#end),
      end: start + this.#end,
      wireEnd: start + this.#wireEnd,
    }
  }
}

function transferName(uuid: string): string {
  if (uuid === TRANSFER_NDR) return 'NDR'
  if (uuid === TRANSFER_NDR64) return 'NDR64'
  return uuid.startsWith(TRANSFER_FEATURES) ? 'feature negotiation' : uuid
}

// --- faults (C706 appendix E, [MS-RPCE] section 2.2.2.10, [MS-ERREF] section 2.2) ----------------------------------------

const FAULTS: Readonly<Record<string, string>> = {
  '00000001': 'nca_s_fault_other',
  '00000005': 'ERROR_ACCESS_DENIED',
  '000006d1': 'RPC_S_PROCNUM_OUT_OF_RANGE',
  '000006d8': 'RPC_S_CANNOT_SUPPORT',
  '000006e4': 'RPC_S_INVALID_NET_ADDR',
  '000006f7': 'RPC_X_BAD_STUB_DATA',
  '00000721': 'RPC_S_SEC_PKG_ERROR',
  '1c000006': 'nca_s_fault_invalid_tag',
  '1c000008': 'nca_rpc_version_mismatch',
  '1c000009': 'nca_unspec_reject',
  '1c00000a': 'nca_s_bad_actid',
  '1c00000b': 'nca_who_are_you_failed',
  '1c00000c': 'nca_manager_not_entered',
  '1c00000d': 'nca_s_fault_cancel',
  '1c00001a': 'nca_s_fault_context_mismatch',
  '1c00001b': 'nca_s_fault_remote_no_memory',
  '1c00001c': 'nca_invalid_pres_context_id',
  '1c00001d': 'nca_unsupported_authn_level',
  '1c00001f': 'nca_invalid_checksum',
  '1c000024': 'nca_s_fault_object_not_found',
  '1c010002': 'nca_op_rng_error',
  '1c010003': 'nca_unk_if',
  '1c010006': 'nca_wrong_boot_time',
  '1c010009': 'nca_s_you_crashed',
  '1c01000b': 'nca_proto_error',
  '1c010013': 'nca_out_args_too_big',
  '1c010014': 'nca_server_too_busy',
  '1c010017': 'nca_unsupported_type',
  '80004001': 'E_NOTIMPL',
  '80010105': 'RPC_E_SERVERFAULT',
  '80010108': 'RPC_E_DISCONNECTED',
  '80010113': 'RPC_E_INVALID_IPID',
  '80010111': 'RPC_E_INVALID_HEADER',
  '80070005': 'E_ACCESSDENIED',
  '8007000e': 'E_OUTOFMEMORY',
  '80070057': 'E_INVALIDARG',
}

export function faultName(status: number): string {
  const digits = status.toString(16).padStart(8, '0')
  return FAULTS[digits] ?? digits
}

// --- the endpoint mapper (C706 appendix L, O) ----------------------------------------------------------------------------

/** Where an interface can be reached. */
export interface DcerpcEndpoint {
  readonly interfaceUuid: string
  readonly interfaceName: string
  readonly interfaceVersion: string
  /** ncacn_ip_tcp, ncadg_ip_udp, ncacn_http, ncacn_np, or ncalrpc, which only the machine itself can use. */
  readonly protocol: string
  readonly port?: number
  readonly address?: string
  readonly pipe?: string
  readonly host?: string
}

const TOWERS_MAX = 64
const FLOORS_MAX = 8
/** A tower of this many octets is longer than any that is met. */
const TOWER_MAX = 512

const FLOOR_UUID = 0x0d
const FLOOR_TCP = 0x07
const FLOOR_UDP = 0x08
const FLOOR_IP = 0x09
const FLOOR_PIPE = 0x0f
const FLOOR_LOCAL = 0x10
const FLOOR_NETBIOS = 0x11
const FLOOR_HTTP = 0x1f

/**
 * The towers in the arguments or results of ept_map and the results of ept_lookup, which NDR puts one behind another: each begins
 * with its length, twice. They are looked for, so that it does not matter which transfer syntax arranged what is around them.
 */
export function describeTowers(bytes: Uint8Array, start: number, end: number): DcerpcEndpoint[] {
  const endpoints: DcerpcEndpoint[] = []
  for (let at = start; at + 12 <= end && endpoints.length < TOWERS_MAX; ) {
    const found = towerAt(bytes, at, end)
    if (found === null) at += 4
    else {
      endpoints.push(found.endpoint)
      at = start + ((found.end - start + 3) & ~3)
    }
  }
  return endpoints
}

function towerAt(
  bytes: Uint8Array,
  at: number,
  end: number,
): { readonly endpoint: DcerpcEndpoint; readonly end: number } | null {
  const length = le32(bytes, at)
  if (length < 2 || length > TOWER_MAX) return null
  // The count of the conformant array has four octets, in NDR64 eight; the length of the tower follows it.
  for (const countLength of [4, 8]) {
    const towerAt = at + countLength + 4
    if (towerAt + length > end || le32(bytes, at + countLength) !== length) continue
    if (countLength === 8 && le32(bytes, at + 4) !== 0) continue
    const endpoint = readTower(bytes, towerAt, towerAt + length)
    if (endpoint !== null) return { endpoint, end: towerAt + length }
  }
  return null
}

/** Floors of a left side, which names a protocol, and a right side, which addresses it. The first names the interface. */
function readTower(bytes: Uint8Array, start: number, end: number): DcerpcEndpoint | null {
  const floors = le16(bytes, start)
  if (floors < 3 || floors > FLOORS_MAX) return null
  const endpoint: Mutable<DcerpcEndpoint> = {
    interfaceUuid: '',
    interfaceName: '',
    interfaceVersion: '',
    protocol: 'unknown',
  }
  let at = start + 2
  for (let floor = 0; floor < floors; floor++) {
    if (end - at < 5) return null
    const leftLength = le16(bytes, at)
    const left = at + 2
    if (leftLength === 0 || left + leftLength + 2 > end) return null
    const rightLength = le16(bytes, left + leftLength)
    const right = left + leftLength + 2
    if (right + rightLength > end) return null
    if (floor === 0) {
      if (bytes[left] !== FLOOR_UUID || leftLength < 19 || rightLength < 2) return null
      endpoint.interfaceUuid = uuidText(bytes, left + 1)
      endpoint.interfaceName = interfaceName(endpoint.interfaceUuid)
      endpoint.interfaceVersion = `${le16(bytes, left + 17)}.${le16(bytes, right)}`
    } else readFloor(bytes, bytes[left], right, right + rightLength, endpoint)
    at = right + rightLength
  }
  return endpoint
}

const PORT_FLOORS: Readonly<Record<number, string>> = {
  [FLOOR_TCP]: 'ncacn_ip_tcp',
  [FLOOR_UDP]: 'ncadg_ip_udp',
  [FLOOR_HTTP]: 'ncacn_http',
}

function readFloor(
  bytes: Uint8Array,
  protocol: number,
  start: number,
  end: number,
  endpoint: Mutable<DcerpcEndpoint>,
): void {
  const name = PORT_FLOORS[protocol]
  if (name !== undefined && end - start === 2) {
    endpoint.protocol = name
    endpoint.port = u16(bytes, start)
  } else if (protocol === FLOOR_IP && end - start === 4) endpoint.address = ipv4Text(u32(bytes, start))
  else if (protocol === FLOOR_PIPE) {
    endpoint.protocol = 'ncacn_np'
    endpoint.pipe = oemText(bytes, start, end)
  } else if (protocol === FLOOR_LOCAL) endpoint.protocol = 'ncalrpc'
  else if (protocol === FLOOR_NETBIOS && end - start > 1) endpoint.host = oemText(bytes, start, end)
}
