/**
 * LDAP inside flows, over TCP and UDP: binds and their results, searches with what they found, changes. What SASL encrypts ends
 * the reading; what it only signs is read on.
 */
import {
  describeLdap,
  isLdap,
  LDAP_GC_PORT,
  LDAP_PORT,
  LDAP_START_TLS,
  type LdapChange,
  type LdapRecord,
  ldapLength,
  ldapWrapping,
} from '../wire/ldap.ts'
import { BoundedMap } from './bounded-map.ts'
import { Login } from './inner-login.ts'
import {
  CLIENT,
  type DatagramProtocol,
  type DatagramReader,
  DONE,
  type InnerFlow,
  type Ports,
  type Side,
  type StreamProtocol,
  type StreamReader,
} from './inner-protocol.ts'

const WAITING_MAX = 64
/** A longer message is described by its beginning. */
const HEAD_MAX = 32_768
const SEARCH_ENTRY = 4
const EXTENDED = 23
/** The only extension that changes an entry. */
const PASSWORD_MODIFY = '1.3.6.1.4.1.4203.1.11.1'

interface Waiting {
  readonly message: LdapRecord
  entries: number
}

/** What one operation is called in an event about a change. */
const CHANGES: Readonly<Record<number, string>> = { 6: 'modify', 8: 'add', 10: 'delete', 12: 'rename' }

class LdapTalk {
  readonly #flow: InnerFlow
  readonly #waiting = new BoundedMap<number, Waiting>(WAITING_MAX)
  #login = new Login()
  #bind: LdapRecord | null = null
  /** Who the client is since its last bind. */
  #user: Login['user'] = {}

  constructor(flow: InnerFlow) {
    this.#flow = flow
  }

  /** True if TLS begins behind this message. */
  message(bytes: Uint8Array, start: number, end: number, wireEnd: number): boolean {
    const message = describeLdap(bytes, start, end, wireEnd)
    if (message.flaw !== undefined) this.#flow.report(message.flaw, 'ldap', message.operationName)
    switch (message.operation) {
      case 0:
        this.#bindRequest(message)
        break
      case 1:
        this.#bindAnswer(message)
        break
      case 3:
      case 6:
      case 8:
      case 10:
      case 12:
      case 23:
        this.#waiting.set(message.messageId, { message, entries: 0 })
        break
      case SEARCH_ENTRY: {
        const search = this.#waiting.get(message.messageId)
        if (search !== undefined) search.entries++
        break
      }
      default:
        return this.#answer(message)
    }
    return false
  }

  end(): void {
    for (const waiting of this.#waiting.values()) this.#tell(waiting, undefined)
  }

  #bindRequest(message: LdapRecord): void {
    // A login of SASL takes several binds.
    if (this.#bind === null) this.#login = new Login()
    this.#bind = message
    this.#login.observe(message.security)
    if (message.authentication === 'simple' || message.authentication === 'unauthenticated')
      this.#login.named(message.name ?? '')
  }

  #bindAnswer(answer: LdapRecord): void {
    this.#login.observe(answer.security)
    if (answer.resultName === 'saslBindInProgress') return
    const bind = this.#bind
    const login = this.#login
    // The challenge of Sicily comes as a success.
    if (answer.security?.ntlm !== undefined && !login.hasNtlmUser) return
    this.#bind = null
    if (bind === null) return
    const method = bind.authentication ?? 'unknown'
    const fields = {
      ...login.fields,
      'ldap.bind.name': bind.name === '' ? undefined : bind.name,
      'ldap.bind.method': method,
      'ldap.bind.mechanism': bind.mechanism,
      'authentication.mechanism': login.mechanism,
    }
    if (answer.resultCode === 0) {
      this.#user = login.user
      login.tellNtlm(this.#flow, undefined)
      this.#flow.tell('ldap.bound', `${whose(bind, login)} bound (${method})`, {
        ...fields,
        'event.outcome': 'success',
      })
    } else {
      const error = answer.resultName ?? ''
      login.tellNtlm(this.#flow, error)
      this.#flow.tell('ldap.bind.refused', `${whose(bind, login)} was refused (${method}): ${error}`, {
        ...fields,
        'event.outcome': 'failure',
        'error.code': error,
        'error.message': answer.diagnosticMessage,
      })
    }
  }

  #answer(answer: LdapRecord): boolean {
    const waiting = answer.resultCode === undefined ? undefined : this.#waiting.take(answer.messageId)
    if (waiting === undefined) return false
    this.#tell(waiting, answer)
    return waiting.message.extension === LDAP_START_TLS && answer.resultCode === 0
  }

  #tell({ message, entries }: Waiting, answer: LdapRecord | undefined): void {
    if (message.operation === 3) this.#tellSearch(message, entries, answer)
    else if (message.operation !== EXTENDED || message.extension === PASSWORD_MODIFY) this.#tellChange(message, answer)
  }

  #tellSearch(message: LdapRecord, entries: number, answer: LdapRecord | undefined): void {
    const { baseObject = '', scope = '', filter = '', attributes, controlNames } = message
    this.#flow.tell('ldap.searched', `${filter} below ${baseObject === '' ? 'the root' : baseObject}: ${entries}`, {
      ...this.#user,
      'ldap.base': baseObject,
      'ldap.scope': scope,
      'ldap.filter': filter,
      'ldap.attributes': attributes?.length === 0 ? undefined : attributes,
      'ldap.controls': controlNames,
      'ldap.entries': entries,
      'ldap.result': answer?.resultName,
    })
  }

  #tellChange(message: LdapRecord, answer: LdapRecord | undefined): void {
    const { extensionName, object, changes, controlNames } = message
    const operation = extensionName ?? CHANGES[message.operation] ?? message.operationName
    const result = answer?.resultName
    const values = changes === undefined ? [] : changes.flatMap(valuesOf)
    this.#flow.tell('ldap.changed', `${operation} ${object ?? ''}: ${result ?? 'unanswered'}`, {
      ...this.#user,
      'ldap.operation': operation,
      'ldap.object': object,
      'ldap.attributes': changes?.map(({ attribute }) => attribute),
      'ldap.values': values.length === 0 ? undefined : values,
      'ldap.controls': controlNames,
      'ldap.result': result,
      'event.outcome': result === undefined ? 'unknown' : answer?.resultCode === 0 ? 'success' : 'failure',
      'error.message': answer?.diagnosticMessage,
    })
  }
}

