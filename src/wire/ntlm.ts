/**
 * NTLM messages ([MS-NLMP] section 2.2.1), which SMB, DCE/RPC, LDAP and HTTP carry as opaque tokens: who wants to log in, from
 * which machine, with which version of the protocol, and how the server names itself.
 *
 * Responses and the server's challenge are all that is needed to guess a password offline: they never leave this file, only
 * their lengths and the protocol version that they betray.
 */
import { le16, le32, oemText, utf16 } from '../base/little-endian.ts'
import type { Mutable } from './mutable.ts'

const SIGNATURE = [0x4e, 0x54, 0x4c, 0x4d, 0x53, 0x53, 0x50, 0x00]
const HEADER_LENGTH = 12

const MESSAGE_NAMES: Readonly<Record<number, string>> = { 1: 'NEGOTIATE', 2: 'CHALLENGE', 3: 'AUTHENTICATE' }

/** Fixed fields up to the flags, or to the last length of a text. */
const LEAST_LENGTHS: Readonly<Record<number, number>> = { 1: 16, 2: 32, 3: 52 }

const FLAG_UNICODE = 0x00000001
const FLAG_EXTENDED_SESSION_SECURITY = 0x00080000
const FLAG_VERSION = 0x02000000

/** Flags by which the strength of what follows is agreed ([MS-NLMP] section 2.2.2.5). */
const FLAGS: readonly (readonly [bit: number, name: string])[] = [
  [0x00000010, 'sign'],
  [0x00000020, 'seal'],
  [0x00000080, 'LAN Manager key'],
  [0x00000200, 'NTLM'],
  [0x00000800, 'anonymous'],
  [0x00008000, 'always sign'],
  [FLAG_EXTENDED_SESSION_SECURITY, 'extended session security'],
  [0x20000000, '128 bit'],
  [0x40000000, 'key exchange'],
  [0x80000000, '56 bit'],
]

/** AV pairs ([MS-NLMP] section 2.2.2.1) that hold text. */
const AV_NAMES: Readonly<Record<number, AvField>> = {
  1: 'netbiosComputerName',
  2: 'netbiosDomainName',
  3: 'dnsComputerName',
  4: 'dnsDomainName',
  5: 'dnsForestName',
  9: 'targetSpn',
}
const AV_END = 0
const AV_FLAGS = 6
const AV_FLAG_MIC = 2
const AV_PAIRS_MAX = 32

type AvField =
  | 'netbiosComputerName'
  | 'netbiosDomainName'
  | 'dnsComputerName'
  | 'dnsDomainName'
  | 'dnsForestName'
  | 'targetSpn'

/** `ntlm.truncated`: shorter than its fixed fields. `ntlm.signature`, `ntlm.message_type`: no such message. `ntlm.field`: a text or a response lies outside the message. */
export type NtlmFlaw = 'ntlm.truncated' | 'ntlm.signature' | 'ntlm.message_type' | 'ntlm.field'

/** How the user proved to know the password. */
export type NtlmVersion =
  | 'NTLMv2'
  | 'NTLMv1 with extended session security'
  | 'NTLMv1'
  | 'LMv1'
  | 'anonymous'
  | 'unknown'

export interface NtlmTarget {
  readonly netbiosComputerName?: string
  readonly netbiosDomainName?: string
  readonly dnsComputerName?: string
  readonly dnsDomainName?: string
  readonly dnsForestName?: string
  /** Which service the client believes to talk to: of another host than the one addressed where a login is relayed. */
  readonly targetSpn?: string
}

export interface NtlmRecord {
  readonly messageType: number
  readonly messageName: string
  readonly flags?: number
  readonly flagNames?: readonly string[]
  /** Version of the sender's operating system, as major.minor.build. */
  readonly osVersion?: string
  /** NEGOTIATE and AUTHENTICATE. */
  readonly domain?: string
  readonly workstation?: string
  /** AUTHENTICATE. */
  readonly user?: string
  readonly ntlmVersion?: NtlmVersion
  readonly lmResponseLength?: number
  readonly ntResponseLength?: number
  /** Whether the client says that it protects the three messages against changes; only NTLMv2 can. */
  readonly hasMic?: boolean
  /** CHALLENGE. */
  readonly targetName?: string
  /** CHALLENGE; of an AUTHENTICATE with NTLMv2 what the client repeats of it, and signs. */
  readonly target?: NtlmTarget
  readonly flaw?: NtlmFlaw
  readonly isSnapped?: true
}

