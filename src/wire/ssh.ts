/**
 * SSH as far as it is readable from outside: the identification lines (RFC 4253 section 4.2), and the packets before the keys
 * are in use (sections 6 and 7), of which KEXINIT tells what program speaks (HASSH).
 */
import { hash } from 'node:crypto'
import { NO_BYTES, text, u32 } from '../base/bytes.ts'

export const SSH_PORT = 22

/** With CR LF (RFC 4253 section 4.2). */
const LINE_MAX = 255
/** Lines that a server may send before its identification. */
const GREETING_MAX = 8192
const PACKET_LENGTH_MAX = 262_144
const LIST_LENGTH_MAX = 8192
const COOKIE_LENGTH = 16

const LF = 0x0a
const CR = 0x0d

export const SSH_MESSAGE = { DISCONNECT: 1, KEXINIT: 20, NEWKEYS: 21 } as const

const MESSAGES: Readonly<Record<number, string>> = {
  1: 'DISCONNECT',
  2: 'IGNORE',
  3: 'UNIMPLEMENTED',
  4: 'DEBUG',
  5: 'SERVICE_REQUEST',
  6: 'SERVICE_ACCEPT',
  7: 'EXT_INFO',
  20: 'KEXINIT',
  21: 'NEWKEYS',
}

/** Messages 30 to 49 belong to the method of key exchange, and mean another thing in each. */
export function sshMessageName(type: number): string {
  return MESSAGES[type] ?? (type >= 30 && type <= 49 ? `KEX_${type}` : String(type))
}

/** `ssh.banner_length`: no identification in what a peer may say before it, or one that is too long. `ssh.banner`: it is malformed. */
export type SshBannerFlaw = 'ssh.banner_length' | 'ssh.banner'

export interface SshBanner {
  /** The whole line, `SSH-2.0-OpenSSH_9.2p1 Debian-2`. */
  readonly line: string
  /** `2.0`; `1.99` speaks both versions. */
  readonly protocolVersion: string
  /** `OpenSSH_9.2p1` */
  readonly software: string
  readonly comment?: string
}

/** Whether octets begin an SSH connection. Undefined if there are too few to say. */
export function looksLikeSsh(bytes: Uint8Array, start: number, end: number): boolean | undefined {
  for (let i = 0; i < PREFIX.length; i++) {
    if (start + i === end) return undefined
    if (bytes[start + i] !== PREFIX[i]) return false
  }
  return true
}

const PREFIX = Uint8Array.from(Buffer.from('SSH-'))

/** The identification line, and where the octets after it begin. 'more': it has not come whole. */
export function readBanner(
  bytes: Uint8Array,
  start: number,
  end: number,
): { readonly banner: SshBanner; readonly next: number } | SshBannerFlaw | 'more' {
  for (let at = start; at < end; ) {
    let lineEnd = at
    while (lineEnd < end && bytes[lineEnd] !== LF) lineEnd++
    const isBanner = looksLikeSsh(bytes, at, end) === true
    if (isBanner && lineEnd - at >= LINE_MAX) return 'ssh.banner_length'
    if (lineEnd - start >= GREETING_MAX) return 'ssh.banner_length'
    if (lineEnd === end) return 'more'
    if (isBanner) {
      const banner = parseBanner(text(bytes, at, bytes[lineEnd - 1] === CR ? lineEnd - 1 : lineEnd))
      return banner === null ? 'ssh.banner' : { banner, next: lineEnd + 1 }
    }
    at = lineEnd + 1
  }
  return 'more'
}

function parseBanner(line: string): SshBanner | null {
  const parts = /^SSH-([^-\s]+)-(\S*)(?: (.*))?$/.exec(line)
  if (parts === null) return null
  const [, protocolVersion, software, comment] = parts
  return { line, protocolVersion, software, ...(comment === undefined ? {} : { comment }) }
}

/** `ssh.packet_length`: no length that an unencrypted packet may have. `ssh.padding`: more of it than packet. */
export type SshPacketFlaw = 'ssh.truncated' | 'ssh.packet_length' | 'ssh.padding'