function valuesOf({ attribute, values = [] }: LdapChange): string[] {
  return values.map((value) => `${attribute}=${value}`)
}

function whose({ name = '' }: LdapRecord, login: Login): string {
  return name === '' ? login.who : name
}

class LdapStream implements StreamReader {
  readonly #flow: InnerFlow
  readonly #talk: LdapTalk

  constructor(flow: InnerFlow) {
    this.#flow = flow
    this.#talk = new LdapTalk(flow)
  }

  read(_side: Side, bytes: Uint8Array, start: number, end: number): number {
    let at = start
    while (at < end) {
      // The smallest wrapping has twenty octets; a message of LDAP may have seven.
      if (bytes[at] === 0) {
        if (end - at < WRAPPING_MIN) return at - start
        const wrapping = ldapWrapping(bytes, at, end)
        if (wrapping?.message === undefined) return DONE
        if (end - at < Math.min(wrapping.length, HEAD_MAX)) return at - start
        this.#wrapped(bytes, wrapping.message.start, Math.min(end, wrapping.message.wireEnd), wrapping.message.wireEnd)
        at += wrapping.length
        continue
      }
      const length = ldapLength(bytes, at, end)
      if (length < 0) {
        this.#flow.report('ldap.message', 'ldap', '')
        return DONE
      }
      if (length === 0 || end - at < Math.min(length, HEAD_MAX)) return at - start
      const beginsTls = this.#talk.message(bytes, at, Math.min(at + length, end), at + length)
      at += length
      if (beginsTls) {
        this.#flow.handOver(null)
        return at - start
      }
    }
    return at - start
  }

  #wrapped(bytes: Uint8Array, start: number, end: number, wireEnd: number): void {
    for (let at = start; at < end; ) {
      const length = ldapLength(bytes, at, end)
      if (length <= 0) return
      this.#talk.message(bytes, at, Math.min(at + length, end), Math.min(at + length, wireEnd))
      at += length
    }
  }

  gap(): boolean {
    return false
  }

  end(): void {
    this.#talk.end()
  }
}

const WRAPPING_MIN = 40

class LdapDatagrams implements DatagramReader {
  readonly #talk: LdapTalk

  constructor(flow: InnerFlow) {
    this.#talk = new LdapTalk(flow)
  }

  /** An answer may bring its entry and its result in one datagram. */
  read(_side: Side, bytes: Uint8Array, start: number, end: number, wireEnd: number): boolean {
    for (let at = start; at < end; ) {
      const length = ldapLength(bytes, at, end)
      if (length <= 0) return true
      this.#talk.message(bytes, at, Math.min(at + length, end), Math.min(at + length, wireEnd))
      at += length
    }
    return true
  }

  end(): void {
    this.#talk.end()
  }
}

function isOnPort({ serverPort, clientPort }: Ports): boolean {
  return PORTS.has(serverPort) || PORTS.has(clientPort)
}

const PORTS: ReadonlySet<number> = new Set([LDAP_PORT, LDAP_GC_PORT])
/** So many octets hold the message number and the operation, by which a message is known. */
const RECOGNISED_BY = 16

export const LDAP_STREAM: StreamProtocol = {
  name: 'ldap',
  recognise: (bytes, start, end, side, ports) => {
    if (!isOnPort(ports) || side !== CLIENT || bytes[start] !== 0x30) return 'no'
    if (isLdap(bytes, start, end)) return 'yes'
    return end - start < RECOGNISED_BY ? 'more' : 'no'
  },
  open: (flow) => new LdapStream(flow),
}

export const CLDAP_DATAGRAMS: DatagramProtocol = {
  name: 'cldap',
  recognise: (bytes, start, end, _side, ports) => isOnPort(ports) && isLdap(bytes, start, end),
  open: (flow) => new LdapDatagrams(flow),
}
