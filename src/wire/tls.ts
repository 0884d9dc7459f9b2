/**
 * TLS as a bystander reads it: records and the messages that travel in clear, from SSL 3.0 (RFC 6101) over TLS 1.2
 * (RFC 5246) to TLS 1.3 (RFC 8446). The hellos have a file of their own.
 *
 * Records and messages are cut from a stream: that one goes on beyond the octets at hand is no flaw, `isWhole` tells it.
 */
import { NO_BYTES, u16, u24 } from '../base/bytes.ts'
import { TLS_ALERTS, TLS_CONTENT, TLS_HANDSHAKE, TLS_VERSIONS } from './tls-tables.ts'

export const TLS_RECORD_HEADER = 5
const HANDSHAKE_HEADER = 4
/** 2^14, and what compression and encryption may add (RFC 5246 section 6.2.3). */
const RECORD_LENGTH_MAX = 16_384 + 2048
/** No implementation accepts more: chains of certificates are the longest messages. */
const HANDSHAKE_LENGTH_MAX = 1 << 17

/** `tls.content_type`: none of TLS. `tls.version`: not 3.x. `tls.record_length`: longer than any version allows, or empty. */
export type TlsRecordFlaw = 'tls.truncated' | 'tls.content_type' | 'tls.version' | 'tls.record_length'

/** A reusable window on one record. */
export class TlsRecordView {
  bytes: Uint8Array = NO_BYTES
  contentType = 0
  version = 0
  length = 0
  fragmentStart = 0
  /** The end of the octets at hand. */
  fragmentEnd = 0
  /** The end of the record. */
  recordEnd = 0

  decode(bytes: Uint8Array, start: number, end: number): TlsRecordFlaw | null {
    if (end - start < TLS_RECORD_HEADER) return 'tls.truncated'
    const contentType = bytes[start]
    if (contentType < 20 || contentType > 24) return 'tls.content_type'
    const version = u16(bytes, start + 1)
    if (version < 0x0300 || version > 0x0304) return 'tls.version'
    const length = u16(bytes, start + 3)
    // Only application data may be empty (RFC 8446 section 5.1).
    if (length > RECORD_LENGTH_MAX || (length === 0 && contentType !== TLS_CONTENT.APPLICATION_DATA))
      return 'tls.record_length'
    this.bytes = bytes
    this.contentType = contentType
    this.version = version
    this.length = length
    this.fragmentStart = start + TLS_RECORD_HEADER
    this.recordEnd = this.fragmentStart + length
    this.fragmentEnd = Math.min(this.recordEnd, end)
    return null
  }

  get isWhole(): boolean {
    return this.fragmentEnd === this.recordEnd
  }
}

/** `tls.handshake_length`: longer than any message that is read in clear. */
export type TlsHandshakeFlaw = 'tls.truncated' | 'tls.handshake_length'

/** A reusable window on the header of one handshake message. */
export class TlsHandshakeView {
  type = 0
  length = 0
  bodyStart = 0
  /** Where the message ends; past the octets at hand if it is not whole. */
  bodyEnd = 0
  isWhole = false

  decode(bytes: Uint8Array, start: number, end: number): TlsHandshakeFlaw | null {
    if (end - start < HANDSHAKE_HEADER) return 'tls.truncated'
    const length = u24(bytes, start + 1)
    if (length > HANDSHAKE_LENGTH_MAX) return 'tls.handshake_length'
    this.type = bytes[start]
    this.length = length
    this.bodyStart = start + HANDSHAKE_HEADER
    this.bodyEnd = this.bodyStart + length
    this.isWhole = this.bodyEnd <= end
    return null
  }
}

/**
 * Whether octets begin a TLS connection: a handshake record whose first message is a hello, or an alert. Undefined if there
 * are too few to say.
 */
export function looksLikeTls(bytes: Uint8Array, start: number, end: number): boolean | undefined {
  const length = end - start
  if (length > 0 && bytes[start] !== TLS_CONTENT.HANDSHAKE && bytes[start] !== TLS_CONTENT.ALERT) return false
  if (length > 1 && bytes[start + 1] !== 3) return false
  if (length > 2 && bytes[start + 2] > 4) return false
  if (length < 6) return undefined
  const recordLength = u16(bytes, start + 3)
  if (bytes[start] === TLS_CONTENT.ALERT) return recordLength === 2
  const message = bytes[start + 5]
  return (
    recordLength >= HANDSHAKE_HEADER &&
    recordLength <= RECORD_LENGTH_MAX &&
    (message === TLS_HANDSHAKE.CLIENT_HELLO || message === TLS_HANDSHAKE.SERVER_HELLO)
  )
}

export interface CertificateWindow {
  readonly start: number
  readonly end: number
}

const CERTIFICATES_MAX = 16

/** `tls.certificate_length`: the list of certificates, or one of them, leads out of the message. */
export type TlsCertificatesFlaw = 'tls.certificate_length'

/** Where the certificates of a Certificate message of TLS 1.2 and before lie, the owner's first (RFC 5246 section 7.4.2). */
export function certificateWindows(
  bytes: Uint8Array,
  start: number,
  end: number,
): { readonly certificates: readonly CertificateWindow[]; readonly flaw?: TlsCertificatesFlaw } {
  const certificates: CertificateWindow[] = []
  if (end - start < 3 || start + 3 + u24(bytes, start) !== end) return { certificates, flaw: 'tls.certificate_length' }
  for (let at = start + 3; at < end; ) {
    const next = end - at < 3 ? end + 1 : at + 3 + u24(bytes, at)
    if (next > end) return { certificates, flaw: 'tls.certificate_length' }
    if (certificates.length < CERTIFICATES_MAX) certificates.push({ start: at + 3, end: next })
    at = next
  }
  return { certificates }
}

export interface TlsAlert {
  readonly level: 'warning' | 'fatal'
  readonly description: number
  readonly descriptionName: string
}

/** An alert in clear; null for what is not one, which an encrypted alert is not. */
export function describeAlert(bytes: Uint8Array, start: number, end: number): TlsAlert | null {
  if (end - start !== 2 || (bytes[start] !== 1 && bytes[start] !== 2)) return null
  const description = bytes[start + 1]
  return {
    level: bytes[start] === 1 ? 'warning' : 'fatal',
    description,
    descriptionName: TLS_ALERTS[description] ?? String(description),
  }
}

export function tlsVersionName(version: number): string {
  // Drafts of TLS 1.3 have numbers of their own.
  if (version >> 8 === 0x7f) return `TLS 1.3 draft ${version & 0xff}`
  return TLS_VERSIONS[version] ?? `0x${version.toString(16).padStart(4, '0')}`
}