/** A reusable window on one packet before encryption begins (RFC 4253 section 6). */
export class SshPacketView {
  bytes: Uint8Array = NO_BYTES
  /** The length field: without its own four octets. */
  length = 0
  messageType = 0
  payloadStart = 0
  payloadEnd = 0
  packetEnd = 0
  /** Whether the packet ends within the octets at hand. If not, only its length and type mean something. */
  isWhole = false

  decode(bytes: Uint8Array, start: number, end: number): SshPacketFlaw | null {
    if (end - start < 6) return 'ssh.truncated'
    const length = u32(bytes, start)
    // Padded to eight octets, the length field among them; who does not do so is still heard when introducing itself.
    const isPadded = length >= 12 && (length + 4) % 8 === 0
    if (length > PACKET_LENGTH_MAX || (!isPadded && bytes[start + 5] !== SSH_MESSAGE.KEXINIT))
      return 'ssh.packet_length'
    const padding = bytes[start + 4]
    if (padding < 4 || padding + 2 > length) return 'ssh.padding'
    this.bytes = bytes
    this.length = length
    this.messageType = bytes[start + 5]
    this.payloadStart = start + 5
    this.payloadEnd = start + 4 + length - padding
    this.packetEnd = start + 4 + length
    this.isWhole = this.packetEnd <= end
    return null
  }
}

/** The name-lists of KEXINIT in their order (RFC 4253 section 7.1). */
const LISTS = [
  'kexAlgorithms',
  'hostKeyAlgorithms',
  'encryptionClientToServer',
  'encryptionServerToClient',
  'macClientToServer',
  'macServerToClient',
  'compressionClientToServer',
  'compressionServerToClient',
  'languagesClientToServer',
  'languagesServerToClient',
] as const

export type SshKexInit = { readonly [L in (typeof LISTS)[number]]: string } & {
  readonly firstKexPacketFollows: boolean
  /** A name-list leads out of the message: it and those after it are empty. */
  readonly flaw?: 'ssh.kexinit'
}

export function readKexInit({ bytes, payloadStart, payloadEnd }: SshPacketView): SshKexInit {
  const told: Record<string, string | boolean> = { firstKexPacketFollows: false }
  let at = payloadStart + 1 + COOKIE_LENGTH
  for (const list of LISTS) {
    const length = payloadEnd - at < 4 ? Number.POSITIVE_INFINITY : u32(bytes, at)
    const isReadable = length <= LIST_LENGTH_MAX && at + 4 + length <= payloadEnd
    told[list] = isReadable ? text(bytes, at + 4, at + 4 + length) : ''
    at = isReadable ? at + 4 + length : payloadEnd
  }
  if (at >= payloadEnd) told['flaw'] = 'ssh.kexinit'
  else told['firstKexPacketFollows'] = bytes[at] !== 0
  return told as unknown as SshKexInit
}

/** HASSH: what a client offers, as its program orders it. */
export function hasshText(kex: SshKexInit): string {
  return [kex.kexAlgorithms, kex.encryptionClientToServer, kex.macClientToServer, kex.compressionClientToServer].join(
    ';',
  )
}

/** The same of a server. */
export function hasshServerText(kex: SshKexInit): string {
  return [kex.kexAlgorithms, kex.encryptionServerToClient, kex.macServerToClient, kex.compressionServerToClient].join(
    ';',
  )
}

/** 32 hexadecimal digits. */
export function hassh(kex: SshKexInit): string {
  return hash('md5', hasshText(kex))
}

export function hasshServer(kex: SshKexInit): string {
  return hash('md5', hasshServerText(kex))
}

/** What two ends agree on (RFC 4253 section 7.1): the first name of the client that the server has too. */
export interface SshAgreement {
  readonly kexAlgorithm?: string
  readonly hostKeyAlgorithm?: string
  readonly encryptionClientToServer?: string
  readonly encryptionServerToClient?: string
  readonly macClientToServer?: string
  readonly macServerToClient?: string
  readonly compressionServerToClient?: string
}