export function isNtlm(bytes: Uint8Array, start: number, end: number): boolean {
  return end - start >= SIGNATURE.length && SIGNATURE.every((octet, i) => bytes[start + i] === octet)
}

/** One message. `wireEnd` is where it ended on the wire; the capture may have cut it at `end`. */
export function describeNtlm(bytes: Uint8Array, start: number, end: number, wireEnd: number = end): NtlmRecord {
  const reader = new NtlmReader(bytes, start, end, wireEnd)
  return reader.describe()
}

interface Field {
  readonly start: number
  readonly end: number
}

class NtlmReader {
  readonly #bytes: Uint8Array
  readonly #start: number
  readonly #end: number
  readonly #wireEnd: number
  readonly #record: Mutable<NtlmRecord> = { messageType: 0, messageName: 'unknown' }
  /** Where the first text or response begins: fixed fields end before it. */
  #payloadAt = Number.POSITIVE_INFINITY

  constructor(bytes: Uint8Array, start: number, end: number, wireEnd: number) {
    this.#bytes = bytes
    this.#start = start
    this.#end = end
    this.#wireEnd = wireEnd
  }

  describe(): NtlmRecord {
    const record = this.#record
    const bytes = this.#bytes
    const at = this.#start
    if (this.#wireEnd - at < HEADER_LENGTH) return this.#refuse('ntlm.truncated')
    if (this.#end - at < HEADER_LENGTH) return this.#snap()
    if (!isNtlm(bytes, at, this.#end)) return this.#refuse('ntlm.signature')
    const messageType = le32(bytes, at + 8)
    record.messageType = messageType
    record.messageName = MESSAGE_NAMES[messageType] ?? 'unknown'
    const least = LEAST_LENGTHS[messageType]
    if (least === undefined) return this.#refuse('ntlm.message_type')
    if (this.#wireEnd - at < least) return this.#refuse('ntlm.truncated')
    if (this.#end - at < least) return this.#snap()
    if (messageType === 1) this.#negotiate()
    else if (messageType === 2) this.#challenge()
    else this.#authenticate()
    return record
  }

  #negotiate(): void {
    const record = this.#record
    this.#flags(12)
    // Windows 95 and its likes stop after the flags. Texts are never Unicode here: nothing is agreed yet.
    if (this.#end - this.#start < 32) return
    const domain = this.#field(16)
    const workstation = this.#field(24)
    if (domain !== null && domain.end > domain.start) record.domain = oemText(this.#bytes, domain.start, domain.end)
    if (workstation !== null && workstation.end > workstation.start)
      record.workstation = oemText(this.#bytes, workstation.start, workstation.end)
    this.#version(32)
  }

  #challenge(): void {
    const record = this.#record
    this.#flags(20)
    const name = this.#field(12)
    if (name !== null) record.targetName = this.#text(name)
    if (this.#end - this.#start < 48) return
    const info = this.#field(40)
    if (info !== null) record.target = this.#avPairs(info.start, info.end)
    this.#version(48)
  }

  #authenticate(): void {
    const record = this.#record
    const bytes = this.#bytes
    const at = this.#start
    // The flags follow the session key; the oldest clients send neither.
    if (this.#end - at >= 64) this.#flags(60)
    const lm = this.#field(12)
    const nt = this.#field(20)
    const domain = this.#field(28)
    const user = this.#field(36)
    const workstation = this.#field(44)
    if (this.#end - at >= 60) this.#field(52)
    if (domain !== null) record.domain = this.#text(domain)
    if (user !== null) record.user = this.#text(user)
    if (workstation !== null) record.workstation = this.#text(workstation)
    record.lmResponseLength = le16(bytes, at + 12)
    record.ntResponseLength = le16(bytes, at + 20)
    record.ntlmVersion = this.#ntlmVersion(lm, nt)
    if (record.ntlmVersion === 'NTLMv2' && nt !== null && nt.end - nt.start > NTLMV2_PAIRS_AT)
      record.target = this.#avPairs(nt.start + NTLMV2_PAIRS_AT, nt.end)
    this.#version(64)
  }

  /** [MS-NLMP] section 2.2.2: told by lengths, and by the zeros behind the eight octets that extended session security uses. */
  #ntlmVersion(lm: Field | null, nt: Field | null): NtlmVersion {
    const { lmResponseLength = 0, ntResponseLength = 0 } = this.#record
    if (ntResponseLength === 0 && lmResponseLength <= 1) return 'anonymous'
    if (ntResponseLength === 0) return 'LMv1'
    if (ntResponseLength > RESPONSE_V1) return 'NTLMv2'
    if (ntResponseLength < RESPONSE_V1 || nt === null) return 'unknown'
    return lm !== null && lmResponseLength === RESPONSE_V1 && this.#isZero(lm.start + 8, lm.end)
      ? 'NTLMv1 with extended session security'
      : 'NTLMv1'
  }

  #isZero(start: number, end: number): boolean {
    return this.#bytes.subarray(start, end).every((octet) => octet === 0)
  }

  #flags(offset: number): void {
    const flags = le32(this.#bytes, this.#start + offset)
    this.#record.flags = flags
    this.#record.flagNames = FLAGS.filter(([bit]) => (flags & bit) !== 0).map(([, name]) => name)
  }

  #version(offset: number): void {
    const at = this.#start + offset
    if (((this.#record.flags ?? 0) & FLAG_VERSION) === 0 || at + 8 > Math.min(this.#payloadAt, this.#end)) return
    const bytes = this.#bytes
    if (bytes[at] !== 0) this.#record.osVersion = `${bytes[at]}.${bytes[at + 1]}.${le16(bytes, at + 2)}`
  }

  /** The window that length and offset at `offset` name; null if it lies outside the message, or outside what was captured. */
  #field(offset: number): Field | null {
    const at = this.#start + offset
    const length = le16(this.#bytes, at)
    const start = this.#start + le32(this.#bytes, at + 4)
    if (length === 0) return { start: this.#start, end: this.#start }
    if (start + length > this.#wireEnd) {
      this.#record.flaw ??= 'ntlm.field'
      return null
    }
    this.#payloadAt = Math.min(this.#payloadAt, start)
    if (start + length > this.#end) {
      this.#record.isSnapped = true
      return null
    }
    return { start, end: start + length }
  }

  #text({ start, end }: Field): string {
    const isUnicode = ((this.#record.flags ?? FLAG_UNICODE) & FLAG_UNICODE) !== 0
    return isUnicode ? utf16(this.#bytes, start, end) : oemText(this.#bytes, start, end)
  }

  #avPairs(start: number, end: number): NtlmTarget {
    const bytes = this.#bytes
    const target: Mutable<NtlmTarget> = {}
    let at = start
    for (let pairs = 0; pairs < AV_PAIRS_MAX && end - at >= 4; pairs++) {
      const id = le16(bytes, at)
      const valueEnd = at + 4 + le16(bytes, at + 2)
      if (id === AV_END) break
      if (valueEnd > end) {
        this.#record.flaw ??= 'ntlm.field'
        break
      }
      const name = AV_NAMES[id]
      if (id === AV_FLAGS && valueEnd - at >= 8 && this.#record.messageType === 3)
        this.#record.hasMic = (bytes[at + 4] & AV_FLAG_MIC) !== 0
      if (name !== undefined) target[name] = utf16(bytes, at + 4, valueEnd)
      at = valueEnd
    }
    return target
  }

  #refuse(flaw: NtlmFlaw): NtlmRecord {
    this.#record.flaw = flaw
    return this.#record
  }

  #snap(): NtlmRecord {
    this.#record.isSnapped = true
    return this.#record
  }
}

/** Both responses of version 1 have this length; that of version 2 is longer. */
const RESPONSE_V1 = 24
/** In the response of version 2: proof (16), versions and times (28), then the AV pairs ([MS-NLMP] section 2.2.2.7). */
const NTLMV2_PAIRS_AT = 44