export function agreementOf(client: SshKexInit, server: SshKexInit): SshAgreement {
  const agreed = (list: (typeof LISTS)[number]) => {
    const offered = new Set(server[list].split(','))
    return client[list].split(',').find((name) => offered.has(name))
  }
  const told: Record<string, string | undefined> = {
    kexAlgorithm: agreed('kexAlgorithms'),
    hostKeyAlgorithm: agreed('hostKeyAlgorithms'),
    encryptionClientToServer: agreed('encryptionClientToServer'),
    encryptionServerToClient: agreed('encryptionServerToClient'),
    macClientToServer: agreed('macClientToServer'),
    macServerToClient: agreed('macServerToClient'),
    compressionServerToClient: agreed('compressionServerToClient'),
  }
  return Object.fromEntries(
    Object.entries(told).filter(([, name]) => name !== undefined && name !== ''),
  ) as SshAgreement
}

/** Octets of the tag or MAC behind a packet, by the name of what was agreed. */
const MAC_LENGTHS: Readonly<Record<string, number>> = {
  'hmac-md5': 16,
  'hmac-md5-96': 12,
  'hmac-sha1': 20,
  'hmac-sha1-96': 12,
  'hmac-sha2-256': 32,
  'hmac-sha2-512': 64,
  'hmac-ripemd160': 20,
  'umac-64': 8,
  'umac-128': 16,
}
const TAG_LENGTH = 16

/** Octets of the tag or MAC behind a packet whose length field stands in clear; undefined where it is encrypted too. */
export function sshClearLengthTag(cipher: string, mac: string): number | undefined {
  if (cipher.includes('-gcm')) return TAG_LENGTH
  if (cipher.startsWith('chacha20-poly1305') || !mac.includes('-etm')) return undefined
  return MAC_LENGTHS[macName(mac)]
}

function macName(mac: string): string {
  return mac.replace(/(?:-etm)?(?:@.*)?$/, '')
}

/**
 * How many octets a packet of a given payload takes on the wire once the keys are in use, and so how long an answer is
 * that nobody else can read. Undefined for ciphers that are not known here.
 */
export function sshWireLength(payloadLength: number, cipher: string, mac: string): number | undefined {
  const isPolyChaCha = cipher.startsWith('chacha20-poly1305')
  const isGcm = cipher.includes('-gcm')
  const block = isGcm || /^(?:aes|rijndael|twofish|serpent|camellia)/.test(cipher) ? 16 : 8
  const isKnown = isPolyChaCha || isGcm || /-(?:ctr|cbc)(?:@|$)|^arcfour/.test(cipher)
  const macLength = isPolyChaCha || isGcm ? TAG_LENGTH : MAC_LENGTHS[macName(mac)]
  if (!isKnown || macLength === undefined) return undefined
  // With a tag, or a MAC over the ciphertext, the length field is not part of what is padded (RFC 5647, RFC 6668).
  const isLengthApart = isPolyChaCha || isGcm || mac.includes('-etm')
  const inside = (isLengthApart ? 1 : 5) + payloadLength
  const padding = block - (inside % block)
  const padded = inside + (padding < 4 ? padding + block : padding)
  return padded + (isLengthApart ? 4 : 0) + macLength
}

/** DISCONNECT (RFC 4253 section 11.1). */
const DISCONNECT_REASONS: Readonly<Record<number, string>> = {
  1: 'HOST_NOT_ALLOWED_TO_CONNECT',
  2: 'PROTOCOL_ERROR',
  3: 'KEY_EXCHANGE_FAILED',
  5: 'MAC_ERROR',
  6: 'COMPRESSION_ERROR',
  7: 'SERVICE_NOT_AVAILABLE',
  8: 'PROTOCOL_VERSION_NOT_SUPPORTED',
  9: 'HOST_KEY_NOT_VERIFIABLE',
  10: 'CONNECTION_LOST',
  11: 'BY_APPLICATION',
  12: 'TOO_MANY_CONNECTIONS',
  13: 'AUTH_CANCELLED_BY_USER',
  14: 'NO_MORE_AUTH_METHODS_AVAILABLE',
  15: 'ILLEGAL_USER_NAME',
}

/** Why a peer ended the connection before the keys were in use. */
export function disconnectReason({ bytes, payloadStart, payloadEnd }: SshPacketView): string {
  if (payloadEnd - payloadStart < 5) return 'unknown'
  const reason = u32(bytes, payloadStart + 1)
  return DISCONNECT_REASONS[reason] ?? String(reason)
}
